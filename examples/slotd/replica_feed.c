/* SPDX-License-Identifier: MIT */
/* Room replica: the primary's side: who follows, what each has, copies, leases. */
#include "replica_room.h"

#include <stdlib.h>
#include <string.h>

static struct follower *follower_find(const struct replica *replica, uint64_t node)
{
    struct follower *at = replica->followers;
    while (at != NULL && at->node != node)
        at = at->next;
    return at;
}

static void follower_drop(struct replica *replica, struct follower *follower)
{
    struct follower **link = &replica->followers;
    while (*link != follower)
        link = &(*link)->next;
    *link = follower->next;
    store_export_free(&follower->state);
    free(follower);
}

void replica__released_set(struct replica *replica)
{
    uint64_t least = UINT64_MAX;
    for (const struct follower *at = replica->followers; at != NULL; at = at->next)
        if (at->in_sync && at->acked < least)
            least = at->acked;
    replica->sync->released = replica_settling(replica) ? 0 : least;
}

/* ---- what comes in ---- */

static void follow_begin(struct replica *replica, uint64_t node, uint64_t stream, uint64_t offset)
{
    struct follower *follower = follower_find(replica, node);
    if (follower == NULL) {
        follower = memory_take(sizeof(*follower));
        follower->node = node;
        follower->next = replica->followers;
        replica->followers = follower;
    }
    bool known = stream == replica->stream && offset >= replica->first &&
        offset <= replica->offset;
    /* It applied what it was waited for with; one that starts over is waited for no more once its
     * lease is over: it serves nothing until the copy is whole, and says so by asking. */
    store_export_free(&follower->state);
    follower->copying = !known;
    follower->in_sync = follower->in_sync && known;
    follower->whole_told = known;
    follower->begun = follower->staged = false;
    follower->slot = 0;
    follower->sent = follower->acked = known ? offset : 0;
    follower->frames = follower->frames_acked = 0;
    follower->beat = 0;
    follower->flags_due = FRAME_FIRST | (known ? 0 : FRAME_COPY);
    follower->heard_ns = clock_monotonic_ns();
    log_event(LOG_INFO, "replica_follows", "node=%016llx copy=%d offset=%llu",
        (unsigned long long)node, known ? 0 : 1, (unsigned long long)offset);
}

/* A replica near the end joins those that are waited for, and gets leases from where it joined. */
static void follower_heard(struct replica *replica, struct follower *follower, uint64_t beat)
{
    uint64_t now_ns = clock_monotonic_ns();
    bool near = !follower->copying && follower->whole_told &&
        replica->offset - follower->acked < JOIN_LAG;
    follower->heard_ns = now_ns;
    follower->clock_due = true;
    follower->beat = 0;
    if (!follower->in_sync && near) {
        follower->in_sync = true;
        follower->join_at = replica->offset;
        follower->granted_ns = now_ns;
    }
    if (follower->in_sync && follower->acked >= follower->join_at) {
        follower->beat = beat;
        follower->granted_ns = now_ns;
    }
}

static void follower_vouched(struct follower *follower, uint64_t clock_ns)
{
    if (clock_ns > follower->vouched_ns && clock_ns <= clock_monotonic_ns())
        follower->vouched_ns = clock_ns;
}

/* Whoever goes on with an earlier stream is to ask anew: this frame fits none. */
static void stranger_tell(struct replica *replica, uint64_t node)
{
    uint8_t head[STREAM_HEAD] = {0};
    put_u64(head, replica->stream);
    (void)replica->hooks.send(replica->hooks.user_data, node, BUS_STREAM,
        (struct bytes){head, sizeof(head)}, (struct bytes){NULL, 0});
}

