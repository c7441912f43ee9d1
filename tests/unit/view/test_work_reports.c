/* Reports of activity against a slow count over what the test itself wrote down, and the read queries of work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "node/view/view.h"
#include "tests/support/register.h"

enum { UNITS = 3, OFFICES = 2, SECTORS = 3, CURRENCIES = 3, WORKS = 90, PERSONS = 25, FIRST_YEAR = 2022, MONTHS = 40 };
enum { GUESTS = 8, PAGE = 7 };

static const char *const CODES[UNITS] = {"BE", "FR", "SE"};
static const char *const MONEY[CURRENCIES + 1] = {"", "EUR", "HUF", "SEK"};

static uint16_t
month_no(unsigned n)
{
    return (uint16_t)((FIRST_YEAR - 1900) * 12 + n);
}

static struct civil_date
month(unsigned n)
{
    return month_first(month_no(n));
}

static struct subject_id
office(unsigned n)
{
    struct subject_id s = {{0x0F, (uint8_t)n}};
    return s;
}

/* A cell by small numbers; office, sector and currency from 1, 0 = not asked for. */
struct place {
    unsigned office, sector, culture, currency;
};

/* What was written, by month number of the test. */
struct activity {
    struct subject_id id;
    unsigned opened, changed, closed; /* MONTHS: never */
    struct place first, then;
    bool cancelled;
};
struct invoice {
    struct subject_id id;
    unsigned month, credit_month;
    struct place place;
    int64_t amount, contribution, credited;
    bool cancelled, has_credit;
};
struct person {
    bool is[MONTHS];
    struct place place[MONTHS];
};

struct world {
    struct test_register r;
    struct test_unit units[UNITS];
    struct activity activities[UNITS][WORKS];
    struct invoice invoices[UNITS][WORKS];
    struct person persons[UNITS][PERSONS];
    struct db_txn *txn;
};

static struct place
draw(uint64_t *seed)
{
    return (struct place){1 + (unsigned)(test_random(seed) % OFFICES), 1 + (unsigned)(test_random(seed) % SECTORS),
                          (unsigned)(test_random(seed) % 2), 1 + (unsigned)(test_random(seed) % CURRENCIES)};
}

static struct activity_facets
facets(struct place p)
{
    return test_facets(office(p.office), (uint16_t)p.sector, p.culture != 0);
}

static void
write_activity(struct test_log *log, struct activity *a, uint32_t n, uint64_t *seed)
{
    a->id = test_subject(n);
    a->id.b[0] = 0xAC;
    a->opened = (unsigned)(test_random(seed) % MONTHS);
    a->changed = a->closed = MONTHS;
    a->first = a->then = draw(seed);
    test_activity(log, KIND_ACTIVITY_OPENED, a->id, month(a->opened), facets(a->first), NULL, 0);
    if (n % 7 == 3) {
        a->cancelled = true;
        test_cancel(log, KIND_ACTIVITY_CANCELLED, a->id, month(a->opened), test_ref(log, 0));
        return;
    }
    if (n % 2) {
        a->changed = a->opened + (unsigned)(test_random(seed) % (MONTHS - a->opened));
        a->then = draw(seed);
        test_activity(log, KIND_ACTIVITY_CHANGED, a->id, month(a->changed), facets(a->then), NULL, 0);
    }
    if (n % 3 == 0) {
        unsigned least = a->changed < MONTHS ? a->changed : a->opened;
        a->closed = least + (unsigned)(test_random(seed) % (MONTHS - least));
        struct event_payload p = test_payload(KIND_ACTIVITY_CLOSED, a->id, month(a->closed));
        test_log_event(log, &p, NULL, 0);
    }
}

static void
write_invoice(struct test_log *log, struct invoice *v, uint32_t n, uint64_t *seed)
{
    v->month = (unsigned)(test_random(seed) % MONTHS);
    v->id = test_invoice_id(month(v->month), n);
    v->place = draw(seed);
    v->amount = 1000 + (int64_t)(test_random(seed) % 1000000);
    test_invoice(log, v->id, facets(v->place), v->amount, MONEY[v->place.currency], NULL, 0);
    struct event_ref issued = test_ref(log, REF_CORRECTS);
    if (n % 4 == 1) {
        v->amount += 500;
        v->place = draw(seed);
        test_invoice(log, v->id, facets(v->place), v->amount, MONEY[v->place.currency], &issued, 1);
    }
    v->contribution = v->amount / 20;
    if (n % 3 == 1) {
        v->has_credit = true;
        v->credit_month = v->month + (unsigned)(test_random(seed) % (MONTHS - v->month));
        v->credited = v->amount / 2;
        test_credit(log, v->id, month(v->credit_month), v->credited, v->contribution / 2, NULL, 0);
    } else if (n % 5 == 2) {
        v->cancelled = true;
        test_cancel(log, KIND_INVOICE_CANCELLED, v->id, month(v->month), test_ref(log, 0));
    }
}

