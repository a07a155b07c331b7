/* gate RUN BASELINE */
#include "command.h"
#include "display.h"
#include "gate.h"

#include <stdio.h>

#define ERROR_SIZE 512

static void print_gate(const struct gate *gate) {
    for (size_t i = 0; i < gate->count; i++) {
        const struct gate_line *line = &gate->lines[i];
        char baseline[DISPLAY_NUMBER_SIZE], run[DISPLAY_NUMBER_SIZE];
        printf("  %-10s %s -> %s %s: %.1f %% %s%s\n", line->name, display_number(line->baseline, 4, baseline),
               display_number(line->run, 4, run), line->unit, line->worse < 0 ? -line->worse : line->worse,
               line->worse < 0 ? "better" : "worse", line->is_regression ? ", a regression" : "");
    }
    puts(gate->is_regression ? "worse than the baseline" : "no worse than the baseline");
}

int command_gate(const struct options *options, const char *line) {
    (void)line;
    struct run run, baseline;
    struct gate gate;
    char error[ERROR_SIZE] = "";
    run_init(&run);
    run_init(&baseline);
    bool is_known = run_read(&run, options->operands[0], error, sizeof error) &&
                    run_read(&baseline, options->operands[1], error, sizeof error) &&
                    gate_compare(&run, &baseline, options->tolerance, &gate, error, sizeof error);
    if (is_known)
        print_gate(&gate);
    else
        command_fail(EXIT_USAGE, "%s", error);
    run_fini(&run);
    run_fini(&baseline);
    if (!is_known)
        return EXIT_USAGE;
    return gate.is_regression ? EXIT_REGRESSION : EXIT_FINE;
}
