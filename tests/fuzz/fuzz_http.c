/*
 * Raw bytes into the real server: all of `jwtd serve` in this process, with one HTTP thread, on a Unix socket. With a database in
 * JWTD_TEST_DATABASE (and its owner's in JWTD_TEST_OWNER_DATABASE) every route works; without one those that ask it answer 503.
 * In the input "@A" becomes an access token and "@R" a refresh token.
 *
 * Most inputs are completed, so that the server need not wait for the rest of a header or a body: with an empty line, and with
 * the bytes that the last Content-Length still wants.
 *
 * Checked: what comes back is HTTP responses; there are no more of them than requests
 * that the strict reading of tests/service/support/reference.h sees, but for errors behind which the connection is closed; when
 * the bytes are requests in order, there is a response to each up to the first that closes, and then the end of the connection;
 * a reply has the token's ids only if the access token was sent; the server answers a new client afterwards, and stops at the
 * end.
 */
#include "fuzz.h"

#include "jwtd/access_token.h"
#include "jwtd/clock.h"
#include "jwtd/config.h"
#include "jwtd/log.h"
#include "jwtd/macros.h"
#include "jwtd/migrations.h"
#include "jwtd/refresh_token.h"
#include "jwtd/server.h"

#include "loadtest/response.h"
#include "src/http/scanner.h"
#include "tests/service/support/reference.h"

#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define INPUT_MAX ((size_t)8 * 1024)
#define BYTES_MAX ((size_t)64 * 1024)
#define COMPLETED_MAX ((size_t)20 * 1024) /* of a body; above the limit of the server nothing waits for one */
#define REPLIES_MAX (REFERENCE_MAX + 4)
#define SILENCE_MS 25     /* for replies that may be missing */
#define PATIENCE_MS 20000 /* for those that must not, and for the end */
#define PROBE_EVERY 64

static struct config config;
static struct config_source source;
static pthread_t server_thread;
static struct sockaddr_un socket_address = { .sun_family = AF_UNIX };
static struct text access_token, refresh_token;
static char subject[UUID_TEXT_SIZE];
static struct arena token_arena;

struct replies {
    struct response response; /* the one that is being read */
    unsigned statuses[REPLIES_MAX];
    bool keeps_alive[REPLIES_MAX];
    size_t count;
    bool is_at_end, names_subject;
    char tail[128]; /* of what came before, so that what is cut in two is found */
    size_t tail_len;
};

/* ---- the server ---- */

static void *serve(void *context) {
    (void)context;
    int code = server_run(&config, &source);
    assert(code == 0);
    return NULL;
}

static void load_config(const char *directory) {
    static char listen_on[192], keys[192], refresh_key[192], services[192], url[1024];
    static const char *settings[] = { listen_on,
                                      keys,
                                      refresh_key,
                                      services,
                                      url,
                                      "ops.listen=",
                                      "server.threads=1",
                                      "server.header_timeout=1s",
                                      "server.body_timeout=1s",
                                      "server.request_timeout=500ms",
                                      "server.shutdown_grace=5s",
                                      "server.trusted_proxies=127.0.0.1",
                                      "cors.allowed_origins=https://app.example.org",
                                      "password.allow_weak=true",
                                      "password.memory=8KiB",
                                      "password.operations=1",
                                      "password.workers=1",
                                      "database.connections=2",
                                      "limit.enabled=false",
                                      "token.access_ttl=1d",
                                      "log.level=error" };
    const char *database = getenv("JWTD_TEST_DATABASE");
    snprintf(listen_on, sizeof listen_on, "server.listen=unix:%s/socket", directory);
    snprintf(keys, sizeof keys, "token.keys_dir=%s/keys", directory);
    snprintf(refresh_key, sizeof refresh_key, "token.refresh_key_file=%s/refresh.key", directory);
    snprintf(services, sizeof services, "services.credentials_file=%s/services", directory);
    snprintf(url, sizeof url, "database.url=%s", database != NULL ? database : "host=/nonexistent");
    source = (struct config_source){ .set = settings, .set_count = ARRAY_LEN(settings) };
    bool is_good = config_load(&config, &source, stderr);
    assert(is_good);
}

static void migrate(void) {
    const char *owner = getenv("JWTD_TEST_OWNER_DATABASE");
    if (owner == NULL)
        return;
    FILE *out = fopen("/dev/null", "we");
    assert(out != NULL);
    bool is_done = migrations_apply(&(struct db_options){ .url = owner, .connect_timeout_ms = 5000 }, out);
    assert(is_done);
    fclose(out);
}

