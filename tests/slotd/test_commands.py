#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The same requests to slotd and to a real redis-server must have the same replies."""
import random
import sys

from harness import Error, Redis, Slotd, Status, run

SCRIPT = """
PING
PING hello
PING a b
ECHO x
ECHO
NOSUCH
NOSUCH with some 'args' here
GET
SET k
SET k v
GET k
SET k v2 GET
SET k v3 NX
SET k v3 NX GET
SET k v4 XX
GET k
SET nokey v XX
SET nokey v XX GET
SET k v NX XX
SET k v EX
SET k v EX 0
SET k v EX -1
SET k v EX abc
SET k v PX 9223372036854775807
SET k v EX 9223372036854775807
SET k v EX 10 PX 10
SET k v EX 10 KEEPTTL
SET k v EX 100
TTL k
SET k v5 KEEPTTL
TTL k
SET k v6
TTL k
PTTL k
TTL none
PTTL none
SET k v PXAT 1
GET k
SET k v EXAT 4102444800
GET k
PERSIST k
PERSIST k
PERSIST none
TTL k
SETNX k v
SETNX k2 v
DEL k2
DEL k2
DEL {a}1 {a}2
DEL a b
UNLINK k
UNLINK k
EXISTS k
SET k 1
EXISTS k
EXISTS {k}1 {k}1
EXISTS k k
INCR k
DECR k
INCRBY k 5
DECRBY k 7
INCRBY k abc
INCRBY k 9223372036854775807
INCRBY k 9223372036854775807
DECRBY k -9223372036854775808
SET k abc
INCR k
SET k 012
INCR k
SET k " 1"
INCR k
APPEND k xyz
APPEND app 123
STRLEN app
STRLEN none
GET app
GETDEL app
GETDEL app
MSET {t}a 1 {t}b 2
MSET {t}a 1 {t}b
MSET a 1 b 2
MGET {t}a {t}b {t}c
MGET a b
TYPE {t}a
TYPE none
EXPIRE {t}a 100
EXPIRE {t}a 200 NX
EXPIRE {t}a 200 XX
EXPIRE {t}a 100 GT
EXPIRE {t}a 300 GT
EXPIRE {t}a 400 LT
EXPIRE {t}b 400 GT
EXPIRE {t}b 400 LT
EXPIRE {t}a 100 NX XX
EXPIRE {t}a 100 GT LT
EXPIRE {t}a 100 BAD
EXPIRE {t}a abc
EXPIRE {t}a 9223372036854775807
PEXPIRE {t}a 9223372036854775807
EXPIRE none 10
EXPIREAT {t}a 4102444800
PEXPIREAT {t}a 4102444800000
EXPIREAT {t}a 1
GET {t}a
PEXPIRE {t}b -1
GET {t}b
DBSIZE
KEYS *
KEYS k?
SCAN 0 COUNT 0
SCAN abc
SCAN 0 BAD
SCAN 0 COUNT abc
SELECT 0
SELECT 1
SELECT abc
SELECT
READONLY
READWRITE
ASKING
GET k
MULTI
MULTI
SET k 5
INCR k
GET nokey
EXEC
EXEC
DISCARD
MULTI
SET k 9
DISCARD
GET k
MULTI
NOSUCH
EXEC
MULTI
GET
SET k 1
EXEC
GET k
MULTI
MSET a 1 b 2
EXEC
MULTI
SET a 1
SET b 2
EXEC
MULTI
SET k abc
INCR k
EXEC
MULTI
PING
CLUSTER KEYSLOT foo
CLUSTER COUNTKEYSINSLOT 5
EXEC
CLUSTER KEYSLOT foo
CLUSTER KEYSLOT {foo}.bar
CLUSTER KEYSLOT foo{}{bar}
CLUSTER KEYSLOT foo{{bar}}zap
CLUSTER KEYSLOT foo{bar}{zap}
CLUSTER KEYSLOT ""
CLUSTER KEYSLOT
CLUSTER NOSUCH
CLUSTER
CLUSTER COUNTKEYSINSLOT abc
CLUSTER COUNTKEYSINSLOT 16384
CLUSTER COUNTKEYSINSLOT -1
CLUSTER GETKEYSINSLOT 0
CLUSTER GETKEYSINSLOT 0 abc
CLUSTER GETKEYSINSLOT 0 -1
CLUSTER GETKEYSINSLOT 16384 1
CLUSTER GETKEYSINSLOT 0 10
CLUSTER ADDSLOTS 1
CLUSTER ADDSLOTS abc
CLUSTER ADDSLOTS 16384
CLUSTER ADDSLOTSRANGE 1
CLUSTER ADDSLOTSRANGE 5 1
CLUSTER ADDSLOTSRANGE 1 2 3
CLUSTER SET-CONFIG-EPOCH -1
CLUSTER SET-CONFIG-EPOCH abc
CLUSTER SET-CONFIG-EPOCH 7
CLUSTER SET-CONFIG-EPOCH 8
CLIENT GETNAME
CLIENT SETNAME me
CLIENT GETNAME
CLIENT SETNAME "a b"
CLIENT NOSUCH
CLIENT REPLY BAD
CLIENT NO-EVICT on
CLIENT NO-EVICT bad
AUTH x
AUTH default x
AUTH nobody x
AUTH a b c
HELLO abc
HELLO 4
HELLO 2 BAD
HELLO 2 SETNAME
CONFIG GET nosuch
CONFIG
CONFIG NOSUCH
CONFIG SET nosuch 1
CONFIG RESETSTAT
COMMAND GETKEYS GET a
COMMAND GETKEYS MSET a 1 b 2
COMMAND GETKEYS NOSUCH
COMMAND GETKEYS GET
COMMAND GETKEYS PING
COMMAND NOSUCH
SET a b EX 10 EX 100
SET a b NX NX
SET a b EX 10 PX
SET a b EX 1.5
SET a b EX " 1"
SET a b EX +1
SET a b EXAT -5
INCRBY n 1.5
INCRBY n ""
INCRBY n +1
INCRBY n 9223372036854775808
DECRBY n 9223372036854775807
DECRBY n 9223372036854775807
SET n 00
INCR n
SET n -0
INCR n
SET n 1e3
INCR n
APPEND empty ""
EXISTS empty
EXPIRE a 9223372036854776
PEXPIRE a -9223372036854775808
EXISTS a
SCAN 0 TYPE nonsense COUNT 100
SCAN 0 MATCH x* COUNT 100
SCAN 18446744073709551616
FLUSHALL SYNC ASYNC
HELLO 3 AUTH
HELLO 2.0
CLIENT LIST TYPE nonsense
CLIENT LIST TYPE pubsub
CLIENT LIST ID abc
CLIENT LIST ID 99999
CLIENT LIST BAD x
CLIENT KILL 1.2.3.4:5
CLIENT KILL ID 0
CLIENT KILL ID 99999
CLIENT KILL TYPE nonsense
CLIENT KILL TYPE replica
CLIENT KILL ADDR 1.2.3.4:5 LADDR 1.2.3.4:6
CLIENT KILL ADDR 1.2.3.4:5 SKIPME yes
CLIENT KILL ID 99999 SKIPME maybe
CLIENT KILL USER nobody
CLIENT KILL BAD x
CLIENT KILL a b c
CLIENT GETREDIR
MULTI
EXEC x
EXEC
EXEC x
MULTI
HELLO 9
AUTH x
HELLO 2 BAD
PING
EXEC
SCAN -1 MATCH zzz
SCAN "" MATCH zzz COUNT 1000
SCAN " 0"
SCAN 0x0
SCAN +0 MATCH zzz COUNT 1000
SCAN 18446744073709551615 MATCH zzz
SCAN 99999999999999999999999999999999
COMMAND INFO nosuch
CLUSTER SETSLOT 1 IMPORTING x
CLUSTER SETSLOT 1 MIGRATING x
CLUSTER SETSLOT 1 NODE x
CLUSTER REPLICAS x
CLUSTER FAILOVER
CLUSTER FAILOVER BAD
CLUSTER FORGET x
CLUSTER MEET 127.0.0.1 abc
CLUSTER DELSLOTS 1 1
CLUSTER DELSLOTSRANGE 5 1
COMMAND COUNT x
COMMAND LIST x
COMMAND LIST FILTERBY
COMMAND LIST FILTERBY PATTERN xyz*
COMMAND LIST FILTERBY PATTERN MGET*
COMMAND LIST FILTERBY MODULE x
COMMAND GETKEYS MIGRATE h 1 "" 0 10 COPY KEYS a b
COMMAND GETKEYS SET a
CONFIG SET a
CONFIG SET maxclients abc
CONFIG SET maxclients 500 nosuch 1
CONFIG SET loglevel warning loglevel notice
CONFIG SET maxclients 500 maxclients
CONFIG GET maxclients
CONFIG REWRITE
DEBUG DIGEST-VALUE
WAIT 0 a
WAIT 0 -1
WAIT a 0
DUMP none
RESTORE k 0 junk
RESTORE newkey 0 junk
RESTORE newkey -1 junk
RESTORE newkey abc junk
RESTORE newkey 0 junk BAD
RESTORE newkey 0 junk IDLETIME -1
RESTORE newkey 0 junk FREQ 256
RESTORE newkey 0 junk IDLETIME 1 FREQ 1
RESTORE k 0
MIGRATE 127.0.0.1 1 none 0 10
MIGRATE 127.0.0.1 1 k 0 10 KEYS a
MIGRATE 127.0.0.1 1 k 0 10 BAD
MIGRATE 127.0.0.1 1 k abc 10
MIGRATE 127.0.0.1 abc none 0 10
MIGRATE 127.0.0.1 99999 none 0 10 COPY
MIGRATE 127.0.0.1 1 "" 0 10 KEYS none none2
FLUSHALL BAD
FLUSHALL
DBSIZE
RANDOMKEY
QUIT
"""


