/* Members who move, are declared doubles, or are erased: kinds 64 to 71 and 96 to 99. docs/PROTOCOL.md §10 "Handover", "Doubles", "Erasure".
 *
 *   old home: member ── offered ──▶ (offer open) ── withdrawn ──▶ member; completed ──▶ left (moved)     on_offered, on_withdrawn, on_completed
 *   new home: none, left ── accepted ──▶ unchanged ── arrival ──▶ member; any ── received ──▶ unchanged on_accepted, on_arrival, on_received
 *   any ── declared ──▶ listed ── settled ──▶ not listed; left (double)                                 on_double, on_settled
 *
 * A completion is an entry of the row in which it is written and, as an arrival, of the new home's row. Rows that share one are kin: each looks
 * at entries of the other (member_moving_kin), which node/apply folds again until nothing changes. That ends, because what a completion does
 * rests only on completions that are less by (day, log id, seq): see fold_sort_trips. */
#include <stdlib.h>

#include "node/rules/member_step.h"

bool
member_moving_kind(uint16_t kind)
{
    return (kind >= KIND_HANDOVER_OFFERED && kind <= KIND_HANDOVER_RECEIVED) || kind == KIND_DOUBLE_DECLARED ||
           kind == KIND_DOUBLE_SETTLED || kind == KIND_ERASURE_ORDERED || kind == KIND_RESTRICTION_ORDERED ||
           kind == KIND_RESTRICTION_LIFTED;
}

size_t
member_moving_roles(uint16_t kind, struct fold_role ret[FOLD_ROLES_MAX])
{
    const struct fold_role offer = {.role = REF_OFFER, .required = true, .target = KIND_HANDOVER_OFFERED};
    ret[0] = offer;
    switch (kind) {
    case KIND_HANDOVER_ACCEPTED: ret[0].kin = true; return 1;
    case KIND_HANDOVER_COMPLETED:
        ret[1] =
            (struct fold_role){.role = REF_ACCEPTANCE, .required = true, .kin = true, .target = KIND_HANDOVER_ACCEPTED};
        return 2;
    case KIND_HANDOVER_WITHDRAWN: return 1;
    case KIND_HANDOVER_RECEIVED:
        ret[0] = (struct fold_role){
            .role = REF_COMPLETION, .required = true, .kin = true, .target = KIND_HANDOVER_COMPLETED};
        return 1;
    default: return 0;
    }
}

/* ---- what events of kin rows say ---- */

const struct event_ref *
member_ref_of(const struct member_entry *e, uint8_t role)
{
    for (uint8_t k = 0; k < e->n_refs; k++) {
        if (e->refs[k].role == role) {
            return &e->refs[k];
        }
    }
    return NULL;
}

static bool
same_ref(const struct event_ref *a, const struct event_ref *b)
{
    return a != NULL && b != NULL && a->seq == b->seq && TYPE_EQ(&a->log, &b->log) && TYPE_EQ(&a->chain, &b->chain);
}

static bool
same_terms(const struct member_entry *a, const struct member_entry *b)
{
    return a->category == b->category && a->person_type == b->person_type && TYPE_EQ(&a->office, &b->office) &&
           a->shares == b->shares && a->share_price_minor == b->share_price_minor &&
           memcmp(a->currency, b->currency, sizeof(a->currency)) == 0;
}

/* Whether the target is what the event says it is; unit: whose row the target is in. */
static bool
fits(const struct member_row *row, const struct member_entry *e, const struct member_entry *t,
     const struct unit_id *unit)
{
    if (t->arrival || !t->has_home || t->kind_version != 1 || !TYPE_EQ(&t->home, &row->unit)) {
        return false;
    }
    switch (e->kind) {
    case KIND_HANDOVER_ACCEPTED: return t->kind == KIND_HANDOVER_OFFERED && TYPE_EQ(&e->home, unit);
    case KIND_HANDOVER_COMPLETED:
        return t->kind == KIND_HANDOVER_ACCEPTED && TYPE_EQ(&e->home, unit) && same_terms(e, t) &&
               same_ref(member_ref_of(e, REF_OFFER), member_ref_of(t, REF_OFFER));
    case KIND_HANDOVER_RECEIVED: return t->kind == KIND_HANDOVER_COMPLETED;
    default: return false;
    }
}

