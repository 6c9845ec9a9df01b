/* SPDX-License-Identifier: MIT */
/* Room wire: snapshots of the slot map. Ids ascend and runs are maximal, so a map has one form. All
 * bytes are checked to the end before anything is allocated; while the map is filled, only the
 * ranges of one migration at a time are held besides it. */
#include "wire/schema.h"

#include <string.h>

enum { FORMAT = 1, RUN_ITEMS = 3 };

/* ---- encode ---- */

static void nodes_put(struct reshard__writer *writer, const struct reshard_map *map)
{
    static const struct reshard__encode_options options = {false, NULL, NULL};
    uint32_t count = reshard_map_node_count(map);
    reshard__put_array(writer, count);
    for (uint32_t i = 0; i < count; i++) {
        struct reshard_map_node node = {.struct_size = sizeof node};
        RESHARD_ASSERT(reshard_map_node_at(map, i, &node) == RESHARD_OK);
        RESHARD_ASSERT(reshard__fields_encode(reshard__snapshot_node_schemas.rows, &node, &options,
                           writer) == RESHARD_OK);
    }
}

static void shards_put(struct reshard__writer *writer, const struct reshard_map *map)
{
    static const struct reshard__encode_options options = {false, NULL, NULL};
    uint32_t count = reshard_map_shard_count(map);
    reshard__put_array(writer, count);
    for (uint32_t i = 0; i < count; i++) {
        struct reshard_map_shard shard = {.struct_size = sizeof shard};
        RESHARD_ASSERT(reshard_map_shard_at(map, i, &shard) == RESHARD_OK);
        RESHARD_ASSERT(reshard__fields_encode(reshard__snapshot_shard_schemas.rows, &shard,
                           &options, writer) == RESHARD_OK);
    }
}

static void migrations_put(struct reshard__writer *writer, const struct reshard_map *map)
{
    static const struct reshard__encode_options options = {false, NULL, NULL};
    uint32_t count = reshard_map_migration_count(map);
    reshard__put_array(writer, count);
    for (uint32_t i = 0; i < count; i++) {
        struct reshard_map_migration migration = {.struct_size = sizeof migration};
        RESHARD_ASSERT(reshard_map_migration_at(map, i, &migration) == RESHARD_OK);
        RESHARD_ASSERT(reshard__fields_encode(reshard__snapshot_migration_schemas.rows, &migration,
                           &options, writer) == RESHARD_OK);
    }
}

static uint64_t runs_count(const struct reshard_map *map)
{
    struct reshard_range range;
    reshard_shard_id shard;
    uint32_t epoch, cursor = 0;
    uint64_t count = 0;
    while (reshard__map_run_next(map, &cursor, &range, &shard, &epoch) == RESHARD_OK)
        count++;
    return count;
}

static void runs_put(struct reshard__writer *writer, const struct reshard_map *map, uint64_t items)
{
    struct reshard_range range;
    reshard_shard_id shard;
    uint32_t epoch, cursor = 0;
    reshard__put_array(writer, items);
    while (reshard__map_run_next(map, &cursor, &range, &shard, &epoch) == RESHARD_OK) {
        reshard__put_uint(writer, range.last - range.first);
        reshard__put_uint(writer, shard);
        reshard__put_uint(writer, epoch);
    }
}

static void removed_put(
    struct reshard__writer *writer, const struct reshard_map *map, uint64_t count, bool nodes)
{
    uint64_t before = 0;
    reshard__put_array(writer, count);
    for (size_t i = 0; i < count; i++) {
        uint64_t id =
            nodes ? reshard__map_removed_node(map, i) : reshard__map_removed_shard(map, i);
        RESHARD_ASSERT(id > before);
        reshard__put_uint(writer, id - before - 1);
        before = id;
    }
}

struct list_context {
    const struct reshard_map *map;
    const struct reshard__snapshot *snapshot;
};

