/* SPDX-License-Identifier: MIT */
/** @file slot.h
 * Key → slot, and sets of slots. Keys hash by Redis Cluster's CRC16, by XXH3 or by a function of
 * the host; slot sets are kept as ranges while those are few, as a bitmap otherwise, and can be
 * read and written as either, and as text.
 */
#ifndef RESHARD_SLOT_H
#define RESHARD_SLOT_H

#include <reshard/status.h>
#include <reshard/types.h>

RESHARD_BEGIN_DECLS

/** How a key becomes a slot (field `algorithm`).
 *
 * Hash tags: CRC16 and XXH3 hash only the bytes between the first '{' of the key and the first '}'
 * behind it, if both are there and something stands between them; else the whole key. So
 * `{user7}.name` and `{user7}.mail` share a slot, and `a{}b` is hashed whole.
 */
enum {
    RESHARD_HASH_CRC16 = 1, /**< CRC16/XMODEM modulo slot_count, a power of two up to 2^16; with
                                 16384 slots every key has the slot that Redis Cluster gives it */
    RESHARD_HASH_XXH3 = 2,  /**< XXH3-64 with seed 0: its lowest bits when slot_count is a power of
                                 two, else floor(hash x slot_count / 2^64) */
    RESHARD_HASH_CUSTOM = 3 /**< the host's function; it sees whole keys */
};

/** How keys hash. Must be the same on every node and client of one cluster, for its whole life. */
struct reshard_hasher {
    uint32_t struct_size; /**< sizeof(struct reshard_hasher) */
    uint32_t algorithm;   /**< RESHARD_HASH_* */
    uint32_t slot_count;  /**< 1 ... RESHARD_SLOT_COUNT_MAX; see RESHARD_HASH_CRC16 */
    uint32_t flags;       /**< 0 */
    /** RESHARD_HASH_CUSTOM: slot of a key of key_size bytes, 0 ... slot_count - 1, or negative for
     * a key that has none. The key is borrowed for the call. Must be a pure function of the key,
     * and may be called from any thread that hashes. NULL for the other algorithms.
     */
    int32_t (*custom)(void *user_data, const void *key, size_t key_size);
    void *user_data; /**< handed to custom */
};

/** A key of a batch: borrowed bytes. */
struct reshard_key {
    const void *data; /**< its bytes; NULL only when key_size is 0 */
    size_t key_size;  /**< bytes */
};

/** A set of slots below a slot_count. Opaque; one owner thread, or many that only read. */
struct reshard_slot_set;

/** Zero a hasher, set its struct_size, RESHARD_HASH_CRC16 and RESHARD_SLOT_COUNT_DEFAULT.
 * @param hasher [out] non-NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API void reshard_hasher_init(struct reshard_hasher *hasher);

/** Say whether a hasher is well-formed.
 * @param hasher [in] the hasher.
 * @return RESHARD_OK, or E_NULL, E_STRUCT_SIZE, E_STRUCT_TAIL, E_KIND (algorithm), E_SLOT_COUNT,
 *   E_FLAGS, E_HOOK_MISSING (CUSTOM without a function), E_ARGUMENT (a function without CUSTOM).
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_hasher_check(const struct reshard_hasher *hasher);

/** Slot of a key.
 * @param hasher [in] well-formed; checked in each call.
 * @param key [in, borrowed for the call] key_size bytes of any value; NULL when key_size is 0.
 * @param key_size [in] bytes.
 * @param slot_out [out] the slot, below hasher->slot_count.
 * @return RESHARD_OK, or E_NULL, an error of reshard_hasher_check, E_HOOK when the host's function
 *   answered a negative number, E_SLOT when it answered slot_count or above.
 * Calls: hasher->custom.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_slot_of_key(
    const struct reshard_hasher *hasher, const void *key, size_t key_size, uint32_t *slot_out);

/** Slots of many keys: checks the hasher once, and fetches keys ahead.
 * @param hasher [in] well-formed.
 * @param keys [in, borrowed for the call] key_count items; NULL when key_count is 0.
 * @param key_count [in] items.
 * @param slots_out [out] key_count items. When the host's function refuses a key, those before it
 *   are written and the others unchanged.
 * @return as reshard_slot_of_key.
 * Calls: hasher->custom.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_slots_of_keys(const struct reshard_hasher *hasher,
    const struct reshard_key *keys, size_t key_count, uint32_t *slots_out);

/** Slot of a key in a Redis Cluster: RESHARD_HASH_CRC16 with 16384 slots, without a hasher.
 * Source: Redis Cluster specification, "Key distribution model" and "Hash tags".
 * @param key [in, borrowed for the call] key_size bytes; NULL is an empty key.
 * @param key_size [in] bytes.
 * @return 0 ... 16383.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API uint32_t reshard_slot_crc16(const void *key, size_t key_size);

/** Slot of a key by RESHARD_HASH_XXH3, without a hasher.
 * @param key [in, borrowed for the call] key_size bytes; NULL is an empty key.
 * @param key_size [in] bytes.
 * @param slot_count [in] 1 ... RESHARD_SLOT_COUNT_MAX; another one answers 0.
 * @return 0 ... slot_count - 1.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API uint32_t reshard_slot_xxh3(const void *key, size_t key_size, uint32_t slot_count);

/** Make an empty set.
 * @param slot_count [in] 1 ... RESHARD_SLOT_COUNT_MAX.
 * @param allocator [in, copied] NULL = malloc.
 * @param set_out [out] the set; the caller destroys it.
 * @return RESHARD_OK, or E_NULL, E_SLOT_COUNT, E_NOMEM, an error of the allocator's struct.
 * Calls: allocator.  Allocates: yes.  Threads: any.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_slot_set_create(uint32_t slot_count,
    const struct reshard_allocator *allocator, struct reshard_slot_set **set_out);

/** Free a set.
 * @param set [in] NULL is a no-op.
 * Calls: allocator.  Allocates: never.  Threads: owner.  Re-entry: no.
 */
