/* SPDX-License-Identifier: MIT */
/* Room coordinator: migrations on their way. An input becomes an event, the event a row of the
 * table, the row a new phase, the phase an order (R3, R6, R14). */
#include "coordinator/coordinator.h"

#include <string.h>

enum { BACKOFF_MAX_SHIFT = 6 };

struct reshard__run *reshard__run_find(
    const struct reshard_coordinator *coordinator, reshard_migration_id migration)
{
    size_t low = 0, high = coordinator->run_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (coordinator->runs[middle].migration < migration)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < coordinator->run_count && coordinator->runs[low].migration == migration;
    return found ? &coordinator->runs[low] : NULL;
}

int32_t reshard__runs_reserve(struct reshard_coordinator *coordinator, size_t count)
{
    return reshard__mem_grow(&coordinator->mem, (void **)&coordinator->runs,
        &coordinator->run_capacity, sizeof *coordinator->runs, coordinator->run_count + count);
}

struct reshard__run *reshard__run_add(
    struct reshard_coordinator *coordinator, const struct reshard_map_migration *migration)
{
    RESHARD_ASSERT(coordinator->run_count < coordinator->run_capacity);
    struct reshard__run *run = &coordinator->runs[coordinator->run_count++];
    memset(run, 0, sizeof *run);
    run->migration = migration->migration;
    run->mode = migration->mode;
    run->shards[0] = migration->source;
    run->shards[1] = migration->target;
    run->slot_count = migration->slot_count;
    run->migration_flags = migration->migration_flags;
    run->map_version = migration->version;
    run->waiting = true;
    run->order.term = coordinator->term;
    run->started_ns = coordinator->now_ns;
    run->bandwidth = coordinator->config.bandwidth;
    return run;
}

void reshard__run_remove(struct reshard_coordinator *coordinator, struct reshard__run *run)
{
    size_t index = (size_t)(run - coordinator->runs);
    RESHARD_ASSERT(index < coordinator->run_count);
    memmove(run, run + 1, (coordinator->run_count - index - 1) * sizeof *run);
    coordinator->run_count--;
}

void reshard__run_tell(struct reshard_coordinator *coordinator, uint32_t kind,
    const struct reshard__run *run, int32_t status, uint64_t value)
{
    struct reshard_event event = {.kind = kind, .now_ns = coordinator->now_ns};
    event.status = status;
    event.value = value;
    event.term = coordinator->term;
    if (run) {
        event.migration = run->migration;
        event.phase_to = run->phase;
        event.order = run->order.n;
    }
    reshard__outbox_tell(&coordinator->outbox, &event);
}

/* The change that a phase brings into the journal. What cannot be queued now is tried again by the
 * tick; a fail-over since the reports sends the migration back (R26). */
static void change_queue(struct reshard_coordinator *coordinator, struct reshard__run *run)
{
    static const uint8_t kinds[RESHARD_PHASE_COUNT] = {
        [RESHARD_PHASE_COMMIT] = RESHARD_CHANGE_MIGRATION_COMMIT,
        [RESHARD_PHASE_ABORT] = RESHARD_CHANGE_MIGRATION_ABORT,
        [RESHARD_PHASE_DONE] = RESHARD_CHANGE_MIGRATION_END,
        [RESHARD_PHASE_REVERTED] = RESHARD_CHANGE_MIGRATION_END,
    };
    if (kinds[run->phase] == 0 || run->queued)
        return;
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = kinds[run->phase];
    change.migration = run->migration;
    if (change.kind == RESHARD_CHANGE_MIGRATION_COMMIT) {
        change.attempt = run->attempt;
        change.source_epoch = run->epochs[0];
        change.target_epoch = run->epochs[1];
    }
    int32_t status = reshard__ledger_queue(coordinator, &change);
    run->queued = status == RESHARD_OK;
    if (status == RESHARD_E_NOMEM)
        reshard__run_tell(
            coordinator, RESHARD_EVENT_NO_MEMORY, run, status, RESHARD_ACTION_APPEND);
    if (status == RESHARD_E_EPOCH) {
        run->map_version = reshard_map_version(coordinator->map);
        (void)reshard__run_step(coordinator, run, RESHARD__EVENT_EPOCH_CHANGED);
    }
}

