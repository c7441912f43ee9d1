/* Shares and money: what is held and owed by currency, and the lines of the share register. docs/PROTOCOL.md §10. */
#include "node/rules/member_step.h"

struct member_owed *
member_money_find(struct member_owed *list, size_t n, const char *currency)
{
    for (size_t i = 0; i < n; i++) {
        if (memcmp(list[i].currency, currency, CURRENCY_MAX) == 0) {
            return &list[i];
        }
    }
    return NULL;
}

void
member_money_add(struct member_owed *list, uint8_t *n, const char *currency, uint64_t shares, int64_t minor)
{
    struct member_owed *m = member_money_find(list, *n, currency);
    if (m == NULL) {
        m = &list[(*n)++];
        memset(m, 0, sizeof(*m));
        memcpy(m->currency, currency, CURRENCY_MAX);
    }
    m->shares += shares;
    m->amount_minor += minor;
}

/* Adds one list to what is counted in sum; the minor units only of the currency. */
static void
count(const struct member_owed *list, size_t n, const char *currency, struct member_owed *sum)
{
    for (size_t i = 0; i < n; i++) {
        sum->shares += list[i].shares;
        if (memcmp(list[i].currency, currency, CURRENCY_MAX) == 0) {
            sum->amount_minor += list[i].amount_minor;
        }
    }
}

bool
member_money_fits(struct member_fold *f, const char *currency, uint64_t shares, int64_t minor)
{
    struct member_owed sum = {.shares = shares, .amount_minor = minor};
    struct member_state *s = &f->s;
    count(f->held, f->n_held, currency, &sum);
    count(s->owed, s->n_owed, currency, &sum);
    size_t currencies = s->n_owed;
    for (uint8_t i = 0; i < f->n_held; i++) {
        currencies += member_money_find(s->owed, s->n_owed, f->held[i].currency) == NULL;
    }
    currencies += member_money_find(s->owed, s->n_owed, currency) == NULL &&
                  member_money_find(f->held, f->n_held, currency) == NULL;
    return sum.shares <= SHARES_HELD_MAX && sum.amount_minor <= MEMBER_MINOR_MAX && currencies <= CURRENCIES_OWED_MAX;
}

bool
member_entry_brings_shares(const struct member_entry *e)
{
    return e->kind == KIND_MEMBER_ADMITTED || e->kind == KIND_SHARES_SUBSCRIBED;
}

/* ---- questions of a desk ---- */

size_t
member_held_at(const struct member_row *r, struct civil_date as_of, struct member_owed ret[CURRENCIES_OWED_MAX])
{
    struct member_fold f;
    member_fold_to(r, as_of, &f);
    memcpy(ret, f.held, f.n_held * sizeof(f.held[0]));
    return f.n_held;
}

/* What was paid for the first n shares that an event brought. Of an absorbed record only the sum is known. */
static int64_t
paid_for(const struct member_entry *e, uint64_t n)
{
    if (e->kind != KIND_MEMBER_ABSORBED) {
        return (int64_t)n * e->share_price_minor;
    }
    int64_t shares = (int64_t)e->shares, k = (int64_t)n;
    return e->amount_minor / shares * k + e->amount_minor % shares * k / shares;
}

/* What was paid for the shares after the first `skip` and up to the first `end` of a currency. */
static int64_t
paid_between(const struct member_row *r, const struct member_order *o, struct civil_date as_of, const char *currency,
             uint64_t skip, uint64_t end)
{
    uint64_t seen = 0;
    int64_t minor = 0;
    for (size_t i = 0; i < o->n && member_order_at(r, o, i)->effective.days <= as_of.days; i++) {
        const struct member_entry *e = member_order_at(r, o, i);
        bool brings = member_entry_brings_shares(e) || e->arrival || (e->kind == KIND_MEMBER_ABSORBED && e->shares > 0);
        if (!brings || memcmp(e->currency, currency, CURRENCY_MAX) != 0) {
            continue;
        }
        uint64_t from = skip > seen ? skip - seen : 0, to = end > seen ? end - seen : 0;
        from = from < e->shares ? from : e->shares;
        to = to < e->shares ? to : e->shares;
        minor += paid_for(e, to) - paid_for(e, from);
        seen += e->shares;
    }
    return minor;
}

