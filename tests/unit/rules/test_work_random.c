/* Activities and invoices against §10 taken literally: random events in four logs of one unit, in random orders. After every event the row
 * folded bit by bit must be the row folded anew; in the end the bytes and what it adds to the views must be the same in every order, and what
 * is effective, the state and the sums must be those of a slow recomputation from the valid events. (Validity is one fold for all
 * kinds of rows: test_fold_random.) SEED=n replays one case, CASES=n sets their number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "node/rules/invoice.h"
#include "tests/support/rules_world.h"

enum { LOGS = 4, EVENTS = 16, ORDERS = 4, SUMS = 64, CASES = 3000 };

/* One event; the row that it goes to is the case's. */
struct happening {
    struct event_header h;
    struct event_payload p;
    struct position at;
};

struct test_case {
    uint64_t seed, random;
    struct world world;
    bool invoices;
    size_t n;
    struct happening ev[EVENTS];
    struct office_id offices[2];
};

struct sum {
    struct work_contribution c;
};
struct sums {
    size_t n;
    struct sum v[SUMS];
};

/* Either sort of row. */
struct either {
    bool invoices;
    struct activity_row a;
    struct invoice_row i;
};

static uint32_t
draw(struct test_case *c, uint32_t below)
{
    c->random += 0x9e3779b97f4a7c15u;
    return (uint32_t)(mix64(c->random) >> 33) % below;
}

/* ---- cases ---- */

static void
draw_event(struct test_case *c, size_t i, uint64_t *seqs)
{
    struct happening *x = &c->ev[i];
    /* Log 1 first, then 2 and 3 beside one another, then 4 after both. */
    uint8_t log = i < EVENTS / 3 ? 1 : i < EVENTS * 2 / 3 ? (uint8_t)(2 + draw(c, 2)) : (uint8_t)(2 + draw(c, 3));
    uint16_t first = c->invoices ? KIND_INVOICE_ISSUED : KIND_ACTIVITY_OPENED;
    uint16_t kinds = c->invoices ? 3 : 4;
    memset(x, 0, sizeof(*x));
    x->at = world_at(log, ++seqs[log]);
    x->h.kind = (uint16_t)(first + draw(c, kinds));
    x->h.kind = i == 0 || draw(c, 5) == 0 ? first : x->h.kind;
    x->h.kind_version = 1;
    if (draw(c, 2) == 0) {
        x->h.n_capsules = 1;
        x->h.capsules[0].class = CLASS_ACTIVITY;
    }
    bool cancels = x->h.kind == first + kinds - 1;
    if (i > 0 && (cancels || draw(c, 3) == 0)) {
        size_t to = draw(c, (uint32_t)i);
        x->h.kind = cancels ? x->h.kind : c->ev[to].h.kind;
        bool cancelled = x->h.kind == first + kinds - 1;
        x->h.refs[x->h.n_refs++] = world_ref(cancelled ? REF_CANCELS : REF_CORRECTS, c->ev[to].at);
    }
    x->p.kind = x->h.kind;
    x->p.common.has_effective = true;
    x->p.common.effective = date_from_ymd(2024, 1 + (int)draw(c, 6), 1);
    struct activity_facets facets = {
        .office = c->offices[draw(c, 2)], .sector = (uint16_t)(1 + draw(c, 2)), .culture = draw(c, 2) == 0};
    int64_t amount = 100 + (int64_t)draw(c, 900);
    if (x->h.kind == KIND_ACTIVITY_OPENED || x->h.kind == KIND_ACTIVITY_CHANGED) {
        x->p.activity = facets;
    } else if (x->h.kind == KIND_INVOICE_ISSUED) {
        x->p.common.effective = date_from_ymd(2024, 3, 1);
        x->p.invoice = (struct invoice_facts){.facets = facets,
                                              .amount_minor = amount,
                                              .currency = "SEK",
                                              .rate_bp = 1000,
                                              .contribution_minor = amount / 10};
    } else if (x->h.kind == KIND_INVOICE_CREDITED) {
        x->p.credit = (struct credit_facts){.amount_minor = amount / 2, .contribution_minor = (int64_t)draw(c, 50)};
    }
}

