/* W3C Trace Context, level 2; the bad forms are those of its test suite (w3c/trace-context, test/test.py), and some more. */
#include "jwtd/trace_context.h"

#include "jwtd/macros.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

Suite *trace_context_suite(void);

#define TRACE "12345678901234567890123456789012"
#define SPAN "1234567890123456"

static const struct {
    const char *given;
    const char *sent_on; /* NULL: it is as if it were not there */
} parents[] = {
    { "00-" TRACE "-" SPAN "-01", "00-" TRACE "-" SPAN "-01" },
    { "00-" TRACE "-" SPAN "-00", "00-" TRACE "-" SPAN "-00" },
    { "00-" TRACE "-" SPAN "-03", "00-" TRACE "-" SPAN "-03" },
    { "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" },
    { "00-" TRACE "-" SPAN "-ff", "00-" TRACE "-" SPAN "-03" }, /* flags are bits, and those without a meaning are not sent on */
    { "00-" TRACE "-" SPAN "-fe", "00-" TRACE "-" SPAN "-02" },
    { "00-" TRACE "-" SPAN "-08", "00-" TRACE "-" SPAN "-00" },
    { "  00-" TRACE "-" SPAN "-01\t ", "00-" TRACE "-" SPAN "-01" },

    /* versions */
    { "cc-" TRACE "-" SPAN "-01", "00-" TRACE "-" SPAN "-01" },
    { "cc-" TRACE "-" SPAN "-01-", "00-" TRACE "-" SPAN "-01" },
    { "cc-" TRACE "-" SPAN "-01-what-the-future-will-be-like", "00-" TRACE "-" SPAN "-01" },
    { "01-" TRACE "-" SPAN "-01-x", "00-" TRACE "-" SPAN "-01" },
    { "cc-" TRACE "-" SPAN "-01.what-the-future-will-not-be-like", NULL },
    { "cc-" TRACE "-" SPAN "-012", NULL },
    { "00-" TRACE "-" SPAN "-01-what-the-future-will-be-like", NULL },
    { "00-" TRACE "-" SPAN "-01.", NULL },
    { "00-" TRACE "-" SPAN "-01-", NULL },
    { "ff-" TRACE "-" SPAN "-01", NULL },
    { "FF-" TRACE "-" SPAN "-01", NULL },
    { ".0-" TRACE "-" SPAN "-01", NULL },
    { "0.-" TRACE "-" SPAN "-01", NULL },
    { "0-" TRACE "-" SPAN "-01", NULL },
    { "000-" TRACE "-" SPAN "-01", NULL },
    { "0000-" TRACE "-" SPAN "-01", NULL },

    /* ids */
    { "00-00000000000000000000000000000000-" SPAN "-01", NULL },
    { "00-" TRACE "-0000000000000000-01", NULL },
    { "00-.2345678901234567890123456789012-" SPAN "-01", NULL },
    { "00-1234567890123456789012345678901.-" SPAN "-01", NULL },
    { "00-" TRACE "-.234567890123456-01", NULL },
    { "00-" TRACE "-123456789012345.-01", NULL },
    { "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", NULL },
    { "00-0af7651916cd43dd8448eb211c80319c-B7ad6b7169203331-01", NULL },
    { "00-" TRACE "3-" SPAN "-01", NULL },
    { "00-1234567890123456789012345678901-" SPAN "-01", NULL },
    { "00-" TRACE "-" SPAN "7-01", NULL },
    { "00-" TRACE "-123456789012345-01", NULL },

    /* flags */
    { "00-" TRACE "-" SPAN "-.0", NULL },
    { "00-" TRACE "-" SPAN "-0.", NULL },
    { "00-" TRACE "-" SPAN "-001", NULL },
    { "00-" TRACE "-" SPAN "-1", NULL },
    { "00-" TRACE "-" SPAN "-0G", NULL },
    { "00-" TRACE "-" SPAN "-", NULL },
    { "00-" TRACE "-" SPAN, NULL },

    /* anything else */
    { "", NULL },
    { "   ", NULL },
    { "00", NULL },
    { "00_" TRACE "-" SPAN "-01", NULL },
    { "00-" TRACE "_" SPAN "-01", NULL },
    { "00-" TRACE "-" SPAN "_01", NULL },
    { "00-" TRACE "-" SPAN "-01,00-" TRACE "-" SPAN "-01", NULL },
    { "\"00-" TRACE "-" SPAN "-01\"", NULL },
    { "00-" TRACE "-" SPAN "-0\xc3\xa4", NULL },
};