/* The pseudonyms of the first ones are the same at every unit: guests. */
static void
write_person(struct test_log *log, struct person *p, uint32_t unit, uint32_t n, uint64_t *seed)
{
    for (unsigned m = 0; m < MONTHS; m++) {
        struct subject_id pseudonym = test_subject((n < GUESTS ? 0 : unit * 1000) + n + m / 12 * 100);
        struct activity_cell c = {.currency = ""};
        if (test_random(seed) % 3 > 0)
            continue;
        p->place[m] = draw(seed);
        c.facets = facets(p->place[m]);
        memcpy(c.currency, MONEY[p->place[m].currency], 3);
        test_active(log, pseudonym, month(m), &c, 1);
        p->is[m] = test_random(seed) % 6 > 0;
        if (!p->is[m])
            test_active(log, pseudonym, month(m), NULL, 0);
    }
}

static void
write_unit(struct world *w, uint32_t u, uint64_t *seed)
{
    struct test_runs runs = {.n = 0};
    struct test_log log;
    test_unit_make(&w->units[u], CODES[u], (uint8_t)(u + 1));
    test_log_start(&log, &w->units[u], 1, NULL, 0);
    for (unsigned i = 1; i <= OFFICES; i++)
        test_event(&log, KIND_OFFICE_OPENED, office(i), month(0), NULL, 0);
    for (uint32_t i = 0; i < WORKS; i++) {
        write_activity(&log, &w->activities[u][i], i, seed);
        write_invoice(&log, &w->invoices[u][i], i, seed);
        if (i % 20 == 19)
            test_runs_take(&runs, &log);
    }
    for (uint32_t i = 0; i < PERSONS; i++) {
        write_person(&log, &w->persons[u][i], u, i, seed);
        test_runs_take(&runs, &log);
    }
    test_register_deliver_all(&w->r, &runs, 0);
    test_runs_release(&runs);
    test_log_release(&log);
}

static int
setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    uint64_t seed = 5;
    struct err err;
    assert_non_null(w);
    test_register_open(&w->r);
    w->r.fast = true;
    for (uint32_t u = 0; u < UNITS; u++)
        write_unit(w, u, &seed);
    assert_int_equal(apply_stats(w->r.apply).void_events, 0);
    assert_int_equal(db_begin_read(w->r.db, &w->txn, &err), 0);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;
    db_abort(&w->txn);
    test_register_close(&w->r);
    free(w);
    return 0;
}

/* ---- the slow count ---- */

static bool
in_place(const struct place *p, const struct place *asked, unsigned by, bool currency)
{
    return (!(by & PEOPLE_BY_OFFICE) || p->office == asked->office) &&
           (!(by & PEOPLE_BY_SECTOR) || p->sector == asked->sector) &&
           (!(by & PEOPLE_BY_CULTURE) || p->culture == asked->culture) && (!currency || p->currency == asked->currency);
}

/* Months a … b, both inclusive. */
static void
count_activities(const struct world *w, unsigned unit, unsigned a, unsigned b, unsigned by, const struct place *asked,
                 int64_t v[WORK_N])
{
    for (size_t i = 0; i < WORKS; i++) {
        const struct activity *x = &w->activities[unit][i];
        const struct place *at_end = x->changed <= b ? &x->then : &x->first;
        const struct place *at_close = x->changed < MONTHS ? &x->then : &x->first;
        if (x->cancelled)
            continue;
        v[WORK_OPENED] += x->opened >= a && x->opened <= b && in_place(&x->first, asked, by, false);
        v[WORK_CLOSED] += x->closed >= a && x->closed <= b && in_place(at_close, asked, by, false);
        if (x->opened <= b && x->closed > b && in_place(at_end, asked, by, false)) {
            v[WORK_OPEN]++;
            v[WORK_RECORD_KEYS] += member_record_key(&x->id);
        }
    }
}

