/* SPDX-License-Identifier: MIT */
/* The loop: order, absence of hooks, failures, re-entry, shortage of memory. */
#include "puppet.h"

#include <criterion/criterion.h>

static int32_t run(struct puppet *puppet)
{
    return reshard_driver_run(puppet->driver, 2, 0, NULL);
}

Test(run, actions_run_in_order_and_are_completed)
{
    struct puppet *puppet = puppet_new();
    puppet_ask(puppet, RESHARD_ACTION_SEND, 0);
    puppet_ask(puppet, RESHARD_ACTION_APPEND, 0);
    cr_assert_eq(run(puppet), RESHARD_OK);
    cr_assert_str_eq(puppet_log(puppet), "T2 S1 C1 S2 C2");
    cr_assert_eq(puppet->last.status, RESHARD_OK);
    cr_assert_eq(puppet->last.struct_size, sizeof puppet->last);
    cr_assert(puppet_end(puppet));
}

Test(run, an_action_waits_for_the_one_it_names)
{
    struct puppet *puppet = puppet_new();
    puppet->answers[RESHARD_ACTION_APPEND] = RESHARD_PENDING;
    puppet_ask(puppet, RESHARD_ACTION_APPEND, 0); /* 1 */
    puppet_ask(puppet, RESHARD_ACTION_SEND, 1);   /* 2 waits */
    puppet_ask(puppet, RESHARD_ACTION_SEND, 1);   /* 3 waits */
    puppet_ask(puppet, RESHARD_ACTION_SEND, 2);   /* 4 waits for 2 */
    puppet_ask(puppet, RESHARD_ACTION_SEND, 0);   /* 5 does not */
    cr_assert_eq(run(puppet), RESHARD_OK);
    cr_assert_str_eq(puppet_log(puppet), "T2 S1 S5 C5");
    cr_assert_eq(run(puppet), RESHARD_OK);
    cr_assert_str_eq(puppet_log(puppet), "T2");
    cr_assert_eq(reshard_driver_complete(puppet->driver, 1, NULL), RESHARD_OK);
    cr_assert_eq(run(puppet), RESHARD_OK);
    cr_assert_str_eq(puppet_log(puppet), "T2 C1 S2 C2 S3 C3 S4 C4");
    puppet_ask(puppet, RESHARD_ACTION_SEND, 1); /* 6: the one it names is long over */
    cr_assert_eq(run(puppet), RESHARD_OK);
    cr_assert_str_eq(puppet_log(puppet), "T2 S6 C6");
    cr_assert(puppet_end(puppet));
}

/* Random chains of `after`, random answers, random moments of completion: nothing starts early,
 * everything starts once. */
static struct {
    uint64_t seed;
    bool started[PUPPET_ACTIONS];
    bool pending[PUPPET_ACTIONS];
    uint64_t open[PUPPET_ACTIONS];
    size_t open_count;
} chaos;

static int32_t chaos_hook(struct puppet *puppet, const struct reshard_action *action)
{
    cr_assert_not(chaos.started[action->id], "seed %llu", (unsigned long long)chaos.seed);
    chaos.started[action->id] = true;
    if (action->after) {
        cr_assert(chaos.started[action->after], "seed %llu", (unsigned long long)chaos.seed);
        cr_assert_not(chaos.pending[action->after], "seed %llu", (unsigned long long)chaos.seed);
    }
    if (chaos.open_count && reshard__random_next(&chaos.seed) % 3 == 0) {
        uint64_t id = chaos.open[--chaos.open_count];
        cr_assert_eq(reshard_driver_complete(puppet->driver, id, NULL), RESHARD_OK);
        chaos.pending[id] = false;
    }
    if (reshard__random_next(&chaos.seed) % 2)
        return RESHARD_OK;
    chaos.pending[action->id] = true;
    chaos.open[chaos.open_count++] = action->id;
    return RESHARD_PENDING;
}

