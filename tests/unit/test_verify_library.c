/* The functions of jwtd-verify.h, by tokens of the service's own making. */
#include "key_fixture.h"

#include "jwtd-verify.h"
#include "jwtd/clock.h"
#include "jwtd/macros.h"
#include "tests/runner.h"

#include <errno.h>
#include <openssl/err.h>
#include <pthread.h>
#include <sys/wait.h>

Suite *verify_library_suite(void);

#define THREADS 4

static struct scratch scratch;
static char keys_dir[PATH_MAX], refresh_file[PATH_MAX], error[512];
static struct arena arena;
static struct jwtd_verify_claims claims;

static void set_up(void) {
    scratch = scratch_create();
    arena_init(&arena, 1 << 20);
    snprintf(keys_dir, sizeof keys_dir, "%s", scratch_path(&scratch, "keys"));
    snprintf(refresh_file, sizeof refresh_file, "%s", scratch_path(&scratch, "refresh.key"));
    ck_assert_int_eq(mkdir(keys_dir, 0700), 0);
    scratch_write_text(&scratch, "keys/k1.hs256", FIXTURE_KEY_1);
    scratch_write_text(&scratch, "refresh.key", FIXTURE_KEY_1);
}

static void tear_down(void) {
    arena_fini(&arena);
    scratch_destroy(&scratch);
}

static struct jwtd_verifier *create(struct jwtd_verify_options options) {
    if (options.keys_dir == NULL && options.jwks == NULL)
        options.keys_dir = keys_dir;
    struct jwtd_verifier *verifier = jwtd_verify_create(&options, sizeof options, error, sizeof error);
    ck_assert_msg(verifier != NULL, "%s", error);
    return verifier;
}

/* By the ring as it is on the disk; the active key is the last by name. */
static struct text sign_for(const char *audience, const char *roles, int64_t age_s) {
    const struct token_rules rules = { .issuer = "jwtd", .audience = audience, .access_ttl_s = FIXTURE_TTL };
    const struct uuid user = { .bytes = { 1 } }, session = { .bytes = { 2 } };
    struct keyring *ring = fixture_load(keys_dir, "", refresh_file, error, sizeof error);
    struct text token;
    ck_assert_msg(ring != NULL, "%s", error);
    ck_assert_int_eq(access_token_create(&arena, ring, &rules, &user, &session, text_of(roles), clock_wall_s() - age_s, &token),
                     STATUS_OK);
    keyring_destroy(ring);
    return token;
}

static struct text sign(void) {
    return sign_for("jwtd", "[\"admin\",\"ops\"]", 0);
}

static enum jwtd_verify_result verify(struct jwtd_verifier *verifier, struct text token) {
    return jwtd_verify(verifier, token.bytes, token.len, &claims, sizeof claims);
}

START_TEST(a_valid_token_yields_its_claims) {
    struct jwtd_verifier *verifier = create((struct jwtd_verify_options){ 0 });
    for (int i = 0; i < 2; i++) { /* checked, then remembered */
        ck_assert_int_eq(verify(verifier, sign()), JWTD_VERIFY_VALID);
        ck_assert_str_eq(claims.user_id, "01000000-0000-0000-0000-000000000000");
        ck_assert_str_eq(claims.session_id, "02000000-0000-0000-0000-000000000000");
        ck_assert_str_eq(claims.roles, "admin,ops");
        ck_assert_int_eq(claims.expires_at - claims.issued_at, FIXTURE_TTL);
        ck_assert(jwtd_verify_has_role(&claims, "admin") && jwtd_verify_has_role(&claims, "ops"));
        ck_assert(!jwtd_verify_has_role(&claims, "adm") && !jwtd_verify_has_role(&claims, "admin,ops"));
        ck_assert(!jwtd_verify_has_role(&claims, ""));
    }
    ck_assert_int_eq(jwtd_verify_stale_s(verifier), 0);
    ck_assert(jwtd_verify_wait(verifier, 0));
    jwtd_verify_destroy(verifier);
}
END_TEST

START_TEST(without_roles_there_is_an_empty_string) {
    struct jwtd_verifier *verifier = create((struct jwtd_verify_options){ 0 });
    ck_assert_int_eq(verify(verifier, sign_for("jwtd", "[]", 0)), JWTD_VERIFY_VALID);
    ck_assert_str_eq(claims.roles, "");
    ck_assert(!jwtd_verify_has_role(&claims, "") && !jwtd_verify_has_role(&claims, "admin"));
    jwtd_verify_destroy(verifier);
}
END_TEST

