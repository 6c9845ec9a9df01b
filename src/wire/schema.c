/* SPDX-License-Identifier: MIT */
/* Room wire: the schema. The only description of every field that crosses a process boundary or a
 * restart: encoder, decoder, bounds, CDDL text and the table in the documentation run on it.
 *
 * Rules for changes: append only, never reorder, never tighten; a new member's default is 0 or
 * empty; its `since` is the protocol version that brings it. CHUNK's payload stays its last
 * member, because it is sent from where it lies: what a CHUNK may need later goes into `flags`.
 */
#include "wire/schema.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define WIDTH(type, member) ((uint8_t)sizeof(((type *)0)->member))
#define AT(type, member) ((uint16_t)offsetof(type, member))

#define UINT(type, name, member, min, max, doc)                                                    \
    {                                                                                              \
        name, doc, min, max, NULL, AT(type, member), 0, RESHARD__UINT, WIDTH(type, member), 1      \
    }
#define DIGEST(type, name, member, doc)                                                            \
    {                                                                                              \
        name, doc, 0, 16, NULL, AT(type, member), 0, RESHARD__DIGEST, 0, 1                         \
    }
#define BYTES(type, name, member, min, doc)                                                        \
    {                                                                                              \
        name, doc, min, UINT32_MAX, NULL, AT(type, member), 0, RESHARD__BYTES, 0, 1                \
    }
#define TEXT(type, name, member, count, max, doc)                                                  \
    {                                                                                              \
        name, doc, 0, max, NULL, AT(type, member), AT(type, count), RESHARD__TEXT, 0, 1            \
    }
#define RANGES(type, name, member, count, doc)                                                     \
    {                                                                                              \
        name, doc, 0, RESHARD_SLOT_COUNT_MAX / 2, NULL, AT(type, member), AT(type, count),         \
            RESHARD__RANGES, 0, 1                                                                  \
    }
#define LIST(type, name, member, element, min, max, doc)                                           \
    {                                                                                              \
        name, doc, min, max, element, AT(type, member), 0, RESHARD__LIST, 0, 1                     \
    }

#define ROW(kind, name, fields, doc)                                                               \
    {                                                                                              \
        name, doc, fields, kind, (uint32_t)COUNT(fields)                                           \
    }

/* Bounds that several fields share. A weight is finite and above 0, so its IEEE 754 bits lie
 * between those of the smallest denormal and of the largest finite number. */
#define ANY UINT64_MAX
#define CODE_MAX 255
#define WEIGHT_MIN 1
#define WEIGHT_MAX UINT64_C(0x7FEFFFFFFFFFFFFF)

/* ---- messages ---- */

#define M(name, member, min, max, doc) UINT(struct reshard__message, name, member, min, max, doc)
#define M_ORDER_ID(min, doc)                                                                       \
    M("order_term", order.term, min, ANY, doc), M("order_n", order.n, min, ANY, doc)
#define M_COPY_ID(doc) M("copy_term", copy.term, 0, ANY, doc), M("copy_n", copy.n, 0, ANY, doc)

static const struct reshard__field hello_fields[] = {
    M("protocol", protocol, 1, UINT32_MAX, "version that the sender speaks"),
    M("node", node, 1, ANY, "sender"),
    M("slot_count", slot_count, 1, RESHARD_SLOT_COUNT_MAX, "must be equal on both sides"),
    M("boot", boot, 0, ANY, "differs after a restart"),
    M("features", features, 0, ANY, "bits that the sender understands"),
    M("map_version", map_version, 0, ANY, "durable at the sender"),
};

static const struct reshard__field map_fields[] = {
    M("from", from, 0, ANY, "version that the changes start from"),
    M("to", to, 0, ANY, "version that they lead to"),
    BYTES(struct reshard__message, "changes", changes, 0, "concatenated changes from + 1 ... to"),
    BYTES(struct reshard__message, "snapshot", snapshot, 0, "one snapshot of version to"),
};

