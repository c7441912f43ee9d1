/* The share register, the figures of a year, and how a closed year shows what changed since. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "node/view/view.h"
#include "tests/support/register.h"

enum { MEMBERS = 60, FIRST_DAY = 18000, SPAN = 1500, PAGE = 7, OPERATIONS_MAX = 2000 };

static const struct subject_id OFFICE = {{0x0F, 1}};
static const char *const CURRENCIES[] = {"EUR", "SEK"};

static struct civil_date
on(int days)
{
    return (struct civil_date){FIRST_DAY + days};
}

static void
subscribe(struct test_log *log, struct subject_id s, struct civil_date d, uint64_t shares, int64_t price,
          const char *currency)
{
    struct event_payload p = test_payload(KIND_SHARES_SUBSCRIBED, s, d);
    p.shares.shares = shares;
    p.shares.share_price_minor = price;
    memcpy(p.shares.currency, currency, 3);
    test_log_event(log, &p, NULL, 0);
}

static void
repay(struct test_log *log, struct subject_id s, struct civil_date d, uint64_t shares, int64_t amount,
      const char *currency)
{
    struct event_payload p = test_payload(KIND_SHARES_REPAID, s, d);
    p.repaid.shares = shares;
    p.repaid.amount_minor = amount;
    memcpy(p.repaid.currency, currency, 3);
    test_log_event(log, &p, NULL, 0);
}

static void
merge(struct test_log *log, struct subject_id from, struct subject_id into, struct civil_date d, uint64_t shares,
      int64_t amount)
{
    struct event_payload p = test_payload(KIND_MEMBER_MERGED, from, d);
    p.other = into;
    test_log_event(log, &p, NULL, 0);
    p = test_payload(KIND_MEMBER_ABSORBED, into, d);
    p.absorbed.from = from;
    p.absorbed.brought.shares = shares;
    p.absorbed.brought.amount_minor = amount;
    memcpy(p.absorbed.brought.currency, "EUR", 3);
    test_log_event(log, &p, NULL, 0);
}

/* A life with shares in two currencies; every so often merged, cancelled, corrected. */
static void
live(struct test_log *log, uint32_t n, uint64_t *seed)
{
    struct subject_id s = test_subject(n);
    int d = (int)(test_random(seed) % (SPAN / 2));
    uint64_t first = 1 + test_random(seed) % 5;
    test_admission(log, s, on(d), OFFICE, CATEGORY_A, first); /* at 3,000 EUR cents */
    if (n % 6 == 5) {
        merge(log, s, test_subject(n - 1), on(SPAN), first, (int64_t)first * 3000);
        return;
    }
    for (uint64_t i = test_random(seed) % 3; i > 0; i--)
        subscribe(log, s, on(d += (int)(test_random(seed) % 100)), 1 + test_random(seed) % 4, 3000,
                  CURRENCIES[test_random(seed) % 2]);
    if (n % 5 == 1)
        test_cancel(log, KIND_ENTRY_CANCELLED, s, on(d), test_ref(log, 0));
    if (n % 6 == 4 || test_random(seed) % 2)
        return;
    d += (int)(test_random(seed) % 100);
    test_event(log, KIND_MEMBER_RESIGNED, s, on(d), NULL, 0);
    struct event_ref resigned = test_ref(log, REF_CORRECTS);
    d += 10;
    if (n % 4 == 0)
        test_event(log, KIND_MEMBER_RESIGNED, s, on(d), &resigned, 1);
    if (test_random(seed) % 2)
        repay(log, s, on(d + 50), 1, n % 3 == 0 ? 1000 : 3000, "EUR"); /* void where no EUR share is owed */
}

struct world {
    struct test_register r;
    struct test_unit u;
    struct test_log logs[2];
    struct db_txn *txn;
};

