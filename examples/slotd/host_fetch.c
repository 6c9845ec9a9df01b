/* SPDX-License-Identifier: MIT */
/* Room host: a key that moves alone comes without the bytes of a value in pieces. The receiver asks
 * the giver for them, some at a time, before the APPLY that brought the key completes: neither side
 * ever holds more of the value than a few pieces. The giver has locked the key until then. What has
 * come is a partial row, which nobody sees; when it does not go on, the APPLY fails and is asked
 * for again, and the value begins anew.
 *
 * REQUEST = number 8 | offset 8 | the record that the item came with
 * ANSWER  = number 8 | the record that goes on at that offset, or nothing: it is not there
 */
#include "host.h"

#include "log.h"

#include <stdlib.h>

enum { REQUEST_HEAD = 16, ANSWER_HEAD = 8, ASKED_PIECES = 4 };
#define AGAIN_NS ((uint64_t)1000000000) /* nothing has come: ask again */
#define GIVE_UP_NS ((uint64_t)5000000000)

struct host_fetch {
    struct host_fetch *next;
    struct reshard_action action;
    uint64_t number;
    struct buffer heads;    /* records of the items that lack something */
    size_t at;              /* the one whose value is under way */
    struct store_part part; /* of it, what is here */
    uint64_t asked;         /* offset */
    uint64_t asked_ns;
    uint64_t heard_ns;
};

static void fetch_drop(struct host_store *host, struct host_fetch *fetch)
{
    struct host_fetch **link = &host->fetches;
    while (*link != fetch)
        link = &(*link)->next;
    *link = fetch->next;
    buffer_free(&fetch->heads);
    free(fetch);
}

static void fetch_end(struct host_store *host, struct host_fetch *fetch, int32_t status)
{
    struct reshard_completion completion;
    reshard_completion_init(&completion);
    if (status == RESHARD_OK)
        status = host_items_end(host, &fetch->action, &completion);
    completion.status = status;
    if (status != RESHARD_PENDING)
        (void)reshard_driver_complete(host->driver, fetch->action.id, &completion);
    fetch_drop(host, fetch);
}

static struct bytes head_of(const struct host_fetch *fetch)
{
    const uint8_t *at = fetch->heads.data + fetch->at;
    return (struct bytes){at, get_u32(at)}; /* a record begins with its size */
}

static void pieces_ask(struct host_store *host, struct host_fetch *fetch)
{
    uint64_t end = fetch->part.end + (uint64_t)ASKED_PIECES * STORE_PIECE_SIZE;
    end = end < fetch->part.value_size ? end : fetch->part.value_size;
    fetch->asked_ns = clock_monotonic_ns();
    while (fetch->asked < end) {
        uint8_t head[REQUEST_HEAD];
        put_u64(head, fetch->number);
        put_u64(head + 8, fetch->asked);
        if (!host->giver_send(host->user_data, &fetch->action,
                (struct bytes){head, sizeof(head)}, head_of(fetch)))
            break; /* the tick asks again */
        fetch->asked += STORE_PIECE_SIZE;
    }
}

/* The value at fetch->at, or the end of the fetch. */
static void value_begin(struct host_store *host, struct host_fetch *fetch)
{
    if (fetch->at == fetch->heads.size) {
        fetch_end(host, fetch, RESHARD_OK);
        return;
    }
    (void)store_record_part(head_of(fetch), &fetch->part);
    fetch->asked = 0;
    pieces_ask(host, fetch);
}

int32_t host_fetch_begin(struct host_store *host, const struct reshard_action *action)
{
    struct bytes items = {action->payload, action->payload_size};
    struct buffer heads = {0};
    struct host_item item;
    struct store_part part;
    while (host_item_next(&items, &item))
        if (store_record_part(item.state, &part) && part.end < part.value_size &&
            item.state.size == get_u32(item.state.data))
            buffer_append(&heads, item.state.data, item.state.size);
    if (heads.size == 0)
        return RESHARD_OK;
    struct host_fetch *fetch = memory_take(sizeof(*fetch));
    fetch->action = *action;
    fetch->number = ++host->last_fetch;
    fetch->heads = heads;
    fetch->heard_ns = clock_monotonic_ns();
    fetch->next = host->fetches;
    host->fetches = fetch;
    value_begin(host, fetch);
    return RESHARD_PENDING;
}