START_TEST(a_traceparent_has_one_form) {
    struct trace_context context = { .flags = 0x40 }, before = context;
    char text[TRACEPARENT_SIZE];
    bool is_parsed = trace_context_parse(text_of(parents[_i].given), &context);
    ck_assert_msg(is_parsed == (parents[_i].sent_on != NULL), "%s", parents[_i].given);
    if (is_parsed)
        ck_assert_str_eq(trace_context_text(&context, text), parents[_i].sent_on);
    else
        ck_assert_mem_eq(&context, &before, sizeof context);
}
END_TEST

START_TEST(no_byte_behind_a_traceparent_is_read) {
    static const char value[] = "00-" TRACE "-" SPAN "-01";
    struct trace_context context;
    for (size_t len = 0; len < sizeof value - 1; len++) {
        char *copy = strndup(value, len); /* the sanitizers see a read beyond it */
        ck_assert(!trace_context_parse((struct text){ copy, len }, &context));
        free(copy);
    }
    ck_assert(!trace_context_parse((struct text){ NULL, 0 }, &context));
}
END_TEST

#define LETTERS_16 "abcdefghijklmnop"
#define LETTERS_256                                                                                                              \
    LETTERS_16 LETTERS_16 LETTERS_16 LETTERS_16 LETTERS_16 LETTERS_16 LETTERS_16 LETTERS_16 LETTERS_16 LETTERS_16 LETTERS_16     \
        LETTERS_16 LETTERS_16 LETTERS_16 LETTERS_16 LETTERS_16
#define MEMBERS_8 "a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1"
#define MEMBERS_32 MEMBERS_8 "," MEMBERS_8 "," MEMBERS_8 "," MEMBERS_8

static const struct {
    const char *given;
    bool is_valid;
} states[] = {
    { "foo=1", true },
    { "foo=1,bar=2", true },
    { "foo=1 \t , \t bar=2, \t baz=3", true },
    { "foo=1,", true },
    { ",foo=1,,bar=2", true },
    { "foo=1,foo=1", true },
    { "0foo=1", true },
    { "abcdefghijklmnopqrstuvwxyz0123456789_-*/=!\"#$%&'()*+-./0123456789:;<>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`a-z{|}~", true },
    { "fw529a3039@dt=FfAAAA", true },
    { LETTERS_256 "=1", true },
    { "a=" LETTERS_256, true },
    { "a= b", true },
    { MEMBERS_32, true },
    { MEMBERS_32 ",", true },

    { MEMBERS_32 ",z=1", false },
    { LETTERS_256 "x=1", false },
    { "a=" LETTERS_256 "x", false },
    { "foo", false },
    { "=1", false },
    { "foo=", false },
    { "foo= ", false },
    { "foo=1=2", false },
    { "foo =1", false },
    { "FOO=1", false },
    { "f.o=1", false },
    { "@foo=1", false },
    { "_foo=1", false },
    { "foo=b\tr", false },
    { "foo=b\x7fr", false },
    { "foo=\xc3\xa4", false },
    { "", false },
    { " , ", false },
};

START_TEST(a_tracestate_is_a_list_of_at_most_32_members) {
    ck_assert_msg(trace_state_is_valid(text_of(states[_i].given)) == states[_i].is_valid, "%s", states[_i].given);
}
END_TEST

START_TEST(ids_of_our_own_are_random_and_have_the_form) {
    struct trace_context contexts[64], parsed;
    char text[TRACEPARENT_SIZE];
    for (size_t i = 0; i < ARRAY_LEN(contexts); i++) {
        contexts[i] = trace_context_create();
        ck_assert(trace_context_parse(text_of(trace_context_text(&contexts[i], text)), &parsed));
        ck_assert_mem_eq(&parsed, &contexts[i], sizeof parsed);
        ck_assert_uint_eq(parsed.flags, TRACE_RANDOM);
        for (size_t j = 0; j < i; j++) {
            /* the bytes that the flag promises to be random */
            ck_assert_mem_ne(contexts[j].trace_id + TRACE_ID_BYTES - 7, contexts[i].trace_id + TRACE_ID_BYTES - 7, 7);
            ck_assert_mem_ne(contexts[j].span_id, contexts[i].span_id, SPAN_ID_BYTES);
        }
    }
}
END_TEST

Suite *trace_context_suite(void) {
    Suite *suite = suite_create("trace_context");
    TCase *tcase = tcase_create("trace_context");
    tcase_add_loop_test(tcase, a_traceparent_has_one_form, 0, ARRAY_LEN(parents));
    tcase_add_test(tcase, no_byte_behind_a_traceparent_is_read);
    tcase_add_loop_test(tcase, a_tracestate_is_a_list_of_at_most_32_members, 0, ARRAY_LEN(states));
    tcase_add_test(tcase, ids_of_our_own_are_random_and_have_the_form);
    suite_add_tcase(suite, tcase);
    return suite;
}
