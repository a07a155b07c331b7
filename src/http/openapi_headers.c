#include "openapi_headers.h"

#include "openapi_schemas.h"

#include "jwtd/macros.h"

#include <string.h>

struct described_header {
    const char *name;
    const char *description;
    const char *example;
    bool is_integer;
    bool is_constant; /* of a reply: wherever the document names it, it is there */
    unsigned max_len; /* of a text; 0: no limit of its own */
};

static const struct described_header of_requests[] = {
    { .name = "Idempotency-Key",
      .description =
          "1 to 255 visible ASCII characters, new for each thing to do: what is repeated with it is done once, and gets "
          "the reply of the first",
      .example = "0198c0de-7b3a-7000-8000-0000000000a1",
      .max_len = 255 },
    { .name = "If-Match", .description = "The ETag of what is to be changed, as it was read", .example = "\"7\"" },
    { .name = "If-None-Match",
      .description = "ETags of what is known already: then the reply is 304",
      .example = "\"Qm9keUhhc2g\"" },
    { .name = "Last-Event-ID",
      .description = "The id of the last event that was read: the stream goes on behind it",
      .example = "AZq5vQx7cmOaXkNo" },
};

static const struct described_header of_replies[] = {
    { .name = "Cache-Control",
      .description = "For how long the reply may be kept",
      .example = "public, max-age=300",
      .is_constant = true },
    { .name = "ETag",
      .description = "Changes with the body; of a user, with what administrators can change but not with what the user changes",
      .example = "\"Qm9keUhhc2g\"",
      .is_constant = true },
    { .name = "Link",
      .description = "rel=\"next\" is the next page; missing on the last one",
      .example = "<?limit=20&cursor=AZrK2m9Ac1KZ3n1kF1tQeg>; rel=\"next\"" },
    { .name = "Location", .description = "Where what was made or is wanted is", .example = "/auth/me", .is_constant = true },
    { .name = "RateLimit",
      .description = "What is left of the limit, and seconds until there is more (draft-ietf-httpapi-ratelimit-headers-10)",
      .example = "\"login\";r=19;t=6" },
    { .name = "RateLimit-Policy",
      .description = "The limit: requests in a row, and seconds in which as many are given again",
      .example = "\"login\";q=20;w=120" },
    { .name = "Retry-After",
      .description = "Seconds to wait before the next try",
      .example = "1",
      .is_integer = true,
      .is_constant = true },
    { .name = "WWW-Authenticate",
      .description = "What to authenticate with (RFC 6750 section 3, RFC 7617)",
      .example = "Bearer realm=\"jwtd\"",
      .is_constant = true },
    { .name = "X-Auth-Roles",
      .description = "The roles of the token, separated by commas; - for none",
      .example = "editor,reviewer",
      .is_constant = true },
    { .name = "X-Auth-Session",
      .description = "The session, a UUID",
      .example = "0198c0de-7b3a-7000-8000-000000000002",
      .is_constant = true },
    { .name = "X-Auth-Stale-For",
      .description = "Only while the database is away: for how many seconds what has ended elsewhere is unknown",
      .example = "12",
      .is_integer = true },
    { .name = "X-Auth-Subject",
      .description = "The user, a UUID",
      .example = "0198c0de-7b3a-7000-8000-000000000001",
      .is_constant = true },
    { .name = "X-Request-Id",
      .description = "That of the request, or a new one; it is in the log of the service",
      .example = "0198c0de-7b3a-7000-8000-0000000000ff" },
};

static bool has_name(const struct described_header *headers, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(headers[i].name, name) == 0)
            return true;
    return false;
}

bool openapi_knows_request_header(const char *name) {
    return has_name(of_requests, ARRAY_LEN(of_requests), name);
}

bool openapi_knows_reply_header(const char *name) {
    return has_name(of_replies, ARRAY_LEN(of_replies), name);
}

static void write_schema(struct json_writer *writer, const struct described_header *header) {
    json_member_string(writer, "description", header->description);
    json_name(writer, "schema");
    json_begin_object(writer);
    json_member_string(writer, "type", header->is_integer ? "integer" : "string");
    if (header->max_len > 0)
        json_member_integer(writer, "maxLength", header->max_len);
    json_end_object(writer);
    if (header->is_integer)
        json_member_raw(writer, "example", text_of(header->example));
    else
        json_member_string(writer, "example", header->example);
}

static void write_parameter(struct json_writer *writer, const struct described_header *header, bool is_required) {
    json_begin_object(writer);
    json_member_string(writer, "name", header->name);
    json_member_string(writer, "in", "header");
    if (is_required)
        json_member_boolean(writer, "required", true);
    write_schema(writer, header);
    json_end_object(writer);
}

void openapi_write_header_components(struct json_writer *writer) {
    json_name(writer, "parameters");
    json_begin_object(writer);
    for (size_t i = 0; i < ARRAY_LEN(of_requests); i++) {
        json_name(writer, of_requests[i].name);
        write_parameter(writer, &of_requests[i], false);
    }
    json_end_object(writer);
    json_name(writer, "headers");
    json_begin_object(writer);
    for (size_t i = 0; i < ARRAY_LEN(of_replies); i++) {
        json_name(writer, of_replies[i].name);
        json_begin_object(writer);
        write_schema(writer, &of_replies[i]);
        json_member_boolean(writer, "required", of_replies[i].is_constant);
        json_end_object(writer);
    }
    json_end_object(writer);
}

void openapi_refer_to_reply_header(struct json_writer *writer, const char *name) {
    json_name(writer, name);
    openapi_write_reference(writer, "headers", name);
}

void openapi_refer_to_request_header(struct json_writer *writer, const char *name) {
    openapi_write_reference(writer, "parameters", name);
}

void openapi_write_required_request_header(struct json_writer *writer, const char *name) {
    for (size_t i = 0; i < ARRAY_LEN(of_requests); i++)
        if (strcmp(of_requests[i].name, name) == 0)
            write_parameter(writer, &of_requests[i], true);
}
