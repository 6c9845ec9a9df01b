/* SPDX-License-Identifier: MIT */
/* Memory that is copied out and back: what was comes back, whatever happened in between. */
#include "sim/arena.h"
#include "sim/text.h"
#include <criterion/criterion.h>
#include <string.h>

enum { LINE_SIZE = 64 + sizeof(uint32_t) }; /* in an image */

Test(arena, image_put_back_is_what_was)
{
    struct arena *arena = reshard__arena_make(1 << 20, 0);
    char *first = reshard__arena_resize(arena, 0, NULL, 100);
    memset(first, 'a', 100);
    reshard__arena_base(arena);
    char *second = reshard__arena_resize(arena, 0, NULL, 5000);
    memset(second, 'b', 5000);
    first[7] = 'c';
    struct image image = reshard__arena_leave(arena);
    cr_expect_eq(first[7], 'a');
    cr_expect_eq(second[0], 0);
    memset(first, 'x', 100);
    memset(reshard__arena_resize(arena, 0, NULL, 20000), 'y', 20000);
    struct image other = reshard__arena_leave(arena);
    reshard__arena_restore(arena, &image);
    cr_expect_eq(first[6], 'a');
    cr_expect_eq(first[7], 'c');
    for (int i = 0; i < 5000; i++)
        cr_assert_eq(second[i], 'b');
    reshard__arena_release(arena, second);
    memset(first, 'z', 100);
    reshard__arena_back(arena);
    cr_expect_eq(first[6], 'a');
    cr_expect_eq(first[7], 'c');
    cr_expect_eq(second[0], 'b');
    reshard__arena_restore(arena, &other);
    cr_expect_eq(first[7], 'x');
    cr_expect_eq(second[5001], 'y');
    reshard__arena_drop(arena, &image);
    reshard__arena_drop(arena, &other);
    reshard__arena_free(arena);
}

/* A random walk among images never meets another memory than the one that was saved. */
Test(arena, restore_after_random_walk_is_what_was)
{
    enum { IMAGES = 40, SIZE = 8192, MOVES = 3000 };
    struct arena *arena = reshard__arena_make(1 << 20, 0);
    struct image images[IMAGES];
    static unsigned char copies[IMAGES][SIZE];
    unsigned char *block = reshard__arena_resize(arena, 0, NULL, SIZE);
    uint64_t random = 1;
    memset(block, 0, SIZE);
    reshard__arena_base(arena);
    size_t count = 0;
    for (int i = 0; i < MOVES; i++) {
        for (int k = 0; k < 3; k++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
            block[random >> 40 & (SIZE - 1)] = (unsigned char)(random >> 56);
        }
        bool known = count == IMAGES;
        size_t at = known ? random >> 32 & 31 : count++;
        if (known)
            reshard__arena_back(arena);
        else {
            memcpy(copies[at], block, SIZE);
            images[at] = reshard__arena_leave(arena);
        }
        reshard__arena_restore(arena, &images[at]);
        cr_assert_arr_eq(block, copies[at], SIZE);
    }
    for (size_t i = 0; i < count; i++)
        reshard__arena_drop(arena, &images[i]);
    reshard__arena_free(arena);
}

static size_t all_idle(const void *user_data, uint32_t region, struct idle *spans_out)
{
    if (region)
        return 0;
    spans_out[0] = *(const struct idle *)user_data;
    return 1;
}

Test(arena, bytes_idle_are_not_looked_at)
{
    struct arena *arena = reshard__arena_make(1 << 20, 0);
    struct idle idle = {reshard__arena_resize(arena, 0, NULL, 1000), 1000};
    reshard__arena_idle(arena, all_idle, &idle);
    reshard__arena_base(arena);
    char *bytes = (char *)idle.place;
    memset(bytes, 'i', 1000); /* not as was said: that it is not seen shows that nobody looked */
    struct image image = reshard__arena_save(arena);
    cr_expect_lt(
        reshard__arena_held(arena), 3 * LINE_SIZE, "only the lines that it shares with others");
    reshard__arena_drop(arena, &image);
    idle.size = 500;
    image = reshard__arena_save(arena);
    cr_expect_gt(reshard__arena_held(arena), 6 * LINE_SIZE, "idle at the mark, and not now");
    reshard__arena_drop(arena, &image);
    reshard__arena_free(arena);
}

