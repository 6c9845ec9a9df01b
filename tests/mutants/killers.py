# SPDX-License-Identifier: MIT
"""The techniques that kill mutants: each runs one check and tells which checker fired, and hunts
for checks that do. Touches what it runs, in folders of its own."""
import os
import re
import subprocess
import tempfile
import time

from build import ROOT, read

SECONDS = 60  # a run that takes longer hangs
SHORT_SEEDS = 5  # that are looked at for one that is easily shrunk
RARE_SEEDS = 1000  # where they are looked for when they are rare
HUNTED_SEEDS = 300  # where the recorded seed holds: the simulator changed, and with it what it does
MODES = ("snapshot", "keywise")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
FAILED_TEST = re.compile(r"^\[(FAIL|CRASH)\] (\w+)::(\w+):", re.M)
RANDOM_TEST = re.compile(r"^(property|properties|model)/|random")
VIOLATION = re.compile(r"VIOLATION ([\w-]+):")
FAILED_SEED = re.compile(r"^seed (\d+): ([\w-]+), (\d+) events", re.M)
SHRUNK_SEED = re.compile(
    r"^seed \d+: (?P<checker>[\w-]+), (?P<from>\d+) events, (?P<to>\d+) left: "
    r"(?P<faults>\d+) faults, (?P<operations>\d+) operations, (?P<migrations>\d+) migrations", re.M)
SEARCHED = re.compile(r"VIOLATION ([\w-]+) after \d+ moves")
SEARCHED_STATES = 300000  # of a configuration: the ways to what breaks are short
CONFIGURATION = re.compile(r'\b(SNAPSHOT|KEYWISE)\("([\w-]+)"')
REPLAYS = 3  # of a shrunk failure: each must be the same


class Outcome:
    """What became of one run."""

    def __init__(self, status, text, seconds):
        self.status = status  # None: it did not end in time
        self.text = text
        self.milliseconds = max(1, round(seconds * 1000))

    def died(self):
        """A checker's name when the process itself gave up."""
        if self.status is None:
            return "hang"
        return "assert" if self.status < 0 else None


def run(command, seconds=SECONDS):
    """Run in a folder that goes away."""
    with tempfile.TemporaryDirectory() as folder:
        begin = time.monotonic()
        try:
            done = subprocess.run(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, timeout=seconds, check=False)
            status, output = done.returncode, done.stdout
        except subprocess.TimeoutExpired as late:
            status, output = None, late.stdout or b""
        text = COLOUR.sub("", output.decode("utf-8", "replace"))
        return Outcome(status, text, time.monotonic() - begin)


def killer(technique, what, checker, milliseconds):
    """One way in which a mutant dies."""
    return {"by": technique, "what": what, "checker": checker, "ms": milliseconds}


class Scenario:
    """A script of tests/scenario: an invariant breaks, or an expectation fails."""

    name = "scenario"

    @staticmethod
    def programs(_what):
        """What has to be built."""
        return ["simulate"]

    @staticmethod
    def fire(programs, what):
        """(checker or None, outcome) of one scenario."""
        path = os.path.join(ROOT, "tests/scenario", what + ".scn")
        outcome = run([programs["simulate"], "scenario", path])
        violation = VIOLATION.search(outcome.text)
        checker = outcome.died() or (violation and violation.group(1))
        if not checker and outcome.status == 1:
            checker = "expect"
        return checker, outcome

    def hunt(self, programs, _depth):
        """All scenarios that fail."""
        names = sorted(os.listdir(os.path.join(ROOT, "tests/scenario")))
        for what in (name[:-4] for name in names if name.endswith(".scn")):
            checker, outcome = self.fire(programs, what)
            with open(os.path.join(ROOT, "tests/scenario", what + ".scn"),
                      encoding="utf-8") as file:
                fails = "# must fail" in file.read()
            if checker and not fails:
                yield killer(self.name, what, checker, outcome.milliseconds)


