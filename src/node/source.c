/* SPDX-License-Identifier: MIT */
/* Room node: the source's duties in mode snapshot, and those that both modes share (R7, R9 ... R11,
 * R13). Each is run whenever something about the part changed and answers its condition. */
#include "node/keywise.h"
#include "node/node.h"

static bool live(const struct reshard__part *part)
{
    return !reshard__order_none(part->stream.copy);
}

/* A hold that is durable, or on its way: R11 ends it, nothing else. */
static bool held(const struct reshard_node *node, const struct reshard__part *part)
{
    return part->stored.kind == RESHARD__RECORD_HELD ||
           reshard__part_stance(node, part) == RESHARD__STANCE_SOURCE_HELD;
}

/* The stance of a source that serves. */
static void serve(struct reshard_node *node, struct reshard__part *part)
{
    enum reshard__stance stance = RESHARD__STANCE_SOURCE_SERVE;
    if (live(part))
        stance = reshard__stream_lag(part) >= node->config.tail_size
                     ? RESHARD__STANCE_SOURCE_THROTTLE
                     : RESHARD__STANCE_SOURCE_CAPTURE;
    if (live(part) && reshard__part_stance(node, part) == RESHARD__STANCE_SOURCE_THROTTLE &&
        reshard__stream_lag(part) > node->config.tail_size / 2)
        stance = RESHARD__STANCE_SOURCE_THROTTLE;
    if (stance == RESHARD__STANCE_SOURCE_THROTTLE &&
        reshard__part_stance(node, part) != RESHARD__STANCE_SOURCE_THROTTLE)
        reshard__event_tell(
            node, RESHARD_EVENT_THROTTLED, part, RESHARD_E_LIMIT, reshard__stream_lag(part));
    reshard__part_stand(node, part, stance);
}

static void unfreeze(struct reshard_node *node, struct reshard__part *part)
{
    part->frozen_attempt = 0;
    part->frozen_final = false;
    part->digest_known = false;
    serve(node, part);
}

/* R11: a durable hold ends by a PREPARE above it, never by COPY or FREEZE; the record that takes
 * its place is written first. */
uint32_t reshard__duty_prepare(struct reshard_node *node, struct reshard__part *part)
{
    struct reshard__record record = {.kind = RESHARD__RECORD_PREPARED};
    record.migration = part->migration;
    record.order = part->order;
    record.flags = part->mode == RESHARD_MODE_KEYWISE ? RESHARD__RECORD_MOVES : 0;
    if (!reshard__log_has(node, part, &record))
        return RESHARD__RESULT_WORKING;
    if (part->mode == RESHARD_MODE_KEYWISE) {
        reshard__keywise_prepared(node, part);
        return RESHARD__RESULT_PREPARED;
    }
    unfreeze(node, part);
    return RESHARD__RESULT_PREPARED;
}

/* The capture opens before the first chunk is read, and after every request that was admitted
 * without capture has finished (R9). */
static void capture_open(struct reshard_node *node, struct reshard__part *part)
{
    reshard__stream_open(node, part, part->order_copy);
    part->opened = part->order_copy;
    reshard__part_stand(node, part, RESHARD__STANCE_SOURCE_CAPTURE);
    part->stream.fence = reshard__part_fence(node, part);
}

/* Whether the copy that the order names is live here, and no hold stands in its way. */
static bool copy_live(const struct reshard_node *node, const struct reshard__part *part)
{
    return live(part) && !held(node, part) &&
           reshard__order_equal(part->stream.copy, part->order_copy);
}

/* The same, and serving goes on under it. */
static bool copy_goes_on(struct reshard_node *node, struct reshard__part *part)
{
    if (!copy_live(node, part))
        return false;
    if (part->frozen_attempt)
        unfreeze(node, part);
    serve(node, part);
    reshard__stream_pump(node, part);
    return true;
}

uint32_t reshard__duty_export(struct reshard_node *node, struct reshard__part *part)
{
    /* Never twice under one id: a copy that was lost comes back under another order (R7). */
    bool opens = reshard__order_equal(part->order_copy, part->order) && part->prepared_live &&
                 !held(node, part) && !reshard__order_equal(part->opened, part->order_copy);
    if (opens)
        capture_open(node, part);
    if (!copy_goes_on(node, part))
        return RESHARD__RESULT_LOST;
    const struct reshard__stream *stream = &part->stream;
    /* Of slots without a key nothing is sent: that the target is there is heard from itself. */
    bool copied =
        stream->greeted && stream->exported && stream->applied >= stream->export_end;
    return copied ? RESHARD__RESULT_COPIED : RESHARD__RESULT_WORKING;
}

