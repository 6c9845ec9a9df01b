#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Slots move under a checking load, driven by the stock redis-cli and by CLUSTER MIGRATESLOTS:
there and back, key by key and atomically, one after the other and at once."""
import contextlib
import subprocess
import threading

from e2e import SLOTD, Cluster, Failed, Refused, loaded, right, run, seeded, some_slots

SOURCE = seeded()


def test_keywise_there_and_back():
    with loaded(3) as (cluster, load):
        a, b, c = cluster.nodes
        before = cluster.slots(c)
        cluster.reshard(120, b, a)
        load.verify()
        cluster.reshard(60, c)
        load.verify()
        assert len(cluster.slots(c) - before) >= 58
        cluster.reshard(150, a, b, pipeline=100)
        right(load.phase("after"))


def test_atomic_there_and_back():
    with loaded(3) as (cluster, load):
        a, b, c = cluster.nodes
        for source, target in ((a, b), (b, a), (c, a), (a, c)):
            slots = some_slots(cluster, source, 300, SOURCE)
            cluster.move({source: slots}, target)
            assert slots <= cluster.slots(target)
            load.verify()
            right(load.phase("after"))


def test_atomic_from_many_sources_at_once():
    with loaded(4) as (cluster, load):
        plan = {node: some_slots(cluster, node, 200, SOURCE) for node in cluster.nodes[:3]}
        cluster.move(plan, cluster.nodes[3])
        assert set().union(*plan.values()) <= cluster.slots(cluster.nodes[3])


def test_both_modes_at_once():
    with loaded(4) as (cluster, load):
        a, b, c, d = cluster.nodes
        failures = []

        def keywise():
            # It asks the nodes one by one and starts nothing when slots flip between two answers.
            for last in (False,) * 20 + (True,):
                try:
                    cluster.reshard(150, b, a)
                    return
                except Failed as failure:
                    if last or "Nodes don't agree" not in str(failure):
                        failures.append(failure)
                        return
        thread = threading.Thread(target=keywise)
        thread.start()
        for _ in range(3):
            cluster.move({c: some_slots(cluster, c, 200, SOURCE)}, d)
            cluster.move({d: some_slots(cluster, d, 200, SOURCE)}, c)
        thread.join()
        assert not failures, failures


def test_cancelled_migration_leaves_all_as_it_was():
    with loaded(3, "--size", 2000, keys=8000) as (cluster, load):
        a, b, _ = cluster.nodes
        before = cluster.slots(a)
        cancelled = 0
        for _ in range(8):
            moves = cluster.move_start({a: sorted(before)[:3000]}, b)
            with contextlib.suppress(Refused):  # it may have been decided already
                a.ask("CLUSTER", "CANCELSLOTMIGRATIONS")
            if cluster.move_settled(moves, b):
                cluster.move({b: sorted(before)[:3000]}, a)
            else:
                cancelled += 1
            assert cluster.slots(a) == before
        assert cancelled > 0


def test_slots_without_a_key_move_as_well():
    with Cluster(SLOTD, 3) as cluster:
        cluster.create()
        a, b, c = cluster.nodes
        for source, target in ((a, b), (b, c), (c, a)) * 4:
            slots = some_slots(cluster, source, SOURCE.randrange(1, 300), SOURCE)
            moves = cluster.move_start({source: slots}, target)
            assert cluster.move_settled(moves, target), cluster.migrations(source)[0]


def test_redis_benchmark_runs_through():
    """The stock one, in its cluster mode, while slots move atomically."""
    with Cluster(SLOTD, 3) as cluster:
        cluster.create()
        a, b, _ = cluster.nodes
        moved, told = 0, []
        with subprocess.Popen(
                ["redis-benchmark", "--cluster", "-p", str(a.port), "-t", "set,get,incr,mset",
                 "-n", "20000", "-r", "5000", "-P", "4", "-q"], stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as bench:
            reader = threading.Thread(target=lambda: told.append(bench.stdout.read()))
            reader.start()
            while bench.poll() is None:
                slots = some_slots(cluster, a, 500, SOURCE)
                cluster.move({a: slots}, b)
                cluster.move({b: slots}, a)
                moved += 2
            reader.join()
        assert bench.returncode == 0 and "rror" not in told[0], told[0][-500:]
        print(f"   {moved} moves meanwhile")


def test_fix_closes_what_an_operator_left_open():
    with loaded(3) as (cluster, load):
        a, b, c = cluster.nodes
        slots = sorted(cluster.slots(a))[:3]
        names = {node: cluster.name(node) for node in cluster.nodes}
        b.ask("CLUSTER", "SETSLOT", slots[0], "IMPORTING", names[a])
        a.ask("CLUSTER", "SETSLOT", slots[0], "MIGRATING", names[b])
        a.ask("CLUSTER", "SETSLOT", slots[1], "MIGRATING", names[c])
        c.ask("CLUSTER", "SETSLOT", slots[2], "IMPORTING", names[a])
        cluster.manage("fix", a.address)
        cluster.settle()
        cluster.check()


if __name__ == "__main__":
    run(globals())