static const struct reshard__field order_fields[] = {
    M("migration", migration, 1, ANY, ""),
    M_ORDER_ID(1, "number of this order"),
    M("phase", phase, 0, CODE_MAX, "to be in"),
    M("map_version", map_version, 0, ANY, "durable version that it rests on"),
    M_COPY_ID("copy or stream that it concerns"),
    M("sequence", sequence, 0, ANY, "resume the copy after it"),
    M("attempt", attempt, 0, ANY, "attempt that it concerns"),
    M("flags", flags, 0, ANY, ""),
    M("budget", budget, 0, ANY, "copy bandwidth in bytes per second, 0 = free"),
    M("freeze_ns", freeze_ns, 0, ANY, "freeze budget"),
};

static const struct reshard__field report_fields[] = {
    M("migration", migration, 1, ANY, ""),
    M_ORDER_ID(0, "order that it answers"),
    M("phase", phase, 0, CODE_MAX, "of that order"),
    M("result", result, 0, CODE_MAX, "the sender's condition"),
    M_COPY_ID("copy or stream"),
    M("attempt", attempt, 0, ANY, ""),
    M("epoch", epoch, 0, ANY, "fail-over epoch of the sender's shard"),
    M("sequence", sequence, 0, ANY, "applied up to"),
    M("durable_sequence", durable_sequence, 0, ANY, "durable up to"),
    M("final_sequence", final_sequence, 0, ANY, "last of the copy"),
    DIGEST(struct reshard__message, "digest", digest, "of the slots' data"),
    M("progress_keys", progress_keys, 0, ANY, ""),
    M("progress_bytes", progress_bytes, 0, ANY, ""),
    M("lag_bytes", lag_bytes, 0, ANY, "captured, not yet applied"),
    M("pause_ns", pause_ns, 0, ANY, "write pause of this attempt so far"),
    M("flags", flags, 0, ANY, ""),
};

static const struct reshard__field chunk_fields[] = {
    M("migration", migration, 1, ANY, ""),
    M_COPY_ID("copy or stream"),
    M("kind", kind, RESHARD__CHUNK_DATA, RESHARD__CHUNK_QUERY,
        "1 data, 2 void, 3 fin, 4 confirm, 5 pending, 6 query"),
    M("sequence", sequence, 0, ANY, "its number; pending: OLD keys left"),
    M("attempt", attempt, 0, ANY, "fin"),
    M("final_sequence", final_sequence, 0, ANY, "fin"),
    DIGEST(struct reshard__message, "digest", digest, "fin: of the slots' data"),
    M("flags", flags, 0, ANY, "query: 1 no token; data: 2 payload not in the checksum"),
    BYTES(struct reshard__message, "payload", payload, 0, "the host's bytes"),
};

static const struct reshard__field ack_fields[] = {
    M("migration", migration, 1, ANY, ""),
    M_COPY_ID("copy or stream"),
    M("sequence", sequence, 0, ANY, "applied up to"),
    M("durable_sequence", durable_sequence, 0, ANY, "durable up to"),
    M("answer", answer, 0, RESHARD__ANSWER_ABSENT, "0 none, 1 have, 2 not have, 3 absent"),
    M("flags", flags, 0, ANY, ""),
    BYTES(struct reshard__message, "payload", payload, 0, "answer: the key asked for"),
};

static const struct reshard__schema message_rows[] = {
    ROW(RESHARD__HELLO, "hello", hello_fields, "who the sender is and what it understands"),
    ROW(RESHARD__MAP, "map", map_fields, "changes of the slot map, or a snapshot"),
    ROW(RESHARD__ORDER, "order", order_fields, "coordinator to participant: be in this phase"),
    ROW(RESHARD__REPORT, "report", report_fields, "participant to coordinator: condition now"),
    ROW(RESHARD__CHUNK, "chunk", chunk_fields, "data, between source and target"),
    ROW(RESHARD__ACK, "ack", ack_fields, "what arrived; answers to questions about keys"),
};

const struct reshard__schema_set reshard__message_schemas = {
    "message", message_rows, COUNT(message_rows), sizeof(struct reshard__message)};

/* ---- changes ---- */

#define C(name, member, min, max, doc) UINT(struct reshard_change, name, member, min, max, doc)
#define C_VERSION C("version", version, 0, ANY, "that it produces; 0 = the next one")
#define C_NODE C("node", node, 1, ANY, "")
#define C_SHARD(min, doc) C("shard", shard, min, UINT32_MAX, doc)
#define C_MIGRATION C("migration", migration, 1, ANY, "")
#define C_RANGES RANGES(struct reshard_change, "ranges", ranges, range_count, "the slots")
#define C_TEXT(name, size, max, doc) TEXT(struct reshard_change, #name, name, size, max, doc)