def split(line):
    """Words; "..." keeps spaces, an empty last word stays (behind a trailing space)."""
    words, quoted = [""], False
    for character in line:
        if character == '"':
            quoted = not quoted
        elif character == " " and not quoted:
            words.append("")
        else:
            words[-1] += character
    return words


def normal(args, reply):
    """Replies whose order is the server's choice."""
    if args[0].upper() in ("KEYS",) and isinstance(reply, list):
        return sorted(reply)
    if args[0].upper() == "EXEC" and isinstance(reply, list):
        return [sorted(inner, key=repr) if isinstance(inner, list) else inner for inner in reply]
    return reply


def test_script_gives_the_replies_of_redis():
    with Slotd() as slotd, Redis() as redis:
        ours, theirs = slotd.connect(), redis.connect()
        different = []
        for line in SCRIPT.strip("\n").split("\n"):
            args = split(line)
            mine, real = normal(args, ours(*args)), normal(args, theirs(*args))
            if mine != real or type(mine) is not type(real):
                different.append(f"{line}\n    redis {real!r}\n    slotd {mine!r}")
        assert not different, "\n".join(different)


OWN = {"client": {"setinfo"}, "cluster": {"cancelslotmigrations", "getslotmigrations",
                                           "migrateslots", "reshard"}}  # of later servers, or ours
