/* SPDX-License-Identifier: MIT */
/* Room engine: how a node comes into a cluster and leaves it.
 *
 * A node that joins gives up its own coordinator and map in one transaction; its data stays. It
 * brings the slots that it claims and nobody owns, and is refused when it has keys in others.
 */
#include "engine_room.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct joiner {
    uint64_t node;
    struct bytes name;
    struct bytes address;
    struct reshard_range *claims;
    size_t claim_count;
    struct reshard_range *held; /* has keys in them */
    size_t held_count;
};

static bool joiner_read(struct bytes words, struct joiner *joiner)
{
    *joiner = (struct joiner){0};
    return words_number(&words, &joiner->node) && words_next(&words, &joiner->name) &&
        words_next(&words, &joiner->address) && joiner->node != 0 &&
        joiner->name.size == CLUSTER_NAME_SIZE &&
        joiner->address.size <= RESHARD_ADDRESS_SIZE_MAX &&
        words_ranges(&words, &joiner->claims, &joiner->claim_count) &&
        words_ranges(&words, &joiner->held, &joiner->held_count);
}

/* Leave those of the claims that nobody owns, or the joiner's own shard. */
static size_t claims_cut(
    const struct reshard_map *map, const struct joiner *joiner, struct reshard_range *ranges)
{
    size_t count = 0;
    int64_t before = -2;
    for (size_t index = 0; index < joiner->claim_count; index++)
        for (uint32_t slot = joiner->claims[index].first; slot <= joiner->claims[index].last;
             slot++) {
            if (reshard_map_slot_owner(map, slot) != 0)
                continue;
            if ((int64_t)slot == before + 1)
                ranges[count - 1].last = slot;
            else
                ranges[count++] = (struct reshard_range){slot, slot};
            before = slot;
        }
    return count;
}

static bool keys_clash(
    const struct reshard_map *map, const struct joiner *joiner, reshard_shard_id own)
{
    for (size_t index = 0; index < joiner->held_count; index++)
        for (uint32_t slot = joiner->held[index].first; slot <= joiner->held[index].last;
             slot++) {
            reshard_shard_id owner = reshard_map_slot_owner(map, slot);
            if (owner != 0 && owner != own)
                return true;
        }
    return false;
}

static bool name_taken(const struct reshard_map *map, const struct joiner *joiner)
{
    struct reshard_map_node node = {.struct_size = sizeof(node)};
    for (uint32_t index = 0; reshard_map_node_at(map, index, &node) == RESHARD_OK; index++)
        if (node.node != joiner->node && node.name_size == joiner->name.size &&
            memcmp(node.name, joiner->name.data, node.name_size) == 0)
            return true;
    return false;
}

/* A shard of its own: the first number that was never used. */
static int32_t shard_make(struct engine *engine, struct job *job, reshard_shard_id *shard_out)
{
    const struct reshard_map *map = reshard_coordinator_map(engine->coordinator);
    struct reshard_map_shard last = {.struct_size = sizeof(last)};
    struct reshard_change change;
    uint32_t count = reshard_map_shard_count(map);
    reshard_shard_id shard = 1;
    int32_t status;
    if (count > 0 && reshard_map_shard_at(map, count - 1, &last) == RESHARD_OK)
        shard = last.shard + 1;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_PUT;
    change.weight = 1.0;
    do {
        change.shard = shard++;
        status = reshard_coordinator_change(engine->coordinator, &change);
    } while (status == RESHARD_E_REUSED);
    if (status != RESHARD_OK)
        job__fail(job, reshard_strerror(status));
    *shard_out = change.shard;
    return status;
}

static int32_t node_put(struct engine *engine, struct job *job, const struct joiner *joiner,
    reshard_shard_id shard, uint32_t role)
{
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_NODE_PUT;
    change.node = joiner->node;
    change.shard = shard;
    change.role = role;
    change.name = (const char *)joiner->name.data;
    change.name_size = (uint32_t)joiner->name.size;
    change.address = (const char *)joiner->address.data;
    change.address_size = (uint32_t)joiner->address.size;
    return job__change(engine, job, &change);
}

/* Into the map; a node that is there already only tells its address. */
static int32_t join_node(struct engine *engine, struct job *job, const struct joiner *joiner,
    const struct reshard_map_node *known, reshard_shard_id *shard_out)
{
    struct reshard_change change;
    if (known->node != 0) {
        *shard_out = known->shard;
        return node_put(engine, job, joiner, known->shard, known->role);
    }
    int32_t status = shard_make(engine, job, shard_out);
    if (status == RESHARD_OK)
        status = node_put(engine, job, joiner, *shard_out, RESHARD_ROLE_REPLICA);
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_PRIMARY;
    change.shard = *shard_out;
    change.node = joiner->node;
    return status == RESHARD_OK ? job__change(engine, job, &change) : status;
}

