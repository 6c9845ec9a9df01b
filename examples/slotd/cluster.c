/* SPDX-License-Identifier: MIT */
/* Room cluster: this node's identity and map, and the verdict on requests. See cluster.h.
 *
 * The map is a cluster of one: own node, own shard, the slots it was given. What it consists of is
 * kept in the store's meta table and read back at start.
 */
#include "cluster_room.h"

#include "log.h"

#include <reshard/slot.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOT_BITMAP_SIZE = STORE_SLOT_COUNT / 8, SHARD_OWN = 1 };

static void apply(struct cluster *cluster, struct reshard_change *change)
{
    int32_t result = reshard_map_apply(cluster->map, change);
    if (result != RESHARD_OK)
        log_fatal("cluster_failed", "kind=%u error=%s", change->kind, reshard_strname(result));
}

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
    char head[17] = {0};
    memcpy(head, cluster->name, 16);
    cluster->node = strtoull(head, NULL, 16) | 1;
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

static void slots_store(struct cluster *cluster)
{
    uint8_t bitmap[SLOT_BITMAP_SIZE] = {0};
    for (uint32_t slot = 0; slot < STORE_SLOT_COUNT; slot++)
        if (reshard_map_slot_owner(cluster->map, slot) == cluster->shard)
            bitmap[slot / 8] = (uint8_t)(bitmap[slot / 8] | 1u << slot % 8);
    store_meta_put(
        cluster->slotd->store, "cluster.slots", (struct bytes){bitmap, sizeof(bitmap)});
}

static void slots_load(struct cluster *cluster)
{
    struct bytes bitmap;
    if (!store_meta_get(cluster->slotd->store, "cluster.slots", &bitmap) ||
        bitmap.size != SLOT_BITMAP_SIZE)
        return;
    struct reshard_range *ranges = memory_take(STORE_SLOT_COUNT * sizeof(*ranges));
    uint32_t count = 0;
    bool before = false;
    for (uint32_t slot = 0; slot < STORE_SLOT_COUNT; slot++) {
        bool owned = (bitmap.data[slot / 8] >> slot % 8 & 1) != 0;
        if (owned && before)
            ranges[count - 1].last = slot;
        else if (owned)
            ranges[count++] = (struct reshard_range){slot, slot};
        before = owned;
    }
    if (count > 0) {
        struct reshard_change change;
        reshard_change_init(&change);
        change.kind = RESHARD_CHANGE_ASSIGN;
        change.shard = cluster->shard;
        change.ranges = ranges;
        change.range_count = count;
        apply(cluster, &change);
    }
    free(ranges);
}

/* Own node as the map has it: the address is "host port bus_port", the library never reads it. */
static void node_put(struct cluster *cluster, uint32_t role)
{
    struct reshard_change change;
    char address[ADDRESS_TEXT_SIZE + 32];
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_NODE_PUT;
    change.node = cluster->node;
    change.shard = cluster->shard;
    change.role = role;
    change.name = cluster->name;
    change.name_size = CLUSTER_NAME_SIZE;
    (void)snprintf(address, sizeof(address), "%s %d %d", cluster->host, cluster->port,
        cluster->bus_port);
    change.address = address;
    change.address_size = (uint32_t)strlen(address);
    apply(cluster, &change);
}

static void map_make(struct cluster *cluster)
{
    struct reshard_change change;
    int32_t result = reshard_map_create(STORE_SLOT_COUNT, NULL, &cluster->map);
    if (result != RESHARD_OK)
        log_fatal("cluster_failed", "call=map_create error=%s", reshard_strname(result));
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_TERM;
    change.term = 1;
    change.unique = slotd_random(cluster->slotd) | 1;
    apply(cluster, &change);
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_PUT;
    change.shard = cluster->shard;
    change.weight = 1.0;
    apply(cluster, &change);
    node_put(cluster, RESHARD_ROLE_REPLICA);
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_PRIMARY;
    change.shard = cluster->shard;
    change.node = cluster->node;
    apply(cluster, &change);
}

struct cluster *cluster_open(struct slotd *slotd)
{
    struct cluster *cluster = memory_take(sizeof(*cluster));
    cluster->slotd = slotd;
    cluster->shard = SHARD_OWN;
    name_load(cluster);
    epoch_load(cluster);
    map_make(cluster);
    slots_load(cluster);
    return cluster;
}

void cluster_close(struct cluster *cluster)
{
    if (cluster == NULL)
        return;
    reshard_map_destroy(cluster->map);
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
    node_put(cluster, RESHARD_ROLE_PRIMARY);
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

void cluster_route(struct cluster *cluster, const struct cluster_request *request,
    struct cluster_verdict *verdict_out)
{
    verdict_out->slot = cluster_key_slot(request->keys[0]);
    reshard_shard_id owner = reshard_map_slot_owner(cluster->map, verdict_out->slot);
    verdict_out->kind = CLUSTER_UNBOUND;
    if (owner == 0)
        return;
    verdict_out->kind = CLUSTER_CROSSSLOT;
    for (size_t index = 1; index < request->key_count; index++)
        if (cluster_key_slot(request->keys[index]) != verdict_out->slot)
            return;
    verdict_out->kind = CLUSTER_SERVE;
    if (owner == cluster->shard)
        return;
    verdict_out->kind = CLUSTER_MOVED;
    address_of(cluster, owner, verdict_out);
}

static const char *slots_change(struct cluster *cluster, uint32_t kind,
    const struct reshard_range *ranges, size_t range_count)
{
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = kind;
    change.shard = cluster->shard;
    change.ranges = ranges;
    change.range_count = (uint32_t)range_count;
    int32_t result = reshard_map_apply(cluster->map, &change);
    if (result != RESHARD_OK)
        return "ERR the slots cannot be changed now";
    slots_store(cluster);
    return NULL;
}

const char *cluster_assign(
    struct cluster *cluster, const struct reshard_range *ranges, size_t range_count)
{
    return slots_change(cluster, RESHARD_CHANGE_ASSIGN, ranges, range_count);
}

const char *cluster_unassign(
    struct cluster *cluster, const struct reshard_range *ranges, size_t range_count)
{
    return slots_change(cluster, RESHARD_CHANGE_UNASSIGN, ranges, range_count);
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

const char *cluster_migrate(struct cluster *cluster, const struct cluster_migrate *migrate)
{
    (void)cluster;
    (void)migrate;
    return "ERR this node knows no other node to move keys to";
}
