/* SPDX-License-Identifier: MIT */
/* Room command: the server as operators see it: INFO, COMMAND, DEBUG. */
#include "command.h"

#include "log.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static uint64_t uptime_s(const struct slotd *slotd)
{
    return (clock_monotonic_ns() - slotd->statistics.started_ns) / 1000000000u;
}

static uint64_t memory_peak(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

/* Linux: resident pages are the second number; elsewhere the peak has to do. */
static uint64_t memory_size(void)
{
    unsigned long total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL)
        return memory_peak();
    int count = fscanf(file, "%lu %lu", &total, &resident);
    (void)fclose(file);
    return count == 2 ? (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE) : memory_peak();
}

static void info_server(const struct slotd *slotd, struct buffer *text)
{
    buffer_append_format(text,
        "# Server\r\nredis_version:" SLOTD_REDIS_VERSION "\r\nslotd_version:" SLOTD_VERSION
        "\r\nredis_mode:cluster\r\narch_bits:64\r\nprocess_id:%d\r\nrun_id:%s\r\ntcp_port:%d\r\n"
        "uptime_in_seconds:%llu\r\nuptime_in_days:%llu\r\n",
        (int)getpid(), cluster_my_name(slotd->cluster), slotd->settings.port,
        (unsigned long long)uptime_s(slotd), (unsigned long long)(uptime_s(slotd) / 86400));
}

static void info_clients(const struct slotd *slotd, struct buffer *text)
{
    buffer_append_format(text,
        "# Clients\r\nconnected_clients:%llu\r\nmaxclients:%d\r\nblocked_clients:0\r\n",
        (unsigned long long)slotd->statistics.clients, slotd->settings.client_limit);
}

static void info_memory(const struct slotd *slotd, struct buffer *text)
{
    uint64_t size = memory_size();
    (void)slotd;
    buffer_append_format(text,
        "# Memory\r\nused_memory:%llu\r\nused_memory_human:%.2fM\r\nused_memory_rss:%llu\r\n"
        "used_memory_peak:%llu\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n",
        (unsigned long long)size, (double)size / 1048576, (unsigned long long)size,
        (unsigned long long)memory_peak());
}

static void info_persistence(const struct slotd *slotd, struct buffer *text)
{
    static const char *const names[] = {"none", "batch", "always"};
    buffer_append_format(text,
        "# Persistence\r\nloading:0\r\nslotd_durability:%s\r\nslotd_commits:%llu\r\n"
        "slotd_unsynced_commits:%llu\r\nslotd_garbage_generations:%llu\r\n",
        names[slotd->settings.durability],
        (unsigned long long)store_commit_count(slotd->store),
        (unsigned long long)store_unsynced_count(slotd->store),
        (unsigned long long)store_garbage_count(slotd->store));
}

static void info_stats(const struct slotd *slotd, struct buffer *text)
{
    const struct statistics *s = &slotd->statistics;
    buffer_append_format(text,
        "# Stats\r\ntotal_connections_received:%llu\r\ntotal_commands_processed:%llu\r\n"
        "total_net_input_bytes:%llu\r\ntotal_net_output_bytes:%llu\r\n"
        "rejected_connections:%llu\r\nexpired_keys:%llu\r\nevicted_keys:0\r\nkeyspace_hits:%llu\r\n"
        "keyspace_misses:%llu\r\ntotal_error_replies:%llu\r\nslotd_parked_requests:%llu\r\n"
        "slotd_moved_replies:%llu\r\nslotd_ask_replies:%llu\r\n",
        (unsigned long long)s->connections, (unsigned long long)s->commands,
        (unsigned long long)s->bytes_in, (unsigned long long)s->bytes_out,
        (unsigned long long)s->rejected, (unsigned long long)s->expired,
        (unsigned long long)s->hits, (unsigned long long)s->misses,
        (unsigned long long)s->errors, (unsigned long long)s->parked,
        (unsigned long long)s->moved, (unsigned long long)s->asked);
}

static void info_cpu(const struct slotd *slotd, struct buffer *text)
{
    struct rusage usage;
    (void)slotd;
    (void)getrusage(RUSAGE_SELF, &usage);
    buffer_append_format(text, "# CPU\r\nused_cpu_sys:%ld.%06ld\r\nused_cpu_user:%ld.%06ld\r\n",
        (long)usage.ru_stime.tv_sec, (long)usage.ru_stime.tv_usec, (long)usage.ru_utime.tv_sec,
        (long)usage.ru_utime.tv_usec);
}

static void info_cluster(const struct slotd *slotd, struct buffer *text)
{
    const struct statistics *s = &slotd->statistics;
    const struct reshard_map *map = cluster_map(slotd->cluster);
    buffer_append_format(text,
        "# Cluster\r\ncluster_enabled:1\r\nslotd_coordinator:%d\r\nslotd_map_version:%llu\r\n"
        "slotd_migrations_open:%u\r\nslotd_migrations_done:%llu\r\n"
        "slotd_migrations_reverted:%llu\r\nslotd_write_pauses:%llu\r\n"
        "slotd_write_pause_us:%llu\r\n",
        engine_coordinates(slotd->engine) ? 1 : 0, (unsigned long long)reshard_map_version(map),
        reshard_map_migration_count(map), (unsigned long long)s->migrations_done,
        (unsigned long long)s->migrations_reverted, (unsigned long long)s->pauses,
        (unsigned long long)s->pause_us);
}

