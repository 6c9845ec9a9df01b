/* SPDX-License-Identifier: MIT */
/* Map snapshots and deltas: round trip, canonical form, damage, memory. */
#include "support/alloc.h"
#include "tools/wire_maps.h"
#include "wire/schema.h"
#include <criterion/criterion.h>

static bool digests_equal(const struct reshard_map *a, const struct reshard_map *b)
{
    struct reshard_digest x, y;
    reshard_map_digest(a, &x);
    reshard_map_digest(b, &y);
    return x.low == y.low && x.high == y.high;
}

static void expect_round_trip(const struct reshard_map *map, uint8_t *bytes, size_t capacity)
{
    static uint8_t again[1 << 20];
    struct reshard_map *out = NULL;
    size_t size = 0, size_again = 0;
    cr_assert_eq(reshard__map_encode(map, bytes, capacity, &size), RESHARD_OK);
    int32_t status = reshard__map_decode(bytes, size, NULL, &out, NULL);
    cr_assert_eq(status, RESHARD_OK, "%s", reshard_strname(status));
    cr_assert(reshard__map_sound(out));
    cr_assert(digests_equal(map, out));
    cr_assert_eq(reshard__map_encode(out, again, sizeof again, &size_again), RESHARD_OK);
    cr_assert(size == size_again && memcmp(bytes, again, size) == 0);
    reshard_map_destroy(out);
}

Test(snapshot, random_map_comes_back_and_encodes_the_same, .timeout = 300)
{
    static uint8_t bytes[1 << 20];
    uint64_t seed = 20240505, removed = 0, open = 0;
    for (uint32_t i = 0; i < 3000; i++) {
        uint64_t r = reshard__random_next(&seed);
        uint32_t slot_count = (uint32_t)(1 + r % 40);
        struct reshard_map *map = wire_map_grow(&seed, NULL, slot_count, (uint32_t)(r >> 32) % 300);
        cr_assert_not_null(map);
        removed += reshard__map_removed_node(map, 0) > 0 && reshard__map_removed_shard(map, 0) > 0;
        open += reshard_map_migration_count(map) > 0;
        expect_round_trip(map, bytes, sizeof bytes);
        reshard_map_destroy(map);
    }
    cr_assert_gt(removed, 300);
    cr_assert_gt(open, 300);
}

Test(snapshot, even_and_fragmented_maps_are_small)
{
    static uint8_t bytes[1 << 20];
    static struct reshard_range scratch[16384];
    size_t size;
    struct reshard_map *even = wire_map_even(16384, 3);
    struct reshard_map *fragmented = wire_map_fragmented(16384, 3, scratch);
    expect_round_trip(even, bytes, sizeof bytes);
    expect_round_trip(fragmented, bytes, sizeof bytes);
    cr_assert_eq(reshard__map_encode(even, NULL, 0, &size), RESHARD_E_SPACE);
    cr_assert_lt(size, 200);
    cr_assert_eq(reshard__map_encode(fragmented, NULL, 0, &size), RESHARD_E_SPACE);
    cr_assert_lt(size, 3 * 16384 + 200);
    reshard_map_destroy(even);
    reshard_map_destroy(fragmented);
}

Test(snapshot, every_truncation_and_trailing_byte_is_refused)
{
    static uint8_t bytes[65536];
    uint64_t seed = 4;
    struct reshard_map *map = wire_map_grow(&seed, NULL, 64, 400), *out = NULL;
    size_t size = 0, offset;
    cr_assert_eq(reshard__map_encode(map, bytes, sizeof bytes - 1, &size), RESHARD_OK);
    for (size_t cut = 0; cut < size; cut++)
        cr_assert_eq(reshard__map_decode(bytes, cut, NULL, &out, &offset), RESHARD_E_TRUNCATED);
    bytes[size] = 0;
    cr_assert_eq(reshard__map_decode(bytes, size + 1, NULL, &out, &offset), RESHARD_E_TRAILING);
    cr_assert_eq(offset, size);
    cr_assert_null(out);
    reshard_map_destroy(map);
}

Test(snapshot, flipped_bytes_give_a_sound_map_or_none_and_leak_nothing, .timeout = 300)
{
    static uint8_t bytes[65536], again[65536];
    uint64_t seed = 5;
    struct support_alloc alloc;
    struct reshard_allocator allocator = support_alloc_init(&alloc);
    struct reshard_map *map = wire_map_grow(&seed, NULL, 64, 400);
    size_t size = 0, size_again = 0, accepted = 0;
    cr_assert_eq(reshard__map_encode(map, bytes, sizeof bytes, &size), RESHARD_OK);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        struct reshard_map *out = NULL;
        bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        if (reshard__map_decode(bytes, size, &allocator, &out, NULL) == RESHARD_OK) {
            cr_assert(reshard__map_sound(out));
            cr_assert_eq(reshard__map_encode(out, again, sizeof again, &size_again), RESHARD_OK);
            cr_assert(size == size_again && memcmp(bytes, again, size) == 0);
            accepted++;
        } else {
            cr_assert_null(out);
        }
        reshard_map_destroy(out);
        cr_assert(support_alloc_clean(&alloc), "bit %zu", bit);
        bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    cr_assert_gt(accepted, 0);
    reshard_map_destroy(map);
}

