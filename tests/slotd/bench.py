#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Moving 4,096 slots onto a fourth node: Debian's redis-server against slotd, in one run.

    tests/slotd/bench.py --slotd build/.../slotd --load build/.../load [--only TEXT] [--json FILE]

Each cell is a fresh cluster: three nodes, data, a fourth node; with 8 closed-loop workers or none;
by stock redis-cli (pipeline 10, 100) or, slotd only, by CLUSTER MIGRATESLOTS. redis-server has
appendfsync everysec, slotd --durability batch. A move of a tenth of a second varies: atomic cells
run five times. Prints the cells and whether each goal is met, by the median of a cell's runs. A
cell that fails is shown as failed; the exit status is 0 only when every cell ran.
"""
import argparse
import json
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples/demo"))
from cluster import Cluster, Failed, Load, ranges_text

MOVED_SLOTS = 4096
DATA = {"200k x 100 B": (200000, 100), "20k x 10 KB": (20000, 10240)}
MODES = {"redis": ("pipeline 10", "pipeline 100"),
         "slotd": ("pipeline 10", "pipeline 100", "atomic")}
ATOMIC_RUNS = 5
REST_SECONDS = 3
GAP_GOAL_MS = 10
ATOMIC_GOAL = 50


def cells():
    """All cells, peers next to each other, so that a busy machine hits both."""
    for data in DATA:
        for loaded in (False, True):
            for mode in MODES["slotd"]:
                for system in ("redis", "slotd"):
                    runs = ATOMIC_RUNS if mode == "atomic" else 1
                    for _ in range(runs if mode in MODES[system] else 0):
                        yield {"system": system, "data": data, "loaded": loaded, "mode": mode}


def label(cell):
    return (f"{cell['system']:5} {cell['data']:12} {cell['mode']:12} "
            f"{'loaded' if cell['loaded'] else 'idle'}")


def busy_seconds():
    """Seconds that all processors were busy with anything, or stolen."""
    with open("/proc/stat", encoding="ascii") as file:
        ticks = [int(word) for word in file.readline().split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def measure(cluster, load, cell):
    """Before, during, after."""
    target = cluster.nodes[-1]
    plan = cluster.plan(MOVED_SLOTS, target)
    slots = set().union(*plan.values())
    moving = ranges_text(slots)
    if cell["loaded"]:
        load.phase("warm", moving)
        load.send("run")
        time.sleep(1)
        load.phase("before", moving)
        time.sleep(REST_SECONDS)
    busy = busy_seconds()
    mine = sum(node.cpu_seconds() for node in cluster.nodes)
    if cell["mode"] == "atomic":
        cell["seconds"] = cluster.move(
            plan, target, 120, lambda: load.phase("during", moving))
    else:
        load.phase("during", moving)
        begin = time.monotonic()
        cluster.reshard(MOVED_SLOTS, target, pipeline=int(cell["mode"].split()[1]), seconds=300)
        cell["seconds"] = time.monotonic() - begin
    cell["busy"] = busy_seconds() - busy
    cell["nodes_cpu"] = sum(node.cpu_seconds() for node in cluster.nodes) - mine
    load.phase("after", moving)
    if cell["loaded"]:
        time.sleep(REST_SECONDS)
    cluster.settle()
    owners = cluster.owners()
    here = {slot for slot, node in owners.items() if node is target}
    if len(here) < MOVED_SLOTS - 8 or not here <= slots:
        raise Failed(f"{len(here)} slots moved, not {MOVED_SLOTS}, or other ones")
    cell["slots"] = len(here)
    cell["keys"] = cluster.keys_in(here, owners)
    cell["total"] = load.quit()
    for name in ("before", "during", "after"):
        cell[name] = load.phases.get(name)


def run_cell(cell, options):
    count, size = DATA[cell["data"]]
    server = options.redis if cell["system"] == "redis" else options.slotd
    with Cluster(server, 3, "batch") as cluster:
        load = None
        try:
            cluster.create()
            load = Load(options.load, cluster.nodes[0].port, "--keys", count, "--size", size,
                        "--workers", 8, "--probes", 2, "--seconds", 400, "--quiet")
            load.fill()
            cluster.manage("add-node", cluster.start_node().address, cluster.nodes[0].address)
            cluster.settle()
            time.sleep(1)
            measure(cluster, load, cell)
        except (Failed, OSError) as failure:
            cell["failed"] = str(failure).strip().splitlines()[0]
        finally:
            if load:
                load.end()


def figures(cell):
    """One printed line."""
    if "failed" in cell:
        return f"{label(cell)}  FAILED: {cell['failed']}"
    text = f"{label(cell):42} {cell['seconds']:7.2f} s {cell['keys'] / cell['seconds']:8.0f} keys/s"
    text += f"  cpu {cell['nodes_cpu']:5.1f} of {cell['busy']:5.1f} s"
    if not cell["loaded"]:
        return text
    lines = [text]
    for name in ("before", "during", "after"):
        phase = cell[name]
        times = "  ".join(f"{word} {phase[key] / 1000:.2f}" for word, key in (
            ("p50", "p50_us"), ("p99", "p99_us"), ("p99.9", "p999_us"), ("max", "max_us"),
            ("gap moving", "gap_moving_us"), ("other", "gap_other_us")))
        lines.append(f"      {name:6} {phase['ops'] / phase['seconds']:7.0f}/s  {times} ms"
                     f"  moved {phase['moved']} ask {phase['ask']} tryagain {phase['tryagain']}")
    total = cell["total"]
    wrong = {key: total[key] for key in ("errors", "lost", "stale", "wrong") if total[key]}
    lines.append(f"      answers checked {total['checked']}, {wrong or 'none wrong'}")
    return "\n".join(lines)


def median(done, key, **wanted):
    """Median over the repeats of one cell; None when it did not run."""
    values = [key(cell) for cell in done if "failed" not in cell
              and all(cell[name] == value for name, value in wanted.items())]
    return statistics.median(values) if values else None


def goals(done):
    """(name, measured, met or None = not measured)."""
    seconds = lambda cell: cell["seconds"]
    for data in DATA:
        for loaded in (False, True):
            where = f"{data}, {'load' if loaded else 'no load'}"
            peers = []
            for mode in MODES["redis"]:
                same = {"data": data, "loaded": loaded, "mode": mode}
                redis = median(done, seconds, system="redis", **same)
                slotd = median(done, seconds, system="slotd", **same)
                peers += [redis] if redis else []
                known = redis and slotd
                yield (f"{where}: redis-cli {mode} at least as fast",
                       f"{redis / slotd:.2f} x" if known else "?",
                       redis >= slotd if known else None)
            atomic = median(done, seconds, system="slotd", data=data, loaded=loaded, mode="atomic")
            known = atomic and peers
            yield (f"{where}: atomic >= {ATOMIC_GOAL} x as fast as Redis' best",
                   f"{min(peers) / atomic:.1f} x" if known else "?",
                   min(peers) >= ATOMIC_GOAL * atomic if known else None)
        yield from client_goals(done, data)


def client_goals(done, data):
    """What the client sees during the atomic move."""
    same = {"system": "slotd", "data": data, "loaded": True, "mode": "atomic"}
    gap = median(done, lambda cell: cell["during"]["gap_moving_us"] / 1000, **same)
    yield (f"{data}: write gap on moving slots <= {GAP_GOAL_MS} ms",
           f"{gap:.1f} ms" if gap is not None else "?",
           gap <= GAP_GOAL_MS if gap is not None else None)
    other = median(done, lambda cell: cell["during"]["gap_other_us"] / 1000, **same)
    normal = median(done, lambda cell: max(
        cell[name]["gap_other_us"] for name in ("before", "after")) / 1000, **same)
    yield (f"{data}: write gap on other slots as without a move",
           f"{other:.1f} of {normal:.1f} ms" if other is not None else "?",
           other <= normal if other is not None else None)
    ratio = median(done, lambda cell: cell["during"]["p99_us"] / cell["before"]["p99_us"], **same)
    yield (f"{data}: p99 during <= 2 x before", f"{ratio:.2f} x" if ratio else "?",
           ratio <= 2 if ratio else None)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--slotd", default="build/release/examples/slotd/slotd")
    parser.add_argument("--load", default="build/release/examples/load/load")
    parser.add_argument("--redis", default="/usr/bin/redis-server")
    parser.add_argument("--only", default="", help="cells whose label has this text")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--json", help="write all figures there")
    options = parser.parse_args()
    done = []
    for _ in range(options.repeat):
        for cell in cells():
            if options.only in label(cell):
                run_cell(cell, options)
                done.append(cell)
                print(figures(cell), flush=True)
    print()
    for name, measured, met in goals(done):
        word = {True: "met", False: "NOT MET", None: "not measured"}[met]
        print(f"{name:66} {measured:>14}  {word}")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(done, file, indent=1)
    return 1 if any("failed" in cell for cell in done) else 0


if __name__ == "__main__":
    sys.exit(main())