bool
member_owed_for(const struct member_row *r, struct civil_date as_of, const char *currency, uint64_t shares,
                int64_t *ret_minor)
{
    struct member_state s;
    struct member_order o;
    uint64_t repaid = 0;
    member_state_at(r, as_of, &s);
    const struct member_owed *owed = member_money_find(s.owed, s.n_owed, currency);
    if (owed == NULL || shares > owed->shares) {
        return false;
    }
    if (shares == owed->shares) {
        *ret_minor = owed->amount_minor;
        return true;
    }
    member_order_of(r, &o);
    for (size_t i = 0; i < o.n && member_order_at(r, &o, i)->effective.days <= as_of.days; i++) {
        const struct member_entry *e = member_order_at(r, &o, i);
        bool same = e->kind == KIND_SHARES_REPAID && memcmp(e->currency, currency, CURRENCY_MAX) == 0;
        repaid += same ? e->shares : 0;
    }
    int64_t minor = paid_between(r, &o, as_of, currency, repaid, repaid + shares);
    *ret_minor = minor < owed->amount_minor ? minor : owed->amount_minor;
    return true;
}

/* ---- what passes on by a merge ---- */

bool
member_passed_on(const struct member_row *r, struct member_passed *ret)
{
    struct member_order o;
    struct member_fold f;
    bool merged = false; /* hardly any is, and every change asks */
    for (size_t i = 0; i < r->n && !merged; i++) {
        merged = r->entries[i].kind == KIND_MEMBER_MERGED && r->entries[i].outcome == OUTCOME_APPLIED;
    }
    if (!merged) {
        return false;
    }
    member_order_of(r, &o);
    member_fold_start(&f);
    for (size_t i = 0; i < o.n; i++) {
        const struct member_entry *e = member_order_at(r, &o, i);
        if (e->kind == KIND_MEMBER_MERGED) {
            *ret = (struct member_passed){.into = e->other, .n_held = f.n_held, .n_owed = f.s.n_owed};
            memcpy(ret->held, f.held, sizeof(ret->held));
            memcpy(ret->owed, f.s.owed, sizeof(ret->owed));
            return true;
        }
        member_order_step(r, &o, i, &f);
    }
    return false;
}

/* Whatever the order. */
static bool
money_equal(const struct member_owed *a, size_t n_a, const struct member_owed *b, size_t n_b)
{
    for (size_t i = 0; i < n_a && n_a == n_b; i++) {
        const struct member_owed *m = NULL;
        for (size_t k = 0; k < n_b && m == NULL; k++) {
            m = memcmp(a[i].currency, b[k].currency, CURRENCY_MAX) == 0 ? &b[k] : NULL;
        }
        if (m == NULL || m->shares != a[i].shares || m->amount_minor != a[i].amount_minor) {
            return false;
        }
    }
    return n_a == n_b;
}

bool
member_passed_equal(const struct member_passed *a, const struct member_passed *b)
{
    return money_equal(a->held, a->n_held, b->held, b->n_held) && money_equal(a->owed, a->n_owed, b->owed, b->n_owed);
}

int64_t
capital_shares(const int64_t *v)
{
    return v[CAPITAL_SHARES_IN] - v[CAPITAL_SHARES_OUT] + v[CAPITAL_SHARES_MERGED_IN] - v[CAPITAL_SHARES_MERGED_OUT];
}

int64_t
capital_minor(const int64_t *v)
{
    return v[CAPITAL_MINOR_IN] - v[CAPITAL_MINOR_OUT] + v[CAPITAL_MINOR_MERGED_IN] - v[CAPITAL_MINOR_MERGED_OUT];
}

/* ---- the share register ---- */

static bool
moves_shares(uint16_t kind)
{
    switch (kind) {
    case KIND_MEMBER_ADMITTED:
    case KIND_SHARES_SUBSCRIBED:
    case KIND_WITHDRAWAL_GRANTED:
    case KIND_MEMBER_RESIGNED:
    case KIND_MEMBER_EXCLUDED:
    case KIND_MEMBER_DECEASED:
    case KIND_SHARES_REPAID:
    case KIND_MEMBER_MERGED:
    case KIND_MEMBER_ABSORBED:
    case KIND_HANDOVER_COMPLETED:
    case KIND_HANDOVER_RECEIVED:
    case KIND_DOUBLE_SETTLED: return true;
    default: return false;
    }
}

bool
member_share_operation(const struct member_row *r, const struct member_entry *e)
{
    if (e->outcome != OUTCOME_APPLIED && e->outcome != OUTCOME_REPLACED && e->outcome != OUTCOME_CONFLICT) {
        return false;
    }
    if (e->kind != KIND_ENTRY_CANCELLED) {
        return moves_shares(e->kind) && !e->arrival;
    }
    if (e->n_refs == 0) {
        return false;
    }
    uint32_t target = member_index_of(r, &e->refs[0].log, e->refs[0].seq);
    return target != FOLD_NONE && moves_shares(r->entries[target].kind);
}

