/* SPDX-License-Identifier: MIT */
/* Room coordinator: orders to the current primaries of both shards (R3, R4, R6). One that finds no
 * room in the outbox counts as lost: it is repeated. */
#include "coordinator/coordinator.h"

struct reshard_map_shard reshard__shard_of(
    const struct reshard_coordinator *coordinator, reshard_shard_id id)
{
    struct reshard_map_shard shard = {.struct_size = sizeof shard};
    (void)reshard_map_shard_find(coordinator->map, id, &shard);
    return shard;
}

static bool copies(const struct reshard__run *run)
{
    bool data = run->phase == RESHARD_PHASE_COPY || run->phase == RESHARD_PHASE_CATCHUP ||
                run->phase == RESHARD_PHASE_MOVE;
    return data && !run->waiting && !(run->state & RESHARD_RUN_PAUSED);
}

/* Its own limit, or its share of the total, if that is less. */
static uint64_t budget_of(
    const struct reshard_coordinator *coordinator, const struct reshard__run *run)
{
    uint64_t total = coordinator->config.bandwidth_total;
    if (total == 0 || coordinator->copy_count == 0 || !copies(run))
        return run->bandwidth;
    uint64_t share = total / coordinator->copy_count;
    share = share ? share : 1;
    return run->bandwidth && run->bandwidth < share ? run->bandwidth : share;
}

void reshard__shares_follow(struct reshard_coordinator *coordinator)
{
    size_t count = 0;
    if (coordinator->config.bandwidth_total == 0)
        return;
    for (size_t i = 0; i < coordinator->run_count; i++)
        count += copies(&coordinator->runs[i]);
    coordinator->shares_due |= count != coordinator->copy_count;
    coordinator->copy_count = count;
}

void reshard__shares_send(struct reshard_coordinator *coordinator)
{
    for (size_t i = 0; i < coordinator->run_count; i++) {
        struct reshard__run *run = &coordinator->runs[i];
        if (!copies(run) || run->budget == budget_of(coordinator, run))
            continue;
        if (reshard__outbox_reserve(&coordinator->outbox, RESHARD__INPUT_RESERVE))
            return; /* the next input goes on */
        reshard__order_send(coordinator, run);
    }
    coordinator->shares_due = false;
}

/* A side that has nothing to do and is not waited for is not ordered: both in LINGER, the target in
 * CLEANUP. Nobody needs to hear from it: what it is there for is durable since its SETTLED counted,
 * so one that starts again, or its heir, goes on by its own records; new maps are told to all. An
 * order that is lost on its way to anybody else is repeated like any (reshard__run_tick). */
static bool addressed(const struct reshard__run *run, uint32_t side)
{
    struct reshard__need need = reshard__phase_need(run->phase);
    enum reshard__duty duty = reshard__phase_duty(run->phase, side);
    bool waited_for = need.waits && need.results[side - 1] != RESHARD__RESULT_ANY;
    return duty != RESHARD__DUTY_NONE && (duty != RESHARD__DUTY_KEEP || waited_for);
}

void reshard__order_send(struct reshard_coordinator *coordinator, struct reshard__run *run)
{
    struct reshard__message message = {.type = RESHARD__ORDER};
    message.migration = run->migration;
    message.order = run->order;
    message.phase = run->phase;
    message.map_version = run->map_version;
    message.copy = run->copy;
    message.attempt = run->attempt;
    /* What is decided is not held up: a pause before an abort keeps no keys from going back. */
    bool paused = run->state & RESHARD_RUN_PAUSED && run->phase < RESHARD_PHASE_COMMIT;
    message.flags = paused ? RESHARD__ORDER_PAUSED : 0;
    message.budget = run->budget = budget_of(coordinator, run);
    message.freeze_ns = coordinator->config.freeze_ns;
    run->sent_ns = coordinator->now_ns;
    for (uint32_t side = RESHARD_SIDE_SOURCE; side <= RESHARD_SIDE_TARGET; side++) {
        struct reshard_map_shard shard = reshard__shard_of(coordinator, run->shards[side - 1]);
        if (!addressed(run, side) || shard.primary == 0 ||
            reshard__outbox_room(&coordinator->outbox) == 0)
            continue;
        struct reshard__entry *entry =
            reshard__outbox_push(&coordinator->outbox, RESHARD_ACTION_SEND);
        size_t size;
        int32_t status =
            reshard__message_encode(&message, entry->header, sizeof entry->header, &size);
        RESHARD_ASSERT(status == RESHARD_OK);
        entry->action.to = shard.primary;
        entry->action.header_size = size;
    }
}
