/* SPDX-License-Identifier: MIT */
#include "memory_store.h"

#include <string.h>

static void put_le(uint8_t *out, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        out[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get_le(const uint8_t *bytes, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

size_t memory_record_size(const struct memory_record *record)
{
    return MEMORY_RECORD_HEAD_SIZE + record->key_size + record->value_size;
}

void memory_record_write(const struct memory_record *record, uint8_t *out)
{
    out[0] = (uint8_t)record->kind;
    put_le(out + 1, record->key_size, 4);
    put_le(out + 5, record->value_size, 4);
    put_le(out + 9, record->expiry_ns, 8);
    memcpy(out + MEMORY_RECORD_HEAD_SIZE, record->key, record->key_size);
    if (record->value_size)
        memcpy(out + MEMORY_RECORD_HEAD_SIZE + record->key_size, record->value,
            record->value_size);
}

int32_t memory_record_read(
    const uint8_t *bytes, size_t size, size_t *offset, struct memory_record *record)
{
    size_t left = size - *offset;
    if (!left)
        return RESHARD_E_EMPTY;
    if (left < MEMORY_RECORD_HEAD_SIZE)
        return RESHARD_E_TRUNCATED;
    const uint8_t *at = bytes + *offset;
    if (at[0] != MEMORY_RECORD_PUT && at[0] != MEMORY_RECORD_DELETE)
        return RESHARD_E_KIND;
    left -= MEMORY_RECORD_HEAD_SIZE;
    size_t key_size = (size_t)get_le(at + 1, 4);
    size_t value_size = (size_t)get_le(at + 5, 4);
    if (key_size > left || value_size > left - key_size)
        return RESHARD_E_TRUNCATED;
    record->kind = at[0];
    record->expiry_ns = get_le(at + 9, 8);
    record->key = at + MEMORY_RECORD_HEAD_SIZE;
    record->key_size = key_size;
    record->value = record->key + key_size;
    record->value_size = value_size;
    *offset += memory_record_size(record);
    return RESHARD_OK;
}
