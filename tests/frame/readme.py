#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The README's example is a program, and what it prints is what the README says.

    readme.py extract README OUT.c      write the C block between the example's markers
    readme.py check README PROGRAM      run the program, compare with the text block
    readme.py hooks README driver.h     the README's table names exactly the header's hooks
    readme.py --self-test               each of them refuses what is wrong
"""
import os
import re
import subprocess
import sys
import tempfile

EXAMPLE = re.compile(
    r"<!-- example:begin -->\n```c\n(.*?)```\n\s*```text\n(.*?)```\n<!-- example:end -->", re.S
)
LINES_MAX = 36


def example(path):
    """(code, output) of the README's example."""
    with open(path, encoding="utf-8") as file:
        match = EXAMPLE.search(file.read())
    if not match:
        sys.exit("no example between the markers")
    return match.group(1), match.group(2)


def hooks(readme, header):
    """0 when both know the same hooks."""
    with open(readme, encoding="utf-8") as file:
        told = re.findall(r"^\| `(\w+)` \| (?:transport|journal|store) \|", file.read(), re.M)
    with open(header, encoding="utf-8") as file:
        known = re.findall(r"\breshard_hook (\w+);", file.read())
    if told != known:
        print("the README knows", told, "the header", known)
    return 0 if told == known and known else 1


def main(action, readme, other):
    """Extract or check; 0 when all is well."""
    if action == "hooks":
        return hooks(readme, other)
    code, expected = example(readme)
    if action == "extract":
        if code.count("\n") > LINES_MAX:
            sys.exit(f"{code.count(chr(10))} lines, at most {LINES_MAX}")
        with open(other, "w", encoding="utf-8") as file:
            file.write(code)
        return 0
    got = subprocess.run([other], capture_output=True, text=True, check=True).stdout
    if got != expected:
        print(f"the README says:\n{expected}\nthe program says:\n{got}")
    return 0 if got == expected else 1


README = """<!-- example:begin -->
```c
{}
```
```text
two words
```
<!-- example:end -->
| `send` | transport |
| `load` | journal |
"""
HOOKS = "reshard_hook send;\nreshard_hook load;\n"


def verdict(action, readme, other, folder):
    """0 or 1 for a README and a second file of these texts."""
    paths = os.path.join(folder, "README.md"), os.path.join(folder, "other")
    for path, text in zip(paths, (readme, other)):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    os.chmod(paths[1], 0o755)
    try:
        return main(action, *paths)
    except SystemExit:
        return 1


def fires():
    """0 when the good ones pass and the others do not."""
    good = README.format("int main(void);")
    cases = (
        (0, "extract", good, ""),
        (1, "extract", README.format("int x;\n" * LINES_MAX), ""),
        (1, "extract", good.replace("example:begin", "example"), ""),
        (0, "check", good, "#!/bin/sh\necho two words\n"),
        (1, "check", good, "#!/bin/sh\necho two\n"),
        (1, "check", good, "#!/bin/sh\n"),
        (0, "hooks", good, HOOKS),
        (1, "hooks", good, HOOKS + "reshard_hook sync;\n"),
        (1, "hooks", good, HOOKS.replace("reshard_hook load;", "")),
        (1, "hooks", good.replace("`load`", "`store`"), HOOKS),
        (1, "hooks", "", ""),
    )
    failed = 0
    for expected, action, readme, other in cases:
        with tempfile.TemporaryDirectory() as folder:
            failed += verdict(action, readme, other, folder) != expected
    print(f"{len(cases)} READMEs, {failed} misjudged")
    return 1 if failed else 0


if __name__ == "__main__":
    if sys.argv[1] == "--self-test":
        sys.exit(fires())
    sys.exit(main(*sys.argv[1:]))
