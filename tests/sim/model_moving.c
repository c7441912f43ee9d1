/* Members who move, access of other units to them, whose data is erased, and who has two records. What comes of a handover rests on two units' events and on what has arrived, which
 * the list of one unit does not say; so of whoever ever had part in one, and of all that is theirs, the model says only what cannot be.
 * Everybody else is judged and compared as ever. What must hold of those who move is in checks_moving.c. See model.h. */
#include "tests/sim/model.h"

enum { CHAIN_MAX = 16 }; /* records merged into one another */

bool
model_moves(const struct model *m)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->events[i].sort == SORT_MOVING)
            return true;
    return false;
}

bool
model_is_moved(const struct model *m, const struct subject_id *id)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->events[i].sort == SORT_MOVING && TYPE_EQ(&m->events[i].entity, id))
            return true;
    return false;
}

/* Or a record that it was merged into. */
static bool
person_moved(const struct model *m, const struct subject_id *who)
{
    struct subject_id one = *who;
    for (int i = 0; i < CHAIN_MAX; i++) {
        struct model_person p;
        if (model_is_moved(m, &one))
            return true;
        (void)model_person(m, &one, INT32_MAX, NULL, &p, NULL);
        if (p.s.status != STATUS_MERGED)
            return false;
        one = p.s.merged_into;
    }
    return false;
}

/* Whoever it was ever said to be of, also while it is cancelled: it may be entered again. */
static bool
work_moved(const struct model *m, enum model_sort sort, const struct subject_id *id)
{
    bool moved = model_is_moved(m, id);
    for (size_t i = 0; i < m->n && !moved; i++)
        moved = m->events[i].sort == sort && TYPE_EQ(&m->events[i].entity, id) && person_moved(m, &m->events[i].other);
    return moved;
}

static bool
cancels_moved(const struct model *m, const struct cancel_request *r)
{
    switch (r->what) {
    case CANCEL_ACTIVITY: return work_moved(m, SORT_ACTIVITY, &r->subject);
    case CANCEL_INVOICE: return work_moved(m, SORT_INVOICE, &r->subject);
    case CANCEL_POSTING: return work_moved(m, SORT_POSTING, &r->subject);
    default: return person_moved(m, &r->subject);
    }
}

bool
model_concerns_moved(const struct model *m, const struct api_op *op)
{
    const struct activity_request *a = &op->activity.request;
    const struct invoice_request *v = &op->invoice.request;
    const struct posting_request *p = &op->posting.request;
    const struct member_request *r = &op->member.request;
    if (op->kind == OP_HANDOVER || op->kind == OP_ACCESS || op->kind == OP_ERASE || op->kind == OP_DOUBLE ||
        op->kind == OP_PROPOSE || op->kind == OP_CUSTODY ||
        (op->kind == OP_ACTIVITY && (a->has_unit || op->activity.taken)))
        return true;
    if (!model_moves(m))
        return false;
    switch (op->kind) {
    case OP_MEMBER:
        return (r->has_subject && person_moved(m, &r->subject)) || (r->has_other && person_moved(m, &r->other));
    case OP_MERGE: return person_moved(m, &op->merge.from) || person_moved(m, &op->merge.into);
    case OP_CANCEL: return cancels_moved(m, &op->cancel);
    case OP_ACTIVITY: return a->has_activity ? work_moved(m, SORT_ACTIVITY, &a->activity) : person_moved(m, &a->member);
    case OP_INVOICE:
        return (v->has_invoice && work_moved(m, SORT_INVOICE, &v->invoice)) ||
               (v->has_activity && work_moved(m, SORT_ACTIVITY, &v->activity));
    case OP_POSTING: return p->has_posting ? work_moved(m, SORT_POSTING, &p->posting) : person_moved(m, &p->member);
    default: return false;
    }
}

/* ---- verdicts ---- */

/* Nobody who never was a member is offered, nobody is accepted who is a member here, and without an offer nothing ends one. */
static bool
handover_impossible(const struct model *m, const struct handover_request *r)
{
    struct model_person now;
    bool ever = false;
    if (model_is_moved(m, &r->member))
        return false;
    for (size_t i = 0; i < m->n; i++)
        ever |= m->events[i].sort == SORT_MEMBER && TYPE_EQ(&m->events[i].entity, &r->member);
    (void)model_person(m, &r->member, INT32_MAX, NULL, &now, NULL);
    switch (r->action) {
    case HANDOVER_OFFER: return !ever || now.s.status == STATUS_MERGED || now.s.status == STATUS_APPLIED;
    case HANDOVER_ACCEPT: return now.s.status == STATUS_MEMBER || now.s.status == STATUS_MERGED;
    default: return true;
    }
}

