/* The verifiers of docs/verify, as they are: each is built by tools/languages.sh and run against tokens of a real service, and
 * against those that nobody must accept. */
#include "support/account.h"
#include "support/forge.h"
#include "support/load.h"
#include "support/service.h"

#include "tests/runner.h"

#include "jwtd/macros.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

Suite *languages_suite(void);

#define OUTPUT_SIZE 65536
#define LINE_SIZE 1024
#define BUILD_SECONDS 600

static const char *const languages[] = { "python", "go", "node", "rust", "java" };

static const char *const algorithms[SIGNER_COUNT] = { "hs256", "es256", "rs256" };

/* ---- a program ---- */

/* False, when the language is not to be had on this machine; the reason is in `output`. */
static bool build_program(const char *language, char path[128], char output[OUTPUT_SIZE]) {
    const char *const words[] = { "tools/languages.sh", language, NULL };
    int code = command_run(words, NULL, output, OUTPUT_SIZE);
    ck_assert_msg(code == 0, "%s", output);
    snprintf(path, 128, "build/languages/%s/verify", language);
    return access(path, X_OK) == 0;
}

/* For the body of a test: `path` of the program of language number _i. */
#define BUILD_OR_SKIP(path)                                                                                                      \
    char path[128];                                                                                                              \
    static char built[OUTPUT_SIZE];                                                                                              \
    if (test_is_sanitized())                                                                                                     \
        SKIP_TEST("the sanitizers check C");                                                                                     \
    if (!build_program(languages[_i], path, built))                                                                              \
    SKIP_TEST(built)

/* Of a service: where its keys are, as options. `keys` and `jwks` are settable to others. */
struct place {
    char keys[160], jwks[160];
};

static struct place place_of(const struct server *server) {
    struct place place;
    snprintf(place.keys, sizeof place.keys, "%s/keys", server->directory);
    snprintf(place.jwks, sizeof place.jwks, "%s/.well-known/jwks.json", server->url);
    return place;
}

#define OPTIONS(place) "--issuer", "jwtd", "--audience", "jwtd", "--keys", (place).keys, "--jwks", (place).jwks

/* A program that runs, and verifies a token a line. */
struct running {
    const char *path;
    pid_t pid;
    FILE *in, *out;
};