static void
draw_case(struct test_case *c, uint64_t seed)
{
    uint64_t seqs[LOGS + 1] = {0, 1, 1, 1, 1};
    memset(c, 0, sizeof(*c));
    c->seed = c->random = seed;
    c->invoices = draw(c, 2) == 0;
    c->n = 1 + draw(c, EVENTS);
    world_init(&c->world);
    world_add_log(&c->world, 1, world_at(0, 0), world_at(0, 0));
    world_add_log(&c->world, 2, world_at(1, 3 + draw(c, 6)), world_at(0, 0));
    world_add_log(&c->world, 3, world_at(1, 3 + draw(c, 6)), world_at(0, 0));
    world_add_log(&c->world, 4, world_at(2, 1 + draw(c, 6)), world_at(3, 1 + draw(c, 6)));
    c->offices[0] = world_office(&c->world, world_at(1, 1));
    c->offices[1] = world_office(&c->world, world_at(1, 1));
    for (size_t i = 0; i < c->n; i++) {
        draw_event(c, i, seqs);
    }
}

static void
fail_case(const struct test_case *c, const char *what)
{
    fail_msg("%s: %s; replay with SEED=%llu", c->invoices ? "invoices" : "activities", what,
             (unsigned long long)c->seed);
}

/* ---- rows ---- */

static void
row_start(struct either *r, const struct test_case *c)
{
    struct unit_id unit = {{1}};
    struct subject_id id = {{0}};
    be16_put(id.b, month_number(date_from_ymd(2024, 3, 1)));
    r->invoices = c->invoices;
    activity_row_init(&r->a, &unit, &id);
    invoice_row_init(&r->i, &unit, &id);
}

static void
row_end(struct either *r)
{
    activity_row_release(&r->a);
    invoice_row_release(&r->i);
}

static void
row_put(struct either *r, struct test_case *c, const struct happening *x)
{
    struct missing missing;
    struct activity_entry a;
    struct invoice_entry i;
    if (r->invoices) {
        invoice_entry_from_event(&x->at, &x->h, &x->p, &i);
        assert_int_equal(invoice_row_add(&r->i, &i, &c->world.w, &missing, NULL), 0);
        assert_int_equal(invoice_row_add(&r->i, &i, &c->world.w, &missing, NULL), 0);
    } else {
        activity_entry_from_event(&x->at, &x->h, &x->p, &a);
        assert_int_equal(activity_row_add(&r->a, &a, &c->world.w, &missing, NULL), 0);
        assert_int_equal(activity_row_add(&r->a, &a, &c->world.w, &missing, NULL), 0);
    }
}

static void
row_refold(struct either *r, struct test_case *c)
{
    struct missing missing;
    int rc = r->invoices ? invoice_row_refold(&r->i, &c->world.w, &missing, NULL)
                         : activity_row_refold(&r->a, &c->world.w, &missing, NULL);
    assert_int_equal(rc, 0);
}

static void
row_bytes(const struct either *r, struct buf *out)
{
    buf_init(out, MEMBER_ROW_BYTES_MAX);
    assert_int_equal(r->invoices ? invoice_row_encode(&r->i, out, NULL) : activity_row_encode(&r->a, out, NULL), 0);
}

static void
row_read(struct either *r, const struct buf *bytes, const struct test_case *c)
{
    struct either was = *r;
    row_start(r, c);
    assert_int_equal(r->invoices ? invoice_row_decode(buf_slice(bytes), &was.i.unit, &was.i.invoice, &r->i, NULL)
                                 : activity_row_decode(buf_slice(bytes), &was.a.unit, &was.a.activity, &r->a, NULL),
                     0);
    row_end(&was);
}

/* ---- sums ---- */

