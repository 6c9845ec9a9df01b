/* SPDX-License-Identifier: MIT */
/* Room plan: reshard, rebalance and drain: check the request, settle how many slots each shard
 * gives and gets, let flow choose them. Reads the map. */
#include "plan/plan.h"

#include <string.h>

void reshard_reshard_request_init(struct reshard_reshard_request *request)
{
    memset(request, 0, sizeof *request);
    request->struct_size = sizeof *request;
}

void reshard_rebalance_request_init(struct reshard_rebalance_request *request)
{
    memset(request, 0, sizeof *request);
    request->struct_size = sizeof *request;
}

void reshard_drain_request_init(struct reshard_drain_request *request)
{
    memset(request, 0, sizeof *request);
    request->struct_size = sizeof *request;
}

/* All that one planning holds. */
struct work {
    struct reshard__plan_view view;
    uint64_t *weights; /* 0 = gets nothing */
    uint32_t *lower;   /* slots that a shard keeps at least */
    uint32_t *targets;
    uint32_t *surplus;
    uint32_t *deficit;
    struct reshard__plan_pieces pieces;
    const uint64_t *slot_bytes;
    struct reshard_plan_totals totals;
};

static void work_close(struct work *work)
{
    struct reshard__plan_view *view = &work->view;
    if (!view->shards)
        return;
    reshard__plan_pieces_free(&view->mem, &work->pieces);
    reshard__plan_view_drop(view, work->weights, sizeof *work->weights);
    reshard__plan_view_drop(view, work->lower, sizeof *work->lower);
    reshard__plan_view_drop(view, work->targets, sizeof *work->targets);
    reshard__plan_view_drop(view, work->surplus, sizeof *work->surplus);
    reshard__plan_view_drop(view, work->deficit, sizeof *work->deficit);
    reshard__plan_view_free(view);
}

static int32_t work_open(struct work *work, const struct reshard_map *map,
    const struct reshard_allocator *allocator, uint32_t kind)
{
    memset(work, 0, sizeof *work);
    int32_t status = reshard__plan_view_load(&work->view, map, allocator);
    if (status)
        return status;
    work->totals.kind = kind;
    work->weights = reshard__plan_view_u64(&work->view);
    work->lower = reshard__plan_view_u32(&work->view);
    work->targets = reshard__plan_view_u32(&work->view);
    work->surplus = reshard__plan_view_u32(&work->view);
    work->deficit = reshard__plan_view_u32(&work->view);
    bool ready =
        work->weights && work->lower && work->targets && work->surplus && work->deficit;
    return ready ? RESHARD_OK : RESHARD_E_NOMEM;
}

static int32_t work_bytes(struct work *work, const uint64_t *slot_bytes, uint32_t count)
{
    work->slot_bytes = slot_bytes;
    return reshard__plan_view_bytes(&work->view, slot_bytes, count);
}

static int32_t work_weights(struct work *work, const double *weights, uint32_t count)
{
    if (!weights && count)
        return RESHARD_E_NULL;
    if (weights && count != work->view.shard_count)
        return RESHARD_E_ARGUMENT;
    return reshard__weights_scale(
        weights ? weights : work->view.weights, work->view.shard_count, work->weights);
}

/* Let flow choose the slots, once surplus and deficit are settled. */
static int32_t work_finish(struct work *work, struct reshard_plan **plan_out)
{
    uint32_t gets = 0;
    for (uint32_t i = 0; i < work->view.shard_count; i++) {
        work->totals.slots_minimum += work->surplus[i];
        gets += work->deficit[i];
    }
    RESHARD_ASSERT(work->totals.slots_minimum == gets);
    work->totals.ranges_before = reshard__plan_view_ranges(&work->view);
    int32_t status =
        reshard__plan_flow(&work->view, work->surplus, work->deficit, &work->pieces);
    if (!status)
        status = reshard__plan_pieces_group(&work->view.mem, &work->pieces);
    work->totals.ranges_after = reshard__plan_view_ranges(&work->view);
    if (!status)
        status = reshard__plan_build(
            &work->view, &work->pieces, work->slot_bytes, &work->totals, plan_out);
    return status;
}

/* Mark shards of a request's list. Errors: NULL, SHARD, ARGUMENT (named twice). */
static int32_t mark_shards(const struct reshard__plan_view *view, const reshard_shard_id *shards,
    uint32_t count, uint32_t *marks)
{
    if (!shards && count)
        return RESHARD_E_NULL;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = reshard__plan_view_find(view, shards[i]);
        if (at == RESHARD__PLAN_NONE)
            return RESHARD_E_SHARD;
        if (marks[at])
            return RESHARD_E_ARGUMENT;
        marks[at] = 1;
    }
    return RESHARD_OK;
}

