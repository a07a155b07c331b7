/*
 * What a verifier does with a service that is slow, silent, broken or hostile: a server of raw sockets plays it, a script for
 * each connection. With the service itself: tests/service/test_sibling.c.
 */
#include "key_fixture.h"

#include "jwtd-verify.h"
#include "jwtd/clock.h"
#include "jwtd/key_set.h"
#include "jwtd/macros.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/wait.h>

Suite *follower_suite(void);

#define LONG_MS 20000 /* for what comes much sooner */

#define SID "02000000-0000-0000-0000-000000000000"
#define EVENTS "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\nretry: 200\n\n"
#define COMPLETE "event: snapshot-complete\nid: c1\ndata: {\"sessions\":0,\"resumed\":false}\n\n"
#define FRESH ": stale-for 0\nid: c2\n\n"
#define REVOKED                                                                                                                  \
    "event: session-revoked\nid: c3\ndata: {\"sub_id\":{\"format\":\"complex\",\"session\":{\"format\":\"opaque\",\"id\":\"" SID \
    "\"}},\"event_timestamp\":1}\n\n"
#define JWKS(keys) "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{\"keys\":[" keys "]}"
#define CONNECTIONS_MAX 64

/* A test may replace the texts meanwhile. */
struct script {
    _Atomic(const char *) answer;
    _Atomic(const char *) then;
};

/* The nth connection for the feed is answered with the nth script, the last one for all that follow; then `then` is sent each 100
 * ms, until `stops`, or the connection closed if that is NULL. */
static struct script scripts[4];

static struct server {
    int listening, port;
    pthread_t thread;
    atomic_bool stops;
    atomic_uint feeds, key_fetches;
    _Atomic(const char *) jwks;           /* the reply to who asks for keys; NULL: 404; a test may replace it */
    char requests[CONNECTIONS_MAX][2048]; /* for the feed */
} server;

static void send_all(int fd, const char *text) {
    size_t len = strlen(text);
    while (len > 0) {
        ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        text += sent;
        len -= (size_t)sent;
    }
}

static void play(int fd, const struct script *script) {
    send_all(fd, script->answer);
    while (script->then != NULL && !atomic_load(&server.stops)) {
        struct pollfd peer = { .fd = fd, .events = POLLRDHUP };
        if (poll(&peer, 1, 100) != 0)
            break;
        send_all(fd, script->then);
    }
    close(fd);
}

static void *serve_one(void *context) {
    int fd = (int)(intptr_t)context;
    char request[2048] = "";
    size_t len = 0;
    while (len < sizeof request - 1 && strstr(request, "\r\n\r\n") == NULL) {
        ssize_t got = recv(fd, request + len, sizeof request - 1 - len, 0);
        if (got <= 0)
            break;
        len += (size_t)got;
        request[len] = '\0';
    }
    if (strstr(request, "GET /.well-known/jwks.json ") != NULL) {
        const char *jwks = server.jwks;
        atomic_fetch_add(&server.key_fetches, 1); /* of which the reply is settled */
        play(fd, &(struct script){ jwks != NULL ? jwks : "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", NULL });
        return NULL;
    }
    unsigned index = atomic_load(&server.feeds);
    ck_assert_uint_lt(index, CONNECTIONS_MAX);
    memcpy(server.requests[index], request, sizeof request);
    atomic_store(&server.feeds, index + 1); /* a verifier has one at a time */
    size_t last = 0;
    while (last + 1 < ARRAY_LEN(scripts) && scripts[last + 1].answer != NULL)
        last++;
    play(fd, &scripts[index < last ? index : last]);
    return NULL;
}

static void *serve(void *context) {
    (void)context;
    while (!atomic_load(&server.stops)) {
        struct pollfd waiting = { .fd = server.listening, .events = POLLIN };
        if (poll(&waiting, 1, 50) != 1)
            continue;
        pthread_t thread;
        int fd = accept(server.listening, NULL, NULL);
        ck_assert_int_eq(pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)fd), 0);
        pthread_detach(thread);
    }
    return NULL;
}

static struct scratch scratch;
static char keys_dir[PATH_MAX], url[64], error[512];
static struct arena arena;
static struct text token;

static void listen_for_verifiers(void) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    server.listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(server.listening, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(server.listening, 16), 0);
    ck_assert_int_eq(getsockname(server.listening, (struct sockaddr *)&address, &len), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%d", ntohs(address.sin_port));
}

