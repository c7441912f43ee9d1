/* What the desks of the units do: possible and impossible things, dated in the past and the future, in bursts. See sim.h. */
#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>

enum { PAUSE_MS_MIN = 100, PAUSE_MS_MAX = 5000, BURST_MAX = 8, DAYS_BACK = 40, DAYS_AHEAD = 40 };

static struct civil_date
some_day(struct sim_node *n)
{
    int64_t d = date_from_ymd(2025, 6, 1).days;
    return (struct civil_date){(int32_t)(d + rng_between(&n->rng, -DAYS_BACK, DAYS_AHEAD))};
}

static struct sim_job *
job_new(enum api_op_kind kind)
{
    struct sim_job *job = calloc(1, sizeof(*job));
    MUST(job);
    job->op.kind = kind;
    job->op.status_on_success = 201;
    return job;
}

struct sim_job *
workload_describe(struct sim_node *n, bool first)
{
    struct sim_job *job = job_new(OP_UNIT_DESCRIBE);
    struct unit_described *u = &job->op.unit.facts;
    u->name = n->unit->identity.unit_name;
    memcpy(u->country, "BE", 3);
    memcpy(u->currency, "EUR", 4);
    u->n_languages = 1;
    memcpy(u->languages[0], "nl", 3);
    snprintf(u->time_zone.s, sizeof(u->time_zone.s), "Europe/Brussels");
    u->contribution_bp = 100 + (uint32_t)rng_below(&n->rng, 900);
    u->share_price_minor = 1000 + (int64_t)rng_below(&n->rng, 100) * 100;
    job->op.unit.effective = first ? date_from_ymd(2020, 1, 1) : some_day(n);
    return job;
}

static void
office_facts(struct sim_node *n, struct office_facts *f)
{
    snprintf(f->name.s, sizeof(f->name.s), "Office %u", ++n->unit->names);
    snprintf(f->city.s, sizeof(f->city.s), "City %u", n->unit->names);
    memcpy(f->country, "BE", 3);
}

struct sim_job *
workload_office(struct sim_node *n)
{
    struct sim_job *job = job_new(OP_OFFICE_OPEN);
    office_facts(n, &job->op.office.facts);
    job->op.office.effective = rng_chance(&n->rng, 500) ? date_from_ymd(2020, 1, 1) : some_day(n);
    job->must_succeed = true;
    return job;
}

static struct sim_job *
change_office(struct sim_node *n)
{
    struct sim_job *job = job_new(rng_chance(&n->rng, 800) ? OP_OFFICE_CHANGE : OP_OFFICE_CLOSE);
    office_facts(n, &job->op.office.facts);
    job->op.office.id = *model_office(n->unit->model, rng_below(&n->rng, model_offices(n->unit->model)));
    job->op.office.effective = some_day(n);
    return job;
}

static void
person(struct sim_node *n, struct member_request *r)
{
    struct person_input *p = &r->person;
    unsigned no = ++n->unit->names;
    p->has_identity = true;
    p->identity.birth_date = DATE_NONE;
    if (r->person_type == PERSON_LEGAL) {
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
    if (rng_chance(&n->rng, 300)) {
        p->has_bank = true;
        snprintf(p->bank.iban.s, sizeof(p->bank.iban.s), "BE68539007547034");
    }
}

/* One of the members, or nobody that there is. */
static void
somebody(struct sim_node *n, struct member_request *r)
{
    const struct model *m = n->unit->model;
    r->has_subject = true;
    if (model_members(m) == 0 || rng_chance(&n->rng, 20))
        rng_fill(&n->rng, r->subject.b, sizeof(r->subject.b));
    else
        r->subject = *model_subject(m, rng_below(&n->rng, model_members(m)));
}

static void
shares(struct sim_node *n, struct member_request *r)
{
    r->has_shares = true;
    r->shares = rng_chance(&n->rng, 20) ? 0 : 1 + rng_below(&n->rng, 50);
}

static struct sim_job *
member_job(struct sim_node *n)
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
        ACTION_DECEASE,
    };
    const struct model *m = n->unit->model;
    struct sim_job *job = job_new(OP_MEMBER);
    struct member_request *r = &job->op.member.request;
    r->action = actions[rng_below(&n->rng, ARRAY_LEN(actions))];
    if (model_members(m) < 3)
        r->action = rng_chance(&n->rng, 500) ? ACTION_APPLY : ACTION_ADMIT;
    bool creates = r->action == ACTION_APPLY || r->action == ACTION_ADMIT;
    r->effective = some_day(n);
    if (!creates || (model_members(m) > 0 && rng_chance(&n->rng, r->action == ACTION_ADMIT ? 600 : 150)))
        somebody(n, r);
    r->category = (uint8_t)(1 + rng_below(&n->rng, 3));
    if (creates) {
        r->person_type = rng_chance(&n->rng, 850) ? PERSON_NATURAL : PERSON_LEGAL;
        if (r->person_type == PERSON_LEGAL && rng_chance(&n->rng, 900))
            r->category = CATEGORY_C;
        if (!r->has_subject)
            person(n, r);
    }
    if (creates || (r->action == ACTION_CHANGE_DATA && rng_chance(&n->rng, 600))) {
        r->has_office = true;
        r->office = *model_office(m, rng_below(&n->rng, model_offices(m)));
    } else if (r->action == ACTION_CHANGE_DATA) {
        r->person.has_contact = true;
        snprintf(r->person.contact.email.s, sizeof(r->person.contact.email.s), "new%u@example.org", ++n->unit->names);
    }
    if (r->action == ACTION_ADMIT || r->action == ACTION_SUBSCRIBE)
        shares(n, r);
    return job;
}

/* A burst of one desk, and the next one after a while. */
void
workload_step(struct sim_node *n)
{
    struct world *w = n->w;
    struct sim_unit *u = n->unit;
    if (w->healing || u->ops_left == 0)
        return;
    uint64_t burst = 1 + rng_below(&n->rng, rng_chance(&n->rng, 100) ? 10 * BURST_MAX : BURST_MAX);
    world_post(w, rng_between(&n->rng, PAUSE_MS_MIN, PAUSE_MS_MAX), EV_WORK, n, 0, 0, NULL, 0);
    if (!n->up || n->jobs)
        return;
    if (model_offices(u->model) == 0) {
        node_submit(n, workload_describe(n, true));
        node_submit(n, workload_office(n));
        node_submit(n, workload_office(n));
        return;
    }
    for (uint64_t i = 0; i < burst && u->ops_left > 0; i++, u->ops_left--) {
        uint64_t which = rng_below(&n->rng, 100);
        if (which < 3)
            node_submit(n, workload_office(n));
        else if (which < 7)
            node_submit(n, change_office(n));
        else if (which < 9)
            node_submit(n, workload_describe(n, false));
        else
            node_submit(n, member_job(n));
    }
}

void
workload_start(struct world *w)
{
    for (int i = 0; i < w->n_units; i++) {
        struct sim_node *n = &w->nodes[i];
        n->unit->ops_left =
            w->options->events ? w->options->events : 10 + rng_below(&w->rng, w->n_units > 5 ? 60 : 150);
        world_post(w, rng_between(&w->rng, 0, PAUSE_MS_MAX), EV_WORK, n, 0, 0, NULL, 0);
        if (n->unit->raw)
            world_post(w, rng_between(&w->rng, 0, PAUSE_MS_MAX), EV_RAW, n, 0, 0, NULL, 0);
    }
}
