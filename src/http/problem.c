#include "problem.h"

#include <assert.h>
#include <stdio.h>

#define TYPE_SIZE 320 /* server.public_url has 255 characters at most */
#define DETAIL_SIZE 192

static void write_error(struct json_writer *writer, const struct field_problem *problem) {
    json_begin_object(writer);
    json_member_string(writer, "pointer", problem->pointer);
    json_member_string(writer, "code", violation_info(problem->violation)->code);
    json_member_string(writer, "detail", problem->detail);
    if (problem->min > 0)
        json_member_integer(writer, "min", (int64_t)problem->min);
    if (problem->max > 0)
        json_member_integer(writer, "max", (int64_t)problem->max);
    json_end_object(writer);
}

void problem_write_errors(struct json_writer *writer, const struct field_problem *problems, size_t count) {
    json_name(writer, "errors");
    json_begin_array(writer);
    for (size_t i = 0; i < count; i++)
        write_error(writer, &problems[i]);
    json_end_array(writer);
}

/* Names are those of routes' rows: short ones. */
static const char *write_detail(char detail[DETAIL_SIZE], const char *name, const struct status_subject *subject) {
    int len = snprintf(detail, DETAIL_SIZE, "%s %s", name, subject->detail);
    assert(len > 0 && len < DETAIL_SIZE);
    return detail;
}

void problem_write_members(struct json_writer *writer, enum status status, const char *subject, const char *public_url,
                           const char *request_id) {
    const struct status_info *info = status_info(status);
    const struct status_subject *about = subject != NULL ? status_subject(status) : NULL;
    const struct status_member *member = status_member(status);
    char type[TYPE_SIZE], detail[DETAIL_SIZE];
    int len = snprintf(type, sizeof type, "%s/docs#%s", public_url, info->name);
    assert(len > 0 && len < TYPE_SIZE);
    json_member_string(writer, "type", type);
    json_member_string(writer, "title", info->title);
    json_member_integer(writer, "status", info->http);
    json_member_string(writer, "detail", about != NULL ? write_detail(detail, subject, about) : info->detail);
    json_member_string(writer, "code", info->name);
    if (about != NULL)
        json_member_string(writer, about->member, subject);
    if (status_is_oauth_error(status))
        json_member_string(writer, "error", info->name);
    json_member_string(writer, "request_id", request_id);
    if (member != NULL)
        problem_write_errors(
            writer, &(struct field_problem){ .pointer = member->pointer, .violation = member->violation, .detail = info->detail },
            1);
}
