/* SPDX-License-Identifier: MIT */
/* Changes read into a scratch: it grows as needed, and a refusal changes nothing. */
#include "support/alloc.h"
#include "tools/wire_maps.h"
#include <criterion/criterion.h>

enum { RANGES = 100 };

/* Two assignments, of 3 and of RANGES ranges. */
static size_t changes_write(uint8_t *bytes, size_t capacity)
{
    struct reshard_range ranges[RANGES];
    struct reshard_change change = wire_change(RESHARD_CHANGE_ASSIGN);
    size_t first = 0, second = 0;
    for (uint32_t i = 0; i < RANGES; i++)
        ranges[i] = (struct reshard_range){3 * i, 3 * i + 1};
    change.shard = 1;
    change.ranges = ranges;
    change.range_count = 3;
    cr_assert_eq(reshard__change_encode(&change, bytes, capacity, &first), RESHARD_OK);
    change.range_count = RANGES;
    cr_assert_eq(
        reshard__change_encode(&change, bytes + first, capacity - first, &second), RESHARD_OK);
    return first + second;
}

Test(scratch, grows_to_what_a_change_needs_and_gives_it_back)
{
    uint8_t bytes[1024];
    struct support_alloc alloc;
    struct reshard_allocator allocator = support_alloc_init(&alloc);
    struct reshard__mem mem;
    struct reshard__scratch scratch = {NULL, 0};
    struct reshard__bytes from = {bytes, changes_write(bytes, sizeof bytes)};
    struct reshard_change change;
    size_t offset = 0;
    cr_assert_eq(reshard__mem_import(&mem, &allocator), RESHARD_OK);
    cr_assert_eq(reshard__change_read(&mem, &scratch, from, &offset, &change), RESHARD_OK);
    cr_assert(change.range_count == 3 && change.ranges == scratch.ranges);
    cr_assert_eq(reshard__change_read(&mem, &scratch, from, &offset, &change), RESHARD_OK);
    cr_assert(change.range_count == RANGES && change.ranges[99].last == 298);
    cr_assert_eq(offset, from.size);
    cr_assert_eq(reshard__change_read(&mem, &scratch, from, &offset, &change), RESHARD_E_EMPTY);
    /* 8 bytes a range, which has at least 2 on the wire. */
    cr_assert_leq(alloc.peak_bytes, 4 * from.size);
    reshard__scratch_free(&mem, &scratch);
    reshard__scratch_free(&mem, &scratch);
    cr_assert(support_alloc_clean(&alloc));
}

Test(scratch, failing_allocation_moves_nothing)
{
    uint8_t bytes[1024];
    struct support_alloc alloc;
    struct reshard_allocator allocator = support_alloc_init(&alloc);
    struct reshard__mem mem;
    struct reshard__scratch scratch = {NULL, 0};
    struct reshard__bytes from = {bytes, changes_write(bytes, sizeof bytes)};
    struct reshard_change change;
    size_t offset = 0;
    cr_assert_eq(reshard__mem_import(&mem, &allocator), RESHARD_OK);
    for (size_t n = 1; n <= 2; n++) {
        size_t before = offset;
        alloc.fail_at = alloc.calls + 1;
        cr_assert_eq(reshard__change_read(&mem, &scratch, from, &offset, &change), RESHARD_E_NOMEM);
        cr_assert_eq(offset, before);
        cr_assert_eq(reshard__change_read(&mem, &scratch, from, &offset, &change), RESHARD_OK);
    }
    cr_assert_eq(offset, from.size);
    reshard__scratch_free(&mem, &scratch);
    cr_assert(support_alloc_clean(&alloc));
}