/* Ask for everything, running a little now and then. */
static void chaos_ask(struct puppet *puppet, uint64_t seed)
{
    uint64_t random = seed * 77;
    for (uint64_t id = 1; id < PUPPET_ACTIONS; id++) {
        uint64_t after = reshard__random_next(&random) % id;
        puppet_ask(puppet, RESHARD_ACTION_SEND, id > 40 && after ? id - 1 - after % 40 : after);
        if (id % 50)
            continue;
        puppet->nomem_complete = 1;
        (void)reshard_driver_run(puppet->driver, id, 7, NULL);
    }
}

static void chaos_finish(struct puppet *puppet)
{
    for (;;) {
        while (run(puppet))
            ;
        if (!chaos.open_count)
            return;
        uint64_t id = chaos.open[--chaos.open_count];
        chaos.pending[id] = false;
        cr_assert_eq(reshard_driver_complete(puppet->driver, id, NULL), RESHARD_OK);
    }
}

Test(run, random_chains_start_each_action_once_and_never_early)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct puppet *puppet = puppet_new();
        memset(&chaos, 0, sizeof chaos);
        chaos.seed = seed;
        puppet->inside = chaos_hook;
        puppet->quiet = true;
        chaos_ask(puppet, seed);
        chaos_finish(puppet);
        for (uint64_t id = 1; id < PUPPET_ACTIONS; id++)
            cr_assert(chaos.started[id], "seed %llu", (unsigned long long)seed);
        cr_assert_eq(puppet->driver->table.open_count, 0);
        cr_assert(puppet_end(puppet));
    }
}

Test(run, what_a_hook_fills_in_reaches_the_engine)
{
    struct puppet *puppet = puppet_new();
    puppet->outcome.size = 10;
    puppet->outcome.keys = 3;
    puppet->outcome.status = -77; /* not the hook's to set: its result counts */
    puppet_ask(puppet, RESHARD_ACTION_EXPORT, 0)->capacity = 10;
    cr_assert_eq(run(puppet), RESHARD_OK);
    cr_assert_eq(puppet->last.size, 10);
    cr_assert_eq(puppet->last.keys, 3);
    cr_assert_eq(puppet->last.status, RESHARD_OK);
    cr_assert(puppet_end(puppet));
}

Test(run, an_export_larger_than_its_buffer_is_a_failed_hook)
{
    struct puppet *puppet = puppet_new();
    puppet->outcome.size = 11;
    puppet->outcome.keys = 3;
    puppet_ask(puppet, RESHARD_ACTION_EXPORT, 0)->capacity = 10;
    cr_assert_eq(run(puppet), RESHARD_OK);
    cr_assert_eq(puppet->last.status, RESHARD_E_HOOK);
    cr_assert_eq(puppet->last.size, 0);
    cr_assert_eq(puppet->last.keys, 0);
    cr_assert(puppet_end(puppet));
}

Test(run, a_failed_hook_completes_with_its_code_and_nothing_else)
{
    const int32_t codes[][2] = {{RESHARD_E_FENCED, RESHARD_E_FENCED},
        {RESHARD_E_UNKNOWN, RESHARD_E_UNKNOWN}, {-12345, -12345}, {2, RESHARD_E_HOOK}};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct puppet *puppet = puppet_new();
        puppet->answers[RESHARD_ACTION_APPEND] = codes[i][0];
        puppet->outcome.sequence = 9;
        puppet_ask(puppet, RESHARD_ACTION_APPEND, 0);
        puppet_ask(puppet, RESHARD_ACTION_SEND, 1); /* the result of the earlier one is no bar */
        cr_assert_eq(reshard_driver_run(puppet->driver, 2, 1, NULL), RESHARD_OK);
        cr_assert_eq(puppet->last.status, codes[i][1]);
        cr_assert_eq(puppet->last.sequence, 0);
        cr_assert_eq(run(puppet), RESHARD_OK);
        cr_assert_str_eq(puppet_log(puppet), "T2 S1 C1 T2 S2 C2");
        cr_assert(puppet_end(puppet));
    }
}

