/* SPDX-License-Identifier: MIT */
/** @file audit.h
 * Audit: hold the authority's map against what the nodes say, name every difference, and
 * propose repairs. Pure: the host collects the views, and carries out the steps that the
 * operator accepted. An audit of a healthy cluster has no finding. A fix deletes nothing on
 * suspicion: data that no record explains is hidden under quarantine, or given to the owner;
 * purging is proposed only where the operator asked for it.
 */
#ifndef RESHARD_AUDIT_H
#define RESHARD_AUDIT_H

#include <reshard/map.h>
#include <reshard/plan.h>
#include <reshard/status.h>
#include <reshard/types.h>

RESHARD_BEGIN_DECLS

/** An audit: views, and the findings of its last run. Opaque; one owner thread. */
struct reshard_audit;
/** A fix: a list of proposed steps; pure data. Opaque; immutable. */
struct reshard_fix;

/** Special values of an audit. */
enum {
    RESHARD_AUDIT_BALANCE_IGNORED = 0x7FFFFFFF,/**< imbalance_permille: never report imbalance */
    RESHARD_AUDIT_TEXT_SIZE_MAX = 512          /**< no sentence is longer, its NUL included */
};

/** Parameters of an audit. */
struct reshard_audit_config {
    uint32_t struct_size;        /**< sizeof(struct reshard_audit_config) */
    uint32_t flags;              /**< 0 */
    uint32_t slot_count;         /**< 1 ... RESHARD_SLOT_COUNT_MAX */
    uint32_t imbalance_permille; /**< how far a shard's slots may lie from its share, in
                                      thousandths of the share; rounding to whole slots never
                                      counts. 20 after init; RESHARD_AUDIT_BALANCE_IGNORED */
    uint64_t stuck_ns;           /**< a migration without progress for longer is stuck;
                                      60 s after init */
    const struct reshard_allocator *allocator; /**< copied by create; NULL = malloc */
};

/** Flags of a view (field `flags`). */
enum {
    RESHARD_VIEW_REACHABLE = 1 /**< the node answered; without it only `node` is read */
};

/** What one node says. Arrays are borrowed until the audit is destroyed. */
struct reshard_view {
    uint32_t struct_size;             /**< sizeof(struct reshard_view) */
    uint32_t flags;                   /**< RESHARD_VIEW_* */
    reshard_node_id node;             /**< who; not 0 */
    reshard_shard_id shard;           /**< the shard that it acts for, as it believes; 0 = none */
    uint32_t role;                    /**< RESHARD_ROLE_*, as it believes; 0 = not known */
    uint64_t map_version;             /**< of its durable map */
    struct reshard_digest map_digest; /**< of its durable map; all zero = not given */
    const struct reshard_range *owned; /**< canonical: slots that it serves as their owner now (a
                                            held or released slot is not; a replica has none) */
    const uint64_t *key_counts;  /**< keys that it holds; NULL = not given */
    const uint32_t *key_slots;   /**< strictly ascending slots of key_counts; NULL: key_counts has
                                      one item for each slot */
    const struct reshard_range *quarantined; /**< canonical: slots with data under quarantine */
    uint32_t owned_count;        /**< ranges in owned */
    uint32_t key_count_count;    /**< items in key_counts */
    uint32_t quarantined_count;  /**< ranges in quarantined */
    uint32_t reserved;           /**< 0 */
};

/** An open migration as one node, or the authority itself, sees it. */
struct reshard_view_migration {
    uint32_t struct_size;           /**< sizeof(struct reshard_view_migration) */
    uint32_t phase;                 /**< shown, not judged; 0 = not known */
    reshard_node_id node;           /**< whose view was added before; 0 = the coordinator */
    reshard_migration_id migration; /**< its id; not 0 */
    reshard_shard_id source;        /**< gives the slots */
    reshard_shard_id target;        /**< gets the slots */
    uint64_t age_ns;                /**< since it was opened */
    uint64_t idle_ns;               /**< since its last progress */
    const struct reshard_range *ranges; /**< canonical; borrowed until the audit is destroyed */
    uint32_t range_count;           /**< items in ranges; >= 1 */
    uint32_t reserved;              /**< 0 */
};

