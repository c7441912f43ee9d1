/* See member_step.h: states and transitions of a member. docs/PROTOCOL.md §10.
 *
 *   none, refused, left ── received ──▶ applied ── refused ──▶ refused        on_application, on_refusal
 *   none, applied, refused, left ── admitted ──▶ member                       on_admission
 *   member ── subscribed, category, data ──▶ member                           on_shares, on_category, on_data
 *   member ── requested ──▶ (open) ── granted ──▶ left; refused ──▶ member    on_request, on_decision
 *   member ── resigned, excluded, deceased ──▶ left                           leave */
#include "node/rules/member_step.h"

static bool
known(uint16_t kind, uint16_t version)
{
    return kind >= KIND_APPLICATION_RECEIVED && kind <= KIND_MEMBER_DECEASED && event_kind_known(kind, version);
}

static uint8_t
role(uint16_t kind, bool *ret_required, uint16_t *ret_target)
{
    *ret_required = kind != KIND_MEMBER_ADMITTED;
    switch (kind) {
    case KIND_APPLICATION_REFUSED:
    case KIND_MEMBER_ADMITTED: *ret_target = KIND_APPLICATION_RECEIVED; return REF_APPLICATION;
    case KIND_WITHDRAWAL_GRANTED:
    case KIND_WITHDRAWAL_REFUSED: *ret_target = KIND_WITHDRAWAL_REQUESTED; return REF_REQUEST;
    default: *ret_required = false; return 0;
    }
}

static enum void_reason
outside(const void *ctx, const struct fold_item *item, const struct member_world *w)
{
    const struct member_row *row = ctx;
    const struct member_entry *e = item->entry;
    return e->has_office && !w->office_known(w->arg, &row->unit, &e->office, &e->at) ? VOID_NO_OFFICE : VOID_NONE;
}

void
member_fold_start(struct member_fold *f)
{
    memset(f, 0, sizeof(*f));
    f->s.joined_on = DATE_NONE;
    f->s.left_on = DATE_NONE;
    f->request = FOLD_NONE;
}

static void
start(void *state)
{
    member_fold_start(state);
}

static enum void_reason
step(void *state, const struct fold_item *item, uint32_t other)
{
    return member_step(state, item->entry, item->root, other);
}

const struct fold_rules member_rules = {.known = known, .role = role, .outside = outside, .start = start, .step = step};

/* ---- transitions ---- */

static bool
deceased(const struct member_state *s)
{
    return s->status == STATUS_LEFT && s->left_reason == LEFT_DECEASED;
}

/* Why somebody who is no member cannot do what members do. */
static enum void_reason
no_member(const struct member_state *s)
{
    if (s->status != STATUS_LEFT) {
        return VOID_NOT_MEMBER;
    }
    return deceased(s) ? VOID_DECEASED : VOID_LEFT;
}

static void
set_facts(struct member_state *s, const struct member_entry *e)
{
    s->category = e->category;
    s->person_type = e->person_type;
    s->office = e->office;
}

static enum void_reason
on_application(struct member_fold *f, const struct member_entry *e)
{
    struct member_state *s = &f->s;
    if (s->status == STATUS_APPLIED || s->status == STATUS_MEMBER) {
        return s->status == STATUS_APPLIED ? VOID_ALREADY_APPLIED : VOID_ALREADY_MEMBER;
    }
    if (deceased(s)) {
        return VOID_DECEASED;
    }
    s->status = STATUS_APPLIED;
    s->left_reason = LEFT_NONE;
    set_facts(s, e);
    return VOID_NONE;
}

static enum void_reason
on_refusal(struct member_fold *f)
{
    if (f->s.status != STATUS_APPLIED) {
        return deceased(&f->s) ? VOID_DECEASED : VOID_NOT_APPLICANT;
    }
    f->s.status = STATUS_REFUSED;
    return VOID_NONE;
}

static enum void_reason
on_admission(struct member_fold *f, const struct member_entry *e)
{
    struct member_state *s = &f->s;
    if (s->status == STATUS_MEMBER) {
        return VOID_ALREADY_MEMBER;
    }
    if (deceased(s)) {
        return VOID_DECEASED;
    }
    s->status = STATUS_MEMBER;
    s->left_reason = LEFT_NONE;
    s->joined_on = e->effective;
    s->left_on = DATE_NONE;
    set_facts(s, e);
    s->shares = e->shares;
    memcpy(s->currency, e->currency, sizeof(s->currency));
    return VOID_NONE;
}

static enum void_reason
on_shares(struct member_fold *f, const struct member_entry *e)
{
    if (f->s.status != STATUS_MEMBER) {
        return no_member(&f->s);
    }
    if (f->s.shares + e->shares > SHARES_HELD_MAX) {
        return VOID_SHARES;
    }
    f->s.shares += e->shares;
    memcpy(f->s.currency, e->currency, sizeof(f->s.currency));
    return VOID_NONE;
}

static enum void_reason
on_category(struct member_fold *f, const struct member_entry *e)
{
    if (f->s.status != STATUS_MEMBER) {
        return no_member(&f->s);
    }
    if (f->s.category == e->category) {
        return VOID_SAME_CATEGORY;
    }
    if (f->s.person_type == PERSON_LEGAL && e->category != CATEGORY_C) {
        return VOID_CATEGORY_PERSON;
    }
    f->s.category = e->category;
    return VOID_NONE;
}

