#include "jwtd/text.h"

#include <check.h>
#include <string.h>

Suite *text_suite(void);

static const struct {
    const char *bytes;
    bool valid;
    size_t code_points;
} encodings[] = {
    { "", true, 0 },
    { "plain", true, 5 },
    { "caf\xc3\xa9", true, 4 },
    { "\xf0\x9f\x98\x80", true, 1 },
    { "\xf4\x8f\xbf\xbf", true, 1 },
    { "\xc0\xaf", false, 0 },         /* overlong */
    { "\xe0\x80\xaf", false, 0 },     /* overlong */
    { "\xed\xa0\x80", false, 0 },     /* surrogate */
    { "\xf4\x90\x80\x80", false, 0 }, /* above U+10FFFF */
    { "\xff", false, 0 },
    { "\x80", false, 0 },
    { "\xe2\x82", false, 0 }, /* cut */
};

START_TEST(only_rfc_3629_is_utf8) {
    struct text text = text_of(encodings[_i].bytes);
    ck_assert_int_eq(text_is_utf8(text), encodings[_i].valid);
    if (encodings[_i].valid)
        ck_assert_uint_eq(text_code_points(text), encodings[_i].code_points);
}
END_TEST

START_TEST(normalisation_makes_one_of_two_spellings) {
    struct arena arena;
    arena_init(&arena, 1 << 16);
    ck_assert(text_equal(text_nfc(&arena, text_of("cafe\xcc\x81")), text_of("caf\xc3\xa9")));
    ck_assert(text_equal(text_nfc(&arena, text_of("")), text_of("")));
    ck_assert(text_equal(text_fold(&arena, text_of("STRASSE \xc3\x89")), text_of("strasse \xc3\xa9")));
    ck_assert(text_equal(text_fold(&arena, text_of("stra\xc3\x9f"
                                                   "e")),
                         text_of("strasse")));
    arena_fini(&arena);
}
END_TEST

START_TEST(case_is_ignored_for_ascii_letters_only) {
    ck_assert(text_equal_ignoring_case(text_of("Content-TYPE"), text_of("content-type")));
    ck_assert(!text_equal_ignoring_case(text_of("content-type"), text_of("content-typ")));
    ck_assert(!text_equal_ignoring_case(text_of("[{@`"), text_of("{[`@")));
}
END_TEST

#define L64 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg"
#define L63 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg"

static const struct {
    const char *email;
    bool valid;
} emails[] = {
    { "a@b", true },
    { "ada.lovelace+tag@example.org", true },
    { "\xc3\xa9@ex\xc3\xa4mple.org", true },
    { L64 "@example.org", true },
    { L64 "x@example.org", false },
    { "a@" L63 ".org", true },
    { "a@" L63 "x.org", false },
    { "a@" L63 "." L63 "." L63 "." L63, false }, /* over 254 */
    { "", false },
    { "a", false },
    { "@b", false },
    { "a@", false },
    { "a@b@c", false },
    { ".a@b", false },
    { "a.@b", false },
    { "a..b@c", false },
    { "a b@c", false },
    { "a@b c", false },
    { "a@-b", false },
    { "a@b-", false },
    { "a@b..c", false },
    { "a@b.", false },
    { "\"a\"@b", false },
    { "a@[127.0.0.1]", false },
    { "a\r\n@b", false },
    { "a@b\n", false },
    { "a\x7f@b", false },
    { "a\xc2\x85@b", false },
    { "a\xe2\x80\xae@b", false },
    { "a\xff@b", false },
    { "a(comment)@b", false },
};

START_TEST(an_email_address_has_a_form_that_mail_can_go_to) {
    ck_assert_msg(email_is_valid(text_of(emails[_i].email)) == emails[_i].valid, "%s", emails[_i].email);
}
END_TEST

START_TEST(a_nul_in_an_address_is_refused) {
    ck_assert(!email_is_valid((struct text){ "a\0b@c.org", 9 }));
    ck_assert(!email_is_valid((struct text){ "a@c.org\0", 8 }));
}
END_TEST

START_TEST(the_canonical_form_ignores_case_and_composition) {
    struct arena arena;
    arena_init(&arena, 1 << 16);
    struct text one = email_canonical(&arena, text_of("Caf\xc3\xa9@Example.ORG"));
    struct text other = email_canonical(&arena, text_of("cafe\xcc\x81@example.org"));
    ck_assert(text_equal(one, other));
    arena_fini(&arena);
}
END_TEST

Suite *text_suite(void) {
    Suite *suite = suite_create("text");
    TCase *tcase = tcase_create("text");
    tcase_add_loop_test(tcase, only_rfc_3629_is_utf8, 0, (int)(sizeof encodings / sizeof encodings[0]));
    tcase_add_test(tcase, normalisation_makes_one_of_two_spellings);
    tcase_add_test(tcase, case_is_ignored_for_ascii_letters_only);
    tcase_add_loop_test(tcase, an_email_address_has_a_form_that_mail_can_go_to, 0, (int)(sizeof emails / sizeof emails[0]));
    tcase_add_test(tcase, a_nul_in_an_address_is_refused);
    tcase_add_test(tcase, the_canonical_form_ignores_case_and_composition);
    suite_add_tcase(suite, tcase);
    return suite;
}
