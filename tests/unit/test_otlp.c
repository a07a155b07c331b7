/* What is sent to a collector, as far as tests/service/test_traces.c does not read it, and what its reply says. */
#include "src/trace/otlp.h"

#include "jwtd/macros.h"

#include <check.h>
#include <string.h>

Suite *otlp_suite(void);

#define REPLY(bytes)                                                                                                             \
    { (bytes), sizeof(bytes) - 1 }

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

/* Each span has the state of the trace, which is escaped. */
START_TEST(the_largest_batch_fits_into_its_arena) {
    static struct trace trace;
    const struct trace *traces[TRACER_BATCH];
    struct arena arena;
    trace = (struct trace){ .method = "POST", .route = "/auth/login", .http_status = 503, .span_count = TRACE_SPANS_MAX };
    memset(trace.state, '"', TRACE_STATE_MAX);
    for (unsigned i = 0; i < TRACE_SPANS_MAX; i++)
        trace.spans[i] = (struct span){ .form = i == 0 ? SPAN_REQUEST : SPAN_STATEMENT,
                                        .name = "a_statement_with_a_long_name",
                                        .error = "error" };
    for (size_t i = 0; i < TRACER_BATCH; i++)
        traces[i] = &trace;
    arena_init(&arena, OTLP_ARENA_LIMIT(TRACER_BATCH));
    ck_assert_ptr_nonnull(otlp_write(&arena, "0199a0b0-0000-7000-8000-000000000000", 0, traces, TRACER_BATCH).bytes);
    arena_fini(&arena);
}
END_TEST

static bool is_in(struct text text, const char *part) {
    return memmem(text.bytes, text.len, part, strlen(part)) != NULL;
}

START_TEST(a_span_says_whose_its_parent_is_and_why_its_statement_failed) {
    static struct trace trace;
    const struct trace *traces[] = { &trace };
    struct arena arena;
    trace = (struct trace){ .method = "GET", .http_status = 200, .span_count = 2, .has_parent = true };
    trace.spans[0] = (struct span){ .form = SPAN_REQUEST };
    trace.spans[1] = (struct span){ .form = SPAN_STATEMENT, .name = "users_find", .error = "database_unavailable" };
    arena_init(&arena, OTLP_ARENA_LIMIT(1));
    struct text body = otlp_write(&arena, "id", 0, traces, 1);
    ck_assert(is_in(body, "\"flags\":768")); /* it is known, and of another process */
    ck_assert(is_in(body, "\"flags\":256")); /* and of this one */
    ck_assert(
        is_in(body, "{\"key\":\"error.type\",\"value\":{\"stringValue\":\"database_unavailable\"}}],\"status\":{\"code\":2}"));
    arena_fini(&arena);
}
END_TEST

Suite *otlp_suite(void) {
    Suite *suite = suite_create("otlp");
    TCase *tcase = tcase_create("otlp");
    tcase_add_loop_test(tcase, rejected_spans_are_counted_whatever_the_bytes_of_the_message_are, 0, (int)ARRAY_LEN(replies));
    tcase_add_test(tcase, the_largest_batch_fits_into_its_arena);
    tcase_add_test(tcase, a_span_says_whose_its_parent_is_and_why_its_statement_failed);
    suite_add_tcase(suite, tcase);
    return suite;
}
