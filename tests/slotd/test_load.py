#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The checking client finds what is wrong, and finds nothing where nothing is: keys are lost, put
back, exchanged and spoilt behind its back in a real redis-server."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples/demo"))
from cluster import Cluster, Load, ranges_text, slots_of
from harness import run

LOAD = os.environ.get("LOAD", "build/examples/load/load")


def loaded(cluster, *options):
    """A client at rest, whose keys are written."""
    node = cluster.nodes[0]
    load = Load(LOAD, node.port, "--keys", 200, "--counters", 10, "--seconds", 60, *options)
    load.fill()
    return node, load


def single():
    """A cluster of one."""
    cluster = Cluster("/usr/bin/redis-server", 1, "none")
    cluster.nodes[0].ask("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    cluster.settle()
    return cluster


def worked(load, ops):
    """Let it work until it has done so much; then it rests and all keys are read."""
    load.send("run")
    done = 0
    while done < ops:
        load.verify()
        done += load.phase("work")["ops"]
    return load.verify()


def found(spoil, *options):
    """What the client says about a cluster whose data was changed by `spoil(ask)`."""
    with single() as cluster:
        node, load = loaded(cluster, *options)
        assert load.verify()["keys"] == 210
        spoil(node.ask)
        load.verify()
        again = load.phase("again")
        total = load.quit()
        assert total["lost"] + total["stale"] + total["wrong"] == (
            again["lost"] + again["stale"] + again["wrong"]), "counted twice"
        assert load.process.returncode == (1 if total["lost"] + total["stale"] + total["wrong"]
                                           else 0)
        return tuple(total[name] for name in ("lost", "stale", "wrong"))


def test_nothing_spoilt_is_nothing_found():
    assert found(lambda ask: None) == (0, 0, 0)


def test_a_missing_key_is_lost():
    assert found(lambda ask: (ask("DEL", "value:{0}:0"), ask("DEL", "value:{7}:1"))) == (2, 0, 0)


def test_another_keys_value_is_wrong():
    assert found(lambda ask: ask("SET", "value:{3}:0", ask("GET", "value:{3}:1"))) == (0, 0, 1)


def test_a_spoilt_or_cut_value_is_wrong():
    def spoil(ask):
        ask("SETRANGE", "value:{3}:0", 60, "?")
        ask("SET", "value:{4}:0", ask("GET", "value:{4}:0")[:-1])
        ask("SET", "value:{5}:0", "")
    assert found(spoil) == (0, 0, 3)


def test_a_value_from_the_past_is_stale_also_while_working():
    with single() as cluster:
        node, load = loaded(cluster, "--mix", "40,50,0,5")
        before = {key: node.ask("GET", key) for key in node.ask("KEYS", "value:*")}
        assert worked(load, 5000)["stale"] == 0
        load.rest()
        for key, value in before.items():
            node.ask("SET", key, value)
        load.send("run")
        event = load.phase("work")
        while not event["stale"]:
            event = load.phase("work")
        assert load.quit()["wrong"] == 0


def test_a_removed_key_that_returns_is_found():
    with single() as cluster:
        node, load = loaded(cluster, "--mix", "40,10,40,5")
        before = {key: node.ask("GET", key) for key in node.ask("KEYS", "value:*")}
        worked(load, 3000)
        load.rest()
        gone = set(before) - set(node.ask("KEYS", "value:*"))
        for key in gone:
            node.ask("SET", key, before[key])
        total = load.quit()
        assert gone and total["stale"] == len(gone), (len(gone), total)
        assert total["lost"] == total["wrong"] == 0


def test_counters_that_go_back_or_ahead_are_found():
    with single() as cluster:
        node, load = loaded(cluster, "--mix", "10,10,0,75")
        worked(load, 3000)
        load.rest()
        node.ask("SET", "counter:3", 1)
        node.ask("SET", "counter:4", 1000000)
        total = load.quit()
        assert total["lost"] == 0 and total["stale"] == 1 and total["wrong"] == 1, total


def test_error_replies_are_counted_and_named():
    with single() as cluster:
        node, load = loaded(cluster)
        node.ask("CLUSTER", "DELSLOTSRANGE", 0, 16383)
        load.send("run")
        event = load.phase("without owners")
        while not event["errors"]:
            event = load.phase("without owners")
        assert event["first_error"].startswith("CLUSTERDOWN"), event
        node.ask("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        assert load.quit()["errors"] >= 1 and load.process.returncode == 1


def test_usage_is_checked():
    for options in ((), ("--port", "0"), ("--port", "1", "--keys", "3"), ("--port", "1", "--x"),
                    ("--port", "1", "--mix", "50,50,1,0"), ("--port", "1", "more")):
        done = subprocess.run([LOAD, *options], stdin=subprocess.DEVNULL, capture_output=True,
                              check=False)
        assert done.returncode == 2 and b"closed loops" in done.stderr, options


def test_a_cluster_that_is_not_there_ends_in_time():
    with single() as cluster:
        port = cluster.nodes[0].port
    load = Load(LOAD, port, "--seconds", 1)
    load.send("fill")
    assert load.process.wait(20) == 3


def test_slots_read_as_they_are_written():
    for text in ("0", "0-1", "0-5,7,9-16383"):
        assert ranges_text(slots_of(text.split(","))) == text


if __name__ == "__main__":
    run(globals())
