/* SPDX-License-Identifier: MIT */
/* Room store of slotd, tests: what survives a kill and a loss of power. A child makes changes and
 * ends without a word. For a loss of power the environment's file is then what it was at the last
 * checkpoint, the machine has another boot id, and only the redo log tells of what came since. */
#include "cluster.h"
#include "store.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SLOT_A = 100, SLOT_B = 101 };

static char path[64];

static struct store *open_here(const char *boot_id)
{
    struct store_options options = {path, DURABILITY_BATCH, (uint64_t)1 << 30};
    const char *error = NULL;
    cr_assert_eq(setenv("SLOTD_BOOT_ID", boot_id, 1), 0);
    struct store *store = store_open(&options, &error);
    cr_assert_not_null(store, "%s", error);
    return store;
}

static void name_of(const char *name, char *out, size_t size)
{
    (void)snprintf(out, size, "%s/%s", path, name);
}

static void file_copy(const char *from, const char *to)
{
    char names[2][400];
    static char block[1 << 16];
    ssize_t size;
    name_of(from, names[0], sizeof names[0]);
    name_of(to, names[1], sizeof names[1]);
    int source = open(names[0], O_RDONLY);
    int target = open(names[1], O_WRONLY | O_CREAT | O_TRUNC, 0644);
    cr_assert(source >= 0 && target >= 0);
    while ((size = read(source, block, sizeof block)) > 0)
        cr_assert_eq(write(target, block, (size_t)size), size);
    (void)close(source);
    (void)close(target);
}

/* Run `changes` in a child that is gone without closing. */
static void killed(void (*changes)(struct store *store))
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        struct store *store = open_here("before");
        file_copy("data.mdb", "data.synced");
        changes(store);
        _exit(0);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
}

static struct store *after_kill(void (*changes)(struct store *store))
{
    killed(changes);
    return open_here("before");
}

/* The checkpoint that it began with is what the disk has of the environment afterwards. */
static struct store *after_power_loss(void (*changes)(struct store *store))
{
    killed(changes);
    file_copy("data.synced", "data.mdb");
    return open_here("after");
}

static void log_sync(struct store *store)
{
    struct store_log_sync *sync = store_log_sync_begin(store);
    cr_assert_not_null(sync);
    store_log_sync_work(sync);
    store_log_sync_end(sync);
}

static void record_put(struct store *store, uint64_t index, const char *text)
{
    store_journal_append(store, 1, index, bytes_of(text));
}

static void record_expect(struct store *store, uint64_t index, const char *text)
{
    struct bytes record;
    uint64_t found = index;
    bool there = store_journal_next(store, 1, &found, &record) && found == index;
    cr_assert_eq(there, text != NULL, "record %u", (unsigned)index);
    if (there)
        cr_assert(bytes_equal(record, bytes_of(text)));
}

/* Records that put a key into a slot. */
static struct buffer records_of(struct store *store, uint32_t slot, const char *name)
{
    struct store_key key = {slot, bytes_of(name)};
    struct buffer records = {0};
    store_put(store, &key, bytes_of("value"), 0);
    store_record_key(store, &key, &records);
    (void)store_remove(store, &key);
    return records;
}

static uint64_t live_count(const struct store *store, uint32_t slot)
{
    struct store_stats stats;
    store_slot_stats(store, slot, &stats);
    return stats.key_count;
}

static void begin(void)
{
    (void)snprintf(path, sizeof path, "/tmp/slotd-log-XXXXXX");
    cr_assert_not_null(mkdtemp(path));
}

static void end(void)
{
    char name[400];
    DIR *folder = opendir(path);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        name_of(entry->d_name, name, sizeof name);
        (void)unlink(name);
    }
    closedir(folder);
    (void)rmdir(path);
}

TestSuite(store_log, .init = begin, .fini = end);

