/* SPDX-License-Identifier: MIT */
/* Room command: CLUSTER commands that move slots, and how commands ask the coordinator: each
 * waits without holding up others, and answers when it is durable. */
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

/* ---- atomic migrations: words, order of checks and errors are those of Valkey 9 ---- */

struct slots_group {
    uint8_t *marks;              /* of all groups: 1 = in an earlier one, 2 = in this one */
    struct reshard_range *given; /* as they were named */
    struct reshard_range *ranges;
    size_t given_count;
    size_t range_count;
    reshard_shard_id owner;
    reshard_shard_id target;
};

/* Whether every slot of the range has the same owner as those before it. */
static bool range_owned(struct call *call, struct slots_group *group, struct reshard_range range)
{
    const struct reshard_map *map = cluster_map(call->slotd->cluster);
    for (uint32_t slot = range.first; slot <= range.last; slot++) {
        reshard_shard_id owner = reshard_map_slot_owner(map, slot);
        if (owner == 0) {
            reply_error_format(call->reply, "ERR Slot %u has no node served.", slot);
            return false;
        }
        if (group->owner != 0 && owner != group->owner) {
            reply_error(call->reply, "ERR Requested slots span multiple shards");
            return false;
        }
        group->owner = owner;
    }
    return true;
}

static bool range_apart(
    struct call *call, const struct slots_group *group, struct reshard_range range)
{
    for (size_t index = 0; index < group->given_count; index++) {
        struct reshard_range other = group->given[index];
        if (range.first > other.last || other.first > range.last)
            continue;
        reply_error_format(call->reply,
            "ERR Slot range %u-%u overlaps with previous range %u-%u.", range.first, range.last,
            other.first, other.last);
        return false;
    }
    return true;
}

/* first last [first last ...] from *index on, up to what is no number. */
static bool ranges_read(struct call *call, size_t *index, struct slots_group *group)
{
    int64_t number;
    for (; *index < call->arg_count && bytes_number(call->args[*index], &number); *index += 2) {
        struct reshard_range range;
        if (!call_slot(call, *index, &range.first))
            return false;
        if (*index + 1 == call->arg_count) {
            reply_error(call->reply, "ERR No end slot for final slot range");
            return false;
        }
        if (!call_slot(call, *index + 1, &range.last))
            return false;
        if (range.first > range.last) {
            reply_error_format(call->reply,
                "ERR Start slot number %u is greater than end slot number %u.", range.first,
                range.last);
            return false;
        }
        if (!range_owned(call, group, range) || !range_apart(call, group, range))
            return false;
        group->given[group->given_count++] = range;
    }
    if (group->given_count == 0)
        reply_error(call->reply, "ERR No slot ranges specified");
    return group->given_count > 0;
}

/* All slots are ours and stand in no earlier group. Whether they move already, the coordinator
 * knows. */
static bool group_check(struct call *call, struct slots_group *group)
{
    if (group->owner != cluster_my_shard(call->slotd->cluster)) {
        reply_error(call->reply, "ERR Slots are not served by this node.");
        return false;
    }
    for (size_t index = 0; index < group->given_count; index++) {
        struct reshard_range range = group->given[index];
        for (uint32_t slot = range.first; slot <= range.last; slot++) {
            if (group->marks[slot] == 1) {
                reply_error(call->reply, "ERR Slot ranges in migrations overlap");
                return false;
            }
            group->marks[slot] = 2;
        }
    }
    return true;
}

/* NODE name at *index. */
static bool target_read(struct call *call, size_t *index, struct slots_group *group)
{
    uint64_t node;
    if (*index + 1 >= call->arg_count || !bytes_is(call->args[*index], "NODE")) {
        call_syntax_error(call);
        return false;
    }
    struct bytes name = call->args[*index + 1];
    int size = name.size < 128 ? (int)name.size : 128;
    *index += 2;
    if (name.size != CLUSTER_NAME_SIZE) {
        reply_error_format(
            call->reply, "ERR Invalid node name: %.*s", size, (const char *)name.data);
        return false;
    }
    if (!cluster_node_find(call->slotd->cluster, name, &node, &group->target)) {
        reply_error_format(
            call->reply, "ERR Unknown node name: %.*s", size, (const char *)name.data);
        return false;
    }
    if (group->target == cluster_my_shard(call->slotd->cluster)) {
        reply_error(call->reply, "ERR Target node can not be this node.");
        return false;
    }
    return true;
}

/* SLOTSRANGE first last [first last ...] NODE name at *index. */
static bool group_read(struct call *call, size_t *index, struct slots_group *group)
{
    group->given_count = 0;
    group->owner = 0;
    if (!bytes_is(call->args[*index], "SLOTSRANGE")) {
        call_syntax_error(call);
        return false;
    }
    ++*index;
    return ranges_read(call, index, group) && group_check(call, group) &&
        target_read(call, index, group);
}

/* This group's slots as sorted ranges, and the group as an earlier one. */
static void group_close(struct slots_group *group)
{
    group->range_count = 0;
    for (uint32_t slot = 0; slot < STORE_SLOT_COUNT; slot++) {
        if (group->marks[slot] != 2)
            continue;
        group->marks[slot] = 1;
        if (group->range_count > 0 && group->ranges[group->range_count - 1].last + 1 == slot)
            group->ranges[group->range_count - 1].last = slot;
        else
            group->ranges[group->range_count++] = (struct reshard_range){slot, slot};
    }
}

