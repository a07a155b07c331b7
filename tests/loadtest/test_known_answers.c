/* The tester against servers whose limits and faults are known. */
#include "jwtd/macros.h"
#include "loadtest/run.h"
#include "support/fake.h"

#include <check.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *known_answers_suite(void);

#define ARGUMENTS_MAX 24
#define CUT_REPLY "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{"
#define OUTPUT_SIZE 16384

struct result {
    int code;
    char output[OUTPUT_SIZE];
    struct run run;
    bool has_run;
};

static const char *program(void) {
    const char *path = getenv("FAILPOINT_TEST_PROGRAM");
    ck_assert_msg(path != NULL, "FAILPOINT_TEST_PROGRAM is not set; run the tests by make test");
    return path;
}

static void read_all(int fd, char output[OUTPUT_SIZE]) {
    size_t len = 0;
    ssize_t got;
    while (len < OUTPUT_SIZE - 1 && (got = read(fd, output + len, OUTPUT_SIZE - 1 - len)) > 0)
        len += (size_t)got;
    output[len] = '\0';
}

static bool is_shown; /* a test's: what is said on the way is in the output, too */

/* Runs the program with these arguments, NULL after the last, for so long (0: to its end), and reads its output and its record.
 */
static void run_program_for(const char *const *arguments, unsigned seconds, struct result *result) {
    char record[] = "/tmp/failpoint-test-XXXXXX";
    const char *all[ARGUMENTS_MAX + 8] = { program() };
    size_t count = 1;
    int file = mkstemp(record), pipes[2];
    ck_assert_int_ge(file, 0);
    close(file);
    for (size_t i = 0; arguments[i] != NULL; i++)
        all[count++] = arguments[i];
    const char *const more[] = { "--out", record, "--html", "/dev/null", is_shown ? NULL : "--quiet" };
    for (size_t i = 0; i < ARRAY_LEN(more) && more[i] != NULL; i++)
        all[count++] = more[i];
    all[count] = NULL;
    ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipes[1], STDOUT_FILENO);
        dup2(pipes[1], STDERR_FILENO);
        execv(all[0], (char *const *)(const void *)all);
        _exit(127);
    }
    close(pipes[1]);
    if (seconds > 0) {
        sleep(seconds);
        kill(pid, SIGINT);
    }
    read_all(pipes[0], result->output);
    close(pipes[0]);
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    result->code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    char error[256];
    run_init(&result->run);
    result->has_run = run_read(&result->run, record, error, sizeof error);
    unlink(record);
}

static void run_program(const char *const *arguments, struct result *result) {
    run_program_for(arguments, 0, result);
}

static void release(struct result *result) {
    run_fini(&result->run);
}

static void assert_says(const struct result *result, const char *text) {
    ck_assert_msg(strstr(result->output, text) != NULL, "it does not say \"%s\" but: %s", text, result->output);
}

/* A search that meets a busy moment of the machine finds less than there is. Of so many one must find it; none may find more. */
#define SEARCHES 3

static bool is_found(const struct result *result, double least, double most) {
    double limit = result->run.verdict.limit;
    ck_assert_msg(limit <= most, "%.1f: %s", limit, result->output);
    return limit >= least;
}

/* The last search is in *result. */
static void find_limit(const char *const *arguments, double least, double most, struct result *result) {
    for (int left = SEARCHES; left > 0; left--) {
        run_program(arguments, result);
        if (is_found(result, least, most))
            return;
        printf("%d searches left: %.1f: %s\n", left - 1, result->run.verdict.limit, result->output);
        ck_assert_msg(left > 1, "%.1f: %s", result->run.verdict.limit, result->output);
        release(result);
    }
}

START_TEST(a_capacity_of_500_a_second_is_found_within_5_percent) {
    struct fake fake = fake_start(&(struct fake_behaviour){ .capacity = 500, .queue = 200 });
    static struct result result;
    find_limit((const char *const[]){ "find", fake.url, "--slo", "p99<=300ms,err<=1%", NULL }, 475, 525, &result);
    ck_assert_int_eq(result.code, 0);
    ck_assert_int_eq(result.run.verdict.beyond, COLLAPSE_SHEDS);
    ck_assert(result.run.verdict.recovered);
    release(&result);
    fake_stop(&fake);
}
END_TEST

