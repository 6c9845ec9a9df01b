/* SPDX-License-Identifier: MIT */
/* The journal is the authority: R1, R2. */
#include "fixture.h"
#include <criterion/criterion.h>

static struct fixture fixture;

Test(ledger, start_nothing_is_sent_before_the_term_is_durable)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    reshard_migration_id migration =
        fixture_migration(&fixture, RESHARD_MODE_SNAPSHOT, 0, 9);
    fixture_restart(&fixture);
    fixture.sent_count = 0;
    fixture.hold = true;
    cr_assert_eq(fixture_start(&fixture), RESHARD_OK);
    cr_assert_eq(fixture.held_count, 1);
    cr_assert_eq(fixture.held[0].kind, RESHARD_ACTION_APPEND);
    cr_assert_eq(fixture.held[0].term, 2);
    cr_assert_eq(reshard_coordinator_leads(fixture.coordinator), 0);
    /* Whatever is asked or arrives meanwhile. */
    struct reshard_coordinator *coordinator = fixture.coordinator;
    cr_assert_eq(reshard_coordinator_abort(coordinator, migration), RESHARD_E_STATE);
    cr_assert_eq(reshard_coordinator_pause(coordinator, migration, 1), RESHARD_E_STATE);
    cr_assert_eq(reshard_coordinator_pause(coordinator, migration, 0), RESHARD_E_STATE);
    cr_assert_eq(reshard_coordinator_finish(coordinator, migration), RESHARD_E_STATE);
    struct reshard_migration_spec spec;
    reshard_migration_spec_init(&spec);
    cr_assert_eq(reshard_coordinator_open(coordinator, &spec, NULL), RESHARD_E_STATE);
    struct reshard__message hello = {.type = RESHARD__HELLO, .protocol = RESHARD__PROTOCOL};
    hello.node = 11;
    hello.boot = 1;
    hello.slot_count = FIXTURE_SLOTS;
    cr_assert_eq(fixture_say(&fixture, 11, &hello), RESHARD_OK);
    fixture_pass(&fixture, UINT64_C(10000000000));
    cr_assert_eq(fixture.sent_count, 0);
    fixture_release(&fixture);
    cr_assert_eq(reshard_coordinator_leads(coordinator), 1);
    cr_assert_gt(fixture_sent_of(&fixture, RESHARD__ORDER), 0);
    cr_assert_eq(fixture_order(&fixture, migration, SOURCE)->order.term, 2);
    fixture_close(&fixture);
}

/* An append of which nobody knows: it had landed. */
Test(ledger, append_unknown_that_landed_is_found_by_the_load)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    size_t loads = fixture.load_count;
    uint64_t version = reshard_map_version(reshard_coordinator_map(fixture.coordinator));
    fixture_script(&fixture, RESHARD_ACTION_APPEND, RESHARD_E_UNKNOWN, true);
    size_t appends = fixture.append_count;
    reshard_migration_id migration =
        fixture_migration(&fixture, RESHARD_MODE_SNAPSHOT, 0, 9);
    cr_assert_eq(fixture.load_count, loads + 1);
    cr_assert_eq(fixture.append_count, appends + 1);
    cr_assert_eq(
        reshard_map_version(reshard_coordinator_map(fixture.coordinator)), version + 1);
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_PREPARE);
    fixture_close(&fixture);
}

/* ... it had not: the same place is tried again, and whichever lands, lands once. */
Test(ledger, append_unknown_that_did_not_land_is_appended_again_at_its_index)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    fixture_script(&fixture, RESHARD_ACTION_APPEND, RESHARD_E_UNKNOWN, false);
    size_t appends = fixture.append_count;
    uint64_t index = fixture.append_index;
    reshard_migration_id migration =
        fixture_migration(&fixture, RESHARD_MODE_SNAPSHOT, 0, 9);
    cr_assert_eq(fixture.append_count, appends + 2);
    cr_assert_eq(fixture.append_index, index + 1);
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_PREPARE);
    fixture_close(&fixture);
}