static int
add_up(void *arg, const struct work_contribution *c)
{
    struct sums *s = arg;
    size_t i = 0;
    while (i < s->n && (s->v[i].c.month.days != c->month.days || memcmp(s->v[i].c.currency, c->currency, 4) != 0 ||
                        !TYPE_EQ(&s->v[i].c.facets.office, &c->facets.office) ||
                        s->v[i].c.facets.sector != c->facets.sector || s->v[i].c.facets.culture != c->facets.culture)) {
        i++;
    }
    if (i == s->n) {
        assert_in_range(i, 0, SUMS - 1);
        s->v[s->n++].c = *c;
        return 0;
    }
    for (size_t k = 0; k < WORK_N; k++) {
        s->v[i].c.v[k] += c->v[k];
    }
    return 0;
}

/* What of a is not in b; zeros do not count. */
static bool
covered(const struct sums *a, const struct sums *b)
{
    struct sums both = *b;
    for (size_t i = 0; i < a->n; i++) {
        struct work_contribution minus = a->v[i].c;
        for (size_t k = 0; k < WORK_N; k++) {
            minus.v[k] = -minus.v[k];
        }
        (void)add_up(&both, &minus);
    }
    for (size_t i = 0; i < both.n; i++) {
        for (size_t k = 0; k < WORK_N; k++) {
            if (both.v[i].c.v[k] != 0) {
                return false;
            }
        }
    }
    return true;
}

static void
row_sums(const struct either *r, struct sums *ret)
{
    ret->n = 0;
    assert_int_equal(
        r->invoices ? invoice_contributions(&r->i, add_up, ret) : activity_contributions(&r->a, add_up, ret), 0);
}

/* ---- the slow way: from the valid events ---- */

static const struct happening *
happening_at(const struct test_case *c, const struct position *at)
{
    for (size_t i = 0; i < c->n; i++) {
        if (c->ev[i].at.seq == at->seq && TYPE_EQ(&c->ev[i].at.log, &at->log)) {
            return &c->ev[i];
        }
    }
    return NULL;
}

static const struct happening *
slot(const struct test_case *c, const struct happening *x)
{
    while (x->h.n_refs > 0) {
        struct position to = {.log = x->h.refs[0].log, .seq = x->h.refs[0].seq};
        x = happening_at(c, &to);
    }
    return x;
}

/* (depth, log id, seq) of logs 1 … 4: their numbers are in that order already. */
static bool
less(const struct happening *a, const struct happening *b)
{
    return a->at.log.b[0] != b->at.log.b[0] ? a->at.log.b[0] < b->at.log.b[0] : a->at.seq < b->at.seq;
}

static bool
comes_before(const struct test_case *c, const struct happening *a, const struct happening *b)
{
    int32_t x = a->p.common.effective.days, y = b->p.common.effective.days;
    return x != y ? x < y : less(slot(c, a), slot(c, b));
}

static enum outcome
outcome_in_row(const struct either *r, const struct happening *x)
{
    for (size_t i = 0; i < (r->invoices ? r->i.n : r->a.n); i++) {
        const struct position *at = r->invoices ? &r->i.entries[i].at : &r->a.entries[i].at;
        if (at->seq == x->at.seq && TYPE_EQ(&at->log, &x->at.log)) {
            return r->invoices ? r->i.entries[i].outcome : r->a.entries[i].outcome;
        }
    }
    return OUTCOME_UNKNOWN;
}

static bool
is_valid(const struct either *r, const struct happening *x)
{
    enum outcome o = outcome_in_row(r, x);
    return o == OUTCOME_APPLIED || o == OUTCOME_REPLACED || o == OUTCOME_CONFLICT;
}

struct slow {
    int phase; /* 0 none, 1 there, 2 closed */
    struct activity_facets facets;
    struct credit_facts invoiced, credited;
};

static void
slow_cell(struct sums *out, const struct happening *x, const struct activity_facets *facets, int what, int by,
          const struct subject_id *id)
{
    struct work_contribution w = {.month = x->p.common.effective, .facets = *facets};
    w.v[WORK_OPEN] = by;
    w.v[WORK_RECORD_KEYS] = by * member_record_key(id);
    if (what >= 0) {
        w.v[what] = 1;
    }
    (void)add_up(out, &w);
}

