/* SPDX-License-Identifier: MIT */
/* Room map, tests: retained changes are deep copies, in order, bounded in number and in bytes. */
#include "map/state.h"
#include "support/alloc.h"
#include "unit/map/fixture.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

Test(retain, a_delta_replayed_gives_an_equal_map)
{
    struct reshard_map *map = map_of_everything(NULL);
    struct reshard_map *copy = NULL;
    struct reshard_change change;
    uint64_t cursor = 0;
    reshard_change_init(&change);
    cr_assert_eq(reshard_map_create(16, NULL, &copy), RESHARD_OK);
    while (reshard_map_delta_next(map, &cursor, &change) == RESHARD_OK)
        cr_assert_eq(reshard_map_apply(copy, &change), RESHARD_OK);
    cr_assert_eq(cursor, reshard_map_version(map));
    cr_assert_eq(reshard_map_equal(map, copy), 1);
    cr_assert(digests_equal(map, copy));
    cr_assert_eq(reshard_map_delta_next(map, &cursor, &change), RESHARD_E_EMPTY);
    cursor++;
    cr_assert_eq(reshard_map_delta_next(map, &cursor, &change), RESHARD_E_VERSION);
    cursor = UINT64_MAX;
    cr_assert_eq(reshard_map_delta_next(map, &cursor, &change), RESHARD_E_VERSION);
    cursor = 3;
    change.struct_size = 0;
    cr_assert_eq(reshard_map_delta_next(map, &cursor, &change), RESHARD_E_STRUCT_SIZE);
    cr_assert_eq(cursor, 3, "an error leaves the cursor");
    cr_assert_eq(reshard_map_delta_next(NULL, &cursor, &change), RESHARD_E_NULL);
    cr_assert_eq(reshard_map_delta_next(map, NULL, &change), RESHARD_E_NULL);
    cr_assert_eq(reshard_map_delta_next(map, &cursor, NULL), RESHARD_E_NULL);
    reshard_map_destroy(map);
    reshard_map_destroy(copy);
}

Test(retain, texts_and_ranges_are_copied)
{
    struct reshard_map *map = map_of_two_shards();
    char text[] = "texts";
    struct reshard_range ranges[] = {{0, 1}, {4, 7}};
    struct reshard_change put = change_of_kind(RESHARD_CHANGE_NODE_PUT);
    put.node = 99;
    put.role = RESHARD_ROLE_REPLICA;
    put.name = text;
    put.name_size = 2;
    put.address = text + 2;
    put.address_size = 1;
    put.zone = text + 3;
    put.zone_size = 2;
    struct reshard_change take = change_of_kind(RESHARD_CHANGE_UNASSIGN);
    take.shard = 1;
    take.ranges = ranges;
    take.range_count = 2;
    uint64_t cursor = reshard_map_version(map);
    cr_assert_eq(reshard_map_apply(map, &put), RESHARD_OK);
    cr_assert_eq(reshard_map_apply(map, &take), RESHARD_OK);
    memset(text, 0, sizeof text);
    memset(ranges, 0, sizeof ranges);
    cr_assert_eq(reshard_map_delta_next(map, &cursor, &put), RESHARD_OK);
    cr_assert(memcmp(put.name, "te", 2) == 0 && memcmp(put.address, "x", 1) == 0 &&
              memcmp(put.zone, "ts", 2) == 0);
    cr_assert_eq(reshard_map_delta_next(map, &cursor, &take), RESHARD_OK);
    cr_assert(take.ranges[1].first == 4 && take.ranges[1].last == 7 && take.range_count == 2);
    cr_assert_eq(take.version, reshard_map_version(map));
    reshard_map_destroy(map);
}

Test(retain, only_the_newest_are_kept)
{
    struct reshard_map *map = NULL;
    struct reshard_change change;
    uint64_t cursor;
    reshard_change_init(&change);
    cr_assert_eq(reshard_map_create(1, NULL, &map), RESHARD_OK);
    for (uint64_t version = 1; version <= 3 * RESHARD_MAP_RETAINED; version++) {
        cr_assert_eq(do_term(map, version, 0), RESHARD_OK);
        uint64_t oldest = version > RESHARD_MAP_RETAINED ? version - RESHARD_MAP_RETAINED : 0;
        cursor = oldest;
        cr_assert_eq(reshard_map_delta_next(map, &cursor, &change), RESHARD_OK);
        cr_assert_eq(change.term, oldest + 1);
        cursor = oldest - 1;
        if (oldest)
            cr_assert_eq(reshard_map_delta_next(map, &cursor, &change), RESHARD_E_VERSION);
    }
    cr_assert(reshard__map_sound(map));
    reshard_map_destroy(map);
}

/* Every other slot: as many ranges as there can be. */
static struct reshard_change comb(uint32_t kind, uint32_t slot_count, struct reshard_range *ranges)
{
    struct reshard_change change = change_of_kind(kind);
    change.shard = 1;
    change.ranges = ranges;
    change.range_count = slot_count / 2;
    for (uint32_t i = 0; i < change.range_count; i++)
        ranges[i] = (struct reshard_range){2 * i, 2 * i};
    return change;
}

