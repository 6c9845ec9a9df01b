/* SPDX-License-Identifier: MIT */
/* Benchmark of the wire room: libcbor's tree API doing the same job, driven by the same schema. */
#include "wire_peer.h"

#include <cbor.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void require(bool condition)
{
    if (!condition) {
        fprintf(stderr, "bench_wire: failed\n");
        exit(1);
    }
}

/* ---- build ---- */

static cbor_item_t *uint_build(uint64_t value)
{
    if (value <= UINT8_MAX)
        return cbor_build_uint8((uint8_t)value);
    if (value <= UINT16_MAX)
        return cbor_build_uint16((uint16_t)value);
    if (value <= UINT32_MAX)
        return cbor_build_uint32((uint32_t)value);
    return cbor_build_uint64(value);
}

static void member_push(cbor_item_t *array, cbor_item_t *member)
{
    require(cbor_array_push(array, cbor_move(member)));
}

static cbor_item_t *ranges_build(const struct reshard_range *ranges, size_t count)
{
    cbor_item_t *array = cbor_new_definite_array(2 * count);
    uint32_t next = 0;
    for (size_t i = 0; i < count; i++) {
        member_push(array, uint_build(ranges[i].first - next));
        member_push(array, uint_build(ranges[i].last - ranges[i].first));
        next = ranges[i].last + 2;
    }
    return array;
}

static cbor_item_t *digest_build(const struct reshard_digest *digest)
{
    uint8_t bytes[16];
    for (unsigned i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(digest->high >> (56 - 8 * i));
        bytes[8 + i] = (uint8_t)(digest->low >> (56 - 8 * i));
    }
    return cbor_build_bytestring(bytes, digest->high || digest->low ? 16 : 0);
}

static uint64_t uint_load(const struct reshard__field *field, const uint8_t *at)
{
    uint32_t narrow;
    uint64_t wide;
    if (field->width == sizeof narrow) {
        memcpy(&narrow, at, sizeof narrow);
        return narrow;
    }
    memcpy(&wide, at, sizeof wide);
    return wide;
}

static cbor_item_t *field_build(const struct reshard__field *field, const uint8_t *flat)
{
    struct reshard__bytes bytes;
    struct reshard_digest digest;
    const struct reshard_range *ranges;
    uint32_t count;
    switch (field->type) {
    case RESHARD__UINT:
        return uint_build(uint_load(field, flat + field->offset));
    case RESHARD__DIGEST:
        memcpy(&digest, flat + field->offset, sizeof digest);
        return digest_build(&digest);
    case RESHARD__BYTES:
        memcpy(&bytes, flat + field->offset, sizeof bytes);
        return cbor_build_bytestring(bytes.data, bytes.size);
    default:
        require(field->type == RESHARD__RANGES);
        memcpy(&ranges, flat + field->offset, sizeof ranges);
        memcpy(&count, flat + field->count_offset, sizeof count);
        return ranges_build(ranges, count);
    }
}

static cbor_item_t *struct_build(const struct subject *subject)
{
    const size_t member_count = (size_t)subject->items[0].value;
    cbor_item_t *array = cbor_new_definite_array(member_count);
    member_push(array, uint_build(subject->schema->kind));
    for (size_t i = 1; i < member_count; i++)
        member_push(array, field_build(&subject->schema->fields[i - 1], subject->flat));
    return array;
}

/* Of ready-made items. */
static cbor_item_t *items_build(const struct subject *subject, size_t *next)
{
    const struct reshard__item *item = &subject->items[(*next)++];
    const uint8_t *end = subject->bytes + item->end;
    if (item->type == RESHARD__ITEM_UINT)
        return uint_build(item->value);
    if (item->type == RESHARD__ITEM_BYTES)
        return cbor_build_bytestring(end - item->value, (size_t)item->value);
    cbor_item_t *array = cbor_new_definite_array((size_t)item->value);
    for (uint64_t i = 0; i < item->value; i++)
        member_push(array, items_build(subject, next));
    return array;
}

void peer_encode(struct subject *subject)
{
    size_t next = 0;
    cbor_item_t *tree = subject->flat ? struct_build(subject) : items_build(subject, &next);
    size_t size = cbor_serialize(tree, subject->scratch, sizeof subject->scratch);
    cbor_decref(&tree);
    require(size == subject->size - subject->head - subject->tail);
    if (subject->has_checksum)
        subject->sink += reshard__checksum(subject->scratch, size, 0);
}

/* ---- read ---- */

static uint64_t uint_read(const cbor_item_t *item, bool strict)
{
    static const uint64_t least[] = {0, UINT64_C(1) << 8, UINT64_C(1) << 16, UINT64_C(1) << 32};
    require(cbor_isa_uint(item));
    uint64_t value = cbor_get_int(item);
    require(!strict || value >= least[cbor_int_get_width(item)]);
    return value;
}

static struct reshard__bytes bytes_read(const cbor_item_t *item)
{
    require(cbor_isa_bytestring(item));
    return (struct reshard__bytes){cbor_bytestring_handle(item), cbor_bytestring_length(item)};
}

