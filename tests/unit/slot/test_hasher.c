/* SPDX-License-Identifier: MIT */
/* Room slot: hashers are checked, XXH3 is the published one, ranges of slots are kept. */
#include "unit/slot/support.h"

#include <criterion/criterion.h>
#include <string.h>
#include <xxhash.h>

static struct reshard_hasher hasher_of(uint32_t algorithm, uint32_t slot_count)
{
    struct reshard_hasher hasher;
    reshard_hasher_init(&hasher);
    hasher.algorithm = algorithm;
    hasher.slot_count = slot_count;
    return hasher;
}

static int32_t first_byte(void *user_data, const void *key, size_t key_size)
{
    *(size_t *)user_data += 1;
    return key_size > 0 ? *(const uint8_t *)key - 10 : 3;
}

Test(hasher, init_is_redis_cluster)
{
    struct reshard_hasher hasher;
    uint32_t slot;
    reshard_hasher_init(&hasher);
    cr_assert_eq(hasher.struct_size, sizeof hasher);
    cr_assert_eq(reshard_hasher_check(&hasher), RESHARD_OK);
    cr_assert_eq(reshard_slot_of_key(&hasher, "123456789", 9, &slot), RESHARD_OK);
    cr_assert_eq(slot, 12739);
    cr_assert_eq(reshard_slot_of_key(&hasher, NULL, 0, &slot), RESHARD_OK);
    cr_assert_eq(slot, 0);
}

Test(hasher, check_malformed_is_named)
{
    size_t calls = 0;
    struct reshard_hasher good = hasher_of(RESHARD_HASH_CRC16, 16384), bad;
    cr_assert_eq(reshard_hasher_check(NULL), RESHARD_E_NULL);
    for (uint32_t slot_count = 0; slot_count < 70000; slot_count++) {
        bool power = slot_count && !(slot_count & (slot_count - 1)) && slot_count <= 65536;
        bad = hasher_of(RESHARD_HASH_CRC16, slot_count);
        cr_assert_eq(reshard_hasher_check(&bad), power ? RESHARD_OK : RESHARD_E_SLOT_COUNT);
        bad = hasher_of(RESHARD_HASH_XXH3, slot_count);
        cr_assert_eq(reshard_hasher_check(&bad), slot_count ? RESHARD_OK : RESHARD_E_SLOT_COUNT);
    }
    bad = hasher_of(RESHARD_HASH_XXH3, RESHARD_SLOT_COUNT_MAX + 1);
    cr_assert_eq(reshard_hasher_check(&bad), RESHARD_E_SLOT_COUNT);
    bad = hasher_of(0, 16);
    cr_assert_eq(reshard_hasher_check(&bad), RESHARD_E_KIND);
    bad = hasher_of(4, 16);
    cr_assert_eq(reshard_hasher_check(&bad), RESHARD_E_KIND);
    bad = hasher_of(RESHARD_HASH_CUSTOM, 16);
    cr_assert_eq(reshard_hasher_check(&bad), RESHARD_E_HOOK_MISSING);
    bad = good;
    bad.custom = first_byte;
    bad.user_data = &calls;
    cr_assert_eq(reshard_hasher_check(&bad), RESHARD_E_ARGUMENT);
    bad = good;
    bad.flags = 1;
    cr_assert_eq(reshard_hasher_check(&bad), RESHARD_E_FLAGS);
    bad = good;
    bad.struct_size = 8;
    cr_assert_eq(reshard_hasher_check(&bad), RESHARD_E_STRUCT_SIZE);
}