static const struct {
    int32_t leeway_s;
    int64_t age_s;
    enum jwtd_verify_result result;
} ages[] = {
    { 0, FIXTURE_TTL + 3, JWTD_VERIFY_VALID },
    { 0, FIXTURE_TTL + JWTD_VERIFY_LEEWAY_S, JWTD_VERIFY_EXPIRED },
    { JWTD_VERIFY_NO_LEEWAY, FIXTURE_TTL, JWTD_VERIFY_EXPIRED },
    { JWTD_VERIFY_NO_LEEWAY, FIXTURE_TTL - 5, JWTD_VERIFY_VALID },
    { 60, FIXTURE_TTL + 55, JWTD_VERIFY_VALID },
    { 60, FIXTURE_TTL + 60, JWTD_VERIFY_EXPIRED },
    { 0, -10, JWTD_VERIFY_INVALID }, /* of the future */
    { 60, -10, JWTD_VERIFY_VALID },
};

START_TEST(times_are_checked_with_the_leeway_that_was_asked_for) {
    struct jwtd_verifier *verifier = create((struct jwtd_verify_options){ .leeway_s = ages[_i].leeway_s });
    ck_assert_int_eq(verify(verifier, sign_for("jwtd", "[]", ages[_i].age_s)), ages[_i].result);
    jwtd_verify_destroy(verifier);
}
END_TEST

START_TEST(a_token_for_others_is_invalid) {
    struct jwtd_verifier *verifier = create((struct jwtd_verify_options){ .audience = "shop" });
    struct jwtd_verifier *foreign = create((struct jwtd_verify_options){ .issuer = "other" });
    struct jwtd_verifier *strict = create((struct jwtd_verify_options){ .max_life_s = FIXTURE_TTL - 1 });
    ck_assert_int_eq(verify(verifier, sign()), JWTD_VERIFY_INVALID);
    ck_assert_int_eq(verify(verifier, sign_for("shop", "[]", 0)), JWTD_VERIFY_VALID);
    ck_assert_int_eq(verify(foreign, sign()), JWTD_VERIFY_INVALID);
    ck_assert_int_eq(verify(strict, sign()), JWTD_VERIFY_INVALID);
    jwtd_verify_destroy(verifier);
    jwtd_verify_destroy(foreign);
    jwtd_verify_destroy(strict);
}
END_TEST

START_TEST(a_changed_token_is_invalid_and_leaves_no_claims) {
    struct jwtd_verifier *verifier = create((struct jwtd_verify_options){ 0 });
    struct text token = sign();
    for (size_t i = 0; i < token.len; i += 7) {
        char *changed = arena_copy(&arena, token.bytes, token.len);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        memset(&claims, 0xff, sizeof claims);
        enum jwtd_verify_result result = verify(verifier, (struct text){ changed, token.len });
        ck_assert(result == JWTD_VERIFY_INVALID || result == JWTD_VERIFY_UNKNOWN_KEY);
        ck_assert(sodium_is_zero((const uint8_t *)&claims, sizeof claims));
    }
    jwtd_verify_destroy(verifier);
}
END_TEST

START_TEST(any_bytes_are_a_token_that_is_invalid) {
    struct jwtd_verifier *verifier = create((struct jwtd_verify_options){ 0 });
    static char large[100000];
    memset(large, 'a', sizeof large);
    ck_assert_int_eq(jwtd_verify(verifier, NULL, 0, NULL, 0), JWTD_VERIFY_INVALID);
    ck_assert_int_eq(jwtd_verify(verifier, large, sizeof large, NULL, 0), JWTD_VERIFY_INVALID);
    ck_assert_int_eq(jwtd_verify(verifier, "a.b.c", 5, NULL, 0), JWTD_VERIFY_INVALID);
    ck_assert_int_eq(jwtd_verify(verifier, "..", 2, NULL, 0), JWTD_VERIFY_INVALID);
    ck_assert_int_eq(jwtd_verify(verifier, "\0\0.\0.\0", 6, NULL, 0), JWTD_VERIFY_INVALID);
    jwtd_verify_destroy(verifier);
}
END_TEST

