#include "jwtd/email.h"

#include <string.h>

#define LOCAL_MAX_LEN 64
#define LABEL_MAX_LEN 63

/* RFC 6531: what is not ASCII may stand wherever a letter may. */
static bool is_letter_or_digit(char c) {
    return text_is_alphanumeric(c) || (unsigned char)c >= 0x80;
}

/* RFC 5322 section 3.2.3; the check against NUL is needed since strchr finds the end of a string too. */
static bool is_atom_character(char c) {
    return is_letter_or_digit(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool is_local_part(struct text local) {
    if (local.len == 0 || local.len > LOCAL_MAX_LEN || local.bytes[0] == '.' || local.bytes[local.len - 1] == '.')
        return false;
    for (size_t i = 0; i < local.len; i++) {
        bool is_dot = local.bytes[i] == '.';
        if (is_dot ? local.bytes[i + 1] == '.' : !is_atom_character(local.bytes[i]))
            return false;
    }
    return true;
}

static bool is_label(const char *bytes, size_t len) {
    if (len == 0 || len > LABEL_MAX_LEN || bytes[0] == '-' || bytes[len - 1] == '-')
        return false;
    for (size_t i = 0; i < len; i++)
        if (!is_letter_or_digit(bytes[i]) && bytes[i] != '-')
            return false;
    return true;
}

static bool is_domain(struct text domain) {
    size_t start = 0;
    for (size_t i = 0; i <= domain.len; i++) {
        if (i < domain.len && domain.bytes[i] != '.')
            continue;
        if (!is_label(domain.bytes + start, i - start))
            return false;
        start = i + 1;
    }
    return true;
}

bool email_is_valid(struct text email) {
    if (email.len < 3 || email.len > EMAIL_MAX_LEN || !text_is_utf8(email) || !text_is_visible(email))
        return false;
    const char *at = memchr(email.bytes, '@', email.len);
    if (at == NULL)
        return false;
    struct text local = { email.bytes, (size_t)(at - email.bytes) };
    struct text domain = { at + 1, email.len - local.len - 1 };
    return is_local_part(local) && is_domain(domain);
}

struct text email_canonical(struct arena *arena, struct text email) {
    return text_fold(arena, email);
}
