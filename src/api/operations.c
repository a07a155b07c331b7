/* What the operator's listener answers beside /health. */
#include "steps.h"

#include "jwtd/reply.h"
#include "jwtd/version.h"

static enum step_result show_metrics(struct request *request) {
    static const char text[] = "# HELP jwtd_build_info The program; always 1.\n"
                               "# TYPE jwtd_build_info gauge\n"
                               "jwtd_build_info{version=\"" JWTD_VERSION "\"} 1\n";
    return reply_bytes(request, 200, "text/plain; version=0.0.4; charset=utf-8", (struct text){ text, sizeof text - 1 });
}

const struct step metrics_show = { "metrics", ON_HTTP, .run = show_metrics };
