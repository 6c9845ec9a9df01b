/* SPDX-License-Identifier: MIT */
/* Room node: routing where keys decide (R19 ... R22): the request is classified, the table answers.
 */
#include "node/keywise.h"

enum { ANSWERS_MAX = 1024 }; /* keys whose absence is remembered */

static uint64_t token_of(const struct reshard__part *part, bool back)
{
    return part->migration << 1 | (back ? 1 : 0);
}

/* R21: a token of another migration or direction counts as no ASKING. */
static enum reshard__asking asking_of(
    const struct reshard__part *part, const struct reshard_node_request *request)
{
    if (!request->asking)
        return RESHARD__ASKING_NO;
    if (request->token == 0)
        return RESHARD__ASKING_BARE;
    bool back = part->side == RESHARD_SIDE_SOURCE;
    return request->token == token_of(part, back) ? RESHARD__ASKING_TOKEN : RESHARD__ASKING_NO;
}

static bool any_in(const struct reshard__keys *keys, const struct reshard_node_request *request)
{
    for (uint32_t i = 0; i < request->key_count && keys->count > 0; i++)
        if (reshard__keys_have(keys, request->keys[i], request->key_sizes[i]))
            return true;
    return false;
}

/* UNMOVE: until the other side has no mark left, a key that goes here would stay there (R18). */
static bool removal_waits(
    const struct reshard__keywise *keywise, enum reshard__stance stance, uint32_t op)
{
    bool here = stance == RESHARD__STANCE_SOURCE_UNMOVE && !keywise->heard;
    bool there = stance == RESHARD__STANCE_TARGET_UNMOVE && !keywise->reconciled;
    return op == RESHARD_OP_REMOVE && (here || there);
}

static bool marked(
    const struct reshard__keywise *keywise, const struct reshard_node_request *request)
{
    return any_in(&keywise->old, request) || any_in(&keywise->dropping, request) ||
           any_in(&keywise->dropped, request);
}

/* How the request's keys stand by number alone. */
static enum reshard__presence presence_counted(const struct reshard_node_request *request)
{
    if (request->present_count == request->key_count)
        return RESHARD__PRESENCE_ALL;
    return request->present_count > 0 ? RESHARD__PRESENCE_SOME : RESHARD__PRESENCE_NONE;
}

/* A write that was admitted by its slot alone, before MOVE, may still create what is absent: also
 * when a successor has ordered PREPARE since. */
static bool absence_unsure(const struct reshard__part *part, enum reshard__stance stance)
{
    bool moves = stance == RESHARD__STANCE_SOURCE_MOVE || stance == RESHARD__STANCE_SOURCE_GUARD;
    return moves && part->fence_done < part->keywise->fence;
}

static bool any_marked(const struct reshard__part *part, enum reshard__stance stance,
    const struct reshard_node_request *request)
{
    const struct reshard__keywise *keywise = part->keywise;
    /* In UNMOVE the source does not serve what is pending; the target, who lost nothing, does. */
    bool pending_counts =
        !keywise->confirmed && (stance == RESHARD__STANCE_SOURCE_UNMOVE || request->token == 0);
    return marked(keywise, request) || (pending_counts && any_in(&keywise->pending, request));
}

static enum reshard__presence presence_of(const struct reshard__part *part,
    enum reshard__stance stance, const struct reshard_node_request *request)
{
    const struct reshard__keywise *keywise = part->keywise;
    if (any_marked(part, stance, request))
        return RESHARD__PRESENCE_MARKED;
    /* With a key in flight, one that is absent may be the locked one on its way out, or one that
     * lives on the other side: neither may be read as gone. The request waits for the flight. */
    bool flies = any_in(&keywise->keys, request);
    if ((flies || absence_unsure(part, stance)) && request->present_count < request->key_count)
        return RESHARD__PRESENCE_MARKED;
    if (flies || removal_waits(keywise, stance, request->op))
        return RESHARD__PRESENCE_LOCKED;
    return presence_counted(request);
}

/* R19, policy retry: the write goes through, the try does not count. A key that was tried too often
 * is locked after all. */
static bool write_cancels(const struct reshard_node *node, struct reshard__part *part,
    const struct reshard_node_request *request)
{
    struct reshard__keywise *keywise = part->keywise;
    if (node->config.conflict != RESHARD_CONFLICT_RETRY || request->op != RESHARD_OP_WRITE ||
        keywise->flight != RESHARD__FLIGHT_SENT || keywise->tries >= node->config.conflict_limit ||
        request->present_count < request->key_count)
        return false;
    keywise->cancelled = true;
    keywise->asked_ns = 0; /* the next tick says so */
    return true;
}

/* R22: a request without token, for one key that is not here: the source is asked whether it is
 * gone from there for good. */
static uint32_t bare_answer(struct reshard_node *node, struct reshard__part *part,
    const struct reshard_node_request *request)
{
    struct reshard__keywise *keywise = part->keywise;
    if (request->key_count != 1)
        return RESHARD_TRYAGAIN;
    const uint8_t *key = request->keys[0];
    size_t key_size = request->key_sizes[0];
    if (reshard__keys_have(&keywise->absent, key, key_size))
        return RESHARD_SERVE;
    if (reshard__keys_have(&keywise->present, key, key_size)) {
        reshard__keys_remove(&keywise->present, key, key_size);
        return RESHARD_TRYAGAIN;
    }
    if (keywise->absent.count >= ANSWERS_MAX)
        reshard__keys_clear(&keywise->absent);
    if (keywise->questions.count >= ANSWERS_MAX ||
        !reshard__keywise_note(node, part, &keywise->questions, key, key_size))
        return RESHARD_TRYAGAIN;
    keywise->asked_ns = 0; /* the next tick asks, now */
    return RESHARD_PARK;
}

uint32_t reshard__keywise_route(struct reshard_node *node, struct reshard__part *part,
    enum reshard__stance stance, const struct reshard_node_request *request, uint64_t *token_out)
{
    RESHARD_ASSERT(part && part->keywise);
    enum reshard__asking asking = asking_of(part, request);
    enum reshard__presence presence = presence_of(part, stance, request);
    uint32_t verdict = reshard__route_keyed(stance, asking, presence, request->op);
    if (verdict == RESHARD_PARK && presence == RESHARD__PRESENCE_LOCKED &&
        write_cancels(node, part, request))
        verdict = RESHARD_SERVE;
    bool asks = asking == RESHARD__ASKING_BARE && presence == RESHARD__PRESENCE_NONE &&
                verdict == RESHARD_TRYAGAIN;
    if (asks)
        verdict = bare_answer(node, part, request);
    *token_out = verdict == RESHARD_ASK ? token_of(part, part->side == RESHARD_SIDE_TARGET) : 0;
    return verdict;
}