uint32_t reshard__duty_stream(struct reshard_node *node, struct reshard__part *part)
{
    return copy_goes_on(node, part) ? RESHARD__RESULT_STREAMING : RESHARD__RESULT_LOST;
}

static void freeze_begin(struct reshard_node *node, struct reshard__part *part)
{
    part->frozen_attempt = part->attempt;
    part->frozen_final = false;
    part->digest_known = false;
    part->freeze_deadline_ns = node->now_ns + part->freeze_ns;
    if (part->freeze_deadline_ns < node->now_ns)
        part->freeze_deadline_ns = UINT64_MAX;
    reshard__part_stand(node, part, RESHARD__STANCE_SOURCE_FROZEN);
    part->frozen_fence = reshard__part_fence(node, part);
}

static void fin_send(struct reshard_node *node, struct reshard__part *part)
{
    struct reshard__message message = {.type = RESHARD__CHUNK};
    message.migration = part->migration;
    message.copy = part->stream.copy;
    message.kind = RESHARD__CHUNK_FIN;
    message.attempt = part->frozen_attempt;
    message.sequence = part->stream.numbered_last;
    message.final_sequence = part->stream.numbered_last;
    message.digest = part->digest;
    reshard__message_send(node, reshard__primary_of(node, part->target), &message, part, NULL);
}

uint32_t reshard__duty_freeze(struct reshard_node *node, struct reshard__part *part)
{
    if (part->attempt <= part->expired_attempt)
        return RESHARD__RESULT_EXPIRED;
    /* A frozen source reads no more of its copy: one that is not whole would never be. */
    if (!copy_live(node, part) || !part->stream.exported)
        return RESHARD__RESULT_LOST;
    if (part->frozen_attempt != part->attempt)
        freeze_begin(node, part);
    if (part->fence_done < part->frozen_fence)
        return RESHARD__RESULT_WORKING;
    reshard__stream_pump(node, part);
    RESHARD_ASSERT(!(part->busy & RESHARD__BUSY_EXPORT) && !part->stream.captured.head);
    if (!reshard__part_digest(node, part, part->stream.numbered_last))
        return RESHARD__RESULT_WORKING;
    if (!part->frozen_final) {
        part->frozen_final = true;
        fin_send(node, part);
    }
    return RESHARD__RESULT_FROZEN;
}

/* R10: on accept, in one step: the deadline is disarmed, reads park, the append starts. */
uint32_t reshard__duty_hold(struct reshard_node *node, struct reshard__part *part)
{
    if (part->mode == RESHARD_MODE_KEYWISE)
        return reshard__keywise_hold(node, part);
    bool holding = reshard__part_stance(node, part) == RESHARD__STANCE_SOURCE_HELD;
    bool holds = part->stored.kind == RESHARD__RECORD_HELD && part->stored.attempt == part->attempt;
    if (!holding && !holds) {
        if (!part->frozen_final || part->frozen_attempt != part->attempt)
            return part->prepared_live ? RESHARD__RESULT_REFUSED : RESHARD__RESULT_LOST;
        part->freeze_deadline_ns = UINT64_MAX;
    }
    if (holds && !reshard__order_equal(part->stored.order, part->order))
        return RESHARD__RESULT_HELD; /* held before a restart, or under an earlier order */
    return reshard__source_hold(node, part);
}

uint32_t reshard__source_hold(struct reshard_node *node, struct reshard__part *part)
{
    if (reshard__part_stance(node, part) != RESHARD__STANCE_SOURCE_HELD) {
        reshard__part_stand(node, part, RESHARD__STANCE_SOURCE_HELD);
        part->held_fence = reshard__part_fence(node, part);
    }
    struct reshard__record record = {.kind = RESHARD__RECORD_HELD};
    record.migration = part->migration;
    record.order = part->order;
    record.attempt = part->attempt;
    if (!reshard__log_has(node, part, &record) || part->fence_done < part->held_fence)
        return RESHARD__RESULT_WORKING;
    return RESHARD__RESULT_HELD;
}

static bool after_release(const struct reshard__part *part)
{
    return part->stored.kind == RESHARD__RECORD_RELEASED ||
           part->stored.kind == RESHARD__RECORD_PURGE;
}

