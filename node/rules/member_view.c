/* What a folded row says: the state on a day, the capsules in force, what it adds to the views. docs/PROTOCOL.md §10. */
#include "node/rules/member_step.h"

#include "proto/crypto.h"

static bool
brings_shares(const struct member_entry *e)
{
    return e->kind == KIND_MEMBER_ADMITTED || e->kind == KIND_SHARES_SUBSCRIBED;
}

/* Shares and money in one currency that the steps first … last brought in. At most SHARES_HELD_MAX shares at
 * SHARE_PRICE_MINOR_MAX each: the product fits. */
static void
sum_held(const struct member_row *r, const struct member_order *o, size_t first, size_t last, const char *currency,
         int64_t *ret_shares, int64_t *ret_minor)
{
    *ret_shares = 0;
    *ret_minor = 0;
    for (size_t i = first; i <= last; i++) {
        const struct member_entry *e = member_order_at(r, o, i);
        if (brings_shares(e) && memcmp(e->currency, currency, CURRENCY_MAX) == 0) {
            *ret_shares += (int64_t)e->shares;
            *ret_minor += (int64_t)e->shares * e->share_price_minor;
        }
    }
}

void
member_state_at(const struct member_row *r, struct civil_date as_of, struct member_state *ret)
{
    struct member_order o;
    struct member_fold f;
    size_t joined = 0, i = 0;
    member_order_of(r, &o);
    member_fold_start(&f);
    for (; i < o.n && member_order_at(r, &o, i)->effective.days <= as_of.days; i++) {
        joined = member_order_at(r, &o, i)->kind == KIND_MEMBER_ADMITTED ? i : joined;
        member_order_step(r, &o, i, &f);
    }
    if (f.s.status == STATUS_MEMBER) {
        int64_t shares;
        sum_held(r, &o, joined, i - 1, f.s.currency, &shares, &f.s.capital_minor);
    }
    if (r->n > 0) {
        f.s.last_change = r->entries[r->n - 1].at;
    }
    *ret = f.s;
}

static uint8_t
capsule_bit(uint8_t class)
{
    if (class == CLASS_KEY) {
        return 0x80;
    }
    return class >= 1 && class <= 5 ? (uint8_t)(1U << (class - 1)) : 0;
}

bool
member_capsule_position(const struct member_row *r, uint8_t class, struct position *ret)
{
    struct member_order slots, all;
    uint8_t bit = capsule_bit(class);
    member_order_of(r, &slots);
    all.n = 0;
    for (uint32_t i = 0; i < r->n; i++) {
        const struct member_entry *e = &r->entries[i];
        if ((e->capsule_mask & bit) != 0 && (e->outcome == OUTCOME_APPLIED || e->outcome == OUTCOME_REPLACED)) {
            all.keys[all.n++] = fold_key(0, member_slot_of(r, i), i);
        }
    }
    for (size_t s = slots.n; s-- > 0;) {
        for (size_t i = all.n; i-- > 0;) {
            if ((all.keys[i] >> 16 & 0xffff) == (slots.keys[s] >> 16 & 0xffff)) {
                *ret = r->entries[all.keys[i] & 0xffff].at;
                return true;
            }
        }
    }
    return false;
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
    int64_t record_key;
};

static struct contribution
cell(const struct member_state *s, struct civil_date day)
{
    struct contribution c;
    memset(&c, 0, sizeof(c));
    c.day = day;
    c.office = s->office;
    c.category = s->category;
    c.person_type = s->person_type;
    return c;
}

/* One flow in a cell, and the members it adds or takes. */
static int
emit_flow(const struct emission *em, const struct member_state *s, struct civil_date day, enum count flow, int members)
{
    struct contribution c = cell(s, day);
    c.v[flow] = 1;
    c.v[COUNT_MEMBERS] = members;
    c.v[COUNT_RECORD_KEYS] = members * em->record_key;
    return em->emit(em->arg, &c);
}

static int
emit_capital(const struct emission *em, struct civil_date day, const char *currency, bool in, int64_t shares,
             int64_t minor)
{
    struct contribution c;
    memset(&c, 0, sizeof(c));
    c.day = day;
    c.is_capital = true;
    memcpy(c.currency, currency, sizeof(c.currency));
    c.v[in ? CAPITAL_SHARES_IN : CAPITAL_SHARES_OUT] = shares;
    c.v[in ? CAPITAL_MINOR_IN : CAPITAL_MINOR_OUT] = minor;
    return em->emit(em->arg, &c);
}

