/* SPDX-License-Identifier: MIT */
/* Room wire, benchmark: encode and decode each message, a record, a change and map snapshots,
 * against libcbor's tree API on the same items in the same run, and their size against JSON. The
 * peer gets its values ready-made, checks no canonical form and fills no struct; where ours
 * computes a checksum, so does it. Prints medians of the repeats. */
#include "tools/wire_maps.h"
#include "tools/wire_values.h"
#include <cbor.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { REPEATS = 101, BUFFER = 1 << 21, PAYLOAD = 65536, ITEMS_MAX = 1 << 17, SLOTS = 16384 };

/* What is measured: a value, its bytes, and the items that it consists of. */
struct subject {
    const char *name;
    int32_t (*encode)(struct subject *subject, size_t *size);
    int32_t (*decode)(struct subject *subject);
    struct reshard__message message;
    struct reshard_change change;
    struct reshard__record record;
    struct reshard_map *map;
    size_t head;  /* bytes before the array */
    size_t tail;  /* bytes behind it */
    size_t size;  /* of all, payload included */
    size_t loops; /* calls a repeat */
    bool has_checksum;
    struct reshard__item items[ITEMS_MAX];
    size_t item_count;
};

static uint8_t bytes[BUFFER], scratch[BUFFER], payload[PAYLOAD];
static volatile uint64_t sink;

static void require(bool condition)
{
    if (!condition) {
        fprintf(stderr, "bench_wire: failed\n");
        exit(1);
    }
}

/* ---- ours ---- */

static int32_t message_encode(struct subject *subject, size_t *size)
{
    return reshard__message_encode(&subject->message, scratch, sizeof scratch, size);
}

static int32_t message_decode(struct subject *subject)
{
    struct reshard__message message;
    int32_t status = reshard__message_decode(bytes, subject->size, 0, &message, NULL);
    sink += message.migration;
    return status;
}

/* The array of a message alone. */
static int32_t bare_encode(struct subject *subject, size_t *size)
{
    static const struct reshard__encode_options options = {true, NULL, NULL};
    struct reshard__writer writer = {scratch, sizeof scratch, 0};
    int32_t status =
        reshard__fields_encode(&reshard__message_schemas.rows[subject->message.type - 1],
            &subject->message, &options, &writer);
    return status ? status : reshard__writer_finish(&writer, size);
}

static int32_t bare_decode(struct subject *subject)
{
    struct reshard__walk walk;
    struct reshard__message message;
    size_t error_offset;
    memset(&message, 0, reshard__message_schemas.struct_size);
    int32_t status =
        reshard__array_walk(bytes, subject->size, 0, RESHARD__ITEMS_MAX, &walk, &error_offset);
    if (!status)
        status = reshard__fields_decode(&reshard__message_schemas.rows[subject->message.type - 1],
            bytes, &walk, NULL, &message, &error_offset);
    sink += message.migration;
    return status;
}

static int32_t change_encode(struct subject *subject, size_t *size)
{
    return reshard__change_encode(&subject->change, scratch, sizeof scratch, size);
}

static int32_t change_decode(struct subject *subject)
{
    static struct reshard_range ranges[SLOTS];
    struct reshard_change change;
    size_t offset = 0;
    int32_t status = reshard__change_decode(bytes, subject->size, &offset, ranges, SLOTS, &change);
    sink += change.range_count;
    return status;
}

static int32_t record_encode(struct subject *subject, size_t *size)
{
    struct reshard__journal_position position = {6, 7};
    return reshard__record_encode(&subject->record, 3, &position, scratch, sizeof scratch, size);
}

static int32_t record_decode(struct subject *subject)
{
    struct reshard__journal_position position = {6, 7};
    struct reshard__record record;
    uint64_t term;
    size_t offset = 0;
    int32_t status =
        reshard__record_decode(bytes, subject->size, &offset, &position, &term, &record);
    sink += record.migration;
    return status;
}

static int32_t map_encode(struct subject *subject, size_t *size)
{
    return reshard__map_encode(subject->map, scratch, sizeof scratch, size);
}

