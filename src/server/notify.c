#include "notify.h"

#include "jwtd/log.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int send_state(const struct sockaddr_un *address, socklen_t len, const char *state) {
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    ssize_t sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)address, len);
    int error = sent < 0 ? errno : 0;
    close(fd);
    return error;
}

void notify_supervisor(const char *state) {
    const char *name = getenv("NOTIFY_SOCKET");
    if (name == NULL)
        return;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t len = strlen(name);
    int error = EINVAL;
    if ((name[0] == '/' || name[0] == '@') && len > 1 && len < sizeof address.sun_path) {
        memcpy(address.sun_path, name, len);
        if (name[0] == '@')
            address.sun_path[0] = '\0'; /* the length of an abstract name is that of the address */
        error = send_state(&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len), state);
    }
    if (error != 0)
        log_event(LOG_WARN, "notify_failed", "socket=%s error=%s", name, strerrordesc_np(error));
}