static void make_token(void) {
    const struct token_rules rules = { .issuer = "jwtd", .audience = "jwtd", .access_ttl_s = FIXTURE_TTL };
    const struct uuid id = { .bytes = { 2 } };
    char refresh_file[PATH_MAX];
    snprintf(refresh_file, sizeof refresh_file, "%s", scratch_path(&scratch, "refresh.key"));
    struct keyring *ring = fixture_load(keys_dir, "", refresh_file, error, sizeof error);
    ck_assert_msg(ring != NULL, "%s", error);
    ck_assert_int_eq(access_token_create(&arena, ring, &rules, &id, &id, text_of("[]"), clock_wall_s(), &token), STATUS_OK);
    keyring_destroy(ring);
}

static void set_up(void) {
    scratch = scratch_create();
    arena_init(&arena, 1 << 20);
    snprintf(keys_dir, sizeof keys_dir, "%s", scratch_path(&scratch, "keys"));
    ck_assert_int_eq(mkdir(keys_dir, 0700), 0);
    scratch_write_text(&scratch, "keys/k1.hs256", FIXTURE_KEY_1);
    scratch_write_text(&scratch, "refresh.key", FIXTURE_KEY_1);
    make_token();
    listen_for_verifiers();
}

static void tear_down(void) {
    atomic_store(&server.stops, true);
    pthread_join(server.thread, NULL);
    close(server.listening);
    arena_fini(&arena);
    scratch_destroy(&scratch);
}

/* When the test has written its scripts. */
static void start_server(void) {
    ck_assert_int_eq(pthread_create(&server.thread, NULL, serve, NULL), 0);
}

static struct jwtd_verifier *follow(int32_t max_stale_s) {
    start_server();
    const struct jwtd_verify_options options = {
        .keys_dir = keys_dir, .service_url = url, .service_name = "shop", .service_secret = "c2VjcmV0", .max_stale_s = max_stale_s
    };
    struct jwtd_verifier *verifier = jwtd_verify_create(&options, sizeof options, error, sizeof error);
    ck_assert_msg(verifier != NULL, "%s", error);
    return verifier;
}

static enum jwtd_verify_result verify(struct jwtd_verifier *verifier) {
    return jwtd_verify(verifier, token.bytes, token.len, NULL, 0);
}

static void await_result(struct jwtd_verifier *verifier, enum jwtd_verify_result result, int64_t limit_ms) {
    int64_t begin = clock_monotonic_us();
    while (verify(verifier) != result) {
        ck_assert_msg(clock_monotonic_us() - begin < limit_ms * 1000, "%s after %d ms, not %s",
                      jwtd_verify_result_name(verify(verifier)), (int)limit_ms, jwtd_verify_result_name(result));
        usleep(5000);
    }
}

static void await_error(struct jwtd_verifier *verifier, const char *part) {
    char last[256];
    int64_t begin = clock_monotonic_us();
    for (;;) {
        jwtd_verify_last_error(verifier, last, sizeof last);
        if (strstr(last, part) != NULL)
            return;
        ck_assert_msg(clock_monotonic_us() - begin < LONG_MS * 1000, "\"%s\" does not say \"%s\"", last, part);
        usleep(5000);
    }
}

static void await_feeds(unsigned count, int64_t limit_ms) {
    int64_t begin = clock_monotonic_us();
    while (atomic_load(&server.feeds) < count) {
        ck_assert_msg(clock_monotonic_us() - begin < limit_ms * 1000, "%u connections", atomic_load(&server.feeds));
        usleep(5000);
    }
}

START_TEST(a_session_is_refused_when_its_event_comes) {
    scripts[0] = (struct script){ EVENTS COMPLETE FRESH, FRESH };
    struct jwtd_verifier *verifier = follow(0);
    ck_assert(jwtd_verify_wait(verifier, LONG_MS));
    ck_assert_int_eq(verify(verifier), JWTD_VERIFY_VALID);
    ck_assert_int_le(jwtd_verify_stale_s(verifier), 1);
    scripts[0].then = REVOKED FRESH;
    await_result(verifier, JWTD_VERIFY_REVOKED, 1000);
    jwtd_verify_destroy(verifier);
}
END_TEST

