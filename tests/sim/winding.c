/* The end of a unit, once everything is quiet: a custodian is named; the members are handed over in bulk to other units, which is broken off once at each
 * desk and given again; whoever is a member still leaves, what is open ends, the months are over and counted, and the unit closes; from then on nothing new is
 * recorded in its name, and everybody knows. Its machine goes, and its custodian answers for its past: the figures of before stay. Between two steps everything
 * becomes quiet. See sim.h; docs/PROTOCOL.md §10 "Closed units", docs/OPERATIONS.md "The end of a unit". */
#include "tests/sim/sim.h"

#include <stdio.h>

#include "node/view/view.h"

enum { LAST_DAYS = 100, MONTH_DAYS = 35, OPS_MAX = 256, OPEN_MAX = 256, DECLINES_PERMILLE = 150 };

struct ending {
    struct sim_node *n;
    size_t count;
    struct api_op ops[OPS_MAX];
};

static struct civil_date
today(const struct sim_node *n)
{
    return (struct civil_date){(int32_t)(node_wall(n) / 86400000)};
}

static struct api_op *
add(struct ending *e, enum api_op_kind kind)
{
    MUST(e->count < OPS_MAX);
    e->ops[e->count] = (struct api_op){.kind = kind, .status_on_success = 200};
    return &e->ops[e->count++];
}

/* ---- who and what is left ---- */

static void
end_member(struct ending *e, struct slice value, const struct subject_id *who)
{
    struct member_row row;
    struct member_state s;
    struct err err;
    if (member_row_decode(value, &e->n->unit->identity.unit, who, &row, &err) != 0)
        return;
    member_state_at(&row, DATE_MAX, &s);
    member_row_release(&row);
    if (s.status != STATUS_MEMBER && s.status != STATUS_APPLIED)
        return;
    struct member_request *r = &add(e, OP_MEMBER)->member.request;
    r->action = s.status == STATUS_MEMBER ? ACTION_RESIGN : ACTION_REFUSE;
    r->has_subject = r->adjusts_closed = true;
    r->subject = *who;
    r->effective = today(e->n);
}

static void
end_activity(struct ending *e, struct slice value, const struct subject_id *which)
{
    struct activity_row row;
    struct activity_state s;
    struct err err;
    if (activity_row_decode(value, &e->n->unit->identity.unit, which, &row, &err) != 0)
        return;
    activity_state_at(&row, DATE_MAX, &s);
    activity_row_release(&row);
    if (!s.open)
        return;
    struct activity_request *r = &add(e, OP_ACTIVITY)->activity.request;
    r->action = WORK_CLOSE_ACTIVITY;
    r->has_activity = r->adjusts_closed = true;
    r->activity = *which;
    r->effective = today(e->n);
}

/* Rows of the unit; `member first` tables have the subject before it in their keys. */
static void
each_row(struct ending *e, enum table table, bool subject_first,
         void (*one)(struct ending *e, struct slice value, const struct subject_id *id))
{
    struct db_txn *txn = NULL;
    struct db_cursor *c = NULL;
    struct slice key, value;
    struct err err = {0};
    e->count = 0;
    int rc = db_begin_read(e->n->db, &txn, &err);
    if (rc == 0)
        rc = db_cursor_open(txn, table, &c, &err);
    for (rc = rc != 0 ? rc : db_cursor_first(c, &key, &value, &err); rc == 0 && e->count < OPS_MAX;
         rc = db_cursor_next(c, &key, &value, &err)) {
        const uint8_t *unit = key.data + (subject_first ? ID_BYTES : 0),
                      *id = key.data + (subject_first ? 0 : HASH_BYTES);
        struct subject_id who;
        if (key.len != HASH_BYTES + ID_BYTES || memcmp(unit, &e->n->unit->identity.unit, HASH_BYTES) != 0)
            continue;
        memcpy(who.b, id, ID_BYTES);
        one(e, value, &who);
    }
    db_cursor_close(&c);
    db_abort(&txn);
}