Test(ledger, append_in_doubt_sends_nothing_and_decides_nothing)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    reshard_migration_id migration =
        fixture_migration(&fixture, RESHARD_MODE_SNAPSHOT, 0, 9);
    fixture_reach(&fixture, migration, RESHARD_PHASE_HOLD);
    fixture_tell(&fixture, migration, TARGET, RESHARD__RESULT_READY);
    fixture.hold = true;
    fixture_tell(&fixture, migration, SOURCE, RESHARD__RESULT_HELD);
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_COMMIT);
    size_t sent = fixture_sent_of(&fixture, RESHARD__ORDER);
    fixture_pass(&fixture, UINT64_C(1000000000));
    cr_assert_eq(fixture_sent_of(&fixture, RESHARD__ORDER), sent);
    cr_assert_eq(reshard_map_slot_owner(reshard_coordinator_map(fixture.coordinator), 0), 1);
    cr_assert_eq(reshard_coordinator_abort(fixture.coordinator, migration), RESHARD_E_DECIDED);
    fixture_release(&fixture);
    cr_assert_eq(reshard_map_slot_owner(reshard_coordinator_map(fixture.coordinator), 0), 2);
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_SETTLE);
    fixture_close(&fixture);
}

/* R1: C0's term is UNKNOWN, C1 takes the same term; C0 must not believe that it is its own. */
Test(ledger, load_finds_another_run_under_the_own_term_and_stops)
{
    static struct fixture other;
    fixture_init(&fixture);
    fixture_create(&fixture);
    fixture_script(&fixture, RESHARD_ACTION_APPEND, RESHARD_E_UNKNOWN, false);
    fixture.hold = true;
    cr_assert_eq(fixture_start(&fixture), RESHARD_OK);
    fixture_init(&other);
    other.config.unique = 99;
    fixture_create(&other);
    cr_assert_eq(fixture_start(&other), RESHARD_OK);
    fixture.journal = malloc(other.journal_size);
    fixture.journal_size = fixture.journal_capacity = other.journal_size;
    memcpy(fixture.journal, other.journal, other.journal_size);
    fixture_release(&fixture);
    cr_assert_eq(reshard_coordinator_leads(fixture.coordinator), RESHARD_E_FENCED);
    cr_assert_eq(fixture.sent_count, 0);
    fixture_close(&fixture);
    fixture_close(&other);
}

/* A successor's records behind the own ones. */
Test(ledger, load_finds_a_higher_term_and_stops)
{
    static struct fixture other;
    fixture_init(&fixture);
    fixture_open(&fixture);
    fixture_init(&other);
    other.journal = malloc(fixture.journal_size);
    other.journal_size = other.journal_capacity = fixture.journal_size;
    memcpy(other.journal, fixture.journal, fixture.journal_size);
    fixture_restart(&other);
    cr_assert_eq(fixture_start(&other), RESHARD_OK);
    free(fixture.journal);
    fixture.journal = other.journal;
    fixture.journal_size = other.journal_size;
    other.journal = NULL;
    fixture_script(&fixture, RESHARD_ACTION_APPEND, RESHARD_E_UNKNOWN, false);
    cr_assert_eq(fixture_primary(&fixture, 1, 12), RESHARD_OK);
    cr_assert_eq(reshard_coordinator_leads(fixture.coordinator), RESHARD_E_FENCED);
    struct reshard_event event;
    cr_assert_eq(fixture_events(&fixture, RESHARD_EVENT_FENCED, &event), 1);
    fixture_close(&fixture);
    fixture_close(&other);
}

Test(ledger, append_fenced_stops_everything)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    reshard_migration_id migration =
        fixture_migration(&fixture, RESHARD_MODE_SNAPSHOT, 0, 9);
    struct reshard__message report =
        fixture_report(&fixture, migration, SOURCE, RESHARD__RESULT_PREPARED);
    fixture_script(&fixture, RESHARD_ACTION_APPEND, RESHARD_E_FENCED, false);
    struct reshard_coordinator *coordinator = fixture.coordinator;
    /* Something is on its way when it happens: it is still completed. */
    fixture.now_ns += UINT64_C(10000000000);
    cr_assert_eq(reshard_coordinator_tick(coordinator, fixture.now_ns), RESHARD_OK);
    struct reshard_action send;
    reshard_action_init(&send);
    cr_assert_eq(reshard_coordinator_action_next(coordinator, &send), RESHARD_OK);
    cr_assert_eq(send.kind, RESHARD_ACTION_SEND);
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_PRIMARY;
    change.shard = 1;
    change.node = 12;
    cr_assert_eq(reshard_coordinator_change(coordinator, &change), RESHARD_OK);
    fixture_pump(&fixture);
    cr_assert_eq(reshard_coordinator_leads(coordinator), RESHARD_E_FENCED);
    cr_assert_eq(reshard_coordinator_complete(coordinator, send.id, NULL, 0), RESHARD_OK);
    cr_assert_eq(
        reshard_coordinator_complete(coordinator, send.id, NULL, 0), RESHARD_E_ARGUMENT);
    size_t sent = fixture.sent_count;
    cr_assert_eq(reshard_coordinator_change(coordinator, &change), RESHARD_E_FENCED);
    cr_assert_eq(reshard_coordinator_tick(coordinator, fixture.now_ns), RESHARD_E_FENCED);
    cr_assert_eq(reshard_coordinator_abort(coordinator, migration), RESHARD_E_FENCED);
    cr_assert_eq(fixture_say(&fixture, 11, &report), RESHARD_E_FENCED);
    cr_assert_eq(reshard_coordinator_action_next(coordinator, &send), RESHARD_E_EMPTY);
    cr_assert_eq(reshard_coordinator_deadline(coordinator), UINT64_MAX);
    cr_assert_eq(fixture.sent_count, sent);
    fixture_close(&fixture);
}

