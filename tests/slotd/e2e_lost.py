#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A primary without a replica is gone: what `fix` says of it, and the way out when its disk is gone
as well: an empty node takes the shard over, without its keys."""
import shutil
import time

import redis.crc

from e2e import SLOTD, Cluster, run, wait_for
from e2e_operator import refusal
from shards import key_of, link_to, stopped


def down(cluster, node):
    """All the others say so."""
    words = f"@{node.port + 10000} master,fail "
    wait_for(lambda: all(words in other.ask("CLUSTER", "NODES") for other in cluster.nodes
                         if other.alive()), "its failure to be seen")


def back(cluster):
    """All nodes see all others again: redis-cli passes over those that have failed."""
    wait_for(lambda: not any("fail" in node.ask("CLUSTER", "NODES") for node in cluster.nodes),
             "its return to be seen")
    cluster.settle()


def cluster_of_four(cluster):
    """Three with slots and keys, and one without."""
    spare = cluster.nodes.pop()
    cluster.create()
    cluster.manage("add-node", spare.address, cluster.nodes[0].address)
    cluster.nodes.append(spare)
    cluster.settle()
    keys = [key_of(cluster.slots(node), 1)[0] for node in cluster.nodes[:3]]
    for node, key in zip(cluster.nodes, keys):
        assert node.ask("SET", key, "value") == "OK"
    return (*cluster.nodes, keys)


def fix(cluster, *options):
    return cluster.cli_end(cluster.cli_start(
        "--cluster", "fix", cluster.nodes[0].address, "--cluster-yes", *options))


def test_fix_gives_nobody_the_slots_of_a_dead_primary_and_says_what_helps():
    with Cluster(SLOTD, 4) as cluster:
        _, b, dead, _, keys = cluster_of_four(cluster)
        assert "already busy" in refusal(b, "ADDSLOTS", redis.crc.key_slot(keys[2].encode()))
        before = cluster.slots(dead)
        dead.kill()
        down(cluster, dead)
        assert "--cluster-fix-with-unreachable-masters" in fix(cluster)[1]
        code, text = fix(cluster, "--cluster-fix-with-unreachable-masters")
        assert code == 1 and f"belongs to {dead.address}, which does not answer" in text, text
        assert "CLUSTER FAILOVER TAKEOVER" in text
        dead.start()
        back(cluster)
        assert cluster.slots(dead) == before and dead.ask("GET", keys[2]) == "value"
        cluster.check()


def test_an_empty_node_leads_a_lost_shard_on():
    with Cluster(SLOTD, 4) as cluster:
        a, b, dead, spare, keys = cluster_of_four(cluster)
        name, slots = cluster.name(dead), cluster.slots(dead)
        with stopped(dead):
            # It is there, for all that is known in the first five seconds: nobody takes its shard
            # over without its keys.
            begin = time.monotonic()
            assert spare.ask("CLUSTER", "REPLICATE", name) == "OK"
            assert "no whole copy" in refusal(spare, "FAILOVER", "FORCE")
            if time.monotonic() - begin < 2:
                assert "no whole copy" in refusal(spare, "FAILOVER", "TAKEOVER")
            dead.kill()
        shutil.rmtree(dead.directory + "/data")
        down(cluster, dead)
        assert "no whole copy" in refusal(spare, "FAILOVER", "FORCE")
        assert refusal(spare, "FAILOVER") == (
            "ERR this replica has no whole copy of its master's data yet")
        assert spare.ask("CLUSTER", "FAILOVER", "TAKEOVER") == "OK"
        wait_for(lambda: link_to(spare)("SET", keys[2], "new") == "OK", "the heir")
        assert a.ask("CLUSTER", "FORGET", name) == "OK"
        cluster.nodes.remove(dead)
        cluster.settle()
        assert cluster.slots(spare) == slots
        cluster.check()
        assert [node.ask("GET", key) for node, key in zip((a, b, spare), keys)] == [
            "value", "value", "new"]
        cluster.move({spare: sorted(slots)[:100]}, a)
        cluster.check()


def taken_over(cluster):
    """The third is gone, the fourth leads its shard: its name, the two, and a key of it."""
    _, _, dead, spare, keys = cluster_of_four(cluster)
    name = cluster.name(dead)
    dead.kill()
    down(cluster, dead)
    assert spare.ask("CLUSTER", "REPLICATE", name) == "OK"
    assert spare.ask("CLUSTER", "FAILOVER", "TAKEOVER") == "OK"
    wait_for(lambda: link_to(spare)("SET", keys[2], "new") == "OK", "the heir")
    return name, dead, spare, keys[2]


def test_who_was_taken_for_lost_follows_its_heir():
    """It came back with its disk: it serves nothing, and ends with what the heir has."""
    with Cluster(SLOTD, 4) as cluster:
        _, dead, spare, key = taken_over(cluster)
        dead.start()
        assert link_to(dead)("GET", key).startswith("MOVED")
        wait_for(lambda: "master_link_status:up" in dead.ask("INFO", "replication"), "its copy")
        back(cluster)
        assert dead.ask("DBSIZE") == 1 and spare.ask("GET", key) == "new"
        cluster.check()


def test_who_was_forgotten_serves_nothing():
    """Nobody tells it any more who leads."""
    with Cluster(SLOTD, 4) as cluster:
        name, dead, spare, key = taken_over(cluster)
        assert cluster.nodes[0].ask("CLUSTER", "FORGET", name) == "OK"
        dead.start()
        for _ in range(3):
            assert link_to(dead)("GET", key).startswith(("MOVED", "CLUSTERDOWN"))
        cluster.nodes.remove(dead)
        cluster.settle()
        cluster.check()
        assert spare.ask("GET", key) == "new"
        dead.kill()


def test_without_the_coordinator_who_starts_again_serves():
    with Cluster(SLOTD, 3) as cluster:
        cluster.create()
        a, b, _ = cluster.nodes
        key = key_of(cluster.slots(b), 1)[0]
        assert b.ask("SET", key, "value") == "OK"
        a.kill()
        b.kill()
        b.start()
        assert b.ask("GET", key) == "value"
        a.start()
        back(cluster)
        cluster.check()


if __name__ == "__main__":
    run(globals())
