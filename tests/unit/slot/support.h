/* SPDX-License-Identifier: MIT */
/* Room slot, tests: slow and obviously right hashing, and the checked-in vectors. */
#ifndef RESHARD_TESTS_SLOT_SUPPORT_H
#define RESHARD_TESTS_SLOT_SUPPORT_H

#include "slot/crc16.h"

#include <reshard/slot.h>

/* CRC16/XMODEM, bit by bit. */
uint32_t naive_crc16(const uint8_t *data, size_t size);
/* The part of a key that is hashed, byte by byte; *size_out gets its size. */
const uint8_t *naive_tag(const uint8_t *key, size_t key_size, size_t *size_out);
/* CRC16 of that part. */
uint32_t naive_crc16_of_key(const uint8_t *key, size_t key_size);

/* Fill with random bytes; `braces` of 256 become '{' or '}'. */
void random_bytes(uint64_t *state, uint8_t *bytes, size_t size, unsigned braces);
/* 0 ... limit - 1. */
uint32_t random_below(uint64_t *state, uint32_t limit);

/* Call `check` for each key of tests/data/keyslot_vectors.txt, in a block of memory of exactly its
 * size. Returns how many there were. */
size_t each_vector(void (*check)(const uint8_t *key, size_t key_size, uint32_t slot));

/* A set with the contents of a text; fails the test when it does not parse. */
struct reshard_slot_set *set_of(uint32_t slot_count, const char *text);
/* Fails the test unless the set's text is this one. */
void assert_text(const struct reshard_slot_set *set, const char *text);

#endif
