/* SPDX-License-Identifier: MIT */
/* Room audit: names, severities and sentences, from one table each for findings and steps. */
#include "audit/audit.h"

#include <string.h>

/* In a sentence %r stands for ranges, %n node, %o other_node, %s shard, %t other_shard, %m
 * migration, %v version, %w other_version, %k keys, %a age, %i idle, %p phase, %h have, %g want. */
struct sentence {
    uint32_t code;
    uint32_t level; /* a finding's severity, a step's flags */
    const char *name;
    const char *text;
};

static const struct sentence findings[] = {
    {RESHARD_FINDING_UNCOVERED, RESHARD_SEVERITY_ERROR, "uncovered", "%r: no shard owns them"},
    {RESHARD_FINDING_TWO_OWNERS, RESHARD_SEVERITY_CRITICAL, "two-owners",
        "%r: node %n and node %o both serve them"},
    {RESHARD_FINDING_WRONG_OWNER, RESHARD_SEVERITY_CRITICAL, "wrong-owner",
        "%r: node %n of shard %s serves them, but they belong to shard %t"},
    {RESHARD_FINDING_UNSERVED, RESHARD_SEVERITY_ERROR, "unserved",
        "%r: they belong to shard %s, but its primary, node %n, does not serve them"},
    {RESHARD_FINDING_MIGRATION_OPEN, RESHARD_SEVERITY_NOTE, "migration-open",
        "migration %m from shard %s to shard %t is open in phase %p: opened %a ago, last progress "
        "%i ago, %r"},
    {RESHARD_FINDING_MIGRATION_STUCK, RESHARD_SEVERITY_WARNING, "migration-stuck",
        "migration %m from shard %s to shard %t is stuck in phase %p: opened %a ago, no progress "
        "for %i, %r"},
    {RESHARD_FINDING_MIGRATION_LEFTOVER, RESHARD_SEVERITY_WARNING, "migration-leftover",
        "node %n still has migration %m from shard %s to shard %t, which is not open in the map, "
        "%r"},
    {RESHARD_FINDING_ORPHAN, RESHARD_SEVERITY_WARNING, "orphan",
        "%r: node %n of shard %s holds %k keys of them, does not own them, and no record "
        "explains it"},
    {RESHARD_FINDING_QUARANTINE, RESHARD_SEVERITY_NOTE, "quarantine",
        "%r: node %n of shard %s keeps data of them (%k keys) under quarantine"},
    {RESHARD_FINDING_UNREACHABLE, RESHARD_SEVERITY_WARNING, "unreachable",
        "node %n of shard %s did not answer, %r"},
    {RESHARD_FINDING_IMBALANCE, RESHARD_SEVERITY_WARNING, "imbalance",
        "shard %s owns %h slots, its share is %g"},
    {RESHARD_FINDING_BEHIND, RESHARD_SEVERITY_WARNING, "behind",
        "node %n has map version %v, the newest is %w"},
    {RESHARD_FINDING_AHEAD, RESHARD_SEVERITY_CRITICAL, "ahead",
        "node %n has map version %v, but the authority's is %w: its journal lost history"},
    {RESHARD_FINDING_DIVERGED, RESHARD_SEVERITY_CRITICAL, "diverged",
        "node %n has map version %v with another content than the reference"},
    {RESHARD_FINDING_STRANGER, RESHARD_SEVERITY_WARNING, "stranger",
        "node %n answered, but the map does not have it"},
    {RESHARD_FINDING_MEMBERSHIP, RESHARD_SEVERITY_WARNING, "membership",
        "node %n acts for shard %s, or in a role, that the map does not give it: it is of shard "
        "%t there"},
    {RESHARD_FINDING_HEADLESS, RESHARD_SEVERITY_ERROR, "headless",
        "%r: shard %s owns them and has no primary"},
};

