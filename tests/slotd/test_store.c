/* SPDX-License-Identifier: MIT */
/* Room store of slotd: generations, records, digests, sums, journal. Each test has a directory. */
#include "cluster.h"
#include "place.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool stats_equal(const struct store_stats *a, const struct store_stats *b)
{
    return a->key_count == b->key_count && a->expiry_count == b->expiry_count &&
        a->size == b->size && a->digest.low == b->digest.low && a->digest.high == b->digest.high;
}

/* All items of slot {t}, by walk, into sums made from scratch. */
struct sums {
    struct store *store;
    struct store_stats stats;
};

static bool sum_visit(void *user_data, const struct store_key *key, const struct store_item *item)
{
    struct sums *sums = user_data;
    struct reshard_digest digest = store_item_digest(sums->store, key->name, item);
    sums->stats.key_count++;
    sums->stats.expiry_count += item->expiry_ms != 0 ? 1 : 0;
    sums->stats.size += key->name.size + item->value_size;
    sums->stats.digest.low += digest.low;
    sums->stats.digest.high += digest.high + (sums->stats.digest.low < digest.low ? 1 : 0);
    return true;
}

static void expect_true_sums(struct store *store, uint32_t slot)
{
    struct store_stats kept;
    struct sums sums = {.store = store};
    uint64_t position = (uint64_t)slot << 32;
    (void)store_walk(store, position, position + ((uint64_t)1 << 32), sum_visit, &sums);
    store_slot_stats(store, slot, &kept);
    cr_assert(stats_equal(&kept, &sums.stats), "sums of slot %u drifted", slot);
}

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

/* One random change of a key in slot {t}; values from nothing to three pieces. */
static void change(struct store *store, uint64_t *state, char *value)
{
    char name[600];
    uint64_t random = random_next(state);
    size_t number = random % 40;
    (void)snprintf(name, sizeof name, "{t}%zu", number);
    if (number > 30) /* long names too */
        (void)snprintf(name + strlen(name), sizeof name - strlen(name), "%0500zu", number);
    struct store_key key = place_key(name);
    size_t size = random >> 8 & 15 ? (random >> 12) % 3000 : (random >> 12) % 700000;
    int64_t expiry_ms = (random >> 40 & 3) == 0 ? store_time(store) + 1000000 : 0;
    memset(value, (int)(random >> 50 & 63) + 32, size);
    struct bytes bytes = {(uint8_t *)value, size};
    switch (random >> 60 & 3) {
    case 0:
        (void)store_remove(store, &key);
        break;
    case 1:
        (void)store_append(store, &key, bytes);
        break;
    case 2:
        (void)store_expiry_set(store, &key, expiry_ms);
        break;
    default:
        store_put(store, &key, bytes, expiry_ms);
        break;
    }
}

Test(store, sums_stay_true_under_random_changes_and_restarts)
{
    struct place place = place_make();
    uint32_t slot = cluster_key_slot(bytes_of("{t}"));
    char *value = malloc(700000);
    uint64_t state = 88172645463325252u;
    for (int round = 0; round < 30; round++) {
        for (int step = 0; step < 40; step++)
            change(place.store, &state, value);
        expect_true_sums(place.store, slot);
        if (round % 3 == 0)
            store_commit(place.store);
        if (round % 10 == 9) {
            struct store_stats before, after;
            store_slot_stats(place.store, slot, &before);
            store_close(place.store);
            place.store = place_open(place.path);
            store_slot_stats(place.store, slot, &after);
            cr_assert(stats_equal(&before, &after), "sums changed over a restart");
        }
    }
    free(value);
    place_remove(&place);
}

/* Copy slot {t} from one store to the staging of another, in chunks of `size`. */
static void copy_slot(struct store *from, struct store *to, uint32_t slot, size_t size)
{
    struct store_export state = {.position = (uint64_t)slot << 32};
    struct buffer records = {0};
    bool done = false;
    while (!done) {
        records.size = 0;
        done = store_export_step(from, &state, (uint64_t)(slot + 1) << 32, size, &records);
        cr_assert_eq(store_apply(to, (struct bytes){records.data, records.size}, true), 0);
    }
    buffer_free(&records);
    store_export_free(&state);
}

