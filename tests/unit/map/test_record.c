/* SPDX-License-Identifier: MIT */
/* Room map, tests: records keep order, handles are used again, room is made before. */
#include "map/state.h"
#include "support/alloc.h"
#include "unit/map/fixture.h"
#include <criterion/criterion.h>

Test(record, handles_of_closed_migrations_are_used_again)
{
    struct reshard_map *map = map_of_two_shards();
    for (reshard_migration_id id = 1; id <= 300; id += 3) {
        for (uint32_t i = 0; i < 3; i++)
            cr_assert_eq(do_open(map, id + i, 1, 2, 4 * i, 4 * i + 1), RESHARD_OK);
        for (uint32_t i = 0; i < 3; i++) { /* closed in another order each time */
            reshard_migration_id closed = id + (i + id) % 3;
            cr_assert_eq(do_decide(map, RESHARD_CHANGE_MIGRATION_ABORT, closed), RESHARD_OK);
            cr_assert_eq(do_decide(map, RESHARD_CHANGE_MIGRATION_END, closed), RESHARD_OK);
        }
        cr_assert(reshard__map_sound(map));
    }
    cr_assert_eq(map->handle_count, 3);
    reshard_map_destroy(map);
}

Test(record, removed_ids_stay_ascending)
{
    struct reshard_map *map = NULL;
    cr_assert_eq(reshard_map_create(4, NULL, &map), RESHARD_OK);
    for (uint32_t i = 0; i < 40; i++) {
        uint32_t id = 1 + (i * 17) % 40;
        cr_assert_eq(do_node_put(map, id, 0, RESHARD_ROLE_REPLICA), RESHARD_OK);
        cr_assert_eq(do_node_remove(map, id), RESHARD_OK);
        cr_assert_eq(do_shard_put(map, id, 1.0), RESHARD_OK);
        cr_assert_eq(do_shard_remove(map, id), RESHARD_OK);
    }
    for (uint32_t i = 0; i < 40; i++) {
        cr_assert_eq(reshard__map_removed_node(map, i), i + 1);
        cr_assert_eq(reshard__map_removed_shard(map, i), i + 1);
    }
    cr_assert(reshard__map_sound(map));
    reshard_map_destroy(map);
}

Test(record, reserving_twice_makes_room_once)
{
    struct support_alloc alloc;
    struct reshard_allocator allocator = support_alloc_init(&alloc);
    struct reshard_map *map = NULL;
    cr_assert_eq(reshard_map_create(4, &allocator, &map), RESHARD_OK);
    size_t calls = alloc.calls;
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(reshard__map_reserve_node(map), RESHARD_OK);
        cr_assert_eq(reshard__map_reserve_shard(map), RESHARD_OK);
        cr_assert_eq(reshard__map_reserve_migration(map), RESHARD_OK);
        cr_assert_eq(reshard__map_reserve_removed_node(map), RESHARD_OK);
        cr_assert_eq(reshard__map_reserve_removed_shard(map), RESHARD_OK);
    }
    cr_assert_eq(alloc.calls - calls, 6, "five arrays and the handles");
    reshard_map_destroy(map);
    cr_assert(support_alloc_clean(&alloc));
}
