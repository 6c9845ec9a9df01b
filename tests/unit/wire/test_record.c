/* SPDX-License-Identifier: MIT */
/* Journal records: round trip, and every kind of damage to a journal of 50. */
#include "tools/wire_values.h"
#include <criterion/criterion.h>
#include <reshard/journal.h>

enum { RECORDS = 50, JOURNAL_MAX = 65536 };

struct journal {
    uint8_t bytes[JOURNAL_MAX];
    size_t size;
    size_t starts[RECORDS + 1]; /* starts[i]: where record i (from 0) begins */
};

static void journal_make(struct journal *journal, uint64_t seed, uint64_t base, uint64_t digest)
{
    static struct wire_source source;
    struct reshard__journal_position position = {base, digest};
    wire_source_init(&source, seed);
    journal->size = 0;
    for (size_t i = 0; i < RECORDS; i++) {
        struct reshard__record record;
        size_t size = 0;
        wire_draw_record(&source, &record);
        if (i == 0) { /* unlike that of any other seed */
            memset(&record, 0, sizeof record);
            record.kind = RESHARD__RECORD_IDENTITY;
            record.node = seed;
            record.slot_count = 16384;
        }
        if (record.blob.size > 40)
            record.blob.size = 40; /* keeps the product of flips and lengths small */
        journal->starts[i] = journal->size;
        cr_assert_eq(reshard__record_encode(&record, 3 + i / 10, &position,
                         journal->bytes + journal->size, JOURNAL_MAX - journal->size, &size),
            RESHARD_OK);
        journal->size += size;
    }
    journal->starts[RECORDS] = journal->size;
}

static struct reshard_journal_report check(const uint8_t *bytes, size_t size)
{
    struct reshard_journal_report report;
    reshard_journal_report_init(&report);
    cr_assert_eq(reshard_journal_check(bytes, size, &report), RESHARD_OK);
    return report;
}

static size_t whole_records(const struct journal *journal, size_t size)
{
    size_t count = 0;
    while (count < RECORDS && journal->starts[count + 1] <= size)
        count++;
    return count;
}

Test(record, generated_value_comes_back_and_encodes_the_same, .timeout = 300)
{
    static struct wire_source source;
    struct reshard__journal_position writer = {0, 0}, reader = {0, 0}, again_at;
    wire_source_init(&source, 20240504);
    for (uint32_t i = 0; i < 400000; i++) {
        struct reshard__record in, out;
        uint8_t bytes[2048], again[2048];
        size_t size = 0, size_again = 0, offset = 0;
        uint64_t term_in = reshard__random_next(&source.seed), term = 0;
        again_at = writer;
        do
            wire_draw_record(&source, &in);
        while (i == 0 && in.kind != RESHARD__RECORD_IDENTITY);
        cr_assert_eq(
            reshard__record_encode(&in, term_in, &writer, bytes, sizeof bytes, &size), RESHARD_OK);
        memset(&out, 0xEE, sizeof out);
        cr_assert_eq(
            reshard__record_decode(bytes, size, &offset, &reader, &term, &out), RESHARD_OK);
        cr_assert_eq(offset, size);
        cr_assert_eq(out.kind, in.kind);
        cr_assert_eq(term, term_in);
        cr_assert(reader.index == writer.index && reader.digest == writer.digest);
        cr_assert(wire_fields_equal(&reshard__record_schemas.rows[in.kind - 1], &in, &out),
            "seed 20240504, value %u", i);
        cr_assert_eq(
            reshard__record_encode(&out, term, &again_at, again, sizeof again, &size_again),
            RESHARD_OK);
        cr_assert(size_again == size && memcmp(bytes, again, size) == 0);
    }
}

Test(record, undamaged_journal_is_sound)
{
    static struct journal journal;
    journal_make(&journal, 1, 0, 0);
    struct reshard_journal_report report = check(journal.bytes, journal.size);
    cr_assert_eq(report.verdict, RESHARD_OK);
    cr_assert_eq(report.record_count, RECORDS);
    cr_assert_eq(report.first_index, 1);
    cr_assert_eq(report.last_index, RECORDS);
    cr_assert_eq(report.last_term, 7);
    cr_assert_eq(report.good_size, journal.size);
    cr_assert_eq(report.lost_size, 0);
    cr_assert_eq(check(NULL, 0).verdict, RESHARD_OK);
}

