/* SPDX-License-Identifier: MIT */
/* Messages: round trip, canonical form, damage, the scatter form of a CHUNK. */
#include "tools/wire_values.h"
#include <criterion/criterion.h>

/* Encode to one contiguous buffer, as a receiver sees it. */
static size_t encode_whole(const struct reshard__message *message, uint8_t *buffer, size_t capacity)
{
    size_t size = 0;
    cr_assert_eq(reshard__message_encode(message, buffer, capacity, &size), RESHARD_OK);
    if (message->type == RESHARD__CHUNK && message->payload.size > 0) {
        cr_assert_leq(size, RESHARD__MESSAGE_HEADER_MAX);
        memcpy(buffer + size, message->payload.data, message->payload.size);
        size += message->payload.size;
    }
    return size;
}

static size_t uncovered_size(const struct reshard__message *message)
{
    bool uncovered = message->type == RESHARD__CHUNK && message->kind == RESHARD__CHUNK_DATA &&
                     message->flags & RESHARD__CHUNK_UNCOVERED;
    return uncovered ? message->payload.size : 0;
}

Test(message, generated_value_comes_back_and_encodes_the_same, .timeout = 300)
{
    static struct wire_source source;
    uint64_t kinds[8] = {0};
    wire_source_init(&source, 20240501);
    for (uint32_t i = 0; i < 400000; i++) {
        struct reshard__message in, out;
        uint8_t bytes[4096], again[4096];
        wire_draw_message(&source, &in);
        size_t size = encode_whole(&in, bytes, sizeof bytes);
        memset(&out, 0xEE, sizeof out);
        cr_assert_eq(reshard__message_decode(bytes, size, 0, &out, NULL), RESHARD_OK);
        cr_assert_eq(out.type, in.type);
        cr_assert(wire_fields_equal(&reshard__message_schemas.rows[in.type - 1], &in, &out),
            "seed 20240501, value %u", i);
        cr_assert_eq(encode_whole(&out, again, sizeof again), size);
        cr_assert_eq(memcmp(bytes, again, size), 0);
        kinds[in.type]++;
    }
    for (size_t kind = 1; kind <= 6; kind++)
        cr_assert_gt(kinds[kind], 50000);
}

Test(message, space_needed_is_reported_and_exact)
{
    static struct wire_source source;
    wire_source_init(&source, 7);
    for (uint32_t i = 0; i < 2000; i++) {
        struct reshard__message in;
        uint8_t bytes[4096];
        size_t needed = 0, size = 0;
        wire_draw_message(&source, &in);
        cr_assert_eq(reshard__message_encode(&in, NULL, 0, &needed), RESHARD_E_SPACE);
        memset(bytes, 0xA5, sizeof bytes);
        cr_assert_eq(reshard__message_encode(&in, bytes, needed - 1, &size), RESHARD_E_SPACE);
        cr_assert_eq(size, needed);
        cr_assert_eq(bytes[needed - 1], 0xA5);
        cr_assert_eq(reshard__message_encode(&in, bytes, needed, &size), RESHARD_OK);
        cr_assert_eq(size, needed);
        cr_assert_eq(bytes[needed], 0xA5);
    }
}

Test(message, every_flip_and_truncation_is_refused)
{
    static struct wire_source source;
    wire_source_init(&source, 11);
    for (uint32_t i = 0; i < 60; i++) {
        struct reshard__message in, out;
        uint8_t bytes[4096];
        size_t offset = 0;
        wire_draw_message(&source, &in);
        size_t size = encode_whole(&in, bytes, sizeof bytes);
        memset(&out, 0x55, sizeof out);
        for (size_t cut = 0; cut < size; cut++)
            cr_assert_leq(
                reshard__message_decode(bytes, cut, 0, &out, &offset), RESHARD_E_TRUNCATED);
        /* Only the payload of an uncovered chunk may be damaged unseen; it is the end. */
        size_t covered = size - uncovered_size(&in);
        for (size_t bit = 0; bit < 8 * covered; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
            cr_assert_eq(
                reshard__message_decode(bytes, size, 0, &out, &offset), RESHARD_E_CHECKSUM);
            cr_assert_eq(offset, 0);
            bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        }
        const uint8_t *raw = (const uint8_t *)&out;
        for (size_t k = 0; k < sizeof out; k++)
            cr_assert_eq(raw[k], 0x55, "a refused message changed the output");
    }
}

