#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What soak.sh promises, with a simulator that only says what a real one says: soak_test.py

Seeds as they are and seeds that look at a phase run by turns. Failures are kept and counted, over
several runs into one folder; a run that is stopped says what it did, and leaves no process behind;
one whose simulator does not run ends at once, and fails.
"""
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

# Three calls answer at once, the fourth stops the soak when all three were written down, and it
# and all later ones stay until they are stopped.
FAKE = r"""#!/bin/bash
exec 9>>"$CALLS"; flock 9
echo "$2 $3 $5" >&9
call=$(wc -l <"$CALLS"); flock -u 9
if [ "$call" -le 3 ]; then
  [ "$call" -ne 2 ] || touch "replay-$2.txt"
  echo "rows T01=1"
  echo "$3 seeds, $([ "$call" -eq 2 ] && echo 1 || echo 0) failed, 9 steps, 7 faults, 5 requests"
  exit 0
fi
echo $$ >>"$CALLS.pids"
if [ "$call" -eq 4 ]; then
  until [ "$(cat log-*.txt | wc -l)" -ge "$LINES_BEFORE" ]; do sleep 0.01; done
  kill -TERM "$SOAK"
fi
exec sleep 1000
"""


def soak(folder, fake, calls, lines_before):
    """Exit status and the last line of one run."""
    script = pathlib.Path(__file__).with_name("soak.sh")
    environment = dict(os.environ, CALLS=str(calls), LINES_BEFORE=str(lines_before))
    command = f'SOAK=$$ exec bash "{script}" "{fake}" 8 "{folder}"'
    with tempfile.TemporaryFile("w+") as out:  # no pipe: what is left behind would hold it open
        done = subprocess.run(["bash", "-c", command], env=environment, stdout=out,
                              stderr=subprocess.STDOUT)
        out.seek(0)
        return done.returncode, out.read().strip().splitlines()[-1]


def alive(pid):
    """Whether it still runs: one that was killed may wait for whoever collects it."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def stays(pid):
    """Whether it runs on: a signal that was sent may still be under way."""
    for _ in range(1000):
        if not alive(pid):
            return False
        time.sleep(0.01)
    return True


def turns(calls):
    """What is wrong with calls: FROM COUNT, and what the seeds look at, if at anything. Four calls
    of three workers or fewer: two of them are one worker's."""
    looks = {int(call.split()[0]): call.split()[2:] for call in calls}
    pairs = [(look, looks[seed + 500]) for seed, look in looks.items() if seed + 500 in looks]
    return [f"{pair} follow each other" for pair in pairs if bool(pair[0]) == bool(pair[1])]


def main():
    failed = []
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        fake, folder, pids = place / "fake", place / "soak", []
        fake.write_text(FAKE)
        fake.chmod(0o755)
        for run in (1, 2):
            calls = place / f"calls-{run}"
            status, line = soak(folder, fake, calls, 3 * run)
            if (status, line) != (1, f"{1500 * run} seeds, {run} failed, {21 * run} faults"):
                failed.append(f"run {run}: status {status}, {line!r}")
            pids += pathlib.Path(f"{calls}.pids").read_text().split()
            first = sorted(call.split()[0] for call in calls.read_text().splitlines())
            if len(first) != len(set(first)):
                failed.append(f"run {run}: a seed twice")
            failed += [f"run {run}: {fault}" for fault in turns(calls.read_text().splitlines())]
        fake.write_text("#!/bin/sh\nexit 127\n")
        status, line = soak(place / "none", fake, place / "calls", 0)
        workers = len(os.sched_getaffinity(0))
        if (status, line) != (1, f"0 seeds, {workers} failed, 0 faults"):
            failed.append(f"a simulator that does not run: status {status}, {line!r}")
        if len(list(folder.glob("replay-*.txt"))) != 2:
            failed.append("a failure was not kept")
        if any(re.search("rows", log.read_text()) for log in folder.glob("log-*.txt")):
            failed.append("rows are in the log")
        for pid in pids:
            if stays(pid):
                failed.append(f"process {pid} was left behind")
                os.kill(int(pid), signal.SIGKILL)
    for line in failed:
        print(line)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
