/* SPDX-License-Identifier: MIT */
/* Room plan: a plan cut into migrations, and which of them may start now. Holds no state but
 * the cut: what is done and what is in flight is read off the map. */
#include "plan/plan.h"

#include <string.h>

/* A shard that the plan touches, with the scratch of one call of next. */
struct batch_shard {
    reshard_shard_id shard;
    uint32_t in;   /* open migrations to it */
    uint32_t out;  /* open migrations from it */
    uint64_t left; /* bytes (or slots) of batches that are not done */
};

enum {
    BATCH_PENDING = 1,
    BATCH_IN_FLIGHT = 2,
    BATCH_DONE = 3,
    BATCH_OVERTAKEN = 4
};

struct reshard_batches {
    struct reshard__mem mem;
    struct reshard_batch_limits limits;
    uint32_t slot_count;
    uint32_t ordered; /* start in order */
    struct reshard__plan_move *items;
    size_t count;
    size_t capacity;
    struct reshard_range *ranges;
    size_t range_count;
    size_t range_capacity;
    struct batch_shard *shards; /* ascending */
    size_t shard_count;
    size_t shard_size;
    uint8_t *states; /* scratch, by batch */
    size_t states_size;
};

void reshard_batch_limits_init(struct reshard_batch_limits *limits)
{
    memset(limits, 0, sizeof *limits);
    limits->struct_size = sizeof *limits;
}

void reshard_batches_destroy(struct reshard_batches *batches)
{
    if (!batches)
        return;
    struct reshard__mem mem = batches->mem;
    reshard__mem_free(&mem, batches->items, batches->capacity * sizeof *batches->items);
    reshard__mem_free(&mem, batches->ranges, batches->range_capacity * sizeof *batches->ranges);
    reshard__mem_free(&mem, batches->shards, batches->shard_size);
    reshard__mem_free(&mem, batches->states, batches->states_size);
    reshard__mem_free(&mem, batches, sizeof *batches);
}

static int32_t batch_open(struct reshard_batches *batches, const struct reshard__plan_move *move)
{
    int32_t status = reshard__mem_grow(&batches->mem, (void **)&batches->items,
        &batches->capacity, sizeof *batches->items, batches->count + 1);
    if (status)
        return status;
    struct reshard__plan_move *item = &batches->items[batches->count++];
    memset(item, 0, sizeof *item);
    item->source = move->source;
    item->target = move->target;
    item->range_first = (uint32_t)batches->range_count;
    return RESHARD_OK;
}

static int32_t batch_range(struct reshard_batches *batches, uint32_t first, uint32_t last)
{
    int32_t status = reshard__mem_grow(&batches->mem, (void **)&batches->ranges,
        &batches->range_capacity, sizeof *batches->ranges, batches->range_count + 1);
    if (status)
        return status;
    batches->ranges[batches->range_count++] = (struct reshard_range){first, last};
    batches->items[batches->count - 1].range_count++;
    return RESHARD_OK;
}

static bool batch_full(const struct reshard_batches *batches, uint64_t bytes)
{
    const struct reshard__plan_move *item = &batches->items[batches->count - 1];
    const struct reshard_batch_limits *limits = &batches->limits;
    if (item->slot_count == 0)
        return false;
    if (limits->slots_max && item->slot_count >= limits->slots_max)
        return true;
    /* Sums of a plan's bytes were checked against overflow when it was made. */
    return limits->bytes_max && item->bytes + bytes > limits->bytes_max;
}

/* Close the batch under construction with the slots first ... slot - 1, if any, and open one. */
static int32_t batch_turn(struct reshard_batches *batches, const struct reshard__plan_move *move,
    uint32_t first, uint32_t slot)
{
    int32_t status = slot > first ? batch_range(batches, first, slot - 1) : RESHARD_OK;
    return status ? status : batch_open(batches, move);
}

static int32_t batches_cut_range(struct reshard_batches *batches,
    const struct reshard__plan_move *move, const struct reshard_range *range,
    const uint64_t *slot_bytes)
{
    uint32_t first = range->first;
    for (uint32_t slot = range->first; slot <= range->last; slot++) {
        uint64_t bytes = slot_bytes ? slot_bytes[slot - range->first] : 0;
        if (batch_full(batches, bytes)) {
            int32_t status = batch_turn(batches, move, first, slot);
            if (status)
                return status;
            first = slot;
        }
        batches->items[batches->count - 1].slot_count++;
        batches->items[batches->count - 1].bytes += bytes;
    }
    return batch_range(batches, first, range->last);
}

static int32_t batches_cut_move(struct reshard_batches *batches, const struct reshard_plan *plan,
    const struct reshard__plan_move *move)
{
    uint32_t at = move->slot_first;
    int32_t status = batch_open(batches, move);
    for (uint32_t r = 0; r < move->range_count && !status; r++) {
        const struct reshard_range *range = &plan->ranges[move->range_first + r];
        status = batches_cut_range(batches, move, range, plan->bytes ? plan->bytes + at : NULL);
        at += range->last - range->first + 1;
    }
    return status;
}

