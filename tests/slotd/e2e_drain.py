#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A cluster of 16,384 slots grows to four nodes and shrinks again by stock redis-cli alone, key by
key, every slot that it takes: rebalance onto the empty node, simulated and done, right after
add-node; then its drain by weight 0. Keys stay, `check` is clean, exit codes are those of Redis."""
from e2e import LOAD, SLOTD, SLOTS, Cluster, Load, no_orphans, right, run

KEYS = 5000


def counts(cluster):
    return [len(cluster.slots(node)) for node in cluster.nodes]


def rebalance(cluster, *options):
    return cluster.manage("rebalance", cluster.nodes[0].address, *options, seconds=700)


def grow(cluster):
    node = cluster.start_node()
    cluster.manage("add-node", node.address, cluster.nodes[0].address)
    before = counts(cluster)
    text = rebalance(cluster, "--cluster-use-empty-masters", "--cluster-simulate")
    assert text.count("#") >= SLOTS // 4 and counts(cluster) == before, "it was simulated only"
    assert "No rebalancing needed" in rebalance(cluster)  # who has no slot takes no part
    rebalance(cluster, "--cluster-use-empty-masters")
    assert set(counts(cluster)) == {SLOTS // 4}, counts(cluster)
    assert "No rebalancing needed" in rebalance(cluster)
    return node


def test_four_nodes_and_back():
    with Cluster(SLOTD, 3, "none") as cluster:  # what waits for syncs, e2e_rebalance.py moves
        cluster.create()
        load = Load(LOAD, cluster.nodes[0].port, "--keys", KEYS, "--seconds", 600, "--quiet")
        try:
            load.fill()
            node = grow(cluster)
            load.verify()
            assert sum(cluster.nodes[i].ask("DBSIZE") > 0 for i in range(4)) == 4
            rebalance(cluster, "--cluster-weight", f"{cluster.name(node)}=0")
            assert not cluster.slots(node) and sum(counts(cluster)) == SLOTS
            assert max(counts(cluster)) - min(counts(cluster)[:3]) <= 2, counts(cluster)
            load.verify()
            cluster.settle()
            cluster.manage("del-node", cluster.nodes[0].address, cluster.name(node))
            cluster.nodes.remove(node)
            node.stop()
            cluster.check()
            right(load.quit())
            no_orphans(cluster, KEYS)
        finally:
            load.end()


if __name__ == "__main__":
    run(globals())
