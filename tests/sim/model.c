/* The list of what was written, and what may be written next. See model.h. */
#include "tests/sim/model.h"

#include <stdlib.h>

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

static bool
is_of(const struct model_event *e, enum model_sort sort, const struct subject_id *entity)
{
    return e->sort == sort && TYPE_EQ(&e->entity, entity);
}

static bool
known(const struct model *m, enum model_sort sort, const struct subject_id *entity)
{
    for (size_t i = 0; i < m->n; i++)
        if (is_of(&m->events[i], sort, entity))
            return true;
    return false;
}

static const struct model_event *
at_position(const struct model *m, enum model_sort sort, const struct subject_id *entity, const struct position *at)
{
    for (size_t i = 0; i < m->n; i++) {
        const struct model_event *e = &m->events[i];
        if (is_of(e, sort, entity) && e->at.seq == at->seq && TYPE_EQ(&e->at.log, &at->log))
            return e;
    }
    return NULL;
}

static const struct model_event *
filler(const struct model *m, const struct model_event *e)
{
    const struct model_event *found = e;
    for (size_t i = 0; i < m->n; i++)
        if (is_of(&m->events[i], e->sort, &e->entity) && m->events[i].slot == e->slot)
            found = &m->events[i];
    return found;
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
        if (is_of(&m->events[i], sort, entity))
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

static int
year_of(int32_t date)
{
    int year, month, day;
    date_to_ymd((struct civil_date){date}, &year, &month, &day);
    return year;
}

bool
model_closed(const struct model *m, const struct model_event *e)
{
    int year = year_of(e->date);
    if (e->sort == SORT_POSTING)
        return false; /* in no figure */
    for (size_t i = 0; i < m->n; i++) {
        int closed = m->events[i].sort == SORT_PERIOD ? m->events[i].year : 0;
        if (closed == year || (e->sort == SORT_MEMBER && closed > year && closed <= year_of(m->today)))
            return true;
    }
    return false;
}

/* The description of the unit in force on a day. */
static const struct model_event *
described(const struct model *m, int32_t date)
{
    const struct model_event *found = NULL;
    for (size_t i = 0; i < m->n; i++) {
        const struct model_event *e = &m->events[i];
        if (e->sort == SORT_UNIT && e->date <= date && (!found || e->date >= found->date))
            found = e;
    }
    return found;
}

static bool
office_takes(const struct model *m, const struct office_id *id, int32_t date)
{
    struct subject_id entity;
    int32_t opened = INT32_MAX, closed = INT32_MAX;
    memcpy(entity.b, id->b, sizeof(entity.b));
    if (!known(m, SORT_OFFICE, &entity))
        return false;
    for (size_t i = 0; i < m->n; i++) {
        const struct model_event *e = &m->events[i];
        if (!is_of(e, SORT_OFFICE, &entity))
            continue;
        opened = e->kind == KIND_OFFICE_OPENED ? e->date : opened;
        closed = e->kind == KIND_OFFICE_CLOSED ? e->date : closed;
    }
    return opened > date || closed > date;
}

/* ---- what an operation would write ---- */

struct plan {
    const struct model *m;
    bool ok; /* a desk would not be refused before the rules are asked */
    size_t n;
    struct model_event e[2];
};

static struct model_event *
begin(struct plan *p, enum model_sort sort, uint16_t kind, const struct subject_id *entity, int32_t date)
{
    struct model_event *e = &p->e[p->n++];
    *e = (struct model_event){
        .order = p->m->n + p->n, .sort = sort, .kind = kind, .entity = *entity, .date = date, .slot = p->m->n + p->n};
    return e;
}

/* e takes the place of the event at a position, and keeps what it says. */
static bool
correct(struct plan *p, struct model_event *e, const struct position *at, bool dated, bool adjusts)
{
    const struct model_event *old = at_position(p->m, e->sort, &e->entity, at);
    int32_t date = e->date;
    if (!old || old->empties || old->kind != e->kind || (filler(p->m, old) != old && !filler(p->m, old)->empties))
        return false;
    uint64_t order = e->order;
    *e = *old;
    e->order = order;
    e->date = dated ? date : old->date;
    return adjusts || !model_closed(p->m, old);
}

static const uint16_t kinds[] = {
    [ACTION_APPLY] = KIND_APPLICATION_RECEIVED,
    [ACTION_REFUSE] = KIND_APPLICATION_REFUSED,
    [ACTION_ADMIT] = KIND_MEMBER_ADMITTED,
    [ACTION_SUBSCRIBE] = KIND_SHARES_SUBSCRIBED,
    [ACTION_CHANGE_CATEGORY] = KIND_CATEGORY_CHANGED,
    [ACTION_CHANGE_DATA] = KIND_DATA_CHANGED,
    [ACTION_REQUEST_WITHDRAWAL] = KIND_WITHDRAWAL_REQUESTED,
    [ACTION_GRANT_WITHDRAWAL] = KIND_WITHDRAWAL_GRANTED,
    [ACTION_REFUSE_WITHDRAWAL] = KIND_WITHDRAWAL_REFUSED,
    [ACTION_RESIGN] = KIND_MEMBER_RESIGNED,
    [ACTION_EXCLUDE] = KIND_MEMBER_EXCLUDED,
    [ACTION_DECEASE] = KIND_MEMBER_DECEASED,
    [ACTION_REPAY] = KIND_SHARES_REPAID,
    [ACTION_NAME_REPRESENTATIVE] = KIND_REPRESENTATIVE_NAMED,
    [ACTION_END_REPRESENTATIVE] = KIND_REPRESENTATIVE_ENDED,
    [ACTION_GIVE_CONSENT] = KIND_CONSENT_GIVEN,
    [ACTION_WITHDRAW_CONSENT] = KIND_CONSENT_WITHDRAWN,
};

static bool
fill_shares(const struct plan *p, const struct member_request *r, struct model_event *e)
{
    const struct model_event *unit = described(p->m, e->date);
    int64_t price = e->shares > 0 ? e->minor / (int64_t)e->shares : 0; /* of the event that is corrected */
    if (!r->has_corrects && !unit && !(r->has_price && r->currency[0] != '\0'))
        return false;
    if (!r->has_corrects && unit) {
        price = unit->minor;
        memcpy(e->currency, unit->currency, CURRENCY_MAX);
    }
    if (r->has_price)
        price = r->share_price_minor;
    if (r->has_price && r->currency[0] != '\0')
        memcpy(e->currency, r->currency, CURRENCY_MAX);
    e->shares = r->has_shares ? r->shares : e->shares;
    e->minor = (int64_t)e->shares * price;
    return (r->has_shares || r->has_corrects) && e->shares >= 1 && e->shares <= SHARES_MAX;
}

static const struct model_money *
owed(const struct model_person *s, const char *currency)
{
    for (size_t i = 0; i < s->n_owed; i++)
        if (memcmp(s->owed[i].currency, currency, CURRENCY_MAX) == 0)
            return &s->owed[i];
    return NULL;
}

static bool
fill_repaid(const struct member_request *r, const struct model_person *now, struct model_event *e)
{
    bool same = r->has_corrects && (!r->has_shares || r->shares == e->shares) &&
                (r->currency[0] == '\0' || memcmp(r->currency, e->currency, CURRENCY_MAX) == 0);
    e->shares = r->has_shares ? r->shares : e->shares;
    if (r->currency[0] != '\0')
        memcpy(e->currency, r->currency, CURRENCY_MAX);
    if (r->has_amount)
        e->minor = r->amount_minor;
    else if (!r->has_corrects && owed(now, e->currency))
        e->minor = owed(now, e->currency)->minor; /* model_prepare sees to it that all shares are meant */
    else if (!same)
        return false;
    return e->shares >= 1;
}

static bool
fill_member(const struct plan *p, const struct member_request *r, struct model_event *e)
{
    bool creates = r->action == ACTION_APPLY || r->action == ACTION_ADMIT;
    struct model_person now;
    (void)model_person(p->m, &e->entity, e->date, NULL, &now, NULL);
    e->category = r->category != 0 ? r->category : e->category;
    e->person_type = r->person_type != 0 ? r->person_type : e->person_type;
    if (r->has_office)
        e->office = r->office;
    e->has_office |= r->has_office;
    e->other = r->has_other ? r->other : e->other;
    e->purpose = r->consent.purpose != 0 ? r->consent.purpose : e->purpose;
    if ((creates || r->action == ACTION_CHANGE_DATA) && r->has_office && !office_takes(p->m, &r->office, e->date))
        return false;
    switch (r->action) {
    case ACTION_APPLY:
    case ACTION_ADMIT:
        if (e->category < 1 || e->category > 3 || (e->person_type == PERSON_LEGAL && e->category != CATEGORY_C))
            return false;
        return r->action == ACTION_APPLY || fill_shares(p, r, e);
    case ACTION_SUBSCRIBE: return fill_shares(p, r, e);
    case ACTION_REPAY: return fill_repaid(r, &now, e);
    case ACTION_GRANT_WITHDRAWAL:
    case ACTION_REFUSE_WITHDRAWAL:
        if (!r->has_corrects)
            e->request = now.s.request_open ? now.request : 0;
        return e->request != 0;
    case ACTION_NAME_REPRESENTATIVE:
        for (size_t i = 0; i < p->m->n; i++) { /* an id that is somebody's in another record would link the two */
            const struct model_event *o = &p->m->events[i];
            bool elsewhere = o->kind == KIND_REPRESENTATIVE_NAMED && TYPE_EQ(&o->other, &e->other) &&
                             !TYPE_EQ(&o->entity, &e->entity);
            if (elsewhere || is_of(o, SORT_MEMBER, &e->other))
                return false;
        }
        return true;
    case ACTION_END_REPRESENTATIVE: return !TYPE_EQ(&e->other, &e->entity);
    default: return true;
    }
}

static void
plan_member(struct plan *p, const struct api_op *op)
{
    const struct member_request *r = &op->member.request;
    static const struct subject_id nobody;
    bool creates = r->action == ACTION_APPLY || r->action == ACTION_ADMIT;
    struct model_event *e =
        begin(p, SORT_MEMBER, kinds[r->action], r->has_subject ? &r->subject : &nobody, r->effective.days);
    bool there = r->has_subject && known(p->m, SORT_MEMBER, &r->subject);
    if (!there && (!creates || !r->person.has_identity || r->has_corrects))
        return;
    if (r->has_corrects && !correct(p, e, &r->corrects, !date_is_none(r->effective), r->adjusts_closed))
        return;
    p->ok = fill_member(p, r, e) && (r->adjusts_closed || !model_closed(p->m, e));
}

/* ---- offices and the unit ---- */

static void
plan_office(struct plan *p, const struct api_op *op)
{
    struct subject_id id;
    int32_t date = op->office.effective.days;
    memcpy(id.b, op->office.id.b, sizeof(id.b));
    uint16_t kind = op->kind == OP_OFFICE_OPEN     ? KIND_OFFICE_OPENED
                    : op->kind == OP_OFFICE_CHANGE ? KIND_OFFICE_CHANGED
                                                   : KIND_OFFICE_CLOSED;
    (void)begin(p, SORT_OFFICE, kind, &id, date);
    p->ok = kind == KIND_OFFICE_OPENED || known(p->m, SORT_OFFICE, &id);
    for (size_t i = 0; i < p->m->n && kind != KIND_OFFICE_OPENED; i++) {
        const struct model_event *e = &p->m->events[i];
        if (!is_of(e, SORT_OFFICE, &id))
            continue;
        if (e->kind == KIND_OFFICE_CLOSED)
            p->ok &= kind == KIND_OFFICE_CHANGED && date < e->date;
        else if (e->kind == KIND_OFFICE_OPENED || kind == KIND_OFFICE_CLOSED)
            p->ok &= date >= e->date;
    }
}

static void
plan_unit(struct plan *p, const struct api_op *op)
{
    static const struct subject_id nobody;
    const struct unit_described *u = &op->unit.facts;
    struct model_event *e = begin(p, SORT_UNIT, KIND_UNIT_DESCRIBED, &nobody, op->unit.effective.days);
    e->minor = u->share_price_minor;
    e->rate_bp = (uint16_t)u->contribution_bp;
    memcpy(e->currency, u->currency, CURRENCY_MAX);
    p->ok = true;
}

/* ---- merges and cancellations ---- */

static bool
is_half(const struct model_event *e)
{
    return e->kind == KIND_MEMBER_MERGED || e->kind == KIND_MEMBER_ABSORBED;
}

static bool
cancel(struct plan *p, const struct model_event *old, bool adjusts)
{
    if (!old || old->empties || filler(p->m, old) != old)
        return false;
    struct model_event *e = begin(p, old->sort, old->kind, &old->entity, old->date);
    e->slot = old->slot;
    e->empties = true;
    return adjusts || !model_closed(p->m, old);
}

static void
plan_cancel(struct plan *p, const struct api_op *op)
{
    static const enum model_sort sorts[] = {[CANCEL_MEMBER] = SORT_MEMBER,
                                            [CANCEL_ACTIVITY] = SORT_ACTIVITY,
                                            [CANCEL_INVOICE] = SORT_INVOICE,
                                            [CANCEL_POSTING] = SORT_POSTING};
    const struct model_event *old = at_position(p->m, sorts[op->cancel.what], &op->cancel.subject, &op->cancel.event);
    p->ok = old && !is_half(old) && cancel(p, old, op->cancel.adjusts_closed);
}

static const struct model_event *
half(const struct model *m, const struct subject_id *who, uint16_t kind, const struct subject_id *other)
{
    size_t n;
    const struct model_event **slots = model_slots(m, SORT_MEMBER, who, NULL, &n), *found = NULL;
    for (size_t i = 0; i < n; i++)
        if (!slots[i]->empties && slots[i]->kind == kind && TYPE_EQ(&slots[i]->other, other) &&
            (!found || slots[i]->order > found->order))
            found = slots[i];
    free(slots);
    return found;
}

static void
plan_merge(struct plan *p, const struct api_op *op)
{
    const struct merge_request *r = &op->merge;
    struct model_person from, into;
    int32_t date = r->effective.days;
    if (TYPE_EQ(&r->from, &r->into) || !known(p->m, SORT_MEMBER, &r->from) || !known(p->m, SORT_MEMBER, &r->into))
        return;
    if (r->undo) {
        const struct model_event *merged = half(p->m, &r->from, KIND_MEMBER_MERGED, &r->into);
        const struct model_event *absorbed = half(p->m, &r->into, KIND_MEMBER_ABSORBED, &r->from);
        p->ok = merged && absorbed && cancel(p, absorbed, r->adjusts_closed) && cancel(p, merged, r->adjusts_closed);
        return;
    }
    (void)model_person(p->m, &r->from, date, NULL, &from, NULL);
    (void)model_person(p->m, &r->into, date, NULL, &into, NULL);
    struct model_event *merged = begin(p, SORT_MEMBER, KIND_MEMBER_MERGED, &r->from, date);
    struct model_event *absorbed = begin(p, SORT_MEMBER, KIND_MEMBER_ABSORBED, &r->into, date);
    merged->other = r->into;
    absorbed->other = r->from;
    absorbed->owed = from.n_held == 0 && from.n_owed > 0;
    if (from.n_held + from.n_owed == 1) {
        const struct model_money *all = absorbed->owed ? &from.owed[0] : &from.held[0];
        absorbed->shares = all->shares;
        absorbed->minor = all->minor;
        memcpy(absorbed->currency, all->currency, CURRENCY_MAX);
    }
    p->ok = from.s.status != STATUS_MERGED && into.s.status != STATUS_MERGED && from.s.status != STATUS_NONE &&
            into.s.status != STATUS_NONE && from.s.person_type == into.s.person_type &&
            (from.s.status != STATUS_MEMBER || into.s.status == STATUS_MEMBER) && from.n_held + from.n_owed <= 1 &&
            (r->adjusts_closed || !model_closed(p->m, merged));
}

/* ---- work ---- */

static int32_t
month_of(struct civil_date d)
{
    return date_month_start(d).days;
}

static void
plan_activity(struct plan *p, const struct api_op *op)
{
    static const uint16_t activity_kinds[] = {[WORK_OPEN_ACTIVITY] = KIND_ACTIVITY_OPENED,
                                              [WORK_CHANGE_ACTIVITY] = KIND_ACTIVITY_CHANGED,
                                              [WORK_CLOSE_ACTIVITY] = KIND_ACTIVITY_CLOSED};
    const struct activity_request *r = &op->activity.request;
    bool dated = !date_is_none(r->effective);
    struct model_activity now = {0};
    struct model_event *e =
        begin(p, SORT_ACTIVITY, activity_kinds[r->action], &r->activity, dated ? month_of(r->effective) : 0);
    if (r->has_activity && !known(p->m, SORT_ACTIVITY, &r->activity))
        return;
    e->other = r->member;
    if (r->has_corrects && !correct(p, e, &r->corrects, dated, r->adjusts_closed))
        return;
    if (r->has_activity)
        (void)model_activity(p->m, &r->activity, e->date, NULL, &now);
    if (!r->has_corrects && r->action == WORK_CHANGE_ACTIVITY)
        e->facets = now.facets;
    e->facets.sector = r->has_sector ? r->sector : e->facets.sector;
    e->facets.culture = r->has_culture ? r->culture : e->facets.culture;
    e->facets.office = r->has_office ? r->office : e->facets.office;
    p->ok = r->adjusts_closed || !model_closed(p->m, e);
    if (r->action != WORK_CLOSE_ACTIVITY && r->has_office)
        p->ok &= office_takes(p->m, &r->office, e->date);
    if (r->action == WORK_OPEN_ACTIVITY)
        p->ok = p->ok && e->facets.sector != 0 && known(p->m, SORT_MEMBER, &e->other) &&
                model_was_member(p->m, &e->other, e->date);
    if (p->ok && !r->has_activity)
        e->other = model_kept(p->m, &e->other);
}

/* The record, or one that it was merged into, is a member on the day. */
static bool
is_member_on(const struct model *m, const struct subject_id *who, int32_t day)
{
    struct subject_id one = *who;
    for (int i = 0; i < 16; i++) {
        struct model_person then, now;
        (void)model_person(m, &one, day, NULL, &then, NULL);
        (void)model_person(m, &one, INT32_MAX, NULL, &now, NULL);
        if (then.s.status == STATUS_MEMBER)
            return true;
        if (now.s.status != STATUS_MERGED)
            return false;
        one = now.s.merged_into;
    }
    return false;
}

/* Host countries are none of the unit's own; corrections are not asked for. */
static void
plan_posting(struct plan *p, const struct api_op *op)
{
    const struct posting_request *r = &op->posting.request;
    struct model_posting now = {0};
    bool issue = r->action == POSTING_ISSUE;
    struct model_event *e = begin(p, SORT_POSTING, issue ? KIND_POSTING_ISSUED : KIND_POSTING_CHANGED, &r->posting, 0);
    int year, month, day;
    if (!issue)
        (void)model_posting(p->m, &r->posting, NULL, &now);
    if (!issue && !now.exists)
        return;
    const int32_t given[] = {r->from.days, r->to.days, r->effective.days};
    for (size_t i = 0; i < ARRAY_LEN(given); i++)
        if (given[i] != INT32_MIN && (given[i] < DATE_MIN.days || given[i] > DATE_MAX.days))
            return;
    if (issue && (date_is_none(r->from) || date_is_none(r->to)))
        return;
    e->from = issue ? r->from.days : now.from;
    e->to = date_is_none(r->to) ? now.to : r->to.days;
    e->date = month_of((struct civil_date){e->from});
    if (!issue)
        e->date = date_is_none(r->effective) ? now.said : month_of(r->effective);
    memcpy(e->country, r->country[0] != '\0' ? r->country : now.country, sizeof(e->country));
    e->other = issue ? r->member : now.owner;
    date_to_ymd((struct civil_date){e->from}, &year, &month, &day);
    p->ok = e->to >= e->from && month_of((struct civil_date){e->to}) >= e->date &&
            e->to < date_from_ymd(year + 2, month, day).days;
    if (issue)
        p->ok = p->ok && known(p->m, SORT_MEMBER, &r->member) && is_member_on(p->m, &r->member, e->from);
    p->ok = p->ok && !model_is_posted(p->m, &e->other, e->from, e->to, &r->posting);
    if (p->ok && issue)
        e->other = model_kept(p->m, &e->other);
}

static bool
issue(const struct plan *p, const struct invoice_request *r, struct model_event *e)
{
    struct model_activity a;
    int32_t last = month_first((uint16_t)(month_number((struct civil_date){e->date}) + 1)).days - 1;
    const struct model_event *unit = described(p->m, date_is_none(r->effective) ? e->date : r->effective.days);
    if (!r->has_corrects) {
        if (!known(p->m, SORT_ACTIVITY, &r->activity))
            return false;
        (void)model_activity(p->m, &r->activity, e->date, NULL, &a);
        if (!a.exists || (!a.open && a.closed < e->date) || !model_was_member(p->m, &a.owner, e->date))
            return false;
        e->facets = a.facets;
        e->other = model_kept(p->m, &a.owner);
        e->activity = r->activity;
        unit = unit ? unit : described(p->m, last);
        if (!unit && !(r->has_rate && r->currency[0] != '\0'))
            return false;
        if (unit) {
            e->rate_bp = unit->rate_bp;
            memcpy(e->currency, unit->currency, CURRENCY_MAX);
        }
    }
    e->rate_bp = r->has_rate ? (uint16_t)r->rate_bp : e->rate_bp;
    if (r->currency[0] != '\0')
        memcpy(e->currency, r->currency, CURRENCY_MAX);
    e->facets.sector = r->has_sector ? r->sector : e->facets.sector;
    e->facets.culture = r->has_culture ? r->culture : e->facets.culture;
    e->minor = r->has_amount ? r->amount_minor : e->minor;
    if (r->has_contribution)
        e->contribution = r->contribution_minor;
    else if (!r->has_corrects || r->has_amount || r->has_rate)
        e->contribution = (e->minor * e->rate_bp + 5000) / 10000;
    int64_t off = e->contribution * 10000 - e->minor * e->rate_bp;
    return e->minor >= 1 && e->contribution <= e->minor && off < 1000000 && off > -1000000;
}

/* Amounts are given, or all that is left is meant. */
static bool
credit(const struct plan *p, const struct invoice_request *r, struct model_event *e)
{
    struct model_invoice v;
    (void)model_invoice(p->m, &r->invoice, INT32_MAX, NULL, &v);
    if (!v.exists)
        return false;
    int64_t left = v.issue->minor - v.credited, back = v.issue->contribution - v.back;
    const struct model_event *old = r->has_corrects ? filler(p->m, e) : NULL;
    if (old && !old->empties) { /* e is in its slot */
        left += old->minor;
        back += old->contribution;
    }
    if (!r->has_corrects && !r->has_amount) {
        e->minor = left;
        e->contribution = back > left ? left : back;
    }
    e->minor = r->has_amount ? r->amount_minor : e->minor;
    e->contribution = r->has_contribution ? r->contribution_minor : e->contribution;
    return e->minor >= 1 && e->minor <= left && e->contribution <= back && e->contribution <= e->minor;
}

static void
plan_invoice(struct plan *p, const struct api_op *op)
{
    const struct invoice_request *r = &op->invoice.request;
    bool dated = !date_is_none(r->effective);
    struct model_event *e = begin(p, SORT_INVOICE, r->credit ? KIND_INVOICE_CREDITED : KIND_INVOICE_ISSUED, &r->invoice,
                                  dated ? month_of(r->effective) : 0);
    if (r->has_invoice && !known(p->m, SORT_INVOICE, &r->invoice))
        return;
    if (r->has_corrects) {
        const struct model_event *old = at_position(p->m, SORT_INVOICE, &r->invoice, &r->corrects);
        if (!correct(p, e, &r->corrects, dated, r->adjusts_closed) || (!r->credit && e->date != old->date))
            return;
    }
    p->ok = (r->adjusts_closed || !model_closed(p->m, e)) && (r->credit ? credit(p, r, e) : issue(p, r, e));
}

/* ---- verdicts ---- */

static bool
year_closed(const struct model *m, uint16_t year)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->events[i].sort == SORT_PERIOD && m->events[i].year == year)
            return true;
    return false;
}

