/*
 * context: what all exchanges of a server share. server.c fills it before the first request and frees it after the last; except
 * for threads and counters it is read only in between.
 */
#ifndef JWTD_HTTP_CONTEXT_H
#define JWTD_HTTP_CONTEXT_H

#include "http_thread.h"
#include "log_gate.h"

#include "jwtd/route.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct delayed_replies;
struct services;
struct streams;

/* For http_server_stop, which waits until no exchange is left, and for the log. */
struct http_counters {
    atomic_uint suspended;           /* exchanges that are */
    atomic_bool suspension_closed;   /* nothing may be suspended any more */
    struct log_gate unread_headers;  /* requests whose header the library could not read */
    struct log_gate refused_origins; /* replies that the page which asked cannot read */
};

struct http_context {
    const struct services *services;
    const struct route *routes;
    size_t route_count;
    enum route_listener listener;            /* whose rows are answered: not LISTENER_BOTH */
    bool refuses_names;                      /* a Host that DNS could lead elsewhere (host.h) is refused */
    struct delayed_replies *delayed_replies; /* NULL: none is delayed */
    struct streams *streams;                 /* NULL: no route has any */
    struct http_threads threads;
    char padding[HTTP_THREAD_CACHE_LINE]; /* between what every request reads and what some write */
    struct http_counters counters;
};

#endif
