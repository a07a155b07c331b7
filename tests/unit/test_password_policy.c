#include "../../src/password/common_passwords.h"
#include "jwtd/hasher.h"
#include "jwtd/macros.h"
#include "jwtd/password_policy.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

Suite *password_policy_suite(void);

static const char *const verdict_names[PASSWORD_VERDICT_COUNT] = {
    "accepted", "too_short", "too_long", "too_common", "contains_email", "contains_service", "out_of_memory",
};

static enum password_verdict judge(const char *service, struct text password, const char *email) {
    struct password_policy policy = { .min_length = 8, .service_name = text_of(service) };
    struct arena arena;

    arena_init(&arena, 64 * 1024);
    enum password_verdict verdict = password_check_policy(&policy, &arena, password, text_of(email));
    arena_fini(&arena);
    return verdict;
}

static const struct {
    const char *password, *email, *service;
    const char *expected;
} cases[] = {
    /* length, in code points */
    { "", "", "jwtd", "too_short" },
    { "vq8-k2x", "", "jwtd", "too_short" },
    { "vq8-k2xz", "", "jwtd", "accepted" },
    { "äöüßéèê", "", "jwtd", "too_short" }, /* 7 code points of 14 bytes */
    { "äöüßéèêç", "", "jwtd", "accepted" },
    { "🐎🔋📎🎩🐫🔔📐", "", "jwtd", "too_short" },
    { "🐎🔋📎🎩🐫🔔📐🎲", "", "jwtd", "accepted" },
    /* no composition rules */
    { "correct horse battery staple", "", "jwtd", "accepted" },
    { "quiet rivers carry old letters", "ada@example.com", "jwtd", "accepted" },
    { "  vq  k2  ", "", "jwtd", "accepted" },
    { "7391846205", "", "jwtd", "accepted" },
    /* common, whatever the case */
    { "password", "", "jwtd", "too_common" },
    { "PassWord", "", "jwtd", "too_common" },
    { "12345678", "", "jwtd", "too_common" },
    { "123456789", "", "jwtd", "too_common" },
    { "iloveyou", "", "jwtd", "too_common" },
    { "TRUSTNO1", "", "jwtd", "too_common" },
    { "qwertyuiop", "", "jwtd", "too_common" },
    { "ｐａｓｓｗｏｒｄ", "", "jwtd", "accepted" }, /* form C keeps full-width letters: another word */
    /* a common word inside is no harm */
    { "my password is long enough", "", "jwtd", "accepted" },
    { "passwordpasswordpasswordx", "", "jwtd", "accepted" },
    { "password\n12345678", "", "jwtd", "accepted" }, /* two neighbours of the list are not one entry */
    /* the e-mail's local part */
    { "ada.lovelace-1815", "ada.lovelace@example.com", "jwtd", "contains_email" },
    { "xxADA.LOVELACExx", "Ada.Lovelace@example.com", "jwtd", "contains_email" },
    { "GRÜNEWALD-haus", "grünewald@example.com", "jwtd", "contains_email" },
    { "example.com rules", "ada.lovelace@example.com", "jwtd", "accepted" }, /* the domain is no secret of theirs */
    { "my ada of long ago", "ada@example.com", "jwtd", "accepted" },         /* 3 code points */
    { "my adal of long ago", "adal@example.com", "jwtd", "contains_email" },
    { "a-long-secret-ada.lovel", "ada.lovelace@example.com", "jwtd", "accepted" },
    { "quiet rivers", "", "jwtd", "accepted" },
    { "quiet rivers", "@example.com", "jwtd", "accepted" },
    /* the service's name */
    { "jwtd-forever-and-ever", "", "auth.example.com", "contains_service" },
    { "my Auth.Example.com login", "", "auth.example.com", "contains_service" },
    { "only the idp knows it", "", "idp", "accepted" }, /* 3 code points */
    { "only the issuer knows it", "", "issuer", "contains_service" },
    { "quiet rivers", "", "", "accepted" },
};

START_TEST(a_password_is_rejected_for_its_first_fault) {
    enum password_verdict verdict = judge(cases[_i].service, text_of(cases[_i].password), cases[_i].email);

    ck_assert_str_eq(verdict_names[verdict], cases[_i].expected);
}
END_TEST

