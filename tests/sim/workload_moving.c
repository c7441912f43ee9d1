/* What desks do with members who move, mostly whoever's turn it is, now and then what is not theirs to do; grants and passes, erasures, two records of one person; and the end,
 * where the desks bring to an end whatever is open. See sim.h. */
#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/view/view.h"

enum { OPEN_MAX = 64, ROUNDS_MAX = 16 /* offers of one member side by side: there are not so many */ };

static void
no_random(void *arg, uint8_t *out, size_t len)
{
    (void)arg;
    memset(out, 0, len);
}

/* Handovers that the unit has part in, as its node sees them. */
size_t
moving_open(struct sim_node *n, struct handover_view *ret, size_t max)
{
    struct err err = {0};
    size_t count = 0;
    struct command_ctx ctx = {.vault = n->vault,
                              .unit = n->unit->identity.unit,
                              .actor = n->unit->actor,
                              .today = {(int32_t)(node_wall(n) / 86400000)},
                              .random = no_random};
    node_program(n);
    if (db_begin_read(n->db, &ctx.txn, &err) != 0 || handovers_open(&ctx, NULL, ret, max, &count, &err) != 0)
        world_fail(n->w, n, "open handovers: %s", err.text);
    db_abort(&ctx.txn);
    return count;
}

static struct sim_unit *
another_unit(struct sim_node *n)
{
    struct world *w = n->w;
    uint64_t at = rng_below(&n->rng, (uint64_t)w->n_units - 1);
    return &w->units[at + (at >= (uint64_t)n->unit->index)];
}

/* ---- handovers ---- */

void
moving_office(struct sim_node *n, struct handover_request *r)
{
    struct subject_id id = {{0}};
    const struct model *m = n->unit->model;
    r->has_office = model_entity(m, SORT_OFFICE, rng_below(&n->rng, model_entities(m, SORT_OFFICE) + 1), &id);
    if (!r->has_office)
        r->has_office = model_entity(m, SORT_OFFICE, 0, &id);
    memcpy(r->office.b, id.b, sizeof(id.b));
}

static void
terms(struct sim_node *n, struct handover_request *r)
{
    moving_office(n, r);
    r->has_shares = rng_chance(&n->rng, 500);
    r->shares = 1 + rng_below(&n->rng, 20);
    r->has_price = rng_chance(&n->rng, 200);
    r->share_price_minor = 500 + (int64_t)rng_below(&n->rng, 9) * 250;
    memcpy(r->currency, workload_currency(n), CURRENCY_MAX);
    r->category = rng_chance(&n->rng, 300) ? (uint8_t)(1 + rng_below(&n->rng, 3)) : 0;
}

/* What the new home's desk enters of somebody whose data it has before it. */
static void
person(struct sim_node *n, struct handover_request *r)
{
    struct person_input *p = &r->person;
    struct db_txn *txn = NULL;
    struct member_row row;
    struct err err;
    bool legal = false;
    if (db_begin_read(n->db, &txn, &err) == 0 &&
        view_member(txn, &r->member, &n->unit->identity.unit, &row, &err) == 0) {
        size_t i = member_arrival_unreceived(&row);
        legal = i != SIZE_MAX && row.entries[i].person_type == PERSON_LEGAL;
        member_row_release(&row);
    }
    db_abort(&txn);
    p->has_identity = true;
    p->identity.birth_date = DATE_NONE;
    n->unit->names++;
    if (legal)
        snprintf(p->identity.legal_name.s, sizeof(p->identity.legal_name.s), "Moved Works %u", n->unit->names);
    else
        snprintf(p->identity.family_name.s, sizeof(p->identity.family_name.s), "Moved%u", n->unit->names);
}

/* Somebody with an open activity, which may be taken along after it was opened. */
static bool
somebody_at_work(struct sim_node *n, struct subject_id *ret, int32_t *ret_after)
{
    for (int i = 0; i < 8; i++) {
        const struct model_event *e = model_pick(n->unit->model, SORT_ACTIVITY, rng_next(&n->rng));
        struct model_activity a;
        if (!e || !model_activity(n->unit->model, &e->entity, INT32_MAX, NULL, &a) || !a.open)
            continue;
        *ret = model_kept(n->unit->model, &a.owner);
        *ret_after = e->date;
        return true;
    }
    return false;
}

