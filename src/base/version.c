/* SPDX-License-Identifier: MIT */
/* The library's own version, for hosts that were built against other headers. */
#include "base/base.h"
#include <reshard/version.h>

_Static_assert(RESHARD_VERSION == ((RESHARD_VERSION_MAJOR << 16) | (RESHARD_VERSION_MINOR << 8) |
                                   RESHARD_VERSION_PATCH),
    "the number and its parts agree");

uint32_t reshard_version(void)
{
    return RESHARD_VERSION;
}
