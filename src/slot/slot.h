/* SPDX-License-Identifier: MIT */
/* Room slot (floor 1): key → slot, and slot sets.
 *
 * Guarantees: crc16 is bit-identical to Redis Cluster; sets are canonical (sorted, disjoint,
 * not adjacent ranges), so equal sets are equal bytes. Touches no map.
 */
#ifndef RESHARD_SLOT_SLOT_H
#define RESHARD_SLOT_SLOT_H

#include "base/base.h"

#include <reshard/slot.h>

/* Canonical ranges: sorted, disjoint, not adjacent, all < slot_count. Errors: NULL (count > 0 and
 * no ranges), SLOT, OVERLAP (overlapping, adjacent or unsorted). *slots_out may be NULL; it gets
 * the number of slots. */
int32_t reshard__ranges_check(const struct reshard_range *ranges, size_t range_count,
    uint32_t slot_count, uint32_t *slots_out);

/* Whether `slot` lies in canonical ranges. O(log range_count). */
bool reshard__ranges_contain(const struct reshard_range *ranges, size_t range_count, uint32_t slot);

/* Index of the first canonical range whose last slot is >= `slot`; range_count when there is none.
 * O(log range_count). */
size_t reshard__ranges_find(const struct reshard_range *ranges, size_t range_count, uint32_t slot);

/* Copy and check a hasher (see reshard_hasher_check); on error *to is unchanged. */
int32_t reshard__hasher_import(struct reshard_hasher *to, const struct reshard_hasher *from);

#endif