Test(hasher, slot_of_key_refuses_what_check_refuses)
{
    struct {
        struct reshard_hasher known;
        uint64_t tail;
    } longer = {hasher_of(RESHARD_HASH_CRC16, 16384), 0};
    struct reshard_hasher bad = hasher_of(9, 16);
    struct reshard_key key = {"123456789", 9}, null_key = {NULL, 1};
    uint32_t slot = 77;
    cr_assert_eq(reshard_slot_of_key(&bad, "a", 1, &slot), RESHARD_E_KIND);
    cr_assert_eq(reshard_slots_of_keys(&bad, &key, 1, &slot), RESHARD_E_KIND);
    cr_assert_eq(reshard_slot_of_key(NULL, "a", 1, &slot), RESHARD_E_NULL);
    cr_assert_eq(reshard_slot_of_key(&longer.known, NULL, 1, &slot), RESHARD_E_NULL);
    cr_assert_eq(reshard_slot_of_key(&longer.known, "a", 1, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_slots_of_keys(&longer.known, NULL, 1, &slot), RESHARD_E_NULL);
    cr_assert_eq(reshard_slots_of_keys(&longer.known, &key, 1, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_slots_of_keys(&longer.known, &null_key, 1, &slot), RESHARD_E_NULL);
    longer.known.struct_size = sizeof longer;
    longer.tail = 1;
    cr_assert_eq(reshard_slot_of_key(&longer.known, "a", 1, &slot), RESHARD_E_STRUCT_TAIL);
    cr_assert_eq(slot, 77);
    longer.tail = 0;
    cr_assert_eq(reshard_slot_of_key(&longer.known, "123456789", 9, &slot), RESHARD_OK);
    cr_assert_eq(slot, 12739);
    cr_assert_eq(reshard_slots_of_keys(&longer.known, NULL, 0, NULL), RESHARD_OK);
}

Test(hasher, crc16_of_other_slot_counts_is_the_lowest_bits)
{
    for (uint32_t slot_count = 1; slot_count <= 65536; slot_count *= 2) {
        struct reshard_hasher hasher = hasher_of(RESHARD_HASH_CRC16, slot_count);
        uint32_t slot;
        cr_assert_eq(reshard_slot_of_key(&hasher, "{123456789}0", 12, &slot), RESHARD_OK);
        cr_assert_eq(slot, 0x31C3 % slot_count);
    }
}

/* floor(hash x slot_count / 2^64), digit by digit in base 2^16. */
static uint32_t naive_reduce(uint64_t hash, uint32_t slot_count)
{
    uint64_t carry = 0;
    for (int digit = 0; digit < 4; digit++)
        carry = ((hash >> 16 * digit & 0xFFFF) * slot_count + carry) >> 16;
    return (uint32_t)carry;
}

Test(hasher, xxh3_agrees_with_the_library_for_any_slot_count)
{
    uint64_t state = 31;
    for (int round = 0; round < 100000; round++) {
        uint8_t key[100];
        size_t key_size = random_below(&state, sizeof key), size;
        uint32_t slot_count = 1 + random_below(&state, RESHARD_SLOT_COUNT_MAX);
        if (round % 4 == 0)
            slot_count = 1U << round % 21;
        random_bytes(&state, key, key_size, round % 3 ? 0 : 20);
        const uint8_t *tag = naive_tag(key, key_size, &size);
        uint64_t hash = XXH3_64bits(tag, size);
        bool power = (slot_count & (slot_count - 1)) == 0;
        uint32_t expected = power ? (uint32_t)(hash % slot_count) : naive_reduce(hash, slot_count);
        struct reshard_hasher hasher = hasher_of(RESHARD_HASH_XXH3, slot_count);
        uint32_t slot;
        cr_assert_eq(reshard_slot_of_key(&hasher, key, key_size, &slot), RESHARD_OK);
        cr_assert_eq(slot, expected, "round %d", round);
        cr_assert_eq(reshard_slot_xxh3(key, key_size, slot_count), expected);
        cr_assert_lt(slot, slot_count);
    }
}

Test(hasher, xxh3_of_known_key_stays)
{
    /* Pinned: a slot that changed would lose the data of every cluster. */
    cr_assert_eq(reshard_slot_xxh3("", 0, 16384), 0x2d06800538d394c2 % 16384);
    cr_assert_eq(reshard_slot_xxh3(NULL, 5, 16384), 0x2d06800538d394c2 % 16384);
    cr_assert_eq(reshard_slot_xxh3("x{}", 3, 1), 0);
    cr_assert_eq(reshard_slot_xxh3("a", 1, 0), 0);
    cr_assert_eq(reshard_slot_xxh3("a", 1, RESHARD_SLOT_COUNT_MAX + 1), 0);
    cr_assert_eq(reshard_slot_crc16(NULL, 5), 0);
}

Test(hasher, xxh3_fills_all_slots_evenly)
{
    enum { SLOT_COUNT = 1000, KEY_COUNT = 1000000 };
    static uint32_t hits[SLOT_COUNT];
    for (uint32_t i = 0; i < KEY_COUNT; i++)
        hits[reshard_slot_xxh3(&i, sizeof i, SLOT_COUNT)]++;
    for (int i = 0; i < SLOT_COUNT; i++) /* 1000 +- 6.3 standard deviations */
        cr_assert(hits[i] > 800 && hits[i] < 1200, "slot %d: %u", i, hits[i]);
}

Test(hasher, custom_sees_whole_keys_and_is_kept_in_range)
{
    size_t calls = 0;
    struct reshard_hasher hasher = hasher_of(RESHARD_HASH_CUSTOM, 200);
    uint32_t slot = 55;
    hasher.custom = first_byte;
    hasher.user_data = &calls;
    cr_assert_eq(reshard_slot_of_key(&hasher, "{a}", 3, &slot), RESHARD_OK);
    cr_assert_eq(slot, '{' - 10);
    cr_assert_eq(reshard_slot_of_key(&hasher, NULL, 0, &slot), RESHARD_OK);
    cr_assert_eq(slot, 3);
    cr_assert_eq(reshard_slot_of_key(&hasher, "\x01", 1, &slot), RESHARD_E_HOOK);
    cr_assert_eq(reshard_slot_of_key(&hasher, "\xD2", 1, &slot), RESHARD_E_SLOT);
    cr_assert_eq(slot, 3);
    cr_assert_eq(calls, 4);
}

Test(hasher, batch_agrees_with_single_calls)
{
    static uint8_t bytes[100][50];
    struct reshard_key keys[100];
    uint32_t slots[100], slot;
    uint64_t state = 41;
    for (size_t i = 0; i < 100; i++) {
        keys[i].data = bytes[i];
        keys[i].key_size = random_below(&state, 50);
        random_bytes(&state, bytes[i], keys[i].key_size, 10);
    }
    for (uint32_t algorithm = RESHARD_HASH_CRC16; algorithm <= RESHARD_HASH_XXH3; algorithm++) {
        struct reshard_hasher hasher = hasher_of(algorithm, 4096);
        cr_assert_eq(reshard_slots_of_keys(&hasher, keys, 100, slots), RESHARD_OK);
        for (size_t i = 0; i < 100; i++) {
            cr_assert_eq(reshard_slot_of_key(&hasher, bytes[i], keys[i].key_size, &slot), 0);
            cr_assert_eq(slots[i], slot);
        }
    }
}

Test(hasher, batch_stops_at_the_key_that_is_refused)
{
    size_t calls = 0;
    struct reshard_hasher hasher = hasher_of(RESHARD_HASH_CUSTOM, 200);
    struct reshard_key keys[] = {{"A", 1}, {"B", 1}, {"\x02", 1}, {"D", 1}};
    uint32_t slots[4] = {9, 9, 9, 9};
    hasher.custom = first_byte;
    hasher.user_data = &calls;
    cr_assert_eq(reshard_slots_of_keys(&hasher, keys, 4, slots), RESHARD_E_HOOK);
    cr_assert(slots[0] == 55 && slots[1] == 56 && slots[2] == 9 && slots[3] == 9);
    cr_assert_eq(calls, 3);
}

Test(hasher, batch_without_a_key_or_a_place_is_refused)
{
    struct reshard_hasher hasher = hasher_of(RESHARD_HASH_CRC16, 4096);
    struct reshard_key keys[] = {{"a", 1}, {NULL, 0}, {NULL, 3}};
    uint32_t slots[3] = {9, 9, 9};
    cr_assert_eq(reshard_slots_of_keys(&hasher, keys, 3, slots), RESHARD_E_NULL);
    cr_assert_eq(reshard_slots_of_keys(&hasher, NULL, 1, slots), RESHARD_E_NULL);
    cr_assert_eq(reshard_slots_of_keys(&hasher, keys, 1, NULL), RESHARD_E_NULL);
    cr_assert_eq(slots[0], 9);
    cr_assert_eq(reshard_slots_of_keys(&hasher, keys, 2, slots), RESHARD_OK);
    cr_assert_eq(slots[1], 0, "the empty key");
    cr_assert_eq(reshard_slots_of_keys(&hasher, NULL, 0, NULL), RESHARD_OK);
}

Test(hasher, crc16_has_at_most_65536_slots)
{
    struct reshard_hasher hasher = hasher_of(RESHARD_HASH_CRC16, 1U << 16);
    cr_assert_eq(reshard_hasher_check(&hasher), RESHARD_OK);
    hasher.slot_count = 1U << 17;
    cr_assert_eq(reshard_hasher_check(&hasher), RESHARD_E_SLOT_COUNT);
    hasher.slot_count = 3000;
    cr_assert_eq(reshard_hasher_check(&hasher), RESHARD_E_SLOT_COUNT);
}