static void
offer(struct sim_node *n, struct handover_request *r)
{
    struct model_person p;
    int32_t after = 0;
    bool works = rng_chance(&n->rng, 750) && somebody_at_work(n, &r->member, &after);
    r->unit = another_unit(n)->identity.unit;
    (void)model_person(n->unit->model, &r->member, INT32_MAX, NULL, &p, NULL);
    for (int i = 0; i < 6 && !works; i++) { /* mostly somebody who is a member, or may be by now */
        (void)workload_somebody(n, &r->member);
        (void)model_person(n->unit->model, &r->member, INT32_MAX, NULL, &p, NULL);
        if (p.s.status == STATUS_MEMBER || model_is_moved(n->unit->model, &r->member))
            break;
    }
    r->effective = r->proposed = DATE_NONE;
    if (rng_chance(&n->rng, 800))
        r->proposed = workload_day(n);
    if (p.s.status == STATUS_MEMBER && rng_chance(&n->rng, 600))
        r->proposed.days = p.s.joined_on.days + 1 + (int32_t)rng_below(&n->rng, 60);
    if (works && rng_chance(&n->rng, 900))
        r->proposed.days = after + (int32_t)rng_below(&n->rng, 50);
    const struct model_event *year = model_pick(n->unit->model, SORT_PERIOD, rng_next(&n->rng));
    if (year && rng_chance(&n->rng, 400)) /* it is meant, or refused */
        r->proposed.days = date_from_ymd(year->year, 1, 1).days + (int32_t)rng_below(&n->rng, 365);
    if (!date_is_none(r->proposed) && rng_chance(&n->rng, 200))
        r->effective.days = r->proposed.days - (int32_t)rng_below(&n->rng, 30);
}

static enum handover_action
turn_of(enum handover_turn turn)
{
    switch (turn) {
    case TURN_WE_ACCEPT: return HANDOVER_ACCEPT;
    case TURN_WE_COMPLETE: return HANDOVER_COMPLETE;
    case TURN_WE_RECEIVE: return HANDOVER_RECEIVE;
    case TURN_THEY_ACCEPT: return HANDOVER_WITHDRAW;
    default: return HANDOVER_OFFER;
    }
}

static bool
ours(enum handover_turn turn)
{
    return turn == TURN_WE_ACCEPT || turn == TURN_WE_COMPLETE || turn == TURN_WE_RECEIVE;
}

void
moving_go_on(struct sim_node *n, const struct handover_view *v, struct handover_request *r)
{
    static const enum handover_action any[] = {HANDOVER_WITHDRAW, HANDOVER_ACCEPT, HANDOVER_COMPLETE, HANDOVER_RECEIVE};
    r->member = v->member;
    r->action = turn_of(v->turn);
    if (r->action == HANDOVER_OFFER || rng_chance(&n->rng, 80))
        r->action = any[rng_below(&n->rng, ARRAY_LEN(any))];
    if (v->turn == TURN_WE_COMPLETE && rng_chance(&n->rng, 150))
        r->action = HANDOVER_WITHDRAW;
    r->effective = r->proposed = DATE_NONE;
    r->adjusts_closed = rng_chance(&n->rng, 500);
    if (r->action == HANDOVER_ACCEPT)
        terms(n, r);
    else if (r->action == HANDOVER_RECEIVE)
        person(n, r);
    if (r->action == HANDOVER_WITHDRAW && rng_chance(&n->rng, 700))
        r->effective = v->since;
    if (r->action != HANDOVER_COMPLETE)
        return;
    if (rng_chance(&n->rng, 400) && !date_is_none(v->since))
        r->effective.days = v->since.days + (int32_t)rng_below(&n->rng, 60);
    r->voted = rng_chance(&n->rng, 300);
    r->activities = rng_chance(&n->rng, 700) ? ACTIVITIES_TAKEN_ALONG : ACTIVITIES_CLOSED;
    r->owed_stays = rng_chance(&n->rng, 300);
}

/* ---- access ---- */

/* Often of somebody who is about to move, which may come to nothing: what stands is to stand on. */
static void
who_gives(struct sim_node *n, struct subject_id *ret)
{
    static struct handover_view open[OPEN_MAX];
    size_t count = rng_chance(&n->rng, 500) ? moving_open(n, open, OPEN_MAX) : 0;
    const struct handover_view *v = count > 0 ? &open[rng_below(&n->rng, count)] : NULL;
    if (v && TYPE_EQ(&v->from, &n->unit->identity.unit))
        *ret = v->member;
    else
        (void)workload_somebody(n, ret);
}