Test(record, every_truncation_is_a_clean_end_or_torn)
{
    static struct journal journal;
    journal_make(&journal, 2, 0, 0);
    for (size_t size = 0; size < journal.size; size++) {
        struct reshard_journal_report report = check(journal.bytes, size);
        size_t whole = whole_records(&journal, size);
        bool clean = journal.starts[whole] == size;
        cr_assert_eq(report.verdict, clean ? RESHARD_OK : RESHARD_E_TORN, "size %zu", size);
        cr_assert_eq(report.record_count, whole);
        cr_assert_eq(report.last_index, whole); /* a lost suffix shows here */
        cr_assert_eq(report.good_size, journal.starts[whole]);
        cr_assert_eq(report.lost_size, size - journal.starts[whole]);
    }
}

Test(record, every_truncation_that_reads_as_zeros_is_torn)
{
    static struct journal journal;
    static uint8_t bytes[JOURNAL_MAX];
    journal_make(&journal, 3, 0, 0);
    for (size_t i = 45; i < RECORDS; i++) {
        size_t start = journal.starts[i], end = journal.starts[i + 1];
        for (size_t written = start; written + 8 <= end; written++) {
            memset(bytes, 0, sizeof bytes);
            memcpy(bytes, journal.bytes, written);
            /* a file that was extended to the record's end, and one that reaches far beyond */
            for (size_t size = end; size <= end + 4096; size += 4096) {
                struct reshard_journal_report report = check(bytes, size);
                cr_assert_eq(report.verdict, RESHARD_E_TORN, "written %zu", written - start);
                cr_assert_eq(report.good_size, start);
            }
        }
    }
}

Test(record, every_bit_flip_is_refused_where_it_is, .timeout = 300)
{
    static struct journal journal;
    journal_make(&journal, 4, 0, 0);
    for (size_t bit = 0; bit < 8 * journal.size; bit++) {
        journal.bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        struct reshard_journal_report report = check(journal.bytes, journal.size);
        journal.bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        size_t whole = whole_records(&journal, bit / 8);
        cr_assert_eq(report.verdict, RESHARD_E_CHECKSUM, "bit %zu", bit);
        cr_assert_eq(report.good_size, journal.starts[whole]);
        cr_assert_eq(report.record_count, whole);
        size_t next = whole + 1 < RECORDS ? journal.starts[whole + 1] : 0;
        cr_assert_eq(report.sound_offset, next);
    }
}

/* A journal put together from the records of another, in the order given. */
static struct reshard_journal_report check_order(
    const struct journal *journal, const size_t *order, size_t count)
{
    static uint8_t bytes[2 * JOURNAL_MAX];
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        size_t start = journal->starts[order[i]], size = journal->starts[order[i] + 1] - start;
        memcpy(bytes + used, journal->bytes + start, size);
        used += size;
    }
    return check(bytes, used);
}

Test(record, every_swap_of_two_records_is_refused)
{
    static struct journal journal;
    journal_make(&journal, 5, 0, 0);
    for (size_t a = 0; a < RECORDS; a++)
        for (size_t b = a + 1; b < RECORDS; b++) {
            size_t order[RECORDS];
            for (size_t i = 0; i < RECORDS; i++)
                order[i] = i == a ? b : i == b ? a : i;
            struct reshard_journal_report report = check_order(&journal, order, RECORDS);
            /* A record that may begin a journal may stand first; then its successor is missed. */
            if (a > 0)
                cr_assert_eq(report.good_size, journal.starts[a]);
            cr_assert_eq(report.verdict, RESHARD_E_CHAIN, "%zu and %zu", a, b);
            cr_assert_leq(report.record_count, a + 1);
        }
}

Test(record, every_repeat_of_a_record_is_refused)
{
    static struct journal journal;
    journal_make(&journal, 6, 0, 0);
    for (size_t a = 0; a < RECORDS; a++)
        for (size_t at = a + 1; at <= RECORDS; at++) {
            size_t order[RECORDS + 1];
            for (size_t i = 0; i <= RECORDS; i++)
                order[i] = i < at ? i : i == at ? a : i - 1;
            struct reshard_journal_report report = check_order(&journal, order, RECORDS + 1);
            cr_assert_eq(report.verdict, RESHARD_E_CHAIN, "%zu at %zu", a, at);
            cr_assert_eq(report.good_size, journal.starts[at]);
        }
}

Test(record, every_lost_middle_is_refused)
{
    static struct journal journal;
    journal_make(&journal, 7, 0, 0);
    for (size_t first = 1; first < RECORDS - 1; first++)
        for (size_t last = first; last < RECORDS - 1; last++) {
            size_t order[RECORDS], count = 0;
            for (size_t i = 0; i < RECORDS; i++)
                if (i < first || i > last)
                    order[count++] = i;
            struct reshard_journal_report report = check_order(&journal, order, count);
            cr_assert_eq(report.verdict, RESHARD_E_CHAIN);
            cr_assert_eq(report.good_size, journal.starts[first]);
        }
}

