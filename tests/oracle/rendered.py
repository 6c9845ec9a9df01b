#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A text that is kept must be what a program renders now.

    rendered.py FILE PROGRAM ARGUMENT...            exit 1 and a diff when they differ
    rendered.py --update FILE PROGRAM ARGUMENT...   write FILE anew
    rendered.py [--update] --block=NAME FILE ...    only what stands in FILE between the lines
                                                    <!-- NAME:begin --> and <!-- NAME:end -->
"""
import difflib
import subprocess
import sys


def split(text, block):
    """(before, rendered, after) of a kept text."""
    if not block:
        return "", text, ""
    begin, end = f"<!-- {block}:begin -->\n", f"<!-- {block}:end -->\n"
    head, rest = text.split(begin)
    body, tail = rest.split(end)
    return head + begin, body, end + tail


def main(arguments):
    update = arguments[0] == "--update"
    rest = arguments[1:] if update else arguments
    block = rest.pop(0)[len("--block="):] if rest[0].startswith("--block=") else ""
    path, *command = rest
    fresh = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    text = ""
    if block or not update:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    before, kept, after = split(text, block)
    if update:
        with open(path, "w", encoding="utf-8") as file:
            file.write(before + fresh + after)
        return 0
    sys.stdout.writelines(difflib.unified_diff(
        kept.splitlines(True), fresh.splitlines(True), path, "rendered"))
    return int(kept != fresh or not fresh)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
