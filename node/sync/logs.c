/* The logs known to the core: what is held, what is in flight, who names whom, and which of them are tips (§7). All logs stand
 * in one list in the order of their last change, so that what a peer has not been told is a tail of it. */
#include <stdlib.h>

#include "node/sync/state.h"

struct log *
log_find(const struct sync *s, const struct log_id *id)
{
    struct log **l = map_get(&s->logs, id);
    return l ? *l : NULL;
}

struct unit *
unit_find(const struct sync *s, const struct unit_id *id)
{
    return map_get(&s->units, id);
}

bool
unit_admitted(const struct sync *s, const struct unit_id *id)
{
    const struct unit *u = unit_find(s, id);
    return u && u->admitted;
}

static void
unlink_log(struct sync *s, struct log *l)
{
    *(l->prev ? &l->prev->next : &s->oldest) = l->next;
    *(l->next ? &l->next->prev : &s->newest) = l->prev;
    l->prev = l->next = NULL;
}

static void
link_newest(struct sync *s, struct log *l)
{
    l->prev = s->newest;
    l->next = NULL;
    *(s->newest ? &s->newest->next : &s->oldest) = l;
    s->newest = l;
}

static void
limit_alarm(struct sync *s, const char *what)
{
    if (s->now < s->limit_alarm_after)
        return;
    s->limit_alarm_after = s->now + SYNC_DISREGARD_MAX_MS;
    emit_alarm(s, ALARM_LIMIT, NULL, NULL, NULL, "%s", what);
}

struct log *
log_add(struct sync *s, const struct log_id *id, const struct unit_id *unit)
{
    static const struct unit_id unknown;
    struct log *l = log_find(s, id);
    if (l && TYPE_EQ(&l->unit, &unknown))
        l->unit = *unit;
    if (l)
        return l;
    if (s->n_logs_unheld >= SYNC_LOGS_UNHELD_MAX || s->logs.count >= SYNC_LOGS_MAX) {
        limit_alarm(s, "too many logs: further ones are not fetched");
        return NULL;
    }
    l = calloc(1, sizeof(*l));
    struct log **slot = l ? map_put(&s->logs, id, NULL) : NULL;
    if (!slot) {
        free(l);
        s->oom = true;
        return NULL;
    }
    *slot = l;
    l->id = *id;
    l->unit = *unit;
    l->head_chain = l->tail_chain = crypto_chain_start(*id);
    l->stands_to = UINT64_MAX;
    l->want.stall_at = NEVER;
    link_newest(s, l);
    s->n_logs_unheld++;
    return l;
}

/* Only logs that nobody names and nothing is asked of. */
void
log_drop(struct sync *s, struct log *l)
{
    MUST(!l->want.at);
    for (uint8_t i = 0; i < l->n_preds; i++) {
        if (l->preds[i].log->need_by == l)
            l->preds[i].log->need_by = NULL;
    }
    unlink_log(s, l);
    if (!l->held)
        s->n_logs_unheld--;
    if (l->proof)
        s->n_proofs--;
    (void)map_remove(&s->logs, &l->id);
    free(l->proof);
    free(l->preds);
    free(l);
}

static bool
log_claimed(const struct sync *s, const struct log *l)
{
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        if (map_get(&s->sessions[i]->claims, &l->id) || s->sessions[i]->evidence.log == l)
            return true;
    }
    return false;
}

void
logs_gc(struct sync *s)
{
    for (struct log *l = s->oldest, *next; l; l = next) {
        next = l->next;
        if (!l->held && !l->opening && !l->frozen && !l->want.at && l->need_seq == 0 && l->refused_until <= s->now &&
            !l->unsupported && !log_claimed(s, l))
            log_drop(s, l);
    }
}

void
log_changed(struct sync *s, struct log *l)
{
    unlink_log(s, l);
    link_newest(s, l);
    l->version = ++s->version;
}

bool
log_tip(const struct log *l)
{
    bool cut = l->stands_to < l->head_seq;
    uint64_t head = cut ? l->stands_to : l->head_seq;
    if (!l->held || head == 0 || l->named_to > head)
        return false;
    return l->named_to < head || l->named_apart || !TYPE_EQ(&l->named_chain, cut ? &l->stands_chain : &l->head_chain);
}

