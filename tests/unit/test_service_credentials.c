#include "token_fixture.h"

#include "tests/runner.h"

#include "jwtd/macros.h"
#include "jwtd/service_credentials.h"

#include <sys/wait.h>
#include <time.h>

Suite *service_credentials_suite(void);

#define FILE_NAME "services"
/* of nothing in particular */
#define HASH_A "4ea6ce11b6fdd8ec1b83e48c4c5fd5c2d5eb9a6ea94a0d02f62fbb0d2fdcb2ee"

static struct scratch scratch;
static char file[PATH_MAX], error[512];

static void set_up(void) {
    scratch = scratch_create();
    snprintf(file, sizeof file, "%s", scratch_path(&scratch, FILE_NAME));
    error[0] = '\0';
}

static void tear_down(void) {
    scratch_destroy(&scratch);
}

static struct service_credentials *load(void) {
    struct service_credentials *set = service_credentials_load(file, error, sizeof error);
    ck_assert_msg(set != NULL, "%s", error);
    return set;
}

static const char *hash_of(const char *secret) {
    static char digits[2 * crypto_hash_sha256_BYTES + 1];
    uint8_t hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(hash, (const unsigned char *)secret, strlen(secret));
    return sodium_bin2hex(digits, sizeof digits, hash, sizeof hash);
}

static bool is_good(const struct service_credentials *set, const char *name, const char *secret) {
    const char *found = service_credentials_check(set, text_of(name), text_of(secret));
    ck_assert(found == NULL || strcmp(found, name) == 0);
    return found != NULL;
}

static bool change(enum service_change kind, const char *name, char secret[SERVICE_SECRET_SIZE]) {
    return service_credentials_change(file, kind, text_of(name), secret, error, sizeof error);
}

static void add(enum service_change kind, const char *name, char secret[SERVICE_SECRET_SIZE]) {
    ck_assert_msg(change(kind, name, secret), "%s", error);
    ck_assert_uint_eq(strlen(secret), SERVICE_SECRET_LEN);
}

START_TEST(a_service_is_known_by_its_name_and_its_secret_together) {
    char text[1024];
    int len = snprintf(text, sizeof text, "orders %s\n", hash_of("secret-a"));
    len += snprintf(text + len, sizeof text - (size_t)len, "orders %s\n", hash_of("secret-b"));
    snprintf(text + len, sizeof text - (size_t)len, "gate-way.1_x %s", hash_of("secret-c")); /* the last newline may lack */
    scratch_write_text(&scratch, FILE_NAME, text);
    struct service_credentials *set = load();
    ck_assert_uint_eq(service_credentials_count(set), 3);
    ck_assert(is_good(set, "orders", "secret-a"));
    ck_assert(is_good(set, "orders", "secret-b"));
    ck_assert(is_good(set, "gate-way.1_x", "secret-c"));
    static const char *const bad[][2] = { { "orders", "secret-c" },  { "gate-way.1_x", "secret-a" }, { "order", "secret-a" },
                                          { "orderss", "secret-a" }, { "Orders", "secret-a" },       { "", "secret-a" },
                                          { "orders", "" },          { "orders", "secret-a " },      { "", "" } };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(!is_good(set, bad[i][0], bad[i][1]), "%s %s", bad[i][0], bad[i][1]);
    ck_assert_ptr_null(service_credentials_check(set, (struct text){ "orders\0x", 8 }, text_of("secret-a")));
    ck_assert_ptr_null(service_credentials_check(set, (struct text){ "orders\0", 7 }, text_of("secret-a")));
    struct service_credentials *copy = service_credentials_copy(set);
    service_credentials_destroy(set);
    ck_assert(is_good(copy, "orders", "secret-b"));
    service_credentials_destroy(copy);
}
END_TEST

START_TEST(a_name_that_is_too_long_is_no_service) {
    char name[4096];
    struct service_credentials *set = load();
    memset(name, 'a', sizeof name);
    for (size_t len = SERVICE_NAME_MAX_LEN; len <= sizeof name; len *= 2)
        ck_assert_ptr_null(service_credentials_check(set, (struct text){ name, len }, text_of("x")));
    service_credentials_destroy(set);
}
END_TEST

