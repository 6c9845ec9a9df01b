/* SPDX-License-Identifier: MIT */
/* Room cluster, inside: shared by cluster*.c only. */
#ifndef SLOTD_CLUSTER_ROOM_H
#define SLOTD_CLUSTER_ROOM_H

#include "cluster.h"
#include "engine.h"

struct cluster {
    struct slotd *slotd;
    struct engine *engine;
    const struct reshard_map *map; /* the node's, as of the last turn */
    reshard_node_id node;
    reshard_shard_id shard;        /* 0 = none yet */
    uint64_t epoch; /* config epoch, as redis-cli sets and shows it */
    char name[CLUSTER_NAME_SIZE + 1];
    char host[ADDRESS_TEXT_SIZE]; /* empty = not known: the one the client used */
    int port;
    int bus_port;
};

/* An address as the map's nodes carry it. */
struct cluster_address {
    char host[ADDRESS_TEXT_SIZE];
    int port;
    int bus_port;
};

/* The engine's map after a turn. */
void cluster__map_set(
    struct cluster *cluster, const struct reshard_map *map, reshard_node_id node_id);
void cluster__address(const struct reshard_map_node *node, struct cluster_address *address_out);

#endif
