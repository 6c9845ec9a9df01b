/* SPDX-License-Identifier: MIT */
/* Room plan: the plan as an object: read, hash, hold against a map. Reads the map's digest. */
#include "plan/plan.h"

#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

void reshard_plan_destroy(struct reshard_plan *plan)
{
    if (!plan)
        return;
    struct reshard__mem mem = plan->mem;
    reshard__mem_free(&mem, plan->moves, plan->move_count * sizeof *plan->moves);
    reshard__mem_free(&mem, plan->ranges, plan->range_count * sizeof *plan->ranges);
    reshard__mem_free(&mem, plan->bytes, plan->bytes_count * sizeof *plan->bytes);
    reshard__mem_free(&mem, plan, sizeof *plan);
}

int32_t reshard_plan_check(const struct reshard_plan *plan, const struct reshard_map *map)
{
    if (!plan || !map)
        return RESHARD_E_NULL;
    struct reshard_digest digest;
    if (reshard_map_version(map) != plan->version ||
        reshard_map_slot_count(map) != plan->slot_count)
        return RESHARD_E_PLAN;
    int32_t status = reshard_map_digest(map, &digest);
    RESHARD_ASSERT(status == RESHARD_OK);
    if (digest.low != plan->digest.low || digest.high != plan->digest.high)
        return RESHARD_E_PLAN;
    return RESHARD_OK;
}

/* Little-endian, so that the hash is the same everywhere. */
static uint8_t *put_u32(uint8_t *to, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (8 * i));
    return to + 4;
}

static uint8_t *put_u64(uint8_t *to, uint64_t value)
{
    return put_u32(put_u32(to, (uint32_t)value), (uint32_t)(value >> 32));
}

int32_t reshard_plan_hash(const struct reshard_plan *plan, struct reshard_digest *hash_out)
{
    if (!plan || !hash_out)
        return RESHARD_E_NULL;
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    (void)XXH3_128bits_reset(&state);
    uint8_t bytes[64];
    uint8_t *end = put_u32(bytes, plan->totals.kind);
    end = put_u32(end, plan->slot_count);
    end = put_u64(end, plan->version);
    end = put_u64(end, plan->digest.low);
    end = put_u64(end, plan->digest.high);
    end = put_u64(end, plan->move_count);
    (void)XXH3_128bits_update(&state, bytes, (size_t)(end - bytes));
    for (size_t i = 0; i < plan->move_count; i++) {
        const struct reshard__plan_move *move = &plan->moves[i];
        end = put_u32(put_u32(put_u32(bytes, move->source), move->target), move->range_count);
        (void)XXH3_128bits_update(&state, bytes, (size_t)(end - bytes));
        for (uint32_t r = 0; r < move->range_count; r++) {
            const struct reshard_range *range = &plan->ranges[move->range_first + r];
            end = put_u32(put_u32(bytes, range->first), range->last);
            (void)XXH3_128bits_update(&state, bytes, (size_t)(end - bytes));
        }
    }
    XXH128_hash_t hash = XXH3_128bits_digest(&state);
    hash_out->low = hash.low64;
    hash_out->high = hash.high64;
    return RESHARD_OK;
}

uint64_t reshard_plan_map_version(const struct reshard_plan *plan)
{
    return plan ? plan->version : 0;
}

int32_t reshard_plan_map_digest(const struct reshard_plan *plan, struct reshard_digest *digest_out)
{
    if (!plan || !digest_out)
        return RESHARD_E_NULL;
    *digest_out = plan->digest;
    return RESHARD_OK;
}

uint32_t reshard_plan_move_count(const struct reshard_plan *plan)
{
    return plan ? (uint32_t)plan->move_count : 0;
}

int32_t reshard_plan_move_at(
    const struct reshard_plan *plan, uint32_t index, struct reshard_move *move_out)
{
    if (!plan || !move_out)
        return RESHARD_E_NULL;
    if (index >= plan->move_count)
        return RESHARD_E_ARGUMENT;
    const struct reshard__plan_move *move = &plan->moves[index];
    struct reshard_move view;
    memset(&view, 0, sizeof view);
    view.source = move->source;
    view.target = move->target;
    view.range_count = move->range_count;
    view.slot_count = move->slot_count;
    view.bytes = move->bytes;
    view.ranges = &plan->ranges[move->range_first];
    return reshard__struct_export(move_out, sizeof view, &view, sizeof view);
}

int32_t reshard_plan_totals(
    const struct reshard_plan *plan, struct reshard_plan_totals *totals_out)
{
    if (!plan || !totals_out)
        return RESHARD_E_NULL;
    return reshard__struct_export(
        totals_out, sizeof plan->totals, &plan->totals, sizeof plan->totals);
}
