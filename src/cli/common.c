#include "jwtd/cli.h"
#include "jwtd/db.h"

#include <errno.h>
#include <stdio.h>

static bool check_url(const char *url) {
    char problem[DB_URL_PROBLEM_SIZE];
    if (!db_url_is_valid(url)) {
        fputs(errno == ENOMEM ? "jwtd: out of memory\n" : "database.url " DB_URL_ERROR "\n", stderr);
        return false;
    }
    bool is_right = db_url_check_words(url, problem);
    if (!is_right)
        fprintf(stderr, "database.url: %s\n", problem);
    return is_right;
}

/* The URL is checked also when something else is wrong, so that all mistakes are reported together. It is NULL when there was no
 * memory for its default. */
bool cli_load_config(const struct cli_arguments *arguments, struct config *config) {
    bool is_loaded = config_load(config, arguments->source, stderr);
    bool is_url_right = config->database.url == NULL || check_url(config->database.url);
    return is_loaded && is_url_right;
}
