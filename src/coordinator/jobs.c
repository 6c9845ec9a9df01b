/* SPDX-License-Identifier: MIT */
/* Room coordinator: plans that are run. A job holds the cut of its plan and which batches it gave
 * up; what is done and what is in flight is read off the map. Jobs are not journalled. */
#include "coordinator/inputs.h"

enum { RETRY_LIMIT_MAX = 255 };

static struct reshard__job *job_find(
    const struct reshard_coordinator *coordinator, reshard_job_id id)
{
    for (size_t i = 0; i < coordinator->job_count; i++)
        if (coordinator->jobs[i].job == id)
            return &coordinator->jobs[i];
    return NULL;
}

static void job_free(struct reshard_coordinator *coordinator, struct reshard__job *job)
{
    reshard_batches_destroy(job->batches);
    reshard__mem_free(&coordinator->mem, job->tries, job->batch_count * sizeof *job->tries);
    reshard__mem_free(&coordinator->mem, job->skip, job->batch_count);
}

void reshard__jobs_free(struct reshard_coordinator *coordinator)
{
    for (size_t i = 0; i < coordinator->job_count; i++)
        job_free(coordinator, &coordinator->jobs[i]);
    reshard__mem_free(&coordinator->mem, coordinator->jobs,
        coordinator->job_capacity * sizeof *coordinator->jobs);
}

static struct reshard_move batch_at(const struct reshard__job *job, uint32_t index)
{
    struct reshard_move move = {.struct_size = sizeof move};
    int32_t status = reshard_batches_at(job->batches, index, &move);
    RESHARD_ASSERT(status == RESHARD_OK);
    return move;
}

static bool batch_done(const struct reshard_map *map, const struct reshard_move *move)
{
    for (uint32_t i = 0; i < move->range_count; i++)
        for (uint32_t slot = move->ranges[i].first; slot <= move->ranges[i].last; slot++)
            if (reshard_map_slot_owner(map, slot) != move->target ||
                reshard_map_slot_migration(map, slot))
                return false;
    return true;
}

/* Who moved a batch does not matter. */
static void done_count(const struct reshard_coordinator *coordinator, struct reshard__job *job)
{
    job->done_count = job->slots_done = 0;
    job->failed_count = 0;
    for (uint32_t i = 0; i < job->batch_count; i++) {
        struct reshard_move move = batch_at(job, i);
        bool done = batch_done(coordinator->map, &move);
        job->done_count += done;
        job->slots_done += done ? move.slot_count : 0;
        job->failed_count += !done && job->skip[i];
    }
}

static uint32_t open_count(
    const struct reshard_coordinator *coordinator, const struct reshard__job *job)
{
    uint32_t count = 0;
    for (size_t i = 0; i < coordinator->run_count; i++)
        count += coordinator->runs[i].job == job->job;
    return count;
}

static int32_t assign_queue(
    struct reshard_coordinator *coordinator, const struct reshard_move *move)
{
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_ASSIGN;
    change.shard = move->target;
    change.ranges = move->ranges;
    change.range_count = move->range_count;
    return reshard__ledger_queue(coordinator, &change);
}

static int32_t batch_start(
    struct reshard_coordinator *coordinator, struct reshard__job *job, uint32_t index)
{
    struct reshard_move move = batch_at(job, index);
    if (move.source == 0)
        return assign_queue(coordinator, &move);
    struct reshard_migration_spec spec;
    reshard_migration_spec_init(&spec);
    spec.mode = job->spec.mode;
    spec.source = move.source;
    spec.target = move.target;
    spec.priority = job->spec.priority;
    spec.bandwidth = job->spec.bandwidth;
    spec.ranges = move.ranges;
    spec.range_count = move.range_count;
    struct reshard__run *run;
    int32_t status = reshard__migration_open(coordinator, &spec, &run);
    if (status)
        return status;
    run->job = job->job;
    run->batch = index;
    return RESHARD_OK;
}

static void batch_fail(struct reshard__job *job, uint32_t index, int32_t error)
{
    job->last_error = error;
    job->tries[index]++;
    job->skip[index] = job->tries[index] > job->spec.retry_limit;
}

static void job_end(
    struct reshard_coordinator *coordinator, struct reshard__job *job, int32_t status)
{
    job->state |= RESHARD_JOB_ENDED;
    if (status == RESHARD_E_PLAN)
        job->state |= RESHARD_JOB_OVERTAKEN;
    reshard__run_tell(coordinator, RESHARD_EVENT_JOB, NULL, status, job->job);
}

/* Start batches until the limits are reached. E_EMPTY: all are done; E_PLAN: the rest was
 * overtaken; E_BUSY: nothing can start now; others: tried again by the tick. */
static int32_t batches_start(struct reshard_coordinator *coordinator, struct reshard__job *job)
{
    for (;;) {
        if (coordinator->run_count >= coordinator->config.in_flight_limit)
            return RESHARD_E_BUSY;
        uint32_t index;
        int32_t status = reshard_batches_next(
            job->batches, coordinator->next, job->skip, job->batch_count, &index);
        if (status)
            return status;
        status = batch_start(coordinator, job, index);
        if (status == RESHARD_E_NOMEM || status == RESHARD_E_LIMIT)
            return status;
        if (status)
            batch_fail(job, index, status);
    }
}

