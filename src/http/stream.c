#include "jwtd/stream.h"

#include "exchange.h"

#include "jwtd/reply.h"

#include <assert.h>

enum step_result reply_stream(struct request *request, void *state) {
    assert(state != NULL && request->route->stream != NULL);
    reply_bytes(request, 200, route_reply(request->route, 200)->content_type, (struct text){ NULL, 0 });
    /* nginx would keep what it is sent until its buffer is full: a small event for ever */
    enum status status = reply_header(request, "X-Accel-Buffering", "no");
    if (status != STATUS_OK)
        return reply_problem(request, status);
    exchange_of(request)->reply.stream = state;
    return STEP_DONE;
}
