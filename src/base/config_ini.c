/* Reads an INI file line by line, so that every error has its line; inih does the parsing. */
#include "settings.h"

#include <errno.h>
#include <ini.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_LEN 8192

struct reading {
    const struct ini_visitor *visitor;
    FILE *file;
    char *line;
    size_t line_size;
    unsigned number;
    int error; /* an errno: the file could not be read to its end; 0: it could */
};

/* What inih accepts without an error: a NUL ends its line, a long line is cut, and what stands behind "]" is dropped. */
static const char *find_error(const char *line, size_t len) {
    const char *start = line + strspn(line, " \t");
    if (memchr(line, '\0', len) != NULL)
        return "contains a NUL byte";
    if (len > LINE_MAX_LEN)
        return "is too long";
    if (*start == '[') {
        const char *end = strchr(start, ']');
        bool is_section = end != NULL && end[1 + strspn(end + 1, " \t\r\n")] == '\0';
        return is_section ? NULL : "is not a section: it must end with \"]\"";
    }
    return NULL;
}

/* inih's fgets: one line for each call, a blank one in place of each that was reported. */
static char *next_line(char *buffer, int size, void *stream) {
    struct reading *reading = (struct reading *)stream;
    ssize_t len = getline(&reading->line, &reading->line_size, reading->file);
    /* ferror does not report that there was no memory for the line: the rest of the file would be left out without an error */
    if (len < 0 && feof(reading->file) == 0)
        reading->error = errno;
    if (len < 0 || size < 2)
        return NULL;
    reading->number++;
    const char *error = find_error(reading->line, (size_t)len);
    if (error != NULL || len >= size) {
        reading->visitor->report(reading->visitor->context, reading->number, error != NULL ? error : "is too long");
        memcpy(buffer, "\n", sizeof "\n");
        return buffer;
    }
    memcpy(buffer, reading->line, (size_t)len + 1);
    return buffer;
}

static int take_pair(void *user, const char *section, const char *key, const char *value) {
    struct reading *reading = (struct reading *)user;
    const struct ini_visitor *visitor = reading->visitor;
    if (value == NULL)
        visitor->report(visitor->context, reading->number, "is neither a section, a comment nor \"key = value\"");
    else
        visitor->assign(visitor->context, reading->number, section, key, value);
    return 1;
}

void ini_read(const char *file, const struct ini_visitor *visitor) {
    struct reading reading = { .visitor = visitor, .file = fopen(file, "re") };
    if (reading.file == NULL) {
        visitor->report(visitor->context, 0, strerror(errno));
        return;
    }
    /* Debian's inih takes its options at run time. By default a value ends at " ;", also inside a password. */
    ini_max_line = LINE_MAX_LEN + 2;
    ini_allow_inline_comments = false;
    ini_allow_multiline = false;
    ini_allow_no_value = true;
    int result = ini_parse_stream(next_line, &reading, take_pair, &reading);
    if (reading.error != 0)
        visitor->report(visitor->context, 0, strerror(reading.error));
    else if (result != 0)
        visitor->report(visitor->context, result > 0 ? (unsigned)result : 0, "cannot be read");
    if (reading.line != NULL) {
        sodium_memzero(reading.line, reading.line_size);
        free(reading.line);
    }
    (void)fclose(reading.file);
}
