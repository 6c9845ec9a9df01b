/* SPDX-License-Identifier: MIT */
/* Room host: hooks of mode snapshot, and those that both modes share. See host.h. */
#include "host.h"

#include "log.h"

#include <stdlib.h>
#include <string.h>

enum {
    PURGE_SLOTS = 256, /* one purge */
    /* Of an export. Small keys cost by number, at the target before all, large ones by size: a key
     * is taken for so many bytes more. While clients ask, that is a hundred small keys, or eleven
     * of 10 KB: about what a turn serves clients with. */
    EXPORT_KEY_SIZE = 1152,
    EXPORT_ASKED_SIZE = 131072,
    EXPORT_REST_NS = 450000, /* a step for each, */
    EXPORT_RESTS = 4,        /* or up to so many at once where turns are far apart */
    EXPORT_IDLE_SIZE = HOST_CHUNK_SIZE / 4
};

/* An export that is under way. Its cursor counts steps: 0 starts over. */
struct host_export {
    struct host_export *next;
    reshard_migration_id migration;
    uint64_t step;
    size_t range;
    bool ended;              /* all was read; `records` may hold some yet */
    struct store_export state;
    struct buffer records;   /* read and not handed out */
};

static void export_drop(struct host_store *host, reshard_migration_id migration)
{
    struct host_export **at = &host->exports;
    while (*at != NULL && (*at)->migration != migration)
        at = &(*at)->next;
    struct host_export *found = *at;
    if (found == NULL)
        return;
    *at = found->next;
    store_export_free(&found->state);
    buffer_free(&found->records);
    free(found);
}

static struct host_export *export_find(
    struct host_store *host, const struct reshard_action *action)
{
    struct host_export *found = host->exports;
    if (action->cursor == 0) {
        export_drop(host, action->migration);
        found = memory_take(sizeof(*found));
        found->migration = action->migration;
        found->state.position = (uint64_t)action->ranges[0].first << 32;
        found->next = host->exports;
        host->exports = found;
        return found;
    }
    while (found != NULL && found->migration != action->migration)
        found = found->next;
    return found != NULL && found->step == action->cursor ? found : NULL;
}

static uint64_t export_rests(const struct host_store *host)
{
    uint64_t rests = (host->turn_ns - host->exported_ns) / EXPORT_REST_NS;
    return rests < EXPORT_RESTS ? rests : EXPORT_RESTS;
}

/* Whether this turn may read on. */
static bool export_rested(const struct host_store *host)
{
    return !host->clients_ask || (!host->exported && export_rests(host) > 0);
}

/* How much of the copy it may read. */
static size_t export_limit(const struct host_store *host)
{
    if (!host->clients_ask)
        return EXPORT_IDLE_SIZE;
    return EXPORT_ASKED_SIZE * (size_t)export_rests(host);
}

/* Read on, through ranges without keys too, until there is something to hand out. */
static void export_read(
    struct host_store *host, struct host_export *export_state, const struct reshard_action *action)
{
    struct store_export *state = &export_state->state;
    size_t limit = export_limit(host);
    state->key_size = host->clients_ask ? EXPORT_KEY_SIZE : 0;
    state->keys_size = 0;
    while (!export_state->ended && export_state->records.size + state->keys_size < limit) {
        uint64_t end = ((uint64_t)action->ranges[export_state->range].last + 1) << 32;
        if (!store_export_step(host->store, state, end,
                limit - export_state->records.size - state->keys_size, &export_state->records))
            continue;
        export_state->range++;
        export_state->ended = export_state->range == action->range_count;
        if (!export_state->ended)
            state->position = (uint64_t)action->ranges[export_state->range].first << 32;
    }
}

