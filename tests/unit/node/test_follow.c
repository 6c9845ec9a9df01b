/* SPDX-License-Identifier: MIT */
/* Room node, tests: a replica that takes its primary's records as they come, routes by them, and
 * is promoted at any of them. */
#include "rig.h"

#include <string.h>

static struct rig primary, replica;

/* A replica of the primary's shard that has nothing yet. */
static void follower_init(reshard_node_id id)
{
    rig_init(&replica, id);
    replica.config.flags = RESHARD_NODE_FOLLOWS;
}

/* Feed what the primary wrote since. */
static int32_t follow(void)
{
    size_t size = primary.journal_size - replica.journal_size;
    const uint8_t *bytes = primary.journal + replica.journal_size;
    int32_t status = reshard_node_restore(replica.node, bytes, size);
    if (status)
        return status;
    memcpy(replica.journal + replica.journal_size, bytes, size);
    replica.journal_size += size;
    rig_run(&replica);
    return RESHARD_OK;
}

static void both_free(void)
{
    rig_free(&replica);
    rig_free(&primary);
}

/* The replica's host tells it what the authority decided. */
static void promote(void)
{
    uint8_t buffer[65536];
    struct reshard_change change = {.kind = RESHARD_CHANGE_SHARD_PRIMARY,
        .shard = replica.config.node == 3 ? 1 : 2,
        .node = replica.config.node,
        .struct_size = sizeof change};
    reshard_map_destroy(replica.truth);
    cr_assert_eq(reshard_map_clone(primary.truth, NULL, &replica.truth), RESHARD_OK);
    cr_assert_eq(reshard_map_apply(replica.truth, &change), RESHARD_OK);
    struct reshard__message message = rig_map_message(
        &replica, reshard_map_version(reshard_node_map(replica.node)), buffer, sizeof buffer);
    rig_receive(&replica, 9, &message);
}

static void source_follower(uint32_t mode, uint32_t phase)
{
    rig_source_to(&primary, mode, phase);
    follower_init(3);
    cr_assert_eq(rig_start(&replica), RESHARD_OK);
    cr_assert_eq(follow(), RESHARD_OK);
}

Test(follow, records_make_the_primarys_map_and_nothing_is_written)
{
    rig_boot(&primary, 1);
    follower_init(3);
    cr_assert_eq(rig_start(&replica), RESHARD_OK);
    cr_assert_eq(rig_route(&replica, 1, RESHARD_OP_READ), RESHARD_DOWN);
    cr_assert_eq(follow(), RESHARD_OK);
    cr_assert_eq(reshard_map_version(reshard_node_map(replica.node)),
        reshard_map_version(reshard_node_map(primary.node)));
    cr_assert_eq(rig_route(&replica, 1, RESHARD_OP_READ), RESHARD_SERVE);
    cr_assert_eq(rig_route(&replica, 1, RESHARD_OP_WRITE), RESHARD_MOVED);
    cr_assert_eq(replica.append_count, 0);
    cr_assert_null(rig_find(&replica, RESHARD_ACTION_APPEND));
    rig_tick(&replica, UINT64_C(10000000000));
    cr_assert_eq(replica.append_count, 0);
    both_free();
}

Test(follow, record_without_memory_for_what_follows_is_fed_again)
{
    rig_boot(&primary, 1);
    follower_init(3);
    cr_assert_eq(rig_start(&replica), RESHARD_OK);
    replica.alloc.fail_at = replica.alloc.calls + 1;
    replica.alloc.fail_onwards = true;
    int32_t status = RESHARD_OK;
    for (int i = 0; i < 10000 && status == RESHARD_OK; i++)
        status = reshard_node_greet(replica.node, 9); /* until its outbox has no place */
    cr_assert_eq(status, RESHARD_E_NOMEM);
    struct reshard_digest before = rig_digest(&replica);
    cr_assert_eq(follow(), RESHARD_E_NOMEM);
    cr_assert(rig_same(before, rig_digest(&replica)));
    replica.alloc.fail_at = 0;
    cr_assert_eq(follow(), RESHARD_OK);
    cr_assert_eq(rig_route(&replica, 1, RESHARD_OP_READ), RESHARD_SERVE);
    both_free();
}

Test(follow, journal_of_another_node_needs_the_flag)
{
    rig_boot(&primary, 1);
    rig_init(&replica, 3);
    memcpy(replica.journal, primary.journal, primary.journal_size);
    replica.journal_size = primary.journal_size;
    cr_assert_eq(rig_start(&replica), RESHARD_E_NODE);
    rig_stop(&replica);
    replica.config.flags = RESHARD_NODE_FOLLOWS;
    cr_assert_eq(rig_start(&replica), RESHARD_OK);
    both_free();
}

