/* SPDX-License-Identifier: MIT */
/* What can be seen from outside. */
#include "fixture.h"
#include <criterion/criterion.h>

static struct fixture fixture;

Test(observe, receiver_is_told_by_the_type_of_message)
{
    uint8_t bytes[512];
    size_t size;
    for (uint32_t type = RESHARD__HELLO; type <= RESHARD__ACK; type++) {
        struct reshard__message message = {.type = type, .migration = 1, .phase = 1};
        message.protocol = RESHARD__PROTOCOL;
        message.node = message.boot = message.slot_count = 1;
        message.order.term = message.order.n = message.copy.term = message.copy.n = 1;
        message.kind = RESHARD__CHUNK_DATA;
        message.from = message.to = 1;
        cr_assert_eq(
            reshard__message_encode(&message, bytes, sizeof bytes, &size), RESHARD_OK, "%u", type);
        bool coordinator = type == RESHARD__HELLO || type == RESHARD__REPORT;
        cr_assert_eq(reshard_message_receiver(bytes, size),
            coordinator ? RESHARD_RECEIVER_COORDINATOR : RESHARD_RECEIVER_NODE, "%u", type);
    }
    cr_assert_eq(reshard_message_receiver(NULL, 20), RESHARD_E_NULL);
    cr_assert_eq(reshard_message_receiver(bytes, 10), RESHARD_E_TRUNCATED);
    for (unsigned head = 0; head < 256; head++) {
        bytes[8] = (uint8_t)head;
        bytes[9] = bytes[10] = 2;
        int32_t receiver = reshard_message_receiver(bytes, 11);
        cr_assert_eq(receiver,
            head > 0x80 && head <= 0x98 ? RESHARD_RECEIVER_NODE : RESHARD_E_KIND, "%u", head);
    }
    bytes[8] = 0x83;
    bytes[9] = 0;
    cr_assert_eq(reshard_message_receiver(bytes, 11), RESHARD_E_KIND);
    bytes[9] = 7;
    cr_assert_eq(reshard_message_receiver(bytes, 11), RESHARD_E_KIND);
}

Test(observe, progress_names_what_moves)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    reshard_migration_id migration =
        fixture_migration(&fixture, RESHARD_MODE_KEYWISE, 4, 9);
    struct reshard_progress progress = fixture_progress(&fixture, migration);
    cr_assert_eq(progress.migration, migration);
    cr_assert_eq(progress.source, 1);
    cr_assert_eq(progress.target, 2);
    cr_assert_eq(progress.mode, RESHARD_MODE_KEYWISE);
    cr_assert_eq(progress.slot_count, 6);
    cr_assert_eq(progress.eta_ns, UINT64_MAX);
    cr_assert_eq(progress.started_ns, fixture.now_ns);
    progress.struct_size = 1;
    cr_assert_eq(reshard_coordinator_progress(fixture.coordinator, migration, &progress),
        RESHARD_E_STRUCT_SIZE);
    fixture_close(&fixture);
}

Test(observe, deadline_is_the_next_repeat_or_beat)
{
    fixture_init(&fixture);
    fixture_create(&fixture);
    cr_assert_eq(fixture_start(&fixture), RESHARD_OK);
    cr_assert_eq(reshard_coordinator_deadline(fixture.coordinator), UINT64_MAX, "nobody there");
    fixture_cluster(&fixture);
    fixture_pass(&fixture, 1);
    uint64_t retry_ns = fixture.coordinator->config.retry_ns;
    cr_assert_eq(
        reshard_coordinator_deadline(fixture.coordinator), fixture.now_ns + 5 * retry_ns);
    fixture.now_ns += 10;
    fixture_pass(&fixture, 0);
    (void)fixture_migration(&fixture, RESHARD_MODE_SNAPSHOT, 0, 9);
    cr_assert_eq(reshard_coordinator_deadline(fixture.coordinator), fixture.now_ns + retry_ns);
    fixture_close(&fixture);
}

