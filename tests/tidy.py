#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The house rules as a test.

    tests/tidy.py [ROOT]        check the tree; prints PATH:LINE: RULE: what; exit 1 if any
    tests/tidy.py --self-test   a small tree per rule that must fire, and a clean one that must not

Each rule is a function of a tree (path -> text) that yields (path, line, what). A rule without a
case in tests/tools/tidy_cases.py fails the self-test. Touches the files it reads, nothing else.
"""
import ast
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "tools"))
import cscan

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
COMPLEXITY_MAX = 10
COLUMNS_MAX = 100

# A file includes only rooms on floors below its own, or its own room. A fix is made of plans, so
# audit stands on plan within their floor.
FLOORS = {
    "base": 0, "slot": 1, "map": 2, "plan": 3, "audit": 3.5, "router": 3, "wire": 4, "phase": 5,
    "node": 6, "coordinator": 6, "driver": 7, "sim": 8,
}
# Public headers that are not named after their room. reshard.h stands on the roof: hosts
# include it, the library never does.
HEADER_ROOMS = {
    "export": "base", "status": "base", "types": "base", "version": "base",
    "action": "base", "event": "base", "journal": "wire",
}
ROOF = "reshard"

CORE_HEADERS = {
    "stdint.h", "stddef.h", "stdbool.h", "stdalign.h", "stdatomic.h", "limits.h", "float.h",
    "string.h", "stdlib.h", "inttypes.h", "xxhash.h", "cbor.h", "cbor/encoding.h",
    "cbor/streaming.h", "cbor/callbacks.h", "cbor/data.h", "cbor/configuration.h",
    "tmmintrin.h", "wmmintrin.h",
}
CBOR_ALLOWED = re.compile(
    r"cbor_(encode_(uint\w*|bytestring_start|array_start|map_start|tag|bool|null|negint\w*|"
    r"string_start)|stream_decode|callbacks|empty_callbacks|decoder_\w+|null_\w+_callback|"
    r"data|mutable_data)$"
)
CALLS_FORBIDDEN = re.compile(
    r"(?<![\w.>])(time|clock|clock_\w+|gettimeofday|localtime|gmtime|nanosleep|sleep|usleep|rand|"
    r"rand_r|random|srand|drand48|getrandom|arc4random|getenv|setenv|secure_getenv|printf|"
    r"fprintf|sprintf|snprintf|vsnprintf|puts|putchar|perror|fopen|fclose|fread|fwrite|fputs|"
    r"fgets|scanf|sscanf|exit|system|strtok|setlocale|setjmp|longjmp|alloca|atoi|strtod)\s*\("
)
# Memory and abort have one home each; everything else goes through them.
CALLS_AT_HOME = {
    "malloc": "src/base/mem.c", "calloc": "src/base/mem.c", "realloc": "src/base/mem.c",
    "free": "src/base/mem.c", "abort": "src/base/check.c",
}

# libreshard-sim is a library of its own, on the core's outside: it has libc's memory.
SIMULATOR = "src/sim/"
SIMULATOR_HEADERS = ("stdarg.h", "reshard-sim/linear.h", "reshard-sim/sim.h")

# THE assignment of a live migration's phase, in the rooms that hold one. Messages and records
# have a phase field too: they are values named by `.`, or these pointers.
PHASE_ROOMS = ("src/coordinator/", "src/phase/")
PHASE_HOME = "reshard__phase_enter"
PHASE_MESSAGES = ("message", "order", "report", "record", "out", "event", "view", "info")
PHASE_WRITE = re.compile(r"(?:(\w+)\s*->|\])\s*phase\s*(?:[-+|&^]?=(?!=)|\+\+|--)")

WORDS = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b")
TOP_LEVEL = {"include", "src", "examples", "tests", "meson.build", "meson_options.txt", "README.md"}
CHECKED = (".c", ".h", ".py", ".sh", ".js", ".mjs", ".rs", ".go", ".cddl", ".build", ".y")
CHECKED_NAMES = ("run", "meson_options.txt", "Doxyfile", ".clang-tidy", ".clang-format")
SKIPPED_DIRS = {"node_modules", "__pycache__", "corpus", "target"}
API_LINE = ("Calls:", "Allocates:", "Threads:", "Re-entry:")
RULES = []


def rule(function):
    """Register a rule; its id is the function's name."""
    RULES.append(function)
    return function


