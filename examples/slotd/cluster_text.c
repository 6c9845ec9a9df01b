/* SPDX-License-Identifier: MIT */
/* Room cluster: the map as CLUSTER NODES, SLOTS, SHARDS and INFO show it. */
#include "cluster_room.h"

#include "bus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cluster__address(const struct reshard_map_node *node, struct cluster_address *address_out)
{
    char text[RESHARD_ADDRESS_SIZE_MAX + 1] = {0};
    memcpy(text, node->address, node->address_size);
    *address_out = (struct cluster_address){{0}, 0, 0};
    char *space = strchr(text, ' ');
    if (space == NULL)
        return;
    *space = '\0';
    (void)snprintf(address_out->host, sizeof(address_out->host), "%.*s",
        (int)sizeof(address_out->host) - 1, text);
    char *end = space + 1;
    address_out->port = (int)strtol(end, &end, 10);
    address_out->bus_port = (int)strtol(end, &end, 10);
}

static reshard_node_id primary_of(const struct cluster *cluster, reshard_shard_id shard_id)
{
    struct reshard_map_shard shard = {.struct_size = sizeof(shard)};
    if (reshard_map_shard_find(cluster->map, shard_id, &shard) != RESHARD_OK)
        return 0;
    return shard.primary;
}

static void name_append(
    const struct cluster *cluster, reshard_node_id node_id, struct buffer *text)
{
    struct reshard_map_node node = {.struct_size = sizeof(node)};
    if (reshard_map_node_find(cluster->map, node_id, &node) == RESHARD_OK)
        buffer_append(text, node.name, node.name_size);
    else
        buffer_append_text(text, "-");
}

static void ranges_append(
    const struct cluster *cluster, reshard_shard_id shard, struct buffer *text)
{
    struct reshard_range range;
    reshard_shard_id owner;
    uint32_t cursor = 0;
    while (reshard_map_owner_next(cluster->map, &cursor, &range, &owner) == RESHARD_OK) {
        if (owner != shard)
            continue;
        if (range.first == range.last)
            buffer_append_format(text, " %u", range.first);
        else
            buffer_append_format(text, " %u-%u", range.first, range.last);
    }
}

/* Slots that an operator opened, on the own line only: [slot->-target], [slot-<-source]. */
static void markers_append(const struct cluster *cluster, struct buffer *text)
{
    struct reshard_map_migration open = {.struct_size = sizeof(open)};
    for (uint32_t index = 0;
         reshard_map_migration_at(cluster->map, index, &open) == RESHARD_OK; index++) {
        bool gives = open.source == cluster->shard;
        if (open.mode != RESHARD_MODE_KEYWISE || open.decision != RESHARD_DECISION_NONE ||
            (!gives && open.target != cluster->shard))
            continue;
        for (uint32_t at = 0; at < open.range_count; at++)
            for (uint32_t slot = open.ranges[at].first; slot <= open.ranges[at].last; slot++) {
                buffer_append_format(text, " [%u-%s-", slot, gives ? ">" : "<");
                name_append(
                    cluster, primary_of(cluster, gives ? open.target : open.source), text);
                buffer_append_text(text, "]");
            }
    }
}

static struct cluster_address own_address(const struct cluster *cluster)
{
    struct cluster_address address = {{0}, cluster->port, cluster->bus_port};
    memcpy(address.host, cluster->host, sizeof(address.host));
    return address;
}

static void flags_append(bool myself, bool is_primary, bool down, struct buffer *text)
{
    buffer_append_format(text, " %s%s%s ", myself ? "myself," : "",
        is_primary ? "master" : "slave", down ? ",fail" : "");
}

