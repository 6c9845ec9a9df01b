/* SPDX-License-Identifier: MIT */
/* Room wire (floor 4): everything that crosses a process boundary or a restart.
 *
 * Guarantees: one canonical byte form (CBOR, RFC 8949 section 4.2.1 narrowed: positional arrays,
 * unsigned integers, byte strings); encoding never allocates; decoding never allocates (ranges of
 * unknown number aside: at most 4 bytes for each one read), borrows its input, and refuses anything
 * else with a code and the offset of the first bad byte. The schema tables in schema.c are the only
 * description of any field.
 *
 * Members that are 0 or empty at the end of an array are left out, and must be. So encoding what
 * was decoded gives the same bytes, an older writer's bytes too; only members that this version
 * does not know are lost. Messages are bounded by RESHARD__ITEMS_MAX items, changes and snapshots
 * by their own limits (schema.h), all by 8 levels and by their bytes. No checksum is a signature:
 * whoever can forge messages must be kept out by the transport.
 */
#ifndef RESHARD_WIRE_WIRE_H
#define RESHARD_WIRE_WIRE_H

#include "map/map.h"

enum {
    RESHARD__PROTOCOL = 1,             /* version in HELLO; neighbours understand each other */
    RESHARD__MESSAGE_HEADER_MAX = 256, /* bytes before a CHUNK's payload, checksum included */
    RESHARD__RECORD_MAX = 512          /* bytes of a framed participant record without ranges */
};

/* ---- messages ---- */

enum { /* type, first member of a message */
    RESHARD__HELLO = 1,
    RESHARD__MAP = 2,
    RESHARD__ORDER = 3,
    RESHARD__REPORT = 4,
    RESHARD__CHUNK = 5,
    RESHARD__ACK = 6
};

enum { /* kind of a CHUNK */
    RESHARD__CHUNK_DATA = 1,
    RESHARD__CHUNK_VOID = 2,    /* a cancelled number: takes its place in the sequence */
    RESHARD__CHUNK_FIN = 3,     /* sequence = the final one, digest in `digest` */
    RESHARD__CHUNK_CONFIRM = 4, /* keywise: clears the PENDING mark of `sequence` */
    RESHARD__CHUNK_PENDING = 5, /* keywise: receiver → giver, sequence = number of OLD keys left */
    RESHARD__CHUNK_QUERY = 6    /* keywise: receiver → giver, payload = one key */
};

/* Bit of a CHUNK's flags (others: phase.h): the payload of DATA is not in the checksum, because a
 * digest of the slots covers it. */
enum { RESHARD__CHUNK_UNCOVERED = 2 };

enum { /* answer of an ACK */
    RESHARD__ANSWER_NONE = 0,
    RESHARD__ANSWER_HAVE = 1,
    RESHARD__ANSWER_NOT_HAVE = 2,
    RESHARD__ANSWER_ABSENT = 3
};

/* An order's number, and so the id of a copy or stream that the order opened. Compared by term,
 * then n. {0, 0} = none. */
struct reshard__order_id {
    uint64_t term;
    uint64_t n;
};

/* Borrowed bytes. */
struct reshard__bytes {
    const uint8_t *data;
    size_t size;
};

