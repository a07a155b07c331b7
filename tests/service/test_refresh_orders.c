/*
 * Every order of events by an owner, a second tab of the same browser and a thief: docs/contract.md, "Refreshing". The model
 * (tests/unit/test_refresh_model.c) knows more of them; these are those that a reader asks about, against the running service.
 */
#include "support/account.h"
#include "support/database.h"

#include "jwtd/macros.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

Suite *refresh_orders_suite(void);

/*
 * Events: O the owner presents the stored token and stores the answer; o the same, but the answer is lost. b the second tab reads
 * the store, B presents what it read and stores the answer. c the thief copies the stored token, T presents its newest token, t
 * the one that it copied. w the window passes, h six tenths of it. Outcomes, one for each that presents: n a new token, = one
 * that was given out before, s too soon, ! reuse.
 */
static const struct order {
    const char *events, *outcomes;
} orders[] = {
    /* the owner alone */
    { "OOO", "nnn" },
    { "OwOwO", "nnn" },
    { "oO", "n=" },        /* a reply lost a moment ago */
    { "ooooO", "n====" },  /* and again */
    { "oOO", "n=n" },      /* the successor is good */
    { "owOwO", "nnn" },    /* a reply lost long ago */
    { "owowowO", "nnnn" }, /* and again: however late, however often */
    { "owoO", "nn=" },
    { "owOO", "nnn" },
    { "owoOwO", "nn=n" },
    { "ohohOwO", "n=sn" }, /* the last reply may not have arrived yet */
    { "ohohowowO", "n=snn" },
    /* two tabs */
    { "bOB", "n=" },     /* they wake up together */
    { "bOBO", "n=n" },   /* ... and go on */
    { "boBO", "n=n" },   /* one answer is lost */
    { "bOwB", "nn" },    /* the second tab was asleep */
    { "bOwBO", "nnn" },  /* ... and what it stored is good */
    { "bOwBwO", "nnn" }, /* at any time */
    { "bowBO", "nnn" },
    { "bowowB", "nnn" },
    { "bOOB", "nn!" }, /* a tab that is two generations behind looks like a thief */
    { "bOwOwB", "nn!" },
    /* a thief within the window of the owner: both have the same token, which cannot be recognised yet */
    { "cTO", "n=" },
    { "cOT", "n=" },
    { "cTOOT", "n=n=" },
    { "cTOOwT", "n=nn" }, /* now the owner's successor is void */
    { "cTOOwTO", "n=nn!" },
    { "cTOTO", "n=n=" },
    { "cTOTwO", "n=nn" },
    { "cTOTwOT", "n=nn!" },
    { "cTOOOT", "n=nn!" },
    /* the thief first, the owner later */
    { "cTwO", "nn" },
    { "cTwOT", "nn!" }, /* the token that the thief received is void */
    { "cTwOOT", "nnn!" },
    { "cTwOwT", "nn!" },
    { "cTTO", "nn!" },
    { "cTTwO", "nn!" },
    { "cTwTwO", "nn!" },
    { "cTwOt", "nn=" }, /* the thief presents the copy again: the owner's successor, or ... */
    { "cTwOwt", "nnn" },
    { "cTwOwtO", "nnn!" }, /* ... a new one, and the owner's is void */
    { "cTwOOt", "nnn!" },
    { "cTwowO", "nnn" }, /* the owner's answer is lost */
    { "cTwowOT", "nnn!" },
    { "cTwoT", "nn!" },
    /* the owner first, the thief later */
    { "cOwT", "nn" },
    { "cOwTO", "nn!" },
    { "cOwTT", "nnn" },
    { "cOwTTO", "nnn!" },
    { "cOOT", "nn!" },
    { "cOwOwT", "nn!" },
    { "cowTO", "nn=" }, /* a lost answer, and the thief within the window of the next try */
    { "cowTwO", "nnn" },
    { "cowTwOT", "nnn!" },
    { "cowOT", "nn=" },
    { "cowOwT", "nnn" },
    { "cowOwTO", "nnn!" },
    /* a thief between two tabs */
    { "bcTB", "n=" },
    { "bcTwB", "nn" },
    { "bcTwBT", "nn!" },
    { "bcOTB", "n==" },
    { "bcOwTB", "nn=" },
    { "bcOwTBO", "nn=n" },   /* the second tab shares the thief's window: both have one token again */
    { "bcOwTBOT", "nn=n=" }, /* ... until the window has passed */
    { "bcOwTBOwT", "nn=nn" },
    { "bcOwTBOwTO", "nn=nn!" },
    { "bcTTB", "nn!" },
    /* the end is the end */
    { "cTTOO", "nn!!" },
    { "cTTOT", "nn!!" },
    { "cTwOTO", "nn!!" },
};

