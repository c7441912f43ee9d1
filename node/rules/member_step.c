/* See member_step.h: states and transitions of a member. docs/PROTOCOL.md §10.
 *
 *   none, refused, left ── received ──▶ applied ── refused ──▶ refused        on_application, on_refusal
 *   none, applied, refused, left ── admitted ──▶ member                       on_admission
 *   member ── subscribed, category, data ──▶ member                           on_shares, on_category, on_data
 *   member ── requested ──▶ (open) ── granted ──▶ left; refused ──▶ member    on_request, on_decision
 *   member ── resigned, excluded, deceased ──▶ left                           leave
 *   all but none ── repaid ──▶ unchanged                                      on_repaid
 *   all but none ── merged ──▶ merged; absorbed ──▶ unchanged                 on_merged, on_absorbed
 *   all but none ── representatives, consents ──▶ unchanged                   on_named, on_ended, on_consent
 *   handovers, doubles, erasure: member_moving.c */
#include "node/rules/member_step.h"

bool
member_kind(uint16_t kind)
{
    return (kind >= KIND_APPLICATION_RECEIVED && kind <= KIND_ENTRY_CANCELLED) || member_moving_kind(kind);
}

static bool
known(uint16_t kind, uint16_t version)
{
    return member_kind(kind) && event_kind_known(kind, version);
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
    /* The office of a completion is the new home's: its acceptance was asked. */
    return e->has_office && e->kind != KIND_HANDOVER_COMPLETED &&
                   !w->office_known(w->arg, &row->unit, &e->office, &e->at)
               ? VOID_NO_OFFICE
               : VOID_NONE;
}

