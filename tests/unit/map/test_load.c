/* SPDX-License-Identifier: MIT */
/* Room map, tests: maps from snapshots' items: equal when the items are right, refused by name when
 * they are not. That right ones rebuild equal maps is shown at length in test_model.c. */
#include "support/alloc.h"
#include "unit/map/fixture.h"
#include <criterion/criterion.h>

static struct reshard_map_node a_node(reshard_node_id id, reshard_shard_id shard, uint32_t role)
{
    return (struct reshard_map_node){
        .struct_size = sizeof(struct reshard_map_node), .role = role, .node = id, .shard = shard};
}

static struct reshard_map_shard a_shard(
    reshard_shard_id id, reshard_node_id primary, uint64_t epoch)
{
    return (struct reshard_map_shard){.struct_size = sizeof(struct reshard_map_shard),
        .shard = id,
        .primary = primary,
        .weight = 1.0,
        .epoch = epoch};
}

/* Items of a sound map of 8 slots, to be spoilt one at a time. */
struct items {
    struct reshard_map_node nodes[2];
    struct reshard_map_shard shards[2];
    struct reshard_range owned;
    reshard_shard_id owner;
    uint32_t epoch;
    struct reshard_range moving;
    struct reshard_map_migration migration;
    reshard_node_id removed_node;
    reshard_shard_id removed_shard;
    struct reshard__map_header header;
};

static void items_init(struct items *items)
{
    *items = (struct items){.owned = {0, 5},
        .owner = 1,
        .epoch = 3,
        .moving = {2, 3},
        .removed_node = 40,
        .removed_shard = 41,
        .header = {.version = 30, .term = 2, .unique = 1, .last_migration = 6}};
    items->nodes[0] = a_node(10, 1, RESHARD_ROLE_PRIMARY);
    items->nodes[1] = a_node(11, 2, RESHARD_ROLE_REPLICA);
    items->shards[0] = a_shard(1, 10, 4);
    items->shards[1] = a_shard(2, 0, 0);
    items->migration =
        (struct reshard_map_migration){.struct_size = sizeof(struct reshard_map_migration),
            .mode = RESHARD_MODE_KEYWISE,
            .migration = 5,
            .source = 1,
            .target = 2,
            .version = 20,
            .range_count = 1,
            .ranges = &items->moving};
}

static int32_t load(const struct items *items, const struct reshard_allocator *allocator)
{
    struct reshard_map *map = NULL;
    int32_t status = reshard_map_create(8, allocator, &map);
    for (int i = 0; i < 2 && !status; i++) {
        status = reshard__map_load_node(map, &items->nodes[i]);
        if (!status)
            status = reshard__map_load_shard(map, &items->shards[i]);
    }
    if (!status)
        status = reshard__map_load_owner(map, &items->owned, items->owner, items->epoch);
    if (!status)
        status = reshard__map_load_migration(map, &items->migration);
    if (!status)
        status = reshard__map_load_removed_node(map, items->removed_node);
    if (!status)
        status = reshard__map_load_removed_shard(map, items->removed_shard);
    if (!status)
        status = reshard__map_load_finish(map, &items->header);
    if (!status)
        cr_assert(reshard__map_sound(map));
    reshard_map_destroy(map);
    return status;
}

