/* SPDX-License-Identifier: MIT */
/* Room command: strings. */
#include "command.h"

#include <string.h>

void command_value_reply(struct call *call, const struct store_item *item)
{
    reply_bulk_begin(call->reply, item->value_size);
    store_item_value(call->slotd->store, item, call->reply->out);
    reply_bulk_end(call->reply);
}

/* Look a key up and count the hit; reads only. */
static bool lookup(struct call *call, size_t index, struct store_item *item)
{
    struct store_key key = call_key(call, index);
    bool found = store_find(call->slotd->store, &key, item);
    if (found)
        call->slotd->statistics.hits++;
    else
        call->slotd->statistics.misses++;
    return found;
}

void command_get(struct call *call)
{
    struct store_item item;
    if (lookup(call, 1, &item))
        command_value_reply(call, &item);
    else
        reply_null(call->reply);
}

void command_mget(struct call *call)
{
    struct store_item item;
    reply_array(call->reply, call->arg_count - 1);
    for (size_t index = 1; index < call->arg_count; index++) {
        if (lookup(call, index, &item))
            command_value_reply(call, &item);
        else
            reply_null(call->reply);
    }
}

void command_strlen(struct call *call)
{
    struct store_item item;
    reply_integer(call->reply, lookup(call, 1, &item) ? (int64_t)item.value_size : 0);
}

void command_getdel(struct call *call)
{
    struct store_key key = call_key(call, 1);
    struct store_item item;
    if (!lookup(call, 1, &item)) {
        reply_null(call->reply);
        return;
    }
    command_value_reply(call, &item);
    (void)store_remove(call->slotd->store, &key);
}

/* A key's name that the store can hold. */
static bool name_fits(struct call *call, size_t index)
{
    if (call->args[index].size <= STORE_KEY_SIZE_MAX)
        return true;
    reply_error(call->reply, "ERR key is larger than 65535 bytes");
    return false;
}

enum { SET_NX = 1, SET_XX = 2, SET_KEEPTTL = 4, SET_GET = 8, SET_EXPIRY = 16 };

struct set_options {
    unsigned flags;
    const char *expiry_name; /* the same may come again: the last one counts */
    struct bytes expiry;
    bool expiry_seconds;
    bool expiry_absolute;
};

/* EX PX EXAT PXAT at *index: takes its argument too. False when it is none of them. */
static bool expiry_option(struct call *call, size_t *index, struct set_options *options)
{
    static const struct {
        const char *name;
        bool seconds, absolute;
    } names[] = {{"EX", true, false}, {"PX", false, false}, {"EXAT", true, true},
        {"PXAT", false, true}};
    for (size_t at = 0; at < sizeof(names) / sizeof(names[0]); at++) {
        if (!bytes_is(call->args[*index], names[at].name) || *index + 1 >= call->arg_count ||
            (options->flags & SET_KEEPTTL) != 0 ||
            (options->expiry_name != NULL && options->expiry_name != names[at].name))
            continue;
        options->flags |= SET_EXPIRY;
        options->expiry_name = names[at].name;
        options->expiry = call->args[++*index];
        options->expiry_seconds = names[at].seconds;
        options->expiry_absolute = names[at].absolute;
        return true;
    }
    return false;
}

static bool set_options_read(struct call *call, struct set_options *options)
{
    for (size_t index = 3; index < call->arg_count; index++) {
        struct bytes word = call->args[index];
        if (bytes_is(word, "NX") && (options->flags & SET_XX) == 0)
            options->flags |= SET_NX;
        else if (bytes_is(word, "XX") && (options->flags & SET_NX) == 0)
            options->flags |= SET_XX;
        else if (bytes_is(word, "GET"))
            options->flags |= SET_GET;
        else if (bytes_is(word, "KEEPTTL") && (options->flags & SET_EXPIRY) == 0)
            options->flags |= SET_KEEPTTL;
        else if (!expiry_option(call, &index, options))
            return false;
    }
    return true;
}

/* The expiry that SET's options ask for, in *expiry_ms; answers the error when it is not sound. */
static bool set_expiry(struct call *call, const struct set_options *options, int64_t *expiry_ms)
{
    int64_t number = 0;
    int64_t now_ms = store_time(call->slotd->store);
    if ((options->flags & SET_EXPIRY) == 0)
        return true;
    if (!bytes_number(options->expiry, &number)) {
        reply_error(call->reply, "ERR value is not an integer or out of range");
        return false;
    }
    int64_t unit = options->expiry_seconds ? 1000 : 1;
    int64_t base = options->expiry_absolute ? 0 : now_ms;
    if (number <= 0 || number > INT64_MAX / unit || number * unit > INT64_MAX - base) {
        reply_error(call->reply, "ERR invalid expire time in 'set' command");
        return false;
    }
    *expiry_ms = number * unit + base;
    return true;
}

