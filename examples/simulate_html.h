/* SPDX-License-Identifier: MIT */
/* One self-contained page that shows a simulated run, from its event log. */
#ifndef SIMULATE_HTML_H
#define SIMULATE_HTML_H

#include <stddef.h>
#include <stdio.h>

struct html {
    FILE *file;
    unsigned long messages, left_out;
};

/* What comes before the log's lines, and after them. 0, or -1 when the file takes no more. */
int html_begin(struct html *html, FILE *file);
int html_end(const struct html *html);
/* Takes the log, line by line. A page that a browser opens at once has no room for every map that
 * every node of a large cluster is told: from some number of messages on these are left out, and
 * the page says so. */
void html_log(void *html, const char *line, size_t size);

#endif