/* Whoever sits there does it again, if the node ended meanwhile and it was not done. */
static void
run(struct sim_node *n, struct api_op *op)
{
    const struct api_op asked = *op;
    struct err err;
    bool ended;
    do {
        *op = asked;
        (void)upkeep_exec(n, NULL, op, &err);
        ended = n->w->ended != NULL;
        crashes_bury(n->w);
    } while (ended && n->up && op->result.err.code != ERR_NONE);
}

static void
carry_out(struct ending *e)
{
    for (size_t i = 0; i < e->count && !e->n->w->failed; i++)
        run(e->n, &e->ops[i]);
    e->count = 0;
}

/* ---- members handed over ---- */

static bool
exec(struct sim_node *n, struct api_op *op)
{
    if (n->w->failed)
        return false;
    n->w->winding = true;
    run(n, op);
    n->w->winding = false;
    return op->result.err.code == ERR_NONE;
}

static void
breaks_off(struct sim_node *n)
{
    say(n->w, n, "dies in the midst of its members");
    model_rollback(n->unit->model);
    node_stop(n);
    node_start(n);
}

static struct sim_node *
some_home(struct sim_node *n)
{
    struct world *w = n->w;
    for (int i = 0; i < 4 * SIM_UNITS_MAX; i++) {
        struct sim_node *to = &w->nodes[rng_below(&n->rng, (uint64_t)w->n_units)];
        if (checks_linked(w, n, to) && !to->old && !to->forger)
            return to;
    }
    return NULL;
}

/* The first half of the members, then, given again, the rest; what is done is passed over. How many. */
static size_t
offer_all(struct sim_node *n, bool half)
{
    static struct subject_id who[OPS_MAX];
    const struct civil_date on = today(n);
    size_t count = mass_members(n, who, OPS_MAX), done = 0, stop = half && count > 1 ? count / 2 : count;
    for (size_t i = 0; i < stop && !n->w->failed; i++) {
        const struct sim_node *to = some_home(n);
        struct api_op op;
        if (!to)
            return done;
        mass_offer(n, &who[i], to->unit, on, &op);
        done += exec(n, &op);
    }
    if (half)
        breaks_off(n);
    return done;
}

/* What waits for the desk, of one turn. */
static size_t
take_all(struct sim_node *n, enum handover_turn turn, const struct sim_unit *from, bool half)
{
    static struct handover_view open[OPEN_MAX];
    size_t count = moving_open(n, open, OPEN_MAX), done = 0, waits = 0;
    for (size_t i = 0; i < count && !n->w->failed; i++) {
        struct api_op op;
        if (open[i].turn != turn || !mass_step(n, &open[i], from, &op))
            continue;
        if (half && waits++ % 2 == 1)
            continue;
        done += exec(n, &op);
    }
    if (half)
        breaks_off(n);
    return done;
}

static void
accept_all(struct sim_node *n, bool half)
{
    struct world *w = n->w;
    for (int i = 0; i < w->n_units && !w->failed; i++) {
        struct sim_node *to = &w->nodes[i];
        if (to == n || !to->up || to->old || to->forger || (w->ends.declines >> i & 1))
            continue;
        (void)take_all(to, TURN_WE_ACCEPT, n->unit, half);
    }
}

static void
begin_offers(struct sim_node *n)
{
    struct sim_winding *e = &n->w->ends;
    e->offers_before = n->w->stats.kinds[KIND_HANDOVER_OFFERED];
    for (int i = 0; i < n->w->n_units; i++)
        e->declines |= (unsigned)rng_chance(&n->rng, DECLINES_PERMILLE) << i;
    e->offered = offer_all(n, true);
}

/* Nobody is offered twice, however often the command is given. */
static void
finish_offers(struct sim_node *n)
{
    struct world *w = n->w;
    struct sim_winding *e = &w->ends;
    size_t rest = offer_all(n, false);
    e->broken_off = e->offered > 0 && rest > 0;
    e->offered += rest;
    size_t again = offer_all(n, false);
    uint64_t written = w->stats.kinds[KIND_HANDOVER_OFFERED] - e->offers_before;
    if (!w->failed && (again > 0 || written != e->offered))
        world_fail(w, n, "%zu members are offered, by %llu events, and %zu when the command is given again", e->offered,
                   (unsigned long long)written, again);
}

