/* SPDX-License-Identifier: MIT */
/* Room plan: reshard_plan_load: the request checked and scaled to integers, the steps of the
 * search (search.c) grouped into moves. Reads the map. */
#include "plan/load.h"

#include <string.h>

enum {
    LOAD_BITS = 43,      /* a dimension's sum */
    COST_BITS = 20,      /* a slot's bytes */
    TOLERANCE_DEFAULT = 10, /* permille */
    TOLERANCE_MAX = 1000
};

void reshard_load_request_init(struct reshard_load_request *request)
{
    memset(request, 0, sizeof *request);
    request->struct_size = sizeof *request;
    request->bytes_max = UINT64_MAX;
}

static size_t load_cells(const struct reshard__load *load)
{
    size_t shards = load->view->shard_count ? load->view->shard_count : 1;
    return shards * load->dimension_count;
}

static size_t load_slots_size(const struct reshard__load *load)
{
    return load->view->slot_count * sizeof(uint32_t);
}

void reshard__load_close(struct reshard__load *load)
{
    struct reshard__plan_view *view = load->view;
    size_t cells_size = load_cells(load) * sizeof(uint64_t);
    size_t values_size = (size_t)view->slot_count * load->dimension_count * sizeof(uint64_t);
    reshard__plan_pieces_free(&view->mem, &load->pieces);
    reshard__mem_free(&view->mem, load->values, values_size);
    reshard__mem_free(&view->mem, load->costs, load_slots_size(load));
    reshard__mem_free(&view->mem, load->list, load_slots_size(load));
    reshard__mem_free(&view->mem, load->loads, cells_size);
    reshard__mem_free(&view->mem, load->shares, cells_size);
    reshard__mem_free(&view->mem, load->limits, cells_size);
    reshard__plan_view_drop(view, load->ratios, sizeof *load->ratios);
    reshard__plan_view_drop(view, load->closed, sizeof *load->closed);
    reshard__plan_view_drop(view, load->stuck, sizeof *load->stuck);
    reshard__plan_view_drop(view, load->starts, sizeof *load->starts);
    reshard__plan_view_drop(view, load->counts, sizeof *load->counts);
}

static int32_t load_alloc(struct reshard__load *load)
{
    struct reshard__plan_view *view = load->view;
    size_t cells_size = load_cells(load) * sizeof(uint64_t);
    size_t values_size = (size_t)view->slot_count * load->dimension_count * sizeof(uint64_t);
    load->values = reshard__mem_alloc(&view->mem, values_size);
    load->costs = reshard__mem_alloc(&view->mem, load_slots_size(load));
    load->list = reshard__mem_alloc(&view->mem, load_slots_size(load));
    load->loads = reshard__mem_alloc(&view->mem, cells_size);
    load->shares = reshard__mem_alloc(&view->mem, cells_size);
    load->limits = reshard__mem_alloc(&view->mem, cells_size);
    load->ratios = reshard__plan_view_u64(view);
    load->closed = reshard__plan_view_u32(view);
    load->stuck = reshard__plan_view_u32(view);
    load->starts = reshard__plan_view_u32(view);
    load->counts = reshard__plan_view_u32(view);
    const void *all[] = {load->values, load->costs, load->list, load->loads, load->shares,
        load->limits, load->ratios, load->closed, load->stuck, load->starts, load->counts};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!all[i])
            return RESHARD_E_NOMEM;
    return RESHARD_OK;
}

/* Bring one dimension to LOAD_BITS: shifted, so that ratios of loads stay what they are. */
static int32_t load_dimension(
    struct reshard__load *load, const uint64_t *loads, uint32_t dimension, uint64_t *total_out)
{
    const struct reshard__plan_view *view = load->view;
    uint64_t sum = 0;
    for (uint32_t slot = 0; slot < view->slot_count; slot++)
        if (!reshard__add_u64(sum, loads[slot], &sum))
            return RESHARD_E_OVERFLOW;
    unsigned right = 0;
    unsigned left = 0;
    while (sum >> right >= UINT64_C(1) << LOAD_BITS)
        right++;
    while (sum && sum << left < UINT64_C(1) << (LOAD_BITS - 1))
        left++;
    *total_out = 0;
    for (uint32_t slot = 0; slot < view->slot_count; slot++) {
        uint64_t value = loads[slot] >> right << left;
        load->values[(size_t)slot * load->dimension_count + dimension] = value;
        uint32_t owner = reshard__plan_view_owner(view, slot);
        if (owner == RESHARD__PLAN_NONE)
            continue;
        load->loads[(size_t)owner * load->dimension_count + dimension] += value;
        *total_out += value;
    }
    return RESHARD_OK;
}

/* A dimension's total, shared out in proportion to the scaled capacities. */
static void load_share_out(struct reshard__load *load, const uint64_t *scaled, uint32_t dimension,
    uint64_t total, uint32_t tolerance_permille)
{
    const struct reshard__plan_view *view = load->view;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < view->shard_count; i++)
        sum += load->closed[i] ? 0 : scaled[i];
    for (uint32_t i = 0; i < view->shard_count; i++) {
        size_t cell = (size_t)i * load->dimension_count + dimension;
        uint64_t share = load->closed[i] ? 0 : reshard__mul_div(total, scaled[i], sum);
        load->shares[cell] = share ? share : 1;
        load->limits[cell] = load->shares[cell] + load->shares[cell] * tolerance_permille / 1000;
    }
}

