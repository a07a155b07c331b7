/* asset_files: the files that tools/embed_assets.sh has put into the program. Constant data. */
#ifndef JWTD_HTTP_ASSET_FILES_H
#define JWTD_HTTP_ASSET_FILES_H

#include "jwtd/text.h"

#include <stdbool.h>
#include <stddef.h>

struct asset_file {
    const char *path; /* "/docs", "/docs/docs.0123456789abcdef.css" */
    const char *content_type;
    const char *tag;            /* of the content, weak: the same for both of its forms */
    bool is_immutable;          /* the path names the content; else it is a page */
    struct text plain, gzipped; /* gzipped.len 0: it would not be shorter */
};

extern const struct asset_file asset_files[];
extern const size_t asset_files_count;

#endif
