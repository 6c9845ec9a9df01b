/* SPDX-License-Identifier: MIT */
/* Room sim: names of messages and records, read from their documented byte form (tests/data
 * reshard.cddl): positional CBOR arrays of unsigned integers and byte strings. Nothing is checked
 * here; the engines do that. */
#include "sim/sim.h"

enum { MEMBERS_MAX = PEEK_MEMBERS_MAX, CHECKSUM_SIZE = 8 };

struct reader {
    const uint8_t *bytes;
    size_t size;
    size_t offset;
};

/* Head of an item: major type, and its number. */
static bool head(struct reader *reader, uint32_t *major, uint64_t *number)
{
    if (reader->offset >= reader->size)
        return false;
    uint8_t first = reader->bytes[reader->offset++];
    *major = first >> 5;
    uint8_t low = first & 31;
    *number = low;
    if (low < 24)
        return true;
    if (low > 27)
        return false;
    size_t count = (size_t)1 << (low - 24);
    if (reader->size - reader->offset < count)
        return false;
    *number = 0;
    for (size_t i = 0; i < count; i++)
        *number = *number << 8 | reader->bytes[reader->offset++];
    return true;
}

/* Numbers of an array's members; sizes of its byte strings, and where the last of them is. How many
 * there are. */
static uint32_t members(const uint8_t *bytes, size_t size, uint64_t values[MEMBERS_MAX],
    const uint8_t **string_out)
{
    struct reader reader = {bytes, size, 0};
    uint32_t major, count = 0;
    uint64_t number;
    memset(values, 0, MEMBERS_MAX * sizeof *values);
    if (!head(&reader, &major, &number) || major != 4)
        return 0;
    while (count < MEMBERS_MAX && count < number && head(&reader, &major, &values[count])) {
        if (major == 2) {
            *string_out = bytes + reader.offset;
            reader.offset += values[count] <= size - reader.offset ? values[count] : 0;
        }
        count++;
    }
    return count;
}

uint32_t reshard__peek_type(const uint8_t *bytes, size_t size)
{
    enum { DIRECT = 24 };
    bool plain = size > CHECKSUM_SIZE + 1 && (bytes[CHECKSUM_SIZE] & 31) < DIRECT;
    return plain && bytes[CHECKSUM_SIZE + 1] < DIRECT ? bytes[CHECKSUM_SIZE + 1] : 0;
}

const uint8_t *reshard__peek_members(
    const uint8_t *bytes, size_t size, uint64_t values[PEEK_MEMBERS_MAX])
{
    const uint8_t *string = NULL;
    (void)members(bytes + CHECKSUM_SIZE, size - CHECKSUM_SIZE, values, &string);
    return string;
}

struct peek reshard__peek(const uint8_t *bytes, size_t size)
{
    /* By type: places of migration, term, n, phase, kind, sequence, version, attempt, durable,
     * flags; 0 = none. */
    static const uint8_t places[7][10] = {
        [1] = {0, 0, 0, 0, 0, 0, 6, 0, 0, 0},
        [2] = {0, 0, 0, 0, 0, 0, 2, 0, 0, 0},
        [3] = {1, 2, 3, 4, 0, 8, 5, 9, 0, 10},
        [4] = {1, 2, 3, 4, 5, 10, 0, 8, 11, 18},
        [5] = {1, 2, 3, 0, 4, 5, 0, 6, 0, 9},
        [6] = {1, 2, 3, 0, 6, 4, 0, 0, 5, 7},
    };
    uint64_t values[MEMBERS_MAX];
    const uint8_t *string;
    struct peek peek = {0};
    if (size <= CHECKSUM_SIZE ||
        members(bytes + CHECKSUM_SIZE, size - CHECKSUM_SIZE, values, &string) == 0 ||
        values[0] == 0 || values[0] > 6)
        return peek;
    peek.type = (uint32_t)values[0];
    const uint8_t *place = places[peek.type];
    values[0] = 0;
    peek.migration = values[place[0]];
    peek.term = values[place[1]];
    peek.n = values[place[2]];
    peek.phase = (uint32_t)values[place[3]];
    peek.kind = (uint32_t)values[place[4]];
    peek.sequence = values[place[5]];
    peek.version = values[place[6]];
    peek.attempt = values[place[7]];
    peek.durable = values[place[8]];
    peek.flags = values[place[9]];
    return peek;
}

const char *reshard__message_name(uint32_t type)
{
    static const char *const names[] = {"?", "HELLO", "MAP", "ORDER", "REPORT", "CHUNK", "ACK"};
    return type < 7 ? names[type] : "?";
}

const char *reshard__kind_name(uint32_t type, uint32_t kind)
{
    static const char *const chunks[] = {
        "?", "DATA", "VOID", "FIN", "CONFIRM", "PENDING", "QUERY"};
    static const char *const results[] = {"WORKING", "PREPARED", "COPIED", "STREAMING", "FROZEN",
        "READY", "HELD", "SETTLED", "PURGED", "EMPTY", "UNMOVING", "UNDONE", "LOST", "REFUSED",
        "EXPIRED", "MISMATCH", "DAMAGED", "LEFTOVERS", "KEEPING"};
    static const char *const answers[] = {"NONE", "HAVE", "NOT_HAVE", "ABSENT"};
    if (type == 5 && kind < 7)
        return chunks[kind];
    if (type == 4 && kind < 19)
        return results[kind];
    if (type == 6 && kind < 4)
        return answers[kind];
    return "?";
}

const char *reshard__record_name(uint32_t kind)
{
    static const char *const names[] = {"?", "CHANGE", "MAP", "PREPARED", "HELD", "RELEASED",
        "PURGE", "OPEN", "SEAL", "ACTIVE", "MOVE", "UNMOVE", "UNDONE", "MARK", "CLEAR",
        "QUARANTINE", "CLOSED", "IDENTITY"};
    return kind < 18 ? names[kind] : "?";
}

/* The next framed record's kind: 4 bytes magic, 4 bytes payload size, ..., payload at 40, 8 bytes
 * checksum. */
bool reshard__record_next(const uint8_t *bytes, size_t size, size_t *offset, uint32_t *kind)
{
    enum { HEADER = 40, TRAILER = 8 };
    if (size - *offset < HEADER + TRAILER)
        return false;
    const uint8_t *at = bytes + *offset;
    size_t payload =
        at[4] | (size_t)at[5] << 8 | (size_t)at[6] << 16 | (size_t)at[7] << 24;
    if (payload > size - *offset - HEADER - TRAILER)
        return false;
    uint64_t values[MEMBERS_MAX];
    const uint8_t *string;
    *kind = members(at + HEADER, payload, values, &string) ? (uint32_t)values[0] : 0;
    *offset += HEADER + payload + TRAILER;
    return true;
}

bool reshard__records_have(const uint8_t *bytes, size_t size, const char *name)
{
    size_t offset = 0;
    uint32_t kind;
    while (reshard__record_next(bytes, size, &offset, &kind))
        if (strcmp(reshard__record_name(kind), name) == 0)
            return true;
    return false;
}

void reshard__records_name(struct text *text, const uint8_t *bytes, size_t size)
{
    size_t offset = 0;
    uint32_t kind;
    while (reshard__record_next(bytes, size, &offset, &kind)) {
        reshard__text_char(text, ' ');
        reshard__text_string(text, reshard__record_name(kind));
    }
}
