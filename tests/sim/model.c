/* The list of what was written, and what may be written next. See model.h. */
#include "tests/sim/model.h"

#include <stdlib.h>

#include "storage/visits.h"

struct model *
model_new(void)
{
    struct model *m = calloc(1, sizeof(*m));
    MUST(m);
    return m;
}

void
model_free(struct model **mp)
{
    if (*mp)
        free((*mp)->events);
    free(*mp);
    *mp = NULL;
}

void
model_mark(struct model *m)
{
    m->mark = m->n;
}

void
model_rollback(struct model *m)
{
    m->n = m->mark;
}

/* ---- looking things up ---- */

bool
model_entity(const struct model *m, enum model_sort sort, size_t i, struct subject_id *ret)
{
    for (size_t k = 0; k < m->n; k++) {
        bool first = m->events[k].sort == sort;
        for (size_t j = 0; j < k && first; j++)
            first = m->events[j].sort != sort || !TYPE_EQ(&m->events[j].entity, &m->events[k].entity);
        if (!first || i-- > 0)
            continue;
        *ret = m->events[k].entity;
        return true;
    }
    return false;
}

size_t
model_entities(const struct model *m, enum model_sort sort)
{
    struct subject_id ignored;
    size_t n = 0;
    while (model_entity(m, sort, n, &ignored))
        n++;
    return n;
}

const struct model_event *
model_pick(const struct model *m, enum model_sort sort, uint64_t number)
{
    for (size_t i = 0; i < m->n; i++) {
        const struct model_event *e = &m->events[(number + i) % m->n];
        if (e->sort == sort)
            return e;
    }
    return NULL;
}

static void
put(const struct model_event **list, size_t *n, const struct model_event *e)
{
    for (size_t i = 0; i < *n; i++)
        if (list[i]->slot == e->slot) {
            list[i] = e;
            return;
        }
    list[(*n)++] = e;
}

const struct model_event **
model_slots(const struct model *m, enum model_sort sort, const struct subject_id *entity,
            const struct model_event *extra, size_t *ret_n)
{
    const struct model_event **list = calloc(m->n + 2, sizeof(*list));
    size_t n = 0;
    MUST(list);
    for (size_t i = 0; i < m->n; i++)
        if (model_is_of(&m->events[i], sort, entity))
            put(list, &n, &m->events[i]);
    if (extra)
        put(list, &n, extra);
    for (size_t i = 1; i < n; i++) {
        const struct model_event *e = list[i];
        size_t k = i;
        for (; k > 0 && (list[k - 1]->date > e->date || (list[k - 1]->date == e->date && list[k - 1]->slot > e->slot));
             k--)
            list[k] = list[k - 1];
        list[k] = e;
    }
    *ret_n = n;
    return list;
}

int
model_year_of(int32_t date)
{
    int year, month, day;
    date_to_ymd((struct civil_date){date}, &year, &month, &day);
    return year;
}

bool
model_closed(const struct model *m, const struct model_event *e)
{
    int year = model_year_of(e->date);
    if (e->sort == SORT_POSTING)
        return false; /* in no figure */
    for (size_t i = 0; i < m->n; i++) {
        int closed = m->events[i].sort == SORT_PERIOD ? m->events[i].year : 0;
        if (closed == year || (e->sort == SORT_MEMBER && closed > year && closed <= model_year_of(m->today)))
            return true;
    }
    return false;
}

/* ---- verdicts ---- */

static bool
money_equal(const struct model_money *a, size_t n_a, const struct model_money *b, size_t n_b)
{
    for (size_t i = 0; i < n_a && n_a == n_b; i++)
        if (memcmp(a[i].currency, b[i].currency, CURRENCY_MAX) != 0 || a[i].shares != b[i].shares ||
            a[i].minor != b[i].minor)
            return false;
    return n_a == n_b;
}

/* What passed on with a merge stands in the other record too, and stays what it was. */
static bool
keeps_passed(const struct model *m, const struct model_event *e, const struct model_person *after)
{
    struct model_person before;
    (void)model_person(m, &e->entity, INT32_MAX, NULL, &before, NULL);
    if (before.s.status != STATUS_MERGED || after->s.status != STATUS_MERGED)
        return true;
    return money_equal(before.passed[0], before.n_passed[0], after->passed[0], after->n_passed[0]) &&
           money_equal(before.passed[1], before.n_passed[1], after->passed[1], after->n_passed[1]);
}

