#include "../../src/password/common_passwords.h"
#include "jwtd/hasher.h"
#include "jwtd/password_policy.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

Suite *password_policy_suite(void);

#define COUNT_OF(array) ((int)(sizeof(array) / sizeof(array)[0]))

static const char *const verdict_names[PASSWORD_VERDICT_COUNT] = {
    "accepted", "too_short", "too_long", "too_common", "contains_email", "contains_service", "out_of_memory",
};

static enum password_verdict judge(const char *service, struct text password, const char *email) {
    struct password_policy policy = { .min_length = 8, .service_name = text_of(service) };
    struct arena arena;

    arena_init(&arena, 64 * 1024);
    enum password_verdict verdict = password_judge(&policy, &arena, password, text_of(email));
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
    { "🐎🔋📎🎩🐎🔋📎", "", "jwtd", "too_short" },
    { "🐎🔋📎🎩🐎🔋📎🎩", "", "jwtd", "accepted" },
    /* no composition rules */
    { "correct horse battery staple", "", "jwtd", "accepted" },
    { "quiet rivers carry old letters", "ada@example.com", "jwtd", "accepted" },
    { "        ", "", "jwtd", "accepted" },
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

START_TEST(a_password_is_judged_by_its_worst_fault) {
    enum password_verdict verdict = judge(cases[_i].service, text_of(cases[_i].password), cases[_i].email);

    ck_assert_str_eq(verdict_names[verdict], cases[_i].expected);
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
    ck_assert_int_eq(password_judge(&policy, &arena, text_of("vq8-k2xz-mm3-pp"), text_of("")), PASSWORD_ACCEPTED);
    ck_assert_int_eq(password_judge(&policy, &arena, text_of("vq8-k2xz-mm3-p"), text_of("")), PASSWORD_TOO_SHORT);
    arena_fini(&arena);
}
END_TEST

START_TEST(exhausted_memory_is_no_verdict_on_the_password) {
    struct password_policy policy = { .min_length = 8, .service_name = text_of("jwtd") };
    struct arena arena;

    arena_init(&arena, 1);
    ck_assert_int_eq(password_judge(&policy, &arena, text_of("password"), text_of("")), PASSWORD_OUT_OF_MEMORY);
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
        enum password_verdict verdict = password_judge(&policy, &arena, word, text_of(""));
        arena_fini(&arena);
        if (verdict != PASSWORD_TOO_COMMON)
            ck_abort_msg("%.*s: %s", (int)word.len, word.bytes, verdict_names[verdict]);
    }
}
END_TEST

static const char *const neighbours[] = { "!", "0", "zzzzzzzzzzzzzz", "zzzzzzzzzzzzzzzzzzzzzz", "\x7f", "passwore", "\n" };

START_TEST(words_beside_the_list_are_not_found) {
    struct password_policy policy = { .min_length = 1, .service_name = text_of("jwtd") };
    struct arena arena;

    arena_init(&arena, 64 * 1024);
    ck_assert_int_eq(password_judge(&policy, &arena, text_of(neighbours[_i]), text_of("")), PASSWORD_ACCEPTED);
    arena_fini(&arena);
}
END_TEST

START_TEST(every_verdict_has_a_code_and_a_sentence) {
    for (unsigned i = 0; i < PASSWORD_VERDICT_COUNT; i++) {
        const char *detail = password_verdict_detail((enum password_verdict)i);
        ck_assert_str_eq(password_verdict_code((enum password_verdict)i), verdict_names[i]);
        ck_assert_uint_gt(strlen(detail), 10);
        ck_assert_int_eq(detail[strlen(detail) - 1], '.');
    }
}
END_TEST

Suite *password_policy_suite(void) {
    Suite *suite = suite_create("password_policy");
    TCase *policy = tcase_create("policy");
    TCase *list = tcase_create("list");

    tcase_add_loop_test(policy, a_password_is_judged_by_its_worst_fault, 0, COUNT_OF(cases));
    tcase_add_test(policy, a_password_of_the_longest_length_passes_and_a_longer_one_does_not);
    tcase_add_test(policy, the_minimum_length_is_the_policys);
    tcase_add_test(policy, exhausted_memory_is_no_verdict_on_the_password);
    tcase_add_test(policy, every_verdict_has_a_code_and_a_sentence);
    suite_add_tcase(suite, policy);

    tcase_add_test(list, the_list_has_ten_thousand_words_in_order);
    tcase_add_test(list, every_word_of_the_list_is_found);
    tcase_add_loop_test(list, words_beside_the_list_are_not_found, 0, COUNT_OF(neighbours));
    suite_add_tcase(suite, list);
    return suite;
}