static int32_t export_serve(struct host_store *host, const struct reshard_action *action,
    struct reshard_completion *completion)
{
    struct host_export *export_state = export_find(host, action);
    if (export_state == NULL)
        return RESHARD_E_STATE;
    host->worked = host->exported = true;
    export_read(host, export_state, action);
    host->exported_ns = host->turn_ns;
    const struct buffer *records = &export_state->records;
    size_t size = 0;
    while (size + 4 <= records->size) {
        size_t one = get_u32(records->data + size); /* a record begins with its size */
        if (size + one > action->capacity)
            break;
        size += one;
        completion->keys++;
    }
    if (size == 0 && records->size > 0)
        return RESHARD_E_SPACE;
    if (size > 0)
        memcpy(action->buffer, records->data, size);
    buffer_consume(&export_state->records, size);
    completion->size = size;
    completion->cursor = ++export_state->step;
    completion->done = export_state->ended && records->size == 0;
    if (completion->done)
        export_drop(host, action->migration);
    return RESHARD_OK;
}

/* An export that waits for a turn of its own. */
struct host_paced {
    struct host_paced *next;
    const struct reshard_action *action; /* the driver's, until it completes */
};

static int32_t on_export(void *user_data, const struct reshard_action *action,
    struct reshard_completion *completion)
{
    struct host_store *host = user_data;
    struct host_paced **link = &host->paced;
    if (export_rested(host))
        return export_serve(host, action, completion);
    while (*link != NULL)
        link = &(*link)->next;
    *link = memory_take(sizeof(**link));
    (*link)->action = action;
    return RESHARD_PENDING;
}

bool host_export_go_on(struct host_store *host)
{
    struct host_paced *paced = host->paced;
    struct reshard_completion completion;
    if (paced == NULL || !export_rested(host))
        return false;
    reshard_completion_init(&completion);
    host->paced = paced->next;
    completion.status = export_serve(host, paced->action, &completion);
    (void)reshard_driver_complete(host->driver, paced->action->id, &completion);
    free(paced);
    return true;
}

static void slots_stage(struct host_store *host, const struct reshard_action *action)
{
    for (size_t index = 0; index < action->range_count; index++)
        for (uint32_t slot = action->ranges[index].first; slot <= action->ranges[index].last;
             slot++)
            store_slot_stage(host->store, slot);
}

/* The copy's position; a new copy begins with an empty staging. */
static void position_open(struct host_store *host, const struct reshard_action *action,
    struct host_position *position)
{
    if (host_position_get(host->store, action->migration, position) &&
        position->copy_term == action->copy_term && position->copy_n == action->copy_n)
        return;
    *position = (struct host_position){
        HOST_POSITION_STAGING, action->copy_term, action->copy_n, 0};
    if (action->mode == RESHARD_MODE_SNAPSHOT)
        slots_stage(host, action);
    host_position_put(host->store, action->migration, position);
}

/* Answers leave after the commit; keys that move one by one are as durable as any write. */
int32_t host_items_end(struct host_store *host, const struct reshard_action *action,
    struct reshard_completion *completion)
{
    struct host_position position;
    position_open(host, action, &position);
    if (action->sequence > position.sequence) {
        position.sequence = action->sequence;
        host_position_put(host->store, action->migration, &position);
    }
    completion->sequence = position.sequence;
    return host_replicas_wait(host->sync, host->driver, action, completion);
}

static int32_t items_apply(struct host_store *host, const struct reshard_action *action,
    const struct host_position *position, struct reshard_completion *completion)
{
    int32_t status = RESHARD_OK;
    if (action->sequence > position->sequence)
        status = host_items_apply(host, (struct bytes){action->payload, action->payload_size});
    if (status == RESHARD_OK && action->sequence > position->sequence)
        status = host_fetch_begin(host, action);
    return status == RESHARD_OK ? host_items_end(host, action, completion) : status;
}

static struct host_staged *staged_of(struct host_sync *sync, reshard_migration_id migration)
{
    return &sync->staged[migration % HOST_STAGED_COUNT];
}

