/* SPDX-License-Identifier: MIT */
/* Room node: the form of a slot's word: low 32 bits a stance, or WORD_CELL; high 32 bits the
 * owner's shard, or the cell's index. */
#ifndef RESHARD_NODE_WORDS_H
#define RESHARD_NODE_WORDS_H

#include "node/node.h"

enum { RESHARD__WORD_CELL = 0xFFFF };

static inline uint64_t reshard__word(uint32_t low, uint32_t high)
{
    return (uint64_t)high << 32 | low;
}

#endif
