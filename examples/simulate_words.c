/* SPDX-License-Identifier: MIT */
/* Numbers of a command line, and complaints about its words. */
#include "simulate_words.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

int word_complain(const char *word, const char *why)
{
    (void)fprintf(stderr, "simulate: %s: %s\n", word, why);
    return NOT_UNDERSTOOD;
}

int file_complain(const char *path)
{
    return word_complain(path, strerror(errno));
}

int word_number(
    const char *word, const char *what, uint64_t least, uint64_t most, uint64_t *number_out)
{
    uint64_t number = 0;
    int good = *word != '\0';
    for (const char *at = word; *at && good; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        good = *at >= '0' && *at <= '9' && number <= (most - (digit < most ? digit : most)) / 10;
        number = number * 10 + digit;
    }
    if (good && number >= least && number <= most) {
        *number_out = number;
        return 0;
    }
    (void)fprintf(stderr, "simulate: %s: expected %s, a number from %" PRIu64 " to %" PRIu64 "\n",
        word, what, least, most);
    return -1;
}
