/* SPDX-License-Identifier: MIT */
/* What a move of a search did is recalled where the world has what it looked at, and leads where
 * the move would lead. That whole searches rest on it is test_search.c's. */
#include "sim/search_memo.h"

#include "sim/search.h"
#include <criterion/criterion.h>

static struct search_config config;
static struct arena *arena;
static struct reshard_sim *sim;
static struct memo memo;
static struct scene before, behind;

static void world_make(void)
{
    struct reshard_sim_search search;
    reshard_sim_search_init(&search);
    cr_assert(reshard__search_config(0, &config));
    arena = reshard__search_arena();
    cr_assert(arena);
    (void)reshard__arena_use(arena);
    sim = reshard__search_world(&config, &search, NULL, NULL);
    reshard__scene_look(&memo, sim, &before);
    reshard__memo_judged(&memo, &before.outlook.view);
    reshard__arena_base(arena);
}

static void world_free(void)
{
    reshard__memo_free(&memo);
    (void)reshard__arena_use(NULL);
    reshard__arena_free(arena);
}

/* Makes a move in the world at the mark, and stays where it leads. */
static uint32_t make(struct move move)
{
    uint32_t deed = reshard__deed_number(&memo, reshard__move_label(sim, move));
    uint32_t begin = reshard__reads_begin(sim, move);
    uint64_t about = reshard__move_serial(sim, move);
    reshard__search_move(sim, &config, move);
    cr_assert(!sim->violated);
    reshard__scene_look(&memo, sim, &behind);
    struct reads reads = reshard__reads_end(sim, &memo, &before, &behind, begin);
    reshard__memo_learn(&memo, deed, &reads, &before, &behind, about);
    return deed;
}

/* Where a deed leads from a world, if it is possible there. */
static bool led(uint32_t deed, struct reshard_digest *digest_out)
{
    struct move moves[SEARCH_MOVES_MAX];
    size_t count = reshard__search_moves(sim, &config, moves);
    for (size_t i = 0; i < count; i++) {
        if (reshard__move_label(sim, moves[i]) != memo.deeds[deed].label)
            continue;
        reshard__search_move(sim, &config, moves[i]);
        *digest_out = reshard__search_digest(sim);
        return true;
    }
    return false;
}

Test(search_memo, label_is_of_what_the_move_is_about)
{
    struct move moves[SEARCH_MOVES_MAX];
    world_make();
    size_t count = reshard__search_moves(sim, &config, moves);
    cr_assert_gt(count, 1);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < count; k++) {
            uint64_t one = reshard__move_label(sim, moves[i]);
            uint64_t two = reshard__move_label(sim, moves[k]);
            cr_expect_eq(one == two, i == k, "moves %zu and %zu", i, k);
        }
    world_free();
}

Test(search_memo, view_has_the_digest_of_its_world)
{
    world_make();
    struct reshard_digest digest = reshard__search_digest(sim);
    cr_expect_eq(before.outlook.view.digest.low, digest.low);
    cr_expect_eq(before.outlook.view.digest.high, digest.high);
    struct view again = reshard__view_of(&memo.catalogue, sim, &before.parts, before.notes);
    cr_expect_eq(memcmp(&again, &before.outlook.view, sizeof again), 0);
    world_free();
}

/* Each first move is learned where nothing happened before; behind each other one it is recalled
 * where that one did nothing that it looks at, and leads there where it does. */
Test(search_memo, deed_recalled_behind_another_leads_where_it_does)
{
    struct move moves[SEARCH_MOVES_MAX];
    uint32_t deeds[SEARCH_MOVES_MAX];
    world_make();
    size_t count = reshard__search_moves(sim, &config, moves), same = 0, others = 0;
    for (size_t i = 0; i < count; i++) {
        deeds[i] = make(moves[i]);
        reshard__arena_back(arena);
    }
    for (size_t i = 0; i < count * count; i++) {
        uint32_t deed = deeds[i % count];
        struct view view;
        (void)make(moves[i / count]);
        struct reshard_digest is;
        bool recalled = reshard__memo_recall(&memo, &behind.outlook, deed, &view);
        if (led(deed, &is)) {
            same += recalled;
            others += !recalled;
            cr_expect(!recalled || (is.low == view.digest.low && is.high == view.digest.high),
                "move %zu behind %zu", i % count, i / count);
        }
        reshard__arena_back(arena);
    }
    cr_expect_gt(same, 0, "none was recalled");
    cr_expect_gt(others, 0, "all were");
    world_free();
}

/* As if moves looked at nothing: then they are recalled anywhere. */
Test(search_memo, deed_of_a_sabotaged_memo_is_recalled_wrongly)
{
    struct move moves[SEARCH_MOVES_MAX];
    uint32_t deeds[SEARCH_MOVES_MAX];
    size_t wrong = 0;
    world_make();
    memo.sabotaged = true;
    size_t count = reshard__search_moves(sim, &config, moves);
    for (size_t i = 0; i < count; i++) {
        deeds[i] = make(moves[i]);
        reshard__arena_back(arena);
    }
    for (size_t i = 0; i < count * count; i++) {
        struct view view;
        struct reshard_digest is;
        (void)make(moves[i / count]);
        if (reshard__memo_recall(&memo, &behind.outlook, deeds[i % count], &view) &&
            led(deeds[i % count], &is))
            wrong += is.low != view.digest.low;
        reshard__arena_back(arena);
    }
    cr_expect_gt(wrong, 0);
    world_free();
}

/* What can happen in a world is learned in it, and recalled without it. */
Test(search_memo, deeds_recalled_are_those_that_can_happen)
{
    struct move moves[SEARCH_MOVES_MAX];
    uint64_t labels[SEARCH_MOVES_MAX];
    uint32_t deeds[SEARCH_MOVES_MAX];
    size_t recalled = 0;
    world_make();
    size_t count = reshard__search_moves(sim, &config, moves);
    for (size_t i = 0; i < count; i++)
        labels[i] = reshard__move_label(sim, moves[i]);
    cr_expect(!reshard__deeds_recall(&memo, &before.outlook, false, deeds, &recalled));
    reshard__deeds_learn(&memo, sim, &before.outlook, moves, labels, count);
    cr_assert(reshard__deeds_recall(&memo, &before.outlook, false, deeds, &recalled));
    cr_assert_eq(recalled, count);
    for (size_t i = 0; i < count; i++) {
        size_t k = 0;
        while (k < count && memo.deeds[deeds[k]].label != labels[i])
            k++;
        cr_expect_lt(k, count, "move %zu", i);
    }
    world_free();
}
