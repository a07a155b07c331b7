#include "jwtd/email.h"
#include "jwtd/macros.h"
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

/* Two spellings of one thing, and folding what is folded changes nothing. */
static const struct {
    const char *one, *other;
} foldings[] = {
    { "ABC", "abc" },
    { "\xe2\x84\xaa", "k" },                                    /* Kelvin sign */
    { "\xc5\xbf", "s" },                                        /* long s */
    { "\xc4\xb0", "i\xcc\x87" },                                /* capital i with dot: the same in every locale */
    { "\xce\xa3\xce\xa3", "\xcf\x83\xcf\x82" },                 /* sigma, also in its final form */
    { "\xe1\xba\x9e", "ss" },                                   /* capital sharp s */
    { "\xef\xac\x80", "ff" },                                   /* ligature */
    { "\xce\x91\xcd\x85\xcc\x81", "\xce\x91\xcc\x81\xcd\x85" }, /* order of iota subscript and accent */
    { "\xf0\x90\x90\x80", "\xf0\x90\x90\xa8" },                 /* Deseret, beyond U+FFFF */
};

START_TEST(folding_makes_one_of_two_cases) {
    struct arena arena;
    arena_init(&arena, 1 << 16);
    struct text one = text_fold(&arena, text_of(foldings[_i].one));
    ck_assert(text_equal(one, text_fold(&arena, text_of(foldings[_i].other))));
    ck_assert(text_equal(one, text_fold(&arena, one)));
    ck_assert_int_eq(one.bytes[one.len], '\0');
    arena_fini(&arena);
}
END_TEST

START_TEST(without_memory_there_is_no_text) {
    struct arena arena;
    arena_init(&arena, 0);
    static const char *const texts[] = { "", "plain", "caf\xc3\xa9" };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct text normal = text_nfc(&arena, text_of(texts[i])), folded = text_fold(&arena, text_of(texts[i]));
        ck_assert(normal.bytes == NULL && normal.len == 0);
        ck_assert(folded.bytes == NULL && folded.len == 0);
    }
    arena_fini(&arena);
}
END_TEST