void command_put(
    struct call *call, const struct store_key *key, struct bytes value, int64_t expiry_ms)
{
    struct store *store = call->slotd->store;
    if (expiry_ms != 0 && expiry_ms <= store_time(store))
        (void)store_remove(store, key);
    else
        store_put(store, key, value, expiry_ms);
}

/* Answer before the write, while the old item (NULL = none) is there; false when SET is refused. */
static bool set_answer(struct call *call, unsigned flags, const struct store_item *item)
{
    bool found = item != NULL;
    bool refused = found ? (flags & SET_NX) != 0 : (flags & SET_XX) != 0;
    if ((flags & SET_GET) != 0 && found)
        command_value_reply(call, item);
    else if ((flags & SET_GET) != 0 || refused)
        reply_null(call->reply);
    else
        reply_ok(call->reply);
    return !refused;
}

void command_set(struct call *call)
{
    struct store *store = call->slotd->store;
    struct store_key key = call_key(call, 1);
    struct set_options options = {0};
    struct store_item item;
    int64_t expiry_ms = 0;
    if (!set_options_read(call, &options)) {
        call_syntax_error(call);
        return;
    }
    if (!set_expiry(call, &options, &expiry_ms) || !name_fits(call, 1))
        return;
    /* Without options the old value does not matter, and put looks it up itself. */
    bool looked = (options.flags & ~(unsigned)SET_EXPIRY) != 0;
    bool found = looked && store_find(store, &key, &item);
    if (found && (options.flags & SET_KEEPTTL) != 0)
        expiry_ms = item.expiry_ms;
    if (!set_answer(call, options.flags, found ? &item : NULL))
        return;
    command_put(call, &key, call->args[2], expiry_ms);
}

void command_setnx(struct call *call)
{
    struct store_key key = call_key(call, 1);
    struct store_item item;
    if (!name_fits(call, 1))
        return;
    bool found = store_find(call->slotd->store, &key, &item);
    if (!found)
        store_put(call->slotd->store, &key, call->args[2], 0);
    reply_integer(call->reply, found ? 0 : 1);
}

void command_mset(struct call *call)
{
    if (call->arg_count % 2 == 0) {
        reply_error(call->reply, "ERR wrong number of arguments for 'mset' command");
        return;
    }
    for (size_t index = 1; index < call->arg_count; index += 2)
        if (!name_fits(call, index))
            return;
    for (size_t index = 1; index < call->arg_count; index += 2) {
        struct store_key key = call_key(call, index);
        store_put(call->slotd->store, &key, call->args[index + 1], 0);
    }
    reply_ok(call->reply);
}

void command_append(struct call *call)
{
    struct store *store = call->slotd->store;
    struct store_key key = call_key(call, 1);
    struct store_item item;
    if (!name_fits(call, 1))
        return;
    uint64_t size = store_find(store, &key, &item) ? item.value_size : 0;
    if (size + call->args[2].size > 536870912) {
        reply_error(call->reply, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
        return;
    }
    reply_integer(call->reply, (int64_t)store_append(store, &key, call->args[2]));
}

static void add(struct call *call, int64_t amount)
{
    struct store *store = call->slotd->store;
    struct store_key key = call_key(call, 1);
    struct store_item item = {0};
    int64_t number = 0;
    if (!name_fits(call, 1))
        return;
    bool found = store_find(store, &key, &item);
    if (found && (item.blob != 0 || !bytes_number(item.value, &number))) {
        reply_error(call->reply, "ERR value is not an integer or out of range");
        return;
    }
    if ((amount < 0 && number < INT64_MIN - amount) ||
        (amount > 0 && number > INT64_MAX - amount)) {
        reply_error(call->reply, "ERR increment or decrement would overflow");
        return;
    }
    char text[NUMBER_TEXT_SIZE];
    size_t size = number_text(number + amount, text);
    store_put(store, &key, (struct bytes){(const uint8_t *)text, size},
        found ? item.expiry_ms : 0);
    reply_integer(call->reply, number + amount);
}

void command_incr(struct call *call)
{
    add(call, 1);
}

void command_decr(struct call *call)
{
    add(call, -1);
}

void command_incrby(struct call *call)
{
    int64_t amount;
    if (call_number(call, 2, &amount))
        add(call, amount);
}

void command_decrby(struct call *call)
{
    int64_t amount;
    if (!call_number(call, 2, &amount))
        return;
    if (amount == INT64_MIN)
        reply_error(call->reply, "ERR decrement would overflow");
    else
        add(call, -amount);
}
