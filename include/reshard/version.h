/* SPDX-License-Identifier: MIT */
/** @file version.h
 * The version: of the headers at compile time, of the library at run time.
 */
#ifndef RESHARD_VERSION_H
#define RESHARD_VERSION_H

#include <reshard/export.h>
#include <stdint.h>

RESHARD_BEGIN_DECLS

/** Version of these headers (semantic versioning; soversion = major). */
enum {
    RESHARD_VERSION_MAJOR = 0, /**< rises when the ABI breaks */
    RESHARD_VERSION_MINOR = 1, /**< rises when something is added */
    RESHARD_VERSION_PATCH = 0  /**< rises when nothing is added */
};

/** Version as one number that can be compared, also by the preprocessor: 0x00MMmmpp. */
#define RESHARD_VERSION 0x000100

/** Version of the library that runs, which may be newer than the headers.
 * @return major << 16 | minor << 8 | patch, as RESHARD_VERSION has it.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API uint32_t reshard_version(void);

RESHARD_END_DECLS

#endif
