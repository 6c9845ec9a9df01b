/* SPDX-License-Identifier: MIT */
/* Room cluster (slotd): which node a request belongs to, and the cluster as CLUSTER shows it.
 *
 * The seam between commands and the library: commands know slots and verdicts, nothing of phases.
 * Guarantees: a request that is served is served by the owner (or where the library says so).
 */
#ifndef SLOTD_CLUSTER_H
#define SLOTD_CLUSTER_H

#include "slotd.h"

#include <reshard/map.h>

enum { CLUSTER_NAME_SIZE = 40 }; /* hex digits of a node's name */

/* What a request does to its keys. */
enum { CLUSTER_READ, CLUSTER_WRITE, CLUSTER_REMOVE };

enum {
    CLUSTER_SERVE,
    CLUSTER_MOVED,     /* to verdict.address */
    CLUSTER_ASK,       /* to verdict.address */
    CLUSTER_PARK,      /* keep it; server_wake will say when to try again */
    CLUSTER_TRYAGAIN,
    CLUSTER_CROSSSLOT,
    CLUSTER_UNBOUND,   /* the slot has no owner */
    CLUSTER_DOWN       /* this node cannot serve now */
};

struct cluster_request {
    uint32_t op;
    bool asking;
    bool readonly; /* the client accepts a replica's answer */
    bool operator; /* MIGRATE and RESTORE-ASKING: moves keys, is not moved by them */
    const struct bytes *keys;
    size_t key_count;
};

struct cluster_verdict {
    int kind;
    uint32_t slot;
    char address[ADDRESS_TEXT_SIZE + 8]; /* host:port */
};

/* Who this node is, from the store; the map comes with the engine. */
struct cluster *cluster_open(struct slotd *slotd);
void cluster_close(struct cluster *cluster);
/* The server listens: its own address may be told. */
void cluster_listening(struct cluster *cluster, int port, int bus_port);

uint32_t cluster_key_slot(struct bytes key);
void cluster_route(struct cluster *cluster, const struct cluster_request *request,
    struct cluster_verdict *verdict_out);

const char *cluster_my_name(const struct cluster *cluster);
const struct reshard_map *cluster_map(const struct cluster *cluster);
/* INFO's fields about the role. */
bool cluster_is_replica(const struct cluster *cluster);

/* Text of CLUSTER NODES and CLUSTER INFO. */
void cluster_nodes_text(struct cluster *cluster, struct buffer *text);
void cluster_info_text(struct cluster *cluster, struct buffer *text);
void cluster_slots_reply(struct cluster *cluster, struct reply *reply);
void cluster_shards_reply(struct cluster *cluster, struct reply *reply);
void cluster_links_reply(struct cluster *cluster, struct reply *reply);

/* CLUSTER REPLICAS of a shard's primary; false: the node is none. */
bool cluster_replicas_reply(
    struct cluster *cluster, uint64_t primary, reshard_shard_id shard, struct reply *reply);

/* Where a node listens for clients; empty and 0 when it is not known. */
struct cluster_peer {
    char host[ADDRESS_TEXT_SIZE];
    int port;
};
void cluster_peer(
    const struct cluster *cluster, uint64_t node, struct cluster_peer *peer_out);
/* The primary of this node's shard. */
void cluster_primary(const struct cluster *cluster, struct cluster_peer *peer_out);
/* Whether the node is its shard's primary. */
bool cluster_leads(const struct cluster *cluster, uint64_t node, reshard_shard_id shard);

/* NULL, or the error's text. */
const char *cluster_epoch_set(struct cluster *cluster, int64_t epoch);
/* Raise the own epoch unless it is the highest; returns it. */
uint64_t cluster_epoch_bump(struct cluster *cluster, bool *bumped_out);
bool cluster_slot_owned(const struct cluster *cluster, uint32_t slot);
/* Whether all keys of all slots may be removed now: CLUSTER_SERVE, or what speaks against it. */
int cluster_clear_kind(const struct cluster *cluster);
void cluster_slot_clear(struct cluster *cluster, uint32_t slot);

/* A node by its name; false when there is none. */
bool cluster_node_find(const struct cluster *cluster, struct bytes name, uint64_t *node_out,
    reshard_shard_id *shard_out);
/* A shard's node that listens at host:port for clients. */
bool cluster_address_find(const struct cluster *cluster, struct bytes host, int port,
    reshard_shard_id *shard_out);
reshard_shard_id cluster_my_shard(const struct cluster *cluster);

#endif
