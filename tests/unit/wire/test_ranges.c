/* SPDX-License-Identifier: MIT */
/* Ranges: one form for one set. */
#include "tools/wire_values.h"
#include <criterion/criterion.h>

Test(ranges, generated_set_comes_back_and_encodes_the_same)
{
    static struct wire_source source;
    wire_source_init(&source, 20240503);
    for (uint32_t i = 0; i < 100000; i++) {
        struct reshard_range out[WIRE_RANGES_MAX];
        uint8_t bytes[1024];
        size_t size = 0, count = 0;
        uint32_t in_count = wire_draw_ranges(&source, i % 2 ? 16384 : RESHARD_SLOT_COUNT_MAX);
        cr_assert_eq(reshard__ranges_encode(source.ranges, in_count, bytes, sizeof bytes, &size),
            RESHARD_OK);
        cr_assert_eq(reshard__ranges_decode(bytes, size, out, WIRE_RANGES_MAX, &count), RESHARD_OK);
        cr_assert_eq(count, in_count);
        cr_assert_eq(memcmp(out, source.ranges, count * sizeof *out), 0);
    }
}

Test(ranges, encoder_refuses_unsorted_adjacent_and_too_high)
{
    static const struct reshard_range bad[][2] = {
        {{5, 4}, {9, 9}},
        {{5, 6}, {7, 9}},
        {{5, 6}, {6, 9}},
        {{5, 6}, {0, 1}},
        {{5, 6}, {9, 1048576}},
    };
    uint8_t bytes[64];
    size_t size = 77;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_eq(
            reshard__ranges_encode(bad[i], 2, bytes, sizeof bytes, &size), RESHARD_E_BOUND);
    cr_assert_eq(reshard__ranges_encode(NULL, 1, bytes, sizeof bytes, &size), RESHARD_E_BOUND);
    cr_assert_eq(size, 77);
    cr_assert_eq(reshard__ranges_encode(NULL, 0, bytes, sizeof bytes, &size), RESHARD_OK);
    cr_assert_eq(size, 1);
}

Test(ranges, decoder_refuses_odd_too_high_and_mistyped)
{
    static const struct {
        const char *bytes;
        size_t size;
        int32_t status;
    } rows[] = {
#define BAD(bytes, status) {bytes, sizeof(bytes) - 1, status}
        BAD("", RESHARD_E_TRUNCATED),
        BAD("\x81\x00", RESHARD_E_BOUND),
        BAD("\x82\x00\x1A\x00\x10\x00\x00", RESHARD_E_BOUND),
        BAD("\x82\x00\x1A\x00\x0F\xFF\xFF", RESHARD_OK),
        BAD("\x82\x1A\x00\x0F\xFF\xFF\x00", RESHARD_OK),
        BAD("\x82\x1A\x00\x0F\xFF\xFF\x01", RESHARD_E_BOUND),
        BAD("\x84\x1A\x00\x0F\xFF\xFF\x00\x00\x00", RESHARD_E_BOUND),
        BAD("\x84\x1A\x00\x0F\xFF\xFE\x00\x00\x00", RESHARD_E_BOUND), /* nothing behind it */
        BAD("\x82\x00\x40", RESHARD_E_TYPE),
        BAD("\x82\x00\x80", RESHARD_E_TYPE),
        BAD("\x82\x00\x18\x01", RESHARD_E_CANONICAL),
        BAD("\x80\x00", RESHARD_E_TRAILING),
        BAD("\x40", RESHARD_E_TYPE),
        BAD("\x80", RESHARD_OK),
    };
    struct reshard_range out[4];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t count = 77;
        int32_t status =
            reshard__ranges_decode((const uint8_t *)rows[i].bytes, rows[i].size, out, 4, &count);
        cr_assert_eq(status, rows[i].status, "row %zu: %s", i, reshard_strname(status));
        cr_assert(status == RESHARD_OK || count == 77);
    }
}

Test(ranges, space_needed_is_reported)
{
    static const struct reshard_range in[3] = {{0, 1}, {3, 4}, {6, 7}};
    struct reshard_range out[3] = {{0, 0}, {0, 0}, {0, 0}};
    uint8_t bytes[16];
    size_t size, count = 0;
    cr_assert_eq(reshard__ranges_encode(in, 3, bytes, 6, &size), RESHARD_E_SPACE);
    cr_assert_eq(size, 7);
    cr_assert_eq(reshard__ranges_encode(in, 3, bytes, 7, &size), RESHARD_OK);
    cr_assert_eq(reshard__ranges_decode(bytes, size, out, 1, &count), RESHARD_E_SPACE);
    cr_assert_eq(count, 3);
    cr_assert_eq(out[1].last, 0);
}

Test(ranges, item_of_another_type_or_size_is_refused)
{
    static const struct {
        const char *bytes;
        size_t size;
        int32_t status;
        size_t offset;
    } rows[] = {
        {"\x01\x01", 2, RESHARD_E_TYPE, 0},
        {"\x41\x01", 2, RESHARD_E_TYPE, 0},
        {"\x81\x01", 2, RESHARD_E_BOUND, 0}, /* half a range */
        {"\x82\x01", 2, RESHARD_E_TRUNCATED, 0},
        {"\x82\x01\x40", 3, RESHARD_E_TYPE, 2},
        {"\x82\x01\x80", 3, RESHARD_E_TYPE, 2},
        {"\x82\x18\x01\x00", 4, RESHARD_E_CANONICAL, 1},
        {"\x82\x01\x1A\x00\x10\x00\x00", 7, RESHARD_E_BOUND, 2}, /* 2^20 slots from 1 */
        {"\x82\x01\x1B\x00\x00\x00\x01\x00\x00\x00\x00", 11, RESHARD_E_BOUND, 2},
        {"\x84\x00\x1A\x00\x0F\xFF\xFF\x00\x00", 9, RESHARD_E_BOUND, 7}, /* behind all slots */
        {"\x9A\x00\x10\x00\x02\x01", 6, RESHARD_E_TRUNCATED, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct reshard_range range = {7, 7};
        struct reshard__range_sink sink = {&range, 1, 77};
        size_t offset = 0;
        int32_t status =
            reshard__ranges_next((const uint8_t *)rows[i].bytes, rows[i].size, &offset, &sink);
        cr_expect_eq(status, rows[i].status, "row %zu: %s", i, reshard_strname(status));
        cr_expect_eq(offset, rows[i].offset, "row %zu: offset %zu", i, offset);
    }
}

Test(ranges, more_than_there_can_be_are_refused_before_they_are_read)
{
    static uint8_t bytes[5 + RESHARD_SLOT_COUNT_MAX + 2];
    struct reshard__range_sink sink = {NULL, 0, 77};
    size_t offset = 0;
    memcpy(bytes, "\x9A\x00\x10\x00\x02", 5);
    cr_assert_eq(reshard__ranges_next(bytes, sizeof bytes, &offset, &sink), RESHARD_E_SIZE);
    cr_assert(offset == 0 && sink.needed == 77);
}
