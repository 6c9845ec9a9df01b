# SPDX-License-Identifier: MIT
"""Three shards with replicas, and what tests do with these: stop their process for a while, read
there, write wherever the owner is."""
import contextlib
import os
import signal

import redis.crc

from e2e import SLOTD, Cluster, in_sync, ready, wait_for
from harness import Connection


@contextlib.contextmanager
def replicated(*followed, make=Cluster):
    """Three shards, the first of which runs the coordinator, and their replicas: `followed` says
    for each of these which shard it follows, by number. Yields the cluster and the replicas."""
    with make(SLOTD, 3 + len(followed)) as cluster:
        replicas = [cluster.nodes.pop() for _ in followed]
        cluster.create()
        for replica, primary in zip(replicas, [cluster.nodes[number] for number in followed]):
            cluster.manage("add-node", replica.address, primary.address, "--cluster-slave",
                           "--cluster-master-id", cluster.name(primary))
            cluster.nodes.append(replica)
            cluster.settle()
        ready(cluster)
        try:
            yield cluster, replicas
        except BaseException:
            for node in cluster.nodes:
                print(f"--- node {node.port}\n{node.log_tail(30)}")
            raise


@contextlib.contextmanager
def shards(make=Cluster):
    """The cluster, the coordinator's node, another one and its replica."""
    with replicated(1, make=make) as (cluster, (replica,)):
        yield cluster, *cluster.nodes[:2], replica


def link_to(node):
    return Connection(("127.0.0.1", node.port))


def key_of(source, number):
    """A key of the source's slots, and its slot."""
    slot = min(source) + number
    return f"{{{TAGS[slot]}}}", slot


def tags():
    """slot -> a word that lies in it."""
    found = {}
    number = 0
    while len(found) < 16384:
        found.setdefault(redis.crc.key_slot(b"%d" % number), str(number))
        number += 1
    return found


TAGS = tags()


def go_on(node):
    with contextlib.suppress(ProcessLookupError):
        os.kill(node.process.pid, signal.SIGCONT)


@contextlib.contextmanager
def stopped(node):
    """A replica may read when it stops."""
    if "role:slave" in node.ask("INFO", "replication"):
        wait_for(lambda: in_sync(node), "the replica's lease")
    os.kill(node.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        go_on(node)


def reader(replica, key, value):
    """A connection to the replica that has read the key there."""
    link = link_to(replica)
    assert link("READONLY") == "OK"
    wait_for(lambda: link("GET", key) == value, "the replica")
    return link


def written(node, key, value, asking=False):
    """The node has acknowledged the write: it is the owner now."""
    link = link_to(node)

    def done():
        if asking:
            link("ASKING")
        return link("SET", key, value) == "OK"
    wait_for(done, "the flip", pause=0.001)


def waited_for(node):
    text = node.ask("INFO", "replication")
    return int(text.split("slotd_replicas_waited_for:")[1].split()[0])


def filled(node, slots, value):
    """One key in each slot."""
    link = link_to(node)
    for slot in slots:
        link.send("SET", "{%s}" % TAGS[slot], value)
    assert all(link.read() == "OK" for _ in slots)