static void records_and_names(struct store *store)
{
    for (uint64_t index = 1; index <= 5; index++)
        record_put(store, index, "record");
    store_journal_remove(store, 1, 2, 4);
    store_meta_put(store, "name", bytes_of("old"));
    store_meta_put(store, "gone", bytes_of("old"));
    store_commit(store);
    store_meta_put(store, "name", bytes_of("new"));
    store_meta_remove(store, "gone");
    log_sync(store);
}

Test(store_log, records_and_named_values_survive)
{
    struct bytes value;
    struct store *store = after_power_loss(records_and_names);
    cr_assert(store_redone(store));
    record_expect(store, 1, "record");
    record_expect(store, 2, NULL);
    record_expect(store, 5, "record");
    cr_assert(store_meta_get(store, "name", &value) && bytes_equal(value, bytes_of("new")));
    cr_assert_not(store_meta_get(store, "gone", &value));
    store_close(store);
}

static void staged_and_active(struct store *store)
{
    struct buffer a = records_of(store, SLOT_A, "a");
    struct buffer b = records_of(store, SLOT_B, "b");
    store_slot_stage(store, SLOT_A);
    store_slot_stage(store, SLOT_B);
    cr_assert_eq(store_apply(store, (struct bytes){a.data, a.size}, true), 0);
    store_commit(store);
    cr_assert_eq(store_apply(store, (struct bytes){b.data, b.size}, true), 0);
    store_slot_activate(store, SLOT_A);
    log_sync(store);
}

Test(store_log, copy_and_its_activation_survive)
{
    struct store *store = after_power_loss(staged_and_active);
    struct store_stats staged;
    struct store_key key = {SLOT_A, bytes_of("a")};
    struct store_item item;
    cr_assert_eq(live_count(store, SLOT_A), 1);
    cr_assert(store_find(store, &key, &item));
    cr_assert_not(store_slot_staged(store, SLOT_A));
    cr_assert_eq(live_count(store, SLOT_B), 0);
    store_staged_stats(store, SLOT_B, &staged);
    cr_assert_eq(staged.key_count, 1);
    store_close(store);
}

static void cleared_and_restaged(struct store *store)
{
    struct buffer records = records_of(store, SLOT_A, "a");
    struct bytes bytes = {records.data, records.size};
    struct buffer clear = {0};
    store_slot_stage(store, SLOT_A);
    cr_assert_eq(store_apply(store, bytes, true), 0);
    store_slot_activate(store, SLOT_A);
    store_slot_clear(store, SLOT_A);
    store_slot_stage(store, SLOT_A);
    store_slot_discard(store, SLOT_A);
    /* A staging that is emptied by a record of the stream, then filled. */
    store_slot_stage(store, SLOT_B);
    store_record_clear(SLOT_B, &clear);
    cr_assert_eq(store_apply(store, (struct bytes){clear.data, clear.size}, true), 0);
    records = records_of(store, SLOT_B, "b");
    bytes = (struct bytes){records.data, records.size};
    cr_assert_eq(store_apply(store, bytes, true), 0);
    log_sync(store);
}

static uint64_t staged_count(const struct store *store, uint32_t slot)
{
    struct store_stats stats;
    store_staged_stats(store, slot, &stats);
    return stats.key_count;
}

/* A copy's chunk, and how far that is, as bulk. */
static void bulk_apply(struct store *store, const char *name, const char *position)
{
    struct buffer records = records_of(store, SLOT_B, name);
    store_bulk_begin(store);
    cr_assert_eq(store_apply(store, (struct bytes){records.data, records.size}, true), 0);
    store_meta_put(store, "position", bytes_of(position));
    store_bulk_end(store, records.size);
    buffer_free(&records);
    store_commit(store);
}

/* What rests on bulk comes behind it, and what does not. */
static void bulk_and_more(struct store *store)
{
    struct store_key key = {SLOT_A, bytes_of("key")};
    store_slot_stage(store, SLOT_B);
    store_meta_put(store, "position", bytes_of("0"));
    store_commit(store);
    bulk_apply(store, "a", "1");
    bulk_apply(store, "b", "2");
    store_put(store, &key, bytes_of("value"), 0);
    store_commit(store);
    record_put(store, 1, "seal");
    store_commit(store);
}

