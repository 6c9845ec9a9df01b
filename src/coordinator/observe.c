/* SPDX-License-Identifier: MIT */
/* Room coordinator: what can be seen and pulled from outside. */
#include "coordinator/coordinator.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

int32_t reshard_message_receiver(const uint8_t *bytes, size_t size)
{
    enum { CHECKSUM_SIZE = 8, SHORT_ARRAY_MIN = 0x81, LONG_ARRAY = 0x98 };
    if (!bytes)
        return RESHARD_E_NULL;
    if (size < CHECKSUM_SIZE + 3)
        return RESHARD_E_TRUNCATED;
    uint8_t head = bytes[CHECKSUM_SIZE];
    bool long_array = head == LONG_ARRAY;
    if (head < SHORT_ARRAY_MIN || head > LONG_ARRAY)
        return RESHARD_E_KIND;
    uint8_t type = bytes[CHECKSUM_SIZE + (long_array ? 2 : 1)];
    if (type < RESHARD__HELLO || type > RESHARD__ACK)
        return RESHARD_E_KIND;
    bool coordinator = type == RESHARD__HELLO || type == RESHARD__REPORT;
    return coordinator ? RESHARD_RECEIVER_COORDINATOR : RESHARD_RECEIVER_NODE;
}

int32_t reshard_coordinator_action_next(
    struct reshard_coordinator *coordinator, struct reshard_action *action_out)
{
    if (!coordinator || !action_out)
        return RESHARD_E_NULL;
    if (coordinator->gate.ended)
        return RESHARD_E_EMPTY;
    return reshard__outbox_next(&coordinator->outbox, action_out);
}

int32_t reshard_coordinator_event_next(
    struct reshard_coordinator *coordinator, struct reshard_event *event_out)
{
    if (!coordinator || !event_out)
        return RESHARD_E_NULL;
    return reshard__outbox_event_next(&coordinator->outbox, event_out);
}

const struct reshard_map *reshard_coordinator_map(const struct reshard_coordinator *coordinator)
{
    return coordinator ? coordinator->map : NULL;
}

