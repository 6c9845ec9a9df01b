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
#define EMPTY "nodes 2\nstart unowned\nown s2 0-1"
#define GATHER "slots 2 gather 50s"
#define SETTLE "slots 2 settle 50s unsynced 1"
#define HEIR_OF(shard) "nodes 2\nreplica n3 of " shard " follows\nstart\nload 2"

#define SLOW(kind) (UINT32_C(1) << RESHARD_ACTION_##kind)

#define WRITE(client, key) {client, RESHARD_OP_WRITE, 1, {key}}
#define READ(client, key) {client, RESHARD_OP_READ, 1, {key}}
#define REMOVE(client, key) {client, RESHARD_OP_REMOVE, 1, {key}}
#define PAIR(op, client) BOTH(op, client, 0, 1)
#define BOTH(op, client, one, other) {client, RESHARD_OP_##op, 2, {one, other}}

static const struct search_config table[] = {
    /* Requests alone. */
    {SNAPSHOT("requests", 3934, 10271), .requests = {WRITE(1, 0), READ(1, 0)}},
    {SNAPSHOT("pairs", 3163, 7626), .requests = {PAIR(WRITE, 1)}},
    {SNAPSHOT("store", 1962, 4548), .requests = {WRITE(1, 0)}, .slow = SLOW(EXPORT) | SLOW(APPLY)},
    {SNAPSHOT("fence", 1945, 4527), KEYWISE("fence", 915, 2209), .words = "execute 1ms",
        .requests = {WRITE(1, 0)}},
    {SNAPSHOT("three", 42609, 119812), KEYWISE("requests", 22779, 64667),
        .requests = {WRITE(1, 0), READ(1, 0), REMOVE(2, 0)}},
    {SNAPSHOT("replica-reads", 27415, 83548), KEYWISE("replica-reads", 37062, 116253),
        .words = "readonly 1", .nodes = HEIR_OF("s2"),
        .requests = {WRITE(1, 0), READ(2, 0), READ(2, 0)}},
    {SNAPSHOT("slots", 17098, 47853), KEYWISE("slots", 9959, 28022), .words = "slots 2",
        .nodes = OWNED("2"), .last = 1, .requests = {WRITE(1, 0), READ(2, 1)}},
    {SNAPSHOT("replica-lags", 17932, 52398), KEYWISE("replica-lags", 20334, 60184),
        .words = "readonly 1", .nodes = HEIR_OF("s2"), .requests = {WRITE(1, 0), READ(2, 0)},
        .slow = SLOW_STREAM},
    {SNAPSHOT("trim", 13143, 33799), .words = "batch 1 tail 14",
        .requests = {WRITE(1, 0), WRITE(2, 1)}},
    {SNAPSHOT("trim-large", 185384, 539287), .words = "value 1000 batch 1 tail 1500",
        .requests = {WRITE(1, 0), WRITE(2, 1), REMOVE(1, 0)}},
    {KEYWISE("pairs", 7681, 21643), .requests = {PAIR(WRITE, 1), PAIR(READ, 2)}},
    {KEYWISE("store", 798, 1917), .requests = {WRITE(1, 0)}, .slow = SLOW(APPLY) | SLOW(REMOVE)},
    {KEYWISE("retry", 9129, 25037), .words = "conflict retry tries 2",
        .requests = {WRITE(1, 0), REMOVE(2, 0)}},
    {KEYWISE("bare", 12861, 34671), .words = "bare 1", .requests = {WRITE(1, 0), REMOVE(2, 0)}},
    {KEYWISE("fence-two", 10411, 29450), .words = "execute 1ms",
        .requests = {WRITE(1, 0), WRITE(2, 0)}},
    {KEYWISE("keys", 21714, 69603), .words = "batch 2",
        .requests = {WRITE(1, 0), READ(2, 1), REMOVE(2, 0)}},
    {KEYWISE("three-keys", 7681, 21643), .words = "keys 3 batch 2", .nodes = NODES("2", "3"),
        .requests = {BOTH(WRITE, 1, 0, 2), BOTH(READ, 2, 1, 2)}},
    {KEYWISE("pairs-bare", 7939, 22454), .words = "bare 1",
        .requests = {PAIR(WRITE, 1), PAIR(READ, 2)}},
    /* Messages that are lost, come twice or overtake; clients that give up. */
    {SNAPSHOT("drop", 1969, 4172), .limits = {[MOVE_DROP] = 1}},
    {SNAPSHOT("repeat", 8436, 25662), .limits = {[MOVE_REPEAT] = 1}},
    {SNAPSHOT("overtake", 1238, 3212), KEYWISE("overtake", 1006, 2172),
        .limits = {[MOVE_OVERTAKE] = 1}},
    {SNAPSHOT("drop-repeat", 47653, 175803), KEYWISE("drop-repeat", 16917, 50691),
        .limits = {[MOVE_DROP] = 1, [MOVE_REPEAT] = 1}},
    {SNAPSHOT("drops", 8132, 18299), .limits = {[MOVE_DROP] = 2}},
    {SNAPSHOT("three-nodes", 5086, 14080), .words = "slots 2", .nodes = NODES("3", "2"),
        .limits = {[MOVE_DROP] = 1}},
    {SNAPSHOT("trim-drop", 124379, 342169), .words = "batch 1 tail 14",
        .limits = {[MOVE_DROP] = 1}, .requests = {WRITE(1, 0), WRITE(2, 1)}},
    {SNAPSHOT("trim-repeat", 439850, 1562386), .words = "batch 1 tail 14",
        .limits = {[MOVE_REPEAT] = 1}, .requests = {WRITE(1, 0), WRITE(2, 1)}},
    {SNAPSHOT("three-drop", 427223, 1316250), KEYWISE("three-drop", 159900, 471959),
        .limits = {[MOVE_DROP] = 1}, .requests = {WRITE(1, 0), READ(1, 0), REMOVE(2, 0)}},
    {KEYWISE("drop", 5946, 15167), .limits = {[MOVE_DROP] = 1}, .requests = {WRITE(1, 0)}},
    {KEYWISE("repeat", 14141, 46764), .limits = {[MOVE_REPEAT] = 1}, .requests = {REMOVE(1, 0)}},
    {KEYWISE("drops", 20271, 56510), .limits = {[MOVE_DROP] = 2}, .requests = {WRITE(1, 0)}},
    {KEYWISE("three-nodes", 67291, 268339), .words = "slots 2", .nodes = NODES("3", "2"),
        .limits = {[MOVE_DROP] = 1}, .requests = {WRITE(1, 0), WRITE(2, 1)}},
    {KEYWISE("pairs-drop", 55193, 161415), .limits = {[MOVE_DROP] = 1},
        .requests = {PAIR(WRITE, 1), PAIR(READ, 2)}},
    {KEYWISE("mute", 11849, 31496), .limits = {[MOVE_MUTE] = 1, [MOVE_DROP] = 1},
        .requests = {WRITE(1, 0)}},
    {KEYWISE("keys-drop", 62565, 205178), .words = "batch 2", .limits = {[MOVE_DROP] = 1},
        .requests = {WRITE(1, 0), PAIR(READ, 2)}},
    {KEYWISE("keys-retry", 70944, 226282), .words = "conflict retry tries 2 batch 2",
        .limits = {[MOVE_DROP] = 1}, .requests = {PAIR(WRITE, 1), PAIR(READ, 2)}},
    {SNAPSHOT("replica-drop", 96517, 306989), KEYWISE("replica-drop", 110435, 348534),
        .words = "readonly 1", .nodes = HEIR_OF("s2"), .limits = {[MOVE_DROP] = 1},
        .requests = {WRITE(1, 0), READ(2, 0)}},
    /* Crashes, and what else goes wrong then. */
    {SNAPSHOT("source-crash", 4701, 10001), .limits = {[MOVE_CRASH] = 1}, .crashes = SOURCE},
    {SNAPSHOT("authority", 2577, 5606), KEYWISE("authority", 7262, 12940),
        .limits = {[MOVE_CRASH] = 1}, .crashes = COORDINATOR},
    {SNAPSHOT("target-crash", 11421, 21697), .limits = {[MOVE_CRASH] = 1, [MOVE_WAIT] = 4},
        .crashes = TARGET},
    {SNAPSHOT("drop-source-crash", 33277, 78439), KEYWISE("drop-source-crash", 15526, 32748),
        .limits = {[MOVE_DROP] = 1, [MOVE_CRASH] = 1}, .crashes = SOURCE},
    {SNAPSHOT("crashes", 102154, 239267), .limits = {[MOVE_CRASH] = 2},
        .crashes = SOURCE | COORDINATOR},
    {SNAPSHOT("target-crashes", 56906, 117146), .limits = {[MOVE_CRASH] = 2, [MOVE_WAIT] = 2},
        .crashes = TARGET},
    {SNAPSHOT("fence-crash", 41998, 108632), KEYWISE("fence-crash", 15588, 39614),
        .words = "execute 1ms", .limits = {[MOVE_CRASH] = 1}, .requests = {WRITE(1, 0)},
        .crashes = SOURCE},
    {KEYWISE("fence-successor", 1188162, 3444017), .words = "execute 1ms",
        .limits = {[MOVE_CRASH] = 1}, .requests = {REMOVE(1, 0), WRITE(1, 0), WRITE(2, 0)},
        .crashes = COORDINATOR},
    {SNAPSHOT("trim-target-crash", 674799, 1816724), .words = "batch 1 tail 14",
        .limits = {[MOVE_CRASH] = 1, [MOVE_WAIT] = 2}, .requests = {WRITE(1, 0), WRITE(2, 1)},
        .crashes = TARGET},
    {SNAPSHOT("trim-source-crash", 507877, 1473361), .words = "batch 1 tail 14",
        .limits = {[MOVE_CRASH] = 1}, .requests = {WRITE(1, 0), WRITE(2, 1)}, .crashes = SOURCE},
    {SNAPSHOT("mixed", 755019, 2820053), KEYWISE("mixed", 192962, 590012),
        .limits = {[MOVE_DROP] = 1, [MOVE_REPEAT] = 1, [MOVE_CRASH] = 1}, .crashes = SOURCE},
    {KEYWISE("source-crash", 16086, 40074), .limits = {[MOVE_CRASH] = 1},
        .requests = {REMOVE(1, 0)}, .crashes = SOURCE},
    {KEYWISE("target-crash", 2159, 4250), .limits = {[MOVE_CRASH] = 1}, .crashes = TARGET},
    {KEYWISE("drop-target-crash", 35690, 74824),
        .limits = {[MOVE_DROP] = 1, [MOVE_CRASH] = 1, [MOVE_WAIT] = 4}, .crashes = TARGET},
    {KEYWISE("slots-crash", 10217, 24003), .words = "slots 2", .nodes = OWNED("2"), .last = 1,
        .limits = {[MOVE_CRASH] = 1}, .requests = {WRITE(1, 1)}, .crashes = SOURCE},
    {KEYWISE("crashes", 92635, 188357), .limits = {[MOVE_CRASH] = 2, [MOVE_WAIT] = 2},
        .crashes = SOURCE | TARGET},
    {KEYWISE("keys-source-crash", 19242, 54532), .words = "batch 2", .limits = {[MOVE_CRASH] = 1},
        .requests = {PAIR(WRITE, 1)}, .crashes = SOURCE},
    {KEYWISE("keys-target-crash", 23141, 62415), .words = "batch 2",
        .limits = {[MOVE_CRASH] = 1, [MOVE_WAIT] = 2}, .requests = {PAIR(WRITE, 1)},
        .crashes = TARGET},
    {KEYWISE("three-keys-crash", 13688, 34612), .words = "keys 3 batch 2",
        .nodes = NODES("2", "3"), .limits = {[MOVE_CRASH] = 1}, .requests = {BOTH(WRITE, 1, 0, 2)},
        .crashes = SOURCE},
    {SNAPSHOT("pairs-crash", 203785, 507272), KEYWISE("pairs-crash", 46843, 115369),
        .limits = {[MOVE_CRASH] = 1, [MOVE_WAIT] = 2}, .requests = {PAIR(WRITE, 1)},
        .crashes = SOURCE | TARGET},
    {KEYWISE("three-crash", 578638, 1696821), .limits = {[MOVE_CRASH] = 1},
        .requests = {WRITE(1, 0), READ(1, 0), REMOVE(2, 0)}, .crashes = SOURCE},
    {KEYWISE("slots-drop-crash", 7357, 14883), .words = "slots 2", .nodes = OWNED("2"), .last = 1,
        .limits = {[MOVE_DROP] = 1, [MOVE_CRASH] = 1}, .crashes = SOURCE},
    {SNAPSHOT("turns-crash", 196977, 562068), .requests = {WRITE(1, 0), READ(1, 0), REMOVE(1, 0)},
        .limits = {[MOVE_CRASH] = 1}, .crashes = SOURCE},
    {KEYWISE("source-authority", 208263, 407901), .limits = {[MOVE_CRASH] = 2},
        .crashes = SOURCE | COORDINATOR},
    /* A clock that jumps while messages and appends are under way. */
    {SNAPSHOT("early", 38605, 110109), KEYWISE("early", 16134, 51295),
        .limits = {[MOVE_EARLY] = 1}, .requests = {WRITE(1, 0)}, .slow = SLOW(APPEND)},
    /* Appends that fail, or whose outcome is unknown. */
    {SNAPSHOT("journal", 1588, 3213), KEYWISE("journal", 1221, 2369), .limits = {[MOVE_FAULT] = 1},
        .slow = SLOW(APPEND), .faults = SOURCE},
    {SNAPSHOT("append", 19762, 47387), KEYWISE("append", 11213, 28209),
        .limits = {[MOVE_FAULT] = 1}, .requests = {WRITE(1, 0)}, .slow = SLOW(APPEND),
        .faults = SOURCE | TARGET},
    {SNAPSHOT("journal-authority", 14587, 37753), KEYWISE("journal-authority", 9516, 25235),
        .limits = {[MOVE_FAULT] = 1}, .requests = {WRITE(1, 0)}, .slow = SLOW(APPEND),
        .faults = COORDINATOR},
    {KEYWISE("appends", 64036, 166228), .limits = {[MOVE_FAULT] = 2}, .requests = {WRITE(1, 0)},
        .slow = SLOW(APPEND), .faults = SOURCE | TARGET},
    {SNAPSHOT("append-crash", 23652, 52175), KEYWISE("append-crash", 14557, 29236),
        .limits = {[MOVE_FAULT] = 1, [MOVE_CRASH] = 1}, .slow = SLOW(APPEND), .crashes = SOURCE,
        .faults = SOURCE},
    {SNAPSHOT("fence-fails", 17109, 41080), KEYWISE("fence-fails", 8645, 22502),
        .words = "execute 1ms", .limits = {[MOVE_FAULT] = 1}, .requests = {WRITE(1, 0)},
        .slow = SLOW(FENCE), .faults = SOURCE},
    /* An operator aborts or finishes. */
    {SNAPSHOT("abort", 1281, 2781), .limits = {[MOVE_ABORT] = 1}},
    {SNAPSHOT("abort-source-crash", 23155, 55989), KEYWISE("abort-source-crash", 98651, 194603),
        .limits = {[MOVE_CRASH] = 1, [MOVE_ABORT] = 1}, .crashes = SOURCE},
    {SNAPSHOT("abort-authority", 12397, 30121), .limits = {[MOVE_CRASH] = 1, [MOVE_ABORT] = 1},
        .crashes = COORDINATOR},
    {SNAPSHOT("fence-abort", 9692, 25515), KEYWISE("fence-abort", 50138, 123088),
        .words = "execute 1ms", .limits = {[MOVE_ABORT] = 1}, .requests = {WRITE(1, 0)}},
    {SNAPSHOT("finish-drop", 3939, 10106), .limits = {[MOVE_FINISH] = 1, [MOVE_DROP] = 1}},
    {KEYWISE("abort", 40579, 99785), .limits = {[MOVE_ABORT] = 1}, .requests = {WRITE(1, 0)}},
    {KEYWISE("abort-target-crash", 219966, 406727),
        .limits = {[MOVE_CRASH] = 1, [MOVE_ABORT] = 1, [MOVE_WAIT] = 2}, .crashes = TARGET},
    {KEYWISE("finish-drop", 11893, 35197), .limits = {[MOVE_FINISH] = 1, [MOVE_DROP] = 1},
        .requests = {WRITE(1, 0)}},
    {KEYWISE("keys-abort", 26844, 66355), .words = "batch 2", .limits = {[MOVE_ABORT] = 1},
        .requests = {PAIR(WRITE, 1)}},
    {KEYWISE("pairs-abort", 45002, 111146), .limits = {[MOVE_ABORT] = 1},
        .requests = {PAIR(WRITE, 1)}},
    /* Keys that go by themselves. */
    {SNAPSHOT("expire", 17717, 56843), KEYWISE("expire", 22424, 75880),
        .limits = {[MOVE_EXPIRE] = 1}, .requests = {READ(1, 0), READ(2, 0)}},
    {KEYWISE("expire-crash", 44837, 138811), .limits = {[MOVE_CRASH] = 1, [MOVE_EXPIRE] = 1},
        .requests = {READ(1, 0)}, .crashes = SOURCE},
    {KEYWISE("evict-drop", 5825, 15608), .limits = {[MOVE_DROP] = 1, [MOVE_EVICT] = 1}},
    {KEYWISE("evict", 56016, 171658), .limits = {[MOVE_EVICT] = 1},
        .requests = {WRITE(1, 0), READ(2, 0)}},
    {SNAPSHOT("evict", 24353, 63014), .limits = {[MOVE_EVICT] = 1}, .requests = {WRITE(1, 0)}},
    /* Fail-overs. */
    {SNAPSHOT("heir", 94102, 314337), .nodes = HEIR_OF("s2"),
        .limits = {[MOVE_FAILOVER] = 1, [MOVE_WAIT] = 1}, .heirs = {0, 0, 3}},
    {SNAPSHOT("heir-target", 34443, 99118), .nodes = HEIR_OF("s1"),
        .limits = {[MOVE_FAILOVER] = 1, [MOVE_WAIT] = 1}, .heirs = {0, 3}},
    {KEYWISE("heir", 59799, 158756), .nodes = HEIR_OF("s2"),
        .limits = {[MOVE_FAILOVER] = 1, [MOVE_WAIT] = 4}, .heirs = {0, 0, 3}},
    {KEYWISE("heir-target", 70588, 188234), .nodes = HEIR_OF("s1"),
        .limits = {[MOVE_FAILOVER] = 1, [MOVE_WAIT] = 4}, .heirs = {0, 3}},
    {KEYWISE("heir-lags", 75235, 201161), .nodes = HEIR_OF("s2"),
        .limits = {[MOVE_FAILOVER] = 1, [MOVE_WAIT] = 4}, .slow = SLOW_STREAM, .heirs = {0, 0, 3}},
    {SNAPSHOT("heir-lags", 109383, 365361), .nodes = HEIR_OF("s2"),
        .limits = {[MOVE_FAILOVER] = 1, [MOVE_WAIT] = 1}, .slow = SLOW_STREAM, .heirs = {0, 0, 3}},
    /* A second coordinator. */
    {SNAPSHOT("second", 110742, 334335), KEYWISE("second", 101805, 211617),
        .limits = {[MOVE_COORDINATOR] = 1}},
    {SNAPSHOT("second-drop", 597658, 1625389), .nodes = NODES("2", "0"),
        .limits = {[MOVE_COORDINATOR] = 1, [MOVE_DROP] = 1, [MOVE_WAIT] = 1}},
    {KEYWISE("second-drop", 1053649, 2417661),
        .limits = {[MOVE_COORDINATOR] = 1, [MOVE_DROP] = 1}},
    {KEYWISE("second-source-crash", 481426, 1171357), .nodes = NODES("2", "0"),
        .limits = {[MOVE_COORDINATOR] = 1, [MOVE_CRASH] = 1}, .crashes = SOURCE},
    {KEYWISE("second-repeat", 272774, 893153), .nodes = NODES("2", "0"),
        .limits = {[MOVE_COORDINATOR] = 1, [MOVE_REPEAT] = 1}},
    {SNAPSHOT("second-target-drop", 329823, 1170843),
        .limits = {[MOVE_COORDINATOR] = 1, [MOVE_DROP] = 1}, .lossy = TARGET},
    /* A second migration. */
    {SNAPSHOT("both-write", 520819, 1557966), .words = "slots 2", .nodes = OWNED("2"),
        .limits = {[MOVE_OPEN] = 1}, .second = {.source = 2, .target = 1},
        .requests = {WRITE(1, 0)}},
    {KEYWISE("both-writes", 372519, 1171962), .words = "slots 2", .nodes = OWNED("2"),
        .limits = {[MOVE_OPEN] = 1}, .second = {.source = 2, .target = 1},
        .requests = {WRITE(1, 0), WRITE(1, 1)}},
    {KEYWISE("both-three-write", 624052, 2033558), .words = "slots 2", .nodes = OWNED("3"),
        .limits = {[MOVE_OPEN] = 1}, .second = {.source = 2, .target = 3},
        .requests = {WRITE(1, 0)}},
    {SNAPSHOT("both", 44425, 109627), KEYWISE("both", 4185, 8615), .words = "slots 2",
        .nodes = OWNED("2"), .limits = {[MOVE_OPEN] = 1}, .second = {.source = 2, .target = 1}},
    {SNAPSHOT("both-three", 247810, 750928), KEYWISE("both-three", 50201, 127917),
        .words = "slots 2", .nodes = OWNED("3"), .limits = {[MOVE_OPEN] = 1},
        .second = {.source = 2, .target = 3}},
    /* An end that waits for the next opening, to be appended with it; keys go by hand. */
    {KEYWISE("gather", 3457, 7244), .words = GATHER, .nodes = EMPTY, .by_hand = 1,
        .limits = {[MOVE_OPEN] = 1}, .second = {.source = 2, .target = 1}, .slow = SLOW_LEDGER},
    {KEYWISE("gather-drop", 50167, 111770), .words = GATHER, .nodes = EMPTY, .by_hand = 1,
        .limits = {[MOVE_OPEN] = 1, [MOVE_DROP] = 1}, .second = {.source = 2, .target = 1},
        .slow = SLOW_LEDGER},
    {KEYWISE("gather-torn", 150829, 378750), .words = GATHER, .nodes = EMPTY, .by_hand = 1,
        .limits = {[MOVE_OPEN] = 1, [MOVE_CRASH] = 1}, .second = {.source = 2, .target = 1},
        .slow = SLOW_LEDGER, .crashes = COORDINATOR},
    {KEYWISE("gather-doubt", 36514, 85798), .words = GATHER, .nodes = EMPTY, .by_hand = 1,
        .limits = {[MOVE_OPEN] = 1, [MOVE_FAULT] = 1}, .second = {.source = 2, .target = 1},
        .slow = SLOW_LEDGER, .faults = COORDINATOR},
    /* What settles a side waits for a sync of others, and a crash is a loss of power. */
    {KEYWISE("settle-power", 3648, 6688), .words = SETTLE, .nodes = EMPTY, .by_hand = 1,
        .limits = {[MOVE_CRASH] = 1}, .crashes = SOURCE | TARGET},
    {KEYWISE("settle-powers", 105242, 214049), .words = SETTLE, .nodes = EMPTY, .by_hand = 1,
        .limits = {[MOVE_CRASH] = 2, [MOVE_WAIT] = 2}, .crashes = SOURCE | TARGET},
    {KEYWISE("settle-drop-power", 19164, 40934), .words = SETTLE, .nodes = EMPTY, .by_hand = 1,
        .limits = {[MOVE_DROP] = 1, [MOVE_CRASH] = 1}, .crashes = SOURCE | TARGET},
    {KEYWISE("settle-both-power", 344604, 730014), .words = SETTLE, .nodes = EMPTY, .by_hand = 1,
        .limits = {[MOVE_OPEN] = 1, [MOVE_CRASH] = 1}, .second = {.source = 2, .target = 1},
        .crashes = SOURCE | TARGET},
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
        keywise ? "keywise" : "snapshot", config->by_hand ? " operator\nrun 1ms\n" : "\n"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        reshard__text_string(text, parts[i]);
}
