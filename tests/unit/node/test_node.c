/* SPDX-License-Identifier: MIT */
/* Room node, tests: creation, inputs, and what a lack of memory does to each of them. */
#include "world.h"

static struct rig rig;
static struct world world;

Test(node, config_out_of_range_is_refused)
{
    struct reshard_node *node = NULL;
    struct reshard_node_config good, config;
    reshard_node_config_init(NULL);
    reshard_node_config_init(&good);
    good.node = 1;
    cr_assert_eq(reshard_node_create(NULL, &node), RESHARD_E_NULL);
    cr_assert_eq(reshard_node_create(&good, NULL), RESHARD_E_NULL);
    config = good;
    config.node = 0;
    cr_assert_eq(reshard_node_create(&config, &node), RESHARD_E_NODE);
    config = good;
    config.flags = 1U << 31;
    cr_assert_eq(reshard_node_create(&config, &node), RESHARD_E_FLAGS);
    config = good;
    config.slot_count = RESHARD_SLOT_COUNT_MAX + 1;
    cr_assert_eq(reshard_node_create(&config, &node), RESHARD_E_SLOT_COUNT);
    config = good;
    config.struct_size = 3;
    cr_assert_eq(reshard_node_create(&config, &node), RESHARD_E_STRUCT_SIZE);
    uint64_t *sizes[] = {&config.chunk_size, &config.chunk_size, &config.window_size,
        &config.pick_size, &config.pick_size, &config.flight_size};
    uint64_t wrong[] = {1023, 33554433, 1, 1023, 33554433, 1023};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        config = good;
        *sizes[i] = wrong[i];
        cr_assert_eq(reshard_node_create(&config, &node), RESHARD_E_ARGUMENT);
    }
    config = good;
    config.conflict = 3;
    cr_assert_eq(reshard_node_create(&config, &node), RESHARD_E_ARGUMENT);
    config = good;
    config.migration_limit = 65537;
    cr_assert_eq(reshard_node_create(&config, &node), RESHARD_E_ARGUMENT);
    cr_assert_null(node);
    reshard_node_destroy(NULL);
}

Test(node, creation_without_memory_leaves_nothing)
{
    rig_init(&rig, 1);
    for (size_t n = 1;; n++) {
        rig.alloc.fail_at = rig.alloc.calls + n;
        int32_t status = reshard_node_create(&rig.config, &rig.node);
        if (status == RESHARD_OK)
            break;
        cr_assert_eq(status, RESHARD_E_NOMEM);
        cr_assert(support_alloc_clean(&rig.alloc));
    }
    struct reshard_digest before = rig_digest(&rig);
    for (size_t n = 1;; n++) {
        rig.alloc.fail_at = rig.alloc.calls + n;
        int32_t status = reshard_node_start(rig.node, 5);
        if (status == RESHARD_OK)
            break;
        cr_assert_eq(status, RESHARD_E_NOMEM);
        cr_assert(rig_same(before, rig_digest(&rig)));
    }
    cr_assert_eq(reshard_node_start(rig.node, 5), RESHARD_E_STATE);
    rig_free(&rig);
}