static const struct reshard__field term_fields[] = {
    C_VERSION,
    C("term", term, 1, ANY, "the new term"),
    C("unique", unique, 0, ANY, "id of the coordinator's run"),
};

static const struct reshard__field node_put_fields[] = {
    C_VERSION,
    C_NODE,
    C("role", role, RESHARD_ROLE_PRIMARY, RESHARD_ROLE_REPLICA, "1 primary, 2 replica"),
    C_SHARD(0, "0 = none"),
    C_TEXT(name, name_size, RESHARD_NAME_SIZE_MAX, "never parsed"),
    C_TEXT(address, address_size, RESHARD_ADDRESS_SIZE_MAX, "never parsed"),
    C_TEXT(zone, zone_size, RESHARD_ZONE_SIZE_MAX, "failure zone"),
};

static const struct reshard__field node_remove_fields[] = {C_VERSION, C_NODE};

static const struct reshard__field shard_put_fields[] = {
    C_VERSION,
    C_SHARD(1, ""),
    C("weight", weight, WEIGHT_MIN, WEIGHT_MAX, "bits of an IEEE 754 double, finite, > 0"),
};

static const struct reshard__field shard_remove_fields[] = {C_VERSION, C_SHARD(1, "")};

static const struct reshard__field shard_primary_fields[] = {C_VERSION, C_SHARD(1, ""), C_NODE};

static const struct reshard__field assign_fields[] = {C_VERSION, C_SHARD(1, ""), C_RANGES};

static const struct reshard__field open_fields[] = {
    C_VERSION,
    C_MIGRATION,
    C("source", source, 1, UINT32_MAX, "shard that gives"),
    C("target", target, 1, UINT32_MAX, "shard that gets"),
    C("mode", mode, RESHARD_MODE_SNAPSHOT, RESHARD_MODE_KEYWISE, "1 snapshot, 2 keywise"),
    C("flags", migration_flags, 0, UINT32_MAX, "1 = operator picks the keys"),
    C_RANGES,
};

static const struct reshard__field commit_fields[] = {
    C_VERSION,
    C_MIGRATION,
    C("attempt", attempt, 0, ANY, "that was held and ready"),
    C("source_epoch", source_epoch, 0, ANY, "of the source shard"),
    C("target_epoch", target_epoch, 0, ANY, "of the target shard"),
};

static const struct reshard__field abort_fields[] = {C_VERSION, C_MIGRATION};
static const struct reshard__field end_fields[] = {C_VERSION, C_MIGRATION};

static const struct reshard__schema change_rows[] = {
    ROW(RESHARD_CHANGE_TERM, "term", term_fields, "a coordinator starts"),
    ROW(RESHARD_CHANGE_NODE_PUT, "node-put", node_put_fields, "add or update a node"),
    ROW(RESHARD_CHANGE_NODE_REMOVE, "node-remove", node_remove_fields, "remove a node"),
    ROW(RESHARD_CHANGE_SHARD_PUT, "shard-put", shard_put_fields, "add or update a shard"),
    ROW(RESHARD_CHANGE_SHARD_REMOVE, "shard-remove", shard_remove_fields, "remove a shard"),
    ROW(RESHARD_CHANGE_SHARD_PRIMARY, "shard-primary", shard_primary_fields, "fail-over"),
    ROW(RESHARD_CHANGE_ASSIGN, "assign", assign_fields, "first owner of unowned slots"),
    ROW(RESHARD_CHANGE_MIGRATION_OPEN, "migration-open", open_fields, "slots start to move"),
    ROW(RESHARD_CHANGE_MIGRATION_COMMIT, "migration-commit", commit_fields, "the owner changes"),
    ROW(RESHARD_CHANGE_MIGRATION_ABORT, "migration-abort", abort_fields, "it goes back"),
    ROW(RESHARD_CHANGE_MIGRATION_END, "migration-end", end_fields, "it is closed"),
    ROW(RESHARD_CHANGE_UNASSIGN, "unassign", assign_fields, "slots become unowned"),
};

const struct reshard__schema_set reshard__change_schemas = {
    "change", change_rows, COUNT(change_rows), sizeof(struct reshard_change)};