static void job_abort(struct reshard_coordinator *coordinator, struct reshard__job *job)
{
    for (size_t i = 0; i < coordinator->run_count; i++) {
        struct reshard__run *run = &coordinator->runs[i];
        if (run->job == job->job && !(run->state & RESHARD_RUN_ABORTING) &&
            reshard__outbox_reserve(&coordinator->outbox, RESHARD__INPUT_RESERVE) == RESHARD_OK)
            (void)reshard__run_abort(coordinator, run); /* too late, or too early: asked again */
    }
}

/* Ends a job of which nothing is open. E_BUSY: it ends when all that is left was given up. */
static void job_judge(
    struct reshard_coordinator *coordinator, struct reshard__job *job, int32_t status)
{
    done_count(coordinator, job);
    bool given_up = job->failed_count > 0 &&
                    job->done_count + job->failed_count == job->batch_count;
    if (status == RESHARD_E_EMPTY)
        job_end(coordinator, job, RESHARD_OK);
    else if (status == RESHARD_E_PLAN || status == RESHARD_E_STATE)
        job_end(coordinator, job, status);
    else if (status == RESHARD_E_BUSY && given_up)
        job_end(coordinator, job, RESHARD_E_LIMIT);
}

static void job_pump(struct reshard_coordinator *coordinator, struct reshard__job *job)
{
    int32_t status = RESHARD_E_STATE;
    if (job->state & RESHARD_JOB_ABORTING)
        job_abort(coordinator, job);
    else if (job->state & RESHARD_JOB_PAUSED)
        return;
    else
        status = batches_start(coordinator, job);
    bool durable = reshard_map_version(coordinator->next) == reshard_map_version(coordinator->map);
    if (durable && open_count(coordinator, job) == 0)
        job_judge(coordinator, job, status);
}

void reshard__jobs_pump(struct reshard_coordinator *coordinator)
{
    coordinator->jobs_due = false;
    coordinator->jobs_at_ns = coordinator->now_ns + coordinator->config.retry_ns;
    for (size_t i = 0; i < coordinator->job_count; i++)
        if (!(coordinator->jobs[i].state & RESHARD_JOB_ENDED))
            job_pump(coordinator, &coordinator->jobs[i]);
}

void reshard__jobs_follow(struct reshard_coordinator *coordinator, const struct reshard__run *run)
{
    struct reshard__job *job = run->job ? job_find(coordinator, run->job) : NULL;
    if (!job)
        return;
    job->keys += run->keys;
    job->bytes += run->bytes;
    if (run->phase == RESHARD_PHASE_DONE) {
        job->done_count++;
        job->slots_done += run->slot_count;
    } else {
        batch_fail(job, run->batch, run->last_error ? run->last_error : RESHARD_E_STATE);
        job->failed_count += job->skip[run->batch];
    }
}

static int32_t spec_import(struct reshard_job_spec *spec, const struct reshard_job_spec *from)
{
    if (!from)
        return RESHARD_E_NULL;
    int32_t status = reshard__struct_import(spec, sizeof *spec, sizeof *spec, from);
    if (status)
        return status;
    if (spec->flags & ~(uint32_t)RESHARD_JOB_EXACT)
        return RESHARD_E_FLAGS;
    if (spec->mode != RESHARD_MODE_SNAPSHOT && spec->mode != RESHARD_MODE_KEYWISE)
        return RESHARD_E_MODE;
    return spec->reserved || spec->retry_limit > RETRY_LIMIT_MAX ? RESHARD_E_ARGUMENT : RESHARD_OK;
}

/* The cut of the plan, and what is remembered of each batch. */
static int32_t job_make(struct reshard_coordinator *coordinator, const struct reshard_plan *plan,
    struct reshard__job *job)
{
    int32_t status = reshard_batches_create(
        plan, job->spec.limits, &coordinator->config.allocator, &job->batches);
    if (status)
        return status;
    job->batch_count = reshard_batches_count(job->batches);
    uint32_t index;
    status = reshard_batches_next(job->batches, coordinator->next, NULL, 0, &index);
    if (status == RESHARD_E_SLOT_COUNT)
        return status;
    if (job->batch_count == 0)
        return RESHARD_OK;
    job->tries = reshard__mem_alloc(&coordinator->mem, job->batch_count * sizeof *job->tries);
    job->skip = reshard__mem_alloc(&coordinator->mem, job->batch_count);
    return job->tries && job->skip ? RESHARD_OK : RESHARD_E_NOMEM;
}

