/* SPDX-License-Identifier: MIT */
/* Room map, tests: searches by id among many, and at the ends. */
#include "map/state.h"
#include "unit/map/fixture.h"
#include <criterion/criterion.h>

Test(find, every_id_is_found_and_no_other)
{
    struct reshard_map *map = NULL;
    cr_assert_eq(reshard_map_create(64, NULL, &map), RESHARD_OK);
    for (uint32_t i = 0; i < 50; i++) { /* 3, 24, 45, ... in no order, all multiples of 3 */
        uint32_t id = 3 * (1 + (i * 7) % 50);
        cr_assert_eq(do_shard_put(map, id, 1.0), RESHARD_OK);
        cr_assert_eq(do_node_put(map, id, 0, RESHARD_ROLE_REPLICA), RESHARD_OK);
    }
    for (uint32_t i = 1; i <= 25; i++) {
        cr_assert_eq(do_shard_remove(map, 6 * i), RESHARD_OK);
        cr_assert_eq(do_node_remove(map, 6 * i), RESHARD_OK);
    }
    for (uint32_t id = 0; id <= 153; id++) {
        bool live = id % 6 == 3 && id <= 150;
        bool removed = id && id % 6 == 0 && id <= 150;
        cr_assert_eq(reshard__map_node(map, id) != NULL, live, "node %u", id);
        cr_assert_eq(reshard__map_shard(map, id) != NULL, live, "shard %u", id);
        cr_assert_eq(reshard__map_node_removed(map, id), removed, "node %u", id);
        cr_assert_eq(reshard__map_shard_removed(map, id), removed, "shard %u", id);
    }
    cr_assert(reshard__map_sound(map));
    reshard_map_destroy(map);
}

Test(find, every_open_migration_is_found_and_no_other)
{
    struct reshard_map *map = NULL;
    cr_assert_eq(reshard_map_create(64, NULL, &map), RESHARD_OK);
    cr_assert_eq(do_shard_put(map, 3, 1.0), RESHARD_OK);
    cr_assert_eq(do_shard_put(map, 9, 1.0), RESHARD_OK);
    cr_assert_eq(do_assign(map, RESHARD_CHANGE_ASSIGN, 3, 0, 63), RESHARD_OK);
    for (uint32_t i = 0; i < 20; i++)
        cr_assert_eq(do_open(map, 5 + 5 * i, 3, 9, 3 * i, 3 * i), RESHARD_OK);
    for (uint32_t id = 0; id <= 110; id++)
        cr_assert_eq(reshard__map_migration(map, id) != NULL, id >= 5 && id <= 100 && id % 5 == 0);
    cr_assert(reshard__map_sound(map));
    reshard_map_destroy(map);
}

Test(find, what_stands_where_it_would_without_gaps_is_found_and_what_gaps_moved_too)
{
    struct reshard_map *map = NULL;
    cr_assert_eq(reshard_map_create(64, NULL, &map), RESHARD_OK);
    for (uint32_t id = 1; id <= 40; id++)
        cr_assert_eq(do_shard_put(map, id, 1.0), RESHARD_OK);
    for (uint32_t id = 1; id <= 41; id++)
        cr_assert_eq(reshard__map_shard_place(map, id), id - 1);
    cr_assert_eq(do_shard_remove(map, 1), RESHARD_OK);
    cr_assert_eq(do_shard_remove(map, 20), RESHARD_OK);
    cr_assert_eq(do_shard_remove(map, 40), RESHARD_OK);
    cr_assert_eq(do_shard_put(map, 1000, 1.0), RESHARD_OK);
    for (uint32_t id = 1; id <= 50; id++) {
        size_t below = id - 1U - (id > 1) - (id > 20) - (id > 40 ? id - 40 : 0);
        cr_assert_eq(reshard__map_shard_place(map, id), below, "%u: %zu", id, below);
    }
    cr_assert_eq(reshard__map_shard_place(map, 1000), 37);
    cr_assert_eq(reshard__map_shard_place(map, UINT32_MAX), 38);
    reshard_map_destroy(map);
}
