/* Members as the events of a model make them. See model.h. */
#include "tests/sim/model.h"

#include <stdlib.h>

struct play {
    struct model_person *p;
    struct model_flows *flows;
};

static void
count(struct play *y, const struct model_event *e, enum count which)
{
    if (y->flows && e->date >= y->flows->from && e->date <= y->flows->to)
        y->flows->counts[which]++;
}

static void
capital(struct play *y, const struct model_event *e, const char *currency, unsigned which, int64_t v)
{
    if (!y->flows || e->date > y->flows->to)
        return;
    struct model_capital *c = &y->flows->capital;
    size_t i = 0;
    while (i < c->n && memcmp(c->of[i].currency, currency, CURRENCY_MAX) != 0)
        i++;
    if (i == c->n) {
        MUST(c->n < MODEL_CURRENCIES);
        memset(&c->of[i], 0, sizeof(c->of[i]));
        memcpy(c->of[c->n++].currency, currency, CURRENCY_MAX);
    }
    c->of[i].v[which] += v;
}

static struct model_money *
money(struct model_money *list, size_t *n, const char *currency)
{
    for (size_t i = 0; i < *n; i++)
        if (memcmp(list[i].currency, currency, CURRENCY_MAX) == 0)
            return &list[i];
    MUST(*n < MODEL_CURRENCIES);
    list[*n] = (struct model_money){0};
    memcpy(list[*n].currency, currency, CURRENCY_MAX);
    return &list[(*n)++];
}

static void
add(struct model_money *list, size_t *n, const char *currency, uint64_t shares, int64_t minor)
{
    struct model_money *m = money(list, n, currency);
    m->shares += shares;
    m->minor += minor;
}

/* What is held and owed together has its bounds. */
static bool
fits(const struct model_person *p, const struct model_event *e)
{
    struct model_money all[MODEL_CURRENCIES];
    size_t n = 0;
    uint64_t shares = e->shares;
    for (size_t i = 0; i < p->n_held; i++)
        add(all, &n, p->held[i].currency, p->held[i].shares, p->held[i].minor);
    for (size_t i = 0; i < p->n_owed; i++)
        add(all, &n, p->owed[i].currency, p->owed[i].shares, p->owed[i].minor);
    for (size_t i = 0; i < n; i++)
        shares += all[i].shares;
    (void)money(all, &n, e->currency);
    return shares <= SHARES_HELD_MAX && n <= CURRENCIES_OWED_MAX;
}

static bool
hold(struct play *y, const struct model_event *e, bool absorbed)
{
    if (!fits(y->p, e))
        return false;
    add(y->p->held, &y->p->n_held, e->currency, e->shares, e->minor);
    y->p->s.shares += e->shares;
    capital(y, e, e->currency, absorbed ? CAPITAL_SHARES_MERGED_IN : CAPITAL_SHARES_IN, (int64_t)e->shares);
    capital(y, e, e->currency, absorbed ? CAPITAL_MINOR_MERGED_IN : CAPITAL_MINOR_IN, e->minor);
    return true;
}

static void
end_membership(struct play *y, const struct model_event *e, bool merged)
{
    struct model_person *p = y->p;
    for (size_t i = 0; i < p->n_held; i++) {
        const struct model_money *h = &p->held[i];
        capital(y, e, h->currency, merged ? CAPITAL_SHARES_MERGED_OUT : CAPITAL_SHARES_OUT, (int64_t)h->shares);
        capital(y, e, h->currency, merged ? CAPITAL_MINOR_MERGED_OUT : CAPITAL_MINOR_OUT, h->minor);
        if (!merged)
            add(p->owed, &p->n_owed, h->currency, h->shares, h->minor);
    }
    p->n_held = 0;
    p->s.shares = 0;
    p->s.left_on.days = e->date;
    p->s.request_open = false;
}

static bool
leave(struct play *y, const struct model_event *e, enum left_reason reason, enum count which)
{
    if (y->p->s.status != STATUS_MEMBER)
        return false;
    y->p->s.status = STATUS_LEFT;
    y->p->s.left_reason = reason;
    end_membership(y, e, false);
    count(y, e, which);
    return true;
}

static bool
come(struct play *y, const struct model_event *e, bool admitted)
{
    struct member_state *s = &y->p->s;
    if (s->status == STATUS_MEMBER || (s->status == STATUS_APPLIED && !admitted) ||
        (s->status == STATUS_LEFT && s->left_reason == LEFT_DECEASED))
        return false;
    s->status = admitted ? STATUS_MEMBER : STATUS_APPLIED;
    s->left_reason = LEFT_NONE;
    s->category = e->category;
    s->person_type = e->person_type;
    s->office = e->office;
    count(y, e, admitted ? COUNT_JOINED : COUNT_APPLIED);
    if (!admitted)
        return true;
    s->joined_on.days = e->date;
    s->left_on = DATE_NONE;
    return hold(y, e, false);
}

