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

#define AT(member) offsetof(struct config, member)

/* Tokens count in seconds (RFC 7519 section 2, NumericDate), so their times are whole seconds. argon2id counts in KiB. */
const struct setting settings[] = {
    /* name, type, flags, default, min, max, unit, offset, help */
    { "server.listen", &endpoint_setting, 0, "127.0.0.1:8080", 0, 0, 0, AT(server.listen),
      "where to serve: address:port, [address]:port or unix:/path; port 0 picks a free one" },
    { "server.threads", &count_setting, 0, "0", 0, 1024, 0, AT(server.threads),
      "HTTP threads; 0: one per core that the process may use" },
    { "server.max_connections", &count_setting, 0, "10000", 1, 1000000, 0, AT(server.max_connections),
      "open connections; clamped to what the limit of open files allows" },
    { "server.max_connections_per_address", &count_setting, 0, "1000", 0, 1000000, 0, AT(server.max_connections_per_address),
      "open connections of one address (IPv4 /32, IPv6 /64; a /48 has four times as many) that is no trusted proxy; 0: no "
      "limit" },
    { "server.header_timeout", &duration_setting, 0, "10s", 100, 10 * MINUTE, 0, AT(server.header_timeout_ms),
      "from the first byte of a header to its last" },
    { "server.body_timeout", &duration_setting, 0, "10s", 100, 10 * MINUTE, 0, AT(server.body_timeout_ms),
      "the same for a body, and for a client to read its reply" },
    { "server.request_timeout", &duration_setting, 0, "5s", 10, 10 * MINUTE, 0, AT(server.request_timeout_ms),
      "from the last byte of a request to its reply" },
    { "server.body_limit", &size_setting, 0, "16KiB", KIB, MIB, 0, AT(server.body_limit), "the largest body of a request" },
    { "server.trusted_proxies", &networks_setting, 0, "", 0, 0, 0, AT(server.trusted_proxies),
      "proxies whose X-Forwarded-For is trusted, by address or network, like 192.0.2.10/32 ::1" },
    { "server.drain_delay", &duration_setting, 0, "0", 0, 10 * MINUTE, 0, AT(server.drain_delay_ms),
      "how long /health/ready reports a shutdown before the service stops accepting requests" },
    { "server.shutdown_grace", &duration_setting, 0, "30s", 0, 10 * MINUTE, 0, AT(server.shutdown_grace_ms),
      "how long a shutdown waits for requests in flight" },

    { "database.url", &url_setting, SECRET, "", 0, 4096, 0, AT(database.url),
      "libpq URL or conninfo; empty: the PG* variables of the environment" },
    { "database.connections", &count_setting, 0, "8", 1, 1000, 0, AT(database.connections), "connections, each with its thread" },
    { "database.statement_timeout", &duration_setting, 0, "2s", 10, 10 * MINUTE, 0, AT(database.statement_timeout_ms),
      "the longest that one statement may take" },
    { "database.prepared", &boolean_setting, 0, "true", 0, 0, 0, AT(database.prepared),
      "statements are prepared once per connection; off: for a pooler that lends connections by the transaction" },
    { "database.cleanup_interval", &duration_setting, 0, "1m", SECOND, DAY, 0, AT(database.cleanup_interval_ms),
      "pause between two rounds of deleting sessions that have ended" },

    { "password.memory", &size_setting, 0, "19MiB", 8 * KIB, GIB, KIB, AT(password.memory), "argon2id: memory of one hash" },
    { "password.operations", &count_setting, 0, "2", 1, 64, 0, AT(password.operations), "argon2id: passes over that memory" },
    { "password.allow_weak", &boolean_setting, 0, "false", 0, 0, 0, AT(password.allow_weak),
      "accept argon2id parameters below OWASP's minimum; for tests only" },
    { "password.workers", &count_setting, 0, "0", 0, 1024, 0, AT(password.workers),
      "threads that hash; 0: one per core that the process may use" },
    { "password.min_length", &count_setting, 0, "8", 8, 64, 0, AT(password.min_length),
      "shortest new password in characters; NIST asks for 15 where a password stands alone" },
    { "password.nice", &count_setting, 0, "5", 0, 19, 0, AT(password.nice),
      "nice value (0 to 19) of the hashing threads, so that many logins at once delay nothing else" },

    { "token.keys_dir", &text_setting, 0, "keys", 1, 4095, 0, AT(token.keys_dir), "directory of signing keys, <kid>.hs256" },
    { "token.active_kid", &kid_setting, RELOADABLE, "", 0, 64, 0, AT(token.active_kid),
      "the key that signs; empty: the newest by name" },
    { "token.refresh_key_file", &text_setting, 0, "refresh.key", 1, 4095, 0, AT(token.refresh_key_file),
      "the key of refresh tokens; this service's alone" },
    { "token.issuer", &text_setting, 0, "jwtd", 1, 255, 0, AT(token.issuer), "claim iss of access tokens" },
    { "token.audience", &text_setting, 0, "jwtd", 1, 255, 0, AT(token.audience), "claim aud of access tokens" },
    { "token.access_ttl", &duration_setting, 0, "15m", SECOND, DAY, SECOND, AT(token.access_ttl_ms), "life of an access token" },
    { "token.refresh_ttl", &duration_setting, 0, "30d", SECOND, 3650 * DAY, SECOND, AT(token.refresh_ttl_ms),
      "life of a session from its login, however much it is used" },
    { "token.refresh_idle", &duration_setting, 0, "7d", SECOND, 3650 * DAY, SECOND, AT(token.refresh_idle_ms),
      "life of a session that is not used" },
    { "token.refresh_retry_window", &duration_setting, 0, "10s", 0, 10 * MINUTE, 0, AT(token.refresh_retry_window_ms),
      "how long a refresh that is repeated gets the same successor" },

    { "limit.enabled", &boolean_setting, RELOADABLE, "true", 0, 0, 0, AT(limit.enabled), "whether any rate is limited" },
    { "limit.table_size", &count_setting, 0, "65536", 1024, 16777216, 0, AT(limit.table_size),
      "entries for buckets in use; a new one replaces the one that has been full for the longest" },
    { "limit.register", &rate_setting, RELOADABLE, "10/min burst 20", 0, 0, 0, AT(limit.register_),
      "registrations of one address (IPv4 /32, IPv6 /64; a /48 has four times as many), like 10/min burst 20, or off" },
    { "limit.login", &rate_setting, RELOADABLE, "10/min burst 20", 0, 0, 0, AT(limit.login), "logins of one address" },
    { "limit.refresh", &rate_setting, RELOADABLE, "300/min", 0, 0, 0, AT(limit.refresh), "refreshes of one address" },
    { "limit.account", &rate_setting, RELOADABLE, "600/min burst 300", 0, 0, 0, AT(limit.account),
      "everything else under /auth but /auth/verify, of one address" },
    { "limit.address_failures", &rate_setting, RELOADABLE, "30/15min", 0, 0, 0, AT(limit.address_failures),
      "wrong passwords of one address for all accounts" },
    { "limit.login_failures", &rate_setting, RELOADABLE, "10/10h", 0, 0, 0, AT(limit.login_failures),
      "wrong passwords of one address for one account, before it is locked for that address" },
    { "limit.lock", &duration_setting, RELOADABLE, "1m", SECOND, DAY, 0, AT(limit.lock_ms),
      "first lock of an account for an address, doubled with each further one; live sessions go on" },
    { "limit.lock_max", &duration_setting, RELOADABLE, "1h", SECOND, DAY, 0, AT(limit.lock_max_ms),
      "longest lock of an account for an address" },
    { "limit.account_failures", &rate_setting, RELOADABLE, "100/24h", 0, 0, 0, AT(limit.account_failures),
      "wrong passwords for one account of all addresses that it does not know" },

    { "cors.allowed_origins", &origins_setting, RELOADABLE, "", 0, 0, 0, AT(cors.allowed_origins),
      "origins of front ends, like https://app.example.com" },

    { "log.level", &level_setting, RELOADABLE, "info", 0, 0, 0, AT(log.level), "debug, info, warn or error" },
    { "log.format", &format_setting, 0, "auto", 0, 0, 0, AT(log.format),
      "text, json, or auto: text on a terminal, json elsewhere" },
};

const size_t settings_count = ARRAY_LEN(settings);
_Static_assert(ARRAY_LEN(settings) <= SETTINGS_MAX, "struct loading has a state for each");

bool setting_reject(char error[ERROR_SIZE], const char *reason) {
    (void)snprintf(error, ERROR_SIZE, "%s", reason);
    return false;
}

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