/* Users who wait for each other at 500 a second, and for 100 ms at most: 50 of them. */
START_TEST(the_number_of_users_is_found_within_5_percent_and_is_whole) {
    struct fake fake = fake_start(&(struct fake_behaviour){ .capacity = 500 });
    static struct result result;
    find_limit((const char *const[]){ "find", fake.url, "--by", "users", "--slo", "p99<=100ms,err<=1%", NULL }, 47, 52, &result);
    double safe = result.run.verdict.safe;
    ck_assert_msg(safe > 0 && safe == floor(safe), "%.2f users", safe);
    ck_assert_int_eq(result.code, 0);
    release(&result);
    fake_stop(&fake);
}
END_TEST

START_TEST(an_interrupted_hold_says_so_records_what_there_is_and_exits_with_130) {
    struct fake fake = fake_start(&(struct fake_behaviour){ .capacity = 500 });
    static struct result result;
    run_program_for((const char *const[]){ "hold", fake.url, "--rate", "100", "--duration", "60s", NULL }, 3, &result);
    ck_assert_msg(result.code == 130, "%d: %s", result.code, result.output);
    assert_says(&result, "interrupted: login holds 100 req/s");
    ck_assert(result.has_run && result.run.steps_count > 0);
    release(&result);
    fake_stop(&fake);
}
END_TEST

/* The server is frozen for 0.5 s at 3, 6 and 9 s. Of 11 s, 1.5 s are late by 0 to 0.5 s, evenly: 13.6 %, of which 5 % of all are
 * the latest 37 %. */
#define P95_MS (500 * (1 - 0.05 / (1.5 / 11)))

START_TEST(a_freeze_of_half_a_second_shows_in_the_95th_percentile) {
    struct fake fake = fake_start(&(struct fake_behaviour){ .freeze_every_s = 3, .freeze_s = 0.5 });
    static struct result result;
    run_program((const char *const[]){ "hold", fake.url, "--rate", "400", "--duration", "11s", "--arrivals", "uniform", NULL },
                &result);
    ck_assert(result.has_run && result.run.steps_count > 0);
    static struct tally total;
    run_step_total(&result.run.steps[result.run.steps_count - 1], &total);
    double p95_ms = (double)histogram_percentile(&total.latency, 0.95) / 1e6;
    ck_assert_msg(p95_ms > P95_MS * 0.95 && p95_ms < P95_MS * 1.05, "%.0f ms instead of %.0f", p95_ms, P95_MS);
    release(&result);
    fake_stop(&fake);
}
END_TEST

START_TEST(a_limiter_is_named_as_one) {
    struct fake fake = fake_start(&(struct fake_behaviour){ .limit = 50 });
    static struct result result;
    run_program((const char *const[]){ "hold", fake.url, "--rate", "150", "--duration", "4s", NULL }, &result);
    ck_assert_int_eq(result.code, 1);
    assert_says(&result, "429");
    assert_says(&result, "limit");
    release(&result);
    fake_stop(&fake);
}
END_TEST

START_TEST(a_crash_is_reported_and_exits_with_5) {
    struct fake fake =
        fake_start(&(struct fake_behaviour){ .capacity = 200, .crash_after = 800 }); /* not within the first second */
    static struct result result;
    is_shown = true;
    run_program((const char *const[]){ "find", fake.url, NULL }, &result);
    ck_assert_msg(result.code == 5, "%d: %s", result.code, result.output);
    assert_says(&result, "takes about ");
    assert_says(&result, " (with --quick, which is less certain, ");
    release(&result);
    fake_stop(&fake);
}
END_TEST

/* With one user, whose load is no rate: what was answered is. */
START_TEST(a_crash_before_the_search_begins_names_the_rate_of_that_moment) {
    struct fake fake = fake_start(&(struct fake_behaviour){ .crash_after = 500 });
    static struct result result;
    run_program((const char *const[]){ "find", fake.url, NULL }, &result);
    ck_assert_msg(result.code == 5, "%d: %s", result.code, result.output);
    ck_assert_msg(strstr(result.output, "crashes at 1 req/s") == NULL, "%s", result.output);
    release(&result);
    fake_stop(&fake);
}
END_TEST