static struct batch_shard *batch_shard_find(
    const struct reshard_batches *batches, reshard_shard_id shard)
{
    size_t low = 0;
    size_t high = batches->shard_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (batches->shards[middle].shard < shard)
            low = middle + 1;
        else
            high = middle;
    }
    return low < batches->shard_count && batches->shards[low].shard == shard
        ? &batches->shards[low]
        : NULL;
}

static int32_t batches_shards(struct reshard_batches *batches, const struct reshard_plan *plan)
{
    size_t count = plan->move_count * 2;
    if (count == 0)
        return RESHARD_OK;
    size_t size = count * sizeof(struct reshard__sort_item);
    batches->shard_size = count * sizeof *batches->shards;
    batches->shards = reshard__mem_alloc(&batches->mem, batches->shard_size);
    struct reshard__sort_item *order = reshard__mem_alloc(&batches->mem, size);
    struct reshard__sort_item *scratch = reshard__mem_alloc(&batches->mem, size);
    bool ready = batches->shards && order && scratch;
    if (ready) {
        for (size_t i = 0; i < plan->move_count; i++) {
            order[2 * i].key = plan->moves[i].source;
            order[2 * i + 1].key = plan->moves[i].target;
        }
        reshard__sort(order, scratch, count);
        for (size_t i = 0; i < count; i++)
            if (i == 0 || order[i].key != order[i - 1].key)
                batches->shards[batches->shard_count++].shard = (uint32_t)order[i].key;
    }
    reshard__mem_free(&batches->mem, order, size);
    reshard__mem_free(&batches->mem, scratch, size);
    return ready ? RESHARD_OK : RESHARD_E_NOMEM;
}

static int32_t batches_cut(struct reshard_batches *batches, const struct reshard_plan *plan)
{
    batches->slot_count = plan->slot_count;
    batches->ordered = plan->totals.kind == RESHARD_PLAN_LOAD;
    int32_t status = batches_shards(batches, plan);
    for (size_t i = 0; i < plan->move_count && !status; i++)
        status = batches_cut_move(batches, plan, &plan->moves[i]);
    if (status || batches->count == 0)
        return status;
    batches->states_size = batches->count;
    batches->states = reshard__mem_alloc(&batches->mem, batches->states_size);
    return batches->states ? RESHARD_OK : RESHARD_E_NOMEM;
}

int32_t reshard_batches_create(const struct reshard_plan *plan,
    const struct reshard_batch_limits *limits, const struct reshard_allocator *allocator,
    struct reshard_batches **batches_out)
{
    struct reshard__mem mem;
    struct reshard_batch_limits known;
    memset(&known, 0, sizeof known);
    if (!plan || !batches_out)
        return RESHARD_E_NULL;
    int32_t status = RESHARD_OK;
    if (limits)
        status = reshard__struct_import(&known, sizeof known, sizeof known, limits);
    if (!status && known.flags)
        status = RESHARD_E_FLAGS;
    if (!status)
        status = reshard__mem_import(&mem, allocator);
    if (status)
        return status;
    struct reshard_batches *batches = reshard__mem_alloc(&mem, sizeof *batches);
    if (!batches)
        return RESHARD_E_NOMEM;
    batches->mem = mem;
    batches->limits = known;
    status = batches_cut(batches, plan);
    if (status) {
        reshard_batches_destroy(batches);
        return status;
    }
    *batches_out = batches;
    return RESHARD_OK;
}

uint32_t reshard_batches_count(const struct reshard_batches *batches)
{
    return batches ? (uint32_t)batches->count : 0;
}

int32_t reshard_batches_at(
    const struct reshard_batches *batches, uint32_t index, struct reshard_move *move_out)
{
    if (!batches || !move_out)
        return RESHARD_E_NULL;
    if (index >= batches->count)
        return RESHARD_E_ARGUMENT;
    const struct reshard__plan_move *item = &batches->items[index];
    struct reshard_move view;
    memset(&view, 0, sizeof view);
    view.source = item->source;
    view.target = item->target;
    view.range_count = item->range_count;
    view.slot_count = item->slot_count;
    view.bytes = item->bytes;
    view.ranges = &batches->ranges[item->range_first];
    return reshard__struct_export(move_out, sizeof view, &view, sizeof view);
}

static uint8_t batch_state(const struct reshard_batches *batches, const struct reshard_map *map,
    const struct reshard__plan_move *item, bool migrations)
{
    uint32_t there = 0;
    uint32_t here = 0;
    for (uint32_t r = 0; r < item->range_count; r++) {
        const struct reshard_range *range = &batches->ranges[item->range_first + r];
        for (uint32_t slot = range->first; slot <= range->last; slot++) {
            if (migrations && reshard_map_slot_migration(map, slot))
                return BATCH_IN_FLIGHT;
            reshard_shard_id owner = reshard_map_slot_owner(map, slot);
            there += owner == item->target;
            here += owner == item->source;
        }
    }
    if (there == item->slot_count)
        return BATCH_DONE;
    return here == item->slot_count ? BATCH_PENDING : BATCH_OVERTAKEN;
}

