/* GET /users: one by the e-mail address, those whose address has a prefix, or all; page by page. */
#include "common.h"
#include "page.h"
#include "steps.h"
#include "user_resource.h"

#include "jwtd/email.h"
#include "jwtd/macros.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define CANONICAL_MAX_LEN 1024 /* as the table of users has it */
#define BASE64_LEN(len) (((len)*4 + 2) / 3)

_Static_assert(BASE64_LEN(CANONICAL_MAX_LEN) == USER_CURSOR_MAX_LEN, "the row of the route has room for any cursor");

/*
 * A cursor names the last user of the page before: the id, or, with a prefix, by which the list is in another order, the
 * canonical address. It holds no number of rows, so that nothing is skipped or repeated when users come and go, and nothing that
 * the server would have to keep.
 */
struct listing {
    struct text prefix;    /* as it was sent; {NULL, 0}: none */
    struct text canonical; /* the folded prefix, or the canonical address that is looked for */
    struct text cursor;    /* decoded, NUL-terminated; {NULL, 0}: none */
    unsigned limit;
    bool is_for_email;
    struct found_user found;
    struct user_list list;
};

static const struct reply_member page_members[] = {
    { .name = "users",
      .type = REPLY_ARRAY,
      .schema = &administered_user_reply,
      .description = "With a prefix in the order of their addresses, else from the newest" },
    { .name = "next",
      .type = REPLY_STRING,
      .nullable = true,
      .description = "The cursor of the next page, if there is one",
      .example = EXAMPLE_USERS_CURSOR },
};
const struct reply_schema users_reply = { page_members, ARRAY_LEN(page_members), "UserPage" };

/* ---- the query of the target ---- */

