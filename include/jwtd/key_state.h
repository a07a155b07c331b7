/*
 * key_state: the ids, the states and the times of keys, as keys.conf has them. src/token/key_states.h says what the states mean.
 * Any thread.
 */
#ifndef JWTD_KEY_STATE_H
#define JWTD_KEY_STATE_H

#include "jwtd/status.h"
#include "jwtd/text.h"

#include <stdbool.h>
#include <stdint.h>

#define KID_MAX_LEN 64
#define KEY_TIME_SIZE sizeof "2026-11-21T21:35:00Z"

enum key_state { KEY_STANDBY, KEY_ACTIVE, KEY_RETIRING, KEY_REVOKED };

/* Whether it can be the id of a key: 1 to KID_MAX_LEN of A-Z a-z 0-9 . _ -. So it is no path. */
bool kid_is_valid(struct text kid);

const char *key_state_name(enum key_state state);

/* The state of a name; false if there is none. */
bool key_state_by_name(struct text name, enum key_state *state) MUST_CHECK;

/* Writes the time in UTC, to the second; returns `text`, which is empty for a year after 9999. */
const char *key_time_text(int64_t time_s, char text[KEY_TIME_SIZE]);

/* Reads what key_time_text writes. False: it is written in another way, or there is no such time. */
bool key_time_read(struct text text, int64_t *time_s) MUST_CHECK;

#endif
