/* SPDX-License-Identifier: MIT */
/* Room node: the giver of a keywise stream (R16 ... R19). */
#include "node/keywise.h"

#include <string.h>

enum {
    PICK_SIZE_MAX = 1 << 30,
    RESEND_SIZE = 1 << 23 /* one retry more before a chunk is sent again, for each so many bytes */
};

void reshard__give_drop(struct reshard_node *node, struct reshard__part *part)
{
    struct reshard__keywise *keywise = part->keywise;
    reshard__chunk_drop(node, keywise->chunk);
    keywise->chunk = NULL;
    keywise->flight = RESHARD__FLIGHT_IDLE;
    reshard__keys_clear(&keywise->keys);
    reshard__keys_clear(&keywise->sent);
    keywise->cancelled = false;
    keywise->tries = 0;
}

/* A stream is opened once, under the order that names it; a removal of the stream before ends
 * first. False while it cannot be opened. */
static bool stream_open(struct reshard_node *node, struct reshard__part *part)
{
    struct reshard__keywise *keywise = part->keywise;
    if (part->busy & (RESHARD__BUSY_REMOVE | RESHARD__BUSY_PICK))
        return false;
    reshard__give_drop(node, part);
    keywise->stream = keywise->opened = part->order;
    keywise->reconciled = reshard__order_equal(keywise->early, part->order);
    keywise->sequence = 0;
    keywise->cursor = 0;
    keywise->empty = false;
    keywise->confirms = false;
    keywise->told = false;
    keywise->asked_ns = 0;
    return true;
}

static void chunk_send(struct reshard_node *node, struct reshard__part *part)
{
    struct reshard__keywise *keywise = part->keywise;
    struct reshard__message message =
        reshard__keywise_message(part, RESHARD__CHUNK, RESHARD__CHUNK_DATA);
    message.sequence = keywise->sequence;
    struct reshard__chunk *chunk = keywise->chunk;
    if (keywise->cancelled) {
        message.kind = RESHARD__CHUNK_VOID;
        chunk = NULL;
    } else {
        message.payload.data = chunk->data;
        message.payload.size = chunk->size;
    }
    keywise->sent_ns = node->now_ns;
    reshard__message_send(node, reshard__keywise_peer(node, part), &message, part, chunk);
}

static void confirm_send(struct reshard_node *node, struct reshard__part *part)
{
    struct reshard__message message =
        reshard__keywise_message(part, RESHARD__CHUNK, RESHARD__CHUNK_CONFIRM);
    message.sequence = part->keywise->sequence;
    reshard__message_send(node, reshard__keywise_peer(node, part), &message, part, NULL);
}

/* Where an operator picks keys. The way back is nobody's choice: all of them go. */
static bool by_hand(const struct reshard__part *part)
{
    return part->side == RESHARD_SIDE_SOURCE && reshard__part_by_hand(part);
}

/* Add them all, or none of them. */
static int32_t asked_add(struct reshard_node *node, struct reshard__part *part,
    const uint8_t *const *keys, const size_t *key_sizes, uint32_t key_count)
{
    struct reshard__keys *asked = &part->keywise->asked;
    struct reshard__keys more = {0};
    int32_t status = reshard__keys_add_items(&node->mem, &more, asked->bytes, asked->size);
    for (uint32_t i = 0; i < key_count && status == RESHARD_OK; i++)
        status = reshard__keys_add(&node->mem, &more, keys[i], key_sizes[i]);
    if (status) {
        reshard__keys_free(&node->mem, &more);
        return status;
    }
    reshard__keys_free(&node->mem, asked);
    *asked = more;
    reshard__part_advance(node, part);
    return RESHARD_OK;
}

int32_t reshard_node_move_keys(struct reshard_node *node, uint32_t slot, const uint8_t *const *keys,
    const size_t *key_sizes, uint32_t key_count)
{
    if (!node || !keys || !key_sizes)
        return RESHARD_E_NULL;
    if (slot >= node->config.slot_count)
        return RESHARD_E_SLOT;
    if (key_count == 0)
        return RESHARD_E_ARGUMENT;
    int32_t status = reshard__node_feed_begin(node, 0);
    if (status)
        return status;
    struct reshard__part *part = reshard__part_of_slot(node, slot);
    bool gives = part && by_hand(part) && part->phase == RESHARD_PHASE_MOVE;
    status = RESHARD_E_STATE;
    if (gives)
        status = asked_add(node, part, keys, key_sizes, key_count);
    return reshard__node_feed_end(node, status);
}