/* libsodium takes every byte above ASCII for one of the alphabet. */
static enum status decode_cursor(struct request *request, struct listing *listing) {
    struct text value = page_parameter(request, "cursor");
    if (value.bytes == NULL)
        return STATUS_OK;
    if (!text_is_made_of(value, TEXT_ALPHANUMERIC "-_", 1, USER_CURSOR_MAX_LEN))
        return STATUS_INVALID_PARAMETER;
    unsigned char *bytes = arena_alloc(request->arena, CANONICAL_MAX_LEN + 1);
    size_t len = 0;
    if (bytes == NULL)
        return STATUS_OUT_OF_MEMORY;
    if (sodium_base642bin(bytes, CANONICAL_MAX_LEN, value.bytes, value.len, NULL, &len, NULL,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
        return STATUS_INVALID_PARAMETER;
    bytes[len] = '\0';
    listing->cursor = (struct text){ (const char *)bytes, len };
    return STATUS_OK;
}

static bool cursor_fits(const struct listing *listing) {
    struct text cursor = listing->cursor, prefix = listing->canonical;
    if (cursor.bytes == NULL)
        return true;
    if (prefix.bytes == NULL)
        return cursor.len == sizeof(struct uuid);
    return cursor.len >= prefix.len && memcmp(cursor.bytes, prefix.bytes, prefix.len) == 0 && text_is_utf8(cursor) &&
           memchr(cursor.bytes, '\0', cursor.len) == NULL;
}

/* STATUS_INVALID_PARAMETER: *wrong names it. */
static enum status read_query(struct request *request, struct listing *listing, const char **wrong) {
    struct text email = page_parameter(request, "email");
    listing->prefix = page_parameter(request, "prefix");
    listing->is_for_email = email.bytes != NULL;
    struct text wanted = listing->is_for_email ? email : listing->prefix;
    *wrong = "limit";
    if (!page_limit(request, USER_PAGE_MAX, &listing->limit))
        return STATUS_INVALID_PARAMETER;
    *wrong = "prefix";
    if (listing->is_for_email && listing->prefix.bytes != NULL)
        return STATUS_INVALID_PARAMETER;
    *wrong = "email";
    if (listing->is_for_email && !email_is_valid(email))
        return STATUS_INVALID_PARAMETER;
    if (wanted.bytes != NULL) {
        listing->canonical = text_fold(request->arena, wanted);
        if (listing->canonical.bytes == NULL)
            return STATUS_OUT_OF_MEMORY;
    }
    *wrong = "cursor";
    enum status status = decode_cursor(request, listing);
    if (status != STATUS_OK)
        return status;
    return (listing->is_for_email ? listing->cursor.bytes == NULL : cursor_fits(listing)) ? STATUS_OK : STATUS_INVALID_PARAMETER;
}

/* One more than the page has shows whether another page follows. */
static enum step_result ask_page(struct request *request, struct db_query *query) {
    struct listing *listing = request->scratch = arena_alloc(request->arena, sizeof *listing);
    if (listing == NULL)
        return reply_problem(request, STATUS_OUT_OF_MEMORY);
    *listing = (struct listing){ .limit = 0 };
    const char *wrong = NULL;
    enum status status = read_query(request, listing, &wrong);
    if (status != STATUS_OK)
        return reply_problem_about(request, status, wrong);
    struct uuid before;
    if (listing->is_for_email) {
        users_find_by_email(query, listing->canonical, &listing->found);
    } else if (listing->canonical.bytes != NULL) {
        user_admin_list_by_prefix(query, listing->canonical.bytes, listing->cursor.bytes, listing->limit + 1, &listing->list);
    } else {
        if (listing->cursor.bytes != NULL)
            memcpy(before.bytes, listing->cursor.bytes, sizeof before.bytes);
        user_admin_list(query, listing->cursor.bytes != NULL ? &before : NULL, listing->limit + 1, &listing->list);
    }
    return STEP_NEXT;
}

/* ---- the page ---- */

/* NULL: out of memory. */
static const char *make_cursor(struct request *request, const struct listing *listing, const struct user *last) {
    struct text position = { (const char *)last->id.bytes, sizeof last->id.bytes };
    if (listing->prefix.bytes != NULL)
        position = email_canonical(request->arena, last->email);
    size_t size = sodium_base64_encoded_len(position.len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    char *cursor = position.bytes != NULL ? arena_alloc(request->arena, size) : NULL;
    return cursor == NULL ? NULL
                          : sodium_bin2base64(cursor, size, (const unsigned char *)position.bytes, position.len,
                                              sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

/* RFC 3986 section 2.1. NULL: out of memory. */
static const char *percent_encode(struct arena *arena, struct text text) {
    char *encoded = arena_alloc(arena, text.len * 3 + 1), *end = encoded;
    for (size_t i = 0; encoded != NULL && i < text.len; i++)
        if (text_is_alphanumeric(text.bytes[i]))
            *end++ = text.bytes[i];
        else
            end += snprintf(end, 4, "%%%02X", (unsigned char)text.bytes[i]);
    if (encoded != NULL)
        *end = '\0';
    return encoded;
}

/* RFC 8288. A reference without a path, so that it leads to the same path on both sides of a proxy. NULL: out of memory. */
static const char *make_link(struct request *request, const struct listing *listing, const char *cursor) {
    const char *prefix = percent_encode(request->arena, listing->prefix);
    if (prefix == NULL)
        return NULL;
    return arena_printf(request->arena, "<?%s%s%slimit=%u&cursor=%s>; rel=\"next\"", prefix[0] != '\0' ? "prefix=" : "", prefix,
                        prefix[0] != '\0' ? "&" : "", listing->limit, cursor);
}

static void write_page(struct json_writer *writer, const struct user_list *list, size_t count, const char *next) {
    json_begin_object(writer);
    json_name(writer, "users");
    json_begin_array(writer);
    for (size_t i = 0; i < count; i++)
        write_administered_user(writer, &list->users[i]);
    json_end_array(writer);
    json_member_string(writer, "next", next);
    json_end_object(writer);
}

static enum step_result show(struct request *request) {
    struct listing *listing = request->scratch;
    struct json_writer writer;
    if (listing->is_for_email)
        listing->list = (struct user_list){ &listing->found.user, listing->found.found ? 1 : 0 };
    json_writer_init(&writer, request->arena);
    if (listing->list.count <= listing->limit) {
        write_page(&writer, &listing->list, listing->list.count, NULL);
        return reply_json(request, 200, &writer);
    }
    const char *cursor = make_cursor(request, listing, &listing->list.users[listing->limit - 1]);
    const char *link = cursor != NULL ? make_link(request, listing, cursor) : NULL;
    if (link == NULL)
        return reply_problem(request, STATUS_OUT_OF_MEMORY);
    write_page(&writer, &listing->list, listing->limit, cursor);
    return reply_json_with_header(request, 200, &writer, "Link", link);
}

const struct step users_show_page = { "show_page", ON_DATABASE, .ask = ask_page, .run = show };
