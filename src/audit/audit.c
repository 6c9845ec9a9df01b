/* SPDX-License-Identifier: MIT */
/* Room audit: the object: what was told, and the findings of the last run. */
#include "audit/audit.h"

#include <string.h>

void reshard_audit_config_init(struct reshard_audit_config *config)
{
    *config = (struct reshard_audit_config){.struct_size = sizeof *config,
        .slot_count = RESHARD_SLOT_COUNT_DEFAULT,
        .imbalance_permille = 20,
        .stuck_ns = UINT64_C(60000000000)};
}

void reshard_view_init(struct reshard_view *view)
{
    *view = (struct reshard_view){.struct_size = sizeof *view};
}

void reshard_view_migration_init(struct reshard_view_migration *migration)
{
    *migration = (struct reshard_view_migration){.struct_size = sizeof *migration};
}

void reshard_finding_init(struct reshard_finding *finding)
{
    *finding = (struct reshard_finding){.struct_size = sizeof *finding};
}

static int32_t config_check(const struct reshard_audit_config *config)
{
    if (config->flags)
        return RESHARD_E_FLAGS;
    if (config->slot_count == 0 || config->slot_count > RESHARD_SLOT_COUNT_MAX)
        return RESHARD_E_SLOT_COUNT;
    if (config->imbalance_permille > 1000000
        && config->imbalance_permille != RESHARD_AUDIT_BALANCE_IGNORED)
        return RESHARD_E_ARGUMENT;
    return RESHARD_OK;
}

int32_t reshard_audit_create(
    const struct reshard_audit_config *config, struct reshard_audit **audit_out)
{
    struct reshard_audit_config known;
    struct reshard__mem mem;
    if (!audit_out)
        return RESHARD_E_NULL;
    int32_t status = reshard__struct_import(&known, sizeof known, sizeof known, config);
    if (!status)
        status = config_check(&known);
    if (!status)
        status = reshard__mem_import(&mem, known.allocator);
    if (status)
        return status;
    struct reshard_audit *audit = reshard__mem_alloc(&mem, sizeof *audit);
    if (!audit)
        return RESHARD_E_NOMEM;
    audit->mem = mem;
    audit->slot_count = known.slot_count;
    audit->imbalance_permille = known.imbalance_permille;
    audit->stuck_ns = known.stuck_ns;
    audit->findings.mem = &audit->mem;
    *audit_out = audit;
    return RESHARD_OK;
}

void reshard_audit_destroy(struct reshard_audit *audit)
{
    if (!audit)
        return;
    struct reshard__mem mem = audit->mem;
    reshard__list_free(&audit->findings);
    reshard__mem_free(&mem, audit->views, audit->view_capacity * sizeof *audit->views);
    reshard__mem_free(&mem, audit->reports, audit->report_capacity * sizeof *audit->reports);
    reshard__mem_free(&mem, audit, sizeof *audit);
}