bool
log_decided(const struct log *l)
{
    return l->held ? l->stands_to != UINT64_MAX && l->head_seq >= l->stands_to : l->decided;
}

bool
log_offered(const struct sync *s, const struct log *l, struct head *ret)
{
    if (!log_tip(l) || !unit_admitted(s, &l->unit))
        return false;
    bool cut = l->stands_to < l->head_seq;
    *ret = (struct head){.log = l->id,
                         .unit = l->unit,
                         .seq = cut ? l->stands_to : l->head_seq,
                         .chain = cut ? l->stands_chain : l->head_chain};
    return true;
}

/* Names the predecessors of a log; those not held become wanted. */
int
log_set_predecessors(struct sync *s, struct log *l, const struct event_ref *refs, size_t n)
{
    free(l->preds);
    l->preds = NULL;
    l->n_preds = 0;
    if (n == 0)
        return 0;
    l->preds = calloc(HEADER_REFS_MAX, sizeof(*l->preds));
    if (!l->preds) {
        s->oom = true;
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < n && l->n_preds < HEADER_REFS_MAX; i++) {
        if (refs[i].role != REF_PREDECESSOR || TYPE_EQ(&refs[i].log, &l->id))
            continue;
        struct log *pred = log_add(s, &refs[i].log, &l->unit);
        if (!pred)
            continue;
        l->preds[l->n_preds].log = pred;
        l->preds[l->n_preds].chain = refs[i].chain;
        l->preds[l->n_preds++].seq = refs[i].seq;
        if (refs[i].seq > pred->need_seq) {
            pred->need_seq = refs[i].seq;
            pred->need_by = l;
        }
        want_schedule(s, pred);
    }
    return 0;
}

static void
name_predecessors(struct log *l)
{
    for (uint8_t i = 0; i < l->n_preds; i++) {
        struct log *pred = l->preds[i].log;
        uint64_t seq = l->preds[i].seq;
        if (!l->held || l->stands_to == 0 || !TYPE_EQ(&pred->unit, &l->unit) || seq < pred->named_to)
            continue;
        if (seq > pred->named_to) {
            pred->named_to = seq;
            pred->named_chain = l->preds[i].chain;
            pred->named_apart = false;
        } else if (!TYPE_EQ(&pred->named_chain, &l->preds[i].chain)) {
            pred->named_apart = true;
        }
    }
}

void
log_became_held(struct sync *s, struct log *l)
{
    if (l->held)
        return;
    l->held = true;
    l->opening = false;
    s->n_logs_unheld--;
    name_predecessors(l);
}

/* What a root statement says of logs that are not held: whichever of their branches a proof shows, the one that stands is wanted. */
void
logs_decide(struct sync *s, struct slice statement)
{
    struct root_statement st;
    struct err err;
    if (root_statement_decode(statement, &st, &err) < 0) {
        s->oom |= err.code == ERR_NOMEM;
        return;
    }
    for (size_t i = 0; i < st.n_standing; i++) {
        struct log *l = log_find(s, &st.standing[i].log);
        if (!l || l->held || !TYPE_EQ(&l->unit, &st.unit))
            continue;
        l->decided = true;
        l->frozen = false;
        l->walk_seq = 0;
        fork_keep_proof(s, l, (struct slice){0});
        want_schedule(s, l);
    }
    root_statement_release(&st);
}

/* A cut took all of it. */
static void
log_no_longer_held(struct sync *s, struct log *l)
{
    if (!l->held)
        return;
    l->held = false;
    s->n_logs_unheld++;
}

void
logs_rename(struct sync *s, const struct unit_id *unit)
{
    for (struct log *l = s->oldest; l; l = l->next) {
        if (TYPE_EQ(&l->unit, unit)) {
            l->named_to = 0;
            l->named_apart = false;
        }
    }
    for (struct log *l = s->oldest; l; l = l->next) {
        if (TYPE_EQ(&l->unit, unit))
            name_predecessors(l);
    }
}

