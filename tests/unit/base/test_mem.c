/* SPDX-License-Identifier: MIT */
#include "base/base.h"
#include "support/alloc.h"
#include <criterion/criterion.h>
#include <string.h>

Test(mem, import_null_or_zeroed_means_libc)
{
    struct reshard__mem mem;
    struct reshard_allocator zeroed;
    memset(&zeroed, 0, sizeof zeroed);
    cr_assert_eq(reshard__mem_import(&mem, NULL), RESHARD_OK);
    void *ptr = reshard__mem_alloc(&mem, 100);
    cr_assert_not_null(ptr);
    reshard__mem_free(&mem, ptr, 100);
    cr_assert_eq(reshard__mem_import(&mem, &zeroed), RESHARD_OK);
    ptr = reshard__mem_alloc(&mem, 1);
    cr_assert_not_null(ptr);
    reshard__mem_free(&mem, ptr, 1);
    reshard__mem_free(&mem, NULL, 0);
}

Test(mem, import_malformed_struct_is_refused)
{
    struct support_alloc alloc;
    struct reshard_allocator good = support_alloc_init(&alloc), bad = good;
    struct reshard__mem mem, before;
    cr_assert_eq(reshard__mem_import(&mem, &good), RESHARD_OK);
    before = mem;
    bad.flags = 1;
    cr_assert_eq(reshard__mem_import(&mem, &bad), RESHARD_E_FLAGS);
    bad = good;
    bad.struct_size = 4;
    cr_assert_eq(reshard__mem_import(&mem, &bad), RESHARD_E_STRUCT_SIZE);
    bad.struct_size = RESHARD_STRUCT_SIZE_MAX + 1;
    cr_assert_eq(reshard__mem_import(&mem, &bad), RESHARD_E_STRUCT_SIZE);
    cr_assert(mem.resize == before.resize && mem.user_data == before.user_data);
}

Test(mem, alloc_over_garbage_is_zeroed)
{
    struct support_alloc alloc;
    struct reshard_allocator allocator = support_alloc_init(&alloc);
    struct reshard__mem mem;
    cr_assert_eq(reshard__mem_import(&mem, &allocator), RESHARD_OK);
    uint8_t *bytes = reshard__mem_alloc(&mem, 33);
    for (size_t i = 0; i < 33; i++)
        cr_assert_eq(bytes[i], 0);
    cr_assert_eq(alloc.live_bytes, 33);
    reshard__mem_free(&mem, bytes, 33);
    cr_assert(support_alloc_clean(&alloc));
    alloc.fail_at = alloc.calls + 1;
    cr_assert_null(reshard__mem_alloc(&mem, 33));
    cr_assert(support_alloc_clean(&alloc));
}

Test(mem, grow_keeps_items_and_zeroes_new_ones)
{
    struct support_alloc alloc;
    struct reshard_allocator allocator = support_alloc_init(&alloc);
    struct reshard__mem mem;
    cr_assert_eq(reshard__mem_import(&mem, &allocator), RESHARD_OK);
    uint32_t *items = NULL;
    size_t capacity = 0;
    cr_assert_eq(reshard__mem_grow(&mem, (void **)&items, &capacity, sizeof *items, 3), RESHARD_OK);
    cr_assert_eq(capacity, 8);
    items[0] = 9;
    cr_assert_eq(reshard__mem_grow(&mem, (void **)&items, &capacity, sizeof *items, 8), RESHARD_OK);
    cr_assert_eq(alloc.calls, 1, "no growth while there is room");
    cr_assert_eq(reshard__mem_grow(&mem, (void **)&items, &capacity, sizeof *items, 9), RESHARD_OK);
    cr_assert_eq(capacity, 16);
    cr_assert_eq(items[0], 9);
    for (size_t i = 8; i < capacity; i++)
        cr_assert_eq(items[i], 0);
    cr_assert_eq(
        reshard__mem_grow(&mem, (void **)&items, &capacity, sizeof *items, 99), RESHARD_OK);
    cr_assert_eq(capacity, 99);
    reshard__mem_free(&mem, items, capacity * sizeof *items);
    cr_assert(support_alloc_clean(&alloc));
}

Test(mem, grow_failing_allocation_changes_nothing)
{
    struct support_alloc alloc;
    struct reshard_allocator allocator = support_alloc_init(&alloc);
    struct reshard__mem mem;
    cr_assert_eq(reshard__mem_import(&mem, &allocator), RESHARD_OK);
    uint64_t *items = NULL;
    size_t capacity = 0;
    cr_assert_eq(reshard__mem_grow(&mem, (void **)&items, &capacity, sizeof *items, 8), RESHARD_OK);
    uint64_t *before = items;
    items[7] = 7;
    alloc.fail_at = alloc.calls + 1;
    cr_assert_eq(
        reshard__mem_grow(&mem, (void **)&items, &capacity, sizeof *items, 9), RESHARD_E_NOMEM);
    cr_assert(items == before && capacity == 8 && items[7] == 7);
    reshard__mem_free(&mem, items, capacity * sizeof *items);
    cr_assert(support_alloc_clean(&alloc));
}

Test(mem, grow_overflowing_size_is_nomem)
{
    struct support_alloc alloc;
    struct reshard_allocator allocator = support_alloc_init(&alloc);
    struct reshard__mem mem;
    cr_assert_eq(reshard__mem_import(&mem, &allocator), RESHARD_OK);
    void *items = NULL;
    size_t capacity = 0;
    cr_assert_eq(reshard__mem_grow(&mem, &items, &capacity, 16, SIZE_MAX / 8), RESHARD_E_NOMEM);
    cr_assert(items == NULL && capacity == 0 && alloc.calls == 0);
    capacity = SIZE_MAX / 2 + 1; /* doubling would overflow */
    cr_assert_eq(reshard__mem_grow(&mem, &items, &capacity, 16, SIZE_MAX), RESHARD_E_NOMEM);
    cr_assert_eq(alloc.calls, 0);
}