class Swarm:
    """A seed. Seeds mean other runs whenever the simulator changes, so that one that holds is
    followed by a bounded search for another."""

    name = "swarm"

    @staticmethod
    def programs(_what):
        """What has to be built."""
        return ["simulate"]

    @staticmethod
    def seeds(programs, mode, first, count):
        """[(seed, checker)] that fail, and the outcome."""
        outcome = run(
            [programs["simulate"], "swarm", str(first), str(count), mode], 20 + 0.3 * count)
        found = [(int(seed), checker) for seed, checker, _ in FAILED_SEED.findall(outcome.text)]
        if outcome.died() and count == 1:
            found = [(first, outcome.died())]
        elif outcome.died():
            for seed in range(first, first + count):
                found = Swarm.seeds(programs, mode, seed, 1)[0]
                if found:
                    break
        return found, outcome

    def fire(self, programs, what):
        """(checker or None, outcome) of one seed, or of the first that fails."""
        mode, seed = what.split()
        found, outcome = self.seeds(programs, mode, int(seed), 1)
        first = 1
        while not found and first < HUNTED_SEEDS:
            found, outcome = self.seeds(programs, mode, first, 10)
            first += 10
        return (found[0][1] if found else None), outcome

    @staticmethod
    def replays(simulate, path, told):
        """Whether a shrunk failure's file leads there every time."""
        return all(
            told in run([simulate, "replay", path]).text for _ in range(REPLAYS))

    def shrink(self, programs, what):
        """{what, from, to: events, those left by their kind, ms: of a processor's time} of a seed's
        failure; None when it does not fail, when its file does not bring the failure back, or when
        it brings one back from the unchanged tree (programs["sound"]), too."""
        mode, seed = what.split()
        simulate = programs["simulate"]
        with tempfile.TemporaryDirectory() as folder:
            with subprocess.Popen([simulate, "swarm", seed, "1", mode, "shrink"], cwd=folder,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                  text=True) as process:
                text = process.stdout.read()
                _, _, used = os.wait4(process.pid, 0)
                process.returncode = 0
            left, path = SHRUNK_SEED.search(text), os.path.join(folder, f"replay-{seed}.txt")
            if not left or not self.replays(
                    simulate, path, f"now {left['checker']}: the same history"):
                return None
            if not self.replays(programs["sound"], path, ", now nothing"):
                return None
        kinds = ("from", "to", "faults", "operations", "migrations")
        milliseconds = round(1000 * (used.ru_utime + used.ru_stime))
        return {"what": what, **{kind: int(left[kind]) for kind in kinds}, "ms": milliseconds}

    @staticmethod
    def short(programs, what):
        """Seeds that fail as `what` should, the shortest runs first."""
        mode, seed = what.split()
        ranges = [(seed, 1)] + [(first, 10) for first in range(1, HUNTED_SEEDS, 10)]
        ranges += [(first, 50) for first in range(HUNTED_SEEDS + 1, RARE_SEEDS, 50)]
        found = {}
        for first, count in ranges:
            outcome = run([programs["simulate"], "swarm", str(first), str(count), mode])
            for one, _, events in FAILED_SEED.findall(outcome.text):
                found[one] = int(events)
            if len(found) >= SHORT_SEEDS:
                break
        return [f"{mode} {one}" for one in sorted(found, key=found.get)]

    def hunt(self, programs, depth):
        """The first seeds that fail, of either mode."""
        for mode in MODES:
            first, step, kills = 1, 10, 0
            while first <= depth and kills < 2:
                for seed, checker in self.seeds(programs, mode, first, step)[0][:2]:
                    alone = self.seeds(programs, mode, seed, 1)[1]
                    yield killer(self.name, f"{mode} {seed}", checker, alone.milliseconds)
                    kills += 1
                first += step
                step = min(50, step * 2)


class Search:
    """A small world, searched exhaustively: the checker that breaks by the shortest way."""

    name = "search"

    @staticmethod
    def programs(_what):
        """What has to be built."""
        return ["simulate"]

    @staticmethod
    def fire(programs, what):
        """(checker or None, outcome) of one configuration."""
        outcome = run([programs["simulate"], "search", what, "limit", str(SEARCHED_STATES)])
        found = SEARCHED.search(outcome.text)
        return outcome.died() or (found and found[1]), outcome

    def hunt(self, programs, _depth):
        """The configurations that fail."""
        source = read(os.path.join(ROOT, "src/sim/search_configs.c"))
        for mode, name in CONFIGURATION.findall(source):
            what = f"{mode.lower()}-{name}"
            checker, outcome = self.fire(programs, what)
            if checker:
                yield killer(self.name, what, checker, outcome.milliseconds)


class Unit:
    """A Criterion test of a room whose cases were written by hand."""

    name = "unit"

    @staticmethod
    def counts(test):
        """Whether SUITE/TEST is of this technique."""
        return not RANDOM_TEST.search(test)

    @staticmethod
    def programs(what):
        """What has to be built."""
        return ["test-" + what.split()[0]]

    @staticmethod
    def fire(programs, what):
        """(checker or None, outcome) of one test."""
        room, test = what.split()
        outcome = run([programs["test-" + room], "--filter", test])
        failed = FAILED_TEST.search(outcome.text)
        checker = "hang" if outcome.status is None else failed and "test"
        return checker, outcome

    def hunt_in(self, program, path, suite):
        """The first tests of a program that fail, in suites whose name has this form."""
        outcome = run([path, "--jobs", "1", "--filter", suite + "/*"], 10 * SECONDS)
        failed = [f"{found[1]}/{found[2]}" for found in FAILED_TEST.findall(outcome.text)]
        for test in [test for test in failed if self.counts(test)][:2]:
            what = f"{program[5:]} {test}"
            checker, alone = self.fire({program: path}, what)
            if checker:
                yield killer(self.name, what, checker, alone.milliseconds)

    def hunt(self, programs, depth):
        """Some tests that fail: of the files that were changed, else of their rooms."""
        tests = {name: path for name, path in programs.items() if name.startswith("test-")}
        found = []
        for suite in (*programs.get("suites", ()), "*"):
            for program, path in tests.items():
                found += self.hunt_in(program, path, suite)
            if found or depth == 0:
                break
        return found


class Property(Unit):
    """A Criterion test that draws its cases at random and holds them against a model, or against
    what must be true of all of them."""

    name = "property"

    @staticmethod
    def counts(test):
        """Whether SUITE/TEST is of this technique."""
        return bool(RANDOM_TEST.search(test))


TECHNIQUES = {technique.name: technique
              for technique in (Unit(), Property(), Scenario(), Swarm(), Search())}