SHAPED = (("HELLO",), ("CLUSTER", "SLOTS"), ("CLUSTER", "SHARDS"), ("CONFIG", "GET", "save"),
          ("COMMAND", "INFO", "get"), ("SCAN", 0), ("GET", "none"), ("MGET", "none", "none"),
          ("ROLE",), ("INFO",), ("CLUSTER", "INFO"), ("CLUSTER", "NODES"), ("CLIENT", "LIST"))


def described(entry):
    """(name, arity, first key, last key, step), flags and categories, subcommands of a COMMAND INFO
    entry."""
    subs = {sub[0].split(b"|")[1].decode(): sub for sub in entry[9] or []}
    assert all(isinstance(word, Status) for word in (*entry[2], *entry[6])), entry
    return (entry[0], entry[1], *entry[3:6]), {*entry[2], *entry[6]}, subs


def test_commands_are_described_as_in_redis():
    with Slotd() as slotd, Redis() as redis:
        ours, theirs = slotd.connect(), redis.connect()
        names = ours("COMMAND", "LIST")
        assert len(names) == ours("COMMAND", "COUNT") > 50
        for name in names:
            mine, real = (described(c("COMMAND", "INFO", name)[0]) for c in (ours, theirs))
            assert mine[0] == real[0] and mine[1] <= real[1], (mine, real)
            assert mine[2].keys() - real[2].keys() == OWN.get(name.decode(), set()), name
            for sub in mine[2].keys() & real[2].keys():
                assert described(mine[2][sub])[0] == described(real[2][sub])[0]
                assert described(mine[2][sub])[1] <= described(real[2][sub])[1], sub


def shape(reply):
    """Types, with the keys of maps; of an array the first element stands for all."""
    if isinstance(reply, list):
        return [shape(each) for each in reply[:1]]
    if isinstance(reply, dict) and "map" in reply:
        return {key if isinstance(key, (bytes, str)) else shape(key): shape(value)
                for key, value in reply["map"]}
    return sorted(reply) if isinstance(reply, dict) else type(reply).__name__


