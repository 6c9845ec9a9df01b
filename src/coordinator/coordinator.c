/* SPDX-License-Identifier: MIT */
/* Room coordinator: inputs. */
#include "coordinator/inputs.h"

#include <string.h>

enum { DEFAULT_IN_FLIGHT = 64, DEFAULT_ATTEMPTS = 16, DEFAULT_COPIES = 8, DEFAULT_RECORDS = 4096 };
#define DEFAULT_RETRY_NS UINT64_C(200000000)
#define DEFAULT_FREEZE_NS UINT64_C(1000000000)
#define DEFAULT_LAG_SIZE UINT64_C(1048576)
#define DEFAULT_BACKOFF_NS UINT64_C(100000000)
#define DEFAULT_CONVERGE_NS UINT64_C(30000000000)
#define CONFIG_FIRST_SIZE offsetof(struct reshard_coordinator_config, converge_ns)
#define DURATION_MAX_NS (UINT64_C(1) << 56) /* two years: sums of times cannot overflow */

void reshard_coordinator_config_init(struct reshard_coordinator_config *config)
{
    if (!config)
        return;
    memset(config, 0, sizeof *config);
    config->struct_size = sizeof *config;
}

void reshard_migration_spec_init(struct reshard_migration_spec *spec)
{
    if (!spec)
        return;
    memset(spec, 0, sizeof *spec);
    spec->struct_size = sizeof *spec;
}

void reshard_job_spec_init(struct reshard_job_spec *spec)
{
    if (!spec)
        return;
    memset(spec, 0, sizeof *spec);
    spec->struct_size = sizeof *spec;
}

static uint64_t or_default(uint64_t value, uint64_t standard)
{
    return value ? value : standard;
}

static void config_complete(struct reshard_coordinator_config *config)
{
    config->slot_count = (uint32_t)or_default(config->slot_count, RESHARD_SLOT_COUNT_DEFAULT);
    config->in_flight_limit = (uint32_t)or_default(config->in_flight_limit, DEFAULT_IN_FLIGHT);
    config->attempt_limit = (uint32_t)or_default(config->attempt_limit, DEFAULT_ATTEMPTS);
    config->copy_limit = (uint32_t)or_default(config->copy_limit, DEFAULT_COPIES);
    config->retry_ns = or_default(config->retry_ns, DEFAULT_RETRY_NS);
    config->freeze_ns = or_default(config->freeze_ns, DEFAULT_FREEZE_NS);
    config->lag_size = or_default(config->lag_size, DEFAULT_LAG_SIZE);
    config->backoff_ns = or_default(config->backoff_ns, DEFAULT_BACKOFF_NS);
    config->converge_ns = or_default(config->converge_ns, DEFAULT_CONVERGE_NS);
    config->compact_count = (uint32_t)or_default(config->compact_count, DEFAULT_RECORDS);
}

static bool durations_fit(const struct reshard_coordinator_config *config)
{
    const uint64_t durations_ns[] = {config->retry_ns, config->freeze_ns, config->backoff_ns,
        config->linger_ns, config->converge_ns, config->gather_ns,
        config->freeze_gather_ns};
    for (size_t i = 0; i < sizeof durations_ns / sizeof *durations_ns; i++)
        if (durations_ns[i] > DURATION_MAX_NS)
            return false;
    return true;
}

static int32_t config_import(struct reshard_coordinator_config *config,
    const struct reshard_coordinator_config *from)
{
    int32_t status = reshard__struct_import(config, sizeof *config, CONFIG_FIRST_SIZE, from);
    if (status)
        return status;
    if (config->flags)
        return RESHARD_E_FLAGS;
    if (config->node == 0)
        return RESHARD_E_NODE;
    config_complete(config);
    if (config->slot_count > RESHARD_SLOT_COUNT_MAX)
        return RESHARD_E_SLOT_COUNT;
    bool in_range = config->unique && durations_fit(config);
    return in_range ? RESHARD_OK : RESHARD_E_ARGUMENT;
}

