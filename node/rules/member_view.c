/* What a folded row says: the state on a day, the capsules in force, what it adds to the views. docs/PROTOCOL.md §10. */
#include "node/rules/member_step.h"

#include "proto/crypto.h"

/* ---- which capsules an entry carries ---- */

static uint8_t
capsule_bit(uint8_t class)
{
    if (class == CLASS_KEY || class == CLASS_DOSSIER) {
        return class == CLASS_KEY ? 0x80 : 0x40;
    }
    return class >= 1 && class <= 5 ? (uint8_t)(1U << (class - 1)) : 0;
}

/* Whether the entry carries a capsule of the class about the member himself (§6: of kind 45, classes 1, 2 and 15 are the
 * representative's), or about that representative. */
static bool
carries(const struct member_entry *e, uint8_t class, const struct subject_id *representative)
{
    bool of_other = e->kind == KIND_REPRESENTATIVE_NAMED &&
                    (class == CLASS_IDENTITY || class == CLASS_CONTACT || class == CLASS_KEY);
    if ((e->capsule_mask & capsule_bit(class)) == 0 || of_other != (representative != NULL)) {
        return false;
    }
    return representative == NULL || TYPE_EQ(&e->other, representative);
}

/* Whether a later event than the last that erased a class carries such a capsule again (§10 "Erasure"). */
static bool
entered_again(const struct member_row *r, struct civil_date as_of, uint8_t class)
{
    bool again = false;
    for (size_t i = 0; i < r->n; i++) {
        const struct member_entry *e = &r->entries[i];
        bool counts = e->outcome == OUTCOME_APPLIED || e->outcome == OUTCOME_REPLACED;
        if (!counts || e->effective.days > as_of.days) {
            continue;
        }
        if (e->kind == KIND_ERASURE_ORDERED && e->classes >> (class - 1) & 1) {
            again = false;
        } else if (carries(e, class, NULL)) {
            again = true;
        }
    }
    return again;
}

/* ---- a day ---- */

void
member_state_at(const struct member_row *r, struct civil_date as_of, struct member_state *ret)
{
    struct member_fold f;
    member_fold_to(r, as_of, &f);
    const struct member_owed *held = member_money_find(f.held, f.n_held, f.s.currency);
    f.s.capital_minor = held != NULL ? held->amount_minor : 0;
    if (r->n > 0) {
        f.s.last_change = r->entries[r->n - 1].at;
    }
    for (uint8_t class = CLASS_IDENTITY; f.s.erased != 0 && class <= CLASS_NOTE; class ++) {
        if (f.s.erased >> (class - 1) & 1 && entered_again(r, as_of, class)) {
            f.s.erased &= (uint16_t) ~(1U << (class - 1));
        }
    }
    *ret = f.s;
}

/* ---- capsules of a class ---- */

/* The entries that carry one, as keys of (slot, entry), in the order of the row. */
static void
carriers(const struct member_row *r, uint8_t class, const struct subject_id *representative, bool conflicts,
         struct member_order *ret)
{
    ret->n = 0;
    for (uint32_t i = 0; i < r->n; i++) {
        enum outcome o = r->entries[i].outcome;
        if (carries(&r->entries[i], class, representative) &&
            (o == OUTCOME_APPLIED || o == OUTCOME_REPLACED || (conflicts && o == OUTCOME_CONFLICT))) {
            ret->keys[ret->n++] = fold_key(0, member_slot_of(r, i), i);
        }
    }
}

static uint32_t
slot_of_key(uint64_t key)
{
    return (uint32_t)(key >> 16 & 0xffff);
}

/* The newest carrier of the slot that the key of an applied entry stands for; FOLD_NONE if none. What a cancelled slot held is
 * out of force: of such a one only what the cancellation itself carries counts. */
static uint32_t
in_force(const struct member_row *r, const struct member_order *all, uint64_t filler_key)
{
    const uint32_t filler = (uint32_t)(filler_key & 0xffff);
    for (size_t i = all->n; i-- > 0;) {
        uint32_t entry = (uint32_t)(all->keys[i] & 0xffff);
        if (slot_of_key(all->keys[i]) == slot_of_key(filler_key) &&
            (entry == filler || r->entries[filler].kind != KIND_ENTRY_CANCELLED)) {
            return entry;
        }
    }
    return FOLD_NONE;
}