START_TEST(without_a_file_there_are_no_services) {
    struct service_credentials *set = load();
    ck_assert_uint_eq(service_credentials_count(set), 0);
    ck_assert(!is_good(set, "", ""));
    service_credentials_destroy(set);
    scratch_write_text(&scratch, FILE_NAME, "");
    set = load();
    ck_assert_uint_eq(service_credentials_count(set), 0);
    service_credentials_destroy(set);
}
END_TEST

#define NAME_64 "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd"
static const struct {
    const char *text;
    const char *reason;
} bad_files[] = {
    { "orders", "line 1 does not begin with the name" },
    { "orders " HASH_A "\n\n", "line 2 does not begin with the name" },
    { "# comment\n", "line 1 does not begin with the name" },
    { " " HASH_A "\n", "line 1 does not begin with the name" },
    { "or:ders " HASH_A "\n", "line 1 does not begin with the name" },
    { "orders\t" HASH_A "\n", "line 1 does not begin with the name" },
    { NAME_64 "e " HASH_A "\n", "line 1 does not begin with the name" },
    { "orders  " HASH_A "\n", "line 1 does not end with a SHA-256" },
    { "orders " HASH_A " \n", "line 1 does not end with a SHA-256" },
    { "orders " HASH_A "\r\n", "line 1 does not end with a SHA-256" },
    { "orders " HASH_A "0\n", "line 1 does not end with a SHA-256" },
    { "orders 4EA6CE11B6FDD8EC1B83E48C4C5FD5C2D5EB9A6EA94A0D02F62FBB0D2FDCB2EE\n", "line 1 does not end with a SHA-256" },
    { "orders secret\n", "line 1 does not end with a SHA-256" },
    { "a " HASH_A "\nb " HASH_A "\na " HASH_A "\n", "line 3 is there twice" },
    { "a 00a6ce11b6fdd8ec1b83e48c4c5fd5c2d5eb9a6ea94a0d02f62fbb0d2fdcb2ee\na " HASH_A
      "\na 01a6ce11b6fdd8ec1b83e48c4c5fd5c2d5eb9a6ea94a0d02f62fbb0d2fdcb2ee\n",
      "line 3 is a third secret of one service" },
};

START_TEST(a_file_with_anything_else_is_refused_with_its_line) {
    scratch_write_text(&scratch, FILE_NAME, bad_files[_i].text);
    ck_assert_ptr_null(service_credentials_load(file, error, sizeof error));
    ck_assert_msg(strstr(error, file) != NULL && strstr(error, bad_files[_i].reason) != NULL, "%s", error);
    char secret[SERVICE_SECRET_SIZE];
    ck_assert(!change(SERVICE_ADD, "other", secret)); /* a command does not lose what it cannot read */
}
END_TEST

START_TEST(a_file_with_too_many_lines_is_refused) {
    static char text[32768];
    int len = 0;
    for (unsigned i = 0; i <= SERVICE_SECRETS_MAX; i++)
        len += snprintf(text + len, sizeof text - (size_t)len, "s%u %s\n", i, HASH_A);
    scratch_write_text(&scratch, FILE_NAME, text);
    ck_assert_ptr_null(service_credentials_load(file, error, sizeof error));
    ck_assert_msg(strstr(error, "line 129 is one more") != NULL, "%s", error);
    memset(text, 'x', sizeof text - 1);
    scratch_write_text(&scratch, FILE_NAME, text);
    ck_assert_ptr_null(service_credentials_load(file, error, sizeof error));
    ck_assert_msg(strstr(error, "is larger than") != NULL, "%s", error);
}
END_TEST

START_TEST(a_file_that_others_can_read_or_write_is_refused) {
    static const mode_t modes[] = { 0604, 0602, 0644, 0666 };
    scratch_write(&scratch, FILE_NAME, "", 0, modes[_i]);
    ck_assert_ptr_null(service_credentials_load(file, error, sizeof error));
    ck_assert_msg(strstr(error, "chmod o-rwx") != NULL, "%s", error);
}
END_TEST

