/* The end of a unit, once everything is quiet: a custodian is named, whoever is a member still leaves, what is open ends, the months are over and counted,
 * and the unit closes; from then on nothing new is recorded in its name, and everybody knows. See sim.h; docs/PROTOCOL.md §10 "Closed units". */
#include "tests/sim/sim.h"

#include <stdio.h>

#include "node/view/view.h"

enum { LAST_DAYS = 100, MONTH_DAYS = 35, OPS_MAX = 256 };

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

/* ---- the end ---- */

static bool
custody(struct sim_node *n, bool close)
{
    const struct world *w = n->w;
    struct api_op op = {.kind = OP_CUSTODY, .status_on_success = 200};
    op.custody.close = close;
    op.custody.has_custodian = true;
    op.custody.custodian = w->units[(n->index + 1) % w->n_units].identity.unit;
    op.custody.effective = DATE_NONE;
    run(n, &op);
    if (op.result.err.code != ERR_NONE)
        say(n->w, n, "does not %s: %s", close ? "close" : "name a custodian", op.result.err.text);
    return op.result.err.code == ERR_NONE;
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
    run(n, &op);
    if (op.result.err.code == ERR_NONE)
        world_fail(n->w, n, "somebody is admitted to a unit that has closed");
}

static bool
unit_ends(struct ending *e)
{
    struct sim_node *n = e->n;
    struct world *w = n->w;
    if (!custody(n, false))
        return false;
    each_row(e, TABLE_MEMBERS, true, end_member);
    carry_out(e);
    each_row(e, TABLE_ACTIVITIES, false, end_activity);
    carry_out(e);
    n->skew_ms += (int64_t)MONTH_DAYS * 86400000;
    while (!w->failed && upkeep_turn(n, true))
        ;
    return !w->failed && counting_all(n) && custody(n, true);
}

bool
winding_down(struct world *w)
{
    static struct ending e;
    struct sim_node *n = &w->nodes[w->n_units - 1];
    e = (struct ending){.n = n};
    if (!w->winds || !n->up || n->old || n->forger || n->unit->concurrent || n->unit->forked || w->skewed || w->mixed)
        return false;
    n->skew_ms += (int64_t)LAST_DAYS * 86400000; /* what was dated ahead has come */
    w->winding = true;
    bool ended = unit_ends(&e);
    w->winding = false;
    if (ended)
        check_closed(n);
    return true;
}