Test(store, copy_in_chunks_of_any_size_has_the_same_digest)
{
    static const size_t sizes[] = {1, 1000, 65536, 262144, 10000000};
    struct place source = place_make();
    struct place target = place_make();
    uint32_t slot = cluster_key_slot(bytes_of("{t}"));
    char *value = malloc(700000);
    uint64_t state = 123456789;
    for (int step = 0; step < 400; step++)
        change(source.store, &state, value);
    for (size_t index = 0; index < sizeof sizes / sizeof sizes[0]; index++) {
        struct store_stats a, b;
        store_slot_stage(target.store, slot);
        copy_slot(source.store, target.store, slot, sizes[index]);
        store_slot_stats(source.store, slot, &a);
        store_staged_stats(target.store, slot, &b);
        cr_assert(stats_equal(&a, &b), "chunks of %zu", sizes[index]);
        cr_assert_eq(store_key_count(target.store), 0, "staged keys are seen");
    }
    store_slot_activate(target.store, slot);
    expect_true_sums(target.store, slot);
    struct store_stats a, b;
    store_slot_stats(source.store, slot, &a);
    store_slot_stats(target.store, slot, &b);
    cr_assert(stats_equal(&a, &b));
    while (!store_purge(target.store, 100))
        store_commit(target.store);
    expect_true_sums(target.store, slot);
    free(value);
    place_remove(&source);
    place_remove(&target);
}

struct capture {
    struct store *store;
    struct buffer records;
};

static void on_changed(void *user_data, const struct store_key *key, uint64_t kept)
{
    struct capture *capture = user_data;
    (void)kept;
    store_record_key(capture->store, key, &capture->records);
}

/* Writes go on while the slot is exported: chunks and captured records, in the order in which
 * they were read, make the copy equal. */
Test(store, copy_under_writes_ends_equal)
{
    struct place source = place_make();
    struct place target = place_make();
    struct capture capture = {source.store, {0}};
    uint32_t slot = cluster_key_slot(bytes_of("{t}"));
    char *value = malloc(700000);
    uint64_t state = 42424242;
    for (int step = 0; step < 400; step++)
        change(source.store, &state, value);
    store_observe(
        source.store, &(struct store_observer){.user_data = &capture, .changed = on_changed});
    store_slot_stage(target.store, slot);
    struct store_export export_state = {.position = (uint64_t)slot << 32};
    bool done = false;
    int chunks = 0;
    while (!done) {
        capture.records.size = 0;
        done = store_export_step(source.store, &export_state, (uint64_t)(slot + 1) << 32, 2000,
            &capture.records);
        for (int step = 0; step < 3; step++)
            change(source.store, &state, value);
        struct bytes records = {capture.records.data, capture.records.size};
        cr_assert_eq(store_apply(target.store, records, true), 0);
        chunks++;
    }
    cr_assert_gt(chunks, 10);
    struct store_stats a, b;
    store_slot_stats(source.store, slot, &a);
    store_staged_stats(target.store, slot, &b);
    cr_assert(stats_equal(&a, &b), "%llu keys, %llu copied", (unsigned long long)a.key_count,
        (unsigned long long)b.key_count);
    buffer_free(&capture.records);
    store_export_free(&export_state);
    free(value);
    place_remove(&source);
    place_remove(&target);
}

Test(store, records_applied_twice_change_nothing)
{
    struct place place = place_make();
    struct store_key key = place_key("k");
    struct buffer records = {0};
    place_put(place.store, "k", "one");
    store_record_key(place.store, &key, &records);
    (void)store_remove(place.store, &key);
    store_record_key(place.store, &key, &records);
    place_put(place.store, "k", "two");
    store_record_key(place.store, &key, &records);
    struct bytes all = {records.data, records.size};
    struct store_stats before, after;
    store_slot_stats(place.store, key.slot, &before);
    for (int round = 0; round < 2; round++)
        cr_assert_eq(store_apply(place.store, all, false), 0);
    store_slot_stats(place.store, key.slot, &after);
    cr_assert(stats_equal(&before, &after) && place_has(place.store, "k", "two"));
    records.size = 0;
    store_record_clear(key.slot, &records);
    cr_assert_eq(
        store_apply(place.store, (struct bytes){records.data, records.size}, false), 0);
    cr_assert(place_has(place.store, "k", NULL));
    buffer_free(&records);
    place_remove(&place);
}