/* Decode an array under a right checksum. */
static int32_t decode_array(const char *array, size_t array_size, size_t *offset)
{
    struct reshard__message out;
    uint8_t bytes[256];
    memcpy(bytes + 8, array, array_size);
    reshard__put_le64(bytes, reshard__checksum(bytes + 8, array_size, 0));
    *offset = 9999;
    return reshard__message_decode(bytes, array_size + 8, 0, &out, offset);
}

#define DECODE(array, offset) decode_array(array, sizeof(array) - 1, offset)

Test(message, malformed_array_is_refused_with_code_and_offset)
{
    static const struct {
        const char *array;
        size_t size;
        int32_t status;
        size_t offset;
    } rows[] = {
#define BAD(array, status, offset) {array, sizeof(array) - 1, status, offset}
        BAD("\x84\x01\x01\x05", RESHARD_E_TRUNCATED, 8), /* 4 items announced, 3 bytes left */
        BAD("\x84\x01\x01\x05\x19\x01", RESHARD_E_TRUNCATED, 12),
        BAD("\x84\x01\x01\x05\x01\x00", RESHARD_E_TRAILING, 13),
        BAD("\x84\x01\x18\x01\x05\x01", RESHARD_E_CANONICAL, 10), /* 1 in two bytes */
        BAD("\x84\x01\x19\x00\xFF\x05\x01", RESHARD_E_CANONICAL, 10),
        BAD("\x98\x04\x01\x01\x05\x01", RESHARD_E_CANONICAL, 8),  /* count 4 in two bytes */
        BAD("\x9F\x01\x01\x05\x01\xFF", RESHARD_E_CANONICAL, 8),  /* indefinite array */
        BAD("\x85\x01\x01\x05\x01\x00", RESHARD_E_CANONICAL, 13), /* trailing default written */
        BAD("\x84\x01\x01\x00\x01", RESHARD_E_BOUND, 11),         /* node 0 */
        BAD("\x83\x01\x01\x05", RESHARD_E_BOUND, 12),             /* slot_count left out */
        BAD("\x84\x01\x01\x20\x01", RESHARD_E_TYPE, 11),          /* -1 */
        BAD("\x84\x01\x01\xF4\x01", RESHARD_E_TYPE, 11),          /* false */
        BAD("\x84\x01\x01\xF6\x01", RESHARD_E_TYPE, 11),          /* null */
        BAD("\x84\x01\x01\xFF\x01", RESHARD_E_TYPE, 11),          /* stray break */
        BAD("\x84\x01\x01\xC1\x01\x01", RESHARD_E_TYPE, 11),      /* tag */
        BAD("\x84\x01\x01\x61\x41\x01", RESHARD_E_TYPE, 11),      /* text */
        BAD("\x84\x01\x01\xF9\x3C\x00\x01", RESHARD_E_TYPE, 11),  /* 1.0 */
        BAD("\x84\x01\x01\xA0\x01", RESHARD_E_TYPE, 11),          /* map */
        BAD("\x84\x01\x01\x41\x05\x01", RESHARD_E_TYPE, 11),      /* bytes instead of an integer */
        BAD("\x84\x01\x01\x1C\x01", RESHARD_E_TYPE, 11),          /* reserved head */
        BAD("\x84\x01\x01\x5F\x41\x05\xFF", RESHARD_E_CANONICAL, 11),
        BAD("\x82\x07\x01", RESHARD_E_KIND, 9),
        BAD("\x82\x00\x01", RESHARD_E_KIND, 9),
        BAD("\x82\x41\x01\x01", RESHARD_E_TYPE, 9),
        BAD("\x80", RESHARD_E_BOUND, 9),
        BAD("\x01", RESHARD_E_TYPE, 8),
        BAD("\x9A\x02\x00\x00\x00", RESHARD_E_TRUNCATED, 8), /* 32 Mi items announced */
        BAD("\x9B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", RESHARD_E_TRUNCATED, 8),
        BAD("\x82\x01\x5B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", RESHARD_E_TRUNCATED, 10),
        /* 7 levels in an unknown trailing member pass, 8 do not */
        BAD("\x88\x01\x01\x05\x01\x01\x01\x01\x81\x81\x81\x81\x81\x81\x81\x01", RESHARD_OK, 9999),
        BAD("\x88\x01\x01\x05\x01\x01\x01\x01\x81\x81\x81\x81\x81\x81\x81\x81\x01", RESHARD_E_DEPTH,
            23),
        BAD("\x88\x01\x01\x05\x01\x01\x01\x01\x18\x01", RESHARD_E_CANONICAL, 16),
        BAD("\x88\x01\x01\x05\x01\x01\x01\x01\xF6", RESHARD_E_TYPE, 16),
        BAD("\x88\x01\x01\x05\x01\x00\x00\x00\x01", RESHARD_OK, 9999),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t offset;
        int32_t status = decode_array(rows[i].array, rows[i].size, &offset);
        cr_assert_eq(status, rows[i].status, "row %zu: %s", i, reshard_strname(status));
        cr_assert_eq(offset, rows[i].offset, "row %zu: offset %zu", i, offset);
    }
}

