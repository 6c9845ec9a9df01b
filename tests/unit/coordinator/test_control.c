/* SPDX-License-Identifier: MIT */
/* What operators ask. */
#include "fixture.h"
#include <criterion/criterion.h>

static struct fixture fixture;

static int32_t change_kind(uint32_t kind, uint64_t version)
{
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = kind;
    change.version = version;
    return reshard_coordinator_change(fixture.coordinator, &change);
}

Test(control, change_only_what_is_an_operators_is_taken)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    struct reshard_digest before = fixture_digest(&fixture), after;
    cr_assert_eq(change_kind(RESHARD_CHANGE_TERM, 0), RESHARD_E_KIND);
    for (uint32_t kind = RESHARD_CHANGE_MIGRATION_OPEN; kind <= RESHARD_CHANGE_MIGRATION_END;
         kind++)
        cr_assert_eq(change_kind(kind, 0), RESHARD_E_KIND);
    cr_assert_eq(change_kind(RESHARD_CHANGE_SHARD_PUT, 99), RESHARD_E_VERSION);
    cr_assert_eq(change_kind(99, 0), RESHARD_E_KIND);
    cr_assert_eq(fixture_primary(&fixture, 1, 21), RESHARD_E_STATE);
    struct reshard_change change = {.struct_size = 3};
    cr_assert_eq(
        reshard_coordinator_change(fixture.coordinator, &change), RESHARD_E_STRUCT_SIZE);
    after = fixture_digest(&fixture);
    cr_assert(fixture_same(&before, &after));
    fixture_close(&fixture);
}

static int32_t open_status(uint32_t source, uint32_t target, uint32_t mode, uint32_t first,
    uint32_t last)
{
    const struct reshard_range range = {first, last};
    struct reshard_migration_spec spec;
    reshard_migration_spec_init(&spec);
    spec.source = source;
    spec.target = target;
    spec.mode = mode;
    spec.ranges = &range;
    spec.range_count = 1;
    return reshard_coordinator_open(fixture.coordinator, &spec, NULL);
}

Test(control, open_bad_specs_are_refused)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    (void)fixture_migration(&fixture, RESHARD_MODE_SNAPSHOT, 0, 9);
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_PUT;
    change.shard = 3;
    change.weight = 1;
    cr_assert_eq(fixture_change(&fixture, &change), RESHARD_OK);
    struct reshard_digest before = fixture_digest(&fixture), after;
    cr_assert_eq(open_status(9, 2, 1, 20, 21), RESHARD_E_SHARD);
    cr_assert_eq(open_status(1, 9, 1, 20, 21), RESHARD_E_SHARD);
    cr_assert_eq(open_status(1, 3, 1, 20, 21), RESHARD_E_NODE);
    cr_assert_eq(open_status(1, 2, 3, 20, 21), RESHARD_E_MODE);
    cr_assert_eq(open_status(1, 1, 1, 20, 21), RESHARD_E_ARGUMENT);
    cr_assert_eq(open_status(1, 2, 1, 60, 61), RESHARD_E_OWNER);
    cr_assert_eq(open_status(1, 2, 1, 5, 12), RESHARD_E_OVERLAP);
    cr_assert_eq(open_status(1, 2, 1, 64, 64), RESHARD_E_SLOT);
    struct reshard_migration_spec spec;
    reshard_migration_spec_init(&spec);
    spec.reserved = 1;
    cr_assert_eq(
        reshard_coordinator_open(fixture.coordinator, &spec, NULL), RESHARD_E_ARGUMENT);
    spec.struct_size = 8;
    cr_assert_eq(
        reshard_coordinator_open(fixture.coordinator, &spec, NULL), RESHARD_E_STRUCT_SIZE);
    after = fixture_digest(&fixture);
    cr_assert(fixture_same(&before, &after));
    fixture_close(&fixture);
}

Test(control, unknown_migrations_are_refused)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    struct reshard_coordinator *coordinator = fixture.coordinator;
    struct reshard_progress progress = {.struct_size = sizeof progress};
    cr_assert_eq(reshard_coordinator_abort(coordinator, 5), RESHARD_E_MIGRATION);
    cr_assert_eq(reshard_coordinator_pause(coordinator, 5, 1), RESHARD_E_MIGRATION);
    cr_assert_eq(reshard_coordinator_pause(coordinator, 5, 2), RESHARD_E_ARGUMENT);
    cr_assert_eq(reshard_coordinator_finish(coordinator, 5), RESHARD_E_MIGRATION);
    cr_assert_eq(reshard_coordinator_progress(coordinator, 5, &progress), RESHARD_E_MIGRATION);
    fixture_close(&fixture);
}