static bool grows(const struct result *result, const char *name) {
    for (size_t i = 0; i < result->run.trends_count; i++)
        if (strcmp(result->run.trends[i].name, name) == 0)
            return result->run.trends[i].grows;
    ck_abort_msg("there is no trend of %s: %s", name, result->output);
}

START_TEST(a_leak_of_a_hundred_bytes_a_request_is_found) {
    struct fake fake = fake_start(&(struct fake_behaviour){ .leak = 100 });
    static struct result result;
    run_program((const char *const[]){ "soak", fake.url, "--rate", "1500", "--duration", "12s", NULL }, &result);
    /* 4: the machine kept the generator from its rate, which hides no leak */
    ck_assert_msg(result.code == 1 || result.code == 4, "%d: %s", result.code, result.output);
    ck_assert_msg(grows(&result, "memory"), "%s", result.output);
    release(&result);
    fake_stop(&fake);
}
END_TEST

/* Each user keeps one connection, however late the machine lets the server reply, so that other processes add no connections.
 * What a reply takes depends on them, too: they alone may have made p99 grow, or the generator late. */
START_TEST(a_server_without_a_leak_passes_the_soak) {
    static const char *const of_the_server[] = { "memory", "descriptors", "threads" };
    struct fake fake = fake_start(&(struct fake_behaviour){ .leak = 0 });
    static struct result result;
    run_program((const char *const[]){ "soak", fake.url, "--users", "8", "--think", "5ms", "--duration", "12s", "--slo",
                                       "err<=1%", NULL },
                &result);
    for (size_t i = 0; i < ARRAY_LEN(of_the_server); i++)
        ck_assert_msg(!grows(&result, of_the_server[i]), "%s: %s", of_the_server[i], result.output);
    ck_assert_msg(result.code == (grows(&result, "p99") ? 1 : 0) || result.code == 4, "%d: %s", result.code, result.output);
    release(&result);
    fake_stop(&fake);
}
END_TEST

static void assert_does_not_say(const struct result *result, const char *text) {
    ck_assert_msg(strstr(result->output, text) == NULL, "it says \"%s\": %s", text, result->output);
}

/* Each that waits has a connection of its own, and waits longer than the one before. */
START_TEST(a_queue_that_grows_is_an_overload_and_no_leak) {
    struct fake fake = fake_start(&(struct fake_behaviour){ .capacity = 100 });
    static struct result result;
    run_program((const char *const[]){ "soak", fake.url, "--rate", "140", "--duration", "6s", "--slo", "p99<=200ms", NULL },
                &result);
    ck_assert_msg(result.code == 1, "%d: %s", result.code, result.output);
    assert_says(&result, "login misses its objective at 140 req/s (p99 ");
    assert_says(&result, " Its queue grows by ");
    assert_does_not_say(&result, "leaks");
    assert_does_not_say(&result, "e+");
    ck_assert_msg(!grows(&result, "descriptors") && grows(&result, "in flight"), "%s", result.output);
    release(&result);
    fake_stop(&fake);
}
END_TEST

START_TEST(a_generator_that_is_too_slow_says_so_and_exits_with_4) {
    struct fake fake = fake_start(&(struct fake_behaviour){ .capacity = 0 });
    static struct result result;
    run_program((const char *const[]){ "hold", fake.url, "--rate", "4000", "--duration", "3s", "--handicap", "1000", NULL },
                &result);
    ck_assert_msg(result.code == 4, "%d: %s", result.code, result.output);
    assert_says(&result, "but failpoint itself was the limit, not the service");
    release(&result);
    fake_stop(&fake);
}
END_TEST

/* Refusals come at once: with a connection for all of them, 60 users would need a handful. */
START_TEST(each_user_keeps_a_connection) {
    struct fake fake = fake_start(&(struct fake_behaviour){ .limit = 5 });
    static struct result result;
    run_program((const char *const[]){ "hold", fake.url, "--users", "60", "--think", "100ms", "--retry-after", "ignore",
                                       "--duration", "3s", NULL },
                &result);
    ck_assert(result.has_run && result.run.steps_count > 0);
    double descriptors = result.run.steps[result.run.steps_count - 1].usage.descriptors;
    ck_assert_msg(descriptors >= 60 && descriptors < 80, "%.0f", descriptors);
    release(&result);
    fake_stop(&fake);
}
END_TEST

