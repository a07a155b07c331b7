/* The log with the thread that writes it: nobody waits, and what is lost is counted. */
#include "src/base/log_queue.h"

#include "tests/runner.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"
#include "jwtd/macros.h"
#include "jwtd/metrics.h"
#include "jwtd/network.h"
#include "jwtd/thread.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

Suite *log_writer_suite(void);

#define LONG_US (10 * CLOCK_US_PER_S)

/* ---- the queues ---- */

enum { ROUNDS = 40000, PHASE = 4000, WAITING_MAX = 4096 };

static size_t random_len(void) {
    return (size_t)(rand() % 8 == 0 ? rand() % 4096 : rand() % 300);
}

static char letter_of(unsigned number) {
    return (char)('a' + number % 26);
}

/* Against a list of what must come, with a queue that is full, empty, and used around its end many times. */
START_TEST(lines_come_out_whole_and_in_order_whatever_their_lengths) {
    static size_t lens[WAITING_MAX];
    static char line[4096];
    unsigned added = 0, removed = 0, refused = 0;
    srand(11);
    for (int round = 0; round < ROUNDS; round++) {
        bool fills = round / PHASE % 2 == 0;
        if (added - removed < WAITING_MAX && (fills || rand() % 3 == 0)) {
            size_t len = random_len();
            memset(line, letter_of(added), len);
            if (log_queues_add(added, (struct text){ line, len }, QUEUE_ALL))
                lens[added++ % WAITING_MAX] = len;
            else
                refused++;
        }
        struct queued_line next;
        if ((fills && rand() % 6 != 0) || !log_queues_next(&next))
            continue;
        ck_assert_int_eq(next.time_us, removed);
        ck_assert_uint_eq(next.text.len, lens[removed % WAITING_MAX]);
        memset(line, letter_of(removed), next.text.len);
        ck_assert_int_eq(memcmp(next.text.bytes, line, next.text.len), 0);
        log_queues_remove(&next);
        removed++;
    }
    ck_assert_uint_gt(added, ROUNDS / 4);
    ck_assert_uint_gt(refused, 0);
}
END_TEST

/* Adds such lines until there is no room, and returns how many. */
static unsigned fill(enum queue_room room, size_t len) {
    static char line[4096];
    unsigned count = 0;
    while (log_queues_add(0, (struct text){ line, len }, room))
        count++;
    return count;
}

static void remove_all(void) {
    for (struct queued_line line; log_queues_next(&line);)
        log_queues_remove(&line);
}

/* From whatever position the queue is filled. */
START_TEST(an_eighth_of_a_queue_is_kept_for_events_and_another_one_for_warnings_and_errors) {
    enum { LEN = 240, ENTRY = 256, LINES = LOG_QUEUE_SIZE / ENTRY };
    for (unsigned position = 0; position < LINES; position += 7) {
        unsigned ordinary = fill(QUEUE_WITHOUT_RESERVE, LEN);
        ck_assert_uint_ge(ordinary, LINES / 4 - 1);
        ck_assert_uint_le(ordinary, 3 * LINES / 4);
        ck_assert_uint_ge(fill(QUEUE_WITH_HALF_THE_RESERVE, LEN), LINES / 8 - 1);
        ck_assert_uint_ge(fill(QUEUE_ALL, LEN), LINES / 8 - 1);
        remove_all();
        for (unsigned i = 0; i < position; i++) {
            static char line[LEN];
            ck_assert(log_queues_add(0, (struct text){ line, LEN }, QUEUE_WITHOUT_RESERVE)); /* an empty queue has room */
            remove_all();
        }
    }
}
END_TEST

static void *add_one(void *time_us) {
    ck_assert(log_queues_add(*(const int64_t *)time_us, text_of("line"), QUEUE_ALL));
    return NULL;
}

static void run_thread(void *(*run)(void *), void *argument) {
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, run, argument), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

static pthread_barrier_t all_have_added;

static void *add_one_beside_others(void *time_us) {
    add_one(time_us);
    pthread_barrier_wait(&all_have_added); /* or a thread that ended would leave its queue to the next */
    return NULL;
}