/* One message, whichever type; fields that its type does not have are 0. */
struct reshard__message {
    uint32_t type;
    /* HELLO */
    uint64_t protocol;
    reshard_node_id node; /* sender */
    uint64_t boot;        /* of the sender's process: differs after a restart */
    uint64_t features;
    uint64_t map_version; /* HELLO: the sender's durable one; ORDER: the one it rests on */
    uint64_t slot_count;
    /* MAP: from = 0 and a snapshot, or changes from + 1 ... to */
    uint64_t from;
    uint64_t to;
    struct reshard__bytes changes;  /* concatenated change items, see reshard__change_decode */
    struct reshard__bytes snapshot; /* see reshard__map_decode */
    /* ORDER, REPORT, CHUNK, ACK */
    reshard_migration_id migration;
    struct reshard__order_id order; /* ORDER, REPORT */
    uint32_t phase;                 /* ORDER, REPORT */
    struct reshard__order_id copy;  /* copy or stream id */
    uint64_t attempt;
    uint64_t sequence;             /* ORDER: resume after it; CHUNK: its number;
                                      REPORT, ACK: applied */
    uint64_t durable_sequence;     /* REPORT, ACK */
    uint64_t final_sequence;       /* REPORT, CHUNK FIN */
    uint32_t result;               /* REPORT */
    uint64_t epoch;                /* REPORT: the sender's shard's fail-over epoch */
    struct reshard_digest digest;  /* REPORT, CHUNK FIN; 16 bytes on the wire */
    uint64_t progress_keys;        /* REPORT */
    uint64_t progress_bytes;       /* REPORT */
    uint64_t lag_bytes;            /* REPORT */
    uint64_t pause_ns;             /* REPORT: write pause of this attempt so far */
    uint32_t kind;                 /* CHUNK: RESHARD__CHUNK_* */
    uint32_t answer;               /* ACK: RESHARD__ANSWER_* */
    uint64_t flags;                /* ORDER: e.g. pause, bandwidth; REPORT: see phase room */
    uint64_t budget;               /* ORDER: copy bandwidth in bytes per second, 0 = free */
    uint64_t freeze_ns;            /* ORDER FREEZE: the freeze budget */
    struct reshard__bytes payload; /* CHUNK; ACK with an answer: the key asked for */
};

/* Encode all but the payload of a CHUNK (for an ACK the payload is copied, it is one key): on the
 * wire a message is the 8-byte little-endian XXH3-64 of what follows, then the CBOR array. A
 * CHUNK's payload bytes follow buffer[0 ... *size_out) unchanged; where its flags say UNCOVERED
 * they are left out of the checksum, and are not read here. Errors: SPACE (with *size_out =
 * needed), BOUND, KIND. */
int32_t reshard__message_encode(
    const struct reshard__message *message, uint8_t *buffer, size_t capacity, size_t *size_out);

/* Decode one whole message. `limit`: most bytes accepted (0 = 1 MiB). *offset_out (may be NULL)
 * gets the offset of the first bad byte. Errors: class data. */
int32_t reshard__message_decode(const uint8_t *bytes, size_t size, size_t limit,
    struct reshard__message *message, size_t *offset_out);

/* ---- changes and map snapshots ---- */

/* Append one change item (no checksum) to a buffer. *size_out = bytes written or needed. */
int32_t reshard__change_encode(
    const struct reshard_change *change, uint8_t *buffer, size_t capacity, size_t *size_out);

/* Decode the change item at *offset and move *offset behind it. Texts borrow the input; ranges are
 * written to ranges[0 ... capacity). Errors: class data; SPACE with change->range_count = needed;
 * EMPTY when *offset == size. */
int32_t reshard__change_decode(const uint8_t *bytes, size_t size, size_t *offset,
    struct reshard_range *ranges, size_t capacity, struct reshard_change *change);

/* Ranges of the change that was read last; grows as needed. */
struct reshard__scratch {
    struct reshard_range *ranges;
    size_t capacity;
};

/* As reshard__change_decode, into a scratch that grows. NOMEM: *offset is unchanged. */
int32_t reshard__change_read(const struct reshard__mem *mem, struct reshard__scratch *scratch,
    struct reshard__bytes bytes, size_t *offset, struct reshard_change *change);
void reshard__scratch_free(const struct reshard__mem *mem, struct reshard__scratch *scratch);

/* Snapshot of a map as one item. SPACE with the size needed when the buffer is too small. */
int32_t reshard__map_encode(
    const struct reshard_map *map, uint8_t *buffer, size_t capacity, size_t *size_out);

/* Build a map from a snapshot. Decoding itself takes at most 4 x size (the ranges of one
 * migration), and only once all bytes are checked. The map that results takes at most 16 bytes a
 * slot and RESHARD__SNAPSHOT_MAP x size + 4 KiB: its nodes, shards, migrations and ids, its arrays
 * while they grow included. Errors: class data, NOMEM, those of the map's guards. */
enum { RESHARD__SNAPSHOT_MAP = 36 };
int32_t reshard__map_decode(const uint8_t *bytes, size_t size,
    const struct reshard_allocator *allocator, struct reshard_map **map_out, size_t *offset_out);

/* ---- journal records ---- */