/* Keys that are to be picked by name; NULL = the walk. */
static const struct reshard__keys *pick_wanted(const struct reshard__keywise *keywise)
{
    if (keywise->keys.count > 0)
        return &keywise->keys;
    return keywise->asked.count > 0 ? &keywise->asked : NULL;
}

/* Named keys go at once; the walk while something is left. Where an operator picks, the walk only
 * looks whether anything is left, once an order. */
static bool pick_due(const struct reshard_node *node, const struct reshard__part *part,
    const struct reshard__keys *wanted)
{
    const struct reshard__keywise *keywise = part->keywise;
    bool seen = keywise->empty || (by_hand(part) && keywise->looked_ns >= part->heard_ns);
    bool walks = !seen && reshard__budget_allows(node, part);
    return !(part->order_flags & RESHARD__ORDER_PAUSED) && (wanted || walks);
}

/* The list lies behind the buffer: the set that it comes from may change meanwhile. */
static struct reshard__entry *pick_ask(struct reshard_node *node, struct reshard__part *part,
    size_t capacity, const struct reshard__keys *wanted)
{
    size_t list_size = wanted ? wanted->size : 0;
    struct reshard__chunk *chunk = reshard__chunk_alloc(node, capacity + list_size);
    struct reshard__entry *entry =
        chunk ? reshard__part_ask(node, part, RESHARD_ACTION_PICK, RESHARD__BUSY_PICK) : NULL;
    if (!entry) {
        reshard__chunk_drop(node, chunk);
        return NULL;
    }
    chunk->references = 1;
    entry->attachment = chunk;
    entry->action.buffer = chunk->data;
    entry->action.cursor = part->keywise->cursor;
    entry->action.copy_term = part->keywise->stream.term;
    entry->action.copy_n = part->keywise->stream.n;
    if (list_size > 0) {
        memcpy(chunk->data + capacity, wanted->bytes, list_size);
        entry->action.payload = chunk->data + capacity;
        entry->action.payload_size = list_size;
    }
    return entry;
}

/* Ask for the next keys: those of a try that was cancelled, those that an operator named, or the
 * next of the walk. */
static void pick(struct reshard_node *node, struct reshard__part *part)
{
    struct reshard__keywise *keywise = part->keywise;
    const struct reshard__keys *wanted = pick_wanted(keywise);
    bool looks = by_hand(part) && !wanted;
    if (!pick_due(node, part, wanted))
        return;
    if (looks)
        keywise->looked_ns = part->heard_ns;
    uint64_t pick_size = keywise->pick_capacity;
    size_t capacity = (size_t)(pick_size ? pick_size : node->config.pick_size);
    struct reshard__entry *entry = pick_ask(node, part, capacity, wanted);
    if (!entry)
        return;
    entry->action.capacity = looks ? 0 : capacity;
    keywise->flight = RESHARD__FLIGHT_PICKING;
}

static void pick_failed(struct reshard__part *part, const struct reshard_completion *completion)
{
    struct reshard__keywise *keywise = part->keywise;
    if (completion->status == RESHARD_E_SPACE && completion->size > 0 &&
        completion->size <= PICK_SIZE_MAX) {
        keywise->pick_capacity = completion->size;
        part->retry_at_ns = 0;
    }
}

/* The keys that were picked: locked from here on, or NOMEM. A try that comes again may carry fewer
 * than were locked, when values grew: only what is in the chunk is removed in the end. */
