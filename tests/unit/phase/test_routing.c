/* SPDX-License-Identifier: MIT */
/* At most one node serves a key, whatever pair of stances can coexist. The pairs stand here, by
 * phase: orders arrive at the two sides in any order, so each side may still stand as in the phase
 * before, or have fallen back. */
#include "phase/phase.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define BIT(name) (UINT32_C(1) << RESHARD__STANCE_##name)

#define SNAPSHOT_SOURCES \
    (BIT(SOURCE_SERVE) | BIT(SOURCE_CAPTURE) | BIT(SOURCE_THROTTLE) | BIT(SOURCE_FROZEN) | \
        BIT(SOURCE_HELD) | BIT(OWNER))
#define SNAPSHOT_TARGETS (BIT(FOREIGN) | BIT(TARGET_STAGED) | BIT(TARGET_SEALED))
#define KEYWISE_SOURCES \
    (BIT(SOURCE_SERVE) | BIT(SOURCE_GUARD) | BIT(SOURCE_MOVE) | BIT(SOURCE_HELD) | BIT(OWNER))
#define KEYWISE_TARGETS \
    (BIT(FOREIGN) | BIT(TARGET_STAGED) | BIT(TARGET_MOVE))

struct pairs {
    uint32_t phase, sources, targets; /* bits of stances */
};

static const struct pairs snapshot_pairs[] = {
    {RESHARD_PHASE_PREPARE, SNAPSHOT_SOURCES, SNAPSHOT_TARGETS},
    {RESHARD_PHASE_COPY, SNAPSHOT_SOURCES, SNAPSHOT_TARGETS},
    {RESHARD_PHASE_CATCHUP, SNAPSHOT_SOURCES, SNAPSHOT_TARGETS},
    {RESHARD_PHASE_FREEZE, SNAPSHOT_SOURCES, SNAPSHOT_TARGETS},
    {RESHARD_PHASE_HOLD, SNAPSHOT_SOURCES, SNAPSHOT_TARGETS},
    {RESHARD_PHASE_COMMIT, BIT(SOURCE_HELD), BIT(TARGET_STAGED) | BIT(TARGET_SEALED)},
    {RESHARD_PHASE_SETTLE, BIT(SOURCE_HELD) | BIT(SOURCE_RELEASED) | BIT(FOREIGN),
        BIT(TARGET_STAGED) | BIT(TARGET_SEALED) | BIT(TARGET_ACTIVE)},
    {RESHARD_PHASE_LINGER, BIT(SOURCE_RELEASED) | BIT(FOREIGN), BIT(TARGET_ACTIVE)},
    {RESHARD_PHASE_CLEANUP, BIT(SOURCE_RELEASED) | BIT(FOREIGN), BIT(TARGET_ACTIVE)},
    {RESHARD_PHASE_DONE, BIT(SOURCE_RELEASED) | BIT(FOREIGN), BIT(TARGET_ACTIVE) | BIT(OWNER)},
    {RESHARD_PHASE_ABORT, SNAPSHOT_SOURCES, SNAPSHOT_TARGETS},
    {RESHARD_PHASE_UNDO, SNAPSHOT_SOURCES, SNAPSHOT_TARGETS},
    {RESHARD_PHASE_REVERTED, BIT(SOURCE_SERVE) | BIT(OWNER), SNAPSHOT_TARGETS},
};

static const struct pairs keywise_pairs[] = {
    {RESHARD_PHASE_PREPARE, KEYWISE_SOURCES, KEYWISE_TARGETS},
    {RESHARD_PHASE_MOVE, KEYWISE_SOURCES, KEYWISE_TARGETS},
    {RESHARD_PHASE_HOLD, KEYWISE_SOURCES, KEYWISE_TARGETS},
    {RESHARD_PHASE_COMMIT, BIT(SOURCE_HELD), BIT(TARGET_MOVE)},
    {RESHARD_PHASE_SETTLE, BIT(SOURCE_HELD) | BIT(SOURCE_RELEASED) | BIT(FOREIGN),
        BIT(TARGET_MOVE) | BIT(TARGET_ACTIVE)},
    {RESHARD_PHASE_LINGER, BIT(SOURCE_RELEASED) | BIT(FOREIGN), BIT(TARGET_ACTIVE)},
    {RESHARD_PHASE_CLEANUP, BIT(SOURCE_RELEASED) | BIT(FOREIGN), BIT(TARGET_ACTIVE)},
    {RESHARD_PHASE_DONE, BIT(SOURCE_RELEASED) | BIT(FOREIGN), BIT(TARGET_ACTIVE) | BIT(OWNER)},
    {RESHARD_PHASE_ABORT, KEYWISE_SOURCES, KEYWISE_TARGETS},
    {RESHARD_PHASE_UNMOVE, KEYWISE_SOURCES | BIT(SOURCE_UNMOVE),
        KEYWISE_TARGETS | BIT(TARGET_UNMOVE)},
    {RESHARD_PHASE_UNDO, BIT(SOURCE_SERVE) | BIT(SOURCE_UNMOVE) | BIT(OWNER),
        BIT(FOREIGN) | BIT(TARGET_STAGED) | BIT(TARGET_UNMOVE)},
    {RESHARD_PHASE_REVERTED, BIT(SOURCE_SERVE) | BIT(OWNER),
        BIT(FOREIGN) | BIT(TARGET_STAGED) | BIT(TARGET_UNMOVE)},
};

