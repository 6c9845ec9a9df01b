#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""kill -9 at random moments loses no answered write; a lost power costs at most what came after
the last sync, and leaves a sound store."""
import os
import random
import shutil
import sys
import threading

from harness import Connection, Slotd, run, wait_for


def write_until_killed(slotd, source, last):
    """Four writers, each with its own keys; `last` has what was answered per key."""
    def work(number):
        try:
            c = slotd.connect()
            n = 0
            while True:
                n += 1
                key = f"w{number}:{random.randrange(50)}"
                size = random.choice([10, 100, 5000])
                value = b"%d:" % n + b"x" * size
                sent[key] = value
                if c("SET", key, value) != "OK":
                    return
                last[key] = value
                answered.append(key)
        except (ConnectionError, OSError):
            pass

    sent = {}
    answered = []
    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    # The moment is random in work done, not in time, so that slow machines test as much.
    goal = source.randrange(20, 400)
    wait_for(lambda: len(answered) > goal)
    slotd.kill()
    for thread in threads:
        thread.join()
    return sent


def kills(durability, rounds):
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else random.randrange(1 << 32)
    print(f"seed {seed}")
    source = random.Random(seed)
    with Slotd("--durability", durability) as slotd:
        last = {}
        for _ in range(rounds):
            sent = write_until_killed(slotd, source, last)
            slotd.start()
            c = slotd.connect()
            for key, value in last.items():
                found = c("GET", key)
                # The write after the last answered one may have been made too.
                assert found in (value, sent.get(key)), (seed, key, value[:20], found[:20])
                last[key] = found
            assert c("DBSIZE") <= 200
        assert len(last) > 50


def test_always_survives_kill_9():
    kills("always", 8)


def test_batch_survives_kill_9():
    kills("batch", 8)


def torn(before, after, path, source):
    """A file as a power loss may leave it: each page as it was synced, or as written since."""
    share = source.choice((0, 0.5, 0.9, 0.99))
    with open(before, "rb") as file:
        old = file.read()
    with open(after, "rb") as file:
        new = file.read()
    pages = bytearray()
    for at in range(0, len(new), 4096):
        written = source.random() < share
        pages += new[at:at + 4096] if written or at >= len(old) else old[at:at + 4096]
    with open(path, "wb") as file:
        file.write(pages)


def copies(slotd, name):
    folder = f"{slotd.root}/{name}"
    shutil.copytree(f"{slotd.root}/data", folder)
    return folder


def overwrite(slotd):
    """Change keys one by one; returns the state after each change, from none to all."""
    c = slotd.connect()
    state = {n: b"old%d" % n + b"x" * (n * 10) for n in range(300)}
    states = [dict(state)]
    for n in range(0, 300, 3):
        state[n] = b"new%d" % n + b"y" * (n * 10)
        c("SET", f"k{n}", state[n])
        states.append(dict(state))
        state[n + 1] = None
        c("DEL", f"k{n + 1}")
        states.append(dict(state))
        state[n + 2] += b"tail"
        c("APPEND", f"k{n + 2}", "tail")
        states.append(dict(state))
    return states


def test_batch_survives_power_loss_up_to_the_last_sync():
    """What is left is what was there after some one write: none is there without those before."""
    source = random.Random(7)
    lengths = set()
    for _ in range(10):
        with Slotd("--durability", "batch", environment={"SLOTD_BOOT_ID": "first"}) as slotd:
            data = slotd.root + "/data"
            c = slotd.connect()
            for n in range(300):
                c("SET", f"k{n}", b"old%d" % n + b"x" * (n * 10))

            def synced():
                return c("INFO", "persistence").split(b"slotd_unsynced_commits:")[1][0:1] == b"0"
            wait_for(synced)
            before = copies(slotd, "before")
            states = overwrite(slotd)
            slotd.kill()
            after = copies(slotd, "after")
            for _ in range(5):
                shutil.rmtree(data)
                shutil.copytree(after, data)
                for file in ("data.mdb", "redo.0", "redo.1"):
                    torn(f"{before}/{file}", f"{after}/{file}", f"{data}/{file}", source)
                slotd.start(environment={"SLOTD_BOOT_ID": "second"})
                assert "event=store_restored" in slotd.log_text()
                c = slotd.connect()
                found = {n: c("GET", f"k{n}") for n in range(300)}
                assert found in states
                lengths.add(states.index(found))
                assert c("DBSIZE") == sum(value is not None for value in found.values())
                assert c("SET", "more", "x") == "OK"
                slotd.kill()
    assert 0 in lengths and max(lengths) > 20, lengths


def test_always_opens_after_power_loss():
    with Slotd("--durability", "always", environment={"SLOTD_BOOT_ID": "first"}) as slotd:
        c = slotd.connect()
        for n in range(50):
            c("SET", f"k{n}", n)
        slotd.kill()
        slotd.start(environment={"SLOTD_BOOT_ID": "second"})
        assert slotd.connect()("DBSIZE") == 50


def test_none_refuses_after_power_loss():
    with Slotd("--durability", "none", environment={"SLOTD_BOOT_ID": "first"}) as slotd:
        slotd.connect()("SET", "a", 1)
        slotd.kill()
        try:
            slotd.start(environment={"SLOTD_BOOT_ID": "second"})
        except AssertionError as error:
            assert "power was lost" in str(error)
        else:
            raise AssertionError("it opened")


if __name__ == "__main__":
    run(globals())
