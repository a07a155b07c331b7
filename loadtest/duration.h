/* duration: a length of time as people write it: "500us", "250ms", "1.5s", "5m", "8h". */
#ifndef FAILPOINT_DURATION_H
#define FAILPOINT_DURATION_H

#include <stdbool.h>

#define DURATION_MAX_S 1e9

/* In seconds, above 0 and at most DURATION_MAX_S. `bare` allows a number without a unit, which then is seconds. */
bool duration_parse(const char *text, bool bare, double *seconds);

/* As an option takes it, and not less than `seconds`: "6s", "16m", "27h". Returns `text`. */
#define DURATION_TEXT_SIZE 32
const char *duration_write(double seconds, char text[DURATION_TEXT_SIZE]);

#endif
