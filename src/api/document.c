/* GET /openapi.json: public, so scripts of every origin may read it. */
#include "steps.h"

#include "jwtd/openapi.h"
#include "jwtd/reply.h"
#include "jwtd/services.h"

/* It changes with a new version only, and with its tag asking again is cheap. */
#define FRESH "public, max-age=60"

static enum step_result show(struct request *request) {
    const struct openapi *openapi = request->services->openapi;
    reply_unless_kept(request, openapi_tag(openapi), "application/json", openapi_text(openapi));
    enum status status = reply_header(request, "Cache-Control", FRESH);
    if (status == STATUS_OK)
        status = reply_header(request, "ETag", openapi_tag(openapi));
    if (status == STATUS_OK)
        status = reply_allow_any_origin(request);
    return status == STATUS_OK ? STEP_DONE : reply_problem(request, status);
}

const struct step openapi_show = { "show", ON_HTTP, .run = show };
