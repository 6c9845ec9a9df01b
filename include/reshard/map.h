/* SPDX-License-Identifier: MIT */
/** @file map.h
 * The slot map: the replicated state. Nodes, shards, slot → shard, per-slot epochs, open
 * migrations, version, term. It is changed by reshard_map_apply alone, which is
 * deterministic and guarded: the same changes in the same order give the same digest on
 * every node. Version v is the state after v accepted changes; 0 is the empty map.
 */
#ifndef RESHARD_MAP_H
#define RESHARD_MAP_H

#include <reshard/status.h>
#include <reshard/types.h>

RESHARD_BEGIN_DECLS

/** A slot map. Opaque; one owner thread; see reshard_map_slot_owner for other threads. */
struct reshard_map;

/** Limits of the texts and ids in a map. */
enum {
    RESHARD_NAME_SIZE_MAX = 64,     /**< bytes of a node's name */
    RESHARD_ADDRESS_SIZE_MAX = 255, /**< bytes of a node's address text */
    RESHARD_ZONE_SIZE_MAX = 64      /**< bytes of a node's failure zone */
};

/** Kinds of change (field `kind`). Which fields each uses stands beside it; others are 0 (else
 * E_ARGUMENT). Ranges name one slot at least. */
enum {
    RESHARD_CHANGE_TERM = 1,      /**< term (> map's), unique. A coordinator starts */
    RESHARD_CHANGE_NODE_PUT = 2,  /**< node, shard (0 = none), role, name, address, zone: add or
                                       update. A node that is its shard's primary keeps its
                                       shard and its role, unless it is the last node of a shard
                                       without slots and migrations: then it may go to another
                                       one as a replica */
    RESHARD_CHANGE_NODE_REMOVE = 3,   /**< node; a primary only as the last node of a shard without
                                           slots and migrations, which is left without primary */
    RESHARD_CHANGE_SHARD_PUT = 4,     /**< shard, weight: add (no primary yet) or update */
    RESHARD_CHANGE_SHARD_REMOVE = 5,  /**< shard; not while it has slots, nodes or migrations */
    RESHARD_CHANGE_SHARD_PRIMARY = 6, /**< shard, node (of this shard): becomes primary, the one
                                           before becomes replica; raises the shard's epoch, at
                                           the first primary and at the same one again, too */
    RESHARD_CHANGE_ASSIGN = 7,        /**< shard, ranges: owner of unowned slots; each slot's
                                           epoch rises */
    RESHARD_CHANGE_MIGRATION_OPEN = 8,   /**< migration (> all before), source, target, mode,
                                              flags, ranges: all owned by source, none in an
                                              open migration */
    RESHARD_CHANGE_MIGRATION_COMMIT = 9, /**< migration, attempt, source_epoch, target_epoch (both
                                              must be the shards' epochs now): the slots' owner
                                              becomes target, each slot's epoch rises */
    RESHARD_CHANGE_MIGRATION_ABORT = 10, /**< migration; not after its commit */
    RESHARD_CHANGE_MIGRATION_END = 11,   /**< migration, decided before: it is closed; until then
                                              nothing else changes its slots' owner */
    RESHARD_CHANGE_UNASSIGN = 12         /**< shard, ranges: its slots, in no open migration,
                                              become unowned (an operator's repair);
                                              each slot's epoch rises */
};

/** Flags of RESHARD_CHANGE_MIGRATION_OPEN (field `migration_flags`). */
enum {
    RESHARD_MIGRATION_OPERATOR = 1 /**< keywise: keys are picked by hand, no automatic walk */
};

/** One change: an entry of the journal. Texts and ranges are borrowed by the call.
 * Ranges are sorted, disjoint and not adjacent.
 */
