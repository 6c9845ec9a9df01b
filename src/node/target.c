/* SPDX-License-Identifier: MIT */
/* Room node: the target's duties in mode snapshot, and those that both modes share (R8, R12, R13).
 */
#include "node/keywise.h"
#include "node/node.h"

static bool ranges_meet(
    const struct reshard_range *a, size_t a_count, const struct reshard_range *b, size_t b_count)
{
    size_t i = 0, j = 0;
    while (i < a_count && j < b_count) {
        if (a[i].last < b[j].first)
            i++;
        else if (b[j].last < a[i].first)
            j++;
        else
            return true;
    }
    return false;
}

/* Whether a part's records still speak of data in its slots, or what it asked for may yet delete
 * there: a part that closes, because its migration ended elsewhere, calls no purge back. */
static bool stands(const struct reshard__part *part)
{
    uint32_t kind = part->stored.kind;
    if (part->busy & (RESHARD__BUSY_PURGE | RESHARD__BUSY_REMOVE))
        return true;
    if (part->closed || kind == 0 || kind == RESHARD__RECORD_UNDONE ||
        kind == RESHARD__RECORD_ACTIVE)
        return false;
    return kind != RESHARD__RECORD_PURGE || !part->purged;
}

bool reshard__target_leftovers(const struct reshard_node *node, const struct reshard__part *part)
{
    if (ranges_meet(part->ranges, part->range_count, node->quarantine, node->quarantine_count))
        return true;
    for (size_t i = 0; i < node->part_count; i++) {
        const struct reshard__part *other = node->parts[i];
        if (other != part && stands(other) &&
            ranges_meet(part->ranges, part->range_count, other->ranges, other->range_count))
            return true;
    }
    return false;
}

/* After a restart the staging tells by itself how far it is durable (R8). */
static bool position_known(struct reshard_node *node, struct reshard__part *part)
{
    if (part->position_known)
        return true;
    (void)reshard__part_ask(node, part, RESHARD_ACTION_SYNC, RESHARD__BUSY_SYNC);
    return false;
}

static struct reshard__record open_record(
    const struct reshard__part *part, struct reshard__order_id copy)
{
    struct reshard__record record = {.kind = RESHARD__RECORD_OPEN};
    record.migration = part->migration;
    record.order = part->order;
    record.copy = copy;
    return record;
}

uint32_t reshard__duty_stage(struct reshard_node *node, struct reshard__part *part)
{
    if (part->stored.kind == 0 && !part->writing && reshard__target_leftovers(node, part))
        return RESHARD__RESULT_LEFTOVERS;
    part->position_known |= part->stored.kind == 0; /* no record, nothing staged */
    struct reshard__record record = open_record(part, part->stored.open_copy);
    record.flags = part->mode == RESHARD_MODE_KEYWISE ? RESHARD__RECORD_MOVES : 0;
    if (!reshard__log_has(node, part, &record))
        return RESHARD__RESULT_WORKING;
    if (part->mode == RESHARD_MODE_KEYWISE) {
        reshard__part_stand(node, part, RESHARD__STANCE_TARGET_MOVE);
        return RESHARD__RESULT_PREPARED;
    }
    if (!position_known(node, part))
        return RESHARD__RESULT_WORKING;
    reshard__part_stand(node, part, RESHARD__STANCE_TARGET_STAGED);
    return RESHARD__RESULT_PREPARED;
}

/* A new copy: the old staging goes first, then the id is durable, then data may come. */
static bool copy_open(struct reshard_node *node, struct reshard__part *part)
{
    part->receiving = false;
    if (part->busy & RESHARD__BUSY_APPLY)
        return false;
    if (!part->discarded) {
        (void)reshard__part_ask(node, part, RESHARD_ACTION_DISCARD, RESHARD__BUSY_DISCARD);
        return false;
    }
    /* Here, and not once the record is durable: by then the copy is the same one. */
    part->queued = part->applied = part->synced = 0;
    part->unsynced_bytes = 0;
    part->position_known = true;
    part->fin_attempt = 0;
    part->mismatch_attempt = 0;
    part->bytes = 0;
    struct reshard__record record = open_record(part, part->order_copy);
    return reshard__log_has(node, part, &record);
}

