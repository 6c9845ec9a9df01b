/* SPDX-License-Identifier: MIT */
/* Room map, tests: making, copying and freeing maps; and memory that runs out at every point of
 * every kind of change. */
#include "support/alloc.h"
#include "unit/map/fixture.h"
#include <criterion/criterion.h>

Test(map, create_refuses_what_cannot_be)
{
    struct reshard_map *map = (struct reshard_map *)&map;
    struct reshard_allocator allocator = {.struct_size = sizeof allocator, .flags = 1};
    cr_assert_eq(reshard_map_create(0, NULL, &map), RESHARD_E_SLOT_COUNT);
    cr_assert_eq(reshard_map_create(RESHARD_SLOT_COUNT_MAX + 1, NULL, &map), RESHARD_E_SLOT_COUNT);
    cr_assert_eq(reshard_map_create(1, NULL, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_map_create(1, &allocator, &map), RESHARD_E_FLAGS);
    cr_assert_eq(map, (struct reshard_map *)&map, "an error leaves the output");
    reshard_map_destroy(NULL);
}

Test(map, the_largest_and_the_smallest_can_be)
{
    struct reshard_map *map = NULL;
    cr_assert_eq(reshard_map_create(RESHARD_SLOT_COUNT_MAX, NULL, &map), RESHARD_OK);
    cr_assert_eq(do_shard_put(map, 1, 1.0), RESHARD_OK);
    cr_assert_eq(
        do_assign(map, RESHARD_CHANGE_ASSIGN, 1, 0, RESHARD_SLOT_COUNT_MAX - 1), RESHARD_OK);
    cr_assert_eq(reshard_map_slot_owner(map, RESHARD_SLOT_COUNT_MAX - 1), 1);
    cr_assert(reshard__map_sound(map));
    reshard_map_destroy(map);
    cr_assert_eq(reshard_map_create(1, NULL, &map), RESHARD_OK);
    cr_assert_eq(do_shard_put(map, 1, 1.0), RESHARD_OK);
    cr_assert_eq(do_assign(map, RESHARD_CHANGE_ASSIGN, 1, 0, 0), RESHARD_OK);
    reshard_map_destroy(map);
}

Test(map, a_slot_takes_at_most_16_bytes)
{
    struct support_alloc alloc;
    struct reshard_allocator allocator = support_alloc_init(&alloc);
    struct reshard_map *map = NULL;
    cr_assert_eq(reshard_map_create(RESHARD_SLOT_COUNT_MAX, &allocator, &map), RESHARD_OK);
    cr_assert_leq(alloc.peak_bytes, 16U * RESHARD_SLOT_COUNT_MAX);
    reshard_map_destroy(map);
    cr_assert(support_alloc_clean(&alloc));
}

Test(map, a_clone_is_equal_and_lives_alone)
{
    struct support_alloc alloc;
    struct reshard_allocator allocator = support_alloc_init(&alloc);
    struct reshard_map *map = map_of_everything(NULL);
    struct reshard_map *copy = NULL;
    cr_assert_eq(reshard_map_clone(map, &allocator, &copy), RESHARD_OK);
    cr_assert_eq(reshard_map_equal(map, copy), 1);
    cr_assert(digests_equal(map, copy));
    cr_assert(reshard__map_sound(copy));
    cr_assert_eq(do_term(map, 9, 9), RESHARD_OK);
    cr_assert_eq(reshard_map_equal(map, copy), 0);
    reshard_map_destroy(map);
    struct reshard_change change;
    reshard_change_init(&change);
    uint64_t cursor = 0;
    while (reshard_map_delta_next(copy, &cursor, &change) == RESHARD_OK)
        cr_assert_eq(change.version, cursor);
    cr_assert_eq(cursor, 24, "retained changes are copied");
    cr_assert_eq(do_decide(copy, RESHARD_CHANGE_MIGRATION_END, 2), RESHARD_OK);
    cr_assert(reshard__map_sound(copy));
    cr_assert_eq(reshard_map_clone(NULL, NULL, &map), RESHARD_E_NULL);
    cr_assert_eq(reshard_map_clone(copy, NULL, NULL), RESHARD_E_NULL);
    reshard_map_destroy(copy);
    cr_assert(support_alloc_clean(&alloc));
}

Test(map, create_and_clone_leave_nothing_without_memory)
{
    struct support_alloc alloc;
    struct reshard_map *from = map_of_everything(NULL);
    for (size_t fail_at = 1;; fail_at++) {
        struct reshard_allocator allocator = support_alloc_init(&alloc);
        struct reshard_map *map = NULL;
        alloc.fail_at = fail_at;
        int32_t status = reshard_map_clone(from, &allocator, &map);
        if (status == RESHARD_OK) {
            cr_assert_gt(fail_at, 40, "a clone of everything asks more than 40 times");
            reshard_map_destroy(map);
            break;
        }
        cr_assert_eq(status, RESHARD_E_NOMEM);
        cr_assert_null(map);
        cr_assert(support_alloc_clean(&alloc), "allocation %zu", fail_at);
    }
    cr_assert(support_alloc_clean(&alloc));
    reshard_map_destroy(from);
}

/* A change of each kind that map_of_everything accepts. */
static int32_t accepted(struct reshard_map *map, uint32_t kind)
{
    switch (kind) {
    case RESHARD_CHANGE_TERM:
        return do_term(map, 4, 1);
    case RESHARD_CHANGE_NODE_PUT:
        return do_node_put(map, 99, 1, RESHARD_ROLE_REPLICA);
    case RESHARD_CHANGE_NODE_REMOVE:
        return do_node_remove(map, 21);
    case RESHARD_CHANGE_SHARD_PUT:
        return do_shard_put(map, 8, 1.0);
    case RESHARD_CHANGE_SHARD_PRIMARY:
        return do_primary(map, 1, 21);
    case RESHARD_CHANGE_ASSIGN:
        return do_assign(map, kind, 3, 10, 11);
    case RESHARD_CHANGE_UNASSIGN:
        return do_assign(map, kind, 1, 8, 9);
    case RESHARD_CHANGE_MIGRATION_OPEN:
        return do_open(map, 5, 1, 2, 8, 9);
    default:
        return RESHARD_E_KIND;
    }
}

static int32_t accepted_rest(struct reshard_map *map, uint32_t kind)
{
    switch (kind) {
    case RESHARD_CHANGE_SHARD_REMOVE:
        return do_shard_remove(map, 7);
    case RESHARD_CHANGE_MIGRATION_COMMIT:
        return do_commit(map, 1, 1, 1);
    case RESHARD_CHANGE_MIGRATION_ABORT:
        return do_decide(map, kind, 1);
    case RESHARD_CHANGE_MIGRATION_END:
        return do_decide(map, kind, 2);
    default:
        return accepted(map, kind);
    }
}

/* Fill arrays, so that the next item makes them grow: 8, 16 ... are their capacities. */
static void fill_up(struct reshard_map *map)
{
    for (reshard_node_id node = 50; reshard_map_node_count(map) < 8; node++)
        cr_assert_eq(do_node_put(map, node, 0, RESHARD_ROLE_REPLICA), RESHARD_OK);
    for (reshard_shard_id shard = 40; reshard_map_shard_count(map) < 7; shard++)
        cr_assert_eq(do_shard_put(map, shard, 1.0), RESHARD_OK);
    cr_assert_eq(do_shard_put(map, 7, 1.0), RESHARD_OK);
    for (reshard_node_id node = 60; node < 67; node++) {
        struct reshard_map_node last = {.struct_size = sizeof last};
        cr_assert_eq(reshard_map_node_at(map, 7, &last), RESHARD_OK);
        cr_assert_eq(do_node_remove(map, last.node), RESHARD_OK);
        cr_assert_eq(do_node_put(map, node, 0, RESHARD_ROLE_REPLICA), RESHARD_OK);
    }
    for (reshard_shard_id shard = 70; shard < 77; shard++) {
        cr_assert_eq(do_shard_remove(map, shard == 70 ? 40 : shard - 1), RESHARD_OK);
        cr_assert_eq(do_shard_put(map, shard, 1.0), RESHARD_OK);
    }
    while (reshard_map_version(map) % 64 != 0)
        cr_assert_eq(do_term(map, reshard_map_term(map, NULL) + 1, 0), RESHARD_OK);
    cr_assert_eq(reshard_map_version(map), 64, "the retained changes are full, too");
}

Test(map, a_change_without_memory_changes_nothing)
{
    for (uint32_t kind = RESHARD_CHANGE_TERM; kind <= RESHARD_CHANGE_UNASSIGN; kind++) {
        size_t failed = 0;
        int32_t status = RESHARD_E_NOMEM;
        for (size_t fail_at = 1; status == RESHARD_E_NOMEM; fail_at++) {
            struct support_alloc alloc;
            struct reshard_allocator allocator = support_alloc_init(&alloc);
            struct reshard_map *map = map_of_everything(&allocator);
            struct reshard_map *before = NULL;
            fill_up(map);
            cr_assert_eq(reshard_map_clone(map, NULL, &before), RESHARD_OK);
            alloc.calls = 0;
            alloc.fail_at = fail_at;
            status = kind == RESHARD_CHANGE_TERM ? do_term(map, 1000, 1) : accepted_rest(map, kind);
            if (status == RESHARD_E_NOMEM) {
                failed++;
                cr_assert(digests_equal(map, before), "kind %u", kind);
                cr_assert_eq(reshard_map_equal(map, before), 1, "kind %u", kind);
                alloc.fail_at = 0;
                cr_assert_eq(
                    kind == RESHARD_CHANGE_TERM ? do_term(map, 1000, 1) : accepted_rest(map, kind),
                    RESHARD_OK, "tried again, kind %u", kind);
            }
            cr_assert(reshard__map_sound(map), "kind %u", kind);
            reshard_map_destroy(before);
            reshard_map_destroy(map);
            cr_assert(support_alloc_clean(&alloc), "kind %u", kind);
        }
        cr_assert_eq(status, RESHARD_OK, "kind %u", kind);
        cr_assert_geq(failed, 2, "kind %u: the retained change and its place", kind);
        if (kind == RESHARD_CHANGE_NODE_PUT)
            cr_assert_eq(failed, 4, "kind %u: the record and its place", kind);
        if (kind == RESHARD_CHANGE_SHARD_PUT)
            cr_assert_eq(failed, 3, "kind %u: the record's place", kind);
        if (kind == RESHARD_CHANGE_NODE_REMOVE || kind == RESHARD_CHANGE_SHARD_REMOVE)
            cr_assert_eq(failed, 3, "kind %u: the removed id", kind);
    }
}
