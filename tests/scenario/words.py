#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every word of the scenario language stands in README.md, and no statement there is none.

    words.py ROOT
    words.py --self-test
"""
import pathlib
import re
import sys

# What parses, and where the names are that it looks words up in.
PARSERS = "src/sim/script*.c"
NAMES = {"src/sim/peek.c": 4, "src/base/names.c": 1}  # the first so many lists of names
LEAST = 150  # words


def lists(source):
    """The words of each list of strings, in order, but of those that it speaks of itself."""
    found = re.findall(r"static const char \*const (?!events)\w+\[\w*\] = \{([^}]*)\}", source)
    return [[word for word in re.findall(r'"([^"]*)"', body) if word not in ("", "?")]
            for body in found]


def statements(source):
    return set(re.findall(r'\{"(\w+)", reshard__say_', source))


def words(source):
    """What a parser's source takes: statements, single words, numbers of `world`, and lists."""
    single = re.findall(r'(?:script_word\(script, |NUMBER\(|WIDE\()"([^"]+)"', source)
    return statements(source).union(single, *lists(source))


def told_statements(text):
    """The first words of what the table of statements has in its first column."""
    table = text.split("| statement |")[1].split("\n\n")[0]
    cells = [re.split(r"(?<!\\) \|", line)[0] for line in table.splitlines() if "| `" in line]
    return {name for cell in cells for part in re.findall(r"`([^`]+)`", cell)
            for name in part.split()[0].split("\\|")}


def faults(source, names, text):
    """What is missing in a README, and what is too much."""
    told = set(re.findall(r"[A-Za-z][\w-]*", text))
    return [f"{word} stands nowhere" for word in sorted(words(source).union(names) - told)] + [
        f"{word} is no statement" for word in sorted(told_statements(text) - statements(source))
        ] + [f"{word} has no row" for word in sorted(statements(source) - told_statements(text))]


def self_test():
    """Each fault is found."""
    source = '''{"run", reshard__say_run}, {"cut", reshard__say_cut}
        static const char *const modes[] = {"", "fast", NULL}; script_word(script, "for")'''
    text = "| statement | |\n|---|---|\n| `run\\|cut X\\|any` | fast |\n\nfor NAME"
    bad = [text.replace("fast", ""), text.replace("for", ""), text.replace("NAME", ""),
           text.replace("run\\|", ""), text.replace("cut", "cut\\|fly")]
    return 0 if not faults(source, {"NAME"}, text) and all(
        faults(source, {"NAME"}, x) for x in bad) else 1


def main(root):
    """0 when both agree."""
    root = pathlib.Path(root)
    source = "".join(path.read_text() for path in sorted(root.glob(PARSERS)))
    names = {word for path, count in NAMES.items()
             for part in lists((root / path).read_text())[:count] for word in part}
    found = faults(source, names, (root / "tests/scenario/README.md").read_text())
    count = len(words(source) | names)
    if count < LEAST:
        found.append(f"only {count} words: the parser is read no more")
    print("\n".join(found) or f"{count} words")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(self_test() if sys.argv[1:] == ["--self-test"] else main(*sys.argv[1:]))
