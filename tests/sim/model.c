/* What must come of a unit's operations, from the text of docs/PROTOCOL.md §10 for a history without concurrent events. Written
 * apart from node/rules on purpose: the same mistake is less likely to be made twice. See sim.h.
 *
 * Each member is the list of its accepted operations. A new one is put in its place by date and order of writing, and everything
 * is played from the start: it is possible exactly if no step fails. */
#include "tests/sim/sim.h"

#include <stdlib.h>

struct model_op {
    enum member_action action;
    int32_t date;
    uint64_t order;
    uint8_t category, person_type;
    bool has_office;
    struct office_id office;
    uint64_t shares;
    uint64_t request; /* order of the request that a decision is about */
};

struct model_member {
    struct subject_id subject;
    size_t n;
    struct model_op *ops;
};

struct model_office {
    struct office_id id;
    uint64_t order;
    int32_t opened_on;
    size_t n_changes;
    struct {
        int32_t date;
        uint64_t order;
    } * changes;
    bool closed;
    int32_t closed_on;
    uint64_t closed_order;
};

struct model {
    uint64_t order, mark;
    size_t n_members, n_offices, n_described;
    struct model_member *members;
    struct model_office *offices;
    struct {
        int32_t date;
        uint64_t order;
    } * described;
};

struct played {
    struct member_state s;
    uint64_t request;
    int64_t *counts;
};

#define GROW(list, n)                                          \
    do {                                                       \
        (list) = realloc((list), ((n) + 1) * sizeof(*(list))); \
        MUST(list);                                            \
    } while (0)

struct model *
model_new(void)
{
    struct model *m = calloc(1, sizeof(*m));
    MUST(m);
    return m;
}

void
model_free(struct model **mp)
{
    struct model *m = *mp;
    if (!m)
        return;
    for (size_t i = 0; i < m->n_members; i++)
        free(m->members[i].ops);
    for (size_t i = 0; i < m->n_offices; i++)
        free(m->offices[i].changes);
    free(m->members);
    free(m->offices);
    free(m->described);
    free(m);
    *mp = NULL;
}

/* ---- playing ---- */

static void
count(struct played *p, enum count which)
{
    if (p->counts)
        p->counts[which]++;
}

static bool
leave(struct played *p, const struct model_op *op, enum left_reason reason, enum count which)
{
    if (p->s.status != STATUS_MEMBER)
        return false;
    p->s.status = STATUS_LEFT;
    p->s.left_reason = reason;
    p->s.left_on.days = op->date;
    p->s.request_open = false;
    p->s.shares = 0;
    count(p, which);
    return true;
}

static bool
come(struct played *p, const struct model_op *op, bool admitted)
{
    struct member_state *s = &p->s;
    if (s->status == STATUS_MEMBER || (s->status == STATUS_APPLIED && !admitted) ||
        (s->status == STATUS_LEFT && s->left_reason == LEFT_DECEASED))
        return false;
    s->status = admitted ? STATUS_MEMBER : STATUS_APPLIED;
    s->left_reason = LEFT_NONE;
    s->category = op->category;
    s->person_type = op->person_type;
    s->office = op->office;
    if (admitted) {
        s->joined_on.days = op->date;
        s->left_on = DATE_NONE;
        s->shares = op->shares;
    }
    count(p, admitted ? COUNT_JOINED : COUNT_APPLIED);
    return true;
}

static bool
decide(struct played *p, const struct model_op *op)
{
    if (p->s.status != STATUS_MEMBER || !p->s.request_open || p->request != op->request)
        return false;
    if (op->action == ACTION_GRANT_WITHDRAWAL)
        return leave(p, op, LEFT_WITHDRAWN, COUNT_WITHDRAWN);
    p->s.request_open = false;
    count(p, COUNT_REQUEST_REFUSED);
    return true;
}

static bool
play(struct played *p, const struct model_op *op)
{
    struct member_state *s = &p->s;
    bool member = s->status == STATUS_MEMBER;
    switch (op->action) {
    case ACTION_APPLY: return come(p, op, false);
    case ACTION_ADMIT: return come(p, op, true);
    case ACTION_REFUSE:
        if (s->status != STATUS_APPLIED)
            return false;
        s->status = STATUS_REFUSED;
        count(p, COUNT_REFUSED);
        return true;
    case ACTION_SUBSCRIBE: s->shares += member ? op->shares : 0; return member && s->shares <= SHARES_HELD_MAX;
    case ACTION_CHANGE_CATEGORY:
        if (!member || s->category == op->category || (s->person_type == PERSON_LEGAL && op->category != CATEGORY_C))
            return false;
        s->category = op->category;
        return true;
    case ACTION_CHANGE_DATA:
        if (op->has_office && (member || s->status == STATUS_APPLIED))
            s->office = op->office;
        return s->status != STATUS_NONE;
    case ACTION_REQUEST_WITHDRAWAL:
        if (!member || s->request_open)
            return false;
        s->request_open = true;
        p->request = op->order;
        count(p, COUNT_REQUESTED);
        return true;
    case ACTION_GRANT_WITHDRAWAL:
    case ACTION_REFUSE_WITHDRAWAL: return decide(p, op);
    case ACTION_RESIGN: return leave(p, op, LEFT_RESIGNED, COUNT_RESIGNED);
    case ACTION_EXCLUDE: return leave(p, op, LEFT_EXCLUDED, COUNT_EXCLUDED);
    case ACTION_DECEASE: return leave(p, op, LEFT_DECEASED, COUNT_DECEASED);
    default: return false; /* the simulator writes no others */
    }
    return false;
}

