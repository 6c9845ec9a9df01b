/* SPDX-License-Identifier: MIT */
/* The schema itself: sound tables, and an older profile that must go on to interoperate. */
#include "tools/wire_values.h"
#include <criterion/criterion.h>

static void expect_sound_field(const struct reshard__schema *schema, uint32_t i, size_t struct_size)
{
    const struct reshard__field *field = &schema->fields[i];
    bool counted = field->type == RESHARD__TEXT || field->type == RESHARD__RANGES;
    cr_assert_leq(field->min, field->max);
    cr_assert(field->since >= 1 && field->since <= RESHARD__PROTOCOL);
    cr_assert(field->offset < struct_size && field->count_offset < struct_size);
    cr_assert_eq(counted, field->count_offset > 0);
    if (field->type == RESHARD__UINT && field->width == 4)
        cr_assert_leq(field->max, UINT32_MAX, "%s.%s", schema->name, field->name);
    if (field->type == RESHARD__UINT)
        cr_assert(field->width == 4 || field->width == 8);
    for (uint32_t k = 0; k < i; k++) {
        cr_assert_neq(schema->fields[k].offset, field->offset, "%s", field->name);
        cr_assert_str_neq(schema->fields[k].name, field->name);
        cr_assert_leq(schema->fields[k].since, field->since, "appended in the middle");
    }
}

static void expect_sound(const struct reshard__schema *schema, size_t struct_size)
{
    cr_assert_leq(schema->field_count + 1, RESHARD__MEMBERS_MAX);
    for (uint32_t i = 0; i < schema->field_count; i++)
        expect_sound_field(schema, i, struct_size);
}

Test(schema, tables_are_sound)
{
    const struct reshard__schema_set *sets[] = {
        &reshard__message_schemas, &reshard__change_schemas, &reshard__record_schemas};
    for (size_t s = 0; s < 3; s++)
        for (uint32_t i = 0; i < sets[s]->row_count; i++) {
            cr_assert_eq(sets[s]->rows[i].kind, i + 1);
            cr_assert_eq(reshard__schema_find(sets[s], i + 1), &sets[s]->rows[i]);
            expect_sound(&sets[s]->rows[i], sets[s]->struct_size);
        }
    cr_assert_null(reshard__schema_find(sets[0], 0));
    cr_assert_null(reshard__schema_find(sets[0], 7));
    cr_assert_null(reshard__schema_find(sets[0], UINT64_MAX));
    expect_sound(reshard__snapshot_schemas.rows, reshard__snapshot_schemas.struct_size);
    expect_sound(reshard__snapshot_node_schemas.rows, reshard__snapshot_node_schemas.struct_size);
    expect_sound(reshard__snapshot_shard_schemas.rows, reshard__snapshot_shard_schemas.struct_size);
    expect_sound(
        reshard__snapshot_migration_schemas.rows, reshard__snapshot_migration_schemas.struct_size);
}

/* How many members version 1 of the protocol had. Frozen: a later version may have more, and these
 * numbers stay, so that its peers of version 1 are still understood and still understand it. Until
 * there is a later one, `fewer` stands for version 0: the members that version 1 could do without.
 */
static const struct {
    uint32_t version_1;
    uint32_t fewer;
} message_members[] = {{6, 3}, {4, 3}, {12, 8}, {18, 12}, {9, 6}, {8, 4}};

/* A schema cut down to its first members. */
static struct reshard__schema older(const struct reshard__schema *schema, uint32_t field_count)
{
    struct reshard__schema cut = *schema;
    cut.field_count = field_count;
    return cut;
}

static int32_t decode(const struct reshard__schema *schema, const uint8_t *bytes, size_t size,
    struct reshard__message *message)
{
    const struct reshard__schema_set set = {"one", schema, 1, sizeof *message};
    struct reshard__walk walk;
    size_t error_offset;
    int32_t status =
        reshard__array_check(&set, bytes, size, 0, RESHARD__ITEMS_MAX, NULL, &walk, &error_offset);
    if (status)
        return status;
    reshard__fields_fill(&set, bytes, &walk, NULL, message);
    message->type = schema->kind;
    return RESHARD_OK;
}

static size_t encode(
    const struct reshard__schema *schema, const struct reshard__message *message, uint8_t *bytes)
{
    static const struct reshard__encode_options options = {false, NULL, NULL};
    struct reshard__writer writer = {bytes, 4096, 0};
    size_t size = 0;
    cr_assert_eq(reshard__fields_encode(schema, message, &options, &writer), RESHARD_OK);
    cr_assert_eq(reshard__writer_finish(&writer, &size), RESHARD_OK);
    return size;
}

