/* SPDX-License-Identifier: MIT */
/* Room node, tests: the table of parts, their stances and pauses. */
#include "rig.h"

static struct rig rig;

static void open_slot(reshard_migration_id migration, uint32_t slot)
{
    struct reshard_range one = {slot, slot};
    rig_change(&rig, (struct reshard_change){.kind = RESHARD_CHANGE_MIGRATION_OPEN,
                         .migration = migration,
                         .source = 1,
                         .target = 2,
                         .mode = RESHARD_MODE_SNAPSHOT,
                         .ranges = &one,
                         .range_count = 1});
    rig_map(&rig);
}

Test(parts, parts_are_found_by_id_while_open)
{
    rig_boot(&rig, 1);
    for (uint32_t i = 0; i < 5; i++)
        open_slot(10 + 3 * i, i);
    for (uint64_t id = 0; id < 30; id++) {
        struct reshard__part *part = reshard__part_find(rig.node, id);
        bool open = id >= 10 && id <= 22 && (id - 10) % 3 == 0;
        cr_assert_eq(part != NULL, open, "%zu", (size_t)id);
        cr_assert(!part || part->migration == id);
    }
    rig.migration = 13;
    rig_decide(&rig, RESHARD_CHANGE_MIGRATION_ABORT);
    rig_decide(&rig, RESHARD_CHANGE_MIGRATION_END);
    rig_tick(&rig, 1);
    rig_tick(&rig, UINT64_C(6000000000));
    cr_assert_null(reshard__part_find(rig.node, 13));
    cr_assert(reshard__part_find(rig.node, 16));
    cr_assert_eq(rig_route(&rig, 1, RESHARD_OP_WRITE), RESHARD_SERVE);
    rig_free(&rig);
}

Test(parts, part_that_closes_waits_for_its_actions)
{
    rig_target_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_COPY);
    rig.automatic &= ~RIG_BIT(APPLY);
    rig_give(&rig, 3, 5, 55);
    rig_decide(&rig, RESHARD_CHANGE_MIGRATION_ABORT);
    rig_decide(&rig, RESHARD_CHANGE_MIGRATION_END);
    rig_tick(&rig, 1);
    rig_tick(&rig, UINT64_C(6000000000));
    struct reshard__part *part = rig_part(&rig);
    cr_assert(part && part->closed);
    cr_assert_eq(rig_route(&rig, 3, RESHARD_OP_READ), RESHARD_MOVED);
    rig_do(&rig, RESHARD_ACTION_APPLY);
    cr_assert_null(rig_part(&rig));
    rig_free(&rig);
}

Test(parts, pause_is_told_with_its_length)
{
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_FREEZE);
    cr_assert_eq(rig_events(&rig, RESHARD_EVENT_PAUSE), 1);
    rig.now_ns += 1234;
    rig_order(&rig, RESHARD_PHASE_HOLD);
    cr_assert_eq(rig_events(&rig, RESHARD_EVENT_RESUME), 0); /* one pause from end to end */
    rig_decide(&rig, RESHARD_CHANGE_MIGRATION_ABORT);
    rig_order(&rig, RESHARD_PHASE_UNDO);
    struct reshard_event event = {.struct_size = sizeof event};
    uint64_t pause = 0;
    while (reshard_node_event_next(rig.node, &event) == RESHARD_OK)
        if (event.kind == RESHARD_EVENT_RESUME)
            pause = event.value;
    cr_assert_eq(pause, 1234);
    cr_assert_gt(rig.wake_count, 0);
    rig_free(&rig);
}

Test(parts, part_made_late_takes_over_its_slots)
{
    rig_boot(&rig, 1);
    uint8_t buffer[512];
    static const struct reshard_range low = {0, 7};
    rig_change(&rig, (struct reshard_change){.kind = RESHARD_CHANGE_MIGRATION_OPEN,
                         .migration = 1,
                         .source = 1,
                         .target = 2,
                         .mode = RESHARD_MODE_SNAPSHOT,
                         .ranges = &low,
                         .range_count = 1});
    uint64_t from = reshard_map_version(rig.node->next);
    struct reshard__message map = rig_map_message(&rig, from, buffer, sizeof buffer);
    for (size_t n = 1; n < 40 && reshard_map_version(rig.node->next) == from; n++) {
        rig.alloc.fail_at = rig.alloc.calls + n;
        rig.alloc.fail_onwards = true;
        (void)rig_feed(&rig, 9, &map);
        rig.alloc.fail_at = 0;
        rig.alloc.fail_onwards = false;
    }
    rig_tick(&rig, UINT64_C(6000000000));
    rig_order(&rig, RESHARD_PHASE_PREPARE);
    rig_order(&rig, RESHARD_PHASE_COPY);
    cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_WRITE), RESHARD_SERVE_CAPTURE);
    rig_free(&rig);
}

/* ---- by hand, what settles a side waits for a sync of others ---- */

static const uint64_t GATHER_NS = UINT64_C(10000000);

static uint32_t append_durability(void)
{
    uint32_t durability = rig_find(&rig, RESHARD_ACTION_APPEND)->durability;
    rig_do(&rig, RESHARD_ACTION_APPEND);
    return durability;
}

