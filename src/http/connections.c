#include "connections.h"

#include "address_counts.h"
#include "reservations.h"

#include "jwtd/clock.h"
#include "jwtd/thread.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define CHECK_INTERVAL_US CLOCK_US_PER_S
/* To check a kept connection is a system call: thousands in a row would delay HTTP threads that add and remove others. The pause
 * is long enough for them to take the lock. */
#define SCAN_BATCH 128
#define PAUSE_US 50u
#define SPARE_SHARE 10
#define SHORT_US (2 * CLOCK_US_PER_S)

TAILQ_HEAD(connection_list, connection);

struct connections {
    struct connection_limits limits;
    pthread_mutex_t list_lock; /* guards all that follows except `thread`, and each connection's link and counts */
    pthread_cond_t stop;
    pthread_cond_t reservations_free; /* half of them are; the acceptor waits for it, as for the next */
    pthread_cond_t list_changed;      /* with limits.makes_room: one has been added or removed */
    struct connection_list list;
    struct connection *cursor; /* the next one that the reaper checks */
    struct connection_deadlines deadlines;
    unsigned count;
    unsigned evicted; /* of them: they were closed to make room, and the library has not removed them yet */
    struct reservations reservations;
    struct address_counts *address_counts;
    bool is_stopping;
    struct thread thread;
};

static void assert_locked(struct connections *connections) {
    assert(pthread_mutex_trylock(&connections->list_lock) == EBUSY);
}

/* ---- the reaper ---- */

static void pause_scan(struct connections *connections) {
    pthread_mutex_unlock(&connections->list_lock);
    usleep(PAUSE_US);
    pthread_mutex_lock(&connections->list_lock);
}

static void check_all(struct connections *connections) {
    int64_t now_us = clock_monotonic_us();
    assert_locked(connections);
    connections->cursor = TAILQ_FIRST(&connections->list);
    for (unsigned checked = 1; connections->cursor != NULL; checked++) {
        struct connection *connection = connections->cursor;
        connections->cursor = TAILQ_NEXT(connection, link);
        connection_check(connection, &connections->deadlines, now_us);
        if (checked % SCAN_BATCH == 0)
            pause_scan(connections);
    }
}

static void reaper_main(void *context) {
    struct connections *connections = context;
    pthread_mutex_lock(&connections->list_lock);
    while (!connections->is_stopping) {
        condition_wait_until(&connections->stop, &connections->list_lock, clock_monotonic_us() + CHECK_INTERVAL_US);
        check_all(connections);
    }
    pthread_mutex_unlock(&connections->list_lock);
}

/* ---- create and destroy ---- */

struct connections *connections_create(const struct connection_limits *limits) {
    struct connections *connections = calloc(1, sizeof *connections);
    struct address_counts *address_counts = address_counts_create();
    if (connections == NULL || address_counts == NULL) {
        free(connections);
        free(address_counts);
        return NULL;
    }
    connections->limits = *limits;
    connections->deadlines = (struct connection_deadlines){ .header_us = limits->header_timeout_us,
                                                            .body_us = limits->body_timeout_us,
                                                            .answer_us = limits->body_timeout_us };
    connections->address_counts = address_counts;
    TAILQ_INIT(&connections->list);
    pthread_mutex_init(&connections->list_lock, NULL);
    condition_init_monotonic(&connections->stop);
    condition_init_monotonic(&connections->reservations_free);
    condition_init_monotonic(&connections->list_changed);
    if (thread_start(&connections->thread, limits->thread_name, reaper_main, connections) == STATUS_OK)
        return connections;
    address_counts_destroy(address_counts);
    free(connections);
    return NULL;
}

void connections_destroy(struct connections *connections) {
    /* a reservation may be left, of a connection that the library closed unseen */
    assert(connections->count == 0 && TAILQ_EMPTY(&connections->list));
    pthread_mutex_lock(&connections->list_lock);
    connections->is_stopping = true;
    pthread_cond_signal(&connections->stop);
    pthread_mutex_unlock(&connections->list_lock);
    thread_join(&connections->thread);
    pthread_cond_destroy(&connections->stop);
    pthread_cond_destroy(&connections->reservations_free);
    pthread_cond_destroy(&connections->list_changed);
    pthread_mutex_destroy(&connections->list_lock);
    address_counts_destroy(connections->address_counts);
    free(connections);
}

/* ---- admission; the list's lock is held ---- */

unsigned connections_with_spare(unsigned limit) {
    return limit + limit / SPARE_SHARE + 1;
}

/* Those that there will be soon: all but the evicted ones. */
static unsigned count_all(const struct connections *connections) {
    return connections->count - connections->evicted + connections->reservations.count;
}