Test(message, digest_of_zeros_has_one_form)
{
    size_t offset;
    /* report: type, migration, order, phase, result, copy, attempt, epoch, three sequences, digest
     */
    cr_assert_eq(DECODE("\x8E\x04\x01\x01\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00"
                        "\x50\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
                     &offset),
        RESHARD_E_CANONICAL);
    cr_assert_eq(DECODE("\x8E\x04\x01\x01\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00"
                        "\x50\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1",
                     &offset),
        RESHARD_OK);
    cr_assert_eq(DECODE("\x8E\x04\x01\x01\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00"
                        "\x4F\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1",
                     &offset),
        RESHARD_E_BOUND);
}

Test(message, limits_on_size_and_items_hold)
{
    static uint8_t bytes[8 + 3 + 5000];
    struct reshard__message out;
    size_t offset;
    memset(bytes, 1, sizeof bytes);
    memcpy(bytes + 8, "\x99\x13\x88", 3); /* 5000 items */
    reshard__put_le64(bytes, reshard__checksum(bytes + 8, sizeof bytes - 8, 0));
    cr_assert_eq(reshard__message_decode(bytes, sizeof bytes, 0, &out, &offset), RESHARD_E_SIZE);
    cr_assert_eq(offset, 8); /* the head that announces them */
    cr_assert_eq(reshard__message_decode(bytes, sizeof bytes, 100, &out, &offset), RESHARD_E_SIZE);
    cr_assert_eq(offset, 100);
    /* Whoever names no limit gets 1 MiB; nothing is read of what is longer. */
    cr_assert_eq(reshard__message_decode(NULL, (1 << 20) + 1, 0, &out, &offset), RESHARD_E_SIZE);
    cr_assert_eq(offset, 1 << 20);
}

Test(message, encoder_refuses_what_the_schema_does_not_allow)
{
    struct reshard__message in;
    uint8_t bytes[512];
    size_t size;
    memset(&in, 0, sizeof in);
    cr_assert_eq(reshard__message_encode(&in, bytes, sizeof bytes, &size), RESHARD_E_KIND);
    in.type = 7;
    cr_assert_eq(reshard__message_encode(&in, bytes, sizeof bytes, &size), RESHARD_E_KIND);
    in.type = RESHARD__ORDER;
    cr_assert_eq(reshard__message_encode(&in, bytes, sizeof bytes, &size), RESHARD_E_BOUND);
    in.migration = 1;
    in.order.term = 1;
    in.order.n = 1;
    cr_assert_eq(reshard__message_encode(&in, bytes, sizeof bytes, &size), RESHARD_OK);
    in.phase = 256;
    cr_assert_eq(reshard__message_encode(&in, bytes, sizeof bytes, &size), RESHARD_E_BOUND);
}