static bool
slow_activity(struct slow *s, const struct happening *x, struct sums *out, const struct subject_id *id)
{
    if (s->phase == 2 || (s->phase == 0) != (x->h.kind == KIND_ACTIVITY_OPENED)) {
        return false;
    }
    if (x->h.kind == KIND_ACTIVITY_CLOSED) {
        s->phase = 2;
        slow_cell(out, x, &s->facets, WORK_CLOSED, -1, id);
        return true;
    }
    if (s->phase == 1) {
        slow_cell(out, x, &s->facets, -1, -1, id);
    }
    slow_cell(out, x, &x->p.activity, s->phase == 0 ? (int)WORK_OPENED : -1, 1, id);
    s->facets = x->p.activity;
    s->phase = 1;
    return true;
}

static bool
slow_invoice(struct slow *s, const struct happening *x, struct sums *out, const struct subject_id *id)
{
    struct work_contribution w = {.month = x->p.common.effective, .currency = "SEK"};
    if ((s->phase == 0) != (x->h.kind == KIND_INVOICE_ISSUED)) {
        return false;
    }
    if (s->phase == 0) {
        s->phase = 1;
        s->facets = x->p.invoice.facets;
        s->invoiced = (struct credit_facts){x->p.invoice.amount_minor, x->p.invoice.contribution_minor};
        w.v[WORK_INVOICES] = 1;
        w.v[WORK_TURNOVER] = s->invoiced.amount_minor;
        w.v[WORK_CONTRIBUTION] = s->invoiced.contribution_minor;
        w.v[WORK_RECORD_KEYS] = member_record_key(id);
    } else {
        if (s->credited.amount_minor + x->p.credit.amount_minor > s->invoiced.amount_minor ||
            s->credited.contribution_minor + x->p.credit.contribution_minor > s->invoiced.contribution_minor) {
            return false;
        }
        s->credited.amount_minor += x->p.credit.amount_minor;
        s->credited.contribution_minor += x->p.credit.contribution_minor;
        w.v[WORK_CREDIT_NOTES] = 1;
        w.v[WORK_CREDITED] = x->p.credit.amount_minor;
        w.v[WORK_CONTRIBUTION_BACK] = x->p.credit.contribution_minor;
    }
    w.facets = s->facets;
    (void)add_up(out, &w);
    return true;
}

static void
check_state(const struct test_case *c, const struct either *r, const struct slow *s)
{
    struct activity_state a;
    struct invoice_state i;
    activity_state_at(&r->a, DATE_MAX, &a);
    invoice_state_at(&r->i, DATE_MAX, &i);
    bool there = c->invoices ? i.exists && !i.cancelled : a.exists;
    const struct activity_facets *facets = c->invoices ? &i.facts.facets : &a.facets;
    if (there != (s->phase > 0) || (!c->invoices && a.open != (s->phase == 1)) ||
        (there && (facets->sector != s->facets.sector || facets->culture != s->facets.culture ||
                   !TYPE_EQ(&facets->office, &s->facets.office))) ||
        (c->invoices && there &&
         (i.facts.amount_minor != s->invoiced.amount_minor || i.credited.amount_minor != s->credited.amount_minor ||
          i.credited.contribution_minor != s->credited.contribution_minor))) {
        fail_case(c, "another state than by the slow way");
    }
}