def is_c(path):
    """C sources and headers."""
    return path.endswith((".c", ".h"))


def room_of(path):
    """Room of a file under src/ or of a public header; None elsewhere."""
    parts = path.split("/")
    if parts[0] == "src" and len(parts) == 3:
        return parts[1]
    if parts[:2] == ["include", "reshard"]:
        stem = parts[2].rsplit(".", 1)[0]
        return HEADER_ROOMS.get(stem, stem)
    return None


def plain(text):
    """Code without comments, literals and preprocessor lines."""
    return cscan.plain_of(cscan.code_of(text))


def sources(tree):
    """(path, room, stem) of each C source in a room."""
    for path in tree:
        parts = path.split("/")
        if parts[0] == "src" and len(parts) == 3 and path.endswith(".c"):
            yield path, parts[1], parts[2][:-2]


@rule
def licence(tree):
    """Every file names its licence in the first two lines."""
    for path, text in tree.items():
        if "SPDX-License-Identifier: MIT" not in "\n".join(text.split("\n", 2)[:2]):
            yield path, 1, "no SPDX-License-Identifier: MIT"


@rule
def purpose(tree):
    """Library files open with a comment that says what they are for."""
    for path, text in tree.items():
        if is_c(path) and path.startswith(("src/", "include/")):
            rest = text.split("\n", 1)[1] if "\n" in text else ""
            if not rest.lstrip().startswith("/*"):
                yield path, 2, "the first comment must say what the file is for"


@rule
def layout(tree):
    """Lines, columns, tabs, trailing blanks, last newline."""
    for path, text in tree.items():
        lines = text.split("\n")
        if len(lines) - 1 > FILE_LINES_MAX:
            yield path, FILE_LINES_MAX, f"{len(lines) - 1} lines, at most {FILE_LINES_MAX}"
        if not text.endswith("\n"):
            yield path, len(lines), "no newline at the end"
        for number, line in enumerate(lines, 1):
            if len(line) > COLUMNS_MAX:
                yield path, number, f"{len(line)} columns, at most {COLUMNS_MAX}"
            if line.rstrip() != line:
                yield path, number, "blanks at the end of the line"
            if "\t" in line and not path.endswith(".go"):
                yield path, number, "tab"


@rule
def words(tree):
    """No notes to self."""
    for path, text in tree.items():
        for match in WORDS.finditer(text):
            yield path, cscan.line_of(text, match.start()), f"the word {match.group(0)}"


@rule
def function_size(tree):
    """Functions stay short enough to be read at once."""
    for path, text in tree.items():
        found = []
        if is_c(path):
            found = [(f.name, f.line, f.end) for f in cscan.functions(plain(text))]
        elif path.endswith(".py"):
            nodes = ast.walk(ast.parse(text))
            defs = [n for n in nodes if isinstance(n, ast.FunctionDef)]
            found = [(n.name, n.lineno, n.end_lineno) for n in defs]
        for name, line, end in found:
            if end - line + 1 > FUNCTION_LINES_MAX:
                yield path, line, f"{name}: {end - line + 1} lines, at most {FUNCTION_LINES_MAX}"


@rule
def complexity(tree):
    """Cyclomatic complexity of every C function, tests and examples included."""
    for path, text in tree.items():
        if is_c(path):
            for f in cscan.functions(plain(text)):
                if f.complexity > COMPLEXITY_MAX:
                    yield path, f.line, f"{f.name}: {f.complexity}, at most {COMPLEXITY_MAX}"