/* What is guessed first although it is on no list: runs, rows of a keyboard, repetitions. */
static const char *const patterns[] = {
    /* one run */
    "123456789012345",
    "98765432109876",
    "0123456789",
    "abcdefghijkl",
    "ABCDEFGHIJKL",
    "aBcDeFgHiJkL",
    "zyxwvutsrqpo",
    "abcdefghijklmnopqrstuvwxyzabcdef",
    "абвгдежзик",
    "αβγδεζηθικ",
    /* rows and columns of keyboards */
    "qwertyuiop[]",
    "poiuytrewq",
    "asdfghjkl;'",
    "azertyuiop",
    "qsdfghjklm",
    "QWERTZUIOPÜ",
    "mnbvcxz,lkjhgfdsa",
    "1qaz2wsx3edc4rfv5tgb",
    "1q2w3e4r5t6y7u",
    "qazwsxedcrfv",
    "!@#$%^&*()",
    "йцукенгшщзхъ",
    "ФЫВАПРОЛДЖЭ",
    /* a few of them */
    "qwertyuiop12",
    "Abc12345!",
    "asdf1234",
    "1234qwerasdf",
    "aaaa1111",
    "111222333444",
    "abcdefgh1",
    "qwerty12345678",
    "abc123456xyz",
    /* the same again and again */
    "aaaaaaaaaaaa",
    "AaAaAaAaAaAa",
    "            ",
    "qwertyqwerty",
    "abcabcabcabc",
    "abcabcabcabca",
    "passwordPASSWORD",
    "passwordpasswordpassword",
    "trustno1trustno1",
    "vq8-vq8-vq8-",
    "ha ha ha ha ha",
    "1357913579",
    "ééééééééé",
    "ÄäÄäÄäÄä",
    "日本日本日本日本",
    "🐎🐎🐎🐎🐎🐎🐎🐎",
    "abcdefgh1234abcdefgh1234",
    "iloveyouiloveyouilove",
};

START_TEST(a_run_a_row_of_keys_and_a_repetition_are_common) {
    enum password_verdict verdict = judge("jwtd", text_of(patterns[_i]), "ada@example.com");

    ck_assert_msg(verdict == PASSWORD_TOO_COMMON, "%s: %s", patterns[_i], verdict_names[verdict]);
}
END_TEST

static const char *const ordinary[] = {
    /* words */
    "correct horse battery staple",
    "correcthorsebatterystaple",
    "Quiet Rivers Carry Old Letters",
    "power tower property poetry",
    "we were there, weren't we",
    "assessing the assessors",
    "bookkeeper's sweet tooth",
    "hijklmnop is no alphabet song",
    "mississippi mississauga",
    "berliner luft und sonne",
    "Grüße aus Österreich",
    "le père noël est en retard",
    "тихие реки несут письма",
    "静かな川が手紙を運ぶよ",
    "tick tock tick tock said the clock",
    "never never never again",
    "bonobo in the bongo drum",
    "go go gadget umbrella",
    "password of my old aunt",
    "the 1234567 little steps",
    /* letters and digits */
    "vq8-k2xz",
    "7391846205",
    "19840612-0815",
    "tr0ub4dor&3",
    "Tr5$kd!9",
    "aa1bb2cc3dd4",
    "a1b2c3d4e5f6g7",
    "xk12mp34qz56",
    "3.14159265358979",
    "2718281828459045",
    "hunter2hunter3hunter4",
    "0815-4711-0815",
    "äöü-ßéè-12",
    /* runs that are only a part */
    "abcd of our childhood",
    "qwerty keyboards jam less",
    "summer2345 winter",
    "xabcdyefghz",
    "aaaabbbbccccddddeeee",
    /* a repetition of something that is a password by itself */
    "vq8-k2xzvq8-k2xz",
    "quiet river quiet river ",
    "🐎🔋📎🎩🐫🔔📐🎲🐎🔋📎🎩🐫🔔📐🎲",
};

START_TEST(ordinary_words_and_characters_are_not_common) {
    enum password_verdict verdict = judge("jwtd", text_of(ordinary[_i]), "ada@example.com");

    ck_assert_msg(verdict == PASSWORD_ACCEPTED, "%s: %s", ordinary[_i], verdict_names[verdict]);
}
END_TEST

