/* SPDX-License-Identifier: MIT */
/* Room plan: which slots a shard gives to which. Keeps slots in few ranges: a border between
 * neighbours shifts for free, a whole run costs nothing, an end of a run costs one range; runs
 * are never cut in the middle. Pure. */
#include "plan/plan.h"

#include <string.h>

enum {
    /* How many of a shard's runs are looked at for one that borders on the target. */
    BORDER_SCAN_MAX = 128
};

/* A run of movable slots with one owner; empty when first > last. */
struct flow_run {
    uint32_t first;
    uint32_t last;
    uint32_t owner;
};

struct flow {
    struct reshard__plan_view *view;
    uint32_t *surplus;
    uint32_t *deficit;
    struct reshard__plan_pieces *pieces;
    struct flow_run *runs; /* in slot order */
    size_t run_count;
    size_t run_capacity;
    uint32_t *starts; /* [shard]: first of its items in order; skips leading empty runs */
    uint32_t *ends;
    struct reshard__sort_item *order; /* run indexes by shard, largest run first */
    struct reshard__sort_item *scratch;
};

static uint32_t run_length(const struct flow_run *run)
{
    return run->first > run->last ? 0 : run->last - run->first + 1;
}

static int32_t flow_runs(struct flow *flow)
{
    const struct reshard__plan_view *view = flow->view;
    uint32_t slot = 0;
    while (slot < view->slot_count) {
        uint32_t owner = view->slots[slot];
        uint32_t first = slot;
        while (slot < view->slot_count && view->slots[slot] == owner)
            slot++;
        /* Nobody's, pinned, or of a shard that gives nothing. */
        if (owner >= view->shard_count || flow->surplus[owner] == 0)
            continue;
        int32_t status = reshard__mem_grow(&view->mem, (void **)&flow->runs, &flow->run_capacity,
            sizeof *flow->runs, flow->run_count + 1);
        if (status)
            return status;
        flow->runs[flow->run_count++] = (struct flow_run){first, slot - 1, owner};
    }
    return RESHARD_OK;
}

static int32_t flow_order(struct flow *flow)
{
    const struct reshard__plan_view *view = flow->view;
    size_t size = flow->run_count * sizeof *flow->order;
    if (size == 0)
        return RESHARD_OK;
    flow->order = reshard__mem_alloc(&view->mem, size);
    flow->scratch = reshard__mem_alloc(&view->mem, size);
    if (!flow->order || !flow->scratch)
        return RESHARD_E_NOMEM;
    for (size_t i = 0; i < flow->run_count; i++) {
        const struct flow_run *run = &flow->runs[i];
        flow->order[i].key = ((uint64_t)run->owner << 32) | (UINT32_MAX - run_length(run));
        flow->order[i].value = (uint32_t)i;
        flow->ends[run->owner]++;
    }
    reshard__sort(flow->order, flow->scratch, flow->run_count);
    uint32_t sum = 0;
    for (uint32_t shard = 0; shard < view->shard_count; shard++) {
        flow->starts[shard] = sum;
        sum += flow->ends[shard];
        flow->ends[shard] = sum;
    }
    return RESHARD_OK;
}

/* Move `count` slots off the head or the tail of a run. */
static int32_t flow_cut(
    struct flow *flow, struct flow_run *run, uint32_t target, uint32_t count, bool head)
{
    RESHARD_ASSERT(count > 0 && count <= run_length(run));
    struct reshard__plan_piece piece = {0, run->owner, target, run->first, run->last};
    if (head)
        piece.last = run->first + (count - 1);
    else
        piece.first = run->last - (count - 1);
    int32_t status = reshard__plan_pieces_add(&flow->view->mem, flow->pieces, &piece);
    if (status)
        return status;
    for (uint32_t slot = piece.first; slot <= piece.last; slot++)
        flow->view->slots[slot] = target;
    flow->surplus[run->owner] -= count;
    flow->deficit[target] -= count;
    if (head)
        run->first += count;
    else if (run->last >= count)
        run->last -= count;
    else
        *run = (struct flow_run){1, 0, run->owner};
    return RESHARD_OK;
}

static uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Shift the border between a run and the slot beside it, as far as both shards want it. */
static int32_t flow_border(struct flow *flow, struct flow_run *run, uint32_t beside, bool head)
{
    uint32_t length = run_length(run);
    if (length == 0 || flow->surplus[run->owner] == 0)
        return RESHARD_OK;
    uint32_t target = reshard__plan_view_owner(flow->view, beside);
    if (target == RESHARD__PLAN_NONE || flow->deficit[target] == 0)
        return RESHARD_OK;
    uint32_t count = min_u32(length, min_u32(flow->surplus[run->owner], flow->deficit[target]));
    return flow_cut(flow, run, target, count, head);
}

static int32_t flow_borders(struct flow *flow)
{
    int32_t status = RESHARD_OK;
    for (size_t i = 0; i < flow->run_count && !status; i++) {
        struct flow_run *run = &flow->runs[i];
        /* Slot 0 has nothing before it: UINT32_MAX is outside every map. */
        status = flow_border(flow, run, run->first - 1, true);
        if (!status)
            status = flow_border(flow, run, run->last + 1, false);
    }
    return status;
}

