/* SPDX-License-Identifier: MIT */
/* Room engine of slotd, promises: ordered at once, together or late; kept when the map says so, and
 * told when they cannot be. */
#include "desk.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { LATE_NS = 60000000, GATHERED = 8 };

static struct desk desk;

static struct ticket *promise(uint32_t kind, uint32_t when, uint32_t slot, reshard_shard_id shard)
{
    struct buffer words = {0};
    struct engine_wait wait = {kind == PROMISE_OPEN ? WAIT_OPEN : WAIT_OWNER, shard, 0,
        memory_take(sizeof(*wait.ranges)), 1};
    *wait.ranges = (struct reshard_range){slot, slot};
    words_add_text(&words, "setnode");
    engine_promise(&desk.engine, kind, when, &words, &wait);
    buffer_free(&words);
    return desk.engine.tickets;
}

static size_t sent(void)
{
    size_t count = 0;
    struct bus_message *message;
    for (; (message = desk_taken(&desk, BUS_REQUEST)) != NULL; count++)
        free(message);
    return count;
}

/* So much time has passed since the promise. */
static void age(struct ticket *ticket, uint64_t ns)
{
    ticket->asked_ns -= ns;
    ticket->due_ns -= ns;
}

static void refuse(const struct ticket *ticket)
{
    struct buffer rest = {0};
    const uint8_t head[9] = {1};
    buffer_append(&rest, head, sizeof head);
    buffer_append(&rest, "ERR no", 6);
    struct bus_message *message = desk_message(1, BUS_ANSWER, ticket->id, &rest);
    engine__answer_take(&desk.engine, message);
    free(message);
    engine__tickets_run(&desk.engine);
}

static uint32_t promised(uint32_t slot)
{
    reshard_shard_id shard = 0;
    uint32_t kind = engine_promised(&desk.engine, slot, &shard);
    cr_expect_eq(shard, kind == PROMISE_NONE ? 0 : 2);
    return kind;
}

Test(engine_promise, ordered_at_once_it_lasts_until_the_map_says_so)
{
    desk_make(&desk);
    struct ticket *ticket = promise(PROMISE_OWNER, PROMISE_NOW, 3, 2);
    cr_expect_eq(sent(), 1);
    engine__tickets_run(&desk.engine);
    cr_expect_eq(promised(3), PROMISE_OWNER);
    cr_expect_eq(promised(4), PROMISE_NONE);
    cr_expect(engine_promises(&desk.engine, UINT64_MAX));
    cr_expect_not(engine_promises(&desk.engine, ticket->asked_ns - 1), "promised later");
    age(ticket, ENGINE_ANSWER_NS);
    engine__tickets_run(&desk.engine);
    cr_expect_eq(desk.engine.tickets, ticket, "it is not given up");
    cr_expect_eq(promised(3), PROMISE_NONE, "but nobody waits any more");
    ticket->wait.shard = reshard_map_slot_owner(engine_map(&desk.engine), 3);
    engine__tickets_run(&desk.engine);
    cr_expect_null(desk.engine.tickets);
    desk_remove(&desk);
}

Test(engine_promise, late_one_is_sent_when_due_and_again)
{
    desk_make(&desk);
    struct ticket *ticket = promise(PROMISE_OWNER, PROMISE_LATE, 3, 2);
    desk.engine.deadline_ns = UINT64_MAX;
    engine__tickets_run(&desk.engine);
    engine__tickets_resend(&desk.engine);
    cr_expect_eq(sent(), 0);
    cr_expect_eq(desk.engine.deadline_ns, ticket->due_ns);
    age(ticket, LATE_NS);
    engine__tickets_run(&desk.engine);
    engine__tickets_run(&desk.engine);
    cr_expect_eq(sent(), 1);
    ticket->sent_ns -= ENGINE_RESEND_NS + 1;
    engine__tickets_resend(&desk.engine);
    cr_expect_eq(sent(), 1);
    desk_remove(&desk);
}

Test(engine_promise, gathered_go_together_when_the_first_is_due)
{
    desk_make(&desk);
    struct ticket *first = promise(PROMISE_OWNER, PROMISE_GATHER, 0, 2);
    struct ticket *second = promise(PROMISE_OWNER, PROMISE_GATHER, 1, 2);
    struct ticket *late = promise(PROMISE_OWNER, PROMISE_LATE, 2, 2);
    cr_expect_eq(second->due_ns, first->due_ns);
    engine__tickets_run(&desk.engine);
    cr_expect_eq(sent(), 0);
    cr_expect(engine_promises(&desk.engine, UINT64_MAX), "somebody looks");
    engine__tickets_run(&desk.engine);
    cr_expect_eq(sent(), 2);
    cr_expect_eq(late->sent_ns, 0);
    desk_remove(&desk);
}

Test(engine_promise, gathered_go_when_they_are_many)
{
    desk_make(&desk);
    for (uint32_t slot = 0; slot < GATHERED; slot++) {
        engine__tickets_run(&desk.engine);
        cr_expect_eq(sent(), 0);
        (void)promise(PROMISE_OWNER, PROMISE_GATHER, slot, 2);
    }
    engine__tickets_run(&desk.engine);
    cr_expect_eq(sent(), GATHERED);
    desk_remove(&desk);
}

Test(engine_promise, refusal_is_told_once_and_not_for_ever)
{
    struct buffer error = {0};
    desk_make(&desk);
    refuse(promise(PROMISE_OPEN, PROMISE_NOW, 3, 2));
    (void)sent();
    cr_expect_eq(promised(3), PROMISE_NONE);
    cr_expect_not(engine_promise_broken(&desk.engine, 4, &error));
    cr_assert(engine_promise_broken(&desk.engine, 3, &error));
    cr_expect_str_eq((const char *)error.data, "ERR no");
    cr_expect_not(engine_promise_broken(&desk.engine, 3, &error));
    engine__tickets_run(&desk.engine);
    cr_expect_null(desk.engine.tickets);
    struct ticket *ticket = promise(PROMISE_OPEN, PROMISE_NOW, 3, 2);
    refuse(ticket);
    age(ticket, ENGINE_PROMISE_NS);
    engine__tickets_run(&desk.engine);
    cr_expect_null(desk.engine.tickets);
    buffer_free(&error);
    desk_remove(&desk);
}

Test(engine_promise, leaving_the_cluster_ends_it)
{
    desk_make(&desk);
    (void)promise(PROMISE_OWNER, PROMISE_NOW, 3, 2);
    engine__tickets_fail(&desk.engine, "ERR gone");
    cr_expect_eq(promised(3), PROMISE_NONE);
    cr_expect_not(engine_promises(&desk.engine, UINT64_MAX));
    desk_remove(&desk);
}
