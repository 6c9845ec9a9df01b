/* SPDX-License-Identifier: MIT */
/* Room node: inputs. Each reserves what it may cause before it changes anything, so that it happens
 * whole or not at all. */
#include "node/keywise.h"
#include "node/node.h"

#include <string.h>

enum {
    DEFAULT_MIGRATION_LIMIT = 256,
    DEFAULT_CHUNK_SIZE = 262144,
    DEFAULT_WINDOW_SIZE = 8388608,
    DEFAULT_TAIL_SIZE = 67108864,
    CHUNK_SIZE_MIN = 1024,
    CHUNK_SIZE_MAX = 33554432,
    MIGRATION_LIMIT_MAX = 65536,
    RECORD_SIZE_MAX = 1 << 30,
    MESSAGE_SIZE_MAX = RECORD_SIZE_MAX + 4096, /* one such record, and what goes before it */
    DEFAULT_CONFLICT_LIMIT = 3,
    DEFAULT_COMPACT_COUNT = 4096,
    DEFAULT_PICK_SIZE = 65536
};
#define DEFAULT_RETRY_NS UINT64_C(200000000)
#define DEFAULT_ALARM_NS UINT64_C(1000000000)

void reshard_node_config_init(struct reshard_node_config *config)
{
    if (!config)
        return;
    memset(config, 0, sizeof *config);
    config->struct_size = sizeof *config;
}

static void default_u64(uint64_t *field, uint64_t value)
{
    if (*field == 0)
        *field = value;
}

static void default_u32(uint32_t *field, uint32_t value)
{
    if (*field == 0)
        *field = value;
}

static bool in_range(const struct reshard_node_config *config)
{
    return config->migration_limit <= MIGRATION_LIMIT_MAX && config->chunk_size >= CHUNK_SIZE_MIN &&
           config->chunk_size <= CHUNK_SIZE_MAX && config->window_size >= config->chunk_size &&
           config->pick_size >= CHUNK_SIZE_MIN && config->pick_size <= CHUNK_SIZE_MAX &&
           config->flight_size >= config->chunk_size &&
           config->conflict <= RESHARD_CONFLICT_RETRY && config->check <= RESHARD_CHECK_PAYLOADS;
}

static int32_t config_import(
    struct reshard_node_config *config, const struct reshard_node_config *from)
{
    int32_t status =
        reshard__struct_import(config, sizeof *config, sizeof(struct reshard_node_config), from);
    if (status)
        return status;
    const uint32_t known = RESHARD_NODE_FOLLOWS | RESHARD_NODE_ONE_LOG;
    if (config->flags & ~known || config->reserved)
        return RESHARD_E_FLAGS;
    if (config->node == 0)
        return RESHARD_E_NODE;
    default_u32(&config->slot_count, RESHARD_SLOT_COUNT_DEFAULT);
    default_u32(&config->migration_limit, DEFAULT_MIGRATION_LIMIT);
    default_u64(&config->chunk_size, DEFAULT_CHUNK_SIZE);
    default_u64(&config->window_size, DEFAULT_WINDOW_SIZE);
    default_u64(&config->tail_size, DEFAULT_TAIL_SIZE);
    default_u64(&config->retry_ns, DEFAULT_RETRY_NS);
    default_u64(&config->alarm_ns, DEFAULT_ALARM_NS);
    default_u32(&config->conflict, RESHARD_CONFLICT_LOCK);
    default_u32(&config->conflict_limit, DEFAULT_CONFLICT_LIMIT);
    default_u64(&config->compact_count, DEFAULT_COMPACT_COUNT);
    default_u64(&config->pick_size, DEFAULT_PICK_SIZE);
    default_u64(&config->flight_size, config->window_size);
    if (config->slot_count > RESHARD_SLOT_COUNT_MAX)
        return RESHARD_E_SLOT_COUNT;
    return in_range(config) ? RESHARD_OK : RESHARD_E_ARGUMENT;
}

static size_t bitmap_size(const struct reshard_node *node)
{
    return ((size_t)node->config.migration_limit + 63) / 64 * sizeof(uint64_t);
}

