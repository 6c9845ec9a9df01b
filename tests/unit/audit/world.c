/* SPDX-License-Identifier: MIT */
/* Room audit, tests: the small cluster. */
#include "world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

void world_change(struct world *world, const struct reshard_change *change)
{
    int32_t status = reshard_map_apply(world->map, change);
    cr_assert_eq(status, RESHARD_OK, "change %u: %s", change->kind, reshard_strname(status));
}

void world_change_slots(
    struct world *world, uint32_t kind, reshard_shard_id shard, uint32_t first, uint32_t last)
{
    struct reshard_range range = {first, last};
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = kind;
    change.shard = shard;
    change.ranges = &range;
    change.range_count = 1;
    world_change(world, &change);
}

static void add_shard(struct world *world, reshard_shard_id shard)
{
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_PUT;
    change.shard = shard;
    change.weight = 1.0;
    world_change(world, &change);
    for (uint32_t i = 0; i < 2; i++) {
        reshard_change_init(&change);
        change.kind = RESHARD_CHANGE_NODE_PUT;
        change.node = 10 * shard + i;
        change.shard = shard;
        change.role = RESHARD_ROLE_REPLICA;
        change.name = change.address = i ? "replica" : "primary";
        change.name_size = change.address_size = 7;
        world_change(world, &change);
        struct world_node *node = &world->nodes[world->node_count++];
        node->id = change.node;
        node->shard = shard;
        node->role = i ? RESHARD_ROLE_REPLICA : RESHARD_ROLE_PRIMARY;
        node->reachable = true;
    }
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_PRIMARY;
    change.shard = shard;
    change.node = 10 * shard;
    world_change(world, &change);
}

void world_make(struct world *world, uint32_t shard_count)
{
    memset(world, 0, sizeof *world);
    world->shard_count = shard_count;
    cr_assert_eq(reshard_map_create(WORLD_SLOTS, NULL, &world->map), RESHARD_OK);
    for (uint32_t shard = 1; shard <= shard_count; shard++)
        add_shard(world, shard);
    for (uint32_t shard = 1; shard <= shard_count; shard++) {
        uint32_t first = (shard - 1) * WORLD_SLOTS / shard_count;
        uint32_t last = shard * WORLD_SLOTS / shard_count - 1;
        world_change_slots(world, RESHARD_CHANGE_ASSIGN, shard, first, last);
        for (uint32_t slot = first; slot <= last; slot++) {
            world_node(world, 10 * shard)->owned[slot] = true;
            world_node(world, 10 * shard)->keys[slot] = 5;
            world_node(world, 10 * shard + 1)->keys[slot] = 5;
        }
    }
    world_sync(world);
}

void world_free(struct world *world)
{
    reshard_map_destroy(world->map);
}

void world_sync(struct world *world)
{
    for (uint32_t i = 0; i < world->node_count; i++) {
        world->nodes[i].version = reshard_map_version(world->map);
        reshard_map_digest(world->map, &world->nodes[i].digest);
    }
}

struct world_node *world_node(struct world *world, reshard_node_id id)
{
    for (uint32_t i = 0; i < world->node_count; i++)
        if (world->nodes[i].id == id)
            return &world->nodes[i];
    return NULL;
}

struct world_node *world_stranger(struct world *world, reshard_node_id id)
{
    struct world_node *node = &world->nodes[world->node_count++];
    node->id = id;
    node->reachable = true;
    node->version = reshard_map_version(world->map);
    return node;
}

void world_report(struct world *world, reshard_node_id node, reshard_migration_id migration,
    reshard_shard_id source, reshard_shard_id target, uint32_t first, uint32_t last,
    uint64_t idle_ns)
{
    uint32_t index = world->report_count++;
    struct reshard_view_migration *report = &world->reports[index];
    reshard_view_migration_init(report);
    world->report_ranges[index] = (struct reshard_range){first, last};
    report->node = node;
    report->migration = migration;
    report->source = source;
    report->target = target;
    report->phase = 3;
    report->age_ns = idle_ns + 7;
    report->idle_ns = idle_ns;
    report->ranges = &world->report_ranges[index];
    report->range_count = 1;
}

