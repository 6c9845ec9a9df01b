/* SPDX-License-Identifier: MIT */
/* Room node, tests: compaction of the own journal. */
#include "world.h"

static struct rig rig;
static struct world world;

/* A restart from the compacted journal gives what a restart from the long one gave. */
static void compare(
    void (*to)(struct rig *rig, uint32_t mode, uint32_t phase), uint32_t mode, uint32_t phase)
{
    to(&rig, mode, phase);
    rig_restart(&rig);
    struct reshard__stored before = rig_part(&rig)->stored;
    uint32_t verdict = rig_route(&rig, 3, RESHARD_OP_WRITE);
    uint64_t index = rig.node->log.journal.position.index;
    size_t size = rig.journal_size;
    rig.config.compact_count = 1;
    rig_restart(&rig);
    rig_tick(&rig, 1);
    cr_assert_gt(rig.node->log.journal.position.index, index, "it did not compact");
    cr_assert_lt(rig.journal_size, size + 200);
    rig.config.compact_count = 1000;
    rig_restart(&rig);
    struct reshard__stored after = rig_part(&rig)->stored;
    cr_assert_eq(after.kind, before.kind);
    cr_assert(reshard__order_equal(after.order, before.order));
    cr_assert(reshard__order_equal(after.open_copy, before.open_copy));
    cr_assert_eq(after.sealed, before.sealed);
    cr_assert_eq(after.seal_attempt, before.seal_attempt);
    cr_assert_eq(after.seal_final, before.seal_final);
    cr_assert(rig_same(after.seal_digest, before.seal_digest));
    cr_assert_eq(after.moving, before.moving);
    cr_assert(before.kind != RESHARD__RECORD_HELD || after.attempt == before.attempt);
    cr_assert_eq(rig_route(&rig, 3, RESHARD_OP_WRITE), verdict);
    rig_free(&rig);
}

Test(compact, promises_survive_in_every_phase)
{
    static const uint32_t phases[] = {RESHARD_PHASE_PREPARE, RESHARD_PHASE_COPY,
        RESHARD_PHASE_FREEZE, RESHARD_PHASE_HOLD, RESHARD_PHASE_SETTLE, RESHARD_PHASE_CLEANUP};
    static const uint32_t keywise[] = {RESHARD_PHASE_PREPARE, RESHARD_PHASE_MOVE,
        RESHARD_PHASE_HOLD, RESHARD_PHASE_SETTLE, RESHARD_PHASE_CLEANUP};
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++) {
        compare(rig_source_to, RESHARD_MODE_SNAPSHOT, phases[i]);
        compare(rig_target_to, RESHARD_MODE_SNAPSHOT, phases[i]);
    }
    for (size_t i = 0; i < sizeof keywise / sizeof *keywise; i++) {
        compare(rig_source_to, RESHARD_MODE_KEYWISE, keywise[i]);
        compare(rig_target_to, RESHARD_MODE_KEYWISE, keywise[i]);
    }
}

Test(compact, slots_set_aside_survive)
{
    struct reshard_range some = {3, 5}, found;
    uint32_t cursor = 0;
    rig_boot(&rig, 2);
    cr_assert_eq(reshard_node_found(rig.node, &some, 1), RESHARD_OK);
    rig_run(&rig);
    rig.config.compact_count = 1;
    rig_restart(&rig);
    rig_tick(&rig, 1);
    cr_assert_eq(rig_record_count(&rig, RESHARD__RECORD_MAP), 1);
    rig_restart(&rig);
    cr_assert_eq(reshard_node_quarantine_next(rig.node, &cursor, &found), RESHARD_OK);
    cr_assert(found.first == 3 && found.last == 5);
    rig_free(&rig);
}

Test(compact, host_without_the_hook_is_not_asked_again)
{
    rig_init(&rig, 1);
    rig.config.compact_count = 2;
    rig.automatic &= ~RIG_BIT(COMPACT);
    cr_assert_eq(rig_start(&rig), RESHARD_OK);
    rig_run(&rig);
    rig_map(&rig);
    rig_fail(&rig, RESHARD_ACTION_COMPACT, RESHARD_E_HOOK_MISSING);
    rig_tick(&rig, 1000);
    cr_assert_null(rig_find(&rig, RESHARD_ACTION_COMPACT));
    rig_open(&rig, 1, RESHARD_MODE_SNAPSHOT);
    rig_order(&rig, RESHARD_PHASE_PREPARE);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_PREPARED);
    rig_free(&rig);
}

Test(compact, outcome_in_doubt_is_looked_up)
{
    for (int lands = 0; lands < 2; lands++) {
        rig_init(&rig, 1);
        rig.config.compact_count = 2;
        rig.automatic &= ~RIG_BIT(COMPACT);
        cr_assert_eq(rig_start(&rig), RESHARD_OK);
        rig_run(&rig);
        rig_map(&rig);
        const struct reshard_action *action = rig_find(&rig, RESHARD_ACTION_COMPACT);
        cr_assert(action);
        if (lands) {
            memcpy(rig.journal, action->header, action->header_size);
            rig.journal_size = action->header_size;
        }
        rig_fail(&rig, RESHARD_ACTION_COMPACT, RESHARD_E_UNKNOWN);
        cr_assert_eq(rig.node->gate.ended, RESHARD_OK);
        rig.automatic = RIG_ALL;
        rig_tick(&rig, 1000);
        rig_open(&rig, 1, RESHARD_MODE_SNAPSHOT);
        rig_order(&rig, RESHARD_PHASE_PREPARE);
        cr_assert_eq(rig_result(&rig), RESHARD__RESULT_PREPARED);
        rig_restart(&rig);
        cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_READ), RESHARD_SERVE);
        rig_free(&rig);
    }
}

Test(compact, cluster_that_compacts_all_the_time_loses_nothing)
{
    for (uint64_t seed = 1; seed <= 24; seed++) {
        world_init(&world, seed, RESHARD_CONFLICT_LOCK);
        for (size_t i = 0; i < 2; i++) {
            world.nodes[i].config.compact_count = 6;
            world_restart(&world, i);
        }
        world.loss = seed % 2 ? 6 : 0;
        world_open(&world, seed % 4 < 3 ? RESHARD_MODE_KEYWISE : RESHARD_MODE_SNAPSHOT, 0);
        for (uint64_t turn = 1; turn < 200; turn++) {
            world_work(&world, 2);
            world_turn(&world);
            if (turn % (5 + seed) == 0 && turn < 100)
                world_restart(&world, turn / 5 % 2);
            if (turn == 10 + 2 * seed && seed % 3 == 0)
                (void)reshard_coordinator_abort(world.coordinator, world.migration);
        }
        world_until(&world, WORLD_CLOSED);
        world.loss = 0;
        world_turns(&world, 30);
        const struct reshard_map *map = reshard_coordinator_map(world.coordinator);
        world_prove(&world, reshard_map_slot_owner(map, 0));
        cr_assert_gt(world.nodes[0].node->log.journal.base_index, 0);
        world_free(&world);
    }
}
