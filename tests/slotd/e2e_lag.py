#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A replica that lags, its process stopped for a while, answers no read with what a later owner has
overwritten: not after an atomic flip, not after a key moved, not when the primary has started
again meanwhile. Its requests wait in its socket, so it sees them before what its primary sends."""
import contextlib

from e2e import in_sync, replicas_of, run, wait_for
from harness import Error
from shards import (TAGS, filled, key_of, link_to, reader, shards, stopped, waited_for,
                    written)


def fresh(reply, value):
    assert isinstance(reply, Error) and reply.startswith("MOVED") or reply == value, reply


def test_no_stale_read_after_an_atomic_flip():
    with shards() as (cluster, target, source, replica):
        for number in range(3):
            key, slot = key_of(cluster.slots(source), number)
            written(source, key, "old")
            link = reader(replica, key, b"old")
            with stopped(replica):
                cluster.move_start({source: [slot]}, target)
                written(target, key, "new")
                link.send("GET", key)
            fresh(link.read(), b"new")
        cluster.settle()
        cluster.check()


def phases(cluster):
    return [migration["phase"] for migration in cluster.reshard_progress()["migrations"]]


def test_no_stale_read_after_a_restart_in_hold():
    """The hold is on the primary's disk and on no replica; it starts again, and holds."""
    with shards() as (cluster, target, source, replica):
        key, _ = key_of(cluster.slots(source), 0)
        written(source, key, "old")
        link = reader(replica, key, b"old")
        with held(cluster, target, source, replica):
            source.kill()
            source.start()
            written(target, key, "new")
            link.send("GET", key)
        fresh(link.read(), b"new")
        wait_for(lambda: in_sync(replica), "the replica's lease")
        cluster.settle()
        cluster.check()


@contextlib.contextmanager
def held(cluster, target, source, replica):
    """The source holds slots, and waits with that for its replica, which sleeps."""
    slots = sorted(cluster.slots(source))[:3000]
    filled(source, slots[1:], b"x" * 10000)  # so that the copy takes a while
    wait_for(lambda: in_sync(replica), "the replica's lease")
    cluster.move_start({source: slots}, target)
    wait_for(lambda: phases(cluster) != ["PREPARE"], "the copy", pause=0.001)
    with stopped(replica):
        wait_for(lambda: phases(cluster) in (["HOLD"], []), "the hold", pause=0.001)
        yield


def test_what_empties_a_node_waits_for_the_flip():
    """FLUSHALL, like any write, also within EXEC; a replica refuses it."""
    with shards() as (cluster, target, source, replica):
        key, slot = key_of(cluster.slots(source), 4000)
        written(source, key, "old")
        assert link_to(replica)("FLUSHALL").startswith("READONLY ")
        with held(cluster, target, source, replica):
            links = link_to(source), link_to(source)
            links[0].send("FLUSHALL")
            for words in ("MULTI",), ("FLUSHALL",), ("SET", key, "new"), ("EXEC",):
                links[1].send(*words)
        assert links[0].read() == "OK"
        assert [links[1].read() for _ in range(4)] == ["OK", "QUEUED", "QUEUED", ["OK", "OK"]]
        cluster.settle()
        cluster.check()
        assert source.ask("DBSIZE") <= 1 and target.ask("DBSIZE") == 2999
        assert links[0]("GET", key) in (b"new", None)
        assert slot in cluster.slots(source)


def opened(cluster, source, target, slot):
    names = cluster.name(source), cluster.name(target)
    target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", names[0])
    source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", names[1])
    wait_for(lambda: str(link_to(source)("GET", "{%s}none" % TAGS[slot])).startswith("ASK"),
             "the phase MOVE")


def closed(cluster, source, target, slot):
    for node in (target, source):
        node.ask("CLUSTER", "SETSLOT", slot, "NODE", cluster.name(target))
    cluster.settle()
    cluster.check()


def test_no_stale_read_of_a_key_that_has_moved():
    with shards() as (cluster, target, source, replica):
        key, slot = key_of(cluster.slots(source), 0)
        written(source, key, "old")
        link = reader(replica, key, b"old")
        with stopped(replica):
            opened(cluster, source, target, slot)
            moved = link_to(source)("MIGRATE", "127.0.0.1", target.port, key, 0, 20000)
            assert moved == "OK", moved
            written(target, key, "new", asking=True)
            link.send("GET", key)
        fresh(link.read(), b"new")
        closed(cluster, source, target, slot)


def test_no_redirect_rests_on_what_a_replica_lacks():
    """A key's absence sends its requests on; were its removal lost by a fail-over, the heir would
    serve what the target has overwritten. So ASK waits, and so does the target that inquires."""
    with shards() as (cluster, target, source, replica):
        key, slot = key_of(cluster.slots(source), 0)
        other = key + "other"
        written(source, key, "old")
        written(source, other, "old")
        opened(cluster, source, target, slot)
        assert replicas_of(cluster, source) == [replica]
        link = link_to(source)
        with stopped(replica):
            assert link("DEL", key) == 1
            reply = link("GET", key)
            assert reply.startswith("ASK") and waited_for(source) == 0, reply
        with stopped(replica):
            assert link("DEL", other) == 1
            written(target, other, "new", asking=True)
            assert waited_for(source) == 0
        closed(cluster, source, target, slot)


if __name__ == "__main__":
    run(globals())
