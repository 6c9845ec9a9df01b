/* SPDX-License-Identifier: MIT */
/* Room command: CLUSTER, as far as one node alone can answer it. */
#include "command.h"

#include <stdlib.h>

void command_cluster_myid(struct call *call)
{
    reply_bulk_text(call->reply, cluster_my_name(call->slotd->cluster));
}

void command_cluster_nodes(struct call *call)
{
    struct buffer text = {0};
    cluster_nodes_text(call->slotd->cluster, &text);
    reply_verbatim(call->reply, (struct bytes){text.data, text.size});
    buffer_free(&text);
}

void command_cluster_info(struct call *call)
{
    struct buffer text = {0};
    cluster_info_text(call->slotd->cluster, &text);
    reply_verbatim(call->reply, (struct bytes){text.data, text.size});
    buffer_free(&text);
}

void command_cluster_slots(struct call *call)
{
    cluster_slots_reply(call->slotd->cluster, call->reply);
}

void command_cluster_shards(struct call *call)
{
    cluster_shards_reply(call->slotd->cluster, call->reply);
}

void command_cluster_keyslot(struct call *call)
{
    reply_integer(call->reply, cluster_key_slot(call->args[2]));
}

void command_cluster_countkeysinslot(struct call *call)
{
    struct store_stats stats;
    int64_t slot;
    if (!call_number(call, 2, &slot))
        return;
    if (slot < 0 || slot >= STORE_SLOT_COUNT) {
        reply_error(call->reply, "ERR Invalid slot");
        return;
    }
    store_slot_stats(call->slotd->store, (uint32_t)slot, &stats);
    reply_integer(call->reply,
        store_slot_visible(call->slotd->store, (uint32_t)slot) ? (int64_t)stats.key_count : 0);
}

/* A slot number in args[index]; answers the error when it is none. */
bool call_slot(struct call *call, size_t index, uint32_t *slot_out)
{
    int64_t number;
    if (!bytes_number(call->args[index], &number) || number < 0 || number >= STORE_SLOT_COUNT) {
        reply_error(call->reply, "ERR Invalid or out of range slot");
        return false;
    }
    *slot_out = (uint32_t)number;
    return true;
}

/* `fix` wants to give away the slots of a primary that is gone. It would serve them again when it
 * came back: a shard is led on by another node, and keeps its slots. */
static void busy_error(struct call *call, uint32_t slot)
{
    const struct cluster *cluster = call->slotd->cluster;
    struct reshard_map_shard owner = {.struct_size = sizeof(owner)};
    struct cluster_peer peer;
    (void)reshard_map_shard_find(
        cluster_map(cluster), reshard_map_slot_owner(cluster_map(cluster), slot), &owner);
    cluster_peer(cluster, owner.primary, &peer);
    if (!engine_health(call->slotd->engine, owner.primary).down)
        reply_error_format(call->reply, "ERR Slot %u is already busy", slot);
    else
        reply_error_format(call->reply, "ERR Slot %u is already busy: it belongs to %s:%d, which "
            "does not answer. Start that again, or promote its replica (CLUSTER FAILOVER FORCE); "
            "if its data is lost, make an empty node follow it (CLUSTER REPLICATE) and that one "
            "take over (CLUSTER FAILOVER TAKEOVER)", slot, peer.host, peer.port);
}

/* Mark slots first ... last; false when one stands there twice, or is owned (unowned, when `take`
 * is false); the error is out then. */
static bool slots_mark(
    struct call *call, uint8_t *marks, uint32_t first, uint32_t last, bool take)
{
    if (first > last) {
        reply_error_format(call->reply,
            "ERR start slot number %u is greater than end slot number %u", first, last);
        return false;
    }
    for (uint32_t slot = first; slot <= last; slot++) {
        if (cluster_slot_owned(call->slotd->cluster, slot) == take) {
            if (take)
                busy_error(call, slot);
            else
                reply_error_format(call->reply, "ERR Slot %u is already unassigned", slot);
            return false;
        }
        if (marks[slot] != 0) {
            reply_error_format(call->reply, "ERR Slot %u specified multiple times", slot);
            return false;
        }
        marks[slot] = 1;
    }
    return true;
}

/* Canonical ranges of the marked slots. */
static size_t ranges_of(const uint8_t *marks, struct reshard_range *ranges)
{
    size_t count = 0;
    for (uint32_t slot = 0; slot < STORE_SLOT_COUNT; slot++) {
        if (marks[slot] == 0)
            continue;
        if (slot > 0 && marks[slot - 1] != 0)
            ranges[count - 1].last = slot;
        else
            ranges[count++] = (struct reshard_range){slot, slot};
    }
    return count;
}

