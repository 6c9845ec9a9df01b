/* SPDX-License-Identifier: MIT */
/* Room slot: slot sets from and to arrays of ranges and bitmaps. Input is taken whole or not at
 * all. */
#include "slot/set.h"

#include <string.h>

int32_t reshard_slot_set_import_ranges(
    struct reshard_slot_set *set, const struct reshard_range *ranges, size_t range_count)
{
    if (!set || (!ranges && range_count > 0))
        return RESHARD_E_NULL;
    struct reshard_slot_set fresh = reshard__set_empty(set);
    for (size_t i = 0; i < range_count; i++) {
        int32_t status = reshard__set_put_new(&fresh, ranges[i]);
        if (status) {
            reshard__set_release(&fresh);
            return status;
        }
    }
    reshard__set_move(set, &fresh);
    return RESHARD_OK;
}

int32_t reshard_slot_set_export_ranges(const struct reshard_slot_set *set,
    struct reshard_range *ranges, size_t range_capacity, size_t *range_count_out)
{
    if (!set || !range_count_out || (!ranges && range_capacity > 0))
        return RESHARD_E_NULL;
    *range_count_out = set->range_count;
    if (range_capacity < set->range_count)
        return RESHARD_E_SPACE;
    if (set->range_count == 0)
        return RESHARD_OK;
    struct reshard_range range;
    size_t count = 0;
    for (uint32_t from = 0; reshard__set_next(set, from, &range); from = range.last + 1)
        ranges[count++] = range;
    RESHARD_ASSERT(count == set->range_count);
    return RESHARD_OK;
}

int32_t reshard_slot_set_import_bitmap(
    struct reshard_slot_set *set, const uint8_t *bytes, size_t size)
{
    if (!set || !bytes)
        return RESHARD_E_NULL;
    if (size != reshard__set_bitmap_size(set))
        return RESHARD_E_ARGUMENT;
    if (set->slot_count % 8 && bytes[size - 1] >> set->slot_count % 8)
        return RESHARD_E_SLOT;
    struct reshard_slot_set fresh = reshard__set_empty(set);
    int32_t status = reshard__set_densify(&fresh);
    if (status)
        return status;
    for (size_t i = 0; i < size; i++)
        fresh.words[i / 8] |= (uint64_t)bytes[i] << 8 * (i % 8);
    reshard__dense_settle(&fresh);
    reshard__set_move(set, &fresh);
    return RESHARD_OK;
}

static void fill_bytes(uint8_t *bytes, struct reshard_range slots)
{
    size_t first = slots.first / 8, last = slots.last / 8;
    uint8_t first_mask = (uint8_t)(0xFF << slots.first % 8);
    uint8_t last_mask = (uint8_t)(0xFF >> (7 - slots.last % 8));
    if (first == last) {
        bytes[first] |= first_mask & last_mask;
        return;
    }
    bytes[first] |= first_mask;
    memset(bytes + first + 1, 0xFF, last - first - 1);
    bytes[last] |= last_mask;
}

int32_t reshard_slot_set_export_bitmap(
    const struct reshard_slot_set *set, uint8_t *bytes, size_t capacity, size_t *size_out)
{
    if (!set || !size_out || (!bytes && capacity > 0))
        return RESHARD_E_NULL;
    size_t size = reshard__set_bitmap_size(set);
    *size_out = size;
    RESHARD_ASSERT(size > 0);
    if (capacity < size)
        return RESHARD_E_SPACE;
    if (set->words) {
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)(set->words[i / 8] >> 8 * (i % 8));
        return RESHARD_OK;
    }
    memset(bytes, 0, size);
    for (uint32_t i = 0; i < set->range_count; i++)
        fill_bytes(bytes, set->ranges[i]);
    return RESHARD_OK;
}
