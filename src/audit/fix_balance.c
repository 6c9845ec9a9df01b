/* SPDX-License-Identifier: MIT */
/* Room audit: moves against imbalance, as the planner has them, after the fix's assignments. */
#include "audit/audit.h"

#include <reshard/plan.h>

/* The map as it will be when the slots that the fix assigns are assigned. */
static int32_t assign_all(const struct reshard__fix_builder *builder, struct reshard_map *map)
{
    const struct reshard__audit_context *context = &builder->context;
    for (uint32_t slot = 0; slot < context->slot_count; slot++) {
        if (context->owner[slot] || !builder->owner[slot])
            continue;
        struct reshard_range range = {slot, slot};
        while (range.last + 1 < context->slot_count && !context->owner[range.last + 1]
            && builder->owner[range.last + 1] == builder->owner[slot])
            range.last++;
        struct reshard_change change;
        reshard_change_init(&change);
        change.kind = RESHARD_CHANGE_ASSIGN;
        change.shard = builder->owner[slot];
        change.ranges = &range;
        change.range_count = 1;
        int32_t status = reshard_map_apply(map, &change);
        if (status)
            return status;
        slot = range.last;
    }
    return RESHARD_OK;
}

static int32_t add_moves(
    const struct reshard__fix_builder *builder, const struct reshard_plan *plan)
{
    for (uint32_t i = 0; i < reshard_plan_move_count(plan); i++) {
        struct reshard_move move = {.struct_size = sizeof move};
        int32_t status = reshard_plan_move_at(plan, i, &move);
        struct reshard_finding step = {.code = RESHARD_FIX_STEP_MOVE,
            .phase = RESHARD_FINDING_IMBALANCE,
            .shard = move.source,
            .other_shard = move.target};
        for (uint32_t k = 0; k < move.range_count && !status; k++)
            status = reshard__list_add(
                builder->steps, &step, move.ranges[k].first, move.ranges[k].last, 0);
        if (status)
            return status;
    }
    return RESHARD_OK;
}

int32_t reshard__fix_balance(const struct reshard__fix_builder *builder)
{
    const struct reshard_audit *audit = builder->context.audit;
    struct reshard_allocator allocator = {.struct_size = sizeof allocator,
        .resize = audit->mem.resize,
        .user_data = audit->mem.user_data};
    struct reshard_rebalance_request request;
    struct reshard_map *map = NULL;
    struct reshard_plan *plan = NULL;
    if (audit->imbalance_permille == RESHARD_AUDIT_BALANCE_IGNORED)
        return RESHARD_OK;
    reshard_rebalance_request_init(&request);
    request.flags = RESHARD_REBALANCE_EMPTY_SHARDS;
    request.threshold_percent =
        audit->imbalance_permille < 1000 ? audit->imbalance_permille / 10 : 100;
    int32_t status = reshard_map_clone(builder->context.map, &allocator, &map);
    if (!status)
        status = assign_all(builder, map);
    if (!status)
        status = reshard_plan_rebalance(map, &request, &allocator, &plan);
    if (!status)
        status = add_moves(builder, plan);
    reshard_plan_destroy(plan);
    reshard_map_destroy(map);
    return status;
}
