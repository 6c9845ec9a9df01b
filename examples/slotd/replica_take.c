/* SPDX-License-Identifier: MIT */
/* Room replica: a replica's side: asks to follow, applies turns, acknowledges, holds leases. */
#include "replica_room.h"

#include <string.h>

enum { STATE_SIZE = 32, ROOM_SIZE = 4 << 20 /* that one which was full waits for */ };

static const char state_name[] = "replica.stream";

/* How far this replica is, with the data that it has applied. */
static void state_put(struct replica *replica)
{
    uint8_t state[STATE_SIZE];
    put_u64(state, replica->up.stream);
    put_u64(state + 8, replica->up.offset);
    put_u64(state + 16, replica->up.copying ? 1 : 0);
    put_u64(state + 24, replica->up.primary);
    store_meta_put(replica->store, state_name, (struct bytes){state, sizeof(state)});
}

void replica__take_begin(struct replica *replica, uint64_t primary)
{
    struct bytes state;
    replica->up.primary = primary;
    replica->up.linked = false;
    replica->up.asked_ns = replica->up.lease_ns = replica->up.paused_ns = replica->up.clock = 0;
    replica->up.pending.size = 0;
    /* After a loss of power the offset may be ahead of the keys: everything is copied again. */
    if (replica->up.stream == 0 && !store_redone(replica->store) &&
        store_meta_get(replica->store, state_name, &state) && state.size == STATE_SIZE) {
        replica->up.stream = get_u64(state.data);
        replica->up.offset = get_u64(state.data + 8);
        replica->up.copying = get_u64(state.data + 16) != 0;
    }
}

void replica__take_end(struct replica *replica)
{
    struct bytes state;
    buffer_free(&replica->up.pending);
    replica->up = (struct upstream){0};
    if (store_meta_get(replica->store, state_name, &state))
        store_meta_remove(replica->store, state_name);
}

uint64_t replica__take_followed(struct replica *replica)
{
    struct bytes state;
    bool known = store_meta_get(replica->store, state_name, &state) && state.size == STATE_SIZE;
    return known ? get_u64(state.data + 24) : 0;
}

static void request_send(struct replica *replica, uint64_t kind)
{
    uint8_t request[REQUEST_SIZE];
    uint64_t now_ns = clock_monotonic_ns();
    bool whole = !replica->up.copying || kind != REQUEST_FOLLOW;
    put_u64(request, kind);
    put_u64(request + 8, whole ? replica->up.stream : 0);
    put_u64(request + 16, replica->up.offset);
    put_u64(request + 24, replica->up.frames);
    put_u64(request + 32, now_ns);
    put_u64(request + 40, kind == REQUEST_FOLLOW ? 0 : replica->up.clock);
    replica->up.ack_due = false;
    if (kind == REQUEST_FOLLOW) /* who asks so reads nothing: the primary may rely on it */
        replica->up.lease_ns = 0;
    (void)replica->hooks.send(replica->hooks.user_data, replica->up.primary, BUS_REPLICA,
        (struct bytes){request, sizeof(request)}, (struct bytes){NULL, 0});
}

/* ---- operations ---- */

/* Forget all keys, and how far copies are. */
static void keys_forget(struct replica *replica)
{
    struct store *store = replica->store;
    for (uint32_t slot = 0; slot < STORE_SLOT_COUNT; slot++) {
        struct store_stats stats;
        store_slot_discard(store, slot);
        store_slot_stats(store, slot, &stats);
        if (stats.key_count > 0)
            store_slot_clear(store, slot);
    }
    host_positions_forget(store);
}

void replica_leave(struct replica *replica)
{
    if (replica_follows(replica))
        keys_forget(replica);
    replica__take_end(replica);
    replica->fences = false;
    replica__former_put(replica);
}

static void wipe(struct replica *replica)
{
    keys_forget(replica);
    replica->up.copying = replica->up.wiped = true;
    replica->hooks.copy_begins(replica->hooks.user_data);
    store_journal_remove(replica->store, HOST_STREAM_NODE, 0, UINT64_MAX);
}

static bool slot_apply(struct store *store, struct bytes payload)
{
    static void (*const steps[])(struct store *store, uint32_t slot) = {
        [STORE_SLOT_STAGED] = store_slot_stage, [STORE_SLOT_ACTIVATED] = store_slot_activate,
        [STORE_SLOT_DISCARDED] = store_slot_discard, [STORE_SLOT_CLEARED] = store_slot_clear};
    if (payload.size != 3 || payload.data[0] >= sizeof(steps) / sizeof(steps[0]) ||
        get_u16(payload.data + 1) >= STORE_SLOT_COUNT)
        return false;
    steps[payload.data[0]](store, get_u16(payload.data + 1));
    return true;
}