/* ---- the end ---- */

static bool
custody(struct sim_node *n, const struct sim_node *custodian, bool close)
{
    struct api_op op = {.kind = OP_CUSTODY, .status_on_success = 200};
    op.custody.close = close;
    op.custody.has_custodian = true;
    op.custody.custodian = custodian->unit->identity.unit;
    op.custody.effective = DATE_NONE;
    if (exec(n, &op))
        return true;
    say(n->w, n, "does not %s: %s", close ? "close" : "name a custodian", op.result.err.text);
    return false;
}

/* Nothing new. */
static void
check_closed(struct sim_node *n)
{
    struct api_op op = {.kind = OP_MEMBER, .status_on_success = 201};
    struct member_request *r = &op.member.request;
    struct subject_id office;
    r->action = ACTION_ADMIT;
    r->effective = today(n);
    r->category = CATEGORY_A;
    r->person_type = PERSON_NATURAL;
    r->has_shares = r->person.has_identity = r->adjusts_closed = true;
    r->shares = 1;
    r->person.identity.birth_date = DATE_NONE;
    snprintf(r->person.identity.family_name.s, sizeof(r->person.identity.family_name.s), "Late");
    r->has_office = model_entity(n->unit->model, SORT_OFFICE, 0, &office);
    memcpy(r->office.b, office.b, sizeof(office.b));
    if (exec(n, &op))
        world_fail(n->w, n, "somebody is admitted to a unit that has closed");
}

static void
last_steps(struct sim_node *n)
{
    static struct ending e;
    struct sim_winding *s = &n->w->ends;
    e = (struct ending){.n = n};
    n->w->winding = true;
    each_row(&e, TABLE_MEMBERS, true, end_member);
    carry_out(&e);
    each_row(&e, TABLE_ACTIVITIES, false, end_activity);
    carry_out(&e);
    n->w->winding = false;
    n->skew_ms += (int64_t)MONTH_DAYS * 86400000;
    while (!n->w->failed && upkeep_turn(n, true))
        ;
    s->closed = !n->w->failed && counting_all(n) && custody(n, s->custodian, true);
    if (s->closed)
        check_closed(n);
}

/* ---- who answers for its past ---- */

static void
answer_member(struct ending *e, struct slice value, const struct subject_id *who)
{
    struct member_row row;
    struct member_state s;
    struct err err;
    if (member_row_decode(value, &e->n->unit->identity.unit, who, &row, &err) != 0)
        return;
    member_state_at(&row, DATE_MAX, &s);
    member_row_release(&row);
    for (size_t i = 0; i < s.n_owed && e->count < OPS_MAX; i++) {
        struct member_request *r = &add(e, OP_MEMBER)->member.request;
        r->action = ACTION_REPAY;
        r->has_subject = r->has_shares = r->adjusts_closed = true;
        r->subject = *who;
        r->effective = today(e->n);
        r->shares = s.owed[i].shares;
        memcpy(r->currency, s.owed[i].currency, CURRENCY_MAX);
    }
    if (s.status == STATUS_LEFT && rng_chance(&e->n->rng, 200) && e->count < OPS_MAX) {
        static const struct retention_settings settings = {{-1, -1, -1, -1, -1}};
        struct erase_request *r = &add(e, OP_ERASE)->erase.request;
        r->action = ERASE_ORDER;
        r->member = *who;
        r->classes = 31;
        r->ground = GROUND_WRONGLY_HELD;
        r->effective = r->until = DATE_NONE;
        retention_rules_of("BE", &settings, &r->rules);
    }
}

