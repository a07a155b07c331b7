/*
 * traceparent and tracestate (src/trace/trace_context.c): the first line of the input is the one, the rest the other. Checked:
 * what is accepted reads the same when it is written and read again, and has no flag without a meaning.
 */
#include "fuzz.h"

#include "jwtd/trace_context.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct text rest = { (const char *)bytes, len }, first = fuzz_take_line(&rest);
    struct trace_context context, again;
    char text[TRACEPARENT_SIZE];
    if (trace_context_parse(first, &context)) {
        assert(strlen(trace_context_text(&context, text)) == TRACEPARENT_SIZE - 1);
        assert(trace_context_parse(text_of(text), &again) && memcmp(&context, &again, sizeof context) == 0);
        assert((context.flags & ~(TRACE_SAMPLED | TRACE_RANDOM)) == 0);
    }
    (void)trace_state_is_valid(rest);
    return 0;
}
