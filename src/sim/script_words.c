/* SPDX-License-Identifier: MIT */
/* Room sim: words of a statement, and what they stand for. */
#include "sim/script.h"

bool reshard__script_split(struct script *script, const char *line, size_t size)
{
    size_t length = 0;
    script->count = script->at = 0;
    while (size > 0 && memchr(line, '#', size))
        size--; /* a comment reaches to the end */
    for (size_t i = 0; i <= size; i++) {
        if (i < size && line[i] != ' ') {
            if (script->count == WORDS_MAX || length == WORD_SIZE - 1)
                return false;
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

const char *reshard__script_next(struct script *script)
{
    if (script->at < script->count)
        return script->words[script->at++];
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

static uint64_t digits(struct script *script, const char **text)
{
    uint64_t number = 0;
    if (**text < '0' || **text > '9')
        script->bad = true;
    for (; **text >= '0' && **text <= '9'; ++*text)
        number = number * 10 + (uint64_t)(**text - '0');
    return number;
}

uint64_t reshard__script_number(struct script *script)
{
    const char *text = reshard__script_next(script);
    uint64_t number = digits(script, &text);
    script->bad |= *text != '\0';
    return number;
}

uint64_t reshard__script_time(struct script *script)
{
    const char *text = reshard__script_next(script);
    uint64_t number = digits(script, &text);
    if (strcmp(text, "us") == 0)
        return number * SIM_MICRO;
    if (strcmp(text, "ms") == 0)
        return number * SIM_MILLI;
    script->bad |= strcmp(text, "s") != 0;
    return number * SIM_SECOND;
}

static uint64_t lettered(struct script *script, const char *word, char letter)
{
    script->bad |= *word != letter;
    word += *word != '\0';
    uint64_t number = digits(script, &word);
    script->bad |= *word != '\0';
    return number;
}

reshard_node_id reshard__script_host(struct script *script)
{
    const char *word = reshard__script_next(script);
    if (*word == 'c')
        return lettered(script, word, 'c') + SIM_COORDINATOR - 1;
    return lettered(script, word, 'n');
}

reshard_shard_id reshard__script_shard(struct script *script)
{
    return (reshard_shard_id)lettered(script, reshard__script_next(script), 's');
}

uint32_t reshard__script_key(struct script *script)
{
    uint64_t key = lettered(script, reshard__script_next(script), 'k');
    script->bad |= key >= script->sim->set.key_count;
    return script->bad ? 0 : (uint32_t)key;
}

struct reshard_range reshard__script_range(struct script *script)
{
    const char *text = reshard__script_next(script);
    struct reshard_range range;
    range.first = range.last = (uint32_t)digits(script, &text);
    if (*text == '-') {
        text++;
        range.last = (uint32_t)digits(script, &text);
    }
    script->bad |= *text != '\0' || range.first > range.last;
    return range;
}

uint32_t reshard__script_phase(struct script *script)
{
    const char *word = reshard__script_next(script);
    for (uint32_t phase = 0; phase < RESHARD_PHASE_COUNT; phase++)
        if (strcmp(word, reshard_phase_name(phase)) == 0)
            return phase;
    script->bad = true;
    return 0;
}

uint32_t reshard__script_choice(struct script *script, const char *const *list)
{
    const char *word = reshard__script_next(script);
    for (uint32_t i = 0; list[i]; i++)
        if (strcmp(word, list[i]) == 0)
            return i;
    script->bad = true;
    return 0;
}
