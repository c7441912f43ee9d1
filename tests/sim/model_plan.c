/* What an operation would write, as events of a model. See model.h. */
#include "tests/sim/model.h"

#include <stdlib.h>

bool
model_is_of(const struct model_event *e, enum model_sort sort, const struct subject_id *entity)
{
    return e->sort == sort && TYPE_EQ(&e->entity, entity);
}

static bool
known(const struct model *m, enum model_sort sort, const struct subject_id *entity)
{
    for (size_t i = 0; i < m->n; i++)
        if (model_is_of(&m->events[i], sort, entity))
            return true;
    return false;
}

static const struct model_event *
at_position(const struct model *m, enum model_sort sort, const struct subject_id *entity, const struct position *at)
{
    for (size_t i = 0; i < m->n; i++) {
        const struct model_event *e = &m->events[i];
        if (model_is_of(e, sort, entity) && e->at.seq == at->seq && TYPE_EQ(&e->at.log, &at->log))
            return e;
    }
    return NULL;
}

static const struct model_event *
filler(const struct model *m, const struct model_event *e)
{
    const struct model_event *found = e;
    for (size_t i = 0; i < m->n; i++)
        if (model_is_of(&m->events[i], e->sort, &e->entity) && m->events[i].slot == e->slot)
            found = &m->events[i];
    return found;
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
        if (!model_is_of(e, SORT_OFFICE, &entity))
            continue;
        opened = e->kind == KIND_OFFICE_OPENED ? e->date : opened;
        closed = e->kind == KIND_OFFICE_CLOSED ? e->date : closed;
    }
    return opened > date || closed > date;
}

static struct model_event *
begin(struct model_plan *p, enum model_sort sort, uint16_t kind, const struct subject_id *entity, int32_t date)
{
    struct model_event *e = &p->e[p->n++];
    *e = (struct model_event){
        .order = p->m->n + p->n, .sort = sort, .kind = kind, .entity = *entity, .date = date, .slot = p->m->n + p->n};
    return e;
}

/* e takes the place of the event at a position, and keeps what it says. */
static bool
correct(struct model_plan *p, struct model_event *e, const struct position *at, bool dated, bool adjusts)
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
fill_shares(const struct model_plan *p, const struct member_request *r, struct model_event *e)
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

/* Another desk may have admitted the person under another type since the name was typed in. */
static bool
name_fits(const struct model_plan *p, const struct member_request *r, const struct model_event *e)
{
    struct model_person latest;
    const struct person_identity *i = &r->person.identity;
    if (r->action != ACTION_CHANGE_DATA || !r->person.has_identity)
        return true;
    (void)model_person(p->m, &e->entity, INT32_MAX, NULL, &latest, NULL);
    return latest.s.person_type == 0 ||
           (latest.s.person_type == PERSON_LEGAL ? i->legal_name.s[0] != '\0'
                                                 : i->legal_name.s[0] == '\0' && i->family_name.s[0] != '\0');
}

static bool
fill_member(const struct model_plan *p, const struct member_request *r, struct model_event *e)
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
    if (!name_fits(p, r, e))
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
            if (elsewhere || model_is_of(o, SORT_MEMBER, &e->other))
                return false;
        }
        return true;
    case ACTION_END_REPRESENTATIVE: return !TYPE_EQ(&e->other, &e->entity);
    default: return true;
    }
}

static void
plan_member(struct model_plan *p, const struct api_op *op)
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
plan_office(struct model_plan *p, const struct api_op *op)
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
        if (!model_is_of(e, SORT_OFFICE, &id))
            continue;
        if (e->kind == KIND_OFFICE_CLOSED)
            p->ok &= kind == KIND_OFFICE_CHANGED && date < e->date;
        else if (e->kind == KIND_OFFICE_OPENED || kind == KIND_OFFICE_CLOSED)
            p->ok &= date >= e->date;
    }
}

static void
plan_unit(struct model_plan *p, const struct api_op *op)
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
cancel(struct model_plan *p, const struct model_event *old, bool adjusts)
{
    if (!old || old->empties || filler(p->m, old) != old)
        return false;
    struct model_event *e = begin(p, old->sort, old->kind, &old->entity, old->date);
    e->slot = old->slot;
    e->empties = true;
    return adjusts || !model_closed(p->m, old);
}

static void
plan_cancel(struct model_plan *p, const struct api_op *op)
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
plan_merge(struct model_plan *p, const struct api_op *op)
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
plan_activity(struct model_plan *p, const struct api_op *op)
{
    static const uint16_t activity_kinds[] = {[WORK_OPEN_ACTIVITY] = KIND_ACTIVITY_OPENED,
                                              [WORK_CHANGE_ACTIVITY] = KIND_ACTIVITY_CHANGED,
                                              [WORK_CLOSE_ACTIVITY] = KIND_ACTIVITY_CLOSED};
    const struct activity_request *r = &op->activity.request;
    bool dated = !date_is_none(r->effective);
    struct model_activity now = {0};
    struct model_event *e =
        begin(p, SORT_ACTIVITY, activity_kinds[r->action], &r->activity, dated ? month_of(r->effective) : 0);
    e->other = r->member;
    if (r->has_activity && !known(p->m, SORT_ACTIVITY, &r->activity))
        return; /* also of one that is taken along: its id is its former home's */
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
plan_posting(struct model_plan *p, const struct api_op *op)
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
issue(const struct model_plan *p, const struct invoice_request *r, struct model_event *e)
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
credit(const struct model_plan *p, const struct invoice_request *r, struct model_event *e)
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
plan_invoice(struct model_plan *p, const struct api_op *op)
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

static bool
year_closed(const struct model *m, uint16_t year)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->events[i].sort == SORT_PERIOD && m->events[i].year == year)
            return true;
    return false;
}

void
model_make_plan(const struct model *m, const struct api_op *op, struct model_plan *ret)
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
