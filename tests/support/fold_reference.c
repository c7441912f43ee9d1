/* See fold_reference.h. Nothing here is shared with node/rules, so that a mistake would have to be made twice. */
#include "tests/support/fold_reference.h"

static bool
ref_covers(const struct ref_case *c, size_t log, const struct position *a)
{
    for (size_t k = 0; k < 2; k++) {
        const struct position *p = &c->before[log][k];
        if (p->seq > 0 &&
            ((TYPE_EQ(&p->log, &a->log) && a->seq <= p->seq) || ref_covers(c, (size_t)(p->log.b[0] & 15), a))) {
            return true;
        }
    }
    return false;
}

static bool
ref_before(const struct ref_case *c, const struct position *a, const struct position *b)
{
    if (TYPE_EQ(&a->log, &b->log)) {
        return a->seq < b->seq;
    }
    return ref_covers(c, (size_t)(b->log.b[0] & 15), a);
}

static uint32_t
ref_depth(const struct ref_case *c, size_t log)
{
    uint32_t depth = 1;
    for (size_t k = 0; k < 2; k++) {
        if (c->before[log][k].seq > 0) {
            uint32_t d = 1 + ref_depth(c, (size_t)(c->before[log][k].log.b[0] & 15));
            depth = d > depth ? d : depth;
        }
    }
    return depth;
}

/* (depth, log id, seq) of a against b. */
static bool
ref_less(const struct ref_case *c, size_t a, size_t b)
{
    const struct position *p = &c->ev[a].e.at, *q = &c->ev[b].e.at;
    uint32_t dp = ref_depth(c, (size_t)(p->log.b[0] & 15)), dq = ref_depth(c, (size_t)(q->log.b[0] & 15));
    if (dp != dq) {
        return dp < dq;
    }
    int by_id = memcmp(p->log.b, q->log.b, 32);
    return by_id != 0 ? by_id < 0 : p->seq < q->seq;
}

int
ref_find(const struct ref_case *c, const struct event_ref *r)
{
    for (size_t i = 0; i < c->n; i++) {
        if (c->ev[i].held && c->ev[i].e.at.seq == r->seq && TYPE_EQ(&c->ev[i].e.at.log, &r->log)) {
            return (int)i;
        }
    }
    return -1;
}

static bool
ref_target_held(const struct ref_case *c, const struct event_ref *r)
{
    if (TYPE_EQ(&r->log, &c->stranger.log) && r->seq == c->stranger.seq) {
        return true;
    }
    return ref_find(c, r) >= 0;
}

static bool
ref_chain_fits(const struct event_ref *r)
{
    struct position at = {.log = r->log, .seq = r->seq};
    struct chain_value v = world_chain(&at);
    return TYPE_EQ(&v, &r->chain);
}

static bool
ref_shape_ok(const struct member_entry *e)
{
    bool role[10] = {false};
    for (int k = 0; k < e->n_refs; k++) {
        if (role[e->refs[k].role]) {
            return false;
        }
        role[e->refs[k].role] = true;
    }
    if (e->kind == KIND_APPLICATION_REFUSED || e->kind == KIND_ENTRY_CANCELLED) {
        return role[e->kind == KIND_ENTRY_CANCELLED ? 9 : 3];
    }
    return (e->kind != KIND_WITHDRAWAL_GRANTED && e->kind != KIND_WITHDRAWAL_REFUSED) || role[4];
}

static void
ref_pasts(const struct ref_case *c, struct reference *r)
{
    bool changed = true;
    while (changed) {
        changed = false;
        for (size_t i = 0; i < c->n; i++) {
            for (size_t j = 0; j < c->n; j++) {
                if (!c->ev[i].held || !c->ev[j].held || r->past[i][j]) {
                    continue;
                }
                bool in = ref_before(c, &c->ev[j].e.at, &c->ev[i].e.at);
                const struct member_entry *e = &c->ev[i].e;
                for (int k = 0; k < e->n_refs && ref_shape_ok(e); k++) {
                    in = in || (ref_chain_fits(&e->refs[k]) && ref_find(c, &e->refs[k]) == (int)j);
                }
                for (size_t m = 0; m < c->n; m++) {
                    in = in || (r->past[i][m] && r->past[m][j]);
                }
                if (in) {
                    r->past[i][j] = true;
                    changed = true;
                }
            }
        }
    }
}

