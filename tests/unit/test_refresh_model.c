/*
 * An exhaustive search of a model of the refresh rule (tests/refresh_rule.h): every order of events that the model knows, for any
 * length of time, since the worlds that it can reach are finitely many and all of them are visited.
 *
 * The model. Time goes in ticks; a message takes 0 to DELAY ticks each way, or is lost; the window is 2 * DELAY. The owner's tabs
 * share one store with one token. A tab may present the stored token at any moment, also while others are on their way (up to
 * MESSAGES messages in flight, requests and replies), but not within `rest` ticks of the moment when the token was stored: a
 * client refreshes when its access token runs out, and not twice in a row. A reply that arrives is put into the store, over
 * whatever is there; a lost reply is also the model of a tab that crashes before it could store it, and of one that was closed. A
 * client never knows that a message was lost; "too soon" is the same to it as a lost message. The thief copies the stored token
 * at any moment, keeps every token that it has ever seen, and may present any of them at any moment; its messages take no
 * time, since a later presentation is the same as a slow one. It does not know when the owner refreshes, but the search tries
 * every moment, so that it may also guess. Tokens are distinguished as far as the rule can: current, its parent, void (between
 * them), older. Nothing else of a number matters.
 *
 * What is proven of the model:
 * (P1) Without a thief no request of the owner is ever judged reuse, if `rest` is more than half a window. With less than that a
 * client that refreshes twice in a row can overtake its own other tab, and the search shows how. (P2) Counted from the last copy,
 * or from the last time that both parties presented one token within one window and so hold the same one: when the thief has got
 * a successor of its own and the owner then refreshes and stores the reply, no token that the thief got by itself is taken any
 * more. All that is left to it is the copied parent, whose presentation makes the owner's token void; the owner's next refresh
 * then ends the session. And when the owner does not refresh in between, its next refresh makes the thief's token void, or ends
 * the session. So the two never go on side by side.
 *
 * What is not: a thief who can read the store for ever stays in step with its owner, under any rule for tokens that can be
 * copied; one who presents a token in the same window as its owner shares the successor until one of them refreshes alone.
 * Failovers are not modelled here (tests/service/store_refresh.c has them).
 *
 * The search can fail: it finds a counterexample for each of the wrong rules below.
 */
#include "tests/refresh_rule.h"
#include "tests/runner.h"

#include "jwtd/macros.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Suite *refresh_model_suite(void);

enum { DELAY = 3, WINDOW = 2 * DELAY, MESSAGES = 4, AGE_MAX = WINDOW + 1, REST = DELAY + 1 };

_Static_assert(DELAY < 4 && AGE_MAX < 16, "ages fit their bits (pack)");

/* The names of tokens after each step; the row is (CURRENT, PARENT) again then. */
enum token { NO_TOKEN, OLDER, PARENT, VOID, CURRENT, NEXT };

enum party { OWNER, THIEF };

/* Of (P2): since the last copy or shared window, in this order. */
enum phase {
    TOGETHER,        /* the thief has got nothing of its own */
    THIEF_REFRESHED, /* it has */
    OWNER_REFRESHED, /* ... and then the owner, which has stored the reply */
    THIEF_RETURNED   /* ... and then the thief again */
};

enum kind { NO_MESSAGE, REQUEST, REPLY };

struct message {
    uint8_t kind, token, age;
};

struct world {
    uint8_t age, given; /* of the current generation, and since it was last returned */
    uint8_t store, store_age;
    struct message messages[MESSAGES]; /* in order, so that equal worlds look equal */
    uint8_t known, own;                /* bits of the tokens that the thief has seen, and of those that it was given */
    uint8_t phase, last;               /* enum phase; the party that made the current generation */
};

typedef enum rule_outcome rule_function(struct rule_session *session, uint32_t presented, unsigned window);

struct model {
    rule_function *rule;
    unsigned rest; /* ticks */
    bool has_thief;
};

/* ---- the set of worlds that were reached, and how ---- */

#define WORLDS_MAX (1u << 23)

struct node {
    uint64_t world;
    uint32_t from;
    char event[4];
};

struct search {
    const struct model *model;
    struct node *nodes;
    uint32_t *slots; /* index + 1 of a node; 0: empty */
    uint32_t count;
    uint32_t at;           /* the world that is examined */
    const char *violation; /* NULL: none was found */
};

static uint64_t pack(const struct world *world) {
    uint64_t bits = (uint64_t)world->age << 4 | world->given;
    bits = bits << 3 | world->store;
    bits = bits << 4 | world->store_age;
    for (size_t i = 0; i < MESSAGES; i++)
        bits =
            bits << 7 | (uint64_t)world->messages[i].kind << 5 | (uint64_t)world->messages[i].token << 2 | world->messages[i].age;
    return bits << 14 | (uint64_t)world->known << 9 | (uint64_t)world->own << 4 | (uint64_t)world->phase << 1 | world->last;
}

