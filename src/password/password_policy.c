#include "jwtd/password_policy.h"

#include "common_passwords.h"
#include "jwtd/hasher.h"
#include "jwtd/macros.h"
#include "patterns.h"

#include <string.h>

/* What is repeated counts once: a unit that is shorter than any password may be is too short, however often it is repeated. */
#define UNIT_MIN_CODE_POINTS 8

/* A shorter part of an address or name is found in good passwords by chance. */
#define CONTEXT_MIN_CODE_POINTS 4

static const char program_name[] = "jwtd";

static const struct {
    enum violation violation;
    const char *detail; /* NULL: it has a number */
} verdicts[PASSWORD_VERDICT_COUNT] = {
    [PASSWORD_ACCEPTED] = { VIOLATION_NONE, "can be used" },
    [PASSWORD_TOO_SHORT] = { VIOLATION_TOO_SHORT, NULL },
    [PASSWORD_TOO_LONG] = { VIOLATION_TOO_LONG, NULL },
    [PASSWORD_TOO_COMMON] = { VIOLATION_TOO_COMMON, "is one of the first that an attacker tries: choose another" },
    [PASSWORD_CONTAINS_EMAIL] = { VIOLATION_CONTAINS_EMAIL, "contains the name in the e-mail address: choose another" },
    [PASSWORD_CONTAINS_SERVICE] = { VIOLATION_CONTAINS_SERVICE, "contains the name of this service: choose another" },
    [PASSWORD_OUT_OF_MEMORY] = { VIOLATION_NONE, "could not be checked: try again later" },
};

enum violation password_verdict_violation(enum password_verdict verdict) {
    return verdicts[verdict].violation;
}

const char *password_verdict_detail(const struct password_policy *policy, enum password_verdict verdict, struct arena *arena) {
    if (verdict == PASSWORD_TOO_SHORT)
        return arena_printf(arena, "must have at least %u characters: choose for example several words", policy->min_length);
    if (verdict == PASSWORD_TOO_LONG)
        return arena_printf(arena, "must have at most %d bytes", PASSWORD_MAX_LEN);
    return verdicts[verdict].detail;
}

/* ---- what is common ---- */

static int compare(struct text a, struct text b) {
    int order = memcmp(a.bytes, b.bytes, a.len < b.len ? a.len : b.len);

    if (order != 0 || a.len == b.len)
        return order;
    return a.len < b.len ? -1 : 1;
}

/* The word that the byte at `offset` belongs to. */
static struct text word_around(size_t offset) {
    size_t begin = offset;
    size_t end = offset;

    while (begin > 0 && common_passwords[begin - 1] != '\n')
        begin--;
    while (common_passwords[end] != '\n')
        end++;
    return (struct text){ common_passwords + begin, end - begin };
}

static bool is_listed(struct text folded) {
    size_t low = 0; /* both are where a word begins, or the end */
    size_t high = common_passwords_len;

    while (low < high) {
        struct text word = word_around(low + (high - low) / 2);
        size_t begin = (size_t)(word.bytes - common_passwords);
        int order = compare(folded, word);
        if (order == 0)
            return true;
        if (order < 0)
            high = begin;
        else
            low = begin + word.len + 1;
    }
    return false;
}

static bool is_common(struct text folded) {
    struct text unit = pattern_unit(folded);

    if (is_listed(folded) || pattern_is_of_runs(folded))
        return true;
    return unit.bytes != NULL && (text_code_points(unit) < UNIT_MIN_CODE_POINTS || is_listed(unit) || pattern_is_of_runs(unit));
}

/* ---- names that belong to the account ---- */

static struct text local_part(struct text email) {
    const char *at = email.len == 0 ? NULL : memrchr(email.bytes, '@', email.len);

    return at == NULL ? email : (struct text){ email.bytes, (size_t)(at - email.bytes) };
}

static bool contains(struct text text, struct text part) {
    return memmem(text.bytes, text.len, part.bytes, part.len) != NULL;
}

/* `folded` is the password. Returns `verdict` if it contains the name. */
static enum password_verdict check_name(struct arena *arena, struct text folded, struct text name,
                                        enum password_verdict verdict) {
    if (text_code_points(name) < CONTEXT_MIN_CODE_POINTS)
        return PASSWORD_ACCEPTED;
    struct text folded_name = text_fold(arena, name);
    if (folded_name.bytes == NULL)
        return PASSWORD_OUT_OF_MEMORY;
    return contains(folded, folded_name) ? verdict : PASSWORD_ACCEPTED;
}

enum password_verdict password_check_policy(const struct password_policy *policy, struct arena *arena, struct text password,
                                            struct text email) {
    const struct {
        struct text name;
        enum password_verdict verdict;
    } names[] = {
        { local_part(email), PASSWORD_CONTAINS_EMAIL },
        { policy->service_name, PASSWORD_CONTAINS_SERVICE },
        { text_of(program_name), PASSWORD_CONTAINS_SERVICE },
    };

    if (password.len > PASSWORD_MAX_LEN)
        return PASSWORD_TOO_LONG;
    if (password.len == 0 || text_code_points(password) < policy->min_length)
        return PASSWORD_TOO_SHORT;
    struct text folded = text_fold(arena, password);
    if (folded.bytes == NULL)
        return PASSWORD_OUT_OF_MEMORY;
    if (is_common(folded))
        return PASSWORD_TOO_COMMON;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        enum password_verdict verdict = check_name(arena, folded, names[i].name, names[i].verdict);
        if (verdict != PASSWORD_ACCEPTED)
            return verdict;
    }
    return PASSWORD_ACCEPTED;
}
