#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Bindings read the headers as they are: cffi takes the preprocessed umbrella, and its functions
can be called through the shared library.

    ffi.py ROOT LIBRARY.so
"""
import subprocess
import sys

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


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