/* ---- journal records ---- */

#define R(name, member, min, max, doc) UINT(struct reshard__record, name, member, min, max, doc)
#define R_BLOB(min, doc) BYTES(struct reshard__record, "blob", blob, min, doc)

static const struct reshard__field change_record_fields[] = {R_BLOB(1, "one change")};
static const struct reshard__field map_record_fields[] = {R_BLOB(1, "one snapshot")};

static const struct reshard__field identity_fields[] = {
    R("node", node, 1, ANY, "whose journal it is"),
    R("slot_count", slot_count, 1, RESHARD_SLOT_COUNT_MAX, ""),
    R("flags", flags, 0, ANY, ""),
};

/* All records of participants share their members; which a kind uses stands in wire.h. */
static const struct reshard__field participant_fields[] = {
    R("migration", migration, 0, ANY, "0 = none (quarantine)"),
    R("order_term", order.term, 0, ANY, "order that it executes"),
    R("order_n", order.n, 0, ANY, "order that it executes"),
    R("attempt", attempt, 0, ANY, ""),
    R("copy_term", copy.term, 0, ANY, "copy or stream"),
    R("copy_n", copy.n, 0, ANY, "copy or stream"),
    R("sequence", sequence, 0, ANY, "final, or of the keys"),
    R("flags", flags, 0, ANY, ""),
    DIGEST(struct reshard__record, "digest", digest, "of the slots' data"),
    R_BLOB(0, "keys or ranges"),
};

static const struct reshard__schema record_rows[] = {
    ROW(RESHARD__RECORD_CHANGE, "record-change", change_record_fields, "one change of the map"),
    ROW(RESHARD__RECORD_MAP, "record-map", map_record_fields, "the whole map"),
    ROW(RESHARD__RECORD_PREPARED, "prepared", participant_fields, "source: took part from here"),
    ROW(RESHARD__RECORD_HELD, "held", participant_fields, "source: its vote"),
    ROW(RESHARD__RECORD_RELEASED, "released", participant_fields, "source: gave the slots away"),
    ROW(RESHARD__RECORD_PURGE, "purge", participant_fields, "source: purging has begun"),
    ROW(RESHARD__RECORD_OPEN, "open", participant_fields, "target: staging, before any data"),
    ROW(RESHARD__RECORD_SEAL, "seal", participant_fields, "target: durable at the final position"),
    ROW(RESHARD__RECORD_ACTIVE, "active", participant_fields, "target: serves from here"),
    ROW(RESHARD__RECORD_MOVE, "move", participant_fields, "keywise: a stream begins"),
    ROW(RESHARD__RECORD_UNMOVE, "unmove", participant_fields, "keywise: the stream back begins"),
    ROW(RESHARD__RECORD_UNDONE, "undone", participant_fields, "as if it had not been"),
    ROW(RESHARD__RECORD_MARK, "mark", participant_fields, "keywise: keys in flight"),
    ROW(RESHARD__RECORD_CLEAR, "clear", participant_fields, "keywise: keys landed"),
    ROW(RESHARD__RECORD_QUARANTINE, "quarantine", participant_fields, "unexplained slot data"),
    ROW(RESHARD__RECORD_CLOSED, "closed", participant_fields, "the migration's records are void"),
    ROW(RESHARD__RECORD_IDENTITY, "identity", identity_fields, "first record of a node"),
};

const struct reshard__schema_set reshard__record_schemas = {
    "record", record_rows, COUNT(record_rows), sizeof(struct reshard__record)};

/* ---- map snapshots ---- */

#define N(name, member, min, max, doc) UINT(struct reshard_map_node, name, member, min, max, doc)
#define N_TEXT(name, size, max) TEXT(struct reshard_map_node, #name, name, size, max, "")

static const struct reshard__field snapshot_node_fields[] = {
    N("node", node, 1, ANY, "ascending"),
    N("role", role, RESHARD_ROLE_PRIMARY, RESHARD_ROLE_REPLICA, ""),
    N("shard", shard, 0, UINT32_MAX, "0 = none"),
    N_TEXT(name, name_size, RESHARD_NAME_SIZE_MAX),
    N_TEXT(address, address_size, RESHARD_ADDRESS_SIZE_MAX),
    N_TEXT(zone, zone_size, RESHARD_ZONE_SIZE_MAX),
};