/* A program that was compiled with an earlier header, whose structures were smaller. */
START_TEST(smaller_structures_of_an_earlier_header_are_enough) {
    struct jwtd_verify_options options = { .keys_dir = keys_dir, .issuer = "not read" };
    struct jwtd_verifier *verifier =
        jwtd_verify_create(&options, offsetof(struct jwtd_verify_options, issuer), error, sizeof error);
    struct text token = sign();
    ck_assert_msg(verifier != NULL, "%s", error);
    memset(&claims, 0xff, sizeof claims);
    ck_assert_int_eq(jwtd_verify(verifier, token.bytes, token.len, &claims, sizeof claims.user_id), JWTD_VERIFY_VALID);
    ck_assert_str_eq(claims.user_id, "01000000-0000-0000-0000-000000000000");
    ck_assert_int_eq((unsigned char)claims.session_id[0], 0xff);
    jwtd_verify_destroy(verifier);
}
END_TEST

START_TEST(an_option_of_a_later_header_is_refused_only_if_it_is_used) {
    struct {
        struct jwtd_verify_options known;
        const char *later;
    } options = { .known = { .keys_dir = keys_dir } };
    struct jwtd_verifier *verifier = jwtd_verify_create(&options.known, sizeof options, error, sizeof error);
    ck_assert_msg(verifier != NULL, "%s", error);
    jwtd_verify_destroy(verifier);
    options.later = "x";
    ck_assert_ptr_null(jwtd_verify_create(&options.known, sizeof options, error, sizeof error));
    ck_assert_str_ne(error, "");
}
END_TEST

static const struct {
    struct jwtd_verify_options options;
    const char *error;
} bad_options[] = {
    { { .issuer = "x" }, "no keys_dir" },
    { { .keys_dir = "/nonexistent" }, "/nonexistent: No such file" },
    { { .jwks = "x", .jwks_len = 1 }, "no JWK Set" },
    { { .jwks = "{\"keys\":[]}", .jwks_len = 11, .leeway_s = -2 }, "leeway_s" },
    { { .jwks = "{\"keys\":[]}", .jwks_len = 11, .leeway_s = 301 }, "leeway_s" },
    { { .jwks = "{\"keys\":[]}", .jwks_len = 11, .max_stale_s = 1 }, "max_stale_s" },
    { { .jwks = "{\"keys\":[]}", .jwks_len = 11, .max_life_s = -1 }, "max_life_s" },
    { { .jwks = "{\"keys\":[]}", .jwks_len = 11 }, "no key" },
    { { .service_url = "http://127.0.0.1:1" }, "service_name" },
    { { .service_url = "http://auth.example", .service_name = "a", .service_secret = "b" }, "service_url" },
    { { .service_url = "http://127.0.0.1", .service_name = "a", .service_secret = "b", .leeway_s = 31 }, "leeway_s" },
    { { .service_url = "ftp://127.0.0.1", .service_name = "a", .service_secret = "b" }, "service_url" },
    { { .service_url = "127.0.0.1:8080", .service_name = "a", .service_secret = "b" }, "service_url" },
    { { .service_url = "http://u:p@127.0.0.1", .service_name = "a", .service_secret = "b" }, "service_url" },
    { { .service_url = "http://127.0.0.1/?a=b", .service_name = "a", .service_secret = "b" }, "service_url" },
    { { .service_url = "file:///etc/passwd", .service_name = "a", .service_secret = "b" }, "service_url" },
};

START_TEST(options_that_cannot_work_are_refused_by_name) {
    ck_assert_ptr_null(jwtd_verify_create(&bad_options[_i].options, sizeof bad_options[_i].options, error, sizeof error));
    ck_assert_msg(strstr(error, bad_options[_i].error) != NULL, "\"%s\" does not say \"%s\"", error, bad_options[_i].error);
    ck_assert_ptr_null(jwtd_verify_create(&bad_options[_i].options, sizeof bad_options[_i].options, NULL, 0));
}
END_TEST

START_TEST(a_thread_that_cannot_be_started_is_named) {
    const struct jwtd_verify_options options = { .service_url = "http://127.0.0.1:1",
                                                 .service_name = "a",
                                                 .service_secret = "b" };
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    ck_assert_int_eq(pthread_attr_setstacksize(&attributes, (size_t)1 << 50), 0); /* more than there is address space */
    ck_assert_int_eq(pthread_setattr_default_np(&attributes), 0);
    ck_assert_ptr_null(jwtd_verify_create(&options, sizeof options, error, sizeof error));
    ck_assert_str_eq(error, "the thread that follows the feed cannot be started: Resource temporarily unavailable");
}
END_TEST

