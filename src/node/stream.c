/* SPDX-License-Identifier: MIT */
/* Room node: the source's stream in mode snapshot: exported chunks, captured tail, window,
 * retransmission, trimming (R9). */
#include "node/node.h"

#include <string.h>

enum {
    ROOM_KEPT = 8,        /* places in the outbox that a pump leaves to others */
    PARTIAL_SENDS = 2,    /* chunks in flight below which a half-filled tail chunk goes out */
    EXPORT_MAX = 1 << 26, /* bytes of one key's data that a message still carries */
    TAIL_CHUNK = 16384    /* bytes of a tail chunk, at least */
};

struct reshard__chunk *reshard__chunk_alloc(struct reshard_node *node, size_t capacity)
{
    size_t size = sizeof(struct reshard__chunk) + capacity;
    struct reshard__chunk *chunk = NULL;
    if (capacity == node->config.chunk_size && node->spare_count > 0)
        chunk = node->spares[--node->spare_count];
    else
        chunk = node->mem.resize(node->mem.user_data, NULL, 0, size);
    if (!chunk) {
        reshard__event_tell(node, RESHARD_EVENT_NO_MEMORY, NULL, RESHARD_E_NOMEM, 0);
        return NULL;
    }
    memset(chunk, 0, sizeof *chunk);
    chunk->capacity = capacity;
    return chunk;
}

/* A few whole chunks are kept: fresh memory of that size would be mapped and cleared each time. */
static void chunk_free(struct reshard_node *node, struct reshard__chunk *chunk)
{
    if (chunk->capacity == node->config.chunk_size && node->spare_count < RESHARD__SPARES_MAX)
        node->spares[node->spare_count++] = chunk;
    else
        reshard__mem_free(&node->mem, chunk, sizeof *chunk + chunk->capacity);
}

void reshard__spares_free(struct reshard_node *node)
{
    while (node->spare_count > 0) {
        struct reshard__chunk *chunk = node->spares[--node->spare_count];
        reshard__mem_free(&node->mem, chunk, sizeof *chunk + chunk->capacity);
    }
}

void reshard__chunk_release(struct reshard_node *node, struct reshard__chunk *chunk)
{
    RESHARD_ASSERT(chunk->references > 0);
    chunk->references--;
    if (chunk->dead && chunk->references == 0)
        chunk_free(node, chunk);
}

void reshard__chunk_drop(struct reshard_node *node, struct reshard__chunk *chunk)
{
    if (!chunk)
        return;
    chunk->dead = true;
    if (chunk->references == 0)
        chunk_free(node, chunk);
}

static void list_push(struct reshard__chunk_list *list, struct reshard__chunk *chunk)
{
    chunk->next = NULL;
    if (list->tail)
        list->tail->next = chunk;
    else
        list->head = chunk;
    list->tail = chunk;
}

static struct reshard__chunk *list_pop(struct reshard__chunk_list *list)
{
    struct reshard__chunk *chunk = list->head;
    if (chunk) {
        list->head = chunk->next;
        if (!list->head)
            list->tail = NULL;
    }
    return chunk;
}

void reshard__stream_open(
    struct reshard_node *node, struct reshard__part *part, struct reshard__order_id copy)
{
    reshard__stream_drop(node, part);
    part->stream.copy = copy;
    part->stream.greeted = reshard__order_equal(part->early, copy);
    part->early = (struct reshard__order_id){0, 0};
    part->stream.progress_ns = node->now_ns;
    part->keys = 0;
    part->bytes = 0;
}

void reshard__stream_drop(struct reshard_node *node, struct reshard__part *part)
{
    struct reshard__stream *stream = &part->stream;
    struct reshard__chunk *chunk;
    while ((chunk = list_pop(&stream->numbered)))
        reshard__chunk_drop(node, chunk);
    while ((chunk = list_pop(&stream->captured)))
        reshard__chunk_drop(node, chunk);
    memset(stream, 0, sizeof *stream);
    /* An EXPORT that is under way belongs to the copy that ended. */
    part->ticket++;
    part->busy &= ~(uint32_t)RESHARD__BUSY_EXPORT;
    part->frozen_attempt = 0;
    part->frozen_final = false;
    part->digest_known = false;
}

