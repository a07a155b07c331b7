#include "jwtd/json_memory.h"

#include <jansson.h>
#include <malloc.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>

/* Several times the text of the largest access token, and small enough for malloc to keep it when it is freed. */
#define RESERVE_SIZE ((size_t)64 * 1024)

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t reserve_key; /* of each thread: a block that is never touched, NULL while it is used up */
static __thread bool has_failed;

static void *allocate(size_t size) {
    void *memory = malloc(size);
    if (memory != NULL)
        return memory;
    has_failed = true;
    free(pthread_getspecific(reserve_key));
    pthread_setspecific(reserve_key, NULL);
    return malloc(size);
}

static void free_wiped(void *memory) {
    if (memory == NULL)
        return;
    sodium_memzero(memory, malloc_usable_size(memory));
    free(memory);
}

static void init(void) {
    if (pthread_key_create(&reserve_key, free) != 0)
        abort(); /* of 1024 keys this process uses a handful */
    json_set_alloc_funcs(allocate, free_wiped);
    json_object_seed(0);
}

bool json_memory_begin(void) {
    pthread_once(&once, init);
    has_failed = false;
    if (pthread_getspecific(reserve_key) == NULL)
        pthread_setspecific(reserve_key, malloc(RESERVE_SIZE));
    has_failed = pthread_getspecific(reserve_key) == NULL;
    return !has_failed;
}

bool json_memory_has_failed(void) {
    return has_failed;
}
