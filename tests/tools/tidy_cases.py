# SPDX-License-Identifier: MIT
"""Cases that make each rule of tests/tidy.py fire, over one clean tree on which none does.

A case is a set of files laid over the clean tree; None removes a file. Exactly the named rule must
report, so a rule that fires too widely fails its neighbours' cases.
"""
LICENCE = "/* SPDX-License-Identifier: MIT */\n"
HASH = "# SPDX-License-Identifier: MIT\n"
HEADER = (
    LICENCE
    + """/** @file map.h
 * A map.
 */
#include <reshard/export.h>
/** Kinds. */
enum { RESHARD_KIND_ONE = 1 /**< one */ };
/** Pair. */
struct reshard_pair {
    uint32_t a; /**< first */
    void *(*resize)(void *user_data, size_t size); /**< second */
};
/** Look up.
 * @param map [in] non-NULL.
 * @param slot [in] index.
 * @return the owner.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API uint32_t reshard_map_owner(const struct reshard_map *map, uint32_t slot);
"""
)
SOURCE = (
    LICENCE
    + """/* Owners. */
#include "map/map.h"
#include <reshard/map.h>
#include <string.h>

static int helper(int a)
{
    return a ? 1 : 2; /* if (x) while (y) time(NULL) */
}

uint32_t reshard_map_owner(const struct reshard_map *map, uint32_t slot)
{
    const char *text = "malloc( if if for {";
    hooks->time(text);
    return (uint32_t)helper((int)slot) + map->owners[slot];
}
"""
)
PHASE = (
    LICENCE
    + """/* The one place. */
#include "phase/phase.h"
void reshard__phase_enter(struct migration *migration, uint8_t phase)
{
    migration->phase = phase;
}
static void order_fill(struct reshard__message *message, struct migration *migration)
{
    message->phase = migration->phase;
    if (migration->phase == 3)
        message->phase = 4;
}
"""
)
TEST = LICENCE + "Test(owner, lookup_unowned_slot_is_zero)\n{\n    cr_assert(1);\n}\n"
TEST_LIST = HASH + "room_tests = files('test_owner.c')\n"
VERSION = LICENCE + """/** @file version.h */
enum { RESHARD_VERSION_MAJOR = 0, RESHARD_VERSION_MINOR = 1, RESHARD_VERSION_PATCH = 0 };
"""
ROOF = LICENCE + """/** @file reshard.h */
#include <reshard/export.h>
#include <reshard/map.h>
#include <reshard/version.h>
"""
HEADERS = HASH + "files('export.h', 'map.h', 'reshard.h', 'version.h')\n"
CLEAN = {
    "meson.build": HASH + "project('reshard', version: '0.1.0')\n",
    "include/reshard/export.h": LICENCE + "/** @file export.h */\n",
    "include/reshard/version.h": VERSION,
    "include/reshard/map.h": HEADER,
    "include/reshard/reshard.h": ROOF,
    "include/reshard/meson.build": HEADERS,
    "src/map/map.h": LICENCE + "/* Room map. */\n#include \"slot/slot.h\"\n",
    "src/map/owner.c": SOURCE,
    "src/map/meson.build": HASH + "src += files('owner.c')\n",
    "src/coordinator/step.c": PHASE,
    "src/coordinator/meson.build": HASH + "src += files('step.c')\n",
    "tests/unit/map/test_owner.c": TEST,
    "tests/unit/map/meson.build": TEST_LIST,
    "tests/unit/coordinator/test_step.c": TEST.replace("owner", "step"),
    "tests/unit/coordinator/meson.build": TEST_LIST.replace("owner", "step"),
    "examples/one.c": LICENCE + "#include <reshard/reshard.h>\n",
    "tests/make.py": HASH + "def f():\n    return 1\n",
}


def body(statement):
    """SOURCE with one more statement in its static function."""
    return SOURCE.replace("{\n    return a", "{\n    " + statement + "\n    return a")


def header(old, new):
    """HEADER with a replacement that must apply."""
    assert old in HEADER, old
    return {"include/reshard/map.h": HEADER.replace(old, new)}


def source(text):
    """The clean tree's source, replaced."""
    return {"src/map/owner.c": text}