static void join_run(struct engine *engine, struct job *job, const struct joiner *joiner)
{
    const struct reshard_map *map = reshard_coordinator_map(engine->coordinator);
    struct reshard_map_node known = {.struct_size = sizeof(known)};
    struct reshard_change change;
    char address[ADDRESS_TEXT_SIZE + 32];
    reshard_shard_id shard = 0;
    if (engine__joining(engine)) {
        job__fail(job, "ERR the other node is about to join a cluster itself");
        return;
    }
    (void)reshard_map_node_find(map, joiner->node, &known);
    if (name_taken(map, joiner) || keys_clash(map, joiner, known.shard)) {
        job__fail(job, name_taken(map, joiner)
                ? "ERR a node of this name is in the cluster already"
                : "ERR this node has keys in slots that another node owns");
        return;
    }
    struct reshard_range *ranges = memory_take(STORE_SLOT_COUNT * sizeof(*ranges));
    size_t count = claims_cut(map, joiner, ranges);
    if (join_node(engine, job, joiner, &known, &shard) == RESHARD_OK && count > 0) {
        reshard_change_init(&change);
        change.kind = RESHARD_CHANGE_ASSIGN;
        change.shard = shard;
        change.ranges = ranges;
        change.range_count = (uint32_t)count;
        (void)job__change(engine, job, &change);
    }
    job->wait = (struct engine_wait){WAIT_NODE, shard, joiner->node, ranges, count};
    put_u64(buffer_reserve(&job->text, 8), engine->node_id);
    job->text.size += 8;
    buffer_append(&job->text, engine->cluster, BUS_CLUSTER_SIZE);
    change = engine__self(engine, address, sizeof(address), 0, RESHARD_ROLE_REPLICA);
    buffer_append(&job->text, change.address, change.address_size);
    log_event(LOG_INFO, "node_joins", "node=%016llx shard=%u slots_ranges=%zu",
        (unsigned long long)joiner->node, shard, count);
}

void job_join(struct engine *engine, struct job *job, struct bytes words)
{
    struct joiner joiner;
    if (joiner_read(words, &joiner))
        join_run(engine, job, &joiner);
    else
        job__fail(job, "ERR not a request");
    free(joiner.claims);
    free(joiner.held);
}

/* ---- on the other side ---- */

/* Another identity: nothing of the old one's journals holds any more. */
static void restart(struct engine *engine)
{
    struct store *store = engine->slotd->store;
    engine__stop(engine);
    store_journal_remove(store, HOST_STREAM_NODE, 0, UINT64_MAX);
    store_journal_remove(store, HOST_STREAM_COORDINATOR, 0, UINT64_MAX);
    store_meta_remove(store, "migrations");
    engine__identity_store(engine);
    bus_cut(engine->bus);
    if (!engine__start(engine))
        log_fatal("engine_failed", "call=restart");
    cluster__map_set(engine->slotd->cluster, engine_map(engine), engine->node_id);
}

void engine__joined(struct engine *engine, struct bytes answer)
{
    enum { HEAD_SIZE = 8 + BUS_CLUSTER_SIZE };
    struct reshard_map_node coordinator = {.struct_size = sizeof(coordinator)};
    if (answer.size < HEAD_SIZE || answer.size > HEAD_SIZE + RESHARD_ADDRESS_SIZE_MAX)
        return;
    engine__tickets_fail(engine, "ERR this node has joined another cluster meanwhile");
    engine->coordinator_id = get_u64(answer.data);
    memcpy(engine->cluster, answer.data + 8, BUS_CLUSTER_SIZE);
    coordinator.address = (const char *)answer.data + HEAD_SIZE;
    coordinator.address_size = (uint32_t)(answer.size - HEAD_SIZE);
    cluster__address(&coordinator, &engine->coordinator_at);
    log_event(LOG_INFO, "joined", "coordinator=%016llx",
        (unsigned long long)engine->coordinator_id);
    restart(engine);
}

void engine_reset(struct engine *engine)
{
    engine__tickets_fail(engine, "ERR this node has left its cluster meanwhile");
    replica_leave(engine->replica);
    engine__identity_draw(engine);
    log_event(LOG_INFO, "reset", "node=%016llx", (unsigned long long)engine->node_id);
    restart(engine);
}
