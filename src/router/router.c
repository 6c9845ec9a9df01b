/* SPDX-License-Identifier: MIT */
/* Room router: the object and its cache: refresh, deltas, patches. */
#include "router/router.h"

#include <string.h>

void reshard_router_config_init(struct reshard_router_config *config)
{
    *config = (struct reshard_router_config){.struct_size = sizeof *config,
        .slot_count = RESHARD_SLOT_COUNT_DEFAULT,
        .redirects_max = RESHARD_ROUTER_REDIRECTS_MAX,
        .retries_max = 16,
        .backoff_base_ns = 10000000,
        .backoff_max_ns = 1000000000};
}

static bool limits_sound(const struct reshard_router_config *config)
{
    bool redirects = config->redirects_max >= 1
        && config->redirects_max <= RESHARD_ROUTER_REDIRECTS_MAX;
    bool waits =
        config->backoff_base_ns >= 1 && config->backoff_max_ns >= config->backoff_base_ns;
    return redirects && waits && config->zone_size <= RESHARD_ZONE_SIZE_MAX;
}

static int32_t config_check(const struct reshard_router_config *config)
{
    if (config->flags)
        return RESHARD_E_FLAGS;
    if (config->slot_count == 0 || config->slot_count > RESHARD_SLOT_COUNT_MAX)
        return RESHARD_E_SLOT_COUNT;
    if (config->zone_size && !config->zone)
        return RESHARD_E_NULL;
    return limits_sound(config) ? RESHARD_OK : RESHARD_E_ARGUMENT;
}

static int32_t hasher_import(
    const struct reshard_router_config *config, struct reshard_hasher *hasher)
{
    reshard_hasher_init(hasher);
    hasher->slot_count = config->slot_count;
    if (!config->hasher)
        return RESHARD_OK;
    int32_t status = reshard_hasher_check(config->hasher);
    if (!status)
        status = reshard__struct_import(hasher, sizeof *hasher, sizeof *hasher, config->hasher);
    if (!status && hasher->slot_count != config->slot_count)
        status = RESHARD_E_SLOT_COUNT;
    return status;
}

int32_t reshard_router_create(
    const struct reshard_router_config *config, struct reshard_router **router_out)
{
    struct reshard_router_config known;
    struct reshard_hasher hasher;
    struct reshard__mem mem;
    if (!router_out)
        return RESHARD_E_NULL;
    int32_t status = reshard__struct_import(&known, sizeof known, sizeof known, config);
    if (!status)
        status = config_check(&known);
    if (!status)
        status = hasher_import(&known, &hasher);
    if (!status)
        status = reshard__mem_import(&mem, known.allocator);
    if (status)
        return status;
    struct reshard_router *router = reshard__mem_alloc(&mem, sizeof *router);
    if (!router)
        return RESHARD_E_NOMEM;
    router->mem = mem;
    router->hasher = hasher;
    router->slot_count = known.slot_count;
    router->redirects_max = known.redirects_max;
    router->retries_max = known.retries_max;
    router->backoff_base_ns = known.backoff_base_ns;
    router->backoff_max_ns = known.backoff_max_ns;
    router->random = known.seed;
    router->generation = 1;
    router->zone_size = known.zone_size;
    if (known.zone_size)
        memcpy(router->zone, known.zone, known.zone_size);
    status = reshard_map_create(known.slot_count, known.allocator, &router->map);
    if (status) {
        reshard__mem_free(&mem, router, sizeof *router);
        return status;
    }
    *router_out = router;
    return RESHARD_OK;
}

void reshard_router_destroy(struct reshard_router *router)
{
    if (!router)
        return;
    struct reshard__mem mem = router->mem;
    reshard_map_destroy(router->map);
    reshard__mem_free(&mem, router->patches, router->patch_capacity * sizeof *router->patches);
    reshard__mem_free(&mem, router->replicas, router->replica_capacity * sizeof *router->replicas);
    reshard__mem_free(&mem, router->homes, router->home_capacity * sizeof *router->homes);
    reshard__mem_free(&mem, router, sizeof *router);
}

