/* SPDX-License-Identifier: MIT */
/* Room audit, tests: a small cluster as plain arrays: a real map, and what each node says. It can
 * be damaged, audited, and have a fix's steps carried out on it. Starts healthy. */
#ifndef TESTS_AUDIT_WORLD_H
#define TESTS_AUDIT_WORLD_H

#include <reshard/audit.h>
#include <stdbool.h>

enum { WORLD_SLOTS = 64, WORLD_NODES = 16, WORLD_REPORTS = 16 };

struct world_node {
    reshard_node_id id;
    reshard_shard_id shard;
    uint32_t role;
    bool reachable;
    uint64_t version;
    struct reshard_digest digest;
    bool owned[WORLD_SLOTS];
    bool quarantined[WORLD_SLOTS];
    uint64_t keys[WORLD_SLOTS];
    /* handed to the audit */
    struct reshard_range owned_ranges[WORLD_SLOTS];
    struct reshard_range quarantined_ranges[WORLD_SLOTS];
};

struct world {
    uint32_t shard_count;
    uint32_t node_count;
    uint32_t report_count;
    struct reshard_map *map;
    struct world_node nodes[WORLD_NODES];
    struct reshard_view_migration reports[WORLD_REPORTS];
    struct reshard_range report_ranges[WORLD_REPORTS];
    bool sparse; /* key counts are told sparsely */
    uint32_t key_slots[WORLD_NODES][WORLD_SLOTS];
    uint64_t key_counts[WORLD_NODES][WORLD_SLOTS];
};

/* Shards 1 ... shard_count with node 10 * shard as primary and 10 * shard + 1 as replica, slots in
 * equal parts, 5 keys a slot. */
void world_make(struct world *world, uint32_t shard_count);
void world_free(struct world *world);
/* Apply to the map, all must go well. */
void world_change(struct world *world, const struct reshard_change *change);
void world_change_slots(
    struct world *world, uint32_t kind, reshard_shard_id shard, uint32_t first, uint32_t last);
/* All reachable nodes get the map. */
void world_sync(struct world *world);
struct world_node *world_node(struct world *world, reshard_node_id id);
struct world_node *world_stranger(struct world *world, reshard_node_id id);
/* Open a migration in the map; both primaries and the coordinator tell of it. */
reshard_migration_id world_open(struct world *world, reshard_shard_id source,
    reshard_shard_id target, uint32_t first, uint32_t last, uint64_t idle_ns);
void world_report(struct world *world, reshard_node_id node, reshard_migration_id migration,
    reshard_shard_id source, reshard_shard_id target, uint32_t first, uint32_t last,
    uint64_t idle_ns);
/* Carry an open migration through, or back. */
void world_finish(struct world *world, reshard_migration_id migration, bool commit);

/* An audit that was run. */
struct reshard_audit *world_audit(struct world *world, uint32_t imbalance_permille,
    const struct reshard_allocator *allocator, const struct reshard_map *map);
/* Tell all of the world to an audit. */
int32_t world_tell(struct world *world, struct reshard_audit *audit);
/* Carry out all steps; asserts that each makes sense. */
void world_run(struct world *world, const struct reshard_fix *fix);
/* Print findings to stderr. */
void world_print(const struct reshard_audit *audit);
void world_print_fix(const struct reshard_fix *fix);
/* The only finding of this code; asserts that there is exactly one. */
struct reshard_finding world_only(const struct reshard_audit *audit, uint32_t code);
/* Number of findings of a code. */
uint32_t world_count(const struct reshard_audit *audit, uint32_t code);
uint32_t world_steps(const struct reshard_fix *fix, uint32_t kind);

#endif