#define EXPECT(status, spoil)                                                                      \
    do {                                                                                           \
        struct items items;                                                                        \
        items_init(&items);                                                                        \
        spoil;                                                                                     \
        cr_expect_eq(load(&items, NULL), (status), "%s", #spoil);                                  \
    } while (0)

Test(load, sound_items_are_taken)
{
    EXPECT(RESHARD_OK, (void)0);
    EXPECT(RESHARD_OK, items.migration.decision = RESHARD_DECISION_ABORT);
    EXPECT(RESHARD_OK, items.migration.migration_flags = RESHARD_MIGRATION_OPERATOR);
    EXPECT(RESHARD_OK, items.migration.version = 30);
}

Test(load, unsound_members_are_named)
{
    EXPECT(RESHARD_E_ARGUMENT, items.nodes[0].node = 0);
    EXPECT(RESHARD_E_ARGUMENT, items.nodes[0].role = 3);
    EXPECT(RESHARD_E_ARGUMENT, items.nodes[0].zone_size = RESHARD_ZONE_SIZE_MAX + 1);
    EXPECT(RESHARD_E_NULL, items.nodes[0].address_size = 1);
    EXPECT(RESHARD_E_EXISTS, items.nodes[1].node = 10);
    EXPECT(RESHARD_E_NODE, items.nodes[0].role = RESHARD_ROLE_REPLICA);
    EXPECT(RESHARD_E_NODE, items.nodes[1].role = RESHARD_ROLE_PRIMARY);
    EXPECT(RESHARD_E_NODE, items.shards[0].primary = 12);
    EXPECT(RESHARD_E_SHARD, items.nodes[1].shard = 3);
    EXPECT(RESHARD_E_ARGUMENT, items.shards[0].shard = 0);
    EXPECT(RESHARD_E_EXISTS, items.shards[1].shard = 1);
    EXPECT(RESHARD_E_WEIGHT, items.shards[0].weight = -1.0);
    EXPECT(RESHARD_E_EPOCH, items.shards[0].epoch = 0);
    EXPECT(RESHARD_OK, items.shards[1].epoch = 1); /* its last node left */
    EXPECT(RESHARD_E_REUSED, items.removed_node = 10);
    EXPECT(RESHARD_E_REUSED, items.removed_shard = 2);
    EXPECT(RESHARD_E_ARGUMENT, items.removed_node = 0);
    EXPECT(RESHARD_E_ARGUMENT, items.removed_shard = 0);
}

Test(load, unsound_slots_and_migrations_are_named)
{
    EXPECT(RESHARD_E_SLOT, items.owned.last = 8);
    EXPECT(RESHARD_E_SHARD, items.owner = 7);
    EXPECT(RESHARD_E_EPOCH, items.epoch = 0);
    EXPECT(RESHARD_E_OVERFLOW, items.epoch = UINT32_MAX);
    EXPECT(RESHARD_E_OWNER, items.owner = 2);
    EXPECT(RESHARD_E_OWNER, items.moving.last = 6);
    EXPECT(RESHARD_E_OWNER, items.migration.decision = RESHARD_DECISION_COMMIT);
    EXPECT(RESHARD_E_ARGUMENT, items.migration.decision = 3);
    EXPECT(RESHARD_E_ARGUMENT, items.migration.attempt = 1);
    EXPECT(RESHARD_E_ARGUMENT, items.migration.migration = 0);
    EXPECT(RESHARD_E_ARGUMENT, items.migration.target = 1);
    EXPECT(RESHARD_E_ARGUMENT, items.migration.range_count = 0);
    EXPECT(RESHARD_E_SHARD, items.migration.source = 9);
    EXPECT(RESHARD_E_SHARD, items.migration.target = 9);
    EXPECT(RESHARD_E_SLOT, items.moving.last = 9);
    EXPECT(RESHARD_E_MODE, items.migration.mode = 0);
    EXPECT(RESHARD_E_FLAGS, items.migration.migration_flags = 2);
    EXPECT(RESHARD_E_MIGRATION, items.header.last_migration = 4);
    EXPECT(RESHARD_E_VERSION, items.migration.version = 31);
    EXPECT(RESHARD_E_VERSION, items.migration.version = 0);
    EXPECT(RESHARD_E_VERSION, items.header.version = 0);
}

Test(load, repeated_items_are_refused)
{
    struct reshard_map *map = NULL;
    const struct reshard_range range = {1, 3};
    const struct reshard_range next = {3, 4};
    struct items items;
    items_init(&items);
    cr_assert_eq(reshard_map_create(8, NULL, &map), RESHARD_OK);
    cr_assert_eq(reshard__map_load_owner(map, &range, 1, 1), RESHARD_OK);
    cr_assert_eq(reshard__map_load_owner(map, &next, 1, 1), RESHARD_E_OVERLAP);
    cr_assert_eq(reshard__map_load_migration(map, &items.migration), RESHARD_OK);
    cr_assert_eq(reshard__map_load_migration(map, &items.migration), RESHARD_E_EXISTS);
    items.migration.migration = 6;
    cr_assert_eq(reshard__map_load_migration(map, &items.migration), RESHARD_E_OVERLAP);
    cr_assert_eq(reshard__map_load_removed_node(map, 9), RESHARD_OK);
    cr_assert_eq(reshard__map_load_removed_node(map, 9), RESHARD_E_REUSED);
    cr_assert_eq(reshard__map_load_removed_node(map, 8), RESHARD_E_REUSED);
    cr_assert_eq(reshard__map_load_removed_shard(map, 9), RESHARD_OK);
    cr_assert_eq(reshard__map_load_removed_shard(map, 8), RESHARD_E_REUSED);
    reshard_map_destroy(map);
}

Test(load, a_map_that_lives_takes_no_items)
{
    struct reshard_map *map = map_of_two_shards();
    struct items items;
    items_init(&items);
    cr_assert_eq(reshard__map_load_node(map, &items.nodes[0]), RESHARD_E_STATE);
    cr_assert_eq(reshard__map_load_shard(map, &items.shards[0]), RESHARD_E_STATE);
    cr_assert_eq(reshard__map_load_owner(map, &items.owned, 1, 1), RESHARD_E_STATE);
    cr_assert_eq(reshard__map_load_migration(map, &items.migration), RESHARD_E_STATE);
    cr_assert_eq(reshard__map_load_removed_node(map, 40), RESHARD_E_STATE);
    cr_assert_eq(reshard__map_load_removed_shard(map, 41), RESHARD_E_STATE);
    cr_assert_eq(reshard__map_load_finish(map, &items.header), RESHARD_E_STATE);
    cr_assert_eq(reshard__map_load_node(NULL, &items.nodes[0]), RESHARD_E_NULL);
    cr_assert_eq(reshard__map_load_shard(map, NULL), RESHARD_E_NULL);
    reshard_map_destroy(map);
}

Test(load, nothing_leaks_without_memory)
{
    struct items items;
    int32_t status = RESHARD_E_NOMEM;
    items_init(&items);
    for (size_t fail_at = 1; status == RESHARD_E_NOMEM; fail_at++) {
        struct support_alloc alloc;
        struct reshard_allocator allocator = support_alloc_init(&alloc);
        alloc.fail_at = fail_at;
        status = load(&items, &allocator);
        cr_assert(support_alloc_clean(&alloc), "allocation %zu", fail_at);
    }
    cr_assert_eq(status, RESHARD_OK);
}
