#include "follower.h"

#include "sse.h"

#include "jwtd/clock.h"
#include "jwtd/key_set.h"
#include "jwtd/macros.h"

#include <arpa/inet.h>
#include <assert.h>
#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define REASON_SIZE (CURL_ERROR_SIZE + 64)
#define CONNECT_TIMEOUT_S 5L
#define KEYS_TIMEOUT_S 5L
#define RETRY_DEFAULT_MS 1000
#define RETRY_MIN_MS 100
#define KEYS_PAUSE_S 1
#define DOUBLINGS_MAX 8
#define LOOP_MS 1000 /* the longest wait */

struct transfer {
    CURL *easy;
    struct curl_slist *headers;
    bool is_running;
    int64_t next_at_us;             /* when the next one may begin, while none runs */
    int64_t began_us, last_byte_us; /* before there is one: began_us */
    unsigned failures;              /* since the last success */
    char error[CURL_ERROR_SIZE];
};

struct follower {
    struct follower_options options; /* the strings are copies */
    CURLM *multi;
    pthread_t thread;
    atomic_bool stops, wants_keys;
    struct transfer feed, keys;
    int64_t now_us; /* when this round of the loop began; what comes in it counts as of then, since the process may have
                       been stopped before it was read */
    char *jwks;     /* what has come of the keys */
    size_t jwks_len;
};

static int64_t seconds(int64_t count) {
    return count * CLOCK_US_PER_S;
}

/* ---- what comes ---- */

static bool is_ok(CURL *easy, const char *media_type) {
    long code = 0;
    const char *type = NULL;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &code);
    curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
    return code == 200 && (media_type == NULL || (type != NULL && strncasecmp(type, media_type, strlen(media_type)) == 0));
}

/* Fewer bytes than came make libcurl end the transfer. */
static size_t take_feed(char *bytes, size_t size, size_t count, void *context) {
    struct follower *follower = context;
    size_t len = size * count;
    if (!is_ok(follower->feed.easy, "text/event-stream"))
        return 0;
    follower->feed.last_byte_us = follower->now_us;
    bool was_followed = feed_is_followed(follower->options.feed);
    bool is_taken = feed_take(follower->options.feed, (struct text){ bytes, len }, follower->now_us);
    if (feed_is_followed(follower->options.feed)) {
        follower->feed.failures = 0;
        if (!was_followed)
            follower->options.on_feed_problem(follower->options.context, "");
    }
    follower->options.on_progress(follower->options.context);
    return is_taken ? len : 0;
}

static size_t take_keys(char *bytes, size_t size, size_t count, void *context) {
    struct follower *follower = context;
    size_t len = size * count;
    if (!is_ok(follower->keys.easy, NULL) || len > JWKS_TEXT_MAX - follower->jwks_len)
        return 0;
    memcpy(follower->jwks + follower->jwks_len, bytes, len);
    follower->jwks_len += len;
    return len;
}

/* ---- pauses ---- */

/* Between nothing and all of it. */
static int64_t random_part(int64_t us) {
    return us <= 0 ? 0 : (int64_t)(randombytes_random() / (double)UINT32_MAX * (double)us);
}

static void pause_after(struct follower *follower, struct transfer *transfer, int64_t retry_ms) {
    curl_off_t retry_after_s = 0;
    int64_t base_us = (retry_ms < RETRY_MIN_MS ? RETRY_MIN_MS : retry_ms) * (CLOCK_US_PER_S / 1000);
    int64_t longest_us = seconds(FOLLOWER_PAUSE_MAX_S), pause_us = base_us;
    curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
    for (unsigned i = 1; i < transfer->failures && i < DOUBLINGS_MAX; i++)
        pause_us *= 2;
    if (pause_us > longest_us)
        pause_us = longest_us;
    pause_us = transfer->failures == 0 ? random_part(pause_us) : pause_us / 2 + random_part(pause_us / 2);
    if (retry_after_s > FOLLOWER_RETRY_AFTER_MAX_S)
        retry_after_s = FOLLOWER_RETRY_AFTER_MAX_S;
    if (pause_us < seconds(retry_after_s))
        pause_us = seconds(retry_after_s) + random_part(base_us);
    transfer->next_at_us = clock_boot_us() + pause_us;
    transfer->is_running = false;
    curl_multi_remove_handle(follower->multi, transfer->easy);
}

/* ---- the feed ---- */

