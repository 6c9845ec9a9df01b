/* SPDX-License-Identifier: MIT */
/* Slot maps for tests of the wire room: grown from a seed by applying changes, and the two shapes
 * that snapshots are judged by (few ranges, fully fragmented). Prints nothing.
 */
#ifndef RESHARD_TESTS_WIRE_MAPS_H
#define RESHARD_TESTS_WIRE_MAPS_H

#include "wire/schema.h"
#include <string.h>

static inline struct reshard_change wire_change(uint32_t kind)
{
    struct reshard_change change;
    memset(&change, 0, sizeof change);
    change.struct_size = (uint32_t)sizeof change;
    change.kind = kind;
    return change;
}

/* Nodes 1 ... shards, one primary each, all shards of weight 1. */
static inline bool wire_map_populate(struct reshard_map *map, uint32_t shards)
{
    bool good = true;
    struct reshard_change term = wire_change(RESHARD_CHANGE_TERM);
    term.term = 1;
    term.unique = 0x1234567890ABCDEF;
    good = good && reshard_map_apply(map, &term) == RESHARD_OK;
    for (uint32_t i = 1; i <= shards; i++) {
        struct reshard_change shard = wire_change(RESHARD_CHANGE_SHARD_PUT);
        struct reshard_change node = wire_change(RESHARD_CHANGE_NODE_PUT);
        struct reshard_change primary = wire_change(RESHARD_CHANGE_SHARD_PRIMARY);
        shard.shard = node.shard = primary.shard = i;
        shard.weight = 1.0;
        node.node = primary.node = i;
        node.role = RESHARD_ROLE_REPLICA;
        node.name = "node";
        node.name_size = 4;
        node.address = "10.0.0.1:6379";
        node.address_size = 13;
        good = good && reshard_map_apply(map, &shard) == RESHARD_OK;
        good = good && reshard_map_apply(map, &node) == RESHARD_OK;
        good = good && reshard_map_apply(map, &primary) == RESHARD_OK;
    }
    return good;
}

/* Equal shares, one range each. */
static inline struct reshard_map *wire_map_even(uint32_t slot_count, uint32_t shards)
{
    struct reshard_map *map = NULL;
    if (reshard_map_create(slot_count, NULL, &map) || !wire_map_populate(map, shards))
        return NULL;
    for (uint32_t i = 0; i < shards; i++) {
        uint32_t first = (uint32_t)((uint64_t)slot_count * i / shards);
        uint32_t end = (uint32_t)((uint64_t)slot_count * (i + 1) / shards);
        struct reshard_range range = {first, end - 1};
        struct reshard_change assign = wire_change(RESHARD_CHANGE_ASSIGN);
        assign.shard = i + 1;
        assign.ranges = &range;
        assign.range_count = 1;
        if (reshard_map_apply(map, &assign))
            return NULL;
    }
    return map;
}

/* No two neighbouring slots have the same owner. */
static inline struct reshard_map *wire_map_fragmented(
    uint32_t slot_count, uint32_t shards, struct reshard_range *scratch)
{
    struct reshard_map *map = NULL;
    if (reshard_map_create(slot_count, NULL, &map) || !wire_map_populate(map, shards))
        return NULL;
    for (uint32_t i = 0; i < shards; i++) {
        struct reshard_change assign = wire_change(RESHARD_CHANGE_ASSIGN);
        for (uint32_t slot = i; slot < slot_count; slot += shards) {
            scratch[assign.range_count].first = slot;
            scratch[assign.range_count++].last = slot;
        }
        assign.shard = i + 1;
        assign.ranges = scratch;
        if (reshard_map_apply(map, &assign))
            return NULL;
    }
    return map;
}

/* An id that the map has, or now and then one that it may not have. */
static inline uint32_t wire_shard_guess(uint64_t *seed, const struct reshard_map *map)
{
    struct reshard_map_shard shard = {.struct_size = sizeof shard};
    uint64_t r = reshard__random_next(seed);
    uint32_t count = reshard_map_shard_count(map);
    if (count < 2 || r % 8 == 0)
        return (uint32_t)(1 + (r >> 8) % 300);
    (void)reshard_map_shard_at(map, (uint32_t)((r >> 8) % count), &shard);
    return shard.shard;
}

