# SPDX-License-Identifier: MIT
"""A cluster whose bus can be cut: every node is reached through a forwarder of this process, which
knows who dialled by the first frame. While a node is cut off nothing passes to it or from it, and
no connection ends: it cannot tell that from silence. What was held back passes later."""
import asyncio
import os
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples/demo"))
from cluster import HOST, Cluster, Failed  # noqa: E402

HELLO_HEAD = 21  # frame's size 4, kind 1; magic 8, node 8


def free_port():
    """Below the range that the system gives to others by itself."""
    begin = 23000 + os.getpid() * 37 % 1500
    for port in list(range(begin, 24700)) + list(range(23000, begin)):
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
                return port
            except OSError:
                continue
    raise Failed("no free port")


class Wire:
    """Forwarders, in a thread of their own."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.links = []

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def forward(self, port, bus_port):
        async def begin():
            await asyncio.start_server(
                lambda reader, writer: self.link(port, bus_port, reader, writer), HOST, port)
        self.call(begin())

    async def link(self, port, bus_port, reader, writer):
        passes = asyncio.Event()
        passes.set()
        try:
            head = await reader.readexactly(HELLO_HEAD)
            link = (port, int.from_bytes(head[13:21], "little"), passes)
            self.links.append(link)
            there = await asyncio.open_connection(HOST, bus_port)
        except (OSError, asyncio.IncompleteReadError):
            writer.close()
            return
        there[1].write(head)
        await asyncio.gather(
            self.pump(reader, there[1], passes), self.pump(there[0], writer, passes))

    @staticmethod
    async def pump(reader, writer, passes):
        try:
            while data := await reader.read(65536):
                await passes.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.close()

    def cut(self, port, node, off):
        """The node that is reached at a port, and dials under its number."""
        async def change():
            for link_port, dialler, passes in self.links:
                if link_port == port or dialler == node:
                    (passes.clear if off else passes.set)()
        self.call(change())


class CutCluster(Cluster):
    """The forwarder has the port where a node's bus is looked for."""

    def __init__(self, *args, **options):
        self.wire = Wire()
        super().__init__(*args, **options)

    def command(self, port):
        words = super().command(port)
        bus_port = free_port()
        words[words.index("--bus-port") + 1] = str(bus_port)
        self.wire.forward(port + 10000, bus_port)
        return [*words, "--cluster-announce-bus-port", str(port + 10000)]
