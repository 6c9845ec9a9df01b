/* SPDX-License-Identifier: MIT */
/* Room engine: requests of this node, until the coordinator has answered and what it did is known
 * here. A request is sent again until it is answered: the coordinator knows it by its number.
 *
 * request = ticket 8 | words.  answer = ticket 8 | failed 1 | migration 8 | text.
 */
#include "engine_room.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_HEAD_SIZE = 17 };

/* ---- what has to be true ---- */

static bool ranges_owned(const struct reshard_map *map, const struct engine_wait *wait)
{
    for (size_t index = 0; index < wait->range_count; index++)
        for (uint32_t slot = wait->ranges[index].first; slot <= wait->ranges[index].last; slot++)
            if (reshard_map_slot_owner(map, slot) != wait->shard)
                return false;
    return true;
}

static bool ranges_closed(const struct reshard_map *map, const struct engine_wait *wait)
{
    struct reshard_map_migration open = {.struct_size = sizeof(open)};
    for (size_t index = 0; index < wait->range_count; index++)
        for (uint32_t slot = wait->ranges[index].first; slot <= wait->ranges[index].last;
             slot++) {
            reshard_migration_id id = reshard_map_slot_migration(map, slot);
            if (id != 0 && reshard_map_migration_find(map, id, &open) == RESHARD_OK &&
                open.decision == RESHARD_DECISION_NONE)
                return false;
        }
    return true;
}

/* Each slot is on its way to the shard, or there. */
static bool ranges_open(const struct reshard_map *map, const struct engine_wait *wait)
{
    struct reshard_map_migration open = {.struct_size = sizeof(open)};
    for (size_t index = 0; index < wait->range_count; index++)
        for (uint32_t slot = wait->ranges[index].first; slot <= wait->ranges[index].last;
             slot++) {
            reshard_migration_id id = reshard_map_slot_migration(map, slot);
            bool leads = id != 0 &&
                reshard_map_migration_find(map, id, &open) == RESHARD_OK &&
                open.target == wait->shard;
            if (!leads && reshard_map_slot_owner(map, slot) != wait->shard)
                return false;
        }
    return true;
}

static bool known_or_open(const struct reshard_map *map, const struct engine_wait *wait,
    reshard_migration_id migration)
{
    return ranges_open(map, wait) ||
        (migration != 0 && reshard_map_last_migration(map) >= migration);
}

static bool primary_known(
    const struct reshard_map *map, const struct engine_wait *wait, uint64_t node_id)
{
    struct reshard_map_node node = {.struct_size = sizeof(node)};
    struct reshard_map_shard shard = {.struct_size = sizeof(shard)};
    return reshard_map_node_find(map, node_id, &node) == RESHARD_OK &&
        reshard_map_shard_find(map, node.shard, &shard) == RESHARD_OK && shard.primary != 0 &&
        ranges_owned(map, wait);
}

static bool node_in(const struct reshard_map *map, uint64_t node_id, reshard_shard_id shard)
{
    struct reshard_map_node node = {.struct_size = sizeof(node)};
    bool known = reshard_map_node_find(map, node_id, &node) == RESHARD_OK;
    return known && (shard == 0 || node.shard == shard);
}

static bool primary_is(const struct reshard_map *map, uint64_t node_id, reshard_shard_id shard_id)
{
    struct reshard_map_shard shard = {.struct_size = sizeof(shard)};
    return reshard_map_shard_find(map, shard_id, &shard) == RESHARD_OK &&
        shard.primary == node_id;
}

