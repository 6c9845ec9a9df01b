#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run a test program and tell the truth about it.

    guard.py PROGRAM [ARGUMENT...]           a Criterion program
    guard.py --plain PROGRAM [ARGUMENT...]   any other

Criterion stays green when LeakSanitizer reports on a worker, and when no test ran at all. Here the
run fails when the program fails, when any sanitizer wrote a report, and when a Criterion program's
closing line is missing or counts nothing. One kind of report is let be: blocks that Criterion's own
library allocated itself and lost, which its parent process does now and then.
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


def is_criterions_own(report):
    """Whether a report is of leaks only, each allocated by a call from within libcriterion."""
    if "LeakSanitizer: detected memory leaks" not in report:
        return False
    callers = re.findall(r"leak of .*\n\s*#0 [^\n]*\n\s*#1 ([^\n]*)", report)
    leaks = report.count("leak of ")
    return leaks == len(callers) > 0 and all("/libcriterion.so" in caller for caller in callers)


def read_reports(folder):
    """Texts of the reports in a folder that count."""
    texts = []
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
            texts.append(file.read())
    return [text for text in texts if not is_criterions_own(text)], len(texts)


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
        reports, all_count = read_reports(folder)
        print(*reports, sep="\n")
    counts = synthesis(done.stdout)
    problems = [f"{len(reports)} sanitizer reports"] if reports else []
    # A leak of Criterion's own makes the exit status 1 as well; then its closing line decides.
    excused = counts is not None and all_count > len(reports) == 0
    if done.returncode and not excused:
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
