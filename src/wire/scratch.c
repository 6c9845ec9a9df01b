/* SPDX-License-Identifier: MIT */
/* Room wire: reading changes where their number of ranges is not known: the one decoder here that
 * allocates, through its caller's instance, and only as much as the decoded item holds. */
#include "wire/wire.h"

int32_t reshard__change_read(const struct reshard__mem *mem, struct reshard__scratch *scratch,
    struct reshard__bytes bytes, size_t *offset, struct reshard_change *change)
{
    int32_t status = reshard__change_decode(
        bytes.data, bytes.size, offset, scratch->ranges, scratch->capacity, change);
    if (status != RESHARD_E_SPACE)
        return status;
    /* The old ranges are of no use, and never both live: so at most 4 bytes for each one read. */
    reshard__scratch_free(mem, scratch);
    scratch->ranges = reshard__mem_alloc(mem, change->range_count * sizeof *scratch->ranges);
    if (!scratch->ranges)
        return RESHARD_E_NOMEM;
    scratch->capacity = change->range_count;
    return reshard__change_decode(
        bytes.data, bytes.size, offset, scratch->ranges, scratch->capacity, change);
}

void reshard__scratch_free(const struct reshard__mem *mem, struct reshard__scratch *scratch)
{
    reshard__mem_free(mem, scratch->ranges, scratch->capacity * sizeof *scratch->ranges);
    scratch->ranges = NULL;
    scratch->capacity = 0;
}