bool engine__waited(const struct reshard_map *map, const struct engine_wait *wait,
    reshard_migration_id migration, uint64_t node_id)
{
    switch (wait->kind) {
    case WAIT_OWNER:
        return ranges_owned(map, wait);
    case WAIT_MIGRATION:
        return reshard_map_last_migration(map) >= migration;
    case WAIT_OPEN:
        return known_or_open(map, wait, migration);
    case WAIT_CLOSED:
        return ranges_closed(map, wait);
    case WAIT_NODE:
        return primary_known(map, wait, node_id);
    case WAIT_GONE:
        return !node_in(map, wait->node, 0);
    case WAIT_REPLICA:
        return node_in(map, wait->node, wait->shard);
    case WAIT_PRIMARY:
        return primary_is(map, wait->node, wait->shard);
    case WAIT_VERSION:
        return reshard_map_version(map) >= migration;
    default:
        return true;
    }
}

void engine__wait_free(struct engine_wait *wait)
{
    free(wait->ranges);
    *wait = (struct engine_wait){0};
}

/* ---- life of a ticket ---- */

struct ticket *engine__ticket_new(struct engine *engine, const struct buffer *words)
{
    struct ticket *ticket = memory_take(sizeof(*ticket));
    ticket->id = engine->next_ticket++;
    ticket->asked_ns = clock_monotonic_ns();
    put_u64(buffer_reserve(&ticket->frame, 8), ticket->id);
    ticket->frame.size = 8;
    buffer_append(&ticket->frame, words->data, words->size);
    ticket->next = engine->tickets;
    engine->tickets = ticket;
    engine->dirty = true;
    return ticket;
}

static void ticket_free(struct ticket *ticket)
{
    engine__wait_free(&ticket->wait);
    buffer_free(&ticket->frame);
    buffer_free(&ticket->text);
    free(ticket);
}

static void ticket_end(struct engine *engine, struct ticket *ticket, const char *error)
{
    if (error != NULL) {
        ticket->failed = true;
        ticket->text.size = 0;
        buffer_append(&ticket->text, error, strlen(error) + 1);
    }
    ticket->done = true;
    if (ticket->promise != PROMISE_NONE)
        engine__promise_end(ticket);
    engine->store.wake_wanted = true;
}

/* Send to the coordinator: over the bus, or to the jobs of this process. */
void engine__ticket_send(struct engine *engine, struct ticket *ticket)
{
    struct bytes frame = {ticket->frame.data, ticket->frame.size};
    bool sent = true;
    if (ticket->address.port != 0) {
        sent = bus_send_address(engine->bus, &ticket->address, BUS_REQUEST, frame);
    } else if (engine->coordinator_id != engine->node_id) {
        sent = bus_send(engine->bus, engine->coordinator_id, BUS_REQUEST, frame,
            (struct bytes){NULL, 0});
    } else {
        struct bus_message *message = memory_take(sizeof(*message) + frame.size);
        message->from = engine->node_id;
        message->kind = BUS_REQUEST;
        message->size = frame.size;
        memcpy(message->data, frame.data, frame.size);
        engine__inbox_put(engine, message);
    }
    if (sent)
        ticket->sent_ns = clock_monotonic_ns();
}

struct ticket *engine_ask(
    struct engine *engine, const struct buffer *words, const struct engine_wait *wait)
{
    struct ticket *ticket = engine__ticket_new(engine, words);
    ticket->wait = *wait;
    engine__ticket_send(engine, ticket);
    return ticket;
}

bool ticket_done(const struct ticket *ticket)
{
    return ticket->done;
}

const char *ticket_error(const struct ticket *ticket, struct bytes *text_out)
{
    *text_out = (struct bytes){ticket->text.data, ticket->text.size};
    return ticket->failed ? (const char *)ticket->text.data : NULL;
}

void ticket_drop(struct engine *engine, struct ticket *ticket)
{
    if (ticket == NULL)
        return;
    ticket->dropped = true;
    engine->dirty = true; /* the next turn frees it, or goes on without anybody waiting */
}

bool engine__joining(const struct engine *engine)
{
    for (const struct ticket *at = engine->tickets; at != NULL; at = at->next)
        if (at->joins && !at->answered && !at->done)
            return true;
    return false;
}

/* ---- answers ---- */

