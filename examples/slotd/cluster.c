/* SPDX-License-Identifier: MIT */
/* Room cluster: this node's identity, and the verdict on requests. See cluster.h. */
#include "cluster_room.h"

#include "replica.h"

#include <reshard/node.h>
#include <reshard/slot.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void name_load(struct cluster *cluster)
{
    struct bytes name;
    if (store_meta_get(cluster->slotd->store, "cluster.name", &name) &&
        name.size == CLUSTER_NAME_SIZE) {
        memcpy(cluster->name, name.data, CLUSTER_NAME_SIZE);
    } else {
        for (int index = 0; index < CLUSTER_NAME_SIZE; index++)
            cluster->name[index] = "0123456789abcdef"[slotd_random(cluster->slotd) % 16];
        store_meta_put(cluster->slotd->store, "cluster.name", bytes_of(cluster->name));
    }
}

static void epoch_load(struct cluster *cluster)
{
    struct bytes epoch;
    if (store_meta_get(cluster->slotd->store, "cluster.epoch", &epoch) && epoch.size == 8)
        cluster->epoch = get_u64(epoch.data);
}

static void epoch_store(struct cluster *cluster)
{
    uint8_t epoch[8];
    put_u64(epoch, cluster->epoch);
    store_meta_put(cluster->slotd->store, "cluster.epoch", (struct bytes){epoch, 8});
}

struct cluster *cluster_open(struct slotd *slotd)
{
    struct cluster *cluster = memory_take(sizeof(*cluster));
    cluster->slotd = slotd;
    name_load(cluster);
    epoch_load(cluster);
    return cluster;
}

void cluster_close(struct cluster *cluster)
{
    free(cluster);
}

void cluster_listening(struct cluster *cluster, int port, int bus_port)
{
    const struct settings *settings = &cluster->slotd->settings;
    const char *host = settings->announce_host[0] != '\0' ? settings->announce_host
                                                          : settings->bind;
    bool anywhere = strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
    (void)snprintf(cluster->host, sizeof(cluster->host), "%s", anywhere ? "" : host);
    cluster->port = settings->announce_port != 0 ? settings->announce_port : port;
    cluster->bus_port = settings->announce_bus_port != 0 ? settings->announce_bus_port : bus_port;
}

void cluster__map_set(
    struct cluster *cluster, const struct reshard_map *map, reshard_node_id node_id)
{
    struct reshard_map_node node = {.struct_size = sizeof(node)};
    cluster->map = map;
    cluster->node = node_id;
    cluster->shard =
        reshard_map_node_find(map, node_id, &node) == RESHARD_OK ? node.shard : 0;
}

uint32_t cluster_key_slot(struct bytes key)
{
    return reshard_slot_crc16(key.data, key.size);
}

const char *cluster_my_name(const struct cluster *cluster)
{
    return cluster->name;
}

const struct reshard_map *cluster_map(const struct cluster *cluster)
{
    return cluster->map;
}

bool cluster_is_replica(const struct cluster *cluster)
{
    struct reshard_map_shard shard = {.struct_size = sizeof(shard)};
    return reshard_map_shard_find(cluster->map, cluster->shard, &shard) == RESHARD_OK &&
        shard.primary != cluster->node;
}

bool cluster_slot_owned(const struct cluster *cluster, uint32_t slot)
{
    return reshard_map_slot_owner(cluster->map, slot) != 0;
}

static void address_of(
    const struct cluster *cluster, reshard_shard_id shard_id, struct cluster_verdict *verdict)
{
    struct reshard_map_shard shard = {.struct_size = sizeof(shard)};
    struct reshard_map_node node = {.struct_size = sizeof(node)};
    struct cluster_address address = {{0}, 0, 0};
    if (reshard_map_shard_find(cluster->map, shard_id, &shard) == RESHARD_OK &&
        reshard_map_node_find(cluster->map, shard.primary, &node) == RESHARD_OK)
        cluster__address(&node, &address);
    (void)snprintf(
        verdict->address, sizeof(verdict->address), "%s:%d", address.host, address.port);
}

enum { DISTINCT_MAX = 32 };

/* Distinct keys of a request, as the library wants them; of many, repeats are kept. */
struct key_list {
    const uint8_t *names_inline[DISTINCT_MAX];
    size_t sizes_inline[DISTINCT_MAX];
    const uint8_t **names;
    size_t *sizes;
    uint32_t count;
    uint32_t present;
};

static bool key_repeats(const struct key_list *list, struct bytes key)
{
    for (uint32_t index = 0; index < list->count; index++)
        if (bytes_equal(key, (struct bytes){list->names[index], list->sizes[index]}))
            return true;
    return false;
}