Test(run, a_buffer_that_was_too_small_keeps_the_size_that_would_do)
{
    struct puppet *puppet = puppet_new();
    puppet->answers[RESHARD_ACTION_EXPORT] = RESHARD_E_SPACE;
    puppet->outcome.size = 77;
    puppet->outcome.keys = 1;
    puppet_ask(puppet, RESHARD_ACTION_EXPORT, 0)->capacity = 10;
    cr_assert_eq(run(puppet), RESHARD_OK);
    cr_assert_eq(puppet->last.status, RESHARD_E_SPACE);
    cr_assert_eq(puppet->last.size, 77);
    cr_assert_eq(puppet->last.keys, 0);
    cr_assert(puppet_end(puppet));
}

Test(run, missing_hooks_do_what_their_absence_means)
{
    struct puppet *puppet = puppet_new();
    const struct {
        uint32_t kind;
        int32_t status;
    } rows[] = {{RESHARD_ACTION_FENCE, RESHARD_OK}, {RESHARD_ACTION_DIGEST, RESHARD_OK},
        {RESHARD_ACTION_WAKE, RESHARD_OK}, {RESHARD_ACTION_COMPACT, RESHARD_E_HOOK_MISSING},
        {RESHARD_ACTION_PICK, RESHARD_E_HOOK_MISSING},
        {RESHARD_ACTION_REMOVE, RESHARD_E_HOOK_MISSING}, {0, RESHARD_E_HOOK_MISSING},
        {RESHARD_ACTION_KIND_COUNT, RESHARD_E_HOOK_MISSING}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        puppet_ask(puppet, rows[i].kind, 0);
        cr_assert_eq(run(puppet), RESHARD_OK);
        cr_assert_eq(puppet->last.status, rows[i].status, "kind %u", rows[i].kind);
        cr_assert_eq(puppet->last.digest.low, 0);
    }
    cr_assert(puppet_end(puppet));
}

Test(run, the_limit_counts_started_actions_and_asks_to_be_called_again)
{
    struct puppet *puppet = puppet_new();
    puppet->deadline_ns = 99;
    for (size_t i = 0; i < 5; i++)
        puppet_ask(puppet, RESHARD_ACTION_SEND, 0);
    uint64_t deadline_ns = 7;
    cr_assert_eq(reshard_driver_run(puppet->driver, 2, 2, &deadline_ns), RESHARD_OK);
    cr_assert_eq(deadline_ns, 0);
    cr_assert_str_eq(puppet_log(puppet), "T2 S1 C1 S2 C2");
    cr_assert_eq(reshard_driver_run(puppet->driver, 3, 0, &deadline_ns), RESHARD_OK);
    cr_assert_eq(deadline_ns, 99);
    cr_assert_str_eq(puppet_log(puppet), "T3 S3 C3 S4 C4 S5 C5");
    cr_assert(puppet_end(puppet));
}

Test(run, time_never_runs_backwards)
{
    struct puppet *puppet = puppet_new();
    cr_assert_eq(reshard_driver_run(puppet->driver, 50, 0, NULL), RESHARD_OK);
    cr_assert_eq(reshard_driver_run(puppet->driver, 40, 0, NULL), RESHARD_OK);
    cr_assert_str_eq(puppet_log(puppet), "T50 T50");
    cr_assert(puppet_end(puppet));
}

Test(run, a_fenced_coordinator_is_told_after_everything_was_done)
{
    struct puppet *puppet = puppet_new();
    puppet->leads = RESHARD_E_FENCED;
    puppet_ask(puppet, RESHARD_ACTION_SEND, 0);
    cr_assert_eq(run(puppet), RESHARD_E_FENCED);
    cr_assert_str_eq(puppet_log(puppet), "T2 S1 C1");
    cr_assert(puppet_end(puppet));
}

Test(run, a_failed_tick_is_returned_and_tried_again)
{
    struct puppet *puppet = puppet_new();
    puppet->tick_status = RESHARD_E_NOMEM;
    uint64_t deadline_ns = 7;
    cr_assert_eq(reshard_driver_run(puppet->driver, 2, 0, &deadline_ns), RESHARD_E_NOMEM);
    cr_assert_eq(deadline_ns, 0);
    puppet->tick_status = RESHARD_OK;
    cr_assert_eq(run(puppet), RESHARD_OK);
    cr_assert(puppet_end(puppet));
}

/* ---- memory ---- */