Test(follow, source_reads_until_the_hold_is_applied)
{
    source_follower(RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_FREEZE);
    reshard_shard_id shard = 0;
    cr_assert_eq(rig_route(&primary, 1, RESHARD_OP_WRITE), RESHARD_PARK);
    cr_assert_eq(rig_route(&replica, 1, RESHARD_OP_READ), RESHARD_SERVE);
    rig_order(&primary, RESHARD_PHASE_HOLD);
    cr_assert_eq(rig_newest_record(&primary), RESHARD__RECORD_HELD);
    cr_assert_eq(rig_route(&replica, 1, RESHARD_OP_READ), RESHARD_SERVE);
    cr_assert_eq(follow(), RESHARD_OK);
    cr_assert_eq(reshard_node_route(replica.node, 1, RESHARD_OP_READ, &shard), RESHARD_MOVED);
    cr_assert_eq(shard, 1, "the source's primary still decides");
    cr_assert_eq(rig_route(&replica, 9, RESHARD_OP_READ), RESHARD_SERVE);
    rig_decide(&primary, RESHARD_CHANGE_MIGRATION_COMMIT);
    rig_order(&primary, RESHARD_PHASE_SETTLE);
    cr_assert_eq(follow(), RESHARD_OK);
    cr_assert_eq(reshard_node_route(replica.node, 1, RESHARD_OP_READ, &shard), RESHARD_MOVED);
    cr_assert_eq(shard, 2);
    both_free();
}

Test(follow, source_reads_again_after_an_undo)
{
    source_follower(RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_HOLD);
    cr_assert_eq(rig_route(&replica, 1, RESHARD_OP_READ), RESHARD_MOVED);
    rig_decide(&primary, RESHARD_CHANGE_MIGRATION_ABORT);
    rig_order(&primary, RESHARD_PHASE_UNDO);
    cr_assert_eq(follow(), RESHARD_OK);
    cr_assert_eq(rig_route(&replica, 1, RESHARD_OP_READ), RESHARD_SERVE);
    both_free();
}

Test(follow, target_reads_once_it_is_active)
{
    rig_target_to(&primary, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_FREEZE);
    follower_init(4);
    cr_assert_eq(rig_start(&replica), RESHARD_OK);
    cr_assert_eq(follow(), RESHARD_OK);
    cr_assert_eq(rig_route(&replica, 1, RESHARD_OP_READ), RESHARD_MOVED);
    rig_decide(&primary, RESHARD_CHANGE_MIGRATION_COMMIT);
    rig_order(&primary, RESHARD_PHASE_SETTLE);
    cr_assert_eq(rig_newest_record(&primary), RESHARD__RECORD_ACTIVE);
    cr_assert_eq(follow(), RESHARD_OK);
    cr_assert_eq(rig_route(&replica, 1, RESHARD_OP_READ), RESHARD_SERVE);
    cr_assert_eq(rig_route(&replica, 1, RESHARD_OP_WRITE), RESHARD_MOVED);
    both_free();
}

Test(follow, keywise_sends_everybody_to_the_primary)
{
    source_follower(RESHARD_MODE_KEYWISE, RESHARD_PHASE_MOVE);
    reshard_shard_id shard = 0;
    cr_assert_eq(reshard_node_route(replica.node, 1, RESHARD_OP_READ, &shard), RESHARD_MOVED);
    cr_assert_eq(shard, 1);
    both_free();
}

/* R7, R25: after the promotion the heir stands as a node that was started from that journal. */
static void heir_equals_restart(struct rig *first, struct rig *second)
{
    static const uint32_t ops[] = {RESHARD_OP_READ, RESHARD_OP_WRITE, RESHARD_OP_REMOVE};
    for (uint32_t slot = 0; slot < RIG_SLOTS; slot++)
        for (size_t i = 0; i < 3; i++)
            cr_assert_eq(rig_route(first, slot, ops[i]), rig_route(second, slot, ops[i]),
                "slot %u op %u", slot, ops[i]);
    const struct reshard__part *a = rig_part(first), *b = rig_part(second);
    cr_assert_arr_eq(&a->stored, &b->stored, sizeof a->stored);
    cr_assert_eq(reshard__part_stance(first->node, a), reshard__part_stance(second->node, b));
    cr_assert(!a->prepared_live && !a->unmove_live && !a->position_known && !a->receiving);
    cr_assert_eq(a->phase, RESHARD_PHASE_NONE);
}

