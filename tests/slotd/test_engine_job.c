/* SPDX-License-Identifier: MIT */
/* Room engine of slotd, requests at the coordinator: each is carried out once, in the order in
 * which they came, and answered when what it changed is durable; what is no request changes
 * nothing. */
#include "desk.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct desk desk;

static void ask(uint64_t from, uint64_t id, struct buffer *words)
{
    struct bus_message *message = desk_message(from, BUS_REQUEST, id, words);
    engine__request_take(&desk.engine, message);
    free(message);
}

static struct buffer owner_words(const char *word, uint64_t shard, uint32_t first, uint32_t last)
{
    struct buffer words = {0};
    struct reshard_range range = {first, last};
    words_add_text(&words, word);
    words_add_number(&words, shard);
    words_add_ranges(&words, &range, 1);
    return words;
}

static struct buffer slot_words(const char *word, uint64_t slot)
{
    struct buffer words = {0};
    words_add_text(&words, word);
    words_add_number(&words, slot);
    return words;
}

static struct buffer open_words(uint64_t mode, uint32_t first, uint32_t last)
{
    struct buffer words = {0};
    struct reshard_range range = {first, last};
    words_add_text(&words, "open");
    words_add_number(&words, mode);
    words_add_number(&words, mode == RESHARD_MODE_KEYWISE ? RESHARD_MIGRATION_OPERATOR : 0);
    words_add_number(&words, 1);
    words_add_number(&words, 2);
    words_add_ranges(&words, &range, 1);
    return words;
}

static const struct reshard_map *map(void)
{
    return reshard_coordinator_map(desk.engine.coordinator);
}

/* The answer to a request of this node: 0 = none, 1 = done, 2 = refused. */
static int answered(uint64_t id)
{
    struct bus_message *message = desk_taken(&desk, BUS_ANSWER);
    if (!message)
        return 0;
    cr_assert_eq(get_u64(message->data), id);
    int how = 1 + message->data[8];
    free(message);
    return how;
}

Test(engine_job, answer_waits_until_the_change_is_durable)
{
    desk_make(&desk);
    struct buffer words = owner_words("assign", 2, 20, 29);
    ask(1, 7, &words);
    engine__jobs_run(&desk.engine);
    cr_expect_eq(answered(7), 0);
    cr_expect_eq(reshard_map_slot_owner(map(), 20), 0);
    desk_pump(&desk);
    engine__jobs_run(&desk.engine);
    cr_expect_eq(answered(7), 1);
    cr_expect_eq(reshard_map_slot_owner(map(), 29), 2);
    desk_remove(&desk);
}

Test(engine_job, request_that_is_repeated_is_carried_out_once)
{
    desk_make(&desk);
    for (int times = 0; times < 3; times++) {
        struct buffer words = open_words(RESHARD_MODE_SNAPSHOT, 0, 3);
        ask(1, 7, &words);
        engine__jobs_run(&desk.engine);
        desk_pump(&desk);
    }
    cr_expect_eq(desk_jobs(&desk), 1);
    cr_expect_eq(reshard_map_last_migration(map()), 1);
    cr_expect_eq(answered(7), 1);
    cr_expect_eq(answered(7), 1, "the answer may have been lost");
    cr_expect_eq(answered(7), 0);
    struct buffer words = open_words(RESHARD_MODE_SNAPSHOT, 4, 5);
    ask(2, 7, &words); /* somebody else's number */
    cr_expect_eq(desk_jobs(&desk), 2);
    desk_remove(&desk);
}