/* A host that sleeps until the deadline and ticks then needs no other clock. */
Test(observe, deadline_is_always_ahead_after_a_tick)
{
    fixture_init(&fixture);
    fixture.config.linger_ns = 3000000000;
    fixture_open(&fixture);
    reshard_migration_id migration =
        fixture_migration(&fixture, RESHARD_MODE_SNAPSHOT, 0, 9);
    for (int i = 0; i < 100; i++) {
        uint64_t deadline = reshard_coordinator_deadline(fixture.coordinator);
        cr_assert_neq(deadline, UINT64_MAX);
        fixture_pass(&fixture, deadline > fixture.now_ns ? deadline - fixture.now_ns : 0);
        cr_assert_gt(reshard_coordinator_deadline(fixture.coordinator), fixture.now_ns);
        if (i % 5 == 0 && fixture_phase(&fixture, migration) < RESHARD_PHASE_LINGER)
            fixture_step(&fixture, migration);
    }
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_CLEANUP);
    fixture_close(&fixture);
}

Test(observe, events_are_numbered_and_the_newest_are_kept)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    (void)fixture_events(&fixture, 0, NULL);
    uint8_t byte = 0;
    for (int i = 0; i < RESHARD__EVENT_RING + 10; i++)
        cr_assert_lt(
            reshard_coordinator_receive(fixture.coordinator, 1, &byte, 1, 0), RESHARD_OK);
    struct reshard_event first = {.struct_size = sizeof first};
    cr_assert_eq(reshard_coordinator_event_next(fixture.coordinator, &first), RESHARD_OK);
    struct reshard_event newest;
    cr_assert_eq(fixture_events(&fixture, RESHARD_EVENT_BAD_MESSAGE, &newest),
        RESHARD__EVENT_RING - 1);
    cr_assert_eq(newest.number, first.number + RESHARD__EVENT_RING - 1);
    fixture_close(&fixture);
}

Test(observe, digest_sees_runs_jobs_and_what_waits)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    struct reshard_digest digests[3];
    digests[0] = fixture_digest(&fixture);
    fixture.hold = true;
    reshard_migration_id migration =
        fixture_migration(&fixture, RESHARD_MODE_SNAPSHOT, 0, 9);
    digests[1] = fixture_digest(&fixture);
    fixture_release(&fixture);
    cr_assert_eq(reshard_coordinator_pause(fixture.coordinator, migration, 1), RESHARD_OK);
    digests[2] = fixture_digest(&fixture);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < i; j++)
            cr_assert_not(fixture_same(&digests[i], &digests[j]));
    fixture_close(&fixture);
}

Test(observe, deadline_before_the_lead_is_the_journals)
{
    fixture_init(&fixture);
    fixture_create(&fixture);
    fixture_script(&fixture, RESHARD_ACTION_APPEND, RESHARD_E_HOOK, false);
    fixture.script_left = 2;
    cr_assert_eq(fixture_start(&fixture), RESHARD_OK);
    cr_assert_eq(reshard_coordinator_leads(fixture.coordinator), 0);
    cr_assert_eq(reshard_coordinator_deadline(fixture.coordinator),
        fixture.now_ns + fixture.coordinator->config.retry_ns);
    fixture_close(&fixture);
}

Test(observe, deadline_ignores_what_waits_for_its_turn)
{
    fixture_init(&fixture);
    fixture.config.in_flight_limit = 1;
    fixture_open(&fixture);
    fixture_pass(&fixture, 1);
    reshard_migration_id migration = fixture_migration(&fixture, RESHARD_MODE_SNAPSHOT, 0, 9);
    (void)fixture_migration(&fixture, RESHARD_MODE_SNAPSHOT, 10, 19);
    cr_assert_eq(reshard_coordinator_deadline(fixture.coordinator),
        fixture.now_ns + fixture.coordinator->config.retry_ns);
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_PREPARE);
    fixture_close(&fixture);
}
