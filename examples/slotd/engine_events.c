/* SPDX-License-Identifier: MIT */
/* Room engine: the library's events as log lines. */
#include "engine_room.h"

static void event_log(const struct reshard_event *event, const char *who)
{
    bool bad = event->kind == RESHARD_EVENT_HOOK_FAILED ||
        event->kind == RESHARD_EVENT_BAD_MESSAGE || event->kind == RESHARD_EVENT_HELD_ALONE ||
        event->kind == RESHARD_EVENT_MISMATCH || event->kind == RESHARD_EVENT_NOT_CONVERGING;
    bool fine = event->kind == RESHARD_EVENT_ORDERED || event->kind == RESHARD_EVENT_MAP;
    log_event(bad ? LOG_WARNING : fine ? LOG_DEBUG : LOG_INFO, "reshard",
        "by=%s kind=%s migration=%llu side=%u from=%s to=%s order=%llu.%llu status=%s value=%llu",
        who, reshard_event_name(event->kind), (unsigned long long)event->migration, event->side,
        reshard_phase_name(event->phase_from), reshard_phase_name(event->phase_to),
        (unsigned long long)event->term, (unsigned long long)event->order,
        reshard_strname(event->status), (unsigned long long)event->value);
}

/* While writes pause here, what can wait for the disk does. */
static void event_still(const struct reshard_event *event, struct store *store)
{
    if (event->kind == RESHARD_EVENT_PAUSE || event->kind == RESHARD_EVENT_RESUME)
        store_sync_still(store, event->kind == RESHARD_EVENT_PAUSE);
}

/* A move is soon over: what would stop clients in it waits for its end. */
static void copies_follow(struct engine *engine)
{
    bool copies = engine__moves(engine, RESHARD_MODE_SNAPSHOT);
    if (copies != engine->copies)
        store_commit_later(engine->slotd->store, copies ? ENGINE_LATER_MS : 0);
    engine->copies = copies;
}

static void event_count(const struct reshard_event *event, struct statistics *statistics)
{
    if (event->kind == RESHARD_EVENT_RESUME) {
        statistics->pauses++;
        statistics->pause_us += event->value / 1000;
    }
    if (event->kind == RESHARD_EVENT_END)
        *(event->phase_to == RESHARD_PHASE_DONE ? &statistics->migrations_done
                                                : &statistics->migrations_reverted) += 1;
}

/* A message that could not be sent now is sent again: nothing to tell. */
static bool event_dull(const struct reshard_event *event)
{
    return event->kind == RESHARD_EVENT_HOOK_FAILED && event->value == RESHARD_ACTION_SEND;
}

static void pause_set(struct engine *engine, reshard_migration_id migration, bool pauses)
{
    const struct reshard_map *map = reshard_node_newest_map(engine->node);
    struct reshard_map_migration open = {.struct_size = sizeof(open)};
    struct reshard_map_shard shard = {.struct_size = sizeof(shard)};
    if (reshard_map_migration_find(map, migration, &open) == RESHARD_OK &&
        open.mode == RESHARD_MODE_SNAPSHOT &&
        reshard_map_shard_find(map, open.source, &shard) == RESHARD_OK)
        engine__inbox_pause(engine, shard.primary, pauses);
}

/* From FREEZE on the source's writes wait for this node, until it serves the slots. */
static void pause_follow(struct engine *engine, const struct reshard_event *event)
{
    bool pauses = event->phase_to == RESHARD_PHASE_FREEZE ||
        event->phase_to == RESHARD_PHASE_HOLD || event->phase_to == RESHARD_PHASE_SETTLE;
    if (event->side == RESHARD_SIDE_TARGET)
        pause_set(engine, event->migration, pauses);
}

/* A pause waits for the source's disk: what lies there unsynced goes before it, and while the
 * target syncs. */
static void early_follow(struct engine *engine, const struct reshard_event *event)
{
    if (event->side == RESHARD_SIDE_SOURCE && (event->phase_to == RESHARD_PHASE_CATCHUP ||
            event->phase_to == RESHARD_PHASE_FREEZE))
        host_sync_early(&engine->sync);
}

void engine__events(struct engine *engine)
{
    struct reshard_event event = {.struct_size = sizeof(event)};
    while (reshard_node_event_next(engine->node, &event) == RESHARD_OK) {
        /* MIGRATE waits for its phase, others for what the map says. */
        if (event.kind == RESHARD_EVENT_MAP || event.kind == RESHARD_EVENT_ORDERED) {
            engine->store.wake_wanted = true;
            copies_follow(engine);
        }
        if (event.kind == RESHARD_EVENT_ORDERED) {
            pause_follow(engine, &event);
            early_follow(engine, &event);
        }
        event_still(&event, engine->slotd->store);
        event_count(&event, &engine->slotd->statistics);
        if (!event_dull(&event))
            event_log(&event, "node");
    }
    if (engine->store.served != 0)
        pause_set(engine, engine->store.served, false);
    engine->store.served = 0;
    while (engine->coordinator != NULL &&
        reshard_coordinator_event_next(engine->coordinator, &event) == RESHARD_OK) {
        event_count(&event, &engine->slotd->statistics);
        if (!event_dull(&event))
            event_log(&event, "coordinator");
    }
}
