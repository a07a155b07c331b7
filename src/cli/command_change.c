#include "command_change.h"

#include "jwtd/change_context.h"

#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

/* Not getpwuid: glibc's name service aborts when it runs out of memory, and may ask the network. NULL: the user is not in the
 * file. */
static const char *name_of(uid_t uid, struct arena *arena) {
    FILE *file = fopen("/etc/passwd", "re");
    const struct passwd *entry;
    const char *actor = NULL;
    while (file != NULL && (entry = fgetpwent(file)) != NULL) {
        if (entry->pw_uid != uid)
            continue;
        actor = arena_printf(arena, "shell:%s", entry->pw_name);
        break;
    }
    if (file != NULL)
        (void)fclose(file);
    return actor;
}

const char *command_change(struct arena *arena) {
    uid_t uid = getuid();
    const char *actor = name_of(uid, arena);
    if (actor == NULL)
        actor = arena_printf(arena, "shell:%u", (unsigned)uid);
    return actor == NULL ? NULL : change_context_text(&(struct change_context){ .actor = actor }, arena);
}
