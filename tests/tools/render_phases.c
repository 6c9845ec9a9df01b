/* SPDX-License-Identifier: MIT */
/* Render the rows of src/phase/phase_table.h as Markdown, to stdout: the diagrams, the phases with
 * their duties, the transitions, the routing tables. A test compares README.md with what this
 * prints; tests/oracle/rendered.py --update writes it there.
 */
#include "phase/phase.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

struct move {
    const char *label, *from, *event, *to; /* to = NULL: ignored */
};
struct duty {
    const char *phase, *source, *target, *event;
};
struct text {
    const char *name, *writer, *reader, *meaning;
};
struct answer {
    const char *stance, *asking, *presence, *verdicts[3];
};

#define MOVE(label, from, event, to) {#label, #from, #event, #to},
#define IGNORE(label, from, event) {#label, #from, #event, NULL},
static const struct move moves[] = {RESHARD__MOVE_ROWS(MOVE)};
static const struct move ignores[] = {RESHARD__IGNORE_ROWS(IGNORE)};

#define DUTY(phase, source, target) {#phase, #source, #target, NULL},
static const struct duty duties[] = {RESHARD__DUTY_ROWS(DUTY)};
#define NEED(phase, source, target, event) {#phase, #source, #target, #event},
static const struct duty needs[] = {RESHARD__NEED_ROWS(NEED)};
#define SETBACK(result, source, target) {#result, #source, #target, NULL},
static const struct duty setbacks[] = {RESHARD__SETBACK_ROWS(SETBACK)};

#define PHASE(name, writer, reader, invariant) {#name, writer, reader, invariant},
static const struct text phases[] = {RESHARD__PHASE_ROWS(PHASE)};
#define EVENT(name, meaning) {#name, NULL, NULL, meaning},
static const struct text events[] = {RESHARD__EVENT_ROWS(EVENT)};

#define STANCE(name, r, w, d, meaning) {#name, meaning, NULL, {#r, #w, #d}},
static const struct answer stances[] = {RESHARD__STANCE_ROWS(STANCE)};
#define KEYED(stance, asking, presence, r, w, d) {#stance, #asking, #presence, {#r, #w, #d}},
static const struct answer keyed[] = {RESHARD__KEYED_ROWS(KEYED)};

