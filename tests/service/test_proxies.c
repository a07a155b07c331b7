/*
 * Forward authentication behind real proxies: each is started with the file of config/proxies that ships, in which only the
 * addresses, and the place of the other files, are replaced, between clients and a backend that keeps what it received.
 */
#include "support/account.h"
#include "support/backend.h"
#include "support/raw.h"

#include "jwtd/macros.h"
#include "tests/runner.h"

#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *proxies_suite(void);

#define FILES "config/proxies/"
#define WORDS_MAX 12
#define FILES_MAX 3
#define START_TRIES 400
#define START_PAUSE_US 25000

/* What the files say, and the tests replace. */
#define CLIENTS_PORT 8000
#define ADMINS_PORT 8001
#define JWTD_PORT 8080
#define BACKEND_PORT 9000
#define ADDRESS "127.0.0.1:"

static const struct proxy {
    const char *name;
    const char *files[FILES_MAX]; /* in FILES; they are copied into a directory of the test's */
    const char *place;            /* the directory where they say that they are; NULL: they do not */
    const char *before_port;      /* what stands before each port */
    const char *main_file;        /* of what the proxy needs besides, called "main"; NULL: nothing */
    const char *words[WORDS_MAX]; /* to start it in that directory, in the foreground */
    bool is_optional;             /* there is no Debian package of it: tested if it is there */
    bool has_admins_port;         /* else its path /admin/ is for them */
    long without_jwtd;            /* the status while jwtd is away */
} proxies[] = {
    { .name = "nginx",
      .files = { "nginx.conf" },
      .before_port = ADDRESS,
      .main_file = "daemon off; master_process off; pid nginx.pid; error_log nginx.log info;\n"
                   "events { }\n"
                   "http { access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;\n"
                   "uwsgi_temp_path uwsgi; scgi_temp_path scgi; client_max_body_size 100m; include nginx.conf; }\n",
      .words = { "/usr/sbin/nginx", "-e", "nginx.log", "-p", ".", "-c", "main" },
      .without_jwtd = 503 },
    { .name = "haproxy",
      .files = { "haproxy.cfg", "jwtd.lua" },
      .place = "/etc/haproxy",
      .before_port = ADDRESS,
      .words = { "/usr/sbin/haproxy", "-db", "-f", "haproxy.cfg" },
      .has_admins_port = true,
      .without_jwtd = 503 },
    { .name = "caddy",
      .files = { "Caddyfile" },
      .before_port = ADDRESS,
      .words = { "caddy", "run", "--config", "Caddyfile", "--adapter", "caddyfile" },
      .without_jwtd = 502 },
    { .name = "envoy", /* from tools/envoy.sh */
      .files = { "envoy.yaml" },
      .before_port = "port_value: ",
      .words = { "build/envoy/bin/envoy", "-c", "envoy.yaml", "--use-dynamic-base-id", "--concurrency", "1", "-l", "warn" },
      .is_optional = true,
      .without_jwtd = 503 },
    { .name = "traefik", /* from wherever the developer has it */
      .files = { "traefik.yml", "traefik-jwtd.yml" },
      .place = "/etc/traefik",
      .before_port = ADDRESS,
      .words = { "traefik", "--configFile=traefik.yml" },
      .is_optional = true,
      .without_jwtd = 500 },
};

/* Those that are here; the tests are repeated for each of them. */
static const struct proxy *tested[ARRAY_LEN(proxies)];
static size_t tested_count;

/* A proxy that runs. */
struct instance {
    const struct proxy *proxy;
    struct server address; /* where clients connect */
    struct server admins;
    pid_t pid;
    char directory[96];
};

static struct backend *backend;
static struct server starting; /* without its database: each good token is answered 503 */

/* ---- starting a proxy ---- */

static char *read_file(const char *path) {
    FILE *file = fopen(path, "re");
    ck_assert_msg(file != NULL, "cannot read %s", path);
    char *text = calloc(1, 65536);
    ck_assert_ptr_nonnull(text);
    ck_assert_uint_lt(fread(text, 1, 65535, file), 65535);
    ck_assert_int_eq(fclose(file), 0);
    return text;
}

