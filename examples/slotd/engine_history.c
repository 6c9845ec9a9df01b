/* SPDX-License-Identifier: MIT */
/* Room engine: what became of the newest migrations, at the coordinator: CLUSTER GETSLOTMIGRATIONS
 * shows those that are over too. Kept in the store, a line each, so that a restart forgets none. */
#include "engine_room.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HISTORY_MAX = 64, NAME_SIZE = CLUSTER_NAME_SIZE + 1, LINE_SIZE_MAX = 65536 };
enum { STATE_OPEN, STATE_SUCCESS, STATE_CANCELLED, STATE_FAILED };
static const char *const state_names[] = {"open", "success", "cancelled", "failed"};

struct history_entry {
    struct history_entry *next; /* older */
    reshard_migration_id migration;
    char source[NAME_SIZE];
    char target[NAME_SIZE];
    uint32_t target_shard;
    uint32_t first_slot;
    uint32_t mode;
    uint32_t state;
    int32_t error;
    int64_t created_ms;
    int64_t updated_ms;
    uint64_t keys;
    uint64_t bytes;
    uint64_t pause_ns;
    struct buffer ranges; /* text */
};

static void entry_free(struct history_entry *entry)
{
    buffer_free(&entry->ranges);
    free(entry);
}

void engine__history_free(struct engine *engine)
{
    while (engine->history != NULL) {
        struct history_entry *next = engine->history->next;
        entry_free(engine->history);
        engine->history = next;
    }
    engine->history_last = 0;
    engine->history_loaded = false;
}

static void name_of(
    const struct reshard_map *map, reshard_shard_id shard_id, char name_out[NAME_SIZE])
{
    struct reshard_map_shard shard = {.struct_size = sizeof(shard)};
    struct reshard_map_node node = {.struct_size = sizeof(node)};
    (void)snprintf(name_out, NAME_SIZE, "-");
    if (reshard_map_shard_find(map, shard_id, &shard) == RESHARD_OK &&
        reshard_map_node_find(map, shard.primary, &node) == RESHARD_OK)
        (void)snprintf(name_out, NAME_SIZE, "%.*s", (int)node.name_size, node.name);
}

static void entry_put(struct engine *engine, struct history_entry *entry)
{
    entry->next = engine->history;
    engine->history = entry;
    if (entry->migration > engine->history_last)
        engine->history_last = entry->migration;
}

static void history_save(struct engine *engine)
{
    struct buffer text = {0};
    struct history_entry **link = &engine->history;
    for (size_t count = 0; *link != NULL; count++) {
        struct history_entry *entry = *link;
        if (count >= HISTORY_MAX && entry->state != STATE_OPEN) {
            *link = entry->next;
            entry_free(entry);
            continue;
        }
        buffer_append_format(&text, "%llu %s %s %u %u %u %u %d %lld %lld %llu %llu %llu %.*s\n",
            (unsigned long long)entry->migration, entry->source, entry->target,
            entry->target_shard, entry->first_slot, entry->mode, entry->state, entry->error,
            (long long)entry->created_ms, (long long)entry->updated_ms,
            (unsigned long long)entry->keys, (unsigned long long)entry->bytes,
            (unsigned long long)entry->pause_ns, (int)entry->ranges.size,
            (const char *)entry->ranges.data);
        link = &entry->next;
    }
    store_meta_put(engine->slotd->store, "migrations", (struct bytes){text.data, text.size});
    buffer_free(&text);
}

/* One line; false when it is none. */
static bool entry_read(struct engine *engine, const char *line)
{
    struct history_entry *entry = memory_take(sizeof(*entry));
    unsigned long long migration, keys, bytes, pause_ns;
    long long created_ms, updated_ms;
    int at = 0;
    int count = sscanf(line, "%llu %40s %40s %u %u %u %u %d %lld %lld %llu %llu %llu %n",
        &migration, entry->source, entry->target, &entry->target_shard, &entry->first_slot,
        &entry->mode, &entry->state, &entry->error, &created_ms, &updated_ms, &keys, &bytes,
        &pause_ns, &at);
    if (count != 13 || entry->state > STATE_FAILED) {
        free(entry);
        return false;
    }
    entry->migration = migration;
    entry->created_ms = created_ms;
    entry->updated_ms = updated_ms;
    entry->keys = keys;
    entry->bytes = bytes;
    entry->pause_ns = pause_ns;
    buffer_append_text(&entry->ranges, line + at);
    entry_put(engine, entry);
    return true;
}

/* Lines are newest first: the last one is put first. */
static void history_load(struct engine *engine)
{
    struct bytes stored;
    struct buffer text = {0};
    char *lines[2 * HISTORY_MAX];
    size_t count = 0;
    char *rest = NULL;
    engine->history_loaded = true;
    if (!store_meta_get(engine->slotd->store, "migrations", &stored))
        return;
    buffer_append(&text, stored.data, stored.size);
    buffer_append(&text, "", 1);
    for (char *line = strtok_r((char *)text.data, "\n", &rest);
         line != NULL && count < sizeof(lines) / sizeof(lines[0]);
         line = strtok_r(NULL, "\n", &rest))
        lines[count++] = line;
    while (count > 0)
        (void)entry_read(engine, lines[--count]);
    buffer_free(&text);
}

