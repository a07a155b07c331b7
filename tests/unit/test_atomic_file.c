#include "src/token/atomic_file.h"

#include "jwtd/clock.h"
#include "jwtd/macros.h"
#include "token_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

Suite *atomic_file_suite(void);

#define AT_ONCE 8
#define SHORT_WAIT_MS 200

static const struct file_access own = { 0600, FILE_GROUP_ANY };
static struct scratch scratch;
static int directory;

/* Of O_PATH, as commands open it. */
static void set_up(void) {
    scratch = scratch_create();
    directory = open(scratch.path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(directory, 0);
}

static void tear_down(void) {
    close(directory);
    scratch_destroy(&scratch);
}

static void expect_content(const char *name, const char *content) {
    char text[64] = "";
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_ge(read(fd, text, sizeof text - 1), 0);
    close(fd);
    ck_assert_str_eq(text, content);
}

static unsigned count_files(void) {
    unsigned count = 0;
    DIR *names = opendir(scratch.path);
    ck_assert_ptr_nonnull(names);
    for (const struct dirent *entry; (entry = readdir(names)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(names);
    return count;
}

/* ---- writing ---- */

START_TEST(a_file_that_is_there_is_not_written_over_by_create) {
    ck_assert_int_eq(atomic_file_create(directory, "a", &own, text_of("one")), FILE_WRITTEN);
    ck_assert_int_eq(atomic_file_create(directory, "a", &own, text_of("two")), FILE_EXISTS);
    expect_content("a", "one");
    ck_assert_uint_eq(count_files(), 1);
}
END_TEST

START_TEST(of_processes_that_create_a_file_at_the_same_time_one_does) {
    int status, written = 0;
    for (int i = 0; i < AT_ONCE; i++)
        if (fork() == 0)
            _exit((int)atomic_file_create(directory, "a", &own, text_of("whole")));
    while (wait(&status) > 0) {
        ck_assert(WIFEXITED(status) && (WEXITSTATUS(status) == FILE_WRITTEN || WEXITSTATUS(status) == FILE_EXISTS));
        written += WEXITSTATUS(status) == FILE_WRITTEN;
    }
    ck_assert_int_eq(written, 1);
    expect_content("a", "whole");
    ck_assert_uint_eq(count_files(), 1);
}
END_TEST

START_TEST(replace_makes_a_file_and_then_replaces_it) {
    scratch_write_text(&scratch, "a~new", "left by a process that was killed");
    ck_assert_int_eq(atomic_file_replace(directory, "a", &own, text_of("a longer one")), FILE_WRITTEN);
    ck_assert_int_eq(atomic_file_replace(directory, "a", &own, text_of("two")), FILE_WRITTEN);
    expect_content("a", "two");
    ck_assert_uint_eq(count_files(), 1);
}
END_TEST

/* The umask does not count. */
START_TEST(mode_and_group_are_as_wanted) {
    static const struct {
        struct file_access access;
        bool keeps_group;
    } cases[] = {
        { { 0644, FILE_GROUP_ANY }, false },
        { { 0640, 12345 }, true },
        { { 0660, 12345 }, true },
        { { 0600, 12345 }, false }, /* of no use to the group */
    };
    if (geteuid() != 0)
        return;
    mode_t before = umask(077);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct stat status;
        ck_assert_int_eq(atomic_file_replace(directory, "a", &cases[i].access, text_of("x")), FILE_WRITTEN);
        ck_assert_int_eq(fstatat(directory, "a", &status, 0), 0);
        ck_assert_uint_eq(status.st_mode & 07777, cases[i].access.mode);
        ck_assert_uint_eq(status.st_gid, cases[i].keeps_group ? 12345 : getegid());
    }
    umask(before);
}
END_TEST

START_TEST(what_cannot_be_written_leaves_all_as_it_was) {
    char long_name[NAME_MAX + 1];
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    ck_assert_int_eq(atomic_file_replace(directory, long_name, &own, text_of("x")), FILE_FAILED);
    ck_assert_int_eq(errno, ENAMETOOLONG);
    ck_assert_int_eq(atomic_file_create(directory, long_name, &own, text_of("x")), FILE_FAILED);
    ck_assert_int_eq(errno, ENAMETOOLONG);
    ck_assert_int_eq(mkdirat(directory, "a", 0700), 0);
    ck_assert_int_eq(atomic_file_replace(directory, "a", &own, text_of("x")), FILE_FAILED);
    ck_assert_int_eq(errno, EISDIR);
    ck_assert_uint_eq(count_files(), 1);
}
END_TEST

/* ---- the lock ---- */

/* A process that has the lock, for `milliseconds`, and ends without releasing it. */
static pid_t lock_elsewhere(useconds_t milliseconds) {
    int ready[2];
    char byte;
    const char *reason;
    ck_assert_int_eq(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        bool is_locked = directory_lock(directory, 0, &reason) >= 0;
        ssize_t written = write(ready[1], is_locked ? "y" : "n", 1);
        usleep(milliseconds * 1000);
        _exit(written == 1 ? 0 : 1);
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    ck_assert_int_eq(byte, 'y');
    close(ready[0]);
    close(ready[1]);
    return pid;
}

START_TEST(a_lock_keeps_other_processes_out_until_its_process_ends) {
    const char *reason = "";
    pid_t pid = lock_elsewhere(300);
    int64_t began_us = clock_monotonic_us();
    int lock = directory_lock(directory, DIRECTORY_LOCK_WAIT_MS, &reason);
    ck_assert_msg(lock >= 0, "%s", reason);
    ck_assert_int_ge(clock_monotonic_us() - began_us, 100000);
    close(lock);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

START_TEST(who_waits_too_long_for_a_lock_is_told_that_another_process_has_it) {
    const char *reason;
    pid_t pid = lock_elsewhere(60000);
    int64_t began_us = clock_monotonic_us();
    ck_assert_int_eq(directory_lock(directory, SHORT_WAIT_MS, &reason), -1);
    ck_assert_int_ge(clock_monotonic_us() - began_us, SHORT_WAIT_MS * 1000);
    ck_assert_str_eq(reason, "another process is changing it");
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    int lock = directory_lock(directory, SHORT_WAIT_MS, &reason);
    ck_assert_int_ge(lock, 0);
    close(lock);
}
END_TEST

Suite *atomic_file_suite(void) {
    Suite *suite = suite_create("atomic_file");
    TCase *tests = tcase_create("atomic_file");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_file_that_is_there_is_not_written_over_by_create);
    tcase_add_test(tests, of_processes_that_create_a_file_at_the_same_time_one_does);
    tcase_add_test(tests, replace_makes_a_file_and_then_replaces_it);
    tcase_add_test(tests, mode_and_group_are_as_wanted);
    tcase_add_test(tests, what_cannot_be_written_leaves_all_as_it_was);
    tcase_add_test(tests, a_lock_keeps_other_processes_out_until_its_process_ends);
    tcase_add_test(tests, who_waits_too_long_for_a_lock_is_told_that_another_process_has_it);
    suite_add_tcase(suite, tests);
    return suite;
}