static struct rig restarted;

static void promoted_in(uint32_t mode, uint32_t phase, bool source)
{
    if (source)
        rig_source_to(&primary, mode, phase);
    else
        rig_target_to(&primary, mode, phase);
    follower_init(source ? 3 : 4);
    cr_assert_eq(rig_start(&replica), RESHARD_OK);
    cr_assert_eq(follow(), RESHARD_OK);
    size_t before = replica.append_count;
    promote();
    cr_assert_eq(replica.append_count, before + 1, "the map is written first");
    cr_assert_eq(reshard_node_restore(replica.node, primary.journal, 0), RESHARD_E_STATE);
    restarted = replica;
    restarted.node = NULL;
    restarted.open_count = restarted.received_count = restarted.sent_count = 0;
    restarted.truth = NULL;
    restarted.allocator = support_alloc_init(&restarted.alloc);
    restarted.config.allocator = restarted.allocator;
    cr_assert_eq(rig_start(&restarted), RESHARD_OK);
    rig_run(&restarted);
    heir_equals_restart(&replica, &restarted);
    rig_free(&restarted);
    both_free();
}

Test(follow, heir_stands_as_after_a_restart_in_every_phase)
{
    static const uint32_t snapshot[] = {RESHARD_PHASE_PREPARE, RESHARD_PHASE_COPY,
        RESHARD_PHASE_CATCHUP, RESHARD_PHASE_FREEZE, RESHARD_PHASE_HOLD};
    static const uint32_t keywise[] = {RESHARD_PHASE_PREPARE, RESHARD_PHASE_MOVE};
    for (int source = 0; source < 2; source++) {
        for (size_t i = 0; i < sizeof snapshot / sizeof *snapshot - (source ? 0 : 1); i++)
            promoted_in(RESHARD_MODE_SNAPSHOT, snapshot[i], source);
        for (size_t i = 0; i < sizeof keywise / sizeof *keywise; i++)
            promoted_in(RESHARD_MODE_KEYWISE, keywise[i], source);
    }
}

Test(follow, heir_of_a_frozen_source_serves_and_answers_lost_r7)
{
    source_follower(RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_FREEZE);
    promote();
    cr_assert_eq(rig_route(&replica, 1, RESHARD_OP_WRITE), RESHARD_SERVE);
    replica.order_n = primary.order_n;
    replica.copy = primary.copy;
    replica.attempt = primary.attempt;
    rig_clear(&replica);
    rig_order(&replica, RESHARD_PHASE_HOLD);
    cr_assert_eq(rig_result(&replica), RESHARD__RESULT_LOST);
    both_free();
}

Test(follow, heir_of_a_held_source_stays_held_r11)
{
    source_follower(RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_HOLD);
    promote();
    cr_assert_eq(rig_route(&replica, 1, RESHARD_OP_READ), RESHARD_PARK);
    cr_assert_eq(rig_events(&replica, RESHARD_EVENT_PAUSE), 1);
    both_free();
}

Test(follow, heir_serves_nothing_before_the_map_is_durable_r25)
{
    rig_boot(&primary, 1);
    follower_init(3);
    cr_assert_eq(rig_start(&replica), RESHARD_OK);
    cr_assert_eq(follow(), RESHARD_OK);
    replica.automatic &= ~RIG_BIT(APPEND);
    promote();
    cr_assert_eq(rig_route(&replica, 1, RESHARD_OP_WRITE), RESHARD_MOVED);
    rig_do(&replica, RESHARD_ACTION_APPEND);
    cr_assert_eq(rig_route(&replica, 1, RESHARD_OP_WRITE), RESHARD_SERVE);
    both_free();
}

Test(follow, promotion_comes_by_a_record_too)
{
    rig_boot(&primary, 1);
    follower_init(3);
    cr_assert_eq(rig_start(&replica), RESHARD_OK);
    rig_change(&primary,
        (struct reshard_change){.kind = RESHARD_CHANGE_SHARD_PRIMARY, .shard = 1, .node = 3});
    rig_map(&primary);
    cr_assert_eq(follow(), RESHARD_OK);
    cr_assert_eq(rig_route(&primary, 1, RESHARD_OP_WRITE), RESHARD_MOVED);
    cr_assert_eq(rig_route(&replica, 1, RESHARD_OP_WRITE), RESHARD_SERVE);
    both_free();
}

