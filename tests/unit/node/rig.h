/* SPDX-License-Identifier: MIT */
/* Room node, tests: one node and the host around it. Its journal and its store outlive it, as a
 * disk would. Each kind of action is either done by the rig at once or left to the test.
 *
 * Guarantees: what the node allocates is counted and can fail on demand; a message's bytes stay
 * until no APPLY points into them. Uses the public API, and the wire room for messages.
 */
#ifndef TESTS_NODE_RIG_H
#define TESTS_NODE_RIG_H

#include "node/keywise.h"
#include <criterion/criterion.h>

#include "support/alloc.h"

enum {
    RIG_SLOTS = 16,
    RIG_KEYS = 64, /* key k lies in slot k % RIG_SLOTS */
    RIG_ITEM = 18, /* bytes of an item: two sizes, 2 bytes of key, 8 of state */
    RIG_STAGINGS = 8,
    RIG_OPEN = 512,
    RIG_SENT = 4096,
    RIG_RECORDS = 4096,
    RIG_JOURNAL = 1 << 20,
    RIG_ALL = 0x7FFFFFFF /* all kinds of action */
};
#define RIG_BIT(kind) (1U << RESHARD_ACTION_##kind)

struct rig_staging {
    bool used;
    uint64_t migration;
    uint64_t copy_term, copy_n;
    uint64_t sequence; /* applied */
    uint64_t durable;  /* by SYNC, or at once */
    uint64_t staged[RIG_KEYS];
};

struct rig_store {
    uint64_t live[RIG_KEYS]; /* 0 = no such key */
    struct rig_staging stagings[RIG_STAGINGS];
    uint32_t key_limit;  /* keys in one EXPORT or PICK; 0 = all that fit */
    bool sync_later;     /* APPLY does not say that it is durable */
    bool digest_none;    /* no digest hook */
    uint64_t pick_space; /* PICK answers E_SPACE below this capacity */
};

struct rig_sent {
    reshard_node_id to;
    size_t size;
    uint8_t *bytes;
    struct reshard__message message; /* borrows bytes */
};

struct rig {
    struct support_alloc alloc;
    struct reshard_allocator allocator;
    struct reshard_node_config config;
    struct reshard_node *node;
    uint64_t now_ns;
    uint32_t automatic; /* RIG_BITs of what the rig does by itself */
    uint8_t journal[RIG_JOURNAL];
    size_t journal_size;
    size_t record_ends[RIG_RECORDS];
    size_t record_count;
    size_t append_count;
    struct reshard_action open[RIG_OPEN];
    size_t open_count;
    struct rig_sent sent[RIG_SENT];
    size_t sent_count;
    uint8_t *received[RIG_OPEN];
    size_t received_count;
    uint64_t wake_count;
    struct rig_store store;
    struct reshard_map *truth; /* the coordinator's */
    uint64_t order_term;
    uint64_t order_n;
    struct reshard__order_id copy; /* that orders name */
    uint64_t attempt;
    uint64_t order_flags;
    reshard_migration_id migration; /* that orders name */
    uint32_t migration_flags;       /* of those that are opened */
    bool failing; /* each input is tried with its 1st, 2nd, ... allocation failing first */
    size_t failed_inputs;
    size_t input_count;
};

/* ---- the host ---- */
/* Zero it; config of node `id`; truth: shards 1 and 2 with primaries 1 and 2, node 3 a replica of
 * shard 1, node 4 of shard 2; shard 1 owns all slots. */
void rig_init(struct rig *rig, reshard_node_id id);
/* Create the node, feed the journal, start. */
int32_t rig_start(struct rig *rig);
/* The process dies; nothing may have leaked. */
void rig_stop(struct rig *rig);
void rig_free(struct rig *rig);
/* init, start, and truth as the node's durable map. */
void rig_boot(struct rig *rig, reshard_node_id id);
/* stop and start from the journal as it is. */
void rig_restart(struct rig *rig);
/* Pull actions; do the automatic ones, as far as `after` lets them, until nothing more comes. */
void rig_run(struct rig *rig);
/* First open action of a kind; NULL = none. */
const struct reshard_action *rig_find(const struct rig *rig, uint32_t kind);
/* Do the first open action of a kind as the store or journal would, and complete it. */
void rig_do(struct rig *rig, uint32_t kind);
/* Complete the first open action of a kind with a status and nothing done. */
void rig_fail(struct rig *rig, uint32_t kind, int32_t status);
int32_t rig_complete(struct rig *rig, uint32_t kind, const struct reshard_completion *completion);
/* The bytes of the open APPEND reach the journal; it stays open. */
void rig_land(struct rig *rig);
/* Time passes; tick; run. */
void rig_tick(struct rig *rig, uint64_t ns);

