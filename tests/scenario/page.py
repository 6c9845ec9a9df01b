#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Check the event log and the page that are made of every scenario of a folder.

    page.py SIMULATE FOLDER
    page.py --self-test

The log: JSON objects, the seed first, times that never go back, every phase that the transcript
names, and the same bytes twice. The page: that log in it and nothing damaged by it, all tags
closed, nothing fetched from elsewhere, and scripts whose brackets match.
"""
import json
import os
import re
import subprocess
import sys
import tempfile
from html.parser import HTMLParser

VOID = {"meta", "input", "br", "link", "img"}
TYPES = {"seed", "host", "message", "lost", "migration", "phase", "event", "owners", "request",
         "say", "violation", "arrived", "cuts", "end"}


class Page(HTMLParser):
    """Tags as they open and close, and the texts of scripts by id."""

    def __init__(self):
        super().__init__()
        self.open, self.faults, self.scripts = [], [], []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if {"src", "href"} & attributes.keys():
            self.faults.append(f"<{tag}> fetches something")
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append([attributes.get("id"), ""])

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing")

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[-1][1] += data


def brackets(script):
    """Whether brackets match outside strings, comments and regular expressions."""
    plain = re.sub(r'"(?:\\.|[^"\\])*"|/\*.*?\*/|/ \([^\n]*?\)/', "", script, flags=re.S)
    stack = []
    for char in plain:
        if char in "([{":
            stack.append(")]}"["([{".index(char)])
        elif char in ")]}" and (not stack or stack.pop() != char):
            return False
    return not stack


def log_faults(text):
    """What is wrong with a log."""
    lines = [json.loads(line) for line in text.splitlines()]
    faults = []
    if not lines or lines[0].get("type") != "seed" or lines[-1].get("type") != "end":
        faults.append("the seed is not first, or the end not last")
    times = [line["t"] for line in lines[1:]]
    if times != sorted(times):
        faults.append("time goes back")
    faults += [f"type {line['type']}" for line in lines if line["type"] not in TYPES]
    ids = {line["id"] for line in lines if line["type"] == "message"}
    faults += ["lost, never sent" for line in lines
               if line["type"] == "lost" and line["id"] not in ids]
    said = sum(" -> " in line["text"] and " T" in line["text"] for line in lines
               if line["type"] == "say")
    if said != sum(line["type"] == "phase" for line in lines):
        faults.append("phases differ from the transcript's")
    return faults


def page_faults(text, log):
    """What is wrong with a page that was made of a log."""
    page = Page()
    page.feed(text)
    page.close()
    faults = page.faults + [f"<{tag}> stays open" for tag in page.open]
    inside = [script for name, script in page.scripts if name == "log"]
    if len(inside) != 1 or inside[0].strip() != log.strip():
        faults.append("the log in it is another")
    if re.search(r"https?://|@import|url\(", text):
        faults.append("it names another place")
    programs = [script for name, script in page.scripts if name is None]
    if not programs or not all(brackets(script) for script in programs):
        faults.append("its script is cut or unbalanced")
    return faults


def check(simulate, path, folder):
    """What is wrong with one scenario's log and page."""
    runs = [subprocess.run([simulate, "log", path], capture_output=True, text=True, check=False)
            for _ in range(2)]
    faults = log_faults(runs[0].stdout)
    if runs[0].stdout != runs[1].stdout:
        faults.append("two logs of one scenario differ")
    target = os.path.join(folder, "page.html")
    done = subprocess.run([simulate, "html", path, target], check=False)
    if done.returncode != runs[0].returncode:
        faults.append(f"status {done.returncode}")
    with open(target, encoding="utf-8") as file:
        return faults + page_faults(file.read(), runs[0].stdout)


def self_test():
    """Each check must fire."""
    log = '{"type":"seed"}\n{"type":"say","t":1,"text":"x"}\n{"type":"end","t":2}\n'
    page = f'<html><script id="log">\n{log}</script><script>f({{}});</script></html>'
    good = not log_faults(log) and not page_faults(page, log)
    logs = [log.replace('"t":2', '"t":0'), log.replace('"seed"', '"say","t":0,"text":""'),
            log.replace('"text":"x"', '"text":"c1 m1 T01 NONE -> PREPARE"'),
            log.replace('"say"', '"what"'), log.replace('"say"', '"lost","id":1')]
    pages = [page.replace("</html>", ""), page.replace("f({});", "f({);"),
             page.replace("<html>", '<html><img src="x">'),
             page.replace('"text":"x"', '"text":"y"'),
             page.replace("f({});", '"http://x";'),
             page.replace("<script>f({});</script>", "")]
    silent = [x for x in logs if not log_faults(x)] + [x for x in pages if not page_faults(x, log)]
    print("\n".join(silent))
    return 0 if good and not silent else 1


def main(simulate, scenarios):
    """0 when all logs and pages are sound."""
    bad = False
    paths = sorted(os.path.join(scenarios, x) for x in os.listdir(scenarios) if x.endswith(".scn"))
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            faults = check(simulate, path, folder)
            bad |= bool(faults)
            if faults:
                print(os.path.basename(path), "; ".join(faults))
    print(f"{len(paths)} logs and pages")
    return 1 if bad or not paths else 0


if __name__ == "__main__":
    sys.exit(self_test() if sys.argv[1:] == ["--self-test"] else main(*sys.argv[1:]))
