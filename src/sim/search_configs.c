/* SPDX-License-Identifier: MIT */
/* Room sim: the worlds that are searched. Every one is closed: all orders of all that can happen in
 * it are tried. A row stands once for each mode that it names, with the least numbers of states and
 * transitions there. */
#include "sim/search.h"

/* By host, in the order of creation, where there are two nodes. */
enum { TARGET = 1, SOURCE = 2, COORDINATOR = 4 };

#define SNAPSHOT(name, states, transitions)                                                        \
    .modes[RESHARD_MODE_SNAPSHOT] = {"snapshot-" name, states, transitions}
#define KEYWISE(name, states, transitions)                                                         \
    .modes[RESHARD_MODE_KEYWISE] = {"keywise-" name, states, transitions}

#define NODES(nodes, keys) "nodes " nodes "\nstart\nload " keys
#define OWNED(nodes) "nodes " nodes "\nstart unowned\nown s2 0-1\nload 2"
#define HEIR_OF(shard) "nodes 2\nreplica n3 of " shard " follows\nstart\nload 2"

#define SLOW(kind) (UINT32_C(1) << RESHARD_ACTION_##kind)

#define WRITE(client, key) {client, RESHARD_OP_WRITE, 1, {key}}
#define READ(client, key) {client, RESHARD_OP_READ, 1, {key}}
#define REMOVE(client, key) {client, RESHARD_OP_REMOVE, 1, {key}}
#define PAIR(op, client) BOTH(op, client, 0, 1)
#define BOTH(op, client, one, other) {client, RESHARD_OP_##op, 2, {one, other}}