#define TOKEN_LEN 128
#define TOKENS_MAX 16

struct world {
    struct account account;
    char store[TOKEN_LEN], tab[TOKEN_LEN], copy[TOKEN_LEN], newest[TOKEN_LEN];
    char seen[TOKENS_MAX][TOKEN_LEN];
    size_t seen_count;
    char outcomes[TOKENS_MAX];
    size_t outcomes_count;
};

static bool was_seen(const struct world *world, const char *token) {
    for (size_t i = 0; i < world->seen_count; i++)
        if (strcmp(world->seen[i], token) == 0)
            return true;
    return false;
}

static char outcome_of(struct world *world, const struct reply *reply) {
    const char *code = http_member(reply, "code");
    if (reply->status == 200) {
        const char *token = http_member(reply, "refresh_token");
        if (was_seen(world, token))
            return '=';
        snprintf(world->seen[world->seen_count++], TOKEN_LEN, "%s", token);
        return 'n';
    }
    if (reply->status == 503 && strcmp(code, "refresh_too_soon") == 0)
        return 's';
    return reply->status == 401 && strcmp(code, "refresh_token_reused") == 0 ? '!' : '?';
}

/* The answer goes to `kept`, if there is one and it is not lost (NULL). */
static void present(struct world *world, const char *token, char *kept) {
    struct reply reply = refresh_with(&shared_server, token);
    world->outcomes[world->outcomes_count++] = outcome_of(world, &reply);
    if (reply.status == 200 && kept != NULL)
        snprintf(kept, TOKEN_LEN, "%s", http_member(&reply, "refresh_token"));
    http_free(&reply);
}

static void pass_seconds(const struct world *world, const char *seconds) {
    char sql[160], ignored[8];
    snprintf(sql, sizeof sql, "UPDATE sessions SET rotated_at = rotated_at - interval '%s s' WHERE user_id = $1::uuid", seconds);
    database_value(sql, world->account.id, ignored, sizeof ignored);
}

static void copy_token(char *to, const char *from) {
    memcpy(to, from, TOKEN_LEN);
}

static void happen(struct world *world, char event) {
    switch (event) {
    case 'O':
    case 'o':
        present(world, world->store, event == 'O' ? world->store : NULL);
        break;
    case 'b':
        copy_token(world->tab, world->store);
        break;
    case 'B':
        present(world, world->tab, world->store);
        break;
    case 'c':
        copy_token(world->copy, world->store);
        copy_token(world->newest, world->store);
        break;
    case 'T':
        present(world, world->newest, world->newest);
        break;
    case 't':
        present(world, world->copy, world->newest);
        break;
    default:
        pass_seconds(world, event == 'w' ? "21" : "6");
        break;
    }
}

static struct world live_through(const char *events) {
    struct world world = { .account = account_register(&shared_server) };
    struct tokens tokens = account_login(&shared_server, &world.account);
    copy_token(world.store, tokens.refresh);
    for (; *events != '\0'; events++)
        happen(&world, *events);
    return world;
}

START_TEST(an_order_of_events_has_the_outcomes_that_the_contract_says) {
    const struct order *order = &orders[_i];
    struct world world = live_through(order->events);
    ck_assert_msg(strcmp(world.outcomes, order->outcomes) == 0, "%s gave %s instead of %s", order->events, world.outcomes,
                  order->outcomes);
    bool is_found = strchr(order->outcomes, '!') != NULL;
    static const char sessions[] = "SELECT count(*) FROM sessions WHERE user_id = $1::uuid AND revoke_reason = 'reuse'";
    static const char published[] = "SELECT count(*) FROM revocations WHERE user_id = $1::uuid AND reason = 'reuse'";
    ck_assert_int_eq(database_number(sessions, world.account.id), is_found ? 1 : 0);
    ck_assert_int_eq(database_number(published, world.account.id), is_found ? 1 : 0);
    char line[128];
    snprintf(line, sizeof line, "\"event\":\"refresh_token_reused\",\"user_id\":\"%s\"", world.account.id);
    ck_assert(is_found ? server_log_contains(&shared_server, line) : server_log_count(&shared_server, line) == 0);
}
END_TEST

Suite *refresh_orders_suite(void) {
    Suite *suite = suite_create("refresh_orders");
    TCase *tcase = tcase_create("one server");
    tcase_set_timeout(tcase, 60);
    tcase_add_unchecked_fixture(tcase, shared_server_start, shared_server_finish);
    tcase_add_loop_test(tcase, an_order_of_events_has_the_outcomes_that_the_contract_says, 0, (int)ARRAY_LEN(orders));
    suite_add_tcase(suite, tcase);
    return suite;
}
