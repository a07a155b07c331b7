/*
 * profile_claims: what of a user's profile the setting token.claims may put into access tokens. Constant data: any thread.
 */
#ifndef JWTD_PROFILE_CLAIMS_H
#define JWTD_PROFILE_CLAIMS_H

enum profile_claim { CLAIM_NAME, CLAIM_METADATA, CLAIM_ADMIN_METADATA, PROFILE_CLAIM_COUNT };

/* As in the token, in the setting and in the user resource. */
extern const char *const profile_claim_names[PROFILE_CLAIM_COUNT];

#define PROFILE_CLAIM_BIT(claim) (1u << (claim)) /* in a set of them */

#endif
