/* A ring of entries by their numbers, and an index by session: chains from new to old, which end where entries have left. */
#include "jwtd/revocation_feed.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SMALLEST 1024 /* entries; the capacity is always a power of two */
#define REASON_SIZE 65
#define REASONS_MAX 64 /* the last one stands for all that do not fit */

struct entry {
    struct uuid session_id, user_id;
    uint64_t transaction;
    uint64_t older;                 /* the entry before in the chain; it has left if its number is lower than `first` */
    uint32_t revoked_at_s, until_s; /* by wall clocks */
    uint32_t expires_at;            /* by the clock of those who add */
    uint8_t reason;                 /* an index of `reasons` */
};

struct revocation_feed {
    struct revoked_sessions *set;
    int64_t keep_s;
    int changed_fd;
    atomic_int followers;
    void (*wake)(void *context);
    void *wake_context;
    pthread_mutex_t lock; /* guards all below */
    uint8_t hash_key[crypto_shorthash_KEYBYTES];
    struct entry *entries; /* `capacity` of them; entry n at n modulo that */
    uint64_t *newest;      /* of each chain: the number of its newest entry; as many as entries */
    size_t capacity;
    uint64_t first, next; /* the numbers of those that are there: from 1 on, `next` excluded */
    uint64_t announced;   /* `next` at the last announcement */
    uint64_t cursor_end;  /* `next` when the cursor was published */
    struct revocation_cursor cursor;
    size_t reason_count;
    char reasons[REASONS_MAX][REASON_SIZE];
};

static bool allocate(struct revocation_feed *feed, size_t capacity) {
    struct entry *entries = calloc(capacity, sizeof *entries);
    uint64_t *newest = calloc(capacity, sizeof *newest);
    if (entries == NULL || newest == NULL) {
        free(entries);
        free(newest);
        return false;
    }
    feed->entries = entries;
    feed->newest = newest;
    feed->capacity = capacity;
    return true;
}

struct revocation_feed *revocation_feed_create(struct revoked_sessions *set, int64_t access_ttl_s) {
    struct revocation_feed *feed = calloc(1, sizeof *feed);
    if (feed == NULL)
        return NULL;
    feed->set = set;
    feed->keep_s = access_ttl_s + REVOKED_SESSIONS_MARGIN_S;
    feed->first = feed->next = feed->announced = 1;
    crypto_shorthash_keygen(feed->hash_key);
    pthread_mutex_init(&feed->lock, NULL);
    feed->changed_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (feed->changed_fd >= 0 && allocate(feed, SMALLEST))
        return feed;
    revocation_feed_destroy(feed);
    return NULL;
}

void revocation_feed_destroy(struct revocation_feed *feed) {
    if (feed == NULL)
        return;
    if (feed->changed_fd >= 0)
        close(feed->changed_fd);
    pthread_mutex_destroy(&feed->lock);
    free(feed->entries);
    free(feed->newest);
    free(feed);
}

/* ---- the list; the lock is held ---- */

static struct entry *entry_at(const struct revocation_feed *feed, uint64_t number) {
    return &feed->entries[number & (feed->capacity - 1)];
}

static uint64_t *chain_of(const struct revocation_feed *feed, const struct uuid *session_id) {
    uint64_t hash;
    crypto_shorthash((unsigned char *)&hash, session_id->bytes, sizeof session_id->bytes, feed->hash_key);
    return &feed->newest[hash & (feed->capacity - 1)];
}

static bool is_listed(const struct revocation_feed *feed, const struct uuid *session_id) {
    for (uint64_t at = *chain_of(feed, session_id); at >= feed->first; at = entry_at(feed, at)->older)
        if (uuid_equal(&entry_at(feed, at)->session_id, session_id))
            return true;
    return false;
}

static void insert(struct revocation_feed *feed, uint64_t number, const struct entry *entry) {
    uint64_t *newest = chain_of(feed, &entry->session_id);
    struct entry *place = entry_at(feed, number);
    *place = *entry;
    place->older = *newest;
    *newest = number;
}

