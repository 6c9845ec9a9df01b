#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compile every library source with a bare compiler, and look at what the objects need and hold.

    bare.py ROOT CC...

Proves: no generated header is needed; no warning; the library needs nothing but the functions of
ALLOWED (no clock, no file, no socket, no thread, no stdio); it has no writable data but KEPT, so no
global state; every symbol that a static link can see starts with reshard_.
"""
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

FLAGS = ["-std=c11", "-O1", "-fno-pic", "-Wall", "-Wextra", "-Wconversion", "-Wshadow",
         "-Wpedantic", "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wundef", "-Wvla",
         "-Werror", "-Iinclude", "-Isrc", "-c"]
MEMORY = {"malloc", "calloc", "realloc", "free", "aligned_alloc", "abort"}
STRINGS = {"memcpy", "memmove", "memset", "memcmp", "memchr", "strlen", "strcmp", "bcmp"}
ALGORITHMS = {"qsort", "bsearch"}
CBOR = {"cbor_stream_decode", "cbor_empty_callbacks"}
ALLOWED = MEMORY | STRINGS | ALGORITHMS | CBOR
# __cpu_model: what the compiler's runtime found out about the processor before main; only read.
COMPILER_MADE = ("_GLOBAL_OFFSET_TABLE_", "__stack_chk_fail", "__cpu_model")
# Which memory a thread's exhaustive search lies in: the simulator's, and no engine's.
KEPT = {("src/sim/arena.c", "current")}


def permitted(symbol):
    """Whether the library may need this symbol of another library."""
    encoder = symbol.startswith(("cbor_encode_", "cbor_null_"))
    return symbol in ALLOWED or encoder or symbol in COMPILER_MADE


def compile_all(root, compiler, folder):
    """Objects by source; prints what fails."""
    sources = sorted(
        os.path.relpath(os.path.join(path, name), root)
        for path, _, names in os.walk(os.path.join(root, "src"))
        for name in names
        if name.endswith(".c")
    )

    def one(source):
        target = os.path.join(folder, source.replace("/", "-") + ".o")
        command = [*compiler, *FLAGS, source, "-o", target]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        return source, target, done.returncode, done.stderr

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(one, sources))


def symbols(target):
    """(kind, name) of each symbol of an object."""
    lines = subprocess.run(
        ["nm", "-P", target], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return [(line.split()[1], line.split()[0]) for line in lines]


def findings(objects):
    """What the objects need or hold and should not."""
    tables = {source: symbols(target) for source, target in objects.items()}
    own = {name for table in tables.values() for kind, name in table if kind in "TRDBC"}
    for source, table in tables.items():
        for kind, name in table:
            if kind in "Uw" and name not in own and not permitted(name):
                yield f"{source}: needs {name}"
            if kind in "dDbBC" and (source, name) not in KEPT:
                yield f"{source}: writable data {name}"
            if kind in "TR" and not name.startswith("reshard_"):
                yield f"{source}: {name} is visible to static links"


def main(root, compiler):
    """0 when every source compiles and nothing is found."""
    with tempfile.TemporaryDirectory() as folder:
        failed, objects = 0, {}
        for source, target, status, errors in compile_all(root, compiler, folder):
            objects[source] = target
            if status:
                failed += 1
                print(f"{source}: does not compile\n{errors}")
        found = [] if failed else list(findings(objects))
    print(*found, sep="\n")
    print(f"{len(objects)} sources, {failed} fail to compile, {len(found)} findings")
    return 1 if failed or found or not objects else 0


def fires(compiler):
    """0 when impure sources are found out, each by its own finding."""
    cases = {
        "needs time": "long time(long *); long reshard_x(void) { return time(0); }",
        "needs puts": "int puts(const char *); int reshard_x(void) { return puts(0); }",
        "needs cbor_load": "void *cbor_load(void); void *reshard_x(void) { return cbor_load(); }",
        "writable data": "static int count; int *reshard_x(void) { return &count; }",
        "is visible": "int stray(void) { return 1; }",
    }
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for expected, text in cases.items():
            source, target = os.path.join(folder, "x.c"), os.path.join(folder, "x.o")
            with open(source, "w", encoding="utf-8") as file:
                file.write(text + "\n")
            flags = ["-w", "-fno-pic", "-fno-builtin", "-c"]
            subprocess.run([*compiler, *flags, source, "-o", target], check=True)
            found = list(findings({"x.c": target}))
            if len(found) != 1 or expected not in found[0]:
                failed += 1
                print(f"{expected}: {found}")
    print(f"{len(cases)} impure sources, {failed} not found out")
    return 1 if failed else 0


if __name__ == "__main__":
    if sys.argv[1] == "--self-test":
        sys.exit(fires(sys.argv[2:]))
    sys.exit(main(sys.argv[1], sys.argv[2:]))