/* Who gives to a reshard: work->lower is 1 for those. */
static int32_t reshard_sources(
    struct work *work, const struct reshard_reshard_request *request, uint32_t target)
{
    int32_t status =
        mark_shards(&work->view, request->sources, request->source_count, work->lower);
    if (status)
        return status;
    if (work->lower[target])
        return RESHARD_E_ARGUMENT;
    for (uint32_t i = 0; i < work->view.shard_count && request->source_count == 0; i++)
        work->lower[i] = i != target;
    return RESHARD_OK;
}

static int32_t reshard_count(struct work *work, uint32_t count, uint32_t target)
{
    const struct reshard__plan_view *view = &work->view;
    uint32_t movable = 0;
    for (uint32_t i = 0; i < view->shard_count; i++) {
        work->weights[i] = work->lower[i] ? view->movable[i] : 0;
        work->lower[i] = 0;
        movable += (uint32_t)work->weights[i];
    }
    if (count > movable)
        return RESHARD_E_ARGUMENT;
    /* A share of count <= movable in proportion to what each can give exceeds that of none;
     * no shard "holds" anything here, so the lower id wins ties. */
    struct reshard__share share = {
        view->shard_count, count, work->weights, work->lower, work->lower};
    int32_t status = reshard__share_out(&view->mem, &share, work->surplus);
    work->deficit[target] = count;
    return status;
}

static int32_t reshard_slot(struct work *work, uint32_t slot, uint32_t target)
{
    uint32_t owner = work->view.slots[slot];
    if (owner & RESHARD__PLAN_PINNED)
        return RESHARD_E_OVERLAP;
    if (owner == target)
        return RESHARD_OK;
    if (owner == RESHARD__PLAN_NONE || !work->lower[owner])
        return RESHARD_E_OWNER;
    struct reshard__plan_piece piece = {0, owner, target, slot, slot};
    struct reshard__plan_piece *last =
        work->pieces.count ? &work->pieces.items[work->pieces.count - 1] : NULL;
    work->view.slots[slot] = target;
    work->totals.slots_minimum++;
    if (last && last->source == owner && last->last + 1 == slot) {
        last->last = slot;
        return RESHARD_OK;
    }
    return reshard__plan_pieces_add(&work->view.mem, &work->pieces, &piece);
}

static int32_t reshard_ranges(struct work *work, const struct reshard_reshard_request *request,
    uint32_t target, struct reshard_plan **plan_out)
{
    int32_t status = reshard__ranges_check(
        request->ranges, request->range_count, work->view.slot_count, NULL);
    work->totals.ranges_before = reshard__plan_view_ranges(&work->view);
    for (uint32_t r = 0; r < request->range_count && !status; r++)
        for (uint32_t slot = request->ranges[r].first;
             slot <= request->ranges[r].last && !status; slot++)
            status = reshard_slot(work, slot, target);
    work->totals.ranges_after = reshard__plan_view_ranges(&work->view);
    if (!status)
        status = reshard__plan_pieces_group(&work->view.mem, &work->pieces);
    if (!status)
        status = reshard__plan_build(
            &work->view, &work->pieces, work->slot_bytes, &work->totals, plan_out);
    return status;
}

static int32_t reshard_run(struct work *work, const struct reshard_reshard_request *request,
    struct reshard_plan **plan_out)
{
    uint32_t target = reshard__plan_view_find(&work->view, request->target);
    if (target == RESHARD__PLAN_NONE)
        return RESHARD_E_SHARD;
    int32_t status = work_bytes(work, request->slot_bytes, request->slot_bytes_count);
    if (!status)
        status = reshard_sources(work, request, target);
    if (status)
        return status;
    if (request->range_count)
        return reshard_ranges(work, request, target, plan_out);
    status = reshard_count(work, request->slot_count, target);
    return status ? status : work_finish(work, plan_out);
}

int32_t reshard_plan_reshard(const struct reshard_map *map,
    const struct reshard_reshard_request *request, const struct reshard_allocator *allocator,
    struct reshard_plan **plan_out)
{
    struct reshard_reshard_request known;
    struct work work;
    if (!map || !request || !plan_out)
        return RESHARD_E_NULL;
    int32_t status = reshard__struct_import(&known, sizeof known, sizeof known, request);
    if (status)
        return status;
    if (known.flags)
        return RESHARD_E_FLAGS;
    if (known.reserved || (known.slot_count == 0) == (known.range_count == 0))
        return RESHARD_E_ARGUMENT;
    status = work_open(&work, map, allocator, RESHARD_PLAN_RESHARD);
    if (!status)
        status = reshard_run(&work, &known, plan_out);
    work_close(&work);
    return status;
}

/* Turn targets into surplus and deficit. */
static void work_settle(struct work *work)
{
    for (uint32_t i = 0; i < work->view.shard_count; i++) {
        uint32_t have = work->view.have[i];
        uint32_t target = work->targets[i];
        work->surplus[i] = have > target ? have - target : 0;
        work->deficit[i] = target > have ? target - have : 0;
        RESHARD_ASSERT(work->surplus[i] <= work->view.movable[i]);
    }
}