static int32_t map_decode(struct subject *subject)
{
    struct reshard_map *map = NULL;
    int32_t status = reshard__map_decode(bytes, subject->size, NULL, &map, NULL);
    reshard_map_destroy(map);
    return status;
}

/* ---- the peer: libcbor's trees ---- */

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

static cbor_item_t *tree_build(const struct subject *subject, size_t *next)
{
    const struct reshard__item *item = &subject->items[(*next)++];
    if (item->type == RESHARD__ITEM_UINT)
        return uint_build(item->value);
    if (item->type == RESHARD__ITEM_BYTES)
        return cbor_build_bytestring(item->data, (size_t)item->value);
    cbor_item_t *array = cbor_new_definite_array((size_t)item->value);
    for (uint64_t i = 0; i < item->value; i++) {
        cbor_item_t *member = tree_build(subject, next);
        require(cbor_array_push(array, member));
        cbor_decref(&member);
    }
    return array;
}

static uint64_t tree_sum(const cbor_item_t *item)
{
    uint64_t sum = 0;
    if (cbor_isa_uint(item))
        return cbor_get_int(item);
    if (cbor_isa_bytestring(item))
        return cbor_bytestring_length(item);
    cbor_item_t **members = cbor_array_handle(item);
    for (size_t i = 0; i < cbor_array_size(item); i++)
        sum += tree_sum(members[i]);
    return sum;
}

static void peer_encode(struct subject *subject)
{
    size_t next = 0;
    cbor_item_t *tree = tree_build(subject, &next);
    size_t size = cbor_serialize(tree, scratch, sizeof scratch);
    cbor_decref(&tree);
    if (subject->has_checksum)
        sink += reshard__checksum(scratch, size, 0);
    sink += size;
}

static void peer_decode(struct subject *subject)
{
    struct cbor_load_result result;
    size_t size = subject->size - subject->head - subject->tail;
    if (subject->has_checksum)
        sink += reshard__checksum(bytes + subject->head, size, 0);
    cbor_item_t *tree = cbor_load(bytes + subject->head, size, &result);
    require(tree != NULL);
    sink += tree_sum(tree);
    cbor_decref(&tree);
}

/* ---- JSON: bytes of the same content ---- */

static size_t digits(uint64_t value)
{
    return (size_t)snprintf(NULL, 0, "%llu", (unsigned long long)value);
}

static size_t json_size(const struct subject *subject, size_t *next)
{
    const struct reshard__item *item = &subject->items[(*next)++];
    if (item->type == RESHARD__ITEM_UINT)
        return digits(item->value);
    if (item->type == RESHARD__ITEM_BYTES) /* base64 in quotes */
        return ((size_t)item->value + 2) / 3 * 4 + 2;
    size_t size = 2 + (item->value > 0 ? (size_t)item->value - 1 : 0);
    for (uint64_t i = 0; i < item->value; i++)
        size += json_size(subject, next);
    return size;
}

/* An object: the members' names are on top of an array's bytes. */
static size_t json_object_size(const struct subject *subject, const struct reshard__schema *schema)
{
    size_t next = 0, size = json_size(subject, &next);
    size_t first = schema->kind ? 1 : 0;
    if (first)
        size += strlen("\"type\":") + strlen(schema->name) + 2 - 1;
    for (size_t i = 0; i + first < subject->items[0].value; i++)
        size += strlen(schema->fields[i].name) + 3;
    return size;
}

/* ---- measuring ---- */

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *times)
{
    qsort(times, REPEATS, sizeof times[0], by_value);
    return times[REPEATS / 2];
}

static void encode_loop(struct subject *subject)
{
    size_t size;
    require(subject->encode(subject, &size) == RESHARD_OK);
    sink += size;
}

static void decode_loop(struct subject *subject)
{
    require(subject->decode(subject) == RESHARD_OK);
}

