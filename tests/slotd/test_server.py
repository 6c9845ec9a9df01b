#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Behaviour of one slotd: protocol versions, large values, limits, expiry, walks, stock tools."""
import os
import subprocess
import sys
import urllib.request

import redis as redis_py

from harness import Connection, Error, Slotd, Status, run, wait_for


def test_hello_switches_the_protocol_and_back():
    with Slotd() as slotd:
        c = slotd.connect()
        reply = c("HELLO", 3)
        assert ("map" in reply) and (b"proto", 3) in reply["map"], reply
        assert c("GET", "none") is None
        assert (b"cluster-enabled", b"yes") in c("CONFIG", "GET", "cluster-enabled")["map"]
        assert c("CLUSTER", "SLOTS")[0][2][3] == {"map": []}
        assert isinstance(c("HELLO", 2), list)


def test_large_values_come_back_as_they_went_in():
    with Slotd("--durability", "none") as slotd:
        c = slotd.connect()
        count = 0
        for size in (0, 1, 262127, 262128, 262129, 1 << 20, 5000001):
            value = os.urandom(size)
            assert c("SET", "v", value) == "OK"
            assert c("STRLEN", "v") == size and c("GET", "v") == value, size
            tail = os.urandom(300000)
            assert c("APPEND", "v", tail) == size + 300000
            assert c("GET", "v") == value + tail
            fresh = c("DEBUG", "DIGEST-VALUE", "v")
            assert c("SET", "v", value + tail) == "OK"
            assert c("DEBUG", "DIGEST-VALUE", "v") == fresh, "the digest depends on the pieces"
            dump = c("DUMP", "v")
            assert c("RESTORE", "{v}2", 0, dump, "REPLACE") == "OK"
            assert c("GET", "{v}2") == value + tail
            count += 1
        assert count == 7 and c("DEL", "v") == 1 and c("GET", "v") is None


def test_the_largest_value_is_512_mb():
    with Slotd("--durability", "none") as slotd:
        c = slotd.connect()
        value = b"x" * (512 << 20)
        assert c("SET", "v", value) == "OK"
        assert c("STRLEN", "v") == 512 << 20
        assert c("GET", "v") == value
        assert c("APPEND", "v", "x") == (
            "ERR string exceeds maximum allowed size (proto-max-bulk-len)")


def test_long_names_are_kept_apart():
    with Slotd("--durability", "none") as slotd:
        c = slotd.connect()
        names = [b"{t}" + b"n" * size + ending for size in (470, 477, 478, 505, 5000, 65530)
                 for ending in (b"", b"a", b"b")]
        for name in names:
            assert c("SET", name, name[-9:] + b"%d" % len(name), "EX", 1000) == "OK"
        for name in names:
            assert c("GET", name) == name[-9:] + b"%d" % len(name)
        assert sorted(c("KEYS", "*")) == sorted(names)
        assert c("DBSIZE") == len(names)
        for name in names[::2]:
            assert c("DEL", name) == 1
        assert sorted(c("KEYS", "*")) == sorted(names[1::2])
        assert c("SET", b"n" * 65536, "v") == "ERR key is larger than 65535 bytes"


def test_scan_meets_every_key_that_stays():
    with Slotd("--durability", "none") as slotd:
        c = slotd.connect()
        stays = {b"stay%d" % n for n in range(2000)} | {b"{one}%d" % n for n in range(2000)}
        for name in stays:
            c.send("SET", name, 1)
        for name in stays:
            assert c.read() == "OK"
        met, cursor, calls = set(), b"0", 0
        while calls == 0 or cursor != b"0":
            cursor, names = c("SCAN", cursor, "COUNT", 50)
            assert len(names) <= 60
            met.update(names)
            calls += 1
            c("SET", f"{{one}}new{calls}", 1)
            c("DEL", f"{{one}}new{calls - 1}")
        assert stays <= met and calls > 50
        assert c("SCAN", 0, "COUNT", 100000, "MATCH", "stay1")[1] == [b"stay1"]
        assert c("SCAN", 0, "COUNT", 100000, "TYPE", "list") == [b"0", []]
        slot = c("CLUSTER", "KEYSLOT", "{one}")
        assert c("CLUSTER", "COUNTKEYSINSLOT", slot) == len(
            c("CLUSTER", "GETKEYSINSLOT", slot, 100000))
        assert len(c("CLUSTER", "GETKEYSINSLOT", slot, 7)) >= 7
        assert c("RANDOMKEY") is not None


