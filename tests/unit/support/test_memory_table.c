/* SPDX-License-Identifier: MIT */
/* The table against a plain array, and scans under writes. */
#include "base/base.h"
#include "memory_table.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { KEY_COUNT = 500 };

static size_t key_make(char *key, size_t size, size_t number)
{
    return (size_t)snprintf(key, size, "key:%zu", number);
}

static int32_t put(struct memory_table *table, size_t number, uint64_t value, uint64_t expiry_ns)
{
    char key[32];
    size_t size = key_make(key, sizeof key, number);
    return memory_table_put(table, (const uint8_t *)key, size, (const uint8_t *)&value,
        sizeof value, expiry_ns);
}

static int32_t take(struct memory_table *table, size_t number)
{
    char key[32];
    return memory_table_remove(
        table, (const uint8_t *)key, key_make(key, sizeof key, number));
}

static const struct memory_item *find(const struct memory_table *table, size_t number)
{
    char key[32];
    return memory_table_find(table, (const uint8_t *)key, key_make(key, sizeof key, number));
}

static void check_key(const struct memory_table *table, size_t number, uint64_t expected)
{
    const struct memory_item *item = find(table, number);
    cr_assert_eq(item != NULL, expected != 0, "key %zu", number);
    if (item)
        cr_assert_eq(memcmp(item->bytes + item->key_size, &expected, sizeof expected), 0);
}

Test(memory_table, random_writes_and_removals_agree_with_an_array)
{
    static uint64_t model[KEY_COUNT];
    struct memory_table table = {0};
    uint64_t seed = 3;
    uint32_t count = 0;
    for (size_t step = 1; step < 30000; step++) {
        size_t number = reshard__random_next(&seed) % KEY_COUNT;
        check_key(&table, number, model[number]);
        if (reshard__random_next(&seed) % 3) {
            count += model[number] == 0;
            model[number] = step;
            cr_assert_eq(put(&table, number, step, 0), RESHARD_OK);
        } else {
            cr_assert_eq(take(&table, number), model[number] ? RESHARD_OK : RESHARD_E_EMPTY);
            count -= model[number] != 0;
            model[number] = 0;
        }
        cr_assert_eq(table.key_count, count);
    }
    for (size_t number = 0; number < KEY_COUNT; number++)
        check_key(&table, number, model[number]);
    memory_table_free(&table);
}

Test(memory_table, the_digest_depends_on_what_is_there_and_not_on_how_it_came)
{
    struct memory_table a = {0}, b = {0};
    for (size_t i = 0; i < 100; i++)
        cr_assert_eq(put(&a, i, i, 0), RESHARD_OK);
    for (size_t i = 200; i-- > 0;)
        cr_assert_eq(put(&b, i, i + 1, 5), RESHARD_OK);
    for (size_t i = 0; i < 200; i++)
        cr_assert_eq(i < 100 ? put(&b, i, i, 0) : take(&b, i), RESHARD_OK);
    cr_assert_eq(a.digest.low, b.digest.low);
    cr_assert_eq(a.digest.high, b.digest.high);
    cr_assert_eq(put(&b, 7, 7, 1), RESHARD_OK);
    cr_assert_neq(a.digest.low, b.digest.low);
    memory_table_free(&a);
    memory_table_free(&b);
}

/* Keys below 100 stay; all others come and go while the scan runs. */
Test(memory_table, a_scan_by_position_sees_every_key_that_stayed)
{
    uint64_t seed = 11;
    for (size_t round = 0; round < 50; round++) {
        struct memory_table table = {0};
        bool seen[KEY_COUNT] = {false};
        for (size_t i = 0; i < KEY_COUNT; i++)
            cr_assert_eq(put(&table, i * 7 % KEY_COUNT, 1, 0), RESHARD_OK);
        for (uint32_t at = 0; at < table.position_count; at++) {
            size_t number;
            if (table.items[at] &&
                sscanf((const char *)table.items[at]->bytes, "key:%zu", &number) == 1)
                seen[number % KEY_COUNT] = true;
            number = 100 + reshard__random_next(&seed) % (KEY_COUNT - 100);
            if (reshard__random_next(&seed) % 2)
                (void)take(&table, number);
            else
                (void)put(&table, number, 2, 0);
        }
        for (size_t i = 0; i < 100; i++)
            cr_assert(seen[i], "round %zu, key %zu", round, i);
        memory_table_free(&table);
    }
}