static void write_file(const char *directory, const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

/* Each occurrence. Returns how many there were; *text is freed and replaced. */
static size_t replace(char **text, const char *old, const char *new) {
    char *result = NULL;
    size_t len, count = 0;
    const char *rest = *text;
    FILE *file = open_memstream(&result, &len);
    ck_assert_ptr_nonnull(file);
    for (const char *at; (at = strstr(rest, old)) != NULL; rest = at + strlen(old), count++)
        fprintf(file, "%.*s%s", (int)(at - rest), rest, new);
    ck_assert_int_ge(fputs(rest, file), 0);
    ck_assert_int_eq(fclose(file), 0);
    free(*text);
    *text = result;
    return count;
}

static size_t replace_port(const struct proxy *proxy, char **text, int old_port, int new_port) {
    char old[64], new[64];
    snprintf(old, sizeof old, "%s%d", proxy->before_port, old_port);
    snprintf(new, sizeof new, "%s%d", proxy->before_port, new_port);
    return replace(text, old, new);
}

static void write_configuration(const struct instance *instance, int jwtd_port) {
    const struct proxy *proxy = instance->proxy;
    const struct {
        int old, new;
    } ports[] = { { JWTD_PORT, jwtd_port },
                  { BACKEND_PORT, backend_port(backend) },
                  { CLIENTS_PORT, instance->address.port },
                  { ADMINS_PORT, instance->admins.port } };
    size_t replaced[ARRAY_LEN(ports)] = { 0 };
    for (size_t i = 0; i < FILES_MAX && proxy->files[i] != NULL; i++) {
        char path[256];
        snprintf(path, sizeof path, FILES "%s", proxy->files[i]);
        char *text = read_file(path);
        for (size_t j = 0; j < ARRAY_LEN(ports); j++)
            replaced[j] += replace_port(proxy, &text, ports[j].old, ports[j].new);
        if (proxy->place != NULL)
            replace(&text, proxy->place, instance->directory);
        write_file(instance->directory, proxy->files[i], text);
        free(text);
    }
    for (size_t j = 0; j < ARRAY_LEN(ports); j++)
        ck_assert_msg(replaced[j] > 0 || ports[j].old == ADMINS_PORT, "%s: port %d is not there", proxy->name, ports[j].old);
    if (proxy->main_file != NULL)
        write_file(instance->directory, "main", proxy->main_file);
}

static void run_proxy(const struct instance *instance) {
    const char *name = instance->proxy->words[0];
    char *program = strchr(name, '/') != NULL ? realpath(name, NULL) : strdup(name); /* seen from here */
    if (program == NULL || chdir(instance->directory) != 0)
        _exit(127);
    int log = open("output", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    setenv("HOME", instance->directory, 1); /* where Caddy keeps things */
    setenv("XDG_DATA_HOME", instance->directory, 1);
    setenv("XDG_CONFIG_HOME", instance->directory, 1);
    execvp(program, (char *const *)(uintptr_t)instance->proxy->words);
    _exit(127);
}

static bool accepts(int port) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_connected = connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return is_connected;
}

static struct server listener(void) {
    struct server server = { .port = find_free_port(), .is_proxy = true };
    snprintf(server.url, sizeof server.url, "http://127.0.0.1:%d", server.port);
    return server;
}

static struct instance start(const struct proxy *proxy, int jwtd_port) {
    struct instance instance = { .proxy = proxy, .address = listener() };
    instance.admins = proxy->has_admins_port ? listener() : instance.address;
    snprintf(instance.directory, sizeof instance.directory, "%s/proxy.XXXXXX", shared_server.directory);
    ck_assert_ptr_nonnull(mkdtemp(instance.directory));
    write_configuration(&instance, jwtd_port);
    instance.pid = fork();
    ck_assert_int_ge(instance.pid, 0);
    if (instance.pid == 0)
        run_proxy(&instance);
    bool is_up = false;
    for (int i = 0; i < START_TRIES && !is_up; i++) {
        usleep(START_PAUSE_US);
        ck_assert_msg(waitpid(instance.pid, NULL, WNOHANG) == 0, "%s has ended, see %s", proxy->name, instance.directory);
        is_up = accepts(instance.address.port);
    }
    ck_assert_msg(is_up, "%s does not listen", proxy->name);
    return instance;
}

static void stop(struct instance *instance) {
    kill(instance->pid, SIGKILL);
    waitpid(instance->pid, NULL, 0);
}

static void start_services(void) {
    shared_server_start();
    starting = server_start_beside(&shared_server, (const char *const[]){ "database.url=host=127.0.0.1 port=1", NULL });
}

static void finish_services(void) {
    server_finish(&starting);
    shared_server_finish();
}

/* In the process of each test, since its thread is there. */
static void start_backend(void) {
    backend = backend_start();
}

static void stop_backend(void) {
    backend_stop(backend);
}

/* ---- users ---- */

struct user {
    struct account account;
    char authorization[TOKEN_SIZE + 32];
};

/* With these roles, separated by blanks. */
static struct user user_with(const char *roles) {
    struct user user = { .account = account_register(&shared_server) };
    char database[512], output[4096];
    snprintf(database, sizeof database, "database.url=%s", getenv("JWTD_TEST_DATABASE"));
    const char *words[] = { "--set", database, "user", "set-roles", user.account.email, roles, NULL };
    if (roles[0] != '\0')
        ck_assert_msg(program_run(words, NULL, output, sizeof output) == 0, "%s", output);
    struct tokens tokens = account_login(&shared_server, &user.account);
    snprintf(user.authorization, sizeof user.authorization, "Authorization: Bearer %s", tokens.access);
    return user;
}

static void assert_received(const struct instance *instance, const char *subject, const char *roles, const char *what) {
    struct backend_request request;
    char value[256];
    const char *name = instance->proxy->name;
    ck_assert_msg(backend_count(backend, &request) == 1, "%s, %s: the backend received nothing", name, what);
    backend_field(&request, "X-Auth-Subject", value, sizeof value);
    ck_assert_msg(strcmp(value, subject) == 0, "%s, %s: subject %s in %s", name, what, value, request.head);
    backend_field(&request, "X-Auth-Roles", value, sizeof value);
    ck_assert_msg(strcmp(value, roles) == 0, "%s, %s: roles %s in %s", name, what, value, request.head);
    backend_field(&request, "X-Auth-Session", value, sizeof value);
    ck_assert_msg(strlen(value) == 36, "%s, %s: session %s in %s", name, what, value, request.head);
    backend_field(&request, "X-Auth-Stale-For", value, sizeof value);
    ck_assert_msg(value[0] == '\0', "%s, %s: stale for %s in %s", name, what, value, request.head);
}

static void assert_nothing_received(const struct instance *instance, const char *what) {
    struct backend_request request;
    unsigned count = backend_count(backend, &request);
    ck_assert_msg(count == 0, "%s, %s: the backend received %s", instance->proxy->name, what, request.head);
}

static struct reply get(const struct instance *instance, const char *path, const char *const *headers) {
    backend_clear(backend);
    return http_send(&instance->address, "GET", path, headers, NULL);
}

/* ---- tests ---- */

START_TEST(a_good_token_passes_with_its_identity_and_nothing_that_the_client_says_of_it) {
    /* the last ones are the same to a backend that reads CGI variables */
    static const char *const forged[][5] = {
        { NULL },
        { "X-Auth-Subject: forged", "X-Auth-Session: forged", "X-Auth-Roles: admin", "X-Auth-Stale-For: 0", NULL },
        { "x-auth-roles: admin", "X-AUTH-ROLES: admin", "X-Auth-Roles: owner", "X-Auth-Subject: a", NULL },
        { "X-Auth-Stale-For: 1", "X-Auth-Stale-For: 2", "x-auth-stale-for: 3", NULL },
        { "X_Auth_Subject: forged", "X_Auth_Session: forged", "X_Auth_Roles: admin", "X_Auth_Stale_For: 0", NULL },
        { "X-Auth_Subject: forged", "X_Auth-Session: forged", "x_aUth-roles: admin", "X-AUTH_STALE_FOR: 0", NULL },
        { "X.Auth.Subject: forged", "X.Auth-Roles: admin", "X-Auth.Session: forged", "x.auth_stale-for: 0", NULL },
        { "Connection: X-Auth-Roles, X-Auth-Subject, X-Auth-Session", "X-Auth-Roles: admin", NULL },
    };
    struct instance instance = start(tested[_i], shared_server.port);
    struct user plain = user_with(""), admin = user_with("admin");
    for (size_t i = 0; i < ARRAY_LEN(forged); i++) {
        const char *headers[8] = { plain.authorization };
        for (size_t j = 0; forged[i][j] != NULL; j++)
            headers[j + 1] = forged[i][j];
        expect_status(get(&instance, "/some/path?role=owner&a=%zz", headers), 200);
        assert_received(&instance, plain.account.id, "-", forged[i][0] != NULL ? forged[i][0] : "no forged header");
        headers[0] = admin.authorization;
        expect_status(get(&instance, "/", headers), 200);
        assert_received(&instance, admin.account.id, "admin", forged[i][0] != NULL ? forged[i][0] : "no forged header");
    }
    stop(&instance);
}
END_TEST

START_TEST(without_a_good_token_nothing_reaches_the_backend) {
    struct instance instance = start(tested[_i], shared_server.port);
    struct user user = user_with("admin");
    char forged[TOKEN_SIZE + 32], value[256];
    snprintf(forged, sizeof forged, "%s", user.authorization);
    char *last = &forged[strlen(forged) - 10];
    *last = *last == 'A' ? 'B' : 'A';
    const char *const refused[][4] = {
        { NULL },
        { "X-Auth-Subject: forged", "X-Auth-Roles: admin", NULL },
        { forged, "X-Auth-Roles: admin", NULL },
        { "Authorization: Bearer x.y.z", NULL },
        { "Authorization: Basic YTpi", NULL },
        { "Authorization;", NULL }, /* an empty one, as libcurl takes it */
    };
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct reply reply = get(&instance, "/", refused[i]);
        const char *what = refused[i][0] != NULL ? refused[i][0] : "no token";
        ck_assert_msg(reply.status == 401, "%s, %s: %ld", instance.proxy->name, what, reply.status);
        http_header(&reply, "WWW-Authenticate", value, sizeof value);
        ck_assert_msg(strncmp(value, "Bearer realm=\"jwtd\"", 19) == 0, "%s, %s: %s", instance.proxy->name, what, value);
        http_free(&reply);
        assert_nothing_received(&instance, what);
    }
    /* two of them: the proxy may check one, and the backend use the other */
    struct reply reply = get(&instance, "/", (const char *const[]){ user.authorization, "Authorization: Bearer x.y.z", NULL });
    bool is_refused = reply.status == 400 || reply.status == 401; /* Envoy makes one header of the two */
    ck_assert_msg(is_refused, "%s, two tokens: %ld", instance.proxy->name, reply.status);
    http_free(&reply);
    assert_nothing_received(&instance, "two tokens");
    stop(&instance);
}
END_TEST

