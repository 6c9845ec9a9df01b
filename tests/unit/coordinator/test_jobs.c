/* SPDX-License-Identifier: MIT */
/* Plans that are run. */
#include "fixture.h"
#include "plan/plan.h"
#include <criterion/criterion.h>

static struct fixture fixture;

/* All slots of shard 1 go to shard 2, at most 16 in a migration and two at once. */
static struct reshard_plan *drain_plan(void)
{
    static const reshard_shard_id shards[] = {1};
    struct reshard_drain_request request;
    reshard_drain_request_init(&request);
    request.shards = shards;
    request.shard_count = 1;
    struct reshard_plan *plan = NULL;
    cr_assert_eq(reshard_plan_drain(reshard_coordinator_map(fixture.coordinator), &request,
                     &fixture.config.allocator, &plan),
        RESHARD_OK);
    return plan;
}

static struct reshard_job_spec job_spec(struct reshard_batch_limits *limits)
{
    struct reshard_job_spec spec;
    reshard_batch_limits_init(limits);
    limits->slots_max = 16;
    limits->in_flight_max = 2;
    reshard_job_spec_init(&spec);
    spec.mode = RESHARD_MODE_SNAPSHOT;
    spec.limits = limits;
    return spec;
}

static int32_t submit_status(
    const struct reshard_plan *plan, const struct reshard_job_spec *spec, reshard_job_id *job)
{
    int32_t status;
    do {
        status = reshard_coordinator_submit(fixture.coordinator, plan, spec, job);
    } while (status == RESHARD_E_NOMEM);
    fixture_pump(&fixture);
    return status;
}

static reshard_job_id submitted(uint32_t retry_limit)
{
    struct reshard_batch_limits limits;
    struct reshard_job_spec spec = job_spec(&limits);
    spec.retry_limit = retry_limit;
    spec.priority = 3;
    struct reshard_plan *plan = drain_plan();
    reshard_job_id job = 0;
    cr_assert_eq(submit_status(plan, &spec, &job), RESHARD_OK);
    reshard_plan_destroy(plan);
    cr_assert_neq(job, 0);
    return job;
}

static struct reshard_job_progress progress_of(reshard_job_id job)
{
    struct reshard_job_progress progress = {.struct_size = sizeof progress};
    cr_assert_eq(reshard_coordinator_job_progress(fixture.coordinator, job, &progress),
        RESHARD_OK);
    return progress;
}

/* The open migration with the lowest id, 0 = none. */
static reshard_migration_id first_open(void)
{
    struct reshard_map_migration migration = {.struct_size = sizeof migration};
    (void)reshard_map_migration_at(
        reshard_coordinator_map(fixture.coordinator), 0, &migration);
    return migration.migration;
}

static void run_all(void)
{
    for (int i = 0; i < 20 && first_open(); i++)
        fixture_reach(&fixture, first_open(), RESHARD_PHASE_COUNT);
    cr_assert_eq(first_open(), 0);
}

static uint32_t owned(reshard_shard_id id)
{
    struct reshard_map_shard shard = {.struct_size = sizeof shard};
    (void)reshard_map_shard_find(reshard_coordinator_map(fixture.coordinator), id, &shard);
    return shard.slot_count;
}

Test(jobs, plan_is_run_in_batches_under_its_limits)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    reshard_job_id job = submitted(0);
    struct reshard_job_progress progress = progress_of(job);
    cr_assert_eq(progress.batch_count, 3);
    cr_assert_eq(progress.slot_count, 48);
    cr_assert_eq(progress.open_count, 2);
    cr_assert_eq(progress.state, 0);
    cr_assert_eq(progress.started_ns, fixture.now_ns);
    cr_assert_eq(fixture_progress(&fixture, first_open()).slot_count, 16);
    fixture_reach(&fixture, first_open(), RESHARD_PHASE_COUNT);
    progress = progress_of(job);
    cr_assert_eq(progress.done_count, 1);
    cr_assert_eq(progress.slots_done, 16);
    cr_assert_eq(progress.open_count, 2);
    run_all();
    progress = progress_of(job);
    cr_assert_eq(progress.done_count, 3);
    cr_assert_eq(progress.slots_done, 48);
    cr_assert_eq(progress.open_count, 0);
    cr_assert_eq(progress.state, RESHARD_JOB_ENDED);
    cr_assert_eq(owned(2), 64);
    struct reshard_event event;
    cr_assert_eq(fixture_events(&fixture, RESHARD_EVENT_JOB, &event), 1);
    cr_assert_eq(event.value, job);
    cr_assert_eq(event.status, RESHARD_OK);
    cr_assert_eq(reshard_coordinator_job_abort(fixture.coordinator, job), RESHARD_E_STATE);
    cr_assert_eq(reshard_coordinator_job_pause(fixture.coordinator, job, 1), RESHARD_E_STATE);
    fixture_close(&fixture);
}

