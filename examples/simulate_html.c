/* SPDX-License-Identifier: MIT */
/* The page is simulate_page.html, made into bytes when this is built. The log stands in it as it
 * is: its writer escapes '<'. */
#include "simulate_html.h"

#include "simulate_page.h"

#include <string.h>

static int bytes_write(FILE *file, const unsigned char *bytes, size_t size)
{
    return fwrite(bytes, 1, size, file) == size ? 0 : -1;
}

int html_begin(struct html *html, FILE *file)
{
    *html = (struct html){.file = file};
    return bytes_write(file, page_before, sizeof page_before - 1);
}

int html_end(const struct html *html)
{
    if (html->left_out)
        (void)fprintf(html->file, "{\"type\":\"left_out\",\"messages\":%lu}\n", html->left_out);
    return bytes_write(html->file, page_after, sizeof page_after - 1);
}

static int has(const char *line, size_t size, const char *words)
{
    size_t length = strlen(words);
    for (size_t at = 0; at + length <= size; at++)
        if (memcmp(line + at, words, length) == 0)
            return 1;
    return 0;
}

void html_log(void *html, const char *line, size_t size)
{
    enum { MESSAGES_MAX = 20000 };
    struct html *page = html;
    if (has(line, size < 20 ? size : 20, "\"message\"")) {
        int told = has(line, size, "\"MAP\"") || has(line, size, "\"HELLO\"");
        if (++page->messages > MESSAGES_MAX && told) {
            page->left_out++;
            return;
        }
    }
    (void)fwrite(line, 1, size, page->file);
}
