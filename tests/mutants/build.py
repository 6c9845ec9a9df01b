# SPDX-License-Identifier: MIT
"""Programs of the tree and of a tree that a patch changed.

Everything is compiled once. A mutant compiles what its patch touches, and what includes that, again
from copies that lie in front of the originals, and links them in the originals' place. Writes
below its build folder only.
"""
import concurrent.futures
import os
import re
import shutil
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
JOBS = 2
FLAGS = ["-std=c11", "-O1", "-g0", "-w"]
HUNK = re.compile(r"^@@ .*$", re.M)


class PatchError(Exception):
    """A patch does not fit the tree any more, or what it makes does not compile."""


def read(path):
    """A text file."""
    with open(path, encoding="utf-8") as file:
        return file.read()


def write(path, text):
    """A text file and the folders that it lies in."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def hunk_sides(hunk):
    """(text before, text after) of a hunk's lines."""
    lines = hunk.split("\n")[1:]
    if lines and lines[-1] == "":
        lines.pop()
    before = [line[1:] for line in lines if line[:1] != "+"]
    after = [line[1:] for line in lines if line[:1] != "-"]
    return "\n".join(before) + "\n", "\n".join(after) + "\n"


def hunk_apply(text, hunk, where):
    """Line numbers count for nothing: the hunk's old lines must stand exactly once in the file."""
    before, after = hunk_sides(hunk)
    padded = "\n" + text
    count = padded.count("\n" + before)
    if count != 1:
        raise PatchError(f"{where}: old lines found {count} times:\n{before}")
    return padded.replace("\n" + before, "\n" + after)[1:]


def patched(patch):
    """{path below the root: text} of the files that a unified diff changes."""
    files = {}
    for part in re.split(r"^--- ", patch, flags=re.M)[1:]:
        path = re.search(r"^\+\+\+ b/(\S+)", part, re.M).group(1)
        if not path.startswith("src/"):
            raise PatchError(f"{path}: not the core")
        text = read(os.path.join(ROOT, path))
        starts = [match.start() for match in HUNK.finditer(part)] + [len(part)]
        for begin, end in zip(starts, starts[1:]):
            text = hunk_apply(text, part[begin:end], path)
        files[path] = text
    if not files:
        raise PatchError("an empty patch")
    return files


def run(command, **options):
    """Run a compiler."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        raise PatchError(" ".join(command) + "\n" + done.stderr[-4000:])
    return done.stdout


def c_files(folder):
    """Sources below a folder, by path below the root."""
    found = []
    for place, _, names in os.walk(os.path.join(ROOT, folder)):
        found += [os.path.relpath(os.path.join(place, n), ROOT) for n in names if n.endswith(".c")]
    return sorted(found)


def depends(object_path):
    """Files that an object was made of; None when that is not known."""
    try:
        text = read(object_path[:-2] + ".d")
    except OSError:
        return None
    return text.replace("\\\n", " ").split(":", 1)[1].split()


def stale(object_path, source):
    """Whether an object has to be made again."""
    files = depends(object_path)
    if files is None or not os.path.exists(object_path) or files[0] != source:
        return True
    made = os.path.getmtime(object_path)
    return any(not os.path.exists(file) or os.path.getmtime(file) > made for file in files)


class Build:
    """Objects of the tree in FOLDER/base, those of a mutant in FOLDER/NAME."""

    def __init__(self, folder, compiler="gcc"):
        self.folder = os.path.abspath(folder)
        self.compiler = compiler
        packages = run(["pkg-config", "--cflags", "--libs", "libxxhash", "libcbor"]).split()
        self.libraries = [word for word in packages if word.startswith(("-l", "-L"))]
        self.includes = [word for word in packages if word.startswith("-I")]
        self.core = c_files("src")
        self.programs = {"simulate": [
            path for path in c_files("examples")
            if re.match(r"simulate\w*\.c$", os.path.relpath(path, "examples"))
        ]}

    def room(self, name):
        """The test program of a room, as one of the programs."""
        program = f"test-{name}"
        if program not in self.programs:
            self.programs[program] = c_files(f"tests/unit/{name}")
            self.programs[program] = [
                path for path in self.programs[program]
                if not os.path.basename(path).startswith("thread_")
            ]
        return program

    def object(self, owner, path):
        """Where the object of a source lies."""
        return os.path.join(self.folder, owner, path[:-2] + ".o")

    def compile(self, source, object_path, front=None):
        """One object; headers below `front` come before the tree's."""
        os.makedirs(os.path.dirname(object_path), exist_ok=True)
        before = [f"-I{front}/src"] if front else []
        data = os.path.join(ROOT, "tests/data")
        run([
            self.compiler, *FLAGS, *before, f"-I{ROOT}/src", f"-I{ROOT}/include",
            f"-I{ROOT}/tests", f"-I{self.folder}/base/examples", *self.includes,
            f'-DRESHARD_TEST_DATA="{data}"', "-MMD", "-c", source, "-o", object_path,
        ])

    def page(self):
        """The header that one of the programs includes."""
        header = os.path.join(self.folder, "base/examples/simulate_page.h")
        if not os.path.exists(header):
            os.makedirs(os.path.dirname(header), exist_ok=True)
            run(["/usr/bin/python3", f"{ROOT}/examples/simulate_page.py",
                 f"{ROOT}/examples/simulate_page.html", header])

    def sources(self):
        """All that is compiled for the programs wanted so far."""
        return self.core + [path for paths in self.programs.values() for path in paths]

    def base(self):
        """Bring all objects of the unchanged tree up to date."""
        self.page()
        due = [
            path for path in self.sources()
            if stale(self.object("base", path), os.path.join(ROOT, path))
        ]
        with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
            for job in [
                pool.submit(self.compile, os.path.join(ROOT, path), self.object("base", path))
                for path in due
            ]:
                job.result()

    def link(self, owner, program, changed):
        """A program, with the changed objects in place of the tree's."""
        objects = [
            self.object(owner if path in changed else "base", path)
            for path in self.core + self.programs[program]
        ]
        out = os.path.join(self.folder, owner, program)
        needs = ["-lcriterion"] if program != "simulate" else []
        run([self.compiler, *objects, *self.libraries, *needs, "-lm", "-o", out])
        return out

    def affected(self, files):
        """Sources that are, or include, one of the files."""
        touched = {os.path.join(ROOT, path) for path in files}
        return {
            path for path in self.sources()
            if touched & {os.path.normpath(x) for x in depends(self.object("base", path)) or ()}
        }

    def mutant(self, name, patch, programs):
        """{program: path} built from a patched tree; an empty patch gives the tree itself."""
        owner = name if patch else "control"
        front = os.path.join(self.folder, owner)
        shutil.rmtree(front, ignore_errors=True)
        os.makedirs(front)
        files = patched(patch) if patch else {}
        for path, text in files.items():
            write(os.path.join(front, path), text)
        wanted = set(self.core)
        for program in programs:
            wanted |= set(self.programs[program])
        changed = self.affected(files) & wanted
        for path in sorted(changed):
            source = os.path.join(front if path in files else ROOT, path)
            self.compile(source, self.object(owner, path), front)
        return {program: self.link(owner, program, changed) for program in programs}

    def sound(self):
        """The simulator of the unchanged tree, once `mutant("control", ...)` linked it."""
        return os.path.join(self.folder, "control", "simulate")

    def clear(self, name):
        """A mutant's objects and programs are of no more use."""
        shutil.rmtree(os.path.join(self.folder, name), ignore_errors=True)