int32_t reshard_coordinator_create(const struct reshard_coordinator_config *config,
    struct reshard_coordinator **coordinator_out)
{
    if (!config || !coordinator_out)
        return RESHARD_E_NULL;
    struct reshard_coordinator_config imported;
    struct reshard__mem mem;
    int32_t status = config_import(&imported, config);
    if (status == RESHARD_OK)
        status = reshard__mem_import(&mem, &imported.allocator);
    if (status)
        return status;
    struct reshard_coordinator *coordinator = reshard__mem_alloc(&mem, sizeof *coordinator);
    if (!coordinator)
        return RESHARD_E_NOMEM;
    coordinator->mem = mem;
    coordinator->config = imported;
    coordinator->ledger.journal.retry_ns = imported.retry_ns;
    coordinator->ledger.journal.compact_count = imported.compact_count;
    status = reshard__outbox_init(&coordinator->outbox, &mem);
    if (status == RESHARD_OK)
        status = reshard_map_create(imported.slot_count, &imported.allocator, &coordinator->map);
    coordinator->next = coordinator->map;
    coordinator->tell_ns = UINT64_MAX;
    if (status) {
        reshard_coordinator_destroy(coordinator);
        return status;
    }
    *coordinator_out = coordinator;
    return RESHARD_OK;
}

void reshard_coordinator_destroy(struct reshard_coordinator *coordinator)
{
    if (!coordinator)
        return;
    const struct reshard__mem mem = coordinator->mem;
    for (size_t i = 0; i < coordinator->outbox.entry_count; i++) {
        struct reshard__entry *entry = coordinator->outbox.entries[i];
        if (entry->attachment)
            reshard__shared_release(coordinator, entry->attachment);
        entry->attachment = NULL;
    }
    if (coordinator->outbox.events)
        reshard__outbox_free(&coordinator->outbox);
    if (coordinator->next != coordinator->map)
        reshard_map_destroy(coordinator->next);
    reshard_map_destroy(coordinator->map);
    reshard__jobs_free(coordinator);
    reshard__journal_free(&coordinator->ledger.journal, &mem);
    reshard__mem_free(
        &mem, coordinator->runs, coordinator->run_capacity * sizeof *coordinator->runs);
    reshard__mem_free(
        &mem, coordinator->peers, coordinator->peer_capacity * sizeof *coordinator->peers);
    reshard__scratch_free(&mem, &coordinator->scratch);
    reshard__mem_free(&mem, coordinator, sizeof *coordinator);
}

int32_t reshard__feed_begin(struct reshard_coordinator *coordinator, uint64_t now_ns)
{
    if (!coordinator)
        return RESHARD_E_NULL;
    int32_t status = reshard__gate_enter(&coordinator->gate, &coordinator->outbox);
    if (status == RESHARD_OK && now_ns > coordinator->now_ns)
        coordinator->now_ns = now_ns;
    return status;
}

int32_t reshard__feed_end(struct reshard_coordinator *coordinator, int32_t status)
{
    if (coordinator->jobs_due && coordinator->leads)
        reshard__jobs_pump(coordinator);
    if (coordinator->copies_due && coordinator->leads)
        reshard__copies_follow(coordinator);
    if (coordinator->shares_due && coordinator->leads)
        reshard__shares_send(coordinator);
    reshard__ledger_flush(coordinator);
    coordinator->gate.feeding = false;
    return status;
}

int32_t reshard_coordinator_restore(
    struct reshard_coordinator *coordinator, const uint8_t *bytes, size_t size)
{
    if (!coordinator || (!bytes && size > 0))
        return RESHARD_E_NULL;
    if (coordinator->gate.feeding)
        return RESHARD_E_REENTRANT;
    return reshard__ledger_restore(coordinator, bytes, size);
}

/* Runs for what is open, before anything else can fail. */
static int32_t runs_make(struct reshard_coordinator *coordinator)
{
    uint32_t count = reshard_map_migration_count(coordinator->map);
    int32_t status = reshard__runs_reserve(coordinator, count);
    if (status)
        return status;
    coordinator->run_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct reshard_map_migration migration = {.struct_size = sizeof migration};
        (void)reshard_map_migration_at(coordinator->map, i, &migration);
        (void)reshard__run_add(coordinator, &migration);
    }
    return RESHARD_OK;
}

