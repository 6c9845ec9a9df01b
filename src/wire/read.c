/* SPDX-License-Identifier: MIT */
/* Room wire: the CBOR reader, pass 1. libcbor's streaming decoder yields one item at a time;
 * nesting, counts and canonical form (RFC 8949 section 4.2.1), which it does not check, are checked
 * here, and so are types and bounds, as the schema has them. Nothing is allocated, nothing is ever
 * sized by what a head announces. */
#include "wire/schema.h"

#include <cbor/callbacks.h>
#include <cbor/configuration.h>
#include <cbor/streaming.h>
#include <string.h>

/* libcbor took size_t in these callbacks up to 0.8, uint64_t since. */
#if CBOR_MAJOR_VERSION > 0 || CBOR_MINOR_VERSION >= 9
typedef uint64_t item_count;
#else
typedef size_t item_count;
#endif

/* The callbacks fill a struct reshard__item. Its type stays NONE for everything outside the
 * profile; LONG is an integer that a shorter head holds. */
enum { ITEM_LONG = 98, ITEM_INDEFINITE = 99 };

static inline void item_set(void *context, uint32_t type, uint64_t value)
{
    struct reshard__item *item = context;
    item->type = type;
    item->value = value;
}

static inline void uint_set(void *context, uint64_t value, uint64_t least)
{
    item_set(context, value >= least ? RESHARD__ITEM_UINT : ITEM_LONG, value);
}

static void on_uint8(void *context, uint8_t value)
{
    uint_set(context, value, 24); /* those of one byte never come here, see short_head_read */
}

static void on_uint16(void *context, uint16_t value)
{
    uint_set(context, value, UINT64_C(1) << 8);
}

static void on_uint32(void *context, uint32_t value)
{
    uint_set(context, value, UINT64_C(1) << 16);
}

static void on_uint64(void *context, uint64_t value)
{
    uint_set(context, value, UINT64_C(1) << 32);
}

static void on_bytes(void *context, cbor_data data, item_count size)
{
    (void)data; /* stands before the item's end */
    item_set(context, RESHARD__ITEM_BYTES, size);
}

static void on_array(void *context, item_count count)
{
    item_set(context, RESHARD__ITEM_ARRAY, count);
}

static void on_indefinite(void *context)
{
    item_set(context, ITEM_INDEFINITE, 0);
}

static void refuse_int8(void *context, uint8_t value)
{
    (void)context;
    (void)value;
}

static void refuse_int16(void *context, uint16_t value)
{
    (void)context;
    (void)value;
}

static void refuse_int32(void *context, uint32_t value)
{
    (void)context;
    (void)value;
}

static void refuse_int64(void *context, uint64_t value)
{
    (void)context;
    (void)value;
}

static void refuse_text(void *context, cbor_data data, item_count size)
{
    (void)context;
    (void)data;
    (void)size;
}

static void refuse_count(void *context, item_count count)
{
    (void)context;
    (void)count;
}

static void refuse_float(void *context, float value)
{
    (void)context;
    (void)value;
}

static void refuse_double(void *context, double value)
{
    (void)context;
    (void)value;
}

static void refuse_bool(void *context, bool value)
{
    (void)context;
    (void)value;
}

static void refuse(void *context)
{
    (void)context;
}

static const struct cbor_callbacks callbacks = {
    .uint8 = on_uint8,
    .uint16 = on_uint16,
    .uint32 = on_uint32,
    .uint64 = on_uint64,
    .negint64 = refuse_int64,
    .negint32 = refuse_int32,
    .negint16 = refuse_int16,
    .negint8 = refuse_int8,
    .byte_string_start = on_indefinite,
    .byte_string = on_bytes,
    .string = refuse_text,
    .string_start = refuse,
    .indef_array_start = on_indefinite,
    .array_start = on_array,
    .indef_map_start = refuse,
    .map_start = refuse_count,
    .tag = refuse_int64,
    .float2 = refuse_float,
    .float4 = refuse_float,
    .float8 = refuse_double,
    .undefined = refuse,
    .null = refuse,
    .boolean = refuse_bool,
    .indef_break = refuse,
};

/* The argument of a whole, shortest head of up to three bytes, `left` > 0 of them; its size, 0 =
 * something else. */
static inline size_t short_argument_read(const uint8_t *head, size_t left, uint64_t *value)
{
    const unsigned low = head[0] & 31;
    if (low < 24) {
        *value = low;
        return 1;
    }
    if (low == 24 && left > 1 && head[1] >= 24) {
        *value = head[1];
        return 2;
    }
    if (low == 25 && left > 2 && head[1] > 0) {
        *value = (uint64_t)head[1] << 8 | head[2];
        return 3;
    }
    return 0;
}

