/* SPDX-License-Identifier: MIT */
/* Room node, tests: item lists and sets of keys. */
#include "rig.h"

static struct support_alloc alloc;
static struct reshard__mem mem;

static void mem_make(void)
{
    struct reshard_allocator allocator = support_alloc_init(&alloc);
    cr_assert_eq(reshard__mem_import(&mem, &allocator), RESHARD_OK);
}

Test(items, list_that_is_cut_is_not_sound)
{
    uint8_t bytes[2 * RIG_ITEM];
    size_t size = rig_item_put(bytes, 1, 2);
    size += rig_item_put(bytes + size, 3, 4);
    for (size_t cut = 0; cut <= size; cut++)
        cr_assert_eq(reshard__key_items_sound(bytes, cut), cut == RIG_ITEM || cut == size);
    bytes[4] = 0xFF; /* a state that is larger than all */
    bytes[7] = 0xFF;
    cr_assert_not(reshard__key_items_sound(bytes, size));
    bytes[0] = 0xFF;
    bytes[3] = 0xFF;
    cr_assert_not(reshard__key_items_sound(bytes, size));
}

Test(items, set_behaves_like_a_set)
{
    struct reshard__keys keys = {0};
    bool model[50] = {false};
    uint64_t random = 5;
    size_t count = 0;
    mem_make();
    for (int i = 0; i < 5000; i++) {
        uint8_t key = (uint8_t)(reshard__random_next(&random) % 50);
        size_t key_size = key % 2; /* the empty key is a key */
        key = (uint8_t)(key_size ? key : 0);
        cr_assert_eq(reshard__keys_have(&keys, &key, key_size), model[key]);
        if (reshard__random_next(&random) % 2) {
            cr_assert_eq(reshard__keys_add(&mem, &keys, &key, key_size), RESHARD_OK);
            count += !model[key];
            model[key] = true;
        } else {
            reshard__keys_remove(&keys, &key, key_size);
            count -= model[key];
            model[key] = false;
        }
        cr_assert_eq(keys.count, count);
    }
    reshard__keys_clear(&keys);
    cr_assert_eq(keys.count, 0);
    reshard__keys_free(&mem, &keys);
    cr_assert(support_alloc_clean(&alloc));
}

/* A list out of order, with keys that are not there; the others stay in their order. */
Test(items, removing_a_list_keeps_the_others_in_order)
{
    enum { COUNT = 1000 };
    static uint8_t bytes[COUNT * RIG_ITEM], list[COUNT * RIG_ITEM];
    struct reshard__keys keys = {0};
    struct reshard__key_item item;
    size_t size = 0, listed = 0, offset = 0;
    mem_make();
    for (uint64_t i = 0; i < COUNT; i++)
        size += rig_item_put(bytes + size, i, i);
    for (uint64_t i = COUNT + 50; i-- > 51;)
        if (i % 3)
            listed += rig_item_put(list + listed, i, 0);
    cr_assert_eq(reshard__keys_add_items(&mem, &keys, bytes, size), RESHARD_OK);
    cr_assert_eq(keys.count, COUNT);
    reshard__keys_remove_items(&keys, list, listed);
    uint64_t next = 0;
    while (reshard__key_item_next(keys.bytes, keys.size, &offset, &item) == RESHARD_OK) {
        uint64_t key = (uint64_t)item.key[0] | (uint64_t)item.key[1] << 8;
        cr_assert_eq(key, next);
        cr_assert(reshard__keys_have(&keys, item.key, item.key_size));
        next += next < 50 ? 1 : 3 - next % 3;
    }
    cr_assert_eq(next, 1002);
    reshard__keys_remove_items(&keys, bytes, size);
    cr_assert_eq(keys.count, 0);
    reshard__keys_remove_items(&keys, bytes, size);
    reshard__keys_free(&mem, &keys);
    cr_assert(support_alloc_clean(&alloc));
}

Test(items, set_without_memory_stays_as_it_was)
{
    struct reshard__keys keys = {0};
    uint8_t bytes[40 * RIG_ITEM];
    size_t size = 0;
    mem_make();
    for (uint64_t i = 0; i < 40; i++)
        size += rig_item_put(bytes + size, i, i);
    for (size_t n = 1; n <= 2; n++) {
        alloc.fail_at = alloc.calls + n;
        cr_assert_eq(reshard__keys_add_items(&mem, &keys, bytes, size), RESHARD_E_NOMEM);
        cr_assert_eq(keys.count, 0);
        reshard__keys_free(&mem, &keys);
    }
    alloc.fail_at = 0;
    cr_assert_eq(reshard__keys_add_items(&mem, &keys, bytes, size), RESHARD_OK);
    cr_assert_eq(keys.count, 40);
    cr_assert_eq(reshard__keys_add(&mem, &keys, bytes, (size_t)UINT32_MAX + 1), RESHARD_E_SIZE);
    reshard__keys_free(&mem, &keys);
    cr_assert(support_alloc_clean(&alloc));
}