static const struct sentence steps[] = {
    {RESHARD_FIX_STEP_SEND_MAP, 0, "send-map", "send node %n the authority's map"},
    {RESHARD_FIX_STEP_CLOSE, 0, "close", "tell node %n how migration %m ended"},
    {RESHARD_FIX_STEP_REVIVE, RESHARD_FIX_BY_HAND, "revive",
        "by hand: bring node %n back, remove it, or fail shard %s over; then audit again"},
    {RESHARD_FIX_STEP_PROMOTE, RESHARD_FIX_BY_HAND, "promote",
        "by hand: give shard %s a primary, such as node %n (0: none answered)"},
    {RESHARD_FIX_STEP_ENROL, RESHARD_FIX_BY_HAND, "enrol",
        "by hand: add node %n to the map, or stop it"},
    {RESHARD_FIX_STEP_RECOVER, RESHARD_FIX_BY_HAND, "recover",
        "by hand: recover the authority's journal up to version %v, which node %n has"},
    {RESHARD_FIX_STEP_RESUME, 0, "resume", "resume migration %m with a new order"},
    {RESHARD_FIX_STEP_ABORT, 0, "abort", "abort migration %m"},
    {RESHARD_FIX_STEP_RELEASE, RESHARD_FIX_CONFIRM, "release",
        "node %n stops serving %r; its data stays under quarantine"},
    {RESHARD_FIX_STEP_ASSIGN, 0, "assign", "assign %r to shard %s"},
    {RESHARD_FIX_STEP_QUARANTINE, 0, "quarantine", "node %n puts its data of %r under quarantine"},
    {RESHARD_FIX_STEP_GIVE, 0, "give",
        "node %n gives its quarantined data of %r to shard %s, whose own copy of a key wins"},
    {RESHARD_FIX_STEP_PURGE, RESHARD_FIX_CONFIRM, "purge",
        "node %n deletes its quarantined data of %r"},
    {RESHARD_FIX_STEP_SERVE, RESHARD_FIX_CONFIRM, "serve",
        "node %n, primary of shard %s, starts to serve %r"},
    {RESHARD_FIX_STEP_MOVE, 0, "move", "move %r from shard %s to shard %t"},
};

/* Ranges that one sentence names. */
enum { RANGES_NAMED_MAX = 8 };

struct text {
    char bytes[RESHARD_AUDIT_TEXT_SIZE_MAX];
    size_t size;
};

static void put(struct text *text, const char *part)
{
    size_t size = strlen(part);
    RESHARD_ASSERT(text->size + size < sizeof text->bytes);
    memcpy(text->bytes + text->size, part, size + 1);
    text->size += size;
}

static void put_number(struct text *text, uint64_t number)
{
    char digits[24];
    size_t at = sizeof digits;
    digits[--at] = '\0';
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    put(text, digits + at);
}

static void put_duration(struct text *text, uint64_t ns)
{
    put_number(text, ns / 1000000000);
    put(text, ".");
    uint64_t tenths = ns / 100000000 % 10;
    put_number(text, tenths);
    put(text, " s");
}

static void put_ranges(struct text *text, const struct reshard_finding *item)
{
    uint32_t named = 0;
    put(text, item->range_count == 0 ? "no slots" : item->slot_count == 1 ? "slot " : "slots ");
    for (; named < item->range_count && named < RANGES_NAMED_MAX; named++) {
        if (named > 0)
            put(text, ",");
        put_number(text, item->ranges[named].first);
        if (item->ranges[named].last == item->ranges[named].first)
            continue;
        put(text, "-");
        put_number(text, item->ranges[named].last);
    }
    if (named < item->range_count) {
        put(text, " and ");
        put_number(text, item->range_count - named);
        put(text, " more ranges");
    }
    if (item->slot_count > 1) {
        put(text, " (");
        put_number(text, item->slot_count);
        put(text, " slots)");
    }
}

