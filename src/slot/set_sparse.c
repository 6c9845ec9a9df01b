/* SPDX-License-Identifier: MIT */
/* Room slot: changes to a set of few ranges. Keeps the ranges canonical; grows the array before it
 * changes anything. */
#include "slot/set.h"

#include <string.h>

/* Put pieces[0 ... piece_count) in the place of the ranges from index `from` to before `to`. */
static int32_t splice(struct reshard_slot_set *set, size_t from, size_t to,
    const struct reshard_range *pieces, size_t piece_count)
{
    RESHARD_ASSERT(from <= to && to <= set->range_count && piece_count <= 2);
    size_t total = set->range_count - (to - from) + piece_count;
    int32_t status = reshard__mem_grow(
        &set->mem, (void **)&set->ranges, &set->capacity, sizeof *set->ranges, total);
    if (status)
        return status;
    for (size_t i = from; i < to; i++)
        set->count -= set->ranges[i].last - set->ranges[i].first + 1;
    memmove(set->ranges + from + piece_count, set->ranges + to,
        (set->range_count - to) * sizeof *set->ranges);
    for (size_t i = 0; i < piece_count; i++) {
        set->ranges[from + i] = pieces[i];
        set->count += pieces[i].last - pieces[i].first + 1;
    }
    set->range_count = (uint32_t)total;
    return RESHARD_OK;
}

/* Index behind the last range that starts at or before `slot`, from `from` on. */
static size_t find_behind(const struct reshard_slot_set *set, size_t from, uint32_t slot)
{
    if (from == set->range_count) /* perhaps there is no array yet */
        return from;
    size_t i = from + reshard__ranges_find(set->ranges + from, set->range_count - from, slot);
    return i < set->range_count && set->ranges[i].first <= slot ? i + 1 : i;
}

static int32_t sparse_add(struct reshard_slot_set *set, struct reshard_range slots)
{
    /* Neighbours count as touched: they join. */
    size_t from =
        reshard__ranges_find(set->ranges, set->range_count, slots.first > 0 ? slots.first - 1 : 0);
    size_t to = find_behind(set, from, slots.last + 1);
    if (from < to) {
        struct reshard_range low = set->ranges[from], high = set->ranges[to - 1];
        if (to - from == 1 && low.first <= slots.first && slots.last <= low.last)
            return RESHARD_OK;
        slots.first = low.first < slots.first ? low.first : slots.first;
        slots.last = high.last > slots.last ? high.last : slots.last;
    }
    return splice(set, from, to, &slots, 1);
}

static int32_t sparse_remove(struct reshard_slot_set *set, struct reshard_range slots)
{
    struct reshard_range pieces[2];
    size_t piece_count = 0;
    size_t from = reshard__ranges_find(set->ranges, set->range_count, slots.first);
    size_t to = find_behind(set, from, slots.last);
    if (from == to)
        return RESHARD_OK;
    struct reshard_range low = set->ranges[from], high = set->ranges[to - 1];
    if (low.first < slots.first)
        pieces[piece_count++] = (struct reshard_range){low.first, slots.first - 1};
    if (high.last > slots.last)
        pieces[piece_count++] = (struct reshard_range){slots.last + 1, high.last};
    return splice(set, from, to, pieces, piece_count);
}

int32_t reshard__sparse_put(struct reshard_slot_set *set, struct reshard_range slots, bool value)
{
    RESHARD_ASSERT(!set->words);
    return value ? sparse_add(set, slots) : sparse_remove(set, slots);
}