Test(snapshot, every_failing_allocation_changes_nothing)
{
    static uint8_t bytes[65536];
    uint64_t seed = 6;
    struct support_alloc alloc;
    struct reshard_map *map = wire_map_grow(&seed, NULL, 64, 400), *out = NULL;
    size_t size = 0;
    cr_assert_eq(reshard__map_encode(map, bytes, sizeof bytes, &size), RESHARD_OK);
    for (size_t n = 1;; n++) {
        struct reshard_allocator allocator = support_alloc_init(&alloc);
        alloc.fail_at = n;
        int32_t status = reshard__map_decode(bytes, size, &allocator, &out, NULL);
        if (status == RESHARD_OK)
            break;
        cr_assert_eq(status, RESHARD_E_NOMEM);
        cr_assert_null(out);
        cr_assert(support_alloc_clean(&alloc), "allocation %zu", n);
        cr_assert_lt(n, 1000);
    }
    cr_assert(digests_equal(map, out));
    reshard_map_destroy(out);
    cr_assert(support_alloc_clean(&alloc));
    reshard_map_destroy(map);
}

Test(snapshot, malformed_one_is_refused_with_code_and_offset)
{
    static const struct {
        const char *bytes;
        size_t size;
        int32_t status;
        size_t offset;
    } rows[] = {
#define BAD(bytes, status, offset) {bytes, sizeof(bytes) - 1, status, offset}
        /* format, slot_count, version, term, unique, last_migration, nodes, shards, runs */
        BAD("\x89\x01\x02\x00\x00\x00\x00\x80\x80\x83\x01\x00\x00", RESHARD_OK, 77),
        BAD("\x89\x02\x02\x00\x00\x00\x00\x80\x80\x83\x01\x00\x00", RESHARD_E_BOUND, 1),
        BAD("\x89\x01\x00\x00\x00\x00\x00\x80\x80\x83\x01\x00\x00", RESHARD_E_BOUND, 2),
        BAD("\x89\x01\x03\x00\x00\x00\x00\x80\x80\x83\x01\x00\x00", RESHARD_E_BOUND, 13),
        BAD("\x89\x01\x01\x00\x00\x00\x00\x80\x80\x83\x01\x00\x00", RESHARD_E_BOUND, 10),
        BAD("\x89\x01\x02\x00\x00\x00\x00\x80\x80\x80", RESHARD_E_BOUND, 9),
        BAD("\x88\x01\x02\x00\x00\x00\x00\x80\x80", RESHARD_E_CANONICAL, 8),
        BAD("\x89\x01\x02\x00\x00\x00\x00\x80\x80\x84\x01\x00\x00\x00", RESHARD_E_BOUND, 9),
        BAD("\x89\x01\x02\x00\x00\x00\x00\x80\x80\x86\x00\x00\x00\x00\x00\x00", RESHARD_E_CANONICAL,
            16),
        BAD("\x8A\x01\x02\x00\x00\x00\x00\x80\x80\x83\x01\x00\x00\x80", RESHARD_E_CANONICAL, 13),
        BAD("\x89\x01\x02\x01\x00\x00\x00\x81\x82\x01\x02\x80\x83\x01\x00\x00", RESHARD_OK, 77),
        BAD("\x89\x01\x02\x00\x00\x00\x00\x82\x82\x01\x02\x82\x01\x02\x80\x83\x01\x00\x00",
            RESHARD_E_CANONICAL, 11),
        BAD("\x89\x01\x02\x00\x00\x00\x00\x81\x82\x01\x03\x80\x83\x01\x00\x00", RESHARD_E_BOUND,
            10),
        BAD("\x89\x01\x02\x00\x00\x00\x00\x81\x01\x80\x83\x01\x00\x00", RESHARD_E_TYPE, 8),
        /* a migration that ends before its ranges; removed ids beyond the last */
        BAD("\x8A\x01\x02\x01\x00\x00\x00\x80\x80\x83\x01\x00\x00\x81\x81\x01", RESHARD_E_BOUND,
            16),
        BAD("\x8B\x01\x02\x01\x00\x00\x00\x80\x80\x83\x01\x00\x00\x80"
            "\x82\x1B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE\x00",
            RESHARD_E_BOUND, 24),
        BAD("\x8C\x01\x02\x01\x00\x00\x00\x80\x80\x83\x01\x00\x00\x80\x80"
            "\x82\x1A\xFF\xFF\xFF\xFE\x00",
            RESHARD_E_BOUND, 21),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct reshard_map *map = NULL;
        size_t offset = 77;
        int32_t status =
            reshard__map_decode((const uint8_t *)rows[i].bytes, rows[i].size, NULL, &map, &offset);
        cr_expect_eq(status, rows[i].status, "row %zu: %s", i, reshard_strname(status));
        cr_expect_eq(offset, rows[i].offset, "row %zu: offset %zu", i, offset);
        reshard_map_destroy(map);
    }
}

