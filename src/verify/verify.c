/* The functions of jwtd-verify.h. */
#include "jwtd-verify.h"

#include "feed.h"
#include "follower.h"
#include "keys.h"
#include "problems.h"

#include "jwtd/clock.h"
#include "jwtd/macros.h"
#include "jwtd/revoked_sessions.h"
#include "jwtd/role.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_NAME "jwtd" /* of issuer and audience */
#define MAX_LIFE_DEFAULT_S 86400
#define MAX_STALE_LEAST_S 2
#define MAX_STALE_MOST_S 86400
#define FEED_LEEWAY_MAX_S 30
#define KEYS_MAX_AGE_S 60
#define KEYS_PAUSE_S 1
#define KEYS_FILE_PAUSE_US (CLOCK_US_PER_S / 10)

_Static_assert(FEED_LEEWAY_MAX_S < REVOKED_SESSIONS_MARGIN_S, "for so much longer the service keeps a revoked session");
_Static_assert(sizeof((struct jwtd_verify_claims *)NULL)->user_id == UUID_TEXT_SIZE, "a UUID and a NUL");
_Static_assert(sizeof((struct jwtd_verify_claims *)NULL)->roles > ROLES_JSON_MAX_LEN, "names take less than their JSON");

struct jwtd_verifier {
    struct token_rules rules; /* the strings are copies */
    int64_t leeway_s, max_stale_s;
    pid_t pid; /* of the process that has made it */
    struct keys *keys;
    atomic_int_fast64_t keys_read_at_us; /* boot time at which the last reading of the directory began */
    struct feed *feed;                   /* NULL: none */
    struct follower *follower;
    atomic_bool has_fetched; /* keys, once */
    atomic_bool lacks_files; /* the directory could not be read the last time */
    struct problems problems;
    pthread_mutex_t lock; /* for `progress`; also while has_fetched is set, and what was fetched put in force */
    pthread_cond_t progress;
};

/* ---- the thread's reports ---- */

static void on_progress(void *context) {
    struct jwtd_verifier *verifier = context;
    pthread_mutex_lock(&verifier->lock);
    pthread_cond_broadcast(&verifier->progress);
    pthread_mutex_unlock(&verifier->lock);
}

static void report_revoked_keys(struct jwtd_verifier *verifier) {
    char problem[PROBLEM_SIZE];
    if (keys_have_all_revoked(verifier->keys))
        return;
    snprintf(problem, sizeof problem, "keys: more than %d were revoked, so no token is accepted", REVOKED_KEYS_MAX);
    problems_set(&verifier->problems, PROBLEM_REVOKED_KEYS, problem);
}

static void on_key_revoked(void *context, struct text kid) {
    struct jwtd_verifier *verifier = context;
    keys_revoke(verifier->keys, kid);
    report_revoked_keys(verifier);
}

static void on_feed_problem(void *context, const char *problem) {
    struct jwtd_verifier *verifier = context;
    problems_set(&verifier->problems, PROBLEM_FEED, problem);
}

static void on_keys_problem(void *context, const char *problem) {
    struct jwtd_verifier *verifier = context;
    problems_set(&verifier->problems, PROBLEM_FETCHED, problem);
}

static size_t count_keys(struct jwtd_verifier *verifier) {
    size_t count = key_set_count(keys_begin(verifier->keys));
    keys_end(verifier->keys);
    return count;
}

/* jwtd_verify_wait must not see the keys without has_fetched: an unknown key would still be JWTD_VERIFY_STALE. */
static bool set_fetched(struct jwtd_verifier *verifier, struct text jwks, char *error, size_t error_size) {
    pthread_mutex_lock(&verifier->lock);
    bool is_set = keys_set_fetched(verifier->keys, jwks, error, error_size);
    if (is_set)
        atomic_store(&verifier->has_fetched, true);
    pthread_mutex_unlock(&verifier->lock);
    return is_set;
}

