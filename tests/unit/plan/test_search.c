/* SPDX-License-Identifier: MIT */
#include "fixture.h"
#include "plan/load.h"
#include <criterion/criterion.h>
#include <string.h>

/* A search on a map with one dimension; `owners` is where the slots end up. */
struct searched {
    struct reshard__plan_view view;
    struct reshard__load load;
    uint64_t before;
    uint64_t after;
};

static void search(struct searched *searched, const struct reshard_map *map,
    const uint64_t *loads, const uint64_t *slot_bytes, uint64_t bytes_max)
{
    struct reshard_load_request request;
    memset(searched, 0, sizeof *searched);
    reshard_load_request_init(&request);
    request.flags = RESHARD_REBALANCE_EMPTY_SHARDS;
    request.dimension_count = 1;
    request.loads = loads;
    request.load_count = reshard_map_slot_count(map);
    request.slot_bytes = slot_bytes;
    request.slot_bytes_count = slot_bytes ? reshard_map_slot_count(map) : 0;
    request.bytes_max = bytes_max;
    cr_assert_eq(reshard__plan_view_load(&searched->view, map, NULL), RESHARD_OK);
    cr_assert_eq(
        reshard__load_open(&searched->load, &searched->view, &request), RESHARD_OK);
    searched->before = reshard__load_worst(&searched->load);
    cr_assert_eq(reshard__load_search(&searched->load), RESHARD_OK);
    searched->after = reshard__load_worst(&searched->load);
}

static void done(struct searched *searched)
{
    reshard__load_close(&searched->load);
    reshard__plan_view_free(&searched->view);
}

Test(search, giants_on_one_shard_part_and_get_one_each)
{
    const reshard_shard_id owners[] = {1, 1, 1, 2, 2, 3};
    const uint64_t loads[] = {500, 400, 10, 10, 10, 10};
    struct reshard_map *map = fixture_map(6, 3, owners, NULL);
    struct searched searched;
    search(&searched, map, loads, NULL, UINT64_MAX);
    const struct reshard__plan_piece *first = &searched.load.pieces.items[0];
    cr_assert(first->first == 1 && first->source == 0 && first->target == 2);
    /* 500 alone: the rest of 940 is 1.5957 times a third */
    cr_assert_eq(searched.after / 1000, 500 * 3000 / 940);
    done(&searched);
    reshard_map_destroy(map);
}

Test(search, hot_slot_with_few_bytes_is_preferred)
{
    const reshard_shard_id owners[] = {1, 1, 1, 1, 2, 2};
    const uint64_t loads[] = {100, 100, 100, 100, 100, 100};
    const uint64_t bytes[] = {900, 5, 900, 900, 900, 900};
    struct reshard_map *map = fixture_map(6, 2, owners, NULL);
    struct searched searched;
    search(&searched, map, loads, bytes, UINT64_MAX);
    cr_assert_eq(searched.load.pieces.count, 1);
    cr_assert_eq(searched.load.pieces.items[0].first, 1);
    cr_assert(searched.before == 1333333 && searched.after == 1000000);
    done(&searched);
    reshard_map_destroy(map);
}

Test(search, budget_stops_before_it_is_overdrawn)
{
    const reshard_shard_id owners[] = {1, 1, 1, 1, 1, 1};
    const uint64_t loads[] = {100, 100, 100, 100, 100, 100};
    struct reshard_map *map = fixture_map(6, 2, owners, NULL);
    struct searched searched;
    search(&searched, map, loads, NULL, 299);
    cr_assert_eq(searched.load.pieces.count, 2);
    cr_assert_eq(searched.load.bytes_left, 99);
    done(&searched);
    search(&searched, map, loads, NULL, 0);
    cr_assert_eq(searched.load.pieces.count, 0);
    done(&searched);
    reshard_map_destroy(map);
}

/* Nothing fits below the limit, yet a shard can end below what the worst was. */
Test(search, relay_outside_the_limits_lowers_the_worst)
{
    const reshard_shard_id owners[] = {1, 1, 1, 2};
    const uint64_t loads[] = {60, 60, 60, 60};
    struct reshard_map *map = fixture_map(4, 3, owners, NULL);
    struct searched searched;
    search(&searched, map, loads, NULL, UINT64_MAX);
    /* 3 | 1 | 0 becomes 2 | 1 | 1 */
    cr_assert_eq(searched.load.pieces.count, 1);
    cr_assert_eq(searched.load.pieces.items[0].target, 2);
    cr_assert_eq(searched.after, 1500000);
    done(&searched);
    reshard_map_destroy(map);
}