/* False: out of memory; the list is as it was. */
static bool resize(struct revocation_feed *feed, size_t capacity) {
    struct revocation_feed old = *feed;
    if (!allocate(feed, capacity))
        return false;
    for (uint64_t number = old.first; number < old.next; number++)
        insert(feed, number, entry_at(&old, number));
    free(old.entries);
    free(old.newest);
    return true;
}

static void drop_expired(struct revocation_feed *feed, int64_t now_s) {
    while (feed->first < feed->next && entry_at(feed, feed->first)->expires_at <= now_s)
        feed->first++;
    if (feed->capacity > SMALLEST && feed->next - feed->first < feed->capacity / 8)
        (void)resize(feed, feed->capacity / 2); /* without memory for a smaller one the larger one is as good */
}

static uint8_t reason_index(struct revocation_feed *feed, struct text reason) {
    char word[REASON_SIZE];
    size_t len = reason.len < REASON_SIZE ? reason.len : REASON_SIZE - 1;
    for (size_t i = 0; i < len; i++) {
        char c = reason.bytes[i];
        word[i] = c > ' ' && c <= '~' && c != '"' && c != '\\' ? c : '_';
    }
    word[len] = '\0';
    for (size_t i = 0; i < feed->reason_count; i++)
        if (strcmp(feed->reasons[i], word) == 0)
            return (uint8_t)i;
    if (feed->reason_count == REASONS_MAX)
        return REASONS_MAX - 1;
    bool is_last = feed->reason_count == REASONS_MAX - 1;
    memcpy(feed->reasons[feed->reason_count], is_last ? "other" : word, is_last ? sizeof "other" : len + 1);
    return (uint8_t)feed->reason_count++;
}

static uint32_t seconds(int64_t s) {
    return s < 0 ? 0 : s > UINT32_MAX ? UINT32_MAX : (uint32_t)s;
}

static enum status append(struct revocation_feed *feed, const struct feed_revocation *revocation, int64_t now_s) {
    if (is_listed(feed, &revocation->session_id))
        return STATUS_OK;
    if (feed->next - feed->first == feed->capacity && !resize(feed, 2 * feed->capacity))
        return STATUS_OUT_OF_MEMORY;
    insert(feed, feed->next,
           &(struct entry){ .session_id = revocation->session_id,
                            .user_id = revocation->user_id,
                            .transaction = revocation->transaction,
                            .revoked_at_s = seconds(revocation->revoked_at_s),
                            .until_s = seconds(revocation->read_at_s + feed->keep_s),
                            .expires_at = seconds(now_s + feed->keep_s),
                            .reason = reason_index(feed, revocation->reason) });
    feed->next++;
    return STATUS_OK;
}

/* ---- the thread that reads the database ---- */

enum status revocation_feed_add(struct revocation_feed *feed, const struct feed_revocation *revocation, int64_t now_s) {
    enum status status = revoked_sessions_add(feed->set, &revocation->session_id, now_s);
    pthread_mutex_lock(&feed->lock);
    enum status appended = append(feed, revocation, now_s);
    pthread_mutex_unlock(&feed->lock);
    return status != STATUS_OK ? status : appended;
}

void revocation_feed_publish(struct revocation_feed *feed, const struct revocation_cursor *cursor) {
    pthread_mutex_lock(&feed->lock);
    feed->cursor = *cursor;
    feed->cursor_end = feed->next;
    pthread_mutex_unlock(&feed->lock);
}

void revocation_feed_announce(struct revocation_feed *feed, bool has_other_changes, int64_t now_s) {
    pthread_mutex_lock(&feed->lock);
    drop_expired(feed, now_s);
    bool has_changed = has_other_changes || feed->announced != feed->next;
    feed->announced = feed->next;
    pthread_mutex_unlock(&feed->lock);
    if (has_changed && revocation_feed_has_followers(feed))
        eventfd_write(feed->changed_fd, 1);
}

/* ---- followers ---- */

static bool is_after(const struct entry *entry, const struct revocation_cursor *cursor) {
    return entry->transaction == 0 || entry->transaction >= cursor->transaction ||
           entry->revoked_at_s >= cursor->read_at_s - REVOCATION_FEED_OVERLAP_S;
}

