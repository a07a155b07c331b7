/* What is for browsers: /docs and /admin with what they refer to, and the way there; then in a browser. */
#include "support/account.h"
#include "support/browser.h"
#include "support/raw.h"

#include "tests/runner.h"

#include "jwtd/macros.h"
#include "jwtd/status.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Suite *pages_suite(void);

#define BROWSER_SECONDS 240

static struct server server; /* with all pages */

static void start(void) {
    server = server_start((const char *const[]){ "admin.enabled=true", NULL });
}

static void finish(void) {
    server_finish(&server);
}

static struct reply get(const struct server *of, const char *path, const char *header) {
    return http_send(of, "GET", path, (const char *const[]){ header, NULL }, NULL);
}

static void expect_header(const struct reply *reply, const char *name, const char *expected) {
    char value[512];
    ck_assert_str_eq(http_header(reply, name, value, sizeof value), expected);
}

/* The part between `before`, which is there, and the next `end`. */
static void cut(const char *text, const char *before, char end, char *part, size_t size) {
    const char *begin = strstr(text, before);
    ck_assert_msg(begin != NULL, "%s is missing", before);
    begin += strlen(before);
    snprintf(part, size, "%.*s", (int)(strchr(begin, end) - begin), begin);
}

/* ---- the page ---- */

static const char *const pages[] = { "/docs", "/admin" };

START_TEST(a_page_may_load_and_call_this_service_only) {
    struct reply reply = get(&server, pages[_i], NULL);
    char policy[512];
    ck_assert_int_eq(reply.status, 200);
    expect_header(&reply, "Content-Type", "text/html; charset=utf-8");
    expect_header(&reply, "Referrer-Policy", "no-referrer");
    expect_header(&reply, "Cross-Origin-Opener-Policy", "same-origin");
    http_header(&reply, "Content-Security-Policy", policy, sizeof policy);
    ck_assert_msg(strncmp(policy, "default-src 'none'; script-src 'self'; ", 39) == 0, "%s", policy);
    ck_assert_msg(strstr(policy, "frame-ancestors 'none'") != NULL, "%s", policy);
    ck_assert_msg(strstr(policy, "unsafe") == NULL && strstr(policy, "http") == NULL && strchr(policy, '*') == NULL, "%s",
                  policy);
    ck_assert_msg(strstr(reply.body, "://") == NULL, "the page refers to another host");
    ck_assert_msg(strstr(reply.body, "@/") == NULL, "a path is not filled in");
    http_free(&reply);
}
END_TEST

/* Of a page, the attribute before the path of something that it is made of, and its type. */
static const struct {
    const char *page, *before, *type;
} parts[] = {
    { "/docs", "href=\"docs/swagger-ui.", "text/css; charset=utf-8" },
    { "/docs", "href=\"docs/docs.", "text/css; charset=utf-8" },
    { "/docs", "src=\"docs/swagger-ui-bundle.", "text/javascript; charset=utf-8" },
    { "/docs", "src=\"docs/docs.", "text/javascript; charset=utf-8" },
    { "/docs", "href=\"docs/licenses.", "text/plain; charset=utf-8" },
    { "/admin", "href=\"admin/admin.", "text/css; charset=utf-8" },
    { "/admin", "src=\"admin/service.", "text/javascript; charset=utf-8" },
    { "/admin", "src=\"admin/admin.", "text/javascript; charset=utf-8" },
};
enum { DOCS_STYLE = 1, DOCS_SCRIPT = 2, ADMIN_SCRIPT = 7 };

static void path_of(size_t part, char path[256]) {
    char rest[128];
    struct reply page = get(&server, parts[part].page, NULL);
    cut(page.body, parts[part].before, '"', rest, sizeof rest);
    snprintf(path, 256, "/%s%s", strchr(parts[part].before, '"') + 1, rest);
    http_free(&page);
}

START_TEST(what_a_page_is_made_of_has_its_hash_in_its_path_and_may_be_kept_for_ever) {
    char path[256];
    path_of((size_t)_i, path);
    struct reply reply = get(&server, path, NULL);
    ck_assert_int_eq(reply.status, 200);
    expect_header(&reply, "Content-Type", parts[_i].type);
    expect_header(&reply, "Cache-Control", "public, max-age=31536000, immutable");
    expect_header(&reply, "X-Content-Type-Options", "nosniff");
    http_free(&reply);
    path[strlen(path) - 5] ^= 1; /* another hash */
    expect_problem(get(&server, path, NULL), 404, "not_found");
}
END_TEST

