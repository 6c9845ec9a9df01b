#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Real bytes against an independent CBOR implementation (python3-cbor2), both ways.

    oracle.py WIRE_SAMPLES CDDL [COUNT]
    oracle.py --self-test CDDL

There: every sample that the library wrote decodes to its last byte, encodes canonically to the same
bytes, and has the shape that the CDDL text names. Back: values drawn from the CDDL text alone and
encoded by cbor2 are accepted and encoded again to the same bytes; with members that no schema has,
to the same bytes without them. Touches nothing; prints counts.
"""
import io
import random
import re
import subprocess
import sys

import cbor2

COUNT = 60
RULE = re.compile(r"^([a-z-]+) = \[\n(.*?)^\]", re.S | re.M)
MEMBER = re.compile(r"^  (\? )?(?:([a-z_]+): )?(.*?),?(?: ;.*)?$")


def parse(text):
    """Rules of the CDDL text: name -> list of (required, type)."""
    rules = {}
    for name, body in RULE.findall(text):
        members = []
        for line in body.splitlines():
            optional, label, kind = MEMBER.match(line).groups()
            if label:
                members.append((not optional, kind))
            elif kind != "* more":
                raise ValueError(f"{name}: {line}")
        rules[name] = members
    return rules


def is_uint(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2 ** 64


def fits(rules, kind, value):
    """Whether a decoded value has a type of the CDDL text."""
    if kind == "uint":
        return is_uint(value)
    if kind == "bstr":
        return isinstance(value, bytes)
    if kind == "digest":
        return isinstance(value, bytes) and len(value) in (0, 16)
    if kind == "ranges":
        return isinstance(value, list) and len(value) % 2 == 0 and all(map(is_uint, value))
    sized = re.fullmatch(r"bstr \.size \((\d+)\.\.(\d+)\)", kind)
    if sized:
        return isinstance(value, bytes) and int(sized[1]) <= len(value) <= int(sized[2])
    bounds = re.fullmatch(r"(\d+)\.\.(\d+)", kind)
    if bounds:
        return is_uint(value) and int(bounds[1]) <= value <= int(bounds[2])
    if kind.isdigit():
        return value == int(kind)
    listed = re.fullmatch(r"\[\* ([a-z-]+)\]", kind)
    if listed and isinstance(value, list):
        if listed[1] == "uint":
            return all(map(is_uint, value))
        return all(matches(rules, listed[1], item) for item in value)
    return False


def matches(rules, name, value):
    """Whether a decoded array has the shape of a rule, without unknown members."""
    members = rules[name]
    if not isinstance(value, list) or len(value) > len(members):
        return False
    if any(required for required, _ in members[len(value):]):
        return False
    return all(fits(rules, kind, item) for (_, kind), item in zip(members, value))


def is_default(value):
    return value in (0, b"", [])


def check_sample(rules, name, data):
    """What is wrong with a sample, or None."""
    stream = io.BytesIO(data)
    value = cbor2.load(stream)
    if stream.tell() != len(data):
        return "bytes behind the end"
    if cbor2.dumps(value, canonical=True) != data:
        return "not the canonical form"
    if not matches(rules, name, value):
        return f"not a {name}: {value}"
    if len(value) > 1 and is_default(value[-1]):
        return "a trailing default was written"
    return None


def draw_uint(chance, least, most):
    value = chance.getrandbits(chance.randrange(1, 65))
    return chance.choice((least, most, min(max(value, least), most)))


def draw(chance, kind):
    """A value of a CDDL type."""
    if kind.isdigit():
        return int(kind)
    if kind == "digest":
        return chance.choice((b"", chance.randbytes(16)))
    if kind == "ranges":
        return [chance.randrange(0, 300) for _ in range(2 * chance.randrange(0, 30))]
    sized = re.fullmatch(r"bstr(?: \.size \((\d+)\.\.(\d+)\))?", kind)
    if sized:
        least, most = int(sized[1] or 0), int(sized[2] or 400)
        return chance.randbytes(chance.randint(least, min(most, 400)))
    bounds = re.fullmatch(r"(\d+)\.\.(\d+)", kind)
    if bounds:
        return draw_uint(chance, int(bounds[1]), int(bounds[2]))
    return draw_uint(chance, 0, 2 ** 64 - 1)


def draw_array(chance, members):
    """An array of a rule, as a writer of some older profile could have made it."""
    least = max(i for i, (required, _) in enumerate(members) if required) + 1
    value = [draw(chance, kind) for _, kind in members[:chance.randint(least, len(members))]]
    while len(value) > least and is_default(value[-1]):
        value.pop()
    return value


def questions(rules, sets, count):
    """(rule, bytes to decode, bytes that encoding again must yield)."""
    chance = random.Random(20240506)
    for name, members in rules.items():
        family = next((s for s in ("message", "change") if name in sets[s]), None)
        if not family:
            continue
        for _ in range(count):
            value = draw_array(chance, members)
            again = cbor2.dumps(value, canonical=True)
            yield family, again, again
            if len(value) == len(members):
                more = value + [chance.choice((7, b"x", [[], [1]])) for _ in range(3)]
                yield family, cbor2.dumps(more, canonical=True), again


def there(samples, rules, count):
    lines = subprocess.run([samples, "dump", str(count)], capture_output=True, text=True,
                           check=True).stdout.splitlines()
    seen = set()
    for line in lines:
        name, data = line.split(" ")
        problem = check_sample(rules, name, bytes.fromhex(data))
        if problem:
            sys.exit(f"{name} {data}: {problem}")
        seen.add(name)
    missing = {name for name in rules if not name.startswith("snapshot-")} - seen
    if missing or not lines:
        sys.exit(f"no sample of {sorted(missing)}")
    print(f"{len(lines)} samples of {len(seen)} rules: decoded, canonical, of the CDDL's shape")


def back(samples, rules, sets, count):
    asked = list(questions(rules, sets, count))
    text = "".join(f"{family} {data.hex()}\n" for family, data, _ in asked)
    answers = subprocess.run([samples, "check"], input=text, capture_output=True, text=True,
                             check=True).stdout.splitlines()
    if len(answers) != len(asked):
        sys.exit(f"{len(answers)} answers to {len(asked)} values")
    for (family, data, again), answer in zip(asked, answers):
        if answer != f"RESHARD_OK {again.hex()}":
            sys.exit(f"{family} {data.hex()}: {answer}, expected {again.hex()}")
    print(f"{len(asked)} values by cbor2: accepted, encoded again to the same bytes")


def self_test(rules):
    """Each way to be wrong is noticed."""
    good = [1, 1, 5, 16384, 0, 3]
    wrong = {
        "type": [2] + good[1:], "bound": [1, 0] + good[2:], "short": good[:3],
        "kind of item": [1, 1, b"5"] + good[3:], "bool": [1, True] + good[2:],
        "long": good + [1, 1], "default": good[:5],
    }
    data = cbor2.dumps(good, canonical=True)
    assert check_sample(rules, "hello", data) is None
    for name, value in wrong.items():
        assert check_sample(rules, "hello", cbor2.dumps(value, canonical=True)), name
    assert check_sample(rules, "hello", data + b"\0")
    assert check_sample(rules, "hello", b"\x86\x18\x01" + data[2:])
    print(f"{len(wrong) + 2} wrong samples noticed")


def main(arguments):
    with open(arguments[1], encoding="utf-8") as file:
        text = file.read()
    rules = parse(text)
    if arguments[0] == "--self-test":
        return self_test(rules)
    sets = {name: re.search(rf"^{name} =\n((?:  .*\n)+)", text, re.M)[1].replace("/", "").split()
            for name in ("message", "change", "record")}
    count = int(arguments[2]) if len(arguments) > 2 else COUNT
    there(arguments[0], rules, count)
    return back(arguments[0], rules, sets, count)


if __name__ == "__main__":
    main(sys.argv[1:])
