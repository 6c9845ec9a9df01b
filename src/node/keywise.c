/* SPDX-License-Identifier: MIT */
/* Room node: what giver and receiver share: records, messages, completions. */
#include "node/keywise.h"

#include <string.h>

int32_t reshard__keywise_make(struct reshard_node *node, struct reshard__part *part)
{
    part->keywise = reshard__mem_alloc(&node->mem, sizeof *part->keywise);
    if (!part->keywise)
        return RESHARD_E_NOMEM;
    part->keywise->old_cleared = true; /* no stream, no mark */
    return RESHARD_OK;
}

void reshard__keywise_free(struct reshard_node *node, struct reshard__part *part)
{
    struct reshard__keywise *keywise = part->keywise;
    if (!keywise)
        return;
    struct reshard__keys *sets[] = {&keywise->keys, &keywise->sent, &keywise->asked,
        &keywise->pending, &keywise->old, &keywise->dropping, &keywise->dropped,
        &keywise->questions, &keywise->absent, &keywise->present, &keywise->marking};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        reshard__keys_free(&node->mem, sets[i]);
    reshard__chunk_drop(node, keywise->chunk);
    reshard__chunk_drop(node, keywise->incoming);
    reshard__mem_free(&node->mem, keywise, sizeof *keywise);
    part->keywise = NULL;
}

bool reshard__keywise_gives(const struct reshard__part *part)
{
    bool back = part->phase == RESHARD_PHASE_UNMOVE;
    return (part->side == RESHARD_SIDE_SOURCE) != back;
}

reshard_node_id reshard__keywise_peer(
    const struct reshard_node *node, const struct reshard__part *part)
{
    return reshard__primary_of(
        node, part->side == RESHARD_SIDE_SOURCE ? part->target : part->source);
}

struct reshard__message reshard__keywise_message(
    const struct reshard__part *part, uint32_t type, uint32_t kind)
{
    struct reshard__message message = {.type = type, .kind = kind};
    message.migration = part->migration;
    message.copy = part->keywise->stream;
    return message;
}

/* A new stream: what was pending is now of unknown outcome (R18). Also what was confirmed: that is
 * not in the journal, and after a restart the same records must give the same marks. */
static int32_t marks_age(struct reshard_node *node, struct reshard__keywise *keywise)
{
    int32_t status = reshard__keys_add_items(
        &node->mem, &keywise->old, keywise->pending.bytes, keywise->pending.size);
    if (status)
        return status;
    reshard__keys_clear(&keywise->pending);
    /* What answers resolved meanwhile still stands in the journal: only a CLEAR ends it. */
    keywise->old_cleared = keywise->old_cleared && keywise->old.count == 0;
    return RESHARD_OK;
}

static int32_t mark_fold(struct reshard_node *node, struct reshard__keywise *keywise,
    const struct reshard__record *record)
{
    /* The chunk before was confirmed, or its giver would not have sent this one. */
    struct reshard__keys pending = {0};
    int32_t status =
        reshard__keys_add_items(&node->mem, &pending, record->blob.data, record->blob.size);
    if (status) {
        reshard__keys_free(&node->mem, &pending);
        return status;
    }
    reshard__keys_remove_items(&keywise->old, pending.bytes, pending.size);
    reshard__keys_free(&node->mem, &keywise->pending);
    keywise->pending = pending;
    keywise->confirmed = false;
    keywise->mark_stream = record->copy;
    keywise->mark_sequence = record->sequence;
    return RESHARD_OK;
}

bool reshard__keywise_note(struct reshard_node *node, const struct reshard__part *part,
    struct reshard__keys *keys, const uint8_t *key, size_t key_size)
{
    int32_t status = reshard__keys_add(&node->mem, keys, key, key_size);
    if (status)
        reshard__event_tell(node, RESHARD_EVENT_NO_MEMORY, part, status, 0);
    return status == RESHARD_OK;
}