static size_t patch_lower_bound(const struct reshard_router *router, uint32_t slot)
{
    size_t low = 0;
    size_t high = router->patch_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (router->patches[middle].slot < slot)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct reshard__patch *reshard__router_patch_find(
    const struct reshard_router *router, uint32_t slot)
{
    if (router->patch_count == 0)
        return NULL;
    size_t index = patch_lower_bound(router, slot);
    return index < router->patch_count && router->patches[index].slot == slot
        ? &router->patches[index]
        : NULL;
}

int32_t reshard__router_patch_put(
    struct reshard_router *router, const struct reshard__patch *patch, bool *put_out)
{
    size_t index = patch_lower_bound(router, patch->slot);
    bool there = index < router->patch_count && router->patches[index].slot == patch->slot;
    *put_out = there || router->patch_count < RESHARD_ROUTER_PATCHES_MAX;
    if (!*put_out)
        return RESHARD_OK;
    if (!there) {
        int32_t status = reshard__mem_grow(&router->mem, (void **)&router->patches,
            &router->patch_capacity, sizeof *router->patches, router->patch_count + 1);
        if (status)
            return status;
        memmove(&router->patches[index + 1], &router->patches[index],
            (router->patch_count - index) * sizeof *router->patches);
        router->patch_count++;
    }
    router->patches[index] = *patch;
    return RESHARD_OK;
}

static bool replica_below(const struct reshard__replica *a, const struct reshard__replica *b)
{
    if (a->shard != b->shard)
        return a->shard < b->shard;
    return a->elsewhere != b->elsewhere ? b->elsewhere : a->node < b->node;
}

/* Restore the heap order below `top` of `count` items, the largest on top. */
static void sift(struct reshard__replica *items, size_t top, size_t count)
{
    struct reshard__replica item = items[top];
    for (size_t child = 2 * top + 1; child < count; child = 2 * top + 1) {
        if (child + 1 < count && replica_below(&items[child], &items[child + 1]))
            child++;
        if (!replica_below(&item, &items[child]))
            break;
        items[top] = items[child];
        top = child;
    }
    items[top] = item;
}

/* Heapsort: in place, O(n log n) for nodes in any order. */
static void replicas_sort(struct reshard__replica *items, size_t count)
{
    for (size_t top = count / 2; top-- > 0;)
        sift(items, top, count);
    for (size_t end = count; end-- > 1;) {
        struct reshard__replica last = items[end];
        items[end] = items[0];
        items[0] = last;
        sift(items, 0, end);
    }
}

/* Into memory for all nodes of the map. */
static void replicas_build(struct reshard_router *router)
{
    uint32_t count = reshard_map_node_count(router->map);
    RESHARD_ASSERT(router->replica_capacity >= count);
    router->replica_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct reshard_map_node node = {.struct_size = sizeof node};
        int32_t status = reshard_map_node_at(router->map, i, &node);
        RESHARD_ASSERT(status == RESHARD_OK);
        if (node.role != RESHARD_ROLE_REPLICA || node.shard == 0)
            continue;
        bool here = router->zone_size == 0;
        if (node.zone_size == router->zone_size && router->zone_size)
            here = memcmp(node.zone, router->zone, node.zone_size) == 0;
        router->replicas[router->replica_count++] =
            (struct reshard__replica){node.shard, !here, node.node};
    }
    replicas_sort(router->replicas, router->replica_count);
}

/* Position of a node in the map; there. */
static uint32_t node_index(const struct reshard_map *map, reshard_node_id node)
{
    uint32_t low = 0;
    uint32_t high = reshard_map_node_count(map);
    struct reshard_map_node known = {.struct_size = sizeof known};
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int32_t status = reshard_map_node_at(map, middle, &known);
        RESHARD_ASSERT(status == RESHARD_OK);
        if (known.node < node)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void homes_build(struct reshard_router *router)
{
    uint32_t count = reshard_map_shard_count(router->map);
    RESHARD_ASSERT(router->home_capacity >= count);
    for (uint32_t i = 0; i < count; i++) {
        struct reshard_map_shard shard = {.struct_size = sizeof shard};
        int32_t status = reshard_map_shard_at(router->map, i, &shard);
        RESHARD_ASSERT(status == RESHARD_OK);
        router->homes[i] = (struct reshard__home){
            shard.shard, node_index(router->map, shard.primary), shard.primary};
    }
    router->home_count = count;
}

/* Most hosts number their shards without gaps: then the first guess is right. */
const struct reshard__home *reshard__router_home_find(
    const struct reshard_router *router, reshard_shard_id shard)
{
    const struct reshard__home *homes = router->homes;
    size_t low = 0;
    size_t high = router->home_count;
    if (high == 0 || shard < homes[0].shard)
        return NULL;
    if (shard - homes[0].shard < high && homes[shard - homes[0].shard].shard == shard)
        return &homes[shard - homes[0].shard];
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (homes[middle].shard < shard)
            low = middle + 1;
        else
            high = middle;
    }
    return low < router->home_count && homes[low].shard == shard ? &homes[low] : NULL;
}