int
member_moving_kin(const void *ctx, const struct fold_item *item, const struct event_ref *ref,
                  const struct member_world *w, enum outcome *ret)
{
    const struct member_row *row = ctx;
    struct position at = {.log = ref->log, .seq = ref->seq};
    struct member_entry target;
    struct unit_id unit;
    int rc = w->kin != NULL ? w->kin(w->arg, &row->subject, &at, &unit, &target) : ERR_NOTFOUND;
    if (rc != 0 && rc != ERR_NOTFOUND) {
        return rc;
    }
    if (rc == ERR_NOTFOUND || TYPE_EQ(&unit, &row->unit) || !fits(row, item->entry, &target, &unit)) {
        *ret = OUTCOME_VOID;
        return 0;
    }
    switch (target.outcome) {
    case OUTCOME_WAITING:
    case OUTCOME_UNKNOWN: *ret = OUTCOME_WAITING; break;
    case OUTCOME_VOID: *ret = OUTCOME_VOID; break;
    case OUTCOME_APPLIED:
    case OUTCOME_REPLACED:
    case OUTCOME_CONFLICT: *ret = OUTCOME_APPLIED; break;
    }
    return 0;
}

/* ---- what may be said after a member has moved away ---- */

/* The event that fills the slot of item i among those in f->in, FOLD_NONE if none; the slot is that of what it corrects or cancels. */
static uint32_t
replaced_by(const struct fold *f, uint32_t i)
{
    const struct fold_item *item = &f->items[i];
    uint32_t root = FOLD_NONE, found = FOLD_NONE;
    for (uint8_t k = 0; k < item->n_refs; k++) {
        if (fold_ref_of_slot(&item->refs[k]) && item->target[k] != FOLD_NONE) {
            root = f->items[item->target[k]].root;
        }
    }
    for (uint32_t k = 0; k < f->n && root != FOLD_NONE; k++) {
        found = f->in[k] && k != i && f->items[k].root == root ? k : found;
    }
    return found;
}

static bool
changes_amounts(const struct fold *f, uint32_t i)
{
    const struct member_entry *e = f->items[i].entry;
    uint32_t before = replaced_by(f, i);
    const struct member_entry *was = before != FOLD_NONE ? f->items[before].entry : NULL;
    switch (e->kind) {
    case KIND_DATA_CHANGED: return !e->has_office;
    case KIND_SHARES_SUBSCRIBED:
    case KIND_SHARES_REPAID:
    case KIND_HANDOVER_RECEIVED: return true; /* which changes nothing: it says what the unit had heard of */
    case KIND_ENTRY_CANCELLED:
        return was != NULL && (was->kind == KIND_SHARES_SUBSCRIBED || was->kind == KIND_SHARES_REPAID);
    case KIND_MEMBER_ADMITTED:
        return was != NULL && was->kind == e->kind && was->effective.days == e->effective.days &&
               was->category == e->category && was->person_type == e->person_type && TYPE_EQ(&was->office, &e->office);
    default: return member_moving_kind(e->kind) && e->kind >= KIND_DOUBLE_DECLARED;
    }
}

enum void_reason
member_moving_past(const struct fold *f, uint32_t i)
{
    const struct member_entry *e = f->items[i].entry;
    size_t completions = 0;
    int32_t moved = INT32_MIN, back = INT32_MIN;
    for (uint32_t k = 0; k < f->n; k++) {
        const struct member_entry *p = f->items[k].entry;
        if (k == i || !f->in[k] || p->kind != KIND_HANDOVER_COMPLETED) {
            continue;
        }
        completions += !p->arrival;
        if (f->before[k] != 0) {
            continue; /* another branch had it otherwise */
        }
        int32_t *last = p->arrival ? &back : &moved;
        *last = p->effective.days > *last ? p->effective.days : *last;
    }
    if (e->kind == KIND_HANDOVER_COMPLETED && completions >= COMPLETIONS_MAX) {
        return VOID_TOO_MANY;
    }
    bool before = moved != INT32_MIN && moved >= e->effective.days && back <= moved;
    return before && !changes_amounts(f, i) ? VOID_NEW_HOME : VOID_NONE;
}

/* ---- transitions ---- */

static enum void_reason
on_offered(struct member_fold *f, const struct member_entry *e, uint32_t slot)
{
    struct member_state *s = &f->s;
    if (s->status == STATUS_NONE) {
        return VOID_NOT_MEMBER;
    }
    /* Elsewhere without effect, and not impossible: nobody can cancel an offer, and it must not stand in the way of a leaving that is
     * recorded late with an earlier date. */
    if (s->status != STATUS_MEMBER || s->offer_open) {
        return VOID_NONE;
    }
    s->offer_open = true;
    s->offer_to = e->home;
    s->offer_day = e->until;
    s->offered_at = e->at;
    f->offer = slot;
    return VOID_NONE;
}

static enum void_reason
on_withdrawn(struct member_fold *f, uint32_t other)
{
    if (f->s.offer_open && f->offer == other) {
        f->s.offer_open = false;
        f->offer = FOLD_NONE;
    }
    return VOID_NONE;
}