static inline uint64_t wire_node_guess(uint64_t *seed, const struct reshard_map *map)
{
    struct reshard_map_node node = {.struct_size = sizeof node};
    uint64_t r = reshard__random_next(seed);
    uint32_t count = reshard_map_node_count(map);
    if (count < 2 || r % 8 == 0)
        return 1 + (r >> 8) % 300;
    (void)reshard_map_node_at(map, (uint32_t)((r >> 8) % count), &node);
    return node.node;
}

/* Keep only what the change's kind uses: the map refuses anything else. */
static inline void wire_change_trim(struct reshard_change *change)
{
    const struct reshard__schema *schema = &reshard__change_schemas.rows[change->kind - 1];
    struct reshard_change trimmed = wire_change(change->kind);
    uint8_t *to = (uint8_t *)&trimmed;
    const uint8_t *from = (const uint8_t *)change;
    for (uint32_t i = 0; i < schema->field_count; i++) {
        const struct reshard__field *field = &schema->fields[i];
        bool is_pointer = field->type != RESHARD__UINT;
        memcpy(
            to + field->offset, from + field->offset, is_pointer ? sizeof(void *) : field->width);
        if (is_pointer)
            memcpy(to + field->count_offset, from + field->count_offset, sizeof(uint32_t));
    }
    *change = trimmed;
}

/* A change that may or may not be accepted: ids that exist, few slots, so that many are. */
static inline void wire_change_guess(uint64_t *seed, const struct reshard_map *map,
    struct reshard_range *range, struct reshard_change *change)
{
    static const char text[] = "a-name-or-an-address-that-is-longer-than-a-few-bytes-as-some-are";
    uint32_t slot_count = reshard_map_slot_count(map);
    uint64_t r = reshard__random_next(seed);
    uint64_t last = reshard_map_last_migration(map);
    *change = wire_change((uint32_t)(1 + r % 12));
    change->term = reshard_map_term(map, NULL) + 1 + (r >> 8) % 2;
    change->unique = r;
    change->node = wire_node_guess(seed, map);
    change->shard = wire_shard_guess(seed, map);
    change->role = RESHARD_ROLE_REPLICA;
    change->weight = 0.25 * (double)(1 + (r >> 32) % 9);
    change->source = wire_shard_guess(seed, map);
    change->target = wire_shard_guess(seed, map);
    change->mode = (uint32_t)(1 + (r >> 44) % 2);
    change->attempt = 1 + (r >> 46) % 5;
    change->name = change->address = change->zone = text;
    change->name_size = (uint32_t)((r >> 50) % 65);
    change->address_size = (uint32_t)((r >> 52) % 65);
    change->zone_size = (uint32_t)((r >> 54) % 65);
    change->migration = last;
    if (change->kind == RESHARD_CHANGE_MIGRATION_OPEN)
        change->migration = last + 1;
    else if (last > 0)
        change->migration = last - (r >> 56) % (last < 3 ? last : 3);
    r = reshard__random_next(seed);
    range->first = (uint32_t)(r % slot_count);
    range->last = range->first + (uint32_t)((r >> 32) % 3);
    if (range->last >= slot_count)
        range->last = range->first;
    if (change->kind == RESHARD_CHANGE_MIGRATION_OPEN)
        change->source = reshard_map_slot_owner(map, range->first);
    change->ranges = range;
    change->range_count = 1;
    wire_change_trim(change);
}

static inline struct reshard_map *wire_map_grow(
    uint64_t *seed, const struct reshard_allocator *allocator, uint32_t slot_count, uint32_t tries)
{
    struct reshard_map *map = NULL;
    if (reshard_map_create(slot_count, allocator, &map))
        return NULL;
    for (uint32_t i = 0; i < tries; i++) {
        struct reshard_change change;
        struct reshard_range range;
        wire_change_guess(seed, map, &range, &change);
        (void)reshard_map_apply(map, &change);
    }
    return map;
}

#endif
