/* executor: where a step of a request runs. */
#ifndef JWTD_EXECUTOR_H
#define JWTD_EXECUTOR_H

enum executor {
    ON_HTTP,     /* at once, on the HTTP thread of the request: cheap, never blocks */
    ON_DATABASE, /* the statement that it asks; its halves run on the HTTP thread */
    ON_CRYPTO,   /* request->hasher is set; at low priority: takes no lock that HTTP threads take, except its pool's, which they
                    take to admit */
    ON_DISPATCH, /* of no step: returns requests from ON_CRYPTO to their HTTP threads */
    EXECUTOR_COUNT
};

/* "http", "database", "crypto", "dispatch": of its pool, in the log, in spans and as a label of metrics, where
 * METRIC_SET_EXECUTOR has all but the first, on which nothing waits. */
const char *executor_name(enum executor executor);

#endif