/* The first doubt is looked into at once; a journal that keeps failing is not asked without end. */
Test(ledger, doubt_that_repeats_waits)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    fixture_pass(&fixture, 1);
    fixture_script(&fixture, RESHARD_ACTION_APPEND, RESHARD_E_HOOK, false);
    fixture.script_left = 3;
    cr_assert_eq(fixture_primary(&fixture, 1, 12), RESHARD_OK);
    cr_assert_eq(fixture.script_left, 1, "failed, loaded, failed again: and waits");
    cr_assert_eq(reshard_coordinator_deadline(fixture.coordinator),
        fixture.now_ns + fixture.coordinator->config.retry_ns);
    fixture_pass(&fixture, 1);
    cr_assert_eq(fixture.script_left, 1);
    fixture_pass(&fixture, fixture.coordinator->config.retry_ns);
    cr_assert_eq(fixture.script_left, 0);
    fixture_pass(&fixture, fixture.coordinator->config.retry_ns);
    struct reshard_map_shard shard = {.struct_size = sizeof shard};
    (void)reshard_map_shard_find(reshard_coordinator_map(fixture.coordinator), 1, &shard);
    cr_assert_eq(shard.primary, 12);
    struct reshard_event event;
    cr_assert_eq(fixture_events(&fixture, RESHARD_EVENT_HOOK_FAILED, &event), 3);
    cr_assert_eq(event.status, RESHARD_E_HOOK);
    cr_assert_eq(event.value, RESHARD_ACTION_APPEND);
    fixture_close(&fixture);
}

Test(ledger, load_that_fails_is_asked_again_later)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    fixture.hold = true;
    cr_assert_eq(fixture_primary(&fixture, 1, 12), RESHARD_OK);
    struct reshard_completion completion;
    reshard_completion_init(&completion);
    completion.status = RESHARD_E_UNKNOWN;
    fixture.hold = false;
    fixture_script(&fixture, RESHARD_ACTION_LOAD, RESHARD_E_HOOK, false);
    cr_assert_eq(reshard_coordinator_complete(fixture.coordinator, fixture.held[0].id,
                     &completion, fixture.now_ns),
        RESHARD_OK);
    fixture_pump(&fixture);
    size_t loads = fixture.load_count;
    fixture_pass(&fixture, 1);
    cr_assert_eq(fixture.load_count, loads);
    fixture_pass(&fixture, fixture.coordinator->config.retry_ns);
    cr_assert_eq(fixture.load_count, loads + 1);
    cr_assert_eq(reshard_coordinator_leads(fixture.coordinator), 1);
    fixture_close(&fixture);
}

Test(ledger, queue_takes_as_many_changes_as_the_map_retains)
{
    fixture_init(&fixture);
    fixture_create(&fixture);
    cr_assert_eq(fixture_start(&fixture), RESHARD_OK);
    fixture.hold = true;
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_PUT;
    change.shard = 3;
    int taken = 0;
    for (int32_t status = RESHARD_OK; status == RESHARD_OK; taken += status == RESHARD_OK) {
        change.weight = 1 + taken;
        status = reshard_coordinator_change(fixture.coordinator, &change);
        cr_assert(status == RESHARD_OK || status == RESHARD_E_LIMIT);
    }
    cr_assert_eq(taken, RESHARD_MAP_RETAINED);
    fixture_pump(&fixture);
    fixture_release(&fixture);
    struct reshard_map_shard shard = {.struct_size = sizeof shard};
    (void)reshard_map_shard_find(reshard_coordinator_map(fixture.coordinator), 3, &shard);
    cr_assert_eq(shard.weight, taken);
    fixture_close(&fixture);
}

