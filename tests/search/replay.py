#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a search finds opens in the same tools as what a swarm finds.

    replay.py SIMULATE PAGES

Hosts that break their contract are searched until it shows. The file that is written replays: to
the same invariant, with a transcript that ends there, an event log and a page that hold it, and
the same bytes each time. So does that of a search whose process died. PAGES: the folder of page.py,
which knows what logs and pages must be.
"""
import json
import os
import re
import subprocess
import sys
import tempfile

# Configuration, what its hosts do (RESHARD_SABOTAGE_*), the invariant, what the way must show.
BREACHES = [
    ("snapshot-requests", 9, "commit", "client 1 writes k0"),
    ("keywise-requests", 14, "linearizable", "CHUNK DATA m1"),
    ("keywise-slots-crash", 7, "journal", "n2 crashes"),
    ("keywise-slots-drop-crash", 7, "journal", "n2 crashes"),
]
DEATH = ("snapshot-requests", 20, "assert", "ORDER HOLD")


def run(*words):
    """Status, output and what was told beside it."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def violations(log):
    """What the log says that broke."""
    lines = [json.loads(line) for line in log.splitlines()]
    return [line["text"] for line in lines if line["type"] == "violation"]


def check(simulate, page, breach):
    """What is wrong with one breach's file."""
    name, sabotage, checker, shows = breach
    status, text, _ = run(simulate, "search", name, "limit", "200000", "sabotage",
                          str(1 << sabotage))
    found = re.search(rf"VIOLATION {checker} after (\d+) moves", text)
    if status != 1 or not found:
        return [f"status {status}, not {checker}: {text}"]
    path, target = f"search-{name}.txt", f"{name}.html"
    with open(path, encoding="utf-8") as file:
        faults = [] if sum(line.startswith("move ") for line in file) == int(found[1]) else [
            "the file has another number of moves"]
    status, text, told = run(simulate, "replay", path)
    if status != 1 or told != f"now {checker}\n" or f"VIOLATION {checker}" not in text:
        faults.append(f"replay: status {status}, {told}")
    if not re.search(shows, text):
        faults.append(f"the transcript does not show: {shows}")
    logs = [run(simulate, "replay", path, "--log")[1] for _ in range(2)]
    if logs[0] != logs[1]:
        faults.append("two logs of one file differ")
    if [words.split()[1] for words in violations(logs[0])] != [checker + ":"]:
        faults.append(f"the log shows {violations(logs[0])}")
    status, _, _ = run(simulate, "replay", path, "--html", target)
    with open(target, encoding="utf-8") as file:
        faults += page.log_faults(logs[0]) + page.page_faults(file.read(), logs[0])
    return faults + ([] if status == 1 else [f"page: status {status}"])


def check_death(simulate):
    """What is wrong with the file of a search whose process dies: it must die again."""
    name, sabotage, checker, shows = DEATH
    status, text, _ = run(simulate, "search", name, "sabotage", str(1 << sabotage))
    found = re.search(rf"VIOLATION {checker} after (\d+) moves", text)
    if status != 1 or not found:
        return [f"status {status}, not {checker}: {text}"]
    status, text, told = run(simulate, "replay", f"search-{name}.txt")
    return [] if status == 1 and told == f"now {checker}\n" and shows in text else [
        f"replay: status {status}, {told}, {text[-300:]}"]


def main(simulate, pages):
    """0 when every breach is found and shown."""
    sys.path.insert(0, pages)
    page = __import__("page")
    simulate, bad = os.path.abspath(simulate), False
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for breach in BREACHES:
            faults = check(simulate, page, breach)
            bad |= bool(faults)
            print(breach[0], breach[2], "; ".join(faults) or "found and shown")
        faults = check_death(simulate)
        bad |= bool(faults)
        print(DEATH[0], DEATH[2], "; ".join(faults) or "found, and dies again")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