void
member_fold_start(struct member_fold *f)
{
    memset(f, 0, sizeof(*f));
    f->s.joined_on = DATE_NONE;
    f->s.left_on = DATE_NONE;
    f->request = FOLD_NONE;
    f->offer = FOLD_NONE;
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

/* What is between two units, or was carried out on disks, is not undone by a word (§9); doubles are. */
static bool
fixed(uint16_t kind)
{
    return member_moving_kind(kind) && kind != KIND_DOUBLE_DECLARED && kind != KIND_DOUBLE_SETTLED;
}

static bool
arrival(const void *entry, enum void_reason *ret)
{
    const struct member_entry *e = entry;
    *ret = (enum void_reason)e->origin_reason;
    return e->arrival;
}

bool
member_departs(const void *entry)
{
    const struct member_entry *e = entry;
    return e->kind == KIND_HANDOVER_COMPLETED && !e->arrival;
}

const struct fold_rules member_rules = {
    .cancels = KIND_ENTRY_CANCELLED,
    .scarce = member_moving_scarce,
    .scarce_max = HANDOVERS_MAX,
    .known = known,
    .role = role,
    .fixed = fixed,
    .roles = member_moving_roles,
    .kin = member_moving_kin,
    .arrival = arrival,
    .departure = member_departs,
    .past = member_moving_past,
    .outside = outside,
    .start = start,
    .step = step,
};

/* ---- transitions ---- */

static bool
deceased(const struct member_state *s)
{
    return s->status == STATUS_LEFT && s->left_reason == LEFT_DECEASED;
}

enum void_reason
member_not(const struct member_state *s)
{
    if (s->status != STATUS_LEFT) {
        return VOID_NOT_MEMBER;
    }
    return deceased(s) ? VOID_DECEASED : s->left_reason == LEFT_MOVED ? VOID_MOVED : VOID_LEFT;
}

/* Who has moved away is another unit's, and comes back by a handover. */
static bool
moved_away(const struct member_state *s)
{
    return s->status == STATUS_LEFT && s->left_reason == LEFT_MOVED;
}

static int64_t
paid(const struct member_entry *e)
{
    return (int64_t)e->shares * e->share_price_minor;
}

static void
hold(struct member_fold *f, const struct member_entry *e, int64_t minor)
{
    member_money_add(f->held, &f->n_held, e->currency, e->shares, minor);
    f->s.shares += e->shares;
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
    if (deceased(s) || moved_away(s)) {
        return deceased(s) ? VOID_DECEASED : VOID_MOVED;
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
    if (deceased(s) || moved_away(s)) {
        return deceased(s) ? VOID_DECEASED : VOID_MOVED;
    }
    if (!member_money_fits(f, e->currency, e->shares, paid(e))) {
        return VOID_SHARES;
    }
    s->status = STATUS_MEMBER;
    s->left_reason = LEFT_NONE;
    s->joined_on = e->effective;
    s->left_on = DATE_NONE;
    set_facts(s, e);
    hold(f, e, paid(e));
    memcpy(s->currency, e->currency, sizeof(s->currency));
    return VOID_NONE;
}

static enum void_reason
on_shares(struct member_fold *f, const struct member_entry *e)
{
    if (f->s.status != STATUS_MEMBER) {
        return member_not(&f->s);
    }
    if (!member_money_fits(f, e->currency, e->shares, paid(e))) {
        return VOID_SHARES;
    }
    hold(f, e, paid(e));
    memcpy(f->s.currency, e->currency, sizeof(f->s.currency));
    return VOID_NONE;
}

static enum void_reason
on_category(struct member_fold *f, const struct member_entry *e)
{
    if (f->s.status != STATUS_MEMBER) {
        return member_not(&f->s);
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
        return member_not(&f->s);
    }
    if (f->s.request_open) {
        return VOID_REQUEST_OPEN;
    }
    f->s.request_open = true;
    f->request = slot;
    return VOID_NONE;
}

/* No member any more: what was held is given away by the caller. */
static void
end_membership(struct member_fold *f, const struct member_entry *e)
{
    f->s.left_on = e->effective;
    f->s.request_open = false;
    f->s.offer_open = false;
    f->offer = FOLD_NONE;
    f->s.shares = 0;
    f->n_held = 0;
    f->request = FOLD_NONE;
}

void
member_leave(struct member_fold *f, const struct member_entry *e, enum left_reason reason)
{
    f->s.status = STATUS_LEFT;
    f->s.left_reason = reason;
    for (uint8_t i = 0; i < f->n_held; i++) {
        const struct member_owed *h = &f->held[i];
        member_money_add(f->s.owed, &f->s.n_owed, h->currency, h->shares, h->amount_minor);
    }
    end_membership(f, e);
}

static enum void_reason
leave(struct member_fold *f, const struct member_entry *e, enum left_reason reason)
{
    if (f->s.status != STATUS_MEMBER) {
        return member_not(&f->s);
    }
    member_leave(f, e, reason);
    return VOID_NONE;
}

static enum void_reason
on_decision(struct member_fold *f, const struct member_entry *e, uint32_t other)
{
    if (f->s.status != STATUS_MEMBER) {
        return member_not(&f->s);
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

/* ---- what is owed, and records that become one ---- */

static enum void_reason
on_repaid(struct member_fold *f, const struct member_entry *e)
{
    struct member_state *s = &f->s;
    if (s->status == STATUS_NONE) {
        return VOID_NOT_MEMBER;
    }
    struct member_owed *owed = member_money_find(s->owed, s->n_owed, e->currency);
    if (owed == NULL || e->shares > owed->shares || e->amount_minor > owed->amount_minor) {
        return VOID_OWED;
    }
    owed->shares -= e->shares;
    owed->amount_minor -= e->amount_minor;
    if (owed->shares == 0) {
        /* Settled, whatever the amount. */
        size_t after = (size_t)(&s->owed[s->n_owed] - (owed + 1));
        memmove(owed, owed + 1, after * sizeof(*owed));
        s->n_owed--;
    }
    return VOID_NONE;
}

static enum void_reason
on_merged(struct member_fold *f, const struct member_entry *e)
{
    if (f->s.status == STATUS_NONE) {
        return VOID_NOT_MEMBER;
    }
    if (f->s.status == STATUS_MEMBER) {
        end_membership(f, e);
    }
    f->s.status = STATUS_MERGED;
    f->s.left_reason = LEFT_NONE;
    f->s.n_owed = 0;
    f->s.merged_into = e->other;
    return VOID_NONE;
}

static enum void_reason
on_absorbed(struct member_fold *f, const struct member_entry *e)
{
    struct member_state *s = &f->s;
    if (s->status == STATUS_NONE) {
        return VOID_NOT_MEMBER;
    }
    if (e->shares == 0) {
        return VOID_NONE;
    }
    if (!e->owed && s->status != STATUS_MEMBER) {
        return member_not(s);
    }
    if (!member_money_fits(f, e->currency, e->shares, e->amount_minor)) {
        return VOID_SHARES;
    }
    if (e->owed) {
        member_money_add(s->owed, &s->n_owed, e->currency, e->shares, e->amount_minor);
    } else {
        hold(f, e, e->amount_minor);
    }
    return VOID_NONE;
}

/* ---- representatives and consents ---- */

static uint8_t
find_representative(const struct member_state *s, const struct subject_id *who)
{
    uint8_t i = 0;
    while (i < s->n_representatives && !TYPE_EQ(&s->representatives[i], who)) {
        i++;
    }
    return i;
}

static enum void_reason
on_named(struct member_fold *f, const struct member_entry *e)
{
    struct member_state *s = &f->s;
    if (s->status == STATUS_NONE || deceased(s)) {
        return s->status == STATUS_NONE ? VOID_NOT_MEMBER : VOID_DECEASED;
    }
    if (s->person_type != PERSON_LEGAL) {
        return VOID_NOT_LEGAL;
    }
    if (find_representative(s, &e->other) < s->n_representatives || s->n_representatives == REPRESENTATIVES_MAX) {
        return VOID_REPRESENTS;
    }
    s->representatives[s->n_representatives++] = e->other;
    return VOID_NONE;
}

static enum void_reason
on_ended(struct member_fold *f, const struct member_entry *e)
{
    struct member_state *s = &f->s;
    if (s->status == STATUS_NONE || s->person_type != PERSON_LEGAL) {
        return s->status == STATUS_NONE ? VOID_NOT_MEMBER : VOID_NOT_LEGAL;
    }
    uint8_t i = find_representative(s, &e->other);
    if (i == s->n_representatives) {
        return VOID_REPRESENTS_NOT;
    }
    s->n_representatives--;
    memmove(&s->representatives[i], &s->representatives[i + 1],
            (size_t)(s->n_representatives - i) * sizeof(s->representatives[0]));
    return VOID_NONE;
}

static enum void_reason
on_consent(struct member_fold *f, const struct member_entry *e)
{
    struct member_state *s = &f->s;
    if (s->status == STATUS_NONE || deceased(s)) {
        return s->status == STATUS_NONE ? VOID_NOT_MEMBER : VOID_DECEASED;
    }
    uint8_t i = 0;
    while (i < s->n_consents && s->consents[i].purpose != e->purpose) {
        i++;
    }
    if (e->kind == KIND_CONSENT_GIVEN) {
        if (i == CONSENTS_MAX) {
            return VOID_CONSENT_GIVEN;
        }
        s->n_consents = i == s->n_consents ? (uint8_t)(i + 1) : s->n_consents; /* given again: renewed */
        s->consents[i] = (struct member_consent){.purpose = e->purpose, .given_on = e->effective};
        return VOID_NONE;
    }
    if (i == s->n_consents) {
        return VOID_CONSENT_NOT_GIVEN;
    }
    s->n_consents--;
    memmove(&s->consents[i], &s->consents[i + 1], (size_t)(s->n_consents - i) * sizeof(s->consents[0]));
    return VOID_NONE;
}

enum void_reason
member_step(struct member_fold *f, const struct member_entry *e, uint32_t slot, uint32_t other)
{
    if (e->kind == KIND_ENTRY_CANCELLED) {
        return VOID_NONE;
    }
    if (member_moving_kind(e->kind)) {
        return member_moving_step(f, e, slot, other);
    }
    if (f->s.status == STATUS_MERGED) {
        return VOID_MERGED;
    }
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
    case KIND_SHARES_REPAID: return on_repaid(f, e);
    case KIND_REPRESENTATIVE_NAMED: return on_named(f, e);
    case KIND_REPRESENTATIVE_ENDED: return on_ended(f, e);
    case KIND_MEMBER_MERGED: return on_merged(f, e);
    case KIND_MEMBER_ABSORBED: return on_absorbed(f, e);
    case KIND_CONSENT_GIVEN:
    case KIND_CONSENT_WITHDRAWN: return on_consent(f, e);
    default: return VOID_MALFORMED;
    }
}
