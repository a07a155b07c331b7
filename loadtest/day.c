#include "day.h"

#include "instant.h"
#include "jwtd/macros.h"

#include <math.h>

/* Requests a second by the hour, with an even change between: a quiet night, everybody at nine, an afternoon, an evening. */
static const struct {
    double hour, rate;
} points[] = { { 0, 2 },   { 5, 1 },   { 7, 6 },  { 8.5, 10 }, { 9, DAY_PEAK }, { 9.25, DAY_PEAK }, { 9.75, 24 },
               { 12, 12 }, { 13, 18 }, { 15, 8 }, { 18, 10 },  { 20, 16 },      { 22, 5 },          { 24, 2 } };

_Static_assert(ARRAY_LEN(points) - 1 <= SCHEDULE_SEGMENTS, "a segment between each two points");

size_t day_plan(double peak, double seconds, struct segment segments[SCHEDULE_SEGMENTS]) {
    double scale = peak / DAY_PEAK, hour = seconds / 24;
    for (size_t i = 0; i + 1 < ARRAY_LEN(points); i++)
        segments[i] = (struct segment){ points[i].rate * scale, points[i + 1].rate * scale,
                                        s_to_ns((points[i + 1].hour - points[i].hour) * hour) };
    return ARRAY_LEN(points) - 1;
}

double day_requests(const struct segment *segments, size_t count) {
    double requests = 0;
    for (size_t i = 0; i < count; i++)
        requests += (segments[i].rate_begin + segments[i].rate_end) / 2 * ns_to_s(segments[i].duration_ns);
    return requests;
}

/* Of the day. */
static double peak_part(void) {
    double hours = 0;
    for (size_t i = 0; i + 1 < ARRAY_LEN(points); i++)
        hours += points[i].rate >= DAY_PEAK && points[i + 1].rate >= DAY_PEAK ? points[i + 1].hour - points[i].hour : 0;
    return hours / 24;
}

double day_peak_s(double seconds) {
    return seconds * peak_part();
}

double day_least_s(const struct objectives *objectives, double timeout_s) {
    double longest = 0;
    for (size_t i = 0; i < objectives->count; i++)
        if (!objectives->items[i].of_errors)
            longest = fmax(longest, ns_to_s(objectives->items[i].limit_ns));
    return DAY_PEAK_WAITS * (longest > 0 ? longest : timeout_s) / peak_part();
}