START_TEST(the_earliest_line_of_all_threads_comes_first) {
    static int64_t times[] = { 30, 10, 20 };
    static const int64_t sorted[] = { 10, 20, 25, 30 };
    pthread_t threads[ARRAY_LEN(times)];
    struct queued_line line;
    pthread_barrier_init(&all_have_added, NULL, ARRAY_LEN(times));
    ck_assert(log_queues_add(25, text_of("line"), QUEUE_ALL));
    for (size_t i = 0; i < ARRAY_LEN(times); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, add_one_beside_others, &times[i]), 0);
    for (size_t i = 0; i < ARRAY_LEN(times); i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < ARRAY_LEN(sorted); i++) {
        ck_assert(log_queues_next(&line));
        ck_assert_int_eq(line.time_us, sorted[i]);
        log_queues_remove(&line);
    }
    ck_assert(!log_queues_next(&line));
}
END_TEST

/* So the kernel need not provide the rest. */
START_TEST(lines_that_do_not_wait_use_half_of_the_memory_of_a_queue) {
    static char line[1000];
    const char *lowest = NULL, *highest = NULL;
    for (int i = 0; i < 3 * LOG_QUEUE_SIZE / 1000; i++) {
        struct queued_line next;
        ck_assert(log_queues_add(i, (struct text){ line, sizeof line }, QUEUE_ALL));
        ck_assert(log_queues_next(&next));
        lowest = lowest == NULL || next.text.bytes < lowest ? next.text.bytes : lowest;
        highest = next.text.bytes > highest ? next.text.bytes : highest;
        log_queues_remove(&next);
    }
    ck_assert_int_le(highest - lowest, LOG_QUEUE_SIZE / 2 + 2000);
}
END_TEST

static void *add_one_and_keep_the_queue(void *time_us) {
    add_one(time_us);
    pthread_barrier_wait(&all_have_added);
    pthread_barrier_wait(&all_have_added); /* until the other thread has added its line */
    return NULL;
}

static void add_while_another_thread_has_the_queue(void *unused) {
    static int64_t times[] = { 2, 3 };
    pthread_t thread;
    (void)unused;
    ck_assert_int_eq(pthread_create(&thread, NULL, add_one_and_keep_the_queue, &times[0]), 0);
    pthread_barrier_wait(&all_have_added);
    add_one(&times[1]);
    pthread_barrier_wait(&all_have_added);
    pthread_join(thread, NULL);
}

static pthread_key_t late_key;

static void *end_with_a_line(void *time_us) {
    add_one(time_us);
    ck_assert_int_eq(pthread_setspecific(late_key, time_us), 0);
    return NULL;
}

/* Destructors are called in the order of their keys: this one behind the queue's. */
START_TEST(what_a_thread_logs_when_it_has_given_up_its_queue_goes_into_another_one) {
    static int64_t time_us = 1;
    struct queued_line lines[3];
    run_thread(add_one, &time_us); /* makes the key of the queues */
    remove_all();
    ck_assert_int_eq(pthread_key_create(&late_key, add_while_another_thread_has_the_queue), 0);
    pthread_barrier_init(&all_have_added, NULL, 2);
    run_thread(end_with_a_line, &time_us);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        ck_assert(log_queues_next(&lines[i]));
        ck_assert_int_eq(lines[i].time_us, (int64_t)i + 1);
        log_queues_remove(&lines[i]);
    }
    ck_assert_ptr_eq(lines[1].queue, lines[0].queue);
    ck_assert_ptr_ne(lines[2].queue, lines[1].queue);
}
END_TEST

static long virtual_kib(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%ld", &pages), 1);
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

START_TEST(threads_that_come_and_go_share_a_queue) {
    static int64_t time_us = 1;
    if (test_is_emulated())
        SKIP_TEST("the address space is that of qemu, which grows by what qemu keeps of each thread");
    run_thread(add_one, &time_us);
    long before = virtual_kib();
    for (int i = 0; i < 200; i++)
        run_thread(add_one, &time_us);
    ck_assert_int_lt(virtual_kib() - before, 20L * LOG_QUEUE_SIZE / 1024);
}
END_TEST

/* ---- the writer, into a pipe ---- */

struct writing {
    int pipe_end, saved;
    struct thread thread;
};

static void begin_writing(struct writing *writing) {
    int ends[2];
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    writing->pipe_end = ends[0];
    writing->saved = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    signal(SIGPIPE, SIG_IGN);
    log_init(LOG_INFO, LOG_JSON);
    enum status status = thread_start(&writing->thread, "log", log_write_lines, NULL);
    ck_assert_int_eq(status, STATUS_OK);
}

/* Fills the pipe, which does not block from now on, and waits until lines are for the writer: before, one that the sink does not
 * take is lost. Returns how many are lost by then. */
static uint64_t fill_pipe(void) {
    static char newlines[4096];
    memset(newlines, '\n', sizeof newlines);
    ck_assert_int_eq(fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK), 0);
    while (write(STDERR_FILENO, newlines, sizeof newlines) > 0)
        ;
    uint64_t lost;
    do {
        lost = log_lines_lost();
        log_event(LOG_INFO, "full", "number=%d", 1);
    } while (log_lines_lost() > lost);
    return lost;
}

