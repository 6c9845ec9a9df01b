/* SPDX-License-Identifier: MIT */
/* The journal that an engine writes: one write, doubt, LOAD, comparison of positions. */
#include "support/alloc.h"
#include "wire/own_journal.h"

#include <criterion/criterion.h>

enum { FILE_SIZE = 1 << 16, TAKEN_MAX = 64, PURPOSE = 7 };

static struct support_alloc alloc;
static struct reshard__mem mem;
static struct reshard__outbox outbox;
static struct reshard__journal journal;
static uint64_t now_ns = 1000;

/* What the host keeps, and what it was asked. */
static uint8_t file[FILE_SIZE];
static size_t file_size;
static struct reshard_action asked;

static uint64_t taken[TAKEN_MAX]; /* orders' numbers, as restore gave them */
static size_t taken_count;
static int32_t take_status;

static struct reshard__journal journal_new(void)
{
    return (struct reshard__journal){
        .term = 3, .purpose = PURPOSE, .retry_ns = 100, .compact_count = 4};
}

static void begin(void)
{
    struct reshard_allocator allocator = support_alloc_init(&alloc);
    cr_assert_eq(reshard__mem_import(&mem, &allocator), RESHARD_OK);
    cr_assert_eq(reshard__outbox_init(&outbox, &mem), RESHARD_OK);
    cr_assert_eq(reshard__outbox_reserve(&outbox, 4), RESHARD_OK);
    journal = journal_new();
}

static void end(void)
{
    reshard__journal_free(&journal, &mem);
    reshard__outbox_free(&outbox);
    cr_assert(support_alloc_clean(&alloc));
}

static void put_identity(void)
{
    struct reshard__record record = {.kind = RESHARD__RECORD_IDENTITY, .node = 1};
    record.slot_count = 16;
    cr_assert(reshard__journal_put(&journal, &mem, &record));
}

static void put(uint64_t n)
{
    struct reshard__record record = {.kind = RESHARD__RECORD_PREPARED, .migration = 1};
    record.order = (struct reshard__order_id){1, n};
    cr_assert(reshard__journal_put(&journal, &mem, &record));
}

static void pull(uint32_t kind)
{
    reshard_action_init(&asked);
    cr_assert_eq(reshard__outbox_next(&outbox, &asked), RESHARD_OK);
    cr_assert_eq(asked.kind, kind);
    cr_assert_eq(reshard__outbox_find(&outbox, asked.id)->purpose, PURPOSE);
}

static void file_put(void)
{
    if (asked.kind == RESHARD_ACTION_COMPACT)
        file_size = 0;
    cr_assert_leq(file_size + asked.header_size, FILE_SIZE);
    memcpy(file + file_size, asked.header, asked.header_size);
    file_size += asked.header_size;
}

static enum reshard__journal_verdict complete(int32_t status)
{
    reshard__outbox_release(&outbox, reshard__outbox_find(&outbox, asked.id));
    return reshard__journal_complete(&journal, asked.kind, status, now_ns);
}

static enum reshard__journal_turn turn(void)
{
    return reshard__journal_turn(&journal, &outbox, now_ns);
}

static void push(uint32_t kind)
{
    cr_assert(reshard__journal_push(&journal, &outbox, kind));
    pull(kind);
}

static int32_t take(void *engine, const struct reshard__record *record)
{
    cr_assert_eq(engine, &journal);
    if (take_status)
        return take_status;
    cr_assert_lt(taken_count, TAKEN_MAX);
    taken[taken_count++] = record->order.n;
    return RESHARD_OK;
}

static int32_t feed(bool started, size_t size)
{
    return reshard__journal_restore(&journal, started, file, size, take, &journal);
}

/* IDENTITY and the orders 1 ... count, one append each. */
static void written(uint64_t count)
{
    begin();
    for (uint64_t n = 0; n <= count; n++) {
        reshard__journal_begin(&journal);
        if (n == 0)
            put_identity();
        else
            put(n);
        push(RESHARD_ACTION_APPEND);
        file_put();
        cr_assert_eq(complete(RESHARD_OK), RESHARD__JOURNAL_DURABLE);
        reshard__journal_settled(&journal);
    }
}

