#include "patterns.h"

#include "jwtd/macros.h"

#include <stdint.h>
#include <string.h>
#include <uchar.h>

#define RUNS_MAX 4
#define RUN_AVERAGE_MIN 3 /* code points */
#define UNIT_MAX 64

/* Neighbouring keys, as typed without shift but for the digits. */
static const char32_t *const rows[] = {
    U"1234567890-=",         U"!@#$%^&*()_+", U"!\"§$%&/()=?", U"qwertyuiop[]\\",
    U"asdfghjkl;'",          U"zxcvbnm,./",   U"qwertzuiopü+", U"asdfghjklöä#",
    U"yxcvbnm,.-",           U"azertyuiop",   U"qsdfghjklm",   U"wxcvbn,;:!",
    U"йцукенгшщзхъ",         U"фывапролджэ",  U"ячсмитьбю",    U"1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
    U"1q2w3e4r5t6y7u8i9o0p",
};

#define ROW_COUNT ARRAY_LEN(rows)

/* The ways in which one character follows another, one bit each: the steps, then each row in both directions. */
enum { SAME_CHARACTER, NEXT_CODE_POINT, PREVIOUS_CODE_POINT, STEP_COUNT };

_Static_assert(STEP_COUNT + 2 * ROW_COUNT <= 64, "the ways fit into a word");

static const char32_t *find_in_row(const char32_t *row, char32_t character) {
    while (*row != 0 && *row != character)
        row++;
    return *row != 0 ? row : NULL;
}

static uint64_t ways_from(char32_t before, char32_t character) {
    uint64_t ways = 0;

    ways |= (uint64_t)(character == before) << SAME_CHARACTER;
    ways |= (uint64_t)(character == before + 1) << NEXT_CODE_POINT;
    ways |= (uint64_t)(character + 1 == before) << PREVIOUS_CODE_POINT;
    for (size_t i = 0; i < ROW_COUNT; i++) {
        const char32_t *key = find_in_row(rows[i], before);
        if (key == NULL)
            continue;
        ways |= (uint64_t)(key[1] == character) << (STEP_COUNT + 2 * i);
        ways |= (uint64_t)(key > rows[i] && key[-1] == character) << (STEP_COUNT + 2 * i + 1);
    }
    return ways;
}

/* Takes the first code point off valid UTF-8. */
static char32_t take_code_point(struct text *text) {
    static const uint8_t lead_bits[] = { 0x7f, 0x1f, 0x0f, 0x07 };
    uint8_t lead = (uint8_t)text->bytes[0];
    size_t more = (size_t)(lead >= 0xc0) + (lead >= 0xe0) + (lead >= 0xf0);
    char32_t character = lead & lead_bits[more];

    for (size_t i = 1; i <= more; i++)
        character = character << 6 | ((uint8_t)text->bytes[i] & 0x3f);
    text->bytes += more + 1;
    text->len -= more + 1;
    return character;
}

/* Each run is taken as far as it goes: any part of a run is one, so that no other division has fewer. */
bool pattern_is_of_runs(struct text text) {
    size_t characters = 1;
    size_t runs = 1;
    uint64_t ways = UINT64_MAX; /* in which every character of this run has followed the one before */

    if (text.len == 0)
        return false;
    char32_t before = take_code_point(&text);
    while (text.len > 0 && runs <= RUNS_MAX) {
        char32_t character = take_code_point(&text);
        ways &= ways_from(before, character);
        if (ways == 0) {
            runs++;
            ways = UINT64_MAX;
        }
        characters++;
        before = character;
    }
    return runs <= RUNS_MAX && characters >= runs * RUN_AVERAGE_MIN;
}

struct text pattern_unit(struct text text) {
    for (size_t len = 1; len <= UNIT_MAX && len <= text.len / 2; len++)
        if (memcmp(text.bytes, text.bytes + len, text.len - len) == 0)
            return (struct text){ text.bytes, len };
    return (struct text){ NULL, 0 };
}
