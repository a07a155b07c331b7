/*
 * Run at build time: docs_page TEMPLATE prints the page /docs. In the template, the line @ERRORS@ is replaced by a paragraph for
 * each error code, with the anchor to which the `type` of every problem refers, and @FIELD_ERRORS@ by one for each code in
 * `errors`. Codes, titles and statuses are those of the tables that the service answers with; what a client can do about it is
 * written here.
 */
#include "jwtd/macros.h"
#include "jwtd/status.h"
#include "jwtd/violation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* By code; a test fails for one that has none. */
static const struct {
    const char *code, *advice;
} advices[] = {
    { "bad_request",
      "No retry helps: a header, the target or the length of the body is malformed, often by a proxy or a client of its "
      "own making. The connection is closed." },
    { "invalid_json", "Build the body by a JSON library: one object, UTF-8, each member once, nothing behind it." },
    { "invalid_parameter", "Correct the query, which follows the ? of the address: a cursor, for example, is used as it came." },
    { "invalid_request", "For services that introspect or revoke tokens: send the parameters as a form, each once (RFC 6749)." },
    { "invalid_header", "Correct the header that the text names." },
    { "not_found",
      "Check the path: it is compared byte by byte, without a slash at its end. Of a path with an id: there is no such "
      "thing, or it is not yours." },
    { "not_discoverable",
      "For clients that look for a discovery document: the operator would have to set token.issuer to the https "
      "address of the service." },
    { "method_not_allowed", "Use one of the methods that the Allow header lists." },
    { "not_acceptable", "Send Accept: text/event-stream, or no Accept header." },
    { "request_timeout", "Send the request again on a new connection. Nothing of it has been carried out." },
    { "body_too_large", "Send less. The operator sets the limit (server.body_limit)." },
    { "target_too_long", "Shorten the address: mostly its query is too long. The connection is closed." },
    { "unsupported_media_type", "Set Content-Type to application/json, for services that introspect or revoke to "
                                "application/x-www-form-urlencoded, and do not compress the body." },
    { "misdirected_request",
      "For who watches the service: ask 127.0.0.1 or localhost. A name could belong to a page that wants to read "
      "what is answered here." },
    { "header_too_large", "Send fewer or shorter headers: mostly cookies of other applications on the same host." },
    { "validation_failed",
      "Show each entry of errors next to its field: pointer names it (\"/password\"), code says what is wrong in a "
      "word that does not change (they are listed below), detail in a sentence." },
    { "idempotency_key_reused",
      "Make a new Idempotency-Key for each new request, and repeat a request with its own key and the same "
      "body only." },
    { "idempotency_in_progress", "The first request with this Idempotency-Key is still being carried out. Repeat yours after "
                                 "Retry-After: it gets the first one's reply." },
    { "email_taken", "Offer to log in instead. If your own registration was repeated because its reply was lost, send an "
                     "Idempotency-Key next time: the repetition then gets the first reply." },
    { "last_admin",
      "Give another account, which has a password and is not disabled, the role admin first: without an administrator "
      "nobody could take this back." },
    { "precondition_required", "Read the resource first, and send the ETag that came with it as If-Match, so that the change of "
                               "another administrator is not overwritten." },
    { "precondition_failed", "Somebody has changed the resource since it was read. Read it again, and decide anew." },
    { "missing_token", "Log in, or refresh, and send the access token as Authorization: Bearer TOKEN." },
    { "invalid_token",
      "Refresh once and repeat the request with the new access token. If the refresh is refused with 401, the session "
      "is over: log in." },
    { "invalid_credentials",
      "Let the user type again. An unknown address and a wrong password are answered alike. After several wrong "
      "passwords the account is locked for this address for a while." },
    { "invalid_refresh_token",
      "The session is over: forget both tokens and let the user log in. There is no sense in another try." },
    { "refresh_token_reused",
      "An old refresh token came long after its successor was used: either it was stolen, or two tabs do not "
      "share their tokens. The session is ended for both. Keep the newest token where all tabs read it, and let "
      "one of them refresh at a time." },
    { "session_expired",
      "Let the user log in again. Nothing is wrong: sessions end some time after their login, or when they are not "
      "used." },
    { "invalid_client",
      "For services: check name and secret, which the operator makes with jwtd service. Both are sent by HTTP Basic." },
    { "insufficient_scope",
      "Do not refresh and do not log out: the user lacks a role that is asked for. A role that has just been given "
      "is in the next access token." },
    { "wrong_password", "The session is good: let the user type the current password again, and do not refresh or log out." },
    { "password_change_required",
      "Ask for a new password, and log in once more with the same password and new_password beside it." },
    { "rate_limited", "Wait for as long as Retry-After says. RateLimit says how much is left of which limit, and when it is full "
                      "again." },
    { "account_locked",
      "There were too many wrong passwords for this account. Wait for as long as Retry-After says; the right password "
      "is refused until then, too. Sessions that are open go on." },
    { "overloaded",
      "Wait for as long as Retry-After says, then repeat. The user stays logged in: nothing is wrong with the token." },
    { "deadline_exceeded",
      "Wait for as long as Retry-After says, then repeat. The request may have been carried out: repeat a POST with "
      "its Idempotency-Key, and a refresh with the same token." },
    { "database_unavailable", "Wait for as long as Retry-After says, then repeat. The user stays logged in." },
    { "out_of_memory", "Wait for as long as Retry-After says, then repeat. The user stays logged in." },
    { "refresh_too_soon",
      "Wait for as long as Retry-After says, read the newest refresh token that there is, since another tab may have "
      "it by now, and refresh with that." },
    { "starting", "The service has just been started. Wait for as long as Retry-After says, then repeat." },
    { "revocations_stale",
      "The service has been without its database for too long. Wait for as long as Retry-After says, then repeat. "
      "The user stays logged in." },
    { "keys_unavailable", "Wait for as long as Retry-After says, then repeat. If it lasts, the operator's keys are missing." },
    { "shutting_down", "Repeat after Retry-After: another instance, or the next process, answers." },
    { "internal_error", "Repeat once. If it happens again, tell the operator the request_id." },
};

