/* SPDX-License-Identifier: MIT */
/* Room plan: the local search of reshard_plan_load. Pure.
 *
 * Worst shard first. A step moves one slot to a shard that stays within its limit; where there is
 * none, to one that ends below what the source had. A slot moves once, so the search ends, and no
 * step raises the worst overload, so every prefix of it is good. */
#include "plan/load.h"

#include <string.h>

enum {
    TARGET_COUNT_MAX = 8, /* lightest shards that are tried for a step */
    GAIN_SHIFT = 10       /* a step outside the limits has to gain 1/1024 of the ratio */
};

/* A step that could be done. */
struct step {
    uint32_t at; /* index in list */
    uint32_t target;
    bool found;
};

static const uint64_t *slot_values(const struct reshard__load *load, uint32_t slot)
{
    return &load->values[(size_t)slot * load->dimension_count];
}

/* Worst shard above its limit that is not stuck, or NONE. */
static uint32_t search_source(const struct reshard__load *load)
{
    uint32_t worst = RESHARD__PLAN_NONE;
    for (uint32_t i = 0; i < load->view->shard_count; i++)
        if (!load->stuck[i] &&
            (worst == RESHARD__PLAN_NONE || load->ratios[i] > load->ratios[worst]))
            worst = i;
    return worst;
}

/* The dimension that a shard is furthest above its share in, and the excess over its limit. */
static uint32_t search_dimension(
    const struct reshard__load *load, uint32_t shard, uint64_t *excess_out)
{
    uint32_t worst = 0;
    uint64_t ratio_worst = 0;
    size_t cell = (size_t)shard * load->dimension_count;
    for (uint32_t d = 0; d < load->dimension_count; d++) {
        uint64_t ratio = load->loads[cell + d] * RESHARD__LOAD_ONE / load->shares[cell + d];
        if (ratio > ratio_worst) {
            ratio_worst = ratio;
            worst = d;
        }
    }
    uint64_t now = load->loads[cell + worst];
    uint64_t limit = load->limits[cell + worst];
    *excess_out = now > limit ? now - limit : 0;
    return worst;
}

/* The lightest shards but `source`, lightest first. */
static uint32_t search_targets(
    const struct reshard__load *load, uint32_t source, uint32_t *targets)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < load->view->shard_count; i++) {
        if (i == source || load->closed[i])
            continue;
        if (count == TARGET_COUNT_MAX && load->ratios[i] >= load->ratios[targets[count - 1]])
            continue;
        uint32_t at = count < TARGET_COUNT_MAX ? count++ : count - 1;
        while (at > 0 && load->ratios[targets[at - 1]] > load->ratios[i]) {
            targets[at] = targets[at - 1];
            at--;
        }
        targets[at] = i;
    }
    return count;
}

static bool slot_fits(const struct reshard__load *load, const uint64_t *values, uint32_t target)
{
    size_t cell = (size_t)target * load->dimension_count;
    for (uint32_t d = 0; d < load->dimension_count; d++)
        if (load->loads[cell + d] + values[d] > load->limits[cell + d])
            return false;
    return true;
}

/* The slot that takes most excess away per byte moved, and stays within the target's limits. */
static bool search_fit(const struct reshard__load *load, uint32_t source, uint32_t target,
    uint32_t dimension, uint64_t excess, uint32_t *at_out)
{
    bool found = false;
    uint64_t best = 0;
    uint32_t end = load->starts[source] + load->counts[source];
    for (uint32_t at = load->starts[source]; at < end; at++) {
        uint32_t slot = load->list[at];
        const uint64_t *values = slot_values(load, slot);
        uint64_t gain = values[dimension] < excess ? values[dimension] : excess;
        /* gain < 2^43; the shift keeps fractions, as costs have up to 22 bits */
        uint64_t score = (gain << 20) / load->costs[slot];
        if (score <= best || load->slot_bytes[slot] > load->bytes_left ||
            !slot_fits(load, values, target))
            continue;
        best = score;
        *at_out = at;
        found = true;
    }
    return found;
}

/* Ratio of a shard with a slot more (or less). */
static uint64_t ratio_with(
    const struct reshard__load *load, uint32_t shard, const uint64_t *values, bool more)
{
    uint64_t worst = 0;
    size_t cell = (size_t)shard * load->dimension_count;
    for (uint32_t d = 0; d < load->dimension_count; d++) {
        uint64_t now = load->loads[cell + d];
        now = more ? now + values[d] : now - values[d];
        uint64_t ratio = now * RESHARD__LOAD_ONE / load->shares[cell + d];
        worst = ratio > worst ? ratio : worst;
    }
    return worst;
}

