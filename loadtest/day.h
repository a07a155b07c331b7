/*
 * day: the traffic of a day: 1.2 million requests with a peak of 180 a second at nine in the morning, as a schedule. A shorter
 * run keeps the rates and shortens the hours: what a service must bear is the peak and how quickly it comes.
 */
#ifndef FAILPOINT_DAY_H
#define FAILPOINT_DAY_H

#include "schedule.h"

#define DAY_PEAK 180.0            /* requests a second */
#define DAY_PEAK_PART (0.25 / 24) /* of the day that the peak lasts */
#define DAY_SECONDS (24.0 * 3600)

/* A day with that peak in so many seconds; returns how many segments. */
size_t day_plan(double peak, double seconds, struct segment segments[SCHEDULE_SEGMENTS]);

double day_requests(const struct segment *segments, size_t count);

#endif
