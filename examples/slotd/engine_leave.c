/* SPDX-License-Identifier: MIT */
/* Room engine: keys that leave. MIGRATE is answered before its keys have gone, also before their
 * slot's move has begun; from then on they are given to the library until they are not here.
 *
 * Safe, because nothing rests on the answer: the library moves each key as it would have, until
 * then this node serves it, and keeps it durably. When this node ends before they have gone, the
 * keys are here, the slot's move is open, and who finishes it takes them along (engine_give_ask).
 * Who looks at this node sees them gone: see looks_early() in command.c.
 *
 * Invariant: a key that is waited for was here when it was promised, and its slot's move to another
 * node is open or promised. Few wait at a time: what is refused, or stands still, is soon told.
 */
#include "engine_room.h"

#include <stdlib.h>
#include <string.h>

enum {
    LEAVE_MAX = 16,       /* requests: of several slots, which syncs serve together */
    LEAVE_KEYS_MAX = 256, /* looked through for each key that GETKEYSINSLOT shows */
    LEAVE_SIZE_MAX = 4 << 20
};
#define LEAVE_LATE_NS ((uint64_t)500000000)

struct leave {
    struct leave *next;
    uint32_t slot;
    uint32_t key_count;
    struct bytes *keys; /* in one piece of memory with what they name */
    uint64_t size;
    uint64_t asked_ns;
    bool given; /* to the library */
    bool look;  /* some have gone */
};

/* ---- what is promised ---- */

bool engine_leaves_since(const struct engine *engine, uint64_t until_ns)
{
    for (const struct leave *at = engine->leaves; at != NULL; at = at->next)
        if (at->asked_ns <= until_ns)
            return true;
    return false;
}

bool engine_leaves(const struct engine *engine, uint32_t slot)
{
    for (const struct leave *at = engine->leaves; at != NULL; at = at->next)
        if (at->slot == slot)
            return true;
    return false;
}

bool engine_leaves_key(const struct engine *engine, uint32_t slot, struct bytes name)
{
    for (const struct leave *at = engine->leaves; at != NULL; at = at->next)
        for (uint32_t index = 0; at->slot == slot && index < at->key_count; index++)
            if (bytes_equal(at->keys[index], name))
                return true;
    return false;
}

bool engine_leave_room(const struct engine *engine, size_t key_count, uint64_t size)
{
    uint64_t now_ns = clock_monotonic_ns();
    size_t count = 1;
    for (const struct leave *at = engine->leaves; at != NULL; at = at->next) {
        if (now_ns - at->asked_ns > LEAVE_LATE_NS)
            return false; /* something is wrong: whoever asks now is to hear of it */
        key_count += at->key_count;
        size += at->size;
        count++;
    }
    return count <= LEAVE_MAX && key_count <= LEAVE_KEYS_MAX && size <= LEAVE_SIZE_MAX;
}

/* ---- what is done for it ---- */

static void leave_give(struct engine *engine, struct leave *leave)
{
    const uint8_t *names[LEAVE_KEYS_MAX];
    size_t sizes[LEAVE_KEYS_MAX];
    for (uint32_t index = 0; index < leave->key_count; index++) {
        names[index] = leave->keys[index].data;
        sizes[index] = leave->keys[index].size;
    }
    leave->given = reshard_node_move_keys(
        engine->node, leave->slot, names, sizes, leave->key_count) == RESHARD_OK;
    engine->dirty |= leave->given;
}

void engine_leave(struct engine *engine, uint32_t slot, const struct bytes *keys, size_t key_count,
    uint64_t size)
{
    size_t names_size = 0;
    for (size_t index = 0; index < key_count; index++)
        names_size += keys[index].size;
    struct leave *leave = memory_take(sizeof(*leave));
    leave->keys = memory_take(key_count * sizeof(*keys) + names_size);
    uint8_t *at = (uint8_t *)(leave->keys + key_count);
    for (size_t index = 0; index < key_count; at += keys[index++].size) {
        leave->keys[index] = (struct bytes){at, keys[index].size};
        if (keys[index].size > 0)
            memcpy(at, keys[index].data, keys[index].size);
    }
    leave->slot = slot;
    leave->key_count = (uint32_t)key_count;
    leave->size = size;
    leave->asked_ns = clock_monotonic_ns();
    leave->next = engine->leaves;
    engine->leaves = leave;
    leave_give(engine, leave);
}

void engine__leave_look(void *user_data, uint32_t slot)
{
    const struct engine *engine = user_data;
    for (struct leave *at = engine->leaves; at != NULL; at = at->next)
        at->look |= at->slot == slot;
}

/* Keys that are here still come first; those that have gone are forgotten. */
static void leave_look(struct engine *engine, struct leave *leave)
{
    uint32_t count = 0;
    for (uint32_t index = 0; index < leave->key_count; index++) {
        struct store_key key = {leave->slot, leave->keys[index]};
        struct store_item item;
        if (store_find(engine->slotd->store, &key, &item))
            leave->keys[count++] = leave->keys[index];
    }
    leave->key_count = count;
    leave->look = false;
}

/* Whether the slot's move from here by hand is open, or promised. */
static bool leave_bound(const struct engine *engine, const struct leave *leave)
{
    const struct reshard_map *map = engine_map(engine);
    struct reshard_map_migration open = {.struct_size = sizeof(open)};
    reshard_migration_id id = reshard_map_slot_migration(map, leave->slot);
    return id == 0 ? engine__promised_open(engine, leave->slot)
                   : reshard_map_migration_find(map, id, &open) == RESHARD_OK &&
            open.mode == RESHARD_MODE_KEYWISE && open.decision == RESHARD_DECISION_NONE &&
            open.source == engine__shard(engine, map).shard;
}

static bool leave_over(struct engine *engine, struct leave *leave, uint64_t now_ns)
{
    if (leave->look)
        leave_look(engine, leave);
    if (leave->key_count == 0)
        return true;
    if (now_ns - leave->asked_ns <= ENGINE_PROMISE_NS && leave_bound(engine, leave)) {
        if (!leave->given)
            leave_give(engine, leave);
        return false;
    }
    log_event(LOG_WARNING, "migrate_unkept", "slot=%u keys=%u", leave->slot, leave->key_count);
    return true;
}

static void leave_free(struct leave *leave)
{
    free(leave->keys);
    free(leave);
}

void engine__leaves_run(struct engine *engine)
{
    uint64_t now_ns = engine->leaves != NULL ? clock_monotonic_ns() : 0;
    struct leave **link = &engine->leaves;
    while (*link != NULL) {
        struct leave *leave = *link;
        if (!leave_over(engine, leave, now_ns)) {
            link = &leave->next;
            continue;
        }
        *link = leave->next;
        leave_free(leave);
        engine->store.wake_wanted = true;
    }
}

/* Keys that clients delete, or whose time is over, go unseen; others were written anew. */
void engine__leaves_tick(struct engine *engine)
{
    for (struct leave *at = engine->leaves; at != NULL; at = at->next) {
        at->look = true;
        at->given = false;
        engine->dirty = true;
    }
}

void engine__leaves_free(struct engine *engine)
{
    while (engine->leaves != NULL) {
        struct leave *next = engine->leaves->next;
        leave_free(engine->leaves);
        engine->leaves = next;
    }
}
