/* SPDX-License-Identifier: MIT */
/* Room audit: who stops and who starts to serve, and what becomes of data at the wrong place. Data
 * is hidden or given away; it is deleted only where the caller asked, and never in the same fix
 * that makes its node stop serving it, since it may hold acknowledged writes. */
#include "audit/audit.h"

#include <string.h>

static bool rightful_after(
    const struct reshard__fix_builder *builder, size_t view, uint32_t slot)
{
    const struct reshard__audit_node *node = &builder->context.nodes[view];
    return node->primary && node->shard == builder->owner[slot];
}

/* The last one that serves a slot goes on until its successor can. */
bool reshard__fix_releases(const struct reshard__fix_builder *builder, size_t view, uint32_t slot)
{
    const struct reshard__audit_context *context = &builder->context;
    if (rightful_after(builder, view, slot))
        return false;
    if (context->claim[slot] != view + 1)
        return true;
    if (reshard__audit_takes_part(context, view, slot))
        return false;
    reshard_node_id successor = reshard__audit_primary(context, builder->owner[slot]);
    return reshard__audit_reachable(context, successor);
}

static int32_t release(const struct reshard__fix_builder *builder, size_t view, uint32_t slot)
{
    const struct reshard__audit_context *context = &builder->context;
    struct reshard_finding step = {.code = RESHARD_FIX_STEP_RELEASE,
        .phase = RESHARD_FINDING_TWO_OWNERS,
        .node = context->audit->views[view].node};
    if (!reshard__fix_releases(builder, view, slot))
        return RESHARD_OK;
    if (context->claim[slot] == view + 1)
        step.phase = context->owner[slot] ? RESHARD_FINDING_WRONG_OWNER : RESHARD_FINDING_UNCOVERED;
    return reshard__list_add(builder->steps, &step, slot, slot, 0);
}

static int32_t fix_releases(const struct reshard__fix_builder *builder)
{
    const struct reshard_audit *audit = builder->context.audit;
    for (size_t i = 0; i < audit->view_count; i++)
        for (uint32_t k = 0; k < audit->views[i].owned_count; k++)
            for (uint32_t slot = audit->views[i].owned[k].first;
                 slot <= audit->views[i].owned[k].last; slot++) {
                int32_t status = release(builder, i, slot);
                if (status)
                    return status;
            }
    return RESHARD_OK;
}

/* Assigned slots are served by virtue of their assignment. */
static bool needs_server(const struct reshard__audit_context *context, uint32_t slot)
{
    uint32_t claim = context->claim[slot];
    return context->owner[slot] && !context->moving[slot]
        && !(claim && reshard__audit_rightful(context, claim - 1, slot));
}

static int32_t fix_serves(const struct reshard__fix_builder *builder)
{
    const struct reshard__audit_context *context = &builder->context;
    for (uint32_t slot = 0; slot < context->slot_count; slot++) {
        if (!needs_server(context, slot))
            continue;
        struct reshard_finding step = {.code = RESHARD_FIX_STEP_SERVE,
            .phase =
                context->claim[slot] ? RESHARD_FINDING_WRONG_OWNER : RESHARD_FINDING_UNSERVED,
            .shard = context->owner[slot],
            .node = reshard__audit_primary(context, context->owner[slot])};
        if (!reshard__audit_reachable(context, step.node))
            continue;
        int32_t status = reshard__list_add(builder->steps, &step, slot, slot, 0);
        if (status)
            return status;
    }
    return RESHARD_OK;
}

int32_t reshard__fix_claims(const struct reshard__fix_builder *builder)
{
    int32_t status = fix_releases(builder);
    return status ? status : fix_serves(builder);
}

/* What is to be done with a view's data of a slot. */
enum { TREAT_HIDE = 1, TREAT_GIVE = 2, TREAT_PURGE = 4 };

static uint8_t treatment(const struct reshard__fix_builder *builder, uint32_t slot)
{
    if (builder->flags & RESHARD_FIX_PURGE)
        return TREAT_PURGE;
    return (builder->flags & RESHARD_FIX_GIVE) && builder->owner[slot] ? TREAT_GIVE : 0;
}

