/* SPDX-License-Identifier: MIT */
/** @file types.h
 * Ids, ranges, digests, modes, roles and the allocator: the words that all rooms share.
 */
#ifndef RESHARD_TYPES_H
#define RESHARD_TYPES_H

#include <reshard/export.h>
#include <stddef.h>
#include <stdint.h>

RESHARD_BEGIN_DECLS

/** A node: one process. 0 means none. Chosen by the host, never reused. */
typedef uint64_t reshard_node_id;
/** A shard: a replica group that owns slots. 0 means none. Never reused. */
typedef uint32_t reshard_shard_id;
/** A migration. 0 means none. Counted up by the coordinator, never reused. */
typedef uint64_t reshard_migration_id;

/** Limits and special values. */
enum {
    RESHARD_SLOT_COUNT_DEFAULT = 16384,   /**< as Redis Cluster has it */
    RESHARD_SLOT_COUNT_MAX = 1048576,     /**< 2^20 */
    RESHARD_STRUCT_SIZE_MAX = 4096        /**< no sized struct is larger */
};

/** How the data moves (field `mode`). */
enum {
    RESHARD_MODE_SNAPSHOT = 1, /**< copy, stream the tail, short freeze, atomic flip */
    RESHARD_MODE_KEYWISE = 2   /**< each key moves atomically; both shards serve meanwhile */
};

/** What a node is to its shard (field `role`). */
enum {
    RESHARD_ROLE_PRIMARY = 1, /**< acts for the shard */
    RESHARD_ROLE_REPLICA = 2  /**< follows the primary, may serve reads */
};

/** Slots first ... last, both included; first <= last < slot_count. */
struct reshard_range {
    uint32_t first; /**< lowest slot */
    uint32_t last;  /**< highest slot */
};

/** A 128-bit digest. Detects damage and bugs, not forgery. */
struct reshard_digest {
    uint64_t low;  /**< bits 0 ... 63 */
    uint64_t high; /**< bits 64 ... 127 */
};

/** Memory for one instance. Copied at create; must outlive the instance.
 * An all-zero struct (or NULL in place of it) means malloc, realloc and free.
 */
struct reshard_allocator {
    uint32_t struct_size; /**< sizeof(struct reshard_allocator) */
    uint32_t flags;       /**< 0 */
    /** Allocate (ptr NULL, old_size 0), resize, or free (new_size 0; result ignored).
     * The result is aligned for max_align_t. On NULL the old block stays as it was.
     * May not call the library.
     */
    void *(*resize)(void *user_data, void *ptr, size_t old_size, size_t new_size);
    void *user_data; /**< handed to resize */
};

RESHARD_END_DECLS

#endif
