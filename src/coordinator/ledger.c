/* SPDX-License-Identifier: MIT */
/* Room coordinator: the journal that is the authority (R1, R2). `next` has every change that was
 * asked for, in order; the oldest of them that `map` lacks is appended by compare-and-set on (term,
 * index), alone, or, where ends may wait, with all that have come by then. Only when it is known to
 * be durable does `map` follow, and with it everything else. */
#include "coordinator/coordinator.h"

#include <string.h>

/* What the map retains of a change, and more. */
static uint64_t change_size(const struct reshard_change *change)
{
    enum { ENTRY_SIZE = 64 };
    return sizeof *change + ENTRY_SIZE + change->range_count * sizeof change->ranges[0] +
           change->name_size + change->address_size + change->zone_size;
}

/* A change of a migration that an operator drives by hand, where such may wait for others. */
static bool by_hand(
    const struct reshard_coordinator *coordinator, const struct reshard_change *change)
{
    const struct reshard__run *run = reshard__run_find(coordinator, change->migration);
    return coordinator->config.gather_ns > 0 && run &&
           run->migration_flags & RESHARD_MIGRATION_OPERATOR;
}

/* What waits is read back from what `next` retains, so no more may wait than that. */
int32_t reshard__ledger_queue(
    struct reshard_coordinator *coordinator, const struct reshard_change *change)
{
    struct reshard__ledger *ledger = &coordinator->ledger;
    uint64_t waiting = reshard_map_version(coordinator->next) -
                       reshard_map_version(coordinator->map);
    uint64_t size = change_size(change);
    bool fits = size <= RESHARD_MAP_RETAINED_BYTES &&
                ledger->waiting_size <= RESHARD_MAP_RETAINED_BYTES - size;
    if (waiting >= RESHARD_MAP_RETAINED || (waiting > 0 && !fits))
        return RESHARD_E_LIMIT;
    int32_t status = reshard_map_apply(coordinator->next, change);
    if (status)
        return status;
    ledger->waiting_size += size;
    if (change->kind != RESHARD_CHANGE_MIGRATION_END || !by_hand(coordinator, change))
        ledger->gather_ns = 0;
    else if (waiting == 0)
        ledger->gather_ns = coordinator->now_ns + coordinator->config.gather_ns;
    return RESHARD_OK;
}

static bool change_waits(const struct reshard_coordinator *coordinator)
{
    return reshard_map_version(coordinator->next) > reshard_map_version(coordinator->map);
}

static void put_off(struct reshard_coordinator *coordinator, uint32_t kind)
{
    reshard__run_tell(coordinator, RESHARD_EVENT_NO_MEMORY, NULL, RESHARD_E_NOMEM, kind);
    if (kind == RESHARD_ACTION_APPEND)
        reshard__journal_later(&coordinator->ledger.journal, coordinator->now_ns);
    else
        reshard__journal_compact_later(&coordinator->ledger.journal);
}

/* Whether what waits behind a change goes with it, as it does where ends may wait for it. What was
 * in doubt is written again as it was, for it may land late: whichever does, it is the same. */
static bool more_goes(const struct reshard_coordinator *coordinator, uint64_t version)
{
    const struct reshard__ledger *ledger = &coordinator->ledger;
    if (ledger->journal.doubted && ledger->version > reshard_map_version(coordinator->map))
        return version < ledger->version;
    return coordinator->config.gather_ns > 0 &&
           version < reshard_map_version(coordinator->next);
}

/* The oldest change that waits, and what goes with it. */
static bool changes_put(struct reshard_coordinator *coordinator)
{
    struct reshard__ledger *ledger = &coordinator->ledger;
    uint64_t version = reshard_map_version(coordinator->map);
    do {
        const struct reshard_change *change = reshard__map_change(coordinator->next, ++version);
        if (!reshard__journal_put_change(&ledger->journal, &coordinator->mem, change))
            return false;
    } while (more_goes(coordinator, version));
    ledger->version = version;
    return true;
}

static void append_push(struct reshard_coordinator *coordinator)
{
    struct reshard__journal *journal = &coordinator->ledger.journal;
    reshard__journal_begin(journal);
    if (changes_put(coordinator))
        (void)reshard__journal_push(journal, &coordinator->outbox, RESHARD_ACTION_APPEND);
    else
        put_off(coordinator, RESHARD_ACTION_APPEND);
}

/* One record takes the place of all before it: the map as it is durable. Chain and index go on, so
 * that a load tells whether it took place, and a deposed coordinator cannot take the place of its
 * successor's records. */
static void compact_push(struct reshard_coordinator *coordinator)
{
    struct reshard__journal *journal = &coordinator->ledger.journal;
    reshard__journal_begin(journal);
    if (reshard__journal_put_map(journal, &coordinator->mem, coordinator->map))
        (void)reshard__journal_push(journal, &coordinator->outbox, RESHARD_ACTION_COMPACT);
    else
        put_off(coordinator, RESHARD_ACTION_COMPACT);
}

static void fence(struct reshard_coordinator *coordinator)
{
    coordinator->gate.ended = RESHARD_E_FENCED;
    coordinator->leads = false;
    reshard__run_tell(
        coordinator, RESHARD_EVENT_FENCED, NULL, RESHARD_E_FENCED, coordinator->term);
}

/* Who has no part in a migration that an operator drives by hand need not hear at once that it
 * begins or ends, only what is decided. */
