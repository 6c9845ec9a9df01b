# SPDX-License-Identifier: MIT
"""The list of mutants: mutants.toml, read, written, and rendered as README.md's table."""
import os
import tomllib

HERE = os.path.dirname(os.path.abspath(__file__))
LIST = os.path.join(HERE, "mutants.toml")
README = os.path.join(HERE, "README.md")
HEAD = """# SPDX-License-Identifier: MIT
# The mutants: NAME.patch is the bug. `origin` is the rule of the protocol that is broken, or a bug
# that somebody's system had; `shows` are the checkers that may tell of it. `run.py hunt` writes the
# killers, and README.md's table; the rest is written by hand.
"""
BEGIN = "<!-- the table: run.py table -->\n"


def load():
    """Mutants by name, in the list's order."""
    with open(LIST, "rb") as file:
        mutants = tomllib.load(file).get("mutant", [])
    return {mutant["name"]: mutant for mutant in mutants}


def patch(name):
    """The text of a mutant's patch."""
    with open(os.path.join(HERE, name + ".patch"), encoding="utf-8") as file:
        return file.read()


def quoted(text):
    """A TOML string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def item(one):
    """A TOML inline table, or another value."""
    if isinstance(one, dict):
        return "{ " + ", ".join(f"{key} = {item(value)}" for key, value in one.items()) + " }"
    return quoted(one) if isinstance(one, str) else str(one)


def entry(mutant):
    """A mutant as TOML."""
    lines = ["", "[[mutant]]"]
    for key in ("name", "origin", "breaks"):
        lines.append(f"{key} = {quoted(mutant[key])}")
    lines.append("shows = [" + ", ".join(quoted(x) for x in mutant.get("shows", [])) + "]")
    if "shrunk" in mutant:
        lines.append(f"shrunk = {item(mutant['shrunk'])}")
    lines.append("killers = [")
    lines += [f"    {item(one)}," for one in mutant.get("killers", [])]
    lines.append("]")
    return "\n".join(lines) + "\n"


def save(mutants):
    """Write the list and the table."""
    with open(LIST, "w", encoding="utf-8") as file:
        file.write(HEAD + "".join(entry(mutant) for mutant in mutants.values()))
    with open(README, encoding="utf-8") as file:
        text = file.read()
    with open(README, "w", encoding="utf-8") as file:
        file.write(text.split(BEGIN)[0] + BEGIN + table(mutants))


def killed_by(one):
    """A killer as the table has it."""
    return f"{one['by']} `{one['what']}`: {one['checker']}, {one['ms']} ms"


def shrunk(mutant):
    """How small the swarm's failure became."""
    if "shrunk" not in mutant:
        return ""
    result = mutant["shrunk"]
    if not result["from"]:
        return "not"
    left = "+".join(str(result[kind]) for kind in ("faults", "operations", "migrations"))
    return f"{result['from']} → {result['to']} ({left}), {result['ms'] / 1000:.1f} s"


def table(mutants):
    """README.md's table."""
    rows = [
        "\n| mutant | origin | what breaks | killers | shrunk |\n|---|---|---|---|---|\n"]
    for mutant in mutants.values():
        killers = "<br>".join(killed_by(one) for one in mutant.get("killers", []))
        rows.append(f"| {mutant['name']} | {mutant['origin']} | {mutant['breaks']} | {killers} "
                    f"| {shrunk(mutant)} |\n")
    return "".join(rows)


def current(mutants):
    """Whether README.md has the table of this list."""
    with open(README, encoding="utf-8") as file:
        return file.read().split(BEGIN)[1:] == [table(mutants)]
