/* SPDX-License-Identifier: MIT */
/* Which moves of a search commute: neither reads or writes what the other writes, and messages keep
 * their order. That real moves are told apart so is test_search.c's. */
#include "sim/search_commute.h"

#include <criterion/criterion.h>

enum { ONE = 1, TWO = 2, BOTH = 3 };

struct pair {
    const char *what;
    struct step one, two;
    bool commutes;
};

Test(search_commute, steps_commute_where_neither_sees_the_other)
{
    static const struct pair pairs[] = {
        {"nothing", {.label = ONE}, {.label = TWO}, true},
        {"two hosts", {.reads = ONE, .writes = ONE}, {.reads = TWO, .writes = TWO}, true},
        {"both read", {.reads = BOTH, .writes = 0}, {.reads = BOTH}, true},
        {"both write", {.writes = ONE}, {.writes = ONE}, false},
        {"one reads", {.reads = BOTH, .writes = ONE}, {.writes = TWO}, false},
        {"all", {.reads = BITS_ALL, .writes = BITS_ALL}, {.reads = ONE}, false},
        {"other links", {.puts = ONE, .takes = TWO}, {.puts = TWO, .takes = ONE}, true},
        {"both put", {.puts = ONE}, {.puts = BOTH}, false},
        {"both take", {.takes = ONE}, {.takes = ONE}, false},
        {"one puts behind what is taken", {.takes = ONE}, {.puts = ONE}, true},
        {"what it puts may be taken at once", {.takes = ONE}, {.puts = ONE, .acks = ONE}, false},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const struct pair *pair = &pairs[i];
        cr_expect_eq(
            reshard__steps_commute(&pair->one, &pair->two), pair->commutes, "%s", pair->what);
        cr_expect_eq(reshard__steps_commute(&pair->two, &pair->one), pair->commutes,
            "%s, turned round", pair->what);
    }
}

/* A move is about the same in a world in which others are under way. */
Test(search_commute, label_is_of_what_the_move_is_about)
{
    struct search_config config;
    struct reshard_sim_search search;
    reshard_sim_search_init(&search);
    cr_assert(reshard__search_config(0, &config));
    struct reshard_sim *sim = reshard__search_world(&config, &search, NULL, NULL);
    struct move moves[SEARCH_MOVES_MAX];
    size_t count = reshard__search_moves(sim, &config, moves);
    cr_assert_gt(count, 1);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < count; k++) {
            uint64_t one = reshard__step_begin(sim, moves[i]).label;
            uint64_t two = reshard__step_begin(sim, moves[k]).label;
            cr_expect_eq(one == two, i == k, "moves %zu and %zu", i, k);
        }
    reshard__sim_free(sim);
}
