#include "duration.h"

#include "jwtd/macros.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool duration_parse(const char *text, bool bare, double *seconds) {
    static const struct {
        const char *suffix;
        double seconds;
    } units[] = { { "us", 1e-6 }, { "ms", 1e-3 }, { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "", 1 } };
    size_t count = ARRAY_LEN(units) - (bare ? 0 : 1);
    char *end;
    double value = strtod(text, &end);
    for (size_t i = 0; i < count && end != text; i++) {
        if (strcmp(end, units[i].suffix) != 0)
            continue;
        *seconds = value * units[i].seconds;
        return *seconds > 0 && *seconds <= DURATION_MAX_S;
    }
    return false;
}

#define MINUTES_FROM_S (5 * 60.0)
#define HOURS_FROM_S (5 * 3600.0)
#define NOISE 1e-9 /* of a product that is a whole number but for rounding */

const char *duration_write(double seconds, char text[DURATION_TEXT_SIZE]) {
    double unit = seconds < MINUTES_FROM_S ? 1 : seconds < HOURS_FROM_S ? 60 : 3600;
    const char *suffix = seconds < MINUTES_FROM_S ? "s" : seconds < HOURS_FROM_S ? "m" : "h";
    snprintf(text, DURATION_TEXT_SIZE, "%.0f%s", ceil(seconds / unit - NOISE), suffix);
    return text;
}