struct reshard_change {
    uint32_t struct_size;     /**< sizeof(struct reshard_change) */
    uint32_t kind;            /**< RESHARD_CHANGE_* */
    uint64_t version;         /**< the version it produces; 0 = the next one */
    uint64_t term;            /**< TERM: the new term */
    uint64_t unique;          /**< TERM: id of the coordinator's run, random enough */
    reshard_node_id node;     /**< NODE_*, SHARD_PRIMARY */
    reshard_shard_id shard;   /**< NODE_PUT, SHARD_*, ASSIGN, UNASSIGN */
    uint32_t role;            /**< NODE_PUT: RESHARD_ROLE_REPLICA, or RESHARD_ROLE_PRIMARY for the
                                   shard's primary itself; SHARD_PRIMARY makes primaries */
    double weight;            /**< SHARD_PUT: finite, > 0; 1.0 is usual */
    reshard_migration_id migration; /**< MIGRATION_* */
    reshard_shard_id source;  /**< MIGRATION_OPEN */
    reshard_shard_id target;  /**< MIGRATION_OPEN */
    uint32_t mode;            /**< MIGRATION_OPEN: RESHARD_MODE_* */
    uint32_t migration_flags; /**< MIGRATION_OPEN: RESHARD_MIGRATION_* */
    uint64_t attempt;         /**< MIGRATION_COMMIT: the attempt that was held and ready */
    uint64_t source_epoch;    /**< MIGRATION_COMMIT */
    uint64_t target_epoch;    /**< MIGRATION_COMMIT */
    const char *name;         /**< NODE_PUT: name_size bytes, not NUL-terminated */
    const char *address;      /**< NODE_PUT: address_size bytes; the library never parses it */
    const char *zone;         /**< NODE_PUT: zone_size bytes */
    uint32_t name_size;       /**< <= RESHARD_NAME_SIZE_MAX */
    uint32_t address_size;    /**< <= RESHARD_ADDRESS_SIZE_MAX */
    uint32_t zone_size;       /**< <= RESHARD_ZONE_SIZE_MAX */
    uint32_t range_count;     /**< items in ranges */
    const struct reshard_range *ranges; /**< ASSIGN, UNASSIGN, MIGRATION_OPEN */
};

/** A node as the map has it. Texts are borrowed until the next apply. */
struct reshard_map_node {
    uint32_t struct_size;   /**< sizeof(struct reshard_map_node), set by the caller */
    uint32_t role;          /**< RESHARD_ROLE_* */
    reshard_node_id node;   /**< its id */
    reshard_shard_id shard; /**< 0 = none yet */
    uint32_t name_size;     /**< bytes */
    uint32_t address_size;  /**< bytes */
    uint32_t zone_size;     /**< bytes */
    const char *name;       /**< not NUL-terminated */
    const char *address;    /**< not NUL-terminated */
    const char *zone;       /**< not NUL-terminated */
};

/** A shard as the map has it. */
struct reshard_map_shard {
    uint32_t struct_size;    /**< sizeof(struct reshard_map_shard), set by the caller */
    reshard_shard_id shard;  /**< its id */
    reshard_node_id primary; /**< 0 = none */
    double weight;           /**< finite, > 0 */
    uint64_t epoch;          /**< fail-overs so far */
    uint32_t slot_count;     /**< slots it owns */
    uint32_t node_count;     /**< nodes in it */
};

/** Decision of a migration (field `decision`). */
enum {
    RESHARD_DECISION_NONE = 0,  /**< open: can still go either way */
    RESHARD_DECISION_COMMIT = 1, /**< forward only */
    RESHARD_DECISION_ABORT = 2   /**< back only */
};

/** An open migration as the map has it. */
struct reshard_map_migration {
    uint32_t struct_size;           /**< sizeof(struct reshard_map_migration), by the caller */
    uint32_t mode;                  /**< RESHARD_MODE_* */
    reshard_migration_id migration; /**< its id */
    reshard_shard_id source;        /**< gives the slots */
    reshard_shard_id target;        /**< gets the slots */
    uint32_t decision;              /**< RESHARD_DECISION_* */
    uint32_t migration_flags;       /**< RESHARD_MIGRATION_* */
    uint64_t attempt;               /**< of the commit, 0 before */
    uint64_t version;               /**< map version that its OPEN produced */
    uint32_t slot_count;            /**< slots it moves */
    uint32_t range_count;           /**< items in ranges */
    const struct reshard_range *ranges; /**< borrowed until the next apply */
};