static struct world unpack(uint64_t bits) {
    struct world world = { .last = bits & 1, .phase = bits >> 1 & 7, .own = bits >> 4 & 31, .known = bits >> 9 & 31 };
    bits >>= 14;
    for (size_t i = MESSAGES; i-- > 0; bits >>= 7)
        world.messages[i] = (struct message){ .kind = bits >> 5 & 3, .token = bits >> 2 & 7, .age = bits & 3 };
    world.store_age = bits & 15;
    world.store = bits >> 4 & 7;
    world.given = bits >> 7 & 15;
    world.age = (uint8_t)(bits >> 11);
    return world;
}

static int by_content(const void *a, const void *b) {
    return memcmp(b, a, sizeof(struct message));
}

static void reach(struct search *search, struct world world, const char *event) {
    qsort(world.messages, MESSAGES, sizeof world.messages[0], by_content);
    uint64_t bits = pack(&world);
    size_t slot = bits * UINT64_C(0x9e3779b97f4a7c15) >> 40;
    for (; search->slots[slot] != 0; slot = (slot + 1) % (2 * WORLDS_MAX))
        if (search->nodes[search->slots[slot] - 1].world == bits)
            return;
    ck_assert_uint_lt(search->count, WORLDS_MAX);
    struct node *node = &search->nodes[search->count++];
    *node = (struct node){ .world = bits, .from = search->at };
    memcpy(node->event, event, strlen(event));
    search->slots[slot] = search->count;
}

/* ---- the server ---- */

static uint8_t rename_token(uint8_t token, const struct rule_session *row) {
    if (token == NO_TOKEN || token == row->parent)
        return token == NO_TOKEN ? NO_TOKEN : PARENT;
    if (token >= row->generation)
        return CURRENT;
    return token < row->parent ? OLDER : VOID;
}

static uint8_t rename_set(uint8_t set, const struct rule_session *row) {
    uint8_t renamed = 0;
    for (unsigned token = OLDER; token <= CURRENT; token++)
        if ((set & 1u << token) != 0)
            renamed |= (uint8_t)(1u << rename_token((uint8_t)token, row));
    return renamed;
}

static void rename_all(struct world *world, const struct rule_session *row) {
    world->store = rename_token(world->store, row);
    for (size_t i = 0; i < MESSAGES; i++)
        world->messages[i].token = rename_token(world->messages[i].token, row);
    world->known = rename_set(world->known, row);
    world->own = rename_set(world->own, row);
    world->age = (uint8_t)row->age;
    world->given = (uint8_t)row->given;
}

/* What (P2) says of a refresh outside the other's window; NULL: nothing. */
static const char *note_fresh(struct world *world, enum party who, bool with_own) {
    static const uint8_t next[] = { THIEF_REFRESHED, THIEF_REFRESHED, THIEF_RETURNED, THIEF_RETURNED };
    world->last = (uint8_t)who;
    if (who == OWNER)
        return world->phase == THIEF_RETURNED ? "the owner goes on after the thief has come back" : NULL;
    const char *violation =
        world->phase == OWNER_REFRESHED && with_own ? "the thief's own token is good after the owner has refreshed" : NULL;
    world->phase = next[world->phase];
    return violation;
}

/* Presents a token; the answer, if there is one, is CURRENT then. */
static enum rule_outcome present(struct search *search, struct world *world, enum party who, uint8_t token) {
    struct rule_session row = { .generation = CURRENT, .parent = PARENT, .age = world->age, .given = world->given };
    bool is_shared = token == PARENT && world->age <= WINDOW;
    bool with_own = (world->own & 1u << token) != 0;
    enum rule_outcome outcome = search->model->rule(&row, token, WINDOW);
    if (outcome == RULE_REUSED && !search->model->has_thief)
        search->violation = "an owner who was not robbed is logged out";
    if (outcome == RULE_REUSED || outcome == RULE_TOO_SOON)
        return outcome;
    rename_all(world, &row);
    if (!is_shared) {
        const char *violation = note_fresh(world, who, with_own);
        if (violation != NULL)
            search->violation = violation;
    } else if (world->last != who) {
        world->phase = TOGETHER;
        world->own = 0;
    }
    if (who == THIEF) {
        world->known |= 1u << CURRENT;
        if (!is_shared)
            world->own |= 1u << CURRENT;
    }
    return outcome;
}

/* ---- events ---- */

