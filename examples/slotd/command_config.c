/* SPDX-License-Identifier: MIT */
/* Room command: CONFIG: the few parameters that tools ask for, and those that can be set. */
#include "command.h"

#include "log.h"

#include <stdio.h>
#include <string.h>

/* Parameters that never change, as clients and benchmarks expect them. */
static const struct {
    const char *name;
    const char *value;
} fixed[] = {{"save", ""}, {"appendfsync", "everysec"}, {"cluster-enabled", "yes"},
    {"databases", "1"}, {"maxmemory", "0"}, {"maxmemory-policy", "noeviction"},
    {"proto-max-bulk-len", "536870912"}, {"timeout", "0"}, {"tcp-keepalive", "300"},
    {"cluster-require-full-coverage", "no"}, {"io-threads", "1"}};

struct answer {
    struct reply reply;
    struct buffer buffer;
    size_t count;
};

static bool wanted(const struct call *call, const char *name)
{
    for (size_t index = 2; index < call->arg_count; index++)
        if (bytes_match(call->args[index], bytes_of(name), true))
            return true;
    return false;
}

static void tell(
    const struct call *call, struct answer *answer, const char *name, const char *value)
{
    if (!wanted(call, name))
        return;
    reply_bulk_text(&answer->reply, name);
    reply_bulk_text(&answer->reply, value);
    answer->count++;
}

static void tell_number(
    const struct call *call, struct answer *answer, const char *name, int64_t value)
{
    char text[NUMBER_TEXT_SIZE];
    (void)number_text(value, text);
    tell(call, answer, name, text);
}

void command_config_get(struct call *call)
{
    static const char *const durabilities[] = {"none", "batch", "always"};
    static const char *const levels[] = {"debug", "notice", "warning", "warning"};
    const struct settings *settings = &call->slotd->settings;
    struct answer answer = {.count = 0};
    answer.reply = (struct reply){&answer.buffer, call->reply->protocol, 0};
    for (size_t index = 0; index < sizeof(fixed) / sizeof(fixed[0]); index++)
        tell(call, &answer, fixed[index].name, fixed[index].value);
    tell(call, &answer, "appendonly", settings->durability == DURABILITY_NONE ? "no" : "yes");
    tell(call, &answer, "slotd-durability", durabilities[settings->durability]);
    tell(call, &answer, "loglevel", levels[settings->log_level]);
    tell(call, &answer, "bind", settings->bind);
    tell(call, &answer, "dir", settings->directory);
    tell(call, &answer, "requirepass", settings->password);
    tell(call, &answer, "cluster-announce-ip", settings->announce_host);
    tell_number(call, &answer, "cluster-announce-port", settings->announce_port);
    tell_number(call, &answer, "cluster-announce-bus-port", settings->announce_bus_port);
    tell_number(call, &answer, "maxclients", settings->client_limit);
    tell_number(call, &answer, "port", settings->port);
    reply_map(call->reply, answer.count);
    buffer_append(call->reply->out, answer.buffer.data, answer.buffer.size);
    buffer_free(&answer.buffer);
}

static bool text_set(char *target, size_t size, struct bytes value)
{
    if (value.size >= size || memchr(value.data, 0, value.size) != NULL)
        return false;
    memcpy(target, value.data, value.size);
    target[value.size] = '\0';
    return true;
}

static bool level_set(struct settings *settings, struct bytes value)
{
    static const char *const names[] = {"debug", "notice", "warning"};
    for (int level = 0; level < 3; level++) {
        if (!bytes_is(value, names[level]))
            continue;
        settings->log_level = level;
        log_level(level);
        return true;
    }
    return false;
}

static bool limit_set(struct settings *settings, struct bytes value)
{
    int64_t number;
    if (!bytes_number(value, &number) || number < 1 || number > 1000000)
        return false;
    settings->client_limit = (int)number;
    return true;
}

/* A parameter that cannot be set: 1 when it already is so, -1, or -2 when there is none. */
static int unchanged(struct bytes name, struct bytes value)
{
    static const char *const others[] = {"appendonly", "dir", "port", "bind", "slotd-durability"};
    for (size_t index = 0; index < sizeof(fixed) / sizeof(fixed[0]); index++)
        if (bytes_is(name, fixed[index].name))
            return bytes_equal(value, bytes_of(fixed[index].value)) ? 1 : -1;
    for (size_t index = 0; index < sizeof(others) / sizeof(others[0]); index++)
        if (bytes_is(name, others[index]))
            return -1;
    return -2;
}

/* 1 done, 0 bad value, -1 cannot be set, -2 no such parameter. */
static int set_one(struct call *call, struct bytes name, struct bytes value)
{
    struct settings *settings = &call->slotd->settings;
    if (bytes_is(name, "requirepass"))
        return text_set(settings->password, sizeof(settings->password), value) ? 1 : 0;
    if (bytes_is(name, "maxclients"))
        return limit_set(settings, value) ? 1 : 0;
    if (bytes_is(name, "loglevel"))
        return level_set(settings, value) ? 1 : 0;
    return unchanged(name, value);
}

void command_config_set(struct call *call)
{
    if (call->arg_count % 2 != 0) {
        reply_error(call->reply, "ERR wrong number of arguments for 'config|set' command");
        return;
    }
    for (size_t index = 2; index < call->arg_count; index += 2) {
        struct bytes name = call->args[index];
        int size = (int)(name.size < 128 ? name.size : 128);
        int result = set_one(call, name, call->args[index + 1]);
        if (result == 1)
            continue;
        if (result == -2)
            reply_error_format(call->reply,
                "ERR Unknown option or number of arguments for CONFIG SET - '%.*s'", size,
                (const char *)name.data);
        else
            reply_error_format(call->reply,
                "ERR CONFIG SET failed (possibly related to argument '%.*s') - %s", size,
                (const char *)name.data,
                result == -1 ? "can't set immutable config" : "argument couldn't be parsed");
        return;
    }
    reply_ok(call->reply);
}

void command_config_resetstat(struct call *call)
{
    struct statistics *statistics = &call->slotd->statistics;
    *statistics = (struct statistics){.started_ns = statistics->started_ns,
        .clients = statistics->clients};
    reply_ok(call->reply);
}
