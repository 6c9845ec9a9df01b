/* SPDX-License-Identifier: MIT */
/* Room sim: which worlds are the same one, as far as hosts go. Reads the engines' own structures
 * (their headers only, nothing of their code): what they hold is taken whole, and what must not
 * matter is blanked, so that a new member counts until somebody says that it does not:
 * - pointers: what they point to is taken in their place;
 * - moments: now, past, or how far ahead (search.h);
 * - names that nobody compares but for equality: ids of actions, tickets, places in tables;
 * - figures that only people read: pauses, counts, progress. A rate is bytes by milliseconds: in
 *   these worlds a moment takes none or a jump, and a jump has more of them than keys have bytes.
 *   Nor is there a lag that is above its limit, whose trend would be followed.
 */
#include "sim/search.h"
#include "sim/search_parts.h"

#include "coordinator/coordinator.h"
#include "node/keywise.h"
#define XXH_INLINE_ALL
#include <stdlib.h>
#include <xxhash.h>

enum { PLACE_BITS = 20 };

void reshard__sink_fold(struct sink *sink, const void *bytes, size_t size)
{
    struct reshard_digest digest = reshard__sink_digest(sink);
    memcpy(sink->bytes, &digest, sizeof digest);
    sink->size = sizeof digest;
    XXH128_hash_t hash = XXH3_128bits(bytes, size);
    memcpy(sink->bytes + sink->size, &hash, sizeof hash);
    sink->size += sizeof hash;
}

struct reshard_digest reshard__search_hash(const void *bytes, size_t size)
{
    XXH128_hash_t hash = XXH3_128bits(bytes, size);
    return (struct reshard_digest){.low = hash.low64, .high = hash.high64};
}

struct reshard_digest reshard__sink_digest(const struct sink *sink)
{
    return reshard__search_hash(sink->bytes, sink->size);
}

/* A moment: 0 none, 1 past, 2 now, else how far ahead. */
static uint64_t moment(uint64_t time_ns, uint64_t now_ns)
{
    if (time_ns == 0 || time_ns == UINT64_MAX)
        return time_ns;
    if (time_ns <= now_ns)
        return time_ns < now_ns ? 1 : 2;
    return 2 + (time_ns - now_ns);
}

static void blank(uint64_t *time_ns, uint64_t now_ns)
{
    *time_ns = moment(*time_ns, now_ns);
}

/* ---- nodes ---- */

static void put_chunk(struct sink *sink, const struct reshard__chunk *chunk)
{
    put_number(sink, chunk != NULL);
    if (!chunk)
        return;
    put_number(sink, chunk->sequence);
    put_number(sink, chunk->dead);
    put_bytes(sink, chunk->data, chunk->size);
}

static void put_chunks(struct sink *sink, const struct reshard__chunk_list *list)
{
    for (const struct reshard__chunk *chunk = list->head; chunk; chunk = chunk->next)
        put_chunk(sink, chunk);
    put_number(sink, 0);
}

static void put_keys(struct sink *sink, const struct reshard__keys *keys)
{
    put_bytes(sink, keys->bytes, keys->size);
}

static void put_keywise(struct sink *sink, const struct reshard__part *part, uint64_t now_ns)
{
    const struct reshard__keywise *keywise = part->keywise;
    put_number(sink, keywise != NULL);
    if (!keywise)
        return;
    const struct reshard__keys *const sets[] = {&keywise->keys, &keywise->sent, &keywise->asked,
        &keywise->pending, &keywise->old, &keywise->dropping, &keywise->dropped,
        &keywise->questions, &keywise->absent, &keywise->present};
    const uint64_t fields[] = {keywise->stream.term, keywise->stream.n, keywise->opened.term,
        keywise->opened.n, keywise->early.term, keywise->early.n, keywise->unmoving,
        keywise->reconciled, keywise->flight, keywise->sequence, keywise->cancelled, keywise->tries,
        moment(keywise->sent_ns, now_ns), keywise->cursor, keywise->fence,
        keywise->looked_ns >= part->heard_ns, keywise->pick_capacity, keywise->empty,
        keywise->confirms, keywise->last, keywise->incoming_applied, keywise->mark_stream.term,
        keywise->mark_stream.n, keywise->mark_sequence, keywise->confirmed, keywise->told,
        keywise->heard, keywise->old_cleared, moment(keywise->asked_ns, now_ns)};
    put(sink, fields, sizeof fields);
    put_chunk(sink, keywise->chunk);
    put_chunk(sink, keywise->incoming);
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        put_keys(sink, sets[i]);
}