int32_t reshard__keywise_fold(
    struct reshard_node *node, struct reshard__part *part, const struct reshard__record *record)
{
    struct reshard__keywise *keywise = part->keywise;
    if (!keywise)
        return RESHARD_E_MODE;
    if (record->kind == RESHARD__RECORD_MARK)
        return mark_fold(node, keywise, record);
    if (record->kind == RESHARD__RECORD_CLEAR) {
        reshard__keys_clear(&keywise->old);
        keywise->old_cleared = true;
        return RESHARD_OK;
    }
    keywise->unmoving = record->kind == RESHARD__RECORD_UNMOVE;
    int32_t status = marks_age(node, keywise);
    /* The stream before has ended: a late answer of it may touch no mark that has just aged. */
    if (status == RESHARD_OK)
        keywise->stream = (struct reshard__order_id){0, 0};
    return status;
}

void reshard__keywise_stance(struct reshard_node *node, struct reshard__part *part)
{
    bool source = part->side == RESHARD_SIDE_SOURCE;
    enum reshard__stance stance;
    if (part->stored.kind == RESHARD__RECORD_HELD)
        stance = RESHARD__STANCE_SOURCE_HELD;
    else if (part->keywise->unmoving)
        stance = source ? RESHARD__STANCE_SOURCE_UNMOVE : RESHARD__STANCE_TARGET_UNMOVE;
    else
        stance = source ? RESHARD__STANCE_SOURCE_GUARD : RESHARD__STANCE_TARGET_MOVE;
    reshard__part_stand(node, part, stance);
}

/* A QUERY: whether a key is here. Keys in flight are; the store tells of the others. Only within
 * the stream in which it is asked: an earlier one may still have a removal to come. */
static void query_receive(
    struct reshard_node *node, struct reshard__part *part, const struct reshard__message *message)
{
    bool bare = message->flags & RESHARD__QUERY_BARE;
    if (!bare && !reshard__order_equal(message->copy, part->keywise->stream))
        return;
    if (message->payload.size > UINT16_MAX * 16)
        return;
    struct reshard__chunk *chunk = reshard__chunk_alloc(node, message->payload.size + 8);
    struct reshard__entry *entry =
        chunk ? reshard__part_ask(node, part, RESHARD_ACTION_PICK, 0) : NULL;
    if (!entry) {
        reshard__chunk_drop(node, chunk);
        return;
    }
    chunk->size = reshard__key_item_put(chunk->data, message->payload.data, message->payload.size);
    chunk->references = 1;
    chunk->sequence = message->flags;
    entry->attachment = chunk;
    entry->action.payload = chunk->data;
    entry->action.payload_size = chunk->size;
}

/* The answer to a QUERY, when the store has looked. */
static void query_answer(struct reshard_node *node, struct reshard__part *part,
    struct reshard__entry *entry, const struct reshard_completion *completion)
{
    struct reshard__chunk *chunk = entry->attachment;
    struct reshard__key_item item;
    size_t offset = 0;
    int32_t status = reshard__key_item_next(chunk->data, chunk->size, &offset, &item);
    RESHARD_ASSERT(status == RESHARD_OK);
    enum reshard__stance stance = reshard__part_stance(node, part);
    bool bare = chunk->sequence & RESHARD__QUERY_BARE;
    bool here =
        completion->keys > 0 || reshard__keys_have(&part->keywise->keys, item.key, item.key_size);
    bool fenced = part->fence_done >= part->keywise->fence;
    bool final = (stance == RESHARD__STANCE_SOURCE_MOVE && fenced) ||
                 stance == RESHARD__STANCE_SOURCE_HELD || stance == RESHARD__STANCE_TARGET_UNMOVE;
    struct reshard__message message = reshard__keywise_message(part, RESHARD__ACK, 0);
    message.answer = here ? RESHARD__ANSWER_HAVE : RESHARD__ANSWER_NOT_HAVE;
    if (bare && !here && final)
        message.answer = RESHARD__ANSWER_ABSENT;
    message.payload.data = item.key;
    message.payload.size = item.key_size;
    if (completion->status == RESHARD_OK)
        reshard__message_send(node, reshard__keywise_peer(node, part), &message, part, NULL);
    reshard__chunk_release(node, chunk);
    reshard__chunk_drop(node, chunk);
}