/** Zero a change and set its struct_size.
 * @param change [out] non-NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API void reshard_change_init(struct reshard_change *change);

/** Make an empty map (version 0). It takes 12 bytes a slot, what its nodes, shards, open migrations
 * and removed ids (8 and 4 bytes each, for ever) take, and its retained changes (at most
 * RESHARD_MAP_RETAINED_BYTES).
 * @param slot_count [in] 1 ... RESHARD_SLOT_COUNT_MAX.
 * @param allocator [in, copied] NULL = malloc.
 * @param map_out [out] the map; the caller destroys it.
 * @return RESHARD_OK, or E_NULL, E_SLOT_COUNT, E_NOMEM; E_STRUCT_SIZE, E_STRUCT_TAIL, E_FLAGS of
 *   the allocator's struct.
 * Calls: allocator.  Allocates: yes.  Threads: any.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_map_create(
    uint32_t slot_count, const struct reshard_allocator *allocator, struct reshard_map **map_out);

/** Free a map.
 * @param map [in] NULL is a no-op.
 * Calls: allocator.  Allocates: never.  Threads: owner.  Re-entry: no.
 */
RESHARD_API void reshard_map_destroy(struct reshard_map *map);

/** Make a deep copy, its retained changes (see reshard_map_delta) included.
 * @param map [in] non-NULL.
 * @param allocator [in, copied] NULL = malloc.
 * @param map_out [out] the copy; the caller destroys it.
 * @return RESHARD_OK, or E_NULL, E_NOMEM; E_STRUCT_SIZE, E_STRUCT_TAIL, E_FLAGS of the allocator's
 *   struct.
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: no.
 */
RESHARD_API int32_t reshard_map_clone(const struct reshard_map *map,
    const struct reshard_allocator *allocator, struct reshard_map **map_out);

/** Apply one change. Deterministic. The guards stand at RESHARD_CHANGE_*. Costs what the change
 * touches (its slots, ranges and texts, a search by id), never the whole map.
 * @param map [in,out] non-NULL.
 * @param change [in, borrowed for the call] non-NULL.
 * @return RESHARD_OK, or, with nothing changed, in the order in which they are looked for:
 *   E_NULL, E_STRUCT_SIZE, E_STRUCT_TAIL  the change itself;
 *   E_REPEATED   change.version is not above the map's: applied before;
 *   E_OVERFLOW   the map's version is UINT64_MAX;
 *   E_VERSION    change.version is above the next one: something is missing;
 *   E_KIND       unknown kind;
 *   E_ARGUMENT   a field of another kind is set, an id to be added is 0, an unknown role, a text
 *                too long, no ranges, source is target;
 *   E_NULL, E_MODE, E_FLAGS, E_WEIGHT, E_SLOT, E_OVERLAP  malformed (RESHARD_MIGRATION_OPERATOR
 *                needs keywise, else E_MODE);
 *   E_REUSED     the id was removed, or the migration's is not above all before;
 *   E_NODE, E_SHARD, E_MIGRATION  no such thing (an ended migration is none);
 *   E_TERM       not above the map's term;
 *   E_IN_USE     node is a primary of a shard with slots, migrations or other nodes; shard has
 *                slots, nodes or migrations;
 *   E_STATE      role primary for one that is not; primary from another shard; end before decided;
 *   E_OWNER      a slot is not owned by shard or source, or, for ASSIGN, is owned;
 *   E_OVERLAP    a slot is in an open migration;
 *   E_OVERFLOW   a slot's or the shard's epoch cannot rise;
 *   E_REPEATED, E_DECIDED  the migration was decided so before, or otherwise;
 *   E_EPOCH      a shard's epoch is another one now;
 *   E_NOMEM      tried again later, it may succeed.
 * Calls: allocator.  Allocates: amortised O(1) plus ranges.  Threads: owner.  Re-entry: no.
 */
