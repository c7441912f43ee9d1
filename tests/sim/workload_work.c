/* What a desk does with activities, invoices and postings, and what the node counts and closes. See sim.h. */
#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>

enum { SECTORS = 3, OLDEST_YEAR = 2023 };

static void
facets(struct sim_node *n, struct activity_request *r)
{
    struct subject_id office;
    const struct model *m = n->unit->model;
    r->has_sector = r->action == WORK_OPEN_ACTIVITY || rng_chance(&n->rng, 500);
    r->sector = (uint16_t)(1 + rng_below(&n->rng, SECTORS));
    r->has_culture = rng_chance(&n->rng, 500);
    r->culture = rng_chance(&n->rng, 500);
    if (r->action != WORK_OPEN_ACTIVITY && !rng_chance(&n->rng, 300))
        return;
    r->has_office = model_entity(m, SORT_OFFICE, rng_below(&n->rng, model_entities(m, SORT_OFFICE)), &office);
    memcpy(r->office.b, office.b, sizeof(office.b));
}

/* A day on which somebody who is a member is one. */
static struct civil_date
member_day(struct sim_node *n, const struct subject_id *who)
{
    struct model_person p;
    struct civil_date d = workload_day(n);
    (void)model_person(n->unit->model, who, INT32_MAX, NULL, &p, NULL);
    if (p.s.status == STATUS_MEMBER && rng_chance(&n->rng, 850))
        d.days = p.s.joined_on.days + (int32_t)rng_below(&n->rng, 70);
    return d;
}

struct sim_job *
workload_activity(struct sim_node *n)
{
    const struct model_event *e = model_pick(n->unit->model, SORT_ACTIVITY, rng_next(&n->rng));
    struct sim_job *job = workload_job(OP_ACTIVITY);
    struct activity_request *r = &job->op.activity.request;
    r->adjusts_closed = rng_chance(&n->rng, 500);
    if (!e || rng_chance(&n->rng, 500)) {
        r->action = WORK_OPEN_ACTIVITY;
        (void)workload_somebody(n, &r->member);
        r->effective = member_day(n, &r->member);
    } else {
        r->action = rng_chance(&n->rng, 650) ? WORK_CHANGE_ACTIVITY : WORK_CLOSE_ACTIVITY;
        r->has_activity = true;
        r->activity = e->entity;
        r->effective.days = rng_chance(&n->rng, 800) ? e->date + (int32_t)rng_below(&n->rng, 70) : workload_day(n).days;
        if (rng_chance(&n->rng, 250) && !e->empties) { /* that very event, otherwise */
            r->action = e->kind == KIND_ACTIVITY_OPENED    ? WORK_OPEN_ACTIVITY
                        : e->kind == KIND_ACTIVITY_CHANGED ? WORK_CHANGE_ACTIVITY
                                                           : WORK_CLOSE_ACTIVITY;
            r->has_corrects = true;
            r->corrects = e->at;
            if (rng_chance(&n->rng, 500))
                r->effective = DATE_NONE;
        }
    }
    facets(n, r);
    r->has_number = r->action != WORK_CLOSE_ACTIVITY && rng_chance(&n->rng, 300);
    if (r->has_number)
        snprintf(r->number.s, sizeof(r->number.s), "A%u-%d", ++n->unit->names, n->index);
    return job;
}

static void
money(struct sim_node *n, struct invoice_request *r)
{
    r->has_amount = true;
    r->amount_minor = 1 + (int64_t)rng_below(&n->rng, 2000000);
    r->has_rate = rng_chance(&n->rng, 300);
    r->rate_bp = (uint32_t)rng_below(&n->rng, 1500);
    if (rng_chance(&n->rng, 600))
        memcpy(r->currency, workload_currency(n), CURRENCY_MAX);
}

static void
issue(struct sim_node *n, struct invoice_request *r)
{
    const struct model_event *a = model_pick(n->unit->model, SORT_ACTIVITY, rng_next(&n->rng));
    r->has_activity = true;
    r->effective = workload_day(n);
    money(n, r);
    if (!a)
        return;
    r->activity = a->entity;
    if (rng_chance(&n->rng, 900))
        r->effective.days = a->date + (int32_t)rng_below(&n->rng, 60);
}

