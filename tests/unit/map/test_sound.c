/* SPDX-License-Identifier: MIT */
/* Room map, tests: the invariant checker fires on each way to break a map. */
#include "map/state.h"
#include "unit/map/fixture.h"
#include <criterion/criterion.h>
#include <stddef.h>
#include <string.h>

/* Memory that is given back as a whole, since a spoilt map cannot be destroyed. */
static _Alignas(max_align_t) unsigned char arena[1 << 16];
static size_t arena_used;

static void *arena_resize(void *user_data, void *ptr, size_t old_size, size_t new_size)
{
    (void)user_data;
    size_t begin = arena_used;
    size_t size = (new_size + 15) & ~(size_t)15;
    if (new_size == 0)
        return NULL;
    cr_assert_leq(size, sizeof arena - begin);
    arena_used += size;
    if (ptr)
        memcpy(arena + begin, ptr, old_size < new_size ? old_size : new_size);
    return arena + begin;
}

static struct reshard_map *spoilable(void)
{
    const struct reshard_allocator allocator = {
        .struct_size = sizeof allocator, .resize = arena_resize};
    arena_used = 0;
    struct reshard_map *map = map_of_everything(&allocator);
    cr_assert(reshard__map_sound(map));
    return map;
}

/* map_of_everything, spoilt inside; the sum follows, so that it is not what tells. */
#define EXPECT_UNSOUND(spoil)                                                                      \
    do {                                                                                           \
        struct reshard_map *map = spoilable();                                                     \
        spoil;                                                                                     \
        map->sum = reshard__map_sum(map);                                                          \
        cr_expect(!reshard__map_sound(map), "%s", #spoil);                                         \
    } while (0)

#define SWAP(type, a, b)                                                                           \
    do {                                                                                           \
        type kept = (a);                                                                           \
        (a) = (b);                                                                                 \
        (b) = kept;                                                                                \
    } while (0)

static void word_set(struct reshard_map *map, uint32_t slot, uint64_t word)
{
    atomic_store_explicit(&map->words[slot], word, memory_order_relaxed);
}

Test(sound, members_that_disagree_are_found)
{
    EXPECT_UNSOUND(map->nodes[0]->role = RESHARD_ROLE_REPLICA);
    EXPECT_UNSOUND(map->nodes[3]->role = RESHARD_ROLE_PRIMARY);
    EXPECT_UNSOUND(map->nodes[3]->shard = 2);
    EXPECT_UNSOUND(map->nodes[3]->shard = 99);
    EXPECT_UNSOUND(map->shards[0].primary = 12);
    EXPECT_UNSOUND(map->shards[0].primary = 0);
    /* a primary that nobody is, or that another shard has, with the nodes' roles to match */
    EXPECT_UNSOUND(map->nodes[0]->role = RESHARD_ROLE_REPLICA; map->shards[0].primary = 99);
    EXPECT_UNSOUND(map->nodes[0]->role = RESHARD_ROLE_REPLICA; map->shards[0].primary = 12);
    EXPECT_UNSOUND(map->shards[0].epoch = 0);
    EXPECT_UNSOUND(map->shards[0].slot_count++);
    EXPECT_UNSOUND(map->shards[1].node_count++);
    EXPECT_UNSOUND(map->shards[2].migration_count--);
    EXPECT_UNSOUND(map->shards[0].slot_count++; map->shards[1].slot_count--);
    EXPECT_UNSOUND(map->removed_nodes[0] = 11);
    EXPECT_UNSOUND(map->removed_shards[0] = 1);
    EXPECT_UNSOUND(SWAP(struct reshard__map_node *, map->nodes[1], map->nodes[2]));
    EXPECT_UNSOUND(SWAP(struct reshard__map_shard, map->shards[1], map->shards[2]));
    EXPECT_UNSOUND(SWAP(struct reshard__map_migration *, map->migrations[0], map->migrations[2]));
}

Test(sound, removed_members_out_of_order_are_found)
{
    static const reshard_node_id nodes[] = {30, 29, 31};
    static const reshard_shard_id shards[] = {9, 8, 10};
    EXPECT_UNSOUND(memcpy(map->removed_nodes, nodes, sizeof nodes); map->removed_node_count = 3);
    EXPECT_UNSOUND(memcpy(map->removed_shards, shards, sizeof shards);
                   map->removed_shard_count = 3);
    EXPECT_UNSOUND(map->removed_nodes[1] = map->removed_nodes[0]; map->removed_node_count = 2);
}

Test(sound, version_zero_is_for_empty_maps_only)
{
    struct reshard_map *map = NULL;
    cr_assert_eq(reshard_map_create(4, NULL, &map), RESHARD_OK);
    size_t *counts[] = {&map->node_count, &map->shard_count, &map->migration_count,
        &map->removed_node_count, &map->removed_shard_count};
    uint64_t *numbers[] = {&map->header.term, &map->header.unique, &map->header.last_migration,
        &map->sum.low, &map->sum.high};
    for (size_t i = 0; i < 5; i++) {
        cr_assert_eq(reshard__map_consistent(map), RESHARD_OK);
        *counts[i] = 1;
        cr_expect_eq(reshard__map_consistent(map), RESHARD_E_VERSION, "count %zu", i);
        *counts[i] = 0;
        *numbers[i] = 1;
        cr_expect_eq(reshard__map_consistent(map), RESHARD_E_VERSION, "number %zu", i);
        *numbers[i] = 0;
    }
    reshard_map_destroy(map);
}

Test(sound, slots_and_migrations_that_disagree_are_found)
{
    EXPECT_UNSOUND(word_set(map, 9, reshard__word(2, 1)));
    EXPECT_UNSOUND(word_set(map, 9, reshard__word(9, 1)));
    EXPECT_UNSOUND(word_set(map, 9, reshard__word(1, 0)));
    EXPECT_UNSOUND(word_set(map, 0, reshard__word(2, 1)));
    EXPECT_UNSOUND(word_set(map, 0, reshard__word(1, UINT32_MAX)));
    EXPECT_UNSOUND(map->handles[0] = 0);
    EXPECT_UNSOUND(map->handles[0] = map->handles[4]);
    EXPECT_UNSOUND(map->handles[9] = map->handles[4]);
    EXPECT_UNSOUND(map->handles[9] = 77);
    EXPECT_UNSOUND(map->handle_count++);
    EXPECT_UNSOUND(map->migrations[0]->handle = map->migrations[1]->handle);
    EXPECT_UNSOUND(map->migrations[0]->handle = 0);
    EXPECT_UNSOUND(map->migrations[0]->handle = 77);
    EXPECT_UNSOUND(map->handles[9] = ++map->handle_count); /* a handle of no migration */
    EXPECT_UNSOUND(map->handle_free = 1; map->handle_table[0].next_free = 1);
    EXPECT_UNSOUND(map->migrations[0]->range_count = 0);
    EXPECT_UNSOUND(map->migrations[0]->slot_count++);
    EXPECT_UNSOUND(map->migrations[0]->source = 2);
    EXPECT_UNSOUND(map->migrations[0]->target = 1);
    EXPECT_UNSOUND(map->migrations[0]->source = 99);
    EXPECT_UNSOUND(map->migrations[0]->target = 99);
    EXPECT_UNSOUND(map->migrations[0]->decision = RESHARD_DECISION_COMMIT);
    EXPECT_UNSOUND(map->migrations[0]->version = 21);
    EXPECT_UNSOUND(map->migrations[2]->version = 25);
    EXPECT_UNSOUND(map->migrations[0]->ranges[0].last = 99);
    EXPECT_UNSOUND(map->header.last_migration = 3);
    EXPECT_UNSOUND(map->header.version = 0);
}

Test(sound, retained_changes_that_disagree_are_found)
{
    EXPECT_UNSOUND(map->retained_size++);
    EXPECT_UNSOUND(map->retained_count--);
    EXPECT_UNSOUND(map->retained[3]->change.version++);
    EXPECT_UNSOUND(map->header.version++);
    EXPECT_UNSOUND(map->retained_count++);
    EXPECT_UNSOUND(map->retained[1]->size += RESHARD_MAP_RETAINED_BYTES;
                   map->retained_size += RESHARD_MAP_RETAINED_BYTES);
    /* one more, where none belongs */
    EXPECT_UNSOUND(map->retained[0] = map->retained[1]);
}

Test(sound, a_wrong_sum_is_found)
{
    struct reshard_map *map = map_of_everything(NULL);
    map->sum.low ^= 1;
    cr_assert(!reshard__map_sound(map));
    map->sum.low ^= 1;
    map->sum.high ^= UINT64_C(1) << 63;
    cr_assert(!reshard__map_sound(map));
    map->sum.high ^= UINT64_C(1) << 63;
    map->shards[0].weight = 0.75;
    cr_assert(!reshard__map_sound(map));
    map->shards[0].weight = 0.5;
    cr_assert(reshard__map_sound(map));
    reshard_map_destroy(map);
}

/* Whether equal sees one thing that differs. */
#define EXPECT_DIFFERENT(spoil)                                                                    \
    do {                                                                                           \
        struct reshard_map *map = map_of_everything(NULL);                                         \
        struct reshard_map *copy = map_of_everything(NULL);                                        \
        struct reshard_digest sum = map->sum;                                                      \
        cr_assert_eq(reshard_map_equal(map, copy), 1);                                             \
        spoil;                                                                                     \
        map->sum = reshard__map_sum(map);                                                          \
        cr_expect_eq(reshard_map_equal(map, copy), 0, "%s", #spoil);                               \
        cr_expect(sum.low != map->sum.low || sum.high != map->sum.high, "%s", #spoil);             \
        reshard_map_destroy(map);                                                                  \
        reshard_map_destroy(copy);                                                                 \
    } while (0)

Test(sound, every_field_counts_in_equal_and_in_the_digest)
{
    EXPECT_DIFFERENT(map->nodes[0]->id++);
    EXPECT_DIFFERENT(map->nodes[0]->shard++);
    EXPECT_DIFFERENT(map->nodes[0]->role++);
    EXPECT_DIFFERENT(map->nodes[0]->texts[9] ^= 1);
    EXPECT_DIFFERENT(map->nodes[0]->name_size--; map->nodes[0]->address_size++);
    EXPECT_DIFFERENT(map->nodes[0]->address_size--; map->nodes[0]->zone_size++);
    EXPECT_DIFFERENT(map->shards[0].id += 4);
    EXPECT_DIFFERENT(map->shards[0].primary++);
    EXPECT_DIFFERENT(map->shards[0].epoch++);
    EXPECT_DIFFERENT(map->shards[0].weight *= 2);
    EXPECT_DIFFERENT(map->migrations[0]->id += 2);
    EXPECT_DIFFERENT(map->migrations[0]->source++);
    EXPECT_DIFFERENT(map->migrations[0]->target++);
    EXPECT_DIFFERENT(map->migrations[0]->mode++);
    EXPECT_DIFFERENT(map->migrations[0]->flags++);
    EXPECT_DIFFERENT(map->migrations[0]->decision++);
    EXPECT_DIFFERENT(map->migrations[0]->attempt++);
    EXPECT_DIFFERENT(map->migrations[0]->version--);
    EXPECT_DIFFERENT(map->migrations[0]->ranges[0].last++);
    EXPECT_DIFFERENT(map->migrations[0]->range_count--);
    EXPECT_DIFFERENT(map->removed_nodes[0]++);
    EXPECT_DIFFERENT(map->removed_shards[0]++);
    EXPECT_DIFFERENT(word_set(map, 9, reshard__word(1, 2)));
    EXPECT_DIFFERENT(word_set(map, 9, reshard__word(2, 1)));
}

Test(sound, a_member_more_counts_in_equal)
{
    struct reshard_map *map = map_of_everything(NULL);
    struct reshard_map *copy = map_of_everything(NULL);
    size_t *counts[] = {&map->node_count, &map->shard_count, &map->migration_count,
        &map->removed_node_count, &map->removed_shard_count};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        cr_assert_eq(reshard_map_equal(map, copy), 1);
        (*counts[i])--;
        cr_expect_eq(reshard_map_equal(map, copy), 0, "count %zu", i);
        (*counts[i])++;
    }
    reshard_map_destroy(map);
    reshard_map_destroy(copy);
}

Test(sound, a_longer_zone_counts_in_equal)
{
    struct reshard_map *map = map_of_everything(NULL);
    struct reshard_map *copy = map_of_everything(NULL);
    struct reshard_change change = change_of_kind(RESHARD_CHANGE_NODE_PUT);
    change.node = 21;
    change.shard = 1;
    change.role = RESHARD_ROLE_REPLICA;
    change.zone = "aa";
    change.zone_size = 1;
    cr_assert_eq(reshard_map_apply(map, &change), RESHARD_OK);
    change.zone_size = 2;
    cr_assert_eq(reshard_map_apply(copy, &change), RESHARD_OK);
    cr_assert_eq(reshard_map_equal(map, copy), 0);
    cr_assert(!digests_equal(map, copy));
    reshard_map_destroy(map);
    reshard_map_destroy(copy);
}

#define EXPECT_HEADER_DIFFERENT(spoil)                                                             \
    do {                                                                                           \
        struct reshard_map *map = map_of_everything(NULL);                                         \
        struct reshard_map *copy = map_of_everything(NULL);                                        \
        struct reshard__map_header kept = map->header;                                             \
        spoil;                                                                                     \
        cr_expect_eq(reshard_map_equal(map, copy), 0, "%s", #spoil);                               \
        cr_expect(!digests_equal(map, copy), "%s", #spoil);                                        \
        map->header = kept;                                                                        \
        reshard_map_destroy(map);                                                                  \
        reshard_map_destroy(copy);                                                                 \
    } while (0)

Test(sound, the_header_counts_in_equal_and_in_the_digest)
{
    EXPECT_HEADER_DIFFERENT(map->header.version++);
    EXPECT_HEADER_DIFFERENT(map->header.term++);
    EXPECT_HEADER_DIFFERENT(map->header.unique++);
    EXPECT_HEADER_DIFFERENT(map->header.last_migration++);
    struct reshard_map *a = NULL;
    struct reshard_map *b = NULL;
    cr_assert_eq(reshard_map_create(4, NULL, &a), RESHARD_OK);
    cr_assert_eq(reshard_map_create(5, NULL, &b), RESHARD_OK);
    cr_assert_eq(reshard_map_equal(a, b), 0);
    cr_assert(!digests_equal(a, b));
    reshard_map_destroy(a);
    reshard_map_destroy(b);
}
