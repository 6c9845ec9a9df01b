/* SPDX-License-Identifier: MIT */
/* Room node, tests: the own journal: doubt, LOAD, recovery at every point. */
#include "rig.h"

static struct rig rig;

static void hold_in_doubt(int32_t status, bool lands)
{
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_FREEZE);
    rig.automatic &= ~(RIG_BIT(APPEND) | RIG_BIT(LOAD));
    rig_clear(&rig);
    rig_order(&rig, RESHARD_PHASE_HOLD);
    if (lands)
        rig_land(&rig);
    rig_fail(&rig, RESHARD_ACTION_APPEND, status);
    cr_assert_eq(rig_events(&rig, RESHARD_EVENT_HOOK_FAILED), 1);
    cr_assert_eq(rig_route(&rig, 1, RESHARD_OP_READ), RESHARD_PARK);
    cr_assert_neq(rig_result(&rig), RESHARD__RESULT_HELD);
    cr_assert(rig_find(&rig, RESHARD_ACTION_LOAD));
    cr_assert_null(rig_find(&rig, RESHARD_ACTION_APPEND));
}

Test(log, append_in_doubt_that_landed_counts_after_the_load_r10)
{
    hold_in_doubt(RESHARD_E_UNKNOWN, true);
    rig_do(&rig, RESHARD_ACTION_LOAD);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_HELD);
    cr_assert_eq(rig_record_count(&rig, RESHARD__RECORD_HELD), 1);
    rig_free(&rig);
}

Test(log, append_in_doubt_that_did_not_land_is_written_again_r10)
{
    hold_in_doubt(RESHARD_E_NOMEM, false);
    rig_do(&rig, RESHARD_ACTION_LOAD);
    cr_assert_eq(rig_route(&rig, 1, RESHARD_OP_READ), RESHARD_PARK);
    rig_do(&rig, RESHARD_ACTION_APPEND);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_HELD);
    cr_assert_eq(rig_record_count(&rig, RESHARD__RECORD_HELD), 1);
    rig_free(&rig);
}

Test(log, load_that_fails_is_asked_again)
{
    hold_in_doubt(RESHARD_E_UNKNOWN, true);
    rig_fail(&rig, RESHARD_ACTION_LOAD, RESHARD_E_UNKNOWN);
    cr_assert_null(rig_find(&rig, RESHARD_ACTION_LOAD));
    cr_assert_leq(reshard_node_deadline(rig.node), rig.now_ns + 1000);
    rig_tick(&rig, 1000);
    rig_do(&rig, RESHARD_ACTION_LOAD);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_HELD);
    rig_free(&rig);
}

Test(log, journal_of_someone_else_is_fatal)
{
    hold_in_doubt(RESHARD_E_UNKNOWN, false);
    rig.journal_size = rig.record_ends[0]; /* records that were durable are gone */
    rig.record_count = 1;
    rig_do(&rig, RESHARD_ACTION_LOAD);
    cr_assert_eq(reshard_node_tick(rig.node, rig.now_ns), RESHARD_E_FATAL);
    cr_assert_eq(reshard_node_deadline(rig.node), UINT64_MAX);
    rig_free(&rig);
}

Test(log, one_append_carries_what_several_migrations_want)
{
    rig_boot(&rig, 1);
    static const struct reshard_range high = {8, 15};
    rig_open(&rig, 1, RESHARD_MODE_SNAPSHOT);
    rig_change(&rig, (struct reshard_change){.kind = RESHARD_CHANGE_MIGRATION_OPEN,
                         .migration = 2,
                         .source = 1,
                         .target = 2,
                         .mode = RESHARD_MODE_SNAPSHOT,
                         .ranges = &high,
                         .range_count = 1});
    rig_map(&rig);
    rig.automatic &= ~RIG_BIT(APPEND);
    rig_order(&rig, RESHARD_PHASE_PREPARE); /* it starts, with the first record */
    rig.migration = 2;
    rig_order(&rig, RESHARD_PHASE_PREPARE);
    rig.migration = 1;
    rig_order(&rig, RESHARD_PHASE_PREPARE);
    rig_do(&rig, RESHARD_ACTION_APPEND);
    size_t before = rig.append_count;
    rig_do(&rig, RESHARD_ACTION_APPEND);
    cr_assert_eq(rig.append_count, before + 1);
    cr_assert_null(rig_find(&rig, RESHARD_ACTION_APPEND));
    cr_assert_eq(rig_record_count(&rig, RESHARD__RECORD_PREPARED), 3);
    rig_free(&rig);
}