static void
world_open(struct world *w)
{
    uint64_t seed = 31;
    struct test_runs runs = {.n = 0};
    struct err err;
    test_register_open(&w->r);
    w->r.fast = true;
    test_unit_make(&w->u, "BE", 1);
    for (uint32_t l = 0; l < 2; l++) {
        struct log_predecessor p = l > 0 ? test_log_at(&w->logs[0]) : (struct log_predecessor){.seq = 0};
        test_log_start(&w->logs[l], &w->u, l + 1, &p, l);
        test_event(&w->logs[l], KIND_OFFICE_OPENED, OFFICE, on(-10), NULL, 0);
        for (uint32_t i = 0; i < MEMBERS / 2; i++) {
            live(&w->logs[l], l * MEMBERS / 2 + i, &seed);
            if (i % 10 == 9)
                test_runs_take(&runs, &w->logs[l]);
        }
    }
    test_register_deliver_all(&w->r, &runs, 0);
    test_register_check(&w->r);
    test_runs_release(&runs);
    assert_int_equal(db_begin_read(w->r.db, &w->txn, &err), 0);
}

static void
world_close(struct world *w)
{
    db_abort(&w->txn);
    test_log_release(&w->logs[0]);
    test_log_release(&w->logs[1]);
    test_register_close(&w->r);
}

static size_t
read_operations(struct world *w, struct share_operation *ret)
{
    struct err err;
    size_t total = 0, n;
    do {
        const uint8_t *key = total > 0 ? ret[total - 1].key : NULL;
        assert_true(total + PAGE <= OPERATIONS_MAX);
        assert_int_equal(view_share_operations(w->txn, &w->u.id, total, key, PAGE, &ret[total], &n, &err), 0);
        total += n;
    } while (n == PAGE);
    return total;
}

struct capital {
    int64_t shares, minor[2], repaid_shares, repaid_minor[2], owed_shares, owed_minor[2], merged;
};

static size_t
currency_at(const char *currency)
{
    return memcmp(currency, CURRENCIES[0], 3) == 0 ? 0 : 1;
}

static void
sum_lines(const struct share_operation *ops, size_t n, struct civil_date d, struct capital *ret)
{
    *ret = (struct capital){.shares = 0};
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < ops[i].n_lines; k++) {
            const struct share_line *l = &ops[i].lines[k];
            if (!l->stands || l->effective.days > d.days)
                continue;
            size_t c = currency_at(l->currency);
            ret->shares += l->shares;
            ret->minor[c] += l->minor;
            ret->repaid_shares += l->repaid_shares;
            ret->repaid_minor[c] += l->repaid_minor;
        }
    }
}

/* From the state of each member on the day. */
static void
sum_members(struct world *w, struct civil_date d, struct capital *ret)
{
    *ret = (struct capital){.shares = 0};
    for (uint32_t i = 0; i < MEMBERS; i++) {
        struct member_row row;
        struct member_state s;
        assert_true(test_register_member(&w->r, &w->u.id, test_subject(i), &row));
        member_state_at(&row, d, &s);
        ret->shares += (int64_t)s.shares;
        ret->merged += s.status == STATUS_MERGED;
        for (size_t k = 0; k < s.n_owed; k++) {
            ret->owed_shares += (int64_t)s.owed[k].shares;
            ret->owed_minor[currency_at(s.owed[k].currency)] += s.owed[k].amount_minor;
        }
        member_row_release(&row);
    }
}

static void
sum_report(struct world *w, struct civil_date d, struct capital *ret)
{
    struct report report;
    struct err err;
    *ret = (struct capital){.shares = 0};
    assert_int_equal(report_members(w->txn, &w->u.id, d, BY_NOTHING, &report, &err), 0);
    for (size_t i = 0; i < report.n_capital; i++) {
        const int64_t *v = report.capital[i].v;
        size_t c = currency_at(report.capital[i].currency);
        ret->shares +=
            v[CAPITAL_SHARES_IN] - v[CAPITAL_SHARES_OUT] + v[CAPITAL_SHARES_MERGED_IN] - v[CAPITAL_SHARES_MERGED_OUT];
        ret->minor[c] +=
            v[CAPITAL_MINOR_IN] - v[CAPITAL_MINOR_OUT] + v[CAPITAL_MINOR_MERGED_IN] - v[CAPITAL_MINOR_MERGED_OUT];
        ret->repaid_shares += v[CAPITAL_SHARES_REPAID];
        ret->repaid_minor[c] += v[CAPITAL_MINOR_REPAID];
        ret->owed_shares += v[CAPITAL_SHARES_OUT] - v[CAPITAL_SHARES_REPAID];
        ret->owed_minor[c] += v[CAPITAL_MINOR_OUT] - v[CAPITAL_MINOR_REPAID] - v[CAPITAL_MINOR_FORGONE];
    }
    ret->merged = report.rows[0].counts[COUNT_MERGED];
    report_release(&report);
}

