#include "connection_pool.h"

#include <assert.h>
#include <stdlib.h>

#define SOURCES_MAX 250U /* 127.0.0.1 to 127.0.0.250 */

bool connection_pool_init(struct connection_pool *pool, const struct plan *plan, struct worker_share *share, int epoll,
                          unsigned worker) {
    *pool = (struct connection_pool){ .plan = plan, .share = share, .epoll = epoll, .source = worker, .sources = plan->sources };
    LIST_INIT(&pool->closed);
    LIST_INIT(&pool->idle);
    pool->items = calloc(plan->connections_max, sizeof *pool->items);
    if (pool->items == NULL)
        return false;
    for (size_t i = plan->connections_max; i > 0; i--)
        LIST_INSERT_HEAD(&pool->closed, &pool->items[i - 1], free);
    return true;
}

void connection_pool_fini(struct connection_pool *pool) {
    for (size_t i = 0; pool->items != NULL && i < pool->plan->connections_max; i++)
        connection_fini(&pool->items[i]);
    free(pool->items);
    free(pool->kept);
    pool->items = NULL;
    pool->kept = NULL;
}

/* ---- users ---- */

bool connection_pool_keep_for_users(struct connection_pool *pool, unsigned users) {
    assert(pool->kept == NULL);
    if (users > pool->plan->connections_max)
        return false;
    pool->kept = calloc(users, sizeof(struct connection *));
    pool->kept_count = pool->kept == NULL ? 0 : users;
    return pool->kept != NULL;
}

static void add_idle(struct connection_pool *pool, struct connection *connection) {
    assert(!connection->is_listed_idle && connection->user == 0);
    connection->is_listed_idle = true;
    LIST_INSERT_HEAD(&pool->idle, connection, free);
}

static void remove_idle(struct connection *connection) {
    assert(connection->is_listed_idle);
    connection->is_listed_idle = false;
    LIST_REMOVE(connection, free);
}

void connection_pool_forget_users(struct connection_pool *pool) {
    for (size_t i = 0; i < pool->kept_count; i++) {
        struct connection *connection = pool->kept[i];
        if (connection == NULL)
            continue;
        connection->user = 0;
        if (connection->state == CONNECTION_IDLE)
            add_idle(pool, connection);
    }
    free(pool->kept);
    pool->kept = NULL;
    pool->kept_count = 0;
}

static void keep(struct connection_pool *pool, struct connection *connection, unsigned user) {
    if (user == 0)
        return;
    assert(user <= pool->kept_count && pool->kept[user - 1] == NULL);
    connection->user = user;
    pool->kept[user - 1] = connection;
}

/* ---- taking and putting back ---- */

struct connection *connection_pool_take_idle(struct connection_pool *pool, unsigned user) {
    assert(user <= pool->kept_count);
    if (user != 0 && pool->kept[user - 1] != NULL) {
        assert(pool->kept[user - 1]->state == CONNECTION_IDLE);
        return pool->kept[user - 1];
    }
    struct connection *connection = LIST_FIRST(&pool->idle);
    if (connection == NULL)
        return NULL;
    remove_idle(connection);
    keep(pool, connection, user);
    return connection;
}

bool connection_pool_can_open(const struct connection_pool *pool) {
    return !LIST_EMPTY(&pool->closed);
}

bool connection_pool_has_free(const struct connection_pool *pool) {
    return !LIST_EMPTY(&pool->idle) || connection_pool_can_open(pool);
}

static enum connection_event open_from_any_source(struct connection_pool *pool, struct connection *connection) {
    const struct target *target = &pool->plan->target;
    while (true) {
        unsigned source = pool->sources <= 1 ? 0 : 1 + pool->source++ % pool->sources;
        enum connection_event event = connection_open(connection, target, pool->epoll, source);
        if (event != CONNECTION_NO_ADDRESS || !target->loopback4 || pool->sources >= SOURCES_MAX)
            return event;
        pool->source = pool->sources++; /* the new one is next */
    }
}

static void set_open_count(struct connection_pool *pool, size_t count) {
    pool->open_count = count;
    pool->share->connections = (unsigned)count;
}

struct connection *connection_pool_open(struct connection_pool *pool, unsigned user, uint64_t round,
                                        enum connection_event *event) {
    struct connection *connection = LIST_FIRST(&pool->closed);
    assert(connection != NULL);
    *event = open_from_any_source(pool, connection);
    if (*event != CONNECTION_NOTHING)
        return NULL;
    LIST_REMOVE(connection, free);
    connection->request = NULL;
    connection->opened_in = round;
    keep(pool, connection, user);
    set_open_count(pool, pool->open_count + 1);
    pool->share->opened++;
    return connection;
}

void connection_pool_put_idle(struct connection_pool *pool, struct connection *connection) {
    assert(connection->state == CONNECTION_IDLE);
    connection->request = NULL;
    if (connection->user == 0)
        add_idle(pool, connection);
}

void connection_pool_put_closed(struct connection_pool *pool, struct connection *connection) {
    assert(connection->state == CONNECTION_CLOSED && pool->open_count > 0);
    if (connection->is_listed_idle)
        remove_idle(connection);
    if (connection->user != 0)
        pool->kept[connection->user - 1] = NULL;
    connection->user = 0;
    connection->request = NULL;
    LIST_INSERT_HEAD(&pool->closed, connection, free);
    set_open_count(pool, pool->open_count - 1);
}