static bool
position_in_force(const struct member_row *r, uint8_t class, const struct subject_id *representative,
                  struct position *ret)
{
    struct member_order slots, all;
    carriers(r, class, representative, false, &all);
    if (all.n == 0) {
        return false;
    }
    member_order_of(r, &slots);
    for (size_t s = slots.n; s-- > 0;) {
        const struct member_entry *filler = member_order_at(r, &slots, s);
        uint32_t i = in_force(r, &all, slots.keys[s]);
        /* A correction may have named another representative: what is said about the first is void of meaning then. */
        if (i != FOLD_NONE && (representative == NULL || TYPE_EQ(&filler->other, representative))) {
            *ret = r->entries[i].at;
            return true;
        }
    }
    return false;
}

bool
member_capsule_position(const struct member_row *r, uint8_t class, struct position *ret)
{
    return position_in_force(r, class, NULL, ret);
}

bool
member_representative_capsule(const struct member_row *r, const struct subject_id *representative, uint8_t class,
                              struct position *ret)
{
    return position_in_force(r, class, representative, ret);
}

size_t
member_capsule_history(const struct member_row *r, uint8_t class, struct capsule_place *ret, size_t max)
{
    struct member_order all;
    carriers(r, class, NULL, true, &all);
    struct member_order by_day = {.n = all.n};
    for (size_t i = 0; i < all.n; i++) {
        uint32_t slot = slot_of_key(all.keys[i]); /* arrivals carry none */
        by_day.keys[i] =
            fold_key(r->entries[member_filler_of(r, slot)].effective.days, slot, (uint32_t)(all.keys[i] & 0xffff));
    }
    fold_sort(by_day.keys, by_day.n);
    for (size_t i = 0; i < by_day.n && i < max; i++) {
        uint32_t entry = (uint32_t)(by_day.keys[i] & 0xffff), slot = slot_of_key(by_day.keys[i]);
        uint32_t filler = member_filler_of(r, slot);
        uint32_t holds =
            r->entries[filler].outcome == OUTCOME_APPLIED ? in_force(r, &all, fold_key(0, slot, filler)) : FOLD_NONE;
        ret[i] = (struct capsule_place){
            .at = r->entries[entry].at, .effective = r->entries[filler].effective, .in_force = holds == entry};
    }
    return by_day.n;
}

int64_t
member_record_key(const struct subject_id *s)
{
    struct hash h = crypto_hash1("smart.record", slice_of(s->b, sizeof(s->b)));
    return (int64_t)be32_get(h.b);
}

/* ---- contributions ---- */

struct emission {
    int (*emit)(void *arg, const struct contribution *c);
    void *arg;
    const struct subject_id *subject;
    bool has_key;
    int64_t record_key;
};

/* Hashed only where a member is counted: subscribing shares counts none. */
static int64_t
record_key_of(struct emission *em)
{
    if (!em->has_key) {
        em->record_key = member_record_key(em->subject);
        em->has_key = true;
    }
    return em->record_key;
}

/* What of the state before a step its contribution needs; the whole state is too much to copy at every step. */
struct was {
    enum member_status status;
    uint8_t category, person_type, n_held;
    struct office_id office;
    struct member_owed held[CURRENCIES_OWED_MAX];
    int64_t owed_minor; /* in the currency of a repayment */
};

static void
look(struct member_fold *f, const struct member_entry *e, struct was *ret)
{
    ret->status = f->s.status;
    ret->category = f->s.category;
    ret->person_type = f->s.person_type;
    ret->office = f->s.office;
    ret->n_held = f->n_held;
    memcpy(ret->held, f->held, f->n_held * sizeof(f->held[0]));
    ret->owed_minor = 0;
    if (e->kind == KIND_SHARES_REPAID) {
        const struct member_owed *owed = member_money_find(f->s.owed, f->s.n_owed, e->currency);
        ret->owed_minor = owed != NULL ? owed->amount_minor : 0;
    }
}

/* One flow in a cell, and the members it adds or takes. */
static int
emit_flow(struct emission *em, const struct office_id *office, uint8_t category, uint8_t person_type,
          struct civil_date day, enum count flow, int members)
{
    struct contribution c;
    memset(&c, 0, sizeof(c));
    c.day = day;
    c.office = *office;
    c.category = category;
    c.person_type = person_type;
    c.v[flow] = 1;
    c.v[COUNT_MEMBERS] = members;
    c.v[COUNT_RECORD_KEYS] = members != 0 ? members * record_key_of(em) : 0;
    return em->emit(em->arg, &c);
}

