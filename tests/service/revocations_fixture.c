#include "revocations_fixture.h"
#include "support/account.h"
#include "support/database.h"

#include <stdio.h>

struct service orders;

void revocations_start(void) {
    shared_server_start();
    orders = service_add(&shared_server, "orders");
    follower_set_service(orders);
}

struct reply revocations_ask(const struct server *server) {
    return http_send(server, "GET", "/auth/revocations", (const char *const[]){ orders.authorization, NULL }, NULL);
}

void run_sql(const char *statement) {
    char value[64];
    database_value(statement, NULL, value, sizeof value);
}

void revoke_made_up_sessions(unsigned count) {
    char statement[256];
    snprintf(statement, sizeof statement,
             "INSERT INTO revocations (session_id, user_id, reason) SELECT gen_random_uuid(), gen_random_uuid(), 'logout'"
             " FROM generate_series(1, %u)",
             count);
    run_sql(statement);
}

void empty_table(void) {
    run_sql("DELETE FROM revocations");
}
