#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The ABI, pinned: one text file a public header under tests/frame/abi/.

    tests/frame/abi.py BUILD            compare; exit 1 on any difference
    tests/frame/abi.py --update BUILD   after a change that is meant: write the files anew

BUILD is a compiled build folder (`meson compile -C BUILD`). A pin lists a header's functions,
constants with their values, and structs with the size and offset of each member (LP64). Functions
must be exported by the shared library, and it must export nothing else. Structs have no holes: what
is not a member cannot be zeroed by a caller or checked here. Code that is compiled against an older
header keeps running only while lines here are added, never changed or removed.
"""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PINS = os.path.join(HERE, "abi")
sys.path.insert(0, os.path.join(ROOT, "tests", "tools"))
import cscan

# What sanitizers and coverage add to a shared library.
INSTRUMENTS = ("__asan", "__ubsan", "__sanitizer", "__gcov", "__llvm", "__odr_asan", "__start_",
               "__stop_", "mangle_path", "_init", "_fini")


def read(path):
    """Text of a file; '' when there is none."""
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as file:
        return file.read()


def exported(build):
    """Names that the shared library exports."""
    library = os.path.join(build, "src", "libreshard.so")
    command = ["nm", "-D", "-P", "--defined-only", library]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return {line.split()[0] for line in lines if not line.startswith(INSTRUMENTS)}


def program(name, text):
    """A C program that prints the constants and layouts of a header."""
    lines = [
        "#include <stddef.h>",
        "#include <stdio.h>",
        f"#include <reshard/{name}>",
        "int main(void)",
        "{",
    ]
    for constant in cscan.constants(text):
        lines.append(f'    printf("constant {constant} %lld\\n", (long long){constant});')
    for struct, members in cscan.structs(text):
        lines.append(f'    printf("struct {struct} %zu\\n", sizeof(struct {struct}));')
        for member in members:
            offset = f"offsetof(struct {struct}, {member})"
            size = f"sizeof(((struct {struct} *)0)->{member})"
            lines.append(f'    printf("    {member} %zu %zu\\n", {offset}, {size});')
    return "\n".join(lines + ["    return 0;", "}", ""])


def pin_of(name, text, folder):
    """What the pin of a header must say now."""
    source, target = os.path.join(folder, "pin.c"), os.path.join(folder, "pin")
    with open(source, "w", encoding="utf-8") as file:
        file.write(program(name, text))
    include = os.path.join(ROOT, "include")
    subprocess.run(["cc", "-std=c11", "-I", include, source, "-o", target], check=True)
    out = subprocess.run([target], capture_output=True, text=True, check=True).stdout
    functions = sorted(declaration.name for declaration in cscan.api_declarations(text))
    return "".join(f"function {function}\n" for function in functions) + out


def compare(name, pin, now):
    """Print the lines that differ; their number."""
    old, new = pin.splitlines(), now.splitlines()
    lost, added = [x for x in old if x not in new], [x for x in new if x not in old]
    if not lost and not added and old != new:
        lost = ["(the order of lines)"]
    for line in lost:
        print(f"{name}: pinned, but gone or changed: {line.strip()}")
    for line in added:
        print(f"{name}: not pinned: {line.strip()}")
    return len(lost) + len(added)


def holes(pin):
    """Members and structs before whose end there are bytes that no member names."""
    struct, size, end = "", 0, 0
    for line in [*pin.splitlines(), "struct - 0"]:
        words = line.split()
        if words[0] == "struct":
            if end != size:
                yield f"{struct} ends in {size - end} bytes of padding"
            struct, size, end = words[1], int(words[2]), 0
        elif line.startswith(" "):
            if int(words[1]) != end:
                yield f"{struct}: padding before {words[0]}"
            end = int(words[1]) + int(words[2])


def main(update, build):
    """Compare or update the pins; 0 when all is as pinned and exported."""
    include = os.path.join(ROOT, "include", "reshard")
    names = sorted(n for n in os.listdir(include) if n.endswith(".h"))
    declared, failures = {}, 0
    os.makedirs(PINS, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            text = read(os.path.join(include, name))
            declared.update((d.name, name) for d in cscan.api_declarations(text))
            now = pin_of(name, text, folder)
            for hole in holes(now):
                failures += 1
                print(f"{name}: {hole}")
            path = os.path.join(PINS, name[:-2] + ".txt")
            if update and now:
                with open(path, "w", encoding="utf-8") as file:
                    file.write(now)
            failures += compare(name, read(path), now)
    found = exported(build)
    missing = set(declared) - found
    for function in sorted(missing):
        print(f"{declared[function]}: {function} is declared, but not exported")
    for symbol in sorted(found - set(declared)):
        print(f"{symbol} is exported, but in no public header")
    failures += len(missing) + len(found - set(declared))
    print(f"{len(names)} headers, {len(declared)} functions, {failures} differences")
    if failures:
        print("if they are meant: tests/frame/abi.py --update BUILD")
    return 1 if failures or not found else 0


def fires():
    """0 when a hole, a tail, a lost and a new line are found."""
    padded = "struct a 24\n    x 0 4\n    y 8 8\n    z 16 4\nstruct b 4\n    x 0 4\n"
    found = list(holes(padded))
    good = len(found) == 2 and compare("x.h", "a\nb\n", "a\nc\n") == 2
    good = good and compare("x.h", "a\nb\n", "b\na\n") == 1 and compare("x.h", "a\n", "a\n") == 0
    print("\n".join(found), "as expected:", good)
    return 0 if good else 1


if __name__ == "__main__":
    if sys.argv[1:] == ["--self-test"]:
        sys.exit(fires())
    sys.exit(main("--update" in sys.argv, sys.argv[-1]))
