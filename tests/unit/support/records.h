/* SPDX-License-Identifier: MIT */
/* Real framed records to put into journals. */
#ifndef RESHARD_TESTS_SUPPORT_RECORDS_H
#define RESHARD_TESTS_SUPPORT_RECORDS_H

#include "wire/wire.h"

#include <criterion/criterion.h>

struct records {
    struct reshard__journal_position position;
    uint8_t bytes[1 << 16];
    size_t size;
    size_t ends[256]; /* where each record ends */
    size_t count;
};

/* Append one record of that term; its size grows with its number. Its start is the result. */
static inline const uint8_t *records_add(struct records *records, uint64_t term)
{
    static const uint8_t blob[64] = "what a record carries";
    struct reshard__record record = {0};
    record.kind = RESHARD__RECORD_MARK;
    record.migration = records->count + 1;
    record.blob.data = blob;
    record.blob.size = records->count % sizeof blob;
    if (records->count == 0) {
        record = (struct reshard__record){.kind = RESHARD__RECORD_IDENTITY};
        record.node = 1;
        record.slot_count = 16;
    }
    const uint8_t *start = records->bytes + records->size;
    size_t size = 0;
    cr_assert_eq(reshard__record_encode(&record, term, &records->position,
                     records->bytes + records->size, sizeof records->bytes - records->size, &size),
        RESHARD_OK);
    records->size += size;
    records->ends[records->count++] = records->size;
    return start;
}

/* Size of the newest record. */
static inline size_t records_last_size(const struct records *records)
{
    size_t before = records->count > 1 ? records->ends[records->count - 2] : 0;
    return records->size - before;
}

#endif