static struct reshard_digest digest_read(const cbor_item_t *item)
{
    const struct reshard__bytes bytes = bytes_read(item);
    struct reshard_digest digest = {0, 0};
    require(bytes.size == 0 || bytes.size == 16);
    for (size_t i = 0; i < bytes.size / 2; i++) {
        digest.high = digest.high << 8 | bytes.data[i];
        digest.low = digest.low << 8 | bytes.data[8 + i];
    }
    return digest;
}

static uint32_t ranges_read(const cbor_item_t *item, struct reshard_range *ranges, bool strict)
{
    uint64_t next = 0;
    require(cbor_isa_array(item));
    cbor_item_t **numbers = cbor_array_handle(item);
    const size_t count = cbor_array_size(item) / 2;
    require(count <= SLOTS);
    for (size_t i = 0; i < count; i++) {
        uint64_t first = next + uint_read(numbers[2 * i], strict);
        uint64_t last = first + uint_read(numbers[2 * i + 1], strict);
        require(last < RESHARD_SLOT_COUNT_MAX);
        ranges[i] = (struct reshard_range){(uint32_t)first, (uint32_t)last};
        next = last + 2;
    }
    return (uint32_t)count;
}

static void field_read(
    const struct reshard__field *field, const cbor_item_t *item, bool strict, uint8_t *flat)
{
    static struct reshard_range ranges[SLOTS];
    const struct reshard_range *pointer = ranges;
    struct reshard_digest digest;
    struct reshard__bytes bytes;
    uint64_t value;
    uint32_t narrow;
    switch (field->type) {
    case RESHARD__UINT:
        value = uint_read(item, strict);
        narrow = (uint32_t)value;
        require(!strict || (value >= field->min && value <= field->max));
        memcpy(flat + field->offset, field->width == 4 ? (void *)&narrow : (void *)&value,
            field->width);
        break;
    case RESHARD__DIGEST:
        digest = digest_read(item);
        memcpy(flat + field->offset, &digest, sizeof digest);
        break;
    case RESHARD__BYTES:
        bytes = bytes_read(item);
        memcpy(flat + field->offset, &bytes, sizeof bytes);
        break;
    default:
        narrow = ranges_read(item, ranges, strict);
        memcpy(flat + field->offset, &pointer, sizeof pointer);
        memcpy(flat + field->count_offset, &narrow, sizeof narrow);
        break;
    }
}

static void struct_read(struct subject *subject, const cbor_item_t *tree, bool strict)
{
    static union {
        struct reshard__message message;
        struct reshard_change change;
        struct reshard__record record;
    } out;
    memset(&out, 0, sizeof out);
    require(cbor_isa_array(tree));
    cbor_item_t **members = cbor_array_handle(tree);
    const size_t member_count = cbor_array_size(tree);
    require(member_count > 0 && uint_read(members[0], strict) == subject->schema->kind);
    for (size_t i = 1; i < member_count && i <= subject->schema->field_count; i++)
        field_read(&subject->schema->fields[i - 1], members[i], strict, (uint8_t *)&out);
    subject->sink += out.message.migration;
}

/* All integers and lengths of a tree. */
static uint64_t tree_sum(const cbor_item_t *item, bool strict)
{
    uint64_t sum = 0;
    if (cbor_isa_uint(item))
        return uint_read(item, strict);
    if (cbor_isa_bytestring(item))
        return cbor_bytestring_length(item);
    cbor_item_t **members = cbor_array_handle(item);
    for (size_t i = 0; i < cbor_array_size(item); i++)
        sum += tree_sum(members[i], strict);
    return sum;
}

static void decode(struct subject *subject, bool strict)
{
    struct cbor_load_result result;
    const uint8_t *array = subject->bytes + subject->head;
    const size_t size = subject->size - subject->head - subject->tail;
    if (subject->has_checksum)
        subject->sink += reshard__checksum(array, size, 0);
    cbor_item_t *tree = cbor_load(array, size, &result);
    require(tree != NULL);
    if (subject->flat)
        struct_read(subject, tree, strict);
    else
        subject->sink += tree_sum(tree, strict);
    if (strict)
        require(result.read == size &&
                cbor_serialize(tree, subject->scratch, sizeof subject->scratch) == size &&
                memcmp(subject->scratch, array, size) == 0);
    cbor_decref(&tree);
}

void peer_decode(struct subject *subject)
{
    decode(subject, false);
}

void peer_decode_strict(struct subject *subject)
{
    decode(subject, true);
}

void floor_decode(struct subject *subject)
{
    const size_t end = subject->size - subject->tail;
    for (int pass = 0; pass < 2; pass++) {
        size_t offset = subject->head;
        while (offset < end) {
            struct cbor_decoder_result result = cbor_stream_decode(
                subject->bytes + offset, end - offset, &cbor_empty_callbacks, NULL);
            require(result.status == CBOR_DECODER_FINISHED);
            offset += result.read;
        }
        subject->sink += offset;
    }
}
