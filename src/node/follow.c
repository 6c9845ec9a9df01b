/* SPDX-License-Identifier: MIT */
/* Room node: following. A follower's journal is its primary's, fed record by record and folded as
 * at a restart; here nothing is written, ordered or done. When the newest map names this node
 * primary it goes on with the journal from where it stands, as after a restart (R7, R25). */
#include "node/node.h"

static bool named_primary(const struct reshard_node *node)
{
    struct reshard_map_node self = {.struct_size = sizeof self};
    return reshard_map_node_find(node->next, node->config.node, &self) == RESHARD_OK &&
           self.shard != 0 && reshard__primary_of(node, self.shard) == node->config.node;
}

void reshard__follow_begin(struct reshard_node *node)
{
    node->following = node->config.flags & RESHARD_NODE_FOLLOWS && !named_primary(node);
}

bool reshard__follow_goes_on(struct reshard_node *node)
{
    if (!node->following || !named_primary(node))
        return node->following;
    node->following = false;
    for (size_t i = 0; i < node->part_count; i++)
        if (!node->parts[i]->closed)
            reshard__part_lead(node, node->parts[i]);
    return false;
}

void reshard__follow_part(struct reshard_node *node, struct reshard__part *part)
{
    RESHARD_ASSERT(node->following);
    if (part->closed)
        return;
    reshard__part_settle_stance(node, part);
    for (size_t i = 0; i < part->range_count; i++)
        reshard__words_range(node, &part->ranges[i]);
}
