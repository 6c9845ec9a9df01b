/* SPDX-License-Identifier: MIT */
/* Room map, tests: the guards on what no kind may have, counters at their ends, and that asking
 * changes nothing. */
#include "unit/map/fixture.h"
#include <criterion/criterion.h>
#include <math.h>

Test(check, a_weight_is_finite_and_positive)
{
    struct reshard_map *map = map_of_two_shards();
    const double bad[] = {
        0.0, -0.0, -1.0, (double)NAN, -(double)NAN, (double)INFINITY, -(double)INFINITY, -5e-324};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(do_shard_put(map, 1, bad[i]), RESHARD_E_WEIGHT, "weight %zu", i);
    const double good[] = {1e-310, 1.7976931348623157e308, 5e-324};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        cr_assert_eq(do_shard_put(map, 1, good[i]), RESHARD_OK, "weight %zu", i);
    reshard_map_destroy(map);
}

Test(check, malformed_changes_are_named)
{
    struct reshard_map *map = map_of_two_shards();
    struct reshard_map *before = NULL;
    cr_assert_eq(reshard_map_clone(map, NULL, &before), RESHARD_OK);
    struct reshard_change change = change_of_kind(0);
    cr_assert_eq(reshard_map_apply(map, &change), RESHARD_E_KIND);
    change.kind = RESHARD_CHANGE_UNASSIGN + 1;
    cr_assert_eq(reshard_map_apply(map, &change), RESHARD_E_KIND);
    cr_assert_eq(reshard_map_apply(NULL, &change), RESHARD_E_NULL);
    cr_assert_eq(reshard_map_apply(map, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_map_check(NULL, &change), RESHARD_E_NULL);
    cr_assert_eq(reshard_map_check(map, NULL), RESHARD_E_NULL);
    change = change_of_kind(RESHARD_CHANGE_NODE_PUT);
    change.role = RESHARD_ROLE_REPLICA;
    cr_assert_eq(reshard_map_apply(map, &change), RESHARD_E_ARGUMENT, "node 0");
    change.node = 50;
    change.name_size = 1;
    cr_assert_eq(reshard_map_apply(map, &change), RESHARD_E_NULL);
    change.name_size = RESHARD_NAME_SIZE_MAX + 1;
    cr_assert_eq(reshard_map_apply(map, &change), RESHARD_E_ARGUMENT);
    change = change_of_kind(RESHARD_CHANGE_ASSIGN);
    change.shard = 1;
    cr_assert_eq(reshard_map_apply(map, &change), RESHARD_E_ARGUMENT, "no ranges");
    change.range_count = 1;
    cr_assert_eq(reshard_map_apply(map, &change), RESHARD_E_NULL);
    cr_assert(digests_equal(map, before));
    reshard_map_destroy(before);
    reshard_map_destroy(map);
}

Test(check, a_struct_of_another_size_is_imported_or_refused)
{
    struct reshard_map *map = map_of_two_shards();
    struct {
        struct reshard_change change;
        uint64_t tail;
    } newer = {.change = change_of_kind(RESHARD_CHANGE_TERM), .tail = 0};
    newer.change.term = 1;
    newer.change.struct_size = sizeof newer.change - 1;
    cr_assert_eq(reshard_map_apply(map, &newer.change), RESHARD_E_STRUCT_SIZE);
    cr_assert_eq(reshard_map_check(map, &newer.change), RESHARD_E_STRUCT_SIZE);
    newer.change.struct_size = RESHARD_STRUCT_SIZE_MAX + 1;
    cr_assert_eq(reshard_map_apply(map, &newer.change), RESHARD_E_STRUCT_SIZE);
    newer.change.struct_size = sizeof newer;
    newer.tail = 1;
    cr_assert_eq(reshard_map_apply(map, &newer.change), RESHARD_E_STRUCT_TAIL);
    newer.tail = 0;
    cr_assert_eq(reshard_map_apply(map, &newer.change), RESHARD_OK);
    reshard_map_destroy(map);
}

Test(check, fields_of_other_kinds_are_refused)
{
    struct reshard_map *map = map_of_two_shards();
    struct reshard_change change = change_of_kind(RESHARD_CHANGE_TERM);
    change.term = 5;
    change.attempt = 1;
    cr_assert_eq(reshard_map_check(map, &change), RESHARD_E_ARGUMENT);
    change.attempt = 0;
    change.weight = -0.0;
    cr_assert_eq(reshard_map_check(map, &change), RESHARD_E_ARGUMENT);
    change.weight = 0.0;
    change.name = "a pointer without a size names nothing";
    cr_assert_eq(reshard_map_check(map, &change), RESHARD_OK);
    reshard_map_destroy(map);
}

/* A map of two shards whose slot 0 is owned by 1 and has this epoch; shard 1 has this one. */
static struct reshard_map *old_map(uint64_t version, uint32_t slot_epoch, uint64_t shard_epoch)
{
    struct reshard_map *map = NULL;
    const struct reshard_range first = {0, 0};
    const struct reshard_range second = {1, 1};
    const struct reshard_map_node node = {
        .struct_size = sizeof node, .role = RESHARD_ROLE_PRIMARY, .node = 11, .shard = 1};
    struct reshard_map_shard shard = {.struct_size = sizeof shard,
        .shard = 1,
        .primary = 11,
        .weight = 1.0,
        .epoch = shard_epoch};
    cr_assert_eq(reshard_map_create(4, NULL, &map), RESHARD_OK);
    cr_assert_eq(reshard__map_load_node(map, &node), RESHARD_OK);
    cr_assert_eq(reshard__map_load_shard(map, &shard), RESHARD_OK);
    shard.shard = 2;
    shard.primary = 0;
    shard.epoch = 0;
    cr_assert_eq(reshard__map_load_shard(map, &shard), RESHARD_OK);
    cr_assert_eq(reshard__map_load_owner(map, &first, 1, slot_epoch), RESHARD_OK);
    cr_assert_eq(reshard__map_load_owner(map, &second, 0, slot_epoch), RESHARD_OK);
    const struct reshard__map_header header = {.version = version, .term = 1};
    cr_assert_eq(reshard__map_load_finish(map, &header), RESHARD_OK);
    return map;
}

Test(check, counters_at_their_end_refuse)
{
    struct reshard_map *map = old_map(UINT64_MAX - 1, 1, 1);
    struct reshard_change change = change_of_kind(RESHARD_CHANGE_TERM);
    cr_assert_eq(do_term(map, 2, 0), RESHARD_OK);
    cr_assert_eq(do_term(map, 3, 0), RESHARD_E_OVERFLOW);
    change.term = 3;
    change.version = UINT64_MAX;
    cr_assert_eq(reshard_map_apply(map, &change), RESHARD_E_REPEATED);
    reshard_map_destroy(map);

    map = old_map(9, UINT32_MAX, UINT64_MAX);
    cr_assert_eq(do_assign(map, RESHARD_CHANGE_UNASSIGN, 1, 0, 0), RESHARD_E_OVERFLOW);
    cr_assert_eq(do_assign(map, RESHARD_CHANGE_ASSIGN, 1, 1, 2), RESHARD_E_OVERFLOW);
    cr_assert_eq(do_open(map, 1, 1, 2, 0, 0), RESHARD_E_OVERFLOW);
    cr_assert_eq(do_primary(map, 1, 11), RESHARD_E_OVERFLOW);
    cr_assert_eq(reshard_map_slot_owner(map, 2), 0);
    reshard_map_destroy(map);

    map = old_map(9, UINT32_MAX - 1, UINT64_MAX - 1);
    cr_assert_eq(do_primary(map, 1, 11), RESHARD_OK);
    cr_assert_eq(do_open(map, 1, 1, 2, 0, 0), RESHARD_OK);
    cr_assert_eq(do_commit(map, 1, UINT64_MAX, 0), RESHARD_OK);
    cr_assert_eq(reshard_map_slot_epoch(map, 0), UINT32_MAX);
    cr_assert_eq(do_decide(map, RESHARD_CHANGE_MIGRATION_END, 1), RESHARD_OK);
    cr_assert_eq(do_open(map, 2, 2, 1, 0, 0), RESHARD_E_OVERFLOW);
    cr_assert(reshard__map_sound(map));
    reshard_map_destroy(map);
}

Test(check, the_last_ids_can_be_used_once)
{
    struct reshard_map *map = map_of_two_shards();
    cr_assert_eq(do_open(map, UINT64_MAX, 1, 2, 0, 0), RESHARD_OK);
    cr_assert_eq(do_open(map, UINT64_MAX, 1, 2, 1, 1), RESHARD_E_REUSED);
    cr_assert_eq(do_term(map, UINT64_MAX, 1), RESHARD_OK);
    cr_assert_eq(do_term(map, UINT64_MAX, 2), RESHARD_E_TERM);
    cr_assert_eq(do_shard_put(map, UINT32_MAX, 1.0), RESHARD_OK);
    cr_assert_eq(do_node_put(map, UINT64_MAX, UINT32_MAX, RESHARD_ROLE_REPLICA), RESHARD_OK);
    cr_assert(reshard__map_sound(map));
    reshard_map_destroy(map);
}
