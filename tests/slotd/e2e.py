# SPDX-License-Identifier: MIT
"""What the end-to-end tests share: a cluster under a checking load, judged at the end.

SLOTD and LOAD name the programs. E2E_SERVER=/usr/bin/redis-server runs a test against the real
server instead, as a control of the test itself; what that server cannot do fails there.
"""
import contextlib
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples/demo"))
from cluster import (  # noqa: F401 (for the tests)
    SLOTS, Cluster, Failed, Load, Refused, ranges_text, wait_for)
from harness import run  # noqa: F401

CONTROL = "E2E_SERVER" in os.environ
SLOTD = os.environ.get("E2E_SERVER") or os.environ.get("SLOTD", "build/examples/slotd/slotd")
LOAD = os.environ.get("LOAD", "build/examples/load/load")
OPS_BETWEEN = 500


def seeded():
    """A source of chance that can be had again: the seed is the first argument, or printed."""
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else random.randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    return random.Random(seed)


def right(figures, cut=False):
    """No error, no lost, stale or wrong answer; connections end only when a node is killed."""
    bad = {name: figures[name] for name in ("errors", "lost", "stale", "wrong") if figures[name]}
    if not cut and figures["drops"]:
        bad["drops"] = figures["drops"]
    if cut and CONTROL:
        bad.pop("errors", None)  # a restarted redis-server answers CLUSTERDOWN and LOADING first
    assert not bad, (bad, figures["first_error"])


@contextlib.contextmanager
def loaded(count, *options, durability="batch", keys=4000, cut=False, workers=6, server=()):
    """A created cluster under load; at the end every key is read, and `check` must be clean."""
    with Cluster(SLOTD, count, durability, server) as cluster:
        load = None
        try:
            cluster.create()
            load = Load(LOAD, cluster.nodes[0].port, "--keys", keys, "--counters", 100,
                        "--workers", workers, "--probes", 2, "--seconds", 280, "--quiet", *options)
            load.fill()
            load.send("run")
            worked(load)
            yield cluster, load
            worked(load)
            cluster.settle()
            cluster.check()
            total = load.quit()
            right(total, cut)
            no_orphans(cluster, keys)
            print(f"   {total['checked']} answers checked, redirects {total['moved']}"
                  f" {total['ask']} {total['tryagain']}, longest {total['max_us'] / 1000:.1f} ms")
        except BaseException:
            for node in cluster.nodes:
                print(f"--- node {node.port}\n{node.log_tail(30)}")
            if load:
                print("\n".join(load.errors[:20]))
            raise
        finally:
            if load:
                load.end()


def worked(load, ops=OPS_BETWEEN):
    """Let the client do so much, whatever time that takes."""
    done = 0
    while done < ops:
        load.verify()
        done += load.phase("work")["ops"]


def no_orphans(cluster, keys):
    """Every key that a node stores lies in a slot that it owns."""
    owners = cluster.owners()
    for node in cluster.nodes:
        mine = [slot for slot in owners if owners[slot] is node]
        there = sum(node.ask_many([("CLUSTER", "COUNTKEYSINSLOT", slot) for slot in mine]))
        assert node.ask("DBSIZE") == there, f"orphans on port {node.port}"
    assert cluster.key_count() <= keys + 100


def some_slots(cluster, node, count, source):
    """Slots of a node: one run, or scattered, as chance has it."""
    slots = sorted(cluster.slots(node))
    if source.random() < 0.5:
        begin = source.randrange(len(slots) - count + 1)
        return set(slots[begin:begin + count])
    return set(source.sample(slots, count))


def mend(cluster):
    """`fix` needs the nodes to see each other again; it says so until then."""
    for _ in range(100):
        try:
            cluster.manage("fix", cluster.nodes[0].address, "--cluster-yes")
            return
        except Failed as failure:
            last = failure
            time.sleep(0.2)
    raise last


def replicas_of(cluster, node):
    name = cluster.name(node)
    lines = node.ask("CLUSTER", "REPLICAS", name)
    ports = {int(line.split()[1].split("@")[0].rsplit(":", 1)[1]) for line in lines}
    return [other for other in cluster.nodes if other.port in ports]


def in_sync(node):
    return "slotd_replica_serves_reads:1" in node.ask("INFO", "replication")


def ready(cluster):
    """Every replica has all and may serve reads."""
    def all_in_sync():
        return all(in_sync(node) for node in cluster.nodes
                   if "role:slave" in node.ask("INFO", "replication"))
    wait_for(all_in_sync, "the replicas")
