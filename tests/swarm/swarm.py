#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run a fixed range of the simulator's random seeds, and see that nothing is lost on the way.

    swarm.py seeds SIMULATE FLOORS FROM    as many seeds as FLOORS says, on two processes: none may
                                           fail, and each fault must meet each phase so often
    swarm.py focus SIMULATE FLOORS         seeds that look at one phase each, for what is too rare
                                           in the others
    swarm.py golden SIMULATE GOLDEN        digests of the first seeds, as this compiler has them
    swarm.py golden SIMULATE GOLDEN --update
    swarm.py floors SIMULATE FLOORS        write FLOORS anew, from all seeds of all builds
    swarm.py --self-test

FLOORS: `seeds N`, `faults N` and `requests N` (means, at least); `gathered N` (times that the
coordinators' journal took several records at once, in all seeds); `focus MODE PHASE N`: seeds that
look at it; then a line a cell: fault, mode, phase, and the least number of times in all seeds; or
`focus` and that number among the seeds that look at it; or `never` and why it cannot be met. A cell
of the simulator that has none of these is a failure, and so is one that is met and has a reason.
"""
import concurrent.futures
import subprocess
import sys
from collections import Counter

PROCESSES = 2
BLOCK = 250
GOLDEN = 1000
TOTALS = ("seeds", "faults", "requests", "gathered")  # of the line that ends a run
RARE = 10  # seen less often in a range: no floor, any change of the simulator may lose it

OTHER = {"snapshot": ("MOVE", "UNMOVE"), "keywise": ("COPY", "CATCHUP", "FREEZE")}
AWAY = "a keywise source is empty by then, and its target removes nothing before SETTLE"
HELD = "the source holds, and the target serves nothing before it hears of the decision"
SYNCED = "a target says READY when all is synced, and takes nothing more"
MOVING = "a keywise source is PREPARED when its replicas have MOVE: they refer to it from then on"
APPLIED = "a keywise target stages nothing"
NEVER = {(fault, mode, phase): why for why, mode, faults, phases in (
    (AWAY, "keywise", "expiry eviction", "HOLD COMMIT"),
    (HELD, "snapshot", "write delete expiry eviction huge-value multi-key replica-read",
     "COMMIT"),
    (MOVING, "keywise", "replica-read", "MOVE HOLD COMMIT"),
    (SYNCED, "snapshot", "lost-write", "HOLD COMMIT SETTLE LINGER CLEANUP"),
    (APPLIED, "keywise", "lost-write",
     "PREPARE MOVE HOLD COMMIT SETTLE LINGER CLEANUP ABORT UNMOVE UNDO"),
) for fault in faults.split() for phase in phases.split()}


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
        elif len(words) > 1 and words[1] == "seeds,":
            counts.update({name: int(number) for number, name in zip(
                words[0::2], (word.rstrip(",") for word in words[1::2])) if name in TOTALS})
    bad = [line for line in lines if line.startswith("seed ")]
    if done.returncode != 0 and not bad:
        bad = [f"seeds from {first}: exit status {done.returncode}", done.stderr[-2000:]]
    return bad, counts


def run(simulate, first, count, *options):
    """All seeds of a range, in blocks."""
    complaints, counts = [], Counter()
    with concurrent.futures.ThreadPoolExecutor(PROCESSES) as pool:
        starts = range(first, first + count, BLOCK)
        for bad, part in pool.map(
                lambda start: block(simulate, start, min(BLOCK, first + count - start), "cells",
                                    *options), starts):
            complaints += bad
            counts.update(part)
    return complaints, counts


def run_focused(simulate, plan, first):
    """For each mode and phase of the plan its seeds; of the cells those of this mode and phase."""
    complaints, counts = [], Counter()
    for (mode, phase), seeds in plan.items():
        bad, part = run(simulate, first, seeds, mode, phase)
        complaints += [f"{mode} {phase}: {x}" for x in bad]
        counts.update({x: part[x] for x in part
                       if not isinstance(x, tuple) or x[1:] == (mode, phase)})
    return complaints, counts


class Floors:
    """What a file of floors says; a cell is a fault, a mode and a phase."""

    def __init__(self, path=None):
        self.totals, self.plan = {}, {}
        self.seeds, self.focus, self.never = {}, {}, {}  # cell -> floor, or why there is none
        self.silent = []
        with open(path or "/dev/null", encoding="utf-8") as file:
            for line in file:
                self.read(line.split("#")[0].split())

    def read(self, words):
        """One line."""
        if len(words) == 2:
            self.totals[words[0]] = int(words[1])
        elif words and words[0] == "focus":
            self.plan[tuple(words[1:3])] = int(words[3])
        elif len(words) == 4:
            self.seeds[tuple(words[:3])] = int(words[3])
        elif len(words) == 5 and words[3] == "focus":
            self.focus[tuple(words[:3])] = int(words[4])
        elif len(words) > 4 and words[3] == "never:":
            self.never[tuple(words[:3])] = " ".join(words[4:])
        elif words:
            self.silent.append(f"{' '.join(words)}: neither a floor nor a reason")

    def judge(self, counts, floors):
        """What is less than it must be, among these seeds; every cell has a floor or a reason."""
        bad = list(self.silent)
        for cell, floor in floors.items():
            if counts[cell] < max(floor, 1):
                bad.append(f"{' '.join(cell)}: {counts[cell]}, at least {max(floor, 1)} wanted")
        for cell in (x for x in counts if isinstance(x, tuple)):
            if cell not in {**self.seeds, **self.focus, **self.never}:
                bad.append(f"{' '.join(cell)}: not in the list")
            elif cell in self.never and counts[cell]:
                bad.append(f"{' '.join(cell)}: met {counts[cell]} times: {self.never[cell]}?")
        return bad

    def judge_totals(self, counts):
        """Likewise, of all seeds together."""
        seeds, totals = counts["seeds"], self.totals
        bad = [f"{seeds} seeds, {totals['seeds']} wanted"] if seeds < totals["seeds"] else []
        bad += [f"{counts[x] / max(seeds, 1):.0f} {x} a seed, {totals[x]} wanted"
                for x in ("faults", "requests") if counts[x] < totals[x] * seeds]
        return bad + ([f"{counts['gathered']} gathered, {totals['gathered']} wanted"]
                      if counts["gathered"] < totals["gathered"] else [])

    def judge_plan(self, counts):
        """Likewise, of those that look at a phase: each has such seeds, and they all ran."""
        bad = [f"no seed looks at {' '.join(cell[1:])}" for cell in self.focus
               if not self.plan.get(cell[1:])]
        seeds = sum(self.plan.values())
        return bad + ([f"{counts['seeds']} seeds, {seeds} wanted"] if counts["seeds"] < seeds
                      else [])


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


def tell(complaints, counts, what):
    """0 without complaints."""
    seeds = max(counts["seeds"], 1)
    print(f"{counts['seeds']} seeds {what}, {counts['faults'] / seeds:.1f} faults and "
          f"{counts['requests'] / seeds:.1f} answered operations each, "
          f"{len(complaints)} complaints")
    print("\n".join(complaints))
    return 1 if complaints else 0


def seeds_check(simulate, path, first):
    """0 when all seeds hold and all floors are reached."""
    floors = Floors(path)
    complaints, counts = run(simulate, int(first), floors.totals["seeds"])
    table(counts)
    complaints += floors.judge_totals(counts) + floors.judge(counts, floors.seeds)
    return tell(complaints, counts, f"from {first}")


def focus_check(simulate, path):
    """Likewise, of the seeds that look at a phase."""
    floors = Floors(path)
    complaints, counts = run_focused(simulate, floors.plan, 1)
    table(counts)
    complaints += floors.judge_plan(counts) + floors.judge(counts, floors.focus)
    return tell(complaints, counts, "that look at a phase")


def golden(simulate, path, *options):
    """0 when the digests of the first seeds are those of the file."""
    done = subprocess.run([simulate, "swarm", "1", str(GOLDEN), "digests"], capture_output=True,
                          text=True, check=False)
    digests = [line.split()[2] for line in done.stdout.splitlines() if line.startswith("digest ")]
    if "--update" in options:
        if len(digests) != GOLDEN:
            print(f"{len(digests)} digests of {GOLDEN}, nothing written: {done.stderr.strip()}")
            return 1
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(digests) + "\n")
        return 0
    with open(path, encoding="utf-8") as file:
        wanted = file.read().split()
    others = [i + 1 for i, pair in enumerate(zip(digests, wanted)) if pair[0] != pair[1]]
    print(f"{len(digests)} digests, {len(wanted)} expected, others: {others[:20]}")
    return 0 if len(digests) == len(wanted) == GOLDEN and not others else 1


def told(cell, seeds, focus):
    """A cell's floor, or why it has none: a third of what the worse of two ranges showed."""
    fault, mode, phase = cell
    if phase in OTHER[mode]:
        return "never: another mode's phase"
    if (fault, mode, phase) in NEVER:
        return "never: " + NEVER[cell]
    least = min(counts[cell] for counts in seeds)
    if least >= RARE:
        return str(least // 3)
    return f"focus {max(min(counts[cell] for counts in focus) // 3, 1)}"


def floors_write(simulate, path):
    """From two ranges of each kind of seeds; totals and plan stay."""
    floors = Floors(path)
    count = floors.totals["seeds"]
    seeds = [run(simulate, first, count)[1] for first in (1, 1 + count)]
    focus = [run_focused(simulate, floors.plan, first)[1] for first in (1, 1 + count)]
    if any(counts["seeds"] != count for counts in seeds) or not all(focus):
        print("not all seeds ran, nothing written")
        return 1
    lines = [f"{name} {value}" for name, value in floors.totals.items()]
    lines += [f"focus {mode} {phase} {value}" for (mode, phase), value in floors.plan.items()]
    lines += [f"{' '.join(cell)} {told(cell, seeds, focus)}"
              for cell in seeds[0] if isinstance(cell, tuple)]
    with open(path, "w", encoding="utf-8") as file:
        file.write("# SPDX-License-Identifier: MIT\n# Written by swarm.py floors.\n"
                   + "\n".join(lines) + "\n")
    return 0


def self_test():
    """Each judgement must fire."""
    copy, hold, move = (("drop", "snapshot", x) for x in ("COPY", "HOLD", "MOVE"))
    floors = Floors()
    for line in ("seeds 10", "faults 20", "requests 200", "gathered 4", "focus snapshot HOLD 5",
                 "drop snapshot COPY 3", "drop snapshot HOLD focus 2",
                 "drop snapshot MOVE never: another mode's phase"):
        floors.read(line.split())
    good = Counter({"seeds": 10, "faults": 200, "requests": 2000, "gathered": 4, copy: 3, hold: 2,
                    move: 0})

    def judge(changes, of=floors):
        counts = Counter({**good, **changes})
        return (of.judge_totals(counts) + of.judge(counts, of.seeds) + of.judge_plan(counts) +
                of.judge(counts, of.focus))

    bad = [{"seeds": 9}, {"faults": 199}, {"requests": 1999}, {"gathered": 3}, {copy: 2}, {hold: 1},
           {move: 1}, {("drop", "keywise", "COPY"): 0}, {"seeds": 4}]
    silent = [x for x in bad if not judge(x)]
    rare, planless = Floors(), Floors()
    rare.__dict__.update(floors.__dict__, silent=[])
    rare.read("drop snapshot FREEZE rare: seen 3 times".split())
    planless.__dict__.update(floors.__dict__, plan={})
    return 1 if silent or judge({}) or not judge({}, rare) or not judge({}, planless) else 0


COMMANDS = {"seeds": seeds_check, "focus": focus_check, "golden": golden, "floors": floors_write}

if __name__ == "__main__":
    sys.exit(self_test() if sys.argv[1:] == ["--self-test"]
             else COMMANDS[sys.argv[1]](*sys.argv[2:]))
