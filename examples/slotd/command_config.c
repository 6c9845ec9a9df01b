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
    {"cluster-require-full-coverage", "no"}, {"cluster-node-timeout", "5000"},
    {"io-threads", "1"}};

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

/* Setters: NULL, or why not. They set only when `set`: a list of parameters is all sound, or none
 * is set. */
static const char *level_set(struct settings *settings, struct bytes value, bool set)
{
    static const char *const names[] = {"debug", "notice", "warning"};
    for (int level = 0; level < 3; level++) {
        if (!bytes_is(value, names[level]))
            continue;
        if (set) {
            settings->log_level = level;
            log_level(level);
        }
        return NULL;
    }
    return "argument(s) must be one of the following: debug, notice, warning";
}

static const char *limit_set(struct settings *settings, struct bytes value, bool set)
{
    int64_t number;
    if (!bytes_number(value, &number))
        return "argument couldn't be parsed into an integer";
    if (number < 1 || number > 1000000)
        return "argument must be between 1 and 1000000 inclusive";
    if (set)
        settings->client_limit = (int)number;
    return NULL;
}

static const char *password_set(struct settings *settings, struct bytes value, bool set)
{
    if (value.size >= sizeof(settings->password) || memchr(value.data, 0, value.size) != NULL)
        return "argument is too long, or has a zero byte";
    if (set) {
        memcpy(settings->password, value.data, value.size);
        settings->password[value.size] = '\0';
    }
    return NULL;
}

static const struct {
    const char *name;
    const char *(*set)(struct settings *settings, struct bytes value, bool set);
} settable[] = {
    {"requirepass", password_set}, {"maxclients", limit_set}, {"loglevel", level_set}};

static const char no_such[] = "";

/* NULL: done, or already so. */
static const char *set_one(
    struct settings *settings, struct bytes name, struct bytes value, bool set)
{
    static const char *const others[] = {"appendonly", "dir", "port", "bind", "slotd-durability"};
    for (size_t index = 0; index < sizeof(settable) / sizeof(settable[0]); index++)
        if (bytes_is(name, settable[index].name))
            return settable[index].set(settings, value, set);
    for (size_t index = 0; index < sizeof(fixed) / sizeof(fixed[0]); index++)
        if (bytes_is(name, fixed[index].name))
            return bytes_equal(value, bytes_of(fixed[index].value)) ? NULL
                                                                    : "can't set immutable config";
    for (size_t index = 0; index < sizeof(others) / sizeof(others[0]); index++)
        if (bytes_is(name, others[index]))
            return "can't set immutable config";
    return no_such;
}

static bool named_before(const struct call *call, size_t index)
{
    for (size_t at = 2; at < index; at += 2)
        if (bytes_match(call->args[at], call->args[index], true))
            return true;
    return false;
}

static bool set_sound(struct call *call, size_t index)
{
    struct bytes name = call->args[index];
    int size = (int)(name.size < 128 ? name.size : 128);
    const char *error =
        set_one(&call->slotd->settings, name, call->args[index + 1], false);
    if (error == NULL && named_before(call, index))
        error = "duplicate parameter";
    if (error == no_such)
        reply_error_format(call->reply,
            "ERR Unknown option or number of arguments for CONFIG SET - '%.*s'", size,
            (const char *)name.data);
    else if (error != NULL)
        reply_error_format(call->reply,
            "ERR CONFIG SET failed (possibly related to argument '%.*s') - %s", size,
            (const char *)name.data, error);
    return error == NULL;
}

void command_config_set(struct call *call)
{
    if (call->arg_count % 2 != 0) {
        call_syntax_error(call);
        return;
    }
    for (size_t index = 2; index < call->arg_count; index += 2)
        if (!set_sound(call, index))
            return;
    for (size_t index = 2; index < call->arg_count; index += 2)
        (void)set_one(
            &call->slotd->settings, call->args[index], call->args[index + 1], true);
    reply_ok(call->reply);
}

/* Options are given on the command line. */
void command_config_rewrite(struct call *call)
{
    reply_error(call->reply, "ERR The server is running without a config file");
}

void command_config_resetstat(struct call *call)
{
    struct statistics *statistics = &call->slotd->statistics;
    *statistics = (struct statistics){.started_ns = statistics->started_ns,
        .clients = statistics->clients};
    reply_ok(call->reply);
}
