#include "jwtd/arena.h"
#include "jwtd/macros.h"

#include <check.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

Suite *arena_suite(void);

START_TEST(pieces_are_zeroed_aligned_and_apart) {
    struct arena arena;
    arena_init(&arena, 1 << 20);
    unsigned char *before = NULL;
    for (size_t size = 0; size < 3000; size += 37) {
        unsigned char *piece = arena_alloc(&arena, size);
        ck_assert_ptr_nonnull(piece);
        ck_assert_uint_eq((uintptr_t)piece % alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            ck_assert_uint_eq(piece[i], 0);
        ck_assert_ptr_ne(piece, before);
        memset(piece, 0xff, size);
        before = piece;
    }
    arena_fini(&arena);
}
END_TEST

static const struct { size_t pieces, size; } uses[] = { { 0, 0 }, { 1, 10 }, { 10, 200 }, { 1, 100000 }, { 40, 3000 } };

START_TEST(what_is_cleared_is_wiped_and_empty_and_serves_again_without_the_heap) {
    struct arena arena;
    arena_init(&arena, 1 << 20);
    unsigned char *first = arena_alloc(&arena, 100);
    memset(first, 0xff, 100);
    for (size_t i = 0; i < uses[_i].pieces; i++)
        memset(arena_alloc(&arena, uses[_i].size), 0xff, uses[_i].size);
    arena_clear(&arena);
    for (size_t i = 0; i < 100; i++)
        ck_assert_uint_eq(first[i], 0); /* its block was kept */
    size_t total = arena.total;
    ck_assert_uint_lt(total, 4096);
    ck_assert_ptr_eq(arena_alloc(&arena, 100), first);
    ck_assert_uint_eq(arena.total, total);
    arena_fini(&arena);
    ck_assert_uint_eq(arena.total, 0);
}
END_TEST

START_TEST(the_limit_holds) {
    struct arena arena;
    arena_init(&arena, 10000);
    ck_assert_ptr_null(arena_alloc(&arena, 10001));
    ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX));
    ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX - 8));
    ck_assert_ptr_null(arena_copy(&arena, "", SIZE_MAX));
    size_t got = 0;
    while (arena_alloc(&arena, 500) != NULL)
        got += 500;
    ck_assert_uint_gt(got, 4000);
    ck_assert_uint_le(arena.total, 10000);
    arena_fini(&arena);
    ck_assert_uint_eq(arena.total, 0);
    ck_assert_ptr_nonnull(arena_alloc(&arena, 500));
    arena_fini(&arena);
}
END_TEST

START_TEST(a_size_that_would_wrap_around_is_refused) {
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    for (size_t below = 0; below < 64; below++)
        ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX - below));
    ck_assert_ptr_null(arena_copy(&arena, "", SIZE_MAX - 1));
    ck_assert_uint_eq(arena.total, 0);
    arena_fini(&arena);
}
END_TEST

START_TEST(the_limit_can_be_used_to_its_end) {
    struct arena arena;
    arena_init(&arena, 1024); /* less than a usual first block */
    ck_assert_ptr_nonnull(arena_alloc(&arena, 1024));
    ck_assert_ptr_null(arena_alloc(&arena, 1));
    arena_fini(&arena);
    arena_init(&arena, 2048 + 4096 + 512);
    ck_assert_ptr_nonnull(arena_alloc(&arena, 2048));
    ck_assert_ptr_nonnull(arena_alloc(&arena, 4096));
    ck_assert_ptr_nonnull(arena_alloc(&arena, 512));
    ck_assert_ptr_null(arena_alloc(&arena, 1));
    arena_fini(&arena);
}
END_TEST

START_TEST(a_large_piece_leaves_the_newest_block_in_use) {
    struct arena arena;
    arena_init(&arena, 1 << 20);
    ck_assert_ptr_nonnull(arena_alloc(&arena, 16));
    ck_assert_ptr_nonnull(arena_alloc(&arena, 100000));
    size_t total = arena.total;
    ck_assert_ptr_nonnull(arena_alloc(&arena, 1000));
    ck_assert_uint_eq(arena.total, total);
    arena_fini(&arena);
}
END_TEST

/* Read through /proc, as a debugger would: to read freed memory through a pointer is undefined. */
START_TEST(what_was_in_an_arena_is_wiped) {
    enum { SIZE = 1500, DEEP = 512 }; /* the heap keeps its own lists in the first bytes of what was freed */
    struct arena arena;
    arena_init(&arena, 1 << 16);
    char *piece = arena_alloc(&arena, SIZE);
    ck_assert_ptr_nonnull(piece);
    memset(piece, 'S', SIZE);
    off_t place = (off_t)(uintptr_t)(piece + DEEP);
    char left[SIZE - DEEP];
    int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(memory, 0);
    ck_assert_int_eq(pread(memory, left, sizeof left, place), sizeof left);
    ck_assert_ptr_nonnull(memchr(left, 'S', sizeof left));
    arena_fini(&arena);
    ssize_t got = pread(memory, left, sizeof left, place);
    close(memory);
    ck_assert(got <= 0 || memchr(left, 'S', (size_t)got) == NULL);
}
END_TEST

START_TEST(copies_and_prints_end_with_nul) {
    struct arena arena;
    arena_init(&arena, 1 << 16);
    ck_assert_str_eq(arena_copy(&arena, "abcdef", 3), "abc");
    ck_assert_str_eq(arena_copy(&arena, NULL, 0), "");
    ck_assert_str_eq(arena_printf(&arena, "%s-%d", "x", 42), "x-42");
    ck_assert_uint_eq(strlen(arena_printf(&arena, "%5000d", 1)), 5000);
    ck_assert_ptr_null(arena_printf(&arena, "%70000d", 1));
    arena_fini(&arena);
}
END_TEST

Suite *arena_suite(void) {
    Suite *suite = suite_create("arena");
    TCase *tcase = tcase_create("arena");
    tcase_add_test(tcase, pieces_are_zeroed_aligned_and_apart);
    tcase_add_loop_test(tcase, what_is_cleared_is_wiped_and_empty_and_serves_again_without_the_heap, 0, (int)ARRAY_LEN(uses));
    tcase_add_test(tcase, the_limit_holds);
    tcase_add_test(tcase, a_size_that_would_wrap_around_is_refused);
    tcase_add_test(tcase, the_limit_can_be_used_to_its_end);
    tcase_add_test(tcase, a_large_piece_leaves_the_newest_block_in_use);
    tcase_add_test(tcase, what_was_in_an_arena_is_wiped);
    tcase_add_test(tcase, copies_and_prints_end_with_nul);
    suite_add_tcase(suite, tcase);
    return suite;
}