Test(arena, block_grows_and_keeps_its_bytes)
{
    struct arena *arena = reshard__arena_make(1 << 20, 0);
    unsigned char *block = NULL;
    for (size_t size = 1; size <= 4096; size += 7) {
        block = reshard__arena_resize(arena, 0, block, size);
        block[size - 1] = (unsigned char)size;
        for (size_t i = 1; i <= size; i += 7)
            cr_assert_eq(block[i - 1], (unsigned char)i);
    }
    reshard__arena_release(arena, block);
    cr_expect_eq(reshard__arena_resize(arena, 0, NULL, 4096), block);
    reshard__arena_free(arena);
}

Test(arena, blocks_dead_lie_in_no_image)
{
    struct arena *arena = reshard__arena_make(1 << 20, 640);
    char *dead = reshard__arena_resize(arena, 0, NULL, 640);
    reshard__arena_base(arena);
    memset(dead, 'z', 640);
    struct image image = reshard__arena_save(arena);
    cr_expect_eq(reshard__arena_held(arena), 0);
    reshard__arena_release(arena, dead);
    cr_expect_eq(reshard__arena_resize(arena, 0, NULL, 640), dead);
    reshard__arena_drop(arena, &image);
    reshard__arena_free(arena);
}

Test(arena, allocations_go_to_the_one_in_use)
{
    struct arena *arena = reshard__arena_make(1 << 20, 0);
    cr_expect_null(reshard__arena_use(arena));
    cr_expect_eq(reshard__arena_current(), arena);
    uint32_t region = reshard__arena_region(1);
    reshard__arena_base(arena);
    cr_expect_not(reshard__arena_touched(region));
    void *block = reshard__region_resize(region, NULL, 50);
    cr_expect_not_null(block);
    cr_expect(reshard__arena_touched(region));
    cr_expect_not(reshard__arena_touched(reshard__arena_region(0)));
    reshard__sim_release(block);
    cr_expect_eq(reshard__arena_use(NULL), arena);
    reshard__arena_free(arena);
}

/* Two worlds that differ in one region share the others' pictures. */
Test(arena, regions_alike_are_held_once)
{
    enum { SIZE = 4000 };
    struct arena *arena = reshard__arena_make(1 << 20, 0);
    uint32_t one = reshard__arena_region(0), two = reshard__arena_region(1);
    reshard__arena_base(arena);
    (void)reshard__arena_use(arena);
    char *first = reshard__region_resize(one, NULL, SIZE);
    memset(first, 'a', SIZE);
    struct image image = reshard__arena_leave(arena);
    size_t held_size = reshard__arena_held(arena);
    memset(reshard__region_resize(one, NULL, SIZE), 'a', SIZE);
    char *second = reshard__region_resize(two, NULL, SIZE);
    memset(second, 'b', SIZE);
    struct image other = reshard__arena_leave(arena);
    cr_expect_eq(other.pictures[one], image.pictures[one]);
    cr_expect_lt(reshard__arena_held(arena), 2 * held_size + LINE_SIZE);
    reshard__arena_drop(arena, &image);
    reshard__arena_restore(arena, &other);
    cr_expect_eq(first[SIZE - 1], 'a');
    cr_expect_eq(second[0], 'b');
    reshard__arena_touch(one);
    first[5] = 'c';
    reshard__arena_back(arena);
    cr_expect_eq(first[5], 'a');
    cr_expect(reshard__arena_whole(arena));
    first[5] = 'c'; /* and nobody says so */
    cr_expect_not(reshard__arena_whole(arena));
    (void)reshard__arena_use(NULL);
    reshard__arena_free(arena);
}