static void stream_blank(struct reshard__stream *stream, uint64_t now_ns)
{
    memset(&stream->numbered, 0, sizeof stream->numbered);
    memset(&stream->captured, 0, sizeof stream->captured);
    stream->send_next = NULL;
    blank(&stream->progress_ns, now_ns);
    blank(&stream->free_ns, now_ns);
}

/* Member by member: it is assigned whole, and what lies between its members with it. */
static void put_record(struct sink *sink, const struct reshard__record *record)
{
    const uint64_t fields[] = {record->node, record->slot_count, record->migration,
        record->order.term, record->order.n, record->copy.term, record->copy.n, record->attempt,
        record->sequence, record->flags, record->digest.low, record->digest.high};
    put_number(sink, record->kind);
    if (record->kind == 0)
        return; /* what it borrowed may be gone */
    put(sink, fields, sizeof fields);
    put_bytes(sink, record->blob.data, record->blob.size);
}

static void put_part(
    struct sink *sink, const struct reshard_node *node, const struct reshard__part *part)
{
    struct reshard__part copy;
    uint64_t now_ns = node->now_ns;
    memcpy(&copy, part, sizeof copy);
    copy.ranges = NULL;
    copy.keywise = NULL;
    memset(&copy.want, 0, sizeof copy.want);
    copy.cell = 0;
    copy.ticket = copy.last_action = 0;
    copy.pause_ns = copy.keys = copy.bytes = 0;
    copy.pause_began_ns = copy.pause_began_ns != 0;
    blank(&copy.heard_ns, now_ns);
    blank(&copy.reported_ns, now_ns);
    blank(&copy.retry_at_ns, now_ns);
    blank(&copy.freeze_deadline_ns, now_ns);
    blank(&copy.chunk_ns, now_ns);
    copy.kept &= node->config.gather_ns > 0; /* elsewhere nobody asks for it */
    copy.keep_ns = copy.kept ? 0 : moment(copy.keep_ns, now_ns);
    stream_blank(&copy.stream, now_ns);
    put(sink, &copy, sizeof copy);
    put_number(sink, part->stream.send_next ? part->stream.send_next->sequence : 0);
    put_chunks(sink, &part->stream.numbered);
    put_chunks(sink, &part->stream.captured);
    put_record(sink, &part->want);
    put(sink, &node->cells[part->cell], sizeof node->cells[part->cell]);
    put_keywise(sink, part, now_ns);
}

static void put_map(struct sink *sink, const struct reshard_map *map)
{
    struct reshard_digest digest = {0};
    if (map)
        (void)reshard_map_digest(map, &digest);
    put(sink, &digest, sizeof digest);
}

/* With changes that are still to be written; without them it is the map that is known. */
static void put_next(
    struct sink *sink, const struct reshard_map *next, const struct reshard_map *map)
{
    bool same = next && reshard_map_version(next) == reshard_map_version(map);
    put_number(sink, same);
    if (!same)
        put_map(sink, next);
}

/* A version is what the authority says that it is: reshard__check_node looks at that. */
static void put_version(struct sink *sink, const struct reshard_map *map)
{
    put_number(sink, reshard_map_version(map));
    put_number(sink, reshard_map_term(map, NULL));
}

/* The bytes of what is being written stand in the task that writes them. */
static void put_journal(struct sink *sink, const struct reshard__journal *journal, uint64_t now_ns)
{
    struct reshard__journal copy;
    memcpy(&copy, journal, sizeof copy);
    copy.buffer = NULL;
    copy.buffer_size = copy.used = 0;
    copy.append_count = 0;
    blank(&copy.retry_at_ns, now_ns);
    put(sink, &copy, sizeof copy);
}

