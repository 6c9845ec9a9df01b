/* SPDX-License-Identifier: MIT */
#include "audit/audit.h"
#include "support/alloc.h"
#include <criterion/criterion.h>

static struct reshard__mem list_mem(struct support_alloc *alloc)
{
    struct reshard_allocator allocator = support_alloc_init(alloc);
    struct reshard__mem mem;
    cr_assert_eq(reshard__mem_import(&mem, &allocator), RESHARD_OK);
    return mem;
}

Test(list, finish_sorts_and_brings_equal_items_together)
{
    struct support_alloc alloc;
    struct reshard__mem mem = list_mem(&alloc);
    struct reshard__list list = {.mem = &mem};
    for (uint32_t slot = 0; slot < 20; slot++) {
        struct reshard_finding item = {.code = 9 - slot % 2, .node = slot % 3};
        cr_assert_eq(reshard__list_add(&list, &item, slot, slot, 2), RESHARD_OK);
    }
    struct reshard_finding bare = {.code = 9, .node = 1};
    cr_assert_eq(reshard__list_add(&list, &bare, 1, 0, 1), RESHARD_OK);
    cr_assert_eq(reshard__list_finish(&list), RESHARD_OK);
    cr_assert_eq(list.segment_count, 6);
    uint32_t slots = 0;
    for (size_t i = 0; i < 6; i++) {
        struct reshard_finding item = reshard__list_at(&list, i);
        cr_assert_eq(item.code, 8 + i / 3);
        cr_assert_eq(item.node, i % 3);
        cr_assert_eq(item.keys, 2 * item.slot_count + (item.code == 9 && item.node == 1));
        for (uint32_t k = 0; k < item.range_count; k++) {
            cr_assert_eq(item.ranges[k].first % 2, 9 - item.code);
            cr_assert_eq(item.ranges[k].first % 3, item.node);
        }
        slots += item.slot_count;
    }
    cr_assert_eq(slots, 20);
    reshard__list_free(&list);
    cr_assert(support_alloc_clean(&alloc));
}

Test(list, add_joins_adjacent_slots)
{
    struct support_alloc alloc;
    struct reshard__mem mem = list_mem(&alloc);
    struct reshard__list list = {.mem = &mem};
    struct reshard_finding item = {.code = 1};
    for (uint32_t slot = 0; slot < 100; slot++)
        if (slot != 50)
            cr_assert_eq(reshard__list_add(&list, &item, slot, slot, 0), RESHARD_OK);
    cr_assert_eq(list.segment_count, 1);
    struct reshard_finding found = reshard__list_at(&list, 0);
    cr_assert_eq(found.range_count, 2);
    cr_assert_eq(found.ranges[1].first, 51);
    cr_assert_eq(found.ranges[1].last, 99);
    cr_assert_eq(found.slot_count, 99);
    reshard__list_free(&list);
}

Test(list, keys_overflow_is_refused_in_add_and_finish)
{
    struct support_alloc alloc;
    struct reshard__mem mem = list_mem(&alloc);
    struct reshard__list list = {.mem = &mem};
    struct reshard_finding one = {.code = 1};
    struct reshard_finding two = {.code = 2};
    cr_assert_eq(reshard__list_add(&list, &one, 0, 0, UINT64_MAX), RESHARD_OK);
    cr_assert_eq(reshard__list_add(&list, &one, 1, 1, 1), RESHARD_E_OVERFLOW);
    cr_assert_eq(reshard__list_add(&list, &two, 1, 1, 1), RESHARD_OK);
    cr_assert_eq(reshard__list_add(&list, &one, 2, 2, 1), RESHARD_OK);
    cr_assert_eq(reshard__list_finish(&list), RESHARD_E_OVERFLOW);
    reshard__list_free(&list);
    cr_assert(support_alloc_clean(&alloc));
}