RESHARD_API int32_t reshard_map_apply(
    struct reshard_map *map, const struct reshard_change *change);

/** Say whether a change would be accepted, changing nothing.
 * @param map [in] non-NULL.
 * @param change [in] non-NULL.
 * @return what reshard_map_apply would return, E_NOMEM aside.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: no.
 */
RESHARD_API int32_t reshard_map_check(
    const struct reshard_map *map, const struct reshard_change *change);

/** Number of slots.
 * @param map [in] NULL answers 0, here and in the getters below that return no result code.
 * @return 1 ... RESHARD_SLOT_COUNT_MAX.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API uint32_t reshard_map_slot_count(const struct reshard_map *map);

/** Version: the number of accepted changes.
 * @param map [in] non-NULL.
 * @return the version.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API uint64_t reshard_map_version(const struct reshard_map *map);

/** Term of the last coordinator that started, and its unique id.
 * @param map [in] non-NULL.
 * @param unique_out [out] NULL allowed.
 * @return the term; 0 = none yet.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API uint64_t reshard_map_term(const struct reshard_map *map, uint64_t *unique_out);

/** Highest migration id that was ever opened.
 * @param map [in] non-NULL.
 * @return the id; 0 = none yet.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API reshard_migration_id reshard_map_last_migration(const struct reshard_map *map);

/** Owner of a slot. One atomic load; may be called while the owner thread applies. Slots of one
 * commit change one after the other; who needs them at once asks the owner thread.
 * @param map [in] non-NULL.
 * @param slot [in] 0 <= slot < slot_count; a larger one answers 0.
 * @return the shard, 0 = unowned.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API reshard_shard_id reshard_map_slot_owner(const struct reshard_map *map, uint32_t slot);

/** Epoch of a slot: how often its owner changed. One atomic load.
 * @param map [in] non-NULL.
 * @param slot [in] 0 <= slot < slot_count; a larger one answers 0.
 * @return the epoch; 0 = never owned.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API uint32_t reshard_map_slot_epoch(const struct reshard_map *map, uint32_t slot);

/** Open migration of a slot.
 * @param map [in] non-NULL.
 * @param slot [in] 0 <= slot < slot_count; a larger one answers 0.
 * @return the migration, 0 = none.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API reshard_migration_id reshard_map_slot_migration(
    const struct reshard_map *map, uint32_t slot);

/** Next run of slots with one owner, from a cursor.
 * @param map [in] non-NULL.
 * @param cursor [in,out] starts at 0; moved behind the run.
 * @param range_out [out] the run: maximal, starting at the cursor.
 * @param shard_out [out] its owner, 0 = unowned.
 * @return RESHARD_OK, or E_EMPTY at the end, E_NULL.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_map_owner_next(const struct reshard_map *map, uint32_t *cursor,
    struct reshard_range *range_out, reshard_shard_id *shard_out);

/** Number of nodes.
 * @param map [in] non-NULL.
 * @return the count.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API uint32_t reshard_map_node_count(const struct reshard_map *map);

/** Node by position, in ascending order of ids.
 * @param map [in] non-NULL.
 * @param index [in] 0 <= index < node_count.
 * @param node_out [in,out] its struct_size is set by the caller.
 * @return RESHARD_OK, or E_NULL, E_NODE, E_STRUCT_SIZE.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_map_node_at(
    const struct reshard_map *map, uint32_t index, struct reshard_map_node *node_out);

/** Node by id.
 * @param map [in] non-NULL.
 * @param node [in] its id.
 * @param node_out [in,out] its struct_size is set by the caller.
 * @return RESHARD_OK, or E_NULL, E_NODE, E_STRUCT_SIZE.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_map_node_find(
    const struct reshard_map *map, reshard_node_id node, struct reshard_map_node *node_out);

/** Number of shards.
 * @param map [in] non-NULL.
 * @return the count.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API uint32_t reshard_map_shard_count(const struct reshard_map *map);

/** Shard by position, in ascending order of ids.
 * @param map [in] non-NULL.
 * @param index [in] 0 <= index < shard_count.
 * @param shard_out [in,out] its struct_size is set by the caller.
 * @return RESHARD_OK, or E_NULL, E_SHARD, E_STRUCT_SIZE.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_map_shard_at(
    const struct reshard_map *map, uint32_t index, struct reshard_map_shard *shard_out);

/** Shard by id.
 * @param map [in] non-NULL.
 * @param shard [in] its id.
 * @param shard_out [in,out] its struct_size is set by the caller.
 * @return RESHARD_OK, or E_NULL, E_SHARD, E_STRUCT_SIZE.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_map_shard_find(
    const struct reshard_map *map, reshard_shard_id shard, struct reshard_map_shard *shard_out);

/** Number of open migrations.
 * @param map [in] non-NULL.
 * @return the count.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API uint32_t reshard_map_migration_count(const struct reshard_map *map);

/** Open migration by position, in ascending order of ids.
 * @param map [in] non-NULL.
 * @param index [in] 0 <= index < migration_count.
 * @param migration_out [in,out] its struct_size is set by the caller.
 * @return RESHARD_OK, or E_NULL, E_MIGRATION, E_STRUCT_SIZE.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_map_migration_at(const struct reshard_map *map, uint32_t index,
    struct reshard_map_migration *migration_out);

/** Open migration by id.
 * @param map [in] non-NULL.
 * @param migration [in] its id.
 * @param migration_out [in,out] its struct_size is set by the caller.
 * @return RESHARD_OK, or E_NULL, E_MIGRATION (never opened, or closed), E_STRUCT_SIZE.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_map_migration_find(const struct reshard_map *map,
    reshard_migration_id migration, struct reshard_map_migration *migration_out);

/** Digest of the whole state: equal states have equal digests, however they were reached.
 * @param map [in] non-NULL.
 * @param digest_out [out] XXH3-128 sums over nodes, shards, slots, migrations, version, term.
 * @return RESHARD_OK, or E_NULL.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_map_digest(
    const struct reshard_map *map, struct reshard_digest *digest_out);

/** Compare two maps exactly, not by digest.
 * @param a [in] non-NULL.
 * @param b [in] non-NULL.
 * @return 1 equal, 0 different, or E_NULL.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_map_equal(const struct reshard_map *a, const struct reshard_map *b);

/** Next change of the delta after a version. The map retains its newest changes, up to
 * RESHARD_MAP_RETAINED of them and RESHARD_MAP_RETAINED_BYTES; who is further behind needs a
 * snapshot. A map from a snapshot retains what it accepted since.
 * @param map [in] non-NULL.
 * @param cursor [in,out] a version: starts at the one that the reader has; +1 per call.
 * @param change_out [in,out] its struct_size is set by the caller (reshard_change_init); texts
 *   and ranges are borrowed until the next apply. Its version is set.
 * @return RESHARD_OK, or E_NULL, E_STRUCT_SIZE, E_EMPTY when the cursor is the map's version,
 *   E_VERSION when it is above it or the change is no longer retained.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_map_delta_next(
    const struct reshard_map *map, uint64_t *cursor, struct reshard_change *change_out);

/** What a map retains for deltas, at most; whichever bound is met first. */
enum {
    RESHARD_MAP_RETAINED = 1024,         /**< changes */
    RESHARD_MAP_RETAINED_BYTES = 8388608 /**< bytes of changes with their texts and ranges; the
                                              newest change is retained whatever its size */
};

RESHARD_END_DECLS

#endif