def test_expired_keys_go_by_themselves():
    with Slotd("--durability", "none") as slotd:
        c = slotd.connect()
        for n in range(500):
            c("SET", f"e{n}", "v", "PX", 20)
        c("SET", "stays", 1)
        c("SET", "later", 1, "EX", 1000)
        wait_for(lambda: c("DBSIZE") == 2)
        assert b"expires=1" in c("INFO", "keyspace") and b"expired_keys:500" in c("INFO", "stats")
        c("DEBUG", "SET-ACTIVE-EXPIRE", 0)
        c("SET", "{x}a", 1, "PX", 1)
        wait_for(lambda: c("EXISTS", "{x}a") == 0)
        assert c("DBSIZE") == 3 and c("KEYS", "{x}*") == [] and c("DEL", "{x}a") == 0
        assert c("DBSIZE") == 2


def test_flushall_is_fast_and_purged_later():
    with Slotd("--durability", "none") as slotd:
        c = slotd.connect()
        for n in range(3000):
            c.send("SET", f"k{n}", b"v" * 100, "EX", 1000)
        for n in range(3000):
            c.read()
        c("SET", "large", b"x" * 1000000)
        assert c("FLUSHALL") == "OK" and c("DBSIZE") == 0 and c("GET", "k1") is None
        wait_for(lambda: b"slotd_garbage_generations:0" in c("INFO", "persistence"))
        assert c("SET", "k1", "new") == "OK" and c("DBSIZE") == 1 and c("GET", "k1") == b"new"


def test_a_reader_that_does_not_read_is_not_served():
    with Slotd("--durability", "none") as slotd:
        c = slotd.connect()
        c("SET", "v", b"x" * 100000)
        slow = slotd.connect()
        request = b"*2\r\n$3\r\nGET\r\n$1\r\nv\r\n"
        slow.socket.sendall(request * 2000)  # 200 MB of answers

        def memory():
            for line in open(f"/proc/{slotd.process.pid}/status"):
                if line.startswith("RssAnon"):
                    return int(line.split()[1]) * 1024
        assert c("PING") == "PONG" and c("PING") == "PONG"
        assert memory() < 60 << 20, memory()
        for _ in range(2000):
            assert len(slow.read()) == 100000
        assert slow("PING") == "PONG"


def test_pipelines_are_answered_in_order_however_they_are_cut():
    with Slotd("--durability", "none") as slotd:
        c = slotd.connect()
        data = b"".join(b"*3\r\n$3\r\nSET\r\n$4\r\n%04d\r\n$3\r\nabc\r\n" % n for n in range(50))
        data += b"".join(b"*2\r\n$4\r\nECHO\r\n$4\r\n%04d\r\n" % n for n in range(50))
        for size in (1, 2, 3, 7, 64, 100000):
            for at in range(0, len(data), size):
                c.socket.sendall(data[at:at + size])
            for _ in range(50):
                assert c.read() == "OK"
            for n in range(50):
                assert c.read() == b"%04d" % n
        many = 50000
        c.socket.sendall(b"PING\r\n" * many)
        assert all(c.read() == "PONG" for _ in range(many))


def test_a_half_closed_client_gets_its_answers():
    import socket
    with Slotd("--durability", "none") as slotd:
        c = slotd.connect()
        c.socket.sendall(b"PING\r\n" * 5000)
        c.socket.shutdown(socket.SHUT_WR)
        assert all(c.read() == "PONG" for _ in range(5000)) and c.file.read(1) == b""


