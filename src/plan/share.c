/* SPDX-License-Identifier: MIT */
/* Room plan: how many slots each shard is to have. Largest remainder (Hamilton's method) in
 * integers, with lower bounds. Pure. */
#include "plan/plan.h"

#include <string.h>

_Static_assert(sizeof(double) == sizeof(uint64_t), "IEEE 754 binary64");

enum {
    WEIGHT_BITS = 41,
    MANTISSA_BITS = 52,
    EXPONENT_MAX = 0x7FF
};

/* weight = *mantissa * 2^*exponent (less a constant bias); false unless finite and > 0. */
static bool weight_split(double weight, uint64_t *mantissa, uint32_t *exponent)
{
    uint64_t bits;
    memcpy(&bits, &weight, sizeof bits);
    uint32_t raw = (uint32_t)(bits >> MANTISSA_BITS);
    uint64_t fraction = bits & ((UINT64_C(1) << MANTISSA_BITS) - 1);
    if (raw >= EXPONENT_MAX || (raw == 0 && fraction == 0))
        return false;
    *mantissa = raw == 0 ? fraction : fraction | UINT64_C(1) << MANTISSA_BITS;
    *exponent = raw == 0 ? 1 : raw;
    return true;
}

static uint32_t bit_length(uint64_t value)
{
    uint32_t bits = 0;
    while (value) {
        value >>= 1;
        bits++;
    }
    return bits;
}

int32_t reshard__weights_scale(const double *weights, uint32_t count, uint64_t *scaled)
{
    uint64_t mantissa;
    uint32_t exponent;
    /* Highest position of a leading bit, over all weights. */
    uint32_t top = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!weight_split(weights[i], &mantissa, &exponent))
            return RESHARD_E_WEIGHT;
        uint32_t lead = bit_length(mantissa) + exponent;
        top = lead > top ? lead : top;
    }
    for (uint32_t i = 0; i < count; i++) {
        (void)weight_split(weights[i], &mantissa, &exponent);
        /* value = mantissa * 2^(exponent - top + WEIGHT_BITS) */
        uint32_t left = exponent + WEIGHT_BITS;
        if (left >= top)
            mantissa <<= left - top;
        else
            mantissa = top - left < 64 ? mantissa >> (top - left) : 0;
        scaled[i] = mantissa ? mantissa : 1;
    }
    return RESHARD_OK;
}

struct share_work {
    const struct reshard__share *share;
    uint64_t *active; /* weight, 0 once the target is settled */
    struct reshard__sort_item *order;
    struct reshard__sort_item *scratch;
    uint32_t total; /* for the active ones */
    uint64_t weight;
};

static uint64_t share_floor(const struct share_work *work, uint32_t i)
{
    return work->total * work->active[i] / work->weight;
}

/* Largest remainder over the active ones, lower bounds not looked at. */
static void share_round(struct share_work *work, uint32_t *targets)
{
    uint32_t left = work->total;
    size_t count = 0;
    for (uint32_t i = 0; i < work->share->count; i++) {
        if (!work->active[i])
            continue;
        uint64_t base = share_floor(work, i);
        uint64_t remainder = work->total * work->active[i] % work->weight;
        targets[i] = (uint32_t)base;
        left -= targets[i];
        uint64_t holds = work->share->have[i] > base;
        /* Ascending order: largest remainder first, then those that hold the slot. */
        work->order[count].key = ((work->weight - remainder) << 1) | (holds ^ 1);
        work->order[count++].value = i;
    }
    if (left == 0)
        return;
    RESHARD_ASSERT(left < count);
    reshard__sort(work->order, work->scratch, count);
    for (uint32_t k = 0; k < left; k++)
        targets[work->order[k].value]++;
}

/* Settle those below their lower bound there. More for them is less for the rest, so who is
 * below once stays below: the loop ends with the smallest set of settled ones. */
static bool share_settle(struct share_work *work, uint32_t *targets)
{
    bool settled = false;
    uint32_t total = work->total;
    uint64_t weight = work->weight;
    for (uint32_t i = 0; i < work->share->count; i++) {
        if (!work->active[i] || targets[i] >= work->share->lower[i])
            continue;
        targets[i] = work->share->lower[i];
        RESHARD_ASSERT(total >= targets[i]);
        total -= targets[i];
        weight -= work->active[i];
        work->active[i] = 0;
        settled = true;
    }
    work->total = total;
    work->weight = weight;
    return settled;
}

static void share_run(struct share_work *work, uint32_t *targets)
{
    work->total = work->share->total;
    for (uint32_t i = 0; i < work->share->count; i++) {
        work->active[i] = work->share->weights[i];
        work->weight += work->active[i];
        if (!work->active[i]) {
            targets[i] = work->share->lower[i];
            work->total -= targets[i];
        }
    }
    do {
        RESHARD_ASSERT(work->weight > 0 || work->total == 0);
        if (work->weight == 0)
            return;
        share_round(work, targets);
    } while (share_settle(work, targets));
}

int32_t reshard__share_out(
    const struct reshard__mem *mem, const struct reshard__share *share, uint32_t *targets)
{
    struct share_work work;
    memset(&work, 0, sizeof work);
    if (share->count == 0)
        return RESHARD_OK;
    work.share = share;
    size_t order_size = share->count * sizeof *work.order;
    work.active = reshard__mem_alloc(mem, share->count * sizeof *work.active);
    work.order = reshard__mem_alloc(mem, order_size);
    work.scratch = reshard__mem_alloc(mem, order_size);
    bool ready = work.active && work.order && work.scratch;
    if (ready)
        share_run(&work, targets);
    reshard__mem_free(mem, work.active, share->count * sizeof *work.active);
    reshard__mem_free(mem, work.order, order_size);
    reshard__mem_free(mem, work.scratch, order_size);
    return ready ? RESHARD_OK : RESHARD_E_NOMEM;
}
