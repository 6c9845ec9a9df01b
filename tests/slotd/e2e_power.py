#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Loss of power in the middle of migrations of both modes: source, target, coordinator or all nodes
at once. SLOTD is a build whose syncs are recorded (power.c): what is left of each file is what was
synced, and of each page written since, the old one or the new one, as chance has it.

With `always` no answered write is lost. With `batch` none is that a checkpoint of every node has
seen, except what redis-cli moved key by key since. Always: one owner per slot, the migration ends
(an atomic one by itself), no orphan."""
import os
import sys
import time

from e2e import Failed, SLOTD, Cluster, mend, no_orphans, run, seeded, some_slots, wait_for
from shards import TAGS, link_to
from writer import KEYS, Writer

SOURCE = seeded()
ROUNDS = {"atomic": 5, "keywise": 2}
PAGE = 4096


def tear(node, share=None):
    """Files as the loss of power leaves them; `share` of what was not synced is there."""
    data, synced = (os.path.join(node.directory, name) for name in ("data", "synced"))
    assert os.path.isdir(synced), "this server was not built with power.c"
    for name in os.listdir(data):
        path, image = os.path.join(data, name), os.path.join(synced, name)
        if not os.path.exists(image) or not os.path.exists(image + ".named"):
            os.remove(path)
            continue
        with open(image, "rb") as file:
            old = file.read()
        with open(path, "rb") as file:
            new = file.read()
        # Each round of its own kind: nothing of what was not synced is there, or most, or half.
        kept = SOURCE.choice((0, 0.1, 0.5, 0.9)) if share is None else share
        size = max(len(old), len(new) if SOURCE.random() < kept else 0)
        with open(path, "wb") as file:
            for at in range(0, size, PAGE):
                written = SOURCE.random() < kept
                page = new[at:at + PAGE] if written else old[at:at + PAGE]
                file.write(page.ljust(min(PAGE, size - at), b"\0"))


def lose_power(nodes, share=None):
    for node in nodes:
        node.kill()
    for node in nodes:
        tear(node, share)
    os.environ["SLOTD_BOOT_ID"] = f"boot {SOURCE.random()}"
    for node in nodes:
        node.start()


def persistence(node):
    lines = node.ask("INFO", "persistence").split("\r\n")
    fields = dict(line.split(":") for line in lines if ":" in line)
    return int(fields["slotd_commits"]), int(fields["slotd_unsynced_commits"])


def checkpoint(cluster, writer):
    """What has been answered by now is in a checkpoint of every node when this returns."""
    floor = list(writer.acknowledged)
    wanted = {node: persistence(node)[0] for node in cluster.nodes}

    def passed(node):
        commits, unsynced = persistence(node)
        return commits - unsynced >= wanted[node]
    for node in cluster.nodes:
        wait_for(lambda: passed(node), "a checkpoint")
    return floor


def victims_of(cluster, source, target):
    return SOURCE.choice((("source", [source]), ("target", [target]),
                          ("coordinator", cluster.nodes[:1]), ("all", list(cluster.nodes))))


def atomic_start(cluster, source, target):
    slots = some_slots(cluster, source, 1500, SOURCE)
    return slots, cluster.move_start({source: slots}, target)


def atomic_end(cluster, moves, target):
    cluster.move_settled(moves, target)


def keywise_start(cluster, source, target):
    slots = sorted(cluster.slots(source))[:60]
    return slots, cluster.cli_start(
        "--cluster", "reshard", cluster.nodes[0].address, "--cluster-from", cluster.name(source),
        "--cluster-to", cluster.name(target), "--cluster-slots", len(slots), "--cluster-yes")


def keywise_end(cluster, process, _):
    if cluster.cli_end(process, seconds=8)[0] != 0:
        mend(cluster)


def one_round(cluster, mode, durability, writer):
    start, end = {"atomic": (atomic_start, atomic_end),
                  "keywise": (keywise_start, keywise_end)}[mode]
    source = max(SOURCE.sample(cluster.nodes, 2), key=lambda node: len(cluster.slots(node)))
    target = SOURCE.choice([node for node in cluster.nodes if node is not source])
    role, victims = victims_of(cluster, source, target)
    done = writer.done
    wait_for(lambda: writer.done > done + 100 or writer.failure, "writes")
    floor = checkpoint(cluster, writer) if durability == "batch" else None
    slots, moves = start(cluster, source, target)
    delay = SOURCE.uniform(0, 0.15 if mode == "atomic" else 0.4)
    time.sleep(delay)
    lose_power(victims)
    writer.stop()
    end(cluster, moves, target)
    cluster.settle()
    cluster.check()
    no_orphans(cluster, KEYS)
    slots = set(slots) if mode == "keywise" and durability == "batch" else set()
    lost = writer.judge(floor or writer.acknowledged, lambda slot: slot in slots)
    print(f"   {durability}, {mode}: {role} lost power after {delay * 1000:.0f} ms, {lost} of the"
          f" last writes gone, {writer.done} writes", flush=True)
    assert floor is not None or lost == 0


def play(durability):
    os.environ["SLOTD_BOOT_ID"] = "first boot"
    with Cluster(SLOTD, 3, durability) as cluster:
        try:
            cluster.create()
            writer = None
            for mode, count in ROUNDS.items():
                for _ in range(count):
                    writer = Writer(cluster, SOURCE, writer)
                    writer.start()
                    one_round(cluster, mode, durability, writer)
        except BaseException:
            for node in cluster.nodes:
                print(f"--- node {node.port}\n{node.log_tail(30)}")
            raise


def test_always_loses_no_answered_write():
    play("always")


def test_batch_loses_the_last_writes_at_most_and_never_ownership():
    play("batch")


def test_batch_brings_no_key_back_whose_absence_was_told():
    os.environ["SLOTD_BOOT_ID"] = "first boot"
    with Cluster(SLOTD, 3, "batch") as cluster:
        cluster.create()
        for number in range(8):
            source, target = SOURCE.sample(cluster.nodes, 2)
            slot = SOURCE.choice(sorted(cluster.slots(source)))
            key, names = f"{{{TAGS[slot]}}}k", [cluster.name(node) for node in (source, target)]
            giver, taker = link_to(source), link_to(target)
            assert giver("SET", key, "old") == "OK"
            for link, word, other in ((taker, "IMPORTING", names[0]),
                                      (giver, "MIGRATING", names[1])):
                assert link("CLUSTER", "SETSLOT", slot, word, other) == "OK"
            assert giver("DEL", key) == 1
            if number % 2:  # else the target asks the source by itself
                wait_for(lambda: str(giver("GET", key)).startswith("ASK "), "the move's begin")
            wait_for(lambda: taker("ASKING") == "OK" and taker("SET", key, "new") == "OK", "a SET")
            lose_power([source], 0)
            assert link_to(source)("CLUSTER", "GETKEYSINSLOT", slot, 10) == [], "it is back"
            mend(cluster)
            cluster.check()
            assert cluster.cli("-c", "-p", source.port, "GET", key).strip() == "new"


if __name__ == "__main__":
    run(globals())
