/* SPDX-License-Identifier: MIT */
/* Fuzz target: opening a journal. First the input as a file. Then the input as a list of what
 * happened to a good journal (bytes changed, cut out, moved, repeated, zeroed): every record that
 * is read must be one that was written, in its place in the chain. Nothing is allocated. */
#include "fuzz/memory.h"
#include "tools/wire_values.h"
#include <reshard/journal.h>

enum { RECORDS = 12, JOURNAL_MAX = 8192, DAMAGES_MAX = 8, DAMAGE_SIZE = 6 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static uint8_t original[JOURNAL_MAX];
static size_t original_size;
static size_t starts[RECORDS + 1];

static void expect(bool condition)
{
    if (!condition)
        __builtin_trap();
}

static void original_make(void)
{
    static struct wire_source source;
    struct reshard__journal_position position = {0, 0};
    wire_source_init(&source, 12);
    for (size_t i = 0; i < RECORDS; i++) {
        struct reshard__record record;
        size_t size = 0;
        memset(&record, 0, sizeof record);
        record.kind = RESHARD__RECORD_IDENTITY;
        record.node = record.slot_count = 9;
        if (i % 6 != 0)
            wire_draw_record(&source, &record);
        if (record.blob.size > 90)
            record.blob.size = 90;
        starts[i] = original_size;
        expect(reshard__record_encode(&record, 1 + i, &position, original + original_size,
                   JOURNAL_MAX - original_size, &size) == RESHARD_OK);
        original_size += size;
    }
    starts[RECORDS] = original_size;
}

static struct reshard_journal_report check(const uint8_t *bytes, size_t size)
{
    struct reshard_journal_report report, cut;
    reshard_journal_report_init(&report);
    reshard_journal_report_init(&cut);
    expect(reshard_journal_check(bytes, size, &report) == RESHARD_OK);
    expect(report.verdict <= 0 && report.good_size <= size);
    expect((report.verdict == RESHARD_OK) == (report.good_size == size));
    expect((report.record_count == 0) == (report.good_size == 0));
    /* Cut where it says, it is sound. */
    expect(reshard_journal_check(bytes, (size_t)report.good_size, &cut) == RESHARD_OK);
    expect(cut.verdict == RESHARD_OK && cut.record_count == report.record_count);
    return report;
}

static size_t number(const uint8_t *bytes, size_t below)
{
    return below > 0 ? (size_t)(bytes[0] | bytes[1] << 8) % below : 0;
}

/* One thing that happens to the file; its new size. */
static size_t damage(const uint8_t *what, uint8_t *file, size_t size)
{
    size_t at = number(what + 1, size), count = number(what + 3, size - at + 1);
    size_t to = what[5] % 2 ? starts[what[5] % RECORDS] % (size + 1) : number(what + 4, size + 1);
    static uint8_t moved[JOURNAL_MAX];
    switch (what[0] % 6) {
    case 0:
        file[at] ^= what[5];
        return size;
    case 1:
        return at;
    case 2:
        memmove(file + at, file + at + count, size - at - count);
        return size - count;
    case 3:
        memset(file + at, 0, count);
        return size;
    case 4: /* whole records, over others */
        at = starts[what[1] % RECORDS] % size;
        count = size - at < size - to ? size - at : size - to;
        memcpy(moved, file + at, count);
        memcpy(file + to, moved, count);
        return size;
    default:
        count = count < size - to ? count : size - to;
        memcpy(moved, file + at, count);
        memcpy(file + to, moved, count);
        return size;
    }
}

static void damaged_check(const uint8_t *bytes, size_t size)
{
    static uint8_t file[JOURNAL_MAX];
    size_t file_size = original_size;
    memcpy(file, original, original_size);
    for (size_t i = 0; i < DAMAGES_MAX && (i + 1) * DAMAGE_SIZE <= size && file_size > 0; i++)
        file_size = damage(bytes + i * DAMAGE_SIZE, file, file_size);
    struct reshard_journal_report report = check(file, file_size);
    if (report.record_count == 0)
        return;
    expect(report.first_index >= 1 && report.last_index <= RECORDS);
    size_t start = starts[report.first_index - 1], end = starts[report.last_index];
    expect(report.good_size == end - start);
    expect(memcmp(file, original + start, end - start) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (original_size == 0)
        original_make();
    (void)memory_watch();
    (void)check(bytes, size);
    damaged_check(bytes, size);
    memory_expect_none();
    return 0;
}
