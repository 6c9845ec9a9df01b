/* SPDX-License-Identifier: MIT */
/* Room host: actions that wait for a power-safe point. See host.h. */
#include "host.h"

#include <stdlib.h>

struct host_wait {
    struct host_wait *next;
    struct reshard_driver *driver;
    uint64_t action;
    bool of_store;
    struct reshard_completion completion;
};

int32_t host_sync_wait(struct host_sync *sync, struct reshard_driver *driver,
    const struct reshard_action *action, const struct reshard_completion *completion)
{
    /* always: each commit syncs, and nothing leaves before it. none: nothing is promised. */
    if (sync->durability != DURABILITY_BATCH || !store_log_dirty(sync->store))
        return RESHARD_OK;
    struct host_wait *wait = memory_take(sizeof(*wait));
    wait->driver = driver;
    wait->action = action->id;
    wait->of_store = action->kind == RESHARD_ACTION_SYNC;
    wait->completion = *completion;
    wait->next = sync->waiting;
    sync->waiting = wait;
    sync->store_count += wait->of_store ? 1 : 0;
    return RESHARD_PENDING;
}

bool host_sync_wanted(const struct host_sync *sync)
{
    return sync->waiting != NULL;
}

void host_sync_begun(struct host_sync *sync)
{
    sync->running = sync->waiting;
    sync->waiting = NULL;
}

static void list_free(struct host_wait *wait)
{
    while (wait != NULL) {
        struct host_wait *next = wait->next;
        free(wait);
        wait = next;
    }
}

void host_sync_ended(struct host_sync *sync)
{
    for (struct host_wait *wait = sync->running; wait != NULL; wait = wait->next) {
        sync->store_count -= wait->of_store ? 1 : 0;
        (void)reshard_driver_complete(wait->driver, wait->action, &wait->completion);
    }
    list_free(sync->running);
    sync->running = NULL;
}

void host_sync_forget(struct host_sync *sync)
{
    list_free(sync->running);
    list_free(sync->waiting);
    sync->running = sync->waiting = NULL;
    sync->store_count = 0;
}