static bool
decide(struct play *y, const struct model_event *e)
{
    struct model_person *p = y->p;
    if (p->s.status != STATUS_MEMBER || !p->s.request_open || p->request != e->request)
        return false;
    if (e->kind == KIND_WITHDRAWAL_GRANTED)
        return leave(y, e, LEFT_WITHDRAWN, COUNT_WITHDRAWN);
    p->s.request_open = false;
    count(y, e, COUNT_REQUEST_REFUSED);
    return true;
}

static bool
repay(struct play *y, const struct model_event *e)
{
    struct model_person *p = y->p;
    for (size_t i = 0; i < p->n_owed; i++) {
        struct model_money *o = &p->owed[i];
        if (memcmp(o->currency, e->currency, CURRENCY_MAX) != 0)
            continue;
        if (e->shares > o->shares || e->minor > o->minor)
            return false;
        capital(y, e, e->currency, CAPITAL_SHARES_REPAID, (int64_t)e->shares);
        capital(y, e, e->currency, CAPITAL_MINOR_REPAID, e->minor);
        o->shares -= e->shares;
        o->minor -= e->minor;
        if (o->shares > 0)
            return true;
        capital(y, e, e->currency, CAPITAL_MINOR_FORGONE, o->minor);
        memmove(o, o + 1, (p->n_owed - i - 1) * sizeof(*o));
        p->n_owed--;
        return true;
    }
    return false;
}

static bool
absorb(struct play *y, const struct model_event *e)
{
    struct model_person *p = y->p;
    if (e->shares == 0)
        return true;
    if (!e->owed)
        return p->s.status == STATUS_MEMBER && hold(y, e, true);
    if (!fits(p, e))
        return false;
    add(p->owed, &p->n_owed, e->currency, e->shares, e->minor);
    return true;
}

static bool
represent(struct member_state *s, const struct model_event *e)
{
    uint8_t i = 0;
    while (i < s->n_representatives && !TYPE_EQ(&s->representatives[i], &e->other))
        i++;
    if (s->person_type != PERSON_LEGAL)
        return false;
    if (e->kind == KIND_REPRESENTATIVE_ENDED) {
        if (i == s->n_representatives)
            return false;
        s->n_representatives--;
        for (; i < s->n_representatives; i++)
            s->representatives[i] = s->representatives[i + 1];
        return true;
    }
    if (i < s->n_representatives || i == REPRESENTATIVES_MAX)
        return false;
    s->representatives[s->n_representatives++] = e->other;
    return true;
}

static bool
consent(struct member_state *s, const struct model_event *e)
{
    uint8_t i = 0;
    while (i < s->n_consents && s->consents[i].purpose != e->purpose)
        i++;
    bool there = i < s->n_consents;
    if (e->kind == KIND_CONSENT_WITHDRAWN) {
        if (!there)
            return false;
        s->n_consents--;
        for (; i < s->n_consents; i++)
            s->consents[i] = s->consents[i + 1];
        return true;
    }
    if (!there && i == CONSENTS_MAX)
        return false;
    s->n_consents = there ? s->n_consents : (uint8_t)(i + 1);
    s->consents[i] = (struct member_consent){.purpose = e->purpose, .given_on.days = e->date};
    return true;
}

/* What a record takes that is there, in whatever state but merged. */
static bool
on_record(struct play *y, const struct model_event *e)
{
    struct member_state *s = &y->p->s;
    bool deceased = s->status == STATUS_LEFT && s->left_reason == LEFT_DECEASED;
    if (s->status == STATUS_NONE)
        return false;
    switch (e->kind) {
    case KIND_DATA_CHANGED:
        if (e->has_office && (s->status == STATUS_MEMBER || s->status == STATUS_APPLIED))
            s->office = e->office;
        return true;
    case KIND_SHARES_REPAID: return repay(y, e);
    case KIND_REPRESENTATIVE_NAMED: return !deceased && represent(s, e);
    case KIND_REPRESENTATIVE_ENDED: return represent(s, e);
    case KIND_CONSENT_GIVEN:
    case KIND_CONSENT_WITHDRAWN: return !deceased && consent(s, e);
    case KIND_MEMBER_ABSORBED: return absorb(y, e);
    case KIND_MEMBER_MERGED:
        y->p->n_passed[0] = y->p->n_held;
        y->p->n_passed[1] = y->p->n_owed;
        memcpy(y->p->passed[0], y->p->held, sizeof(y->p->held));
        memcpy(y->p->passed[1], y->p->owed, sizeof(y->p->owed));
        if (s->status == STATUS_MEMBER)
            end_membership(y, e, true);
        s->status = STATUS_MERGED;
        s->left_reason = LEFT_NONE;
        s->merged_into = e->other;
        y->p->n_owed = 0;
        count(y, e, COUNT_MERGED);
        return true;
    default: return false;
    }
}

