/* SPDX-License-Identifier: MIT */
/* Room store: hashes and digests. The one file that sees xxHash.
 *
 * An item's digest covers name, expiry, size and value, never how the value is cut or stored: a
 * value's digest is the sum over its pieces of STORE_PIECE_SIZE, each seeded with its index, so
 * that an append costs one piece.
 */
#include "store_room.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static struct reshard_digest digest_of(XXH128_hash_t hash)
{
    return (struct reshard_digest){hash.low64, hash.high64};
}

struct reshard_digest store__piece_digest(struct bytes piece, uint32_t piece_index)
{
    return digest_of(XXH3_128bits_withSeed(piece.data, piece.size, piece_index));
}

struct reshard_digest store__digest(
    struct bytes name, int64_t expiry_ms, uint64_t size, struct reshard_digest value)
{
    uint8_t parts[48];
    XXH128_hash_t hash = XXH3_128bits(name.data, name.size);
    put_u64(parts, hash.low64);
    put_u64(parts + 8, hash.high64);
    put_u64(parts + 16, (uint64_t)expiry_ms);
    put_u64(parts + 24, size);
    put_u64(parts + 32, value.low);
    put_u64(parts + 40, value.high);
    return digest_of(XXH3_128bits(parts, sizeof(parts)));
}

void store__digest_add(struct reshard_digest *sum, struct reshard_digest digest)
{
    sum->low += digest.low;
    sum->high += digest.high + (sum->low < digest.low ? 1 : 0);
}

void store__digest_subtract(struct reshard_digest *sum, struct reshard_digest digest)
{
    sum->high -= digest.high + (sum->low < digest.low ? 1 : 0);
    sum->low -= digest.low;
}

uint64_t store__hash64(struct bytes name, uint64_t seed)
{
    return XXH3_64bits_withSeed(name.data, name.size, seed);
}

struct reshard_digest store__hash128(struct bytes name, uint64_t seed)
{
    return digest_of(XXH3_128bits_withSeed(name.data, name.size, seed));
}
