/* SPDX-License-Identifier: MIT */
/* Room wire: the CBOR reader. libcbor's streaming decoder yields one item at a time; nesting,
 * counts and canonical form (RFC 8949 section 4.2.1), which it does not check, are checked here.
 * Nothing is allocated, nothing is ever sized by what a head announces. */
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
 * profile. */
enum { ITEM_INDEFINITE = 99 };

static void item_set(void *context, uint32_t type, uint64_t value, const uint8_t *data)
{
    struct reshard__item *item = context;
    item->type = type;
    item->value = value;
    item->data = data;
}

static void on_uint8(void *context, uint8_t value)
{
    item_set(context, RESHARD__ITEM_UINT, value, NULL);
}

static void on_uint16(void *context, uint16_t value)
{
    item_set(context, RESHARD__ITEM_UINT, value, NULL);
}

static void on_uint32(void *context, uint32_t value)
{
    item_set(context, RESHARD__ITEM_UINT, value, NULL);
}

static void on_uint64(void *context, uint64_t value)
{
    item_set(context, RESHARD__ITEM_UINT, value, NULL);
}

static void on_bytes(void *context, cbor_data data, item_count size)
{
    item_set(context, RESHARD__ITEM_BYTES, size, data);
}

static void on_array(void *context, item_count count)
{
    item_set(context, RESHARD__ITEM_ARRAY, count, NULL);
}

