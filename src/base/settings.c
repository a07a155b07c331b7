#include "settings.h"

#include "jwtd/macros.h"

#include <string.h>

#define KIB INT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

/* clang-format off */
#define MEMBER_OF_boolean bool: true
#define MEMBER_OF_count unsigned: true, int: true
#define MEMBER_OF_fraction unsigned: true
#define MEMBER_OF_duration int64_t: true
#define MEMBER_OF_size size_t: true
#define MEMBER_OF_rate struct limit_rate: true
#define MEMBER_OF_text char *: true
#define MEMBER_OF_url char *: true
#define MEMBER_OF_kid char *: true
#define MEMBER_OF_web_address char *: true
#define MEMBER_OF_otlp_url char *: true
#define MEMBER_OF_endpoint struct endpoint: true
#define MEMBER_OF_networks struct cidr_list: true
#define MEMBER_OF_origins struct string_list: true
#define MEMBER_OF_claims unsigned: true
#define MEMBER_OF_level enum log_level: true
#define MEMBER_OF_format enum log_format: true
#define MEMBER_OF_requests enum log_requests: true
#define MEMBER_OF_emails enum log_emails: true
#define MEMBER_OF_digest char *: true

/* A row; does not compile when the member's type is not one that the setting's type writes. */
#define SETTING(name, type, flags, value, min, max, unit, member, help) \
    { name, &type##_setting, flags, value, min, max, unit, OFFSET(member, MEMBER_OF_##type), help }
#define OFFSET(member, ...) \
    (offsetof(struct config, member) + \
     0 * sizeof(char[_Generic(((struct config *)0)->member, __VA_ARGS__, default: false) ? 1 : -1]))
/* clang-format on */

/* Tokens count in seconds (RFC 7519 section 2, NumericDate), so their times are whole seconds. argon2id counts in KiB. */
const struct setting settings[] = {
    /* name, type, flags, default, min, max, unit, member of struct config, help */
    SETTING("server.listen", endpoint, 0, "127.0.0.1:8080", 1, 0, 0, server.listen,
            "where to serve: address:port, [address]:port or unix:/path; port 0 picks a free one"),
    SETTING("server.public_url", web_address, 0, "", 0, 255, 0, server.public_url,
            "where clients find the service, like https://auth.example.com; makes the addresses in problems and /openapi.json "
            "absolute"),
    SETTING("server.threads", count, 0, "0", 0, 1024, 0, server.threads,
            "HTTP threads; 0: one per core that the process may use"),
    SETTING("server.max_connections", count, 0, "10000", 1, 1000000, 0, server.max_connections,
            "open connections; clamped to what the limit of open files allows"),
    SETTING("server.max_connections_per_address", count, 0, "1000", 0, 1000000, 0, server.max_connections_per_address,
            "open connections of one address (IPv4 /32, IPv6 /64; a /48 has four times as many) that is no trusted proxy; 0: no "
            "limit"),
    SETTING("server.max_streams", count, 0, "1024", 1, 1000000, 0, server.max_streams,
            "followers of GET /auth/revocations at a time; each is an open connection, too"),
    SETTING("server.header_timeout", duration, 0, "10s", 100, 10 * MINUTE, 0, server.header_timeout_ms,
            "from the first byte of a header to its last"),
    SETTING("server.body_timeout", duration, 0, "10s", 100, 10 * MINUTE, 0, server.body_timeout_ms,
            "the same for a body, and for a client to read its reply"),
    SETTING("server.request_timeout", duration, 0, "5s", 10, 10 * MINUTE, 0, server.request_timeout_ms,
            "from the last byte of a request to its reply"),
    SETTING("server.body_limit", size, 0, "16KiB", KIB, MIB, 0, server.body_limit, "the largest body of a request"),
    SETTING("server.trusted_proxies", networks, 0, "", 0, 0, 0, server.trusted_proxies,
            "proxies whose X-Forwarded-For is trusted, by address or network, like 192.0.2.10/32 ::1"),
    SETTING("server.drain_delay", duration, 0, "0", 0, 10 * MINUTE, 0, server.drain_delay_ms,
            "how long /health/ready reports a shutdown before the service stops accepting requests"),
    SETTING("server.shutdown_grace", duration, 0, "30s", 0, 10 * MINUTE, 0, server.shutdown_grace_ms,
            "how long a shutdown waits for requests in flight"),

    SETTING("database.url", url, SECRET, "", 0, 4096, 0, database.url,
            "libpq URL or conninfo; empty: the PG* variables of the environment"),
    SETTING("database.connections", count, 0, "8", 1, 1000, 0, database.connections, "connections to serve requests with"),
    SETTING("database.threads", count, 0, "1", 1, 64, 0, database.threads, "threads that share these connections"),
    SETTING("database.statement_timeout", duration, 0, "2s", 10, 10 * MINUTE, 0, database.statement_timeout_ms,
            "the longest that one statement may take"),
    SETTING("database.prepared", boolean, 0, "true", 0, 0, 0, database.prepared,
            "statements are prepared once per connection; off: for a pooler in transaction mode"),
    SETTING("database.cleanup_interval", duration, 0, "1m", SECOND, DAY, 0, database.cleanup_interval_ms,
            "pause between two rounds of deleting sessions that have ended"),

    SETTING("password.memory", size, 0, "19MiB", 8 * KIB, GIB, KIB, password.memory, "argon2id: memory of one hash"),
    SETTING("password.operations", count, 0, "2", 1, 64, 0, password.operations, "argon2id: passes over that memory"),
    SETTING("password.allow_weak", boolean, 0, "false", 0, 0, 0, password.allow_weak,
            "accept argon2id parameters below OWASP's minimum; for tests only"),
    SETTING("password.workers", count, 0, "0", 0, 1024, 0, password.workers,
            "threads that hash; 0: one per core that the process may use"),
    SETTING("password.min_length", count, 0, "8", 8, 64, 0, password.min_length,
            "shortest new password in characters; NIST asks for 15 where a password stands alone"),
    SETTING("password.nice", count, 0, "5", 0, 19, 0, password.nice,
            "nice value (0 to 19) of the hashing threads, so that many logins at once delay nothing else"),

    SETTING("token.keys_dir", text, 0, "keys", 1, 4095, 0, token.keys_dir,
            "directory of signing keys: <kid>.hs256, .es256, .rs256; keys.conf"),
    SETTING("token.active_kid", kid, RELOADABLE, "", 0, 64, 0, token.active_kid,
            "without keys.conf, the key that signs; empty: the newest by name of those there for publish_before_use"),
    SETTING("token.publish_before_use", duration, RELOADABLE, "20m", 0, 7 * DAY, SECOND, token.publish_before_use_ms,
            "a new key signs only when others had so long to read it"),
    SETTING("token.refresh_key_file", text, 0, "refresh.key", 1, 4095, 0, token.refresh_key_file,
            "the key of refresh tokens; this service's alone"),
    SETTING("token.issuer", text, 0, "jwtd", 1, 255, 0, token.issuer, "claim iss of access tokens"),
    SETTING("token.audience", text, 0, "jwtd", 1, 255, 0, token.audience, "claim aud of access tokens"),
    SETTING("token.claims", claims, 0, "", 0, 0, 0, token.claims,
            "further claims of access tokens: name, metadata, admin_metadata; empty: none"),
    SETTING("token.access_ttl", duration, 0, "15m", SECOND, DAY, SECOND, token.access_ttl_ms, "life of an access token"),
    SETTING("token.refresh_ttl", duration, 0, "30d", SECOND, 3650 * DAY, SECOND, token.refresh_ttl_ms,
            "life of a session from its login, however much it is used"),
    SETTING("token.refresh_idle", duration, 0, "7d", SECOND, 3650 * DAY, SECOND, token.refresh_idle_ms,
            "life of a session that is not used"),
    SETTING("token.refresh_retry_window", duration, 0, "10s", 0, 10 * MINUTE, 0, token.refresh_retry_window_ms,
            "how long a refresh that is repeated gets the same successor"),
    SETTING("token.max_stale", duration, RELOADABLE, "1m", 5 * SECOND, DAY, 0, token.max_stale_ms,
            "how old what is known of revocations may be, while the database is away, before tokens are refused"),

    SETTING("limit.enabled", boolean, RELOADABLE, "true", 0, 0, 0, limit.enabled, "whether any rate is limited"),
    SETTING("limit.table_size", count, 0, "65536", 1024, 16777216, 0, limit.table_size,
            "entries for buckets in use; a new one replaces the one that has been full for the longest"),
    SETTING("limit.register", rate, RELOADABLE, "10/min burst 20", 0, 0, 0, limit.register_,
            "registrations of one address (IPv4 /32, IPv6 /64; a /48 has four times as many), like 10/min burst 20, or off"),
    SETTING("limit.login", rate, RELOADABLE, "10/min burst 20", 0, 0, 0, limit.login, "logins of one address"),
    SETTING("limit.refresh", rate, RELOADABLE, "300/min", 0, 0, 0, limit.refresh, "refreshes of one address"),
    SETTING("limit.account", rate, RELOADABLE, "600/min burst 300", 0, 0, 0, limit.account,
            "everything else under /auth but /auth/verify, of one address"),
    SETTING("limit.address_failures", rate, RELOADABLE, "30/15min", 0, 0, 0, limit.address_failures,
            "wrong passwords of one address for all accounts"),
    SETTING("limit.login_failures", rate, RELOADABLE, "10/10h", 0, 0, 0, limit.login_failures,
            "wrong passwords of one address for one account, before it is locked for that address"),
    SETTING("limit.lock", duration, RELOADABLE, "1m", SECOND, DAY, 0, limit.lock_ms,
            "first lock of an account for an address, doubled with each further one; live sessions go on"),
    SETTING("limit.lock_max", duration, RELOADABLE, "1h", SECOND, DAY, 0, limit.lock_max_ms,
            "longest lock of an account for an address"),
    SETTING("limit.account_failures", rate, RELOADABLE, "100/24h", 0, 0, 0, limit.account_failures,
            "wrong passwords for one account of all addresses that it does not know"),
    SETTING("limit.service", rate, RELOADABLE, "60000/min burst 5000", 0, 0, 0, limit.service,
            "introspections, revocations and streams of one service; of one address without valid credentials"),

    SETTING("services.credentials_file", text, 0, "services.credentials", 1, 4095, 0, services.credentials_file,
            "names of services with hashes of their secrets, written by jwtd service; missing: there are no services"),

    SETTING("audit.keep", duration, 0, "400d", 0, 36500 * DAY, 0, audit.keep_ms,
            "how long the events of the audit are kept, at least 30d; they are removed by whole months; 0: for ever"),

    SETTING("cors.allowed_origins", origins, RELOADABLE, "", 0, 0, 0, cors.allowed_origins,
            "origins of front ends, like https://app.example.com"),

    SETTING("ops.listen", endpoint, 0, "127.0.0.1:9464", 0, 0, 0, ops.listen,
            "where the operator is answered: /metrics, /health, /debug/threads; like server.listen; empty: nowhere"),

    SETTING("admin.enabled", boolean, RELOADABLE, "false", 0, 0, 0, admin.enabled,
            "whether /admin, the administrators' page, is there; who may use it is decided by the API"),

    SETTING("docs.enabled", boolean, RELOADABLE, "true", 0, 0, 0, docs.enabled,
            "whether /docs and /openapi.json describe the service, and / redirects browsers there"),

    SETTING("trace.otlp_endpoint", otlp_url, 0, "", 0, 255, 0, trace.otlp_endpoint,
            "collector of traces (OTLP/HTTP, JSON), like http://127.0.0.1:4318; empty: nothing is traced"),
    SETTING("trace.sample", fraction, RELOADABLE, "0.01", 0, 0, 0, trace.sample, "part of all requests that is traced, 0 to 1"),
    SETTING("trace.sample_callers", rate, RELOADABLE, "10/s", 0, 0, 0, trace.sample_callers,
            "requests that are traced because their traceparent asks for it, of all callers; off: none"),

    SETTING("log.level", level, RELOADABLE, "info", 0, 0, 0, log.level, "debug, info, warn or error"),
    SETTING("log.format", format, 0, "auto", 0, 0, 0, log.format, "text, json, or auto: text on a terminal, json elsewhere"),
    SETTING("log.requests", requests, RELOADABLE, "all", 0, 0, 0, log.requests,
            "which requests have a line at info: all, or refused (a status from 400 on)"),
    SETTING("log.emails", emails, RELOADABLE, "masked", 0, 0, 0, log.emails,
            "e-mail addresses in the log: masked (a***@e***) or whole"),
    SETTING("log.detail_digest", digest, RELOADABLE, "", 0, 64, 0, log.detail_digest,
            "SHA-256 (sha256sum) of the word that a request must send as X-Log-Detail to be logged in detail; empty: none can"),
};

const size_t settings_count = ARRAY_LEN(settings);
_Static_assert(ARRAY_LEN(settings) <= SETTINGS_MAX, "struct loading has a state for each");

const struct setting *setting_find(const char *name) {
    for (size_t i = 0; i < settings_count; i++)
        if (strcmp(settings[i].name, name) == 0)
            return &settings[i];
    return NULL;
}

void *setting_place(const struct setting *setting, struct config *config) {
    return (char *)config + setting->offset;
}

const void *setting_value(const struct setting *setting, const struct config *config) {
    return (const char *)config + setting->offset;
}
