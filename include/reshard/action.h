/* SPDX-License-Identifier: MIT */
/** @file action.h
 * Actions: what a node or a coordinator asks its host to do. The host pulls them
 * (reshard_node_action_next, reshard_coordinator_action_next), does them and completes each
 * exactly once, at once or later. An action whose `after` is not 0 must not start before that
 * action has completed; the result of the earlier one does not matter. Actions come out so that
 * `after` always names one that came out before.
 *
 * Payloads. mode snapshot: the host's own records, opaque here, that may stand one behind the
 * other. mode keywise: items of {key size: 4 bytes, state size: 4 bytes, both little-endian; key;
 * state}; a list of keys is such items with state size 0.
 */
#ifndef RESHARD_ACTION_H
#define RESHARD_ACTION_H

#include <reshard/status.h>
#include <reshard/types.h>

RESHARD_BEGIN_DECLS

/** Kinds of action (field `kind`). Fields in use stand beside each. */
enum {
    /** Deliver header, then payload, to node `to`. May be lost, repeated, late. */
    RESHARD_ACTION_SEND = 1,
    /** Append header[0 ... header_size), record_count records, durably from `index` of the own
     * journal on: all of them or none; a process that dies may leave the first ones. For a
     * coordinator it is compare-and-set on (term, index): a higher term is known → E_FENCED;
     * the index is taken → E_UNKNOWN. No answer in doubt: E_UNKNOWN. */
    RESHARD_ACTION_APPEND = 2,
    /** Read the own journal again: feed every record through reshard_*_restore, in order, from
     * the first, then complete. What is not durable must be cut or made durable before. */
    RESHARD_ACTION_LOAD = 3,
    /** Replace the own journal, atomically, by header[0 ... header_size): one record or several.
     * For a coordinator it is compare-and-set on (term, index), as APPEND is. */
    RESHARD_ACTION_COMPACT = 4,
    /** Source: fill `buffer` (capacity bytes) with data of the slots, from `cursor` (0 = from
     * the start). Completion: size, keys, cursor for the next call, done. A first key that does
     * not fit: E_SPACE with size = needed, at most 2^26; larger values come in pieces. */
    RESHARD_ACTION_EXPORT = 5,
    /** Target: apply payload to the staging of (migration, copy). keywise: to the live data
     * (items). In both modes (migration, copy, sequence) is stored in the same step: the next
     * SYNC answers with it, also after a restart, until DISCARD. */
    RESHARD_ACTION_APPLY = 6,
    /** Target: make all that was applied durable. Completion: sequence = the last durable one,
     * copy_term, copy_n = of which copy (0, 0 = no staging). Also asked after a restart. */
    RESHARD_ACTION_SYNC = 7,
    /** Target: make the staging of `migration` the visible data of the slots, durably. */
    RESHARD_ACTION_ACTIVATE = 8,
    /** Target: drop the staging of `migration`. Idempotent. */
    RESHARD_ACTION_DISCARD = 9,
    /** Source: delete the data of the slots, durably, resumable. Completion: done = 0 asks to be
     * called again. Also for quarantined slots. */
    RESHARD_ACTION_PURGE = 10,
    /** Complete when every request that was admitted to the slots before has finished. Asked when
     * a capture opens, at FREEZE and HOLD, and in mode keywise at MOVE, before the first PICK:
     * from then on keys decide, and a request that was admitted by its slot alone may still run. */
    RESHARD_ACTION_FENCE = 11,
    /** Digest of the slots' data: side = source: live, target: staging. Completion: digest; 0 =
     * this side has none and nothing is compared, so that of no data at all must be another one. */
    RESHARD_ACTION_DIGEST = 12,
    /** keywise: keys of the slots that are here. Three forms. buffer and no payload: the next keys
     * from `cursor` on, with their states, into buffer; completion: size, keys, cursor, done =
     * none follows. buffer and payload: those of the listed keys that are here; done = all were
     * looked for. capacity 0: write nothing, tell in `keys` how many are here (of the listed ones,
     * or of all). A first key that does not fit: E_SPACE with size = needed. From reading a key to
     * completing the action the host executes no write to it: from then on it is locked. Where
     * the completion is answered by E_NOMEM, nothing is: read anew before the next. */
    RESHARD_ACTION_PICK = 13,
    /** keywise giver: delete the keys in payload, durably. Receiver: drop its copy of them. */
    RESHARD_ACTION_REMOVE = 14,
    /** Requests parked for the slots may be routed again. Complete at once. */
    RESHARD_ACTION_WAKE = 15,
    RESHARD_ACTION_KIND_COUNT = 16 /**< one more than the highest */
};