static struct running start_program(const char *path, const char *const *words) {
    int in[2], out[2];
    ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
    struct running program = { .path = path, .pid = fork() };
    ck_assert_int_ge(program.pid, 0);
    if (program.pid == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        dup2(out[1], STDERR_FILENO); /* nothing is expected there */
        execv(path, (char *const *)(const void *)words);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    program.in = fdopen(in[1], "w");
    program.out = fdopen(out[0], "r");
    return program;
}

static const char *ask(struct running *program, const char *token, char line[LINE_SIZE]) {
    fprintf(program->in, "%s\n", token);
    ck_assert_int_eq(fflush(program->in), 0);
    ck_assert_msg(fgets(line, LINE_SIZE, program->out) != NULL, "%s has ended", program->path);
    return line;
}

static void assert_accepts(struct running *program, const char *token) {
    char line[LINE_SIZE];
    ask(program, token, line);
    ck_assert_msg(strncmp(line, "accepted ", 9) == 0, "%s: %s", program->path, line);
}

static void assert_refuses(struct running *program, const char *token) {
    char line[LINE_SIZE];
    ask(program, token, line);
    ck_assert_msg(strncmp(line, "refused: ", 9) == 0, "%s: %s", program->path, line);
}

/* Returns the exit code. */
static int end_program(struct running *program) {
    int status;
    fclose(program->in);
    ck_assert_int_eq(fgetc(program->out), EOF);
    fclose(program->out);
    ck_assert_int_eq(waitpid(program->pid, &status, 0), program->pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- a service with a key of each algorithm ---- */

static void run_jwtd(const struct server *server, const char *const *words) {
    char keys[160], refresh_key[160], database[512], output[1024];
    const char *all[16] = { "--set", keys, "--set", refresh_key, "--set", database };
    snprintf(keys, sizeof keys, "token.keys_dir=%s/keys", server->directory);
    snprintf(refresh_key, sizeof refresh_key, "token.refresh_key_file=%s/refresh.key", server->directory);
    snprintf(database, sizeof database, "database.url=%s", getenv("JWTD_TEST_DATABASE"));
    for (size_t i = 0; words[i] != NULL; i++)
        all[6 + i] = words[i];
    ck_assert_msg(program_run(all, NULL, output, sizeof output) == 0, "%s", output);
}

static void make_key(const struct server *server, const char *algorithm) {
    server_make_key_of(server, algorithm);
    service_reload(server);
}

struct world {
    struct server server;
    struct account account;
    char tokens[SIGNER_COUNT][TOKEN_SIZE]; /* of a login while the key of this algorithm signed */
    struct forger forger;
};

static struct world world;

static void login_with_each_algorithm(void) {
    for (size_t i = 0; i < SIGNER_COUNT; i++) {
        if (i != BY_HS256) /* the server has begun with that one */
            make_key(&world.server, algorithms[i]);
        struct tokens tokens = account_login(&world.server, &world.account);
        memcpy(world.tokens[i], tokens.access, sizeof tokens.access);
    }
}

static void start_world(void) {
    static const char *const settings[] = { "log.level=debug", NULL };
    ck_assert_int_ge(sodium_init(), 0);
    world.server = server_start(settings);
    await_ready(&world.server);
    world.account = account_register(&world.server);
    run_jwtd(&world.server, (const char *const[]){ "user", "set-roles", world.account.email, "admin", "editor", NULL });
    login_with_each_algorithm();
    forger_init(&world.forger, place_of(&world.server).keys);
}

static void end_world(void) {
    forger_fini(&world.forger);
    server_finish(&world.server);
}

/* ---- accepted and refused ---- */

#define NO_KEY "unknown key|no matching key"
#define BAD_KID NO_KEY "|kid|Key ID|expected a string"
#define ALGORITHM "alg|not a JWS|unknown variant"

static char long_kid[10 * 1024 + 3], deep_kid[4001];

static void fill_kids(void) {
    memset(long_kid, 'k', sizeof long_kid - 1);
    long_kid[0] = long_kid[sizeof long_kid - 2] = '"';
    memset(deep_kid, '[', 2000);
    memset(deep_kid + 2000, ']', 2000);
}

static const struct {
    const char *what;
    const char *why; /* the text of a refusal contains one of these; NULL: the token is accepted */
    struct forged forged;
    unsigned signers; /* bits; 0: all */
} cases[] = {
    { "as the service writes it", NULL, { 0 }, 0 },
    { "expired a second ago", NULL, { .lives_s = -1 }, 0 },
    { "valid in four seconds", NULL, { .begins_s = 4 }, 0 },
    { "expired beyond the leeway", "expired|\"exp\"", { .lives_s = -7 }, 0 },
    { "not yet valid", "not yet valid|not valid yet|nbf|Immature|before use", { .begins_s = 45 }, 0 },
    { "foreign issuer", "iss", { .issuer = "somebody" }, 0 },
    { "foreign audience", "aud", { .audience = "somebody" }, 0 },
    { "without iss", "iss", { .without = "iss" }, 0 },
    { "without aud", "aud", { .without = "aud" }, 0 },
    { "without exp", "exp", { .without = "exp" }, 0 },
    { "without sub", "sub", { .without = "sub" }, 0 },
    { "without sid", "sid", { .without = "sid" }, 0 },
    { "alg none, no signature", ALGORITHM "|none", { .alg = "none", .signed_with = SIGNED_WITH_NOTHING }, 0 },
    { "no signature", "signature|malformed|segments|format|InvalidToken|algorithm", { .signed_with = SIGNED_WITH_NOTHING }, 0 },
    { "alg in lower case", ALGORITHM "|signature|signing method", { .alg = "hs256" }, 0 },
    { "another length of hash", ALGORITHM "|signing method", { .alg = "HS512" }, 0 },
    { "HS256 with the public key as secret",
      ALGORITHM,
      { .signed_with = SIGNED_WITH_PUBLIC_PEM },
      1 << BY_ES256 | 1 << BY_RS256 },
    { "a strange key, embedded as jwk", "signature", { .signed_with = SIGNED_WITH_STRANGE_KEY }, 1 << BY_ES256 | 1 << BY_RS256 },
    { "a strange key without a kid", BAD_KID "|jwk", { .kid = "", .signed_with = SIGNED_WITH_STRANGE_KEY }, 0 },
    { "crit", "extension|crit", { .header = "\"crit\":[\"x\"],\"x\":1" }, 0 },
    { "crit that names a known member", "extension|crit", { .header = "\"crit\":[\"exp\"],\"exp\":1" }, 0 },
    { "b64", "extension|crit|b64|payload", { .header = "\"crit\":[\"b64\"],\"b64\":false" }, 0 },
    { "unknown kid", NO_KEY, { .kid = "\"20200101T000000Z-0000\"" }, 0 },
    { "no kid", BAD_KID, { .kid = "" }, 0 },
    { "kid null", BAD_KID, { .kid = "null" }, 1 },
    { "an empty kid", BAD_KID, { .kid = "\"\"" }, 1 },
    { "a kid that is a path", BAD_KID, { .kid = "\"../outside\"" }, 1 },
    { "a kid that is an absolute path", BAD_KID, { .kid = "\"/etc/passwd\"" }, 1 },
    { "a kid with NUL", BAD_KID, { .kid = "\"a\\u0000b\"" }, 1 },
    { "a kid with a line feed", BAD_KID, { .kid = "\"a\\nb\"" }, 1 },
    { "a kid that every object has", BAD_KID, { .kid = "\"__proto__\"" }, 1 },
    { "a kid outside of ASCII", BAD_KID, { .kid = "\"\\u00e4\"" }, 1 },
    { "a kid of 10 kB", BAD_KID, { .kid = long_kid }, 1 },
    { "a kid that is a number", BAD_KID, { .kid = "5" }, 1 },
    { "a kid that is an object", BAD_KID, { .kid = "{\"a\":1}" }, 1 },
    { "a kid that is a list", BAD_KID, { .kid = "[\"a\"]" }, 1 },
    { "a kid that nests 2000 times", BAD_KID "|recursion|JSON", { .kid = deep_kid }, 1 },
};

/* What is no token at all, or no longer one. */
static const struct {
    const char *what, *token;
} garbage[] = {
    { "two dots", ".." },        { "not base64", "a.b.c" }, { "one part", "abc" }, { "bytes above ASCII", "\xff\xfe.a.b" },
    { "a list", "W10.W10.W10" },
};

/* A program, and what it has answered wrongly. */
struct round {
    struct running program;
    char wrong[OUTPUT_SIZE];
    size_t wrong_len;
};

static bool contains_one(const char *line, const char *alternatives) {
    char word[64];
    while (*alternatives != '\0') {
        size_t len = strcspn(alternatives, "|");
        snprintf(word, sizeof word, "%.*s", (int)len, alternatives);
        if (strcasestr(line, word) != NULL)
            return true;
        alternatives += len + (alternatives[len] == '|');
    }
    return false;
}

static bool is_as_expected(const char *line, const char *why) {
    if (why == NULL)
        return strncmp(line, "accepted sub=", 13) == 0 && strstr(line, " sid=") != NULL &&
               strstr(line, " roles=admin,editor\n") != NULL;
    return strncmp(line, "refused: ", 9) == 0 && (why[0] == '\0' || contains_one(line + 9, why));
}

static void try_token(struct round *round, const char *algorithm, const char *what, const char *why, const char *token) {
    char line[LINE_SIZE];
    ask(&round->program, token, line);
    if (!is_as_expected(line, why) && round->wrong_len < sizeof round->wrong - LINE_SIZE - 128)
        round->wrong_len += (size_t)snprintf(round->wrong + round->wrong_len, sizeof round->wrong - round->wrong_len,
                                             "\n%s, %s: %s", algorithm, what, line);
}

static void try_cases(struct round *round, enum signer signer) {
    static char token[FORGED_SIZE];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (cases[i].signers != 0 && (cases[i].signers & 1U << signer) == 0)
            continue;
        forge(&world.forger, signer, &cases[i].forged, token);
        try_token(round, algorithms[signer], cases[i].what, cases[i].why, token);
    }
}

/* Another character at this place. */
static void try_tampered(struct round *round, enum signer signer, const char *what, char *at, const char *token) {
    char kept = *at;
    *at = kept == 'A' ? 'B' : 'A';
    try_token(round, algorithms[signer], what, "signature|malformed|JSON|UTF-8|utf-8|payload|claims", token);
    *at = kept;
}

/* Of a real token. */
static void try_real(struct round *round, enum signer signer) {
    char *token = world.tokens[signer], *payload = strchr(token, '.') + 1, *signature = strrchr(token, '.') + 1;
    try_token(round, algorithms[signer], "of a login", NULL, token);
    try_tampered(round, signer, "another payload", payload + 40, token);
    try_tampered(round, signer, "another signature", signature, token);
}

/* This key, under the kid of each other one. */
static void try_exchanged(struct round *round, enum signer signer) {
    static char token[FORGED_SIZE];
    char kid[96];
    for (enum signer other = 0; other < SIGNER_COUNT; other++) {
        if (other == signer)
            continue;
        snprintf(kid, sizeof kid, "\"%s\"", world.forger.kid[other]);
        forge(&world.forger, signer, &(struct forged){ .kid = kid }, token);
        try_token(round, algorithms[signer], "under another key's kid", ALGORITHM, token);
    }
}

static void write_text(const char *directory, const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

/* The service's HS256 key, as a file of this name. */
static void write_shared_key(const char *directory, const char *name) {
    char secret[128];
    sodium_bin2base64(secret, sizeof secret, world.forger.secret, world.forger.secret_len,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    write_text(directory, name, secret);
}

START_TEST(real_tokens_are_accepted_and_wrong_ones_refused_with_the_reason) {
    static struct round round;
    BUILD_OR_SKIP(path);
    struct place place = place_of(&world.server);
    const char *const words[] = { path, OPTIONS(place), NULL };
    write_shared_key(world.server.directory, "outside.hs256"); /* for the kid that is a path */
    round = (struct round){ .program = start_program(path, words) };
    for (enum signer signer = 0; signer < SIGNER_COUNT; signer++) {
        try_real(&round, signer);
        try_exchanged(&round, signer);
        try_cases(&round, signer);
    }
    for (size_t i = 0; i < ARRAY_LEN(garbage); i++)
        try_token(&round, "garbage", garbage[i].what, "", garbage[i].token);
    ck_assert_int_eq(end_program(&round.program), 1);
    ck_assert_msg(round.wrong_len == 0, "%s", round.wrong);
}
END_TEST

START_TEST(the_exit_code_says_whether_all_were_accepted) {
    char output[4096], sub[64];
    BUILD_OR_SKIP(path);
    struct place place = place_of(&world.server), nowhere = { .keys = "/nonexistent", .jwks = "/nonexistent" };
    snprintf(sub, sizeof sub, "accepted sub=%s sid=", world.account.id);
    const char *const good[] = { path, OPTIONS(place), world.tokens[BY_HS256], world.tokens[BY_ES256], NULL };
    ck_assert_int_eq(command_run(good, NULL, output, sizeof output), 0);
    ck_assert_msg(strncmp(output, sub, strlen(sub)) == 0, "%s", output);
    const char *const mixed[] = { path, OPTIONS(place), "x.y.z", world.tokens[BY_RS256], NULL };
    ck_assert_int_eq(command_run(mixed, NULL, output, sizeof output), 1);
    ck_assert_ptr_nonnull(strstr(output, sub));
    const char *const without_keys[] = { path, OPTIONS(nowhere), world.tokens[BY_HS256], NULL };
    ck_assert_int_eq(command_run(without_keys, NULL, output, sizeof output), 2);
}
END_TEST

/* ---- the JWKS ---- */

/* The published keys, and beside them a secret and keys that cannot be read. */
static void write_bad_jwks(const char *path) {
    char secret[128];
    struct reply reply = http_send(&world.server, "GET", "/.well-known/jwks.json", NULL, NULL);
    ck_assert_int_eq(reply.status, 200);
    const char *keys = strchr(reply.body, '[');
    ck_assert_ptr_nonnull(keys);
    sodium_bin2base64(secret, sizeof secret, world.forger.secret, world.forger.secret_len,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    fprintf(file,
            "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"oct\",\"alg\":\"HS256\",\"k\":\"%s\"},"
            "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"no-point\",\"x\":\"AA\",\"y\":\"AA\"},"
            "{\"kty\":\"OKP\",\"crv\":\"Ed448\",\"kid\":\"other\",\"x\":\"AA\"},{\"kty\":\"new\"},%s",
            secret, keys + 1);
    ck_assert_int_eq(fclose(file), 0);
    http_free(&reply);
}

START_TEST(a_jwks_may_hold_what_cannot_be_used_and_never_a_secret) {
    static char token[FORGED_SIZE];
    char jwks[160];
    BUILD_OR_SKIP(path);
    snprintf(jwks, sizeof jwks, "%s/bad-jwks.json", world.server.directory);
    write_bad_jwks(jwks);
    const char *const words[] = { path, "--issuer", "jwtd", "--audience", "jwtd", "--jwks", jwks, NULL };
    struct running program = start_program(path, words);
    assert_accepts(&program, world.tokens[BY_ES256]);
    assert_accepts(&program, world.tokens[BY_RS256]);
    assert_refuses(&program, world.tokens[BY_HS256]);
    forge(&world.forger, BY_HS256, &(struct forged){ .kid = "\"oct\"" }, token);
    assert_refuses(&program, token);
    ck_assert_int_eq(end_program(&program), 1);
}
END_TEST

/* ---- keys that change: all programs beside each other, since most of these tests is waiting ---- */

struct crew {
    size_t count;
    char paths[ARRAY_LEN(languages)][128];
    struct running programs[ARRAY_LEN(languages)];
};

static void start_crew(struct crew *crew, const char *test, struct place place, const char *max_age) {
    static char built[OUTPUT_SIZE];
    crew->count = 0;
    for (size_t i = 0; i < ARRAY_LEN(languages); i++) {
        char *path = crew->paths[crew->count];
        if (!build_program(languages[i], path, built)) {
            test_leaves_out(test, built);
            continue;
        }
        const char *const words[] = { path, OPTIONS(place), "--max-age", max_age, NULL };
        crew->programs[crew->count++] = start_program(path, words);
    }
}

static void all_accept(struct crew *crew, const char *token) {
    for (size_t i = 0; i < crew->count; i++)
        assert_accepts(&crew->programs[i], token);
}

static void all_refuse(struct crew *crew, const char *token) {
    for (size_t i = 0; i < crew->count; i++)
        assert_refuses(&crew->programs[i], token);
}

static void end_crew(struct crew *crew, int exit_code) {
    for (size_t i = 0; i < crew->count; i++)
        ck_assert_int_eq(end_program(&crew->programs[i]), exit_code);
}

/* How often the JWKS was read, by all. */
static int count_readings(void) {
    return server_log_count(&world.server, "\"path\":\"/.well-known/jwks.json\"");
}

/* The log has a request some time after its reply. */
static void await_readings(int expected) {
    for (int i = 0; i < 1000 && count_readings() < expected; i++)
        usleep(5000);
    ck_assert_int_eq(count_readings(), expected);
}

static double seconds_since(const struct timespec *begin) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - begin->tv_sec) + (double)(now.tv_nsec - begin->tv_nsec) / 1e9;
}

#define A_SECOND_US 1000000

START_TEST(a_new_key_is_found_by_its_first_token_with_one_reading) {
    static struct crew crew;
    if (test_is_sanitized())
        SKIP_TEST("the sanitizers check C");
    start_world();
    start_crew(&crew, __func__, place_of(&world.server), "300");
    all_accept(&crew, world.tokens[BY_HS256]);
    all_accept(&crew, world.tokens[BY_ES256]);
    int count = (int)crew.count;
    await_readings(count);
    for (size_t i = 0; i < 2; i++) {
        make_key(&world.server, algorithms[i]);
        struct tokens tokens = account_login(&world.server, &world.account);
        usleep(A_SECOND_US);
        all_accept(&crew, tokens.access);
        all_accept(&crew, world.tokens[i]);
        await_readings((2 + (int)i) * count);
    }
    end_crew(&crew, 0);
    end_world();
}
END_TEST

START_TEST(made_up_key_ids_cause_one_reading_a_second) {
    static struct crew crew;
    static char token[FORGED_SIZE];
    struct timespec begin;
    char kid[32];
    if (test_is_sanitized())
        SKIP_TEST("the sanitizers check C");
    start_world();
    start_crew(&crew, __func__, place_of(&world.server), "300");
    all_accept(&crew, world.tokens[BY_RS256]); /* all have begun */
    int count = (int)crew.count;
    await_readings(count);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    size_t sent = 0;
    for (; seconds_since(&begin) < 2.5; sent++) {
        snprintf(kid, sizeof kid, "\"made-up-%zu\"", sent);
        forge(&world.forger, BY_HS256, &(struct forged){ .kid = kid }, token);
        all_refuse(&crew, token);
    }
    ck_assert_uint_ge(sent, 20);
    ck_assert_int_le(count_readings() - count, count * ((int)seconds_since(&begin) + 1));
    ck_assert_int_ge(count_readings() - count, count * 2);
    end_crew(&crew, 1);
    end_world();
}
END_TEST

START_TEST(keys_that_are_gone_are_forgotten_and_a_service_that_is_away_costs_nothing) {
    static struct crew crew;
    static char token[FORGED_SIZE];
    char key[320];
    if (test_is_sanitized())
        SKIP_TEST("the sanitizers check C");
    start_world();
    start_crew(&crew, __func__, place_of(&world.server), "0.5");
    for (size_t i = 0; i < SIGNER_COUNT; i++)
        all_accept(&crew, world.tokens[i]);
    snprintf(key, sizeof key, "%s/%s.es256", place_of(&world.server).keys, world.forger.kid[BY_ES256]);
    ck_assert_int_eq(unlink(key), 0);
    service_reload(&world.server);
    usleep(A_SECOND_US);
    all_accept(&crew, world.tokens[BY_RS256]);
    all_refuse(&crew, world.tokens[BY_ES256]);
    ck_assert_int_eq(server_stop(&world.server, SIGTERM), 0);
    usleep(A_SECOND_US);
    forge(&world.forger, BY_RS256, &(struct forged){ .kid = "\"made-up\"" }, token);
    all_refuse(&crew, token);
    all_accept(&crew, world.tokens[BY_RS256]);
    all_accept(&crew, world.tokens[BY_HS256]);
    end_crew(&crew, 1);
    forger_fini(&world.forger);
}
END_TEST

/* ---- readings that fail ---- */

/* Beside the service's key what is none: all of it is as good as not there. */
static void write_key_files(const char *directory) {
    char name[256];
    ck_assert_int_eq(mkdir(directory, 0700), 0);
    snprintf(name, sizeof name, "%s.hs256", world.forger.kid[BY_HS256]);
    write_shared_key(directory, name);
    write_text(directory, "no-ascii.hs256", "\xff\xfe");
    write_text(directory, "short.hs256", "AAAA");
    snprintf(name, sizeof name, "%s/away.hs256", directory);
    ck_assert_int_eq(symlink("nowhere", name), 0); /* root can read a file of any mode, but not this */
    snprintf(name, sizeof name, "%s/directory.hs256", directory);
    ck_assert_int_eq(mkdir(name, 0700), 0);
}

static const char *const no_key_sets[] = {
    "", "{}", "[]", "null", "\"keys\"", "{\"keys\":null}", "{\"keys\":{}}", "{\"keys\":\"EC\"}", "{\"keys\":[",
};

/* Of a published one, behind members that are no keys. */
static void write_set_with_strange_members(const char *directory) {
    static char set[OUTPUT_SIZE];
    struct reply reply = http_send(&world.server, "GET", "/.well-known/jwks.json", NULL, NULL);
    ck_assert_int_eq(reply.status, 200);
    snprintf(set, sizeof set,
             "{\"keys\":[1,null,\"EC\",[],{},{\"kty\":[]},{\"kty\":\"EC\",\"crv\":{}},{\"kty\":\"RSA\",\"kid\":[\"a\"],\"n\":1,"
             "\"e\":{}},%s",
             strchr(reply.body, '[') + 1);
    http_free(&reply);
    write_text(directory, "set.json", set);
}

START_TEST(a_set_that_is_none_leaves_the_known_keys_in_force_and_a_key_that_cannot_be_read_the_others) {
    static struct crew crew;
    struct place place;
    if (test_is_sanitized())
        SKIP_TEST("the sanitizers check C");
    start_world();
    snprintf(place.keys, sizeof place.keys, "%s/copied", world.server.directory);
    snprintf(place.jwks, sizeof place.jwks, "%s/set.json", world.server.directory);
    write_key_files(place.keys);
    write_set_with_strange_members(world.server.directory);
    start_crew(&crew, __func__, place, "0.5");
    for (size_t i = 0; i < SIGNER_COUNT; i++)
        all_accept(&crew, world.tokens[i]);
    for (size_t i = 0; i < ARRAY_LEN(no_key_sets); i++) {
        write_text(world.server.directory, "set.json", no_key_sets[i]);
        usleep(A_SECOND_US); /* so that the next token causes a reading */
        all_accept(&crew, world.tokens[BY_ES256]);
        all_accept(&crew, world.tokens[BY_HS256]);
    }
    write_text(world.server.directory, "set.json", "{\"keys\":[]}"); /* but this is one */
    usleep(A_SECOND_US);
    all_refuse(&crew, world.tokens[BY_ES256]);
    all_accept(&crew, world.tokens[BY_HS256]);
    end_crew(&crew, 1);
    end_world();
}
END_TEST

Suite *languages_suite(void) {
    Suite *suite = suite_create("languages");
    TCase *one = tcase_create("one server"), *own = tcase_create("a server each");
    fill_kids();
    tcase_set_timeout(one, BUILD_SECONDS);
    tcase_set_timeout(own, BUILD_SECONDS);
    tcase_add_unchecked_fixture(one, start_world, end_world);
    tcase_add_loop_test(one, real_tokens_are_accepted_and_wrong_ones_refused_with_the_reason, 0, (int)ARRAY_LEN(languages));
    tcase_add_loop_test(one, the_exit_code_says_whether_all_were_accepted, 0, (int)ARRAY_LEN(languages));
    tcase_add_loop_test(one, a_jwks_may_hold_what_cannot_be_used_and_never_a_secret, 0, (int)ARRAY_LEN(languages));
    tcase_add_test(own, a_new_key_is_found_by_its_first_token_with_one_reading);
    tcase_add_test(own, made_up_key_ids_cause_one_reading_a_second);
    tcase_add_test(own, keys_that_are_gone_are_forgotten_and_a_service_that_is_away_costs_nothing);
    tcase_add_test(own, a_set_that_is_none_leaves_the_known_keys_in_force_and_a_key_that_cannot_be_read_the_others);
    suite_add_tcase(suite, one);
    suite_add_tcase(suite, own);
    return suite;
}