static int32_t work_share(struct work *work)
{
    const struct reshard__plan_view *view = &work->view;
    struct reshard__share share = {
        view->shard_count, 0, work->weights, view->have, work->lower};
    for (uint32_t i = 0; i < view->shard_count; i++)
        share.total += view->have[i];
    int32_t status = reshard__share_out(&view->mem, &share, work->targets);
    if (!status)
        work_settle(work);
    return status;
}

static bool rebalance_within(const struct work *work, uint32_t threshold_percent)
{
    for (uint32_t i = 0; i < work->view.shard_count; i++) {
        uint64_t off = (uint64_t)work->surplus[i] + work->deficit[i];
        if (off * 100 > (uint64_t)threshold_percent * work->targets[i])
            return false;
    }
    return true;
}

static int32_t rebalance_run(struct work *work, const struct reshard_rebalance_request *request,
    struct reshard_plan **plan_out)
{
    const struct reshard__plan_view *view = &work->view;
    int32_t status = work_bytes(work, request->slot_bytes, request->slot_bytes_count);
    if (!status)
        status = work_weights(work, request->weights, request->weight_count);
    if (status)
        return status;
    for (uint32_t i = 0; i < view->shard_count; i++) {
        work->lower[i] = view->have[i] - view->movable[i];
        if (view->have[i] == 0 && !(request->flags & RESHARD_REBALANCE_EMPTY_SHARDS))
            work->weights[i] = 0;
    }
    status = work_share(work);
    if (status)
        return status;
    if (rebalance_within(work, request->threshold_percent)) {
        memset(work->surplus, 0, view->shard_count * sizeof *work->surplus);
        memset(work->deficit, 0, view->shard_count * sizeof *work->deficit);
    }
    return work_finish(work, plan_out);
}

int32_t reshard_plan_rebalance(const struct reshard_map *map,
    const struct reshard_rebalance_request *request, const struct reshard_allocator *allocator,
    struct reshard_plan **plan_out)
{
    struct reshard_rebalance_request known;
    struct work work;
    if (!map || !request || !plan_out)
        return RESHARD_E_NULL;
    int32_t status = reshard__struct_import(&known, sizeof known, sizeof known, request);
    if (status)
        return status;
    if (known.flags & ~(uint32_t)RESHARD_REBALANCE_EMPTY_SHARDS)
        return RESHARD_E_FLAGS;
    if (known.reserved || known.threshold_percent > 100)
        return RESHARD_E_ARGUMENT;
    status = work_open(&work, map, allocator, RESHARD_PLAN_REBALANCE);
    if (!status)
        status = rebalance_run(&work, &known, plan_out);
    work_close(&work);
    return status;
}

/* Weight 0 for those that get nothing, lower bounds so that only drained shards give. */
static int32_t drain_settle(struct work *work, const struct reshard_drain_request *request)
{
    const struct reshard__plan_view *view = &work->view;
    uint32_t *drained = work->surplus;
    uint32_t *gets = work->deficit;
    int32_t status = mark_shards(view, request->shards, request->shard_count, drained);
    if (!status)
        status = mark_shards(view, request->targets, request->target_count, gets);
    if (status)
        return status;
    uint32_t getting = 0;
    for (uint32_t i = 0; i < view->shard_count; i++) {
        if (request->target_count == 0)
            gets[i] = !drained[i];
        if (drained[i] && gets[i])
            return RESHARD_E_ARGUMENT;
        getting += gets[i];
        work->weights[i] = gets[i] ? work->weights[i] : 0;
        work->lower[i] = drained[i] ? view->have[i] - view->movable[i] : view->have[i];
    }
    return getting ? RESHARD_OK : RESHARD_E_ARGUMENT;
}

static int32_t drain_run(struct work *work, const struct reshard_drain_request *request,
    struct reshard_plan **plan_out)
{
    int32_t status = work_bytes(work, request->slot_bytes, request->slot_bytes_count);
    if (!status)
        status = work_weights(work, request->weights, request->weight_count);
    if (!status)
        status = drain_settle(work, request);
    if (!status)
        status = work_share(work);
    return status ? status : work_finish(work, plan_out);
}

int32_t reshard_plan_drain(const struct reshard_map *map,
    const struct reshard_drain_request *request, const struct reshard_allocator *allocator,
    struct reshard_plan **plan_out)
{
    struct reshard_drain_request known;
    struct work work;
    if (!map || !request || !plan_out)
        return RESHARD_E_NULL;
    int32_t status = reshard__struct_import(&known, sizeof known, sizeof known, request);
    if (status)
        return status;
    if (known.flags)
        return RESHARD_E_FLAGS;
    if (known.shard_count == 0)
        return RESHARD_E_ARGUMENT;
    status = work_open(&work, map, allocator, RESHARD_PLAN_DRAIN);
    if (!status)
        status = drain_run(&work, &known, plan_out);
    work_close(&work);
    return status;
}
