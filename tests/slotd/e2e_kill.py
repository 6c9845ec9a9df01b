#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""kill -9 of source, target or coordinator at random moments of migrations in both modes, under a
checking load with --durability always: no acknowledged write is lost, an atomic migration ends by
itself (all of it, or nothing), a keywise one can be mended by `fix`, `check` is clean."""
import time

from e2e import Failed, loaded, mend, right, run, seeded, some_slots

SOURCE = seeded()
ROUNDS = 10  # of each mode
SLOTS_MOVED = {"atomic": 1500, "keywise": 150}


def victim_of(cluster, source, target):
    """The node that created the cluster runs the coordinator."""
    return SOURCE.choice((("source", source), ("target", target),
                          ("coordinator", cluster.nodes[0])))


def kill_and_restart(node, delay):
    time.sleep(delay)
    node.kill()
    time.sleep(SOURCE.choice((0, 0, 0.2)))
    node.start()


def atomic_round(cluster, source, target, victim, longest):
    """Returns (moved, how long it would have taken at most)."""
    slots = some_slots(cluster, source, SLOTS_MOVED["atomic"], SOURCE)
    before = cluster.slots(source)
    begin = time.monotonic()
    try:
        moves = cluster.move_start({source: slots}, target)
    except OSError as failure:
        raise Failed(f"before any kill: {failure}") from failure
    delay = SOURCE.uniform(0, longest)
    kill_and_restart(victim, delay)
    moved = cluster.move_settled(moves, target)
    cluster.settle()
    assert cluster.slots(source) == (before - slots if moved else before)
    return moved, delay, time.monotonic() - begin


def test_atomic_migrations_end_by_themselves():
    ends = {True: 0, False: 0}
    with loaded(3, "--size", 1000, durability="always", keys=6000, cut=True) as (cluster, load):
        for number in range(ROUNDS):
            source, target = SOURCE.sample(cluster.nodes, 2)
            role, victim = victim_of(cluster, source, target)
            moved, delay, took = atomic_round(cluster, source, target, victim, 0.12)
            ends[moved] += 1
            print(f"   {number}: {role} killed after {delay * 1000:.0f} ms:"
                  f" {'moved' if moved else 'stayed'}, {took:.2f} s", flush=True)
            cluster.check()
            load.verify()
            right(load.phase(f"round {number}"), cut=True)
            level(cluster)
    print(f"   {ends[True]} moved, {ends[False]} stayed")


def level(cluster):
    """Keep enough slots on every node for the next round."""
    counts = {node: len(cluster.slots(node)) for node in cluster.nodes}
    rich = max(counts, key=counts.get)
    for node, count in counts.items():
        if count < 2 * SLOTS_MOVED["atomic"]:
            cluster.move({rich: sorted(cluster.slots(rich))[:3000]}, node)
            return


def test_keywise_migrations_can_be_mended():
    broken = 0
    with loaded(3, durability="always", cut=True) as (cluster, load):
        for number in range(ROUNDS):
            source, target = SOURCE.sample(cluster.nodes, 2)
            role, victim = victim_of(cluster, source, target)
            process = cluster.cli_start(
                "--cluster", "reshard", cluster.nodes[0].address, "--cluster-from",
                cluster.name(source), "--cluster-to", cluster.name(target), "--cluster-slots",
                SLOTS_MOVED["keywise"], "--cluster-yes")
            delay = SOURCE.uniform(0.03, 0.5)
            kill_and_restart(victim, delay)
            code, text = cluster.cli_end(process)
            broken += code != 0
            print(f"   {number}: {role} killed after {delay * 1000:.0f} ms: redis-cli exit {code}",
                  flush=True)
            if code != 0:
                # It may say nothing when the node that it asked first goes at its first question.
                assert text.strip() or victim is cluster.nodes[0], "it failed without a word"
                mend(cluster)
            cluster.settle()
            cluster.check()
            load.verify()
            right(load.phase(f"round {number}"), cut=True)
    print(f"   {broken} of {ROUNDS} broken off and mended")


if __name__ == "__main__":
    run(globals())
