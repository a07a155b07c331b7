/*
 * Access tokens of the active key of a directory of keys: KEYS_DIR REFRESH_KEY_FILE COUNT FILE. Writes COUNT tokens, all
 * different, to FILE, one a line, and prints the median of the microseconds of processor time that one takes: to make it, to
 * check it for the first time, to check it again. Issuer and audience are the service's defaults.
 */
#include "jwtd/access_token.h"
#include "jwtd/clock.h"
#include "jwtd/verifier.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ARENA_LIMIT ((size_t)1 << 20)

static const struct token_rules rules = { .issuer = "jwtd", .audience = "jwtd", .access_ttl_s = 900 };

static double thread_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b) {
    double one = *(const double *)a, other = *(const double *)b;
    return (one > other) - (one < other);
}

static double median(double *values, size_t count) {
    qsort(values, count, sizeof *values, compare);
    return values[count / 2];
}

static bool check(struct verifier *verifier, struct text token, int64_t now_s, double *us) {
    struct arena arena;
    struct access_claims claims;
    char missing_kid[KID_MAX_LEN + 1];
    arena_init(&arena, ARENA_LIMIT);
    double begin_us = thread_us();
    bool is_good = verifier_check(verifier, &arena, token, now_s, &claims, missing_kid) == STATUS_OK;
    *us = thread_us() - begin_us;
    arena_fini(&arena);
    return is_good;
}

/* The three times of one token. */
static bool measure(const struct keyring *ring, struct verifier *verifier, FILE *out, double *made, double *first,
                    double *again) {
    struct arena arena;
    struct uuid user = uuid_create(), session = uuid_create();
    struct text token;
    int64_t now_s = clock_wall_us() / CLOCK_US_PER_S;
    arena_init(&arena, ARENA_LIMIT);
    double begin_us = thread_us();
    bool is_good = access_token_create(&arena, ring, &rules, &user, &session, text_of("[\"admin\"]"), now_s, &token) == STATUS_OK;
    *made = thread_us() - begin_us;
    is_good = is_good && check(verifier, token, now_s, first) && check(verifier, token, now_s, again) &&
              fprintf(out, "%s\n", token.bytes) > 0;
    arena_fini(&arena);
    return is_good;
}

static bool measure_all(const struct keyring *ring, FILE *out, size_t count) {
    struct verifier *verifier = verifier_create(ring, &rules);
    double *values = calloc(3 * count, sizeof *values);
    bool is_good = verifier != NULL && values != NULL;
    for (size_t i = 0; is_good && i < count; i++)
        is_good = measure(ring, verifier, out, &values[i], &values[count + i], &values[2 * count + i]);
    if (is_good)
        printf("%.1f %.1f %.1f\n", median(values, count), median(values + count, count), median(values + 2 * count, count));
    free(values);
    verifier_destroy(verifier);
    return is_good;
}

int main(int argc, char **argv) {
    char error[512] = "usage: bench_tokens KEYS_DIR REFRESH_KEY_FILE COUNT FILE";
    struct key_rules key_rules = { .keys_dir = argv[1], .active_kid = "", .refresh_key_file = argv[2] };
    struct keyring *ring = argc == 5 ? keyring_load(&key_rules, clock_wall_s(), error, sizeof error) : NULL;
    if (ring == NULL) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    FILE *out = fopen(argv[4], "w");
    bool is_good = out != NULL && measure_all(ring, out, (size_t)strtoul(argv[3], NULL, 10));
    keyring_destroy(ring);
    return is_good && fclose(out) == 0 ? 0 : 1;
}
