/* SPDX-License-Identifier: MIT */
/* Room slot: the portable CRC16 and the tag rule, against naive ones and a real server's answers.
 */
#include "slot/crc16_table.h"
#include "unit/slot/support.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void check_vector(const uint8_t *key, size_t key_size, uint32_t slot)
{
    uint32_t crc = 0;
    cr_assert_eq(naive_crc16_of_key(key, key_size) % 16384, slot);
    cr_assert_eq(reshard_slot_crc16(key, key_size), slot, "size %zu", key_size);
    struct reshard__key_part tag = reshard__tag_of_key(key, key_size);
    cr_assert(reshard__crc16_portable(tag.data, tag.size, false, &crc));
    cr_assert_eq(crc % 16384, slot, "size %zu", key_size);
}

Test(crc16, slot_of_vectors_is_the_servers)
{
    cr_assert_geq(each_vector(check_vector), 10000);
}

/* The vectors must be able to fail: a CRC that starts at 1 gets nearly all of them wrong. */
static size_t wrong_hits;

static void check_wrong(const uint8_t *key, size_t key_size, uint32_t slot)
{
    uint8_t *longer = malloc(key_size + 1);
    cr_assert(longer);
    longer[0] = 1;
    memcpy(longer + 1, key, key_size);
    wrong_hits += naive_crc16(longer, key_size + 1) % 16384 == slot;
    free(longer);
}

Test(crc16, slot_of_vectors_refutes_a_wrong_hash)
{
    wrong_hits = 0;
    size_t count = each_vector(check_wrong);
    cr_assert_lt(wrong_hits, count / 100);
}

Test(crc16, table_entry_is_crc_of_byte_and_zeros)
{
    for (size_t behind = 0; behind < 16; behind++)
        for (unsigned byte = 0; byte < 256; byte++) {
            uint8_t data[16] = {(uint8_t)byte};
            uint32_t crc = naive_crc16(data, behind + 1);
            cr_assert_eq(reshard__crc16_table[behind][byte], (crc << 8 & 0xFF00) | crc >> 8);
        }
}

Test(crc16, check_value_is_the_catalogues)
{
    uint32_t crc = 0;
    cr_assert(reshard__crc16_portable((const uint8_t *)"123456789", 9, true, &crc));
    cr_assert_eq(crc, 0x31C3);
    cr_assert_eq(reshard_slot_crc16("123456789", 9), 0x31C3);
}

Test(crc16, portable_agrees_with_naive)
{
    uint64_t state = 11;
    for (int round = 0; round < 40; round++)
        for (size_t size = 0; size < 200; size++) {
            uint8_t *data = malloc(size + 1);
            uint32_t crc = 0;
            cr_assert(data);
            random_bytes(&state, data, size, 0);
            cr_assert(reshard__crc16_portable(data, size, false, &crc));
            cr_assert_eq(crc, naive_crc16(data, size), "size %zu round %d", size, round);
            free(data);
        }
}

Test(crc16, portable_scan_finds_a_brace_anywhere)
{
    uint8_t data[100];
    uint32_t crc;
    for (size_t size = 0; size < sizeof data; size++) {
        memset(data, 'z', sizeof data);
        cr_assert(reshard__crc16_portable(data, size, true, &crc));
        for (size_t at = 0; at < size; at++) {
            data[at] = '{';
            cr_assert_not(reshard__crc16_portable(data, size, true, &crc), "%zu/%zu", at, size);
            /* Next to '{' in value: what a scan with a borrow too many would take for one. */
            data[at] = at % 2 ? '|' : 'z';
        }
    }
}

Test(crc16, tag_agrees_with_naive)
{
    uint64_t state = 12;
    for (int round = 0; round < 200000; round++) {
        uint8_t key[120];
        size_t key_size = random_below(&state, sizeof key), size;
        random_bytes(&state, key, key_size, 1 + random_below(&state, 80));
        const uint8_t *data = naive_tag(key, key_size, &size);
        struct reshard__key_part tag = reshard__tag_of_key(key, key_size);
        cr_assert(tag.data == data && tag.size == size, "round %d", round);
        cr_assert_eq(reshard__crc16_of_key(key, key_size), naive_crc16(data, size));
    }
}

Test(crc16, tag_of_long_key_is_found_behind_the_words)
{
    enum { SIZE = 70000 };
    uint8_t *key = malloc(SIZE);
    cr_assert(key);
    for (size_t open = 0; open < 40; open++)
        for (size_t tag_size = 0; tag_size < 80; tag_size++) {
            memset(key, 'k', 200);
            key[open] = '{';
            key[open + 1 + tag_size] = '}';
            struct reshard__key_part tag = reshard__tag_of_key(key, 200);
            cr_assert_eq(tag.size, tag_size ? tag_size : 200);
        }
    memset(key, 'k', SIZE);
    key[10] = '{';
    cr_assert_eq(reshard__tag_of_key(key, SIZE).size, SIZE);
    key[SIZE - 1] = '}';
    cr_assert_eq(reshard__tag_of_key(key, SIZE).size, SIZE - 12);
    free(key);
}