/* Room for the index of a map. */
static int32_t index_reserve(
    struct reshard_router *router, uint32_t node_count, uint32_t shard_count)
{
    int32_t status = reshard__mem_grow(&router->mem, (void **)&router->replicas,
        &router->replica_capacity, sizeof *router->replicas, node_count);
    if (status)
        return status;
    return reshard__mem_grow(&router->mem, (void **)&router->homes, &router->home_capacity,
        sizeof *router->homes, shard_count);
}

int32_t reshard_router_refresh(struct reshard_router *router, const struct reshard_map *map)
{
    struct reshard_map *copy;
    if (!router || !map)
        return RESHARD_E_NULL;
    if (reshard_map_slot_count(map) != router->slot_count)
        return RESHARD_E_SLOT_COUNT;
    uint64_t version = reshard_map_version(map);
    if (version < reshard_map_version(router->map))
        return RESHARD_E_VERSION;
    struct reshard_allocator allocator = {.struct_size = sizeof allocator,
        .resize = router->mem.resize,
        .user_data = router->mem.user_data};
    int32_t status =
        index_reserve(router, reshard_map_node_count(map), reshard_map_shard_count(map));
    if (!status)
        status = reshard_map_clone(map, &allocator, &copy);
    if (status)
        return status;
    reshard_map_destroy(router->map);
    router->map = copy;
    router->generation++;
    replicas_build(router);
    homes_build(router);
    size_t kept = 0;
    for (size_t i = 0; i < router->patch_count; i++)
        if (router->patches[i].version > version)
            router->patches[kept++] = router->patches[i];
    router->patch_count = kept;
    router->doubt = false;
    return RESHARD_OK;
}

/* Ranges whose owner the change sets; the committed migration is still open. */
static uint32_t owner_ranges(const struct reshard_router *router,
    const struct reshard_change *change, const struct reshard_range **ranges_out)
{
    if (change->kind == RESHARD_CHANGE_ASSIGN || change->kind == RESHARD_CHANGE_UNASSIGN) {
        *ranges_out = change->ranges;
        return change->range_count;
    }
    struct reshard_map_migration migration = {.struct_size = sizeof migration};
    if (change->kind != RESHARD_CHANGE_MIGRATION_COMMIT
        || reshard_map_migration_find(router->map, change->migration, &migration))
        return 0;
    *ranges_out = migration.ranges;
    return migration.range_count;
}

/* Forget what the map knows by now. */
static void patches_prune(struct reshard_router *router, const struct reshard_change *change)
{
    uint64_t version = reshard_map_version(router->map);
    const struct reshard_range *ranges = NULL;
    uint32_t range_count = owner_ranges(router, change, &ranges);
    size_t kept = 0;
    bool unversioned = false;
    for (size_t i = 0; i < router->patch_count; i++) {
        const struct reshard__patch *patch = &router->patches[i];
        bool known = patch->version ? patch->version <= version
                                    : reshard__ranges_contain(ranges, range_count, patch->slot);
        if (known)
            continue;
        unversioned = unversioned || patch->version == 0;
        router->patches[kept++] = *patch;
    }
    router->patch_count = kept;
    router->doubt = router->doubt && unversioned;
}

int32_t reshard_router_apply(struct reshard_router *router, const struct reshard_change *change)
{
    struct reshard_change known;
    if (!router)
        return RESHARD_E_NULL;
    int32_t status = reshard__struct_import(&known, sizeof known, sizeof known, change);
    if (!status)
        status = index_reserve(router, reshard_map_node_count(router->map) + 1,
            reshard_map_shard_count(router->map) + 1);
    if (!status)
        status = reshard_map_apply(router->map, &known);
    if (status)
        return status;
    router->generation++;
    if (known.kind >= RESHARD_CHANGE_NODE_PUT && known.kind <= RESHARD_CHANGE_SHARD_PRIMARY) {
        replicas_build(router);
        homes_build(router);
    }
    patches_prune(router, &known);
    return RESHARD_OK;
}

uint64_t reshard_router_version(const struct reshard_router *router)
{
    return router ? reshard_map_version(router->map) : 0;
}

int32_t reshard_router_stale(const struct reshard_router *router)
{
    if (!router)
        return RESHARD_E_NULL;
    uint64_t version = reshard_map_version(router->map);
    return version == 0 || router->doubt || router->newest > version;
}

reshard_shard_id reshard_router_slot_owner(const struct reshard_router *router, uint32_t slot)
{
    if (!router)
        return 0;
    const struct reshard__patch *patch = reshard__router_patch_find(router, slot);
    return patch ? patch->shard : reshard_map_slot_owner(router->map, slot);
}