static bool journal_apply(struct replica *replica, struct bytes payload)
{
    if (payload.size <= 8)
        return false;
    struct bytes record = {payload.data + 8, payload.size - 8};
    store_journal_append(
        replica->store, HOST_STREAM_NODE, get_u64(payload.data), record);
    return replica->up.wiped || replica->hooks.records(replica->hooks.user_data, record);
}

static bool meta_apply(struct store *store, struct bytes payload)
{
    char name[64];
    const uint8_t *end = memchr(payload.data, 0, payload.size);
    size_t size = end != NULL ? (size_t)(end - payload.data) : payload.size;
    if (size >= sizeof(name))
        return false;
    memcpy(name, payload.data, size);
    name[size] = '\0';
    if (end != NULL)
        store_meta_put(store, name, (struct bytes){end + 1, payload.size - size - 1});
    else
        store_meta_remove(store, name);
    return true;
}

static bool operation_apply(struct replica *replica, uint8_t kind, struct bytes payload)
{
    switch (kind) {
    case OPERATION_RECORDS:
        return store_apply(replica->store, payload, false) == 0;
    case OPERATION_STAGED:
        return store_apply(replica->store, payload, true) == 0;
    case OPERATION_SLOT:
        return slot_apply(replica->store, payload);
    case OPERATION_JOURNAL:
        return journal_apply(replica, payload);
    case OPERATION_COMPACT:
        store_journal_remove(replica->store, HOST_STREAM_NODE, 0, UINT64_MAX);
        return true;
    case OPERATION_META:
        return meta_apply(replica->store, payload);
    case OPERATION_WIPE:
        wipe(replica);
        return true;
    default:
        return kind == OPERATION_TURN;
    }
}

/* ---- turns ---- */

/* Bytes of the first whole turn; 0 = it has not ended; SIZE_MAX = these are no operations. */
static size_t turn_size(struct bytes bytes)
{
    size_t at = 0;
    while (bytes.size - at >= OPERATION_HEAD) {
        size_t size = get_u32(bytes.data + at);
        uint8_t kind = bytes.data[at + 4];
        if (size < OPERATION_HEAD)
            return SIZE_MAX;
        if (bytes.size - at < size)
            return 0;
        at += size;
        if (kind == OPERATION_TURN)
            return at;
    }
    return 0;
}

static bool turn_apply(struct replica *replica, struct bytes turn)
{
    bool good = true;
    replica->applying = true;
    for (size_t at = 0; good && at < turn.size; at += get_u32(turn.data + at))
        good = operation_apply(replica, turn.data[at + 4],
            (struct bytes){turn.data + at + OPERATION_HEAD,
                get_u32(turn.data + at) - OPERATION_HEAD});
    if (replica->up.wiped)
        replica->hooks.copy_begun(replica->hooks.user_data);
    replica->up.wiped = false;
    replica->applying = false;
    return good;
}

/* What has come and cannot be applied: a new copy is asked for. */
static void give_up(struct replica *replica, const char *reason)
{
    log_event(LOG_WARNING, "replica_broken", "primary=%016llx reason=\"%s\"",
        (unsigned long long)replica->up.primary, reason);
    replica->up.linked = false;
    replica->up.copying = true;
    replica->up.asked_ns = 0;
    replica->up.pending.size = 0;
    state_put(replica);
}

enum { TURNS_TAKEN, TURNS_BROKEN, TURNS_TOO_LARGE };

/* What begins with a wipe makes its own room. */
static bool turn_fits(struct replica *replica, struct bytes turn)
{
    return turn.data[4] == OPERATION_WIPE || store_may_follow(replica->store, turn.size);
}

/* Apply whole turns, as many as there are and as there is room for; how many bytes they were. */
static int turns_apply(struct replica *replica, struct bytes all, size_t *done)
{
    for (;;) {
        struct bytes turn = {all.data + *done, all.size - *done};
        turn.size = turn_size(turn);
        if (turn.size == 0)
            return TURNS_TAKEN;
        if (turn.size == SIZE_MAX)
            return TURNS_BROKEN;
        if (!turn_fits(replica, turn))
            return TURNS_TOO_LARGE;
        if (!turn_apply(replica, turn))
            return TURNS_BROKEN;
        *done += turn.size;
    }
}