static void list_put(
    struct reshard__writer *writer, const struct reshard__field *field, const void *context)
{
    const struct list_context *from = context;
    switch (field->offset) {
    case offsetof(struct reshard__snapshot, nodes):
        nodes_put(writer, from->map);
        break;
    case offsetof(struct reshard__snapshot, shards):
        shards_put(writer, from->map);
        break;
    case offsetof(struct reshard__snapshot, runs):
        runs_put(writer, from->map, from->snapshot->runs.count);
        break;
    case offsetof(struct reshard__snapshot, migrations):
        migrations_put(writer, from->map);
        break;
    case offsetof(struct reshard__snapshot, removed_nodes):
        removed_put(writer, from->map, from->snapshot->removed_nodes.count, true);
        break;
    default:
        RESHARD_ASSERT(field->offset == offsetof(struct reshard__snapshot, removed_shards));
        removed_put(writer, from->map, from->snapshot->removed_shards.count, false);
        break;
    }
}

int32_t reshard__map_encode(
    const struct reshard_map *map, uint8_t *buffer, size_t capacity, size_t *size_out)
{
    struct reshard__snapshot snapshot;
    const struct list_context context = {map, &snapshot};
    const struct reshard__encode_options options = {false, list_put, &context};
    struct reshard__writer writer = {buffer, capacity, 0};
    memset(&snapshot, 0, sizeof snapshot);
    snapshot.format = FORMAT;
    snapshot.slot_count = reshard_map_slot_count(map);
    reshard__map_header(map, &snapshot.header);
    snapshot.nodes.count = reshard_map_node_count(map);
    snapshot.shards.count = reshard_map_shard_count(map);
    snapshot.runs.count = RUN_ITEMS * runs_count(map);
    snapshot.migrations.count = reshard_map_migration_count(map);
    while (reshard__map_removed_node(map, (size_t)snapshot.removed_nodes.count))
        snapshot.removed_nodes.count++;
    while (reshard__map_removed_shard(map, (size_t)snapshot.removed_shards.count))
        snapshot.removed_shards.count++;
    int32_t status =
        reshard__fields_encode(reshard__snapshot_schemas.rows, &snapshot, &options, &writer);
    return status ? status : reshard__writer_finish(&writer, size_out);
}

/* ---- decode ---- */

/* The same steps check (`map` is NULL) and fill. */
struct loader {
    const uint8_t *bytes;
    size_t offset; /* of what is being read: where an error is */
    size_t end;    /* of the list that is being read */
    uint64_t id;   /* of the element before; ids ascend */
    struct reshard_map *map;
    struct reshard__range_sink sink; /* a migration's ranges; while checking it holds none */
    size_t range_count_max;
};

/* Step into a list: behind its head. */
static void list_enter(struct loader *loader, const struct reshard__list *list)
{
    struct reshard__item head;
    loader->id = 0;
    if (list->size == 0) { /* left out */
        loader->end = loader->offset;
        return;
    }
    loader->offset = (size_t)(list->data - loader->bytes);
    loader->end = loader->offset + list->size;
    int32_t status = reshard__item_next(loader->bytes, loader->end, &loader->offset, &head);
    RESHARD_ASSERT(status == RESHARD_OK && head.value == list->count);
}

static int32_t uint_take(struct loader *loader, uint64_t max, uint64_t *value)
{
    struct reshard__item item;
    size_t offset = loader->offset;
    int32_t status = reshard__item_next(loader->bytes, loader->end, &offset, &item);
    if (status)
        return status;
    if (item.type != RESHARD__ITEM_UINT)
        return RESHARD_E_TYPE;
    if (item.value > max)
        return RESHARD_E_BOUND;
    loader->offset = offset;
    *value = item.value;
    return RESHARD_OK;
}

/* Check the next element of a list of arrays, whose first member is its id. The loader's offset
 * moves behind it only once it is loaded, so that a refusal by the map names the element. */
static int32_t element_check(
    struct loader *loader, const struct reshard__schema_set *set, struct reshard__walk *walk)
{
    size_t error_offset;
    loader->sink.needed = 0;
    int32_t status = reshard__array_check(set, loader->bytes, loader->end, loader->offset,
        RESHARD__SNAPSHOT_ITEMS_MAX, &loader->sink, walk, &error_offset);
    if (status) {
        loader->offset = error_offset;
        return status;
    }
    if (walk->members[0].value <= loader->id)
        return RESHARD_E_CANONICAL;
    loader->id = walk->members[0].value;
    return RESHARD_OK;
}