Test(node, inputs_that_are_wrong_are_refused)
{
    struct reshard_action action;
    struct reshard_event event;
    uint8_t bytes[8] = {0};
    rig_init(&rig, 1);
    cr_assert_eq(reshard_node_create(&rig.config, &rig.node), RESHARD_OK);
    cr_assert_eq(reshard_node_tick(rig.node, 1), RESHARD_E_STATE);
    cr_assert_eq(reshard_node_receive(rig.node, 1, bytes, 8, 1), RESHARD_E_STATE);
    cr_assert_eq(reshard_node_start(NULL, 1), RESHARD_E_NULL);
    cr_assert_eq(reshard_node_start(rig.node, 1), RESHARD_OK);
    cr_assert_eq(reshard_node_restore(rig.node, bytes, 8), RESHARD_E_STATE);
    cr_assert_eq(reshard_node_restore(rig.node, NULL, 8), RESHARD_E_NULL);
    cr_assert_eq(reshard_node_restore(NULL, NULL, 0), RESHARD_E_NULL);
    cr_assert_eq(reshard_node_tick(NULL, 1), RESHARD_E_NULL);
    cr_assert_eq(reshard_node_receive(rig.node, 1, NULL, 8, 1), RESHARD_E_NULL);
    cr_assert_eq(reshard_node_adopt(rig.node, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_node_action_next(NULL, &action), RESHARD_E_NULL);
    cr_assert_eq(reshard_node_action_next(rig.node, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_node_event_next(NULL, &event), RESHARD_E_NULL);
    cr_assert_eq(reshard_node_event_next(rig.node, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_node_complete(rig.node, 12345, NULL, 1), RESHARD_E_ARGUMENT);
    cr_assert_null(reshard_node_map(NULL));
    struct reshard_completion odd = {.struct_size = 1};
    cr_assert_eq(reshard_node_complete(rig.node, 1, &odd, 1), RESHARD_E_STRUCT_SIZE);
    rig.node->gate.feeding = true;
    cr_assert_eq(reshard_node_tick(rig.node, 1), RESHARD_E_REENTRANT);
    cr_assert_eq(reshard_node_restore(rig.node, bytes, 8), RESHARD_E_REENTRANT);
    rig.node->gate.feeding = false;
    rig_free(&rig);
}

Test(node, record_that_is_wrong_is_refused)
{
    uint8_t bytes[8] = {0};
    rig_boot(&rig, 1);
    cr_assert_eq(reshard_node_record(NULL, 0, bytes, 8), RESHARD_E_NULL);
    cr_assert_eq(reshard_node_record(rig.node, 0, NULL, 8), RESHARD_E_NULL);
    cr_assert_eq(reshard_node_record(rig.node, RIG_SLOTS, bytes, 8), RESHARD_E_SLOT);
    cr_assert_eq(reshard_node_record(rig.node, 0, bytes, 0), RESHARD_E_ARGUMENT);
    cr_assert_eq(reshard_node_record(rig.node, 0, bytes, (1 << 30) + 1), RESHARD_E_ARGUMENT);
    struct reshard_digest before = rig_digest(&rig);
    cr_assert_eq(reshard_node_record(rig.node, 0, bytes, 8), RESHARD_OK);
    cr_assert(rig_same(before, rig_digest(&rig)));
    rig_free(&rig);
}

Test(node, first_map_is_adopted_once)
{
    struct reshard_map *other;
    rig_init(&rig, 1);
    cr_assert_eq(rig_start(&rig), RESHARD_OK);
    cr_assert_eq(reshard_map_create(RIG_SLOTS + 1, NULL, &other), RESHARD_OK);
    rig_run(&rig);
    cr_assert_eq(reshard_node_adopt(rig.node, other), RESHARD_E_SLOT_COUNT);
    rig.alloc.fail_at = rig.alloc.calls + 1;
    cr_assert_eq(reshard_node_adopt(rig.node, rig.truth), RESHARD_E_NOMEM);
    rig.alloc.fail_at = 0;
    cr_assert_eq(reshard_node_adopt(rig.node, rig.truth), RESHARD_OK);
    rig_run(&rig);
    cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_WRITE), RESHARD_SERVE);
    cr_assert_eq(reshard_node_adopt(rig.node, rig.truth), RESHARD_E_STATE);
    reshard_map_destroy(other);
    rig_free(&rig);
}

Test(node, bytes_that_are_bad_change_nothing)
{
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_CATCHUP);
    struct reshard__message message = rig_ack(&rig, 1, 1);
    uint8_t bytes[256];
    size_t size;
    cr_assert_eq(reshard__message_encode(&message, bytes, sizeof bytes, &size), RESHARD_OK);
    struct reshard_digest before = rig_digest(&rig);
    for (size_t i = 0; i < size * 8; i++) {
        bytes[i / 8] ^= (uint8_t)(1 << i % 8);
        cr_assert_lt(reshard_node_receive(rig.node, 2, bytes, size, rig.now_ns), 0);
        bytes[i / 8] ^= (uint8_t)(1 << i % 8);
        cr_assert(rig_same(before, rig_digest(&rig)));
    }
    for (size_t i = 0; i < size; i++)
        cr_assert_lt(reshard_node_receive(rig.node, 2, bytes, i, rig.now_ns), 0);
    struct reshard__message report = {.type = RESHARD__REPORT, .migration = 1, .phase = 1};
    report.order.term = report.order.n = 1;
    cr_assert_eq(rig_feed(&rig, 2, &report), RESHARD_E_KIND); /* for a coordinator */
    cr_assert(rig_same(before, rig_digest(&rig)));
    cr_assert_gt(rig_events(&rig, RESHARD_EVENT_BAD_MESSAGE), 100);
    rig_free(&rig);
}

/* Every input of both nodes is tried with its first, second, ... allocation failing. */
static void run_failing(uint32_t mode, uint64_t seed, bool aborts)
{
    world_init(&world, seed, RESHARD_CONFLICT_LOCK);
    world.nodes[0].failing = world.nodes[1].failing = true;
    world_open(&world, mode, 0);
    for (int i = 0; i < 60; i++) {
        world_work(&world, 2);
        world_turn(&world);
        if (i == 20 && aborts)
            (void)reshard_coordinator_abort(world.coordinator, world.migration);
    }
    world_until(&world, WORLD_CLOSED);
    world.nodes[0].failing = world.nodes[1].failing = false;
    world_turns(&world, 30);
    const struct reshard_map *map = reshard_coordinator_map(world.coordinator);
    world_prove(&world, reshard_map_slot_owner(map, 0));
    cr_assert_gt(world.nodes[0].failed_inputs, 0);
    cr_assert_gt(world.nodes[1].failed_inputs, 0);
    world_free(&world);
}