static const struct {
    const char *accept_encoding;
    bool is_gzipped;
} encodings[] = {
    { NULL, false },
    { "Accept-Encoding: gzip, deflate, br", true },
    { "Accept-Encoding: GZIP;q=0.5", true },
    { "Accept-Encoding: *", true },
    { "Accept-Encoding: gzip;q=0, *", false },
    { "Accept-Encoding: br", false },
};

START_TEST(a_file_is_compressed_for_who_takes_gzip) {
    char path[256];
    path_of(DOCS_SCRIPT, path);
    struct reply plain = get(&server, path, NULL), reply = get(&server, path, encodings[_i].accept_encoding);
    ck_assert_int_eq(reply.status, 200);
    expect_header(&reply, "Content-Encoding", encodings[_i].is_gzipped ? "gzip" : "");
    expect_header(&reply, "Vary", "Accept-Encoding");
    if (encodings[_i].is_gzipped)
        ck_assert(reply.body_len < plain.body_len / 3 && memcmp(reply.body, "\x1f\x8b", 2) == 0);
    else
        ck_assert(reply.body_len == plain.body_len && memcmp(reply.body, plain.body, plain.body_len) == 0);
    http_free(&plain);
    http_free(&reply);
}
END_TEST

static void expect_to_be_kept(const char *path) {
    char tag[64], header[128];
    struct reply reply = get(&server, path, NULL);
    http_header(&reply, "ETag", tag, sizeof tag);
    http_free(&reply);
    snprintf(header, sizeof header, "If-None-Match: \"other\", %s", tag);
    reply = get(&server, path, header);
    ck_assert_int_eq(reply.status, 304);
    expect_header(&reply, "ETag", tag);
    http_free(&reply);
    expect_status(get(&server, path, "If-None-Match: \"other\""), 200);
}

/* Content-Length is that of the reply with the body, if it is there at all (RFC 9110 section 8.6). */
static void expect_length_of_the_whole(const char *path, const char *encoding) {
    char tag[64], whole[32], kept[32], match[128], line[128];
    snprintf(line, sizeof line, "Accept-Encoding: %s", encoding);
    struct reply reply = http_send(&server, "GET", path, (const char *const[]){ line, NULL }, NULL);
    snprintf(match, sizeof match, "If-None-Match: %s", http_header(&reply, "ETag", tag, sizeof tag));
    ck_assert_str_ne(http_header(&reply, "Content-Length", whole, sizeof whole), "");
    http_free(&reply);
    reply = http_send(&server, "GET", path, (const char *const[]){ line, match, NULL }, NULL);
    ck_assert_int_eq(reply.status, 304);
    ck_assert_uint_eq(reply.body_len, 0);
    ck_assert_msg(strcmp(http_header(&reply, "Content-Length", kept, sizeof kept), whole) == 0 || kept[0] == '\0', "%s: %s of %s",
                  path, kept, whole);
    http_free(&reply);
}

START_TEST(a_reply_that_is_kept_is_not_said_to_be_empty) {
    static const char *const paths[] = { "/docs", "/admin", "/openapi.json", "/.well-known/jwks.json" };
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        expect_length_of_the_whole(paths[i], "gzip");
        expect_length_of_the_whole(paths[i], "identity");
    }
}
END_TEST

START_TEST(the_next_request_is_answered_behind_a_reply_that_is_kept) {
    static const char requests[] = "GET /docs HTTP/1.1\r\nHost: x\r\nIf-None-Match: *\r\n\r\n"
                                   "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";
    struct raw_reply reply;
    raw_exchange_replies(&server, requests, strlen(requests), 2, &reply);
    ck_assert_uint_eq(reply.count, 2);
    ck_assert_int_eq(reply.statuses[0], 304);
    ck_assert_int_eq(reply.statuses[1], 200);
    ck_assert_ptr_nonnull(strstr(reply.bytes, "\r\n\r\nHTTP/1.1 200 "));
}
END_TEST

START_TEST(who_has_a_file_is_told_to_keep_it) {
    char path[256];
    expect_to_be_kept("/docs");
    expect_to_be_kept("/admin");
    path_of(DOCS_STYLE, path);
    expect_to_be_kept(path);
    path_of(ADMIN_SCRIPT, path);
    expect_to_be_kept(path);
}
END_TEST

/* What a problem's `type` refers to: the code, its status, what it says, and what a client can do. */
START_TEST(every_error_code_has_its_paragraph_with_advice) {
    struct reply reply = get(&server, "/docs", NULL);
    for (int i = STATUS_OK + 1; i < STATUS_COUNT; i++) {
        const struct status_info *info = status_info((enum status)i);
        char begin[256], advice[512];
        snprintf(begin, sizeof begin, "<article id=\"%s\"><h3><code>%s</code> <span>%u</span></h3><p>", info->name, info->name,
                 info->http);
        const char *article = strstr(reply.body, begin);
        ck_assert_msg(article != NULL, "%s", begin);
        ck_assert_msg(strncmp(article + strlen(begin), info->detail, strcspn(info->detail, "&<>\"")) == 0, "%s", info->name);
        cut(article + strlen(begin), "</p>\n", '\n', advice, sizeof advice);
        ck_assert_msg(strncmp(advice, "<p>", 3) == 0, "%s has no advice in web/docs_page.c: %s", info->name, advice);
    }
    http_free(&reply);
}
END_TEST