START_TEST(no_text_equals_empty_text) {
    ck_assert(text_equal(text_of(NULL), text_of("")));
    ck_assert(text_equal_ignoring_case(text_of(NULL), text_of("")));
    ck_assert(text_is_utf8(text_of(NULL)) && text_is_visible(text_of(NULL)));
    ck_assert_uint_eq(text_code_points(text_of(NULL)), 0);
    ck_assert(!text_equal((struct text){ "a\0b", 3 }, (struct text){ "a\0c", 3 }));
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
    { "a\xc2\xa0@b", false },     /* U+00A0 no-break space */
    { "a\xc2\xad@b", false },     /* U+00AD soft hyphen */
    { "a\xd8\x9c@b", false },     /* U+061C Arabic letter mark */
    { "a\xe1\x9a\x80@b", false }, /* U+1680 ogham space */
    { "a\xe2\x80\xa8@b", false }, /* U+2028 line separator */
    { "a\xe2\x81\xa6@b", false }, /* U+2066 left-to-right isolate */
    { "a@b\xe3\x80\x80", false }, /* U+3000 ideographic space */
    { "\xef\xbb\xbf"
      "a@b",
      false },                        /* U+FEFF byte order mark */
    { "a\xee\x80\x80@b", false },     /* U+E000 private use */
    { "a\xef\xbf\xbf@b", false },     /* U+FFFF noncharacter */
    { "a\xf3\xa0\x81\x81@b", false }, /* U+E0041 tag */
    { "\xe7\x94\xa8\xe6\x88\xb7@\xe4\xbe\x8b\xe5\xad\x90.\xe4\xb8\xad\xe5\x9b\xbd", true },
    { "\xf0\x9f\x98\x80@b", true },
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

/* A length of its own, since some have a NUL inside. */
#define BYTES(literal)                                                                                                           \
    { literal, sizeof(literal) - 1 }

static const struct {
    struct text text;
    uint64_t max;
    bool valid;
    uint64_t number;
} decimals[] = {
    { BYTES("0"), 0, true, 0 },
    { BYTES("7"), 7, true, 7 },
    { BYTES("8"), 7, false, 0 },
    { BYTES("65535"), 65535, true, 65535 },
    { BYTES("65536"), 65535, false, 0 },
    { BYTES("007"), 7, true, 7 },
    { BYTES("18446744073709551615"), UINT64_MAX, true, UINT64_MAX },
    { BYTES("18446744073709551616"), UINT64_MAX, false, 0 }, /* by the last digit */
    { BYTES("18446744073709551620"), UINT64_MAX, false, 0 }, /* by the multiplication */
    { BYTES("99999999999999999999999"), UINT64_MAX, false, 0 },
    { BYTES("00000000000000000000000000000001"), UINT64_MAX, true, 1 },
    { BYTES(""), UINT64_MAX, false, 0 },
    { { NULL, 0 }, UINT64_MAX, false, 0 },
    { BYTES("-1"), UINT64_MAX, false, 0 },
    { BYTES("+1"), UINT64_MAX, false, 0 },
    { BYTES(" 1"), UINT64_MAX, false, 0 },
    { BYTES("1 "), UINT64_MAX, false, 0 },
    { BYTES("1\0"), UINT64_MAX, false, 0 },
    { BYTES("0x1"), UINT64_MAX, false, 0 },
    { BYTES("1e3"), UINT64_MAX, false, 0 },
    { BYTES("1/"), UINT64_MAX, false, 0 }, /* the neighbours of 0 and 9 */
    { BYTES("1:"), UINT64_MAX, false, 0 },
    { BYTES("1\xb2"), UINT64_MAX, false, 0 },    /* superscript two of Latin-1 */
    { BYTES("\xd9\xa1"), UINT64_MAX, false, 0 }, /* Arabic digit one */
    { { "123456", 3 }, UINT64_MAX, true, 123 },  /* the length counts, not what is behind */
};

START_TEST(a_decimal_number_is_digits_and_nothing_else) {
    uint64_t number = 4711;
    ck_assert_int_eq(text_parse_unsigned(decimals[_i].text, decimals[_i].max, &number), decimals[_i].valid);
    ck_assert_uint_eq(number, decimals[_i].valid ? decimals[_i].number : 4711);
}
END_TEST

static const struct {
    struct text text;
    size_t min_len, max_len;
    bool fits;
} ids[] = {
    { BYTES("Az09._-"), 1, 64, true },
    { BYTES("a"), 1, 1, true },
    { BYTES("aa"), 1, 1, false },
    { BYTES(""), 1, 64, false },
    { BYTES(""), 0, 64, true },
    { { NULL, 0 }, 0, 64, true },
    { BYTES("a b"), 1, 64, false },
    { BYTES("a/b"), 1, 64, false },
    { BYTES("a\0b"), 1, 64, false },
    { BYTES("\0"), 1, 64, false },
    { BYTES("caf\xc3\xa9"), 1, 64, false },
    { BYTES("\xff"), 1, 64, false },
};

START_TEST(an_id_is_made_of_its_alphabet_and_as_long_as_it_may_be) {
    ck_assert_int_eq(text_is_made_of(ids[_i].text, TEXT_ID_ALPHABET, ids[_i].min_len, ids[_i].max_len), ids[_i].fits);
}
END_TEST

START_TEST(letters_and_digits_are_those_of_ascii) {
    for (int byte = 0; byte < 256; byte++) {
        char c = (char)byte;
        bool is_listed = memchr(TEXT_ALPHANUMERIC, c, sizeof TEXT_ALPHANUMERIC - 1) != NULL;
        ck_assert_int_eq(text_is_alphanumeric(c), is_listed);
        ck_assert_int_eq(text_is_made_of((struct text){ &c, 1 }, TEXT_ALPHANUMERIC, 1, 1), is_listed);
    }
}
END_TEST

START_TEST(hex_digits_and_blanks_are_those_of_ascii) {
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    for (int byte = 0; byte < 256; byte++) {
        const char *digit = memchr(digits, byte, sizeof digits - 1);
        ck_assert_int_eq(text_hex_digit((char)byte), digit != NULL ? (int)(digit - digits) % 16 : -1);
        ck_assert_int_eq(text_is_blank((char)byte), byte == ' ' || byte == '\t');
    }
}
END_TEST

START_TEST(parts_of_a_list_are_taken_one_by_one_without_blanks) {
    static const char *const parts[] = { "a", "b c", "", "d" };
    struct text list = text_of(" a ,\tb c,,d");
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        ck_assert(text_equal(text_take_until(&list, ','), text_of(parts[i])));
    ck_assert_uint_eq(list.len, 0);
    ck_assert_uint_eq(text_take_until(&list, ',').len, 0);
}
END_TEST

static const struct {
    struct text text;
    size_t len;
    uint32_t code_point;
} sequences[] = {
    { BYTES("ab"), 1, 'a' },
    { BYTES("\0"), 1, 0 },
    { BYTES("\x7f"), 1, 0x7f },
    { BYTES("\xc2\x80"), 2, 0x80 },
    { BYTES("\xc3\xa9t\xc3\xa9"), 2, 0xe9 },
    { BYTES("\xe2\x82\xac"), 3, 0x20ac },
    { BYTES("\xef\xbf\xbd"), 3, 0xfffd }, /* a replacement character that stands there */
    { BYTES("\xf4\x8f\xbf\xbf"), 4, 0x10ffff },
    { BYTES(""), 0, 0 },
    { BYTES("\x80"), 0, 0 },
    { BYTES("\xc0\xaf"), 0, 0 },         /* overlong */
    { BYTES("\xe0\x80\xaf"), 0, 0 },     /* overlong */
    { BYTES("\xf0\x80\x80\xaf"), 0, 0 }, /* overlong */
    { BYTES("\xed\xa0\x80"), 0, 0 },     /* surrogate */
    { BYTES("\xf4\x90\x80\x80"), 0, 0 }, /* above U+10FFFF */
    { BYTES("\xf5\x80\x80\x80"), 0, 0 },
    { BYTES("\xff"), 0, 0 },
    { { "\xe2\x82\xac", 2 }, 0, 0 }, /* cut by the length */
};

START_TEST(a_code_point_is_decoded_or_is_none) {
    uint32_t code_point = 4711;
    ck_assert_uint_eq(text_code_point(sequences[_i].text, &code_point), sequences[_i].len);
    ck_assert_uint_eq(code_point, sequences[_i].len > 0 ? sequences[_i].code_point : 4711);
}
END_TEST

/* Behind every pair of bytes, those at the ends of what may follow. */
START_TEST(decoding_and_validity_agree_on_sequences_of_three_bytes) {
    static const unsigned char ends[] = { 0, 0x7f, 0x80, 0xbf, 0xc0, 0xff };
    for (unsigned pair = 0x8000; pair < 0x10000; pair++) {
        for (size_t i = 0; i < sizeof ends; i++) {
            char sequence[] = { (char)(pair >> 8), (char)pair, (char)ends[i] };
            struct text text = { sequence, sizeof sequence };
            uint32_t code_point;
            bool is_one = text_is_utf8(text) && text_code_points(text) == 1;
            ck_assert_msg((text_code_point(text, &code_point) == 3) == is_one, "%04x%02x", pair, ends[i]);
        }
    }
}
END_TEST

Suite *text_suite(void) {
    Suite *suite = suite_create("text");
    TCase *tcase = tcase_create("text");
    tcase_add_loop_test(tcase, only_rfc_3629_is_utf8, 0, (int)ARRAY_LEN(encodings));
    tcase_add_loop_test(tcase, a_decimal_number_is_digits_and_nothing_else, 0, (int)ARRAY_LEN(decimals));
    tcase_add_loop_test(tcase, an_id_is_made_of_its_alphabet_and_as_long_as_it_may_be, 0, (int)ARRAY_LEN(ids));
    tcase_add_test(tcase, letters_and_digits_are_those_of_ascii);
    tcase_add_test(tcase, parts_of_a_list_are_taken_one_by_one_without_blanks);
    tcase_add_test(tcase, hex_digits_and_blanks_are_those_of_ascii);
    tcase_add_loop_test(tcase, a_code_point_is_decoded_or_is_none, 0, (int)ARRAY_LEN(sequences));
    tcase_add_test(tcase, decoding_and_validity_agree_on_sequences_of_three_bytes);
    tcase_add_test(tcase, normalisation_makes_one_of_two_spellings);
    tcase_add_loop_test(tcase, folding_makes_one_of_two_cases, 0, (int)ARRAY_LEN(foldings));
    tcase_add_test(tcase, without_memory_there_is_no_text);
    tcase_add_test(tcase, no_text_equals_empty_text);
    tcase_add_test(tcase, case_is_ignored_for_ascii_letters_only);
    tcase_add_loop_test(tcase, an_email_address_has_a_form_that_mail_can_go_to, 0, (int)ARRAY_LEN(emails));
    tcase_add_test(tcase, a_nul_in_an_address_is_refused);
    tcase_add_test(tcase, the_canonical_form_ignores_case_and_composition);
    suite_add_tcase(suite, tcase);
    return suite;
}
