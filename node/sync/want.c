/* Which log is asked of whom (§12.4). want_schedule is the whole decision for one log, called whenever something about the log
 * or the sessions changed; it costs a look at every session. */
#include "node/sync/state.h"

enum { SUCCESSORS_DEPTH = 16 /* how far up a tip is looked for that a peer lists */, RESCAN_MS = 50 };

/* Less is better; then the session with the fewest open wants. */
enum rank { RANK_OWN, RANK_CLAIMS, RANK_NEED_OWN, RANK_NEED_LISTED, RANK_NEED, RANK_NONE };

void
log_timer(struct sync *s, int64_t at)
{
    s->logs_at = earlier(s->logs_at, at);
}

uint64_t
claim_seq(const struct log *l, const struct claim *c)
{
    if (!c || !c->listed)
        return 0;
    return c->seq < l->stands_to ? c->seq : l->stands_to;
}

static uint64_t
need_seq(const struct log *l)
{
    return l->need_seq < l->stands_to ? l->need_seq : l->stands_to;
}

static bool
lists_successor(const struct session *p, const struct log *l)
{
    const struct log *up = l->need_by;
    for (int i = 0; up && i < SUCCESSORS_DEPTH; i++, up = up->need_by) {
        const struct claim *c = map_get(&p->claims, &up->id);
        if (c && c->listed)
            return true;
    }
    return false;
}

static enum rank
rank_of(struct sync *s, const struct session *p, const struct log *l)
{
    if (p->state != SESSION_OPEN)
        return RANK_NONE;
    const struct claim *c = map_get(&p->claims, &l->id);
    bool own = TYPE_EQ(&p->unit, &l->unit), claims = claim_seq(l, c) > l->tail_seq;
    if (!claims && need_seq(l) <= l->tail_seq)
        return RANK_NONE;
    if (c && c->disregard_until > s->now) {
        log_timer(s, c->disregard_until);
        return RANK_NONE;
    }
    if (claims)
        return own ? RANK_OWN : RANK_CLAIMS;
    if (own)
        return RANK_NEED_OWN;
    return lists_successor(p, l) ? RANK_NEED_LISTED : RANK_NEED;
}

static bool
has_room(struct sync *s, const struct session *p, const struct log *l)
{
    if (p->wants < SYNC_WANTS_MAX && (l->tail_seq > 0 || p->wants_first < SYNC_WANTS_FIRST_MAX))
        return true;
    s->starved = true;
    return false;
}

static struct session *
best_session(struct sync *s, const struct log *l, enum rank *ret_rank)
{
    struct session *best = NULL;
    *ret_rank = RANK_NONE;
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        struct session *p = s->sessions[i];
        enum rank rank = rank_of(s, p, l);
        if (rank == RANK_NONE || rank > *ret_rank || (p != l->want.at && !has_room(s, p, l)))
            continue;
        if (rank < *ret_rank || p->wants < best->wants) {
            best = p;
            *ret_rank = rank;
        }
    }
    return best;
}

bool
want_send(struct sync *s, struct session *p, const struct log *l, uint64_t from, const struct chain_value *before)
{
    struct message m = {.type = MSG_WANT};
    m.want.log = l->id;
    m.want.from = from;
    m.want.before = *before;
    m.want.credit_bytes = SYNC_WANT_CREDIT_BYTES;
    m.want.number = ++p->number;
    return emit_send(s, p, &m);
}

static void
want_open(struct sync *s, struct session *p, struct log *l)
{
    if (l->tail_seq >= INT64_MAX || !want_send(s, p, l, l->tail_seq + 1, &l->tail_chain))
        return;
    l->want = (struct want){.at = p,
                            .number = p->number,
                            .balance = SYNC_WANT_CREDIT_BYTES,
                            .stall_at = s->now + SYNC_STALL_MS,
                            .first = l->tail_seq == 0};
    p->wants++;
    if (l->want.first)
        p->wants_first++;
    log_timer(s, l->want.stall_at);
}

/* tell: the peer is told to stop. */
void
want_close(struct sync *s, struct log *l, bool tell)
{
    struct session *p = l->want.at;
    if (!p)
        return;
    struct message m = {.type = MSG_CREDIT};
    m.credit.number = l->want.number;
    if (tell)
        (void)emit_send(s, p, &m);
    p->wants--;
    if (l->want.first)
        p->wants_first--;
    l->want = (struct want){.stall_at = NEVER};
    if (s->starved)
        log_timer(s, s->now + RESCAN_MS);
}

static bool
unit_takes(struct sync *s, const struct log *l)
{
    struct unit *u = unit_find(s, &l->unit);
    if (!u || !u->admitted)
        return false;
    if (u->full && !u->full_alarmed) {
        u->full_alarmed = true;
        emit_alarm(s, ALARM_UNIT_FULL, NULL, &u->id, l, "unit %s is over its stored bytes: nothing more is fetched",
                   u->code);
    }
    return !u->full;
}

