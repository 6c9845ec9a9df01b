/* SPDX-License-Identifier: MIT */
/* A program outside the tree: it has the installed headers and pkg-config, and nothing else. */
#include <reshard/reshard.h>
#include <stdio.h>

int main(void)
{
    printf("libreshard %x, %s: %s\n", (unsigned)reshard_version(), reshard_strname(RESHARD_E_SLOT),
        reshard_strerror(RESHARD_E_SLOT));
    return reshard_version() == RESHARD_VERSION ? 0 : 1;
}
