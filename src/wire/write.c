/* SPDX-License-Identifier: MIT */
/* Room wire: the CBOR writer. Shortest heads by construction; the long ones by libcbor's buffer
 * encoders. */
#include "wire/schema.h"

#include <cbor/encoding.h>
#include <string.h>

enum { UINT = 0, BYTES = 2, ARRAY = 4 }; /* major types */

static inline size_t head_size(uint64_t value)
{
    if (value < 24)
        return 1;
    if (value <= UINT8_MAX)
        return 2;
    if (value <= UINT16_MAX)
        return 3;
    return value <= UINT32_MAX ? 5 : 9;
}

/* Where the next `size` bytes go, or NULL when they do not fit; they count either way. */
static inline uint8_t *reserve(struct reshard__writer *writer, size_t size)
{
    const size_t at = writer->used;
    if (at <= writer->capacity && size <= writer->capacity - at) {
        writer->used = at + size;
        return writer->data + at;
    }
    if (!reshard__add_size(at, size, &writer->used))
        writer->used = SIZE_MAX;
    return NULL;
}

/* A head of more than three bytes, by libcbor; `at` has room for `size`. */
static void long_head_put(uint8_t *at, size_t size, unsigned type, uint64_t value)
{
    size_t written;
    if (type == UINT)
        written = cbor_encode_uint(value, at, size);
    else if (type == BYTES)
        written = cbor_encode_bytestring_start((size_t)value, at, size);
    else
        written = cbor_encode_array_start((size_t)value, at, size);
    RESHARD_ASSERT(written == size);
}

/* Nearly all heads are up to three bytes long. They are written here, because a call of libcbor
 * costs more than all else about them; a test holds them against libcbor's. */
static inline void head_put(struct reshard__writer *writer, unsigned type, uint64_t value)
{
    const size_t size = head_size(value);
    uint8_t *at = reserve(writer, size);
    if (!at)
        return;
    switch (size) {
    case 1:
        at[0] = (uint8_t)(type << 5 | value);
        break;
    case 2:
        at[0] = (uint8_t)(type << 5 | 24);
        at[1] = (uint8_t)value;
        break;
    case 3:
        at[0] = (uint8_t)(type << 5 | 25);
        at[1] = (uint8_t)(value >> 8);
        at[2] = (uint8_t)value;
        break;
    default:
        long_head_put(at, size, type, value);
        break;
    }
}

void reshard__put_uint_any(struct reshard__writer *writer, uint64_t value)
{
    head_put(writer, UINT, value);
}

void reshard__put_array(struct reshard__writer *writer, uint64_t count)
{
    head_put(writer, ARRAY, count);
}

void reshard__put_bytes_head(struct reshard__writer *writer, size_t size)
{
    head_put(writer, BYTES, size);
}

void reshard__put_raw(struct reshard__writer *writer, const void *data, size_t size)
{
    uint8_t *at = size > 0 ? reserve(writer, size) : NULL;
    if (at)
        memcpy(at, data, size);
}

int32_t reshard__writer_finish(const struct reshard__writer *writer, size_t *size_out)
{
    *size_out = writer->used;
    return writer->used <= writer->capacity ? RESHARD_OK : RESHARD_E_SPACE;
}