START_TEST(a_session_that_has_ended_is_refused_at_once) {
    struct instance instance = start(tested[_i], shared_server.port);
    struct user user = user_with("");
    const char *const headers[] = { user.authorization, NULL };
    expect_status(get(&instance, "/", headers), 200);
    expect_status(http_send(&shared_server, "POST", "/auth/logout", headers, NULL), 204);
    expect_status(get(&instance, "/", headers), 401);
    assert_nothing_received(&instance, "an ended session");
    stop(&instance);
}
END_TEST

START_TEST(a_role_that_the_proxy_asks_for_is_required) {
    struct instance instance = start(tested[_i], shared_server.port);
    struct user plain = user_with("editor"), admin = user_with("admin");
    char value[256];
    const char *const by_plain[] = { plain.authorization, "X-Auth-Roles: admin", NULL }, *const by_admin[] = {
        admin.authorization, NULL
    };
    backend_clear(backend);
    struct reply reply = http_send(&instance.admins, "GET", "/admin/x?role=editor", by_plain, NULL);
    ck_assert_msg(reply.status == 403, "%s: %ld", instance.proxy->name, reply.status);
    ck_assert_str_eq(http_header(&reply, "WWW-Authenticate", value, sizeof value),
                     "Bearer realm=\"jwtd\", error=\"insufficient_scope\"");
    http_free(&reply);
    assert_nothing_received(&instance, "a token without the role");
    expect_status(http_send(&instance.admins, "GET", "/admin/x?role=editor", by_admin, NULL), 200);
    assert_received(&instance, admin.account.id, "admin", "a token with the role");
    stop(&instance);
}
END_TEST

