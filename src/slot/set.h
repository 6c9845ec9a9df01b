/* SPDX-License-Identifier: MIT */
/* Room slot, private: the body of a slot set.
 *
 * Guarantees: a set is sparse (canonical ranges) or dense (bitmap); count and range_count are right
 * in both; only creating, growing and changing form allocate, and they do it before they change
 * anything. */
#ifndef RESHARD_SLOT_SET_H
#define RESHARD_SLOT_SET_H

#include "slot/slot.h"

struct reshard_slot_set {
    struct reshard__mem mem;
    uint32_t slot_count;
    uint32_t count;               /* slots in the set */
    uint32_t range_count;         /* maximal runs in the set */
    struct reshard_range *ranges; /* sparse: range_count items, canonical */
    size_t capacity;              /* items allocated in ranges */
    uint64_t *words;              /* dense: slot s is bit s % 64 of word s / 64; NULL = sparse.
                                     Bits at and above slot_count are 0 */
};

/* Ranges from which on a set becomes dense: there the bitmap is the smaller form, and changing one
 * range costs more than in a bitmap. It becomes sparse again below a quarter. */
static inline uint32_t reshard__set_sparse_max(uint32_t slot_count)
{
    return 16 + slot_count / 64;
}

static inline size_t reshard__set_word_count(const struct reshard_slot_set *set)
{
    return ((size_t)set->slot_count + 63) / 64;
}

static inline size_t reshard__set_bitmap_size(const struct reshard_slot_set *set)
{
    return ((size_t)set->slot_count + 7) / 8;
}

/* An empty set like `like`: same memory, same slot_count. Holds no memory yet. */
struct reshard_slot_set reshard__set_empty(const struct reshard_slot_set *like);
/* Give back what the set holds, but not the set; it is empty then. */
void reshard__set_release(struct reshard_slot_set *set);
/* Release `to` and move the contents of `from` there, which is empty then. */
void reshard__set_move(struct reshard_slot_set *to, struct reshard_slot_set *from);

/* The next run at or above `from`, cut there; false when there is none. */
bool reshard__set_next(
    const struct reshard_slot_set *set, uint32_t from, struct reshard_range *range_out);
/* Add (value true) or remove valid slots. Errors: NOMEM. */
int32_t reshard__set_put(struct reshard_slot_set *set, struct reshard_range slots, bool value);
/* Add valid slots, none of which may be there. Errors: SLOT, OVERLAP, NOMEM. */
int32_t reshard__set_put_new(struct reshard_slot_set *set, struct reshard_range slots);

/* Of a sparse set. Errors: NOMEM. */
int32_t reshard__sparse_put(struct reshard_slot_set *set, struct reshard_range slots, bool value);

/* ---- bitmaps ---- */

void reshard__words_fill(uint64_t *words, struct reshard_range slots, bool value);
/* The first slot >= from, below slot_count, whose bit is `value`; else slot_count. */
uint32_t reshard__words_find(const uint64_t *words, uint32_t slot_count, uint32_t from, bool value);
/* The set as a new bitmap from `mem`, or NULL. */
uint64_t *reshard__set_render(const struct reshard_slot_set *set, const struct reshard__mem *mem);
/* Make a sparse set dense. Errors: NOMEM. */
int32_t reshard__set_densify(struct reshard_slot_set *set);
/* Of a dense set. */
void reshard__dense_put(struct reshard_slot_set *set, struct reshard_range slots, bool value);
/* Of a dense set whose words changed: count again, and make it sparse if it has few ranges and
 * there is memory for them. */
void reshard__dense_settle(struct reshard_slot_set *set);

#endif
