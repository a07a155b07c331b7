/* The attacks of slowhttptest (https://github.com/shekyan/slowhttptest) against the service. */
#include "support/account.h"

#include "jwtd/macros.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *slowhttptest_suite(void);

#define WORDS_MAX 40
#define PROBE_PAUSE_US 200000u
/* Twice as many slow clients as may be connected. */
#define LIMITED "server.max_connections=300"
#define SLOW_CLIENTS "600"

static const struct attack {
    const char *name;
    const char *path;
    const char *words[12]; /* NULL after the last */
    const char *limit;
    bool is_cut; /* within the time of the test */
} attacks[] = {
    { "slow header", "/docs", { "-H", "-t", "GET", "-i", "1", "-x", "24" }, LIMITED, true },
    { "slow body", "/auth/login", { "-B", "-t", "POST", "-i", "1", "-x", "24", "-f", "application/json" }, LIMITED, true },
    /* the kernel takes these answers as a whole, so that such a client is an idle one for the service */
    { "slow read",
      "/docs",
      { "-X", "-k", "10", "-w", "1", "-y", "2", "-z", "1", "-n", "1" },
      "server.max_connections=1000",
      false },
    { "ranges", "/docs", { "-R", "-t", "HEAD", "-a", "5", "-b", "500" }, LIMITED, true },
};
#define ATTACKS ARRAY_LEN(attacks)

struct run {
    const struct attack *attack;
    struct server server;
    char report[128]; /* without .csv */
    pid_t pid;        /* 0: it has ended */
    unsigned probes, slow_probes, bad_probes;
};

static pid_t spawn(const char *const *words) {
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid > 0)
        return pid;
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd <= 2; fd++)
        dup2(null, fd);
    execvp(words[0], (char *const *)(const void *)words);
    _exit(127);
}

static void begin(struct run *run, const struct attack *attack) {
    *run = (struct run){ .attack = attack };
    run->server =
        server_start((const char *const[]){ attack->limit, "server.header_timeout=1s", "server.body_timeout=1s", NULL });
    char url[256];
    snprintf(url, sizeof url, "%s%s", run->server.url, attack->path);
    snprintf(run->report, sizeof run->report, "%s/report", run->server.directory);
    const char *words[WORDS_MAX] = { "slowhttptest", "-c", SLOW_CLIENTS, "-r", "100", "-l", "8",
                                     "-p",           "2",  "-u",         url,  "-g",  "-o", run->report };
    size_t count = 14;
    for (size_t i = 0; attack->words[i] != NULL; i++)
        words[count++] = attack->words[i];
    run->pid = spawn(words);
}

/* A request of an ordinary client, during the attack. */
static void probe(struct run *run) {
    struct reply reply = http_try(&run->server, "GET", "/health/live", NULL, NULL);
    run->probes++;
    run->slow_probes += reply.seconds > 1;
    run->bad_probes += reply.status != 200;
    http_free(&reply);
}

static bool has_ended(struct run *run) {
    int status = 0;
    if (run->pid > 0 && waitpid(run->pid, &status, WNOHANG) == run->pid) {
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: slowhttptest ended with %d", run->attack->name, status);
        run->pid = 0;
    }
    return run->pid == 0;
}

/* A line for each second: seconds, connections closed, pending and connected, and 0 when a probe of its own got no answer in
 * time. */
static void assert_available_throughout(const struct run *run) {
    char path[160], line[256];
    unsigned seconds, closed = 0, available, lines = 0;
    snprintf(path, sizeof path, "%s.csv", run->report);
    FILE *report = fopen(path, "re");
    ck_assert_msg(report != NULL && fgets(line, sizeof line, report) != NULL, "%s: no report", run->attack->name);
    while (fgets(line, sizeof line, report) != NULL) {
        ck_assert_int_eq(sscanf(line, "%u,%u,%*u,%*u,%u", &seconds, &closed, &available), 3);
        ck_assert_msg(available > 0, "%s: not available after %u s", run->attack->name, seconds);
        lines++;
    }
    fclose(report);
    ck_assert_msg(lines >= 5, "%s: %u lines", run->attack->name, lines);
    ck_assert_msg(!run->attack->is_cut || closed > 100, "%s: only %u were cut", run->attack->name, closed);
}

START_TEST(the_service_stays_available_to_others_while_slow_clients_try_to_fill_it) {
    static struct run runs[ATTACKS];
    size_t running = ATTACKS;
    for (size_t i = 0; i < ATTACKS; i++)
        begin(&runs[i], &attacks[i]);
    while (running > 0) {
        running = 0;
        for (size_t i = 0; i < ATTACKS; i++) {
            running += !has_ended(&runs[i]);
            probe(&runs[i]);
        }
        usleep(PROBE_PAUSE_US);
    }
    for (size_t i = 0; i < ATTACKS; i++) {
        assert_available_throughout(&runs[i]);
        ck_assert_msg(runs[i].bad_probes == 0 && runs[i].slow_probes * 10 <= runs[i].probes,
                      "%s: of %u probes, %u got no 200 and %u were slow", attacks[i].name, runs[i].probes, runs[i].bad_probes,
                      runs[i].slow_probes);
        server_finish(&runs[i].server);
    }
}
END_TEST

Suite *slowhttptest_suite(void) {
    Suite *suite = suite_create("slowhttptest");
    TCase *tcase = tcase_create("slowhttptest");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, the_service_stays_available_to_others_while_slow_clients_try_to_fill_it);
    suite_add_tcase(suite, tcase);
    return suite;
}
