#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The progress of long runs, as a person at a terminal sees it: progress.py SIMULATE

A bar that ends at 100 % and then is gone; nothing of it when standard error is no terminal.
"""
import os
import pty
import subprocess
import sys


def run(words, terminal):
    """Exit status, standard output, and what standard error got."""
    if not terminal:
        done = subprocess.run(words, capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout, done.stderr
    ours, theirs = pty.openpty()
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=theirs, text=True) as child:
        os.close(theirs)
        seen = b""
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            seen += piece
        out = child.stdout.read()
    os.close(ours)
    return child.returncode, out, seen.decode()


def check(words, marks):
    failed = []
    status, out, seen = run(words, True)
    failed += [f"exit status {status}"] if status else []
    failed += [f"no {mark!r} on the terminal" for mark in marks if mark not in seen]
    if not seen.endswith("\r\x1b[K"):
        failed.append("the bar stays")
    status, plain, errors = run(words, False)
    failed += [f"exit status {status}"] if status else []
    if errors or "\r" in plain:
        failed.append("a bar without a terminal")
    if "%" in out:
        failed.append("a bar in the output")
    return [f"{' '.join(words[1:3])}: {reason}" for reason in failed]


def main():
    simulate = sys.argv[1]
    failed = check([simulate, "swarm", "1", "20"],
                   ["swarm [", "] 100 % 20 seeds, 0 failed", "/s"])
    failed += check([simulate, "search", "keywise-store", "limit", "5000"],
                    ["keywise-store [", " % ", " states, ", " ahead"])
    for line in failed:
        print(line)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
