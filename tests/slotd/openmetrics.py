# SPDX-License-Identifier: MIT
"""OpenMetrics text, read strictly: the grammar and rules of the specification (1.0.0) for counters,
gauges and unknowns, which are all that slotd shows."""
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
ESCAPED = r'(?:[^"\\\n]|\\["n\\])*'
LABEL = rf'[a-zA-Z_][a-zA-Z0-9_]*="{ESCAPED}"'
NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:inf|infinity)|nan"
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)?\}})? ({NUMBER})(?: ({NUMBER}))?",
                    re.IGNORECASE)
DESCRIPTOR = re.compile(rf"# (TYPE|UNIT|HELP) ({NAME}) (.*)")
SUFFIXES = {"counter": ("_total", "_created"), "gauge": ("",), "unknown": ("",)}


class Wrong(Exception):
    """A line that the specification does not allow."""


def need(condition, line):
    if not condition:
        raise Wrong(line)


class Family:
    """One metric family: its descriptors stand before its samples, each once."""

    def __init__(self, name):
        self.name = name
        self.kind = "unknown"
        self.told = set()
        self.sampled = False

    def describe(self, what, text, line):
        need(what not in self.told and not self.sampled, line)
        self.told.add(what)
        if what == "TYPE":
            need(text in SUFFIXES, line)
            self.kind = text
        if what == "UNIT":
            need(self.name.endswith("_" + text), line)
        if what == "HELP":
            need(re.fullmatch(ESCAPED, text), line)

    def sample(self, name, number, line):
        need(name in [self.name + suffix for suffix in SUFFIXES[self.kind]], line)
        need(self.kind != "counter" or float(number) >= 0, line)
        self.sampled = True


def values(text):
    """name{labels} -> number of each sample."""
    need(text.endswith("\n# EOF\n") or text == "# EOF\n", "the end")
    need("\r" not in text, "a carriage return")
    families, out = {}, {}
    family = None
    for line in text.split("\n")[:-2]:
        descriptor, sample = DESCRIPTOR.fullmatch(line), SAMPLE.fullmatch(line)
        need(descriptor or sample, line)
        if descriptor:
            what, name, rest = descriptor.groups()
            if not family or family.name != name:
                need(name not in families, line)  # families do not interleave
                family = families[name] = Family(name)
            family.describe(what, rest, line)
            continue
        need(family, line)
        name, _, number, _ = sample.groups()
        family.sample(name, number, line)
        key = line[:sample.start(3) - 1]
        need(key not in out, line)
        out[key] = float(number)
    return out