uint32_t reshard__duty_receive(struct reshard_node *node, struct reshard__part *part)
{
    bool same = reshard__order_equal(part->order_copy, part->stored.open_copy);
    /* An order that opened its copy before does not open it again (R8): that copy is lost. */
    bool opens = reshard__order_equal(part->order_copy, part->order) &&
                 !reshard__order_equal(part->stored.order, part->order);
    reshard__part_stand(node, part, RESHARD__STANCE_TARGET_STAGED);
    if (!same && !opens)
        return RESHARD__RESULT_LOST;
    if (!same && !copy_open(node, part))
        return RESHARD__RESULT_WORKING;
    if (!position_known(node, part))
        return RESHARD__RESULT_WORKING;
    if (!part->receiving) {
        part->receiving = true;
        part->discarded = false;
        reshard__target_acknowledge(node, part);
    }
    return RESHARD__RESULT_KEEPING;
}

static bool digest_none(const struct reshard_digest *digest)
{
    return digest->low == 0 && digest->high == 0;
}

/* A side without a digest hook compares nothing. */
static bool digests_differ(const struct reshard_digest *a, const struct reshard_digest *b)
{
    return !digest_none(a) && !digest_none(b) && (a->low != b->low || a->high != b->high);
}

/* READY is answered from the record, once it is there (sealed_by_order). */
static uint32_t seal_write(struct reshard_node *node, struct reshard__part *part)
{
    struct reshard__record record = {.kind = RESHARD__RECORD_SEAL};
    record.migration = part->migration;
    record.order = part->order;
    record.attempt = part->attempt;
    record.copy = part->stored.open_copy;
    record.sequence = part->fin_final;
    record.digest = part->digest;
    (void)reshard__log_has(node, part, &record);
    return RESHARD__RESULT_WORKING;
}

/* Everything up to the final position of this attempt is applied. */
static bool whole(const struct reshard__part *part)
{
    return part->fin_attempt == part->attempt && part->applied == part->fin_final &&
           reshard__order_equal(part->fin_copy, part->stored.open_copy);
}

/* R8: synced, then sealed. Where journal and store are one log, the seal's write is both. */
static bool sealable(const struct reshard_node *node, const struct reshard__part *part)
{
    return part->synced >= part->applied || node->config.flags & RESHARD_NODE_ONE_LOG;
}

static bool sealed(const struct reshard__part *part)
{
    return part->stored.sealed && part->stored.seal_attempt == part->attempt;
}

/* A target that was sealed by this order, and restarted, does not ask how far its staging is: when
 * the order is one that comes late the staging may be activated, and gone as such. */
static bool sealed_by_order(const struct reshard__part *part)
{
    return part->stored.kind == RESHARD__RECORD_SEAL && sealed(part) &&
           reshard__order_equal(part->stored.order, part->order);
}

/* In one log the seal is behind all that it names. */
static void synced_by_seal(const struct reshard_node *node, struct reshard__part *part)
{
    if (node->config.flags & RESHARD_NODE_ONE_LOG && part->applied == part->stored.seal_final)
        part->synced = part->applied;
}

uint32_t reshard__duty_seal(struct reshard_node *node, struct reshard__part *part)
{
    if (!reshard__order_equal(part->order_copy, part->stored.open_copy))
        return RESHARD__RESULT_LOST;
    if (sealed_by_order(part)) {
        synced_by_seal(node, part);
        reshard__part_stand(node, part, RESHARD__STANCE_TARGET_SEALED);
        return RESHARD__RESULT_READY;
    }
    if (!position_known(node, part))
        return RESHARD__RESULT_WORKING;
    part->receiving = true;
    if (sealed(part))
        return seal_write(node, part);
    if (!whole(part))
        return RESHARD__RESULT_WORKING;
    if (part->mismatch_attempt == part->attempt)
        return RESHARD__RESULT_MISMATCH;
    if (!sealable(node, part)) {
        (void)reshard__part_ask(node, part, RESHARD_ACTION_SYNC, RESHARD__BUSY_SYNC);
        return RESHARD__RESULT_WORKING;
    }
    if (!reshard__part_digest(node, part, part->applied))
        return RESHARD__RESULT_WORKING;
    if (digests_differ(&part->digest, &part->fin_digest)) {
        part->mismatch_attempt = part->attempt;
        return RESHARD__RESULT_MISMATCH;
    }
    return seal_write(node, part);
}

static bool active(const struct reshard__part *part)
{
    return part->stored.kind == RESHARD__RECORD_ACTIVE;
}

