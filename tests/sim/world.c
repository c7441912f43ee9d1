/* Virtual time, the queue of what happens next, and the ledger of what was signed. See sim.h. */
#include "tests/sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { HEAL_MS_MAX = 3600 * 1000, CHECK_EVERY_MS = 5000, EVENTS_MAX = 10000000, MOVING_ROUNDS = 6 };

uint64_t
rng_next(struct rng *r)
{
    r->state += 0x9e3779b97f4a7c15u;
    return mix64(r->state);
}

uint64_t
rng_below(struct rng *r, uint64_t n)
{
    return rng_next(r) % n;
}

int64_t
rng_between(struct rng *r, int64_t a, int64_t b)
{
    return a + (int64_t)rng_below(r, (uint64_t)(b - a) + 1);
}

bool
rng_chance(struct rng *r, unsigned permille)
{
    return rng_below(r, 1000) < permille;
}

void
rng_fill(void *rng, uint8_t *out, size_t len)
{
    struct rng *r = rng;
    for (size_t i = 0; i < len; i += 8) {
        uint64_t v = rng_next(r);
        memcpy(out + i, &v, len - i < 8 ? len - i : 8);
    }
}

/* ---- trace and failures ---- */

void
world_trace(struct world *w, uint64_t a, uint64_t b)
{
    w->trace = mix64(w->trace ^ a) + mix64(b + 0x632be59bd9b4e019u);
}

uint64_t
trace_bytes(struct slice s)
{
    uint64_t h = s.len;
    for (size_t i = 0; i < s.len; i += 8) {
        uint64_t v = 0;
        memcpy(&v, s.data + i, s.len - i < 8 ? s.len - i : 8);
        h = mix64(h ^ v);
    }
    return h;
}

void
world_fail(struct world *w, const struct sim_node *n, const char *fmt, ...)
{
    char text[SIM_FAIL_TEXT / 2];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (w->failed || w->ended) /* whoever has ended says nothing */
        return;
    say(w, n, "FAILED: %s", text);
    w->failed = true;
    snprintf(w->failure, sizeof(w->failure), "at %lld.%03lld s%s%s: %s", (long long)(w->now_ms / 1000),
             (long long)(w->now_ms % 1000), n ? ", node " : "", n ? n->name : "", text);
}

/* ---- the queue: a binary heap by (time, order of posting) ---- */

static bool
sooner(const struct sim_event *a, const struct sim_event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void
world_post(struct world *w, int64_t in_ms, enum sim_event_type type, const struct sim_node *n, int other, uint32_t conn,
           void *data, size_t len)
{
    if (w->n_queue == w->cap_queue) {
        w->cap_queue = w->cap_queue ? 2 * w->cap_queue : 256;
        w->queue = realloc(w->queue, w->cap_queue * sizeof(*w->queue));
        MUST(w->queue);
    }
    struct sim_event e = {.at = w->now_ms + (in_ms > 0 ? in_ms : 0),
                          .order = w->order++,
                          .type = type,
                          .node = n ? n->index : -1,
                          .incarnation = n ? n->incarnation : 0,
                          .other = other,
                          .conn = conn,
                          .data = data,
                          .len = len};
    size_t i = w->n_queue++;
    for (; i > 0 && sooner(&e, &w->queue[(i - 1) / 2]); i = (i - 1) / 2)
        w->queue[i] = w->queue[(i - 1) / 2];
    w->queue[i] = e;
}

static struct sim_event
take(struct world *w)
{
    struct sim_event first = w->queue[0], last = w->queue[--w->n_queue];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= w->n_queue)
            break;
        if (child + 1 < w->n_queue && sooner(&w->queue[child + 1], &w->queue[child]))
            child++;
        if (!sooner(&w->queue[child], &last))
            break;
        w->queue[i] = w->queue[child];
        i = child;
    }
    w->queue[i] = last;
    return first;
}

static void
dispatch(struct world *w, struct sim_event *e)
{
    struct sim_node *n = e->node >= 0 ? &w->nodes[e->node] : NULL;
    w->acting = n;
    w->alone = true;
    bool same = n && n->up && n->incarnation == e->incarnation; /* the process that posted it is still there */
    if (n)
        node_program(n);
    switch (e->type) {
    case EV_DELIVER: net_deliver(w, e); break;
    case EV_FAULT: faults_step(w); break;
    case EV_CUT:
        if (net_conn(w, e->conn))
            net_cut(w, net_conn(w, e->conn));
        break;
    case EV_WORK:
        (void)crashes_begin(n, STEP_LOOK);
        workload_step(n);
        crashes_end(n);
        break;
    case EV_REJOIN: faults_rejoin(n); break;
    case EV_RAW: rawlogs_step(n); break;
    case EV_START:
        if (!n->up)
            crashes_start(n);
        break;
    case EV_DIAL:
        if (same)
            net_dial(n, e->other);
        break;
    case EV_TICK:
        if (same && n->tick_at == e->at)
            node_tick(n);
        break;
    case EV_GROUP:
        if (same)
            node_group(n);
        break;
    case EV_READ:
        if (same)
            node_read(n, e->data);
        break;
    case EV_CAPSULE:
        if (same)
            node_step(n, e->data);
        break;
    case EV_FETCH:
        if (same && n->fetch_at == e->at)
            fetch_step(n);
        break;
    case EV_UPKEEP:
        if (same) {
            (void)crashes_begin(n, STEP_NOTE);
            upkeep_step(n);
            crashes_end(n);
        }
        break;
    case EV_RESTORE:
        if (!w->healing)
            faults_restore(w, n);
        break;
    case EV_COUNT:
        if (same)
            counting_step(n);
        break;
    case EV_CUSTODY: custody_step(w, e->other); break;
    case EV_VAULT:
        if (same) {
            (void)crashes_begin(n, STEP_FOLLOW);
            node_vault(n);
            crashes_end(n);
        }
        break;
    }
    crashes_bury(w);
    w->alone = false;
    free(e->data);
}

