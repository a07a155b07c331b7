/*
 * gate: whether a run is worse than an earlier one of the same test. Pure computation over two records.
 */
#ifndef FAILPOINT_GATE_H
#define FAILPOINT_GATE_H

#include "run.h"

#define GATE_LINES 4

struct gate_line {
    char name[32], unit[16];
    double baseline, run;
    double worse; /* percent; negative: better */
    bool is_regression;
};

struct gate {
    struct gate_line lines[GATE_LINES];
    size_t count;
    bool is_regression;
};

/* False, with a sentence in `error`, when the two cannot be compared: another machine, other hash parameters, another test. */
bool gate_compare(const struct run *run, const struct run *baseline, double tolerance_percent, struct gate *gate, char *error,
                  size_t error_size);

#endif
