/* What the desks of the units do: possible and impossible things, dated in the past and the future, in bursts. See sim.h. */
#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>

enum { PAUSE_MS_MIN = 100, PAUSE_MS_MAX = 5000, BURST_MAX = 8, DAYS_BACK = 40, DAYS_AHEAD = 40, YEAR_DAYS = 365 };

struct civil_date
workload_day(struct sim_node *n)
{
    int64_t d = date_from_ymd(2025, 6, 1).days;
    if (rng_chance(&n->rng, 350))
        d -= YEAR_DAYS; /* of a year that can be closed */
    return (struct civil_date){(int32_t)(d + rng_between(&n->rng, -DAYS_BACK, DAYS_AHEAD))};
}

struct sim_job *
workload_job(enum api_op_kind kind)
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
    struct sim_job *job = workload_job(OP_UNIT_DESCRIBE);
    struct unit_described *u = &job->op.unit.facts;
    u->name = n->unit->identity.unit_name;
    memcpy(u->country, "BE", 3);
    memcpy(u->currency, first ? "EUR" : workload_currency(n), CURRENCY_MAX);
    u->n_languages = 1;
    memcpy(u->languages[0], "nl", 3);
    snprintf(u->time_zone.s, sizeof(u->time_zone.s), "Europe/Brussels");
    u->contribution_bp = 100 + (uint32_t)rng_below(&n->rng, 900);
    u->share_price_minor = 1000 + (int64_t)rng_below(&n->rng, 100) * 100;
    job->op.unit.effective = first ? date_from_ymd(2020, 1, 1) : workload_day(n);
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
    struct sim_job *job = workload_job(OP_OFFICE_OPEN);
    office_facts(n, &job->op.office.facts);
    job->op.office.effective = rng_chance(&n->rng, 500) ? date_from_ymd(2020, 1, 1) : workload_day(n);
    job->must_succeed = true;
    return job;
}

static struct sim_job *
change_office(struct sim_node *n)
{
    const struct model *m = n->unit->model;
    struct subject_id id = {0};
    struct sim_job *job = workload_job(rng_chance(&n->rng, 800) ? OP_OFFICE_CHANGE : OP_OFFICE_CLOSE);
    office_facts(n, &job->op.office.facts);
    (void)model_entity(m, SORT_OFFICE, rng_below(&n->rng, model_entities(m, SORT_OFFICE)), &id);
    memcpy(job->op.office.id.b, id.b, sizeof(id.b));
    job->op.office.effective = workload_day(n);
    return job;
}

static struct sim_job *
some_job(struct sim_node *n)
{
    uint64_t which = rng_below(&n->rng, n->old ? 60 : 100);
    struct sim_job *answer = n->w->moves && !n->old && rng_chance(&n->rng, 50) ? workload_answer(n) : NULL;
    if (answer)
        return answer;
    if (n->w->moves && !n->old && rng_chance(&n->rng, 350))
        return workload_moving(n);
    if (which < 3)
        return workload_office(n);
    if (which < 6)
        return change_office(n);
    if (which < 8)
        return workload_describe(n, false);
    if (which < 52)
        return workload_member(n);
    if (which < 60)
        return workload_correct_member(n);
    if (which < 64)
        return workload_merge(n);
    if (which < 69)
        return workload_cancel(n);
    if (which < 81)
        return workload_activity(n);
    if (which < 84)
        return workload_posting(n);
    if (which < 99)
        return workload_invoice(n);
    return workload_close_year(n);
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
    if (!model_pick(u->model, SORT_OFFICE, 0)) {
        node_submit(n, workload_describe(n, true));
        node_submit(n, workload_office(n));
        node_submit(n, workload_office(n));
        return;
    }
    for (uint64_t i = 0; i < burst && u->ops_left > 0; i++, u->ops_left--) {
        struct sim_job *job = some_job(n);
        answers_before(n, job);
        node_submit(n, job);
    }
    if (!n->old && rng_chance(&n->rng, 100))
        counting_soon(n);
}

/* What was written of late is entered once more, as after a disk was set back; some of it is there already. */
void
workload_again(struct sim_node *n)
{
    struct sim_unit *u = n->unit;
    for (size_t i = 0; i < u->n_again; i++) {
        const struct member_request *r = &u->again[i].member.request;
        bool creates = u->again[i].kind == OP_MEMBER && (r->action == ACTION_APPLY || r->action == ACTION_ADMIT);
        if (!rng_chance(&n->rng, 400) || (creates && r->has_subject && model_is_moved(u->model, &r->subject)))
            continue;
        struct sim_job *job = workload_job(u->again[i].kind);
        job->op = u->again[i];
        node_submit(n, job);
    }
}

void
workload_remember(struct sim_unit *u, const struct api_op *op)
{
    if (op->kind == OP_COUNT || op->kind == OP_OFFICE_OPEN || op->kind == OP_GUEST || op->kind == OP_KEYS_KEEP ||
        (op->kind == OP_ACTIVITY && op->activity.taken) ||
        (op->kind == OP_HANDOVER && op->handover.request.n_dossiers > 0)) /* what they point to is the upkeep's */
        return;
    if (!u->again)
        u->again = calloc(SIM_AGAIN_MAX, sizeof(*u->again));
    MUST(u->again);
    if (u->n_again == SIM_AGAIN_MAX)
        memmove(&u->again[0], &u->again[1], --u->n_again * sizeof(*u->again));
    u->again[u->n_again++] = *op;
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