#define OF_INTERVAL 0.01 /* more than its ends say: the servers' clocks are not exact either */

/* The ratio is the true one, and the interval holds it. */
static bool is_true(const struct result *result, double ratio, double tolerance) {
    static const char says[] = "B answers less than A: ";
    double estimate, low, high;
    ck_assert_msg(result->code == 0, "%d: %s", result->code, result->output);
    assert_says(result, says);
    ck_assert_msg(sscanf(strstr(result->output, says) + sizeof says - 1, "%lf times the answers per second (99 %%: %lf to %lf)",
                         &estimate, &low, &high) == 3,
                  "%s", result->output);
    return fabs(estimate - ratio) < tolerance && low - OF_INTERVAL < ratio && ratio < high + OF_INTERVAL;
}

/* A busy moment of the machine may spoil a comparison. */
static void compare_twice(const char *const *arguments, double ratio, double tolerance, struct result *result) {
    run_program(arguments, result);
    if (is_true(result, ratio, tolerance))
        return;
    printf("%s", result->output);
    release(result);
    run_program(arguments, result);
    ck_assert_msg(is_true(result, ratio, tolerance), "%s", result->output);
}

/* Users who wait are answered a quarter as often by a service that takes four times as long. A slice of 0.25 s ends while each of
 * them waits: were those not counted, the slow one would lose more of its answers. */
START_TEST(the_ratio_of_two_services_that_take_their_time_is_the_true_one) {
    struct fake quick = fake_start(&(struct fake_behaviour){ .latency_s = 0.025 });
    struct fake slow = fake_start(&(struct fake_behaviour){ .latency_s = 0.1 });
    static struct result result;
    compare_twice((const char *const[]){ "compare", quick.url, slow.url, "--duration", "20s", NULL }, 0.25, 0.02, &result);
    release(&result);
    fake_stop(&quick);
    fake_stop(&slow);
}
END_TEST

/* ABBA ABBA: between two slices of A lie two of B, and then none. */
static void assert_order(const struct run *run) {
    double begin = -1, apart = 0, together = 0;
    unsigned slices = 0;
    for (size_t i = 0; i < run->steps_count; i++) {
        if (run->steps[i].phase != PHASE_SIDE_A)
            continue;
        if (begin >= 0)
            *(slices % 2 == 1 ? &apart : &together) += run->steps[i].begin - begin;
        begin = run->steps[i].begin;
        slices++;
    }
    ck_assert_uint_eq(slices, 40);
    ck_assert_msg(apart > 2 * together, "%.1f s and %.1f s", apart, together);
}

/* Six requests come in each slice of 0.15 s, of which the slow service answers one or two after its end. */
START_TEST(at_a_rate_what_came_in_a_slice_is_counted_and_its_latency_is_that_of_replies) {
    struct fake quick = fake_start(&(struct fake_behaviour){ .latency_s = 0.01 });
    struct fake slow = fake_start(&(struct fake_behaviour){ .latency_s = 0.15 });
    static struct result result;
    double answered[2], ratio;
    run_program((const char *const[]){ "compare", quick.url, slow.url, "--rate", "40", "--arrivals", "uniform", "--duration",
                                       "12s", NULL },
                &result);
    assert_says(&result, "B is slower than A: ");
    ratio = strtod(strstr(result.output, "A: ") + 3, NULL);
    answered[0] = strtod(strchr(strstr(result.output, "//"), ' '), NULL);
    answered[1] = strtod(strchr(strstr(strstr(result.output, "  B  "), "//"), ' '), NULL);
    ck_assert_msg(answered[0] > 38 && answered[0] < 42 && answered[1] > 38 && answered[1] < 42, "%s", result.output);
    ck_assert_msg(ratio > 2 && ratio < 15.5, "%s", result.output); /* a busy machine adds to both */
    assert_order(&result.run);
    release(&result);
    fake_stop(&quick);
    fake_stop(&slow);
}
END_TEST

