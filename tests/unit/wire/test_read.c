/* SPDX-License-Identifier: MIT */
/* The reader: every head, and every input of up to 3 bytes through every decoder. */
#include "tools/wire_values.h"
#include <cbor.h>
#include <criterion/criterion.h>

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
    cr_assert(item.type == RESHARD__ITEM_BYTES && item.value == 3);
    cr_assert(reshard__item_bytes(bytes, &item).data == bytes + 4);
    cr_assert(item.offset == 3 && item.end == 7);
    cr_assert_eq(reshard__item_next(bytes, sizeof bytes, &offset, &item), RESHARD_OK);
    cr_assert(item.type == RESHARD__ITEM_ARRAY && item.value == 2);
    cr_assert_eq(reshard__item_next(bytes, sizeof bytes, &offset, &item), RESHARD_E_TRUNCATED);
}

/* An integer, a list, bytes, a list; nothing is required. */
static const struct reshard__field four_fields[] = {
    {.name = "a", .max = 9, .type = RESHARD__UINT, .width = 8},
    {.name = "b", .max = 9, .type = RESHARD__LIST},
    {.name = "c", .max = 9, .type = RESHARD__BYTES},
    {.name = "d", .max = 9, .type = RESHARD__LIST},
};
static const struct reshard__schema four = {"four", "", four_fields, 0, 4};
static const struct reshard__schema_set fours = {"fours", &four, 1, 0};

static int32_t check_four(
    const uint8_t *bytes, size_t size, struct reshard__walk *walk, size_t *error_offset)
{
    return reshard__array_check(&fours, bytes, size, 0, 300, NULL, walk, error_offset);
}

Test(read, members_end_behind_what_they_hold)
{
    static const uint8_t bytes[] = {
        0x84, 0x05, 0x82, 0x81, 0x01, 0x80, 0x41, 0x07, 0x81, 0x05, 0x99};
    struct reshard__walk walk;
    size_t error_offset;
    cr_assert_eq(check_four(bytes, sizeof bytes, &walk, &error_offset), RESHARD_OK);
    cr_assert_eq(walk.member_count, 4);
    cr_assert_eq(walk.end, 10);
    static const size_t starts[] = {1, 2, 6, 8}, ends[] = {2, 6, 8, 10};
    for (size_t i = 0; i < 4; i++)
        cr_assert(walk.members[i].offset == starts[i] && walk.members[i].end == ends[i]);
}

Test(read, members_that_no_field_knows_are_checked_as_well)
{
    uint8_t bytes[2 + 200];
    struct reshard__walk walk;
    size_t error_offset;
    memset(bytes, 1, sizeof bytes);
    memcpy(bytes, "\x98\x66\x01\x80\x40\x80", 6);
    for (size_t i = 6; i < sizeof bytes; i += 2) /* [1] over and over */
        bytes[i] = 0x81;
    cr_assert_eq(check_four(bytes, sizeof bytes, &walk, &error_offset), RESHARD_OK);
    cr_assert(walk.member_count == 4 && walk.end == sizeof bytes);
    bytes[sizeof bytes - 1] = 0xF6;
    cr_assert_eq(check_four(bytes, sizeof bytes, &walk, &error_offset), RESHARD_E_TYPE);
    cr_assert_eq(error_offset, sizeof bytes - 1);
}

Test(read, items_are_counted_wherever_they_stand)
{
    uint8_t bytes[2 + 310];
    struct reshard__walk walk;
    size_t error_offset;
    memset(bytes, 0, sizeof bytes);
    memcpy(bytes, "\x82\x01\x99\x01\x29", 5); /* 2 and 297 items */
    bytes[301] = 7;
    static const struct reshard__field long_fields[] = {
        {.name = "a", .max = 9, .type = RESHARD__UINT, .width = 8},
        {.name = "b", .max = 999, .type = RESHARD__LIST},
    };
    static const struct reshard__schema schema = {"long", "", long_fields, 0, 2};
    static const struct reshard__schema_set set = {"longs", &schema, 1, 0};
    cr_assert_eq(
        reshard__array_check(&set, bytes, sizeof bytes, 0, 299, NULL, &walk, &error_offset),
        RESHARD_OK);
    cr_assert_eq(walk.end, 5 + 297);
    cr_assert_eq(
        reshard__array_check(&set, bytes, sizeof bytes, 0, 298, NULL, &walk, &error_offset),
        RESHARD_E_SIZE);
    cr_assert_eq(error_offset, 2);
    cr_assert_eq(reshard__array_check(&set, bytes, sizeof bytes, 0, 1, NULL, &walk, &error_offset),
        RESHARD_E_SIZE);
    cr_assert_eq(error_offset, 0);
}