static void
begin(struct played *p, int64_t *counts)
{
    *p = (struct played){.counts = counts};
    p->s.joined_on = p->s.left_on = DATE_NONE;
}

/* Index of the first operation that comes after one of that date written last. ops are kept in order. */
static size_t
place_of(const struct model_member *m, int32_t date)
{
    size_t i = 0;
    while (i < m->n && m->ops[i].date <= date)
        i++;
    return i;
}

/* Plays all with op (may be NULL) at its place. False: a step is impossible. */
static bool
play_all(const struct model_member *m, const struct model_op *op, struct played *p)
{
    size_t at = op ? place_of(m, op->date) : m->n + 1;
    bool possible = true;
    for (size_t i = 0; i <= m->n && possible; i++) {
        if (i == at)
            possible = play(p, op);
        if (possible && i < m->n)
            possible = play(p, &m->ops[i]);
    }
    return possible;
}

/* ---- looking things up ---- */

static struct model_member *
find_member(const struct model *m, const struct subject_id *subject)
{
    for (size_t i = 0; i < m->n_members; i++)
        if (TYPE_EQ(&m->members[i].subject, subject))
            return &m->members[i];
    return NULL;
}

static struct model_office *
find_office(const struct model *m, const struct office_id *id)
{
    for (size_t i = 0; i < m->n_offices; i++)
        if (TYPE_EQ(&m->offices[i].id, id))
            return &m->offices[i];
    return NULL;
}

static struct model_op
make_op(const struct model *m, const struct model_member *member, const struct member_request *r)
{
    struct model_op op = {.action = r->action,
                          .date = r->effective.days,
                          .order = m->order + 1,
                          .category = r->category,
                          .person_type = r->person_type,
                          .has_office = r->has_office,
                          .office = r->office,
                          .shares = r->shares};
    if (r->action == ACTION_GRANT_WITHDRAWAL || r->action == ACTION_REFUSE_WITHDRAWAL) {
        struct played p;
        begin(&p, NULL);
        for (size_t i = 0; i < place_of(member, op.date); i++)
            (void)play(&p, &member->ops[i]);
        op.request = p.s.request_open ? p.request : 0;
    }
    return op;
}

/* ---- verdicts ---- */

static bool
member_possible(const struct model *m, const struct member_request *r)
{
    static const struct model_member nobody = {0};
    const struct model_member *member = &nobody;
    bool creates = r->action == ACTION_APPLY || r->action == ACTION_ADMIT;
    if (r->has_subject)
        member = find_member(m, &r->subject);
    else if (!creates)
        return false;
    if (!member)
        return false;
    if (creates || r->has_office) {
        const struct model_office *o = find_office(m, &r->office);
        if (!o || (o->closed && o->opened_on <= r->effective.days && o->closed_on <= r->effective.days))
            return false;
    }
    if (creates &&
        (r->category < 1 || r->category > 3 || (r->person_type == PERSON_LEGAL && r->category != CATEGORY_C)))
        return false;
    if (r->action == ACTION_ADMIT || r->action == ACTION_SUBSCRIBE) {
        bool priced = false;
        for (size_t i = 0; i < m->n_described; i++)
            priced |= m->described[i].date <= r->effective.days;
        if (!priced || !r->has_shares || r->shares < 1 || r->shares > SHARES_MAX)
            return false;
    }
    struct model_op op = make_op(m, member, r);
    struct played p;
    begin(&p, NULL);
    return play_all(member, &op, &p);
}

static bool
office_possible(const struct model *m, const struct api_op *op)
{
    const struct model_office *o = find_office(m, &op->office.id);
    int32_t date = op->office.effective.days;
    if (!o || date < o->opened_on)
        return false;
    if (op->kind == OP_OFFICE_CHANGE)
        return !o->closed || date < o->closed_on;
    for (size_t i = 0; i < o->n_changes; i++)
        if (o->changes[i].date > date)
            return false;
    return !o->closed;
}

