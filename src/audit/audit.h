/* SPDX-License-Identifier: MIT */
/* Room audit (floor 3, above plan): findings from views, steps from findings.
 *
 * Guarantees: a run and a fix are pure functions of map, views and limits; a healthy cluster has
 * no finding; no step deletes data unless the caller asked for it. Touches maps only through
 * their public face, and changes none.
 */
#ifndef RESHARD_AUDIT_AUDIT_H
#define RESHARD_AUDIT_AUDIT_H

#include "slot/slot.h"
#include <reshard/audit.h>
#include <reshard/map.h>

/* Findings or steps under construction. A step is kept as a finding whose code is its kind, whose
 * phase is the code that it answers and whose severity holds its flags. */
struct reshard__segment {
    struct reshard_finding item; /* slot_count, range_count and keys grow; ranges stays NULL */
    size_t range_first;          /* position of its first range in the list's ranges */
};
struct reshard__list {
    const struct reshard__mem *mem;
    struct reshard__segment *segments;
    size_t segment_count;
    size_t segment_capacity;
    struct reshard_range *ranges;
    size_t range_count;
    size_t range_capacity;
};

/* Add slots first ... last and keys to an item; first > last adds no slots. Slots of one item must
 * come in ascending order. Errors: NOMEM, OVERFLOW (keys). */
int32_t reshard__list_add(struct reshard__list *list, const struct reshard_finding *item,
    uint32_t first, uint32_t last, uint64_t keys);
/* Bring equal items together and sort: by code, shard, node and so on. Errors: NOMEM, OVERFLOW. */
int32_t reshard__list_finish(struct reshard__list *list);
void reshard__list_free(struct reshard__list *list);
/* A segment's item with its ranges. */
struct reshard_finding reshard__list_at(const struct reshard__list *list, size_t index);

struct reshard_audit {
    struct reshard__mem mem;
    uint32_t slot_count;
    uint32_t imbalance_permille;
    uint64_t stuck_ns;
    struct reshard_view *views; /* ascending by node */
    size_t view_count;
    size_t view_capacity;
    struct reshard_view_migration *reports; /* ascending by node, then migration */
    size_t report_count;
    size_t report_capacity;
    struct reshard__list findings;
    bool has_run;
    bool has_map; /* in the last run */
    uint64_t map_version;
    struct reshard_digest map_digest;
};

/* A view's node as the reference has it. */
struct reshard__audit_node {
    reshard_shard_id shard;
    bool reachable;
    bool known;   /* the map has it */
    bool primary; /* the map's primary of its shard */
};

/* An open migration: the map's, or without a map one that a node told. */
struct reshard__audit_open {
    reshard_migration_id migration;
    reshard_shard_id source;
    reshard_shard_id target;
    uint32_t decision;
    uint32_t phase;
    bool reported;
    uint64_t age_ns;
    uint64_t idle_ns;
    const struct reshard_range *ranges;
    uint32_t range_count;
};

/* What all checks start from. */
struct reshard__audit_context {
    const struct reshard_audit *audit;
    const struct reshard_map *map; /* may be NULL */
    uint64_t version;              /* of the reference */
    struct reshard_digest digest;  /* of the reference; all zero = none */
    uint32_t slot_count;
    uint32_t *owner;  /* slot → shard, 0 = none or not known */
    uint32_t *claim;  /* slot → 1 + view that serves it; of several the map's primary, else the
                         lowest node; 0 = nobody */
    uint32_t *moving; /* slot → 1 + open migration; 0 = none */
    struct reshard__audit_node *nodes; /* one for each view */
    struct reshard__audit_open *opens; /* ascending by migration */
    size_t open_count;
    size_t open_capacity;
};

/* Errors: NOMEM. The context borrows audit and map. */
int32_t reshard__audit_context_make(struct reshard__audit_context *context,
    const struct reshard_audit *audit, const struct reshard_map *map);
void reshard__audit_context_free(struct reshard__audit_context *context);
/* The map's primary of a shard, 0 = none or no map. */
reshard_node_id reshard__audit_primary(
    const struct reshard__audit_context *context, reshard_shard_id shard);
/* Position of a node's view, or -1. */
ptrdiff_t reshard__audit_view_find(const struct reshard_audit *audit, reshard_node_id node);
/* Whether the node answered. */
bool reshard__audit_reachable(
    const struct reshard__audit_context *context, reshard_node_id node);
/* Whether a view is the one that the reference names for the slot. */
bool reshard__audit_rightful(
    const struct reshard__audit_context *context, size_t view, uint32_t slot);
/* Whether an open migration lets this view serve or hold data of the slot. */
bool reshard__audit_takes_part(
    const struct reshard__audit_context *context, size_t view, uint32_t slot);
/* Whether a migration that the node itself told covers the slot. */
bool reshard__audit_told(
    const struct reshard__audit_context *context, size_t view, uint32_t slot);
/* Keys of item `index` of a view's counts, and its slot. */
uint64_t reshard__view_keys(const struct reshard_view *view, size_t index, uint32_t *slot_out);

/* Whether an ownership (as in `owner`) or a record explains keys of the slot at a view's node. */
bool reshard__audit_explained(const struct reshard__audit_context *context, const uint32_t *owner,
    size_t view, uint32_t slot);
uint32_t reshard__audit_severity(const struct reshard_finding *finding);

/* The checks. Errors: NOMEM, OVERFLOW. */
int32_t reshard__audit_check_nodes(
    const struct reshard__audit_context *context, struct reshard__list *list);
int32_t reshard__audit_check_slots(
    const struct reshard__audit_context *context, struct reshard__list *list);
int32_t reshard__audit_check_data(
    const struct reshard__audit_context *context, struct reshard__list *list);
int32_t reshard__audit_check_migrations(
    const struct reshard__audit_context *context, struct reshard__list *list);
int32_t reshard__audit_check_balance(
    const struct reshard__audit_context *context, struct reshard__list *list);

/* Slots and share of each shard of the map; open migrations count for whom they go to. */
struct reshard__audit_share {
    reshard_shard_id shard;
    uint32_t have;
    double share; /* of `total` slots, by weight */
};
/* `shares` has one item for each shard of the map, ascending. total = 0: the owned slots. */
void reshard__audit_shares(const struct reshard__audit_context *context, uint32_t total,
    struct reshard__audit_share *shares);
struct reshard__audit_share *reshard__audit_share_find(
    struct reshard__audit_share *shares, size_t count, reshard_shard_id shard);

struct reshard_fix {
    struct reshard__mem mem;
    struct reshard__list steps;
    uint32_t slot_count;
    uint64_t map_version;
    struct reshard_digest map_digest;
};

/* The parts of a fix; each adds steps. Errors: NOMEM, and those of plans for balance. */
struct reshard__fix_builder {
    struct reshard__audit_context context;
    struct reshard__list *steps;
    uint32_t *owner; /* slot → shard after the assignments */
    uint32_t flags;
};
uint32_t reshard__fix_step_flags(uint32_t kind);
/* Whether the fix takes the slot from a view that serves it. */
bool reshard__fix_releases(
    const struct reshard__fix_builder *builder, size_t view, uint32_t slot);
int32_t reshard__fix_assign(struct reshard__fix_builder *builder);
int32_t reshard__fix_claims(const struct reshard__fix_builder *builder);
int32_t reshard__fix_data(const struct reshard__fix_builder *builder);
int32_t reshard__fix_balance(const struct reshard__fix_builder *builder);

#endif
