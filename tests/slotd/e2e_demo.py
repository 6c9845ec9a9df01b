#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The demo is stopped by Ctrl-C at random moments: it ends, and leaves no process and no file."""
import contextlib
import os
import signal
import subprocess
import sys
import tempfile

from e2e import LOAD, SLOTD, run, seeded, wait_for

SOURCE = seeded()
DEMO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples/demo/demo.py")
STEPS = 5  # the first ones take seconds
STARTER = """
import signal
from children import child_start, endings_later

def interrupt(number, frame):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt

signal.signal(signal.SIGINT, interrupt)
children = [child_start(["true"])]
try:
    print("begun", flush=True)
    while True:
        with endings_later():
            children.append(child_start(["true"]))
        children[-1].wait()
except KeyboardInterrupt:
    print(children[-1].wait() in (0, -signal.SIGINT), flush=True)
"""
STARTERS = 25  # that begin children without end; half of an unguarded one's time is in the fork


def started_in(directory):
    """Processes that have the directory in their environment, and live."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/environ", "rb") as file:
                if f"TMPDIR={directory}".encode() in file.read().split(b"\0"):
                    found.append(int(entry))
        except OSError:
            continue
    return found


def stopped_behind(count, signals):
    """Interrupt it after so many steps and a moment."""
    with tempfile.TemporaryDirectory() as directory:
        process = subprocess.Popen(
            [sys.executable, DEMO, "--server", SLOTD, "--load", LOAD, "--keys", "2000"],
            env={**os.environ, "TMPDIR": directory}, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True)
        try:
            seen = [process.stdout.readline() for _ in range(count)]
            assert all(line.startswith("done") for line in seen), seen
            wait_for(lambda: os.listdir(directory), "its first file")
            try:
                process.wait(SOURCE.uniform(0, 1))
                raise AssertionError("the demo has ended: " + process.stdout.read())
            except subprocess.TimeoutExpired:
                pass
            for number in signals:
                os.killpg(process.pid, number)
            text, _ = process.communicate(timeout=60)
            assert process.returncode == 1 and "cleaning up" in text, (process.returncode, text)
            assert "Traceback" not in text, text
            wait_for(lambda: not started_in(directory), "all processes to end")
            assert not os.listdir(directory), os.listdir(directory)
        finally:
            for number in started_in(directory):
                os.kill(number, signal.SIGKILL)


def test_stopped_anywhere_nothing_is_left():
    for count in SOURCE.sample(range(STEPS + 1), 3):
        stopped_behind(count, [signal.SIGINT])
        print(f"   stopped behind {count} steps", flush=True)


def test_children_begin_whole_or_not_at_all():
    for _ in range(STARTERS):
        process = subprocess.Popen(
            [sys.executable, "-c", STARTER], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": os.path.dirname(DEMO)}, text=True,
            start_new_session=True)
        try:
            assert process.stdout.readline() == "begun\n"
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(SOURCE.uniform(0.001, 0.02))
            os.killpg(process.pid, signal.SIGINT)
            text, _ = process.communicate(timeout=60)
            assert text == "True\n", text
        finally:
            process.kill()
            process.wait()


def test_stopped_by_the_end_of_its_terminal():
    stopped_behind(SOURCE.randrange(STEPS), [signal.SIGHUP])


def test_impatient_users_press_it_twice():
    stopped_behind(SOURCE.randrange(STEPS), [signal.SIGINT, signal.SIGINT])


if __name__ == "__main__":
    run(globals())