static struct sim_job *
access_job(struct sim_node *n)
{
    const struct model_event *made = model_pick(n->unit->model, SORT_ACCESS, rng_next(&n->rng));
    struct sim_job *job = workload_job(OP_ACCESS);
    struct access_request *r = &job->op.access;
    uint64_t which = rng_below(&n->rng, 100);
    r->from = r->until = DATE_NONE;
    if (!made || which < 62) {
        r->action = which % 4 != 0 ? ACCESS_GRANT : ACCESS_ISSUE;
        who_gives(n, &r->member);
        r->host = another_unit(n)->identity.unit;
        r->classes = (uint16_t)(1 + rng_below(&n->rng, 15));
        r->purpose = 1;
        if (rng_chance(&n->rng, 200))
            r->until.days = (int32_t)(node_wall(n) / 86400000) + (int32_t)rng_below(&n->rng, 400);
        if (r->action == ACCESS_ISSUE)
            guests_new_pass(n, r);
        return job;
    }
    r->action = which < 93 ? ACCESS_REVOKE : which < 97 ? ACCESS_RENEW : ACCESS_END_ALL;
    r->member = made->other;
    r->has_access = r->action != ACCESS_END_ALL;
    r->access = made->entity;
    return job;
}

/* ---- erasure ---- */

static struct sim_job *
erasure_job(struct sim_node *n)
{
    static const struct retention_settings settings = {{-1, -1, -1, -1, -1}};
    struct sim_job *job = workload_job(OP_ERASE);
    struct erase_request *r = &job->op.erase.request;
    uint64_t which = rng_below(&n->rng, 100);
    r->action = which < 70 ? ERASE_ORDER : which < 85 ? ERASE_RESTRICT : ERASE_LIFT;
    if (n->unit->has_restricted && rng_chance(&n->rng, 400))
        r->action = ERASE_LIFT;
    (void)workload_somebody(n, &r->member);
    if (r->action == ERASE_LIFT && n->unit->has_restricted && rng_chance(&n->rng, 800))
        r->member = n->unit->restricted;
    r->classes = (uint16_t)(rng_chance(&n->rng, 600) ? 1U << rng_below(&n->rng, 5) : 1 + rng_below(&n->rng, 31));
    r->ground = rng_chance(&n->rng, 500) ? GROUND_WRONGLY_HELD : 0;
    r->effective = r->until = DATE_NONE;
    retention_rules_of("BE", &settings, &r->rules);
    if (r->action == ERASE_ORDER)
        erased_plan_restore(n);
    return job;
}

/* ---- two records of one person ---- */

static const struct model_event *
said_of_doubles(struct sim_node *n)
{
    for (int i = 0; i < 12; i++) {
        const struct model_event *e = model_pick(n->unit->model, SORT_MOVING, rng_next(&n->rng));
        if (e && (e->kind == KIND_DOUBLE_DECLARED || e->kind == KIND_DOUBLE_SETTLED))
            return e;
    }
    return NULL;
}

static struct sim_job *
double_job(struct sim_node *n)
{
    const struct model_event *said = said_of_doubles(n);
    struct sim_job *job = workload_job(OP_DOUBLE);
    if (said && rng_chance(&n->rng, 250)) {
        job->op.kind = OP_CANCEL;
        job->op.cancel.what = CANCEL_MEMBER;
        job->op.cancel.subject = said->entity;
        job->op.cancel.event = said->at;
        job->op.cancel.adjusts_closed = true;
        return job;
    }
    struct double_request *r = &job->op.doubled;
    r->effective = rng_chance(&n->rng, 500) ? DATE_NONE : workload_day(n);
    r->reason = 1;
    r->action = said && rng_chance(&n->rng, 600) ? DOUBLE_SETTLE : DOUBLE_DECLARE;
    r->outcome = (uint8_t)(1 + rng_below(&n->rng, 3));
    if (r->action == DOUBLE_SETTLE) {
        r->member = said->entity;
        r->unit = said->unit;
        r->other = said->other;
        return job;
    }
    const struct sim_unit *u = another_unit(n);
    const struct model_event *theirs = model_pick(u->model, SORT_MEMBER, rng_next(&n->rng));
    (void)workload_somebody(n, &r->member);
    r->unit = u->identity.unit;
    if (theirs)
        r->other = theirs->entity;
    return job;
}

/* ---- custodians ---- */

static struct sim_job *
custodian_job(struct sim_node *n)
{
    struct sim_job *job = workload_job(OP_CUSTODY);
    job->op.custody.has_custodian = rng_chance(&n->rng, 800);
    job->op.custody.custodian = another_unit(n)->identity.unit;
    job->op.custody.effective = DATE_NONE;
    return job;
}