START_TEST(a_body_arrives_whole_and_only_at_the_backend) {
    static const struct {
        const char *method;
        size_t len;
        bool is_chunked;
    } bodies[] = { { "POST", 5, false },       { "POST", 5, true },      { "PUT", 16385, false }, { "POST", 3000000, false },
                   { "PATCH", 3000000, true }, { "DELETE", 100, false }, { "POST", 0, false } };
    struct instance instance = start(tested[_i], shared_server.port);
    struct user user = user_with("");
    const char *const plain[] = { user.authorization, "Expect:", NULL };
    const char *const chunked[] = { user.authorization, "Expect:", "Transfer-Encoding: chunked", NULL };
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct backend_request request;
        char *body = malloc(bodies[i].len + 1);
        ck_assert_ptr_nonnull(body);
        for (size_t j = 0; j < bodies[i].len; j++)
            body[j] = (char)('a' + j % 23 + i);
        backend_clear(backend);
        struct reply reply = http_send_bytes(&instance.address, bodies[i].method, "/upload",
                                             bodies[i].is_chunked ? chunked : plain, body, bodies[i].len);
        ck_assert_msg(reply.status == 200, "%s, body %zu: %ld %s", instance.proxy->name, i, reply.status, reply.body);
        ck_assert_msg(reply.seconds < 5, "%s, body %zu: %.1f s", instance.proxy->name, i, reply.seconds);
        http_free(&reply);
        assert_received(&instance, user.account.id, "-", "a body");
        backend_count(backend, &request);
        ck_assert_msg(strncmp(request.head, bodies[i].method, strlen(bodies[i].method)) == 0, "%s", request.head);
        ck_assert_uint_eq(request.body_len, bodies[i].len);
        ck_assert_uint_eq(request.body_sum, backend_sum(0, body, bodies[i].len));
        free(body);
    }
    stop(&instance);
}
END_TEST

