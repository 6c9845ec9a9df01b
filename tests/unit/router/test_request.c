/* SPDX-License-Identifier: MIT */
#include "cluster.h"
#include <string.h>

static struct reshard_map *map;
static struct reshard_router *router;
static struct reshard_request request;
static struct reshard_hop hop;
static uint64_t wait_ns;

static void set_up_zone(const char *zone)
{
    map = cluster_make(4);
    router = cluster_router(map, zone, NULL);
    reshard_request_init(&request);
    reshard_hop_init(&hop);
}

static void tear_down(void)
{
    reshard_router_destroy(router);
    reshard_map_destroy(map);
}

static void begin(uint32_t slot, uint32_t flags)
{
    cr_assert_eq(reshard_router_begin(router, slot, flags, &request), RESHARD_OK);
}

static reshard_node_id next(void)
{
    int32_t status = reshard_router_next(router, &request, &hop);
    cr_assert_eq(status, RESHARD_OK, "%s", reshard_strname(status));
    return hop.node;
}

static int32_t take(struct reshard_answer answer)
{
    answer.struct_size = sizeof answer;
    return reshard_router_answer(router, &request, &answer, &wait_ns);
}

static int32_t take_kind(uint32_t kind)
{
    return take((struct reshard_answer){.kind = kind});
}

static int32_t take_to(uint32_t kind, reshard_shard_id shard)
{
    return take((struct reshard_answer){.kind = kind, .shard = shard});
}

Test(request, next_is_the_owners_primary)
{
    set_up_zone(NULL);
    begin(17, RESHARD_REQUEST_WRITE);
    cr_assert_eq(next(), 20);
    cr_assert_eq(hop.shard, 2);
    cr_assert_eq(hop.slot, 17);
    cr_assert_eq(hop.flags, 0);
    cr_assert_eq(hop.address_size, 4);
    cr_assert_eq(memcmp(hop.address, "host", 4), 0);
    tear_down();
}

Test(request, reads_may_go_to_replicas_of_the_zone_first)
{
    set_up_zone("b");
    for (int i = 0; i < 20; i++) {
        begin(17, RESHARD_REQUEST_REPLICA);
        cr_assert_eq(next(), 22);
        cr_assert_eq(hop.flags, RESHARD_HOP_REPLICA);
    }
    cr_assert_eq(take((struct reshard_answer){.kind = RESHARD_ANSWER_UNREACHABLE, .node = 22}),
        RESHARD_OK);
    cr_assert_eq(next(), 20); /* no other in the zone */
    cr_assert_eq(hop.flags, 0);
    tear_down();
}

Test(request, reads_spread_over_replicas_without_a_zone)
{
    bool seen[3] = {false, false, false};
    set_up_zone(NULL);
    for (int i = 0; i < 60; i++) {
        begin(17, RESHARD_REQUEST_REPLICA);
        reshard_node_id node = next();
        cr_assert_eq(next(), node); /* the same until an answer comes */
        seen[node - 20] = true;
    }
    cr_assert(!seen[0] && seen[1] && seen[2]);
    tear_down();
}

Test(request, moved_is_learnt_and_followed_at_once)
{
    set_up_zone(NULL);
    begin(17, RESHARD_REQUEST_REPLICA);
    cr_assert_eq(take_to(RESHARD_ANSWER_MOVED, 3), RESHARD_OK);
    cr_assert_eq(wait_ns, 0);
    cr_assert_eq(next(), 30); /* the primary, after a redirect */
    begin(17, RESHARD_REQUEST_WRITE);
    cr_assert_eq(next(), 30);
    begin(18, RESHARD_REQUEST_WRITE);
    cr_assert_eq(next(), 20);
    cr_assert_eq(reshard_router_stale(router), 1);
    tear_down();
}

Test(request, moved_to_an_unknown_node_is_followed)
{
    set_up_zone(NULL);
    begin(17, RESHARD_REQUEST_WRITE);
    cr_assert_eq(
        take((struct reshard_answer){.kind = RESHARD_ANSWER_MOVED, .node = 999}), RESHARD_OK);
    cr_assert_eq(next(), 999);
    cr_assert_null(hop.address);
    cr_assert_eq(hop.shard, 0);
    cr_assert_eq(reshard_router_slot_owner(router, 17), 2); /* nothing to learn */
    tear_down();
}

