#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A failure of the swarm is one file, and the file brings the failure back, every time.

    replay.py SIMULATE

Hosts break their contract in several ways; the first seed that shows it is shrunk, and its file is
run a hundred times: the checker and every line of the history must be what the file recorded.
"""
import os
import re
import subprocess
import sys
import tempfile

BROKEN = {"PURGE": 4, "DISCARD": 5, "FENCE_TERM": 8, "ROUTE": 9}  # RESHARD_SABOTAGE_*
SEEDS = 40
TIMES = 100
EVENTS_MAX = 25


def recorded(path):
    """(checker, history) of a replay file."""
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    checker = next(line.split()[1] for line in lines if line.startswith("checker "))
    return checker, [line[2:] for line in lines if line.startswith("| ")]


def replay(simulate, path):
    """Complaints about a file."""
    checker, history = recorded(path)
    for _ in range(TIMES):
        done = subprocess.run(
            [simulate, "replay", path], capture_output=True, text=True, check=False)
        if done.returncode != 1 or done.stdout.splitlines() != history:
            return [f"{path}: another history"]
        if done.stderr != f"recorded {checker}, now {checker}: the same history\n":
            return [f"{path}: {done.stderr}"]
    return []


def sabotage(simulate, what):
    """Complaints about the first failure under a sabotage."""
    for seed in range(1, SEEDS):
        done = subprocess.run([simulate, "swarm", str(seed), "1", "shrink", str(1 << what)],
                              capture_output=True, text=True, check=False)
        found = re.search(r"^seed \d+: \S+, \d+ events, (\d+) left", done.stdout, re.M)
        if found and int(found.group(1)) > EVENTS_MAX:
            return [f"seed {seed}: {found.group(0)}"]
        if found:
            print(found.group(0))
            return replay(simulate, f"replay-{seed}.txt")
    return ["no seed fails"]


def damaged(simulate):
    """Complaints about files that are none."""
    complaints = []
    for text in ("", "reshard-sim replay 2\n", "reshard-sim replay 1\ndecision x\n"):
        with open("damaged.txt", "w", encoding="utf-8") as file:
            file.write(text)
        done = subprocess.run([simulate, "replay", "damaged.txt"], capture_output=True, check=False)
        if done.returncode != 2:
            complaints.append(f"{text!r} is taken for a replay file")
    return complaints


def main(simulate):
    """0 when every file brought its failure back."""
    simulate = os.path.abspath(simulate)
    complaints = []
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name, what in BROKEN.items():
            complaints += [f"{name}: {complaint}" for complaint in sabotage(simulate, what)]
        complaints += damaged(simulate)
        os.chdir("/")
    print(*complaints, sep="\n")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
