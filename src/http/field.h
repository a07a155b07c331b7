/*
 * field: reads the value of one field of a request's body, as its row of the schema says, and says what is wrong with it. Pure
 * functions; any thread.
 */
#ifndef JWTD_HTTP_FIELD_H
#define JWTD_HTTP_FIELD_H

#include "jwtd/arena.h"
#include "jwtd/json.h"
#include "jwtd/route.h"
#include "jwtd/text.h"
#include "jwtd/violation.h"

#include <stdbool.h>
#include <stddef.h>

/* What is wrong with a value. */
struct finding {
    enum violation violation; /* VIOLATION_NONE: nothing */
    const char *detail;       /* behind the name of the field */
    size_t min, max;
    bool is_out_of_memory;
};

extern const struct finding finding_none, finding_missing;

struct finding finding_longer_than(struct arena *arena, size_t max);

/* Writes the value to `target`, of the type that enum field_type says. A text is copied into the arena, since the parsed body is
 * freed before the steps run. `value` is NULL for null. */
struct finding field_read_json(struct arena *arena, const struct field *field, const struct json *value, void *target);

/* The same with a value of a form, which is always a text, and borrowed. */
struct finding field_read_form(struct arena *arena, const struct field *field, struct text value, void *target);

/* The longest value of a text, in bytes; 0: the field is no text. */
size_t field_max_len(const struct field *field);

#endif
