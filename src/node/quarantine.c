/* SPDX-License-Identifier: MIT */
/* Room node: slots whose data no record explains. They are set aside, told, and purged only on
 * request: nobody deletes on suspicion. */
#include "node/node.h"

int32_t reshard__quarantine_restore(struct reshard_node *node, const struct reshard__record *record)
{
    size_t count = 0;
    int32_t status = reshard__ranges_decode(
        record->blob.data, record->blob.size, node->quarantine, node->quarantine_capacity, &count);
    if (status == RESHARD_E_SPACE) {
        status = reshard__mem_grow(&node->mem, (void **)&node->quarantine,
            &node->quarantine_capacity, sizeof *node->quarantine, count);
        if (status)
            return status;
        status = reshard__ranges_decode(record->blob.data, record->blob.size, node->quarantine,
            node->quarantine_capacity, &count);
    }
    if (status == RESHARD_OK)
        node->quarantine_count = count;
    return status;
}