START_TEST(a_service_that_answers_nothing_in_some_slices_is_not_the_faster_one) {
    struct fake quick = fake_start(&(struct fake_behaviour){ .latency_s = 0.01 });
    struct fake gone = fake_start(&(struct fake_behaviour){ .latency_s = 0.01, .crash_after = 100 });
    static struct result result;
    run_program((const char *const[]){ "compare", quick.url, gone.url, "--rate", "40", "--duration", "12s", NULL }, &result);
    ck_assert_msg(result.code == 3, "%d: %s", result.code, result.output);
    assert_says(&result, "nothing to compare: B answered nothing in some slices");
    release(&result);
    fake_stop(&quick);
    fake_stop(&gone);
}
END_TEST

START_TEST(slices_of_too_few_requests_are_refused) {
    struct fake fake = fake_start(&(struct fake_behaviour){ .capacity = 0 });
    static struct result result;
    run_program((const char *const[]){ "compare", fake.url, fake.url, "--rate", "3", "--duration", "24s", NULL }, &result);
    ck_assert_msg(result.code == 2, "%d: %s", result.code, result.output);
    assert_says(&result, "slices of 300 ms are too short for 3 requests a second: --duration 134s or more");
    release(&result);
    fake_stop(&fake);
}
END_TEST

START_TEST(slices_that_end_before_the_answers_come_are_refused) {
    struct fake quick = fake_start(&(struct fake_behaviour){ .latency_s = 0.01 });
    struct fake slow = fake_start(&(struct fake_behaviour){ .latency_s = 0.4 });
    static struct result result;
    run_program((const char *const[]){ "compare", quick.url, slow.url, "--duration", "24s", NULL }, &result);
    ck_assert_msg(result.code == 2, "%d: %s", result.code, result.output);
    assert_says(&result, "slices of 300 ms are too short for answers that take 4");
    release(&result);
    fake_stop(&quick);
    fake_stop(&slow);
}
END_TEST

/* 500 and 600 a second are 0.833. Both have one table of accounts and hash with other parameters: were an account used by both
 * sides, each would spend its slices on hashing what the other has just hashed. */
START_TEST(the_slower_of_two_services_that_share_their_accounts_is_named_with_the_true_ratio) {
    struct fake_accounts *accounts = fake_accounts_create();
    struct fake quick = fake_start(&(struct fake_behaviour){ .capacity = 600, .accounts = accounts, .hash = 1 });
    struct fake slow = fake_start(&(struct fake_behaviour){ .capacity = 500, .accounts = accounts, .hash = 2 });
    static struct result result;
    compare_twice((const char *const[]){ "compare", quick.url, slow.url, "--duration", "12s", "--accounts", "32", NULL },
                  500.0 / 600, 0.02, &result);
    release(&result);
    fake_stop(&quick);
    fake_stop(&slow);
    fake_accounts_destroy(accounts);
}
END_TEST

START_TEST(what_the_first_wrong_reply_lacked_is_named) {
    struct fake fake = fake_start(&(struct fake_behaviour){ .wrong_after = 50, .wrong_body = "{\"refresh_token\":\"x\"}" });
    static struct result result;
    run_program((const char *const[]){ "hold", fake.url, "--rate", "100", "--duration", "2s", NULL }, &result);
    ck_assert_msg(result.code == 1, "%d: %s", result.code, result.output);
    assert_says(&result, "/auth/login answers 200, but without the member access_token)");
    release(&result);
    fake_stop(&fake);
}
END_TEST

/* Six seconds for 24 hours: from half past eight the rate rises within 0.125 s to what the server sheds. The peak lasts 62.5 ms,
 * which is ten times what the objective allows. */
START_TEST(a_day_is_followed_and_its_worst_hour_named) {
    struct fake fake = fake_start(&(struct fake_behaviour){ .capacity = 100, .queue = 20 });
    static struct result result;
    run_program((const char *const[]){ "day", fake.url, "--scenario", "login", "--duration", "6s", "--peak", "1000", "--slo",
                                       "p99<=6ms,err<=1%", NULL },
                &result);
    ck_assert_msg(result.code == 1 && result.has_run, "%d: %s", result.code, result.output);
    assert_says(&result, "login does not hold a day of ");
    int hour = -1;
    static const char worst[] = "Its worst second is at ";
    assert_says(&result, worst);
    ck_assert_int_eq(sscanf(strstr(result.output, worst) + sizeof worst - 1, "%d:", &hour), 1);
    ck_assert_msg(hour >= 4 && hour <= 9, "%s", result.output); /* a second is four hours, and this one holds the peak */
    assert_says(&result, " requests with a peak of 1000 req/s for 62.5 ms (");
    assert_says(&result, "errors per million requests: ");
    release(&result);
    fake_stop(&fake);
}
END_TEST

