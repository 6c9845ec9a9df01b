/* SPDX-License-Identifier: MIT */
/* Room wire: array → flat struct, run by the schema (pass 2). Byte strings borrow the input. */
#include "wire/schema.h"

#include <string.h>

static const uint32_t item_types[] = {
    [RESHARD__UINT] = RESHARD__ITEM_UINT,
    [RESHARD__DIGEST] = RESHARD__ITEM_BYTES,
    [RESHARD__BYTES] = RESHARD__ITEM_BYTES,
    [RESHARD__TEXT] = RESHARD__ITEM_BYTES,
    [RESHARD__RANGES] = RESHARD__ITEM_ARRAY,
    [RESHARD__LIST] = RESHARD__ITEM_ARRAY,
};

static uint64_t get_be64(const uint8_t *bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++)
        value = value << 8 | bytes[i];
    return value;
}

static int32_t digest_store(const struct reshard__item *item, uint8_t *at)
{
    struct reshard_digest digest = {0, 0};
    if (item->value == 0)
        return RESHARD_OK;
    if (item->value != 16)
        return RESHARD_E_BOUND;
    digest.high = get_be64(item->data);
    digest.low = get_be64(item->data + 8);
    if (!digest.high && !digest.low)
        return RESHARD_E_CANONICAL; /* all-zero has a shorter form */
    memcpy(at, &digest, sizeof digest);
    return RESHARD_OK;
}

static inline bool uint_fits(const struct reshard__field *field, const struct reshard__item *item)
{
    return field->type == RESHARD__UINT && item->type == RESHARD__ITEM_UINT &&
           item->value >= field->min && item->value <= field->max;
}

static inline void uint_store(const struct reshard__field *field, uint64_t value, uint8_t *at)
{
    uint32_t narrow = (uint32_t)value;
    if (field->width == sizeof narrow) {
        RESHARD_ASSERT(value <= UINT32_MAX);
        memcpy(at, &narrow, sizeof narrow);
    } else {
        memcpy(at, &value, sizeof value);
    }
}

static void text_store(
    const struct reshard__field *field, const struct reshard__item *item, uint8_t *flat)
{
    uint32_t size = (uint32_t)item->value;
    const char *text = size > 0 ? (const char *)item->data : NULL;
    memcpy(flat + field->offset, &text, sizeof text);
    memcpy(flat + field->count_offset, &size, sizeof size);
}

static int32_t ranges_store(const struct reshard__field *field, const uint8_t *bytes,
    const struct reshard__item *item, struct reshard__range_sink *sink, uint8_t *flat,
    size_t *error_offset)
{
    RESHARD_ASSERT(sink);
    int32_t status = reshard__ranges_read(bytes, item, sink, error_offset);
    if (status)
        return status;
    const struct reshard_range *ranges = sink->needed > 0 ? sink->ranges : NULL;
    uint32_t range_count = (uint32_t)sink->needed;
    memcpy(flat + field->offset, &ranges, sizeof ranges);
    memcpy(flat + field->count_offset, &range_count, sizeof range_count);
    return RESHARD_OK;
}

/* A field that is no integer, or one whose item does not fit. */
static int32_t other_store(const struct reshard__field *field, const uint8_t *bytes,
    const struct reshard__item *item, struct reshard__range_sink *sink, uint8_t *flat,
    size_t *error_offset)
{
    struct reshard__bytes borrowed = {item->value > 0 ? item->data : NULL, (size_t)item->value};
    struct reshard__list list = {bytes + item->offset, item->end - item->offset, item->value};
    /* RANGES count two integers each. */
    const uint64_t measured = field->type == RESHARD__RANGES ? item->value / 2 : item->value;
    if (item->type != item_types[field->type])
        return RESHARD_E_TYPE;
    if (measured < field->min || measured > field->max)
        return RESHARD_E_BOUND;
    switch (field->type) {
    case RESHARD__DIGEST:
        return digest_store(item, flat + field->offset);
    case RESHARD__BYTES:
        memcpy(flat + field->offset, &borrowed, sizeof borrowed);
        return RESHARD_OK;
    case RESHARD__TEXT:
        text_store(field, item, flat);
        return RESHARD_OK;
    case RESHARD__RANGES:
        return ranges_store(field, bytes, item, sink, flat, error_offset);
    default:
        RESHARD_ASSERT(field->type == RESHARD__LIST);
        memcpy(flat + field->offset, &list, sizeof list);
        return RESHARD_OK;
    }
}

/* Trailing defaults are left out by the one canonical form. */
static bool trailing_default(const struct reshard__schema *schema, const struct reshard__walk *walk,
    size_t first, size_t present)
{
    if (present == 0 || walk->member_count > first + schema->field_count)
        return false;
    return walk->members[first + present - 1].value == 0;
}

int32_t reshard__fields_decode(const struct reshard__schema *schema, const uint8_t *bytes,
    const struct reshard__walk *walk, struct reshard__range_sink *sink, void *flat,
    size_t *error_offset)
{
    const size_t first = schema->kind != 0 ? 1 : 0;
    RESHARD_ASSERT(first + schema->field_count <= RESHARD__MEMBERS_MAX);
    RESHARD_ASSERT(walk->member_count >= first);
    size_t present = walk->member_count - first;
    if (present > schema->field_count)
        present = schema->field_count;
    for (size_t i = 0; i < present; i++) {
        const struct reshard__item *item = &walk->members[first + i];
        const struct reshard__field *field = &schema->fields[i];
        if (uint_fits(field, item)) {
            uint_store(field, item->value, (uint8_t *)flat + field->offset);
            continue;
        }
        *error_offset = item->offset;
        int32_t status = other_store(field, bytes, item, sink, flat, error_offset);
        if (status)
            return status;
    }
    if (trailing_default(schema, walk, first, present)) {
        *error_offset = walk->members[first + present - 1].offset;
        return RESHARD_E_CANONICAL;
    }
    *error_offset = walk->end;
    for (size_t i = present; i < schema->field_count; i++)
        if (schema->fields[i].min > 0)
            return RESHARD_E_BOUND;
    return RESHARD_OK;
}
