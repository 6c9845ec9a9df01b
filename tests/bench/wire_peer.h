/* SPDX-License-Identifier: MIT */
/* Benchmark of the wire room: what is measured, and the peer, libcbor's tree API, doing the same.
 * Measures and prints nothing itself; a value that does not come out right ends the program.
 */
#ifndef RESHARD_BENCH_WIRE_PEER_H
#define RESHARD_BENCH_WIRE_PEER_H

#include "wire/schema.h"

enum { BUFFER = 1 << 21, ITEMS_MAX = 1 << 17, SLOTS = 16384 };

/* What is measured: a value, its bytes, and the items that it consists of. */
struct subject {
    const char *name;
    int32_t (*encode)(struct subject *subject, size_t *size);
    int32_t (*decode)(struct subject *subject);
    struct reshard__message message;
    struct reshard_change change;
    struct reshard__record record;
    struct reshard_map *map;
    const struct reshard__schema *schema;
    const void *flat; /* the value above; NULL for a map, whose peer has ready-made items only */
    size_t head;      /* bytes before the array */
    size_t tail;      /* bytes behind it */
    size_t size;      /* of all, payload included */
    size_t loops;     /* calls a repeat */
    bool has_checksum;
    struct reshard__item items[ITEMS_MAX];
    size_t item_count;
    uint8_t bytes[BUFFER];
    uint8_t scratch[BUFFER];
    uint64_t sink; /* what was read, so that nothing is left out */
};

void require(bool condition);

/* struct → tree → bytes: build, cbor_serialize, cbor_decref. */
void peer_encode(struct subject *subject);

/* bytes → tree → struct: cbor_load, every member by its type into the same struct, cbor_decref. */
void peer_decode(struct subject *subject);

/* The same, and refuses what ours refuses: bounds, bytes behind the end, another form than the
 * canonical one (heads too long: by encoding again, and by the width of integers, which trees
 * keep). */
void peer_decode_strict(struct subject *subject);

/* What is left when everything but libcbor's streaming decoder costs nothing: every head by
 * cbor_stream_decode with empty callbacks, twice. */
void floor_decode(struct subject *subject);

#endif
