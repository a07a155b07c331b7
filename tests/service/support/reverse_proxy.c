#include "reverse_proxy.h"

#include "http.h"

#include "jwtd/macros.h"

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

#define START_TRIES 1200
#define START_PAUSE_US 25000

/* What the files say, and the tests replace. */
#define CLIENTS_PORT 8000
#define ADMINS_PORT 8001
#define JWTD_PORT 8080
#define BACKEND_PORT 9000
#define ADDRESS "127.0.0.1:"

const struct reverse_proxy reverse_proxies[] = {
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
      .drops_stale_for = true,
      .words = { "caddy", "run", "--config", "Caddyfile", "--adapter", "caddyfile" },
      .without_jwtd = 502 },
    { .name = "envoy", /* from tools/proxies.sh, as the next one */
      .files = { "envoy.yaml" },
      .before_port = "port_value: ",
      .words = { "build/proxies/envoy/bin/envoy", "-c", "envoy.yaml", "--use-dynamic-base-id", "--concurrency", "1", "-l",
                 "warn" },
      .is_optional = true,
      .without_jwtd = 503 },
    { .name = "traefik",
      .files = { "traefik.yml", "traefik-jwtd.yml" },
      .place = "/etc/traefik",
      .before_port = ADDRESS,
      .words = { "build/proxies/traefik/bin/traefik", "--configFile=traefik.yml" },
      .is_optional = true,
      .without_jwtd = 500 },
};

const size_t reverse_proxies_count = ARRAY_LEN(reverse_proxies);
_Static_assert(ARRAY_LEN(reverse_proxies) <= REVERSE_PROXIES_MAX, "no more than tests have place for");

bool reverse_proxy_is_here(const struct reverse_proxy *proxy) {
    return !proxy->is_optional || access(proxy->words[0], X_OK) == 0;
}

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

static size_t replace_port(const struct reverse_proxy *proxy, char **text, int old_port, int new_port) {
    char old[64], new[64];
    snprintf(old, sizeof old, "%s%d", proxy->before_port, old_port);
    snprintf(new, sizeof new, "%s%d", proxy->before_port, new_port);
    return replace(text, old, new);
}

static void write_configuration(const struct running_proxy *running, int jwtd_port, int backend_port) {
    const struct reverse_proxy *proxy = running->proxy;
    const struct {
        int old, new;
    } ports[] = { { JWTD_PORT, jwtd_port },
                  { BACKEND_PORT, backend_port },
                  { CLIENTS_PORT, running->address.port },
                  { ADMINS_PORT, running->admins.port } };
    size_t replaced[ARRAY_LEN(ports)] = { 0 }, changes = 0;
    for (size_t i = 0; i < REVERSE_PROXY_FILES_MAX && proxy->files[i] != NULL; i++) {
        char path[256];
        snprintf(path, sizeof path, "config/proxies/%s", proxy->files[i]);
        char *text = read_file(path);
        for (size_t j = 0; j < ARRAY_LEN(ports); j++)
            replaced[j] += replace_port(proxy, &text, ports[j].old, ports[j].new);
        if (proxy->place != NULL)
            replace(&text, proxy->place, running->directory);
        if (proxy->replaced != NULL)
            changes += replace(&text, proxy->replaced, proxy->replacement);
        write_file(running->directory, proxy->files[i], text);
        free(text);
    }
    for (size_t j = 0; j < ARRAY_LEN(ports); j++)
        ck_assert_msg(replaced[j] > 0 || ports[j].old == ADMINS_PORT || (proxy->is_before_jwtd && ports[j].old == BACKEND_PORT),
                      "%s: port %d is not there", proxy->name, ports[j].old);
    ck_assert_msg(proxy->replaced == NULL || changes > 0, "%s: %s is not there", proxy->name, proxy->replaced);
    if (proxy->main_file != NULL)
        write_file(running->directory, "main", proxy->main_file);
}

static void run_proxy(const struct running_proxy *running) {
    const char *name = running->proxy->words[0];
    char *program = strchr(name, '/') != NULL ? realpath(name, NULL) : strdup(name); /* seen from here */
    if (program == NULL || chdir(running->directory) != 0)
        _exit(127);
    int log = open("output", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    setenv("HOME", running->directory, 1); /* where Caddy keeps things */
    setenv("XDG_DATA_HOME", running->directory, 1);
    setenv("XDG_CONFIG_HOME", running->directory, 1);
    execvp(program, (char *const *)(uintptr_t)running->proxy->words);
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

/* Traefik accepts connections before it has read its routes, and answers 404 until then. Without a token nothing reaches the
 * backend. */
static bool has_routes(const struct server *address) {
    struct reply reply = http_send(address, "GET", "/", NULL, NULL);
    bool is_ready = reply.status != 404;
    http_free(&reply);
    return is_ready;
}

static struct server listener(void) {
    struct server server = { .port = find_free_port(), .is_proxy = true };
    snprintf(server.url, sizeof server.url, "http://127.0.0.1:%d", server.port);
    return server;
}

struct running_proxy reverse_proxy_start(const struct reverse_proxy *proxy, const char *directory, int jwtd_port,
                                         int backend_port) {
    struct running_proxy running = { .proxy = proxy, .address = listener() };
    running.admins = proxy->has_admins_port ? listener() : running.address;
    snprintf(running.directory, sizeof running.directory, "%s/proxy.XXXXXX", directory);
    ck_assert_ptr_nonnull(mkdtemp(running.directory));
    write_configuration(&running, jwtd_port, backend_port);
    running.pid = fork();
    ck_assert_int_ge(running.pid, 0);
    if (running.pid == 0)
        run_proxy(&running);
    bool is_up = false;
    for (int i = 0; i < START_TRIES && !is_up; i++) {
        usleep(START_PAUSE_US);
        ck_assert_msg(waitpid(running.pid, NULL, WNOHANG) == 0, "%s has ended, see %s", proxy->name, running.directory);
        is_up = accepts(running.address.port) && (proxy->is_before_jwtd || has_routes(&running.address));
    }
    ck_assert_msg(is_up, "%s does not listen, or has no routes", proxy->name);
    return running;
}

void reverse_proxy_stop(struct running_proxy *running) {
    kill(running->pid, SIGKILL);
    waitpid(running->pid, NULL, 0);
}
