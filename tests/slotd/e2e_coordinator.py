#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""While the coordinator's process is down requests are served as before, and only changes wait:
with nothing open, with a slot open key by key, and in the middle of an atomic migration. When it is
back what waited is done, and what was open goes on."""
import contextlib

from e2e import (LOAD, SLOTD, Cluster, Failed, Load, no_orphans, right, run, wait_for,
                 worked)
from shards import TAGS, filled, link_to

KEYS = 3000


@contextlib.contextmanager
def coordinated():
    """The coordinator's node owns no slots: its end takes none away."""
    with Cluster(SLOTD, 4) as cluster:
        cluster.create()
        coordinator = cluster.nodes[0]
        cluster.reshard_plan("DRAIN", "FROM", cluster.name(coordinator))
        cluster.settle()
        load = Load(LOAD, cluster.nodes[1].port, "--keys", KEYS, "--counters", 50, "--workers", 4,
                    "--probes", 2, "--seconds", 280, "--quiet")
        try:
            load.fill()
            load.send("run")
            worked(load)
            yield cluster, coordinator, load
            worked(load)
            cluster.settle()
            cluster.check()
            right(load.quit())
            no_orphans(cluster, KEYS)
        except BaseException:
            for node in cluster.nodes:
                print(f"--- node {node.port}\n{node.log_tail(20)}")
            print("\n".join(load.errors[:20]))
            raise
        finally:
            load.end()


def served(cluster, load):
    """Clients notice nothing; who looks sees the cluster."""
    worked(load)
    for node in cluster.nodes[1:]:
        assert "cluster_state:ok" in node.ask("CLUSTER", "INFO")
        assert len(node.ask("CLUSTER", "NODES").splitlines()) == 4


def waits(link):
    """No answer has come."""
    link.socket.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        raise Failed(f"answered: {link.socket.recv(100)}")
    link.socket.settimeout(60)


def test_requests_are_served_and_changes_wait():
    with coordinated() as (cluster, coordinator, load):
        _, source, target, other = cluster.nodes
        slots = sorted(cluster.slots(source))[:50]
        coordinator.kill()
        served(cluster, load)
        moves, bumps = link_to(source), link_to(other)
        moves.send("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slots[0], slots[-1], "NODE",
                   cluster.name(target))
        bumps.send("CLUSTER", "SETSLOT", sorted(cluster.slots(other))[0], "MIGRATING",
                   cluster.name(target))
        served(cluster, load)
        waits(moves)
        waits(bumps)
        coordinator.start()
        assert moves.read() == bumps.read() == "OK"
        wait_for(lambda: set(slots) <= cluster.slots(target), "the move")
        slot = sorted(cluster.slots(other))[0]
        assert other.ask("CLUSTER", "SETSLOT", slot, "STABLE") == "OK"


def test_keys_go_on_one_by_one():
    """What is open stays open: keys move, and ASK leads to them."""
    with coordinated() as (cluster, coordinator, load):
        _, source, target, _ = cluster.nodes
        slot = sorted(cluster.slots(source))[0]
        names = [f"{{{TAGS[slot]}}}{number}" for number in range(6)]
        links = link_to(source), link_to(target)
        for name in names:
            assert links[0]("SET", name, name) == "OK"
        assert target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", cluster.name(source)) == "OK"
        assert source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", cluster.name(target)) == "OK"
        assert links[0]("MIGRATE", "127.0.0.1", target.port, names[0], 0, 9000) == "OK"
        # It was answered before the slot was open; who counts waits until the key has gone.
        assert links[0]("CLUSTER", "COUNTKEYSINSLOT", slot) == len(names) - 1
        coordinator.kill()
        served(cluster, load)
        assert links[0]("MIGRATE", "127.0.0.1", target.port, names[1], 0, 9000) == "OK"
        for name in names:
            reply = links[0]("GET", name)
            if name in names[:2]:
                assert reply.startswith("ASK"), reply
                assert links[1]("ASKING") == "OK" and links[1]("GET", name) == name.encode()
            else:
                assert reply == name.encode()
        assert links[0]("SET", names[2], "new") == "OK"
        assert links[0]("MIGRATE", "127.0.0.1", target.port, "", 0, 9000, "KEYS",
                        *names[2:]) == "OK"
        link = link_to(target)
        link.send("CLUSTER", "SETSLOT", slot, "NODE", cluster.name(target))
        served(cluster, load)
        waits(link)
        coordinator.start()
        reply = link.read()
        assert reply == "OK", reply
        assert source.ask("CLUSTER", "SETSLOT", slot, "NODE", cluster.name(target)) == "OK"
        wait_for(lambda: slot in cluster.slots(target), "the slot")
        assert [links[1]("GET", name) for name in names] == [
            b"new" if name == names[2] else name.encode() for name in names]
        assert links[1]("DEL", *names) == len(names)


def frozen_so_far(coordinator):
    return coordinator.log_tail(1000000).count("to=FREEZE")


def test_an_atomic_migration_waits_and_ends():
    with coordinated() as (cluster, coordinator, load):
        _, source, target, _ = cluster.nodes
        slots = sorted(cluster.slots(source))[:3000]
        filled(source, slots, "x" * 10000)
        frozen = frozen_so_far(coordinator)
        moves = cluster.move_start({source: slots}, target)
        wait_for(lambda: [m["phase"] for m in cluster.reshard_progress()["migrations"]] !=
                 ["PREPARE"], "the copy", pause=0.001)
        coordinator.kill()
        if frozen_so_far(coordinator) == frozen:  # else its writes wait, as they should
            served(cluster, load)
            assert set(slots) <= cluster.slots(source), "it flipped without the coordinator"
        coordinator.start()
        assert cluster.move_settled(moves, target)
        link = link_to(target)
        for slot in slots:
            link.send("DEL", "{%s}" % TAGS[slot])
        assert sum(link.read() for _ in slots) == len(slots)


if __name__ == "__main__":
    run(globals())
