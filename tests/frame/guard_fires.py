#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The guard must refuse each wrong test of probe.c, and a run without tests; 0 when it does.

    guard_fires.py GUARD PROBE SANITIZED   SANITIZED: yes when the probe has ASan and UBSan
"""
import importlib.util
import subprocess
import sys

ALWAYS = {"sound": 0, "failing": 1, "crashing": 1, "nothing": 1}
SANITIZED = {"leaking": 1, "overflowing": 1, "overrunning": 1}


HEAD = "==1==ERROR: LeakSanitizer: detected memory leaks\n\n"
LEAK = "Direct leak of 48 byte(s) in 1 object(s) allocated from:\n    #0 0x1 in malloc (x)\n"
THEIRS = LEAK + "    #1 0x2  (/usr/lib/libcriterion.so.3+0x1a332)\n"
OURS = LEAK + "    #1 0x2 in f x.c:1\n    #2 0x3  (/usr/lib/libcriterion.so.3+0x1a332)\n"
OTHER = "==1==ERROR: AddressSanitizer: heap-use-after-free\n"
EXCUSED = {HEAD + THEIRS: True, HEAD + OURS: False, HEAD + THEIRS + OURS: False, OTHER: False}


def excuses_wrongly(guard):
    """How many reports the guard judges wrongly: only Criterion's own leaks are let be."""
    spec = importlib.util.spec_from_file_location("guard", guard)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return sum(module.is_criterions_own(text) != good for text, good in EXCUSED.items())


def main(guard, probe, sanitized):
    """Run every probe; 0 when each answer is the expected one."""
    wrong = excuses_wrongly(guard)
    expected = {**ALWAYS, **(SANITIZED if sanitized == "yes" else {})}
    for name, status in expected.items():
        command = [sys.executable, guard, probe, "--filter", f"probe/{name}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != status:
            wrong += 1
            print(f"probe {name}: status {done.returncode}, {status} expected\n{done.stdout}")
    print(f"{len(expected)} probes, {wrong} wrong answers")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
