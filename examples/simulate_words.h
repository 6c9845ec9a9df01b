/* SPDX-License-Identifier: MIT */
/* Words of a command line: what cannot be understood is refused, with one line that says why. */
#ifndef SIMULATE_WORDS_H
#define SIMULATE_WORDS_H

#include <stdint.h>
#include <stdio.h>

enum { NOT_UNDERSTOOD = 2 };

/* A decimal number from least to most, and nothing else in the word. 0, or -1 and a complaint that
 * calls it `what`. */
int word_number(
    const char *word, const char *what, uint64_t least, uint64_t most, uint64_t *number_out);
/* "simulate: WORD: WHY" to standard error. NOT_UNDERSTOOD. */
int word_complain(const char *word, const char *why);
/* Likewise, of a file: why the system refused it. */
int file_complain(const char *path);

#endif
