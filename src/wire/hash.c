/* SPDX-License-Identifier: MIT */
/* Room wire: checksums (XXH3-64) and fixed-width integers. The only file of the room that sees
 * xxHash. Checksums find damage, not forgery. */
#include "wire/schema.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t reshard__checksum(const uint8_t *data, size_t size, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, size, seed);
}

uint64_t reshard__checksum_pair(
    const uint8_t *head, size_t head_size, const uint8_t *tail, size_t tail_size)
{
    if (tail_size == 0)
        return XXH3_64bits(head, head_size);
    XXH3_state_t state; /* its type carries the 64-byte alignment that the algorithm needs */
    (void)XXH3_64bits_reset(&state);
    (void)XXH3_64bits_update(&state, head, head_size);
    (void)XXH3_64bits_update(&state, tail, tail_size);
    return XXH3_64bits_digest(&state);
}

void reshard__put_le64(uint8_t *bytes, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
}

uint64_t reshard__get_le64(const uint8_t *bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}
