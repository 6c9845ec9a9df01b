/* SPDX-License-Identifier: MIT */
/* Room wire: the CBOR writer. libcbor's buffer encoders only; shortest heads by construction. */
#include "wire/schema.h"

#include <cbor/encoding.h>
#include <string.h>

static size_t head_size(uint64_t value)
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

void reshard__put_uint_any(struct reshard__writer *writer, uint64_t value)
{
    const size_t size = head_size(value);
    size_t written;
    uint8_t *at = reserve(writer, size);
    if (!at)
        return;
    switch (size) {
    case 1:
    case 2:
        written = cbor_encode_uint8((uint8_t)value, at, size);
        break;
    case 3:
        written = cbor_encode_uint16((uint16_t)value, at, size);
        break;
    case 5:
        written = cbor_encode_uint32((uint32_t)value, at, size);
        break;
    default:
        written = cbor_encode_uint64(value, at, size);
        break;
    }
    RESHARD_ASSERT(written == size);
}

/* A head of one byte: its value below the type. */
static inline bool short_head_put(struct reshard__writer *writer, unsigned type, uint64_t value)
{
    if (value >= 24 || writer->used >= writer->capacity)
        return false;
    writer->data[writer->used++] = (uint8_t)(type << 5 | value);
    return true;
}

void reshard__put_array(struct reshard__writer *writer, uint64_t count)
{
    if (short_head_put(writer, 4, count))
        return;
    size_t size = head_size(count);
    uint8_t *at = reserve(writer, size);
    if (at)
        RESHARD_ASSERT(cbor_encode_array_start((size_t)count, at, size) == size);
}

void reshard__put_bytes_head(struct reshard__writer *writer, size_t size)
{
    if (short_head_put(writer, 2, size))
        return;
    size_t head = head_size(size);
    uint8_t *at = reserve(writer, head);
    if (at)
        RESHARD_ASSERT(cbor_encode_bytestring_start(size, at, head) == head);
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
