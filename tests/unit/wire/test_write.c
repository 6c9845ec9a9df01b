/* SPDX-License-Identifier: MIT */
/* The writer: examples of RFC 8949 appendix A, and buffers that are too small. */
#include "wire/schema.h"
#include <cbor/encoding.h>
#include <criterion/criterion.h>
#include <string.h>

Test(write, heads_are_those_of_rfc_8949)
{
    static const struct {
        uint64_t value;
        const char *bytes;
        size_t size;
    } rows[] = {
        {0, "\x00", 1},
        {10, "\x0a", 1},
        {23, "\x17", 1},
        {24, "\x18\x18", 2},
        {100, "\x18\x64", 2},
        {255, "\x18\xff", 2},
        {256, "\x19\x01\x00", 3},
        {1000, "\x19\x03\xe8", 3},
        {65535, "\x19\xff\xff", 3},
        {1000000, "\x1a\x00\x0f\x42\x40", 5},
        {UINT32_MAX, "\x1a\xff\xff\xff\xff", 5},
        {1000000000000, "\x1b\x00\x00\x00\xe8\xd4\xa5\x10\x00", 9},
        {UINT64_MAX, "\x1b\xff\xff\xff\xff\xff\xff\xff\xff", 9},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t bytes[27];
        struct reshard__writer writer = {bytes, sizeof bytes, 0};
        size_t size = 0;
        reshard__put_uint(&writer, rows[i].value);
        cr_assert_eq(reshard__writer_finish(&writer, &size), RESHARD_OK);
        cr_assert_eq(size, rows[i].size);
        cr_assert_eq(memcmp(bytes, rows[i].bytes, size), 0);
        writer.used = 0;
        reshard__put_array(&writer, rows[i].value);
        reshard__put_bytes_head(&writer, (size_t)rows[i].value);
        cr_assert_eq(bytes[0], (uint8_t)rows[i].bytes[0] | 0x80);
        cr_assert_eq(memcmp(bytes + 1, rows[i].bytes + 1, size - 1), 0);
        cr_assert_eq(bytes[size], (uint8_t)rows[i].bytes[0] | 0x40);
        cr_assert_eq(writer.used, 2 * size);
    }
}

Test(write, every_head_of_up_to_five_bytes_is_libcbors)
{
    for (uint64_t value = 0; value < 70000; value++) {
        uint8_t ours[27], theirs[27];
        struct reshard__writer writer = {ours, sizeof ours, 0};
        reshard__put_uint(&writer, value);
        reshard__put_bytes_head(&writer, (size_t)value);
        reshard__put_array(&writer, value);
        size_t size = cbor_encode_uint(value, theirs, sizeof theirs);
        size += cbor_encode_bytestring_start((size_t)value, theirs + size, sizeof theirs - size);
        size += cbor_encode_array_start((size_t)value, theirs + size, sizeof theirs - size);
        cr_assert_eq(writer.used, size);
        cr_assert_eq(memcmp(ours, theirs, size), 0, "%llu", (unsigned long long)value);
    }
}

Test(write, full_buffer_is_never_passed_and_the_need_is_counted)
{
    for (size_t capacity = 0; capacity < 16; capacity++) {
        uint8_t bytes[32];
        size_t size = 0;
        struct reshard__writer writer = {capacity > 0 ? bytes : NULL, capacity, 0};
        memset(bytes, 0xA5, sizeof bytes);
        reshard__put_array(&writer, 3);
        reshard__put_uint(&writer, 65536);
        reshard__put_bytes_head(&writer, 4);
        reshard__put_raw(&writer, "abcd", 4);
        reshard__put_uint(&writer, 7);
        cr_assert_eq(
            reshard__writer_finish(&writer, &size), capacity < 12 ? RESHARD_E_SPACE : RESHARD_OK);
        cr_assert_eq(size, 12);
        for (size_t i = capacity; i < sizeof bytes; i++)
            cr_assert_eq(bytes[i], 0xA5);
    }
}

Test(write, need_that_overflows_is_counted_as_the_largest)
{
    uint8_t bytes[8];
    size_t size = 0;
    struct reshard__writer writer = {bytes, sizeof bytes, SIZE_MAX - 3};
    reshard__put_raw(&writer, "abcdefgh", 8);
    reshard__put_uint(&writer, UINT64_MAX);
    cr_assert_eq(reshard__writer_finish(&writer, &size), RESHARD_E_SPACE);
    cr_assert_eq(size, SIZE_MAX);
}