uint64_t reshard__stream_lag(const struct reshard__part *part)
{
    return part->stream.unapplied_bytes + part->stream.captured_bytes;
}

static void chunk_number(struct reshard__part *part, struct reshard__chunk *chunk)
{
    struct reshard__stream *stream = &part->stream;
    chunk->sequence = ++stream->numbered_last;
    list_push(&stream->numbered, chunk);
    stream->window_bytes += chunk->size;
    stream->unapplied_bytes += chunk->size;
    if (!stream->send_next)
        stream->send_next = chunk;
}

/* Number what was captured: full chunks always, the last one when the target waits for it. Never
 * while an EXPORT reads: what it reads may be older than what was captured meanwhile (R9). */
static void captured_number(struct reshard__part *part)
{
    struct reshard__stream *stream = &part->stream;
    if (part->busy & RESHARD__BUSY_EXPORT)
        return;
    bool all = part->frozen_attempt != 0 ||
               (stream->exported && stream->sent - stream->applied < PARTIAL_SENDS);
    while (stream->captured.head && (stream->captured.head->next || all)) {
        struct reshard__chunk *chunk = list_pop(&stream->captured);
        stream->captured_bytes -= chunk->size;
        chunk_number(part, chunk);
    }
}

static void chunk_send(
    struct reshard_node *node, struct reshard__part *part, struct reshard__chunk *chunk)
{
    struct reshard__message message = {.type = RESHARD__CHUNK};
    message.migration = part->migration;
    message.copy = part->stream.copy;
    message.sequence = chunk->sequence;
    message.kind = RESHARD__CHUNK_DATA;
    message.attempt = part->attempt;
    if (node->config.check == RESHARD_CHECK_DIGEST)
        message.flags = RESHARD__CHUNK_UNCOVERED; /* the digests at FREEZE cover it */
    message.payload.data = chunk->data;
    message.payload.size = chunk->size;
    reshard__message_send(node, reshard__primary_of(node, part->target), &message, part, chunk);
}

bool reshard__budget_allows(const struct reshard_node *node, const struct reshard__part *part)
{
    bool limited = part->phase == RESHARD_PHASE_COPY || part->phase == RESHARD_PHASE_CATCHUP ||
                   part->phase == RESHARD_PHASE_MOVE;
    return !limited || part->budget == 0 || node->now_ns >= part->stream.free_ns;
}

void reshard__budget_charge(
    const struct reshard_node *node, struct reshard__part *part, uint64_t size)
{
    if (part->budget == 0)
        return;
    uint64_t from = part->stream.free_ns > node->now_ns ? part->stream.free_ns : node->now_ns;
    uint64_t whole = size / part->budget, rest = size % part->budget;
    uint64_t wait = whole * UINT64_C(1000000000);
    wait += rest <= UINT64_MAX / UINT64_C(1000000000)
                ? rest * UINT64_C(1000000000) / part->budget
                : rest / (part->budget / UINT64_C(1000000000) + 1);
    part->stream.free_ns = from + wait;
}

static void numbered_send(struct reshard_node *node, struct reshard__part *part)
{
    struct reshard__stream *stream = &part->stream;
    while (stream->send_next && stream->greeted && reshard__budget_allows(node, part) &&
           reshard__outbox_room(&node->outbox) > ROOM_KEPT) {
        struct reshard__chunk *chunk = stream->send_next;
        if (stream->sent == stream->applied)
            stream->progress_ns = node->now_ns;
        chunk_send(node, part, chunk);
        reshard__budget_charge(node, part, chunk->size);
        stream->sent = chunk->sequence;
        stream->send_next = chunk->next;
    }
}

