/* SPDX-License-Identifier: MIT */
/* Room command: nodes that come and go: CLUSTER MEET, FORGET, RESET. */
#include "command.h"

#include "replica.h"

#include <arpa/inet.h>
#include <string.h>

static bool meet_port(struct call *call, size_t index, const char *which, int64_t *port_out)
{
    if (bytes_number(call->args[index], port_out))
        return true;
    reply_error_format(call->reply, "ERR Invalid TCP %s port specified: %.*s", which,
        (int)(call->args[index].size < 64 ? call->args[index].size : 64),
        (const char *)call->args[index].data);
    return false;
}

/* Numbers only: nodes are not looked up by name. */
static bool address_sound(struct bytes host, int64_t port, int64_t bus_port)
{
    struct in6_addr address;
    char text[ADDRESS_TEXT_SIZE];
    if (host.size >= sizeof(text) || port < 1 || port > 65535 || bus_port < 1 || bus_port > 65535)
        return false;
    memcpy(text, host.data, host.size);
    text[host.size] = '\0';
    return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

/* CLUSTER MEET host port [bus port] */
static void meet_start(struct call *call)
{
    char host[ADDRESS_TEXT_SIZE];
    int64_t port, bus_port;
    if (!meet_port(call, 3, "base", &port))
        return;
    bus_port = port <= 55535 ? port + 10000 : port - 10000;
    if (call->arg_count == 5 && !meet_port(call, 4, "bus", &bus_port))
        return;
    if (!address_sound(call->args[2], port, bus_port)) {
        reply_error_format(call->reply, "ERR Invalid node address specified: %.*s:%.*s",
            (int)(call->args[2].size < sizeof(host) ? call->args[2].size : sizeof(host)),
            (const char *)call->args[2].data, (int)call->args[3].size,
            (const char *)call->args[3].data);
        return;
    }
    memcpy(host, call->args[2].data, call->args[2].size);
    host[call->args[2].size] = '\0';
    if (reshard_map_node_count(cluster_map(call->slotd->cluster)) > 1) {
        reply_error(call->reply,
            "ERR this node belongs to a cluster; let the other node meet this one");
        return;
    }
    call->session->ticket = engine_meet(call->slotd->engine, host, (int)bus_port);
    call->parked = true;
}

void command_cluster_meet(struct call *call)
{
    if (call->arg_count > 5)
        call_shape_error(call);
    else
        call_ok_run(call, meet_start);
}

static void forget_start(struct call *call)
{
    struct buffer words = {0};
    struct engine_wait wait = {.kind = WAIT_GONE};
    reshard_shard_id shard = 0;
    if (!cluster_node_find(call->slotd->cluster, call->args[2], &wait.node, &shard)) {
        /* redis-cli tells every node; the first that hears it has it forgotten everywhere */
        if (call->args[2].size == CLUSTER_NAME_SIZE)
            reply_ok(call->reply);
        else
            call_node_error(call, 2);
        return;
    }
    if (bytes_equal(call->args[2], bytes_of(cluster_my_name(call->slotd->cluster)))) {
        reply_error(call->reply, "ERR I tried hard but I can't forget myself...");
        return;
    }
    if (shard == cluster_my_shard(call->slotd->cluster) &&
        cluster_leads(call->slotd->cluster, wait.node, shard)) {
        reply_error(call->reply, "ERR Can't forget my master!");
        return;
    }
    words_add_text(&words, "forget");
    words_add_number(&words, wait.node);
    call_ask(call, &words, &wait);
    buffer_free(&words);
}

void command_cluster_forget(struct call *call)
{
    call_ok_run(call, forget_start);
}

static bool reset_sound(const struct call *call)
{
    return call->arg_count == 2 ||
        (call->arg_count == 3 &&
            (bytes_is(call->args[2], "HARD") || bytes_is(call->args[2], "SOFT")));
}

void command_cluster_reset(struct call *call)
{
    const struct reshard_map *map = cluster_map(call->slotd->cluster);
    reshard_shard_id own = cluster_my_shard(call->slotd->cluster);
    struct reshard_map_shard shard = {.struct_size = sizeof(shard)};
    if (!reset_sound(call)) {
        if (call->arg_count > 3)
            call_shape_error(call);
        else
            call_syntax_error(call);
        return;
    }
    (void)reshard_map_shard_find(map, own, &shard);
    /* A replica may not have heard yet that it was forgotten. */
    bool replica = cluster_is_replica(call->slotd->cluster);
    bool owns = !replica && shard.slot_count > 0 && reshard_map_node_count(map) > 1;
    bool follows = replica || replica_follows(engine_replica(call->slotd->engine));
    if ((store_key_count(call->slotd->store) > 0 && !follows) || owns) {
        reply_error(call->reply,
            "ERR CLUSTER RESET can't be called with master nodes containing keys or slots");
        return;
    }
    engine_reset(call->slotd->engine);
    reply_ok(call->reply);
}
