#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Plant bugs in a copy of the core, and see that the project's own tests tell of them.

    run.py check BUILD [NAME...]   each mutant on its killers, the unchanged tree on all of them
    run.py hunt BUILD [NAME...] [--seeds N] [--by TECHNIQUE]   find killers anew, write them down
    run.py shrink BUILD [NAME...]  shrink the swarm's failures, write into the list how far
    run.py table                   write README.md's table

A mutant counts when two techniques kill it. Fails when a patch does not apply, when a killer lets
its mutant live, when another checker fires than those that the list names, when a killer fires on
the unchanged tree, and when there are fewer mutants than FLOOR, or a rule without one. BUILD is a
folder of its own.
"""
import argparse
import concurrent.futures
import os
import re
import sys
import time

import listing
from build import Build, JOBS, PatchError, ROOT, read
from killers import TECHNIQUES

FLOOR = 109
EVENTS_MAX = 25
SHRINK_MS = 60000
SMALL_SHARE = 0.9
SHRUNK_FLOOR = 55
SHRUNK_AGAIN_MS = 1000  # failures that became small so soon are shrunk whenever they are checked
RULES = [f"R{number}" for number in range(1, 28)]
BROKEN_FLOOR = 84  # rules that mutants break, of each mutant that two techniques kill
ROOMS_ABOVE = {
    "map": ["map"], "phase": ["phase", "node"],
    "wire": ["wire"], "node": ["node"], "coordinator": ["coordinator"], "base": ["base"],
    "driver": ["driver"], "router": ["router"], "audit": ["audit"], "plan": ["plan"],
    "slot": ["slot"],
}


def programs_of(killers):
    """Programs that some killers run."""
    return sorted({name for one in killers for name in TECHNIQUES[one["by"]].programs(one["what"])})


def rooms_of(patch):
    """Rooms whose tests may tell of a patch."""
    touched = re.findall(r"^\+\+\+ b/src/(\w+)/", patch, re.M)
    return sorted({above for room in touched for above in ROOMS_ABOVE.get(room, [])})


def judge(mutant, programs):
    """Complaints about a mutant's killers."""
    complaints, techniques = [], set()
    for one in mutant["killers"]:
        checker, _ = TECHNIQUES[one["by"]].fire(programs, one["what"])
        told = f"{one['by']} {one['what']}"
        if not checker:
            complaints.append(f"survives {told}")
        elif checker not in mutant["shows"]:
            complaints.append(f"{told} shows {checker}")
        else:
            techniques.add(one["by"])
    if len(techniques) < 2:
        complaints.append(f"killed by {len(techniques)} techniques")
    return complaints


def shrink_seeds(programs, mutant):
    """How few events of the swarm's failure are left, after how much time of a processor: of the
    first of its seeds whose failure becomes small, or else of the one that became smallest."""
    swarm = TECHNIQUES["swarm"]
    killer = next(one for one in mutant["killers"] if one["by"] == "swarm")
    best, spent = {"from": 0, "to": 0}, 0
    for what in swarm.short(programs, killer["what"]):
        result = swarm.shrink(programs, what)
        spent += result["ms"] if result else 0
        if result and (not best["from"] or result["to"] < best["to"]):
            best = result
        if spent >= SHRINK_MS or 0 < best["from"] and best["to"] <= EVENTS_MAX:
            break
    return {**best, "ms": spent}


def small(result):
    """Whether a failure became small in time."""
    return 0 < result["from"] and result["to"] <= EVENTS_MAX and result["ms"] <= SHRINK_MS


def shrink_again(programs, mutant):
    """Complaints about a failure that was quickly shrunk: it must still become small. A seed means
    another run when the simulator changes: then others are looked at."""
    known = mutant.get("shrunk", {"ms": 0})
    if "what" not in known or known["ms"] > SHRUNK_AGAIN_MS:
        return []
    result = TECHNIQUES["swarm"].shrink(programs, known["what"])
    if not result or not small(result):
        result = shrink_seeds(programs, mutant)
    return [] if small(result) else [f"shrinks no more: {result}"]