static void end_writing(struct writing *writing) {
    bool has_ended = log_end_writing(LONG_US);
    dup2(writing->saved, STDERR_FILENO);
    ck_assert(has_ended);
    thread_join(&writing->thread);
}

/* Reads until nothing more comes for so long. */
static size_t read_pipe(const struct writing *writing, char *bytes, size_t size, int wait_ms) {
    size_t len = 0;
    struct pollfd input = { .fd = writing->pipe_end, .events = POLLIN };
    while (len < size - 1 && poll(&input, 1, wait_ms) == 1) {
        ssize_t got = read(writing->pipe_end, bytes + len, size - 1 - len);
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    bytes[len] = '\0';
    return len;
}

static int count(const char *text, const char *what) {
    int found = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
        found++;
    return found;
}

/* The sum of the counts of all lines log_lines_lost. */
static long reported_losses(const char *text) {
    static const char mark[] = "\"event\":\"log_lines_lost\",\"count\":";
    long sum = 0;
    for (const char *at = text; (at = strstr(at, mark)) != NULL; at++)
        sum += strtol(at + sizeof mark - 1, NULL, 10);
    return sum;
}

enum { WRITERS = 4, LINES_EACH = 5000 };
static atomic_llong longest_us;

static void *log_many(void *unused) {
    (void)unused;
    for (int i = 0; i < LINES_EACH; i++) {
        int64_t began_us = clock_monotonic_us();
        log_event(LOG_INFO, "many", "text=%s number=%d", "some words that take a little of the space in the queue", i);
        long long took_us = clock_monotonic_us() - began_us, longest = atomic_load(&longest_us);
        while (took_us > longest && !atomic_compare_exchange_weak(&longest_us, &longest, took_us))
            ;
    }
    return NULL;
}

static void log_many_from_all(void) {
    pthread_t threads[WRITERS];
    for (int i = 0; i < WRITERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, log_many, NULL), 0);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
}

#define TEXT_SIZE ((size_t)8 * 1024 * 1024)

/* Lines that were written, and those that are said to be lost. */
static long accounted(const char *text) {
    return count(text, "\"event\":\"many\"") + reported_losses(text);
}

START_TEST(a_sink_that_takes_nothing_blocks_no_thread_and_every_lost_line_is_counted) {
    struct writing writing;
    char *text = malloc(TEXT_SIZE);
    ck_assert_ptr_nonnull(text);
    begin_writing(&writing);
    log_many_from_all(); /* returns, though nobody reads */
    uint64_t lost = log_lines_lost();
    ck_assert_uint_gt(lost, 0);
    ck_assert_int_lt(atomic_load(&longest_us), 2 * CLOCK_US_PER_S);
    size_t len = read_pipe(&writing, text, TEXT_SIZE, 500);
    log_event(LOG_INFO, "after", "number=%d", 1);
    int64_t until_us = clock_monotonic_us() + LONG_US;
    while ((strstr(text, "\"event\":\"after\"") == NULL || accounted(text) < WRITERS * LINES_EACH) &&
           clock_monotonic_us() < until_us)
        len += read_pipe(&writing, text + len, TEXT_SIZE - len, 100);
    ck_assert_ptr_nonnull(strstr(text, "\"event\":\"after\""));
    ck_assert_int_eq(accounted(text), WRITERS * LINES_EACH);
    ck_assert_int_eq(reported_losses(text), (long)lost);
    end_writing(&writing);
    free(text);
}
END_TEST