START_TEST(a_connection_carries_the_credentials_and_resumes_after_the_last_event) {
    scripts[0] = (struct script){ EVENTS REVOKED COMPLETE FRESH, NULL };
    scripts[1] = (struct script){ EVENTS COMPLETE FRESH, FRESH };
    struct jwtd_verifier *verifier = follow(0);
    await_feeds(2, LONG_MS);
    ck_assert_ptr_nonnull(strstr(server.requests[0], "GET /auth/revocations?heartbeat=1 HTTP/1.1\r\n"));
    ck_assert_ptr_nonnull(strstr(server.requests[0], "Authorization: Basic c2hvcDpjMlZqY21WMA==\r\n"));
    ck_assert_ptr_nonnull(strstr(server.requests[0], "Accept: text/event-stream\r\n"));
    ck_assert_ptr_null(strcasestr(server.requests[0], "last-event-id"));
    ck_assert_ptr_nonnull(strstr(server.requests[1], "Last-Event-ID: c2\r\n"));
    ck_assert_int_eq(verify(verifier), JWTD_VERIFY_REVOKED); /* what was known stays known */
    jwtd_verify_destroy(verifier);
}
END_TEST

START_TEST(while_the_feed_is_lost_a_verifier_goes_on_from_memory_until_max_stale) {
    scripts[0] = (struct script){ EVENTS COMPLETE FRESH, NULL };
    scripts[1] = (struct script){ "", NULL };
    struct jwtd_verifier *verifier = follow(2);
    char last[256];
    ck_assert(jwtd_verify_wait(verifier, LONG_MS));
    await_feeds(2, LONG_MS);
    ck_assert_int_eq(verify(verifier), JWTD_VERIFY_VALID);
    await_result(verifier, JWTD_VERIFY_STALE, LONG_MS);
    ck_assert_int_ge(jwtd_verify_stale_s(verifier), 2);
    jwtd_verify_last_error(verifier, last, sizeof last);
    ck_assert_msg(strncmp(last, "feed: ", 6) == 0, "%s", last);
    scripts[1].then = FRESH;
    scripts[1].answer = EVENTS COMPLETE FRESH;
    await_result(verifier, JWTD_VERIFY_VALID, LONG_MS);
    jwtd_verify_last_error(verifier, last, sizeof last);
    ck_assert_msg(strstr(last, "feed") == NULL, "%s", last);
    jwtd_verify_destroy(verifier);
}
END_TEST

static const struct {
    const char *answer, *then, *error;
} useless[] = {
    { "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", NULL, "401: the service refuses name or secret" },
    { "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", NULL, "404" },
    { "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 2\r\n\r\nxx", NULL, "302" },
    { "HTTP/1.1 204 No Content\r\n\r\n", NULL, "204" },
    { "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" COMPLETE FRESH, FRESH, "text/event-stream" },
    { EVENTS "event: session-revoked\ndata: {}\n\n" COMPLETE FRESH, FRESH, "session-revoked event without a session" },
    { "SSH-2.0-OpenSSH\r\n", NULL, "HTTP/0.9" },
    { EVENTS FRESH, FRESH, "not followed yet" },            /* never a snapshot */
    { EVENTS COMPLETE, "data: x\n\n", "not followed yet" }, /* never an age */
};

START_TEST(what_is_no_feed_makes_nothing_fresh_and_is_reported) {
    scripts[0] = (struct script){ useless[_i].answer, useless[_i].then };
    struct jwtd_verifier *verifier = follow(0);
    ck_assert(!jwtd_verify_wait(verifier, 600));
    ck_assert_uint_le(atomic_load(&server.feeds), 5); /* with pauses between them */
    await_error(verifier, useless[_i].error);
    ck_assert_int_eq(verify(verifier), JWTD_VERIFY_STALE);
    jwtd_verify_destroy(verifier);
}
END_TEST

START_TEST(an_endless_line_ends_the_connection) {
    static char line[20000] = EVENTS COMPLETE "data: ";
    memset(line + strlen(line), 'x', sizeof line - 1 - strlen(line));
    scripts[0] = (struct script){ line, "xxxx" };
    struct jwtd_verifier *verifier = follow(0);
    await_feeds(2, LONG_MS);
    ck_assert_int_eq(verify(verifier), JWTD_VERIFY_STALE);
    jwtd_verify_destroy(verifier);
}
END_TEST

/* Otherwise one line would make every token stale for an hour. */
START_TEST(a_pause_that_the_service_wishes_is_bounded) {
    scripts[0] = (struct script){ EVENTS "retry: 3600000\n\n" COMPLETE FRESH, NULL };
    scripts[1] = (struct script){ EVENTS COMPLETE FRESH, FRESH };
    struct jwtd_verifier *verifier = follow(0);
    await_feeds(2, LONG_MS);
    jwtd_verify_destroy(verifier);
}
END_TEST

