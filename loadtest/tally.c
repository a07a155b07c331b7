#include "tally.h"

static const char *const class_names[REPLY_CLASSES] = {
    [REPLY_OK] = "ok",           [REPLY_SHED] = "shed",       [REPLY_CLIENT] = "client",
    [REPLY_SERVER] = "server",   [REPLY_REFUSED] = "refused", [REPLY_RESET] = "reset",
    [REPLY_TIMEOUT] = "timeout", [REPLY_BAD] = "bad reply",   [REPLY_LOCAL] = "local",
};

const char *reply_class_name(enum reply_class class) {
    return class_names[class];
}

static const char *const class_texts[REPLY_CLASSES] = {
    [REPLY_OK] = "ok",
    [REPLY_SHED] = "shed (429, 503)",
    [REPLY_CLIENT] = "other 4xx",
    [REPLY_SERVER] = "other 5xx",
    [REPLY_REFUSED] = "connection refused",
    [REPLY_RESET] = "connection lost",
    [REPLY_TIMEOUT] = "timeout",
    [REPLY_BAD] = "wrong reply",
    [REPLY_LOCAL] = "failpoint's own trouble",
};

const char *reply_class_text(enum reply_class class) {
    return class_texts[class];
}

uint64_t tally_ended(const struct tally *tally) {
    uint64_t ended = 0;
    for (size_t i = 0; i < REPLY_CLASSES; i++)
        ended += tally->classes[i];
    return ended;
}

uint64_t tally_failed(const struct tally *tally) {
    return tally_ended(tally) - tally->classes[REPLY_OK] - tally->classes[REPLY_SHED];
}

void tally_add(struct tally *sum, const struct tally *other) {
    if (other->due == 0 && tally_ended(other) == 0)
        return;
    sum->due += other->due;
    for (size_t i = 0; i < REPLY_CLASSES; i++)
        sum->classes[i] += other->classes[i];
    for (size_t i = 0; i < STATUS_CODES; i++)
        sum->statuses[i] += other->statuses[i];
    histogram_add(&sum->latency, &other->latency);
    histogram_add(&sum->service, &other->service);
    histogram_add(&sum->shed, &other->shed);
}

void tally_subtract(struct tally *later, const struct tally *earlier) {
    later->due -= earlier->due;
    for (size_t i = 0; i < REPLY_CLASSES; i++)
        later->classes[i] -= earlier->classes[i];
    for (size_t i = 0; i < STATUS_CODES; i++)
        later->statuses[i] -= earlier->statuses[i];
    histogram_subtract(&later->latency, &earlier->latency);
    histogram_subtract(&later->service, &earlier->service);
    histogram_subtract(&later->shed, &earlier->shed);
}