START_TEST(a_password_of_the_longest_length_passes_and_a_longer_one_does_not) {
    char password[PASSWORD_MAX_LEN + 1];

    for (size_t i = 0; i < sizeof password; i++)
        password[i] = (char)('a' + i * 7 % 26);
    ck_assert_int_eq(judge("jwtd", (struct text){ password, PASSWORD_MAX_LEN }, "ada@example.com"), PASSWORD_ACCEPTED);
    ck_assert_int_eq(judge("jwtd", (struct text){ password, PASSWORD_MAX_LEN + 1 }, "ada@example.com"), PASSWORD_TOO_LONG);
}
END_TEST

START_TEST(the_minimum_length_is_the_policys) {
    struct password_policy policy = { .min_length = 15, .service_name = text_of("jwtd") };
    struct arena arena;

    arena_init(&arena, 64 * 1024);
    ck_assert_int_eq(password_check_policy(&policy, &arena, text_of("vq8-k2xz-mm3-pp"), text_of("")), PASSWORD_ACCEPTED);
    ck_assert_int_eq(password_check_policy(&policy, &arena, text_of("vq8-k2xz-mm3-p"), text_of("")), PASSWORD_TOO_SHORT);
    arena_fini(&arena);
}
END_TEST

START_TEST(exhausted_memory_does_not_reject_the_password) {
    struct password_policy policy = { .min_length = 8, .service_name = text_of("jwtd") };
    struct arena arena;

    arena_init(&arena, 1);
    ck_assert_int_eq(password_check_policy(&policy, &arena, text_of("password"), text_of("")), PASSWORD_OUT_OF_MEMORY);
    arena_fini(&arena);
}
END_TEST

/* ---- the list ---- */

static struct text next_word(size_t *offset) {
    const char *begin = common_passwords + *offset;
    const char *end = memchr(begin, '\n', common_passwords_len - *offset);

    ck_assert_ptr_nonnull(end);
    *offset += (size_t)(end - begin) + 1;
    return (struct text){ begin, (size_t)(end - begin) };
}

START_TEST(the_list_has_ten_thousand_words_in_order) {
    char previous[64] = "";
    unsigned words = 0;

    for (size_t offset = 0; offset < common_passwords_len; words++) {
        struct text word = next_word(&offset);
        char current[64];
        ck_assert_uint_gt(word.len, 0);
        ck_assert_uint_lt(word.len, sizeof current);
        snprintf(current, sizeof current, "%.*s", (int)word.len, word.bytes);
        ck_assert_int_lt(strcmp(previous, current), 0);
        memcpy(previous, current, sizeof previous);
    }
    ck_assert_uint_ge(words, 10000);
}
END_TEST

/* Bisection is easy to get wrong at the ends, so every word is looked up. */
START_TEST(every_word_of_the_list_is_found) {
    struct password_policy policy = { .min_length = 1, .service_name = text_of("jwtd") };

    for (size_t offset = 0; offset < common_passwords_len;) {
        struct text word = next_word(&offset);
        struct arena arena;
        arena_init(&arena, 64 * 1024);
        enum password_verdict verdict = password_check_policy(&policy, &arena, word, text_of(""));
        arena_fini(&arena);
        if (verdict != PASSWORD_TOO_COMMON)
            ck_abort_msg("%.*s: %s", (int)word.len, word.bytes, verdict_names[verdict]);
    }
}
END_TEST

/* ---- what password managers and dice make ---- */

#define GENERATED 100000

