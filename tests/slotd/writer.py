# SPDX-License-Identifier: MIT
"""One client of the end-to-end tests that outlives fail-overs and restarts of nodes."""
import random
import threading
import time

from cluster import Failed
from harness import Connection, Error

KEYS = 300


class Writer(threading.Thread):
    """Writes numbers that only grow, key by key, wherever the cluster says; knows what was
    acknowledged and what may have been done."""

    def __init__(self, cluster, source, before=None):
        super().__init__(daemon=True)
        self.cluster = cluster
        self.source = source
        self.acknowledged = before.acknowledged if before else [0] * KEYS
        self.tried = before.tried if before else [0] * KEYS
        self.links = {}
        self.owners = {}
        self.stopped = False
        self.failure = None
        self.done = 0

    def link(self, port):
        if port not in self.links:
            self.links[port] = Connection(("127.0.0.1", port))
            self.links[port].socket.settimeout(10)
        return self.links[port]

    def ask(self, key, *args):
        """A request, where redirects lead; connections that end are made again elsewhere."""
        port = self.owners.get(key)
        asking, reply = False, None
        end = time.monotonic() + 120  # by then a node is back, or has its heir
        while time.monotonic() < end:
            port = port or random.choice(self.cluster.nodes).port
            try:
                if asking:
                    self.link(port)("ASKING")
                reply = self.link(port)(*args)
            except OSError:
                self.links.pop(port, None)
                port, asking = None, False
                time.sleep(0.01)
                continue
            if not isinstance(reply, Error):
                if not asking:
                    self.owners[key] = port
                return reply
            word = reply.split()[0]
            if word not in ("MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN"):
                raise Failed(reply)
            asking = word == "ASK"
            port = int(reply.rsplit(":", 1)[1]) if word in ("MOVED", "ASK") else None
            time.sleep(0.002)
        raise Failed(f"{args}: too many redirects, at last {reply}")

    def run(self):
        number = max(self.tried)
        try:
            while not self.stopped:
                number += 1
                key = self.source.randrange(KEYS)
                self.tried[key] = number
                assert self.ask(key, "SET", f"key:{key}", number) == "OK"
                self.acknowledged[key] = number
                self.done += 1
        except BaseException as failure:  # told by the main thread
            self.failure = failure

    def stop(self):
        self.stopped = True
        self.join(60)
        if self.failure:
            raise self.failure
        assert not self.is_alive(), "the writer hangs"

    def judge(self, floor, spared=lambda slot: False):
        """Read every key: at least what `floor` says, nothing that was never written. Returns how
        many are older than what was acknowledged; that is what counts from then on."""
        older = 0
        for key in range(KEYS):
            name = f"key:{key}"
            value = int(self.ask(key, "GET", name) or 0)
            least = 0 if spared(self.ask(key, "CLUSTER", "KEYSLOT", name)) else floor[key]
            assert least <= value <= self.tried[key], (
                f"{name} is {value}, acknowledged {self.acknowledged[key]}, floor {floor[key]}")
            older += value < self.acknowledged[key]
            self.acknowledged[key] = value
        return older

    def end(self):
        self.stop()
        assert self.judge(self.acknowledged) == 0
