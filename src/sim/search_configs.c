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
    {SNAPSHOT("requests", 1905, 4906), .requests = {WRITE(1, 0), READ(1, 0)}},
    {SNAPSHOT("pairs", 1469, 3501), .requests = {PAIR(WRITE, 1)}},
    {SNAPSHOT("store", 899, 2055), .requests = {WRITE(1, 0)}, .slow = SLOW(EXPORT) | SLOW(APPLY)},
    {SNAPSHOT("fence", 935, 2147), KEYWISE("fence", 915, 2209), .words = "execute 1ms",
        .requests = {WRITE(1, 0)}},
    {SNAPSHOT("three", 20300, 56531), KEYWISE("requests", 22779, 64667),
        .requests = {WRITE(1, 0), READ(1, 0), REMOVE(2, 0)}},
    {SNAPSHOT("replica-reads", 14276, 43247), KEYWISE("replica-reads", 37062, 116253),
        .words = "readonly 1", .nodes = HEIR_OF("s2"),
        .requests = {WRITE(1, 0), READ(2, 0), READ(2, 0)}},
    {SNAPSHOT("slots", 8665, 24101), KEYWISE("slots", 9959, 28022), .words = "slots 2",
        .nodes = OWNED("2"), .last = 1, .requests = {WRITE(1, 0), READ(2, 1)}},
    {SNAPSHOT("replica-lags", 9182, 26500), KEYWISE("replica-lags", 20334, 60184),
        .words = "readonly 1", .nodes = HEIR_OF("s2"), .requests = {WRITE(1, 0), READ(2, 0)},
        .slow = SLOW_STREAM},
    {SNAPSHOT("trim", 12731, 32823), .words = "batch 1 tail 14",
        .requests = {WRITE(1, 0), WRITE(2, 1)}},
    {SNAPSHOT("trim-large", 83662, 242377), .words = "value 1000 batch 1 tail 1500",
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
    {SNAPSHOT("drop", 1473, 2943), .limits = {[MOVE_DROP] = 1}},
    {SNAPSHOT("repeat", 4347, 13234), .limits = {[MOVE_REPEAT] = 1}},
    {SNAPSHOT("overtake", 765, 1873), KEYWISE("overtake", 1006, 2172),
        .limits = {[MOVE_OVERTAKE] = 1}},
    {SNAPSHOT("drop-repeat", 33826, 118826), KEYWISE("drop-repeat", 16917, 50691),
        .limits = {[MOVE_DROP] = 1, [MOVE_REPEAT] = 1}},
    {SNAPSHOT("drops", 7240, 15721), .limits = {[MOVE_DROP] = 2}},
    {SNAPSHOT("three-nodes", 3293, 8654), .words = "slots 2", .nodes = NODES("3", "2"),
        .limits = {[MOVE_DROP] = 1}},
    {SNAPSHOT("trim-drop", 121234, 333604), .words = "batch 1 tail 14",
        .limits = {[MOVE_DROP] = 1}, .requests = {WRITE(1, 0), WRITE(2, 1)}},
    {SNAPSHOT("trim-repeat", 435694, 1550196), .words = "batch 1 tail 14",
        .limits = {[MOVE_REPEAT] = 1}, .requests = {WRITE(1, 0), WRITE(2, 1)}},
    {SNAPSHOT("three-drop", 314548, 929422), KEYWISE("three-drop", 159900, 471959),
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
    {SNAPSHOT("replica-drop", 72887, 222556), KEYWISE("replica-drop", 110435, 348534),
        .words = "readonly 1", .nodes = HEIR_OF("s2"), .limits = {[MOVE_DROP] = 1},
        .requests = {WRITE(1, 0), READ(2, 0)}},
    /* Crashes, and what else goes wrong then. */
    {SNAPSHOT("source-crash", 3129, 6510), .limits = {[MOVE_CRASH] = 1}, .crashes = SOURCE},
    {SNAPSHOT("authority", 2314, 4928), KEYWISE("authority", 7262, 12940),
        .limits = {[MOVE_CRASH] = 1}, .crashes = COORDINATOR},
    {SNAPSHOT("target-crash", 8841, 16415), .limits = {[MOVE_CRASH] = 1, [MOVE_WAIT] = 4},
        .crashes = TARGET},
    {SNAPSHOT("drop-source-crash", 27538, 62938), KEYWISE("drop-source-crash", 15526, 32748),
        .limits = {[MOVE_DROP] = 1, [MOVE_CRASH] = 1}, .crashes = SOURCE},
    {SNAPSHOT("crashes", 92503, 215169), .limits = {[MOVE_CRASH] = 2},
        .crashes = SOURCE | COORDINATOR},
    {SNAPSHOT("target-crashes", 44464, 89915), .limits = {[MOVE_CRASH] = 2, [MOVE_WAIT] = 2},
        .crashes = TARGET},
    {SNAPSHOT("fence-crash", 27818, 70712), KEYWISE("fence-crash", 15588, 39614),
        .words = "execute 1ms", .limits = {[MOVE_CRASH] = 1}, .requests = {WRITE(1, 0)},
        .crashes = SOURCE},
    {KEYWISE("fence-successor", 1188162, 3444017), .words = "execute 1ms",
        .limits = {[MOVE_CRASH] = 1}, .requests = {REMOVE(1, 0), WRITE(1, 0), WRITE(2, 0)},
        .crashes = COORDINATOR},
    {SNAPSHOT("trim-target-crash", 662434, 1786186), .words = "batch 1 tail 14",
        .limits = {[MOVE_CRASH] = 1, [MOVE_WAIT] = 2}, .requests = {WRITE(1, 0), WRITE(2, 1)},
        .crashes = TARGET},
    {SNAPSHOT("trim-source-crash", 485187, 1402444), .words = "batch 1 tail 14",
        .limits = {[MOVE_CRASH] = 1}, .requests = {WRITE(1, 0), WRITE(2, 1)}, .crashes = SOURCE},
    {SNAPSHOT("mixed", 619050, 2241434), KEYWISE("mixed", 192962, 590012),
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
    {SNAPSHOT("pairs-crash", 136473, 329977), KEYWISE("pairs-crash", 46843, 115369),
        .limits = {[MOVE_CRASH] = 1, [MOVE_WAIT] = 2}, .requests = {PAIR(WRITE, 1)},
        .crashes = SOURCE | TARGET},
    {KEYWISE("three-crash", 578638, 1696821), .limits = {[MOVE_CRASH] = 1},
        .requests = {WRITE(1, 0), READ(1, 0), REMOVE(2, 0)}, .crashes = SOURCE},
    {KEYWISE("slots-drop-crash", 7357, 14883), .words = "slots 2", .nodes = OWNED("2"), .last = 1,
        .limits = {[MOVE_DROP] = 1, [MOVE_CRASH] = 1}, .crashes = SOURCE},
    {SNAPSHOT("turns-crash", 125399, 350056), .requests = {WRITE(1, 0), READ(1, 0), REMOVE(1, 0)},
        .limits = {[MOVE_CRASH] = 1}, .crashes = SOURCE},
    {KEYWISE("source-authority", 208263, 407901), .limits = {[MOVE_CRASH] = 2},
        .crashes = SOURCE | COORDINATOR},
    /* A clock that jumps while messages and appends are under way. */
    {SNAPSHOT("early", 25569, 72867), KEYWISE("early", 16134, 51295),
        .limits = {[MOVE_EARLY] = 1}, .requests = {WRITE(1, 0)}, .slow = SLOW(APPEND)},
    /* Appends that fail, or whose outcome is unknown. */
    {SNAPSHOT("journal", 852, 1679), KEYWISE("journal", 1221, 2369), .limits = {[MOVE_FAULT] = 1},
        .slow = SLOW(APPEND), .faults = SOURCE},
    {SNAPSHOT("append", 10065, 23828), KEYWISE("append", 11213, 28209),
        .limits = {[MOVE_FAULT] = 1}, .requests = {WRITE(1, 0)}, .slow = SLOW(APPEND),
        .faults = SOURCE | TARGET},
    {SNAPSHOT("journal-authority", 8157, 20633), KEYWISE("journal-authority", 9516, 25235),
        .limits = {[MOVE_FAULT] = 1}, .requests = {WRITE(1, 0)}, .slow = SLOW(APPEND),
        .faults = COORDINATOR},
    {KEYWISE("appends", 64036, 166228), .limits = {[MOVE_FAULT] = 2}, .requests = {WRITE(1, 0)},
        .slow = SLOW(APPEND), .faults = SOURCE | TARGET},
    {SNAPSHOT("append-crash", 17277, 37264), KEYWISE("append-crash", 14557, 29236),
        .limits = {[MOVE_FAULT] = 1, [MOVE_CRASH] = 1}, .slow = SLOW(APPEND), .crashes = SOURCE,
        .faults = SOURCE},
    {SNAPSHOT("fence-fails", 10859, 25646), KEYWISE("fence-fails", 8645, 22502),
        .words = "execute 1ms", .limits = {[MOVE_FAULT] = 1}, .requests = {WRITE(1, 0)},
        .slow = SLOW(FENCE), .faults = SOURCE},
    /* An operator aborts or finishes. */
    {SNAPSHOT("abort", 672, 1409), .limits = {[MOVE_ABORT] = 1}},
    {SNAPSHOT("abort-source-crash", 16460, 38299), KEYWISE("abort-source-crash", 98651, 194603),
        .limits = {[MOVE_CRASH] = 1, [MOVE_ABORT] = 1}, .crashes = SOURCE},
    {SNAPSHOT("abort-authority", 11216, 26644), .limits = {[MOVE_CRASH] = 1, [MOVE_ABORT] = 1},
        .crashes = COORDINATOR},
    {SNAPSHOT("fence-abort", 4758, 12243), KEYWISE("fence-abort", 50138, 123088),
        .words = "execute 1ms", .limits = {[MOVE_ABORT] = 1}, .requests = {WRITE(1, 0)}},
    {SNAPSHOT("finish-drop", 2947, 7185), .limits = {[MOVE_FINISH] = 1, [MOVE_DROP] = 1}},
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
    {SNAPSHOT("expire", 9155, 29248), KEYWISE("expire", 22424, 75880),
        .limits = {[MOVE_EXPIRE] = 1}, .requests = {READ(1, 0), READ(2, 0)}},
    {KEYWISE("expire-crash", 44837, 138811), .limits = {[MOVE_CRASH] = 1, [MOVE_EXPIRE] = 1},
        .requests = {READ(1, 0)}, .crashes = SOURCE},
    {KEYWISE("evict-drop", 5825, 15608), .limits = {[MOVE_DROP] = 1, [MOVE_EVICT] = 1}},
    {KEYWISE("evict", 56016, 171658), .limits = {[MOVE_EVICT] = 1},
        .requests = {WRITE(1, 0), READ(2, 0)}},
    {SNAPSHOT("evict", 11037, 28426), .limits = {[MOVE_EVICT] = 1}, .requests = {WRITE(1, 0)}},
    /* Fail-overs. */
    {SNAPSHOT("heir", 43391, 145843), .nodes = HEIR_OF("s2"),
        .limits = {[MOVE_FAILOVER] = 1, [MOVE_WAIT] = 1}, .heirs = {0, 0, 3}},
    {SNAPSHOT("heir-target", 17705, 50176), .nodes = HEIR_OF("s1"),
        .limits = {[MOVE_FAILOVER] = 1, [MOVE_WAIT] = 1}, .heirs = {0, 3}},
    {KEYWISE("heir", 59799, 158756), .nodes = HEIR_OF("s2"),
        .limits = {[MOVE_FAILOVER] = 1, [MOVE_WAIT] = 4}, .heirs = {0, 0, 3}},
    {KEYWISE("heir-target", 70588, 188234), .nodes = HEIR_OF("s1"),
        .limits = {[MOVE_FAILOVER] = 1, [MOVE_WAIT] = 4}, .heirs = {0, 3}},
    {KEYWISE("heir-lags", 75235, 201161), .nodes = HEIR_OF("s2"),
        .limits = {[MOVE_FAILOVER] = 1, [MOVE_WAIT] = 4}, .slow = SLOW_STREAM, .heirs = {0, 0, 3}},
    {SNAPSHOT("heir-lags", 50583, 169832), .nodes = HEIR_OF("s2"),
        .limits = {[MOVE_FAILOVER] = 1, [MOVE_WAIT] = 1}, .slow = SLOW_STREAM, .heirs = {0, 0, 3}},
    /* A second coordinator. */
    {SNAPSHOT("second", 80401, 241950), KEYWISE("second", 101805, 211617),
        .limits = {[MOVE_COORDINATOR] = 1}},
    {SNAPSHOT("second-drop", 447698, 1175350), .nodes = NODES("2", "0"),
        .limits = {[MOVE_COORDINATOR] = 1, [MOVE_DROP] = 1, [MOVE_WAIT] = 1}},
    {KEYWISE("second-drop", 1053649, 2417661),
        .limits = {[MOVE_COORDINATOR] = 1, [MOVE_DROP] = 1}},
    {KEYWISE("second-source-crash", 481426, 1171357), .nodes = NODES("2", "0"),
        .limits = {[MOVE_COORDINATOR] = 1, [MOVE_CRASH] = 1}, .crashes = SOURCE},
    {KEYWISE("second-repeat", 272774, 893153), .nodes = NODES("2", "0"),
        .limits = {[MOVE_COORDINATOR] = 1, [MOVE_REPEAT] = 1}},
    {SNAPSHOT("second-target-drop", 274436, 945185),
        .limits = {[MOVE_COORDINATOR] = 1, [MOVE_DROP] = 1}, .lossy = TARGET},
    /* A second migration. */
    {SNAPSHOT("both-write", 259160, 778010), .words = "slots 2", .nodes = OWNED("2"),
        .limits = {[MOVE_OPEN] = 1}, .second = {.source = 2, .target = 1},
        .requests = {WRITE(1, 0)}},
    {KEYWISE("both-writes", 372519, 1171962), .words = "slots 2", .nodes = OWNED("2"),
        .limits = {[MOVE_OPEN] = 1}, .second = {.source = 2, .target = 1},
        .requests = {WRITE(1, 0), WRITE(1, 1)}},
    {KEYWISE("both-three-write", 624052, 2033558), .words = "slots 2", .nodes = OWNED("3"),
        .limits = {[MOVE_OPEN] = 1}, .second = {.source = 2, .target = 3},
        .requests = {WRITE(1, 0)}},
    {SNAPSHOT("both", 22515, 55931), KEYWISE("both", 4185, 8615), .words = "slots 2",
        .nodes = OWNED("2"), .limits = {[MOVE_OPEN] = 1}, .second = {.source = 2, .target = 1}},
    {SNAPSHOT("both-three", 125370, 378902), KEYWISE("both-three", 50201, 127917),
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