/* Both sides still have the copy that they had: it goes on. Otherwise a new one begins, named by
 * the order that opens it. */
static void copy_choose(struct reshard_coordinator *coordinator, struct reshard__run *run,
    const struct reshard__side before[2], uint32_t from)
{
    bool resumes = from == RESHARD_PHASE_PREPARE &&
                   (before[0].copy.term || before[0].copy.n) &&
                   reshard__order_equal(before[0].copy, before[1].copy);
    run->copy = resumes ? before[0].copy : run->order;
    if (resumes)
        return;
    run->copies++;
    if (run->copies - 1 > coordinator->config.copy_limit) {
        run->last_error = RESHARD_E_LIMIT;
        (void)reshard__run_step(coordinator, run, RESHARD__EVENT_ABORT_ASKED);
    }
}

static void linger_begin(struct reshard_coordinator *coordinator, struct reshard__run *run)
{
    run->not_before_ns = coordinator->now_ns + coordinator->config.linger_ns;
    if (coordinator->config.linger_ns == 0 && !(run->state & RESHARD_RUN_PAUSED))
        (void)reshard__run_step(coordinator, run, RESHARD__EVENT_GRACE_OVER);
}

static void freeze_begin(struct reshard_coordinator *coordinator, struct reshard__run *run)
{
    /* Unique over all coordinators: no report of another attempt can count for it. */
    run->attempt = run->order.term << 32 | run->order.n;
    run->attempts++;
    run->pause_total_ns += run->pause_ns;
    run->pause_ns = 0;
    reshard__run_tell(coordinator, RESHARD_EVENT_ATTEMPT, run, RESHARD_OK, run->attempt);
}

/* What entering a phase means for the run. It may lead on at once. */
static void entered(struct reshard_coordinator *coordinator, struct reshard__run *run,
    const struct reshard__side before[2], uint32_t from)
{
    switch (run->phase) {
    case RESHARD_PHASE_CATCHUP:
        run->lag_low = UINT64_MAX;
        run->lag_low_ns = coordinator->now_ns;
        break;
    case RESHARD_PHASE_FREEZE:
        if (from != RESHARD_PHASE_FREEZE)
            freeze_begin(coordinator, run);
        break;
    case RESHARD_PHASE_COPY:
        copy_choose(coordinator, run, before, from);
        break;
    case RESHARD_PHASE_LINGER:
        linger_begin(coordinator, run);
        break;
    default:
        break;
    }
}

static void phase_tell(
    struct reshard_coordinator *coordinator, const struct reshard__run *run, uint32_t from)
{
    struct reshard_event event = {.kind = RESHARD_EVENT_PHASE, .now_ns = coordinator->now_ns};
    event.migration = run->migration;
    event.phase_from = from;
    event.phase_to = run->phase;
    event.term = run->order.term;
    event.order = run->order.n;
    event.status = run->last_error;
    event.value = run->row;
    reshard__outbox_tell(&coordinator->outbox, &event);
}

/* The one place where a phase is assigned. */
void reshard__phase_enter(struct reshard_coordinator *coordinator, struct reshard__run *run,
    uint32_t phase)
{
    struct reshard__side before[2] = {run->sides[0], run->sides[1]};
    uint32_t from = run->phase;
    run->phase = phase;
    uint64_t order = ++run->order.n;
    run->entered_ns = coordinator->now_ns;
    run->queued = run->caught = false;
    memset(run->sides, 0, sizeof run->sides);
    /* R26: a commit names these, and the reports that led to it were counted under them. */
    for (int side = 0; side < 2; side++)
        run->epochs[side] = reshard__shard_of(coordinator, run->shards[side]).epoch;
    phase_tell(coordinator, run, from);
    reshard__shares_follow(coordinator);
    coordinator->copies_due = coordinator->config.copies_in_limit > 0 ||
                              coordinator->config.freeze_gather_ns > 0;
    entered(coordinator, run, before, from);
    if (run->order.n == order)
        change_queue(coordinator, run);
    if (run->order.n == order)
        reshard__order_send(coordinator, run);
}