Test(run, a_completion_is_kept_while_the_engine_has_no_memory)
{
    struct puppet *puppet = puppet_new();
    puppet->nomem_complete = 2;
    puppet->outcome.keys = 5;
    puppet_ask(puppet, RESHARD_ACTION_SYNC, 0);
    puppet_ask(puppet, RESHARD_ACTION_SEND, 1);
    cr_assert_eq(run(puppet), RESHARD_E_NOMEM);
    cr_assert_eq(run(puppet), RESHARD_E_NOMEM);
    cr_assert_str_eq(puppet_log(puppet), "T2 S1 T2");
    cr_assert_eq(reshard_driver_complete(puppet->driver, 1, NULL), RESHARD_E_ARGUMENT);
    cr_assert_eq(reshard_driver_run(puppet->driver, 2, 1, NULL), RESHARD_OK);
    cr_assert_eq(puppet->last.keys, 5);
    cr_assert_eq(run(puppet), RESHARD_OK);
    cr_assert_str_eq(puppet_log(puppet), "T2 C1 S2 C2 T2");
    cr_assert(puppet_end(puppet));
}

Test(run, a_refused_completion_ends_its_action_and_is_returned)
{
    struct puppet *puppet = puppet_new();
    puppet->complete_status = RESHARD_E_FATAL;
    puppet_ask(puppet, RESHARD_ACTION_SEND, 0);
    puppet_ask(puppet, RESHARD_ACTION_SEND, 1);
    cr_assert_eq(run(puppet), RESHARD_E_FATAL);
    puppet->complete_status = RESHARD_OK;
    cr_assert_eq(run(puppet), RESHARD_OK);
    cr_assert_str_eq(puppet_log(puppet), "T2 S1 C1 T2 S2 C2");
    cr_assert(puppet_end(puppet));
}

static int32_t receive_inside(struct puppet *puppet, const struct reshard_action *action)
{
    uint8_t bytes[100];
    memset(bytes, (int)action->id, sizeof bytes);
    if (action->kind == RESHARD_ACTION_SEND)
        return reshard_driver_receive(puppet->driver, 7, bytes, sizeof bytes);
    return RESHARD_OK;
}

/* Every allocation fails once: the run says so, nothing is lost, all memory comes back. */
Test(run, failing_each_allocation_loses_nothing)
{
    for (size_t fail_at = 1;; fail_at++) {
        struct puppet *puppet = puppet_new();
        puppet->inside = receive_inside;
        puppet->alloc.fail_at = puppet->alloc.calls + fail_at;
        for (size_t i = 0; i < 200; i++)
            puppet_ask(puppet, RESHARD_ACTION_FENCE + i % 2, i / 2);
        for (size_t i = 0; i < 10; i++)
            puppet_ask(puppet, RESHARD_ACTION_APPLY, 0);
        for (size_t i = 0; i < 3; i++)
            (void)run(puppet);
        cr_assert_eq(run(puppet), RESHARD_OK);
        cr_assert_eq(puppet->driver->table.open_count, 0);
        cr_assert_eq(puppet->action_at, puppet->action_count);
        bool failed = puppet->alloc.failed > 0;
        cr_assert(puppet_end(puppet));
        if (!failed)
            break;
    }
}

Test(run, the_steady_state_allocates_nothing)
{
    struct puppet *puppet = puppet_new();
    puppet->quiet = true;
    size_t calls = 0;
    for (size_t round = 0; round < 100; round++) {
        puppet->action_at = 0;
        puppet->action_count = 0;
        for (size_t i = 0; i < 1000; i++)
            puppet_ask(puppet, RESHARD_ACTION_APPLY, i);
        cr_assert_eq(run(puppet), RESHARD_OK);
        if (round == 0)
            calls = puppet->alloc.calls;
    }
    cr_assert_eq(puppet->alloc.calls, calls);
    cr_assert(puppet_end(puppet));
}

/* ---- re-entry ---- */

Test(run, a_message_from_inside_a_hook_is_taken_after_it)
{
    struct puppet *puppet = puppet_new();
    puppet->inside = receive_inside;
    puppet_ask(puppet, RESHARD_ACTION_SEND, 0);
    cr_assert_eq(run(puppet), RESHARD_OK);
    cr_assert_str_eq(puppet_log(puppet), "T2 S1 C1 R7");
    cr_assert_null(puppet->driver->live);
    cr_assert(puppet_end(puppet));
}