static void node_line(
    const struct cluster *cluster, const struct reshard_map_node *node, struct buffer *text)
{
    struct cluster_address address;
    struct engine_health health = engine_health(cluster->engine, node->node);
    reshard_node_id primary = primary_of(cluster, node->shard);
    bool myself = node->node == cluster->node;
    bool is_primary = primary == node->node || node->shard == 0;
    uint64_t epoch = myself && cluster->epoch > 0 ? cluster->epoch : node->shard;
    cluster__address(node, &address);
    if (myself) /* the map hears of new ports a moment later */
        address = own_address(cluster);
    buffer_append(text, node->name, node->name_size);
    buffer_append_format(text, " %s:%d@%d", address.host, address.port, address.bus_port);
    flags_append(myself, is_primary, health.down, text);
    if (is_primary)
        buffer_append_text(text, "-");
    else
        name_append(cluster, primary, text);
    buffer_append_format(text, " 0 %lld %llu %s", (long long)health.heard_ms,
        (unsigned long long)epoch, health.down ? "disconnected" : "connected");
    if (is_primary)
        ranges_append(cluster, node->shard, text);
    if (myself && is_primary) /* a replica has no part in it, and may hear of its end late */
        markers_append(cluster, text);
    buffer_append_text(text, "\n");
}

void cluster_nodes_text(struct cluster *cluster, struct buffer *text)
{
    struct reshard_map_node node = {.struct_size = sizeof(node)};
    bool found = false;
    for (uint32_t index = 0; reshard_map_node_at(cluster->map, index, &node) == RESHARD_OK;
         index++) {
        found = found || node.node == cluster->node;
        node_line(cluster, &node, text);
    }
    if (!found) /* it joins just now: the map is on its way */
        buffer_append_format(text, "%s %s:%d@%d myself,master - 0 0 0 connected\n", cluster->name,
            cluster->host, cluster->port, cluster->bus_port);
}

typedef void node_writer(const struct cluster *cluster, const struct reshard_map_node *node,
    struct reply *reply);

/* Nodes of a shard, the primary first; returns how many, writes them when `reply` is given. */
static size_t shard_nodes(const struct cluster *cluster, reshard_shard_id shard,
    node_writer *write, struct reply *reply)
{
    struct reshard_map_node node = {.struct_size = sizeof(node)};
    reshard_node_id primary = primary_of(cluster, shard);
    size_t count = 0;
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t index = 0; reshard_map_node_at(cluster->map, index, &node) == RESHARD_OK;
             index++) {
            if (node.shard != shard || (node.node == primary) != (pass == 0))
                continue;
            count++;
            if (reply != NULL)
                write(cluster, &node, reply);
        }
    return count;
}

bool cluster_replicas_reply(
    struct cluster *cluster, uint64_t primary, reshard_shard_id shard, struct reply *reply)
{
    struct reshard_map_node node = {.struct_size = sizeof(node)};
    if (primary_of(cluster, shard) != primary)
        return false;
    reply_array(reply, shard_nodes(cluster, shard, NULL, NULL) - 1);
    for (uint32_t index = 0; reshard_map_node_at(cluster->map, index, &node) == RESHARD_OK;
         index++) {
        struct buffer line = {0};
        if (node.shard != shard || node.node == primary)
            continue;
        node_line(cluster, &node, &line);
        reply_bulk(reply, (struct bytes){line.data, line.size - 1});
        buffer_free(&line);
    }
    return true;
}

void cluster_peer(
    const struct cluster *cluster, uint64_t node_id, struct cluster_peer *peer_out)
{
    struct reshard_map_node node = {.struct_size = sizeof(node)};
    struct cluster_address address = {{0}, 0, 0};
    if (reshard_map_node_find(cluster->map, node_id, &node) == RESHARD_OK)
        cluster__address(&node, &address);
    memcpy(peer_out->host, address.host, sizeof(peer_out->host));
    peer_out->port = address.port;
}

bool cluster_leads(const struct cluster *cluster, uint64_t node, reshard_shard_id shard)
{
    return node != 0 && primary_of(cluster, shard) == node;
}

