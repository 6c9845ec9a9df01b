/* SPDX-License-Identifier: MIT */
/* Room coordinator: the map's way out. Each change goes to every node as a delta, those of a burst
 * to whom they concern at once and to the others in pieces; who misses one notices by the next, or
 * by the beat, says HELLO, and gets what it lacks. */
#include "coordinator/coordinator.h"

#include <string.h>

enum { BEAT_RETRIES = 5 }; /* the version is told again after so many retry_ns */

/* Nodes of the map, ascending, with what is known of those that were there before. */
int32_t reshard__peers_follow(struct reshard_coordinator *coordinator)
{
    uint32_t count = reshard_map_node_count(coordinator->map);
    struct reshard__peer *peers = NULL;
    size_t capacity = 0;
    int32_t status = reshard__mem_grow(
        &coordinator->mem, (void **)&peers, &capacity, sizeof *peers, count + 1);
    if (status)
        return status;
    size_t old = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct reshard_map_node node = {.struct_size = sizeof node};
        (void)reshard_map_node_at(coordinator->map, i, &node);
        peers[i].node = node.node;
        reshard_shard_id shard = node.shard;
        while (old < coordinator->peer_count && coordinator->peers[old].node < node.node)
            old++;
        if (old < coordinator->peer_count && coordinator->peers[old].node == node.node)
            peers[i] = coordinator->peers[old];
        peers[i].shard = shard;
    }
    reshard__mem_free(&coordinator->mem, coordinator->peers,
        coordinator->peer_capacity * sizeof *coordinator->peers);
    coordinator->peers = peers;
    coordinator->peer_count = count;
    coordinator->peer_capacity = capacity;
    coordinator->peers_stale = false;
    return RESHARD_OK;
}

void reshard__shared_release(
    struct reshard_coordinator *coordinator, struct reshard__shared *shared)
{
    RESHARD_ASSERT(shared->references > 0);
    if (--shared->references == 0)
        reshard__mem_free(&coordinator->mem, shared, sizeof *shared + shared->size);
}

/* The changes behind `from`, concatenated; NULL when they are not retained, or without memory. */
static uint8_t *delta_encode(
    struct reshard_coordinator *coordinator, uint64_t from, size_t *size_out)
{
    uint8_t *bytes = NULL;
    for (int pass = 0; pass < 2; pass++) {
        uint64_t cursor = from;
        size_t used = 0, item = 0;
        while (cursor < reshard_map_version(coordinator->map)) {
            struct reshard_change change = {.struct_size = sizeof change};
            if (reshard_map_delta_next(coordinator->map, &cursor, &change))
                return NULL;
            uint8_t *place = bytes ? bytes + used : NULL;
            (void)reshard__change_encode(&change, place, bytes ? *size_out - used : 0, &item);
            used += item;
        }
        *size_out = used;
        if (!bytes && used > 0 && pass == 0)
            bytes = reshard__mem_alloc(&coordinator->mem, used);
        if (!bytes)
            return NULL;
    }
    return bytes;
}

static uint8_t *snapshot_encode(struct reshard_coordinator *coordinator, size_t *size_out)
{
    (void)reshard__map_encode(coordinator->map, NULL, 0, size_out);
    uint8_t *bytes = reshard__mem_alloc(&coordinator->mem, *size_out);
    if (bytes)
        (void)reshard__map_encode(coordinator->map, bytes, *size_out, size_out);
    return bytes;
}

/* A MAP message that leads from `from` to the map's version. NULL without memory. */
static struct reshard__shared *map_message(struct reshard_coordinator *coordinator, uint64_t from)
{
    struct reshard__message message = {.type = RESHARD__MAP};
    message.from = from;
    message.to = reshard_map_version(coordinator->map);
    size_t size = 0;
    uint8_t *bytes = NULL;
    if (from < message.to) {
        bytes = from > 0 ? delta_encode(coordinator, from, &size) : NULL;
        if (!bytes && size > 0)
            return NULL; /* the whole map would want more */
        message.changes = (struct reshard__bytes){bytes, size};
        if (!bytes) {
            bytes = snapshot_encode(coordinator, &size);
            if (!bytes)
                return NULL;
            message.from = 0;
            message.changes = (struct reshard__bytes){NULL, 0};
            message.snapshot = (struct reshard__bytes){bytes, size};
        }
    }
    size_t whole = 0;
    (void)reshard__message_encode(&message, NULL, 0, &whole);
    struct reshard__shared *shared =
        reshard__mem_alloc(&coordinator->mem, sizeof *shared + whole);
    if (shared) {
        shared->size = whole;
        int32_t status = reshard__message_encode(&message, shared->data, whole, &whole);
        RESHARD_ASSERT(status == RESHARD_OK);
    }
    reshard__mem_free(&coordinator->mem, bytes, size);
    return shared;
}