static uint32_t append_durability(void)
{
    const struct reshard_action *append = rig_find(&rig, RESHARD_ACTION_APPEND);
    cr_assert(append);
    uint32_t durability = append->durability;
    rig_do(&rig, RESHARD_ACTION_APPEND);
    return durability;
}

Test(log, append_of_marks_keeps_its_order_only)
{
    rig_target_to(&rig, RESHARD_MODE_KEYWISE, RESHARD_PHASE_MOVE);
    rig.automatic &= ~RIG_BIT(APPEND);
    rig_give(&rig, 1, 3, 33);
    cr_assert_eq(append_durability(), RESHARD_DURABILITY_ORDERED);
    cr_assert_eq(rig_newest_record(&rig), RESHARD__RECORD_MARK);
    rig_change(&rig, (struct reshard_change){
                         .kind = RESHARD_CHANGE_SHARD_PUT, .shard = 9, .weight = 1.0});
    rig_give(&rig, 2, 4, 44);
    rig_map(&rig);
    cr_assert_eq(append_durability(), RESHARD_DURABILITY_ORDERED, "the mark alone");
    cr_assert_eq(append_durability(), RESHARD_DURABILITY_WRITE, "a change of the map");
    rig_free(&rig);
}

/* What a deposed primary, or a shard without its slots, would serve again without it. */
Test(log, append_of_what_takes_away_outlives_the_power)
{
    static const struct reshard_range first = {0, 0};
    const struct reshard_change changes[] = {
        {.kind = RESHARD_CHANGE_SHARD_PRIMARY, .shard = 2, .node = 4},
        {.kind = RESHARD_CHANGE_UNASSIGN, .shard = 1, .ranges = &first, .range_count = 1}};
    rig_boot(&rig, 1);
    rig.automatic &= ~RIG_BIT(APPEND);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        rig_change(&rig, (struct reshard_change){
                             .kind = RESHARD_CHANGE_SHARD_PUT, .shard = 9, .weight = 1.0});
        rig_change(&rig, changes[i]);
        rig_map(&rig);
        cr_expect_eq(append_durability(), RESHARD_DURABILITY_FULL, "%zu", i);
    }
    rig_free(&rig);
}

/* Records fed back give the state that was durable, whichever append was the last. */
static void restart_everywhere(
    void (*to)(struct rig *rig, uint32_t mode, uint32_t phase), uint32_t mode)
{
    to(&rig, mode, RESHARD_PHASE_CLEANUP);
    size_t count = rig.record_count;
    static size_t ends[RIG_RECORDS];
    for (size_t i = 0; i < count; i++)
        ends[i] = rig.record_ends[i];
    uint32_t before = RESHARD_MOVED;
    for (size_t i = 0; i < count; i++) {
        rig_stop(&rig);
        rig.journal_size = ends[i];
        rig.record_count = i + 1;
        cr_assert_eq(rig_start(&rig), RESHARD_OK);
        rig_run(&rig);
        uint32_t verdict = rig_route(&rig, 1, RESHARD_OP_WRITE);
        bool serves = verdict == RESHARD_SERVE;
        /* Once it stopped serving, or began to, it stays so. */
        if (rig.config.node == 2)
            cr_assert(!(before == RESHARD_SERVE && !serves), "append %zu", i);
        else
            cr_assert(!(before == RESHARD_PARK && serves), "append %zu", i);
        before = verdict;
        cr_assert_eq(rig.journal_size, ends[i], "append %zu: a restart writes nothing", i);
    }
    rig_free(&rig);
}

