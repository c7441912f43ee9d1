/* What a seed breaks: connections, directions, processes, disks, clocks, and who lies. See sim.h. */
#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>

enum { FAULT_MS_MIN = 300, FAULT_MS_MAX = 6000, PARTED_MS_MAX = 15000 };

static unsigned
some(struct world *w, unsigned permille, uint64_t most)
{
    return rng_chance(&w->rng, permille) ? 1 + (unsigned)rng_below(&w->rng, most) : 0;
}

static void
plan_trust(struct world *w)
{
    w->partial_trust = w->n_units > 2 && rng_chance(&w->rng, 300);
    for (int i = 0; i < w->n_units; i++)
        for (int k = 0; k < w->n_units; k++)
            w->admits[i][k] = i == k || !w->partial_trust || rng_chance(&w->rng, 750);
    /* who can dial whom: a line keeps all in reach, the rest is chance; firewalls let one side only */
    bool sparse = rng_chance(&w->rng, 400);
    for (int i = 0; i < w->n_units; i++) {
        for (int k = i + 1; k < w->n_units; k++) {
            if (k != i + 1 && sparse && rng_chance(&w->rng, 600))
                continue;
            uint64_t who = rng_below(&w->rng, 3);
            w->dials[i][k] = who != 0;
            w->dials[k][i] = who != 1;
        }
    }
}

void
faults_plan(struct world *w)
{
    struct rng *r = &w->rng;
    w->n_units = (int)(rng_chance(r, 60) ? SIM_UNITS_MAX : 2 + rng_below(r, 4));
    if (w->options->nodes >= 2 && w->options->nodes <= SIM_UNITS_MAX)
        w->n_units = (int)w->options->nodes;
    w->heals = !rng_chance(r, 200);
    w->skewed = rng_chance(r, 100);
    w->capsules_travel = rng_chance(r, 150);
    w->clones = rng_chance(r, 100);
    w->restores = rng_chance(r, 200);
    w->hostile = rng_chance(r, 120) && w->n_units > 2;
    w->forks = rng_chance(r, 120);
    w->forging = w->hostile;
    w->mixed = !w->forks && rng_chance(r, 150);
    w->loss_permille = some(w, 500, 20);
    w->crash_permille = some(w, 500, 25);
    w->full_permille = some(w, 400, 60);
    w->latency_ms_max = rng_chance(r, 500) ? 20 : rng_between(r, 1, 1500);
    w->chaos_ends_ms = rng_between(r, 20000, 90000);
    plan_trust(w);
    fetch_plan(w);
    for (int i = 0; i < w->n_units; i++) {
        struct sim_unit *u = &w->units[i];
        if (rng_chance(r, 250) || (w->forks && i == 0)) {
            u->raw = rawlogs_new();
            u->concurrent = u->tip_alarms = true;
        }
    }
    w->moves = rng_chance(r, 600);
    w->winds = w->moves && rng_chance(r, 500);
    w->restores |= w->moves && !w->forks && rng_chance(r, 250); /* branches and tails are what handovers have to bear */
    w->clones |= w->moves && !w->forks && rng_chance(r, 150);
}

void
faults_programs(struct world *w)
{
    static const uint16_t hidden[] = {0,
                                      0,
                                      0,
                                      KIND_SHARES_REPAID,
                                      KIND_MEMBER_MERGED,
                                      KIND_MEMBER_ABSORBED,
                                      KIND_CONSENT_GIVEN,
                                      KIND_ENTRY_CANCELLED,
                                      KIND_ACTIVITY_OPENED,
                                      KIND_ACTIVITY_CANCELLED,
                                      KIND_INVOICE_ISSUED,
                                      KIND_INVOICE_CREDITED,
                                      KIND_INVOICE_CANCELLED,
                                      KIND_PERSON_ACTIVE,
                                      KIND_PERIOD_CLOSED,
                                      KIND_HANDOVER_OFFERED,
                                      KIND_HANDOVER_ACCEPTED,
                                      KIND_HANDOVER_COMPLETED,
                                      KIND_HANDOVER_RECEIVED,
                                      KIND_ACCESS_GRANTED,
                                      KIND_ACCESS_REVOKED};
    for (int i = 0; i < w->n_units && w->mixed; i++) {
        w->nodes[i].old = rng_chance(&w->rng, 500);
        w->nodes[i].hidden = hidden[rng_below(&w->rng, ARRAY_LEN(hidden))];
    }
}

void
faults_start(struct world *w)
{
    if (w->hostile)
        w->nodes[rng_below(&w->rng, (uint64_t)w->n_units)].forger = true;
    world_post(w, rng_between(&w->rng, FAULT_MS_MIN, FAULT_MS_MAX), EV_FAULT, NULL, 0, 0, NULL, 0);
}

/* ---- the single faults ---- */

static void
unblock(struct world *w)
{
    memset(w->blocked, 0, sizeof(w->blocked));
    for (int i = 0; i < SIM_CONNS_MAX; i++)
        if (w->conns[i].up && (w->conns[i].stuck[0] || w->conns[i].stuck[1]))
            net_cut(w, &w->conns[i]);
}

