/* SPDX-License-Identifier: MIT */
/* Room dump: see dump.h. */
#include "dump.h"

#include <stdbool.h>
#include <string.h>

#define CRC_POLYNOMIAL UINT64_C(0x95ac9329ac4bc9b5) /* 0xad93d23594c935a9, reflected */
#define VALUE_SIZE_MAX ((uint64_t)512 << 20)

enum {
    TYPE_STRING = 0,
    FOOTER_SIZE = 10,
    VERSION = 10,     /* of Redis 7.0 */
    VERSION_MAX = 11, /* strings are the same in Redis 7.2 */
    EXPANSION_MAX = 264 /* of LZF: three bytes say so many */
};

/* The first byte of a string: two bits say what the others are. */
enum { LENGTH_6 = 0, LENGTH_14 = 1, LENGTH_LARGE = 2, LENGTH_CODE = 3 };
enum { LENGTH_32 = 0x80, LENGTH_64 = 0x81 };
enum { CODE_INT8, CODE_INT16, CODE_INT32, CODE_LZF };

static uint64_t checksum(const uint8_t *data, size_t size)
{
    uint64_t table[256];
    uint64_t sum = 0;
    for (uint32_t index = 0; index < 256; index++) {
        table[index] = index;
        for (int bit = 0; bit < 8; bit++)
            table[index] = table[index] >> 1 ^ (table[index] & 1 ? CRC_POLYNOMIAL : 0);
    }
    for (size_t at = 0; at < size; at++)
        sum = table[(sum ^ data[at]) & 0xff] ^ sum >> 8;
    return sum;
}

/* ---- writing ---- */

static size_t length_write(uint8_t at[5], uint64_t length)
{
    if (length < 1 << 6) {
        at[0] = (uint8_t)length;
        return 1;
    }
    if (length < 1 << 14) {
        at[0] = (uint8_t)(LENGTH_14 << 6 | length >> 8);
        at[1] = (uint8_t)length;
        return 2;
    }
    at[0] = LENGTH_32;
    put_u32_big(at + 1, (uint32_t)length);
    return 5;
}

size_t dump_size(uint64_t value_size)
{
    uint8_t length[5];
    return 1 + length_write(length, value_size) + (size_t)value_size + FOOTER_SIZE;
}

size_t dump_begin(struct buffer *dump, uint64_t value_size)
{
    uint8_t head[6] = {TYPE_STRING};
    size_t start = dump->size;
    buffer_append(dump, head, 1 + length_write(head + 1, value_size));
    return start;
}

void dump_end(struct buffer *dump, size_t start)
{
    uint8_t footer[8];
    put_u16(footer, VERSION);
    buffer_append(dump, footer, 2);
    put_u64(footer, checksum(dump->data + start, dump->size - start));
    buffer_append(dump, footer, 8);
}

/* ---- reading ---- */

static bool take(struct bytes *from, uint64_t size, struct bytes *taken_out)
{
    if (size > from->size)
        return false;
    *taken_out = (struct bytes){from->data, (size_t)size};
    *from = (struct bytes){from->data + size, from->size - (size_t)size};
    return true;
}

/* A length, or a code when *coded. */
static bool length_read(struct bytes *from, bool *coded, uint64_t *length_out)
{
    struct bytes part;
    if (!take(from, 1, &part))
        return false;
    uint8_t first = part.data[0];
    *coded = first >> 6 == LENGTH_CODE;
    *length_out = first & 0x3f;
    if (first >> 6 == LENGTH_14) {
        if (!take(from, 1, &part))
            return false;
        *length_out = *length_out << 8 | part.data[0];
    } else if (first >> 6 == LENGTH_LARGE) {
        if ((first != LENGTH_32 && first != LENGTH_64) ||
            !take(from, first == LENGTH_32 ? 4 : 8, &part))
            return false;
        *length_out = first == LENGTH_32 ? get_u32_big(part.data) : get_u64_big(part.data);
    }
    return true;
}

static bool integer_read(
    struct bytes *from, uint64_t code, struct buffer *scratch, struct bytes *value_out)
{
    struct bytes part;
    char text[NUMBER_TEXT_SIZE];
    int64_t number;
    if (!take(from, UINT64_C(1) << code, &part))
        return false;
    if (code == CODE_INT8)
        number = (int8_t)part.data[0];
    else if (code == CODE_INT16)
        number = (int16_t)get_u16(part.data);
    else
        number = (int32_t)get_u32(part.data);
    buffer_append(scratch, text, (size_t)number_text(number, text));
    *value_out = (struct bytes){scratch->data, scratch->size};
    return true;
}

/* One step of LZF: bytes as they are, or a run of what came before. */
static bool lzf_step(struct bytes *packed, struct buffer *out, size_t size)
{
    struct bytes part;
    (void)take(packed, 1, &part);
    size_t control = part.data[0];
    if (control < 32) {
        if (control + 1 > size - out->size || !take(packed, control + 1, &part))
            return false;
        buffer_append(out, part.data, part.size);
        return true;
    }
    size_t run = control >> 5;
    size_t back = (control & 0x1f) << 8;
    if (run == 7) {
        if (!take(packed, 1, &part))
            return false;
        run += part.data[0];
    }
    if (!take(packed, 1, &part))
        return false;
    back += part.data[0] + (size_t)1;
    run += 2;
    if (back > out->size || run > size - out->size)
        return false;
    for (; run > 0; run--) /* it may overlap what it makes */
        buffer_append(out, out->data + out->size - back, 1);
    return true;
}

static bool lzf_read(struct bytes *from, struct buffer *scratch, struct bytes *value_out)
{
    struct bytes packed;
    uint64_t packed_size, size;
    bool coded;
    if (!length_read(from, &coded, &packed_size) || coded ||
        !length_read(from, &coded, &size) || coded || !take(from, packed_size, &packed) ||
        size > VALUE_SIZE_MAX || size > packed_size * EXPANSION_MAX)
        return false;
    (void)buffer_reserve(scratch, (size_t)size + 1);
    while (packed.size > 0)
        if (!lzf_step(&packed, scratch, (size_t)size))
            return false;
    *value_out = (struct bytes){scratch->data, scratch->size};
    return scratch->size == size;
}

static bool string_read(struct bytes *from, struct buffer *scratch, struct bytes *value_out)
{
    uint64_t length;
    bool coded;
    if (!length_read(from, &coded, &length))
        return false;
    if (!coded)
        return take(from, length, value_out);
    if (length == CODE_LZF)
        return lzf_read(from, scratch, value_out);
    return length < CODE_LZF && integer_read(from, length, scratch, value_out);
}

int dump_read(struct bytes dump, struct buffer *scratch, struct bytes *value_out)
{
    if (dump.size < FOOTER_SIZE)
        return DUMP_CHECKSUM;
    size_t size = dump.size - FOOTER_SIZE;
    if (get_u16(dump.data + size) > VERSION_MAX ||
        get_u64(dump.data + size + 2) != checksum(dump.data, size + 2))
        return DUMP_CHECKSUM;
    struct bytes rest = {dump.data + 1, size > 0 ? size - 1 : 0};
    if (size == 0 || dump.data[0] != TYPE_STRING || !string_read(&rest, scratch, value_out))
        return DUMP_FORMAT;
    return rest.size == 0 ? DUMP_SOUND : DUMP_FORMAT;
}
