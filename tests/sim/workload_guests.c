/* What a desk does with members of other units: passes that they show, with their home in reach or not, data that a grant opens, contacts that they give,
 * activities that they carry on here. See sim.h. */
#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/command/guest.h"
#include "node/command/pass_verify.h"
#include "storage/received.h"

enum { VISITORS_MAX = 32, STALE_MS_MAX = 4 * 86400000, FOREIGN_DAYS = 30 };

static struct civil_date
today(const struct sim_node *n)
{
    return (struct civil_date){(int32_t)(node_wall(n) / 86400000)};
}

static struct command_ctx
context(struct sim_node *n, struct db_txn *txn)
{
    return (struct command_ctx){
        .txn = txn, .vault = n->vault, .unit = n->unit->identity.unit, .actor = n->unit->actor, .today = today(n)};
}

/* ---- passes ---- */

/* An id and a secret, as the desk of the home hands them out: kept for whoever is shown them. */
void
guests_new_pass(struct sim_node *n, struct access_request *r)
{
    struct world *w = n->w;
    struct pass pass = {.production = n->unit->identity.production, .unit = n->unit->identity.unit};
    struct box_secret secret;
    memcpy(pass.federation, n->unit->identity.federation.b, sizeof(pass.federation));
    rng_fill(&n->rng, pass.id.b, sizeof(pass.id.b));
    rng_fill(&n->rng, pass.secret, sizeof(pass.secret));
    pass_keypair(&pass, &r->pass_key, &secret);
    r->has_access = true;
    memcpy(r->access.b, pass.id.b, sizeof(r->access.b));
    r->stale_hours_max = (uint16_t)(rng_chance(&n->rng, 500) ? 0 : 1 + rng_below(&n->rng, 200));
    if (!w->passes)
        w->passes = calloc(SIM_PASSES_MAX, sizeof(*w->passes));
    MUST(w->passes);
    struct sim_pass *p = &w->passes[w->n_passes < SIM_PASSES_MAX ? w->n_passes++ : rng_below(&n->rng, SIM_PASSES_MAX)];
    p->unit = n->unit->index;
    p->id = r->access;
    pass_encode(&pass, p->text);
}

static bool
known_at(void *arg, const struct unit_id *unit, struct wall_ms *ret)
{
    struct sim_node *n = arg;
    (void)unit;
    ret->ms = node_wall(n) - (int64_t)rng_below(&n->rng, rng_chance(&n->rng, 200) ? STALE_MS_MAX : STALE_MS_MAX / 100);
    return !rng_chance(&n->rng, 30);
}

/* Whether the node holds the revocation that the home wrote. */
static bool
is_revoked(struct sim_node *n, const struct sim_pass *p)
{
    const struct sim_unit *home = &n->w->units[p->unit];
    for (size_t i = 0; i < home->model->n && !home->concurrent && !home->forked; i++) {
        const struct model_event *e = &home->model->events[i];
        if (e->sort != SORT_ACCESS || e->kind != 0 || !TYPE_EQ(&e->entity, &p->id))
            continue;
        int at = ledger_find(n->w, &e->at.log);
        if (at >= 0 && n->held[at] >= e->at.seq && n->w->stats.restores + n->w->stats.clones == 0)
            return true;
    }
    return false;
}

static void
keep(struct sim_node *n, const struct pass_seen *seen)
{
    const struct guest_look look = {.home = seen->unit,
                                    .member = seen->member,
                                    .access = seen->access,
                                    .day = today(n),
                                    .actor = n->unit->actor,
                                    .classes = seen->opened,
                                    .by_pass = true};
    struct api_op op = {.kind = OP_KEYS_KEEP, .status_on_success = 200, .kept = {seen->n_keys, seen->keys}};
    struct err err;
    if (guest_opening(n->vault, &look, 1, &err) != 0)
        world_fail(n->w, n, "a visit is not put on record: %s", err.text);
    else
        (void)upkeep_exec(n, NULL, &op, &err);
}