Test(record, bytes_cut_out_of_the_middle_are_never_called_torn)
{
    static struct journal journal;
    static uint8_t bytes[JOURNAL_MAX];
    uint64_t seed = 8;
    journal_make(&journal, seed, 0, 0);
    for (size_t i = 0; i < 20000; i++) {
        /* The last record stays whole: it is the sound successor. */
        size_t at = reshard__random_next(&seed) % journal.starts[RECORDS - 1];
        size_t most = journal.starts[RECORDS - 1] - at;
        size_t cut = 1 + reshard__random_next(&seed) % (most < 300 ? most : 300);
        memcpy(bytes, journal.bytes, at);
        memcpy(bytes + at, journal.bytes + at + cut, journal.size - at - cut);
        struct reshard_journal_report report = check(bytes, journal.size - cut);
        cr_assert(report.verdict == RESHARD_E_CHECKSUM || report.verdict == RESHARD_E_CHAIN);
        cr_assert_eq(memcmp(bytes, journal.bytes, (size_t)report.good_size), 0);
    }
}

Test(record, stale_tail_of_an_older_journal_is_refused)
{
    static struct journal old, fresh;
    static uint8_t bytes[JOURNAL_MAX];
    journal_make(&old, 9, 0, 0);
    journal_make(&fresh, 10, 0, 0);
    for (size_t kept = 1; kept < RECORDS; kept++) {
        size_t start = old.starts[kept];
        memcpy(bytes, fresh.bytes, fresh.starts[kept]);
        memcpy(bytes + fresh.starts[kept], old.bytes + start, old.size - start);
        struct reshard_journal_report report = check(bytes, fresh.starts[kept] + old.size - start);
        cr_assert_eq(report.verdict, RESHARD_E_CHAIN); /* right index, other predecessor */
        cr_assert_eq(report.good_size, fresh.starts[kept]);
    }
}

Test(record, compacted_journal_goes_on_in_the_chain)
{
    static struct journal journal;
    struct reshard__journal_position position = {41, 0x1234567890ABCDEF}, reader = {0, 0};
    struct reshard__record record;
    uint64_t term;
    size_t offset = 0;
    journal_make(&journal, 11, position.index, position.digest);
    struct reshard_journal_report report = check(journal.bytes, journal.size);
    cr_assert_eq(report.verdict, RESHARD_OK);
    cr_assert_eq(report.first_index, 42);
    cr_assert_eq(report.last_index, 91);
    cr_assert_eq(
        reshard__record_decode(journal.bytes, journal.size, &offset, &reader, &term, &record),
        RESHARD_OK);
    cr_assert_eq(reader.index, 42);
    /* Behind the journal that it replaced it fits as well; behind another it does not. */
    offset = 0;
    cr_assert_eq(
        reshard__record_decode(journal.bytes, journal.size, &offset, &position, &term, &record),
        RESHARD_OK);
    struct reshard__journal_position other = {41, 5};
    offset = 0;
    cr_assert_eq(
        reshard__record_decode(journal.bytes, journal.size, &offset, &other, &term, &record),
        RESHARD_E_CHAIN);
    cr_assert(offset == 0 && other.index == 41 && other.digest == 5);
}

Test(record, journal_begins_only_with_a_record_that_needs_none_before)
{
    uint8_t bytes[1024];
    for (uint32_t kind = 1; kind <= reshard__record_schemas.row_count; kind++)
        for (uint64_t base = 0; base < 2; base++) {
            struct reshard__journal_position writer = {base, base * 7}, reader = {0, 0};
            struct reshard__record record, out;
            size_t size, offset = 0;
            uint64_t term;
            memset(&record, 0, sizeof record);
            record.kind = kind;
            record.node = record.slot_count = record.migration = 1;
            record.blob = (struct reshard__bytes){bytes + 1000, 1};
            cr_assert_eq(
                reshard__record_encode(&record, 1, &writer, bytes, 900, &size), RESHARD_OK);
            bool may = kind == RESHARD__RECORD_IDENTITY || kind == RESHARD__RECORD_MAP ||
                       (kind == RESHARD__RECORD_CHANGE && base == 0);
            cr_assert_eq(reshard__record_decode(bytes, size, &offset, &reader, &term, &out),
                may ? RESHARD_OK : RESHARD_E_CHAIN);
            cr_assert_eq(reader.index, may ? base + 1 : 0);
        }
}

