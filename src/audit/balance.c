/* SPDX-License-Identifier: MIT */
/* Room audit: each shard's slots against its share by weight. */
#include "audit/audit.h"

struct reshard__audit_share *reshard__audit_share_find(
    struct reshard__audit_share *shares, size_t count, reshard_shard_id shard)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (shares[middle].shard < shard)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && shares[low].shard == shard ? &shares[low] : NULL;
}

/* Where a slot is, or is going. */
static reshard_shard_id slot_holder(const struct reshard__audit_context *context, uint32_t slot)
{
    uint32_t moving = context->moving[slot];
    if (!moving)
        return context->owner[slot];
    const struct reshard__audit_open *open = &context->opens[moving - 1];
    return open->decision == RESHARD_DECISION_ABORT ? open->source : open->target;
}

/* Weights are scaled by the largest, so that no sum of finite weights is infinite. */
static void weights_fill(const struct reshard__audit_context *context, uint32_t count,
    struct reshard__audit_share *shares)
{
    double largest = 0.0;
    for (uint32_t i = 0; i < count; i++) {
        struct reshard_map_shard shard = {.struct_size = sizeof shard};
        int32_t status = reshard_map_shard_at(context->map, i, &shard);
        RESHARD_ASSERT(status == RESHARD_OK);
        shares[i] = (struct reshard__audit_share){.shard = shard.shard, .share = shard.weight};
        if (shard.weight > largest)
            largest = shard.weight;
    }
    for (uint32_t i = 0; i < count; i++)
        shares[i].share = shares[i].share / largest;
}

void reshard__audit_shares(const struct reshard__audit_context *context, uint32_t total,
    struct reshard__audit_share *shares)
{
    uint32_t count = reshard_map_shard_count(context->map);
    uint32_t owned = 0;
    double sum = 0.0;
    weights_fill(context, count, shares);
    for (uint32_t slot = 0; slot < context->slot_count; slot++) {
        struct reshard__audit_share *share =
            reshard__audit_share_find(shares, count, slot_holder(context, slot));
        if (!share)
            continue;
        share->have++;
        owned++;
    }
    for (uint32_t i = 0; i < count; i++)
        sum += shares[i].share;
    for (uint32_t i = 0; i < count; i++)
        shares[i].share = shares[i].share / sum * (double)(total ? total : owned);
}

/* Whole slots just below a limit that is <= 2^20 times 1001; `ceiling` rounds up instead. */
static uint64_t whole(double limit, bool ceiling)
{
    /* The slack swallows the rounding of the division by the sum of weights. */
    const double slack = 1e-6;
    if (ceiling) {
        uint64_t below = (uint64_t)(limit - slack < 0.0 ? 0.0 : limit - slack);
        return limit - slack > (double)below ? below + 1 : below;
    }
    return (uint64_t)(limit + slack);
}

static int32_t check_share(const struct reshard__audit_context *context,
    const struct reshard__audit_share *share, struct reshard__list *list)
{
    double part = (double)context->audit->imbalance_permille / 1000.0;
    double low = part < 1.0 ? share->share * (1.0 - part) : 0.0;
    if (share->have >= whole(low, false) && share->have <= whole(share->share * (1.0 + part), true))
        return RESHARD_OK;
    struct reshard_finding finding = {.code = RESHARD_FINDING_IMBALANCE,
        .shard = share->shard,
        .have = share->have,
        .want = (uint32_t)whole(share->share, false)};
    return reshard__list_add(list, &finding, 1, 0, 0);
}

int32_t reshard__audit_check_balance(
    const struct reshard__audit_context *context, struct reshard__list *list)
{
    const struct reshard__mem *mem = &context->audit->mem;
    uint32_t count = context->map ? reshard_map_shard_count(context->map) : 0;
    if (count == 0 || context->audit->imbalance_permille == RESHARD_AUDIT_BALANCE_IGNORED)
        return RESHARD_OK;
    struct reshard__audit_share *shares = reshard__mem_alloc(mem, count * sizeof *shares);
    int32_t status = RESHARD_OK;
    if (!shares)
        return RESHARD_E_NOMEM;
    reshard__audit_shares(context, 0, shares);
    for (uint32_t i = 0; i < count && !status; i++)
        status = check_share(context, &shares[i], list);
    reshard__mem_free(mem, shares, count * sizeof *shares);
    return status;
}