/** What an APPEND must outlive before it is completed (field `durability`), from the strictest
 * down. All of them outlive the process, and none is ever outlived by anything that was written
 * after it, to this journal or to the store: a host that keeps both in one log has that for
 * nothing, one that keeps them apart syncs the journal before it next syncs the store. A host that
 * does not distinguish treats every APPEND as the strictest.
 */
enum {
    /** A loss of power: ownership rests on it. */
    RESHARD_DURABILITY_FULL = 0,
    /** What a client's write that was answered outlives here. Where such writes may be lost with
     * the power, so may this; where they are synced before the answer, so is this. */
    RESHARD_DURABILITY_WRITE = 1,
    /** Nothing but the process: it needs no sync of its own. Only work that is done again rests
     * on it: the names of keys that are about to be applied, a purge that is about to begin. */
    RESHARD_DURABILITY_ORDERED = 2
};

/** Which side of a migration (field `side`). */
enum {
    RESHARD_SIDE_SOURCE = 1, /**< gives the slots */
    RESHARD_SIDE_TARGET = 2  /**< gets the slots */
};

/** One action. Pointers stay valid until it is completed; the payload of an APPLY points into
 * the bytes that were received.
 */
struct reshard_action {
    uint32_t struct_size;           /**< sizeof(struct reshard_action), set by the caller */
    uint32_t kind;                  /**< RESHARD_ACTION_* */
    uint64_t id;                    /**< never 0, never reused within one object */
    uint64_t after;                 /**< 0, or the id of an action that must have completed */
    reshard_node_id to;             /**< SEND */
    uint64_t term;                  /**< APPEND, COMPACT */
    uint64_t index;                 /**< APPEND, COMPACT: the first record's position, from 1 */
    reshard_migration_id migration; /**< store actions */
    uint32_t side;                  /**< store actions: RESHARD_SIDE_* */
    uint32_t mode;                  /**< store actions: RESHARD_MODE_* */
    uint64_t copy_term;             /**< EXPORT, APPLY, SYNC: the copy's or stream's id ... */
    uint64_t copy_n;                /**< ... both parts */
    uint64_t sequence;              /**< APPLY: the chunk's number */
    uint64_t cursor;                /**< EXPORT, PICK, PURGE: as the last completion said */
    const uint8_t *header;          /**< SEND, APPEND, COMPACT */
    size_t header_size;             /**< bytes */
    const uint8_t *payload;         /**< SEND, APPLY, REMOVE; PICK: a list of keys, or none */
    size_t payload_size;            /**< bytes */
    uint8_t *buffer;                /**< EXPORT, PICK: to be filled */
    size_t capacity;                /**< bytes in buffer */
    const struct reshard_range *ranges; /**< the slots: store actions */
    size_t range_count;             /**< items */
    uint32_t durability;            /**< APPEND: RESHARD_DURABILITY_* */
    uint32_t record_count;          /**< APPEND, COMPACT: records, one position each */
};

/** How an action ended. */
struct reshard_completion {
    uint32_t struct_size;         /**< sizeof(struct reshard_completion) */
    int32_t status;               /**< RESHARD_OK or an error; E_FENCED, E_UNKNOWN: APPEND */
    uint32_t done;                /**< EXPORT, PICK, PURGE: 1 = nothing is left */
    uint32_t flags;               /**< 0 */
    uint64_t size;                /**< EXPORT, PICK: bytes written to buffer */
    uint64_t keys;                /**< EXPORT, PICK, PURGE: keys in it, for progress */
    uint64_t cursor;              /**< EXPORT, PICK, PURGE: where the next call goes on */
    uint64_t sequence;            /**< SYNC; APPLY: durable up to it, 0 = ask by SYNC */
    uint64_t copy_term;           /**< SYNC */
    uint64_t copy_n;              /**< SYNC */
    struct reshard_digest digest; /**< DIGEST */
};

/** Zero a completion and set its struct_size.
 * @param completion [out] non-NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API void reshard_completion_init(struct reshard_completion *completion);

/** Zero an action and set its struct_size.
 * @param action [out] non-NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API void reshard_action_init(struct reshard_action *action);

/** Name of a kind of action.
 * @param kind [in] any value.
 * @return such as "EXPORT"; "?" for unknown ones. Static.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API const char *reshard_action_name(uint32_t kind);

RESHARD_END_DECLS

#endif
