#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""CLUSTER RESHARD under a checking load: plans that are shown, carried out, watched, paused and
taken back; what INFO, CLUSTER INFO, the metrics and the log say of them."""
import os
import re
import urllib.request

from e2e import SLOTD, Cluster, Failed, loaded, right, run, wait_for, worked


def plan_of(text):
    """(moves, slots, [(source, target, slots)]) of a plan as it is answered."""
    head = dict(re.findall(r"^(moves|slots):(\d+)\r?$", text, re.M))
    moves = re.findall(r"^move:\d+ source=(\d+) target=(\d+) slots=(\d+)", text, re.M)
    return int(head["moves"]), int(head["slots"]), [tuple(map(int, move)) for move in moves]


def reshard(cluster, *words):
    return cluster.nodes[0].ask("CLUSTER", "RESHARD", *words)


def refused(cluster, *words):
    return refusal(cluster.nodes[0], "RESHARD", *words)


def counts(cluster):
    return [len(cluster.slots(node)) for node in cluster.nodes]


def joined(cluster):
    node = cluster.start_node()
    cluster.manage("add-node", node.address, cluster.nodes[0].address)
    cluster.settle()
    return node


def test_plans_are_shown_and_carried_out():
    with loaded(3) as (cluster, load):
        a, b, c = cluster.nodes
        before = counts(cluster)
        words = ("MOVE", "COUNT", 500, "TO", cluster.name(b), "FROM", cluster.name(a))
        moves, slots, listed = plan_of(reshard(cluster, *words, "DRYRUN"))
        assert slots == 500 and moves == len(listed) and sum(m[2] for m in listed) == 500
        assert counts(cluster) == before and cluster.reshard_progress()["plan"] == "none"
        cluster.reshard_plan(*words)
        assert counts(cluster) == [before[0] - 500, before[1] + 500, before[2]]
        load.verify()
        node = joined(cluster)
        cluster.reshard_plan("REBALANCE")
        cluster.settle()
        assert set(counts(cluster)) == {4096}, counts(cluster)
        assert plan_of(reshard(cluster, "REBALANCE"))[:2] == (0, 0)
        load.verify()
        cluster.reshard_plan("DRAIN", "FROM", cluster.name(node))
        assert not cluster.slots(node)
        cluster.settle()
        load.verify()  # a client that asked a node after it left hears CLUSTERDOWN, as at Redis
        cluster.manage("del-node", a.address, cluster.name(node))
        cluster.nodes.remove(node)
        worked(load)
        right(load.phase("after"))
        cluster.reshard_plan("MOVE", "COUNT", 20, "TO", cluster.name(c), "KEYWISE")


def test_wrong_words_are_refused():
    with loaded(3) as (cluster, _):
        name = cluster.name(cluster.nodes[1])
        for words, text in ((("SIDEWAYS",), "syntax"), (("MOVE", "COUNT", 5, "TO"), "syntax"),
                            (("MOVE", "COUNT", 5, "TO", "0" * 40), "Unknown node"),
                            (("MOVE", "COUNT", 20000, "TO", name), ""),
                            (("DRAIN",), ""), (("PAUSE", "NOW"), "syntax")):
            assert text in refused(cluster, *words), words
        assert cluster.reshard_progress()["plan"] == "none"


def test_help_names_every_subcommand():
    with Cluster(SLOTD, 1) as cluster:
        node = cluster.nodes[0]
        for word in ("CLUSTER", "CLIENT", "COMMAND", "CONFIG"):
            lines = node.ask(word, "HELP")
            assert lines[0].startswith(f"{word} <subcommand>") and lines[-2] == "HELP", lines
            told = {line.split()[0].lower() for line in lines[1:] if not line.startswith(" ")}
            subs = {sub[0].split("|")[1] for sub in node.ask("COMMAND", "INFO", word)[0][9]}
            assert told - {"(no"} == subs - {"slaves"}, told ^ subs
        plans = [line for line in node.ask("CLUSTER", "HELP") if line.startswith("RESHARD")]
        for word in ("MOVE", "REBALANCE", "DRAIN", "DRYRUN", "KEYWISE", "PROGRESS", "PAUSE",
                     "RESUME", "ABORT"):
            assert any(word in line for line in plans), word


def test_migrateslots_speaks_as_valkey_does():
    """Valkey 9's own test of the command's words (tests/unit/cluster/cluster-migrateslots.tcl)."""
    with Cluster(SLOTD, 4) as cluster:
        spare = cluster.nodes.pop()
        cluster.create()
        cluster.nodes.append(spare)
        cluster.manage("add-node", spare.address, cluster.nodes[0].address, "--cluster-slave",
                       "--cluster-master-id", cluster.name(cluster.nodes[1]))
        cluster.settle()
        a, b, c, _ = cluster.nodes
        x, y, z = (cluster.name(node) for node in (a, b, c))
        for words, text in (
                ((), "wrong number of arguments"),
                (("INVALID", 0, 1), "syntax error"),
                (("SLOTSRANGE",), "wrong number of arguments"),
                (("SLOTSRANGE", 0), "No end slot for final slot range"),
                (("SLOTSRANGE", 16385, 16388), "Invalid or out of range slot"),
                (("SLOTSRANGE", 16380, 16388), "Invalid or out of range slot"),
                (("SLOTSRANGE", "a", 0), "No slot ranges specified"),
                (("SLOTSRANGE", 0, "a"), "Invalid or out of range slot"),
                (("SLOTSRANGE", 1, 0), "Start slot number 1 is greater than end slot number 0."),
                (("SLOTSRANGE", 0, 16383), "Requested slots span multiple shards"),
                (("SLOTSRANGE", 0, 5, 3, 6), "Slot range 3-6 overlaps with previous range 0-5."),
                (("SLOTSRANGE", 3, 6, 0, 5), "Slot range 0-5 overlaps with previous range 3-6."),
                (("SLOTSRANGE", 0, 0), "syntax error"),
                (("SLOTSRANGE", 0, 0, "NODE"), "syntax error"),
                (("SLOTSRANGE", 0, 0, "NODE", "blah"), "Invalid node name: blah"),
                (("SLOTSRANGE", 0, 0, "NODE", "a" * 40), "Unknown node name: " + "a" * 40),
                (("SLOTSRANGE", 1, 1, "NODE", y, "SLOTSRANGE", 0, 2, "NODE", z),
                 "Slot ranges in migrations overlap"),
                (("SLOTSRANGE", 0, 0, 2, 2, "NODE", y, "SLOTSRANGE", 2, 2, "NODE", z),
                 "Slot ranges in migrations overlap"),
                (("SLOTSRANGE", 0, 0, "NODE", x), "Target node can not be this node.")):
            failure = refusal(a, "MIGRATESLOTS", *words)
            assert failure.startswith("ERR ") and text in failure, (words, failure)
        assert "Slots are not served by this node." in refusal(
            c, "MIGRATESLOTS", "SLOTSRANGE", 0, 0, "NODE", x)
        assert "Slot migration can only be used on primary nodes." in refusal(
            spare, "MIGRATESLOTS", "SLOTSRANGE", 0, 0, "NODE", x)
        assert "wrong number of arguments" in refusal(a, "CANCELSLOTMIGRATIONS", "NOW")
        assert refusal(a, "CANCELSLOTMIGRATIONS") == "ERR No migrations ongoing"
        a.ask("CLUSTER", "SETSLOT", 7, "MIGRATING", y)
        assert "I am already migrating slot 7." in refusal(
            a, "MIGRATESLOTS", "SLOTSRANGE", 5, 9, "NODE", y)
        a.ask("CLUSTER", "SETSLOT", 7, "STABLE")
        a.ask("CLUSTER", "DELSLOTS", 0)
        assert "Slot 0 has no node served." in refusal(a, "MIGRATESLOTS", "SLOTSRANGE", 0, 0)
        a.ask("CLUSTER", "ADDSLOTS", 0)
        cluster.settle()
        moves_as_valkey_shows(cluster, a, (b, y), (c, z))


def moves_as_valkey_shows(cluster, source, *targets):
    """Several groups in one command, and the fields of GETSLOTMIGRATIONS at both ends."""
    (b, y), (c, z) = targets
    name = cluster.name(source)
    assert source.ask("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", 0, 3, 5, 5, "NODE", y,
                      "SLOTSRANGE", 100, 101, "NODE", z) == "OK"
    wait_for(lambda: [job["state"] for job in cluster.migrations(source)] == ["success"] * 2,
             "both")
    for node, operation in ((source, "EXPORT"), (b, "IMPORT")):
        job = next(job for job in cluster.migrations(node) if job["target_node"] == y)
        assert (job["operation"], job["slot_ranges"], job["source_node"], job["state"],
                job["message"]) == (operation, "0-3 5-5", name, "success", ""), job
        assert {"name", "create_time", "last_update_time", "last_ack_time", "cow_size",
                "remaining_repl_size"} <= set(job)
    cluster.settle()
    assert {0, 1, 2, 3, 5} <= cluster.slots(b) and {100, 101} <= cluster.slots(c)


def refusal(node, *words):
    try:
        node.ask("CLUSTER", *words)
    except Failed as failure:
        return str(failure)
    raise Failed(f"{words} was not refused")


def test_plans_are_paused_resumed_and_taken_back():
    with loaded(3, "--size", 3000, keys=20000) as (cluster, load):
        b = cluster.nodes[1]
        words = ("MOVE", "COUNT", 4000, "TO", cluster.name(b))
        paused = aborted = 0
        for _ in range(5):
            before = counts(cluster)
            reshard(cluster, *words)
            reshard(cluster, "PAUSE")
            progress = cluster.reshard_progress()
            if progress["plan"] == "paused":
                paused += 1
                assert "being carried out" in refused(cluster, *words)
            reshard(cluster, "RESUME")
            reshard(cluster, "ABORT")
            wait_for(lambda: cluster.reshard_progress()["plan"] in ("ended", "none"), "the end")
            wait_for(lambda: not cluster.reshard_progress()["migrations"], "the way back")
            cluster.settle()
            done = int(cluster.reshard_progress()["slots_done"])
            assert len(cluster.slots(b)) - before[1] == done
            aborted += done < 4000
            load.verify()
            if counts(cluster) != before:
                cluster.reshard_plan("REBALANCE")
                cluster.settle()
        assert paused > 0 and aborted > 0, (paused, aborted)


def test_progress_is_shown_while_it_runs():
    with loaded(3, "--size", 5000, keys=20000) as (cluster, _):
        b = cluster.nodes[1]
        seen = []
        reshard(cluster, "MOVE", "COUNT", 5000, "TO", cluster.name(b))

        def ended():
            progress = cluster.reshard_progress()
            seen.append(progress)
            return progress["plan"] == "ended"
        wait_for(ended, "the plan", pause=0.002)
        assert seen[-1]["slots_done"] == seen[-1]["slots"] == "5000"
        assert seen[-1]["percent"] == "100" and seen[-1]["eta_ms"] == "0"
        assert all({"percent", "bytes_per_s", "eta_ms"} <= set(progress) for progress in seen)
        assert int(seen[-1]["keys"]) > 0 and int(seen[-1]["bytes"]) > 0
        running = [m for progress in seen for m in progress["migrations"]]
        assert running, "no migration was seen"
        for migration in running:
            assert {"phase", "slots", "keys", "bytes", "percent", "bytes_per_s", "eta_ms",
                    "pause_us"} <= set(migration), migration
            assert 0 <= int(migration["percent"]) <= 100


def metrics_of(node):
    with open(os.path.join(node.directory, "log"), encoding="utf-8") as file:
        port = re.findall(r"event=listening .*metrics_port=(\d+)", file.read())[-1]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
        text = answer.read().decode()
    assert text.endswith("# EOF\n")
    values = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            assert re.fullmatch(r"[a-z_]+(\{[^}]*\})?", name), line
            values[name] = float(value)
    return values


def phases_logged(node):
    with open(os.path.join(node.directory, "log"), encoding="utf-8") as file:
        return re.findall(r"event=reshard by=coordinator kind=PHASE migration=1 .*"
                          r"from=(\w+) to=(\w+) order=\d+\.\d+ status=(\w+)", file.read())


def test_operators_see_what_happens():
    with loaded(3, server=("--metrics-port", "0")) as (cluster, _):
        a, b, _ = cluster.nodes
        before = metrics_of(a)
        info = a.ask("CLUSTER", "INFO")
        for field in ("cluster_state:ok", "cluster_slots_assigned:16384", "cluster_known_nodes:3",
                      "cluster_size:3", "slotd_migrations_open:0"):
            assert field in info, (field, info)
        cluster.reshard_plan("MOVE", "COUNT", 300, "TO", cluster.name(b), "FROM", cluster.name(a))
        wait_for(lambda: metrics_of(a)["slotd_migrations_open"] == 0, "its end in the own map")
        after = metrics_of(a)
        assert after["slotd_migrations_done_total"] == before["slotd_migrations_done_total"] + 1
        assert after["slotd_migrations_reverted_total"] == 0
        assert after["slotd_slots"] == before["slotd_slots"] - 300
        assert after["slotd_write_pauses_total"] == 1
        assert 0 < after["slotd_write_pause_microseconds_total"] < 1e6
        assert after["slotd_map_version"] > before["slotd_map_version"]
        info = a.ask("INFO", "cluster")
        for field in ("slotd_coordinator:1", "slotd_migrations_done:1", "slotd_write_pauses:1"):
            assert field in info, (field, info)
        assert "slotd_coordinator:0" in b.ask("INFO", "cluster")
        logged = phases_logged(a)
        wanted = ["PREPARE", "COPY", "CATCHUP", "FREEZE", "HOLD", "COMMIT", "SETTLE", "LINGER",
                  "CLEANUP", "DONE"]
        assert [phase for _, phase, _ in sorted(
            logged, key=lambda entry: wanted.index(entry[1]))] == wanted, logged


if __name__ == "__main__":
    run(globals())
