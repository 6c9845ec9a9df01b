/* SPDX-License-Identifier: MIT */
/* Room slot: canonical ranges are accepted, everything else is named. */
#include "slot/slot.h"
#include <criterion/criterion.h>

Test(ranges, check_canonical_counts_slots)
{
    const struct reshard_range ranges[] = {{0, 0}, {2, 5}, {10, 15}};
    uint32_t slots = 99;
    cr_assert_eq(reshard__ranges_check(ranges, 3, 16, &slots), RESHARD_OK);
    cr_assert_eq(slots, 11);
    cr_assert_eq(reshard__ranges_check(ranges, 3, 16, NULL), RESHARD_OK);
    cr_assert_eq(reshard__ranges_check(NULL, 0, 16, &slots), RESHARD_OK);
    cr_assert_eq(slots, 0);
}

Test(ranges, check_malformed_is_named_and_leaves_output)
{
    static const struct {
        struct reshard_range ranges[2];
        size_t count;
        int32_t status;
    } cases[] = {
        {{{5, 4}, {0, 0}}, 1, RESHARD_E_SLOT},
        {{{0, 16}, {0, 0}}, 1, RESHARD_E_SLOT},
        {{{16, 16}, {0, 0}}, 1, RESHARD_E_SLOT},
        {{{0, UINT32_MAX}, {0, 0}}, 1, RESHARD_E_SLOT},
        {{{0, 3}, {3, 5}}, 2, RESHARD_E_OVERLAP},
        {{{0, 3}, {4, 5}}, 2, RESHARD_E_OVERLAP},
        {{{4, 5}, {0, 2}}, 2, RESHARD_E_OVERLAP},
        {{{0, 3}, {5, UINT32_MAX}}, 2, RESHARD_E_SLOT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t slots = 7;
        cr_assert_eq(
            reshard__ranges_check(cases[i].ranges, cases[i].count, 16, &slots), cases[i].status);
        cr_assert_eq(slots, 7);
    }
    cr_assert_eq(reshard__ranges_check(NULL, 1, 16, NULL), RESHARD_E_NULL);
}

Test(ranges, contain_agrees_with_scan)
{
    const struct reshard_range ranges[] = {{1, 1}, {3, 6}, {8, 9}, {14, 14}};
    for (size_t count = 0; count <= 4; count++) {
        for (uint32_t slot = 0; slot < 17; slot++) {
            bool expected = false;
            for (size_t i = 0; i < count; i++)
                expected |= ranges[i].first <= slot && slot <= ranges[i].last;
            cr_assert_eq(reshard__ranges_contain(ranges, count, slot), expected);
        }
    }
    cr_assert_not(reshard__ranges_contain(NULL, 0, 0));
    cr_assert_not(reshard__ranges_contain(ranges, 4, UINT32_MAX));
}
