/* SPDX-License-Identifier: MIT */
#include "world.h"
#include "support/alloc.h"
#include <criterion/criterion.h>

static struct world world;

static struct reshard_audit *make(void)
{
    struct reshard_audit_config config;
    struct reshard_audit *audit = NULL;
    reshard_audit_config_init(&config);
    config.slot_count = WORLD_SLOTS;
    cr_assert_eq(reshard_audit_create(&config, &audit), RESHARD_OK);
    return audit;
}

Test(audit, healthy_cluster_has_no_findings)
{
    for (uint32_t shards = 1; shards <= 7; shards++) {
        world_make(&world, shards);
        world.sparse = shards % 2;
        for (int with_map = 0; with_map < 2; with_map++) {
            struct reshard_audit *audit =
                world_audit(&world, 0, NULL, with_map ? world.map : NULL);
            world_print(audit);
            cr_assert_eq(reshard_audit_finding_count(audit), 0);
            reshard_audit_destroy(audit);
        }
        world_free(&world);
    }
}

Test(audit, create_refuses_bad_configs)
{
    struct reshard_audit_config config;
    struct reshard_audit *audit = NULL;
    reshard_audit_config_init(&config);
    cr_assert_eq(reshard_audit_create(NULL, &audit), RESHARD_E_NULL);
    cr_assert_eq(reshard_audit_create(&config, NULL), RESHARD_E_NULL);
    config.flags = 1;
    cr_assert_eq(reshard_audit_create(&config, &audit), RESHARD_E_FLAGS);
    config.flags = 0;
    config.slot_count = 0;
    cr_assert_eq(reshard_audit_create(&config, &audit), RESHARD_E_SLOT_COUNT);
    config.slot_count = RESHARD_SLOT_COUNT_MAX + 1;
    cr_assert_eq(reshard_audit_create(&config, &audit), RESHARD_E_SLOT_COUNT);
    config.slot_count = 1;
    config.imbalance_permille = 1000001;
    cr_assert_eq(reshard_audit_create(&config, &audit), RESHARD_E_ARGUMENT);
    config.struct_size--;
    cr_assert_eq(reshard_audit_create(&config, &audit), RESHARD_E_STRUCT_SIZE);
    cr_assert_null(audit);
    reshard_audit_destroy(NULL);
}

