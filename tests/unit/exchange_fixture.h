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

#define FIXTURE_FIELDS_MAX 16

/* Borrows the strings; the view is good until the next call. */
static inline struct header_view fixture_headers(const struct fixture_header *headers) {
    static struct request_field fields[FIXTURE_FIELDS_MAX];
    size_t count = 0;
    for (; headers[count].name != NULL; count++) {
        ck_assert_uint_lt(count, FIXTURE_FIELDS_MAX);
        fields[count] = (struct request_field){ text_of(headers[count].name), text_of(headers[count].value) };
    }
    return (struct header_view){ fields, count };
}

struct exchange_fixture {
    struct exchange exchange;
    struct config config;
    struct services services;
    struct snapshot snapshot;
    struct route route;
    char no_url[1];
};

/* In memory of its own, since an exchange is found by the address of its request. `headers` is borrowed. */
static inline struct exchange_fixture *exchange_fixture_create(const struct fixture_header *headers) {
    struct exchange_fixture *fixture = calloc(1, sizeof *fixture);
    ck_assert_ptr_nonnull(fixture);
    fixture->services.config = &fixture->config;
    fixture->config.server.public_url = fixture->no_url;
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
    kept_reply_fini(&fixture->exchange.kept_reply);
    free(fixture);
}

#endif