static int32_t load_shares(struct reshard__load *load, const struct reshard_load_request *request,
    uint32_t dimension, uint64_t total)
{
    const struct reshard__plan_view *view = load->view;
    const double *capacities = view->weights;
    if (request->capacities)
        capacities = request->capacities + (size_t)dimension * view->shard_count;
    uint32_t permille =
        request->tolerance_permille ? request->tolerance_permille : TOLERANCE_DEFAULT;
    uint64_t *scaled = reshard__plan_view_u64(view);
    if (!scaled)
        return RESHARD_E_NOMEM;
    int32_t status = reshard__weights_scale(capacities, view->shard_count, scaled);
    if (!status)
        load_share_out(load, scaled, dimension, total, permille);
    reshard__plan_view_drop(view, scaled, sizeof *scaled);
    return status;
}

static void load_costs(struct reshard__load *load)
{
    uint32_t slots = load->view->slot_count;
    uint64_t largest = 0;
    uint64_t sum = 0;
    for (uint32_t slot = 0; slot < slots; slot++)
        largest = load->slot_bytes[slot] > largest ? load->slot_bytes[slot] : largest;
    unsigned right = 0;
    while (largest >> right >> COST_BITS)
        right++;
    for (uint32_t slot = 0; slot < slots; slot++)
        sum += load->slot_bytes[slot] >> right;
    for (uint32_t slot = 0; slot < slots; slot++)
        load->costs[slot] = (uint32_t)((load->slot_bytes[slot] >> right) + sum / slots + 1);
}

static void load_lists(struct reshard__load *load)
{
    const struct reshard__plan_view *view = load->view;
    uint32_t sum = 0;
    for (uint32_t i = 0; i < view->shard_count; i++) {
        load->starts[i] = sum;
        sum += view->movable[i];
    }
    for (uint32_t slot = 0; slot < view->slot_count; slot++) {
        uint32_t owner = view->slots[slot];
        if (owner < view->shard_count)
            load->list[load->starts[owner] + load->counts[owner]++] = slot;
    }
}

static void load_rate(struct reshard__load *load, uint32_t shard)
{
    uint64_t worst = 0;
    size_t cell = (size_t)shard * load->dimension_count;
    for (uint32_t d = 0; d < load->dimension_count; d++, cell++) {
        uint64_t ratio = load->loads[cell] * RESHARD__LOAD_ONE / load->shares[cell];
        worst = ratio > worst ? ratio : worst;
    }
    load->ratios[shard] = worst;
}

void reshard__load_shift(
    struct reshard__load *load, uint32_t slot, uint32_t source, uint32_t target)
{
    const uint64_t *values = &load->values[(size_t)slot * load->dimension_count];
    for (uint32_t d = 0; d < load->dimension_count; d++) {
        load->loads[(size_t)source * load->dimension_count + d] -= values[d];
        load->loads[(size_t)target * load->dimension_count + d] += values[d];
    }
    load_rate(load, source);
    load_rate(load, target);
}

uint64_t reshard__load_worst(const struct reshard__load *load)
{
    uint64_t worst = 0;
    for (uint32_t i = 0; i < load->view->shard_count; i++)
        worst = load->ratios[i] > worst ? load->ratios[i] : worst;
    return worst;
}

static int32_t load_check(
    const struct reshard__plan_view *view, const struct reshard_load_request *request)
{
    uint64_t dimensions = request->dimension_count;
    if (request->flags & ~(uint32_t)RESHARD_REBALANCE_EMPTY_SHARDS)
        return RESHARD_E_FLAGS;
    if (dimensions == 0 || dimensions > RESHARD_PLAN_DIMENSION_COUNT_MAX)
        return RESHARD_E_ARGUMENT;
    if (request->reserved || request->tolerance_permille > TOLERANCE_MAX)
        return RESHARD_E_ARGUMENT;
    if (!request->loads)
        return RESHARD_E_NULL;
    return request->load_count == dimensions * view->slot_count ? RESHARD_OK : RESHARD_E_ARGUMENT;
}

static int32_t load_check_capacities(
    const struct reshard__plan_view *view, const struct reshard_load_request *request)
{
    if (!request->capacities)
        return request->capacity_count ? RESHARD_E_NULL : RESHARD_OK;
    uint64_t count = (uint64_t)request->dimension_count * view->shard_count;
    return request->capacity_count == count ? RESHARD_OK : RESHARD_E_ARGUMENT;
}

