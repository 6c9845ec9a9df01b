/* SPDX-License-Identifier: MIT */
/* Tests of slotd's engine room: an engine without loop, links or store. Its coordinator leads, and
 * whatever that appends is durable at once. Shards 1 and 2 have nodes 1 and 2; shard 1 owns the
 * slots 0 ... 9. This is node 1, and the coordinator's: what it sends itself waits in its inbox. */
#ifndef TESTS_SLOTD_DESK_H
#define TESTS_SLOTD_DESK_H

#include "engine_room.h"

struct desk {
    struct engine engine;
    struct slotd slotd;
};

void desk_make(struct desk *desk);
void desk_remove(struct desk *desk);
/* The coordinator does what it wants to. */
void desk_pump(struct desk *desk);
/* A request or an answer, as it comes; freed by the caller. */
struct bus_message *desk_message(uint64_t from, uint8_t kind, uint64_t id, struct buffer *rest);
/* The next message of this kind in the inbox; NULL = none. Freed by the caller. */
struct bus_message *desk_taken(struct desk *desk, uint8_t kind);
size_t desk_jobs(const struct desk *desk);

#endif
