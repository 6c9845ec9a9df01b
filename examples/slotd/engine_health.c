/* SPDX-License-Identifier: MIT */
/* Room engine: which nodes answer, and how far each is: every node tells every other once a second.
 * Only shown to operators and clients: nothing is decided by it.
 *
 * status = replication offset 8 | flags 8.
 */
#include "engine_room.h"

#include <stdlib.h>

enum { STATUS_SIZE = 16, STATUS_LOADING = 1 };
#define STATUS_NS ((uint64_t)1000000000)
#define DOWN_NS ((uint64_t)5000000000)

static struct peer *peer_find(const struct engine *engine, uint64_t node)
{
    struct peer *at = engine->peers;
    while (at != NULL && at->health.node != node)
        at = at->next;
    return at;
}

/* One that is new in the map has been heard just now. */
static struct peer *peer_of(struct engine *engine, uint64_t node)
{
    struct peer *peer = peer_find(engine, node);
    if (peer == NULL) {
        peer = memory_take(sizeof(*peer));
        peer->health.node = node;
        peer->heard_ns = clock_monotonic_ns();
        peer->next = engine->peers;
        engine->peers = peer;
    }
    return peer;
}

void engine__peers_free(struct engine *engine)
{
    while (engine->peers != NULL) {
        struct peer *peer = engine->peers;
        engine->peers = peer->next;
        free(peer);
    }
}

static struct engine_health own_health(const struct engine *engine)
{
    return (struct engine_health){.node = engine->node_id,
        .offset = replica_offset(engine->replica),
        .loading = replica_follows(engine->replica) && !replica_whole(engine->replica)};
}

static void status_send(struct engine *engine, uint64_t node)
{
    uint8_t status[STATUS_SIZE];
    struct engine_health own = own_health(engine);
    put_u64(status, own.offset);
    put_u64(status + 8, own.loading ? STATUS_LOADING : 0);
    if (bus_linked(engine->bus, node))
        (void)bus_send(engine->bus, node, BUS_STATUS, (struct bytes){status, sizeof(status)},
            (struct bytes){NULL, 0});
}

void engine__status_take(struct engine *engine, const struct bus_message *message)
{
    struct peer *peer = peer_find(engine, message->from);
    if (peer == NULL || message->size != STATUS_SIZE)
        return;
    peer->heard_ns = clock_monotonic_ns();
    peer->health.heard_ms = clock_wall_ms();
    peer->health.offset = get_u64(message->data);
    peer->health.loading = (get_u64(message->data + 8) & STATUS_LOADING) != 0;
}

void engine__health_tick(struct engine *engine, uint64_t now_ns)
{
    struct reshard_map_node node = {.struct_size = sizeof(node)};
    /* What came while this process stood still has not been read yet. */
    bool stood = now_ns - engine->ticked_ns > STATUS_NS;
    for (struct peer *at = engine->peers; stood && at != NULL; at = at->next)
        at->heard_ns = now_ns;
    if (now_ns - engine->told_ns < STATUS_NS)
        return;
    engine->told_ns = now_ns;
    for (uint32_t index = 0;
         reshard_map_node_at(engine_map(engine), index, &node) == RESHARD_OK; index++)
        if (node.node != engine->node_id) {
            (void)peer_of(engine, node.node);
            status_send(engine, node.node);
        }
}

struct engine_health engine_health(const struct engine *engine, uint64_t node)
{
    const struct peer *peer = peer_find(engine, node);
    if (node == engine->node_id)
        return own_health(engine);
    if (peer == NULL)
        return (struct engine_health){.node = node};
    struct engine_health health = peer->health;
    health.down = clock_monotonic_ns() - peer->heard_ns > DOWN_NS;
    return health;
}

bool engine_link_at(const struct engine *engine, uint32_t index, struct bus_link_state *link_out)
{
    return bus_link_at(engine->bus, index, link_out);
}