START_TEST(what_is_no_file_is_refused) {
    ck_assert_int_eq(mkdir(file, 0700), 0);
    ck_assert_ptr_null(service_credentials_load(file, error, sizeof error));
    ck_assert_int_eq(rmdir(file), 0);
    ck_assert_int_eq(mkfifo(file, 0600), 0);
    ck_assert_ptr_null(service_credentials_load(file, error, sizeof error));
    ck_assert_msg(strstr(error, "not a regular file") != NULL, "%s", error);
}
END_TEST

/* ---- the commands ---- */

START_TEST(a_secret_is_rotated_without_a_moment_in_which_none_is_valid) {
    char first[SERVICE_SECRET_SIZE], second[SERVICE_SECRET_SIZE], other[SERVICE_SECRET_SIZE], unused[SERVICE_SECRET_SIZE] = "";
    add(SERVICE_ADD, "orders", first);
    add(SERVICE_ADD, "other", other);
    ck_assert(!change(SERVICE_ADD, "orders", unused));
    ck_assert(!change(SERVICE_DROP_OLD, "orders", unused));
    add(SERVICE_ROTATE, "orders", second);
    ck_assert(!change(SERVICE_ROTATE, "orders", unused));
    ck_assert(change(SERVICE_DROP_NEW, "orders", unused)); /* it was lost */
    ck_assert(!change(SERVICE_DROP_NEW, "orders", unused));
    add(SERVICE_ROTATE, "orders", second);
    struct service_credentials *set = load();
    ck_assert(is_good(set, "orders", first) && is_good(set, "orders", second) && is_good(set, "other", other));
    service_credentials_destroy(set);
    ck_assert_msg(change(SERVICE_DROP_OLD, "orders", unused), "%s", error);
    set = load();
    ck_assert(!is_good(set, "orders", first) && is_good(set, "orders", second) && is_good(set, "other", other));
    service_credentials_destroy(set);
    ck_assert(change(SERVICE_REMOVE, "orders", unused));
    ck_assert(!change(SERVICE_REMOVE, "orders", unused));
    ck_assert(!change(SERVICE_ROTATE, "orders", unused));
    set = load();
    ck_assert(!is_good(set, "orders", second) && is_good(set, "other", other));
    service_credentials_destroy(set);
    ck_assert_str_eq(unused, "");
}
END_TEST