static void
the_share_register_numbers_what_was_recorded_and_sums_to_the_capital(void **arg)
{
    struct world w;
    struct share_operation *ops = calloc(OPERATIONS_MAX, sizeof(*ops));
    uint64_t seed = 8;
    int64_t repaid = 0, owed = 0, merged = 0;
    (void)arg;
    assert_non_null(ops);
    world_open(&w);
    size_t n = read_operations(&w, ops);
    assert_int_equal(n, test_register_rows(&w.r, TABLE_SHARE_OPS));
    assert_true(n > MEMBERS);
    for (size_t i = 0; i < n; i++) {
        bool later = i > 0 && TYPE_EQ(&ops[i].at.log, &ops[i - 1].at.log);
        assert_int_equal(ops[i].number, i + 1);
        assert_true(i == 0 || (later ? ops[i].at.seq > ops[i - 1].at.seq : TYPE_EQ(&ops[i].at.log, &w.logs[1].id)));
        assert_true(ops[i].n_lines > 0);
    }
    for (int i = 0; i < 60; i++) {
        struct civil_date d = i == 0 ? DATE_MAX : on((int)(test_random(&seed) % (SPAN + 100)));
        struct capital lines, members, report;
        sum_lines(ops, n, d, &lines);
        sum_members(&w, d, &members);
        sum_report(&w, d, &report);
        assert_int_equal(report.shares, lines.shares);
        assert_int_equal(report.shares, members.shares);
        assert_int_equal(report.repaid_shares, lines.repaid_shares);
        assert_int_equal(report.owed_shares, members.owed_shares);
        assert_int_equal(report.merged, members.merged);
        for (size_t c = 0; c < ARRAY_LEN(CURRENCIES); c++) {
            assert_int_equal(report.minor[c], lines.minor[c]);
            assert_int_equal(report.repaid_minor[c], lines.repaid_minor[c]);
            assert_int_equal(report.owed_minor[c], members.owed_minor[c]);
        }
        repaid += report.repaid_shares;
        owed += report.owed_minor[1];
        merged += report.merged;
    }
    assert_true(repaid > 0 && owed > 0 && merged > 0);
    /* A page of one, from the middle. */
    struct share_operation one;
    struct err err;
    size_t got;
    assert_int_equal(view_share_operations(w.txn, &w.u.id, 5, ops[4].key, 1, &one, &got, &err), 0);
    assert_int_equal(got, 1);
    assert_int_equal(one.number, 6);
    assert_memory_equal(&one.at, &ops[5].at, sizeof(one.at));
    assert_int_equal(view_share_operations(w.txn, &w.u.id, n, ops[n - 1].key, 1, &one, &got, &err), 0);
    assert_int_equal(got, 0);
    world_close(&w);
    free(ops);
}

/* ---- figures ---- */

static struct civil_date
day(int month, int d)
{
    return date_from_ymd(2024, month, d);
}

static int64_t
figure(const struct period_figure *v, size_t n, uint16_t number, uint8_t category, const char *currency)
{
    for (size_t i = 0; i < n; i++)
        if (v[i].number == number && v[i].category == category && strcmp(v[i].currency, currency) == 0)
            return v[i].value;
    return INT64_MIN;
}

static void
figures_of(struct test_register *r, const struct test_unit *u, struct period_figure *ret, size_t *n)
{
    struct db_txn *txn;
    struct err err;
    assert_int_equal(db_begin_read(r->db, &txn, &err), 0);
    assert_int_equal(report_figures(txn, &u->id, 2024, ret, n, &err), 0);
    db_abort(&txn);
}