Test(store, growth_of_another_value_is_refused)
{
    static const uint8_t bytes[STORE_PIECE_SIZE + 5] = {1};
    static const struct store_key key = {7, {(const uint8_t *)"large", 5}};
    struct place places[2] = {place_make(), place_make()};
    struct buffer whole = {0}, grown = {0};
    struct store *store = places[0].store, *other = places[1].store;
    store_put(store, &key, (struct bytes){bytes, sizeof bytes}, 0);
    store_record_key(store, &key, &whole);
    (void)store_append(store, &key, (struct bytes){bytes, 3});
    store_record_grown(store, &key, sizeof bytes, &grown);
    const struct bytes growth = {grown.data, grown.size};
    cr_assert_lt(grown.size, 200);
    cr_expect_eq(store_apply(other, growth, false), -1, "it is not there");
    cr_expect_eq(store_apply(other, (struct bytes){whole.data, whole.size}, false), 0);
    cr_expect_eq(store_apply(other, growth, false), 0);
    cr_expect_eq(store_apply(other, growth, false), -1, "it has grown already");
    struct store_item item;
    cr_assert(store_find(other, &key, &item));
    cr_expect_eq(item.value_size, sizeof bytes + 3);
    store_put(other, &key, (struct bytes){bytes, sizeof bytes}, 0);
    cr_expect_eq(store_apply(other, growth, false), -1, "it was written anew");
    buffer_free(&whole);
    buffer_free(&grown);
    place_remove(&places[0]);
    place_remove(&places[1]);
}

Test(store, damaged_records_are_refused)
{
    struct place place = place_make();
    struct store_key key = place_key("some key");
    struct buffer records = {0};
    place_put(place.store, "some key", "some value");
    store_record_key(place.store, &key, &records);
    for (size_t size = 1; size < records.size; size++)
        cr_assert_eq(store_apply(place.store, (struct bytes){records.data, size}, false), -1);
    cr_assert_eq(
        store_apply(place.store, (struct bytes){records.data, records.size}, true), -1);
    uint64_t state = 1;
    store_time_set(place.store, 0); /* damaged expiries count as to come: walks see all keys */
    for (int round = 0; round < 20000; round++) {
        struct buffer damaged = {0};
        buffer_append(&damaged, records.data, records.size);
        for (int flips = 0; flips < 3; flips++) {
            uint64_t random = random_next(&state);
            damaged.data[random % damaged.size] ^= (uint8_t)(1u << (random >> 32 & 7));
        }
        (void)store_apply(place.store, (struct bytes){damaged.data, damaged.size}, false);
        buffer_free(&damaged);
    }
    expect_true_sums(place.store, key.slot);
    buffer_free(&records);
    place_remove(&place);
}

Test(store, staging_is_invisible_until_activated_and_survives_restarts)
{
    struct place place = place_make();
    struct store_key key = place_key("k");
    struct buffer records = {0};
    place_put(place.store, "k", "new");
    store_record_key(place.store, &key, &records);
    place_put(place.store, "k", "old");
    place_put(place.store, "{k}2", "old too");
    store_slot_stage(place.store, key.slot);
    cr_assert_eq(
        store_apply(place.store, (struct bytes){records.data, records.size}, true), 0);
    cr_assert(place_has(place.store, "k", "old") && store_slot_staged(place.store, key.slot));
    store_close(place.store);
    place.store = place_open(place.path);
    struct store_stats staged;
    store_staged_stats(place.store, key.slot, &staged);
    cr_assert_eq(staged.key_count, 1);
    store_slot_activate(place.store, key.slot);
    cr_assert(place_has(place.store, "k", "new") && place_has(place.store, "{k}2", NULL));
    cr_assert_eq(store_garbage_count(place.store), 1);
    store_slot_discard(place.store, key.slot);
    store_close(place.store);
    place.store = place_open(place.path);
    cr_assert(place_has(place.store, "k", "new"));
    cr_assert_not(store_purge(place.store, 1));
    while (!store_purge(place.store, 1))
        ;
    cr_assert_eq(store_garbage_count(place.store), 0);
    cr_assert(place_has(place.store, "k", "new"));
    buffer_free(&records);
    place_remove(&place);
}

static bool visible_if(void *user_data, uint32_t slot)
{
    (void)slot;
    return *(bool *)user_data;
}

Test(store, hidden_slots_are_not_seen)
{
    struct place place = place_make();
    struct store_key key = place_key("k");
    struct buffer name = {0};
    place_put(place.store, "k", "v");
    bool visible = false;
    store_observe(
        place.store, &(struct store_observer){.user_data = &visible, .visible = visible_if});
    cr_assert_not(store_slot_visible(place.store, key.slot));
    struct sums sums = {.store = place.store};
    cr_assert_eq(store_walk(place.store, 0, STORE_END, sum_visit, &sums), STORE_END);
    cr_assert_eq(sums.stats.key_count, 0);
    cr_assert_eq(store_key_count(place.store), 0);
    cr_assert_not(store_random_key(place.store, 5, &name));
    visible = true;
    cr_assert_eq(store_key_count(place.store), 1);
    cr_assert(store_random_key(place.store, 5, &name));
    buffer_free(&name);
    place_remove(&place);
}

