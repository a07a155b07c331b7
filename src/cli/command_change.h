/* command_change: the change context (change_context.h) of a command. Main thread. */
#ifndef JWTD_COMMAND_CHANGE_H
#define JWTD_COMMAND_CHANGE_H

#include "jwtd/arena.h"

/* The actor is "shell:" and the name, or else the number, of the user who runs the command. In the arena; NULL: out of memory. */
const char *command_change(struct arena *arena);

#endif