/* Also in another second than the one before. */
START_TEST(a_line_has_the_time_at_which_it_was_logged) {
    struct writing writing;
    static char text[65536];
    char before[2][CLOCK_TEXT_SIZE], after[2][CLOCK_TEXT_SIZE];
    begin_writing(&writing);
    for (int i = 0; i < 2; i++) {
        clock_text(clock_wall_us(), before[i]);
        log_event(LOG_INFO, "timed", "number=%d", i);
        clock_text(clock_wall_us(), after[i]);
        if (i == 0)
            usleep((useconds_t)(CLOCK_US_PER_S - clock_wall_us() % CLOCK_US_PER_S));
    }
    end_writing(&writing);
    read_pipe(&writing, text, sizeof text, 0);
    const char *line = text;
    for (int i = 0; i < 2; i++) {
        char time[CLOCK_TEXT_SIZE];
        const char *begin = line + strlen("{\"time\":\"");
        snprintf(time, sizeof time, "%.*s", (int)strcspn(begin, "\""), begin);
        ck_assert_str_le(before[i], time);
        ck_assert_str_le(time, after[i]);
        line = strchr(line, '\n') + 1;
    }
}
END_TEST

/* Reads until as many lines as are due have this, which are all. */
static void expect_lines(struct writing *writing, char *text, const char *mark, int due) {
    size_t len = 0;
    int64_t until_us = clock_monotonic_us() + LONG_US;
    do
        len += read_pipe(writing, text + len, TEXT_SIZE - len, 100);
    while (count(text, mark) < due && clock_monotonic_us() < until_us);
    ck_assert_int_eq(count(text, mark), due);
}

START_TEST(a_flood_of_requests_behind_a_slow_sink_costs_no_other_event) {
    enum { EVENTS = 100 };
    struct writing writing;
    char *text = malloc(TEXT_SIZE);
    ck_assert_ptr_nonnull(text);
    begin_writing(&writing);
    uint64_t before = fill_pipe();
    for (int i = 0; i < LINES_EACH; i++)
        log_request("route=%s status=%u", "/auth/login", 401u);
    uint64_t lost = log_lines_lost();
    ck_assert_uint_gt(lost, before);
    for (int i = 0; i < EVENTS; i++)
        log_event(LOG_INFO, "login_failed", "number=%d", i);
    ck_assert_uint_eq(log_lines_lost(), lost);
    expect_lines(&writing, text, "\"event\":\"login_failed\"", EVENTS);
    end_writing(&writing);
    free(text);
}
END_TEST

START_TEST(a_flood_of_failing_logins_behind_a_slow_sink_costs_no_error) {
    struct writing writing;
    char *text = malloc(TEXT_SIZE);
    ck_assert_ptr_nonnull(text);
    begin_writing(&writing);
    uint64_t before = fill_pipe();
    for (int i = 0; i < LINES_EACH; i++)
        log_event(LOG_INFO, "login_failed", "number=%d", i);
    uint64_t lost = log_lines_lost();
    ck_assert_uint_gt(lost, before);
    log_event(LOG_ERROR, "not_lost", "number=%d", 1);
    ck_assert_uint_eq(log_lines_lost(), lost);
    expect_lines(&writing, text, "\"event\":\"not_lost\"", 1);
    end_writing(&writing);
    free(text);
}
END_TEST

START_TEST(a_service_ends_though_its_log_is_blocked) {
    struct writing writing;
    begin_writing(&writing);
    log_many_from_all();
    ck_assert(!log_end_writing(CLOCK_US_PER_S / 10));
    log_event(LOG_INFO, "after", "number=%d", 1); /* where it is logged, and not to the thread that hangs */
    dup2(writing.saved, STDERR_FILENO);
}
END_TEST

/* As one that another program has opened so. The queue has room for all that the pipe does not take at once. */
START_TEST(a_sink_that_does_not_block_loses_nothing) {
    enum { LINES = 1000 };
    struct writing writing;
    char *text = malloc(TEXT_SIZE);
    ck_assert_ptr_nonnull(text);
    begin_writing(&writing);
    uint64_t lost = fill_pipe();
    for (int i = 0; i < LINES; i++)
        log_event(LOG_INFO, "many", "text=%s", "some words, so that all lines together are more than a pipe takes");
    size_t len = 0;
    int64_t until_us = clock_monotonic_us() + LONG_US;
    do
        len += read_pipe(&writing, text + len, TEXT_SIZE - len, 100);
    while (count(text, "\"event\":\"many\"") < LINES && clock_monotonic_us() < until_us);
    ck_assert_uint_eq(log_lines_lost(), lost);
    ck_assert_int_eq(count(text, "\"event\":\"many\""), LINES);
    end_writing(&writing);
    free(text);
}
END_TEST

