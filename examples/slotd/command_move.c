/* SPDX-License-Identifier: MIT */
/* Room command: CLUSTER commands that change the cluster: nodes in and out, slots given and moved.
 * Each asks the coordinator, waits without holding up others, and answers when it is durable. */
#include "command.h"

#include "log.h"
#include "replica.h"

#include <reshard/action.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- asking ---- */

void call_ask(struct call *call, const struct buffer *words, const struct engine_wait *wait)
{
    call->session->ticket = engine_ask(call->slotd->engine, words, wait);
    call->parked = true;
}

bool call_waits(struct call *call)
{
    call->parked = !ticket_done(call->session->ticket);
    return call->parked;
}

bool call_answered(struct call *call, struct buffer *text)
{
    struct bytes answer;
    struct ticket *ticket = call->session->ticket;
    const char *error = ticket_error(ticket, &answer);
    if (error != NULL)
        reply_error(call->reply, error);
    else
        buffer_append(text, answer.data, answer.size);
    ticket_drop(call->slotd->engine, ticket);
    call->session->ticket = NULL;
    return error == NULL;
}

/* Begin when nothing is under way, else wait and answer OK. */
void call_ok_run(struct call *call, void (*start)(struct call *call))
{
    struct buffer text = {0};
    if (call->session->ticket == NULL) {
        start(call);
        return;
    }
    if (call_waits(call))
        return;
    if (call_answered(call, &text))
        reply_ok(call->reply);
    buffer_free(&text);
}

static void text_run(struct call *call, void (*start)(struct call *call))
{
    struct buffer text = {0};
    if (call->session->ticket == NULL) {
        start(call);
        return;
    }
    if (call_waits(call))
        return;
    if (call_answered(call, &text))
        reply_verbatim(call->reply, (struct bytes){text.data, text.size});
    buffer_free(&text);
}

/* ---- nodes ---- */

/* CLUSTER MEET host port [bus port] */
static void meet_start(struct call *call)
{
    char host[ADDRESS_TEXT_SIZE];
    int64_t port, bus_port;
    if (!bytes_number(call->args[3], &port) || call->args[2].size >= sizeof(host)) {
        reply_error(call->reply, "ERR Invalid base port specified");
        return;
    }
    bus_port = port <= 55535 ? port + 10000 : port - 10000;
    if (call->arg_count == 5 && !call_number(call, 4, &bus_port))
        return;
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
        call_syntax_error(call);
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
        reply_ok(call->reply);
        return;
    }
    if (bytes_equal(call->args[2], bytes_of(cluster_my_name(call->slotd->cluster)))) {
        reply_error(call->reply, "ERR I tried hard but I can't forget myself...");
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
        call_syntax_error(call);
        return;
    }
    (void)reshard_map_shard_find(map, own, &shard);
    bool owns = shard.slot_count > 0 && reshard_map_node_count(map) > 1;
    bool follows = replica_follows(engine_replica(call->slotd->engine));
    if ((store_key_count(call->slotd->store) > 0 && !follows) || owns) {
        reply_error(call->reply,
            "ERR CLUSTER RESET can't be called with master nodes containing keys or slots");
        return;
    }
    engine_reset(call->slotd->engine);
    reply_ok(call->reply);
}

/* ---- atomic migrations ---- */

struct slots_target {
    uint8_t *marks;
    struct reshard_range *ranges;
    size_t range_count;
    reshard_shard_id target;
};

/* SLOTSRANGE first last [first last ...] NODE name at *index. */
static bool group_read(struct call *call, size_t *index, struct slots_target *group)
{
    uint64_t node;
    if (!bytes_is(call->args[*index], "SLOTSRANGE")) {
        call_syntax_error(call);
        return false;
    }
    size_t at = *index + 1;
    while (at + 1 < call->arg_count && !bytes_is(call->args[at], "NODE")) {
        uint32_t first, last;
        if (!call_slot(call, at, &first) || !call_slot(call, at + 1, &last))
            return false;
        if (first > last) {
            reply_error_format(call->reply,
                "ERR start slot number %u is greater than end slot number %u", first, last);
            return false;
        }
        memset(group->marks + first, 1, last - first + 1);
        at += 2;
    }
    if (at == *index + 1 || at + 1 >= call->arg_count) {
        call_syntax_error(call);
        return false;
    }
    if (!cluster_node_find(call->slotd->cluster, call->args[at + 1], &node, &group->target)) {
        reply_error(call->reply, "ERR Unknown node");
        return false;
    }
    *index = at + 2;
    return true;
}

