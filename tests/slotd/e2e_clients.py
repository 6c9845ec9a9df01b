#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Stock cluster clients work, and check what they are answered, while slots move in both modes and
both directions: no error, no wrong answer.

    e2e_clients.py [NODE_MODULES]    python3-redis; with a directory, the npm clients too
"""
import contextlib
import json
import os
import subprocess
import sys

from e2e import CONTROL, SLOTD, Cluster, Failed, no_orphans, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))
NPM_CLIENTS = ("ioredis", "redis", "iovalkey", "glide")
OPS_BETWEEN = 300


class Client:
    """One client process; it works until end()."""

    def __init__(self, name, command):
        self.name = name
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        first = self.process.stdout.readline()
        if "started" not in first:
            raise Failed(f"{name}: {first}{self.process.stderr.read()}")

    def so_far(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        for line in self.process.stdout:  # glide logs there, too
            if line.startswith("{"):
                return json.loads(line)
        raise Failed(f"{self.name} ended: {self.process.stderr.read()}")

    def work(self):
        """Let it do so much, whatever time that takes."""
        begin = self.so_far()["ops"]

        def worked():
            result = self.so_far()
            return result["ops"] - begin >= OPS_BETWEEN or result["errors"] or result["wrong"]
        wait_for(worked, f"the work of {self.name}", 60)

    def end(self):
        out, error = self.process.communicate(timeout=60)
        lines = out.strip().splitlines()
        if not lines:
            raise Failed(f"{self.name} ended without a word: {error}")
        return json.loads(lines[-1])

    def close(self):
        self.process.kill()
        self.process.wait()


def commands(port, modules):
    yield "python3-redis", [sys.executable, HERE + "/clients/check.py", str(port)]
    for name in NPM_CLIENTS if modules else ():
        yield name, ["node", HERE + "/clients/check.mjs", modules, name, str(port)]


def move_about(cluster, clients):
    """Both modes, both directions; the atomic one takes most slots with it. Every client has met
    the owners before the next move."""
    a, b, _ = cluster.nodes
    for source, target in ((a, b), (b, a)):
        for atomic in (False,) if CONTROL else (False, True):
            for client in clients:
                client.work()
            if atomic:
                cluster.move({source: sorted(cluster.slots(source))[-3000:]}, target)
            else:
                cluster.reshard(100, target, source)
    for client in clients:
        client.work()


def main():
    modules = sys.argv[1] if len(sys.argv) > 1 else None
    with Cluster(SLOTD, 3) as cluster:
        cluster.create()
        with contextlib.ExitStack() as ends:
            clients = [ends.enter_context(contextlib.closing(Client(*each)))
                       for each in commands(cluster.nodes[1].port, modules)]
            move_about(cluster, clients)
            results = [client.end() for client in clients]
        for result in results:
            print(result)
        bad = [result["client"] for result in results
               if result["errors"] or result["wrong"] or not result["ops"]]
        assert not bad, bad
        cluster.settle()
        cluster.check()
        no_orphans(cluster, 1000000)


if __name__ == "__main__":
    main()
