/* SPDX-License-Identifier: MIT */
/* Runs simulations from a command line.
 *
 *     simulate scenario FILE [--rows]   run a script, print its transcript
 *
 * The exit status is 0 when everything held, 1 when not, 2 when the command line or the script
 * cannot be understood. With --rows the last line counts the rows of the transition table.
 */
#include <reshard-sim/sim.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print(void *user_data, const char *text, size_t size)
{
    (void)user_data;
    (void)fwrite(text, 1, size, stdout);
}

static char *file_read(const char *path, size_t *size_out)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    size_t capacity = 1 << 16, size = 0, count;
    char *text = malloc(capacity);
    while (text && (count = fread(text + size, 1, capacity - size, file)) > 0) {
        size += count;
        if (size == capacity) {
            capacity *= 2;
            char *larger = realloc(text, capacity);
            if (!larger)
                free(text);
            text = larger;
        }
    }
    (void)fclose(file);
    *size_out = size;
    return text;
}

static void rows_print(const struct reshard_sim_report *report)
{
    printf("rows");
    for (uint32_t row = 0; reshard_sim_row(row); row++)
        printf(" %s=%llu", reshard_sim_row(row), (unsigned long long)report->rows[row]);
    printf("\n");
}

static int scenario(const char *path, int rows)
{
    size_t size;
    char *text = file_read(path, &size);
    if (!text) {
        (void)fprintf(stderr, "cannot read %s\n", path);
        return 2;
    }
    struct reshard_sim_report report;
    reshard_sim_report_init(&report);
    int32_t status = reshard_sim_scenario(text, size, print, NULL, &report);
    free(text);
    if (rows)
        rows_print(&report);
    if (status)
        return 2;
    if (report.failed || report.violated)
        (void)fprintf(stderr, "%s: line %u\n", path, (unsigned)report.line);
    return report.failed || report.violated ? 1 : 0;
}

int main(int count, char **words)
{
    if (count >= 3 && strcmp(words[1], "scenario") == 0)
        return scenario(words[2], count > 3 && strcmp(words[3], "--rows") == 0);
    (void)fprintf(stderr, "usage: %s scenario FILE [--rows]\n", words[0]);
    return 2;
}
