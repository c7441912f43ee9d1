/* The members of a unit handed over in bulk, as node/cli/cmd_unit.c does it with a desk's rights: whoever is a member and not offered yet is offered;
 * what is offered is accepted there; what is accepted is completed. Given again, it passes over what is done. See sim.h; docs/OPERATIONS.md
 * "The end of a unit". */
#include "tests/sim/sim.h"

#include "node/view/view.h"

static struct civil_date
today(const struct sim_node *n)
{
    return (struct civil_date){(int32_t)(node_wall(n) / 86400000)};
}

static bool
is_current(const struct member_row *row, struct civil_date day)
{
    struct member_state now, last;
    member_state_at(row, day, &now);
    member_state_at(row, DATE_MAX, &last);
    return now.status == STATUS_MEMBER && last.status == STATUS_MEMBER;
}

/* One that was open before anybody moves, and is. */
static void
lasting_office(struct sim_node *n, struct handover_request *r)
{
    const struct model *m = n->unit->model;
    for (size_t i = 0; i < m->n; i++) {
        bool closed = m->events[i].kind != KIND_OFFICE_OPENED || m->events[i].date > date_from_ymd(2020, 1, 1).days;
        for (size_t k = 0; k < m->n && !closed; k++)
            closed = m->events[k].kind == KIND_OFFICE_CLOSED && TYPE_EQ(&m->events[k].entity, &m->events[i].entity);
        if (m->events[i].sort != SORT_OFFICE || closed)
            continue;
        r->has_office = true;
        memcpy(r->office.b, m->events[i].entity.b, sizeof(r->office.b));
        return;
    }
    moving_office(n, r);
}

size_t
mass_members(struct sim_node *n, struct subject_id *ret, size_t max)
{
    struct member_row row;
    struct handover_view v;
    struct command_ctx ctx = {
        .vault = n->vault, .unit = n->unit->identity.unit, .actor = n->unit->actor, .today = today(n)};
    struct subject_id after;
    struct err err = {0};
    size_t count = 0, got = 1;
    node_program(n);
    int rc = db_begin_read(n->db, &ctx.txn, &err);
    for (bool first = true; rc == 0 && got == 1 && count < max; first = false) {
        rc = view_members(ctx.txn, &n->unit->identity.unit, first ? NULL : &after, 1, &row, &got, &err);
        if (rc != 0 || got == 0)
            break;
        after = row.subject;
        bool current = is_current(&row, ctx.today);
        member_row_release(&row);
        if (current)
            rc = handover_of(&ctx, &after, &v, &err);
        if (rc == 0 && current && v.turn == TURN_NOBODY)
            ret[count++] = after;
    }
    db_abort(&ctx.txn);
    if (rc != 0)
        world_fail(n->w, n, "the members cannot be listed: %s", err.text);
    return count;
}

void
mass_offer(struct sim_node *n, const struct subject_id *who, const struct sim_unit *to, struct civil_date on,
           struct api_op *ret)
{
    struct handover_request *r = &ret->handover.request;
    *ret = (struct api_op){.kind = OP_HANDOVER, .status_on_success = 200};
    r->action = HANDOVER_OFFER;
    r->member = *who;
    r->unit = to->identity.unit;
    r->effective = DATE_NONE;
    r->proposed = on;
    (void)n;
}

/* What a desk may do in bulk with one that waits: accept what the unit offers (NULL: any), complete what was accepted. */
bool
mass_step(struct sim_node *n, const struct handover_view *v, const struct sim_unit *from, struct api_op *ret)
{
    struct handover_request *r = &ret->handover.request;
    bool accepts = v->turn == TURN_WE_ACCEPT && (!from || TYPE_EQ(&v->from, &from->identity.unit));
    if (!accepts && v->turn != TURN_WE_COMPLETE)
        return false;
    *ret = (struct api_op){.kind = OP_HANDOVER, .status_on_success = 200};
    r->member = v->member;
    r->effective = r->proposed = DATE_NONE;
    r->adjusts_closed = true;
    if (accepts) {
        r->action = HANDOVER_ACCEPT;
        r->unit = v->from;
        r->has_shares = true;
        r->shares = 1;
        lasting_office(n, r);
        return r->has_office;
    }
    r->action = HANDOVER_COMPLETE;
    r->activities = rng_chance(&n->rng, 500) ? ACTIVITIES_TAKEN_ALONG : ACTIVITIES_CLOSED;
    r->owed_stays = rng_chance(&n->rng, 500);
    return true;
}
