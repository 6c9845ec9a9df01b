/* SPDX-License-Identifier: MIT */
/** @file reshard.h
 * Everything a host needs, in one header, and the conventions that hold in all of them.
 *
 * @section conventions Conventions
 *
 * These hold for every function; a comment speaks of them only where it differs.
 *
 * **Results.** A fallible function returns int32_t: RESHARD_OK (0) or a negative code of status.h.
 * A call that fails leaves its outputs and the object as they were and can be repeated. Codes
 * below RESHARD_E_FATAL's class mean what their class says: the caller, the state, a resource, a
 * hook or the bytes must change first. After RESHARD_E_FATAL only destroy is allowed. A caller's
 * mistake never aborts; only a broken invariant inside the library does, because going on could
 * lose data.
 *
 * **NULL.** A required pointer that is NULL gives RESHARD_E_NULL, or 0 where the function returns
 * a count or an id. destroy(NULL) does nothing. An array of 0 items may be NULL. Outputs may be
 * NULL only where it says so. `user_data` may always be NULL: it is handed on, never looked at.
 *
 * **Ownership.** `[in]` and `[in, borrowed]` memory is the caller's and is not kept after the
 * call; `[in, copied]` is copied; what create, clone and their like put into `..._out` is the
 * caller's, to be destroyed by the function named so. Pointers inside an output struct are borrowed
 * from the object, until the next call that changes it unless said otherwise.
 *
 * **Memory.** Each object takes all its memory from the allocator that it was created with
 * (NULL: malloc) and gives all of it back on destroy. The allocator is told the exact old size of
 * every block, so arenas and budgets need no headers. RESHARD_E_NOMEM changes nothing.
 *
 * **Threads.** The library has no global state, starts no thread and takes no lock. Different
 * objects may be used by different threads at the same time. One object has one owner thread at a
 * time, save for the functions whose comment says `Threads: any`.
 *
 * **Re-entry.** Hooks are called only while no state is half changed. What a hook may call back is
 * said by `Re-entry:` at each function; a call that may not be made from a hook returns
 * RESHARD_E_REENTRANT and changes nothing. An allocator may call nothing.
 *
 * **Time and chance.** The library reads no clock and draws no random number: time is an argument
 * in nanoseconds of any monotonic clock (`now_ns`), chance is a seed. Equal calls give equal
 * results, on every machine.
 *
 * **Struct sizes.** A struct whose first member is `struct_size` may grow at its end. Set it to
 * sizeof, or call the struct's init function, and zero what you do not use. A shorter struct than
 * the library's reads as zero-filled; a longer one is accepted while the bytes that the library
 * does not know are zero (RESHARD_E_STRUCT_TAIL). Output structs are filled as far as they reach.
 * Zero always means the default.
 *
 * **Text.** Names and addresses are bytes with a size, neither NUL-terminated nor interpreted.
 *
 * **Units.** An *index* counts from 0, a *count* is a number of items, a *size* is in bytes. Ranges
 * of slots include both ends.
 */
#ifndef RESHARD_RESHARD_H
#define RESHARD_RESHARD_H

#include <reshard/action.h>
#include <reshard/audit.h>
#include <reshard/coordinator.h>
#include <reshard/driver.h>
#include <reshard/event.h>
#include <reshard/export.h>
#include <reshard/journal.h>
#include <reshard/map.h>
#include <reshard/node.h>
#include <reshard/phase.h>
#include <reshard/plan.h>
#include <reshard/router.h>
#include <reshard/slot.h>
#include <reshard/status.h>
#include <reshard/types.h>
#include <reshard/version.h>

#endif
