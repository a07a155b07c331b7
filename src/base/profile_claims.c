#include "jwtd/profile_claims.h"

const char *const profile_claim_names[PROFILE_CLAIM_COUNT] = {
    [CLAIM_NAME] = "name",
    [CLAIM_METADATA] = "metadata",
    [CLAIM_ADMIN_METADATA] = "admin_metadata",
};
