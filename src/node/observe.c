/* SPDX-License-Identifier: MIT */
/* Room node: what can be seen from outside: deadline, migrations, digest. Changes nothing. */
#include "node/keywise.h"
#include "node/node.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static void earlier(uint64_t *deadline, uint64_t time_ns)
{
    if (time_ns < *deadline)
        *deadline = time_ns;
}

/* The source's freeze, hold and stream. */
static void source_deadline(
    const struct reshard_node *node, const struct reshard__part *part, uint64_t *deadline)
{
    const struct reshard__stream *stream = &part->stream;
    enum reshard__stance stance = reshard__part_stance(node, part);
    if (stance == RESHARD__STANCE_SOURCE_FROZEN)
        earlier(deadline, part->freeze_deadline_ns);
    if (stance == RESHARD__STANCE_SOURCE_HELD && !part->alarmed)
        earlier(deadline, part->heard_ns + node->config.alarm_ns);
    if (stream->sent > stream->applied)
        earlier(deadline, stream->progress_ns + node->config.retry_ns);
    if (stream->free_ns > node->now_ns)
        earlier(deadline, stream->free_ns);
    if (part->fence_done < part->fence_asked && !(part->busy & RESHARD__BUSY_FENCE))
        earlier(deadline, part->retry_at_ns);
    if (part->frozen_final && part->phase == RESHARD_PHASE_FREEZE)
        earlier(deadline, part->reported_ns + node->config.retry_ns);
}

static void target_deadline(
    const struct reshard_node *node, const struct reshard__part *part, uint64_t *deadline)
{
    if (part->receiving && part->synced < part->applied && !(part->busy & RESHARD__BUSY_SYNC))
        earlier(deadline, part->chunk_ns + node->config.retry_ns / 2);
}

/* What settled the part has waited long enough for a sync of others. */
static void keep_deadline(
    const struct reshard_node *node, const struct reshard__part *part, uint64_t *deadline)
{
    if (part->keep_ns > node->now_ns && !part->kept)
        earlier(deadline, part->keep_ns);
}

static uint64_t part_deadline(const struct reshard_node *node, const struct reshard__part *part)
{
    uint64_t deadline = UINT64_MAX;
    bool waits = part->retry_at_ns > node->now_ns;
    if (waits)
        earlier(&deadline, part->retry_at_ns);
    if (part->wake_due)
        earlier(&deadline, node->now_ns);
    if (part->side == RESHARD_SIDE_SOURCE)
        source_deadline(node, part, &deadline);
    bool purges = part->stored.kind == RESHARD__RECORD_PURGE && !part->purged;
    if (purges && part->busy == 0 && !waits)
        earlier(&deadline, node->now_ns + 1);
    target_deadline(node, part, &deadline);
    keep_deadline(node, part, &deadline);
    if (part->keywise)
        earlier(&deadline, reshard__keywise_deadline(node, part));
    return deadline;
}

/* The own journal, and the purge that waits for it. */
static void log_deadline(const struct reshard_node *node, uint64_t *deadline)
{
    const struct reshard__log *log = &node->log;
    bool purge = node->purge_count > 0 && !node->purge_open;
    if (purge && node->quarantine_changes == node->quarantine_durable)
        earlier(deadline, node->purge_retry_ns);
    earlier(deadline, reshard__journal_deadline(&log->journal, node->now_ns));
    if (log->waiting_ns)
        earlier(deadline, log->waiting_ns);
}

uint64_t reshard_node_deadline(const struct reshard_node *node)
{
    if (!node || !node->gate.started || node->gate.ended)
        return UINT64_MAX;
    uint64_t deadline = UINT64_MAX;
    for (size_t i = 0; i < node->part_count && !node->following; i++)
        if (!node->parts[i]->closed)
            earlier(&deadline, part_deadline(node, node->parts[i]));
    if (node->parts_missing)
        earlier(&deadline, node->now_ns + node->config.retry_ns);
    log_deadline(node, &deadline);
    return deadline;
}

static uint64_t sealed_attempt(const struct reshard__part *part)
{
    return part->stored.sealed ? part->stored.seal_attempt : 0;
}

