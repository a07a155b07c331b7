/* Run at build time: failpoint_page TEMPLATE prints failpoint(1). */
#include "loadtest/command.h"
#include "mdoc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXAMPLE_WIDTH 66u /* in a page of 80 columns, with its indents */

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

/* The length of a word with the values behind it: up to the next option, or the end of the line. */
static size_t length_with_values(const char *word) {
    size_t len = strcspn(word, " \n");
    while (word[len] == ' ' && word[len + 1] != '-')
        len += 1 + strcspn(word + len + 1, " \n");
    return len;
}

/* Lines. One that is too long for a terminal goes on, before an option, in the next one, as a shell reads it. */
static void print_example(const char *example) {
    for (size_t column = 0; *example != '\0'; column = *example++ == '\n' ? 0 : column + 1) {
        if (example[0] == ' ' && example[1] == '-' && column + 1 + length_with_values(example + 1) > EXAMPLE_WIDTH) {
            fputs(" \\e\n   ", stdout);
            column = 3;
        }
        fputs(*example == '-' ? "\\-" : (const char[]){ *example, '\0' }, stdout);
    }
    putchar('\n');
}

static void print_examples(void) {
    puts(".Bd -literal -offset indent");
    for (size_t i = 0; i < commands_count; i++)
        print_example(commands[i].example);
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
