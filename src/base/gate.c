/* SPDX-License-Identifier: MIT */
/* Room base: how an input of an engine begins. */
#include "base/gate.h"

int32_t reshard__gate_enter(struct reshard__gate *gate, struct reshard__outbox *outbox)
{
    if (gate->ended)
        return gate->ended;
    if (!gate->started)
        return RESHARD_E_STATE;
    if (gate->feeding)
        return RESHARD_E_REENTRANT;
    int32_t status = reshard__outbox_reserve(outbox, RESHARD__INPUT_RESERVE);
    if (status)
        return status;
    gate->feeding = true;
    return RESHARD_OK;
}

int32_t reshard__gate_completion(
    const struct reshard_completion *from, struct reshard_completion *completion_out)
{
    *completion_out = (struct reshard_completion){.struct_size = sizeof *completion_out};
    if (!from)
        return RESHARD_OK;
    return reshard__struct_import(
        completion_out, sizeof *completion_out, sizeof *completion_out, from);
}
