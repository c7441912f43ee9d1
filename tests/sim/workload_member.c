/* What a desk does with members: possible and impossible things. See sim.h. */
#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/command/names.h"

static const char *const currencies[] = {"EUR", "SEK", "HUF"};

const char *
workload_currency(struct sim_node *n)
{
    return currencies[rng_below(&n->rng, ARRAY_LEN(currencies))];
}

static void
person(struct sim_node *n, uint8_t person_type, struct person_input *p)
{
    unsigned no = ++n->unit->names;
    p->has_identity = true;
    p->identity.birth_date = DATE_NONE;
    if (person_type == PERSON_LEGAL) {
        snprintf(p->identity.legal_name.s, sizeof(p->identity.legal_name.s), "Invented Works %u", no);
    } else {
        snprintf(p->identity.family_name.s, sizeof(p->identity.family_name.s), "Invented%u", no);
        snprintf(p->identity.given_name.s, sizeof(p->identity.given_name.s), "Person");
        p->identity.birth_date = date_from_ymd(1950 + (int)rng_below(&n->rng, 50), 1, 1);
    }
    if (rng_chance(&n->rng, 600)) {
        p->has_contact = true;
        snprintf(p->contact.email.s, sizeof(p->contact.email.s), "person%u@example.org", no);
    }
}

static void
bank(struct sim_node *n, struct person_input *p)
{
    p->has_bank = rng_chance(&n->rng, 300);
    if (p->has_bank)
        snprintf(p->bank.iban.s, sizeof(p->bank.iban.s), "BE68539007547034");
}

bool
workload_somebody(struct sim_node *n, struct subject_id *ret)
{
    const struct model_event *e = model_pick(n->unit->model, SORT_MEMBER, rng_next(&n->rng));
    if (n->w->moves && rng_chance(&n->rng, 150)) { /* somebody of another unit, perhaps */
        const struct model_event *moving = model_pick(n->unit->model, SORT_MOVING, rng_next(&n->rng));
        e = moving && moving->kind != 0 ? moving : e;
    }
    if (!e || rng_chance(&n->rng, 20))
        rng_fill(&n->rng, ret->b, sizeof(ret->b)); /* nobody that there is */
    else
        *ret = e->entity;
    return e != NULL;
}

static void
shares(struct sim_node *n, struct member_request *r)
{
    r->has_shares = true;
    r->shares = rng_chance(&n->rng, 20) ? 0 : 1 + rng_below(&n->rng, 50);
    if (!rng_chance(&n->rng, 150))
        return;
    r->has_price = true;
    r->share_price_minor = 500 + (int64_t)rng_below(&n->rng, 100) * 250;
    if (rng_chance(&n->rng, 500))
        memcpy(r->currency, workload_currency(n), CURRENCY_MAX);
}

static void
repayment(struct sim_node *n, struct member_request *r)
{
    struct model_person p;
    (void)model_person(n->unit->model, &r->subject, INT32_MAX, NULL, &p, NULL);
    const struct model_money *o = p.n_owed > 0 ? &p.owed[rng_below(&n->rng, p.n_owed)] : NULL;
    memcpy(r->currency, o ? o->currency : workload_currency(n), CURRENCY_MAX);
    r->has_shares = true;
    r->shares = o && o->shares > 0 && rng_chance(&n->rng, 900) ? o->shares : 1 + rng_below(&n->rng, 60);
    if (o && o->shares > 1 && rng_chance(&n->rng, 500))
        r->shares = 1 + rng_below(&n->rng, o->shares - 1);
    r->has_amount = rng_chance(&n->rng, 500);
    r->amount_minor = (int64_t)rng_below(&n->rng, o && o->minor > 0 ? (uint64_t)o->minor + 10 : 1000);
    if (p.s.left_on.days != DATE_NONE.days && rng_chance(&n->rng, 800))
        r->effective.days = p.s.left_on.days + (int32_t)rng_below(&n->rng, 30);
}

static void
representation(struct sim_node *n, struct member_request *r)
{
    struct model_person p;
    for (int i = 0; i < 8; i++) { /* legal persons are few */
        (void)model_person(n->unit->model, &r->subject, INT32_MAX, NULL, &p, NULL);
        if (p.s.person_type == PERSON_LEGAL)
            break;
        (void)workload_somebody(n, &r->subject);
    }
    r->has_other = true;
    if (p.s.n_representatives > 0 && rng_chance(&n->rng, r->action == ACTION_END_REPRESENTATIVE ? 900 : 150))
        r->other = p.s.representatives[rng_below(&n->rng, p.s.n_representatives)];
    else if (rng_chance(&n->rng, 200))
        (void)workload_somebody(n, &r->other);
    else
        rng_fill(&n->rng, r->other.b, sizeof(r->other.b));
    if (r->action == ACTION_NAME_REPRESENTATIVE)
        person(n, PERSON_NATURAL, &r->person);
}