/* Nearly all heads are of the profile and up to three bytes long. They are read here, because a
 * call of libcbor costs more than all else about an item; every other head, and so every refusal,
 * is libcbor's. A test holds the two against each other. Whether it was such a head. */
static inline bool short_head_read(
    const uint8_t *bytes, size_t size, size_t *offset, struct reshard__item *item)
{
    static const uint8_t types[8] = {
        [0] = RESHARD__ITEM_UINT, [2] = RESHARD__ITEM_BYTES, [4] = RESHARD__ITEM_ARRAY};
    const size_t at = *offset;
    const unsigned head = at < size ? bytes[at] : 0xFF;
    if (head < 24) { /* most are such */
        *item = (struct reshard__item){head, at, at + 1, RESHARD__ITEM_UINT};
        *offset = at + 1;
        return true;
    }
    uint64_t value = 0;
    const unsigned type = types[head >> 5];
    const size_t head_size =
        type != RESHARD__ITEM_NONE ? short_argument_read(bytes + at, size - at, &value) : 0;
    const size_t content = type == RESHARD__ITEM_BYTES ? (size_t)value : 0;
    if (head_size == 0 || content > size - at - head_size)
        return false;
    *item = (struct reshard__item){value, at, at + head_size + content, type};
    *offset = at + head_size + content;
    return true;
}

/* Whether a count needs all of a head of `size` bytes; more than one, see short_head_read. */
static bool count_is_shortest(uint64_t count, size_t size)
{
    switch (size) {
    case 2:
        return count >= 24;
    case 3:
        return count > UINT8_MAX;
    case 5:
        return count > UINT16_MAX;
    default:
        return count > UINT32_MAX;
    }
}

/* Errors of what libcbor read; 0 = within the profile. */
static inline int32_t result_judge(
    const struct cbor_decoder_result *result, const struct reshard__item *item)
{
    if (result->status != CBOR_DECODER_FINISHED)
        return result->status == CBOR_DECODER_NEDATA ? RESHARD_E_TRUNCATED : RESHARD_E_TYPE;
    if (item->type == RESHARD__ITEM_UINT)
        return RESHARD_OK;
    if (item->type == RESHARD__ITEM_NONE)
        return RESHARD_E_TYPE;
    if (item->type == ITEM_LONG || item->type == ITEM_INDEFINITE)
        return RESHARD_E_CANONICAL;
    const size_t content = item->type == RESHARD__ITEM_BYTES ? (size_t)item->value : 0;
    return count_is_shortest(item->value, result->read - content) ? RESHARD_OK
                                                                  : RESHARD_E_CANONICAL;
}

/* Any head, by libcbor. */
static int32_t head_read(
    const uint8_t *bytes, size_t size, size_t *offset, struct reshard__item *item)
{
    item->type = RESHARD__ITEM_NONE;
    struct cbor_decoder_result result =
        cbor_stream_decode(bytes + *offset, size - *offset, &callbacks, item);
    int32_t status = result_judge(&result, item);
    if (status)
        return status;
    item->offset = *offset;
    item->end = *offset + result.read;
    *offset = item->end;
    return RESHARD_OK;
}

static inline int32_t item_next(
    const uint8_t *bytes, size_t size, size_t *offset, struct reshard__item *item)
{
    if (short_head_read(bytes, size, offset, item))
        return RESHARD_OK;
    return head_read(bytes, size, offset, item);
}

int32_t reshard__item_next(
    const uint8_t *bytes, size_t size, size_t *offset, struct reshard__item *item)
{
    RESHARD_ASSERT(*offset <= size);
    return item_next(bytes, size, offset, item);
}

/* What is read, how far, and how many items it may still have. */
struct source {
    const uint8_t *bytes;
    size_t size;
    size_t offset;
    size_t items_left;
};

static inline int32_t source_next(struct source *source, struct reshard__item *item)
{
    return item_next(source->bytes, source->size, &source->offset, item);
}

/* An array whose head was read: no more items than there are bytes behind it, nor than may be. */
static inline int32_t array_open(struct source *source, const struct reshard__item *array)
{
    if (array->value <= source->size - source->offset && array->value <= source->items_left) {
        source->items_left -= (size_t)array->value;
        return RESHARD_OK;
    }
    const bool truncated = array->value > source->size - source->offset;
    source->offset = array->offset;
    return truncated ? RESHARD_E_TRUNCATED : RESHARD_E_SIZE;
}

