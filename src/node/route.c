/* SPDX-License-Identifier: MIT */
/* Room node: routing. reshard_node_route is the one function that many threads call: it reads a
 * word, and for a slot in a migration a cell, and looks the answer up. */
#include "node/keywise.h"
#include "node/words.h"

/* The slot's word, or what the cell holds that it names. Again only where the slot's migration
 * ended between the two loads. */
static inline uint64_t slot_answer(const struct reshard_node *node, uint32_t slot)
{
    uint64_t word, cell = 0;
    do
        word = atomic_load_explicit(&node->words[slot], memory_order_acquire);
    while ((uint32_t)word == RESHARD__WORD_CELL && !reshard__word_cell(node, slot, word, &cell));
    return (uint32_t)word == RESHARD__WORD_CELL ? cell : word;
}

uint32_t reshard_node_route(
    const struct reshard_node *node, uint32_t slot, uint32_t op, reshard_shard_id *shard_out)
{
    if (shard_out)
        *shard_out = 0;
    if (!node || slot >= node->config.slot_count || op == 0 || op >= RESHARD_OP_COUNT)
        return RESHARD_DOWN;
    uint64_t answer = slot_answer(node, slot);
    if ((uint32_t)answer == RESHARD__STANCE_OWNER)
        return RESHARD_SERVE;
    uint32_t verdict = reshard__route_stance((enum reshard__stance)(uint32_t)answer, op);
    if (verdict == RESHARD_MOVED && shard_out)
        *shard_out = (reshard_shard_id)(answer >> 32);
    return verdict;
}

/* The stance behind a word, and the part, if a part of this node decides. */
static enum reshard__stance stance_of(
    struct reshard_node *node, uint32_t slot, struct reshard__part **part_out, uint32_t *other_out)
{
    uint64_t word = atomic_load_explicit(&node->words[slot], memory_order_relaxed);
    *part_out = NULL;
    *other_out = (uint32_t)(word >> 32);
    if ((uint32_t)word != RESHARD__WORD_CELL)
        return (enum reshard__stance)(uint32_t)word;
    for (size_t i = 0; i < node->part_count; i++)
        if (node->parts[i]->cell == *other_out && !node->parts[i]->closed)
            *part_out = node->parts[i];
    RESHARD_ASSERT(*part_out);
    struct reshard__part *part = *part_out;
    *other_out = part->side == RESHARD_SIDE_SOURCE ? part->target : part->source;
    return reshard__part_stance(node, part);
}

static int32_t request_check(
    const struct reshard_node *node, const struct reshard_node_request *request)
{
    if (request->op == 0 || request->op >= RESHARD_OP_COUNT || request->asking > 1)
        return RESHARD_E_ARGUMENT;
    if (request->slot >= node->config.slot_count)
        return RESHARD_E_SLOT;
    if (request->present_count > request->key_count)
        return RESHARD_E_ARGUMENT;
    if (request->key_count > 0 && (!request->keys || !request->key_sizes))
        return RESHARD_E_NULL;
    return RESHARD_OK;
}

int32_t reshard_node_route_keys(struct reshard_node *node,
    const struct reshard_node_request *request, struct reshard_route *route_out)
{
    if (!node || !request || !route_out)
        return RESHARD_E_NULL;
    struct reshard_node_request imported;
    int32_t status = reshard__struct_import(&imported, sizeof imported, sizeof imported, request);
    if (status == RESHARD_OK)
        status = request_check(node, &imported);
    if (status)
        return status;
    struct reshard__part *part;
    uint32_t other;
    enum reshard__stance stance = stance_of(node, imported.slot, &part, &other);
    struct reshard_route route = {.struct_size = sizeof route};
    route.verdict = reshard__route_stance(stance, imported.op);
    if (route.verdict == RESHARD_LOOKUP)
        route.verdict = reshard__keywise_route(node, part, stance, &imported, &route.token);
    if (route.verdict == RESHARD_MOVED || route.verdict == RESHARD_ASK)
        route.shard = other;
    return reshard__struct_export(route_out, sizeof route, &route, sizeof route);
}
