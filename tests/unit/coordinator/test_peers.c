/* SPDX-License-Identifier: MIT */
/* The map's way out: deltas, snapshots, gaps, the beat, who joins and leaves. */
#include "fixture.h"
#include <criterion/criterion.h>

static struct fixture fixture;

static const struct reshard__message *map_to(reshard_node_id node)
{
    for (size_t i = fixture.sent_count; i-- > 0;)
        if (fixture.sent[i].message.type == RESHARD__MAP && fixture.sent[i].to == node)
            return &fixture.sent[i].message;
    return NULL;
}

static uint64_t version(void)
{
    return reshard_map_version(reshard_coordinator_map(fixture.coordinator));
}

static int32_t hello(reshard_node_id node, uint64_t map_version, uint64_t slot_count)
{
    struct reshard__message message = {.type = RESHARD__HELLO, .protocol = RESHARD__PROTOCOL};
    message.node = node;
    message.boot = 3;
    message.map_version = map_version;
    message.slot_count = slot_count;
    return fixture_say(&fixture, node, &message);
}

static int32_t node_change(uint32_t kind, reshard_node_id node)
{
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = kind;
    change.node = node;
    if (kind == RESHARD_CHANGE_NODE_PUT) {
        change.shard = 1;
        change.role = RESHARD_ROLE_REPLICA;
    }
    return fixture_change(&fixture, &change);
}

Test(peers, each_change_goes_to_every_node_as_a_delta)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    fixture.sent_count = 0;
    cr_assert_eq(fixture_primary(&fixture, 1, 12), RESHARD_OK);
    cr_assert_eq(fixture.sent_count, 4);
    static const reshard_node_id nodes[] = {11, 12, 21, 22};
    for (int i = 0; i < 4; i++) {
        const struct reshard__message *map = map_to(nodes[i]);
        cr_assert_not_null(map);
        cr_assert_eq(map->to, version());
        cr_assert_eq(map->from, version() - 1);
        cr_assert_gt(map->changes.size, 0);
        cr_assert_eq(map->snapshot.size, 0);
    }
    fixture_close(&fixture);
}

Test(peers, nothing_is_told_before_it_is_durable)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    fixture.sent_count = 0;
    fixture.hold = true;
    cr_assert_eq(fixture_primary(&fixture, 1, 12), RESHARD_OK);
    fixture_pass(&fixture, UINT64_C(5000000000));
    for (size_t i = 0; i < fixture.sent_count; i++)
        cr_assert_leq(fixture.sent[i].message.to, version());
    fixture_release(&fixture);
    cr_assert_eq(map_to(22)->to, version());
    fixture_close(&fixture);
}

Test(peers, hello_from_behind_is_answered_with_what_is_missing)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    fixture.sent_count = 0;
    cr_assert_eq(hello(21, version() - 3, FIXTURE_SLOTS), RESHARD_OK);
    cr_assert_eq(fixture.sent_count, 1);
    cr_assert_eq(map_to(21)->from, version() - 3);
    cr_assert_eq(hello(22, 0, FIXTURE_SLOTS), RESHARD_OK);
    cr_assert_eq(map_to(22)->from, 0);
    cr_assert_gt(map_to(22)->snapshot.size, 0);
    fixture.sent_count = 0;
    cr_assert_eq(hello(21, version(), FIXTURE_SLOTS), RESHARD_OK);
    cr_assert_eq(hello(21, version() + 5, FIXTURE_SLOTS), RESHARD_OK);
    cr_assert_eq(hello(99, 0, FIXTURE_SLOTS), RESHARD_OK, "no node of the map");
    cr_assert_eq(hello(21, 0, FIXTURE_SLOTS * 2), RESHARD_OK, "of another map");
    cr_assert_eq(fixture.sent_count, 0);
    fixture_close(&fixture);
}

Test(peers, hello_of_a_version_beyond_the_next_is_refused)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    fixture.sent_count = 0;
    struct reshard__message message = {.type = RESHARD__HELLO, .node = 21, .boot = 3};
    message.slot_count = FIXTURE_SLOTS;
    message.protocol = RESHARD__PROTOCOL + 2;
    cr_assert_eq(fixture_say(&fixture, 21, &message), RESHARD_E_PROTOCOL);
    cr_assert_eq(fixture.sent_count, 0);
    message.protocol = RESHARD__PROTOCOL + 1;
    cr_assert_eq(fixture_say(&fixture, 21, &message), RESHARD_OK);
    cr_assert_eq(map_to(21)->to, version());
    fixture_close(&fixture);
}

