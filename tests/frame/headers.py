#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each public header compiles alone, twice in a row, as C99, C11 and C++11, without a warning.

    headers.py ROOT CC...
    headers.py --self-test CC...   headers that may not pass, each for its own reason

The C++ compiler is the C compiler's sister (cc: c++, gcc: g++, clang: clang++).
"""
import os
import subprocess
import sys
import tempfile

STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wundef", "-Werror", "-fsyntax-only"]


def sister(compiler):
    """The C++ compiler of the same family."""
    folder, name = os.path.split(compiler[-1])
    pairs = (("clang", "clang++"), ("gcc", "g++"), ("cc", "c++"))
    for ours, theirs in pairs:
        if name.startswith(ours):
            return [*compiler[:-1], os.path.join(folder, name.replace(ours, theirs, 1))]
    return ["c++"]


def check(root, compiler):
    """(names of the headers, what fails and what the compiler says)."""
    headers = sorted(
        f"{folder}/{name}"
        for folder in ("reshard", "reshard-sim")
        for name in os.listdir(os.path.join(root, "include", folder))
        if name.endswith(".h")
    )
    failures = []
    for name in headers:
        text = f"#include <{name}>\n" * 2 + "typedef int not_empty;\n"
        for language, standard, tool in (
            ("c", "c99", compiler), ("c", "c11", compiler), ("c++", "c++11", sister(compiler)),
        ):
            command = [*tool, f"-std={standard}", *STRICT, "-I", os.path.join(root, "include")]
            command += ["-x", language, "-"]
            done = subprocess.run(command, input=text, text=True, capture_output=True, check=False)
            if done.returncode:
                failures.append(f"{name} as {standard} fails\n{done.stderr}")
    return headers, failures


def main(root, compiler):
    """0 when all compile."""
    headers, failures = check(root, compiler)
    print(*failures, sep="\n")
    print(f"{len(headers)} headers as C99, C11 and C++11, {len(failures)} failures")
    return 1 if failures or not headers else 0


def fires(compiler):
    """0 when each bad header fails in as many languages as it must, and the good one in none."""
    guard = "#ifndef X_H\n#define X_H\n{}\n#endif\n"
    cases = (
        (0, guard.format("#include <stdint.h>\nint32_t reshard_x(uint32_t first);")),
        (3, guard.format("uint32_t reshard_x(void);")),  # leans on another header
        (3, "struct reshard_x {\n    int first;\n};\n"),  # included twice
        (1, guard.format("int reshard_x(int new);")),  # a word of C++
        (1, guard.format("int reshard_x(int sizes[static 2]);")),  # not C++ at all
        (2, guard.format("_Static_assert(1, \"\");")),  # neither C99 nor C++11
        (3, guard.format("#if RESHARD_UNHEARD_OF\n#endif")),
        (3, guard.format("#include <reshard/elsewhere.h>")),
    )
    failed = 0
    for expected, text in cases:
        with tempfile.TemporaryDirectory() as root:
            for folder in ("reshard", "reshard-sim"):
                os.makedirs(os.path.join(root, "include", folder))
            with open(os.path.join(root, "include/reshard/x.h"), "w", encoding="utf-8") as file:
                file.write(text)
            _, failures = check(root, compiler)
        if len(failures) != expected:
            failed += 1
            print(f"{len(failures)} failures instead of {expected}:\n{text}", *failures)
    print(f"{len(cases)} headers, {failed} misjudged")
    return 1 if failed else 0


if __name__ == "__main__":
    if sys.argv[1] == "--self-test":
        sys.exit(fires(sys.argv[2:]))
    sys.exit(main(sys.argv[1], sys.argv[2:]))