static void
count_invoices(const struct world *w, unsigned unit, unsigned a, unsigned b, unsigned by, const struct place *asked,
               int64_t v[WORK_N])
{
    for (size_t i = 0; i < WORKS; i++) {
        const struct invoice *x = &w->invoices[unit][i];
        if (x->cancelled || !in_place(&x->place, asked, by, true))
            continue;
        if (x->month >= a && x->month <= b) {
            v[WORK_INVOICES]++;
            v[WORK_TURNOVER] += x->amount;
            v[WORK_CONTRIBUTION] += x->contribution;
            v[WORK_RECORD_KEYS] += member_record_key(&x->id);
        }
        if (x->has_credit && x->credit_month >= a && x->credit_month <= b) {
            v[WORK_CREDIT_NOTES]++;
            v[WORK_CREDITED] += x->credited;
            v[WORK_CONTRIBUTION_BACK] += x->contribution / 2;
        }
    }
}

static bool
was_active(const struct person *p, unsigned a, unsigned b, unsigned by, const struct place *asked)
{
    for (unsigned m = a; m <= b; m++)
        if (p->is[m] && in_place(&p->place[m], asked, by, (by & PEOPLE_BY_CURRENCY) != 0))
            return true;
    return false;
}

/* unit UNITS: everybody once. */
static int64_t
count_people(const struct world *w, unsigned unit, unsigned a, unsigned b, unsigned by, const struct place *asked)
{
    int64_t n = 0;
    for (unsigned i = 0; i < PERSONS; i++) {
        bool anywhere = false;
        for (unsigned u = 0; u < UNITS; u++) {
            bool here = (unit == UNITS || u == unit) && was_active(&w->persons[u][i], a, b, by, asked);
            n += here && !(i < GUESTS && anywhere);
            anywhere |= here;
        }
    }
    return n;
}

/* ---- reports against it ---- */

struct asked {
    unsigned from, to, by;
    enum report_span span;
};

static unsigned
period_end(const struct asked *q, unsigned first)
{
    unsigned last = q->span == SPAN_MONTHS ? first : q->span == SPAN_YEARS ? first - first % 12 + 11 : q->to;
    return last < q->to ? last : q->to;
}

static struct place
first_place(unsigned by)
{
    return (struct place){.office = (by & PEOPLE_BY_OFFICE) != 0, .sector = (by & PEOPLE_BY_SECTOR) != 0};
}

/* In the order of the report; false behind the last. */
static bool
next_place(struct place *p, unsigned by)
{
    struct place first = first_place(by);
    unsigned *parts[] = {&p->currency, &p->culture, &p->sector, &p->office};
    const unsigned starts[] = {0, 0, first.sector, first.office};
    const unsigned ends[] = {CURRENCIES, (by & PEOPLE_BY_CULTURE) != 0, first.sector * SECTORS, first.office * OFFICES};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (*parts[i] < ends[i]) {
            ++*parts[i];
            return true;
        }
        *parts[i] = starts[i];
    }
    return false;
}

static void
assert_cell(const struct activity_cell *c, const struct place *p)
{
    struct subject_id o = office(p->office);
    if (p->office == 0)
        memset(o.b, 0, sizeof(o.b));
    assert_memory_equal(c->facets.office.b, o.b, ID_BYTES);
    assert_int_equal(c->facets.sector, p->sector);
    assert_int_equal(c->facets.culture, p->culture);
    assert_string_equal(c->currency, MONEY[p->currency]);
}

/* The row of a unit (UNITS: of everybody), months a … b and a cell; 1, or 0 if there must be none. */
static size_t
assert_row(const struct world *w, unsigned unit, const struct asked *q, unsigned a, unsigned b, const struct place *p,
           const struct activity_report_row *row, bool there)
{
    static const struct unit_id nobody;
    int64_t v[WORK_N] = {0}, people = 0;
    bool known = a == b || (a % 12 == 0 && b == a + 11);
    bool counted = known && (p->currency != 0) == ((q->by & PEOPLE_BY_CURRENCY) != 0);
    bool any = false;
    if (unit < UNITS && p->currency == 0)
        count_activities(w, unit, a, b, q->by, p, v);
    else if (unit < UNITS)
        count_invoices(w, unit, a, b, q->by, p, v);
    if (counted)
        people = count_people(w, unit, a, b, q->by, p);
    for (size_t i = 0; i < WORK_N; i++)
        any |= v[i] != 0;
    if (!any && people == 0)
        return 0;
    assert_true(there);
    assert_memory_equal(row->unit.b, unit < UNITS ? w->units[unit].id.b : nobody.b, HASH_BYTES);
    assert_int_equal(row->period.days, month(a).days);
    assert_cell(&row->cell, p);
    assert_memory_equal(row->v, v, sizeof(v));
    assert_int_equal(row->has_people, counted);
    assert_int_equal(row->people, people);
    return 1;
}