/* The step after which the worse of the two shards is best, if that is below what it was. */
static void search_relay(const struct reshard__load *load, uint32_t source,
    const uint32_t *targets, uint32_t target_count, struct step *step)
{
    uint64_t best = load->ratios[source] - (load->ratios[source] >> GAIN_SHIFT);
    uint32_t end = load->starts[source] + load->counts[source];
    for (uint32_t at = load->starts[source]; at < end; at++) {
        uint32_t slot = load->list[at];
        const uint64_t *values = slot_values(load, slot);
        if (load->slot_bytes[slot] > load->bytes_left)
            continue;
        uint64_t left = ratio_with(load, source, values, false);
        for (uint32_t k = 0; k < target_count && left < best; k++) {
            uint64_t there = ratio_with(load, targets[k], values, true);
            there = there > left ? there : left;
            if (there >= best)
                continue;
            best = there;
            *step = (struct step){at, targets[k], true};
        }
    }
}

static int32_t search_do(struct reshard__load *load, uint32_t source, const struct step *step)
{
    uint32_t slot = load->list[step->at];
    struct reshard__plan_piece piece = {0, source, step->target, slot, slot};
    int32_t status = reshard__plan_pieces_add(&load->view->mem, &load->pieces, &piece);
    if (status)
        return status;
    load->counts[source]--;
    load->list[step->at] = load->list[load->starts[source] + load->counts[source]];
    RESHARD_ASSERT(load->bytes_left >= load->slot_bytes[slot]);
    if (load->bytes_left != UINT64_MAX)
        load->bytes_left -= load->slot_bytes[slot];
    reshard__load_shift(load, slot, source, step->target);
    return RESHARD_OK;
}

/* Slots of a shard that are too heavy for it all by themselves; of two, the lighter one. */
static uint32_t search_giants(
    const struct reshard__load *load, uint32_t shard, uint32_t *lightest_out)
{
    uint64_t excess;
    uint32_t dimension = search_dimension(load, shard, &excess);
    uint64_t limit = load->limits[(size_t)shard * load->dimension_count + dimension];
    uint64_t least = UINT64_MAX;
    uint32_t count = 0;
    uint32_t end = load->starts[shard] + load->counts[shard];
    for (uint32_t at = load->starts[shard]; at < end; at++) {
        uint64_t value = slot_values(load, load->list[at])[dimension];
        if (value <= limit)
            continue;
        count++;
        if (value < least) {
            least = value;
            *lightest_out = at;
        }
    }
    return count;
}

static bool part_helps(
    const struct reshard__load *load, uint32_t source, uint32_t at, uint32_t target)
{
    uint32_t slot = load->list[at];
    uint64_t there = ratio_with(load, target, slot_values(load, slot), true);
    return load->slot_bytes[slot] <= load->bytes_left && there < load->ratios[source];
}

/* First of all, giants that share a shard part: later their targets would have taken other
 * slots, and those have moved once. */
static int32_t search_part(struct reshard__load *load)
{
    uint32_t targets[TARGET_COUNT_MAX];
    int32_t status = RESHARD_OK;
    for (;;) {
        uint32_t source = search_source(load);
        uint32_t at = 0;
        if (source == RESHARD__PLAN_NONE || status)
            return status;
        uint32_t giants = search_giants(load, source, &at);
        uint32_t count = giants > 1 ? search_targets(load, source, targets) : 0;
        if (count == 0 || !part_helps(load, source, at, targets[0])) {
            load->stuck[source] = 1;
            continue;
        }
        struct step step = {at, targets[0], true};
        status = search_do(load, source, &step);
    }
}

/* One step off the worst shard; none left sets it aside. */
static int32_t search_step(struct reshard__load *load, uint32_t source)
{
    uint32_t targets[TARGET_COUNT_MAX];
    struct step step = {0, 0, false};
    uint64_t excess;
    uint32_t dimension = search_dimension(load, source, &excess);
    if (excess == 0) {
        load->stuck[source] = 1;
        return RESHARD_OK;
    }
    uint32_t count = search_targets(load, source, targets);
    for (uint32_t k = 0; k < count && !step.found; k++) {
        step.target = targets[k];
        step.found = search_fit(load, source, targets[k], dimension, excess, &step.at);
    }
    if (!step.found)
        search_relay(load, source, targets, count, &step);
    if (step.found)
        return search_do(load, source, &step);
    load->stuck[source] = 1;
    return RESHARD_OK;
}

int32_t reshard__load_search(struct reshard__load *load)
{
    int32_t status = search_part(load);
    if (load->view->shard_count)
        memset(load->stuck, 0, load->view->shard_count * sizeof *load->stuck);
    while (!status) {
        uint32_t source = search_source(load);
        if (source == RESHARD__PLAN_NONE)
            break;
        status = search_step(load, source);
    }
    return status;
}