/* Its machine is gone; who stands in for it withdraws what was offered and never accepted, repays, erases, and names another one. */
static void
answer_for_past(struct sim_node *n)
{
    static struct handover_view open[OPEN_MAX];
    static struct ending e;
    struct world *w = n->w;
    e = (struct ending){.n = n};
    n->skew_ms += 86400000; /* of a day after the last one */
    size_t count = moving_open(n, open, OPEN_MAX);
    for (size_t i = 0; i < count && !w->failed; i++) {
        struct err err = {0};
        if (TYPE_EQ(&open[i].from, &n->unit->identity.unit) && open[i].turn != TURN_THEY_RECEIVE &&
            moving_act(n, HANDOVER_WITHDRAW, &open[i], &err))
            w->cover[COVER_ANSWERED]++;
    }
    each_row(&e, TABLE_MEMBERS, true, answer_member);
    for (size_t i = 0; i < e.count && !w->failed; i++) {
        bool done = exec(n, &e.ops[i]);
        w->cover[COVER_ANSWERED] += done;
        if (!done && !w->failed && e.ops[i].kind == OP_MEMBER)
            world_fail(w, n, "what a closed unit owes cannot be repaid: %s", e.ops[i].result.err.text);
    }
    (void)custody(n, some_home(n), false);
    check_closed(n);
}

static void
stand_in(struct sim_node *n)
{
    struct world *w = n->w;
    if (!rng_chance(&n->rng, 800)) /* it is there still, and does it itself */
        return;
    w->custody.unit = n->index;
    w->custody.custodian = w->ends.custodian->index;
    w->custody.away = SIM_AWAY_LOST;
    w->custody.planned = false;
    node_stop(n);
    n->unit->tip_alarms = n->unit->clone_alarms = true;
    if (!custody_stand_in(w, n->index))
        world_fail(w, n, "nobody stands in for it");
}

static bool
can_begin(struct world *w, struct sim_node *n)
{
    struct sim_winding *e = &w->ends;
    if (!w->winds || !n->up || n->old || n->forger || n->unit->concurrent || n->unit->forked || w->skewed || w->mixed)
        return false;
    e->custodian = some_home(n);
    if (!e->custodian || !custody(n, e->custodian, false))
        return false;
    custody_certified(n, &w->custody);
    w->custody.by_root = rng_chance(&n->rng, 300);
    w->custody.opens_names = rng_chance(&n->rng, 400);
    return true;
}

bool
winding_down(struct world *w)
{
    struct sim_winding *e = &w->ends;
    struct sim_node *n = e->ending;
    switch (e->step++) {
    case 0:
        for (int i = w->n_units - 1; i >= 0 && !e->ending && !w->failed; i--)
            e->ending = can_begin(w, &w->nodes[i]) ? &w->nodes[i] : NULL;
        if (!e->ending)
            return false;
        for (int i = 0; i < w->n_nodes; i++) /* what was dated ahead has come */
            w->nodes[i].skew_ms += (int64_t)LAST_DAYS * 86400000;
        return true;
    case 1: begin_offers(n); return true;
    case 2: finish_offers(n); return true;
    case 3: accept_all(n, true); return true;
    case 4: accept_all(n, false); return true;
    case 5: e->moved = take_all(n, TURN_WE_COMPLETE, NULL, true); return true;
    case 6: {
        size_t rest = take_all(n, TURN_WE_COMPLETE, NULL, false);
        w->cover[COVER_MASS] += e->moved + rest > 0;
        w->cover[COVER_MASS_RESUMED] += e->broken_off || (e->moved > 0 && rest > 0);
        return true;
    }
    case 7:
    case 8: /* what goes along is opened a turn after who is received */
    case 12:
    case 13: /* and what the end of an access leaves is swept, and that confirmed */
        for (int i = 0; i < w->n_nodes && !w->failed; i++)
            if (w->nodes[i].up && !w->nodes[i].forger)
                (void)upkeep_turn(&w->nodes[i], true);
        return true;
    case 9: last_steps(n); return true;
    case 10:
        if (!e->closed)
            return false;
        figures_note(w, n->index, (struct civil_date){today(n).days});
        stand_in(n);
        return true;
    case 11: answer_for_past(n); return true;
    case 14: figures_check(w); return false;
    default: return false;
    }
}
