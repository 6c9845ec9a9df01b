#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Room slot: makes tests/data/keyslot_vectors.txt: keys and a real server's slots of them.

keyslot_vectors.py prints the file; keyslot_vectors.py FILE compares instead. Starts redis-server
(version 7) in cluster mode and asks CLUSTER KEYSLOT. The keys depend on SEED alone.
"""
import hashlib
import os
import socket
import subprocess
import sys
import tempfile
import time

SEED = b"reshard keyslot 1"
BATCH = 500


class Random:
    """The same numbers in every version of Python: SHA-256 of a counter."""

    def __init__(self, seed):
        self.seed, self.counter, self.buffer = seed, 0, b""

    def bytes(self, size):
        while len(self.buffer) < size:
            block = self.seed + self.counter.to_bytes(8, "big")
            self.buffer += hashlib.sha256(block).digest()
            self.counter += 1
        out, self.buffer = self.buffer[:size], self.buffer[size:]
        return out

    def below(self, limit):
        return int.from_bytes(self.bytes(8), "big") % limit

    def text(self, alphabet, size):
        return bytes(alphabet[byte % len(alphabet)] for byte in self.bytes(size))


def keys():
    random = Random(SEED)
    letters = b"abcdefghijklmnopqrstuvwxyz0123456789:._-"
    yield from (b"", b"{", b"}", b"{}", b"{}{}", b"}{", b"{}{a}", b"{a}", b"foo{}{bar}",
        b"foo{{bar}}zap", b"foo{bar}{zap}", b"{user1000}.following", b"123456789")
    for size in range(301):  # every length: binary, and without a brace
        yield random.bytes(size)
        yield random.text(letters, size)
    for _ in range(2000):  # names
        yield b"user:%d:%s" % (random.below(10**9), random.text(letters, random.below(12)))
    for _ in range(2000):  # one tag
        tag = random.text(letters, 1 + random.below(20))
        front, back = (random.text(letters, random.below(20)) for _ in "fb")
        yield front + b"{" + tag + b"}" + back
    for _ in range(1000):  # an empty tag, perhaps another one behind it
        front, middle, back = (random.text(letters, random.below(12)) for _ in "fmb")
        yield front + b"{}" + middle + (b"{x}" if random.below(2) else b"") + back
    for _ in range(3500):  # nested and unbalanced braces
        yield random.text(b"{}{}ab\0\xff", random.below(18))
    for _ in range(1500):  # a brace or two anywhere, also at the edges of words and blocks
        key = bytearray(random.text(letters, 1 + random.below(150)))
        key[random.below(len(key))] = 0x7B
        if random.below(4):
            key[random.below(len(key))] = 0x7D
        yield bytes(key)
    for size in (511, 512, 513, 1000, 1023, 1024, 1025, 4095, 4096, 4097, 10007, 16384, 65535,
            65536):
        yield random.bytes(size)
        yield random.text(letters, size)
    yield random.text(letters, 40000) + b"{late}"
    yield b"{" + random.text(letters, 30000) + b"}" + random.text(letters, 100)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def connect(path):
    for _ in range(200):
        try:
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(path)
            return connection
        except OSError:
            connection.close()
            time.sleep(0.05)
    sys.exit("redis-server does not answer")


def command(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


def ask(connection, replies, batch):
    connection.sendall(b"".join(command(b"CLUSTER", b"KEYSLOT", key) for key in batch))
    for key in batch:
        line = replies.readline()
        if not line.startswith(b":"):
            sys.exit("unexpected answer %r" % line)
        yield "%s %d\n" % (key.hex() or "-", int(line[1:]))


def made(path):
    connection = connect(path)
    replies = connection.makefile("rb")
    connection.sendall(command(b"INFO", b"server"))
    info = replies.read(int(replies.readline()[1:]) + 2).decode()
    version = [line[14:] for line in info.split("\r\n") if line.startswith("redis_version:")][0]
    if not version.startswith("7."):
        sys.exit("redis-server is %s, not 7" % version)
    everything = list(dict.fromkeys(keys()))
    lines = ["# Keys (hex, - is the empty one) and the slots of CLUSTER KEYSLOT.\n",
        "# Made by tests/tools/keyslot_vectors.py with redis-server %s.\n" % version]
    for start in range(0, len(everything), BATCH):
        lines += ask(connection, replies, everything[start : start + BATCH])
    connection.close()
    return "".join(lines)


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "socket")
        server = subprocess.Popen(["redis-server", "--port", free_port(), "--cluster-port",
            free_port(), "--bind", "127.0.0.1", "--cluster-enabled", "yes", "--unixsocket", path,
            "--dir", folder, "--save", "", "--appendonly", "no"], stdout=subprocess.DEVNULL)
        try:
            text = made(path)
        finally:
            server.terminate()
            server.wait()
    if len(sys.argv) == 1:
        sys.stdout.write(text)
        return
    with open(sys.argv[1], encoding="ascii") as file:
        if file.read() != text:
            sys.exit("%s is not what this script makes" % sys.argv[1])


main()
