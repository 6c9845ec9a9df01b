/* SPDX-License-Identifier: MIT */
/* Room engine: values in pieces between the giver and the receiver of a key (host_fetch.c). */
#include "engine_room.h"

/* The giver of a migration's keys is the primary of the other side's shard, whoever that is now. */
bool engine__giver_send(void *user_data, const struct reshard_action *action, struct bytes header,
    struct bytes payload)
{
    const struct engine *engine = user_data;
    const struct reshard_map *map = engine_map(engine);
    struct reshard_map_migration open = {.struct_size = sizeof(open)};
    struct reshard_map_shard giver = {.struct_size = sizeof(giver)};
    if (reshard_map_migration_find(map, action->migration, &open) != RESHARD_OK)
        return false;
    reshard_shard_id shard = action->side == RESHARD_SIDE_TARGET ? open.source : open.target;
    return reshard_map_shard_find(map, shard, &giver) == RESHARD_OK &&
        bus_send(engine->bus, giver.primary, BUS_FETCH, header, payload);
}

void engine__fetch_message(struct engine *engine, const struct bus_message *message)
{
    struct bytes bytes = {message->data, message->size};
    struct buffer answer = {0};
    engine->dirty = true;
    if (message->kind == BUS_PIECE) {
        host_fetch_take(&engine->store, bytes);
        return;
    }
    if (host_fetch_answer(engine->slotd->store, bytes, &answer))
        (void)bus_send(engine->bus, message->from, BUS_PIECE,
            (struct bytes){answer.data, answer.size}, (struct bytes){NULL, 0});
    buffer_free(&answer);
}
