/* report RUN: makes the page from a record. */
#include "command.h"
#include "report.h"

#include <stdio.h>

#define MISTAKE_SIZE 512

int command_report(const struct options *options, const char *line) {
    (void)line;
    struct run run;
    char mistake[MISTAKE_SIZE] = "";
    run_init(&run);
    int code = EXIT_FINE;
    if (!run_read(&run, options->words[0], mistake, sizeof mistake))
        code = EXIT_USAGE;
    else if (!report_write(&run, options->html, mistake, sizeof mistake))
        code = EXIT_MISSED;
    else
        printf("%s\n%s\n", run.verdict.headline, options->html);
    if (code != EXIT_FINE)
        fprintf(stderr, "failpoint: %s\n", mistake);
    run_fini(&run);
    return code;
}
