#include "exporter.h"

#include "curl_library.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"
#include "jwtd/macros.h"
#include "jwtd/version.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define CONNECT_TIMEOUT_MS 3000L
#define TIMEOUT_MS 10000L

struct exporter {
    const struct curl_library *curl;
    CURL *easy;
    struct curl_slist *headers;
    const _Atomic int64_t *until_us; /* of the transfer that is under way */
    char error[CURL_ERROR_SIZE];
    size_t reply_len;
    char reply[EXPORT_REPLY_MAX];
};

/* ---- libcurl's calls ---- */

/* What does not fit ends the transfer: a reply may be endless. */
static size_t take_reply(char *bytes, size_t size, size_t count, void *context) {
    struct exporter *exporter = context;
    size_t len = size * count, space = sizeof exporter->reply - exporter->reply_len;
    size_t taken = len < space ? len : space;
    memcpy(exporter->reply + exporter->reply_len, bytes, taken);
    exporter->reply_len += taken;
    return taken;
}

/* At least once a second; any other value than 0 ends the transfer. */
static int check_time(void *context, curl_off_t download_total, curl_off_t download_now, curl_off_t upload_total,
                      curl_off_t upload_now) {
    const struct exporter *exporter = context;
    (void)download_total, (void)download_now, (void)upload_total, (void)upload_now;
    return clock_monotonic_us() > atomic_load(exporter->until_us) ? 1 : 0;
}

/* Programs that the service starts do not inherit it. */
static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address) {
    (void)context;
    (void)purpose;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* ---- one transfer ---- */

/* Those that OTLP/HTTP names as ones that may be sent again. */
static bool may_be_repeated(long http_status) {
    return http_status == 429 || http_status == 502 || http_status == 503 || http_status == 504;
}

/* libcurl reads both forms of Retry-After, and answers in seconds. */
static void judge_reply(struct exporter *exporter, struct export_result *result) {
    long http_status = 0;
    curl_off_t retry_after_s = 0;
    exporter->curl->easy_getinfo(exporter->easy, CURLINFO_RESPONSE_CODE, &http_status);
    exporter->curl->easy_getinfo(exporter->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
    if (http_status >= 200 && http_status < 300) {
        result->outcome = EXPORT_DONE;
        result->reply = (struct text){ exporter->reply, exporter->reply_len };
        return;
    }
    result->outcome = may_be_repeated(http_status) ? EXPORT_LATER : EXPORT_REFUSED;
    if (retry_after_s > 0 && retry_after_s < INT32_MAX)
        result->retry_after_us = (int64_t)retry_after_s * CLOCK_US_PER_S;
    snprintf(result->reason, sizeof result->reason, "the collector answers with %ld", http_status);
}

void exporter_send(struct exporter *exporter, struct text body, const _Atomic int64_t *until_us, struct export_result *result) {
    *result = (struct export_result){ .outcome = EXPORT_LATER };
    exporter->until_us = until_us;
    exporter->reply_len = 0;
    exporter->error[0] = '\0';
    exporter->curl->easy_setopt(exporter->easy, CURLOPT_POSTFIELDS, body.bytes);
    exporter->curl->easy_setopt(exporter->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    CURLcode code = exporter->curl->easy_perform(exporter->easy);
    bool was_cut = code == CURLE_WRITE_ERROR && exporter->reply_len == sizeof exporter->reply;
    if (code == CURLE_OK || was_cut)
        judge_reply(exporter, result);
    else
        snprintf(result->reason, sizeof result->reason, "%s",
                 exporter->error[0] != '\0' ? exporter->error : exporter->curl->easy_strerror(code));
}

/* ---- making and ending ---- */

static bool make_headers(struct exporter *exporter) {
    /* without an Expect, for which the collector would have to answer twice */
    static const char *const lines[] = { "Content-Type: application/json", "Expect:" };
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        struct curl_slist *longer = exporter->curl->slist_append(exporter->headers, lines[i]);
        if (longer == NULL)
            return false;
        exporter->headers = longer;
    }
    return true;
}

static CURLcode set_url(struct exporter *exporter, const char *endpoint) {
    char *url = NULL;
    if (asprintf(&url, "%s/v1/traces", endpoint) < 0)
        return CURLE_OUT_OF_MEMORY;
    CURLcode code = exporter->curl->easy_setopt(exporter->easy, CURLOPT_URL, url); /* copies it */
    free(url);
    return code;
}

static bool set_options(struct exporter *exporter, const char *endpoint) {
    CURL *easy = exporter->easy;
    __typeof__(curl_easy_setopt) *set = exporter->curl->easy_setopt;
    const struct {
        const char *option;
        CURLcode code;
    } outcomes[] = {
        { "URL", set_url(exporter, endpoint) },
        { "HTTPHEADER", set(easy, CURLOPT_HTTPHEADER, exporter->headers) },
        { "PROTOCOLS_STR", set(easy, CURLOPT_PROTOCOLS_STR, "http,https") },
        { "PROXY", set(easy, CURLOPT_PROXY, "") },
        { "NOSIGNAL", set(easy, CURLOPT_NOSIGNAL, 1L) },
        { "HTTP_VERSION", set(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) },
        { "SSLVERSION", set(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) },
        { "USERAGENT", set(easy, CURLOPT_USERAGENT, "jwtd/" JWTD_VERSION) },
        { "CONNECTTIMEOUT_MS", set(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS) },
        { "TIMEOUT_MS", set(easy, CURLOPT_TIMEOUT_MS, TIMEOUT_MS) },
        { "ERRORBUFFER", set(easy, CURLOPT_ERRORBUFFER, exporter->error) },
        { "WRITEFUNCTION", set(easy, CURLOPT_WRITEFUNCTION, take_reply) },
        { "WRITEDATA", set(easy, CURLOPT_WRITEDATA, exporter) },
        { "NOPROGRESS", set(easy, CURLOPT_NOPROGRESS, 0L) },
        { "XFERINFOFUNCTION", set(easy, CURLOPT_XFERINFOFUNCTION, check_time) },
        { "XFERINFODATA", set(easy, CURLOPT_XFERINFODATA, exporter) },
        { "QUICK_EXIT", set(easy, CURLOPT_QUICK_EXIT, 1L) }, /* waits for no name that is being resolved */
        { "OPENSOCKETFUNCTION", set(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket) },
    };
    for (size_t i = 0; i < ARRAY_LEN(outcomes); i++) {
        if (outcomes[i].code == CURLE_OK)
            continue;
        log_event(LOG_ERROR, "exporter_failed", "curl_option=%s error=%s", outcomes[i].option,
                  exporter->curl->easy_strerror(outcomes[i].code));
        return false;
    }
    return true;
}

static bool init(struct exporter *exporter, const struct curl_library *curl) {
    exporter->curl = curl;
    exporter->easy = curl->easy_init();
    return exporter->easy != NULL && make_headers(exporter);
}

struct exporter *exporter_create(const char *endpoint) {
    const struct curl_library *curl = curl_library_load();
    if (curl == NULL)
        return NULL;
    struct exporter *exporter = calloc(1, sizeof *exporter);
    if (exporter == NULL || !init(exporter, curl))
        log_event(LOG_ERROR, "exporter_failed", "error=%s", "out of memory");
    else if (set_options(exporter, endpoint))
        return exporter;
    exporter_destroy(exporter);
    return NULL;
}

void exporter_destroy(struct exporter *exporter) {
    if (exporter == NULL)
        return;
    exporter->curl->easy_cleanup(exporter->easy);
    exporter->curl->slist_free_all(exporter->headers);
    free(exporter);
}
