#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run a fixed range of the simulator's random seeds, and see that nothing is lost on the way.

    swarm.py seeds SIMULATE FLOORS FROM    as many seeds as FLOORS says, on two processes: none may
                                           fail, and each fault must meet each phase so often
    swarm.py golden SIMULATE GOLDEN        digests of the first seeds, as this compiler has them
    swarm.py golden SIMULATE GOLDEN --update
    swarm.py floors SIMULATE FLOORS        write FLOORS anew, from all seeds of all builds
    swarm.py --self-test

FLOORS: `seeds N`, `faults N` and `requests N` (means, at least), then a line a cell: fault, mode,
phase, the least number of times; or `rare` and how often it was seen; or `never` and why.
"""
import concurrent.futures
import subprocess
import sys
from collections import Counter

PROCESSES = 2
BLOCK = 250
GOLDEN = 1000
AWAY = "never: a keywise source is empty by then, and its target removes nothing before SETTLE"
NEVER = {(fault, "keywise", phase): AWAY
         for fault in ("expiry", "eviction") for phase in ("HOLD", "COMMIT")}
RARE = 10  # seen less often in a range: no floor, any change of the simulator may lose it


def block(simulate, first, count, *options):
    """(complaints, counts) of some seeds."""
    done = subprocess.run([simulate, "swarm", str(first), str(count), *options],
                          capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    counts = Counter()
    for line in lines:
        words = line.split()
        if words and words[0] == "cell":
            counts[tuple(words[1:4])] += int(words[4])
        elif len(words) == 10 and words[1] == "seeds,":
            counts["seeds"] += int(words[0])
            counts["faults"] += int(words[6])
            counts["requests"] += int(words[8])
    bad = [line for line in lines if line.startswith("seed ")]
    if done.returncode != 0 and not bad:
        bad = [f"seeds from {first}: exit status {done.returncode}", done.stderr[-2000:]]
    return bad, counts


def run(simulate, first, count):
    """All seeds of a range, in blocks."""
    complaints, counts = [], Counter()
    with concurrent.futures.ThreadPoolExecutor(PROCESSES) as pool:
        starts = range(first, first + count, BLOCK)
        for bad, part in pool.map(
                lambda start: block(simulate, start, min(BLOCK, first + count - start), "cells"),
                starts):
            complaints += bad
            counts.update(part)
    return complaints, counts


def floors_read(path):
    """(totals, cells): cell -> floor, 0 where it is rare or never met."""
    totals, cells = {}, {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            words = line.split("#")[0].split()
            if len(words) == 2:
                totals[words[0]] = int(words[1])
            elif len(words) >= 4:
                cells[tuple(words[:3])] = int(words[3]) if words[3].isdigit() else 0
    return totals, cells


def judge(totals, cells, counts):
    """What is less than it must be."""
    seeds = counts["seeds"]
    bad = [f"{seeds} seeds, {totals['seeds']} wanted"] if seeds < totals["seeds"] else []
    for name in ("faults", "requests"):
        if counts[name] < totals[name] * seeds:
            bad.append(f"{counts[name] / max(seeds, 1):.0f} {name} a seed, {totals[name]} wanted")
    for cell, floor in cells.items():
        if counts[cell] < floor:
            bad.append(f"{' '.join(cell)}: {counts[cell]}, at least {floor} wanted")
    unknown = [x for x in counts if isinstance(x, tuple) and x not in cells and counts[x]]
    return bad + [f"{' '.join(cell)}: met, and not in the list" for cell in unknown]


def table(counts):
    """Counts as a table a mode: a row a fault, a column a phase."""
    cells = [x for x in counts if isinstance(x, tuple)]
    for mode in ("snapshot", "keywise"):
        phases = list(dict.fromkeys(x[2] for x in cells if x[1] == mode and counts[x]))
        order = {x: i for i, x in enumerate(dict.fromkeys(y[2] for y in cells))}
        phases.sort(key=order.get)
        print(f"{mode:20}" + "".join(f"{phase:>9}" for phase in phases))
        for fault in dict.fromkeys(x[0] for x in cells):
            print(f"{fault:20}" + "".join(f"{counts[fault, mode, x]:9}" for x in phases))


def seeds_check(simulate, path, first):
    """0 when all seeds hold and all floors are reached."""
    totals, cells = floors_read(path)
    complaints, counts = run(simulate, int(first), totals["seeds"])
    table(counts)
    complaints += judge(totals, cells, counts)
    seeds = max(counts["seeds"], 1)
    print(f"{counts['seeds']} seeds from {first}, {counts['faults'] / seeds:.1f} faults and "
          f"{counts['requests'] / seeds:.1f} answered operations each, "
          f"{len(complaints)} complaints")
    print("\n".join(complaints))
    return 1 if complaints else 0


def golden(simulate, path, *options):
    """0 when the digests of the first seeds are those of the file."""
    done = subprocess.run([simulate, "swarm", "1", str(GOLDEN), "digests"], capture_output=True,
                          text=True, check=False)
    digests = [line.split()[2] for line in done.stdout.splitlines() if line.startswith("digest ")]
    if "--update" in options:
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(digests) + "\n")
        return 0
    with open(path, encoding="utf-8") as file:
        wanted = file.read().split()
    others = [i + 1 for i, pair in enumerate(zip(digests, wanted)) if pair[0] != pair[1]]
    print(f"{len(digests)} digests, {len(wanted)} expected, others: {others[:20]}")
    return 0 if len(digests) == len(wanted) == GOLDEN and not others else 1


def reason(cell):
    """Why a cell is not met."""
    _, mode, phase = cell
    other = {"snapshot": ("MOVE", "UNMOVE"), "keywise": ("COPY", "CATCHUP", "FREEZE")}
    if phase in other[mode]:
        return "never: another mode's phase"
    return NEVER.get(cell, "rare: seen 0 times")


def floors_write(simulate, path):
    """A third of what the worse of two ranges showed."""
    totals, _ = floors_read(path)
    count = totals["seeds"]
    both = [run(simulate, first, count)[1] for first in (1, 1 + count)]
    lines = [f"{name} {value}" for name, value in totals.items()]
    for cell in (x for x in both[0] if isinstance(x, tuple)):
        least = min(counts[cell] for counts in both)
        seen = sum(counts[cell] for counts in both)
        told = str(least // 3) if least >= RARE else f"rare: seen {seen} times"
        lines.append(" ".join(cell) + " " + (told if seen else reason(cell)))
    with open(path, "w", encoding="utf-8") as file:
        file.write("# SPDX-License-Identifier: MIT\n# Written by swarm.py floors.\n"
                   + "\n".join(lines) + "\n")
    return 0


def self_test():
    """Each judgement must fire."""
    totals = {"seeds": 10, "faults": 20, "requests": 200}
    cells = {("drop", "snapshot", "COPY"): 3, ("drop", "keywise", "COPY"): 0}
    good = Counter({"seeds": 10, "faults": 200, "requests": 2000, ("drop", "snapshot", "COPY"): 3})
    bad = [Counter(good) for _ in range(5)]
    bad[0]["seeds"] = 9
    bad[1]["faults"] = 199
    bad[2]["requests"] = 1999
    bad[3]["drop", "snapshot", "COPY"] = 2
    bad[4]["drop", "snapshot", "HOLD"] = 1
    silent = [x for x in bad if not judge(totals, cells, x)]
    return 1 if silent or judge(totals, cells, good) else 0


COMMANDS = {"seeds": seeds_check, "golden": golden, "floors": floors_write}

if __name__ == "__main__":
    sys.exit(self_test() if sys.argv[1:] == ["--self-test"]
             else COMMANDS[sys.argv[1]](*sys.argv[2:]))
