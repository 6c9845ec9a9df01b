/* SPDX-License-Identifier: MIT */
/* Room map, tests: two threads read owners and epochs while the owner thread applies. A plain
 * program, since ThreadSanitizer and the test framework do not go together.
 *
 * Every slot goes to and fro between shards 1 and 2, so that an odd epoch means owner 1. Readers
 * check that epochs only rise and that an owner read between two equal epochs is that epoch's.
 * With the argument "race" the readers also read what only the owner thread may, and
 * ThreadSanitizer has to say so: that is the test of the test. */
#include <pthread.h>
#include <reshard/map.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { SLOTS = 64, ROUNDS = 3000, READERS = 2 };

struct shared {
    struct reshard_map *map;
    atomic_int stop;
    atomic_int started;
    int race;
};

struct reader {
    struct shared *shared;
    uint64_t reads;
    uint64_t wrong;
    uint64_t version_sum; /* keeps the racy read alive */
};

static void read_slot(struct reader *reader, uint32_t slot, uint32_t *epoch_seen)
{
    const struct reshard_map *map = reader->shared->map;
    uint32_t before = reshard_map_slot_epoch(map, slot);
    reshard_shard_id owner = reshard_map_slot_owner(map, slot);
    uint32_t after = reshard_map_slot_epoch(map, slot);
    if (before < *epoch_seen || after < before)
        reader->wrong++;
    if (before == after && owner != (before % 2 ? 1 : 2))
        reader->wrong++;
    *epoch_seen = after;
    reader->reads++;
}

static void *read_all(void *user_data)
{
    struct reader *reader = user_data;
    struct shared *shared = reader->shared;
    uint32_t epochs[SLOTS] = {0};
    atomic_fetch_add(&shared->started, 1);
    while (!atomic_load_explicit(&shared->stop, memory_order_relaxed)) {
        for (uint32_t slot = 0; slot < SLOTS; slot++)
            read_slot(reader, slot, &epochs[slot]);
        if (shared->race)
            reader->version_sum += reshard_map_version(shared->map);
    }
    return NULL;
}

static int apply(struct reshard_map *map, struct reshard_change *change)
{
    int32_t status = reshard_map_apply(map, change);
    if (status)
        printf("kind %u: %s\n", change->kind, reshard_strname(status));
    return status == RESHARD_OK;
}

static int prepare(struct reshard_map *map)
{
    const struct reshard_range all = {0, SLOTS - 1};
    struct reshard_change change;
    int good = 1;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_PUT;
    change.weight = 1.0;
    for (change.shard = 1; change.shard <= 2; change.shard++)
        good = good && apply(map, &change);
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_ASSIGN;
    change.shard = 1;
    change.ranges = &all;
    change.range_count = 1;
    return good && apply(map, &change);
}

/* A batch of slots, the start of which moves on, goes to the other shard and back. */
static int move(struct reshard_map *map, reshard_migration_id id, uint32_t first)
{
    const struct reshard_range range = {first, first + 15};
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_MIGRATION_OPEN;
    change.migration = id;
    change.source = id % 2 ? 1 : 2;
    change.target = id % 2 ? 2 : 1;
    change.mode = RESHARD_MODE_SNAPSHOT;
    change.ranges = &range;
    change.range_count = 1;
    int good = apply(map, &change);
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_MIGRATION_COMMIT;
    change.migration = id;
    good = good && apply(map, &change);
    change.kind = RESHARD_CHANGE_MIGRATION_END;
    return good && apply(map, &change);
}

static int run(struct shared *shared)
{
    pthread_t threads[READERS];
    struct reader readers[READERS];
    int good = 1;
    for (int i = 0; i < READERS; i++) {
        readers[i] = (struct reader){.shared = shared};
        if (pthread_create(&threads[i], NULL, read_all, &readers[i]))
            return 0;
    }
    while (atomic_load(&shared->started) < READERS) {
    }
    for (uint64_t id = 1; good && id <= 2 * ROUNDS; id++)
        good = move(shared->map, id, (uint32_t)((id - 1) / 2 % (SLOTS - 15)));
    atomic_store(&shared->stop, 1);
    for (int i = 0; i < READERS; i++) {
        pthread_join(threads[i], NULL);
        printf("reader %d: %llu reads, %llu wrong\n", i, (unsigned long long)readers[i].reads,
            (unsigned long long)readers[i].wrong);
        good = good && readers[i].wrong == 0 && readers[i].reads > 0;
    }
    return good;
}

int main(int argc, char **argv)
{
    struct shared shared = {.race = argc > 1 && strcmp(argv[1], "race") == 0};
    if (reshard_map_create(SLOTS, NULL, &shared.map) != RESHARD_OK || !prepare(shared.map))
        return 1;
    int good = run(&shared);
    good = good && reshard_map_version(shared.map) == 3 + 6 * ROUNDS;
    reshard_map_destroy(shared.map);
    printf("%s\n", good ? "passed" : "FAILED");
    return good ? 0 : 1;
}
