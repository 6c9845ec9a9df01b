/* SPDX-License-Identifier: MIT */
/* Room node: orders in, reports out (R3 ... R6). */
#include "node/keywise.h"
#include "node/node.h"

#include <string.h>

#define STREAMING_REPORT_NS UINT64_C(5000000) /* progress of a tail, at most every 5 ms */

typedef uint32_t (*duty_function)(struct reshard_node *node, struct reshard__part *part);

static const duty_function duty_functions[RESHARD__DUTY_COUNT] = {
    [RESHARD__DUTY_PREPARE] = reshard__duty_prepare,
    [RESHARD__DUTY_STAGE] = reshard__duty_stage,
    [RESHARD__DUTY_EXPORT] = reshard__duty_export,
    [RESHARD__DUTY_STREAM] = reshard__duty_stream,
    [RESHARD__DUTY_RECEIVE] = reshard__duty_receive,
    [RESHARD__DUTY_GIVE] = reshard__duty_give,
    [RESHARD__DUTY_TAKE] = reshard__duty_take,
    [RESHARD__DUTY_FREEZE] = reshard__duty_freeze,
    [RESHARD__DUTY_SEAL] = reshard__duty_seal,
    [RESHARD__DUTY_HOLD] = reshard__duty_hold,
    [RESHARD__DUTY_KEEP] = reshard__duty_keep,
    [RESHARD__DUTY_RELEASE] = reshard__duty_release,
    [RESHARD__DUTY_ACTIVATE] = reshard__duty_activate,
    [RESHARD__DUTY_PURGE] = reshard__duty_purge,
    [RESHARD__DUTY_TAKE_BACK] = reshard__duty_take_back,
    [RESHARD__DUTY_GIVE_BACK] = reshard__duty_give_back,
    [RESHARD__DUTY_RESUME] = reshard__duty_resume,
    [RESHARD__DUTY_DISCARD] = reshard__duty_discard,
};

reshard_node_id reshard__primary_of(const struct reshard_node *node, reshard_shard_id shard)
{
    struct reshard_map_shard entry = {.struct_size = sizeof entry};
    return reshard_map_shard_find(node->next, shard, &entry) == RESHARD_OK ? entry.primary : 0;
}

void reshard__event_tell(struct reshard_node *node, uint32_t kind, const struct reshard__part *part,
    int32_t status, uint64_t value)
{
    struct reshard_event event = {.kind = kind, .now_ns = node->now_ns};
    event.status = status;
    event.value = value;
    if (part) {
        event.migration = part->migration;
        event.side = part->side;
        event.phase_to = part->phase;
        event.term = part->order.term;
        event.order = part->order.n;
    }
    reshard__outbox_tell(&node->outbox, &event);
}

void reshard__message_send(struct reshard_node *node, reshard_node_id to,
    const struct reshard__message *message, struct reshard__part *part,
    struct reshard__chunk *chunk)
{
    if (to == 0 || reshard__outbox_room(&node->outbox) < 2)
        return;
    struct reshard__entry *entry = reshard__outbox_push(&node->outbox, RESHARD_ACTION_SEND);
    size_t size;
    int32_t status = reshard__message_encode(message, entry->header, sizeof entry->header, &size);
    if (status == RESHARD_E_SPACE) {
        /* An ACK that echoes a long key. Without memory the message counts as lost. */
        entry->block = reshard__mem_alloc(&node->mem, size);
        entry->block_size = entry->block ? size : 0;
        entry->action.header = entry->block;
        if (entry->block)
            status = reshard__message_encode(message, entry->block, size, &size);
        else
            size = 0;
    }
    RESHARD_ASSERT(status == RESHARD_OK || size == 0);
    entry->action.to = size ? to : 0;
    entry->action.header_size = size;
    if (part)
        entry->owner = part->migration;
    if (!chunk)
        return;
    entry->purpose = RESHARD__PURPOSE_CHUNK;
    entry->attachment = chunk;
    entry->action.payload = message->payload.data;
    entry->action.payload_size = message->payload.size;
    chunk->references++;
}

void reshard__hello_send(struct reshard_node *node, reshard_node_id to)
{
    struct reshard__message message = {.type = RESHARD__HELLO};
    message.protocol = RESHARD__PROTOCOL;
    message.node = node->config.node;
    message.boot = node->config.boot;
    message.map_version = reshard_map_version(node->map);
    message.slot_count = node->config.slot_count;
    reshard__message_send(node, to, &message, NULL, NULL);
}

static void report_source(const struct reshard_node *node, const struct reshard__part *part,
    struct reshard__message *message)
{
    message->copy = part->stream.copy;
    message->sequence = part->stream.applied;
    message->durable_sequence = part->stream.durable;
    message->final_sequence = part->frozen_final ? part->stream.numbered_last : 0;
    message->lag_bytes = reshard__stream_lag(part);
    message->digest = part->frozen_final ? part->digest : (struct reshard_digest){0, 0};
    message->pause_ns = part->pause_began_ns ? node->now_ns - part->pause_began_ns : 0;
}