static size_t
ref_slot(const struct ref_case *c, size_t i)
{
    for (int k = 0; k < c->ev[i].e.n_refs; k++) {
        if (c->ev[i].e.refs[k].role == 2 || c->ev[i].e.refs[k].role == 9) {
            return ref_slot(c, (size_t)ref_find(c, &c->ev[i].e.refs[k]));
        }
    }
    return i;
}

const char ref_currencies[REF_CURRENCIES][4] = {"EUR", "SEK", "HUF", "CHF", "PLN"};

struct ref_money {
    uint64_t shares;
    int64_t minor;
};

struct ref_state {
    char at; /* n applied: a, r, m, l, d(eceased), x = merged */
    int category, type;
    struct ref_money held[REF_CURRENCIES], owed[REF_CURRENCIES];
    int request; /* slot, or −1 */
    bool represents[REF_PEOPLE], consent[REF_PURPOSES];
};

static size_t
ref_currency(const struct member_entry *e)
{
    size_t i = 0;
    while (i < REF_CURRENCIES && memcmp(ref_currencies[i], e->currency, 4) != 0) {
        i++;
    }
    return i;
}

/* Shares, in all ref_currencies, and in how many: held and owed together, with so much more. */
static bool
ref_fits(const struct ref_state *s, size_t currency, uint64_t shares, int64_t minor)
{
    uint64_t all = shares;
    int n = 0;
    for (size_t i = 0; i < REF_CURRENCIES; i++) {
        all += s->held[i].shares + s->owed[i].shares;
        n += s->held[i].shares + s->owed[i].shares > 0 || i == currency;
    }
    return all <= 1000000000 && n <= 4 &&
           s->held[currency].minor + s->owed[currency].minor + minor <= INT64_C(1000000000000000000);
}

static void
ref_add(struct ref_money *m, uint64_t shares, int64_t minor)
{
    m->shares += shares;
    m->minor += minor;
}

static void
ref_leave(struct ref_state *s, char to)
{
    for (size_t i = 0; i < REF_CURRENCIES; i++) {
        if (to != 'x') {
            ref_add(&s->owed[i], s->held[i].shares, s->held[i].minor);
        }
        s->held[i] = (struct ref_money){0};
    }
    s->request = -1;
    s->at = to;
}

/* Kinds 44 to 50. */
static int
ref_step_more(struct ref_state *s, const struct member_entry *e, int not_member)
{
    if (e->kind == 44) {
        struct ref_money *owed = &s->owed[ref_currency(e)];
        if (s->at == 'n') {
            return VOID_NOT_MEMBER;
        }
        if (e->shares > owed->shares || e->amount_minor > owed->minor) {
            return VOID_OWED;
        }
        ref_add(owed, -e->shares, -e->amount_minor);
        owed->minor = owed->shares == 0 ? 0 : owed->minor;
        return 0;
    }
    if (s->at == 'n') {
        return VOID_NOT_MEMBER;
    }
    if (e->kind == 47) {
        ref_leave(s, 'x');
        return 0;
    }
    if (e->kind == 48) {
        if (e->shares == 0) {
            return 0;
        }
        if (!e->owed && s->at != 'm') {
            return not_member;
        }
        if (!ref_fits(s, ref_currency(e), e->shares, e->amount_minor)) {
            return VOID_SHARES;
        }
        ref_add(e->owed ? &s->owed[ref_currency(e)] : &s->held[ref_currency(e)], e->shares, e->amount_minor);
        return 0;
    }
    if (s->at == 'd' && e->kind != 46) {
        return VOID_DECEASED;
    }
    bool *has = e->kind <= 46 ? &s->represents[e->other.b[0]] : &s->consent[e->purpose - 1];
    if (e->kind <= 46 && s->type != 2) {
        return VOID_NOT_LEGAL;
    }
    bool begins = e->kind == 45 || e->kind == 49;
    if (*has == begins && e->kind != 49) {
        return e->kind == 45 ? VOID_REPRESENTS : e->kind == 46 ? VOID_REPRESENTS_NOT : VOID_CONSENT_NOT_GIVEN;
    }
    *has = begins;
    return 0;
}

