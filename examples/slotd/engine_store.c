/* SPDX-License-Identifier: MIT */
/* Room engine: what the store tells and asks: changes to be captured and replicated, what may
 * expire, what is seen. */
#include "engine_room.h"

static void on_changed(void *user_data, const struct store_key *key, uint64_t kept)
{
    struct engine *engine = user_data;
    struct buffer records = {0};
    size_t at = 0;
    replica_key_changed(engine->replica, key, kept);
    if (engine->node == NULL || engine->store.own_change ||
        reshard_node_route(engine->node, key->slot, RESHARD_OP_WRITE, NULL) !=
            RESHARD_SERVE_CAPTURE)
        return;
    store_record_key(engine->slotd->store, key, &records);
    while (at + 4 <= records.size) {
        size_t size = get_u32(records.data + at); /* a record begins with its size */
        (void)reshard_node_record(engine->node, key->slot, records.data + at, size);
        at += size;
    }
    buffer_free(&records);
    engine->dirty = true;
}

/* Whichever slot it is in: it may be about to move, one key after the other. */
static void on_removed(void *user_data)
{
    struct engine *engine = user_data;
    if (!engine->store.own_change)
        host_removed(&engine->sync);
}

static bool on_may_expire(void *user_data, const struct store_key *key)
{
    struct engine *engine = user_data;
    uint32_t verdict = reshard_node_route(engine->node, key->slot, RESHARD_OP_REMOVE, NULL);
    if (verdict == RESHARD_LOOKUP) {
        struct reshard_node_request request = {.struct_size = sizeof(request),
            .op = RESHARD_OP_REMOVE, .slot = key->slot, .asking = 1, .key_count = 1,
            .present_count = 1, .keys = &key->name.data, .key_sizes = &key->name.size};
        struct reshard_route route = {.struct_size = sizeof(route)};
        if (reshard_node_route_keys(engine->node, &request, &route) == RESHARD_OK)
            verdict = route.verdict;
    }
    return verdict == RESHARD_SERVE || verdict == RESHARD_SERVE_CAPTURE;
}

static bool on_visible(void *user_data, uint32_t slot)
{
    struct engine *engine = user_data;
    return engine->node == NULL ||
        reshard_node_route(engine->node, slot, RESHARD_OP_READ, NULL) != RESHARD_MOVED;
}

void engine__store_observe(struct engine *engine)
{
    struct store *store = engine->slotd->store;
    store_observe(store, &(struct store_observer){
        engine, on_changed, on_removed, on_may_expire, on_visible});
}
