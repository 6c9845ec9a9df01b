#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""See that every checker of the simulator has a test in which something broken makes it fire.

    checkers.py ROOT
    checkers.py --self-test

A checker is a name that src/sim tells a violation by. What makes it fire: hosts that break their
contract and a core that lies (`.fires = "NAME"`, or a checker that told compared with "NAME", in
tests/unit/sim: both are asserted there), or a mutant of the core that a recorded killer finds by it
(tests/mutants/mutants.toml, run by tests/mutants/run.py).
"""
import re
import sys
from pathlib import Path

# Not of what a world does: its script could not be understood.
NO_CHECKER = {"script"}
FIRED = r'\.fires = "([a-z-]+)"|str_eq\((?:report\.checker|sim->violation), "([a-z-]+)"'


def named(sources):
    """(names of checkers, complaints); functions that are told a name count where it is told."""
    names, bad = set(), []
    for path, text in sources.items():
        takers = re.findall(r"\b(\w+)\([^(){]*const char \*checker\b", text)
        for call in re.finditer(rf"\b({'|'.join(['reshard__sim_violate', *takers])})\(([^;{{]*);",
                                text):
            told = re.search(r',\s*"([a-z-]+)",', call.group(2))
            if told:
                names.add(told.group(1))
            elif not re.match(r"[^,]*,\s*checker\b", call.group(2)):
                bad.append(f"{path}: a violation without a name")
    return names - NO_CHECKER, bad


def fired(tests, mutants):
    """name -> what makes it fire."""
    where = {}
    for path, text in tests.items():
        for name in re.findall(FIRED, text):
            where.setdefault(name[0] or name[1], []).append(path)
    for mutant in mutants.split("[[mutant]]")[1:]:
        title = re.search(r'name = "([^"]+)"', mutant).group(1)
        for name in set(re.findall(r'checker = "([a-z-]+)"', mutant)):
            where.setdefault(name, []).append("mutant " + title)
    return where


def judge(sources, tests, mutants):
    """(rows to show, complaints)."""
    names, bad = named(sources)
    where = fired(tests, mutants)
    rows = [f"{name:13} {', '.join(sorted(set(where.get(name, ['-'])))[:3])}"
            for name in sorted(names)]
    return rows, bad + [f"{name}: nothing makes it fire" for name in sorted(names - where.keys())]


def main(root):
    """0 when every checker fires somewhere."""
    files = {folder: {path.name: path.read_text(encoding="utf-8")
                      for path in sorted((Path(root) / folder).glob("*.c"))}
             for folder in ("src/sim", "tests/unit/sim")}
    mutants = (Path(root) / "tests/mutants/mutants.toml").read_text(encoding="utf-8")
    rows, bad = judge(files["src/sim"], files["tests/unit/sim"], mutants)
    print("\n".join(rows + [f"{len(rows)} checkers, {len(bad)} complaints"] + bad))
    return 1 if bad or not rows else 0


def self_test():
    """Each judgement must fire."""
    source = {"a.c": 'static void meet(struct reshard_sim *sim, const char *checker, int x)\n'
                     '{ reshard__sim_violate(sim, checker, "%d", x); }\n'
                     'void f() { meet(sim, "one", 1);\n'
                     '  reshard__sim_violate(\n  m->sim, "two", ""); }'}
    test = {"t.c": '{.fires = "one"}'}
    mutant = '[[mutant]]\nname = "m"\nkillers = [{ checker = "two" }]\n'
    nameless = {"a.c": "reshard__sim_violate(sim, name, 1);"}
    good = not judge(source, test, mutant)[1] and len(judge(source, test, mutant)[0]) == 2
    silent = [x for x in ((source, {}, mutant), (source, test, ""), (nameless, test, mutant))
              if not judge(*x)[1]]
    return 0 if good and not silent else 1


if __name__ == "__main__":
    sys.exit(self_test() if sys.argv[1:] == ["--self-test"] else main(*sys.argv[1:]))
