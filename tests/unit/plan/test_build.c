/* SPDX-License-Identifier: MIT */
#include "fixture.h"
#include <criterion/criterion.h>
#include <string.h>

static void add(struct reshard__plan_view *view, struct reshard__plan_pieces *pieces,
    uint32_t source, uint32_t target, uint32_t first, uint32_t last)
{
    struct reshard__plan_piece piece = {0, source, target, first, last};
    cr_assert_eq(reshard__plan_pieces_add(&view->mem, pieces, &piece), RESHARD_OK);
}

Test(build, pieces_of_a_pair_become_one_move_in_order_of_appearance)
{
    struct reshard_map *map = fixture_even(20, 3, 2);
    struct reshard__plan_view view;
    struct reshard__plan_pieces pieces;
    struct reshard_plan_totals totals;
    struct reshard_plan *plan = NULL;
    uint64_t bytes[20];
    for (uint32_t slot = 0; slot < 20; slot++)
        bytes[slot] = slot + 100;
    memset(&pieces, 0, sizeof pieces);
    memset(&totals, 0, sizeof totals);
    totals.kind = RESHARD_PLAN_REBALANCE;
    cr_assert_eq(reshard__plan_view_load(&view, map, NULL), RESHARD_OK);
    add(&view, &pieces, 1, 2, 15, 15);
    add(&view, &pieces, 0, 2, 8, 9);
    add(&view, &pieces, 1, 2, 10, 10);
    add(&view, &pieces, 1, 2, 13, 14);
    add(&view, &pieces, 0, 2, 0, 0);
    cr_assert_eq(reshard__plan_pieces_group(&view.mem, &pieces), RESHARD_OK);
    cr_assert_eq(reshard__plan_build(&view, &pieces, bytes, &totals, &plan), RESHARD_OK);
    cr_assert_eq(reshard_plan_move_count(plan), 2);
    struct reshard_move move = fixture_move(plan, 0);
    cr_assert(move.source == 2 && move.target == 3 && move.range_count == 2);
    cr_assert(move.ranges[0].first == 10 && move.ranges[0].last == 10);
    cr_assert(move.ranges[1].first == 13 && move.ranges[1].last == 15);
    cr_assert(move.slot_count == 4 && move.bytes == 110 + 113 + 114 + 115);
    move = fixture_move(plan, 1);
    cr_assert(move.source == 1 && move.range_count == 2 && move.slot_count == 3);
    cr_assert_eq(move.bytes, 100 + 108 + 109);
    totals = fixture_totals(plan);
    cr_assert(totals.slots_moved == 7 && totals.move_count == 2);
    cr_assert_eq(totals.bytes_moved, 110 + 113 + 114 + 115 + 100 + 108 + 109);
    reshard_plan_destroy(plan);
    reshard__plan_pieces_free(&view.mem, &pieces);
    reshard__plan_view_free(&view);
    reshard_map_destroy(map);
}

Test(build, fix_may_name_first_owners)
{
    const reshard_shard_id owners[] = {1, 0, 0, 2};
    struct reshard_map *map = fixture_map(4, 2, owners, NULL);
    struct reshard__plan_view view;
    struct reshard__plan_pieces pieces;
    struct reshard_plan *plan = NULL;
    memset(&pieces, 0, sizeof pieces);
    cr_assert_eq(reshard__plan_view_load(&view, map, NULL), RESHARD_OK);
    add(&view, &pieces, RESHARD__PLAN_NONE, 0, 1, 1);
    add(&view, &pieces, RESHARD__PLAN_NONE, 1, 2, 2);
    add(&view, &pieces, 1, 0, 3, 3);
    cr_assert_eq(reshard__plan_fix(&view, &pieces, &plan), RESHARD_OK);
    cr_assert_eq(reshard_plan_move_count(plan), 3);
    cr_assert_eq(fixture_move(plan, 0).source, 0);
    cr_assert_eq(fixture_move(plan, 2).source, 2);
    struct reshard_plan_totals totals = fixture_totals(plan);
    cr_assert(totals.kind == RESHARD_PLAN_FIX && totals.slots_moved == 3);
    cr_assert(totals.ranges_before == 2 && totals.ranges_after == 3);
    cr_assert_eq(reshard_plan_check(plan, map), RESHARD_OK);
    reshard_plan_destroy(plan);
    reshard__plan_pieces_free(&view.mem, &pieces);
    reshard__plan_view_free(&view);
    reshard_map_destroy(map);
}

Test(build, fix_without_memory_leaks_nothing)
{
    struct reshard_map *map = fixture_even(12, 3, 3);
    struct support_alloc alloc;
    int32_t status = RESHARD_E_NOMEM;
    for (size_t at = 1; status == RESHARD_E_NOMEM; at++) {
        struct reshard_allocator allocator = support_alloc_init(&alloc);
        struct reshard__plan_pieces pieces = {NULL, 0, 0};
        struct reshard__plan_view view;
        struct reshard_plan *plan = NULL;
        alloc.fail_at = at;
        status = reshard__plan_view_load(&view, map, &allocator);
        if (status)
            continue;
        for (uint32_t i = 0; i < 12 && !status; i += 2) {
            const struct reshard__plan_piece piece = {0, i / 4, (i / 4 + 1) % 3, i, i};
            status = reshard__plan_pieces_add(&view.mem, &pieces, &piece);
        }
        if (!status)
            status = reshard__plan_fix(&view, &pieces, &plan);
        cr_assert_eq(status == RESHARD_OK, plan != NULL);
        cr_assert_eq(reshard_plan_move_count(plan), plan ? 3 : 0);
        reshard_plan_destroy(plan);
        reshard__plan_pieces_free(&view.mem, &pieces);
        reshard__plan_view_free(&view);
        cr_assert(support_alloc_clean(&alloc), "allocation %zu", at);
    }
    cr_assert_eq(status, RESHARD_OK);
    reshard_map_destroy(map);
}