size_t revocation_feed_read(struct revocation_feed *feed, uint64_t *position, const struct revocation_cursor *after,
                            struct revocation_entry *entries, size_t max) {
    size_t count = 0;
    pthread_mutex_lock(&feed->lock);
    if (*position < feed->first)
        *position = feed->first;
    for (; count < max && *position < feed->next; (*position)++) {
        const struct entry *entry = entry_at(feed, *position);
        if (after == NULL || is_after(entry, after))
            entries[count++] = (struct revocation_entry){ .session_id = entry->session_id,
                                                          .user_id = entry->user_id,
                                                          .reason = feed->reasons[entry->reason],
                                                          .revoked_at_s = entry->revoked_at_s,
                                                          .until_s = entry->until_s };
    }
    pthread_mutex_unlock(&feed->lock);
    return count;
}

uint64_t revocation_feed_end(struct revocation_feed *feed) {
    pthread_mutex_lock(&feed->lock);
    uint64_t end = feed->next;
    pthread_mutex_unlock(&feed->lock);
    return end;
}

void revocation_feed_advance(struct revocation_feed *feed, uint64_t position, struct revocation_cursor *cursor) {
    pthread_mutex_lock(&feed->lock);
    if (feed->cursor_end > 0 && position >= feed->cursor_end)
        *cursor = feed->cursor;
    pthread_mutex_unlock(&feed->lock);
}

int revocation_feed_changed_fd(const struct revocation_feed *feed) {
    return feed->changed_fd;
}

void revocation_feed_add_followers(struct revocation_feed *feed, int change) {
    int before = atomic_fetch_add(&feed->followers, change);
    assert(before + change >= 0);
    if (before == 0 && change > 0)
        revocation_feed_wake_reader(feed);
}

bool revocation_feed_has_followers(const struct revocation_feed *feed) {
    return atomic_load(&feed->followers) > 0;
}

/* ---- a reading before its time ---- */

void revocation_feed_set_waker(struct revocation_feed *feed, void (*wake)(void *context), void *context) {
    feed->wake = wake;
    feed->wake_context = context;
}

void revocation_feed_wake_reader(const struct revocation_feed *feed) {
    if (feed->wake != NULL && revocation_feed_has_followers(feed))
        feed->wake(feed->wake_context);
}

/* ---- cursors ---- */

const char *revocation_cursor_text(const struct revocation_cursor *cursor, char text[REVOCATION_CURSOR_SIZE]) {
    char database[UUID_TEXT_SIZE];
    snprintf(text, REVOCATION_CURSOR_SIZE, "%s.%llu.%lld", uuid_text(&cursor->database, database),
             (unsigned long long)cursor->transaction, (long long)cursor->read_at_s);
    return text;
}

bool revocation_cursor_parse(struct text text, struct revocation_cursor *cursor) {
    struct uuid database;
    uint64_t transaction, read_at_s;
    if (text.len <= UUID_TEXT_LEN + 1 || text.len >= REVOCATION_CURSOR_SIZE || text.bytes[UUID_TEXT_LEN] != '.' ||
        !uuid_parse(text.bytes, UUID_TEXT_LEN, &database))
        return false;
    struct text rest = { text.bytes + UUID_TEXT_LEN + 1, text.len - UUID_TEXT_LEN - 1 };
    const char *dot = memchr(rest.bytes, '.', rest.len);
    size_t len = dot != NULL ? (size_t)(dot - rest.bytes) : rest.len;
    if (dot == NULL || !text_parse_unsigned((struct text){ rest.bytes, len }, UINT64_MAX, &transaction) ||
        !text_parse_unsigned((struct text){ dot + 1, rest.len - len - 1 }, INT32_MAX * UINT64_C(1000), &read_at_s))
        return false;
    *cursor = (struct revocation_cursor){ database, transaction, (int64_t)read_at_s };
    return true;
}

bool revocation_feed_knows(struct revocation_feed *feed, const struct revocation_cursor *cursor) {
    pthread_mutex_lock(&feed->lock);
    bool is_known = feed->cursor_end > 0 && uuid_equal(&cursor->database, &feed->cursor.database) &&
                    cursor->read_at_s <= feed->cursor.read_at_s + REVOCATION_FEED_OVERLAP_S;
    pthread_mutex_unlock(&feed->lock);
    return is_known;
}
