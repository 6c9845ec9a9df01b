/* SPDX-License-Identifier: MIT */
/* Room engine of slotd, requests of this node: sent again until they are answered, done when what
 * they did is known here, passed on for others once, and never left hanging. */
#include "desk.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct desk desk;

static struct ticket *ask(uint32_t wait_kind)
{
    struct buffer words = {0};
    struct engine_wait wait = {.kind = wait_kind, .node = 9};
    words_add_text(&words, "version");
    struct ticket *ticket = engine_ask(&desk.engine, &words, &wait);
    buffer_free(&words);
    return ticket;
}

/* failed 1 | migration 8 | text */
static void answer(uint64_t id, bool failed, const char *text, bool foreign)
{
    struct buffer rest = {0};
    uint8_t head[9] = {failed};
    buffer_append(&rest, head, sizeof head);
    buffer_append(&rest, text, strlen(text));
    struct bus_message *message = desk_message(1, BUS_ANSWER, id, &rest);
    message->foreign = foreign;
    engine__answer_take(&desk.engine, message);
    free(message);
}

/* How many requests were sent since; all of this number. */
static size_t sent(uint64_t id)
{
    size_t count = 0;
    struct bus_message *message;
    for (; (message = desk_taken(&desk, BUS_REQUEST)) != NULL; count++) {
        cr_assert_eq(get_u64(message->data), id);
        free(message);
    }
    return count;
}

static const char *error_of(const struct ticket *ticket)
{
    struct bytes text;
    return ticket_error(ticket, &text);
}

Test(engine_ticket, answered_and_known_is_done_with_its_text)
{
    desk_make(&desk);
    struct ticket *ticket = ask(WAIT_NOTHING);
    struct bytes text;
    cr_expect_eq(sent(ticket->id), 1);
    engine__tickets_run(&desk.engine);
    cr_expect_not(ticket_done(ticket));
    answer(ticket->id + 1, false, "for another", false);
    answer(ticket->id, false, "of another cluster", true);
    engine__tickets_run(&desk.engine);
    cr_expect_not(ticket_done(ticket));
    answer(ticket->id, false, "text", false);
    answer(ticket->id, true, "a second answer", false);
    engine__tickets_run(&desk.engine);
    cr_expect(ticket_done(ticket));
    cr_expect_null(ticket_error(ticket, &text));
    cr_expect(bytes_equal(text, bytes_of("text")));
    desk_remove(&desk);
}

Test(engine_ticket, done_is_told_when_it_is_known_here_a_refusal_at_once)
{
    desk_make(&desk);
    struct ticket *waits = ask(WAIT_REPLICA); /* node 9 is in no map */
    struct ticket *refused = ask(WAIT_REPLICA);
    answer(waits->id, false, "", false);
    answer(refused->id, true, "ERR no", false);
    engine__tickets_run(&desk.engine);
    cr_expect_not(ticket_done(waits));
    cr_expect(ticket_done(refused));
    cr_expect_str_eq(error_of(refused), "ERR no");
    waits->answered_ns -= ENGINE_KNOWN_NS + 1;
    engine__tickets_run(&desk.engine);
    cr_expect(ticket_done(waits), "it is not waited for for ever");
    cr_expect_null(error_of(waits));
    desk_remove(&desk);
}

Test(engine_ticket, request_without_answer_is_sent_again_and_given_up)
{
    desk_make(&desk);
    struct ticket *ticket = ask(WAIT_NOTHING);
    (void)sent(ticket->id);
    engine__tickets_resend(&desk.engine);
    cr_expect_eq(sent(ticket->id), 0, "not at once");
    ticket->sent_ns -= ENGINE_RESEND_NS + 1;
    engine__tickets_resend(&desk.engine);
    cr_expect_eq(sent(ticket->id), 1);
    ticket->asked_ns -= ENGINE_ANSWER_NS + 1;
    engine__tickets_run(&desk.engine);
    cr_expect(ticket_done(ticket));
    cr_expect_not_null(strstr(error_of(ticket), "may or may not"));
    answer(ticket->id, false, "late", false);
    cr_expect_not_null(error_of(ticket));
    ticket->sent_ns = 0;
    engine__tickets_resend(&desk.engine);
    cr_expect_eq(sent(ticket->id), 0);
    desk_remove(&desk);
}

