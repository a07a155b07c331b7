/*
 * gauges: the metrics that are read from the parts of the server at each scrape (metrics.h): queues, database, revocations, keys,
 * audit, reloads, and the process. Main thread; what is read is safe from the scrape's.
 */
#ifndef JWTD_GAUGES_H
#define JWTD_GAUGES_H

#include <stdbool.h>

struct services;

/* Borrows the services, all of which have been created, until gauges_stop. */
void gauges_start(struct services *services);
void gauges_stop(void); /* also when they were not started */

/* The outcome of a reload of the configuration. Any thread. */
void gauges_note_reload(bool is_good);

#endif
