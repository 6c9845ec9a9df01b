/* SPDX-License-Identifier: MIT */
/* Room sim: an operator who works by hand (RESHARD_MIGRATION_OPERATOR) in random runs: names the
 * keys that go next, a few at a time, and ends a migration when none is left. */
#include "sim/script.h"

enum { EVERY = 16, KEYS = 4, FINISH_EVERY = 64 };

static bool by_hand(const struct reshard_sim *sim, const struct moving *moving)
{
    struct reshard_map_migration entry = {.struct_size = sizeof entry};
    (void)reshard_map_migration_find(sim->authority.map, moving->migration, &entry);
    return entry.migration_flags & RESHARD_MIGRATION_OPERATOR;
}

/* The first slot of which its source has keys; UINT32_MAX = there is none. */
static uint32_t slot_left(const struct moving *moving, const struct disk *disk)
{
    uint32_t slot = reshard__moving_slot(moving, 0);
    while (slot != UINT32_MAX && disk->slot_keys[slot] == 0)
        slot = reshard__moving_slot(moving, slot + 1);
    return slot;
}

static void keys_give(struct reshard_sim *sim, struct host *host, uint32_t slot)
{
    uint8_t names[KEYS][SIM_NAME_SIZE];
    const uint8_t *keys[KEYS];
    size_t sizes[KEYS];
    uint32_t count = 0;
    for (uint32_t key = 0; key < sim->set.key_count && count < KEYS; key++) {
        if (reshard__key_slot(sim, key) != slot || host->disk->values[key] == 0)
            continue;
        keys[count] = names[count];
        sizes[count] = reshard__key_name(host->disk, key, names[count]);
        count++;
    }
    if (count == 0)
        return;
    (void)reshard_node_move_keys(host->node, slot, keys, sizes, count);
    reshard__host_drain(sim, host);
}

/* Of everyone who says that it leads: one that is deposed may not know. */
static void finish(struct reshard_sim *sim, reshard_migration_id migration)
{
    for (size_t i = 0; i < sim->host_count; i++) {
        struct host *host = sim->hosts[i];
        if (reshard_coordinator_leads(host->coordinator) != 1 || host->frozen)
            continue;
        (void)reshard_coordinator_finish(host->coordinator, migration);
        reshard__host_drain(sim, host);
    }
}

static void moving_work(struct reshard_sim *sim, const struct moving *moving)
{
    struct host *host = reshard__host_acting(sim, moving->shards[0]);
    uint32_t slot = host ? slot_left(moving, host->disk) : UINT32_MAX;
    if (slot == UINT32_MAX && sim->steps % FINISH_EVERY == 0)
        finish(sim, moving->migration);
    else if (slot != UINT32_MAX && host->up && host->node && !host->frozen)
        keys_give(sim, host, slot);
}

void reshard__hands_work(struct reshard_sim *sim)
{
    if (sim->set.gather_ns == 0 || sim->steps % EVERY)
        return;
    for (size_t i = 0; i < sim->moving_count && !sim->violated; i++) {
        const struct moving *moving = &sim->movings[i];
        if (!moving->closed && moving->phase == RESHARD_PHASE_MOVE && by_hand(sim, moving))
            moving_work(sim, moving);
    }
}

bool reshard__hands_rest(const struct reshard_sim *sim)
{
    for (size_t i = 0; i < sim->moving_count; i++) {
        const struct moving *moving = &sim->movings[i];
        bool settles = moving->phase == RESHARD_PHASE_SETTLE && sim->set.settle_ns > 0;
        if (!moving->closed && !settles && moving->phase != RESHARD_PHASE_DONE &&
            moving->phase != RESHARD_PHASE_REVERTED)
            return false;
    }
    return true;
}
