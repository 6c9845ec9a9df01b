/* SPDX-License-Identifier: MIT */
/* Room node: mode keywise: keys that move one by one (R16 ... R22, R27). */
#ifndef RESHARD_NODE_KEYWISE_H
#define RESHARD_NODE_KEYWISE_H

#include "node/node.h"

int32_t reshard__keywise_make(struct reshard_node *node, struct reshard__part *part);
void reshard__keywise_free(struct reshard_node *node, struct reshard__part *part);
/* The verdict where keys decide; the token for an ASK. */
uint32_t reshard__keywise_route(const struct reshard_node *node, const struct reshard__part *part,
    enum reshard__stance stance, const struct reshard_node_request *request, uint64_t *token_out);
/* Duties of MOVE and UNMOVE. */
uint32_t reshard__duty_give(struct reshard_node *node, struct reshard__part *part);
uint32_t reshard__duty_take(struct reshard_node *node, struct reshard__part *part);
uint32_t reshard__duty_take_back(struct reshard_node *node, struct reshard__part *part);
uint32_t reshard__duty_give_back(struct reshard_node *node, struct reshard__part *part);
/* HOLD, keywise: R27. */
uint32_t reshard__keywise_hold(struct reshard_node *node, struct reshard__part *part);
/* CHUNK and ACK of a keywise stream. */
void reshard__keywise_chunk(struct reshard_node *node, struct reshard__part *part,
    const struct reshard__message *message);
void reshard__keywise_acknowledged(struct reshard_node *node, struct reshard__part *part,
    const struct reshard__message *message);
/* A store action of a keywise part completed. */
void reshard__keywise_complete(struct reshard_node *node, struct reshard__part *part,
    const struct reshard__entry *entry, const struct reshard_completion *completion);
/* Fold a MOVE, UNMOVE, MARK or CLEAR record. NOMEM: nothing changed. */
int32_t reshard__keywise_fold(struct reshard_node *node, struct reshard__part *part,
    const struct reshard__record *record);
/* The stance that MOVE and UNMOVE records command after a restart (R16). */
void reshard__keywise_stance(struct reshard_node *node, struct reshard__part *part);
void reshard__keywise_tick(struct reshard_node *node, struct reshard__part *part);
uint64_t reshard__keywise_deadline(
    const struct reshard_node *node, const struct reshard__part *part);

#endif