struct sim_job *
workload_moving(struct sim_node *n)
{
    static struct handover_view open[OPEN_MAX];
    if (rng_chance(&n->rng, 80))
        return double_job(n);
    if (rng_chance(&n->rng, 80))
        return erasure_job(n);
    if (rng_chance(&n->rng, 60))
        return workload_import_again(n);
    if (rng_chance(&n->rng, 250))
        return access_job(n);
    if (rng_chance(&n->rng, 8))
        return custodian_job(n);
    if (rng_chance(&n->rng, 400)) {
        struct sim_job *guest = workload_guest(n);
        if (guest)
            return guest;
    }
    struct sim_job *job = workload_job(OP_HANDOVER);
    struct handover_request *r = &job->op.handover.request;
    size_t count = moving_open(n, open, OPEN_MAX);
    if (count > 0 && rng_chance(&n->rng, count > 4 ? 850 : 600)) {
        size_t at = rng_below(&n->rng, count);
        for (int i = 0; i < 4 && !ours(open[at].turn); i++) /* what waits for others waits a while */
            at = rng_below(&n->rng, count);
        if (open[at].turn == TURN_WE_RECEIVE &&
            rng_chance(&n->rng, 850)) { /* the node does it, with what is taken along */
            free(job);
            return access_job(n);
        }
        job->on = date_is_none(open[at].proposed) ? open[at].since : open[at].proposed;
        if (!ours(open[at].turn) && rng_chance(&n->rng, 600)) {
            free(job);
            return access_job(n);
        }
        moving_go_on(n, &open[at], r);
    } else {
        r->action = HANDOVER_OFFER;
        offer(n, r);
    }
    return job;
}

/* ---- the end ---- */

/* One operation in a group of its own. */
static bool
run(struct sim_node *n, struct api_op *op)
{
    struct sim_job *job = workload_job(OP_HANDOVER);
    job->op = *op;
    job->reply = op;
    job->next = n->jobs;
    n->jobs = job;
    op->result = (struct api_result){0};
    err_set(&op->result.err, ERR_FULL, "not committed");
    node_group(n);
    return n->up && op->result.err.code == ERR_NONE;
}

/* A desk that means to end it tries another day where one is refused. */
bool
moving_act(struct sim_node *n, enum handover_action action, const struct handover_view *v, struct err *err)
{
    const struct civil_date days[] = {DATE_NONE, v->since, v->proposed};
    for (size_t i = 0; i < ARRAY_LEN(days) && !n->w->failed; i++) {
        struct api_op op = {.kind = OP_HANDOVER, .status_on_success = 200};
        struct handover_request *r = &op.handover.request;
        r->action = action;
        r->member = v->member;
        r->effective = days[i];
        r->proposed = DATE_NONE;
        r->adjusts_closed = true;
        r->activities = ACTIVITIES_TAKEN_ALONG;
        if (action == HANDOVER_ACCEPT)
            moving_office(n, r);
        if (action == HANDOVER_RECEIVE)
            person(n, r);
        if (run(n, &op))
            return true;
        *err = op.result.err;
        if (action == HANDOVER_ACCEPT)
            break;
    }
    return false;
}

static bool
held_by_somebody(struct world *w, const struct log_predecessor *p)
{
    bool held = false;
    for (int i = 0; i < w->n_nodes && !held; i++) {
        struct db_txn *txn = NULL;
        struct log_row log;
        struct chain_value chain;
        struct err err;
        held = w->nodes[i].db && db_begin_read(w->nodes[i].db, &txn, &err) == 0 &&
               evlog_find(txn, &p->log, &log, &err) == 0 && log.head_seq >= p->seq &&
               evlog_chain_at(txn, &log, p->seq, &chain, &err) == 0 && TYPE_EQ(&chain, &p->chain);
        db_abort(&txn);
    }
    return held;
}

static bool
something_waits(const struct sim_node *n, struct db_txn *txn, const struct subject_id *member)
{
    struct member_row row;
    struct err err;
    bool waits = false;
    if (entitled_member(txn, member, &n->unit->identity.unit, &row, &err) != 0)
        return false;
    for (size_t i = 0; i < row.n; i++)
        waits |= row.entries[i].outcome == OUTCOME_WAITING;
    member_row_release(&row);
    return waits;
}

/* Whether something of the member waits for a log that follows one which was lost at every node, when disks were set back or went with their machine, or
 * a branch that does not stand: until a root statement. */
static bool
follows_what_is_lost(struct sim_node *n, const struct subject_id *member)
{
    struct db_txn *txn = NULL;
    struct err err;
    uint32_t count = 0;
    bool lost = false;
    if (n->w->stats.restores + n->w->stats.lost + n->w->stats.resumes == 0 || db_begin_read(n->db, &txn, &err) != 0)
        return false;
    if (!something_waits(n, txn, member) || evlog_count(txn, &count, &err) != 0)
        count = 0;
    for (uint32_t no = 1; no <= count && !lost; no++) {
        struct log_row log;
        if (evlog_get(txn, no, &log, &err) != 0 || log.applied_seq == log.head_seq)
            continue;
        for (uint8_t k = 0; k < log.n_predecessors && !lost; k++)
            lost = !held_by_somebody(n->w, &log.predecessors[k]);
    }
    db_abort(&txn);
    return lost;
}

