/* SPDX-License-Identifier: MIT */
/* Room slot: ranges and bitmaps in and out. */
#include "unit/slot/support.h"

#include <criterion/criterion.h>
#include <string.h>

Test(set_convert, import_ranges_sorts_and_joins)
{
    struct reshard_slot_set *set = set_of(100, "77");
    const struct reshard_range ranges[] = {{50, 60}, {0, 3}, {4, 4}, {61, 99}};
    cr_assert_eq(reshard_slot_set_import_ranges(set, ranges, 4), RESHARD_OK);
    assert_text(set, "0-4,50-99");
    cr_assert_eq(reshard_slot_set_import_ranges(set, NULL, 0), RESHARD_OK);
    assert_text(set, "");
    reshard_slot_set_destroy(set);
}

Test(set_convert, import_ranges_malformed_changes_nothing)
{
    static const struct {
        struct reshard_range ranges[2];
        int32_t status;
    } cases[] = {
        {{{5, 9}, {9, 12}}, RESHARD_E_OVERLAP},
        {{{5, 9}, {0, 5}}, RESHARD_E_OVERLAP},
        {{{5, 9}, {0, 50}}, RESHARD_E_OVERLAP},
        {{{5, 9}, {6, 6}}, RESHARD_E_OVERLAP},
        {{{5, 9}, {20, 19}}, RESHARD_E_SLOT},
        {{{5, 9}, {20, 100}}, RESHARD_E_SLOT},
        {{{5, 9}, {20, UINT32_MAX}}, RESHARD_E_SLOT},
    };
    struct reshard_slot_set *set = set_of(100, "77");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_assert_eq(reshard_slot_set_import_ranges(set, cases[i].ranges, 2), cases[i].status);
        assert_text(set, "77");
    }
    cr_assert_eq(reshard_slot_set_import_ranges(set, NULL, 1), RESHARD_E_NULL);
    cr_assert_eq(reshard_slot_set_import_ranges(NULL, NULL, 0), RESHARD_E_NULL);
    reshard_slot_set_destroy(set);
}

Test(set_convert, export_ranges_says_what_it_needs)
{
    struct reshard_slot_set *set = set_of(100, "0-4,50-99");
    struct reshard_range ranges[3] = {{7, 7}, {7, 7}, {7, 7}};
    size_t count = 9;
    cr_assert_eq(reshard_slot_set_export_ranges(set, NULL, 0, &count), RESHARD_E_SPACE);
    cr_assert_eq(count, 2);
    cr_assert_eq(reshard_slot_set_export_ranges(set, ranges, 1, &count), RESHARD_E_SPACE);
    cr_assert_eq(ranges[0].first, 7);
    cr_assert_eq(reshard_slot_set_export_ranges(set, ranges, 3, &count), RESHARD_OK);
    cr_assert(ranges[0].last == 4 && ranges[1].first == 50 && ranges[2].first == 7 && count == 2);
    cr_assert_eq(reshard_slot_set_export_ranges(set, NULL, 1, &count), RESHARD_E_NULL);
    cr_assert_eq(reshard_slot_set_export_ranges(set, ranges, 3, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_slot_set_export_ranges(NULL, ranges, 3, &count), RESHARD_E_NULL);
    cr_assert_eq(reshard_slot_set_clear(set), RESHARD_OK);
    cr_assert_eq(reshard_slot_set_export_ranges(set, NULL, 0, &count), RESHARD_OK);
    cr_assert_eq(count, 0);
    reshard_slot_set_destroy(set);
}

Test(set_convert, bitmap_has_the_lowest_slot_in_the_lowest_bit)
{
    struct reshard_slot_set *set = set_of(20, "0,9-11,19");
    uint8_t bytes[4] = {0xEE, 0xEE, 0xEE, 0xEE};
    size_t size = 0;
    cr_assert_eq(reshard_slot_set_export_bitmap(set, bytes, 2, &size), RESHARD_E_SPACE);
    cr_assert(size == 3 && bytes[0] == 0xEE);
    cr_assert_eq(reshard_slot_set_export_bitmap(set, bytes, 4, &size), RESHARD_OK);
    cr_assert(bytes[0] == 0x01 && bytes[1] == 0x0E && bytes[2] == 0x08 && bytes[3] == 0xEE);
    bytes[0] = 0x82;
    cr_assert_eq(reshard_slot_set_import_bitmap(set, bytes, 3), RESHARD_OK);
    assert_text(set, "1,7,9-11,19");
    reshard_slot_set_destroy(set);
}

Test(set_convert, bitmap_malformed_changes_nothing)
{
    struct reshard_slot_set *set = set_of(20, "5");
    uint8_t bytes[4] = {1, 1, 0x10, 0};
    size_t size;
    cr_assert_eq(reshard_slot_set_import_bitmap(set, bytes, 3), RESHARD_E_SLOT);
    cr_assert_eq(reshard_slot_set_import_bitmap(set, bytes, 2), RESHARD_E_ARGUMENT);
    cr_assert_eq(reshard_slot_set_import_bitmap(set, bytes, 4), RESHARD_E_ARGUMENT);
    cr_assert_eq(reshard_slot_set_import_bitmap(set, NULL, 3), RESHARD_E_NULL);
    cr_assert_eq(reshard_slot_set_import_bitmap(NULL, bytes, 3), RESHARD_E_NULL);
    cr_assert_eq(reshard_slot_set_export_bitmap(set, NULL, 3, &size), RESHARD_E_NULL);
    cr_assert_eq(reshard_slot_set_export_bitmap(set, NULL, 0, &size), RESHARD_E_SPACE);
    cr_assert_eq(size, 3);
    cr_assert_eq(reshard_slot_set_export_bitmap(set, bytes, 3, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_slot_set_export_bitmap(NULL, bytes, 3, &size), RESHARD_E_NULL);
    assert_text(set, "5");
    reshard_slot_set_destroy(set);
}
