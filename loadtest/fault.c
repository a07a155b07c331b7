#include "fault.h"

#include <stdio.h>

static const char *const texts[] = {
    [FAULT_NONE] = "",
    [FAULT_NO_WAY] = "no connection can be made to it",
    [FAULT_NOT_REACHED] = "it does not accept the connection",
    [FAULT_NO_ANSWER] = "it does not answer",
    [FAULT_UNFINISHED] = "its reply does not end",
    [FAULT_CUT] = "it closes the connection within its reply",
    [FAULT_CLOSED] = "it closes the connection without a reply",
    [FAULT_CLOSED_HTTP] = "it closes the connection without a reply: is it https:// ?",
    [FAULT_NO_TLS] = "what listens there does not speak TLS: is it http:// ?",
    [FAULT_SILENT] = "it does not answer the TLS handshake: is it http:// ?",
    [FAULT_UNTRUSTED] = "its certificate is not trusted: --insecure accepts any",
    [FAULT_HANDSHAKE] = "the TLS handshake fails",
    [FAULT_IS_TLS] = "what listens there speaks TLS: is it https:// ?",
    [FAULT_NOT_HTTP] = "what listens there does not answer in HTTP/1.1",
    [FAULT_MALFORMED] = "its reply is malformed HTTP",
    [FAULT_STATUS] = "with a status that is not the one of success",
    [FAULT_NO_BODY] = "without a body",
    [FAULT_TOO_LONG] = "with a body over 64 KiB",
    [FAULT_NOT_JSON] = "with a body that is not JSON",
    [FAULT_NO_EMAIL] = NULL, /* these three name the member */
    [FAULT_NO_ACCESS_TOKEN] = NULL,
    [FAULT_NO_REFRESH_TOKEN] = NULL,
    [FAULT_OTHER_EMAIL] = "with the e-mail address of somebody else",
    [FAULT_TOKEN] = "with a token that no header can carry",
};

static enum api_field field_of(enum reply_fault fault) {
    if (fault == FAULT_NO_EMAIL)
        return FIELD_EMAIL;
    return fault == FAULT_NO_ACCESS_TOKEN ? FIELD_ACCESS_TOKEN : FIELD_REFRESH_TOKEN;
}

bool fault_is_timeout(enum reply_fault fault) {
    return fault == FAULT_NOT_REACHED || fault == FAULT_NO_ANSWER || fault == FAULT_UNFINISHED;
}

const char *fault_describe(enum reply_fault fault, const struct api_call *call, char *text, size_t size) {
    if (texts[fault] != NULL)
        snprintf(text, size, "%s", texts[fault]);
    else
        snprintf(text, size, "without the member %s", call->reply[field_of(fault)]);
    return text;
}