START_TEST(a_key_that_others_can_read_is_refused) {
    scratch_write(&scratch, "keys/k2.hs256", FIXTURE_KEY_2, strlen(FIXTURE_KEY_2), 0604);
    struct jwtd_verify_options options = { .keys_dir = keys_dir };
    ck_assert_ptr_null(jwtd_verify_create(&options, sizeof options, error, sizeof error));
    ck_assert_msg(strstr(error, "k2.hs256") != NULL && strstr(error, "0604") != NULL, "%s", error);
}
END_TEST

#define SERVICE_USER 4001
#define OTHER_USER 4002
#define SIBLING_USER 4003
#define SHARED_GROUP 4004

/* Whether a process of another user, with the group, gets a verifier of the directory. */
static bool is_created_by_a_member_of_the_group(void) {
    int status;
    pid_t child = fork();
    if (child == 0) {
        const struct jwtd_verify_options options = { .keys_dir = keys_dir };
        bool is_changed = setgid(SHARED_GROUP) == 0 && setuid(SIBLING_USER) == 0;
        _exit(is_changed && jwtd_verify_create(&options, sizeof options, error, sizeof error) != NULL ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return status == 0;
}

static void give(const char *name, uid_t user, mode_t mode) {
    ck_assert_int_eq(chown(scratch_path(&scratch, name), user, SHARED_GROUP), 0);
    ck_assert_int_eq(chmod(scratch_path(&scratch, name), mode), 0);
}

START_TEST(the_directory_of_another_user_is_read_as_a_member_of_its_group) {
    if (geteuid() != 0)
        SKIP_TEST("only root gives files to other users");
    ck_assert_int_eq(chmod(scratch.path, 0711), 0);
    give("keys/k1.hs256", SERVICE_USER, 0640);
    give("keys", SERVICE_USER, 0750);
    ck_assert(is_created_by_a_member_of_the_group());
    give("keys/k1.hs256", OTHER_USER, 0640); /* who could change the key without the owner of the directory */
    ck_assert(!is_created_by_a_member_of_the_group());
    give("keys/k1.hs256", SERVICE_USER, 0644);
    ck_assert(!is_created_by_a_member_of_the_group());
    give("keys/k1.hs256", 0, 0640);
    give("keys", SERVICE_USER, 0757);
    ck_assert(!is_created_by_a_member_of_the_group());
    give("keys", SERVICE_USER, 0755);
    ck_assert(is_created_by_a_member_of_the_group());
}
END_TEST

START_TEST(tokens_of_every_algorithm_are_checked_with_public_keys_alone) {
    static const char *const files[] = { "keys/p1.es256", "keys/p2.rs256" };
    char public_dir[PATH_MAX];
    snprintf(public_dir, sizeof public_dir, "%s", scratch_path(&scratch, "public"));
    ck_assert_int_eq(mkdir(public_dir, 0755), 0);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        EVP_PKEY *pair = i == 0 ? ec_key("P-256") : rsa_key(2048, 65537);
        char name[64];
        write_key(&scratch, files[i], pair, PEM_PKCS8);
        snprintf(name, sizeof name, "public/%s", files[i] + strlen("keys/"));
        write_key(&scratch, name, pair, PEM_PUBLIC);
        EVP_PKEY_free(pair);
        struct text token = sign();
        struct jwtd_verifier *verifier = create((struct jwtd_verify_options){ .keys_dir = public_dir });
        ck_assert_int_eq(verify(verifier, token), JWTD_VERIFY_VALID);
        ck_assert_str_eq(claims.roles, "admin,ops");
        jwtd_verify_destroy(verifier);
    }
}
END_TEST

START_TEST(a_jwks_is_another_source_of_keys_and_does_not_replace_those_of_the_directory) {
    static const char jwks[] = "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"k1\",\"k\":\"" FIXTURE_KEY_2 "\"},"
                               "{\"kty\":\"oct\",\"kid\":\"k2\",\"k\":\"" FIXTURE_KEY_2 "\"}]}";
    struct jwtd_verify_options options = { .keys_dir = keys_dir, .jwks = jwks, .jwks_len = sizeof jwks - 1 };
    struct jwtd_verifier *verifier = create(options);
    ck_assert_int_eq(verify(verifier, sign()), JWTD_VERIFY_VALID);
    scratch_write_text(&scratch, "keys/k2.hs256", FIXTURE_KEY_2);
    struct text token = sign();
    remove(scratch_path(&scratch, "keys/k2.hs256"));
    ck_assert_int_eq(verify(verifier, token), JWTD_VERIFY_VALID);
    jwtd_verify_destroy(verifier);
}
END_TEST

START_TEST(an_unknown_key_is_looked_for_in_the_directory_though_others_are_made_up) {
    struct jwtd_verifier *verifier = create((struct jwtd_verify_options){ 0 });
    scratch_write_text(&scratch, "keys/k3.hs256", FIXTURE_KEY_2);
    struct text made_up = sign();
    remove(scratch_path(&scratch, "keys/k3.hs256"));
    usleep(1000000);
    ck_assert_int_eq(verify(verifier, made_up), JWTD_VERIFY_UNKNOWN_KEY); /* uses up the reading of this second */
    scratch_write_text(&scratch, "keys/k2.hs256", FIXTURE_KEY_2);
    struct text token = sign();
    int64_t begin = clock_monotonic_us();
    while (verify(verifier, token) == JWTD_VERIFY_UNKNOWN_KEY) {
        ck_assert_int_lt(clock_monotonic_us() - begin, CLOCK_US_PER_S / 2);
        usleep(1000);
    }
    ck_assert_int_eq(verify(verifier, token), JWTD_VERIFY_VALID);
    jwtd_verify_destroy(verifier);
}
END_TEST

/* keys.conf with k1 in this state since so many seconds. */
static void write_states(const char *state, int64_t age_s) {
    char text[128], since[32];
    time_t since_s = time(NULL) - age_s;
    struct tm utc;
    strftime(since, sizeof since, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&since_s, &utc));
    snprintf(text, sizeof text, "k1 %s %s\nk2 active %s\n", state, since, since);
    scratch_write_text(&scratch, "keys/keys.conf", text);
}

