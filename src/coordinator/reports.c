/* SPDX-License-Identifier: MIT */
/* Room coordinator: what participants report, classified into events (R5, R14). */
#include "coordinator/coordinator.h"

#define RATE_WINDOW_NS UINT64_C(100000000)
#define CONVERGE_NS UINT64_C(30000000000) /* a tail that never fits for so long */

static bool digests_differ(const struct reshard_digest *a, const struct reshard_digest *b)
{
    bool known = (a->low || a->high) && (b->low || b->high);
    return known && (a->low != b->low || a->high != b->high);
}

/* FREEZE is over when both sides speak of the same attempt, position and data. */
static bool ready(const struct reshard__run *run, enum reshard__event *event)
{
    const struct reshard__side *source = &run->sides[0], *target = &run->sides[1];
    if (source->attempt != run->attempt || target->attempt != run->attempt ||
        source->final_sequence != target->final_sequence)
        return false;
    if (digests_differ(&source->digest, &target->digest))
        *event = RESHARD__EVENT_MISMATCH;
    return true;
}

/* The lag fits when it is small, and when at the rate seen it drains in half the freeze budget. */
static bool caught_up(struct reshard_coordinator *coordinator, struct reshard__run *run)
{
    if (coordinator->now_ns < run->not_before_ns)
        return false;
    uint64_t limit = coordinator->config.lag_size;
    uint64_t budget_ms = coordinator->config.freeze_ns / UINT64_C(2000000);
    if (run->rate && budget_ms < UINT64_MAX / (run->rate / 1000 + 1)) {
        uint64_t drained = run->rate / 1000 * budget_ms;
        limit = drained < limit ? drained : limit;
    }
    if (run->lag_bytes <= limit)
        return true;
    if (coordinator->now_ns > run->entered_ns + CONVERGE_NS &&
        !(run->state & RESHARD_RUN_NOT_CONVERGING)) {
        run->state |= RESHARD_RUN_NOT_CONVERGING;
        reshard__run_tell(coordinator, RESHARD_EVENT_NOT_CONVERGING, run, RESHARD_E_LIMIT,
            run->lag_bytes);
    }
    return false;
}

/* Phases in which a paused migration takes no step forward. Past the freeze it hurries on: a pause
 * there would only prolong the stop of writes. */
static bool rests(const struct reshard__run *run)
{
    return run->state & RESHARD_RUN_PAUSED &&
           (run->phase <= RESHARD_PHASE_MOVE || run->phase == RESHARD_PHASE_LINGER);
}

void reshard__run_classify(struct reshard_coordinator *coordinator, struct reshard__run *run)
{
    struct reshard__need need = reshard__phase_need(run->phase);
    if (!need.waits || rests(run))
        return;
    for (int side = 0; side < 2; side++) {
        const struct reshard__side *said = &run->sides[side];
        bool met = need.results[side] == RESHARD__RESULT_ANY ||
                   (said->counted && said->result == need.results[side]);
        if (!met)
            return;
    }
    enum reshard__event event = (enum reshard__event)need.event;
    if (run->phase == RESHARD_PHASE_PREPARE && run->mode == RESHARD_MODE_KEYWISE)
        event = RESHARD__EVENT_PREPARED_KEYWISE;
    if (run->phase == RESHARD_PHASE_CATCHUP && !caught_up(coordinator, run))
        return;
    if (run->phase == RESHARD_PHASE_FREEZE && !ready(run, &event))
        return;
    (void)reshard__run_step(coordinator, run, event);
}

static void rate_follow(struct reshard_coordinator *coordinator, struct reshard__run *run)
{
    uint64_t passed = coordinator->now_ns - run->rate_ns;
    if (run->rate_ns == 0 || run->bytes < run->rate_bytes) {
        run->rate_ns = coordinator->now_ns;
        run->rate_bytes = run->bytes;
    } else if (passed >= RATE_WINDOW_NS && run->bytes > run->rate_bytes) {
        uint64_t bytes = run->bytes - run->rate_bytes;
        uint64_t rate = bytes / (passed / UINT64_C(1000000)) * 1000;
        run->rate = run->rate ? (3 * (run->rate / 4) + rate / 4) : rate;
        run->rate_ns = coordinator->now_ns;
        run->rate_bytes = run->bytes;
    }
}

static void progress_take(struct reshard_coordinator *coordinator, struct reshard__run *run,
    uint32_t side, const struct reshard__message *message)
{
    if (side == RESHARD_SIDE_TARGET)
        return;
    run->keys = message->progress_keys;
    run->bytes = message->progress_bytes;
    run->lag_bytes = message->lag_bytes;
    if (message->pause_ns > run->pause_ns)
        run->pause_ns = message->pause_ns;
    rate_follow(coordinator, run);
}

/* The side that a node speaks for, by the durable map; 0 = none. */
static uint32_t side_of(const struct reshard_coordinator *coordinator,
    const struct reshard__run *run, reshard_node_id from, uint64_t epoch)
{
    for (uint32_t side = RESHARD_SIDE_SOURCE; side <= RESHARD_SIDE_TARGET; side++) {
        struct reshard_map_shard shard = {.struct_size = sizeof shard};
        if (reshard_map_shard_find(coordinator->map, run->shards[side - 1], &shard) ==
                RESHARD_OK &&
            shard.primary == from && shard.epoch == epoch)
            return side;
    }
    return 0;
}

void reshard__report_receive(struct reshard_coordinator *coordinator, reshard_node_id from,
    const struct reshard__message *message)
{
    struct reshard__run *run = reshard__run_find(coordinator, message->migration);
    if (!coordinator->leads || !run || run->waiting ||
        !reshard__order_equal(message->order, run->order) || message->phase != run->phase)
        return;
    uint32_t side = side_of(coordinator, run, from, message->epoch);
    if (side == 0)
        return;
    struct reshard__side *said = &run->sides[side - 1];
    said->counted = true;
    said->result = message->result;
    said->copy = message->copy;
    said->attempt = message->attempt;
    said->final_sequence = message->final_sequence;
    said->epoch = message->epoch;
    said->digest = message->digest;
    progress_take(coordinator, run, side, message);
    enum reshard__event event;
    if (reshard__phase_setback(message->result, side, &event)) {
        run->last_error = RESHARD_E_STATE;
        (void)reshard__run_step(coordinator, run, event);
    } else {
        reshard__run_classify(coordinator, run);
    }
}
