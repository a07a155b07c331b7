/*
 * overload_episode: detects when refusals begin and when they have stopped, so that both are logged once: a line for each refusal
 * would add work under overload. Refusals come in bursts, as places become free: an episode has ended when there was none for
 * QUIET_PERIOD_US.
 *
 * Pure: the caller counts the refusals, writes the log and holds its own lock. Times are of clock_monotonic_us, and above 0.
 */
#ifndef JWTD_OVERLOAD_EPISODE_H
#define JWTD_OVERLOAD_EPISODE_H

#include <stdbool.h>
#include <stdint.h>

#define QUIET_PERIOD_US INT64_C(2000000)

struct overload_episode {
    int64_t since_us; /* the first refusal; 0: there is no episode */
    int64_t last_us;  /* the last */
};

/* Records a refusal. True: an episode begins with it. */
bool overload_episode_note(struct overload_episode *episode, int64_t now_us);

/* True, once for each episode: it has ended. *lasted_us is the time from its first refusal to its last. With INT64_MAX as
 * `now_us` any episode has. */
bool overload_episode_has_ended(struct overload_episode *episode, int64_t now_us, int64_t *lasted_us);

/* The earliest moment at which overload_episode_has_ended can return true; INT64_MAX without an episode. */
int64_t overload_episode_ends_us(const struct overload_episode *episode);

#endif