/* An IDENTITY record at index 1 and then one at `next`, as a writer with other ideas makes them. */
static size_t two_records(uint8_t *bytes, size_t capacity, uint64_t next, size_t *second)
{
    struct reshard__journal_position position = {0, 0};
    struct reshard__record record = {.kind = RESHARD__RECORD_IDENTITY, .node = 1, .slot_count = 1};
    size_t size;
    cr_assert_eq(
        reshard__record_encode(&record, 1, &position, bytes, capacity, second), RESHARD_OK);
    position.index = next - 1;
    cr_assert_eq(
        reshard__record_encode(&record, 1, &position, bytes + *second, capacity - *second, &size),
        RESHARD_OK);
    return *second + size;
}

/* Make both checksums of a record right again. */
static void reseal(uint8_t *frame, size_t size)
{
    reshard__put_le64(frame + 32, reshard__checksum(frame, 32, 0));
    reshard__put_le64(
        frame + size - 8, reshard__checksum(frame, size - 8, reshard__get_le64(frame + 8)));
}

Test(record, right_predecessor_does_not_excuse_a_wrong_index)
{
    uint8_t bytes[512];
    size_t second;
    for (uint64_t next = 1; next < 6; next++) {
        size_t size = two_records(bytes, sizeof bytes, next, &second);
        struct reshard_journal_report report = check(bytes, size);
        cr_assert_eq(report.verdict, next == 2 ? RESHARD_OK : RESHARD_E_CHAIN);
        cr_assert_eq(report.record_count, next == 2 ? 2 : 1);
    }
}

Test(record, sound_frame_around_something_else_is_refused)
{
    uint8_t bytes[512];
    size_t second, size = two_records(bytes, sizeof bytes, 2, &second);
    uint8_t *frame = bytes + second;
    reseal(frame, size - second);
    cr_assert_eq(check(bytes, size).verdict, RESHARD_OK);
    frame[0] ^= 1; /* magic */
    reseal(frame, size - second);
    cr_assert_eq(check(bytes, size).verdict, RESHARD_E_CHECKSUM);
    frame[0] ^= 1;
    frame[4]++; /* a payload of one byte more: 0 behind the array */
    memset(frame + size - second - 8, 0, 9);
    reseal(frame, size - second + 1);
    struct reshard_journal_report report = check(bytes, size + 1);
    cr_assert_eq(report.verdict, RESHARD_E_TRAILING);
    cr_assert_eq(report.good_size, second);
}

/* The bytes of a record with this payload at index 1, both checksums right. */
static size_t record_of(uint8_t *bytes, const char *payload, size_t payload_size)
{
    struct reshard__journal_position position = {0, 0};
    struct reshard__record record = {.kind = RESHARD__RECORD_IDENTITY, .node = 1, .slot_count = 1};
    size_t size;
    cr_assert_eq(reshard__record_encode(&record, 1, &position, bytes, 256, &size), RESHARD_OK);
    memset(bytes + 4, 0, 4);
    bytes[4] = (uint8_t)payload_size;
    memcpy(bytes + 40, payload, payload_size);
    size = 40 + payload_size + 8;
    reseal(bytes, size);
    return size;
}

Test(record, sound_frame_around_a_malformed_payload_is_refused)
{
    static const struct {
        const char *payload;
        size_t size;
        int32_t status;
    } rows[] = {
        {"", 0, RESHARD_E_TRUNCATED},
        {"\x01", 1, RESHARD_E_TYPE},             /* no array */
        {"\x82\x01", 2, RESHARD_E_TRUNCATED},    /* a member less than announced */
        {"\x80", 1, RESHARD_E_BOUND},            /* without a kind */
        {"\x81\x40", 2, RESHARD_E_TYPE},         /* a kind of bytes */
        {"\x81\x18\x63", 3, RESHARD_E_KIND},     /* an unknown one */
        {"\x81\x00", 2, RESHARD_E_KIND},         /* none */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct reshard__journal_position position = {0, 0};
        struct reshard__record record;
        uint8_t bytes[256];
        uint64_t term = 77;
        size_t offset = 0, size = record_of(bytes, rows[i].payload, rows[i].size);
        int32_t status =
            reshard__record_decode(bytes, size, &offset, &position, &term, &record);
        cr_expect_eq(status, rows[i].status, "row %zu: %s", i, reshard_strname(status));
        cr_expect(offset == 0 && position.index == 0 && term == 77, "row %zu", i);
    }
}