/* Until event 1 is read, the unit is what somebody says: a log that names another unit's log hides it from nobody. */
void
log_set_unit(struct sync *s, struct log *l, const struct unit_id *unit)
{
    if (TYPE_EQ(&l->unit, unit) && !l->reassigned)
        return;
    l->unit = *unit;
    l->reassigned = false;
    logs_rename(s, unit);
}

/* What the store says replaces what was believed; runs in flight beyond a head that stayed go on. */
void
on_log_held(struct sync *s, const struct sync_log *e)
{
    struct log *l = log_add(s, &e->log, &e->unit);
    if (!l)
        return;
    bool inflight = (l->held || l->opening) && e->head_seq >= l->head_seq && l->tail_seq > e->head_seq;
    bool cut = e->head_seq < l->head_seq, restood = l->stands_to != e->stands_to;
    bool same = l->held && TYPE_EQ(&e->head_chain, &l->head_chain) && !restood && l->frozen == e->frozen;
    if (cut || (l->frozen && !e->frozen))
        l->local = false; /* whoever wrote it here writes another one now */
    log_set_unit(s, l, &e->unit);
    l->signing_key = e->signing_key;
    l->head_seq = e->head_seq;
    l->head_chain = e->head_chain;
    l->stands_to = e->stands_to;
    l->stands_chain = e->stands_chain;
    if (!inflight) {
        if (l->want.at && l->tail_seq != e->head_seq)
            want_close(s, l, true);
        l->tail_seq = e->head_seq;
        l->tail_chain = e->head_chain;
        l->inflight_bytes = 0;
    }
    l->opening = l->opening && inflight && e->head_seq == 0;
    if (l->frozen && !e->frozen) {
        l->walk_seq = 0;
        fork_keep_proof(s, l, (struct slice){0});
    }
    l->frozen = e->frozen;
    if (e->frozen && e->proof.len > 0)
        fork_keep_proof(s, l, e->proof);
    if (e->head_seq == 0)
        log_no_longer_held(s, l);
    else if (!l->held && log_set_predecessors(s, l, e->predecessors, e->n_predecessors) < 0)
        return;
    else
        log_became_held(s, l);
    if (restood || cut)
        logs_rename(s, &l->unit);
    if (!same)
        log_changed(s, l);
    want_schedule(s, l);
    serve_log(s, l);
}

size_t
sync_heads(const struct sync *s, struct head *ret, size_t max)
{
    size_t n = 0;
    struct head h;
    for (const struct log *l = s->oldest; l; l = l->next) {
        if (log_offered(s, l, &h)) {
            if (n < max)
                ret[n] = h;
            n++;
        }
    }
    return n;
}

static int
head_order(const void *a, const void *b)
{
    return memcmp(((const struct head *)a)->log.b, ((const struct head *)b)->log.b, HASH_BYTES);
}

struct hash
sync_heads_hash(struct head *heads, size_t n)
{
    /* One hash over the concatenation, in pieces that are hashed as one list of parts. */
    struct buf b;
    struct hash none = {{0}};
    if (n > 0)
        qsort(heads, n, sizeof(*heads), head_order);
    buf_init(&b, n * (2 * HASH_BYTES + 8) + 1);
    for (size_t i = 0; i < n; i++) {
        buf_put(&b, heads[i].log.b, HASH_BYTES);
        buf_put_u64(&b, heads[i].seq);
        buf_put(&b, heads[i].chain.b, HASH_BYTES);
    }
    struct hash h = b.failed ? none : crypto_hash1("smart.heads", buf_slice(&b));
    buf_free(&b);
    return h;
}

/* All zero without memory: fits nobody's. */
struct hash
logs_heads_hash(const struct sync *s)
{
    struct hash h = {{0}};
    size_t n = sync_heads(s, NULL, 0);
    struct head *heads = malloc((n ? n : 1) * sizeof(*heads));
    if (!heads)
        return h;
    n = sync_heads(s, heads, n);
    h = sync_heads_hash(heads, n);
    free(heads);
    return h;
}