static int32_t flight_load(struct reshard_node *node, struct reshard__part *part,
    struct reshard__chunk *chunk, const struct reshard_completion *completion)
{
    struct reshard__keywise *keywise = part->keywise;
    chunk->size = completion->size;
    if (!reshard__key_items_sound(chunk->data, chunk->size))
        return RESHARD_E_TRUNCATED;
    bool again = keywise->keys.count > 0;
    reshard__keys_clear(&keywise->sent);
    int32_t status =
        reshard__keys_add_items(&node->mem, &keywise->sent, chunk->data, chunk->size);
    if (status == RESHARD_OK && !again)
        status = reshard__keys_add_items(&node->mem, &keywise->keys, chunk->data, chunk->size);
    if (status)
        return status;
    keywise->chunk = chunk;
    keywise->tries = again ? keywise->tries + 1 : 0;
    return RESHARD_OK;
}

/* The number and the locks that a pick brings. */
static void flight_begin(struct reshard_node *node, struct reshard__part *part, uint64_t keys)
{
    struct reshard__keywise *keywise = part->keywise;
    keywise->pick_capacity = 0;
    keywise->sequence++;
    keywise->cancelled = false;
    keywise->flight = RESHARD__FLIGHT_SENT;
    part->keys += keys;
    part->bytes += keywise->chunk->size;
    reshard__budget_charge(node, part, keywise->chunk->size);
    chunk_send(node, part);
}

/* Keys that an operator named: taken, or (`all`) looked for. */
static void asked_forget(
    struct reshard__keywise *keywise, const struct reshard_action *action, bool all)
{
    const uint8_t *bytes = all ? action->payload : keywise->sent.bytes;
    size_t size = all ? action->payload_size : keywise->sent.size;
    reshard__keys_remove_items(&keywise->asked, bytes, size);
}

/* A walk moves its cursor; nothing is left when one over all of the slots found nothing. */
static void walk_follow(struct reshard__keywise *keywise, const struct reshard_action *action,
    const struct reshard_completion *completion)
{
    keywise->cursor = completion->done ? 0 : completion->cursor;
    keywise->empty =
        action->cursor == 0 && completion->done && completion->size == 0 && completion->keys == 0;
}

/* What a pick that succeeded says; true when its chunk is in flight now. */
static bool picked(struct reshard_node *node, struct reshard__part *part,
    const struct reshard__entry *entry, const struct reshard_completion *completion)
{
    struct reshard__keywise *keywise = part->keywise;
    bool walked = entry->action.payload_size == 0;
    bool named = !walked && keywise->keys.count == 0;
    bool none = completion->size == 0;
    if (walked)
        walk_follow(keywise, &entry->action, completion);
    int32_t status = none ? RESHARD_OK : flight_load(node, part, entry->attachment, completion);
    if (status) {
        uint32_t kind =
            status == RESHARD_E_NOMEM ? RESHARD_EVENT_NO_MEMORY : RESHARD_EVENT_HOOK_FAILED;
        reshard__event_tell(node, kind, part, status, RESHARD_ACTION_PICK);
        part->retry_at_ns = node->now_ns + node->config.retry_ns;
        return false;
    }
    if (named)
        asked_forget(keywise, &entry->action, none || completion->done);
    if (none)
        reshard__keys_clear(&keywise->keys);
    else
        flight_begin(node, part, completion->keys);
    return !none;
}

void reshard__give_picked(struct reshard_node *node, struct reshard__part *part,
    struct reshard__entry *entry, const struct reshard_completion *completion)
{
    struct reshard__keywise *keywise = part->keywise;
    struct reshard__chunk *chunk = entry->attachment;
    RESHARD_ASSERT(chunk && chunk->references == 1);
    chunk->references = 0;
    keywise->flight = RESHARD__FLIGHT_IDLE;
    struct reshard__order_id stream = {entry->action.copy_term, entry->action.copy_n};
    bool stale = !reshard__keywise_gives(part) || !reshard__order_equal(stream, keywise->stream);
    bool failed = completion->status || completion->size > entry->action.capacity;
    bool flies = false;
    if (failed && !stale)
        pick_failed(part, completion);
    else if (!stale)
        flies = picked(node, part, entry, completion);
    if (!flies)
        reshard__chunk_drop(node, chunk);
}

static void remove_ask(struct reshard_node *node, struct reshard__part *part)
{
    struct reshard__entry *entry =
        reshard__part_ask(node, part, RESHARD_ACTION_REMOVE, RESHARD__BUSY_REMOVE);
    if (!entry)
        return;
    entry->action.payload = part->keywise->sent.bytes;
    entry->action.payload_size = part->keywise->sent.size;
}

