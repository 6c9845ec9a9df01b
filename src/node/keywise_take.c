/* SPDX-License-Identifier: MIT */
/* Room node: the receiver of a keywise stream (R17, R18), and the questions that both sides ask. */
#include "node/keywise.h"

#include <string.h>

enum { QUESTIONS_A_ROUND = 8 };

static void acknowledge(struct reshard_node *node, struct reshard__part *part)
{
    struct reshard__message message = reshard__keywise_message(part, RESHARD__ACK, 0);
    message.sequence = message.durable_sequence = part->keywise->last;
    reshard__message_send(node, reshard__keywise_peer(node, part), &message, part, NULL);
}

static void question_send(struct reshard_node *node, struct reshard__part *part,
    const struct reshard__key_item *item, uint64_t flags)
{
    struct reshard__chunk *chunk = reshard__chunk_alloc(node, item->key_size + 1);
    if (!chunk)
        return;
    memcpy(chunk->data, item->key, item->key_size);
    struct reshard__message message =
        reshard__keywise_message(part, RESHARD__CHUNK, RESHARD__CHUNK_QUERY);
    message.flags = flags;
    message.payload.data = chunk->data;
    message.payload.size = item->key_size;
    reshard__message_send(node, reshard__keywise_peer(node, part), &message, part, chunk);
    reshard__chunk_drop(node, chunk);
}

static void questions_send(struct reshard_node *node, struct reshard__part *part,
    const struct reshard__keys *keys, uint64_t flags)
{
    struct reshard__key_item item;
    size_t offset = 0;
    for (int i = 0; i < QUESTIONS_A_ROUND &&
                    reshard__key_item_next(keys->bytes, keys->size, &offset, &item) == RESHARD_OK;
         i++)
        question_send(node, part, &item, flags);
}

static void none_pending_send(struct reshard_node *node, struct reshard__part *part)
{
    struct reshard__message message =
        reshard__keywise_message(part, RESHARD__CHUNK, RESHARD__CHUNK_PENDING);
    reshard__message_send(node, reshard__keywise_peer(node, part), &message, part, NULL);
}

static void drop_ask(struct reshard_node *node, struct reshard__part *part)
{
    struct reshard__keywise *keywise = part->keywise;
    if (keywise->dropped.count == 0) {
        struct reshard__keys empty = keywise->dropped;
        keywise->dropped = keywise->dropping;
        keywise->dropping = empty;
    }
    if (keywise->dropped.count == 0)
        return;
    struct reshard__entry *entry =
        reshard__part_ask(node, part, RESHARD_ACTION_REMOVE, RESHARD__BUSY_REMOVE);
    if (!entry)
        return;
    entry->action.payload = keywise->dropped.bytes;
    entry->action.payload_size = keywise->dropped.size;
}

void reshard__none_pending_tell(struct reshard_node *node, struct reshard__part *part)
{
    if (part->keywise->told)
        return;
    part->keywise->told = true;
    none_pending_send(node, part);
}

bool reshard__marks_settled(struct reshard_node *node, struct reshard__part *part)
{
    struct reshard__keywise *keywise = part->keywise;
    drop_ask(node, part);
    if (keywise->old.count > 0 || keywise->dropping.count > 0 || keywise->dropped.count > 0)
        return false;
    if (keywise->old_cleared)
        return true;
    if (!part->writing && part->want.kind == 0) {
        part->want = (struct reshard__record){.kind = RESHARD__RECORD_CLEAR};
        part->want.migration = part->migration;
        part->want.copy = keywise->stream;
    }
    return false;
}

/* The receiver's side of a stream begins. */
static void stream_begin(struct reshard_node *node, struct reshard__part *part)
{
    struct reshard__keywise *keywise = part->keywise;
    reshard__give_drop(node, part); /* what was on its way to there (R20) */
    reshard__chunk_drop(node, keywise->incoming);
    keywise->incoming = NULL;
    keywise->incoming_applied = false;
    keywise->stream = part->order;
    keywise->last = 0;
    keywise->told = false;
    keywise->heard = reshard__order_equal(keywise->early, part->order);
    keywise->asked_ns = node->now_ns;
    questions_send(node, part, &keywise->old, 0);
}

