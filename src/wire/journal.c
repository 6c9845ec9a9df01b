/* SPDX-License-Identifier: MIT */
/* Room wire: the check of a whole journal, for hosts that keep it in a file. */
#include "wire/schema.h"

#include <reshard/journal.h>
#include <string.h>

enum { REPORT_SIZE_FIRST = 72 };

void reshard_journal_report_init(struct reshard_journal_report *report)
{
    if (!report)
        return;
    memset(report, 0, sizeof *report);
    report->struct_size = (uint32_t)sizeof *report;
}

int32_t reshard_journal_check(
    const uint8_t *bytes, size_t size, struct reshard_journal_report *report)
{
    struct reshard__journal_position position = {0, 0};
    struct reshard__record record;
    struct reshard_journal_report found;
    size_t offset = 0;
    int32_t status;
    if (!report || (!bytes && size > 0))
        return RESHARD_E_NULL;
    reshard_journal_report_init(&found);
    while (!(status = reshard__record_decode(
                 bytes, size, &offset, &position, &found.last_term, &record))) {
        if (found.record_count++ == 0)
            found.first_index = position.index;
        found.last_index = position.index;
        found.last_digest = position.digest;
    }
    found.verdict = status == RESHARD_E_EMPTY ? RESHARD_OK : status;
    found.good_size = offset;
    if (found.verdict) {
        found.lost_size = size - offset;
        size_t sound = reshard__record_scan(bytes, size, offset + 1);
        found.sound_offset = sound < size ? sound : 0;
    }
    return reshard__struct_export(report, REPORT_SIZE_FIRST, &found, sizeof found);
}
