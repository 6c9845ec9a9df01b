#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run every scenario of a folder and compare its transcript with the golden one beside it.

    golden.py SIMULATE FOLDER            NAME.scn is run, NAME.txt is what it must print
    golden.py SIMULATE FOLDER --update   write the transcripts instead
    golden.py SIMULATE --self-test       show that it fires

A scenario that fails is a failure even when its transcript is as expected. Every row of the
transition table must be taken by one scenario at least, but those that UNREACHABLE explains,
which none may take.
"""
import difflib
import os
import subprocess
import sys
import tempfile
from collections import Counter

UNREACHABLE = {
    "T40": "another coordinator's abort in COMMIT: it has a higher term, and this one is fenced",
    "T41": "as T40, keywise",
    "T42": "another coordinator's commit in ABORT: as T40",
}


def run(simulate, path):
    """(exit status, transcript, rows taken) of one scenario."""
    done = subprocess.run([simulate, "scenario", path, "--rows"], capture_output=True, text=True,
                          check=False)
    lines = done.stdout.splitlines(keepends=True)
    rows = Counter()
    if lines and lines[-1].startswith("rows "):
        for pair in lines.pop().split()[1:]:
            label, count = pair.split("=")
            rows[label] += int(count)
    return done.returncode, "".join(lines), rows, done.stderr


def compare(path, transcript, update):
    """True when the golden transcript is this one."""
    golden = path[:-4] + ".txt"
    if update:
        with open(golden, "w", encoding="utf-8") as file:
            file.write(transcript)
        return True
    expected = ""
    if os.path.exists(golden):
        with open(golden, encoding="utf-8") as file:
            expected = file.read()
    sys.stdout.writelines(difflib.unified_diff(
        expected.splitlines(keepends=True), transcript.splitlines(keepends=True),
        golden, "this run"))
    return expected == transcript


def main(simulate, folder, *options):
    """0 when all scenarios hold and print what they should."""
    paths = sorted(os.path.join(folder, x) for x in os.listdir(folder) if x.endswith(".scn"))
    failed, rows = [], Counter()
    for path in paths:
        status, transcript, taken, errors = run(simulate, path)
        rows.update(taken)
        held = status == 0 or (status == 1 and "# must fail" in open(path, encoding="utf-8").read())
        if not compare(path, transcript, "--update" in options) or not held:
            failed.append(os.path.basename(path))
            print(errors, end="")
    missing = sorted(row for row, count in rows.items() if not count and row not in UNREACHABLE)
    stale = sorted(row for row in UNREACHABLE if rows[row])
    print(f"{len(paths)} scenarios, {len(failed)} failed {failed}; rows not taken: {missing}; "
          f"taken, and called unreachable: {stale}")
    return 1 if failed or not paths or missing or stale else 0


def self_test(simulate):
    """A wrong transcript, a scenario that fails, and rows that nobody takes are all found."""
    sound = "world slots 2 keys 2\nnodes 2\nstart\n"
    for script, update in ((sound, False), (sound + "expect owner 0 s2\n", True), (sound, True)):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "one.scn"), "w", encoding="utf-8") as file:
                file.write(script)
            if update:
                main(simulate, folder, "--update")
            if main(simulate, folder) == 0:
                print("it does not fire on:", script)
                return 1
    return 0


if __name__ == "__main__":
    if sys.argv[2:] == ["--self-test"]:
        sys.exit(self_test(sys.argv[1]))
    sys.exit(main(*sys.argv[1:]))