def check_mutant(build, mutant, patch=None):
    """Complaints about one mutant."""
    name = mutant["name"]
    try:
        programs = build.mutant(
            name, patch or listing.patch(name), programs_of(mutant["killers"]))
        complaints = judge(mutant, programs)
        complaints += shrink_again({**programs, "sound": build.sound()}, mutant)
    except (OSError, PatchError) as error:
        complaints = [str(error)]
    build.clear(name)
    return complaints


def control(build, mutants):
    """The unchanged tree must pass what kills."""
    killers = {(one["by"], one["what"]) for mutant in mutants for one in mutant["killers"]}
    programs = build.mutant("control", "", programs_of(
        [{"by": technique, "what": what} for technique, what in killers]))
    fired = []
    for technique, what in sorted(killers):
        if technique == "swarm":
            found = TECHNIQUES["swarm"].seeds(programs, *what.split(), 1)[0]
        else:
            found = TECHNIQUES[technique].fire(programs, what)[0]
        if found:
            fired.append(f"{technique} {what} fires on the unchanged tree")
    return fired, len(killers)


def canaries(build, mutants):
    """A change that breaks nothing must survive, and a patch that fits nowhere must be told of."""
    path = "src/base/version.c"
    line = read(os.path.join(ROOT, path)).split("\n", 1)[0]
    diff = f"--- a/{path}\n+++ b/{path}\n@@ -1,1 +1,1 @@\n-{{}}\n+/* no bug at all */\n"
    fired = []
    for name, before, told in (("harmless", line, "survives"), ("unfitting", "no line", "0 times")):
        bird = {**mutants[0], "name": name}
        complaints = check_mutant(build, bird, diff.format(before))
        if not any(told in complaint for complaint in complaints):
            fired.append(f"the {name} change is not told of: {complaints}")
    if len(rules_judge([])[1]) != len(RULES) + 1:
        fired.append("rules without a mutant are not told of")
    return fired


def each(function, items):
    """Results of a function over items, in their order, as they come."""
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        yield from pool.map(function, items)


def rules_count(mutants):
    """{rule of the protocol: how many of the mutants break it}."""
    broken = [rule for mutant in mutants for rule in re.findall(r"\bR\d+\b", mutant["origin"])]
    return {rule: broken.count(rule) for rule in RULES}


def rules_judge(killed):
    """(what there is, complaints) of the rules that mutants break which two techniques kill."""
    counts = rules_count(killed)
    broken, total = sum(count > 0 for count in counts.values()), sum(counts.values())
    told = (f"{broken} of {len(RULES)} rules have a mutant that two techniques kill, "
            f"{total} in all: " + ", ".join(f"{rule} {count}" for rule, count in counts.items()))
    few = [f"no mutant of {rule} was killed" for rule, count in counts.items() if count == 0]
    if total < BROKEN_FLOOR:
        few.append(f"{total} mutants of rules, fewer than {BROKEN_FLOOR}")
    return told, few


def prepare(folder, names, programs):
    """(build, chosen mutants, all mutants)."""
    mutants = listing.load()
    build = Build(folder)
    for program in programs(mutants):
        if program.startswith("test-"):
            build.room(program[5:])
    build.base()
    return build, [mutants[name] for name in names or mutants], mutants


def check(arguments):
    """0 when every mutant dies as the list says."""
    begin = time.monotonic()
    build, chosen, mutants = prepare(
        arguments.build, arguments.names,
        lambda all_: programs_of([one for mutant in all_.values() for one in mutant["killers"]]))
    built = time.monotonic()
    failures, killer_count = control(build, chosen)
    failures += canaries(build, chosen)
    killed = []
    for mutant, complaints in zip(chosen, each(lambda m: check_mutant(build, m), chosen)):
        print(f"{mutant['name']}: {'; '.join(complaints) or 'killed'}", flush=True)
        failures += [f"{mutant['name']}: {complaint}" for complaint in complaints]
        killed += [] if complaints else [mutant]
    if not arguments.names:
        told, few = rules_judge(killed)
        print(told)
        failures += few
        if len(chosen) < FLOOR:
            failures.append(f"{len(chosen)} mutants, fewer than {FLOOR}")
        results = [mutant["shrunk"] for mutant in chosen if "shrunk" in mutant]
        if sum(small(result) for result in results) < SMALL_SHARE * max(SHRUNK_FLOOR, len(results)):
            failures.append(f"fewer than {SMALL_SHARE:.0%} of the swarm's failures became small")
        if not listing.current(mutants):
            failures.append("README.md's table is not of this list: run.py table")
    print(*failures, sep="\n")
    print(f"{len(chosen)} mutants, {killer_count} killers, {len(failures)} failures; "
          f"built in {built - begin:.0f} s, run in {time.monotonic() - built:.0f} s")
    return 1 if failures else 0