/* Kinds 32 and 34. */
static int
ref_enter(struct ref_state *s, const struct member_entry *e)
{
    bool member = s->at == 'm';
    if (s->at == 'd') {
        return VOID_DECEASED;
    }
    if (member) {
        return VOID_ALREADY_MEMBER;
    }
    if (e->kind == 32 && s->at == 'a') {
        return VOID_ALREADY_APPLIED;
    }
    if (e->kind == 34) {
        if (!ref_fits(s, ref_currency(e), e->shares, (int64_t)e->shares * e->share_price_minor)) {
            return VOID_SHARES;
        }
        ref_add(&s->held[ref_currency(e)], e->shares, (int64_t)e->shares * e->share_price_minor);
    }
    s->at = e->kind == 32 ? 'a' : 'm';
    s->category = e->category;
    s->type = e->person_type;
    return 0;
}

/* The table of §10: 0 or the reason why it is impossible. */
static int
ref_step(struct ref_state *s, const struct member_entry *e, size_t slot, int request)
{
    bool member = s->at == 'm';
    int not_member = s->at == 'd' ? VOID_DECEASED : s->at == 'l' ? VOID_LEFT : VOID_NOT_MEMBER;
    if (s->at == 'x') {
        return VOID_MERGED;
    }
    if (e->kind >= 44) {
        return ref_step_more(s, e, not_member);
    }
    if (e->kind == 32 || e->kind == 34) {
        return ref_enter(s, e);
    }
    if (e->kind == 33) {
        if (s->at == 'a') {
            s->at = 'r';
            return 0;
        }
        return s->at == 'd' ? VOID_DECEASED : VOID_NOT_APPLICANT;
    }
    if (e->kind == 37) {
        return s->at == 'n' ? VOID_NOT_MEMBER : 0;
    }
    if (!member) {
        return not_member;
    }
    switch (e->kind) {
    case 35:
        if (!ref_fits(s, ref_currency(e), e->shares, (int64_t)e->shares * e->share_price_minor)) {
            return VOID_SHARES;
        }
        ref_add(&s->held[ref_currency(e)], e->shares, (int64_t)e->shares * e->share_price_minor);
        return 0;
    case 36:
        if (s->category == e->category) {
            return VOID_SAME_CATEGORY;
        }
        if (s->type == 2 && e->category != 3) {
            return VOID_CATEGORY_PERSON;
        }
        s->category = e->category;
        return 0;
    case 38:
        if (s->request >= 0) {
            return VOID_REQUEST_OPEN;
        }
        s->request = (int)slot;
        return 0;
    case 39:
    case 40:
        if (s->request < 0) {
            return VOID_NO_REQUEST;
        }
        if (s->request != request) {
            return VOID_REFERENCE;
        }
        s->request = -1;
        if (e->kind == 39) {
            ref_leave(s, 'l');
        }
        return 0;
    default: ref_leave(s, e->kind == 43 ? 'd' : 'l'); return 0;
    }
}

/* Folds a set: result[i] = 0 effective, > 0 skipped for that reason, −1 not a filler of the set. */
static void
ref_fold(const struct ref_case *c, const bool *set, int *result)
{
    size_t order[REF_EVENTS], slot[REF_EVENTS], n = 0;
    for (size_t i = 0; i < c->n; i++) {
        result[i] = -1;
        bool filler = set[i];
        for (size_t j = 0; j < c->n && filler; j++) {
            filler = !(set[j] && j != i && ref_slot(c, j) == ref_slot(c, i) && ref_less(c, i, j));
        }
        if (!filler) {
            continue;
        }
        size_t k = n++;
        size_t s = ref_slot(c, i);
        for (; k > 0; k--) {
            int32_t d = c->ev[order[k - 1]].e.effective.days, mine = c->ev[i].e.effective.days;
            if (d < mine || (d == mine && ref_less(c, slot[k - 1], s))) {
                break;
            }
            order[k] = order[k - 1];
            slot[k] = slot[k - 1];
        }
        order[k] = i;
        slot[k] = s;
    }
    struct ref_state s = {.at = 'n', .request = -1};
    for (size_t k = 0; k < n; k++) {
        const struct member_entry *e = &c->ev[order[k]].e;
        int request = -1;
        for (int m = 0; m < e->n_refs; m++) {
            if (e->refs[m].role == 4) {
                request = (int)ref_slot(c, (size_t)ref_find(c, &e->refs[m]));
            }
        }
        result[order[k]] = e->kind == KIND_ENTRY_CANCELLED ? 0 : ref_step(&s, e, slot[k], request);
    }
}

