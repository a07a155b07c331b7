/*
 * overload_episode: when refusals begin and when they have stopped, so that the log says both once, and nothing in between: a
 * line for each refusal would be one more thing to do under overload. Refusals come in bursts, as places come free: an episode
 * ends when there has been none for QUIET_PERIOD_US.
 *
 * Pure: the caller has the counts, writes the lines, and holds its own lock; time comes in as an argument (clock_monotonic_us).
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

/* A refusal. True: an episode begins with it. */
bool overload_episode_note(struct overload_episode *episode, int64_t now_us);

/* True, once: the episode is over. *lasted_us is the time from its first refusal to its last. With INT64_MAX as `now_us` every
 * episode is. */
bool overload_episode_has_ended(struct overload_episode *episode, int64_t now_us, int64_t *lasted_us);

/* When to ask that at the earliest; INT64_MAX without an episode. */
int64_t overload_episode_ends_us(const struct overload_episode *episode);

#endif