static void
check_slowly(const struct test_case *c, const struct either *r, const struct sums *fast)
{
    bool filler[EVENTS] = {false}, done[EVENTS] = {false};
    struct slow s;
    struct sums slow = {.n = 0};
    memset(&s, 0, sizeof(s));
    for (size_t i = 0; i < c->n; i++) {
        filler[i] = is_valid(r, &c->ev[i]);
        for (size_t k = 0; k < c->n && filler[i]; k++) {
            filler[i] = k == i || !is_valid(r, &c->ev[k]) || slot(c, &c->ev[k]) != slot(c, &c->ev[i]) ||
                        less(&c->ev[k], &c->ev[i]);
        }
        if (is_valid(r, &c->ev[i]) && !filler[i] && outcome_in_row(r, &c->ev[i]) != OUTCOME_REPLACED) {
            fail_case(c, "an event whose place was taken is effective");
        }
    }
    for (;;) {
        size_t next = c->n;
        for (size_t i = 0; i < c->n; i++) {
            if (filler[i] && !done[i] && (next == c->n || comes_before(c, &c->ev[i], &c->ev[next]))) {
                next = i;
            }
        }
        if (next == c->n) {
            break;
        }
        done[next] = true;
        const struct happening *x = &c->ev[next];
        bool ok =
            x->h.kind == KIND_ACTIVITY_CANCELLED || x->h.kind == KIND_INVOICE_CANCELLED ||
            (c->invoices ? slow_invoice(&s, x, &slow, &r->i.invoice) : slow_activity(&s, x, &slow, &r->a.activity));
        if (outcome_in_row(r, x) != (ok ? OUTCOME_APPLIED : OUTCOME_CONFLICT)) {
            fail_case(c, "an event is effective in one way only");
        }
    }
    check_state(c, r, &s);
    if (!covered(fast, &slow)) {
        fail_case(c, "other sums than by the slow way");
    }
}

/* ---- orders ---- */

static void
run_order(struct test_case *c, const size_t *order, struct buf *ret, struct sums *ret_sums)
{
    struct either r;
    row_start(&r, c);
    c->world.n_hidden = 0;
    for (size_t i = 0; i < c->n; i++) {
        world_hide(&c->world, c->ev[i].at);
    }
    for (size_t k = 0; k < c->n; k++) {
        struct buf step, anew;
        world_hold(&c->world, c->ev[order[k]].at);
        row_put(&r, c, &c->ev[order[k]]);
        row_bytes(&r, &step);
        row_refold(&r, c);
        row_bytes(&r, &anew);
        if (!slice_eq(buf_slice(&step), buf_slice(&anew))) {
            fail_case(c, "another row when folded anew");
        }
        if (draw(c, 3) == 0) {
            row_read(&r, &step, c);
        }
        buf_free(&step);
        buf_free(&anew);
    }
    row_bytes(&r, ret);
    row_sums(&r, ret_sums);
    check_slowly(c, &r, ret_sums);
    row_end(&r);
}

static void
run_case(uint64_t seed)
{
    struct test_case c;
    struct buf first = {0}, other;
    struct sums sums[2];
    size_t order[EVENTS];
    draw_case(&c, seed);
    for (size_t i = 0; i < c.n; i++) {
        order[i] = i;
    }
    for (size_t o = 0; o < ORDERS; o++) {
        run_order(&c, order, o == 0 ? &first : &other, &sums[o > 0]);
        if (o > 0) {
            if (!slice_eq(buf_slice(&first), buf_slice(&other)) || !covered(&sums[0], &sums[1])) {
                fail_case(&c, "another row in another order");
            }
            buf_free(&other);
        }
        for (size_t i = c.n; i > 1; i--) {
            size_t k = draw(&c, (uint32_t)i), t = order[i - 1];
            order[i - 1] = order[k];
            order[k] = t;
        }
    }
    buf_free(&first);
    world_release(&c.world);
}

static void
rows_are_a_function_of_the_set_of_events(void **state)
{
    const char *seed = getenv("SEED"), *cases = getenv("CASES");
    uint64_t n = cases != NULL ? strtoull(cases, NULL, 10) : CASES;
    if (seed != NULL) {
        run_case(strtoull(seed, NULL, 10));
        return;
    }
    for (uint64_t s = 1; s <= n; s++) {
        run_case(s);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_a_function_of_the_set_of_events),
    };
    return cmocka_run_group_tests_name("work_random", tests, NULL, NULL);
}