static int
emit_before(struct emission *em, const struct was *was, struct civil_date day, enum count flow, int members)
{
    return emit_flow(em, &was->office, was->category, was->person_type, day, flow, members);
}

static int
emit_after(struct emission *em, const struct member_state *s, struct civil_date day, enum count flow, int members)
{
    return emit_flow(em, &s->office, s->category, s->person_type, day, flow, members);
}

/* shares, minor: which counters. */
static int
emit_capital(struct emission *em, struct civil_date day, const char *currency, int shares_at, int64_t shares,
             int minor_at, int64_t minor)
{
    struct contribution c;
    memset(&c, 0, sizeof(c));
    c.day = day;
    c.is_capital = true;
    memcpy(c.currency, currency, sizeof(c.currency));
    c.v[shares_at] = shares;
    c.v[minor_at] = minor;
    return em->emit(em->arg, &c);
}

/* All that was held goes, currency by currency in the order in which they came in. */
static int
emit_held(struct emission *em, const struct was *was, struct civil_date day, int shares_at, int minor_at)
{
    int rc = 0;
    for (uint8_t i = 0; i < was->n_held && rc == 0; i++) {
        const struct member_owed *h = &was->held[i];
        rc = emit_capital(em, day, h->currency, shares_at, (int64_t)h->shares, minor_at, h->amount_minor);
    }
    return rc;
}

static int
emit_moved_cell(struct emission *em, const struct was *was, const struct member_state *is, struct civil_date day)
{
    bool category = was->category != is->category;
    if (is->status != STATUS_MEMBER || (!category && TYPE_EQ(&was->office, &is->office))) {
        return 0;
    }
    int rc = emit_before(em, was, day, category ? COUNT_CHANGED_OUT : COUNT_RELOCATED_OUT, -1);
    return rc != 0 ? rc : emit_after(em, is, day, category ? COUNT_CHANGED_IN : COUNT_RELOCATED_IN, 1);
}

static enum count
flow_of_leaving(enum left_reason reason)
{
    switch (reason) {
    case LEFT_WITHDRAWN: return COUNT_WITHDRAWN;
    case LEFT_EXCLUDED: return COUNT_EXCLUDED;
    case LEFT_DECEASED: return COUNT_DECEASED;
    case LEFT_MOVED: return COUNT_MOVED_OUT;
    case LEFT_DOUBLE: return COUNT_MERGED;
    case LEFT_RESIGNED:
    case LEFT_NONE: break;
    }
    return COUNT_RESIGNED;
}

static int
emit_leaving(struct emission *em, const struct was *was, const struct member_state *is, struct civil_date day)
{
    int rc = emit_before(em, was, day, flow_of_leaving(is->left_reason), -1);
    return rc != 0 ? rc : emit_held(em, was, day, CAPITAL_SHARES_OUT, CAPITAL_MINOR_OUT);
}

/* What is owed passes on without a trace here: that it is owed was counted when it was left, and stays so. */
static int
emit_merged(struct emission *em, const struct was *was, struct civil_date day)
{
    int rc = emit_before(em, was, day, COUNT_MERGED, was->status == STATUS_MEMBER ? -1 : 0);
    return rc != 0 ? rc : emit_held(em, was, day, CAPITAL_SHARES_MERGED_OUT, CAPITAL_MINOR_MERGED_OUT);
}

static int
emit_repaid(struct emission *em, const struct member_entry *e, const struct was *was, struct member_state *is)
{
    int rc = emit_capital(em, e->effective, e->currency, CAPITAL_SHARES_REPAID, (int64_t)e->shares,
                          CAPITAL_MINOR_REPAID, e->amount_minor);
    int64_t forgone = was->owed_minor - e->amount_minor;
    if (rc != 0 || forgone == 0 || member_money_find(is->owed, is->n_owed, e->currency) != NULL) {
        return rc;
    }
    return emit_capital(em, e->effective, e->currency, CAPITAL_MINOR_FORGONE, forgone, CAPITAL_MINOR_FORGONE, forgone);
}

