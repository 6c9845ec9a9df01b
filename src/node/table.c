/* SPDX-License-Identifier: MIT */
/* Room node: one word a slot, which route reads from any thread. At rest the word holds the answer;
 * a slot in a migration names a cell whose stance changes while the word stays. */
#include "node/words.h"

struct reshard__part *reshard__part_of_slot(const struct reshard_node *node, uint32_t slot)
{
    for (size_t i = node->part_count; i-- > 0;) {
        struct reshard__part *part = node->parts[i];
        if (!part->closed && reshard__ranges_contain(part->ranges, part->range_count, slot))
            return part;
    }
    return NULL;
}

/* A slot that came by a commit of which this node has no part yet: no record says ACTIVE (R23). */
static bool unexplained(const struct reshard_node *node, uint32_t slot)
{
    struct reshard_map_migration migration = {.struct_size = sizeof migration};
    reshard_migration_id id = reshard_map_slot_migration(node->map, slot);
    return id && reshard_map_migration_find(node->map, id, &migration) == RESHARD_OK &&
           migration.decision == RESHARD_DECISION_COMMIT;
}

/* Whether a replica of the slot's owner may serve reads. In an open migration only a follower knows
 * how far its primary's promises go: as far as the primary may serve by slot alone. */
static bool replica_reads(
    const struct reshard_node *node, uint32_t slot, const struct reshard__part *part)
{
    if (reshard_map_slot_migration(node->map, slot) == 0)
        return true;
    if (!node->following || !part)
        return false;
    uint32_t verdict = reshard__route_stance(reshard__part_stance(node, part), RESHARD_OP_READ);
    return verdict == RESHARD_SERVE;
}

/* Without a part that acts here. */
static uint64_t word_at_rest(
    const struct reshard_node *node, uint32_t slot, const struct reshard__part *part)
{
    reshard_shard_id owner = reshard_map_slot_owner(node->map, slot);
    enum reshard__stance stance = RESHARD__STANCE_FOREIGN;
    if (owner == 0)
        stance = RESHARD__STANCE_UNOWNED;
    else if (owner == node->shard && node->primary)
        stance = unexplained(node, slot) ? RESHARD__STANCE_TARGET_SEALED : RESHARD__STANCE_OWNER;
    else if (owner == node->shard && replica_reads(node, slot, part))
        stance = RESHARD__STANCE_OWNER_REPLICA;
    return reshard__word(stance, owner);
}

void reshard__words_range(struct reshard_node *node, const struct reshard_range *range)
{
    RESHARD_ASSERT(range->last < node->config.slot_count);
    for (uint32_t slot = range->first; slot <= range->last; slot++) {
        const struct reshard__part *part =
            node->part_count ? reshard__part_of_slot(node, slot) : NULL;
        uint64_t word = part && node->primary ? reshard__word(RESHARD__WORD_CELL, part->cell)
                                              : word_at_rest(node, slot, part);
        atomic_store_explicit(&node->words[slot], word, memory_order_release);
    }
}

void reshard__words_all(struct reshard_node *node)
{
    struct reshard_range all = {0, node->config.slot_count - 1};
    reshard__words_range(node, &all);
}