def hunt_mutant(build, mutant, depth, by=None):
    """Find killers, by one technique or by all; the quickest of each stays."""
    patch = listing.patch(mutant["name"])
    rooms = [build.room(room) for room in rooms_of(patch)]
    try:
        programs = build.mutant(mutant["name"], patch, ["simulate", *rooms])
    except PatchError as error:
        print(f"{mutant['name']}: {error}")
        return {}
    programs["suites"] = re.findall(r"^\+\+\+ b/src/\w+/(\w+)\.c", patch, re.M)
    hunters = [technique for name, technique in TECHNIQUES.items() if by in (None, name)]
    found = [one for technique in hunters for one in technique.hunt(programs, depth)]
    build.clear(mutant["name"])
    best = {one["by"]: one for one in mutant.get("killers", []) if by not in (None, one["by"])}
    for one in found:
        if one["by"] not in best or one["ms"] < best[one["by"]]["ms"]:
            best[one["by"]] = one
    mutant["killers"] = [best[name] for name in TECHNIQUES if name in best]
    shown = {one["checker"] for one in found}
    mutant["shows"] = sorted(shown | set(mutant.get("shows", []) if by else []))
    counts = {name: sum(one["by"] == name for one in found) for name in TECHNIQUES}
    return counts


def hunt(arguments):
    """0 when every mutant that was hunted died by two techniques."""
    wanted = listing.load()
    names = arguments.names or list(wanted)
    build, chosen, mutants = prepare(
        arguments.build, arguments.names,
        lambda all_: ["test-" + room for name in names for room in rooms_of(listing.patch(name))])
    survivors = 0
    for mutant, counts in zip(chosen, each(
            lambda m: hunt_mutant(build, m, arguments.seeds, arguments.by), chosen)):
        few = not counts or len(mutant["killers"]) < 2
        survivors += few
        verdict = "SURVIVES" if few else "killed"
        print(f"{mutant['name']}: {verdict} {counts} {mutant['shows']}", flush=True)
        listing.save(mutants)
    print(f"{len(chosen)} hunted, {survivors} survive")
    return 1 if survivors else 0


def shrink_mutant(build, mutant):
    """Write into the list how small the swarm's failure becomes."""
    programs = build.mutant(mutant["name"], listing.patch(mutant["name"]), ["simulate"])
    mutant["shrunk"] = shrink_seeds({**programs, "sound": build.sound()}, mutant)
    build.clear(mutant["name"])
    return mutant["shrunk"]


def shrink(arguments):
    """0 when enough of the swarm's failures become small within a minute."""
    build, chosen, mutants = prepare(arguments.build, arguments.names, lambda _: ["simulate"])
    build.mutant("control", "", ["simulate"])
    chosen = [mutant for mutant in chosen if any(one["by"] == "swarm" for one in mutant["killers"])]
    count = 0
    for mutant, result in zip(chosen, each(lambda m: shrink_mutant(build, m), chosen)):
        count += small(result)
        print(mutant["name"], result, flush=True)
        listing.save(mutants)
    print(f"{count} of {len(chosen)} have at most {EVENTS_MAX} events left within a minute")
    return 0 if count >= SMALL_SHARE * len(chosen) else 1


def main():
    """Exit status of the command."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for name, function in (("check", check), ("hunt", hunt), ("shrink", shrink)):
        command = commands.add_parser(name)
        command.add_argument("build")
        command.add_argument("names", nargs="*")
        command.add_argument("--seeds", type=int, default=1000)
        command.add_argument("--by", choices=list(TECHNIQUES))
        command.set_defaults(run=function)
    commands.add_parser("table").set_defaults(run=lambda _: listing.save(listing.load()))
    arguments = parser.parse_args()
    return arguments.run(arguments) or 0


if __name__ == "__main__":
    sys.exit(main())