void replica__feed_request(struct replica *replica, uint64_t from, struct bytes message)
{
    if (message.size != REQUEST_SIZE)
        return;
    uint64_t kind = get_u64(message.data), stream = get_u64(message.data + 8);
    uint64_t offset = get_u64(message.data + 16), frames = get_u64(message.data + 24);
    struct follower *follower = follower_find(replica, from);
    if (kind == REQUEST_FOLLOW) {
        follow_begin(replica, from, stream, offset);
    } else if (follower == NULL) {
        stranger_tell(replica, from);
    } else if (stream == replica->stream && frames <= follower->frames &&
        offset <= replica->offset && follower->flags_due == 0) {
        follower->acked = offset > follower->acked ? offset : follower->acked;
        follower->frames_acked = frames;
        follower_heard(replica, follower, get_u64(message.data + 32));
        follower_vouched(follower, get_u64(message.data + 40));
        if (kind == REQUEST_PAUSE) {
            replica->paused_ns = clock_monotonic_ns() + PAUSE_NS;
            follower->pause_due = true;
        }
    }
    replica__settle_look(replica);
    replica__released_set(replica);
}

/* ---- copies ---- */

void replica__feed_slot(struct replica *replica, uint32_t slot)
{
    for (struct follower *at = replica->followers; at != NULL; at = at->next)
        if (at->copying && at->slot == slot)
            at->begun = false;
}

static void slot_operation(struct buffer *out, uint32_t slot, int what)
{
    uint8_t head[3] = {(uint8_t)what, (uint8_t)slot, (uint8_t)(slot >> 8)};
    replica__operation(out, OPERATION_SLOT, (struct bytes){head, 3}, (struct bytes){NULL, 0});
}

static void rows_begin(struct follower *follower, bool staged)
{
    store_export_free(&follower->state);
    follower->state.position = (uint64_t)follower->slot << 32;
    follower->state.staged = follower->staged = staged;
}

static void slot_begin(struct follower *follower, struct buffer *out)
{
    slot_operation(out, follower->slot, STORE_SLOT_CLEARED);
    slot_operation(out, follower->slot, STORE_SLOT_DISCARDED);
    rows_begin(follower, false);
    follower->begun = true;
}

static bool slot_empty(struct store *store, uint32_t slot)
{
    struct store_stats stats;
    store_slot_stats(store, slot, &stats);
    return stats.key_count == 0 && !store_slot_staged(store, slot);
}

/* Read on in the follower's slot; true when it is done with. */
static bool slot_step(struct replica *replica, struct follower *follower, struct buffer *out)
{
    struct buffer records = {0};
    if (!follower->begun && slot_empty(replica->store, follower->slot))
        return true;
    if (!follower->begun)
        slot_begin(follower, out);
    uint64_t end = ((uint64_t)follower->slot + 1) << 32;
    bool done = store_export_step(
        replica->store, &follower->state, end, COPY_STEP - out->size, &records);
    if (records.size > 0)
        replica__operation(out, follower->staged ? OPERATION_STAGED : OPERATION_RECORDS,
            (struct bytes){records.data, records.size}, (struct bytes){NULL, 0});
    buffer_free(&records);
    if (!done || follower->staged || !store_slot_staged(replica->store, follower->slot))
        return done;
    slot_operation(out, follower->slot, STORE_SLOT_STAGED);
    rows_begin(follower, true);
    return false;
}

static void copy_step(struct replica *replica, struct follower *follower, struct buffer *out)
{
    while (out->size < COPY_STEP && follower->slot < STORE_SLOT_COUNT)
        if (slot_step(replica, follower, out)) {
            follower->slot++;
            follower->begun = false;
        }
    follower->copying = follower->slot < STORE_SLOT_COUNT;
    replica__operation(out, OPERATION_TURN, (struct bytes){NULL, 0}, (struct bytes){NULL, 0});
}

/* ---- what goes out ---- */

static void frame_send(struct replica *replica, struct follower *follower, uint64_t flags,
    uint64_t offset, struct bytes bytes)
{
    uint8_t head[STREAM_HEAD];
    put_u64(head, replica->stream);
    put_u64(head + 8, offset);
    put_u64(head + 16, ++follower->frames);
    put_u64(head + 24, follower->beat);
    put_u64(head + 32, flags);
    put_u64(head + 40, clock_monotonic_ns());
    follower->beat = 0;
    follower->clock_due = false;
    /* What is lost shows as a gap in the numbers, and the replica asks again. */
    (void)replica->hooks.send(replica->hooks.user_data, follower->node, BUS_STREAM,
        (struct bytes){head, sizeof(head)}, bytes);
}

