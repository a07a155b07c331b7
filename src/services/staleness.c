#include "jwtd/services.h"

int64_t services_revocations_age_us(const struct services *services, int64_t now_us) {
    int64_t sessions_us = revoked_sessions_age_us(services->revoked, now_us);
    int64_t keys_us = revoked_keys_age_us(services->revoked_keys, now_us);
    return sessions_us > keys_us ? sessions_us : keys_us;
}

bool services_revocations_are_stale(const struct services *services, int64_t max_stale_ms, int64_t now_us) {
    return revoked_sessions_are_ready(services->revoked) && revoked_keys_are_ready(services->revoked_keys) &&
           services_revocations_age_us(services, now_us) > max_stale_ms * 1000;
}