Test(jobs, keys_and_bytes_are_summed_over_migrations)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    reshard_job_id job = submitted(0);
    for (int i = 0; i < 3; i++) {
        reshard_migration_id migration = first_open();
        fixture_reach(&fixture, migration, RESHARD_PHASE_CLEANUP);
        struct reshard__message report =
            fixture_report(&fixture, migration, SOURCE, RESHARD__RESULT_WORKING);
        report.progress_keys = 10;
        report.progress_bytes = 1000;
        cr_assert_eq(fixture_say(&fixture, 11, &report), RESHARD_OK);
        cr_assert_eq(progress_of(job).keys, 10 * ((uint64_t)i + 1));
        report.result = RESHARD__RESULT_PURGED;
        cr_assert_eq(fixture_say(&fixture, 11, &report), RESHARD_OK);
    }
    cr_assert_eq(progress_of(job).bytes, 3000);
    fixture_close(&fixture);
}

Test(jobs, submit_bad_input_is_refused)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    struct reshard_coordinator *coordinator = fixture.coordinator;
    struct reshard_batch_limits limits;
    struct reshard_plan *plan = drain_plan();
    struct reshard_job_spec good = job_spec(&limits), spec = good;
    struct reshard_digest before = fixture_digest(&fixture), after;
    cr_assert_eq(reshard_coordinator_submit(coordinator, NULL, &spec, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_coordinator_submit(coordinator, plan, NULL, NULL), RESHARD_E_NULL);
    spec.struct_size = 9;
    cr_assert_eq(submit_status(plan, &spec, NULL), RESHARD_E_STRUCT_SIZE);
    spec = good;
    spec.flags = 2;
    cr_assert_eq(submit_status(plan, &spec, NULL), RESHARD_E_FLAGS);
    spec = good;
    spec.mode = 3;
    cr_assert_eq(submit_status(plan, &spec, NULL), RESHARD_E_MODE);
    spec = good;
    spec.retry_limit = 256;
    cr_assert_eq(submit_status(plan, &spec, NULL), RESHARD_E_ARGUMENT);
    spec = good;
    spec.reserved = 1;
    cr_assert_eq(submit_status(plan, &spec, NULL), RESHARD_E_ARGUMENT);
    limits.flags = 1;
    cr_assert_eq(submit_status(plan, &good, NULL), RESHARD_E_FLAGS);
    limits.flags = 0;
    struct reshard_job_progress progress = {.struct_size = sizeof progress};
    cr_assert_eq(reshard_coordinator_job_abort(coordinator, 1), RESHARD_E_ARGUMENT);
    cr_assert_eq(reshard_coordinator_job_pause(coordinator, 1, 0), RESHARD_E_ARGUMENT);
    cr_assert_eq(reshard_coordinator_job_pause(coordinator, 1, 2), RESHARD_E_ARGUMENT);
    cr_assert_eq(reshard_coordinator_job_close(coordinator, 1), RESHARD_E_ARGUMENT);
    cr_assert_eq(
        reshard_coordinator_job_progress(coordinator, 1, &progress), RESHARD_E_ARGUMENT);
    after = fixture_digest(&fixture);
    cr_assert(fixture_same(&before, &after));
    cr_assert_eq(submit_status(plan, &good, NULL), RESHARD_OK);
    progress.struct_size = 1;
    cr_assert_eq(
        reshard_coordinator_job_progress(coordinator, 1, &progress), RESHARD_E_STRUCT_SIZE);
    reshard_plan_destroy(plan);
    fixture_close(&fixture);
}

Test(jobs, submit_exactly_wants_the_very_map)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    struct reshard_batch_limits limits;
    struct reshard_job_spec spec = job_spec(&limits);
    spec.flags = RESHARD_JOB_EXACT;
    struct reshard_plan *plan = drain_plan();
    cr_assert_eq(fixture_primary(&fixture, 1, 12), RESHARD_OK);
    cr_assert_eq(submit_status(plan, &spec, NULL), RESHARD_E_PLAN);
    spec.flags = 0;
    cr_assert_eq(submit_status(plan, &spec, NULL), RESHARD_OK);
    reshard_plan_destroy(plan);
    fixture_close(&fixture);
}