/* Deltas are kept for so many changes; who is further behind gets a snapshot. */
Test(peers, hello_from_far_behind_is_answered_with_a_snapshot)
{
    fixture_init(&fixture);
    fixture_create(&fixture);
    cr_assert_eq(fixture_start(&fixture), RESHARD_OK);
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_PUT;
    change.shard = 1;
    for (int i = 1; i <= RESHARD_MAP_RETAINED + 5; i++) {
        change.weight = i;
        cr_assert_eq(fixture_change(&fixture, &change), RESHARD_OK);
    }
    cr_assert_eq(node_change(RESHARD_CHANGE_NODE_PUT, 11), RESHARD_OK);
    cr_assert_eq(map_to(11)->from, 0, "it is new");
    cr_assert_eq(hello(11, 2, FIXTURE_SLOTS), RESHARD_OK);
    cr_assert_eq(map_to(11)->from, 0);
    cr_assert_gt(map_to(11)->snapshot.size, 0);
    cr_assert_eq(hello(11, version() - RESHARD_MAP_RETAINED, FIXTURE_SLOTS), RESHARD_OK);
    cr_assert_eq(map_to(11)->from, version() - RESHARD_MAP_RETAINED);
    fixture_close(&fixture);
}

/* Who lost the last MAP would never notice: the version is told again. */
Test(peers, beat_tells_the_version_to_all)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    fixture_pass(&fixture, 1);
    fixture.sent_count = 0;
    uint64_t beat_ns = 5 * fixture.coordinator->config.retry_ns;
    fixture_pass(&fixture, beat_ns - 1);
    cr_assert_eq(fixture.sent_count, 0);
    fixture_pass(&fixture, 1);
    cr_assert_eq(fixture.sent_count, 4);
    cr_assert_eq(map_to(11)->to, version());
    cr_assert_eq(map_to(11)->from, version());
    cr_assert_eq(map_to(11)->changes.size, 0);
    fixture_close(&fixture);
}

Test(peers, who_joins_gets_all_and_who_leaves_hears_of_it)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    fixture.sent_count = 0;
    cr_assert_eq(node_change(RESHARD_CHANGE_NODE_PUT, 13), RESHARD_OK);
    cr_assert_eq(map_to(13)->from, 0);
    cr_assert_gt(map_to(13)->snapshot.size, 0);
    cr_assert_eq(map_to(12)->from, version() - 1);
    fixture.sent_count = 0;
    cr_assert_eq(node_change(RESHARD_CHANGE_NODE_REMOVE, 13), RESHARD_OK);
    cr_assert_eq(map_to(13)->to, version());
    fixture.sent_count = 0;
    cr_assert_eq(fixture_primary(&fixture, 1, 12), RESHARD_OK);
    cr_assert_null(map_to(13));
    cr_assert_eq(fixture.sent_count, 4);
    fixture_close(&fixture);
}

/* Without memory a node is told later: by the next change or the beat. */
Test(peers, each_allocation_fails_once_and_all_hear_in_the_end)
{
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        fixture_init(&fixture);
        fixture_open(&fixture);
        fixture_pass(&fixture, 1);
        fixture.sent_count = 0;
        fixture.alloc.fail_at = fixture.alloc.calls + n;
        cr_assert_eq(node_change(RESHARD_CHANGE_NODE_PUT, 13), RESHARD_OK);
        cr_assert_eq(hello(21, 0, FIXTURE_SLOTS), RESHARD_OK);
        failed = fixture.alloc.failed > 0;
        fixture.alloc.fail_at = 0;
        fixture_pass(&fixture, UINT64_C(10000000000));
        static const reshard_node_id nodes[] = {11, 12, 13, 21, 22};
        for (int i = 0; i < 5; i++) {
            cr_assert_not_null(map_to(nodes[i]), "allocation %zu", n);
            cr_assert_eq(map_to(nodes[i])->to, version());
        }
        fixture_close(&fixture);
        cr_assert_lt(n, 200);
    }
}