RESHARD_API void reshard_slot_set_destroy(struct reshard_slot_set *set);

/** Make a copy.
 * @param set [in] non-NULL.
 * @param allocator [in, copied] NULL = malloc.
 * @param set_out [out] the copy; the caller destroys it.
 * @return RESHARD_OK, or E_NULL, E_NOMEM, an error of the allocator's struct.
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: no.
 */
RESHARD_API int32_t reshard_slot_set_clone(const struct reshard_slot_set *set,
    const struct reshard_allocator *allocator, struct reshard_slot_set **set_out);

/** Remove all slots, and give the set's memory back.
 * @param set [in,out] non-NULL.
 * @return RESHARD_OK, or E_NULL.
 * Calls: allocator.  Allocates: never.  Threads: owner.  Re-entry: no.
 */
RESHARD_API int32_t reshard_slot_set_clear(struct reshard_slot_set *set);

/** Add slots first ... last; those that are there already stay.
 * @param set [in,out] non-NULL.
 * @param first [in] lowest slot, <= last.
 * @param last [in] highest slot, included, < slot_count.
 * @return RESHARD_OK, or E_NULL, E_SLOT, E_NOMEM.
 * Calls: allocator.  Allocates: amortised.  Threads: owner.  Re-entry: no.
 */
RESHARD_API int32_t reshard_slot_set_add(
    struct reshard_slot_set *set, uint32_t first, uint32_t last);

/** Remove slots first ... last; those that are not there are no error.
 * @param set [in,out] non-NULL.
 * @param first [in] lowest slot, <= last.
 * @param last [in] highest slot, included, < slot_count.
 * @return RESHARD_OK, or E_NULL, E_SLOT, E_NOMEM (removing can split a range).
 * Calls: allocator.  Allocates: amortised.  Threads: owner.  Re-entry: no.
 */
RESHARD_API int32_t reshard_slot_set_remove(
    struct reshard_slot_set *set, uint32_t first, uint32_t last);

/** Say whether a slot is in the set. O(log ranges), O(1) in a set of many ranges.
 * @param set [in] non-NULL.
 * @param slot [in] any; one >= slot_count is in no set.
 * @return 1 it is, 0 it is not, or E_NULL.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_slot_set_contains(const struct reshard_slot_set *set, uint32_t slot);

/** Number of slots that the set can hold.
 * @param set [in] NULL answers 0.
 * @return 1 ... RESHARD_SLOT_COUNT_MAX.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API uint32_t reshard_slot_set_slot_count(const struct reshard_slot_set *set);

/** Number of slots in the set. O(1).
 * @param set [in] NULL answers 0.
 * @return 0 ... slot_count.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API uint32_t reshard_slot_set_count(const struct reshard_slot_set *set);

/** Number of ranges: maximal runs of slots without a gap. O(1).
 * @param set [in] NULL answers 0.
 * @return 0 ... (slot_count + 1) / 2.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API uint32_t reshard_slot_set_range_count(const struct reshard_slot_set *set);

/** Next range of the set, from a cursor, in ascending order.
 * @param set [in] non-NULL. It may change between two calls.
 * @param cursor [in,out] a slot, 0 at the start; moved behind the range.
 * @param range_out [out] the next run of slots at or above the cursor, as far as it goes; it starts
 *   at the cursor when that lies inside of a run.
 * @return RESHARD_OK, or E_EMPTY when no slot is left, E_NULL.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_slot_set_range_next(
    const struct reshard_slot_set *set, uint32_t *cursor, struct reshard_range *range_out);

/** Add all slots of another set.
 * @param set [in,out] becomes the union.
 * @param other [in] may be the same set.
 * @return RESHARD_OK, or E_NULL, E_SLOT_COUNT (the two have different ones), E_NOMEM.
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: no.
 */
RESHARD_API int32_t reshard_slot_set_unite(
    struct reshard_slot_set *set, const struct reshard_slot_set *other);

/** Remove all slots of another set.
 * @param set [in,out] becomes the difference.
 * @param other [in] may be the same set.
 * @return RESHARD_OK, or E_NULL, E_SLOT_COUNT (the two have different ones), E_NOMEM.
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: no.
 */
