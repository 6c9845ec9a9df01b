/* SPDX-License-Identifier: MIT */
/* Exhaustive searches: small worlds close and hold; hosts that break their contract are found, by a
 * way that replays; worlds that count as the same lead to the same. */
#include "sim/search.h"

#include "sim/sim.h"
#include <criterion/criterion.h>
#include <reshard-sim/search.h>
#include <string.h>

enum { MOVES = 1000 };

static struct reshard_sim_search_report run(
    const struct reshard_sim_search *search, struct reshard_sim_decision *decisions)
{
    struct reshard_sim_search_report report;
    reshard_sim_search_report_init(&report);
    int32_t status = reshard_sim_search_run(search, decisions, decisions ? MOVES : 0, &report);
    cr_assert_eq(status, RESHARD_OK);
    return report;
}

static struct reshard_sim_search search_of(const char *name)
{
    struct reshard_sim_search search;
    reshard_sim_search_init(&search);
    search.name = name;
    return search;
}

/* Every fourth world that is met again is expanded again: thousands of them. */
Test(search, world_met_again_leads_where_it_led)
{
    struct reshard_sim_search search = search_of("keywise-requests");
    search.verify = 4;
    struct reshard_sim_search_report report = run(&search, NULL);
    cr_expect(report.closed && !report.violated, "%s", report.checker);
    cr_expect_gt(report.ends, 0);
    cr_expect_eq(report.dead, 0);
    cr_expect_gt(report.verified, 5000, "%llu", (unsigned long long)report.verified);
    cr_expect_geq(report.states, report.states_min);
}

/* Every move that is not made since what it does is known is made after all. */
Test(search, recalled_transition_leads_where_its_move_does)
{
    static const char *const names[] = {"snapshot-requests", "snapshot-overtake", "keywise-store",
        "keywise-target-crash", "keywise-drop"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct reshard_sim_search search = search_of(names[i]);
        struct reshard_sim_search_report fast = run(&search, NULL);
        search.verify = 1;
        struct reshard_sim_search_report whole = run(&search, NULL);
        cr_expect(whole.closed && !whole.violated, "%s: %s", names[i], whole.checker);
        cr_expect_gt(fast.recalled, fast.transitions / 2, "%s: %llu of %llu", names[i],
            (unsigned long long)fast.recalled, (unsigned long long)fast.transitions);
        cr_expect_eq(whole.states, fast.states);
        cr_expect_eq(whole.transitions, fast.transitions);
        cr_expect_eq(whole.ends, fast.ends);
        cr_expect_eq(whole.depth, fast.depth);
    }
}

Test(search, move_recalled_wrongly_is_found)
{
    static const char *const names[] = {"snapshot-requests", "keywise-requests"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct reshard_sim_search search = search_of(names[i]);
        search.sabotage = UINT32_C(1) << RESHARD_SABOTAGE_ORDER;
        search.verify = 10;
        struct reshard_sim_search_report report = run(&search, NULL);
        cr_assert(report.violated);
        cr_expect_str_eq(report.checker, "recall");
    }
}

struct breach {
    const char *name;
    uint32_t sabotage;
    const char *checker;
};

/* The shortest way: one move less shows nothing. */
static void breach_find(const struct breach *breach, uint32_t idle)
{
    static struct reshard_sim_decision decisions[MOVES];
    struct reshard_sim_search search = search_of(breach->name);
    search.sabotage = UINT32_C(1) << breach->sabotage;
    search.state_limit = 100000;
    search.idle = idle;
    struct reshard_sim_search_report report = run(&search, decisions);
    cr_assert(report.violated, "%s: %u", breach->name, (unsigned)breach->sabotage);
    cr_expect_str_eq(report.checker, breach->checker);
    cr_assert_leq(report.decision_count, MOVES);
    search.decisions = decisions;
    search.decision_count = report.decision_count;
    struct reshard_sim_search_report again;
    reshard_sim_search_report_init(&again);
    cr_assert_eq(reshard_sim_search_replay(&search, NULL, NULL, &again), RESHARD_OK);
    cr_expect_str_eq(again.checker, report.checker);
    cr_expect_eq(again.depth, report.decision_count);
    search.decision_count--;
    cr_assert_eq(reshard_sim_search_replay(&search, NULL, NULL, &again), RESHARD_OK);
    cr_expect(!again.violated);
}

