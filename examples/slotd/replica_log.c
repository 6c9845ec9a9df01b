/* SPDX-License-Identifier: MIT */
/* Room replica: the stream: each change of the store as an operation, and how much is kept. */
#include "replica_room.h"

#include <stdlib.h>
#include <string.h>

void replica__operation(
    struct buffer *out, uint8_t kind, struct bytes head, struct bytes payload)
{
    uint8_t at[OPERATION_HEAD];
    put_u32(at, (uint32_t)(sizeof(at) + head.size + payload.size));
    at[4] = kind;
    buffer_append(out, at, sizeof(at));
    buffer_append(out, head.data, head.size);
    buffer_append(out, payload.data, payload.size);
}

/* Nobody listens: nothing is kept. */
static bool logs(const struct replica *replica)
{
    return replica->followers != NULL && !replica->applying;
}

static void log_put(
    struct replica *replica, uint8_t kind, struct bytes head, struct bytes payload)
{
    size_t before = replica->backlog.size;
    if (!logs(replica))
        return;
    replica__operation(&replica->backlog, kind, head, payload);
    replica->offset += replica->backlog.size - before;
    replica->sync->logged = replica->offset;
    replica->turn_open = true;
}

/* Whether some replica lacks keys that its copy has yet to bring. */
static bool copies(const struct replica *replica)
{
    const struct follower *at = replica->followers;
    while (at != NULL && !at->copying)
        at = at->next;
    return at != NULL;
}

void replica_key_changed(struct replica *replica, const struct store_key *key, uint64_t kept)
{
    struct buffer records = {0};
    if (!logs(replica))
        return;
    store_record_grown(replica->store, key, copies(replica) ? 0 : kept, &records);
    log_put(replica, OPERATION_RECORDS, (struct bytes){records.data, records.size},
        (struct bytes){NULL, 0});
    buffer_free(&records);
}

static void on_slot(void *user_data, uint32_t slot, int what)
{
    uint8_t head[3] = {(uint8_t)what, (uint8_t)slot, (uint8_t)(slot >> 8)};
    log_put(user_data, OPERATION_SLOT, (struct bytes){head, 3}, (struct bytes){NULL, 0});
    replica__feed_slot(user_data, slot);
}

static void on_staged(void *user_data, struct bytes records)
{
    log_put(user_data, OPERATION_STAGED, records, (struct bytes){NULL, 0});
}

static void on_journal(void *user_data, uint32_t stream, uint64_t index, struct bytes record)
{
    uint8_t head[8];
    put_u64(head, index);
    if (stream == HOST_STREAM_NODE)
        log_put(user_data, OPERATION_JOURNAL, (struct bytes){head, 8}, record);
}

static void on_journal_removed(void *user_data, uint32_t stream)
{
    if (stream == HOST_STREAM_NODE)
        log_put(user_data, OPERATION_COMPACT, (struct bytes){NULL, 0}, (struct bytes){NULL, 0});
}

/* Positions of copies and streams; what else is named is this node's own. */
static bool shared(const char *name)
{
    return strncmp(name, "position", 8) == 0;
}

static void meta_put(struct buffer *out, const char *name, struct bytes value)
{
    struct bytes head = {(const uint8_t *)name, strlen(name) + (value.data != NULL ? 1 : 0)};
    replica__operation(out, OPERATION_META, head, value);
}

static void on_meta(void *user_data, const char *name, struct bytes value)
{
    struct replica *replica = user_data;
    struct buffer one = {0};
    if (!shared(name) || !logs(replica))
        return;
    meta_put(&one, name, value);
    log_put(replica, OPERATION_META,
        (struct bytes){one.data + OPERATION_HEAD, one.size - OPERATION_HEAD},
        (struct bytes){NULL, 0});
    buffer_free(&one);
}

void replica__log_watch(struct replica *replica, bool on)
{
    const struct store_listener listener = {
        replica, on_slot, on_staged, on_journal, on_journal_removed, on_meta};
    store_listen(replica->store, on ? &listener : NULL);
}

static void position_state(void *user_data, const char *name, struct bytes value)
{
    if (shared(name))
        meta_put(user_data, name, value);
}

void replica__log_state(struct replica *replica, struct buffer *out)
{
    struct bytes record;
    uint64_t index = 0;
    replica__operation(out, OPERATION_WIPE, (struct bytes){NULL, 0}, (struct bytes){NULL, 0});
    for (; store_journal_next(replica->store, HOST_STREAM_NODE, &index, &record); index++) {
        uint8_t head[8];
        put_u64(head, index);
        replica__operation(out, OPERATION_JOURNAL, (struct bytes){head, 8}, record);
    }
    store_meta_walk(replica->store, position_state, out);
    replica__operation(out, OPERATION_TURN, (struct bytes){NULL, 0}, (struct bytes){NULL, 0});
}

void replica__log_turn(struct replica *replica)
{
    if (!replica->turn_open)
        return;
    log_put(replica, OPERATION_TURN, (struct bytes){NULL, 0}, (struct bytes){NULL, 0});
    replica->turn_open = false;
}

/* What every replica has goes, save a little for one that comes back. */
void replica__log_trim(struct replica *replica)
{
    uint64_t least = replica->offset;
    for (const struct follower *at = replica->followers; at != NULL; at = at->next)
        if (at->sent < least)
            least = at->sent;
    uint64_t keep = least > BACKLOG_KEPT ? least - BACKLOG_KEPT : 0;
    if (replica->offset - keep > BACKLOG_MAX)
        keep = replica->offset - BACKLOG_MAX;
    if (keep < replica->first + BACKLOG_KEPT)
        return; /* in large steps: what stays is moved */
    buffer_consume(&replica->backlog, (size_t)(keep - replica->first));
    replica->first = keep;
}
