/* SPDX-License-Identifier: MIT */
/* Room command: HELP of the commands that have subcommands. */
#include "command.h"

static const char *const client_help[] = {
    "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "GETNAME",
    "    Return the name of the current connection.",
    "GETREDIR",
    "    Return -1: there is no tracking.",
    "ID",
    "    Return the ID of the current connection.",
    "INFO",
    "    Return information about the current client connection.",
    "KILL <ip:port>",
    "    Kill connections made from <ip:port>.",
    "KILL (ID <id> | ADDR <ip:port> | LADDR <ip:port> | TYPE <type> | USER <name> |",
    "      SKIPME (YES|NO)) ...",
    "    Kill connections by what all these say.",
    "LIST [TYPE <type> | ID <id> ...]",
    "    Return information about client connections.",
    "NO-EVICT (ON|OFF)",
    "    Accepted: nothing is ever evicted.",
    "REPLY (ON|OFF|SKIP)",
    "    Control the replies sent to the current connection.",
    "SETINFO <attribute> <value>",
    "    Accepted for client libraries that tell their name and version.",
    "SETNAME <name>",
    "    Assign the name <name> to the current connection.",
    NULL,
};

static const char *const cluster_help[] = {
    "CLUSTER <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "ADDSLOTS <slot> [<slot> ...]",
    "    Assign slots to current node.",
    "ADDSLOTSRANGE <start slot> <end slot> [<start slot> <end slot> ...]",
    "    Assign slots which are between <start-slot> and <end-slot> to current node.",
    "BUMPEPOCH",
    "    Advance the cluster config epoch.",
    "CANCELSLOTMIGRATIONS",
    "    Take back the atomic migrations that give slots of this node away.",
    "COUNT-FAILURE-REPORTS <node-id>",
    "    Return 1 when <node-id> does not answer this node, else 0.",
    "COUNTKEYSINSLOT <slot>",
    "    Return the number of keys in <slot>.",
    "DELSLOTS <slot> [<slot> ...]",
    "    Delete slots information from current node.",
    "DELSLOTSRANGE <start slot> <end slot> [<start slot> <end slot> ...]",
    "    Delete slots information which are between <start-slot> and <end-slot> from current node.",
    "FAILOVER [FORCE|TAKEOVER]",
    "    Promote current replica node to being a master.",
    "FLUSHSLOTS",
    "    Delete current node own slots information.",
    "FORGET <node-id>",
    "    Remove a node from the cluster.",
    "GETKEYSINSLOT <slot> <count>",
    "    Return key names stored by current node in a slot.",
    "GETSLOTMIGRATIONS",
    "    Return the atomic migrations of this node, newest first.",
    "INFO",
    "    Return information about the cluster.",
    "KEYSLOT <key>",
    "    Return the hash slot for <key>.",
    "LINKS",
    "    Return information about all network links between this node and its peers.",
    "MEET <ip> <port> [<bus-port>]",
    "    Connect nodes into a working cluster.",
    "MIGRATESLOTS SLOTSRANGE <start slot> <end slot> [...] NODE <node-id> [SLOTSRANGE ...]",
    "    Move slots of this node to others, each group at once.",
    "MYID",
    "    Return the node id.",
    "NODES",
    "    Return cluster configuration seen by node. Output format:",
    "    <id> <ip:port@bus-port> <flags> <master> <pings> <pongs> <epoch> <link> <slot> ...",
    "REPLICAS <node-id>",
    "    Return <node-id> replicas.",
    "REPLICATE <node-id>",
    "    Configure current node as replica to <node-id>.",
    "RESET [HARD|SOFT]",
    "    Reset current node.",
    "RESHARD MOVE COUNT <slots> TO <node-id> [FROM <node-id> ...] [KEYWISE] [DRYRUN]",
    "    Move so many slots to a node, from the others evenly or from those named.",
    "RESHARD REBALANCE [KEYWISE] [DRYRUN]",
    "    Give every shard its share, with the fewest moves.",
    "RESHARD DRAIN FROM <node-id> [FROM <node-id> ...] [KEYWISE] [DRYRUN]",
    "    Move all slots of these nodes to the others. DRYRUN shows a plan and does nothing;",
    "    KEYWISE moves key by key, else each batch of slots moves at once.",
    "RESHARD (PROGRESS|PAUSE|RESUME|ABORT)",
    "    Show how far the plan is, with percent, rate and time left; hold it; go on; take back",
    "    what has not been decided.",
    "SAVECONFIG",
    "    Accepted: what is answered is on disk.",
    "SET-CONFIG-EPOCH <epoch>",
    "    Set config epoch of current node.",
    "SETSLOT <slot> (IMPORTING <node-id>|MIGRATING <node-id>|STABLE|NODE <node-id>)",
    "    Set slot state.",
    "SHARDS",
    "    Return information about slot range mappings and the nodes associated with them.",
    "SLOTS",
    "    Return information about slots range mappings. Each range is made of:",
    "    start, end, master and replicas IP addresses, ports and ids",
    NULL,
};

static const char *const command_help[] = {
    "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "(no subcommand)",
    "    Return details about all commands.",
    "COUNT",
    "    Return the total number of commands in this server.",
    "GETKEYS <full-command>",
    "    Return the keys from a full command.",
    "INFO [<command-name> ...]",
    "    Return details about multiple commands.",
    "LIST",
    "    Return a list of all commands.",
    NULL,
};

static const char *const config_help[] = {
    "CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "GET <pattern>",
    "    Return parameters matching the glob-like <pattern> and their values.",
    "RESETSTAT",
    "    Reset statistics reported by the INFO command.",
    "REWRITE",
    "    Refused: options are given on the command line.",
    "SET <directive> <value>",
    "    Set the configuration <directive> to <value>.",
    NULL,
};

static const char *const debug_help[] = {
    "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "DIGEST-VALUE <key> [<key> ...]",
    "    Return 40 hex digits for each key: equal where value and expiry are.",
    "SET-ACTIVE-EXPIRE (0|1)",
    "    Whether keys that have expired are removed without being asked for.",
    NULL,
};

static void lines_reply(struct call *call, const char *const *lines)
{
    size_t count = 0;
    while (lines[count] != NULL)
        count++;
    reply_array(call->reply, count + 2);
    for (size_t index = 0; index < count; index++)
        reply_status(call->reply, lines[index]);
    reply_status(call->reply, "HELP");
    reply_status(call->reply, "    Print this help.");
}

void command_client_help(struct call *call)
{
    lines_reply(call, client_help);
}

void command_cluster_help(struct call *call)
{
    lines_reply(call, cluster_help);
}

void command_command_help(struct call *call)
{
    lines_reply(call, command_help);
}

void command_config_help(struct call *call)
{
    lines_reply(call, config_help);
}

void command_debug_help(struct call *call)
{
    lines_reply(call, debug_help);
}
