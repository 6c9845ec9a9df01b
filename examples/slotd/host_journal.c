/* SPDX-License-Identifier: MIT */
/* Room host: the library's records in the store's journal, one entry an append. The directory's
 * lock makes this process the only writer, so compare-and-set needs no more than a comparison. */
#include "host.h"

#include <reshard/journal.h>

static int32_t entry_check(
    struct bytes entry, struct reshard_journal_report *report)
{
    reshard_journal_report_init(report);
    int32_t status = reshard_journal_check(entry.data, entry.size, report);
    return status != RESHARD_OK ? status : report->verdict;
}

/* For the coordinator's journal: compare-and-set on (term, index). */
static int32_t authority(struct host_journal *journal, const struct reshard_action *action)
{
    if (journal->stream != HOST_STREAM_COORDINATOR)
        return RESHARD_OK;
    if (action->term < journal->last_term)
        return RESHARD_E_FENCED;
    if (action->index != journal->last_index + 1)
        return RESHARD_E_UNKNOWN;
    journal->last_term = action->term;
    journal->last_index = action->index + action->record_count - 1;
    return RESHARD_OK;
}

static int32_t on_append(void *user_data, const struct reshard_action *action,
    struct reshard_completion *completion)
{
    struct host_journal *journal = user_data;
    struct bytes entry = {action->header, action->header_size};
    int32_t status = authority(journal, action);
    if (status != RESHARD_OK)
        return status;
    store_journal_append(journal->store, journal->stream, action->index, entry);
    if (journal->stream == HOST_STREAM_COORDINATOR) /* no replica has it */
        return host_power_wait(journal->sync, journal->driver, action, completion);
    if (action->durability != RESHARD_DURABILITY_FULL) /* as a write: by the turn's commit */
        return host_replicas_wait(journal->sync, journal->driver, action, completion);
    return host_sync_wait(journal->sync, journal->driver, action, completion);
}

static int32_t on_load(void *user_data, const struct reshard_action *action,
    struct reshard_completion *completion)
{
    struct host_journal *journal = user_data;
    struct reshard_journal_report report;
    struct buffer all = {0};
    struct bytes entry;
    uint64_t index = 0;
    (void)action;
    (void)completion;
    for (; store_journal_next(journal->store, journal->stream, &index, &entry); index++)
        buffer_append(&all, entry.data, entry.size);
    int32_t status = entry_check((struct bytes){all.data, all.size}, &report);
    if (status == RESHARD_OK && all.size > 0)
        status = reshard_driver_restore(journal->driver, all.data, all.size);
    if (status == RESHARD_OK) {
        journal->last_index = report.last_index;
        journal->last_term = report.last_term;
    }
    buffer_free(&all);
    return status;
}

static int32_t on_compact(void *user_data, const struct reshard_action *action,
    struct reshard_completion *completion)
{
    struct host_journal *journal = user_data;
    struct reshard_journal_report report;
    struct bytes entry = {action->header, action->header_size};
    if (entry_check(entry, &report) != RESHARD_OK)
        return RESHARD_E_HOOK;
    int32_t status = authority(journal, action);
    if (status != RESHARD_OK)
        return status;
    store_journal_remove(journal->store, journal->stream, 0, UINT64_MAX);
    store_journal_append(journal->store, journal->stream, report.first_index, entry);
    if (journal->stream == HOST_STREAM_COORDINATOR)
        return host_power_wait(journal->sync, journal->driver, action, completion);
    return host_sync_wait(journal->sync, journal->driver, action, completion);
}

void host_journal_hooks(struct host_journal *journal, struct reshard_journal *hooks_out)
{
    reshard_journal_init(hooks_out);
    hooks_out->user_data = journal;
    hooks_out->append = on_append;
    hooks_out->load = on_load;
    hooks_out->compact = on_compact;
}