static void marks_range(struct slots_target *group)
{
    group->range_count = 0;
    for (uint32_t slot = 0; slot < STORE_SLOT_COUNT; slot++) {
        if (group->marks[slot] == 0)
            continue;
        if (slot > 0 && group->marks[slot - 1] != 0)
            group->ranges[group->range_count - 1].last = slot;
        else
            group->ranges[group->range_count++] = (struct reshard_range){slot, slot};
    }
}

/* All slots are ours and go elsewhere. */
static bool group_check(struct call *call, const struct slots_target *group)
{
    const struct reshard_map *map = cluster_map(call->slotd->cluster);
    reshard_shard_id own = cluster_my_shard(call->slotd->cluster);
    if (group->target == own) {
        reply_error(call->reply, "ERR Target node can not be the same as the source node");
        return false;
    }
    for (uint32_t slot = 0; slot < STORE_SLOT_COUNT; slot++)
        if (group->marks[slot] != 0 && reshard_map_slot_owner(map, slot) != own) {
            reply_error(call->reply, "ERR Slots are not served by this node");
            return false;
        }
    return true;
}

/* Groups become one request: several opens, all or none. */
static void migrateslots_start(struct call *call)
{
    struct slots_target group = {0};
    struct buffer words = {0};
    struct engine_wait wait = {.kind = WAIT_MIGRATION};
    bool sound = true;
    size_t index = 2;
    group.marks = memory_take(STORE_SLOT_COUNT);
    group.ranges = memory_take(STORE_SLOT_COUNT * sizeof(*group.ranges));
    words_add_text(&words, "open");
    while (sound && index < call->arg_count) {
        memset(group.marks, 0, STORE_SLOT_COUNT);
        sound = group_read(call, &index, &group) && group_check(call, &group);
        if (!sound)
            break;
        marks_range(&group);
        words_add_number(&words, RESHARD_MODE_SNAPSHOT);
        words_add_number(&words, 0);
        words_add_number(&words, cluster_my_shard(call->slotd->cluster));
        words_add_number(&words, group.target);
        words_add_ranges(&words, group.ranges, group.range_count);
    }
    if (sound)
        call_ask(call, &words, &wait);
    buffer_free(&words);
    free(group.ranges);
    free(group.marks);
}

void command_cluster_migrateslots(struct call *call)
{
    call_ok_run(call, migrateslots_start);
}

static void cancel_start(struct call *call)
{
    struct buffer words = {0};
    struct engine_wait wait = {.kind = WAIT_NOTHING};
    words_add_text(&words, "cancel");
    words_add_number(&words, cluster_my_shard(call->slotd->cluster));
    call_ask(call, &words, &wait);
    buffer_free(&words);
}

void command_cluster_cancelslotmigrations(struct call *call)
{
    call_ok_run(call, cancel_start);
}

static void list_start(struct call *call)
{
    struct buffer words = {0};
    struct engine_wait wait = {.kind = WAIT_NOTHING};
    words_add_text(&words, "list");
    words_add_text(&words, cluster_my_name(call->slotd->cluster));
    call_ask(call, &words, &wait);
    buffer_free(&words);
}

/* One line of the coordinator's list: fields "name=value", tab between them. */
static void migration_reply(struct reply *reply, char *line)
{
    size_t count = 1;
    char *rest = NULL;
    for (const char *at = line; *at != '\0'; at++)
        count += *at == '\t' ? 1 : 0;
    reply_map(reply, count);
    for (char *field = strtok_r(line, "\t", &rest); field != NULL;
         field = strtok_r(NULL, "\t", &rest)) {
        char *value = strchr(field, '=');
        reply_bulk(reply, (struct bytes){(const uint8_t *)field, (size_t)(value - field)});
        reply_bulk_text(reply, value + 1);
    }
}