/* Whether the next piece may be read now: the capture is fenced, the window has room. */
static bool export_may(const struct reshard_node *node, const struct reshard__part *part)
{
    const struct reshard__stream *stream = &part->stream;
    bool open = !stream->exported && part->frozen_attempt == 0 &&
                part->fence_done >= stream->fence && reshard__budget_allows(node, part);
    uint64_t chunk_size = node->config.chunk_size;
    bool fits = stream->window_bytes == 0 ||
                (stream->window_bytes + chunk_size <= node->config.window_size &&
                    stream->unapplied_bytes + chunk_size <= node->config.flight_size);
    bool free = !(part->busy & RESHARD__BUSY_EXPORT) && node->now_ns >= part->retry_at_ns &&
                reshard__outbox_room(&node->outbox) > ROOM_KEPT;
    return open && fits && free;
}

static void export_ask(struct reshard_node *node, struct reshard__part *part)
{
    struct reshard__stream *stream = &part->stream;
    uint64_t chunk_size =
        stream->export_capacity ? stream->export_capacity : node->config.chunk_size;
    if (!export_may(node, part))
        return;
    struct reshard__chunk *chunk = reshard__chunk_alloc(node, chunk_size);
    if (!chunk)
        return;
    struct reshard__entry *entry =
        reshard__part_ask(node, part, RESHARD_ACTION_EXPORT, RESHARD__BUSY_EXPORT);
    if (!entry) {
        chunk_free(node, chunk);
        return;
    }
    chunk->references = 1; /* the action writes into it */
    entry->attachment = chunk;
    entry->action.buffer = chunk->data;
    entry->action.capacity = chunk_size;
    entry->action.cursor = stream->cursor;
    entry->action.copy_term = stream->copy.term;
    entry->action.copy_n = stream->copy.n;
}

void reshard__stream_pump(struct reshard_node *node, struct reshard__part *part)
{
    if (reshard__order_none(part->stream.copy))
        return;
    captured_number(part);
    numbered_send(node, part);
    if (!(part->order_flags & RESHARD__ORDER_PAUSED))
        export_ask(node, part);
}

void reshard__stream_exported(struct reshard_node *node, struct reshard__part *part,
    struct reshard__chunk *chunk, const struct reshard_completion *completion)
{
    struct reshard__stream *stream = &part->stream;
    RESHARD_ASSERT(chunk->references == 1);
    chunk->references = 0;
    if (completion->status == RESHARD_E_SPACE && completion->size > chunk->capacity &&
        completion->size <= EXPORT_MAX) {
        stream->export_capacity = completion->size; /* one key that is larger than a chunk */
        chunk_free(node, chunk);
        return;
    }
    if (completion->status || completion->size > chunk->capacity) {
        int32_t status = completion->status ? completion->status : RESHARD_E_SIZE;
        reshard__event_tell(node, RESHARD_EVENT_HOOK_FAILED, part, status, RESHARD_ACTION_EXPORT);
        part->retry_at_ns = node->now_ns + node->config.retry_ns;
        chunk_free(node, chunk);
        return;
    }
    stream->export_capacity = 0;
    stream->cursor = completion->cursor;
    stream->exported = completion->done != 0;
    part->keys += completion->keys;
    part->bytes += completion->size;
    if (completion->size > 0) {
        chunk->size = completion->size;
        chunk_number(part, chunk);
    } else {
        chunk_free(node, chunk);
    }
    if (stream->exported)
        stream->export_end = stream->numbered_last;
}

/* The sending starts over behind what the target has. */
static void send_back(struct reshard__stream *stream)
{
    stream->sent = stream->applied;
    stream->send_next = stream->numbered.head;
    while (stream->send_next && stream->send_next->sequence <= stream->applied)
        stream->send_next = stream->send_next->next;
}

static void chunks_trim(struct reshard_node *node, struct reshard__stream *stream)
{
    while (stream->numbered.head && stream->numbered.head->sequence <= stream->durable) {
        struct reshard__chunk *chunk = list_pop(&stream->numbered);
        RESHARD_ASSERT(stream->window_bytes >= chunk->size);
        stream->window_bytes -= chunk->size;
        RESHARD_ASSERT(stream->send_next != chunk);
        reshard__chunk_drop(node, chunk);
    }
}