/** How bad a finding is (field `severity`). */
enum {
    RESHARD_SEVERITY_NOTE = 1,    /**< normal while work is going on */
    RESHARD_SEVERITY_WARNING = 2, /**< nothing is lost or unserved, but someone should look */
    RESHARD_SEVERITY_ERROR = 3,   /**< slots are not served */
    RESHARD_SEVERITY_CRITICAL = 4 /**< data may be lost or diverge */
};

/** What was found (field `code`). Codes are append-only. Which fields each uses stands beside
 * it; others are 0. "The reference" is the map; without one, the shard of the only claimant.
 */
enum {
    RESHARD_FINDING_UNCOVERED = 1, /**< ranges: no shard owns them (without a map: no node claims
                                        them) */
    RESHARD_FINDING_TWO_OWNERS = 2, /**< ranges, node, other_node: both serve them; other_node is
                                         the one that the map names, if it is one of the two */
    RESHARD_FINDING_WRONG_OWNER = 3, /**< ranges, node, shard (its), other_shard (the map's owner):
                                          the node serves them, their owner's primary does not */
    RESHARD_FINDING_UNSERVED = 4,   /**< ranges, shard, node: the shard owns them, its primary
                                         answered, and no node serves them */
    RESHARD_FINDING_MIGRATION_OPEN = 5,  /**< migration, shard (source), other_shard (target),
                                              ranges, phase, age_ns, idle_ns: in progress */
    RESHARD_FINDING_MIGRATION_STUCK = 6, /**< as OPEN: without progress for longer than the limit */
    RESHARD_FINDING_MIGRATION_LEFTOVER = 7, /**< migration, node, shard, other_shard, ranges: the
                                                 node still has a migration that the map does not */
    RESHARD_FINDING_ORPHAN = 8,     /**< ranges, node, shard (its), keys: data in slots that its
                                         shard does not own, and no record explains it */
    RESHARD_FINDING_QUARANTINE = 9, /**< ranges, node, shard (its), keys: data under quarantine */
    RESHARD_FINDING_UNREACHABLE = 10, /**< node, shard, ranges (the shard's, if it is its primary):
                                           it did not answer, or was not asked */
    RESHARD_FINDING_IMBALANCE = 11, /**< shard, have, want: its slots, and its share rounded down */
    RESHARD_FINDING_BEHIND = 12,    /**< node, version, other_version: its map is older */
    RESHARD_FINDING_AHEAD = 13,     /**< node, version, other_version: its map is newer than the
                                         authority's, which has lost history */
    RESHARD_FINDING_DIVERGED = 14,  /**< node, version: the same version, another digest */
    RESHARD_FINDING_STRANGER = 15,  /**< node: it answered, but the map does not have it */
    RESHARD_FINDING_MEMBERSHIP = 16, /**< node, shard, other_shard: its map is current, but it acts
                                          for another shard or in another role than the map says */
    RESHARD_FINDING_HEADLESS = 17   /**< shard, ranges: it owns slots and has no primary */
};

/** A finding. Filled by the library. */
struct reshard_finding {
    uint32_t struct_size;           /**< sizeof(struct reshard_finding), set by the caller */
    uint32_t code;                  /**< RESHARD_FINDING_* */
    uint32_t severity;              /**< RESHARD_SEVERITY_* */
    uint32_t phase;                 /**< as the node with the latest progress reported it */
    reshard_node_id node;           /**< the node that it is about */
    reshard_node_id other_node;     /**< its counterpart */
    reshard_shard_id shard;         /**< the shard that it is about */
    reshard_shard_id other_shard;   /**< its counterpart */
    reshard_migration_id migration; /**< the migration that it is about */
    uint64_t version;               /**< the node's map version */
    uint64_t other_version;         /**< the reference's map version */
    uint64_t keys;                  /**< keys in the ranges at the node */
    uint64_t age_ns;                /**< since the migration was opened; the largest reported */
    uint64_t idle_ns;               /**< since its last progress; the smallest reported */
    uint32_t have;                  /**< slots that the shard owns */
    uint32_t want;                  /**< slots that it should own */
    uint32_t slot_count;            /**< slots in ranges */
    uint32_t range_count;           /**< items in ranges */
    const struct reshard_range *ranges; /**< canonical; borrowed until the next run or destroy */
};

