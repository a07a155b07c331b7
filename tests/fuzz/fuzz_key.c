/*
 * Key files (algorithm.h: load). The first line of an input is the suffix of the file. A second line "private" or "public" means
 * that the rest is DER, which is written as a PEM block of that name, so that the fuzzer comes behind base64; otherwise the rest
 * is the file.
 *
 * Checked: a file that is refused leaves a reason that names it and nothing in memory; one that is taken has the signature size
 * of its algorithm; what it signs, it verifies, and not with one bit changed; a published key says its kind, and nothing private;
 * a file that others can read has no private or secret key.
 */
#include "fuzz.h"

#include "src/token/algorithm.h"

#include <assert.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PATH "keys/k.suffix"
#define ARENA_LIMIT ((size_t)64 * 1024)

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    struct keyring *ring = fuzz_keyring(); /* libsodium is initialised */
    keyring_destroy(ring);
    return 0;
}

/* As a file reader leaves it: without white space at the end, and never empty. */
static bool fill(struct key_text *text, struct text bytes) {
    while (bytes.len > 0 && strchr(" \t\r\n\v\f", bytes.bytes[bytes.len - 1]) != NULL && bytes.bytes[bytes.len - 1] != '\0')
        bytes.len--;
    if (bytes.len == 0 || bytes.len > KEY_TEXT_MAX)
        return false;
    memcpy(text->bytes, bytes.bytes, bytes.len);
    text->len = bytes.len;
    return true;
}

static bool fill_from_der(struct key_text *text, const char *name, struct text der) {
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes;
    assert(bio != NULL);
    bool written = PEM_write_bio(bio, name, "", (const uint8_t *)der.bytes, (long)der.len) > 0;
    size_t len = written ? (size_t)BIO_get_mem_data(bio, &bytes) : 0;
    bool is_filled = written && fill(text, (struct text){ bytes, len });
    BIO_free(bio);
    return is_filled;
}

static bool read_input(struct text rest, struct key_text *text, const struct algorithm **algorithm) {
    char *suffix = fuzz_string(fuzz_take_line(&rest));
    *algorithm = algorithm_by_suffix(suffix);
    free(suffix);
    struct text behind = rest, line = fuzz_take_line(&behind);
    if (text_equal(line, text_of("private")))
        return fill_from_der(text, "PRIVATE KEY", behind);
    if (text_equal(line, text_of("public")))
        return fill_from_der(text, "PUBLIC KEY", behind);
    return fill(text, rest);
}

static void check_signature(const struct signing_key *key) {
    uint8_t signature[ALGORITHM_SIGNATURE_MAX];
    const struct text message = text_of("header.payload");
    if (!key->can_sign || key->algorithm->sign == NULL)
        return;
    enum status status = key->algorithm->sign(key, message, signature);
    assert(status == STATUS_OK);
    status = key->algorithm->verify(key, message, signature);
    assert(status == STATUS_OK);
    signature[key->signature_size / 2] ^= 1;
    status = key->algorithm->verify(key, message, signature);
    assert(status == STATUS_INVALID_TOKEN);
}

static void check_jwk(const struct signing_key *key) {
    struct arena arena;
    struct json_writer writer;
    assert((key->algorithm->write_jwk == NULL) == (key->bytes != NULL));
    if (key->algorithm->write_jwk == NULL)
        return;
    arena_init(&arena, ARENA_LIMIT);
    json_writer_init(&writer, &arena);
    json_begin_object(&writer);
    bool written = key->algorithm->write_jwk(key, &writer);
    json_end_object(&writer);
    struct text jwk = json_writer_finish(&writer);
    assert(written && fuzz_contains(jwk, text_of("\"kty\":")) && !fuzz_contains(jwk, text_of("\"d\":")) &&
           !fuzz_contains(jwk, text_of("oct")));
    arena_fini(&arena);
}

static void load(const struct algorithm *algorithm, struct key_text *text, mode_t mode) {
    char error[512] = "";
    struct signing_key key = { .kid = "k", .algorithm = algorithm };
    text->mode = S_IFREG | mode;
    bool loaded = algorithm->load(&key, text, (struct key_error){ error, sizeof error });
    if (loaded) {
        assert(key.signature_size >= algorithm->signature_min && key.signature_size <= algorithm->signature_max);
        assert((mode & S_IROTH) == 0 || !key.can_sign);
        check_signature(&key);
        check_jwk(&key);
    } else {
        assert(strncmp(error, PATH ": ", strlen(PATH ": ")) == 0);
    }
    signing_key_release(&key);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct key_text text = { .path = PATH };
    const struct algorithm *algorithm;
    if (len == 0 || !read_input((struct text){ (const char *)bytes, len }, &text, &algorithm) || algorithm == NULL)
        return 0;
    load(algorithm, &text, 0600);
    load(algorithm, &text, 0644);
    return 0;
}
