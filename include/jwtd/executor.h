/* executor: where a step of a request runs. */
#ifndef JWTD_EXECUTOR_H
#define JWTD_EXECUTOR_H

enum executor {
    ON_HTTP,     /* at once, on the thread that owns the request, unless that hashes: cheap, never blocks */
    ON_DATABASE, /* request->db is set */
    ON_CRYPTO,   /* request->hasher is set; at low priority: takes no lock that HTTP threads take, except its pool's, which they
                    take to admit */
    ON_DISPATCH, /* of no step: where a request continues after ON_CRYPTO */
    EXECUTOR_COUNT
};

#endif
