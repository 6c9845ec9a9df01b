# SPDX-License-Identifier: MIT
"""Starts slotd and a real redis-server for comparison; speaks RESP without interpreting it.

No test depends on a port: slotd chooses its own and writes it to a file; redis-server listens on a
unix socket and takes a cluster port that was free a moment ago, again if that has gone.
"""
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples/demo"))
from cluster import wait_for  # noqa: E402, F401 (for the tests, too)

SLOTD = os.environ.get("SLOTD", "build/examples/slotd/slotd")


class Error(str):
    """An error reply."""


class Status(str):
    """A simple string."""


class Connection:
    """One connection; replies are told apart by type, as the wire does."""

    def __init__(self, address):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(60)
        self.socket.connect(address)
        self.file = self.socket.makefile("rb")

    def send(self, *args):
        out = [b"*%d\r\n" % len(args)]
        for arg in args:
            data = arg if isinstance(arg, bytes) else str(arg).encode()
            out.append(b"$%d\r\n%s\r\n" % (len(data), data))
        self.socket.sendall(b"".join(out))

    def read(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return Status(rest.decode())
        if kind == b"-":
            return Error(rest.decode("utf-8", "replace"))
        if kind == b":":
            return int(rest)
        if kind in b"$=":
            size = int(rest)
            return None if size < 0 else self.file.read(size + 2)[:-2]
        if kind == b"_":
            return None
        if kind == b"*":
            return None if int(rest) < 0 else [self.read() for _ in range(int(rest))]
        if kind == b"~":
            return {"set": [self.read() for _ in range(int(rest))]}
        if kind == b"%":
            return {"map": [(self.read(), self.read()) for _ in range(int(rest))]}
        raise AssertionError(f"unknown reply {line!r}")

    def __call__(self, *args):
        self.send(*args)
        return self.read()

    def close(self):
        self.file.close()
        self.socket.close()


class Slotd:
    """One slotd process in a directory of its own."""

    def __init__(self, *options, slots=True, environment=None):
        self.root = tempfile.mkdtemp(prefix="slotd-")
        self.options = options
        self.environment = environment
        self.process = None
        self.start()
        if slots:
            assert self.connect()("CLUSTER", "ADDSLOTSRANGE", 0, 16383) == "OK"

    def start(self, *more, environment=None):
        ports = os.path.join(self.root, "ports")
        if os.path.exists(ports):
            os.remove(ports)
        self.log = open(os.path.join(self.root, "log"), "ab")
        self.process = subprocess.Popen(
            [SLOTD, "--port", "0", "--bus-port", "0", "--metrics-port", "0",
             "--dir", self.root + "/data", "--port-file", ports, *self.options, *more],
            stderr=self.log, env={**os.environ, **(environment or self.environment or {})})
        wait_for(lambda: os.path.exists(ports) or self.process.poll() is not None)
        assert self.process.poll() is None, self.log_text()
        self.ports = dict(line.strip().split("=") for line in open(ports))
        self.port = int(self.ports["port"])

    def connect(self):
        return Connection(("127.0.0.1", self.port))

    def log_text(self):
        return open(os.path.join(self.root, "log")).read()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0, self.log_text()

    def remove(self):
        if self.process.poll() is None:
            self.kill()
        self.log.close()
        shutil.rmtree(self.root)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        if failure[0] is not None:
            print(self.log_text())
        self.remove()


class Redis:
    """The real server, as a cluster of one."""

    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="oracle-")
        self.path = self.root + "/socket"
        for _ in range(20):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            self.process = subprocess.Popen(
                ["redis-server", "--port", str(port), "--cluster-port", str(port - 10000),
                 "--unixsocket", self.path, "--cluster-enabled", "yes", "--dir", self.root,
                 "--save", "", "--bind", "127.0.0.1", "--enable-debug-command", "yes"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            wait_for(lambda: self.listens() or self.process.poll() is not None)
            if self.process.poll() is None:
                break
        connection = self.connect()
        assert connection("CLUSTER", "ADDSLOTSRANGE", 0, 16383) == "OK"
        wait_for(lambda: b"cluster_state:ok" in connection("CLUSTER", "INFO"))

    def listens(self):
        """The socket's file is there a moment before anybody listens on it."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(self.path) == 0

    def connect(self):
        return Connection(self.path)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.root)


def run(tests):
    """Run functions named test_*; the first failure ends with a trace."""
    for name, function in list(tests.items()):
        if name.startswith("test_") and callable(function):
            begin = time.monotonic()
            function()
            print(f"ok {name} {time.monotonic() - begin:.2f}s", flush=True)
