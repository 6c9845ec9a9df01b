/* SPDX-License-Identifier: MIT */
/* Room sim: the slot data of a node: the built-in store (store.c), or a host's own (custom.c). */
#ifndef RESHARD_SIM_STORE_INTERNAL_H
#define RESHARD_SIM_STORE_INTERNAL_H

#include <reshard-sim/store.h>
#include <stdbool.h>

enum { SIM_NAME_SIZE = 64 }; /* of a key, at most */

struct disk;
struct host;
struct moving;
struct reshard_action;
struct reshard_sim;
struct staging;
struct task;

/* Written, not durable yet: how it was before. */
enum loose_kind { LOOSE_RECORD, LOOSE_KEY, LOOSE_STAGING, LOOSE_WRITE };
struct loose {
    enum loose_kind kind;
    size_t journal_size;
    uint32_t key;
    uint64_t value;
    reshard_migration_id migration; /* whose staging ... */
    uint64_t copy_term, copy_n, sequence;
};
struct loose_list {
    struct loose *entries; /* in the order of the writes */
    size_t count, capacity;
};

/* ---- power.c ---- */
/* All that was written is durable. */
void reshard__disk_synced(struct disk *disk);
/* An APPEND, or an action of the store, is about to write: durably, with all that came before, or
 * not. Keys that arrive tell of themselves. */
void reshard__loose_record(
    const struct reshard_sim *sim, struct disk *disk, const struct reshard_action *action);
void reshard__loose_action(
    const struct reshard_sim *sim, struct disk *disk, const struct reshard_action *action);
/* A client is about to write this key, and is answered then. */
void reshard__loose_write(const struct reshard_sim *sim, struct disk *disk, uint32_t key);
/* This key's next value, this position's change is loose. */
void reshard__loose_key(struct disk *disk, uint32_t key);
void reshard__loose_staging(struct disk *disk, const struct staging *staging);
/* The process dies, and what is not durable may go. */
void reshard__host_power(struct reshard_sim *sim, struct host *host);

/* ---- store.c ---- */
struct disk *reshard__disk_make(struct reshard_sim *sim, reshard_node_id node);
void reshard__disk_release(struct disk *disk);
/* All of another one's: data, stagings, journal. Built-in stores alone. */
void reshard__disk_copy(
    const struct reshard_sim *sim, struct disk *disk, const struct disk *from);
/* False: nothing is staged. */
bool reshard__disk_spoil(struct disk *disk);
void reshard__disk_wipe(struct disk *disk);
void reshard__disk_crash(struct reshard_sim *sim, struct disk *disk);
uint32_t reshard__key_slot(const struct reshard_sim *sim, uint32_t key);
void reshard__disk_put(
    const struct reshard_sim *sim, struct disk *disk, uint32_t key, uint64_t value);
/* The key has this value by now, whoever put it there. */
void reshard__disk_see(
    const struct reshard_sim *sim, struct disk *disk, uint32_t key, uint64_t value);
uint64_t reshard__disk_get(const struct disk *disk, uint32_t key);
/* The key's name as it stands in items; its size. */
size_t reshard__key_name(const struct disk *disk, uint32_t key, uint8_t name[SIM_NAME_SIZE]);
uint32_t reshard__value_size(const struct reshard_sim *sim, uint64_t value);
/* What a write left of a key, for reshard_node_record; released by the caller. NULL: a host's own
 * store does not tell. */
uint8_t *reshard__record_make(const struct reshard_sim *sim, const struct disk *disk,
    uint32_t key, uint64_t value, size_t *size_out);
struct staging *reshard__staging_find(const struct disk *disk, reshard_migration_id migration);
struct staging *reshard__staging_of(struct disk *disk, const struct reshard_action *action);
/* The data that a staging would make visible, by key. */
void reshard__staging_fold(
    const struct reshard_sim *sim, const struct staging *staging, uint64_t *values);
/* Do a store action. */
void reshard__store_do(struct reshard_sim *sim, struct host *host, const struct task *task,
    struct reshard_completion *completion);
bool reshard__ranges_have(const struct reshard_action *action, uint32_t slot);

/* ---- custom.c ---- */
int32_t reshard__custom_check(const struct reshard_sim_store *kind);
void reshard__custom_open(struct reshard_sim *sim, struct disk *disk, reshard_node_id node);
void reshard__custom_close(struct disk *disk);
uint8_t *reshard__custom_record(const struct disk *disk, uint32_t key, size_t *size_out);
void reshard__custom_crash(struct reshard_sim *sim, struct disk *disk);
void reshard__custom_do(struct reshard_sim *sim, const struct host *host,
    const struct reshard_action *action, struct reshard_completion *completion);
/* Of a migration that is over nothing may be staged. */
void reshard__custom_check_staged(
    struct reshard_sim *sim, const struct host *host, const struct moving *moving);

#endif
