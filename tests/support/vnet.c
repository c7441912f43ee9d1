/* See vnet.h. A binary heap by (arrival, order of sending). */
#include "tests/support/vnet.h"

#include <stdlib.h>

#include "proto/base/types.h"

void
vnet_init(struct vnet *v, uint64_t seed, struct vnet_faults faults)
{
    *v = (struct vnet){.random = mix64(seed + 1), .faults = faults};
}

void
vnet_release(struct vnet *v)
{
    for (size_t i = 0; i < v->n; i++)
        free(v->heap[i].data);
    free(v->heap);
    *v = (struct vnet){0};
}

uint64_t
vnet_random(struct vnet *v, uint64_t below)
{
    v->random += 0x9e3779b97f4a7c15u;
    return below ? mix64(v->random) % below : 0;
}

void
vnet_cut(struct vnet *v, uint32_t a, uint32_t b, bool cut)
{
    v->cut[a][b] = v->cut[b][a] = cut;
}

static bool
before(const struct vnet_packet *a, const struct vnet_packet *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void
push(struct vnet *v, struct vnet_packet p)
{
    if (v->n == v->cap) {
        v->cap = v->cap ? v->cap * 2 : 64;
        v->heap = realloc(v->heap, v->cap * sizeof(*v->heap));
        MUST(v->heap);
    }
    size_t i = v->n++;
    for (; i > 0 && before(&p, &v->heap[(i - 1) / 2]); i = (i - 1) / 2)
        v->heap[i] = v->heap[(i - 1) / 2];
    v->heap[i] = p;
}

static void
send_once(struct vnet *v, int64_t now_ms, uint32_t from, uint32_t to, uint64_t tag, struct slice bytes)
{
    int64_t spread = v->faults.delay_max_ms - v->faults.delay_min_ms + 1;
    int64_t at = now_ms + v->faults.delay_min_ms + (int64_t)vnet_random(v, (uint64_t)spread);
    if (!v->faults.reorder && at < v->last[from][to])
        at = v->last[from][to];
    v->last[from][to] = at;
    struct vnet_packet p = {.at_ms = at, .order = ++v->order, .from = from, .to = to, .tag = tag, .len = bytes.len};
    p.data = malloc(bytes.len ? bytes.len : 1);
    MUST(p.data);
    if (bytes.len > 0)
        memcpy(p.data, bytes.data, bytes.len);
    push(v, p);
}

void
vnet_send(struct vnet *v, int64_t now_ms, uint32_t from, uint32_t to, uint64_t tag, struct slice bytes)
{
    MUST(from < VNET_NODES_MAX && to < VNET_NODES_MAX);
    v->sent++;
    if (v->cut[from][to] || vnet_random(v, 1000) < v->faults.loss_permille) {
        v->lost++;
        return;
    }
    send_once(v, now_ms, from, to, tag, bytes);
    if (vnet_random(v, 1000) < v->faults.duplicate_permille)
        send_once(v, now_ms, from, to, tag, bytes);
}

int64_t
vnet_next_ms(const struct vnet *v)
{
    return v->n > 0 ? v->heap[0].at_ms : INT64_MAX;
}

bool
vnet_take(struct vnet *v, int64_t now_ms, struct vnet_packet *ret)
{
    if (v->n == 0 || v->heap[0].at_ms > now_ms)
        return false;
    *ret = v->heap[0];
    struct vnet_packet last = v->heap[--v->n];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < v->n; i = child) {
        if (child + 1 < v->n && before(&v->heap[child + 1], &v->heap[child]))
            child++;
        if (!before(&v->heap[child], &last))
            break;
        v->heap[i] = v->heap[child];
    }
    if (v->n > 0)
        v->heap[i] = last;
    return true;
}
