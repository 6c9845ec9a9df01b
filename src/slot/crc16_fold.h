/* SPDX-License-Identifier: MIT */
/* Room slot: const factors for CRC16/XMODEM by carry-less multiplication. Made by
 * tests/tools/crc16_tables.py, which also checks this file; do not edit. P is x^16 + 0x1021. */
#ifndef RESHARD_SLOT_CRC16_FOLD_H
#define RESHARD_SLOT_CRC16_FOLD_H

#include <stdint.h>

/* x^(16 + 64 i) mod P: weight of a word of eight bytes that i words follow. */
static const uint64_t reshard__crc16_weights[8] = {
    0x1021, 0xeb23, 0x10e2, 0x45b4, 0x8ddc, 0xb8e0, 0xbd64, 0x9fe5};
/* x^512 mod P and x^576 mod P: move the low and the high word of a sum 64 bytes up. */
static const uint64_t reshard__crc16_moves[2] = {0x13fc, 0x8832};
/* floor(x^80 / P) without its x^64, and P without its x^16. */
static const uint64_t reshard__crc16_barrett[2] = {0x11303471a041b343, 0x1021};

#endif
