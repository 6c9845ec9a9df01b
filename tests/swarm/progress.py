#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The progress of long runs, as a person at a terminal sees it: progress.py SIMULATE

A bar that ends at 100 % and then is gone; nothing of it when standard error is no terminal. Each
line has room in one row of the terminal, of a narrow one too, and of one made narrower meanwhile.
"""
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import threading

NARROWER = 30
PIPE = 4096  # bytes: whoever prints more waits for a reader


def resize(terminal, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


def run(words, columns=0, later=0):
    """Exit status, standard output, and what standard error got: a terminal of so many columns,
    later of others; of 0 columns: none."""
    if not columns:
        done = subprocess.run(words, capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout, done.stderr
    ours, theirs = pty.openpty()
    resize(theirs, columns)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=theirs, text=True,
                          pipesize=PIPE) as child:
        os.close(theirs)
        seen, out = b"", []
        reader = threading.Thread(target=lambda: out.append(child.stdout.read()))
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # the other end is closed
                piece = b""
            if not seen:  # what it prints is read from now on
                resize(ours, later or columns)
                reader.start()
            seen += piece
            if not piece:
                break
        reader.join()
    os.close(ours)
    return child.returncode, out[0], seen.decode()


def rows(seen):
    """The lines that were drawn, one over the other."""
    return [line.split("\x1b[K")[0] for line in seen.split("\r")]


def check(words, marks, columns):
    failed = []
    status, out, seen = run(words, columns)
    failed += [f"exit status {status}"] if status else []
    failed += [f"no {mark!r} on the terminal" for mark in marks if mark not in seen]
    failed += [f"no room for {row!r}" for row in rows(seen) if len(row) >= columns]
    if not seen.endswith("\r\x1b[K"):
        failed.append("the bar stays")
    status, plain, errors = run(words)
    failed += [f"exit status {status}"] if status else []
    if errors or "\r" in plain:
        failed.append("a bar without a terminal")
    if "%" in out:
        failed.append("a bar in the output")
    return [f"{' '.join(words[1:3])}, {columns} columns: {reason}" for reason in failed]


def check_resized(words):
    """Of a run that prints more than PIPE: it is not over before the terminal is narrower."""
    lines = [row for row in rows(run(words, 120, NARROWER)[2]) if row] or [""]
    if len(lines[-1]) < NARROWER < len(lines[0]):
        return []
    return [f"made narrower: {lines[0]!r} to {lines[-1]!r}"]


def main():
    simulate = sys.argv[1]
    swarm = [simulate, "swarm", "1", "20"]
    search = [simulate, "search", "keywise-store", "limit", "5000"]
    failed = check(swarm, ["swarm [", "] 100 % 20 seeds, 0 failed", "/s"], 132)
    failed += check(swarm, ["swarm [####", "] 100 % 20 seeds, 0 failed", "left"], 60)
    failed += check(swarm, ["swarm 100 % 20 seeds, 0 failed"], 40)
    failed += check(swarm, ["swarm 10"], 9)
    failed += check(search, ["keywise-store [", " % ", " states, ", " ahead"], 80)
    failed += check_resized([simulate, "swarm", "1", "180", "digests"])
    for line in failed:
        print(line)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