static size_t
adjustments_of(struct test_register *r, const struct test_unit *u, struct adjustment *ret)
{
    struct db_txn *txn;
    struct period_row row;
    struct err err;
    size_t n;
    assert_int_equal(db_begin_read(r->db, &txn, &err), 0);
    assert_int_equal(view_period(txn, &u->id, 2024, &row, &err), 0);
    assert_int_equal(row.closed_on.days, date_from_ymd(2025, 2, 1).days);
    assert_int_equal(report_adjustments(txn, &row, ret, &n, &err), 0);
    period_row_release(&row);
    db_abort(&txn);
    return n;
}

static void
write_year(struct test_log *log, struct subject_id *ret_invoice)
{
    struct activity_facets f = test_facets(OFFICE, 2, true);
    struct activity_cell c = {.facets = f, .currency = "EUR"};
    test_event(log, KIND_OFFICE_OPENED, OFFICE, date_from_ymd(2020, 1, 1), NULL, 0);
    test_admission(log, test_subject(1), date_from_ymd(2023, 5, 1), OFFICE, CATEGORY_A, 2);
    test_admission(log, test_subject(2), date_from_ymd(2023, 5, 1), OFFICE, CATEGORY_B, 1);
    test_admission(log, test_subject(3), day(3, 1), OFFICE, CATEGORY_A, 4);
    test_category(log, test_subject(3), day(4, 1), CATEGORY_C);
    test_event(log, KIND_MEMBER_RESIGNED, test_subject(2), day(6, 1), NULL, 0);
    repay(log, test_subject(2), day(7, 1), 1, 3000, "EUR");
    *ret_invoice = test_invoice_id(day(2, 1), 1);
    test_invoice(log, *ret_invoice, f, 20000, "EUR", NULL, 0);
    test_credit(log, *ret_invoice, day(5, 1), 5000, 250, NULL, 0);
    test_invoice(log, test_invoice_id(day(8, 1), 2), f, 90000, "SEK", NULL, 0);
    test_active(log, test_subject(71), day(2, 1), &c, 1);
    test_active(log, test_subject(71), day(8, 1), &c, 1);
    test_active(log, test_subject(72), day(8, 1), &c, 1);
}

/* Of what write_year wrote. */
static const struct period_figure EXPECTED[] = {
    {FIGURE_MEMBERS, 0, "", 2},
    {FIGURE_MEMBERS, CATEGORY_A, "", 1},
    {FIGURE_MEMBERS, CATEGORY_C, "", 1},
    {FIGURE_JOINED, 0, "", 1},
    {FIGURE_JOINED, CATEGORY_A, "", 1},
    {FIGURE_RESIGNED, 0, "", 1},
    {FIGURE_RESIGNED, CATEGORY_B, "", 1},
    {FIGURE_CHANGED_IN, 0, "", 1},
    {FIGURE_CHANGED_OUT, CATEGORY_A, "", 1},
    {FIGURE_DECEASED, 0, "", 0},
    {FIGURE_SHARES, 0, "", 6},
    {FIGURE_CAPITAL, 0, "EUR", 18000},
    {FIGURE_SHARES_SUBSCRIBED, 0, "", 4},
    {FIGURE_CAPITAL_SUBSCRIBED, 0, "EUR", 12000},
    {FIGURE_SHARES_ENDED, 0, "", 1},
    {FIGURE_CAPITAL_ENDED, 0, "EUR", 3000},
    {FIGURE_SHARES_REPAID, 0, "", 1},
    {FIGURE_CAPITAL_REPAID, 0, "EUR", 3000},
    {FIGURE_INVOICES, 0, "", 2},
    {FIGURE_TURNOVER, 0, "EUR", 20000},
    {FIGURE_TURNOVER, 0, "SEK", 90000},
    {FIGURE_CONTRIBUTION, 0, "SEK", 4500},
    {FIGURE_CREDIT_NOTES, 0, "", 1},
    {FIGURE_CREDITED, 0, "EUR", 5000},
    {FIGURE_CONTRIBUTION_BACK, 0, "EUR", 250},
    {FIGURE_ACTIVE_PEOPLE, 0, "", 2},
};

