/* SPDX-License-Identifier: MIT */
/* Room engine: CLUSTER RESHARD at the coordinator: a plan as one of its jobs, and the control of
 * what runs. A job is in memory only: after a restart what is open goes on, the rest is to be asked
 * for again. */
#include "engine_room.h"

enum { BATCH_SLOTS = 4096, BATCHES_AT_ONCE = 8, RETRIES = 3 };

static bool plan_runs(const struct engine *engine, struct reshard_job_progress *progress)
{
    *progress = (struct reshard_job_progress){.struct_size = sizeof(*progress)};
    return engine->plan != 0 && reshard_coordinator_job_progress(
                                    engine->coordinator, engine->plan, progress) == RESHARD_OK;
}

static void plan_text(const struct reshard_plan *plan, struct buffer *text)
{
    struct reshard_plan_totals totals = {.struct_size = sizeof(totals)};
    struct reshard_move move = {.struct_size = sizeof(move)};
    (void)reshard_plan_totals(plan, &totals);
    buffer_append_format(text, "moves:%u\r\nslots:%u\r\n", totals.move_count, totals.slots_moved);
    for (uint32_t index = 0; reshard_plan_move_at(plan, index, &move) == RESHARD_OK; index++) {
        buffer_append_format(text, "move:%u source=%u target=%u slots=%u ranges=", index,
            move.source, move.target, move.slot_count);
        for (uint32_t at = 0; at < move.range_count; at++)
            buffer_append_format(text, "%s%u-%u", at == 0 ? "" : ",", move.ranges[at].first,
                move.ranges[at].last);
        buffer_append_text(text, "\r\n");
    }
}

static void plan_start(
    struct engine *engine, struct job *job, const struct reshard_plan *plan, uint32_t mode)
{
    struct reshard_batch_limits limits;
    struct reshard_job_spec spec;
    reshard_batch_limits_init(&limits);
    limits.slots_max = BATCH_SLOTS;
    limits.in_flight_max = BATCHES_AT_ONCE;
    limits.in_flight_in_max = 2;
    limits.in_flight_out_max = 2;
    reshard_job_spec_init(&spec);
    spec.mode = mode;
    spec.retry_limit = RETRIES;
    spec.limits = &limits;
    if (engine->plan != 0)
        (void)reshard_coordinator_job_close(engine->coordinator, engine->plan);
    engine->plan = 0;
    int32_t status =
        reshard_coordinator_submit(engine->coordinator, plan, &spec, &engine->plan);
    if (status != RESHARD_OK)
        job__fail(job, reshard_strerror(status));
    engine->dirty = true;
}

struct plan_words {
    uint64_t dry, mode, number, target;
    reshard_shard_id shards[ENGINE_PLAN_SHARDS];
    uint32_t shard_count;
};

static int32_t plan_make(struct engine *engine, struct bytes kind, const struct plan_words *asked,
    struct reshard_plan **plan_out)
{
    const struct reshard_map *map = reshard_coordinator_map(engine->coordinator);
    if (bytes_is(kind, "MOVE")) {
        struct reshard_reshard_request request;
        reshard_reshard_request_init(&request);
        request.target = (reshard_shard_id)asked->target;
        request.slot_count = (uint32_t)asked->number;
        request.sources = asked->shards;
        request.source_count = asked->shard_count;
        return reshard_plan_reshard(map, &request, NULL, plan_out);
    }
    if (bytes_is(kind, "DRAIN")) {
        struct reshard_drain_request request;
        reshard_drain_request_init(&request);
        request.shards = asked->shards;
        request.shard_count = asked->shard_count;
        return reshard_plan_drain(map, &request, NULL, plan_out);
    }
    struct reshard_rebalance_request request;
    reshard_rebalance_request_init(&request);
    request.flags = RESHARD_REBALANCE_EMPTY_SHARDS;
    return reshard_plan_rebalance(map, &request, NULL, plan_out);
}

/* What RESHARD_E_ARGUMENT means, in the operator's words. */
static const char *argument_error(const struct plan_words *asked)
{
    for (uint32_t index = 0; index < asked->shard_count; index++) {
        if (asked->shards[index] == asked->target)
            return "ERR FROM names the node that TO names, or one of its shard";
        for (uint32_t before = 0; before < index; before++)
            if (asked->shards[before] == asked->shards[index])
                return "ERR FROM names a node, or its shard, twice";
    }
    return asked->target != 0 ? "ERR there are fewer slots to give than COUNT"
                              : "ERR nobody is left to take the slots";
}

static bool asked_read(struct bytes words, struct plan_words *asked)
{
    uint64_t shard;
    *asked = (struct plan_words){0};
    if (!words_number(&words, &asked->dry) || !words_number(&words, &asked->mode) ||
        !words_number(&words, &asked->number) || !words_number(&words, &asked->target))
        return false;
    while (asked->shard_count < ENGINE_PLAN_SHARDS && words_number(&words, &shard))
        asked->shards[asked->shard_count++] = (reshard_shard_id)shard;
    return true;
}