/* Of a frozen log the first run only: without it the unit's later logs would wait for ever, and no statement could end the freeze
 * here. */
static bool
may_want(struct sync *s, struct log *l)
{
    if ((l->frozen && l->tail_seq > 0) || l->local || l->unsupported)
        return false;
    int64_t until = l->paused_until > l->refused_until ? l->paused_until : l->refused_until;
    if (until > s->now) {
        log_timer(s, until);
        return false;
    }
    return true;
}

void
want_schedule(struct sync *s, struct log *l)
{
    enum rank rank;
    if (!may_want(s, l)) {
        want_close(s, l, true);
        return;
    }
    struct session *p = best_session(s, l, &rank);
    if (p && !unit_takes(s, l)) {
        want_close(s, l, true);
        return;
    }
    if (!l->want.at) {
        if (p)
            want_open(s, p, l);
        return;
    }
    if (!p) {
        /* At the head. It stays open where events may still come. */
        if (l->held && l->head_seq == l->tail_seq && !log_tip(l))
            want_close(s, l, true);
        return;
    }
    enum rank here = rank_of(s, l->want.at, l);
    if (here != RANK_NONE && l->want.stall_at == NEVER) {
        l->want.stall_at = s->now + SYNC_STALL_MS;
        log_timer(s, l->want.stall_at);
    }
    if (p == l->want.at || here == rank)
        return;
    bool at_own = TYPE_EQ(&l->want.at->unit, &l->unit);
    if ((rank == RANK_OWN && !at_own) ||
        (here >= RANK_NEED_OWN && here < RANK_NONE && rank < here && rank <= RANK_CLAIMS)) {
        want_close(s, l, true);
        want_open(s, p, l);
    } else if (here == RANK_NONE && l->want.stall_at == NEVER) {
        /* Most often this peer is about to deliver what the other one announced first. */
        l->want.stall_at = s->now + SYNC_MOVE_MS;
        log_timer(s, l->want.stall_at);
    }
}

/* This peer does not keep what it claims, or has not what is needed. */
void
want_disregard(struct sync *s, struct session *p, struct log *l)
{
    struct claim *c = map_put(&p->claims, &l->id, NULL);
    if (!c)
        return; /* its table is full: the log was never claimed by it, and the next stall tries again */
    c->backoff_ms = c->backoff_ms == 0 ? SYNC_DISREGARD_MS : c->backoff_ms * 2;
    if (c->backoff_ms > SYNC_DISREGARD_MAX_MS)
        c->backoff_ms = SYNC_DISREGARD_MAX_MS;
    c->disregard_until = s->now + c->backoff_ms;
}

/* Adds credit once what the peer may send is below half, unless too much waits to become durable. */
void
want_credit(struct sync *s, struct log *l)
{
    if (!l->want.at || l->want.balance >= SYNC_WANT_CREDIT_BYTES / 2 || l->inflight_bytes > SYNC_INFLIGHT_BYTES_MAX / 2)
        return;
    struct message m = {.type = MSG_CREDIT};
    m.credit.number = l->want.number;
    m.credit.bytes = (uint64_t)(SYNC_WANT_CREDIT_BYTES - l->want.balance);
    if (emit_send(s, l->want.at, &m))
        l->want.balance = SYNC_WANT_CREDIT_BYTES;
}

static void
stalled(struct sync *s, struct log *l)
{
    struct session *p = l->want.at;
    l->want.stall_at = NEVER;
    if (l->tail_seq > l->head_seq) {
        /* Ours is the delay: the append is not durable yet. */
        l->want.stall_at = s->now + SYNC_STALL_MS;
        return;
    }
    if (rank_of(s, p, l) != RANK_NONE) {
        want_disregard(s, p, l);
        want_close(s, l, true);
    } else {
        enum rank rank;
        if (best_session(s, l, &rank))
            want_close(s, l, true);
    }
}

void
wants_timers(struct sync *s)
{
    if (s->now < s->logs_at)
        return;
    s->logs_at = NEVER;
    s->starved = false;
    for (struct log *l = s->oldest; l; l = l->next) {
        if (l->want.at && s->now >= l->want.stall_at)
            stalled(s, l);
        want_schedule(s, l);
        log_timer(s, l->want.stall_at);
    }
    if (s->starved)
        log_timer(s, s->now + SYNC_CHECK_MS);
}

void
on_gone_log(struct sync *s, struct session *p, struct log *l)
{
    if (l->want.at != p)
        return;
    want_disregard(s, p, l);
    want_close(s, l, false);
    want_schedule(s, l);
}
