/* SPDX-License-Identifier: MIT */
/* Room node: what a completed action means to the part that asked for it. */
#include "node/keywise.h"
#include "node/node.h"

static const uint16_t busy_bits[RESHARD_ACTION_KIND_COUNT] = {
    [RESHARD_ACTION_EXPORT] = RESHARD__BUSY_EXPORT,
    [RESHARD_ACTION_SYNC] = RESHARD__BUSY_SYNC,
    [RESHARD_ACTION_ACTIVATE] = RESHARD__BUSY_ACTIVATE,
    [RESHARD_ACTION_DISCARD] = RESHARD__BUSY_DISCARD,
    [RESHARD_ACTION_PURGE] = RESHARD__BUSY_PURGE,
    [RESHARD_ACTION_FENCE] = RESHARD__BUSY_FENCE,
    [RESHARD_ACTION_DIGEST] = RESHARD__BUSY_DIGEST,
    [RESHARD_ACTION_PICK] = RESHARD__BUSY_PICK,
    [RESHARD_ACTION_REMOVE] = RESHARD__BUSY_REMOVE,
    [RESHARD_ACTION_APPLY] = RESHARD__BUSY_APPLY,
};

static void synced(struct reshard_node *node, struct reshard__part *part,
    const struct reshard_completion *completion)
{
    if (part->keeping)
        part->kept = true;
    else if (part->mode == RESHARD_MODE_SNAPSHOT)
        reshard__target_synced(node, part, completion);
}

static void succeeded(struct reshard_node *node, struct reshard__part *part,
    const struct reshard_action *action, const struct reshard_completion *completion)
{
    switch (action->kind) {
    case RESHARD_ACTION_SYNC:
        synced(node, part, completion);
        break;
    case RESHARD_ACTION_ACTIVATE:
        part->activated = true;
        break;
    case RESHARD_ACTION_DISCARD:
        part->discarded = true;
        break;
    case RESHARD_ACTION_PURGE:
        part->purge_cursor = completion->cursor;
        part->purged = completion->done != 0;
        break;
    case RESHARD_ACTION_FENCE:
        if (action->sequence > part->fence_done)
            part->fence_done = action->sequence;
        if (part->keywise)
            reshard__part_wake(node, part); /* what is absent is so for good from now on */
        break;
    case RESHARD_ACTION_DIGEST:
        part->digest_known = true;
        part->digest = completion->digest;
        break;
    default:
        break;
    }
}

static void exported(struct reshard_node *node, struct reshard__part *part,
    struct reshard__entry *entry, const struct reshard_completion *completion)
{
    struct reshard__chunk *chunk = entry->attachment;
    if (entry->ticket == part->ticket) {
        part->busy &= ~(uint32_t)RESHARD__BUSY_EXPORT;
        reshard__stream_exported(node, part, chunk, completion);
        return;
    }
    chunk->dead = true; /* of a copy that ended meanwhile */
    reshard__chunk_release(node, chunk);
}

/* A query looks for keys beside a pick of them, which may still be under way. */
static uint32_t busy_bit(const struct reshard_action *action)
{
    bool query = action->kind == RESHARD_ACTION_PICK && !action->buffer;
    return query ? 0 : busy_bits[action->kind];
}

static void store_completed(struct reshard_node *node, struct reshard__part *part,
    struct reshard__entry *entry, const struct reshard_completion *completion)
{
    const struct reshard_action *action = &entry->action;
    if (action->kind == RESHARD_ACTION_EXPORT) {
        exported(node, part, entry, completion);
        return;
    }
    if (action->kind == RESHARD_ACTION_APPLY && part->mode == RESHARD_MODE_SNAPSHOT) {
        reshard__target_applied(node, part, action->sequence, action->payload_size, completion);
        return;
    }
    part->busy &= ~busy_bit(action);
    if (completion->status == RESHARD_E_SPACE && action->kind == RESHARD_ACTION_PICK)
        (void)0; /* an answer, not a failure: the key needs a larger buffer */
    else if (completion->status && action->kind != RESHARD_ACTION_WAKE) {
        reshard__event_tell(
            node, RESHARD_EVENT_HOOK_FAILED, part, completion->status, action->kind);
        part->retry_at_ns = node->now_ns + node->config.retry_ns;
    } else {
        succeeded(node, part, action, completion);
    }
    if (action->kind == RESHARD_ACTION_SYNC)
        part->keeping = false;
    if (part->keywise)
        reshard__keywise_complete(node, part, entry, completion);
}

int32_t reshard__action_completed(struct reshard_node *node, struct reshard__entry *entry,
    const struct reshard_completion *completion)
{
    if (entry->purpose == RESHARD__PURPOSE_LOG)
        reshard__log_complete(node, entry->action.kind, completion);
    if (entry->purpose == RESHARD__PURPOSE_CHUNK)
        reshard__chunk_release(node, entry->attachment);
    if (entry->purpose == RESHARD__PURPOSE_QUARANTINE)
        return reshard__quarantine_purged(node, completion);
    if (entry->purpose != RESHARD__PURPOSE_STORE)
        return RESHARD_OK;
    struct reshard__part *part = reshard__part_find(node, entry->owner);
    RESHARD_ASSERT(part && part->open_actions > 0);
    part->open_actions--;
    store_completed(node, part, entry, completion);
    reshard__part_advance(node, part);
    if (part->closed && part->open_actions == 0)
        reshard__parts_close(node);
    return RESHARD_OK;
}
