/* SPDX-License-Identifier: MIT */
/** @file status.h
 * Result codes. Every fallible function returns int32_t: RESHARD_OK or a negative code of
 * this list. Codes are append-only and never change their value. Unless a function says
 * otherwise, a call that fails leaves its outputs and the object unchanged and can be retried.
 */
#ifndef RESHARD_STATUS_H
#define RESHARD_STATUS_H

#include <reshard/export.h>
#include <stdint.h>

RESHARD_BEGIN_DECLS

/** Result codes, grouped by who has to act. */
enum {
    RESHARD_OK = 0, /**< done */

    /* The caller passed something that can never work. */
    RESHARD_E_NULL = -1,          /**< a required pointer is NULL */
    RESHARD_E_ARGUMENT = -2,      /**< an argument is outside its documented range */
    RESHARD_E_STRUCT_SIZE = -3,   /**< struct_size below the first version or above 4 KiB */
    RESHARD_E_STRUCT_TAIL = -4,   /**< non-zero bytes in fields that this library does not know */
    RESHARD_E_FLAGS = -5,         /**< an unknown flag bit is set */
    RESHARD_E_SLOT = -6,          /**< slot >= slot_count, or a range with first > last */
    RESHARD_E_SLOT_COUNT = -7,    /**< slot_count outside 1 ... 2^20, or two sides disagree on it */
    RESHARD_E_SHARD = -8,         /**< no shard has this id */
    RESHARD_E_NODE = -9,          /**< no node has this id */
    RESHARD_E_MIGRATION = -10,    /**< no open migration has this id */
    RESHARD_E_WEIGHT = -11,       /**< weight, load or capacity: NaN, infinite, negative or zero */
    RESHARD_E_OVERLAP = -12,      /**< slot ranges overlap, each other or an open migration */
    RESHARD_E_SYNTAX = -13,       /**< text that does not parse */
    RESHARD_E_MODE = -14,         /**< unknown mode, or one that cannot do this */
    RESHARD_E_KIND = -15,         /**< unknown kind of change, message, record, event or action */
    RESHARD_E_HOOK_MISSING = -16, /**< a required hook is NULL */
    RESHARD_E_CROSSSLOT = -17,    /**< keys of one request lie in different slots */

    /* The object is not in a state that allows it. */
    RESHARD_E_STATE = -100,     /**< not allowed in this state or phase */
    RESHARD_E_EXISTS = -101,    /**< the id or name is taken */
    RESHARD_E_IN_USE = -102,    /**< still referenced: shard with slots, a shard's primary, ... */
    RESHARD_E_REUSED = -103,    /**< an id that was used before; ids are never reused */
    RESHARD_E_REPEATED = -104,  /**< already applied; nothing changed */
    RESHARD_E_VERSION = -105,   /**< rests on another map version */
    RESHARD_E_TERM = -106,      /**< a lower term, or a term that is taken */
    RESHARD_E_OWNER = -107,     /**< a slot is not owned by the shard that was named */
    RESHARD_E_DECIDED = -108,   /**< commit or abort was already decided, otherwise */
    RESHARD_E_EPOCH = -109,     /**< a fail-over epoch changed since */
    RESHARD_E_REENTRANT = -110, /**< called from a hook that may not call this */
    RESHARD_E_BUSY = -111,      /**< cannot be done now, retry after the next event */
    RESHARD_E_PLAN = -112,      /**< the plan was made for another map */
    RESHARD_E_EMPTY = -113,     /**< nothing to do, or nothing there */
    RESHARD_E_REDIRECTS = -114, /**< too many redirects for one request */
    RESHARD_E_STALE = -115,     /**< an order, report or chunk of an earlier attempt; ignored */

    /* A resource ran out. */
    RESHARD_E_NOMEM = -200,    /**< the allocator returned NULL */
    RESHARD_E_LIMIT = -201,    /**< a configured limit would be exceeded */
    RESHARD_E_SPACE = -202,    /**< the caller's buffer is too small; the size needed is returned */
    RESHARD_E_OVERFLOW = -203, /**< a counter would overflow */

    /* A hook answered so, or its outcome is not known. */
    RESHARD_E_HOOK = -300,    /**< a hook failed; its own code is kept beside this one */
    RESHARD_E_FENCED = -301,  /**< a higher term took over; stop */
    RESHARD_E_UNKNOWN = -302, /**< the outcome is unknown; load before anything else */
    RESHARD_E_USER = -303,    /**< never made here: for bindings that carry an exception */

    /* Bytes that are not what they should be. */
    RESHARD_E_TRUNCATED = -400, /**< ends too early */
    RESHARD_E_TRAILING = -401,  /**< bytes after the end */
    RESHARD_E_CANONICAL = -402, /**< well-formed, but not the one canonical form */
    RESHARD_E_TYPE = -403,      /**< another CBOR type than the schema names */
    RESHARD_E_BOUND = -404,     /**< a value outside the bounds of the schema */
    RESHARD_E_DEPTH = -405,     /**< nested deeper than 8 */
    RESHARD_E_SIZE = -406,      /**< larger than the limit on bytes or items */
    RESHARD_E_CHECKSUM = -407,  /**< checksum mismatch */
    RESHARD_E_CHAIN = -408,     /**< sound, but not the successor of the record before */
    RESHARD_E_TORN = -409,      /**< the last record is incomplete; cut there */
    RESHARD_E_PROTOCOL = -410,  /**< a protocol version that this library does not speak */

    /* Only destroy is allowed afterwards. */
    RESHARD_E_FATAL = -500 /**< the object stopped itself; see its last event */
};

/** Name of a result code.
 * @param status [in] any value.
 * @return the constant's name, such as "RESHARD_E_SLOT"; "RESHARD_E_?" for unknown codes.
 *   Never NULL, static, not to be freed.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API const char *reshard_strname(int32_t status);

/** Sentence for a result code.
 * @param status [in] any value.
 * @return one English sentence without a full stop; "unknown code" for unknown codes.
 *   Never NULL, static, not to be freed.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API const char *reshard_strerror(int32_t status);

RESHARD_END_DECLS

#endif
