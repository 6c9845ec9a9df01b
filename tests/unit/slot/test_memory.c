/* SPDX-License-Identifier: MIT */
/* Room slot: whichever allocation fails, a set keeps its contents and nothing leaks. */
#include "support/alloc.h"
#include "unit/slot/support.h"

#include <criterion/criterion.h>
#include <string.h>

enum { SLOT_COUNT = 2048, CASE_COUNT = 11 };

/* The two forms: few ranges, many ranges. */
static void fill(struct reshard_slot_set *set, bool many)
{
    cr_assert_eq(reshard_slot_set_add(set, 10, 20), RESHARD_OK);
    for (uint32_t i = 0; i < (many ? 300U : 7U); i++)
        cr_assert_eq(reshard_slot_set_add(set, 100 + 3 * i, 100 + 3 * i), RESHARD_OK);
}

/* Exactly as many ranges as a set of few can have. */
static void fill_to_the_brim(struct reshard_slot_set *set)
{
    cr_assert_eq(reshard_slot_set_clear(set), RESHARD_OK);
    for (uint32_t i = 0; i < 16 + SLOT_COUNT / 64; i++)
        cr_assert_eq(reshard_slot_set_add(set, 3 * i, 3 * i), RESHARD_OK);
}

static int32_t import_something(struct reshard_slot_set *set, int kind)
{
    static uint8_t bytes[SLOT_COUNT / 8];
    static struct reshard_range ranges[400];
    char text[2000];
    size_t size = 0;
    memset(bytes, 0x55, sizeof bytes);
    for (uint32_t i = 0; i < 400; i++)
        ranges[i] = (struct reshard_range){5 * i, 5 * i + 2};
    for (int i = 0; i < 200; i++) { /* "1000,1002,..." */
        memcpy(text + size, "1000,", 5);
        text[size + 1] = (char)('0' + i * 2 / 100 % 10);
        text[size + 2] = (char)('0' + i * 2 / 10 % 10);
        text[size + 3] = (char)('0' + i * 2 % 10);
        size += 5;
    }
    if (kind == 0)
        return reshard_slot_set_import_bitmap(set, bytes, sizeof bytes);
    if (kind == 1)
        return reshard_slot_set_import_ranges(set, ranges, 400);
    return reshard_slot_set_parse(set, text, size - 1, NULL);
}

/* One operation that allocates, of CASE_COUNT. */
static int32_t operate(
    int number, struct reshard_slot_set *set, const struct reshard_slot_set *other)
{
    switch (number) {
    case 0:
        return reshard_slot_set_add(set, 50, 50);
    case 1:
        return reshard_slot_set_remove(set, 15, 15);
    case 2:
        return reshard_slot_set_unite(set, other);
    case 3:
        return reshard_slot_set_subtract(set, other);
    case 4:
        return reshard_slot_set_intersect(set, other);
    case 5:
        return reshard_slot_set_unite(set, set);
    case 6:
        return reshard_slot_set_subtract(set, set);
    case 7:
        return reshard_slot_set_remove(set, 100, 2000);
    default:
        return import_something(set, number - 8);
    }
}

/* Fails allocation `nth`; false when there were fewer. */
static bool try_nth(int number, int form, int other_form, size_t nth, size_t *refused)
{
    struct support_alloc alloc, other_alloc;
    struct reshard_allocator allocator = support_alloc_init(&alloc);
    struct reshard_allocator other_allocator = support_alloc_init(&other_alloc);
    struct reshard_slot_set *set, *other, *before;
    cr_assert_eq(reshard_slot_set_create(SLOT_COUNT, &allocator, &set), RESHARD_OK);
    cr_assert_eq(reshard_slot_set_create(SLOT_COUNT, &other_allocator, &other), RESHARD_OK);
    if (form < 2)
        fill(set, form == 1);
    else
        fill_to_the_brim(set);
    fill(other, other_form == 1);
    cr_assert_eq(reshard_slot_set_add(other, 1500, 1600), RESHARD_OK);
    cr_assert_eq(reshard_slot_set_clone(set, NULL, &before), RESHARD_OK);
    size_t other_calls = other_alloc.calls;
    alloc.fail_at = alloc.calls + nth;
    int32_t status = operate(number, set, other);
    cr_assert(status == RESHARD_OK || status == RESHARD_E_NOMEM);
    if (status) {
        cr_assert_eq(reshard_slot_set_equal(set, before), 1, "case %d nth %zu", number, nth);
        (*refused)++;
    }
    cr_assert_eq(other_alloc.calls, other_calls); /* the second set is only read */
    bool failed = alloc.failed > 0;
    reshard_slot_set_destroy(set);
    reshard_slot_set_destroy(other);
    reshard_slot_set_destroy(before);
    cr_assert(support_alloc_clean(&alloc), "case %d nth %zu", number, nth);
    cr_assert(support_alloc_clean(&other_alloc), "case %d nth %zu", number, nth);
    return failed;
}