static void
details(struct sim_node *n, struct member_request *r)
{
    switch (r->action) {
    case ACTION_ADMIT:
    case ACTION_SUBSCRIBE: shares(n, r); break;
    case ACTION_REPAY: repayment(n, r); break;
    case ACTION_NAME_REPRESENTATIVE:
    case ACTION_END_REPRESENTATIVE: representation(n, r); break;
    case ACTION_GIVE_CONSENT:
    case ACTION_WITHDRAW_CONSENT: r->consent.purpose = (uint16_t)(1 + rng_below(&n->rng, 3)); break;
    default: break;
    }
    if (r->action == ACTION_GIVE_CONSENT)
        snprintf(r->consent.text_version, sizeof(r->consent.text_version), "2025-%u", (unsigned)rng_below(&n->rng, 4));
    r->has_note = r->action != ACTION_NAME_REPRESENTATIVE && rng_chance(&n->rng, 80);
    if (r->has_note)
        snprintf(r->note.s, sizeof(r->note.s), "Invented note %u", ++n->unit->names);
    r->adjusts_closed = rng_chance(&n->rng, 500);
}

static void
new_or_known(struct sim_node *n, struct member_request *r)
{
    r->person_type = rng_chance(&n->rng, 800) ? PERSON_NATURAL : PERSON_LEGAL;
    if (r->person_type == PERSON_LEGAL && rng_chance(&n->rng, 900))
        r->category = CATEGORY_C;
    if (!r->has_subject) {
        person(n, r->person_type, &r->person);
        bank(n, &r->person);
    }
}

struct sim_job *
workload_member(struct sim_node *n)
{
    static const enum member_action actions[] = {
        ACTION_APPLY,
        ACTION_APPLY,
        ACTION_APPLY,
        ACTION_ADMIT,
        ACTION_ADMIT,
        ACTION_ADMIT,
        ACTION_ADMIT,
        ACTION_REFUSE,
        ACTION_SUBSCRIBE,
        ACTION_SUBSCRIBE,
        ACTION_CHANGE_CATEGORY,
        ACTION_CHANGE_CATEGORY,
        ACTION_CHANGE_DATA,
        ACTION_CHANGE_DATA,
        ACTION_REQUEST_WITHDRAWAL,
        ACTION_REQUEST_WITHDRAWAL,
        ACTION_GRANT_WITHDRAWAL,
        ACTION_REFUSE_WITHDRAWAL,
        ACTION_RESIGN,
        ACTION_EXCLUDE,
        ACTION_DECEASE, /* what a program of before kind 44 can write ends here */
        ACTION_REPAY,
        ACTION_REPAY,
        ACTION_REPAY,
        ACTION_NAME_REPRESENTATIVE,
        ACTION_NAME_REPRESENTATIVE,
        ACTION_END_REPRESENTATIVE,
        ACTION_GIVE_CONSENT,
        ACTION_GIVE_CONSENT,
        ACTION_WITHDRAW_CONSENT,
    };
    enum { OLD_ACTIONS = 21 };
    const struct model *m = n->unit->model;
    struct sim_job *job = workload_job(OP_MEMBER);
    struct member_request *r = &job->op.member.request;
    struct subject_id office;
    bool any = model_pick(m, SORT_MEMBER, 0) != NULL;
    r->action = actions[rng_below(&n->rng, n->old ? OLD_ACTIONS : ARRAY_LEN(actions))];
    if (model_entities(m, SORT_MEMBER) < 3)
        r->action = rng_chance(&n->rng, 500) ? ACTION_APPLY : ACTION_ADMIT;
    bool creates = r->action == ACTION_APPLY || r->action == ACTION_ADMIT;
    r->effective = workload_day(n);
    if (!creates || (any && rng_chance(&n->rng, r->action == ACTION_ADMIT ? 600 : 150))) {
        r->has_subject = true;
        (void)workload_somebody(n, &r->subject);
        /* Who has moved comes back by a handover: another admission under the same id would be a second home of the desks' making. */
        if (creates && model_is_moved(m, &r->subject))
            r->has_subject = false;
    }
    r->category = (uint8_t)(1 + rng_below(&n->rng, 3));
    if (creates)
        new_or_known(n, r);
    if (creates || (r->action == ACTION_CHANGE_DATA && rng_chance(&n->rng, 600))) {
        r->has_office = model_entity(m, SORT_OFFICE, rng_below(&n->rng, model_entities(m, SORT_OFFICE)), &office);
        memcpy(r->office.b, office.b, sizeof(office.b));
    } else if (r->action == ACTION_CHANGE_DATA) {
        r->person.has_contact = true;
        snprintf(r->person.contact.email.s, sizeof(r->person.contact.email.s), "new%u@example.org", ++n->unit->names);
    }
    details(n, r);
    return job;
}

