#include "jwtd/cli.h"
#include "jwtd/db.h"

#include <errno.h>
#include <stdio.h>

bool cli_load_config(const struct cli_arguments *arguments, struct config *config) {
    if (!config_load(config, arguments->source, stderr))
        return false;
    char problem[DB_URL_PROBLEM_SIZE];
    if (db_url_is_valid(config->database.url)) {
        if (db_url_check_words(config->database.url, problem))
            return true;
        fprintf(stderr, "database.url: %s\n", problem);
        return false;
    }
    fputs(errno == ENOMEM ? "jwtd: out of memory\n" : "database.url " DB_URL_ERROR "\n", stderr);
    return false;
}
