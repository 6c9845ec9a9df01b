/* SPDX-License-Identifier: MIT */
/* Room wire, benchmark: encode and decode each message, a record, a change and map snapshots,
 * against libcbor's tree API doing the same with the same structs (wire_peer.h) in the same run,
 * and their size against JSON. Where ours computes a checksum, so does the peer. Prints medians of
 * the repeats. */
#include "tools/wire_maps.h"
#include "tools/wire_values.h"
#include "wire_peer.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { REPEATS = 101, PAYLOAD = 65536, RUNS_MAX = 4 };

static uint8_t payload[PAYLOAD];

/* ---- ours ---- */

static int32_t message_encode(struct subject *subject, size_t *size)
{
    return reshard__message_encode(
        &subject->message, subject->scratch, sizeof subject->scratch, size);
}

static int32_t message_decode(struct subject *subject)
{
    struct reshard__message message;
    int32_t status = reshard__message_decode(subject->bytes, subject->size, 0, &message, NULL);
    subject->sink += message.migration;
    return status;
}

/* The array of a message alone. */
static int32_t bare_encode(struct subject *subject, size_t *size)
{
    static const struct reshard__encode_options options = {true, NULL, NULL};
    struct reshard__writer writer = {subject->scratch, sizeof subject->scratch, 0};
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
    int32_t status = reshard__array_check(&reshard__message_schemas, subject->bytes, subject->size,
        0, RESHARD__ITEMS_MAX, NULL, &walk, &error_offset);
    if (!status)
        reshard__fields_fill(&reshard__message_schemas, subject->bytes, &walk, NULL, &message);
    subject->sink += message.migration;
    return status;
}

static int32_t change_encode(struct subject *subject, size_t *size)
{
    return reshard__change_encode(
        &subject->change, subject->scratch, sizeof subject->scratch, size);
}

static int32_t change_decode(struct subject *subject)
{
    static struct reshard_range ranges[SLOTS];
    struct reshard_change change;
    size_t offset = 0;
    int32_t status =
        reshard__change_decode(subject->bytes, subject->size, &offset, ranges, SLOTS, &change);
    subject->sink += change.range_count;
    return status;
}

static int32_t record_encode(struct subject *subject, size_t *size)
{
    struct reshard__journal_position position = {6, 7};
    return reshard__record_encode(
        &subject->record, 3, &position, subject->scratch, sizeof subject->scratch, size);
}

static int32_t record_decode(struct subject *subject)
{
    struct reshard__journal_position position = {6, 7};
    struct reshard__record record;
    uint64_t term;
    size_t offset = 0;
    int32_t status =
        reshard__record_decode(subject->bytes, subject->size, &offset, &position, &term, &record);
    subject->sink += record.migration;
    return status;
}

static int32_t map_encode(struct subject *subject, size_t *size)
{
    return reshard__map_encode(subject->map, subject->scratch, sizeof subject->scratch, size);
}

static int32_t map_decode(struct subject *subject)
{
    struct reshard_map *map = NULL;
    int32_t status = reshard__map_decode(subject->bytes, subject->size, NULL, &map, NULL);
    reshard_map_destroy(map);
    return status;
}

