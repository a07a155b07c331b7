/*
 * method: how a request's method is called in its line of the log and in its span. A method is any bytes (RFC 9110 section 9.1),
 * so that one which is not known has a fixed word in each: the log's own, and that of OpenTelemetry's semantic conventions. Pure
 * data.
 */
#ifndef JWTD_HTTP_METHOD_H
#define JWTD_HTTP_METHOD_H

struct method_words {
    const char *of_log, *of_span; /* static: the method itself lives no longer than the library's memory for the request */
};

const struct method_words *method_words(const char *method); /* never NULL */

#endif
