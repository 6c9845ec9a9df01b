#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The guard must refuse each wrong test of probe.c, and a run without tests; 0 when it does.

    guard_fires.py GUARD PROBE SANITIZED   SANITIZED: yes when the probe has ASan and UBSan
"""
import subprocess
import sys

ALWAYS = {"sound": 0, "failing": 1, "crashing": 1, "nothing": 1}
SANITIZED = {"leaking": 1, "overflowing": 1, "overrunning": 1}


def main(guard, probe, sanitized):
    """Run every probe; 0 when each answer is the expected one."""
    wrong = 0
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