static void put_node(struct sink *sink, const struct reshard_node *node)
{
    const struct reshard__log *log = &node->log;
    /* Who sent the last map counts where one was missed alone: then it is asked for that. */
    const uint64_t fields[] = {node->next_snapshot, node->map_missed,
        node->map_missed ? node->map_from : node->map_from != 0, log->map_version,
        log->quarantine_changes, log->identity, node->following,
        log->synced && node->config.gather_ns > 0 && log->journal.state != RESHARD__JOURNAL_IDLE,
        moment(log->waiting_ns, node->now_ns), node->parts_missing, node->shard, node->primary,
        node->quarantine_changes, node->quarantine_durable, node->purge_cursor,
        moment(node->purge_retry_ns, node->now_ns), node->purge_open, node->part_count};
    put(sink, fields, sizeof fields);
    put(sink, &node->gate, sizeof node->gate);
    put_journal(sink, &log->journal, node->now_ns);
    put_version(sink, node->map);
    put_next(sink, node->next, node->map);
    put_bytes(sink, node->quarantine, node->quarantine_count * sizeof *node->quarantine);
    put_bytes(sink, node->purge, node->purge_count * sizeof *node->purge);
    for (size_t i = 0; i < node->part_count; i++)
        put_part(sink, node, node->parts[i]);
}

/* ---- coordinators ---- */

static void put_run(struct sink *sink, const struct reshard_coordinator *coordinator,
    const struct reshard__run *run)
{
    struct reshard__run copy;
    uint64_t now_ns = coordinator->now_ns;
    memcpy(&copy, run, sizeof copy);
    copy.row = 0;
    copy.keys = copy.bytes = copy.rate_bytes = copy.rate_ns = 0;
    copy.lag_low = copy.lag_low_ns = 0;
    copy.pause_ns = copy.pause_total_ns = copy.started_ns = copy.entered_ns = 0;
    copy.last_error = 0;
    if (run->rate > 0 || run->lag_bytes > coordinator->config.lag_size)
        abort(); /* then they would matter */
    blank(&copy.sent_ns, now_ns);
    blank(&copy.not_before_ns, now_ns);
    put(sink, &copy, sizeof copy);
}

static void put_coordinator(struct sink *sink, const struct reshard_coordinator *coordinator)
{
    const struct reshard__ledger *ledger = &coordinator->ledger;
    uint64_t now_ns = coordinator->now_ns, version = reshard_map_version(coordinator->map);
    bool appending = ledger->journal.state != RESHARD__JOURNAL_IDLE;
    const uint64_t fields[] = {coordinator->leads, coordinator->term,
        moment(coordinator->beat_ns, now_ns), coordinator->config.unique, ledger->waiting_size,
        appending || ledger->journal.doubted ? ledger->version - version : 0,
        ledger->gather_ns > now_ns ? ledger->gather_ns - now_ns : 0,
        moment(coordinator->tell_ns, now_ns), coordinator->peers_stale, coordinator->copy_count,
        coordinator->shares_due, coordinator->jobs_due, coordinator->run_count,
        coordinator->peer_count};
    put(sink, &coordinator->gate, sizeof coordinator->gate);
    put_journal(sink, &ledger->journal, now_ns);
    put(sink, fields, sizeof fields);
    put_map(sink, coordinator->map);
    put_next(sink, coordinator->next, coordinator->map);
    for (size_t i = 0; i < coordinator->run_count; i++)
        put_run(sink, coordinator, &coordinator->runs[i]);
    for (size_t i = 0; i < coordinator->peer_count; i++) {
        struct reshard__peer copy;
        memcpy(&copy, &coordinator->peers[i], sizeof copy);
        copy.boot = 0; /* nobody asks for it */
        put(sink, &copy, sizeof copy);
    }
}

/* ---- hosts ---- */

const struct reshard__outbox *reshard__search_outbox(const struct host *host)
{
    return host->node ? &host->node->outbox : &host->coordinator->outbox;
}

/* What waits there since a key went by itself: nobody called the engine since. */
static void put_waiting(struct sink *sink, const struct reshard__outbox *outbox)
{
    for (const struct reshard__entry *entry = outbox->head; entry; entry = entry->next) {
        put_number(sink, entry->action.kind);
        put_bytes(sink, entry->action.header, entry->action.header_size);
    }
}

static const struct reshard__entry *entry_of(const struct host *host, uint64_t id)
{
    return reshard__search_outbox(host)->entries[id & ((UINT64_C(1) << PLACE_BITS) - 1)];
}