def test_resp3_has_the_types_of_redis():
    with Slotd() as slotd, Redis() as redis:
        ours, theirs = slotd.connect(), redis.connect()
        for connection in (ours, theirs):
            assert "map" in connection("HELLO", 3)
        for call in SHAPED:
            mine, real = shape(ours(*call)), shape(theirs(*call))
            assert mine == real, (call, mine, real)


def random_call(source):
    tag = source.choice(["{a}", "{b}", ""])
    key = lambda: f"{tag}k{source.randrange(6)}" if tag else f"solo{source.randrange(6)}"
    value = lambda: source.choice(["1", "-5", "abc", "", "9223372036854775806", "x" * 300])
    number = lambda: source.choice(["1", "-1", "10", "abc", "9223372036854775807", "100000"])
    flags = lambda: source.sample(["NX", "XX", "GT", "LT"], source.randrange(3))
    # From now on: never due in the test, never the same twice, as the two clocks are not one.
    seconds = lambda: source.choice(["-1", "abc", "9223372036854775807",
                                     str(200000 + 1000 * source.randrange(1000000))])
    calls = [
        lambda: ["GET", key()],
        lambda: ["SET", key(), value()],
        lambda: ["SET", key(), value()] + source.sample(
            ["NX", "XX", "GET", "KEEPTTL", "EX", "100000"], source.randrange(4)),
        lambda: ["SETNX", key(), value()],
        lambda: ["DEL", key()],
        lambda: ["DEL", key(), key()],
        lambda: ["UNLINK", key()],
        lambda: ["EXISTS", key(), key()],
        lambda: ["MGET", key(), key(), key()],
        lambda: ["MSET", key(), value(), key(), value()],
        lambda: ["INCR", key()],
        lambda: ["DECR", key()],
        lambda: ["INCRBY", key(), number()],
        lambda: ["DECRBY", key(), number()],
        lambda: ["APPEND", key(), value()],
        lambda: ["STRLEN", key()],
        lambda: ["GETDEL", key()],
        lambda: ["EXPIRE", key(), seconds()] + flags(),
        lambda: ["PEXPIREAT", key(), source.choice(["4102444800000", "1", "4102444900000"])]
        + flags(),
        lambda: ["PERSIST", key()],
        lambda: ["TTL", key()],
        lambda: ["TYPE", key()],
        lambda: ["KEYS", source.choice(["*", "{a}*", "*[0-3]", "[^s]*", "*?k5", "\\{a}k1"])],
        lambda: ["DBSIZE"],
        lambda: ["MULTI"],
        lambda: ["EXEC"],
        lambda: ["DISCARD"],
        lambda: ["CLUSTER", "COUNTKEYSINSLOT", source.choice(["15495", "3300", "1"])],
    ]
    return source.choice(calls)()


class Tape:
    """A connection's file that remembers what was read."""

    def __init__(self, file):
        self.file = file
        self.bytes = b""

    def readline(self):
        self.bytes += (line := self.file.readline())
        return line

    def read(self, size):
        self.bytes += (data := self.file.read(size))
        return data

    def take(self):
        data, self.bytes = self.bytes, b""
        return data


def ticked(mine, real):
    """Two clocks: a TTL may differ by the second that passes between the two, in EXEC as well."""
    if isinstance(mine, list) and isinstance(real, list) and len(mine) == len(real):
        return all(one == other or ticked(one, other) for one, other in zip(mine, real))
    return isinstance(mine, int) and isinstance(real, int) and 1000 < mine < 10**10 and abs(
        mine - real) <= 1


def random_sequence(seed, ours, theirs, steps):
    """The same bytes from both; what has no order has the same length."""
    source = random.Random(seed)
    past = []
    for step in range(steps):
        args = random_call(source)
        mine, real = normal(args, ours(*args)), normal(args, theirs(*args))
        past.append(f"{args} -> {real!r}")
        bytes_mine, bytes_real = ours.file.take(), theirs.file.take()
        if mine != real and args[0] in ("TTL", "EXEC") and ticked(mine, real):
            continue
        same = bytes_mine == bytes_real if args[0] not in ("KEYS", "EXEC") else len(
            bytes_mine) == len(bytes_real)
        assert mine == real and same, f"seed {seed} step {step}: slotd {mine!r}\n" + "\n".join(
            past[-12:])


