#include "service_access.h"

#include "exchange.h"
#include "form.h"

#include "jwtd/service_credentials.h"
#include "jwtd/snapshot.h"

#include <sodium.h>
#include <string.h>

/* Of the decoded base64: each byte of name and secret may be encoded in three. More is no credential. */
#define CREDENTIALS_MAX (3 * (SERVICE_NAME_MAX_LEN + SERVICE_SECRET_LEN) + 1)

struct credentials {
    struct text name, secret;
};

/* {NULL, 0}: another scheme, or none. The scheme's name is case-insensitive (RFC 9110 section 11.1). */
static struct text basic_value(const struct exchange *exchange) {
    struct text value = request_header(&exchange->request, "Authorization");
    struct text scheme = text_of("Basic ");
    if (value.len < scheme.len || !text_equal_ignoring_case((struct text){ value.bytes, scheme.len }, scheme))
        return (struct text){ NULL, 0 };
    struct text encoded = { value.bytes + scheme.len, value.len - scheme.len };
    while (encoded.len > 0 && encoded.bytes[0] == ' ') {
        encoded.bytes++;
        encoded.len--;
    }
    while (encoded.len > 0 && text_is_blank(encoded.bytes[encoded.len - 1]))
        encoded.len--;
    return encoded;
}

static bool is_ascii(struct text text) {
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.bytes[i] > 0x7f)
            return false;
    return true;
}

/* STATUS_BAD_REQUEST: they have not the form of credentials. */
static enum status read_credentials(struct arena *arena, struct text encoded, struct credentials *credentials) {
    char *bytes = arena_alloc(arena, CREDENTIALS_MAX);
    size_t len;
    if (bytes == NULL)
        return STATUS_OUT_OF_MEMORY;
    /* libsodium 1.0.18 takes every byte from 0x80 up for a character of base64 */
    if (!is_ascii(encoded) || sodium_base642bin((unsigned char *)bytes, CREDENTIALS_MAX, encoded.bytes, encoded.len, NULL, &len,
                                                NULL, sodium_base64_VARIANT_ORIGINAL) != 0)
        return STATUS_BAD_REQUEST;
    struct text secret = { bytes, len };
    struct text name = form_take_until(&secret, ':');
    if (name.len == len)
        return STATUS_BAD_REQUEST; /* there is no colon */
    enum status status = form_decode(arena, name, &credentials->name);
    return status == STATUS_OK ? form_decode(arena, secret, &credentials->secret) : status;
}

enum status service_access_check(struct exchange *exchange) {
    struct request *request = &exchange->request;
    if (request->route->access != ACCESS_SERVICE)
        return STATUS_OK;
    struct credentials credentials = { .name = { "", 0 }, .secret = { "", 0 } };
    struct text encoded = basic_value(exchange);
    enum status status = encoded.len > 0 ? read_credentials(request->arena, encoded, &credentials) : STATUS_BAD_REQUEST;
    if (status == STATUS_OUT_OF_MEMORY)
        return status;
    if (status != STATUS_OK)
        return STATUS_INVALID_CLIENT;
    const char *name = service_credentials_check(request->snapshot->services, credentials.name, credentials.secret);
    if (name == NULL)
        return STATUS_INVALID_CLIENT;
    /* a copy, since a token of a new key replaces the snapshot */
    request->service = arena_copy(request->arena, name, strlen(name));
    return request->service != NULL ? STATUS_OK : STATUS_OUT_OF_MEMORY;
}
