/*
 * message: the bytes of a request, and the check of its reply: status, shape, tokens. What is constant is made once.
 */
#ifndef FAILPOINT_MESSAGE_H
#define FAILPOINT_MESSAGE_H

#include "actors.h"
#include "fault.h"
#include "response.h"
#include "tally.h"

#define MESSAGE_SIZE ((size_t)16 * 1024)

#define MESSAGE_PIECES 4

/* A body is constant but for what stands between its pieces. */
struct message_piece {
    char *text; /* as JSON */
    int field;  /* enum api_field that follows it; -1: none */
};

struct message_template {
    char *head; /* the request line and the headers that never change */
    struct message_piece pieces[MESSAGE_PIECES];
    size_t pieces_count;
};

struct messages {
    const struct plan *plan;
    struct message_template templates[ENDPOINTS];
};

/* False when memory is exhausted. `plan` is borrowed. */
bool messages_init(struct messages *messages, const struct plan *plan);
void messages_fini(struct messages *messages);

/* The length; 0 when it does not fit. */
size_t message_write(const struct messages *messages, const struct actors *actors, enum endpoint endpoint,
                     const struct actor *actor, char bytes[MESSAGE_SIZE]);

/* The class of a whole reply, and what is wrong with a bad one. Tokens that an ok reply carries go to the actor. */
enum reply_class message_judge(const struct messages *messages, const struct actors *actors, enum endpoint endpoint,
                               const struct response *response, struct actor *actor, int64_t now_ns, enum reply_fault *fault);

#endif
