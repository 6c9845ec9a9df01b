/* SPDX-License-Identifier: MIT */
/* Real bytes for other CBOR implementations, and their bytes for ours.
 *
 *     wire-samples dump N     N samples of every message, change and record, and of snapshots:
 *                             lines "RULE HEX", RULE as in tests/data/reshard.cddl
 *     wire-samples check      reads such lines (RULE: message, change, snapshot); prints for
 *                             each "STATUS HEX": what decoding says and what encoding again yields
 */
#include "tools/wire_maps.h"
#include "tools/wire_values.h"
#include <stdio.h>
#include <stdlib.h>

enum { BUFFER_SIZE = 1 << 20, MESSAGE_HEAD = 8, FRAME_HEAD = 40, FRAME_TAIL = 8 };

static uint8_t buffer[BUFFER_SIZE];
static char line[4 * BUFFER_SIZE];

static void hex_print(const char *rule, const uint8_t *bytes, size_t size)
{
    printf("%s ", rule);
    for (size_t i = 0; i < size; i++)
        printf("%02x", bytes[i]);
    printf("\n");
}

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* A message's array, payload included. */
static size_t message_array(const struct reshard__message *message)
{
    size_t size = 0;
    require(reshard__message_encode(message, buffer, sizeof buffer, &size) == RESHARD_OK);
    if (message->type == RESHARD__CHUNK && message->payload.size > 0) {
        memcpy(buffer + size, message->payload.data, message->payload.size);
        size += message->payload.size;
    }
    return size - MESSAGE_HEAD;
}

static size_t record_array(const struct reshard__record *record)
{
    struct reshard__journal_position position = {0, 0};
    size_t size = 0;
    require(
        reshard__record_encode(record, 1, &position, buffer, sizeof buffer, &size) == RESHARD_OK);
    return size - FRAME_HEAD - FRAME_TAIL;
}

static void dump_kinds(struct wire_source *source)
{
    for (uint32_t i = 0; i < reshard__message_schemas.row_count; i++) {
        const struct reshard__schema *schema = &reshard__message_schemas.rows[i];
        struct reshard__message message = {.type = schema->kind};
        wire_draw_fields(source, schema, &message);
        hex_print(schema->name, buffer + MESSAGE_HEAD, message_array(&message));
    }
    for (uint32_t i = 0; i < reshard__change_schemas.row_count; i++) {
        const struct reshard__schema *schema = &reshard__change_schemas.rows[i];
        struct reshard_change change = wire_change(schema->kind);
        size_t size = 0;
        wire_draw_fields(source, schema, &change);
        require(reshard__change_encode(&change, buffer, sizeof buffer, &size) == RESHARD_OK);
        hex_print(schema->name, buffer, size);
    }
    for (uint32_t i = 0; i < reshard__record_schemas.row_count; i++) {
        const struct reshard__schema *schema = &reshard__record_schemas.rows[i];
        struct reshard__record record = {.kind = schema->kind};
        wire_draw_fields(source, schema, &record);
        hex_print(schema->name, buffer + FRAME_HEAD, record_array(&record));
    }
}

static void dump_snapshot(uint64_t *seed)
{
    struct reshard_map *map = wire_map_grow(seed, NULL, 64, 200);
    size_t size = 0;
    require(map && reshard__map_encode(map, buffer, sizeof buffer, &size) == RESHARD_OK);
    hex_print("snapshot", buffer, size);
    reshard_map_destroy(map);
}

static void dump(unsigned long count)
{
    static struct wire_source source;
    uint64_t seed = 77;
    wire_source_init(&source, 77);
    for (unsigned long i = 0; i < count; i++) {
        dump_kinds(&source);
        dump_snapshot(&seed);
    }
}

static int32_t message_again(uint8_t *bytes, size_t size, size_t *again)
{
    struct reshard__message message;
    wire_message_frame(bytes, size + MESSAGE_HEAD);
    int32_t status =
        reshard__message_decode(bytes, size + MESSAGE_HEAD, sizeof buffer, &message, NULL);
    if (!status)
        *again = message_array(&message);
    return status;
}

static int32_t change_again(const uint8_t *bytes, size_t size, size_t *again)
{
    static struct reshard_range ranges[65536];
    struct reshard_change change;
    size_t offset = 0;
    int32_t status = reshard__change_decode(bytes, size, &offset, ranges, 65536, &change);
    if (!status && offset != size)
        return RESHARD_E_TRAILING;
    if (!status)
        require(reshard__change_encode(&change, buffer, sizeof buffer, again) == RESHARD_OK);
    return status;
}

static int32_t snapshot_again(const uint8_t *bytes, size_t size, size_t *again)
{
    struct reshard_map *map = NULL;
    int32_t status = reshard__map_decode(bytes, size, NULL, &map, NULL);
    if (!status)
        require(reshard__map_encode(map, buffer, sizeof buffer, again) == RESHARD_OK);
    reshard_map_destroy(map);
    return status;
}

static void check_line(const char *rule, uint8_t *bytes, size_t size)
{
    size_t again = 0, skip = 0;
    int32_t status = RESHARD_E_KIND;
    if (strcmp(rule, "message") == 0) {
        status = message_again(bytes - MESSAGE_HEAD, size, &again);
        skip = MESSAGE_HEAD;
    } else if (strcmp(rule, "change") == 0) {
        status = change_again(bytes, size, &again);
    } else if (strcmp(rule, "snapshot") == 0) {
        status = snapshot_again(bytes, size, &again);
    }
    hex_print(reshard_strname(status), buffer + skip, status ? 0 : again);
}

static void check(void)
{
    static uint8_t bytes[MESSAGE_HEAD + BUFFER_SIZE];
    while (fgets(line, sizeof line, stdin)) {
        size_t size = 0;
        char *hex = strchr(line, ' ');
        require(hex != NULL);
        *hex++ = 0;
        for (unsigned byte; sscanf(hex, "%2x", &byte) == 1; hex += 2)
            bytes[MESSAGE_HEAD + size++] = (uint8_t)byte;
        check_line(line, bytes + MESSAGE_HEAD, size);
    }
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "dump") == 0)
        dump(strtoul(argv[2], NULL, 10));
    else if (argc == 2 && strcmp(argv[1], "check") == 0)
        check();
    else
        return 2;
    return 0;
}