static void entry_add(struct engine *engine, const struct reshard_map_migration *open)
{
    const struct reshard_map *map = reshard_coordinator_map(engine->coordinator);
    struct history_entry *entry = memory_take(sizeof(*entry));
    entry->migration = open->migration;
    entry->mode = open->mode;
    entry->target_shard = open->target;
    entry->first_slot = open->ranges[0].first;
    entry->created_ms = entry->updated_ms = clock_wall_ms();
    name_of(map, open->source, entry->source);
    name_of(map, open->target, entry->target);
    for (uint32_t at = 0; at < open->range_count && entry->ranges.size < LINE_SIZE_MAX; at++)
        buffer_append_format(&entry->ranges, "%s%u-%u", at == 0 ? "" : " ",
            open->ranges[at].first, open->ranges[at].last);
    entry_put(engine, entry);
}

/* How one ended that is not in the map any more. */
static uint32_t end_state(const struct engine *engine, const struct history_entry *entry)
{
    const struct reshard_map *map = reshard_coordinator_map(engine->coordinator);
    if (reshard_map_slot_owner(map, entry->first_slot) == entry->target_shard)
        return STATE_SUCCESS;
    return entry->error != RESHARD_OK ? STATE_FAILED : STATE_CANCELLED;
}

static bool entry_follow(struct engine *engine, struct history_entry *entry)
{
    const struct reshard_map *map = reshard_coordinator_map(engine->coordinator);
    struct reshard_map_migration open = {.struct_size = sizeof(open)};
    struct reshard_progress progress = {.struct_size = sizeof(progress)};
    if (entry->state != STATE_OPEN)
        return false;
    entry->updated_ms = clock_wall_ms();
    if (reshard_coordinator_progress(engine->coordinator, entry->migration, &progress) ==
        RESHARD_OK) {
        entry->keys = progress.keys;
        entry->bytes = progress.bytes;
        entry->pause_ns = progress.pause_total_ns;
        entry->error = (progress.state & RESHARD_RUN_ABORTING) != 0 ? RESHARD_OK
                                                                   : progress.last_error;
    }
    if (reshard_map_migration_find(map, entry->migration, &open) == RESHARD_OK)
        return false;
    entry->state = end_state(engine, entry);
    return true;
}

/* After a turn of the coordinator: what is new, what has ended. */
void engine__history_follow(struct engine *engine)
{
    const struct reshard_map *map = reshard_coordinator_map(engine->coordinator);
    struct reshard_map_migration open = {.struct_size = sizeof(open)};
    bool changed = false;
    if (!engine->history_loaded)
        history_load(engine);
    reshard_migration_id known = engine->history_last;
    for (uint32_t index = 0; reshard_map_migration_at(map, index, &open) == RESHARD_OK; index++) {
        /* One slot at a time, opened by hand: CLUSTER NODES shows those. */
        if (open.migration <= known ||
            (open.migration_flags & RESHARD_MIGRATION_OPERATOR) != 0)
            continue;
        entry_add(engine, &open);
        changed = true;
    }
    for (struct history_entry *at = engine->history; at != NULL; at = at->next)
        changed = entry_follow(engine, at) || changed;
    if (changed)
        history_save(engine);
}

static void entry_text(
    struct engine *engine, const struct history_entry *entry, bool gives, struct buffer *text)
{
    struct reshard_progress p = {.struct_size = sizeof(p)};
    bool open = reshard_coordinator_progress(engine->coordinator, entry->migration, &p) ==
        RESHARD_OK;
    buffer_append_format(text,
        "name=%llu\toperation=%s\tslot_ranges=%.*s\ttarget_node=%s\tsource_node=%s\t"
        "create_time=%lld\tlast_update_time=%lld\tlast_ack_time=%lld\tstate=%s\tmessage=%s\t"
        "cow_size=0\tremaining_repl_size=%llu\tmode=%s\tkeys=%llu\tbytes=%llu\t"
        "bytes_per_second=%llu\tpause_us=%llu\tattempts=%u\n",
        (unsigned long long)entry->migration, gives ? "EXPORT" : "IMPORT",
        (int)entry->ranges.size, (const char *)entry->ranges.data, entry->target, entry->source,
        (long long)(entry->created_ms / 1000), (long long)(entry->updated_ms / 1000),
        (long long)(entry->updated_ms / 1000),
        open ? reshard_phase_name(p.phase) : state_names[entry->state],
        entry->error == RESHARD_OK ? "" : reshard_strerror(entry->error),
        (unsigned long long)(open ? p.lag_size : 0),
        entry->mode == RESHARD_MODE_SNAPSHOT ? "snapshot" : "keywise",
        (unsigned long long)entry->keys, (unsigned long long)entry->bytes,
        (unsigned long long)(open ? p.rate : 0), (unsigned long long)(entry->pause_ns / 1000),
        open ? p.attempts : 0);
}

/* Newest first, those that concern the node; keywise ones only while they are open. */
void engine__history_text(struct engine *engine, struct bytes name, struct buffer *text)
{
    struct reshard_map_migration open = {.struct_size = sizeof(open)};
    const struct reshard_map *map = reshard_coordinator_map(engine->coordinator);
    for (const struct history_entry *at = engine->history; at != NULL; at = at->next) {
        bool gives = bytes_equal(name, bytes_of(at->source));
        bool shown = at->mode == RESHARD_MODE_SNAPSHOT ||
            reshard_map_migration_find(map, at->migration, &open) == RESHARD_OK;
        if (shown && (gives || bytes_equal(name, bytes_of(at->target))))
            entry_text(engine, at, gives, text);
    }
}
