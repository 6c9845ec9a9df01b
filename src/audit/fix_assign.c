/* SPDX-License-Identifier: MIT */
/* Room audit: first owners for uncovered slots: who serves them, else who holds most keys of them,
 * else who lacks most slots. */
#include "audit/audit.h"

struct assignment {
    struct reshard__fix_builder *builder;
    struct reshard__audit_share *shares;
    uint64_t *keys; /* slot → most keys that a node holds */
    uint32_t share_count;
    bool any_answers; /* some shard's primary does */
};

static bool uncovered(const struct reshard__fix_builder *builder, uint32_t slot)
{
    return builder->context.owner[slot] == 0;
}

/* Only shards that can serve, unless there is none. */
static bool eligible(const struct assignment *assignment, reshard_shard_id shard)
{
    const struct reshard__audit_context *context = &assignment->builder->context;
    return !assignment->any_answers
        || reshard__audit_reachable(context, reshard__audit_primary(context, shard));
}

static void give(const struct assignment *assignment, uint32_t slot, reshard_shard_id shard)
{
    struct reshard__audit_share *share =
        reshard__audit_share_find(assignment->shares, assignment->share_count, shard);
    RESHARD_ASSERT(share && uncovered(assignment->builder, slot));
    reshard_shard_id before = assignment->builder->owner[slot];
    if (before)
        reshard__audit_share_find(assignment->shares, assignment->share_count, before)->have--;
    assignment->builder->owner[slot] = shard;
    share->have++;
}

static void by_keys(const struct assignment *assignment, size_t index)
{
    const struct reshard__audit_context *context = &assignment->builder->context;
    const struct reshard_view *view = &context->audit->views[index];
    reshard_shard_id shard = context->nodes[index].shard;
    if (shard == 0 || !eligible(assignment, shard))
        return;
    for (size_t i = 0; i < view->key_count_count; i++) {
        uint32_t slot;
        uint64_t keys = reshard__view_keys(view, i, &slot);
        if (!uncovered(assignment->builder, slot) || keys <= assignment->keys[slot]
            || reshard__ranges_contain(view->quarantined, view->quarantined_count, slot))
            continue;
        assignment->keys[slot] = keys;
        give(assignment, slot, shard);
    }
}

static void by_claims(const struct assignment *assignment)
{
    const struct reshard__audit_context *context = &assignment->builder->context;
    for (uint32_t slot = 0; slot < context->slot_count; slot++) {
        uint32_t claim = context->claim[slot];
        reshard_shard_id shard = claim ? context->nodes[claim - 1].shard : 0;
        if (shard && uncovered(assignment->builder, slot) && eligible(assignment, shard))
            give(assignment, slot, shard);
    }
}

static const struct reshard__audit_share *poorest(const struct assignment *assignment)
{
    const struct reshard__audit_share *poorest = NULL;
    for (uint32_t i = 0; i < assignment->share_count; i++) {
        const struct reshard__audit_share *share = &assignment->shares[i];
        if (!eligible(assignment, share->shard))
            continue;
        if (!poorest || share->share - share->have > poorest->share - poorest->have)
            poorest = share;
    }
    return poorest;
}

/* In runs, so that slots stay in few ranges: the poorest shard gets all that it lacks. */
static void by_share(const struct assignment *assignment)
{
    struct reshard__fix_builder *builder = assignment->builder;
    uint32_t slot = 0;
    while (slot < builder->context.slot_count) {
        if (builder->owner[slot]) {
            slot++;
            continue;
        }
        const struct reshard__audit_share *share = poorest(assignment);
        RESHARD_ASSERT(share);
        double lacks = share->share - share->have;
        uint32_t some = lacks > 1.0 ? (uint32_t)lacks : 1;
        for (; some && slot < builder->context.slot_count && !builder->owner[slot]; some--)
            give(assignment, slot++, share->shard);
    }
}

static int32_t add_steps(const struct reshard__fix_builder *builder)
{
    for (uint32_t slot = 0; slot < builder->context.slot_count; slot++) {
        struct reshard_finding step = {.code = RESHARD_FIX_STEP_ASSIGN,
            .phase = RESHARD_FINDING_UNCOVERED,
            .shard = builder->owner[slot]};
        if (!uncovered(builder, slot))
            continue;
        int32_t status = reshard__list_add(builder->steps, &step, slot, slot, 0);
        if (status)
            return status;
    }
    return RESHARD_OK;
}

static bool any_answers(const struct reshard__audit_context *context)
{
    for (size_t i = 0; i < context->audit->view_count; i++)
        if (context->nodes[i].reachable && context->nodes[i].primary)
            return true;
    return false;
}

static bool any_uncovered(const struct reshard__fix_builder *builder)
{
    for (uint32_t slot = 0; slot < builder->context.slot_count; slot++)
        if (uncovered(builder, slot))
            return true;
    return false;
}

int32_t reshard__fix_assign(struct reshard__fix_builder *builder)
{
    const struct reshard__audit_context *context = &builder->context;
    const struct reshard__mem *mem = &context->audit->mem;
    struct assignment assignment = {.builder = builder,
        .share_count = reshard_map_shard_count(context->map),
        .any_answers = any_answers(context)};
    if (assignment.share_count == 0 || !any_uncovered(builder))
        return RESHARD_OK;
    size_t shares_size = assignment.share_count * sizeof *assignment.shares;
    size_t keys_size = context->slot_count * sizeof *assignment.keys;
    assignment.shares = reshard__mem_alloc(mem, shares_size);
    assignment.keys = reshard__mem_alloc(mem, keys_size);
    int32_t status = RESHARD_E_NOMEM;
    if (assignment.shares && assignment.keys) {
        reshard__audit_shares(context, context->slot_count, assignment.shares);
        for (size_t i = 0; i < context->audit->view_count; i++)
            by_keys(&assignment, i);
        by_claims(&assignment);
        by_share(&assignment);
        status = add_steps(builder);
    }
    reshard__mem_free(mem, assignment.shares, shares_size);
    reshard__mem_free(mem, assignment.keys, keys_size);
    return status;
}
