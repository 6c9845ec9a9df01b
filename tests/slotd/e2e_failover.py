#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Replicas and fail-over: stock redis-cli makes the cluster and its replicas; a primary is killed
in the middle of a migration, of both modes, as source and as target, and its replica takes over by
CLUSTER FAILOVER FORCE. With --durability always no acknowledged write is lost, the migration ends,
`check` is clean. Reads at replicas never show what a later owner has overwritten."""
import re
import sys
import time

from e2e import (Cluster, Failed, SLOTD, in_sync, ready, replicas_of, run, seeded,
                 wait_for)
from harness import Connection
from writer import KEYS, Writer

SOURCE = seeded()
ROUNDS = 2  # of each mode and side; one more without a kill


def primaries(cluster):
    return [node for node in cluster.nodes if node.alive() and
            "role:master" in node.ask("INFO", "replication")]


def take_over(cluster, victim, heir):
    """Kill a primary, and make its replica the new one. Not when it had gone on without that one,
    which may lack what was answered since: then it starts again. Returns whether it took over."""
    victim.kill()
    said = re.findall("event=(replica_left|replica_follows) ", victim.log_tail(1000000))
    if said[-1:] == ["replica_left"]:
        return False
    assert heir.ask("CLUSTER", "FAILOVER", "FORCE") == "OK"
    wait_for(lambda: "role:master" in heir.ask("INFO", "replication"), "the heir")
    return True


def atomic_start(cluster, source, target, slots):
    return cluster.move_start({source: slots}, target)


def keywise_start(cluster, source, target, slots):
    return cluster.cli_start("--cluster", "reshard", cluster.nodes[0].address, "--cluster-from",
                             cluster.name(source), "--cluster-to", cluster.name(target),
                             "--cluster-slots", len(slots), "--cluster-yes")


def ended(cluster):
    """No slot is open at any node; `fix` mends what redis-cli left half done."""
    for _ in range(60):
        try:
            cluster.settle(5)
            cluster.check()
            return
        except Failed as failure:
            last = failure
            cluster.cli_end(cluster.cli_start("--cluster", "fix", cluster.nodes[0].address,
                                              "--cluster-yes"))
    raise last


def hand_over(primary, heir):
    """Without loss, while the migration goes on; the old primary becomes a replica."""
    assert heir.ask("CLUSTER", "FAILOVER") == "OK"
    wait_for(lambda: "role:slave" in primary.ask("INFO", "replication"), "the deposed")


def one_round(cluster, mode, side, before, graceful):
    writer = Writer(cluster, SOURCE, before)
    writer.start()
    first = cluster.nodes[0]  # runs the coordinator: it is never the one that dies
    source, target = SOURCE.sample(primaries(cluster), 2)
    victim = source if side == "source" else target
    if victim is first:
        source, target = target, source
        victim = source if side == "source" else target
    heir = replicas_of(cluster, victim)[0]
    slots = sorted(cluster.slots(source))[:800 if mode == "atomic" else 40]
    start = atomic_start if mode == "atomic" else keywise_start
    moves = start(cluster, source, target, slots)
    delay = SOURCE.uniform(0, 0.08 if mode == "atomic" else 0.4)
    time.sleep(delay)
    if graceful:
        end = "hands over"
        hand_over(victim, heir)
    elif take_over(cluster, victim, heir):
        end = "killed"
    else:
        end = "left behind its replica and killed"
        victim.start()
    if mode == "keywise":
        cluster.cli_end(moves, seconds=8)  # it may wait for the dead: `fix` goes on
    done = writer.done
    wait_for(lambda: writer.done > done + 50 or writer.failure, "writes after the fail-over")
    if not victim.alive():
        victim.start()
    ended(cluster)
    ready(cluster)
    writer.end()
    print(f"   {mode}, {side} {end} after {delay * 1000:.0f} ms, {writer.done} writes", flush=True)
    return writer, end == "killed"


def test_fail_over_in_the_middle_of_migrations():
    with Cluster(SLOTD, 6, "always") as cluster:
        try:
            cluster.manage("create", *[node.address for node in cluster.nodes],
                           "--cluster-replicas", "1", "--cluster-yes")
            cluster.settle()
            ready(cluster)
            writer, killed = None, 0
            for mode in ("atomic", "keywise"):
                for side in ("source", "target"):
                    for number in range(ROUNDS + 1):
                        writer, took_over = one_round(
                            cluster, mode, side, writer, number == ROUNDS)
                        killed += took_over
            assert killed > 0, "no replica has kept up"
        except BaseException:
            for node in cluster.nodes:
                print(f"--- node {node.port}\n{node.log_tail(30)}")
            raise


def test_replicas_read_and_hand_over():
    """READONLY reads, a fail-over without loss under writes, a replica added by add-node."""
    with Cluster(SLOTD, 4, "batch") as cluster:
        cluster.manage("create", *[node.address for node in cluster.nodes[:3]], "--cluster-yes")
        cluster.nodes, last = cluster.nodes[:3], cluster.nodes[3]
        cluster.settle()
        cluster.manage("add-node", last.address, cluster.nodes[1].address, "--cluster-slave",
                       "--cluster-master-id", cluster.name(cluster.nodes[1]))
        cluster.nodes.append(last)
        cluster.settle()
        ready(cluster)
        writer = Writer(cluster, SOURCE)
        writer.start()
        wait_for(lambda: writer.done > 500 or writer.failure, "writes")
        for _ in range(4):
            primary = next(node for node in primaries(cluster) if replicas_of(cluster, node))
            heir = replicas_of(cluster, primary)[0]
            assert heir.ask("CLUSTER", "FAILOVER") == "OK"
            wait_for(lambda: "role:slave" in primary.ask("INFO", "replication"), "the deposed")
            cluster.settle()
            ready(cluster)
            done = writer.done
            wait_for(lambda: writer.done > done + 200 or writer.failure, "writes")
        writer.end()
        reads_at_replica(cluster, writer)
        cluster.check()


def test_replicas_leave_with_their_keys_and_come_back():
    """del-node of a replica that holds keys; it forgets them, and may follow again. Who has no
    whole copy is not promoted, and a primary with slots is not removed."""
    with Cluster(SLOTD, 4, "batch") as cluster:
        cluster.manage("create", *[node.address for node in cluster.nodes[:3]], "--cluster-yes")
        cluster.nodes, last = cluster.nodes[:3], cluster.nodes[3]
        cluster.settle()
        first = cluster.nodes[0]
        for number in range(200):
            key = f"k{number}"
            slot = first.ask("CLUSTER", "KEYSLOT", key)
            cluster.owners()[slot].ask("SET", key, number)
        follow = ("add-node", last.address, first.address, "--cluster-slave",
                  "--cluster-master-id", cluster.name(cluster.nodes[2]))
        held = cluster.nodes[2].ask("DBSIZE")
        for _ in range(2):
            cluster.manage(*follow)
            cluster.nodes.append(last)
            cluster.settle()
            ready(cluster)
            assert last.ask("DBSIZE") == held > 0
            refuses(first, "You should send CLUSTER FAILOVER to a replica", "FAILOVER")
            cluster.manage("del-node", first.address, cluster.name(last))
            cluster.nodes.remove(last)
            cluster.settle()
            cluster.check()
            wait_for(lambda: last.ask("DBSIZE") == 0, "it to forget the keys")
            assert len(last.ask("CLUSTER", "NODES").splitlines()) == 1
        code, text = cluster.cli_end(cluster.cli_start(
            "--cluster", "del-node", first.address, cluster.name(cluster.nodes[1])))
        assert code == 1 and "is not empty" in text, text
        last.stop()


def refuses(node, text, *words):
    try:
        node.ask("CLUSTER", *words)
    except Failed as failure:
        assert text in str(failure), failure
        return
    raise Failed(f"{words} was not refused")


def served(reply):
    """A list of the answer; nothing when it sends on, as its lease was over for a moment."""
    return [] if str(reply).startswith("MOVED") else [reply]


def reads_at_replica(cluster, writer):
    """Without READONLY it sends on; with it, it answers what the primary acknowledged."""
    primary = next(node for node in primaries(cluster) if replicas_of(cluster, node))
    link = Connection(("127.0.0.1", replicas_of(cluster, primary)[0].port))
    mine = [key for key in range(KEYS)
            if link("CLUSTER", "KEYSLOT", f"key:{key}") in cluster.slots(primary)]
    assert mine
    assert link("GET", f"key:{mine[0]}").startswith("MOVED")
    assert link("READONLY") == "OK"
    for key in mine:
        found = wait_for(lambda: served(link("GET", f"key:{key}")), "the replica's lease")
        assert found == served(writer.ask(key, "GET", f"key:{key}")), key
    assert link("SET", f"key:{mine[0]}", 1).startswith("MOVED")
    assert link("READWRITE") == "OK"
    assert link("GET", f"key:{mine[0]}").startswith("MOVED")


if __name__ == "__main__":
    run({name: value for name, value in globals().items()
         if len(sys.argv) < 3 or name == sys.argv[2] or not name.startswith("test_")})