/* What waits is read back from what the map retains, whose bytes are bounded, too. */
Test(ledger, queue_takes_as_many_bytes_as_the_map_retains)
{
    enum { SLOTS = 1 << 20 };
    struct reshard_range *ranges = malloc(SLOTS / 2 * sizeof *ranges);
    for (uint32_t i = 0; i < SLOTS / 2; i++)
        ranges[i].first = ranges[i].last = 2 * i;
    fixture_init(&fixture);
    fixture.config.slot_count = SLOTS;
    fixture_create(&fixture);
    cr_assert_eq(fixture_start(&fixture), RESHARD_OK);
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_PUT;
    change.shard = 1;
    change.weight = 1;
    cr_assert_eq(fixture_change(&fixture, &change), RESHARD_OK);
    change.kind = RESHARD_CHANGE_ASSIGN;
    change.weight = 0;
    change.ranges = ranges;
    change.range_count = SLOTS / 2;
    fixture.hold = true;
    cr_assert_eq(fixture_change(&fixture, &change), RESHARD_OK);
    change.kind = RESHARD_CHANGE_UNASSIGN;
    cr_assert_eq(fixture_change(&fixture, &change), RESHARD_E_LIMIT);
    fixture_release(&fixture);
    cr_assert_eq(fixture_change(&fixture, &change), RESHARD_OK);
    cr_assert_eq(reshard_map_slot_owner(reshard_coordinator_map(fixture.coordinator), 0), 0);
    cr_assert_eq(fixture.coordinator->ledger.waiting_size, 0);
    fixture_close(&fixture);
    free(ranges);
}

/* ---- what nobody waits for ---- */

enum { GATHER_NS = 5000000 };

/* One slot of an operator who works by hand, up to where its source purges, and its end. */
static reshard_migration_id by_hand_cleaned(uint32_t slot)
{
    struct reshard_migration_spec spec;
    reshard_migration_spec_init(&spec);
    spec.mode = RESHARD_MODE_KEYWISE;
    spec.migration_flags = RESHARD_MIGRATION_OPERATOR;
    reshard_migration_id migration = fixture_migration_of(&fixture, &spec, slot, slot);
    fixture_reach(&fixture, migration, RESHARD_PHASE_MOVE);
    cr_assert_eq(reshard_coordinator_finish(fixture.coordinator, migration), RESHARD_OK);
    fixture_reach(&fixture, migration, RESHARD_PHASE_CLEANUP);
    return migration;
}

static reshard_migration_id by_hand_moved(uint32_t slot)
{
    reshard_migration_id migration = by_hand_cleaned(slot);
    fixture_tell(&fixture, migration, SOURCE, RESHARD__RESULT_PURGED);
    return migration;
}

static void gather_open(void)
{
    struct reshard_change change;
    fixture_init(&fixture);
    fixture.config.gather_ns = GATHER_NS;
    fixture_open(&fixture);
    reshard_change_init(&change); /* a node that has no part in it */
    change.kind = RESHARD_CHANGE_SHARD_PUT;
    change.shard = 3;
    change.weight = 1;
    cr_assert_eq(fixture_change(&fixture, &change), RESHARD_OK);
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_NODE_PUT;
    change.shard = 3;
    change.node = 31;
    change.role = RESHARD_ROLE_REPLICA;
    cr_assert_eq(fixture_change(&fixture, &change), RESHARD_OK);
    fixture_pass(&fixture, UINT64_C(2000000000)); /* all know all */
}

static size_t maps_told(reshard_node_id node, size_t since)
{
    size_t count = 0;
    for (size_t i = since; i < fixture.sent_count; i++)
        count += fixture.sent[i].to == node && fixture.sent[i].message.type == RESHARD__MAP;
    return count;
}