void cluster_primary(const struct cluster *cluster, struct cluster_peer *peer_out)
{
    cluster_peer(cluster, primary_of(cluster, cluster->shard), peer_out);
}

/* Slots of shards whose primary does not answer. */
static uint32_t failed_slots(const struct cluster *cluster)
{
    struct reshard_map_shard shard = {.struct_size = sizeof(shard)};
    uint32_t count = 0;
    for (uint32_t index = 0; reshard_map_shard_at(cluster->map, index, &shard) == RESHARD_OK;
         index++)
        if (engine_health(cluster->engine, shard.primary).down)
            count += shard.slot_count;
    return count;
}

void cluster_info_text(struct cluster *cluster, struct buffer *text)
{
    uint32_t assigned = 0;
    uint32_t size = 0;
    uint32_t failed = failed_slots(cluster);
    uint32_t known = reshard_map_node_count(cluster->map);
    uint64_t sent = 0;
    uint64_t received = 0;
    int stand = engine_stand(cluster->engine);
    struct reshard_map_shard shard = {.struct_size = sizeof(shard)};
    engine_message_counts(cluster->engine, &sent, &received);
    for (uint32_t index = 0; reshard_map_shard_at(cluster->map, index, &shard) == RESHARD_OK;
         index++) {
        assigned += shard.slot_count;
        size += shard.slot_count > 0 ? 1 : 0;
    }
    buffer_append_format(text,
        "cluster_state:%s\r\ncluster_slots_assigned:%u\r\ncluster_slots_ok:%u\r\n"
        "cluster_slots_pfail:0\r\ncluster_slots_fail:%u\r\ncluster_known_nodes:%u\r\n"
        "cluster_size:%u\r\ncluster_current_epoch:%llu\r\ncluster_my_epoch:%llu\r\n"
        "cluster_stats_messages_sent:%llu\r\ncluster_stats_messages_received:%llu\r\n"
        "total_cluster_links_buffer_limit_exceeded:0\r\nslotd_migrations_open:%u\r\n"
        "slotd_primary_confirmed:%d\r\ncluster_coordinator:",
        assigned == STORE_SLOT_COUNT && stand != ENGINE_DOWN ? "ok" : "fail", assigned,
        assigned - failed, failed, known > 0 ? known : 1, size,
        (unsigned long long)reshard_map_version(cluster->map),
        (unsigned long long)cluster->epoch, (unsigned long long)sent,
        (unsigned long long)received, reshard_map_migration_count(cluster->map),
        stand == ENGINE_SERVES ? 1 : 0);
    name_append(cluster, engine_coordinator_id(cluster->engine), text);
    buffer_append_text(text, "\r\n");
}

static void host_reply(const struct cluster_address *address, struct reply *reply)
{
    if (address->host[0] == '\0')
        reply_null(reply); /* clients then use the host they are connected to */
    else
        reply_bulk_text(reply, address->host);
}

static void slots_node_reply(const struct cluster *cluster, const struct reshard_map_node *node,
    struct reply *reply)
{
    struct cluster_address address;
    (void)cluster;
    cluster__address(node, &address);
    reply_array(reply, 4);
    host_reply(&address, reply);
    reply_integer(reply, address.port);
    reply_bulk(reply, (struct bytes){(const uint8_t *)node->name, node->name_size});
    reply_map(reply, 0);
}

void cluster_slots_reply(struct cluster *cluster, struct reply *reply)
{
    struct reshard_range range;
    reshard_shard_id owner;
    size_t count = 0;
    uint32_t cursor = 0;
    while (reshard_map_owner_next(cluster->map, &cursor, &range, &owner) == RESHARD_OK)
        count += owner != 0 ? 1 : 0;
    reply_array(reply, count);
    cursor = 0;
    while (reshard_map_owner_next(cluster->map, &cursor, &range, &owner) == RESHARD_OK) {
        if (owner == 0)
            continue;
        reply_array(reply, 2 + shard_nodes(cluster, owner, NULL, NULL));
        reply_integer(reply, range.first);
        reply_integer(reply, range.last);
        (void)shard_nodes(cluster, owner, slots_node_reply, reply);
    }
}