static bool staged_here(const struct host_staged *staged, reshard_migration_id migration,
    const struct host_position *position)
{
    return staged->migration == migration && staged->copy_term == position->copy_term &&
        staged->copy_n == position->copy_n;
}

static void staged_follow(struct host_store *host, reshard_migration_id migration,
    const struct host_position *position)
{
    struct host_staged *staged = staged_of(host->sync, migration);
    if (!staged_here(staged, migration, position))
        *staged = (struct host_staged){.migration = migration, .copy_term = position->copy_term,
            .copy_n = position->copy_n};
    staged->applied = position->sequence;
}

/* A copy that is lost in part is sent again from its position: only what rests on it, its seal
 * before all, needs it on the disk. */
static bool chunk_apply(struct host_store *host, const struct reshard_action *action,
    struct host_position *position)
{
    bool bulk = host->sync->durability == DURABILITY_BATCH;
    if (bulk)
        store_bulk_begin(host->store);
    bool sound = store_apply(host->store,
        (struct bytes){action->payload, action->payload_size}, true) == 0;
    if (sound) {
        position->sequence = action->sequence;
        host_position_put(host->store, action->migration, position);
    }
    if (bulk)
        store_bulk_end(host->store, action->payload_size);
    return sound;
}

static int32_t on_apply(void *user_data, const struct reshard_action *action,
    struct reshard_completion *completion)
{
    struct host_store *host = user_data;
    struct host_position position;
    if (!store_has_room(host->store, action->payload_size))
        return RESHARD_E_SPACE;
    position_open(host, action, &position);
    if (action->mode == RESHARD_MODE_KEYWISE)
        return items_apply(host, action, &position, completion);
    host->worked = true;
    if (action->sequence > position.sequence && !chunk_apply(host, action, &position))
        return RESHARD_E_TYPE;
    staged_follow(host, action->migration, &position);
    if (host->sync->durability != DURABILITY_BATCH && host->sync->logged <= host->sync->released)
        completion->sequence = position.sequence;
    return RESHARD_OK;
}

static int32_t on_sync(void *user_data, const struct reshard_action *action,
    struct reshard_completion *completion)
{
    struct host_store *host = user_data;
    struct host_position position;
    if (host_position_get(host->store, action->migration, &position) &&
        position.state == HOST_POSITION_STAGING) {
        completion->sequence = position.sequence;
        completion->copy_term = position.copy_term;
        completion->copy_n = position.copy_n;
        /* What goes on is synced as it comes, or within a second: its next chunks need not wait
         * for that. */
        const struct host_staged *staged = staged_of(host->sync, action->migration);
        if (host->sync->durability == DURABILITY_BATCH && host->sync->released == UINT64_MAX &&
            staged_here(staged, action->migration, &position)) {
            completion->sequence = staged->synced;
            return RESHARD_OK;
        }
    }
    return host_sync_wait(host->sync, host->driver, action, completion);
}

/* Also what nobody staged: an empty slot arrives empty, whatever lay here. Once only: a second
 * time what is live is the slots' data. The record that follows syncs both. */
static int32_t on_activate(void *user_data, const struct reshard_action *action,
    struct reshard_completion *completion)
{
    struct host_store *host = user_data;
    struct host_position position = {0};
    (void)completion;
    (void)host_position_get(host->store, action->migration, &position);
    if (position.state == HOST_POSITION_ACTIVE)
        return RESHARD_OK;
    for (size_t index = 0; index < action->range_count; index++)
        for (uint32_t slot = action->ranges[index].first; slot <= action->ranges[index].last;
             slot++) {
            struct store_stats stats;
            store_slot_stats(host->store, slot, &stats);
            if (store_slot_staged(host->store, slot))
                store_slot_activate(host->store, slot);
            else if (stats.key_count > 0)
                store_slot_clear(host->store, slot);
        }
    position = (struct host_position){HOST_POSITION_ACTIVE, 0, 0, 0};
    host_position_put(host->store, action->migration, &position);
    return RESHARD_OK;
}