static void ref_judge(const struct ref_case *c, struct reference *r, size_t i);

static bool
ref_office_known(const struct ref_case *c, const struct member_entry *e)
{
    size_t number = e->office.b[0];
    return number >= 1 && number <= c->world.n_offices && ref_before(c, &c->world.opened[number - 1], &e->at);
}

static int
ref_refs(const struct ref_case *c, const struct reference *r, size_t i)
{
    const struct member_entry *e = &c->ev[i].e;
    for (int k = 0; k < e->n_refs; k++) {
        if (!ref_target_held(c, &e->refs[k])) {
            return OUTCOME_WAITING;
        }
    }
    for (int k = 0; k < e->n_refs; k++) {
        int t = ref_find(c, &e->refs[k]);
        uint16_t kind = e->refs[k].role == 2 ? e->kind : e->refs[k].role == 3 ? 32 : 38;
        if (t < 0 || !ref_chain_fits(&e->refs[k]) || r->outcome[t] != OUTCOME_APPLIED) {
            return OUTCOME_VOID;
        }
        bool fits = e->refs[k].role == 9 ? c->ev[t].e.kind != KIND_ENTRY_CANCELLED : c->ev[t].e.kind == kind;
        if (!fits) {
            return OUTCOME_VOID;
        }
    }
    return OUTCOME_APPLIED;
}

static void
ref_judge(const struct ref_case *c, struct reference *r, size_t i)
{
    if (r->outcome[i] != 0) {
        return;
    }
    const struct member_entry *e = &c->ev[i].e;
    bool s[REF_EVENTS] = {false}, unknown = e->kind > 51, waiting = false;
    for (size_t j = 0; j < c->n; j++) {
        if (r->past[i][j]) {
            ref_judge(c, r, j);
            s[j] = r->outcome[j] == OUTCOME_APPLIED;
            unknown = unknown || r->outcome[j] == OUTCOME_UNKNOWN;
            waiting = waiting || r->outcome[j] == OUTCOME_WAITING;
        }
    }
    if (unknown || waiting) {
        r->outcome[i] = unknown ? OUTCOME_UNKNOWN : OUTCOME_WAITING;
        return;
    }
    int refs = ref_shape_ok(e) ? ref_refs(c, r, i) : OUTCOME_VOID;
    r->outcome[i] = refs;
    r->reason[i] = refs == OUTCOME_VOID ? VOID_REFERENCE : 0;
    if (refs != OUTCOME_APPLIED) {
        return;
    }
    if (e->has_office && !ref_office_known(c, e)) {
        r->outcome[i] = OUTCOME_VOID;
        r->reason[i] = VOID_NO_OFFICE;
        return;
    }
    int before[REF_EVENTS], after[REF_EVENTS];
    ref_fold(c, s, before);
    s[i] = true;
    ref_fold(c, s, after);
    int reason = after[i] > 0 ? after[i] : after[i] < 0 ? VOID_REFERENCE : 0;
    for (size_t j = 0; j < c->n && reason == 0; j++) {
        bool took_its_place = ref_slot(c, j == i || !s[j] ? i : j) == ref_slot(c, i);
        if (j != i && s[j] && before[j] == 0 && after[j] != 0 && !took_its_place) {
            reason = VOID_MAKES_IMPOSSIBLE;
        }
    }
    r->outcome[i] = reason == 0 ? OUTCOME_APPLIED : OUTCOME_VOID;
    r->reason[i] = reason;
}

void
ref_outcomes(const struct ref_case *c, struct reference *r)
{
    bool all[REF_EVENTS] = {false};
    int result[REF_EVENTS];
    memset(r, 0, sizeof(*r));
    ref_pasts(c, r);
    for (size_t i = 0; i < c->n; i++) {
        if (c->ev[i].held) {
            ref_judge(c, r, i);
            all[i] = r->outcome[i] == OUTCOME_APPLIED;
        }
    }
    ref_fold(c, all, result);
    for (size_t i = 0; i < c->n; i++) {
        if (all[i]) {
            r->outcome[i] = result[i] == 0 ? OUTCOME_APPLIED : result[i] < 0 ? OUTCOME_REPLACED : OUTCOME_CONFLICT;
            r->reason[i] = result[i] > 0 ? result[i] : 0;
        }
    }
}