Test(schema, older_profile_and_this_one_understand_each_other)
{
    static struct wire_source source;
    wire_source_init(&source, 20240507);
    for (uint32_t i = 0; i < 60000; i++) {
        const struct reshard__schema *now = &reshard__message_schemas.rows[i % 6];
        struct reshard__schema old = older(now, message_members[i % 6].fewer);
        struct reshard__message in, out;
        uint8_t bytes[4096], again[4096];
        memset(&in, 0, sizeof in);
        in.type = now->kind;
        wire_draw_fields(&source, now, &in);
        /* new to old: what the old one knows arrives, the rest is skipped */
        size_t size = encode(now, &in, bytes);
        cr_assert_eq(decode(&old, bytes, size, &out), RESHARD_OK);
        cr_assert(wire_fields_equal(&old, &in, &out));
        /* old to new: the same, the rest has its default; and it goes back unchanged */
        size = encode(&old, &in, bytes);
        cr_assert_eq(decode(now, bytes, size, &out), RESHARD_OK);
        cr_assert(wire_fields_equal(&old, &in, &out));
        for (uint32_t k = old.field_count; k < now->field_count; k++)
            cr_assert(wire_field_equal(&now->fields[k], (const uint8_t *)&out,
                (const uint8_t *)&(struct reshard__message){0}));
        cr_assert_eq(encode(now, &out, again), size);
        cr_assert_eq(memcmp(bytes, again, size), 0);
    }
}

/* Bytes that version 1 wrote, every member set, member i (from 1) to i: the frozen profile. Digests
 * have a high half of 1 and a low half of 2; byte strings have one byte. */
static const char *const frozen[] = {
    "\x87\x01\x01\x02\x03\x04\x05\x06",
    "\x85\x02\x01\x02\x41x\x41x",
    "\x8D\x03\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0A\x0B\x0C",
    ("\x93\x04\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0A\x0B\x0C"
     "\x50\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\x0E\x0F\x10\x11\x12"),
    "\x8B\x05\x01\x02\x03\x04\x05\x06\x07\x50\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\x09\x41x",
    "\x89\x06\x01\x02\x03\x04\x05\x03\x07\x41x",
};
static const size_t frozen_sizes[] = {8, 8, 14, 36, 29, 11};

static void expect_numbers(const uint64_t *numbers, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        cr_assert(numbers[i] == 0 || numbers[i] == i + 1, "%s: member %zu", name, i + 1);
}

/* Members in the order of version 1; 0 for those that are no integers. */
static void expect_frozen(const struct reshard__message *m)
{
    const uint64_t numbers[6][18] = {
        {m->protocol, m->node, m->slot_count, m->boot, m->features, m->map_version},
        {m->from, m->to},
        {m->migration, m->order.term, m->order.n, m->phase, m->map_version, m->copy.term, m->copy.n,
            m->sequence, m->attempt, m->flags, m->budget, m->freeze_ns},
        {m->migration, m->order.term, m->order.n, m->phase, m->result, m->copy.term, m->copy.n,
            m->attempt, m->epoch, m->sequence, m->durable_sequence, m->final_sequence, 0,
            m->progress_keys, m->progress_bytes, m->lag_bytes, m->pause_ns, m->flags},
        {m->migration, m->copy.term, m->copy.n, m->kind, m->sequence, m->attempt, m->final_sequence,
            0, m->flags},
        {m->migration, m->copy.term, m->copy.n, m->sequence, m->durable_sequence,
            m->answer == RESHARD__ANSWER_ABSENT ? 6 : 99, m->flags},
    };
    static const size_t bytes_count[6] = {0, 2, 0, 0, 1, 1};
    static const uint64_t has_digest[6] = {0, 0, 0, 1, 1, 0};
    uint32_t i = m->type - 1;
    expect_numbers(numbers[i], 18, reshard__message_schemas.rows[i].name);
    cr_assert_eq(m->digest.high, has_digest[i]);
    cr_assert_eq(m->digest.low, 2 * has_digest[i]);
    cr_assert_eq(m->changes.size + m->snapshot.size + m->payload.size, bytes_count[i]);
}

Test(schema, members_of_version_1_stand_where_they_stood)
{
    for (uint32_t i = 0; i < 6; i++) {
        const struct reshard__schema *now = &reshard__message_schemas.rows[i];
        struct reshard__message message;
        uint8_t again[64];
        cr_assert_geq(now->field_count, message_members[i].version_1);
        cr_assert_eq(
            decode(now, (const uint8_t *)frozen[i], frozen_sizes[i], &message), RESHARD_OK);
        expect_frozen(&message);
        cr_assert_eq(encode(now, &message, again), frozen_sizes[i]);
        cr_assert_eq(memcmp(again, frozen[i], frozen_sizes[i]), 0);
    }
}
