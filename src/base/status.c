/* SPDX-License-Identifier: MIT */
/* Names and sentences of the result codes: one list, held against the header's literals. */
#include "base/base.h"

/* ROW(constant, value, sentence) */
#define STATUS_ROWS(ROW) \
    ROW(RESHARD_OK, 0, "done") \
    ROW(RESHARD_E_NULL, -1, "a required pointer is NULL") \
    ROW(RESHARD_E_ARGUMENT, -2, "an argument is outside its documented range") \
    ROW(RESHARD_E_STRUCT_SIZE, -3, "struct_size below the first version or above 4 KiB") \
    ROW(RESHARD_E_STRUCT_TAIL, -4, "non-zero bytes in fields that this library does not know") \
    ROW(RESHARD_E_FLAGS, -5, "an unknown flag bit is set") \
    ROW(RESHARD_E_SLOT, -6, "slot >= slot_count, or a range with first > last") \
    ROW(RESHARD_E_SLOT_COUNT, -7, "slot_count outside 1 ... 2^20, or two sides disagree on it") \
    ROW(RESHARD_E_SHARD, -8, "no shard has this id") \
    ROW(RESHARD_E_NODE, -9, "no node has this id") \
    ROW(RESHARD_E_MIGRATION, -10, "no open migration has this id") \
    ROW(RESHARD_E_WEIGHT, -11, "a weight, load or capacity is NaN, infinite, negative or zero") \
    ROW(RESHARD_E_OVERLAP, -12, "slot ranges overlap, each other or an open migration") \
    ROW(RESHARD_E_SYNTAX, -13, "text that does not parse") \
    ROW(RESHARD_E_MODE, -14, "unknown mode, or one that cannot do this") \
    ROW(RESHARD_E_KIND, -15, "unknown kind of change, message, record, event or action") \
    ROW(RESHARD_E_HOOK_MISSING, -16, "a required hook is NULL") \
    ROW(RESHARD_E_CROSSSLOT, -17, "keys of one request lie in different slots") \
    ROW(RESHARD_E_STATE, -100, "not allowed in this state or phase") \
    ROW(RESHARD_E_EXISTS, -101, "the id or name is taken") \
    ROW(RESHARD_E_IN_USE, -102, "still referenced: shard with slots, node that is primary, ...") \
    ROW(RESHARD_E_REUSED, -103, "an id that was used before; ids are never reused") \
    ROW(RESHARD_E_REPEATED, -104, "already applied; nothing changed") \
    ROW(RESHARD_E_VERSION, -105, "rests on another map version") \
    ROW(RESHARD_E_TERM, -106, "a lower term, or a term that is taken") \
    ROW(RESHARD_E_OWNER, -107, "a slot is not owned by the shard that was named") \
    ROW(RESHARD_E_DECIDED, -108, "commit or abort was already decided, otherwise") \
    ROW(RESHARD_E_EPOCH, -109, "a fail-over epoch changed since") \
    ROW(RESHARD_E_REENTRANT, -110, "called from a hook that may not call this") \
    ROW(RESHARD_E_BUSY, -111, "cannot be done now, retry after the next event") \
    ROW(RESHARD_E_PLAN, -112, "the plan was made for another map") \
    ROW(RESHARD_E_EMPTY, -113, "nothing to do, or nothing there") \
    ROW(RESHARD_E_REDIRECTS, -114, "too many redirects for one request") \
    ROW(RESHARD_E_STALE, -115, "an order, report or chunk of an earlier attempt; ignored") \
    ROW(RESHARD_E_NOMEM, -200, "the allocator returned NULL") \
    ROW(RESHARD_E_LIMIT, -201, "a configured limit would be exceeded") \
    ROW(RESHARD_E_SPACE, -202, "the caller's buffer is too small; the size needed is returned") \
    ROW(RESHARD_E_OVERFLOW, -203, "a counter would overflow") \
    ROW(RESHARD_E_HOOK, -300, "a hook failed; its own code is kept beside this one") \
    ROW(RESHARD_E_FENCED, -301, "a higher term took over; stop") \
    ROW(RESHARD_E_UNKNOWN, -302, "the outcome is unknown; load before anything else") \
    ROW(RESHARD_E_USER, -303, "never made by the library: for bindings that carry an exception") \
    ROW(RESHARD_E_TRUNCATED, -400, "ends too early") \
    ROW(RESHARD_E_TRAILING, -401, "bytes after the end") \
    ROW(RESHARD_E_CANONICAL, -402, "well-formed, but not the one canonical form") \
    ROW(RESHARD_E_TYPE, -403, "another CBOR type than the schema names") \
    ROW(RESHARD_E_BOUND, -404, "a value outside the bounds of the schema") \
    ROW(RESHARD_E_DEPTH, -405, "nested deeper than 8") \
    ROW(RESHARD_E_SIZE, -406, "larger than the limit on bytes or items") \
    ROW(RESHARD_E_CHECKSUM, -407, "checksum mismatch") \
    ROW(RESHARD_E_CHAIN, -408, "sound, but not the successor of the record before") \
    ROW(RESHARD_E_TORN, -409, "the last record is incomplete; cut there") \
    ROW(RESHARD_E_PROTOCOL, -410, "a protocol version that this library does not speak") \
    ROW(RESHARD_E_FATAL, -500, "the object stopped itself; see its last event")

#define CHECK_ROW(constant, value, sentence) _Static_assert((constant) == (value), #constant);
STATUS_ROWS(CHECK_ROW)

struct status_row {
    int32_t status;
    const char *name;
    const char *sentence;
};

#define TABLE_ROW(constant, value, sentence) {value, #constant, sentence},
static const struct status_row rows[] = {STATUS_ROWS(TABLE_ROW)};

static const struct status_row *row_find(int32_t status)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].status == status)
            return &rows[i];
    return NULL;
}

const char *reshard_strname(int32_t status)
{
    const struct status_row *row = row_find(status);
    return row ? row->name : "RESHARD_E_?";
}

const char *reshard_strerror(int32_t status)
{
    const struct status_row *row = row_find(status);
    return row ? row->sentence : "unknown code";
}
