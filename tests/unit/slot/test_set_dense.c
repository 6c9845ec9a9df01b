/* SPDX-License-Identifier: MIT */
/* Room slot: bitmaps, and when a set changes its form. */
#include "slot/set.h"
#include "unit/slot/support.h"

#include <criterion/criterion.h>
#include <string.h>

Test(set_dense, fill_and_find_agree_with_single_bits)
{
    enum { SLOTS = 200 };
    for (uint32_t first = 0; first < SLOTS; first++)
        for (uint32_t last = first; last < SLOTS; last++) {
            uint64_t words[4] = {0};
            struct reshard_range slots = {first, last};
            reshard__words_fill(words, slots, true);
            cr_assert_eq(reshard__words_find(words, SLOTS, 0, true), first);
            cr_assert_eq(reshard__words_find(words, SLOTS, first, false), last + 1);
            cr_assert_eq(reshard__words_find(words, SLOTS, last + 1, true), SLOTS);
            cr_assert_eq(reshard__words_find(words, SLOTS, 0, false), first ? 0 : last + 1);
            reshard__words_fill(words, slots, false);
            cr_assert_eq(words[0] | words[1] | words[2] | words[3], 0);
        }
}

Test(set_dense, form_changes_at_the_limits_and_back)
{
    struct reshard_slot_set *set = set_of(16384, "");
    uint32_t limit = reshard__set_sparse_max(16384), i;
    for (i = 0; i < limit; i++)
        cr_assert_eq(reshard_slot_set_add(set, 4 * i, 4 * i), RESHARD_OK);
    cr_assert_null(set->words);
    cr_assert_eq(reshard_slot_set_add(set, 4 * i, 4 * i + 1), RESHARD_OK);
    cr_assert_not_null(set->words);
    cr_assert_null(set->ranges);
    cr_assert_eq(set->range_count, limit + 1);
    cr_assert_eq(set->count, limit + 2);
    for (; set->range_count >= limit / 4; i--) {
        cr_assert_not_null(set->words);
        cr_assert_eq(reshard_slot_set_remove(set, 4 * i, 4 * i + 1), RESHARD_OK);
    }
    cr_assert_null(set->words);
    cr_assert_eq(set->range_count, limit / 4 - 1);
    reshard_slot_set_destroy(set);
}

Test(set_dense, filling_up_makes_it_sparse)
{
    struct reshard_slot_set *set = set_of(16384, "");
    for (uint32_t slot = 0; slot < 16384; slot += 2)
        cr_assert_eq(reshard_slot_set_add(set, slot, slot), RESHARD_OK);
    cr_assert_eq(reshard_slot_set_range_count(set), 8192);
    cr_assert_eq(reshard_slot_set_add(set, 0, 16383), RESHARD_OK);
    cr_assert_null(set->words);
    assert_text(set, "0-16383");
    reshard_slot_set_destroy(set);
}

Test(set_dense, bits_above_slot_count_stay_clear)
{
    struct reshard_slot_set *set = set_of(2000, "");
    for (uint32_t slot = 1; slot < 2000; slot += 2)
        cr_assert_eq(reshard_slot_set_add(set, slot, slot), RESHARD_OK);
    cr_assert_not_null(set->words);
    cr_assert_eq(set->words[1999 / 64] >> (1999 % 64 + 1), 0);
    cr_assert_eq(reshard__words_find(set->words, 2000, 1999, false), 2000);
    reshard_slot_set_destroy(set);
}