static void info_keyspace(const struct slotd *slotd, struct buffer *text)
{
    uint64_t count = store_key_count(slotd->store);
    buffer_append_text(text, "# Keyspace\r\n");
    if (count > 0)
        buffer_append_format(text, "db0:keys=%llu,expires=%llu,avg_ttl=0\r\n",
            (unsigned long long)count, (unsigned long long)store_expiry_count(slotd->store));
}

static const struct {
    const char *name;
    void (*write)(const struct slotd *slotd, struct buffer *text);
} info_sections[] = {{"server", info_server}, {"clients", info_clients}, {"memory", info_memory},
    {"persistence", info_persistence}, {"stats", info_stats},
    {"replication", command_info_replication}, {"cpu", info_cpu}, {"cluster", info_cluster},
    {"keyspace", info_keyspace}};

static bool section_wanted(const struct call *call, const char *name)
{
    if (call->arg_count == 1)
        return true;
    for (size_t index = 1; index < call->arg_count; index++)
        if (bytes_is(call->args[index], name) || bytes_is(call->args[index], "all") ||
            bytes_is(call->args[index], "default") || bytes_is(call->args[index], "everything"))
            return true;
    return false;
}

void command_info(struct call *call)
{
    struct buffer text = {0};
    for (size_t index = 0; index < sizeof(info_sections) / sizeof(info_sections[0]); index++) {
        if (!section_wanted(call, info_sections[index].name))
            continue;
        if (text.size > 0)
            buffer_append_text(&text, "\r\n");
        info_sections[index].write(call->slotd, &text);
    }
    reply_verbatim(call->reply, (struct bytes){text.data, text.size});
    buffer_free(&text);
}

static void flags_reply(struct reply *reply, uint32_t flags)
{
    static const struct {
        uint32_t flag;
        const char *name;
    } names[] = {{COMMAND_WRITE, "write"}, {COMMAND_READONLY, "readonly"},
        {COMMAND_DENYOOM, "denyoom"}, {COMMAND_ADMIN, "admin"}, {COMMAND_NOAUTH, "no_auth"},
        {COMMAND_FAST, "fast"}, {COMMAND_ASKING, "asking"}, {COMMAND_MOVABLE, "movablekeys"}};
    size_t count = 0;
    for (size_t index = 0; index < sizeof(names) / sizeof(names[0]); index++)
        count += (flags & names[index].flag) != 0 ? 1 : 0;
    reply_set(reply, count);
    for (size_t index = 0; index < sizeof(names) / sizeof(names[0]); index++)
        if ((flags & names[index].flag) != 0)
            reply_status(reply, names[index].name);
}

/* ACL categories: those that follow from flags and group. */
static void categories_reply(struct reply *reply, const struct command *command, bool container)
{
    static const struct {
        const char *group;
        const char *name;
    } groups[] = {{"string", "@string"}, {"generic", "@keyspace"}, {"connection", "@connection"},
        {"transactions", "@transaction"}};
    const char *names[6];
    size_t count = 0;
    if ((command->flags & (COMMAND_READONLY | COMMAND_WRITE)) != 0)
        names[count++] = (command->flags & COMMAND_WRITE) != 0 ? "@write" : "@read";
    names[count++] = (command->flags & COMMAND_FAST) != 0 ? "@fast" : "@slow";
    if ((command->flags & COMMAND_ADMIN) != 0) {
        names[count++] = "@admin";
        names[count++] = "@dangerous";
    }
    for (size_t at = 0; !container && at < sizeof(groups) / sizeof(groups[0]); at++)
        if (strcmp(command->group, groups[at].group) == 0)
            names[count++] = groups[at].name;
    reply_set(reply, count);
    for (size_t at = 0; at < count; at++)
        reply_status(reply, names[at]);
}

static const struct command *sub_next(const struct command *container, const struct command *at)
{
    size_t size = strlen(container->name);
    at++;
    if (at < command_table + command_count && strncmp(at->name, container->name, size) == 0 &&
        at->name[size] == '|')
        return at;
    return NULL;
}

static void command_reply(struct reply *reply, const struct command *command)
{
    size_t sub_count = 0;
    bool container = strchr(command->name, '|') == NULL && command_is_container(command);
    reply_array(reply, 10);
    reply_bulk_text(reply, command->name);
    reply_integer(reply, command->arity);
    flags_reply(reply, command->flags);
    reply_integer(reply, command->first_key);
    reply_integer(reply, command->last_key);
    reply_integer(reply, command->key_step);
    categories_reply(reply, command, container);
    reply_array(reply, 0);
    reply_array(reply, 0);
    for (const struct command *at = command; container && (at = sub_next(command, at)) != NULL;)
        sub_count++;
    reply_array(reply, sub_count);
    for (const struct command *at = command; container && (at = sub_next(command, at)) != NULL;)
        command_reply(reply, at);
}