static void begin_feed(struct follower *follower) {
    struct transfer *transfer = &follower->feed;
    const char *id = feed_last_event_id(follower->options.feed);
    char line[SSE_ID_MAX + sizeof "Last-Event-ID: "];
    curl_slist_free_all(transfer->headers);
    transfer->headers = curl_slist_append(NULL, "Accept: text/event-stream");
    if (transfer->headers != NULL && id[0] != '\0') {
        snprintf(line, sizeof line, "Last-Event-ID: %s", id);
        curl_slist_append(transfer->headers, line); /* without memory for it the whole snapshot comes */
    }
    feed_begin_connection(follower->options.feed);
    transfer->error[0] = '\0';
    transfer->began_us = clock_boot_us();
    transfer->last_byte_us = transfer->began_us;
    curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
    transfer->is_running = curl_multi_add_handle(follower->multi, transfer->easy) == CURLM_OK;
    if (!transfer->is_running)
        transfer->next_at_us = clock_boot_us() + seconds(1);
}

/* Also when the service has ended the stream in good order. */
static void end_feed(struct follower *follower, const char *reason) {
    struct transfer *transfer = &follower->feed;
    char problem[REASON_SIZE];
    const int64_t longest_ms = INT64_C(1000) * FOLLOWER_PAUSE_MAX_S;
    int64_t retry_ms = feed_retry_ms(follower->options.feed);
    transfer->failures += feed_is_followed(follower->options.feed) ? 0 : 1;
    snprintf(problem, sizeof problem, "feed: %s", reason);
    follower->options.on_feed_problem(follower->options.context, problem);
    if (retry_ms > longest_ms)
        retry_ms = longest_ms;
    pause_after(follower, transfer, retry_ms < 0 ? RETRY_DEFAULT_MS : retry_ms);
}

static const char *reason_of(const struct transfer *transfer, CURLcode result, char reason[REASON_SIZE]) {
    long code = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &code);
    if (code == 401 || code == 403)
        snprintf(reason, REASON_SIZE, "%ld: the service refuses name or secret", code);
    else if (code != 0 && code != 200)
        snprintf(reason, REASON_SIZE, "%ld: the service does not answer with 200", code);
    else if (result == CURLE_OK)
        snprintf(reason, REASON_SIZE, "the service has ended the connection");
    else
        snprintf(reason, REASON_SIZE, "%s", transfer->error[0] != '\0' ? transfer->error : curl_easy_strerror(result));
    return reason;
}

static void feed_has_ended(struct follower *follower, CURLcode result) {
    char reason[REASON_SIZE];
    const char *refused = feed_reason(follower->options.feed);
    if (result == CURLE_WRITE_ERROR && is_ok(follower->feed.easy, NULL))
        end_feed(follower, refused[0] != '\0' ? refused : "the service does not answer with text/event-stream");
    else
        end_feed(follower, reason_of(&follower->feed, result, reason));
}

/* ---- the keys ---- */

static void begin_keys(struct follower *follower) {
    struct transfer *transfer = &follower->keys;
    follower->jwks_len = 0;
    transfer->error[0] = '\0';
    transfer->began_us = clock_boot_us();
    atomic_store(&follower->wants_keys, false);
    transfer->is_running = curl_multi_add_handle(follower->multi, transfer->easy) == CURLM_OK;
    if (!transfer->is_running)
        transfer->next_at_us = clock_boot_us() + seconds(1);
}

static void keys_have_ended(struct follower *follower, CURLcode result) {
    struct transfer *transfer = &follower->keys;
    char reason[REASON_SIZE], problem[REASON_SIZE + 8];
    struct text jwks = { follower->jwks, follower->jwks_len };
    bool has_come = result == CURLE_OK && is_ok(transfer->easy, NULL);
    if (has_come && follower->options.on_keys(follower->options.context, jwks)) {
        pause_after(follower, transfer, 0);
        transfer->failures = 0;
        transfer->next_at_us = transfer->began_us + seconds(FOLLOWER_KEYS_S) + random_part(seconds(1));
        return;
    }
    transfer->failures++;
    if (!has_come) {
        if (result == CURLE_WRITE_ERROR && is_ok(transfer->easy, NULL)) /* by take_keys */
            snprintf(problem, sizeof problem, "keys: more than %zu bytes", JWKS_TEXT_MAX);
        else
            snprintf(problem, sizeof problem, "keys: %s", reason_of(transfer, result, reason));
        follower->options.on_keys_problem(follower->options.context, problem);
    }
    pause_after(follower, transfer, RETRY_DEFAULT_MS);
}

/* ---- the thread ---- */

