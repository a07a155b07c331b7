#include "direct_reply.h"

#include <assert.h>
#include <stdio.h>
#include <sys/socket.h>

size_t direct_reply_write(char text[DIRECT_REPLY_SIZE], enum status status, bool is_head) {
    const struct status_info *info = status_info(status);
    char body[DIRECT_REPLY_SIZE / 2];
    int body_len =
        snprintf(body, sizeof body, "{\"type\":\"/docs#%s\",\"title\":\"%s\",\"status\":%u,\"detail\":\"%s\",\"code\":\"%s\"}",
                 info->name, info->title, info->http, info->detail, info->name);
    int len = snprintf(text, DIRECT_REPLY_SIZE,
                       "HTTP/1.1 %u %s\r\nConnection: close\r\nCache-Control: no-store\r\n"
                       "X-Content-Type-Options: nosniff\r\nAccess-Control-Allow-Origin: *\r\n"
                       "Access-Control-Expose-Headers: Retry-After\r\n%sContent-Type: application/problem+json\r\n"
                       "Content-Length: %d\r\n\r\n%s",
                       info->http, info->title, info->retry_later ? "Retry-After: 1\r\n" : "", body_len, is_head ? "" : body);
    assert(body_len > 0 && (size_t)body_len < sizeof body && len > 0 && len < DIRECT_REPLY_SIZE);
    return (size_t)len;
}

void direct_reply_send(int fd, enum status status, bool is_head) {
    char text[DIRECT_REPLY_SIZE];
    size_t len = direct_reply_write(text, status, is_head);
    (void)send(fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}