/* Apply the whole turns among the bytes; the rest stays. Broken: not what a primary sends. */
static int turns_take(struct replica *replica, struct bytes bytes, uint64_t end, bool copy)
{
    size_t done = 0;
    buffer_append(&replica->up.pending, bytes.data, bytes.size);
    int result = turns_apply(
        replica, (struct bytes){replica->up.pending.data, replica->up.pending.size}, &done);
    buffer_consume(&replica->up.pending, done);
    if (result == TURNS_TAKEN && copy && replica->up.pending.size > 0)
        result = TURNS_BROKEN;
    if (result != TURNS_BROKEN && (done > 0 || copy)) {
        replica->up.offset = end - replica->up.pending.size;
        state_put(replica);
    }
    return result;
}

/* It waits for room, with what it has, and then goes on from there. */
static void full_set(struct replica *replica, bool full)
{
    if (replica->up.full != full)
        log_event(full ? LOG_WARNING : LOG_INFO, full ? "replica_full" : "replica_has_room",
            "primary=%016llx offset=%llu", (unsigned long long)replica->up.primary,
            (unsigned long long)replica->up.offset);
    replica->up.full = full;
    if (full) {
        replica->up.linked = false;
        replica->up.pending.size = 0;
    }
}

static void stand_still(struct replica *replica, int reason)
{
    if (reason == TURNS_TOO_LARGE)
        full_set(replica, true);
    else
        give_up(replica, "operations that make no sense");
}

static void copied(struct replica *replica)
{
    replica->up.copying = false;
    state_put(replica);
    log_event(LOG_INFO, "replica_copied", "primary=%016llx offset=%llu",
        (unsigned long long)replica->up.primary, (unsigned long long)replica->up.offset);
}

static bool frame_expected(struct replica *replica, struct bytes message)
{
    uint64_t stream = get_u64(message.data), flags = get_u64(message.data + 32);
    if (flags & FRAME_FIRST) {
        bool goes_on = stream == replica->up.stream && !replica->up.copying &&
            get_u64(message.data + 8) == replica->up.offset;
        if (!goes_on && !(flags & FRAME_COPY))
            return false;
        replica->up.pending.size = 0;
        replica->up.stream = stream;
        replica->up.frames = 0;
        replica->up.linked = true;
    }
    return replica->up.linked && stream == replica->up.stream &&
        get_u64(message.data + 16) == replica->up.frames + 1;
}

void replica__take_stream(struct replica *replica, uint64_t from, struct bytes message)
{
    if (from != replica->up.primary || message.size < STREAM_HEAD)
        return;
    if (!frame_expected(replica, message)) {
        replica->up.linked = false; /* something was lost: ask again */
        return;
    }
    uint64_t beat = get_u64(message.data + 24), flags = get_u64(message.data + 32);
    struct bytes bytes = {message.data + STREAM_HEAD, message.size - STREAM_HEAD};
    replica->up.clock = get_u64(message.data + 40);
    replica->up.frames++;
    replica->up.heard_ns = clock_monotonic_ns();
    replica->up.ack_due = bytes.size > 0 || replica->up.ack_due;
    int taken = turns_take(replica, bytes, get_u64(message.data + 8), (flags & FRAME_COPY) != 0);
    if (taken != TURNS_TAKEN) {
        stand_still(replica, taken);
        return;
    }
    if (flags & FRAME_COPIED)
        copied(replica);
    if (flags & FRAME_PAUSED)
        replica->up.paused_ns = replica->up.heard_ns;
    if (beat != 0 && beat + LEASE_NS > replica->up.lease_ns)
        replica->up.lease_ns = beat + LEASE_NS;
}

void replica__take_turn(struct replica *replica)
{
    if (replica->up.linked && replica->up.ack_due)
        request_send(replica, REQUEST_BEAT);
}

void replica__take_tick(struct replica *replica)
{
    uint64_t now_ns = clock_monotonic_ns();
    if (replica->up.linked && now_ns - replica->up.heard_ns > SILENCE_NS)
        replica->up.linked = false;
    if (replica->up.full && store_may_follow(replica->store, ROOM_SIZE))
        full_set(replica, false);
    if (replica->up.linked) {
        request_send(replica, REQUEST_BEAT);
    } else if (!replica->up.full && now_ns - replica->up.asked_ns > REQUEST_NS) {
        replica->up.asked_ns = now_ns;
        request_send(replica, REQUEST_FOLLOW);
    }
}

bool replica_handover(struct replica *replica)
{
    uint64_t now_ns = clock_monotonic_ns();
    struct upstream *up = &replica->up;
    if (!up->linked || up->copying)
        return false;
    if (up->paused_ns != 0 && now_ns - up->paused_ns < PAUSE_NS / 2)
        return true;
    if (now_ns - up->pause_asked_ns > PAUSE_NS / 3) {
        up->pause_asked_ns = now_ns;
        request_send(replica, REQUEST_PAUSE);
    }
    return false;
}
