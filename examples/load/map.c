/* SPDX-License-Identifier: MIT */
/* Room load: the client's slot table. A MOVED corrects one slot, and has the whole table fetched
 * from who sent it, as good clients do; so do errors and connections that end. */
#include "load.h"

#include <string.h>

enum { MAP_PAUSE_NS = 100000000 };

/* Where to ask for a slot: its node, or any when none is known. */
uint8_t map_find(struct load *load, uint32_t slot)
{
    uint8_t node = load->slots[slot];
    if (node < load->node_count)
        return node;
    map_refresh(load, NULL);
    return (uint8_t)(model_random(&load->model) % load->node_count);
}

uint32_t map_source(struct load *load)
{
    if (load->map_source)
        return (uint32_t)(load->map_source - load->nodes);
    return (uint32_t)(model_random(&load->model) % load->node_count);
}

void map_moved(
    struct load *load, uint32_t slot, const struct node *owner, const struct node *sender)
{
    load->slots[slot] = (uint8_t)(owner - load->nodes);
    map_refresh(load, sender);
}

void map_refresh(struct load *load, const struct node *source)
{
    struct worker *worker = &load->workers[load->worker_count - 1];
    uint64_t now = uv_hrtime();
    if (worker->state != WORKER_IDLE || now - load->map_asked_ns < MAP_PAUSE_NS)
        return;
    load->map_asked_ns = now;
    load->map_source = source;
    worker->op = OP_MAP;
    worker_send(load, worker);
}

/* Items of one array and all that is in it; returns the index behind it. */
static size_t skip(const struct replies *replies, size_t at)
{
    int64_t left = 1;
    for (; left > 0 && at < replies->count; at++, left--)
        if (replies->items[at].kind == '*' && replies->items[at].number > 0)
            left += replies->items[at].number;
    return at;
}

/* [first, last, [host, port, id, ...], replicas...]: at points to the first number. */
static void range_read(struct load *load, size_t at, const struct node *sender)
{
    const struct reply_item *items = load->replies.items;
    if (at + 5 >= load->replies.count || items[at + 2].kind != '*')
        return;
    struct bytes host = items[at + 3].text;
    if (host.size == 0)
        host = bytes_of(sender->host);
    const struct node *node = node_find(load, host, items[at + 4].number);
    if (!node)
        return;
    for (int64_t slot = items[at].number; slot <= items[at + 1].number; slot++)
        if (slot >= 0 && slot < SLOT_COUNT)
            load->slots[slot] = (uint8_t)(node - load->nodes);
}

void map_read(struct load *load, const struct node *sender)
{
    const struct replies *replies = &load->replies;
    if (replies->items[0].kind != '*')
        return;
    for (size_t at = 1; at < replies->count; at = skip(replies, at))
        if (replies->items[at].kind == '*')
            range_read(load, at + 1, sender);
}
