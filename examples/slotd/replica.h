/* SPDX-License-Identifier: MIT */
/* Room replica (slotd): a shard's replicas: what changed at the primary, as a stream of operations,
 * and whole copies for those that have nothing yet.
 *
 * The stream is numbered in bytes. A replica applies whole turns of its primary, each in one
 * transaction: data and the library's records together, in the order in which they were made.
 * Guarantees: `released` of struct host_sync passes an operation only when each replica that may
 * serve reads has applied it. A replica serves reads under a lease that it asks for with each beat
 * and that is counted from when it asked; a primary that hears no beat stops waiting only after the
 * lease has run out. One that starts, or takes over, knows of no lease: it waits until each other
 * node of the shard has asked to follow it, which ends the lease, or until all must be over.
 * No sockets: messages come and go through hooks.
 *
 * What a fail-over keeps. Whatever --durability says, records, moved keys and deletions of a
 * migration complete only when the replicas in sync have them. Clients' writes: with `always`
 * answers wait for these replicas too, so none that was answered is lost; with `batch` and `none`
 * they are replicated behind the answer, and WAIT tells. CLUSTER FAILOVER loses nothing: the
 * primary stops writes first. FORCE takes what this replica has. The coordinator is one node: while
 * it is down no fail-over is decided.
 *
 * Two primaries never serve at once (engine_fence.c). A primary with replicas serves while it has
 * heard within PRIMARY_LEASE_NS that it still is one, counted from when it asked: from the
 * coordinator, or from each of its replicas, which says with its beat that it follows. An heir
 * serves, and its library acts, once all others of the shard follow it or have ended, or when that
 * lease is over at the latest.
 */
#ifndef SLOTD_REPLICA_H
#define SLOTD_REPLICA_H

#include "host.h"

#define PRIMARY_LEASE_NS ((uint64_t)5000000000)

struct replica;

struct replica_hooks {
    void *user_data;
    bool (*send)(void *user_data, uint64_t node, uint8_t kind, struct bytes header,
        struct bytes payload);
    /* Replica: a copy begins: the library's node stops, its journal goes; and the primary's journal
     * is in the store: the node starts from it. */
    void (*copy_begins)(void *user_data);
    void (*copy_begun)(void *user_data);
    /* Replica: more records are in the store. False: they do not follow what is here. */
    bool (*records)(void *user_data, struct bytes records);
};

struct replica *replica_open(
    struct store *store, struct host_sync *sync, const struct replica_hooks *hooks);
void replica_close(struct replica *replica);

/* Who this node is and follows, by the map: `primary` = itself: it leads; 0: neither. `peers`: how
 * many other nodes its shard has. */
void replica_role(
    struct replica *replica, uint64_t node, uint64_t primary, uint32_t peers);
/* A message of kind BUS_STREAM or BUS_REPLICA. */
void replica_receive(struct replica *replica, uint64_t from, uint8_t kind, struct bytes message);
/* A live key has changed, but for the first `kept` bytes of its value. */
void replica_key_changed(struct replica *replica, const struct store_key *key, uint64_t kept);
/* Behind the commit of a turn: send what it changed, acknowledge what came. */
void replica_turn(struct replica *replica);
void replica_tick(struct replica *replica);

/* This node leaves its cluster; a replica's keys stay with its primary. */
void replica_leave(struct replica *replica);

/* ---- what others ask ---- */

/* This node has another one's data, not its own. */
bool replica_follows(const struct replica *replica);

/* Whether this replica may answer reads now. */
bool replica_fresh(const struct replica *replica);
/* Whether all that was received can be a primary's data: no copy is under way. */
bool replica_whole(const struct replica *replica);
/* Fail-over without loss: the primary is asked to take no writes; true when it does and all that it
 * had is applied here. */
bool replica_handover(struct replica *replica);
/* At a new primary: replicas may still read under leases that it did not give, without what its
 * journal says, or the primary before may still serve: nothing completes, and the library's node
 * must say nothing. */
bool replica_settling(const struct replica *replica);
/* The primary before, when it or another of the shard may still serve: this one waits. 0: none
 * does. */
uint64_t replica_former(const struct replica *replica, uint64_t *led_ns_out);
/* None does any more. */
void replica_former_gone(struct replica *replica);
/* Whether a node has asked to follow since this one leads: it serves nothing as a primary. */
bool replica_followed_by(const struct replica *replica, uint64_t node);
/* When a node of the shard still followed this primary, by its clock; 0: it never said so. */
uint64_t replica_vouched_ns(const struct replica *replica, uint64_t node);
/* At the primary: no writes for a moment, a replica is about to take over. */
bool replica_paused(const struct replica *replica);
uint64_t replica_offset(const struct replica *replica);
/* Replicas that have applied the stream up to an offset. */
uint32_t replica_count(const struct replica *replica, uint64_t offset);

struct replica_peer {
    uint64_t node;
    uint64_t offset;
    bool streaming; /* its copy is complete */
    bool in_sync;   /* it may serve reads */
    uint64_t heard_ns;
};
/* Replicas of this primary, by position; false behind the last. */
bool replica_peer_at(
    const struct replica *replica, uint32_t index, struct replica_peer *peer_out);
/* This replica's side: whether the link to the primary is up; the stream's id for INFO. */
bool replica_linked(const struct replica *replica, uint64_t *heard_ns_out);
uint64_t replica_stream_id(const struct replica *replica);
/* Whether this replica stands still because its disk is full. */
bool replica_full(const struct replica *replica);

#endif