void command_cluster_getslotmigrations(struct call *call)
{
    struct buffer text = {0};
    char *rest = NULL;
    size_t count = 0;
    if (call->session->ticket == NULL) {
        list_start(call);
        return;
    }
    if (call_waits(call) || !call_answered(call, &text))
        return;
    for (size_t index = 0; index < text.size; index++)
        count += text.data[index] == '\n' ? 1 : 0;
    buffer_append(&text, "", 1);
    reply_array(call->reply, count);
    for (char *line = strtok_r((char *)text.data, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest))
        migration_reply(call->reply, line);
    buffer_free(&text);
}

/* ---- plans ---- */

struct reshard_words {
    bool dry;
    uint32_t mode;
    int64_t count;
    reshard_shard_id target;
    struct buffer shards; /* words */
};

/* One of: DRYRUN, KEYWISE, COUNT n, TO name, FROM name; false: the error is out. */
static bool reshard_option(struct call *call, struct reshard_words *asked, size_t *index)
{
    struct bytes word = call->args[*index];
    bool more = *index + 1 < call->arg_count;
    reshard_shard_id shard = 0;
    uint64_t node;
    if (bytes_is(word, "DRYRUN")) {
        asked->dry = true;
        return true;
    }
    if (bytes_is(word, "KEYWISE")) {
        asked->mode = RESHARD_MODE_KEYWISE;
        return true;
    }
    if (more && bytes_is(word, "COUNT"))
        return call_number(call, ++*index, &asked->count);
    if (!more || (!bytes_is(word, "TO") && !bytes_is(word, "FROM"))) {
        call_syntax_error(call);
        return false;
    }
    if (!cluster_node_find(call->slotd->cluster, call->args[++*index], &node, &shard)) {
        reply_error(call->reply, "ERR Unknown node");
        return false;
    }
    if (bytes_is(word, "TO"))
        asked->target = shard;
    else
        words_add_number(&asked->shards, shard);
    return true;
}

static bool is_control(struct bytes word)
{
    return bytes_is(word, "PAUSE") || bytes_is(word, "RESUME") || bytes_is(word, "ABORT") ||
        bytes_is(word, "PROGRESS");
}

static void plan_words(
    const struct reshard_words *asked, struct bytes verb, struct buffer *words)
{
    words_add_text(words, "plan");
    words_add(words, verb);
    words_add_number(words, asked->dry ? 1 : 0);
    words_add_number(words, asked->mode);
    words_add_number(words, asked->count > 0 ? (uint64_t)asked->count : 0);
    words_add_number(words, asked->target);
    buffer_append(words, asked->shards.data, asked->shards.size);
}

/* CLUSTER RESHARD MOVE COUNT n TO node [FROM node ...] | REBALANCE | DRAIN FROM node ...
 * [DRYRUN] [KEYWISE], or PAUSE | RESUME | ABORT | PROGRESS */
static void reshard_start(struct call *call)
{
    struct reshard_words asked = {.mode = RESHARD_MODE_SNAPSHOT};
    struct buffer words = {0};
    struct engine_wait wait = {.kind = WAIT_NOTHING};
    struct bytes verb = call->args[2];
    bool sound = true;
    if (is_control(verb) && call->arg_count == 3) {
        words_add_text(&words, "control");
        words_add(&words, verb);
    } else if (bytes_is(verb, "MOVE") || bytes_is(verb, "REBALANCE") || bytes_is(verb, "DRAIN")) {
        for (size_t index = 3; sound && index < call->arg_count; index++)
            sound = reshard_option(call, &asked, &index);
        plan_words(&asked, verb, &words);
    } else {
        call_syntax_error(call);
        sound = false;
    }
    if (sound)
        call_ask(call, &words, &wait);
    buffer_free(&asked.shards);
    buffer_free(&words);
}

void command_cluster_reshard(struct call *call)
{
    text_run(call, reshard_start);
}
