/* SPDX-License-Identifier: MIT */
/* Room sim: a host's own store in the place of the built-in one (reshard-sim/store.h). What it
 * shows is read back, every key, after each action and each crash: checkers look at that. */
#include "sim/sim.h"

void reshard_sim_store_init(struct reshard_sim_store *store)
{
    if (!store)
        return;
    memset(store, 0, sizeof *store);
    store->struct_size = sizeof *store;
}

int32_t reshard__custom_check(const struct reshard_sim_store *kind)
{
    if (!kind)
        return RESHARD_OK;
    if (kind->struct_size != sizeof *kind)
        return RESHARD_E_STRUCT_SIZE;
    return kind->open && kind->close && kind->write && kind->read ? RESHARD_OK
                                                                  : RESHARD_E_HOOK_MISSING;
}

void reshard__custom_open(struct reshard_sim *sim, struct disk *disk, reshard_node_id node)
{
    if (!sim->store)
        return;
    reshard_store_init(&disk->hooks);
    int32_t status =
        sim->store->open(sim->store->user_data, node, sim->set.slot_count, &disk->hooks);
    if (status)
        reshard__sim_violate(sim, "hook", "%h: no store: %d", node, status);
    else
        disk->kind = sim->store;
}

void reshard__custom_close(struct disk *disk)
{
    if (disk->kind)
        disk->kind->close(disk->hooks.user_data);
}

static void look(const struct reshard_sim *sim, struct disk *disk)
{
    for (uint32_t key = 0; key < sim->set.key_count; key++)
        reshard__disk_see(
            sim, disk, key, disk->kind->read(disk->hooks.user_data, key));
}

uint8_t *reshard__custom_record(const struct disk *disk, uint32_t key, size_t *size_out)
{
    uint64_t (*record)(void *, uint32_t, uint8_t *, uint64_t) = disk->kind->record;
    if (!record)
        return NULL;
    uint64_t size = record(disk->hooks.user_data, key, NULL, 0);
    uint8_t *bytes = reshard__sim_resize(NULL, (size_t)size, 1);
    *size_out = (size_t)record(disk->hooks.user_data, key, bytes, size);
    return bytes;
}

void reshard__custom_crash(struct reshard_sim *sim, struct disk *disk)
{
    enum { FATES = 1000 };
    if (disk->kind->crash)
        disk->kind->crash(disk->hooks.user_data, reshard__choose(sim, CHOICE_TORN, FATES));
    look(sim, disk);
}

static reshard_hook hook_of(const struct reshard_store *hooks, uint32_t kind)
{
    switch (kind) {
    case RESHARD_ACTION_EXPORT:
        return hooks->export_data;
    case RESHARD_ACTION_APPLY:
        return hooks->apply;
    case RESHARD_ACTION_SYNC:
        return hooks->sync;
    case RESHARD_ACTION_ACTIVATE:
        return hooks->activate;
    case RESHARD_ACTION_DISCARD:
        return hooks->discard;
    case RESHARD_ACTION_PURGE:
        return hooks->purge;
    case RESHARD_ACTION_DIGEST:
        return hooks->digest;
    case RESHARD_ACTION_PICK:
        return hooks->pick;
    case RESHARD_ACTION_REMOVE:
        return hooks->remove;
    default:
        return NULL;
    }
}

void reshard__custom_check_staged(
    struct reshard_sim *sim, const struct host *host, const struct moving *moving)
{
    const struct disk *disk = host ? host->disk : NULL;
    if (!disk || !disk->kind || !disk->kind->staged || !moving || !moving->closed)
        return;
    uint64_t count = disk->kind->staged(disk->hooks.user_data, moving->migration);
    if (count > 0)
        reshard__sim_violate(sim, "stray-data", "%h keeps %u staged keys of m%u", host->id,
            count, moving->migration);
}

void reshard__custom_do(struct reshard_sim *sim, const struct host *host,
    const struct reshard_action *action, struct reshard_completion *completion)
{
    struct disk *disk = host->disk;
    reshard_hook hook = hook_of(&disk->hooks, action->kind);
    if (action->kind == RESHARD_ACTION_PURGE)
        reshard__check_purge(sim, action);
    if (hook)
        completion->status = hook(disk->hooks.user_data, action, completion);
    else if (action->kind != RESHARD_ACTION_DIGEST) /* without one nothing is compared */
        completion->status = RESHARD_E_HOOK_MISSING;
    if (completion->status > 0)
        reshard__sim_violate(sim, "hook", "%h: %s answers %d", host->id,
            reshard_action_name(action->kind), completion->status);
    if (action->kind == RESHARD_ACTION_ACTIVATE && completion->status == RESHARD_OK)
        reshard__staging_of(disk, action)->activated = true;
    look(sim, disk);
    reshard__custom_check_staged(sim, host, reshard__moving_find(sim, action->migration));
}