static void end_transfers(struct follower *follower) {
    const CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(follower->multi, &left)) != NULL) {
        CURLcode result = message->data.result; /* the message is gone when the transfer is removed */
        if (message->easy_handle == follower->feed.easy)
            feed_has_ended(follower, result);
        else
            keys_have_ended(follower, result);
    }
}

/* A request for keys comes sooner than a pause allows, but not sooner than a second after the last attempt. */
static int64_t keys_due_us(const struct follower *follower) {
    int64_t soonest_us = follower->keys.began_us + seconds(KEYS_PAUSE_S);
    bool is_early = atomic_load(&follower->wants_keys) && soonest_us < follower->keys.next_at_us;
    return is_early ? soonest_us : follower->keys.next_at_us;
}

static void begin_transfers(struct follower *follower, int64_t now) {
    if (!follower->feed.is_running && follower->feed.next_at_us <= now)
        begin_feed(follower);
    if (!follower->keys.is_running && keys_due_us(follower) <= now)
        begin_keys(follower);
}

static int wait_ms(const struct follower *follower) {
    int64_t now = clock_boot_us(), next_us = now + (int64_t)LOOP_MS * (CLOCK_US_PER_S / 1000);
    if (!follower->feed.is_running && follower->feed.next_at_us < next_us)
        next_us = follower->feed.next_at_us;
    if (!follower->keys.is_running && keys_due_us(follower) < next_us)
        next_us = keys_due_us(follower);
    return next_us <= now ? 0 : (int)((next_us - now) / (CLOCK_US_PER_S / 1000)) + 1;
}

/* Another instance behind the same address may know more. */
static bool is_too_stale(const struct follower *follower) {
    int64_t now = follower->now_us, limit_us = seconds(follower->options.max_stale_s);
    return now - follower->feed.began_us > limit_us && feed_stale_us(follower->options.feed, now) > limit_us;
}

static void *run(void *context) {
    struct follower *follower = context;
    pthread_setname_np(pthread_self(), "jwtd-verify");
    while (!atomic_load(&follower->stops)) {
        int running;
        int64_t now = clock_boot_us();
        follower->now_us = now;
        if (follower->feed.is_running && now - follower->feed.last_byte_us > seconds(FOLLOWER_SILENCE_S))
            end_feed(follower, "the service is silent");
        else if (follower->feed.is_running && is_too_stale(follower))
            end_feed(follower, "what the service itself knows is too old");
        begin_transfers(follower, now);
        curl_multi_perform(follower->multi, &running);
        end_transfers(follower);
        curl_multi_poll(follower->multi, NULL, 0, wait_ms(follower), NULL);
    }
    return NULL;
}

void follower_request_keys(struct follower *follower) {
    if (!atomic_exchange(&follower->wants_keys, true))
        curl_multi_wakeup(follower->multi);
}

/* ---- start and stop ---- */

/* Programs that the application starts do not inherit it. */
static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address) {
    (void)context;
    (void)purpose;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static CURL *create_easy(struct follower *follower, struct transfer *transfer, const char *path,
                         size_t (*take)(char *, size_t, size_t, void *)) {
    char *url = NULL;
    CURL *easy = curl_easy_init();
    if (easy == NULL || asprintf(&url, "%s%s", follower->options.url, path) < 0) {
        curl_easy_cleanup(easy);
        return NULL;
    }
    bool is_set =
        curl_easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK && curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, follower) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK && /* waits for no name that is being resolved */
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK &&
        (follower->options.ca_file == NULL || curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK) &&
        (follower->options.ca_file == NULL || curl_easy_setopt(easy, CURLOPT_CAINFO, follower->options.ca_file) == CURLE_OK);
    free(url);
    if (is_set)
        return easy;
    curl_easy_cleanup(easy);
    return NULL;
}

static bool create_transfers(struct follower *follower) {
    follower->feed.easy = create_easy(follower, &follower->feed, "/auth/revocations?heartbeat=1", take_feed);
    follower->keys.easy = create_easy(follower, &follower->keys, "/.well-known/jwks.json", take_keys);
    return follower->feed.easy != NULL && follower->keys.easy != NULL &&
           curl_easy_setopt(follower->feed.easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC) == CURLE_OK &&
           curl_easy_setopt(follower->feed.easy, CURLOPT_USERNAME, follower->options.name) == CURLE_OK &&
           curl_easy_setopt(follower->feed.easy, CURLOPT_PASSWORD, follower->options.secret) == CURLE_OK &&
           curl_easy_setopt(follower->keys.easy, CURLOPT_TIMEOUT, KEYS_TIMEOUT_S) == CURLE_OK;
}