/* Keywise: what the record of MOVE was not waited for (log.c), the target's vote is. */
static uint32_t vote(struct reshard_node *node, struct reshard__part *part)
{
    if (!part->stored.moving)
        return RESHARD__RESULT_LOST;
    struct reshard__record record = {.kind = RESHARD__RECORD_SEAL};
    record.migration = part->migration;
    record.order = part->order;
    bool durable = !reshard__part_by_hand(part) || reshard__log_has(node, part, &record);
    return durable ? RESHARD__RESULT_READY : RESHARD__RESULT_WORKING;
}

uint32_t reshard__duty_keep(struct reshard_node *node, struct reshard__part *part)
{
    if (part->phase != RESHARD_PHASE_HOLD || part->side == RESHARD_SIDE_SOURCE)
        return RESHARD__RESULT_KEEPING;
    if (part->mode == RESHARD_MODE_KEYWISE)
        return vote(node, part);
    return sealed(part) ? RESHARD__RESULT_READY : RESHARD__RESULT_LOST;
}

/* R12: only under the seal of the attempt that was committed. */
static bool seal_sound(const struct reshard_node *node, const struct reshard__part *part)
{
    struct reshard_map_migration migration = {.struct_size = sizeof migration};
    if (reshard_map_migration_find(node->next, part->migration, &migration))
        return false;
    if (part->mode == RESHARD_MODE_KEYWISE)
        return part->stored.moving;
    return part->stored.sealed && part->stored.seal_attempt == migration.attempt;
}

uint32_t reshard__duty_activate(struct reshard_node *node, struct reshard__part *part)
{
    if (!active(part)) {
        if (!seal_sound(node, part))
            return RESHARD__RESULT_DAMAGED;
        if (part->mode == RESHARD_MODE_SNAPSHOT && !part->activated) {
            (void)reshard__part_ask(node, part, RESHARD_ACTION_ACTIVATE, RESHARD__BUSY_ACTIVATE);
            return RESHARD__RESULT_WORKING;
        }
        struct reshard__record record = {.kind = RESHARD__RECORD_ACTIVE};
        record.migration = part->migration;
        record.order = part->order;
        if (!reshard__log_has(node, part, &record))
            return RESHARD__RESULT_WORKING;
    }
    if (part->map_version > reshard_map_version(node->map))
        return RESHARD__RESULT_WORKING;
    reshard__part_stand(node, part, RESHARD__STANCE_TARGET_ACTIVE);
    return reshard__part_kept(node, part) ? RESHARD__RESULT_SETTLED : RESHARD__RESULT_WORKING;
}

uint32_t reshard__duty_discard(struct reshard_node *node, struct reshard__part *part)
{
    part->receiving = false;
    reshard__part_stand(node, part, RESHARD__STANCE_TARGET_STAGED);
    if (part->stored.kind == RESHARD__RECORD_UNDONE || part->stored.kind == 0)
        return RESHARD__RESULT_UNDONE;
    if (!part->discarded) {
        (void)reshard__part_ask(node, part, RESHARD_ACTION_DISCARD, RESHARD__BUSY_DISCARD);
        return RESHARD__RESULT_WORKING;
    }
    struct reshard__record record = {.kind = RESHARD__RECORD_UNDONE};
    record.migration = part->migration;
    record.order = part->order;
    if (!reshard__log_has(node, part, &record))
        return RESHARD__RESULT_WORKING;
    return RESHARD__RESULT_UNDONE;
}

static void acknowledge(struct reshard_node *node, struct reshard__part *part, uint64_t flags)
{
    struct reshard__message message = {.type = RESHARD__ACK};
    message.migration = part->migration;
    message.copy = part->stored.open_copy;
    message.sequence = part->applied;
    message.durable_sequence = part->synced;
    message.flags = flags;
    reshard__message_send(node, reshard__primary_of(node, part->source), &message, part, NULL);
}

void reshard__target_acknowledge(struct reshard_node *node, struct reshard__part *part)
{
    if (part->receiving)
        acknowledge(node, part, 0);
}

static void fin_take(
    struct reshard_node *node, struct reshard__part *part, const struct reshard__message *message)
{
    part->fin_attempt = message->attempt;
    part->fin_final = message->final_sequence;
    part->fin_copy = message->copy;
    part->fin_digest = message->digest;
    if (part->applied < part->fin_final && part->apply_open == 0)
        acknowledge(node, part, RESHARD__ACK_GAP);
}

