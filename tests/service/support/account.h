/* account: what most tests begin with: a new address, a registered user, a login. All fail the test on any error. */
#ifndef JWTD_TEST_ACCOUNT_H
#define JWTD_TEST_ACCOUNT_H

#include "http.h"

#define PASSWORD "a long enough passphrase"
#define BODY_SIZE 1024
#define TOKEN_SIZE 4096

struct account {
    char email[96];
    char id[40];
};

struct tokens {
    char access[TOKEN_SIZE];
    char refresh[128];
};

struct account account_new(void);                             /* with an address that is not registered */
struct account account_register(const struct server *server); /* with PASSWORD */
struct tokens account_login(const struct server *server, const struct account *account);
struct tokens account_login_with(const struct server *server, const struct account *account, const char *password);

/* {"email": ..., "password": ...} */
const char *credentials(const struct account *account, const char *password, char body[BODY_SIZE]);
const char *refresh_json(const char *refresh_token, char body[BODY_SIZE]);

struct reply refresh_with(const struct server *server, const char *refresh_token);

/* A user with one session, which was refreshed twice. */
struct refreshed_user {
    struct account account;
    char refresh[3][128]; /* the last is the current one */
    char access[TOKEN_SIZE];
    char session_id[64];
};

struct refreshed_user refreshed_user_create(const struct server *server);

/* Changes its row of "users" or "sessions": refreshed_user_change(&user, "sessions", "expires_at = now()"). */
void refreshed_user_change(const struct refreshed_user *user, const char *table, const char *change);

/* An administrator beside those of the test, of whom the last one could not be removed. It can be made several times. */
void account_keep_administrator(void);

/* The status of GET /auth/me. */
long me_status(const struct server *server, const char *access_token);

#endif