/* ---- what was recorded wrongly ---- */

static bool
action_of(uint16_t kind, enum member_action *ret)
{
    for (int a = ACTION_APPLY; a <= ACTION_WITHDRAW_CONSENT; a++)
        if (member_action_kind((enum member_action)a) == kind) {
            *ret = (enum member_action)a;
            return true;
        }
    return false;
}

struct sim_job *
workload_correct_member(struct sim_node *n)
{
    const struct model_event *e = model_pick(n->unit->model, SORT_MEMBER, rng_next(&n->rng));
    struct sim_job *job = workload_job(OP_MEMBER);
    struct member_request *r = &job->op.member.request;
    if (!e || e->empties || !action_of(e->kind, &r->action)) {
        free(job);
        return workload_member(n);
    }
    r->has_subject = r->has_corrects = true;
    r->subject = e->entity;
    r->corrects = e->at;
    r->effective = rng_chance(&n->rng, 500) ? DATE_NONE : workload_day(n);
    if (rng_chance(&n->rng, 300) && !date_is_none(r->effective) && e->date != DATE_NONE.days)
        r->effective.days = e->date + (int32_t)rng_between(&n->rng, -3, 3);
    if (e->category != 0 && rng_chance(&n->rng, 500))
        r->category = (uint8_t)(1 + rng_below(&n->rng, 3));
    if ((r->action == ACTION_ADMIT || r->action == ACTION_SUBSCRIBE) && rng_chance(&n->rng, 500))
        shares(n, r);
    if (r->action == ACTION_REPAY && rng_chance(&n->rng, 700)) {
        r->has_amount = true;
        r->amount_minor = (int64_t)rng_below(&n->rng, (uint64_t)e->minor + 2);
    }
    r->adjusts_closed = rng_chance(&n->rng, 500);
    return job;
}

struct sim_job *
workload_merge(struct sim_node *n)
{
    const struct model *m = n->unit->model;
    struct sim_job *job = workload_job(OP_MERGE);
    struct merge_request *r = &job->op.merge;
    r->effective = workload_day(n);
    (void)workload_somebody(n, &r->from);
    (void)workload_somebody(n, &r->into);
    r->undo = rng_chance(&n->rng, 300);
    for (size_t i = 0; r->undo && i < m->n; i++) {
        const struct model_event *e = model_pick(m, SORT_MEMBER, rng_next(&n->rng));
        if (!e || e->kind != KIND_MEMBER_MERGED)
            continue;
        r->from = e->entity;
        r->into = e->other;
        break;
    }
    r->adjusts_closed = rng_chance(&n->rng, 500);
    return job;
}

struct sim_job *
workload_cancel(struct sim_node *n)
{
    static const enum model_sort sorts[] = {SORT_MEMBER,  SORT_MEMBER,  SORT_ACTIVITY,
                                            SORT_INVOICE, SORT_INVOICE, SORT_POSTING};
    enum model_sort sort = sorts[rng_below(&n->rng, ARRAY_LEN(sorts))];
    const struct model_event *e = model_pick(n->unit->model, sort, rng_next(&n->rng));
    struct sim_job *job = workload_job(OP_CANCEL);
    struct cancel_request *r = &job->op.cancel;
    r->what = sort == SORT_MEMBER     ? CANCEL_MEMBER
              : sort == SORT_ACTIVITY ? CANCEL_ACTIVITY
              : sort == SORT_INVOICE  ? CANCEL_INVOICE
                                      : CANCEL_POSTING;
    if (e) {
        r->subject = e->entity;
        r->event = e->at;
    }
    r->adjusts_closed = rng_chance(&n->rng, 500);
    return job;
}