static bool is_limited(const struct connections *connections, const struct address *peer) {
    return connections->limits.per_address > 0 && peer->known && !cidr_list_contains(&connections->limits.trusted, peer);
}

static enum connection_admission admit_one_more(unsigned count, unsigned limit) {
    if (count < limit)
        return ADMIT;
    return count < connections_with_spare(limit) ? ADMIT_TO_REFUSE : REJECT;
}

static enum connection_admission admit_of_address(unsigned count, unsigned limit) {
    static const enum connection_admission of_address[] = {
        [ADMIT] = ADMIT, [ADMIT_TO_REFUSE] = ADMIT_TO_REFUSE_ADDRESS, [REJECT] = REJECT_ADDRESS
    };
    return of_address[admit_one_more(count, limit)];
}

static enum connection_admission stricter(enum connection_admission a, enum connection_admission b) {
    return a > b ? a : b;
}

static enum connection_admission decide(const struct connections *connections, const struct address *peer) {
    const struct connection_limits *limits = &connections->limits;
    const struct address_counts *counts = connections->address_counts;
    enum connection_admission admission = admit_one_more(count_all(connections), limits->total);
    bool has_room = admission == ADMIT;
    if (admission == REJECT || limits->makes_room || !is_limited(connections, peer))
        return admission;
    admission = stricter(admission, admit_of_address(address_counts_of_network(counts, peer), limits->per_address));
    admission = stricter(admission, admit_of_address(address_counts_of_site(counts, peer), limits->per_address * SITE_MULTIPLE));
    return admission == REJECT_ADDRESS && !has_room ? REJECT : admission;
}

static bool is_of_address(enum connection_admission admission) {
    return admission == ADMIT_TO_REFUSE_ADDRESS || admission == REJECT_ADDRESS;
}

static struct address_count *count_address(struct connections *connections, const struct address *peer) {
    return is_limited(connections, peer) ? address_counts_add(connections->address_counts, peer) : NULL;
}

static void signal_free_reservations(struct connections *connections) {
    if (connections->reservations.count <= RESERVATIONS_MAX / 2)
        pthread_cond_signal(&connections->reservations_free);
}

static void cancel(struct connections *connections, int fd) {
    struct reservation taken;
    assert_locked(connections);
    if (!reservations_take(&connections->reservations, fd, &taken))
        return;
    address_counts_remove(connections->address_counts, taken.address_count);
    signal_free_reservations(connections);
}

static void cancel_expired(struct connections *connections) {
    struct reservation taken;
    while (reservations_take_expired(&connections->reservations, clock_monotonic_us(), &taken))
        address_counts_remove(connections->address_counts, taken.address_count);
}

/* None is added during the wait, so that every one that is left at its end has expired. */
static void await_reservation(struct connections *connections) {
    int64_t until_us = clock_monotonic_us() + RESERVATION_LIMIT_US;
    bool is_in_time = true;
    while (connections->reservations.count > RESERVATIONS_MAX / 2 && is_in_time)
        is_in_time = condition_wait_until(&connections->reservations_free, &connections->list_lock, until_us);
    cancel_expired(connections);
    assert(connections->reservations.count < RESERVATIONS_MAX);
}

static bool is_before(const struct connection *one, int64_t one_since_us, const struct connection *other,
                      int64_t other_since_us) {
    unsigned of_one = address_count_connections(one->address_count), of_other = address_count_connections(other->address_count);
    return of_one != of_other ? of_one > of_other : one_since_us < other_since_us;
}

/* The one that has been in a state for longest, of the address that has most, among those of which `since_us_of` tells. */
static struct connection *find_longest(const struct connections *connections,
                                       int64_t (*since_us_of)(struct connection *connection)) {
    struct connection *found = NULL;
    int64_t found_since_us = 0;
    for (struct connection *connection = TAILQ_FIRST(&connections->list); connection != NULL;
         connection = TAILQ_NEXT(connection, link)) {
        int64_t since_us = connection->is_evicted ? -1 : since_us_of(connection);
        if (since_us < 0 || (found != NULL && !is_before(connection, since_us, found, found_since_us)))
            continue;
        found = connection;
        found_since_us = since_us;
    }
    return found;
}

/* Of those that are being answered one goes only when nobody else can: it takes its reply too slowly. */
static bool evict_one(struct connections *connections) {
    if (connections->evicted >= EVICTED_MAX)
        return false;
    struct connection *connection = find_longest(connections, connection_waits_since_us);
    if (connection == NULL)
        connection = find_longest(connections, connection_answered_since_us);
    if (connection == NULL)
        return false;
    connection->is_evicted = true;
    connections->evicted++;
    connection_evict(connection);
    return true;
}