static int32_t tables_make(struct reshard_node *node)
{
    const struct reshard__mem *mem = &node->mem;
    int32_t status = reshard__outbox_init(&node->outbox, mem);
    if (status)
        return status;
    status = reshard_map_create(node->config.slot_count, &node->config.allocator, &node->map);
    if (status)
        return status;
    node->next = node->map;
    node->cells = reshard__mem_alloc(mem, node->config.migration_limit * sizeof *node->cells);
    node->cells_used = reshard__mem_alloc(mem, bitmap_size(node));
    node->words = reshard__mem_alloc(mem, node->config.slot_count * sizeof *node->words);
    return node->cells && node->cells_used && node->words ? RESHARD_OK : RESHARD_E_NOMEM;
}

int32_t reshard_node_create(
    const struct reshard_node_config *config, struct reshard_node **node_out)
{
    if (!config || !node_out)
        return RESHARD_E_NULL;
    struct reshard_node_config imported;
    struct reshard__mem mem;
    int32_t status = config_import(&imported, config);
    if (status == RESHARD_OK)
        status = reshard__mem_import(&mem, &imported.allocator);
    if (status)
        return status;
    struct reshard_node *node = reshard__mem_alloc(&mem, sizeof *node);
    if (!node)
        return RESHARD_E_NOMEM;
    node->mem = mem;
    node->config = imported;
    node->log.journal.purpose = RESHARD__PURPOSE_LOG;
    node->log.journal.retry_ns = imported.retry_ns;
    node->log.journal.compact_count = imported.compact_count;
    status = tables_make(node);
    if (status) {
        reshard_node_destroy(node);
        return status;
    }
    *node_out = node;
    return RESHARD_OK;
}

/* Chunks that only an open action still holds belong to no stream any more. */
static void entries_free(struct reshard_node *node)
{
    for (size_t i = 0; i < node->outbox.entry_count; i++) {
        struct reshard__entry *entry = node->outbox.entries[i];
        struct reshard__chunk *chunk = entry->attachment;
        entry->attachment = NULL;
        if (!chunk)
            continue;
        chunk->dead |= entry->purpose == RESHARD__PURPOSE_STORE; /* EXPORT, PICK: nobody else's */
        reshard__chunk_release(node, chunk);
    }
}

void reshard_node_destroy(struct reshard_node *node)
{
    if (!node)
        return;
    const struct reshard__mem mem = node->mem;
    entries_free(node);
    for (size_t i = 0; i < node->part_count; i++)
        reshard__part_free(node, node->parts[i]);
    reshard__spares_free(node);
    reshard__mem_free(&mem, node->parts, node->part_capacity * sizeof *node->parts);
    if (node->next != node->map)
        reshard_map_destroy(node->next);
    reshard_map_destroy(node->map);
    reshard__mem_free(&mem, node->cells, node->config.migration_limit * sizeof *node->cells);
    reshard__mem_free(&mem, node->cells_used, bitmap_size(node));
    reshard__mem_free(&mem, node->words, node->config.slot_count * sizeof *node->words);
    reshard__scratch_free(&mem, &node->scratch);
    reshard__journal_free(&node->log.journal, &mem);
    reshard__mem_free(&mem, node->quarantine, node->quarantine_capacity * sizeof *node->quarantine);
    reshard__mem_free(&mem, node->purge, node->purge_capacity * sizeof *node->purge);
    if (node->outbox.events)
        reshard__outbox_free(&node->outbox);
    reshard__mem_free(&mem, node, sizeof *node);
}

int32_t reshard__node_feed_begin(struct reshard_node *node, uint64_t now_ns)
{
    if (!node)
        return RESHARD_E_NULL;
    int32_t status = reshard__gate_enter(&node->gate, &node->outbox);
    if (status == RESHARD_OK && now_ns > node->now_ns)
        node->now_ns = now_ns;
    return status;
}

int32_t reshard__node_feed_end(struct reshard_node *node, int32_t status)
{
    reshard__log_flush(node);
    reshard__quarantine_pump(node);
    node->gate.feeding = false;
    return status;
}