Test(run, a_pick_is_read_anew_when_the_engine_had_no_memory_for_it)
{
    struct puppet *puppet = puppet_new();
    puppet->driver->hooks[RESHARD_ACTION_PICK] = puppet->driver->hooks[RESHARD_ACTION_SYNC];
    puppet->nomem_complete = 1;
    puppet->outcome.keys = 5;
    puppet_ask(puppet, RESHARD_ACTION_PICK, 0);
    puppet_ask(puppet, RESHARD_ACTION_SEND, 1);
    cr_assert_eq(run(puppet), RESHARD_E_NOMEM);
    puppet->outcome.keys = 4; /* one was deleted in between */
    cr_assert_eq(reshard_driver_run(puppet->driver, 2, 1, NULL), RESHARD_OK);
    cr_assert_eq(puppet->last.keys, 4);
    cr_assert_eq(run(puppet), RESHARD_OK);
    cr_assert_str_eq(puppet_log(puppet), "T2 S1 T2 S1 C1 T2 S2 C2");
    cr_assert(puppet_end(puppet));
}

/* The host writes between two runs, whatever the engine has taken until then. */
Test(run, random_picks_bring_what_is_there_when_they_are_taken)
{
    struct puppet *puppet = puppet_new();
    uint64_t random = 1;
    puppet->driver->hooks[RESHARD_ACTION_PICK] = puppet->driver->hooks[RESHARD_ACTION_SYNC];
    puppet->quiet = true;
    for (int i = 0; i < 1000; i++) {
        puppet_ask(puppet, RESHARD_ACTION_PICK, 0);
        do {
            puppet->outcome.keys = reshard__random_next(&random);
            puppet->nomem_complete = reshard__random_next(&random) % 2;
        } while (run(puppet) == RESHARD_E_NOMEM);
        cr_assert_eq(puppet->last.keys, puppet->outcome.keys);
    }
    cr_assert_eq(puppet->driver->table.open_count, 0);
    cr_assert(puppet_end(puppet));
}

Test(run, a_message_waits_while_the_engine_has_no_memory)
{
    struct puppet *puppet = puppet_new();
    puppet->inside = receive_inside;
    puppet->nomem_receive = 1;
    puppet_ask(puppet, RESHARD_ACTION_SEND, 0);
    cr_assert_eq(run(puppet), RESHARD_E_NOMEM);
    cr_assert_eq(run(puppet), RESHARD_OK);
    cr_assert_str_eq(puppet_log(puppet), "T2 S1 C1 T2 R7");
    cr_assert(puppet_end(puppet));
}

static int32_t apply_later(struct puppet *puppet, const struct reshard_action *action)
{
    if (action->kind == RESHARD_ACTION_SEND)
        return receive_inside(puppet, action);
    return action->kind == RESHARD_ACTION_APPLY ? RESHARD_PENDING : RESHARD_OK;
}

Test(run, a_copied_message_lives_until_the_last_action_into_it_has_completed)
{
    struct puppet *puppet = puppet_new();
    puppet->inside = apply_later;
    puppet_ask(puppet, RESHARD_ACTION_SEND, 0);
    cr_assert_eq(reshard_driver_run(puppet->driver, 2, 1, NULL), RESHARD_OK);
    const uint8_t *bytes = puppet->received;
    cr_assert_not_null(bytes);
    for (size_t i = 0; i < 2; i++) {
        struct reshard_action *apply = puppet_ask(puppet, RESHARD_ACTION_APPLY, 0);
        apply->payload = bytes + 10 + i;
        apply->payload_size = 20;
    }
    uint8_t elsewhere = 0;
    struct reshard_action *other = puppet_ask(puppet, RESHARD_ACTION_APPLY, 0);
    other->payload = &elsewhere;
    other->payload_size = 1;
    cr_assert_eq(run(puppet), RESHARD_OK);
    size_t blocks = puppet->alloc.live_blocks;
    cr_assert_eq(reshard_driver_complete(puppet->driver, 4, NULL), RESHARD_OK);
    cr_assert_eq(reshard_driver_complete(puppet->driver, 2, NULL), RESHARD_OK);
    cr_assert_eq(run(puppet), RESHARD_OK);
    cr_assert_eq(puppet->alloc.live_blocks, blocks);
    cr_assert_eq(bytes[0], 1);
    cr_assert_eq(reshard_driver_complete(puppet->driver, 3, NULL), RESHARD_OK);
    cr_assert_eq(run(puppet), RESHARD_OK);
    cr_assert_eq(puppet->alloc.live_blocks, blocks - 1);
    cr_assert(puppet_end(puppet));
}

