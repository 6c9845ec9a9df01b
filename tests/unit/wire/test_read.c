/* SPDX-License-Identifier: MIT */
/* The reader: every head, and every input of up to 3 bytes through every decoder. */
#include "wire/schema.h"
#include <criterion/criterion.h>
#include <string.h>

/* What a head alone says, all bytes behind it being 0xFF; 0xFF is also what needs its whole width.
 */
static int32_t expected_of(unsigned head)
{
    static const int32_t by_low[3][4] = {
        /* < 24, 24 ... 27, 28 ... 30, 31 */
        {RESHARD_OK, RESHARD_OK, RESHARD_E_TYPE, RESHARD_E_TYPE},
        {RESHARD_OK, RESHARD_E_TRUNCATED, RESHARD_E_TYPE, RESHARD_E_CANONICAL},
        {RESHARD_OK, RESHARD_OK, RESHARD_E_TYPE, RESHARD_E_CANONICAL},
    };
    static const unsigned columns[32] = {[24] = 1, 1, 1, 1, 2, 2, 2, 3};
    if (head >> 5 != 0 && head >> 5 != 2 && head >> 5 != 4)
        return RESHARD_E_TYPE;
    return by_low[head >> 6][columns[head & 31]];
}

Test(read, only_integers_byte_strings_and_arrays_pass)
{
    for (unsigned head = 0; head < 256; head++) {
        uint8_t bytes[9 + 24];
        struct reshard__item item;
        size_t offset = 0;
        memset(bytes, 0xFF, sizeof bytes);
        bytes[0] = (uint8_t)head;
        int32_t status = reshard__item_next(bytes, sizeof bytes, &offset, &item);
        int32_t expected = expected_of(head);
        if (expected == RESHARD_E_TYPE && status == RESHARD_E_TRUNCATED)
            status = RESHARD_E_TYPE; /* a text, say, that announces more than there is */
        cr_assert_eq(status, expected, "%02x: %s", head, reshard_strname(status));
        cr_assert(status == RESHARD_OK || offset == 0);
    }
}

Test(read, item_says_where_it_is_and_what_it_holds)
{
    static const uint8_t bytes[] = {0x00, 0x18, 0x18, 0x43, 'a', 'b', 'c', 0x82};
    struct reshard__item item;
    size_t offset = 1;
    cr_assert_eq(reshard__item_next(bytes, sizeof bytes, &offset, &item), RESHARD_OK);
    cr_assert(item.type == RESHARD__ITEM_UINT && item.value == 24);
    cr_assert(item.offset == 1 && item.end == 3 && offset == 3);
    cr_assert_eq(reshard__item_next(bytes, sizeof bytes, &offset, &item), RESHARD_OK);
    cr_assert(item.type == RESHARD__ITEM_BYTES && item.value == 3 && item.data == bytes + 4);
    cr_assert(item.offset == 3 && item.end == 7);
    cr_assert_eq(reshard__item_next(bytes, sizeof bytes, &offset, &item), RESHARD_OK);
    cr_assert(item.type == RESHARD__ITEM_ARRAY && item.value == 2);
    cr_assert_eq(reshard__item_next(bytes, sizeof bytes, &offset, &item), RESHARD_E_TRUNCATED);
}

Test(read, members_end_behind_what_they_hold)
{
    static const uint8_t bytes[] = {0x84, 0x05, 0x82, 0x81, 0x01, 0x80, 0x41, 0x07, 0x80, 0x99};
    struct reshard__walk walk;
    size_t error_offset;
    cr_assert_eq(
        reshard__array_walk(bytes, sizeof bytes, 0, 100, &walk, &error_offset), RESHARD_OK);
    cr_assert_eq(walk.member_count, 4);
    cr_assert_eq(walk.end, 9);
    static const size_t starts[] = {1, 2, 6, 8}, ends[] = {2, 6, 8, 9};
    for (size_t i = 0; i < 4; i++)
        cr_assert(walk.members[i].offset == starts[i] && walk.members[i].end == ends[i]);
}

Test(read, more_members_than_are_remembered_are_counted_and_checked)
{
    uint8_t bytes[2 + 200];
    struct reshard__walk walk;
    size_t error_offset;
    memset(bytes, 1, sizeof bytes);
    bytes[0] = 0x98;
    bytes[1] = 200;
    for (size_t i = 2; i < sizeof bytes; i += 2) { /* [1] over and over: nested behind the end */
        bytes[i] = 0x81;
    }
    bytes[1] = 100;
    cr_assert_eq(
        reshard__array_walk(bytes, sizeof bytes, 0, 4096, &walk, &error_offset), RESHARD_OK);
    cr_assert(walk.member_count == 100 && walk.end == sizeof bytes);
    cr_assert_eq(walk.members[RESHARD__MEMBERS_MAX - 1].end, 2 + 2 * RESHARD__MEMBERS_MAX);
    bytes[sizeof bytes - 1] = 0xF6;
    cr_assert_eq(
        reshard__array_walk(bytes, sizeof bytes, 0, 4096, &walk, &error_offset), RESHARD_E_TYPE);
    cr_assert_eq(error_offset, sizeof bytes - 1);
}

/* Every decoder on one input, as it stands or behind a right checksum. How many accepted it. */
static unsigned decode_all(const uint8_t *bytes, size_t size, uint8_t *framed)
{
    struct reshard__message message;
    struct reshard__record record;
    struct reshard_change change;
    struct reshard__journal_position position = {0, 0};
    struct reshard_range ranges[4];
    struct reshard_map *map = NULL;
    size_t count, offset = 0;
    uint64_t term;
    memcpy(framed + 8, bytes, size);
    reshard__put_le64(framed, reshard__checksum(framed + 8, size, 0));
    unsigned accepted = reshard__message_decode(framed, size + 8, 0, &message, &count) == 0;
    accepted += reshard__message_decode(bytes, size, 0, &message, &count) == 0;
    accepted += reshard__change_decode(bytes, size, &offset, ranges, 4, &change) == 0;
    cr_assert(reshard__map_decode(bytes, size, NULL, &map, &count) != 0);
    offset = 0;
    cr_assert(reshard__record_decode(bytes, size, &offset, &position, &term, &record) != 0);
    return accepted;
}

Test(read, every_input_of_up_to_three_bytes, .timeout = 600)
{
    uint8_t framed[16];
    unsigned accepted = 0, ranges_accepted = 0;
    for (size_t size = 0; size <= 3; size++)
        for (uint32_t value = 0; value < 1U << 8 * size; value++) {
            const uint8_t bytes[3] = {
                (uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16)};
            struct reshard_range ranges[4];
            size_t count;
            accepted += decode_all(bytes, size, framed);
            ranges_accepted += reshard__ranges_decode(bytes, size, ranges, 4, &count) == 0;
        }
    /* By hand: messages [2] (MAP of nothing) and [2, from], [4, migration], [6, migration] with one
     * of 1 ... 23; changes need 4 bytes. Ranges: [] and [gap, length - 1] of one byte each. */
    cr_assert_eq(accepted, 1 + 3 * 23);
    cr_assert_eq(ranges_accepted, 1 + 24 * 24);
}
