/* What is for browsers: /docs, to which the `type` of every problem refers, the way to it, and /admin for administrators. */
#include "steps.h"

#include "jwtd/assets.h"
#include "jwtd/config.h"
#include "jwtd/macros.h"
#include "jwtd/reply.h"

/* What a page loads and calls is this service alone, and no other page may frame it. */
#define OWN_POLICY                                                                                                               \
    "default-src 'none'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "

/* The style sheet of Swagger UI has pictures in it. */
static const char docs_policy[] = OWN_POLICY "style-src 'self'; img-src 'self' data:";

/* No script may make markup out of a text. */
static const char admin_policy[] = OWN_POLICY "style-src 'self'; img-src data:; require-trusted-types-for 'script'";

static enum step_result show_docs(struct request *request) {
    return reply_page(request, docs_policy);
}

/* Programs that ask for no page are told that there is nothing. */
static enum step_result send_to_docs(struct request *request) {
    static const char *const ranges[] = { "text/html" };
    if (!request_accepts(request, "Accept", ranges, ARRAY_LEN(ranges)))
        return reply_problem(request, STATUS_NOT_FOUND);
    reply_empty(request, 303);
    enum status status = reply_header(request, "Location", "docs"); /* relative: a proxy may have all this below a prefix */
    return status == STATUS_OK ? STEP_DONE : reply_problem(request, status);
}

static enum step_result show_admin(struct request *request) {
    return reply_page(request, admin_policy);
}

bool admin_is_enabled(const struct config *config) {
    return config->admin.enabled;
}

bool docs_are_enabled(const struct config *config) {
    return config->docs.enabled;
}

const struct step docs_show = { "show_docs", ON_HTTP, .run = show_docs };
const struct step docs_send = { "send_to_docs", ON_HTTP, .run = send_to_docs };
const struct step admin_show = { "show_admin", ON_HTTP, .run = show_admin };
const struct step asset_show = { "show_asset", ON_HTTP, .run = reply_asset };