void engine__answer_take(struct engine *engine, const struct bus_message *message)
{
    if (message->size < ANSWER_HEAD_SIZE)
        return;
    uint64_t id = get_u64(message->data);
    struct ticket *ticket = engine->tickets;
    while (ticket != NULL && (ticket->id != id || ticket->answered || ticket->done))
        ticket = ticket->next;
    /* Only a join is answered by a node of another cluster. */
    if (ticket == NULL || (message->foreign && !ticket->joins))
        return;
    ticket->answered = true;
    ticket->answered_ns = clock_monotonic_ns();
    ticket->failed = message->data[8] != 0;
    ticket->migration = get_u64(message->data + 9);
    ticket->text.size = 0;
    buffer_append(&ticket->text, message->data + ANSWER_HEAD_SIZE,
        message->size - ANSWER_HEAD_SIZE);
    if (ticket->failed)
        buffer_append(&ticket->text, "", 1);
    engine->dirty = true;
}

/* A request that another node sent here, though the coordinator is elsewhere. */
void engine__relay(struct engine *engine, uint64_t from, uint64_t id, struct bytes words)
{
    for (const struct ticket *at = engine->tickets; at != NULL; at = at->next)
        if (at->relay_node == from && at->relay_id == id)
            return;
    struct buffer copy = {(uint8_t *)(uintptr_t)words.data, words.size, 0};
    struct ticket *ticket = engine__ticket_new(engine, &copy);
    ticket->relay_node = from;
    ticket->relay_id = id;
    ticket->dropped = true; /* nobody here waits for it */
    engine__ticket_send(engine, ticket);
}

static void relay_answer(struct engine *engine, const struct ticket *ticket)
{
    uint8_t head[ANSWER_HEAD_SIZE];
    size_t size = ticket->text.size - (ticket->failed ? 1 : 0);
    put_u64(head, ticket->relay_id);
    head[8] = ticket->failed ? 1 : 0;
    put_u64(head + 9, ticket->migration);
    (void)bus_send(engine->bus, ticket->relay_node, BUS_ANSWER,
        (struct bytes){head, sizeof(head)}, (struct bytes){ticket->text.data, size});
}

static bool ticket_known(
    const struct engine *engine, const struct ticket *ticket, uint64_t now_ns)
{
    return ticket->failed || ticket->relay_node != 0 ||
        engine__waited(engine_map(engine), &ticket->wait, ticket->migration, engine->node_id) ||
        now_ns - ticket->answered_ns > ENGINE_KNOWN_NS;
}

static void ticket_join(struct engine *engine, struct ticket *ticket)
{
    struct buffer answer = ticket->text;
    ticket->text = (struct buffer){0};
    ticket->joins = false;
    engine__joined(engine, (struct bytes){answer.data, answer.size});
    buffer_free(&answer);
}

static void answer_wait(struct engine *engine, struct ticket *ticket, uint64_t waited_ns)
{
    if (ticket->promise != PROMISE_NONE)
        return;
    if (ticket->joins && ticket->sent_ns == 0 && waited_ns > ENGINE_MEET_NS)
        ticket_end(engine, ticket,
            "ERR no node that shares the secret listens there; nothing has changed");
    else if (waited_ns > ENGINE_ANSWER_NS)
        ticket_end(engine, ticket,
            "ERR the coordinator does not answer; it may or may not have been done");
}

static void ticket_run(struct engine *engine, struct ticket *ticket, uint64_t now_ns)
{
    if (ticket->done)
        return;
    if (ticket->promise != PROMISE_NONE && !ticket->failed &&
        engine__waited(engine_map(engine), &ticket->wait, ticket->migration, engine->node_id)) {
        ticket_end(engine, ticket, NULL);
        return;
    }
    if (!ticket->answered) {
        answer_wait(engine, ticket, now_ns - ticket->asked_ns);
        return;
    }
    if (ticket->joins && !ticket->failed) {
        ticket_join(engine, ticket);
        return;
    }
    if (!ticket_known(engine, ticket, now_ns))
        return;
    if (ticket->relay_node != 0)
        relay_answer(engine, ticket);
    ticket_end(engine, ticket, NULL);
}