START_TEST(a_key_that_retired_longer_ago_than_its_tokens_live_is_refused_though_its_file_is_there) {
    const int64_t keep_s = FIXTURE_TTL + JWTD_VERIFY_LEEWAY_S + KEY_LATE_S;
    struct text token = sign();
    scratch_write_text(&scratch, "keys/k2.hs256", FIXTURE_KEY_2);
    struct jwtd_verifier *verifier = create((struct jwtd_verify_options){ .max_life_s = FIXTURE_TTL });
    write_states("retiring", keep_s + 1);
    ck_assert(jwtd_verify_read_keys(verifier));
    ck_assert_int_eq(verify(verifier, token), JWTD_VERIFY_UNKNOWN_KEY);
    write_states("retiring", keep_s - 1);
    ck_assert(jwtd_verify_read_keys(verifier));
    ck_assert_int_eq(verify(verifier, token), JWTD_VERIFY_VALID);
    usleep(1000000);
    ck_assert_int_eq(verify(verifier, token), JWTD_VERIFY_VALID); /* the directory is read every minute */
    usleep(1000000);
    ck_assert(jwtd_verify_read_keys(verifier)); /* and nothing in it has changed */
    ck_assert_int_eq(verify(verifier, token), JWTD_VERIFY_UNKNOWN_KEY);
    jwtd_verify_destroy(verifier);
}
END_TEST

START_TEST(two_files_of_one_key_are_refused) {
    struct jwtd_verify_options options = { .keys_dir = keys_dir };
    EVP_PKEY *pair = ec_key("P-256");
    write_key(&scratch, "keys/k1.es256", pair, PEM_PKCS8);
    EVP_PKEY_free(pair);
    ck_assert_ptr_null(jwtd_verify_create(&options, sizeof options, error, sizeof error));
    ck_assert_msg(strstr(error, "there is another key file with this name in front of its suffix") != NULL, "%s", error);
}
END_TEST