Test(jobs, submit_waits_for_the_lead_and_for_the_same_slot_count)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    struct reshard_batch_limits limits;
    struct reshard_job_spec spec = job_spec(&limits);
    struct reshard_plan *plan = drain_plan();
    fixture_restart(&fixture);
    cr_assert_eq(submit_status(plan, &spec, NULL), RESHARD_E_STATE);
    reshard_coordinator_destroy(fixture.coordinator);
    fixture.config.slot_count = 32;
    fixture_create(&fixture);
    cr_assert_eq(fixture_start(&fixture), RESHARD_OK);
    cr_assert_eq(submit_status(plan, &spec, NULL), RESHARD_E_SLOT_COUNT);
    reshard_plan_destroy(plan);
    fixture_close(&fixture);
}

Test(jobs, plan_without_moves_ends_at_once)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    struct reshard_batch_limits limits;
    struct reshard_job_spec spec = job_spec(&limits);
    struct reshard_rebalance_request request;
    reshard_rebalance_request_init(&request);
    request.threshold_percent = 100;
    struct reshard_plan *plan = NULL;
    cr_assert_eq(reshard_plan_rebalance(reshard_coordinator_map(fixture.coordinator), &request,
                     NULL, &plan),
        RESHARD_OK);
    cr_assert_eq(reshard_plan_move_count(plan), 0);
    reshard_job_id job;
    cr_assert_eq(submit_status(plan, &spec, &job), RESHARD_OK);
    cr_assert_eq(progress_of(job).state, RESHARD_JOB_ENDED);
    reshard_plan_destroy(plan);
    fixture_close(&fixture);
}

Test(jobs, abort_takes_back_what_is_open_and_starts_no_more)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    reshard_job_id job = submitted(0);
    reshard_migration_id committed = first_open();
    fixture_reach(&fixture, committed, RESHARD_PHASE_SETTLE);
    cr_assert_eq(reshard_coordinator_job_abort(fixture.coordinator, job), RESHARD_OK);
    fixture_pump(&fixture);
    cr_assert_eq(progress_of(job).state, RESHARD_JOB_ABORTING);
    cr_assert_eq(fixture_phase(&fixture, committed), RESHARD_PHASE_SETTLE);
    cr_assert_eq(fixture_phase(&fixture, committed + 1), RESHARD_PHASE_UNDO);
    run_all();
    fixture_pass(&fixture, UINT64_C(1000000000));
    struct reshard_job_progress progress = progress_of(job);
    cr_assert_eq(progress.state, RESHARD_JOB_ABORTING | RESHARD_JOB_ENDED);
    cr_assert_eq(progress.done_count, 1);
    cr_assert_eq(owned(1), 32);
    struct reshard_event event;
    cr_assert_eq(fixture_events(&fixture, RESHARD_EVENT_JOB, &event), 1);
    cr_assert_eq(event.status, RESHARD_E_STATE);
    fixture_close(&fixture);
}

/* An opening that is on its way when the abort is asked is aborted once it is durable. */
Test(jobs, abort_reaches_migrations_whose_opening_is_on_its_way)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    fixture.hold = true;
    reshard_job_id job = submitted(0);
    cr_assert_eq(reshard_coordinator_job_abort(fixture.coordinator, job), RESHARD_OK);
    fixture_release(&fixture);
    fixture_pass(&fixture, UINT64_C(1000000000));
    run_all();
    fixture_pass(&fixture, UINT64_C(1000000000));
    cr_assert(progress_of(job).state & RESHARD_JOB_ENDED);
    cr_assert_eq(owned(1), 48);
    fixture_close(&fixture);
}

Test(jobs, pause_rests_all_and_resume_goes_on)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    reshard_job_id job = submitted(0);
    reshard_migration_id first = first_open();
    cr_assert_eq(reshard_coordinator_job_pause(fixture.coordinator, job, 1), RESHARD_OK);
    fixture_pump(&fixture);
    cr_assert_eq(progress_of(job).state, RESHARD_JOB_PAUSED);
    cr_assert_eq(fixture_progress(&fixture, first).state, RESHARD_RUN_PAUSED);
    cr_assert_eq(reshard_coordinator_abort(fixture.coordinator, first), RESHARD_OK);
    fixture_reach(&fixture, first, RESHARD_PHASE_COUNT);
    fixture_pass(&fixture, UINT64_C(1000000000));
    cr_assert_eq(progress_of(job).open_count, 1, "none starts");
    cr_assert_eq(reshard_coordinator_job_pause(fixture.coordinator, job, 0), RESHARD_OK);
    fixture_pump(&fixture);
    cr_assert_eq(progress_of(job).open_count, 2);
    cr_assert_eq(fixture_progress(&fixture, first + 1).state, 0);
    fixture_close(&fixture);
}

