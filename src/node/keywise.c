/* SPDX-License-Identifier: MIT */
/* Room node: mode keywise. */
#include "node/keywise.h"

int32_t reshard__keywise_make(struct reshard_node *node, struct reshard__part *part)
{
    (void)node;
    (void)part;
    return RESHARD_E_MODE;
}

void reshard__keywise_free(struct reshard_node *node, struct reshard__part *part)
{
    (void)node;
    (void)part;
}

uint32_t reshard__keywise_route(const struct reshard_node *node, const struct reshard__part *part,
    enum reshard__stance stance, const struct reshard_node_request *request, uint64_t *token_out)
{
    (void)node;
    (void)part;
    *token_out = 0;
    return reshard__route_keyed(
        stance, RESHARD__ASKING_NO, RESHARD__PRESENCE_NONE, request->op);
}

uint32_t reshard__duty_give(struct reshard_node *node, struct reshard__part *part)
{
    (void)node;
    (void)part;
    return RESHARD__RESULT_LOST;
}

uint32_t reshard__duty_take(struct reshard_node *node, struct reshard__part *part)
{
    (void)node;
    (void)part;
    return RESHARD__RESULT_LOST;
}

uint32_t reshard__duty_take_back(struct reshard_node *node, struct reshard__part *part)
{
    (void)node;
    (void)part;
    return RESHARD__RESULT_LOST;
}

uint32_t reshard__duty_give_back(struct reshard_node *node, struct reshard__part *part)
{
    (void)node;
    (void)part;
    return RESHARD__RESULT_LOST;
}

uint32_t reshard__keywise_hold(struct reshard_node *node, struct reshard__part *part)
{
    (void)node;
    (void)part;
    return RESHARD__RESULT_LOST;
}

void reshard__keywise_chunk(struct reshard_node *node, struct reshard__part *part,
    const struct reshard__message *message)
{
    (void)node;
    (void)part;
    (void)message;
}

void reshard__keywise_acknowledged(struct reshard_node *node, struct reshard__part *part,
    const struct reshard__message *message)
{
    (void)node;
    (void)part;
    (void)message;
}

void reshard__keywise_complete(struct reshard_node *node, struct reshard__part *part,
    const struct reshard__entry *entry, const struct reshard_completion *completion)
{
    (void)node;
    (void)part;
    (void)entry;
    (void)completion;
}

int32_t reshard__keywise_fold(struct reshard_node *node, struct reshard__part *part,
    const struct reshard__record *record)
{
    (void)node;
    (void)part;
    (void)record;
    return RESHARD_OK;
}

void reshard__keywise_stance(struct reshard_node *node, struct reshard__part *part)
{
    (void)node;
    (void)part;
}

void reshard__keywise_tick(struct reshard_node *node, struct reshard__part *part)
{
    (void)node;
    (void)part;
}

uint64_t reshard__keywise_deadline(
    const struct reshard_node *node, const struct reshard__part *part)
{
    (void)node;
    (void)part;
    return UINT64_MAX;
}