reshard_migration_id world_open(struct world *world, reshard_shard_id source,
    reshard_shard_id target, uint32_t first, uint32_t last, uint64_t idle_ns)
{
    struct reshard_range range = {first, last};
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_MIGRATION_OPEN;
    change.migration = reshard_map_last_migration(world->map) + 1;
    change.source = source;
    change.target = target;
    change.mode = RESHARD_MODE_SNAPSHOT;
    change.ranges = &range;
    change.range_count = 1;
    world_change(world, &change);
    world_report(world, 0, change.migration, source, target, first, last, idle_ns + 2);
    world_report(world, 10 * source, change.migration, source, target, first, last, idle_ns);
    world_report(world, 10 * target, change.migration, source, target, first, last, idle_ns + 1);
    for (uint32_t slot = first; slot <= last; slot++)
        world_node(world, 10 * target)->keys[slot] = 2; /* staged */
    world_sync(world);
    return change.migration;
}

static void forget_reports(
    struct world *world, reshard_migration_id migration, reshard_node_id node)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < world->report_count; i++) {
        struct reshard_view_migration *report = &world->reports[i];
        if (report->migration == migration && (!node || report->node == node))
            continue;
        world->report_ranges[kept] = world->report_ranges[i];
        world->reports[kept] = *report;
        world->reports[kept].ranges = &world->report_ranges[kept];
        kept++;
    }
    world->report_count = kept;
}

/* The slot's data and its serving go where the map has it; nobody keeps anything else of it. */
static void settle(struct world *world, uint32_t slot)
{
    reshard_shard_id owner = reshard_map_slot_owner(world->map, slot);
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct world_node *node = &world->nodes[i];
        if (node->quarantined[slot])
            continue;
        node->owned[slot] = node->shard == owner && node->role == RESHARD_ROLE_PRIMARY;
        node->keys[slot] = node->shard == owner ? 5 : 0;
    }
}

void world_finish(struct world *world, reshard_migration_id migration, bool commit)
{
    struct reshard_map_migration open = {.struct_size = sizeof open};
    cr_assert_eq(reshard_map_migration_find(world->map, migration, &open), RESHARD_OK);
    struct reshard_range range = open.ranges[0];
    cr_assert_eq(open.range_count, 1);
    struct reshard_map_shard source = {.struct_size = sizeof source};
    struct reshard_map_shard target = source;
    reshard_map_shard_find(world->map, open.source, &source);
    reshard_map_shard_find(world->map, open.target, &target);
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = commit ? RESHARD_CHANGE_MIGRATION_COMMIT : RESHARD_CHANGE_MIGRATION_ABORT;
    change.migration = migration;
    if (commit) {
        change.attempt = 1;
        change.source_epoch = source.epoch;
        change.target_epoch = target.epoch;
    }
    world_change(world, &change);
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_MIGRATION_END;
    change.migration = migration;
    world_change(world, &change);
    forget_reports(world, migration, 0);
    for (uint32_t slot = range.first; slot <= range.last; slot++)
        settle(world, slot);
    world_sync(world);
}

static uint32_t ranges_of(const bool *slots, struct reshard_range *ranges)
{
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < WORLD_SLOTS; slot++) {
        if (!slots[slot])
            continue;
        if (slot > 0 && slots[slot - 1])
            ranges[count - 1].last = slot;
        else
            ranges[count++] = (struct reshard_range){slot, slot};
    }
    return count;
}

static void fill_keys(struct world *world, uint32_t index, struct reshard_view *view)
{
    const struct world_node *node = &world->nodes[index];
    uint32_t count = 0;
    if (!world->sparse) {
        view->key_counts = node->keys;
        view->key_count_count = WORLD_SLOTS;
        return;
    }
    for (uint32_t slot = 0; slot < WORLD_SLOTS; slot++) {
        if (node->keys[slot] == 0)
            continue;
        world->key_slots[index][count] = slot;
        world->key_counts[index][count++] = node->keys[slot];
    }
    view->key_slots = world->key_slots[index];
    view->key_counts = world->key_counts[index];
    view->key_count_count = count;
}