static void pass_time(struct search *search, struct world world) {
    for (size_t i = 0; i < MESSAGES; i++)
        if (world.messages[i].kind != NO_MESSAGE && world.messages[i].age++ == DELAY)
            return; /* it must arrive first, or be lost */
    world.age = world.age < AGE_MAX ? world.age + 1 : world.age;
    world.given = world.given < AGE_MAX ? world.given + 1 : world.given;
    world.store_age = world.store_age < search->model->rest ? world.store_age + 1 : world.store_age;
    reach(search, world, "t");
}

static void send_request(struct search *search, struct world world) {
    for (size_t i = 0; i < MESSAGES && world.store_age >= search->model->rest; i++) {
        if (world.messages[i].kind == NO_MESSAGE) {
            world.messages[i] = (struct message){ .kind = REQUEST, .token = world.store };
            reach(search, world, "s");
            return;
        }
    }
}

static void deliver_request(struct search *search, struct world world, size_t i) {
    enum rule_outcome outcome = present(search, &world, OWNER, world.messages[i].token);
    if (outcome == RULE_REUSED)
        return;
    world.messages[i] = (struct message){ .kind = REPLY, .token = CURRENT };
    if (outcome == RULE_TOO_SOON)
        world.messages[i] = (struct message){ .kind = NO_MESSAGE };
    reach(search, world, "q");
}

static void deliver_reply(struct search *search, struct world world, size_t i) {
    if (world.store != world.messages[i].token)
        world.store_age = 0;
    world.store = world.messages[i].token;
    if (world.phase == THIEF_REFRESHED && world.last == OWNER && world.store == CURRENT)
        world.phase = OWNER_REFRESHED;
    world.messages[i] = (struct message){ .kind = NO_MESSAGE };
    reach(search, world, "r");
}

static void lose(struct search *search, struct world world, size_t i) {
    world.messages[i] = (struct message){ .kind = NO_MESSAGE };
    reach(search, world, "x");
}

static void copy(struct search *search, struct world world) {
    world.known |= (uint8_t)(1u << world.store);
    world.own = 0;
    world.phase = TOGETHER;
    reach(search, world, "C");
}

static void steal(struct search *search, const struct world *world) {
    for (unsigned token = OLDER; token <= CURRENT; token++) {
        struct world next = *world;
        if ((world->known & 1u << token) != 0 && present(search, &next, THIEF, (uint8_t)token) < RULE_TOO_SOON)
            reach(search, next, "T");
    }
}

static void expand(struct search *search, const struct world *world) {
    pass_time(search, *world);
    send_request(search, *world);
    for (size_t i = 0; i < MESSAGES; i++) {
        if (world->messages[i].kind == REQUEST)
            deliver_request(search, *world, i);
        if (world->messages[i].kind == REPLY)
            deliver_reply(search, *world, i);
        if (world->messages[i].kind != NO_MESSAGE)
            lose(search, *world, i);
    }
    if (search->model->has_thief) {
        copy(search, *world);
        steal(search, world);
    }
}

/* The events on the way to the world that the search stands at: t a tick, s a request is sent, q arrives, r a reply arrives, x
 * one is lost, C the thief copies, T it presents. The event that violates the property comes behind them. */
static const char *way(const struct search *search, char text[512]) {
    size_t at = 511;
    text[at] = '\0';
    for (uint32_t i = search->at; i != 0 && at > 0; i = search->nodes[i].from)
        text[--at] = search->nodes[i].event[0];
    return text + at;
}

/* Visits every world that can be reached, those of the fewest events first. */
static struct search explore(const struct model *model, char path[512], const char **events) {
    struct search search = { .model = model,
                             .nodes = malloc(WORLDS_MAX * sizeof(struct node)),
                             .slots = calloc((size_t)2 * WORLDS_MAX, sizeof(uint32_t)) };
    ck_assert(search.nodes != NULL && search.slots != NULL);
    reach(&search, (struct world){ .age = AGE_MAX, .given = AGE_MAX, .store = CURRENT, .store_age = (uint8_t)model->rest }, "");
    for (; search.at < search.count && search.violation == NULL; search.at++) {
        struct world world = unpack(search.nodes[search.at].world);
        expand(&search, &world);
        if (search.violation != NULL)
            break;
    }
    *events = search.violation == NULL ? "" : way(&search, path);
    printf("refresh_model: %u worlds%s%s %s\n", search.count, search.violation == NULL ? "" : ", ",
           search.violation == NULL ? "" : search.violation, *events);
    free(search.nodes);
    free(search.slots);
    return search;
}

/* ---- rules that are wrong ---- */

/* As it was: a lost reply can be asked for again only within the window. */
static enum rule_outcome no_second_chance(struct rule_session *session, uint32_t presented, unsigned window) {
    if (presented == session->parent && session->age > window)
        return RULE_REUSED;
    return refresh_rule(session, presented, window);
}

