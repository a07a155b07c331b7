#include "jwtd/overload_episode.h"

#include <assert.h>

bool overload_episode_note(struct overload_episode *episode, int64_t now_us) {
    assert(now_us > 0);
    bool begins = episode->since_us == 0;
    if (begins)
        episode->since_us = now_us;
    episode->last_us = now_us;
    return begins;
}

int64_t overload_episode_ends_us(const struct overload_episode *episode) {
    return episode->since_us != 0 ? episode->last_us + QUIET_PERIOD_US : INT64_MAX;
}

bool overload_episode_has_ended(struct overload_episode *episode, int64_t now_us, int64_t *lasted_us) {
    if (episode->since_us == 0 || now_us < overload_episode_ends_us(episode))
        return false;
    *lasted_us = episode->last_us - episode->since_us;
    *episode = (struct overload_episode){ .since_us = 0 };
    return true;
}