#define METRIC_OF_ONE "\njwtd_log_lines_lost_total 1\n"

START_TEST(lines_of_a_broken_sink_are_counted_as_lost) {
    struct writing writing;
    begin_writing(&writing);
    close(writing.pipe_end);
    log_event(LOG_INFO, "unheard", "number=%d", 1);
    log_flush(LONG_US);
    ck_assert_uint_eq(log_lines_lost(), 1);
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    struct text metrics = metrics_write(&arena, METRICS_TEXT);
    ck_assert_ptr_nonnull(memmem(metrics.bytes, metrics.len, METRIC_OF_ONE, strlen(METRIC_OF_ONE)));
    arena_fini(&arena);
    end_writing(&writing);
}
END_TEST

static void limit_files(rlim_t size) {
    struct rlimit limit = { size, RLIM_INFINITY };
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* A full disk, which a limit on the size of files stands for, takes the beginning of a line. */
START_TEST(a_line_that_was_cut_off_spoils_no_other) {
    enum { LINES = 20, FULL = 1000 };
    struct writing writing;
    static char text[65536];
    FILE *file = tmpfile();
    int lines = 0, whole = 0;
    ck_assert_ptr_nonnull(file);
    signal(SIGXFSZ, SIG_IGN);
    begin_writing(&writing);
    dup2(fileno(file), STDERR_FILENO);
    limit_files(FULL);
    for (int i = 0; i < LINES; i++)
        log_event(LOG_INFO, "full", "number=%d", i);
    log_flush(LONG_US);
    limit_files(RLIM_INFINITY);
    log_event(LOG_INFO, "room", "number=%d", 1);
    end_writing(&writing);
    ck_assert_int_gt(pread(fileno(file), text, sizeof text - 1, 0), FULL);
    for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL && line[0] != '\0'; lines++)
        whole += line[0] == '{' && line[strlen(line) - 1] == '}' && count(line, "\"event\"") == 1;
    ck_assert_int_eq(lines - whole, 1);
    ck_assert_int_eq(whole - 2, LINES - (int)log_lines_lost()); /* but the one about the loss, and the one after it */
    fclose(file);
}
END_TEST

START_TEST(what_was_logged_before_the_end_is_written) {
    struct writing writing;
    static char text[65536];
    begin_writing(&writing);
    for (int i = 0; i < 100; i++)
        log_event(LOG_INFO, "before_the_end", "number=%d", i);
    end_writing(&writing);
    read_pipe(&writing, text, sizeof text, 0);
    ck_assert_int_eq(count(text, "\"event\":\"before_the_end\""), 100);
    ck_assert_uint_eq(log_lines_lost(), 0);
}
END_TEST

/* Between two lines the writer waits, so that it can only be woken by a thread that has seen it wait. */
START_TEST(a_line_after_a_pause_wakes_the_writer) {
    struct writing writing;
    static char text[4096];
    begin_writing(&writing);
    for (int i = 0; i < 50; i++) {
        log_event(LOG_INFO, "single", "number=%d", i);
        struct pollfd input = { .fd = writing.pipe_end, .events = POLLIN };
        ck_assert_int_eq(poll(&input, 1, (int)(LONG_US / 1000)), 1);
        ck_assert_int_gt(read(writing.pipe_end, text, sizeof text), 0);
        log_flush(LONG_US);
    }
    end_writing(&writing);
}
END_TEST

/* ---- the context ---- */

START_TEST(every_line_of_a_request_says_whose_it_is) {
    struct writing writing;
    static char text[4096];
    struct address client;
    ck_assert(address_parse(text_of("192.0.2.7"), &client));
    begin_writing(&writing);
    log_set_context(
        &(struct log_context){ .client = &client, .request_id = "r-1", .trace_id = "4bf92f3577b34da6a3ce929d0e0e4736" });
    log_event(LOG_INFO, "within", "a=%d", 1);
    log_set_context(NULL);
    log_event(LOG_INFO, "outside", "a=%d", 1);
    end_writing(&writing);
    read_pipe(&writing, text, sizeof text, 0);
    ck_assert_ptr_nonnull(strstr(text, "\"event\":\"within\",\"a\":1,\"address\":\"192.0.2.7\",\"request_id\":\"r-1\","
                                       "\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\"}\n"));
    ck_assert_ptr_nonnull(strstr(text, "\"event\":\"outside\",\"a\":1}\n"));
}
END_TEST