/* An activity never was only if nothing was invoiced for it. */
static bool
is_invoiced(const struct model *m, const struct subject_id *activity)
{
    struct model_activity a;
    struct subject_id id;
    bool found = false;
    (void)model_activity(m, activity, INT32_MAX, NULL, &a);
    struct subject_id whose = model_kept(m, &a.owner);
    for (size_t i = 0; !found && model_entity(m, SORT_INVOICE, i, &id); i++) {
        struct model_invoice v;
        (void)model_invoice(m, &id, INT32_MAX, NULL, &v);
        if (!v.exists || !TYPE_EQ(&v.issue->activity, activity))
            continue;
        struct subject_id kept = model_kept(m, &v.owner);
        found = TYPE_EQ(&kept, &whose);
    }
    return found;
}

/* Whether the rules let the event stand. */
static bool
possible(const struct model *m, const struct model_event *e)
{
    struct model_person p;
    struct model_activity a;
    struct model_invoice v;
    struct model_posting abroad;
    switch (e->sort) {
    case SORT_MEMBER: return model_person(m, &e->entity, INT32_MAX, e, &p, NULL) && keeps_passed(m, e, &p);
    case SORT_ACTIVITY:
        if (e->empties && e->kind == KIND_ACTIVITY_OPENED && is_invoiced(m, &e->entity))
            return false;
        return model_activity(m, &e->entity, INT32_MAX, e, &a);
    case SORT_INVOICE: return model_invoice(m, &e->entity, INT32_MAX, e, &v);
    case SORT_POSTING: return model_posting(m, &e->entity, e, &abroad);
    default: return true;
    }
}

/* What begins, and documents, are of at most a year to come (node/command/rows.h). A clock that stands far behind makes today one of those days. */
static bool
too_far_ahead(const struct model *m, const struct api_op *op)
{
    enum { AHEAD_DAYS = 366 };
    const struct member_request *r = &op->member.request;
    struct civil_date on = DATE_NONE;
    switch (op->kind) {
    case OP_INVOICE: on = op->invoice.request.effective; break;
    case OP_ACTIVITY: on = op->activity.request.effective; break;
    case OP_POSTING: on = op->posting.request.from; break;
    case OP_MEMBER:
        if (r->action == ACTION_APPLY || r->action == ACTION_ADMIT)
            on = r->effective;
        break;
    default: break;
    }
    return !date_is_none(on) && on.days > m->today + AHEAD_DAYS;
}

/* Nothing of it is in the model. */
static bool
is_of_vault(const struct api_op *op)
{
    return op->kind == OP_COUNT || op->kind == OP_GUEST || op->kind == OP_KEYS_KEEP || op->kind == OP_ASK ||
           op->kind == OP_SETTLE;
}

enum model_verdict
model_judge(const struct model *m, const struct api_op *op)
{
    struct model_plan p;
    if (is_of_vault(op) || op->settles.as != VISIT_OPEN)
        return MODEL_UNKNOWN;
    if (m->closed) /* by the end of everything: the rest is not asked for */
        return op->kind == OP_MEMBER && op->member.request.action == ACTION_ADMIT ? MODEL_REFUSE : MODEL_UNKNOWN;
    if (model_concerns_moved(m, op))
        return model_judge_moving(m, op);
    model_make_plan(m, op, &p);
    if (too_far_ahead(m, op))
        p.ok = false;
    for (size_t i = 0; i < p.n && p.ok; i++)
        p.ok = possible(m, &p.e[i]);
    if (p.ok && op->kind == OP_CLOSE_PERIOD)
        return MODEL_UNKNOWN; /* clocks, and months that are not counted yet */
    return p.ok ? MODEL_ACCEPT : MODEL_REFUSE;
}

void
model_accept(struct model *m, const struct api_op *op, bool is_known)
{
    static const struct subject_id nobody;
    struct model_event moving[2];
    struct model_plan p;
    if (is_of_vault(op))
        return;
    model_make_plan(m, op, &p);
    MUST(p.ok || !is_known);
    m->closed |= op->kind == OP_CUSTODY && op->custody.close;
    size_t n_moving = model_moving_events(m, op, moving);
    if (m->n + p.n + n_moving > m->cap) {
        m->cap = 2 * m->cap + 64;
        m->events = realloc(m->events, m->cap * sizeof(*m->events));
        MUST(m->events);
    }
    for (size_t i = 0; i < p.n; i++) {
        p.e[i].at = op->result.position;
        p.e[i].at.seq += i - (op->kind == OP_MERGE && op->merge.undo ? p.n - 1 : 0); /* answered: the record given up */
        if (op->result.has_subject && TYPE_EQ(&p.e[i].entity, &nobody))
            p.e[i].entity = op->result.subject;
        m->events[m->n++] = p.e[i];
    }
    for (size_t i = 0; i < n_moving; i++) {
        moving[i].order = moving[i].slot = m->n + 1;
        m->events[m->n++] = moving[i];
    }
}