/* Mark all slots that the arguments name; false when the error is out. */
static bool slots_read(struct call *call, uint8_t *marks, bool pairs, bool take)
{
    size_t step = pairs ? 2 : 1;
    if (pairs && call->arg_count % 2 != 0) {
        reply_error_format(
            call->reply, "ERR wrong number of arguments for '%s' command", call->command->name);
        return false;
    }
    for (size_t index = 2; index < call->arg_count; index += step) {
        uint32_t first = 0;
        uint32_t last = 0;
        if (!call_slot(call, index, &first) || !call_slot(call, index + step - 1, &last) ||
            !slots_mark(call, marks, first, last, take))
            return false;
    }
    return true;
}

static void slots_ask(struct call *call, const uint8_t *marks, bool take)
{
    struct cluster *cluster = call->slotd->cluster;
    struct buffer words = {0};
    struct engine_wait wait = {.kind = WAIT_OWNER};
    wait.ranges = memory_take(STORE_SLOT_COUNT * sizeof(*wait.ranges));
    wait.range_count = ranges_of(marks, wait.ranges);
    wait.shard = take ? cluster_my_shard(cluster) : 0;
    words_add_text(&words, take ? "assign" : "unassign");
    words_add_number(&words, cluster_my_shard(cluster));
    words_add_ranges(&words, wait.ranges, wait.range_count);
    call_ask(call, &words, &wait);
    buffer_free(&words);
}

/* Ask for what is marked, then wait and answer. */
static void slots_change(struct call *call, const uint8_t *marks, bool take)
{
    struct buffer text = {0};
    if (call->session->ticket == NULL) {
        slots_ask(call, marks, take);
        return;
    }
    if (call_waits(call))
        return;
    if (call_answered(call, &text))
        reply_ok(call->reply);
    buffer_free(&text);
}

static void slots_named(struct call *call, bool pairs, bool take)
{
    uint8_t *marks = memory_take(STORE_SLOT_COUNT);
    if (call->session->ticket != NULL || slots_read(call, marks, pairs, take))
        slots_change(call, marks, take);
    free(marks);
}

void command_cluster_addslots(struct call *call)
{
    slots_named(call, false, true);
}

void command_cluster_addslotsrange(struct call *call)
{
    slots_named(call, true, true);
}

void command_cluster_delslots(struct call *call)
{
    slots_named(call, false, false);
}

void command_cluster_delslotsrange(struct call *call)
{
    slots_named(call, true, false);
}

/* All of this node's. */
void command_cluster_flushslots(struct call *call)
{
    const struct cluster *cluster = call->slotd->cluster;
    uint8_t *marks = memory_take(STORE_SLOT_COUNT);
    bool any = false;
    for (uint32_t slot = 0; slot < STORE_SLOT_COUNT; slot++) {
        bool own = cluster_my_shard(cluster) != 0 &&
            reshard_map_slot_owner(cluster_map(cluster), slot) == cluster_my_shard(cluster);
        marks[slot] = own ? 1 : 0;
        any = any || own;
    }
    bool waits = call->session->ticket != NULL;
    if (!waits && store_key_count(call->slotd->store) > 0)
        reply_error(call->reply, "ERR DB must be empty to perform CLUSTER FLUSHSLOTS.");
    else if (!waits && !any)
        reply_ok(call->reply);
    else
        slots_change(call, marks, false);
    free(marks);
}

void command_cluster_links(struct call *call)
{
    cluster_links_reply(call->slotd->cluster, call->reply);
}

/* What is answered is on disk. */
void command_cluster_saveconfig(struct call *call)
{
    reply_ok(call->reply);
}

/* Nobody but the node itself reports. */
void command_cluster_count_failure_reports(struct call *call)
{
    uint64_t node;
    reshard_shard_id shard;
    if (cluster_node_find(call->slotd->cluster, call->args[2], &node, &shard))
        reply_integer(call->reply, engine_health(call->slotd->engine, node).down ? 1 : 0);
    else
        call_node_error(call, 2);
}

void command_cluster_set_config_epoch(struct call *call)
{
    int64_t epoch;
    if (!call_number(call, 2, &epoch))
        return;
    if (epoch < 0) {
        reply_error_format(
            call->reply, "ERR Invalid config epoch specified: %lld", (long long)epoch);
        return;
    }
    const char *error = cluster_epoch_set(call->slotd->cluster, epoch);
    if (error == NULL)
        reply_ok(call->reply);
    else
        reply_error(call->reply, error);
}

void command_cluster_bumpepoch(struct call *call)
{
    struct buffer status = {0};
    bool bumped = false;
    uint64_t epoch = cluster_epoch_bump(call->slotd->cluster, &bumped);
    buffer_append_format(
        &status, "%s %llu", bumped ? "BUMPED" : "STILL", (unsigned long long)epoch);
    buffer_append(&status, "", 1);
    reply_status(call->reply, (const char *)status.data);
    buffer_free(&status);
}
