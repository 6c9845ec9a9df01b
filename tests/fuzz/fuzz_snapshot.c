/* SPDX-License-Identifier: MIT */
/* Fuzz target: a snapshot of the slot map. What is accepted is a sound map that encodes to the same
 * bytes, unknown trailing members aside. The check allocates nothing, filling takes at most 4 x
 * input + 4 KiB; what the map takes for itself stays within its own bound, which wire.h states. All
 * of it comes back. */
#include "fuzz/memory.h"
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

/* Pass 1 on its own, watched. */
static int32_t check(const uint8_t *bytes, size_t size, struct reshard__snapshot *snapshot)
{
    size_t offset = 0;
    (void)memory_watch();
    int32_t status = reshard__snapshot_check(bytes, size, snapshot, &offset);
    memory_expect_none();
    expect(status <= 0 && offset <= size && (status < 0 || offset == size));
    return status;
}

static void expect_same(const struct reshard_map *map, const uint8_t *bytes, size_t size)
{
    size_t again_size = 0;
    expect(reshard__map_sound(map));
    expect(reshard__map_encode(map, again, sizeof again, &again_size) == RESHARD_OK);
    expect(again_size <= size);
    if (again_size == size)
        expect(memcmp(bytes, again, size) == 0);
}

/* Pass 2, the decoder's memory and the map's counted apart. */
static int32_t fill(const uint8_t *bytes, size_t size, const struct reshard__snapshot *snapshot)
{
    struct support_alloc own, maps;
    const struct reshard_allocator own_allocator = support_alloc_init(&own);
    const struct reshard_allocator map_allocator = support_alloc_init(&maps);
    struct reshard__mem mem;
    struct reshard_map *map = NULL;
    size_t offset = 0;
    expect(reshard__mem_import(&mem, &own_allocator) == RESHARD_OK);
    expect(reshard_map_create((uint32_t)snapshot->slot_count, &map_allocator, &map) == RESHARD_OK);
    int32_t status = reshard__snapshot_fill(bytes, snapshot, &mem, map, &offset);
    expect(status <= 0 && offset <= size);
    expect(own.peak_bytes <= 4 * size + 4096);
    expect(maps.peak_bytes <=
           RESHARD__SNAPSHOT_MAP * size + 4096 + MAP_SLOT_SIZE * snapshot->slot_count);
    if (!status)
        expect_same(map, bytes, size);
    reshard_map_destroy(map);
    expect(support_alloc_clean(&own) && support_alloc_clean(&maps));
    return status;
}

/* Both at once, as callers have it. */
static int32_t decode(const uint8_t *bytes, size_t size)
{
    struct reshard_map *map = NULL;
    size_t offset = 0;
    int32_t status = reshard__map_decode(bytes, size, NULL, &map, &offset);
    expect(offset <= size && (status == RESHARD_OK) == (map != NULL));
    reshard_map_destroy(map);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct reshard__snapshot snapshot;
    if (size > sizeof again)
        return 0;
    int32_t status = check(bytes, size, &snapshot);
    if (!status && snapshot.slot_count > SLOTS_MAX)
        return 0;
    if (!status)
        status = fill(bytes, size, &snapshot);
    expect(decode(bytes, size) == status);
    return 0;
}
