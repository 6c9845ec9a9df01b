#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""SETSLOT and MIGRATE answer before it is done (`--durability batch`): what was answered is what
anybody sees, is done by itself or can be mended when a node is killed right behind the answer, and
a promise that could not be kept is told by the next command."""
import contextlib
import threading
import time

from e2e import SLOTD, Cluster, Failed, mend, run, seeded, wait_for
from harness import Error
from shards import TAGS, link_to, stopped

SOURCE = seeded()
ROUNDS = 12
KEYS = 5


@contextlib.contextmanager
def three(durability="batch"):
    with Cluster(SLOTD, 3, durability) as cluster:
        cluster.create()
        try:
            yield cluster, {node: cluster.name(node) for node in cluster.nodes}
            cluster.settle()
            cluster.check()
        except BaseException:
            for node in cluster.nodes:
                print(f"--- node {node.port}\n{node.log_tail(30)}")
            raise


def filled(source, slot):
    link = link_to(source)
    keys = [f"{{{TAGS[slot]}}}{number}" for number in range(KEYS)]
    for key in keys:
        assert link("SET", key, key) == "OK"
    return keys


def opened_by_hand(names, source, target, slot):
    links = link_to(source), link_to(target)
    for link, word, other in ((links[1], "IMPORTING", source), (links[0], "MIGRATING", target)):
        assert link("CLUSTER", "SETSLOT", slot, word, names[other]) == "OK"
    return links


def moved_by_hand(names, source, target, slot, keys):
    """All that redis-cli does before it names the new owner."""
    links = opened_by_hand(names, source, target, slot)
    if keys:
        assert links[0]("MIGRATE", "127.0.0.1", target.port, "", 0, 9000, "KEYS", *keys) == "OK"
    assert links[0]("CLUSTER", "GETKEYSINSLOT", slot, 10) == []
    return links


def owner_of(link, slot):
    for first, last, node, *_ in link("CLUSTER", "SLOTS"):
        if first <= slot <= last:
            return node[1]
    return None


def test_what_was_answered_is_seen():
    with three() as (cluster, names):
        for number in range(40):
            source, target = SOURCE.sample(cluster.nodes, 2)
            slot = SOURCE.choice(sorted(cluster.slots(source)))
            keys = filled(source, slot) if number % 4 else []
            _, link = moved_by_hand(names, source, target, slot, keys)
            assert link("CLUSTER", "SETSLOT", slot, "NODE", names[target]) == "OK"
            if number % 2:  # the keys are asked for first
                assert [link("GET", key) for key in keys] == [key.encode() for key in keys]
            assert owner_of(link, slot) == target.port
            assert [link("GET", key) for key in keys] == [key.encode() for key in keys]
            for node in cluster.nodes:
                assert node.ask("CLUSTER", "SETSLOT", slot, "NODE", names[target]) == "OK"
                assert slot in cluster.view(node)[target.port][2]
                assert owner_of(link_to(node), slot) == target.port
                for key in keys[:number % 8 == 1]:
                    assert cluster.cli("-c", "-p", node.port, "GET", key).strip() == key
            link("DEL", *keys or ["none"])


def test_check_is_clean_right_behind_redis_cli():
    with three() as (cluster, names):
        a, b, c = cluster.nodes
        for source, target in ((a, b), (b, c), (c, a)):
            before = len(cluster.slots(target))
            cluster.reshard(50, target, source)
            for node in SOURCE.sample(cluster.nodes, 3):
                text = cluster.manage("check", node.address)
                assert "[OK] All nodes agree" in text and "open" not in text.replace(
                    "Check for open slots", ""), text
                assert len(cluster.view(node)[target.port][2]) == before + 50


class Creator(threading.Thread):
    """Makes new keys in these slots at one node, as long as that takes them."""

    def __init__(self, node, slots):
        super().__init__(daemon=True)
        self.link = link_to(node)
        self.slots = slots
        self.made = []
        self.over = False

    def run(self):
        number = 0
        while not self.over:
            number += 1
            key = f"{{{TAGS[SOURCE.choice(self.slots)]}}}new{number}"
            if self.link("SET", key, key) == "OK":
                self.made.append(key)


def test_keys_that_are_created_meanwhile_come_along():
    """Until its move is open the source takes new keys of a slot, of which redis-cli was told that
    it is empty."""
    with three() as (cluster, names):
        a, b, _ = cluster.nodes
        creator = Creator(a, sorted(cluster.slots(a))[:60])
        creator.start()
        try:
            cluster.reshard(60, b, a)
        finally:
            creator.over = True
            creator.join()
        owner = link_to(b)
        assert [owner("GET", key) for key in creator.made] == [
            key.encode() for key in creator.made]
        print(f"   {len(creator.made)} keys")


def test_kill_right_behind_an_answer_loses_nothing():
    ends = {True: 0, False: 0}
    with three() as (cluster, names):
        for number in range(ROUNDS):
            source, target = SOURCE.sample(cluster.nodes, 2)
            slot = SOURCE.choice(sorted(cluster.slots(source)))
            keys = filled(source, slot)
            moved_by_hand(names, source, target, slot, keys)
            told = [target, *SOURCE.sample([n for n in cluster.nodes if n is not target], 2)]
            for node in told[:SOURCE.randrange(1, 4)]:
                reply = node.ask("CLUSTER", "SETSLOT", slot, "NODE", names[target])
                assert reply == "OK", reply
            victim = (target, source, cluster.nodes[0])[number % 3]
            victim.kill()
            victim.start()
            cluster.settle()
            with contextlib.suppress(Failed):
                wait_for(lambda: slot in cluster.slots(target), "the promise", 3)
            done = slot in cluster.slots(target)
            ends[done] += 1
            if not done:
                mend(cluster)
            cluster.settle()
            cluster.check()
            owner = link_to(cluster.owners()[slot])
            assert [owner("GET", key) for key in keys] == [key.encode() for key in keys]
            assert owner("DEL", *keys) == KEYS
    print(f"   {ends[True]} done, {ends[False]} mended")


def test_keys_leave_behind_the_answer():
    """The target stands still: who was answered sees the keys gone, they are kept here, and whoever
    asks for more soon hears that something is wrong."""
    with three() as (cluster, names):
        source, target = cluster.nodes[1:]
        slot = sorted(cluster.slots(source))[7]
        keys = filled(source, slot)
        link, _ = opened_by_hand(names, source, target, slot)
        source.ask("CLUSTER", "NODES")
        migrate = "MIGRATE", "127.0.0.1", target.port, "", 0, 200, "KEYS"
        with stopped(target):
            assert link(*migrate, *keys[1:]) == "OK"
            assert link(*migrate, *keys[1:]) == "NOKEY"
            assert link("CLUSTER", "GETKEYSINSLOT", slot, 10) == [keys[0].encode()]
            assert "still hold keys" in link("CLUSTER", "SETSLOT", slot, "NODE", names[target])
            assert link_to(source)("GET", keys[1]) == keys[1].encode()
            time.sleep(0.6)
            assert "IOERR" in link(*migrate, *keys)
            link.send("GET", keys[1])
            link.socket.settimeout(0.3)
            with contextlib.suppress(TimeoutError):
                raise AssertionError(f"answered: {link.socket.recv(100)}")
        link.socket.settimeout(60)
        assert link.read() == f"ASK {slot} 127.0.0.1:{target.port}"
        assert link(*migrate, *keys) in ("OK", "NOKEY")
        for node in target, source:
            assert node.ask("CLUSTER", "SETSLOT", slot, "NODE", names[target]) == "OK"
        assert [link_to(target)("GET", key) for key in keys] == [key.encode() for key in keys]


def test_kill_right_behind_migrate_loses_nothing():
    """Nobody has named the new owner: the slot stays open, until it is mended."""
    with three() as (cluster, names):
        for number in range(ROUNDS):
            source, target = SOURCE.sample(cluster.nodes, 2)
            slot = SOURCE.choice(sorted(cluster.slots(source)))
            keys = filled(source, slot)
            moved_by_hand(names, source, target, slot, keys)
            victim = (source, target, cluster.nodes[0])[number % 3]
            victim.kill()
            victim.start()
            cluster.settle()
            mend(cluster)
            cluster.settle()
            cluster.check()
            owner = link_to(cluster.owners()[slot])
            assert [owner("GET", key) for key in keys] == [key.encode() for key in keys]
            assert owner("DEL", *keys) == KEYS
            assert sum(node.ask("DBSIZE") for node in cluster.nodes) == 0


def test_what_was_answered_is_done_before_a_node_ends():
    with three() as (cluster, names):
        source, target = cluster.nodes[1:]
        for slot in sorted(cluster.slots(source))[:ROUNDS]:
            keys = filled(source, slot)
            moved_by_hand(names, source, target, slot, keys)
            source.stop()
            assert link_to(target)("CLUSTER", "COUNTKEYSINSLOT", slot) == KEYS
            source.start()
            cluster.settle()
            for node in target, source:
                assert node.ask("CLUSTER", "SETSLOT", slot, "NODE", names[target]) == "OK"


def test_a_promise_that_was_not_kept_is_told():
    """Two nodes import the same slot at once: one of them hears by its next command."""
    with three() as (cluster, names):
        a, b, c = cluster.nodes
        broken = 0
        for slot in sorted(cluster.slots(a))[:20]:
            links = link_to(b), link_to(c)
            for link in links:
                link.send("CLUSTER", "SETSLOT", slot, "IMPORTING", names[a])
            first = [link.read() for link in links]
            for link in links:
                link.send("CLUSTER", "SETSLOT", slot, "STABLE")
            then = [link.read() for link in links]
            errors = [reply for reply in first + then if isinstance(reply, Error)]
            assert all("migrating" in error for error in errors), errors
            broken += len(errors)
            assert a.ask("CLUSTER", "SETSLOT", slot, "STABLE") == "OK"
        assert broken > 0


def test_always_answers_when_it_is_done():
    with three("always") as (cluster, names):
        a, b, c = cluster.nodes
        slot = sorted(cluster.slots(b))[0]
        keys = filled(b, slot)
        _, link = moved_by_hand(names, b, c, slot, keys)
        a.kill()
        link.send("CLUSTER", "SETSLOT", slot, "NODE", names[c])
        link.socket.settimeout(0.3)
        with contextlib.suppress(TimeoutError):
            raise AssertionError(f"answered: {link.socket.recv(100)}")
        link.socket.settimeout(60)
        a.start()
        assert link.read() == "OK"


if __name__ == "__main__":
    run(globals())