/* How one key can stand at source and target: where a transfer has just landed, been acknowledged,
 * been deleted at the giver, been confirmed; and after a try that was cancelled (R17 ... R19). */
struct key_place {
    uint8_t source, target; /* enum reshard__presence */
    bool back;              /* only once the target gives keys back */
};
#define AT(source, target, back) {RESHARD__PRESENCE_##source, RESHARD__PRESENCE_##target, back}
static const struct key_place places[] = {
    AT(ALL, NONE, false), AT(LOCKED, NONE, false), AT(LOCKED, MARKED, false),
    AT(ALL, MARKED, false), AT(NONE, MARKED, false), AT(NONE, ALL, false), AT(NONE, NONE, false),
    AT(NONE, LOCKED, true), AT(MARKED, LOCKED, true), AT(MARKED, ALL, true),
    AT(MARKED, NONE, true),
};

typedef uint32_t (*route_function)(enum reshard__stance stance, enum reshard__asking asking,
    enum reshard__presence presence, uint32_t op);

static bool served(uint32_t verdict)
{
    return verdict == RESHARD_SERVE || verdict == RESHARD_SERVE_CAPTURE;
}

/* Whether any request for the key is served. A token is out only for a key that is absent for good
 * at the side that gave it (R21). */
static bool serves(route_function route, enum reshard__stance stance, uint8_t presence,
    bool token_out, uint32_t op)
{
    for (int asking = 0; asking < RESHARD__ASKING_COUNT; asking++)
        if ((asking != RESHARD__ASKING_TOKEN || token_out) &&
            served(route(stance, (enum reshard__asking)asking, (enum reshard__presence)presence,
                op)))
            return true;
    return false;
}

/* A source that never entered MOVE gave nothing; one that resumed has all. */
static bool possible(enum reshard__stance source, const struct key_place *place, uint32_t phase)
{
    bool whole = source == RESHARD__STANCE_SOURCE_SERVE || source == RESHARD__STANCE_OWNER;
    bool settled = phase >= RESHARD_PHASE_UNDO;
    if ((whole || settled) && place->target != RESHARD__PRESENCE_NONE)
        return false;
    if (place->back && phase != RESHARD_PHASE_UNMOVE)
        return false;
    return !place->back || source == RESHARD__STANCE_SOURCE_UNMOVE;
}

static bool both_serve(route_function route, enum reshard__stance source,
    enum reshard__stance target, const struct key_place *place)
{
    /* Who got a token in MOVE may come with it when the key is long on its way back. Tokens back
     * are given out by a target in UNMOVE, which never stands otherwise again; tokens forward by a
     * source in MOVE, which never serves the whole slot again before UNDO. */
    bool whole = source == RESHARD__STANCE_SOURCE_SERVE || source == RESHARD__STANCE_OWNER;
    bool forward = (place->source == RESHARD__PRESENCE_NONE && !whole) ||
                   target == RESHARD__STANCE_TARGET_UNMOVE;
    bool back = place->target == RESHARD__PRESENCE_NONE &&
                source == RESHARD__STANCE_SOURCE_UNMOVE &&
                target != RESHARD__STANCE_TARGET_MOVE;
    for (uint32_t op = RESHARD_OP_READ; op < RESHARD_OP_COUNT; op++)
        if (serves(route, source, place->source, back, op) &&
            serves(route, target, place->target, forward, op))
            return true;
    return false;
}

static char example[200]; /* of a conflict */

static bool conflict_note(const struct pairs *pairs, int source, int target,
    const struct key_place *place)
{
    (void)snprintf(example, sizeof example, "%s: %s and %s, key at %d and %d",
        reshard_phase_name(pairs->phase), reshard__stance_name((enum reshard__stance)source),
        reshard__stance_name((enum reshard__stance)target), place->source, place->target);
    return true;
}