/* R17: the acknowledgement of the number in flight is what deletes, nothing else. */
void reshard__give_acknowledged(
    struct reshard_node *node, struct reshard__part *part, uint64_t sequence)
{
    struct reshard__keywise *keywise = part->keywise;
    if (sequence + 1 < keywise->sequence) {
        /* The receiver restarted behind a number that carried nothing: it is void. */
        struct reshard__message message =
            reshard__keywise_message(part, RESHARD__CHUNK, RESHARD__CHUNK_VOID);
        message.sequence = sequence + 1;
        reshard__message_send(node, reshard__keywise_peer(node, part), &message, part, NULL);
        return;
    }
    if (keywise->flight != RESHARD__FLIGHT_SENT || sequence != keywise->sequence)
        return;
    reshard__chunk_drop(node, keywise->chunk);
    keywise->chunk = NULL;
    keywise->flight = keywise->cancelled ? RESHARD__FLIGHT_IDLE : RESHARD__FLIGHT_REMOVING;
}

void reshard__give_removed(struct reshard_node *node, struct reshard__part *part)
{
    struct reshard__keywise *keywise = part->keywise;
    keywise->confirms = true;
    confirm_send(node, part);
    if (keywise->sent.count == keywise->keys.count) {
        reshard__give_drop(node, part);
        keywise->looked_ns = 0; /* that may have been the last: say so before it is asked */
    } else {
        reshard__keys_remove_items(&keywise->keys, keywise->sent.bytes, keywise->sent.size);
        keywise->flight = RESHARD__FLIGHT_IDLE;
    }
    reshard__part_wake(node, part);
}

void reshard__give_heard(
    struct reshard_node *node, struct reshard__part *part, const struct reshard__message *message)
{
    struct reshard__keywise *keywise = part->keywise;
    bool *said = reshard__keywise_gives(part) ? &keywise->reconciled : &keywise->heard;
    if (message->sequence > 0 || *said)
        return;
    *said = true;
    reshard__part_wake(node, part); /* removals waited for it */
}

/* One step of the flight, as far as it goes now. */
static void give_pump(struct reshard_node *node, struct reshard__part *part)
{
    struct reshard__keywise *keywise = part->keywise;
    if (keywise->flight == RESHARD__FLIGHT_REMOVING)
        remove_ask(node, part);
    else if (keywise->flight == RESHARD__FLIGHT_IDLE)
        pick(node, part);
}

static uint32_t give(struct reshard_node *node, struct reshard__part *part)
{
    struct reshard__keywise *keywise = part->keywise;
    if (!keywise->reconciled)
        return RESHARD__RESULT_WORKING;
    give_pump(node, part);
    bool over =
        keywise->empty && keywise->flight == RESHARD__FLIGHT_IDLE && keywise->keys.count == 0;
    return over ? RESHARD__RESULT_EMPTY : RESHARD__RESULT_WORKING;
}

/* From here on keys decide. A request that was admitted by its slot alone, before, may still run:
 * no key is picked until it has finished (R9's fence, for keys). */
static bool move_open(struct reshard_node *node, struct reshard__part *part)
{
    struct reshard__keywise *keywise = part->keywise;
    if (keywise->reconciled && reshard__part_stance(node, part) != RESHARD__STANCE_SOURCE_MOVE) {
        reshard__part_stand(node, part, RESHARD__STANCE_SOURCE_MOVE);
        keywise->fence = reshard__part_fence(node, part);
    }
    return part->fence_done >= keywise->fence;
}

/* R16: MOVE is durable on both sides, with their PREPARE, before the first send or ASK; the
 * receiver's "none pending" says that it is there. The stream's order itself needs no record: after
 * a restart a source opens none before a new PREPARE (R7), and a target goes on with the one that
 * is repeated. */
uint32_t reshard__duty_give(struct reshard_node *node, struct reshard__part *part)
{
    struct reshard__keywise *keywise = part->keywise;
    bool live = reshard__order_equal(keywise->stream, part->order);
    if (!part->prepared_live || (!live && reshard__order_equal(keywise->opened, part->order)))
        return RESHARD__RESULT_LOST;
    RESHARD_ASSERT(part->stored.moving);
    if (!live && !stream_open(node, part))
        return RESHARD__RESULT_WORKING;
    return move_open(node, part) ? give(node, part) : RESHARD__RESULT_WORKING;
}

