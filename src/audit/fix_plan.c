/* SPDX-License-Identifier: MIT */
/* Room audit: the part of a fix that moves or assigns slots, as a plan. */
#include "audit/audit.h"
#include "plan/plan.h"

static int32_t add_step(const struct reshard__plan_view *view, const struct reshard_finding *step,
    struct reshard__plan_pieces *pieces)
{
    struct reshard__plan_piece piece = {.source = RESHARD__PLAN_NONE,
        .target = reshard__plan_view_find(view, step->shard)};
    if (step->code == RESHARD_FIX_STEP_MOVE) {
        piece.source = piece.target;
        piece.target = reshard__plan_view_find(view, step->other_shard);
    }
    RESHARD_ASSERT(piece.target != RESHARD__PLAN_NONE);
    for (uint32_t i = 0; i < step->range_count; i++) {
        piece.first = step->ranges[i].first;
        piece.last = step->ranges[i].last;
        int32_t status = reshard__plan_pieces_add(&view->mem, pieces, &piece);
        if (status)
            return status;
    }
    return RESHARD_OK;
}

static int32_t add_steps(const struct reshard_fix *fix, const struct reshard__plan_view *view,
    struct reshard__plan_pieces *pieces)
{
    for (size_t i = 0; i < fix->steps.segment_count; i++) {
        struct reshard_finding step = reshard__list_at(&fix->steps, i);
        if (step.code != RESHARD_FIX_STEP_ASSIGN && step.code != RESHARD_FIX_STEP_MOVE)
            continue;
        int32_t status = add_step(view, &step, pieces);
        if (status)
            return status;
    }
    return RESHARD_OK;
}

int32_t reshard_fix_plan(const struct reshard_fix *fix, const struct reshard_map *map,
    const struct reshard_allocator *allocator, struct reshard_plan **plan_out)
{
    struct reshard__plan_view view;
    struct reshard__plan_pieces pieces = {NULL, 0, 0};
    if (!plan_out)
        return RESHARD_E_NULL;
    int32_t status = reshard_fix_check(fix, map);
    if (!status)
        status = reshard__plan_view_load(&view, map, allocator);
    if (status)
        return status;
    status = add_steps(fix, &view, &pieces);
    if (!status)
        status = reshard__plan_fix(&view, &pieces, plan_out);
    reshard__plan_pieces_free(&view.mem, &pieces);
    reshard__plan_view_free(&view);
    return status;
}