static int32_t node_load(struct loader *loader, const struct reshard__walk *walk)
{
    struct reshard_map_node node;
    reshard__fields_fill(&reshard__snapshot_node_schemas, loader->bytes, walk, NULL, &node);
    node.struct_size = (uint32_t)sizeof node;
    return reshard__map_load_node(loader->map, &node);
}

static int32_t shard_load(struct loader *loader, const struct reshard__walk *walk)
{
    struct reshard_map_shard shard;
    reshard__fields_fill(&reshard__snapshot_shard_schemas, loader->bytes, walk, NULL, &shard);
    shard.struct_size = (uint32_t)sizeof shard;
    return reshard__map_load_shard(loader->map, &shard);
}

static int32_t migration_load(struct loader *loader, const struct reshard__walk *walk)
{
    struct reshard_map_migration migration;
    reshard__fields_fill(
        &reshard__snapshot_migration_schemas, loader->bytes, walk, &loader->sink, &migration);
    migration.struct_size = (uint32_t)sizeof migration;
    return reshard__map_load_migration(loader->map, &migration);
}

/* A list of arrays. */
static int32_t elements_read(struct loader *loader, const struct reshard__list *list,
    const struct reshard__schema_set *set,
    int32_t (*load)(struct loader *loader, const struct reshard__walk *walk))
{
    list_enter(loader, list);
    for (uint64_t i = 0; i < list->count; i++) {
        struct reshard__walk walk;
        int32_t status = element_check(loader, set, &walk);
        if (!status && loader->map)
            status = load(loader, &walk);
        if (status)
            return status;
        if (loader->range_count_max < loader->sink.needed)
            loader->range_count_max = loader->sink.needed;
        loader->offset = walk.end;
    }
    return RESHARD_OK;
}

struct run {
    struct reshard_range range;
    reshard_shard_id shard;
    uint32_t epoch;
};

/* The run that starts at `first`. */
static int32_t run_take(struct loader *loader, uint64_t first, uint64_t slot_count, struct run *run)
{
    uint64_t length = 0, shard = 0, epoch = 0;
    if (first >= slot_count)
        return RESHARD_E_BOUND;
    int32_t status = uint_take(loader, slot_count - 1 - first, &length);
    if (!status)
        status = uint_take(loader, UINT32_MAX, &shard);
    if (!status)
        status = uint_take(loader, UINT32_MAX, &epoch);
    run->range.first = (uint32_t)first;
    run->range.last = (uint32_t)(first + length);
    run->shard = (reshard_shard_id)shard;
    run->epoch = (uint32_t)epoch;
    return status;
}

static int32_t run_load(struct reshard_map *map, const struct run *run)
{
    bool unowned = run->shard == 0 && run->epoch == 0;
    if (!map || unowned)
        return RESHARD_OK;
    return reshard__map_load_owner(map, &run->range, run->shard, run->epoch);
}

/* Runs cover every slot once and are maximal. */
static int32_t runs_read(struct loader *loader, const struct reshard__snapshot *snapshot)
{
    struct run run, before = {{0, 0}, 0, 0};
    uint64_t next = 0;
    if (snapshot->runs.count % RUN_ITEMS != 0)
        return RESHARD_E_BOUND;
    list_enter(loader, &snapshot->runs);
    for (uint64_t i = 0; i < snapshot->runs.count; i += RUN_ITEMS) {
        int32_t status = run_take(loader, next, snapshot->slot_count, &run);
        if (!status && i > 0 && run.shard == before.shard && run.epoch == before.epoch)
            status = RESHARD_E_CANONICAL;
        if (!status)
            status = run_load(loader->map, &run);
        if (status)
            return status;
        next = (uint64_t)run.range.last + 1;
        before = run;
    }
    return next == snapshot->slot_count ? RESHARD_OK : RESHARD_E_BOUND;
}

static int32_t removed_node_load(struct reshard_map *map, uint64_t id)
{
    return reshard__map_load_removed_node(map, id);
}

static int32_t removed_shard_load(struct reshard_map *map, uint64_t id)
{
    return reshard__map_load_removed_shard(map, (reshard_shard_id)id);
}