/* An operator's migration of empty slots, committed; the order to settle is about to come. */
static void hand_to_settle(reshard_node_id id)
{
    rig_boot(&rig, id);
    rig.node->config.gather_ns = GATHER_NS;
    rig.migration_flags = RESHARD_MIGRATION_OPERATOR;
    rig_open(&rig, 1, RESHARD_MODE_KEYWISE);
    rig_order(&rig, RESHARD_PHASE_PREPARE);
    rig_order(&rig, RESHARD_PHASE_MOVE);
    rig_none_pending(&rig, 3 - id);
    rig_order(&rig, RESHARD_PHASE_HOLD);
    rig_decide(&rig, RESHARD_CHANGE_MIGRATION_COMMIT);
    rig.automatic &= ~(RIG_BIT(APPEND) | RIG_BIT(SYNC));
    rig_clear(&rig);
}

/* Settled, and not yet told. */
static void hand_settles(reshard_node_id id)
{
    hand_to_settle(id);
    rig_order(&rig, RESHARD_PHASE_SETTLE);
    cr_assert_eq(append_durability(), RESHARD_DURABILITY_WRITE);
    cr_assert_eq(rig_route(&rig, 3, RESHARD_OP_WRITE), id == 1 ? RESHARD_MOVED : RESHARD_SERVE);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_WORKING);
    cr_assert_null(rig_find(&rig, RESHARD_ACTION_SYNC));
    cr_assert_eq(reshard_node_deadline(rig.node), rig.now_ns + GATHER_NS);
}

/* A change of the map is written at once, and as durably as it must be. */
static void map_writes(struct reshard_change change, uint32_t durability)
{
    rig_change(&rig, change);
    rig_map(&rig);
    cr_assert_eq(append_durability(), durability);
}

Test(parts, side_by_hand_says_that_it_settled_when_anything_else_is_synced)
{
    static const struct reshard_range other = {12, 12};
    for (reshard_node_id id = 1; id <= 2; id++) {
        hand_settles(id);
        map_writes((struct reshard_change){.kind = RESHARD_CHANGE_SHARD_PUT, .shard = 9,
                       .weight = 1.0},
            RESHARD_DURABILITY_WRITE);
        cr_assert_eq(rig_result(&rig), RESHARD__RESULT_WORKING, "that was no sync");
        map_writes((struct reshard_change){.kind = RESHARD_CHANGE_UNASSIGN, .shard = 1,
                       .ranges = &other, .range_count = 1},
            RESHARD_DURABILITY_FULL);
        cr_assert_eq(rig_result(&rig), RESHARD__RESULT_SETTLED);
        cr_assert_null(rig_find(&rig, RESHARD_ACTION_SYNC));
        cr_assert_gt(reshard_node_deadline(rig.node), rig.now_ns + GATHER_NS);
        rig_free(&rig);
    }
}

Test(parts, side_by_hand_asks_for_a_sync_when_nobody_else_does)
{
    for (reshard_node_id id = 1; id <= 2; id++) {
        hand_settles(id);
        rig_tick(&rig, GATHER_NS - 1);
        cr_assert_null(rig_find(&rig, RESHARD_ACTION_SYNC));
        rig_tick(&rig, 1);
        rig_again(&rig, RESHARD_PHASE_SETTLE);
        cr_assert_eq(rig_result(&rig), RESHARD__RESULT_WORKING);
        rig_do(&rig, RESHARD_ACTION_SYNC);
        cr_assert_eq(rig_result(&rig), RESHARD__RESULT_SETTLED);
        rig_free(&rig);
    }
}

Test(parts, side_by_hand_says_nothing_of_what_a_restart_finds_before_it_is_synced)
{
    hand_settles(1);
    rig.automatic |= RIG_BIT(APPEND);
    rig_restart(&rig);
    rig.node->config.gather_ns = GATHER_NS;
    rig_clear(&rig);
    rig_again(&rig, RESHARD_PHASE_SETTLE);
    cr_assert_eq(rig_route(&rig, 3, RESHARD_OP_READ), RESHARD_MOVED);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_WORKING);
    rig_tick(&rig, GATHER_NS);
    rig_do(&rig, RESHARD_ACTION_SYNC);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_SETTLED);
    rig_free(&rig);
}

Test(parts, compaction_is_not_taken_for_a_sync)
{
    hand_settles(1);
    rig.node->log.journal.compact_count = 1;
    rig.node->log.journal.compact_at = 0;
    rig.automatic &= ~RIG_BIT(COMPACT);
    rig_tick(&rig, 1);
    rig_do(&rig, RESHARD_ACTION_COMPACT);
    rig_again(&rig, RESHARD_PHASE_SETTLE);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_WORKING);
    rig_free(&rig);
}

Test(parts, who_moves_keys_by_itself_waits_for_its_record)
{
    rig_source_to(&rig, RESHARD_MODE_KEYWISE, RESHARD_PHASE_HOLD);
    rig.node->config.gather_ns = GATHER_NS;
    rig_decide(&rig, RESHARD_CHANGE_MIGRATION_COMMIT);
    rig.automatic &= ~(RIG_BIT(APPEND) | RIG_BIT(SYNC));
    rig_order(&rig, RESHARD_PHASE_SETTLE);
    cr_assert_eq(append_durability(), RESHARD_DURABILITY_FULL);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_SETTLED);
    rig_free(&rig);
}
