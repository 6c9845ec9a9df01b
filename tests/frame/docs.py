#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Make the API reference; any warning of Doxygen is an error.

    docs.py ROOT OUTPUT   writes OUTPUT/html and OUTPUT/man
    docs.py --self-test   an undocumented function must be refused
"""
import os
import subprocess
import sys
import tempfile


def doxygen(root, output, configuration):
    """Doxygen's exit status over the public headers below ROOT."""
    with open(configuration, encoding="utf-8") as file:
        settings = file.read() + f"OUTPUT_DIRECTORY = {output}\n"
    os.makedirs(output, exist_ok=True)
    return subprocess.run(
        ["doxygen", "-"], input=settings, text=True, cwd=root, check=False
    ).returncode


def fires(configuration):
    """0 when a gap in the documentation is refused."""
    with tempfile.TemporaryDirectory() as root:
        folder = os.path.join(root, "include", "reshard")
        os.makedirs(folder)
        os.makedirs(os.path.join(root, "include", "reshard-sim"))
        for text, expected in (("", 0), ("int reshard_gap(int a);\n", 1)):
            with open(os.path.join(folder, "x.h"), "w", encoding="utf-8") as file:
                file.write("/** @file x.h\n * All. */\n" + text)
            if bool(doxygen(root, os.path.join(root, "out"), configuration)) != bool(expected):
                print(f"status is not {expected} for: {text}")
                return 1
    return 0


if __name__ == "__main__":
    CONFIGURATION = os.path.join(os.path.dirname(os.path.abspath(__file__)), "Doxyfile")
    if sys.argv[1] == "--self-test":
        sys.exit(fires(CONFIGURATION))
    sys.exit(doxygen(sys.argv[1], sys.argv[2], CONFIGURATION))