/* ---- against libcbor's streaming decoder ---- */

/* What libcbor says about one item; the profile's types only, `type` stays NONE otherwise. */
static void peer_uint8(void *context, uint8_t value)
{
    *(struct reshard__item *)context = (struct reshard__item){value, 0, 0, RESHARD__ITEM_UINT};
}

static void peer_uint16(void *context, uint16_t value)
{
    *(struct reshard__item *)context = (struct reshard__item){value, 0, 0, RESHARD__ITEM_UINT};
}

static void peer_bytes(void *context, cbor_data data, size_t size)
{
    (void)data;
    *(struct reshard__item *)context = (struct reshard__item){size, 0, 0, RESHARD__ITEM_BYTES};
}

static void peer_array(void *context, size_t count)
{
    *(struct reshard__item *)context = (struct reshard__item){count, 0, 0, RESHARD__ITEM_ARRAY};
}

/* What ours must say where libcbor reads `theirs`: not enough bytes and reserved heads are the
 * same, other types and tags are outside the profile, and only libcbor takes heads of indefinite
 * length or longer than need be. */
static int32_t expected_status(
    unsigned head, const struct cbor_decoder_result *result, const struct reshard__item *theirs)
{
    if (result->status != CBOR_DECODER_FINISHED)
        return result->status == CBOR_DECODER_NEDATA ? RESHARD_E_TRUNCATED : RESHARD_E_TYPE;
    if (theirs->type == RESHARD__ITEM_NONE)
        return head == 0x5F || head == 0x9F ? RESHARD_E_CANONICAL : RESHARD_E_TYPE;
    const size_t content = theirs->type == RESHARD__ITEM_BYTES ? (size_t)theirs->value : 0;
    static const uint64_t least[] = {[1] = 0, [2] = 24, [3] = 256};
    return theirs->value >= least[result->read - content] ? RESHARD_OK : RESHARD_E_CANONICAL;
}

static bool agrees(const uint8_t *bytes, size_t size, const struct cbor_callbacks *callbacks)
{
    struct reshard__item item, theirs = {0, 0, 0, RESHARD__ITEM_NONE};
    size_t offset = 0;
    int32_t status = reshard__item_next(bytes, size, &offset, &item);
    struct cbor_decoder_result result = cbor_stream_decode(bytes, size, callbacks, &theirs);
    if (status != expected_status(size > 0 ? bytes[0] : 0, &result, &theirs))
        return false;
    if (status)
        return offset == 0;
    return item.type == theirs.type && item.value == theirs.value && item.offset == 0 &&
           item.end == result.read && offset == result.read;
}

Test(read, every_head_of_up_to_three_bytes_is_what_libcbor_takes_it_for, .timeout = 300)
{
    static uint8_t bytes[3 + 65536];
    struct cbor_callbacks callbacks = cbor_empty_callbacks;
    callbacks.uint8 = peer_uint8;
    callbacks.uint16 = peer_uint16;
    callbacks.byte_string = peer_bytes;
    callbacks.array_start = peer_array;
    for (uint32_t value = 0; value < 1U << 24; value++) {
        bytes[0] = (uint8_t)(value >> 16);
        bytes[1] = (uint8_t)(value >> 8);
        bytes[2] = (uint8_t)value;
        /* Shorter ones once each. */
        for (size_t size = value & 0xFF ? 3 : value & 0xFFFF ? 2 : 0; size <= 3; size++)
            cr_assert(agrees(bytes, size, &callbacks), "%06x, %zu bytes", value, size);
        if (bytes[0] != 0x59)
            continue;
        const size_t length = (size_t)bytes[1] << 8 | bytes[2];
        cr_assert(agrees(bytes, 3 + length, &callbacks), "%06x and its content", value);
        cr_assert(agrees(bytes, 2 + length, &callbacks), "%06x, one byte short", value);
    }
    for (uint32_t value = 0x4000; value < 0x5900; value++)
        for (size_t size = 0; size <= 2 + 256; size++) {
            bytes[0] = (uint8_t)(value >> 8);
            bytes[1] = (uint8_t)value;
            cr_assert(agrees(bytes, size, &callbacks), "%04x, %zu bytes", value, size);
        }
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