/* A list of ids, none above `max`. */
static int32_t removed_read(struct loader *loader, const struct reshard__list *list, uint64_t max,
    int32_t (*load)(struct reshard_map *map, uint64_t id))
{
    uint64_t id = 0, gap;
    list_enter(loader, list);
    for (uint64_t i = 0; i < list->count; i++) {
        if (id == max)
            return RESHARD_E_BOUND;
        int32_t status = uint_take(loader, max - id - 1, &gap);
        if (status)
            return status;
        id += gap + 1;
        status = loader->map ? load(loader->map, id) : RESHARD_OK;
        if (status)
            return status;
    }
    return RESHARD_OK;
}

static int32_t lists_read(struct loader *loader, const struct reshard__snapshot *snapshot)
{
    int32_t status =
        elements_read(loader, &snapshot->nodes, &reshard__snapshot_node_schemas, node_load);
    if (!status)
        status =
            elements_read(loader, &snapshot->shards, &reshard__snapshot_shard_schemas, shard_load);
    if (!status)
        status = runs_read(loader, snapshot);
    if (!status)
        status = elements_read(
            loader, &snapshot->migrations, &reshard__snapshot_migration_schemas, migration_load);
    if (!status)
        status = removed_read(loader, &snapshot->removed_nodes, UINT64_MAX, removed_node_load);
    if (!status)
        status = removed_read(loader, &snapshot->removed_shards, UINT32_MAX, removed_shard_load);
    return status;
}

static int32_t snapshot_check(
    struct loader *loader, size_t size, struct reshard__snapshot *snapshot)
{
    struct reshard__walk walk;
    int32_t status = reshard__array_check(&reshard__snapshot_schemas, loader->bytes, size, 0,
        RESHARD__SNAPSHOT_ITEMS_MAX, NULL, &walk, &loader->offset);
    if (status)
        return status;
    if (walk.end != size)
        return RESHARD_E_TRAILING;
    reshard__fields_fill(&reshard__snapshot_schemas, loader->bytes, &walk, NULL, snapshot);
    status = lists_read(loader, snapshot);
    snapshot->range_count_max = loader->range_count_max;
    return status;
}

int32_t reshard__snapshot_check(
    const uint8_t *bytes, size_t size, struct reshard__snapshot *snapshot, size_t *error_offset)
{
    struct loader loader = {.bytes = bytes};
    int32_t status = snapshot_check(&loader, size, snapshot);
    *error_offset = loader.offset;
    return status;
}

int32_t reshard__snapshot_fill(const uint8_t *bytes, const struct reshard__snapshot *snapshot,
    const struct reshard__mem *mem, struct reshard_map *map, size_t *error_offset)
{
    struct loader loader = {.bytes = bytes, .map = map};
    const size_t size = snapshot->range_count_max * sizeof *loader.sink.ranges;
    *error_offset = 0;
    if (size > 0) {
        loader.sink.capacity = snapshot->range_count_max;
        loader.sink.ranges = reshard__mem_alloc(mem, size);
        if (!loader.sink.ranges)
            return RESHARD_E_NOMEM;
    }
    int32_t status = lists_read(&loader, snapshot);
    reshard__mem_free(mem, loader.sink.ranges, size);
    *error_offset = loader.offset;
    return status ? status : reshard__map_load_finish(map, &snapshot->header);
}

int32_t reshard__map_decode(const uint8_t *bytes, size_t size,
    const struct reshard_allocator *allocator, struct reshard_map **map_out, size_t *offset_out)
{
    struct reshard__snapshot snapshot;
    struct reshard__mem mem;
    struct reshard_map *map = NULL;
    size_t error_offset = 0;
    int32_t status = reshard__mem_import(&mem, allocator);
    if (!status)
        status = reshard__snapshot_check(bytes, size, &snapshot, &error_offset);
    if (!status)
        status = reshard_map_create((uint32_t)snapshot.slot_count, allocator, &map);
    if (!status)
        status = reshard__snapshot_fill(bytes, &snapshot, &mem, map, &error_offset);
    if (status) {
        reshard_map_destroy(map);
        if (offset_out)
            *offset_out = error_offset;
        return status;
    }
    *map_out = map;
    return RESHARD_OK;
}
