/* config_fixture: loads a configuration, and keeps its errors and what config_print writes as text. */
#ifndef JWTD_TEST_CONFIG_FIXTURE_H
#define JWTD_TEST_CONFIG_FIXTURE_H

#include "jwtd/config.h"
#include "jwtd/macros.h"

struct outcome {
    bool loaded;
    struct config config;
    char *errors;
    char *printed;
};

struct outcome load(const struct config_source *source);
struct outcome load_set(const char *set);   /* one --set, or none for NULL */
struct outcome load_file(const char *text); /* of a file that holds this */
void outcome_fini(struct outcome *outcome);

/* Writes a new file and returns its name, which stays in file_name until the next call. */
extern char file_name[64];
const char *write_file(const char *bytes, size_t len);

int count_lines(const char *text);
bool has_line(const char *text, const char *needle); /* whether `needle` stands in the text as a line of its own */

#endif
