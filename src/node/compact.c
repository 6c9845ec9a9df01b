/* SPDX-License-Identifier: MIT */
/* Room node: compaction of the own journal. Its records are replaced by few that fold to the same
 * state: who the node is, the durable map, what is set aside, and each open part's promises. The
 * chain and the index go on, so that a LOAD tells whether the replacement landed. */
#include "node/keywise.h"
#include "node/node.h"

static struct reshard__record record_of(const struct reshard__part *part, uint32_t kind)
{
    const struct reshard__stored *stored = &part->stored;
    struct reshard__record record = {.kind = kind};
    record.migration = part->migration;
    record.order = stored->order;
    if (kind == RESHARD__RECORD_HELD)
        record.attempt = stored->attempt;
    if (kind == RESHARD__RECORD_OPEN)
        record.copy = stored->open_copy;
    if (kind == RESHARD__RECORD_SEAL) {
        record.copy = stored->open_copy;
        record.attempt = stored->seal_attempt;
        record.sequence = stored->seal_final;
        record.digest = stored->seal_digest;
    }
    return record;
}

static bool write_mark(struct reshard_node *node, const struct reshard__part *part,
    const struct reshard__keys *keys, struct reshard__order_id stream, uint64_t sequence)
{
    struct reshard__record record = {.kind = RESHARD__RECORD_MARK};
    record.migration = part->migration;
    record.copy = stream;
    record.sequence = sequence;
    record.blob.data = keys->bytes;
    record.blob.size = keys->size;
    return keys->count == 0 || reshard__log_write(node, &record);
}

/* Marks that the journal still calls OLD: until CLEAR those that are settled, too. */
static bool write_old(struct reshard_node *node, const struct reshard__part *part)
{
    const struct reshard__keywise *keywise = part->keywise;
    const struct reshard__keys *sets[] = {&keywise->old, &keywise->dropping, &keywise->dropped};
    struct reshard__keys all = {0};
    bool good = true;
    for (size_t i = 0; i < sizeof sets / sizeof *sets && good; i++)
        good =
            reshard__keys_add_items(&node->mem, &all, sets[i]->bytes, sets[i]->size) == RESHARD_OK;
    good = good && write_mark(node, part, &all, (struct reshard__order_id){0, 0}, 0);
    reshard__keys_free(&node->mem, &all);
    return good;
}

/* MOVE and UNMOVE age the marks before them, as they did when they were written. */
static bool write_keywise(struct reshard_node *node, const struct reshard__part *part)
{
    const struct reshard__keywise *keywise = part->keywise;
    struct reshard__record stream =
        record_of(part, keywise->unmoving ? RESHARD__RECORD_UNMOVE : RESHARD__RECORD_MOVE);
    return write_old(node, part) && reshard__log_write(node, &stream) &&
           write_mark(node, part, &keywise->pending, keywise->mark_stream, keywise->mark_sequence);
}

static bool write_copy(struct reshard_node *node, const struct reshard__part *part)
{
    struct reshard__record open = record_of(part, RESHARD__RECORD_OPEN);
    struct reshard__record seal = record_of(part, RESHARD__RECORD_SEAL);
    if (reshard__order_none(part->stored.open_copy))
        return true;
    return reshard__log_write(node, &open) &&
           (!part->stored.sealed || reshard__log_write(node, &seal));
}

/* The newest record comes last: it says how far the part is. */
static bool write_part(struct reshard_node *node, const struct reshard__part *part)
{
    uint32_t kind = part->stored.kind;
    if (part->closed || kind == 0)
        return true;
    if (part->stored.moving && !write_keywise(node, part))
        return false;
    struct reshard__record newest = record_of(part, kind);
    bool stream = kind == RESHARD__RECORD_MOVE || kind == RESHARD__RECORD_UNMOVE;
    return write_copy(node, part) && (stream || reshard__log_write(node, &newest));
}

bool reshard__log_compact_parts(struct reshard_node *node)
{
    for (size_t i = 0; i < node->part_count; i++)
        if (!write_part(node, node->parts[i]))
            return false;
    return true;
}