Test(search, breach_is_found_and_replays)
{
    static const struct breach breaches[] = {
        {"keywise-requests", RESHARD_SABOTAGE_ROUTE, "linearizable"},
        {"keywise-requests", RESHARD_SABOTAGE_WAKE, "forgotten"},
        {"keywise-requests", RESHARD_SABOTAGE_APPLY, "linearizable"},
        {"snapshot-requests", RESHARD_SABOTAGE_ROUTE, "commit"},
    };
    for (size_t i = 0; i < sizeof breaches / sizeof *breaches; i++)
        for (uint32_t idle = 0; idle <= 1; idle++)
            breach_find(&breaches[i], idle);
}

/* A message that can change nothing is delivered at once: nothing is lost by it, neither ways to
 * end nor ways to break. */
Test(search, idle_message_decided_leads_to_the_same_ends)
{
    static const char *const names[] = {
        "snapshot-abort", "snapshot-drop", "snapshot-overtake", "keywise-target-crash"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct reshard_sim_search search = search_of(names[i]);
        struct reshard_sim_search_report eager = run(&search, NULL);
        search.idle = 1;
        struct reshard_sim_search_report decided = run(&search, NULL);
        cr_expect(decided.closed && !decided.violated, "%s: %s", names[i], decided.checker);
        cr_expect_gt(decided.states, eager.states, "%s: none was idle", names[i]);
        cr_expect_gt(eager.ends, 0);
        cr_expect_eq(decided.ends, eager.ends, "%s", names[i]);
        cr_expect_eq(decided.ends_digest.low, eager.ends_digest.low, "%s", names[i]);
        cr_expect_eq(decided.ends_digest.high, eager.ends_digest.high, "%s", names[i]);
    }
}

/* A move that writes to a host and does not say so. */
Test(search, write_untold_is_found)
{
    struct arena *arena = reshard__search_arena();
    struct reshard_sim_search search = search_of(reshard_sim_search_name(0));
    (void)reshard__arena_use(arena);
    struct search_config config;
    cr_assert(reshard__search_config(0, &config));
    struct reshard_sim *sim = reshard__search_world(&config, &search, NULL, NULL);
    struct reshard_digest digest = reshard__search_digest(sim);
    reshard__arena_base(arena);
    reshard__search_untouched(arena, sim, reshard__search_digest(sim));
    cr_expect(!sim->violated);
    struct image image = reshard__arena_leave(arena);
    sim->hosts[0]->seen_term++;
    cr_expect_eq(reshard__search_digest(sim).low, digest.low, "nobody looks");
    reshard__search_untouched(arena, sim, digest);
    cr_expect_str_eq(sim->violation, "touch");
    reshard__arena_drop(arena, &image);
    (void)reshard__arena_use(NULL);
    reshard__arena_free(arena);
}

Test(search, call_wrong_is_refused)
{
    struct reshard_sim_search search = search_of("no such world");
    struct reshard_sim_search_report report;
    reshard_sim_search_report_init(&report);
    cr_expect_eq(reshard_sim_search_run(&search, NULL, 0, &report), RESHARD_E_ARGUMENT);
    cr_expect_eq(reshard_sim_search_run(NULL, NULL, 0, &report), RESHARD_E_NULL);
    search.name = reshard_sim_search_name(0);
    report.struct_size--;
    cr_expect_eq(reshard_sim_search_run(&search, NULL, 0, &report), RESHARD_E_STRUCT_SIZE);
    report.struct_size++;
    struct reshard_sim_decision impossible = {.kind = 99};
    search.decisions = &impossible;
    search.decision_count = 1;
    cr_expect_eq(reshard_sim_search_replay(&search, NULL, NULL, &report), RESHARD_E_ARGUMENT);
}