/* Tokens of a user and a session whose ids a client can only learn from the service. */
static void make_tokens(const char *directory) {
    char keys[192], refresh_key[192], error[512];
    static char refresh_text[REFRESH_TOKEN_SIZE];
    struct token_rules rules = { .issuer = config.token.issuer,
                                 .audience = config.token.audience,
                                 .access_ttl_s = config.token.access_ttl_ms / 1000 };
    struct uuid user = uuid_create();
    struct refresh_token token = { .session_id = uuid_create(), .generation = 1 };
    snprintf(keys, sizeof keys, "%s/keys", directory);
    snprintf(refresh_key, sizeof refresh_key, "%s/refresh.key", directory);
    struct key_rules key_rules = { .keys_dir = keys, .active_kid = "", .refresh_key_file = refresh_key };
    struct keyring *ring = keyring_load(&key_rules, clock_wall_s(), error, sizeof error);
    assert(ring != NULL);
    arena_init(&token_arena, 1 << 20);
    enum status status = access_token_create(&token_arena, ring, &rules, &user, &token.session_id, text_of("[\"admin\"]"),
                                             clock_wall_s(), &access_token);
    assert(status == STATUS_OK);
    refresh_token_write(ring, &token, refresh_text);
    refresh_token = text_of(refresh_text);
    uuid_text(&user, subject);
    keyring_destroy(ring);
}

static int try_to_connect(void) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert(fd >= 0);
    if (connect(fd, (const struct sockaddr *)&socket_address, sizeof socket_address) == 0)
        return fd;
    close(fd);
    return -1;
}

static int connect_to_server(void) {
    int fd = try_to_connect();
    for (int tries = 0; fd < 0 && tries < PATIENCE_MS / 10; tries++) {
        usleep(10000);
        fd = try_to_connect();
    }
    assert(fd >= 0);
    return fd;
}

static void stop_server(void) {
    /* server_run takes it with sigwait on that thread; NOLINTNEXTLINE(bugprone-bad-signal-to-kill-thread,cert-pos44-c) */
    pthread_kill(server_thread, SIGTERM);
    pthread_join(server_thread, NULL);
    config_fini(&config);
    arena_fini(&token_arena);
}

/* ---- the client ---- */

/* False: nothing more comes for `wait_ms`, or ever. */
static bool read_more(int fd, struct replies *replies, int wait_ms) {
    char bytes[16 * 1024 + sizeof replies->tail];
    struct pollfd socket = { .fd = fd, .events = POLLIN };
    int ready = poll(&socket, 1, wait_ms);
    if (ready == 0)
        return false;
    memcpy(bytes, replies->tail, replies->tail_len);
    ssize_t got = read(fd, bytes + replies->tail_len, sizeof bytes - sizeof replies->tail);
    replies->is_at_end = got <= 0; /* a reset is an end, too: not all was read that was sent */
    if (got <= 0)
        return false;
    size_t len = replies->tail_len + (size_t)got;
    replies->names_subject = replies->names_subject || fuzz_contains((struct text){ bytes, len }, text_of(subject));
    for (size_t at = replies->tail_len; at < len && replies->count < REPLIES_MAX;) {
        at += response_feed(&replies->response, bytes + at, len - at);
        assert(replies->response.state != RESPONSE_BROKEN);
        if (replies->response.state != RESPONSE_DONE)
            continue;
        replies->statuses[replies->count] = replies->response.status;
        replies->keeps_alive[replies->count++] = replies->response.keep_alive;
        response_init(&replies->response);
    }
    replies->tail_len = len < sizeof replies->tail ? len : sizeof replies->tail;
    memmove(replies->tail, bytes + len - replies->tail_len, replies->tail_len);
    return true;
}

/* One request on a connection of its own, which is kept. The server has one HTTP thread, which goes through its connections in
 * turn: when the answer is there, it has read what lay on the others before. */
static void probe(void) {
    static const char request[] = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";
    static int fd = -1;
    static struct response response;
    char bytes[1024];
    ssize_t got = 0;
    if (fd < 0)
        fd = connect_to_server();
    response_init(&response);
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == (ssize_t)sizeof request - 1)
        while (response.state != RESPONSE_DONE && (got = read(fd, bytes, sizeof bytes)) > 0)
            response_feed(&response, bytes, (size_t)got);
    if (response.state == RESPONSE_DONE)
        return;
    close(fd); /* it was idle for too long */
    fd = -1;
}

/* Waits for more on a connection that may be owed nothing. False: the server has read all that was sent, and sends nothing. */
static bool read_more_or_settle(int fd, struct replies *replies) {
    int unread = 1;
    int64_t until_us = clock_monotonic_us() + SILENCE_MS * 1000;
    do {
        if (read_more(fd, replies, unread > 0 ? 1 : 0))
            return true;
        ioctl(fd, TIOCOUTQ, &unread);
    } while (unread > 0 && !replies->is_at_end && clock_monotonic_us() < until_us);
    probe();
    probe();
    return !replies->is_at_end && read_more(fd, replies, 0);
}