/* Ours and the peer by turns, so that a busy machine hits both alike; nanoseconds a call. */
static void measure(struct subject *subject, void (*ours)(struct subject *),
    void (*peer)(struct subject *), double *ours_ns, double *peer_ns)
{
    double a[REPEATS], b[REPEATS];
    for (int i = -1; i < REPEATS; i++) { /* one to warm up */
        double start = now_ns();
        for (size_t k = 0; k < subject->loops; k++)
            ours(subject);
        double middle = now_ns();
        for (size_t k = 0; k < subject->loops; k++)
            peer(subject);
        if (i < 0)
            continue;
        a[i] = (middle - start) / (double)subject->loops;
        b[i] = (now_ns() - middle) / (double)subject->loops;
    }
    *ours_ns = median(a);
    *peer_ns = median(b);
}

/* The bytes as they travel, and what they consist of. */
static void subject_prepare(struct subject *subject, const struct reshard__bytes *behind)
{
    require(subject->encode(subject, &subject->size) == RESHARD_OK);
    memcpy(bytes, scratch, subject->size);
    if (behind) {
        memcpy(bytes + subject->size, behind->data, behind->size);
        subject->size += behind->size;
    }
    size_t offset = subject->head, end = subject->size - subject->tail;
    subject->item_count = 0;
    while (offset < end) {
        require(subject->item_count < ITEMS_MAX);
        require(reshard__item_next(bytes, end, &offset, &subject->items[subject->item_count++]) ==
                RESHARD_OK);
    }
}

static void subject_run(struct subject *subject, const struct reshard__schema *schema,
    const struct reshard__bytes *behind)
{
    double encode_ns, encode_peer_ns, decode_ns, decode_peer_ns;
    subject_prepare(subject, behind);
    subject->loops = 400 / (1 + subject->item_count / 16 + subject->size / 2048) + 1;
    measure(subject, encode_loop, peer_encode, &encode_ns, &encode_peer_ns);
    measure(subject, decode_loop, peer_decode, &decode_ns, &decode_peer_ns);
    size_t json = json_object_size(subject, schema);
    printf("%-22s %9.0f %9.0f %6.1fx %9.0f %9.0f %6.1fx %8zu %8zu %5.2f\n", subject->name,
        encode_ns, encode_peer_ns, encode_peer_ns / encode_ns, decode_ns, decode_peer_ns,
        decode_peer_ns / decode_ns, subject->size, json, (double)subject->size / (double)json);
}

/* ---- what is measured ---- */

static struct reshard__message message_typical(uint32_t type)
{
    struct reshard__message message = {.type = type,
        .protocol = 1,
        .node = 3,
        .boot = UINT64_C(0x9E3779B97F4A7C15),
        .features = 7,
        .map_version = 1234,
        .slot_count = 16384,
        .migration = 42,
        .order = {5, 7},
        .phase = 3,
        .copy = {5, 4},
        .attempt = 6,
        .sequence = 123456,
        .durable_sequence = 120000,
        .final_sequence = 125000,
        .epoch = 2,
        .digest = {UINT64_C(0x0123456789ABCDEF), UINT64_C(0xFEDCBA9876543210)},
        .progress_keys = 1000000,
        .progress_bytes = UINT64_C(5000000000),
        .lag_bytes = 65536,
        .pause_ns = 2500000,
        .kind = RESHARD__CHUNK_DATA,
        .budget = 100000000,
        .freeze_ns = 50000000};
    if (type == RESHARD__CHUNK)
        message.payload = (struct reshard__bytes){payload, PAYLOAD};
    return message;
}

static void message_run(struct subject *subject, const char *name)
{
    const struct reshard__schema *schema =
        &reshard__message_schemas.rows[subject->message.type - 1];
    const struct reshard__bytes *behind =
        subject->message.type == RESHARD__CHUNK ? &subject->message.payload : NULL;
    subject->name = name;
    subject_run(subject, schema, behind);
}