static int32_t on_discard(void *user_data, const struct reshard_action *action,
    struct reshard_completion *completion)
{
    struct host_store *host = user_data;
    (void)completion;
    for (size_t index = 0; index < action->range_count; index++)
        for (uint32_t slot = action->ranges[index].first; slot <= action->ranges[index].last;
             slot++)
            store_slot_discard(host->store, slot);
    host_position_remove(host->store, action->migration);
    return RESHARD_OK;
}

/* Slots are retired here; the store deletes retired rows in its own small steps. */
static int32_t on_purge(void *user_data, const struct reshard_action *action,
    struct reshard_completion *completion)
{
    struct host_store *host = user_data;
    uint32_t left = PURGE_SLOTS;
    export_drop(host, action->migration);
    for (size_t index = 0; index < action->range_count; index++)
        for (uint32_t slot = action->ranges[index].first; slot <= action->ranges[index].last;
             slot++) {
            struct store_stats stats;
            store_slot_stats(host->store, slot, &stats);
            if (slot < action->cursor || stats.key_count == 0)
                continue;
            if (left-- == 0) {
                completion->cursor = slot;
                return RESHARD_OK;
            }
            completion->keys += stats.key_count;
            store_slot_clear(host->store, slot);
        }
    completion->done = 1;
    return host_replicas_wait(host->sync, host->driver, action, completion);
}

static int32_t on_digest(void *user_data, const struct reshard_action *action,
    struct reshard_completion *completion)
{
    const struct host_store *host = user_data;
    struct reshard_digest sum = {1, 1};
    for (size_t index = 0; index < action->range_count; index++)
        for (uint32_t slot = action->ranges[index].first; slot <= action->ranges[index].last;
             slot++) {
            struct store_stats stats;
            if (action->side == RESHARD_SIDE_TARGET)
                store_staged_stats(host->store, slot, &stats);
            else
                store_slot_stats(host->store, slot, &stats);
            sum.low += stats.digest.low;
            sum.high += stats.digest.high;
        }
    if (sum.low == 0 && sum.high == 0)
        sum.low = 1;
    completion->digest = sum;
    return RESHARD_OK;
}

static int32_t on_wake(void *user_data, const struct reshard_action *action,
    struct reshard_completion *completion)
{
    struct host_store *host = user_data;
    (void)completion;
    host->wake_wanted = true;
    if (action->side == RESHARD_SIDE_TARGET)
        host->served = action->migration;
    return RESHARD_OK;
}

void host_store_hooks(struct host_store *host, struct reshard_store *hooks_out)
{
    reshard_store_init(hooks_out);
    hooks_out->user_data = host;
    hooks_out->export_data = on_export;
    hooks_out->apply = on_apply;
    hooks_out->sync = on_sync;
    hooks_out->activate = on_activate;
    hooks_out->discard = on_discard;
    hooks_out->purge = on_purge;
    hooks_out->digest = on_digest;
    hooks_out->pick = host_pick;
    hooks_out->remove = host_remove;
    hooks_out->wake = on_wake;
}

void host_store_sweep(struct host_store *host, const struct reshard_map *map)
{
    struct reshard_map_migration open = {.struct_size = sizeof(open)};
    struct host_export *at = host->exports;
    while (at != NULL) {
        struct host_export *next = at->next;
        if (reshard_map_migration_find(map, at->migration, &open) != RESHARD_OK)
            export_drop(host, at->migration);
        at = next;
    }
    host_positions_sweep(host->store, map);
}

void host_store_free(struct host_store *host)
{
    host_fetch_free(host);
    while (host->exports != NULL)
        export_drop(host, host->exports->migration);
    while (host->paced != NULL) {
        struct host_paced *next = host->paced->next;
        free(host->paced);
        host->paced = next;
    }
}