static void
make_plan(const struct model *m, const struct api_op *op, struct plan *ret)
{
    static const struct subject_id nobody;
    memset(ret, 0, sizeof(*ret));
    ret->m = m;
    switch (op->kind) {
    case OP_MEMBER: plan_member(ret, op); break;
    case OP_OFFICE_OPEN:
    case OP_OFFICE_CHANGE:
    case OP_OFFICE_CLOSE: plan_office(ret, op); break;
    case OP_UNIT_DESCRIBE: plan_unit(ret, op); break;
    case OP_ACTIVITY: plan_activity(ret, op); break;
    case OP_INVOICE: plan_invoice(ret, op); break;
    case OP_POSTING: plan_posting(ret, op); break;
    case OP_CANCEL: plan_cancel(ret, op); break;
    case OP_MERGE: plan_merge(ret, op); break;
    case OP_CLOSE_PERIOD:
        ret->ok = op->close.again || !year_closed(m, op->close.year);
        begin(ret, SORT_PERIOD, KIND_PERIOD_CLOSED, &nobody, 0)->year = op->close.year;
        break;
    default: break;
    }
}

void
model_prepare(const struct model *m, struct api_op *op)
{
    static const struct subject_id nobody;
    struct member_request *r = &op->member.request;
    struct model_person now;
    if (op->kind == OP_MERGE && op->merge.undo && TYPE_EQ(&op->merge.into, &nobody) &&
        model_person(m, &op->merge.from, INT32_MAX, NULL, &now, NULL))
        op->merge.into = now.s.merged_into; /* "whatever it was merged into" */
    if (op->kind != OP_MEMBER || r->action != ACTION_REPAY || r->has_amount || r->has_corrects || !r->has_subject)
        return;
    (void)model_person(m, &r->subject, r->effective.days, NULL, &now, NULL);
    const struct model_money *o = owed(&now, r->currency);
    if (o && o->shares == r->shares)
        return;
    r->has_amount = true; /* what was paid for some of them is not for the model to say */
    r->amount_minor = o && r->shares < o->shares ? o->minor / (int64_t)o->shares * (int64_t)r->shares : 0;
}

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

enum model_verdict
model_judge(const struct model *m, const struct api_op *op)
{
    struct plan p;
    if (op->kind == OP_COUNT || op->kind == OP_GUEST || op->kind == OP_KEYS_KEEP)
        return MODEL_UNKNOWN;
    if (m->closed) /* by the end of everything: the rest is not asked for */
        return op->kind == OP_MEMBER && op->member.request.action == ACTION_ADMIT ? MODEL_REFUSE : MODEL_UNKNOWN;
    if (model_concerns_moved(m, op))
        return model_judge_moving(m, op);
    make_plan(m, op, &p);
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
    struct plan p;
    if (op->kind == OP_COUNT || op->kind == OP_GUEST || op->kind == OP_KEYS_KEEP)
        return;
    make_plan(m, op, &p);
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