def test_random_sequences_give_the_replies_of_redis():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else random.randrange(1 << 32)
    print(f"seed {seed}")
    with Slotd("--durability", "none") as slotd, Redis() as redis:
        for protocol in (2, 3):
            ours, theirs = slotd.connect(), redis.connect()
            for connection in (ours, theirs):
                connection("HELLO", protocol)
                connection.file = Tape(connection.file)
            random_sequence(seed + protocol, ours, theirs, 10000)


def test_patterns_match_as_in_redis():
    names = ["a", "b", "ab", "abc", "", "a*c", "[a]", "a-c", "\\", "aaaaab", "z^", "^", "-", "]"]
    patterns = ["*", "?", "a*", "*b", "[ab]", "[^a]*", "[a-c]*", "[c-a]*", "\\*", "a\\*c", "[",
                "[a", "[^", "a[", "[]", "[]a]", "[a-]", "[\\]]", "\\", "a**c", "*a*b", "?*", "",
                "[^]]",
                "[z^]*", "*\\"]
    with Slotd() as slotd, Redis() as redis:
        ours, theirs = slotd.connect(), redis.connect()
        for name in names:
            ours("SET", name, 1)
            theirs("SET", name, 1)
        for pattern in patterns:
            mine, real = sorted(ours("KEYS", pattern)), sorted(theirs("KEYS", pattern))
            assert mine == real, f"{pattern!r}: {mine} instead of {real}"


def test_dumps_travel_both_ways():
    values = [b"", b"abc", b"0", b"-1", b"127", b"128", b"-129", b"32767", b"-70000", b"2147483648",
              b"012", b"a" * 21, b"y" * 64, b"z" * 16383, b"z" * 16384, b"hello world " * 1000,
              bytes(range(256)) * 300, random.Random(1).randbytes(70000)]
    with Slotd() as slotd, Redis() as redis:
        ours, theirs = slotd.connect(), redis.connect()
        for value in values:
            for giver, taker in ((ours, theirs), (theirs, ours)):
                assert giver("SET", "k", value) == "OK"
                dump = giver("DUMP", "k")
                assert taker("RESTORE", "k", 0, dump, "REPLACE") == "OK", (value[:20], dump[:20])
                assert taker("GET", "k") == value
                for spoilt in (dump[:-1] + bytes([dump[-1] ^ 1]), dump[:-10] + b"\xff" + dump[-9:]):
                    assert ours("RESTORE", "k", 0, spoilt, "REPLACE") == theirs(
                        "RESTORE", "k", 0, spoilt, "REPLACE")
        assert theirs("RPUSH", "list", "a") == 1
        assert ours("RESTORE", "list", 0, theirs("DUMP", "list")) == "ERR Bad data format"


def test_protocol_errors_are_those_of_redis():
    inputs = [b"*1\r\n+PING\r\n", b"*abc\r\n", b"*3000000000\r\n", b"*1\r\n$-5\r\n",
              b"*1\r\n$abc\r\n", b"*1\r\n$600000000\r\n", b'SET "abc\r\n', b"x" * 70000,
              b"*1" + b"0" * 70000, b"*1\r\n$1" + b"0" * 70000]
    with Slotd() as slotd, Redis() as redis:
        for data in inputs:
            replies = []
            for server in (slotd, redis):
                connection = server.connect()
                connection.socket.sendall(data)
                replies.append(connection.read())
                assert connection.file.read(1) == b"", "the connection stays open"
            assert replies[0] == replies[1] and isinstance(replies[0], Error), (data, replies)


def test_inline_commands_are_read_as_in_redis():
    lines = [b"PING\r\n", b"PING\n", b"  PING  \r\n", b"\r\n\r\nPING\r\n", b'ECHO "a b"\r\n',
             b'ECHO "\\x41\\n\\t\\q"\r\n', b"ECHO 'it\\'s'\r\n", b"ECHO 'a\\nb'\r\n",
             b'ECHO ""\r\n', b"*0\r\nPING\r\n", b"*-1\r\nPING\r\n", b"SET a b\r\nGET a\r\n",
             b"\r\n*1\r\n$4\r\nPING\r\n"]
    with Slotd() as slotd, Redis() as redis:
        ours, theirs = slotd.connect(), redis.connect()
        for line in lines:
            for connection in (ours, theirs):
                connection.socket.sendall(line + b"ECHO end\r\n")
            mine, real = [], []
            for connection, replies in ((ours, mine), (theirs, real)):
                while not replies or replies[-1] != b"end":
                    replies.append(connection.read())
            assert mine == real, (line, mine, real)


if __name__ == "__main__":
    run(globals())
