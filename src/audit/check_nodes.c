/* SPDX-License-Identifier: MIT */
/* Room audit: what is wrong with nodes: silent, behind, ahead, diverged, strange. */
#include "audit/audit.h"

/* Without slots. */
static int32_t add(struct reshard__list *list, const struct reshard_finding *finding)
{
    return reshard__list_add(list, finding, 1, 0, 0);
}

static int32_t check_missing(
    const struct reshard__audit_context *context, struct reshard__list *list)
{
    uint32_t count = reshard_map_node_count(context->map);
    for (uint32_t i = 0; i < count; i++) {
        struct reshard_map_node node = {.struct_size = sizeof node};
        int32_t status = reshard_map_node_at(context->map, i, &node);
        RESHARD_ASSERT(status == RESHARD_OK);
        if (reshard__audit_reachable(context, node.node))
            continue;
        status = add(list,
            &(struct reshard_finding){.code = RESHARD_FINDING_UNREACHABLE,
                .node = node.node,
                .shard = node.shard});
        if (status)
            return status;
    }
    return RESHARD_OK;
}

static bool digest_differs(
    const struct reshard__audit_context *context, const struct reshard_view *view)
{
    const struct reshard_digest *a = &context->digest;
    const struct reshard_digest *b = &view->map_digest;
    if (!(b->low | b->high) || !(a->low | a->high))
        return false;
    return a->low != b->low || a->high != b->high;
}

static int32_t check_version(const struct reshard__audit_context *context,
    const struct reshard_view *view, struct reshard__list *list)
{
    struct reshard_finding finding = {
        .node = view->node, .version = view->map_version, .other_version = context->version};
    if (view->map_version < context->version)
        finding.code = RESHARD_FINDING_BEHIND;
    else if (view->map_version > context->version)
        finding.code = RESHARD_FINDING_AHEAD;
    else if (digest_differs(context, view))
        finding.code = RESHARD_FINDING_DIVERGED;
    return finding.code ? add(list, &finding) : RESHARD_OK;
}

static int32_t check_membership(
    const struct reshard__audit_context *context, size_t index, struct reshard__list *list)
{
    const struct reshard_view *view = &context->audit->views[index];
    const struct reshard__audit_node *node = &context->nodes[index];
    struct reshard_finding finding = {.node = view->node};
    if (!context->map)
        return RESHARD_OK;
    if (!node->known) {
        finding.code = RESHARD_FINDING_STRANGER;
        return add(list, &finding);
    }
    uint32_t role = node->primary ? RESHARD_ROLE_PRIMARY : RESHARD_ROLE_REPLICA;
    bool same = view->shard == node->shard && (view->role == 0 || view->role == role);
    if (same || view->map_version != context->version)
        return RESHARD_OK;
    finding.code = RESHARD_FINDING_MEMBERSHIP;
    finding.shard = view->shard;
    finding.other_shard = node->shard;
    return add(list, &finding);
}

int32_t reshard__audit_check_nodes(
    const struct reshard__audit_context *context, struct reshard__list *list)
{
    int32_t status = context->map ? check_missing(context, list) : RESHARD_OK;
    for (size_t i = 0; i < context->audit->view_count && !status; i++) {
        const struct reshard_view *view = &context->audit->views[i];
        if (context->nodes[i].reachable) {
            status = check_version(context, view, list);
            if (!status)
                status = check_membership(context, i, list);
        } else if (!context->map) {
            status = add(list,
                &(struct reshard_finding){
                    .code = RESHARD_FINDING_UNREACHABLE, .node = view->node});
        }
    }
    return status;
}
