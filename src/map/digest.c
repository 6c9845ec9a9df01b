/* SPDX-License-Identifier: MIT */
/* Room map: the digest. A sum (mod 2^128) of XXH3-128 over items, so that the order in which the
 * state was built does not matter and one change costs only the items that it touches. An item
 * is a tag and its fields as little-endian 64-bit words, so that every host has the same. */
#include "map/state.h"
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
    ITEM_HEADER = 1,
    ITEM_NODE = 2,
    ITEM_SHARD = 3,
    ITEM_SLOT = 4,
    ITEM_MIGRATION = 5,
    ITEM_MIGRATION_RANGE = 6,
    ITEM_REMOVED_NODE = 7,
    ITEM_REMOVED_SHARD = 8
};

enum { TEXTS_SIZE_MAX = RESHARD_NAME_SIZE_MAX + RESHARD_ADDRESS_SIZE_MAX + RESHARD_ZONE_SIZE_MAX };

static inline void put_word(uint8_t *at, uint64_t word)
{
    for (unsigned i = 0; i < 8; i++)
        at[i] = (uint8_t)(word >> (8 * i));
}

static inline struct reshard_digest hash_bytes(const uint8_t *bytes, size_t size)
{
    XXH128_hash_t hash = XXH3_128bits(bytes, size);
    return (struct reshard_digest){.low = hash.low64, .high = hash.high64};
}

static struct reshard_digest hash_words(const uint64_t *words, size_t word_count)
{
    uint8_t bytes[8 * 12];
    RESHARD_ASSERT(word_count <= sizeof bytes / 8);
    for (size_t i = 0; i < word_count; i++)
        put_word(bytes + 8 * i, words[i]);
    return hash_bytes(bytes, 8 * word_count);
}

struct reshard_digest reshard__digest_plus(struct reshard_digest a, struct reshard_digest b)
{
    struct reshard_digest sum = {.low = a.low + b.low, .high = a.high + b.high};
    sum.high += sum.low < a.low;
    return sum;
}

struct reshard_digest reshard__digest_minus(struct reshard_digest a, struct reshard_digest b)
{
    struct reshard_digest sum = {.low = a.low - b.low, .high = a.high - b.high};
    sum.high -= a.low < b.low;
    return sum;
}

struct reshard_digest reshard__map_item_node(const struct reshard__map_node *node)
{
    uint8_t bytes[8 * 6 + TEXTS_SIZE_MAX];
    size_t texts_size = node->name_size + node->address_size + node->zone_size;
    RESHARD_ASSERT(texts_size <= TEXTS_SIZE_MAX);
    put_word(bytes, ITEM_NODE);
    put_word(bytes + 8, node->id);
    put_word(bytes + 16, (uint64_t)node->role << 32 | node->shard);
    put_word(bytes + 24, node->name_size);
    put_word(bytes + 32, node->address_size);
    put_word(bytes + 40, node->zone_size);
    memcpy(bytes + 48, node->texts, texts_size);
    return hash_bytes(bytes, 48 + texts_size);
}

struct reshard_digest reshard__map_item_shard(const struct reshard__map_shard *shard)
{
    const uint64_t words[] = {
        ITEM_SHARD, shard->id, shard->primary, reshard__weight_bits(shard->weight), shard->epoch};
    return hash_words(words, sizeof words / sizeof words[0]);
}

struct reshard_digest reshard__map_item_migration(const struct reshard__map_migration *migration)
{
    const uint64_t words[] = {ITEM_MIGRATION, migration->id, migration->source, migration->target,
        migration->mode, migration->flags, migration->decision, migration->attempt,
        migration->version};
    struct reshard_digest sum = hash_words(words, sizeof words / sizeof words[0]);
    for (uint32_t i = 0; i < migration->range_count; i++) {
        const uint64_t range[] = {ITEM_MIGRATION_RANGE, migration->id,
            (uint64_t)migration->ranges[i].last << 32 | migration->ranges[i].first};
        sum = reshard__digest_plus(sum, hash_words(range, sizeof range / sizeof range[0]));
    }
    return sum;
}