#define S(name, member, min, max, doc) UINT(struct reshard_map_shard, name, member, min, max, doc)

static const struct reshard__field snapshot_shard_fields[] = {
    S("shard", shard, 1, UINT32_MAX, "ascending"),
    S("weight", weight, WEIGHT_MIN, WEIGHT_MAX, "bits of an IEEE 754 double, finite, > 0"),
    S("primary", primary, 0, ANY, "0 = none"),
    S("epoch", epoch, 0, ANY, "fail-overs so far"),
};

#define G(name, member, min, max, doc)                                                             \
    UINT(struct reshard_map_migration, name, member, min, max, doc)

static const struct reshard__field snapshot_migration_fields[] = {
    G("migration", migration, 1, ANY, "ascending"),
    G("mode", mode, RESHARD_MODE_SNAPSHOT, RESHARD_MODE_KEYWISE, ""),
    G("source", source, 1, UINT32_MAX, ""),
    G("target", target, 1, UINT32_MAX, ""),
    G("decision", decision, 0, RESHARD_DECISION_ABORT, "0 open, 1 commit, 2 abort"),
    G("flags", migration_flags, 0, UINT32_MAX, ""),
    G("attempt", attempt, 0, ANY, "of the commit"),
    G("version", version, 0, ANY, "that its opening produced"),
    RANGES(struct reshard_map_migration, "ranges", ranges, range_count, "the slots"),
};

static const struct reshard__schema snapshot_node =
    ROW(0, "snapshot-node", snapshot_node_fields, "a node");
static const struct reshard__schema snapshot_shard =
    ROW(0, "snapshot-shard", snapshot_shard_fields, "a shard");
static const struct reshard__schema snapshot_migration =
    ROW(0, "snapshot-migration", snapshot_migration_fields, "an open migration");

#define P(name, member, min, max, doc) UINT(struct reshard__snapshot, name, member, min, max, doc)
#define P_LIST(name, element, min, max, doc)                                                       \
    LIST(struct reshard__snapshot, #name, name, element, min, max, doc)

static const struct reshard__field snapshot_fields[] = {
    P("format", format, 1, 1, "of what follows"),
    P("slot_count", slot_count, 1, RESHARD_SLOT_COUNT_MAX, ""),
    P("version", header.version, 0, ANY, "of the map"),
    P("term", header.term, 0, ANY, ""),
    P("unique", header.unique, 0, ANY, "id of the term's coordinator"),
    P("last_migration", header.last_migration, 0, ANY, "highest id so far"),
    P_LIST(nodes, &snapshot_node, 0, UINT32_MAX, ""),
    P_LIST(shards, &snapshot_shard, 0, UINT32_MAX, ""),
    P_LIST(runs, NULL, 3, 3 * (uint64_t)RESHARD_SLOT_COUNT_MAX,
        "length - 1, shard, epoch of every run, in order"),
    P_LIST(migrations, &snapshot_migration, 0, UINT32_MAX, ""),
    P_LIST(removed_nodes, NULL, 0, UINT32_MAX, "ascending ids, each less the one before, less 1"),
    P_LIST(removed_shards, NULL, 0, UINT32_MAX, "ascending ids, each less the one before, less 1"),
};

static const struct reshard__schema snapshot = ROW(0, "snapshot", snapshot_fields, "the whole map");

const struct reshard__schema_set reshard__snapshot_schemas = {
    "snapshot", &snapshot, 1, sizeof(struct reshard__snapshot)};
const struct reshard__schema_set reshard__snapshot_node_schemas = {
    "snapshot-node", &snapshot_node, 1, sizeof(struct reshard_map_node)};
const struct reshard__schema_set reshard__snapshot_shard_schemas = {
    "snapshot-shard", &snapshot_shard, 1, sizeof(struct reshard_map_shard)};
const struct reshard__schema_set reshard__snapshot_migration_schemas = {
    "snapshot-migration", &snapshot_migration, 1, sizeof(struct reshard_map_migration)};

const struct reshard__schema *reshard__schema_find(
    const struct reshard__schema_set *set, uint64_t kind)
{
    /* Rows stand in order of their kinds, without gaps (a test checks it). */
    const uint64_t row = kind - set->rows[0].kind;
    return row < set->row_count ? &set->rows[row] : NULL;
}