static void revert_first(void)
{
    reshard_migration_id migration = first_open();
    fixture_tell(&fixture, migration, TARGET, RESHARD__RESULT_LEFTOVERS);
    fixture_reach(&fixture, migration, RESHARD_PHASE_COUNT);
}

Test(jobs, batch_that_was_reverted_is_tried_again_as_often_as_told)
{
    for (uint32_t limit = 0; limit < 3; limit++) {
        fixture_init(&fixture);
        fixture.config.in_flight_limit = 1;
        fixture_open(&fixture);
        reshard_job_id job = submitted(limit);
        for (uint32_t i = 0; i <= limit; i++) {
            cr_assert_eq(progress_of(job).failed_count, 0);
            revert_first();
        }
        cr_assert_eq(progress_of(job).failed_count, 1);
        cr_assert_eq(progress_of(job).last_error, RESHARD_E_IN_USE);
        run_all();
        fixture_pass(&fixture, UINT64_C(1000000000));
        struct reshard_job_progress progress = progress_of(job);
        cr_assert_eq(progress.state, RESHARD_JOB_ENDED);
        cr_assert_eq(progress.done_count, 2);
        cr_assert_eq(progress.failed_count, 1);
        struct reshard_event event;
        cr_assert_eq(fixture_events(&fixture, RESHARD_EVENT_JOB, &event), 1);
        cr_assert_eq(event.status, RESHARD_E_LIMIT);
        fixture_close(&fixture);
    }
}

/* Somebody else moved some of the slots elsewhere: the rest of that batch cannot be moved. */
Test(jobs, batch_that_was_overtaken_ends_the_job)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    const struct reshard_range range = {47, 47};
    struct reshard_change change;
    struct reshard_plan *plan = drain_plan();
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_UNASSIGN;
    change.shard = 1;
    change.ranges = &range;
    change.range_count = 1;
    cr_assert_eq(fixture_change(&fixture, &change), RESHARD_OK);
    struct reshard_batch_limits limits;
    struct reshard_job_spec spec = job_spec(&limits);
    reshard_job_id job;
    cr_assert_eq(submit_status(plan, &spec, &job), RESHARD_OK);
    reshard_plan_destroy(plan);
    run_all();
    fixture_pass(&fixture, UINT64_C(1000000000));
    struct reshard_job_progress progress = progress_of(job);
    cr_assert_eq(progress.state, RESHARD_JOB_ENDED | RESHARD_JOB_OVERTAKEN);
    cr_assert_eq(progress.done_count, 2);
    fixture_close(&fixture);
}

/* A fix gives unowned slots their owner: a change, not a migration. */
Test(jobs, move_without_source_is_an_assignment)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    struct reshard_range range = {40, 47};
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_UNASSIGN;
    change.shard = 1;
    change.ranges = &range;
    change.range_count = 1;
    cr_assert_eq(fixture_change(&fixture, &change), RESHARD_OK);
    struct reshard__plan_move move = {.target = 2, .range_count = 1, .slot_count = 8};
    struct reshard_plan plan = {.slot_count = FIXTURE_SLOTS, .moves = &move, .move_count = 1};
    plan.ranges = &range;
    plan.range_count = 1;
    struct reshard_job_spec spec;
    reshard_job_spec_init(&spec);
    spec.mode = RESHARD_MODE_KEYWISE;
    reshard_job_id job;
    fixture.hold = true;
    cr_assert_eq(submit_status(&plan, &spec, &job), RESHARD_OK);
    fixture_pass(&fixture, UINT64_C(1000000000));
    cr_assert_eq(progress_of(job).state, 0, "not durable, not over");
    fixture_release(&fixture);
    cr_assert_eq(progress_of(job).state, RESHARD_JOB_ENDED);
    cr_assert_eq(progress_of(job).slots_done, 8);
    cr_assert_eq(owned(2), 24);
    fixture_close(&fixture);
}

