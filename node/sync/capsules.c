/* Capsules that this node asks for (§12.7): one session after the other, those of the log's own unit first. */
#include <stdlib.h>

#include "node/sync/state.h"

static struct capsule_need *
find_need(const struct sync *s, const struct log_id *log, uint64_t seq, uint32_t index)
{
    for (uint32_t i = 0; i < s->n_capsules; i++) {
        struct capsule_need *n = &s->capsules[i];
        if (n->seq == seq && n->index == index && TYPE_EQ(&n->log, log))
            return n;
    }
    return NULL;
}

static void
unask(struct capsule_need *n)
{
    if (n->asked)
        n->asked->capsules_asked--;
    n->asked = NULL;
    n->deadline = NEVER;
}

static void
need_done(struct sync *s, struct capsule_need *n)
{
    unask(n);
    *n = s->capsules[--s->n_capsules];
}

/* Next in turn: sessions of the unit by ordinal, then the others. */
static struct session *
next_session(const struct sync *s, struct capsule_need *n)
{
    for (;;) {
        for (uint32_t i = 0; i < s->n_sessions; i++) {
            struct session *p = s->sessions[i];
            if (p->state == SESSION_OPEN && p->ordinal > n->ordinal && TYPE_EQ(&p->unit, &n->unit) != n->others)
                return p;
        }
        if (n->others)
            return NULL;
        n->others = true;
        n->ordinal = 0;
    }
}

static bool
missing(struct sync *s, const struct log_id *log, uint64_t seq, uint32_t index)
{
    struct sync_effect *e = emit(s, SYNC_CAPSULE_MISSING, NULL);
    if (!e)
        return false;
    e->capsule_missing.log = *log;
    e->capsule_missing.seq = seq;
    e->capsule_missing.index = index;
    return true;
}

/* False if the need is gone: nobody is left to ask. */
static bool
ask(struct sync *s, struct capsule_need *n)
{
    struct session *p = next_session(s, n);
    if (!p) {
        if (!missing(s, &n->log, n->seq, n->index))
            return true;
        need_done(s, n);
        return false;
    }
    if (p->capsules_asked >= SYNC_CAPSULE_WANTS_MAX)
        return true;
    struct message m = {.type = MSG_CAPSULE_WANT};
    m.capsule_want.log = n->log;
    m.capsule_want.seq = n->seq;
    m.capsule_want.index = n->index;
    if (!emit_send(s, p, &m))
        return true;
    n->asked = p;
    n->ordinal = p->ordinal;
    n->deadline = s->now + SYNC_CAPSULE_MS;
    p->capsules_asked++;
    return true;
}

/* Asks for what waits, passes on what was not answered in time. */
void
capsules_pump(struct sync *s)
{
    for (uint32_t i = 0; i < s->n_capsules;) {
        struct capsule_need *n = &s->capsules[i];
        if (n->asked && s->now >= n->deadline)
            unask(n);
        if (n->asked || ask(s, n))
            i++;
    }
}

int64_t
capsules_next(const struct sync *s)
{
    int64_t at = NEVER;
    for (uint32_t i = 0; i < s->n_capsules; i++)
        at = earlier(at, s->capsules[i].deadline);
    return at;
}

void
on_capsule_needed(struct sync *s, const struct sync_event *ev)
{
    if (find_need(s, &ev->capsule_needed.log, ev->capsule_needed.seq, ev->capsule_needed.index))
        return;
    if (!s->capsules)
        s->capsules = calloc(SYNC_CAPSULES_MAX, sizeof(*s->capsules));
    if (!s->capsules || s->n_capsules == SYNC_CAPSULES_MAX) {
        (void)missing(s, &ev->capsule_needed.log, ev->capsule_needed.seq, ev->capsule_needed.index);
        return;
    }
    struct capsule_need *n = &s->capsules[s->n_capsules++];
    *n = (struct capsule_need){.unit = ev->capsule_needed.unit,
                               .log = ev->capsule_needed.log,
                               .seq = ev->capsule_needed.seq,
                               .index = ev->capsule_needed.index,
                               .hash = ev->capsule_needed.hash,
                               .deadline = NEVER};
    (void)ask(s, n);
}

void
on_capsule(struct sync *s, struct session *p, const struct message *m)
{
    struct capsule_need *n = find_need(s, &m->capsule.log, m->capsule.seq, m->capsule.index);
    if (!n || n->asked != p) {
        p->dropped++;
        return;
    }
    struct hash hash = capsule_hash(m->capsule.bytes);
    if (!TYPE_EQ(&hash, &n->hash)) {
        p->dropped++;
        unask(n);
        (void)ask(s, n);
        capsules_pump(s);
        return;
    }
    struct slice copy = emit_copy(s, m->capsule.bytes);
    struct sync_effect *e = copy.len > 0 ? emit(s, SYNC_CAPSULE_GOT, p) : NULL;
    if (!e)
        return;
    e->capsule_got.log = n->log;
    e->capsule_got.seq = n->seq;
    e->capsule_got.index = n->index;
    e->capsule_got.bytes = copy;
    need_done(s, n);
    capsules_pump(s);
}

void
on_gone_capsule(struct sync *s, struct session *p, const struct message *m)
{
    struct capsule_need *n = find_need(s, &m->gone.log, m->gone.seq, m->gone.index);
    if (!n || n->asked != p) {
        p->dropped++;
        return;
    }
    unask(n);
    (void)ask(s, n);
    capsules_pump(s);
}

void
capsules_session_lost(struct sync *s, struct session *p)
{
    for (uint32_t i = 0; i < s->n_capsules; i++) {
        if (s->capsules[i].asked == p) {
            unask(&s->capsules[i]);
            s->capsules[i].deadline = s->now; /* a timer, so that the pump runs */
        }
    }
    p->capsules_asked = 0;
}