static bool one_of(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* Whether a row can be taken in this mode: neither of its phases nor its event is the other's. */
static bool in_mode(const struct move *move, bool keywise)
{
    static const char *const snapshot_only[] = {
        "COPY", "CATCHUP", "FREEZE", "PREPARED_SNAPSHOT", "ABORTED_SNAPSHOT"};
    static const char *const keywise_only[] = {
        "MOVE", "UNMOVE", "PREPARED_KEYWISE", "ABORTED_KEYWISE"};
    const char *const *others = keywise ? snapshot_only : keywise_only;
    size_t count = keywise ? COUNT(snapshot_only) : COUNT(keywise_only);
    return !one_of(move->from, others, count) && !one_of(move->to, others, count) &&
           !one_of(move->event, others, count);
}

static bool same_edge(const struct move *a, const struct move *b)
{
    return strcmp(a->from, b->from) == 0 && strcmp(a->to, b->to) == 0;
}

static const char *place(const char *phase)
{
    return strcmp(phase, "NONE") == 0 ? "[*]" : phase;
}

/* Rows between the same phases share an arrow; from a phase to itself would only clutter. */
static void edge_print(size_t first, bool keywise)
{
    if (strcmp(moves[first].from, moves[first].to) == 0)
        return;
    for (size_t i = 0; i < first; i++)
        if (in_mode(&moves[i], keywise) && same_edge(&moves[i], &moves[first]))
            return;
    printf("    %s --> %s: ", place(moves[first].from), moves[first].to);
    const char *between = "";
    for (size_t i = first; i < COUNT(moves); i++) {
        if (!in_mode(&moves[i], keywise) || !same_edge(&moves[i], &moves[first]))
            continue;
        printf("%s%s", between, moves[i].event);
        between = ", ";
    }
    printf("\n");
}

static void diagram_print(const char *title, bool keywise)
{
    printf("%s\n\n```mermaid\nstateDiagram-v2\n", title);
    for (size_t i = 0; i < COUNT(moves); i++)
        if (in_mode(&moves[i], keywise))
            edge_print(i, keywise);
    printf("    DONE --> [*]\n    REVERTED --> [*]\n```\n\n");
}

static const struct duty *duty_find(const struct duty *rows, size_t count, const char *phase)
{
    static const struct duty none = {"", "–", "–", NULL};
    for (size_t i = 0; i < count; i++)
        if (strcmp(rows[i].phase, phase) == 0)
            return &rows[i];
    return &none;
}

static const char *result_text(const char *result)
{
    return strcmp(result, "ANY") == 0 ? "–" : result;
}

static void phases_print(void)
{
    printf("What holds in a phase, what its order makes each side do, and the reports that end "
           "it.\n\n");
    printf("| phase | writes | reads | what holds | source's duty | target's duty "
           "| source reports | target reports |\n|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < COUNT(phases); i++) {
        const struct duty *duty = duty_find(duties, COUNT(duties), phases[i].name);
        const struct duty *need = duty_find(needs, COUNT(needs), phases[i].name);
        printf("| %s | %s | %s | %s | %s | %s | %s | %s |\n", phases[i].name, phases[i].writer,
            phases[i].reader, phases[i].meaning, duty->source, duty->target,
            result_text(need->source), result_text(need->target));
    }
    printf("\n");
}

static const char *meaning_of(const char *event)
{
    for (size_t i = 0; i < COUNT(events); i++)
        if (strcmp(events[i].name, event) == 0)
            return events[i].meaning;
    return "?";
}

static void details_begin(const char *title)
{
    printf("<details><summary>%s</summary>\n\n", title);
}

static void details_end(void)
{
    printf("\n</details>\n\n");
}

static void transitions_print(void)
{
    details_begin("Every transition");
    printf("A pair of phase and event that has no row is refused and changes nothing. A move gives "
           "a new\norder, also one that stays in its phase.\n\n");
    printf("| row | in | when | then |\n|---|---|---|---|\n");
    for (size_t i = 0; i < COUNT(moves); i++)
        printf("| %s | %s | %s: %s | %s |\n", moves[i].label, moves[i].from, moves[i].event,
            meaning_of(moves[i].event), moves[i].to);
    for (size_t i = 0; i < COUNT(ignores); i++)
        printf("| %s | %s | %s: %s | ignored |\n", ignores[i].label, ignores[i].from,
            ignores[i].event, meaning_of(ignores[i].event));
    printf("\nReports that lead back, where the phase has a row for the event:\n\n");
    printf("| report | from the source | from the target |\n|---|---|---|\n");
    for (size_t i = 0; i < COUNT(setbacks); i++)
        printf("| %s | %s | %s |\n", setbacks[i].phase, setbacks[i].source, setbacks[i].target);
    details_end();
}

static void routing_print(void)
{
    details_begin("How a node answers a request");
    printf("By slot alone:\n\n| stance | read | write | remove | who |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < COUNT(stances); i++)
        printf("| %s | %s | %s | %s | %s |\n", stances[i].stance, stances[i].verdicts[0],
            stances[i].verdicts[1], stances[i].verdicts[2], stances[i].asking);
    printf("\nWhere that says LOOKUP, by the request's keys. Without a row a source answers PARK, "
           "a target MOVED.\n\n");
    printf("| stance | ASKING | keys here | read | write | remove |\n|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < COUNT(keyed); i++)
        printf("| %s | %s | %s | %s | %s | %s |\n", keyed[i].stance, keyed[i].asking,
            keyed[i].presence, keyed[i].verdicts[0], keyed[i].verdicts[1], keyed[i].verdicts[2]);
    details_end();
}

int main(void)
{
    printf("Rendered from `src/phase/phase_table.h`, the rows that are executed.\n\n");
    diagram_print("Mode snapshot:", false);
    diagram_print("Mode keywise:", true);
    printf("Not drawn: moves that stay in their phase and give it a new order. They stand in the "
           "table.\n\n");
    phases_print();
    transitions_print();
    routing_print();
    return 0;
}
