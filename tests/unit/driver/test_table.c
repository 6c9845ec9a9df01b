/* SPDX-License-Identifier: MIT */
/* The table of open actions against a plain array. */
#include "driver/driver.h"
#include "support/alloc.h"

#include <criterion/criterion.h>

static struct reshard__mem mem_of(struct reshard_allocator *allocator)
{
    struct reshard__mem mem;
    cr_assert_eq(reshard__mem_import(&mem, allocator), RESHARD_OK);
    return mem;
}

static struct reshard__entry *add(
    struct reshard__table *table, const struct reshard__mem *mem, uint64_t id)
{
    struct reshard__entry *entry = reshard__table_reserve(table, mem);
    if (!entry)
        return NULL;
    entry->action.id = id;
    reshard__table_insert(table, mem, entry);
    return entry;
}

Test(table, find_answers_as_an_array_through_random_adds_and_removes)
{
    enum { ID_COUNT = 3000 };
    static struct reshard__entry *model[ID_COUNT];
    struct support_alloc alloc;
    struct reshard_allocator allocator = support_alloc_init(&alloc);
    struct reshard__mem mem = mem_of(&allocator);
    struct reshard__table table = {0};
    cr_assert_null(reshard__table_find(&table, 1));
    uint64_t seed = 7;
    for (size_t step = 0; step < 40000; step++) {
        size_t id = 1 + reshard__random_next(&seed) % (ID_COUNT - 1);
        cr_assert_eq(reshard__table_find(&table, id), model[id], "step %zu", step);
        if (model[id]) {
            reshard__table_remove(&table, model[id]);
            model[id] = NULL;
        } else {
            model[id] = add(&table, &mem, id);
        }
    }
    reshard__table_free(&table, &mem);
    cr_assert(support_alloc_clean(&alloc));
}

Test(table, entries_stay_where_they_are_while_it_grows)
{
    struct reshard__mem mem = mem_of(NULL);
    struct reshard__table table = {0};
    struct reshard__entry *first = add(&table, &mem, 1);
    for (uint64_t id = 2; id < 2000; id++)
        cr_assert_not_null(add(&table, &mem, id));
    cr_assert_eq(reshard__table_find(&table, 1), first);
    cr_assert_eq(table.open_count, 1999);
    reshard__table_free(&table, &mem);
}

Test(table, reserve_without_memory_changes_nothing_and_works_later)
{
    for (size_t fail_at = 1; fail_at < 40; fail_at++) {
        struct support_alloc alloc;
        struct reshard_allocator allocator = support_alloc_init(&alloc);
        struct reshard__mem mem = mem_of(&allocator);
        struct reshard__table table = {0};
        alloc.fail_at = fail_at;
        for (uint64_t id = 1; id <= 600; id++) {
            struct reshard__entry *entry = add(&table, &mem, id);
            if (!entry)
                entry = add(&table, &mem, id);
            cr_assert_not_null(entry, "fail_at %zu, id %llu", fail_at, (unsigned long long)id);
        }
        for (uint64_t id = 1; id <= 600; id++)
            cr_assert_eq(reshard__table_find(&table, id)->action.id, id);
        reshard__table_free(&table, &mem);
        cr_assert(support_alloc_clean(&alloc));
    }
}

Test(table, queue_gives_back_in_order)
{
    struct reshard__entry entries[3] = {0};
    struct reshard__entry_queue queue = {0};
    cr_assert_null(reshard__queue_pop(&queue));
    for (size_t i = 0; i < 3; i++)
        reshard__queue_push(&queue, &entries[i]);
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(reshard__queue_pop(&queue), &entries[i]);
    cr_assert_null(reshard__queue_pop(&queue));
    reshard__queue_push(&queue, &entries[1]);
    cr_assert_eq(reshard__queue_pop(&queue), &entries[1]);
}