/* All that is held goes out, currency by currency in the order in which they came in. */
static int
emit_repayment(const struct emission *em, const struct member_row *r, const struct member_order *o, size_t joined,
               size_t left)
{
    for (size_t i = joined; i < left; i++) {
        const struct member_entry *e = member_order_at(r, o, i);
        bool first = brings_shares(e);
        for (size_t k = joined; k < i && first; k++) {
            const struct member_entry *earlier = member_order_at(r, o, k);
            first = !brings_shares(earlier) || memcmp(earlier->currency, e->currency, CURRENCY_MAX) != 0;
        }
        if (!first) {
            continue;
        }
        int64_t shares, minor;
        sum_held(r, o, i, left, e->currency, &shares, &minor);
        int rc = emit_capital(em, member_order_at(r, o, left)->effective, e->currency, false, shares, minor);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int
emit_moved_cell(const struct emission *em, const struct member_state *was, const struct member_state *is,
                struct civil_date day)
{
    if (is->status != STATUS_MEMBER || (was->category == is->category && TYPE_EQ(&was->office, &is->office))) {
        return 0;
    }
    int rc = emit_flow(em, was, day, COUNT_CHANGED_OUT, -1);
    return rc != 0 ? rc : emit_flow(em, is, day, COUNT_CHANGED_IN, 1);
}

static enum count
flow_of_leaving(enum left_reason reason)
{
    switch (reason) {
    case LEFT_WITHDRAWN: return COUNT_WITHDRAWN;
    case LEFT_EXCLUDED: return COUNT_EXCLUDED;
    case LEFT_DECEASED: return COUNT_DECEASED;
    case LEFT_MOVED: return COUNT_MOVED_OUT;
    case LEFT_RESIGNED:
    case LEFT_NONE: break;
    }
    return COUNT_RESIGNED;
}

/* What one step from `was` to `is` adds, leaving aside (it needs the whole membership). */
static int
emit_step(const struct emission *em, const struct member_entry *e, const struct member_state *was,
          const struct member_state *is)
{
    int rc = 0;
    switch (e->kind) {
    case KIND_APPLICATION_RECEIVED: return emit_flow(em, is, e->effective, COUNT_APPLIED, 0);
    case KIND_APPLICATION_REFUSED: return emit_flow(em, is, e->effective, COUNT_REFUSED, 0);
    case KIND_WITHDRAWAL_REQUESTED: return emit_flow(em, is, e->effective, COUNT_REQUESTED, 0);
    case KIND_WITHDRAWAL_REFUSED: return emit_flow(em, is, e->effective, COUNT_REQUEST_REFUSED, 0);
    case KIND_CATEGORY_CHANGED:
    case KIND_DATA_CHANGED: return emit_moved_cell(em, was, is, e->effective);
    case KIND_MEMBER_ADMITTED: rc = emit_flow(em, is, e->effective, COUNT_JOINED, 1); break;
    default: break;
    }
    if (rc == 0 && brings_shares(e)) {
        rc = emit_capital(em, e->effective, e->currency, true, (int64_t)e->shares,
                          (int64_t)e->shares * e->share_price_minor);
    }
    return rc;
}

int
member_contributions(const struct member_row *r, int (*emit)(void *arg, const struct contribution *c), void *arg)
{
    struct emission em = {.emit = emit, .arg = arg, .record_key = member_record_key(&r->subject)};
    struct member_order o;
    struct member_fold f;
    size_t joined = 0;
    member_order_of(r, &o);
    member_fold_start(&f);
    for (size_t i = 0; i < o.n; i++) {
        const struct member_entry *e = member_order_at(r, &o, i);
        struct member_state was = f.s;
        member_order_step(r, &o, i, &f);
        joined = e->kind == KIND_MEMBER_ADMITTED ? i : joined;
        int rc;
        if (was.status == STATUS_MEMBER && f.s.status == STATUS_LEFT) {
            rc = emit_flow(&em, &was, e->effective, flow_of_leaving(f.s.left_reason), -1);
            rc = rc != 0 ? rc : emit_repayment(&em, r, &o, joined, i);
        } else {
            rc = emit_step(&em, e, &was, &f.s);
        }
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}