CASES = [
    ("licence", {"tests/make.py": "def f():\n    return 1\n"}),
    ("purpose", {"src/map/map.h": LICENCE + '#include "slot/slot.h"\n'}),
    ("layout", source(SOURCE + "/* " + "x" * 100 + " */\n")),
    ("layout", source(SOURCE + "/* a */ \n")),
    ("layout", source(SOURCE + "\t/* a */\n")),
    ("layout", source(SOURCE + "/* a */")),
    ("layout", source(SOURCE + "/* a */\n" * 600)),
    ("words", source(SOURCE + "/* " + "TO" + "DO: later */\n")),
    ("function_size", source(body("a++;\n" * 70).replace("\na++", "\n    a++"))),
    ("function_size", {"tests/make.py": HASH + "def f():\n" + "    x = 1\n" * 71}),
    ("complexity", source(body("while (a" + " || a && a" * 4 + ")\n        a++;"))),
    ("complexity", source(body("switch (a) {\n" + "    case 1:\n" * 10 + "    }"))),
    ("floors", source(SOURCE.replace("map/map.h", "plan/plan.h"))),
    ("floors", source(SOURCE.replace("reshard/map.h", "reshard/wire.h"))),
    ("floors", source(SOURCE.replace("reshard/map.h", "reshard/reshard.h"))),
    ("floors", source(SOURCE.replace("map/map.h", "nowhere/x.h"))),
    ("floors", header("reshard/export.h", "reshard/plan.h")),
    ("outsiders", {"examples/one.c": LICENCE + '#include "map/map.h"\n'}),
    ("core_headers", source(SOURCE.replace("<string.h>", "<stdio.h>"))),
    ("core_headers", header("<reshard/export.h>", "<time.h>")),
    ("forbidden_calls", source(body("cbor_load(a);"))),
    ("forbidden_calls", source(body("cbor_item_t *item;"))),
    ("forbidden_calls", source(body("cbor_encode_double(a);"))),
    ("forbidden_calls", source(body("time(NULL);"))),
    ("forbidden_calls", source(body("snprintf(b, 1, c);"))),
    ("forbidden_calls", source(body("rand();"))),
    ("forbidden_calls", source(body("getenv(c);"))),
    ("forbidden_calls", source(body("free(b);"))),
    ("forbidden_calls", source(body("a = errno;"))),
    ("phase_once", {"src/coordinator/step.c": PHASE.replace("phase_enter", "phase_leave")}),
    ("phase_once", {"src/coordinator/step.c": PHASE.replace("= phase;", "= phase, m->phase = 1;")}),
    ("phase_once", {"src/coordinator/step.c": PHASE.replace("= phase;", "= phase, m->phase++;")}),
    ("phase_once", {"src/coordinator/step.c": PHASE.replace("migration->phase = ", "phase |= ")}),
    ("docs", header("/** Look up.\n", "/* Look up.\n")),
    ("docs", header(" * @param slot [in] index.\n", "")),
    ("docs", header(" * @param slot [in]", " * @param slots [in] x\n * @param slot [in]")),
    ("docs", header("@param slot [in]", "@param slot")),
    ("docs", header(" * @return the owner.\n", "")),
    ("docs", header("Re-entry: yes", "")),
    ("docs", header("Allocates: never", "")),
    ("names", source(SOURCE.replace("reshard_map_owner", "map_owner"))),
    ("names", source(body("struct thing_t *x;"))),
    ("names", header("RESHARD_KIND_ONE", "KIND_ONE")),
    ("names", header("struct reshard_pair", "struct pair")),
    ("public_types", header("uint32_t a;", "bool a;")),
    ("public_types", header("uint32_t a;", "uint32_t a : 3;")),
    ("public_types", header("uint32_t slot);", "unsigned long slot);")),
    ("public_types", header("/** Kinds. */", "#define RESHARD_TWICE(x) x\n/** Kinds. */")),
    ("listed", {"src/map/meson.build": HASH}),
    ("listed", {"tests/unit/map/test_owner.c": None}),
    ("listed", {"tests/unit/map/meson.build": HASH}),
    ("test_names", {"tests/unit/map/test_owner.c": TEST.replace("(owner", "(other")}),
    ("test_names", {"tests/unit/map/test_owner.c": TEST.replace("_slot_is_zero", "")}),
    ("test_names", {"tests/unit/map/test_owner.c": LICENCE}),
    ("umbrella", {"include/reshard/reshard.h": ROOF.replace("<reshard/map.h>", "<string.h>")}),
    ("umbrella", {"include/reshard/meson.build": HEADERS.replace("'map.h', ", "")}),
    ("version", {"meson.build": HASH + "project('reshard', version: '0.2.0')\n"}),
    ("top_level", {"scripts/x.py": HASH}),
]


def run(check, rules):
    """Run every case; 0 when each rule fires exactly where it should."""
    failed = 0
    clean = check(CLEAN)
    for finding in clean:
        print("clean tree:", finding)
    for number, (name, files) in enumerate(CASES):
        tree = {p: t for p, t in {**CLEAN, **files}.items() if t is not None}
        fired = {finding[2] for finding in check(tree)}
        if fired != {name}:
            failed += 1
            print(f"case {number}: {name} expected, {sorted(fired)} fired")
    for name in sorted(set(rules) - {name for name, _ in CASES}):
        failed += 1
        print(f"rule {name} has no case")
    print(f"{len(CASES)} cases, {len(rules)} rules, {failed + len(clean)} failures")
    return 1 if failed or clean else 0
