#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Stock cluster clients work, and check what they are answered, while slots move in both modes and
both directions: no error, no wrong answer.

    e2e_clients.py [NODE_MODULES]    python3-redis; with a directory, the npm clients too
"""
import json
import os
import subprocess
import sys
import time

from e2e import CONTROL, SLOTD, Cluster, Failed, no_orphans

HERE = os.path.dirname(os.path.abspath(__file__))
NPM_CLIENTS = ("ioredis", "redis", "iovalkey", "glide")


class Client:
    """One client process; it works until end()."""

    def __init__(self, name, command):
        self.name = name
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        first = self.process.stdout.readline()
        if "started" not in first:
            raise Failed(f"{name}: {first}{self.process.stderr.read()}")

    def end(self):
        out, error = self.process.communicate(timeout=60)
        lines = out.strip().splitlines()
        if not lines:
            raise Failed(f"{self.name} ended without a word: {error}")
        return json.loads(lines[-1])


def commands(port, modules):
    yield "python3-redis", [sys.executable, HERE + "/clients/check.py", str(port)]
    for name in NPM_CLIENTS if modules else ():
        yield name, ["node", HERE + "/clients/check.mjs", modules, name, str(port)]


def move_about(cluster):
    """Both modes, both directions; the atomic one takes most slots with it."""
    a, b, _ = cluster.nodes
    for source, target in ((a, b), (b, a)):
        cluster.reshard(100, target, source)
        if not CONTROL:
            cluster.move({source: sorted(cluster.slots(source))[-3000:]}, target)
            time.sleep(0.3)  # let every client meet the new owner


def main():
    modules = sys.argv[1] if len(sys.argv) > 1 else None
    with Cluster(SLOTD, 3) as cluster:
        cluster.create()
        clients = [Client(*each) for each in commands(cluster.nodes[1].port, modules)]
        time.sleep(0.5)
        move_about(cluster)
        results = [client.end() for client in clients]
        for result in results:
            print(result)
        bad = [result["client"] for result in results
               if result["errors"] or result["wrong"] or result["ops"] < 500]
        assert not bad, bad
        cluster.settle()
        cluster.check()
        no_orphans(cluster, 1000000)


if __name__ == "__main__":
    main()