/* Runs of the source that border on what the target has by now. */
static int32_t flow_take_bordering(
    struct flow *flow, uint32_t source, uint32_t target, uint32_t *amount)
{
    uint32_t end = min_u32(flow->ends[source], flow->starts[source] + BORDER_SCAN_MAX);
    for (uint32_t k = flow->starts[source]; k < end && *amount; k++) {
        struct flow_run *run = &flow->runs[flow->order[k].value];
        uint32_t count = min_u32(run_length(run), *amount);
        if (count == 0)
            continue;
        bool head = reshard__plan_view_owner(flow->view, run->first - 1) == target;
        if (!head && reshard__plan_view_owner(flow->view, run->last + 1) != target)
            continue;
        int32_t status = flow_cut(flow, run, target, count, head);
        if (status)
            return status;
        *amount -= count;
    }
    return RESHARD_OK;
}

static int32_t flow_take_whole(
    struct flow *flow, uint32_t source, uint32_t target, uint32_t *amount)
{
    for (uint32_t k = flow->starts[source]; k < flow->ends[source] && *amount; k++) {
        struct flow_run *run = &flow->runs[flow->order[k].value];
        uint32_t count = run_length(run);
        if (count > 0 && count <= *amount) {
            int32_t status = flow_cut(flow, run, target, count, true);
            if (status)
                return status;
            *amount -= count;
        }
        if (run_length(run) == 0 && k == flow->starts[source])
            flow->starts[source]++;
    }
    return RESHARD_OK;
}

/* Whether the shard at a slot still gives slots: then what is cut off beside it may grow. */
static bool flow_gives(const struct flow *flow, uint32_t slot)
{
    uint32_t owner = reshard__plan_view_owner(flow->view, slot);
    return owner != RESHARD__PLAN_NONE && flow->surplus[owner] > 0;
}

static int32_t flow_take_end(struct flow *flow, uint32_t source, uint32_t target, uint32_t *amount)
{
    for (uint32_t k = flow->ends[source]; k > flow->starts[source] && *amount; k--) {
        struct flow_run *run = &flow->runs[flow->order[k - 1].value];
        if (run_length(run) < *amount)
            continue;
        bool head = !flow_gives(flow, run->last + 1) && flow_gives(flow, run->first - 1);
        int32_t status = flow_cut(flow, run, target, *amount, head);
        if (status)
            return status;
        *amount = 0;
    }
    return RESHARD_OK;
}

static int32_t flow_take(struct flow *flow, uint32_t source, uint32_t target)
{
    uint32_t amount = min_u32(flow->surplus[source], flow->deficit[target]);
    int32_t status = flow_take_bordering(flow, source, target, &amount);
    if (!status)
        status = flow_take_whole(flow, source, target, &amount);
    if (!status)
        status = flow_take_end(flow, source, target, &amount);
    RESHARD_ASSERT(status || amount == 0);
    return status;
}

/* The shards that get slots, largest deficit first. */
static size_t flow_targets(const struct flow *flow, struct reshard__sort_item *targets,
    struct reshard__sort_item *scratch)
{
    size_t count = 0;
    for (uint32_t i = 0; i < flow->view->shard_count; i++)
        if (flow->deficit[i])
            targets[count++] = (struct reshard__sort_item){UINT32_MAX - flow->deficit[i], i};
    reshard__sort(targets, scratch, count);
    return count;
}

/* Sources in the order of their slots, so that neighbours' ends that go to one target join. At
 * most sources + targets - 1 pairs. */
static int32_t flow_match(
    struct flow *flow, const struct reshard__sort_item *targets, size_t target_count)
{
    int32_t status = RESHARD_OK;
    size_t next = 0;
    for (size_t i = 0; i < flow->run_count && !status; i++) {
        uint32_t source = flow->runs[i].owner;
        while (flow->surplus[source] && !status) {
            RESHARD_ASSERT(next < target_count);
            status = flow_take(flow, source, targets[next].value);
            next += flow->deficit[targets[next].value] == 0;
        }
    }
    return status;
}

static int32_t flow_pairs(struct flow *flow)
{
    const struct reshard__mem *mem = &flow->view->mem;
    size_t size = flow->view->shard_count * sizeof(struct reshard__sort_item);
    struct reshard__sort_item *targets = reshard__mem_alloc(mem, size);
    struct reshard__sort_item *scratch = reshard__mem_alloc(mem, size);
    int32_t status = RESHARD_E_NOMEM;
    if (targets && scratch)
        status = flow_match(flow, targets, flow_targets(flow, targets, scratch));
    reshard__mem_free(mem, targets, size);
    reshard__mem_free(mem, scratch, size);
    return status;
}

int32_t reshard__plan_flow(struct reshard__plan_view *view, uint32_t *surplus, uint32_t *deficit,
    struct reshard__plan_pieces *pieces)
{
    struct flow flow;
    memset(&flow, 0, sizeof flow);
    if (view->shard_count == 0)
        return RESHARD_OK;
    flow.view = view;
    flow.surplus = surplus;
    flow.deficit = deficit;
    flow.pieces = pieces;
    flow.starts = reshard__plan_view_u32(view);
    flow.ends = reshard__plan_view_u32(view);
    int32_t status = flow.starts && flow.ends ? RESHARD_OK : RESHARD_E_NOMEM;
    if (!status)
        status = flow_runs(&flow);
    if (!status)
        status = flow_order(&flow);
    if (!status)
        status = flow_borders(&flow);
    if (!status)
        status = flow_pairs(&flow);
    size_t order_size = flow.run_count * sizeof *flow.order;
    reshard__mem_free(&view->mem, flow.order, order_size);
    reshard__mem_free(&view->mem, flow.scratch, order_size);
    reshard__mem_free(&view->mem, flow.runs, flow.run_capacity * sizeof *flow.runs);
    reshard__plan_view_drop(view, flow.starts, sizeof *flow.starts);
    reshard__plan_view_drop(view, flow.ends, sizeof *flow.ends);
    return status;
}