START_TEST(a_silent_service_is_left) {
    scripts[0] = (struct script){ EVENTS COMPLETE FRESH, "" };
    scripts[1] = (struct script){ EVENTS COMPLETE FRESH, FRESH };
    struct jwtd_verifier *verifier = follow(3);
    ck_assert(jwtd_verify_wait(verifier, LONG_MS));
    await_result(verifier, JWTD_VERIFY_STALE, LONG_MS);
    await_feeds(2, 8000);
    await_result(verifier, JWTD_VERIFY_VALID, 2000);
    jwtd_verify_destroy(verifier);
}
END_TEST

START_TEST(a_service_that_is_stale_itself_is_left_for_another_instance) {
    scripts[0] = (struct script){ EVENTS COMPLETE ": stale-for 100\n\n", ": stale-for 100\n\n" };
    scripts[1] = (struct script){ EVENTS COMPLETE FRESH, FRESH };
    struct jwtd_verifier *verifier = follow(2);
    await_result(verifier, JWTD_VERIFY_VALID, 6000);
    jwtd_verify_destroy(verifier);
}
END_TEST

START_TEST(a_token_of_an_unknown_key_is_not_called_bad_before_keys_were_fetched) {
    scripts[0] = (struct script){ EVENTS COMPLETE FRESH, FRESH };
    start_server();
    const struct jwtd_verify_options options = { .service_url = url, .service_name = "shop", .service_secret = "x" };
    struct jwtd_verifier *verifier = jwtd_verify_create(&options, sizeof options, error, sizeof error);
    ck_assert_ptr_nonnull(verifier);
    for (int i = 0; i < 20; i++, usleep(20000))
        ck_assert_int_eq(verify(verifier), JWTD_VERIFY_STALE);
    jwtd_verify_destroy(verifier);
}
END_TEST

START_TEST(a_revoked_key_kills_the_tokens_that_were_found_valid) {
    scripts[0] = (struct script){ EVENTS COMPLETE FRESH, NULL };
    scripts[1] =
        (struct script){ EVENTS "event: key-revoked\nid: k\ndata: {\"kid\":\"k1\",\"event_timestamp\":1}\n\n" COMPLETE FRESH,
                         FRESH };
    struct jwtd_verifier *verifier = follow(0);
    ck_assert(jwtd_verify_wait(verifier, LONG_MS));
    await_result(verifier, JWTD_VERIFY_REVOKED, LONG_MS);
    scratch_write_text(&scratch, "keys/k2.hs256", FIXTURE_KEY_2);
    ck_assert(jwtd_verify_read_keys(verifier)); /* its file is still there */
    ck_assert_int_eq(verify(verifier), JWTD_VERIFY_REVOKED);
    jwtd_verify_destroy(verifier);
}
END_TEST

/* The one there is no place for may be that of the token. */
START_TEST(no_token_is_accepted_when_more_keys_are_revoked_than_there_is_place_for) {
    static char answer[200000] = EVENTS;
    char last[256];
    for (unsigned i = 0; i < REVOKED_KEYS_MAX + 1; i++) {
        size_t len = strlen(answer);
        snprintf(answer + len, sizeof answer - len,
                 "event: key-revoked\nid: k\ndata: {\"kid\":\"other%u\",\"event_timestamp\":1}\n\n", i);
    }
    snprintf(answer + strlen(answer), sizeof answer - strlen(answer), "%s", COMPLETE FRESH);
    scripts[0] = (struct script){ answer, FRESH };
    struct jwtd_verifier *verifier = follow(0);
    ck_assert(jwtd_verify_wait(verifier, LONG_MS));
    ck_assert_int_eq(verify(verifier), JWTD_VERIFY_STALE);
    jwtd_verify_last_error(verifier, last, sizeof last);
    ck_assert_str_eq(last, "keys: more than 1024 were revoked, so no token is accepted");
    jwtd_verify_destroy(verifier);
}
END_TEST

#define EC_KEY                                                                                                                   \
    "{\"kty\":\"EC\",\"kid\":\"e\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","                     \
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}"

/* The verifier's thread, held in its report that keys were fetched. */
static sem_t has_reported, may_return;

static bool wait_seconds(sem_t *semaphore, time_t seconds) {
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += seconds;
    return sem_timedwait(semaphore, &deadline) == 0;
}