/* An application that is about to call SSL_get_error. */
START_TEST(the_errors_of_the_caller_stay) {
    EVP_PKEY *pair = ec_key("P-256");
    write_key(&scratch, "keys/p1.es256", pair, PEM_PKCS8);
    EVP_PKEY_free(pair);
    struct text token = sign();
    struct jwtd_verifier *verifier = create((struct jwtd_verify_options){ 0 });
    for (size_t cut = 0; cut < 5; cut += 4) { /* a good token, and one whose signature is wrong */
        char *changed = arena_copy(&arena, token.bytes, token.len);
        memset(changed + token.len - cut, 'A', cut);
        ERR_clear_error();
        ERR_raise(ERR_LIB_USER, 7);
        ERR_raise(ERR_LIB_USER, ERR_R_MALLOC_FAILURE); /* which is none of this call */
        errno = EAGAIN;
        ck_assert_int_eq(verify(verifier, (struct text){ changed, token.len }),
                         cut == 0 ? JWTD_VERIFY_VALID : JWTD_VERIFY_INVALID);
        ck_assert_int_eq(errno, EAGAIN);
        ck_assert_int_eq(ERR_GET_REASON(ERR_get_error()), 7);
        ck_assert_int_eq(ERR_GET_REASON(ERR_get_error()), ERR_R_MALLOC_FAILURE);
        ck_assert_uint_eq(ERR_get_error(), 0);
    }
    ck_assert(jwtd_verify_read_keys(verifier));
    jwtd_verify_destroy(verifier);
}
END_TEST

START_TEST(keys_are_read_again_on_demand_and_a_key_that_is_gone_verifies_no_more) {
    struct jwtd_verifier *verifier = create((struct jwtd_verify_options){ 0 });
    struct text token = sign();
    ck_assert_int_eq(verify(verifier, token), JWTD_VERIFY_VALID);
    scratch_write_text(&scratch, "keys/k2.hs256", FIXTURE_KEY_2);
    remove(scratch_path(&scratch, "keys/k1.hs256"));
    ck_assert(jwtd_verify_read_keys(verifier));
    ck_assert_int_eq(verify(verifier, token), JWTD_VERIFY_UNKNOWN_KEY);
    ck_assert_int_eq(verify(verifier, sign()), JWTD_VERIFY_VALID);
    jwtd_verify_destroy(verifier);
}
END_TEST

START_TEST(a_key_that_is_revoked_in_keys_conf_is_refused_whatever_source_has_it) {
    static const char jwks[] = "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"k1\",\"k\":\"" FIXTURE_KEY_1 "\"}]}";
    struct text token = sign();
    struct jwtd_verify_options options = { .keys_dir = keys_dir, .jwks = jwks, .jwks_len = sizeof jwks - 1 };
    struct jwtd_verifier *verifier = create(options);
    ck_assert_int_eq(verify(verifier, token), JWTD_VERIFY_VALID);
    scratch_write_text(&scratch, "keys/keys.conf", "k1 active 2026-11-21T21:35:00Z\n");
    ck_assert(jwtd_verify_read_keys(verifier));
    ck_assert_int_eq(verify(verifier, token), JWTD_VERIFY_VALID);
    scratch_write_text(&scratch, "keys/keys.conf", "k1 revoked 2026-11-21T21:35:00Z\n");
    ck_assert(jwtd_verify_read_keys(verifier));
    ck_assert_int_eq(verify(verifier, token), JWTD_VERIFY_REVOKED);
    scratch_write_text(&scratch, "keys/keys.conf", "k1 nonsense\n");
    ck_assert(!jwtd_verify_read_keys(verifier));
    ck_assert_int_eq(verify(verifier, token), JWTD_VERIFY_REVOKED);
    remove(scratch_path(&scratch, "keys/keys.conf"));
    ck_assert(jwtd_verify_read_keys(verifier));
    ck_assert_int_eq(verify(verifier, token), JWTD_VERIFY_REVOKED); /* for good, as in the service */
    jwtd_verify_destroy(verifier);
}
END_TEST

START_TEST(a_key_that_has_a_file_is_not_called_unknown_while_the_directory_cannot_be_read) {
    struct jwtd_verifier *verifier = create((struct jwtd_verify_options){ 0 });
    scratch_write_text(&scratch, "keys/k3.hs256", FIXTURE_KEY_2);
    struct text token = sign();
    scratch_write_text(&scratch, "keys/k2.hs256", "too short");
    ck_assert(!jwtd_verify_read_keys(verifier));
    ck_assert_int_eq(verify(verifier, token), JWTD_VERIFY_STALE);
    usleep(200000);
    ck_assert_int_eq(verify(verifier, token), JWTD_VERIFY_STALE); /* nor when it has just been tried */
    remove(scratch_path(&scratch, "keys/k3.hs256"));
    ck_assert_int_eq(verify(verifier, token), JWTD_VERIFY_UNKNOWN_KEY);
    jwtd_verify_destroy(verifier);
}
END_TEST

