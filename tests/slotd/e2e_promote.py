#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Promotions that an operator may regret: of a replica that its primary has gone on without, and
beside a primary that only stood still, or is cut off. Whatever was lost is said, ownership never
goes back, two never serve at once, and the old primary comes back as a replica."""
import contextlib
import os
import signal
import time

from e2e import Failed, in_sync, ready, run, wait_for
from shards import (TAGS, filled, go_on, key_of, link_to, replicated, shards, stopped, waited_for,
                    written)

SLOTS = 100
LEASE_MS = 5000
TURNS = 40  # more than a primary sends to a replica that says nothing


def leads(cluster, node):
    """All that live see it as a master."""
    return all("master" in cluster.view(other)[node.port][1]
               for other in cluster.nodes if other.alive())


def left_behind(replica, primary):
    """Stop the replica; its primary waits for it no more and sends it nothing either."""
    wait_for(lambda: in_sync(replica), "the replica's lease")
    os.kill(replica.process.pid, signal.SIGSTOP)
    wait_for(lambda: waited_for(primary) == 0, "the primary to go on")
    link = link_to(primary)
    key, _ = key_of(primary_slots(link, primary), 500)
    for number in range(TURNS):
        assert link("SET", key, number) == "OK"


def primary_slots(link, node):
    first, last = next(row for row in link("CLUSTER", "SLOTS") if row[2][1] == node.port)[:2]
    return range(first, last + 1)


def refused(replica, text):
    try:
        replica.ask("CLUSTER", "FAILOVER", "FORCE")
        raise AssertionError("it was promoted")
    except Failed as failure:
        assert text in str(failure), failure
    assert "role:slave" in replica.ask("INFO", "replication")


def come_back(cluster, dead, heir):
    """It follows its heir and has its data."""
    dead.start()
    wait_for(lambda: "role:slave" in dead.ask("INFO", "replication"), "the deposed")
    wait_for(lambda: in_sync(dead), "its copy")
    assert dead.ask("DBSIZE") == heir.ask("DBSIZE")
    cluster.settle()
    cluster.check()


def test_a_replica_left_behind_gives_nothing_back():
    """As a source's heir: slots that have gone stay gone, and so do their keys."""
    with shards() as (cluster, target, source, replica):
        slots = sorted(cluster.slots(source))[:SLOTS]
        kept = sorted(cluster.slots(source))[SLOTS:2 * SLOTS]
        filled(source, slots, "old")
        filled(source, kept, "kept")
        wait_for(lambda: replica.ask("DBSIZE") == 2 * SLOTS, "the replica")
        left_behind(replica, source)
        cluster.move({source: slots}, target)
        filled(target, slots, "new")
        source.kill()
        go_on(replica)
        assert replica.ask("CLUSTER", "FAILOVER", "FORCE") == "OK"
        wait_for(lambda: leads(cluster, replica), "the heir")
        assert not cluster.slots(replica) & set(slots)
        links = link_to(target), link_to(replica)
        for slot in slots:
            key = "{%s}" % TAGS[slot]
            assert links[0]("GET", key) == b"new" and links[1]("GET", key).startswith("MOVED")
        assert all(links[1]("GET", "{%s}" % TAGS[slot]) == b"kept" for slot in kept)
        wait_for(lambda: replica.ask("DBSIZE") in (SLOTS, SLOTS + 1), "what is not its own to go")
        come_back(cluster, source, replica)
        # Its leftovers are in no way of the same slots on their way back.
        cluster.move({target: slots}, replica)
        assert links[1]("GET", "{%s}" % TAGS[slots[0]]) == b"new"
        cluster.check()


def test_a_replica_that_lacks_slots_is_not_promoted_by_mistake():
    """As a target's heir: it has not got the slots that came; that is said, nothing changes, and
    TAKEOVER does it all the same."""
    with shards() as (cluster, source, target, replica):
        slots = sorted(cluster.slots(source))[:SLOTS]
        kept = sorted(cluster.slots(target))[:SLOTS]
        filled(source, slots, "gone")
        filled(target, kept, "kept")
        wait_for(lambda: replica.ask("DBSIZE") == SLOTS, "the replica")
        left_behind(replica, target)
        cluster.move({source: slots}, target)
        target.kill()
        go_on(replica)
        refused(replica, f"lacks {SLOTS} slots")
        assert replica.ask("CLUSTER", "FAILOVER", "TAKEOVER") == "OK"
        wait_for(lambda: leads(cluster, replica), "the heir")
        assert set(slots) <= cluster.slots(replica)
        link = link_to(replica)
        assert all(link("GET", "{%s}" % TAGS[slot]) is None for slot in slots)
        assert all(link("GET", "{%s}" % TAGS[slot]) == b"kept" for slot in kept)
        come_back(cluster, target, replica)
        cluster.move({replica: slots}, source)
        cluster.check()


def answers(link, count):
    """So many, or those before the connection ends: what a primary says in the turn in which it
    finds its lease over may not count, and nobody gets it."""
    try:
        for _ in range(count):
            yield link.read()
    except ConnectionError:
        pass