static bool may_not(void *user_data, const struct store_key *key)
{
    (void)key;
    return *(bool *)user_data;
}

Test(store, expiry_asks_first_and_leaves_staging_alone)
{
    struct place place = place_make();
    struct store_key key = place_key("k");
    struct buffer records = {0};
    bool may = false;
    store_observe(place.store, &(struct store_observer){.user_data = &may, .may_expire = may_not});
    store_put(place.store, &key, bytes_of("v"), store_time(place.store) + 10);
    store_record_key(place.store, &key, &records);
    store_slot_stage(place.store, key.slot);
    cr_assert_eq(
        store_apply(place.store, (struct bytes){records.data, records.size}, true), 0);
    cr_assert_eq(store_expire(place.store, 100), 0);
    store_time_set(place.store, store_time(place.store) + 20);
    cr_assert(place_has(place.store, "k", NULL));
    cr_assert_eq(store_expire(place.store, 100), 0);
    cr_assert_eq(store_key_count(place.store), 1);
    may = true;
    cr_assert_eq(store_expire(place.store, 100), 1);
    cr_assert_eq(store_key_count(place.store), 0);
    struct store_stats staged;
    store_staged_stats(place.store, key.slot, &staged);
    cr_assert_eq(staged.key_count, 1);
    buffer_free(&records);
    place_remove(&place);
}

Test(store, journal_and_meta_commit_with_the_data)
{
    struct place place = place_make();
    struct bytes record;
    uint64_t index = 0;
    for (uint64_t number = 1; number <= 5; number++)
        store_journal_append(place.store, 7, number, bytes_of("record"));
    store_journal_append(place.store, 8, 1, bytes_of("other"));
    store_meta_put(place.store, "name", bytes_of("value"));
    store_journal_remove(place.store, 7, 2, 4);
    store_close(place.store);
    place.store = place_open(place.path);
    cr_assert(store_journal_next(place.store, 7, &index, &record) && index == 1);
    index++;
    cr_assert(store_journal_next(place.store, 7, &index, &record) && index == 5);
    cr_assert(bytes_equal(record, bytes_of("record")));
    index++;
    cr_assert_not(store_journal_next(place.store, 7, &index, &record));
    cr_assert(store_meta_get(place.store, "name", &record));
    cr_assert(bytes_equal(record, bytes_of("value")));
    cr_assert_not(store_meta_get(place.store, "none", &record));
    place_remove(&place);
}

/* Whether LMDB has committed once so many more keys are written, each in a turn of its own. */
static bool commits_within(struct place *place, int writes)
{
    char name[32];
    for (int key = 0; key < writes; key++) {
        (void)snprintf(name, sizeof name, "{t}:%d", key);
        place_put(place->store, name, "value");
        store_commit(place->store);
    }
    return store_write_back_begin(place->store);
}

Test(store, commit_waits_for_twice_as_much_when_it_is_told_to)
{
    enum { PAGES = 1024 };
    struct place place = place_make();
    store_time_set(place.store, 1000);
    (void)store_write_back_begin(place.store);
    store_commit_later(place.store, 500);
    cr_expect_not(commits_within(&place, PAGES));
    cr_expect(commits_within(&place, PAGES));
    cr_expect_not(commits_within(&place, PAGES));
    store_commit_later(place.store, 0);
    cr_expect(commits_within(&place, 1), "no longer");
    store_commit_later(place.store, 500);
    cr_expect_not(commits_within(&place, PAGES));
    store_time_set(place.store, 1500);
    cr_expect(commits_within(&place, 1), "its time is over");
    place_remove(&place);
}

Test(store, commit_is_written_back_once_when_nobody_waits_for_the_disk)
{
    struct place place = place_make();
    cr_expect(store_write_back_begin(place.store), "what was made when it was opened");
    place_put(place.store, "{t}:a", "value");
    store_commit(place.store);
    cr_expect_not(store_write_back_begin(place.store), "the redo log has it, LMDB not yet");
    struct store_sync *sync = store_sync_begin(place.store);
    cr_expect_not(store_write_back_begin(place.store), "a checkpoint writes it");
    store_sync_work(sync);
    (void)store_sync_end(sync);
    store_sync_still(place.store, true);
    cr_expect_not(store_write_back_begin(place.store));
    store_sync_still(place.store, false);
    cr_expect(store_write_back_begin(place.store));
    store_write_back_work(place.store);
    cr_expect_not(store_write_back_begin(place.store));
    place_remove(&place);
}
