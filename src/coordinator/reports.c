/* SPDX-License-Identifier: MIT */
/* Room coordinator: what participants report, classified into events (R5, R14). */
#include "coordinator/coordinator.h"

#define RATE_WINDOW_NS UINT64_C(100000000)

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

/* A lag that sets no new low for converge_ns does not converge, however it goes up and down. A new
 * low takes the verdict back, unless it was about attempts. */
static void trend_follow(struct reshard_coordinator *coordinator, struct reshard__run *run)
{
    bool many = run->attempts >= coordinator->config.attempt_limit;
    if (run->lag_bytes < run->lag_low) {
        run->lag_low = run->lag_bytes;
        run->lag_low_ns = coordinator->now_ns;
        if (!many)
            run->state &= ~(uint32_t)RESHARD_RUN_NOT_CONVERGING;
        return;
    }
    if (coordinator->now_ns - run->lag_low_ns < coordinator->config.converge_ns ||
        run->state & RESHARD_RUN_NOT_CONVERGING)
        return;
    run->state |= RESHARD_RUN_NOT_CONVERGING;
    reshard__run_tell(
        coordinator, RESHARD_EVENT_NOT_CONVERGING, run, RESHARD_E_LIMIT, run->lag_bytes);
}

/* The lag fits when it is small, and when at the rate seen it drains in half the freeze budget. */
static bool caught_up(struct reshard_coordinator *coordinator, struct reshard__run *run)
{
    uint64_t limit = coordinator->config.lag_size;
    uint64_t budget_ms = coordinator->config.freeze_ns / UINT64_C(2000000);
    if (run->rate && budget_ms < UINT64_MAX / (run->rate / 1000 + 1)) {
        uint64_t drained = run->rate / 1000 * budget_ms;
        limit = drained < limit ? drained : limit;
    }
    if (run->lag_bytes > limit)
        trend_follow(coordinator, run);
    run->caught = run->lag_bytes <= limit && coordinator->now_ns >= run->not_before_ns;
    return run->caught && !reshard__freeze_waits(coordinator, run);
}

/* Phases in which a paused migration takes no step forward. Past the freeze it hurries on: a pause
 * there would only prolong the stop of writes. */
static bool rests(const struct reshard__run *run)
{
    return run->state & RESHARD_RUN_PAUSED &&
           (run->phase <= RESHARD_PHASE_MOVE || run->phase == RESHARD_PHASE_LINGER);
}

/* Both sides said what the phase waits for, under the current epochs. */
static bool reported(const struct reshard_coordinator *coordinator,
    const struct reshard__run *run, const struct reshard__need *need)
{
    for (int side = 0; side < 2; side++) {
        const struct reshard__side *said = &run->sides[side];
        if (need->results[side] == RESHARD__RESULT_ANY)
            continue;
        if (!said->counted || said->result != need->results[side] ||
            said->epoch != reshard__shard_of(coordinator, run->shards[side]).epoch)
            return false;
    }
    return true;
}

/* What a phase asks for beside its reports; may name another event. */
static bool ripe(struct reshard_coordinator *coordinator, struct reshard__run *run,
    enum reshard__event *event)
{
    switch (run->phase) {
    case RESHARD_PHASE_PREPARE:
        if (run->mode == RESHARD_MODE_KEYWISE)
            *event = RESHARD__EVENT_PREPARED_KEYWISE;
        return !reshard__copy_waits(coordinator, run);
    case RESHARD_PHASE_CATCHUP:
        return caught_up(coordinator, run);
    case RESHARD_PHASE_FREEZE:
        return ready(run, event);
    case RESHARD_PHASE_HOLD:
        return run->sides[0].attempt == run->attempt && run->sides[1].attempt == run->attempt;
    case RESHARD_PHASE_MOVE:
        /* Keys are picked by hand: empty now is not over. */
        return !(run->migration_flags & RESHARD_MIGRATION_OPERATOR) ||
               run->state & RESHARD_RUN_FINISHING;
    default:
        return true;
    }
}

void reshard__run_classify(struct reshard_coordinator *coordinator, struct reshard__run *run)
{
    struct reshard__need need = reshard__phase_need(run->phase);
    if (!need.waits || rests(run) || !reported(coordinator, run, &need))
        return;
    enum reshard__event event = (enum reshard__event)need.event;
    if (ripe(coordinator, run, &event))
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

/* A report that leads back. keywise: in HOLD there is no freeze to refuse (it is kept for the
 * operator), and no copy to lose but the target's record of MOVE, without which it never serves. */
static void setback(struct reshard_coordinator *coordinator, struct reshard__run *run,
    uint32_t result, enum reshard__event event)
{
    bool keywise_hold = run->mode == RESHARD_MODE_KEYWISE && run->phase == RESHARD_PHASE_HOLD;
    if (keywise_hold && event == RESHARD__EVENT_LOST_TARGET)
        event = RESHARD__EVENT_LOST_MOVE;
    bool odd = keywise_hold && event == RESHARD__EVENT_REFUSED;
    if (odd || result == RESHARD__RESULT_LEFTOVERS)
        run->last_error = odd ? RESHARD_E_STATE : RESHARD_E_IN_USE;
    if (!odd)
        (void)reshard__run_step(coordinator, run, event);
}

/* R12: a target without a sound seal never serves. No row leads on from there but an operator's. */
static void damage_tell(struct reshard_coordinator *coordinator, struct reshard__run *run)
{
    if (run->last_error != RESHARD_E_CHECKSUM)
        reshard__run_tell(
            coordinator, RESHARD_EVENT_REFUSED, run, RESHARD_E_CHECKSUM, run->attempt);
    run->last_error = RESHARD_E_CHECKSUM;
}

/* R5: under this very order, from the current primary of a side under its current epoch. */
static uint32_t side_counted(const struct reshard_coordinator *coordinator,
    const struct reshard__run *run, reshard_node_id from, const struct reshard__message *message)
{
    if (!coordinator->leads || !run || run->waiting ||
        !reshard__order_equal(message->order, run->order) || message->phase != run->phase)
        return 0;
    return side_of(coordinator, run, from, message->epoch);
}

void reshard__report_receive(struct reshard_coordinator *coordinator, reshard_node_id from,
    const struct reshard__message *message)
{
    struct reshard__run *run = reshard__run_find(coordinator, message->migration);
    uint32_t side = side_counted(coordinator, run, from, message);
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
    if (message->result == RESHARD__RESULT_DAMAGED)
        damage_tell(coordinator, run);
    if (reshard__phase_setback(message->result, side, &event))
        setback(coordinator, run, message->result, event);
    else
        reshard__run_classify(coordinator, run);
}
