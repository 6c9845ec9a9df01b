#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Keys that come from other servers and go there: MIGRATE ... COPY from here, which must answer as
a Redis does that is asked the same, and `redis-cli --cluster import` to here."""
import contextlib
import re
import shutil
import socket
import tempfile
import threading
import time

import redis.crc

from e2e import SLOTD, Cluster, run, wait_for
from cluster import HOST, Node, free_ports
from harness import Connection, Error

LARGE = b"0123456789abcdef" * 65536 * 20  # in pieces in the store


@contextlib.contextmanager
def plain():
    """A Redis that is no cluster."""
    root = tempfile.mkdtemp(prefix="plain-")
    port = free_ports(1)[0]
    node = Node(root, port, ["redis-server", "--port", str(port), "--bind", HOST, "--save", ""])
    try:
        yield node
    finally:
        node.kill()
        shutil.rmtree(root)


def link_to(node):
    return Connection((HOST, node.port))


def asked(node, *words):
    """The reply, errors too, without ports, which differ."""
    reply = link_to(node)(*words)
    return Error(re.sub(r"\d+\.\d+\.\d+\.\d+:\d+", "ADDRESS", reply)) if isinstance(
        reply, Error) else reply


def copies(source, target, names):
    """Words of MIGRATE behind the address, and what the target needs before."""
    migrate = ["MIGRATE", HOST, target.port]
    yield [*migrate, "none", 0, 5000, "COPY"]
    yield [*migrate, "key", 0, 5000, "COPY"]
    yield [*migrate, "key", 0, 5000, "COPY"]
    yield [*migrate, "key", 0, 5000, "COPY", "REPLACE"]
    yield [*migrate, "key", 1, 5000, "copy"]
    yield [*migrate, "key", 99, 5000, "COPY"]
    yield [*migrate, "key", 0, 5000, "COPY", "REPLACE", "AUTH", "x"]
    yield [*migrate, "key", 0, 5000, "COPY", "REPLACE", "AUTH2", "nobody", "x"]
    yield [*migrate, "", 0, 5000, "COPY", "KEYS", "{key}1", "key", "{key}none", "{key}2"]
    yield [*migrate, "", 0, 5000, "COPY", "REPLACE", "KEYS", "{key}1", "{key}none", "{key}2"]
    yield [*migrate, "", 0, 5000, "COPY", "KEYS", "key", "other"]
    yield [*migrate, "", 0, 5000, "COPY", "KEYS"]
    yield [*migrate, "key", 0, 5000, "COPY", "KEYS", "key"]
    yield [*migrate, "key", 0, "x", "COPY"]
    yield ["MIGRATE", HOST, 1, "key", 0, 5000, "COPY"]
    yield ["MIGRATE", "1.2.3", "x", "none", 0, 5000, "COPY"]
    for name in names:
        yield [*migrate, name, 2, 5000, "COPY"]


NAMES = {"{key}empty": "", "{key}number": "-42", "{key}large": LARGE, "{key}long": "y" * 70000}


def copied(server):
    """All replies, what the target holds then, and how many keys are left at the source."""
    out = []
    with Cluster(server, 1) as cluster, plain() as target:
        source = cluster.nodes[0]
        source.ask("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        wait_for(lambda: "cluster_state:ok" in source.ask("CLUSTER", "INFO"), "the cluster")
        link = link_to(source)
        for name, value in {"key": "value", "{key}1": "one", "{key}2": "two", "other": "x",
                            **NAMES}.items():
            assert link("SET", name, value) == "OK"
        assert link("PEXPIRE", "{key}2", 1000000) == 1
        for words in copies(source, target, NAMES):
            out.append((words[3:], asked(source, *words)))
        there = link_to(target)
        for database in range(3):
            there("SELECT", database)
            names = sorted(there("KEYS", "*"))
            out.append([(name, there("GET", name)) for name in names])
        there("SELECT", 0)
        assert 900000 < there("PTTL", "{key}2") <= 1000000 and there("PTTL", "{key}1") == -1
        out.append(source.ask("DBSIZE"))
    return out


def test_copy_answers_as_redis():
    for mine, real in zip(copied(SLOTD), copied("/usr/bin/redis-server"), strict=True):
        assert mine == real, (mine, real)


def test_copy_knows_passwords_and_transactions():
    with Cluster(SLOTD, 1) as cluster, plain() as target:
        source = cluster.nodes[0]
        target.ask("CONFIG", "SET", "requirepass", "secret")
        source.ask("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        link = link_to(source)
        assert link("SET", "key", "value") == "OK"
        migrate = ["MIGRATE", HOST, target.port, "key", 0, 5000, "COPY", "REPLACE"]
        assert link(*migrate).startswith("ERR Target instance replied with error: NOAUTH")
        assert link(*migrate, "AUTH", "secret") == "OK"
        assert link(*migrate, "AUTH2", "default", "secret") == "OK"
        assert link("MULTI") == "OK"
        for words in (migrate, ["GET", "key"], [*migrate, "AUTH", "secret"], ["DEL", "key"]):
            assert link(*words) == "QUEUED"
        first, *rest = link("EXEC")
        assert first.startswith("ERR Target") and rest == [b"value", "OK", 1]
        there = link_to(target)
        assert there("AUTH", "secret") == "OK" and there("GET", "key") == b"value"


def answers_once(listener, data):
    """A server that takes a request, answers so, and says no more; None: it closes at once."""
    peer, _ = listener.accept()
    with peer, contextlib.suppress(ConnectionError):
        peer.recv(65536)
        if data is not None:
            peer.sendall(data)
            peer.recv(65536)


def test_copy_ends_whatever_the_other_side_does():
    cases = ((b"", "IOERR error or timeout reading"), (None, "IOERR error or timeout reading"),
             (b"+OK\r\n+OK\r\n+OK\r\n", "IOERR error or timeout reading"),
             (b"x" * 100000, "IOERR error or timeout reading"),
             (b"-LOADING wait\r\n", "ERR Target instance replied with error: LOADING wait"))
    with Cluster(SLOTD, 1) as cluster, socket.create_server((HOST, 0)) as listener:
        source = cluster.nodes[0]
        source.ask("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        link = link_to(source)
        assert link("SET", "key", "value") == "OK"
        port = listener.getsockname()[1]
        for data, wanted in cases:
            peer = threading.Thread(target=answers_once, args=(listener, data))
            peer.start()
            begin = time.monotonic()
            assert link("MIGRATE", HOST, port, "key", 0, 300, "COPY").startswith(wanted), data
            assert data != b"" or time.monotonic() - begin >= 0.3
            link_to(source)("PING")  # others were served meanwhile, and are
            peer.join()
        # The client leaves before the answer: nothing stays behind, and the node lives.
        peer = threading.Thread(target=answers_once, args=(listener, b""))
        peer.start()
        leaver = link_to(source)
        leaver.send("MIGRATE", HOST, port, "key", 0, 60000, "COPY")
        time.sleep(0.05)
        leaver.close()
        begin = time.monotonic()
        peer.join()
        assert time.monotonic() - begin < 30
        assert link("MIGRATE", "no number", port, "key", 0, 300, "COPY") == (
            "IOERR error or timeout connecting to the client")
        assert link("GET", "key") == b"value"
        source.process.terminate()
        assert source.process.wait(10) == 0


def test_copy_gives_no_key_two_owners():
    """A node of this cluster refuses, also while it takes the key's slot key by key."""
    with Cluster(SLOTD, 3) as cluster:
        cluster.create()
        slot = redis.crc.key_slot(b"key")
        owner = next(node for node in cluster.nodes if slot in cluster.slots(node))
        other = next(node for node in cluster.nodes if node is not owner)
        assert owner.ask("SET", "key", "value") == "OK"
        migrate = ["MIGRATE", HOST, other.port, "key", 0, 5000, "COPY", "REPLACE"]
        assert asked(owner, *migrate).startswith("ERR Target instance replied with error: MOVED")
        assert "the key is there" in asked(owner, "MIGRATE", HOST, owner.port, *migrate[3:])
        other.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", cluster.name(owner))
        owner.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", cluster.name(other))

        def refused():
            """MOVED until the slot is open there, whose answer was earlier."""
            refusal = asked(owner, *migrate)
            assert refusal.startswith("ERR Target instance replied with error: "), refusal
            return "TRYAGAIN" in refusal
        wait_for(refused, "the target to take the slot")
        assert owner.ask("GET", "key") == "value" and other.ask("DBSIZE") == 0
        assert owner.ask(*migrate[:6]) == "OK"
        wait_for(lambda: other.ask("DBSIZE") == 1, "the key")
        assert asked(owner, *migrate) == "NOKEY"
        for node in (other, owner):
            node.ask("CLUSTER", "SETSLOT", slot, "NODE", cluster.name(other))
        cluster.settle()
        cluster.check()


