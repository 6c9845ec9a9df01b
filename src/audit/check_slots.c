/* SPDX-License-Identifier: MIT */
/* Room audit: who owns and who serves: uncovered slots, two owners, wrong owners, nobody. */
#include "audit/audit.h"

/* One finding a view and counterpart: slots that it serves and should not. */
static int32_t check_claim(const struct reshard__audit_context *context, size_t index,
    uint32_t slot, struct reshard__list *list)
{
    const struct reshard_audit *audit = context->audit;
    size_t keeper = context->claim[slot] - 1;
    struct reshard_finding finding = {.node = audit->views[index].node};
    if (keeper != index) {
        finding.code = RESHARD_FINDING_TWO_OWNERS;
        finding.other_node = audit->views[keeper].node;
        return reshard__list_add(list, &finding, slot, slot, 0);
    }
    bool uncovered = context->owner[slot] == 0;
    if (!context->map || uncovered || reshard__audit_rightful(context, index, slot)
        || reshard__audit_takes_part(context, index, slot))
        return RESHARD_OK;
    finding.code = RESHARD_FINDING_WRONG_OWNER;
    finding.shard = context->nodes[index].shard;
    finding.other_shard = context->owner[slot];
    return reshard__list_add(list, &finding, slot, slot, 0);
}

static int32_t check_claims(
    const struct reshard__audit_context *context, struct reshard__list *list)
{
    const struct reshard_audit *audit = context->audit;
    for (size_t i = 0; i < audit->view_count; i++)
        for (uint32_t k = 0; k < audit->views[i].owned_count; k++)
            for (uint32_t slot = audit->views[i].owned[k].first;
                 slot <= audit->views[i].owned[k].last; slot++) {
                int32_t status = check_claim(context, i, slot, list);
                if (status)
                    return status;
            }
    return RESHARD_OK;
}

/* A run of slots with one owner. */
struct run {
    uint32_t first;
    uint32_t last;
    reshard_shard_id shard;
    reshard_node_id primary;
    bool reachable;
};

static int32_t check_served(const struct reshard__audit_context *context, const struct run *run,
    struct reshard__list *list)
{
    struct reshard_finding finding = {
        .code = RESHARD_FINDING_UNSERVED, .shard = run->shard, .node = run->primary};
    for (uint32_t slot = run->first; slot <= run->last; slot++) {
        if (context->claim[slot] || context->moving[slot])
            continue;
        int32_t status = reshard__list_add(list, &finding, slot, slot, 0);
        if (status)
            return status;
    }
    return RESHARD_OK;
}

static int32_t check_run(const struct reshard__audit_context *context, const struct run *run,
    struct reshard__list *list)
{
    struct reshard_finding finding = {.shard = run->shard};
    if (run->shard == 0) {
        finding.code = RESHARD_FINDING_UNCOVERED;
        return reshard__list_add(list, &finding, run->first, run->last, 0);
    }
    if (run->primary == 0) {
        finding.code = RESHARD_FINDING_HEADLESS;
        return reshard__list_add(list, &finding, run->first, run->last, 0);
    }
    if (run->reachable)
        return check_served(context, run, list);
    finding.code = RESHARD_FINDING_UNREACHABLE;
    finding.node = run->primary;
    return reshard__list_add(list, &finding, run->first, run->last, 0);
}

static int32_t check_owned(const struct reshard__audit_context *context, struct reshard__list *list)
{
    uint32_t slot = 0;
    while (slot < context->slot_count) {
        struct run run = {.first = slot, .last = slot, .shard = context->owner[slot]};
        while (run.last + 1 < context->slot_count && context->owner[run.last + 1] == run.shard)
            run.last++;
        run.primary = reshard__audit_primary(context, run.shard);
        run.reachable = reshard__audit_reachable(context, run.primary);
        int32_t status = check_run(context, &run, list);
        if (status)
            return status;
        slot = run.last + 1;
    }
    return RESHARD_OK;
}

static int32_t check_unclaimed(
    const struct reshard__audit_context *context, struct reshard__list *list)
{
    static const struct reshard_finding finding = {.code = RESHARD_FINDING_UNCOVERED};
    for (uint32_t slot = 0; slot < context->slot_count; slot++) {
        if (context->claim[slot] || context->moving[slot])
            continue;
        int32_t status = reshard__list_add(list, &finding, slot, slot, 0);
        if (status)
            return status;
    }
    return RESHARD_OK;
}

int32_t reshard__audit_check_slots(
    const struct reshard__audit_context *context, struct reshard__list *list)
{
    int32_t status = check_claims(context, list);
    if (status)
        return status;
    return context->map ? check_owned(context, list) : check_unclaimed(context, list);
}
