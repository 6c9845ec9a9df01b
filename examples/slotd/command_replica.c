/* SPDX-License-Identifier: MIT */
/* Room command: replicas: who follows whom, fail-over, and waiting for what replicas have. */
#include "command.h"

#include "log.h"
#include "replica.h"

#include <string.h>

enum { HANDOVER_MS = 5000 };

static struct replica *replica_of(const struct call *call)
{
    return engine_replica(call->slotd->engine);
}

/* ---- CLUSTER REPLICATE, CLUSTER REPLICAS ---- */

static void replicate_start(struct call *call)
{
    const struct cluster *cluster = call->slotd->cluster;
    struct buffer words = {0};
    struct engine_wait wait = {.kind = WAIT_REPLICA,
        .node = engine_node_id(call->slotd->engine)};
    uint64_t node;
    if (!cluster_node_find(cluster, call->args[2], &node, &wait.shard)) {
        call_node_error(call, 2);
        return;
    }
    if (node == wait.node) {
        reply_error(call->reply, "ERR Can't replicate myself");
        return;
    }
    if (!cluster_is_replica(cluster) && store_key_count(call->slotd->store) > 0) {
        reply_error(call->reply,
            "ERR To set a master the node must be empty and without assigned slots.");
        return;
    }
    words_add_text(&words, "replicate");
    words_add_number(&words, wait.node);
    words_add_number(&words, node);
    call_ask(call, &words, &wait);
    buffer_free(&words);
}

void command_cluster_replicate(struct call *call)
{
    call_ok_run(call, replicate_start);
}

void command_cluster_replicas(struct call *call)
{
    uint64_t node;
    reshard_shard_id shard;
    if (!cluster_node_find(call->slotd->cluster, call->args[2], &node, &shard))
        call_node_error(call, 2);
    else if (!cluster_replicas_reply(call->slotd->cluster, node, shard, call->reply))
        reply_error(call->reply, "ERR The specified node is not a master");
}

/* ---- CLUSTER FAILOVER [FORCE | TAKEOVER] ---- */

static void primary_ask(struct call *call)
{
    struct buffer words = {0};
    struct engine_wait wait = {.kind = WAIT_PRIMARY,
        .node = engine_node_id(call->slotd->engine),
        .shard = cluster_my_shard(call->slotd->cluster)};
    words_add_text(&words, "primary");
    words_add_number(&words, wait.node);
    call_ask(call, &words, &wait);
    buffer_free(&words);
}

/* FORCE: first the newest map, to see what this replica lacks. */
static void map_ask(struct call *call)
{
    struct buffer words = {0};
    struct engine_wait wait = {.kind = WAIT_VERSION};
    words_add_text(&words, "version");
    call->session->inquired = true;
    call_ask(call, &words, &wait);
    buffer_free(&words);
}

static void inquired(struct call *call)
{
    struct buffer text = {0};
    uint32_t missed = engine_missed_slots(call->slotd->engine);
    call->session->inquired = false;
    bool known = call_answered(call, &text);
    buffer_free(&text);
    if (known && missed > 0)
        reply_error_format(call->reply,
            "ERR this replica lacks %u slots that its master got since it was in sync; CLUSTER "
            "FAILOVER TAKEOVER promotes it without their keys", missed);
    else if (known)
        primary_ask(call);
}

/* Whether the shard's data is lost, as TAKEOVER of an empty node says: its primary does not answer,
 * and nothing of it was ever here. */
static bool data_lost(const struct call *call)
{
    const struct cluster *cluster = call->slotd->cluster;
    struct reshard_map_shard shard = {.struct_size = sizeof(shard)};
    return store_key_count(call->slotd->store) == 0 && !replica_follows(replica_of(call)) &&
        reshard_map_shard_find(cluster_map(cluster), cluster_my_shard(cluster), &shard) ==
            RESHARD_OK &&
        engine_health(call->slotd->engine, shard.primary).down;
}

