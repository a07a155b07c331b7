/* duration: a length of time as people write it: "500us", "250ms", "1.5s", "5m", "8h". */
#ifndef FAILPOINT_DURATION_H
#define FAILPOINT_DURATION_H

#include <stdbool.h>

#define DURATION_MAX_S 1e9

/* In seconds, above 0 and at most DURATION_MAX_S. `bare` allows a number without a unit, which then is seconds. */
bool duration_parse(const char *text, bool bare, double *seconds);

#endif
