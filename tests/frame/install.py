#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Build, install into a staging folder, and use the library as strangers do.

    install.py ROOT PROGRAM.c
    install.py --self-test      staged libraries that strangers could not use

Compiles PROGRAM (the README's example) outside the tree through pkg-config, against the shared and
the static library, and again in a project that has libreshard as a meson subproject. All three must
run and print the same.
"""
import os
import shlex
import subprocess
import sys
import tempfile

PROJECT = """project('stranger', 'c', default_options: ['c_std=c11'])
subproject('reshard', default_options: ['tests=disabled', 'examples=disabled'])
executable('stranger', 'stranger.c', dependencies: dependency('libreshard'))
"""
# Not /usr: pkg-config leaves out what compilers find by themselves.
PREFIX = "/usr/local"
EXPECTED = ["lib/libreshard.so", "lib/libreshard.so.0", "lib/libreshard.a",
            "lib/pkgconfig/libreshard.pc", "include/reshard/reshard.h",
            "lib/libreshard-sim.so", "lib/libreshard-sim.a",
            "lib/pkgconfig/libreshard-sim.pc", "include/reshard-sim/sim.h"]


def run(command, **options):
    """Standard output of a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        sys.exit(f"{shlex.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def stage(root, work):
    """Install into work/stage, which is returned."""
    build, target = os.path.join(work, "build"), os.path.join(work, "stage")
    run(["meson", "setup", build, root, f"--prefix={PREFIX}", "--libdir=lib", "-Dtests=disabled",
         "-Dexamples=disabled"])
    run(["meson", "compile", "-C", build])
    run(["meson", "install", "-C", build, "--no-rebuild"], env={**os.environ, "DESTDIR": target})
    headers = [f"include/reshard/{name}"
               for name in os.listdir(os.path.join(root, "include", "reshard"))
               if name.endswith(".h")]
    for path in missing(target, EXPECTED + headers):
        sys.exit(f"{path} is not installed")
    return target


def staged(target, path=""):
    """Where a path below the prefix lies."""
    return os.path.join(target + PREFIX, path)


def missing(target, paths):
    """Paths that are not in the staging folder."""
    return [path for path in paths if not os.path.exists(staged(target, path))]


def package(target, *question):
    """pkg-config's answer about the staged library."""
    environment = {**os.environ, "PKG_CONFIG_PATH": staged(target, "lib/pkgconfig"),
                   "PKG_CONFIG_SYSROOT_DIR": target}
    return shlex.split(run(["pkg-config", *question, "libreshard"], env=environment))


def linked(target, program, work, static):
    """Output of the program, linked through pkg-config."""
    stranger = os.path.join(work, "static" if static else "shared")
    libraries = package(target, "--libs", *(["--static"] if static else []))
    if static:
        libraries = [staged(target, "lib/libreshard.a") if x == "-lreshard" else x
                     for x in libraries]
    run(["cc", "-std=c11", program, "-o", stranger, *package(target, "--cflags"), *libraries])
    path = {} if static else {"LD_LIBRARY_PATH": staged(target, "lib")}
    return run([stranger], env={**os.environ, **path})


def as_subproject(root, program, work):
    """Output of the program in a project that has the library as a subproject."""
    project, build = os.path.join(work, "project"), os.path.join(work, "project-build")
    os.makedirs(os.path.join(project, "subprojects"))
    os.symlink(root, os.path.join(project, "subprojects", "reshard"))
    with open(os.path.join(project, "meson.build"), "w", encoding="utf-8") as file:
        file.write(PROJECT)
    with open(program, encoding="utf-8") as source:
        with open(os.path.join(project, "stranger.c"), "w", encoding="utf-8") as file:
            file.write(source.read())
    run(["meson", "setup", build, project])
    run(["meson", "compile", "-C", build])
    return run([os.path.join(build, "stranger")])


def judge(answers, needs):
    """0 when all ways give one answer, and a static link is told what it needs."""
    print(answers[0])
    same = answers[0] != "" and answers.count(answers[0]) == len(answers)
    print(f"requires {sorted(needs)}; all ways agree: {same}")
    return 0 if same and {"libxxhash", "libcbor"} <= needs else 1


def main(root, program):
    """0 when the three ways agree."""
    with tempfile.TemporaryDirectory() as work:
        target = stage(root, work)
        needs = set(package(target, "--print-requires-private"))
        answers = [
            linked(target, program, work, False),
            linked(target, program, work, True),
            as_subproject(root, program, work),
        ]
    return judge(answers, needs)


PC = f"""prefix={PREFIX}
Name: libreshard
Description: a stand-in
Version: 0
Requires.private: libxxhash libcbor
Libs: -L{PREFIX}/lib -lreshard
Cflags: -I{PREFIX}/include
"""
HEADER = "include/reshard/reshard.h"
LIBRARIES = {"shared": 1, "static": 1}


def stand_in(target, pc, header, values):
    """A staged library of one function, whose value may differ between its two forms."""
    for folder in ("lib/pkgconfig", "include/reshard"):
        os.makedirs(staged(target, folder))
    with open(staged(target, "lib/pkgconfig/libreshard.pc"), "w", encoding="utf-8") as file:
        file.write(pc)
    with open(staged(target, header), "w", encoding="utf-8") as file:
        file.write("int reshard_x(void);\n")
    lib = staged(target, "lib/libreshard")
    for form, options in (("shared", ["-shared", "-fPIC", "-o", lib + ".so"]),
                          ("static", ["-c", "-o", lib + ".o"])):
        run(["cc", "-x", "c", "-", *options],
            input=f"int reshard_x(void) {{ return {values[form]}; }}\n")
    run(["ar", "rcs", lib + ".a", lib + ".o"])


def verdict(pc, header, values):
    """0 or 1 for such a library; what cannot be built or run is a 1."""
    with tempfile.TemporaryDirectory() as work:
        target, program = os.path.join(work, "stage"), os.path.join(work, "stranger.c")
        with open(program, "w", encoding="utf-8") as file:
            file.write("#include <reshard/reshard.h>\n#include <stdio.h>\n"
                       "int main(void) { return printf(\"%d\\n\", reshard_x()) < 0; }\n")
        stand_in(target, pc, header, values)
        try:
            needs = set(package(target, "--print-requires-private"))
            return judge([linked(target, program, work, static) for static in (False, True)], needs)
        except SystemExit as refusal:
            print(str(refusal).splitlines()[0])
            return 1


def fires():
    """0 when the good one passes and the others do not."""
    cases = (
        (0, PC, HEADER, LIBRARIES),
        (1, PC, HEADER, {**LIBRARIES, "static": 2}),
        (1, PC, "include/reshard.h", LIBRARIES),
        (1, PC.replace(f"-I{PREFIX}/include", ""), HEADER, LIBRARIES),
        (1, PC.replace("-lreshard", ""), HEADER, LIBRARIES),
        (1, PC.replace(" libcbor", ""), HEADER, LIBRARIES),
    )
    failed = sum(verdict(*case) != expected for expected, *case in cases)
    with tempfile.TemporaryDirectory() as target:
        failed += missing(target, EXPECTED) != EXPECTED
        for path in EXPECTED:
            os.makedirs(staged(target, path))
        failed += missing(target, EXPECTED) != []
    print(f"{len(cases) + 2} staged libraries, {failed} misjudged")
    return 1 if failed else 0


if __name__ == "__main__":
    if sys.argv[1] == "--self-test":
        sys.exit(fires())
    sys.exit(main(*sys.argv[1:]))
