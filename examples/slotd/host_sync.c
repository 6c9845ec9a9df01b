/* SPDX-License-Identifier: MIT */
/* Room host: actions that wait for a power-safe point, and for replicas. See host.h. */
#include "host.h"

#include <stdlib.h>

struct host_wait {
    struct host_wait *next;
    struct reshard_driver *driver;
    uint64_t action;
    uint64_t logged; /* complete when replicas have applied so much */
    bool of_store;
    struct reshard_completion completion;
};

static int32_t wait_add(struct host_sync *sync, struct host_wait **list,
    struct reshard_driver *driver, const struct reshard_action *action,
    const struct reshard_completion *completion, uint64_t logged)
{
    struct host_wait *wait = memory_take(sizeof(*wait));
    wait->driver = driver;
    wait->action = action->id;
    wait->logged = logged;
    wait->of_store = action->kind != RESHARD_ACTION_APPEND &&
        action->kind != RESHARD_ACTION_COMPACT;
    wait->completion = *completion;
    wait->next = *list;
    *list = wait;
    sync->store_count += wait->of_store ? 1 : 0;
    return RESHARD_PENDING;
}

int32_t host_replicas_wait(struct host_sync *sync, struct reshard_driver *driver,
    const struct reshard_action *action, const struct reshard_completion *completion)
{
    if (sync->logged <= sync->released)
        return RESHARD_OK;
    return wait_add(sync, &sync->replicas, driver, action, completion, sync->logged);
}

/* always: each commit syncs, and nothing leaves before it. none: nothing is promised. */
static bool power_safe(const struct host_sync *sync)
{
    return sync->durability != DURABILITY_BATCH || !store_log_dirty(sync->store);
}

int32_t host_sync_wait(struct host_sync *sync, struct reshard_driver *driver,
    const struct reshard_action *action, const struct reshard_completion *completion)
{
    if (power_safe(sync))
        return host_replicas_wait(sync, driver, action, completion);
    return wait_add(sync, &sync->waiting, driver, action, completion, sync->logged);
}

int32_t host_power_wait(struct host_sync *sync, struct reshard_driver *driver,
    const struct reshard_action *action, const struct reshard_completion *completion)
{
    return power_safe(sync)
        ? RESHARD_OK : wait_add(sync, &sync->waiting, driver, action, completion, 0);
}

void host_removed(struct host_sync *sync)
{
    sync->removal = store_commit_count(sync->store) + 1;
}

bool host_removal_kept(struct host_sync *sync, uint64_t removal)
{
    uint64_t done = store_commit_count(sync->store);
    bool kept = sync->durability != DURABILITY_BATCH ||
        removal <= done - store_unsynced_count(sync->store);
    sync->removal_wanted = sync->removal_wanted || !kept;
    return kept;
}

void host_sync_early(struct host_sync *sync)
{
    sync->early = !power_safe(sync);
}

bool host_sync_awaited(const struct host_sync *sync)
{
    return sync->waiting != NULL || sync->removal_wanted;
}

bool host_sync_wanted(const struct host_sync *sync)
{
    return host_sync_awaited(sync) || sync->early;
}

void host_sync_begun(struct host_sync *sync)
{
    sync->running = sync->waiting;
    sync->waiting = NULL;
    sync->removal_running = sync->removal_wanted;
    sync->removal_wanted = false;
    sync->early = false;
    for (int index = 0; index < HOST_STAGED_COUNT; index++)
        sync->staged[index].syncing = sync->staged[index].applied;
}

/* Complete what the replicas have applied; the rest waits for them. */
static void list_end(struct host_sync *sync, struct host_wait *wait)
{
    while (wait != NULL) {
        struct host_wait *next = wait->next;
        if (wait->logged <= sync->released) {
            sync->store_count -= wait->of_store ? 1 : 0;
            (void)reshard_driver_complete(wait->driver, wait->action, &wait->completion);
            free(wait);
        } else {
            wait->next = sync->replicas;
            sync->replicas = wait;
        }
        wait = next;
    }
}

void host_replicas_applied(struct host_sync *sync)
{
    struct host_wait *all = sync->replicas;
    sync->replicas = NULL;
    list_end(sync, all);
}

bool host_sync_ended(struct host_sync *sync)
{
    bool wakes = sync->removal_running;
    struct host_wait *all = sync->running;
    sync->running = NULL;
    sync->removal_running = false;
    for (int index = 0; index < HOST_STAGED_COUNT; index++)
        sync->staged[index].synced = sync->staged[index].syncing;
    list_end(sync, all);
    return wakes;
}

static void list_forget(
    struct host_sync *sync, struct host_wait **link, const struct reshard_driver *driver)
{
    while (*link != NULL) {
        struct host_wait *wait = *link;
        if (wait->driver != driver) {
            link = &wait->next;
            continue;
        }
        *link = wait->next;
        sync->store_count -= wait->of_store ? 1 : 0;
        free(wait);
    }
}

void host_sync_forget(struct host_sync *sync, const struct reshard_driver *driver)
{
    list_forget(sync, &sync->running, driver);
    list_forget(sync, &sync->waiting, driver);
    list_forget(sync, &sync->replicas, driver);
}