/* plan kind dry mode number target shard... */
void job_plan(struct engine *engine, struct job *job, struct bytes words)
{
    struct plan_words asked;
    struct reshard_plan *plan = NULL;
    struct bytes kind;
    if (!words_next(&words, &kind) || !asked_read(words, &asked)) {
        job__fail(job, "ERR not a request");
        return;
    }
    struct reshard_job_progress running;
    if (asked.dry == 0 && plan_runs(engine, &running) &&
        (running.state & RESHARD_JOB_ENDED) == 0) {
        job__fail(job, "ERR a plan is being carried out; ABORT it, or wait");
        return;
    }
    int32_t status = plan_make(engine, kind, &asked, &plan);
    if (status != RESHARD_OK) {
        job__fail(job, status == RESHARD_E_ARGUMENT ? argument_error(&asked)
                                                    : reshard_strerror(status));
        return;
    }
    plan_text(plan, &job->text);
    if (asked.dry == 0 && reshard_plan_move_count(plan) > 0)
        plan_start(engine, job, plan, (uint32_t)asked.mode);
    reshard_plan_destroy(plan);
}

static const char *plan_state(bool runs, uint32_t state)
{
    if (!runs)
        return "none";
    if ((state & RESHARD_JOB_ENDED) != 0)
        return "ended";
    if ((state & RESHARD_JOB_ABORTING) != 0)
        return "aborting";
    return (state & RESHARD_JOB_PAUSED) != 0 ? "paused" : "running";
}

/* How much of the plan is done, how fast, and the time left if it goes on so; -1: not known. */
static void plan_pace_text(const struct reshard_job_progress *job, struct buffer *text)
{
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t took_ms = now_ns > job->started_ns ? (now_ns - job->started_ns) / 1000000 : 0;
    bool ended = (job->state & RESHARD_JOB_ENDED) != 0;
    bool paced = !ended && job->slots_done > 0;
    uint64_t left = job->slot_count - job->slots_done;
    buffer_append_format(text, "percent:%u\r\nbytes_per_s:%llu\r\neta_ms:%lld\r\n",
        job->slot_count > 0 ? (unsigned)((uint64_t)job->slots_done * 100 / job->slot_count) : 0,
        ended || took_ms == 0 ? 0ULL : (unsigned long long)(job->bytes * 1000 / took_ms),
        paced ? (long long)(took_ms * left / job->slots_done) : ended ? 0LL : -1LL);
}

static void progress_text(struct engine *engine, struct buffer *text)
{
    const struct reshard_map *map = reshard_coordinator_map(engine->coordinator);
    struct reshard_map_migration open = {.struct_size = sizeof(open)};
    struct reshard_job_progress job;
    bool runs = plan_runs(engine, &job);
    buffer_append_format(text,
        "plan:%s\r\nbatches:%u\r\nbatches_done:%u\r\nbatches_failed:%u\r\nslots:%u\r\n"
        "slots_done:%u\r\nkeys:%llu\r\nbytes:%llu\r\nlast_error:%s\r\n",
        plan_state(runs, job.state), job.batch_count, job.done_count, job.failed_count,
        job.slot_count, job.slots_done, (unsigned long long)job.keys,
        (unsigned long long)job.bytes, reshard_strname(job.last_error));
    if (runs)
        plan_pace_text(&job, text);
    for (uint32_t index = 0; reshard_map_migration_at(map, index, &open) == RESHARD_OK; index++) {
        struct reshard_progress p = {.struct_size = sizeof(p)};
        if (reshard_coordinator_progress(engine->coordinator, open.migration, &p) != RESHARD_OK)
            continue;
        uint64_t behind = p.bytes + p.lag_size;
        buffer_append_format(text,
            "migration:%llu phase=%s slots=%u keys=%llu bytes=%llu percent=%llu "
            "bytes_per_s=%llu eta_ms=%lld pause_us=%llu paused=%d\r\n",
            (unsigned long long)open.migration, reshard_phase_name(p.phase), p.slot_count,
            (unsigned long long)p.keys, (unsigned long long)p.bytes,
            (unsigned long long)(behind == 0 ? 0 : p.bytes * 100 / behind),
            (unsigned long long)p.rate,
            p.eta_ns == UINT64_MAX ? -1LL : (long long)(p.eta_ns / 1000000),
            (unsigned long long)(p.pause_total_ns / 1000),
            (p.state & RESHARD_RUN_PAUSED) != 0);
    }
}

/* control pause | resume | abort | progress */
void job_control(struct engine *engine, struct job *job, struct bytes words)
{
    const struct reshard_map *map = reshard_coordinator_map(engine->coordinator);
    struct reshard_map_migration open = {.struct_size = sizeof(open)};
    struct bytes word;
    if (!words_next(&words, &word))
        return;
    bool abort = bytes_is(word, "ABORT");
    bool pause = bytes_is(word, "PAUSE");
    if (!bytes_is(word, "PROGRESS")) {
        if (engine->plan != 0)
            (void)(abort ? reshard_coordinator_job_abort(engine->coordinator, engine->plan)
                         : reshard_coordinator_job_pause(
                               engine->coordinator, engine->plan, pause ? 1 : 0));
        for (uint32_t index = 0; reshard_map_migration_at(map, index, &open) == RESHARD_OK;
             index++)
            (void)(abort ? reshard_coordinator_abort(engine->coordinator, open.migration)
                         : reshard_coordinator_pause(
                               engine->coordinator, open.migration, pause ? 1 : 0));
    }
    progress_text(engine, &job->text);
}
