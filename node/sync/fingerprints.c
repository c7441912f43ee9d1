/* Fingerprints of the state tables (§13): compared with peers whose heads are ours, at most once a minute. They find bugs. */
#include "node/sync/state.h"

/* Everything known of is held: a state derived from less may rightly differ. */
static bool
settled(const struct sync *s)
{
    for (const struct log *l = s->oldest; l; l = l->next) {
        if (l->tail_seq != l->head_seq ||
            (l->need_seq > l->head_seq && l->stands_to > l->head_seq && unit_admitted(s, &l->unit)))
            return false;
    }
    return true;
}

void
fingerprints_timer(struct sync *s)
{
    if (s->now < s->fingerprints_at)
        return;
    s->fingerprints_at = s->now + SYNC_FINGERPRINTS_MS;
    bool any = false;
    for (uint32_t i = 0; i < s->n_sessions && !any; i++)
        any = s->sessions[i]->state == SESSION_OPEN && heads_equal(s, s->sessions[i]);
    if (!any || !settled(s))
        return;
    struct sync_effect *e = emit(s, SYNC_FINGERPRINTS_NEEDED, NULL);
    if (e)
        e->fingerprints_needed.heads_hash = logs_heads_hash(s);
}

static void
compare(struct sync *s, struct session *p)
{
    if (!p->has_fingerprints || !s->has_fingerprints || p->fp_rules != s->fp_rules ||
        !TYPE_EQ(&p->fp_heads, &s->fp_heads))
        return;
    p->has_fingerprints = false;
    for (uint32_t i = 0; i < s->fp_n; i++) {
        for (uint32_t k = 0; k < p->fp_n; k++) {
            if (s->fp_tables[i].table != p->fp_tables[k].table ||
                TYPE_EQ(&s->fp_tables[i].fingerprint, &p->fp_tables[k].fingerprint))
                continue;
            struct sync_effect *e;
            emit_alarm(s, ALARM_DIVERGED, p, &p->unit, NULL, "equal heads, but table %u differs",
                       (unsigned)s->fp_tables[i].table);
            e = s->out->n > 0 ? &s->out->items[s->out->n - 1] : NULL;
            if (e && e->type == SYNC_ALARM && e->alarm.code == ALARM_DIVERGED)
                e->alarm.table = s->fp_tables[i].table;
        }
    }
}

void
on_fingerprints_own(struct sync *s, const struct sync_event *ev)
{
    struct message m = {.type = MSG_FINGERPRINTS};
    m.fingerprints.rules_version = s->fp_rules = ev->fingerprints.rules_version;
    m.fingerprints.heads_hash = s->fp_heads = ev->fingerprints.heads_hash;
    m.fingerprints.n = s->fp_n = (uint32_t)ev->fingerprints.n;
    memcpy(s->fp_tables, ev->fingerprints.tables, ev->fingerprints.n * sizeof(s->fp_tables[0]));
    memcpy(m.fingerprints.tables, s->fp_tables, s->fp_n * sizeof(s->fp_tables[0]));
    s->has_fingerprints = true;
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        struct session *p = s->sessions[i];
        if (p->state != SESSION_OPEN)
            continue;
        compare(s, p);
        if (s->now >= p->fingerprints_after && heads_equal(s, p)) {
            p->fingerprints_after = s->now + SYNC_FINGERPRINTS_MS;
            (void)emit_send(s, p, &m);
        }
    }
}

void
on_fingerprints(struct sync *s, struct session *p, const struct message *m)
{
    p->has_fingerprints = true;
    p->fp_rules = m->fingerprints.rules_version;
    p->fp_heads = m->fingerprints.heads_hash;
    p->fp_n = (uint32_t)m->fingerprints.n;
    memcpy(p->fp_tables, m->fingerprints.tables, m->fingerprints.n * sizeof(p->fp_tables[0]));
    compare(s, p);
}