def floor_error(own, header):
    """Why room `own` may not include this header of the library, or None."""
    public = header.startswith("reshard/")
    room = room_of("include/" + header) if public else header.split("/")[0]
    if room == ROOF:
        return "the umbrella is for hosts"
    if room not in FLOORS:
        return f"{header}: unknown room {room}; public headers not named so go to HEADER_ROOMS"
    if room != own and FLOORS[room] >= FLOORS[own]:
        return f"{header}: floor {FLOORS[room]} from floor {FLOORS[own]}"
    return None


@rule
def floors(tree):
    """Includes go down the house, never up or sideways."""
    for path, text in tree.items():
        own = room_of(path)
        if not is_c(path) or own is None or own == ROOF:
            continue
        if own not in FLOORS:
            yield path, 1, f"unknown room {own}; public headers not named so go to HEADER_ROOMS"
            continue
        for line, mark, header in cscan.includes(text):
            inside = mark == '"' or header.startswith("reshard/")
            error = floor_error(own, header) if inside else None
            if error:
                yield path, line, error


@rule
def outsiders(tree):
    """Examples see what a host sees: public headers, and their own files."""
    for path, text in tree.items():
        if not is_c(path) or not path.startswith("examples/"):
            continue
        for line, mark, header in cscan.includes(text):
            beside = {os.path.normpath(os.path.join(os.path.dirname(path), header)),
                      "examples/" + header}
            if mark == '"' and header.split("/")[0] in FLOORS and not beside & set(tree):
                yield path, line, f"{header}: internal header in an example"


@rule
def core_headers(tree):
    """The core includes freestanding headers, memory and strings, xxHash and libcbor."""
    for path, text in tree.items():
        if is_c(path) and room_of(path):
            for line, mark, header in cscan.includes(text):
                known = header.startswith("reshard/") or header in CORE_HEADERS
                if path.startswith(SIMULATOR):
                    known |= header in SIMULATOR_HEADERS or header.startswith("reshard-sim/")
                if mark == "<" and not known:
                    yield path, line, f"<{header}> in the core"


@rule
def forbidden_calls(tree):
    """No item API of libcbor, no clock, randomness, environment, stdio, or stray malloc."""
    for path, text in tree.items():
        if not is_c(path) or not path.startswith("src/"):
            continue
        code = cscan.code_of(text)
        for match in re.finditer(r"\b(cbor_\w+|errno)\b(?!\.h|/)", code):
            if not CBOR_ALLOWED.match(match.group(1)):
                yield path, cscan.line_of(code, match.start()), match.group(1)
        for match in CALLS_FORBIDDEN.finditer(code):
            yield path, cscan.line_of(code, match.start()), match.group(1)
        for match in re.finditer(r"(?<![\w.>])(\w+)\s*\(", code):
            home = CALLS_AT_HOME.get(match.group(1))
            if home and home != path and not path.startswith(SIMULATOR):
                yield path, cscan.line_of(code, match.start()), f"{match.group(1)} outside {home}"


@rule
def phase_once(tree):
    """A live migration's phase is assigned at one place only, in PHASE_HOME."""
    writes = []
    for path, text in tree.items():
        if not path.endswith(".c") or not path.startswith(PHASE_ROOMS):
            continue
        for f in cscan.functions(plain(text)):
            for match in PHASE_WRITE.finditer(f.body):
                if match.group(1) not in PHASE_MESSAGES:
                    writes.append((path, f.line, f.name))
    for path, line, name in writes:
        if name != PHASE_HOME:
            yield path, line, f"{name} assigns a phase; only {PHASE_HOME} may"
    for path, line, name in writes[1:]:
        yield path, line, f"assignment {len(writes)} of a phase in {name}; one is allowed"
    if not writes and any("->phase" in t for p, t in tree.items() if p.startswith(PHASE_ROOMS[0])):
        yield PHASE_ROOMS[0], 1, f"no assignment of a phase in {PHASE_HOME}"