static void
partition(struct world *w)
{
    uint64_t side = rng_next(&w->rng);
    say(w, NULL, "the network parts");
    for (int i = 0; i < w->n_nodes; i++)
        for (int k = 0; k < w->n_nodes; k++)
            w->blocked[i][k] |= (side >> i & 1) != (side >> k & 1);
}

void
faults_part(struct sim_node *n)
{
    for (int i = 0; i < n->w->n_nodes; i++)
        if (i != n->index)
            n->w->blocked[i][n->index] = n->w->blocked[n->index][i] = true;
    world_post(n->w, rng_between(&n->rng, FAULT_MS_MIN, PARTED_MS_MAX), EV_REJOIN, n, 0, 0, NULL, 0);
}

void
faults_rejoin(struct sim_node *n)
{
    struct world *w = n->w;
    for (int i = 0; i < w->n_nodes; i++)
        w->blocked[i][n->index] = w->blocked[n->index][i] = false;
    for (int i = 0; i < SIM_CONNS_MAX; i++) {
        struct sim_conn *c = &w->conns[i];
        if (c->up && (c->stuck[0] || c->stuck[1]) && (c->node[0] == n->index || c->node[1] == n->index))
            net_cut(w, c);
    }
}

static struct sim_node *
some_node(struct world *w)
{
    return &w->nodes[rng_below(&w->rng, (uint64_t)w->n_nodes)];
}

static void
stop_and_start(struct world *w, struct sim_node *n, int64_t most_ms)
{
    if (n->up) {
        w->stats.crashes++;
        model_rollback(n->unit->model);
        node_stop(n);
    }
    if (n->old && rng_chance(&w->rng, 300))
        node_upgrade(n);
    world_post(w, rng_between(&w->rng, 20, most_ms), EV_START, n, 0, 0, NULL, 0);
}

/* The desk writes as soon as the node is up again. */
static void
write_at_once(struct sim_node *n)
{
    node_submit(n, workload_office(n));
    if (!n->w->healing)
        workload_again(n);
}

void
faults_restore(struct world *w, struct sim_node *n)
{
    if (n->gone)
        return;
    if (!n->has_backup) {
        if (n->up)
            node_stop(n);
        say(w, n, "is copied");
        n->has_backup = sim_copy_dir(n->dir, n->backup) == 0;
        node_start(n);
        return;
    }
    if (n->up)
        node_stop(n);
    say(w, n, "is set back to an older copy of its disk");
    w->stats.restores++;
    n->unit->concurrent = n->unit->tip_alarms = n->unit->clone_alarms = true;
    sim_remove_dir(n->dir);
    if (sim_copy_dir(n->backup, n->dir) != 0)
        world_fail(w, n, "the older copy cannot be brought back");
    n->upgraded |= w->mixed && !n->old; /* it may be of the program of before */
    node_start(n);
    ledger_lower(w);
    if (n->up && rng_chance(&w->rng, 700))
        write_at_once(n);
}

/* A second machine with the same disk, at work at the same time. */
static struct sim_node *
clone_node(struct world *w, struct sim_node *n)
{
    if (w->n_nodes >= SIM_NODES_MAX || n->index >= w->n_units || custody_of(w, n))
        return NULL;
    for (int i = w->n_units; i < w->n_nodes; i++)
        if (w->nodes[i].unit == n->unit)
            return NULL;
    if (n->up)
        node_stop(n);
    n->unit->concurrent = n->unit->tip_alarms = n->unit->clone_alarms = true;
    int at = w->n_nodes;
    node_init(w, at, n->unit->index);
    struct sim_node *copy = &w->nodes[at];
    sim_remove_dir(copy->dir);
    if (sim_copy_dir(n->dir, copy->dir) != 0)
        world_fail(w, n, "cannot be copied");
    copy->incarnation = 1; /* not a new disk */
    copy->skew_ms = n->skew_ms;
    copy->forger = n->forger;
    copy->old = n->old;
    copy->hidden = n->hidden;
    node_start(n);
    node_start(copy);
    for (int i = 0; i < w->n_nodes; i++)
        if (w->nodes[i].up && w->dials[w->nodes[i].unit->index][copy->unit->index] && w->nodes[i].unit != copy->unit)
            net_dial_soon(&w->nodes[i], at, rng_between(&w->rng, 1, 1000));
    return copy;
}

static void
two_clones(struct world *w, struct sim_node *n)
{
    struct sim_node *copy = clone_node(w, n);
    if (!copy)
        return;
    w->stats.clones++;
    say(w, copy, "is a clone of %s and at work", n->name);
    world_post(w, rng_between(&w->rng, 0, 2000), EV_WORK, copy, 0, 0, NULL, 0);
    if (n->up && copy->up) { /* two desks do the same */
        workload_again(n);
        workload_again(copy);
    }
}