Test(log, restart_after_every_append_gives_what_was_durable)
{
    restart_everywhere(rig_source_to, RESHARD_MODE_SNAPSHOT);
    restart_everywhere(rig_target_to, RESHARD_MODE_SNAPSHOT);
    restart_everywhere(rig_source_to, RESHARD_MODE_KEYWISE);
    restart_everywhere(rig_target_to, RESHARD_MODE_KEYWISE);
}

Test(log, restart_twice_gives_the_same_digest)
{
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_HOLD);
    rig_restart(&rig);
    struct reshard_digest first = rig_digest(&rig);
    rig_restart(&rig);
    cr_assert(rig_same(first, rig_digest(&rig)));
    rig_free(&rig);
}

Test(log, damaged_record_is_refused_and_nothing_of_it_taken)
{
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_HOLD);
    rig_stop(&rig);
    rig.journal[rig.journal_size - 20] ^= 1;
    cr_assert_eq(rig_start(&rig), RESHARD_E_CHECKSUM);
    rig.journal[rig.journal_size - 20] ^= 1;
    rig_stop(&rig);
    rig.config.slot_count = 32;
    cr_assert_eq(rig_start(&rig), RESHARD_E_SLOT_COUNT);
    rig_free(&rig);
}

Test(log, record_of_a_closed_migration_is_void)
{
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_CLEANUP);
    rig_decide(&rig, RESHARD_CHANGE_MIGRATION_END);
    rig_tick(&rig, 1);
    rig_tick(&rig, UINT64_C(6000000000));
    rig_restart(&rig);
    cr_assert_null(rig_part(&rig));
    cr_assert_eq(rig_route(&rig, 1, RESHARD_OP_READ), RESHARD_MOVED);
    rig_free(&rig);
}

Test(log, keys_of_a_long_mark_are_recorded_whole)
{
    rig_target_to(&rig, RESHARD_MODE_KEYWISE, RESHARD_PHASE_MOVE);
    uint8_t items[60 * RIG_ITEM];
    size_t size = 0;
    for (int i = 0; i < 60; i++)
        size += rig_item_put(items + size, 3, 5);
    struct reshard__message chunk = rig_chunk(&rig, RESHARD__CHUNK_DATA, 1);
    chunk.payload.data = items;
    chunk.payload.size = size;
    rig_receive(&rig, 1, &chunk);
    cr_assert_eq(rig_record_count(&rig, RESHARD__RECORD_MARK), 1);
    cr_assert_eq(rig.store.live[3], 5);
    rig_free(&rig);
}

/* Durability of the append that an order brings. */
static uint32_t ordered_durability(void (*to)(struct rig *, uint32_t, uint32_t), uint32_t mode,
    uint32_t before, uint32_t ordered)
{
    if (before == RESHARD_PHASE_NONE) {
        rig_boot(&rig, to == rig_source_to ? 1 : 2);
        rig_open(&rig, 1, mode);
    } else {
        to(&rig, mode, before);
    }
    rig.automatic &= ~RIG_BIT(APPEND);
    if (ordered == RESHARD_PHASE_SETTLE)
        rig_decide(&rig, RESHARD_CHANGE_MIGRATION_COMMIT);
    if (ordered == RESHARD_PHASE_UNMOVE)
        rig_decide(&rig, RESHARD_CHANGE_MIGRATION_ABORT);
    rig_order(&rig, ordered);
    if (to == rig_target_to && ordered == RESHARD_PHASE_FREEZE)
        rig_fin(&rig, 2);
    uint32_t found = append_durability();
    rig_free(&rig);
    return found;
}

