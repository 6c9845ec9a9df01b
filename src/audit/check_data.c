/* SPDX-License-Identifier: MIT */
/* Room audit: data where it should not be, and migrations that are open, stuck or left over. */
#include "audit/audit.h"

/* Keys of a slot that nobody owns are no orphans: they say who should own it. */
bool reshard__audit_explained(const struct reshard__audit_context *context, const uint32_t *owner,
    size_t view, uint32_t slot)
{
    const struct reshard_view *told = &context->audit->views[view];
    return owner[slot] == 0 || owner[slot] == context->nodes[view].shard
        || reshard__ranges_contain(told->owned, told->owned_count, slot)
        || reshard__ranges_contain(told->quarantined, told->quarantined_count, slot)
        || reshard__audit_takes_part(context, view, slot)
        || reshard__audit_told(context, view, slot);
}

static int32_t check_orphans(
    const struct reshard__audit_context *context, size_t index, struct reshard__list *list)
{
    const struct reshard_view *view = &context->audit->views[index];
    struct reshard_finding finding = {.code = RESHARD_FINDING_ORPHAN,
        .node = view->node,
        .shard = context->nodes[index].shard};
    for (size_t i = 0; i < view->key_count_count; i++) {
        uint32_t slot;
        uint64_t keys = reshard__view_keys(view, i, &slot);
        if (keys == 0 || reshard__audit_explained(context, context->owner, index, slot))
            continue;
        int32_t status = reshard__list_add(list, &finding, slot, slot, keys);
        if (status)
            return status;
    }
    return RESHARD_OK;
}

static int32_t check_quarantine(
    const struct reshard__audit_context *context, size_t index, struct reshard__list *list)
{
    const struct reshard_view *view = &context->audit->views[index];
    struct reshard_finding finding = {.code = RESHARD_FINDING_QUARANTINE,
        .node = view->node,
        .shard = context->nodes[index].shard};
    for (uint32_t i = 0; i < view->quarantined_count; i++) {
        int32_t status = reshard__list_add(
            list, &finding, view->quarantined[i].first, view->quarantined[i].last, 0);
        if (status)
            return status;
    }
    for (size_t i = 0; i < view->key_count_count; i++) {
        uint32_t slot;
        uint64_t keys = reshard__view_keys(view, i, &slot);
        if (!reshard__ranges_contain(view->quarantined, view->quarantined_count, slot))
            continue;
        int32_t status = reshard__list_add(list, &finding, 1, 0, keys);
        if (status)
            return status;
    }
    return RESHARD_OK;
}

int32_t reshard__audit_check_data(
    const struct reshard__audit_context *context, struct reshard__list *list)
{
    for (size_t i = 0; i < context->audit->view_count; i++) {
        int32_t status = check_orphans(context, i, list);
        if (!status)
            status = check_quarantine(context, i, list);
        if (status)
            return status;
    }
    return RESHARD_OK;
}

static int32_t ranges_add(struct reshard__list *list, const struct reshard_finding *finding,
    const struct reshard_range *ranges, uint32_t range_count)
{
    for (uint32_t i = 0; i < range_count; i++) {
        int32_t status = reshard__list_add(list, finding, ranges[i].first, ranges[i].last, 0);
        if (status)
            return status;
    }
    return RESHARD_OK;
}

static bool is_open(
    const struct reshard__audit_context *context, const struct reshard_view_migration *report)
{
    struct reshard_map_migration migration = {.struct_size = sizeof migration};
    return !context->map
        || reshard_map_migration_find(context->map, report->migration, &migration) == RESHARD_OK;
}

/* A node whose map is behind will learn how the migration ended; that is reported as BEHIND. */
static int32_t check_leftovers(
    const struct reshard__audit_context *context, struct reshard__list *list)
{
    const struct reshard_audit *audit = context->audit;
    for (size_t i = 0; i < audit->report_count; i++) {
        const struct reshard_view_migration *report = &audit->reports[i];
        ptrdiff_t view = reshard__audit_view_find(audit, report->node);
        bool current = view >= 0 && context->nodes[view].reachable
            && audit->views[view].map_version >= context->version;
        if (!current || is_open(context, report))
            continue;
        struct reshard_finding finding = {.code = RESHARD_FINDING_MIGRATION_LEFTOVER,
            .node = report->node,
            .migration = report->migration,
            .shard = report->source,
            .other_shard = report->target};
        int32_t status = ranges_add(list, &finding, report->ranges, report->range_count);
        if (status)
            return status;
    }
    return RESHARD_OK;
}

int32_t reshard__audit_check_migrations(
    const struct reshard__audit_context *context, struct reshard__list *list)
{
    for (size_t i = 0; i < context->open_count; i++) {
        const struct reshard__audit_open *open = &context->opens[i];
        bool stuck = open->reported && open->idle_ns > context->audit->stuck_ns;
        struct reshard_finding finding = {
            .code = stuck ? RESHARD_FINDING_MIGRATION_STUCK : RESHARD_FINDING_MIGRATION_OPEN,
            .migration = open->migration,
            .shard = open->source,
            .other_shard = open->target,
            .phase = open->phase,
            .age_ns = open->age_ns,
            .idle_ns = open->idle_ns};
        int32_t status = ranges_add(list, &finding, open->ranges, open->range_count);
        if (status)
            return status;
    }
    return check_leftovers(context, list);
}
