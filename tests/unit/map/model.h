/* SPDX-License-Identifier: MIT */
/* Room map, tests: the slot map once more, slow and obviously right: plain arrays, linear scans,
 * no digest, no memory, none of the library's code. What include/reshard/map.h says, sentence by
 * sentence. Ids may be any; at most MODEL_* of each are ever used. */
#ifndef TESTS_MAP_MODEL_H
#define TESTS_MAP_MODEL_H

#include <reshard/map.h>

enum { MODEL_SLOTS = 1024, MODEL_NODES = 96, MODEL_SHARDS = 24 };

enum model_life { MODEL_NEVER = 0, MODEL_LIVE, MODEL_REMOVED };

struct model_node {
    enum model_life life;
    reshard_node_id id;
    reshard_shard_id shard;
    uint32_t role;
    char name[RESHARD_NAME_SIZE_MAX + 1];
    char address[RESHARD_ADDRESS_SIZE_MAX + 1];
    char zone[RESHARD_ZONE_SIZE_MAX + 1];
    uint32_t name_size;
    uint32_t address_size;
    uint32_t zone_size;
};

struct model_shard {
    enum model_life life;
    reshard_shard_id id;
    reshard_node_id primary;
    double weight;
    uint64_t epoch;
};

struct model_migration {
    reshard_migration_id id;
    reshard_shard_id source;
    reshard_shard_id target;
    uint32_t mode;
    uint32_t flags;
    uint32_t decision;
    uint64_t attempt;
    uint64_t version;
};

struct model_slot {
    reshard_shard_id owner;
    uint32_t epoch;
    reshard_migration_id migration; /* 0 = in none */
};

struct model {
    uint32_t slot_count;
    uint64_t version;
    uint64_t term;
    uint64_t unique;
    reshard_migration_id last_migration;
    struct model_node nodes[MODEL_NODES];
    int node_count; /* ids ever used */
    struct model_shard shards[MODEL_SHARDS];
    int shard_count;
    struct model_migration migrations[MODEL_SLOTS]; /* the open ones, ascending */
    int migration_count;
    struct model_slot slots[MODEL_SLOTS];
};

void model_init(struct model *model, uint32_t slot_count);
int32_t model_apply(struct model *model, const struct reshard_change *change);

/* NULL when there is no live one. */
struct model_node *model_node(struct model *model, reshard_node_id id);
struct model_shard *model_shard(struct model *model, reshard_shard_id id);
struct model_migration *model_migration(struct model *model, reshard_migration_id id);

uint32_t model_slots_of(const struct model *model, reshard_shard_id shard);
uint32_t model_nodes_of(const struct model *model, reshard_shard_id shard);
uint32_t model_migrations_of(const struct model *model, reshard_shard_id shard);
/* The slots of a migration as canonical ranges, counted. */
uint32_t model_ranges_of(
    const struct model *model, reshard_migration_id id, struct reshard_range *ranges);

#endif
