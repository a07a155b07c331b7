#include "command_change.h"

#include "jwtd/change_context.h"

#include <pwd.h>
#include <unistd.h>

const char *command_change(struct arena *arena) {
    const struct passwd *entry = getpwuid(getuid());
    const char *actor =
        entry != NULL ? arena_printf(arena, "shell:%s", entry->pw_name) : arena_printf(arena, "shell:%u", (unsigned)getuid());
    return actor == NULL ? NULL : change_context_text(&(struct change_context){ .actor = actor }, arena);
}