/* A fixed sequence (Knuth's MMIX), so that the test says the same each time. */
static uint32_t next_random(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static void generate_characters(uint64_t *state, char password[64]) {
    static const char characters[] = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
    size_t set = next_random(state) % 2 == 0 ? 26 : sizeof characters - 1;
    size_t len = 10 + next_random(state) % 10;
    for (size_t i = 0; i < len; i++)
        password[i] = characters[next_random(state) % set];
    password[len] = '\0';
}

/* Four to six words of two to five syllables' letters, with a blank, a hyphen or nothing between them. */
static void generate_words(uint64_t *state, char password[64]) {
    static const char *const onsets[] = {
        "b", "cr", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "qu", "r", "st", "t", "v"
    };
    static const char *const vowels[] = { "a", "e", "i", "o", "u", "ee", "oo", "ai" };
    static const char *const codas[] = { "", "n", "rt", "st", "ll", "p", "ck", "ng", "y" };
    static const char *const separators[] = { " ", "-", "" };
    const char *separator = separators[next_random(state) % 3];
    unsigned words = 4 + next_random(state) % 3;
    size_t len = 0;
    for (unsigned i = 0; i < words; i++) {
        const char *onset = onsets[next_random(state) % (ARRAY_LEN(onsets))];
        const char *vowel = vowels[next_random(state) % (ARRAY_LEN(vowels))];
        const char *coda = codas[next_random(state) % (ARRAY_LEN(codas))];
        len += (size_t)snprintf(password + len, 64 - len, "%s%s%s%s", i > 0 ? separator : "", onset, vowel, coda);
    }
}

START_TEST(no_generated_password_is_common) {
    uint64_t state = 20261121;
    unsigned refused = 0;
    char password[64], example[64] = "";

    for (unsigned i = 0; i < GENERATED; i++) {
        if (i % 2 == 0)
            generate_characters(&state, password);
        else
            generate_words(&state, password);
        if (judge("jwtd", text_of(password), "ada@example.com") == PASSWORD_TOO_COMMON) {
            refused++;
            memcpy(example, password, sizeof example);
        }
    }
    ck_assert_msg(refused == 0, "%u, such as %s", refused, example);
}
END_TEST

static const char *const neighbours[] = { "!", "0", "zzzzzzzz zebra", "zzzzzzzzzz zigzag zoo", "\x7f", "passwore", "\n" };

START_TEST(words_beside_the_list_are_not_found) {
    struct password_policy policy = { .min_length = 1, .service_name = text_of("jwtd") };
    struct arena arena;

    arena_init(&arena, 64 * 1024);
    ck_assert_int_eq(password_check_policy(&policy, &arena, text_of(neighbours[_i]), text_of("")), PASSWORD_ACCEPTED);
    arena_fini(&arena);
}
END_TEST

START_TEST(every_verdict_has_a_code_and_a_sentence) {
    for (unsigned i = 0; i < PASSWORD_VERDICT_COUNT; i++) {
        static const struct password_policy policy = { .min_length = 8 };
        enum violation violation = password_verdict_violation((enum password_verdict)i);
        struct arena arena;
        arena_init(&arena, 1024);
        const char *detail = password_verdict_detail(&policy, (enum password_verdict)i, &arena);
        if (i == PASSWORD_ACCEPTED || i == PASSWORD_OUT_OF_MEMORY)
            ck_assert_int_eq(violation, VIOLATION_NONE);
        else
            ck_assert_str_eq(violation_info(violation)->code, verdict_names[i]);
        ck_assert_uint_gt(strlen(detail), 10);
        ck_assert(i != PASSWORD_TOO_SHORT || strstr(detail, "at least 8 characters") != NULL);
        ck_assert(i != PASSWORD_TOO_LONG || strstr(detail, "at most 1024 bytes") != NULL);
        arena_fini(&arena);
    }
}
END_TEST

Suite *password_policy_suite(void) {
    Suite *suite = suite_create("password_policy");
    TCase *policy = tcase_create("policy");
    TCase *list = tcase_create("list");

    tcase_add_loop_test(policy, a_password_is_rejected_for_its_first_fault, 0, (int)ARRAY_LEN(cases));
    tcase_add_loop_test(policy, a_run_a_row_of_keys_and_a_repetition_are_common, 0, (int)ARRAY_LEN(patterns));
    tcase_add_loop_test(policy, ordinary_words_and_characters_are_not_common, 0, (int)ARRAY_LEN(ordinary));
    tcase_add_test(policy, no_generated_password_is_common);
    tcase_add_test(policy, a_password_of_the_longest_length_passes_and_a_longer_one_does_not);
    tcase_add_test(policy, the_minimum_length_is_the_policys);
    tcase_add_test(policy, exhausted_memory_does_not_reject_the_password);
    tcase_add_test(policy, every_verdict_has_a_code_and_a_sentence);
    suite_add_tcase(suite, policy);

    tcase_add_test(list, the_list_has_ten_thousand_words_in_order);
    tcase_add_test(list, every_word_of_the_list_is_found);
    tcase_add_loop_test(list, words_beside_the_list_are_not_found, 0, (int)ARRAY_LEN(neighbours));
    suite_add_tcase(suite, list);
    return suite;
}
