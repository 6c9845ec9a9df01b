/* SPDX-License-Identifier: MIT */
/* Room command: keys of any kind: removal, expiry, walks. */
#include "command.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void command_del(struct call *call)
{
    int64_t count = 0;
    for (size_t index = 1; index < call->arg_count; index++) {
        struct store_key key = call_key(call, index);
        count += store_remove(call->slotd->store, &key) ? 1 : 0;
    }
    reply_integer(call->reply, count);
}

void command_exists(struct call *call)
{
    int64_t count = 0;
    for (size_t index = 1; index < call->arg_count; index++) {
        struct store_key key = call_key(call, index);
        struct store_item item;
        count += store_find(call->slotd->store, &key, &item) ? 1 : 0;
    }
    reply_integer(call->reply, count);
}

void command_type(struct call *call)
{
    struct store_key key = call_key(call, 1);
    struct store_item item;
    reply_status(call->reply, store_find(call->slotd->store, &key, &item) ? "string" : "none");
}

enum { EXPIRE_NX = 1, EXPIRE_XX = 2, EXPIRE_GT = 4, EXPIRE_LT = 8 };

static bool expire_flags_read(struct call *call, unsigned *flags)
{
    static const char *const names[] = {"NX", "XX", "GT", "LT"};
    for (size_t index = 3; index < call->arg_count; index++) {
        unsigned flag = 0;
        for (unsigned at = 0; at < 4; at++)
            if (bytes_is(call->args[index], names[at]))
                flag = 1u << at;
        if (flag == 0) {
            reply_error_format(call->reply, "ERR Unsupported option %.*s",
                (int)(call->args[index].size < 128 ? call->args[index].size : 128),
                (const char *)call->args[index].data);
            return false;
        }
        *flags |= flag;
    }
    if ((*flags & EXPIRE_NX) != 0 && (*flags & ~(unsigned)EXPIRE_NX) != 0) {
        reply_error(
            call->reply, "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if ((*flags & EXPIRE_GT) != 0 && (*flags & EXPIRE_LT) != 0) {
        reply_error(call->reply, "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

/* Whether the flags let an expiry (0 = never) be replaced. */
static bool expire_wanted(unsigned flags, int64_t before_ms, int64_t after_ms)
{
    bool later = before_ms != 0 && after_ms > before_ms;
    bool earlier = before_ms == 0 || after_ms < before_ms;
    if ((flags & EXPIRE_NX) != 0 && before_ms != 0)
        return false;
    if ((flags & EXPIRE_XX) != 0 && before_ms == 0)
        return false;
    if ((flags & EXPIRE_GT) != 0 && !later)
        return false;
    return (flags & EXPIRE_LT) == 0 || earlier;
}

/* The time in args[2] as wall clock milliseconds; false: the error is out. */
static bool expire_time_read(struct call *call, bool seconds, bool absolute, int64_t *expiry_ms)
{
    int64_t time = 0;
    int64_t unit = seconds ? 1000 : 1;
    int64_t base = absolute ? 0 : store_time(call->slotd->store);
    if (!call_number(call, 2, &time))
        return false;
    if (time > INT64_MAX / unit || time < INT64_MIN / unit || time * unit > INT64_MAX - base) {
        reply_error_format(
            call->reply, "ERR invalid expire time in '%s' command", call->command->name);
        return false;
    }
    *expiry_ms = time * unit + base;
    return true;
}

static void expire(struct call *call, bool seconds, bool absolute)
{
    struct store *store = call->slotd->store;
    struct store_key key = call_key(call, 1);
    struct store_item item;
    unsigned flags = 0;
    int64_t expiry_ms = 0;
    if (!expire_flags_read(call, &flags) ||
        !expire_time_read(call, seconds, absolute, &expiry_ms))
        return;
    if (!store_find(store, &key, &item) || !expire_wanted(flags, item.expiry_ms, expiry_ms)) {
        reply_integer(call->reply, 0);
        return;
    }
    if (expiry_ms <= store_time(store))
        (void)store_remove(store, &key);
    else
        (void)store_expiry_set(store, &key, expiry_ms);
    reply_integer(call->reply, 1);
}

void command_expire(struct call *call)
{
    expire(call, true, false);
}

void command_pexpire(struct call *call)
{
    expire(call, false, false);
}

void command_expireat(struct call *call)
{
    expire(call, true, true);
}

void command_pexpireat(struct call *call)
{
    expire(call, false, true);
}

void command_persist(struct call *call)
{
    struct store_key key = call_key(call, 1);
    struct store_item item;
    bool had = store_find(call->slotd->store, &key, &item) && item.expiry_ms != 0;
    if (had)
        (void)store_expiry_set(call->slotd->store, &key, 0);
    reply_integer(call->reply, had ? 1 : 0);
}

static void left(struct call *call, int64_t unit)
{
    struct store_key key = call_key(call, 1);
    struct store_item item;
    int64_t answer = -2;
    if (store_find(call->slotd->store, &key, &item))
        answer = item.expiry_ms == 0
            ? -1
            : (item.expiry_ms - store_time(call->slotd->store) + unit / 2) / unit;
    reply_integer(call->reply, answer);
}

void command_ttl(struct call *call)
{
    left(call, 1000);
}

void command_pttl(struct call *call)
{
    left(call, 1);
}

void command_dbsize(struct call *call)
{
    reply_integer(call->reply, (int64_t)store_key_count(call->slotd->store));
}

void command_randomkey(struct call *call)
{
    struct buffer name = {0};
    if (store_random_key(call->slotd->store, slotd_random(call->slotd), &name))
        reply_bulk(call->reply, (struct bytes){name.data, name.size});
    else
        reply_null(call->reply);
    buffer_free(&name);
}

/* Waits like any write while slots are asleep. */
static bool may_clear(struct call *call)
{
    if (cluster_is_replica(call->slotd->cluster)) {
        reply_error(call->reply, "READONLY You can't write against a read only replica.");
        return false;
    }
    int kind = cluster_clear_kind(call->slotd->cluster);
    if (kind == CLUSTER_DOWN)
        reply_error(call->reply, "CLUSTERDOWN The cluster is down");
    if (kind == CLUSTER_TRYAGAIN)
        reply_error(call->reply, "TRYAGAIN Keys of this node are being moved one by one");
    call->parked = kind == CLUSTER_PARK;
    return kind == CLUSTER_SERVE;
}

void command_flushall(struct call *call)
{
    bool plain = call->arg_count == 1 ||
        (call->arg_count == 2 &&
            (bytes_is(call->args[1], "SYNC") || bytes_is(call->args[1], "ASYNC")));
    if (!plain) {
        call_syntax_error(call);
        return;
    }
    struct cluster *cluster = call->slotd->cluster;
    struct store *store = call->slotd->store;
    if (!may_clear(call))
        return;
    for (uint32_t slot = 0; slot < STORE_SLOT_COUNT; slot++) {
        struct store_stats stats;
        store_slot_stats(store, slot, &stats);
        if (stats.key_count > 0 && store_slot_visible(store, slot))
            cluster_slot_clear(cluster, slot);
    }
    reply_ok(call->reply);
}

/* Keys that a walk collects, behind one another in a reply of their own. */
struct collection {
    struct bytes pattern; /* data NULL = all */
    struct reply reply;
    struct buffer buffer;
    uint64_t count;
    uint64_t looked;
    uint64_t limit; /* stop when so many were looked at, or found */
    bool limit_found;
    bool none; /* of another type: there is none */
    const struct engine *stays; /* not NULL: only keys that are not about to leave */
};

static bool collect(void *user_data, const struct store_key *key, const struct store_item *item)
{
    struct collection *keys = user_data;
    (void)item;
    if (keys->stays != NULL && engine_leaves_key(keys->stays, key->slot, key->name))
        return true;
    keys->looked++;
    if (keys->none)
        return keys->looked < keys->limit;
    if (keys->pattern.data == NULL || bytes_match(keys->pattern, key->name, false)) {
        reply_bulk(&keys->reply, key->name);
        keys->count++;
    }
    return (keys->limit_found ? keys->count : keys->looked) < keys->limit;
}

static void collection_reply(struct call *call, struct collection *keys)
{
    reply_array(call->reply, keys->count);
    buffer_append(call->reply->out, keys->buffer.data, keys->buffer.size);
    buffer_free(&keys->buffer);
}

void command_keys_all(struct call *call)
{
    struct collection keys = {.pattern = call->args[1], .limit = UINT64_MAX};
    keys.reply = (struct reply){&keys.buffer, call->reply->protocol, 0};
    (void)store_walk(call->slotd->store, 0, STORE_END, collect, &keys);
    collection_reply(call, &keys);
}

void command_cluster_getkeysinslot(struct call *call)
{
    int64_t slot, limit;
    if (!call_number(call, 2, &slot) || !call_number(call, 3, &limit))
        return;
    if (slot < 0 || slot >= STORE_SLOT_COUNT || limit < 0) {
        reply_error(call->reply, "ERR Invalid slot or number of keys");
        return;
    }
    struct collection keys = {.limit = (uint64_t)limit, .limit_found = true};
    keys.reply = (struct reply){&keys.buffer, call->reply->protocol, 0};
    keys.stays =
        engine_leaves(call->slotd->engine, (uint32_t)slot) ? call->slotd->engine : NULL;
    uint64_t position = (uint64_t)slot << 32;
    if (limit > 0)
        (void)store_walk(
            call->slotd->store, position, position + ((uint64_t)1 << 32), collect, &keys);
    collection_reply(call, &keys);
}

/* SCAN's cursor: decimal, unsigned; "" is 0 and -1 the largest, as with Redis. */
static bool cursor_read(struct bytes text, uint64_t *cursor)
{
    char digits[NUMBER_TEXT_SIZE] = {0};
    char *end;
    if (text.size >= sizeof(digits) || (text.size > 0 && isspace(text.data[0])))
        return false;
    if (text.size > 0)
        memcpy(digits, text.data, text.size);
    errno = 0;
    *cursor = strtoull(digits, &end, 10);
    return end == digits + text.size && errno == 0;
}

struct scan_options {
    struct bytes pattern;
    int64_t count;
    bool strings;
};

static bool scan_options_read(struct call *call, struct scan_options *options)
{
    for (size_t index = 2; index < call->arg_count; index += 2) {
        struct bytes word = call->args[index];
        bool last = index + 1 == call->arg_count;
        if (bytes_is(word, "COUNT") && !last) {
            if (!call_number(call, index + 1, &options->count))
                return false;
            if (options->count < 1) {
                call_syntax_error(call);
                return false;
            }
        } else if (bytes_is(word, "MATCH") && !last) {
            options->pattern = call->args[index + 1];
        } else if (bytes_is(word, "TYPE") && !last) {
            options->strings = bytes_is(call->args[index + 1], "string");
        } else {
            call_syntax_error(call);
            return false;
        }
    }
    return true;
}

void command_scan(struct call *call)
{
    struct scan_options options = {.count = 10, .strings = true};
    uint64_t cursor;
    if (!cursor_read(call->args[1], &cursor)) {
        reply_error(call->reply, "ERR invalid cursor");
        return;
    }
    if (!scan_options_read(call, &options))
        return;
    struct collection keys = {.pattern = options.pattern, .limit = (uint64_t)options.count};
    keys.reply = (struct reply){&keys.buffer, call->reply->protocol, 0};
    keys.none = !options.strings;
    cursor = store_walk(call->slotd->store, cursor, STORE_END, collect, &keys);
    reply_array(call->reply, 2);
    reply_bulk_number(call->reply, cursor >= STORE_END ? 0 : (int64_t)cursor);
    collection_reply(call, &keys);
}