int32_t world_tell(struct world *world, struct reshard_audit *audit)
{
    /* Backwards, so that the audit has to sort. */
    for (uint32_t i = world->node_count; i-- > 0;) {
        struct world_node *node = &world->nodes[i];
        struct reshard_view view;
        reshard_view_init(&view);
        view.flags = node->reachable ? RESHARD_VIEW_REACHABLE : 0;
        view.node = node->id;
        view.shard = node->shard;
        view.role = node->role;
        view.map_version = node->version;
        view.map_digest = node->digest;
        view.owned = node->owned_ranges;
        view.owned_count = ranges_of(node->owned, node->owned_ranges);
        view.quarantined = node->quarantined_ranges;
        view.quarantined_count = ranges_of(node->quarantined, node->quarantined_ranges);
        fill_keys(world, i, &view);
        int32_t status = reshard_audit_add_view(audit, &view);
        if (status)
            return status;
    }
    for (uint32_t i = 0; i < world->report_count; i++) {
        int32_t status = reshard_audit_add_migration(audit, &world->reports[i]);
        if (status)
            return status;
    }
    return RESHARD_OK;
}

struct reshard_audit *world_audit(struct world *world, uint32_t imbalance_permille,
    const struct reshard_allocator *allocator, const struct reshard_map *map)
{
    struct reshard_audit_config config;
    struct reshard_audit *audit;
    reshard_audit_config_init(&config);
    config.slot_count = WORLD_SLOTS;
    config.imbalance_permille = imbalance_permille;
    config.stuck_ns = 1000;
    config.allocator = allocator;
    cr_assert_eq(reshard_audit_create(&config, &audit), RESHARD_OK);
    int32_t status = world_tell(world, audit);
    cr_assert_eq(status, RESHARD_OK, "%s", reshard_strname(status));
    status = reshard_audit_run(audit, map);
    cr_assert_eq(status, RESHARD_OK, "%s", reshard_strname(status));
    return audit;
}

static bool any_serves(const struct world *world, uint32_t slot)
{
    for (uint32_t i = 0; i < world->node_count; i++)
        if (world->nodes[i].owned[slot])
            return true;
    return false;
}

/* A node's data of a slot that its shard does not own. */
static void hide(struct world_node *node, uint32_t slot, reshard_shard_id owner)
{
    node->quarantined[slot] = node->keys[slot] && node->shard != owner;
}

static void run_slot(struct world *world, const struct reshard_fix_step *step, uint32_t slot)
{
    struct world_node *node = world_node(world, step->node);
    reshard_shard_id owner = reshard_map_slot_owner(world->map, slot);
    switch (step->kind) {
    case RESHARD_FIX_STEP_RELEASE:
        cr_assert(node->owned[slot]);
        node->owned[slot] = false;
        hide(node, slot, owner);
        break;
    case RESHARD_FIX_STEP_QUARANTINE:
        cr_assert(node->keys[slot] && !node->quarantined[slot] && !node->owned[slot]);
        node->quarantined[slot] = true;
        break;
    case RESHARD_FIX_STEP_GIVE:
    case RESHARD_FIX_STEP_PURGE:
        cr_assert(!step->shard || step->shard == owner);
        node->quarantined[slot] = false;
        node->keys[slot] = 0;
        break;
    case RESHARD_FIX_STEP_SERVE:
        cr_assert(step->shard == owner && node->shard == owner);
        cr_assert(!any_serves(world, slot));
        node->owned[slot] = true;
        break;
    default:
        cr_assert(false, "kind %u has no slots", step->kind);
    }
}

static void run_ranges(struct world *world, const struct reshard_fix_step *step)
{
    for (uint32_t i = 0; i < step->range_count; i++) {
        struct reshard_range range = step->ranges[i];
        if (step->kind == RESHARD_FIX_STEP_MOVE) {
            reshard_migration_id migration = world_open(
                world, step->shard, step->other_shard, range.first, range.last, 0);
            world_finish(world, migration, true);
            continue;
        }
        if (step->kind == RESHARD_FIX_STEP_ASSIGN)
            world_change_slots(
                world, RESHARD_CHANGE_ASSIGN, step->shard, range.first, range.last);
        for (uint32_t slot = range.first; slot <= range.last; slot++) {
            if (step->kind == RESHARD_FIX_STEP_ASSIGN)
                world_node(world, 10 * step->shard)->owned[slot] = true;
            else
                run_slot(world, step, slot);
        }
    }
    if (step->kind == RESHARD_FIX_STEP_ASSIGN)
        world_sync(world);
}

static void run_enrol(struct world *world, struct world_node *node)
{
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_NODE_PUT;
    change.node = node->id;
    change.shard = node->shard = 1;
    change.role = node->role = RESHARD_ROLE_REPLICA;
    world_change(world, &change);
    world_sync(world);
}

