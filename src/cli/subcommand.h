/* subcommand: the words of a command that has subcommands (key, service, user). Main thread. */
#ifndef JWTD_SUBCOMMAND_H
#define JWTD_SUBCOMMAND_H

#include "jwtd/cli.h"

#include <stdbool.h>
#include <stddef.h>

/* The first member of each row of a command's table. */
struct subcommand {
    const char *name;
    const char *synopsis; /* what follows the name in the usage, after a blank; "" if nothing does */
    const char *help;
    const char *operand; /* in words, the one operand that it must have; NULL: it takes none */
    bool takes_more;     /* operands after that one */
    unsigned options;    /* that it takes, of enum cli_option_flag */
    const char *notes;   /* what its own --help says below the options: lines, each ended by \n; NULL: nothing */
};

struct subcommand_table {
    const char *command;
    const void *rows;
    size_t count, row_size;
};

extern const struct subcommand_table key_subcommands, service_subcommands, user_subcommands;

static inline const struct subcommand *subcommand_row(const struct subcommand_table *table, size_t i) {
    return (const struct subcommand *)((const char *)table->rows + i * table->row_size);
}

/* NULL: there is none of this name. */
const struct subcommand *subcommand_find(const struct subcommand_table *table, const char *name);

/* The row that the first operand names. NULL, with the reason and the usage on standard error: there is none, or it does not take
 * these operands or options. */
const void *subcommand_choose(const struct subcommand_table *table, const struct cli_arguments *arguments) MUST_CHECK;

/* The usage of all, then a line for each, then a blank line. */
void subcommand_print_help(const struct subcommand_table *table);

#endif
