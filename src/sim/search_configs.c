/* SPDX-License-Identifier: MIT */
/* Room sim: the worlds that are searched. Every one is closed: all orders of all that can happen in
 * it are tried. `freeze 50s` is shorter than a jump of a clock (search.h), so that a freeze runs
 * out when its source's clock jumps. */
#include "sim/search.h"

#define WORLD \
    "world slots 1 keys 2 value 0 chunk 1024 window 1024 tail 4096 lag 4096 pick 1024 freeze 50s "
#define BEGIN "\nnodes 2\nstart\nload 2\n"
#define SNAPSHOT "move 0-0 s2 s1 snapshot\n"
#define KEYWISE "move 0-0 s2 s1 keywise\n"

/* Hosts in the order of their creation, where there are two nodes. */
enum { TARGET = 1, SOURCE = 2, COORDINATOR = 4 };

#define SLOW(kind) (UINT32_C(1) << RESHARD_ACTION_##kind)

#define WRITE(client, key) {client, RESHARD_OP_WRITE, 1, {key}}
#define READ(client, key) {client, RESHARD_OP_READ, 1, {key}}
#define REMOVE(client, key) {client, RESHARD_OP_REMOVE, 1, {key}}
#define PAIR(op, client) {client, RESHARD_OP_##op, 2, {0, 1}}

