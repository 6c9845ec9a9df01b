/* SPDX-License-Identifier: MIT */
/* Room slot: two sets. The first becomes the result or, on failure, stays; the second is only read,
 * and may be the first. */
#include "slot/set.h"

enum operation { UNITE, SUBTRACT, INTERSECT };

static inline uint64_t apply_words(enum operation operation, uint64_t a, uint64_t b)
{
    if (operation == UNITE)
        return a | b;
    return operation == SUBTRACT ? a & ~b : a & b;
}

/* Boundary number `i` of a list of ranges: even ones start a range, odd ones lie behind its end. */
static inline uint32_t boundary(const struct reshard_slot_set *set, size_t i)
{
    if (i >= 2 * (size_t)set->range_count)
        return UINT32_MAX;
    return i % 2 ? set->ranges[i / 2].last + 1 : set->ranges[i / 2].first;
}

/* Walks over all boundaries of both sets in order. The result changes only there, so what comes out
 * is canonical. `ranges` has room for those of both. */
static void sweep(enum operation operation, const struct reshard_slot_set *a,
    const struct reshard_slot_set *b, struct reshard_slot_set *result)
{
    size_t i = 0, j = 0;
    bool inside = false;
    uint32_t first = 0;
    for (;;) {
        uint32_t at_a = boundary(a, i), at_b = boundary(b, j);
        uint32_t at = at_a < at_b ? at_a : at_b;
        if (at == UINT32_MAX)
            break;
        i += at_a == at;
        j += at_b == at;
        bool now = apply_words(operation, i % 2, j % 2) & 1;
        if (now && !inside)
            first = at;
        if (!now && inside) {
            result->ranges[result->range_count++] = (struct reshard_range){first, at - 1};
            result->count += at - first;
        }
        inside = now;
    }
    RESHARD_ASSERT(!inside && result->range_count <= result->capacity);
}

static int32_t combine_sparse(
    enum operation operation, struct reshard_slot_set *set, const struct reshard_slot_set *other)
{
    struct reshard_slot_set result = reshard__set_empty(set);
    int32_t status = reshard__mem_grow(&result.mem, (void **)&result.ranges, &result.capacity,
        sizeof *result.ranges, (size_t)set->range_count + other->range_count);
    if (status)
        return status;
    sweep(operation, set, other, &result);
    reshard__set_move(set, &result);
    return RESHARD_OK;
}

static int32_t combine_dense(
    enum operation operation, struct reshard_slot_set *set, const struct reshard_slot_set *other)
{
    size_t word_count = reshard__set_word_count(set);
    uint64_t *rendered = NULL;
    if (!other->words) {
        rendered = reshard__set_render(other, &set->mem);
        if (!rendered)
            return RESHARD_E_NOMEM;
    }
    int32_t status = set->words ? RESHARD_OK : reshard__set_densify(set);
    if (!status) {
        const uint64_t *words = rendered ? rendered : other->words;
        for (size_t i = 0; i < word_count; i++)
            set->words[i] = apply_words(operation, set->words[i], words[i]);
        reshard__dense_settle(set);
    }
    reshard__mem_free(&set->mem, rendered, word_count * sizeof *rendered);
    return status;
}

static int32_t combine(
    enum operation operation, struct reshard_slot_set *set, const struct reshard_slot_set *other)
{
    if (!set || !other)
        return RESHARD_E_NULL;
    if (set->slot_count != other->slot_count)
        return RESHARD_E_SLOT_COUNT;
    uint32_t range_count = set->range_count + other->range_count;
    if (set->words || other->words || range_count > reshard__set_sparse_max(set->slot_count))
        return combine_dense(operation, set, other);
    return combine_sparse(operation, set, other);
}

int32_t reshard_slot_set_unite(struct reshard_slot_set *set, const struct reshard_slot_set *other)
{
    return combine(UNITE, set, other);
}

int32_t reshard_slot_set_subtract(
    struct reshard_slot_set *set, const struct reshard_slot_set *other)
{
    return combine(SUBTRACT, set, other);
}

int32_t reshard_slot_set_intersect(
    struct reshard_slot_set *set, const struct reshard_slot_set *other)
{
    return combine(INTERSECT, set, other);
}

int32_t reshard_slot_set_equal(const struct reshard_slot_set *a, const struct reshard_slot_set *b)
{
    struct reshard_range range_a, range_b;
    if (!a || !b)
        return RESHARD_E_NULL;
    if (a->slot_count != b->slot_count || a->count != b->count || a->range_count != b->range_count)
        return 0;
    for (uint32_t from = 0; reshard__set_next(a, from, &range_a); from = range_a.last + 1) {
        bool found = reshard__set_next(b, from, &range_b);
        if (!found || range_a.first != range_b.first || range_a.last != range_b.last)
            return 0;
    }
    return 1;
}

int32_t reshard_slot_set_overlap(const struct reshard_slot_set *a, const struct reshard_slot_set *b)
{
    struct reshard_range range_a, range_b = {0, 0};
    if (!a || !b)
        return RESHARD_E_NULL;
    if (a->slot_count != b->slot_count)
        return RESHARD_E_SLOT_COUNT;
    /* Each leaps to where the other is: few steps when either has few ranges. */
    while (reshard__set_next(a, range_b.first, &range_a)) {
        if (!reshard__set_next(b, range_a.first, &range_b))
            return 0;
        if (range_b.first <= range_a.last)
            return 1;
    }
    return 0;
}