/* All messages; then two more chunks. */
static void messages_run(struct subject *subject)
{
    static uint8_t changes[512];
    for (uint32_t type = 1; type <= reshard__message_schemas.row_count; type++) {
        subject->message = message_typical(type);
        if (type == RESHARD__MAP) {
            subject->message.from = 1234;
            subject->message.to = 1240;
            subject->message.changes = (struct reshard__bytes){changes, sizeof changes};
        }
        message_run(subject, reshard__message_schemas.rows[type - 1].name);
    }
    subject->message = message_typical(RESHARD__CHUNK);
    subject->message.payload.size = 100;
    message_run(subject, "chunk of 100 bytes");
}

static void messages_both_run(struct subject *subject)
{
    printf("messages, array alone\n");
    subject->encode = bare_encode;
    subject->decode = bare_decode;
    subject->head = subject->tail = 0;
    subject->has_checksum = false;
    messages_run(subject);
    printf("messages as they travel: both sides compute the checksum\n");
    subject->encode = message_encode;
    subject->decode = message_decode;
    subject->head = 8;
    subject->has_checksum = true;
    messages_run(subject);
}

static void record_run(struct subject *subject)
{
    subject->name = "record seal";
    subject->encode = record_encode;
    subject->decode = record_decode;
    subject->head = 40;
    subject->tail = 8;
    subject->has_checksum = true;
    subject->record = (struct reshard__record){.kind = RESHARD__RECORD_SEAL,
        .migration = 42,
        .order = {5, 7},
        .copy = {5, 4},
        .attempt = 6,
        .sequence = 125000,
        .digest = {UINT64_C(0x0123456789ABCDEF), UINT64_C(0xFEDCBA9876543210)}};
    subject_run(subject, &reshard__record_schemas.rows[RESHARD__RECORD_SEAL - 1], NULL);
}

static void changes_run(struct subject *subject)
{
    static struct reshard_range ranges[64];
    for (uint32_t i = 0; i < 64; i++)
        ranges[i] = (struct reshard_range){i * 200, i * 200 + 80};
    subject->encode = change_encode;
    subject->decode = change_decode;
    subject->head = subject->tail = 0;
    subject->has_checksum = false;
    subject->change = wire_change(RESHARD_CHANGE_MIGRATION_OPEN);
    subject->change.version = 1235;
    subject->change.migration = 42;
    subject->change.source = 1;
    subject->change.target = 2;
    subject->change.mode = RESHARD_MODE_SNAPSHOT;
    subject->change.ranges = ranges;
    subject->change.range_count = 64;
    subject->name = "change, 64 ranges";
    subject_run(subject, &reshard__change_schemas.rows[RESHARD_CHANGE_MIGRATION_OPEN - 1], NULL);
    subject->change.range_count = 1;
    subject->name = "change, 1 range";
    subject_run(subject, &reshard__change_schemas.rows[RESHARD_CHANGE_MIGRATION_OPEN - 1], NULL);
}

static void maps_run(struct subject *subject)
{
    static struct reshard_range ranges[SLOTS];
    subject->encode = map_encode;
    subject->decode = map_decode;
    subject->head = subject->tail = 0;
    subject->has_checksum = false;
    subject->name = "map 16384 x 3, even";
    subject->map = wire_map_even(SLOTS, 3);
    require(subject->map != NULL);
    subject_run(subject, &reshard__snapshot_schema, NULL);
    reshard_map_destroy(subject->map);
    subject->name = "map 16384 x 3, frag.";
    subject->map = wire_map_fragmented(SLOTS, 3, ranges);
    require(subject->map != NULL);
    subject_run(subject, &reshard__snapshot_schema, NULL);
    reshard_map_destroy(subject->map);
}

int main(void)
{
    static struct subject subject;
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)(i * 7 + i / 256);
    printf("%-22s %9s %9s %7s %9s %9s %7s %8s %8s %5s\n", "", "encode ns", "tree ns", "ratio",
        "decode ns", "tree ns", "ratio", "bytes", "JSON", "ratio");
    messages_both_run(&subject);
    printf("others\n");
    record_run(&subject);
    changes_run(&subject);
    maps_run(&subject);
    printf("Goal: 10x. Decoding a map builds the map; its peer only reads a tree.\n");
    return 0;
}