static bool on_keys(void *context, struct text jwks) {
    struct jwtd_verifier *verifier = context;
    char error[PROBLEM_SIZE] = "", problem[PROBLEM_SIZE] = "";
    bool is_set = set_fetched(verifier, jwks, error, sizeof error);
    if (!is_set)
        snprintf(problem, sizeof problem, "keys: fetched: %.200s", error);
    else if (count_keys(verifier) == 0)
        snprintf(problem, sizeof problem, "keys: the service publishes none, and there are no others");
    on_keys_problem(verifier, problem);
    on_progress(verifier);
    return is_set;
}

/* ---- creation ---- */

static const char *or_default(const char *text) {
    return text == NULL || text[0] == '\0' ? DEFAULT_NAME : text;
}

static const char *or_null(const char *text) {
    return text == NULL || text[0] == '\0' ? NULL : text;
}

/* What is wrong with them; NULL: nothing. */
static const char *check_options(const struct jwtd_verify_options *options) {
    if (options->leeway_s < JWTD_VERIFY_NO_LEEWAY || options->leeway_s > JWTD_VERIFY_LEEWAY_MAX_S)
        return "leeway_s is not JWTD_VERIFY_NO_LEEWAY or 0 to 300";
    if (options->leeway_s > FEED_LEEWAY_MAX_S && or_null(options->service_url) != NULL)
        return "leeway_s is more than 30, for which the service does not keep revocations";
    if (options->max_life_s < 0)
        return "max_life_s is negative";
    if (options->max_stale_s != 0 && (options->max_stale_s < MAX_STALE_LEAST_S || options->max_stale_s > MAX_STALE_MOST_S))
        return "max_stale_s is not 2 to 86400";
    if (or_null(options->keys_dir) == NULL && options->jwks == NULL && or_null(options->service_url) == NULL)
        return "no keys_dir, jwks or service_url: there are no keys to check with";
    if (or_null(options->service_url) != NULL &&
        (or_null(options->service_name) == NULL || or_null(options->service_secret) == NULL))
        return "service_url without service_name and service_secret";
    return NULL;
}

static void set_rules(struct jwtd_verifier *verifier, const struct jwtd_verify_options *options) {
    int64_t leeway_s = options->leeway_s == 0 ? JWTD_VERIFY_LEEWAY_S : options->leeway_s;
    verifier->leeway_s = leeway_s == JWTD_VERIFY_NO_LEEWAY ? 0 : leeway_s;
    verifier->max_stale_s = options->max_stale_s == 0 ? JWTD_VERIFY_MAX_STALE_S : options->max_stale_s;
    verifier->rules.issuer = strdup(or_default(options->issuer));
    verifier->rules.audience = strdup(or_default(options->audience));
    verifier->rules.access_ttl_s = options->max_life_s == 0 ? MAX_LIFE_DEFAULT_S : options->max_life_s;
}

static bool start_following(struct jwtd_verifier *verifier, const struct jwtd_verify_options *options, char *error,
                            size_t error_size) {
    if (or_null(options->service_url) == NULL)
        return true;
    const struct feed_options feed = { verifier->rules.access_ttl_s, verifier->leeway_s, on_key_revoked, verifier };
    verifier->feed = feed_create(&feed);
    if (verifier->feed == NULL) {
        snprintf(error, error_size, "no memory for the revoked sessions");
        return false;
    }
    problems_set(&verifier->problems, PROBLEM_FEED, "feed: not followed yet");
    const struct follower_options following = {
        .url = options->service_url,
        .name = options->service_name,
        .secret = options->service_secret,
        .ca_file = or_null(options->ca_file),
        .plain_http = options->plain_http != 0,
        .max_stale_s = verifier->max_stale_s,
        .feed = verifier->feed,
        .on_progress = on_progress,
        .on_keys = on_keys,
        .on_feed_problem = on_feed_problem,
        .on_keys_problem = on_keys_problem,
        .context = verifier,
    };
    verifier->follower = follower_start(&following, error, error_size);
    return verifier->follower != NULL;
}

static void free_verifier(struct jwtd_verifier *verifier) {
    follower_stop(verifier->follower);
    feed_destroy(verifier->feed);
    keys_destroy(verifier->keys);
    problems_fini(&verifier->problems);
    pthread_cond_destroy(&verifier->progress);
    pthread_mutex_destroy(&verifier->lock);
    free((void *)(uintptr_t)verifier->rules.issuer);
    free((void *)(uintptr_t)verifier->rules.audience);
    free(verifier);
}