static enum rule_outcome same_successor_for_ever(struct rule_session *session, uint32_t presented, unsigned window) {
    (void)window;
    return refresh_rule(session, presented, AGE_MAX);
}

static enum rule_outcome nothing_is_void(struct rule_session *session, uint32_t presented, unsigned window) {
    if (presented > session->parent && presented < session->generation)
        return refresh_rule(session, session->generation, window);
    return refresh_rule(session, presented, window);
}

/* The replaced successor is taken for the parent. */
static enum rule_outcome parent_is_the_generation_before(struct rule_session *session, uint32_t presented, unsigned window) {
    enum rule_outcome outcome = refresh_rule(session, presented, window);
    session->parent = session->generation - 1;
    return outcome;
}

/* The parent of a replaced successor is remembered for too long. */
static enum rule_outcome parent_survives_a_rotation(struct rule_session *session, uint32_t presented, unsigned window) {
    uint32_t parent = session->parent;
    enum rule_outcome outcome = refresh_rule(session, presented, window);
    if (outcome == RULE_ROTATED)
        session->parent = parent;
    return outcome;
}

/* As refresh_rule, but for RULE_TOO_SOON: what was returned again at the end of the window is replaced while it is on its way.
 */
static enum rule_outcome no_pause(struct rule_session *session, uint32_t presented, unsigned window) {
    session->given = AGE_MAX;
    return refresh_rule(session, presented, window);
}

static enum rule_outcome replacing_opens_no_window(struct rule_session *session, uint32_t presented, unsigned window) {
    unsigned age = session->age;
    enum rule_outcome outcome = refresh_rule(session, presented, window);
    if (outcome == RULE_REPLACED)
        session->age = session->given = age;
    return outcome;
}

static enum rule_outcome no_window(struct rule_session *session, uint32_t presented, unsigned window) {
    if (presented == session->parent && window > 0)
        session->age = AGE_MAX;
    return refresh_rule(session, presented, 0);
}

static enum rule_outcome window_too_short(struct rule_session *session, uint32_t presented, unsigned window) {
    return refresh_rule(session, presented, window - 1);
}

static enum rule_outcome reuse_is_not_reported(struct rule_session *session, uint32_t presented, unsigned window) {
    (void)window;
    return presented == session->generation ? refresh_rule(session, presented, 0) : RULE_RETRIED;
}

/* ---- the properties ---- */

static const struct {
    const char *name;
    struct model model;
    bool holds;
} cases[] = {
    { "P1", { refresh_rule, REST, false }, true },
    { "P2", { refresh_rule, REST, true }, true },
    { "P2, whatever its clients do", { refresh_rule, 0, true }, true },
    { "P1, a client that refreshes twice in a row", { refresh_rule, 0, false }, false },
    { "P1, a client that rests for half a window", { refresh_rule, REST - 1, false }, false },
    { "P1, no second chance", { no_second_chance, REST, false }, false },
    { "P1, parent is the generation before", { parent_is_the_generation_before, REST, false }, false },
    { "P1, parent survives a rotation", { parent_survives_a_rotation, REST, false }, false },
    { "P1, no pause", { no_pause, WINDOW, false }, false },
    { "P1, replacing opens no window", { replacing_opens_no_window, WINDOW, false }, false },
    { "P1, no window", { no_window, WINDOW, false }, false },
    { "P1, window too short", { window_too_short, WINDOW, false }, false },
    { "P2, same successor for ever", { same_successor_for_ever, REST, true }, false },
    { "P2, nothing is void", { nothing_is_void, REST, true }, false },
    { "P2, reuse is not reported", { reuse_is_not_reported, REST, true }, false },
};

START_TEST(the_rule_holds_in_every_order_of_events_and_wrong_rules_are_found_out) {
    char path[512];
    const char *events;
    if (test_is_emulated() && cases[_i].holds && cases[_i].model.rest == 0)
        SKIP_TEST("qemu takes many minutes for these worlds, which are the same on every machine");
    struct search search = explore(&cases[_i].model, path, &events);
    ck_assert_msg((search.violation == NULL) == cases[_i].holds, "%s: %s %s", cases[_i].name,
                  search.violation == NULL ? "no counterexample" : search.violation, events);
    ck_assert_uint_gt(search.count, 20);
}
END_TEST

Suite *refresh_model_suite(void) {
    Suite *suite = suite_create("refresh_model");
    TCase *tcase = tcase_create("exhaustive");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, the_rule_holds_in_every_order_of_events_and_wrong_rules_are_found_out, 0, (int)ARRAY_LEN(cases));
    suite_add_tcase(suite, tcase);
    return suite;
}
