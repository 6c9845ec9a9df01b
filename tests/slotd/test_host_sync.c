/* SPDX-License-Identifier: MIT */
/* Room host of slotd, what waits: for a sync of the redo log, for replicas, for both, in that
 * order; and nothing of a driver that has gone. Store actions are counted while they wait. */
#include "host.h"
#include "place.h"

#include <criterion/criterion.h>

struct rig {
    struct place place;
    struct host_sync sync;
};

static void rig_make(struct rig *rig, int durability)
{
    *rig = (struct rig){.place = place_make()};
    rig->sync = (struct host_sync){
        .store = rig->place.store, .durability = durability, .released = UINT64_MAX};
}

static void replicas_lag(struct rig *rig)
{
    rig->sync.logged = 100;
    rig->sync.released = 99;
}

static void replicas_follow(struct rig *rig)
{
    rig->sync.released = 100;
    host_replicas_applied(&rig->sync);
}

enum wait { WAIT_SYNC, WAIT_POWER, WAIT_REPLICAS };

static int32_t wait_for(
    struct rig *rig, enum wait how, uint32_t kind, struct reshard_driver *driver)
{
    static int32_t (*const waits[])(struct host_sync *sync, struct reshard_driver *driver,
        const struct reshard_action *action, const struct reshard_completion *completion) = {
        host_sync_wait, host_power_wait, host_replicas_wait};
    const struct reshard_action action = {.struct_size = sizeof action, .kind = kind, .id = 7};
    const struct reshard_completion completion = {.struct_size = sizeof completion};
    return waits[how](&rig->sync, driver, &action, &completion);
}

/* One store action waits so; nobody takes its completion. */
static int32_t wait_one(struct rig *rig, enum wait how)
{
    return wait_for(rig, how, RESHARD_ACTION_SYNC, NULL);
}

Test(host_sync, what_is_safe_already_need_not_wait)
{
    struct rig rig;
    rig_make(&rig, DURABILITY_BATCH);
    store_commit(rig.place.store);
    struct store_log_sync *begun = store_log_sync_begin(rig.place.store);
    store_log_sync_work(begun);
    store_log_sync_end(begun);
    cr_expect_not(store_log_dirty(rig.place.store));
    for (int how = WAIT_SYNC; how <= WAIT_REPLICAS; how++)
        cr_expect_eq(wait_one(&rig, (enum wait)how), RESHARD_OK);
    rig.sync.durability = DURABILITY_ALWAYS; /* each commit syncs, and nothing leaves before it */
    place_put(rig.place.store, "key", "value");
    cr_expect_eq(wait_one(&rig, WAIT_SYNC), RESHARD_OK);
    cr_expect_eq(wait_one(&rig, WAIT_POWER), RESHARD_OK);
    cr_expect_not(host_sync_wanted(&rig.sync));
    place_remove(&rig.place);
}

Test(host_sync, completes_after_the_sync_that_began_behind_it)
{
    struct rig rig;
    rig_make(&rig, DURABILITY_BATCH);
    place_put(rig.place.store, "key", "value");
    cr_expect_eq(wait_one(&rig, WAIT_SYNC), RESHARD_PENDING);
    cr_expect(host_sync_wanted(&rig.sync));
    host_sync_begun(&rig.sync);
    cr_expect_not(host_sync_wanted(&rig.sync));
    cr_expect_eq(wait_one(&rig, WAIT_SYNC), RESHARD_PENDING, "this sync does not cover it");
    host_sync_ended(&rig.sync);
    cr_expect_eq(rig.sync.store_count, 1);
    cr_expect(host_sync_wanted(&rig.sync));
    host_sync_begun(&rig.sync);
    host_sync_ended(&rig.sync);
    cr_expect_eq(rig.sync.store_count, 0);
    place_remove(&rig.place);
}