Test(control, abort_is_too_early_before_the_opening_and_too_late_after_the_hold)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    fixture.hold = true;
    reshard_migration_id migration =
        fixture_migration(&fixture, RESHARD_MODE_SNAPSHOT, 0, 9);
    cr_assert_eq(reshard_coordinator_abort(fixture.coordinator, migration), RESHARD_E_STATE);
    fixture_release(&fixture);
    fixture_reach(&fixture, migration, RESHARD_PHASE_SETTLE);
    cr_assert_eq(reshard_coordinator_abort(fixture.coordinator, migration), RESHARD_E_DECIDED);
    cr_assert_eq(
        reshard_coordinator_pause(fixture.coordinator, migration, 1), RESHARD_E_DECIDED);
    fixture_close(&fixture);
}

Test(control, abort_of_one_that_waits_starts_it_to_end_it)
{
    fixture_init(&fixture);
    fixture.config.in_flight_limit = 1;
    fixture_open(&fixture);
    (void)fixture_migration(&fixture, RESHARD_MODE_SNAPSHOT, 0, 9);
    reshard_migration_id second = fixture_migration(&fixture, RESHARD_MODE_SNAPSHOT, 10, 19);
    cr_assert_eq(fixture_phase(&fixture, second), RESHARD_PHASE_NONE);
    cr_assert_eq(reshard_coordinator_abort(fixture.coordinator, second), RESHARD_OK);
    fixture_pump(&fixture);
    cr_assert_eq(fixture_phase(&fixture, second), RESHARD_PHASE_UNDO);
    fixture_reach(&fixture, second, RESHARD_PHASE_COUNT);
    fixture_close(&fixture);
}

Test(control, paused_migration_stays_and_goes_on_when_resumed)
{
    static const uint32_t phases[] = {
        RESHARD_PHASE_PREPARE, RESHARD_PHASE_COPY, RESHARD_PHASE_CATCHUP};
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++) {
        fixture_init(&fixture);
        fixture_open(&fixture);
        reshard_migration_id migration =
            fixture_migration(&fixture, RESHARD_MODE_SNAPSHOT, 0, 9);
        fixture_reach(&fixture, migration, phases[i]);
        cr_assert_eq(
            reshard_coordinator_pause(fixture.coordinator, migration, 1), RESHARD_OK);
        fixture_pump(&fixture);
        fixture_step(&fixture, migration);
        fixture_pass(&fixture, UINT64_C(1000000000));
        cr_assert_eq(fixture_phase(&fixture, migration), phases[i]);
        cr_assert_eq(fixture_progress(&fixture, migration).state, RESHARD_RUN_PAUSED);
        cr_assert_eq(
            reshard_coordinator_pause(fixture.coordinator, migration, 0), RESHARD_OK);
        fixture_pass(&fixture, 1);
        cr_assert_neq(fixture_phase(&fixture, migration), phases[i], "the reports were kept");
        fixture_close(&fixture);
    }
}

Test(control, pause_ends_a_freeze_and_does_not_prolong_a_hold)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    reshard_migration_id migration =
        fixture_migration(&fixture, RESHARD_MODE_SNAPSHOT, 0, 9);
    fixture_reach(&fixture, migration, RESHARD_PHASE_FREEZE);
    cr_assert_eq(reshard_coordinator_pause(fixture.coordinator, migration, 1), RESHARD_OK);
    fixture_pump(&fixture);
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_CATCHUP);
    cr_assert_eq(fixture_order(&fixture, migration, SOURCE)->flags, RESHARD__ORDER_PAUSED);
    cr_assert_eq(reshard_coordinator_pause(fixture.coordinator, migration, 0), RESHARD_OK);
    fixture_reach(&fixture, migration, RESHARD_PHASE_HOLD);
    cr_assert_eq(reshard_coordinator_pause(fixture.coordinator, migration, 1), RESHARD_OK);
    fixture_pump(&fixture);
    fixture_reach(&fixture, migration, RESHARD_PHASE_LINGER);
    fixture_pass(&fixture, UINT64_C(1000000000));
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_LINGER, "it rests again");
    cr_assert_eq(reshard_coordinator_pause(fixture.coordinator, migration, 0), RESHARD_OK);
    fixture_reach(&fixture, migration, RESHARD_PHASE_COUNT);
    fixture_close(&fixture);
}
