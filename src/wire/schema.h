/* SPDX-License-Identifier: MIT */
/* Room wire, private: the shape of a schema, and the CBOR reader and writer that run it.
 *
 * Guarantees: whatever the reader hands on is well-formed and canonical (shortest heads, definite
 * lengths, unsigned integers, byte strings and arrays only, depth <= 8). Included by this room, its
 * tests and the tool that renders the schema.
 */
#ifndef RESHARD_WIRE_SCHEMA_H
#define RESHARD_WIRE_SCHEMA_H

#include "wire/wire.h"

/* ---- schema ---- */

enum {                   /* type of a field */
    RESHARD__UINT = 1,   /* uint32_t or uint64_t (also a double's IEEE 754 bits) */
    RESHARD__DIGEST = 2, /* struct reshard_digest: 16 bytes, high half first, big-endian; all-zero
                            travels as no bytes */
    RESHARD__BYTES = 3,  /* struct reshard__bytes */
    RESHARD__TEXT = 4,   /* pointer, and a uint32_t size at count_offset */
    RESHARD__RANGES = 5, /* pointer, and a uint32_t count at count_offset; on the wire an array of
                            gap, length - 1 pairs (see ranges.c) */
    RESHARD__LIST = 6    /* struct reshard__list: an array that its room fills and reads itself */
};

struct reshard__schema;

/* One positional member. `min` and `max` bound a UINT's value, a BYTES' or TEXT's size, the number
 * of RANGES, the number of a LIST's items. A field whose min is above 0 is required: leaving it out
 * means 0, and that is out of bounds. */
struct reshard__field {
    const char *name;
    const char *doc;
    uint64_t min;
    uint64_t max;
    const struct reshard__schema *element; /* LIST: its items; NULL = unsigned integers */
    uint16_t offset;                       /* in the flat struct */
    uint16_t count_offset;
    uint8_t type;
    uint8_t width; /* UINT: 4 or 8 bytes */
    uint8_t since; /* protocol version that appended it */
};

/* One array: `kind` first, unless it is 0, then the fields. */
struct reshard__schema {
    const char *name;
    const char *doc;
    const struct reshard__field *fields;
    uint32_t kind;
    uint32_t field_count;
};

/* Every array that may stand in one place. */
struct reshard__schema_set {
    const char *name;
    const struct reshard__schema *rows;
    size_t row_count;
    size_t struct_size; /* of the flat struct */
};

extern const struct reshard__schema_set reshard__message_schemas;
extern const struct reshard__schema_set reshard__change_schemas;
extern const struct reshard__schema_set reshard__record_schemas;
/* Of one row each, without a kind. */
extern const struct reshard__schema_set reshard__snapshot_schemas;
extern const struct reshard__schema_set reshard__snapshot_node_schemas;
extern const struct reshard__schema_set reshard__snapshot_shard_schemas;
extern const struct reshard__schema_set reshard__snapshot_migration_schemas;

/* NULL = no such kind. */
const struct reshard__schema *reshard__schema_find(
    const struct reshard__schema_set *set, uint64_t kind);

/* An encoded array, head included, and how many items its head announces. */
struct reshard__list {
    const uint8_t *data;
    size_t size;
    uint64_t count;
};

/* Flat form of a map snapshot. */
struct reshard__snapshot {
    uint64_t format;
    uint64_t slot_count;
    struct reshard__map_header header;
    struct reshard__list nodes;
    struct reshard__list shards;
    struct reshard__list runs;
    struct reshard__list migrations;
    struct reshard__list removed_nodes;
    struct reshard__list removed_shards;
    size_t
        range_count_max; /* not on the wire: of a migration; what filling holds besides the map */
};

/* The two passes of reshard__map_decode. The check allocates nothing and finds all that is wrong
 * with the bytes; what the fill takes from `mem` is 8 bytes for each of range_count_max, so at most
 * 4 x size, the rest is the map's. Its errors: NOMEM, those of the map's guards; the map is then to
 * be destroyed. */
int32_t reshard__snapshot_check(
    const uint8_t *bytes, size_t size, struct reshard__snapshot *snapshot, size_t *error_offset);
int32_t reshard__snapshot_fill(const uint8_t *bytes, const struct reshard__snapshot *snapshot,
    const struct reshard__mem *mem, struct reshard_map *map, size_t *error_offset);

/* ---- writer ---- */

/* Counts on when the buffer is full, so that one pass yields the size needed. */
struct reshard__writer {
    uint8_t *data;
    size_t capacity;
    size_t used;
};

void reshard__put_uint_any(struct reshard__writer *writer, uint64_t value);
void reshard__put_array(struct reshard__writer *writer, uint64_t count);
void reshard__put_bytes_head(struct reshard__writer *writer, size_t size);
void reshard__put_raw(struct reshard__writer *writer, const void *data, size_t size);
void reshard__put_ranges(
    struct reshard__writer *writer, const struct reshard_range *ranges, size_t range_count);

/* Most integers are below 24: the byte is the value. */
static inline void reshard__put_uint(struct reshard__writer *writer, uint64_t value)
{
    if (value < 24 && writer->used < writer->capacity)
        writer->data[writer->used++] = (uint8_t)value;
    else
        reshard__put_uint_any(writer, value);
}

/* Sorted, disjoint, not adjacent, below RESHARD_SLOT_COUNT_MAX; else BOUND. */
int32_t reshard__ranges_writable(const struct reshard_range *ranges, size_t range_count);