static const struct search_config configs[] = {
    {
        .name = "snapshot-requests",
        .script = WORLD "" BEGIN SNAPSHOT,
        .request_count = 2,
        .requests = {WRITE(1, 0), READ(1, 0)},
        .states_min = 19358,
        .transitions_min = 61445,
    },
    {
        .name = "snapshot-pairs",
        .script = WORLD "" BEGIN SNAPSHOT,
        .request_count = 1,
        .requests = {PAIR(WRITE, 1)},
        .states_min = 18757,
        .transitions_min = 55768,
    },
    {
        .name = "snapshot-drop",
        .script = WORLD "" BEGIN SNAPSHOT,
        .limits = {[MOVE_DROP] = 1},
        .states_min = 17814,
        .transitions_min = 48827,
    },
    {
        .name = "snapshot-repeat",
        .script = WORLD "" BEGIN SNAPSHOT,
        .limits = {[MOVE_REPEAT] = 1},
        .states_min = 51690,
        .transitions_min = 168931,
    },
    {
        .name = "snapshot-overtake",
        .script = WORLD "" BEGIN SNAPSHOT,
        .limits = {[MOVE_OVERTAKE] = 1},
        .states_min = 10483,
        .transitions_min = 28997,
    },
    {
        .name = "snapshot-source-crash",
        .script = WORLD "" BEGIN SNAPSHOT,
        .limits = {[MOVE_CRASH] = 1},
        .crashes = SOURCE,
        .states_min = 22087,
        .transitions_min = 57096,
    },
    {
        .name = "snapshot-journal",
        .script = WORLD "" BEGIN SNAPSHOT,
        .limits = {[MOVE_FAULT] = 1},
        .slow = SLOW(APPEND),
        .faults = SOURCE,
        .states_min = 7874,
        .transitions_min = 22269,
    },
    {
        .name = "snapshot-store",
        .script = WORLD "" BEGIN SNAPSHOT,
        .slow = SLOW(EXPORT) | SLOW(APPLY),
        .request_count = 1,
        .requests = {WRITE(1, 0)},
        .states_min = 9880,
        .transitions_min = 28842,
    },
    {
        .name = "snapshot-fence",
        .script = WORLD "execute 1ms" BEGIN SNAPSHOT,
        .request_count = 1,
        .requests = {WRITE(1, 0)},
        .states_min = 10521,
        .transitions_min = 30811,
    },
    {
        .name = "snapshot-abort",
        .script = WORLD "" BEGIN SNAPSHOT,
        .limits = {[MOVE_ABORT] = 1},
        .states_min = 9555,
        .transitions_min = 30853,
    },
    {
        .name = "snapshot-authority",
        .script = WORLD "" BEGIN SNAPSHOT,
        .limits = {[MOVE_CRASH] = 1},
        .crashes = COORDINATOR,
        .states_min = 20136,
        .transitions_min = 61317,
    },
    {
        .name = "keywise-requests",
        .script = WORLD "batch 1 " BEGIN KEYWISE,
        .request_count = 3,
        .requests = {WRITE(1, 0), READ(1, 0), REMOVE(2, 0)},
        .states_min = 59737,
        .transitions_min = 184073,
    },
    {
        .name = "keywise-pairs",
        .script = WORLD "batch 1 " BEGIN KEYWISE,
        .request_count = 2,
        .requests = {PAIR(WRITE, 1), PAIR(READ, 2)},
        .states_min = 17502,
        .transitions_min = 53324,
    },
    {
        .name = "keywise-drop",
        .script = WORLD "batch 1 " BEGIN KEYWISE,
        .limits = {[MOVE_DROP] = 1},
        .request_count = 1,
        .requests = {WRITE(1, 0)},
        .states_min = 33683,
        .transitions_min = 91023,
    },
    {
        .name = "keywise-repeat",
        .script = WORLD "batch 1 " BEGIN KEYWISE,
        .limits = {[MOVE_REPEAT] = 1},
        .request_count = 1,
        .requests = {REMOVE(1, 0)},
        .states_min = 62816,
        .transitions_min = 213583,
    },
    {
        .name = "keywise-overtake",
        .script = WORLD "batch 1 " BEGIN KEYWISE,
        .limits = {[MOVE_OVERTAKE] = 1},
        .states_min = 3711,
        .transitions_min = 8370,
    },
    {
        .name = "keywise-source-crash",
        .script = WORLD "batch 1 " BEGIN KEYWISE,
        .limits = {[MOVE_CRASH] = 1},
        .crashes = SOURCE,
        .request_count = 1,
        .requests = {REMOVE(1, 0)},
        .states_min = 38119,
        .transitions_min = 103608,
    },
    {
        .name = "keywise-target-crash",
        .script = WORLD "batch 1 " BEGIN KEYWISE,
        .limits = {[MOVE_CRASH] = 1},
        .crashes = TARGET,
        .states_min = 6517,
        .transitions_min = 14155,
    },
    {
        .name = "keywise-journal",
        .script = WORLD "batch 1 " BEGIN KEYWISE,
        .limits = {[MOVE_FAULT] = 1},
        .slow = SLOW(APPEND),
        .faults = SOURCE,
        .states_min = 2619,
        .transitions_min = 6409,
    },
    {
        .name = "keywise-store",
        .script = WORLD "batch 1 " BEGIN KEYWISE,
        .slow = SLOW(APPLY) | SLOW(REMOVE),
        .request_count = 1,
        .requests = {WRITE(1, 0)},
        .states_min = 1970,
        .transitions_min = 5141,
    },
    {
        .name = "keywise-fence",
        .script = WORLD "batch 1 execute 1ms" BEGIN KEYWISE,
        .request_count = 1,
        .requests = {WRITE(1, 0)},
        .states_min = 2183,
        .transitions_min = 5780,
    },
    {
        .name = "keywise-abort",
        .script = WORLD "batch 1 " BEGIN KEYWISE,
        .limits = {[MOVE_ABORT] = 1},
        .request_count = 1,
        .requests = {WRITE(1, 0)},
        .states_min = 154715,
        .transitions_min = 379827,
    },
    {
        .name = "keywise-authority",
        .script = WORLD "batch 1 " BEGIN KEYWISE,
        .limits = {[MOVE_CRASH] = 1},
        .crashes = COORDINATOR,
        .states_min = 22808,
        .transitions_min = 51127,
    },
    {
        .name = "keywise-retry",
        .script = WORLD "batch 1 conflict retry tries 2" BEGIN KEYWISE,
        .request_count = 2,
        .requests = {WRITE(1, 0), REMOVE(2, 0)},
        .states_min = 19568,
        .transitions_min = 57969,
    },
    {
        .name = "keywise-bare",
        .script = WORLD "batch 1 bare 1" BEGIN KEYWISE,
        .request_count = 2,
        .requests = {WRITE(1, 0), REMOVE(2, 0)},
        .states_min = 18086,
        .transitions_min = 53488,
    },
};

const struct search_config *reshard__search_config(uint32_t index)
{
    return index < sizeof configs / sizeof *configs ? &configs[index] : NULL;
}
