/* Connections between nodes: ordered in each direction, with a delay of their own, cut by faults with what is under way. Two nodes
 * that dial each other have two. See sim.h. */
#include "tests/sim/sim.h"

#include <stdlib.h>

enum { REDIAL_MS_MIN = 200, REDIAL_MS_MAX = 3000 };

struct sim_conn *
net_conn(struct world *w, uint32_t id)
{
    for (int i = 0; i < SIM_CONNS_MAX; i++)
        if (w->conns[i].up && w->conns[i].id == id)
            return &w->conns[i];
    return NULL;
}

bool
net_blocked(const struct sim_node *from, const struct sim_node *to)
{
    return from->silent || to->silent || from->w->blocked[from->index][to->index];
}

void
net_dial_soon(struct sim_node *n, int other, int64_t in_ms)
{
    world_post(n->w, in_ms, EV_DIAL, n, other, 0, NULL, 0);
}

static void
conn_up(struct sim_node *n, const struct sim_node *other, uint32_t id, bool dialled)
{
    struct sync_event ev = {.type = SYNC_CONN_UP};
    ev.conn_up.conn = id;
    ev.conn_up.unit = other->unit->identity.unit;
    ev.conn_up.dialled = dialled;
    fetch_connected(n);
    node_step(n, &ev);
}

void
net_dial(struct sim_node *n, int other)
{
    struct world *w = n->w;
    struct sim_node *to = &w->nodes[other];
    struct sim_conn *free_conn = NULL;
    for (int i = 0; i < SIM_CONNS_MAX; i++) {
        struct sim_conn *c = &w->conns[i];
        if (c->up && c->node[0] == n->index && c->node[1] == other)
            return; /* there already */
        if (!c->up && !free_conn)
            free_conn = c;
    }
    MUST(free_conn);
    if (!node_trusts(n, to) || !node_trusts(to, n))
        return;
    if (w->now_ms < n->redial[other] || !to->up || net_blocked(n, to) || net_blocked(to, n) ||
        rng_chance(&w->rng, w->healing ? 0 : w->loss_permille)) {
        net_dial_soon(n, other, rng_between(&n->rng, REDIAL_MS_MIN, REDIAL_MS_MAX));
        return;
    }
    *free_conn = (struct sim_conn){.up = true, .id = ++w->next_conn, .node = {n->index, other}};
    uint32_t id = free_conn->id;
    say(w, n, "connects to %s", to->name);
    conn_up(to, n, id, false);
    if (net_conn(w, id) && n->up)
        conn_up(n, to, id, true);
}

static void
tell_down(struct sim_node *n, uint32_t id)
{
    struct sync_event ev = {.type = SYNC_CONN_DOWN};
    ev.conn_down.conn = id;
    if (n->up)
        node_step(n, &ev);
}

void
net_cut(struct world *w, struct sim_conn *c)
{
    struct sim_conn was = *c;
    c->up = false;
    w->stats.cuts++;
    tell_down(&w->nodes[was.node[0]], was.id);
    tell_down(&w->nodes[was.node[1]], was.id);
    struct sim_node *dialler = &w->nodes[was.node[0]];
    if (dialler->up)
        net_dial_soon(dialler, was.node[1], rng_between(&dialler->rng, REDIAL_MS_MIN, REDIAL_MS_MAX));
}

void
net_node_gone(struct sim_node *n)
{
    for (int i = 0; i < SIM_CONNS_MAX; i++) {
        struct sim_conn *c = &n->w->conns[i];
        if (c->up && (c->node[0] == n->index || c->node[1] == n->index))
            net_cut(n->w, c);
    }
}

void
net_send(struct sim_node *n, uint32_t id, struct slice bytes)
{
    struct world *w = n->w;
    struct sim_conn *c = net_conn(w, id);
    if (!c)
        return;
    int end = c->node[0] == n->index ? 0 : 1;
    struct sim_node *to = &w->nodes[c->node[1 - end]];
    if (c->stuck[end])
        return;
    if (net_blocked(n, to)) {
        c->stuck[end] = true;
        return;
    }
    struct buf forged;
    buf_init(&forged, MESSAGE_BYTES_MAX);
    if (n->forger && w->forging && faults_forge(n, bytes, &forged))
        bytes = buf_slice(&forged);
    int64_t arrives = w->now_ms + 1 + (int64_t)rng_below(&n->rng, (uint64_t)w->latency_ms_max);
    if (arrives < c->last[end])
        arrives = c->last[end];
    c->last[end] = arrives;
    uint8_t *copy = malloc(bytes.len + 1);
    MUST(copy);
    if (bytes.len > 0)
        memcpy(copy, bytes.data, bytes.len);
    world_post(w, arrives - w->now_ms, EV_DELIVER, NULL, 1 - end, id, copy, bytes.len);
    buf_free(&forged);
}

void
net_deliver(struct world *w, const struct sim_event *e)
{
    struct sim_conn *c = net_conn(w, e->conn);
    if (!c)
        return;
    struct sim_node *to = &w->nodes[c->node[e->other]], *from = &w->nodes[c->node[1 - e->other]];
    if (!w->healing && rng_chance(&w->rng, w->loss_permille)) {
        say(w, to, "loses its connection with %s", from->name);
        net_cut(w, c);
        return;
    }
    struct slice bytes = slice_of(e->data, e->len);
    w->stats.messages++;
    world_trace(w, (uint64_t)w->now_ms << 16 | (uint64_t)to->index << 8 | (uint64_t)from->index, trace_bytes(bytes));
    narrate_message(from, to, bytes);
    struct sync_event ev = {.type = SYNC_MESSAGE};
    ev.message.conn = e->conn;
    ev.message.bytes = bytes;
    node_step(to, &ev);
}
