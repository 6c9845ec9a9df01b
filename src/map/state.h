/* SPDX-License-Identifier: MIT */
/* Private to room map: what a map holds, and the helpers that its files share.
 *
 * Guarantees: a slot takes 12 bytes (one atomic word, one handle); a record of a node or a
 * migration is one block, those of shards lie side by side; `sum` always equals the digest items
 * of the state, the header aside.
 */
#ifndef RESHARD_MAP_STATE_H
#define RESHARD_MAP_STATE_H

#include "map/map.h"
#include <stdatomic.h>
#include <string.h>

struct reshard__map_node {
    reshard_node_id id;
    reshard_shard_id shard;
    uint32_t role;
    uint32_t name_size;
    uint32_t address_size;
    uint32_t zone_size;
    char texts[]; /* name, address, zone */
};

struct reshard__map_shard {
    double weight;
    uint64_t epoch;
    reshard_node_id primary;
    reshard_shard_id id;
    uint32_t slot_count;      /* derived from the words */
    uint32_t node_count;      /* derived from the nodes */
    uint32_t migration_count; /* derived: open migrations that name it */
};

struct reshard__map_migration {
    reshard_migration_id id;
    uint64_t version;
    uint64_t attempt;
    reshard_shard_id source;
    reshard_shard_id target;
    uint32_t mode;
    uint32_t flags;
    uint32_t decision;
    uint32_t slot_count;
    uint32_t handle;
    uint32_t range_count;
    struct reshard_digest item; /* its part of the map's sum */
    struct reshard_range ranges[];
};

/* A retained change: one block with its ranges, then its texts. Never written once it is made, but
 * for how many maps of one engine retain it. */
struct reshard__map_entry {
    size_t size;
    size_t holders;
    struct reshard_change change;
    struct reshard_range ranges[];
};

/* Handle h > 0 stands at [h - 1]. A free one has no migration and links to the next free one. */
struct reshard__map_handle {
    struct reshard__map_migration *migration;
    uint32_t next_free;
};

struct reshard_map {
    struct reshard__mem mem;
    uint32_t slot_count;
    uint32_t handle_count;   /* handles ever made */
    uint32_t handle_free;    /* first free one, 0 = none */
    _Atomic uint64_t *words; /* owner in the low half, epoch in the high half */
    uint32_t *handles;       /* slot → handle of its open migration, 0 = none */

    /* Ascending by id. */
    struct reshard__map_node **nodes;
    size_t node_count, node_capacity;
    struct reshard__map_shard *shards; /* pointers into it last until one is put or removed */
    size_t shard_count, shard_capacity;
    struct reshard__map_migration **migrations;
    size_t migration_count, migration_capacity;
    reshard_node_id *removed_nodes;
    size_t removed_node_count, removed_node_capacity;
    reshard_shard_id *removed_shards;
    size_t removed_shard_count, removed_shard_capacity;
    struct reshard__map_handle *handle_table;
    size_t handle_capacity;

    /* The change that made version v stands at [v & (capacity - 1)]; the newest
     * retained_count are there. capacity is 0 or a power of two. */
    struct reshard__map_entry **retained;
    size_t retained_count, retained_capacity, retained_size;

    struct reshard__map_header header;
    struct reshard_digest sum;
};

static inline uint64_t reshard__word(reshard_shard_id owner, uint32_t epoch)
{
    return (uint64_t)epoch << 32 | owner;
}

static inline reshard_shard_id reshard__word_owner(uint64_t word)
{
    return (reshard_shard_id)word;
}

