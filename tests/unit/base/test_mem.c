/* SPDX-License-Identifier: MIT */
#include "base/base.h"
#include <criterion/criterion.h>
#include <string.h>

Test(mem, grow_keeps_items_and_zeroes_new_ones)
{
    struct reshard__mem mem;
    cr_assert_eq(reshard__mem_import(&mem, NULL), RESHARD_OK);
    uint32_t *items = NULL;
    size_t capacity = 0;
    cr_assert_eq(reshard__mem_grow(&mem, (void **)&items, &capacity, sizeof *items, 3), RESHARD_OK);
    cr_assert_geq(capacity, 3);
    items[0] = 9;
    size_t before = capacity;
    cr_assert_eq(
        reshard__mem_grow(&mem, (void **)&items, &capacity, sizeof *items, before + 1), RESHARD_OK);
    cr_assert_eq(items[0], 9);
    cr_assert_eq(items[before], 0);
    reshard__mem_free(&mem, items, capacity * sizeof *items);
}
