#include "jwtd/violation.h"

#include "jwtd/macros.h"

#include <assert.h>

static const struct violation_info table[] = {
    [VIOLATION_NONE] = { "", "" },
    [VIOLATION_REQUIRED] = { "required", "The member is missing." },
    [VIOLATION_WRONG_TYPE] = { "wrong_type", "The value is of another JSON type than the member has; null is no value." },
    [VIOLATION_TOO_SHORT] = { "too_short", "The value is shorter than the entry's min, which counts characters." },
    [VIOLATION_TOO_LONG] = { "too_long", "The value is longer than the entry's max, which counts bytes of UTF-8." },
    [VIOLATION_CONTAINS_NUL] = { "contains_nul", "The value contains the character U+0000." },
    [VIOLATION_CONTROL_CHARACTER] = { "control_character",
                                      "The value contains a control character, a tab or the end of a line among "
                                      "them." },
    [VIOLATION_INVALID_EMAIL] = { "invalid_email", "The value is not an e-mail address. Blanks around it do not matter." },
    [VIOLATION_EMAIL_TAKEN] = { "email_taken", "Another account has this e-mail address." },
    [VIOLATION_WRONG_PASSWORD] = { "wrong_password", "The value is not the current password of the user." },
    [VIOLATION_INVALID_ROLE] = { "invalid_role",
                                 "An element of the array is no role: 1 to 64 of A-Z a-z 0-9 . _ : -, of which the first "
                                 "is a letter, a digit or _." },
    [VIOLATION_UNCHANGED] = { "unchanged", "The new password is the present one." },
    [VIOLATION_TOO_COMMON] = { "too_common", "The new password is one of the first that an attacker tries: a common one, a "
                                             "row of keys, or a repetition of either." },
    [VIOLATION_CONTAINS_EMAIL] = { "contains_email", "The new password contains the part of the e-mail address before the @, "
                                                     "which has four characters or more." },
    [VIOLATION_CONTAINS_SERVICE] = { "contains_service", "The new password contains the name of the service." },
};

_Static_assert(ARRAY_LEN(table) == VIOLATION_COUNT, "every violation has its row");

const struct violation_info *violation_info(enum violation violation) {
    assert(violation > VIOLATION_NONE && violation < VIOLATION_COUNT);
    return &table[violation];
}
