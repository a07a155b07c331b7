/*
 * exchange_fixture: an exchange whose header fields stand in an array, so that what reads and answers requests is tested without
 * libmicrohttpd. What a test needs of the services, the route and the snapshot it sets itself.
 */
#ifndef JWTD_TESTS_EXCHANGE_FIXTURE_H
#define JWTD_TESTS_EXCHANGE_FIXTURE_H

#include "src/http/exchange.h"

#include "jwtd/config.h"
#include "jwtd/services.h"
#include "jwtd/snapshot.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define FIXTURE_ARENA_SIZE ((size_t)1024 * 1024)

struct fixture_header {
    const char *name, *value; /* name NULL ends the array */
};

static inline struct text fixture_find_header(const void *source, const char *name) {
    for (const struct fixture_header *header = source; header->name != NULL; header++)
        if (text_equal_ignoring_case(text_of(header->name), text_of(name)))
            return text_of(header->value);
    return (struct text){ NULL, 0 };
}

static inline void fixture_each_header(const void *source, void (*visit)(void *context, struct text name, struct text value),
                                       void *context) {
    for (const struct fixture_header *header = source; header->name != NULL; header++)
        visit(context, text_of(header->name), text_of(header->value));
}

static inline struct header_view fixture_headers(const struct fixture_header *headers) {
    return (struct header_view){ fixture_find_header, fixture_each_header, headers };
}

struct exchange_fixture {
    struct exchange exchange;
    struct config config;
    struct services services;
    struct snapshot snapshot;
    struct route route;
};

/* In memory of its own, since an exchange is found by the address of its request. `headers` is borrowed. */
static inline struct exchange_fixture *exchange_fixture_create(const struct fixture_header *headers) {
    struct exchange_fixture *fixture = calloc(1, sizeof *fixture);
    ck_assert_ptr_nonnull(fixture);
    fixture->services.config = &fixture->config;
    struct exchange *exchange = &fixture->exchange;
    arena_init(&exchange->arena, FIXTURE_ARENA_SIZE);
    exchange->headers = fixture_headers(headers);
    exchange->method = "GET";
    exchange->request.services = &fixture->services;
    exchange->request.snapshot = &fixture->snapshot;
    exchange->request.route = &fixture->route;
    exchange->request.arena = &exchange->arena;
    exchange->request.request_id = "id";
    return fixture;
}

static inline void exchange_fixture_destroy(struct exchange_fixture *fixture) {
    arena_fini(&fixture->exchange.arena);
    free(fixture);
}

#endif