/* By what came after the year was closed. */
static const struct adjustment CHANGED[] = {
    {{FIGURE_MEMBERS, 0, "", 2}, 1},          {{FIGURE_MEMBERS, CATEGORY_A, "", 1}, 0},
    {{FIGURE_DECEASED, 0, "", 0}, 1},         {{FIGURE_DECEASED, CATEGORY_A, "", 0}, 1},
    {{FIGURE_SHARES, 0, "", 6}, 4},           {{FIGURE_CAPITAL, 0, "EUR", 18000}, 12000},
    {{FIGURE_SHARES_ENDED, 0, "", 1}, 3},     {{FIGURE_CAPITAL_ENDED, 0, "EUR", 3000}, 9000},
    {{FIGURE_INVOICES, 0, "", 2}, 3},         {{FIGURE_TURNOVER, 0, "HUF", 0}, 700},
    {{FIGURE_CONTRIBUTION, 0, "HUF", 0}, 35},
};

static void
a_closed_year_keeps_its_figures_and_shows_what_changed_since(void **arg)
{
    struct test_register r;
    struct test_unit u;
    struct test_log log;
    struct test_runs runs = {.n = 0};
    struct period_figure v[FIGURES_MAX];
    struct adjustment a[2 * FIGURES_MAX];
    struct subject_id invoice;
    size_t n;
    (void)arg;
    test_register_open(&r);
    test_unit_make(&u, "BE", 1);
    test_log_start(&log, &u, 1, NULL, 0);
    write_year(&log, &invoice);
    test_runs_take(&runs, &log);
    test_register_deliver(&r, &runs.v[0]);
    assert_int_equal(apply_stats(r.apply).void_events, 0);
    figures_of(&r, &u, v, &n);
    for (size_t i = 0; i < ARRAY_LEN(EXPECTED); i++)
        assert_int_equal(figure(v, n, EXPECTED[i].number, EXPECTED[i].category, EXPECTED[i].currency),
                         EXPECTED[i].value);
    for (size_t i = 1; i < n; i++)
        assert_true(v[i - 1].number < v[i].number || v[i - 1].category < v[i].category ||
                    strcmp(v[i - 1].currency, v[i].currency) < 0);
    test_period_closed(&log, 2024, date_from_ymd(2025, 2, 1), v, n);
    test_runs_take(&runs, &log);
    test_register_deliver(&r, &runs.v[1]);
    assert_int_equal(adjustments_of(&r, &u, a), 0);
    /* Afterwards: somebody died in the year, and an invoice in a currency that the year did not have. */
    test_event(&log, KIND_MEMBER_DECEASED, test_subject(1), day(12, 1), NULL, 0);
    test_invoice(&log, test_invoice_id(day(9, 1), 3), test_facets(OFFICE, 2, true), 700, "HUF", NULL, 0);
    test_runs_take(&runs, &log);
    test_register_deliver(&r, &runs.v[2]);
    n = adjustments_of(&r, &u, a);
    assert_int_equal(n, ARRAY_LEN(CHANGED));
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(a[i].closed.number, CHANGED[i].closed.number);
        assert_int_equal(a[i].closed.category, CHANGED[i].closed.category);
        assert_string_equal(a[i].closed.currency, CHANGED[i].closed.currency);
        assert_int_equal(a[i].closed.value, CHANGED[i].closed.value);
        assert_int_equal(a[i].now, CHANGED[i].now);
    }
    test_runs_release(&runs);
    test_log_release(&log);
    test_register_close(&r);
}

static void
a_unit_without_anything_has_its_totals(void **arg)
{
    struct test_register r;
    struct test_unit u;
    struct period_figure v[FIGURES_MAX];
    size_t n;
    (void)arg;
    test_register_open(&r);
    test_unit_make(&u, "BE", 1);
    figures_of(&r, &u, v, &n);
    assert_int_equal(n, 22);
    for (size_t i = 0; i < n; i++)
        assert_true(v[i].value == 0 && v[i].category == 0 && v[i].currency[0] == 0);
    test_register_close(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_share_register_numbers_what_was_recorded_and_sums_to_the_capital),
        cmocka_unit_test(a_closed_year_keeps_its_figures_and_shows_what_changed_since),
        cmocka_unit_test(a_unit_without_anything_has_its_totals),
    };
    return cmocka_run_group_tests_name("figures", tests, NULL, NULL);
}