static void keys_list(struct cluster *cluster, const struct cluster_request *request,
    uint32_t slot, struct key_list *list)
{
    bool few = request->key_count <= DISTINCT_MAX;
    *list = (struct key_list){.count = 0};
    list->names = few ? list->names_inline : memory_take(request->key_count * sizeof(uint8_t *));
    list->sizes = few ? list->sizes_inline : memory_take(request->key_count * sizeof(size_t));
    for (size_t index = 0; index < request->key_count; index++) {
        struct store_item item;
        struct store_key key = {slot, request->keys[index]};
        if (few && key_repeats(list, key.name))
            continue;
        list->names[list->count] = key.name.data;
        list->sizes[list->count++] = key.name.size;
        list->present += store_find(cluster->slotd->store, &key, &item) ? 1 : 0;
    }
}

/* The answer depends on which of the keys are here. */
static uint32_t route_keys(struct cluster *cluster, const struct cluster_request *request,
    uint32_t slot, reshard_shard_id *shard_out)
{
    struct key_list list;
    struct reshard_route route = {.struct_size = sizeof(route)};
    keys_list(cluster, request, slot, &list);
    struct reshard_node_request asked = {.struct_size = sizeof(asked), .op = request->op,
        .slot = slot, .asking = request->asking ? 1 : 0, .key_count = list.count,
        .present_count = list.present, .keys = list.names, .key_sizes = list.sizes};
    int32_t status = reshard_node_route_keys(engine_node(cluster->engine), &asked, &route);
    if (list.names != list.names_inline) {
        free(list.names);
        free(list.sizes);
    }
    *shard_out = route.shard;
    return status == RESHARD_OK ? route.verdict : RESHARD_TRYAGAIN;
}

static int kind_of(uint32_t verdict)
{
    switch (verdict) {
    case RESHARD_SERVE:
    case RESHARD_SERVE_CAPTURE:
        return CLUSTER_SERVE;
    case RESHARD_MOVED:
        return CLUSTER_MOVED;
    case RESHARD_ASK:
        return CLUSTER_ASK;
    case RESHARD_PARK:
        return CLUSTER_PARK;
    case RESHARD_TRYAGAIN:
        return CLUSTER_TRYAGAIN;
    case RESHARD_CROSSSLOT:
        return CLUSTER_CROSSSLOT;
    default:
        return CLUSTER_UNBOUND;
    }
}

static bool one_slot(const struct cluster_request *request, uint32_t slot)
{
    for (size_t index = 1; index < request->key_count; index++)
        if (cluster_key_slot(request->keys[index]) != slot)
            return false;
    return true;
}

/* A replica reads for those who asked for it, while its lease lasts; a primary that hands over to
 * one takes no writes. */
static uint32_t replica_verdict(const struct cluster *cluster,
    const struct cluster_request *request, uint32_t verdict, reshard_shard_id *shard_out)
{
    const struct replica *replica = engine_replica(cluster->engine);
    if (verdict != RESHARD_SERVE && verdict != RESHARD_SERVE_CAPTURE)
        return verdict;
    if (cluster_is_replica(cluster)) {
        *shard_out = cluster->shard;
        return request->readonly && replica_fresh(replica) ? verdict : RESHARD_MOVED;
    }
    return request->op != CLUSTER_READ && replica_paused(replica) ? RESHARD_PARK : verdict;
}

/* A slot that is ours by the newest map, and not yet by a durable record: a redirect would come
 * back, so the request waits. What is promised counts as the map does: whoever was told so asks
 * there. */
static uint32_t redirect_verdict(
    const struct cluster *cluster, uint32_t slot, uint32_t verdict, reshard_shard_id *shard_out)
{
    reshard_shard_id owner = reshard_map_slot_owner(cluster->map, slot);
    reshard_shard_id heir = 0;
    if ((verdict != RESHARD_MOVED && verdict != RESHARD_ASK) || cluster_is_replica(cluster))
        return verdict;
    bool promised = engine_promised(cluster->engine, slot, &heir) == PROMISE_OWNER;
    if ((promised ? heir : owner) == cluster->shard)
        return verdict == RESHARD_MOVED ? RESHARD_PARK : verdict;
    if (!promised)
        return verdict;
    *shard_out = heir;
    return RESHARD_MOVED;
}