int32_t reshard_node_restore(struct reshard_node *node, const uint8_t *bytes, size_t size)
{
    if (!node || (!bytes && size > 0))
        return RESHARD_E_NULL;
    if (node->gate.feeding)
        return RESHARD_E_REENTRANT;
    if (!node->following)
        return reshard__log_restore(node, bytes, size);
    int32_t status = reshard__node_feed_begin(node, node->now_ns);
    if (status)
        return status;
    return reshard__node_feed_end(node, reshard__log_restore(node, bytes, size));
}

int32_t reshard_node_start(struct reshard_node *node, uint64_t now_ns)
{
    if (!node)
        return RESHARD_E_NULL;
    if (node->gate.started)
        return RESHARD_E_STATE;
    int32_t status =
        reshard__outbox_reserve(&node->outbox, RESHARD__INPUT_RESERVE + node->part_count);
    if (status)
        return status;
    struct reshard_map *next;
    status = reshard_map_clone(node->map, &node->config.allocator, &next);
    if (status)
        return status;
    node->next = next;
    node->gate.started = true;
    node->now_ns = now_ns;
    reshard__follow_begin(node);
    reshard__parts_close(node);
    for (size_t i = 0; i < node->part_count; i++) {
        node->parts[i]->heard_ns = now_ns;
        reshard__part_settle_stance(node, node->parts[i]);
    }
    reshard__maps_role(node);
    reshard__words_all(node);
    reshard__log_flush(node);
    return RESHARD_OK;
}

int32_t reshard_node_adopt(struct reshard_node *node, const struct reshard_map *map)
{
    if (!map)
        return RESHARD_E_NULL;
    int32_t status = reshard__node_feed_begin(node, 0);
    if (status)
        return status;
    bool idle = node->log.journal.state == RESHARD__JOURNAL_IDLE && !node->following;
    if (reshard_map_version(node->next) != 0 || !idle)
        return reshard__node_feed_end(node, RESHARD_E_STATE);
    if (reshard_map_slot_count(map) != node->config.slot_count)
        return reshard__node_feed_end(node, RESHARD_E_SLOT_COUNT);
    struct reshard_map *next;
    status = reshard_map_clone(map, &node->config.allocator, &next);
    if (status)
        return reshard__node_feed_end(node, status);
    reshard_map_destroy(node->next);
    node->next = next;
    node->next_snapshot = true;
    node->parts_upto = 0;
    reshard__parts_follow(node);
    return reshard__node_feed_end(node, RESHARD_OK);
}

/* CHUNK and ACK, by the part they are for. */
static void receive_data(struct reshard_node *node, const struct reshard__message *message)
{
    struct reshard__part *part = reshard__part_find(node, message->migration);
    if (!part || part->closed)
        return;
    bool chunk = message->type == RESHARD__CHUNK;
    if (part->mode == RESHARD_MODE_KEYWISE && chunk)
        reshard__keywise_chunk(node, part, message);
    else if (part->mode == RESHARD_MODE_KEYWISE)
        reshard__keywise_acknowledged(node, part, message);
    else if (chunk && part->side == RESHARD_SIDE_TARGET)
        reshard__target_chunk(node, part, message);
    else if (!chunk && part->side == RESHARD_SIDE_SOURCE)
        reshard__stream_acknowledged(node, part, message);
    reshard__part_advance(node, part);
}

static int32_t receive_message(
    struct reshard_node *node, reshard_node_id from, const struct reshard__message *message)
{
    int32_t status;
    switch (message->type) {
    case RESHARD__MAP:
        status = reshard__maps_receive(node, message);
        node->map_from = from;
        if (status != RESHARD_E_VERSION)
            return status;
        reshard__hello_send(node, from); /* a gap: tell what is missing */
        return RESHARD_OK;
    case RESHARD__ORDER:
        reshard__order_receive(node, from, message);
        return RESHARD_OK;
    case RESHARD__CHUNK:
    case RESHARD__ACK:
        receive_data(node, message);
        return RESHARD_OK;
    default:
        return RESHARD_E_KIND; /* for a coordinator */
    }
}

