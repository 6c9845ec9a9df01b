/* SPDX-License-Identifier: MIT */
/* Room wire: slot ranges. On the wire an array of pairs gap, length - 1. The first gap is the first
 * slot; every later one counts the slots between two ranges, less the one that must be there. So
 * whatever decodes is sorted, disjoint and not adjacent, and a set of slots has one form. (They are
 * read where all is checked, in read.c.) */
#include "wire/schema.h"

int32_t reshard__ranges_writable(const struct reshard_range *ranges, size_t range_count)
{
    uint64_t next = 0; /* lowest slot that the next range may start with */
    if (range_count > 0 && !ranges)
        return RESHARD_E_BOUND;
    for (size_t i = 0; i < range_count; i++) {
        if (ranges[i].first < next || ranges[i].last < ranges[i].first ||
            ranges[i].last >= RESHARD_SLOT_COUNT_MAX)
            return RESHARD_E_BOUND;
        next = (uint64_t)ranges[i].last + 2;
    }
    return RESHARD_OK;
}

void reshard__put_ranges(
    struct reshard__writer *writer, const struct reshard_range *ranges, size_t range_count)
{
    uint32_t next = 0;
    reshard__put_array(writer, 2 * (uint64_t)range_count);
    for (size_t i = 0; i < range_count; i++) {
        reshard__put_uint(writer, ranges[i].first - next);
        reshard__put_uint(writer, ranges[i].last - ranges[i].first);
        next = ranges[i].last + 2;
    }
}

int32_t reshard__ranges_encode(const struct reshard_range *ranges, size_t range_count,
    uint8_t *buffer, size_t capacity, size_t *size_out)
{
    struct reshard__writer writer = {buffer, capacity, 0};
    int32_t status = reshard__ranges_writable(ranges, range_count);
    if (status)
        return status;
    reshard__put_ranges(&writer, ranges, range_count);
    return reshard__writer_finish(&writer, size_out);
}

int32_t reshard__ranges_decode(const uint8_t *bytes, size_t size, struct reshard_range *ranges,
    size_t capacity, size_t *range_count_out)
{
    struct reshard__range_sink sink = {ranges, capacity, 0};
    size_t offset = 0;
    int32_t status = reshard__ranges_next(bytes, size, &offset, &sink);
    if (!status && offset != size)
        status = RESHARD_E_TRAILING;
    if (status)
        return status;
    *range_count_out = sink.needed;
    return sink.needed > capacity ? RESHARD_E_SPACE : RESHARD_OK;
}