static void bulk_unsynced(struct store *store)
{
    bulk_and_more(store);
    struct store_log_sync *sync = store_log_sync_begin(store);
    store_log_sync_work(sync);
    cr_assert_not(store_log_sync_whole(sync));
    cr_assert(store_sync_due(store));
}

static void bulk_expect(struct store *store, uint64_t count, const char *position)
{
    struct bytes value;
    cr_expect_eq(staged_count(store, SLOT_B), count);
    cr_assert(store_meta_get(store, "position", &value));
    cr_expect(bytes_equal(value, bytes_of(position)));
}

Test(store_log, record_behind_bulk_is_not_there_without_it)
{
    struct store *store = after_kill(bulk_and_more);
    bulk_expect(store, 2, "2");
    cr_expect_eq(live_count(store, SLOT_A), 1);
    record_expect(store, 1, "seal");
    store_close(store);
    end();
    begin();
    store = after_power_loss(bulk_unsynced);
    bulk_expect(store, 0, "0");
    cr_expect_eq(live_count(store, SLOT_A), 1, "a client's write rests on no bulk");
    record_expect(store, 1, NULL);
    store_close(store);
    /* The numbers of what was lost come again: the record that rested on them does not. */
    store = open_here("after");
    bulk_apply(store, "a", "1");
    bulk_apply(store, "b", "2");
    store_close(store);
    store = open_here("after");
    record_expect(store, 1, NULL);
    store_close(store);
}

static void bulk_synced(struct store *store)
{
    bulk_and_more(store);
    struct store_log_sync *log = store_log_sync_begin(store);
    store_log_sync_work(log);
    struct store_sync *sync = store_sync_begin(store);
    store_sync_work(sync);
    cr_assert_not(store_log_sync_whole(log));
    (void)store_sync_end(sync);
    cr_assert(store_log_sync_whole(log));
    store_log_sync_end(log);
    cr_assert_not(store_log_dirty(store));
    cr_assert_not(store_sync_due(store));
    file_copy("data.mdb", "data.synced");
    record_put(store, 2, "active");
    log_sync(store);
}

Test(store_log, bulk_that_a_checkpoint_has_carries_what_rests_on_it)
{
    struct store *store = after_power_loss(bulk_synced);
    bulk_expect(store, 2, "2");
    record_expect(store, 1, "seal");
    record_expect(store, 2, "active");
    store_close(store);
}

static void bulk_alone(struct store *store)
{
    struct store_key key = {SLOT_A, bytes_of("key")};
    store_slot_stage(store, SLOT_B);
    store_meta_put(store, "position", bytes_of("0"));
    store_commit(store);
    bulk_apply(store, "a", "1");
    store_put(store, &key, bytes_of("value"), 0);
    store_commit(store);
}

Test(store_log, bulk_that_is_lost_takes_no_clients_write_with_it)
{
    struct store *store = after_kill(bulk_alone);
    cr_expect_eq(live_count(store, SLOT_A), 1);
    bulk_expect(store, 0, "0");
    store_close(store);
}

Test(store_log, generations_change_in_the_same_order)
{
    struct store *store = after_power_loss(cleared_and_restaged);
    struct store_stats staged;
    cr_assert_eq(live_count(store, SLOT_A), 0);
    cr_assert_not(store_slot_staged(store, SLOT_A));
    store_staged_stats(store, SLOT_B, &staged);
    cr_assert_eq(staged.key_count, 1);
    store_close(store);
}

static void checkpoint_under_way(struct store *store)
{
    record_put(store, 1, "before");
    store_commit(store);
    cr_assert_not_null(store_sync_begin(store)); /* never done */
    record_put(store, 2, "after");
    log_sync(store);
}

Test(store_log, checkpoint_that_was_begun_changes_nothing)
{
    struct store *store = after_power_loss(checkpoint_under_way);
    record_expect(store, 1, "before");
    record_expect(store, 2, "after");
    store_close(store);
}

