/* SPDX-License-Identifier: MIT */
/* Room server: where slotd starts. Exit status: 0 clean end, 1 could not start, 2 bad command
 * line, 70 stopped itself (see the log). */
#include "bytes.h"
#include "log.h"
#include "server.h"

#include <stdio.h>

int main(int count, char **values)
{
    static struct settings settings;
    int result = options_read(&settings, count, values);
    if (result != 0)
        return result == 1 ? 0 : result;
    if (settings.log_file[0] != '\0' && log_open(settings.log_file) != 0) {
        (void)fprintf(stderr, "slotd: cannot open the log file\n");
        return 1;
    }
    log_level(settings.log_level);
    memory_keep();
    return server_run(&settings) == 0 ? 0 : 1;
}