Test(request, moved_of_an_older_version_is_waited_out)
{
    set_up_zone(NULL);
    begin(17, RESHARD_REQUEST_WRITE);
    cr_assert_eq(take((struct reshard_answer){.kind = RESHARD_ANSWER_MOVED, .shard = 3,
                     .version = reshard_map_version(map) - 1}),
        RESHARD_OK);
    cr_assert_gt(wait_ns, 0);
    cr_assert_eq(next(), 20);
    cr_assert_eq(reshard_router_stale(router), 0);
    tear_down();
}

Test(request, moved_to_the_asked_nodes_own_shard_needs_a_refresh)
{
    set_up_zone(NULL);
    begin(17, RESHARD_REQUEST_WRITE);
    cr_assert_eq(take_to(RESHARD_ANSWER_MOVED, 2), RESHARD_OK);
    cr_assert_eq(reshard_router_next(router, &request, &hop), RESHARD_E_EMPTY);
    cluster_primary(map, 2, 21);
    cr_assert_eq(reshard_router_refresh(router, map), RESHARD_OK);
    cr_assert_eq(next(), 21);
    tear_down();
}

Test(request, ask_concerns_the_next_hop_only)
{
    set_up_zone(NULL);
    begin(17, RESHARD_REQUEST_WRITE);
    cr_assert_eq(take((struct reshard_answer){.kind = RESHARD_ANSWER_ASK, .shard = 4,
                     .migration = 12, .direction = 1}),
        RESHARD_OK);
    cr_assert_eq(wait_ns, 0);
    cr_assert_eq(next(), 40);
    cr_assert_eq(hop.flags, RESHARD_HOP_ASKING);
    cr_assert_eq(hop.migration, 12);
    cr_assert_eq(hop.direction, 1);
    cr_assert_eq(reshard_router_stale(router), 0);
    cr_assert_eq(take_kind(RESHARD_ANSWER_TRYAGAIN), RESHARD_OK);
    cr_assert_eq(next(), 20);
    cr_assert_eq(hop.flags, 0);
    cr_assert_eq(hop.migration, 0);
    tear_down();
}

/* A target that did not answer is not asked again before the cache is newer. */
Test(request, ask_for_a_node_that_did_not_answer_needs_a_refresh)
{
    set_up_zone(NULL);
    begin(17, RESHARD_REQUEST_WRITE);
    cr_assert_eq(take((struct reshard_answer){.kind = RESHARD_ANSWER_UNREACHABLE, .node = 40}),
        RESHARD_OK);
    cr_assert_eq(take_to(RESHARD_ANSWER_ASK, 4), RESHARD_OK);
    cr_assert_eq(reshard_router_next(router, &request, &hop), RESHARD_E_EMPTY);
    cluster_primary(map, 4, 41);
    cr_assert_eq(reshard_router_refresh(router, map), RESHARD_OK);
    cr_assert_eq(next(), 41);
    cr_assert_eq(hop.flags, RESHARD_HOP_ASKING);
    tear_down();
}

Test(request, ask_for_another_node_than_the_silent_one_is_followed)
{
    set_up_zone(NULL);
    begin(17, RESHARD_REQUEST_WRITE);
    cr_assert_eq(take((struct reshard_answer){.kind = RESHARD_ANSWER_UNREACHABLE, .node = 20}),
        RESHARD_OK);
    cr_assert_eq(take((struct reshard_answer){.kind = RESHARD_ANSWER_ASK, .shard = 4,
                     .version = reshard_map_version(map) + 5}),
        RESHARD_OK);
    cr_assert_eq(next(), 40);
    cr_assert_eq(reshard_router_stale(router), 1);
    tear_down();
}