Test(record, first_index_and_first_predecessor_must_fit)
{
    struct reshard__record record = {.kind = RESHARD__RECORD_CHANGE}, out;
    struct reshard__journal_position writer = {0, 5}, reader = {0, 0};
    uint8_t bytes[256];
    uint64_t term;
    size_t size, offset = 0;
    record.blob = (struct reshard__bytes){bytes + 200, 1};
    /* index 1 behind something: nothing was before it */
    cr_assert_eq(reshard__record_encode(&record, 1, &writer, bytes, 200, &size), RESHARD_OK);
    cr_assert_eq(
        reshard__record_decode(bytes, size, &offset, &reader, &term, &out), RESHARD_E_CHAIN);
    /* unless the reader was told so */
    reader.digest = 5;
    cr_assert_eq(reshard__record_decode(bytes, size, &offset, &reader, &term, &out), RESHARD_OK);
    cr_assert(offset == size && reader.index == 1);
    /* index 0 is none, not even for a record that needs none before it */
    reader = writer = (struct reshard__journal_position){0, 0};
    offset = 0;
    record = (struct reshard__record){
        .kind = RESHARD__RECORD_IDENTITY, .node = 1, .slot_count = 1};
    cr_assert_eq(reshard__record_encode(&record, 1, &writer, bytes, 200, &size), RESHARD_OK);
    memset(bytes + 8, 0, 8);
    reseal(bytes, size);
    cr_assert_eq(
        reshard__record_decode(bytes, size, &offset, &reader, &term, &out), RESHARD_E_CHAIN);
    cr_assert_eq(offset, 0);
}

Test(record, few_zeros_behind_a_damaged_header_are_not_an_unwritten_tail)
{
    uint8_t bytes[512];
    size_t second;
    (void)two_records(bytes, sizeof bytes, 2, &second);
    bytes[second + 9] ^= 4;
    memset(bytes + second + 40, 0, 16);
    for (size_t zeros = 0; zeros < 16; zeros++)
        cr_assert_eq(check(bytes, second + 40 + zeros).verdict,
            zeros < 8 ? RESHARD_E_CHECKSUM : RESHARD_E_TORN);
}

Test(record, encoder_reports_space_and_moves_nothing)
{
    struct reshard__journal_position position = {5, 6};
    struct reshard__record record;
    uint8_t bytes[RESHARD__RECORD_MAX];
    size_t needed = 0, size = 0;
    memset(&record, 0xFF, sizeof record);
    record.kind = RESHARD__RECORD_SEAL;
    record.blob = (struct reshard__bytes){NULL, 0};
    cr_assert_eq(reshard__record_encode(&record, 1, &position, NULL, 0, &needed), RESHARD_E_SPACE);
    cr_assert_leq(needed, RESHARD__RECORD_MAX);
    cr_assert_eq(
        reshard__record_encode(&record, 1, &position, bytes, needed - 1, &size), RESHARD_E_SPACE);
    cr_assert(position.index == 5 && position.digest == 6);
    cr_assert_eq(reshard__record_encode(&record, 1, &position, bytes, needed, &size), RESHARD_OK);
    cr_assert_eq(position.index, 6);
    position.index = UINT64_MAX;
    cr_assert_eq(
        reshard__record_encode(&record, 1, &position, bytes, needed, &size), RESHARD_E_OVERFLOW);
    record.kind = 18;
    cr_assert_eq(
        reshard__record_encode(&record, 1, &position, bytes, needed, &size), RESHARD_E_KIND);
}

Test(record, encoder_refuses_what_the_decoder_would)
{
    struct reshard__journal_position position = {5, 6};
    struct reshard__record record = {.kind = RESHARD__RECORD_IDENTITY, .node = 0, .slot_count = 1};
    uint8_t bytes[256];
    size_t size = 77;
    cr_assert_eq(reshard__record_encode(&record, 1, &position, bytes, sizeof bytes, &size),
        RESHARD_E_BOUND);
    /* A frame has 32 bits for its size. Nothing of the blob is read, as it cannot fit. */
    memset(&record, 0, sizeof record);
    record.kind = RESHARD__RECORD_CHANGE;
    record.blob = (struct reshard__bytes){bytes, UINT32_MAX};
    cr_assert_eq(reshard__record_encode(&record, 1, &position, bytes, sizeof bytes, &size),
        RESHARD_E_SIZE);
    cr_assert_eq(size, 77);
    cr_assert(position.index == 5 && position.digest == 6);
}
