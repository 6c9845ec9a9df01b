/* SPDX-License-Identifier: MIT */
/* Room node, tests: two nodes, a coordinator, a network that may lose, repeat and delay, and a
 * client that knows what it wrote. Every answer that the client gets is checked against what it was
 * told before, so a lost write and a returning key show at the first read. */
#ifndef TESTS_NODE_WORLD_H
#define TESTS_NODE_WORLD_H

#include "rig.h"

#include <reshard/coordinator.h>

enum { WORLD_QUEUE = 4096, WORLD_CLOSED = RESHARD_PHASE_COUNT };

struct world_message {
    reshard_node_id from;
    reshard_node_id to;
    size_t size;
    uint8_t *bytes;
};

struct world {
    struct rig nodes[2]; /* node 1 of shard 1, node 2 of shard 2 */
    struct reshard_coordinator *coordinator;
    uint8_t journal[RIG_JOURNAL]; /* the coordinator's */
    size_t journal_size;
    struct world_message queue[WORLD_QUEUE];
    size_t queue_count;
    uint64_t now_ns;
    uint64_t random;           /* state */
    uint32_t loss;             /* messages lost, repeated, delayed: one in `loss`; 0 = none */
    bool newer;                /* all messages are as the next version's peers send them */
    bool bare;                 /* requests carry no token */
    uint64_t values[RIG_KEYS]; /* what the client was told; 0 = not there */
    uint64_t written;
    uint64_t served;
    uint64_t postponed;
    reshard_migration_id migration;
    char label[128]; /* what is being tried, for failures */
};

void world_init(struct world *world, uint64_t seed, uint32_t conflict);
void world_free(struct world *world);
/* A turn: time passes, engines work, messages travel. */
void world_turn(struct world *world);
void world_turns(struct world *world, int count);
/* Open a migration of slots 0 ... 7 from shard 1 to shard 2. */
void world_open(struct world *world, uint32_t mode, uint32_t flags);
uint32_t world_phase(const struct world *world);
/* Turn until the phase is reached (WORLD_CLOSED: it ended), the client working; fails when it takes
 * too long. */
void world_until(struct world *world, uint32_t phase);
/* A request of the client: redirects are followed; false = it has to be tried again later. */
bool world_request(struct world *world, uint64_t key, uint32_t op);
/* Some requests at random. */
void world_work(struct world *world, int count);
/* All keys are at one node only, the owner `shard`, as the client left them. */
void world_prove(const struct world *world, uint32_t shard);
void world_restart(struct world *world, size_t index);

#endif
