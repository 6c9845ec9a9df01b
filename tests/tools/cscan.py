# SPDX-License-Identifier: MIT
"""A small scanner for C: enough structure for the house rules and the ABI pins, no parser.

Guarantees: every position in a scanned text is the position in the file, because comments,
literals and preprocessor lines are blanked, never removed. Touches nothing but its arguments.
"""
import re
from typing import NamedTuple

TOKEN = re.compile(
    r"""(?P<comment>/\*.*?\*/|//[^\n]*)|(?P<string>"(?:\\.|[^"\\\n])*")"""
    r"""|(?P<char>'(?:\\.|[^'\\\n])*')""",
    re.S,
)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.M)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.M)
BRANCH = re.compile(r"\b(?:if|for|while|case)\b|&&|\|\||\?")
IDENTIFIER = re.compile(r"[A-Za-z_]\w*")


class Function(NamedTuple):
    """A definition: `line` is where its head starts, `end` where its body ends (1-based)."""

    name: str
    line: int
    end: int
    static: bool
    head: str
    body: str

    @property
    def complexity(self):
        """Cyclomatic complexity: one more than the branches (McCabe 1976), `case` included."""
        return 1 + len(BRANCH.findall(self.body))


class Declaration(NamedTuple):
    """A function declared RESHARD_API, with the comment that stands before it."""

    name: str
    line: int
    returns: str
    params: list
    comment: str


def spaces(text):
    """As many characters and lines as text, all blank."""
    return re.sub(r"[^\n]", " ", text)


def code_of(text):
    """The text with comments and the insides of literals blanked."""

    def blank(match):
        found = match.group(0)
        if match.group("comment"):
            return spaces(found)
        return found[0] + spaces(found[1:-1]) + found[-1]

    return TOKEN.sub(blank, text)


def plain_of(code):
    """The code with preprocessor lines blanked as well."""
    return DIRECTIVE.sub(lambda match: spaces(match.group(0)), code)


def line_of(text, position):
    """Line number of a position, from 1."""
    return text.count("\n", 0, position) + 1


def includes(text):
    """(line, '<' or '"', path) of each #include."""
    commented = TOKEN.sub(lambda m: spaces(m.group(0)) if m.group("comment") else m.group(0), text)
    return [(line_of(text, m.start()), m.group(1), m.group(2)) for m in INCLUDE.finditer(commented)]


def closing(code, position, opening="(", end=")"):
    """Position of the bracket that closes the one at position."""
    depth = 0
    for at in range(position, len(code)):
        if code[at] == opening:
            depth += 1
        elif code[at] == end:
            depth -= 1
            if depth == 0:
                return at
    return len(code) - 1


def opening_of(code, position):
    """Position of the ( that the ) at position closes."""
    depth = 0
    for at in range(position, -1, -1):
        if code[at] == ")":
            depth += 1
        elif code[at] == "(":
            depth -= 1
            if depth == 0:
                return at
    return 0


def function_at(plain, head_start, brace):
    """The function whose body opens at brace, or None when that brace opens something else."""
    head = plain[head_start:brace]
    stripped = head.rstrip()
    if not stripped.endswith(")"):
        return None
    name = IDENTIFIER.findall(stripped[: opening_of(stripped, len(stripped) - 1)])
    if not name:
        return None
    start = head_start + len(head) - len(head.lstrip())
    end = closing(plain, brace, "{", "}")
    return Function(
        name[-1],
        line_of(plain, start),
        line_of(plain, end),
        re.search(r"\bstatic\b", head) is not None,
        head.strip(),
        plain[brace : end + 1],
    )


def functions(plain):
    """Definitions at file scope; Criterion's Test(...) {} counts as one."""
    found = []
    head_start = at = 0
    while at < len(plain):
        char = plain[at]
        if char == "{":
            before = plain[head_start:at]
            if re.search(r'\bextern\s*" *"\s*$', before):
                head_start = at = at + 1
                continue
            function = function_at(plain, head_start, at)
            if function:
                found.append(function)
            at = closing(plain, at, "{", "}")
            if function:
                head_start = at + 1
        elif char in ";}":
            head_start = at + 1
        at += 1
    return found


def split_top(text, separator):
    """Split at separators outside of brackets."""
    parts, depth, start = [], 0, 0
    for at, char in enumerate(text):
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char == separator and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]


def declared_name(declaration):
    """Name that a parameter or member declaration declares; '' when it has none."""
    pointer = re.search(r"\(\s*\*\s*(\w+)", declaration)
    if pointer:
        return pointer.group(1)
    words = IDENTIFIER.findall(re.sub(r"\[[^\]]*\]", "", declaration))
    return words[-1] if len(words) > 1 else ""


def api_declarations(text):
    """Every RESHARD_API function of a public header."""
    code = code_of(text)
    plain = plain_of(code)
    found = []
    for match in re.finditer(r"\bRESHARD_API\b", plain):
        end = plain.index(";", match.end())
        body = plain[match.end() : end]
        paren = body.index("(")
        words = IDENTIFIER.findall(body[:paren])
        params = split_top(body[paren + 1 : closing(body, paren)], ",")
        before = text[: match.start()].rstrip()
        comment = before[before.rindex("/*") :] if before.endswith("*/") else ""
        if not comment.startswith("/**"):
            comment = ""
        found.append(
            Declaration(
                words[-1],
                line_of(text, match.start()),
                " ".join(body[:paren].split())[: -len(words[-1])].strip(),
                [] if params == ["void"] else [declared_name(p) for p in params],
                comment,
            )
        )
    return found


def structs(text):
    """(name, [member, ...]) of each struct that has a body at file scope."""
    plain = plain_of(code_of(text))
    found = []
    for match in re.finditer(r"\bstruct\s+(\w+)\s*\{", plain):
        brace = match.end() - 1
        body = plain[brace + 1 : closing(plain, brace, "{", "}")]
        members = []
        for part in split_top(body, ";"):
            pieces = split_top(part, ",")
            members += [declared_name("x " + p if i else p) for i, p in enumerate(pieces)]
        found.append((match.group(1), members))
    return found


def constants(text):
    """Names of enumerators, in the order of the file."""
    plain = plain_of(code_of(text))
    found = []
    for match in re.finditer(r"\benum\s*(\w*)\s*\{", plain):
        brace = match.end() - 1
        body = plain[brace + 1 : closing(plain, brace, "{", "}")]
        found += [part.split("=")[0].strip() for part in split_top(body, ",")]
    return found