static void back_off(struct reshard_coordinator *coordinator, struct reshard__run *run)
{
    uint64_t longest = coordinator->config.backoff_ns << BACKOFF_MAX_SHIFT;
    run->backoff_ns = run->backoff_ns ? run->backoff_ns * 2 : coordinator->config.backoff_ns;
    if (run->backoff_ns > longest)
        run->backoff_ns = longest;
    run->not_before_ns = coordinator->now_ns + run->backoff_ns;
    if (run->attempts >= coordinator->config.attempt_limit &&
        !(run->state & RESHARD_RUN_NOT_CONVERGING)) {
        run->state |= RESHARD_RUN_NOT_CONVERGING;
        reshard__run_tell(coordinator, RESHARD_EVENT_NOT_CONVERGING, run, RESHARD_E_LIMIT,
            run->attempts);
    }
}

/* What a step back teaches. */
static void setback_note(struct reshard_coordinator *coordinator, struct reshard__run *run,
    enum reshard__event event)
{
    static const struct {
        int16_t error;
        uint8_t kind; /* of the event told, 0 = none */
    } notes[RESHARD__EVENT_COUNT] = {
        [RESHARD__EVENT_LOST_SOURCE] = {RESHARD_E_STALE, RESHARD_EVENT_LOST},
        [RESHARD__EVENT_LOST_TARGET] = {RESHARD_E_STALE, RESHARD_EVENT_LOST},
        [RESHARD__EVENT_LOST_MOVE] = {RESHARD_E_STALE, RESHARD_EVENT_LOST},
        [RESHARD__EVENT_MISMATCH] = {RESHARD_E_CHECKSUM, RESHARD_EVENT_MISMATCH},
        [RESHARD__EVENT_REFUSED] = {RESHARD_E_STATE, RESHARD_EVENT_REFUSED},
        [RESHARD__EVENT_EXPIRED] = {RESHARD_E_LIMIT, RESHARD_EVENT_EXPIRED},
        [RESHARD__EVENT_EPOCH_CHANGED] = {RESHARD_E_EPOCH, 0},
    };
    if (notes[event].error)
        run->last_error = notes[event].error;
    if (notes[event].kind)
        reshard__run_tell(
            coordinator, notes[event].kind, run, notes[event].error, run->attempt);
    if (event == RESHARD__EVENT_EXPIRED || event == RESHARD__EVENT_REFUSED)
        back_off(coordinator, run);
}

uint32_t reshard__run_step(struct reshard_coordinator *coordinator, struct reshard__run *run,
    enum reshard__event event)
{
    struct reshard__step step = reshard__phase_step(run->phase, event);
    if (step.kind != RESHARD__STEP_MOVE)
        return step.kind;
    run->waiting = false;
    run->row = step.label;
    setback_note(coordinator, run, event);
    reshard__phase_enter(coordinator, run, step.to);
    return step.kind;
}

static bool undecided(
    const struct reshard_coordinator *coordinator, const struct reshard__run *run)
{
    struct reshard_map_migration migration = {.struct_size = sizeof migration};
    return reshard_map_migration_find(coordinator->map, run->migration, &migration) ==
               RESHARD_OK &&
           migration.decision == RESHARD_DECISION_NONE;
}

static bool startable(
    const struct reshard_coordinator *coordinator, const struct reshard__run *run)
{
    return run->waiting && !(run->state & RESHARD_RUN_PAUSED) && undecided(coordinator, run);
}

/* Whether two different migrations copy, or will, into one shard. */
static bool beside(const struct reshard__run *run, const struct reshard__run *other)
{
    return other != run && !other->waiting && other->shards[1] == run->shards[1] &&
           run->mode == RESHARD_MODE_SNAPSHOT && other->mode == RESHARD_MODE_SNAPSHOT;
}