static void init_waiting(struct jwtd_verifier *verifier) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&verifier->progress, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&verifier->lock, NULL);
}

/* A verifier that has no key, and no service to fetch one from, is a mistake. */
static bool has_keys(struct jwtd_verifier *verifier, const struct jwtd_verify_options *options, char *error, size_t error_size) {
    size_t count = count_keys(verifier);
    if (count == 0 && or_null(options->service_url) == NULL)
        snprintf(error, error_size, "no key that can be used in keys_dir or jwks");
    return count > 0 || or_null(options->service_url) != NULL;
}

static struct jwtd_verifier *create(const struct jwtd_verify_options *options, char *error, size_t error_size) {
    struct jwtd_verifier *verifier = calloc(1, sizeof *verifier);
    snprintf(error, error_size, "out of memory");
    if (verifier == NULL)
        return NULL;
    verifier->pid = getpid();
    init_waiting(verifier);
    problems_init(&verifier->problems, options->report, options->report_context);
    set_rules(verifier, options);
    atomic_init(&verifier->keys_read_at_us, clock_boot_us());
    struct text jwks = { options->jwks, options->jwks_len };
    int64_t keep_s = verifier->rules.access_ttl_s + verifier->leeway_s + KEY_LATE_S;
    if (verifier->rules.issuer != NULL && verifier->rules.audience != NULL &&
        (verifier->keys = keys_create(or_null(options->keys_dir), keep_s, jwks, error, error_size)) != NULL &&
        has_keys(verifier, options, error, error_size) && start_following(verifier, options, error, error_size))
        return verifier;
    free_verifier(verifier);
    return NULL;
}

/* A caller that was compiled with an earlier header has fewer options: the others are zero. One with a later header may have set
 * some that are unknown here. */
struct jwtd_verifier *jwtd_verify_create(const struct jwtd_verify_options *options, size_t options_size, char *error,
                                         size_t error_size) {
    struct jwtd_verify_options known = { 0 };
    char no_text[1];
    if (error == NULL || error_size == 0) {
        error = no_text;
        error_size = sizeof no_text;
    }
    error[0] = '\0';
    memcpy(&known, options, options_size < sizeof known ? options_size : sizeof known);
    for (size_t i = sizeof known; i < options_size; i++) {
        if (((const unsigned char *)options)[i] != 0) {
            snprintf(error, error_size, "an option that this version of the library does not know");
            return NULL;
        }
    }
    const char *wrong = check_options(&known);
    if (wrong != NULL) {
        snprintf(error, error_size, "%s", wrong);
        return NULL;
    }
    return create(&known, error, error_size);
}

/* There the locks may have been copied while another thread had them, and there is no thread that follows the feed. */
static bool is_in_child(const struct jwtd_verifier *verifier) {
    return verifier->pid != getpid();
}

void jwtd_verify_destroy(struct jwtd_verifier *verifier) {
    if (verifier != NULL && !is_in_child(verifier))
        free_verifier(verifier);
}

/* ---- keys ---- */

static bool read_directory(struct jwtd_verifier *verifier, bool at_once) {
    char error[PROBLEM_SIZE] = "", problem[PROBLEM_SIZE] = "";
    bool is_read = keys_read(verifier->keys, at_once, error, sizeof error);
    if (!is_read)
        snprintf(problem, sizeof problem, "keys: %.240s", error);
    atomic_store(&verifier->lacks_files, !is_read);
    problems_set(&verifier->problems, PROBLEM_DIRECTORY, problem);
    report_revoked_keys(verifier);
    return is_read;
}

/* Whether the last reading began at least so long ago; of several threads that ask one is told so, and does it. */
static bool claim_reading(struct jwtd_verifier *verifier, int64_t after_us) {
    int64_t now_us = clock_boot_us();
    int_fast64_t last_us = atomic_load(&verifier->keys_read_at_us);
    return now_us - last_us >= after_us && atomic_compare_exchange_strong(&verifier->keys_read_at_us, &last_us, now_us);
}

