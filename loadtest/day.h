/*
 * day: the traffic of a day: 1.2 million requests with a peak of 180 a second at nine in the morning, as a schedule. A shorter
 * run keeps the rates and shortens the hours: what a service must bear is the peak and how quickly it comes.
 */
#ifndef FAILPOINT_DAY_H
#define FAILPOINT_DAY_H

#include "objective.h"
#include "schedule.h"

#define DAY_PEAK 180.0 /* requests a second */
#define DAY_SECONDS (24.0 * 3600)

/* A day with that peak in so many seconds; returns how many segments. */
size_t day_plan(double peak, double seconds, struct segment segments[SCHEDULE_SEGMENTS]);

double day_requests(const struct segment *segments, size_t count);

/* How long the peak of a day lasts that takes so many seconds. */
double day_peak_s(double seconds);

/*
 * The shortest day that shows whether a service bears the peak. Who is answered last waits for what has come too much, which a
 * short peak keeps under what the objective allows. So the peak must last DAY_PEAK_WAITS times the longest latency that the
 * objective allows (or the timeout, where it names none): then a service that answers nine tenths of the peak or less is found.
 */
#define DAY_PEAK_WAITS 10
double day_least_s(const struct objectives *objectives, double timeout_s);

#endif
