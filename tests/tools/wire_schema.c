/* SPDX-License-Identifier: MIT */
/* Render the wire schema: `wire-schema cddl`, `wire-schema table` or `wire-schema version-1` to
 * stdout. The results are kept under tests/data; tests compare them with what this prints.
 */
#include "wire/schema.h"
#include <stdio.h>
#include <string.h>

static void bounds_print(const struct reshard__field *field)
{
    unsigned long long min = field->min, max = field->max;
    if (min == 0 && max == UINT64_MAX)
        printf("uint");
    else
        printf("%llu..%llu", min, max);
}

static void size_print(const struct reshard__field *field)
{
    if (field->min == 0 && field->max == UINT32_MAX)
        printf("bstr");
    else
        printf("bstr .size (%llu..%llu)", (unsigned long long)field->min,
            (unsigned long long)field->max);
}

static void type_print(const struct reshard__field *field)
{
    switch (field->type) {
    case RESHARD__UINT:
        bounds_print(field);
        break;
    case RESHARD__DIGEST:
        printf("digest");
        break;
    case RESHARD__BYTES:
    case RESHARD__TEXT:
        size_print(field);
        break;
    case RESHARD__RANGES:
        printf("ranges");
        break;
    default:
        printf("[* %s]", field->element ? field->element->name : "uint");
        break;
    }
}

/* Members behind the last required one may be left out. */
static uint32_t required_count(const struct reshard__schema *schema)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < schema->field_count; i++)
        if (schema->fields[i].min > 0)
            count = i + 1;
    return count;
}

static void rule_print(const struct reshard__schema *schema)
{
    uint32_t required = required_count(schema);
    printf("\n; %s\n%s = [\n", schema->doc, schema->name);
    if (schema->kind)
        printf("  type: %lu,\n", (unsigned long)schema->kind);
    for (uint32_t i = 0; i < schema->field_count; i++) {
        const struct reshard__field *field = &schema->fields[i];
        printf("  %s%s: ", i < required ? "" : "? ", field->name);
        type_print(field);
        printf(",%s%s\n", field->doc[0] ? " ; " : "", field->doc);
    }
    printf("  * more\n]\n");
}

static void set_print(const struct reshard__schema_set *set)
{
    printf("\n%s =\n", set->name);
    for (size_t i = 0; i < set->row_count; i++)
        printf("  %s%s\n", set->rows[i].name, i + 1 < set->row_count ? " /" : "");
    for (size_t i = 0; i < set->row_count; i++)
        rule_print(&set->rows[i]);
}

static void cddl_print(void)
{
    printf("; SPDX-License-Identifier: MIT\n"
           "; Rendered from src/wire/schema.c by tests/tools/wire_schema.c.\n"
           ";\n"
           "; Shortest heads, definite lengths. Members that are 0 or empty are left out at the\n"
           "; end of an array; a reader takes a missing member as 0 or empty and skips members\n"
           "; that it does not know. Weights are IEEE 754 bits. A message is preceded by the\n"
           "; XXH3-64 of its bytes, 8 bytes little-endian.\n"
           "\n"
           "; what a later version may append\n"
           "more = uint / bstr / [* more]\n"
           "\n"
           "; high half first, big-endian; all-zero is empty\n"
           "digest = bstr .size 16 / bstr .size 0\n"
           "\n"
           "; pairs of gap and length - 1\n"
           "ranges = [* uint]\n");
    set_print(&reshard__message_schemas);
    set_print(&reshard__change_schemas);
    set_print(&reshard__record_schemas);
    rule_print(reshard__snapshot_schemas.rows);
    rule_print(reshard__snapshot_node_schemas.rows);
    rule_print(reshard__snapshot_shard_schemas.rows);
    rule_print(reshard__snapshot_migration_schemas.rows);
}

static void table_print(const struct reshard__schema *schema)
{
    printf("\n### %s\n\n%s.\n\n", schema->name, schema->doc);
    printf("| # | member | type | since | meaning |\n|--:|---|---|--:|---|\n");
    uint32_t first = schema->kind ? 1 : 0;
    if (schema->kind)
        printf("| 0 | type | %lu | 1 | |\n", (unsigned long)schema->kind);
    for (uint32_t i = 0; i < schema->field_count; i++) {
        const struct reshard__field *field = &schema->fields[i];
        printf("| %lu | %s | `", (unsigned long)(i + first), field->name);
        type_print(field);
        printf("` | %u | %s |\n", (unsigned)field->since, field->doc);
    }
}

static void set_table_print(const struct reshard__schema_set *set, const char *title)
{
    printf("\n## %s\n", title);
    for (size_t i = 0; i < set->row_count; i++)
        table_print(&set->rows[i]);
}

static void tables_print(void)
{
    printf("<!-- SPDX-License-Identifier: MIT -->\n"
           "# Wire format, version %d\n\n"
           "Rendered from `src/wire/schema.c` by `tests/tools/wire_schema.c`; the same as "
           "`reshard.cddl`.\n",
        RESHARD__PROTOCOL);
    set_table_print(&reshard__message_schemas, "Messages");
    set_table_print(&reshard__change_schemas, "Changes of the slot map");
    set_table_print(&reshard__record_schemas, "Journal records");
    printf("\n## Snapshot of the slot map\n");
    table_print(reshard__snapshot_schemas.rows);
    table_print(reshard__snapshot_node_schemas.rows);
    table_print(reshard__snapshot_shard_schemas.rows);
    table_print(reshard__snapshot_migration_schemas.rows);
}

/* Members that version 1 had, each with its place. Members that come later are left out, so the
 * text never changes. */
static void version_1_print(const struct reshard__schema *schema)
{
    const uint32_t first = schema->kind ? 1 : 0;
    for (uint32_t i = 0; i < schema->field_count; i++) {
        if (schema->fields[i].since > 1)
            continue;
        printf("%s %lu[%lu] %s: ", schema->name, (unsigned long)schema->kind,
            (unsigned long)(i + first), schema->fields[i].name);
        type_print(&schema->fields[i]);
        printf("\n");
    }
}

static void versions_print(void)
{
    static const struct reshard__schema_set *const sets[] = {&reshard__message_schemas,
        &reshard__change_schemas, &reshard__record_schemas, &reshard__snapshot_schemas,
        &reshard__snapshot_node_schemas, &reshard__snapshot_shard_schemas,
        &reshard__snapshot_migration_schemas};
    printf(
        "# SPDX-License-Identifier: MIT\n"
        "# Version 1 of the wire format, frozen: peers and journals of that version exist. What\n"
        "# changes a line here breaks them. NAME TYPE[PLACE] MEMBER: BOUNDS\n");
    for (size_t s = 0; s < sizeof sets / sizeof *sets; s++)
        for (size_t i = 0; i < sets[s]->row_count; i++)
            version_1_print(&sets[s]->rows[i]);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "cddl") == 0)
        cddl_print();
    else if (argc == 2 && strcmp(argv[1], "table") == 0)
        tables_print();
    else if (argc == 2 && strcmp(argv[1], "version-1") == 0)
        versions_print();
    else
        return 2;
    return 0;
}
