#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Count what `meson test` ran, for the closing line of tests/run.sh.

    count.py BUILD       prints "PASSED FAILED", and the failures on stderr
    count.py --self-test

A Criterion program counts as many tests as its closing line says. Any other test is one. A program
that failed although its tests passed (a leak, say) is one failure more. Skipped is failed: nothing
is to be skipped. An empty log is a failure.
"""
import json
import os
import sys

from guard import synthesis


def count(records):
    """(passed, failed, names of what failed) of meson's test records."""
    passed, failed, names = 0, 0, []
    for record in records:
        good = record["result"] in ("OK", "EXPECTEDFAIL")
        counts = synthesis(record.get("stdout", "") + record.get("stderr", ""))
        wrong = 0
        if counts:
            passed += counts[1]
            wrong = counts[2] + counts[3]
        elif good:
            passed += 1
        if not good and wrong == 0:
            wrong = 1
        failed += wrong
        if wrong:
            names.append(f"{record['name']}: {record['result']}, {wrong} failed")
    if passed + failed == 0:
        return 0, 1, ["no test ran"]
    return passed, failed, names


def fires():
    """0 when every kind of record is counted as it should be."""
    line = "[====] Synthesis: Tested: {} | Passing: {} | Failing: {} | Crashing: {} \n"
    cases = [
        ([], (0, 1)),
        ([{"name": "a", "result": "OK"}], (1, 0)),
        ([{"name": "a", "result": "FAIL"}], (0, 1)),
        ([{"name": "a", "result": "SKIP"}], (0, 1)),
        ([{"name": "a", "result": "TIMEOUT"}], (0, 1)),
        ([{"name": "a", "result": "OK", "stderr": line.format(7, 7, 0, 0)}], (7, 0)),
        ([{"name": "a", "result": "FAIL", "stdout": line.format(7, 4, 2, 1)}], (4, 3)),
        ([{"name": "a", "result": "FAIL", "stdout": line.format(7, 7, 0, 0)}], (7, 1)),
        ([{"name": "a", "result": "OK"}, {"name": "b", "result": "FAIL"}], (1, 1)),
    ]
    wrong = [(records, count(records)) for records, want in cases if count(records)[:2] != want]
    for records, got in wrong:
        print(records, "counted as", got)
    print(f"{len(cases)} cases, {len(wrong)} wrong")
    return 1 if wrong else 0


def main(build):
    """Print the counts of a build's last test run."""
    path = os.path.join(build, "meson-logs", "testlog.json")
    records = []
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            records = [json.loads(line) for line in file]
    passed, failed, names = count(records)
    for name in names:
        print(name, file=sys.stderr)
    print(passed, failed)
    return 0


if __name__ == "__main__":
    sys.exit(fires() if sys.argv[1] == "--self-test" else main(sys.argv[1]))