START_TEST(the_file_holds_no_secret_and_is_for_its_owner_alone_unless_it_was_not) {
    char secret[SERVICE_SECRET_SIZE], text[1024] = "";
    struct stat status;
    add(SERVICE_ADD, "orders", secret);
    ck_assert_int_eq(stat(file, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0600);
    FILE *in = fopen(file, "re");
    ck_assert_uint_gt(fread(text, 1, sizeof text - 1, in), 0);
    fclose(in);
    ck_assert_ptr_null(strstr(text, secret));
    ck_assert_ptr_nonnull(strstr(text, hash_of(secret)));
    ck_assert_int_eq(chmod(file, 0640), 0);
    add(SERVICE_ADD, "other", secret);
    ck_assert_int_eq(stat(file, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0640);
}
END_TEST

START_TEST(a_name_that_cannot_be_one_is_refused) {
    static const char too_long[] = NAME_64 "e";
    static const char *const names[] = { "", "a b", "a:b", "\xc3\xa9", "a\nb", too_long };
    char secret[SERVICE_SECRET_SIZE];
    ck_assert(!change(SERVICE_ADD, names[_i], secret));
    ck_assert_int_ne(access(file, F_OK), 0);
}
END_TEST

START_TEST(a_file_that_is_full_takes_no_other_service) {
    char secret[SERVICE_SECRET_SIZE], name[16];
    for (unsigned i = 0; i < SERVICE_SECRETS_MAX; i++) {
        snprintf(name, sizeof name, "s%u", i);
        add(SERVICE_ADD, name, secret);
    }
    ck_assert(!change(SERVICE_ADD, "one-more", secret));
    ck_assert(!change(SERVICE_ROTATE, "s1", secret));
    ck_assert(change(SERVICE_REMOVE, "s0", secret));
    ck_assert(change(SERVICE_ROTATE, "s1", secret));
}
END_TEST

START_TEST(a_symbolic_link_is_not_replaced) {
    char secret[SERVICE_SECRET_SIZE];
    ck_assert_int_eq(symlink("/dev/null", file), 0);
    ck_assert(!change(SERVICE_ADD, "orders", secret));
    ck_assert_msg(strstr(error, "symbolic link") != NULL, "%s", error);
}
END_TEST

#define DIRECTORY_OWNER 65534

START_TEST(what_root_changes_belongs_to_the_owner_of_the_directory) {
    char secret[SERVICE_SECRET_SIZE];
    struct stat status;
    if (geteuid() != 0)
        SKIP_TEST("only root changes the owner of files");
    ck_assert_int_eq(chown(scratch.path, DIRECTORY_OWNER, DIRECTORY_OWNER), 0);
    add(SERVICE_ADD, "orders", secret);
    add(SERVICE_ROTATE, "orders", secret);
    ck_assert_int_eq(stat(file, &status), 0);
    ck_assert_uint_eq(status.st_uid, DIRECTORY_OWNER);
    ck_assert_uint_eq(geteuid(), 0);
    ck_assert_ptr_null(service_credentials_load(file, error, sizeof error)); /* a server of root's reads nobody else's */
    struct service_credentials *set = service_credentials_load_as_owner(file, error, sizeof error);
    ck_assert_msg(set != NULL, "%s", error);
    ck_assert_uint_eq(service_credentials_count(set), 2);
    service_credentials_destroy(set);
}
END_TEST

#define AT_ONCE 8
#define EACH 8

static void add_many(int process) {
    char name[32], secret[SERVICE_SECRET_SIZE];
    for (int i = 0; i < EACH; i++) {
        snprintf(name, sizeof name, "s%d-%d", process, i);
        if (!change(SERVICE_ADD, name, secret))
            _exit(1);
    }
    _exit(0);
}

START_TEST(commands_at_the_same_time_lose_nothing) {
    for (int process = 0; process < AT_ONCE; process++)
        if (fork() == 0)
            add_many(process);
    int status;
    while (wait(&status) > 0)
        ck_assert_int_eq(status, 0);
    struct service_credentials *set = load();
    ck_assert_uint_eq(service_credentials_count(set), AT_ONCE * EACH);
    service_credentials_destroy(set);
}
END_TEST

static void rotate_for_ever(void) {
    char secret[SERVICE_SECRET_SIZE];
    while (change(SERVICE_ROTATE, "orders", secret) && change(SERVICE_DROP_OLD, "orders", secret)) {
    }
    _exit(1);
}

START_TEST(a_command_that_is_killed_leaves_a_whole_file_and_no_lock) {
    char secret[SERVICE_SECRET_SIZE], unused[SERVICE_SECRET_SIZE];
    add(SERVICE_ADD, "orders", unused);
    add(SERVICE_ADD, "other", secret);
    for (unsigned round = 0; round < 40; round++) {
        int status;
        pid_t pid = fork();
        if (pid == 0)
            rotate_for_ever();
        usleep(1000 + round * 137);
        kill(pid, SIGKILL);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFSIGNALED(status));
        struct service_credentials *set = load();
        ck_assert(is_good(set, "other", secret));
        ck_assert(service_credentials_count(set) == 2 || service_credentials_count(set) == 3);
        if (service_credentials_count(set) == 3)
            ck_assert_msg(change(SERVICE_DROP_OLD, "orders", unused), "%s", error);
        service_credentials_destroy(set);
    }
}
END_TEST

/* ---- time ---- */

#define ATTEMPTS 50
#define ROUNDS 500
#define SPREAD_MAX 1.15

struct sent {
    const char *name, *secret;
    int64_t least_ns;
};

static void measure(const struct service_credentials *set, struct sent *sent) {
    struct timespec before, after;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
    (void)service_credentials_check(set, text_of(sent->name), text_of(sent->secret));
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
    int64_t took_ns = (after.tv_sec - before.tv_sec) * INT64_C(1000000000) + after.tv_nsec - before.tv_nsec;
    sent->least_ns = took_ns < sent->least_ns ? took_ns : sent->least_ns;
}

/* How many times the least of the quickest goes into the least of the slowest; in turns, so that what slows the machine slows
 * all. */
static double spread_of(const struct service_credentials *set, struct sent *all, size_t count) {
    int64_t least_ns = INT64_MAX, most_ns = 0;
    for (size_t i = 0; i < count; i++)
        all[i].least_ns = INT64_MAX;
    for (int round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < count; i++)
            measure(set, &all[i]);
    for (size_t i = 0; i < count; i++) {
        least_ns = all[i].least_ns < least_ns ? all[i].least_ns : least_ns;
        most_ns = all[i].least_ns > most_ns ? all[i].least_ns : most_ns;
    }
    return (double)most_ns / (double)least_ns;
}

/* With 128 of the longest names, whatever ends early takes a third less time or more, in each attempt. */
START_TEST(a_wrong_secret_takes_as_long_for_an_unknown_name_as_for_a_known_one) {
    static char text[32768];
    int len = 0;
    for (unsigned i = 0; i < SERVICE_SECRETS_MAX; i++)
        len += snprintf(text + len, sizeof text - (size_t)len, "%.61s%03u %s\n", NAME_64, i, hash_of("x"));
    scratch_write_text(&scratch, FILE_NAME, text);
    struct service_credentials *set = load();
    char first[80], last[80];
    snprintf(first, sizeof first, "%.61s000", NAME_64);
    snprintf(last, sizeof last, "%.61s127", NAME_64);
    struct sent all[] = { { first, "y", 0 }, { last, "y", 0 },  { "unknown", "y", 0 },
                          { "", "y", 0 },    { first, "x", 0 }, { last, "x", 0 } };
    double spread = SPREAD_MAX;
    for (int i = 0; i < ATTEMPTS && spread >= SPREAD_MAX; i++)
        spread = spread_of(set, all, ARRAY_LEN(all));
    ck_assert_msg(spread < SPREAD_MAX, "%.2f", spread);
    service_credentials_destroy(set);
}
END_TEST

Suite *service_credentials_suite(void) {
    Suite *suite = suite_create("service_credentials");
    TCase *tcase = tcase_create("service_credentials");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_service_is_known_by_its_name_and_its_secret_together);
    tcase_add_test(tcase, a_name_that_is_too_long_is_no_service);
    tcase_add_test(tcase, without_a_file_there_are_no_services);
    tcase_add_loop_test(tcase, a_file_with_anything_else_is_refused_with_its_line, 0, (int)ARRAY_LEN(bad_files));
    tcase_add_test(tcase, a_file_with_too_many_lines_is_refused);
    tcase_add_loop_test(tcase, a_file_that_others_can_read_or_write_is_refused, 0, 4);
    tcase_add_test(tcase, what_is_no_file_is_refused);
    tcase_add_test(tcase, a_secret_is_rotated_without_a_moment_in_which_none_is_valid);
    tcase_add_test(tcase, the_file_holds_no_secret_and_is_for_its_owner_alone_unless_it_was_not);
    tcase_add_loop_test(tcase, a_name_that_cannot_be_one_is_refused, 0, 6);
    tcase_add_test(tcase, a_file_that_is_full_takes_no_other_service);
    tcase_add_test(tcase, a_symbolic_link_is_not_replaced);
    tcase_add_test(tcase, what_root_changes_belongs_to_the_owner_of_the_directory);
    tcase_add_test(tcase, commands_at_the_same_time_lose_nothing);
    tcase_add_test(tcase, a_command_that_is_killed_leaves_a_whole_file_and_no_lock);
    tcase_add_test(tcase, a_wrong_secret_takes_as_long_for_an_unknown_name_as_for_a_known_one);
    suite_add_tcase(suite, tcase);
    return suite;
}