/* Runs until a time, or the first failure. */
static void
run_until(struct world *w, int64_t until)
{
    while (!w->failed && w->n_queue > 0 && w->queue[0].at <= until) {
        struct sim_event e = take(w);
        w->now_ms = e.at;
        if (++w->n_events > EVENTS_MAX)
            world_fail(w, NULL, "more than %d events: something goes round in circles", EVENTS_MAX);
        dispatch(w, &e);
    }
    if (!w->failed)
        w->now_ms = until;
}

/* ---- the ledger ---- */

int
ledger_find(struct world *w, const struct log_id *log)
{
    const uint32_t *at = map_get(&w->ledger_index, log);
    return at ? (int)*at : -1;
}

static struct ledger_log *
ledger_get(struct world *w, const struct sim_node *n, const struct log_id *log)
{
    bool new = false;
    uint32_t *at = map_put(&w->ledger_index, log, &new);
    if (!at) {
        world_fail(w, n, "more than %d logs", SIM_LOGS_MAX);
        return NULL;
    }
    if (new) {
        *at = w->n_ledger++;
        w->ledger[*at] = (struct ledger_log){.id = *log, .unit = n->unit->index, .key = n->identity->signing_key};
    }
    return &w->ledger[*at];
}

void
ledger_note(struct world *w, const struct sim_node *n, const struct log_id *log, uint64_t seq,
            const struct chain_value *chain)
{
    struct ledger_log *l = ledger_get(w, n, log);
    if (!l)
        return;
    world_trace(w, seq, trace_bytes(slice_of(chain->b, sizeof(chain->b))));
    if (seq <= l->n) {
        if (!TYPE_EQ(&l->chain[seq - 1], chain))
            world_fail(w, n, "position %llu of log %s signed twice", (unsigned long long)seq, short_id(log));
        return;
    }
    if (seq != l->n + 1) {
        world_fail(w, n, "position %llu of log %s committed after %llu", (unsigned long long)seq, short_id(log),
                   (unsigned long long)l->n);
        return;
    }
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 32;
        l->chain = realloc(l->chain, l->cap * sizeof(*l->chain));
        MUST(l->chain);
    }
    l->chain[l->n++] = *chain;
    l->must_seq = l->n;
}

bool
ledger_holds(const struct ledger_log *l, uint64_t seq, const struct chain_value *chain)
{
    if (seq == 0)
        return true; /* nothing of it is left */
    if (seq >= 1 && seq <= l->n && TYPE_EQ(&l->chain[seq - 1], chain))
        return true;
    return l->forked && seq > l->fork_seq && seq <= l->fork_seq + l->fork_n &&
           TYPE_EQ(&l->fork_chain[seq - l->fork_seq - 1], chain);
}

void
ledger_lower(struct world *w)
{
    for (uint32_t i = 0; i < w->n_ledger; i++) {
        uint64_t most = 0;
        for (int k = 0; k < w->n_nodes; k++)
            most = w->nodes[k].held[i] > most ? w->nodes[k].held[i] : most;
        if (most < w->ledger[i].must_seq)
            w->ledger[i].must_seq = most;
    }
}

/* ---- one seed ---- */

static void
make_units(struct world *w)
{
    static const char *const codes[SIM_UNITS_MAX] = {"BE", "DE", "ES", "FR", "IT", "NL", "AT", "HU", "SE"};
    struct err err;
    snprintf(w->federation, sizeof(w->federation), "sim %llu", (unsigned long long)w->seed);
    for (int i = 0; i < w->n_units; i++) {
        struct sim_unit *u = &w->units[i];
        struct identity_offline offline;
        u->index = i;
        memcpy(u->identity.unit_code, codes[i], strlen(codes[i]) + 1);
        snprintf(u->identity.unit_name.s, sizeof(u->identity.unit_name.s), "Unit %s", codes[i]);
        memcpy(u->identity.federation_name.s, w->federation, strlen(w->federation) + 1);
        MUST(identity_create(&u->identity, rng_fill, &w->rng, &offline, &err) == 0);
        memcpy(u->root_seed, offline.root_seed, sizeof(u->root_seed));
        u->recovery_secret = offline.recovery_secret;
        rng_fill(&w->rng, u->actor.b, sizeof(u->actor.b));
        u->model = model_new();
    }
}

