/* SPDX-License-Identifier: MIT */
/* Room engine: this node as a primary with replicas, or as a replica: what the map says, what the
 * coordinator is asked for, and where the library's node is made anew.
 *
 * A replica's node follows: its journal is the primary's, its map the newest that it was told. A
 * primary that was deposed keeps its node, which sends everybody on, until a copy of the heir's
 * data and journal begins; then it is a follower too.
 */
#include "engine_room.h"

#include <string.h>

static bool on_send(void *user_data, uint64_t node, uint8_t kind, struct bytes header,
    struct bytes payload)
{
    const struct engine *engine = user_data;
    return bus_send(engine->bus, node, kind, header, payload);
}

static void on_copy_begins(void *user_data)
{
    struct engine *engine = user_data;
    engine__node_stop(engine);
}

static void on_copy_begun(void *user_data)
{
    struct engine *engine = user_data;
    engine->dirty = true;
    if (!engine__node_start(engine))
        log_fatal("engine_failed", "call=follow");
}

static bool on_records(void *user_data, struct bytes records)
{
    struct engine *engine = user_data;
    engine->dirty = true;
    int32_t status = reshard_node_restore(engine->node, records.data, records.size);
    /* E_STATE: this node has been named primary; what its old one still says is void. */
    if (status == RESHARD_OK || status == RESHARD_E_STATE)
        return true;
    log_event(LOG_WARNING, "records_refused", "error=%s", reshard_strname(status));
    return false;
}

void engine__replica_open(struct engine *engine)
{
    const struct replica_hooks hooks = {
        engine, on_send, on_copy_begins, on_copy_begun, on_records};
    engine->replica = replica_open(engine->slotd->store, &engine->sync, &hooks);
}

struct replica *engine_replica(const struct engine *engine)
{
    return engine->replica;
}

uint64_t engine_logged(const struct engine *engine)
{
    return engine->sync.logged;
}

struct reshard_map_shard engine__shard(
    const struct engine *engine, const struct reshard_map *map)
{
    struct reshard_map_node self = {.struct_size = sizeof(self)};
    struct reshard_map_shard shard = {.struct_size = sizeof(shard)};
    if (reshard_map_node_find(map, engine->node_id, &self) == RESHARD_OK)
        (void)reshard_map_shard_find(map, self.shard, &shard);
    return shard;
}

/* 0 = none, or this node is not in the map. */
static uint64_t primary_by(const struct engine *engine, const struct reshard_map *map)
{
    return engine__shard(engine, map).primary;
}

/* What is told and asked rests on the newest map, unless that makes this node primary: that counts
 * once it is durable. (Requests are routed by the library, which adopts what is durable.) */
const struct reshard_map *engine_map(const struct engine *engine)
{
    const struct reshard_map *newest = reshard_node_newest_map(engine->node);
    const struct reshard_map *durable = reshard_node_map(engine->node);
    uint64_t primary = primary_by(engine, newest);
    bool rises = primary == engine->node_id && primary_by(engine, durable) != primary;
    return primary != 0 && !rises ? newest : durable;
}

/* Whether the records here hold the data that the migration was committed with. */
static bool sealed_here(
    const struct engine *engine, reshard_migration_id migration, uint64_t attempt)
{
    struct reshard_node_migration here = {.struct_size = sizeof(here)};
    for (uint32_t index = 0;
         reshard_node_migration_at(engine->node, index, &here) == RESHARD_OK; index++)
        if (here.migration == migration)
            return here.seal_attempt == attempt;
    return false;
}

/* The slot is not in the map that this node's records hold, nor is what brings it here. Who is in
 * sync has it before the shard serves the slot. */
static bool slot_missed(const struct engine *engine, reshard_shard_id shard, uint32_t slot)
{
    const struct reshard_map *newest = reshard_node_newest_map(engine->node);
    const struct reshard_map *durable = reshard_node_map(engine->node);
    struct reshard_map_migration open = {.struct_size = sizeof(open)};
    if (reshard_map_slot_owner(newest, slot) != shard ||
        reshard_map_slot_epoch(newest, slot) == reshard_map_slot_epoch(durable, slot))
        return false;
    reshard_migration_id migration = reshard_map_slot_migration(newest, slot);
    if (reshard_map_migration_find(newest, migration, &open) != RESHARD_OK ||
        migration > reshard_map_last_migration(durable))
        return true;
    return open.target == shard && open.mode == RESHARD_MODE_SNAPSHOT &&
        open.decision == RESHARD_DECISION_COMMIT &&
        !sealed_here(engine, migration, open.attempt);
}

uint32_t engine_missed_slots(const struct engine *engine)
{
    reshard_shard_id shard = engine__shard(engine, reshard_node_newest_map(engine->node)).shard;
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < STORE_SLOT_COUNT; slot++)
        count += slot_missed(engine, shard, slot) ? 1 : 0;
    return count;
}

bool engine__replicas_settle(const struct engine *engine)
{
    if (engine->leads)
        return replica_settling(engine->replica);
    /* Does it lead from this turn on? */
    struct reshard_map_shard shard = engine__shard(engine, reshard_node_map(engine->node));
    uint64_t newest = primary_by(engine, reshard_node_newest_map(engine->node));
    return newest == engine->node_id && shard.primary == newest && shard.node_count > 1;
}

/* Messages that were held back are sent again by themselves, save the one that asks for the map. */
static void replicas_settled(struct engine *engine)
{
    bool settling = replica_settling(engine->replica);
    if (engine->settling && !settling)
        (void)reshard_node_greet(engine->node, engine->coordinator_id);
    engine->settling = settling;
}