/* Rows of one unit from rows[at] on; returns where the next unit's begin. */
static size_t
assert_unit(const struct world *w, unsigned unit, const struct asked *q, const struct activity_report_row *rows,
            size_t n, size_t at)
{
    for (unsigned a = q->from; a <= q->to; a = period_end(q, a) + 1) {
        struct place p = first_place(q->by);
        do
            at += assert_row(w, unit, q, a, period_end(q, a), &p, &rows[at], at < n);
        while (next_place(&p, q->by));
    }
    return at;
}

/* Units in the order of ids, as the report has them. */
static void
order_units(const struct world *w, unsigned order[UNITS])
{
    for (unsigned i = 0; i < UNITS; i++) {
        unsigned before = 0;
        for (unsigned k = 0; k < UNITS; k++)
            before += memcmp(&w->units[k].id, &w->units[i].id, HASH_BYTES) < 0;
        order[before] = i;
    }
}

static void
any_report_of_activity_equals_a_slow_count(void **state)
{
    struct world *w = *state;
    uint64_t seed = 77;
    size_t seen = 0, together = 0;
    unsigned order[UNITS] = {0};
    order_units(w, order);
    for (unsigned i = 0; i < 160; i++) {
        struct asked q = {.span = (enum report_span)(i % 3), .by = i % PEOPLE_SETS};
        struct activity_report report;
        struct err err;
        q.from = i % 7 == 0 ? 12 : (unsigned)(test_random(&seed) % MONTHS);
        q.to = i % 7 == 0 ? 23 : i % 5 == 0 ? q.from : q.from + (unsigned)(test_random(&seed) % (MONTHS - q.from));
        unsigned unit = (unsigned)(test_random(&seed) % (UNITS + 1));
        struct civil_date from = {month(q.from).days + 5}; /* any day of it */
        const struct unit_id *id = unit < UNITS ? &w->units[unit].id : NULL;
        assert_int_equal(report_activity(w->txn, id, from, month(q.to), q.span, q.by, &report, &err), 0);
        size_t at = 0;
        for (unsigned u = 0; u < UNITS; u++)
            if (unit == UNITS || order[u] == unit)
                at = assert_unit(w, order[u], &q, report.rows, report.n, at);
        assert_int_equal(at, report.n);
        assert_int_equal(report.has_all_units, unit == UNITS);
        at = unit == UNITS ? assert_unit(w, UNITS, &q, report.people_all, report.n_people_all, 0) : 0;
        assert_int_equal(at, report.n_people_all);
        together += at;
        seen += report.n;
        activity_report_release(&report);
    }
    assert_true(seen > 2000 && together > 100);
}

static void
a_span_that_is_none_is_refused_and_one_too_long_has_its_limit(void **state)
{
    struct world *w = *state;
    struct activity_report report;
    struct err err;
    struct civil_date never = {DATE_MAX.days + 1};
    assert_int_equal(report_activity(w->txn, NULL, month(3), month(2), SPAN_WHOLE, 0, &report, &err), ERR_INVALID);
    assert_string_equal(err.field, "from");
    assert_int_equal(report_activity(w->txn, NULL, month(3), never, SPAN_WHOLE, 0, &report, &err), ERR_INVALID);
    assert_string_equal(err.field, "to");
    assert_int_equal(report_activity(w->txn, NULL, DATE_MIN, DATE_MAX, SPAN_MONTHS, 15, &report, &err), ERR_LIMIT);
    assert_int_equal(report_activity(w->txn, NULL, DATE_MIN, DATE_MAX, SPAN_WHOLE, 0, &report, &err), 0);
    assert_true(report.n > 0);
    activity_report_release(&report);
}

/* ---- read queries ---- */