/* Behind the item at `offset`. */
static size_t item_end(const uint8_t *bytes, size_t size, size_t offset)
{
    struct reshard__item item;
    cr_assert_eq(reshard__item_next(bytes, size, &offset, &item), RESHARD_OK);
    for (uint64_t i = 0; item.type == RESHARD__ITEM_ARRAY && i < item.value; i++)
        offset = item_end(bytes, size, offset);
    return offset;
}

/* Swap the first two elements, of equal size, of a list in a snapshot. */
static void elements_swap(uint8_t *bytes, size_t size, size_t member)
{
    uint8_t kept[64];
    size_t first = 1; /* behind a head of one byte */
    for (size_t i = 0; i < member; i++)
        first = item_end(bytes, size, first);
    first++;
    const size_t second = item_end(bytes, size, first);
    const size_t length = second - first;
    cr_assert_eq(item_end(bytes, size, second) - second, length);
    memcpy(kept, bytes + first, length);
    memcpy(bytes + first, bytes + second, length);
    memcpy(bytes + second, kept, length);
}

Test(snapshot, elements_out_of_order_are_refused)
{
    struct reshard_map *map = wire_map_even(16, 2), *out = NULL;
    uint8_t bytes[1024];
    size_t size, offset;
    for (uint32_t i = 0; i < 2; i++) {
        struct reshard_change open = wire_change(RESHARD_CHANGE_MIGRATION_OPEN);
        struct reshard_range range = {i, i};
        open.migration = i + 1;
        open.source = 1;
        open.target = 2;
        open.mode = RESHARD_MODE_SNAPSHOT;
        open.ranges = &range;
        open.range_count = 1;
        cr_assert_eq(reshard_map_apply(map, &open), RESHARD_OK);
    }
    static const size_t members[] = {6, 7, 9}; /* nodes, shards, migrations */
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(reshard__map_encode(map, bytes, sizeof bytes, &size), RESHARD_OK);
        elements_swap(bytes, size, members[i]);
        cr_assert_eq(reshard__map_decode(bytes, size, NULL, &out, &offset), RESHARD_E_CANONICAL);
        cr_assert_null(out);
    }
    reshard_map_destroy(map);
}

Test(snapshot, delta_leads_to_the_same_map_and_only_from_its_base)
{
    static uint8_t bytes[1 << 18], message_bytes[1 << 18];
    uint64_t seed = 9;
    struct reshard_map *map = wire_map_grow(&seed, NULL, 64, 300), *base = NULL;
    cr_assert_eq(reshard_map_clone(map, NULL, &base), RESHARD_OK);
    struct reshard__message message = {.type = RESHARD__MAP}, out;
    message.from = reshard_map_version(map);
    size_t used = 0, size = 0;
    for (uint32_t i = 0; i < 300; i++) {
        struct reshard_change change;
        struct reshard_range range;
        wire_change_guess(&seed, map, &range, &change);
        if (reshard_map_apply(map, &change))
            continue;
        change.version = reshard_map_version(map);
        cr_assert_eq(
            reshard__change_encode(&change, bytes + used, sizeof bytes - used, &size), RESHARD_OK);
        used += size;
    }
    message.to = reshard_map_version(map);
    message.changes = (struct reshard__bytes){bytes, used};
    cr_assert_gt(message.to, message.from + 5);
    cr_assert_eq(
        reshard__message_encode(&message, message_bytes, sizeof message_bytes, &size), RESHARD_OK);
    cr_assert_eq(reshard__message_decode(message_bytes, size, 0, &out, NULL), RESHARD_OK);

    struct reshard_change change;
    struct reshard_range ranges[64];
    size_t offset = 0, first_end = 0;
    /* The first change skipped: nothing behind it may be applied. */
    cr_assert_eq(
        reshard__change_decode(out.changes.data, out.changes.size, &offset, ranges, 64, &change),
        RESHARD_OK);
    first_end = offset;
    cr_assert_eq(
        reshard__change_decode(out.changes.data, out.changes.size, &offset, ranges, 64, &change),
        RESHARD_OK);
    struct reshard_map *untouched = NULL;
    cr_assert_eq(reshard_map_clone(base, NULL, &untouched), RESHARD_OK);
    cr_assert_eq(reshard_map_apply(base, &change), RESHARD_E_VERSION);
    cr_assert(digests_equal(base, untouched));
    cr_assert_gt(first_end, 0);

    offset = 0;
    while (reshard__change_decode(
               out.changes.data, out.changes.size, &offset, ranges, 64, &change) == RESHARD_OK)
        cr_assert_eq(reshard_map_apply(base, &change), RESHARD_OK);
    cr_assert_eq(offset, used);
    cr_assert(digests_equal(base, map));
    cr_assert_eq(reshard_map_apply(base, &change), RESHARD_E_REPEATED);
    reshard_map_destroy(untouched);
    reshard_map_destroy(base);
    reshard_map_destroy(map);
}
