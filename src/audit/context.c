/* SPDX-License-Identifier: MIT */
/* Room audit: what all checks start from: who owns, who serves and what moves, slot by slot. */
#include "audit/audit.h"

#include <string.h>

static int32_t open_add(
    struct reshard__audit_context *context, const struct reshard__audit_open *open)
{
    int32_t status = reshard__mem_grow(&context->audit->mem, (void **)&context->opens,
        &context->open_capacity, sizeof *context->opens, context->open_count + 1);
    if (status)
        return status;
    size_t index = context->open_count++;
    while (index > 0 && context->opens[index - 1].migration > open->migration) {
        context->opens[index] = context->opens[index - 1];
        index--;
    }
    context->opens[index] = *open;
    return RESHARD_OK;
}

static struct reshard__audit_open *open_find(
    const struct reshard__audit_context *context, reshard_migration_id migration)
{
    size_t low = 0;
    size_t high = context->open_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (context->opens[middle].migration < migration)
            low = middle + 1;
        else
            high = middle;
    }
    return low < context->open_count && context->opens[low].migration == migration
        ? &context->opens[low]
        : NULL;
}

static int32_t opens_from_map(struct reshard__audit_context *context)
{
    uint32_t count = reshard_map_migration_count(context->map);
    for (uint32_t i = 0; i < count; i++) {
        struct reshard_map_migration migration = {.struct_size = sizeof migration};
        int32_t status = reshard_map_migration_at(context->map, i, &migration);
        RESHARD_ASSERT(status == RESHARD_OK);
        struct reshard__audit_open open = {.migration = migration.migration,
            .source = migration.source,
            .target = migration.target,
            .decision = migration.decision,
            .ranges = migration.ranges,
            .range_count = migration.range_count};
        status = open_add(context, &open);
        if (status)
            return status;
    }
    return RESHARD_OK;
}

static bool report_counts(
    const struct reshard__audit_context *context, const struct reshard_view_migration *report)
{
    return report->node == 0 || reshard__audit_reachable(context, report->node);
}

static int32_t opens_from_reports(struct reshard__audit_context *context)
{
    const struct reshard_audit *audit = context->audit;
    for (size_t i = 0; i < audit->report_count; i++) {
        const struct reshard_view_migration *report = &audit->reports[i];
        if (!report_counts(context, report) || open_find(context, report->migration))
            continue;
        struct reshard__audit_open open = {.migration = report->migration,
            .source = report->source,
            .target = report->target,
            .ranges = report->ranges,
            .range_count = report->range_count};
        int32_t status = open_add(context, &open);
        if (status)
            return status;
    }
    return RESHARD_OK;
}

/* The latest progress that anyone saw is the migration's. */
static void opens_age(struct reshard__audit_context *context)
{
    const struct reshard_audit *audit = context->audit;
    for (size_t i = 0; i < audit->report_count; i++) {
        const struct reshard_view_migration *report = &audit->reports[i];
        struct reshard__audit_open *open = open_find(context, report->migration);
        if (!open || !report_counts(context, report))
            continue;
        if (!open->reported || report->idle_ns < open->idle_ns) {
            open->idle_ns = report->idle_ns;
            open->phase = report->phase;
        }
        if (report->age_ns > open->age_ns)
            open->age_ns = report->age_ns;
        open->reported = true;
    }
}

static void nodes_fill(struct reshard__audit_context *context)
{
    const struct reshard_audit *audit = context->audit;
    for (size_t i = 0; i < audit->view_count; i++) {
        const struct reshard_view *view = &audit->views[i];
        struct reshard__audit_node *node = &context->nodes[i];
        struct reshard_map_node known = {.struct_size = sizeof known};
        node->reachable = (view->flags & RESHARD_VIEW_REACHABLE) != 0;
        node->shard = context->map ? 0 : view->shard;
        if (!context->map || reshard_map_node_find(context->map, view->node, &known))
            continue;
        node->known = true;
        node->shard = known.shard;
        node->primary =
            known.shard != 0 && reshard__audit_primary(context, known.shard) == view->node;
    }
}

static void reference_fill(struct reshard__audit_context *context)
{
    const struct reshard_audit *audit = context->audit;
    if (context->map) {
        context->version = reshard_map_version(context->map);
        int32_t status = reshard_map_digest(context->map, &context->digest);
        RESHARD_ASSERT(status == RESHARD_OK);
        return;
    }
    for (size_t i = 0; i < audit->view_count; i++) {
        const struct reshard_view *view = &audit->views[i];
        bool newer = view->map_version > context->version;
        bool first = view->map_version == context->version
            && !(context->digest.low | context->digest.high);
        if (context->nodes[i].reachable && (newer || first)) {
            context->version = view->map_version;
            context->digest = view->map_digest;
        }
    }
}

static void slots_fill_map(struct reshard__audit_context *context)
{
    uint32_t cursor = 0;
    struct reshard_range range;
    reshard_shard_id shard;
    while (reshard_map_owner_next(context->map, &cursor, &range, &shard) == RESHARD_OK)
        for (uint32_t slot = range.first; slot <= range.last; slot++)
            context->owner[slot] = shard;
}