bool jwtd_verify_read_keys(struct jwtd_verifier *verifier) {
    if (is_in_child(verifier))
        return false;
    atomic_store(&verifier->keys_read_at_us, clock_boot_us());
    if (verifier->follower != NULL)
        follower_request_keys(verifier->follower);
    return read_directory(verifier, true);
}

/* ---- checking ---- */

static enum jwtd_verify_result check_by_keys(struct jwtd_verifier *verifier, struct text token, struct verified_token *found) {
    static const enum jwtd_verify_result results[] = {
        [TOKEN_VALID] = JWTD_VERIFY_VALID,
        [TOKEN_INVALID] = JWTD_VERIFY_INVALID,
        [TOKEN_EXPIRED] = JWTD_VERIFY_EXPIRED,
        [TOKEN_REVOKED_KEY] = JWTD_VERIFY_REVOKED,
        [TOKEN_REVOCATIONS_LOST] = JWTD_VERIFY_STALE,
        [TOKEN_UNKNOWN_KEY] = JWTD_VERIFY_UNKNOWN_KEY,
        [TOKEN_OUT_OF_MEMORY] = JWTD_VERIFY_OUT_OF_MEMORY,
    };
    const struct key_set *set = keys_begin(verifier->keys);
    enum token_verdict verdict = key_set_check(set, &verifier->rules, token, clock_wall_s(), verifier->leeway_s, found);
    keys_end(verifier->keys);
    return results[verdict];
}

/* Whether there is a file of the key. Anyone can make up a kid, which must not use up the readings for a key that has one. */
static bool look_for_key(struct jwtd_verifier *verifier, struct text kid) {
    bool has_file = keys_have_file(verifier->keys, kid);
    if (verifier->follower != NULL)
        follower_request_keys(verifier->follower);
    if (claim_reading(verifier, has_file ? KEYS_FILE_PAUSE_US : KEYS_PAUSE_S * CLOCK_US_PER_S))
        (void)read_directory(verifier, false);
    else if (has_file)
        keys_await_reading(verifier->keys); /* that of another thread */
    return has_file;
}

static enum jwtd_verify_result check(struct jwtd_verifier *verifier, struct text token, struct verified_token *found) {
    if (claim_reading(verifier, KEYS_MAX_AGE_S * CLOCK_US_PER_S))
        (void)read_directory(verifier, false);
    enum jwtd_verify_result result = check_by_keys(verifier, token, found);
    if (result == JWTD_VERIFY_UNKNOWN_KEY) {
        bool has_file = look_for_key(verifier, text_of(found->unknown_kid));
        result = check_by_keys(verifier, token, found);
        /* a client must not be told that its token is bad where the key may be good */
        bool may_be_known = (has_file && atomic_load(&verifier->lacks_files)) ||
                            (verifier->follower != NULL && !atomic_load(&verifier->has_fetched));
        if (result == JWTD_VERIFY_UNKNOWN_KEY && may_be_known)
            return JWTD_VERIFY_STALE;
    }
    if (result != JWTD_VERIFY_VALID || verifier->feed == NULL)
        return result;
    if (feed_has_revoked(verifier->feed, &found->session_id))
        return JWTD_VERIFY_REVOKED;
    int64_t stale_us = feed_stale_us(verifier->feed, clock_boot_us());
    return stale_us > verifier->max_stale_s * CLOCK_US_PER_S ? JWTD_VERIFY_STALE : JWTD_VERIFY_VALID;
}

/* Names separated by commas, which no name has. */
static void write_roles(const struct verified_token *found, char *roles) {
    struct text rest = { found->roles_json, found->roles_len };
    size_t len = 0;
    for (struct text role = roles_next(&rest); role.bytes != NULL; role = roles_next(&rest)) {
        if (len > 0)
            roles[len++] = ',';
        memcpy(roles + len, role.bytes, role.len);
        len += role.len;
    }
    roles[len] = '\0';
}