Test(ledger, end_by_hand_is_appended_with_the_next_opening)
{
    gather_open();
    reshard_migration_id first = by_hand_moved(0);
    size_t appends = fixture.append_count;
    uint64_t version = reshard_map_version(reshard_coordinator_map(fixture.coordinator));
    cr_assert_eq(fixture_phase(&fixture, first), RESHARD_PHASE_DONE, "it waits");
    reshard_migration_id second = fixture_migration(&fixture, RESHARD_MODE_KEYWISE, 1, 1);
    cr_assert_eq(fixture.append_count, appends + 1);
    cr_assert_eq(
        reshard_map_version(reshard_coordinator_map(fixture.coordinator)), version + 2);
    cr_assert_eq(fixture_phase(&fixture, first), RESHARD_PHASE_COUNT);
    cr_assert_eq(fixture_phase(&fixture, second), RESHARD_PHASE_PREPARE);
    fixture_reach(&fixture, second, RESHARD_PHASE_COUNT);
    struct reshard_digest before, after;
    (void)reshard_map_digest(reshard_coordinator_map(fixture.coordinator), &before);
    fixture_restart(&fixture);
    (void)reshard_map_digest(reshard_coordinator_map(fixture.coordinator), &after);
    cr_assert(fixture_same(&before, &after), "both records are read back");
    fixture_close(&fixture);
}

Test(ledger, end_by_hand_waits_no_longer_than_it_may)
{
    gather_open();
    reshard_migration_id migration = by_hand_moved(0);
    size_t appends = fixture.append_count;
    cr_assert_leq(
        reshard_coordinator_deadline(fixture.coordinator), fixture.now_ns + GATHER_NS);
    fixture_pass(&fixture, GATHER_NS - 1);
    cr_assert_eq(fixture.append_count, appends);
    fixture_pass(&fixture, 1);
    cr_assert_eq(fixture.append_count, appends + 1);
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_COUNT);
    fixture_close(&fixture);
}

/* It may land late: what is written again at its place must be the same. */
Test(ledger, end_in_doubt_is_appended_again_without_what_came_since)
{
    gather_open();
    reshard_migration_id first = by_hand_moved(0);
    fixture.hold = true;
    fixture_pass(&fixture, GATHER_NS);
    size_t appends = fixture.append_count;
    uint64_t index = fixture.append_index;
    reshard_migration_id second = fixture_migration(&fixture, RESHARD_MODE_KEYWISE, 1, 1);
    fixture_script(&fixture, RESHARD_ACTION_APPEND, RESHARD_E_UNKNOWN, false);
    fixture_release(&fixture);
    cr_assert_eq(fixture.append_count, appends + 3);
    cr_assert_eq(fixture.append_index, index + 2, "the end, and behind it what came since");
    cr_assert_eq(fixture_phase(&fixture, first), RESHARD_PHASE_COUNT);
    cr_assert_eq(fixture_phase(&fixture, second), RESHARD_PHASE_PREPARE);
    fixture_close(&fixture);
}

/* An end and an opening in doubt: both again, and nothing more. */
Test(ledger, both_records_in_doubt_are_appended_again)
{
    gather_open();
    reshard_migration_id first = by_hand_moved(0);
    uint64_t version = reshard_map_version(reshard_coordinator_map(fixture.coordinator));
    fixture_script(&fixture, RESHARD_ACTION_APPEND, RESHARD_E_UNKNOWN, false);
    size_t appends = fixture.append_count;
    reshard_migration_id second = fixture_migration(&fixture, RESHARD_MODE_KEYWISE, 1, 1);
    cr_assert_eq(fixture.append_count, appends + 2);
    cr_assert_eq(
        reshard_map_version(reshard_coordinator_map(fixture.coordinator)), version + 2);
    cr_assert_eq(fixture_phase(&fixture, first), RESHARD_PHASE_COUNT);
    cr_assert_eq(fixture_phase(&fixture, second), RESHARD_PHASE_PREPARE);
    fixture_close(&fixture);
}

Test(ledger, ends_by_hand_wait_for_each_other)
{
    gather_open();
    reshard_migration_id first = by_hand_cleaned(0), second = by_hand_cleaned(1);
    fixture_tell(&fixture, first, SOURCE, RESHARD__RESULT_PURGED);
    size_t appends = fixture.append_count;
    fixture_pass(&fixture, GATHER_NS / 2);
    fixture_tell(&fixture, second, SOURCE, RESHARD__RESULT_PURGED);
    cr_assert_eq(fixture.append_count, appends);
    cr_assert_eq(fixture_phase(&fixture, first), RESHARD_PHASE_DONE);
    cr_assert_eq(fixture_phase(&fixture, second), RESHARD_PHASE_DONE);
    fixture_pass(&fixture, GATHER_NS / 2);
    cr_assert_eq(fixture.append_count, appends + 1);
    cr_assert_eq(fixture_phase(&fixture, first), RESHARD_PHASE_COUNT);
    cr_assert_eq(fixture_phase(&fixture, second), RESHARD_PHASE_COUNT);
    fixture_close(&fixture);
}

