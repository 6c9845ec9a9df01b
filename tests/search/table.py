#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the searched worlds have, by words of a table, from src/sim/search_configs.c.

    table.py CONFIGS             print the table
    table.py CONFIGS README      0 when README has it so, and each world's states and transitions
                                 with floors of 98 % of them
    table.py CONFIGS --self-test show that it fires
"""
import pathlib
import re
import sys

PERCENT = 98
MODES = ("SNAPSHOT", "KEYWISE")
REQUEST = re.compile(r"\b(WRITE|READ|REMOVE|PAIR|BOTH)\(")
FAULTS = {"DROP", "REPEAT", "OVERTAKE", "EARLY", "CRASH", "FAULT", "MUTE"}


class World:
    """A row of the list: its text, and what is asked of it most."""

    def __init__(self, text):
        self.text = text
        self.modes = {mode: (name, int(states), int(transitions))
                      for mode, name, states, transitions in
                      re.findall(r'(SNAPSHOT|KEYWISE)\("([\w-]+)",\s*(\d+),\s*(\d+)\)', text)}
        self.limits = {move: int(count)
                       for move, count in re.findall(r"\[MOVE_(\w+)\] = (\d+)", text)}
        self.requests = len(REQUEST.findall(text))

    def has(self, pattern):
        """Whether its text has this."""
        return re.search(pattern, self.text) is not None

    def crashes(self, *hosts):
        """Whether all of these may crash."""
        found = re.search(r"\.crashes = ([\w| ]+)", self.text)
        return found is not None and set(hosts) <= set(found[1].replace(" ", "").split("|"))

    def both_fail(self):
        """Whether a coordinator and a participant do, or two coordinators and a participant."""
        participant = self.crashes("SOURCE") or self.crashes("TARGET")
        return participant and (self.crashes("COORDINATOR") or "COORDINATOR" in self.limits)


ROWS = (
    ("3 nodes", lambda w: w.has(r'(NODES|OWNED)\("3"')),
    ("2 slots", lambda w: w.has("slots 2")),
    ("3 client operations", lambda w: w.requests == 3),
    ("2 drops", lambda w: w.limits.get("DROP") == 2),
    ("1 duplicate", lambda w: "REPEAT" in w.limits),
    ("2 crashes", lambda w: w.limits.get("CRASH") == 2),
    ("1 abort", lambda w: "ABORT" in w.limits),
    ("second coordinator", lambda w: "COORDINATOR" in w.limits),
    ("several keys in one chunk of a keywise stream", lambda w: w.has(r"\bbatch 2\b")),
    ("multi-key requests", lambda w: w.has(r"\b(PAIR|BOTH)\(")),
    ("replicas' reads", lambda w: w.has("readonly 1")),
    ("unknown outcomes of participants' appends",
     lambda w: w.has(r"\.faults = [A-Z| ]*(SOURCE|TARGET)")),
    ("capture trimming", lambda w: w.has(r"\btail \d")),
    ("writes unfinished at the fence", lambda w: w.has("execute 1ms")),
    ("a fence that fails while they run", lambda w: w.has(r"SLOW\(FENCE\)")),
    ("expiry", lambda w: "EXPIRE" in w.limits),
    ("eviction", lambda w: "EVICT" in w.limits),
    ("faults of a coordinator and of a participant", World.both_fail),
    ("a second coordinator and another fault",
     lambda w: "COORDINATOR" in w.limits and FAULTS & set(w.limits)),
    ("two migrations", lambda w: "OPEN" in w.limits),
    ("an end gathered with the next opening", lambda w: w.has(r"\bgather \d")),
    ("a loss of power, and what settles a side waits for a sync of others",
     lambda w: w.has(r"\bsettle \d+s unsynced 1")),
    ("fail-over to a replica", lambda w: "FAILOVER" in w.limits),
)


def worlds(source):
    """The list's rows, in its order."""
    body = source[source.index("table[] = {"):]
    body = body[:body.index("\n};")]
    for name, text in re.findall(r'^#define (\w+) (".*")$', source, re.M):
        body = re.sub(rf"\b{name}\b", lambda _, text=text: text, body)
    texts = re.split(r"\n    \{(?=SNAPSHOT|KEYWISE)", body)[1:]
    return [World(text) for text in texts]


def table(found):
    """The table's lines."""
    lines = ["| | snapshot | keywise |", "|---|---|---|"]
    for word, has in ROWS:
        names = [", ".join(world.modes[mode][0] for world in found
                           if mode in world.modes and has(world)) or "-" for mode in MODES]
        lines.append(f"| {word} | {names[0]} | {names[1]} |")
    return lines


def check(found, readme):
    """Complaints."""
    bad = [f"README.md has not: {line}" for line in table(found)
           if line not in readme.splitlines()]
    measured = {name: (int(states), int(transitions)) for name, states, transitions in
                re.findall(r"^\| ([\w-]+) \| (\d+) \| (\d+) \| \d+ \| \d+ \|$", readme, re.M)}
    names = set()
    for world in found:
        for mode, (short, *floors) in world.modes.items():
            name = f"{mode.lower()}-{short}"
            names.add(name)
            wanted = [count * PERCENT // 100 for count in measured.get(name, (0, 0))]
            if wanted != floors:
                bad.append(f"{name}: floors {floors}, and README.md says {measured.get(name)}")
    bad += [f"README.md has {name}, which is no world" for name in sorted(set(measured) - names)]
    together = [sum(counts) for counts in zip(*measured.values())]
    if f"| together | {together[0]} | {together[1]} | | |" not in readme:
        bad.append(f"together they have {together}")
    return bad


def self_test(found):
    """Each complaint must come."""
    good = "\n".join(table(found))
    counts = []
    for world in found:
        for mode, (short, states, transitions) in world.modes.items():
            counts.append([-(-states * 100 // PERCENT), -(-transitions * 100 // PERCENT)])
            good += f"\n| {mode.lower()}-{short} | {counts[-1][0]} | {counts[-1][1]} | 1 | 1 |"
    sums = [sum(column) for column in zip(*counts)]
    good += f"\n| together | {sums[0]} | {sums[1]} | | |"
    last = good.splitlines()[-2]
    bad = [good.replace("| 2 slots | slots,", "| 2 slots | "), good.replace(last, ""),
           good.replace(last, last.replace(last.split(" | ")[1], "9")),
           good.replace(last, last + "\n| keywise-none | 1 | 1 | 1 | 1 |"),
           good.replace(f"| {sums[0]} |", "| 1 |")]
    silent = [number for number, text in enumerate(bad) if not check(found, text)]
    return [f"not told of: {silent}"] * bool(silent) + check(found, good)


def main():
    """Exit status."""
    found = worlds(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    if len(sys.argv) < 3:
        print("\n".join(table(found)))
        return 0
    if sys.argv[2] == "--self-test":
        bad = self_test(found)
    else:
        bad = check(found, pathlib.Path(sys.argv[2]).read_text(encoding="utf-8"))
    print("\n".join(bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
