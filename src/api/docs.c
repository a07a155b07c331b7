/* The page to which the `type` of every problem links. */
#include "steps.h"

#include "jwtd/config.h"
#include "jwtd/reply.h"
#include "jwtd/status.h"

#include <stdio.h>

#define PAGE_SIZE ((size_t)16 * 1024)

static const char head[] = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>jwtd: error codes</title>"
                           "<meta name=\"viewport\" content=\"width=device-width\">"
                           "<style>body{font:1rem/1.5 system-ui;max-width:40rem;margin:2rem auto;padding:0 1rem;"
                           "color-scheme:light dark}code{font-size:1.1em}</style><h1>Error codes</h1>";

/* Every text comes from the table of statuses, which holds nothing that HTML would need escaped. */
static enum step_result show(struct request *request) {
    char *page = arena_alloc(request->arena, PAGE_SIZE);
    if (page == NULL)
        return reply_problem(request, STATUS_OUT_OF_MEMORY);
    int len = snprintf(page, PAGE_SIZE, "%s", head);
    for (int status = STATUS_OK + 1; status < STATUS_COUNT && len >= 0 && (size_t)len < PAGE_SIZE; status++) {
        const struct status_info *info = status_info((enum status)status);
        len += snprintf(page + len, PAGE_SIZE - (size_t)len, "<h2 id=\"%s\"><code>%s</code></h2><p>%u %s. %s%s</p>", info->name,
                        info->name, info->http, info->title, info->detail, info->retry_later ? " Carries Retry-After." : "");
    }
    return reply_bytes(request, 200, "text/html; charset=utf-8", text_of(page));
}

bool docs_are_enabled(const struct config *config) {
    return config->docs.enabled;
}

const struct step docs_show = { "show", ON_HTTP, .run = show };