int32_t reshard_node_migration_at(
    const struct reshard_node *node, uint32_t index, struct reshard_node_migration *migration_out)
{
    if (!node || !migration_out)
        return RESHARD_E_NULL;
    for (size_t i = 0; i < node->part_count; i++) {
        const struct reshard__part *part = node->parts[i];
        if (part->closed || index-- > 0)
            continue;
        bool source = part->side == RESHARD_SIDE_SOURCE;
        struct reshard_node_migration migration = {.struct_size = sizeof migration};
        migration.side = part->side;
        migration.migration = part->migration;
        migration.mode = part->mode;
        migration.phase = part->phase;
        migration.sequence = source ? part->stream.numbered_last : part->applied;
        migration.durable_sequence = source ? part->stream.durable : part->synced;
        migration.lag_size = source ? reshard__stream_lag(part) : 0;
        migration.keys = part->keys;
        migration.bytes = part->bytes;
        migration.pause_ns = part->pause_ns;
        migration.seal_attempt = sealed_attempt(part);
        if (part->pause_began_ns)
            migration.pause_ns += node->now_ns - part->pause_began_ns;
        return reshard__struct_export(
            migration_out, sizeof migration, &migration, sizeof migration);
    }
    return RESHARD_E_EMPTY;
}

/* Fields that the node's next steps depend on; not clocks, which only shift them. */
static void hash_part(
    XXH3_state_t *state, const struct reshard_node *node, const struct reshard__part *part)
{
    const struct reshard__stream *stream = &part->stream;
    const struct reshard__stored *stored = &part->stored;
    const uint64_t fields[] = {part->migration, part->side, part->mode, part->closed,
        part->order.term, part->order.n, part->phase, part->order_copy.term, part->order_copy.n,
        part->attempt, part->map_version, part->result, part->reported, stored->kind,
        stored->order.term, stored->order.n, stored->attempt, stored->open_copy.term,
        stored->open_copy.n, stored->sealed, stored->seal_attempt, stored->seal_final,
        stored->moving, part->want.kind, part->writing, part->prepared_live, part->busy,
        part->fence_asked, part->fence_done, part->digest_known, part->purged, part->discarded,
        part->activated, stream->copy.term, stream->copy.n, stream->greeted, stream->exported,
        stream->cursor, stream->numbered_last, stream->sent, stream->applied, stream->durable,
        stream->captured_bytes, stream->unapplied_bytes, part->opened.term, part->opened.n,
        part->early.term, part->early.n, part->frozen_attempt, part->frozen_final,
        part->expired_attempt, part->position_known, part->receiving, part->queued, part->applied,
        part->synced, part->apply_open, part->fin_attempt, part->fin_final, part->mismatch_attempt,
        reshard__part_stance(node, part)};
    (void)XXH3_128bits_update(state, fields, sizeof fields);
}

int32_t reshard_node_digest(const struct reshard_node *node, struct reshard_digest *digest_out)
{
    if (!node || !digest_out)
        return RESHARD_E_NULL;
    XXH3_state_t state;
    struct reshard_digest maps[2];
    (void)reshard_map_digest(node->map, &maps[0]);
    (void)reshard_map_digest(node->next, &maps[1]);
    const struct reshard__journal *journal = &node->log.journal;
    const uint64_t fields[] = {node->gate.started, node->following,
        (uint64_t)(int64_t)node->gate.ended, node->next_snapshot, journal->state,
        journal->position.index, journal->position.digest, journal->next.index,
        node->log.identity, node->quarantine_count, node->quarantine_changes,
        node->quarantine_durable, node->purge_count, node->purge_cursor, node->purge_open};
    (void)XXH3_128bits_reset(&state);
    (void)XXH3_128bits_update(&state, maps, sizeof maps);
    (void)XXH3_128bits_update(&state, fields, sizeof fields);
    (void)XXH3_128bits_update(
        &state, node->quarantine, node->quarantine_count * sizeof *node->quarantine);
    for (size_t i = 0; i < node->part_count; i++)
        hash_part(&state, node, node->parts[i]);
    XXH128_hash_t hash = XXH3_128bits_digest(&state);
    digest_out->low = hash.low64;
    digest_out->high = hash.high64;
    return RESHARD_OK;
}
