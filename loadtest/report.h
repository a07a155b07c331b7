/*
 * report: a run as a page for a browser: one file without scripts that loads nothing, for phones and screens, in light and in
 * dark. The verdict is its headline; below it the numbers, the charts, the steps, and the command to run it again.
 */
#ifndef FAILPOINT_REPORT_H
#define FAILPOINT_REPORT_H

#include "chart.h"
#include "run.h"

/* False, with a sentence in `error`, when the file cannot be written. */
bool report_write(const struct run *run, const char *path, char *error, size_t error_size);

/* report_charts.c: writes those figures for which the run has the numbers. */
void report_write_charts(const struct run *run, FILE *out);

/* report_style.c */
extern const char report_style[];

#endif