/** Flags of reshard_audit_fix. */
enum {
    RESHARD_FIX_GIVE = 1,    /**< orphaned and quarantined data goes to the owner */
    RESHARD_FIX_PURGE = 2,   /**< orphaned and quarantined data is deleted; not with GIVE */
    RESHARD_FIX_ABORT = 4,   /**< abort stuck migrations that are undecided, instead of resuming */
    RESHARD_FIX_BALANCE = 8  /**< propose moves against imbalance */
};

/** What a step does (field `kind`). Steps are to be run in order, each finished before the next.
 * Kinds are append-only.
 */
enum {
    RESHARD_FIX_STEP_SEND_MAP = 1, /**< node: send it the authority's map, as a snapshot */
    RESHARD_FIX_STEP_CLOSE = 2,    /**< node, migration: tell it how the migration ended */
    RESHARD_FIX_STEP_REVIVE = 3,   /**< node, shard: by hand: bring it back, remove it, or fail its
                                        shard over; then audit again */
    RESHARD_FIX_STEP_PROMOTE = 4,  /**< shard, node: by hand: give the shard a primary; node is a
                                        reachable replica, 0 = there is none */
    RESHARD_FIX_STEP_ENROL = 5,    /**< node: by hand: add it to the map, or stop it */
    RESHARD_FIX_STEP_RECOVER = 6,  /**< node, version: by hand: the authority's journal lost
                                        history that this node has */
    RESHARD_FIX_STEP_RESUME = 7,   /**< migration: re-enter it with a new order */
    RESHARD_FIX_STEP_ABORT = 8,    /**< migration: decide ABORT */
    RESHARD_FIX_STEP_RELEASE = 9,  /**< node, ranges: it stops serving them; its data stays, hidden
                                        under quarantine */
    RESHARD_FIX_STEP_ASSIGN = 10,  /**< shard, ranges: RESHARD_CHANGE_ASSIGN; its primary starts
                                        to serve them */
    RESHARD_FIX_STEP_QUARANTINE = 11, /**< node, ranges: hide its data under a durable record */
    RESHARD_FIX_STEP_GIVE = 12,    /**< node, shard, ranges: quarantined data goes to the owner,
                                        whose own copy of a key wins; each key is deleted at the
                                        node only after the owner has it durably */
    RESHARD_FIX_STEP_PURGE = 13,   /**< node, ranges: delete quarantined data */
    RESHARD_FIX_STEP_SERVE = 14,   /**< node, shard, ranges: the owner's primary activates them */
    RESHARD_FIX_STEP_MOVE = 15     /**< shard, other_shard, ranges: migrate to other_shard */
};

/** Flags of a step (field `flags`). */
enum {
    RESHARD_FIX_CONFIRM = 1, /**< loses or exposes data if the finding was wrong: ask first */
    RESHARD_FIX_BY_HAND = 2  /**< the library has no means for it */
};

/** A proposed step. Filled by the library. */
struct reshard_fix_step {
    uint32_t struct_size;           /**< sizeof(struct reshard_fix_step), set by the caller */
    uint32_t kind;                  /**< RESHARD_FIX_STEP_* */
    uint32_t flags;                 /**< RESHARD_FIX_CONFIRM, RESHARD_FIX_BY_HAND */
    uint32_t code;                  /**< RESHARD_FINDING_* that it answers */
    reshard_node_id node;           /**< who acts */
    reshard_shard_id shard;         /**< whose slots */
    reshard_shard_id other_shard;   /**< MOVE: the target */
    reshard_migration_id migration; /**< RESUME, ABORT, CLOSE */
    uint64_t version;               /**< RECOVER */
    uint32_t slot_count;            /**< slots in ranges */
    uint32_t range_count;           /**< items in ranges */
    const struct reshard_range *ranges; /**< canonical; borrowed until the fix is destroyed */
};

