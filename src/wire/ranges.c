/* SPDX-License-Identifier: MIT */
/* Room wire: slot ranges. On the wire an array of pairs gap, length - 1. The first gap is the first
 * slot; every later one counts the slots between two ranges, less the one that must be there. So
 * whatever decodes is sorted, disjoint and not adjacent, and a set of slots has one form. */
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

/* The next integer of a list, `at` most `max`. */
static int32_t uint_next(
    const uint8_t *bytes, size_t end, size_t *offset, uint64_t max, uint64_t *value_out)
{
    struct reshard__item item;
    size_t start = *offset;
    int32_t status = reshard__item_next(bytes, end, offset, &item);
    if (!status && item.type != RESHARD__ITEM_UINT)
        status = RESHARD_E_TYPE;
    if (!status && item.value > max)
        status = RESHARD_E_BOUND;
    if (status)
        *offset = start;
    else
        *value_out = item.value;
    return status;
}

/* The range behind `next`, the lowest slot it may start with. */
static int32_t range_next(
    const uint8_t *bytes, size_t end, size_t *offset, uint64_t next, struct reshard_range *range)
{
    uint64_t gap, length;
    if (next >= RESHARD_SLOT_COUNT_MAX)
        return RESHARD_E_BOUND;
    int32_t status = uint_next(bytes, end, offset, RESHARD_SLOT_COUNT_MAX - 1 - next, &gap);
    if (status)
        return status;
    uint64_t first = next + gap;
    status = uint_next(bytes, end, offset, RESHARD_SLOT_COUNT_MAX - 1 - first, &length);
    if (status)
        return status;
    range->first = (uint32_t)first;
    range->last = (uint32_t)(first + length);
    return RESHARD_OK;
}

/* The numbers that pass 1 left in place of ranges, made into ranges. False: they are not all there,
 * or do not fit; then they have to be read again, to say where. */
static bool ranges_make(struct reshard__range_sink *sink, uint64_t number_count)
{
    const size_t range_count = (size_t)(number_count / 2);
    uint64_t next = 0;
    if (sink->mixed || sink->number_count != number_count || range_count > sink->capacity)
        return false;
    for (size_t i = 0; i < range_count; i++) {
        struct reshard_range *range = &sink->ranges[i];
        const uint64_t first = next + range->first, last = first + range->last;
        if (last >= RESHARD_SLOT_COUNT_MAX)
            return false;
        *range = (struct reshard_range){(uint32_t)first, (uint32_t)last};
        next = last + 2;
    }
    sink->needed = range_count;
    return true;
}

/* Read `range_count` ranges at *offset; those that fit are kept. On an error *offset names it. */
static int32_t ranges_walk(const uint8_t *bytes, size_t end, size_t *offset, size_t range_count,
    struct reshard__range_sink *sink)
{
    uint64_t next = 0;
    for (size_t i = 0; i < range_count; i++) {
        struct reshard_range range = {0, 0};
        int32_t status = range_next(bytes, end, offset, next, &range);
        if (status)
            return status;
        next = (uint64_t)range.last + 2;
        if (i < sink->capacity)
            sink->ranges[i] = range;
    }
    return RESHARD_OK;
}

int32_t reshard__ranges_read(const uint8_t *bytes, const struct reshard__item *array,
    struct reshard__range_sink *sink, size_t *error_offset)
{
    struct reshard__item head;
    size_t offset = array->offset;
    *error_offset = offset;
    if (array->type != RESHARD__ITEM_ARRAY)
        return RESHARD_E_TYPE;
    if (array->value % 2 != 0 || array->value > RESHARD_SLOT_COUNT_MAX)
        return RESHARD_E_BOUND;
    if (ranges_make(sink, array->value))
        return RESHARD_OK;
    size_t range_count = (size_t)array->value / 2;
    int32_t status = reshard__item_next(bytes, array->end, &offset, &head);
    if (status == RESHARD_OK)
        status = ranges_walk(bytes, array->end, &offset, range_count, sink);
    *error_offset = offset;
    if (status)
        return status;
    sink->needed = range_count;
    return range_count > sink->capacity ? RESHARD_E_SPACE : RESHARD_OK;
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
    struct reshard__walk walk;
    struct reshard__item array;
    size_t error_offset, offset = 0;
    int32_t status =
        reshard__array_walk(bytes, size, 0, RESHARD__CHANGE_ITEMS_MAX, &walk, &error_offset);
    if (status)
        return status;
    if (walk.end != size)
        return RESHARD_E_TRAILING;
    status = reshard__item_next(bytes, size, &offset, &array);
    RESHARD_ASSERT(status == RESHARD_OK);
    array.end = walk.end;
    struct reshard__range_sink sink = {ranges, capacity, 0, 0, false};
    status = reshard__ranges_read(bytes, &array, &sink, &error_offset);
    if (!status || status == RESHARD_E_SPACE)
        *range_count_out = sink.needed;
    return status;
}