RESHARD_API int32_t reshard_slot_set_subtract(
    struct reshard_slot_set *set, const struct reshard_slot_set *other);

/** Remove all slots that are not in another set.
 * @param set [in,out] becomes the intersection.
 * @param other [in] may be the same set.
 * @return RESHARD_OK, or E_NULL, E_SLOT_COUNT (the two have different ones), E_NOMEM.
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: no.
 */
RESHARD_API int32_t reshard_slot_set_intersect(
    struct reshard_slot_set *set, const struct reshard_slot_set *other);

/** Say whether two sets have the same slot_count and the same slots.
 * @param a [in] non-NULL.
 * @param b [in] non-NULL.
 * @return 1 equal, 0 different, or E_NULL.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_slot_set_equal(
    const struct reshard_slot_set *a, const struct reshard_slot_set *b);

/** Say whether two sets share a slot.
 * @param a [in] non-NULL.
 * @param b [in] non-NULL.
 * @return 1 they do, 0 they do not, or E_NULL, E_SLOT_COUNT (the two have different ones).
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_slot_set_overlap(
    const struct reshard_slot_set *a, const struct reshard_slot_set *b);

/** Replace the contents by ranges.
 * @param set [in,out] non-NULL.
 * @param ranges [in, borrowed for the call] in any order, adjacent ones allowed; NULL when
 *   range_count is 0.
 * @param range_count [in] items.
 * @return RESHARD_OK, or E_NULL, E_SLOT, E_OVERLAP (a slot is named twice), E_NOMEM.
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: no.
 */
RESHARD_API int32_t reshard_slot_set_import_ranges(
    struct reshard_slot_set *set, const struct reshard_range *ranges, size_t range_count);

/** Write the set as ranges: sorted, disjoint, not adjacent.
 * @param set [in] non-NULL.
 * @param ranges [out] range_capacity items; NULL when that is 0.
 * @param range_capacity [in] items.
 * @param range_count_out [out] items written; on E_SPACE those needed, ranges being unchanged.
 * @return RESHARD_OK, or E_NULL, E_SPACE.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_slot_set_export_ranges(const struct reshard_slot_set *set,
    struct reshard_range *ranges, size_t range_capacity, size_t *range_count_out);

/** Replace the contents by a bitmap: slot s is bit s % 8 (the lowest is 0) of byte s / 8, as on
 * Redis Cluster's bus.
 * @param set [in,out] non-NULL.
 * @param bytes [in, borrowed for the call] non-NULL.
 * @param size [in] bytes: (slot_count + 7) / 8 exactly.
 * @return RESHARD_OK, or E_NULL, E_ARGUMENT (size), E_SLOT (a bit at or above slot_count), E_NOMEM.
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: no.
 */
RESHARD_API int32_t reshard_slot_set_import_bitmap(
    struct reshard_slot_set *set, const uint8_t *bytes, size_t size);

/** Write the set as a bitmap, laid out as in reshard_slot_set_import_bitmap.
 * @param set [in] non-NULL.
 * @param bytes [out] capacity bytes; NULL when that is 0. Those behind the bitmap stay.
 * @param capacity [in] bytes.
 * @param size_out [out] bytes written: (slot_count + 7) / 8; on E_SPACE those needed, bytes being
 *   unchanged.
 * @return RESHARD_OK, or E_NULL, E_SPACE.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_slot_set_export_bitmap(
    const struct reshard_slot_set *set, uint8_t *bytes, size_t capacity, size_t *size_out);

/** Replace the contents by those of a text such as "0-1000,2000": decimal slots and ranges, in any
 * order, between them one comma and nothing else. The empty text is the empty set.
 * @param set [in,out] non-NULL.
 * @param text [in, borrowed for the call] text_size bytes, not NUL-terminated; NULL when 0.
 * @param text_size [in] bytes.
 * @param offset_out [out] NULL allowed; on E_SYNTAX, E_SLOT and E_OVERLAP the offset in text of the
 *   first byte that is wrong, or of the range that is.
 * @return RESHARD_OK, or E_NULL, E_SYNTAX, E_SLOT, E_OVERLAP (a slot is named twice), E_NOMEM.
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: no.
 */
RESHARD_API int32_t reshard_slot_set_parse(
    struct reshard_slot_set *set, const char *text, size_t text_size, size_t *offset_out);

/** Write the set as text, in the one form that reshard_slot_set_parse reads back: ascending,
 * without adjacent ranges.
 * @param set [in] non-NULL.
 * @param text [out] capacity bytes; a NUL is put behind the text. NULL when capacity is 0.
 * @param capacity [in] bytes, the NUL included.
 * @param text_size_out [out] bytes of the text without the NUL; set on E_SPACE too, text being
 *   unchanged: text_size_out + 1 bytes are needed.
 * @return RESHARD_OK, or E_NULL, E_SPACE.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_slot_set_format(
    const struct reshard_slot_set *set, char *text, size_t capacity, size_t *text_size_out);

RESHARD_END_DECLS

#endif
