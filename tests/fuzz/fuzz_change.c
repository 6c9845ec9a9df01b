/* SPDX-License-Identifier: MIT */
/* Fuzz target: a delta, that is changes one after the other, and a set of ranges. What is accepted
 * encodes to the same bytes, unknown trailing members aside; nothing is allocated, or, where the
 * ranges go to a scratch, at most 4 x input + 4 KiB. Then the changes are applied to a small map,
 * which must stay sound whatever they say. */
#include "fuzz/memory.h"
#include "support/alloc.h"
#include "tools/wire_maps.h"
#include "tools/wire_values.h"

enum { RANGES = 4096, CHANGES_MAX = 64, SLOTS = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct reshard_range ranges[RANGES];
static uint8_t again[1 << 16];

static void expect(bool condition)
{
    if (!condition)
        __builtin_trap();
}

static void expect_same(const struct reshard_change *change, const uint8_t *bytes, size_t size)
{
    size_t again_size = 0;
    expect(reshard__change_encode(change, again, sizeof again, &again_size) == RESHARD_OK);
    expect(again_size <= size);
    if (again_size == size)
        expect(memcmp(bytes, again, size) == 0);
}

/* How many changes were read. */
static unsigned read_all(const uint8_t *bytes, size_t size)
{
    struct reshard_change change;
    size_t offset = 0, before = 0;
    unsigned count = 0;
    int32_t status;
    while (!(status = reshard__change_decode(bytes, size, &offset, ranges, RANGES, &change))) {
        expect(offset > before && offset <= size);
        expect_same(&change, bytes + before, offset - before);
        before = offset;
        count++;
    }
    expect(status < 0 && offset == before);
    expect((status == RESHARD_E_EMPTY) == (offset == size));
    return count;
}

/* As many are read into a scratch that grows. */
static void expect_scratch(const uint8_t *bytes, size_t size, unsigned expected)
{
    struct support_alloc alloc;
    const struct reshard_allocator allocator = support_alloc_init(&alloc);
    struct reshard__mem mem;
    struct reshard__scratch scratch = {NULL, 0};
    struct reshard_change change;
    size_t offset = 0;
    unsigned count = 0;
    expect(reshard__mem_import(&mem, &allocator) == RESHARD_OK);
    while (reshard__change_read(&mem, &scratch, (struct reshard__bytes){bytes, size}, &offset,
               &change) == RESHARD_OK)
        count++;
    expect(count >= expected); /* read_all has room for fewer ranges */
    expect(alloc.peak_bytes <= 4 * size + 4096);
    reshard__scratch_free(&mem, &scratch);
    expect(support_alloc_clean(&alloc));
}

static void apply_all(const uint8_t *bytes, size_t size)
{
    struct reshard_map *map = NULL;
    struct reshard_change change;
    size_t offset = 0;
    expect(reshard_map_create(SLOTS, NULL, &map) == RESHARD_OK);
    expect(wire_map_populate(map, 3));
    for (unsigned i = 0; i < CHANGES_MAX; i++) {
        if (reshard__change_decode(bytes, size, &offset, ranges, RANGES, &change))
            break;
        (void)reshard_map_apply(map, &change);
    }
    expect(reshard__map_sound(map));
    reshard_map_destroy(map);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    size_t count = 0, again_size = 0;
    if (size > sizeof again)
        return 0;
    (void)memory_watch();
    unsigned changes = read_all(bytes, size);
    if (reshard__ranges_decode(bytes, size, ranges, RANGES, &count) == RESHARD_OK) {
        expect(
            reshard__ranges_encode(ranges, count, again, sizeof again, &again_size) == RESHARD_OK);
        expect(again_size == size && memcmp(bytes, again, size) == 0);
    }
    memory_expect_none();
    expect_scratch(bytes, size, changes);
    if (changes > 0)
        apply_all(bytes, size);
    return 0;
}
