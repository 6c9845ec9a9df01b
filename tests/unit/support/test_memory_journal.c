/* SPDX-License-Identifier: MIT */
#include "memory_journal.h"
#include "records.h"

#include <string.h>

static int32_t append(
    struct memory_journal *journal, struct records *records, uint64_t term, uint64_t index)
{
    struct reshard_journal hooks;
    struct reshard_action action = {0};
    struct reshard_completion completion = {0};
    memory_journal_hooks(journal, &hooks);
    action.term = term;
    action.index = index;
    action.header = records_add(records, term);
    action.header_size = records_last_size(records);
    return hooks.append(hooks.user_data, &action, &completion);
}

Test(memory_journal, an_authority_compares_term_and_index)
{
    struct memory_journal journal;
    struct records *records = calloc(1, sizeof *records);
    memory_journal_init(&journal, 1);
    cr_assert_eq(append(&journal, records, 1, 1), RESHARD_OK);
    cr_assert_eq(append(&journal, records, 1, 1), RESHARD_E_UNKNOWN);
    cr_assert_eq(append(&journal, records, 1, 3), RESHARD_E_UNKNOWN);
    cr_assert_eq(append(&journal, records, 2, 2), RESHARD_OK);
    cr_assert_eq(append(&journal, records, 1, 3), RESHARD_E_FENCED);
    cr_assert_eq(journal.append_count, 2);
    memory_journal_free(&journal);
    free(records);
}

Test(memory_journal, compaction_replaces_what_was_there)
{
    struct memory_journal journal;
    struct reshard_journal hooks;
    struct reshard_completion completion = {0};
    struct reshard_action action = {0};
    struct records *records = calloc(1, sizeof *records);
    memory_journal_init(&journal, 0);
    memory_journal_hooks(&journal, &hooks);
    for (uint64_t i = 1; i <= 5; i++)
        cr_assert_eq(append(&journal, records, 1, i), RESHARD_OK);
    struct records *fresh = calloc(1, sizeof *fresh);
    (void)records_add(fresh, 1);
    (void)records_add(fresh, 1);
    action.header = fresh->bytes;
    action.header_size = fresh->size;
    cr_assert_eq(hooks.compact(hooks.user_data, &action, &completion), RESHARD_OK);
    cr_assert_eq(journal.size, fresh->size);
    cr_assert_eq(memcmp(journal.bytes, fresh->bytes, fresh->size), 0);
    cr_assert_eq(journal.last_index, 2);
    memory_journal_free(&journal);
    free(records);
    free(fresh);
}
