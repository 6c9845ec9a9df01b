/* SPDX-License-Identifier: MIT */
/* Room sim: words of a statement, and what they stand for. */
#include "sim/script.h"

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

bool reshard__script_split(struct script *script, const char *line, size_t size)
{
    size_t length = 0;
    script->count = script->at = 0;
    while (size > 0 && memchr(line, '#', size))
        size--; /* a comment reaches to the end */
    for (size_t i = 0; i <= size; i++) {
        if (i < size && !blank(line[i])) {
            if (script->count == WORDS_MAX || length == WORD_SIZE - 1) {
                script->count = 0;
                reshard__script_need(script, false, "at most 32 words of at most 31 letters");
                return false;
            }
            script->words[script->count][length++] = line[i];
            continue;
        }
        if (length > 0)
            script->words[script->count++][length] = '\0';
        length = 0;
    }
    return true;
}

bool reshard__script_more(const struct script *script)
{
    return script->at < script->count;
}

void reshard__script_need(struct script *script, bool holds, const char *wanted)
{
    if (script->wanted || script->choice || (holds && !script->short_line))
        return;
    script->bad = true;
    script->wrong = script->at;
    script->wanted = wanted;
}

static void choice_say(struct text *text, const char *const *list)
{
    reshard__text_string(text, "one of");
    for (; *list; list++) {
        reshard__text_string(text, **list ? " " : "");
        reshard__text_string(text, *list);
    }
}

void reshard__script_complain(struct script *script, uint32_t line)
{
    struct text text = {0};
    if (script->short_line || script->wrong == 0) {
        reshard__text_string(&text, script->short_line ? "the line ends too early" : "the line");
    } else {
        reshard__text_char(&text, '"');
        reshard__text_string(&text, script->words[script->wrong - 1]);
        reshard__text_char(&text, '"');
    }
    reshard__text_string(&text, ": expected ");
    if (script->choice)
        choice_say(&text, script->choice);
    else
        reshard__text_string(&text, script->wanted ? script->wanted : "something else");
    reshard__text_char(&text, '\0');
    reshard__sim_say(script->sim, "SYNTAX in line %u: %s", (uint64_t)line, text.data);
    reshard__sim_release(text.data);
}

const char *reshard__script_next(struct script *script)
{
    if (script->at < script->count)
        return script->words[script->at++];
    script->short_line |= !script->bad;
    script->bad = true;
    return "";
}

bool reshard__script_word(struct script *script, const char *word)
{
    if (!reshard__script_more(script) || strcmp(script->words[script->at], word) != 0)
        return false;
    script->at++;
    return true;
}

/* Moves on behind them; false = none, or a number that is too large. */
static bool digits(const char **text, uint64_t *number)
{
    const char *first = *text;
    bool fits = true;
    for (*number = 0; **text >= '0' && **text <= '9'; ++*text) {
        fits &= *number < UINT64_MAX / 10 - 1;
        *number = *number * 10 + (uint64_t)(**text - '0');
    }
    return fits && *text > first;
}

uint64_t reshard__script_number(struct script *script)
{
    const char *text = reshard__script_next(script);
    uint64_t number;
    bool good = digits(&text, &number);
    reshard__script_need(script, good && *text == '\0', "a number");
    return number;
}

uint64_t reshard__script_time(struct script *script)
{
    static const struct {
        const char *name;
        uint64_t time_ns;
    } units[] = {{"us", SIM_MICRO}, {"ms", SIM_MILLI}, {"s", SIM_SECOND}};
    const char *text = reshard__script_next(script);
    uint64_t number, unit_ns = 0;
    bool good = digits(&text, &number);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(text, units[i].name) == 0)
            unit_ns = units[i].time_ns;
    good = good && unit_ns > 0 && number < UINT64_MAX / unit_ns / 2;
    reshard__script_need(script, good, "a time: 50us, 5ms, 2s");
    return good ? number * unit_ns : 0;
}

/* A letter and a number. */
static uint64_t lettered(
    struct script *script, const char *word, char letter, const char *wanted)
{
    uint64_t number = 0;
    bool good = *word == letter;
    word += *word != '\0';
    good = digits(&word, &number) && good && *word == '\0';
    reshard__script_need(script, good, wanted);
    return number;
}

reshard_node_id reshard__script_host(struct script *script)
{
    const char *word = reshard__script_next(script);
    if (*word == 'c')
        return lettered(script, word, 'c', "a coordinator: c1") + SIM_COORDINATOR - 1;
    return lettered(script, word, 'n', "a node or a coordinator: n1, c1");
}

struct host *reshard__script_process(struct script *script)
{
    struct host *host = reshard__host_find(script->sim, reshard__script_host(script));
    reshard__script_need(script, host != NULL, "a node or a coordinator that there is");
    return host;
}

struct host *reshard__script_node(struct script *script)
{
    struct host *host = reshard__script_process(script);
    reshard__script_need(script, host && host->disk, "a node, not a coordinator");
    return host;
}

reshard_shard_id reshard__script_shard(struct script *script)
{
    return (reshard_shard_id)lettered(script, reshard__script_next(script), 's', "a shard: s1");
}

uint32_t reshard__script_key(struct script *script)
{
    static const char wanted[] = "a key, k0 or another below `world keys`";
    uint64_t key = lettered(script, reshard__script_next(script), 'k', wanted);
    reshard__script_need(script, key < script->sim->set.key_count, wanted);
    return script->bad ? 0 : (uint32_t)key;
}

struct reshard_range reshard__script_range(
    struct script *script, uint32_t count, const char *wanted)
{
    const char *text = reshard__script_next(script);
    uint64_t first, last;
    bool good = digits(&text, &first);
    last = first;
    if (*text == '-') {
        text++;
        good &= digits(&text, &last);
    }
    good = good && *text == '\0' && first <= last && last < count;
    reshard__script_need(script, good, wanted);
    return good ? (struct reshard_range){(uint32_t)first, (uint32_t)last}
                : (struct reshard_range){0, 0};
}

struct reshard_range reshard__script_slots(struct script *script)
{
    return reshard__script_range(
        script, script->sim->set.slot_count, "slots below `world slots`: 3 or 0-7");
}

uint32_t reshard__script_phase(struct script *script)
{
    const char *word = reshard__script_next(script);
    for (uint32_t phase = 0; phase < RESHARD_PHASE_COUNT; phase++)
        if (strcmp(word, reshard_phase_name(phase)) == 0)
            return phase;
    reshard__script_need(script, false, "a phase: PREPARE, COPY, CATCHUP, MOVE, FREEZE, ...");
    return 0;
}

uint32_t reshard__script_choice(struct script *script, const char *const *list)
{
    const char *word = reshard__script_next(script);
    for (uint32_t i = 0; list[i]; i++)
        if (strcmp(word, list[i]) == 0 && *word)
            return i;
    if (!script->wanted && !script->choice) {
        script->choice = list;
        script->wrong = script->at;
    }
    script->bad = true;
    return 0;
}