/* A batch that cannot start is given up, not tried for ever. */
Test(jobs, batch_that_cannot_start_fails)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_PUT;
    change.shard = 3; /* without a primary */
    change.weight = 1;
    cr_assert_eq(fixture_change(&fixture, &change), RESHARD_OK);
    struct reshard_reshard_request request;
    reshard_reshard_request_init(&request);
    request.target = 3;
    request.slot_count = 10;
    struct reshard_plan *plan = NULL;
    cr_assert_eq(reshard_plan_reshard(reshard_coordinator_map(fixture.coordinator), &request,
                     NULL, &plan),
        RESHARD_OK);
    struct reshard_batch_limits limits;
    struct reshard_job_spec spec = job_spec(&limits);
    reshard_job_id job;
    cr_assert_eq(submit_status(plan, &spec, &job), RESHARD_OK);
    reshard_plan_destroy(plan);
    struct reshard_job_progress progress = progress_of(job);
    cr_assert_eq(progress.state, RESHARD_JOB_ENDED);
    cr_assert_eq(progress.last_error, RESHARD_E_NODE);
    cr_assert_eq(progress.failed_count, progress.batch_count);
    fixture_close(&fixture);
}

Test(jobs, close_forgets_the_job_and_its_migrations_go_on)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    reshard_job_id job = submitted(0);
    cr_assert_eq(reshard_coordinator_job_close(fixture.coordinator, job), RESHARD_OK);
    run_all();
    fixture_pass(&fixture, UINT64_C(1000000000));
    cr_assert_eq(owned(1), 16, "two were open, the third never starts");
    reshard_job_id second = submitted(0);
    cr_assert_neq(second, job);
    run_all();
    cr_assert_eq(owned(1), 0);
    fixture_close(&fixture);
}

/* A successor knows no jobs; the plan that is submitted again goes on where it was. */
Test(jobs, plan_submitted_to_a_successor_goes_on)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    struct reshard_batch_limits limits;
    struct reshard_job_spec spec = job_spec(&limits);
    struct reshard_plan *plan = drain_plan();
    cr_assert_eq(submit_status(plan, &spec, NULL), RESHARD_OK);
    fixture_reach(&fixture, first_open(), RESHARD_PHASE_COUNT);
    fixture_restart(&fixture);
    cr_assert_eq(fixture_start(&fixture), RESHARD_OK);
    reshard_job_id job;
    cr_assert_eq(submit_status(plan, &spec, &job), RESHARD_OK);
    cr_assert_eq(progress_of(job).done_count, 1);
    run_all();
    fixture_pass(&fixture, UINT64_C(1000000000));
    cr_assert_eq(progress_of(job).state, RESHARD_JOB_ENDED);
    cr_assert_eq(progress_of(job).done_count, 3);
    reshard_plan_destroy(plan);
    fixture_close(&fixture);
}

Test(jobs, each_allocation_fails_once_and_the_job_ends)
{
    bool failed = true;
    size_t n = 1;
    for (; failed; n++) {
        fixture_init(&fixture);
        fixture_open(&fixture);
        struct reshard_batch_limits limits;
        struct reshard_job_spec spec = job_spec(&limits);
        struct reshard_plan *plan = drain_plan();
        reshard_job_id job;
        size_t before = fixture.alloc.failed;
        fixture.alloc.fail_at = fixture.alloc.calls + n;
        cr_assert_eq(submit_status(plan, &spec, &job), RESHARD_OK);
        for (int i = 0; i < 6; i++) {
            run_all();
            fixture_pass(&fixture, UINT64_C(1000000000));
        }
        failed = fixture.alloc.failed > before;
        cr_assert_eq(progress_of(job).state, RESHARD_JOB_ENDED, "allocation %zu", n);
        cr_assert_eq(progress_of(job).done_count, 3);
        reshard_plan_destroy(plan);
        fixture_close(&fixture);
    }
    cr_assert_gt(n, 10);
}

Test(jobs, submit_before_the_term_is_durable_is_refused)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    struct reshard_batch_limits limits;
    struct reshard_job_spec spec = job_spec(&limits);
    struct reshard_plan *plan = drain_plan();
    fixture_restart(&fixture);
    fixture.hold = true;
    cr_assert_eq(fixture_start(&fixture), RESHARD_OK);
    cr_assert_eq(submit_status(plan, &spec, NULL), RESHARD_E_STATE);
    fixture_release(&fixture);
    struct reshard_digest before = fixture_digest(&fixture), after;
    reshard_job_id job;
    cr_assert_eq(submit_status(plan, &spec, &job), RESHARD_OK);
    cr_assert_eq(reshard_coordinator_job_pause(fixture.coordinator, job, 1), RESHARD_OK);
    after = fixture_digest(&fixture);
    cr_assert_not(fixture_same(&before, &after));
    reshard_plan_destroy(plan);
    fixture_close(&fixture);
}