Test(request, redirects_are_bounded)
{
    set_up_zone(NULL);
    begin(17, RESHARD_REQUEST_WRITE);
    for (uint32_t i = 0; i < RESHARD_ROUTER_REDIRECTS_MAX; i++)
        cr_assert_eq(
            take_to(i % 2 ? RESHARD_ANSWER_ASK : RESHARD_ANSWER_MOVED, 1 + i % 4), RESHARD_OK);
    struct reshard_request before = request;
    wait_ns = 55;
    cr_assert_eq(take_to(RESHARD_ANSWER_MOVED, 1), RESHARD_E_REDIRECTS);
    cr_assert_eq(take_to(RESHARD_ANSWER_ASK, 1), RESHARD_E_REDIRECTS);
    cr_assert_eq(memcmp(&before, &request, sizeof before), 0);
    cr_assert_eq(wait_ns, 55);
    tear_down();
}

Test(request, waits_double_within_bounds_and_repeat_from_the_seed)
{
    uint64_t first[16];
    bool jitter = false;
    for (int round = 0; round < 2; round++) {
        set_up_zone(NULL);
        begin(17, RESHARD_REQUEST_WRITE);
        uint64_t full = 10000000;
        for (int i = 0; i < 16; i++) {
            cr_assert_eq(
                take_kind(i % 2 ? RESHARD_ANSWER_DOWN : RESHARD_ANSWER_TRYAGAIN), RESHARD_OK);
            cr_assert(wait_ns >= full / 2 && wait_ns <= full, "%llu of %llu",
                (unsigned long long)wait_ns, (unsigned long long)full);
            jitter = jitter || (wait_ns != full && wait_ns != full / 2);
            full = full * 2 > 1000000000 ? 1000000000 : full * 2;
            if (round == 0)
                first[i] = wait_ns;
            cr_assert_eq(first[i], wait_ns);
        }
        cr_assert_eq(take_kind(RESHARD_ANSWER_DOWN), RESHARD_E_REDIRECTS);
        cr_assert_eq(reshard_router_stale(router), 1);
        tear_down();
    }
    cr_assert(jitter);
}

Test(request, waits_of_extreme_limits_do_not_overflow)
{
    struct reshard_router_config config;
    reshard_router_config_init(&config);
    config.slot_count = CLUSTER_SLOTS;
    config.retries_max = 200;
    config.backoff_base_ns = 1;
    config.backoff_max_ns = UINT64_MAX;
    cr_assert_eq(reshard_router_create(&config, &router), RESHARD_OK);
    reshard_request_init(&request);
    begin(3, 0);
    for (int i = 0; i < 200; i++)
        cr_assert_eq(take_kind(RESHARD_ANSWER_TRYAGAIN), RESHARD_OK);
    cr_assert_geq(wait_ns, UINT64_MAX / 2);
    reshard_router_destroy(router);
}

Test(request, unknown_owner_needs_a_refresh)
{
    set_up_zone(NULL);
    cluster_assign(map, RESHARD_CHANGE_UNASSIGN, 1, 3, 3);
    cr_assert_eq(reshard_router_refresh(router, map), RESHARD_OK);
    begin(3, 0);
    hop.node = 123;
    cr_assert_eq(reshard_router_next(router, &request, &hop), RESHARD_E_EMPTY);
    cr_assert_eq(hop.node, 123);
    tear_down();
}

Test(request, keys_must_lie_in_one_slot)
{
    const struct reshard_key same[] = {{"{u}a", 4}, {"{u}b", 4}, {"u", 1}};
    const struct reshard_key other[] = {{"{u}a", 4}, {"v", 1}};
    set_up_zone(NULL);
    cr_assert_eq(reshard_router_begin_keys(router, same, 3, 0, &request), RESHARD_OK);
    cr_assert_eq(request.slot, reshard_slot_crc16("u", 1) % CLUSTER_SLOTS);
    struct reshard_request before = request;
    cr_assert_eq(
        reshard_router_begin_keys(router, other, 2, 0, &request), RESHARD_E_CROSSSLOT);
    cr_assert_eq(reshard_router_begin_keys(router, other, 0, 0, &request), RESHARD_E_ARGUMENT);
    cr_assert_eq(reshard_router_begin_keys(router, NULL, 1, 0, &request), RESHARD_E_NULL);
    cr_assert_eq(reshard_router_begin_keys(NULL, same, 1, 0, &request), RESHARD_E_NULL);
    cr_assert_eq(reshard_router_begin_keys(router, same, 1, 0, NULL), RESHARD_E_NULL);
    const struct reshard_key nothing = {NULL, 3};
    cr_assert_eq(reshard_router_begin_keys(router, &nothing, 1, 0, &request), RESHARD_E_NULL);
    cr_assert_eq(reshard_router_begin_keys(router, NULL, 0, 0, &request), RESHARD_E_ARGUMENT);
    cr_assert_eq(memcmp(&before, &request, sizeof before), 0);
    tear_down();
}