static int32_t load_scale(struct reshard__load *load, const struct reshard_load_request *request)
{
    const struct reshard__plan_view *view = load->view;
    bool open = (request->flags & RESHARD_REBALANCE_EMPTY_SHARDS) != 0;
    int32_t status = load_alloc(load);
    if (status)
        return status;
    for (uint32_t i = 0; i < view->shard_count; i++)
        load->closed[i] = view->have[i] == 0 && !open;
    for (uint32_t d = 0; d < load->dimension_count && !status; d++) {
        uint64_t total;
        status = load_dimension(load, request->loads + (size_t)d * view->slot_count, d, &total);
        if (!status)
            status = load_shares(load, request, d, total);
    }
    return status;
}

int32_t reshard__load_open(struct reshard__load *load, struct reshard__plan_view *view,
    const struct reshard_load_request *request)
{
    load->view = view;
    int32_t status = load_check(view, request);
    if (!status)
        status = load_check_capacities(view, request);
    if (!status)
        status = reshard__plan_view_bytes(view, request->slot_bytes, request->slot_bytes_count);
    if (status)
        return status;
    load->dimension_count = request->dimension_count;
    load->slot_bytes = request->slot_bytes ? request->slot_bytes : request->loads;
    load->bytes_left = request->bytes_max;
    status = load_scale(load, request);
    if (status)
        return status;
    load_costs(load);
    load_lists(load);
    for (uint32_t i = 0; i < view->shard_count; i++)
        load_rate(load, i);
    return RESHARD_OK;
}

/* Carry out the steps again from the start, a group at a time when `grouped` (pieces are sorted by
 * group), and say whether the worst overload ever rises. Leaves the loads at the end. */
static bool load_replay(struct reshard__load *load)
{
    const struct reshard__plan_pieces *pieces = &load->pieces;
    for (size_t i = pieces->count; i > 0; i--)
        reshard__load_shift(load, pieces->items[i - 1].first, pieces->items[i - 1].target,
            pieces->items[i - 1].source);
    uint64_t worst = reshard__load_worst(load);
    bool falls = true;
    for (size_t i = 0; i < pieces->count; i++) {
        const struct reshard__plan_piece *piece = &pieces->items[i];
        reshard__load_shift(load, piece->first, piece->source, piece->target);
        if (i + 1 < pieces->count && piece[1].group == piece->group)
            continue;
        uint64_t now = reshard__load_worst(load);
        falls = falls && now <= worst;
        worst = now;
    }
    return falls;
}

/* One move per (source, target) reads and runs best. Where that order would let the worst overload
 * rise on the way, the order of the search stays, which never does. */
static int32_t load_group(struct reshard__load *load)
{
    struct reshard__plan_pieces *pieces = &load->pieces;
    const struct reshard__mem *mem = &load->view->mem;
    size_t size = pieces->count * sizeof *pieces->items;
    if (size == 0)
        return RESHARD_OK;
    struct reshard__plan_piece *steps = reshard__mem_alloc(mem, size);
    if (!steps)
        return RESHARD_E_NOMEM;
    memcpy(steps, pieces->items, size);
    int32_t status = reshard__plan_pieces_group(mem, pieces);
    if (!status)
        status = reshard__plan_pieces_sort(mem, pieces);
    if (!status && !load_replay(load)) {
        memcpy(pieces->items, steps, size);
        for (size_t i = 1; i < pieces->count; i++) {
            struct reshard__plan_piece *piece = &pieces->items[i];
            bool same = piece->source == piece[-1].source && piece->target == piece[-1].target;
            piece->group = piece[-1].group + !same;
        }
    }
    reshard__mem_free(mem, steps, size);
    return status;
}

static int32_t load_run(struct reshard__load *load, const struct reshard_load_request *request,
    struct reshard_plan **plan_out)
{
    struct reshard__plan_view *view = load->view;
    struct reshard_plan_totals totals;
    memset(&totals, 0, sizeof totals);
    int32_t status = reshard__load_open(load, view, request);
    if (status)
        return status;
    totals.kind = RESHARD_PLAN_LOAD;
    totals.ranges_before = reshard__plan_view_ranges(view);
    totals.overload_before = reshard__load_worst(load);
    status = reshard__load_search(load);
    totals.overload_after = reshard__load_worst(load);
    if (!status)
        status = load_group(load);
    if (status)
        return status;
    for (size_t i = 0; i < load->pieces.count; i++)
        view->slots[load->pieces.items[i].first] = load->pieces.items[i].target;
    totals.ranges_after = reshard__plan_view_ranges(view);
    return reshard__plan_build(view, &load->pieces, load->slot_bytes, &totals, plan_out);
}

int32_t reshard_plan_load(const struct reshard_map *map,
    const struct reshard_load_request *request, const struct reshard_allocator *allocator,
    struct reshard_plan **plan_out)
{
    struct reshard_load_request known;
    struct reshard__plan_view view;
    struct reshard__load load;
    if (!map || !request || !plan_out)
        return RESHARD_E_NULL;
    int32_t status = reshard__struct_import(&known, sizeof known, sizeof known, request);
    if (!status)
        status = reshard__plan_view_load(&view, map, allocator);
    if (status)
        return status;
    memset(&load, 0, sizeof load);
    load.view = &view;
    status = load_run(&load, &known, plan_out);
    reshard__load_close(&load);
    reshard__plan_view_free(&view);
    return status;
}
