/* SPDX-License-Identifier: MIT */
/* Room coordinator: what operators ask. */
#include "coordinator/inputs.h"

int32_t reshard_coordinator_change(
    struct reshard_coordinator *coordinator, const struct reshard_change *change)
{
    if (!change)
        return RESHARD_E_NULL;
    struct reshard_change own;
    int32_t status = reshard__struct_import(&own, sizeof own, sizeof own, change);
    if (status)
        return status;
    if (own.kind == RESHARD_CHANGE_TERM ||
        (own.kind >= RESHARD_CHANGE_MIGRATION_OPEN &&
            own.kind <= RESHARD_CHANGE_MIGRATION_END))
        return RESHARD_E_KIND;
    if (own.version)
        return RESHARD_E_VERSION;
    status = reshard__feed_begin(coordinator, 0);
    if (status)
        return status;
    return reshard__feed_end(coordinator, reshard__ledger_queue(coordinator, &own));
}

static int32_t shard_ready(const struct reshard_coordinator *coordinator, reshard_shard_id id)
{
    struct reshard_map_shard shard = {.struct_size = sizeof shard};
    int32_t status = reshard_map_shard_find(coordinator->next, id, &shard);
    if (status)
        return status;
    return shard.primary ? RESHARD_OK : RESHARD_E_NODE;
}

int32_t reshard__migration_open(struct reshard_coordinator *coordinator,
    const struct reshard_migration_spec *spec, struct reshard__run **run_out)
{
    int32_t status = shard_ready(coordinator, spec->source);
    if (status == RESHARD_OK)
        status = shard_ready(coordinator, spec->target);
    if (status == RESHARD_OK)
        status = reshard__runs_reserve(coordinator, 1);
    if (status)
        return status;
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_MIGRATION_OPEN;
    change.migration = reshard_map_last_migration(coordinator->next) + 1;
    change.source = spec->source;
    change.target = spec->target;
    change.mode = spec->mode;
    change.migration_flags = spec->migration_flags;
    change.ranges = spec->ranges;
    change.range_count = spec->range_count;
    status = reshard__ledger_queue(coordinator, &change);
    if (status)
        return status;
    struct reshard_map_migration migration = {.struct_size = sizeof migration};
    status = reshard_map_migration_find(coordinator->next, change.migration, &migration);
    RESHARD_ASSERT(status == RESHARD_OK);
    struct reshard__run *run = reshard__run_add(coordinator, &migration);
    run->priority = spec->priority;
    if (spec->bandwidth)
        run->bandwidth = spec->bandwidth;
    *run_out = run;
    return RESHARD_OK;
}

static int32_t open_checked(struct reshard_coordinator *coordinator,
    const struct reshard_migration_spec *spec, reshard_migration_id *migration_out)
{
    if (!coordinator->leads)
        return RESHARD_E_STATE;
    if (spec->reserved)
        return RESHARD_E_ARGUMENT;
    struct reshard__run *run;
    int32_t status = reshard__migration_open(coordinator, spec, &run);
    if (status == RESHARD_OK && migration_out)
        *migration_out = run->migration;
    return status;
}

int32_t reshard_coordinator_open(struct reshard_coordinator *coordinator,
    const struct reshard_migration_spec *spec, reshard_migration_id *migration_out)
{
    if (!spec)
        return RESHARD_E_NULL;
    struct reshard_migration_spec own;
    int32_t status = reshard__struct_import(&own, sizeof own, sizeof own, spec);
    if (status == RESHARD_OK)
        status = reshard__feed_begin(coordinator, 0);
    if (status)
        return status;
    return reshard__feed_end(coordinator, open_checked(coordinator, &own, migration_out));
}

/* The run that an operator names, with the input begun; or NULL and why. Before the term is
 * durable nothing may be sent, so nothing is taken (R1). */
static struct reshard__run *run_begin(struct reshard_coordinator *coordinator,
    reshard_migration_id migration, int32_t *status_out)
{
    *status_out = reshard__feed_begin(coordinator, 0);
    if (*status_out)
        return NULL;
    struct reshard__run *run =
        coordinator->leads ? reshard__run_find(coordinator, migration) : NULL;
    if (!run)
        *status_out = reshard__feed_end(
            coordinator, coordinator->leads ? RESHARD_E_MIGRATION : RESHARD_E_STATE);
    return run;
}

int32_t reshard__run_abort(struct reshard_coordinator *coordinator, struct reshard__run *run)
{
    struct reshard_map_migration migration = {.struct_size = sizeof migration};
    if (reshard_map_migration_find(coordinator->map, run->migration, &migration))
        return RESHARD_E_STATE; /* its opening is not durable */
    if (run->waiting && migration.decision != RESHARD_DECISION_NONE)
        return migration.decision == RESHARD_DECISION_ABORT ? RESHARD_OK : RESHARD_E_DECIDED;
    /* A run that waits for its turn is started to be ended. */
    if (run->waiting)
        (void)reshard__run_step(coordinator, run, RESHARD__EVENT_OPENED);
    uint32_t kind = reshard__run_step(coordinator, run, RESHARD__EVENT_ABORT_ASKED);
    if (kind == RESHARD__STEP_REJECT)
        return RESHARD_E_DECIDED;
    run->state |= RESHARD_RUN_ABORTING;
    return RESHARD_OK;
}

int32_t reshard_coordinator_abort(
    struct reshard_coordinator *coordinator, reshard_migration_id migration)
{
    int32_t status;
    struct reshard__run *run = run_begin(coordinator, migration, &status);
    if (!run)
        return status;
    return reshard__feed_end(coordinator, reshard__run_abort(coordinator, run));
}

int32_t reshard__run_pause(
    struct reshard_coordinator *coordinator, struct reshard__run *run, bool paused)
{
    if (paused && run->phase >= RESHARD_PHASE_COMMIT && run->phase != RESHARD_PHASE_LINGER)
        return RESHARD_E_DECIDED;
    run->state &= ~(uint32_t)RESHARD_RUN_PAUSED;
    if (paused)
        run->state |= RESHARD_RUN_PAUSED;
    reshard__shares_follow(coordinator);
    uint32_t kind = RESHARD__STEP_REJECT;
    if (paused)
        kind = reshard__run_step(coordinator, run, RESHARD__EVENT_PAUSE_ASKED);
    if (kind != RESHARD__STEP_MOVE && run->phase != RESHARD_PHASE_NONE)
        reshard__order_send(coordinator, run); /* the same order, with its new flag */
    if (!paused)
        reshard__runs_start(coordinator);
    return RESHARD_OK;
}

int32_t reshard_coordinator_pause(
    struct reshard_coordinator *coordinator, reshard_migration_id migration, uint32_t paused)
{
    if (paused > 1)
        return RESHARD_E_ARGUMENT;
    int32_t status;
    struct reshard__run *run = run_begin(coordinator, migration, &status);
    if (!run)
        return status;
    return reshard__feed_end(coordinator, reshard__run_pause(coordinator, run, paused));
}

int32_t reshard_coordinator_finish(
    struct reshard_coordinator *coordinator, reshard_migration_id migration)
{
    int32_t status;
    struct reshard__run *run = run_begin(coordinator, migration, &status);
    if (!run)
        return status;
    run->state |= RESHARD_RUN_FINISHING;
    reshard__run_tick(coordinator, run);
    /* A source whose keys an operator picks looks whether any is left when it hears its order. */
    if (run->phase == RESHARD_PHASE_MOVE && (run->migration_flags & RESHARD_MIGRATION_OPERATOR))
        reshard__order_send(coordinator, run);
    return reshard__feed_end(coordinator, RESHARD_OK);
}