enum {                            /* kind, first member of a record */
    RESHARD__RECORD_CHANGE = 1,   /* coordinator, node: one change of the map (`blob`) */
    RESHARD__RECORD_MAP = 2,      /* snapshot of the map (`blob`): start of a compacted journal */
    RESHARD__RECORD_PREPARED = 3, /* source: order */
    RESHARD__RECORD_HELD = 4,     /* source: order, attempt */
    RESHARD__RECORD_RELEASED = 5, /* source: order */
    RESHARD__RECORD_PURGE = 6,    /* source: order; purging has begun */
    RESHARD__RECORD_OPEN = 7,     /* target: order, copy (= {0,0} at PREPARE: intent only) */
    RESHARD__RECORD_SEAL = 8,     /* target: order, attempt, copy, sequence = final, digest */
    RESHARD__RECORD_ACTIVE = 9,   /* target: order */
    RESHARD__RECORD_MOVE = 10,    /* keywise, both: order = stream */
    RESHARD__RECORD_UNMOVE = 11,  /* keywise, both: order = stream */
    RESHARD__RECORD_UNDONE = 12,  /* both: order */
    RESHARD__RECORD_MARK = 13,    /* keywise receiver: stream = copy, sequence, keys (`blob`):
                                     PENDING; written before apply */
    RESHARD__RECORD_CLEAR = 14,   /* keywise receiver: copy, sequence: marks cleared */
    RESHARD__RECORD_QUARANTINE = 15, /* slots whose data no record explains (ranges in `blob`) */
    RESHARD__RECORD_CLOSED = 16,     /* migration's records are void; used by compaction */
    RESHARD__RECORD_IDENTITY = 17    /* first record: node, slot_count */
};

enum { RESHARD__RECORD_MOVES = 1 }; /* flags of PREPARED, OPEN: keywise: doubles as MOVE */

struct reshard__record {
    uint32_t kind;
    reshard_node_id node;
    uint64_t slot_count;
    reshard_migration_id migration;
    struct reshard__order_id order;
    struct reshard__order_id copy;
    uint64_t attempt;
    uint64_t sequence;
    uint64_t flags;
    struct reshard_digest digest;
    struct reshard__bytes blob; /* change item, map snapshot, keys or ranges, by kind */
};

/* Position in a journal: what chains one record to the next. All 0 before the first. */
struct reshard__journal_position {
    uint64_t index;  /* records so far */
    uint64_t digest; /* the last record's checksum: XXH3-64 of all its bytes before, seed = index */
};

/* Frame one record (length, index, term, digest of the previous record, payload, XXH3-64 checksum)
 * and advance *position. SPACE with the size needed; then *position is unchanged. */
int32_t reshard__record_encode(const struct reshard__record *record, uint64_t term,
    struct reshard__journal_position *position, uint8_t *buffer, size_t capacity, size_t *size_out);

/* Decode the framed record at *offset, check that it follows *position, move both on. A journal may
 * start at any index (compaction): when *position is all 0, an IDENTITY or MAP record sets it, at
 * index 1 a CHANGE too. Errors: EMPTY at the end; TORN (incomplete at the end of bytes: cut at
 * *offset); CHECKSUM, CHAIN, class data: damage, *offset names the record. Then nothing moved. */
int32_t reshard__record_decode(const uint8_t *bytes, size_t size, size_t *offset,
    struct reshard__journal_position *position, uint64_t *term_out, struct reshard__record *record);

/* Ranges as one item, for QUARANTINE records: like the ranges of a change. */
int32_t reshard__ranges_encode(const struct reshard_range *ranges, size_t range_count,
    uint8_t *buffer, size_t capacity, size_t *size_out);
int32_t reshard__ranges_decode(const uint8_t *bytes, size_t size, struct reshard_range *ranges,
    size_t capacity, size_t *range_count_out);

/* Whether a > b, by term, then n. */
static inline bool reshard__order_above(struct reshard__order_id a, struct reshard__order_id b)
{
    return a.term != b.term ? a.term > b.term : a.n > b.n;
}

static inline bool reshard__order_equal(struct reshard__order_id a, struct reshard__order_id b)
{
    return a.term == b.term && a.n == b.n;
}

#endif
