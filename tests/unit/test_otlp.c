/* What a collector's reply says. The form of what is sent: tests/service/test_traces.c. */
#include "src/trace/otlp.h"

#include "jwtd/macros.h"

#include <check.h>

Suite *otlp_suite(void);

#define REPLY(bytes)                                                                                                             \
    { bytes, sizeof bytes - 1 }

static const struct {
    struct text reply;
    uint64_t rejected;
} replies[] = {
    { REPLY(""), 0 },
    { REPLY("{}"), 0 },
    { REPLY("{\"partialSuccess\":{}}"), 0 },
    { REPLY("{\"partialSuccess\":{\"rejectedSpans\":\"0\",\"errorMessage\":\"a warning\"}}"), 0 },
    { REPLY("{\"partialSuccess\":{\"rejectedSpans\":\"12\",\"errorMessage\":\"too old\"}}"), 12 },
    { REPLY("{ \"partialSuccess\" : {\n  \"rejectedSpans\" : 12\n} }"), 12 },
    { REPLY("{\"partialSuccess\":{\"errorMessage\":\"caf\xe9 \xff\xc0\x80\",\"rejectedSpans\":\"3\"}}"), 3 },
    { REPLY("{\"partialSuccess\":{\"errorMessage\":\"\\ud800 \0 \n\",\"rejectedSpans\":\"3\"}}"), 3 },
    { REPLY("{\"partialSuccess\":{\"rejectedSpans\":\"3\",\"errorMessage\":\"cut o"), 3 },
    { REPLY("{\"partialSuccess\":{\"errorMessage\":\"\\\"rejectedSpans\\\":7\",\"rejectedSpans\":\"3\"}}"), 3 },
    { REPLY("{\"partialSuccess\":{\"rejectedSpans\":\"-3\"}}"), 0 },
    { REPLY("{\"partialSuccess\":{\"rejectedSpans\":"), 0 },
    { REPLY("{\"partialSuccess\":{\"rejectedSpans\""), 0 },
};

START_TEST(rejected_spans_are_counted_whatever_the_bytes_of_the_message_are) {
    ck_assert_uint_eq(otlp_rejected_spans(replies[_i].reply), replies[_i].rejected);
}
END_TEST

Suite *otlp_suite(void) {
    Suite *suite = suite_create("otlp");
    TCase *tcase = tcase_create("otlp");
    tcase_add_loop_test(tcase, rejected_spans_are_counted_whatever_the_bytes_of_the_message_are, 0, (int)ARRAY_LEN(replies));
    suite_add_tcase(suite, tcase);
    return suite;
}
