#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""CLUSTER RESHARD under a checking load: plans that are shown, carried out, watched, paused and
taken back; what INFO, CLUSTER INFO, the metrics and the log say of them."""
import os
import re
import urllib.request

import openmetrics
from e2e import SLOTD, Cluster, Failed, in_sync, loaded, right, run, wait_for, worked


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
        for words, text in ((("SIDEWAYS",), "does not know 'SIDEWAYS'"),
                            (("MOVE", "COUNT", 5, "TO"), "'TO', or needs a word behind it"),
                            (("MOVE", "COUNT", 5, "TO", "0" * 40), "Unknown node"),
                            (("MOVE", "COUNT", 20000, "TO", name), "from 1 to 16384"),
                            (("MOVE", "COUNT", 4294967297, "TO", name), "from 1 to 16384"),
                            (("MOVE", "COUNT", -1, "TO", name), "from 1 to 16384"),
                            (("MOVE", "COUNT", "x", "TO", name), "not an integer"),
                            (("MOVE", "TO", name), "MOVE needs COUNT <slots> and TO <node-id>"),
                            (("REBALANCE", "FROM", name), "REBALANCE takes from all"),
                            (("DRAIN", "FROM", name, "COUNT", 5), "go with MOVE only"),
                            (("DRAIN",), "DRAIN needs FROM <node-id>"),
                            (("PAUSE", "NOW"), "does not know 'NOW'"),
                            (("MOVE", "COUNT", 5, "TO", name, "FROM", name), "TO names"),
                            (("MOVE", "COUNT", 16000, "TO", name), "fewer slots to give than"),
                            (("DRAIN", "FROM", name, "FROM", name), "twice"),
                            (("DRAIN", *(word for node in cluster.nodes
                                         for word in ("FROM", cluster.name(node)))),
                             "nobody is left")):
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
        assert node.ask("DEBUG", "HELP")[1].startswith("DIGEST-VALUE")
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


def test_only_primaries_show_open_slots():
    """As with Redis. A replica hears of a move's end a moment later than redis-cli looks."""
    with Cluster(SLOTD, 4) as cluster:
        spare = cluster.nodes.pop()
        cluster.create()
        a, b, _ = cluster.nodes
        cluster.manage("add-node", spare.address, a.address, "--cluster-slave",
                       "--cluster-master-id", cluster.name(a))
        cluster.nodes.append(spare)
        cluster.settle()
        name = cluster.name(spare)
        for words in (("SETSLOT", 5, "MIGRATING", name), ("SETSLOT", 5, "NODE", name),
                      ("SETSLOT", 6000, "IMPORTING", name)):
            assert refusal(a, *words) == "ERR Target node is not a master", words
        assert refusal(spare, "FORGET", cluster.name(a)) == "ERR Can't forget my master!"
        b.ask("CLUSTER", "SETSLOT", 5, "IMPORTING", cluster.name(a))
        a.ask("CLUSTER", "SETSLOT", 5, "MIGRATING", cluster.name(b))
        for node, wanted in ((a, "[5->-"), (b, "[5-<-"), (spare, "")):
            wait_for(lambda: "slotd_migrations_open:1" in node.ask("CLUSTER", "INFO"), "the move")
            nodes = node.ask("CLUSTER", "NODES")
            assert wanted in nodes and ("[" in nodes) == (node is not spare), nodes
        a.ask("CLUSTER", "SETSLOT", 5, "STABLE")
        cluster.settle()
        for _ in range(10):
            cluster.reshard(3, b, a)
            cluster.check()


def test_plans_are_paused_resumed_and_taken_back():
    with loaded(3, "--size", 3000, keys=20000) as (cluster, load):
        b = cluster.nodes[1]
        words = ("MOVE", "COUNT", 4000, "TO", cluster.name(b))
        paused = aborted = 0
        for _ in range(5):
            before = counts(cluster)
            cluster.nodes[0].ask_many([("CLUSTER", "RESHARD", *each)
                                       for each in (words, ("PAUSE",))])  # before it has ended
            progress = cluster.reshard_progress()
            if progress["plan"] == "paused":
                paused += 1
                assert "being carried out" in refused(cluster, *words)
            cluster.nodes[0].ask_many([("CLUSTER", "RESHARD", each)
                                       for each in ("RESUME", "ABORT")])
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
    return openmetrics.values(text)


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


