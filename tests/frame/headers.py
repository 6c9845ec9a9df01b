#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each public header compiles alone, twice in a row, as C99, C11 and C++11, without a warning.

    headers.py ROOT CC...

The C++ compiler is the C compiler's sister (cc: c++, gcc: g++, clang: clang++).
"""
import os
import subprocess
import sys

STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wundef", "-Werror", "-fsyntax-only"]


def sister(compiler):
    """The C++ compiler of the same family."""
    folder, name = os.path.split(compiler[-1])
    pairs = (("clang", "clang++"), ("gcc", "g++"), ("cc", "c++"))
    for ours, theirs in pairs:
        if name.startswith(ours):
            return [*compiler[:-1], os.path.join(folder, name.replace(ours, theirs, 1))]
    return ["c++"]


def main(root, compiler):
    """0 when all compile."""
    headers = sorted(
        f"{folder}/{name}"
        for folder in ("reshard", "reshard-sim")
        for name in os.listdir(os.path.join(root, "include", folder))
        if name.endswith(".h")
    )
    failed = 0
    for name in headers:
        text = f"#include <{name}>\n" * 2 + "typedef int not_empty;\n"
        for language, standard, tool in (
            ("c", "c99", compiler), ("c", "c11", compiler), ("c++", "c++11", sister(compiler)),
        ):
            command = [*tool, f"-std={standard}", *STRICT, "-I", os.path.join(root, "include")]
            command += ["-x", language, "-"]
            if subprocess.run(command, input=text, text=True, check=False).returncode:
                failed += 1
                print(f"{name} as {standard} fails")
    print(f"{len(headers)} headers as C99, C11 and C++11, {failed} failures")
    return 1 if failed or not headers else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