static void
fork_log(struct world *w)
{
    struct sim_node *n = &w->nodes[0];
    if (!n->up || n->unit->forked)
        return;
    struct sim_node *copy = clone_node(w, n);
    if (!copy || !n->up || !copy->up)
        return;
    n->unit->forked = rawlogs_fork(n, copy);
    w->stats.forks += n->unit->forked;
    if (n->unit->forked)
        return;
    world_post(w, 0, EV_WORK, copy, 0, 0, NULL, 0); /* nothing to fork: a clone, then */
}

static void
shift_clock(struct world *w, struct sim_node *n)
{
    n->skew_ms += rng_between(&w->rng, -400, 400) * 86400000ll;
    say(w, n, "has another clock");
}

void
faults_step(struct world *w)
{
    if (w->healing)
        return;
    world_post(w, rng_between(&w->rng, FAULT_MS_MIN, FAULT_MS_MAX), EV_FAULT, NULL, 0, 0, NULL, 0);
    struct sim_node *n = some_node(w), *other = some_node(w);
    if (n->gone)
        return;
    uint64_t which = rng_below(&w->rng, 100);
    struct sim_conn *c = &w->conns[rng_below(&w->rng, (uint64_t)w->n_nodes * 4)];
    if (which < 20) {
        unblock(w);
    } else if (which < 32) {
        w->blocked[n->index][other->index] = true;
        say(w, n, "is not heard by %s any more", other->name);
    } else if (which < 38) {
        partition(w);
    } else if (which < 52) {
        if (c->up)
            net_cut(w, c);
    } else if (which < 66) {
        stop_and_start(w, n, 12000);
    } else if (which < 72) {
        n->disk_full = !n->disk_full && w->full_permille > 0;
    } else if (which < 84 && w->restores) {
        faults_restore(w, n);
    } else if (which < 88 && w->clones) {
        two_clones(w, n);
    } else if (which < 93 && w->forks) {
        fork_log(w);
    } else if (w->skewed) {
        shift_clock(w, n);
    } else {
        n->disk_full = false;
    }
}

void
faults_heal(struct world *w)
{
    say(w, NULL, "everything heals");
    w->healing = true;
    unblock(w);
    for (int i = 0; i < w->n_nodes; i++) {
        struct sim_node *n = &w->nodes[i];
        n->disk_full = false;
        node_upgrade(n);
        if (!n->up)
            node_start(n);
        if (n->up && !w->failed)
            write_at_once(n);
    }
}

/* ---- a relay that lies ---- */

static void
forge_batch(struct sim_node *n, struct message *m, struct buf *frames)
{
    struct slice f = m->batch.run.frames;
    struct slice header, payload, header2, payload2;
    struct reader r = reader_of(f);
    switch (rng_below(&n->rng, 6)) {
    case 0:
        buf_put(frames, f.data, f.len);
        frames->data[rng_below(&n->rng, f.len)] ^= (uint8_t)(1u << rng_below(&n->rng, 8));
        break;
    case 1:
        buf_put(frames, f.data, f.len);
        m->batch.run.seal.b[rng_below(&n->rng, SIG_BYTES)] ^= 4;
        break;
    case 2: /* the first event left out */
        if (m->batch.run.count > 1 && event_frame_next(&r, &header, &payload)) {
            buf_put(frames, r.p, reader_left(&r));
            m->batch.run.count--;
        }
        break;
    case 3: /* two events change places */
        if (m->batch.run.count > 1 && event_frame_next(&r, &header, &payload) &&
            event_frame_next(&r, &header2, &payload2)) {
            event_frame_put(frames, header2, payload2);
            event_frame_put(frames, header, payload);
            buf_put(frames, r.p, reader_left(&r));
        }
        break;
    case 4: /* the last event left out: the seal is for one more */
        for (uint32_t i = 0; i + 1 < m->batch.run.count && event_frame_next(&r, &header, &payload); i++)
            event_frame_put(frames, header, payload);
        m->batch.run.count--;
        break;
    default:
        buf_put(frames, f.data, f.len);
        m->batch.run.first++;
        break;
    }
    m->batch.run.frames = buf_slice(frames);
}

bool
faults_forge(struct sim_node *n, struct slice bytes, struct buf *out)
{
    struct message m;
    struct err err;
    struct buf frames;
    bool forged = false;
    if (!rng_chance(&n->rng, 250) || message_decode(bytes, &m, &err) != 0)
        return false;
    buf_init(&frames, MESSAGE_BYTES_MAX);
    if (m.type == MSG_BATCH) {
        forge_batch(n, &m, &frames);
        forged = m.batch.run.count > 0 && frames.len > 0;
    } else if (m.type == MSG_HEADS && m.heads.n > 0) {
        struct head *h = &m.heads.heads[rng_below(&n->rng, m.heads.n)];
        h->seq += 1 + rng_below(&n->rng, 1000);
        rng_fill(&n->rng, h->chain.b, sizeof(h->chain.b));
        forged = true;
    }
    forged = forged && message_encode(&m, out, &err) == 0;
    if (forged) {
        n->w->stats.forged++;
        say(n->w, n, "forges what it relays (%s)", message_name(m.type));
    }
    buf_free(&frames);
    message_release(&m);
    return forged;
}
