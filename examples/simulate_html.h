/* SPDX-License-Identifier: MIT */
/* One self-contained page that shows a simulated run, from its event log. */
#ifndef SIMULATE_HTML_H
#define SIMULATE_HTML_H

#include <stdio.h>

/* What comes before the log's lines, and after them. 0, or -1 when the file takes no more. */
int html_begin(FILE *file);
int html_end(FILE *file);

#endif
