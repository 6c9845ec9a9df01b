#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the simulator's command line cannot understand it refuses: refusals.py SIMULATE

Each call ends with status 2, prints nothing to standard output (but a script its transcript) and to
standard error one line that says what was wrong, and, of a file, in which line. Nothing is written.
"""
import os
import subprocess
import sys
import tempfile

SEARCH = "search snapshot-plain sabotage 0\n"
FILES = {
    "good.scn": "nodes 2\nstart\nmove 0-3 s1 s2 snapshot\nrun until end\n",
    "bad.scn": "nodes 2\nstart\n\nmove 0-3 s1 s2 fast\n",
    "broken.scn": "world sabotage purge\nnodes 2\nstart\nload 8\nmove 0-3 s1 s2 snapshot\n"
                  "run until end\n",
    "vain.scn": "nodes 2\nstart\n\nexpect owner 0 s2\n",
    "torn.txt": "reshard-sim replay 1\nseed 1 mode 0 sabotage 0\ntea\n",
    "way.txt": SEARCH + "tea\n",
    "none.txt": SEARCH.replace("snapshot-plain", "tea"),
}
# (words, what the line says)
CALLS = [
    ("tea", "tea: no such command"),
    ("swarm", "swarm: expected more words"),
    ("swarm 1", "swarm: expected more words"),
    ("swarm x 2", "x: expected FROM, a number"),
    ("swarm -1 2", "-1: expected FROM"),
    ("swarm 1 2x", "2x: expected COUNT"),
    ("swarm 1 0", "0: expected COUNT"),
    ("swarm 1 99999999999999999999", "99999999999999999999: expected COUNT"),
    ("swarm 1 2 tea", "tea: expected snapshot, keywise, a PHASE"),
    ("swarm 1 2 4294967296", "4294967296: expected snapshot"),
    ("scenario none.scn", "none.scn: No such file or directory"),
    ("scenario .", ".: Is a directory"),
    ("scenario good.scn --tea", "--tea: expected --rows"),
    ("scenario good.scn --rows tea", "tea: expected nothing more"),
    ("scenario bad.scn", 'bad.scn:4: SYNTAX in line 4: "fast": expected one of snapshot keywise'),
    ("log none.scn", "none.scn: No such file or directory"),
    ("log good.scn tea", "tea: expected nothing more"),
    ("log bad.scn", 'bad.scn:4: SYNTAX in line 4: "fast"'),
    ("html good.scn", "html: expected more words"),
    ("html none.scn page.html", "none.scn: No such file or directory"),
    ("html good.scn none/page.html", "none/page.html: No such file or directory"),
    ("html good.scn /dev/full", "/dev/full: No space left on device"),
    ("html good.scn page.html tea", "tea: expected nothing more"),
    ("replay none.txt", "tea: this way cannot be gone"),
    ("replay nowhere.txt", "nowhere.txt: No such file or directory"),
    ("replay good.scn", "good.scn:1: not a line of a replay file"),
    ("replay torn.txt", "torn.txt:3: not a line of a replay file"),
    ("replay way.txt", "way.txt: a line is no move of a search"),
    ("replay torn.txt --tea", "--tea: expected --trace, --log or --html PAGE"),
    ("replay torn.txt --html", "--html: expected --trace, --log or --html PAGE"),
    ("replay nowhere.txt --html page.html", "nowhere.txt: No such file or directory"),
    ("search", "search: expected more words"),
    ("search tea", "tea: no such search"),
    ("search 1/2x", "1/2x: no such search"),
    ("search 3/2", "3/2: no such search"),
    ("search all tea 5", "tea: expected limit STATES, verify EVERY or sabotage BITS"),
    ("search all limit", "nothing: expected STATES"),
    ("search all limit x", "x: expected STATES"),
    ("search all limit 0", "0: expected STATES"),
    ("search all sabotage -1", "-1: expected BITS"),
]
# Scripts that are understood and do not hold: status 1
BREACHES = [
    ("scenario broken.scn", "broken.scn:6: VIOLATION leftovers: m1 ended"),
    ("scenario vain.scn", "vain.scn:4: FAILED: slot 0 is owned by s1"),
]
TRANSCRIPT = ("scenario bad.scn", "log bad.scn")
LONGER = ("search tea", "search 1/2x", "search 3/2")  # names of those that there are


def refused(simulate, folder, words, says, status=2):
    """What is wrong with one refusal."""
    done = subprocess.run([simulate, *words.split()], capture_output=True, text=True, cwd=folder,
                          check=False, timeout=60)
    faults = [] if done.returncode == status else [f"status {done.returncode}"]
    lines = done.stderr.splitlines()
    if len(lines) != (2 if words in LONGER else 1) or says not in lines[0]:
        faults.append(f"it says {done.stderr!r}")
    if done.stdout and status == 2 and words not in TRANSCRIPT:
        faults.append(f"it prints {done.stdout[:60]!r}")
    return [f"{words}: {fault}" for fault in faults]


def main(simulate):
    """0 when each is refused, and nothing else is."""
    simulate = os.path.abspath(simulate)
    with tempfile.TemporaryDirectory() as folder:
        for name, text in FILES.items():
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(text)
        faults = [fault for words, says in CALLS for fault in refused(
            simulate, folder, words, says)]
        faults += [fault for words, says in BREACHES for fault in refused(
            simulate, folder, words, says, 1)]
        faults += [f"{name} was written" for name in os.listdir(folder) if name not in FILES]
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([simulate, "scenario", "good.scn"], stdout=full, cwd=folder,
                                  stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode != 2 or "standard output: No space" not in done.stderr:
            faults.append(f"a full output: {done.returncode}, {done.stderr!r}")
        good = subprocess.run([simulate, "scenario", "good.scn"], capture_output=True, cwd=folder,
                              check=False)
        faults += ["a good one is refused"] if good.returncode or good.stderr else []
    print("\n".join(faults) or f"{len(CALLS + BREACHES) + 1} refusals")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
