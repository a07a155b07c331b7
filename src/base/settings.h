/*
 * settings: the table behind config.h. One row is one setting; everything that is particular to a type is in its struct
 * setting_type. For the files src/base/config*.c and settings.c only.
 */
#ifndef JWTD_SETTINGS_H
#define JWTD_SETTINGS_H

#include "jwtd/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define ERROR_SIZE 256
#define LIST_MAX 64 /* items of a string_list */
#define OUT_OF_MEMORY "cannot be kept: out of memory"

struct setting;

/* How the text of a value becomes a member of struct config, and back. */
struct setting_type {
    size_t size; /* of the member */
    /* Replaces the value at `place`. False: *place is as it was, and `error` has a clause like "must be ...". */
    bool (*parse)(const struct setting *setting, const char *text, void *place, char error[ERROR_SIZE]);
    void (*print)(const struct setting *setting, const void *place, FILE *out);
    /* Into zeroes, which stay if it returns false: out of memory. NULL: memcpy copies the value. */
    bool (*copy)(const void *value, void *place);
    /* Frees what parse or copy has allocated and leaves zeroes. NULL: they allocate nothing. */
    void (*release)(void *place);
};

extern const struct setting_type boolean_setting;     /* bool: true, false, on, off */
extern const struct setting_type count_setting;       /* unsigned, or int when the bounds allow: a whole number */
extern const struct setting_type duration_setting;    /* int64_t milliseconds: 250ms, 5s, 15m, 12h, 30d, 0 */
extern const struct setting_type size_setting;        /* size_t bytes: 512B, 16KiB, 19MiB, 1GiB, 0 */
extern const struct setting_type fraction_setting;    /* unsigned millionths: 0, 0.01, 1 */
extern const struct setting_type rate_setting;        /* struct limit_rate: 10/min, 5/15min burst 10, off */
extern const struct setting_type text_setting;        /* char *: UTF-8 without control characters */
extern const struct setting_type url_setting;         /* char *: as text, but wiped */
extern const struct setting_type endpoint_setting;    /* struct endpoint; with min 0 it may be empty: none */
extern const struct setting_type kid_setting;         /* char *: the name of a signing key */
extern const struct setting_type web_address_setting; /* char *: an http or https URL without a slash at its end, or empty */
extern const struct setting_type otlp_url_setting;    /* the same, without the path /v1/traces, which is appended */
extern const struct setting_type networks_setting;    /* struct cidr_list */
extern const struct setting_type origins_setting;     /* struct string_list */
extern const struct setting_type claims_setting;      /* unsigned, a set of PROFILE_CLAIM_BIT */
extern const struct setting_type level_setting;       /* enum log_level */
extern const struct setting_type format_setting;      /* enum log_format */
extern const struct setting_type requests_setting;    /* enum log_requests */
extern const struct setting_type emails_setting;      /* enum log_emails */
extern const struct setting_type digest_setting;      /* char *: SHA-256 as 64 digits 0-9 a-f, or empty */

enum setting_flags {
    RELOADABLE = 1, /* SIGHUP changes it; any other waits for a restart */
    SECRET = 2      /* a text that holds a password: no error quotes it, and config_print prints it by print_secret */
};

struct setting {
    const char *name; /* "section.key" */
    const struct setting_type *type;
    unsigned flags;    /* of enum setting_flags */
    const char *value; /* the default */
    int64_t min, max;  /* of the number; of a text its length in bytes */
    int64_t unit;      /* the number must be a multiple of this; 0: of anything */
    size_t offset;     /* into struct config */
    const char *help;
};

#define SETTINGS_MAX 96 /* rows */
extern const struct setting settings[];
extern const size_t settings_count;

/* NULL if no setting has this name. */
const struct setting *setting_find(const char *name);

/* Writes the reason to `error` and returns false, for a parse function. */
static inline bool setting_reject(char error[ERROR_SIZE], const char *reason) {
    (void)snprintf(error, ERROR_SIZE, "%s", reason);
    return false;
}

/* The setting's member of struct config. */
void *setting_place(const struct setting *setting, struct config *config);
const void *setting_value(const struct setting *setting, const struct config *config);

/* config_ini.c: calls `assign` for every "key = value" of the file, and `report` for every line that is neither that nor a
 * section, a comment or blank (line 0: the file itself cannot be read). */
struct ini_visitor {
    void (*assign)(void *context, unsigned line, const char *section, const char *key, const char *value);
    void (*report)(void *context, unsigned line, const char *error);
    void *context;
};
void ini_read(const char *file, const struct ini_visitor *visitor);

/* config_checks.c: checks that involve more than one setting. Calls `report` for each that fails, with the setting to change. */
struct config_check_visitor {
    void (*report)(void *context, const struct setting *setting, const char *error);
    bool (*is_valid)(void *context, const struct setting *setting); /* false: it has an error of its own already */
    void *context;
};
void config_check(const struct config *config, const struct config_check_visitor *visitor);

#endif
