#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Build, install into a staging folder, and use the library as strangers do.

    install.py ROOT PROGRAM.c

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
EXPECTED = ["usr/lib/libreshard.so", "usr/lib/libreshard.so.0", "usr/lib/libreshard.a",
            "usr/lib/pkgconfig/libreshard.pc", "usr/include/reshard/reshard.h",
            "usr/lib/libreshard-sim.so", "usr/lib/libreshard-sim.a",
            "usr/lib/pkgconfig/libreshard-sim.pc", "usr/include/reshard-sim/sim.h"]


def run(command, **options):
    """Standard output of a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        sys.exit(f"{shlex.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def stage(root, work):
    """Install into work/stage; the staged prefix."""
    build, target = os.path.join(work, "build"), os.path.join(work, "stage")
    run(["meson", "setup", build, root, "--prefix=/usr", "--libdir=lib", "-Dtests=disabled",
         "-Dexamples=disabled"])
    run(["meson", "compile", "-C", build])
    run(["meson", "install", "-C", build, "--no-rebuild"], env={**os.environ, "DESTDIR": target})
    for path in EXPECTED:
        if not os.path.exists(os.path.join(target, path)):
            sys.exit(f"{path} is not installed")
    for name in os.listdir(os.path.join(root, "include", "reshard")):
        installed = os.path.join(target, "usr/include/reshard", name)
        if name.endswith(".h") and not os.path.exists(installed):
            sys.exit(f"{name} is not installed")
    return os.path.join(target, "usr")


def package(prefix, *question):
    """pkg-config's answer about the staged library."""
    environment = {**os.environ, "PKG_CONFIG_PATH": os.path.join(prefix, "lib", "pkgconfig")}
    command = ["pkg-config", f"--define-variable=prefix={prefix}", *question, "libreshard"]
    return shlex.split(run(command, env=environment))


def linked(prefix, program, work, static):
    """Output of the program, linked through pkg-config."""
    target = os.path.join(work, "static" if static else "shared")
    libraries = package(prefix, "--libs", *(["--static"] if static else []))
    if static:
        libraries = [os.path.join(prefix, "lib/libreshard.a") if x == "-lreshard" else x
                     for x in libraries]
    run(["cc", "-std=c11", program, "-o", target, *package(prefix, "--cflags"), *libraries])
    path = {} if static else {"LD_LIBRARY_PATH": os.path.join(prefix, "lib")}
    return run([target], env={**os.environ, **path})


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


def main(root, program):
    """0 when the three ways agree."""
    with tempfile.TemporaryDirectory() as work:
        prefix = stage(root, work)
        needs = set(package(prefix, "--print-requires-private"))
        answers = [
            linked(prefix, program, work, False),
            linked(prefix, program, work, True),
            as_subproject(root, program, work),
        ]
    print(answers[0])
    same = answers[0] != "" and answers.count(answers[0]) == len(answers)
    print(f"requires {sorted(needs)}; shared, static and subproject agree: {same}")
    return 0 if same and {"libxxhash", "libcbor"} <= needs else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