static int64_t top_count(void)
{
    int64_t count = 0;
    for (size_t index = 0; index < command_count; index++)
        count += strchr(command_table[index].name, '|') == NULL ? 1 : 0;
    return count;
}

void command_command(struct call *call)
{
    reply_array(call->reply, (size_t)top_count());
    for (size_t index = 0; index < command_count; index++)
        if (strchr(command_table[index].name, '|') == NULL)
            command_reply(call->reply, &command_table[index]);
}

void command_command_count(struct call *call)
{
    reply_integer(call->reply, top_count());
}

/* COMMAND LIST [FILTERBY PATTERN pattern]: there are no modules, and no categories to ask for.
 * False: the error is out. */
static bool list_pattern(struct call *call, struct bytes *pattern_out)
{
    *pattern_out = bytes_of("*");
    if (call->arg_count == 2)
        return true;
    if (call->arg_count != 5 || !bytes_is(call->args[2], "FILTERBY")) {
        call_syntax_error(call);
        return false;
    }
    struct bytes word = call->args[3];
    bool none = bytes_is(word, "MODULE") || bytes_is(word, "ACLCAT");
    *pattern_out = none ? bytes_of("") : call->args[4];
    if (!none && !bytes_is(word, "PATTERN")) {
        call_syntax_error(call);
        return false;
    }
    return true;
}

static bool listed(const struct command *command, struct bytes pattern)
{
    return strchr(command->name, '|') == NULL &&
        bytes_match(pattern, bytes_of(command->name), true);
}

void command_command_list(struct call *call)
{
    struct bytes pattern;
    size_t count = 0;
    if (!list_pattern(call, &pattern))
        return;
    for (size_t index = 0; index < command_count; index++)
        count += listed(&command_table[index], pattern) ? 1 : 0;
    reply_array(call->reply, count);
    for (size_t index = 0; index < command_count; index++)
        if (listed(&command_table[index], pattern))
            reply_bulk_text(call->reply, command_table[index].name);
}

void command_command_info(struct call *call)
{
    if (call->arg_count == 2) {
        command_command(call);
        return;
    }
    reply_array(call->reply, call->arg_count - 2);
    for (size_t index = 2; index < call->arg_count; index++) {
        const struct command *command = command_find(call->args[index]);
        if (command == NULL)
            reply_null(call->reply);
        else
            command_reply(call->reply, command);
    }
}

void command_command_getkeys(struct call *call)
{
    struct bytes keys[64];
    const struct command *command = command_find(call->args[2]);
    int64_t count = (int64_t)call->arg_count - 2;
    if (command == NULL) {
        reply_error(call->reply, "ERR Invalid command specified");
        return;
    }
    if (command->first_key == 0) {
        reply_error(call->reply, "ERR The command has no key arguments");
        return;
    }
    if (command->arity > 0 ? count != command->arity : count < -command->arity) {
        reply_error(call->reply, "ERR Invalid number of arguments specified for command");
        return;
    }
    size_t found = command_keys(command, call->args + 2, (size_t)count, keys, 64);
    found = found < 64 ? found : 64;
    reply_array(call->reply, found);
    for (size_t index = 0; index < found; index++)
        reply_bulk(call->reply, keys[index]);
}

/* 40 hex digits for each key; equal exactly when value and expiry are, on whatever node. */
static void debug_digest_value(struct call *call)
{
    reply_array(call->reply, call->arg_count - 2);
    for (size_t index = 2; index < call->arg_count; index++) {
        struct store_key key = call_key(call, index);
        struct store_item item;
        char text[48] = "0000000000000000000000000000000000000000";
        if (store_find(call->slotd->store, &key, &item)) {
            struct reshard_digest digest =
                store_item_digest(call->slotd->store, call->args[index], &item);
            (void)snprintf(text, sizeof(text), "00000000%016llx%016llx",
                (unsigned long long)digest.high, (unsigned long long)digest.low);
        }
        reply_status(call->reply, text);
    }
}

void command_debug(struct call *call)
{
    struct bytes what = call->args[1];
    if (bytes_is(what, "HELP") && call->arg_count == 2) {
        command_debug_help(call);
    } else if (bytes_is(what, "DIGEST-VALUE")) {
        debug_digest_value(call);
    } else if (bytes_is(what, "SET-ACTIVE-EXPIRE") && call->arg_count == 3) {
        call->slotd->expire_active = bytes_is(call->args[2], "1");
        reply_ok(call->reply);
    } else {
        reply_error_format(call->reply,
            "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try DEBUG HELP.",
            (int)(what.size < 128 ? what.size : 128), (const char *)what.data);
    }
}

/* Nothing to dump, list or restore: redis-cli's add-node passes over such a node. */
void command_function(struct call *call)
{
    reply_error(call->reply, "ERR FUNCTION is not supported: there are no scripts here");
}