static enum void_reason
on_completed(struct member_fold *f, const struct member_entry *e, uint32_t other)
{
    struct member_state *s = &f->s;
    if (s->status != STATUS_MEMBER) {
        return member_not(s);
    }
    if (!s->offer_open || f->offer != other || !TYPE_EQ(&s->offer_to, &e->home)) {
        return VOID_NO_OFFER;
    }
    if (e->effective.days <= s->joined_on.days) {
        return VOID_FIRST_DAY;
    }
    member_leave(f, e, LEFT_MOVED);
    s->moved_to = e->home;
    return VOID_NONE;
}

static enum void_reason
on_accepted(struct member_fold *f, const struct member_entry *e)
{
    struct member_state *s = &f->s;
    const struct event_ref *offer = member_ref_of(e, REF_OFFER);
    /* Also a member: one who came by a completion that turned out to have no effect can come again. */
    if (s->status == STATUS_LEFT && s->left_reason == LEFT_DECEASED) {
        return VOID_DECEASED;
    }
    if (offer == NULL) {
        return VOID_REFERENCE;
    }
    if (s->accepted && s->accepted_offer.seq == offer->seq && TYPE_EQ(&s->accepted_offer.log, &offer->log)) {
        return VOID_ACCEPTED;
    }
    if (!member_money_fits(f, e->currency, e->shares, (int64_t)e->shares * e->share_price_minor)) {
        return VOID_SHARES;
    }
    s->accepted = true;
    s->accepted_from = e->home;
    s->accepted_at = e->at;
    s->accepted_offer = (struct position){.log = offer->log, .seq = offer->seq};
    return VOID_NONE;
}

static enum void_reason
on_arrival(struct member_fold *f, const struct member_entry *e)
{
    struct member_state *s = &f->s;
    int64_t paid = (int64_t)e->shares * e->share_price_minor;
    if (s->status == STATUS_MERGED || (s->status == STATUS_LEFT && s->left_reason == LEFT_DECEASED)) {
        return s->status == STATUS_MERGED ? VOID_MERGED : VOID_DECEASED;
    }
    if (s->status == STATUS_MEMBER) {
        /* Who came before, by another completion, did not: this is where the member comes from. */
        s->shares = 0;
        s->request_open = s->offer_open = false;
        f->n_held = 0;
        f->request = f->offer = FOLD_NONE;
    }
    if (!member_money_fits(f, e->currency, e->shares, paid)) {
        return VOID_SHARES;
    }
    s->status = STATUS_MEMBER;
    s->left_reason = LEFT_NONE;
    s->joined_on = e->effective;
    s->left_on = DATE_NONE;
    s->category = e->category;
    s->person_type = e->person_type;
    s->office = e->office;
    s->came_from = e->home;
    s->voted = e->voted;
    s->accepted = false;
    member_money_add(f->held, &f->n_held, e->currency, e->shares, paid);
    s->shares += e->shares;
    memcpy(s->currency, e->currency, sizeof(s->currency));
    return VOID_NONE;
}

/* Of any arrival of the row, whatever it comes to, and whatever became of the member meanwhile. Of two completions on two branches the one
 * that has its effect may be one that the new home hears of last; while it is not received, nothing else can be written of the member. */
static enum void_reason
on_received(uint32_t other)
{
    return other == FOLD_NONE ? VOID_REFERENCE : VOID_NONE;
}

static uint8_t
find_double(const struct member_state *s, const struct member_entry *e)
{
    uint8_t i = 0;
    while (i < s->n_doubles &&
           !(TYPE_EQ(&s->doubles[i].unit, &e->home) && TYPE_EQ(&s->doubles[i].subject, &e->other))) {
        i++;
    }
    return i;
}

static enum void_reason
on_double(struct member_fold *f, const struct member_entry *e)
{
    struct member_state *s = &f->s;
    uint8_t i = find_double(s, e);
    if (i < s->n_doubles || i == DOUBLES_MAX) {
        return VOID_DOUBLE;
    }
    s->doubles[s->n_doubles++] = (struct member_double){.unit = e->home, .subject = e->other};
    return VOID_NONE;
}

static enum void_reason
on_settled(struct member_fold *f, const struct member_entry *e)
{
    struct member_state *s = &f->s;
    uint8_t i = find_double(s, e);
    if (i == s->n_doubles || s->doubles[i].settled != 0) {
        return VOID_NO_DOUBLE;
    }
    s->doubles[i].settled = e->settled;
    if (e->settled == DOUBLE_THIS_GIVEN_UP && s->status == STATUS_MEMBER) {
        member_leave(f, e, LEFT_DOUBLE);
    }
    return VOID_NONE;
}