void cluster_route(struct cluster *cluster, const struct cluster_request *request,
    struct cluster_verdict *verdict_out)
{
    static const uint32_t ops[] = {
        [CLUSTER_READ] = RESHARD_OP_READ, [CLUSTER_WRITE] = RESHARD_OP_WRITE,
        [CLUSTER_REMOVE] = RESHARD_OP_REMOVE};
    struct cluster_request asked = *request;
    reshard_shard_id shard = 0;
    uint32_t slot = cluster_key_slot(request->keys[0]);
    int stand = engine_stand(cluster->engine);
    verdict_out->slot = slot;
    cluster->slotd->statistics.routed += request->operator == 0;
    asked.op = ops[request->op];
    uint32_t verdict = reshard_node_route(engine_node(cluster->engine), slot, asked.op, &shard);
    if (verdict != RESHARD_DOWN && !one_slot(request, slot))
        verdict = RESHARD_CROSSSLOT;
    else if (verdict == RESHARD_LOOKUP && request->operator)
        verdict = RESHARD_SERVE;
    else if (verdict == RESHARD_LOOKUP)
        verdict = route_keys(cluster, &asked, slot, &shard);
    verdict = redirect_verdict(cluster, slot, verdict, &shard);
    verdict = replica_verdict(cluster, request, verdict, &shard);
    verdict_out->kind = kind_of(verdict);
    if (stand != ENGINE_SERVES)
        verdict_out->kind = stand == ENGINE_WAITS ? CLUSTER_PARK : CLUSTER_DOWN;
    if (verdict == RESHARD_MOVED || verdict == RESHARD_ASK)
        address_of(cluster, shard, verdict_out);
}

/* A slot that is ours by the newest map only counts as well: whoever looks has it here. */
static int clear_kind(const struct cluster *cluster, uint32_t slot)
{
    reshard_shard_id shard = 0;
    uint32_t verdict =
        reshard_node_route(engine_node(cluster->engine), slot, RESHARD_OP_REMOVE, &shard);
    verdict = redirect_verdict(cluster, slot, verdict, &shard);
    if (verdict == RESHARD_PARK)
        return CLUSTER_PARK;
    bool serves = verdict == RESHARD_SERVE || verdict == RESHARD_SERVE_CAPTURE ||
        verdict == RESHARD_DOWN;
    return serves || !store_slot_visible(cluster->slotd->store, slot) ? CLUSTER_SERVE
                                                                      : CLUSTER_TRYAGAIN;
}

int cluster_clear_kind(const struct cluster *cluster)
{
    int stand = engine_stand(cluster->engine);
    int kind = CLUSTER_SERVE;
    if (stand != ENGINE_SERVES)
        return stand == ENGINE_WAITS ? CLUSTER_PARK : CLUSTER_DOWN;
    if (replica_paused(engine_replica(cluster->engine)))
        return CLUSTER_PARK;
    for (uint32_t slot = 0; slot < STORE_SLOT_COUNT && kind != CLUSTER_PARK; slot++) {
        int found = clear_kind(cluster, slot);
        kind = found == CLUSTER_SERVE ? kind : found;
    }
    return kind;
}

void cluster_slot_clear(struct cluster *cluster, uint32_t slot)
{
    struct reshard_node *node = engine_node(cluster->engine);
    struct buffer record = {0};
    store_slot_clear(cluster->slotd->store, slot);
    if (reshard_node_route(node, slot, RESHARD_OP_REMOVE, NULL) != RESHARD_SERVE_CAPTURE)
        return;
    store_record_clear(slot, &record);
    (void)reshard_node_record(node, slot, record.data, record.size);
    buffer_free(&record);
}

const char *cluster_epoch_set(struct cluster *cluster, int64_t epoch)
{
    if (reshard_map_node_count(cluster->map) > 1)
        return "ERR The user can assign a config epoch only when the node does not know any other "
               "node.";
    if (cluster->epoch != 0)
        return "ERR Node config epoch is already non-zero";
    cluster->epoch = (uint64_t)epoch;
    epoch_store(cluster);
    return NULL;
}

uint64_t cluster_epoch_bump(struct cluster *cluster, bool *bumped_out)
{
    *bumped_out = cluster->epoch == 0;
    if (*bumped_out) {
        cluster->epoch++;
        epoch_store(cluster);
    }
    return cluster->epoch;
}

bool cluster_node_find(const struct cluster *cluster, struct bytes name, uint64_t *node_out,
    reshard_shard_id *shard_out)
{
    struct reshard_map_node node = {.struct_size = sizeof(node)};
    for (uint32_t index = 0; reshard_map_node_at(cluster->map, index, &node) == RESHARD_OK;
         index++)
        if (bytes_equal(name, (struct bytes){(const uint8_t *)node.name, node.name_size})) {
            *node_out = node.node;
            *shard_out = node.shard;
            return true;
        }
    return false;
}

bool cluster_address_find(const struct cluster *cluster, struct bytes host, int port,
    reshard_shard_id *shard_out)
{
    struct reshard_map_node node = {.struct_size = sizeof(node)};
    struct cluster_address address;
    for (uint32_t index = 0; reshard_map_node_at(cluster->map, index, &node) == RESHARD_OK;
         index++) {
        cluster__address(&node, &address);
        if (address.port != port || !bytes_equal(host, bytes_of(address.host)))
            continue;
        *shard_out = node.shard;
        return true;
    }
    return false;
}

reshard_shard_id cluster_my_shard(const struct cluster *cluster)
{
    return cluster->shard;
}
