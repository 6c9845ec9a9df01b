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
    reply_bulk_begin(call->reply, dump_size(item.value_size));
    size_t start = dump_begin(call->reply->out, item.value_size);
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

/* IDLETIME or FREQ, not both; false: the error is out. */
static bool hint_option(struct call *call, size_t index, struct restore_options *options)
{
    bool last = index + 1 == call->arg_count;
    if (!last && bytes_is(call->args[index], "IDLETIME") && !options->frequency_given) {
        options->idle_given = true;
        return hint_read(call, index + 1, true);
    }
    if (!last && bytes_is(call->args[index], "FREQ") && !options->idle_given) {
        options->frequency_given = true;
        return hint_read(call, index + 1, false);
    }
    call_syntax_error(call);
    return false;
}

static bool restore_options_read(struct call *call, struct restore_options *options)
{
    for (size_t index = 4; index < call->arg_count; index++) {
        struct bytes word = call->args[index];
        if (bytes_is(word, "REPLACE"))
            options->replace = true;
        else if (bytes_is(word, "ABSTTL"))
            options->absolute = true;
        else if (!hint_option(call, index++, options))
            return false;
    }
    return true;
}

static void restore_put(struct call *call, int64_t time, bool absolute)
{
    struct bytes value = {NULL, 0};
    struct buffer scratch = {0};
    struct store_key key = call_key(call, 1);
    bool as_given = time == 0 || absolute;
    int result = dump_read(call->args[3], &scratch, &value);
    if (result == DUMP_CHECKSUM) {
        reply_error(call->reply, "ERR DUMP payload version or checksum are wrong");
    } else if (result == DUMP_FORMAT) {
        reply_error(call->reply, "ERR Bad data format");
    } else if (key.name.size > STORE_KEY_SIZE_MAX) {
        reply_error(call->reply, "ERR key is larger than 65535 bytes");
    } else {
        command_put(call, &key, value, as_given ? time : time + store_time(call->slotd->store));
        reply_ok(call->reply);
    }
    buffer_free(&scratch);
}

void command_restore(struct call *call)
{
    struct restore_options options = {0};
    struct store_key key = call_key(call, 1);
    struct store_item item;
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
    restore_put(call, time, options.absolute);
}
