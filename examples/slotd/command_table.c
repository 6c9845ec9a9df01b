/* SPDX-License-Identifier: MIT */
/* Room command: the table, sorted by name. Flags and arities are those of Redis 7.0. */
#include "command.h"

#include <string.h>

#define W COMMAND_WRITE
#define R COMMAND_READONLY
#define M COMMAND_DENYOOM
#define F COMMAND_FAST
#define X COMMAND_REMOVE
#define L COMMAND_LOOKS

const struct command command_table[] = {
    {"append", 3, W | M | F, 1, 1, 1, command_append, "string"},
    {"asking", 1, F, 0, 0, 0, command_asking, "cluster"},
    {"auth", -2, F | COMMAND_NOAUTH, 0, 0, 0, command_auth, "connection"},
    {"client", -2, 0, 0, 0, 0, command_container, "connection"},
    {"client|getname", 2, 0, 0, 0, 0, command_client_getname, "connection"},
    {"client|getredir", 2, 0, 0, 0, 0, command_client_getredir, "connection"},
    {"client|help", 2, 0, 0, 0, 0, command_client_help, "connection"},
    {"client|id", 2, 0, 0, 0, 0, command_client_id, "connection"},
    {"client|info", 2, 0, 0, 0, 0, command_client_info, "connection"},
    {"client|kill", -3, COMMAND_ADMIN, 0, 0, 0, command_client_kill, "connection"},
    {"client|list", -2, COMMAND_ADMIN, 0, 0, 0, command_client_list, "connection"},
    {"client|no-evict", 3, COMMAND_ADMIN, 0, 0, 0, command_client_no_evict, "connection"},
    {"client|reply", 3, 0, 0, 0, 0, command_client_reply, "connection"},
    {"client|setinfo", 4, 0, 0, 0, 0, command_client_setinfo, "connection"},
    {"client|setname", 3, 0, 0, 0, 0, command_client_setname, "connection"},
    {"cluster", -2, 0, 0, 0, 0, command_container, "cluster"},
    {"cluster|addslots", -3, COMMAND_ADMIN | L, 0, 0, 0, command_cluster_addslots, "cluster"},
    {"cluster|addslotsrange", -4, COMMAND_ADMIN | L, 0, 0, 0, command_cluster_addslotsrange,
        "cluster"},
    {"cluster|bumpepoch", 2, COMMAND_ADMIN, 0, 0, 0, command_cluster_bumpepoch, "cluster"},
    {"cluster|cancelslotmigrations", 2, COMMAND_ADMIN | L, 0, 0, 0,
        command_cluster_cancelslotmigrations, "cluster"},
    {"cluster|count-failure-reports", 3, COMMAND_ADMIN, 0, 0, 0,
        command_cluster_count_failure_reports, "cluster"},
    {"cluster|countkeysinslot", 3, COMMAND_LOOKS_SLOT, 0, 0, 0, command_cluster_countkeysinslot,
        "cluster"},
    {"cluster|delslots", -3, COMMAND_ADMIN | L, 0, 0, 0, command_cluster_delslots, "cluster"},
    {"cluster|delslotsrange", -4, COMMAND_ADMIN | L, 0, 0, 0, command_cluster_delslotsrange,
        "cluster"},
    {"cluster|failover", -2, COMMAND_ADMIN | L, 0, 0, 0, command_cluster_failover, "cluster"},
    {"cluster|flushslots", 2, COMMAND_ADMIN | L, 0, 0, 0, command_cluster_flushslots, "cluster"},
    {"cluster|forget", 3, COMMAND_ADMIN | L, 0, 0, 0, command_cluster_forget, "cluster"},
    {"cluster|getkeysinslot", 4, COMMAND_LOOKS_SLOT, 0, 0, 0, command_cluster_getkeysinslot,
        "cluster"},
    {"cluster|getslotmigrations", 2, L, 0, 0, 0, command_cluster_getslotmigrations, "cluster"},
    {"cluster|help", 2, 0, 0, 0, 0, command_cluster_help, "cluster"},
    {"cluster|info", 2, 0, 0, 0, 0, command_cluster_info, "cluster"},
    {"cluster|keyslot", 3, 0, 0, 0, 0, command_cluster_keyslot, "cluster"},
    {"cluster|links", 2, 0, 0, 0, 0, command_cluster_links, "cluster"},
    {"cluster|meet", -4, COMMAND_ADMIN | L, 0, 0, 0, command_cluster_meet, "cluster"},
    {"cluster|migrateslots", -4, COMMAND_ADMIN | L, 0, 0, 0, command_cluster_migrateslots,
        "cluster"},
    {"cluster|myid", 2, 0, 0, 0, 0, command_cluster_myid, "cluster"},
    {"cluster|nodes", 2, L, 0, 0, 0, command_cluster_nodes, "cluster"},
    {"cluster|replicas", 3, 0, 0, 0, 0, command_cluster_replicas, "cluster"},
    {"cluster|replicate", 3, COMMAND_ADMIN | L, 0, 0, 0, command_cluster_replicate, "cluster"},
    {"cluster|reset", -2, COMMAND_ADMIN | L, 0, 0, 0, command_cluster_reset, "cluster"},
    {"cluster|reshard", -3, COMMAND_ADMIN | L, 0, 0, 0, command_cluster_reshard, "cluster"},
    {"cluster|saveconfig", 2, COMMAND_ADMIN | L, 0, 0, 0, command_cluster_saveconfig, "cluster"},
    {"cluster|set-config-epoch", 3, COMMAND_ADMIN, 0, 0, 0, command_cluster_set_config_epoch,
        "cluster"},
    {"cluster|setslot", -4, COMMAND_ADMIN, 0, 0, 0, command_cluster_setslot, "cluster"},
    {"cluster|shards", 2, L, 0, 0, 0, command_cluster_shards, "cluster"},
    {"cluster|slaves", 3, 0, 0, 0, 0, command_cluster_replicas, "cluster"},
    {"cluster|slots", 2, L, 0, 0, 0, command_cluster_slots, "cluster"},
    {"command", -1, 0, 0, 0, 0, command_command, "server"},
    {"command|count", 2, 0, 0, 0, 0, command_command_count, "server"},
    {"command|getkeys", -4, 0, 0, 0, 0, command_command_getkeys, "server"},
    {"command|help", 2, 0, 0, 0, 0, command_command_help, "server"},
    {"command|info", -2, 0, 0, 0, 0, command_command_info, "server"},
    {"command|list", -2, 0, 0, 0, 0, command_command_list, "server"},
    {"config", -2, 0, 0, 0, 0, command_container, "server"},
    {"config|get", -3, COMMAND_ADMIN, 0, 0, 0, command_config_get, "server"},
    {"config|help", 2, 0, 0, 0, 0, command_config_help, "server"},
    {"config|resetstat", 2, COMMAND_ADMIN, 0, 0, 0, command_config_resetstat, "server"},
    {"config|rewrite", 2, COMMAND_ADMIN, 0, 0, 0, command_config_rewrite, "server"},
    {"config|set", -4, COMMAND_ADMIN, 0, 0, 0, command_config_set, "server"},
    {"dbsize", 1, R | F, 0, 0, 0, command_dbsize, "server"},
    {"debug", -2, COMMAND_ADMIN, 0, 0, 0, command_debug, "server"},
    {"decr", 2, W | M | F, 1, 1, 1, command_decr, "string"},
    {"decrby", 3, W | M | F, 1, 1, 1, command_decrby, "string"},
    {"del", -2, W | X, 1, -1, 1, command_del, "generic"},
    {"discard", 1, F | COMMAND_IMMEDIATE, 0, 0, 0, command_discard, "transactions"},
    {"dump", 2, R, 1, 1, 1, command_dump, "generic"},
    {"echo", 2, F, 0, 0, 0, command_echo, "connection"},
    {"exec", 1, COMMAND_IMMEDIATE, 0, 0, 0, command_exec, "transactions"},
    {"exists", -2, R | F, 1, -1, 1, command_exists, "generic"},
    {"expire", -3, W | F | X, 1, 1, 1, command_expire, "generic"},
    {"expireat", -3, W | F | X, 1, 1, 1, command_expireat, "generic"},
    {"flushall", -1, W, 0, 0, 0, command_flushall, "server"},
    {"flushdb", -1, W, 0, 0, 0, command_flushall, "server"},
    {"function", -2, 0, 0, 0, 0, command_function, "scripting"},
    {"get", 2, R | F, 1, 1, 1, command_get, "string"},
    {"getdel", 2, W | F | X, 1, 1, 1, command_getdel, "string"},
    {"hello", -1, F | COMMAND_NOAUTH, 0, 0, 0, command_hello, "connection"},
    {"incr", 2, W | M | F, 1, 1, 1, command_incr, "string"},
    {"incrby", 3, W | M | F, 1, 1, 1, command_incrby, "string"},
    {"info", -1, 0, 0, 0, 0, command_info, "server"},
    {"keys", 2, R, 0, 0, 0, command_keys_all, "generic"},
    {"mget", -2, R | F, 1, -1, 1, command_mget, "string"},
    {"migrate", -6, W | X | COMMAND_OPERATOR | COMMAND_MOVABLE, 3, 3, 1, command_migrate,
        "generic"},
    {"mset", -3, W | M, 1, -1, 2, command_mset, "string"},
    {"multi", 1, F | COMMAND_IMMEDIATE, 0, 0, 0, command_multi, "transactions"},
    {"persist", 2, W | F, 1, 1, 1, command_persist, "generic"},
    {"pexpire", -3, W | F | X, 1, 1, 1, command_pexpire, "generic"},
    {"pexpireat", -3, W | F | X, 1, 1, 1, command_pexpireat, "generic"},
    {"ping", -1, F, 0, 0, 0, command_ping, "connection"},
    {"pttl", 2, R | F, 1, 1, 1, command_pttl, "generic"},
    {"quit", -1, F | COMMAND_NOAUTH | COMMAND_IMMEDIATE, 0, 0, 0, command_quit, "connection"},
    {"randomkey", 1, R, 0, 0, 0, command_randomkey, "generic"},
    {"readonly", 1, F, 0, 0, 0, command_readonly, "cluster"},
    {"readwrite", 1, F, 0, 0, 0, command_readwrite, "cluster"},
    {"restore", -4, W | M, 1, 1, 1, command_restore, "generic"},
    {"restore-asking", -4, W | M | COMMAND_ASKING, 1, 1, 1, command_restore, "generic"},
    {"role", 1, F, 0, 0, 0, command_role, "server"},
    {"scan", -2, R, 0, 0, 0, command_scan, "generic"},
    {"select", 2, F, 0, 0, 0, command_select, "connection"},
    {"set", -3, W | M, 1, 1, 1, command_set, "string"},
    {"setnx", 3, W | M | F, 1, 1, 1, command_setnx, "string"},
    {"strlen", 2, R | F, 1, 1, 1, command_strlen, "string"},
    {"ttl", 2, R | F, 1, 1, 1, command_ttl, "generic"},
    {"type", 2, R | F, 1, 1, 1, command_type, "generic"},
    {"unlink", -2, W | F | X, 1, -1, 1, command_del, "generic"},
    {"wait", 3, 0, 0, 0, 0, command_wait, "connection"},
};
const size_t command_count = sizeof(command_table) / sizeof(command_table[0]);