uint32_t reshard__duty_release(struct reshard_node *node, struct reshard__part *part)
{
    if (!after_release(part)) {
        struct reshard__record record = {.kind = RESHARD__RECORD_RELEASED};
        record.migration = part->migration;
        record.order = part->order;
        if (!reshard__log_has(node, part, &record))
            return RESHARD__RESULT_WORKING;
    }
    /* Until the map that names the new owner is durable too, a MOVED would have no ground. */
    if (part->map_version > reshard_map_version(node->map))
        return RESHARD__RESULT_WORKING;
    reshard__stream_drop(node, part);
    reshard__part_stand(node, part, RESHARD__STANCE_SOURCE_RELEASED);
    return reshard__part_kept(node, part) ? RESHARD__RESULT_SETTLED : RESHARD__RESULT_WORKING;
}

static uint32_t purge_ask(struct reshard_node *node, struct reshard__part *part)
{
    struct reshard__entry *entry =
        reshard__part_ask(node, part, RESHARD_ACTION_PURGE, RESHARD__BUSY_PURGE);
    if (entry)
        entry->action.cursor = part->purge_cursor;
    return RESHARD__RESULT_WORKING;
}

/* R13: only under this migration's own release record. */
uint32_t reshard__duty_purge(struct reshard_node *node, struct reshard__part *part)
{
    if (!after_release(part))
        return RESHARD__RESULT_REFUSED;
    if (part->stored.kind != RESHARD__RECORD_PURGE) {
        struct reshard__record record = {.kind = RESHARD__RECORD_PURGE};
        record.migration = part->migration;
        record.order = part->order;
        if (!reshard__log_has(node, part, &record))
            return RESHARD__RESULT_WORKING;
    }
    reshard__part_stand(node, part, RESHARD__STANCE_SOURCE_RELEASED);
    if (part->purged)
        return RESHARD__RESULT_PURGED;
    return purge_ask(node, part);
}

uint32_t reshard__duty_resume(struct reshard_node *node, struct reshard__part *part)
{
    if (part->stored.kind != RESHARD__RECORD_UNDONE && part->stored.kind != 0) {
        struct reshard__record record = {.kind = RESHARD__RECORD_UNDONE};
        record.migration = part->migration;
        record.order = part->order;
        if (!reshard__log_has(node, part, &record))
            return RESHARD__RESULT_WORKING;
    }
    reshard__stream_drop(node, part);
    reshard__part_stand(node, part, RESHARD__STANCE_SOURCE_SERVE);
    return RESHARD__RESULT_UNDONE;
}

/* R10: a source that has not voted may end the freeze by its own clock, and says so. */
static void freeze_expire(struct reshard_node *node, struct reshard__part *part)
{
    part->expired_attempt = part->frozen_attempt;
    reshard__event_tell(node, RESHARD_EVENT_EXPIRED, part, RESHARD_OK, part->frozen_attempt);
    unfreeze(node, part);
}

static void held_alone(struct reshard_node *node, struct reshard__part *part)
{
    if (part->alarmed || node->now_ns < part->heard_ns + node->config.alarm_ns)
        return;
    part->alarmed = true;
    reshard__event_tell(
        node, RESHARD_EVENT_HELD_ALONE, part, RESHARD_OK, node->now_ns - part->heard_ns);
    uint32_t count = reshard_map_node_count(node->map);
    for (uint32_t i = 0; i < count && reshard__outbox_room(&node->outbox) > 8; i++) {
        struct reshard_map_node other = {.struct_size = sizeof other};
        (void)reshard_map_node_at(node->map, i, &other);
        if (other.node != node->config.node)
            reshard__hello_send(node, other.node);
    }
}

/* A fence whose action failed, or for which there was no room, is asked again. */
static void fence_again(struct reshard_node *node, struct reshard__part *part)
{
    if (part->fence_done >= part->fence_asked || part->busy & RESHARD__BUSY_FENCE)
        return;
    struct reshard__entry *entry =
        reshard__part_ask(node, part, RESHARD_ACTION_FENCE, RESHARD__BUSY_FENCE);
    if (entry)
        entry->action.sequence = part->fence_asked;
}

void reshard__source_tick(struct reshard_node *node, struct reshard__part *part)
{
    enum reshard__stance stance = reshard__part_stance(node, part);
    if (stance == RESHARD__STANCE_SOURCE_FROZEN && node->now_ns >= part->freeze_deadline_ns)
        freeze_expire(node, part);
    if (stance == RESHARD__STANCE_SOURCE_HELD)
        held_alone(node, part);
    reshard__stream_tick(node, part);
    if (part->stored.kind == RESHARD__RECORD_PURGE && !part->purged)
        (void)purge_ask(node, part); /* resumed after a restart, without waiting for an order */
    if (part->phase == RESHARD_PHASE_FREEZE && part->frozen_final &&
        node->now_ns >= part->reported_ns + node->config.retry_ns)
        fin_send(node, part);
    fence_again(node, part);
}
