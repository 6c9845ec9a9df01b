/* SPDX-License-Identifier: MIT */
/* Runs a fuzz target over files and folders, so that corpora are ordinary tests under any compiler.
 * Before them come the empty input and all inputs of one and two bytes. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static size_t count;

static void run(const uint8_t *bytes, size_t size)
{
    /* A block of exactly this size, so that one byte too far is seen. */
    uint8_t *copy = calloc(1, size + (size == 0));
    if (!copy)
        abort();
    for (size_t i = 0; i < size; i++)
        copy[i] = bytes[i];
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    count++;
}

static void run_short_inputs(void)
{
    uint8_t bytes[2] = {0, 0};
    run(bytes, 0);
    for (unsigned value = 0; value < 65536; value++) {
        bytes[0] = (uint8_t)(value >> 8);
        bytes[1] = (uint8_t)value;
        run(bytes, 2);
        if (bytes[1] == 0)
            run(bytes, 1);
    }
}

static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(1U << 24);
    if (!file || !bytes) {
        perror(path);
        abort();
    }
    size_t size = fread(bytes, 1, 1U << 24, file);
    fclose(file);
    run(bytes, size);
    free(bytes);
    return 0;
}

static int run_path(const char *path)
{
    struct stat what;
    if (stat(path, &what)) {
        perror(path);
        return 1;
    }
    if (!S_ISDIR(what.st_mode))
        return run_file(path);
    DIR *folder = opendir(path);
    int failed = folder ? 0 : 1;
    for (struct dirent *entry = folder ? readdir(folder) : NULL; entry; entry = readdir(folder)) {
        char inside[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(inside, sizeof inside, "%s/%s", path, entry->d_name);
        failed |= run_path(inside);
    }
    if (folder)
        closedir(folder);
    return failed;
}

int main(int argc, char **argv)
{
    int failed = 0;
    run_short_inputs();
    for (int i = 1; i < argc; i++)
        failed |= run_path(argv[i]);
    printf("%zu inputs\n", count);
    return failed;
}
