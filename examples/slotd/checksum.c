/* SPDX-License-Identifier: MIT */
/* Room bytes: checksums. The one file of the room that sees xxHash. */
#include "bytes.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t bytes_checksum(struct bytes bytes)
{
    return XXH3_64bits(bytes.data, bytes.size);
}
