/* SPDX-License-Identifier: MIT */
/* Room sim: all worlds that are searched, under one numbering. */
#include "sim/search_configs.h"

const struct search_config *reshard__search_config(uint32_t index)
{
    uint32_t count = reshard__search_snapshot_count;
    if (index < count)
        return &reshard__search_snapshot[index];
    return index - count < reshard__search_keywise_count ? &reshard__search_keywise[index - count]
                                                         : NULL;
}
