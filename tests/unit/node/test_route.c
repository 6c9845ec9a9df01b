/* SPDX-License-Identifier: MIT */
/* Room node, tests: route and route_keys with good and bad input. */
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
