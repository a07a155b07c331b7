#include "mdoc.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool ends_sentence(const char *text) {
    return text[0] == '.' && isspace((unsigned char)text[1]) && text[2] != '\0';
}

void mdoc_text(const char *text) {
    bool is_line_start = true, is_quoted = false;
    for (; *text != '\0'; text++) {
        if (is_line_start && *text == '\n') {
            puts(".Pp");
            continue;
        }
        if (is_line_start && (*text == '.' || *text == '\''))
            fputs("\\&", stdout);
        is_line_start = *text == '\n' || ends_sentence(text);
        if (*text == '\\') {
            fputs("\\e", stdout);
        } else if (*text == '`') {
            is_quoted = !is_quoted;
            fputs(is_quoted ? "\\(oq" : "\\(cq", stdout);
        } else if (ends_sentence(text)) {
            fputs(".\n", stdout);
            text++;
        } else {
            putchar(*text);
        }
    }
    if (!is_line_start)
        putchar('\n');
}

void mdoc_argument(const char *text) {
    fputs(" \"", stdout);
    for (; *text != '\0'; text++)
        if (*text == '-')
            fputs("\\-", stdout);
        else if (*text == '"')
            fputs("\\(dq", stdout);
        else if (*text == '\\')
            fputs("\\e", stdout);
        else
            putchar(*text);
    putchar('"');
}

static void print_line(const char *line, const struct mdoc_marker *markers, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strncmp(line, markers[i].name, strlen(markers[i].name)) == 0) {
            markers[i].print();
            return;
        }
    fputs(line, stdout);
}

int mdoc_fill(const char *template, const struct mdoc_marker *markers, size_t count) {
    char line[1024];
    FILE *file = fopen(template, "re");
    if (file == NULL) {
        perror(template);
        return EXIT_FAILURE;
    }
    while (fgets(line, sizeof line, file) != NULL)
        print_line(line, markers, count);
    fclose(file);
    return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_SUCCESS : EXIT_FAILURE;
}