/* Not before those on the way to an HTTP thread are in the list: one of them may have to go. */
static void make_room(struct connections *connections) {
    int64_t until_us = clock_monotonic_us() + RESERVATION_LIMIT_US;
    bool is_in_time = true;
    while (count_all(connections) >= connections->limits.total) {
        bool may_choose = connections->reservations.count == 0 || !is_in_time;
        if (may_choose && (evict_one(connections) || connections->evicted == 0 || !is_in_time))
            return;
        is_in_time = condition_wait_until(&connections->list_changed, &connections->list_lock, until_us);
        cancel_expired(connections);
    }
}

enum connection_admission connections_admit(struct connections *connections, int fd, const struct address *peer) {
    pthread_mutex_lock(&connections->list_lock);
    /* one of this number belongs to an earlier connection that was closed without being added */
    cancel(connections, fd);
    cancel_expired(connections);
    if (connections->reservations.count == RESERVATIONS_MAX)
        await_reservation(connections);
    if (connections->limits.makes_room)
        make_room(connections);
    enum connection_admission admission = decide(connections, peer);
    if (admission != REJECT && admission != REJECT_ADDRESS)
        reservations_add(&connections->reservations, (struct reservation){ .fd = fd,
                                                                           .is_too_many = admission != ADMIT,
                                                                           .is_of_address = is_of_address(admission),
                                                                           .address_count = count_address(connections, peer),
                                                                           .since_us = clock_monotonic_us() });
    pthread_mutex_unlock(&connections->list_lock);
    return admission;
}

void connections_cancel(struct connections *connections, int fd) {
    pthread_mutex_lock(&connections->list_lock);
    cancel(connections, fd);
    pthread_mutex_unlock(&connections->list_lock);
}

unsigned connections_reserved(struct connections *connections) {
    pthread_mutex_lock(&connections->list_lock);
    cancel_expired(connections);
    unsigned count = connections->reservations.count;
    pthread_mutex_unlock(&connections->list_lock);
    return count;
}

/* ---- the list ---- */

static int64_t shorter(int64_t a_us, int64_t b_us) {
    return a_us < b_us ? a_us : b_us;
}

void connections_shorten_deadlines(struct connections *connections) {
    struct connection_deadlines *deadlines = &connections->deadlines;
    pthread_mutex_lock(&connections->list_lock);
    deadlines->header_us = shorter(deadlines->header_us, SHORT_US);
    deadlines->body_us = shorter(deadlines->body_us, SHORT_US);
    pthread_mutex_unlock(&connections->list_lock);
}

unsigned connections_count(struct connections *connections) {
    pthread_mutex_lock(&connections->list_lock);
    unsigned count = connections->count;
    pthread_mutex_unlock(&connections->list_lock);
    return count;
}

static void count_in(struct connections *connections, struct connection *connection, const struct address *peer) {
    struct reservation reserved;
    assert_locked(connections);
    if (reservations_take(&connections->reservations, connection->fd, &reserved)) {
        connection->is_too_many = reserved.is_too_many;
        connection->is_of_address = reserved.is_of_address;
        connection->address_count = reserved.address_count;
        signal_free_reservations(connections);
    } else {
        enum connection_admission admission = decide(connections, peer);
        connection->is_too_many = admission != ADMIT;
        connection->is_of_address = is_of_address(admission);
        connection->address_count = count_address(connections, peer);
    }
    connections->count++;
}

struct connection *connections_add(struct connections *connections, int fd, const struct address *peer) {
    struct connection *connection = malloc(sizeof *connection);
    if (connection == NULL) {
        connections_cancel(connections, fd);
        return NULL;
    }
    connection_init(connection, connections->limits.listener, fd, clock_monotonic_us());
    pthread_mutex_lock(&connections->list_lock);
    count_in(connections, connection, peer);
    TAILQ_INSERT_HEAD(&connections->list, connection, link);
    pthread_cond_signal(&connections->list_changed);
    pthread_mutex_unlock(&connections->list_lock);
    return connection;
}

void connections_remove(struct connections *connections, struct connection *connection) {
    pthread_mutex_lock(&connections->list_lock);
    if (connections->cursor == connection)
        connections->cursor = TAILQ_NEXT(connection, link);
    TAILQ_REMOVE(&connections->list, connection, link);
    assert(connections->count > 0);
    connections->count--;
    connections->evicted -= connection->is_evicted ? 1 : 0;
    pthread_cond_signal(&connections->list_changed);
    address_counts_remove(connections->address_counts, connection->address_count);
    pthread_mutex_unlock(&connections->list_lock);
    connection_fini(connection);
    free(connection);
}
