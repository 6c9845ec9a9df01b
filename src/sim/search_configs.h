/* SPDX-License-Identifier: MIT */
/* Room sim: what the worlds that are searched are made of. Every one is closed: all orders of all
 * that can happen in it are tried. `freeze 50s` is shorter than a jump of a clock (search.h), so
 * that a freeze runs out when its source's clock jumps. */
#ifndef RESHARD_SIM_SEARCH_CONFIGS_H
#define RESHARD_SIM_SEARCH_CONFIGS_H

#include "sim/search.h"

#define SIZES                                                                                      \
    " keys 2 value 0 chunk 1024 window 1024 tail 4096 lag 4096 pick 1024 freeze 50s lease 0us "
#define WORLD "world slots 1" SIZES
#define SLOTS "world slots 2" SIZES
#define BEGIN_SLOTS "\nnodes 2\nstart unowned\nown s2 0-1\nload 2\n"
#define BEGIN_HEIR "\nnodes 2\nreplica n3 of s2 follows\nstart\nload 2\n"
#define BEGIN_HEIR_TARGET "\nnodes 2\nreplica n3 of s1 follows\nstart\nload 2\n"
#define BEGIN_KEYS "\nnodes 2\nstart\nload 3\n"
#define BEGIN_THREE_ONE "\nnodes 3\nstart unowned\nown s2 0-1\nload 2\n"
#define BEGIN_THREE "\nnodes 3\nstart\nload 2\n"
#define BEGIN "\nnodes 2\nstart\nload 2\n"
#define SNAPSHOT "move 0-0 s2 s1 snapshot\n"
#define KEYWISE "move 0-0 s2 s1 keywise\n"

/* Hosts in the order of their creation, where there are two nodes. */
enum { TARGET = 1, SOURCE = 2, COORDINATOR = 4 };

#define SLOW(kind) (UINT32_C(1) << RESHARD_ACTION_##kind)

#define WRITE(client, key) {client, RESHARD_OP_WRITE, 1, {key}}
#define READ(client, key) {client, RESHARD_OP_READ, 1, {key}}
#define REMOVE(client, key) {client, RESHARD_OP_REMOVE, 1, {key}}
#define PAIR(op, client) BOTH(op, client, 0, 1)
#define BOTH(op, client, one, other) {client, RESHARD_OP_##op, 2, {one, other}}

extern const struct search_config reshard__search_snapshot[], reshard__search_keywise[];
extern const uint32_t reshard__search_snapshot_count, reshard__search_keywise_count;

#endif
