/* SPDX-License-Identifier: MIT */
/* Room audit: a fix: the object, and the steps that follow from one finding each. */
#include "audit/audit.h"

#include <string.h>

void reshard_fix_step_init(struct reshard_fix_step *step)
{
    *step = (struct reshard_fix_step){.struct_size = sizeof *step};
}

/* Findings that one step without slots answers. Those that concern slots as a whole (who owns,
 * who serves, whose data) are fixed together, see the other files. */
static const struct {
    uint32_t code;
    uint32_t kind;
} simple[] = {
    {RESHARD_FINDING_BEHIND, RESHARD_FIX_STEP_SEND_MAP},
    {RESHARD_FINDING_DIVERGED, RESHARD_FIX_STEP_SEND_MAP},
    {RESHARD_FINDING_MEMBERSHIP, RESHARD_FIX_STEP_SEND_MAP},
    {RESHARD_FINDING_MIGRATION_LEFTOVER, RESHARD_FIX_STEP_CLOSE},
    {RESHARD_FINDING_UNREACHABLE, RESHARD_FIX_STEP_REVIVE},
    {RESHARD_FINDING_HEADLESS, RESHARD_FIX_STEP_PROMOTE},
    {RESHARD_FINDING_STRANGER, RESHARD_FIX_STEP_ENROL},
    {RESHARD_FINDING_AHEAD, RESHARD_FIX_STEP_RECOVER},
    {RESHARD_FINDING_MIGRATION_STUCK, RESHARD_FIX_STEP_RESUME},
};

/* A node of the shard that answered, 0 = none. */
static reshard_node_id candidate(
    const struct reshard__audit_context *context, reshard_shard_id shard)
{
    for (size_t i = 0; i < context->audit->view_count; i++)
        if (context->nodes[i].reachable && context->nodes[i].shard == shard)
            return context->audit->views[i].node;
    return 0;
}

static bool undecided(
    const struct reshard__audit_context *context, reshard_migration_id migration)
{
    struct reshard_map_migration known = {.struct_size = sizeof known};
    int32_t status = reshard_map_migration_find(context->map, migration, &known);
    return status == RESHARD_OK && known.decision == RESHARD_DECISION_NONE;
}

static int32_t add_simple(const struct reshard__fix_builder *builder, uint32_t kind,
    const struct reshard_finding *finding)
{
    struct reshard_finding step = {.code = kind, .phase = finding->code, .node = finding->node};
    switch (kind) {
    case RESHARD_FIX_STEP_CLOSE:
        step.migration = finding->migration;
        break;
    case RESHARD_FIX_STEP_REVIVE:
        step.shard = finding->shard;
        break;
    case RESHARD_FIX_STEP_PROMOTE:
        step.shard = finding->shard;
        step.node = candidate(&builder->context, finding->shard);
        break;
    case RESHARD_FIX_STEP_RECOVER:
        step.version = finding->version;
        break;
    case RESHARD_FIX_STEP_RESUME:
        step.migration = finding->migration;
        if ((builder->flags & RESHARD_FIX_ABORT) && undecided(&builder->context, step.migration))
            step.code = RESHARD_FIX_STEP_ABORT;
        break;
    default:
        break;
    }
    return reshard__list_add(builder->steps, &step, 1, 0, 0);
}

static int32_t fix_simple(const struct reshard__fix_builder *builder)
{
    const struct reshard__list *findings = &builder->context.audit->findings;
    for (size_t i = 0; i < findings->segment_count; i++) {
        struct reshard_finding finding = reshard__list_at(findings, i);
        for (size_t k = 0; k < sizeof simple / sizeof *simple; k++) {
            if (simple[k].code != finding.code)
                continue;
            int32_t status = add_simple(builder, simple[k].kind, &finding);
            if (status)
                return status;
        }
    }
    return RESHARD_OK;
}

static int32_t fix_build(struct reshard__fix_builder *builder)
{
    int32_t status = fix_simple(builder);
    if (!status)
        status = reshard__fix_assign(builder);
    if (!status)
        status = reshard__fix_claims(builder);
    if (!status)
        status = reshard__fix_data(builder);
    if (!status && (builder->flags & RESHARD_FIX_BALANCE))
        status = reshard__fix_balance(builder);
    if (!status)
        status = reshard__list_finish(builder->steps);
    return status;
}