static void count_report(void *context, const char *text) {
    int *count = context;
    ++*count;
    ck_assert_str_ne(text, "");
}

START_TEST(a_directory_that_cannot_be_read_leaves_the_keys_and_is_reported_once) {
    int reports = 0;
    char last[256];
    struct jwtd_verifier *verifier = create((struct jwtd_verify_options){ .report = count_report, .report_context = &reports });
    scratch_write_text(&scratch, "keys/k2.hs256", "too short");
    for (int i = 0; i < 3; i++)
        ck_assert(!jwtd_verify_read_keys(verifier));
    jwtd_verify_last_error(verifier, last, sizeof last);
    ck_assert_msg(strstr(last, "k2.hs256") != NULL, "%s", last);
    ck_assert_int_eq(reports, 1);
    remove(scratch_path(&scratch, "keys/k2.hs256"));
    ck_assert_int_eq(verify(verifier, sign()), JWTD_VERIFY_VALID);
    ck_assert(jwtd_verify_read_keys(verifier));
    jwtd_verify_last_error(verifier, last, sizeof last);
    ck_assert_str_eq(last, "");
    ck_assert_int_eq(reports, 2);
    jwtd_verify_destroy(verifier);
}
END_TEST

/* Nothing listens there: the verifier is made at once, and does not accept what it cannot know. */
START_TEST(a_token_is_stale_until_the_feed_was_followed_once) {
    struct jwtd_verify_options options = { .service_url = "http://127.0.0.1:1/", .service_name = "shop", .service_secret = "x" };
    struct jwtd_verifier *verifier = create(options);
    char last[256];
    ck_assert_int_eq(verify(verifier, sign()), JWTD_VERIFY_STALE);
    ck_assert(jwtd_verify_stale_s(verifier) == INT64_MAX);
    ck_assert(!jwtd_verify_wait(verifier, 200));
    jwtd_verify_last_error(verifier, last, sizeof last);
    ck_assert_msg(strncmp(last, "feed: ", 6) == 0 && strstr(last, "127.0.0.1") != NULL, "%s", last);
    int64_t begin = clock_monotonic_us();
    jwtd_verify_destroy(verifier);
    ck_assert_int_lt(clock_monotonic_us() - begin, CLOCK_US_PER_S / 2);
}
END_TEST

/* With the feed and without it: a lock may have been copied while another thread had it. */
static const struct jwtd_verify_options forked[] = {
    { .issuer = "jwtd" },
    { .service_url = "http://127.0.0.1:1", .service_name = "shop", .service_secret = "x" },
};

static int use_in_child(struct jwtd_verifier *verifier, struct text token) {
    char last[256];
    if (verify(verifier, token) != JWTD_VERIFY_STALE)
        return 1;
    if (jwtd_verify_stale_s(verifier) != INT64_MAX)
        return 2;
    if (jwtd_verify_wait(verifier, 0) || jwtd_verify_read_keys(verifier))
        return 3;
    jwtd_verify_last_error(verifier, last, sizeof last);
    jwtd_verify_last_error(verifier, NULL, 0);
    if (strcmp(last, "the verifier was made before this process was forked") != 0)
        return 4;
    jwtd_verify_destroy(verifier);
    return 0;
}

START_TEST(in_the_child_of_a_fork_every_token_is_stale_and_no_call_waits) {
    struct jwtd_verifier *verifier = create(forked[_i]);
    struct text token = sign();
    int status;
    (void)verify(verifier, token);
    pid_t child = fork();
    if (child == 0)
        _exit(use_in_child(verifier, token));
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    jwtd_verify_destroy(verifier);
}
END_TEST

START_TEST(results_have_names_and_statuses) {
    static const struct {
        enum jwtd_verify_result result;
        const char *name;
        unsigned status;
    } expected[] = { { JWTD_VERIFY_VALID, "valid", 200 },
                     { JWTD_VERIFY_INVALID, "invalid", 401 },
                     { JWTD_VERIFY_EXPIRED, "expired", 401 },
                     { JWTD_VERIFY_REVOKED, "revoked", 401 },
                     { JWTD_VERIFY_UNKNOWN_KEY, "unknown_key", 401 },
                     { JWTD_VERIFY_STALE, "stale", 503 },
                     { JWTD_VERIFY_OUT_OF_MEMORY, "out_of_memory", 503 },
                     { (enum jwtd_verify_result)99, "unknown", 503 } };
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        ck_assert_str_eq(jwtd_verify_result_name(expected[i].result), expected[i].name);
        ck_assert_uint_eq(jwtd_verify_http_status(expected[i].result), expected[i].status);
    }
}
END_TEST

