#include "jwtd/arena.h"

#include <check.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

START_TEST(copies_and_prints_end_with_nul) {
    struct arena arena;
    arena_init(&arena, 1 << 16);
    ck_assert_str_eq(arena_copy(&arena, "abcdef", 3), "abc");
    ck_assert_str_eq(arena_copy(&arena, NULL, 0), "");
    ck_assert_str_eq(arena_printf(&arena, "%s-%d", "x", 42), "x-42");
    arena_fini(&arena);
}
END_TEST

Suite *arena_suite(void) {
    Suite *suite = suite_create("arena");
    TCase *tcase = tcase_create("arena");
    tcase_add_test(tcase, pieces_are_zeroed_aligned_and_apart);
    tcase_add_test(tcase, the_limit_holds);
    tcase_add_test(tcase, copies_and_prints_end_with_nul);
    suite_add_tcase(suite, tcase);
    return suite;
}