/* The environment's file and the checkpoint go on together. */
static void checkpoint_done(struct store *store)
{
    record_put(store, 1, "covered");
    struct store_sync *sync = store_sync_begin(store);
    store_sync_work(sync);
    (void)store_sync_end(sync);
    file_copy("data.mdb", "data.synced");
    store_journal_remove(store, 1, 1, 1);
    record_put(store, 2, "behind it");
    log_sync(store);
}

Test(store_log, only_what_follows_the_checkpoint_is_done_again)
{
    struct store *store = after_power_loss(checkpoint_done);
    record_expect(store, 1, NULL);
    record_expect(store, 2, "behind it");
    store_close(store);
}

static void torn(struct store *store)
{
    char name[400];
    record_put(store, 1, "whole");
    store_commit(store);
    record_put(store, 2, "torn");
    store_commit(store);
    record_put(store, 3, "behind it");
    log_sync(store);
    for (int file = 0; file < 2; file++) {
        char bytes[4096];
        name_of(file == 0 ? "redo.0" : "redo.1", name, sizeof name);
        int log = open(name, O_RDWR);
        ssize_t size = pread(log, bytes, sizeof bytes, 0);
        for (ssize_t at = 0; at + 4 <= size; at++)
            if (memcmp(bytes + at, "torn", 4) == 0)
                cr_assert_eq(pwrite(log, "x", 1, at), 1);
        (void)close(log);
    }
}

Test(store_log, torn_frame_ends_the_log)
{
    struct store *store = after_power_loss(torn);
    record_expect(store, 1, "whole");
    record_expect(store, 2, NULL);
    record_expect(store, 3, NULL);
    store_close(store);
}

enum { LARGE_SIZE = 3 * STORE_PIECE_SIZE + 1000 };

static struct store_key key_of(const char *name)
{
    return (struct store_key){SLOT_A, bytes_of(name)};
}

static struct bytes large_value(void)
{
    static uint8_t value[LARGE_SIZE];
    for (size_t at = 0; at < sizeof value; at++)
        value[at] = (uint8_t)(at * 7 + at / 251);
    return (struct bytes){value, sizeof value};
}

/* One of each kind of change to live keys; the digest of all of it is told in a file. */
static void live_changes(struct store *store)
{
    struct store_key names[] = {key_of("put"), key_of("put twice"), key_of("appended"),
        key_of("expiring"), key_of("removed"), key_of("large"), key_of("small")};
    struct store_stats stats;
    char name[400];
    for (int index = 0; index < 7; index++)
        store_put(store, &names[index], bytes_of("first"), 0);
    store_commit(store);
    store_put(store, &names[1], bytes_of("second"), 0);
    (void)store_append(store, &names[2], bytes_of(" and more"));
    (void)store_expiry_set(store, &names[3], store_time(store) + 1000000);
    (void)store_remove(store, &names[4]);
    store_put(store, &names[5], large_value(), 0);
    (void)store_append(store, &names[5], large_value());
    (void)store_append(store, &names[6], large_value());
    store_slot_stats(store, SLOT_A, &stats);
    name_of("stats", name, sizeof name);
    int file = open(name, O_WRONLY | O_CREAT, 0644);
    cr_assert_eq(write(file, &stats, sizeof stats), (ssize_t)sizeof stats);
    (void)close(file);
    log_sync(store);
}

static void live_expect(struct store *store)
{
    struct store_stats found, wanted;
    struct store_key key = key_of("appended");
    struct store_item item;
    char name[400];
    name_of("stats", name, sizeof name);
    int file = open(name, O_RDONLY);
    cr_assert_eq(read(file, &wanted, sizeof wanted), (ssize_t)sizeof wanted);
    (void)close(file);
    store_slot_stats(store, SLOT_A, &found);
    cr_assert_eq(found.key_count, 6);
    cr_assert_eq(found.expiry_count, 1);
    cr_assert_eq(found.size, wanted.size);
    cr_assert(found.digest.low == wanted.digest.low && found.digest.high == wanted.digest.high);
    cr_assert(store_find(store, &key, &item));
    cr_assert(bytes_equal(item.value, bytes_of("first and more")));
}