def test_a_primary_that_stood_still_finds_its_heir_first():
    """Requests that waited in its socket are not answered as by a primary."""
    with shards() as (cluster, _, primary, replica):
        key, _ = key_of(cluster.slots(primary), 0)
        written(primary, key, "old")
        link = link_to(primary)
        assert link("GET", key) == b"old"
        wait_for(lambda: replica.ask("DBSIZE") == 1, "the replica")
        wait_for(lambda: in_sync(replica), "the replica's lease")
        with stopped(primary), fenced(replica):
            assert replica.ask("CLUSTER", "FAILOVER", "FORCE") == "OK"
            link.send("SET", key, "lost")
            link.send("GET", key)
            written(replica, key, "new")
        for reply in answers(link, 2):
            assert reply.startswith(("MOVED", "CLUSTERDOWN")), reply
        wait_for(lambda: "role:slave" in primary.ask("INFO", "replication"), "the deposed")
        wait_for(lambda: in_sync(primary), "its copy")
        assert link_to(replica)("GET", key) == b"new"
        cluster.settle()
        cluster.check()


def test_an_heir_waits_for_all_that_may_have_led():
    """The primary stands still, its heir is killed before it served; the next heir followed that
    one last. The first one's lease is not over then: it might go on and answer."""
    with replicated(1, 1) as (cluster, (first, second)):
        primary = cluster.nodes[1]
        key, _ = key_of(cluster.slots(primary), 0)
        written(primary, key, "old")
        ready(cluster)
        follows = f"master_port:{first.port}\r\nmaster_link_status:up"
        with stopped(primary), fenced(second):
            assert first.ask("CLUSTER", "FAILOVER", "FORCE") == "OK"
            wait_for(lambda: follows in second.ask("INFO", "replication"), "the first heir")
            first.kill()
            assert second.ask("CLUSTER", "FAILOVER", "TAKEOVER") == "OK"
            first.start()
            written(second, key, "new")
        for node in primary, first:
            wait_for(lambda: "role:slave" in node.ask("INFO", "replication"), "the deposed")
        ready(cluster)
        cluster.settle()
        assert link_to(second)("GET", key) == b"new"
        cluster.check()


PHASES = ("PREPARE", "COPY", "CATCHUP", "FREEZE", "HOLD", "COMMIT", "SETTLE", "LINGER", "CLEANUP",
          "over")


def phase_from(cluster, wanted):
    """The migration's phase as soon as it is this one or a later one: a phase may be too short to
    be seen."""
    def reached():
        found = cluster.reshard_progress()["migrations"]
        now = found[0]["phase"] if found else "over"
        return now if PHASES.index(now) >= PHASES.index(wanted) else None
    return wait_for(reached, wanted, pause=0.001)


def copying(cluster, source, target, slots):
    """A migration that copies: the moves."""
    for _ in range(10):
        moves = cluster.move_start({source: slots}, target)
        if phase_from(cluster, "COPY") == "COPY":
            return moves
        assert cluster.move_settled(moves, target)
        cluster.move({target: slots}, source)
        ready(cluster)
    raise Failed("no copy was seen")


def test_a_replica_that_lacks_a_committed_copy_is_not_promoted():
    """The migration is committed and open when the target dies: one of its replicas went to sleep
    in the copy, and knows the migration, but has no sealed data; the other has."""
    with replicated(1, 2, 2) as (cluster, (held, stale, fresh)):
        _, source, target = cluster.nodes[:3]
        slots = sorted(cluster.slots(source))[:1500]
        filled(source, slots, b"x" * 10000)
        ready(cluster)
        with contextlib.ExitStack() as asleep:
            moves = copying(cluster, source, target, slots)
            os.kill(stale.process.pid, signal.SIGSTOP)
            asleep.callback(go_on, stale)
            phase_from(cluster, "FREEZE")  # the seal waits for the one that sleeps ...
            asleep.enter_context(stopped(held))
            phase_from(cluster, "HOLD")  # ... so does the hold ...
            asleep.enter_context(stopped(fresh))
            reached = phase_from(cluster, "SETTLE")  # ... and what makes the data the target's
            print(f"   target killed in {reached}")
            target.kill()
        refused(stale, f"lacks {len(slots)} slots")
        assert fresh.ask("CLUSTER", "FAILOVER", "FORCE") == "OK"
        assert cluster.move_settled(moves, fresh)
        target.start()
        ready(cluster)
        cluster.settle()
        cluster.check()
        link = link_to(fresh)
        assert all(len(link("GET", "{%s}" % TAGS[slot])) == 10000 for slot in slots)


@contextlib.contextmanager
def fenced(heir):
    """The heir is promoted and answers a write, and that not before a primary's lease, which began
    no later than this, is over; it says why."""
    begin = time.monotonic()
    yield
    waited = time.monotonic() - begin
    assert waited * 1000 >= LEASE_MS, f"the heir served after {waited:.3f} s"
    wait_for(lambda: "event=former_fenced" in heir.log_tail(100), "the log")


def test_a_primary_that_hears_nobody_serves_nothing():
    """Neither the coordinator nor its replica: there might be an heir. One of them is enough."""
    with shards() as (cluster, first, primary, replica):
        key, _ = key_of(cluster.slots(primary), 0)
        written(primary, key, "old")
        link = link_to(primary)
        with stopped(first):
            with stopped(replica):
                wait_for(lambda: str(link("GET", key)).startswith("CLUSTERDOWN"), "the fence")
                assert link("SET", key, "lost").startswith("CLUSTERDOWN")
                told = primary.ask("CLUSTER", "INFO")
                assert "cluster_state:fail" in told and "slotd_primary_confirmed:0" in told, told
                assert "remedy=" in primary.log_tail(100)
            wait_for(lambda: link("GET", key) == b"old", "the replica's word")
            assert link("SET", key, "new") == "OK"
            told = primary.ask("CLUSTER", "INFO")
            assert "cluster_state:ok" in told and "slotd_primary_confirmed:1" in told, told
        cluster.settle()
        cluster.check()


if __name__ == "__main__":
    run(globals())