def shard_nodes(node):
    """port -> the fields of CLUSTER SHARDS."""
    out = {}
    for shard in node.ask("CLUSTER", "SHARDS"):
        for fields in dict(zip(shard[::2], shard[1::2]))["nodes"]:
            fields = dict(zip(fields[::2], fields[1::2]))
            out[fields["port"]] = fields
    return out


def test_health_and_offsets_are_real():
    with Cluster(SLOTD, 4) as cluster:
        spare = cluster.nodes.pop()
        cluster.create()
        a, b, _ = cluster.nodes
        cluster.manage("add-node", spare.address, a.address, "--cluster-slave",
                       "--cluster-master-id", cluster.name(b))
        cluster.nodes.append(spare)
        cluster.settle()
        wait_for(lambda: in_sync(spare), "the replica")
        key = next(f"k{n}" for n in range(1000)
                   if a.ask("CLUSTER", "KEYSLOT", f"k{n}") in cluster.slots(b))
        assert b.ask_many([("SET", key, "x" * 1000), ("WAIT", 1, 0)]) == ["OK", 1]

        def told():
            nodes = shard_nodes(a)
            offsets = [nodes[node.port]["replication-offset"] for node in (b, spare)]
            return offsets[0] == offsets[1] > 1000
        wait_for(told, "the offsets")
        assert {fields["health"] for fields in shard_nodes(a).values()} == {"online"}
        links_are_shown(cluster, a)
        pongs = [int(line.split()[5]) for line in a.ask("CLUSTER", "NODES").splitlines()]
        assert sum(pong > 1.6e12 for pong in pongs) == 3, pongs
        failure_is_shown(cluster, a, b)


def links_are_shown(cluster, node):
    names = {cluster.name(other) for other in cluster.nodes if other is not node}
    links = [dict(zip(link[::2], link[1::2])) for link in node.ask("CLUSTER", "LINKS")]
    assert {link["node"] for link in links} == names, links
    for link in links:
        assert link["direction"] in ("to", "from") and link["create-time"] > 1.6e12
        assert link["events"] in ("r", "rw")
        assert 0 <= link["send-buffer-used"] <= link["send-buffer-allocated"]


def failure_is_shown(cluster, a, dead):
    """Who does not answer is shown so, and redis-cli says it as of a Redis; and it comes back."""
    name, slots = cluster.name(dead), len(cluster.slots(dead))
    assert a.ask("CLUSTER", "COUNT-FAILURE-REPORTS", name) == 0
    dead.kill()
    wait_for(lambda: shard_nodes(a)[dead.port]["health"] == "failed", "the failure")
    line = next(line for line in a.ask("CLUSTER", "NODES").splitlines() if line.startswith(name))
    assert line.split()[2] == "master,fail" and line.split()[7] == "disconnected", line
    assert a.ask("CLUSTER", "COUNT-FAILURE-REPORTS", name) == 1
    assert f"cluster_slots_fail:{slots}" in a.ask("CLUSTER", "INFO")
    assert "Unknown node" in refusal(a, "COUNT-FAILURE-REPORTS", "0" * 40)
    code, text = cluster.cli_end(cluster.cli_start("--cluster", "check", a.address))
    assert code == 1 and "Not all 16384 slots are covered" in text, text
    code, text = cluster.cli_end(cluster.cli_start("--cluster", "info", a.address))
    assert code == 0 and "in 2 masters" in text, text
    dead.start()
    wait_for(lambda: shard_nodes(a)[dead.port]["health"] == "online", "its return")
    assert "cluster_slots_fail:0" in a.ask("CLUSTER", "INFO")
    cluster.settle()
    cluster.check()