/* A target that restarted under this very order: its stream is gone, and is opened under no id
 * twice (R17). */
static bool back_lost(const struct reshard__part *part)
{
    const struct reshard__keywise *keywise = part->keywise;
    if (reshard__order_equal(keywise->stream, part->order))
        return false;
    bool recorded = part->stored.kind == RESHARD__RECORD_UNMOVE &&
                    reshard__order_equal(part->stored.order, part->order);
    return (recorded && !part->unmove_live) || reshard__order_equal(keywise->opened, part->order);
}

/* What was still coming from the source is void; the stream back begins. */
static bool back_open(struct reshard_node *node, struct reshard__part *part)
{
    if (part->busy & RESHARD__BUSY_APPLY)
        return false;
    reshard__chunk_drop(node, part->keywise->incoming);
    part->keywise->incoming = NULL;
    part->keywise->incoming_applied = false;
    return stream_open(node, part);
}

uint32_t reshard__duty_give_back(struct reshard_node *node, struct reshard__part *part)
{
    struct reshard__keywise *keywise = part->keywise;
    if (!part->stored.moving)
        return RESHARD__RESULT_EMPTY; /* nothing ever came */
    struct reshard__record record = {.kind = RESHARD__RECORD_UNMOVE};
    record.migration = part->migration;
    record.order = part->order;
    if (back_lost(part))
        return RESHARD__RESULT_LOST;
    bool live = reshard__order_equal(keywise->stream, part->order);
    part->unmove_live = true;
    if (!reshard__log_has(node, part, &record))
        return RESHARD__RESULT_WORKING;
    reshard__part_stand(node, part, RESHARD__STANCE_TARGET_UNMOVE);
    if (!live && !back_open(node, part))
        return RESHARD__RESULT_WORKING;
    if (!reshard__marks_settled(node, part))
        return RESHARD__RESULT_WORKING;
    reshard__none_pending_tell(node, part);
    return give(node, part);
}

/* R27: nothing is left, nothing is under way, and nothing new can come: absence at the source is
 * for good in MOVE. */
uint32_t reshard__keywise_hold(struct reshard_node *node, struct reshard__part *part)
{
    const struct reshard__keywise *keywise = part->keywise;
    if (part->stored.kind == RESHARD__RECORD_HELD &&
        !reshard__order_equal(part->stored.order, part->order))
        return RESHARD__RESULT_HELD;
    bool holding = reshard__part_stance(node, part) == RESHARD__STANCE_SOURCE_HELD;
    if (!holding) {
        bool over = part->prepared_live && keywise->reconciled && keywise->empty &&
                    keywise->flight == RESHARD__FLIGHT_IDLE && keywise->keys.count == 0;
        if (!over)
            return RESHARD__RESULT_LOST;
    }
    return reshard__source_hold(node, part);
}

void reshard__keywise_prepared(struct reshard_node *node, struct reshard__part *part)
{
    part->keywise->stream = (struct reshard__order_id){0, 0};
    /* Serving since the opening, without a restart: no key can have moved yet. */
    if (reshard__part_stance(node, part) != RESHARD__STANCE_SOURCE_SERVE)
        reshard__part_stand(node, part, RESHARD__STANCE_SOURCE_GUARD);
}

void reshard__give_tick(struct reshard_node *node, struct reshard__part *part)
{
    struct reshard__keywise *keywise = part->keywise;
    if (!reshard__keywise_gives(part) || reshard__order_none(keywise->stream))
        return;
    if (keywise->flight == RESHARD__FLIGHT_SENT) {
        uint64_t size = keywise->cancelled ? 0 : keywise->chunk->size;
        /* A large key is on its way for long: copies of it would only hold it up. */
        if (node->now_ns >= keywise->sent_ns + node->config.retry_ns * (size / RESEND_SIZE))
            chunk_send(node, part);
    } else if (keywise->confirms && keywise->flight == RESHARD__FLIGHT_IDLE)
        confirm_send(node, part);
}
