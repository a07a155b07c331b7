#include "token_check.h"

enum status token_open(struct text token, struct token_parts *parts, struct token_header *header) {
    if (token.len == 0 || token.len > ACCESS_TOKEN_MAX_LEN || !token_split(token, parts))
        return STATUS_INVALID_TOKEN;
    return token_read_header(parts, header);
}

enum status token_check(const struct token_parts *parts, const struct token_header *header, const struct signing_key *key,
                        const struct token_rules *rules, struct token_claims *claims) {
    if (key->algorithm != header->algorithm || key->signature_size != parts->signature_size)
        return STATUS_INVALID_TOKEN;
    enum status status = key->algorithm->verify(key, parts->signed_text, parts->signature);
    return status == STATUS_OK ? claims_read(rules, parts->payload, claims) : status;
}
