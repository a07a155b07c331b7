/*
 * config: every setting of the program in one table: name, type, default, bounds, and a line of help.
 *
 * The parser, `jwtd check-config`, `jwtd --help` and the reload read the same table (src/base/settings.c), so a new setting is
 * one row, one member of struct config, and a line in config/jwtd.conf, which a test compares with the table. The two tests with
 * a value for every setting (test_config.c, test_reload.c) fail until they have one for it.
 *
 * Precedence, lowest first: the default, the INI file, the environment (JWTD_<SECTION>_<KEY>), --set section.key=value. Unknown
 * keys (also JWTD_* variables that name none) and values out of bounds are errors; all of them are reported at once, with file
 * and line, "environment JWTD_X" or "--set" as their origin.
 *
 * A configuration is not modified after config_load: a reload makes another one (config_reload, snapshot.h). So every thread may
 * read it. config_load is for one thread at a time, since it sets global options of inih.
 */
#ifndef JWTD_CONFIG_H
#define JWTD_CONFIG_H

#include "jwtd/endpoint.h"
#include "jwtd/log.h"
#include "jwtd/network.h"
#include "jwtd/status.h"
#include "jwtd/string_list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* "10/min burst 20": `amount` in `period_ms`, at most `burst` at once; "off" is amount 0. */
struct limit_rate {
    unsigned amount;
    int64_t period_ms;
    unsigned burst;
};

/* Times are milliseconds, sizes are bytes. Strings are not NULL once config_load, config_copy or config_reload has succeeded. */
struct config {
    struct {
        struct endpoint listen;
        char *public_url; /* without a slash at its end; empty: unknown */
        unsigned threads;
        unsigned max_connections;
        unsigned max_connections_per_address; /* 0: no limit */
        unsigned max_streams;
        int64_t header_timeout_ms;
        int64_t body_timeout_ms;
        int64_t request_timeout_ms;
        size_t body_limit;
        struct cidr_list trusted_proxies;
        int64_t drain_delay_ms; /* after the signal to stop, before it stops */
        int64_t shutdown_grace_ms;
    } server;
    struct {
        char *url;
        unsigned connections;
        unsigned threads;
        int64_t statement_timeout_ms;
        bool prepared;               /* off: nothing outlives a transaction, for poolers */
        int64_t cleanup_interval_ms; /* between two rounds of the cleanup (cleanup.h) */
    } database;
    struct {
        size_t memory;
        unsigned operations;
        bool allow_weak;
        unsigned workers;
        unsigned min_length; /* code points */
        int nice;            /* priority of the crypto threads, 0 to 19 */
    } password;
    struct {
        char *keys_dir;
        char *active_kid;
        int64_t publish_before_use_ms;
        char *refresh_key_file;
        char *issuer;
        char *audience;
        unsigned claims; /* of PROFILE_CLAIM_BIT (profile_claims.h) */
        int64_t access_ttl_ms;
        int64_t refresh_ttl_ms;
        int64_t refresh_idle_ms;
        int64_t refresh_retry_window_ms;
        int64_t max_stale_ms;
    } token;
    struct {
        bool enabled;
        unsigned table_size;         /* entries of the limiter's table, one for each bucket in use */
        struct limit_rate register_; /* by address, as the next three */
        struct limit_rate login;
        struct limit_rate refresh;
        struct limit_rate account;
        struct limit_rate address_failures; /* by address */
        struct limit_rate login_failures;   /* by account and address */
        struct limit_rate account_failures; /* by account, of all addresses that it does not know */
        struct limit_rate service;          /* by service, or by address */
        int64_t lock_ms; /* of an account for an address that has used login_failures up; doubles up to lock_max_ms */
        int64_t lock_max_ms;
    } limit;
    struct {
        char *credentials_file; /* service_credentials.h */
    } services;
    struct {
        int64_t keep_ms;
    } audit;
    struct {
        struct string_list allowed_origins;
    } cors;
    struct {
        struct endpoint listen; /* not set: none */
    } ops;
    struct {
        bool enabled;
    } admin;
    struct {
        bool enabled;
    } docs;
    struct {
        char *otlp_endpoint;              /* empty: nothing is traced */
        unsigned sample;                  /* of a million requests */
        struct limit_rate sample_callers; /* of those that ask for it; amount 0: none */
    } trace;
    struct {
        enum log_level level;
        enum log_format format;
        enum log_requests requests;
        enum log_emails emails;
        char *detail_digest; /* SHA-256, in hex, of what X-Log-Detail must carry; empty: no request is logged in detail */
    } log;
    bool is_exposed; /* no setting: config_load found a secret in force in a file that all who reach it may read */
};

struct config_source {
    const char *file;         /* NULL: no file */
    char *const *environment; /* environ; NULL: none */
    const char *const *set;   /* "section.key=value" */
    size_t set_count;
};

/* Fills *config from all sources. On any error writes one line for each to `errors` and returns false; call config_fini in both
 * cases. */
bool config_load(struct config *config, const struct config_source *source, FILE *errors) MUST_CHECK;
void config_fini(struct config *config);

/* The effective values in the INI format. What may hold a password (database.url) is written by print_secret, which leaves the
 * password out: db_print_url (db.h). */
void config_print(const struct config *config, void (*print_secret)(const char *secret, FILE *out), FILE *out);

/* False: out of memory; *copy is empty. A copy is freed by config_fini, too. */
bool config_copy(const struct config *config, struct config *copy) MUST_CHECK;

/* Makes the configuration that a reload puts in force: the settings that can change in a running service as in `loaded`, all
 * others as in `in_force`. Calls `visit` for each setting that differs between the two. False: out of memory; `visit` was not
 * called for all of them, and *next is empty. */
bool config_reload(const struct config *in_force, const struct config *loaded, struct config *next,
                   void (*visit)(const char *name, bool takes_effect, void *context), void *context) MUST_CHECK;

/* One line for each setting: name, default, help; for --help. */
void config_print_help(FILE *out);

#endif