void engine__tickets_run(struct engine *engine)
{
    uint64_t now_ns = clock_monotonic_ns();
    for (struct ticket *at = engine->tickets; at != NULL; at = at->next)
        ticket_run(engine, at, now_ns);
    engine__promises_run(engine, now_ns);
    struct ticket **link = &engine->tickets;
    while (*link != NULL) {
        struct ticket *ticket = *link;
        if (!ticket->done || !ticket->dropped) {
            link = &ticket->next;
            continue;
        }
        *link = ticket->next;
        ticket_free(ticket);
    }
}

void engine__tickets_resend(struct engine *engine)
{
    uint64_t now_ns = clock_monotonic_ns();
    for (struct ticket *at = engine->tickets; at != NULL; at = at->next)
        if (!at->answered && !at->done && now_ns >= at->due_ns &&
            now_ns - at->sent_ns > ENGINE_RESEND_NS)
            engine__ticket_send(engine, at);
}

/* The cluster that was asked is not ours any more; or, without text, all ends. */
void engine__tickets_fail(struct engine *engine, const char *text)
{
    struct ticket *at = engine->tickets;
    if (text == NULL)
        engine->tickets = NULL;
    while (at != NULL) {
        struct ticket *next = at->next;
        if (text == NULL)
            ticket_free(at);
        else if (!at->done && at->wait.kind != WAIT_NODE)
            ticket_end(engine, at, text);
        at = next;
    }
}

/* ---- joining ---- */

/* Slots that this node owns, in ranges; those with keys only, when asked so. */
static size_t own_ranges(
    struct engine *engine, bool with_keys, struct reshard_range *ranges)
{
    struct reshard_map_node self = {.struct_size = sizeof(self)};
    size_t count = 0;
    int64_t before = -2;
    (void)reshard_map_node_find(engine_map(engine), engine->node_id, &self);
    for (uint32_t slot = 0; slot < STORE_SLOT_COUNT; slot++) {
        struct store_stats stats;
        store_slot_stats(engine->slotd->store, slot, &stats);
        bool owned = reshard_map_slot_owner(engine_map(engine), slot) == self.shard;
        if (with_keys ? stats.key_count == 0 : !owned || self.shard == 0)
            continue;
        if ((int64_t)slot == before + 1)
            ranges[count - 1].last = slot;
        else
            ranges[count++] = (struct reshard_range){slot, slot};
        before = slot;
    }
    return count;
}

struct ticket *engine_meet(struct engine *engine, const char *host, int bus_port)
{
    char address[ADDRESS_TEXT_SIZE + 32];
    struct buffer words = {0};
    struct reshard_range *ranges = memory_take(STORE_SLOT_COUNT * sizeof(*ranges));
    struct reshard_change self =
        engine__self(engine, address, sizeof(address), 0, RESHARD_ROLE_REPLICA);
    words_add_text(&words, "join");
    words_add_number(&words, engine->node_id);
    words_add(&words, (struct bytes){(const uint8_t *)self.name, self.name_size});
    words_add_text(&words, self.address);
    words_add_ranges(&words, ranges, own_ranges(engine, false, ranges));
    words_add_ranges(&words, ranges, own_ranges(engine, true, ranges));
    struct ticket *ticket = engine__ticket_new(engine, &words);
    ticket->joins = true;
    ticket->wait.kind = WAIT_NODE;
    (void)snprintf(ticket->address.host, sizeof(ticket->address.host), "%s", host);
    ticket->address.port = bus_port;
    engine__ticket_send(engine, ticket);
    buffer_free(&words);
    free(ranges);
    return ticket;
}