static void shards_node_reply(const struct cluster *cluster, const struct reshard_map_node *node,
    struct reply *reply)
{
    struct cluster_address address;
    struct engine_health health = engine_health(cluster->engine, node->node);
    cluster__address(node, &address);
    reply_map(reply, 7);
    reply_bulk_text(reply, "id");
    reply_bulk(reply, (struct bytes){(const uint8_t *)node->name, node->name_size});
    reply_bulk_text(reply, "port");
    reply_integer(reply, address.port);
    reply_bulk_text(reply, "ip");
    reply_bulk_text(reply, address.host);
    reply_bulk_text(reply, "endpoint");
    host_reply(&address, reply);
    reply_bulk_text(reply, "role");
    reply_bulk_text(reply, node->role == RESHARD_ROLE_PRIMARY ? "master" : "replica");
    reply_bulk_text(reply, "replication-offset");
    reply_integer(reply, (int64_t)health.offset);
    reply_bulk_text(reply, "health");
    reply_bulk_text(reply, health.down ? "failed" : health.loading ? "loading" : "online");
}

static void shard_ranges_reply(
    const struct cluster *cluster, reshard_shard_id shard, struct reply *reply)
{
    struct reshard_range range;
    reshard_shard_id owner;
    for (int pass = 0; pass < 2; pass++) {
        size_t count = 0;
        uint32_t cursor = 0;
        while (reshard_map_owner_next(cluster->map, &cursor, &range, &owner) == RESHARD_OK) {
            if (owner != shard)
                continue;
            count += 2;
            if (pass == 1) {
                reply_integer(reply, range.first);
                reply_integer(reply, range.last);
            }
        }
        if (pass == 0)
            reply_array(reply, count);
    }
}

void cluster_links_reply(struct cluster *cluster, struct reply *reply)
{
    struct bus_link_state link;
    uint32_t count = 0;
    while (engine_link_at(cluster->engine, count, &link))
        count++;
    reply_array(reply, count);
    for (uint32_t index = 0; engine_link_at(cluster->engine, index, &link); index++) {
        struct buffer name = {0};
        name_append(cluster, link.node, &name);
        reply_map(reply, 6);
        reply_bulk_text(reply, "direction");
        reply_bulk_text(reply, link.dialled ? "to" : "from");
        reply_bulk_text(reply, "node");
        reply_bulk(reply, (struct bytes){name.data, name.size});
        reply_bulk_text(reply, "create-time");
        reply_integer(reply, link.since_ms);
        reply_bulk_text(reply, "events");
        reply_bulk_text(reply, link.size > 0 ? "rw" : "r");
        reply_bulk_text(reply, "send-buffer-allocated");
        reply_integer(reply, (int64_t)link.capacity);
        reply_bulk_text(reply, "send-buffer-used");
        reply_integer(reply, (int64_t)link.size);
        buffer_free(&name);
    }
}

void cluster_shards_reply(struct cluster *cluster, struct reply *reply)
{
    struct reshard_map_shard shard = {.struct_size = sizeof(shard)};
    reply_array(reply, reshard_map_shard_count(cluster->map));
    for (uint32_t index = 0; reshard_map_shard_at(cluster->map, index, &shard) == RESHARD_OK;
         index++) {
        reply_map(reply, 2);
        reply_bulk_text(reply, "slots");
        shard_ranges_reply(cluster, shard.shard, reply);
        reply_bulk_text(reply, "nodes");
        reply_array(reply, shard_nodes(cluster, shard.shard, NULL, NULL));
        (void)shard_nodes(cluster, shard.shard, shards_node_reply, reply);
    }
}