struct reshard_digest reshard__map_item_removed_node(reshard_node_id id)
{
    const uint64_t words[] = {ITEM_REMOVED_NODE, id};
    return hash_words(words, 2);
}

struct reshard_digest reshard__map_item_removed_shard(reshard_shard_id id)
{
    const uint64_t words[] = {ITEM_REMOVED_SHARD, id};
    return hash_words(words, 2);
}

/* A slot that was never owned is no item, so that an empty map of any size is cheap. */
static inline struct reshard_digest item_slot(uint32_t slot, uint64_t word)
{
    uint8_t bytes[16];
    if (!word)
        return (struct reshard_digest){0, 0};
    put_word(bytes, (uint64_t)slot << 32 | ITEM_SLOT);
    put_word(bytes + 8, word);
    return hash_bytes(bytes, sizeof bytes);
}

/* Release: whoever sees this owner also sees what the host wrote before the apply. */
static inline void word_put(struct reshard_map *map, uint32_t slot, uint64_t word)
{
    atomic_store_explicit(&map->words[slot], word, memory_order_release);
}

void reshard__map_word_store(struct reshard_map *map, uint32_t slot, uint64_t word)
{
    uint64_t before = reshard__word_load(map, slot);
    map->sum = reshard__digest_minus(map->sum, item_slot(slot, before));
    map->sum = reshard__digest_plus(map->sum, item_slot(slot, word));
    word_put(map, slot, word);
}

void reshard__map_range_give(
    struct reshard_map *map, const struct reshard_range *range, reshard_shard_id to)
{
    struct reshard_digest sum = map->sum; /* not through memory: a commit may flip every slot */
    for (uint32_t slot = range->first; slot <= range->last; slot++) {
        uint64_t before = reshard__word_load(map, slot);
        RESHARD_ASSERT(reshard__word_epoch(before) < UINT32_MAX);
        uint64_t word = reshard__word(to, reshard__word_epoch(before) + 1);
        sum = reshard__digest_minus(sum, item_slot(slot, before));
        sum = reshard__digest_plus(sum, item_slot(slot, word));
        word_put(map, slot, word);
    }
    map->sum = sum;
}

struct reshard_digest reshard__map_sum(const struct reshard_map *map)
{
    struct reshard_digest sum = {0, 0};
    for (size_t i = 0; i < map->node_count; i++)
        sum = reshard__digest_plus(sum, reshard__map_item_node(map->nodes[i]));
    for (size_t i = 0; i < map->shard_count; i++)
        sum = reshard__digest_plus(sum, reshard__map_item_shard(&map->shards[i]));
    for (size_t i = 0; i < map->migration_count; i++)
        sum = reshard__digest_plus(sum, reshard__map_item_migration(map->migrations[i]));
    for (size_t i = 0; i < map->removed_node_count; i++)
        sum = reshard__digest_plus(sum, reshard__map_item_removed_node(map->removed_nodes[i]));
    for (size_t i = 0; i < map->removed_shard_count; i++)
        sum = reshard__digest_plus(sum, reshard__map_item_removed_shard(map->removed_shards[i]));
    for (uint32_t slot = 0; slot < map->slot_count; slot++)
        sum = reshard__digest_plus(sum, item_slot(slot, reshard__word_load(map, slot)));
    return sum;
}

int32_t reshard_map_digest(const struct reshard_map *map, struct reshard_digest *digest_out)
{
    if (!map || !digest_out)
        return RESHARD_E_NULL;
    const uint64_t words[] = {ITEM_HEADER, map->slot_count, map->header.version, map->header.term,
        map->header.unique, map->header.last_migration};
    *digest_out = reshard__digest_plus(map->sum, hash_words(words, sizeof words / sizeof words[0]));
    return RESHARD_OK;
}