static void next_open(struct reshard_batches *batches, const struct reshard_map *map)
{
    for (size_t i = 0; i < batches->shard_count; i++) {
        batches->shards[i].in = 0;
        batches->shards[i].out = 0;
        batches->shards[i].left = 0;
    }
    uint32_t count = reshard_map_migration_count(map);
    for (uint32_t i = 0; i < count; i++) {
        struct reshard_map_migration migration;
        memset(&migration, 0, sizeof migration);
        migration.struct_size = sizeof migration;
        int32_t status = reshard_map_migration_at(map, i, &migration);
        RESHARD_ASSERT(status == RESHARD_OK);
        struct batch_shard *source = batch_shard_find(batches, migration.source);
        struct batch_shard *target = batch_shard_find(batches, migration.target);
        if (source)
            source->out++;
        if (target)
            target->in++;
    }
}

/* Returns E_EMPTY, E_BUSY or E_PLAN as it would be without a batch to start; OK if one may be. */
static int32_t next_states(struct reshard_batches *batches, const struct reshard_map *map)
{
    bool migrations = reshard_map_migration_count(map) > 0;
    size_t counts[BATCH_OVERTAKEN + 1];
    memset(counts, 0, sizeof counts);
    for (size_t i = 0; i < batches->count; i++) {
        const struct reshard__plan_move *item = &batches->items[i];
        batches->states[i] = batch_state(batches, map, item, migrations);
        counts[batches->states[i]]++;
        if (batches->states[i] == BATCH_DONE || batches->states[i] == BATCH_OVERTAKEN)
            continue;
        uint64_t weight = item->bytes ? item->bytes : item->slot_count;
        batch_shard_find(batches, item->source)->left += weight;
        batch_shard_find(batches, item->target)->left += weight;
    }
    if (counts[BATCH_PENDING])
        return RESHARD_OK;
    if (counts[BATCH_IN_FLIGHT])
        return RESHARD_E_BUSY;
    return counts[BATCH_OVERTAKEN] ? RESHARD_E_PLAN : RESHARD_E_EMPTY;
}

static bool batch_allowed(
    const struct reshard_batches *batches, const struct reshard__plan_move *item)
{
    const struct reshard_batch_limits *limits = &batches->limits;
    const struct batch_shard *source = batch_shard_find(batches, item->source);
    const struct batch_shard *target = batch_shard_find(batches, item->target);
    if (limits->in_flight_out_max && source->out >= limits->in_flight_out_max)
        return false;
    return !limits->in_flight_in_max || target->in < limits->in_flight_in_max;
}

/* Bottleneck first: the shard that has most left decides how long the plan takes. */
static bool batch_before(const struct reshard_batches *batches,
    const struct reshard__plan_move *a, const struct reshard__plan_move *b)
{
    uint64_t a_source = batch_shard_find(batches, a->source)->left;
    uint64_t a_target = batch_shard_find(batches, a->target)->left;
    uint64_t b_source = batch_shard_find(batches, b->source)->left;
    uint64_t b_target = batch_shard_find(batches, b->target)->left;
    uint64_t a_most = a_source > a_target ? a_source : a_target;
    uint64_t b_most = b_source > b_target ? b_source : b_target;
    if (a_most != b_most)
        return a_most > b_most;
    uint64_t a_least = a_source > a_target ? a_target : a_source;
    uint64_t b_least = b_source > b_target ? b_target : b_source;
    return a_least > b_least;
}

static int32_t next_pick(const struct reshard_batches *batches, const uint8_t *skip,
    uint32_t *index_out)
{
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < batches->count; i++) {
        const struct reshard__plan_move *item = &batches->items[i];
        if (batches->states[i] != BATCH_PENDING || (skip && skip[i]) ||
            !batch_allowed(batches, item))
            continue;
        if (best == SIZE_MAX ||
            (!batches->ordered && batch_before(batches, item, &batches->items[best])))
            best = i;
    }
    if (best == SIZE_MAX)
        return RESHARD_E_BUSY;
    *index_out = (uint32_t)best;
    return RESHARD_OK;
}

static int32_t next_check(const struct reshard_batches *batches, const struct reshard_map *map,
    const uint8_t *skip, uint32_t skip_count)
{
    if (!batches || !map || (!skip && skip_count))
        return RESHARD_E_NULL;
    if (skip && skip_count != batches->count)
        return RESHARD_E_ARGUMENT;
    if (reshard_map_slot_count(map) != batches->slot_count)
        return RESHARD_E_SLOT_COUNT;
    return RESHARD_OK;
}

int32_t reshard_batches_next(struct reshard_batches *batches, const struct reshard_map *map,
    const uint8_t *skip, uint32_t skip_count, uint32_t *index_out)
{
    int32_t status = index_out ? next_check(batches, map, skip, skip_count) : RESHARD_E_NULL;
    if (status)
        return status;
    next_open(batches, map);
    status = next_states(batches, map);
    if (status)
        return status;
    uint32_t most = batches->limits.in_flight_max;
    bool full = most && reshard_map_migration_count(map) >= most;
    return full ? RESHARD_E_BUSY : next_pick(batches, skip, index_out);
}