static bool
on_member(struct play *y, const struct model_event *e)
{
    struct member_state *s = &y->p->s;
    if (s->status != STATUS_MEMBER)
        return false;
    if (e->kind == KIND_SHARES_SUBSCRIBED)
        return hold(y, e, false);
    if (e->kind == KIND_CATEGORY_CHANGED) {
        if (s->category == e->category || (s->person_type == PERSON_LEGAL && e->category != CATEGORY_C))
            return false;
        s->category = e->category;
        return true;
    }
    if (s->request_open)
        return false;
    s->request_open = true;
    y->p->request = e->slot;
    count(y, e, COUNT_REQUESTED);
    return true;
}

static bool
play(struct play *y, const struct model_event *e)
{
    struct member_state *s = &y->p->s;
    if (e->empties)
        return true;
    if (s->status == STATUS_MERGED)
        return false;
    switch (e->kind) {
    case KIND_APPLICATION_RECEIVED: return come(y, e, false);
    case KIND_MEMBER_ADMITTED: return come(y, e, true);
    case KIND_APPLICATION_REFUSED:
        if (s->status != STATUS_APPLIED)
            return false;
        s->status = STATUS_REFUSED;
        count(y, e, COUNT_REFUSED);
        return true;
    case KIND_SHARES_SUBSCRIBED:
    case KIND_CATEGORY_CHANGED:
    case KIND_WITHDRAWAL_REQUESTED: return on_member(y, e);
    case KIND_WITHDRAWAL_GRANTED:
    case KIND_WITHDRAWAL_REFUSED: return decide(y, e);
    case KIND_MEMBER_RESIGNED: return leave(y, e, LEFT_RESIGNED, COUNT_RESIGNED);
    case KIND_MEMBER_EXCLUDED: return leave(y, e, LEFT_EXCLUDED, COUNT_EXCLUDED);
    case KIND_MEMBER_DECEASED: return leave(y, e, LEFT_DECEASED, COUNT_DECEASED);
    default: return on_record(y, e);
    }
}

bool
model_person(const struct model *m, const struct subject_id *who, int32_t as_of, const struct model_event *extra,
             struct model_person *ret, struct model_flows *flows)
{
    size_t n;
    const struct model_event **slots = model_slots(m, SORT_MEMBER, who, extra, &n);
    struct play y = {.p = ret, .flows = flows};
    bool possible = true;
    *ret = (struct model_person){.s = {.joined_on = DATE_NONE, .left_on = DATE_NONE}};
    for (size_t i = 0; i < n && possible && slots[i]->date <= as_of; i++)
        possible = play(&y, slots[i]);
    free(slots);
    return possible;
}

void
model_register(const struct model *m, struct model_flows *ret)
{
    struct subject_id who;
    int64_t members = 0;
    memset(ret->counts, 0, sizeof(ret->counts));
    ret->capital.n = 0;
    for (size_t i = 0; model_entity(m, SORT_MEMBER, i, &who); i++) {
        struct model_person p, end;
        (void)model_person(m, &who, INT32_MAX, NULL, &p, ret);
        (void)model_person(m, &who, ret->to, NULL, &end, NULL);
        members += end.s.status == STATUS_MEMBER;
    }
    ret->counts[COUNT_MEMBERS] = members;
}

struct subject_id
model_kept(const struct model *m, const struct subject_id *who)
{
    struct subject_id kept = *who;
    for (int i = 0; i < 16; i++) {
        struct model_person p;
        (void)model_person(m, &kept, INT32_MAX, NULL, &p, NULL);
        if (p.s.status != STATUS_MERGED)
            break;
        kept = p.s.merged_into;
    }
    return kept;
}

bool
model_was_member(const struct model *m, const struct subject_id *who, int32_t month)
{
    struct subject_id one = *who;
    int32_t next = month_first((uint16_t)(month_number((struct civil_date){month}) + 1)).days;
    for (int i = 0; i < 16; i++) {
        struct model_person p;
        for (int32_t day = month; day < next; day++) {
            (void)model_person(m, &one, day, NULL, &p, NULL);
            if (p.s.status == STATUS_MEMBER)
                return true;
        }
        (void)model_person(m, &one, INT32_MAX, NULL, &p, NULL);
        if (p.s.status != STATUS_MERGED)
            break;
        one = p.s.merged_into;
    }
    return false;
}