/* Has caught up, and may wait for others to freeze with. */
static bool gathers(const struct reshard_coordinator *coordinator, const struct reshard__run *run)
{
    return run->phase == RESHARD_PHASE_CATCHUP &&
           coordinator->now_ns - run->entered_ns < coordinator->config.freeze_gather_ns;
}

bool reshard__copy_waits(
    const struct reshard_coordinator *coordinator, const struct reshard__run *run)
{
    uint32_t count = 0;
    if (coordinator->config.copies_in_limit == 0)
        return false;
    for (size_t i = 0; i < coordinator->run_count; i++) {
        const struct reshard__run *other = &coordinator->runs[i];
        count += beside(run, other) && other->phase >= RESHARD_PHASE_COPY &&
                 other->phase <= RESHARD_PHASE_COMMIT && !gathers(coordinator, other);
    }
    return count >= coordinator->config.copies_in_limit;
}

bool reshard__freeze_waits(
    const struct reshard_coordinator *coordinator, const struct reshard__run *run)
{
    if (!gathers(coordinator, run))
        return false;
    for (size_t i = 0; i < coordinator->run_count; i++) {
        const struct reshard__run *other = &coordinator->runs[i];
        bool comes = other->phase == RESHARD_PHASE_PREPARE || other->phase == RESHARD_PHASE_COPY ||
                     (other->phase == RESHARD_PHASE_CATCHUP && !other->caught);
        if (beside(run, other) && comes && !(other->state & RESHARD_RUN_PAUSED))
            return true;
    }
    return false;
}

void reshard__copies_follow(struct reshard_coordinator *coordinator)
{
    while (coordinator->copies_due) {
        coordinator->copies_due = false;
        for (size_t i = 0; i < coordinator->run_count; i++) {
            struct reshard__run *run = &coordinator->runs[i];
            if (run->waiting ||
                (run->phase != RESHARD_PHASE_PREPARE && run->phase != RESHARD_PHASE_CATCHUP))
                continue;
            if (reshard__outbox_reserve(&coordinator->outbox, RESHARD__INPUT_RESERVE))
                return; /* the tick goes on */
            reshard__run_classify(coordinator, run);
        }
    }
}

/* The next to start, by priority, then by age; NULL when none may. */
static struct reshard__run *next_waiting(struct reshard_coordinator *coordinator)
{
    size_t active = 0;
    struct reshard__run *first = NULL;
    for (size_t i = 0; i < coordinator->run_count; i++) {
        struct reshard__run *run = &coordinator->runs[i];
        active += !run->waiting;
        bool before = !first || run->priority > first->priority;
        if (before && startable(coordinator, run))
            first = run;
    }
    return active < coordinator->config.in_flight_limit ? first : NULL;
}

void reshard__runs_start(struct reshard_coordinator *coordinator)
{
    if (!coordinator->leads)
        return;
    for (;;) {
        struct reshard__run *run = next_waiting(coordinator);
        if (!run || reshard__outbox_reserve(&coordinator->outbox, RESHARD__INPUT_RESERVE))
            return;
        (void)reshard__run_step(coordinator, run, RESHARD__EVENT_OPENED);
    }
}

static enum reshard__event decision_event(uint32_t mode, uint32_t decision)
{
    if (decision == RESHARD_DECISION_COMMIT)
        return RESHARD__EVENT_COMMITTED;
    return mode == RESHARD_MODE_SNAPSHOT ? RESHARD__EVENT_ABORTED_SNAPSHOT
                                         : RESHARD__EVENT_ABORTED_KEYWISE;
}

