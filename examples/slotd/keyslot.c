/* SPDX-License-Identifier: MIT */
/* Room cluster: which slot a key lies in. */
#include "cluster.h"

#include <string.h>

/* CRC16-XMODEM, four bits at a time. */
static uint16_t crc16(struct bytes bytes)
{
    static const uint16_t table[16] = {0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6,
        0x70e7, 0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef};
    uint16_t sum = 0;
    for (size_t index = 0; index < bytes.size; index++) {
        uint8_t byte = bytes.data[index];
        sum = (uint16_t)((sum << 4) ^ table[(sum >> 12) ^ (byte >> 4)]);
        sum = (uint16_t)((sum << 4) ^ table[(sum >> 12) ^ (byte & 15)]);
    }
    return sum;
}

uint32_t cluster_key_slot(struct bytes key)
{
    const uint8_t *open = key.size > 0 ? memchr(key.data, '{', key.size) : NULL;
    if (open != NULL) {
        size_t left = key.size - (size_t)(open + 1 - key.data);
        const uint8_t *close = memchr(open + 1, '}', left);
        if (close != NULL && close > open + 1)
            key = (struct bytes){open + 1, (size_t)(close - open - 1)};
    }
    return crc16(key) & (STORE_SLOT_COUNT - 1);
}
