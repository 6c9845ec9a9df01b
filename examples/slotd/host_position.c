/* SPDX-License-Identifier: MIT */
/* Room host: positions of copies and streams, as named values beside the data. */
#include "host.h"

#include <reshard/map.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAME_SIZE = 32, POSITION_SIZE = 32, LIST_MAX = 4096 };
static const char list_name[] = "positions";

static void name_of(reshard_migration_id migration, char name_out[NAME_SIZE])
{
    (void)snprintf(name_out, NAME_SIZE, "position.%llu", (unsigned long long)migration);
}

bool host_position_get(
    struct store *store, reshard_migration_id migration, struct host_position *position_out)
{
    char name[NAME_SIZE];
    struct bytes value;
    name_of(migration, name);
    if (!store_meta_get(store, name, &value) || value.size != POSITION_SIZE)
        return false;
    *position_out = (struct host_position){get_u64(value.data), get_u64(value.data + 8),
        get_u64(value.data + 16), get_u64(value.data + 24)};
    return position_out->state != 0;
}

/* Migrations that have a position: a list, so that those that are closed can be forgotten. */
static void list_add(struct store *store, reshard_migration_id migration)
{
    struct bytes list = {NULL, 0};
    struct buffer grown = {0};
    (void)store_meta_get(store, list_name, &list);
    for (size_t at = 0; at + 8 <= list.size; at += 8)
        if (get_u64(list.data + at) == migration)
            return;
    buffer_append(&grown, list.data, list.size);
    put_u64(buffer_reserve(&grown, 8), migration);
    grown.size += 8;
    store_meta_put(store, list_name, (struct bytes){grown.data, grown.size});
    buffer_free(&grown);
}

void host_position_put(
    struct store *store, reshard_migration_id migration, const struct host_position *position)
{
    char name[NAME_SIZE];
    uint8_t value[POSITION_SIZE];
    name_of(migration, name);
    put_u64(value, position->state);
    put_u64(value + 8, position->copy_term);
    put_u64(value + 16, position->copy_n);
    put_u64(value + 24, position->sequence);
    if (position->sequence == 0)
        list_add(store, migration);
    store_meta_put(store, name, (struct bytes){value, sizeof(value)});
}

void host_position_remove(struct store *store, reshard_migration_id migration)
{
    char name[NAME_SIZE];
    struct bytes value;
    name_of(migration, name);
    if (store_meta_get(store, name, &value))
        store_meta_remove(store, name);
}

void host_positions_forget(struct store *store)
{
    struct bytes list;
    struct buffer all = {0};
    if (!store_meta_get(store, list_name, &list))
        return;
    buffer_append(&all, list.data, list.size);
    for (size_t at = 0; at + 8 <= all.size; at += 8)
        host_position_remove(store, get_u64(all.data + at));
    store_meta_remove(store, list_name);
    buffer_free(&all);
}

void host_positions_sweep(struct store *store, const struct reshard_map *map)
{
    struct reshard_map_migration open = {.struct_size = sizeof(open)};
    struct bytes list;
    struct buffer kept = {0};
    struct buffer gone = {0};
    if (!store_meta_get(store, list_name, &list))
        return;
    for (size_t at = 0; at + 8 <= list.size; at += 8) {
        uint64_t migration = get_u64(list.data + at);
        bool is_open = reshard_map_migration_find(map, migration, &open) == RESHARD_OK ||
            migration > reshard_map_last_migration(map);
        buffer_append(is_open ? &kept : &gone, list.data + at, 8);
    }
    if (gone.size > 0)
        store_meta_put(store, list_name, (struct bytes){kept.data, kept.size});
    for (size_t at = 0; at < gone.size; at += 8)
        host_position_remove(store, get_u64(gone.data + at));
    buffer_free(&kept);
    buffer_free(&gone);
}