/* OK or SPACE; *size_out = bytes written or needed. */
int32_t reshard__writer_finish(const struct reshard__writer *writer, size_t *size_out);

/* Write a flat struct. Trailing members that are 0 or empty are left out: that makes the form
 * unique, and equal between protocol versions as long as the new members are not used. The bytes of
 * a last member of type BYTES stay out when `head_only`. `list_put` writes a LIST whole. Errors:
 * BOUND. */
typedef void (*reshard__list_put)(
    struct reshard__writer *writer, const struct reshard__field *field, const void *context);

struct reshard__encode_options {
    bool head_only;
    reshard__list_put list_put;
    const void *list_context;
};

int32_t reshard__fields_encode(const struct reshard__schema *schema, const void *flat,
    const struct reshard__encode_options *options, struct reshard__writer *writer);

/* ---- reader ---- */

enum {
    RESHARD__DEPTH_MAX = 8,
    RESHARD__ITEMS_MAX = 4096,                /* in the array of a message or record */
    RESHARD__CHANGE_ITEMS_MAX = 1048576 + 64, /* 2^19 ranges are two integers each */
    RESHARD__SNAPSHOT_ITEMS_MAX = 1 << 24,
    RESHARD__MEMBERS_MAX = 32 /* no schema has more */
};

enum { /* type of an item */
    RESHARD__ITEM_NONE = 0,
    RESHARD__ITEM_UINT = 1,
    RESHARD__ITEM_BYTES = 2,
    RESHARD__ITEM_ARRAY = 3
};

/* One item. `value`: the integer, the number of bytes or of array items. `offset`: of its head;
 * `end`: behind it (of an array: behind its head, or behind the whole where that was read). */
struct reshard__item {
    uint64_t value;
    size_t offset;
    size_t end;
    uint32_t type;
};

/* Bytes of a byte string. */
static inline struct reshard__bytes reshard__item_bytes(
    const uint8_t *bytes, const struct reshard__item *item)
{
    const size_t size = (size_t)item->value;
    return (struct reshard__bytes){size > 0 ? bytes + item->end - size : NULL, size};
}

/* Next item at *offset. Errors: TRUNCATED, TYPE, CANONICAL; then *offset names the bad byte. */
int32_t reshard__item_next(
    const uint8_t *bytes, size_t size, size_t *offset, struct reshard__item *item);

/* Where ranges go: as many as fit; `needed` says how many there are. */
struct reshard__range_sink {
    struct reshard_range *ranges;
    size_t capacity;
    size_t needed;
};

/* Ranges as one item at *offset. Errors: TRUNCATED, TYPE, CANONICAL, SIZE, BOUND; then *offset
 * names the bad byte. */
int32_t reshard__ranges_next(
    const uint8_t *bytes, size_t size, size_t *offset, struct reshard__range_sink *sink);

/* A checked array: its schema and those of its fields that it has. */
struct reshard__walk {
    struct reshard__item members[RESHARD__MEMBERS_MAX];
    const struct reshard__schema *schema;
    size_t member_count;
    size_t end; /* behind the array */
};

/* Pass 1: everything that can be wrong with the array at `offset`, or nothing. A set with ranges
 * needs a sink. Errors: TRUNCATED, TYPE, CANONICAL, DEPTH, SIZE, KIND, BOUND; then *error_offset
 * names the bad byte. */
int32_t reshard__array_check(const struct reshard__schema_set *set, const uint8_t *bytes,
    size_t size, size_t offset, size_t items_max, struct reshard__range_sink *sink,
    struct reshard__walk *walk, size_t *error_offset);

/* All-zero has a shorter form. Errors: BOUND, CANONICAL. */
int32_t reshard__digest_check(struct reshard__bytes bytes);

/* Pass 2: zero and fill the flat struct of the set; nothing is left to go wrong. A set with ranges
 * needs the sink, which held them all. */
void reshard__fields_fill(const struct reshard__schema_set *set, const uint8_t *bytes,
    const struct reshard__walk *walk, const struct reshard__range_sink *sink, void *flat);

/* The item of the field that stands at `offset` in the flat struct; NULL when it was left out. */
const struct reshard__item *reshard__walk_member(const struct reshard__walk *walk, size_t offset);

/* ---- journal ---- */

/* Offset of the first whole, sound record at or behind `offset`; size = none. */
size_t reshard__record_scan(const uint8_t *bytes, size_t size, size_t offset);

/* ---- checksums ---- */

uint64_t reshard__checksum(const uint8_t *data, size_t size, uint64_t seed);
/* Of head and tail as if they were one. */
uint64_t reshard__checksum_pair(
    const uint8_t *head, size_t head_size, const uint8_t *tail, size_t tail_size);
/* Pass 1 of a message, whatever its checksum; size >= 8. */
int32_t reshard__message_check(
    const uint8_t *bytes, size_t size, struct reshard__walk *walk, size_t *error_offset);
/* What the first 8 bytes of a message must hold; size >= 8. `walk`: of pass 1, NULL where that
 * failed. */
uint64_t reshard__message_checksum(
    const uint8_t *bytes, size_t size, const struct reshard__walk *walk);
void reshard__put_le64(uint8_t *bytes, uint64_t value);
uint64_t reshard__get_le64(const uint8_t *bytes);

#endif