static void on_indefinite(void *context)
{
    item_set(context, ITEM_INDEFINITE, 0, NULL);
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

/* Whether `value` needs all of a head of `size` bytes; more than one, see short_head_read. */
static bool head_is_shortest(uint64_t value, size_t size)
{
    switch (size) {
    case 2:
        return value >= 24;
    case 3:
        return value > UINT8_MAX;
    case 5:
        return value > UINT16_MAX;
    default:
        return value > UINT32_MAX;
    }
}

/* A head of one byte holds its value and is the shortest. Most heads are such, so they are read
 * here; all others by libcbor. Whether it was one. */
static inline bool short_head_read(
    const uint8_t *bytes, size_t size, size_t *offset, struct reshard__item *item)
{
    const size_t at = *offset;
    const unsigned head = at < size ? bytes[at] : 0xFF;
    const unsigned value = head & 31;
    size_t content = 0;
    if (head < 24) { /* most are integers */
        *item = (struct reshard__item){head, at, at + 1, bytes + at + 1, RESHARD__ITEM_UINT};
        *offset = at + 1;
        return true;
    }
    if (value >= 24)
        return false;
    switch (head >> 5) {
    case 2:
        content = value;
        item->type = RESHARD__ITEM_BYTES;
        break;
    case 4:
        item->type = RESHARD__ITEM_ARRAY;
        break;
    default:
        return false;
    }
    if (content > size - at - 1)
        return false;
    item->value = value;
    item->offset = at;
    item->end = at + 1 + content;
    item->data = bytes + at + 1;
    *offset = item->end;
    return true;
}

/* Errors of what libcbor read; 0 = within the profile. */
static int32_t result_judge(
    const struct cbor_decoder_result *result, const struct reshard__item *item)
{
    if (result->status == CBOR_DECODER_NEDATA)
        return RESHARD_E_TRUNCATED;
    if (result->status != CBOR_DECODER_FINISHED || item->type == RESHARD__ITEM_NONE)
        return RESHARD_E_TYPE;
    if (item->type == ITEM_INDEFINITE)
        return RESHARD_E_CANONICAL;
    size_t content = item->type == RESHARD__ITEM_BYTES ? (size_t)item->value : 0;
    return head_is_shortest(item->value, result->read - content) ? RESHARD_OK : RESHARD_E_CANONICAL;
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

/* Open arrays: how many items each still lacks. left[0] is the outermost. */
struct nesting {
    uint64_t left[RESHARD__DEPTH_MAX];
    size_t depth;
};

/* Close what is complete. */
static void nesting_close(struct nesting *nesting)
{
    while (nesting->depth > 0 && nesting->left[nesting->depth - 1] == 0)
        nesting->depth--;
}

static int32_t nesting_take(
    struct nesting *nesting, const struct reshard__item *item, size_t bytes_left)
{
    if (nesting->depth > 0)
        nesting->left[nesting->depth - 1]--;
    if (item->type == RESHARD__ITEM_ARRAY) {
        if (item->value > bytes_left)
            return RESHARD_E_TRUNCATED;
        if (nesting->depth == RESHARD__DEPTH_MAX)
            return RESHARD_E_DEPTH;
        nesting->left[nesting->depth++] = item->value;
    }
    nesting_close(nesting);
    return RESHARD_OK;
}

/* Where the next item goes: a direct member is kept, if there is room. */
static struct reshard__item *walk_place(
    struct reshard__walk *walk, bool is_member, struct reshard__item *scratch)
{
    if (!is_member)
        return scratch;
    size_t i = walk->member_count++;
    return i < RESHARD__MEMBERS_MAX ? &walk->members[i] : scratch;
}

/* An item inside a member: the member reaches at least to its end. */
static void walk_extend(struct reshard__walk *walk, const struct reshard__item *item)
{
    if (walk->member_count <= RESHARD__MEMBERS_MAX)
        walk->members[walk->member_count - 1].end = item->end;
}

/* An integer for pass 2. One that is too large for a slot is too large when cut down as well. */
static void number_keep(struct reshard__range_sink *sink, const struct reshard__item *item)
{
    const size_t i = sink->number_count / 2;
    const uint32_t value = item->value < UINT32_MAX ? (uint32_t)item->value : UINT32_MAX;
    sink->mixed |= item->type != RESHARD__ITEM_UINT;
    if (i < sink->capacity && sink->number_count % 2 == 0)
        sink->ranges[i].first = value;
    else if (i < sink->capacity)
        sink->ranges[i].last = value;
    sink->number_count++;
}

/* The items of an array whose head was taken. */
static int32_t members_walk(const uint8_t *bytes, size_t size, size_t items_max,
    struct nesting *nesting, struct reshard__walk *walk, struct reshard__range_sink *sink,
    size_t *offset)
{
    struct reshard__item scratch;
    int32_t status = RESHARD_OK;
    for (size_t count = 1; !status && nesting->depth > 0; count++) {
        const size_t start = *offset;
        const bool is_member = nesting->depth == 1;
        struct reshard__item *item = walk_place(walk, is_member, &scratch);
        if (count >= items_max)
            return RESHARD_E_SIZE;
        status = item_next(bytes, size, offset, item);
        if (status)
            return status;
        if (!is_member)
            walk_extend(walk, item);
        if (!is_member && sink)
            number_keep(sink, item);
        status = nesting_take(nesting, item, size - *offset);
        if (status)
            *offset = start;
    }
    return status;
}

int32_t reshard__array_walk_numbers(const uint8_t *bytes, size_t size, size_t offset,
    size_t items_max, struct reshard__walk *walk, struct reshard__range_sink *sink,
    size_t *error_offset)
{
    struct nesting nesting;
    struct reshard__item head;
    nesting.depth = 0;
    walk->member_count = 0;
    *error_offset = offset;
    RESHARD_ASSERT(offset <= size);
    int32_t status = item_next(bytes, size, &offset, &head);
    if (status)
        return status;
    if (head.type != RESHARD__ITEM_ARRAY)
        return RESHARD_E_TYPE;
    status = nesting_take(&nesting, &head, size - offset);
    if (status)
        return status;
    status = members_walk(bytes, size, items_max, &nesting, walk, sink, &offset);
    *error_offset = offset;
    walk->end = offset;
    return status;
}

int32_t reshard__array_walk(const uint8_t *bytes, size_t size, size_t offset, size_t items_max,
    struct reshard__walk *walk, size_t *error_offset)
{
    return reshard__array_walk_numbers(bytes, size, offset, items_max, walk, NULL, error_offset);
}