def test_commands_that_tools_send_now_and_then():
    with Cluster(SLOTD, 2) as cluster:
        a, b = cluster.nodes
        assert a.ask("CLUSTER", "ADDSLOTSRANGE", 0, 16383) == "OK"
        assert a.ask("CLUSTER", "SAVECONFIG") == "OK"
        assert a.ask("SET", "k", 1) == "OK"
        assert "DB must be empty" in refusal(a, "FLUSHSLOTS")
        assert b.ask("CLUSTER", "MEET", "127.0.0.1", a.port, a.port + 10000) == "OK"
        cluster.settle()
        slot = a.ask("CLUSTER", "KEYSLOT", "k")
        assert refusal(a, "SETSLOT", slot, "NODE", cluster.name(b)) == (
            f"ERR Can't assign hashslot {slot} to a different node while I still hold keys for "
            "this hash slot.")
        assert a.ask("DEL", "k") == 1
        assert a.ask("CLUSTER", "FLUSHSLOTS") == b.ask("CLUSTER", "FLUSHSLOTS") == "OK"
        assert "cluster_slots_assigned:0" in a.ask("CLUSTER", "INFO")
        assert a.ask("CLUSTER", "ADDSLOTSRANGE", 0, 16383) == "OK"
        assert b.ask("CLUSTER", "REPLICATE", cluster.name(a)) == "OK"
        assert refusal(b, "SETSLOT", 5, "STABLE") == "ERR Please use SETSLOT only with masters."
        # As del-node does; the replica need not have heard yet that it was forgotten.
        name = cluster.name(b)
        assert b.ask("CLUSTER", "RESET", "SOFT") == "OK"
        assert len(b.ask("CLUSTER", "NODES").splitlines()) == 1 and b.ask("DBSIZE") == 0
        assert a.ask("CLUSTER", "FORGET", name) == "OK"
        info = dict(line.split(":", 1) for line in a.ask("INFO").split("\r\n") if ":" in line)
        for name in ("redis_version", "redis_mode", "arch_bits", "process_id", "run_id", "tcp_port",
                     "uptime_in_seconds", "connected_clients", "blocked_clients", "maxclients",
                     "used_memory", "used_memory_human", "used_memory_rss", "used_memory_peak",
                     "maxmemory", "maxmemory_policy", "loading", "total_commands_processed",
                     "total_connections_received", "total_net_input_bytes", "rejected_connections",
                     "expired_keys", "evicted_keys", "keyspace_hits", "keyspace_misses", "role",
                     "connected_slaves", "master_replid", "master_repl_offset", "used_cpu_sys",
                     "used_cpu_user", "cluster_enabled"):
            assert info.get(name), name
        assert 0 < int(info["used_memory"]) <= int(info["used_memory_peak"])


GOOD = r'''# TYPE a counter
# HELP a says \"x\" \\ \n
a_total{b="c\n"} 1
# EOF
'''
BREAKS = (("a_total", "a"), ("counter", "number"), (" 1\n", "  1\n"), (" 1\n", " one\n"),
          (" 1\n", " -1\n"), ("b=", "1b="), (r'"c\n"', '"c""'), (r'"c\n"', r'"c\x"'),
          ("# HELP a", "#HELP a"), ("# HELP a", "# HELP b"), (r'says \"x', 'says "x'),
          ("# EOF", "# TYPE a gauge\n# EOF"), ("# EOF", 'a_total{b="c\\n"} 2\n# EOF'),
          ("# HELP", "# UNIT a seconds\n# HELP"), ("# EOF\n", ""), ("# EOF\n", "# EOF\n\n"),
          ("# EOF", "# TYPE c gauge\nc 1\na_total 3\n# EOF"), ("\n", "\r\n"), ("# EOF\n", "# EOF"))


def test_the_openmetrics_parser_refuses_what_is_wrong():
    """The parser that judges slotd's text can fail: each of these breaks one rule."""
    assert openmetrics.values(GOOD) == {r'a_total{b="c\n"}': 1.0}
    assert openmetrics.values("# EOF\n") == {}
    for before, after in BREAKS:
        assert before in GOOD, before
        try:
            openmetrics.values(GOOD.replace(before, after))
        except openmetrics.Wrong:
            continue
        raise AssertionError(f"accepted: {before!r} as {after!r}")


if __name__ == "__main__":
    run(globals())