static void hold_thread(void *context, const char *text) {
    (void)context;
    if (strcmp(text, "keys: fetched") != 0)
        return;
    sem_post(&has_reported);
    (void)wait_seconds(&may_return, 20);
}

/* Otherwise the first request after the wait may be answered 503 for a token that is simply bad. */
START_TEST(who_has_waited_for_fetched_keys_is_told_that_an_unknown_key_is_unknown) {
    const struct jwtd_verify_options options = {
        .service_url = url, .service_name = "shop", .service_secret = "x", .report = hold_thread
    };
    ck_assert_int_eq(sem_init(&has_reported, 0, 0), 0);
    ck_assert_int_eq(sem_init(&may_return, 0, 0), 0);
    server.jwks = JWKS("") "x"; /* a problem, so that its end is reported */
    scripts[0] = (struct script){ EVENTS COMPLETE FRESH, FRESH };
    start_server();
    struct jwtd_verifier *verifier = jwtd_verify_create(&options, sizeof options, error, sizeof error);
    ck_assert_ptr_nonnull(verifier);
    for (int i = 0; i < 1000 && (jwtd_verify_stale_s(verifier) == INT64_MAX || atomic_load(&server.key_fetches) == 0); i++)
        usleep(10000);
    server.jwks = JWKS(EC_KEY);
    ck_assert(wait_seconds(&has_reported, 10));
    ck_assert(jwtd_verify_wait(verifier, 0));
    ck_assert_int_eq(verify(verifier), JWTD_VERIFY_UNKNOWN_KEY);
    sem_post(&may_return);
    jwtd_verify_destroy(verifier);
}
END_TEST

START_TEST(keys_are_fetched_from_the_service_but_no_secret) {
    server.jwks = JWKS("{\"kty\":\"oct\",\"kid\":\"k1\",\"k\":\"" FIXTURE_KEY_1 "\"}," EC_KEY);
    scripts[0] = (struct script){ EVENTS COMPLETE FRESH, FRESH };
    start_server();
    const struct jwtd_verify_options options = { .service_url = url, .service_name = "shop", .service_secret = "x" };
    struct jwtd_verifier *verifier = jwtd_verify_create(&options, sizeof options, error, sizeof error);
    ck_assert_ptr_nonnull(verifier);
    ck_assert(jwtd_verify_wait(verifier, LONG_MS));
    int64_t begin = clock_monotonic_us();
    while (clock_monotonic_us() - begin < 2200000) {
        ck_assert_int_eq(verify(verifier), JWTD_VERIFY_UNKNOWN_KEY);
        usleep(1000);
    }
    ck_assert_uint_ge(atomic_load(&server.key_fetches), 2); /* again for an unknown key */
    ck_assert_uint_le(atomic_load(&server.key_fetches), 4); /* but once a second */
    jwtd_verify_destroy(verifier);
}
END_TEST

START_TEST(keys_that_cannot_be_read_leave_those_there_are) {
    server.jwks = JWKS("") "x";
    scripts[0] = (struct script){ EVENTS COMPLETE FRESH, FRESH };
    struct jwtd_verifier *verifier = follow(0);
    ck_assert(jwtd_verify_wait(verifier, LONG_MS));
    await_error(verifier, "keys: fetched: no JWK Set");
    ck_assert_int_eq(verify(verifier), JWTD_VERIFY_VALID);
    jwtd_verify_destroy(verifier);
}
END_TEST

START_TEST(keys_that_are_longer_than_the_limit_are_called_so) {
    static char jwks[JWKS_TEXT_MAX + 256] = JWKS("");
    memset(jwks + strlen(jwks), ' ', JWKS_TEXT_MAX);
    server.jwks = jwks;
    scripts[0] = (struct script){ EVENTS COMPLETE FRESH, FRESH };
    struct jwtd_verifier *verifier = follow(0);
    char last[256] = "";
    ck_assert(jwtd_verify_wait(verifier, LONG_MS));
    for (int i = 0; i < 200 && last[0] == '\0'; i++) {
        jwtd_verify_last_error(verifier, last, sizeof last);
        usleep(10000);
    }
    ck_assert_str_eq(last, "keys: more than 131072 bytes");
    jwtd_verify_destroy(verifier);
}
END_TEST