def doc_errors(declaration):
    """What a public declaration's comment lacks."""
    comment = declaration.comment
    if not comment:
        yield "no doc comment"
        return
    tags = re.findall(r"@param\s+(?:\[[^\]]*\]\s*)?(\w+)", comment)
    for name in declaration.params:
        if name not in tags:
            yield f"no @param {name}"
    for name in tags:
        if name not in declaration.params:
            yield f"@param {name} is not a parameter"
    for name in set(tags):
        if not re.search(rf"@param\s+{name}\s+\[(in|out|in,\s?out)\b", comment):
            yield f"@param {name} has no direction [in], [out] or [in,out]"
    if (declaration.returns != "void") != ("@return" in comment):
        yield "@return is missing" if declaration.returns != "void" else "@return of a void"
    for label in API_LINE:
        if label not in comment:
            yield f"no {label}"


@rule
def docs(tree):
    """Each public declaration says what it takes, returns, calls and allocates."""
    for path, text in tree.items():
        if path.startswith("include/") and path.endswith(".h"):
            for declaration in cscan.api_declarations(text):
                for what in doc_errors(declaration):
                    yield path, declaration.line, f"{declaration.name}: {what}"


@rule
def names(tree):
    """Prefixes that survive static linking; no _t, which POSIX keeps for itself."""
    for path, text in tree.items():
        if not is_c(path) or not path.startswith(("src/", "include/")):
            continue
        code = plain(text)
        for match in re.finditer(r"\bstruct\s+\w+_t\b|\btypedef\b[^;{]*\b\w+_t\s*;", code):
            yield path, cscan.line_of(code, match.start()), "a type's name ends in _t"
        for f in cscan.functions(code):
            if not f.static and not f.name.startswith("reshard_"):
                yield path, f.line, f"{f.name}: neither static nor reshard_ or reshard__"
        if path.startswith("include/"):
            yield from public_names(path, text)


def public_names(path, text):
    """Everything that a public header declares carries the library's name."""
    found = [(n, "reshard_") for n, _ in cscan.structs(text)]
    found += [(n, "RESHARD_") for n in cscan.constants(text)]
    found += [(n, "RESHARD_") for n in re.findall(r"^\s*#\s*define\s+(\w+)", text, re.M)]
    found += [(d.name, "reshard_") for d in cscan.api_declarations(text)]
    for name, prefix in found:
        if not name.startswith(prefix) or name.startswith("reshard__"):
            yield path, 1, f"{name}: public names start with {prefix}"


@rule
def public_types(tree):
    """Public types survive any compiler and any language's bindings."""
    bad = re.compile(r"\b(bool|long|unsigned|union|_Bool|va_list|wchar_t|time_t)\b|\.\.\.|"
                     r"\b(?:uint|int)\d+_t\s+\w+\s*:\s*\d|\benum\s+\w+\s+\w+\s*[;,)]")
    for path, text in tree.items():
        if path.startswith("include/") and path.endswith(".h"):
            code = plain(text)
            for match in bad.finditer(code):
                line = cscan.line_of(code, match.start())
                yield path, line, f"`{match.group(0).strip()}` in a public header"
            for match in re.finditer(r"^\s*#\s*define\s+RESHARD_\w+\(", text, re.M):
                yield path, cscan.line_of(text, match.end()), "function-like macro"


@rule
def listed(tree):
    """Each source is built, each has its own test, each test file runs."""
    for path, room, stem in sources(tree):
        if f"'{stem}.c'" not in tree.get(f"src/{room}/meson.build", ""):
            yield path, 1, f"not in src/{room}/meson.build"
        test = f"tests/unit/{room}/test_{stem}.c"
        if room != "sim" and test not in tree:
            yield path, 1, f"has no {test}"
    for path in tree:
        parts = path.split("/")
        if path.startswith("tests/unit/") and path.endswith(".c"):
            if f"'{parts[-1]}'" not in tree.get("/".join(parts[:-1]) + "/meson.build", ""):
                yield path, 1, "not in its meson.build"


