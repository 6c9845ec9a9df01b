/* SPDX-License-Identifier: MIT */
/* The page is simulate_page.html, made into bytes when this is built. The log stands in it as it
 * is: its writer escapes '<'. */
#include "simulate_html.h"

#include "simulate_page.h"

static int bytes_write(FILE *file, const unsigned char *bytes, size_t size)
{
    return fwrite(bytes, 1, size, file) == size ? 0 : -1;
}

int html_begin(FILE *file)
{
    return bytes_write(file, page_before, sizeof page_before - 1);
}

int html_end(FILE *file)
{
    return bytes_write(file, page_after, sizeof page_after - 1);
}