/* Position of the first view whose node is not below. */
static size_t view_lower_bound(const struct reshard_audit *audit, reshard_node_id node)
{
    size_t low = 0;
    size_t high = audit->view_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (audit->views[middle].node < node)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

ptrdiff_t reshard__audit_view_find(const struct reshard_audit *audit, reshard_node_id node)
{
    size_t index = view_lower_bound(audit, node);
    bool found = index < audit->view_count && audit->views[index].node == node;
    return found ? (ptrdiff_t)index : -1;
}

static int32_t keys_check(const struct reshard_view *view, uint32_t slot_count)
{
    if (!view->key_counts)
        return view->key_count_count || view->key_slots ? RESHARD_E_NULL : RESHARD_OK;
    if (!view->key_slots)
        return view->key_count_count == slot_count ? RESHARD_OK : RESHARD_E_ARGUMENT;
    for (uint32_t i = 0; i < view->key_count_count; i++) {
        if (view->key_slots[i] >= slot_count)
            return RESHARD_E_SLOT;
        if (i > 0 && view->key_slots[i] <= view->key_slots[i - 1])
            return RESHARD_E_OVERLAP;
    }
    return RESHARD_OK;
}

static int32_t view_check(const struct reshard_view *view, uint32_t slot_count)
{
    if (view->flags & ~(uint32_t)RESHARD_VIEW_REACHABLE)
        return RESHARD_E_FLAGS;
    if (view->node == 0)
        return RESHARD_E_NODE;
    if (!view->flags)
        return RESHARD_OK;
    if (view->role > RESHARD_ROLE_REPLICA || view->reserved)
        return RESHARD_E_ARGUMENT;
    int32_t status = reshard__ranges_check(view->owned, view->owned_count, slot_count, NULL);
    if (!status)
        status =
            reshard__ranges_check(view->quarantined, view->quarantined_count, slot_count, NULL);
    if (!status)
        status = keys_check(view, slot_count);
    return status;
}

int32_t reshard_audit_add_view(struct reshard_audit *audit, const struct reshard_view *view)
{
    struct reshard_view known;
    if (!audit)
        return RESHARD_E_NULL;
    int32_t status = reshard__struct_import(&known, sizeof known, sizeof known, view);
    if (!status)
        status = view_check(&known, audit->slot_count);
    if (status)
        return status;
    if (!known.flags)
        known = (struct reshard_view){.struct_size = sizeof known, .node = known.node};
    size_t index = view_lower_bound(audit, known.node);
    if (index < audit->view_count && audit->views[index].node == known.node)
        return RESHARD_E_EXISTS;
    if (audit->view_count >= UINT32_MAX - 1)
        return RESHARD_E_LIMIT;
    status = reshard__mem_grow(&audit->mem, (void **)&audit->views, &audit->view_capacity,
        sizeof *audit->views, audit->view_count + 1);
    if (status)
        return status;
    memmove(&audit->views[index + 1], &audit->views[index],
        (audit->view_count - index) * sizeof *audit->views);
    audit->views[index] = known;
    audit->view_count++;
    return RESHARD_OK;
}

static int32_t report_check(
    const struct reshard_audit *audit, const struct reshard_view_migration *report)
{
    if (report->node != 0 && reshard__audit_view_find(audit, report->node) < 0)
        return RESHARD_E_NODE;
    if (report->migration == 0)
        return RESHARD_E_MIGRATION;
    if (report->source == 0 || report->target == 0 || report->source == report->target)
        return RESHARD_E_SHARD;
    if (report->reserved || report->range_count == 0)
        return RESHARD_E_ARGUMENT;
    return reshard__ranges_check(report->ranges, report->range_count, audit->slot_count, NULL);
}

static bool report_below(
    const struct reshard_view_migration *a, const struct reshard_view_migration *b)
{
    return a->node != b->node ? a->node < b->node : a->migration < b->migration;
}

int32_t reshard_audit_add_migration(
    struct reshard_audit *audit, const struct reshard_view_migration *migration)
{
    struct reshard_view_migration known;
    if (!audit)
        return RESHARD_E_NULL;
    int32_t status = reshard__struct_import(&known, sizeof known, sizeof known, migration);
    if (!status)
        status = report_check(audit, &known);
    if (status)
        return status;
    size_t index = audit->report_count;
    while (index > 0 && report_below(&known, &audit->reports[index - 1]))
        index--;
    if (index > 0 && !report_below(&audit->reports[index - 1], &known))
        return RESHARD_E_EXISTS;
    status = reshard__mem_grow(&audit->mem, (void **)&audit->reports, &audit->report_capacity,
        sizeof *audit->reports, audit->report_count + 1);
    if (status)
        return status;
    memmove(&audit->reports[index + 1], &audit->reports[index],
        (audit->report_count - index) * sizeof *audit->reports);
    audit->reports[index] = known;
    audit->report_count++;
    return RESHARD_OK;
}

static int32_t checks_run(const struct reshard__audit_context *context, struct reshard__list *list)
{
    int32_t status = reshard__audit_check_nodes(context, list);
    if (!status)
        status = reshard__audit_check_slots(context, list);
    if (!status)
        status = reshard__audit_check_data(context, list);
    if (!status)
        status = reshard__audit_check_migrations(context, list);
    if (!status)
        status = reshard__audit_check_balance(context, list);
    if (!status)
        status = reshard__list_finish(list);
    return status;
}

int32_t reshard_audit_run(struct reshard_audit *audit, const struct reshard_map *map)
{
    struct reshard__audit_context context;
    if (!audit)
        return RESHARD_E_NULL;
    if (map && reshard_map_slot_count(map) != audit->slot_count)
        return RESHARD_E_SLOT_COUNT;
    int32_t status = reshard__audit_context_make(&context, audit, map);
    if (status)
        return status;
    struct reshard__list list = {.mem = &audit->mem};
    status = checks_run(&context, &list);
    if (status) {
        reshard__list_free(&list);
    } else {
        reshard__list_free(&audit->findings);
        audit->findings = list;
        audit->has_run = true;
        audit->has_map = map != NULL;
        audit->map_version = context.version;
        audit->map_digest = context.digest;
    }
    reshard__audit_context_free(&context);
    return status;
}

uint32_t reshard_audit_finding_count(const struct reshard_audit *audit)
{
    return audit ? (uint32_t)audit->findings.segment_count : 0;
}

int32_t reshard_audit_finding_at(
    const struct reshard_audit *audit, uint32_t index, struct reshard_finding *finding_out)
{
    if (!audit || !finding_out)
        return RESHARD_E_NULL;
    if (index >= audit->findings.segment_count)
        return RESHARD_E_ARGUMENT;
    struct reshard_finding finding = reshard__list_at(&audit->findings, index);
    finding.severity = reshard__audit_severity(&finding);
    return reshard__struct_export(finding_out, sizeof finding, &finding, sizeof finding);
}
