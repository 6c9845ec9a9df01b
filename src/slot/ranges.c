/* SPDX-License-Identifier: MIT */
/* Room slot: canonical ranges, the one form in which slots are stored, sent and compared.
 * Pure functions over borrowed arrays; nothing is allocated or changed. */
#include "slot/slot.h"

int32_t reshard__ranges_check(const struct reshard_range *ranges, size_t range_count,
    uint32_t slot_count, uint32_t *slots_out)
{
    if (range_count > 0 && !ranges)
        return RESHARD_E_NULL;
    uint32_t slots = 0;
    for (size_t i = 0; i < range_count; i++) {
        uint32_t first = ranges[i].first;
        uint32_t last = ranges[i].last;
        if (first > last || last >= slot_count)
            return RESHARD_E_SLOT;
        /* The difference cannot wrap: first > last of the one before is tested first. */
        if (i > 0 && (first <= ranges[i - 1].last || first - ranges[i - 1].last < 2))
            return RESHARD_E_OVERLAP;
        slots += last - first + 1;
    }
    RESHARD_ASSERT(slots <= slot_count);
    if (slots_out)
        *slots_out = slots;
    return RESHARD_OK;
}

size_t reshard__ranges_find(const struct reshard_range *ranges, size_t range_count, uint32_t slot)
{
    size_t low = 0;
    size_t high = range_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ranges[middle].last < slot)
            low = middle + 1;
        else
            high = middle;
    }
    RESHARD_ASSERT(low <= range_count);
    return low;
}

bool reshard__ranges_contain(const struct reshard_range *ranges, size_t range_count, uint32_t slot)
{
    size_t i = reshard__ranges_find(ranges, range_count, slot);
    return i < range_count && ranges[i].first <= slot;
}