/* All that an array holds whose head was read, whatever it is. The array itself is a member, so it
 * is at depth 2. left[i]: how many items the open arrays still lack, from the outermost. */
static int32_t content_check(struct source *source, struct reshard__item *array)
{
    uint64_t left[RESHARD__DEPTH_MAX - 1];
    size_t depth = 1;
    int32_t status = array_open(source, array);
    left[0] = array->value;
    while (!status && depth > 0) {
        struct reshard__item item;
        if (left[depth - 1] == 0) {
            depth--;
            continue;
        }
        left[depth - 1]--;
        status = source_next(source, &item);
        if (status || item.type != RESHARD__ITEM_ARRAY)
            continue;
        if (depth == RESHARD__DEPTH_MAX - 1) {
            source->offset = item.offset;
            return RESHARD_E_DEPTH;
        }
        status = array_open(source, &item);
        left[depth++] = item.value;
    }
    array->end = source->offset;
    return status;
}

/* An integer of at most `max`. */
static inline int32_t uint_next(struct source *source, uint64_t max, uint64_t *value)
{
    struct reshard__item item;
    int32_t status = source_next(source, &item);
    if (status)
        return status;
    *value = item.value;
    if (item.type == RESHARD__ITEM_UINT && item.value <= max)
        return RESHARD_OK;
    source->offset = item.offset;
    return item.type == RESHARD__ITEM_UINT ? RESHARD_E_BOUND : RESHARD_E_TYPE;
}

/* The ranges of an array whose head was read: pairs of gap and length - 1, see ranges.c. Those that
 * fit go to the sink. */
static int32_t ranges_check(
    struct source *source, struct reshard__item *array, struct reshard__range_sink *sink)
{
    const uint64_t range_count = array->value / 2;
    uint64_t next = 0, gap = 0, length = 0; /* next: lowest slot that a range may start with */
    if (array->value % 2 != 0) {
        source->offset = array->offset;
        return RESHARD_E_BOUND;
    }
    int32_t status = array_open(source, array);
    for (uint64_t i = 0; !status && i < range_count; i++) {
        if (next >= RESHARD_SLOT_COUNT_MAX)
            return RESHARD_E_BOUND;
        status = uint_next(source, RESHARD_SLOT_COUNT_MAX - 1 - next, &gap);
        if (!status)
            status = uint_next(source, RESHARD_SLOT_COUNT_MAX - 1 - next - gap, &length);
        const uint64_t first = next + gap, last = first + length;
        if (!status && i < sink->capacity)
            sink->ranges[i] = (struct reshard_range){(uint32_t)first, (uint32_t)last};
        next = last + 2;
    }
    if (status)
        return status;
    sink->needed = (size_t)range_count;
    array->end = source->offset;
    return RESHARD_OK;
}

int32_t reshard__ranges_next(
    const uint8_t *bytes, size_t size, size_t *offset, struct reshard__range_sink *sink)
{
    struct source source = {bytes, size, *offset, RESHARD_SLOT_COUNT_MAX};
    struct reshard__item array;
    int32_t status = source_next(&source, &array);
    if (!status && array.type == RESHARD__ITEM_ARRAY) {
        status = ranges_check(&source, &array, sink);
    } else if (!status) {
        source.offset = array.offset;
        status = RESHARD_E_TYPE;
    }
    *offset = source.offset;
    return status;
}

/* Types, then bounds (RANGES count two integers each), then what is inside. The item's head was
 * read. */
static int32_t other_check(struct source *source, const struct reshard__field *field,
    struct reshard__item *item, struct reshard__range_sink *sink)
{
    static const uint32_t item_types[] = {
        [RESHARD__UINT] = RESHARD__ITEM_UINT,
        [RESHARD__DIGEST] = RESHARD__ITEM_BYTES,
        [RESHARD__BYTES] = RESHARD__ITEM_BYTES,
        [RESHARD__TEXT] = RESHARD__ITEM_BYTES,
        [RESHARD__RANGES] = RESHARD__ITEM_ARRAY,
        [RESHARD__LIST] = RESHARD__ITEM_ARRAY,
    };
    const uint64_t measured = field->type == RESHARD__RANGES ? item->value / 2 : item->value;
    int32_t status = RESHARD_OK;
    if (item->type != item_types[field->type])
        status = RESHARD_E_TYPE;
    else if (measured < field->min || measured > field->max)
        status = RESHARD_E_BOUND;
    else if (field->type == RESHARD__DIGEST)
        status = reshard__digest_check(reshard__item_bytes(source->bytes, item));
    else if (field->type == RESHARD__RANGES)
        return ranges_check(source, item, sink);
    else if (field->type == RESHARD__LIST)
        return content_check(source, item);
    if (status)
        source->offset = item->offset;
    return status;
}