Test(request, bad_calls_are_refused)
{
    set_up_zone(NULL);
    cr_assert_eq(reshard_router_begin(router, CLUSTER_SLOTS, 0, &request), RESHARD_E_SLOT);
    cr_assert_eq(reshard_router_begin(router, 0, 3, &request), RESHARD_E_FLAGS);
    cr_assert_eq(reshard_router_begin(router, 0, 4, &request), RESHARD_E_FLAGS);
    cr_assert_eq(reshard_router_begin(router, 0, 0, NULL), RESHARD_E_NULL);
    begin(0, 0);
    cr_assert_eq(take_kind(0), RESHARD_E_KIND);
    cr_assert_eq(take_kind(6), RESHARD_E_KIND);
    cr_assert_eq(take_kind(RESHARD_ANSWER_MOVED), RESHARD_E_ARGUMENT);
    cr_assert_eq(
        take((struct reshard_answer){.kind = RESHARD_ANSWER_ASK, .shard = 2, .direction = 2}),
        RESHARD_E_ARGUMENT);
    cr_assert_eq(reshard_router_answer(router, &request, NULL, &wait_ns), RESHARD_E_NULL);
    const struct reshard_answer again = {
        .struct_size = sizeof again, .kind = RESHARD_ANSWER_TRYAGAIN};
    cr_assert_eq(reshard_router_answer(NULL, &request, &again, &wait_ns), RESHARD_E_NULL);
    cr_assert_eq(reshard_router_answer(router, NULL, &again, &wait_ns), RESHARD_E_NULL);
    cr_assert_eq(reshard_router_answer(router, &request, &again, NULL), RESHARD_E_NULL);
    cr_assert_eq(request.retries, 0);
    cr_assert_eq(reshard_router_begin(NULL, 0, 0, &request), RESHARD_E_NULL);
    cr_assert_eq(reshard_router_next(NULL, &request, &hop), RESHARD_E_NULL);
    cr_assert_eq(reshard_router_next(router, NULL, &hop), RESHARD_E_NULL);
    cr_assert_eq(reshard_router_next(router, &request, NULL), RESHARD_E_NULL);
    request.slot = CLUSTER_SLOTS;
    cr_assert_eq(reshard_router_next(router, &request, &hop), RESHARD_E_SLOT);
    request.struct_size = 8;
    cr_assert_eq(reshard_router_begin(router, 0, 0, &request), RESHARD_E_STRUCT_SIZE);
    cr_assert_eq(reshard_router_next(router, &request, &hop), RESHARD_E_STRUCT_SIZE);
    tear_down();
}

Test(request, patches_are_bounded_and_the_redirect_is_followed_all_the_same)
{
    struct reshard_router_config config;
    reshard_router_config_init(&config);
    cr_assert_eq(reshard_router_create(&config, &router), RESHARD_OK);
    reshard_request_init(&request);
    for (uint32_t slot = 0; slot < RESHARD_ROUTER_PATCHES_MAX; slot++) {
        begin(slot, 0);
        cr_assert_eq(take_to(RESHARD_ANSWER_MOVED, 9), RESHARD_OK);
    }
    begin(5000, 0);
    cr_assert_eq(take_to(RESHARD_ANSWER_MOVED, 9), RESHARD_OK);
    cr_assert_eq(reshard_router_slot_owner(router, 4095), 9);
    cr_assert_eq(reshard_router_slot_owner(router, 5000), 0);
    cr_assert_eq(request.shard, 9);
    reshard_router_destroy(router);
}