static const struct model_event *
access_made(const struct model *m, const struct subject_id *access)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->events[i].sort == SORT_ACCESS && TYPE_EQ(&m->events[i].entity, access) &&
            m->events[i].kind != KIND_ACCESS_REVOKED)
            return &m->events[i];
    return NULL;
}

enum model_verdict
model_judge_moving(const struct model *m, const struct api_op *op)
{
    const struct handover_request *r = &op->handover.request;
    const struct model_event move = {.sort = SORT_MEMBER, .date = r->effective.days};
    if (op->kind == OP_HANDOVER && handover_impossible(m, r))
        return MODEL_REFUSE;
    if (op->kind == OP_HANDOVER && r->action == HANDOVER_COMPLETE && !date_is_none(r->effective) &&
        !r->adjusts_closed && model_closed(m, &move))
        return MODEL_REFUSE; /* the figures of a closed year */
    if (op->kind == OP_ACCESS && op->access.action == ACCESS_REVOKE && !access_made(m, &op->access.access))
        return MODEL_REFUSE;
    return MODEL_UNKNOWN;
}

/* ---- what was written ---- */

static struct model_event
mark(const struct subject_id *id)
{
    return (struct model_event){.sort = SORT_MOVING, .entity = *id};
}

static size_t
handover_events(const struct model *m, const struct api_op *op, struct model_event *e)
{
    static const uint16_t kinds[] = {[HANDOVER_OFFER] = KIND_HANDOVER_OFFERED,
                                     [HANDOVER_WITHDRAW] = KIND_HANDOVER_WITHDRAWN,
                                     [HANDOVER_ACCEPT] = KIND_HANDOVER_ACCEPTED,
                                     [HANDOVER_COMPLETE] = KIND_HANDOVER_COMPLETED,
                                     [HANDOVER_RECEIVE] = KIND_HANDOVER_RECEIVED};
    const struct handover_request *r = &op->handover.request;
    *e = mark(&r->member);
    e->kind = kinds[r->action];
    e->at = op->result.position;
    e->unit = r->unit;
    for (size_t i = 0; r->action == HANDOVER_WITHDRAW && i < m->n; i++)
        if (m->events[i].kind == KIND_HANDOVER_OFFERED && TYPE_EQ(&m->events[i].entity, &r->member))
            e->unit = m->events[i].unit;
    return 1;
}

static size_t
access_events(const struct model *m, const struct api_op *op, struct model_event *e)
{
    const struct access_request *r = &op->access;
    const struct model_event *made = r->action == ACCESS_REVOKE ? access_made(m, &r->access) : NULL;
    if (r->action == ACCESS_GRANT || r->action == ACCESS_ISSUE) {
        e[0] = (struct model_event){.sort = SORT_ACCESS,
                                    .kind = r->action == ACCESS_GRANT ? KIND_ACCESS_GRANTED : KIND_PASS_ISSUED,
                                    .entity = op->result.subject,
                                    .at = op->result.position,
                                    .other = r->member,
                                    .unit = r->host,
                                    .to = r->until.days};
        return 1;
    }
    if (!made) {
        e[0] = mark(&r->member);
        return r->action == ACCESS_END_ALL;
    }
    e[0] = *made;
    e[0].at = op->result.position;
    e[0].kind = made->kind == KIND_PASS_ISSUED ? 0 : KIND_ACCESS_REVOKED;
    e[0].date = m->today;
    e[1] = mark(&made->other); /* data that is sealed anew is an event of the member */
    return 2;
}

size_t
model_moving_events(const struct model *m, const struct api_op *op, struct model_event ret[2])
{
    if (op->kind == OP_HANDOVER)
        return handover_events(m, op, ret);
    if (op->kind == OP_ACCESS)
        return access_events(m, op, ret);
    if (op->kind == OP_ERASE) {
        ret[0] = mark(&op->erase.request.member);
        return 1;
    }
    if (op->kind == OP_DOUBLE) {
        const struct double_request *r = &op->doubled;
        ret[0] = mark(&r->member);
        ret[0].kind = r->action == DOUBLE_DECLARE ? KIND_DOUBLE_DECLARED : KIND_DOUBLE_SETTLED;
        ret[0].at = op->result.position;
        ret[0].unit = r->unit;
        ret[0].other = r->other;
        return 1;
    }
    if (!model_concerns_moved(m, op))
        return 0;
    if (op->kind == OP_MERGE) {
        ret[0] = mark(&op->merge.from);
        ret[1] = mark(&op->merge.into);
        return 2;
    }
    ret[0] = mark(&op->result.subject);
    return op->result.has_subject;
}