static int32_t submit(struct reshard_coordinator *coordinator, const struct reshard_plan *plan,
    const struct reshard_job_spec *spec, reshard_job_id *job_out)
{
    if (!coordinator->leads)
        return RESHARD_E_STATE;
    if (spec->flags & RESHARD_JOB_EXACT && reshard_plan_check(plan, coordinator->map))
        return RESHARD_E_PLAN;
    int32_t status = reshard__mem_grow(&coordinator->mem, (void **)&coordinator->jobs,
        &coordinator->job_capacity, sizeof *coordinator->jobs, coordinator->job_count + 1);
    if (status)
        return status;
    struct reshard__job job = {.job = coordinator->job_last + 1, .spec = *spec};
    status = job_make(coordinator, plan, &job);
    if (status) {
        job_free(coordinator, &job);
        return status;
    }
    job.spec.limits = NULL;
    job.started_ns = coordinator->now_ns;
    for (uint32_t i = 0; i < job.batch_count; i++)
        job.slot_count += batch_at(&job, i).slot_count;
    done_count(coordinator, &job);
    coordinator->job_last = job.job;
    coordinator->jobs[coordinator->job_count++] = job;
    coordinator->jobs_due = true;
    if (job_out)
        *job_out = job.job;
    return RESHARD_OK;
}

int32_t reshard_coordinator_submit(struct reshard_coordinator *coordinator,
    const struct reshard_plan *plan, const struct reshard_job_spec *from, reshard_job_id *job_out)
{
    if (!plan)
        return RESHARD_E_NULL;
    struct reshard_job_spec spec;
    int32_t status = spec_import(&spec, from);
    if (status == RESHARD_OK)
        status = reshard__feed_begin(coordinator, 0);
    if (status)
        return status;
    return reshard__feed_end(coordinator, submit(coordinator, plan, &spec, job_out));
}

/* The job that an operator names, with the input begun; or NULL and why. */
static struct reshard__job *job_begin(
    struct reshard_coordinator *coordinator, reshard_job_id id, int32_t *status_out)
{
    *status_out = reshard__feed_begin(coordinator, 0);
    if (*status_out)
        return NULL;
    struct reshard__job *job = job_find(coordinator, id);
    if (!job)
        *status_out = reshard__feed_end(coordinator, RESHARD_E_ARGUMENT);
    return job;
}

int32_t reshard_coordinator_job_abort(
    struct reshard_coordinator *coordinator, reshard_job_id id)
{
    int32_t status;
    struct reshard__job *job = job_begin(coordinator, id, &status);
    if (!job)
        return status;
    if (job->state & RESHARD_JOB_ENDED)
        return reshard__feed_end(coordinator, RESHARD_E_STATE);
    job->state |= RESHARD_JOB_ABORTING;
    coordinator->jobs_due = true;
    return reshard__feed_end(coordinator, RESHARD_OK);
}

int32_t reshard_coordinator_job_pause(
    struct reshard_coordinator *coordinator, reshard_job_id id, uint32_t paused)
{
    if (paused > 1)
        return RESHARD_E_ARGUMENT;
    int32_t status;
    struct reshard__job *job = job_begin(coordinator, id, &status);
    if (!job)
        return status;
    if (job->state & RESHARD_JOB_ENDED)
        return reshard__feed_end(coordinator, RESHARD_E_STATE);
    job->state &= ~(uint32_t)RESHARD_JOB_PAUSED;
    job->state |= paused ? RESHARD_JOB_PAUSED : 0;
    for (size_t i = 0; i < coordinator->run_count; i++)
        if (coordinator->runs[i].job == id)
            (void)reshard__run_pause(coordinator, &coordinator->runs[i], paused);
    coordinator->jobs_due = true;
    return reshard__feed_end(coordinator, RESHARD_OK);
}

int32_t reshard_coordinator_job_close(
    struct reshard_coordinator *coordinator, reshard_job_id id)
{
    int32_t status;
    struct reshard__job *job = job_begin(coordinator, id, &status);
    if (!job)
        return status;
    for (size_t i = 0; i < coordinator->run_count; i++)
        if (coordinator->runs[i].job == id)
            coordinator->runs[i].job = 0;
    job_free(coordinator, job);
    *job = coordinator->jobs[--coordinator->job_count];
    return reshard__feed_end(coordinator, RESHARD_OK);
}

int32_t reshard_coordinator_job_progress(const struct reshard_coordinator *coordinator,
    reshard_job_id id, struct reshard_job_progress *progress_out)
{
    if (!coordinator || !progress_out)
        return RESHARD_E_NULL;
    const struct reshard__job *job = job_find(coordinator, id);
    if (!job)
        return RESHARD_E_ARGUMENT;
    struct reshard_job_progress progress = {.struct_size = sizeof progress};
    progress.state = job->state;
    progress.job = job->job;
    progress.batch_count = job->batch_count;
    progress.done_count = job->done_count;
    progress.failed_count = job->failed_count;
    progress.slot_count = job->slot_count;
    progress.slots_done = job->slots_done;
    progress.last_error = job->last_error;
    progress.keys = job->keys;
    progress.bytes = job->bytes;
    progress.started_ns = job->started_ns;
    for (size_t i = 0; i < coordinator->run_count; i++) {
        const struct reshard__run *run = &coordinator->runs[i];
        progress.open_count += run->job == id;
        progress.keys += run->job == id ? run->keys : 0;
        progress.bytes += run->job == id ? run->bytes : 0;
    }
    return reshard__struct_export(progress_out, sizeof progress, &progress, sizeof progress);
}