/* Mostly one that its home has given out, as far as its last word is known. */
static const struct sim_pass *
some_pass(struct sim_node *n)
{
    const struct world *w = n->w;
    const struct sim_pass *p = NULL;
    for (int i = 0; i < 12; i++) {
        p = &w->passes[rng_below(&n->rng, w->n_passes)];
        const struct model *m = w->units[p->unit].model;
        for (size_t k = 0; k < m->n && p->unit != n->unit->index; k++)
            if (m->events[k].kind == KIND_PASS_ISSUED && TYPE_EQ(&m->events[k].entity, &p->id) &&
                rng_chance(&n->rng, 800))
                return p;
    }
    return p;
}

static void
show_pass(struct sim_node *n)
{
    static struct pass_seen seen;
    struct world *w = n->w;
    if (w->n_passes == 0)
        return;
    const struct sim_pass *p = some_pass(n);
    const struct sim_node *home = &w->nodes[p->unit];
    char text[PASS_TEXT_MAX];
    struct db_txn *txn = NULL;
    struct err err = {0};
    memcpy(text, p->text, sizeof(text));
    if (rng_chance(&n->rng, 50))
        text[rng_below(&n->rng, PASS_TEXT_LEN)] ^= 1;
    if (db_begin_read(n->db, &txn, &err) != 0)
        return;
    const struct command_ctx ctx = context(n, txn);
    const struct pass_check check = {.ctx = &ctx,
                                     .federation = n->unit->identity.federation,
                                     .production = n->unit->identity.production,
                                     .now = {node_wall(n)},
                                     .foreign_days_max = FOREIGN_DAYS,
                                     .known_at = known_at,
                                     .arg = n};
    int rc = pass_verify(&check, slice_of(text, strlen(text)), &seen, &err);
    db_abort(&txn);
    if (rc != 0)
        world_fail(w, n, "a pass cannot be verified: %s", err.text);
    else if (seen.refusal != PASS_GOOD)
        w->cover[COVER_PASS_REFUSED]++;
    else if (is_revoked(n, p))
        world_fail(w, n, "pass %s was revoked, which is known here, and opens", short_id(&p->id));
    else if (!seen.own) {
        bool away = !home->up || net_blocked(home, n) || net_blocked(n, home);
        w->cover[COVER_PASS_GOOD]++;
        w->cover[COVER_PASS_HOME_AWAY] += away;
        say(w, n, "opens %s by a pass of %s%s", short_id(&seen.member), home->name, away ? ", which is away" : "");
        keep(n, &seen);
    }
    pass_seen_wipe(&seen);
}

/* ---- who is known here ---- */

/* Somebody of whom another unit gave keys. */
static bool
visitor(struct sim_node *n, struct unit_id *ret_home, struct subject_id *ret)
{
    struct received_event events[VISITORS_MAX];
    struct err err;
    size_t count = 0;
    if (received_events(n->vault, NULL, events, VISITORS_MAX, &count, &err) != 0 || count == 0)
        return false;
    const struct received_event *e = &events[rng_below(&n->rng, count)];
    *ret_home = e->unit;
    *ret = e->subject;
    return true;
}

static void
look(struct sim_node *n)
{
    static struct person_input p;
    struct guest_opened opened = {0};
    struct guest_look seen = {.day = today(n), .actor = n->unit->actor};
    struct db_txn *txn = NULL;
    struct member_row row;
    struct err err = {0};
    if (!visitor(n, &seen.home, &seen.member) || db_begin_read(n->db, &txn, &err) != 0)
        return;
    const struct command_ctx ctx = context(n, txn);
    int rc = view_member(txn, &seen.member, &seen.home, &row, &err);
    if (rc == 0) {
        rc = guest_person(&ctx, &row, 1U << CLASS_IDENTITY | 1U << CLASS_CONTACT, &p, &opened, &err);
        member_row_release(&row);
    }
    db_abort(&txn);
    person_wipe(&p, sizeof(p));
    if (rc != 0 && rc != ERR_DENIED && rc != ERR_NOTFOUND)
        world_fail(n->w, n, "a visitor cannot be looked at: %s", err.text);
    if (rc != 0 || opened.classes == 0)
        return;
    seen.access = opened.access;
    seen.classes = opened.classes;
    n->w->cover[COVER_LOOK]++;
    if (guest_opening(n->vault, &seen, 1, &err) != 0)
        world_fail(n->w, n, "a look is not put on record: %s", err.text);
}