/* Without the slashes at its end. */
static char *copy_url(const char *url) {
    size_t len = strlen(url);
    while (len > 0 && url[len - 1] == '/')
        len--;
    return strndup(url, len);
}

static bool copy_options(struct follower *follower, const struct follower_options *options) {
    follower->options = *options;
    follower->options.url = copy_url(options->url);
    follower->options.name = strdup(options->name);
    follower->options.secret = strdup(options->secret);
    follower->options.ca_file = options->ca_file == NULL ? NULL : strdup(options->ca_file);
    follower->jwks = malloc(JWKS_TEXT_MAX);
    return follower->options.url != NULL && follower->options.name != NULL && follower->options.secret != NULL &&
           (options->ca_file == NULL || follower->options.ca_file != NULL) && follower->jwks != NULL;
}

static void free_follower(struct follower *follower) {
    if (follower->feed.is_running)
        curl_multi_remove_handle(follower->multi, follower->feed.easy);
    if (follower->keys.is_running)
        curl_multi_remove_handle(follower->multi, follower->keys.easy);
    curl_easy_cleanup(follower->feed.easy);
    curl_easy_cleanup(follower->keys.easy);
    curl_multi_cleanup(follower->multi);
    curl_slist_free_all(follower->feed.headers);
    if (follower->options.secret != NULL)
        sodium_memzero((void *)(uintptr_t)follower->options.secret, strlen(follower->options.secret));
    free((void *)(uintptr_t)follower->options.url);
    free((void *)(uintptr_t)follower->options.name);
    free((void *)(uintptr_t)follower->options.secret);
    free((void *)(uintptr_t)follower->options.ca_file);
    free(follower->jwks);
    free(follower);
}

/* Returns 0 or an errno. All signals blocked: they are the application's. */
static int start_thread(struct follower *follower) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&follower->thread, NULL, run, follower);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failure;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool has_library;

static void init_library(void) {
    has_library = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

static bool is_loopback(CURLU *url) {
    char *host = NULL;
    if (curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK)
        return false;
    struct in_addr address;
    bool is_local = strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
                    (inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == IN_LOOPBACKNET);
    curl_free(host);
    return is_local;
}

static bool is_service_url(const char *url, bool plain_http) {
    static const CURLUPart parts_refused[] = { CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY, CURLUPART_FRAGMENT };
    char *part = NULL;
    CURLU *parsed = curl_url();
    bool is_valid = parsed != NULL && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
                    curl_url_get(parsed, CURLUPART_SCHEME, &part, 0) == CURLUE_OK &&
                    (strcmp(part, "https") == 0 || (strcmp(part, "http") == 0 && (plain_http || is_loopback(parsed))));
    curl_free(part);
    for (size_t i = 0; is_valid && i < ARRAY_LEN(parts_refused); i++) {
        part = NULL;
        is_valid = curl_url_get(parsed, parts_refused[i], &part, 0) != CURLUE_OK;
        curl_free(part);
    }
    curl_url_cleanup(parsed);
    return is_valid;
}

struct follower *follower_start(const struct follower_options *options, char *error, size_t error_size) {
    pthread_once(&once, init_library);
    if (!has_library || !is_service_url(options->url, options->plain_http)) {
        snprintf(error, error_size, "%s",
                 has_library ? "service_url is not https://host[:port], nor http:// on this machine"
                             : "libcurl cannot be initialised");
        return NULL;
    }
    struct follower *follower = calloc(1, sizeof *follower);
    if (follower == NULL) {
        snprintf(error, error_size, "no memory for following the feed");
        return NULL;
    }
    bool is_prepared =
        copy_options(follower, options) && (follower->multi = curl_multi_init()) != NULL && create_transfers(follower);
    int failure = is_prepared ? start_thread(follower) : 0;
    if (is_prepared && failure == 0)
        return follower;
    if (is_prepared)
        snprintf(error, error_size, "the thread that follows the feed cannot be started: %s", strerrordesc_np(failure));
    else
        snprintf(error, error_size, "no memory for following the feed, or a libcurl without an option that it needs");
    free_follower(follower);
    return NULL;
}

void follower_stop(struct follower *follower) {
    if (follower == NULL)
        return;
    atomic_store(&follower->stops, true);
    curl_multi_wakeup(follower->multi);
    int failure = pthread_join(follower->thread, NULL);
    assert(failure == 0);
    free_follower(follower);
}
