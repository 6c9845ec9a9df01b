/* SPDX-License-Identifier: MIT */
/* Room command: values on their way: DUMP, RESTORE, RESTORE-ASKING, MIGRATE. */
#include "command.h"

#include "dump.h"

void command_dump(struct call *call)
{
    struct store_key key = call_key(call, 1);
    struct store_item item;
    if (!store_find(call->slotd->store, &key, &item)) {
        reply_null(call->reply);
        return;
    }
    reply_bulk_begin(call->reply, item.value_size + DUMP_OVERHEAD_SIZE);
    size_t start = dump_begin(call->reply->out);
    store_item_value(call->slotd->store, &item, call->reply->out);
    dump_end(call->reply->out, start);
    reply_bulk_end(call->reply);
}

struct restore_options {
    bool replace;
    bool absolute;
    bool idle_given;
    bool frequency_given;
};

/* IDLETIME and FREQ: there is no eviction, so they are checked and dropped. */
static bool hint_read(struct call *call, size_t index, bool idle)
{
    int64_t number;
    if (!call_number(call, index, &number))
        return false;
    if (idle && number < 0) {
        reply_error(call->reply, "ERR Invalid IDLETIME value, must be >= 0");
        return false;
    }
    if (!idle && (number < 0 || number > 255)) {
        reply_error(call->reply, "ERR Invalid FREQ value, must be >= 0 and <= 255");
        return false;
    }
    return true;
}

static bool restore_options_read(struct call *call, struct restore_options *options)
{
    for (size_t index = 4; index < call->arg_count; index++) {
        struct bytes word = call->args[index];
        bool last = index + 1 == call->arg_count;
        bool idle = bytes_is(word, "IDLETIME") && !last && !options->frequency_given;
        bool frequency = bytes_is(word, "FREQ") && !last && !options->idle_given;
        if (bytes_is(word, "REPLACE")) {
            options->replace = true;
        } else if (bytes_is(word, "ABSTTL")) {
            options->absolute = true;
        } else if (idle || frequency) {
            if (!hint_read(call, ++index, idle))
                return false;
            options->idle_given = options->idle_given || idle;
            options->frequency_given = options->frequency_given || frequency;
        } else {
            call_syntax_error(call);
            return false;
        }
    }
    return true;
}

static void restore_put(struct call *call, struct bytes value, int64_t time, bool absolute)
{
    struct store *store = call->slotd->store;
    struct store_key key = call_key(call, 1);
    int64_t now_ms = store_time(store);
    int64_t expiry_ms = time == 0 || absolute ? time : time + now_ms;
    if (expiry_ms != 0 && expiry_ms <= now_ms)
        (void)store_remove(store, &key);
    else
        store_put(store, &key, value, expiry_ms);
    reply_ok(call->reply);
}

void command_restore(struct call *call)
{
    struct restore_options options = {0};
    struct store_key key = call_key(call, 1);
    struct store_item item;
    struct bytes value = {NULL, 0};
    int64_t time;
    if (!restore_options_read(call, &options))
        return;
    if (!options.replace && store_find(call->slotd->store, &key, &item)) {
        reply_error(call->reply, "BUSYKEY Target key name already exists.");
        return;
    }
    if (!call_number(call, 2, &time))
        return;
    if (time < 0 || (!options.absolute && time > INT64_MAX - store_time(call->slotd->store))) {
        reply_error(call->reply, "ERR Invalid TTL value, must be >= 0");
        return;
    }
    int result = dump_read(call->args[3], &value);
    if (result != DUMP_SOUND) {
        reply_error(call->reply, result == DUMP_CHECKSUM
                ? "ERR DUMP payload version or checksum are wrong" : "ERR Bad data format");
        return;
    }
    if (call->args[1].size > STORE_KEY_SIZE_MAX)
        reply_error(call->reply, "ERR key is larger than 65535 bytes");
    else
        restore_put(call, value, time, options.absolute);
}

/* One option of MIGRATE at *index; false: the error is out. KEYS ends the options. */
static bool migrate_option(struct call *call, struct cluster_migrate *migrate, size_t *index)
{
    struct bytes word = call->args[*index];
    size_t left = call->arg_count - *index - 1;
    if (bytes_is(word, "COPY")) {
        migrate->copy = true;
    } else if (bytes_is(word, "REPLACE")) {
        migrate->replace = true;
    } else if (bytes_is(word, "AUTH") && left >= 1) {
        migrate->password = call->args[*index + 1];
        *index += 1;
    } else if (bytes_is(word, "AUTH2") && left >= 2) {
        migrate->user = call->args[*index + 1];
        migrate->password = call->args[*index + 2];
        *index += 2;
    } else if (bytes_is(word, "KEYS")) {
        if (call->args[3].size != 0) {
            reply_error(call->reply,
                "ERR When using MIGRATE KEYS option, the key argument must be set to the empty "
                "string");
            return false;
        }
        migrate->keys = call->args + *index + 1;
        migrate->key_count = left;
        *index = call->arg_count;
    } else {
        call_syntax_error(call);
        return false;
    }
    return true;
}

void command_migrate(struct call *call)
{
    struct cluster_migrate migrate = {.host = call->args[1], .keys = call->args + 3,
        .key_count = 1};
    int64_t port, database;
    for (size_t index = 6; index < call->arg_count; index++)
        if (!migrate_option(call, &migrate, &index))
            return;
    if (!call_number(call, 5, &migrate.timeout_ms) || !call_number(call, 4, &database))
        return;
    if (!bytes_number(call->args[2], &port) || port < 1 || port > 65535) {
        reply_error(call->reply, "ERR Invalid TCP port");
        return;
    }
    migrate.port = (int)port;
    migrate.timeout_ms = migrate.timeout_ms <= 0 ? 1000 : migrate.timeout_ms;
    size_t present = 0;
    for (size_t index = 0; index < migrate.key_count; index++) {
        struct store_key key = {cluster_key_slot(migrate.keys[index]), migrate.keys[index]};
        struct store_item item;
        present += store_find(call->slotd->store, &key, &item) ? 1 : 0;
    }
    if (present == 0) {
        reply_status(call->reply, "NOKEY");
        return;
    }
    const char *error = cluster_migrate(call->slotd->cluster, &migrate);
    if (error == NULL)
        reply_ok(call->reply);
    else
        reply_error(call->reply, error);
}
