/* SPDX-License-Identifier: MIT */
/* Room plan: from pieces to a plan: group, sort, join neighbours, count. Pure. */
#include "plan/plan.h"

#include <string.h>

int32_t reshard__plan_pieces_add(const struct reshard__mem *mem,
    struct reshard__plan_pieces *pieces, const struct reshard__plan_piece *piece)
{
    int32_t status = reshard__mem_grow(mem, (void **)&pieces->items, &pieces->capacity,
        sizeof *pieces->items, pieces->count + 1);
    if (!status)
        pieces->items[pieces->count++] = *piece;
    return status;
}

void reshard__plan_pieces_free(const struct reshard__mem *mem, struct reshard__plan_pieces *pieces)
{
    reshard__mem_free(mem, pieces->items, pieces->capacity * sizeof *pieces->items);
    memset(pieces, 0, sizeof *pieces);
}

/* What sorting pieces needs: the keys, and room for the sorted ones. */
struct sorter {
    struct reshard__sort_item *order;
    struct reshard__sort_item *scratch;
    size_t size;
};

static int32_t sorter_open(struct sorter *sorter, const struct reshard__mem *mem, size_t count)
{
    sorter->size = count * sizeof *sorter->order;
    sorter->order = reshard__mem_alloc(mem, sorter->size);
    sorter->scratch = reshard__mem_alloc(mem, sorter->size);
    return sorter->order && sorter->scratch ? RESHARD_OK : RESHARD_E_NOMEM;
}

static void sorter_close(struct sorter *sorter, const struct reshard__mem *mem)
{
    reshard__mem_free(mem, sorter->order, sorter->size);
    reshard__mem_free(mem, sorter->scratch, sorter->size);
}

int32_t reshard__plan_pieces_group(
    const struct reshard__mem *mem, struct reshard__plan_pieces *pieces)
{
    struct sorter sorter;
    if (pieces->count == 0)
        return RESHARD_OK;
    int32_t status = sorter_open(&sorter, mem, pieces->count);
    if (!status) {
        for (size_t i = 0; i < pieces->count; i++) {
            const struct reshard__plan_piece *piece = &pieces->items[i];
            sorter.order[i].key = ((uint64_t)piece->source << 32) | piece->target;
            sorter.order[i].value = (uint32_t)i;
        }
        reshard__sort(sorter.order, sorter.scratch, pieces->count);
        /* The sort is stable: the first of a pair is its first appearance. */
        uint32_t group = 0;
        for (size_t i = 0; i < pieces->count; i++) {
            if (i == 0 || sorter.order[i].key != sorter.order[i - 1].key)
                group = sorter.order[i].value;
            pieces->items[sorter.order[i].value].group = group;
        }
    }
    sorter_close(&sorter, mem);
    return status;
}

int32_t reshard__plan_pieces_sort(
    const struct reshard__mem *mem, struct reshard__plan_pieces *pieces)
{
    struct sorter sorter;
    size_t size = pieces->count * sizeof *pieces->items;
    int32_t status = sorter_open(&sorter, mem, pieces->count);
    struct reshard__plan_piece *copy = status ? NULL : reshard__mem_alloc(mem, size);
    if (copy) {
        memcpy(copy, pieces->items, size);
        for (size_t i = 0; i < pieces->count; i++) {
            sorter.order[i].key = ((uint64_t)copy[i].group << 32) | copy[i].first;
            sorter.order[i].value = (uint32_t)i;
        }
        reshard__sort(sorter.order, sorter.scratch, pieces->count);
        for (size_t i = 0; i < pieces->count; i++)
            pieces->items[i] = copy[sorter.order[i].value];
        reshard__mem_free(mem, copy, size);
    }
    sorter_close(&sorter, mem);
    return copy ? RESHARD_OK : RESHARD_E_NOMEM;
}

static bool piece_joins(const struct reshard__plan_piece *a, const struct reshard__plan_piece *b)
{
    return a->group == b->group && a->last + 1 == b->first;
}

static void plan_count(struct reshard_plan *plan, const struct reshard__plan_pieces *pieces)
{
    for (size_t i = 0; i < pieces->count; i++) {
        const struct reshard__plan_piece *piece = &pieces->items[i];
        bool first = i == 0;
        plan->move_count += first || pieces->items[i - 1].group != piece->group;
        plan->range_count += first || !piece_joins(&pieces->items[i - 1], piece);
        plan->totals.slots_moved += piece->last - piece->first + 1;
    }
    RESHARD_ASSERT(plan->totals.slots_moved <= plan->slot_count);
    plan->totals.move_count = (uint32_t)plan->move_count;
}

