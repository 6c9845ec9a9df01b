#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The demo's steps: a cluster is made, loaded, grown, moved about, shrunk and shot at, while a
client checks every answer. Each step is one function in STEPS; its row has the client's figures of
exactly that time, and then all keys are read once. A step that fails ends the run with its reason.
"""
import argparse
import signal
import sys
import time

from children import ENDINGS
from cluster import Cluster, Failed, Load, SLOTS, ranges_text

STEPS = []
UNFINISHED = 3  # tries to catch a migration in its middle


def step(title, load=True):
    """Register a step; `load`: the client works meanwhile and the keys are verified after it."""
    def register(function):
        STEPS.append((title, function, load))
        return function
    return register


class Demo:
    """What the steps share."""

    def __init__(self, options):
        self.options = options
        self.cluster = None
        self.load = None
        self.rows = []
        self.title = ""
        self.begin = 0.0
        self.done = self.goal = 0
        self.tty = sys.stdout.isatty()

    def live(self, event=None):
        """One line that is written over: what runs, how far, how the client fares."""
        if not self.tty:
            return
        parts = [f"{self.title:32}", f"{time.monotonic() - self.begin:5.1f} s"]
        if self.goal:
            parts.append(f"{self.done}/{self.goal} slots ({100 * self.done // self.goal} %)")
        if event and event["ops_s"]:
            parts.append(f"client {event['ops_s']:.0f}/s, longest {event['longest_us'] / 1000:.1f}"
                         f" ms, errors {event['errors']}, lost {event['lost']},"
                         f" wrong {event['wrong']}")
        sys.stdout.write("\r\x1b[K" + "  ".join(parts))
        sys.stdout.flush()

    def say(self, text):
        sys.stdout.write(("\r\x1b[K" if self.tty else "") + text + "\n")
        sys.stdout.flush()

    def slots_seen(self, mark):
        """Progress from redis-cli's output: how often the mark is in it."""
        def on_text(text):
            self.done = text.count(mark)
            self.live(self.load.live)
        return on_text

    def moving(self, slots):
        """Tell the client which slots move now, so that it can tell them from the others."""
        self.goal = len(slots)
        self.load.phase("moving", ranges_text(slots))

    def run_step(self, title, function, load):
        self.title, self.begin = title, time.monotonic()
        self.done = self.goal = 0
        before = self.cluster.owners() if load else {}
        if load:
            self.load.phase("moving")
        row = {"title": title, "seconds": 0.0, "slots": 0, "keys": 0, "client": None}
        self.rows.append(row)
        self.live()
        begin = time.monotonic()
        try:
            row.update(function(self) or {})
            if "took" in row:
                row["seconds"] = row["took"]
            else:
                row["seconds"] = time.monotonic() - begin
        except Failed as failure:
            row["seconds"] = time.monotonic() - begin
            row["failed"] = str(failure)
        if load:
            row["client"] = self.load.phase("between")
            self.count_moved(row, before)
            self.load.verify()
            found = self.load.phase("between")
            for name in ("lost", "stale", "wrong"):
                row["client"][name] += found[name]
        self.say(("FAILED  " if "failed" in row else "done    ") +
                 f"{title:32} {row['seconds']:7.2f} s" +
                 (f"  {row['slots']} slots, {row['keys']} keys" if row["slots"] else ""))
        if "failed" in row:
            raise Failed(f"{title}: {row['failed']}")

    def count_moved(self, row, before):
        try:
            after = self.cluster.owners()
            moved = [slot for slot in before if slot in after
                     and before[slot] is not after[slot]]
            row["slots"] = len(moved)
            row["keys"] = self.cluster.keys_in(moved, after) if moved else 0
        except (Failed, OSError):
            if "failed" not in row:
                raise

    def run(self):
        options = self.options
        self.cluster = Cluster(options.server, 3, options.durability)
        for title, function, load in STEPS:
            if function.__name__ in options.skip:
                self.say(f"SKIPPED {title}")
            else:
                self.run_step(title, function, load)

    def close(self):
        if self.load:
            self.load.end()
        if self.cluster:
            self.cluster.close()


@step("create, 3 nodes", load=False)
def create(demo):
    demo.cluster.create()