START_TEST(a_body_with_a_bad_token_is_refused_at_once) {
    struct instance instance = start(tested[_i], shared_server.port);
    char *body = calloc(1, 100001);
    ck_assert_ptr_nonnull(body);
    memset(body, 'a', 100000);
    const char *const headers[] = { "Authorization: Bearer x.y.z", "Expect:", NULL };
    backend_clear(backend);
    struct reply reply = http_send_bytes(&instance.address, "POST", "/upload", headers, body, 100000);
    ck_assert_msg(reply.status == 401 && reply.seconds < 5, "%s: %ld after %.1f s", instance.proxy->name, reply.status,
                  reply.seconds);
    http_free(&reply);
    assert_nothing_received(&instance, "a body with a bad token");
    free(body);
    stop(&instance);
}
END_TEST

START_TEST(large_cookies_and_many_headers_do_not_reach_the_service) {
    struct instance instance = start(tested[_i], shared_server.port);
    struct user user = user_with("");
    char cookie[7000] = "Cookie: a=";
    memset(cookie + strlen(cookie), 'b', sizeof cookie - strlen(cookie) - 1);
    struct reply reply = get(&instance, "/", (const char *const[]){ user.authorization, cookie, NULL });
    ck_assert_msg(reply.status == 200, "%s: %ld", instance.proxy->name, reply.status);
    http_free(&reply);
    assert_received(&instance, user.account.id, "-", "a large cookie");
    stop(&instance);
}
END_TEST

