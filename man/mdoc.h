/*
 * mdoc: what the programs share that print manual pages at build time, from a template and the tables that --help prints, too. In
 * a template, a line that is a marker ("@COMMANDS@") is replaced by what its function prints. All of it goes to standard output.
 */
#ifndef MAN_MDOC_H
#define MAN_MDOC_H

#include <stdbool.h>
#include <stddef.h>

struct mdoc_marker {
    const char *name; /* with both @ */
    void (*print)(void);
};

/* Text: each sentence on a line of its own, `words` in quotation marks; an empty line begins a paragraph. */
void mdoc_text(const char *text);

/* One argument of a macro, as it is typed: in quotes, with hyphens that can be copied. */
void mdoc_argument(const char *text);

/* Fills the template; returns the exit code, with the reason on standard error. */
int mdoc_fill(const char *template, const struct mdoc_marker *markers, size_t count);

#endif
