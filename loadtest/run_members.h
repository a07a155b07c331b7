/*
 * run_members: the structures of a record as tables of their members, by which run_json.c writes and reads them. A table ends
 * with a row without a name. Lists and counts are in no table.
 */
#ifndef FAILPOINT_RUN_MEMBERS_H
#define FAILPOINT_RUN_MEMBERS_H

#include "names.h"

#include <stdbool.h>
#include <stddef.h>

enum member_kind {
    MEMBER_NUMBER, /* a double */
    MEMBER_WHOLE,  /* an int */
    MEMBER_TEXT,
    MEMBER_FLAG,
    MEMBER_ENUM, /* by name */
    MEMBER_STRUCT
};

struct member {
    const char *name;
    enum member_kind kind;
    size_t offset, size;
    const struct member *members; /* of a struct; a row without a name ends them */
    const struct names *names;    /* of an enum */
    bool is_later;                /* came after the first records: one without it has 0, false or an empty text */
};

extern const struct member run_members[];    /* of struct run */
extern const struct member step_members[];   /* of struct run_step */
extern const struct member second_members[]; /* of struct run_second */
extern const struct member trend_members[];  /* of struct run_trend */
extern const struct member metric_members[]; /* of struct metric */

#endif
