#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run a test program and tell the truth about it.

    guard.py PROGRAM [ARGUMENT...]           a Criterion program
    guard.py --plain PROGRAM [ARGUMENT...]   any other

Criterion stays green when LeakSanitizer reports on a worker, and when no test ran at all. Here the
run fails when the program fails, when any sanitizer wrote a report, and when a Criterion program's
closing line is missing or counts nothing.
"""
import os
import re
import subprocess
import sys
import tempfile

SYNTHESIS = re.compile(
    r"Synthesis: Tested: (\d+) \| Passing: (\d+) \| Failing: (\d+) \| Crashing: (\d+)"
)


def synthesis(text):
    """(tested, passing, failing, crashing) of Criterion's closing line, or None."""
    match = SYNTHESIS.search(re.sub(r"\x1b\[[0-9;]*m", "", text))
    return tuple(int(group) for group in match.groups()) if match else None


def environment(folder):
    """Sanitizers write their reports into the folder, and stop at the first."""
    options = f"halt_on_error=1:print_stacktrace=1:log_path={folder}/report"
    return {
        **os.environ,
        "ASAN_OPTIONS": options + ":detect_leaks=1:detect_stack_use_after_return=1",
        "UBSAN_OPTIONS": options,
    }


def main(arguments):
    """Exit status of the guarded run."""
    plain = arguments[0] == "--plain"
    command = arguments[1:] if plain else arguments
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            command, env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", check=False,
        )
        sys.stdout.write(done.stdout)
        reports = sorted(os.listdir(folder))
        for name in reports:
            with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
                print(file.read())
    counts = synthesis(done.stdout)
    problems = [f"{len(reports)} sanitizer reports"] if reports else []
    if done.returncode:
        problems.append(f"exit status {done.returncode}")
    if not plain and (counts is None or counts[0] == 0):
        problems.append("no test ran")
    if counts and counts[2] + counts[3]:
        problems.append(f"{counts[2] + counts[3]} tests failed")
    if problems:
        print("guard:", "; ".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