static void report_target(const struct reshard__part *part, struct reshard__message *message)
{
    message->copy = part->stored.open_copy;
    message->sequence = part->applied;
    message->durable_sequence = part->synced;
    message->final_sequence = part->stored.sealed ? part->stored.seal_final : 0;
    if (part->stored.sealed)
        message->digest = part->stored.seal_digest;
}

static uint64_t own_epoch(const struct reshard_node *node)
{
    struct reshard_map_shard shard = {.struct_size = sizeof shard};
    (void)reshard_map_shard_find(node->map, node->shard, &shard);
    return shard.epoch;
}

void reshard__report_send(struct reshard_node *node, struct reshard__part *part)
{
    struct reshard__message message = {.type = RESHARD__REPORT};
    message.migration = part->migration;
    message.order = part->order;
    message.phase = part->phase;
    message.attempt = part->attempt;
    message.result = part->result;
    message.epoch = own_epoch(node);
    message.progress_keys = part->keys;
    message.progress_bytes = part->bytes;
    if (part->side == RESHARD_SIDE_SOURCE)
        report_source(node, part, &message);
    else
        report_target(part, &message);
    part->reported = part->result;
    part->reported_ns = node->now_ns;
    part->reported_lag = message.lag_bytes;
    reshard__message_send(node, part->coordinator, &message, part, NULL);
}

/* A tail's progress is told while it changes, so that a freeze starts when it fits. */
static bool streaming_news(const struct reshard_node *node, const struct reshard__part *part)
{
    if (part->result != RESHARD__RESULT_STREAMING)
        return false;
    uint64_t lag = reshard__stream_lag(part);
    if (lag == part->reported_lag)
        return false;
    return lag == 0 || node->now_ns >= part->reported_ns + STREAMING_REPORT_NS;
}

static void result_tell(struct reshard_node *node, const struct reshard__part *part)
{
    static const uint8_t kinds[RESHARD__RESULT_COUNT] = {
        [RESHARD__RESULT_LOST] = RESHARD_EVENT_LOST,
        [RESHARD__RESULT_REFUSED] = RESHARD_EVENT_REFUSED,
        [RESHARD__RESULT_LEFTOVERS] = RESHARD_EVENT_REFUSED,
        [RESHARD__RESULT_DAMAGED] = RESHARD_EVENT_REFUSED,
        [RESHARD__RESULT_MISMATCH] = RESHARD_EVENT_MISMATCH,
    };
    if (kinds[part->result])
        reshard__event_tell(node, kinds[part->result], part, RESHARD_E_STATE, part->attempt);
}

/* Whether this node is the primary of the part's own side, by the newest map. */
static bool acts(const struct reshard_node *node, const struct reshard__part *part)
{
    reshard_shard_id own = part->side == RESHARD_SIDE_SOURCE ? part->source : part->target;
    return reshard__primary_of(node, own) == node->config.node;
}

static void news_tell(struct reshard_node *node, struct reshard__part *part)
{
    bool news = part->result != part->reported && part->result != RESHARD__RESULT_WORKING;
    if (news && part->result == RESHARD__RESULT_KEEPING) {
        part->reported = part->result; /* no phase waits for it: told only to who asks again */
        return;
    }
    if (news)
        result_tell(node, part);
    if (news || streaming_news(node, part))
        reshard__report_send(node, part);
}

void reshard__part_advance(struct reshard_node *node, struct reshard__part *part)
{
    if (part->wake_due)
        reshard__part_wake(node, part);
    if (part->phase == RESHARD_PHASE_NONE || part->closed || node->gate.ended || !acts(node, part))
        return;
    enum reshard__duty duty = reshard__phase_duty(part->phase, part->side);
    RESHARD_ASSERT(duty != RESHARD__DUTY_NONE);
    uint32_t result = duty_functions[duty](node, part);
    RESHARD_ASSERT(result < RESHARD__RESULT_COUNT);
    /* Nothing counts before the map that the order rests on is durable here (R4). */
    if (part->map_version > reshard_map_version(node->map))
        result = RESHARD__RESULT_WORKING;
    part->result = result;
    news_tell(node, part);
}

