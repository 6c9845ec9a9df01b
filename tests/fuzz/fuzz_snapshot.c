/* SPDX-License-Identifier: MIT */
/* Fuzz target: a snapshot of the slot map. What is accepted is a sound map that encodes to the same
 * bytes, unknown trailing members aside. Memory stays within the bound that wire.h states, and all
 * of it comes back. */
#include "support/alloc.h"
#include "wire/schema.h"

enum { SLOTS_MAX = 4096, MAP_SLOT_SIZE = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static uint8_t again[1 << 16];

static void expect(bool condition)
{
    if (!condition)
        __builtin_trap();
}

/* Slots that the input announces: what the map takes for them is no news. 0 = no snapshot. */
static uint64_t slots_announced(const uint8_t *bytes, size_t size)
{
    struct reshard__walk walk;
    size_t error_offset;
    if (reshard__array_walk(bytes, size, 0, RESHARD__SNAPSHOT_ITEMS_MAX, &walk, &error_offset) !=
        RESHARD_OK)
        return 0;
    return walk.member_count > 1 ? walk.members[1].value : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct support_alloc alloc;
    struct reshard_allocator allocator = support_alloc_init(&alloc);
    struct reshard_map *map = NULL;
    size_t offset = 0, again_size = 0;
    uint64_t slots = slots_announced(bytes, size);
    if (slots > SLOTS_MAX || size > sizeof again)
        return 0;
    int32_t status = reshard__map_decode(bytes, size, &allocator, &map, &offset);
    expect(status <= 0 && offset <= size && (status == RESHARD_OK) == (map != NULL));
    expect(alloc.peak_bytes <= RESHARD__SNAPSHOT_MEMORY * size + 4096 + MAP_SLOT_SIZE * slots);
    if (!status) {
        expect(reshard__map_sound(map));
        expect(reshard__map_encode(map, again, sizeof again, &again_size) == RESHARD_OK);
        expect(again_size <= size);
        if (again_size == size)
            expect(memcmp(bytes, again, size) == 0);
    }
    reshard_map_destroy(map);
    expect(support_alloc_clean(&alloc));
    return 0;
}
