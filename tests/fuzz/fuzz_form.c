/*
 * Form bodies (src/http/form.h). Checked: what is accepted has parameters of distinct names, all UTF-8 without NUL; each is found
 * by its name unless it is empty; and encoded again, each byte in three, it reads the same.
 */
#include "fuzz.h"

#include "src/http/form.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX 4096
#define ARENA_LIMIT ((size_t)1024 * 1024)

static void check_parameters(const struct form *form) {
    assert(form->count <= FORM_PARAMETERS_MAX);
    for (size_t i = 0; i < form->count; i++) {
        struct text name = form->parameters[i].name, value = form->parameters[i].value;
        assert(text_is_utf8(name) && strlen(name.bytes) == name.len);
        assert(text_is_utf8(value) && strlen(value.bytes) == value.len);
        struct text found = form_value(form, name.bytes);
        assert(value.len == 0 ? found.bytes == NULL : found.bytes == value.bytes);
        for (size_t j = 0; j < i; j++)
            assert(!text_equal(form->parameters[j].name, name));
    }
}

static void encode(FILE *out, struct text text) {
    for (size_t i = 0; i < text.len; i++)
        fprintf(out, "%%%02X", (unsigned char)text.bytes[i]);
}

static void print(const void *context, FILE *out) {
    const struct form *form = context;
    for (size_t i = 0; i < form->count; i++) {
        fputs(i > 0 ? "&" : "", out);
        encode(out, form->parameters[i].name);
        fputc('=', out);
        encode(out, form->parameters[i].value);
    }
}

static void check_again(struct arena *arena, const struct form *form) {
    struct form again;
    char *encoded = fuzz_printed(print, form);
    assert(form_parse(arena, text_of(encoded), &again) == STATUS_OK);
    assert(again.count == form->count);
    for (size_t i = 0; i < form->count; i++) {
        assert(text_equal(again.parameters[i].name, form->parameters[i].name));
        assert(text_equal(again.parameters[i].value, form->parameters[i].value));
    }
    free(encoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct arena arena;
    struct form form;
    if (len > BODY_MAX)
        return 0;
    char *copy = fuzz_string((struct text){ (const char *)bytes, len }); /* so that a read behind its end is found */
    arena_init(&arena, ARENA_LIMIT);
    enum status status = form_parse(&arena, (struct text){ copy, len }, &form);
    assert(status == STATUS_OK || status == STATUS_INVALID_REQUEST);
    if (status == STATUS_OK) {
        check_parameters(&form);
        check_again(&arena, &form);
    }
    arena_fini(&arena);
    free(copy);
    return 0;
}