Test(audit, add_view_refuses_bad_views)
{
    static const uint64_t counts[WORLD_SLOTS] = {0};
    const uint32_t wrong_order[] = {5, 5};
    const uint32_t too_large[] = {5, WORLD_SLOTS};
    const struct reshard_range adjacent[] = {{1, 2}, {3, 4}};
    const struct reshard_range outside[] = {{1, WORLD_SLOTS}};
    struct reshard_view good = {
        .struct_size = sizeof good, .flags = RESHARD_VIEW_REACHABLE, .node = 5};
    struct reshard_view bad[14];
    int32_t expected[14] = {RESHARD_E_STRUCT_SIZE, RESHARD_E_FLAGS, RESHARD_E_NODE,
        RESHARD_E_ARGUMENT, RESHARD_E_ARGUMENT, RESHARD_E_OVERLAP, RESHARD_E_SLOT, RESHARD_E_NULL,
        RESHARD_E_ARGUMENT, RESHARD_E_OVERLAP, RESHARD_E_SLOT, RESHARD_E_NULL, RESHARD_E_OVERLAP,
        RESHARD_E_NULL};
    struct reshard_audit *audit = make();
    for (int i = 0; i < 14; i++)
        bad[i] = good;
    bad[0].struct_size = 8;
    bad[1].flags = 3;
    bad[2].node = 0;
    bad[3].role = 3;
    bad[4].reserved = 1;
    bad[5].owned = adjacent;
    bad[5].owned_count = 2;
    bad[6].owned = outside;
    bad[6].owned_count = 1;
    bad[7].owned_count = 1;
    bad[8].key_counts = counts;
    bad[8].key_count_count = WORLD_SLOTS - 1;
    bad[9].key_counts = bad[10].key_counts = counts;
    bad[9].key_count_count = bad[10].key_count_count = 2;
    bad[9].key_slots = wrong_order;
    bad[10].key_slots = too_large;
    bad[11].key_count_count = 1;
    bad[12].quarantined = adjacent;
    bad[12].quarantined_count = 2;
    bad[13].key_slots = too_large; /* of no counts */
    for (int i = 0; i < 14; i++)
        cr_assert_eq(reshard_audit_add_view(audit, &bad[i]), expected[i], "case %d", i);
    cr_assert_eq(reshard_audit_add_view(NULL, &good), RESHARD_E_NULL);
    cr_assert_eq(reshard_audit_add_view(audit, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_audit_add_view(audit, &good), RESHARD_OK);
    cr_assert_eq(reshard_audit_add_view(audit, &good), RESHARD_E_EXISTS);
    reshard_audit_destroy(audit);
}

Test(audit, view_without_an_answer_is_not_read)
{
    const struct reshard_range outside[] = {{1, WORLD_SLOTS}};
    struct reshard_view silent = {
        .struct_size = sizeof silent, .node = 5, .owned = outside, .owned_count = 1, .role = 9};
    struct reshard_audit *audit = make();
    cr_assert_eq(reshard_audit_add_view(audit, &silent), RESHARD_OK);
    cr_assert_eq(reshard_audit_run(audit, NULL), RESHARD_OK);
    cr_assert_eq(world_count(audit, RESHARD_FINDING_UNREACHABLE), 1);
    reshard_audit_destroy(audit);
}

Test(audit, add_migration_refuses_bad_reports)
{
    const struct reshard_range range = {0, 3};
    struct reshard_view_migration good = {.struct_size = sizeof good,
        .migration = 1,
        .source = 1,
        .target = 2,
        .ranges = &range,
        .range_count = 1};
    struct reshard_view_migration bad[9];
    int32_t expected[9] = {RESHARD_E_STRUCT_SIZE, RESHARD_E_NODE, RESHARD_E_MIGRATION,
        RESHARD_E_SHARD, RESHARD_E_SHARD, RESHARD_E_ARGUMENT, RESHARD_E_NULL, RESHARD_E_SHARD,
        RESHARD_E_ARGUMENT};
    struct reshard_audit *audit = make();
    for (int i = 0; i < 9; i++)
        bad[i] = good;
    bad[0].struct_size = RESHARD_STRUCT_SIZE_MAX + 1;
    bad[1].node = 4;
    bad[2].migration = 0;
    bad[3].source = 0;
    bad[4].target = 1;
    bad[5].range_count = 0;
    bad[6].ranges = NULL;
    bad[7].target = 0;
    bad[8].reserved = 1;
    for (int i = 0; i < 9; i++)
        cr_assert_eq(reshard_audit_add_migration(audit, &bad[i]), expected[i], "case %d", i);
    cr_assert_eq(reshard_audit_add_migration(NULL, &good), RESHARD_E_NULL);
    cr_assert_eq(reshard_audit_add_migration(audit, &good), RESHARD_OK);
    cr_assert_eq(reshard_audit_add_migration(audit, &good), RESHARD_E_EXISTS);
    reshard_audit_destroy(audit);
}

Test(audit, run_refuses_a_map_of_another_size)
{
    struct reshard_map *map;
    struct reshard_audit *audit = make();
    cr_assert_eq(reshard_map_create(WORLD_SLOTS + 1, NULL, &map), RESHARD_OK);
    cr_assert_eq(reshard_audit_run(audit, map), RESHARD_E_SLOT_COUNT);
    cr_assert_eq(reshard_audit_run(NULL, map), RESHARD_E_NULL);
    reshard_map_destroy(map);
    reshard_audit_destroy(audit);
}

Test(audit, keys_that_overflow_are_refused_and_the_findings_stay)
{
    world_make(&world, 4);
    world_node(&world, 10)->reachable = false;
    struct reshard_audit *audit = world_audit(&world, 20, NULL, world.map);
    uint64_t counts[] = {UINT64_MAX, 1};
    uint32_t slots[] = {0, 1};
    struct reshard_view view = {.struct_size = sizeof view,
        .flags = RESHARD_VIEW_REACHABLE,
        .node = 99,
        .key_counts = counts,
        .key_slots = slots,
        .key_count_count = 2};
    cr_assert_eq(reshard_audit_add_view(audit, &view), RESHARD_OK);
    cr_assert_eq(reshard_audit_run(audit, world.map), RESHARD_E_OVERFLOW);
    world_only(audit, RESHARD_FINDING_UNREACHABLE);
    reshard_audit_destroy(audit);
    world_free(&world);
}

Test(audit, quarantined_keys_that_overflow_are_refused)
{
    const struct reshard_range hidden = {0, 1};
    uint64_t counts[] = {UINT64_MAX, 1};
    uint32_t slots[] = {0, 1};
    struct reshard_view view = {.struct_size = sizeof view,
        .flags = RESHARD_VIEW_REACHABLE,
        .node = 5,
        .quarantined = &hidden,
        .quarantined_count = 1,
        .key_counts = counts,
        .key_slots = slots,
        .key_count_count = 2};
    struct reshard_audit *audit = make();
    cr_assert_eq(reshard_audit_add_view(audit, &view), RESHARD_OK);
    cr_assert_eq(reshard_audit_run(audit, NULL), RESHARD_E_OVERFLOW);
    cr_assert_eq(reshard_audit_finding_count(audit), 0);
    counts[1] = 0;
    cr_assert_eq(reshard_audit_run(audit, NULL), RESHARD_OK);
    struct reshard_finding finding;
    reshard_finding_init(&finding);
    cr_assert_eq(reshard_audit_finding_at(audit, 1, &finding), RESHARD_OK);
    cr_assert_eq(finding.code, RESHARD_FINDING_QUARANTINE);
    cr_assert_eq(finding.keys, UINT64_MAX);
    reshard_audit_destroy(audit);
}

Test(audit, finding_at_refuses_what_is_not_there)
{
    struct reshard_finding finding;
    struct reshard_audit *audit = make();
    reshard_finding_init(&finding);
    cr_assert_eq(reshard_audit_finding_at(audit, 0, &finding), RESHARD_E_ARGUMENT);
    cr_assert_eq(reshard_audit_finding_at(NULL, 0, &finding), RESHARD_E_NULL);
    cr_assert_eq(reshard_audit_finding_at(audit, 0, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_audit_run(audit, NULL), RESHARD_OK); /* all uncovered */
    finding.struct_size = 8;
    cr_assert_eq(reshard_audit_finding_at(audit, 0, &finding), RESHARD_E_STRUCT_SIZE);
    cr_assert_eq(reshard_audit_finding_count(audit), 1);
    cr_assert_eq(reshard_audit_finding_count(NULL), 0);
    reshard_audit_destroy(audit);
}

/* All of it: create, views, reports, run, fix, plan. */
static int32_t everything(const struct reshard_allocator *allocator)
{
    struct reshard_audit_config config;
    struct reshard_audit *audit;
    struct reshard_fix *fix = NULL;
    struct reshard_plan *plan = NULL;
    reshard_audit_config_init(&config);
    config.slot_count = WORLD_SLOTS;
    config.allocator = allocator;
    int32_t status = reshard_audit_create(&config, &audit);
    if (status)
        return status;
    status = world_tell(&world, audit);
    if (!status)
        status = reshard_audit_run(audit, world.map);
    if (status)
        cr_assert_eq(reshard_audit_finding_count(audit), 0);
    if (!status)
        status =
            reshard_audit_fix(audit, world.map, RESHARD_FIX_BALANCE | RESHARD_FIX_GIVE, &fix);
    if (status)
        cr_assert_null(fix);
    if (!status)
        status = reshard_fix_plan(fix, world.map, allocator, &plan);
    if (status)
        cr_assert_null(plan);
    else
        cr_assert_gt(reshard_plan_move_count(plan), 0);
    reshard_plan_destroy(plan);
    reshard_fix_destroy(fix);
    reshard_audit_destroy(audit);
    return status;
}

Test(audit, any_failing_allocation_is_reported_and_leaks_nothing)
{
    struct support_alloc alloc;
    int32_t status = RESHARD_E_NOMEM;
    world_make(&world, 4);
    world_open(&world, 1, 2, 0, 7, 5000);
    world_change_slots(&world, RESHARD_CHANGE_UNASSIGN, 4, 50, 63);
    world_node(&world, 20)->keys[10] = 4;
    world_node(&world, 30)->owned[10] = true;
    struct reshard_digest before;
    struct reshard_digest after;
    reshard_map_digest(world.map, &before);
    for (size_t n = 1; status; n++) {
        struct reshard_allocator allocator = support_alloc_init(&alloc);
        alloc.fail_at = n;
        status = everything(&allocator);
        cr_assert(status == RESHARD_OK || status == RESHARD_E_NOMEM);
        cr_assert_eq(status == RESHARD_OK, alloc.failed == 0);
        cr_assert(support_alloc_clean(&alloc), "allocation %zu", n);
    }
    cr_assert_gt(alloc.calls, 20);
    reshard_map_digest(world.map, &after);
    cr_assert(before.low == after.low && before.high == after.high);
    world_free(&world);
}

static void spoil_nothing(void)
{
}

static void spoil_members(void)
{
    world_stranger(&world, 77);
    world_node(&world, 21)->version--;
}

static void spoil_silence(void)
{
    world_node(&world, 10)->reachable = false;
    world_node(&world, 11)->reachable = false;
}

static void spoil_orphans(void)
{
    world_node(&world, 20)->keys[3] = 7;
}

static void spoil_quarantine(void)
{
    world_node(&world, 20)->quarantined[3] = true;
}

static void spoil_quarantined_keys(void)
{
    world_node(&world, 20)->quarantined[3] = true;
    world_node(&world, 20)->keys[3] = 7;
}

static void spoil_uncovered(void)
{
    for (uint32_t slot = 0; slot < 40; slot += 2) {
        reshard_shard_id shard = reshard_map_slot_owner(world.map, slot);
        world_change_slots(&world, RESHARD_CHANGE_UNASSIGN, shard, slot, slot);
        world_node(&world, 10 * shard)->owned[slot] = false;
    }
    world_sync(&world);
}

static void spoil_owners(void)
{
    for (uint32_t slot = 0; slot < 16; slot += 2)
        world_node(&world, 20)->owned[slot] = true;
}

static void spoil_service(void)
{
    for (uint32_t slot = 0; slot < 40; slot += 2)
        world_node(&world, 10 * reshard_map_slot_owner(world.map, slot))->owned[slot] = false;
}

static void spoil_migration(void)
{
    world_open(&world, 1, 2, 0, 7, 5000);
}

static void spoil_leftover(void)
{
    world_report(&world, 20, 99, 1, 2, 3, 5, 0);
}

static void spoil_balance(void)
{
    world_finish(&world, world_open(&world, 1, 2, 0, 7, 0), true);
}

/* Each sort of defect alone, so that its finding or its step is the first to need memory. */
static void (*const spoils[])(void) = {spoil_nothing, spoil_members, spoil_silence, spoil_orphans,
    spoil_quarantine, spoil_quarantined_keys, spoil_uncovered, spoil_owners, spoil_service,
    spoil_migration, spoil_leftover, spoil_balance};

/* Run with and without the map, and all sorts of fixes. */
static int32_t audit_and_fix(
    const struct reshard_allocator *allocator, bool with_map, uint32_t flags)
{
    struct reshard_audit_config config;
    struct reshard_audit *audit;
    struct reshard_fix *fix = NULL;
    struct reshard_plan *plan = NULL;
    reshard_audit_config_init(&config);
    config.slot_count = WORLD_SLOTS;
    config.allocator = allocator;
    int32_t status = reshard_audit_create(&config, &audit);
    if (status)
        return status;
    status = world_tell(&world, audit);
    if (!status)
        status = reshard_audit_run(audit, with_map ? world.map : NULL);
    if (!status && with_map)
        status = reshard_audit_fix(audit, world.map, flags, &fix);
    if (!status && with_map)
        status = reshard_fix_plan(fix, world.map, allocator, &plan);
    reshard_plan_destroy(plan);
    reshard_fix_destroy(fix);
    reshard_audit_destroy(audit);
    return status;
}

Test(audit, any_failing_allocation_of_any_finding_leaks_nothing)
{
    static const uint32_t flags[] = {RESHARD_FIX_GIVE | RESHARD_FIX_BALANCE,
        RESHARD_FIX_PURGE | RESHARD_FIX_ABORT, 0};
    for (size_t kind = 0; kind < sizeof spoils / sizeof *spoils; kind++)
        for (size_t mode = 0; mode < 3; mode++) {
            struct support_alloc alloc;
            int32_t status = RESHARD_E_NOMEM;
            world_make(&world, 4);
            spoils[kind]();
            for (size_t n = 1; status; n++) {
                struct reshard_allocator allocator = support_alloc_init(&alloc);
                alloc.fail_at = n;
                status = audit_and_fix(&allocator, mode < 2, flags[mode]);
                cr_assert(status == RESHARD_OK || status == RESHARD_E_NOMEM);
                cr_assert_eq(status == RESHARD_OK, alloc.failed == 0);
                cr_assert(support_alloc_clean(&alloc), "kind %zu, allocation %zu", kind, n);
            }
            world_free(&world);
        }
}