/* redis-cli tells both ends, and goes on before the first of them has been heard. */
Test(engine_job, what_meets_an_opening_waits_until_that_is_durable)
{
    desk_make(&desk);
    struct buffer words = open_words(RESHARD_MODE_KEYWISE, 3, 3);
    ask(1, 7, &words);
    words = open_words(RESHARD_MODE_KEYWISE, 3, 3);
    ask(1, 8, &words);
    words = slot_words("setnode", 3);
    words_add_number(&words, 2);
    ask(1, 9, &words);
    engine__jobs_run(&desk.engine);
    engine__jobs_run(&desk.engine);
    cr_expect_eq(answered(7), 0);
    desk_pump(&desk);
    engine__jobs_run(&desk.engine);
    cr_expect_eq(answered(7), 1);
    cr_expect_eq(answered(8), 1, "it is the same migration");
    cr_expect_eq(answered(9), 0, "it is being finished");
    cr_expect_eq(reshard_map_last_migration(map()), 1);
    struct reshard_progress progress = {.struct_size = sizeof progress};
    cr_assert_eq(
        reshard_coordinator_progress(desk.engine.coordinator, 1, &progress), RESHARD_OK);
    cr_expect(progress.state & RESHARD_RUN_FINISHING);
    words = open_words(RESHARD_MODE_SNAPSHOT, 3, 3);
    ask(1, 10, &words);
    engine__jobs_run(&desk.engine);
    cr_expect_eq(answered(10), 2, "another one is refused");
    desk_remove(&desk);
}

Test(engine_job, migrations_before_one_that_is_refused_are_taken_back)
{
    desk_make(&desk);
    struct buffer words = open_words(RESHARD_MODE_SNAPSHOT, 4, 5);
    ask(1, 7, &words);
    engine__jobs_run(&desk.engine);
    desk_pump(&desk);
    engine__jobs_run(&desk.engine);
    cr_expect_eq(answered(7), 1);
    words = open_words(RESHARD_MODE_SNAPSHOT, 0, 1);
    struct buffer again = open_words(RESHARD_MODE_SNAPSHOT, 5, 6); /* 5 moves already */
    buffer_append(&words, again.data + 8, again.size - 8);
    buffer_free(&again);
    ask(1, 8, &words);
    engine__jobs_run(&desk.engine);
    cr_expect_eq(answered(8), 0, "its opening is not durable yet");
    desk_pump(&desk);
    engine__jobs_run(&desk.engine);
    cr_expect_eq(answered(8), 2);
    desk_pump(&desk);
    struct reshard_map_migration taken = {.struct_size = sizeof taken};
    cr_assert_eq(reshard_map_migration_find(map(), 2, &taken), RESHARD_OK);
    cr_expect_eq(taken.decision, RESHARD_DECISION_ABORT);
    cr_assert_eq(reshard_map_migration_find(map(), 1, &taken), RESHARD_OK);
    cr_expect_eq(taken.decision, RESHARD_DECISION_NONE, "the one of before goes on");
    desk_remove(&desk);
}

Test(engine_job, keywise_opened_from_both_sides_is_one_migration)
{
    desk_make(&desk);
    for (uint64_t id = 7; id <= 8; id++) { /* one side's CLUSTER SETSLOT, then the other's */
        struct buffer words = open_words(RESHARD_MODE_KEYWISE, 3, 3);
        ask(1, id, &words);
        engine__jobs_run(&desk.engine);
        desk_pump(&desk);
    }
    cr_expect_eq(reshard_map_last_migration(map()), 1);
    cr_expect_eq(desk.engine.jobs->migration, 1);
    cr_expect_not(desk.engine.jobs->failed);
    desk_remove(&desk);
}

Test(engine_job, setnode_assigns_opens_or_finds_it_done)
{
    static const struct {
        uint32_t slot;
        reshard_shard_id shard, owner;
        bool moves;
    } rows[] = {{20, 2, 2, false}, {3, 1, 1, false}, {4, 2, 1, true}};
    desk_make(&desk);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buffer words = slot_words("setnode", rows[i].slot);
        words_add_number(&words, rows[i].shard);
        ask(1, 7 + i, &words);
        engine__jobs_run(&desk.engine);
        desk_pump(&desk);
        engine__jobs_run(&desk.engine);
        cr_expect_eq(reshard_map_slot_owner(map(), rows[i].slot), rows[i].owner);
        cr_expect_eq(reshard_map_slot_migration(map(), rows[i].slot) != 0, rows[i].moves);
        cr_expect_eq(answered(7 + i), rows[i].moves ? 0 : 1, "row %zu", i);
    }
    struct buffer words = slot_words("setnode", 4);
    words_add_number(&words, 3);
    ask(1, 17, &words); /* elsewhere, while it moves */
    engine__jobs_run(&desk.engine);
    cr_expect_eq(answered(17), 2);
    words = slot_words("stable", 4);
    ask(1, 18, &words);
    engine__jobs_run(&desk.engine);
    cr_expect_eq(answered(18), 0);
    desk_pump(&desk);
    engine__jobs_run(&desk.engine);
    cr_expect_eq(answered(18), 1);
    desk_remove(&desk);
}