struct job {
    struct jwtd_verifier *verifier;
    struct text token;
    unsigned failures;
};

static void *verify_many(void *context) {
    struct job *job = context;
    struct jwtd_verify_claims own;
    for (int i = 0; i < 2000; i++)
        job->failures += jwtd_verify(job->verifier, job->token.bytes, job->token.len, &own, sizeof own) != JWTD_VERIFY_VALID;
    return NULL;
}

START_TEST(many_threads_verify_while_keys_are_read_again) {
    struct job jobs[THREADS];
    pthread_t threads[THREADS];
    struct jwtd_verifier *verifier = create((struct jwtd_verify_options){ 0 });
    struct text token = sign();
    for (size_t i = 0; i < THREADS; i++) {
        jobs[i] = (struct job){ verifier, token, 0 };
        ck_assert_int_eq(pthread_create(&threads[i], NULL, verify_many, &jobs[i]), 0);
    }
    for (int i = 0; i < 20; i++) {
        scratch_write_text(&scratch, "keys/k0.hs256", i % 2 == 0 ? FIXTURE_KEY_1 : FIXTURE_KEY_2);
        ck_assert(jwtd_verify_read_keys(verifier));
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_uint_eq(jobs[i].failures, 0);
    }
    jwtd_verify_destroy(verifier);
}
END_TEST

static void add_tests(TCase *tests) {
    tcase_add_test(tests, a_valid_token_yields_its_claims);
    tcase_add_test(tests, without_roles_there_is_an_empty_string);
    tcase_add_loop_test(tests, times_are_checked_with_the_leeway_that_was_asked_for, 0, (int)ARRAY_LEN(ages));
    tcase_add_test(tests, a_token_for_others_is_invalid);
    tcase_add_test(tests, a_changed_token_is_invalid_and_leaves_no_claims);
    tcase_add_test(tests, any_bytes_are_a_token_that_is_invalid);
    tcase_add_test(tests, smaller_structures_of_an_earlier_header_are_enough);
    tcase_add_test(tests, an_option_of_a_later_header_is_refused_only_if_it_is_used);
    tcase_add_loop_test(tests, options_that_cannot_work_are_refused_by_name, 0, (int)ARRAY_LEN(bad_options));
    tcase_add_test(tests, a_thread_that_cannot_be_started_is_named);
    tcase_add_test(tests, a_key_that_others_can_read_is_refused);
    tcase_add_test(tests, the_directory_of_another_user_is_read_as_a_member_of_its_group);
    tcase_add_test(tests, tokens_of_every_algorithm_are_checked_with_public_keys_alone);
    tcase_add_test(tests, a_jwks_is_another_source_of_keys_and_does_not_replace_those_of_the_directory);
    tcase_add_test(tests, an_unknown_key_is_looked_for_in_the_directory_though_others_are_made_up);
    tcase_add_test(tests, a_key_that_retired_longer_ago_than_its_tokens_live_is_refused_though_its_file_is_there);
    tcase_add_test(tests, two_files_of_one_key_are_refused);
    tcase_add_test(tests, the_errors_of_the_caller_stay);
    tcase_add_test(tests, a_key_that_has_a_file_is_not_called_unknown_while_the_directory_cannot_be_read);
    tcase_add_test(tests, keys_are_read_again_on_demand_and_a_key_that_is_gone_verifies_no_more);
    tcase_add_test(tests, a_key_that_is_revoked_in_keys_conf_is_refused_whatever_source_has_it);
    tcase_add_test(tests, a_directory_that_cannot_be_read_leaves_the_keys_and_is_reported_once);
    tcase_add_test(tests, a_token_is_stale_until_the_feed_was_followed_once);
    tcase_add_loop_test(tests, in_the_child_of_a_fork_every_token_is_stale_and_no_call_waits, 0, (int)ARRAY_LEN(forked));
    tcase_add_test(tests, results_have_names_and_statuses);
    tcase_add_test(tests, many_threads_verify_while_keys_are_read_again);
}

Suite *verify_library_suite(void) {
    Suite *suite = suite_create("verify_library");
    TCase *tests = tcase_create("verify_library");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 20);
    add_tests(tests);
    suite_add_tcase(suite, tests);
    return suite;
}