@step("load the keys", load=False)
def fill(demo):
    options = demo.options
    demo.load = Load(options.load, demo.cluster.nodes[0].port, "--keys", options.keys,
                     "--counters", max(1, options.keys // 100), "--workers", 8, "--probes", 2,
                     "--seconds", 900, on_live=demo.live)
    demo.load.fill()
    demo.load.send("run")
    return {"keys": options.keys}


@step("nothing moves, 3 s")
def rest(demo):
    time.sleep(3)


@step("add-node")
def add_node(demo):
    cluster = demo.cluster
    node = cluster.start_node()
    cluster.manage("add-node", node.address, cluster.nodes[0].address)
    cluster.settle()


@step("check")
def check(demo):
    demo.cluster.check()


def third(demo):
    """A third of what the new node needs for an even share."""
    return SLOTS // len(demo.cluster.nodes) // 3


@step("reshard, key by key")
def reshard(demo):
    cluster = demo.cluster
    plan = cluster.plan(third(demo), cluster.nodes[-1])
    demo.moving(set().union(*plan.values()))
    begin = time.monotonic()
    cluster.reshard(third(demo), cluster.nodes[-1], on_text=demo.slots_seen(" from 127.0.0.1:"),
                    seconds=300)
    return {"took": time.monotonic() - begin}


@step("migrate, atomically")
def migrate(demo):
    cluster = demo.cluster
    plan = cluster.plan(third(demo), cluster.nodes[-1])
    demo.moving(set().union(*plan.values()))
    return {"took": cluster.move(plan, cluster.nodes[-1])}


@step("rebalance")
def rebalance(demo):
    cluster = demo.cluster
    cluster.settle()
    cluster.manage("rebalance", cluster.nodes[0].address, on_text=demo.slots_seen("#"),
                   seconds=300)


@step("drain and del-node")
def drain(demo):
    cluster = demo.cluster
    leaver = cluster.nodes[-1]
    cluster.settle()
    demo.moving(cluster.slots(leaver))
    begin = time.monotonic()
    cluster.reshard_plan("DRAIN", "FROM", cluster.name(leaver))
    took = time.monotonic() - begin
    cluster.settle()
    demo.load.verify()  # a client that asked a node after it left would hear CLUSTERDOWN
    cluster.manage("del-node", cluster.nodes[0].address, cluster.name(leaver))
    cluster.nodes.remove(leaver)
    leaver.stop()
    cluster.settle()
    return {"took": took}


@step("kill -9 in mid-migration, restart")
def kill(demo):
    cluster = demo.cluster
    for attempt in range(UNFINISHED):
        source, target = cluster.nodes[1 - attempt % 2], cluster.nodes[attempt % 2]
        slots = sorted(cluster.slots(source))[:2048]
        demo.moving(set(slots))
        job = cluster.move_start({source: slots}, target)
        source.kill()
        caught = not set(slots) <= cluster.slots(target)
        source.start()
        cluster.move_settled(job, target)
        cluster.settle()
        if caught:
            return
    raise Failed(f"{UNFINISHED} migrations had ended before the kill came")


@step("check again")
def check_again(demo):
    demo.cluster.check()


def table(rows):
    """All rows as text."""
    head = ("step", "s", "slots", "keys", "keys/s", "pause ms", "p50 ms", "p99 ms", "p99.9 ms",
            "max ms", "redirects", "cut", "errors", "lost", "wrong")
    lines = [head]
    for row in rows:
        client = row["client"]
        speed = row["keys"] / row["seconds"] if row["keys"] and row["seconds"] else 0
        line = [("FAILED " if "failed" in row else "") + row["title"], f"{row['seconds']:.2f}",
                row["slots"] or "", row["keys"] or "", f"{speed:.0f}" if speed else ""]
        if client:
            pause = max(client["gap_moving_us"], client["gap_other_us"])
            line += [f"{value / 1000:.2f}" for value in (
                pause, client["p50_us"], client["p99_us"], client["p999_us"], client["max_us"])]
            line += [client["moved"] + client["ask"] + client["tryagain"], client["drops"],
                     client["errors"], client["lost"], client["stale"] + client["wrong"]]
        lines.append(tuple(map(str, line + [""] * (len(head) - len(line)))))
    widths = [max(len(line[at]) for line in lines) for at in range(len(head))]
    return "\n".join("  ".join(
        cell.ljust(width) if at == 0 else cell.rjust(width)
        for at, (cell, width) in enumerate(zip(line, widths))).rstrip() for line in lines)


def verdict(demo, total):
    """Nothing may be wrong; connections are cut only where a node was killed."""
    bad = {name: total[name] for name in ("errors", "lost", "stale", "wrong") if total[name]}
    answers = total["checked"]
    demo.say(f"\n{answers} answers checked, " + (
        ", ".join(f"{count} {name}" for name, count in bad.items()) or
        "no error, no key lost, no wrong answer"))
    if total["first_error"]:
        demo.say(f"first error: {total['first_error']}")
    for line in demo.load.errors[:10]:
        demo.say(line)
    return not bad


def interrupt(number, frame):
    for each in ENDINGS:
        signal.signal(each, signal.SIG_IGN)  # once: cleaning up is not to be interrupted
    raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser(description="A live cluster, resharded under load.")
    parser.add_argument("--server", default="build/demo/examples/slotd/slotd")
    parser.add_argument("--load", default="build/demo/examples/load/load")
    parser.add_argument("--keys", type=int, default=100000)
    parser.add_argument("--durability", default="batch", choices=("none", "batch", "always"))
    parser.add_argument("--skip", action="append", default=[], choices=("migrate", "kill"),
                        help="leave out a step, for servers that cannot do it")
    demo = Demo(parser.parse_args())
    for number in ENDINGS:
        signal.signal(number, interrupt)
    begin = time.monotonic()
    good = True
    try:
        try:
            demo.run()
        except (Failed, OSError) as failure:
            good = False
            demo.say(f"\nFAILED: {failure}")
        total = demo.load.quit() if demo.load and good else None
        demo.say("\n" + table(demo.rows))
        if total:
            good = verdict(demo, total)
        demo.say("cut: connections that ended under a request, as a killed node's do")
        demo.say(f"{time.monotonic() - begin:.0f} s in all")
    except KeyboardInterrupt:
        demo.say("\nstopped; cleaning up")
        good = False
    finally:
        demo.close()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