/* ---- the way there ---- */

static const struct {
    const char *accept;
    bool is_browser;
} visitors[] = {
    { "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true },
    { "Accept: */*", false },
    { "Accept: application/json", false },
    { "Accept: text/html;q=0, */*", false },
    { NULL, false },
};

START_TEST(a_browser_is_sent_to_the_page_and_a_program_is_not) {
    struct reply reply = get(&server, "/", visitors[_i].accept);
    if (!visitors[_i].is_browser) {
        assert_problem(&reply, 404, "not_found");
    } else {
        ck_assert_int_eq(reply.status, 303);
        expect_header(&reply, "Location", "docs"); /* of this service also behind a proxy that has it below a prefix */
    }
    http_free(&reply);
}
END_TEST

static void expect_gone(const struct server *without, const char *path) {
    expect_problem(get(without, path, "Accept: text/html"), 404, "not_found");
    expect_problem(http_send(without, "POST", path, NULL, NULL), 404, "not_found");
}

/* The page for administrators is there only where it is asked for. */
START_TEST(what_is_not_enabled_is_not_there) {
    char style[256], script[256];
    path_of(DOCS_STYLE, style);
    path_of(ADMIN_SCRIPT, script);
    struct server without = server_start((const char *const[]){ "docs.enabled=false", NULL });
    const char *const gone[] = { "/", "/docs", style, "/openapi.json", "/admin", script };
    for (size_t i = 0; i < ARRAY_LEN(gone); i++)
        expect_gone(&without, gone[i]);
    server_finish(&without);
}
END_TEST

/* ---- in a browser: the scripts are the specification ---- */

START_TEST(a_person_can_register_log_in_and_ask_who_he_is_on_the_page) {
    if (test_is_sanitized())
        SKIP_TEST("the sanitizers check C");
    browser_run("test_docs.mjs", (const char *const[]){ server.url, NULL });
}
END_TEST

START_TEST(an_administrator_finds_and_changes_accounts_on_the_page) {
    if (test_is_sanitized())
        SKIP_TEST("the sanitizers check C");
    struct account account = account_register(&server);
    char database[512], output[4096];
    snprintf(database, sizeof database, "database.url=%s", getenv("JWTD_TEST_DATABASE"));
    const char *const words[] = { "--set", database, "user", "set-roles", account.email, "admin", NULL };
    ck_assert_msg(program_run(words, NULL, output, sizeof output) == 0, "%s", output);
    browser_run("test_admin.mjs", (const char *const[]){ server.url, account.email, PASSWORD, NULL });
}
END_TEST

Suite *pages_suite(void) {
    Suite *suite = suite_create("pages");
    TCase *files = tcase_create("files"), *browser = tcase_create("browser");
    tcase_add_unchecked_fixture(files, start, finish);
    tcase_add_loop_test(files, a_page_may_load_and_call_this_service_only, 0, (int)ARRAY_LEN(pages));
    tcase_add_loop_test(files, what_a_page_is_made_of_has_its_hash_in_its_path_and_may_be_kept_for_ever, 0,
                        (int)ARRAY_LEN(parts));
    tcase_add_loop_test(files, a_file_is_compressed_for_who_takes_gzip, 0, (int)ARRAY_LEN(encodings));
    tcase_add_test(files, who_has_a_file_is_told_to_keep_it);
    tcase_add_test(files, a_reply_that_is_kept_is_not_said_to_be_empty);
    tcase_add_test(files, the_next_request_is_answered_behind_a_reply_that_is_kept);
    tcase_add_test(files, every_error_code_has_its_paragraph_with_advice);
    tcase_add_loop_test(files, a_browser_is_sent_to_the_page_and_a_program_is_not, 0, (int)ARRAY_LEN(visitors));
    tcase_add_test(files, what_is_not_enabled_is_not_there);
    suite_add_tcase(suite, files);
    tcase_set_timeout(browser, BROWSER_SECONDS);
    tcase_add_unchecked_fixture(browser, start, finish);
    tcase_add_test(browser, a_person_can_register_log_in_and_ask_who_he_is_on_the_page);
    tcase_add_test(browser, an_administrator_finds_and_changes_accounts_on_the_page);
    suite_add_tcase(suite, browser);
    return suite;
}