/* Compare an argument with a table name, whatever the argument's case. */
static int name_compare(struct bytes name, const char *entry)
{
    size_t index = 0;
    for (; index < name.size && entry[index] != '\0'; index++) {
        uint8_t byte = name.data[index];
        byte = byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + 32) : byte;
        if (byte != (uint8_t)entry[index])
            return byte < (uint8_t)entry[index] ? -1 : 1;
    }
    if (index < name.size)
        return 1;
    return entry[index] == '\0' ? 0 : -1;
}

const struct command *command_find(struct bytes name)
{
    size_t low = 0;
    size_t high = command_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = name_compare(name, command_table[middle].name);
        if (order == 0)
            return &command_table[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const struct command *command_find_sub(const struct command *container, struct bytes name)
{
    size_t size = strlen(container->name);
    const struct command *end = command_table + command_count;
    for (const struct command *entry = container + 1; entry < end &&
         strncmp(entry->name, container->name, size) == 0 && entry->name[size] == '|'; entry++)
        if (name_compare(name, entry->name + size + 1) == 0)
            return entry;
    return NULL;
}

bool command_is_container(const struct command *command)
{
    size_t size = strlen(command->name);
    const struct command *next = command + 1;
    return next < command_table + command_count &&
        strncmp(next->name, command->name, size) == 0 && next->name[size] == '|';
}

/* MIGRATE: the key argument, or the list behind KEYS when that argument is empty. */
static size_t migrate_keys(
    const struct bytes *args, size_t arg_count, struct bytes *keys, size_t limit)
{
    size_t first = 3;
    size_t end = 4;
    if (args[3].size == 0)
        for (size_t index = 6; index < arg_count; index++)
            if (bytes_is(args[index], "KEYS")) {
                first = index + 1;
                end = arg_count;
                break;
            }
    for (size_t index = first; index < end && index - first < limit; index++)
        keys[index - first] = args[index];
    return end - first;
}

size_t command_keys(const struct command *command, const struct bytes *args, size_t arg_count,
    struct bytes *keys, size_t limit)
{
    size_t count = 0;
    if (command->first_key == 0)
        return 0;
    if ((command->flags & COMMAND_MOVABLE) != 0)
        return migrate_keys(args, arg_count, keys, limit);
    size_t last = command->last_key < 0 ? arg_count - 1 : (size_t)command->last_key;
    for (size_t index = (size_t)command->first_key; index <= last && index < arg_count;
         index += (size_t)command->key_step) {
        if (count < limit)
            keys[count] = args[index];
        count++;
    }
    return count;
}
