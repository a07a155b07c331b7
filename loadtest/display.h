/*
 * display: what a person sees while it runs: four lines that are drawn over themselves on a terminal, one line a second
 * elsewhere, on standard error; results go to standard output. `--quiet` shows nothing.
 */
#ifndef FAILPOINT_DISPLAY_H
#define FAILPOINT_DISPLAY_H

#include "run.h"

#include <stdbool.h>

struct display {
    bool quiet, terminal, drawn;
    unsigned columns;
    char progress[RUN_TEXT_SIZE]; /* the first line: phase and load */
    char bracket[RUN_TEXT_SIZE];  /* the second: what is known so far */
};

void display_init(struct display *display, bool quiet);
void display_second(struct display *display, const struct run *run, const struct run_second *second);
void display_note(struct display *display, const char *format, ...) __attribute__((format(printf, 2, 3))); /* a line that stays */
void display_clear(struct display *display); /* before the result is printed */

/* Numbers for people, never with an exponent. Return `text`. */
#define DISPLAY_NUMBER_SIZE 32
const char *display_number(double number, int digits,
                           char text[DISPLAY_NUMBER_SIZE]);            /* 0.00123, 1.5, 28400: digits that count */
const char *display_load(double load, char text[DISPLAY_NUMBER_SIZE]); /* three of them */
const char *display_ms(double ms, char text[DISPLAY_NUMBER_SIZE]);     /* "83 us", "250 ms", "1.02 s", "10 min" */
const char *display_ms_to(double ms, int digits, char text[DISPLAY_NUMBER_SIZE]);
const char *display_duration(double seconds, char text[DISPLAY_NUMBER_SIZE]); /* about: "40 s", "3 min", "24 h" */

#endif
