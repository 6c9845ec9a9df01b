#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What breaks on stock Redis: `rebalance` right after `add-node`. Here it works, under a checking
load; then the node is drained and removed again."""
from e2e import loaded, right, run, worked


def test_add_node_then_rebalance_at_once_then_drain():
    with loaded(3) as (cluster, load):
        node = cluster.start_node()
        cluster.manage("add-node", node.address, cluster.nodes[0].address)
        # No wait: stock Redis fails here, and leaves a slot open.
        # A small share, so that a busy machine moves it in seconds.
        cluster.manage("rebalance", cluster.nodes[0].address, "--cluster-use-empty-masters",
                       "--cluster-weight", f"{cluster.name(node)}=0.04")
        cluster.settle()
        assert 200 <= len(cluster.slots(node)) <= 230
        load.verify()
        cluster.manage("rebalance", cluster.nodes[0].address, "--cluster-weight",
                       f"{cluster.name(node)}=0")
        cluster.settle()
        assert not cluster.slots(node)
        load.verify()  # who still asks a node that has left hears CLUSTERDOWN, as with Redis
        cluster.manage("del-node", cluster.nodes[0].address, cluster.name(node))
        cluster.nodes.remove(node)
        worked(load)
        right(load.phase("without it"))


if __name__ == "__main__":
    run(globals())
