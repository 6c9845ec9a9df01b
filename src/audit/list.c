/* SPDX-License-Identifier: MIT */
/* Room audit: findings (or steps) with their ranges, brought together and sorted. Items that come
 * in a row share one segment, so that few items with many ranges stay small. */
#include "audit/audit.h"

#include <string.h>

static int u64_order(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int item_order(const struct reshard_finding *a, const struct reshard_finding *b)
{
    const uint64_t left[] = {
        a->code, a->shard, a->node, a->migration, a->other_shard, a->other_node};
    const uint64_t right[] = {
        b->code, b->shard, b->node, b->migration, b->other_shard, b->other_node};
    for (size_t i = 0; i < sizeof left / sizeof *left; i++)
        if (left[i] != right[i])
            return u64_order(left[i], right[i]);
    return 0;
}

static void range_append(struct reshard__list *list, struct reshard__segment *segment,
    struct reshard_range range)
{
    RESHARD_ASSERT(range.first <= range.last && list->ranges);
    struct reshard_range *last =
        segment->item.range_count ? &list->ranges[list->range_count - 1] : NULL;
    segment->item.slot_count += range.last - range.first + 1;
    if (last && last->last + 1 == range.first) {
        last->last = range.last;
        return;
    }
    RESHARD_ASSERT(!last || last->last < range.first);
    list->ranges[list->range_count++] = range;
    segment->item.range_count++;
}

int32_t reshard__list_add(struct reshard__list *list, const struct reshard_finding *item,
    uint32_t first, uint32_t last, uint64_t keys)
{
    int32_t status = reshard__mem_grow(list->mem, (void **)&list->ranges, &list->range_capacity,
        sizeof *list->ranges, list->range_count + 1);
    if (!status)
        status = reshard__mem_grow(list->mem, (void **)&list->segments, &list->segment_capacity,
            sizeof *list->segments, list->segment_count + 1);
    if (status)
        return status;
    RESHARD_ASSERT(list->segments && list->ranges);
    struct reshard__segment *segment =
        list->segment_count ? &list->segments[list->segment_count - 1] : NULL;
    if (!segment || item_order(&segment->item, item) != 0) {
        segment = &list->segments[list->segment_count++];
        *segment = (struct reshard__segment){*item, list->range_count};
        segment->item.slot_count = segment->item.range_count = 0;
        segment->item.keys = 0;
    }
    if (!reshard__add_u64(segment->item.keys, keys, &segment->item.keys))
        return RESHARD_E_OVERFLOW;
    if (first <= last)
        range_append(list, segment, (struct reshard_range){first, last});
    return RESHARD_OK;
}

/* Stable bottom-up merge sort of segment positions; `order` has room for two times count. Returns
 * the half that holds the result. */
static size_t *sort(const struct reshard__segment *segments, size_t *order, size_t count)
{
    size_t *from = order;
    size_t *to = order + count;
    for (size_t i = 0; i < count; i++)
        from[i] = i;
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t start = 0; start < count; start += 2 * width) {
            size_t left = start;
            size_t middle = start + width < count ? start + width : count;
            size_t end = middle + width < count ? middle + width : count;
            size_t right = middle;
            for (size_t k = start; k < end; k++) {
                bool take_left = left < middle
                    && (right >= end
                        || item_order(&segments[from[left]].item, &segments[from[right]].item)
                            <= 0);
                to[k] = take_left ? from[left++] : from[right++];
            }
        }
        size_t *swap = from;
        from = to;
        to = swap;
    }
    return from;
}

/* Append a segment of `from` to `to`, which has room for it. */
static int32_t join(
    struct reshard__list *to, const struct reshard__list *from, const struct reshard__segment *part)
{
    RESHARD_ASSERT(to->segments);
    struct reshard__segment *last =
        to->segment_count ? &to->segments[to->segment_count - 1] : NULL;
    if (!last || item_order(&last->item, &part->item) != 0) {
        last = &to->segments[to->segment_count++];
        *last = (struct reshard__segment){part->item, to->range_count};
        last->item.slot_count = last->item.range_count = 0;
        last->item.keys = 0;
    }
    for (uint32_t i = 0; i < part->item.range_count; i++)
        range_append(to, last, from->ranges[part->range_first + i]);
    return reshard__add_u64(last->item.keys, part->item.keys, &last->item.keys)
        ? RESHARD_OK
        : RESHARD_E_OVERFLOW;
}

int32_t reshard__list_finish(struct reshard__list *list)
{
    size_t count = list->segment_count;
    struct reshard__list sorted = {.mem = list->mem};
    size_t *order = NULL;
    size_t order_capacity = 0;
    if (count == 0)
        return RESHARD_OK;
    int32_t status =
        reshard__mem_grow(list->mem, (void **)&order, &order_capacity, sizeof *order, 2 * count);
    if (!status)
        status = reshard__mem_grow(list->mem, (void **)&sorted.segments, &sorted.segment_capacity,
            sizeof *sorted.segments, count);
    if (!status)
        status = reshard__mem_grow(list->mem, (void **)&sorted.ranges, &sorted.range_capacity,
            sizeof *sorted.ranges, list->range_count + 1);
    if (!status) {
        const size_t *by = sort(list->segments, order, count);
        for (size_t i = 0; i < count && !status; i++)
            status = join(&sorted, list, &list->segments[by[i]]);
    }
    reshard__mem_free(list->mem, order, order_capacity * sizeof *order);
    if (status) {
        reshard__list_free(&sorted);
        return status;
    }
    reshard__list_free(list);
    *list = sorted;
    return RESHARD_OK;
}

void reshard__list_free(struct reshard__list *list)
{
    reshard__mem_free(list->mem, list->segments, list->segment_capacity * sizeof *list->segments);
    reshard__mem_free(list->mem, list->ranges, list->range_capacity * sizeof *list->ranges);
    *list = (struct reshard__list){.mem = list->mem};
}

struct reshard_finding reshard__list_at(const struct reshard__list *list, size_t index)
{
    RESHARD_ASSERT(index < list->segment_count);
    const struct reshard__segment *segment = &list->segments[index];
    struct reshard_finding item = segment->item;
    item.ranges = item.range_count ? list->ranges + segment->range_first : NULL;
    return item;
}
