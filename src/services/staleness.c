#include "jwtd/services.h"

int64_t services_revocations_age_us(const struct services *services, int64_t now_us) {
    int64_t sessions_us = revoked_sessions_age_us(services->revoked, now_us);
    int64_t keys_us = revoked_keys_age_us(services->revoked_keys, now_us);
    return sessions_us > keys_us ? sessions_us : keys_us;
}
