/* SPDX-License-Identifier: MIT */
/* Room slot: slot sets, their life and their single ranges. Chooses between the two forms; touches
 * only the set it is given. */
#include "slot/set.h"

#include <string.h>

struct reshard_slot_set reshard__set_empty(const struct reshard_slot_set *like)
{
    struct reshard_slot_set set;
    memset(&set, 0, sizeof set);
    set.mem = like->mem;
    set.slot_count = like->slot_count;
    return set;
}

void reshard__set_release(struct reshard_slot_set *set)
{
    RESHARD_ASSERT(!set->words || !set->ranges);
    reshard__mem_free(&set->mem, set->ranges, set->capacity * sizeof *set->ranges);
    reshard__mem_free(&set->mem, set->words, reshard__set_word_count(set) * sizeof *set->words);
    *set = reshard__set_empty(set);
}

void reshard__set_move(struct reshard_slot_set *to, struct reshard_slot_set *from)
{
    RESHARD_ASSERT(to != from && to->slot_count == from->slot_count);
    reshard__set_release(to);
    *to = *from;
    *from = reshard__set_empty(to);
}

bool reshard__set_next(
    const struct reshard_slot_set *set, uint32_t from, struct reshard_range *range_out)
{
    if (!set->words) {
        size_t i = reshard__ranges_find(set->ranges, set->range_count, from);
        if (i == set->range_count)
            return false;
        *range_out = set->ranges[i];
        if (range_out->first < from)
            range_out->first = from;
        return true;
    }
    uint32_t first = reshard__words_find(set->words, set->slot_count, from, true);
    if (first == set->slot_count)
        return false;
    range_out->first = first;
    range_out->last = reshard__words_find(set->words, set->slot_count, first, false) - 1;
    return true;
}

int32_t reshard__set_put(struct reshard_slot_set *set, struct reshard_range slots, bool value)
{
    RESHARD_ASSERT(slots.first <= slots.last && slots.last < set->slot_count);
    if (!set->words) {
        if (set->range_count < reshard__set_sparse_max(set->slot_count))
            return reshard__sparse_put(set, slots, value);
        int32_t status = reshard__set_densify(set);
        if (status)
            return status;
    }
    reshard__dense_put(set, slots, value);
    return RESHARD_OK;
}

int32_t reshard__set_put_new(struct reshard_slot_set *set, struct reshard_range slots)
{
    struct reshard_range next;
    if (slots.first > slots.last || slots.last >= set->slot_count)
        return RESHARD_E_SLOT;
    if (reshard__set_next(set, slots.first, &next) && next.first <= slots.last)
        return RESHARD_E_OVERLAP;
    return reshard__set_put(set, slots, true);
}

int32_t reshard_slot_set_create(uint32_t slot_count, const struct reshard_allocator *allocator,
    struct reshard_slot_set **set_out)
{
    struct reshard__mem mem;
    if (!set_out)
        return RESHARD_E_NULL;
    if (slot_count == 0 || slot_count > RESHARD_SLOT_COUNT_MAX)
        return RESHARD_E_SLOT_COUNT;
    int32_t status = reshard__mem_import(&mem, allocator);
    if (status)
        return status;
    struct reshard_slot_set *set = reshard__mem_alloc(&mem, sizeof *set);
    if (!set)
        return RESHARD_E_NOMEM;
    set->mem = mem;
    set->slot_count = slot_count;
    *set_out = set;
    return RESHARD_OK;
}

void reshard_slot_set_destroy(struct reshard_slot_set *set)
{
    if (!set)
        return;
    reshard__set_release(set);
    struct reshard__mem mem = set->mem;
    reshard__mem_free(&mem, set, sizeof *set);
}

/* Fill an empty set with the contents of one of the same slot_count. */
static int32_t copy_contents(struct reshard_slot_set *to, const struct reshard_slot_set *from)
{
    if (from->words) {
        to->words = reshard__set_render(from, &to->mem);
        if (!to->words)
            return RESHARD_E_NOMEM;
    } else if (from->range_count > 0) {
        int32_t status = reshard__mem_grow(
            &to->mem, (void **)&to->ranges, &to->capacity, sizeof *to->ranges, from->range_count);
        if (status)
            return status;
        memcpy(to->ranges, from->ranges, from->range_count * sizeof *to->ranges);
    }
    to->count = from->count;
    to->range_count = from->range_count;
    return RESHARD_OK;
}

int32_t reshard_slot_set_clone(const struct reshard_slot_set *set,
    const struct reshard_allocator *allocator, struct reshard_slot_set **set_out)
{
    struct reshard_slot_set *copy;
    if (!set || !set_out)
        return RESHARD_E_NULL;
    int32_t status = reshard_slot_set_create(set->slot_count, allocator, &copy);
    if (status)
        return status;
    status = copy_contents(copy, set);
    if (status)
        reshard_slot_set_destroy(copy);
    else
        *set_out = copy;
    return status;
}

int32_t reshard_slot_set_clear(struct reshard_slot_set *set)
{
    if (!set)
        return RESHARD_E_NULL;
    reshard__set_release(set);
    return RESHARD_OK;
}

static int32_t put(struct reshard_slot_set *set, uint32_t first, uint32_t last, bool value)
{
    struct reshard_range slots = {first, last};
    if (!set)
        return RESHARD_E_NULL;
    if (first > last || last >= set->slot_count)
        return RESHARD_E_SLOT;
    return reshard__set_put(set, slots, value);
}

int32_t reshard_slot_set_add(struct reshard_slot_set *set, uint32_t first, uint32_t last)
{
    return put(set, first, last, true);
}

int32_t reshard_slot_set_remove(struct reshard_slot_set *set, uint32_t first, uint32_t last)
{
    return put(set, first, last, false);
}

int32_t reshard_slot_set_contains(const struct reshard_slot_set *set, uint32_t slot)
{
    if (!set)
        return RESHARD_E_NULL;
    if (slot >= set->slot_count)
        return 0;
    if (set->words)
        return (int32_t)(set->words[slot / 64] >> slot % 64 & 1);
    return reshard__ranges_contain(set->ranges, set->range_count, slot);
}

uint32_t reshard_slot_set_slot_count(const struct reshard_slot_set *set)
{
    return set ? set->slot_count : 0;
}

uint32_t reshard_slot_set_count(const struct reshard_slot_set *set)
{
    return set ? set->count : 0;
}

uint32_t reshard_slot_set_range_count(const struct reshard_slot_set *set)
{
    return set ? set->range_count : 0;
}

int32_t reshard_slot_set_range_next(
    const struct reshard_slot_set *set, uint32_t *cursor, struct reshard_range *range_out)
{
    if (!set || !cursor || !range_out)
        return RESHARD_E_NULL;
    if (*cursor >= set->slot_count || !reshard__set_next(set, *cursor, range_out))
        return RESHARD_E_EMPTY;
    *cursor = range_out->last + 1;
    return RESHARD_OK;
}