int32_t reshard_node_receive(struct reshard_node *node, reshard_node_id from, const uint8_t *bytes,
    size_t size, uint64_t now_ns)
{
    if (!bytes)
        return RESHARD_E_NULL;
    int32_t status = reshard__node_feed_begin(node, now_ns);
    if (status)
        return status;
    struct reshard__message message;
    status = reshard__message_decode(bytes, size, MESSAGE_SIZE_MAX, &message, NULL);
    if (status == RESHARD_OK)
        status = receive_message(node, from, &message);
    if (status && status != RESHARD_E_NOMEM)
        reshard__event_tell(node, RESHARD_EVENT_BAD_MESSAGE, NULL, status, from);
    return reshard__node_feed_end(node, status);
}

int32_t reshard_node_tick(struct reshard_node *node, uint64_t now_ns)
{
    int32_t status = reshard__node_feed_begin(node, now_ns);
    if (status)
        return status;
    if (node->parts_missing)
        reshard__parts_follow(node);
    for (size_t i = 0; i < node->part_count && !node->following; i++) {
        struct reshard__part *part = node->parts[i];
        status = reshard__outbox_reserve(&node->outbox, RESHARD__INPUT_RESERVE);
        if (status)
            return reshard__node_feed_end(node, status);
        if (part->closed)
            continue;
        if (part->mode == RESHARD_MODE_KEYWISE)
            reshard__keywise_tick(node, part);
        else if (part->side == RESHARD_SIDE_SOURCE)
            reshard__source_tick(node, part);
        else
            reshard__target_tick(node, part);
        reshard__part_advance(node, part);
    }
    return reshard__node_feed_end(node, RESHARD_OK);
}

int32_t reshard_node_record(
    struct reshard_node *node, uint32_t slot, const uint8_t *bytes, size_t size)
{
    if (!node || !bytes)
        return RESHARD_E_NULL;
    if (slot >= node->config.slot_count)
        return RESHARD_E_SLOT;
    if (size == 0 || size > RECORD_SIZE_MAX)
        return RESHARD_E_ARGUMENT;
    struct reshard__part *part = reshard__part_of_slot(node, slot);
    if (!part || part->side != RESHARD_SIDE_SOURCE || reshard__order_none(part->stream.copy))
        return RESHARD_OK;
    reshard__stream_record(node, part, bytes, size);
    int32_t status = reshard__node_feed_begin(node, node->now_ns);
    if (status)
        return RESHARD_OK; /* captured; the next input sends it */
    reshard__part_advance(node, part);
    return reshard__node_feed_end(node, RESHARD_OK);
}

int32_t reshard_node_action_next(struct reshard_node *node, struct reshard_action *action_out)
{
    if (!node || !action_out)
        return RESHARD_E_NULL;
    return reshard__outbox_next(&node->outbox, action_out);
}

int32_t reshard_node_event_next(struct reshard_node *node, struct reshard_event *event_out)
{
    if (!node || !event_out)
        return RESHARD_E_NULL;
    return reshard__outbox_event_next(&node->outbox, event_out);
}

int32_t reshard_node_complete(struct reshard_node *node, uint64_t id,
    const struct reshard_completion *completion, uint64_t now_ns)
{
    struct reshard_completion imported;
    int32_t status = reshard__gate_completion(completion, &imported);
    if (status == RESHARD_OK)
        status = reshard__node_feed_begin(node, now_ns);
    if (status)
        return status;
    struct reshard__entry *entry = reshard__outbox_find(&node->outbox, id);
    if (!entry)
        return reshard__node_feed_end(node, RESHARD_E_ARGUMENT);
    status = reshard__action_completed(node, entry, &imported);
    if (status == RESHARD_OK) {
        entry->attachment = NULL;
        reshard__outbox_release(&node->outbox, entry);
    }
    return reshard__node_feed_end(node, status);
}

const struct reshard_map *reshard_node_map(const struct reshard_node *node)
{
    return node ? node->map : NULL;
}

const struct reshard_map *reshard_node_newest_map(const struct reshard_node *node)
{
    return node ? node->next : NULL;
}

int32_t reshard_node_greet(struct reshard_node *node, reshard_node_id to)
{
    if (to == 0)
        return RESHARD_E_NODE;
    int32_t status = reshard__node_feed_begin(node, 0);
    if (status)
        return status;
    reshard__hello_send(node, to);
    return reshard__node_feed_end(node, RESHARD_OK);
}