static bool
finish(struct sim_node *n, const struct handover_view *v)
{
    struct err err = {0}, last = {0};
    bool done = false;
    switch (v->turn) {
    case TURN_WE_ACCEPT: /* it may be refused: the other side takes it back */
        return rng_chance(&n->rng, 600) && moving_act(n, HANDOVER_ACCEPT, v, &err);
    case TURN_WE_RECEIVE: done = moving_act(n, HANDOVER_RECEIVE, v, &last); break;
    case TURN_WE_COMPLETE:
        done = (rng_chance(&n->rng, 800) && moving_act(n, HANDOVER_COMPLETE, v, &err)) ||
               moving_act(n, HANDOVER_WITHDRAW, v, &last);
        break;
    case TURN_THEY_ACCEPT:
        if (rng_chance(&n->rng, 500))
            return false;
        done = moving_act(n, HANDOVER_WITHDRAW, v, &last);
        break;
    default: return false;
    }
    if (!done && !n->w->failed && last.code != ERR_UNAVAILABLE && !follows_what_is_lost(n, &v->member))
        world_fail(n->w, n, "the handover of %s is open and no desk can end it (turn %d): %s", short_id(&v->member),
                   (int)v->turn, last.text);
    return done;
}

/* Whose desk can be asked: not one whose disk lies, or whose clock refuses. */
static bool
can_write(const struct sim_node *n)
{
    return n->up && !n->old && !n->forger && (n->index < n->w->n_units || custody_is_stand_in(n)) &&
           !(n->w->skewed && !n->allow_clock_back);
}

bool
moving_finish(struct world *w)
{
    static struct handover_view open[OPEN_MAX];
    bool any = false;
    for (int i = 0; i < w->n_nodes && !w->failed; i++) { /* who stands in for another is asked before who came back */
        struct sim_node *n = &w->nodes[w->n_nodes - 1 - i];
        size_t count = can_write(n) ? moving_open(n, open, OPEN_MAX) : 0;
        for (size_t k = 0; k < count && !w->failed; k++)
            any |= finish(n, &open[k]);
    }
    return any;
}

/* What the desk of the unit takes up of those, once each; how many it wrote. */
static size_t
end_open(struct sim_node *n, const struct handover_view *open, size_t count)
{
    size_t written = 0;
    for (size_t k = 0; k < count && !n->w->failed; k++) {
        struct err err = {0};
        bool ours = TYPE_EQ(&open[k].from, &n->unit->identity.unit) && open[k].turn != TURN_THEY_RECEIVE;
        if (!ours && open[k].turn != TURN_WE_RECEIVE)
            continue;
        if (moving_act(n, ours ? HANDOVER_WITHDRAW : HANDOVER_RECEIVE, &open[k], &err))
            written++;
        else if (!n->w->failed && err.code != ERR_UNAVAILABLE && !follows_what_is_lost(n, &open[k].member))
            world_fail(n->w, n, "the handover of %s cannot be ended (turn %d): %s", short_id(&open[k].member),
                       (int)open[k].turn, err.text);
    }
    return written;
}

/* What is left after the rounds are offers nobody accepted and what the other side cannot hear of: the old home takes them back. Of offers that two
 * instances of a node made side by side one is open, and when it is withdrawn perhaps the next: each is withdrawn once. */
void
moving_check_finished(struct world *w)
{
    static struct handover_view open[OPEN_MAX];
    for (int i = 0; i < w->n_nodes && !w->failed; i++) {
        struct sim_node *n = &w->nodes[i];
        size_t written = 1, count = 0;
        for (int round = 0; round < ROUNDS_MAX && written > 0 && !w->failed; round++) {
            count = can_write(n) ? moving_open(n, open, OPEN_MAX) : 0;
            written = end_open(n, open, count);
        }
        count = can_write(n) ? moving_open(n, open, OPEN_MAX) : 0;
        for (size_t k = 0; k < count && !w->failed; k++)
            if (TYPE_EQ(&open[k].from, &n->unit->identity.unit) && open[k].turn != TURN_THEY_RECEIVE &&
                !follows_what_is_lost(n, &open[k].member))
                world_fail(w, n, "the handover of %s is still open (turn %d)", short_id(&open[k].member),
                           (int)open[k].turn);
    }
}