enum model_verdict
model_judge(const struct model *m, const struct api_op *op)
{
    switch (op->kind) {
    case OP_MEMBER: return member_possible(m, &op->member.request) ? MODEL_ACCEPT : MODEL_REFUSE;
    case OP_OFFICE_CHANGE:
    case OP_OFFICE_CLOSE: return office_possible(m, op) ? MODEL_ACCEPT : MODEL_REFUSE;
    case OP_OFFICE_OPEN:
    case OP_UNIT_DESCRIBE: return MODEL_ACCEPT;
    default: return MODEL_UNKNOWN;
    }
}

/* ---- taking over ---- */

static void
accept_member(struct model *m, const struct api_op *op)
{
    struct model_member *member = find_member(m, &op->result.subject);
    if (!member) {
        GROW(m->members, m->n_members);
        member = &m->members[m->n_members++];
        *member = (struct model_member){.subject = op->result.subject};
    }
    struct model_op new = make_op(m, member, &op->member.request);
    size_t at = place_of(member, new.date);
    GROW(member->ops, member->n);
    memmove(&member->ops[at + 1], &member->ops[at], (member->n - at) * sizeof(*member->ops));
    member->ops[at] = new;
    member->n++;
}

static void
accept_office(struct model *m, const struct api_op *op)
{
    struct model_office *o = find_office(m, &op->office.id);
    uint64_t order = m->order + 1;
    int32_t date = op->office.effective.days;
    if (op->kind == OP_OFFICE_OPEN) {
        GROW(m->offices, m->n_offices);
        o = &m->offices[m->n_offices++];
        *o = (struct model_office){.order = order, .opened_on = date};
        memcpy(o->id.b, op->result.subject.b, sizeof(o->id.b));
    } else if (o && op->kind == OP_OFFICE_CHANGE) {
        GROW(o->changes, o->n_changes);
        o->changes[o->n_changes].date = date;
        o->changes[o->n_changes++].order = order;
    } else if (o) {
        o->closed = true;
        o->closed_on = date;
        o->closed_order = order;
    }
}

void
model_accept(struct model *m, const struct api_op *op)
{
    if (op->kind == OP_MEMBER) {
        accept_member(m, op);
    } else if (op->kind == OP_UNIT_DESCRIBE) {
        GROW(m->described, m->n_described);
        m->described[m->n_described].date = op->unit.effective.days;
        m->described[m->n_described++].order = m->order + 1;
    } else {
        accept_office(m, op);
    }
    m->order++;
}

void
model_mark(struct model *m)
{
    m->mark = m->order;
}

void
model_rollback(struct model *m)
{
    for (size_t i = 0; i < m->n_members; i++) {
        struct model_member *member = &m->members[i];
        size_t kept = 0;
        for (size_t k = 0; k < member->n; k++)
            if (member->ops[k].order <= m->mark)
                member->ops[kept++] = member->ops[k];
        member->n = kept;
    }
    while (m->n_members > 0 && m->members[m->n_members - 1].n == 0)
        free(m->members[--m->n_members].ops);
    while (m->n_offices > 0 && m->offices[m->n_offices - 1].order > m->mark)
        free(m->offices[--m->n_offices].changes);
    for (size_t i = 0; i < m->n_offices; i++) {
        struct model_office *o = &m->offices[i];
        while (o->n_changes > 0 && o->changes[o->n_changes - 1].order > m->mark)
            o->n_changes--;
        if (o->closed && o->closed_order > m->mark)
            o->closed = false;
    }
    while (m->n_described > 0 && m->described[m->n_described - 1].order > m->mark)
        m->n_described--;
    m->order = m->mark;
}

/* ---- results ---- */

size_t
model_members(const struct model *m)
{
    return m->n_members;
}

const struct subject_id *
model_subject(const struct model *m, size_t i)
{
    return &m->members[i].subject;
}

void
model_state(const struct model *m, size_t i, struct member_state *ret)
{
    struct played p;
    begin(&p, NULL);
    (void)play_all(&m->members[i], NULL, &p);
    *ret = p.s;
}

void
model_counts(const struct model *m, int64_t ret[COUNTS_N])
{
    struct played p;
    memset(ret, 0, COUNTS_N * sizeof(*ret));
    for (size_t i = 0; i < m->n_members; i++) {
        begin(&p, ret);
        (void)play_all(&m->members[i], NULL, &p);
        if (p.s.status == STATUS_MEMBER)
            ret[COUNT_MEMBERS]++;
    }
}

size_t
model_offices(const struct model *m)
{
    return m->n_offices;
}

const struct office_id *
model_office(const struct model *m, size_t i)
{
    return &m->offices[i].id;
}
