/* Serving what peers want (§12.4): streams of runs within their credit, single events, capsules. Only what is durable is read.
 * A few reads are under way for each session at a time, the wants take turns. */
#include "node/sync/state.h"

static void
send_gone(struct sync *s, struct session *p, const struct log_id *log, uint64_t seq, enum gone_reason reason)
{
    struct message m = {.type = MSG_GONE};
    m.gone.log = *log;
    m.gone.seq = seq;
    m.gone.reason = reason;
    (void)emit_send(s, p, &m);
}

static void
served_remove(struct session *p, struct served *v)
{
    *v = p->served[--p->n_served];
    p->served_turn = 0;
}

static bool
start_read(struct sync *s, struct session *p, struct served *v)
{
    struct sync_effect *e = emit(s, SYNC_READ, p);
    if (!e)
        return false;
    v->read_id = ++s->read_id;
    p->reads++;
    e->read.number = v->read_id;
    e->read.log = v->log->id;
    e->read.from = v->next;
    e->read.compare = v->compare;
    e->read.before = v->before;
    return true;
}

static void
pump(struct sync *s, struct session *p)
{
    for (uint32_t i = 0; i < p->n_served && p->reads < SYNC_READS_MAX; i++) {
        struct served *v = &p->served[(p->served_turn + i) % p->n_served];
        if (v->read_id == 0 && v->balance > 0 && (v->compare || v->next <= v->log->head_seq) && !start_read(s, p, v))
            return;
    }
    if (p->n_served > 0)
        p->served_turn = (p->served_turn + 1) % p->n_served;
}

static struct served *
served_of(struct session *p, const struct log *l)
{
    for (uint32_t i = 0; i < p->n_served; i++) {
        if (p->served[i].log == l)
            return &p->served[i];
    }
    return NULL;
}

void
on_want(struct sync *s, struct session *p, const struct message *m)
{
    struct log *l = log_find(s, &m->want.log);
    if (m->want.number <= p->peer_number) {
        p->dropped++;
        return;
    }
    p->peer_number = m->want.number;
    if (l && l->held && m->want.from - 1 >= l->head_seq)
        fork_repeat(s, p, l);
    struct served *v = l ? served_of(p, l) : NULL;
    if (!l || !l->held || m->want.from - 1 > l->head_seq) {
        if (v)
            served_remove(p, v);
        send_gone(s, p, &m->want.log, 0, GONE_NOT_HELD);
        return;
    }
    if (!v) {
        if (p->n_served == SYNC_WANTS_MAX) {
            struct err err;
            (void)err_set(&err, ERR_LIMIT, "more than %d wants are open", SYNC_WANTS_MAX);
            session_fault(s, p, BYE_LIMIT, l, &err);
            return;
        }
        v = &p->served[p->n_served++];
    }
    *v = (struct served){
        .log = l, .number = m->want.number, .next = m->want.from, .compare = true, .before = m->want.before};
    v->balance = m->want.credit_bytes > CREDIT_MAX ? CREDIT_MAX : (int64_t)m->want.credit_bytes;
    /* At the head there is nothing to read for the comparison. */
    if (m->want.from - 1 == l->head_seq && TYPE_EQ(&m->want.before, &l->head_chain))
        v->compare = false;
    pump(s, p);
}

void
on_credit(struct sync *s, struct session *p, const struct message *m)
{
    for (uint32_t i = 0; i < p->n_served; i++) {
        struct served *v = &p->served[i];
        if (v->number != m->credit.number)
            continue;
        if (m->credit.bytes == 0) {
            served_remove(p, v);
        } else {
            uint64_t room = (uint64_t)(CREDIT_MAX - v->balance);
            v->balance += (int64_t)(m->credit.bytes < room ? m->credit.bytes : room);
        }
        break;
    }
    pump(s, p);
}

static void
send_evidence(struct sync *s, struct session *p, const struct log *l, const struct sync_branch *ours)
{
    struct message m = {.type = MSG_EVIDENCE};
    size_t n = ours->header_hashes.len / HASH_BYTES;
    if (n == 0 || n > EVIDENCE_HASHES_MAX || ours->header_hashes.len % HASH_BYTES != 0)
        return;
    m.evidence.log = l->id;
    m.evidence.first = ours->first;
    m.evidence.before = ours->before;
    m.evidence.header_hashes = ours->header_hashes;
    m.evidence.seal = ours->seal;
    (void)emit_send(s, p, &m);
}

static void
send_run(struct sync *s, struct session *p, struct served *v, const struct run *run)
{
    struct message m = {.type = MSG_BATCH};
    m.batch.run = *run;
    m.batch.number = v->number;
    if (!emit_send(s, p, &m))
        return;
    v->compare = false;
    v->next = run->first + run->count;
    v->balance -= (int64_t)run->frames.len + CREDIT_PER_RUN;
    p->runs_sent++;
    if (v->next > v->log->head_seq)
        fork_repeat(s, p, v->log);
}