START_TEST(a_request_in_detail_has_its_debug_lines_and_no_other_has) {
    struct writing writing;
    static char text[4096];
    begin_writing(&writing);
    log_event(LOG_DEBUG, "before", "a=%d", 1);
    log_set_context(&(struct log_context){ .request_id = "r-1", .is_detailed = true });
    log_event(LOG_DEBUG, "within", "a=%d", 1);
    log_set_context(&(struct log_context){ .request_id = "r-2" });
    log_event(LOG_DEBUG, "another", "a=%d", 1);
    log_set_context(NULL);
    end_writing(&writing);
    read_pipe(&writing, text, sizeof text, 0);
    ck_assert_int_eq(count(text, "\"event\""), 1);
    ck_assert_ptr_nonnull(strstr(text, "\"level\":\"debug\",\"event\":\"within\""));
}
END_TEST

/* ---- e-mail addresses ---- */

static const struct {
    const char *email, *masked;
} emails[] = {
    { "jane.doe@example.org", "j***@e***" },
    { "j@example.org", "***@e***" },
    { "jo@x", "j***@***" },
    { "\xc3\xa9"
      "mile@\xc3\xa9"
      "cole.fr",
      "\xc3\xa9***@\xc3\xa9***" },
};

START_TEST(an_address_is_masked_unless_whole_ones_are_asked_for) {
    char text[LOG_EMAIL_SIZE];
    ck_assert_str_eq(log_email(text_of(emails[_i].email), text), emails[_i].masked);
    log_set_emails(LOG_WHOLE_EMAILS);
    ck_assert_str_eq(log_email(text_of(emails[_i].email), text), emails[_i].email);
    log_set_emails(LOG_MASKED_EMAILS);
}
END_TEST

Suite *log_writer_suite(void) {
    Suite *suite = suite_create("log_writer");
    TCase *queues = tcase_create("queues");
    tcase_add_test(queues, lines_come_out_whole_and_in_order_whatever_their_lengths);
    tcase_add_test(queues, an_eighth_of_a_queue_is_kept_for_events_and_another_one_for_warnings_and_errors);
    tcase_add_test(queues, the_earliest_line_of_all_threads_comes_first);
    tcase_add_test(queues, lines_that_do_not_wait_use_half_of_the_memory_of_a_queue);
    tcase_add_test(queues, what_a_thread_logs_when_it_has_given_up_its_queue_goes_into_another_one);
    tcase_add_test(queues, threads_that_come_and_go_share_a_queue);
    suite_add_tcase(suite, queues);
    TCase *writer = tcase_create("writer");
    tcase_set_timeout(writer, 60);
    tcase_add_test(writer, a_sink_that_takes_nothing_blocks_no_thread_and_every_lost_line_is_counted);
    tcase_add_test(writer, a_line_has_the_time_at_which_it_was_logged);
    tcase_add_test(writer, a_flood_of_requests_behind_a_slow_sink_costs_no_other_event);
    tcase_add_test(writer, a_flood_of_failing_logins_behind_a_slow_sink_costs_no_error);
    tcase_add_test(writer, a_service_ends_though_its_log_is_blocked);
    tcase_add_test(writer, a_sink_that_does_not_block_loses_nothing);
    tcase_add_test(writer, lines_of_a_broken_sink_are_counted_as_lost);
    tcase_add_test(writer, a_line_that_was_cut_off_spoils_no_other);
    tcase_add_test(writer, what_was_logged_before_the_end_is_written);
    tcase_add_test(writer, a_line_after_a_pause_wakes_the_writer);
    suite_add_tcase(suite, writer);
    TCase *context = tcase_create("context");
    tcase_add_test(context, every_line_of_a_request_says_whose_it_is);
    tcase_add_test(context, a_request_in_detail_has_its_debug_lines_and_no_other_has);
    tcase_add_loop_test(context, an_address_is_masked_unless_whole_ones_are_asked_for, 0, (int)ARRAY_LEN(emails));
    suite_add_tcase(suite, context);
    return suite;
}