static void append_fails(int32_t status, bool lands)
{
    reshard__journal_begin(&journal);
    put(9);
    push(RESHARD_ACTION_APPEND);
    if (lands)
        file_put();
    cr_assert_eq(complete(status), RESHARD__JOURNAL_DOUBT);
}

static enum reshard__journal_verdict load(void)
{
    cr_assert_eq(turn(), RESHARD__JOURNAL_WAIT);
    pull(RESHARD_ACTION_LOAD);
    cr_assert_eq(feed(true, file_size), RESHARD_OK);
    return complete(RESHARD_OK);
}

Test(own_journal, write_of_two_records_is_one_append)
{
    written(0);
    cr_assert_eq(turn(), RESHARD__JOURNAL_WRITE);
    reshard__journal_begin(&journal);
    put(1);
    put(2);
    push(RESHARD_ACTION_APPEND);
    cr_assert_eq(asked.index, 2);
    cr_assert_eq(asked.term, 3);
    cr_assert_eq(turn(), RESHARD__JOURNAL_WAIT, "one write at a time");
    file_put();
    cr_assert_eq(complete(RESHARD_OK), RESHARD__JOURNAL_DURABLE);
    cr_assert_eq(turn(), RESHARD__JOURNAL_SETTLE);
    cr_assert_eq(journal.position.index, 1, "not before the engine followed");
    reshard__journal_settled(&journal);
    cr_assert_eq(journal.position.index, 3);
    cr_assert_eq(journal.append_count, 2);
    cr_assert_eq(turn(), RESHARD__JOURNAL_WRITE);
    reshard__journal_free(&journal, &mem);
    journal = journal_new();
    cr_assert_eq(feed(false, file_size), RESHARD_OK);
    cr_assert(taken_count == 3 && taken[1] == 1 && taken[2] == 2);
    end();
}

/* 64 KiB of map behind the place of its own record, in a buffer that has to grow. */
Test(own_journal, put_blob_of_any_size_is_whole)
{
    begin();
    struct reshard_map *map, *copy;
    struct reshard_change change;
    cr_assert_eq(reshard_map_create(16384, NULL, &map), RESHARD_OK);
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_TERM;
    change.term = change.unique = 5;
    reshard__journal_begin(&journal);
    cr_assert(reshard__journal_put_map(&journal, &mem, map));
    cr_assert(reshard__journal_put_change(&journal, &mem, &change));
    push(RESHARD_ACTION_APPEND);
    struct reshard__journal_position position = {0, 0};
    struct reshard__record record;
    size_t offset = 0;
    uint64_t term;
    cr_assert_eq(reshard__record_decode(
                     asked.header, asked.header_size, &offset, &position, &term, &record),
        RESHARD_OK);
    cr_assert_eq(record.kind, RESHARD__RECORD_MAP);
    cr_assert_eq(
        reshard__map_decode(record.blob.data, record.blob.size, NULL, &copy, NULL), RESHARD_OK);
    cr_assert_eq(reshard_map_equal(map, copy), 1);
    cr_assert_eq(reshard__record_decode(
                     asked.header, asked.header_size, &offset, &position, &term, &record),
        RESHARD_OK);
    cr_assert_eq(record.kind, RESHARD__RECORD_CHANGE);
    cr_assert_eq(offset, asked.header_size);
    reshard_map_destroy(copy);
    reshard_map_destroy(map);
    end();
}

Test(own_journal, put_without_memory_can_be_begun_again)
{
    begin();
    struct reshard__record record = {.kind = RESHARD__RECORD_IDENTITY, .node = 1};
    record.slot_count = 16;
    reshard__journal_begin(&journal);
    alloc.fail_at = alloc.calls + 1;
    cr_assert_not(reshard__journal_put(&journal, &mem, &record));
    reshard__journal_later(&journal, now_ns);
    cr_assert_eq(reshard__journal_deadline(&journal, now_ns), now_ns + 100);
    cr_assert_eq(turn(), RESHARD__JOURNAL_WAIT);
    now_ns += 100;
    cr_assert_eq(turn(), RESHARD__JOURNAL_WRITE);
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_TERM;
    reshard__journal_begin(&journal);
    alloc.fail_at = alloc.calls + 1;
    cr_assert_not(reshard__journal_put_change(&journal, &mem, &change));
    end();
}

