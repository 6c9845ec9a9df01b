#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the tests did not reach, and a table by room; for coverage.sh.

    coverage_table.py COVERAGE.json UNREACHED.txt LINES BRANCHES [ROOM...]

COVERAGE.json is gcovr's. UNREACHED.txt lists what cannot be reached, one a line:
`FILE:FUNCTION: CODE: REASON`. Lines of the function that hold CODE do not count, nor the branches
on them, when they were not taken. An entry that takes nothing out is stale: a failure.
"""
import collections
import json
import pathlib
import re
import sys

HEAD = re.compile(r"^[A-Za-z_].*?\b(\w+)\(")


def functions(source):
    """The function that each line of a source file lies in."""
    name, names = "", []
    for line in source:
        match = HEAD.match(line)
        name = match.group(1) if match else name
        names.append(name)
    return names


def unreached(path):
    """(file, function, code) of each entry."""
    entries = []
    for number, line in enumerate(pathlib.Path(path).read_text().splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            parts = re.fullmatch(r"([^:]+):(\w+): (.+): ([^:]+)", line)
            if not parts:
                sys.exit(f"{path}:{number}: FILE:FUNCTION: CODE: REASON is wanted")
            entries.append(parts.groups()[:3])
    return entries


class Table:
    """Counts by room; what the list takes out stays out."""

    def __init__(self, entries):
        self.entries = entries
        self.used = set()
        self.rooms = collections.defaultdict(lambda: [0, 0, 0, 0])

    def listed(self, file, function, text):
        found = [e for e in self.entries if e[:2] == (file, function) and e[2] in text]
        self.used.update(found)
        return bool(found)

    def add(self, file):
        """Count a file; print its gaps."""
        source = pathlib.Path(file["file"]).read_text().splitlines()
        names = functions(source)
        room = self.rooms[file["file"].split("/")[1]]
        for line in file["lines"]:
            if line.get("gcovr/noncode") or line.get("gcovr/excluded"):
                continue
            index = line["line_number"] - 1
            taken = [branch["count"] > 0 for branch in line["branches"]]
            gap = not line["count"] or not all(taken)
            if gap and self.listed(file["file"], names[index], source[index]):
                if not line["count"]:
                    continue
                taken = [one for one in taken if one]
            elif gap:
                marks = "".join("+" if one else "-" for one in taken)
                what = marks if line["count"] else "never"
                print(f"{file['file']}:{index + 1}: {what:8} {source[index].strip()}")
            for i, count in enumerate((line["count"] > 0, 1, sum(taken), len(taken))):
                room[i] += count

    def stale(self, rooms):
        """Entries of these rooms that took nothing out."""
        return [e for e in self.entries if e not in self.used and e[0].split("/")[1] in rooms]


def percent(part, whole):
    return 100.0 * part / whole if whole else 100.0


def main():
    report, listed, lines, branches, *rooms = sys.argv[1:]
    table = Table(unreached(listed))
    for file in json.loads(pathlib.Path(report).read_text())["files"]:
        if not rooms or file["file"].split("/")[1] in rooms:
            table.add(file)
    bad = not table.rooms
    print(f"{'room':12}{'lines':>12}{'%':>8}{'branches':>14}{'%':>8}")
    for room, (hit, all_lines, taken, all_branches) in table.rooms.items():
        shares = percent(hit, all_lines), percent(taken, all_branches)
        low = shares[0] < float(lines) or shares[1] < float(branches)
        bad = bad or low
        print(
            f"{room:12}{f'{hit}/{all_lines}':>12}{shares[0]:8.2f}"
            f"{f'{taken}/{all_branches}':>14}{shares[1]:8.2f}{'  too little' if low else ''}"
        )
    for entry in table.stale(table.rooms):
        print(f"stale in {listed}: {':'.join(entry)}")
        bad = True
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
