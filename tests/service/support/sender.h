/* sender: sends many streams, each on a connection of its own and many at a time, and keeps what was answered. */
#ifndef JWTD_TEST_SENDER_H
#define JWTD_TEST_SENDER_H

#include "stream.h"

#define REPLIES_MAX 24
#define REPLY_ID_SIZE 40

struct outcome {
    unsigned wanted; /* replies after which nothing more is waited for; 0: until the server closes, or is silent for a while */
    unsigned replies;
    int statuses[REPLIES_MAX];
    char ids[REPLIES_MAX][REPLY_ID_SIZE]; /* X-Request-Id of each, "" for none */
};

void sender_run(int port, struct stream *streams, struct outcome *outcomes, size_t count);

#endif