Test(engine_job, node_that_owns_slots_is_not_forgotten)
{
    static const struct {
        uint64_t node;
        int how;
    } rows[] = {{1, 2}, {3, 1}, {2, 1}}; /* the coordinator's; unknown; without slots */
    desk_make(&desk);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buffer words = slot_words("forget", rows[i].node);
        ask(1, 7 + i, &words);
        engine__jobs_run(&desk.engine);
        desk_pump(&desk);
        engine__jobs_run(&desk.engine);
        cr_expect_eq(answered(7 + i), rows[i].how, "row %zu", i);
    }
    struct reshard_map_node node = {.struct_size = sizeof node};
    struct reshard_map_shard shard = {.struct_size = sizeof shard};
    cr_expect_neq(reshard_map_node_find(map(), 2, &node), RESHARD_OK);
    cr_expect_neq(reshard_map_shard_find(map(), 2, &shard), RESHARD_OK);
    cr_expect_eq(reshard_map_node_find(map(), 1, &node), RESHARD_OK);
    desk_remove(&desk);
}

/* Every prefix of every request, and words that mean nothing. */
Test(engine_job, what_is_no_request_changes_nothing)
{
    desk_make(&desk);
    uint64_t version = reshard_map_version(map()), id = 7;
    struct buffer whole[] = {owner_words("assign", 2, 20, 29), owner_words("unassign", 1, 0, 3),
        open_words(RESHARD_MODE_SNAPSHOT, 0, 3), slot_words("setnode", 20),
        slot_words("stable", STORE_SLOT_COUNT), slot_words("wish", 1), slot_words("primary", 9)};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        size_t last = i < 3 ? whole[i].size - 1 : whole[i].size;
        for (size_t size = 0; size <= last; size++) {
            struct buffer words = {0};
            buffer_append(&words, whole[i].data, size);
            ask(1, id++, &words);
        }
        engine__jobs_run(&desk.engine);
        desk_pump(&desk);
        buffer_free(&whole[i]);
    }
    cr_expect_eq(reshard_map_version(map()), version);
    struct buffer words = owner_words("assign", 2, 20, 29);
    struct bus_message *message = desk_message(9, BUS_REQUEST, id, &words);
    size_t jobs = desk_jobs(&desk);
    message->foreign = true;
    engine__request_take(&desk.engine, message);
    message->size = 7;
    message->foreign = false;
    engine__request_take(&desk.engine, message);
    free(message);
    cr_expect_eq(desk_jobs(&desk), jobs, "another cluster's, and one without a number");
    desk_remove(&desk);
}

Test(engine_job, answered_jobs_are_forgotten_open_ones_never)
{
    desk_make(&desk);
    struct buffer words = slot_words("setnode", 4);
    words_add_number(&words, 2);
    ask(1, 1, &words); /* waits for its migration */
    for (uint64_t id = 2; id < 2 * ENGINE_JOBS_MAX; id++) {
        words = owner_words("assign", 1, 0, 3); /* is so already */
        ask(1, id, &words);
        engine__jobs_run(&desk.engine);
    }
    desk_pump(&desk);
    cr_expect_eq(desk_jobs(&desk), ENGINE_JOBS_MAX + 1);
    cr_expect_eq(desk.engine.jobs_open, 1);
    words = slot_words("setnode", 4);
    words_add_number(&words, 2);
    ask(1, 1, &words);
    cr_expect_eq(desk_jobs(&desk), ENGINE_JOBS_MAX + 1, "it is known still");
    desk_remove(&desk);
}