Test(engine_ticket, request_of_another_node_is_passed_on_once)
{
    desk_make(&desk);
    struct buffer words = {0};
    words_add_text(&words, "version");
    struct bytes bytes = {words.data, words.size};
    for (int times = 0; times < 3; times++)
        engine__relay(&desk.engine, 2, 40, bytes);
    struct ticket *ticket = desk.engine.tickets;
    cr_assert(ticket && ticket->next == NULL);
    cr_expect_eq(sent(ticket->id), 1);
    engine__relay(&desk.engine, 3, 40, bytes);
    cr_expect_eq(desk.engine.tickets->next, ticket, "somebody else's number");
    buffer_free(&words);
    desk_remove(&desk);
}

Test(engine_ticket, dropped_goes_on_and_is_freed_when_done)
{
    desk_make(&desk);
    struct ticket *ticket = ask(WAIT_NOTHING);
    ticket_drop(&desk.engine, ticket);
    engine__tickets_run(&desk.engine);
    cr_expect_eq(desk.engine.tickets, ticket);
    answer(ticket->id, false, "", false);
    engine__tickets_run(&desk.engine);
    cr_expect_null(desk.engine.tickets);
    ticket_drop(&desk.engine, NULL);
    desk_remove(&desk);
}

Test(engine_ticket, leaving_the_cluster_ends_all_but_a_join)
{
    desk_make(&desk);
    struct ticket *asked = ask(WAIT_NOTHING), *joins = ask(WAIT_NODE);
    engine__tickets_fail(&desk.engine, "ERR gone");
    cr_expect(ticket_done(asked));
    cr_expect_str_eq(error_of(asked), "ERR gone");
    cr_expect_not(ticket_done(joins));
    desk_remove(&desk);
}

/* Of the coordinator's map: node 1 has shard 1, which owns 0 ... 9; node 2 has shard 2. */
Test(engine_ticket, what_is_waited_for_is_judged_by_the_map)
{
    desk_make(&desk);
    struct reshard_range ranges[] = {{0, 9}, {20, 29}, {9, 10}};
    const struct {
        struct engine_wait wait;
        uint64_t migration, node;
        bool met;
    } rows[] = {
        {{.kind = WAIT_NOTHING}, 0, 0, true},
        {{.kind = WAIT_OWNER, .shard = 1, .ranges = &ranges[0], .range_count = 1}, 0, 0, true},
        {{.kind = WAIT_OWNER, .shard = 2, .ranges = &ranges[0], .range_count = 1}, 0, 0, false},
        {{.kind = WAIT_OWNER, .shard = 0, .ranges = &ranges[1], .range_count = 1}, 0, 0, true},
        {{.kind = WAIT_OWNER, .shard = 1, .ranges = &ranges[2], .range_count = 1}, 0, 0, false},
        {{.kind = WAIT_MIGRATION}, 0, 0, true},
        {{.kind = WAIT_MIGRATION}, 1, 0, false},
        {{.kind = WAIT_OPEN, .shard = 1, .ranges = &ranges[0], .range_count = 1}, 1, 0, true},
        {{.kind = WAIT_OPEN, .shard = 2, .ranges = &ranges[0], .range_count = 1}, 0, 0, false},
        {{.kind = WAIT_OPEN, .shard = 2, .ranges = &ranges[0], .range_count = 1}, 1, 0, false},
        {{.kind = WAIT_CLOSED, .ranges = &ranges[0], .range_count = 1}, 0, 0, true},
        {{.kind = WAIT_NODE}, 0, 1, true},
        {{.kind = WAIT_NODE}, 0, 9, false},
        {{.kind = WAIT_GONE, .node = 9}, 0, 0, true},
        {{.kind = WAIT_GONE, .node = 2}, 0, 0, false},
        {{.kind = WAIT_REPLICA, .node = 2, .shard = 2}, 0, 0, true},
        {{.kind = WAIT_REPLICA, .node = 2, .shard = 1}, 0, 0, false},
        {{.kind = WAIT_PRIMARY, .node = 2, .shard = 2}, 0, 0, true},
        {{.kind = WAIT_PRIMARY, .node = 1, .shard = 2}, 0, 0, false},
        {{.kind = WAIT_VERSION}, 3, 0, true},
        {{.kind = WAIT_VERSION}, 300, 0, false},
    };
    const struct reshard_map *map = reshard_coordinator_map(desk.engine.coordinator);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect_eq(engine__waited(map, &rows[i].wait, rows[i].migration, rows[i].node),
            rows[i].met, "row %zu", i);
    desk_remove(&desk);
}