static enum void_reason
on_restricted(struct member_state *s, const struct member_entry *e)
{
    for (unsigned c = 0; c < CLASSES_MAX; c++) {
        if ((e->classes >> c & 1) == 0) {
            continue;
        }
        bool was = (s->restricted >> c & 1) != 0;
        struct civil_date *until = &s->restricted_until[c];
        if (!was || date_is_none(e->until) || (!date_is_none(*until) && until->days < e->until.days)) {
            *until = e->until;
        }
    }
    s->restricted |= e->classes;
    return VOID_NONE;
}

/* Kinds that erase or restrict: possible for everybody who was ever known here. */
static enum void_reason
on_rights(struct member_state *s, const struct member_entry *e)
{
    if (s->status == STATUS_NONE) {
        return VOID_NOT_MEMBER;
    }
    switch (e->kind) {
    case KIND_ERASURE_ORDERED: s->erased |= e->classes; return VOID_NONE;
    case KIND_RESTRICTION_ORDERED: return on_restricted(s, e);
    default: s->restricted &= (uint16_t)~e->classes; return VOID_NONE;
    }
}

enum void_reason
member_moving_step(struct member_fold *f, const struct member_entry *e, uint32_t slot, uint32_t other)
{
    if (e->kind >= KIND_ERASURE_ORDERED) {
        return on_rights(&f->s, e);
    }
    if (e->kind == KIND_HANDOVER_COMPLETED && e->arrival) {
        return on_arrival(f, e);
    }
    if (e->kind == KIND_HANDOVER_RECEIVED) {
        return on_received(other);
    }
    if (f->s.status == STATUS_MERGED) {
        return VOID_MERGED;
    }
    switch (e->kind) {
    case KIND_HANDOVER_OFFERED: return on_offered(f, e, slot);
    case KIND_HANDOVER_ACCEPTED: return on_accepted(f, e);
    case KIND_HANDOVER_COMPLETED: return on_completed(f, e, other);
    case KIND_HANDOVER_WITHDRAWN: return on_withdrawn(f, other);
    case KIND_DOUBLE_DECLARED: return f->s.status == STATUS_NONE ? VOID_NOT_MEMBER : on_double(f, e);
    default: return f->s.status == STATUS_NONE ? VOID_NOT_MEMBER : on_settled(f, e);
    }
}

/* ---- what is open ---- */

size_t
member_arrival_unreceived(const struct member_row *r)
{
    size_t found = SIZE_MAX;
    for (size_t i = 0; i < r->n; i++) {
        const struct member_entry *e = &r->entries[i];
        if (!e->arrival || e->outcome != OUTCOME_APPLIED) {
            continue;
        }
        bool received = false;
        for (size_t k = 0; k < r->n && !received; k++) {
            const struct event_ref *ref = member_ref_of(&r->entries[k], REF_COMPLETION);
            received = r->entries[k].kind == KIND_HANDOVER_RECEIVED && r->entries[k].outcome == OUTCOME_APPLIED &&
                       ref != NULL && ref->seq == e->at.seq && TYPE_EQ(&ref->log, &e->at.log);
        }
        found = received ? found : i;
    }
    return found;
}

bool
member_acceptance_of(const struct member_row *to, const struct position *offer, struct position *ret)
{
    for (size_t i = to->n; i-- > 0;) {
        const struct member_entry *e = &to->entries[i];
        const struct event_ref *ref = e->kind == KIND_HANDOVER_ACCEPTED ? member_ref_of(e, REF_OFFER) : NULL;
        bool valid = e->outcome == OUTCOME_APPLIED || e->outcome == OUTCOME_REPLACED || e->outcome == OUTCOME_CONFLICT;
        if (ref != NULL && valid && ref->seq == offer->seq && TYPE_EQ(&ref->log, &offer->log)) {
            *ret = e->at;
            return true;
        }
    }
    return false;
}

enum handover_step
member_handover_step(const struct member_row *r)
{
    struct member_state s;
    if (!member_row_has_kin(r)) {
        return HANDOVER_NONE;
    }
    /* Also of one who has left meanwhile: nothing can be written of him before. */
    if (member_arrival_unreceived(r) != SIZE_MAX) {
        return HANDOVER_ARRIVED;
    }
    member_state_at(r, DATE_MAX, &s);
    if (s.offer_open) {
        return HANDOVER_OFFERED;
    }
    return s.accepted && s.status != STATUS_MEMBER ? HANDOVER_ACCEPTED : HANDOVER_NONE;
}