static int phase_conflicts(route_function route, const struct pairs *pairs)
{
    int conflicts = 0;
    for (int source = 0; source < RESHARD__STANCE_COUNT; source++)
        for (int target = 0; target < RESHARD__STANCE_COUNT; target++) {
            if (!(pairs->sources >> source & 1) || !(pairs->targets >> target & 1))
                continue;
            for (size_t i = 0; i < sizeof places / sizeof *places; i++)
                conflicts += possible((enum reshard__stance)source, &places[i], pairs->phase) &&
                             both_serve(route, (enum reshard__stance)source,
                                 (enum reshard__stance)target, &places[i]) &&
                             conflict_note(pairs, source, target, &places[i]);
        }
    return conflicts;
}

static int conflicts(route_function route)
{
    int count = 0;
    for (size_t i = 0; i < sizeof snapshot_pairs / sizeof *snapshot_pairs; i++)
        count += phase_conflicts(route, &snapshot_pairs[i]);
    for (size_t i = 0; i < sizeof keywise_pairs / sizeof *keywise_pairs; i++)
        count += phase_conflicts(route, &keywise_pairs[i]);
    return count;
}

Test(routing, pairs_that_coexist_never_serve_a_key_twice)
{
    cr_assert_eq(conflicts(reshard__route_keyed), 0, "%s", example);
}

/* ---- the checker fires ---- */

static struct {
    enum reshard__stance stance;
    int asking, presence; /* -1 = any */
    uint32_t op;
} damage;

static uint32_t route_damaged(enum reshard__stance stance, enum reshard__asking asking,
    enum reshard__presence presence, uint32_t op)
{
    bool hit = stance == damage.stance && op == damage.op &&
               (damage.asking < 0 || damage.asking == (int)asking) &&
               (damage.presence < 0 || damage.presence == (int)presence);
    return hit ? RESHARD_SERVE : reshard__route_keyed(stance, asking, presence, op);
}