/* With its own copy of the slots' owners, in which the assignments are carried out. */
static int32_t fix_fill(struct reshard_fix *fix, const struct reshard_audit *audit,
    const struct reshard_map *map, uint32_t flags)
{
    struct reshard__fix_builder builder = {.steps = &fix->steps, .flags = flags};
    size_t size = audit->slot_count * sizeof *builder.owner;
    int32_t status = reshard__audit_context_make(&builder.context, audit, map);
    if (status)
        return status;
    builder.owner = reshard__mem_alloc(&audit->mem, size);
    if (builder.owner) {
        memcpy(builder.owner, builder.context.owner, size);
        status = fix_build(&builder);
    } else {
        status = RESHARD_E_NOMEM;
    }
    reshard__mem_free(&audit->mem, builder.owner, size);
    reshard__audit_context_free(&builder.context);
    return status;
}

static int32_t same_map(
    const struct reshard_map *map, uint64_t version, const struct reshard_digest *digest)
{
    struct reshard_digest now;
    int32_t status = reshard_map_digest(map, &now);
    RESHARD_ASSERT(status == RESHARD_OK);
    bool same = reshard_map_version(map) == version && now.low == digest->low
        && now.high == digest->high;
    return same ? RESHARD_OK : RESHARD_E_PLAN;
}

static int32_t fix_check_call(
    const struct reshard_audit *audit, const struct reshard_map *map, uint32_t flags)
{
    const uint32_t known =
        RESHARD_FIX_GIVE | RESHARD_FIX_PURGE | RESHARD_FIX_ABORT | RESHARD_FIX_BALANCE;
    const uint32_t both = RESHARD_FIX_GIVE | RESHARD_FIX_PURGE;
    if (!audit || !map)
        return RESHARD_E_NULL;
    if ((flags & ~known) || (flags & both) == both)
        return RESHARD_E_FLAGS;
    if (!audit->has_run || !audit->has_map)
        return RESHARD_E_STATE;
    if (reshard_map_slot_count(map) != audit->slot_count)
        return RESHARD_E_PLAN;
    return same_map(map, audit->map_version, &audit->map_digest);
}

int32_t reshard_audit_fix(const struct reshard_audit *audit, const struct reshard_map *map,
    uint32_t flags, struct reshard_fix **fix_out)
{
    if (!fix_out)
        return RESHARD_E_NULL;
    int32_t status = fix_check_call(audit, map, flags);
    if (status)
        return status;
    struct reshard_fix *fix = reshard__mem_alloc(&audit->mem, sizeof *fix);
    if (!fix)
        return RESHARD_E_NOMEM;
    fix->mem = audit->mem;
    fix->steps.mem = &fix->mem;
    fix->slot_count = audit->slot_count;
    fix->map_version = audit->map_version;
    fix->map_digest = audit->map_digest;
    if (audit->findings.segment_count)
        status = fix_fill(fix, audit, map, flags);
    if (status) {
        reshard_fix_destroy(fix);
        return status;
    }
    *fix_out = fix;
    return RESHARD_OK;
}

void reshard_fix_destroy(struct reshard_fix *fix)
{
    if (!fix)
        return;
    struct reshard__mem mem = fix->mem;
    reshard__list_free(&fix->steps);
    reshard__mem_free(&mem, fix, sizeof *fix);
}

int32_t reshard_fix_check(const struct reshard_fix *fix, const struct reshard_map *map)
{
    if (!fix || !map)
        return RESHARD_E_NULL;
    return same_map(map, fix->map_version, &fix->map_digest);
}

uint32_t reshard_fix_step_count(const struct reshard_fix *fix)
{
    return fix ? (uint32_t)fix->steps.segment_count : 0;
}

int32_t reshard_fix_step_at(
    const struct reshard_fix *fix, uint32_t index, struct reshard_fix_step *step_out)
{
    if (!fix || !step_out)
        return RESHARD_E_NULL;
    if (index >= fix->steps.segment_count)
        return RESHARD_E_ARGUMENT;
    struct reshard_finding item = reshard__list_at(&fix->steps, index);
    struct reshard_fix_step step = {.kind = item.code,
        .flags = reshard__fix_step_flags(item.code),
        .code = item.phase,
        .node = item.node,
        .shard = item.shard,
        .other_shard = item.other_shard,
        .migration = item.migration,
        .version = item.version,
        .slot_count = item.slot_count,
        .range_count = item.range_count,
        .ranges = item.ranges};
    return reshard__struct_export(step_out, sizeof step, &step, sizeof step);
}
