/* db_errors: what an SQLSTATE means to the caller, and whether running the statement again can help. Pure data. */
#ifndef JWTD_STORE_DB_ERRORS_H
#define JWTD_STORE_DB_ERRORS_H

#include "jwtd/status.h"

enum db_remedy {
    REMEDY_NONE,      /* return the status; the connection is usable */
    REMEDY_RETRY,     /* run the statement again: it did nothing */
    REMEDY_RUN_ALONE, /* the same; another one of the same round trip has failed. Of no SQLSTATE */
    REMEDY_RECONNECT  /* run it again on another connection: its outcome is unknown, and it is idempotent */
};

struct db_error {
    enum status status;
    enum db_remedy remedy;
};

/* Of an SQLSTATE of five characters; NULL or "" is a lost connection. */
struct db_error db_classify_sqlstate(const char *sqlstate);

#endif