/* Number last + 1: mark, apply, make durable, acknowledge. */
static void incoming_pump(struct reshard_node *node, struct reshard__part *part)
{
    struct reshard__keywise *keywise = part->keywise;
    struct reshard__chunk *chunk = keywise->incoming;
    if (!chunk)
        return;
    bool marked = reshard__order_equal(keywise->mark_stream, keywise->stream) &&
                  keywise->mark_sequence == chunk->sequence;
    if (!marked) {
        if (!part->writing && part->want.kind == 0) {
            part->want = (struct reshard__record){.kind = RESHARD__RECORD_MARK};
            part->want.migration = part->migration;
            part->want.copy = keywise->stream;
            part->want.sequence = chunk->sequence;
            part->want.blob.data = keywise->marking.bytes;
            part->want.blob.size = keywise->marking.size;
        }
        return;
    }
    if (keywise->incoming_applied) {
        (void)reshard__part_ask(node, part, RESHARD_ACTION_SYNC, RESHARD__BUSY_SYNC);
        return;
    }
    if (part->busy & RESHARD__BUSY_APPLY)
        return;
    struct reshard__entry *entry =
        reshard__part_ask(node, part, RESHARD_ACTION_APPLY, RESHARD__BUSY_APPLY);
    if (!entry)
        return;
    entry->action.payload = chunk->data;
    entry->action.payload_size = chunk->size;
    entry->action.sequence = chunk->sequence;
    entry->action.copy_term = keywise->stream.term;
    entry->action.copy_n = keywise->stream.n;
}

static void incoming_end(struct reshard_node *node, struct reshard__part *part)
{
    struct reshard__keywise *keywise = part->keywise;
    keywise->last = keywise->incoming->sequence;
    part->bytes += keywise->incoming->size;
    reshard__chunk_drop(node, keywise->incoming);
    keywise->incoming = NULL;
    keywise->incoming_applied = false;
    acknowledge(node, part);
}

void reshard__take_applied(struct reshard_node *node, struct reshard__part *part,
    const struct reshard_completion *completion)
{
    struct reshard__keywise *keywise = part->keywise;
    if (!keywise->incoming)
        return; /* of a stream that ended */
    keywise->incoming_applied = true;
    if (completion->sequence == keywise->incoming->sequence)
        incoming_end(node, part);
}

void reshard__take_synced(struct reshard_node *node, struct reshard__part *part,
    const struct reshard_completion *completion)
{
    struct reshard__keywise *keywise = part->keywise;
    struct reshard__order_id stream = {completion->copy_term, completion->copy_n};
    bool ours = reshard__order_equal(stream, keywise->stream);
    if (!part->position_known) {
        part->position_known = true;
        keywise->last = ours ? completion->sequence : 0;
    } else if (keywise->incoming && keywise->incoming_applied && ours &&
               completion->sequence == keywise->incoming->sequence) {
        incoming_end(node, part);
    }
}

static void confirmed(struct reshard_node *node, struct reshard__part *part, uint64_t sequence)
{
    struct reshard__keywise *keywise = part->keywise;
    if (sequence != keywise->last || keywise->incoming || keywise->confirmed)
        return;
    keywise->confirmed = true;
    reshard__part_wake(node, part);
}

/* Nothing of the incoming chunk has reached the journal or the store. */
static bool untouched(const struct reshard__part *part, uint64_t sequence)
{
    return sequence == part->keywise->incoming->sequence && !(part->busy & RESHARD__BUSY_APPLY) &&
           !part->keywise->incoming_applied && !part->writing;
}

/* A number that was cancelled after its keys were marked: they did not come. */
static void mark_void(struct reshard_node *node, struct reshard__part *part)
{
    struct reshard__keywise *keywise = part->keywise;
    bool ours = reshard__order_equal(keywise->mark_stream, keywise->stream) &&
                keywise->mark_sequence == keywise->last;
    if (!ours || keywise->confirmed)
        return;
    keywise->confirmed = true;
    reshard__part_wake(node, part);
}

static void incoming_void(struct reshard_node *node, struct reshard__part *part)
{
    if (part->want.kind == RESHARD__RECORD_MARK)
        part->want.kind = 0; /* it borrows names that the next chunk overwrites */
    incoming_end(node, part);
    mark_void(node, part);
}

/* The mark is written before the data is applied, so the payload has to outlive its message. */
static void incoming_keep(
    struct reshard_node *node, struct reshard__part *part, const struct reshard__message *message)
{
    if (!reshard__key_items_sound(message->payload.data, message->payload.size))
        return;
    /* The record names the keys: their states are in the store with it, or come again. */
    struct reshard__keys *marking = &part->keywise->marking;
    reshard__keys_clear(marking);
    if (reshard__keys_add_items(
            &node->mem, marking, message->payload.data, message->payload.size) != RESHARD_OK) {
        reshard__event_tell(node, RESHARD_EVENT_NO_MEMORY, NULL, RESHARD_E_NOMEM, 0);
        return;
    }
    struct reshard__chunk *chunk = reshard__chunk_alloc(node, message->payload.size);
    if (!chunk)
        return; /* it comes again, as without room for the keys */
    memcpy(chunk->data, message->payload.data, message->payload.size);
    chunk->size = message->payload.size;
    chunk->sequence = message->sequence;
    part->keywise->incoming = chunk;
}