Test(retain, bytes_are_bounded_too)
{
    enum { SLOTS = RESHARD_SLOT_COUNT_MAX / 4 }; /* 1 MiB a change */
    struct support_alloc alloc;
    struct reshard_allocator allocator = support_alloc_init(&alloc);
    struct reshard_map *map = NULL;
    struct reshard_range *ranges = calloc(SLOTS / 2, sizeof *ranges);
    cr_assert_not_null(ranges);
    cr_assert_eq(reshard_map_create(SLOTS, &allocator, &map), RESHARD_OK);
    cr_assert_eq(do_shard_put(map, 1, 1.0), RESHARD_OK);
    size_t before = alloc.live_bytes;
    for (int i = 0; i < 20; i++) {
        struct reshard_change change =
            comb(i % 2 ? RESHARD_CHANGE_UNASSIGN : RESHARD_CHANGE_ASSIGN, SLOTS, ranges);
        cr_assert_eq(reshard_map_apply(map, &change), RESHARD_OK);
        cr_assert_leq(alloc.live_bytes - before, RESHARD_MAP_RETAINED_BYTES + 4096U);
    }
    cr_assert(map->retained_count == 7 && map->retained_size > RESHARD_MAP_RETAINED_BYTES / 2);
    cr_assert(reshard__map_sound(map));
    reshard_map_destroy(map);
    cr_assert(support_alloc_clean(&alloc));
    free(ranges);
}

Test(retain, a_map_from_a_snapshot_retains_what_follows)
{
    struct reshard_map *map = NULL;
    struct reshard_change change;
    const struct reshard__map_header header = {.version = 1000, .term = 5};
    uint64_t cursor = 999;
    reshard_change_init(&change);
    cr_assert_eq(reshard_map_create(4, NULL, &map), RESHARD_OK);
    cr_assert_eq(reshard__map_load_finish(map, &header), RESHARD_OK);
    cr_assert_eq(reshard_map_delta_next(map, &cursor, &change), RESHARD_E_VERSION);
    for (uint64_t term = 6; term < 40; term++)
        cr_assert_eq(do_term(map, term, 0), RESHARD_OK);
    cr_assert_eq(reshard_map_delta_next(map, &cursor, &change), RESHARD_E_VERSION);
    cursor = 1000;
    cr_assert_eq(reshard_map_delta_next(map, &cursor, &change), RESHARD_OK);
    cr_assert(change.version == 1001 && change.term == 6);
    cr_assert(reshard__map_sound(map));
    reshard_map_destroy(map);
}

Test(retain, a_version_to_come_is_not_retained)
{
    struct reshard_map *map = map_of_two_shards();
    uint64_t version = reshard_map_version(map);
    cr_assert_not_null(reshard__map_retained(map, version));
    cr_assert_null(reshard__map_retained(map, version + 1));
    cr_assert_null(reshard__map_retained(map, UINT64_MAX));
    reshard_map_destroy(map);
}

Test(retain, room_is_what_keeps_the_changes_behind_a_version)
{
    enum { SLOTS = RESHARD_SLOT_COUNT_MAX / 4 }; /* 1 MiB a change */
    struct reshard_map *map = NULL;
    struct reshard_range *ranges = calloc(SLOTS / 2, sizeof *ranges);
    const struct reshard_change term = change_of_kind(RESHARD_CHANGE_TERM);
    cr_assert_not_null(ranges);
    cr_assert_eq(reshard_map_create(SLOTS, NULL, &map), RESHARD_OK);
    cr_assert(reshard__map_room(map, 0, &term), "nothing is behind");
    cr_assert_eq(do_shard_put(map, 1, 1.0), RESHARD_OK);
    for (int i = 0; i < 20; i++) {
        struct reshard_change change =
            comb(i % 2 ? RESHARD_CHANGE_UNASSIGN : RESHARD_CHANGE_ASSIGN, SLOTS, ranges);
        uint64_t version = reshard_map_version(map), oldest = version - map->retained_count;
        cr_assert_eq(reshard__map_room(map, oldest, &change), i < 7, "%d", i);
        cr_assert(reshard__map_room(map, version - (i > 6 ? 6 : 1), &change), "%d", i);
        cr_assert_eq(reshard_map_apply(map, &change), RESHARD_OK);
    }
    for (uint64_t i = 1; i < RESHARD_MAP_RETAINED; i++) {
        cr_assert(reshard__map_room(map, 21, &term), "%u", (unsigned)i);
        cr_assert_eq(do_term(map, i, 0), RESHARD_OK);
    }
    cr_assert_eq(do_term(map, RESHARD_MAP_RETAINED, 0), RESHARD_OK);
    cr_assert_not(reshard__map_room(map, 21, &term));
    cr_assert(reshard__map_room(map, 22, &term));
    reshard_map_destroy(map);
    free(ranges);
}
