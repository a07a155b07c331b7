#include "openapi_problems.h"

#include "openapi_headers.h"
#include "openapi_schemas.h"
#include "problem.h"

#include "jwtd/macros.h"
#include "jwtd/status.h"
#include "jwtd/violation.h"

#include <assert.h>
#include <string.h>

static const struct reply_member field_problem_members[] = {
    { .name = "pointer",
      .type = REPLY_STRING,
      .description = "The member of the body that it is about (RFC 6901); empty: the body as a whole",
      .example = "/password" },
    { .name = "code", .type = REPLY_STRING, .description = "For programs; more may be added", .example = "too_short" },
    { .name = "detail",
      .type = REPLY_STRING,
      .description = "For people",
      .example = "password must have at least 8 characters" },
    { .name = "min", .type = REPLY_INTEGER, .optional = true, .description = "The least that is allowed", .example = "8" },
    { .name = "max", .type = REPLY_INTEGER, .optional = true, .description = "The most that is allowed", .example = "1024" },
};

static const struct reply_member problem_members[] = {
    { .name = "type",
      .type = REPLY_STRING,
      .description = "Where the code is explained, a URI reference",
      .example = "/docs#not_found" },
    { .name = "title", .type = REPLY_STRING, .description = "What the code means", .example = "Not found" },
    { .name = "status", .type = REPLY_INTEGER, .description = "The HTTP status", .example = "404" },
    { .name = "detail",
      .type = REPLY_STRING,
      .description = "A sentence that a person can act on",
      .example = "There is nothing at this path, or it is not yours." },
    { .name = "code", .type = REPLY_STRING, .description = "For programs; more may be added", .example = "not_found" },
    { .name = "header",
      .type = REPLY_STRING,
      .optional = true,
      .description = "Of invalid_header: the one that is wrong",
      .example = "If-Match" },
    { .name = "parameter",
      .type = REPLY_STRING,
      .optional = true,
      .description = "Of invalid_parameter: the one of the query that is wrong",
      .example = "limit" },
    { .name = "request_id",
      .type = REPLY_STRING,
      .optional = true,
      .description = "Finds the request in the log of the service",
      .example = "0198c0de-7b3a-7000-8000-0000000000ff" },
    { .name = "error",
      .type = REPLY_STRING,
      .optional = true,
      .description = "The code again, where RFC 6749 has it",
      .example = "invalid_client" },
    { .name = "errors",
      .type = REPLY_ARRAY,
      .optional = true,
      .schema = &(const struct reply_schema){ .name = "FieldProblem" },
      .description = "Everything that is wrong with the body" },
};

/* Only their codes are elsewhere, in the tables of statuses and of violations. */
static void write_schema_with_codes(struct json_writer *writer, const char *name, const struct reply_member *members,
                                    size_t count, const char *const *codes) {
    struct reply_member with_codes[ARRAY_LEN(problem_members)];
    assert(count <= ARRAY_LEN(with_codes));
    memcpy(with_codes, members, count * sizeof *members);
    for (size_t i = 0; i < count; i++)
        if (strcmp(members[i].name, "code") == 0)
            with_codes[i].values = codes;
    json_name(writer, name);
    openapi_write_reply_schema(writer, &(struct reply_schema){ with_codes, count, name });
}

void openapi_write_problem_schemas(struct json_writer *writer) {
    const char *codes[STATUS_COUNT] = { NULL }, *field_codes[VIOLATION_COUNT] = { NULL }; /* NULL after the last */
    for (int i = STATUS_OK + 1; i < STATUS_COUNT; i++)
        codes[i - 1] = status_info((enum status)i)->name;
    for (int i = VIOLATION_NONE + 1; i < VIOLATION_COUNT; i++)
        field_codes[i - 1] = violation_info((enum violation)i)->code;
    write_schema_with_codes(writer, "Problem", problem_members, ARRAY_LEN(problem_members), codes);
    write_schema_with_codes(writer, "FieldProblem", field_problem_members, ARRAY_LEN(field_problem_members), field_codes);
}

/* What a problem of the status may be about; NULL: nothing. */
static const char *example_of_subject(enum status status) {
    const struct status_subject *subject = status_subject(status);
    for (size_t i = 0; subject != NULL && i < ARRAY_LEN(problem_members); i++)
        if (strcmp(problem_members[i].name, subject->member) == 0)
            return problem_members[i].example;
    return NULL;
}

