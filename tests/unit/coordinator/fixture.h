/* SPDX-License-Identifier: MIT */
/* A coordinator with a journal in memory and scripted answers; what it sends is kept. Participants
 * are played by the test: their reports are made from the last order that was sent.
 *
 * Shard 1 has node 11 (primary) and 12, shard 2 has 21 (primary) and 22. Shard 1 owns slots
 * 0 ... 47, shard 2 the rest of 64. */
#ifndef RESHARD_TESTS_UNIT_COORDINATOR_FIXTURE_H
#define RESHARD_TESTS_UNIT_COORDINATOR_FIXTURE_H

#include "coordinator/coordinator.h"
#include "support/alloc.h"

enum { FIXTURE_SENT_MAX = 4096, FIXTURE_SLOTS = 64 };
enum { SOURCE = RESHARD_SIDE_SOURCE, TARGET = RESHARD_SIDE_TARGET };

struct fixture_sent {
    reshard_node_id to;
    struct reshard__message message; /* its borrowed bytes are gone, their sizes are not */
};

struct fixture {
    struct support_alloc alloc;
    struct reshard_coordinator_config config;
    struct reshard_coordinator *coordinator;
    uint64_t now_ns;
    uint8_t *journal;
    size_t journal_size;
    size_t journal_capacity;
    size_t append_count, load_count, compact_count;
    uint64_t append_index; /* of the last APPEND that was asked for */
    uint64_t compact_index, compact_term; /* of the last COMPACT */
    /* The next journal action of this kind is answered so; whether it lands all the same. */
    uint32_t script_kind;
    int32_t script_status;
    bool script_lands;
    uint32_t script_left; /* how many are */
    bool hold;            /* journal actions are kept, uncompleted ... */
    struct reshard_action held[4];
    size_t held_count;
    struct fixture_sent sent[FIXTURE_SENT_MAX];
    size_t sent_count;
};

/* A config, not yet a coordinator. */
void fixture_init(struct fixture *fixture);
void fixture_create(struct fixture *fixture);
/* Create, start, pump, put the cluster, pump. */
void fixture_open(struct fixture *fixture);
void fixture_cluster(struct fixture *fixture);
/* Everything is given back. */
void fixture_close(struct fixture *fixture);
/* Destroy the coordinator and make one from the journal; it is not started. */
void fixture_restart(struct fixture *fixture);
int32_t fixture_start(struct fixture *fixture);

void fixture_script(struct fixture *fixture, uint32_t kind, int32_t status, bool lands);
/* Do and complete all actions. */
void fixture_pump(struct fixture *fixture);
/* Complete what was held, in order, and pump. */
void fixture_release(struct fixture *fixture);
/* Let time pass, and pump. */
void fixture_pass(struct fixture *fixture, uint64_t ns);

int32_t fixture_change(struct fixture *fixture, const struct reshard_change *change);
int32_t fixture_primary(
    struct fixture *fixture, reshard_shard_id shard, reshard_node_id node);
/* A migration of slots first ... last, from shard 1 to 2. */
reshard_migration_id fixture_migration(
    struct fixture *fixture, uint32_t mode, uint32_t first, uint32_t last);
reshard_migration_id fixture_migration_of(struct fixture *fixture,
    struct reshard_migration_spec *spec, uint32_t first, uint32_t last);

/* The last ORDER to this side's primary; fails the test when there is none. */
const struct reshard__message *fixture_order(
    struct fixture *fixture, reshard_migration_id migration, uint32_t side);
size_t fixture_sent_of(const struct fixture *fixture, uint32_t type);
/* A report to the current order. */
struct reshard__message fixture_report(
    struct fixture *fixture, reshard_migration_id migration, uint32_t side, uint32_t result);
int32_t fixture_say(
    struct fixture *fixture, reshard_node_id from, const struct reshard__message *message);
/* Make it, say it, pump. */
void fixture_tell(
    struct fixture *fixture, reshard_migration_id migration, uint32_t side, uint32_t result);
/* What ends the current phase. */
void fixture_step(struct fixture *fixture, reshard_migration_id migration);
/* Step until the phase; fails the test when it is not reached. */
void fixture_reach(struct fixture *fixture, reshard_migration_id migration, uint32_t phase);

/* RESHARD_PHASE_*, or COUNT when it is closed. */
uint32_t fixture_phase(const struct fixture *fixture, reshard_migration_id migration);
struct reshard_progress fixture_progress(
    const struct fixture *fixture, reshard_migration_id migration);
/* Events of a kind since the last call of this; the newest one. */
size_t fixture_events(struct fixture *fixture, uint32_t kind, struct reshard_event *newest);
struct reshard_digest fixture_digest(const struct fixture *fixture);
bool fixture_same(const struct reshard_digest *a, const struct reshard_digest *b);

#endif