/* Whether a completion would still be taken. */
static bool ticket_good(const struct host *host, const struct reshard__entry *entry)
{
    for (size_t i = 0; host->node && i < host->node->part_count; i++)
        if (host->node->parts[i]->migration == entry->owner)
            return host->node->parts[i]->ticket == entry->ticket;
    return false;
}

uint64_t reshard__task_place(const struct host *host, uint64_t id)
{
    for (size_t i = 0; i < host->task_count; i++)
        if (host->tasks[i].action.id == id)
            return i + 1;
    return 0;
}

static void put_task(struct sink *sink, const struct host *host, const struct task *task)
{
    const struct reshard_action *action = &task->action;
    const struct reshard_completion *completion = &task->completion;
    const struct reshard__entry *entry = entry_of(host, action->id);
    const uint64_t fields[] = {action->kind, reshard__task_place(host, action->after), action->to,
        action->term, action->index, action->migration, action->side, action->mode,
        action->copy_term, action->copy_n, action->sequence, action->cursor, action->capacity,
        task->running, task->read, entry->purpose, entry->owner, ticket_good(host, entry),
        task->position ? host->shipped - task->position : UINT64_MAX};
    put(sink, fields, sizeof fields);
    put_bytes(sink, action->header, action->header_size);
    put_bytes(sink, action->payload, action->payload_size);
    if (!task->read)
        return;
    put(sink, completion, sizeof *completion);
    if (action->buffer)
        put_bytes(sink, action->buffer, (size_t)completion->size);
}

static void put_staging(struct sink *sink, const struct staging *staging)
{
    const uint64_t fields[] = {staging->migration, staging->mode, staging->copy_term,
        staging->copy_n, staging->sequence, staging->piece_count, staging->durable_count,
        staging->activated};
    put(sink, fields, sizeof fields);
    for (size_t i = 0; i < staging->piece_count; i++) {
        put_number(sink, staging->pieces[i].sequence);
        put_bytes(sink, staging->pieces[i].data, staging->pieces[i].size);
    }
}

/* And how much of its journal a replica has not taken. */
static void put_disk(struct sink *sink, const struct reshard_sim *sim, const struct host *host)
{
    const struct disk *disk = host->disk;
    put_number(sink, host->follows ? disk->journal_size - host->fed : 0);
    put_bytes(sink, disk->journal, disk->journal_size);
    put(sink, disk->values, sim->set.key_count * sizeof *disk->values);
    for (size_t i = 0; i < disk->staging_count; i++)
        put_staging(sink, &disk->stagings[i]);
    for (size_t i = 0; sim->set.unsynced && i < disk->loose.count; i++)
        put(sink, &disk->loose.entries[i], sizeof disk->loose.entries[i]);
}

static void put_stream(struct sink *sink, const struct stream *stream)
{
    put_number(sink, stream->on);
    put_number(sink, stream->count);
    for (size_t i = 0; i < stream->count; i++) {
        const struct shipment *shipment = &stream->shipments[i];
        const struct reshard_action *action = &shipment->action;
        const uint64_t fields[] = {action->kind, action->migration, action->mode, action->copy_term,
            action->copy_n, action->sequence, shipment->key, shipment->value};
        put(sink, fields, sizeof fields);
        put_bytes(sink, action->header, action->header_size);
        put_bytes(sink, action->payload, action->payload_size);
    }
}

void reshard__sink_host(struct sink *sink, const struct reshard_sim *sim, const struct host *host)
{
    bool stuck = host->failed_deadline > reshard__host_now(sim, host);
    const uint64_t fields[] = {host->up, host->frozen, host->fenced, host->acting, host->boot,
        host->heir, host->follows, host->task_count, host->parked_count, host->admitted_count,
        host->seen_version, host->seen_term, stuck};
    put(sink, fields, sizeof fields);
    if (host->disk)
        put_disk(sink, sim, host);
    if (host->follows)
        put_stream(sink, &host->stream);
    if (host->node)
        put_node(sink, host->node);
    if (host->coordinator)
        put_coordinator(sink, host->coordinator);
    if (!host->node && !host->coordinator)
        return;
    for (size_t i = 0; i < host->task_count; i++)
        put_task(sink, host, &host->tasks[i]);
    put_waiting(sink, reshard__search_outbox(host));
}