static void
make_dir(struct world *w)
{
    bool memory = access("/dev/shm", W_OK) == 0;
    const char *tmp = getenv("TMPDIR");
    snprintf(w->dir, sizeof(w->dir), "%s/smartnode-sim-XXXXXX", memory ? "/dev/shm" : tmp ? tmp : "/tmp");
    MUST(mkdtemp(w->dir));
}

static void
run_until_converged(struct world *w)
{
    int64_t limit = w->now_ms + HEAL_MS_MAX;
    bool done = false;
    while (!w->failed && !done && w->now_ms < limit) {
        run_until(w, w->now_ms + CHECK_EVERY_MS);
        done = checks_converged(w, false);
        if (w->failed || !done)
            continue;
        run_until(w, w->now_ms + 2 * SYNC_FINGERPRINTS_MS); /* nodes compare their fingerprints themselves */
        done = checks_converged(w, false); /* a look at the rights may have brought in what a third one lacks */
    }
    if (!w->failed)
        checks_converged(w, true);
}

static void
count_everything(struct world *w)
{
    for (int i = 0; i < w->n_units && !w->failed; i++)
        w->units[i].counted = counting_all(&w->nodes[i]);
    if (!w->failed)
        run_until_converged(w);
    for (int i = 0; i < w->n_units && !w->failed; i++)
        if (w->units[i].counted)
            counting_check(&w->nodes[i]);
}

/* It may end at what happens here alone. */
static bool
quiet_turn(struct sim_node *n)
{
    struct world *w = n->w;
    w->alone = true;
    bool more = upkeep_turn(n, true);
    more |= w->ended != NULL;
    crashes_bury(w);
    w->alone = false;
    return more;
}

static void
finish_moves(struct world *w)
{
    for (int i = 0; i < MOVING_ROUNDS && !w->failed; i++) {
        bool more = false;
        for (int k = 0; k < w->n_nodes && !w->failed; k++)
            more |= w->nodes[k].up && !w->nodes[k].forger && quiet_turn(&w->nodes[k]);
        if (!w->failed && (moving_finish(w) || more))
            run_until_converged(w);
        else
            break;
    }
    if (!w->failed)
        moving_check_finished(w);
}

static void
heal_and_check(struct world *w)
{
    faults_heal(w);
    custody_heal(w);
    run_until_converged(w);
    if (!w->failed && resume_forks(w))
        run_until_converged(w);
    finish_moves(w);
    if (!w->failed && custody_return(w)) { /* with what it wrote by itself, and others in its name */
        run_until_converged(w);
        finish_moves(w);
    }
    for (int k = 0; k < w->n_nodes && !w->failed; k++)
        upkeep_check_opened(&w->nodes[k]);
    if (!w->failed)
        count_everything(w); /* which waits until it is quiet again */
    while (!w->failed && winding_down(w))
        run_until_converged(w);
    if (!w->failed && w->ends.closed)
        moving_check_finished(w);
    say(w, NULL, "quiet");
}

void
world_run(struct world *w, const struct sim_options *o, uint64_t seed)
{
    memset(w, 0, sizeof(*w));
    w->options = o;
    w->seed = seed;
    w->narrate = o->narrate;
    w->rng.state = mix64(seed + 1);
    w->trace = mix64(seed);
    map_init(&w->ledger_index, sizeof(struct log_id), sizeof(uint32_t), SIM_LOGS_MAX, NULL);
    w->ledger = calloc(SIM_LOGS_MAX, sizeof(*w->ledger));
    MUST(w->ledger);
    make_dir(w);
    faults_plan(w);
    crashes_plan(w);
    make_units(w);
    for (int i = 0; i < w->n_units; i++)
        node_init(w, i, i);
    faults_programs(w);
    for (int i = 0; i < w->n_units; i++)
        node_start(&w->nodes[i]);
    workload_start(w);
    faults_start(w);
    custody_start(w);
    run_until(w, w->chaos_ends_ms);
    if (!w->failed && w->heals)
        heal_and_check(w);
    if (!w->failed)
        checks_end(w);
}

void
world_release(struct world *w)
{
    for (int i = 0; i < w->n_nodes; i++)
        node_release(&w->nodes[i]);
    for (size_t i = 0; i < w->n_queue; i++)
        free(w->queue[i].data);
    free(w->queue);
    for (uint32_t i = 0; i < w->n_ledger; i++) {
        free(w->ledger[i].chain);
        free(w->ledger[i].fork_chain);
    }
    free(w->ledger);
    free(w->erased_keys);
    free(w->taken);
    free(w->passes);
    free(w->answers);
    free(w->owed);
    map_free(&w->ledger_index);
    for (int i = 0; i < w->n_units; i++) {
        model_free(&w->units[i].model);
        rawlogs_free(&w->units[i].raw);
        free(w->units[i].again);
        identity_wipe(&w->units[i].identity);
        identity_wipe(&w->units[i].stand_in);
    }
    if (!w->options->keep)
        sim_remove_dir(w->dir);
}