/* The first frame: that the stream goes on, or all that a copy begins with. */
static void first_send(struct replica *replica, struct follower *follower)
{
    struct buffer out = {0};
    if (follower->flags_due & FRAME_COPY) {
        follower->sent = follower->acked = replica->offset;
        replica__log_state(replica, &out);
    }
    uint64_t flags = follower->flags_due;
    follower->flags_due = 0;
    frame_send(
        replica, follower, flags, follower->sent, (struct bytes){out.data, out.size});
    buffer_free(&out);
}

static void copy_send(struct replica *replica, struct follower *follower)
{
    struct buffer out = {0};
    copy_step(replica, follower, &out);
    uint64_t flags = FRAME_COPY | (follower->copying ? 0 : FRAME_COPIED);
    follower->whole_told = !follower->copying;
    frame_send(
        replica, follower, flags, follower->sent, (struct bytes){out.data, out.size});
    buffer_free(&out);
}

static void stream_send(struct replica *replica, struct follower *follower)
{
    uint64_t size = replica->offset - follower->sent;
    const uint8_t *at = replica->backlog.data + (follower->sent - replica->first);
    size = size > FRAME_BYTES ? FRAME_BYTES : size;
    follower->sent += size;
    frame_send(replica, follower, 0, follower->sent, (struct bytes){at, (size_t)size});
}

static void follower_feed(struct replica *replica, struct follower *follower)
{
    if (follower->flags_due != 0)
        first_send(replica, follower);
    while (follower->frames - follower->frames_acked < WINDOW_FRAMES) {
        if (follower->sent < replica->offset)
            stream_send(replica, follower);
        else if (follower->copying)
            copy_send(replica, follower);
        else
            break;
    }
    bool even = follower->sent == replica->offset && !follower->copying;
    if (follower->pause_due && even) {
        follower->pause_due = false;
        frame_send(replica, follower, FRAME_PAUSED, follower->sent, (struct bytes){NULL, 0});
    }
    if (follower->clock_due)
        frame_send(replica, follower, 0, follower->sent, (struct bytes){NULL, 0});
}

void replica__feed_turn(struct replica *replica)
{
    struct follower *next;
    replica__log_turn(replica);
    for (struct follower *at = replica->followers; at != NULL; at = next) {
        next = at->next;
        bool lost = at->flags_due == 0 && at->sent < replica->first;
        if (lost && !at->in_sync)
            follower_drop(replica, at); /* the stream has gone on without it: it will ask anew */
        else if (!lost)
            follower_feed(replica, at);
    }
    replica__log_trim(replica);
}

/* Whom nobody has heard of is waited for until its lease is over. */
void replica__feed_tick(struct replica *replica)
{
    uint64_t now_ns = clock_monotonic_ns();
    struct follower *next;
    for (struct follower *at = replica->followers; at != NULL; at = next) {
        next = at->next;
        if (at->in_sync && now_ns - at->granted_ns > LEASE_NS + LEASE_MARGIN_NS) {
            at->in_sync = false;
            log_event(LOG_WARNING, "replica_left", "node=%016llx offset=%llu",
                (unsigned long long)at->node, (unsigned long long)at->acked);
        }
        if (now_ns - at->heard_ns > FORGET_NS)
            follower_drop(replica, at);
    }
    if (replica->followers == NULL) {
        replica->first = replica->offset;
        buffer_clear(&replica->backlog, 0);
        replica->turn_open = false;
    }
    replica__settle_look(replica);
    replica__released_set(replica);
}

void replica__feed_end(struct replica *replica)
{
    while (replica->followers != NULL)
        follower_drop(replica, replica->followers);
    buffer_clear(&replica->backlog, 0);
    replica->offset = replica->first = 0;
    replica->sync->logged = 0;
    replica->turn_open = false;
    replica->paused_ns = 0;
    replica__released_set(replica);
}