START_TEST(a_503_of_the_service_reaches_the_client_as_one) {
    struct instance instance = start(tested[_i], starting.port);
    struct user user = user_with("");
    char value[64];
    struct reply reply = get(&instance, "/", (const char *const[]){ user.authorization, "X-Auth-Subject: forged", NULL });
    ck_assert_msg(reply.status == 503, "%s: %ld", instance.proxy->name, reply.status);
    ck_assert_str_eq(http_header(&reply, "Retry-After", value, sizeof value), "1");
    http_free(&reply);
    expect_status(get(&instance, "/", NULL), 401);
    assert_nothing_received(&instance, "503");
    stop(&instance);
}
END_TEST

START_TEST(without_the_service_nothing_reaches_the_backend) {
    struct instance instance = start(tested[_i], find_free_port());
    struct user user = user_with("admin");
    char value[64];
    struct reply reply = get(&instance, "/", (const char *const[]){ user.authorization, "X-Auth-Subject: forged", NULL });
    ck_assert_msg(reply.status == instance.proxy->without_jwtd, "%s: %ld", instance.proxy->name, reply.status);
    if (reply.status == 503)
        ck_assert_str_eq(http_header(&reply, "Retry-After", value, sizeof value), "1");
    http_free(&reply);
    assert_nothing_received(&instance, "no service");
    stop(&instance);
}
END_TEST

/* ---- the suite ---- */

static bool is_here(const struct proxy *proxy) {
    char path[4096];
    if (!proxy->is_optional)
        return true;
    if (strchr(proxy->words[0], '/') != NULL)
        return access(proxy->words[0], X_OK) == 0;
    bool is_found = false;
    for (const char *at = getenv("PATH"); at != NULL && !is_found; at = strchr(at, ':') != NULL ? strchr(at, ':') + 1 : NULL) {
        snprintf(path, sizeof path, "%.*s/%s", (int)strcspn(at, ":"), at, proxy->words[0]);
        is_found = access(path, X_OK) == 0;
    }
    return is_found;
}

START_TEST(proxies_without_a_debian_package_are_tested_if_they_are_here) {
    if (is_here(&proxies[_i]))
        return;
    char reason[64];
    snprintf(reason, sizeof reason, "there is no %s", proxies[_i].words[0]);
    SKIP_TEST(reason);
}
END_TEST

Suite *proxies_suite(void) {
    Suite *suite = suite_create("proxies");
    TCase *tcase = tcase_create("as shipped");
    for (size_t i = 0; i < ARRAY_LEN(proxies); i++)
        if (is_here(&proxies[i]))
            tested[tested_count++] = &proxies[i];
    int count = (int)tested_count;
    tcase_set_timeout(tcase, 60);
    tcase_add_unchecked_fixture(tcase, start_services, finish_services);
    tcase_add_checked_fixture(tcase, start_backend, stop_backend);
    tcase_add_loop_test(tcase, a_good_token_passes_with_its_identity_and_nothing_that_the_client_says_of_it, 0, count);
    tcase_add_loop_test(tcase, without_a_good_token_nothing_reaches_the_backend, 0, count);
    tcase_add_loop_test(tcase, a_session_that_has_ended_is_refused_at_once, 0, count);
    tcase_add_loop_test(tcase, a_role_that_the_proxy_asks_for_is_required, 0, count);
    tcase_add_loop_test(tcase, a_body_arrives_whole_and_only_at_the_backend, 0, count);
    tcase_add_loop_test(tcase, a_body_with_a_bad_token_is_refused_at_once, 0, count);
    tcase_add_loop_test(tcase, large_cookies_and_many_headers_do_not_reach_the_service, 0, count);
    tcase_add_loop_test(tcase, a_503_of_the_service_reaches_the_client_as_one, 0, count);
    tcase_add_loop_test(tcase, without_the_service_nothing_reaches_the_backend, 0, count);
    tcase_add_loop_test(tcase, proxies_without_a_debian_package_are_tested_if_they_are_here, 0, (int)ARRAY_LEN(proxies));
    suite_add_tcase(suite, tcase);
    return suite;
}