Test(host_sync, early_sync_is_wanted_and_not_awaited)
{
    struct rig rig;
    rig_make(&rig, DURABILITY_BATCH);
    place_put(rig.place.store, "key", "value");
    host_sync_early(&rig.sync);
    cr_expect(host_sync_wanted(&rig.sync));
    cr_expect_not(host_sync_awaited(&rig.sync));
    host_sync_begun(&rig.sync);
    cr_expect_not(host_sync_wanted(&rig.sync));
    cr_expect_eq(wait_one(&rig, WAIT_SYNC), RESHARD_PENDING);
    cr_expect(host_sync_awaited(&rig.sync));
    host_sync_ended(&rig.sync);
    host_sync_begun(&rig.sync);
    host_sync_ended(&rig.sync);
    rig.sync.durability = DURABILITY_NONE;
    host_sync_early(&rig.sync);
    cr_expect_not(host_sync_wanted(&rig.sync), "what is as safe as it gets needs none");
    place_remove(&rig.place);
}

Test(host_sync, waits_for_replicas_behind_the_sync)
{
    struct rig rig;
    rig_make(&rig, DURABILITY_BATCH);
    place_put(rig.place.store, "key", "value");
    replicas_lag(&rig);
    cr_expect_eq(wait_one(&rig, WAIT_SYNC), RESHARD_PENDING);
    cr_expect_eq(wait_one(&rig, WAIT_POWER), RESHARD_PENDING);
    cr_expect_eq(wait_one(&rig, WAIT_REPLICAS), RESHARD_PENDING);
    host_sync_begun(&rig.sync);
    host_sync_ended(&rig.sync);
    cr_expect_eq(rig.sync.store_count, 2, "only what no replica gets is complete");
    host_replicas_applied(&rig.sync);
    cr_expect_eq(rig.sync.store_count, 2);
    replicas_follow(&rig);
    cr_expect_eq(rig.sync.store_count, 0);
    place_remove(&rig.place);
}

Test(host_sync, waits_for_what_was_logged_when_it_was_asked)
{
    struct rig rig;
    rig_make(&rig, DURABILITY_NONE);
    replicas_lag(&rig);
    cr_expect_eq(wait_one(&rig, WAIT_REPLICAS), RESHARD_PENDING);
    rig.sync.logged = 200;
    cr_expect_eq(wait_one(&rig, WAIT_SYNC), RESHARD_PENDING, "none: only replicas");
    replicas_follow(&rig);
    cr_expect_eq(rig.sync.store_count, 1);
    rig.sync.released = UINT64_MAX;
    host_replicas_applied(&rig.sync);
    cr_expect_eq(rig.sync.store_count, 0);
    place_remove(&rig.place);
}

Test(host_sync, forgets_what_a_driver_that_goes_has_waiting)
{
    struct rig rig;
    struct reshard_driver *gone = (struct reshard_driver *)&rig; /* never looked into */
    rig_make(&rig, DURABILITY_BATCH);
    place_put(rig.place.store, "key", "value");
    replicas_lag(&rig);
    for (int list = 0; list < 2; list++) {
        cr_expect_eq(wait_for(&rig, WAIT_SYNC, RESHARD_ACTION_SYNC, gone), RESHARD_PENDING);
        cr_expect_eq(wait_one(&rig, WAIT_SYNC), RESHARD_PENDING);
        if (list == 0)
            host_sync_begun(&rig.sync);
    }
    cr_expect_eq(wait_for(&rig, WAIT_REPLICAS, RESHARD_ACTION_SYNC, gone), RESHARD_PENDING);
    cr_expect_eq(wait_for(&rig, WAIT_REPLICAS, RESHARD_ACTION_APPEND, gone), RESHARD_PENDING);
    cr_expect_eq(rig.sync.store_count, 5, "an append is none of the store's");
    host_sync_forget(&rig.sync, gone);
    cr_expect_eq(rig.sync.store_count, 2);
    replicas_follow(&rig);
    for (int round = 0; round < 2; round++) {
        host_sync_ended(&rig.sync);
        host_sync_begun(&rig.sync);
    }
    cr_expect_eq(rig.sync.store_count, 0);
    place_remove(&rig.place);
}
