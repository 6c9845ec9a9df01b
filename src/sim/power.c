/* SPDX-License-Identifier: MIT */
/* Room sim: what a loss of power takes from a disk: what was written since the last write that is
 * durable, from the end on (action.h: none is outlived by anything that was written after it). A
 * process that dies alone loses nothing of it. Where a world is `unsynced`, clients are answered
 * before what they wrote is durable, so that it may go too; elsewhere it is synced before. */
#include "sim/sim.h"

void reshard__disk_synced(struct disk *disk)
{
    disk->loose.count = 0;
}

static struct loose *loose_add(struct disk *disk)
{
    struct loose_list *list = &disk->loose;
    list->entries =
        reshard__sim_grow(list->entries, &list->capacity, list->count + 1, sizeof *list->entries);
    struct loose *loose = &list->entries[list->count++];
    memset(loose, 0, sizeof *loose);
    return loose;
}

void reshard__loose_record(
    const struct reshard_sim *sim, struct disk *disk, const struct reshard_action *action)
{
    uint32_t loose = sim->set.unsynced ? RESHARD_DURABILITY_WRITE : RESHARD_DURABILITY_ORDERED;
    if (action->durability >= loose)
        loose_add(disk)->journal_size = disk->journal_size;
    else
        reshard__disk_synced(disk);
}

void reshard__loose_action(
    const struct reshard_sim *sim, struct disk *disk, const struct reshard_action *action)
{
    static const bool durable[RESHARD_ACTION_KIND_COUNT] = {
        [RESHARD_ACTION_SYNC] = true,
        [RESHARD_ACTION_ACTIVATE] = true,
        [RESHARD_ACTION_DISCARD] = true,
        [RESHARD_ACTION_PURGE] = true,
        [RESHARD_ACTION_REMOVE] = true,
    };
    if (durable[action->kind] || (action->kind == RESHARD_ACTION_APPLY && !sim->set.lazy))
        reshard__disk_synced(disk);
}

static void value_add(struct disk *disk, enum loose_kind kind, uint32_t key)
{
    struct loose *loose = loose_add(disk);
    loose->kind = kind;
    loose->key = key;
    loose->value = disk->values[key];
}

void reshard__loose_key(struct disk *disk, uint32_t key)
{
    value_add(disk, LOOSE_KEY, key);
}

void reshard__loose_write(const struct reshard_sim *sim, struct disk *disk, uint32_t key)
{
    if (sim->set.unsynced && !disk->kind)
        value_add(disk, LOOSE_WRITE, key);
    else
        reshard__disk_synced(disk);
}

void reshard__loose_staging(struct disk *disk, const struct staging *staging)
{
    struct loose *loose = loose_add(disk);
    loose->kind = LOOSE_STAGING;
    loose->migration = staging->migration;
    loose->copy_term = staging->copy_term;
    loose->copy_n = staging->copy_n;
    loose->sequence = staging->sequence;
}

/* Whether the key may have gone ahead: a target keeps what its source lost, and answers for it. */
static bool ahead(struct reshard_sim *sim, uint32_t key)
{
    const struct moving *moving = reshard__moving_find(
        sim, reshard_map_slot_migration(sim->authority.map, reshard__key_slot(sim, key)));
    return moving && moving->mode == RESHARD_MODE_KEYWISE;
}

/* To clients it is as if somebody wrote again what stood there before, unless another node's write
 * counts by then. A replica that is promoted instead, or a keywise target, may have the write all
 * the same. */
static void write_undo(struct reshard_sim *sim, const struct host *host, const struct loose *loose)
{
    uint64_t value = host->disk->values[loose->key];
    reshard__disk_put(sim, host->disk, loose->key, loose->value);
    if (!host->acting || !reshard__effect_counts(sim, host->shard, loose->key, value))
        return;
    uint32_t op = loose->value ? RESHARD_OP_WRITE : RESHARD_OP_REMOVE;
    size_t index = reshard__history_begin(sim, UINT32_MAX, op, loose->key, loose->value);
    reshard__effect_add(sim, host->shard, loose->key, loose->value, index);
    if (!sim->followed && !ahead(sim, loose->key))
        reshard__history_end(sim, index, 0);
}

static void loose_undo(
    struct reshard_sim *sim, struct host *host, const struct loose *loose)
{
    struct disk *disk = host->disk;
    if (loose->kind == LOOSE_WRITE) {
        write_undo(sim, host, loose);
        return;
    }
    if (loose->kind == LOOSE_RECORD) {
        disk->journal_size = loose->journal_size;
        host->seen_version = host->seen_term = 0; /* its map may be one of the past */
        return;
    }
    if (loose->kind == LOOSE_KEY) {
        reshard__disk_put(sim, disk, loose->key, loose->value);
        return;
    }
    struct staging *staging = reshard__staging_find(disk, loose->migration);
    staging->copy_term = loose->copy_term;
    staging->copy_n = loose->copy_n;
    staging->sequence = loose->sequence;
}

/* A chunk is applied in one step: its keys, then how far the copy is. */
static bool whole(const struct loose_list *list)
{
    return list->count == 0 || list->entries[list->count - 1].kind != LOOSE_KEY;
}

void reshard__host_power(struct reshard_sim *sim, struct host *host)
{
    struct disk *disk = host->disk;
    reshard__host_crash(sim, host);
    if (!disk || disk->loose.count == 0)
        return;
    /* 0 loses all of it. */
    size_t kept = reshard__choose(sim, CHOICE_TORN, (uint32_t)disk->loose.count + 1);
    if (kept < disk->loose.count)
        reshard__fault_met(sim, SIM_FAULT_POWER, host->shard);
    while (disk->loose.count > kept || !whole(&disk->loose))
        loose_undo(sim, host, &disk->loose.entries[--disk->loose.count]);
    reshard__disk_synced(disk);
}
