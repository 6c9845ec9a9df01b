#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A slot that an operator has opened by hand answers as on a real cluster: the same requests go to
source, target and a third node of both, before, while and after keys move one by one."""
import re
import sys

from e2e import SLOTD, Cluster, wait_for
from harness import Connection
from shards import TAGS
from test_commands import split

REDIS = "/usr/bin/redis-server"
SLOT, SLOT_BESIDE, SLOT_THERE = 100, 101, 5600  # two of the first node, one of the second

# Node and words. K is a key of the slot, L of another one of the same node, M of the other node.
# @0 ... @2 are names of nodes, :0 ... :2 their ports.
SCRIPT = """
0 SET K1 v1
0 SET K2 v2
1 GET K1
0 MGET K1 L1
0 MGET K1 M1
0 GET M1
0 MULTI
0 SET K1 x
0 SET L1 y
0 EXEC
0 EXEC
0 MULTI
0 SET K1 x
0 SET M1 y
0 EXEC
0 CLUSTER SETSLOT 100 IMPORTING @1
1 CLUSTER SETSLOT 100 MIGRATING @0
0 CLUSTER SETSLOT 100 MIGRATING ffffffffffffffffffffffffffffffffffffffff
1 CLUSTER SETSLOT 100 IMPORTING nobody
0 CLUSTER SETSLOT 100
0 CLUSTER SETSLOT 100 BAD
0 CLUSTER SETSLOT 100 BAD x
0 CLUSTER SETSLOT 100 STABLE x
0 CLUSTER SETSLOT 99999 STABLE
0 CLUSTER SETSLOT abc STABLE
0 CLUSTER SETSLOT 100 STABLE
0 CLUSTER SETSLOT 100 NODE @0
0 CLUSTER SETSLOT 100 NODE @1
0 CLUSTER SETSLOT 100 NODE nobody
1 CLUSTER SETSLOT 100 IMPORTING @0
0 CLUSTER SETSLOT 100 MIGRATING @1
{open}
{reads}
0 MIGRATE 127.0.0.1 :1 K1 0 5000
0 GET K1
0 GET K2
0 MGET K1 K2
0 DEL K1
1 GET K1
1 ASKING
1 GET K1
1 GET K1
1 ASKING
1 MGET K1 K2
1 ASKING
1 MGET K1 K1
0 MULTI
0 GET K2
0 EXEC
0 MULTI
0 GET K1
0 GET K2
0 EXEC
0 MULTI
0 GET K2
0 GET K9
0 EXEC
1 ASKING
1 MULTI
1 GET K1
1 EXEC
1 MULTI
1 ASKING
1 GET K1
1 EXEC
1 ASKING
1 SET K3 1
1 ASKING
1 INCR K3
0 GET K3
0 INCR K3
0 CLUSTER COUNTKEYSINSLOT 100
1 CLUSTER COUNTKEYSINSLOT 100
0 CLUSTER GETKEYSINSLOT 100 10
0 KEYS *
0 DBSIZE
1 DBSIZE
0 RANDOMKEY
0 SCAN 0 COUNT 1000
0 MIGRATE 127.0.0.1 :1 "" 0 5000 KEYS K1
0 MIGRATE 127.0.0.1 :1 K9 0 5000 REPLACE
0 MIGRATE 127.0.0.1 :1 "" 0 5000
0 MIGRATE 127.0.0.1 :1 "" 0 5000 KEYS
0 MIGRATE 127.0.0.1 :1 K9 0 5000 AUTH
0 MIGRATE 127.0.0.1 :1 K9 0 5000 AUTH2 user
0 MIGRATE 127.0.0.1 :1 K9 0 5000 AUTH word
0 MIGRATE 127.0.0.1 :1 K9 0 abc
0 MIGRATE 127.0.0.1 :1 K9 0 0
0 MIGRATE 127.0.0.1 :1 "" 0 5000 KEYS K1 K2
{reads}
0 DBSIZE
1 DBSIZE
1 CLUSTER SETSLOT 100 NODE @1
0 CLUSTER SETSLOT 100 NODE @1
2 CLUSTER SETSLOT 100 NODE @1
0 GET K2
1 GET K2
2 GET K2
1 MGET K1 K2 K3
0 CLUSTER COUNTKEYSINSLOT 100
1 CLUSTER COUNTKEYSINSLOT 100
0 CLUSTER ADDSLOTS 100
0 CLUSTER ADDSLOTSRANGE 0 10
0 CLUSTER ADDSLOTS 5 5
0 CLUSTER DELSLOTSRANGE 5 1
0 CLUSTER MEET 127.0.0.1 0
0 CLUSTER MEET nohost 1
0 CLUSTER MEET 127.0.0.1 abc
0 CLUSTER MEET 127.0.0.1 1 abc
0 CLUSTER MEET 127.0.0.1 70000
0 CLUSTER MEET 127.0.0.1 1 2 3
0 CLUSTER FORGET nobody
0 CLUSTER FORGET @0
0 CLUSTER REPLICATE nobody
0 CLUSTER REPLICATE @0
0 CLUSTER REPLICATE @1
0 CLUSTER REPLICAS nobody
0 CLUSTER REPLICAS @0
0 CLUSTER SLAVES @1
0 CLUSTER FAILOVER
0 CLUSTER FAILOVER BAD
0 CLUSTER FAILOVER FORCE x
0 CLUSTER RESET BAD
0 CLUSTER RESET SOFT x
0 CLUSTER COUNT-FAILURE-REPORTS @1
0 CLUSTER COUNT-FAILURE-REPORTS nobody
0 CLUSTER SAVECONFIG
0 CLUSTER MYID
0 CLUSTER MYSHARDID
0 CLUSTER BUMPEPOCH x
0 CLUSTER SLOTS
0 READONLY
0 GET M1
"""
READS = ["GET K1", "GET K9", "SET K9 n XX", "MGET K1 K2", "MGET K1 K9", "MGET K8 K9", "DEL K8 K9",
         "EXISTS K1 K9", "TTL K9", "TYPE K9", "DUMP K9", "PERSIST K9", "GET L1", "GET M1"]


def reads():
    """At source and target, with ASKING and without."""
    for node in "01":
        for word in READS:
            yield f"{node} {word}"
            yield f"{node} ASKING"
            yield f"{node} {word}"


# With ASKING before its key has come the target asks the source, and what is still there is not
# absent; Redis says that it is.
OWN = {"1 GET K1": "TRYAGAIN Multiple keys request during rehashing of slot"}


class World:
    """One cluster of three, and what its names and ports are called here."""

    def __init__(self, server):
        self.cluster = Cluster(server, 3, "batch")
        self.cluster.manage(
            "create", *[node.address for node in self.cluster.nodes], "--cluster-yes")
        self.cluster.settle()
        self.names = [self.cluster.name(node) for node in self.cluster.nodes]
        self.ports = [str(node.port) for node in self.cluster.nodes]
        self.links = [Connection(("127.0.0.1", node.port)) for node in self.cluster.nodes]

    def reply(self, line):
        node, *words = split(line)
        words = [re.sub(r"^@(\d)$", lambda at: self.names[int(at[1])], word) for word in words]
        words = [re.sub(r"^:(\d)$", lambda at: self.ports[int(at[1])], word) for word in words]
        for letter, slot in (("K", SLOT), ("L", SLOT_BESIDE), ("M", SLOT_THERE)):
            words = [re.sub(rf"^{letter}(\d)$", lambda at, slot=slot: f"{{{TAGS[slot]}}}{at[1]}",
                            word) for word in words]
        text = repr(self.links[int(node)](*words))
        for number, (name, port) in enumerate(zip(self.names, self.ports)):
            text = text.replace(name, f"@{number}").replace(port, f":{number}")
        return text


def main():
    ours = World(SLOTD)
    theirs = World(REDIS)
    different = []
    try:
        lines = SCRIPT.strip().replace("{reads}", "\n".join(reads())).split("\n")
        for line in lines:
            if line == "{open}":  # answered before the source has entered it; it serves till then
                wait_for(lambda: ours.reply("0 GET K9").startswith("'ASK "), "the source")
                continue
            mine, real = ours.reply(line), theirs.reply(line)
            if mine != real and mine != repr(OWN.get(line)):
                different.append(f"{line}\n    redis {real}\n    slotd {mine}")
    finally:
        ours.cluster.close()
        theirs.cluster.close()
    print("\n".join(different))
    print(f"{len(lines)} requests, {len(different)} answers differ")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
