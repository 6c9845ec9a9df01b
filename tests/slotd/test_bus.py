#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The cluster bus from outside: connections that end at every byte, foreign ones, nodes that are
not there. Whatever they say, the cluster stays as it is and goes on."""
import hashlib
import hmac
import os
import socket
import struct
import time

from harness import Error, Slotd, run, wait_for

SECRET = "shared"


def frame(kind, payload):
    return struct.pack("<IB", 1 + len(payload), kind) + payload


def hello(node=0xABCDEF):
    return b"slotbus1" + struct.pack("<Q", node) + os.urandom(16) + os.urandom(32)


def dial(node):
    return socket.create_connection(("127.0.0.1", int(node.ports["bus_port"])), 10)


def read_frame(link):
    head = b""
    while len(head) < 5:
        got = link.recv(5 - len(head))
        if not got:
            return None, b""
        head += got
    size, kind = struct.unpack("<IB", head)
    payload = b""
    while len(payload) < size - 1:
        payload += link.recv(size - 1 - len(payload))
    return kind, payload


def proof(secret, first, second):
    return hmac.new(secret.encode(), b"D" + first + second, hashlib.sha256).digest()


def ended(link):
    """The other side closes; it says nothing more of interest."""
    link.settimeout(10)
    try:
        while link.recv(4096):
            pass
    except ConnectionError:
        pass


def greet(link, secret):
    """Dial in as a node would, with this secret."""
    mine = hello()
    kind, theirs = read_frame(link)
    assert kind == 16
    link.sendall(frame(16, mine))
    kind, _ = read_frame(link)
    assert kind == 17
    link.sendall(frame(17, proof(secret, mine, theirs)))


def state(client):
    return client("CLUSTER", "NODES"), client("CLUSTER", "INFO").split(b"cluster_stats")[0]


def test_connections_that_end_at_every_byte():
    whole = frame(16, hello()) + frame(17, b"\0" * 32) + frame(1, b"x" * 20)
    with Slotd("--secret", SECRET) as node:
        client = node.connect()
        before = state(client)
        for size in range(len(whole) + 1):
            with dial(node) as link:
                try:
                    link.sendall(whole[:size])
                except ConnectionError:
                    pass
        assert client("PING") == "PONG" and state(client) == before
        descriptors = f"/proc/{node.process.pid}/fd"
        wait_for(lambda: len(os.listdir(descriptors)) < 40)


def test_foreign_connections_change_nothing():
    """A wrong secret is refused; the right one of another cluster may only ask to join."""
    with Slotd("--secret", SECRET) as node:
        client = node.connect()
        before = state(client)
        with dial(node) as link:
            greet(link, "guessed")
            link.sendall(frame(2, struct.pack("<Q", 1) + b"forged") + frame(1, b"forged"))
            ended(link)
        assert "wrong secret" in node.log_text()
        with dial(node) as link:
            greet(link, SECRET)
            for kind in (1, 2, 3, 4, 5):
                link.sendall(frame(kind, struct.pack("<Q", kind) + b"\1\0\0\0forget"))
            link.sendall(frame(15, b"") + frame(0, b""))
            ended(link)
        assert client("PING") == "PONG" and state(client) == before


def test_a_frame_that_never_ends_costs_no_memory():
    """A stranger may announce 4 GB, and a node that proved itself 90 MB; only bytes that come
    count."""
    with Slotd("--secret", SECRET) as node:
        with dial(node) as link:
            link.sendall(b"\xff\xff\xff\xff\x10")
            ended(link)
        with dial(node) as link:
            greet(link, SECRET)
            link.sendall(struct.pack("<IB", 90 << 20, 1) + b"x" * 1000)
            time.sleep(0.2)
            with open(f"/proc/{node.process.pid}/status") as file:
                size = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
            assert size < 64 << 10, size


def test_meeting_nobody_ends_with_a_clear_error():
    """Nobody listens there, or somebody with another secret: an error soon, nothing changed."""
    with Slotd("--secret", SECRET) as node, Slotd("--secret", "other", slots=False) as other:
        client = node.connect()
        before = state(client)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            empty = probe.getsockname()[1]
        for port, bus in ((empty, empty), (other.port, other.ports["bus_port"])):
            begin = time.monotonic()
            reply = client("CLUSTER", "MEET", "127.0.0.1", port, bus)
            assert isinstance(reply, Error) and "nothing has changed" in reply, reply
            assert time.monotonic() - begin < 10
        assert state(client) == before
        assert client("CLUSTER", "MEET", "127.0.0.1", "no", 1).startswith("ERR")


def test_meeting_is_over_at_once():
    """The map comes with the join, not with the next beat."""
    with Slotd("--secret", SECRET) as first:
        for _ in range(3):
            with Slotd("--secret", SECRET, slots=False) as node:
                client = node.connect()
                begin = time.monotonic()
                assert client("CLUSTER", "MEET", "127.0.0.1", first.port,
                              first.ports["bus_port"]) == "OK"
                took = time.monotonic() - begin
                assert first.connect()("CLUSTER", "MYID") in client("CLUSTER", "NODES")
                assert client("CLUSTER", "INFO").count(b"cluster_coordinator:" + first.connect()(
                    "CLUSTER", "MYID")) == 1
                print(f"   joined in {took * 1000:.0f} ms")


if __name__ == "__main__":
    run(globals())