static int32_t complete_itself(struct puppet *puppet, const struct reshard_action *action)
{
    struct reshard_completion completion;
    memset(&completion, 0, sizeof completion);
    completion.struct_size = sizeof completion;
    completion.keys = 42;
    cr_assert_eq(
        reshard_driver_complete(puppet->driver, action->id, &completion), RESHARD_OK);
    cr_assert_eq(
        reshard_driver_complete(puppet->driver, action->id, &completion), RESHARD_E_ARGUMENT);
    return RESHARD_PENDING;
}

Test(run, a_hook_may_complete_its_own_action_before_it_returns)
{
    struct puppet *puppet = puppet_new();
    puppet->inside = complete_itself;
    puppet_ask(puppet, RESHARD_ACTION_SYNC, 0);
    cr_assert_eq(run(puppet), RESHARD_OK);
    cr_assert_eq(puppet->last.keys, 42);
    cr_assert_str_eq(puppet_log(puppet), "T2 S1 C1");
    cr_assert(puppet_end(puppet));
}

static int32_t run_inside(struct puppet *puppet, const struct reshard_action *action)
{
    (void)action;
    cr_assert_eq(reshard_driver_run(puppet->driver, 3, 0, NULL), RESHARD_E_REENTRANT);
    cr_assert_eq(reshard_driver_start(puppet->driver, 3), RESHARD_E_REENTRANT);
    return RESHARD_OK;
}

Test(run, a_hook_may_neither_run_nor_start)
{
    struct puppet *puppet = puppet_new();
    puppet->inside = run_inside;
    puppet_ask(puppet, RESHARD_ACTION_SEND, 0);
    cr_assert_eq(run(puppet), RESHARD_OK);
    cr_assert_str_eq(puppet_log(puppet), "T2 S1 C1");
    cr_assert(puppet_end(puppet));
}

static int32_t restore_inside(struct puppet *puppet, const struct reshard_action *action)
{
    uint8_t record[3] = {0};
    int32_t expected = action->kind == RESHARD_ACTION_LOAD ? RESHARD_OK : RESHARD_E_STATE;
    cr_assert_eq(reshard_driver_restore(puppet->driver, record, sizeof record), expected);
    return RESHARD_OK;
}

Test(run, records_are_fed_inside_a_load_only)
{
    struct puppet *puppet = puppet_new();
    puppet->inside = restore_inside;
    puppet_ask(puppet, RESHARD_ACTION_LOAD, 0);
    puppet_ask(puppet, RESHARD_ACTION_SEND, 0);
    cr_assert_eq(run(puppet), RESHARD_OK);
    cr_assert_str_eq(puppet_log(puppet), "T2 L F3 C1 S2 C2");
    cr_assert(puppet_end(puppet));
}

Test(run, an_action_keeps_its_address_until_it_completes)
{
    struct puppet *puppet = puppet_new();
    puppet->answers[RESHARD_ACTION_APPLY] = RESHARD_PENDING;
    puppet_ask(puppet, RESHARD_ACTION_APPLY, 0);
    cr_assert_eq(run(puppet), RESHARD_OK);
    const struct reshard_action *action = puppet->seen;
    for (size_t i = 0; i < 500; i++)
        puppet_ask(puppet, RESHARD_ACTION_APPLY, 0);
    cr_assert_eq(run(puppet), RESHARD_OK);
    cr_assert_eq(action->id, 1);
    cr_assert_eq(action->kind, RESHARD_ACTION_APPLY);
    cr_assert(puppet_end(puppet));
}
