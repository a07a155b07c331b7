/*
 * Runs the suites named on the command line, or all of them. Check's variables hold (CK_RUN_CASE, CK_FORK, CK_VERBOSITY,
 * CK_TIMEOUT_MULTIPLIER). Behind each suite stands how long it took. The line before the last is "K skipped: ...", the last one
 * "N passed, M failed"; the exit code is 0 when something ran and nothing failed.
 */
#include "runner.h"

#include "suites.h"

#include "jwtd/macros.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NOTES_MAX 1024

struct note {
    char test[128];
    char text[128];
    bool is_skip;
};

/* Shared with the processes of the tests. */
static struct notes {
    atomic_uint count;
    struct note items[NOTES_MAX];
} * notes;

static void create_notes(void) {
    notes = mmap(NULL, sizeof *notes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (notes == MAP_FAILED) {
        perror("mmap");
        exit(2);
    }
}

static void add_note(const char *test, const char *text, bool is_skip) {
    unsigned index = atomic_fetch_add(&notes->count, 1);
    if (index >= NOTES_MAX)
        abort();
    struct note *note = &notes->items[index];
    int len = (int)strlen(test);
    if (len > 3 && strcmp(test + len - 3, "_fn") == 0) /* what START_TEST makes of a name */
        len -= 3;
    snprintf(note->test, sizeof note->test, "%.*s", len, test);
    snprintf(note->text, sizeof note->text, "%s", text);
    note->is_skip = is_skip;
}

void test_skipped(const char *test, const char *reason) {
    add_note(test, reason, true);
}

void test_leaves_out(const char *test, const char *part) {
    add_note(test, part, false);
}

bool test_is_sanitized(void) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#else
    return false;
#endif
}

bool test_is_emulated(void) {
    return getenv("TEST_IS_EMULATED") != NULL;
}

bool test_can_trace(void) {
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 ? 0 : 1);
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool is_same(const struct note *a, const struct note *b) {
    return a->is_skip == b->is_skip && strcmp(a->test, b->test) == 0 && strcmp(a->text, b->text) == 0;
}

static bool is_first(unsigned index) {
    for (unsigned i = 0; i < index; i++)
        if (is_same(&notes->items[i], &notes->items[index]))
            return false;
    return true;
}

static void print_note(unsigned index) {
    const struct note *note = &notes->items[index];
    unsigned times = 0;
    for (unsigned i = index; i < notes->count; i++)
        times += is_same(&notes->items[i], note);
    printf("%s: %s: %s", note->is_skip ? "skipped" : "left out", note->test, note->text);
    printf(times > 1 ? " (%u times)\n" : "\n", times);
}

/* Prints all, and returns how many tests were skipped. */
static int print_notes(void) {
    int skipped = 0;
    for (unsigned i = 0; i < notes->count; i++) {
        skipped += notes->items[i].is_skip;
        if (is_first(i))
            print_note(i);
    }
    printf("%d skipped%s", skipped, skipped > 0 ? ":" : "");
    for (unsigned i = 0; i < notes->count; i++)
        if (notes->items[i].is_skip && is_first(i))
            printf(" %s", notes->items[i].test);
    putchar('\n');
    return skipped;
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Of this process and of those that have ended. */
static double processor_seconds(void) {
    static const int kinds[] = { RUSAGE_SELF, RUSAGE_CHILDREN };
    double sum = 0;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct rusage usage;
        getrusage(kinds[i], &usage);
        sum += (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec);
        sum += (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    }
    return sum;
}

static const struct suite_entry *find_suite(const char *name) {
    for (const struct suite_entry *entry = suites; entry->name != NULL; entry++)
        if (strcmp(entry->name, name) == 0)
            return entry;
    return NULL;
}

struct totals {
    int ran, failed;
};

static void run_suite(const struct suite_entry *entry, struct totals *totals) {
    double begin = seconds(), processor_begin = processor_seconds();
    SRunner *runner = srunner_create(entry->create());
    srunner_run_all(runner, CK_ENV);
    totals->ran += srunner_ntests_run(runner);
    totals->failed += srunner_ntests_failed(runner);
    srunner_free(runner);
    printf("%s: %.1f s, %.1f s of processor time\n", entry->name, seconds() - begin, processor_seconds() - processor_begin);
    fflush(stdout);
}

static bool run_named(int count, char **names, struct totals *totals) {
    for (int i = 0; i < count; i++) {
        if (find_suite(names[i]) == NULL) {
            fprintf(stderr, "there is no suite %s\n", names[i]);
            return false;
        }
    }
    for (int i = 0; i < count; i++)
        run_suite(find_suite(names[i]), totals);
    return true;
}

static void run_all(struct totals *totals) {
    for (const struct suite_entry *entry = suites; entry->name != NULL; entry++)
        run_suite(entry, totals);
}

int main(int argc, char **argv) {
    struct totals totals = { 0 };
    create_notes();
    if (argc > 1 && !run_named(argc - 1, argv + 1, &totals))
        return 2;
    if (argc <= 1)
        run_all(&totals);
    int skipped = print_notes();
    printf("%d passed, %d failed\n", totals.ran - totals.failed - skipped, totals.failed);
    return totals.ran > 0 && totals.failed == 0 ? 0 : 1;
}
