#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A value far larger than a chunk moves in both modes and comes out as it went in; memory stays
within a few times its size, and no node holds it whole to move it. And FLUSHALL in the middle of
migrations leaves nothing behind; nor does SETSLOT NODE while the source still holds keys."""
import contextlib
import glob
import os
import random

from e2e import SLOTD, Cluster, in_sync, ready, run, wait_for
from harness import Connection, Error

SIZE = 72 << 20  # more than a node sends at once otherwise
MEMORY_FACTOR = 8


def pair(*options):
    """Two nodes; the first one owns all."""
    cluster = Cluster(SLOTD, 2, options=options)
    a, b = cluster.nodes
    a.ask("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    b.ask("CLUSTER", "MEET", "127.0.0.1", a.port, a.port + 10000)
    cluster.settle()
    return cluster


def memory(node, name):
    with open(f"/proc/{node.process.pid}/status") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith(name))


def highest_memory(node):
    return memory(node, "VmHWM")


@contextlib.contextmanager
def grows_less(limits):
    """node -> by how much it may grow meanwhile, what it maps of its file included."""
    before = {}
    for node in limits:
        with open(f"/proc/{node.process.pid}/clear_refs", "w") as file:
            file.write("5")  # the highest so far is what it is now
        before[node] = memory(node, "VmRSS")
    yield
    for node, limit in limits.items():
        grown = highest_memory(node) - before[node]
        print(f"   grew by {grown / SIZE:.2f} times the value")
        assert grown < limit, (grown, limit)


def keywise(source, target, names, slot, key):
    target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", names[source])
    source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", names[target])
    link = Connection(("127.0.0.1", source.port))
    assert link("MIGRATE", "127.0.0.1", target.port, key, 0, 50000) == "OK"
    for node in (target, source):
        node.ask("CLUSTER", "SETSLOT", slot, "NODE", names[target])


def test_large_values_move_in_both_modes():
    with pair() as cluster:
        a, b = cluster.nodes
        names = {node: cluster.name(node) for node in cluster.nodes}
        links = {node: Connection(("127.0.0.1", node.port)) for node in cluster.nodes}
        slot = a.ask("CLUSTER", "KEYSLOT", "large")
        value = random.randbytes(1 << 20) * (SIZE >> 20) + b"end"
        assert links[a]("SET", "large", value, "EX", 100000) == "OK"
        cluster.move({a: [slot]}, b)
        assert links[b]("GET", "large") == value and a.ask("DBSIZE") == 0
        # Written anew while it is on its way back.
        moves = cluster.move_start({b: [slot]}, a)
        value = value[::-1]
        reply = links[b]("SET", "large", value, "EX", 100000)
        assert cluster.move_settled(moves, a)
        if isinstance(reply, Error):  # the slot had gone
            assert reply.startswith("MOVED") and links[a](
                "SET", "large", value, "EX", 100000) == "OK"
        assert links[a]("GET", "large") == value
        with grows_less({a: 0.4 * SIZE, b: 0.4 * SIZE}):  # both have mapped it before
            keywise(a, b, names, slot, "large")
        cluster.settle()
        found = links[b]("GET", "large")
        assert found == value, (found[:100], len(found))
        assert 0 < links[b]("TTL", "large") <= 100000
        assert a.ask("DBSIZE") == 0 and b.ask("DBSIZE") == 1
        for node in cluster.nodes:
            assert highest_memory(node) < MEMORY_FACTOR * SIZE + (64 << 20)


def test_flushall_in_the_middle_of_migrations():
    with pair() as cluster:
        a, b = cluster.nodes
        link = Connection(("127.0.0.1", a.port))
        slots = range(0, 8000)
        flushed = 0
        for number in range(6):
            for key in range(1500):
                link("SET", f"old:{key}", "x" * 500)
            there = cluster.keys_in(slots, cluster.owners())
            moves = cluster.move_start({a: slots}, b)
            assert link("FLUSHALL") == "OK"
            assert cluster.move_settled(moves, b)
            # Between FREEZE and the end it waits, and what has left then is not this node's.
            assert a.ask("DBSIZE") == 0 and b.ask("DBSIZE") in (0, there), f"round {number}"
            flushed += b.ask("DBSIZE") == 0
            assert b.ask("FLUSHALL") == "OK" and a.ask("FLUSHALL") == "OK"
            cluster.move({b: slots}, a)
            assert a.ask("DBSIZE") + b.ask("DBSIZE") == 0
        assert flushed > 0


def test_who_names_the_new_owner_too_early_loses_nothing():
    """The source still holds keys: they come along. At the source itself it is refused, as by
    Redis."""
    with pair() as cluster:
        a, b = cluster.nodes
        link = Connection(("127.0.0.1", a.port))
        slot = a.ask("CLUSTER", "KEYSLOT", "{t}")
        values = {f"{{t}}{number}": b"%d" % number for number in range(1500)}
        assert all(link("SET", key, value) == "OK" for key, value in values.items())
        b.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", cluster.name(a))
        a.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", cluster.name(b))
        assert link("MIGRATE", "127.0.0.1", b.port, "{t}7", 0, 50000) == "OK"
        refused = link("CLUSTER", "SETSLOT", slot, "NODE", cluster.name(b))
        assert "while I still hold keys" in refused, refused
        assert b.ask("CLUSTER", "SETSLOT", slot, "NODE", cluster.name(b)) == "OK"
        cluster.settle()
        cluster.check()
        owner = Connection(("127.0.0.1", b.port))
        assert all(owner("GET", key) == value for key, value in values.items())
        assert a.ask("DBSIZE") == 0 and b.ask("DBSIZE") == len(values)


def file_size(node):
    return sum(os.path.getsize(path) for path in glob.glob(node.directory + "/**/data.mdb",
                                                           recursive=True))


def test_a_large_value_survives_a_kill_on_its_way():
    """Source or target is killed while pieces are under way: the value is there once, whole."""
    with pair() as cluster:
        a, b = cluster.nodes
        slot = a.ask("CLUSTER", "KEYSLOT", "large")
        value = random.randbytes(1 << 20) * (SIZE >> 20)
        assert Connection(("127.0.0.1", a.port))("SET", "large", value) == "OK"
        b.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", cluster.name(a))
        a.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", cluster.name(b))
        for victim in (b, a, b):
            link = Connection(("127.0.0.1", a.port))
            link.send("MIGRATE", "127.0.0.1", b.port, "large", 0, 50000)
            grown = file_size(b)
            wait_for(lambda: file_size(b) > grown + (SIZE >> 4) or a.ask("DBSIZE") == 0,
                     "some pieces", pause=0.001)
            print(f"   killed at {(file_size(b) - grown) >> 20} MB, {a.ask('DBSIZE')} to go")
            victim.kill()
            victim.start()
        link = Connection(("127.0.0.1", a.port))
        assert link("MIGRATE", "127.0.0.1", b.port, "large", 0, 50000) in ("OK", "NOKEY")
        for node in (b, a):
            assert node.ask("CLUSTER", "SETSLOT", slot, "NODE", cluster.name(b)) == "OK"
        cluster.settle()
        cluster.check()
        assert Connection(("127.0.0.1", b.port))("GET", "large") == value
        assert a.ask("DBSIZE") == 0 and b.ask("DBSIZE") == 1


def filled_up(link, tag, first=0):
    """Keys until the node has no more room, and says so."""
    keys = []
    while True:
        key = f"{{{tag}}}{first + len(keys)}"
        reply = link("SET", key, key.encode() * 2000)
        if reply != "OK":
            assert reply.startswith("OOM "), reply
            return keys
        keys.append(key)


def filled_again(link, tag, count):
    """So many keys at least, as room comes back."""
    keys = []

    def enough():
        keys.extend(filled_up(link, tag, len(keys)))
        return len(keys) > count
    wait_for(enough, "room")
    return keys


def test_a_full_node_refuses_and_loses_nothing():
    """Writes, and what would move there; it answers reads, and starts again."""
    with pair("--map-size", str(100 << 20)) as cluster:
        a, b = cluster.nodes
        links = [Connection(("127.0.0.1", node.port)) for node in cluster.nodes]
        slots = [a.ask("CLUSTER", "KEYSLOT", tag) for tag in ("here", "there")]
        cluster.move({a: [slots[1]]}, b)
        here, there = filled_up(links[0], "here"), filled_up(links[1], "there")
        moves = cluster.move_start({a: [slots[0]]}, b)
        wait_for(lambda: "RESHARD_E_SPACE" in b.log_tail(50), "the copy to find no room")
        assert a.ask("CLUSTER", "CANCELSLOTMIGRATIONS") == "OK"
        assert not cluster.move_settled(moves, b)
        cluster.settle()
        for node in cluster.nodes:
            node.kill()
            node.start()
        cluster.check()
        for node, tag, keys in ((a, "here", here), (b, "there", there)):
            link = Connection(("127.0.0.1", node.port))
            assert all(link("GET", key) == key.encode() * 2000 for key in keys)
            assert link("DBSIZE") == len(keys)
            # What is deleted makes room, again and again, also while nothing can be written.
            for _ in range(2):
                keys += filled_up(link, tag, len(keys))  # a checkpoint makes a little room
                assert all(link("DEL", key) == 1 for key in keys)
                keys = filled_again(link, tag, len(keys) / 2)


def test_a_full_replica_waits_for_room():
    """Its primary goes on without it; with more room it goes on from where it stood."""
    with Cluster(SLOTD, 1) as cluster:
        a = cluster.nodes[0]
        a.ask("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        cluster.options = ["--map-size", str(100 << 20)]
        b = cluster.start_node()
        cluster.manage("add-node", b.address, a.address, "--cluster-slave")
        cluster.settle()
        ready(cluster)
        link = Connection(("127.0.0.1", a.port))
        keys = [f"key:{number}" for number in range(10000)]
        assert all(link("SET", key, key * 1000) == "OK" for key in keys)
        wait_for(lambda: "slotd_replica_full:1" in b.ask("INFO", "replication"), "the full disk")
        assert "event=replica_full" in b.log_tail(5) and 0 < b.ask("DBSIZE") < len(keys)
        wait_for(lambda: not in_sync(b), "the end of its lease")
        assert link("SET", "more", 1) == "OK" and link("GET", "key:7") == b"key:7" * 1000
        b.stop()
        b.command[b.command.index("--map-size") + 1] = str(1 << 30)
        b.start()
        ready(cluster)
        copy = Connection(("127.0.0.1", b.port))
        assert copy("READONLY") == "OK"
        wait_for(lambda: copy("DBSIZE") == len(keys) + 1, "the last writes")  # reads may lag
        assert all(copy("GET", key) == key.encode() * 1000 for key in keys[::10])
        cluster.check()


if __name__ == "__main__":
    run(globals())
