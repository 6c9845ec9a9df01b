#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The stock redis-cli ends alike on slotd and on a real cluster: the same operator's session runs
on both, and exit statuses and verdicts ([OK], [ERR], warnings, headings) must be the same."""
import re
import sys

from e2e import SLOTD, Cluster, Failed, wait_for

REDIS = "/usr/bin/redis-server"
LATE = "[ERR] Nodes don't agree about configuration!"


class Session:
    """One cluster and its operator."""

    def __init__(self, server):
        self.cluster = Cluster(server, 3, "none")
        self.extra = None
        self.first = self.cluster.nodes[0].address

    def known(self):
        """name -> label, port -> label; ports say who is who on both sides."""
        labels = {}
        for number, node in enumerate(self.cluster.nodes):
            labels[self.cluster.name(node)] = f"N{number}"
            labels[str(node.port)] = f"P{number}"
        return labels

    def verdict(self, text):
        """Lines that say how it went, without names, ports and counts that differ by run."""
        for word, label in self.known().items():
            text = text.replace(word, label)
        lines = set()
        for line in text.splitlines():
            line = line.strip()
            # slotd has no functions, and says so when add-node asks for them.
            told = re.match(
                r"(\[(OK|ERR|WARNING)\]|>>>|\*\*\*|ERR|Node |No rebal|Moving \d+ slots)", line)
            if told and "function" not in line.lower():
                lines.add(re.sub(r"\b[0-9a-f]{40}\b", "ID", re.sub(r"\s+", " ", line)))
        return sorted(lines)

    def manage(self, *args):
        code, text = self.cluster.cli_end(self.cluster.cli_start("--cluster", *args), seconds=60)
        return code, self.verdict(text), text

    def addresses(self):
        return [node.address for node in self.cluster.nodes]

    def name(self, number):
        return self.cluster.name(self.cluster.nodes[number])

    def settle(self, what):
        try:
            self.cluster.settle()
        except Failed as failure:
            raise Failed(f"after {what}: {failure}") from failure


def session():
    """(what, function of a Session that returns redis-cli's arguments, needs agreement after)."""
    yield "create", lambda s: ["create", *s.addresses(), "--cluster-yes"]
    yield "create again", lambda s: ["create", *s.addresses(), "--cluster-yes"]
    yield "create too few", lambda s: ["create", *s.addresses()[:2], "--cluster-yes"]
    yield "check", lambda s: ["check", s.first]
    yield "check a part", lambda s: ["check", s.addresses()[2], "--cluster-search-multiple-owners"]
    yield "info", lambda s: ["info", s.first]
    yield "call", lambda s: ["call", s.first, "PING"]
    yield "call masters", lambda s: ["call", s.first, "PING", "--cluster-only-masters"]
    yield "call nonsense", lambda s: ["call", s.first, "NONSENSE"]
    yield "unknown", lambda s: ["nonsense", s.first]
    yield "nobody there", lambda s: ["check", "127.0.0.1:1"]
    yield "reshard", lambda s: [
        "reshard", s.first, "--cluster-from", s.name(0), "--cluster-to", s.name(1),
        "--cluster-slots", "5", "--cluster-yes"]
    yield "reshard of all", lambda s: [
        "reshard", s.first, "--cluster-from", "all", "--cluster-to", s.name(2),
        "--cluster-slots", "9", "--cluster-yes", "--cluster-pipeline", "100"]
    yield "reshard to nobody", lambda s: [
        "reshard", s.first, "--cluster-from", s.name(0), "--cluster-to", "0" * 40,
        "--cluster-slots", "5", "--cluster-yes"]
    yield "reshard to itself", lambda s: [
        "reshard", s.first, "--cluster-from", s.name(0), "--cluster-to", s.name(0),
        "--cluster-slots", "5", "--cluster-yes"]
    yield "rebalance of the even", lambda s: ["rebalance", s.first]
    yield "rebalance tight", lambda s: ["rebalance", s.first, "--cluster-threshold", "0.01"]
    yield "weights, simulated", lambda s: [
        "rebalance", s.first, "--cluster-weight", f"{s.name(0)}=2", "--cluster-simulate"]
    yield "weight of nobody", lambda s: [
        "rebalance", s.first, "--cluster-weight", f"{'0' * 40}=2"]
    yield "add nobody", lambda s: ["add-node", "127.0.0.1:1", s.first]
    yield "add-node", lambda s: ["add-node", s.cluster.start_node().address, s.first]
    yield "add-node again", lambda s: ["add-node", s.addresses()[3], s.first]
    yield "rebalance without empty", lambda s: ["rebalance", s.first]
    yield "rebalance with empty, simulated", lambda s: [
        "rebalance", s.first, "--cluster-use-empty-masters", "--cluster-simulate"]
    yield "rebalance with empty", lambda s: [
        "rebalance", s.first, "--cluster-use-empty-masters", "--cluster-weight",
        f"{s.name(3)}=0.01", "--cluster-threshold", "1"]
    yield "reshard to the new", lambda s: [
        "reshard", s.first, "--cluster-from", "all", "--cluster-to", s.name(3),
        "--cluster-slots", "30", "--cluster-yes"]
    yield "del-node with slots", lambda s: ["del-node", s.first, s.name(3)]
    yield "del-node of nobody", lambda s: ["del-node", s.first, "0" * 40]
    yield "reshard back", lambda s: [
        "reshard", s.first, "--cluster-from", s.name(3), "--cluster-to", s.name(0),
        "--cluster-slots", "30", "--cluster-yes"]
    yield "drain", lambda s: ["rebalance", s.first, "--cluster-weight", f"{s.name(3)}=0"]
    yield "del-node", lambda s: ["del-node", s.first, s.name(3)]
    yield "fix of nothing", lambda s: ["fix", s.first]
    yield "check at last", lambda s: ["check", s.first]


def opened():
    """What `fix` meets: (what, commands as (node, words), names by number)."""
    yield "both ends", [(1, "SETSLOT", 16, "IMPORTING", 0), (0, "SETSLOT", 16, "MIGRATING", 1)]
    yield "migrating only", [(0, "SETSLOT", 17, "MIGRATING", 1)]
    yield "importing only", [(1, "SETSLOT", 18, "IMPORTING", 0)]
    yield "uncovered", [(number, "DELSLOTS", 20) for number in (0, 1, 2)]


def run_session(server):
    """All outcomes, in order."""
    out = []
    one = Session(server)
    try:
        for what, words in session():
            out.append((what, *one.manage(*words(one))))
            if what == "del-node" and out[-1][1] == 0:
                one.cluster.nodes.pop().stop()
            one.settle(what)
        for what, commands in opened():
            for number, *args in commands:
                if isinstance(args[-1], int) and args[0] == "SETSLOT":
                    args[-1] = one.name(args[-1])
                try:
                    one.cluster.nodes[number].ask("CLUSTER", *args)
                except Failed as failure:
                    # Where one map serves all nodes, the first has done it for the others.
                    if "already unassigned" not in str(failure):
                        raise
            out.append((f"check with {what}", *one.manage("check", one.first)))
            out.append((f"fix with {what}", *one.manage("fix", one.first, "--cluster-yes")))
            one.settle(what)
            wait_for(lambda: LATE not in one.manage("check", one.first)[2], "agreement")
            out.append((f"check after {what}", *one.manage("check", one.first)))
    finally:
        one.cluster.close()
    return out


def surpassed(mine, wanted):
    """A node that gave its last slot turns replica on Redis 7.0, often before redis-cli has told it
    that the slot is gone: redis-cli then ends with an error. Here it ends well."""
    return (mine[:2] == ("drain", 0) and wanted[:2] == ("drain", 1) and
            "Please use SETSLOT only with masters" in "".join(wanted[2]))


def main():
    ours = run_session(SLOTD)
    theirs = run_session(REDIS)
    bad = 0
    for mine, wanted in zip(ours, theirs):
        # A slot cannot be half open where one map serves all nodes: what `fix` finds and does is
        # then another thing, and only how it ends is compared.
        shown = 2 if re.search("with (both ends|migrating|importing) ?", mine[0]) else 3
        if mine[:shown] != wanted[:shown] and not surpassed(mine, wanted):
            bad += 1
            print(f"{wanted[0]}: exit {mine[1]}, wanted {wanted[1]}")
            for line in sorted(set(wanted[2]) ^ set(mine[2])):
                print(("   missing: " if line in wanted[2] else "   extra:   ") + line)
    print(f"{len(theirs)} outcomes, {bad} differ")
    return 1 if bad or len(ours) != len(theirs) else 0


if __name__ == "__main__":
    sys.exit(main())