static struct sim_job *
propose(struct sim_node *n)
{
    struct sim_job *job = workload_job(OP_PROPOSE);
    struct guest_proposal *p = &job->op.propose;
    if (!visitor(n, &p->home, &p->member)) {
        free(job);
        return NULL;
    }
    snprintf(p->contact.email.s, sizeof(p->contact.email.s), "visitor%u@example.org", ++n->unit->names);
    snprintf(p->text, sizeof(p->text), "Invented reason %u", n->unit->names);
    return job;
}

static struct sim_job *
activity(struct sim_node *n)
{
    const struct model *m = n->unit->model;
    struct sim_job *job = workload_job(OP_ACTIVITY);
    struct activity_request *r = &job->op.activity.request;
    struct subject_id office;
    struct model_person p;
    if (!visitor(n, &r->unit, &r->member)) {
        free(job);
        return NULL;
    }
    r->action = WORK_OPEN_ACTIVITY;
    r->has_unit = true;
    r->effective = workload_day(n);
    for (int i = 0; i < n->w->n_units; i++)
        if (TYPE_EQ(&n->w->units[i].identity.unit, &r->unit) &&
            model_person(n->w->units[i].model, &r->member, INT32_MAX, NULL, &p, NULL) && !date_is_none(p.s.joined_on) &&
            rng_chance(&n->rng, 850))
            r->effective.days = p.s.joined_on.days + (int32_t)rng_below(&n->rng, 40);
    r->has_sector = r->has_culture = true;
    r->sector = (uint16_t)(1 + rng_below(&n->rng, 3));
    r->culture = rng_chance(&n->rng, 500);
    r->adjusts_closed = rng_chance(&n->rng, 500);
    r->has_office = model_entity(m, SORT_OFFICE, rng_below(&n->rng, model_entities(m, SORT_OFFICE)), &office);
    memcpy(r->office.b, office.b, sizeof(office.b));
    return job;
}

/* On an activity that a visitor has here. */
static struct sim_job *
invoice(struct sim_node *n)
{
    const struct sim_unit *u = n->unit;
    if (u->n_visiting == 0)
        return NULL;
    struct sim_job *job = workload_job(OP_INVOICE);
    struct invoice_request *r = &job->op.invoice.request;
    r->has_activity = r->has_amount = true;
    r->activity = u->visiting[rng_below(&n->rng, u->n_visiting)];
    r->amount_minor = 1 + (int64_t)rng_below(&n->rng, 900000);
    r->adjusts_closed = rng_chance(&n->rng, 500);
    r->effective = workload_day(n);
    for (size_t i = 0; i < u->model->n; i++)
        if (u->model->events[i].sort == SORT_ACTIVITY && TYPE_EQ(&u->model->events[i].entity, &r->activity))
            r->effective.days = u->model->events[i].date + (int32_t)rng_below(&n->rng, 25);
    return job;
}

struct sim_job *
workload_guest(struct sim_node *n)
{
    uint64_t which = rng_below(&n->rng, 100);
    if (n->unit->n_visiting > 0 && rng_chance(&n->rng, 600)) /* it is opened seldom */
        return invoice(n);
    if (which < 35)
        show_pass(n);
    else if (which < 50)
        look(n);
    else
        return which < 60 ? propose(n) : which < 90 ? activity(n) : invoice(n);
    return NULL;
}
