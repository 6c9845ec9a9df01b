/* SPDX-License-Identifier: MIT */
#include "memory_store.h"

#include <criterion/criterion.h>
#include <string.h>

static const uint8_t *text(const char *bytes)
{
    return (const uint8_t *)bytes;
}

Test(memory_record, a_row_of_records_is_read_back)
{
    const struct memory_record records[] = {
        {MEMORY_RECORD_PUT, 77, text("key"), 3, text("value"), 5},
        {MEMORY_RECORD_DELETE, 0, text("k"), 1, NULL, 0},
        {MEMORY_RECORD_PUT, UINT64_MAX, text(""), 0, text("v"), 1},
    };
    uint8_t bytes[200];
    size_t size = 0, offset = 0;
    for (size_t i = 0; i < 3; i++) {
        memory_record_write(&records[i], bytes + size);
        size += memory_record_size(&records[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        struct memory_record read;
        cr_assert_eq(memory_record_read(bytes, size, &offset, &read), RESHARD_OK);
        cr_assert_eq(read.kind, records[i].kind);
        cr_assert_eq(read.expiry_ns, records[i].expiry_ns);
        cr_assert_eq(read.key_size, records[i].key_size);
        cr_assert_eq(read.value_size, records[i].value_size);
        cr_assert_eq(memcmp(read.key, records[i].key, read.key_size), 0);
    }
    struct memory_record none;
    cr_assert_eq(memory_record_read(bytes, size, &offset, &none), RESHARD_E_EMPTY);
}

Test(memory_record, cut_and_foreign_bytes_are_refused)
{
    const struct memory_record record = {MEMORY_RECORD_PUT, 1, text("key"), 3, text("value"), 5};
    struct memory_record read;
    uint8_t bytes[100];
    memory_record_write(&record, bytes);
    for (size_t size = 1; size < memory_record_size(&record); size++) {
        size_t offset = 0;
        cr_assert_eq(memory_record_read(bytes, size, &offset, &read), RESHARD_E_TRUNCATED);
        cr_assert_eq(offset, 0);
    }
    size_t offset = 0;
    bytes[0] = 3;
    cr_assert_eq(memory_record_read(bytes, sizeof bytes, &offset, &read), RESHARD_E_KIND);
}