static void
credit(struct sim_node *n, struct invoice_request *r, const struct model_event *e)
{
    struct model_invoice v;
    (void)model_invoice(n->unit->model, &e->entity, INT32_MAX, NULL, &v);
    int64_t left = v.exists ? v.issue->minor - v.credited : 0, back = v.exists ? v.issue->contribution - v.back : 0;
    r->credit = r->has_invoice = true;
    r->invoice = e->entity;
    r->effective.days = e->date + (int32_t)rng_below(&n->rng, 40);
    if (rng_chance(&n->rng, 300))
        return; /* all that is left */
    r->has_amount = r->has_contribution = true;
    r->amount_minor = 1 + (int64_t)rng_below(&n->rng, left > 0 ? (uint64_t)left : 1000);
    r->contribution_minor = (int64_t)rng_below(&n->rng, back > 0 ? (uint64_t)back + 1 : 1);
}

static void
correct(struct sim_node *n, struct invoice_request *r, const struct model_event *e)
{
    r->credit = e->kind == KIND_INVOICE_CREDITED;
    r->has_invoice = r->has_corrects = true;
    r->invoice = e->entity;
    r->corrects = e->at;
    r->effective = DATE_NONE;
    if (rng_chance(&n->rng, 200))
        r->effective.days = e->date + (int32_t)rng_below(&n->rng, 40);
    if (r->credit && rng_chance(&n->rng, 700)) {
        r->has_amount = r->has_contribution = true;
        r->amount_minor = 1 + (int64_t)rng_below(&n->rng, (uint64_t)e->minor + 3);
        r->contribution_minor = (int64_t)rng_below(&n->rng, (uint64_t)e->contribution + 1);
    } else if (!r->credit) {
        money(n, r);
        r->has_sector = rng_chance(&n->rng, 500);
        r->sector = (uint16_t)(1 + rng_below(&n->rng, SECTORS));
    }
}

struct sim_job *
workload_invoice(struct sim_node *n)
{
    const struct model_event *e = model_pick(n->unit->model, SORT_INVOICE, rng_next(&n->rng));
    struct sim_job *job = workload_job(OP_INVOICE);
    struct invoice_request *r = &job->op.invoice.request;
    uint64_t which = rng_below(&n->rng, 100);
    if (!e || which < 60)
        issue(n, r);
    else if (which < 80 || e->empties)
        credit(n, r, e);
    else
        correct(n, r, e);
    r->adjusts_closed = rng_chance(&n->rng, 500);
    r->has_number = rng_chance(&n->rng, 300);
    if (r->has_number)
        snprintf(r->number.s, sizeof(r->number.s), "I%u-%d", ++n->unit->names, n->index);
    return job;
}

/* Mostly within two years, now and then too long; of one that is there its end or its country, as a whole or from a month on. */
struct sim_job *
workload_posting(struct sim_node *n)
{
    static const char *const countries[] = {"JP", "CA", "BR"};
    const struct model_event *e = model_pick(n->unit->model, SORT_POSTING, rng_next(&n->rng));
    struct sim_job *job = workload_job(OP_POSTING);
    struct posting_request *r = &job->op.posting.request;
    r->from = r->to = r->effective = DATE_NONE;
    if (!e || rng_chance(&n->rng, 600)) {
        r->action = POSTING_ISSUE;
        (void)workload_somebody(n, &r->member);
        r->from = member_day(n, &r->member);
        r->to.days = r->from.days + (int32_t)rng_below(&n->rng, rng_chance(&n->rng, 900) ? 200 : 800);
    } else {
        r->action = POSTING_CHANGE;
        r->has_posting = true;
        r->posting = e->entity;
        if (rng_chance(&n->rng, 700))
            r->to.days = e->to + (int32_t)rng_below(&n->rng, 240) - 100;
        if (rng_chance(&n->rng, 400))
            r->effective.days = e->date + (int32_t)rng_below(&n->rng, 150);
    }
    if (r->action == POSTING_ISSUE || rng_chance(&n->rng, 500))
        memcpy(r->country, countries[rng_below(&n->rng, ARRAY_LEN(countries))], sizeof(r->country));
    r->has_reference = rng_chance(&n->rng, 300);
    if (r->has_reference)
        snprintf(r->reference.s, sizeof(r->reference.s), "T%u-%d", ++n->unit->names, n->index);
    return job;
}

struct sim_job *
workload_close_year(struct sim_node *n)
{
    struct sim_job *job = workload_job(OP_CLOSE_PERIOD);
    job->op.close.year = (uint16_t)(OLDEST_YEAR + rng_below(&n->rng, 3));
    job->op.close.again = rng_chance(&n->rng, 300);
    return job;
}
