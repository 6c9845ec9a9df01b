#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A primary that is cut off from all other nodes runs on, and clients still reach it, while its
replica is promoted: before the heir answers the first request, it has ceased to answer any. When
the wire is whole again it follows its heir."""
import re
import select

from e2e import in_sync, run, wait_for
from shards import key_of, link_to, shards, written
from wire import CutCluster


def number_of(primary, replica):
    """The primary's number on the bus, as its replica calls it."""
    return int(re.search(r"event=replica_copied primary=(\w+)", replica.log_tail(100))[1], 16)


def answered(link):
    return bool(select.select([link.socket], [], [], 0)[0])


def refused(reply):
    return str(reply).startswith(("CLUSTERDOWN", "MOVED"))


def test_who_is_cut_off_ceases_before_its_heir_serves():
    with shards(CutCluster) as (cluster, _, primary, replica):
        key, _ = key_of(cluster.slots(primary), 0)
        written(primary, key, "old")
        wait_for(lambda: replica.ask("DBSIZE") == 1, "the replica")
        old, new = link_to(primary), link_to(replica)
        place = primary.port + 10000, number_of(primary, replica)
        cluster.wire.cut(*place, True)
        assert replica.ask("CLUSTER", "FAILOVER", "FORCE") == "OK"
        served, reply = 0, "MOVED"
        while str(reply).startswith("MOVED"):  # it need not have heard yet that it was promoted
            new.send("SET", key, "new")
            while not answered(new):
                served += not refused(old("GET", key))
            reply = new.read()
        assert served > 0, "it was not cut off, or ceased too early"
        assert reply == "OK", reply
        for words in (("GET", key), ("SET", key, "lost")) * 3:
            assert refused(old(*words)), words
        cluster.wire.cut(*place, False)
        wait_for(lambda: "role:slave" in primary.ask("INFO", "replication"), "the deposed")
        wait_for(lambda: in_sync(primary), "its copy")
        assert new("GET", key) == b"new"
        cluster.settle()
        cluster.check()


if __name__ == "__main__":
    run(globals())
