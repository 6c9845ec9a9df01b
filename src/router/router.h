/* SPDX-License-Identifier: MIT */
/* Room router (floor 3): a client's cached map, and where a request goes next.
 *
 * Guarantees: a pure function of seed, cache and answers; every request ends after a bounded
 * number of redirects and retries; what one answer taught is forgotten when a map that knows
 * better comes. Touches its own copy of the map only.
 */
#ifndef RESHARD_ROUTER_ROUTER_H
#define RESHARD_ROUTER_ROUTER_H

#include "slot/slot.h"
#include <reshard/router.h>

/* A slot's owner that the map does not know yet. */
struct reshard__patch {
    uint32_t slot;
    reshard_shard_id shard;
    uint64_t version; /* of who told it; 0 = not known */
};

/* A replica, sorted by shard, those of the router's zone first, then by node. */
struct reshard__replica {
    reshard_shard_id shard;
    bool elsewhere; /* not in the router's zone */
    reshard_node_id node;
};

/* A shard's primary, ascending by shard. The map finds them too, but through pointers: this is
 * what each request reads. */
struct reshard__home {
    reshard_shard_id shard;
    uint32_t node_index; /* in the map */
    reshard_node_id primary; /* 0 = none */
};

struct reshard_router {
    struct reshard__mem mem;
    struct reshard_map *map; /* never NULL */
    struct reshard_hasher hasher;
    uint32_t slot_count;
    uint32_t redirects_max;
    uint32_t retries_max;
    uint32_t zone_size;
    uint64_t backoff_base_ns;
    uint64_t backoff_max_ns;
    uint64_t random;
    uint64_t generation; /* counts changes of the map, from 1 */
    uint64_t newest; /* highest map version that an answer named */
    bool doubt;      /* an answer showed that the map is out of date, naming no version */
    struct reshard__patch *patches; /* ascending by slot */
    size_t patch_count;
    size_t patch_capacity;
    struct reshard__replica *replicas;
    size_t replica_count;
    size_t replica_capacity;
    struct reshard__home *homes;
    size_t home_count;
    size_t home_capacity;
    char zone[RESHARD_ZONE_SIZE_MAX];
};

/* The slot's patch, or NULL. */
const struct reshard__patch *reshard__router_patch_find(
    const struct reshard_router *router, uint32_t slot);
/* The shard's entry, or NULL. */
const struct reshard__home *reshard__router_home_find(
    const struct reshard_router *router, reshard_shard_id shard);
/* Learn an owner. false: there is no room for more patches. Errors: NOMEM. */
int32_t reshard__router_patch_put(
    struct reshard_router *router, const struct reshard__patch *patch, bool *put_out);

#endif
