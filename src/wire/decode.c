/* SPDX-License-Identifier: MIT */
/* Room wire: array → flat struct, run by the schema: pass 2. Byte strings borrow the input. */
#include "wire/schema.h"

#include <string.h>

static uint64_t get_be64(const uint8_t *bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++)
        value = value << 8 | bytes[i];
    return value;
}

int32_t reshard__digest_check(struct reshard__bytes bytes)
{
    if (bytes.size == 0)
        return RESHARD_OK;
    if (bytes.size != 16)
        return RESHARD_E_BOUND;
    return get_be64(bytes.data) || get_be64(bytes.data + 8) ? RESHARD_OK : RESHARD_E_CANONICAL;
}

static inline void uint_fill(const struct reshard__field *field, uint64_t value, uint8_t *at)
{
    uint32_t narrow = (uint32_t)value;
    if (field->width == sizeof narrow) {
        RESHARD_ASSERT(value <= UINT32_MAX);
        memcpy(at, &narrow, sizeof narrow);
    } else {
        memcpy(at, &value, sizeof value);
    }
}

static void digest_fill(struct reshard__bytes bytes, uint8_t *at)
{
    if (bytes.size == 0)
        return;
    RESHARD_ASSERT(bytes.size == 16);
    const struct reshard_digest digest = {
        .high = get_be64(bytes.data), .low = get_be64(bytes.data + 8)};
    memcpy(at, &digest, sizeof digest);
}

/* A pointer and its count. */
static void counted_fill(
    const struct reshard__field *field, const void *pointer, size_t count, uint8_t *flat)
{
    const uint32_t narrow = (uint32_t)count;
    memcpy(flat + field->offset, &pointer, sizeof pointer);
    memcpy(flat + field->count_offset, &narrow, sizeof narrow);
}

/* A field that is no integer. */
static void other_fill(const struct reshard__field *field, const uint8_t *bytes,
    const struct reshard__item *item, const struct reshard__range_sink *sink, uint8_t *flat)
{
    const struct reshard__bytes borrowed = reshard__item_bytes(bytes, item);
    const struct reshard__list list = {bytes + item->offset, item->end - item->offset, item->value};
    switch (field->type) {
    case RESHARD__DIGEST:
        digest_fill(borrowed, flat + field->offset);
        break;
    case RESHARD__BYTES:
        memcpy(flat + field->offset, &borrowed, sizeof borrowed);
        break;
    case RESHARD__TEXT:
        counted_fill(field, borrowed.data, borrowed.size, flat);
        break;
    case RESHARD__RANGES:
        RESHARD_ASSERT(sink && sink->needed <= sink->capacity);
        counted_fill(field, sink->needed > 0 ? sink->ranges : NULL, sink->needed, flat);
        break;
    default:
        RESHARD_ASSERT(field->type == RESHARD__LIST);
        memcpy(flat + field->offset, &list, sizeof list);
        break;
    }
}

/* Zero in blocks: where gcc knows a whole size of some hundred bytes it makes `rep stos` of it,
 * which takes longer than reading the members. */
static inline void flat_zero(uint8_t *flat, size_t size)
{
    enum { BLOCK = 64 };
    size_t at = 0;
    for (; size - at >= BLOCK; at += BLOCK)
        memset(flat + at, 0, BLOCK);
    memset(flat + at, 0, size - at);
}

void reshard__fields_fill(const struct reshard__schema_set *set, const uint8_t *bytes,
    const struct reshard__walk *walk, const struct reshard__range_sink *sink, void *flat)
{
    flat_zero(flat, set->struct_size);
    for (size_t i = 0; i < walk->member_count; i++) {
        const struct reshard__item *item = &walk->members[i];
        const struct reshard__field *field = &walk->schema->fields[i];
        if (field->type == RESHARD__UINT)
            uint_fill(field, item->value, (uint8_t *)flat + field->offset);
        else
            other_fill(field, bytes, item, sink, flat);
    }
}

const struct reshard__item *reshard__walk_member(const struct reshard__walk *walk, size_t offset)
{
    for (size_t i = 0; i < walk->member_count; i++)
        if (walk->schema->fields[i].offset == offset)
            return &walk->members[i];
    return NULL;
}