/* Opened one right after the other: the first is on its way to the disk when the others come. */
static size_t appends_of_three(uint64_t gather_ns)
{
    struct reshard_migration_spec spec;
    reshard_migration_id migration;
    fixture_init(&fixture);
    fixture.config.gather_ns = gather_ns;
    fixture_open(&fixture);
    size_t appends = fixture.append_count;
    for (uint32_t slot = 0; slot < 3; slot++) {
        const struct reshard_range range = {slot, slot};
        reshard_migration_spec_init(&spec);
        spec.mode = RESHARD_MODE_SNAPSHOT;
        spec.source = 1;
        spec.target = 2;
        spec.ranges = &range;
        spec.range_count = 1;
        cr_assert_eq(
            reshard_coordinator_open(fixture.coordinator, &spec, &migration), RESHARD_OK);
    }
    fixture_pump(&fixture);
    cr_assert_eq(reshard_map_migration_count(reshard_coordinator_map(fixture.coordinator)), 3);
    appends = fixture.append_count - appends;
    fixture_restart(&fixture);
    cr_assert_eq(reshard_map_migration_count(reshard_coordinator_map(fixture.coordinator)), 3);
    fixture_close(&fixture);
    return appends;
}

Test(ledger, what_waits_is_appended_together_where_ends_may_wait)
{
    cr_assert_eq(appends_of_three(0), 3);
    cr_assert_eq(appends_of_three(GATHER_NS), 2);
}

Test(ledger, end_of_what_runs_by_itself_does_not_wait)
{
    gather_open();
    reshard_migration_id migration = fixture_migration(&fixture, RESHARD_MODE_KEYWISE, 0, 0);
    fixture_reach(&fixture, migration, RESHARD_PHASE_CLEANUP);
    fixture_tell(&fixture, migration, SOURCE, RESHARD__RESULT_PURGED);
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_COUNT);
    fixture_close(&fixture);
}

Test(ledger, change_behind_a_waiting_end_is_followed_once_there_is_memory)
{
    for (size_t fail_at = 1; fail_at < 40; fail_at++) {
        gather_open();
        reshard_migration_id first = by_hand_moved(0);
        fixture.alloc.fail_at = fixture.alloc.calls + fail_at;
        struct reshard_migration_spec spec;
        struct reshard_range range = {1, 1};
        reshard_migration_id second = 0;
        reshard_migration_spec_init(&spec);
        spec.mode = RESHARD_MODE_KEYWISE;
        spec.source = 1;
        spec.target = 2;
        spec.ranges = &range;
        spec.range_count = 1;
        int32_t status = reshard_coordinator_open(fixture.coordinator, &spec, &second);
        fixture_pump(&fixture);
        fixture.alloc.fail_at = 0;
        fixture_pass(&fixture, UINT64_C(1000000000));
        cr_assert_eq(fixture_phase(&fixture, first), RESHARD_PHASE_COUNT);
        if (status == RESHARD_OK)
            cr_assert_eq(fixture_phase(&fixture, second), RESHARD_PHASE_PREPARE);
        fixture_close(&fixture);
    }
}

Test(ledger, opening_by_hand_is_told_at_once_to_those_who_have_a_part_in_it)
{
    gather_open();
    size_t since = fixture.sent_count;
    struct reshard_migration_spec spec;
    reshard_migration_spec_init(&spec);
    spec.mode = RESHARD_MODE_KEYWISE;
    spec.migration_flags = RESHARD_MIGRATION_OPERATOR;
    reshard_migration_id migration = fixture_migration_of(&fixture, &spec, 0, 0);
    cr_assert_eq(maps_told(11, since), 1);
    cr_assert_eq(maps_told(21, since), 1);
    cr_assert_eq(maps_told(31, since), 0);
    cr_assert_leq(
        reshard_coordinator_deadline(fixture.coordinator), fixture.now_ns + GATHER_NS);
    fixture_pass(&fixture, GATHER_NS);
    cr_assert_eq(maps_told(31, since), 1, "the others hear of it a little later");
    cr_assert_eq(maps_told(11, since), 1);
    fixture_reach(&fixture, migration, RESHARD_PHASE_MOVE);
    since = fixture.sent_count;
    cr_assert_eq(reshard_coordinator_finish(fixture.coordinator, migration), RESHARD_OK);
    fixture_reach(&fixture, migration, RESHARD_PHASE_SETTLE);
    cr_assert_eq(maps_told(31, since), 1, "and of the commit at once");
    fixture_close(&fixture);
}
