#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turn simulate_page.html into a C header with its two halves, before and after the log.

    simulate_page.py PAGE HEADER
"""
import sys


def array(name, data):
    """A C array of a text's bytes, terminated."""
    rows = [", ".join(str(byte) for byte in data[i : i + 20]) for i in range(0, len(data), 20)]
    return f"static const unsigned char {name}[] = {{\n    " + ",\n    ".join(rows) + ", 0};\n"


def main(page, header):
    """Write the header."""
    with open(page, "rb") as file:
        before, after = file.read().split(b"@LOG@")
    with open(header, "w", encoding="ascii") as file:
        file.write(array("page_before", before) + array("page_after", after))


if __name__ == "__main__":
    main(*sys.argv[1:])