/* Nobody listens there: it is refused before that is tried. */
#define NOBODY "http://127.0.0.1:1"
static const struct {
    const char *words[8], *says;
} meaningless[] = {
    { { "day", NOBODY, "--scenario", "login", "--duration", "12s" },
      "so short a day has its peak for 125 ms, which requests can wait out in a queue: 10 s are needed, 10 times what a reply "
      "may "
      "take by --slo, or else by --timeout. Use --duration 16m or more" },
    { { "compare", NOBODY, NOBODY, "--seeded", "--accounts", "1" },
      "services that share a database would hash each other's accounts" },
    { { "compare", NOBODY, NOBODY, "--seeded" }, "compare --seeded takes --accounts N, 2 at least" },
    { { "compare", NOBODY, NOBODY, "--scenario", "session" }, "session is a flow of several with pauses between" },
};

START_TEST(a_run_that_would_mean_nothing_is_refused_with_the_reason) {
    static struct result result;
    run_program(meaningless[_i].words, &result);
    ck_assert_msg(result.code == 2, "%d: %s", result.code, result.output);
    assert_says(&result, meaningless[_i].says);
    release(&result);
}
END_TEST

/* What is wrong is known before there is any load, and said: exit code 3. A timeout is shortened where it is what is tested. */
static const struct {
    struct fake_behaviour behaviour;
    const char *says;
    const char *scheme, *path, *scenario, *timeout; /* NULL: http, none, login, 5s */
    bool is_gone;                                   /* nobody listens there any more */
} wrong_targets[] = {
    { .behaviour.status = "404 Not Found", .path = "/foo", .says = "/foo/auth/register answers 404: there is no such path" },
    { .behaviour.status = "405 Method Not Allowed", .says = "/auth/register answers 405: it does not take this method" },
    { .behaviour.status = "403 Forbidden", .says = "/auth/login answers 403: the account is there with another password" },
    { .behaviour.status = "500 Internal Server Error", .says = "/auth/register answers 500: it fails without any load" },
    { .behaviour.status = "202 Accepted", .says = "/auth/register answers 202, where 201 means success" },
    { .scenario = "verify", .says = "/auth/verify answers 404: there is no such path" },
    { .behaviour.wrong_body = "{\"message\":\"welcome\"}",
      .says = "/auth/login answers 200, but without the member access_token" },
    { .behaviour.wrong_body = "{\"access_token\":\"a.b.c\"}",
      .scenario = "me",
      .says = "/auth/login answers 200, but without the member refresh_token" },
    { .behaviour.wrong_body = "<html>welcome</html>", .says = "/auth/login answers 200, but with a body that is not JSON" },
    { .behaviour.wrong_body = "", .says = "/auth/login answers 200, but without a body" },
    { .behaviour.raw = "220 mail.example.org ESMTP\r\n", .says = "what listens there does not answer in HTTP/1.1" },
    { .behaviour.raw = "hello", .says = "what listens there does not answer in HTTP/1.1" },
    { .behaviour.raw = "\x15\x03\x03\x01\x02\x02\x46", .says = "what listens there speaks TLS: is it https:// ?" },
    { .behaviour.closes = true, .says = "it closes the connection without a reply: is it https:// ?" },
    { .behaviour = { .raw = CUT_REPLY, .closes = true }, .says = "it closes the connection within its reply" },
    { .behaviour.raw = "HTTP/1.1 999999 OK\r\n\r\n", .says = "its reply is malformed HTTP" },
    { .behaviour.raw = "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", .says = "its reply is malformed HTTP" },
    { .behaviour.raw = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", .says = "its reply is malformed HTTP" },
    { .behaviour.raw = CUT_REPLY, .timeout = "1s", .says = "its reply does not end within 1 s (--timeout)" },
    { .behaviour.is_silent = true, .timeout = "300ms", .says = "it does not answer within 300 ms (--timeout)" },
    { .behaviour.is_full = true, .timeout = "300ms", .says = "it does not accept the connection within 300 ms (--timeout)" },
    { .scheme = "https", .timeout = "300ms", .says = "it does not answer the TLS handshake: is it http:// ?" },
    { .is_gone = true, .says = "/auth/register: connection refused" },
};

static const char *or_default(const char *text, const char *instead) {
    return text != NULL ? text : instead;
}

START_TEST(a_target_that_cannot_be_tested_is_named_before_the_test_and_exits_with_3) {
    struct fake fake = fake_start(&wrong_targets[_i].behaviour);
    static struct result result;
    char url[sizeof fake.url + 16];
    snprintf(url, sizeof url, "%s%s%s", or_default(wrong_targets[_i].scheme, "http"), strchr(fake.url, ':'),
             or_default(wrong_targets[_i].path, ""));
    if (wrong_targets[_i].is_gone)
        fake_stop(&fake);
    run_program((const char *const[]){ "find", url, "--scenario", or_default(wrong_targets[_i].scenario, "login"), "--timeout",
                                       or_default(wrong_targets[_i].timeout, "5s"), NULL },
                &result);
    ck_assert_msg(result.code == 3, "%d: %s", result.code, result.output);
    assert_says(&result, wrong_targets[_i].says);
    release(&result);
    if (!wrong_targets[_i].is_gone)
        fake_stop(&fake);
}
END_TEST

Suite *known_answers_suite(void) {
    Suite *suite = suite_create("known_answers");
    TCase *tcase = tcase_create("known_answers");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, an_interrupted_hold_says_so_records_what_there_is_and_exits_with_130);
    tcase_add_test(tcase, a_freeze_of_half_a_second_shows_in_the_95th_percentile);
    tcase_add_test(tcase, a_limiter_is_named_as_one);
    tcase_add_test(tcase, a_leak_of_a_hundred_bytes_a_request_is_found);
    tcase_add_test(tcase, a_server_without_a_leak_passes_the_soak);
    tcase_add_test(tcase, a_generator_that_is_too_slow_says_so_and_exits_with_4);
    tcase_add_test(tcase, each_user_keeps_a_connection);
    suite_add_tcase(suite, tcase);
    TCase *overloads = tcase_create("overloads");
    tcase_set_timeout(overloads, 120);
    tcase_add_test(overloads, a_queue_that_grows_is_an_overload_and_no_leak);
    suite_add_tcase(suite, overloads);
    TCase *comparisons = tcase_create("comparisons");
    tcase_set_timeout(comparisons, 120);
    tcase_add_test(comparisons, the_ratio_of_two_services_that_take_their_time_is_the_true_one);
    tcase_add_test(comparisons, at_a_rate_what_came_in_a_slice_is_counted_and_its_latency_is_that_of_replies);
    tcase_add_test(comparisons, a_service_that_answers_nothing_in_some_slices_is_not_the_faster_one);
    tcase_add_test(comparisons, slices_of_too_few_requests_are_refused);
    tcase_add_test(comparisons, slices_that_end_before_the_answers_come_are_refused);
    tcase_add_test(comparisons, the_slower_of_two_services_that_share_their_accounts_is_named_with_the_true_ratio);
    suite_add_tcase(suite, comparisons);
    TCase *searches = tcase_create("searches");
    tcase_set_timeout(searches, 300);
    tcase_add_test(searches, a_capacity_of_500_a_second_is_found_within_5_percent);
    tcase_add_test(searches, the_number_of_users_is_found_within_5_percent_and_is_whole);
    tcase_add_test(searches, a_crash_is_reported_and_exits_with_5);
    suite_add_tcase(suite, searches);
    TCase *quick = tcase_create("quick"); /* these do not measure, or only a little */
    tcase_set_timeout(quick, 60);
    tcase_add_test(quick, what_the_first_wrong_reply_lacked_is_named);
    tcase_add_test(quick, a_crash_before_the_search_begins_names_the_rate_of_that_moment);
    tcase_add_test(quick, a_day_is_followed_and_its_worst_hour_named);
    tcase_add_loop_test(quick, a_run_that_would_mean_nothing_is_refused_with_the_reason, 0, (int)ARRAY_LEN(meaningless));
    tcase_add_loop_test(quick, a_target_that_cannot_be_tested_is_named_before_the_test_and_exits_with_3, 0,
                        (int)ARRAY_LEN(wrong_targets));
    suite_add_tcase(suite, quick);
    return suite;
}