void reshard__keywise_chunk(
    struct reshard_node *node, struct reshard__part *part, const struct reshard__message *message)
{
    struct reshard__keywise *keywise = part->keywise;
    if (message->kind == RESHARD__CHUNK_QUERY) {
        query_receive(node, part, message);
        return;
    }
    bool live = !reshard__order_none(keywise->stream) &&
                reshard__order_equal(message->copy, keywise->stream);
    bool pending = message->kind == RESHARD__CHUNK_PENDING;
    /* The other side may be in the stream before this one: it says so only once in a while. */
    if (!live && pending && message->sequence == 0)
        keywise->early = message->copy;
    if (!live)
        return;
    if (pending)
        reshard__give_heard(node, part, message);
    else if (!reshard__keywise_gives(part))
        reshard__take_chunk(node, part, message);
}

void reshard__keywise_acknowledged(
    struct reshard_node *node, struct reshard__part *part, const struct reshard__message *message)
{
    if (message->answer != RESHARD__ANSWER_NONE)
        reshard__take_answer(node, part, message);
    else if (reshard__keywise_gives(part) &&
             reshard__order_equal(message->copy, part->keywise->stream))
        reshard__give_acknowledged(node, part, message->sequence);
}

/* A giver removed what it gave, or a receiver dropped what the giver still has. */
static void removed(
    struct reshard_node *node, struct reshard__part *part, const struct reshard__entry *entry)
{
    if (entry->action.payload == part->keywise->dropped.bytes)
        reshard__take_dropped(node, part);
    else if (part->keywise->flight == RESHARD__FLIGHT_REMOVING)
        reshard__give_removed(node, part);
}

void reshard__keywise_complete(struct reshard_node *node, struct reshard__part *part,
    struct reshard__entry *entry, const struct reshard_completion *completion)
{
    uint32_t kind = entry->action.kind;
    if (part->closed) {
        struct reshard__chunk *chunk = entry->attachment;
        if (chunk)
            reshard__chunk_release(node, chunk);
        reshard__chunk_drop(node, chunk);
        return;
    }
    if (kind == RESHARD_ACTION_PICK && entry->action.buffer)
        reshard__give_picked(node, part, entry, completion);
    else if (kind == RESHARD_ACTION_PICK)
        query_answer(node, part, entry, completion);
    if (completion->status)
        return;
    if (kind == RESHARD_ACTION_REMOVE)
        removed(node, part, entry);
    if (kind == RESHARD_ACTION_APPLY)
        reshard__take_applied(node, part, completion);
    if (kind == RESHARD_ACTION_SYNC)
        reshard__take_synced(node, part, completion);
}

void reshard__keywise_tick(struct reshard_node *node, struct reshard__part *part)
{
    if (part->side == RESHARD_SIDE_SOURCE)
        reshard__source_tick(node, part);
    if (part->phase == RESHARD_PHASE_NONE)
        return;
    if (node->now_ns < part->keywise->asked_ns + node->config.retry_ns)
        return;
    part->keywise->asked_ns = node->now_ns;
    reshard__give_tick(node, part);
    reshard__take_tick(node, part);
}

bool reshard__keywise_begins(const struct reshard__part *part)
{
    const struct reshard__keywise *keywise = part->keywise;
    return part->phase == RESHARD_PHASE_UNMOVE ||
           (part->phase == RESHARD_PHASE_MOVE && !reshard__order_none(keywise->stream) &&
               keywise->last == 0 && keywise->sequence == 0);
}

uint64_t reshard__keywise_deadline(
    const struct reshard_node *node, const struct reshard__part *part)
{
    const struct reshard__keywise *keywise = part->keywise;
    if (part->phase == RESHARD_PHASE_NONE)
        return UINT64_MAX; /* restarted: nothing is asked before the first order */
    bool waits = keywise->flight == RESHARD__FLIGHT_SENT || keywise->old.count > 0 ||
                 keywise->questions.count > 0 || keywise->dropping.count > 0 ||
                 keywise->dropped.count > 0 || reshard__keywise_begins(part);
    return waits ? keywise->asked_ns + node->config.retry_ns : UINT64_MAX;
}
