/* SPDX-License-Identifier: MIT */
/* Inputs: configs, bad input, recovery at the start, failing allocations. */
#include "fixture.h"
#include <criterion/criterion.h>

static struct fixture fixture;

static int32_t create_status(void)
{
    struct reshard_coordinator *coordinator = NULL;
    int32_t status = reshard_coordinator_create(&fixture.config, &coordinator);
    cr_assert_eq(status == RESHARD_OK, coordinator != NULL);
    reshard_coordinator_destroy(coordinator);
    return status;
}

#define WITH(field, value, expected) \
    do { \
        fixture_init(&fixture); \
        fixture.config.field = value; \
        cr_assert_eq(create_status(), expected, #field); \
        cr_assert(support_alloc_clean(&fixture.alloc)); \
    } while (0)

Test(coordinator, create_bad_configs_are_refused)
{
    struct reshard_coordinator *coordinator;
    fixture_init(&fixture);
    cr_assert_eq(reshard_coordinator_create(NULL, &coordinator), RESHARD_E_NULL);
    cr_assert_eq(reshard_coordinator_create(&fixture.config, NULL), RESHARD_E_NULL);
    WITH(struct_size, 4, RESHARD_E_STRUCT_SIZE);
    WITH(flags, 1, RESHARD_E_FLAGS);
    WITH(node, 0, RESHARD_E_NODE);
    WITH(unique, 0, RESHARD_E_ARGUMENT);
    WITH(slot_count, RESHARD_SLOT_COUNT_MAX + 1, RESHARD_E_SLOT_COUNT);
    WITH(retry_ns, UINT64_MAX, RESHARD_E_ARGUMENT);
    WITH(freeze_ns, UINT64_MAX, RESHARD_E_ARGUMENT);
    WITH(backoff_ns, UINT64_MAX, RESHARD_E_ARGUMENT);
    WITH(linger_ns, UINT64_MAX, RESHARD_E_ARGUMENT);
    WITH(converge_ns, UINT64_MAX, RESHARD_E_ARGUMENT);
    WITH(allocator.flags, 1, RESHARD_E_FLAGS);
    WITH(slot_count, 0, RESHARD_OK);
}

Test(coordinator, create_takes_the_first_version_of_the_config)
{
    fixture_init(&fixture);
    fixture.config.struct_size = (uint32_t)offsetof(struct reshard_coordinator_config, converge_ns);
    fixture.config.converge_ns = 5;
    fixture_create(&fixture);
    cr_assert_eq(fixture.coordinator->config.converge_ns, UINT64_C(30000000000));
    cr_assert_eq(fixture.coordinator->config.compact_count, 4096);
    fixture_close(&fixture);
}

Test(coordinator, init_functions_take_null)
{
    struct reshard_migration_spec spec;
    struct reshard_job_spec job;
    memset(&spec, 0xFF, sizeof spec);
    memset(&job, 0xFF, sizeof job);
    reshard_coordinator_config_init(NULL);
    reshard_migration_spec_init(NULL);
    reshard_job_spec_init(NULL);
    reshard_migration_spec_init(&spec);
    reshard_job_spec_init(&job);
    cr_assert_eq(spec.struct_size, sizeof spec);
    cr_assert_eq(spec.priority, 0);
    cr_assert_eq(job.struct_size, sizeof job);
    cr_assert_eq(job.flags, 0);
    reshard_coordinator_destroy(NULL);
}

Test(coordinator, null_is_refused_by_every_function)
{
    struct reshard_action action = {.struct_size = sizeof action};
    struct reshard_event event = {.struct_size = sizeof event};
    struct reshard_change change = {.struct_size = sizeof change};
    struct reshard_migration_spec spec = {.struct_size = sizeof spec};
    struct reshard_progress progress = {.struct_size = sizeof progress};
    struct reshard_job_progress job = {.struct_size = sizeof job};
    struct reshard_digest digest;
    uint8_t byte = 0;
    cr_assert_eq(reshard_coordinator_start(NULL, 0), RESHARD_E_NULL);
    cr_assert_eq(reshard_coordinator_receive(NULL, 1, &byte, 1, 0), RESHARD_E_NULL);
    cr_assert_eq(reshard_coordinator_tick(NULL, 0), RESHARD_E_NULL);
    cr_assert_eq(reshard_coordinator_deadline(NULL), UINT64_MAX);
    cr_assert_eq(reshard_coordinator_change(NULL, &change), RESHARD_E_NULL);
    cr_assert_eq(reshard_coordinator_open(NULL, &spec, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_coordinator_abort(NULL, 1), RESHARD_E_NULL);
    cr_assert_eq(reshard_coordinator_pause(NULL, 1, 1), RESHARD_E_NULL);
    cr_assert_eq(reshard_coordinator_finish(NULL, 1), RESHARD_E_NULL);
    cr_assert_eq(reshard_coordinator_progress(NULL, 1, &progress), RESHARD_E_NULL);
    cr_assert_eq(reshard_coordinator_action_next(NULL, &action), RESHARD_E_NULL);
    cr_assert_eq(reshard_coordinator_complete(NULL, 1, NULL, 0), RESHARD_E_NULL);
    cr_assert_eq(reshard_coordinator_event_next(NULL, &event), RESHARD_E_NULL);
    cr_assert_eq(reshard_coordinator_digest(NULL, &digest), RESHARD_E_NULL);
    cr_assert_eq(reshard_coordinator_leads(NULL), RESHARD_E_NULL);
    cr_assert_null(reshard_coordinator_map(NULL));
    cr_assert_eq(reshard_coordinator_submit(NULL, NULL, NULL, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_coordinator_job_abort(NULL, 1), RESHARD_E_NULL);
    cr_assert_eq(reshard_coordinator_job_pause(NULL, 1, 0), RESHARD_E_NULL);
    cr_assert_eq(reshard_coordinator_job_close(NULL, 1), RESHARD_E_NULL);
    cr_assert_eq(reshard_coordinator_job_progress(NULL, 1, &job), RESHARD_E_NULL);
    fixture_init(&fixture);
    fixture_open(&fixture);
    struct reshard_coordinator *coordinator = fixture.coordinator;
    cr_assert_eq(reshard_coordinator_receive(coordinator, 1, NULL, 1, 0), RESHARD_E_NULL);
    cr_assert_eq(reshard_coordinator_change(coordinator, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_coordinator_open(coordinator, NULL, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_coordinator_progress(coordinator, 1, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_coordinator_action_next(coordinator, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_coordinator_event_next(coordinator, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_coordinator_digest(coordinator, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_coordinator_job_progress(coordinator, 1, NULL), RESHARD_E_NULL);
    fixture_close(&fixture);
}

Test(coordinator, inputs_before_start_and_inside_another_are_refused)
{
    uint8_t byte = 0;
    fixture_init(&fixture);
    fixture_create(&fixture);
    struct reshard_coordinator *coordinator = fixture.coordinator;
    cr_assert_eq(reshard_coordinator_tick(coordinator, 1), RESHARD_E_STATE);
    cr_assert_eq(reshard_coordinator_receive(coordinator, 1, &byte, 1, 0), RESHARD_E_STATE);
    cr_assert_eq(reshard_coordinator_complete(coordinator, 1, NULL, 0), RESHARD_E_STATE);
    cr_assert_eq(reshard_coordinator_deadline(coordinator), UINT64_MAX);
    cr_assert_eq(fixture_start(&fixture), RESHARD_OK);
    cr_assert_eq(reshard_coordinator_start(coordinator, 1), RESHARD_E_STATE);
    coordinator->gate.feeding = true;
    cr_assert_eq(reshard_coordinator_tick(coordinator, 1), RESHARD_E_REENTRANT);
    cr_assert_eq(reshard_coordinator_abort(coordinator, 1), RESHARD_E_REENTRANT);
    coordinator->gate.feeding = false;
    fixture_close(&fixture);
}

Test(coordinator, complete_unknown_ids_and_structs_are_refused)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    struct reshard_completion completion;
    reshard_completion_init(&completion);
    cr_assert_eq(reshard_coordinator_complete(fixture.coordinator, 77, &completion, 0),
        RESHARD_E_ARGUMENT);
    completion.struct_size = 1;
    cr_assert_eq(reshard_coordinator_complete(fixture.coordinator, 77, &completion, 0),
        RESHARD_E_STRUCT_SIZE);
    fixture_close(&fixture);
}

Test(coordinator, receive_bad_messages_change_nothing)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    (void)fixture_migration(&fixture, RESHARD_MODE_SNAPSHOT, 0, 9);
    struct reshard_digest before = fixture_digest(&fixture), after;
    uint8_t bytes[64] = {0};
    for (size_t size = 0; size <= sizeof bytes; size++)
        cr_assert_lt(
            reshard_coordinator_receive(fixture.coordinator, 11, bytes, size, 0), RESHARD_OK);
    /* A message for nodes. */
    struct reshard__message message = {.type = RESHARD__ACK, .migration = 1};
    cr_assert_eq(fixture_say(&fixture, 11, &message), RESHARD_E_KIND);
    struct reshard_event event;
    cr_assert_eq(
        fixture_events(&fixture, RESHARD_EVENT_BAD_MESSAGE, &event), sizeof bytes + 2);
    cr_assert_eq(event.status, RESHARD_E_KIND);
    after = fixture_digest(&fixture);
    cr_assert(fixture_same(&before, &after));
    fixture_close(&fixture);
}

/* ---- recovery ---- */

static reshard_migration_id reached(uint32_t mode, uint32_t phase)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    reshard_migration_id migration = fixture_migration(&fixture, mode, 0, 9);
    fixture_reach(&fixture, migration, phase);
    return migration;
}

static void restarted(void)
{
    fixture_restart(&fixture);
    cr_assert_eq(fixture_start(&fixture), RESHARD_OK);
}

Test(coordinator, start_undecided_begins_at_prepare_and_ends)
{
    static const uint32_t phases[] = {RESHARD_PHASE_PREPARE, RESHARD_PHASE_COPY,
        RESHARD_PHASE_CATCHUP, RESHARD_PHASE_FREEZE, RESHARD_PHASE_HOLD};
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++) {
        reshard_migration_id migration = reached(RESHARD_MODE_SNAPSHOT, phases[i]);
        restarted();
        cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_PREPARE);
        const struct reshard__message *order = fixture_order(&fixture, migration, SOURCE);
        cr_assert_eq(order->order.term, 2);
        cr_assert_eq(order->order.n, 1);
        fixture_reach(&fixture, migration, RESHARD_PHASE_COUNT);
        cr_assert_eq(
            reshard_map_slot_owner(reshard_coordinator_map(fixture.coordinator), 0), 2);
        fixture_close(&fixture);
    }
}

Test(coordinator, start_committed_begins_at_settle)
{
    static const uint32_t phases[] = {
        RESHARD_PHASE_SETTLE, RESHARD_PHASE_CLEANUP};
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++) {
        reshard_migration_id migration = reached(RESHARD_MODE_SNAPSHOT, phases[i]);
        uint64_t attempt = fixture_order(&fixture, migration, TARGET)->attempt;
        restarted();
        cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_SETTLE);
        cr_assert_eq(fixture_order(&fixture, migration, TARGET)->attempt, attempt);
        cr_assert_eq(
            reshard_coordinator_abort(fixture.coordinator, migration), RESHARD_E_DECIDED);
        fixture_reach(&fixture, migration, RESHARD_PHASE_COUNT);
        fixture_close(&fixture);
    }
}

Test(coordinator, start_aborted_begins_at_undo_or_unmove)
{
    for (uint32_t mode = RESHARD_MODE_SNAPSHOT; mode <= RESHARD_MODE_KEYWISE; mode++) {
        uint32_t back =
            mode == RESHARD_MODE_SNAPSHOT ? RESHARD_PHASE_UNDO : RESHARD_PHASE_UNMOVE;
        reshard_migration_id migration = reached(mode, RESHARD_PHASE_PREPARE);
        cr_assert_eq(reshard_coordinator_abort(fixture.coordinator, migration), RESHARD_OK);
        fixture_pump(&fixture);
        cr_assert_eq(fixture_phase(&fixture, migration), back);
        restarted();
        cr_assert_eq(fixture_phase(&fixture, migration), back);
        fixture_reach(&fixture, migration, RESHARD_PHASE_COUNT);
        cr_assert_eq(
            reshard_map_slot_owner(reshard_coordinator_map(fixture.coordinator), 0), 1);
        fixture_close(&fixture);
    }
}

/* Three appends a migration, whatever its slots: opening, decision, end. */
Test(coordinator, migration_takes_three_appends)
{
    for (uint32_t mode = RESHARD_MODE_SNAPSHOT; mode <= RESHARD_MODE_KEYWISE; mode++) {
        fixture_init(&fixture);
        fixture_open(&fixture);
        size_t before = fixture.append_count;
        reshard_migration_id migration = fixture_migration(&fixture, mode, 0, 47);
        fixture_reach(&fixture, migration, RESHARD_PHASE_COUNT);
        cr_assert_eq(fixture.append_count - before, 3);
        fixture_close(&fixture);
    }
}

/* ---- failing allocations ---- */

static bool scenario(size_t fail_at)
{
    fixture_init(&fixture);
    fixture.alloc.fail_at = fail_at;
    int32_t status;
    do {
        status = reshard_coordinator_create(&fixture.config, &fixture.coordinator);
    } while (status == RESHARD_E_NOMEM);
    do {
        status = fixture_start(&fixture);
    } while (status == RESHARD_E_NOMEM);
    cr_assert_eq(status, RESHARD_OK);
    /* What found no memory is tried again by the tick. */
    fixture_pass(&fixture, UINT64_C(1000000000));
    fixture_cluster(&fixture);
    fixture_pass(&fixture, UINT64_C(1000000000));
    reshard_migration_id done = fixture_migration(&fixture, RESHARD_MODE_SNAPSHOT, 0, 9);
    reshard_migration_id reverted = fixture_migration(&fixture, RESHARD_MODE_KEYWISE, 10, 19);
    fixture_reach(&fixture, reverted, RESHARD_PHASE_MOVE);
    do {
        status = reshard_coordinator_abort(fixture.coordinator, reverted);
    } while (status == RESHARD_E_NOMEM);
    fixture_pump(&fixture);
    fixture_pass(&fixture, UINT64_C(1000000000));
    cr_assert_eq(fixture_primary(&fixture, 1, 12), RESHARD_OK);
    fixture_pass(&fixture, UINT64_C(1000000000));
    fixture_reach(&fixture, done, RESHARD_PHASE_COUNT);
    fixture_reach(&fixture, reverted, RESHARD_PHASE_COUNT);
    const struct reshard_map *map = reshard_coordinator_map(fixture.coordinator);
    cr_assert_eq(reshard_map_slot_owner(map, 0), 2);
    cr_assert_eq(reshard_map_slot_owner(map, 10), 1);
    cr_assert_eq(reshard_map_version(map), 18);
    bool failed = fixture.alloc.failed > 0;
    fixture_close(&fixture);
    return failed;
}

Test(coordinator, each_allocation_fails_once_and_both_migrations_end)
{
    size_t n = 1;
    while (scenario(n))
        n++;
    cr_assert_gt(n, 30);
}

/* A call that failed changed nothing. */
Test(coordinator, failed_inputs_leave_the_digest)
{
    static const struct reshard_range range = {0, 9};
    fixture_init(&fixture);
    struct reshard_digest before, after;
    for (size_t n = 1;; n++) {
        reshard_coordinator_destroy(fixture.coordinator);
        fixture_create(&fixture);
        before = fixture_digest(&fixture);
        fixture.alloc.fail_at = fixture.alloc.calls + n;
        int32_t status = reshard_coordinator_start(fixture.coordinator, fixture.now_ns);
        fixture.alloc.fail_at = 0;
        if (status == RESHARD_OK)
            break;
        after = fixture_digest(&fixture);
        cr_assert(fixture_same(&before, &after), "start, allocation %zu", n);
    }
    /* The append found no memory: it is tried again. */
    fixture_pass(&fixture, UINT64_C(1000000000));
    fixture_cluster(&fixture);
    struct reshard_migration_spec spec;
    reshard_migration_spec_init(&spec);
    spec.mode = RESHARD_MODE_SNAPSHOT;
    spec.source = 1;
    spec.target = 2;
    spec.ranges = &range;
    spec.range_count = 1;
    before = fixture_digest(&fixture);
    for (size_t n = 1;; n++) {
        fixture.alloc.fail_at = fixture.alloc.calls + n;
        int32_t status = reshard_coordinator_open(fixture.coordinator, &spec, NULL);
        fixture.alloc.fail_at = 0;
        if (status == RESHARD_OK)
            break;
        cr_assert_eq(status, RESHARD_E_NOMEM);
        after = fixture_digest(&fixture);
        cr_assert(fixture_same(&before, &after), "open, allocation %zu", n);
    }
    fixture_close(&fixture);
}

/* A start with many open migrations causes more actions than were reserved: those for which there
 * is no memory wait for the tick. */
static bool crowded(size_t fail_at)
{
    enum { COUNT = 24 };
    fixture_init(&fixture);
    fixture_open(&fixture);
    for (uint32_t i = 0; i < COUNT; i++)
        (void)fixture_migration(&fixture, 1 + i % 2, 2 * i, 2 * i + 1);
    for (reshard_migration_id id = 1; id <= COUNT / 2; id++)
        cr_assert_eq(reshard_coordinator_abort(fixture.coordinator, id), RESHARD_OK);
    fixture_pump(&fixture);
    fixture_restart(&fixture);
    fixture.hold = true;
    cr_assert_eq(fixture_start(&fixture), RESHARD_OK);
    fixture.alloc.fail_at = fixture.alloc.calls + fail_at;
    fixture_release(&fixture);
    bool failed = fixture.alloc.failed > 0;
    fixture.alloc.fail_at = 0;
    for (int i = 0; i < 2; i++)
        fixture_pass(&fixture, UINT64_C(1000000000));
    for (uint32_t i = 0; i < COUNT; i++)
        fixture_reach(&fixture, i + 1, RESHARD_PHASE_COUNT);
    fixture_close(&fixture);
    return failed;
}

Test(coordinator, crowd_without_memory_waits_and_ends)
{
    size_t n = 1;
    while (crowded(n))
        n++;
    cr_assert_gt(n, 40);
}

/* The host stops pulling, memory runs out while a fail-over becomes durable. */
Test(coordinator, failover_of_a_crowd_without_memory_is_caught_up_by_ticks)
{
    enum { COUNT = 24 };
    for (size_t n = 1; n < 40; n += 3) {
        fixture_init(&fixture);
        fixture_open(&fixture);
        for (uint32_t i = 0; i < COUNT; i++)
            fixture_reach(&fixture,
                fixture_migration(&fixture, RESHARD_MODE_SNAPSHOT, 2 * i, 2 * i + 1),
                RESHARD_PHASE_CATCHUP);
        struct reshard_change change;
        reshard_change_init(&change);
        change.kind = RESHARD_CHANGE_SHARD_PRIMARY;
        change.shard = 1;
        change.node = 12;
        cr_assert_eq(reshard_coordinator_change(fixture.coordinator, &change), RESHARD_OK);
        fixture.hold = true;
        fixture_pump(&fixture);
        fixture.alloc.fail_at = fixture.alloc.calls + n;
        fixture.alloc.fail_onwards = true;
        int32_t status = reshard_coordinator_complete(
            fixture.coordinator, fixture.held[0].id, NULL, fixture.now_ns);
        cr_assert(status == RESHARD_OK || status == RESHARD_E_NOMEM);
        if (status == RESHARD_OK) {
            int32_t tick = reshard_coordinator_tick(
                fixture.coordinator, fixture.now_ns += 1000000000);
            cr_assert(tick == RESHARD_OK || tick == RESHARD_E_NOMEM);
        }
        fixture.alloc.fail_at = 0;
        fixture.alloc.fail_onwards = false;
        fixture.hold = false;
        if (status == RESHARD_E_NOMEM)
            cr_assert_eq(reshard_coordinator_complete(
                             fixture.coordinator, fixture.held[0].id, NULL, fixture.now_ns),
                RESHARD_OK);
        fixture_pump(&fixture);
        fixture_pass(&fixture, UINT64_C(1000000000));
        for (uint32_t i = 0; i < COUNT; i++)
            cr_assert_eq(fixture_phase(&fixture, i + 1), RESHARD_PHASE_PREPARE, "%zu", n);
        fixture_close(&fixture);
    }
}

Test(coordinator, destroy_frees_what_was_not_pulled)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    (void)fixture_migration(&fixture, RESHARD_MODE_SNAPSHOT, 0, 9);
    cr_assert_eq(reshard_coordinator_tick(
                     fixture.coordinator, fixture.now_ns += UINT64_C(10000000000)),
        RESHARD_OK);
    fixture_close(&fixture);
}
