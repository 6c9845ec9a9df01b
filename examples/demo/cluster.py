# SPDX-License-Identifier: MIT
"""A cluster of local processes for the demo, the end-to-end tests and the benchmark.

Nodes are slotd or Debian's redis-server; the operator is the stock redis-cli; the client is `load`.
Everything runs on 127.0.0.1, on ports that the system says are free, in one directory that is
removed at the end. Only processes started here are ever ended.
"""
import contextlib
import itertools
import json
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from children import child_start, endings_later

HOST = "127.0.0.1"
SLOTS = 16384


class Failed(Exception):
    """A step did not do what it should."""


def wait_for(condition, what="another process", seconds=60, pause=0.01):
    """Poll, because another process decides when; the limit only ends a broken run. A time in which
    nothing ran here, as a busy host may stop a virtual machine, hardly counts."""
    waited = 0
    last = time.monotonic()
    while waited < seconds:
        result = condition()
        if result:
            return result
        time.sleep(pause)
        now = time.monotonic()
        waited += min(now - last, 1)
        last = now
    raise Failed(f"waited {seconds} s for {what}")


def free_ports(count):
    """Ports whose bus (port + 10000) is free as well; below the range the system gives to others
    by itself, so that nobody takes them before the node does."""
    found = []
    begin = 21000 + os.getpid() * 37 % 1500
    for port in list(range(begin, 22700)) + list(range(21000, begin)):
        try:
            for number in (port, port + 10000):
                with socket.socket() as probe:
                    probe.bind((HOST, number))
        except OSError:
            continue
        found.append(port)
        if len(found) == count:
            return found
    raise Failed("no free ports")


def ranges_text(slots):
    """0-99,200 from numbers."""
    out = []
    for slot in sorted(slots):
        if out and out[-1][1] == slot - 1:
            out[-1][1] = slot
        else:
            out.append([slot, slot])
    return ",".join(f"{a}-{b}" if a != b else f"{a}" for a, b in out)


def ranges_of(words):
    """First and last of the words of CLUSTER NODES (0-99 200), open markers left out."""
    for word in words:
        if not word.startswith("["):
            first, _, last = word.partition("-")
            yield int(first), int(last or first)


def slots_of(words):
    return {slot for first, last in ranges_of(words) for slot in range(first, last + 1)}


def own_words(view):
    """What a node says in CLUSTER NODES of its own slots."""
    own = next(line for line in view.splitlines() if "myself" in line)
    return own.split()[8:]


class Refused(Failed):
    """An error reply."""


def reply_read(file):
    line = file.readline()
    if not line.endswith(b"\r\n"):
        raise OSError("the connection ended")
    kind, rest = line[:1], line[1:-2].decode()
    if kind == b"-":
        raise Refused(rest)
    if kind == b"$" and int(rest) >= 0:
        return file.read(int(rest) + 2)[:-2].decode()
    if kind == b"*":
        return [reply_read(file) for _ in range(int(rest))]
    return int(rest) if kind == b":" else rest


class Link:
    """A connection to a node: asks, and has its answers read later."""

    def __init__(self, port):
        self.socket = socket.create_connection((HOST, port), 5)
        self.socket.settimeout(30)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def send(self, commands):
        self.socket.sendall(self.encoded(commands))

    @staticmethod
    def encoded(commands):
        out = []
        for args in commands:
            words = [str(arg).encode() for arg in args]
            out += [b"*%d\r\n" % len(words)]
            out += [b"$%d\r\n%s\r\n" % (len(word), word) for word in words]
        return b"".join(out)

    def read(self):
        return reply_read(self.file)

    def ask(self, *args):
        self.send([args])
        return self.read()