static void applied_follow(struct reshard__stream *stream, uint64_t applied)
{
    struct reshard__chunk *chunk = stream->numbered.head;
    for (; chunk && chunk->sequence <= applied; chunk = chunk->next)
        if (chunk->sequence > stream->applied)
            stream->unapplied_bytes -= chunk->size;
    stream->applied = applied;
    if (stream->sent < applied)
        send_back(stream);
}

static void applied_fall(struct reshard__stream *stream, uint64_t applied)
{
    stream->applied = applied;
    stream->unapplied_bytes = 0;
    for (struct reshard__chunk *chunk = stream->numbered.head; chunk; chunk = chunk->next)
        if (chunk->sequence > applied)
            stream->unapplied_bytes += chunk->size;
    send_back(stream);
}

/* Of the live copy, and not of a past that was trimmed or a future that was not numbered. */
static bool acknowledgement_fits(
    const struct reshard__stream *stream, const struct reshard__message *message)
{
    return !reshard__order_none(stream->copy) &&
           reshard__order_equal(message->copy, stream->copy) &&
           message->sequence <= stream->numbered_last &&
           message->durable_sequence <= message->sequence && message->sequence >= stream->durable;
}

/* The target may have the order to copy before the source, and greets only once in a while. Kept is
 * what may still come: a copy is opened by a newer order, of this run, or never (R7). */
static void greeting_keep(struct reshard__part *part, const struct reshard__message *message)
{
    if (part->prepared_live && message->sequence == 0 &&
        reshard__order_above(message->copy, part->order) &&
        reshard__order_above(message->copy, part->early))
        part->early = message->copy;
}

void reshard__stream_acknowledged(
    struct reshard_node *node, struct reshard__part *part, const struct reshard__message *message)
{
    struct reshard__stream *stream = &part->stream;
    greeting_keep(part, message);
    if (!acknowledgement_fits(stream, message))
        return;
    bool first = !stream->greeted;
    stream->greeted = true;
    if (message->sequence < stream->applied) {
        /* A target that restarted is back at what it had durably. */
        if (message->sequence != message->durable_sequence)
            return;
        applied_fall(stream, message->sequence);
    } else if (message->sequence > stream->applied) {
        applied_follow(stream, message->sequence);
        stream->progress_ns = node->now_ns;
    } else if (!first && stream->sent > stream->applied && message->flags &&
               stream->backed_at != stream->applied + 1) {
        /* The target saw a gap: go back, once per position; the clock does the rest. */
        stream->backed_at = stream->applied + 1;
        send_back(stream);
    }
    if (message->durable_sequence > stream->durable) {
        stream->durable = message->durable_sequence;
        chunks_trim(node, stream);
    }
}

void reshard__stream_tick(struct reshard_node *node, struct reshard__part *part)
{
    struct reshard__stream *stream = &part->stream;
    if (stream->sent > stream->applied &&
        node->now_ns >= stream->progress_ns + node->config.retry_ns) {
        stream->progress_ns = node->now_ns;
        stream->backed_at = 0;
        send_back(stream);
    }
}

void reshard__stream_record(
    struct reshard_node *node, struct reshard__part *part, const uint8_t *bytes, size_t size)
{
    struct reshard__stream *stream = &part->stream;
    struct reshard__chunk *chunk = stream->captured.tail;
    if (!chunk || chunk->capacity - chunk->size < size) {
        size_t capacity =
            node->config.chunk_size < TAIL_CHUNK ? node->config.chunk_size : TAIL_CHUNK;
        if (stream->captured_bytes > capacity)
            capacity = node->config.chunk_size;
        if (capacity < size)
            capacity = size;
        chunk = reshard__chunk_alloc(node, capacity);
        if (!chunk) {
            /* No write may be lost and none can be undone: the copy is lost instead. */
            reshard__event_tell(node, RESHARD_EVENT_LOST, part, RESHARD_E_NOMEM, 0);
            reshard__stream_drop(node, part);
            return;
        }
        list_push(&stream->captured, chunk);
    }
    memcpy(chunk->data + chunk->size, bytes, size);
    chunk->size += size;
    stream->captured_bytes += size;
}