static uint8_t treatment_released(
    const struct reshard__fix_builder *builder, size_t view, uint32_t slot)
{
    const struct reshard__audit_context *context = &builder->context;
    bool own = context->nodes[view].shard == builder->owner[slot];
    bool alone = context->claim[slot] == view + 1;
    if (own || !builder->owner[slot])
        return 0;
    return alone || (builder->flags & RESHARD_FIX_GIVE) ? TREAT_GIVE : 0;
}

static void treat_quarantined(
    const struct reshard__fix_builder *builder, const struct reshard_view *view, uint8_t *treat)
{
    for (uint32_t i = 0; i < view->quarantined_count; i++)
        for (uint32_t slot = view->quarantined[i].first; slot <= view->quarantined[i].last; slot++)
            treat[slot] = treatment(builder, slot);
}

static void treat_orphans(
    const struct reshard__fix_builder *builder, size_t index, uint8_t *treat)
{
    const struct reshard__audit_context *context = &builder->context;
    const struct reshard_view *view = &context->audit->views[index];
    for (size_t i = 0; i < view->key_count_count; i++) {
        uint32_t slot;
        if (reshard__view_keys(view, i, &slot) == 0)
            continue;
        if (!reshard__audit_explained(context, builder->owner, index, slot))
            treat[slot] = (uint8_t)(TREAT_HIDE | treatment(builder, slot));
    }
}

static void treat_released(
    const struct reshard__fix_builder *builder, size_t index, uint8_t *treat)
{
    const struct reshard_view *view = &builder->context.audit->views[index];
    for (uint32_t i = 0; i < view->owned_count; i++)
        for (uint32_t slot = view->owned[i].first; slot <= view->owned[i].last; slot++)
            if (reshard__fix_releases(builder, index, slot))
                treat[slot] = treatment_released(builder, index, slot);
}

static int32_t add_treatment(const struct reshard__fix_builder *builder, size_t index,
    const uint8_t *treat, uint8_t what, uint32_t kind)
{
    const struct reshard__audit_context *context = &builder->context;
    struct reshard_finding step = {
        .code = kind, .node = context->audit->views[index].node};
    for (uint32_t slot = 0; slot < context->slot_count; slot++) {
        if (!(treat[slot] & what))
            continue;
        step.phase = treat[slot] & TREAT_HIDE ? RESHARD_FINDING_ORPHAN : RESHARD_FINDING_QUARANTINE;
        step.shard = kind == RESHARD_FIX_STEP_GIVE ? builder->owner[slot] : 0;
        int32_t status = reshard__list_add(builder->steps, &step, slot, slot, 0);
        if (status)
            return status;
    }
    return RESHARD_OK;
}

static int32_t fix_view(
    const struct reshard__fix_builder *builder, size_t index, uint8_t *treat)
{
    const struct reshard_view *view = &builder->context.audit->views[index];
    if (view->owned_count + view->key_count_count + view->quarantined_count == 0)
        return RESHARD_OK;
    memset(treat, 0, builder->context.slot_count);
    treat_quarantined(builder, view, treat);
    treat_orphans(builder, index, treat);
    treat_released(builder, index, treat);
    int32_t status =
        add_treatment(builder, index, treat, TREAT_HIDE, RESHARD_FIX_STEP_QUARANTINE);
    if (!status)
        status = add_treatment(builder, index, treat, TREAT_GIVE, RESHARD_FIX_STEP_GIVE);
    if (!status)
        status = add_treatment(builder, index, treat, TREAT_PURGE, RESHARD_FIX_STEP_PURGE);
    return status;
}

int32_t reshard__fix_data(const struct reshard__fix_builder *builder)
{
    const struct reshard__audit_context *context = &builder->context;
    uint8_t *treat = reshard__mem_alloc(&context->audit->mem, context->slot_count);
    int32_t status = treat ? RESHARD_OK : RESHARD_E_NOMEM;
    for (size_t i = 0; i < context->audit->view_count && !status; i++)
        status = fix_view(builder, i, treat);
    reshard__mem_free(&context->audit->mem, treat, context->slot_count);
    return status;
}
