#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A text that is kept must be what a program renders now.

    rendered.py FILE PROGRAM ARGUMENT...            exit 1 and a diff when they differ
    rendered.py --update FILE PROGRAM ARGUMENT...   write FILE anew
"""
import difflib
import subprocess
import sys


def main(arguments):
    update = arguments[0] == "--update"
    path, *command = arguments[1:] if update else arguments
    fresh = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if update:
        with open(path, "w", encoding="utf-8") as file:
            file.write(fresh)
        return 0
    with open(path, encoding="utf-8") as file:
        kept = file.read()
    sys.stdout.writelines(difflib.unified_diff(
        kept.splitlines(True), fresh.splitlines(True), path, "rendered"))
    return int(kept != fresh or not fresh)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