void reshard__target_chunk(
    struct reshard_node *node, struct reshard__part *part, const struct reshard__message *message)
{
    if (!part->receiving || !reshard__order_equal(message->copy, part->stored.open_copy))
        return;
    part->chunk_ns = node->now_ns;
    if (message->kind == RESHARD__CHUNK_FIN) {
        fin_take(node, part, message);
        return;
    }
    if (message->kind != RESHARD__CHUNK_DATA || message->payload.size == 0)
        return;
    if (message->sequence != part->queued + 1) {
        bool gap = message->sequence > part->queued + 1;
        acknowledge(node, part, gap ? RESHARD__ACK_GAP : 0);
        return;
    }
    struct reshard__entry *entry =
        reshard__part_ask(node, part, RESHARD_ACTION_APPLY, RESHARD__BUSY_APPLY);
    if (!entry)
        return; /* dropped: it comes again */
    entry->action.payload = message->payload.data;
    entry->action.payload_size = message->payload.size;
    entry->action.sequence = message->sequence;
    entry->action.copy_term = message->copy.term;
    entry->action.copy_n = message->copy.n;
    part->queued = message->sequence;
    part->apply_open++;
    part->digest_known = false;
}

/* Later chunks may have been applied on top of a hole. Only when nothing else was under way is the
 * staging still what `applied` says. */
static void apply_failed(
    struct reshard_node *node, struct reshard__part *part, uint64_t sequence, int32_t status)
{
    reshard__event_tell(node, RESHARD_EVENT_HOOK_FAILED, part, status ? status : RESHARD_E_STATE,
        RESHARD_ACTION_APPLY);
    if (part->queued != sequence || sequence != part->applied + 1) {
        part->receiving = false;
        part->stored.open_copy = (struct reshard__order_id){0, 0};
        part->stored.sealed = false;
    }
    part->queued = part->applied;
    part->retry_at_ns = node->now_ns + node->config.retry_ns;
}

void reshard__target_applied(struct reshard_node *node, struct reshard__part *part,
    uint64_t sequence, uint64_t size, const struct reshard_completion *completion)
{
    RESHARD_ASSERT(part->apply_open > 0);
    part->apply_open--;
    if (part->apply_open == 0)
        part->busy &= ~(uint32_t)RESHARD__BUSY_APPLY;
    if (completion->status || sequence != part->applied + 1) {
        apply_failed(node, part, sequence, completion->status);
        return;
    }
    part->applied = sequence;
    part->bytes += size;
    part->unsynced_bytes += size;
    if (completion->sequence == sequence) {
        part->synced = sequence;
        part->unsynced_bytes = 0;
    }
    if (part->unsynced_bytes >= node->config.window_size / 4)
        (void)reshard__part_ask(node, part, RESHARD_ACTION_SYNC, RESHARD__BUSY_SYNC);
    if (part->queued == part->applied || part->applied % 4 == 0)
        reshard__target_acknowledge(node, part);
}

void reshard__target_synced(struct reshard_node *node, struct reshard__part *part,
    const struct reshard_completion *completion)
{
    struct reshard__order_id copy = {completion->copy_term, completion->copy_n};
    bool ours = reshard__order_equal(copy, part->stored.open_copy);
    if (!part->position_known) {
        /* Staging of another copy, or none, counts as nothing applied. */
        part->applied = part->queued = part->synced = ours ? completion->sequence : 0;
        if (!ours && !reshard__order_none(part->stored.open_copy)) {
            part->stored.open_copy = (struct reshard__order_id){0, 0};
            part->stored.sealed = false;
        }
        part->position_known = true;
        return;
    }
    if (!ours || completion->sequence > part->applied)
        return;
    if (completion->sequence > part->synced)
        part->synced = completion->sequence;
    if (part->synced == part->applied)
        part->unsynced_bytes = 0;
    reshard__target_acknowledge(node, part);
}

void reshard__target_tick(struct reshard_node *node, struct reshard__part *part)
{
    /* A source whose window is full waits for this sync. */
    if (part->receiving && part->synced < part->applied &&
        node->now_ns >= part->chunk_ns + node->config.retry_ns / 2)
        (void)reshard__part_ask(node, part, RESHARD_ACTION_SYNC, RESHARD__BUSY_SYNC);
}