Test(own_journal, doubt_that_landed_is_durable_after_the_load)
{
    written(1);
    append_fails(RESHARD_E_UNKNOWN, true);
    cr_assert_eq(reshard__journal_deadline(&journal, now_ns), 0, "looked into at once");
    cr_assert_eq(load(), RESHARD__JOURNAL_DURABLE);
    cr_assert_eq(turn(), RESHARD__JOURNAL_SETTLE);
    reshard__journal_settled(&journal);
    cr_assert_eq(journal.position.index, 3);
    cr_assert_eq(taken_count, 0, "a load takes nothing");
    end();
}

Test(own_journal, doubt_that_did_not_land_is_written_at_its_index_again)
{
    written(1);
    append_fails(RESHARD_E_HOOK, false);
    uint64_t index = asked.index;
    cr_assert_eq(load(), RESHARD__JOURNAL_ABSENT);
    cr_assert_eq(turn(), RESHARD__JOURNAL_WRITE);
    reshard__journal_begin(&journal);
    put(9);
    push(RESHARD_ACTION_APPEND);
    cr_assert_eq(asked.index, index);
    end();
}

Test(own_journal, doubt_that_repeats_waits_until_a_write_landed)
{
    written(1);
    append_fails(RESHARD_E_HOOK, false);
    cr_assert_eq(load(), RESHARD__JOURNAL_ABSENT);
    append_fails(RESHARD_E_HOOK, false);
    cr_assert_eq(reshard__journal_deadline(&journal, now_ns), now_ns + 100);
    cr_assert_eq(turn(), RESHARD__JOURNAL_WAIT);
    reshard_action_init(&asked);
    cr_assert_eq(reshard__outbox_next(&outbox, &asked), RESHARD_E_EMPTY, "no load before");
    now_ns += 100;
    cr_assert_eq(load(), RESHARD__JOURNAL_ABSENT);
    reshard__journal_begin(&journal);
    put(9);
    push(RESHARD_ACTION_APPEND);
    file_put();
    cr_assert_eq(complete(RESHARD_OK), RESHARD__JOURNAL_DURABLE);
    reshard__journal_settled(&journal);
    append_fails(RESHARD_E_HOOK, false);
    cr_assert_leq(reshard__journal_deadline(&journal, now_ns), now_ns, "the first one again");
    end();
}

Test(own_journal, load_that_fails_is_asked_again_later)
{
    written(1);
    append_fails(RESHARD_E_UNKNOWN, true);
    cr_assert_eq(turn(), RESHARD__JOURNAL_WAIT);
    pull(RESHARD_ACTION_LOAD);
    cr_assert_lt(feed(true, file_size - 1), RESHARD_OK);
    cr_assert_eq(complete(RESHARD_E_HOOK), RESHARD__JOURNAL_DOUBT);
    cr_assert_eq(reshard__journal_deadline(&journal, now_ns), now_ns + 100);
    now_ns += 100;
    cr_assert_eq(load(), RESHARD__JOURNAL_DURABLE);
    end();
}

/* Fewer records than are durable, or another one in the own place. */
Test(own_journal, journal_of_somebody_else_is_seen)
{
    written(2);
    size_t size = file_size;
    append_fails(RESHARD_E_UNKNOWN, false);
    file_size -= 8;
    cr_assert_eq(turn(), RESHARD__JOURNAL_WAIT);
    pull(RESHARD_ACTION_LOAD);
    cr_assert_eq(feed(true, file_size), RESHARD_E_TORN);
    cr_assert_eq(complete(RESHARD_OK), RESHARD__JOURNAL_FOREIGN);
    end();
    file_size = 0;
    written(2);
    cr_assert_eq(file_size, size);
    reshard__journal_begin(&journal);
    put(7);
    push(RESHARD_ACTION_APPEND);
    file_put();
    cr_assert_eq(complete(RESHARD_E_UNKNOWN), RESHARD__JOURNAL_DOUBT);
    journal.next.digest++;
    cr_assert_eq(load(), RESHARD__JOURNAL_FOREIGN);
    end();
}