/* The final state of a migration that is closed here (R4): never silence. */
static void answer_closed(
    struct reshard_node *node, reshard_node_id from, const struct reshard__message *order)
{
    static const uint8_t results[RESHARD_PHASE_COUNT] = {
        [RESHARD_PHASE_SETTLE] = RESHARD__RESULT_SETTLED,
        [RESHARD_PHASE_LINGER] = RESHARD__RESULT_SETTLED,
        [RESHARD_PHASE_CLEANUP] = RESHARD__RESULT_PURGED,
        [RESHARD_PHASE_UNDO] = RESHARD__RESULT_UNDONE,
        [RESHARD_PHASE_UNMOVE] = RESHARD__RESULT_EMPTY,
    };
    struct reshard_map_migration open = {.struct_size = sizeof open};
    if (order->migration > reshard_map_last_migration(node->map) ||
        order->phase >= RESHARD_PHASE_COUNT ||
        reshard_map_migration_find(node->map, order->migration, &open) == RESHARD_OK)
        return; /* not closed: not ours, or there is no memory for it now */
    struct reshard__message message = {.type = RESHARD__REPORT};
    message.migration = order->migration;
    message.order = order->order;
    message.phase = order->phase;
    message.attempt = order->attempt;
    message.result = results[order->phase] ? results[order->phase] : RESHARD__RESULT_KEEPING;
    message.epoch = own_epoch(node);
    reshard__message_send(node, from, &message, NULL, NULL);
}

/* Whether the phase is one that is ordered, and the decision in the newest map allows it (R4). */
static bool order_fits(const struct reshard_node *node, const struct reshard__message *order)
{
    static const uint8_t decisions[RESHARD_PHASE_COUNT] = {
        [RESHARD_PHASE_SETTLE] = RESHARD_DECISION_COMMIT,
        [RESHARD_PHASE_LINGER] = RESHARD_DECISION_COMMIT,
        [RESHARD_PHASE_CLEANUP] = RESHARD_DECISION_COMMIT,
        [RESHARD_PHASE_UNMOVE] = RESHARD_DECISION_ABORT,
        [RESHARD_PHASE_UNDO] = RESHARD_DECISION_ABORT,
    };
    struct reshard_map_migration migration = {.struct_size = sizeof migration};
    if (reshard__phase_duty(order->phase, RESHARD_SIDE_SOURCE) == RESHARD__DUTY_NONE ||
        reshard_map_migration_find(node->next, order->migration, &migration))
        return false;
    return migration.decision == decisions[order->phase];
}

static void order_take(
    struct reshard_node *node, struct reshard__part *part, const struct reshard__message *order)
{
    part->order = order->order;
    part->phase = order->phase;
    part->order_copy = order->copy;
    part->attempt = order->attempt;
    part->map_version = order->map_version;
    part->freeze_ns = order->freeze_ns;
    part->reported = RESHARD__RESULT_WORKING;
    part->reported_ns = node->now_ns;
    part->alarmed = false;
    part->retry_at_ns = 0;
    if (!part->writing)
        part->want.kind = 0;
    reshard__event_tell(node, RESHARD_EVENT_ORDERED, part, RESHARD_OK, order->attempt);
}

/* Whether this order is one to look at: not below what was executed in this run or any other. */
static bool order_current(
    const struct reshard__part *part, const struct reshard__message *order, bool *repeated_out)
{
    struct reshard__order_id floor =
        part->phase == RESHARD_PHASE_NONE ? part->stored.order : part->order;
    *repeated_out =
        part->phase != RESHARD_PHASE_NONE && reshard__order_equal(order->order, part->order);
    if (reshard__order_above(order->order, floor))
        return true;
    return reshard__order_equal(order->order, floor) &&
           (part->phase == RESHARD_PHASE_NONE || order->phase == part->phase);
}

/* The part that an order is for; made now if memory lacked when the map came. */
static struct reshard__part *part_for(struct reshard_node *node, reshard_migration_id migration)
{
    struct reshard__part *part = reshard__part_find(node, migration);
    if (!part && reshard__parts_open(node) == RESHARD_OK)
        part = reshard__part_find(node, migration);
    return part && !part->closed ? part : NULL;
}

/* Each time an order comes again it is answered with the condition of now (R6), whatever that is:
 * what was told and lost on its way is told again. When it comes first it has been answered already
 * if there was anything to say (news_tell). */
static void order_answer(struct reshard_node *node, struct reshard__part *part, bool repeated)
{
    reshard__part_advance(node, part);
    if (part->side == RESHARD_SIDE_TARGET && part->mode == RESHARD_MODE_SNAPSHOT)
        reshard__target_acknowledge(node, part);
    if (repeated)
        reshard__report_send(node, part);
}

void reshard__order_receive(
    struct reshard_node *node, reshard_node_id from, const struct reshard__message *order)
{
    if (order->map_version > reshard_map_version(node->next)) {
        reshard__hello_send(node, from);
        return;
    }
    struct reshard__part *part = part_for(node, order->migration);
    if (!part) {
        answer_closed(node, from, order);
        return;
    }
    bool repeated;
    if (!order_current(part, order, &repeated) || !acts(node, part) || !order_fits(node, order))
        return;
    if (!repeated)
        order_take(node, part, order);
    part->coordinator = from;
    part->heard_ns = node->now_ns;
    part->order_flags = order->flags;
    part->budget = order->budget;
    order_answer(node, part, repeated);
}