Test(follow, damaged_and_misplaced_records_change_nothing)
{
    rig_boot(&primary, 1);
    follower_init(3);
    cr_assert_eq(rig_start(&replica), RESHARD_OK);
    cr_assert_eq(follow(), RESHARD_OK);
    struct reshard_digest before = rig_digest(&replica);
    cr_assert_eq(reshard_node_restore(replica.node, primary.journal, primary.record_ends[0]),
        RESHARD_E_CHAIN);
    rig_open(&primary, 1, RESHARD_MODE_SNAPSHOT);
    rig_order(&primary, RESHARD_PHASE_PREPARE);
    size_t size = primary.journal_size - replica.journal_size;
    uint8_t *bytes = primary.journal + replica.journal_size;
    bytes[30] ^= 1;
    cr_assert_lt(reshard_node_restore(replica.node, bytes, size), 0);
    cr_assert(rig_same(before, rig_digest(&replica)));
    bytes[30] ^= 1;
    cr_assert_eq(follow(), RESHARD_OK);
    both_free();
}

Test(follow, what_only_a_primary_does_is_refused)
{
    static const struct reshard_range all = {0, RIG_SLOTS - 1};
    rig_boot(&primary, 1);
    follower_init(3);
    cr_assert_eq(rig_start(&replica), RESHARD_OK);
    cr_assert_eq(reshard_node_adopt(replica.node, primary.truth), RESHARD_E_STATE);
    cr_assert_eq(reshard_node_found(replica.node, &all, 1), RESHARD_E_STATE);
    cr_assert_eq(reshard_node_purge(replica.node, &all, 1), RESHARD_E_STATE);
    cr_assert_eq(reshard_node_restore(primary.node, primary.journal, 0), RESHARD_E_STATE);
    both_free();
}

/* Feed bytes, the 1st, 2nd, ... allocation failing first; returns how many tries failed. */
static size_t stubborn_feed(const uint8_t *bytes, size_t size)
{
    for (size_t failures = 0;; failures++) {
        replica.alloc.fail_at = replica.alloc.calls + failures + 1;
        int32_t status = reshard_node_restore(replica.node, bytes, size);
        replica.alloc.fail_at = 0;
        if (status == RESHARD_OK)
            return failures;
        cr_assert_eq(status, RESHARD_E_NOMEM);
    }
}

Test(follow, records_are_fed_again_when_memory_ran_out)
{
    size_t failures = 0, at = 0;
    rig_source_to(&primary, RESHARD_MODE_KEYWISE, RESHARD_PHASE_MOVE);
    follower_init(3);
    cr_assert_eq(rig_start(&replica), RESHARD_OK);
    for (size_t i = 0; i < primary.record_count; i++) {
        failures += stubborn_feed(primary.journal + at, primary.record_ends[i] - at);
        at = primary.record_ends[i];
    }
    cr_assert_gt(failures, 5);
    cr_assert_eq(reshard_map_version(reshard_node_map(replica.node)),
        reshard_map_version(reshard_node_map(primary.node)));
    cr_assert_eq(rig_route(&replica, 1, RESHARD_OP_READ), RESHARD_MOVED);
    cr_assert(rig_part(&replica)->stored.moving);
    both_free();
}

/* A primary that compacts gives its follower records that tell what it knows; one that begins with
 * them has all of it. */
Test(follow, compacted_journal_is_taken_by_who_knows_it_and_who_does_not)
{
    rig_boot(&primary, 1);
    follower_init(3);
    cr_assert_eq(rig_start(&replica), RESHARD_OK);
    cr_assert_eq(follow(), RESHARD_OK);
    primary.node->log.journal.compact_count = 1;
    primary.node->log.journal.compact_at = 0;
    rig_tick(&primary, 1);
    cr_assert_lt(primary.journal_size, replica.journal_size, "it did not compact");
    uint64_t version = reshard_map_version(reshard_node_map(primary.node));
    for (int i = 0; i < 2; i++) {
        int32_t status =
            reshard_node_restore(replica.node, primary.journal, primary.journal_size);
        cr_assert_eq(status, RESHARD_OK, "%d: %d", i, (int)status);
        cr_assert_eq(reshard_map_version(reshard_node_map(replica.node)), version);
        cr_assert_eq(rig_route(&replica, 1, RESHARD_OP_READ), RESHARD_SERVE);
        rig_free(&replica);
        follower_init(3);
        cr_assert_eq(rig_start(&replica), RESHARD_OK);
    }
    both_free();
}