def test_who_has_gone_waits_for_nothing():
    """WAIT without a limit, for replicas that there are not."""
    with Slotd() as slotd:
        stays = slotd.connect()
        for _ in range(5):
            leaver = slotd.connect()
            leaver.send("WAIT", 1, 0)
            leaver.close()
        wait_for(lambda: stays("CLIENT", "LIST").count(b"\n") == 1, "the others to be gone")


def test_passwords_are_asked_for():
    with Slotd("--requirepass", "secret", slots=False) as slotd:
        c = slotd.connect()
        assert c("GET", "a") == "NOAUTH Authentication required."
        assert c("AUTH", "wrong").startswith("WRONGPASS")
        assert c("HELLO", 3).startswith("NOAUTH HELLO must be called")
        assert c("AUTH", "secret") == "OK" and c("PING") == "PONG"
        other = slotd.connect()
        assert "map" in other("HELLO", 3, "AUTH", "default", "secret", "SETNAME", "n")
        guest = slotd.connect()
        guest.socket.sendall(b"*11\r\n")
        assert guest.read() == "ERR Protocol error: unauthenticated multibulk length"
        guest = slotd.connect()
        guest.socket.sendall(b"*1\r\n$20000\r\n")
        assert guest.read() == "ERR Protocol error: unauthenticated bulk length"


def test_clients_are_listed_killed_and_limited():
    with Slotd("--maxclients", "3") as slotd:
        a, b = slotd.connect(), slotd.connect()
        ident = b("CLIENT", "ID")
        b("CLIENT", "SETNAME", "bee")
        assert b"name=bee" in a("CLIENT", "LIST") and b"cmd=client|info" in a("CLIENT", "INFO")
        assert a("CLIENT", "KILL", "ID", ident) == 1
        assert b.file.read(1) == b""
        keep = [slotd.connect() for _ in range(2)]
        assert all(k("PING") == "PONG" for k in keep)
        assert slotd.connect().read() == "ERR max number of clients reached"
        a.send("CLIENT", "REPLY", "SKIP")
        a.send("PING")
        a.send("CLIENT", "REPLY", "OFF")
        a.send("PING")
        a.send("CLIENT", "REPLY", "ON")
        assert a.read() == "OK" and a("ECHO", "x") == b"x"


def test_slots_without_owner_are_refused():
    with Slotd(slots=False) as slotd:
        c = slotd.connect()
        assert c("SET", "a", 1) == "CLUSTERDOWN Hash slot not served"
        assert c("CLUSTER", "ADDSLOTS", 15495) == "OK" and c("SET", "a", 1) == "OK"
        assert c("CLUSTER", "DELSLOTS", 15495) == "OK"
        assert c("CLUSTER", "DELSLOTS", 15495) == "ERR Slot 15495 is already unassigned"
        assert c("CLUSTER", "ADDSLOTSRANGE", 0, 5, 5, 7) == "ERR Slot 5 specified multiple times"
        assert c("CLUSTER", "ADDSLOTSRANGE", 0, 5, 7, 9, 6, 6) == "OK"
        assert c("CLUSTER", "NODES").split(b" connected ")[1] == b"0-9\n"
        assert c("CLUSTER", "SET-CONFIG-EPOCH", 5) == "OK"
        assert c("CLUSTER", "BUMPEPOCH") == "STILL 5"
        name = c("CLUSTER", "MYID")
        slotd.stop()
        slotd.start()
        c = slotd.connect()
        assert c("CLUSTER", "MYID") == name and len(name) == 40
        assert c("CLUSTER", "NODES") == (
            b"%s 127.0.0.1:%d@%d myself,master - 0 0 5 connected 0-9\n" % (
                name, slotd.port, int(slotd.ports["bus_port"])))