/* Two statuses say only in `errors` what is wrong. */
static void write_example(struct json_writer *writer, enum status status, const char *public_url) {
    static const struct field_problem missing = { "/email", VIOLATION_REQUIRED, .detail = "email is missing" };
    json_begin_object(writer);
    problem_write_members(writer, status, example_of_subject(status), public_url, "0198c0de-7b3a-7000-8000-0000000000ff");
    if (status == STATUS_INVALID_BODY || status == STATUS_INVALID_REQUEST)
        problem_write_errors(writer, &missing, 1);
    json_end_object(writer);
}

void openapi_write_problem_examples(struct json_writer *writer, const char *public_url) {
    for (int i = STATUS_OK + 1; i < STATUS_COUNT; i++) {
        json_name(writer, status_info((enum status)i)->name);
        json_begin_object(writer);
        json_member_string(writer, "summary", status_info((enum status)i)->title);
        json_name(writer, "value");
        write_example(writer, (enum status)i, public_url);
        json_end_object(writer);
    }
}

/* ---- of one route with one HTTP status ---- */

struct problem_set openapi_problems_of(const struct route *route, unsigned http_status) {
    struct problem_set set = { .count = 0 };
    for (int i = STATUS_OK + 1; i < STATUS_COUNT; i++) {
        set.has[i] = status_info((enum status)i)->http == http_status && route_may_answer(route, (enum status)i);
        set.count += set.has[i];
    }
    return set;
}

const char *openapi_shared_response(const struct problem_set *problems) {
    for (int i = STATUS_OK + 1; problems->count == 1 && i < STATUS_COUNT; i++)
        if (problems->has[i])
            return status_info((enum status)i)->name;
    return NULL;
}

static void write_codes(struct json_writer *writer, const struct problem_set *problems) {
    json_begin_array(writer);
    for (int i = STATUS_OK + 1; i < STATUS_COUNT; i++)
        if (problems->has[i])
            json_write_string(writer, status_info((enum status)i)->name);
    json_end_array(writer);
}

/* Problem, with the codes that this reply can have. */
static void write_schema(struct json_writer *writer, const struct problem_set *problems) {
    json_begin_object(writer);
    json_name(writer, "allOf");
    json_begin_array(writer);
    openapi_write_reference(writer, "schemas", "Problem");
    json_begin_object(writer);
    json_member_string(writer, "type", "object");
    json_name(writer, "properties");
    json_begin_object(writer);
    json_name(writer, "code");
    json_begin_object(writer);
    json_name(writer, "enum");
    write_codes(writer, problems);
    json_end_object(writer);
    json_end_object(writer);
    json_end_object(writer);
    json_end_array(writer);
    json_end_object(writer);
}

static void write_media_type(struct json_writer *writer, const char *name, const struct problem_set *problems) {
    json_name(writer, name);
    json_begin_object(writer);
    json_name(writer, "schema");
    write_schema(writer, problems);
    json_name(writer, "examples");
    json_begin_object(writer);
    for (int i = STATUS_OK + 1; i < STATUS_COUNT; i++) {
        if (!problems->has[i])
            continue;
        json_name(writer, status_info((enum status)i)->name);
        openapi_write_reference(writer, "examples", status_info((enum status)i)->name);
    }
    json_end_object(writer);
    json_end_object(writer);
}

void openapi_write_problem_content(struct json_writer *writer, const struct problem_set *problems) {
    write_media_type(writer, "application/problem+json", problems);
    if (problems->has[STATUS_INVALID_CLIENT] || problems->has[STATUS_INVALID_REQUEST])
        write_media_type(writer, "application/json", problems);
}

static bool has_retry_after(enum status status) {
    return status_info(status)->retry_later;
}

static bool has_challenge(enum status status) {
    return status_info(status)->http == 401 || status == STATUS_INSUFFICIENT_SCOPE;
}

static unsigned count_of(const struct problem_set *problems, bool (*has_property)(enum status status)) {
    unsigned count = 0;
    for (int i = STATUS_OK + 1; i < STATUS_COUNT; i++)
        count += problems->has[i] && has_property((enum status)i);
    return count;
}

/* A component is of a header that is always there; one that comes with some of the codes only is written in place. */
static void write_problem_header(struct json_writer *writer, const struct problem_set *problems, const char *name,
                                 bool (*has_property)(enum status status)) {
    unsigned count = count_of(problems, has_property);
    if (count == 0)
        return;
    if (count == problems->count) {
        openapi_refer_to_reply_header(writer, name);
        return;
    }
    json_name(writer, name);
    json_write_raw(writer, text_of("{\"description\":\"With some of the codes\",\"schema\":{\"type\":\"string\"}}"));
}

void openapi_write_problem_headers(struct json_writer *writer, const struct problem_set *problems) {
    write_problem_header(writer, problems, "Retry-After", has_retry_after);
    write_problem_header(writer, problems, "WWW-Authenticate", has_challenge);
}
