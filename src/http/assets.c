#include "jwtd/assets.h"

#include "asset_files.h"
#include "exchange.h"

#include "jwtd/macros.h"
#include "jwtd/reply.h"

#include <string.h>

static const struct asset_file *find(const char *path) {
    for (size_t i = 0; i < asset_files_count; i++)
        if (strcmp(asset_files[i].path, path) == 0)
            return &asset_files[i];
    return NULL;
}

static bool takes_gzip(const struct request *request) {
    static const char *const codings[] = { "*", "gzip" };
    return request_accepts(request, "Accept-Encoding", codings, ARRAY_LEN(codings));
}

static enum step_result add_headers(struct request *request, const struct header_field *fields, size_t count) {
    for (size_t i = 0; i < count; i++) {
        enum status status = reply_header(request, fields[i].name, fields[i].value);
        if (status != STATUS_OK)
            return reply_problem(request, status);
    }
    return STEP_DONE;
}

enum step_result reply_asset(struct request *request) {
    const struct asset_file *file = find(exchange_of(request)->path);
    if (file == NULL)
        return reply_problem(request, STATUS_NOT_FOUND);
    bool is_kept = request_has_tag(request, file->tag), is_gzipped = file->gzipped.len > 0 && takes_gzip(request);
    reply_unless_kept(request, file->tag, file->content_type, is_gzipped ? file->gzipped : file->plain);
    const struct header_field fields[] = {
        { "ETag", file->tag },
        { "Cache-Control", file->is_immutable ? "public, max-age=31536000, immutable" : "no-cache" },
        { "Vary", "Accept-Encoding" },
        { "Content-Encoding", "gzip" },
    };
    return add_headers(request, fields, is_gzipped && !is_kept ? 4 : 3);
}

enum step_result reply_page(struct request *request, const char *policy) {
    /* who has opened the page must not be able to lead it elsewhere while a question of it is open */
    const struct header_field fields[] = { { "Content-Security-Policy", policy },
                                           { "Cross-Origin-Opener-Policy", "same-origin" },
                                           { "Referrer-Policy", "no-referrer" } };
    reply_asset(request);
    return add_headers(request, fields, ARRAY_LEN(fields));
}
