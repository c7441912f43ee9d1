/* Asking about one person, §12.8: questions of this node on their way, and those of peers that the host answers. What is asked and found
 * is the host's affair; here are the bounds and whom an answer is from. A question that nobody can be asked, or nobody answers, goes back. */
#include <stdlib.h>

#include "node/sync/state.h"

static bool
unanswered(struct sync *s, uint64_t number)
{
    struct sync_effect *e = emit(s, SYNC_ADMISSION_UNANSWERED, NULL);
    if (e)
        e->admission_unanswered.number = number;
    return e != NULL;
}

static struct session *
session_of(const struct sync *s, const struct unit_id *unit)
{
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        struct session *p = s->sessions[i];
        if (p->state == SESSION_OPEN && TYPE_EQ(&p->unit, unit) && p->admissions_asked < SYNC_ADMISSION_ASKS_MAX)
            return p;
    }
    return NULL;
}

static void
remove_at(struct sync *s, uint32_t i)
{
    s->admissions[i].at->admissions_asked--;
    s->admissions[i] = s->admissions[--s->n_admissions];
}

int
on_admission_ask(struct sync *s, const struct sync_event *ev, struct err *err)
{
    for (uint32_t i = 0; i < s->n_admissions; i++)
        if (s->admissions[i].number == ev->admission_ask.number)
            return err_set(err, ERR_INVALID, "a question of this number is under way");
    if (!oprf_element_ok(&ev->admission_ask.blinded))
        return err_set(err, ERR_INVALID, "a question without an element of the group");
    struct session *p = session_of(s, &ev->admission_ask.unit);
    struct message m = {.type = MSG_ADMISSION_ASK};
    m.admission_ask.number = ev->admission_ask.number;
    m.admission_ask.bucket = ev->admission_ask.bucket;
    m.admission_ask.blinded = ev->admission_ask.blinded;
    if (!p || s->n_admissions == SYNC_ADMISSIONS_MAX || !emit_send(s, p, &m)) {
        (void)unanswered(s, ev->admission_ask.number);
        return 0;
    }
    s->admissions[s->n_admissions++] =
        (struct question){.number = ev->admission_ask.number, .at = p, .deadline = s->now + SYNC_ADMISSION_MS};
    p->admissions_asked++;
    return 0;
}

void
on_admission_answer(struct sync *s, struct session *p, const struct message *m)
{
    uint32_t i = 0;
    while (i < s->n_admissions && (s->admissions[i].number != m->admission_answer.number || s->admissions[i].at != p))
        i++;
    if (i == s->n_admissions) {
        p->dropped++;
        return;
    }
    struct slice entries = emit_copy(s, m->admission_answer.entries);
    bool whole = entries.len == m->admission_answer.entries.len;
    struct sync_effect *e = whole ? emit(s, SYNC_ADMISSION_ANSWERED, p) : NULL;
    if (!e)
        return;
    e->admission_answered.number = m->admission_answer.number;
    e->admission_answered.unit = p->unit;
    e->admission_answered.status = m->admission_answer.status;
    e->admission_answered.evaluated = m->admission_answer.evaluated;
    e->admission_answered.entries = entries;
    remove_at(s, i);
}

/* A peer asks. */
void
on_admission_message(struct sync *s, struct session *p, const struct message *m)
{
    if (p->admissions_served >= SYNC_ADMISSION_ASKS_MAX) {
        session_over_limit(s, p, "persons");
        return;
    }
    struct sync_effect *e = emit(s, SYNC_ADMISSION_ASKED, p);
    if (!e)
        return;
    p->admissions_served++;
    e->admission_asked.number = m->admission_ask.number;
    e->admission_asked.unit = p->unit;
    e->admission_asked.bucket = m->admission_ask.bucket;
    e->admission_asked.blinded = m->admission_ask.blinded;
}

void
on_admission_done(struct sync *s, struct session *p, const struct sync_event *ev)
{
    if (p->admissions_served > 0)
        p->admissions_served--;
    if (p->state != SESSION_OPEN)
        return;
    struct message m = {.type = MSG_ADMISSION_ANSWER};
    m.admission_answer.number = ev->admission_done.number;
    m.admission_answer.status = ev->admission_done.status;
    m.admission_answer.has_evaluated = ev->admission_done.status == ADMISSION_ANSWERED;
    m.admission_answer.evaluated = ev->admission_done.evaluated;
    m.admission_answer.entries = ev->admission_done.entries;
    (void)emit_send(s, p, &m);
}

void
admissions_session_lost(struct sync *s, struct session *p)
{
    for (uint32_t i = 0; i < s->n_admissions;) {
        if (s->admissions[i].at != p) {
            i++;
            continue;
        }
        (void)unanswered(s, s->admissions[i].number);
        remove_at(s, i);
    }
}

void
admissions_timer(struct sync *s)
{
    for (uint32_t i = 0; i < s->n_admissions;) {
        if (s->now < s->admissions[i].deadline || !unanswered(s, s->admissions[i].number))
            i++;
        else
            remove_at(s, i);
    }
}

int64_t
admissions_next(const struct sync *s)
{
    int64_t at = NEVER;
    for (uint32_t i = 0; i < s->n_admissions; i++)
        at = earlier(at, s->admissions[i].deadline);
    return at;
}
