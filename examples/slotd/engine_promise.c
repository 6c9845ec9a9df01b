/* SPDX-License-Identifier: MIT */
/* Room engine: promises. SETSLOT is answered before the coordinator has heard of it; from then on
 * what was promised is ordered until it is so, or refused. What shows the map waits for it.
 *
 * Invariant: a promise ends when this node's map says what was promised, or when the coordinator
 * has answered; a refusal is told. It is never given up for want of an answer.
 */
#include "engine_room.h"

#include <string.h>

enum { GATHERED_MAX = 8 };
#define PROMISE_GATHER_NS ((uint64_t)10000000)
#define PROMISE_OPEN_LATE_NS ((uint64_t)5000000)
#define PROMISE_OWNER_LATE_NS ((uint64_t)50000000)
#define PROMISE_REST_NS ((uint64_t)50000000)

static bool unsent(const struct ticket *ticket)
{
    return ticket->promise != PROMISE_NONE && ticket->sent_ns == 0 && !ticket->done;
}

/* All that gather go in this turn. */
static void gathered_due(struct engine *engine, uint64_t now_ns)
{
    for (struct ticket *at = engine->tickets; at != NULL; at = at->next)
        if (at->gathers && unsent(at) && at->due_ns > now_ns) {
            at->due_ns = now_ns;
            engine->dirty = true;
        }
}

static uint64_t due_of(struct engine *engine, const struct ticket *ticket, uint32_t when)
{
    uint64_t now_ns = ticket->asked_ns;
    uint64_t due_ns = now_ns + PROMISE_GATHER_NS;
    size_t count = 1;
    if (when == PROMISE_NOW)
        return now_ns;
    if (when == PROMISE_LATE)
        return now_ns + (ticket->promise == PROMISE_OPEN ? PROMISE_OPEN_LATE_NS
                                                         : PROMISE_OWNER_LATE_NS);
    for (const struct ticket *at = engine->tickets; at != NULL; at = at->next)
        if (at != ticket && at->gathers && unsent(at)) {
            count++;
            due_ns = at->due_ns;
        }
    if (count < GATHERED_MAX)
        return due_ns;
    gathered_due(engine, now_ns);
    return now_ns;
}

bool engine__moves(const struct engine *engine, uint32_t mode)
{
    struct reshard_map_migration open = {.struct_size = sizeof(open)};
    for (uint32_t index = 0;
         reshard_map_migration_at(engine_map(engine), index, &open) == RESHARD_OK; index++)
        if (open.mode == mode)
            return true;
    return false;
}

bool engine_moves_by_hand(const struct engine *engine)
{
    return engine__moves(engine, RESHARD_MODE_KEYWISE);
}

bool engine_reaches_coordinator(const struct engine *engine)
{
    return engine->coordinator != NULL || bus_linked(engine->bus, engine->coordinator_id);
}

void engine_promise(struct engine *engine, uint32_t promise, uint32_t when,
    const struct buffer *words, const struct engine_wait *wait)
{
    struct ticket *ticket = engine__ticket_new(engine, words);
    ticket->wait = *wait;
    ticket->promise = promise;
    ticket->gathers = when == PROMISE_GATHER;
    ticket->dropped = true;
    ticket->due_ns = due_of(engine, ticket, when);
    if (when == PROMISE_NOW)
        engine__ticket_send(engine, ticket);
}

static uint32_t slot_of(const struct ticket *ticket)
{
    return ticket->wait.ranges[0].first;
}

/* Somebody may wait for it still. */
static bool pending(const struct ticket *ticket, uint64_t now_ns)
{
    return ticket->promise != PROMISE_NONE && !ticket->done &&
        now_ns - ticket->asked_ns < ENGINE_PROMISE_NS;
}

uint32_t engine_promised(
    const struct engine *engine, uint32_t slot, reshard_shard_id *shard_out)
{
    uint64_t now_ns = engine->tickets != NULL ? clock_monotonic_ns() : 0;
    for (const struct ticket *at = engine->tickets; at != NULL; at = at->next)
        if (pending(at, now_ns) && slot_of(at) == slot) {
            *shard_out = at->wait.shard;
            return at->promise;
        }
    return PROMISE_NONE;
}

bool engine__promised_open(const struct engine *engine, uint32_t slot)
{
    uint64_t now_ns = clock_monotonic_ns();
    for (const struct ticket *at = engine->tickets; at != NULL; at = at->next)
        if (at->promise == PROMISE_OPEN && pending(at, now_ns) && slot_of(at) == slot)
            return true;
    return false;
}

bool engine_promises(struct engine *engine, uint64_t until_ns)
{
    uint64_t now_ns = clock_monotonic_ns();
    bool any = engine_leaves_since(engine, until_ns);
    for (const struct ticket *at = engine->tickets; at != NULL; at = at->next)
        any = any || (pending(at, now_ns) && at->asked_ns <= until_ns);
    if (any)
        gathered_due(engine, now_ns);
    return any;
}

bool engine_promise_broken(struct engine *engine, uint32_t slot, struct buffer *error)
{
    for (struct ticket *at = engine->tickets; at != NULL; at = at->next)
        if (at->promise != PROMISE_NONE && at->failed && !at->dropped && slot_of(at) == slot) {
            buffer_append(error, at->text.data, at->text.size);
            at->dropped = true;
            return true;
        }
    return false;
}

void engine__promise_end(struct ticket *ticket)
{
    if (!ticket->failed)
        return;
    log_event(LOG_WARNING, "setslot_refused", "slot=%u shard=%u error=\"%s\"", slot_of(ticket),
        ticket->wait.shard, (const char *)ticket->text.data);
    ticket->dropped = false; /* the next command on the slot is told */
}

void engine__promises_run(struct engine *engine, uint64_t now_ns)
{
    for (struct ticket *at = engine->tickets; at != NULL; at = at->next) {
        if (at->promise != PROMISE_NONE && at->done &&
            now_ns - at->asked_ns > ENGINE_PROMISE_NS)
            at->dropped = true;
        if (!unsent(at))
            continue;
        if (now_ns >= at->due_ns)
            engine__ticket_send(engine, at);
        else if (at->due_ns < engine->deadline_ns)
            engine->deadline_ns = at->due_ns;
    }
}

/* redis-cli has seen to it that the source has nothing left; else the rest comes along. */
void engine__promises_tick(struct engine *engine, uint64_t now_ns)
{
    for (const struct ticket *at = engine->tickets; at != NULL; at = at->next)
        if (at->promise == PROMISE_OWNER && !at->done &&
            now_ns - at->asked_ns > PROMISE_REST_NS)
            engine_give_ask(engine, slot_of(at));
}
