/* SPDX-License-Identifier: MIT */
/* Room node, tests: mode keywise from end to end, with a client that reads, writes and deletes all
 * the while. */
#include "world.h"

#include <stdio.h>

static struct world world;

/* What happens in the middle. */
struct trouble {
    uint32_t loss;
    uint32_t abort_at;   /* turns after the opening; 0 = never */
    uint32_t restart_at; /* a node dies, and once more as many turns later; 0 = never */
    size_t victim;
    bool bare;
};

static void run(uint64_t seed, uint32_t conflict, const struct trouble *trouble)
{
    world_init(&world, seed, conflict);
    (void)snprintf(world.label, sizeof world.label,
        "seed %u conflict %u loss %u abort %u restart %u of %u bare %d", (unsigned)seed, conflict,
        trouble->loss, trouble->abort_at, trouble->restart_at, (unsigned)trouble->victim,
        trouble->bare);
    world.nodes[0].store.key_limit = (uint32_t)(1 + seed % 4);
    world.nodes[1].store.key_limit = (uint32_t)(1 + seed % 3);
    world.nodes[0].store.sync_later = seed & 2;
    world.nodes[1].store.sync_later = seed & 1;
    world.loss = trouble->loss;
    world.bare = trouble->bare;
    world_work(&world, 100);
    world_open(&world, RESHARD_MODE_KEYWISE, 0);
    for (uint32_t turn = 1; turn < 300; turn++) {
        world_work(&world, 2);
        world_turn(&world);
        if (turn == trouble->abort_at)
            (void)reshard_coordinator_abort(world.coordinator, world.migration);
        if (trouble->restart_at && turn % trouble->restart_at == 0 &&
            turn / trouble->restart_at <= 2)
            world_restart(&world, trouble->victim);
    }
    world_until(&world, WORLD_CLOSED);
    world.loss = 0;
    world_turns(&world, 30);
    const struct reshard_map *map = reshard_coordinator_map(world.coordinator);
    world_prove(&world, reshard_map_slot_owner(map, 0));
    world_free(&world);
}

static void run_all(const struct trouble *trouble, uint64_t seeds)
{
    for (uint32_t conflict = RESHARD_CONFLICT_LOCK; conflict <= RESHARD_CONFLICT_RETRY; conflict++)
        for (uint64_t seed = 1; seed <= seeds; seed++)
            run(seed, conflict, trouble);
}

Test(keywise, move_under_load_loses_nothing)
{
    run_all(&(struct trouble){.loss = 0}, 5);
}

Test(keywise, move_without_tokens_loses_nothing)
{
    run_all(&(struct trouble){.bare = true}, 5);
    run_all(&(struct trouble){.bare = true, .loss = 6}, 5);
}

Test(keywise, move_over_a_bad_network_loses_nothing)
{
    run_all(&(struct trouble){.loss = 6}, 10);
}

Test(keywise, abort_anywhere_gives_the_keys_back)
{
    for (uint32_t at = 1; at < 60; at += 3) {
        run_all(&(struct trouble){.abort_at = at}, 2);
        run_all(&(struct trouble){.abort_at = at, .loss = 6}, 2);
        run_all(&(struct trouble){.abort_at = at, .loss = 6, .bare = true}, 1);
    }
}

static void operator_moves(uint64_t key)
{
    uint8_t bytes[2] = {(uint8_t)key, (uint8_t)(key >> 8)};
    const uint8_t *keys[1] = {bytes};
    size_t sizes[1] = {sizeof bytes};
    cr_assert_eq(
        reshard_node_move_keys(world.nodes[0].node, (uint32_t)(key % RIG_SLOTS), keys, sizes, 1),
        RESHARD_OK);
    rig_run(&world.nodes[0]);
}

Test(keywise, operator_picks_the_keys_and_only_they_move)
{
    world_init(&world, 3, RESHARD_CONFLICT_LOCK);
    world_open(&world, RESHARD_MODE_KEYWISE, RESHARD_MIGRATION_OPERATOR);
    world_until(&world, RESHARD_PHASE_MOVE);
    world_turns(&world, 50);
    cr_assert_eq(world.nodes[1].store.live[3], 0);
    world.values[3] = world.nodes[0].store.live[3] = 77;
    operator_moves(3);
    world_turns(&world, 50);
    cr_assert_eq(world.nodes[0].store.live[3], 0);
    cr_assert_eq(world.nodes[1].store.live[3], 77);
    cr_assert_eq(world_phase(&world), RESHARD_PHASE_MOVE);
    for (uint64_t key = 0; key < RIG_KEYS; key++)
        if (key % RIG_SLOTS < 8)
            operator_moves(key);
    world_turns(&world, 50);
    cr_assert_eq(reshard_coordinator_finish(world.coordinator, world.migration), RESHARD_OK);
    world_until(&world, WORLD_CLOSED);
    world_turns(&world, 20);
    world_prove(&world, 2);
    world_free(&world);
}

Test(keywise, operator_aborts_and_all_keys_return)
{
    world_init(&world, 4, RESHARD_CONFLICT_LOCK);
    world_open(&world, RESHARD_MODE_KEYWISE, RESHARD_MIGRATION_OPERATOR);
    world_until(&world, RESHARD_PHASE_MOVE);
    world_turns(&world, 10);
    for (uint64_t key = 0; key < 8; key++)
        operator_moves(key);
    for (int i = 0; i < 50; i++) {
        world_work(&world, 2);
        world_turn(&world);
    }
    cr_assert_eq(reshard_coordinator_abort(world.coordinator, world.migration), RESHARD_OK);
    world_until(&world, WORLD_CLOSED);
    world_turns(&world, 20);
    world_prove(&world, 1);
    world_free(&world);
}

Test(keywise, restart_of_the_source_loses_nothing)
{
    for (uint32_t at = 1; at < 60; at += 3) {
        run_all(&(struct trouble){.restart_at = at, .loss = 6}, 1);
        run_all(&(struct trouble){.restart_at = at, .abort_at = at, .loss = 6}, 1);
        run_all(&(struct trouble){.restart_at = at, .abort_at = at / 2 + 1}, 1);
    }
}

Test(keywise, restart_of_the_target_loses_nothing)
{
    for (uint32_t at = 1; at < 60; at += 3) {
        run_all(&(struct trouble){.restart_at = at, .victim = 1, .loss = 6}, 1);
        run_all(&(struct trouble){.restart_at = at, .victim = 1, .abort_at = at, .loss = 6}, 1);
        run_all(&(struct trouble){.restart_at = at, .victim = 1, .abort_at = at / 2 + 1}, 1);
    }
}