@rule
def umbrella(tree):
    """reshard.h includes every public header, and every public header is installed."""
    roof = tree.get("include/reshard/reshard.h", "")
    for path in tree:
        if path.startswith("include/reshard/") and path.endswith(".h"):
            name = path.rsplit("/", 1)[1]
            if name != "reshard.h" and f"#include <reshard/{name}>" not in roof:
                yield path, 1, "not included by reshard.h"
            if f"'{name}'" not in tree.get("include/reshard/meson.build", ""):
                yield path, 1, "not in include/reshard/meson.build"


@rule
def test_names(tree):
    """Test(file, subject_condition_expectation), at least one in each test file."""
    macro = re.compile(r"^(?:(Test)|ParameterizedTest|Theory)\s*\(", re.M)
    for path, text in tree.items():
        if not path.startswith("tests/unit/") or not path.endswith(".c"):
            continue
        code = plain(text)
        stem = path.split("/")[-1][:-2]
        found = list(macro.finditer(code))
        if stem.startswith("test_") and not found:
            yield path, 1, "holds no test"
        for match in found:
            end = cscan.closing(code, match.end() - 1)
            parts = cscan.split_top(code[match.end() : end], ",")
            suite, name = parts[:2] if match.group(1) else parts[1:3]
            line = cscan.line_of(code, match.start())
            if suite != stem[5:]:
                yield path, line, f"suite {suite} in {stem}.c"
            if name.count("_") < 2:
                yield path, line, f"{name}: subject_condition_expectation"


@rule
def version(tree):
    """One version: meson's and the header's."""
    header = tree.get("include/reshard/version.h", "")
    numbers = re.findall(r"RESHARD_VERSION_(?:MAJOR|MINOR|PATCH)\s*=\s*(\d+)", header)
    if header and f"version: '{'.'.join(numbers)}'" not in tree.get("meson.build", ""):
        yield "meson.build", 1, f"the header says {'.'.join(numbers)}"


@rule
def top_level(tree):
    """Nothing new at the top."""
    for path in sorted({p.split("/")[0] for p in tree}):
        if path not in TOP_LEVEL and not path.startswith((".", "build")):
            yield path, 1, "not one of " + ", ".join(sorted(TOP_LEVEL))


def check(tree):
    """All findings of all rules: (path, line, rule, what)."""
    return sorted((p, n, r.__name__, w) for r in RULES for p, n, w in r(tree))


def read_tree(root):
    """The files that the rules look at."""
    tree = {}
    for folder, dirs, files in os.walk(root):
        inside = os.path.relpath(folder, root)
        dirs[:] = sorted(
            d for d in dirs if d not in SKIPPED_DIRS and not d.startswith("build")
            and (inside != "." or not d.startswith(".") or d == ".ci")
        )
        for name in sorted(files):
            if name.endswith(CHECKED) or name in CHECKED_NAMES:
                path = os.path.normpath(os.path.join(inside, name))
                with open(os.path.join(root, path), encoding="utf-8") as file:
                    tree[path] = file.read()
    return tree


def main(arguments):
    """Check a tree, or the rules themselves."""
    if arguments == ["--self-test"]:
        import tidy_cases

        return tidy_cases.run(check, [r.__name__ for r in RULES])
    here = os.path.dirname(os.path.abspath(__file__))
    root = arguments[0] if arguments else os.path.dirname(here)
    tree = read_tree(root)
    found = check(tree)
    found += [(p, n, "top_level", w) for p, n, w in top_level(dict.fromkeys(os.listdir(root)))]
    for path, line, name, what in found:
        print(f"{path}:{line}: {name}: {what}")
    print(f"{len(tree)} files, {len(RULES)} rules, {len(found)} findings")
    return 1 if found or not tree else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