static void
activities_and_invoices_are_read_page_by_page(void **state)
{
    struct world *w = *state;
    const struct unit_id *unit = &w->units[1].id;
    struct activity_row activities[PAGE];
    struct invoice_row invoices[PAGE];
    struct subject_id after = {{0}};
    struct err err;
    size_t n, total = 0;
    do {
        assert_int_equal(view_activities(w->txn, unit, total == 0 ? NULL : &after, PAGE, activities, &n, &err), 0);
        for (size_t i = 0; i < n; i++) {
            assert_true(total + i == 0 || memcmp(after.b, activities[i].activity.b, ID_BYTES) < 0);
            after = activities[i].activity;
            activity_row_release(&activities[i]);
        }
        total += n;
    } while (n == PAGE);
    assert_int_equal(total, WORKS);
    total = 0;
    do {
        assert_int_equal(view_invoices(w->txn, unit, 0, total == 0 ? NULL : &after, PAGE, invoices, &n, &err), 0);
        for (size_t i = 0; i < n; i++) {
            assert_true(total + i == 0 || memcmp(after.b, invoices[i].invoice.b, ID_BYTES) < 0);
            after = invoices[i].invoice;
            invoice_row_release(&invoices[i]);
        }
        total += n;
    } while (n == PAGE);
    assert_int_equal(total, WORKS);
}

static void
the_invoices_of_a_month_are_read_wherever_the_page_before_ended(void **state)
{
    struct world *w = *state;
    struct invoice_row rows[PAGE];
    struct err err;
    size_t expected = 0, n;
    unsigned m = w->invoices[1][0].month;
    for (size_t i = 0; i < WORKS; i++)
        expected += w->invoices[1][i].month == m;
    assert_true(expected <= PAGE);
    struct subject_id before = test_invoice_id(month_first((uint16_t)(month_no(m) - 1)), 0);
    struct subject_id behind = test_invoice_id(month(m + 1), 0);
    const struct subject_id *starts[] = {NULL, &before, &behind};
    for (size_t k = 0; k < ARRAY_LEN(starts); k++) {
        assert_int_equal(view_invoices(w->txn, &w->units[1].id, month_no(m), starts[k], PAGE, rows, &n, &err), 0);
        assert_int_equal(n, k < 2 ? expected : 0);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(invoice_id_month(&rows[i].invoice), month_no(m));
            invoice_row_release(&rows[i]);
        }
    }
}

static void
one_row_is_read_or_not_there(void **state)
{
    struct world *w = *state;
    const struct unit_id *unit = &w->units[1].id;
    struct subject_id none = {{9}}, guest = test_subject(0);
    struct activity_row activity;
    struct invoice_row invoice;
    struct active_row active;
    struct period_row period;
    struct invoice_state s;
    struct err err;
    assert_int_equal(view_invoice(w->txn, unit, &w->invoices[1][0].id, &invoice, &err), 0);
    invoice_state_at(&invoice, DATE_MAX, &s);
    assert_int_equal(s.facts.amount_minor, w->invoices[1][0].amount);
    invoice_row_release(&invoice);
    assert_int_equal(view_activity(w->txn, unit, &w->activities[1][0].id, &activity, &err), 0);
    activity_row_release(&activity);
    assert_int_equal(view_active(w->txn, FIRST_YEAR, &guest, &active, &err), 0);
    assert_true(active.n > 0);
    active_row_release(&active);
    assert_int_equal(view_activity(w->txn, unit, &none, &activity, &err), ERR_NOTFOUND);
    assert_string_equal(err.field, "activity");
    assert_int_equal(view_invoice(w->txn, unit, &none, &invoice, &err), ERR_NOTFOUND);
    assert_string_equal(err.field, "invoice");
    assert_int_equal(view_active(w->txn, FIRST_YEAR, &none, &active, &err), ERR_NOTFOUND);
    assert_int_equal(view_period(w->txn, unit, FIRST_YEAR, &period, &err), ERR_NOTFOUND);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_report_of_activity_equals_a_slow_count),
        cmocka_unit_test(a_span_that_is_none_is_refused_and_one_too_long_has_its_limit),
        cmocka_unit_test(activities_and_invoices_are_read_page_by_page),
        cmocka_unit_test(the_invoices_of_a_month_are_read_wherever_the_page_before_ended),
        cmocka_unit_test(one_row_is_read_or_not_there),
    };
    return cmocka_run_group_tests_name("work reports", tests, setup, teardown);
}
