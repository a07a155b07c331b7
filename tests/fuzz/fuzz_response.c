/*
 * failpoint's parser of HTTP responses (loadtest/response.h), fed as a connection feeds it: one response after the other.
 *
 * Checked: however the bytes are cut into pieces, the same responses come out, with the same body and the same number of bytes
 * taken; what is kept of a body is within its bounds and ends with a NUL; a response that is done has a status of its own.
 */
#include "fuzz.h"

#include "loadtest/response.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define RESPONSES_MAX 4

struct outcome {
    enum response_state state;
    unsigned status;
    bool keep_alive;
    int64_t retry_after_s;
    uint64_t body_total;
    size_t taken;
    char *body; /* NULL: none */
};

static void assert_is_sound(const struct response *response) {
    assert(response->body_len <= RESPONSE_BODY_KEPT && response->body_len <= response->body_total);
    assert(response->body == NULL || (response->body_len < response->body_size && response->body[response->body_len] == '\0'));
    assert(response->state != RESPONSE_DONE || (response->status >= 101 && response->status <= 599));
}

static struct outcome outcome_of(const struct response *response, size_t taken) {
    /* where a broken one broke depends on the pieces */
    if (response->state == RESPONSE_BROKEN)
        return (struct outcome){ .state = RESPONSE_BROKEN };
    return (struct outcome){ .state = response->state,
                             .status = response->status,
                             .keep_alive = response->keep_alive,
                             .retry_after_s = response->retry_after_s,
                             .body_total = response->body_total,
                             .taken = taken,
                             .body = fuzz_string((struct text){ response->body, response->body_len }) };
}

/* The responses of a connection that the peer closes behind these bytes. */
static size_t read_all(const uint8_t *bytes, size_t len, size_t first, size_t piece, struct outcome outcomes[RESPONSES_MAX]) {
    struct response response = { 0 };
    size_t count = 0, at = 0, began = 0;
    size_t limit = first > 0 ? first : piece;
    response_init(&response);
    while (at < len && count < RESPONSES_MAX) {
        size_t given = limit < len - at ? limit : len - at;
        size_t taken = response_feed(&response, (const char *)bytes + at, given);
        assert(taken <= given);
        assert_is_sound(&response);
        at += taken;
        limit = taken < given ? given - taken : piece; /* a piece is as it came */
        if (response.state == RESPONSE_DONE) {
            outcomes[count++] = outcome_of(&response, at - began);
            began = at;
            response_init(&response);
        }
        if (response.state == RESPONSE_BROKEN)
            break;
    }
    if (count < RESPONSES_MAX) {
        response_close(&response);
        assert(response.state == RESPONSE_DONE || response.state == RESPONSE_BROKEN);
        outcomes[count++] = outcome_of(&response, at - began);
    }
    response_fini(&response);
    return count;
}

static void assert_same(const struct outcome *one, const struct outcome *other) {
    assert(one->state == other->state && one->status == other->status && one->keep_alive == other->keep_alive);
    assert(one->retry_after_s == other->retry_after_s && one->body_total == other->body_total && one->taken == other->taken);
    assert((one->body == NULL) == (other->body == NULL) && (one->body == NULL || strcmp(one->body, other->body) == 0));
}

static void free_all(struct outcome *outcomes, size_t count) {
    for (size_t i = 0; i < count; i++)
        free(outcomes[i].body);
}

static void assert_pieces_agree(const uint8_t *bytes, size_t len, size_t first, size_t piece, const struct outcome *whole,
                                size_t count) {
    struct outcome outcomes[RESPONSES_MAX];
    size_t found = read_all(bytes, len, first, piece, outcomes);
    assert(found == count);
    for (size_t i = 0; i < count; i++)
        assert_same(&whole[i], &outcomes[i]);
    free_all(outcomes, found);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct outcome whole[RESPONSES_MAX];
    size_t count = read_all(bytes, len, 0, SIZE_MAX, whole);
    assert_pieces_agree(bytes, len, 0, 1, whole, count);
    size_t step = len / 16 + 1;
    for (size_t first = len > 0 ? bytes[0] % step : 0; first < len; first += step)
        assert_pieces_agree(bytes, len, first, SIZE_MAX, whole, count);
    free_all(whole, count);
    return 0;
}
