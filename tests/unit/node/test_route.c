/* SPDX-License-Identifier: MIT */
/* Room node, tests: route and route_keys with good and bad input. */
#include "node/words.h"
#include "rig.h"

static struct rig rig;

Test(route, input_that_is_wrong_is_down)
{
    reshard_shard_id to = 7;
    rig_boot(&rig, 1);
    cr_assert_eq(reshard_node_route(NULL, 0, RESHARD_OP_READ, &to), RESHARD_DOWN);
    cr_assert_eq(to, 0);
    cr_assert_eq(rig_route(&rig, RIG_SLOTS, RESHARD_OP_READ), RESHARD_DOWN);
    cr_assert_eq(rig_route(&rig, UINT32_MAX, RESHARD_OP_READ), RESHARD_DOWN);
    cr_assert_eq(rig_route(&rig, 0, 0), RESHARD_DOWN);
    cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_COUNT), RESHARD_DOWN);
    rig_free(&rig);
}

Test(route, slot_at_rest_goes_by_the_map)
{
    reshard_shard_id to = 7;
    rig_boot(&rig, 1);
    cr_assert_eq(reshard_node_route(rig.node, 3, RESHARD_OP_WRITE, &to), RESHARD_SERVE);
    cr_assert_eq(to, 0);
    rig_free(&rig);
    rig_boot(&rig, 2);
    cr_assert_eq(reshard_node_route(rig.node, 3, RESHARD_OP_READ, &to), RESHARD_MOVED);
    cr_assert_eq(to, 1);
    rig_free(&rig);
    rig_boot(&rig, 3); /* replica of shard 1 */
    cr_assert_eq(reshard_node_route(rig.node, 3, RESHARD_OP_READ, &to), RESHARD_SERVE);
    cr_assert_eq(reshard_node_route(rig.node, 3, RESHARD_OP_WRITE, &to), RESHARD_MOVED);
    cr_assert_eq(to, 1);
    rig_free(&rig);
    rig_init(&rig, 1);
    cr_assert_eq(rig_start(&rig), RESHARD_OK);
    cr_assert_eq(rig_route(&rig, 3, RESHARD_OP_READ), RESHARD_DOWN);
    rig_free(&rig);
}

/* A reader that was held up between its two loads, while the cell went to another migration. */
Test(route, cell_of_another_migration_is_not_believed)
{
    static const struct reshard_range high = {8, 15};
    uint64_t cell;
    rig_init(&rig, 1);
    rig.config.migration_limit = 1;
    cr_assert_eq(rig_start(&rig), RESHARD_OK);
    rig_run(&rig);
    rig_map(&rig);
    rig_open(&rig, 1, RESHARD_MODE_SNAPSHOT);
    rig_order(&rig, RESHARD_PHASE_PREPARE);
    uint64_t word = atomic_load(&rig.node->words[3]);
    cr_assert_eq((uint32_t)word, RESHARD__WORD_CELL);
    cr_assert(reshard__word_cell(rig.node, 3, word, &cell));
    cr_assert_eq(cell, reshard__word(RESHARD__STANCE_SOURCE_SERVE, 2));
    rig_decide(&rig, RESHARD_CHANGE_MIGRATION_ABORT);
    rig_order(&rig, RESHARD_PHASE_UNDO);
    rig_decide(&rig, RESHARD_CHANGE_MIGRATION_END);
    rig_change(&rig, (struct reshard_change){.kind = RESHARD_CHANGE_MIGRATION_OPEN,
                         .migration = 2,
                         .source = 1,
                         .target = 2,
                         .mode = RESHARD_MODE_SNAPSHOT,
                         .ranges = &high,
                         .range_count = 1});
    rig_map(&rig);
    rig.migration = 2;
    rig_order(&rig, RESHARD_PHASE_PREPARE);
    cr_assert_eq(atomic_load(&rig.node->words[9]), word, "the same cell");
    cr_assert_not(reshard__word_cell(rig.node, 3, word, &cell));
    cr_assert_eq(rig_route(&rig, 3, RESHARD_OP_WRITE), RESHARD_SERVE);
    rig_free(&rig);
}

Test(route, request_that_is_wrong_is_refused)
{
    struct reshard_node_request good = {.struct_size = sizeof good, .op = RESHARD_OP_READ};
    struct reshard_node_request bad;
    struct reshard_route route = {.struct_size = sizeof route};
    const uint8_t *keys[1] = {(const uint8_t *)"k"};
    rig_boot(&rig, 1);
    cr_assert_eq(reshard_node_route_keys(NULL, &good, &route), RESHARD_E_NULL);
    cr_assert_eq(reshard_node_route_keys(rig.node, NULL, &route), RESHARD_E_NULL);
    cr_assert_eq(reshard_node_route_keys(rig.node, &good, NULL), RESHARD_E_NULL);
    bad = good;
    bad.op = 0;
    cr_assert_eq(reshard_node_route_keys(rig.node, &bad, &route), RESHARD_E_ARGUMENT);
    bad.op = RESHARD_OP_COUNT;
    cr_assert_eq(reshard_node_route_keys(rig.node, &bad, &route), RESHARD_E_ARGUMENT);
    bad = good;
    bad.asking = 2;
    cr_assert_eq(reshard_node_route_keys(rig.node, &bad, &route), RESHARD_E_ARGUMENT);
    bad = good;
    bad.slot = RIG_SLOTS;
    cr_assert_eq(reshard_node_route_keys(rig.node, &bad, &route), RESHARD_E_SLOT);
    bad = good;
    bad.present_count = 1;
    cr_assert_eq(reshard_node_route_keys(rig.node, &bad, &route), RESHARD_E_ARGUMENT);
    bad = good;
    bad.key_count = 1;
    cr_assert_eq(reshard_node_route_keys(rig.node, &bad, &route), RESHARD_E_NULL);
    bad.keys = keys;
    cr_assert_eq(reshard_node_route_keys(rig.node, &bad, &route), RESHARD_E_NULL);
    bad = good;
    bad.struct_size = 3;
    cr_assert_eq(reshard_node_route_keys(rig.node, &bad, &route), RESHARD_E_STRUCT_SIZE);
    cr_assert_eq(route.verdict, 0);
    cr_assert_eq(reshard_node_route_keys(rig.node, &good, &route), RESHARD_OK);
    cr_assert_eq(route.verdict, RESHARD_SERVE);
    rig_free(&rig);
}
