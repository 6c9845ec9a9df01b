/* SPDX-License-Identifier: MIT */
/* Memory that is copied out and back: what was comes back, whatever happened in between. */
#include "sim/arena.h"
#include <criterion/criterion.h>
#include <string.h>

Test(arena, image_put_back_is_what_was)
{
    struct arena *arena = reshard__arena_make(1 << 20, 0);
    char *first = reshard__arena_resize(arena, NULL, 100);
    memset(first, 'a', 100);
    reshard__arena_base(arena);
    char *second = reshard__arena_resize(arena, NULL, 5000);
    memset(second, 'b', 5000);
    first[7] = 'c';
    struct image image = reshard__arena_save(arena);
    reshard__arena_release(arena, second);
    memset(first, 'x', 100);
    memset(reshard__arena_resize(arena, NULL, 20000), 'y', 20000);
    reshard__arena_restore(arena, &image);
    cr_expect_eq(first[6], 'a');
    cr_expect_eq(first[7], 'c');
    for (int i = 0; i < 5000; i++)
        cr_assert_eq(second[i], 'b');
    reshard__image_free(&image);
    reshard__arena_free(arena);
}

Test(arena, block_grows_and_keeps_its_bytes)
{
    struct arena *arena = reshard__arena_make(1 << 20, 0);
    unsigned char *block = NULL;
    for (size_t size = 1; size <= 4096; size += 7) {
        block = reshard__arena_resize(arena, block, size);
        block[size - 1] = (unsigned char)size;
        for (size_t i = 1; i <= size; i += 7)
            cr_assert_eq(block[i - 1], (unsigned char)i);
    }
    reshard__arena_release(arena, block);
    cr_expect_eq(reshard__arena_resize(arena, NULL, 4096), block);
    reshard__arena_free(arena);
}

Test(arena, blocks_dead_lie_in_no_image)
{
    struct arena *arena = reshard__arena_make(1 << 20, 640);
    char *dead = reshard__arena_resize(arena, NULL, 640);
    reshard__arena_base(arena);
    memset(dead, 'z', 640);
    struct image image = reshard__arena_save(arena);
    cr_expect_eq(image.size, 0);
    reshard__arena_release(arena, dead);
    cr_expect_eq(reshard__arena_resize(arena, NULL, 640), dead);
    reshard__image_free(&image);
    reshard__arena_free(arena);
}

Test(arena, allocations_go_to_the_one_in_use)
{
    struct arena *arena = reshard__arena_make(1 << 20, 0);
    cr_expect_null(reshard__arena_allocator().resize);
    cr_expect_null(reshard__arena_use(arena));
    cr_expect_eq(reshard__arena_current(), arena);
    struct reshard_allocator allocator = reshard__arena_allocator();
    void *block = allocator.resize(allocator.user_data, NULL, 0, 50);
    cr_expect_not_null(block);
    (void)allocator.resize(allocator.user_data, block, 50, 0);
    cr_expect_eq(reshard__arena_use(NULL), arena);
    reshard__arena_free(arena);
}