/* A successor enters each open migration where the journal leaves it: undecided ones at PREPARE. */
void reshard__runs_recover(struct reshard_coordinator *coordinator)
{
    uint32_t count = reshard_map_migration_count(coordinator->map);
    for (uint32_t i = 0; i < count; i++) {
        struct reshard_map_migration migration = {.struct_size = sizeof migration};
        (void)reshard_map_migration_at(coordinator->map, i, &migration);
        struct reshard__run *run = reshard__run_find(coordinator, migration.migration);
        if (!run || !run->waiting || migration.decision == RESHARD_DECISION_NONE)
            continue;
        if (reshard__outbox_reserve(&coordinator->outbox, RESHARD__INPUT_RESERVE))
            return; /* the tick goes on */
        run->map_version = reshard_map_version(coordinator->map);
        run->attempt = migration.attempt;
        (void)reshard__run_step(
            coordinator, run, decision_event(run->mode, migration.decision));
    }
    reshard__runs_start(coordinator);
}

/* A side has a new primary since the order was made: it is ordered anew, resting on the version
 * that says so (R25). In COMMIT the map's guard decides: one under the old epoch is refused. */
static void epoch_follow(struct reshard_coordinator *coordinator, struct reshard__run *run)
{
    bool same = true;
    for (int side = 0; side < 2; side++)
        same &= reshard__shard_of(coordinator, run->shards[side]).epoch == run->epochs[side];
    if (same || run->waiting || run->phase == RESHARD_PHASE_COMMIT)
        return;
    run->map_version = reshard_map_version(coordinator->map);
    (void)reshard__run_step(coordinator, run, RESHARD__EVENT_EPOCH_CHANGED);
}

static void epochs_follow(struct reshard_coordinator *coordinator, reshard_shard_id shard)
{
    for (size_t i = 0; i < coordinator->run_count; i++) {
        struct reshard__run *run = &coordinator->runs[i];
        if (run->shards[0] != shard && run->shards[1] != shard)
            continue;
        if (reshard__outbox_reserve(&coordinator->outbox, RESHARD__INPUT_RESERVE))
            return; /* the tick goes on */
        epoch_follow(coordinator, run);
    }
}

void reshard__runs_follow(
    struct reshard_coordinator *coordinator, const struct reshard_change *change)
{
    if (change->kind == RESHARD_CHANGE_SHARD_PRIMARY)
        epochs_follow(coordinator, change->shard);
    if (change->kind == RESHARD_CHANGE_MIGRATION_OPEN)
        reshard__runs_start(coordinator);
    struct reshard__run *run = reshard__run_find(coordinator, change->migration);
    if (change->migration == 0 || !run)
        return;
    run->map_version = reshard_map_version(coordinator->map);
    if (change->kind == RESHARD_CHANGE_MIGRATION_COMMIT)
        (void)reshard__run_step(coordinator, run, RESHARD__EVENT_COMMITTED);
    if (change->kind == RESHARD_CHANGE_MIGRATION_ABORT)
        (void)reshard__run_step(
            coordinator, run, decision_event(run->mode, RESHARD_DECISION_ABORT));
    if (change->kind == RESHARD_CHANGE_MIGRATION_END) {
        reshard__run_tell(coordinator, RESHARD_EVENT_END, run, run->last_error, run->attempts);
        reshard__jobs_follow(coordinator, run);
        reshard__run_remove(coordinator, run);
        reshard__runs_start(coordinator);
    }
}

void reshard__run_tick(struct reshard_coordinator *coordinator, struct reshard__run *run)
{
    if (run->waiting)
        return;
    epoch_follow(coordinator, run);
    change_queue(coordinator, run);
    bool grace_over = run->phase == RESHARD_PHASE_LINGER && !(run->state & RESHARD_RUN_PAUSED) &&
                      (coordinator->now_ns >= run->not_before_ns ||
                          run->state & RESHARD_RUN_FINISHING);
    if (grace_over)
        (void)reshard__run_step(coordinator, run, RESHARD__EVENT_GRACE_OVER);
    reshard__run_classify(coordinator, run);
    if (coordinator->now_ns >= run->sent_ns + coordinator->config.retry_ns)
        reshard__order_send(coordinator, run);
}