START_TEST(a_service_that_publishes_no_key_is_reported_where_there_is_no_other) {
    server.jwks = JWKS("");
    scripts[0] = (struct script){ EVENTS COMPLETE FRESH, FRESH };
    start_server();
    const struct jwtd_verify_options options = { .service_url = url, .service_name = "shop", .service_secret = "x" };
    struct jwtd_verifier *verifier = jwtd_verify_create(&options, sizeof options, error, sizeof error);
    char last[256] = "";
    ck_assert_ptr_nonnull(verifier);
    ck_assert(!jwtd_verify_wait(verifier, 1000));
    jwtd_verify_last_error(verifier, last, sizeof last);
    ck_assert_str_eq(last, "keys: the service publishes none, and there are no others");
    jwtd_verify_destroy(verifier);
}
END_TEST

/* What lies in the socket when a stopped process goes on says that it is fresh, and was true then. */
START_TEST(a_process_that_was_stopped_does_not_take_old_messages_for_fresh) {
    scripts[0] = (struct script){ EVENTS COMPLETE FRESH, FRESH };
    scripts[1] = (struct script){ EVENTS FRESH, FRESH }; /* without a snapshot, so that nothing is fresh by it */
    int ready[2];
    char byte = 'x';
    ck_assert_int_eq(pipe(ready), 0);
    start_server();
    pid_t child = fork();
    if (child == 0) {
        const struct jwtd_verify_options options = {
            .keys_dir = keys_dir, .service_url = url, .service_name = "shop", .service_secret = "x", .max_stale_s = 2
        };
        struct jwtd_verifier *verifier = jwtd_verify_create(&options, sizeof options, error, sizeof error);
        if (!jwtd_verify_wait(verifier, LONG_MS) || verify(verifier) != JWTD_VERIFY_VALID)
            _exit(2);
        int64_t before, now = clock_monotonic_us(); /* the parent stops this process as soon as it has read the byte */
        (void)!write(ready[1], &byte, 1);
        do { /* until it was stopped, wherever in here, and goes on */
            before = now;
            usleep(20000);
            now = clock_monotonic_us();
        } while (now - before < 3 * CLOCK_US_PER_S);
        bool was_accepted = false;
        for (int i = 0; i < 30; i++, usleep(20000))
            was_accepted = verify(verifier) == JWTD_VERIFY_VALID || was_accepted;
        _exit(was_accepted ? 1 : 0);
    }
    close(ready[1]);
    ck_assert_msg(read(ready[0], &byte, 1) == 1, "the child found no token valid");
    ck_assert_int_eq(kill(child, SIGSTOP), 0);
    sleep(6);
    ck_assert_int_eq(kill(child, SIGCONT), 0);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_uint_eq(atomic_load(&server.feeds), 2);
}
END_TEST

Suite *follower_suite(void) {
    Suite *suite = suite_create("follower");
    TCase *tests = tcase_create("follower");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, a_session_is_refused_when_its_event_comes);
    tcase_add_test(tests, a_connection_carries_the_credentials_and_resumes_after_the_last_event);
    tcase_add_test(tests, while_the_feed_is_lost_a_verifier_goes_on_from_memory_until_max_stale);
    tcase_add_loop_test(tests, what_is_no_feed_makes_nothing_fresh_and_is_reported, 0, (int)ARRAY_LEN(useless));
    tcase_add_test(tests, an_endless_line_ends_the_connection);
    tcase_add_test(tests, a_pause_that_the_service_wishes_is_bounded);
    tcase_add_test(tests, a_silent_service_is_left);
    tcase_add_test(tests, a_service_that_is_stale_itself_is_left_for_another_instance);
    tcase_add_test(tests, a_token_of_an_unknown_key_is_not_called_bad_before_keys_were_fetched);
    tcase_add_test(tests, a_revoked_key_kills_the_tokens_that_were_found_valid);
    tcase_add_test(tests, no_token_is_accepted_when_more_keys_are_revoked_than_there_is_place_for);
    tcase_add_test(tests, who_has_waited_for_fetched_keys_is_told_that_an_unknown_key_is_unknown);
    tcase_add_test(tests, keys_are_fetched_from_the_service_but_no_secret);
    tcase_add_test(tests, keys_that_cannot_be_read_leave_those_there_are);
    tcase_add_test(tests, keys_that_are_longer_than_the_limit_are_called_so);
    tcase_add_test(tests, a_service_that_publishes_no_key_is_reported_where_there_is_no_other);
    tcase_add_test(tests, a_process_that_was_stopped_does_not_take_old_messages_for_fresh);
    suite_add_tcase(suite, tests);
    return suite;
}