class Node:
    """One server process; start() again after kill() finds the same data and port."""

    def __init__(self, root, port, command):
        self.port = port
        self.directory = os.path.join(root, str(port))
        self.command = command
        self.process = None
        os.makedirs(self.directory, exist_ok=True)
        try:
            self.start()
        except BaseException:  # nobody else knows of it yet, and it writes into its directory
            if self.process:
                self.kill()
            raise

    @property
    def address(self):
        return f"{HOST}:{self.port}"

    def start(self):
        with open(os.path.join(self.directory, "log"), "ab") as log, endings_later():
            self.process = child_start(self.command, cwd=self.directory, stdout=log, stderr=log,
                                       stdin=subprocess.DEVNULL)
        wait_for(self.answers, f"the node on port {self.port}")

    def answers(self):
        if self.process.poll() is not None:
            raise Failed(f"the node on port {self.port} ended:\n{self.log_tail()}")
        try:
            with socket.create_connection((HOST, self.port), 1) as link:
                link.settimeout(5)
                link.sendall(b"PING\r\n")
                return link.recv(64).startswith(b"+PONG")
        except OSError:
            return False

    def ask(self, *args):
        """One command on a connection of its own."""
        return self.ask_many([args])[0]

    def ask_many(self, commands):
        with Link(self.port) as link:
            link.send(commands)
            return [link.read() for _ in commands]

    def alive(self):
        return self.process.poll() is None

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.alive():
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()

    def log_tail(self, count=15):
        try:
            with open(os.path.join(self.directory, "log"), errors="replace") as file:
                return "".join(file.readlines()[-count:])
        except OSError:
            return ""

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Load:
    """The checking client: commands in, JSON lines out."""

    def __init__(self, program, port, *options, on_live=None):
        self.lines = queue.Queue()
        self.phases = {}
        self.live = {}
        self.on_live = on_live
        self.errors = []
        with endings_later():
            self.process = child_start(
                [program, "--port", str(port), *map(str, options)], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            threading.Thread(target=self.read, daemon=True).start()
            threading.Thread(target=self.read_errors, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            event = json.loads(line)
            if event["kind"] == "live":
                self.live = event
                if self.on_live:
                    self.on_live(event)
            else:
                self.lines.put(event)
        self.lines.put({"kind": "end"})

    def read_errors(self):
        for line in self.process.stderr:
            self.errors.append(line.rstrip())

    def send(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def wait(self, kind, seconds=120):
        end = time.monotonic() + seconds
        while True:
            try:
                event = self.lines.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise Failed(f"the client did not say '{kind}' within {seconds} s") from None
            if event["kind"] == "phase":
                self.phases[event["name"]] = event
            if event["kind"] == kind:
                return event
            if event["kind"] == "end":
                raise Failed("the client ended: " + "; ".join(self.errors[-5:]))

    def fill(self):
        self.send("fill")
        return self.wait("filled")

    def phase(self, name, moving=None):
        """Begin a phase; the figures of the one that ends."""
        self.send(f"phase {name}" + (f" moving {moving}" if moving else ""))
        return self.wait("phase")

    def verify(self):
        self.send("verify")
        return self.wait("verified")

    def rest(self):
        """Verify, and stop working."""
        self.send("rest")
        return self.wait("verified")

    def quit(self):
        """Verify and end: the figures of all phases."""
        self.send("quit")
        total = self.wait("total", 60)
        self.process.wait(10)
        return total

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Cluster:
    """Nodes, and redis-cli to run them."""

    def __init__(self, server, count, durability="batch", options=(), root=None):
        self.server = os.path.abspath(server)
        self.durability = durability
        self.options = list(options)
        self.nodes = []
        self.operators = []
        self.ports = free_ports(count)
        self.root = root or tempfile.mkdtemp(prefix="slotd-cluster-")
        try:
            for _ in range(count):
                self.start_node()
        except BaseException:
            self.close()
            raise

    def command(self, port):
        if os.path.basename(self.server) == "redis-server":
            fsync = {"none": "no", "batch": "everysec", "always": "always"}[self.durability]
            return [self.server, "--port", str(port), "--bind", HOST, "--cluster-enabled", "yes",
                    "--cluster-node-timeout", "5000", "--save", "", "--appendonly", "yes",
                    "--appendfsync", fsync, "--latency-tracking", "no", *self.options]
        return [self.server, "--port", str(port), "--bind", HOST, "--bus-port", str(port + 10000),
                "--dir", "data", "--durability", self.durability, "--secret", "demo",
                *self.options]

    def start_node(self, tries=3):
        """A node that knows nobody yet."""
        if not self.ports:
            self.ports = free_ports(1)
        port = self.ports.pop(0)
        try:
            node = Node(self.root, port, self.command(port))
        except Failed:
            # Somebody took the port in between; what else is wrong shows again on the next one.
            if tries == 0:
                raise
            return self.start_node(tries - 1)
        self.nodes.append(node)
        return node

    def close(self):
        for operator in self.operators:
            if operator.poll() is None:
                operator.kill()
                operator.wait()
        for node in self.nodes:
            if node.alive():
                node.kill()
        shutil.rmtree(self.root, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.close()

    def cli_start(self, *args):
        """redis-cli, running."""
        with endings_later():
            process = child_start(["redis-cli", *map(str, args)], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            self.operators.append(process)
        with contextlib.suppress(BrokenPipeError):  # it may have ended already
            process.stdin.write(b"yes\n" * 4)  # what it asks for although --cluster-yes was said
            process.stdin.flush()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        return process

    def cli_end(self, process, on_text=None, seconds=120):
        """(exit status, output); on_text sees all output so far whenever some arrives."""
        timer = threading.Timer(seconds, process.kill)
        with endings_later():
            timer.start()
        out = b""
        try:
            while chunk := os.read(process.stdout.fileno(), 65536):
                out += chunk
                if on_text:
                    on_text(out.decode(errors="replace"))
            code = process.wait()
        finally:
            timer.cancel()
            if process.poll() is None:
                process.kill()
                process.wait()
            process.stdout.close()
            self.operators.remove(process)
        return code, re.sub(r"\x1b\[[0-9;]*m", "", out.decode(errors="replace"))

    def cli(self, *args, on_text=None, seconds=120):
        """Run redis-cli to its end; its output. Failure is an exception."""
        code, text = self.cli_end(self.cli_start(*args), on_text, seconds)
        if code != 0 or "[ERR]" in text:
            raise Failed(f"redis-cli {' '.join(map(str, args))} (exit {code}):\n" + "\n".join(
                text.strip().splitlines()[-8:]))
        return text

    def manage(self, command, *args, **options):
        """redis-cli --cluster COMMAND."""
        return self.cli("--cluster", command, *args, **options)

    def view(self, node):
        """port -> (name, flags, slots, open markers), as one node sees it."""
        out = {}
        for line in node.ask("CLUSTER", "NODES").splitlines():
            words = line.split()
            port = int(words[1].split("@")[0].rsplit(":", 1)[1])
            markers = [word for word in words[8:] if word.startswith("[")]
            out[port] = (words[0], words[2].split(","), slots_of(words[8:]), markers)
        return out

    def name(self, node):
        return node.ask("CLUSTER", "MYID")

    def slots(self, node):
        """Its own, as it says."""
        return slots_of(own_words(node.ask("CLUSTER", "NODES")))

    def create(self):
        self.manage("create", *[node.address for node in self.nodes], "--cluster-yes")
        self.settle()

    def agreed(self):
        views = []
        for node in self.nodes:
            if node.alive():
                if "cluster_state:ok" not in node.ask("CLUSTER", "INFO"):
                    return False
                views.append({port: (name, slots) for port, (name, _, slots, _)
                              in self.view(node).items()})
        return len(views[0]) == len(views) and all(view == views[0] for view in views)

    def settle(self, seconds=30):
        """Until all nodes see each other and agree on every slot."""
        wait_for(self.agreed, "the nodes to agree", seconds)

    def check(self):
        """redis-cli --cluster check, strictly: covered, agreed, nothing open."""
        text = self.manage("check", self.nodes[0].address)
        for wanted in ("[OK] All nodes agree about slots configuration",
                       "[OK] All 16384 slots covered"):
            if wanted not in text:
                raise Failed(f"check: no '{wanted}':\n{text}")
        for node in self.nodes:
            if node.alive():
                for _, _, _, markers in self.view(node).values():
                    if markers:
                        raise Failed(f"slots left open on port {node.port}: {markers}")
        return text

    def owners(self):
        """slot -> node, as the first living node sees it."""
        by_port = {node.port: node for node in self.nodes}
        view = self.view(next(node for node in self.nodes if node.alive()))
        return {slot: by_port[port] for port, (_, _, slots, _) in view.items() for slot in slots}

    def keys_in(self, slots, owners):
        """Keys in these slots, counted where they are."""
        total = 0
        for node in set(owners[slot] for slot in slots):
            mine = [slot for slot in slots if owners[slot] is node]
            total += sum(node.ask_many([("CLUSTER", "COUNTKEYSINSLOT", slot) for slot in mine]))
        return total

    def key_count(self):
        return sum(node.ask("DBSIZE")
                   for node in self.nodes if node.alive())

    def plan(self, count, target):
        """What redis-cli would move to `target` from all others: node -> slots, lowest first."""
        owners = {node: sorted(self.slots(node)) for node in self.nodes if node is not target}
        sources = sorted((node for node in owners if owners[node]),
                         key=lambda node: -len(owners[node]))
        total = sum(len(owners[node]) for node in sources)
        out = {}
        for index, node in enumerate(sources):
            exact = count * len(owners[node]) / total
            size = int(-(-exact // 1)) if index == 0 else int(exact)
            out[node] = owners[node][:size]
        return out

    def reshard(self, count, target, source="all", pipeline=10, **options):
        """Key by key, by stock redis-cli."""
        return self.manage(
            "reshard", self.nodes[0].address, "--cluster-from",
            source if isinstance(source, str) else self.name(source), "--cluster-to",
            self.name(target), "--cluster-slots", count, "--cluster-pipeline", pipeline,
            "--cluster-yes", **options)

    def reshard_progress(self):
        """CLUSTER RESHARD PROGRESS: its fields, open migrations as the words of "migrations"."""
        out = {"migrations": []}
        for line in self.nodes[0].ask("CLUSTER", "RESHARD", "PROGRESS").split("\r\n"):
            name, _, value = line.partition(":")
            if name == "migration":
                out["migrations"].append(dict(word.split("=") for word in value.split()[1:]))
            elif name:
                out[name] = value
        return out

    def reshard_plan(self, *words, seconds=60):
        """CLUSTER RESHARD, atomically, to its end."""
        self.nodes[0].ask("CLUSTER", "RESHARD", *words)
        wait_for(lambda: self.reshard_progress()["plan"] != "running", "the plan", seconds)
        progress = self.reshard_progress()
        if progress["slots_done"] != progress["slots"]:
            raise Failed(f"the plan ended with {progress}")

    def migrations(self, node):
        """CLUSTER GETSLOTMIGRATIONS as dictionaries, newest first."""
        jobs = node.ask("CLUSTER", "GETSLOTMIGRATIONS")
        return [dict(zip(job[::2], job[1::2])) for job in jobs]

    def move_start(self, moves, target, on_begin=None):
        """CLUSTER MIGRATESLOTS on each source at once; returns what moved() needs. All that takes
        time is done before on_begin."""
        name = self.name(target)
        with contextlib.ExitStack() as stack:
            links = []
            for node, slots in moves.items():
                args = []
                for part in ranges_text(slots).split(","):
                    first, _, last = part.partition("-")
                    args += [first, last or first]
                command = ("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", *args, "NODE", name)
                links.append((stack.enter_context(Link(node.port)), Link.encoded([command])))
            if on_begin:
                on_begin()
            for link, command in links:
                link.socket.sendall(command)
            for link, _ in links:
                link.read()
        return moves

    def move_states(self, moves):
        """State of the newest migration of each source."""
        return [job["state"] for node in moves for job in self.migrations(node)[:1]]

    def moved(self, moves, target):
        owned = self.slots(target)
        return all(owned.issuperset(slots) for slots in moves.values())

    def move_check(self, moves):
        """Failure, if one of them ended so."""
        for state in self.move_states(moves):
            if state.startswith(("fail", "cancel")):
                raise Failed(f"an atomic migration ended as {state}")

    def move(self, moves, target, seconds=60, on_begin=None):
        """Atomically; then waits for what comes after it. Returns the seconds from on_begin until
        the target said that it owns all of the slots."""
        polls = itertools.count(1)
        begin = 0.0
        wanted = len(self.slots(target).union(*moves.values()))

        def arrived():
            """Asks the target alone, seldom, and little: it takes processor from the move."""
            if next(polls) % 50 == 0:
                self.move_check(moves)
            words = own_words(link.ask("CLUSTER", "NODES"))
            return wanted <= sum(last - first + 1 for first, last in ranges_of(words))

        def begun():
            nonlocal begin
            if on_begin:
                on_begin()
            begin = time.monotonic()
        with Link(target.port) as link:
            self.move_start(moves, target, begun)
            wait_for(arrived, "the atomic migration", seconds, 0.003)
            took = time.monotonic() - begin
        self.move_settled(moves, target, seconds)
        return took

    def move_settled(self, moves, target, seconds=60):
        """Wait until no migration is under way: all of the slots moved, or none; True = all."""
        def ended():
            states = self.move_states(moves)
            return states and all(
                state.startswith(("success", "fail", "cancel")) for state in states)
        wait_for(ended, "the migration to end by itself", seconds)
        owned = self.slots(target)
        for slots in moves.values():
            if owned & set(slots) and not owned >= set(slots):
                raise Failed("a part of an atomic migration moved")
        return all(owned >= set(slots) for slots in moves.values())
