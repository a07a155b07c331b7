#include "jwtd/change_context.h"

#include "jwtd/json_writer.h"

static void write_member(struct json_writer *writer, const char *name, struct text value) {
    if (value.bytes != NULL)
        json_member_text(writer, name, value);
}

const char *change_context_text(const struct change_context *context, struct arena *arena) {
    struct json_writer writer;
    json_writer_init(&writer, arena);
    json_begin_object(&writer);
    write_member(&writer, "actor", text_of(context->actor));
    write_member(&writer, "session", text_of(context->session));
    write_member(&writer, "ip", text_of(context->ip));
    write_member(&writer, "user_agent", context->user_agent);
    write_member(&writer, "request_id", text_of(context->request_id));
    write_member(&writer, "key", text_of(context->key));
    write_member(&writer, "fingerprint", text_of(context->fingerprint));
    json_end_object(&writer);
    return json_writer_finish(&writer).bytes;
}