Test(node, memory_that_lacks_anywhere_in_snapshot_costs_a_retry)
{
    run_failing(RESHARD_MODE_SNAPSHOT, 1, false);
    run_failing(RESHARD_MODE_SNAPSHOT, 2, true);
}

Test(node, memory_that_lacks_anywhere_in_keywise_costs_a_retry)
{
    run_failing(RESHARD_MODE_KEYWISE, 1, false);
    run_failing(RESHARD_MODE_KEYWISE, 2, true);
}

Test(node, peers_of_the_next_version_are_understood)
{
    for (uint32_t mode = RESHARD_MODE_SNAPSHOT; mode <= RESHARD_MODE_KEYWISE; mode++)
        for (int abort_at = 0; abort_at <= 10; abort_at += 10) {
            world_init(&world, 5, RESHARD_CONFLICT_LOCK);
            world.newer = true;
            world.loss = 6;
            world_open(&world, mode, 0);
            for (int turn = 1; turn < 60; turn++) {
                world_work(&world, 3);
                world_turn(&world);
                if (turn == abort_at)
                    (void)reshard_coordinator_abort(world.coordinator, world.migration);
            }
            world_until(&world, WORLD_CLOSED);
            world.loss = 0;
            world_turns(&world, 30);
            const struct reshard_map *map = reshard_coordinator_map(world.coordinator);
            const reshard_shard_id owner = reshard_map_slot_owner(map, 0);
            cr_assert_eq(owner, abort_at ? 1 : 2);
            world_prove(&world, owner);
            world_free(&world);
        }
}

/* Snapshot mode under trouble, with the same client. */
static void run_snapshot(
    uint64_t seed, uint32_t loss, uint32_t restart_at, size_t victim, uint32_t abort_at)
{
    world_init(&world, seed, RESHARD_CONFLICT_LOCK);
    world.nodes[0].store.key_limit = (uint32_t)(1 + seed % 5);
    world.nodes[1].store.sync_later = seed & 1;
    world.loss = loss;
    world_open(&world, RESHARD_MODE_SNAPSHOT, 0);
    for (uint32_t turn = 1; turn < 200; turn++) {
        world_work(&world, 3);
        world_turn(&world);
        if (turn == abort_at)
            (void)reshard_coordinator_abort(world.coordinator, world.migration);
        if (restart_at && turn % restart_at == 0 && turn / restart_at <= 2)
            world_restart(&world, victim);
    }
    world_until(&world, WORLD_CLOSED);
    world.loss = 0;
    world_turns(&world, 30);
    const struct reshard_map *map = reshard_coordinator_map(world.coordinator);
    world_prove(&world, reshard_map_slot_owner(map, 0));
    world_free(&world);
}

Test(node, snapshot_under_trouble_loses_nothing)
{
    for (uint32_t at = 1; at < 50; at += 2) {
        run_snapshot(at, at % 3 ? 6 : 0, at, at % 2, 0);
        run_snapshot(at, at % 3 ? 0 : 6, at, (at + 1) % 2, at);
        run_snapshot(at, 6, 0, 0, at);
    }
}

Test(node, greeting_tells_a_coordinator_which_map_is_here)
{
    rig_boot(&rig, 1);
    cr_assert_eq(reshard_node_greet(NULL, 9), RESHARD_E_NULL);
    cr_assert_eq(reshard_node_greet(rig.node, 0), RESHARD_E_NODE);
    cr_assert_eq(reshard_node_greet(rig.node, 9), RESHARD_OK);
    rig_run(&rig);
    const struct reshard__message *hello = rig_last(&rig, RESHARD__HELLO, 0);
    cr_assert(hello);
    cr_assert_eq(hello->map_version, reshard_map_version(reshard_node_map(rig.node)));
    cr_assert_eq(rig.sent[rig.sent_count - 1].to, 9);
    rig_free(&rig);
}

Test(node, newest_map_is_ahead_of_the_durable_one)
{
    rig_boot(&rig, 1);
    cr_assert_null(reshard_node_newest_map(NULL));
    rig.automatic &= ~RIG_BIT(APPEND);
    rig_change(
        &rig, (struct reshard_change){.kind = RESHARD_CHANGE_SHARD_PUT, .shard = 3, .weight = 1.0});
    rig_map(&rig);
    uint64_t durable = reshard_map_version(reshard_node_map(rig.node));
    cr_assert_eq(reshard_map_version(reshard_node_newest_map(rig.node)), durable + 1);
    rig_free(&rig);
}

Test(node, before_the_start_no_map_is_adopted_and_no_key_moves)
{
    const uint8_t *keys[] = {(const uint8_t *)"k"};
    const size_t sizes[] = {1};
    rig_init(&rig, 1);
    cr_assert_eq(reshard_node_create(&rig.config, &rig.node), RESHARD_OK);
    cr_assert_eq(reshard_node_adopt(rig.node, rig.truth), RESHARD_E_STATE);
    cr_assert_eq(reshard_node_move_keys(rig.node, 0, keys, sizes, 1), RESHARD_E_STATE);
    rig_free(&rig);
}