/* NULL: it may begin. */
static const char *failover_refuse(const struct call *call, bool graceful, bool force)
{
    bool takeover = !graceful && !force;
    if (takeover && !bytes_is(call->args[2], "TAKEOVER"))
        return "ERR syntax error";
    if (!cluster_is_replica(call->slotd->cluster))
        return "ERR You should send CLUSTER FAILOVER to a replica";
    if (!replica_whole(replica_of(call)) && !(takeover && data_lost(call)))
        return "ERR this replica has no whole copy of its master's data yet";
    return NULL;
}

/* The primary stops its writes, and this replica applies all that it had. */
static void handover(struct call *call)
{
    struct session *session = call->session;
    uint64_t now_ns = clock_monotonic_ns();
    if (replica_handover(replica_of(call))) {
        primary_ask(call);
        return;
    }
    if (session->wait_ns == 0)
        session->wait_ns = now_ns;
    call->parked = now_ns - session->wait_ns < (uint64_t)HANDOVER_MS * 1000000;
    if (!call->parked)
        reply_error(call->reply,
            "ERR Master is down or failed, please use CLUSTER FAILOVER FORCE");
}

static void failover_start(struct call *call)
{
    bool graceful = call->arg_count == 2;
    bool force = !graceful && bytes_is(call->args[2], "FORCE");
    const char *refused = failover_refuse(call, graceful, force);
    if (refused != NULL)
        reply_error(call->reply, refused);
    else if (graceful)
        handover(call);
    else if (force)
        map_ask(call);
    else
        primary_ask(call);
}

void command_cluster_failover(struct call *call)
{
    bool inquires = call->session->ticket != NULL && call->session->inquired;
    if (call->arg_count > 3)
        call_shape_error(call);
    else if (!inquires)
        call_ok_run(call, failover_start);
    else if (!call_waits(call))
        inquired(call);
}

/* ---- WAIT, ROLE ---- */

/* WAIT replicas milliseconds (0 = for ever): replicas that have all that was written before. */
void command_wait(struct call *call)
{
    struct session *session = call->session;
    int64_t wanted, timeout_ms;
    uint64_t now_ns = clock_monotonic_ns();
    if (cluster_is_replica(call->slotd->cluster)) {
        reply_error(call->reply, "ERR WAIT cannot be used with replica instances.");
        return;
    }
    if (!call_number(call, 1, &wanted))
        return;
    if (!bytes_number(call->args[2], &timeout_ms)) {
        reply_error(call->reply, "ERR timeout is not an integer or out of range");
        return;
    }
    if (timeout_ms < 0) {
        reply_error(call->reply, "ERR timeout is negative");
        return;
    }
    if (session->wait_ns == 0) {
        session->wait_ns = now_ns;
        session->wait_offset = replica_offset(replica_of(call));
    }
    int64_t count = (int64_t)replica_count(replica_of(call), session->wait_offset);
    bool over = timeout_ms > 0 && (now_ns - session->wait_ns) / 1000000 >= (uint64_t)timeout_ms;
    call->parked = count < wanted && !over && !session->in_multi;
    if (!call->parked)
        reply_integer(call->reply, count);
}

static void role_replica(struct call *call)
{
    struct cluster_peer primary;
    uint64_t heard_ns;
    bool linked = replica_linked(replica_of(call), &heard_ns);
    bool whole = replica_whole(replica_of(call));
    cluster_primary(call->slotd->cluster, &primary);
    reply_array(call->reply, 5);
    reply_bulk_text(call->reply, "slave");
    reply_bulk_text(call->reply, primary.host);
    reply_integer(call->reply, primary.port);
    reply_bulk_text(call->reply, !linked ? "connect" : whole ? "connected" : "sync");
    reply_integer(call->reply, (int64_t)replica_offset(replica_of(call)));
}