int32_t reshard_coordinator_start(struct reshard_coordinator *coordinator, uint64_t now_ns)
{
    if (!coordinator)
        return RESHARD_E_NULL;
    if (coordinator->gate.started)
        return RESHARD_E_STATE;
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_TERM;
    change.term = reshard_map_term(coordinator->map, NULL) + 1;
    change.unique = coordinator->config.unique;
    int32_t status = reshard__outbox_reserve(&coordinator->outbox, RESHARD__INPUT_RESERVE);
    if (status)
        return status;
    struct reshard_map *next;
    status = reshard_map_clone(coordinator->map, &coordinator->config.allocator, &next);
    if (status)
        return status;
    coordinator->now_ns = now_ns;
    coordinator->term = coordinator->ledger.journal.term = change.term;
    coordinator->next = next;
    status = reshard__ledger_queue(coordinator, &change);
    if (status == RESHARD_OK)
        status = runs_make(coordinator);
    if (status) {
        coordinator->next = coordinator->map;
        coordinator->term = coordinator->now_ns = coordinator->ledger.waiting_size = 0;
        reshard_map_destroy(next);
        return status;
    }
    coordinator->gate.started = true;
    reshard__ledger_flush(coordinator);
    return RESHARD_OK;
}

int32_t reshard_coordinator_receive(struct reshard_coordinator *coordinator,
    reshard_node_id from, const uint8_t *bytes, size_t size, uint64_t now_ns)
{
    if (!bytes)
        return RESHARD_E_NULL;
    int32_t status = reshard__feed_begin(coordinator, now_ns);
    if (status)
        return status;
    struct reshard__message message;
    status = reshard__message_decode(bytes, size, 0, &message, NULL);
    if (status == RESHARD_OK && message.type == RESHARD__REPORT)
        reshard__report_receive(coordinator, from, &message);
    else if (status == RESHARD_OK && message.type == RESHARD__HELLO)
        status = reshard__hello_receive(coordinator, from, &message);
    else if (status == RESHARD_OK)
        status = RESHARD_E_KIND;
    if (status)
        reshard__run_tell(coordinator, RESHARD_EVENT_BAD_MESSAGE, NULL, status, from);
    return reshard__feed_end(coordinator, status);
}

int32_t reshard_coordinator_tick(struct reshard_coordinator *coordinator, uint64_t now_ns)
{
    int32_t status = reshard__feed_begin(coordinator, now_ns);
    if (status)
        return status;
    if (!coordinator->leads)
        return reshard__feed_end(coordinator, RESHARD_OK);
    reshard__runs_recover(coordinator); /* those for which there was no memory */
    coordinator->jobs_due |= coordinator->now_ns >= coordinator->jobs_at_ns;
    for (size_t i = 0; i < coordinator->run_count; i++) {
        status = reshard__outbox_reserve(&coordinator->outbox, RESHARD__INPUT_RESERVE);
        if (status)
            return reshard__feed_end(coordinator, status);
        reshard__run_tick(coordinator, &coordinator->runs[i]);
    }
    reshard__peers_beat(coordinator);
    return reshard__feed_end(coordinator, RESHARD_OK);
}

static void entry_close(struct reshard_coordinator *coordinator, struct reshard__entry *entry)
{
    if (entry->attachment)
        reshard__shared_release(coordinator, entry->attachment);
    entry->attachment = NULL;
    reshard__outbox_release(&coordinator->outbox, entry);
}

/* What a superseded coordinator asked for before is still completed, to no effect. */
static int32_t complete_fenced(struct reshard_coordinator *coordinator, uint64_t id)
{
    struct reshard__entry *entry = reshard__outbox_find(&coordinator->outbox, id);
    if (!entry)
        return RESHARD_E_ARGUMENT;
    entry_close(coordinator, entry);
    return RESHARD_OK;
}

int32_t reshard_coordinator_complete(struct reshard_coordinator *coordinator, uint64_t id,
    const struct reshard_completion *completion, uint64_t now_ns)
{
    struct reshard_completion imported;
    int32_t status = reshard__gate_completion(completion, &imported);
    if (status)
        return status;
    if (coordinator && coordinator->gate.ended)
        return complete_fenced(coordinator, id);
    status = reshard__feed_begin(coordinator, now_ns);
    if (status)
        return status;
    struct reshard__entry *entry = reshard__outbox_find(&coordinator->outbox, id);
    if (!entry)
        return reshard__feed_end(coordinator, RESHARD_E_ARGUMENT);
    reshard__ledger_complete(coordinator, entry->action.kind, &imported);
    entry_close(coordinator, entry);
    return reshard__feed_end(coordinator, RESHARD_OK);
}
