/* SPDX-License-Identifier: MIT */
/* Room node, tests: the map's way into the node (R24). */
#include "rig.h"

static struct rig rig;

static void send_map(uint64_t from, int32_t expected)
{
    uint8_t buffer[4096];
    struct reshard__message message = rig_map_message(&rig, from, buffer, sizeof buffer);
    cr_assert_eq(rig_feed(&rig, 9, &message), expected);
    rig_run(&rig);
}

static struct reshard__message snapshot(uint8_t *buffer, size_t capacity)
{
    struct reshard__message message = {.type = RESHARD__MAP};
    message.to = reshard_map_version(rig.truth);
    message.snapshot.data = buffer;
    cr_assert_eq(
        reshard__map_encode(rig.truth, buffer, capacity, &message.snapshot.size), RESHARD_OK);
    return message;
}

Test(maps, routing_follows_only_what_is_durable_r24)
{
    rig_init(&rig, 1);
    rig.automatic &= ~RIG_BIT(APPEND);
    cr_assert_eq(rig_start(&rig), RESHARD_OK);
    rig_run(&rig);
    if (rig_find(&rig, RESHARD_ACTION_APPEND))
        rig_do(&rig, RESHARD_ACTION_APPEND); /* the identity */
    send_map(0, RESHARD_OK);
    cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_READ), RESHARD_DOWN);
    cr_assert_eq(reshard_map_version(reshard_node_map(rig.node)), 0);
    rig_do(&rig, RESHARD_ACTION_APPEND);
    cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_READ), RESHARD_SERVE);
    cr_assert_eq(rig_events(&rig, RESHARD_EVENT_MAP), 1);
    rig_free(&rig);
}

Test(maps, changes_that_are_known_change_nothing)
{
    rig_boot(&rig, 1);
    struct reshard_digest before = rig_digest(&rig);
    send_map(0, RESHARD_OK);
    send_map(3, RESHARD_OK);
    cr_assert(rig_same(before, rig_digest(&rig)));
    rig_free(&rig);
}

Test(maps, gap_is_answered_with_what_is_here)
{
    rig_boot(&rig, 1);
    rig_change(
        &rig, (struct reshard_change){.kind = RESHARD_CHANGE_SHARD_PUT, .shard = 3, .weight = 1.0});
    rig_change(
        &rig, (struct reshard_change){.kind = RESHARD_CHANGE_SHARD_PUT, .shard = 4, .weight = 1.0});
    uint64_t here = reshard_map_version(rig.node->next);
    struct reshard_digest before = rig_digest(&rig);
    send_map(here + 1, RESHARD_OK);
    cr_assert(rig_same(before, rig_digest(&rig)));
    const struct reshard__message *hello = rig_last(&rig, RESHARD__HELLO, 0);
    cr_assert(hello && hello->map_version == here);
    rig_free(&rig);
}

Test(maps, snapshot_is_taken_whole_and_written_whole)
{
    static uint8_t buffer[8192];
    rig_init(&rig, 1);
    cr_assert_eq(rig_start(&rig), RESHARD_OK);
    rig_run(&rig);
    struct reshard__message message = snapshot(buffer, sizeof buffer);
    rig_receive(&rig, 9, &message);
    cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_WRITE), RESHARD_SERVE);
    cr_assert_eq(rig_newest_record(&rig), RESHARD__RECORD_MAP);
    struct reshard_digest before = rig_digest(&rig);
    rig_receive(&rig, 9, &message);
    cr_assert(rig_same(before, rig_digest(&rig)));
    message.to += 5; /* it lies about itself */
    cr_assert_eq(rig_feed(&rig, 9, &message), RESHARD_E_BOUND);
    message.snapshot.size -= 3;
    cr_assert_lt(rig_feed(&rig, 9, &message), 0);
    cr_assert(rig_same(before, rig_digest(&rig)));
    cr_assert_eq(rig_events(&rig, RESHARD_EVENT_BAD_MESSAGE), 2);
    rig_restart(&rig);
    cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_WRITE), RESHARD_SERVE);
    rig_free(&rig);
}

Test(maps, snapshot_with_an_open_migration_makes_its_part)
{
    static uint8_t buffer[8192];
    rig_boot(&rig, 1);
    static const struct reshard_range low = {0, 7};
    rig_change(&rig, (struct reshard_change){.kind = RESHARD_CHANGE_MIGRATION_OPEN,
                         .migration = 1,
                         .source = 1,
                         .target = 2,
                         .mode = RESHARD_MODE_SNAPSHOT,
                         .ranges = &low,
                         .range_count = 1});
    struct reshard__message message = snapshot(buffer, sizeof buffer);
    rig_receive(&rig, 9, &message);
    cr_assert(rig_part(&rig));
    rig_change(&rig, (struct reshard_change){.kind = RESHARD_CHANGE_MIGRATION_COMMIT,
                         .migration = 1,
                         .attempt = 1,
                         .source_epoch = 1,
                         .target_epoch = 1});
    message = snapshot(buffer, sizeof buffer);
    rig_receive(&rig, 9, &message); /* R23: no ground to serve on */
    cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_READ), RESHARD_MOVED);
    rig_change(&rig, (struct reshard_change){.kind = RESHARD_CHANGE_MIGRATION_END, .migration = 1});
    message = snapshot(buffer, sizeof buffer);
    rig_receive(&rig, 9, &message);
    cr_assert_null(rig_part(&rig));
    cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_READ), RESHARD_MOVED);
    rig_free(&rig);
}