/* A member that the schema knows. */
static inline int32_t field_check(struct source *source, const struct reshard__field *field,
    struct reshard__item *item, struct reshard__range_sink *sink)
{
    int32_t status = source_next(source, item);
    if (status)
        return status;
    if (field->type == RESHARD__UINT && item->type == RESHARD__ITEM_UINT &&
        item->value >= field->min && item->value <= field->max)
        return RESHARD_OK;
    return other_check(source, field, item, sink);
}

/* One that it does not know: it only has to be of the profile. */
static int32_t unknown_check(struct source *source)
{
    struct reshard__item item;
    int32_t status = source_next(source, &item);
    if (!status && item.type == RESHARD__ITEM_ARRAY)
        status = content_check(source, &item);
    return status;
}

/* The first member says which array this is, unless only one may stand here. */
static int32_t kind_check(struct source *source, const struct reshard__schema_set *set,
    size_t member_count, struct reshard__walk *walk)
{
    struct reshard__item kind;
    walk->schema = &set->rows[0];
    if (set->rows[0].kind == 0)
        return RESHARD_OK;
    if (member_count == 0)
        return RESHARD_E_BOUND;
    int32_t status = source_next(source, &kind);
    if (status)
        return status;
    walk->schema = reshard__schema_find(set, kind.value);
    if (kind.type == RESHARD__ITEM_UINT && walk->schema)
        return RESHARD_OK;
    source->offset = kind.offset;
    return kind.type == RESHARD__ITEM_UINT ? RESHARD_E_KIND : RESHARD_E_TYPE;
}

/* Trailing defaults are left out by the one canonical form; members that are left out must be
 * allowed to be 0. */
static int32_t end_check(
    struct source *source, const struct reshard__walk *walk, size_t unknown_count)
{
    const struct reshard__schema *schema = walk->schema;
    const size_t count = walk->member_count;
    if (count > 0 && unknown_count == 0 && walk->members[count - 1].value == 0) {
        source->offset = walk->members[count - 1].offset;
        return RESHARD_E_CANONICAL;
    }
    for (size_t i = count; i < schema->field_count; i++)
        if (schema->fields[i].min > 0)
            return RESHARD_E_BOUND;
    return RESHARD_OK;
}

/* `count` members behind the kind. */
static int32_t members_check(struct source *source, size_t count, struct reshard__range_sink *sink,
    struct reshard__walk *walk)
{
    const struct reshard__schema *schema = walk->schema;
    const size_t known = count < schema->field_count ? count : schema->field_count;
    RESHARD_ASSERT(known <= RESHARD__MEMBERS_MAX);
    for (size_t i = 0; i < known; i++) {
        int32_t status = field_check(source, &schema->fields[i], &walk->members[i], sink);
        if (status)
            return status;
    }
    for (size_t i = known; i < count; i++) {
        int32_t status = unknown_check(source);
        if (status)
            return status;
    }
    walk->member_count = known;
    return end_check(source, walk, count - known);
}

static int32_t array_check(struct source *source, const struct reshard__schema_set *set,
    struct reshard__range_sink *sink, struct reshard__walk *walk)
{
    struct reshard__item head;
    int32_t status = source_next(source, &head);
    if (status)
        return status;
    if (head.type != RESHARD__ITEM_ARRAY) {
        source->offset = head.offset;
        return RESHARD_E_TYPE;
    }
    status = array_open(source, &head);
    if (!status)
        status = kind_check(source, set, (size_t)head.value, walk);
    if (status)
        return status;
    const size_t first = walk->schema->kind != 0 ? 1 : 0;
    return members_check(source, (size_t)head.value - first, sink, walk);
}

int32_t reshard__array_check(const struct reshard__schema_set *set, const uint8_t *bytes,
    size_t size, size_t offset, size_t items_max, struct reshard__range_sink *sink,
    struct reshard__walk *walk, size_t *error_offset)
{
    struct source source = {bytes, size, offset, items_max};
    RESHARD_ASSERT(offset <= size);
    int32_t status = array_check(&source, set, sink, walk);
    *error_offset = walk->end = source.offset;
    return status;
}