/* What the peer does too: read and check all, build no map. */
static int32_t map_check(struct subject *subject)
{
    struct reshard__snapshot snapshot;
    size_t error_offset;
    int32_t status =
        reshard__snapshot_check(subject->bytes, subject->size, &snapshot, &error_offset);
    subject->sink += snapshot.runs.count;
    return status;
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
static size_t json_object_size(const struct subject *subject)
{
    const struct reshard__schema *schema = subject->schema;
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
    subject->sink += size;
}

static void decode_loop(struct subject *subject)
{
    require(subject->decode(subject) == RESHARD_OK);
}

typedef void (*run)(struct subject *subject);

/* Nanoseconds a call of each, by turns, so that a busy machine hits all alike. */
static void measure(struct subject *subject, const run *runs, size_t run_count, double *ns)
{
    static double times[RUNS_MAX][REPEATS];
    for (int i = -1; i < REPEATS; i++) /* one to warm up */
        for (size_t r = 0; r < run_count; r++) {
            double start = now_ns();
            for (size_t k = 0; k < subject->loops; k++)
                runs[r](subject);
            if (i >= 0)
                times[r][i] = (now_ns() - start) / (double)subject->loops;
        }
    for (size_t r = 0; r < run_count; r++)
        ns[r] = median(times[r]);
}

/* The bytes as they travel, and what they consist of; the peer's bytes are the same. */
static void subject_prepare(struct subject *subject, const struct reshard__bytes *behind)
{
    require(subject->encode(subject, &subject->size) == RESHARD_OK);
    memcpy(subject->bytes, subject->scratch, subject->size);
    if (behind) {
        memcpy(subject->bytes + subject->size, behind->data, behind->size);
        subject->size += behind->size;
    }
    size_t offset = subject->head, end = subject->size - subject->tail;
    subject->item_count = 0;
    while (offset < end) {
        require(subject->item_count < ITEMS_MAX);
        require(reshard__item_next(subject->bytes, end, &offset,
                    &subject->items[subject->item_count++]) == RESHARD_OK);
    }
    peer_encode(subject);
    require(memcmp(subject->scratch, subject->bytes + subject->head, end - subject->head) == 0);
}

static void subject_run(struct subject *subject, const struct reshard__bytes *behind)
{
    static const run encoders[] = {encode_loop, peer_encode};
    static const run decoders[] = {decode_loop, peer_decode, peer_decode_strict, floor_decode};
    double encode[2], decode[4];
    subject_prepare(subject, behind);
    subject->loops = 400 / (1 + subject->item_count / 16 + subject->size / 2048) + 1;
    measure(subject, encoders, 2, encode);
    measure(subject, decoders, 4, decode);
    size_t json = json_object_size(subject);
    printf(
        "%-20s %7.0f %9.0f %6.1fx %8.0f %9.0f %6.1fx %9.0f %6.1fx %8.0f %6.1fx %7zu %7zu %5.2f\n",
        subject->name, encode[0], encode[1], encode[1] / encode[0], decode[0], decode[1],
        decode[1] / decode[0], decode[2], decode[2] / decode[0], decode[3], decode[2] / decode[3],
        subject->size, json, (double)subject->size / (double)json);
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
    const struct reshard__bytes *behind =
        subject->message.type == RESHARD__CHUNK ? &subject->message.payload : NULL;
    subject->name = name;
    subject->schema = &reshard__message_schemas.rows[subject->message.type - 1];
    subject->flat = &subject->message;
    subject_run(subject, behind);
}

/* What happens to two migrations: six changes. */
static struct reshard__bytes delta_typical(uint64_t version)
{
    static const uint32_t kinds[] = {RESHARD_CHANGE_MIGRATION_OPEN, RESHARD_CHANGE_MIGRATION_OPEN,
        RESHARD_CHANGE_MIGRATION_COMMIT, RESHARD_CHANGE_MIGRATION_COMMIT,
        RESHARD_CHANGE_MIGRATION_END, RESHARD_CHANGE_MIGRATION_END};
    static uint8_t changes[512];
    const struct reshard_range range = {4000, 4127};
    size_t used = 0, size;
    for (size_t i = 0; i < 6; i++) {
        struct reshard_change change = wire_change(kinds[i]);
        change.version = version + i;
        change.migration = 42 + i % 2;
        change.source = 1;
        change.target = 2;
        change.mode = RESHARD_MODE_SNAPSHOT;
        change.ranges = &range;
        change.range_count = 1;
        change.attempt = 6;
        require(reshard__change_encode(&change, changes + used, sizeof changes - used, &size) ==
                RESHARD_OK);
        used += size;
    }
    return (struct reshard__bytes){changes, used};
}

/* All messages; then two more. */
static void messages_run(struct subject *subject)
{
    for (uint32_t type = 1; type <= reshard__message_schemas.row_count; type++) {
        subject->message = message_typical(type);
        if (type == RESHARD__MAP) {
            subject->message.from = 1234;
            subject->message.to = 1240;
            subject->message.changes = delta_typical(1235);
        }
        message_run(subject, reshard__message_schemas.rows[type - 1].name);
    }
    subject->message = message_typical(RESHARD__CHUNK);
    subject->message.payload.size = 100;
    message_run(subject, "chunk of 100 bytes");
    subject->message = message_typical(RESHARD__MAP);
    subject->message.from = 1234;
    subject->message.to = 1300;
    subject->message.changes = (struct reshard__bytes){payload, 1024};
    message_run(subject, "map of 1024 bytes");
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
    subject->schema = &reshard__record_schemas.rows[RESHARD__RECORD_SEAL - 1];
    subject->flat = &subject->record;
    subject_run(subject, NULL);
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
    subject->schema = &reshard__change_schemas.rows[RESHARD_CHANGE_MIGRATION_OPEN - 1];
    subject->flat = &subject->change;
    subject->change = wire_change(RESHARD_CHANGE_MIGRATION_OPEN);
    subject->change.version = 1235;
    subject->change.migration = 42;
    subject->change.source = 1;
    subject->change.target = 2;
    subject->change.mode = RESHARD_MODE_SNAPSHOT;
    subject->change.ranges = ranges;
    subject->change.range_count = 64;
    subject->name = "change, 64 ranges";
    subject_run(subject, NULL);
    subject->change.range_count = 1;
    subject->name = "change, 1 range";
    subject_run(subject, NULL);
}

/* Once to the map, once to its bytes only. */
static void map_run(struct subject *subject, struct reshard_map *map, const char *const names[2])
{
    require(map != NULL);
    subject->map = map;
    subject->name = names[0];
    subject->decode = map_decode;
    subject_run(subject, NULL);
    subject->name = names[1];
    subject->decode = map_check;
    subject_run(subject, NULL);
    reshard_map_destroy(map);
}

static void maps_run(struct subject *subject)
{
    static struct reshard_range ranges[SLOTS];
    static const char *const even[] = {"map 16384 x 3, even", "  without a map"};
    static const char *const fragmented[] = {"map 16384 x 3, frag.", "  without a map"};
    subject->encode = map_encode;
    subject->schema = reshard__snapshot_schemas.rows;
    subject->flat = NULL;
    subject->head = subject->tail = 0;
    subject->has_checksum = false;
    map_run(subject, wire_map_even(SLOTS, 3), even);
    map_run(subject, wire_map_fragmented(SLOTS, 3, ranges), fragmented);
}

int main(void)
{
    static struct subject subject;
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)(i * 7 + i / 256);
    printf("%-20s %7s %9s %7s %8s %9s %7s %9s %7s %8s %7s %7s %7s %5s\n", "ns a call", "encode",
        "tree", "ratio", "decode", "tree", "ratio", "strict", "ratio", "2 passes", "at most",
        "bytes", "JSON", "ratio");
    messages_both_run(&subject);
    printf("others\n");
    record_run(&subject);
    changes_run(&subject);
    maps_run(&subject);
    printf(
        "Goal: 10x. strict: the tree's side refuses what ours refuses. 2 passes: every head twice\n"
        "by cbor_stream_decode with empty callbacks, nothing else; at most: strict against that.\n"
        "A map's peer only reads ready-made items; ours builds the map.\n");
    return 0;
}