Test(message, chunk_payload_is_neither_copied_nor_read_back)
{
    struct reshard__message in, out;
    static uint8_t payload[100000];
    static uint8_t whole[100000 + 256];
    uint8_t head[RESHARD__MESSAGE_HEADER_MAX];
    size_t size;
    memset(&in, 0, sizeof in);
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)(i * 7);
    in.type = RESHARD__CHUNK;
    in.kind = RESHARD__CHUNK_DATA;
    in.migration = in.copy.term = in.copy.n = in.sequence = UINT64_MAX;
    in.attempt = in.final_sequence = UINT64_MAX;
    in.flags = UINT64_MAX & ~(uint64_t)RESHARD__CHUNK_UNCOVERED;
    in.digest.low = in.digest.high = UINT64_MAX;
    in.payload = (struct reshard__bytes){payload, sizeof payload};
    cr_assert_eq(reshard__message_encode(&in, head, sizeof head, &size), RESHARD_OK);
    memcpy(whole, head, size);
    memcpy(whole + size, payload, sizeof payload);
    cr_assert_eq(reshard__message_decode(whole, size + sizeof payload, 0, &out, NULL), RESHARD_OK);
    cr_assert_eq(out.payload.data, whole + size);
    cr_assert_eq(out.payload.size, sizeof payload);
}

/* Encode a chunk of 100 bytes, count which of its bytes may be flipped unseen. */
static size_t unseen_flips(uint32_t kind, uint64_t flags)
{
    uint8_t payload[100], bytes[400];
    struct reshard__message in, out;
    size_t unseen = 0;
    memset(payload, 0x5A, sizeof payload);
    memset(&in, 0, sizeof in);
    in.type = RESHARD__CHUNK;
    in.kind = kind;
    in.migration = 7;
    in.copy = (struct reshard__order_id){3, 4};
    in.sequence = 300;
    in.flags = flags;
    in.payload = (struct reshard__bytes){payload, sizeof payload};
    size_t size = encode_whole(&in, bytes, sizeof bytes);
    for (size_t i = 0; i < size; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes[i] ^= (uint8_t)(1U << bit);
            int32_t status = reshard__message_decode(bytes, size, 0, &out, NULL);
            cr_assert(status == RESHARD_OK || status == RESHARD_E_CHECKSUM);
            cr_assert(status || i >= size - sizeof payload, "byte %zu of the head", i);
            unseen += status == RESHARD_OK;
            bytes[i] ^= (uint8_t)(1U << bit);
        }
    return unseen;
}

Test(message, only_data_that_says_so_has_its_payload_outside_the_checksum)
{
    const uint64_t flag = RESHARD__CHUNK_UNCOVERED;
    cr_assert_eq(unseen_flips(RESHARD__CHUNK_DATA, flag), 800);
    cr_assert_eq(unseen_flips(RESHARD__CHUNK_DATA, ~UINT64_C(0)), 800);
    cr_assert_eq(unseen_flips(RESHARD__CHUNK_DATA, 0), 0);
    cr_assert_eq(unseen_flips(RESHARD__CHUNK_DATA, ~flag), 0);
    for (uint32_t kind = RESHARD__CHUNK_VOID; kind <= RESHARD__CHUNK_QUERY; kind++)
        cr_assert_eq(unseen_flips(kind, flag), 0);
}

Test(message, members_behind_an_uncovered_payload_are_covered)
{
    /* chunk, migration, copy, data, sequence, three of 0, UNCOVERED, "ab", a member to come */
    uint8_t bytes[8 + 16] = {
        0, 0, 0, 0, 0, 0, 0, 0, 0x8C, 5, 1, 1, 1, 1, 1, 0, 0, 0x40, 2, 0x42, 'a', 'b', 9};
    const size_t size = 8 + 15, behind = size - 1;
    struct reshard__message out;
    uint8_t covered[13];
    memcpy(covered, bytes + 8, 12);
    covered[12] = bytes[behind];
    reshard__put_le64(bytes, reshard__checksum(covered, sizeof covered, 0));
    cr_assert_eq(reshard__message_decode(bytes, size, 0, &out, NULL), RESHARD_OK);
    bytes[behind - 1] ^= 1;
    cr_assert_eq(reshard__message_decode(bytes, size, 0, &out, NULL), RESHARD_OK);
    bytes[behind] ^= 1;
    cr_assert_eq(reshard__message_decode(bytes, size, 0, &out, NULL), RESHARD_E_CHECKSUM);
}
