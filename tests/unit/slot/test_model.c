/* SPDX-License-Identifier: MIT */
/* Room slot: random operations on slot sets against a plain array of bools. */
#include "unit/slot/support.h"

#include <criterion/criterion.h>
#include <string.h>

enum { SET_COUNT = 3, SLOTS_MAX = 5000, TEXT_SIZE = 1 << 16 };

struct pair {
    struct reshard_slot_set *set;
    bool model[SLOTS_MAX];
};

static struct pair pairs[SET_COUNT];
static uint32_t slot_count;

static bool model_at(const struct pair *pair, uint32_t slot)
{
    return slot < slot_count && pair->model[slot];
}

/* Whether the next `range_count` ranges are maximal runs of the model, of `count` slots in all. */
static bool ranges_agree(const struct pair *pair, uint32_t range_count, uint32_t count)
{
    struct reshard_range range;
    uint32_t cursor = 0;
    for (uint32_t i = 0; i < range_count; i++) {
        if (reshard_slot_set_range_next(pair->set, &cursor, &range) != RESHARD_OK)
            return false;
        bool run = model_at(pair, range.first) && !model_at(pair, range.last + 1) &&
                   (range.first == 0 || !model_at(pair, range.first - 1));
        if (!run || cursor != range.last + 1)
            return false;
        count -= range.last - range.first + 1;
    }
    return count == 0 && reshard_slot_set_range_next(pair->set, &cursor, &range) == RESHARD_E_EMPTY;
}

/* Counts, ranges and every slot. Calls no cr_assert: it is slow. */
static bool agrees(const struct pair *pair)
{
    uint32_t count = 0, range_count = 0;
    for (uint32_t slot = 0; slot < slot_count; slot++) {
        count += pair->model[slot];
        range_count += pair->model[slot] && !model_at(pair, slot + 1);
        if (reshard_slot_set_contains(pair->set, slot) != pair->model[slot])
            return false;
    }
    return reshard_slot_set_range_count(pair->set) == range_count &&
           reshard_slot_set_count(pair->set) == count && ranges_agree(pair, range_count, count);
}

static void model_combine(bool *a, const bool *b, uint32_t operation)
{
    for (uint32_t slot = 0; slot < slot_count; slot++)
        a[slot] = operation == 0   ? a[slot] || b[slot]
                  : operation == 1 ? a[slot] && !b[slot]
                                   : a[slot] && b[slot];
}

static int32_t combine(struct pair *a, const struct pair *b, uint32_t operation)
{
    static int32_t (*const functions[])(
        struct reshard_slot_set *, const struct reshard_slot_set *) = {
        reshard_slot_set_unite, reshard_slot_set_subtract, reshard_slot_set_intersect};
    model_combine(a->model, b->model, operation);
    return functions[operation](a->set, b->set);
}

/* There and back by text, ranges or bitmap. */
static int32_t round_trip(struct reshard_slot_set *set, uint32_t way)
{
    static char text[TEXT_SIZE];
    static struct reshard_range ranges[SLOTS_MAX];
    static uint8_t bytes[SLOTS_MAX];
    size_t size;
    int32_t status;
    if (way == 0) {
        status = reshard_slot_set_format(set, text, sizeof text, &size);
        return status ? status : reshard_slot_set_parse(set, text, size, NULL);
    }
    if (way == 1) {
        status = reshard_slot_set_export_ranges(set, ranges, SLOTS_MAX, &size);
        return status ? status : reshard_slot_set_import_ranges(set, ranges, size);
    }
    status = reshard_slot_set_export_bitmap(set, bytes, sizeof bytes, &size);
    return status ? status : reshard_slot_set_import_bitmap(set, bytes, size);
}

static bool relations_agree(const struct pair *a, const struct pair *b)
{
    bool equal = memcmp(a->model, b->model, slot_count * sizeof(bool)) == 0, overlap = false;
    for (uint32_t slot = 0; slot < slot_count; slot++)
        overlap |= a->model[slot] && b->model[slot];
    return reshard_slot_set_equal(a->set, b->set) == equal &&
           reshard_slot_set_overlap(a->set, b->set) == overlap;
}

static int32_t step(uint64_t *state)
{
    struct pair *a = &pairs[random_below(state, SET_COUNT)];
    struct pair *b = &pairs[random_below(state, SET_COUNT)];
    uint32_t kind = random_below(state, 1000);
    if (kind < 960) { /* short ranges are most: they make sets of many ranges */
        uint32_t first = random_below(state, slot_count);
        uint32_t size = random_below(state, kind % 50 ? 4 : slot_count) + 1;
        uint32_t last = first + size <= slot_count ? first + size - 1 : slot_count - 1;
        bool add = kind < 600;
        for (uint32_t slot = first; slot <= last; slot++)
            a->model[slot] = add;
        return add ? reshard_slot_set_add(a->set, first, last)
                   : reshard_slot_set_remove(a->set, first, last);
    }
    if (kind < 980)
        return combine(a, b, kind % 3);
    if (kind < 995)
        return round_trip(a->set, kind % 3);
    memset(a->model, 0, sizeof a->model);
    return reshard_slot_set_clear(a->set);
}

static void run(uint32_t slots, uint64_t seed, int steps)
{
    uint64_t state = seed;
    slot_count = slots;
    for (int i = 0; i < SET_COUNT; i++) {
        memset(pairs[i].model, 0, sizeof pairs[i].model);
        cr_assert_eq(reshard_slot_set_create(slots, NULL, &pairs[i].set), RESHARD_OK);
    }
    for (int i = 0; i < steps; i++) {
        cr_assert_eq(step(&state), RESHARD_OK, "seed %llu step %d", (unsigned long long)seed, i);
        bool right = true;
        if (i % (slots < 200 ? 1 : 16) == 0)
            for (int j = 0; j < SET_COUNT; j++)
                right = right && agrees(&pairs[j]) &&
                        relations_agree(&pairs[j], &pairs[(j + 1) % SET_COUNT]);
        cr_assert(right, "slots %u seed %llu step %d", slots, (unsigned long long)seed, i);
    }
    for (int i = 0; i < SET_COUNT; i++)
        reshard_slot_set_destroy(pairs[i].set);
}

Test(model, tiny_sets_agree)
{
    for (uint32_t slots = 1; slots <= 100; slots++)
        run(slots, 1000 + slots, 1000);
}

Test(model, sets_around_word_edges_agree)
{
    static const uint32_t slots[] = {63, 64, 65, 127, 128, 129, 190, 255, 256, 257};
    for (size_t i = 0; i < sizeof slots / sizeof slots[0]; i++)
        run(slots[i], slots[i], 5000);
}

Test(model, big_sets_in_both_forms_agree)
{
    run(5000, 5, 40000);
    run(4097, 6, 20000);
}

/* The checker must be able to fail. */
Test(model, disagreement_is_seen)
{
    slot_count = 100;
    memset(pairs[0].model, 0, sizeof pairs[0].model);
    pairs[0].set = set_of(100, "3-5,99");
    for (uint32_t slot = 3; slot <= 5; slot++)
        pairs[0].model[slot] = true;
    cr_assert_not(agrees(&pairs[0]));
    pairs[0].model[99] = true;
    cr_assert(agrees(&pairs[0]));
    pairs[0].model[4] = false;
    cr_assert_not(agrees(&pairs[0]));
    reshard_slot_set_destroy(pairs[0].set);
}