/* What one step from `was` to `is` adds. */
static int
emit_step(struct emission *em, const struct member_entry *e, const struct was *was, struct member_state *is)
{
    const struct civil_date day = e->effective;
    int rc = 0;
    switch (e->kind) {
    case KIND_APPLICATION_RECEIVED: return emit_after(em, is, day, COUNT_APPLIED, 0);
    case KIND_APPLICATION_REFUSED: return emit_after(em, is, day, COUNT_REFUSED, 0);
    case KIND_WITHDRAWAL_REQUESTED: return emit_after(em, is, day, COUNT_REQUESTED, 0);
    case KIND_WITHDRAWAL_REFUSED: return emit_after(em, is, day, COUNT_REQUEST_REFUSED, 0);
    case KIND_CATEGORY_CHANGED:
    case KIND_DATA_CHANGED: return emit_moved_cell(em, was, is, day);
    case KIND_WITHDRAWAL_GRANTED:
    case KIND_MEMBER_RESIGNED:
    case KIND_MEMBER_EXCLUDED:
    case KIND_MEMBER_DECEASED: return emit_leaving(em, was, is, day);
    case KIND_SHARES_REPAID: return emit_repaid(em, e, was, is);
    case KIND_MEMBER_MERGED: return emit_merged(em, was, day);
    case KIND_MEMBER_ABSORBED:
        if (e->shares == 0 || e->owed) {
            return 0;
        }
        return emit_capital(em, day, e->currency, CAPITAL_SHARES_MERGED_IN, (int64_t)e->shares, CAPITAL_MINOR_MERGED_IN,
                            e->amount_minor);
    case KIND_MEMBER_ADMITTED: rc = emit_after(em, is, day, COUNT_JOINED, 1); break;
    case KIND_DOUBLE_SETTLED:
        return was->status == STATUS_MEMBER && is->status != STATUS_MEMBER ? emit_leaving(em, was, is, day) : 0;
    case KIND_HANDOVER_COMPLETED:
        if (!e->arrival) {
            return emit_leaving(em, was, is, day);
        }
        if (was->status == STATUS_MEMBER) {
            rc = emit_before(em, was, day, COUNT_MOVED_OUT, -1);
            rc = rc != 0 ? rc : emit_held(em, was, day, CAPITAL_SHARES_OUT, CAPITAL_MINOR_OUT);
        }
        rc = rc != 0 ? rc : emit_after(em, is, day, COUNT_MOVED_IN, 1);
        break;
    default: break;
    }
    if (rc == 0 && (member_entry_brings_shares(e) || e->arrival)) {
        rc = emit_capital(em, day, e->currency, CAPITAL_SHARES_IN, (int64_t)e->shares, CAPITAL_MINOR_IN,
                          (int64_t)e->shares * e->share_price_minor);
    }
    return rc;
}

/* Contributions of the steps from the first-th on. */
static int
emit_from(const struct member_row *r, const struct member_order *o, size_t first,
          int (*emit)(void *arg, const struct contribution *c), void *arg)
{
    struct emission em = {.emit = emit, .arg = arg, .subject = &r->subject};
    struct member_fold f;
    struct was was;
    member_fold_start(&f);
    for (size_t i = 0; i < first; i++) {
        member_order_step(r, o, i, &f);
    }
    for (size_t i = first; i < o->n; i++) {
        const struct member_entry *e = member_order_at(r, o, i);
        look(&f, e, &was);
        member_order_step(r, o, i, &f);
        int rc = emit_step(&em, e, &was, &f.s);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

int
member_contributions(const struct member_row *r, int (*emit)(void *arg, const struct contribution *c), void *arg)
{
    struct member_order o;
    member_order_of(r, &o);
    return emit_from(r, &o, 0, emit, arg);
}

bool
member_last_adds(const struct member_row *r, const struct position *at, const enum outcome *before, size_t n)
{
    if (r->n != n + 1) {
        return false;
    }
    const struct member_entry *last = &r->entries[n];
    if (last->at.seq != at->seq || !TYPE_EQ(&last->at.log, &at->log) || last->outcome != OUTCOME_APPLIED ||
        last->n_refs > 0) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        const struct member_entry *e = &r->entries[i];
        /* An arrival may come after all else of its day. */
        int32_t end = last->effective.days - e->arrival;
        if (e->outcome != before[i] || (e->outcome == OUTCOME_APPLIED && e->effective.days > end)) {
            return false;
        }
    }
    return true;
}

int
member_last_contributions(const struct member_row *r, int (*emit)(void *arg, const struct contribution *c), void *arg)
{
    struct member_order o;
    member_order_of(r, &o);
    MUST(o.n > 0 && (o.keys[o.n - 1] & 0xffff) == r->n - 1);
    return emit_from(r, &o, o.n - 1, emit, arg);
}
