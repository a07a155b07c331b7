#include "jwtd/key_state.h"

#include "jwtd/macros.h"

#include <assert.h>
#include <string.h>
#include <time.h>

#define TIME_FORMAT "%Y-%m-%dT%H:%M:%SZ"

bool kid_is_valid(struct text name) {
    return text_is_made_of(name, TEXT_ID_ALPHABET, 1, KID_MAX_LEN);
}

/* ---- states ---- */

static const char *const state_names[] = {
    [KEY_STANDBY] = "standby",
    [KEY_ACTIVE] = "active",
    [KEY_RETIRING] = "retiring",
    [KEY_REVOKED] = "revoked",
};

const char *key_state_name(enum key_state state) {
    assert((size_t)state < ARRAY_LEN(state_names));
    return state_names[state];
}

bool key_state_by_name(struct text name, enum key_state *state) {
    for (size_t i = 0; i < ARRAY_LEN(state_names); i++)
        if (text_equal(name, text_of(state_names[i]))) {
            *state = (enum key_state)i;
            return true;
        }
    return false;
}

/* ---- times ---- */

const char *key_time_text(int64_t since_s, char text[KEY_TIME_SIZE]) {
    time_t seconds = (time_t)since_s;
    struct tm utc;
    if (gmtime_r(&seconds, &utc) == NULL || strftime(text, KEY_TIME_SIZE, TIME_FORMAT, &utc) == 0)
        text[0] = '\0';
    return text;
}

/* strptime takes more than one way to write a time, and days that do not exist; written again they differ. */
bool key_time_read(struct text text, int64_t *since_s) {
    char copy[KEY_TIME_SIZE], again[KEY_TIME_SIZE];
    struct tm utc = { 0 };
    if (text.len != KEY_TIME_SIZE - 1)
        return false;
    memcpy(copy, text.bytes, text.len);
    copy[text.len] = '\0';
    const char *end = strptime(copy, TIME_FORMAT, &utc);
    if (end == NULL || *end != '\0')
        return false;
    *since_s = (int64_t)timegm(&utc);
    return strcmp(copy, key_time_text(*since_s, again)) == 0;
}