/* Leaves what the closed migration had at the node to nobody. */
static void run_close(struct world *world, const struct reshard_fix_step *step)
{
    struct world_node *node = world_node(world, step->node);
    for (uint32_t i = 0; i < world->report_count; i++)
        for (uint32_t slot = world->report_ranges[i].first;
             slot <= world->report_ranges[i].last; slot++)
            if (world->reports[i].migration == step->migration
                && reshard_map_slot_owner(world->map, slot) != node->shard)
                node->keys[slot] = 0;
    forget_reports(world, step->migration, step->node);
}

static void run_node(struct world *world, const struct reshard_fix_step *step)
{
    struct world_node *node = world_node(world, step->node);
    struct reshard_map_node known = {.struct_size = sizeof known};
    switch (step->kind) {
    case RESHARD_FIX_STEP_SEND_MAP:
    case RESHARD_FIX_STEP_RECOVER:
        node->version = reshard_map_version(world->map);
        reshard_map_digest(world->map, &node->digest);
        reshard_map_node_find(world->map, node->id, &known);
        node->shard = known.shard;
        node->role = known.role;
        break;
    case RESHARD_FIX_STEP_REVIVE:
        node->reachable = true;
        break;
    case RESHARD_FIX_STEP_ENROL:
        run_enrol(world, node);
        break;
    case RESHARD_FIX_STEP_CLOSE:
        run_close(world, step);
        break;
    case RESHARD_FIX_STEP_RESUME:
    case RESHARD_FIX_STEP_ABORT:
        world_finish(world, step->migration, step->kind == RESHARD_FIX_STEP_RESUME);
        break;
    default:
        cr_assert(false, "kind %u", step->kind);
    }
}

void world_run(struct world *world, const struct reshard_fix *fix)
{
    uint32_t before = 0;
    for (uint32_t i = 0; i < reshard_fix_step_count(fix); i++) {
        struct reshard_fix_step step;
        reshard_fix_step_init(&step);
        cr_assert_eq(reshard_fix_step_at(fix, i, &step), RESHARD_OK);
        cr_assert_geq(step.kind, before);
        before = step.kind;
        if (step.range_count)
            run_ranges(world, &step);
        else
            run_node(world, &step);
    }
}

void world_print(const struct reshard_audit *audit)
{
    for (uint32_t i = 0; i < reshard_audit_finding_count(audit); i++) {
        char text[RESHARD_AUDIT_TEXT_SIZE_MAX];
        struct reshard_finding finding;
        reshard_finding_init(&finding);
        reshard_audit_finding_at(audit, i, &finding);
        cr_assert_eq(reshard_finding_format(&finding, text, sizeof text, NULL), RESHARD_OK);
        fprintf(stderr, "  %s: %s\n", reshard_finding_name(finding.code), text);
    }
}

void world_print_fix(const struct reshard_fix *fix)
{
    for (uint32_t i = 0; i < reshard_fix_step_count(fix); i++) {
        char text[RESHARD_AUDIT_TEXT_SIZE_MAX];
        struct reshard_fix_step step;
        reshard_fix_step_init(&step);
        reshard_fix_step_at(fix, i, &step);
        cr_assert_eq(reshard_fix_step_format(&step, text, sizeof text, NULL), RESHARD_OK);
        fprintf(stderr, "  %s: %s\n", reshard_fix_step_name(step.kind), text);
    }
}

uint32_t world_count(const struct reshard_audit *audit, uint32_t code)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < reshard_audit_finding_count(audit); i++) {
        struct reshard_finding finding;
        reshard_finding_init(&finding);
        reshard_audit_finding_at(audit, i, &finding);
        count += finding.code == code;
    }
    return count;
}

uint32_t world_steps(const struct reshard_fix *fix, uint32_t kind)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < reshard_fix_step_count(fix); i++) {
        struct reshard_fix_step step;
        reshard_fix_step_init(&step);
        reshard_fix_step_at(fix, i, &step);
        count += step.kind == kind;
    }
    return count;
}

struct reshard_finding world_only(const struct reshard_audit *audit, uint32_t code)
{
    struct reshard_finding found;
    reshard_finding_init(&found);
    if (reshard_audit_finding_count(audit) != 1)
        world_print(audit);
    cr_assert_eq(reshard_audit_finding_count(audit), 1);
    cr_assert_eq(reshard_audit_finding_at(audit, 0, &found), RESHARD_OK);
    cr_assert_eq(found.code, code, "%s", reshard_finding_name(found.code));
    return found;
}
