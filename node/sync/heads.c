/* Heads: telling ours, remembering a peer's, comparing both (§12.4). A claim is what a peer says it holds of a log; it costs
 * nothing until a run meets it, so nothing is believed by number: only what is fetched and verified counts. */
#include <stdlib.h>

#include "node/sync/state.h"

enum {
    CLAIMS_UNHELD_MAX = SYNC_CLAIMS_MAX / 4 * 3, /* the rest is kept for logs that are held */
    CHECKS_MAX = 64,                             /* reads of chain values for one pass over the claims */
};

static void
send_list(struct sync *s, struct session *p, struct message *m)
{
    if (m->heads.n > 0 || m->heads.full)
        (void)emit_send(s, p, m);
    m->heads.n = 0;
    m->heads.full = false;
}

/* All tips, or those that changed since the last list. */
void
heads_send(struct sync *s, struct session *p, bool full)
{
    struct message m = {.type = MSG_HEADS};
    struct head *heads = malloc(MESSAGE_HEADS_MAX * sizeof(*heads));
    if (!heads) {
        s->oom = true;
        return;
    }
    m.heads.heads = heads;
    m.heads.full = full;
    struct log *l = s->oldest;
    if (!full) {
        for (l = s->newest; l && l->prev && l->prev->version > p->told_version; l = l->prev)
            ;
    }
    for (; l; l = l->next) {
        if (!full && l->version <= p->told_version)
            continue;
        if (m.heads.n == MESSAGE_HEADS_MAX) {
            m.heads.more = true;
            send_list(s, p, &m);
            m.heads.more = false;
        }
        if (log_offered(s, l, &heads[m.heads.n]))
            m.heads.n++;
    }
    send_list(s, p, &m);
    free(heads);
    p->told_version = s->version;
    p->heads_at = s->now + SYNC_HEADS_MS;
}

static void
check_later(struct sync *s, struct session *p, struct claim *c)
{
    c->check_at = s->now + SYNC_CHECK_MS;
    p->claims_at = earlier(p->claims_at, c->check_at);
}

/* What a claim makes us do now; comparisons that need the store, or might be a matter of timing, later. */
static void
look_at_claim(struct sync *s, struct session *p, struct log *l, struct claim *c)
{
    if (l->frozen) {
        if (l->proof)
            fork_pass_on(s, p, l, c);
        else
            check_later(s, p, c);
        want_schedule(s, l);
        return;
    }
    uint64_t seq = claim_seq(l, c);
    if (l->held &&
        (l->local || seq < l->head_seq || (seq == l->head_seq && seq == c->seq && !TYPE_EQ(&c->chain, &l->head_chain))))
        check_later(s, p, c);
    want_schedule(s, l);
}

static void
take_head(struct sync *s, struct session *p, const struct head *h)
{
    const struct unit *u = unit_find(s, &h->unit);
    if (!u || !u->admitted) {
        p->dropped++;
        return;
    }
    struct log *l = log_find(s, &h->log);
    struct claim *c = map_get(&p->claims, &h->log);
    if (!c) {
        if (p->claims.count >= (l && l->held ? SYNC_CLAIMS_MAX : CLAIMS_UNHELD_MAX)) {
            p->dropped++;
            return;
        }
        if (!l)
            l = log_add(s, &h->log, &h->unit);
        if (!l)
            return;
        c = map_put(&p->claims, &h->log, NULL);
        if (!c) {
            s->oom = true;
            return;
        }
    }
    MUST(l);
    if (c->seq != h->seq || !TYPE_EQ(&c->chain, &h->chain)) {
        c->seq = h->seq;
        c->chain = h->chain;
        c->checked = false;
    }
    c->listed = true;
    if (!l->held && !l->opening && !TYPE_EQ(&l->unit, &h->unit)) {
        l->unit = h->unit;
        l->reassigned = true;
    }
    look_at_claim(s, p, l, c);
}

void
on_heads(struct sync *s, struct session *p, const struct message *m)
{
    p->heads_heard = true;
    if (m->heads.full) {
        size_t cursor = 0;
        const void *key;
        void *value;
        while (map_next(&p->claims, &cursor, &key, &value)) {
            struct claim *c = value;
            c->listed = c->checked = false;
        }
    }
    for (size_t i = 0; i < m->heads.n && p->state == SESSION_OPEN; i++)
        take_head(s, p, &m->heads.heads[i]);
    /* What is needed and claimed by nobody (predecessors of tips) may be asked of this peer too. */
    if (m->heads.full) {
        log_timer(s, s->now);
        fork_offer(s, p);
    }
}

/* A claim that stood for a second is compared with what we hold; true if it took a read. */
static bool
check_claim(struct sync *s, struct session *p, struct log *l, struct claim *c)
{
    uint64_t seq = claim_seq(l, c);
    c->checked = true;
    if (l->frozen) {
        if (!l->proof && l->walk_seq > 0)
            fork_query(s, p, l, l->walk_seq, &l->walk_chain);
        return false;
    }
    if (!l->held || seq == 0)
        return false;
    bool other = seq == l->head_seq && seq == c->seq && !TYPE_EQ(&c->chain, &l->head_chain);
    if (l->local && (seq > l->head_seq || other)) {
        if (!c->clone_alarmed)
            emit_alarm(s, ALARM_CLONE, p, &l->unit, l,
                       "a peer holds %llu events of the log that this node writes, we %llu", (unsigned long long)seq,
                       (unsigned long long)l->head_seq);
        c->clone_alarmed = true;
        other = true;
    }
    if (other)
        fork_query(s, p, l, l->head_seq, &l->head_chain);
    if (seq >= l->head_seq || seq != c->seq)
        return false;
    struct sync_effect *e = emit(s, SYNC_READ_CHAIN, p);
    if (e) {
        e->read_chain.log = l->id;
        e->read_chain.seq = seq;
    }
    return true;
}

void
claims_check(struct sync *s, struct session *p)
{
    size_t cursor = 0;
    const void *key;
    void *value;
    int reads = 0;
    p->claims_at = NEVER;
    while (map_next(&p->claims, &cursor, &key, &value)) {
        struct claim *c = value;
        struct log *l = c->listed && !c->checked && c->check_at > 0 ? log_find(s, key) : NULL;
        if (!l)
            continue;
        if (reads == CHECKS_MAX && c->check_at <= s->now)
            p->claims_at = s->now + SYNC_HEADS_MS;
        else if (c->check_at > s->now)
            p->claims_at = earlier(p->claims_at, c->check_at);
        else if (check_claim(s, p, l, c))
            reads++;
    }
}

void
on_chain_done(struct sync *s, struct session *p, const struct sync_event *ev)
{
    struct log *l = log_find(s, &ev->chain_done.log);
    const struct claim *c = map_get(&p->claims, &ev->chain_done.log);
    if (p->state != SESSION_OPEN || !l || !c || !ev->chain_done.held || l->frozen ||
        claim_seq(l, c) != ev->chain_done.seq)
        return;
    if (!TYPE_EQ(&c->chain, &ev->chain_done.chain))
        fork_query(s, p, l, ev->chain_done.seq, &ev->chain_done.chain);
}

/* Our tips are the peer's. */
bool
heads_equal(const struct sync *s, const struct session *p)
{
    struct head h;
    for (const struct log *l = s->oldest; l; l = l->next) {
        if (!log_offered(s, l, &h))
            continue;
        const struct claim *c = map_get(&p->claims, &l->id);
        if (!c || !c->listed || c->seq != h.seq || !TYPE_EQ(&c->chain, &h.chain))
            return false;
    }
    return true;
}
