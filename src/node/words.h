/* SPDX-License-Identifier: MIT */
/* Room node: the form of a slot's word: low 32 bits a stance, or WORD_CELL; high 32 bits the
 * owner's shard, or the cell's index. A cell has the form of a word at rest: the stance of its
 * migration, and the shard on the other side. */
#ifndef RESHARD_NODE_WORDS_H
#define RESHARD_NODE_WORDS_H

#include "node/node.h"

enum { RESHARD__WORD_CELL = 0xFFFF };

/* The cell that a word names. False where the word is no longer the slot's: then the cell may be
 * that of another migration. It is: a cell is given away only when no word names it any more, so
 * whoever reads what the next migration stored sees the word that was changed before. */
static inline bool reshard__word_cell(
    const struct reshard_node *node, uint32_t slot, uint64_t word, uint64_t *cell_out)
{
    *cell_out = atomic_load_explicit(&node->cells[word >> 32], memory_order_acquire);
    return atomic_load_explicit(&node->words[slot], memory_order_relaxed) == word;
}

static inline uint64_t reshard__word(uint32_t low, uint32_t high)
{
    return (uint64_t)high << 32 | low;
}

#endif