static bool read_next(int fd, struct replies *replies, bool is_owed) {
    bool is_cut = replies->response.head_len > 0;
    return is_owed || is_cut ? read_more(fd, replies, PATIENCE_MS) : read_more_or_settle(fd, replies);
}

/* Reads until there are `expected` replies, and then until the server closes. Unless everything is owed (`is_in_order`), silence
 * ends it, too: the server may wait for the rest of a header until its timeout. */
static void exchange(const char *bytes, size_t len, size_t expected, bool is_in_order, struct replies *replies) {
    int fd = connect_to_server();
    *replies = (struct replies){ .count = 0 };
    response_init(&replies->response);
    while (len > 0) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
        if (sent <= 0)
            break;
        bytes += sent;
        len -= (size_t)sent;
    }
    while (replies->count < expected && read_next(fd, replies, is_in_order))
        continue;
    shutdown(fd, SHUT_WR);
    while (!replies->is_at_end && read_next(fd, replies, is_in_order))
        continue;
    assert(replies->is_at_end || !is_in_order);
    close(fd);
    response_close(&replies->response);
}

static void assert_is_served(void) {
    static const char request[] = "GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    struct replies replies;
    exchange(request, sizeof request - 1, 1, true, &replies);
    assert(replies.count == 1 && replies.statuses[0] == 200);
    response_fini(&replies.response);
}

/* ---- the input ---- */

static size_t expand(const uint8_t *input, size_t len, char bytes[BYTES_MAX]) {
    size_t count = 0;
    for (size_t i = 0; i < len && count + ACCESS_TOKEN_MAX_LEN + COMPLETED_MAX + 8 < BYTES_MAX; i++) {
        bool is_mark = input[i] == '@' && i + 1 < len && (input[i + 1] == 'A' || input[i + 1] == 'R');
        if (!is_mark) {
            bytes[count++] = (char)input[i];
            continue;
        }
        struct text token = input[++i] == 'A' ? access_token : refresh_token;
        memcpy(bytes + count, token.bytes, token.len);
        count += token.len;
    }
    return count;
}

/* Bytes of the last body that have not come. */
static uint64_t missing(const char *bytes, size_t len) {
    struct scanner scanner;
    char *copy = fuzz_string((struct text){ bytes, len });
    scanner_init(&scanner);
    scanner_read(&scanner, copy, len);
    free(copy);
    return scanner.body_left;
}

static size_t complete(char bytes[BYTES_MAX], size_t len) {
    if (missing(bytes, len) == 0) {
        memcpy(bytes + len, "\r\n\r\n", 4);
        len += 4;
    }
    uint64_t wanted = missing(bytes, len);
    if (wanted > COMPLETED_MAX)
        return len;
    memset(bytes + len, ' ', wanted);
    return len + (size_t)wanted;
}

/* ---- what must hold ---- */

static bool is_refusal_by_header(unsigned status) {
    return status == 400 || status == 408 || status == 413 || status == 414 || status == 431 || status == 501 || status == 503 ||
           status == 505;
}

static void check_replies(const struct replies *replies, const struct reference *reference, const char *bytes, size_t len) {
    struct text sent = { bytes, len };
    for (size_t i = reference->count; i < replies->count && reference->count < REFERENCE_MAX; i++)
        assert(is_refusal_by_header(replies->statuses[i]) && (i == replies->count - 1 || !replies->keeps_alive[i + 1]));
    if (reference->is_in_order)
        assert(replies->count >= reference->count || (replies->count > 0 && !replies->keeps_alive[replies->count - 1]));
    /* a request id is sent back as it came */
    if (!fuzz_contains(sent, access_token) && !fuzz_contains(sent, text_of(subject)))
        assert(!replies->names_subject);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    const char *directory = fuzz_directory();
    fuzz_write_keys(directory);
    load_config(directory);
    log_init(config.log.level, LOG_TEXT);
    make_tokens(directory);
    migrate();
    snprintf(socket_address.sun_path, sizeof socket_address.sun_path, "%s/socket", directory);
    int failure = pthread_create(&server_thread, NULL, serve, NULL);
    assert(failure == 0);
    assert_is_served();
    failure = atexit(stop_server);
    assert(failure == 0);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len) {
    static char bytes[BYTES_MAX];
    static unsigned runs;
    struct reference reference;
    struct replies replies;
    if (len > INPUT_MAX)
        return 0;
    size_t count = expand(input, len, bytes);
    if (len == 0 || input[len - 1] % 8 != 0)
        count = complete(bytes, count);
    reference_read(bytes, count, &reference);
    exchange(bytes, count, reference.count, reference.is_in_order, &replies);
    /* a HEAD has a length and no body, which the parser cannot know */
    if (!fuzz_contains((struct text){ bytes, count }, text_of("HEAD")))
        check_replies(&replies, &reference, bytes, count);
    response_fini(&replies.response);
    if (++runs % PROBE_EVERY == 0)
        assert_is_served();
    return 0;
}