Test(own_journal, compaction_that_landed_moves_the_base)
{
    written(3);
    cr_assert(reshard__journal_compact_due(&journal));
    reshard__journal_begin(&journal);
    put_identity();
    push(RESHARD_ACTION_COMPACT);
    file_put();
    cr_assert_eq(complete(RESHARD_E_UNKNOWN), RESHARD__JOURNAL_DOUBT);
    cr_assert_eq(load(), RESHARD__JOURNAL_DURABLE);
    reshard__journal_settled(&journal);
    cr_assert_eq(journal.base_index, 5);
    cr_assert_not(reshard__journal_compact_due(&journal));
    reshard__journal_free(&journal, &mem);
    journal = journal_new();
    cr_assert_eq(feed(false, file_size), RESHARD_OK);
    cr_assert_eq(journal.base_index, 4, "before the first that is there");
    cr_assert_eq(journal.position.index, 5);
    end();
}

Test(own_journal, compaction_that_failed_waits_for_as_many_records)
{
    written(3);
    reshard__journal_begin(&journal);
    put_identity();
    push(RESHARD_ACTION_COMPACT);
    cr_assert_eq(complete(RESHARD_E_UNKNOWN), RESHARD__JOURNAL_DOUBT);
    cr_assert_eq(load(), RESHARD__JOURNAL_ABSENT);
    cr_assert_not(reshard__journal_compact_due(&journal));
    journal.position.index += 4;
    cr_assert(reshard__journal_compact_due(&journal));
    end();
}

Test(own_journal, compaction_without_a_hook_is_not_tried_again)
{
    written(3);
    reshard__journal_begin(&journal);
    put_identity();
    push(RESHARD_ACTION_COMPACT);
    cr_assert_eq(complete(RESHARD_E_HOOK_MISSING), RESHARD__JOURNAL_ABSENT);
    cr_assert_eq(turn(), RESHARD__JOURNAL_WRITE);
    journal.position.index += 4000;
    cr_assert_not(reshard__journal_compact_due(&journal));
    end();
}

Test(own_journal, restore_at_the_wrong_time_is_refused)
{
    written(1);
    cr_assert_eq(feed(true, file_size), RESHARD_E_STATE);
    end();
}

/* Three records were taken, the fourth is torn, then refused: the same bytes are fed each time. */
Test(own_journal, restore_that_failed_goes_on_where_it_failed)
{
    written(3);
    reshard__journal_free(&journal, &mem);
    journal = journal_new();
    cr_assert_eq(feed(false, file_size - 1), RESHARD_E_TORN);
    cr_assert_eq(taken_count, 3);
    take_status = RESHARD_E_NOMEM;
    cr_assert_eq(feed(false, file_size), RESHARD_E_NOMEM);
    cr_assert_eq(feed(false, file_size), RESHARD_E_NOMEM);
    take_status = RESHARD_OK;
    cr_assert_eq(feed(false, file_size), RESHARD_OK);
    cr_assert_eq(taken_count, 4);
    for (size_t i = 0; i < 4; i++)
        cr_assert_eq(taken[i], i);
    cr_assert_eq(journal.position.index, 4);
    end();
}

Test(own_journal, restore_repeated_with_other_bytes_is_a_broken_chain)
{
    written(3);
    reshard__journal_free(&journal, &mem);
    journal = journal_new();
    cr_assert_eq(feed(false, file_size - 1), RESHARD_E_TORN);
    static uint8_t other[1024];
    struct reshard__journal_position position = {0, 0};
    struct reshard__record record = {.kind = RESHARD__RECORD_IDENTITY, .node = 2};
    record.slot_count = 16;
    size_t size, offset = 0;
    for (int i = 0; i < 3; i++, offset += size) {
        cr_assert_eq(reshard__record_encode(
                         &record, 3, &position, other + offset, sizeof other - offset, &size),
            RESHARD_OK);
        record = (struct reshard__record){.kind = RESHARD__RECORD_PREPARED, .migration = 9};
    }
    cr_assert_eq(reshard__journal_restore(&journal, false, other, offset, take, &journal),
        RESHARD_E_CHAIN);
    cr_assert_eq(feed(false, file_size), RESHARD_OK);
    cr_assert_eq(taken_count, 4);
    end();
}
