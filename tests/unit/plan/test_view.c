/* SPDX-License-Identifier: MIT */
#include "fixture.h"
#include <criterion/criterion.h>

Test(view, open_migrations_count_at_their_target)
{
    const reshard_shard_id owners[] = {1, 1, 1, 2, 2, 0, 3, 3};
    struct reshard_map *map = fixture_map(8, 4, owners, NULL);
    reshard_migration_id open = fixture_open(map, 1, 2, 1, 1);
    struct reshard__plan_view view;
    cr_assert_eq(reshard__plan_view_load(&view, map, NULL), RESHARD_OK);
    cr_assert_eq(view.shard_count, 4);
    cr_assert(view.have[0] == 2 && view.movable[0] == 2);
    cr_assert(view.have[1] == 3 && view.movable[1] == 2);
    cr_assert_eq(view.slots[1], 1 | RESHARD__PLAN_PINNED);
    cr_assert_eq(reshard__plan_view_owner(&view, 1), 1);
    cr_assert_eq(reshard__plan_view_owner(&view, 5), RESHARD__PLAN_NONE);
    cr_assert_eq(reshard__plan_view_owner(&view, 8), RESHARD__PLAN_NONE);
    cr_assert_eq(reshard__plan_view_owner(&view, UINT32_MAX), RESHARD__PLAN_NONE);
    cr_assert_eq(reshard__plan_view_find(&view, 3), 2);
    cr_assert_eq(reshard__plan_view_find(&view, 5), RESHARD__PLAN_NONE);
    cr_assert_eq(reshard__plan_view_ranges(&view), 5);
    reshard__plan_view_free(&view);
    fixture_commit(map, open);
    cr_assert_eq(reshard__plan_view_load(&view, map, NULL), RESHARD_OK);
    cr_assert(view.have[1] == 3 && view.movable[1] == 2);
    reshard__plan_view_free(&view);
    fixture_end(map, open);
    cr_assert_eq(reshard__plan_view_load(&view, map, NULL), RESHARD_OK);
    cr_assert(view.have[1] == 3 && view.movable[1] == 3);
    reshard__plan_view_free(&view);
    reshard_map_destroy(map);
}

Test(view, aborted_migrations_count_at_their_source)
{
    const reshard_shard_id owners[] = {1, 1, 2};
    struct reshard_map *map = fixture_map(3, 2, owners, NULL);
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_MIGRATION_ABORT;
    change.migration = fixture_open(map, 1, 2, 0, 0);
    fixture_apply(map, &change);
    struct reshard__plan_view view;
    cr_assert_eq(reshard__plan_view_load(&view, map, NULL), RESHARD_OK);
    cr_assert(view.have[0] == 2 && view.movable[0] == 1);
    cr_assert(view.have[1] == 1 && view.movable[1] == 1);
    reshard__plan_view_free(&view);
    reshard_map_destroy(map);
}

Test(view, bytes_of_wrong_size_or_sum_are_refused)
{
    const reshard_shard_id owners[] = {1, 1};
    const uint64_t fine[] = {UINT64_MAX, 0};
    const uint64_t large[] = {UINT64_MAX, 1};
    struct reshard_map *map = fixture_map(2, 1, owners, NULL);
    struct reshard__plan_view view;
    cr_assert_eq(reshard__plan_view_load(&view, map, NULL), RESHARD_OK);
    cr_assert_eq(reshard__plan_view_bytes(&view, NULL, 0), RESHARD_OK);
    cr_assert_eq(reshard__plan_view_bytes(&view, NULL, 2), RESHARD_E_NULL);
    cr_assert_eq(reshard__plan_view_bytes(&view, fine, 2), RESHARD_OK);
    cr_assert_eq(reshard__plan_view_bytes(&view, fine, 1), RESHARD_E_SLOT_COUNT);
    cr_assert_eq(reshard__plan_view_bytes(&view, large, 2), RESHARD_E_OVERFLOW);
    reshard__plan_view_free(&view);
    reshard_map_destroy(map);
}

Test(view, map_without_shards_is_flattened)
{
    struct reshard_map *map = NULL;
    struct reshard__plan_view view;
    cr_assert_eq(reshard_map_create(5, NULL, &map), RESHARD_OK);
    cr_assert_eq(reshard__plan_view_load(&view, map, NULL), RESHARD_OK);
    cr_assert_eq(reshard__plan_view_ranges(&view), 0);
    reshard__plan_view_free(&view);
    reshard_map_destroy(map);
}

Test(view, ids_with_gaps_are_found)
{
    struct reshard_map *map = NULL;
    struct reshard__plan_view view;
    struct reshard_change change;
    static const reshard_shard_id shards[] = {3, 4, 70, 900};
    cr_assert_eq(reshard_map_create(5, NULL, &map), RESHARD_OK);
    for (size_t i = 0; i < 4; i++) {
        reshard_change_init(&change);
        change.kind = RESHARD_CHANGE_SHARD_PUT;
        change.shard = shards[i];
        change.weight = 1.0;
        fixture_apply(map, &change);
    }
    cr_assert_eq(reshard__plan_view_load(&view, map, NULL), RESHARD_OK);
    for (uint32_t i = 0; i < 4; i++) {
        cr_assert_eq(reshard__plan_view_find(&view, shards[i]), i);
        cr_assert_eq(reshard__plan_view_find(&view, shards[i] + 1),
            i == 0 ? 1 : RESHARD__PLAN_NONE);
    }
    cr_assert_eq(reshard__plan_view_find(&view, 0), RESHARD__PLAN_NONE);
    reshard__plan_view_free(&view);
    reshard_map_destroy(map);
}

Test(view, bad_allocator_is_refused)
{
    struct support_alloc alloc;
    struct reshard_allocator allocator = support_alloc_init(&alloc);
    struct reshard_map *map = fixture_even(5, 2, 2);
    struct reshard__plan_view view;
    allocator.struct_size = 1;
    cr_assert_eq(reshard__plan_view_load(&view, map, &allocator), RESHARD_E_STRUCT_SIZE);
    reshard_map_destroy(map);
}
