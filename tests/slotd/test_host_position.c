/* SPDX-License-Identifier: MIT */
/* Room host of slotd, positions: they come back as they were put, and are forgotten with their
 * migrations, not before. */
#include "host.h"
#include "place.h"

#include <criterion/criterion.h>
#include <reshard/map.h>

static const struct host_position begun = {HOST_POSITION_STAGING, 3, 2, 0};

static bool there(struct store *store, reshard_migration_id migration)
{
    struct host_position found;
    return host_position_get(store, migration, &found);
}

Test(host_position, comes_back_as_it_was_put)
{
    struct place place = place_make();
    struct host_position found;
    struct host_position put = begun;
    cr_expect_not(there(place.store, 1));
    host_position_put(place.store, 1, &put);
    put.state = HOST_POSITION_ACTIVE;
    put.sequence = 77;
    host_position_put(place.store, 1, &put);
    store_close(place.store);
    place.store = place_open(place.path);
    cr_assert(host_position_get(place.store, 1, &found));
    cr_expect_eq(found.state, HOST_POSITION_ACTIVE);
    cr_expect_eq(found.copy_term, 3);
    cr_expect_eq(found.copy_n, 2);
    cr_expect_eq(found.sequence, 77);
    cr_expect_not(there(place.store, 2));
    host_position_remove(place.store, 1);
    host_position_remove(place.store, 1);
    cr_expect_not(there(place.store, 1));
    place_remove(&place);
}

Test(host_position, of_no_known_form_is_none)
{
    struct place place = place_make();
    store_meta_put(place.store, "position.5", bytes_of("short"));
    cr_expect_not(there(place.store, 5));
    place_remove(&place);
}

Test(host_position, all_are_forgotten_at_once)
{
    struct place place = place_make();
    host_positions_forget(place.store);
    for (reshard_migration_id id = 1; id <= 50; id++)
        host_position_put(place.store, id, &begun);
    host_position_put(place.store, 7, &begun); /* listed once */
    host_positions_forget(place.store);
    for (reshard_migration_id id = 1; id <= 50; id++)
        cr_expect_not(there(place.store, id));
    place_remove(&place);
}

static void change(struct reshard_map *map, struct reshard_change *change)
{
    cr_assert_eq(reshard_map_apply(map, change), RESHARD_OK);
}

/* Shards 1 and 2; migration 1 is over, 2 is open, of 3 nobody has heard here yet. */
static struct reshard_map *map_make(void)
{
    struct reshard_map *map = NULL;
    struct reshard_change one;
    const struct reshard_range all = {0, 16383}, some[] = {{1, 1}, {2, 2}};
    cr_assert_eq(reshard_map_create(STORE_SLOT_COUNT, NULL, &map), RESHARD_OK);
    for (reshard_shard_id shard = 1; shard <= 2; shard++) {
        reshard_change_init(&one);
        one.kind = RESHARD_CHANGE_SHARD_PUT;
        one.shard = shard;
        one.weight = 1;
        change(map, &one);
    }
    reshard_change_init(&one);
    one.kind = RESHARD_CHANGE_ASSIGN;
    one.shard = 1;
    one.ranges = &all;
    one.range_count = 1;
    change(map, &one);
    for (uint32_t id = 1; id <= 2; id++) {
        reshard_change_init(&one);
        one.kind = RESHARD_CHANGE_MIGRATION_OPEN;
        one.migration = id;
        one.source = 1;
        one.target = 2;
        one.mode = RESHARD_MODE_SNAPSHOT;
        one.ranges = &some[id - 1];
        one.range_count = 1;
        change(map, &one);
    }
    reshard_change_init(&one);
    one.kind = RESHARD_CHANGE_MIGRATION_ABORT;
    one.migration = 1;
    change(map, &one);
    reshard_change_init(&one);
    one.kind = RESHARD_CHANGE_MIGRATION_END;
    one.migration = 1;
    change(map, &one);
    return map;
}

Test(host_position, is_swept_when_its_migration_is_over)
{
    struct place place = place_make();
    struct reshard_map *map = map_make();
    host_positions_sweep(place.store, map);
    for (reshard_migration_id id = 1; id <= 3; id++)
        host_position_put(place.store, id, &begun);
    for (int round = 0; round < 2; round++) {
        host_positions_sweep(place.store, map);
        cr_expect_not(there(place.store, 1));
        cr_expect(there(place.store, 2));
        cr_expect(there(place.store, 3));
    }
    host_positions_forget(place.store);
    cr_expect_not(there(place.store, 2));
    reshard_map_destroy(map);
    place_remove(&place);
}