static uint64_t number_of(const struct reshard_finding *item, char what)
{
    const struct {
        char what;
        uint64_t number;
    } numbers[] = {{'n', item->node}, {'o', item->other_node}, {'s', item->shard},
        {'t', item->other_shard}, {'m', item->migration}, {'v', item->version},
        {'w', item->other_version}, {'k', item->keys}, {'p', item->phase}, {'h', item->have},
        {'g', item->want}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].what == what)
            return numbers[i].number;
    RESHARD_ASSERT(false); /* sentences use known letters only */
    return 0;
}

static void put_sentence(
    struct text *text, const char *sentence, const struct reshard_finding *item)
{
    char one[2] = {0, 0};
    for (const char *at = sentence; *at; at++) {
        one[0] = *at;
        if (*at != '%') {
            put(text, one);
            continue;
        }
        at++;
        if (*at == 'r')
            put_ranges(text, item);
        else if (*at == 'a' || *at == 'i')
            put_duration(text, *at == 'a' ? item->age_ns : item->idle_ns);
        else
            put_number(text, number_of(item, *at));
    }
}

static const struct sentence *sentence_find(
    const struct sentence *table, size_t count, uint32_t code)
{
    for (size_t i = 0; i < count; i++)
        if (table[i].code == code)
            return &table[i];
    return NULL;
}

static int32_t format(const struct sentence *sentence, const struct reshard_finding *item,
    char *out, size_t capacity, size_t *text_size_out)
{
    struct text text = {.size = 0};
    if (!sentence)
        return RESHARD_E_KIND;
    if (item->range_count && !item->ranges)
        return RESHARD_E_NULL;
    put_sentence(&text, sentence->text, item);
    if (text_size_out)
        *text_size_out = text.size;
    if (text.size >= capacity)
        return RESHARD_E_SPACE;
    memcpy(out, text.bytes, text.size + 1);
    return RESHARD_OK;
}

/* A silent node is worse when slots hang on it. */
uint32_t reshard__audit_severity(const struct reshard_finding *finding)
{
    const struct sentence *sentence =
        sentence_find(findings, sizeof findings / sizeof *findings, finding->code);
    RESHARD_ASSERT(sentence);
    if (finding->code == RESHARD_FINDING_UNREACHABLE && finding->slot_count)
        return RESHARD_SEVERITY_ERROR;
    return sentence->level;
}

uint32_t reshard__fix_step_flags(uint32_t kind)
{
    const struct sentence *sentence = sentence_find(steps, sizeof steps / sizeof *steps, kind);
    RESHARD_ASSERT(sentence);
    return sentence->level;
}

const char *reshard_finding_name(uint32_t code)
{
    const struct sentence *sentence =
        sentence_find(findings, sizeof findings / sizeof *findings, code);
    return sentence ? sentence->name : "?";
}

int32_t reshard_finding_format(
    const struct reshard_finding *finding, char *text, size_t capacity, size_t *text_size_out)
{
    struct reshard_finding known;
    if (!text && capacity)
        return RESHARD_E_NULL;
    int32_t status = reshard__struct_import(&known, sizeof known, sizeof known, finding);
    if (status)
        return status;
    return format(sentence_find(findings, sizeof findings / sizeof *findings, known.code), &known,
        text, capacity, text_size_out);
}

const char *reshard_fix_step_name(uint32_t kind)
{
    const struct sentence *sentence = sentence_find(steps, sizeof steps / sizeof *steps, kind);
    return sentence ? sentence->name : "?";
}

int32_t reshard_fix_step_format(
    const struct reshard_fix_step *step, char *text, size_t capacity, size_t *text_size_out)
{
    struct reshard_fix_step known;
    if (!text && capacity)
        return RESHARD_E_NULL;
    int32_t status = reshard__struct_import(&known, sizeof known, sizeof known, step);
    if (status)
        return status;
    struct reshard_finding item = {.node = known.node,
        .shard = known.shard,
        .other_shard = known.other_shard,
        .migration = known.migration,
        .version = known.version,
        .slot_count = known.slot_count,
        .range_count = known.range_count,
        .ranges = known.ranges};
    return format(sentence_find(steps, sizeof steps / sizeof *steps, known.kind), &item, text,
        capacity, text_size_out);
}
