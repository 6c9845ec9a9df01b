/* SPDX-License-Identifier: MIT */
/** @file store.h
 * Simulations of a host's own store: the world asks its hooks for all that it would ask of the
 * built-in one, reads every key back through them, and judges what it sees. Whatever a seed or a
 * scenario does to a cluster it then does to that store: copies that start over, crashes between
 * any two actions, hooks that fail, deletes that race the copy, fail-overs.
 *
 * A test of a store is a program: fill a struct reshard_sim_store, run a scenario over it until it
 * holds (its transcript tells where it stops; `world trace 1` in its first line shows every
 * message), then a few hundred seeds of reshard_sim_swarm_run() with `store` set, and `mode` where
 * the store has the hooks of one mode alone. examples/test_own_store.c is one. Build:
 * cc test.c $(pkg-config --cflags --libs libreshard-sim)
 */
#ifndef RESHARD_SIM_STORE_H
#define RESHARD_SIM_STORE_H

#include <reshard-sim/sim.h>
#include <reshard/driver.h>

RESHARD_BEGIN_DECLS

/** A kind of store, as a world needs it. Keys and values are numbers: key k lies in slot k mod
 * slot_count, so choose its name so that it does; a value is 1 or more, and 0 stands for no key.
 * user_data is that of the kind for `open`, and for all others the one that `open` set in the
 * hooks: one instance, of one node. A simulation calls them from its own thread alone.
 */
struct reshard_sim_store {
    uint32_t struct_size; /**< sizeof(struct reshard_sim_store) */
    uint32_t flags;       /**< 0 */
    void *user_data;      /**< handed to open */
    /** REQUIRED. Make an empty store of a node and fill its hooks: the very struct that the host
     * hands to reshard_driver_create_node. No hook may answer RESHARD_PENDING; `fence` and `wake`
     * are not called, requests are the world's. RESHARD_OK or an error, which ends the run. */
    int32_t (*open)(void *user_data, reshard_node_id node, uint32_t slot_count,
        struct reshard_store *hooks_out);
    /** REQUIRED. Free it. */
    void (*close)(void *user_data);
    /** OPTIONAL (nothing is ever lost). The process died: from now on the store is what a restart
     * would find. Writes that were answered, and what hooks said is durable, must be there. fate =
     * 0: nothing else is; 1 ... 999: as much of the rest as the store likes. */
    void (*crash)(void *user_data, uint32_t fate);
    /** REQUIRED. A client's write to the live data, or its delete (value 0). size: bytes that the
     * value should take, so that chunks fill; some are larger than any chunk. */
    void (*write)(void *user_data, uint32_t key, uint64_t value, uint32_t size);
    /** REQUIRED. A client's read of the live data: the value, 0 = no such key. */
    uint64_t (*read)(void *user_data, uint32_t key);
    /** REQUIRED for snapshot. The key's state now, or its deletion, in the form that `apply`
     * understands, as handed to reshard_node_record. Returns its bytes; where they are more than
     * capacity nothing is written, and it is called again. */
    uint64_t (*record)(void *user_data, uint32_t key, uint8_t *buffer, uint64_t capacity);
    /** OPTIONAL (nobody looks). How many keys are staged of a migration: none may be left when it
     * is over. */
    uint64_t (*staged)(void *user_data, reshard_migration_id migration);
    /** OPTIONAL (four bytes, little-endian). The key's name as it stands in the items of mode
     * keywise. Returns its bytes, capacity at most. */
    uint64_t (*name)(void *user_data, uint32_t key, uint8_t *buffer, uint64_t capacity);
};

/** Zero a kind of store and set its struct_size.
 * @param store [out] non-NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API void reshard_sim_store_init(struct reshard_sim_store *store);

/** Run a scenario over a host's own store. Seeds: field `store` of struct reshard_sim_swarm.
 * @param text [in, borrowed for the call] the script.
 * @param size [in] bytes.
 * @param store [in, borrowed for the call] the store; NULL = the built-in one.
 * @param print [in] takes the transcript; NULL allowed.
 * @param print_data [in] handed to print.
 * @param report_out [in,out] its struct_size is set by the caller.
 * @return as reshard_sim_scenario(), or E_HOOK_MISSING, E_STRUCT_SIZE of the store.
 * Calls: print, the store.  Allocates: yes, as reshard_sim_scenario() does.  Threads: any.
 *   Re-entry: no.
 */
RESHARD_API int32_t reshard_sim_scenario_store(const char *text, size_t size,
    const struct reshard_sim_store *store, reshard_sim_print print, void *print_data,
    struct reshard_sim_report *report_out);

RESHARD_END_DECLS

#endif