static enum void_reason
on_data(struct member_fold *f, const struct member_entry *e)
{
    if (f->s.status == STATUS_NONE) {
        return VOID_NOT_MEMBER;
    }
    if (e->has_office && (f->s.status == STATUS_MEMBER || f->s.status == STATUS_APPLIED)) {
        f->s.office = e->office;
    }
    return VOID_NONE;
}

static enum void_reason
on_request(struct member_fold *f, uint32_t slot)
{
    if (f->s.status != STATUS_MEMBER) {
        return no_member(&f->s);
    }
    if (f->s.request_open) {
        return VOID_REQUEST_OPEN;
    }
    f->s.request_open = true;
    f->request = slot;
    return VOID_NONE;
}

static enum void_reason
leave(struct member_fold *f, const struct member_entry *e, enum left_reason reason)
{
    if (f->s.status != STATUS_MEMBER) {
        return no_member(&f->s);
    }
    f->s.status = STATUS_LEFT;
    f->s.left_reason = reason;
    f->s.left_on = e->effective;
    f->s.request_open = false;
    f->s.shares = 0;
    f->request = FOLD_NONE;
    return VOID_NONE;
}

static enum void_reason
on_decision(struct member_fold *f, const struct member_entry *e, uint32_t other)
{
    if (f->s.status != STATUS_MEMBER) {
        return no_member(&f->s);
    }
    if (!f->s.request_open) {
        return VOID_NO_REQUEST;
    }
    if (f->request != other) {
        return VOID_REFERENCE;
    }
    if (e->kind == KIND_WITHDRAWAL_GRANTED) {
        return leave(f, e, LEFT_WITHDRAWN);
    }
    f->s.request_open = false;
    f->request = FOLD_NONE;
    return VOID_NONE;
}

enum void_reason
member_step(struct member_fold *f, const struct member_entry *e, uint32_t slot, uint32_t other)
{
    switch (e->kind) {
    case KIND_APPLICATION_RECEIVED: return on_application(f, e);
    case KIND_APPLICATION_REFUSED: return on_refusal(f);
    case KIND_MEMBER_ADMITTED: return on_admission(f, e);
    case KIND_SHARES_SUBSCRIBED: return on_shares(f, e);
    case KIND_CATEGORY_CHANGED: return on_category(f, e);
    case KIND_DATA_CHANGED: return on_data(f, e);
    case KIND_WITHDRAWAL_REQUESTED: return on_request(f, slot);
    case KIND_WITHDRAWAL_GRANTED:
    case KIND_WITHDRAWAL_REFUSED: return on_decision(f, e, other);
    case KIND_MEMBER_RESIGNED: return leave(f, e, LEFT_RESIGNED);
    case KIND_MEMBER_EXCLUDED: return leave(f, e, LEFT_EXCLUDED);
    case KIND_MEMBER_DECEASED: return leave(f, e, LEFT_DECEASED);
    default: return VOID_MALFORMED;
    }
}

/* ---- replay of a row ---- */

static uint32_t
index_of(const struct member_row *r, const struct event_ref *ref)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->entries[i].at.seq == ref->seq && TYPE_EQ(&r->entries[i].at.log, &ref->log)) {
            return (uint32_t)i;
        }
    }
    return FOLD_NONE;
}

/* Bounded, for a row that a disk has damaged. */
uint32_t
member_slot_of(const struct member_row *r, uint32_t i)
{
    for (size_t step_no = 0; step_no < r->n; step_no++) {
        uint32_t next = FOLD_NONE;
        for (uint8_t k = 0; k < r->entries[i].n_refs; k++) {
            if (r->entries[i].refs[k].role == REF_CORRECTS) {
                next = index_of(r, &r->entries[i].refs[k]);
            }
        }
        if (next == FOLD_NONE) {
            break;
        }
        i = next;
    }
    return i;
}

void
member_order_of(const struct member_row *r, struct member_order *ret)
{
    ret->n = 0;
    for (uint32_t i = 0; i < r->n; i++) {
        if (r->entries[i].outcome == OUTCOME_APPLIED) {
            ret->keys[ret->n++] = fold_key(r->entries[i].effective.days, member_slot_of(r, i), i);
        }
    }
    fold_sort(ret->keys, ret->n);
}

const struct member_entry *
member_order_at(const struct member_row *r, const struct member_order *o, size_t i)
{
    return &r->entries[o->keys[i] & 0xffff];
}

void
member_order_step(const struct member_row *r, const struct member_order *o, size_t i, struct member_fold *f)
{
    const struct member_entry *e = member_order_at(r, o, i);
    uint32_t other = FOLD_NONE;
    for (uint8_t k = 0; k < e->n_refs; k++) {
        uint32_t target = e->refs[k].role == REF_CORRECTS ? FOLD_NONE : index_of(r, &e->refs[k]);
        other = target == FOLD_NONE ? other : member_slot_of(r, target);
    }
    (void)member_step(f, e, (uint32_t)(o->keys[i] >> 16 & 0xffff), other);
}
