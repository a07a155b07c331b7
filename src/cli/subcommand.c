#include "subcommand.h"

#include <stdio.h>
#include <string.h>

static void print_usage(const struct subcommand_table *table, FILE *out) {
    for (size_t i = 0; i < table->count; i++)
        fprintf(out, "%s jwtd %s %s%s\n", i == 0 ? "usage:" : "      ", table->command, subcommand_row(table, i)->name,
                subcommand_row(table, i)->synopsis);
}

void subcommand_print_help(const struct subcommand_table *table) {
    size_t width = 0;
    for (size_t i = 0; i < table->count; i++)
        if (strlen(subcommand_row(table, i)->name) > width)
            width = strlen(subcommand_row(table, i)->name);
    print_usage(table, stdout);
    putchar('\n');
    for (size_t i = 0; i < table->count; i++)
        printf("  %-*s  %s\n", (int)width, subcommand_row(table, i)->name, subcommand_row(table, i)->help);
    putchar('\n');
}

const struct subcommand *subcommand_find(const struct subcommand_table *table, const char *name) {
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(subcommand_row(table, i)->name, name) == 0)
            return subcommand_row(table, i);
    return NULL;
}

static const struct subcommand *find(const struct subcommand_table *table, const struct cli_arguments *arguments) {
    const struct subcommand *found = arguments->operand_count > 0 ? subcommand_find(table, arguments->operands[0]) : NULL;
    if (found != NULL)
        return found;
    if (arguments->operand_count == 0)
        fprintf(stderr, "jwtd: %s takes a subcommand\n", table->command);
    else
        fprintf(stderr, "jwtd: %s has no subcommand %s\n", table->command, arguments->operands[0]);
    print_usage(table, stderr);
    return NULL;
}

static bool refuse(const char *command, const struct subcommand *chosen, const char *what, const char *word) {
    fprintf(stderr, "jwtd: %s %s takes %s%s\nusage: jwtd %s %s%s\n", command, chosen->name, what, word, command, chosen->name,
            chosen->synopsis);
    return false;
}

static bool takes_operands(const char *command, const struct subcommand *chosen, const struct cli_arguments *arguments) {
    int taken = chosen->operand != NULL ? 2 : 1;
    if (arguments->operand_count < taken)
        return refuse(command, chosen, chosen->operand, "");
    return arguments->operand_count == taken || chosen->takes_more ||
           refuse(command, chosen,
                  chosen->operand != NULL ? "one operand, not also " : "no operand: ", arguments->operands[taken]);
}

static bool takes_options(const char *command, const struct subcommand *chosen, const struct cli_arguments *arguments) {
    for (size_t i = 0; i < cli_options_count; i++)
        if ((arguments->options & ~chosen->options & cli_options[i].flag) != 0)
            return refuse(command, chosen, "no option ", cli_options[i].name);
    return true;
}

const void *subcommand_choose(const struct subcommand_table *table, const struct cli_arguments *arguments) {
    const struct subcommand *chosen = find(table, arguments);
    bool is_right =
        chosen != NULL && takes_operands(table->command, chosen, arguments) && takes_options(table->command, chosen, arguments);
    return is_right ? chosen : NULL;
}