static int32_t plan_reserve(struct reshard_plan *plan, bool with_bytes)
{
    plan->bytes_count = with_bytes ? plan->totals.slots_moved : 0;
    if (plan->move_count == 0)
        return RESHARD_OK;
    plan->moves = reshard__mem_alloc(&plan->mem, plan->move_count * sizeof *plan->moves);
    plan->ranges = reshard__mem_alloc(&plan->mem, plan->range_count * sizeof *plan->ranges);
    if (with_bytes)
        plan->bytes = reshard__mem_alloc(&plan->mem, plan->bytes_count * sizeof *plan->bytes);
    bool ready = plan->moves && plan->ranges && (plan->bytes || !with_bytes);
    return ready ? RESHARD_OK : RESHARD_E_NOMEM;
}

static void move_open(struct reshard__plan_move *move, const struct reshard__plan_view *view,
    const struct reshard__plan_piece *piece)
{
    move->source = piece->source == RESHARD__PLAN_NONE ? 0 : view->shards[piece->source];
    move->target = view->shards[piece->target];
}

static void plan_fill(struct reshard_plan *plan, const struct reshard__plan_view *view,
    const struct reshard__plan_pieces *pieces, const uint64_t *slot_bytes)
{
    struct reshard__plan_move *move = plan->moves;
    struct reshard_range *range = plan->ranges;
    uint32_t slots = 0;
    for (size_t i = 0; i < pieces->count; i++) {
        const struct reshard__plan_piece *piece = &pieces->items[i];
        bool opens = i == 0 || pieces->items[i - 1].group != piece->group;
        if (opens) {
            move += i != 0;
            move_open(move, view, piece);
            move->slot_first = slots;
        }
        if (i != 0 && piece_joins(&pieces->items[i - 1], piece)) {
            range->last = piece->last;
        } else {
            range += i != 0;
            *range = (struct reshard_range){piece->first, piece->last};
            if (opens)
                move->range_first = (uint32_t)(range - plan->ranges);
            move->range_count++;
        }
        move->slot_count += piece->last - piece->first + 1;
        for (uint32_t slot = piece->first; slot <= piece->last; slot++, slots++) {
            if (!slot_bytes)
                continue;
            plan->bytes[slots] = slot_bytes[slot];
            move->bytes += slot_bytes[slot];
            plan->totals.bytes_moved += slot_bytes[slot];
        }
    }
    RESHARD_ASSERT(slots == plan->totals.slots_moved);
}

int32_t reshard__plan_build(const struct reshard__plan_view *view,
    struct reshard__plan_pieces *pieces, const uint64_t *slot_bytes,
    const struct reshard_plan_totals *totals, struct reshard_plan **plan_out)
{
    struct reshard_plan *plan = reshard__mem_alloc(&view->mem, sizeof *plan);
    if (!plan)
        return RESHARD_E_NOMEM;
    plan->mem = view->mem;
    plan->slot_count = view->slot_count;
    plan->version = view->version;
    plan->digest = view->digest;
    plan->totals = *totals;
    int32_t status = pieces->count ? reshard__plan_pieces_sort(&view->mem, pieces) : RESHARD_OK;
    if (!status) {
        plan_count(plan, pieces);
        status = plan_reserve(plan, slot_bytes != NULL);
    }
    if (status) {
        reshard_plan_destroy(plan);
        return status;
    }
    plan_fill(plan, view, pieces, slot_bytes);
    *plan_out = plan;
    return RESHARD_OK;
}

int32_t reshard__plan_fix(struct reshard__plan_view *view, struct reshard__plan_pieces *pieces,
    struct reshard_plan **plan_out)
{
    struct reshard_plan_totals totals;
    memset(&totals, 0, sizeof totals);
    totals.kind = RESHARD_PLAN_FIX;
    int32_t status = reshard__plan_pieces_group(&view->mem, pieces);
    if (status)
        return status;
    totals.ranges_before = reshard__plan_view_ranges(view);
    for (size_t i = 0; i < pieces->count; i++) {
        const struct reshard__plan_piece *piece = &pieces->items[i];
        for (uint32_t slot = piece->first; slot <= piece->last; slot++)
            view->slots[slot] = piece->target;
        totals.slots_minimum += piece->last - piece->first + 1;
    }
    totals.ranges_after = reshard__plan_view_ranges(view);
    return reshard__plan_build(view, pieces, NULL, &totals, plan_out);
}