static inline uint32_t reshard__word_epoch(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

/* Only the owner thread stores words, so that its own loads need no order. */
static inline uint64_t reshard__word_load(const struct reshard_map *map, uint32_t slot)
{
    return atomic_load_explicit(&map->words[slot], memory_order_relaxed);
}

static inline struct reshard__map_migration *reshard__map_slot_record(
    const struct reshard_map *map, uint32_t slot)
{
    uint32_t handle = map->handles[slot];
    return handle ? map->handle_table[handle - 1].migration : NULL;
}

static inline size_t reshard__map_node_size(const struct reshard__map_node *node)
{
    return sizeof *node + node->name_size + node->address_size + node->zone_size;
}

static inline size_t reshard__map_migration_size(const struct reshard__map_migration *migration)
{
    return sizeof *migration + migration->range_count * sizeof migration->ranges[0];
}

static inline uint64_t reshard__weight_bits(double weight)
{
    uint64_t bits;
    _Static_assert(sizeof bits == sizeof weight, "IEEE 754 binary64");
    memcpy(&bits, &weight, sizeof bits);
    return bits;
}

/* find.c: binary searches. The place is where the id stands or would be inserted. */
size_t reshard__map_node_place(const struct reshard_map *map, reshard_node_id id);
size_t reshard__map_shard_place(const struct reshard_map *map, reshard_shard_id id);
size_t reshard__map_migration_place(const struct reshard_map *map, reshard_migration_id id);
struct reshard__map_node *reshard__map_node(const struct reshard_map *map, reshard_node_id id);
struct reshard__map_shard *reshard__map_shard(const struct reshard_map *map, reshard_shard_id id);
struct reshard__map_migration *reshard__map_migration(
    const struct reshard_map *map, reshard_migration_id id);
bool reshard__map_node_removed(const struct reshard_map *map, reshard_node_id id);
bool reshard__map_shard_removed(const struct reshard_map *map, reshard_shard_id id);

/* digest.c: take an item into a sum, or out of it. */
struct reshard_digest reshard__digest_plus(struct reshard_digest a, struct reshard_digest b);
struct reshard_digest reshard__digest_minus(struct reshard_digest a, struct reshard_digest b);
struct reshard_digest reshard__map_item_node(const struct reshard__map_node *node);
struct reshard_digest reshard__map_item_shard(const struct reshard__map_shard *shard);
struct reshard_digest reshard__map_item_migration(const struct reshard__map_migration *migration);
struct reshard_digest reshard__map_item_removed_node(reshard_node_id id);
struct reshard_digest reshard__map_item_removed_shard(reshard_shard_id id);
/* Store a slot's word and keep the sum. */
void reshard__map_word_store(struct reshard_map *map, uint32_t slot, uint64_t word);
/* Give the slots of a range to `to`, each with its next epoch. */
void reshard__map_range_give(
    struct reshard_map *map, const struct reshard_range *range, reshard_shard_id to);
/* The sum from nothing: O(state). */
struct reshard_digest reshard__map_sum(const struct reshard_map *map);

/* check.c: whether an imported change would be accepted. */
int32_t reshard__map_guard(const struct reshard_map *map, const struct reshard_change *change);
bool reshard__weight_good(double weight);
/* The form that a node or a migration has, however it gets in. */
int32_t reshard__map_node_check(const struct reshard_change *change);
int32_t reshard__map_mode_check(uint32_t mode, uint32_t flags);

/* record.c: make records. NULL = no memory. */
struct reshard__map_node *reshard__map_node_make(
    const struct reshard__mem *mem, const struct reshard_change *change);
struct reshard__map_migration *reshard__map_migration_make(const struct reshard__mem *mem,
    const struct reshard_change *change, uint64_t version, uint32_t slot_count);
/* Room for one more; NOMEM or OK, nothing else changes. */
int32_t reshard__map_reserve_node(struct reshard_map *map);
int32_t reshard__map_reserve_shard(struct reshard_map *map);
int32_t reshard__map_reserve_migration(struct reshard_map *map);
int32_t reshard__map_reserve_removed_node(struct reshard_map *map);
int32_t reshard__map_reserve_removed_shard(struct reshard_map *map);
/* Insert in reserved room and keep the sum; cannot fail. */
void reshard__map_insert_node(struct reshard_map *map, struct reshard__map_node *node);
void reshard__map_insert_shard(struct reshard_map *map, const struct reshard__map_shard *shard);
void reshard__map_insert_migration(
    struct reshard_map *map, struct reshard__map_migration *migration);
void reshard__map_insert_removed_node(struct reshard_map *map, reshard_node_id id);
void reshard__map_insert_removed_shard(struct reshard_map *map, reshard_shard_id id);

/* sound.c: what lies between the items, given ascending arrays and right handles. OK, or what a
 * change that broke it would have been refused with. */
int32_t reshard__map_consistent(const struct reshard_map *map);

/* retain.c */
struct reshard__map_entry *reshard__map_entry_make(
    const struct reshard__mem *mem, const struct reshard_change *change, uint64_t version);
/* One that no map holds. */
void reshard__map_entry_free(const struct reshard__mem *mem, struct reshard__map_entry *entry);
/* A map gives it up: it goes with the last one. NULL is allowed. */
void reshard__map_entry_release(const struct reshard__mem *mem, struct reshard__map_entry *entry);
int32_t reshard__map_retain_reserve(struct reshard_map *map);
/* The map's version is already the entry's. One holder more; cannot fail. */
void reshard__map_retain_push(struct reshard_map *map, struct reshard__map_entry *entry);
struct reshard__map_entry *reshard__map_retained(const struct reshard_map *map, uint64_t version);

#endif