Test(maps, snapshot_or_changes_during_a_write_come_again)
{
    static uint8_t buffer[8192];
    rig_boot(&rig, 1);
    rig.automatic &= ~RIG_BIT(APPEND);
    rig_change(
        &rig, (struct reshard_change){.kind = RESHARD_CHANGE_SHARD_PUT, .shard = 3, .weight = 1.0});
    rig_map(&rig);
    cr_assert(rig_find(&rig, RESHARD_ACTION_APPEND));
    rig_change(
        &rig, (struct reshard_change){.kind = RESHARD_CHANGE_SHARD_PUT, .shard = 4, .weight = 1.0});
    struct reshard_digest before = rig_digest(&rig);
    struct reshard__message message = snapshot(buffer, sizeof buffer);
    rig_receive(&rig, 9, &message);
    cr_assert(rig_same(before, rig_digest(&rig)));
    rig_clear(&rig);
    rig_do(&rig, RESHARD_ACTION_APPEND);
    cr_assert_eq(rig_count(&rig, RESHARD__HELLO, 0), 1); /* what was missed is asked for */
    rig_receive(&rig, 9, &message);
    rig_change(
        &rig, (struct reshard_change){.kind = RESHARD_CHANGE_SHARD_PUT, .shard = 5, .weight = 1.0});
    before = rig_digest(&rig);
    send_map(reshard_map_version(rig.node->next), RESHARD_OK); /* the snapshot is being written */
    cr_assert(rig_same(before, rig_digest(&rig)));
    rig_clear(&rig);
    rig_do(&rig, RESHARD_ACTION_APPEND);
    cr_assert_eq(rig_count(&rig, RESHARD__HELLO, 0), 1);
    send_map(reshard_map_version(rig.node->next), RESHARD_OK);
    rig_do(&rig, RESHARD_ACTION_APPEND);
    cr_assert_eq(reshard_map_version(reshard_node_map(rig.node)), reshard_map_version(rig.truth));
    rig_free(&rig);
}

Test(maps, changes_that_a_snapshot_has_are_not_missed_while_it_is_written)
{
    static uint8_t buffer[8192];
    rig_boot(&rig, 1);
    uint64_t here = reshard_map_version(rig.node->next);
    rig.automatic &= ~RIG_BIT(APPEND);
    rig_change(
        &rig, (struct reshard_change){.kind = RESHARD_CHANGE_SHARD_PUT, .shard = 3, .weight = 1.0});
    struct reshard__message message = snapshot(buffer, sizeof buffer);
    rig_receive(&rig, 9, &message);
    cr_assert(rig_find(&rig, RESHARD_ACTION_APPEND));
    struct reshard_digest before = rig_digest(&rig);
    send_map(here, RESHARD_OK);
    cr_assert(rig_same(before, rig_digest(&rig)));
    rig_clear(&rig);
    rig_do(&rig, RESHARD_ACTION_APPEND);
    cr_assert_eq(rig_count(&rig, RESHARD__HELLO, 0), 0);
    rig_free(&rig);
}

Test(maps, change_that_no_map_takes_is_refused)
{
    rig_boot(&rig, 1);
    uint8_t buffer[256];
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_MIGRATION_END;
    change.migration = 9;
    struct reshard__message message = {.type = RESHARD__MAP};
    message.from = reshard_map_version(rig.truth);
    message.to = message.from + 1;
    message.changes.data = buffer;
    cr_assert_eq(
        reshard__change_encode(&change, buffer, sizeof buffer, &message.changes.size), RESHARD_OK);
    struct reshard_digest before = rig_digest(&rig);
    cr_assert_eq(rig_feed(&rig, 9, &message), RESHARD_E_MIGRATION);
    message.changes.size--;
    cr_assert_lt(rig_feed(&rig, 9, &message), 0);
    cr_assert(rig_same(before, rig_digest(&rig)));
    rig_free(&rig);
}

Test(maps, end_waits_for_a_record_but_not_for_ever)
{
    rig_boot(&rig, 1);
    rig.automatic &= ~RIG_BIT(APPEND);
    rig_change(&rig, (struct reshard_change){.kind = RESHARD_CHANGE_TERM, .term = 2, .unique = 3});
    rig_map(&rig);
    cr_assert_null(rig_find(&rig, RESHARD_ACTION_APPEND));
    cr_assert_leq(reshard_node_deadline(rig.node), rig.now_ns + UINT64_C(5000000000));
    rig_tick(&rig, UINT64_C(5000000000));
    cr_assert(rig_find(&rig, RESHARD_ACTION_APPEND));
    rig_free(&rig);
}

/* What is adopted after a write is read back from what the map retains: no more may come. */
Test(maps, more_changes_during_a_write_than_are_retained_come_again)
{
    rig_boot(&rig, 1);
    rig.automatic &= ~RIG_BIT(APPEND);
    for (int i = 0; i < RESHARD_MAP_RETAINED + 100; i++) {
        rig_change(&rig, (struct reshard_change){
                             .kind = RESHARD_CHANGE_SHARD_PUT, .shard = 3, .weight = 1.0 + i});
        if (i % 50 == 0)
            rig_map(&rig);
    }
    rig_map(&rig);
    cr_assert_eq(reshard_map_version(rig.node->next) -
                     reshard_map_version(reshard_node_map(rig.node)),
        RESHARD_MAP_RETAINED);
    rig_clear(&rig);
    rig_do(&rig, RESHARD_ACTION_APPEND);
    cr_assert_eq(rig_count(&rig, RESHARD__HELLO, 0), 1); /* what was missed is asked for */
    for (int i = 0; i < 3; i++) {
        rig_map(&rig);
        if (rig_find(&rig, RESHARD_ACTION_APPEND))
            rig_do(&rig, RESHARD_ACTION_APPEND);
    }
    cr_assert_eq(reshard_map_version(reshard_node_map(rig.node)), reshard_map_version(rig.truth));
    rig_free(&rig);
}