static void shared_send(struct reshard_coordinator *coordinator, struct reshard__peer *peer,
    struct reshard__shared *shared)
{
    struct reshard__entry *entry = reshard__outbox_push(&coordinator->outbox, RESHARD_ACTION_SEND);
    entry->action.to = peer->node;
    entry->action.header = shared->data;
    entry->action.header_size = shared->size;
    entry->attachment = shared;
    shared->references++;
    peer->told = reshard_map_version(coordinator->map);
}

/* Who is told: one node, or the nodes of two shards; all 0: everyone. */
struct audience {
    reshard_node_id node;
    reshard_shard_id source, target;
};

static bool hears(const struct audience *audience, const struct reshard__peer *peer)
{
    if (audience->node)
        return peer->node == audience->node;
    return audience->source == 0 || peer->shard == audience->source ||
           peer->shard == audience->target;
}

/* Send MAP to every peer that was told less than `below`; one encoding for all that share a
 * version. */
static int32_t send_below(
    struct reshard_coordinator *coordinator, const struct audience *audience, uint64_t below)
{
    int32_t status = reshard__outbox_reserve(
        &coordinator->outbox, coordinator->peer_count + RESHARD__INPUT_RESERVE);
    if (status)
        return status;
    struct reshard__shared *shared = NULL;
    uint64_t shared_from = 0;
    for (size_t i = 0; i < coordinator->peer_count; i++) {
        struct reshard__peer *peer = &coordinator->peers[i];
        if (peer->told >= below || !hears(audience, peer))
            continue;
        if (!shared || shared_from != peer->told) {
            if (shared)
                reshard__shared_release(coordinator, shared);
            shared_from = peer->told;
            shared = map_message(coordinator, shared_from);
            if (!shared)
                return RESHARD_E_NOMEM;
            shared->references = 1;
        }
        shared_send(coordinator, peer, shared);
    }
    if (shared)
        reshard__shared_release(coordinator, shared);
    return RESHARD_OK;
}

/* Who gets nothing for want of memory gets it with the next beat. */
static void tell_below(
    struct reshard_coordinator *coordinator, const struct audience *audience, uint64_t below)
{
    int32_t known = coordinator->peers_stale ? reshard__peers_follow(coordinator) : RESHARD_OK;
    int32_t told = coordinator->leads ? send_below(coordinator, audience, below) : RESHARD_OK;
    if (known || told)
        reshard__run_tell(coordinator, RESHARD_EVENT_NO_MEMORY, NULL, RESHARD_E_NOMEM,
            RESHARD_ACTION_SEND);
}

void reshard__peers_tell(struct reshard_coordinator *coordinator)
{
    static const struct audience everyone;
    coordinator->tell_ns = UINT64_MAX;
    tell_below(coordinator, &everyone, reshard_map_version(coordinator->map));
}

void reshard__peers_tell_shards(
    struct reshard_coordinator *coordinator, reshard_shard_id source, reshard_shard_id target)
{
    const struct audience audience = {.source = source, .target = target};
    tell_below(coordinator, &audience, reshard_map_version(coordinator->map));
}

void reshard__peers_beat(struct reshard_coordinator *coordinator)
{
    static const struct audience everyone;
    if (coordinator->leads && coordinator->now_ns >= coordinator->tell_ns)
        reshard__peers_tell(coordinator);
    if (!coordinator->leads || coordinator->now_ns < coordinator->beat_ns)
        return;
    coordinator->beat_ns = coordinator->now_ns + BEAT_RETRIES * coordinator->config.retry_ns;
    tell_below(coordinator, &everyone, UINT64_MAX);
}

int32_t reshard__hello_receive(struct reshard_coordinator *coordinator, reshard_node_id from,
    const struct reshard__message *message)
{
    if (message->protocol > RESHARD__PROTOCOL + 1)
        return RESHARD_E_PROTOCOL;
    if (!coordinator->leads || message->slot_count != coordinator->config.slot_count)
        return RESHARD_OK;
    for (size_t i = 0; i < coordinator->peer_count; i++) {
        struct reshard__peer *peer = &coordinator->peers[i];
        if (peer->node != from)
            continue;
        peer->boot = message->boot;
        if (message->map_version < reshard_map_version(coordinator->map))
            peer->told = message->map_version;
    }
    const struct audience audience = {.node = from};
    tell_below(coordinator, &audience, reshard_map_version(coordinator->map));
    return RESHARD_OK;
}