Test(routing, checker_fires_on_damaged_rows)
{
    static const struct {
        enum reshard__stance stance;
        int asking, presence;
    } rows[] = {
        {RESHARD__STANCE_SOURCE_HELD, -1, -1},
        {RESHARD__STANCE_SOURCE_RELEASED, -1, -1},
        {RESHARD__STANCE_FOREIGN, -1, -1},
        {RESHARD__STANCE_TARGET_STAGED, -1, -1},
        {RESHARD__STANCE_TARGET_SEALED, -1, -1},
        {RESHARD__STANCE_SOURCE_MOVE, RESHARD__ASKING_NO, RESHARD__PRESENCE_NONE},
        {RESHARD__STANCE_SOURCE_GUARD, RESHARD__ASKING_NO, RESHARD__PRESENCE_NONE},
        {RESHARD__STANCE_SOURCE_UNMOVE, RESHARD__ASKING_NO, RESHARD__PRESENCE_NONE},
        {RESHARD__STANCE_SOURCE_UNMOVE, RESHARD__ASKING_NO, RESHARD__PRESENCE_MARKED},
        {RESHARD__STANCE_SOURCE_UNMOVE, RESHARD__ASKING_BARE, RESHARD__PRESENCE_NONE},
        {RESHARD__STANCE_TARGET_MOVE, RESHARD__ASKING_NO, -1},
        {RESHARD__STANCE_TARGET_MOVE, RESHARD__ASKING_BARE, RESHARD__PRESENCE_NONE},
        {RESHARD__STANCE_TARGET_MOVE, RESHARD__ASKING_BARE, RESHARD__PRESENCE_MARKED},
        {RESHARD__STANCE_TARGET_UNMOVE, RESHARD__ASKING_NO, -1},
        {RESHARD__STANCE_TARGET_UNMOVE, RESHARD__ASKING_BARE, RESHARD__PRESENCE_NONE},
        {RESHARD__STANCE_TARGET_UNMOVE, RESHARD__ASKING_BARE, RESHARD__PRESENCE_MARKED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        damage.stance = rows[i].stance;
        damage.asking = rows[i].asking;
        damage.presence = rows[i].presence;
        damage.op = RESHARD_OP_WRITE;
        cr_assert_gt(conflicts(route_damaged), 0, "row %zu: %s is not seen", i,
            reshard__stance_name(rows[i].stance));
    }
}

/* ---- who writes, as the rows of phases say, is who serves once both sides did their duty ---- */

struct stand {
    uint32_t phase;
    const char *writer;
    enum reshard__stance source, target;
};

#define STAND(phase, writer, source, target) \
    {RESHARD_PHASE_##phase, writer, RESHARD__STANCE_SOURCE_##source, \
        RESHARD__STANCE_TARGET_##target}
static const struct stand stands[] = {
    STAND(PREPARE, "source", SERVE, STAGED),
    STAND(COPY, "source", CAPTURE, STAGED),
    STAND(CATCHUP, "source", CAPTURE, STAGED),
    STAND(MOVE, "one per key", MOVE, MOVE),
    STAND(FREEZE, "nobody", FROZEN, SEALED),
    STAND(HOLD, "nobody", HELD, SEALED),
    STAND(COMMIT, "nobody", HELD, SEALED),
    STAND(SETTLE, "target, once active", RELEASED, ACTIVE),
    STAND(LINGER, "target", RELEASED, ACTIVE),
    STAND(CLEANUP, "target", RELEASED, ACTIVE),
    STAND(DONE, "target", RELEASED, ACTIVE),
    STAND(UNMOVE, "one per key", UNMOVE, UNMOVE),
    STAND(UNDO, "source", SERVE, STAGED),
    STAND(REVERTED, "source", SERVE, STAGED),
};

static const char *writer_of(uint32_t phase)
{
#define WRITER(name, writer, reader, invariant) [RESHARD_PHASE_##name] = writer,
    static const char *const writers[] = {RESHARD__PHASE_ROWS(WRITER)};
    return writers[phase];
}

static const char *server_of(const struct stand *stand)
{
    uint32_t source = reshard__route_stance(stand->source, RESHARD_OP_WRITE);
    uint32_t target = reshard__route_stance(stand->target, RESHARD_OP_WRITE);
    if (source == RESHARD_LOOKUP && target == RESHARD_LOOKUP)
        return "one per key";
    if (served(source))
        return served(target) ? "both" : "source";
    return served(target) ? "target" : "nobody";
}

Test(routing, phases_are_written_to_by_whom_their_row_names)
{
    for (size_t i = 0; i < sizeof stands / sizeof *stands; i++) {
        const char *server = server_of(&stands[i]);
        cr_assert_str_eq(writer_of(stands[i].phase), stands[i].writer, "%s",
            reshard_phase_name(stands[i].phase));
        cr_assert_eq(strncmp(stands[i].writer, server, strlen(server)), 0, "%s: %s serves",
            reshard_phase_name(stands[i].phase), server);
    }
}

Test(routing, every_stance_answers_every_request)
{
    for (int stance = 0; stance < RESHARD__STANCE_COUNT; stance++)
        for (int asking = 0; asking < RESHARD__ASKING_COUNT; asking++)
            for (int presence = 0; presence < RESHARD__PRESENCE_COUNT; presence++)
                for (uint32_t op = RESHARD_OP_READ; op < RESHARD_OP_COUNT; op++) {
                    uint32_t verdict = reshard__route_keyed((enum reshard__stance)stance,
                        (enum reshard__asking)asking, (enum reshard__presence)presence, op);
                    cr_assert(verdict >= RESHARD_SERVE && verdict < RESHARD_LOOKUP);
                }
}

Test(routing, keyed_without_a_row_a_source_parks_and_a_target_redirects)
{
    cr_assert_eq(reshard__route_keyed(RESHARD__STANCE_SOURCE_MOVE, RESHARD__ASKING_TOKEN,
                     RESHARD__PRESENCE_ALL, RESHARD_OP_READ),
        RESHARD_PARK);
    cr_assert_eq(reshard__route_keyed(RESHARD__STANCE_TARGET_MOVE, RESHARD__ASKING_NO,
                     RESHARD__PRESENCE_ALL, RESHARD_OP_READ),
        RESHARD_MOVED);
}

/* R21: before UNMOVE nobody was sent here by ASK in this migration. Who parked would wait for as
 * long as an operator leaves the slot open. */
Test(routing, bare_asking_at_a_source_before_unmove_counts_as_none)
{
    static const enum reshard__stance stances[] = {
        RESHARD__STANCE_SOURCE_MOVE, RESHARD__STANCE_SOURCE_GUARD};
    for (size_t i = 0; i < sizeof stances / sizeof *stances; i++)
        for (int presence = 0; presence < RESHARD__PRESENCE_COUNT; presence++)
            for (uint32_t op = RESHARD_OP_READ; op < RESHARD_OP_COUNT; op++)
                cr_assert_eq(reshard__route_keyed(stances[i], RESHARD__ASKING_BARE,
                                 (enum reshard__presence)presence, op),
                    reshard__route_keyed(stances[i], RESHARD__ASKING_NO,
                        (enum reshard__presence)presence, op));
}

Test(routing, removals_park_while_marks_are_not_settled)
{
    cr_assert_eq(reshard__route_keyed(RESHARD__STANCE_SOURCE_GUARD, RESHARD__ASKING_NO,
                     RESHARD__PRESENCE_ALL, RESHARD_OP_REMOVE),
        RESHARD_PARK);
    cr_assert_eq(reshard__route_keyed(RESHARD__STANCE_SOURCE_GUARD, RESHARD__ASKING_NO,
                     RESHARD__PRESENCE_ALL, RESHARD_OP_WRITE),
        RESHARD_SERVE);
}
