/* SPDX-License-Identifier: MIT */
/* Room engine: what nodes ask each other for besides the library's messages: values in pieces, of
 * the giver of a key (host_fetch.c), and the rest of a slot that moves by hand, of its source:
 * redis-cli has moved all keys before it names the new owner; who names it earlier loses none.
 *
 * GIVE = slot 4
 */
#include "engine_room.h"

enum { GIVE_KEYS = 512 }; /* at once */

static uint64_t primary_of(const struct reshard_map *map, reshard_shard_id shard_id)
{
    struct reshard_map_shard shard = {.struct_size = sizeof(shard)};
    (void)reshard_map_shard_find(map, shard_id, &shard);
    return shard.primary;
}

/* The giver of a migration's keys is the primary of the other side's shard, whoever that is now. */
bool engine__giver_send(void *user_data, const struct reshard_action *action, struct bytes header,
    struct bytes payload)
{
    const struct engine *engine = user_data;
    const struct reshard_map *map = engine_map(engine);
    struct reshard_map_migration open = {.struct_size = sizeof(open)};
    if (reshard_map_migration_find(map, action->migration, &open) != RESHARD_OK)
        return false;
    reshard_shard_id shard = action->side == RESHARD_SIDE_TARGET ? open.source : open.target;
    uint64_t giver = primary_of(map, shard);
    return giver != 0 && bus_send(engine->bus, giver, BUS_FETCH, header, payload);
}

/* The source of the slot's open move by hand; 0 = none, or this node. */
static uint64_t source_of(const struct engine *engine, uint32_t slot)
{
    const struct reshard_map *map = engine_map(engine);
    struct reshard_map_migration open = {.struct_size = sizeof(open)};
    reshard_migration_id id = reshard_map_slot_migration(map, slot);
    if (id == 0 || reshard_map_migration_find(map, id, &open) != RESHARD_OK ||
        open.mode != RESHARD_MODE_KEYWISE || open.decision != RESHARD_DECISION_NONE)
        return 0;
    uint64_t source = primary_of(map, open.source);
    return source != engine->node_id ? source : 0;
}

void engine_give_ask(struct engine *engine, uint32_t slot)
{
    uint8_t words[4];
    uint64_t source = source_of(engine, slot);
    put_u32(words, slot);
    if (source != 0)
        (void)bus_send(engine->bus, source, BUS_GIVE, (struct bytes){words, sizeof(words)},
            (struct bytes){NULL, 0});
}

struct give {
    const uint8_t *names[GIVE_KEYS];
    size_t sizes[GIVE_KEYS];
    uint32_t count;
};

static bool give_visit(
    void *user_data, const struct store_key *key, const struct store_item *item)
{
    struct give *give = user_data;
    (void)item;
    if (give->count < GIVE_KEYS) {
        give->names[give->count] = key->name.data;
        give->sizes[give->count++] = key->name.size;
    }
    return give->count < GIVE_KEYS;
}

/* The library refuses, unless this is the source of such a move; it is asked again. */
static void give_message(struct engine *engine, struct bytes words)
{
    struct give give = {.count = 0};
    uint32_t slot = words.size == 4 ? get_u32(words.data) : STORE_SLOT_COUNT;
    if (slot >= STORE_SLOT_COUNT)
        return;
    (void)store_walk(engine->slotd->store, (uint64_t)slot << 32, ((uint64_t)slot + 1) << 32,
        give_visit, &give);
    if (give.count > 0)
        (void)reshard_node_move_keys(
            engine->node, slot, give.names, give.sizes, give.count);
}

void engine__fetch_message(struct engine *engine, const struct bus_message *message)
{
    struct bytes bytes = {message->data, message->size};
    struct buffer answer = {0};
    engine->dirty = true;
    if (message->kind == BUS_PIECE)
        host_fetch_take(&engine->store, bytes);
    else if (message->kind == BUS_GIVE)
        give_message(engine, bytes);
    else if (host_fetch_answer(engine->slotd->store, bytes, &answer))
        (void)bus_send(engine->bus, message->from, BUS_PIECE,
            (struct bytes){answer.data, answer.size}, (struct bytes){NULL, 0});
    buffer_free(&answer);
}