static void write_claims(const struct verified_token *found, struct jwtd_verify_claims *claims, size_t size) {
    struct jwtd_verify_claims known = { .issued_at = found->issued_at, .expires_at = found->expires_at };
    uuid_text(&found->user_id, known.user_id);
    uuid_text(&found->session_id, known.session_id);
    write_roles(found, known.roles);
    memcpy(claims, &known, size < sizeof known ? size : sizeof known);
}

enum jwtd_verify_result jwtd_verify(struct jwtd_verifier *verifier, const char *token, size_t token_len,
                                    struct jwtd_verify_claims *claims, size_t claims_size) {
    struct verified_token found;
    if (claims != NULL)
        memset(claims, 0, claims_size);
    int caller_errno = errno;
    enum jwtd_verify_result result =
        is_in_child(verifier) ? JWTD_VERIFY_STALE : check(verifier, (struct text){ token, token_len }, &found);
    errno = caller_errno;
    if (result == JWTD_VERIFY_VALID && claims != NULL)
        write_claims(&found, claims, claims_size);
    return result;
}

bool jwtd_verify_has_role(const struct jwtd_verify_claims *claims, const char *role) {
    struct text wanted = text_of(role);
    const char *at = claims->roles;
    while (at[0] != '\0') {
        size_t len = strcspn(at, ",");
        if (text_equal((struct text){ at, len }, wanted))
            return true;
        at += len;
        at += at[0] == ',';
    }
    return false;
}

static const struct {
    const char *name;
    unsigned http_status;
} rows[] = {
    [JWTD_VERIFY_VALID] = { "valid", 200 },
    [JWTD_VERIFY_INVALID] = { "invalid", 401 },
    [JWTD_VERIFY_EXPIRED] = { "expired", 401 },
    [JWTD_VERIFY_REVOKED] = { "revoked", 401 },
    [JWTD_VERIFY_UNKNOWN_KEY] = { "unknown_key", 401 },
    [JWTD_VERIFY_STALE] = { "stale", 503 },
    [JWTD_VERIFY_OUT_OF_MEMORY] = { "out_of_memory", 503 },
};

const char *jwtd_verify_result_name(enum jwtd_verify_result result) {
    return (size_t)result < ARRAY_LEN(rows) ? rows[result].name : "unknown";
}

unsigned jwtd_verify_http_status(enum jwtd_verify_result result) {
    return (size_t)result < ARRAY_LEN(rows) ? rows[result].http_status : 503;
}

/* ---- staleness ---- */

int64_t jwtd_verify_stale_s(const struct jwtd_verifier *verifier) {
    if (is_in_child(verifier))
        return INT64_MAX;
    if (verifier->feed == NULL)
        return 0;
    int64_t stale_us = feed_stale_us(verifier->feed, clock_boot_us());
    return stale_us == INT64_MAX ? INT64_MAX : stale_us / CLOCK_US_PER_S;
}

/* The caller has `lock`. */
static bool is_ready(struct jwtd_verifier *verifier) {
    return count_keys(verifier) > 0 && (verifier->feed == NULL || feed_stale_us(verifier->feed, clock_boot_us()) != INT64_MAX);
}

bool jwtd_verify_wait(struct jwtd_verifier *verifier, unsigned timeout_ms) {
    struct timespec deadline;
    if (is_in_child(verifier))
        return false;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += timeout_ms / 1000;
    deadline.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (deadline.tv_nsec >= 1000000000) {
        deadline.tv_sec++;
        deadline.tv_nsec -= 1000000000;
    }
    int failure = 0;
    pthread_mutex_lock(&verifier->lock);
    while (!is_ready(verifier) && verifier->follower != NULL && failure == 0)
        failure = pthread_cond_timedwait(&verifier->progress, &verifier->lock, &deadline);
    bool ready = is_ready(verifier);
    pthread_mutex_unlock(&verifier->lock);
    return ready;
}

void jwtd_verify_last_error(struct jwtd_verifier *verifier, char *error, size_t error_size) {
    if (!is_in_child(verifier))
        problems_first(&verifier->problems, error, error_size);
    else if (error_size > 0)
        snprintf(error, error_size, "the verifier was made before this process was forked");
}
