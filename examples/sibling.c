/*
 * A sibling of jwtd: a protected endpoint, which refuses a session within a second of its logout. Environment: PORT; JWTD_URL,
 * JWTD_NAME and JWTD_SECRET (`jwtd service add NAME`); JWTD_KEYS, a directory, only where tokens are of HS256.
 *
 *     cc sibling.c -o sibling $(pkg-config --cflags --libs jwtd-verify libmicrohttpd)
 */
#include <jwtd-verify.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum MHD_Result answer(void *verifier, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *upload, size_t *upload_size, void **state) {
    (void)url, (void)method, (void)version, (void)upload, (void)upload_size, (void)state;
    struct jwtd_verify_claims claims;
    const char *header = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Authorization");
    const char *token = header != NULL && strncasecmp(header, "Bearer ", 7) == 0 ? header + 7 : "";
    enum jwtd_verify_result result = jwtd_verify(verifier, token, strlen(token), &claims, sizeof claims);
    const char *text = result == JWTD_VERIFY_VALID ? claims.user_id : jwtd_verify_result_name(result);
    struct MHD_Response *response = MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_MUST_COPY);
    unsigned status = jwtd_verify_http_status(result);
    if (status != 200)
        MHD_add_response_header(response, status == 503 ? "Retry-After" : "WWW-Authenticate",
                                status == 503 ? "1" : "Bearer error=\"invalid_token\"");
    enum MHD_Result queued = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return queued;
}

static void report(void *log, const char *text) {
    fprintf(log, "sibling: %s\n", text);
}

int main(void) {
    char error[256];
    struct jwtd_verify_options options = { .keys_dir = getenv("JWTD_KEYS"),
                                           .service_url = getenv("JWTD_URL"),
                                           .service_name = getenv("JWTD_NAME"),
                                           .service_secret = getenv("JWTD_SECRET"),
                                           .report = report,
                                           .report_context = stderr };
    struct jwtd_verifier *verifier = jwtd_verify_create(&options, sizeof options, error, sizeof error);
    if (verifier == NULL)
        return report(stderr, error), 1;
    const char *port_text = getenv("PORT");
    uint16_t port = port_text == NULL ? 8081 : (uint16_t)strtoul(port_text, NULL, 10);
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigprocmask(SIG_BLOCK, &stop, NULL); /* before the threads of the server, which inherit it */
    struct MHD_Daemon *daemon =
        MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD, port, NULL, NULL, answer, verifier, MHD_OPTION_END);
    if (daemon != NULL && sigwaitinfo(&stop, NULL) > 0)
        MHD_stop_daemon(daemon);
    jwtd_verify_destroy(verifier);
    return daemon == NULL;
}
