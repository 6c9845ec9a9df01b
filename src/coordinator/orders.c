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
    message.budget = run->bandwidth;
    message.freeze_ns = coordinator->config.freeze_ns;
    run->sent_ns = coordinator->now_ns;
    for (uint32_t side = RESHARD_SIDE_SOURCE; side <= RESHARD_SIDE_TARGET; side++) {
        struct reshard_map_shard shard = reshard__shard_of(coordinator, run->shards[side - 1]);
        if (reshard__phase_duty(run->phase, side) == RESHARD__DUTY_NONE || shard.primary == 0 ||
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
