/* SPDX-License-Identifier: MIT */
/* Room slot: the life of a slot set, and what it refuses. */
#include "unit/slot/support.h"

#include <criterion/criterion.h>
#include <string.h>

Test(set, create_malformed_is_named)
{
    struct reshard_slot_set *set = NULL;
    struct reshard_allocator allocator;
    memset(&allocator, 0, sizeof allocator);
    allocator.struct_size = sizeof allocator;
    allocator.flags = 1;
    cr_assert_eq(reshard_slot_set_create(0, NULL, &set), RESHARD_E_SLOT_COUNT);
    cr_assert_eq(
        reshard_slot_set_create(RESHARD_SLOT_COUNT_MAX + 1, NULL, &set), RESHARD_E_SLOT_COUNT);
    cr_assert_eq(reshard_slot_set_create(1, NULL, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_slot_set_create(1, &allocator, &set), RESHARD_E_FLAGS);
    cr_assert_null(set);
    reshard_slot_set_destroy(NULL);
}

Test(set, put_malformed_changes_nothing)
{
    struct reshard_slot_set *set = set_of(100, "3-9");
    cr_assert_eq(reshard_slot_set_add(set, 5, 4), RESHARD_E_SLOT);
    cr_assert_eq(reshard_slot_set_add(set, 5, 100), RESHARD_E_SLOT);
    cr_assert_eq(reshard_slot_set_add(set, 5, UINT32_MAX), RESHARD_E_SLOT);
    cr_assert_eq(reshard_slot_set_remove(set, 5, 4), RESHARD_E_SLOT);
    cr_assert_eq(reshard_slot_set_remove(set, 100, 100), RESHARD_E_SLOT);
    cr_assert_eq(reshard_slot_set_add(NULL, 0, 0), RESHARD_E_NULL);
    cr_assert_eq(reshard_slot_set_remove(NULL, 0, 0), RESHARD_E_NULL);
    assert_text(set, "3-9");
    reshard_slot_set_destroy(set);
}

Test(set, getters_of_null_answer)
{
    struct reshard_slot_set *copy = NULL;
    cr_assert_eq(reshard_slot_set_count(NULL), 0);
    cr_assert_eq(reshard_slot_set_range_count(NULL), 0);
    cr_assert_eq(reshard_slot_set_slot_count(NULL), 0);
    cr_assert_eq(reshard_slot_set_contains(NULL, 0), RESHARD_E_NULL);
    cr_assert_eq(reshard_slot_set_clear(NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_slot_set_clone(NULL, NULL, &copy), RESHARD_E_NULL);
    cr_assert_null(copy);
}

Test(set, counts_follow_the_contents)
{
    struct reshard_slot_set *set = set_of(16384, "0-1000,2000,16383");
    cr_assert_eq(reshard_slot_set_slot_count(set), 16384);
    cr_assert_eq(reshard_slot_set_count(set), 1003);
    cr_assert_eq(reshard_slot_set_range_count(set), 3);
    cr_assert_eq(reshard_slot_set_contains(set, 16383), 1);
    cr_assert_eq(reshard_slot_set_contains(set, 16382), 0);
    cr_assert_eq(reshard_slot_set_contains(set, 16384), 0);
    cr_assert_eq(reshard_slot_set_contains(set, UINT32_MAX), 0);
    cr_assert_eq(reshard_slot_set_clear(set), RESHARD_OK);
    cr_assert_eq(reshard_slot_set_count(set), 0);
    assert_text(set, "");
    reshard_slot_set_destroy(set);
}

Test(set, range_next_starts_inside_a_run)
{
    struct reshard_slot_set *set = set_of(100, "10-20,99");
    struct reshard_range range = {7, 7};
    uint32_t cursor = 15;
    cr_assert_eq(reshard_slot_set_range_next(set, &cursor, &range), RESHARD_OK);
    cr_assert(range.first == 15 && range.last == 20 && cursor == 21);
    cr_assert_eq(reshard_slot_set_range_next(set, &cursor, &range), RESHARD_OK);
    cr_assert(range.first == 99 && range.last == 99 && cursor == 100);
    cr_assert_eq(reshard_slot_set_range_next(set, &cursor, &range), RESHARD_E_EMPTY);
    cr_assert(range.first == 99 && cursor == 100);
    cursor = UINT32_MAX;
    cr_assert_eq(reshard_slot_set_range_next(set, &cursor, &range), RESHARD_E_EMPTY);
    cr_assert_eq(reshard_slot_set_range_next(NULL, &cursor, &range), RESHARD_E_NULL);
    cr_assert_eq(reshard_slot_set_range_next(set, NULL, &range), RESHARD_E_NULL);
    cr_assert_eq(reshard_slot_set_range_next(set, &cursor, NULL), RESHARD_E_NULL);
    reshard_slot_set_destroy(set);
}

Test(set, clone_is_independent)
{
    struct reshard_slot_set *set = set_of(100, "10-20"), *copy = NULL;
    cr_assert_eq(reshard_slot_set_clone(set, NULL, &copy), RESHARD_OK);
    cr_assert_eq(reshard_slot_set_add(copy, 50, 60), RESHARD_OK);
    assert_text(set, "10-20");
    assert_text(copy, "10-20,50-60");
    reshard_slot_set_destroy(set);
    reshard_slot_set_destroy(copy);
}

Test(set, clone_of_nothing_is_empty)
{
    struct reshard_slot_set *set = set_of(100, ""), *copy = NULL;
    cr_assert_eq(reshard_slot_set_clone(set, NULL, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_slot_set_clone(NULL, NULL, &copy), RESHARD_E_NULL);
    cr_assert_null(copy);
    cr_assert_eq(reshard_slot_set_clone(set, NULL, &copy), RESHARD_OK);
    assert_text(copy, "");
    reshard_slot_set_destroy(set);
    reshard_slot_set_destroy(copy);
}