Test(log, append_of_a_phase_tells_whether_ownership_rests_on_it)
{
    static const struct {
        void (*to)(struct rig *, uint32_t, uint32_t);
        uint32_t mode, before, ordered, durability;
    } rows[] = {
#define ROW(side, mode, before, ordered, durability)                                             \
    {rig_##side##_to, RESHARD_MODE_##mode, RESHARD_PHASE_##before, RESHARD_PHASE_##ordered,       \
        RESHARD_DURABILITY_##durability}
        ROW(source, SNAPSHOT, NONE, PREPARE, FULL),
        ROW(target, SNAPSHOT, NONE, PREPARE, FULL),
        ROW(source, SNAPSHOT, FREEZE, HOLD, FULL),
        ROW(target, SNAPSHOT, CATCHUP, FREEZE, FULL),
        ROW(source, SNAPSHOT, HOLD, SETTLE, FULL),
        ROW(target, SNAPSHOT, HOLD, SETTLE, FULL),
        ROW(source, SNAPSHOT, LINGER, CLEANUP, ORDERED),
        ROW(source, KEYWISE, NONE, PREPARE, FULL),
        ROW(target, KEYWISE, NONE, PREPARE, FULL),
        ROW(source, KEYWISE, MOVE, HOLD, FULL),
        ROW(source, KEYWISE, HOLD, SETTLE, FULL),
        ROW(target, KEYWISE, HOLD, SETTLE, FULL),
        ROW(source, KEYWISE, MOVE, UNMOVE, FULL),
        ROW(target, KEYWISE, MOVE, UNMOVE, FULL),
#undef ROW
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_assert_eq(ordered_durability(
                         rows[i].to, rows[i].mode, rows[i].before, rows[i].ordered),
            rows[i].durability, "row %zu", i);
}

/* ---- the power ---- */

/* The newest appends went with it. */
static void power_lost(size_t appends)
{
    cr_assert(rig.record_count > appends);
    rig.record_count -= appends;
    rig.journal_size = rig.record_ends[rig.record_count - 1];
    rig_restart(&rig);
    rig_map(&rig);
    rig_clear(&rig);
}

/* An operator waits for each slot: the target's record of MOVE is not waited for, its vote is. */
Test(log, target_by_hand_votes_when_what_came_is_durable)
{
    rig_boot(&rig, 2);
    rig.migration_flags = RESHARD_MIGRATION_OPERATOR;
    rig_open(&rig, 1, RESHARD_MODE_KEYWISE);
    rig.automatic &= ~RIG_BIT(APPEND);
    rig_order(&rig, RESHARD_PHASE_PREPARE);
    cr_assert_eq(append_durability(), RESHARD_DURABILITY_WRITE);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_PREPARED);
    rig_order(&rig, RESHARD_PHASE_MOVE);
    rig_clear(&rig);
    rig_order(&rig, RESHARD_PHASE_HOLD);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_WORKING);
    cr_assert_eq(append_durability(), RESHARD_DURABILITY_FULL);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_READY);
    rig.automatic |= RIG_BIT(APPEND);
    rig_restart(&rig);
    rig_again(&rig, RESHARD_PHASE_HOLD);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_READY, "as its record says");
    rig_free(&rig);
}

Test(log, target_by_hand_that_lost_its_record_does_not_vote)
{
    rig_boot(&rig, 2);
    rig.migration_flags = RESHARD_MIGRATION_OPERATOR;
    rig_open(&rig, 1, RESHARD_MODE_KEYWISE);
    rig_order(&rig, RESHARD_PHASE_PREPARE);
    power_lost(1);
    rig_order(&rig, RESHARD_PHASE_HOLD);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_LOST);
    rig_free(&rig);
}

Test(log, keywise_source_that_never_held_purges_nothing_r13)
{
    rig_source_to(&rig, RESHARD_MODE_KEYWISE, RESHARD_PHASE_MOVE);
    rig_decide(&rig, RESHARD_CHANGE_MIGRATION_COMMIT);
    rig_order(&rig, RESHARD_PHASE_CLEANUP);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_REFUSED);
    rig_free(&rig);
}