/** Zero a config and set its struct_size and its defaults.
 * @param config [out] non-NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API void reshard_audit_config_init(struct reshard_audit_config *config);

/** Zero a view and set its struct_size.
 * @param view [out] non-NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API void reshard_view_init(struct reshard_view *view);

/** Zero a migration's view and set its struct_size.
 * @param migration [out] non-NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API void reshard_view_migration_init(struct reshard_view_migration *migration);

/** Zero a finding and set its struct_size.
 * @param finding [out] non-NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API void reshard_finding_init(struct reshard_finding *finding);

/** Zero a step and set its struct_size.
 * @param step [out] non-NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API void reshard_fix_step_init(struct reshard_fix_step *step);

/** Make an audit without views.
 * @param config [in, copied] non-NULL.
 * @param audit_out [out] the audit; the caller destroys it.
 * @return RESHARD_OK, or E_NULL, E_STRUCT_SIZE, E_STRUCT_TAIL, E_FLAGS, E_SLOT_COUNT,
 *   E_ARGUMENT (imbalance_permille), E_NOMEM.
 * Calls: allocator.  Allocates: yes.  Threads: any.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_audit_create(
    const struct reshard_audit_config *config, struct reshard_audit **audit_out);

/** Free an audit. Fixes made from it stay valid.
 * @param audit [in] NULL is a no-op.
 * Calls: allocator.  Allocates: never.  Threads: owner.  Re-entry: no.
 */
RESHARD_API void reshard_audit_destroy(struct reshard_audit *audit);

/** Add what a node says. Findings of an earlier run stay as they were.
 * @param audit [in,out] non-NULL.
 * @param view [in] copied; its arrays are borrowed until the audit is destroyed.
 * @return RESHARD_OK, or E_NULL, E_STRUCT_SIZE, E_STRUCT_TAIL, E_FLAGS, E_NODE (0), E_EXISTS
 *   (this node has one), E_ARGUMENT (role, reserved, dense counts that are not slot_count
 *   many), E_LIMIT, E_SLOT, E_OVERLAP, E_NOMEM.
 * Calls: allocator.  Allocates: amortised O(1).  Threads: owner.  Re-entry: no.
 */
RESHARD_API int32_t reshard_audit_add_view(
    struct reshard_audit *audit, const struct reshard_view *view);

/** Add an open migration as a node or the coordinator sees it.
 * @param audit [in,out] non-NULL.
 * @param migration [in] copied; its ranges are borrowed until the audit is destroyed.
 * @return RESHARD_OK, or E_NULL, E_STRUCT_SIZE, E_STRUCT_TAIL, E_NODE (no view of it was added),
 *   E_MIGRATION (0), E_SHARD (0, or source = target), E_EXISTS (the node has told it already),
 *   E_ARGUMENT, E_SLOT, E_OVERLAP, E_NOMEM.
 * Calls: allocator.  Allocates: amortised O(1).  Threads: owner.  Re-entry: no.
 */
RESHARD_API int32_t reshard_audit_add_migration(
    struct reshard_audit *audit, const struct reshard_view_migration *migration);

/** Compare. Replaces the findings of an earlier run.
 * @param audit [in,out] non-NULL.
 * @param map [in, borrowed for the call] the authority's; NULL = there is none, then the views
 *   are held against each other, and nodes that nobody asked are not missed.
 * @return RESHARD_OK, or E_NULL, E_SLOT_COUNT (the map's differs), E_OVERFLOW, E_NOMEM.
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: no.
 */
RESHARD_API int32_t reshard_audit_run(struct reshard_audit *audit, const struct reshard_map *map);

/** Number of findings of the last run.
 * @param audit [in] non-NULL.
 * @return the count; 0 before the first run.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API uint32_t reshard_audit_finding_count(const struct reshard_audit *audit);

/** Finding by position, ordered by code, then shard, node, migration.
 * @param audit [in] non-NULL.
 * @param index [in] 0 <= index < finding_count.
 * @param finding_out [in,out] its struct_size is set by the caller.
 * @return RESHARD_OK, or E_NULL, E_ARGUMENT (index), E_STRUCT_SIZE.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_audit_finding_at(
    const struct reshard_audit *audit, uint32_t index, struct reshard_finding *finding_out);

/** Name of a finding's code.
 * @param code [in] any value.
 * @return such as "uncovered" or "two-owners"; "?" for unknown codes. Never NULL, static.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API const char *reshard_finding_name(uint32_t code);

/** Say a finding in one sentence. Long lists of ranges are cut, with their number told.
 * @param finding [in] as finding_at filled it.
 * @param text [out] capacity bytes; a NUL is put behind the sentence. NULL when capacity is 0.
 * @param capacity [in] bytes, the NUL included; RESHARD_AUDIT_TEXT_SIZE_MAX always suffice.
 * @param text_size_out [out] bytes of the sentence without the NUL; set on E_SPACE too, text being
 *   unchanged. NULL allowed.
 * @return RESHARD_OK, or E_NULL, E_STRUCT_SIZE, E_STRUCT_TAIL, E_KIND (unknown code),
 *   E_SPACE.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_finding_format(
    const struct reshard_finding *finding, char *text, size_t capacity, size_t *text_size_out);

/** Turn the findings into steps. Nothing is done: the fix is shown, then run by the host.
 * @param audit [in] non-NULL, after a run with a map.
 * @param map [in, borrowed for the call] the map of that run, unchanged.
 * @param flags [in] RESHARD_FIX_GIVE, PURGE, ABORT, BALANCE.
 * @param fix_out [out] the fix; the caller destroys it. Without findings it has no steps.
 * @return RESHARD_OK, or E_NULL, E_FLAGS, E_STATE (no run, or one without a map), E_PLAN (not
 *   the map of the run), E_NOMEM.
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: no.
 */