static struct share_line
line_of(const struct member_entry *e)
{
    struct share_line l = {.effective = e->effective, .stands = e->outcome == OUTCOME_APPLIED};
    memcpy(l.currency, e->currency, sizeof(l.currency));
    return l;
}

/* All that was held before the event goes, currency by currency. */
static size_t
lines_out(const struct member_entry *e, const struct member_fold *before, struct share_line *ret, size_t max)
{
    size_t n = 0;
    for (; n < before->n_held && n < max; n++) {
        const struct member_owed *h = &before->held[n];
        ret[n] = line_of(e);
        memcpy(ret[n].currency, h->currency, sizeof(ret[n].currency));
        ret[n].shares = -(int64_t)h->shares;
        ret[n].minor = -h->amount_minor;
    }
    return n;
}

/* before: the fold up to the event, which is an applied one. */
static size_t
lines_of(const struct member_entry *e, const struct member_fold *before, struct share_line *ret, size_t max)
{
    struct share_line l = line_of(e);
    switch (e->kind) {
    case KIND_MEMBER_ADMITTED:
    case KIND_SHARES_SUBSCRIBED:
        l.shares = (int64_t)e->shares;
        l.minor = (int64_t)e->shares * e->share_price_minor;
        break;
    case KIND_SHARES_REPAID:
        l.repaid_shares = (int64_t)e->shares;
        l.repaid_minor = e->amount_minor;
        break;
    case KIND_MEMBER_ABSORBED:
        l.shares = e->owed ? 0 : (int64_t)e->shares;
        l.minor = e->owed ? 0 : e->amount_minor;
        break;
    case KIND_WITHDRAWAL_GRANTED:
    case KIND_MEMBER_RESIGNED:
    case KIND_MEMBER_EXCLUDED:
    case KIND_MEMBER_DECEASED:
    case KIND_MEMBER_MERGED:
    case KIND_HANDOVER_COMPLETED:
        if (before->n_held > 0) {
            return lines_out(e, before, ret, max);
        }
        break;
    case KIND_DOUBLE_SETTLED:
        if (e->settled == DOUBLE_THIS_GIVEN_UP && before->n_held > 0) {
            return lines_out(e, before, ret, max);
        }
        break;
    default: break;
    }
    ret[0] = l;
    return 1;
}

/* What an arrival brought is in the register of the new home with its own event, the first that received it. */
static struct share_line
line_of_reception(const struct member_row *r, const struct member_entry *e)
{
    struct share_line l = line_of(e);
    const struct event_ref *ref = e->n_refs > 0 ? &e->refs[0] : NULL;
    uint32_t a = ref != NULL ? member_index_of(r, &ref->log, ref->seq) : FOLD_NONE;
    if (a == FOLD_NONE || !r->entries[a].arrival) {
        return l;
    }
    const struct member_entry *arrival = &r->entries[a];
    bool first = true;
    for (const struct member_entry *p = r->entries; p < e && first; p++) {
        first = p->kind != e->kind || p->outcome != OUTCOME_APPLIED || p->n_refs == 0 || p->refs[0].seq != ref->seq ||
                !TYPE_EQ(&p->refs[0].log, &ref->log);
    }
    l.effective = arrival->effective;
    memcpy(l.currency, arrival->currency, sizeof(l.currency));
    l.stands = l.stands && first && arrival->outcome == OUTCOME_APPLIED;
    l.shares = l.stands ? (int64_t)arrival->shares : 0;
    l.minor = l.stands ? (int64_t)arrival->shares * arrival->share_price_minor : 0;
    return l;
}

size_t
member_share_lines(const struct member_row *r, size_t i, struct share_line *ret, size_t max)
{
    struct member_order o;
    struct member_fold f;
    if (max == 0) {
        return 0;
    }
    if (r->entries[i].kind == KIND_HANDOVER_RECEIVED) {
        ret[0] = line_of_reception(r, &r->entries[i]);
        return 1;
    }
    member_order_of(r, &o);
    member_fold_start(&f);
    for (size_t k = 0; k < o.n && r->entries[i].outcome == OUTCOME_APPLIED; k++) {
        if (member_order_at(r, &o, k) == &r->entries[i]) {
            return lines_of(&r->entries[i], &f, ret, max);
        }
        member_order_step(r, &o, k, &f);
    }
    ret[0] = line_of(&r->entries[i]);
    return 1;
}
