/* SPDX-License-Identifier: MIT */
/* Room slot: adding and removing joins and splits ranges, on every small case. */
#include "slot/set.h"
#include "unit/slot/support.h"

#include <criterion/criterion.h>

enum { SLOTS = 9 };

/* Whether the set is the bits, in canonical form. */
static bool is(const struct reshard_slot_set *set, unsigned bits)
{
    uint32_t ranges = 0, count = 0;
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        bool bit = bits >> slot & 1, before = slot > 0 && (bits >> (slot - 1) & 1);
        if (reshard_slot_set_contains(set, slot) != bit)
            return false;
        ranges += bit && !before;
        count += bit;
    }
    return !set->words && set->range_count == ranges && set->count == count &&
           reshard__ranges_check(set->ranges, ranges, SLOTS, NULL) == RESHARD_OK;
}

static struct reshard_slot_set *from_bits(unsigned bits)
{
    struct reshard_slot_set *set = set_of(SLOTS, "");
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        if (bits >> slot & 1)
            cr_assert_eq(reshard_slot_set_add(set, slot, slot), RESHARD_OK);
    return set;
}

/* All 512 sets x 45 ranges x add and remove. */
Test(set_sparse, put_every_small_case_is_right)
{
    for (unsigned bits = 0; bits < 1U << SLOTS; bits++)
        for (uint32_t first = 0; first < SLOTS; first++)
            for (uint32_t last = first; last < SLOTS; last++) {
                unsigned mask = ((1U << (last - first + 1)) - 1) << first;
                struct reshard_slot_set *set = from_bits(bits);
                bool right = is(set, bits);
                right = right && reshard_slot_set_add(set, first, last) == RESHARD_OK;
                right = right && is(set, bits | mask);
                right = right && reshard_slot_set_remove(set, first, last) == RESHARD_OK;
                right = right && is(set, bits & ~mask);
                cr_assert(right, "bits %x, %u-%u", bits, first, last);
                reshard_slot_set_destroy(set);
            }
}

Test(set_sparse, put_at_the_highest_slot)
{
    struct reshard_slot_set *set = set_of(RESHARD_SLOT_COUNT_MAX, "1048574");
    cr_assert_eq(reshard_slot_set_add(set, 1048575, 1048575), RESHARD_OK);
    assert_text(set, "1048574-1048575");
    cr_assert_eq(reshard_slot_set_add(set, 0, 1048575), RESHARD_OK);
    assert_text(set, "0-1048575");
    cr_assert_eq(reshard_slot_set_remove(set, 1, 1048575), RESHARD_OK);
    assert_text(set, "0");
    reshard_slot_set_destroy(set);
}
