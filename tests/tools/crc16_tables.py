#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Room slot: makes src/slot/crc16_table.h and src/slot/crc16_fold.h.

crc16_tables.py table|fold prints one of them; a path behind it compares with that file instead.
The CRC is CRC16/XMODEM: polynomial 0x1021, MSB first, start 0.
"""
import sys

WAYS = 16
COLUMNS = 11
TABLE_HEAD = """/* SPDX-License-Identifier: MIT */
/* Room slot: const tables for CRC16/XMODEM, sixteen bytes a step. Made by
 * tests/tools/crc16_tables.py, which also checks this file; do not edit.
 *
 * table[k][b] is the CRC of the byte b followed by k zero bytes, its two bytes swapped. */
#ifndef RESHARD_SLOT_CRC16_TABLE_H
#define RESHARD_SLOT_CRC16_TABLE_H

#include <stdint.h>

static const uint16_t reshard__crc16_table[%d][256] = {
"""

FOLD = """/* SPDX-License-Identifier: MIT */
/* Room slot: const factors for CRC16/XMODEM by carry-less multiplication. Made by
 * tests/tools/crc16_tables.py, which also checks this file; do not edit. P is x^16 + 0x1021. */
#ifndef RESHARD_SLOT_CRC16_FOLD_H
#define RESHARD_SLOT_CRC16_FOLD_H

#include <stdint.h>

/* x^(16 + 64 i) mod P: weight of a word of eight bytes that i words follow. */
static const uint64_t reshard__crc16_weights[8] = {
    %s};
/* x^512 mod P and x^576 mod P: move the low and the high word of a sum 64 bytes up. */
static const uint64_t reshard__crc16_moves[2] = {%s};
/* floor(x^80 / P) without its x^64, and P without its x^16. */
static const uint64_t reshard__crc16_barrett[2] = {%s};

#endif
"""


def feed(crc, byte):
    crc ^= byte << 8
    for _ in range(8):
        crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xFFFF
    return crc


def power(exponent):
    """x^exponent mod P."""
    value = 1
    for _ in range(exponent):
        value = value << 1 ^ (0x11021 if value & 0x8000 else 0)
    return value


def quotient(exponent):
    """floor(x^exponent / P)."""
    rest, result = 1 << exponent, 0
    for shift in range(exponent - 16, -1, -1):
        if rest >> (shift + 16) & 1:
            rest ^= 0x11021 << shift
            result |= 1 << shift
    return result


def fold():
    def join(values):
        return ", ".join("0x%x" % value for value in values)

    mu = quotient(80)
    assert mu >> 64 == 1
    return FOLD % (
        join(power(16 + 64 * i) for i in range(8)),
        join((power(512), power(576))),
        join((mu & (1 << 64) - 1, 0x1021)),
    )


def table():
    row = [feed(0, byte) for byte in range(256)]
    out = [TABLE_HEAD % WAYS]
    for _ in range(WAYS):
        cells = ["0x%04x" % ((crc & 0xFF) << 8 | crc >> 8) for crc in row]
        lines = [", ".join(cells[i : i + COLUMNS]) for i in range(0, 256, COLUMNS)]
        out.append("    {" + ",\n        ".join(lines) + "},\n")
        row = [feed(crc, 0) for crc in row]
    out.append("};\n\n#endif\n")
    return "".join(out)


def main():
    made = {"table": table, "fold": fold}[sys.argv[1]]()
    if len(sys.argv) == 2:
        sys.stdout.write(made)
        return
    with open(sys.argv[2], encoding="ascii") as file:
        if file.read() != made:
            sys.exit("%s is not what this script makes" % sys.argv[2])


main()
