/*
 * The refresh rule of docs/contract.md as a pure function: what tests/unit/test_refresh_model.c explores, and what
 * tests/service/store_refresh.c compares with the statements that run in PostgreSQL. Time has any unit; it comes in as an
 * argument.
 */
#ifndef JWTD_TESTS_REFRESH_RULE_H
#define JWTD_TESTS_REFRESH_RULE_H

#include <stdbool.h>
#include <stdint.h>

struct rule_session {
    uint32_t generation; /* the current one; "used" means presented, so the current one is always unused */
    uint32_t parent;     /* what was presented to get it; 0: nothing, it came with the login */
    unsigned age;        /* since the current generation was made */
    unsigned given;      /* since it was last given out */
    bool is_revoked;
};

enum rule_outcome { RULE_ROTATED, RULE_RETRIED, RULE_REPLACED, RULE_TOO_SOON, RULE_REUSED };

/* After the first three, session->generation is the answer. */
static inline enum rule_outcome refresh_rule(struct rule_session *session, uint32_t presented, unsigned window) {
    if (session->is_revoked)
        return RULE_REUSED;
    if (presented >= session->generation) { /* above: the row has lost it in a failover */
        *session = (struct rule_session){ .generation = presented + 1, .parent = presented };
        return RULE_ROTATED;
    }
    if (presented == session->parent && session->age <= window) {
        session->given = 0;
        return RULE_RETRIED;
    }
    if (presented == session->parent && session->given <= window)
        return RULE_TOO_SOON;
    if (presented == session->parent) {
        *session = (struct rule_session){ .generation = session->generation + 1, .parent = presented };
        return RULE_REPLACED;
    }
    session->is_revoked = true;
    return RULE_REUSED;
}

#endif