static bool news_wait(
    const struct reshard_coordinator *coordinator, const struct reshard_change *change)
{
    bool edge = change->kind == RESHARD_CHANGE_MIGRATION_OPEN ||
                change->kind == RESHARD_CHANGE_MIGRATION_END;
    return edge && by_hand(coordinator, change);
}

/* Everyone hears of a change at once; of a burst in pieces, but for a migration's two shards: what
 * waits behind this change follows within a few appends. */
static void change_tell(
    struct reshard_coordinator *coordinator, const struct reshard_change *change)
{
    enum { PIECE = 32 };
    struct reshard_map_migration migration = {.struct_size = sizeof migration};
    bool burst = change_waits(coordinator) && change->kind != RESHARD_CHANGE_TERM &&
                 change->kind != RESHARD_CHANGE_NODE_REMOVE &&
                 reshard_map_version(coordinator->map) % PIECE != 0;
    bool quiet = news_wait(coordinator, change);
    if (quiet && coordinator->tell_ns == UINT64_MAX)
        coordinator->tell_ns = coordinator->now_ns + coordinator->config.gather_ns;
    if (!burst && !quiet)
        reshard__peers_tell(coordinator);
    else if (reshard_map_migration_find(coordinator->map, change->migration, &migration) ==
             RESHARD_OK)
        reshard__peers_tell_shards(coordinator, migration.source, migration.target);
}

/* What follows from a change that is durable now. */
static void change_follow(
    struct reshard_coordinator *coordinator, const struct reshard_change *change)
{
    bool starts = change->kind == RESHARD_CHANGE_TERM;
    if (starts) {
        coordinator->leads = true;
        reshard__run_tell(coordinator, RESHARD_EVENT_TERM, NULL, RESHARD_OK, change->term);
    }
    if (starts || change->kind == RESHARD_CHANGE_NODE_PUT)
        coordinator->peers_stale = true;
    change_tell(coordinator, change);
    /* After it was told: who leaves hears of it. */
    if (change->kind == RESHARD_CHANGE_NODE_REMOVE)
        coordinator->peers_stale = true;
    if (starts)
        reshard__runs_recover(coordinator);
    else
        reshard__runs_follow(coordinator, change);
    coordinator->jobs_due |= change->kind == RESHARD_CHANGE_MIGRATION_END ||
                             change->kind == RESHARD_CHANGE_ASSIGN ||
                             change->kind == RESHARD_CHANGE_SHARD_PRIMARY;
}

/* A change that was appended is durable. NOMEM: nothing changed, come again. */
static int32_t append_follow(struct reshard_coordinator *coordinator)
{
    struct reshard__ledger *ledger = &coordinator->ledger;
    uint64_t version = reshard_map_version(coordinator->map) + 1;
    const struct reshard_change *change = reshard__map_change(coordinator->next, version);
    int32_t status = reshard__outbox_reserve(
        &coordinator->outbox, coordinator->peer_count + RESHARD__INPUT_RESERVE);
    if (status)
        return status;
    status = reshard__map_follow(coordinator->map, coordinator->next);
    if (status)
        return status;
    if (version == ledger->version)
        reshard__journal_settled(&ledger->journal);
    ledger->waiting_size -= change_size(change);
    change_follow(coordinator, change);
    return RESHARD_OK;
}

/* What was written is durable whether there is memory to follow it or not. */
static void settle(struct reshard_coordinator *coordinator)
{
    struct reshard__journal *journal = &coordinator->ledger.journal;
    if (journal->compacting)
        reshard__journal_settled(journal);
    else
        while (journal->state == RESHARD__JOURNAL_LANDED)
            if (append_follow(coordinator)) {
                put_off(coordinator, RESHARD_ACTION_APPEND);
                return;
            }
}

void reshard__ledger_flush(struct reshard_coordinator *coordinator)
{
    struct reshard__journal *journal = &coordinator->ledger.journal;
    struct reshard__outbox *outbox = &coordinator->outbox;
    if (coordinator->gate.ended)
        return;
    enum reshard__journal_turn turn = reshard__journal_turn(journal, outbox, coordinator->now_ns);
    if (turn == RESHARD__JOURNAL_SETTLE) {
        settle(coordinator);
        turn = reshard__journal_turn(journal, outbox, coordinator->now_ns);
    }
    if (turn != RESHARD__JOURNAL_WRITE)
        return;
    if (coordinator->leads && reshard__journal_compact_due(journal))
        compact_push(coordinator);
    bool due = coordinator->now_ns >= coordinator->ledger.gather_ns;
    if (journal->state == RESHARD__JOURNAL_IDLE && change_waits(coordinator) && due)
        append_push(coordinator);
}

void reshard__ledger_complete(struct reshard_coordinator *coordinator, uint32_t kind,
    const struct reshard_completion *completion)
{
    if (kind != RESHARD_ACTION_APPEND && kind != RESHARD_ACTION_LOAD &&
        kind != RESHARD_ACTION_COMPACT)
        return;
    if (completion->status == RESHARD_E_FENCED) {
        fence(coordinator);
        return;
    }
    switch (reshard__journal_complete(
        &coordinator->ledger.journal, kind, completion->status, coordinator->now_ns)) {
    case RESHARD__JOURNAL_DURABLE:
        settle(coordinator);
        break;
    case RESHARD__JOURNAL_DOUBT:
        reshard__run_tell(
            coordinator, RESHARD_EVENT_HOOK_FAILED, NULL, completion->status, kind);
        break;
    case RESHARD__JOURNAL_FOREIGN:
        fence(coordinator); /* a higher term, or the own place taken by another: R1 */
        break;
    default:
        break;
    }
}