Test(store_log, clients_writes_survive_a_kill_and_a_sync)
{
    struct store *store = after_kill(live_changes);
    live_expect(store);
    store_close(store);
    end();
    begin();
    store = after_power_loss(live_changes);
    live_expect(store);
    store_close(store);
}

/* A turn of several frames, the last of which never came to be. */
static void half_a_turn(struct store *store)
{
    struct store_key large[] = {key_of("1"), key_of("2"), key_of("3")}, small = key_of("small");
    store_put(store, &small, bytes_of("value"), 0);
    store_commit(store);
    for (int index = 0; index < 3; index++)
        store_put(store, &large[index], large_value(), 0);
    store_put(store, &small, bytes_of("other"), 0);
}

Test(store_log, turn_without_its_end_did_not_happen)
{
    struct store *store = after_kill(half_a_turn);
    struct store_key key = key_of("small");
    struct store_item item;
    cr_assert_eq(live_count(store, SLOT_A), 1);
    cr_assert(store_find(store, &key, &item));
    cr_assert(bytes_equal(item.value, bytes_of("value")));
    store_close(store);
}

static void nothing(struct store *store)
{
    (void)store;
}

/* Copies on their way in: a checkpoint each few megabytes, but not while clients wait. */
static void copy_arrives(struct store *store)
{
    static uint8_t value[1 << 20];
    struct buffer records = {0};
    struct store_key key = key_of("large");
    store_put(store, &key, (struct bytes){value, sizeof value}, 0);
    store_record_key(store, &key, &records);
    store_slot_stage(store, SLOT_A);
    for (int round = 0; round < 8; round++) {
        cr_assert_not(store_sync_due(store), "%d", round);
        cr_assert_eq(store_apply(store, (struct bytes){records.data, records.size}, true), 0);
        store_commit(store);
    }
    buffer_free(&records);
}

Test(store_log, copy_that_arrives_makes_checkpoints_due)
{
    struct store *store = after_kill(nothing);
    copy_arrives(store);
    cr_assert(store_sync_due(store));
    store_sync_still(store, true);
    cr_assert_not(store_sync_due(store));
    store_sync_still(store, false);
    struct store_sync *sync = store_sync_begin(store);
    store_sync_work(sync);
    (void)store_sync_end(sync);
    cr_assert_not(store_sync_due(store));
    store_close(store);
}

/* More than LMDB's transaction takes, and several checkpoints. */
static void many_turns(struct store *store)
{
    char name[32];
    for (uint32_t turn = 0; turn < 6000; turn++) {
        (void)snprintf(name, sizeof name, "%u", (unsigned)(turn % 500));
        struct store_key key = key_of(name);
        (void)store_append(store, &key, bytes_of("."));
        store_commit(store);
        if (turn % 2200 != 2199)
            continue;
        struct store_sync *sync = store_sync_begin(store);
        store_sync_work(sync);
        (void)store_sync_end(sync);
    }
}

Test(store_log, nothing_is_done_twice_or_left_out)
{
    struct store *store = after_kill(many_turns);
    struct store_stats stats;
    store_close(store);
    store = after_kill(many_turns);
    store_slot_stats(store, SLOT_A, &stats);
    cr_assert_eq(stats.key_count, 500);
    cr_assert_eq(stats.size, 10 + 2 * 90 + 3 * 400 + 2 * 6000);
    store_close(store);
}

Test(store_log, frames_of_an_earlier_run_are_not_done_again)
{
    struct store *store = after_power_loss(records_and_names);
    store_journal_remove(store, 1, 1, 9);
    store_close(store);
    store = open_here("after");
    cr_assert_not(store_redone(store));
    store_close(store);
    store = after_power_loss(nothing);
    record_expect(store, 1, NULL);
    store_close(store);
}
