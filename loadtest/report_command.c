/* report RUN: makes the page from a record. */
#include "command.h"
#include "report.h"

#include <stdio.h>

#define ERROR_SIZE 512

int command_report(const struct options *options, const char *line) {
    (void)line;
    struct run run;
    char error[ERROR_SIZE] = "";
    run_init(&run);
    int code = EXIT_FINE;
    if (!run_read(&run, options->operands[0], error, sizeof error))
        code = EXIT_USAGE;
    else if (!report_write(&run, options->html, error, sizeof error))
        code = EXIT_MISSED;
    else
        printf("%s\n%s\n", run.verdict.headline, options->html);
    if (code != EXIT_FINE)
        command_fail(EXIT_USAGE, "%s", error);
    run_fini(&run);
    return code;
}
