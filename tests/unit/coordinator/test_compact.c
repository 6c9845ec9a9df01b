/* SPDX-License-Identifier: MIT */
/* Compaction: one record for the whole map, or none, and nobody is the worse for it. */
#include "fixture.h"
#include <criterion/criterion.h>
#include <reshard/journal.h>

static struct fixture fixture;

static void open_with(uint32_t compact_count)
{
    fixture_init(&fixture);
    fixture.config.compact_count = compact_count;
    fixture_create(&fixture);
    cr_assert_eq(fixture_start(&fixture), RESHARD_OK);
}

static void restart_and_compare(void)
{
    struct reshard_digest before, after;
    (void)reshard_map_digest(reshard_coordinator_map(fixture.coordinator), &before);
    fixture_restart(&fixture);
    (void)reshard_map_digest(reshard_coordinator_map(fixture.coordinator), &after);
    cr_assert(fixture_same(&before, &after));
    cr_assert_eq(fixture_start(&fixture), RESHARD_OK);
    cr_assert_eq(reshard_coordinator_leads(fixture.coordinator), 1);
}

Test(compact, due_journal_becomes_one_record_and_goes_on)
{
    open_with(5);
    fixture_cluster(&fixture);
    cr_assert_eq(fixture.compact_count, 2, "11 records, every 5");
    cr_assert_eq(fixture.append_index, 13, "the index goes on, the two compactions included");
    struct reshard_journal_report report;
    reshard_journal_report_init(&report);
    cr_assert_eq(
        reshard_journal_check(fixture.journal, fixture.journal_size, &report), RESHARD_OK);
    cr_assert_eq(report.verdict, RESHARD_OK);
    cr_assert_eq(report.record_count, 2);
    cr_assert_eq(report.first_index, 12);
    restart_and_compare();
    reshard_migration_id migration =
        fixture_migration(&fixture, RESHARD_MODE_SNAPSHOT, 0, 9);
    fixture_reach(&fixture, migration, RESHARD_PHASE_COUNT);
    restart_and_compare();
    fixture_close(&fixture);
}

Test(compact, restart_counts_the_records_that_it_read)
{
    open_with(100);
    fixture_cluster(&fixture);
    cr_assert_eq(fixture.compact_count, 0);
    fixture.config.compact_count = 12;
    fixture_restart(&fixture);
    cr_assert_eq(fixture_start(&fixture), RESHARD_OK);
    cr_assert_eq(fixture.compact_count, 1, "11 records and the term");
    fixture_close(&fixture);
}

Test(compact, missing_hook_is_never_asked_again)
{
    open_with(3);
    fixture_script(&fixture, RESHARD_ACTION_COMPACT, RESHARD_E_HOOK_MISSING, false);
    fixture_cluster(&fixture);
    cr_assert_eq(fixture.compact_count, 1);
    cr_assert_eq(fixture.append_count, 11);
    restart_and_compare();
    fixture_close(&fixture);
}

static void doubt(bool lands)
{
    open_with(5);
    fixture_script(&fixture, RESHARD_ACTION_COMPACT, RESHARD_E_UNKNOWN, lands);
    fixture_cluster(&fixture);
    cr_assert_eq(fixture.load_count, 1);
    cr_assert_eq(fixture.compact_count, 2, "asked again when as many records came");
    restart_and_compare();
    fixture_close(&fixture);
}

Test(compact, unknown_that_landed_is_found_by_the_load)
{
    doubt(true);
}

Test(compact, unknown_that_did_not_land_is_left)
{
    doubt(false);
}

Test(compact, fenced_answer_stops_everything)
{
    open_with(5);
    fixture_script(&fixture, RESHARD_ACTION_COMPACT, RESHARD_E_FENCED, false);
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_PUT;
    change.shard = 1;
    int32_t status = RESHARD_OK;
    for (int i = 1; i < 10 && status == RESHARD_OK; i++) {
        change.weight = i;
        status = fixture_change(&fixture, &change);
    }
    cr_assert_eq(status, RESHARD_E_FENCED);
    cr_assert_eq(fixture.append_count, 5);
    fixture_close(&fixture);
}

/* A deposed coordinator must not take the place of its successor's records. */
Test(compact, action_names_term_and_index)
{
    open_with(5);
    fixture_cluster(&fixture);
    cr_assert_eq(fixture.compact_term, 1);
    cr_assert_eq(fixture.compact_index, 12);
    fixture_restart(&fixture);
    cr_assert_eq(fixture_start(&fixture), RESHARD_OK);
    for (uint64_t node = 12; fixture.compact_term == 1; node = 23 - node)
        cr_assert_eq(fixture_primary(&fixture, 1, node), RESHARD_OK);
    cr_assert_eq(fixture.compact_term, 2);
    fixture_close(&fixture);
}

/* Each allocation from the change on fails once: the journal goes on, compacted or not. */
Test(compact, without_memory_the_journal_goes_on)
{
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        open_with(1000);
        fixture_cluster(&fixture);
        fixture.coordinator->ledger.journal.compact_count = 1;
        fixture.alloc.fail_at = fixture.alloc.calls + n;
        cr_assert_eq(fixture_primary(&fixture, 1, 12), RESHARD_OK);
        cr_assert_eq(fixture_primary(&fixture, 1, 11), RESHARD_OK);
        failed = fixture.alloc.failed > 0;
        fixture.alloc.fail_at = 0;
        fixture_pass(&fixture, fixture.coordinator->config.retry_ns);
        restart_and_compare();
        fixture_close(&fixture);
        cr_assert_lt(n, 200);
    }
}