static const char *advice_for(const char *code) {
    for (size_t i = 0; i < ARRAY_LEN(advices); i++)
        if (strcmp(advices[i].code, code) == 0)
            return advices[i].advice;
    return "";
}

static void print_escaped(const char *text) {
    for (; *text != '\0'; text++)
        if (strchr("&<>\"", *text) != NULL)
            printf("&#%d;", *text);
        else
            putchar(*text);
}

static void print_paragraph(const char *text) {
    printf("<p>");
    print_escaped(text);
    printf("</p>\n");
}

static void print_error(const struct status_info *info) {
    printf("<article id=\"%s\"><h3><code>%s</code> <span>%u</span></h3>", info->name, info->name, info->http);
    print_paragraph(info->detail);
    if (advice_for(info->name)[0] != '\0')
        print_paragraph(advice_for(info->name));
    printf("</article>\n");
}

/* In the order of their HTTP statuses. */
static void print_errors(void) {
    for (unsigned http = 400; http < 600; http++)
        for (int status = STATUS_OK + 1; status < STATUS_COUNT; status++)
            if (status_info((enum status)status)->http == http)
                print_error(status_info((enum status)status));
}

static void print_field_errors(void) {
    for (int violation = VIOLATION_NONE + 1; violation < VIOLATION_COUNT; violation++) {
        const struct violation_info *info = violation_info((enum violation)violation);
        printf("<article id=\"field-%s\"><h3><code>%s</code></h3>", info->code, info->code);
        print_paragraph(info->description);
        printf("</article>\n");
    }
}

int main(int argc, char **argv) {
    char line[4096];
    FILE *template = argc == 2 ? fopen(argv[1], "re") : NULL;
    if (template == NULL) {
        fprintf(stderr, "usage: docs_page TEMPLATE\n");
        return EXIT_FAILURE;
    }
    while (fgets(line, sizeof line, template) != NULL)
        if (strcmp(line, "@ERRORS@\n") == 0)
            print_errors();
        else if (strcmp(line, "@FIELD_ERRORS@\n") == 0)
            print_field_errors();
        else
            fputs(line, stdout);
    fclose(template);
    return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_SUCCESS : EXIT_FAILURE;
}