static void slots_fill_moving(struct reshard__audit_context *context)
{
    for (size_t i = 0; i < context->open_count; i++)
        for (uint32_t k = 0; k < context->opens[i].range_count; k++)
            for (uint32_t slot = context->opens[i].ranges[k].first;
                 slot <= context->opens[i].ranges[k].last; slot++)
                context->moving[slot] = (uint32_t)i + 1;
}

static void slots_fill_claims(struct reshard__audit_context *context)
{
    const struct reshard_audit *audit = context->audit;
    for (size_t i = 0; i < audit->view_count; i++)
        for (uint32_t k = 0; k < audit->views[i].owned_count; k++)
            for (uint32_t slot = audit->views[i].owned[k].first;
                 slot <= audit->views[i].owned[k].last; slot++)
                if (!context->claim[slot] || reshard__audit_rightful(context, i, slot))
                    context->claim[slot] = (uint32_t)i + 1;
    if (context->map)
        return;
    for (uint32_t slot = 0; slot < context->slot_count; slot++)
        if (context->claim[slot])
            context->owner[slot] = context->nodes[context->claim[slot] - 1].shard;
}

int32_t reshard__audit_context_make(struct reshard__audit_context *context,
    const struct reshard_audit *audit, const struct reshard_map *map)
{
    const struct reshard__mem *mem = &audit->mem;
    *context = (struct reshard__audit_context){
        .audit = audit, .map = map, .slot_count = audit->slot_count};
    size_t size = audit->slot_count * sizeof *context->owner;
    context->owner = reshard__mem_alloc(mem, size);
    context->claim = reshard__mem_alloc(mem, size);
    context->moving = reshard__mem_alloc(mem, size);
    context->nodes = reshard__mem_alloc(mem, (audit->view_count + 1) * sizeof *context->nodes);
    int32_t status = context->owner && context->claim && context->moving && context->nodes
        ? RESHARD_OK
        : RESHARD_E_NOMEM;
    if (!status) {
        nodes_fill(context);
        status = map ? opens_from_map(context) : opens_from_reports(context);
    }
    if (status) {
        reshard__audit_context_free(context);
        return status;
    }
    opens_age(context);
    reference_fill(context);
    if (map)
        slots_fill_map(context);
    slots_fill_moving(context);
    slots_fill_claims(context);
    return RESHARD_OK;
}

void reshard__audit_context_free(struct reshard__audit_context *context)
{
    const struct reshard__mem *mem = &context->audit->mem;
    size_t size = context->slot_count * sizeof *context->owner;
    reshard__mem_free(mem, context->owner, size);
    reshard__mem_free(mem, context->claim, size);
    reshard__mem_free(mem, context->moving, size);
    reshard__mem_free(
        mem, context->nodes, (context->audit->view_count + 1) * sizeof *context->nodes);
    reshard__mem_free(mem, context->opens, context->open_capacity * sizeof *context->opens);
}

reshard_node_id reshard__audit_primary(
    const struct reshard__audit_context *context, reshard_shard_id shard)
{
    struct reshard_map_shard known = {.struct_size = sizeof known};
    if (!context->map || shard == 0 || reshard_map_shard_find(context->map, shard, &known))
        return 0;
    return known.primary;
}

bool reshard__audit_reachable(const struct reshard__audit_context *context, reshard_node_id node)
{
    ptrdiff_t view = reshard__audit_view_find(context->audit, node);
    return view >= 0 && context->nodes[view].reachable;
}

bool reshard__audit_rightful(
    const struct reshard__audit_context *context, size_t view, uint32_t slot)
{
    return context->nodes[view].primary && context->owner[slot] == context->nodes[view].shard;
}

bool reshard__audit_takes_part(
    const struct reshard__audit_context *context, size_t view, uint32_t slot)
{
    uint32_t moving = context->moving[slot];
    if (!moving || !context->nodes[view].shard)
        return false;
    const struct reshard__audit_open *open = &context->opens[moving - 1];
    return open->source == context->nodes[view].shard || open->target == context->nodes[view].shard;
}

bool reshard__audit_told(const struct reshard__audit_context *context, size_t view, uint32_t slot)
{
    const struct reshard_audit *audit = context->audit;
    reshard_node_id node = audit->views[view].node;
    size_t low = 0;
    size_t high = audit->report_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (audit->reports[middle].node < node)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < audit->report_count && audit->reports[low].node == node; low++)
        if (reshard__ranges_contain(
                audit->reports[low].ranges, audit->reports[low].range_count, slot))
            return true;
    return false;
}

uint64_t reshard__view_keys(const struct reshard_view *view, size_t index, uint32_t *slot_out)
{
    RESHARD_ASSERT(index < view->key_count_count);
    *slot_out = view->key_slots ? view->key_slots[index] : (uint32_t)index;
    return view->key_counts[index];
}