def test_multi_around_cluster_commands():
    with Slotd() as slotd:
        c = slotd.connect()
        for command in (("MULTI",), ("CLUSTER", "DELSLOTS", 1), ("CLUSTER", "ADDSLOTS", 1),
                        ("CLUSTER", "BUMPEPOCH")):
            assert c(*command) in ("OK", "QUEUED")
        assert c("EXEC") == ["OK", "OK", "BUMPED 1"]
        for command in (("MULTI",), ("CLUSTER", "DELSLOTS", 15495), ("SET", "a", 1)):
            assert c(*command) in ("OK", "QUEUED")
        # What follows it finds its slots anew; they go when that is durable here.
        assert (c("EXEC"), c("DBSIZE")) in ((["OK", "OK"], 1), (
            ["OK", "CLUSTERDOWN Hash slot not served"], 0))


def test_stock_tools_accept_it():
    with Slotd() as slotd:
        def cli(*args, **more):
            return subprocess.run(["redis-cli", *args], capture_output=True, text=True, **more)
        address = f"127.0.0.1:{slotd.port}"
        check = cli("--cluster", "check", address)
        assert check.returncode == 0 and "All 16384 slots covered" in check.stdout, check
        assert cli("--cluster", "info", address).returncode == 0
        assert cli("--cluster", "call", address, "PING").returncode == 0
        shell = cli("-c", "-p", str(slotd.port), input="SET a 1\nGET a\nHELLO 3\nINFO cluster\n")
        assert shell.stdout.startswith("OK\n1\n") or "1" in shell.stdout, shell
        bench = subprocess.run(
            ["redis-benchmark", "-p", str(slotd.port), "-t", "set,get,incr",
             "-n", "2000", "-q", "-r", "1000"], capture_output=True, text=True)
        assert bench.returncode == 0 and "rror" not in bench.stdout + bench.stderr, bench
        client = redis_py.cluster.RedisCluster(host="127.0.0.1", port=slotd.port)
        assert client.set("a", "1", ex=100) and client.get("a") == b"1"
        assert client.mset_nonatomic({f"k{n}": n for n in range(50)})
        assert client.mget_nonatomic([f"k{n}" for n in range(50)])[7] == b"7"
        assert sum(1 for _ in client.scan_iter(match="k*", count=10)) >= 50
        pipeline = client.pipeline()
        for n in range(20):
            pipeline.incr(f"n{n}")
        assert pipeline.execute() == [1] * 20
        plain = redis_py.Redis(port=slotd.port)
        with plain.pipeline(transaction=True) as transaction:
            assert transaction.set("{t}a", 1).get("{t}a").execute() == [True, b"1"]


def test_metrics_are_told():
    with Slotd() as slotd:
        slotd.connect()("SET", "a", 1)
        url = f"http://127.0.0.1:{slotd.ports['metrics_port']}/metrics"
        with urllib.request.urlopen(url) as answer:
            text = answer.read().decode()
            assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
        assert "slotd_keys 1\n" in text and text.endswith("# EOF\n")
        assert "slotd_commands_total " in text


def test_a_signal_ends_it_cleanly_and_data_stay():
    with Slotd("--durability", "none") as slotd:
        c = slotd.connect()
        for n in range(1000):
            assert c("SET", f"k{n}", n) == "OK"
        c("SET", "large", b"y" * 1000000)
        slotd.stop()
        assert "event=stopped result=0" in slotd.log_text()
        slotd.start()
        c = slotd.connect()
        assert c("DBSIZE") == 1001 and c("GET", "k999") == b"999"
        assert c("GET", "large") == b"y" * 1000000


def test_two_processes_cannot_share_a_directory():
    with Slotd() as slotd:
        second = subprocess.run(
            [os.environ.get("SLOTD"), "--port", "0", "--dir", slotd.root + "/data"],
            capture_output=True, text=True)
        assert second.returncode == 1 and "in use" in second.stderr


def test_bad_options_are_refused():
    for options in (["--port", "x"], ["--durability", "maybe"], ["--nosuch"], ["word"],
                    ["--maxclients", "0"]):
        end = subprocess.run([os.environ.get("SLOTD"), *options], capture_output=True)
        assert end.returncode == 2, options
    assert subprocess.run([os.environ.get("SLOTD"), "--help"], capture_output=True).returncode == 0


if __name__ == "__main__":
    run(globals())