/* Groups become one request: several opens, all or none. */
static void migrateslots_start(struct call *call)
{
    struct slots_group group = {0};
    struct buffer words = {0};
    struct engine_wait wait = {.kind = WAIT_MIGRATION};
    bool sound = !cluster_is_replica(call->slotd->cluster);
    size_t index = 2;
    if (!sound)
        reply_error(call->reply, "ERR Slot migration can only be used on primary nodes.");
    group.marks = memory_take(STORE_SLOT_COUNT);
    group.given = memory_take(STORE_SLOT_COUNT * sizeof(*group.given));
    group.ranges = memory_take(STORE_SLOT_COUNT * sizeof(*group.ranges));
    words_add_text(&words, "open");
    while (sound && index < call->arg_count) {
        sound = group_read(call, &index, &group);
        if (!sound)
            break;
        group_close(&group);
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
    free(group.given);
    free(group.marks);
}

void command_cluster_migrateslots(struct call *call)
{
    call_ok_run(call, migrateslots_start);
}

/* Whether this node gives slots away atomically, and that is not decided yet. */
static bool exports(const struct cluster *cluster)
{
    struct reshard_map_migration open = {.struct_size = sizeof(open)};
    for (uint32_t index = 0;
         reshard_map_migration_at(cluster_map(cluster), index, &open) == RESHARD_OK; index++)
        if (open.mode == RESHARD_MODE_SNAPSHOT && open.source == cluster_my_shard(cluster) &&
            open.decision == RESHARD_DECISION_NONE)
            return true;
    return false;
}

static void cancel_start(struct call *call)
{
    struct buffer words = {0};
    struct engine_wait wait = {.kind = WAIT_NOTHING};
    if (!exports(call->slotd->cluster)) {
        reply_error(call->reply, "ERR No migrations ongoing");
        return;
    }
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
    int64_t count; /* 0 = not given, as the target */
    reshard_shard_id target;
    struct buffer shards; /* words */
    size_t shard_count;
};

static bool count_read(struct call *call, size_t index, int64_t *count_out)
{
    if (!call_number(call, index, count_out))
        return false;
    if (*count_out >= 1 && *count_out <= STORE_SLOT_COUNT)
        return true;
    reply_error(call->reply, "ERR COUNT must be a number of slots from 1 to 16384");
    return false;
}

static bool is_node_word(struct bytes word)
{
    return bytes_is(word, "TO") || bytes_is(word, "FROM");
}

static void reshard_word_error(struct call *call, struct bytes word)
{
    reply_error_format(call->reply,
        "ERR CLUSTER RESHARD does not know '%.*s', or needs a word behind it. Try CLUSTER HELP.",
        (int)(word.size < 64 ? word.size : 64), (const char *)word.data);
}

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
        return count_read(call, ++*index, &asked->count);
    if (!more || !is_node_word(word)) {
        reshard_word_error(call, word);
        return false;
    }
    if (!cluster_node_find(call->slotd->cluster, call->args[++*index], &node, &shard)) {
        reply_error(call->reply, "ERR Unknown node");
        return false;
    }
    if (bytes_is(word, "TO"))
        asked->target = shard;
    else if (++asked->shard_count <= ENGINE_PLAN_SHARDS)
        words_add_number(&asked->shards, shard);
    return true;
}

/* What a verb needs, and what it would pass over; NULL: it is sound. */
static const char *reshard_refuse(struct bytes verb, const struct reshard_words *asked)
{
    bool from = asked->shard_count > 0;
    if (asked->shard_count > ENGINE_PLAN_SHARDS)
        return "ERR too many nodes; MOVE without FROM takes from all others";
    if (bytes_is(verb, "MOVE"))
        return asked->count > 0 && asked->target != 0
            ? NULL : "ERR MOVE needs COUNT <slots> and TO <node-id>";
    if (asked->count > 0 || asked->target != 0)
        return "ERR COUNT and TO go with MOVE only";
    if (bytes_is(verb, "DRAIN"))
        return from ? NULL : "ERR DRAIN needs FROM <node-id>";
    return from ? "ERR REBALANCE takes from all; DRAIN FROM <node-id> empties one" : NULL;
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

static bool is_verb(struct bytes word)
{
    return bytes_is(word, "MOVE") || bytes_is(word, "REBALANCE") || bytes_is(word, "DRAIN");
}

/* False: the error is out. */
static bool plan_read(struct call *call, struct bytes verb, struct reshard_words *asked)
{
    for (size_t index = 3; index < call->arg_count; index++)
        if (!reshard_option(call, asked, &index))
            return false;
    const char *refused = reshard_refuse(verb, asked);
    if (refused != NULL)
        reply_error(call->reply, refused);
    return refused == NULL;
}

/* CLUSTER RESHARD MOVE COUNT n TO node [FROM node ...] | REBALANCE | DRAIN FROM node ...
 * [DRYRUN] [KEYWISE], or PAUSE | RESUME | ABORT | PROGRESS */
static void reshard_start(struct call *call)
{
    struct reshard_words asked = {.mode = RESHARD_MODE_SNAPSHOT};
    struct buffer words = {0};
    struct engine_wait wait = {.kind = WAIT_NOTHING};
    struct bytes verb = call->args[2];
    bool sound = false;
    if (is_control(verb) && call->arg_count == 3) {
        words_add_text(&words, "control");
        words_add(&words, verb);
        sound = true;
    } else if (is_verb(verb)) {
        sound = plan_read(call, verb, &asked);
        plan_words(&asked, verb, &words);
    } else {
        reshard_word_error(call, is_control(verb) ? call->args[3] : verb);
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