void
on_read_done(struct sync *s, struct session *p, const struct sync_event *ev)
{
    struct served *v = NULL;
    if (p->reads > 0)
        p->reads--;
    for (uint32_t i = 0; i < p->n_served && !v; i++) {
        if (p->served[i].read_id == ev->read_done.number)
            v = &p->served[i];
    }
    if (v && ev->read_done.number != 0) {
        const struct run *run = &ev->read_done.run;
        v->read_id = 0;
        switch (ev->read_done.result) {
        case SYNC_READ_RUN:
            if (run->first == v->next && TYPE_EQ(&run->log, &v->log->id))
                send_run(s, p, v, run);
            break;
        case SYNC_READ_AT_HEAD: v->compare = false; break;
        case SYNC_READ_DIFFERS:
            send_evidence(s, p, v->log, &ev->read_done.ours);
            served_remove(p, v);
            break;
        case SYNC_READ_NOT_HELD:
            send_gone(s, p, &v->log->id, 0, GONE_NOT_HELD);
            served_remove(p, v);
            break;
        }
    }
    pump(s, p);
}

/* A head that went down takes the streams beyond it along; one that went up feeds those that wait. */
void
serve_log(struct sync *s, struct log *l)
{
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        struct session *p = s->sessions[i];
        struct served *v = p->n_served > 0 ? served_of(p, l) : NULL;
        if (!v)
            continue;
        if (v->next > l->head_seq + 1) {
            send_gone(s, p, &l->id, 0, GONE_NOT_HELD);
            served_remove(p, v);
        }
        pump(s, p);
    }
}

void
on_event_want(struct sync *s, struct session *p, const struct message *m)
{
    const struct log *l = log_find(s, &m->event_want.log);
    if (!l || !l->held || m->event_want.seq > l->head_seq) {
        send_gone(s, p, &m->event_want.log, m->event_want.seq, GONE_NOT_HELD);
        return;
    }
    if (p->event_reads >= SYNC_EVENT_WANTS_MAX) {
        session_over_limit(s, p, "events");
        return;
    }
    struct sync_effect *e = emit(s, SYNC_READ_EVENT, p);
    if (!e)
        return;
    p->event_reads++;
    e->read_event.log = l->id;
    e->read_event.seq = m->event_want.seq;
}

void
on_event_done(struct sync *s, struct session *p, const struct sync_event *ev)
{
    if (p->event_reads > 0)
        p->event_reads--;
    if (p->state != SESSION_OPEN)
        return;
    if (ev->event_done.gone != 0) {
        send_gone(s, p, &ev->event_done.log, ev->event_done.seq, ev->event_done.gone);
        return;
    }
    struct message m = {.type = MSG_EVENT_AT};
    m.event_at.log = ev->event_done.log;
    m.event_at.seq = ev->event_done.seq;
    m.event_at.receipt = ev->event_done.receipt;
    (void)emit_send(s, p, &m);
}

static void
send_capsule_gone(struct sync *s, struct session *p, const struct log_id *log, uint64_t seq, uint32_t index,
                  enum gone_reason reason)
{
    struct message m = {.type = MSG_GONE};
    m.gone.log = *log;
    m.gone.seq = seq;
    m.gone.has_index = true;
    m.gone.index = index;
    m.gone.reason = reason;
    (void)emit_send(s, p, &m);
}

void
on_capsule_want(struct sync *s, struct session *p, const struct message *m)
{
    const struct log *l = log_find(s, &m->capsule_want.log);
    if (!l || !l->held || m->capsule_want.seq > l->head_seq) {
        send_capsule_gone(s, p, &m->capsule_want.log, m->capsule_want.seq, m->capsule_want.index, GONE_NOT_HELD);
        return;
    }
    if (p->capsule_reads >= SYNC_CAPSULE_WANTS_MAX) {
        session_over_limit(s, p, "capsules");
        return;
    }
    struct sync_effect *e = emit(s, SYNC_READ_CAPSULE, p);
    if (!e)
        return;
    p->capsule_reads++;
    e->read_capsule.log = l->id;
    e->read_capsule.seq = m->capsule_want.seq;
    e->read_capsule.index = m->capsule_want.index;
    e->read_capsule.unit = p->unit;
}

void
on_capsule_done(struct sync *s, struct session *p, const struct sync_event *ev)
{
    if (p->capsule_reads > 0)
        p->capsule_reads--;
    if (p->state != SESSION_OPEN)
        return;
    if (ev->capsule_done.gone != 0) {
        send_capsule_gone(s, p, &ev->capsule_done.log, ev->capsule_done.seq, ev->capsule_done.index,
                          ev->capsule_done.gone);
        return;
    }
    struct message m = {.type = MSG_CAPSULE};
    m.capsule.log = ev->capsule_done.log;
    m.capsule.seq = ev->capsule_done.seq;
    m.capsule.index = ev->capsule_done.index;
    m.capsule.bytes = ev->capsule_done.bytes;
    (void)emit_send(s, p, &m);
}
