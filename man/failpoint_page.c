/* Run at build time: failpoint_page TEMPLATE prints failpoint(1). */
#include "loadtest/command.h"
#include "mdoc.h"

#include <stdio.h>
#include <stdlib.h>

static void print_option(void *context, const char *name, const char *value, const char *help) {
    (void)context;
    printf(".It Fl -%s", name);
    if (value != NULL) {
        fputs(" Ar", stdout);
        mdoc_argument(value);
    }
    putchar('\n');
    mdoc_text(help);
}

static void print_commands(void) {
    for (size_t i = 0; i < commands_count; i++) {
        printf(".Ss failpoint %s %s\n", commands[i].name, commands[i].operands);
        mdoc_text(commands[i].summary);
        puts(".Pp");
        mdoc_text(commands[i].description);
        puts(".Bl -tag -width Ds");
        options_visit(commands[i].flag, print_option, NULL);
        puts(".El");
    }
}

static void print_examples(void) {
    puts(".Bd -literal -offset indent");
    for (size_t i = 0; i < commands_count; i++) {
        for (const char *c = commands[i].example; *c != '\0'; c++)
            fputs(*c == '-' ? "\\-" : (const char[]){ *c, '\0' }, stdout);
        putchar('\n');
    }
    puts(".Ed");
}

static void print_exit_codes(void) {
    for (size_t i = 0; i < exit_meanings_count; i++) {
        printf(".It %d\n", (int)exit_meanings[i].code);
        mdoc_text(exit_meanings[i].meaning);
    }
}

int main(int argc, char **argv) {
    static const struct mdoc_marker markers[] = { { "@COMMANDS@", print_commands },
                                                  { "@EXAMPLES@", print_examples },
                                                  { "@EXIT_CODES@", print_exit_codes } };
    if (argc != 2) {
        fprintf(stderr, "usage: failpoint_page TEMPLATE\n");
        return EXIT_FAILURE;
    }
    return mdoc_fill(argv[1], markers, sizeof markers / sizeof *markers);
}