int32_t reshard_coordinator_leads(const struct reshard_coordinator *coordinator)
{
    if (!coordinator)
        return RESHARD_E_NULL;
    if (coordinator->gate.ended)
        return coordinator->gate.ended;
    return coordinator->leads ? 1 : 0;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* When a run's order is repeated, its back-off or its linger time is over, or its trend judged. */
static uint64_t run_deadline(
    const struct reshard_coordinator *coordinator, const struct reshard__run *run)
{
    if (run->waiting)
        return UINT64_MAX;
    uint64_t next = run->sent_ns + coordinator->config.retry_ns;
    bool timed = run->phase == RESHARD_PHASE_LINGER || run->phase == RESHARD_PHASE_CATCHUP;
    if (timed && run->not_before_ns > coordinator->now_ns)
        next = sooner(next, run->not_before_ns);
    uint64_t gathered_ns = run->entered_ns + coordinator->config.freeze_gather_ns;
    if (run->phase == RESHARD_PHASE_CATCHUP && gathered_ns > coordinator->now_ns)
        next = sooner(next, gathered_ns);
    return next;
}

uint64_t reshard_coordinator_deadline(const struct reshard_coordinator *coordinator)
{
    if (!coordinator || !coordinator->gate.started || coordinator->gate.ended)
        return UINT64_MAX;
    uint64_t deadline =
        reshard__journal_deadline(&coordinator->ledger.journal, coordinator->now_ns);
    if (!coordinator->leads)
        return deadline;
    if (coordinator->peer_count > 0 || coordinator->peers_stale)
        deadline = sooner(deadline, sooner(coordinator->beat_ns, coordinator->tell_ns));
    if (coordinator->ledger.gather_ns > coordinator->now_ns)
        deadline = sooner(deadline, coordinator->ledger.gather_ns);
    for (size_t i = 0; i < coordinator->run_count; i++)
        deadline = sooner(deadline, run_deadline(coordinator, &coordinator->runs[i]));
    return deadline;
}

int32_t reshard_coordinator_progress(const struct reshard_coordinator *coordinator,
    reshard_migration_id migration, struct reshard_progress *progress_out)
{
    if (!coordinator || !progress_out)
        return RESHARD_E_NULL;
    const struct reshard__run *run = reshard__run_find(coordinator, migration);
    if (!run)
        return RESHARD_E_MIGRATION;
    struct reshard_progress progress = {.struct_size = sizeof progress};
    progress.phase = run->phase;
    progress.migration = run->migration;
    progress.source = run->shards[0];
    progress.target = run->shards[1];
    progress.mode = run->mode;
    progress.slot_count = run->slot_count;
    progress.keys = run->keys;
    progress.bytes = run->bytes;
    progress.lag_size = run->lag_bytes;
    progress.rate = run->rate;
    progress.eta_ns = UINT64_MAX;
    if (run->rate >= 1000 && run->lag_bytes < UINT64_MAX / 1000000)
        progress.eta_ns = run->lag_bytes * 1000000 / (run->rate / 1000);
    progress.attempts = run->attempts;
    progress.copies = run->copies;
    progress.last_error = run->last_error;
    progress.state = run->state | (run->waiting ? RESHARD_RUN_WAITING : 0);
    progress.pause_ns = run->pause_ns;
    progress.pause_total_ns = run->pause_total_ns + run->pause_ns;
    progress.started_ns = run->started_ns;
    return reshard__struct_export(progress_out, sizeof progress, &progress, sizeof progress);
}

static void hash_run(XXH3_state_t *state, const struct reshard__run *run)
{
    const uint64_t fields[] = {run->migration, run->phase, run->mode, run->priority,
        run->bandwidth, run->waiting, run->state, run->order.term, run->order.n,
        run->map_version, run->copy.term, run->copy.n, run->attempt, run->queued, run->attempts,
        run->copies, run->sides[0].counted, run->sides[0].result, run->sides[0].copy.n,
        run->sides[0].final_sequence, run->sides[1].counted, run->sides[1].result,
        run->sides[1].copy.n, run->sides[1].final_sequence, run->lag_bytes};
    (void)XXH3_128bits_update(state, fields, sizeof fields);
}

int32_t reshard_coordinator_digest(
    const struct reshard_coordinator *coordinator, struct reshard_digest *digest_out)
{
    if (!coordinator || !digest_out)
        return RESHARD_E_NULL;
    XXH3_state_t state;
    struct reshard_digest maps[2];
    (void)reshard_map_digest(coordinator->map, &maps[0]);
    (void)reshard_map_digest(coordinator->next, &maps[1]);
    const struct reshard__journal *journal = &coordinator->ledger.journal;
    const uint64_t fields[] = {coordinator->gate.started, coordinator->leads,
        (uint64_t)(int64_t)coordinator->gate.ended, coordinator->term, journal->state,
        journal->position.index, journal->position.digest};
    (void)XXH3_128bits_reset(&state);
    (void)XXH3_128bits_update(&state, maps, sizeof maps);
    (void)XXH3_128bits_update(&state, fields, sizeof fields);
    for (size_t i = 0; i < coordinator->run_count; i++)
        hash_run(&state, &coordinator->runs[i]);
    for (size_t i = 0; i < coordinator->job_count; i++) {
        const struct reshard__job *job = &coordinator->jobs[i];
        const uint64_t job_fields[] = {job->job, job->state, job->done_count, job->failed_count};
        (void)XXH3_128bits_update(&state, job_fields, sizeof job_fields);
    }
    for (size_t i = 0; i < coordinator->peer_count; i++) {
        const uint64_t peer[] = {coordinator->peers[i].node, coordinator->peers[i].told};
        (void)XXH3_128bits_update(&state, peer, sizeof peer);
    }
    XXH128_hash_t hash = XXH3_128bits_digest(&state);
    digest_out->low = hash.low64;
    digest_out->high = hash.high64;
    return RESHARD_OK;
}