/* Whether the record is the part that is due. */
static bool part_due(
    const struct host_fetch *fetch, struct bytes record, struct store_part *part_out)
{
    return store_record_part(record, part_out) && record.size == get_u32(record.data) &&
        part_out->key.slot == fetch->part.key.slot &&
        bytes_equal(part_out->key.name, fetch->part.key.name) &&
        part_out->version == fetch->part.version &&
        part_out->value_size == fetch->part.value_size && part_out->begin == fetch->part.end &&
        part_out->end > part_out->begin;
}

/* Whether the value is here as the giver has it. */
static bool whole(struct host_store *host, const struct host_fetch *fetch)
{
    struct buffer head = {0};
    struct store_part here;
    store_record_head(host->store, &fetch->part.key, &head);
    bool is = store_record_part((struct bytes){head.data, head.size}, &here) &&
        here.version == fetch->part.version && here.value_size == fetch->part.value_size;
    buffer_free(&head);
    return is;
}

static void part_apply(struct host_store *host, struct host_fetch *fetch, struct bytes record,
    const struct store_part *part)
{
    host->own_change = true;
    int result = store_apply(host->store, record, false);
    host->own_change = false;
    fetch->part.end = part->end;
    fetch->heard_ns = clock_monotonic_ns();
    bool ends = part->end == part->value_size;
    if (result != 0 || (ends && !whole(host, fetch))) {
        fetch_end(host, fetch, RESHARD_E_BUSY);
    } else if (ends) {
        fetch->at += head_of(fetch).size;
        value_begin(host, fetch);
    } else {
        pieces_ask(host, fetch);
    }
}

void host_fetch_take(struct host_store *host, struct bytes answer)
{
    struct host_fetch *fetch = host->fetches;
    struct store_part part;
    if (answer.size < ANSWER_HEAD)
        return;
    struct bytes record = {answer.data + ANSWER_HEAD, answer.size - ANSWER_HEAD};
    while (fetch != NULL && fetch->number != get_u64(answer.data))
        fetch = fetch->next;
    if (fetch == NULL)
        return;
    if (record.size == 0)
        fetch_end(host, fetch, RESHARD_E_BUSY);
    else if (!store_has_room(host->store, record.size))
        fetch_end(host, fetch, RESHARD_E_SPACE);
    else if (part_due(fetch, record, &part))
        part_apply(host, fetch, record, &part);
}

void host_fetch_tick(struct host_store *host, uint64_t now_ns)
{
    struct host_fetch *next;
    for (struct host_fetch *at = host->fetches; at != NULL; at = next) {
        next = at->next;
        if (now_ns > at->heard_ns + GIVE_UP_NS) {
            fetch_end(host, at, RESHARD_E_BUSY);
        } else if (now_ns > at->heard_ns + AGAIN_NS && now_ns > at->asked_ns + AGAIN_NS) {
            at->asked = at->part.end;
            pieces_ask(host, at);
        }
    }
}

void host_fetch_free(struct host_store *host)
{
    while (host->fetches != NULL)
        fetch_drop(host, host->fetches);
}

bool host_fetch_answer(struct store *store, struct bytes request, struct buffer *answer)
{
    struct store_part part;
    if (request.size < REQUEST_HEAD)
        return false;
    struct bytes head = {request.data + REQUEST_HEAD, request.size - REQUEST_HEAD};
    if (!store_record_part(head, &part))
        return false;
    part.end = get_u64(request.data + 8);
    buffer_append(answer, request.data, ANSWER_HEAD);
    (void)store_record_next(store, &part, answer);
    return true;
}