Test(memory, every_failing_allocation_changes_nothing)
{
    size_t refused = 0;
    for (int number = 0; number < CASE_COUNT; number++)
        for (int form = 0; form < 3; form++)
            for (int other_form = 0; other_form < 2; other_form++)
                for (size_t nth = 1; try_nth(number, form, other_form, nth, &refused); nth++)
                    ;
    cr_assert_geq(refused, 40, "%zu", refused);
}

Test(memory, create_and_clone_fail_cleanly)
{
    for (int many = 0; many < 2; many++) {
        struct reshard_slot_set *set = NULL, *copy = NULL;
        cr_assert_eq(reshard_slot_set_create(SLOT_COUNT, NULL, &set), RESHARD_OK);
        fill(set, many);
        for (size_t nth = 1; nth <= 3; nth++) {
            struct support_alloc alloc;
            struct reshard_allocator allocator = support_alloc_init(&alloc);
            alloc.fail_at = nth;
            int32_t status = reshard_slot_set_clone(set, &allocator, &copy);
            cr_assert_eq(status, nth <= 2 ? RESHARD_E_NOMEM : RESHARD_OK);
            cr_assert_eq(copy == NULL, nth <= 2);
            if (copy)
                cr_assert_eq(reshard_slot_set_equal(set, copy), 1);
            reshard_slot_set_destroy(copy);
            cr_assert(support_alloc_clean(&alloc));
        }
        reshard_slot_set_destroy(set);
    }
}

/* Without memory to become sparse again, a set stays dense and right. */
Test(memory, staying_dense_is_no_failure)
{
    struct support_alloc alloc;
    struct reshard_allocator allocator = support_alloc_init(&alloc);
    struct reshard_slot_set *set;
    cr_assert_eq(reshard_slot_set_create(SLOT_COUNT, &allocator, &set), RESHARD_OK);
    fill(set, true);
    alloc.fail_at = alloc.calls + 1;
    alloc.fail_onwards = true;
    cr_assert_eq(reshard_slot_set_remove(set, 13, 2000), RESHARD_OK);
    assert_text(set, "10-12");
    cr_assert_eq(reshard_slot_set_add(set, 30, 40), RESHARD_OK);
    assert_text(set, "10-12,30-40");
    alloc.fail_at = 0;
    cr_assert_eq(reshard_slot_set_add(set, 50, 50), RESHARD_OK);
    assert_text(set, "10-12,30-40,50");
    cr_assert_lt(alloc.live_bytes, 300);
    reshard_slot_set_destroy(set);
    cr_assert(support_alloc_clean(&alloc));
}

Test(memory, dense_set_costs_a_bitmap)
{
    struct support_alloc alloc;
    struct reshard_allocator allocator = support_alloc_init(&alloc);
    struct reshard_slot_set *set;
    cr_assert_eq(reshard_slot_set_create(RESHARD_SLOT_COUNT_MAX, &allocator, &set), RESHARD_OK);
    for (uint32_t slot = 0; slot < RESHARD_SLOT_COUNT_MAX; slot += 2)
        cr_assert_eq(reshard_slot_set_add(set, slot, slot), RESHARD_OK);
    cr_assert_eq(reshard_slot_set_range_count(set), RESHARD_SLOT_COUNT_MAX / 2);
    cr_assert_lt(alloc.live_bytes, RESHARD_SLOT_COUNT_MAX / 8 + 200);
    cr_assert_lt(alloc.peak_bytes, 4 * RESHARD_SLOT_COUNT_MAX / 8);
    cr_assert_eq(reshard_slot_set_clear(set), RESHARD_OK);
    cr_assert_eq(alloc.live_blocks, 1);
    reshard_slot_set_destroy(set);
    cr_assert(support_alloc_clean(&alloc));
}
