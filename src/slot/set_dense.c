/* SPDX-License-Identifier: MIT */
/* Room slot: sets of many ranges, as bitmaps, and the change between the two forms. Words are
 * numbers, so nothing here depends on byte order. */
#include "slot/set.h"

#include <string.h>

static inline uint32_t popcount(uint64_t word)
{
    word -= word >> 1 & UINT64_C(0x5555555555555555);
    word = (word & UINT64_C(0x3333333333333333)) + (word >> 2 & UINT64_C(0x3333333333333333));
    word = (word + (word >> 4)) & UINT64_C(0x0F0F0F0F0F0F0F0F);
    return (uint32_t)(word * UINT64_C(0x0101010101010101) >> 56);
}

static inline uint32_t lowest_bit(uint64_t word)
{
    return popcount((word & (0 - word)) - 1);
}

/* The bits of word `index` that belong to the slots. */
static inline uint64_t mask_of(struct reshard_range slots, uint32_t index)
{
    uint64_t mask = UINT64_MAX;
    if (index == slots.first / 64)
        mask &= UINT64_MAX << slots.first % 64;
    if (index == slots.last / 64)
        mask &= UINT64_MAX >> (63 - slots.last % 64);
    return mask;
}

void reshard__words_fill(uint64_t *words, struct reshard_range slots, bool value)
{
    RESHARD_ASSERT(slots.first <= slots.last);
    for (uint32_t i = slots.first / 64; i <= slots.last / 64; i++) {
        uint64_t mask = mask_of(slots, i);
        words[i] = value ? words[i] | mask : words[i] & ~mask;
    }
}

uint32_t reshard__words_find(const uint64_t *words, uint32_t slot_count, uint32_t from, bool value)
{
    if (from >= slot_count)
        return slot_count;
    uint64_t flip = value ? 0 : UINT64_MAX;
    uint64_t word = (words[from / 64] ^ flip) & UINT64_MAX << from % 64;
    uint32_t last_index = (slot_count - 1) / 64;
    uint32_t i = from / 64;
    while (word == 0 && i < last_index)
        word = words[++i] ^ flip;
    if (word == 0)
        return slot_count;
    uint32_t slot = i * 64 + lowest_bit(word);
    RESHARD_ASSERT(slot <= slot_count); /* bits above are 0: the search for one ends at the edge */
    return slot;
}

/* Slots of the set among `slots`, and runs that start among them. */
static void tally(const uint64_t *words, struct reshard_range slots, uint32_t *count_out,
    uint32_t *start_count_out)
{
    uint32_t count = 0, start_count = 0;
    uint32_t i = slots.first / 64;
    uint64_t carry = i > 0 ? words[i - 1] >> 63 : 0;
    for (; i <= slots.last / 64; i++) {
        uint64_t word = words[i];
        uint64_t mask = mask_of(slots, i);
        count += popcount(word & mask);
        start_count += popcount(word & ~(word << 1 | carry) & mask);
        carry = word >> 63;
    }
    *count_out = count;
    *start_count_out = start_count;
}

uint64_t *reshard__set_render(const struct reshard_slot_set *set, const struct reshard__mem *mem)
{
    size_t size = reshard__set_word_count(set) * sizeof(uint64_t);
    uint64_t *words = reshard__mem_alloc(mem, size);
    if (!words)
        return NULL;
    if (set->words)
        memcpy(words, set->words, size);
    else
        for (uint32_t i = 0; i < set->range_count; i++)
            reshard__words_fill(words, set->ranges[i], true);
    return words;
}

int32_t reshard__set_densify(struct reshard_slot_set *set)
{
    RESHARD_ASSERT(!set->words);
    uint64_t *words = reshard__set_render(set, &set->mem);
    if (!words)
        return RESHARD_E_NOMEM;
    reshard__mem_free(&set->mem, set->ranges, set->capacity * sizeof *set->ranges);
    set->ranges = NULL;
    set->capacity = 0;
    set->words = words;
    return RESHARD_OK;
}

/* Best effort: without memory the set stays as it is, which is only slower. */
static void sparsify(struct reshard_slot_set *set)
{
    struct reshard_slot_set sparse = reshard__set_empty(set);
    struct reshard_range range;
    uint32_t from = 0;
    if (set->range_count > 0 && reshard__mem_grow(&sparse.mem, (void **)&sparse.ranges,
                                    &sparse.capacity, sizeof *sparse.ranges, set->range_count))
        return;
    while (reshard__set_next(set, from, &range)) {
        sparse.ranges[sparse.range_count++] = range;
        sparse.count += range.last - range.first + 1;
        from = range.last + 1;
    }
    RESHARD_ASSERT(sparse.count == set->count && sparse.range_count == set->range_count);
    reshard__set_move(set, &sparse);
}

static void sparsify_if_few(struct reshard_slot_set *set)
{
    if (set->range_count < reshard__set_sparse_max(set->slot_count) / 4)
        sparsify(set);
}

void reshard__dense_put(struct reshard_slot_set *set, struct reshard_range slots, bool value)
{
    RESHARD_ASSERT(set->words != NULL);
    /* The run behind the slots can start or stop to be one of its own. */
    struct reshard_range touched = slots;
    if (touched.last + 1 < set->slot_count)
        touched.last++;
    uint32_t count_before, count_after, start_count_before, start_count_after;
    tally(set->words, touched, &count_before, &start_count_before);
    reshard__words_fill(set->words, slots, value);
    tally(set->words, touched, &count_after, &start_count_after);
    set->count = set->count - count_before + count_after;
    set->range_count = set->range_count - start_count_before + start_count_after;
    sparsify_if_few(set);
}

void reshard__dense_settle(struct reshard_slot_set *set)
{
    RESHARD_ASSERT(set->words != NULL);
    struct reshard_range all = {0, set->slot_count - 1};
    tally(set->words, all, &set->count, &set->range_count);
    sparsify_if_few(set);
}