/* ---- what comes in ---- */
int32_t rig_feed(struct rig *rig, reshard_node_id from, const struct reshard__message *message);
int32_t rig_receive_bytes(struct rig *rig, reshard_node_id from, const uint8_t *bytes, size_t size);
/* Feed, expect OK, run. */
void rig_receive(struct rig *rig, reshard_node_id from, const struct reshard__message *message);
void rig_change(struct rig *rig, struct reshard_change change);
/* A MAP message with what the node lacks; run. */
void rig_map(struct rig *rig);
struct reshard__message rig_map_message(
    const struct rig *rig, uint64_t from, uint8_t *buffer, size_t capacity);
/* OPEN of slots 0 ... 7 from shard 1 to 2 (or back), told to the node. */
void rig_open(struct rig *rig, reshard_migration_id migration, uint32_t mode);
void rig_open_back(struct rig *rig, reshard_migration_id migration, uint32_t mode);
/* The decision (RESHARD_CHANGE_MIGRATION_*), told to the node. */
void rig_decide(struct rig *rig, uint32_t kind);
struct reshard__message rig_order_message(const struct rig *rig, uint32_t phase);
/* The next order, into a phase; COPY opens a copy, FREEZE an attempt. */
void rig_order(struct rig *rig, uint32_t phase);
/* The same order again. */
void rig_again(struct rig *rig, uint32_t phase);
struct reshard__message rig_chunk(const struct rig *rig, uint32_t kind, uint64_t sequence);
struct reshard__message rig_ack(const struct rig *rig, uint64_t applied, uint64_t durable);

struct reshard__part *rig_part(const struct rig *rig);
/* Through the straight path to a phase, its report included; node 1 is source, 2 is target. Keys
 * 0 ... RIG_KEYS - 1 of the source have values; a snapshot target gets two chunks. */
void rig_source_to(struct rig *rig, uint32_t mode, uint32_t phase);
void rig_target_to(struct rig *rig, uint32_t mode, uint32_t phase);
/* The target's acknowledgement of all that was numbered. */
void rig_ack_all(struct rig *rig);
/* A chunk with one item, of the copy or stream that orders name, as the source would send it. */
void rig_give(struct rig *rig, uint64_t sequence, uint64_t key, uint64_t value);
/* The verdict for a request with one key, present as the store has it. */
struct reshard_route rig_ask(
    struct rig *rig, uint64_t key, uint32_t op, bool asking, uint64_t token);
/* The receiver of the stream that the newest order named says: no mark is left. */
void rig_none_pending(struct rig *rig, reshard_node_id from);
/* FIN behind `sequence`, with the digest that the target's staging has. */
void rig_fin(struct rig *rig, uint64_t sequence);

/* ---- what went out ---- */
void rig_clear(struct rig *rig);
/* Newest message of a type, of a kind (CHUNK; 0 = any); NULL = none since rig_clear. */
const struct reshard__message *rig_last(const struct rig *rig, uint32_t type, uint32_t kind);
size_t rig_count(const struct rig *rig, uint32_t type, uint32_t kind);
/* Result of the newest REPORT, RESHARD__RESULT_COUNT = none since rig_clear; of a part with nothing
 * to tell, the result that it does not tell. */
uint32_t rig_result(const struct rig *rig);
/* Events of a kind among those not yet pulled; pulls all. */
size_t rig_events(struct rig *rig, uint32_t kind);
uint32_t rig_route(const struct rig *rig, uint32_t slot, uint32_t op);
struct reshard_digest rig_digest(const struct rig *rig);
bool rig_same(struct reshard_digest a, struct reshard_digest b);
/* Kind of the newest record in the journal. */
uint32_t rig_newest_record(const struct rig *rig);
size_t rig_record_count(const struct rig *rig, uint32_t kind);

/* ---- the store ---- */
uint64_t rig_key_in(const struct reshard_range *ranges, size_t range_count, uint64_t key);
size_t rig_item_put(uint8_t *bytes, uint64_t key, uint64_t value);
/* What a hook would answer. */
int32_t rig_store_do(struct rig_store *store, const struct reshard_action *action,
    struct reshard_completion *completion);

#endif