void engine__role_follow(struct engine *engine)
{
    struct reshard_map_shard shard = engine__shard(engine, engine_map(engine));
    uint64_t primary = shard.primary;
    bool deposed = engine->leads && primary != engine->node_id;
    engine->leads = primary != 0 && primary == engine->node_id;
    if (deposed) {
        engine->slotd->deposed = engine->sync.logged != 0; /* answers may wait for replicas */
        engine->store.wake_wanted = true;
    }
    uint32_t peers = shard.node_count > 0 ? shard.node_count - 1 : 0;
    replica_role(engine->replica, engine->node_id, primary, peers);
    engine__fence_follow(engine, &shard);
    replicas_settled(engine);
}

void engine__replicas_applied(struct engine *engine)
{
    host_replicas_applied(&engine->sync);
    engine->store.wake_wanted |= engine->sync.logged != 0;
    engine->dirty = true;
}

void engine__replica_message(struct engine *engine, const struct bus_message *message)
{
    struct reshard_map_node peer = {.struct_size = sizeof(peer)};
    struct reshard_map_node self = {.struct_size = sizeof(self)};
    const struct reshard_map *map = engine_map(engine);
    if (reshard_map_node_find(map, message->from, &peer) != RESHARD_OK ||
        reshard_map_node_find(map, engine->node_id, &self) != RESHARD_OK ||
        peer.shard != self.shard)
        return;
    replica_receive(engine->replica, message->from, message->kind,
        (struct bytes){message->data, message->size});
    if (message->kind == BUS_REPLICA)
        engine__replicas_applied(engine);
}

/* ---- at the coordinator ---- */

static const struct reshard_map *map_of(const struct engine *engine)
{
    return reshard_coordinator_map(engine->coordinator);
}

/* Why a node cannot become a replica of a shard; NULL: it can. */
static const char *replicate_refuse(const struct engine *engine,
    const struct reshard_map_node *node, const struct reshard_map_node *primary)
{
    struct reshard_map_shard own = {.struct_size = sizeof(own)};
    struct reshard_map_shard shard = {.struct_size = sizeof(shard)};
    (void)reshard_map_shard_find(map_of(engine), node->shard, &own);
    if (reshard_map_shard_find(map_of(engine), primary->shard, &shard) != RESHARD_OK ||
        shard.primary != primary->node)
        return "ERR I can only replicate a master, not a replica.";
    if (own.primary == node->node && own.slot_count > 0)
        return "ERR To set a master the node must be empty and without assigned slots.";
    if (own.primary == node->node && own.node_count > 1)
        return "ERR this node has replicas of its own";
    return NULL;
}

/* What is asked for is applied when it is durable: the map is as it was before. */
static void replicate_change(struct engine *engine, struct job *job,
    const struct reshard_map_node *node, reshard_shard_id shard)
{
    struct reshard_map_shard left = {.struct_size = sizeof(left)};
    struct reshard_change change;
    reshard_shard_id before = node->shard;
    (void)reshard_map_shard_find(map_of(engine), before, &left);
    bool empties = left.primary == node->node && left.node_count == 1;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_NODE_PUT;
    change.node = node->node;
    change.shard = shard;
    change.role = RESHARD_ROLE_REPLICA;
    change.name = node->name;
    change.name_size = node->name_size;
    change.address = node->address;
    change.address_size = node->address_size;
    if (job__change(engine, job, &change) != RESHARD_OK || !empties)
        return;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_REMOVE;
    change.shard = before;
    (void)job__change(engine, job, &change);
}

/* replicate node primary: the node leaves its empty shard, which goes, for the other one. */
void engine__job_replicate(struct engine *engine, struct job *job, struct bytes words)
{
    struct reshard_map_node node = {.struct_size = sizeof(node)};
    struct reshard_map_node primary = {.struct_size = sizeof(primary)};
    uint64_t node_id, primary_id;
    if (!words_number(&words, &node_id) || !words_number(&words, &primary_id) ||
        reshard_map_node_find(map_of(engine), node_id, &node) != RESHARD_OK ||
        reshard_map_node_find(map_of(engine), primary_id, &primary) != RESHARD_OK) {
        job__fail(job, "ERR Unknown node");
        return;
    }
    const char *refused = replicate_refuse(engine, &node, &primary);
    job->wait = (struct engine_wait){.kind = WAIT_REPLICA, .node = node_id,
        .shard = primary.shard};
    if (refused != NULL)
        job__fail(job, refused);
    else if (node.shard != primary.shard)
        replicate_change(engine, job, &node, primary.shard);
}

/* primary node: fail-over of its shard to it. */
void engine__job_primary(struct engine *engine, struct job *job, struct bytes words)
{
    struct reshard_map_node node = {.struct_size = sizeof(node)};
    struct reshard_change change;
    uint64_t node_id;
    if (!words_number(&words, &node_id) ||
        reshard_map_node_find(map_of(engine), node_id, &node) != RESHARD_OK || node.shard == 0) {
        job__fail(job, "ERR Unknown node");
        return;
    }
    job->wait = (struct engine_wait){.kind = WAIT_PRIMARY, .node = node_id, .shard = node.shard};
    if (engine__waited(map_of(engine), &job->wait, 0, 0))
        return;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_PRIMARY;
    change.shard = node.shard;
    change.node = node_id;
    (void)job__change(engine, job, &change);
}

/* version: of the coordinator's map. */
void engine__job_version(struct engine *engine, struct job *job, struct bytes words)
{
    (void)words;
    job->migration = reshard_map_version(map_of(engine));
}