void reshard__take_chunk(
    struct reshard_node *node, struct reshard__part *part, const struct reshard__message *message)
{
    struct reshard__keywise *keywise = part->keywise;
    if (message->kind == RESHARD__CHUNK_CONFIRM) {
        confirmed(node, part, message->sequence);
        return;
    }
    if (!part->position_known || !keywise->old_cleared)
        return;
    if (keywise->incoming) {
        /* What is on its way is answered when it is durable. */
        if (message->kind == RESHARD__CHUNK_VOID && untouched(part, message->sequence))
            incoming_void(node, part);
    } else if (message->sequence != keywise->last + 1) {
        acknowledge(node, part);
    } else if (message->kind == RESHARD__CHUNK_VOID) {
        keywise->last = message->sequence;
        mark_void(node, part);
        acknowledge(node, part);
    } else if (message->kind == RESHARD__CHUNK_DATA) {
        incoming_keep(node, part, message);
    }
}

/* HAVE: the giver's copy counts, the own one goes. NOT_HAVE: the giver deleted it, the own one is
 * the key. Both touch OLD marks only (R18). */
void reshard__take_answer(
    struct reshard_node *node, struct reshard__part *part, const struct reshard__message *message)
{
    struct reshard__keywise *keywise = part->keywise;
    const uint8_t *key = message->payload.data;
    size_t key_size = message->payload.size;
    bool have = message->answer == RESHARD__ANSWER_HAVE;
    bool ours = !reshard__order_none(keywise->stream) &&
                reshard__order_equal(message->copy, keywise->stream);
    if (ours && reshard__keys_have(&keywise->old, key, key_size)) {
        if (have && !reshard__keywise_note(node, part, &keywise->dropping, key, key_size))
            return;
        reshard__keys_remove(&keywise->old, key, key_size);
        if (keywise->old.count > 0)
            questions_send(node, part, &keywise->old, 0);
        reshard__part_wake(node, part);
    }
    if (reshard__keys_have(&keywise->questions, key, key_size)) {
        struct reshard__keys *answers =
            message->answer == RESHARD__ANSWER_ABSENT ? &keywise->absent : &keywise->present;
        if (!reshard__keywise_note(node, part, answers, key, key_size))
            return;
        reshard__keys_remove(&keywise->questions, key, key_size);
        reshard__part_wake(node, part);
    }
}

void reshard__take_dropped(struct reshard_node *node, struct reshard__part *part)
{
    (void)node;
    reshard__keys_clear(&part->keywise->dropped);
}

static uint32_t take(struct reshard_node *node, struct reshard__part *part)
{
    struct reshard__keywise *keywise = part->keywise;
    if (!reshard__order_equal(keywise->stream, part->order)) {
        if (part->busy & (RESHARD__BUSY_APPLY | RESHARD__BUSY_REMOVE | RESHARD__BUSY_PICK))
            return RESHARD__RESULT_WORKING;
        stream_begin(node, part);
    }
    if (!part->position_known) {
        (void)reshard__part_ask(node, part, RESHARD_ACTION_SYNC, RESHARD__BUSY_SYNC);
        return RESHARD__RESULT_WORKING;
    }
    if (!reshard__marks_settled(node, part))
        return RESHARD__RESULT_WORKING;
    reshard__none_pending_tell(node, part);
    incoming_pump(node, part);
    return RESHARD__RESULT_KEEPING;
}

uint32_t reshard__duty_take(struct reshard_node *node, struct reshard__part *part)
{
    struct reshard__record record = {.kind = RESHARD__RECORD_MOVE};
    record.migration = part->migration;
    record.order = part->order;
    /* Recorded with its PREPARE, but by one that came before such records. */
    if (!part->stored.moving && !reshard__log_has(node, part, &record))
        return RESHARD__RESULT_WORKING;
    reshard__part_stand(node, part, RESHARD__STANCE_TARGET_MOVE);
    return take(node, part);
}

uint32_t reshard__duty_take_back(struct reshard_node *node, struct reshard__part *part)
{
    bool moved = part->stored.moving;
    if (moved || part->stored.kind == RESHARD__RECORD_UNMOVE) {
        struct reshard__record record = {.kind = RESHARD__RECORD_UNMOVE};
        record.migration = part->migration;
        record.order = part->order;
        if (!reshard__log_has(node, part, &record))
            return RESHARD__RESULT_WORKING;
        reshard__part_stand(node, part, RESHARD__STANCE_SOURCE_UNMOVE);
    }
    uint32_t result = take(node, part);
    return result == RESHARD__RESULT_KEEPING ? RESHARD__RESULT_UNMOVING : result;
}

void reshard__take_tick(struct reshard_node *node, struct reshard__part *part)
{
    struct reshard__keywise *keywise = part->keywise;
    if (reshard__order_none(keywise->stream))
        return;
    questions_send(node, part, &keywise->old, 0);
    questions_send(node, part, &keywise->questions, RESHARD__QUERY_BARE);
    if (keywise->told && reshard__keywise_begins(part))
        none_pending_send(node, part);
}