void command_role(struct call *call)
{
    struct replica_peer peer;
    struct cluster_peer address;
    char number[NUMBER_TEXT_SIZE];
    uint32_t count = 0;
    if (cluster_is_replica(call->slotd->cluster)) {
        role_replica(call);
        return;
    }
    while (replica_peer_at(replica_of(call), count, &peer))
        count++;
    reply_array(call->reply, 3);
    reply_bulk_text(call->reply, "master");
    reply_integer(call->reply, (int64_t)replica_offset(replica_of(call)));
    reply_array(call->reply, count);
    for (uint32_t index = 0; replica_peer_at(replica_of(call), index, &peer); index++) {
        cluster_peer(call->slotd->cluster, peer.node, &address);
        reply_array(call->reply, 3);
        reply_bulk_text(call->reply, address.host);
        (void)number_text(address.port, number);
        reply_bulk_text(call->reply, number);
        (void)number_text((int64_t)peer.offset, number);
        reply_bulk_text(call->reply, number);
    }
}

/* ---- INFO replication ---- */

static void info_primary(const struct slotd *slotd, struct buffer *text)
{
    const struct replica *replica = engine_replica(slotd->engine);
    struct replica_peer peer;
    struct cluster_peer address;
    uint64_t now_ns = clock_monotonic_ns();
    uint32_t count = 0;
    uint32_t waited_for = 0;
    for (; replica_peer_at(replica, count, &peer); count++)
        waited_for += peer.in_sync ? 1 : 0;
    buffer_append_format(text, "role:master\r\nconnected_slaves:%u\r\n", count);
    for (uint32_t index = 0; replica_peer_at(replica, index, &peer); index++) {
        cluster_peer(slotd->cluster, peer.node, &address);
        buffer_append_format(text, "slave%u:ip=%s,port=%d,state=%s,offset=%llu,lag=%llu\r\n",
            index, address.host, address.port, peer.streaming ? "online" : "send_bulk",
            (unsigned long long)peer.offset,
            (unsigned long long)((now_ns - peer.heard_ns) / 1000000000));
    }
    buffer_append_format(text,
        "slotd_replicas_waited_for:%u\r\nmaster_failover_state:no-failover\r\n", waited_for);
}

static void info_replica(const struct slotd *slotd, struct buffer *text)
{
    const struct replica *replica = engine_replica(slotd->engine);
    struct cluster_peer primary;
    uint64_t heard_ns;
    bool linked = replica_linked(replica, &heard_ns);
    cluster_primary(slotd->cluster, &primary);
    buffer_append_format(text,
        "role:slave\r\nmaster_host:%s\r\nmaster_port:%d\r\nmaster_link_status:%s\r\n"
        "master_last_io_seconds_ago:%lld\r\nmaster_sync_in_progress:%d\r\n"
        "slave_repl_offset:%llu\r\nslave_priority:100\r\nslave_read_only:1\r\n"
        "slotd_replica_serves_reads:%d\r\nslotd_replica_full:%d\r\nconnected_slaves:0\r\n",
        primary.host, primary.port, linked && replica_whole(replica) ? "up" : "down",
        linked ? (long long)((clock_monotonic_ns() - heard_ns) / 1000000000) : -1LL,
        linked && !replica_whole(replica) ? 1 : 0,
        (unsigned long long)replica_offset(replica), replica_fresh(replica) ? 1 : 0,
        replica_full(replica) ? 1 : 0);
}

void command_info_replication(const struct slotd *slotd, struct buffer *text)
{
    const struct replica *replica = engine_replica(slotd->engine);
    buffer_append_text(text, "# Replication\r\n");
    if (cluster_is_replica(slotd->cluster))
        info_replica(slotd, text);
    else
        info_primary(slotd, text);
    buffer_append_format(text,
        "master_replid:%040llx\r\nmaster_replid2:%040d\r\nmaster_repl_offset:%llu\r\n"
        "second_repl_offset:-1\r\n",
        (unsigned long long)replica_stream_id(replica), 0,
        (unsigned long long)replica_offset(replica));
}
