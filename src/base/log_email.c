#include "jwtd/log.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static _Atomic(enum log_emails) shown = LOG_MASKED_EMAILS;

void log_set_emails(enum log_emails emails) {
    atomic_store_explicit(&shown, emails, memory_order_relaxed);
}

static int shown_len(struct text part) {
    uint32_t code_point;
    size_t len = text_code_point(part, &code_point);
    return len < part.len ? (int)len : 0;
}

const char *log_email(struct text email, char text[LOG_EMAIL_SIZE]) {
    assert(email.len < LOG_EMAIL_SIZE);
    struct text domain = email, local = text_take_until(&domain, '@');
    if (atomic_load_explicit(&shown, memory_order_relaxed) == LOG_WHOLE_EMAILS)
        (void)snprintf(text, LOG_EMAIL_SIZE, "%.*s", (int)email.len, email.bytes);
    else
        (void)snprintf(text, LOG_EMAIL_SIZE, "%.*s***@%.*s***", shown_len(local), local.bytes, shown_len(domain), domain.bytes);
    return text;
}