RESHARD_API int32_t reshard_audit_fix(const struct reshard_audit *audit,
    const struct reshard_map *map, uint32_t flags, struct reshard_fix **fix_out);

/** Free a fix.
 * @param fix [in] NULL is a no-op.
 * Calls: allocator.  Allocates: never.  Threads: owner.  Re-entry: no.
 */
RESHARD_API void reshard_fix_destroy(struct reshard_fix *fix);

/** Say whether a fix still rests on this map. Call it before the first step.
 * @param fix [in] non-NULL.
 * @param map [in] non-NULL.
 * @return RESHARD_OK, or E_NULL, E_PLAN (another version or digest).
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_fix_check(const struct reshard_fix *fix, const struct reshard_map *map);

/** The moves and assignments of a fix as a plan, for whoever runs plans. It holds the ASSIGN steps
 * as moves from source 0, and the MOVE steps; the other steps are not part of it. To be run after
 * the steps before ASSIGN.
 * @param fix [in] non-NULL.
 * @param map [in] the map that the fix was made for.
 * @param allocator [in, copied] NULL = malloc.
 * @param plan_out [out] the plan, of kind RESHARD_PLAN_FIX, bound to the map; the caller destroys
 *   it.
 * @return RESHARD_OK, or E_NULL, E_PLAN (another map), E_LIMIT, E_NOMEM, an error of the
 *   allocator's struct.
 * Calls: allocator.  Allocates: yes.  Threads: the map's owner.  Re-entry: no.
 */
RESHARD_API int32_t reshard_fix_plan(const struct reshard_fix *fix, const struct reshard_map *map,
    const struct reshard_allocator *allocator, struct reshard_plan **plan_out);

/** Number of steps.
 * @param fix [in] non-NULL.
 * @return the count.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API uint32_t reshard_fix_step_count(const struct reshard_fix *fix);

/** Step by position.
 * @param fix [in] non-NULL.
 * @param index [in] 0 <= index < step_count.
 * @param step_out [in,out] its struct_size is set by the caller.
 * @return RESHARD_OK, or E_NULL, E_ARGUMENT (index), E_STRUCT_SIZE.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_fix_step_at(
    const struct reshard_fix *fix, uint32_t index, struct reshard_fix_step *step_out);

/** Name of a step's kind.
 * @param kind [in] any value.
 * @return such as "assign" or "release"; "?" for unknown kinds. Never NULL, static.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API const char *reshard_fix_step_name(uint32_t kind);

/** Say a step in one sentence.
 * @param step [in] as step_at filled it.
 * @param text [out] capacity bytes; a NUL is put behind the sentence. NULL when capacity is 0.
 * @param capacity [in] bytes, the NUL included; RESHARD_AUDIT_TEXT_SIZE_MAX always suffice.
 * @param text_size_out [out] bytes of the sentence without the NUL; set on E_SPACE too, text being
 *   unchanged. NULL allowed.
 * @return RESHARD_OK, or E_NULL, E_STRUCT_SIZE, E_STRUCT_TAIL, E_KIND, E_SPACE.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_fix_step_format(
    const struct reshard_fix_step *step, char *text, size_t capacity, size_t *text_size_out);

RESHARD_END_DECLS

#endif