def imported(server):
    """How `import` of the same keys ends, with all its options; and the keys on both sides."""
    out = []
    with Cluster(server, 3) as cluster:
        cluster.create()
        for options in ([], ["--cluster-copy"], ["--cluster-copy", "--cluster-replace"],
                        ["--cluster-replace"]):
            with plain() as source:
                for number in range(30):
                    source.ask("SET", f"key{number}", f"{len(out)}.{number}", "EX", 1000 + number)
                code, text = cluster.cli_end(cluster.cli_start(
                    "--cluster", "import", cluster.nodes[0].address, "--cluster-from",
                    source.address, *options))
                error = [line for line in text.splitlines() if "ERR" in line]
                values = cluster.cli("-c", "-p", cluster.nodes[0].port, "GET", "key7")
                out.append((options, code, error, source.ask("DBSIZE"), cluster.key_count(),
                            values))
    return out


def test_import_ends_as_with_redis():
    mine, real = imported(SLOTD), imported("/usr/bin/redis-server")
    assert mine == real, (mine, real)


def test_what_slotd_cannot_hold_stays_where_it_is():
    with Cluster(SLOTD, 3) as cluster, plain() as source:
        cluster.create()
        source.ask("RPUSH", "list", "a")
        code, text = cluster.cli_end(cluster.cli_start(
            "--cluster", "import", cluster.nodes[0].address, "--cluster-from", source.address))
        assert code == 1 and "ERR Bad data format" in text, text
        assert source.ask("DBSIZE") == 1 and cluster.key_count() == 0


if __name__ == "__main__":
    run(globals())