static const struct search_config table[] = {
    /* Requests alone. */
    {SNAPSHOT("requests", 7923, 22220), .requests = {WRITE(1, 0), READ(1, 0)}},
    {SNAPSHOT("pairs", 6125, 15794), .requests = {PAIR(WRITE, 1)}},
    {SNAPSHOT("store", 3793, 9512), .requests = {WRITE(1, 0)}, .slow = SLOW(EXPORT) | SLOW(APPLY)},
    {SNAPSHOT("fence", 4000, 10194), KEYWISE("fence", 1706, 4548), .words = "execute 1ms",
        .requests = {WRITE(1, 0)}},
    {SNAPSHOT("three", 88064, 265468), KEYWISE("requests", 41721, 127575),
        .requests = {WRITE(1, 0), READ(1, 0), REMOVE(2, 0)}},
    {SNAPSHOT("replica-reads", 54193, 174278), KEYWISE("replica-reads", 61142, 200061),
        .words = "readonly 1", .nodes = HEIR_OF("s2"),
        .requests = {WRITE(1, 0), READ(2, 0), READ(2, 0)}},
    {SNAPSHOT("slots", 33622, 100796), KEYWISE("slots", 16902, 49496), .words = "slots 2",
        .nodes = OWNED("2"), .last = 1, .requests = {WRITE(1, 0), READ(2, 1)}},
    {SNAPSHOT("replica-lags", 41461, 134768), KEYWISE("replica-lags", 38834, 127499),
        .words = "readonly 1", .nodes = HEIR_OF("s2"), .requests = {WRITE(1, 0), READ(2, 0)},
        .slow = SLOW_STREAM},
    {SNAPSHOT("trim", 25590, 71203), .words = "batch 1 tail 14",
        .requests = {WRITE(1, 0), WRITE(2, 1)}},
    {SNAPSHOT("trim-large", 354104, 1093207), .words = "value 1000 batch 1 tail 1500",
        .requests = {WRITE(1, 0), WRITE(2, 1), REMOVE(1, 0)}},
    {KEYWISE("pairs", 13907, 41928), .requests = {PAIR(WRITE, 1), PAIR(READ, 2)}},
    {KEYWISE("store", 1560, 4160), .requests = {WRITE(1, 0)}, .slow = SLOW(APPLY) | SLOW(REMOVE)},
    {KEYWISE("retry", 16773, 49617), .words = "conflict retry tries 2",
        .requests = {WRITE(1, 0), REMOVE(2, 0)}},
    {KEYWISE("bare", 24271, 70438), .words = "bare 1", .requests = {WRITE(1, 0), REMOVE(2, 0)}},
    {KEYWISE("fence-two", 19533, 60948), .words = "execute 1ms",
        .requests = {WRITE(1, 0), WRITE(2, 0)}},
    {KEYWISE("keys", 40263, 138261), .words = "batch 2",
        .requests = {WRITE(1, 0), READ(2, 1), REMOVE(2, 0)}},
    {KEYWISE("three-keys", 13907, 41928), .words = "keys 3 batch 2", .nodes = NODES("2", "3"),
        .requests = {BOTH(WRITE, 1, 0, 2), BOTH(READ, 2, 1, 2)}},
    {KEYWISE("pairs-bare", 14285, 43135), .words = "bare 1",
        .requests = {PAIR(WRITE, 1), PAIR(READ, 2)}},
    /* Messages that are lost, come twice or overtake; clients that give up. */
    {SNAPSHOT("drop", 3712, 8992), .limits = {[MOVE_DROP] = 1}},
    {SNAPSHOT("repeat", 17921, 56998), .limits = {[MOVE_REPEAT] = 1}},
    {SNAPSHOT("overtake", 2961, 8063), KEYWISE("overtake", 2007, 4618),
        .limits = {[MOVE_OVERTAKE] = 1}},
    {SNAPSHOT("drop-repeat", 106285, 416369), KEYWISE("drop-repeat", 35235, 115467),
        .limits = {[MOVE_DROP] = 1, [MOVE_REPEAT] = 1}},
    {SNAPSHOT("drops", 14811, 38367), .limits = {[MOVE_DROP] = 2}},
    {SNAPSHOT("three-nodes", 10373, 32242), .words = "slots 2", .nodes = NODES("3", "2"),
        .limits = {[MOVE_DROP] = 1}},
    {SNAPSHOT("trim-drop", 227699, 695068), .words = "batch 1 tail 14",
        .limits = {[MOVE_DROP] = 1}, .requests = {WRITE(1, 0), WRITE(2, 1)}},
    {SNAPSHOT("trim-repeat", 922591, 3425539), .words = "batch 1 tail 14",
        .limits = {[MOVE_REPEAT] = 1}, .requests = {WRITE(1, 0), WRITE(2, 1)}},
    {SNAPSHOT("three-drop", 836416, 2815525), KEYWISE("three-drop", 299827, 972619),
        .limits = {[MOVE_DROP] = 1}, .requests = {WRITE(1, 0), READ(1, 0), REMOVE(2, 0)}},
    {KEYWISE("drop", 10511, 29840), .limits = {[MOVE_DROP] = 1}, .requests = {WRITE(1, 0)}},
    {KEYWISE("repeat", 31884, 109351), .limits = {[MOVE_REPEAT] = 1}, .requests = {REMOVE(1, 0)}},
    {KEYWISE("drops", 35645, 109838), .limits = {[MOVE_DROP] = 2}, .requests = {WRITE(1, 0)}},
    {KEYWISE("three-nodes", 132493, 568260), .words = "slots 2", .nodes = NODES("3", "2"),
        .limits = {[MOVE_DROP] = 1}, .requests = {WRITE(1, 0), WRITE(2, 1)}},
    {KEYWISE("pairs-drop", 101138, 322837), .limits = {[MOVE_DROP] = 1},
        .requests = {PAIR(WRITE, 1), PAIR(READ, 2)}},
    {KEYWISE("mute", 21122, 62128), .limits = {[MOVE_MUTE] = 1, [MOVE_DROP] = 1},
        .requests = {WRITE(1, 0)}},
    {KEYWISE("keys-drop", 129977, 467971), .words = "batch 2", .limits = {[MOVE_DROP] = 1},
        .requests = {WRITE(1, 0), PAIR(READ, 2)}},
    {KEYWISE("keys-retry", 143754, 505862), .words = "conflict retry tries 2 batch 2",
        .limits = {[MOVE_DROP] = 1}, .requests = {PAIR(WRITE, 1), PAIR(READ, 2)}},
    {SNAPSHOT("replica-drop", 182300, 626451), KEYWISE("replica-drop", 177212, 594889),
        .words = "readonly 1", .nodes = HEIR_OF("s2"), .limits = {[MOVE_DROP] = 1},
        .requests = {WRITE(1, 0), READ(2, 0)}},
    /* Crashes, and what else goes wrong then. */
    {SNAPSHOT("source-crash", 8482, 19541), .limits = {[MOVE_CRASH] = 1}, .crashes = SOURCE},
    {SNAPSHOT("authority", 4585, 10742), KEYWISE("authority", 10836, 22041),
        .limits = {[MOVE_CRASH] = 1}, .crashes = COORDINATOR},
    {SNAPSHOT("target-crash", 20732, 43526), .limits = {[MOVE_CRASH] = 1, [MOVE_WAIT] = 4},
        .crashes = TARGET},
    {SNAPSHOT("drop-source-crash", 61527, 161289), KEYWISE("drop-source-crash", 25316, 60312),
        .limits = {[MOVE_DROP] = 1, [MOVE_CRASH] = 1}, .crashes = SOURCE},
    {SNAPSHOT("crashes", 175591, 438365), .limits = {[MOVE_CRASH] = 2},
        .crashes = SOURCE | COORDINATOR},
    {SNAPSHOT("target-crashes", 106516, 240868), .limits = {[MOVE_CRASH] = 2, [MOVE_WAIT] = 2},
        .crashes = TARGET},
    {SNAPSHOT("fence-crash", 80716, 225911), KEYWISE("fence-crash", 26986, 74883),
        .words = "execute 1ms", .limits = {[MOVE_CRASH] = 1}, .requests = {WRITE(1, 0)},
        .crashes = SOURCE},
    {SNAPSHOT("trim-target-crash", 1316752, 3859256), .words = "batch 1 tail 14",
        .limits = {[MOVE_CRASH] = 1, [MOVE_WAIT] = 2}, .requests = {WRITE(1, 0), WRITE(2, 1)},
        .crashes = TARGET},
    {SNAPSHOT("trim-source-crash", 913343, 2811556), .words = "batch 1 tail 14",
        .limits = {[MOVE_CRASH] = 1}, .requests = {WRITE(1, 0), WRITE(2, 1)}, .crashes = SOURCE},
    {SNAPSHOT("mixed", 1669532, 6582536), KEYWISE("mixed", 387163, 1307712),
        .limits = {[MOVE_DROP] = 1, [MOVE_REPEAT] = 1, [MOVE_CRASH] = 1}, .crashes = SOURCE},
    {KEYWISE("source-crash", 27370, 73886), .limits = {[MOVE_CRASH] = 1},
        .requests = {REMOVE(1, 0)}, .crashes = SOURCE},
    {KEYWISE("target-crash", 3270, 7208), .limits = {[MOVE_CRASH] = 1}, .crashes = TARGET},
    {KEYWISE("drop-target-crash", 50240, 118243),
        .limits = {[MOVE_DROP] = 1, [MOVE_CRASH] = 1, [MOVE_WAIT] = 4}, .crashes = TARGET},
    {KEYWISE("slots-crash", 16791, 41325), .words = "slots 2", .nodes = OWNED("2"), .last = 1,
        .limits = {[MOVE_CRASH] = 1}, .requests = {WRITE(1, 1)}, .crashes = SOURCE},
    {KEYWISE("crashes", 138918, 312709), .limits = {[MOVE_CRASH] = 2, [MOVE_WAIT] = 2},
        .crashes = SOURCE | TARGET},
    {KEYWISE("keys-source-crash", 33558, 102268), .words = "batch 2", .limits = {[MOVE_CRASH] = 1},
        .requests = {PAIR(WRITE, 1)}, .crashes = SOURCE},
    {KEYWISE("keys-target-crash", 35428, 102712), .words = "batch 2",
        .limits = {[MOVE_CRASH] = 1, [MOVE_WAIT] = 2}, .requests = {PAIR(WRITE, 1)},
        .crashes = TARGET},
    {KEYWISE("three-keys-crash", 23368, 64151), .words = "keys 3 batch 2",
        .nodes = NODES("2", "3"), .limits = {[MOVE_CRASH] = 1}, .requests = {BOTH(WRITE, 1, 0, 2)},
        .crashes = SOURCE},
    {SNAPSHOT("pairs-crash", 388398, 1042819), KEYWISE("pairs-crash", 73117, 195061),
        .limits = {[MOVE_CRASH] = 1, [MOVE_WAIT] = 2}, .requests = {PAIR(WRITE, 1)},
        .crashes = SOURCE | TARGET},
    {KEYWISE("three-crash", 1023026, 3208655), .limits = {[MOVE_CRASH] = 1},
        .requests = {WRITE(1, 0), READ(1, 0), REMOVE(2, 0)}, .crashes = SOURCE},
    {KEYWISE("slots-drop-crash", 11688, 25024), .words = "slots 2", .nodes = OWNED("2"), .last = 1,
        .limits = {[MOVE_DROP] = 1, [MOVE_CRASH] = 1}, .crashes = SOURCE},
    {SNAPSHOT("turns-crash", 364963, 1112863), .requests = {WRITE(1, 0), READ(1, 0), REMOVE(1, 0)},
        .limits = {[MOVE_CRASH] = 1}, .crashes = SOURCE},
    {KEYWISE("source-authority", 311222, 670637), .limits = {[MOVE_CRASH] = 2},
        .crashes = SOURCE | COORDINATOR},
    /* A clock that jumps while messages and appends are under way. */
    {SNAPSHOT("early", 85951, 276567), KEYWISE("early", 34252, 123055),
        .limits = {[MOVE_EARLY] = 1}, .requests = {WRITE(1, 0)}, .slow = SLOW(APPEND)},
    /* Appends that fail, or whose outcome is unknown. */
    {SNAPSHOT("journal", 3779, 9464), KEYWISE("journal", 2415, 5774), .limits = {[MOVE_FAULT] = 1},
        .slow = SLOW(APPEND), .faults = SOURCE},
    {SNAPSHOT("append", 47021, 133865), KEYWISE("append", 21748, 64219),
        .limits = {[MOVE_FAULT] = 1}, .requests = {WRITE(1, 0)}, .slow = SLOW(APPEND),
        .faults = SOURCE | TARGET},
    {SNAPSHOT("journal-authority", 33168, 99163), KEYWISE("journal-authority", 17965, 54478),
        .limits = {[MOVE_FAULT] = 1}, .requests = {WRITE(1, 0)}, .slow = SLOW(APPEND),
        .faults = COORDINATOR},
    {KEYWISE("appends", 119850, 365165), .limits = {[MOVE_FAULT] = 2}, .requests = {WRITE(1, 0)},
        .slow = SLOW(APPEND), .faults = SOURCE | TARGET},
    {SNAPSHOT("append-crash", 55342, 147092), KEYWISE("append-crash", 28790, 70514),
        .limits = {[MOVE_FAULT] = 1, [MOVE_CRASH] = 1}, .slow = SLOW(APPEND), .crashes = SOURCE,
        .faults = SOURCE},
    /* An operator aborts or finishes. */
    {SNAPSHOT("abort", 2037, 4674), .limits = {[MOVE_ABORT] = 1}},
    {SNAPSHOT("abort-source-crash", 33670, 85407), KEYWISE("abort-source-crash", 151647, 337559),
        .limits = {[MOVE_CRASH] = 1, [MOVE_ABORT] = 1}, .crashes = SOURCE},
    {SNAPSHOT("abort-authority", 18548, 47505), .limits = {[MOVE_CRASH] = 1, [MOVE_ABORT] = 1},
        .crashes = COORDINATOR},
    {SNAPSHOT("fence-abort", 16107, 44385), KEYWISE("fence-abort", 79084, 211187),
        .words = "execute 1ms", .limits = {[MOVE_ABORT] = 1}, .requests = {WRITE(1, 0)}},
    {SNAPSHOT("finish-drop", 7424, 21333), .limits = {[MOVE_FINISH] = 1, [MOVE_DROP] = 1}},
    {KEYWISE("abort", 64244, 171896), .limits = {[MOVE_ABORT] = 1}, .requests = {WRITE(1, 0)}},
    {KEYWISE("abort-target-crash", 314817, 660018),
        .limits = {[MOVE_CRASH] = 1, [MOVE_ABORT] = 1, [MOVE_WAIT] = 2}, .crashes = TARGET},
    {KEYWISE("finish-drop", 21022, 68654), .limits = {[MOVE_FINISH] = 1, [MOVE_DROP] = 1},
        .requests = {WRITE(1, 0)}},
    {KEYWISE("keys-abort", 44704, 123131), .words = "batch 2", .limits = {[MOVE_ABORT] = 1},
        .requests = {PAIR(WRITE, 1)}},
    {KEYWISE("pairs-abort", 70666, 190124), .limits = {[MOVE_ABORT] = 1},
        .requests = {PAIR(WRITE, 1)}},
    /* Keys that go by themselves. */
    {SNAPSHOT("expire", 38332, 133979), KEYWISE("expire", 41144, 148293),
        .limits = {[MOVE_EXPIRE] = 1}, .requests = {READ(1, 0), READ(2, 0)}},
    {KEYWISE("expire-crash", 76696, 253112), .limits = {[MOVE_CRASH] = 1, [MOVE_EXPIRE] = 1},
        .requests = {READ(1, 0)}, .crashes = SOURCE},
    {KEYWISE("evict-drop", 10689, 31168), .limits = {[MOVE_DROP] = 1, [MOVE_EVICT] = 1}},
    {KEYWISE("evict", 104551, 344011), .limits = {[MOVE_EVICT] = 1},
        .requests = {WRITE(1, 0), READ(2, 0)}},
    {SNAPSHOT("evict", 47374, 131490), .limits = {[MOVE_EVICT] = 1}, .requests = {WRITE(1, 0)}},
    /* Fail-overs. */
    {SNAPSHOT("heir", 193579, 689793), .nodes = HEIR_OF("s2"),
        .limits = {[MOVE_FAILOVER] = 1, [MOVE_WAIT] = 1}, .heirs = {0, 0, 3}},
    {SNAPSHOT("heir-target", 63716, 195971), .nodes = HEIR_OF("s1"),
        .limits = {[MOVE_FAILOVER] = 1, [MOVE_WAIT] = 1}, .heirs = {0, 3}},
    {KEYWISE("heir", 99139, 286759), .nodes = HEIR_OF("s2"),
        .limits = {[MOVE_FAILOVER] = 1, [MOVE_WAIT] = 4}, .heirs = {0, 0, 3}},
    {KEYWISE("heir-target", 118247, 343445), .nodes = HEIR_OF("s1"),
        .limits = {[MOVE_FAILOVER] = 1, [MOVE_WAIT] = 4}, .heirs = {0, 3}},
    {KEYWISE("heir-lags", 134679, 400992), .nodes = HEIR_OF("s2"),
        .limits = {[MOVE_FAILOVER] = 1, [MOVE_WAIT] = 4}, .slow = SLOW_STREAM, .heirs = {0, 0, 3}},
    {SNAPSHOT("heir-lags", 242598, 878343), .nodes = HEIR_OF("s2"),
        .limits = {[MOVE_FAILOVER] = 1, [MOVE_WAIT] = 1}, .slow = SLOW_STREAM, .heirs = {0, 0, 3}},
    /* A second coordinator. */
    {SNAPSHOT("second", 379576, 1299739), KEYWISE("second", 260983, 737926),
        .limits = {[MOVE_COORDINATOR] = 1}},
    {SNAPSHOT("second-drop", 1854582, 6226360), .nodes = NODES("2", "0"),
        .limits = {[MOVE_COORDINATOR] = 1, [MOVE_DROP] = 1, [MOVE_WAIT] = 1}},
    {KEYWISE("second-drop", 2639336, 8212895),
        .limits = {[MOVE_COORDINATOR] = 1, [MOVE_DROP] = 1}},
    {KEYWISE("second-source-crash", 1290953, 3632294), .nodes = NODES("2", "0"),
        .limits = {[MOVE_COORDINATOR] = 1, [MOVE_CRASH] = 1}, .crashes = SOURCE},
    {KEYWISE("second-repeat", 988290, 3530706), .nodes = NODES("2", "0"),
        .limits = {[MOVE_COORDINATOR] = 1, [MOVE_REPEAT] = 1}},
    {SNAPSHOT("second-target-drop", 1280045, 5284613),
        .limits = {[MOVE_COORDINATOR] = 1, [MOVE_DROP] = 1}, .lossy = TARGET},
    /* A second migration. */
    {SNAPSHOT("both-write", 1430961, 4726841), .words = "slots 2", .nodes = OWNED("2"),
        .limits = {[MOVE_OPEN] = 1}, .second = {.source = 2, .target = 1},
        .requests = {WRITE(1, 0)}},
    {KEYWISE("both-writes", 852273, 2932720), .words = "slots 2", .nodes = OWNED("2"),
        .limits = {[MOVE_OPEN] = 1}, .second = {.source = 2, .target = 1},
        .requests = {WRITE(1, 0), WRITE(1, 1)}},
    {KEYWISE("both-three-write", 1640212, 5945962), .words = "slots 2", .nodes = OWNED("3"),
        .limits = {[MOVE_OPEN] = 1}, .second = {.source = 2, .target = 3},
        .requests = {WRITE(1, 0)}},
    {SNAPSHOT("both", 130476, 366884), KEYWISE("both", 9401, 22066), .words = "slots 2",
        .nodes = OWNED("2"), .limits = {[MOVE_OPEN] = 1}, .second = {.source = 2, .target = 1}},
    {SNAPSHOT("both-three", 979777, 3538349), KEYWISE("both-three", 128565, 373669),
        .words = "slots 2", .nodes = OWNED("3"), .limits = {[MOVE_OPEN] = 1},
        .second = {.source = 2, .target = 3}},
};

bool reshard__search_config(uint32_t index, struct search_config *config_out)
{
    for (size_t row = 0; row < sizeof table / sizeof *table; row++)
        for (uint32_t mode = RESHARD_MODE_SNAPSHOT; mode <= RESHARD_MODE_KEYWISE; mode++) {
            if (!table[row].modes[mode].name || index-- > 0)
                continue;
            *config_out = table[row];
            config_out->mode = mode;
            return true;
        }
    return false;
}

/* A freeze runs out when its source's clock jumps: it is shorter than a jump (search.h). */
static const char small_sizes[] = "world slots 1 keys 2 value 0 chunk 1024 window 1024 tail 4096 "
                                  "lag 4096 pick 1024 freeze 50s lease 0us ";

void reshard__search_script(const struct search_config *config, struct text *text)
{
    bool keywise = config->mode == RESHARD_MODE_KEYWISE;
    const char *const parts[] = {small_sizes, keywise ? "batch 1 " : "",
        config->words ? config->words : "", "\n", config->nodes ? config->nodes : NODES("2", "2"),
        config->last ? "\nmove 0-1" : "\nmove 0-0", " s2 s1 ",
        keywise ? "keywise\n" : "snapshot\n"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        reshard__text_string(text, parts[i]);
}
