/* SPDX-License-Identifier: MIT */
#include "memory_journal.h"

#include <stdlib.h>
#include <string.h>

void memory_journal_init(struct memory_journal *journal, int authority)
{
    memset(journal, 0, sizeof *journal);
    journal->authority = authority;
}

void memory_journal_free(struct memory_journal *journal)
{
    free(journal->bytes);
    memset(journal, 0, sizeof *journal);
}

static int32_t reserve(struct memory_journal *journal, size_t size)
{
    if (size <= journal->capacity)
        return RESHARD_OK;
    size_t capacity = journal->capacity ? journal->capacity : 4096;
    while (capacity < size)
        capacity *= 2;
    uint8_t *bytes = realloc(journal->bytes, capacity);
    if (!bytes)
        return RESHARD_E_NOMEM;
    journal->bytes = bytes;
    journal->capacity = capacity;
    return RESHARD_OK;
}

/* An append may carry several records, so the exact index comes from the check. */
static int32_t look(struct memory_journal *journal)
{
    struct reshard_journal_report report;
    reshard_journal_report_init(&report);
    int32_t status = reshard_journal_check(journal->bytes, journal->size, &report);
    if (status || report.verdict)
        return status ? status : report.verdict;
    journal->last_index = report.last_index;
    if (report.last_term > journal->last_term)
        journal->last_term = report.last_term;
    return RESHARD_OK;
}

static int32_t hook_append(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct memory_journal *journal = user_data;
    (void)completion;
    if (journal->authority && action->term < journal->last_term)
        return RESHARD_E_FENCED;
    if (journal->authority && action->index != journal->last_index + 1)
        return RESHARD_E_UNKNOWN;
    int32_t status = reserve(journal, journal->size + action->header_size);
    if (status)
        return status;
    memcpy(journal->bytes + journal->size, action->header, action->header_size);
    journal->size += action->header_size;
    journal->last_index = action->index;
    journal->last_term = action->term;
    journal->append_count++;
    return RESHARD_OK;
}

static int32_t hook_load(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct memory_journal *journal = user_data;
    (void)action;
    (void)completion;
    if (!journal->size)
        return RESHARD_OK;
    int32_t status = look(journal);
    if (status)
        return status;
    return reshard_driver_restore(journal->driver, journal->bytes, journal->size);
}

static int32_t hook_compact(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct memory_journal *journal = user_data;
    (void)completion;
    if (journal->authority && action->term < journal->last_term)
        return RESHARD_E_FENCED;
    if (journal->authority && action->index != journal->last_index + 1)
        return RESHARD_E_UNKNOWN;
    int32_t status = reserve(journal, action->header_size);
    if (status)
        return status;
    memcpy(journal->bytes, action->header, action->header_size);
    journal->size = action->header_size;
    return look(journal);
}

void memory_journal_hooks(struct memory_journal *journal, struct reshard_journal *hooks_out)
{
    reshard_journal_init(hooks_out);
    hooks_out->user_data = journal;
    hooks_out->append = hook_append;
    hooks_out->load = hook_load;
    hooks_out->compact = hook_compact;
}
