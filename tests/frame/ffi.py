#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Bindings read the headers as they are: cffi takes the preprocessed umbrella, and its functions
can be called through the shared library.

    ffi.py ROOT LIBRARY.so
    ffi.py --self-test       headers and libraries that bindings cannot use
"""
import os
import subprocess
import sys
import tempfile

import cffi


def own_declarations(root):
    """The preprocessed umbrella without the system's declarations, which cffi knows."""
    command = ["cc", "-E", "-I", f"{root}/include", f"{root}/include/reshard/reshard.h"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    kept, own = [], False
    for line in text.splitlines():
        if line.startswith("# "):
            own = "/include/reshard/" in line
        elif own:
            kept.append(line)
    return "\n".join(kept)


def main(root, library):
    """0 when declarations load and three calls answer."""
    declarations = own_declarations(root)
    ffi = cffi.FFI()
    ffi.cdef(declarations)
    loaded = ffi.dlopen(library)
    created = ffi.new("struct reshard_map **")
    status = loaded.reshard_map_create(16384, ffi.NULL, created)
    count = loaded.reshard_map_slot_count(created[0])
    loaded.reshard_map_destroy(created[0])
    name = ffi.string(loaded.reshard_strname(-6))
    print(f"{len(declarations)} characters; {status}, {count}, {name.decode()}")
    return 0 if (status, count, name) == (0, 16384, b"RESHARD_E_SLOT") else 1


HEADER = """int reshard_map_create(unsigned count, void *allocator, struct reshard_map **map);
unsigned reshard_map_slot_count(const struct reshard_map *map);
void reshard_map_destroy(struct reshard_map *map);
const char *reshard_strname(int status);
"""
LIBRARY = """struct reshard_map;
int reshard_map_create(unsigned count, void *allocator, struct reshard_map **map) { return 0; }
unsigned reshard_map_slot_count(const struct reshard_map *map) { return 16384; }
void reshard_map_destroy(struct reshard_map *map) { }
const char *reshard_strname(int status) { return "RESHARD_E_SLOT"; }
"""


def outcome(root, header, library):
    """What the check makes of a small library; an exception is a refusal."""
    folder, target = os.path.join(root, "include", "reshard"), os.path.join(root, "x.so")
    os.makedirs(folder)
    with open(os.path.join(folder, "reshard.h"), "w", encoding="utf-8") as file:
        file.write(header)
    command = ["cc", "-w", "-shared", "-fPIC", "-x", "c", "-", "-o", target]
    subprocess.run(command, input=library, text=True, check=True)
    try:
        return main(root, target)
    except (AttributeError, OSError, cffi.FFIError, cffi.CDefError) as error:
        print(f"refused: {str(error).splitlines()[0]}")
        return 1


def fires():
    """0 when the good one passes and the others do not."""
    cases = (
        (0, HEADER, LIBRARY),
        (1, HEADER + "static inline int reshard_x(void) { return 1; }\n", LIBRARY),
        (1, HEADER + "int reshard_x(reshard_unheard_of first);\n", LIBRARY),
        (1, HEADER.replace("void reshard_map_destroy", "// void"), LIBRARY),
        (1, HEADER, LIBRARY.replace("reshard_strname", "stranger")),
        (1, HEADER, LIBRARY.replace("16384", "16383")),
    )
    failed = 0
    for expected, header, library in cases:
        with tempfile.TemporaryDirectory() as root:
            failed += outcome(root, header, library) != expected
    print(f"{len(cases)} libraries, {failed} misjudged")
    return 1 if failed else 0


if __name__ == "__main__":
    if sys.argv[1] == "--self-test":
        sys.exit(fires())
    sys.exit(main(*sys.argv[1:]))
