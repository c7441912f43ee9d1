/* The figures of a year, as they are closed and as they stand. docs/PROTOCOL.md §9 "Figures of kind 256". */
#include <stdlib.h>

#include "node/view/view_private.h"

struct figures {
    struct period_figure *v;
    size_t n;
    bool full;
};

static void
put(struct figures *f, uint16_t number, uint8_t category, const char *currency, int64_t value)
{
    if (f->n == FIGURES_MAX) {
        f->full = true;
        return;
    }
    struct period_figure *p = &f->v[f->n++];
    *p = (struct period_figure){.number = number, .category = category, .value = value};
    if (currency != NULL)
        memcpy(p->currency, currency, CURRENCY_MAX - 1);
}

/* Totals are there whatever they are; of categories and currencies those that are not zero. */
static void
put_part(struct figures *f, uint16_t number, uint8_t category, const char *currency, int64_t value)
{
    if (value != 0)
        put(f, number, category, currency, value);
}

static int64_t
plus(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

/* ---- members and capital ---- */

static const struct {
    uint16_t number;
    enum count count;
} FLOWS[] = {
    {FIGURE_JOINED, COUNT_JOINED},
    {FIGURE_RESIGNED, COUNT_RESIGNED},
    {FIGURE_WITHDRAWN, COUNT_WITHDRAWN},
    {FIGURE_EXCLUDED, COUNT_EXCLUDED},
    {FIGURE_DECEASED, COUNT_DECEASED},
    {FIGURE_MOVED_IN, COUNT_MOVED_IN},
    {FIGURE_MOVED_OUT, COUNT_MOVED_OUT},
    {FIGURE_CHANGED_IN, COUNT_CHANGED_IN},
    {FIGURE_CHANGED_OUT, COUNT_CHANGED_OUT},
    {FIGURE_APPLIED, COUNT_APPLIED},
    {FIGURE_REFUSED, COUNT_REFUSED},
    {FIGURE_REQUESTED, COUNT_REQUESTED},
    {FIGURE_REQUEST_REFUSED, COUNT_REQUEST_REFUSED},
    {FIGURE_MERGED, COUNT_MERGED},
};

static void
put_count(struct figures *f, const struct report *r, uint16_t number, enum count count)
{
    int64_t all = 0;
    for (size_t i = 0; i < r->n; i++)
        all = plus(all, r->rows[i].counts[count]);
    put(f, number, 0, NULL, all);
    for (size_t i = 0; i < r->n; i++)
        put_part(f, number, r->rows[i].category, NULL, r->rows[i].counts[count]);
}

static int64_t
held(const int64_t *v, size_t in, size_t out, size_t merged_in, size_t merged_out)
{
    return (int64_t)((uint64_t)v[in] - (uint64_t)v[out] + (uint64_t)v[merged_in] - (uint64_t)v[merged_out]);
}

static void
put_held(struct figures *f, const struct report *r)
{
    int64_t shares = 0;
    for (size_t i = 0; i < r->n_capital; i++)
        shares = plus(shares, held(r->capital[i].v, CAPITAL_SHARES_IN, CAPITAL_SHARES_OUT, CAPITAL_SHARES_MERGED_IN,
                                   CAPITAL_SHARES_MERGED_OUT));
    put(f, FIGURE_SHARES, 0, NULL, shares);
    for (size_t i = 0; i < r->n_capital; i++)
        put_part(f, FIGURE_CAPITAL, 0, r->capital[i].currency,
                 held(r->capital[i].v, CAPITAL_MINOR_IN, CAPITAL_MINOR_OUT, CAPITAL_MINOR_MERGED_IN,
                      CAPITAL_MINOR_MERGED_OUT));
}

static void
put_capital(struct figures *f, const struct report *r, uint16_t shares, size_t shares_at, uint16_t minor,
            size_t minor_at)
{
    int64_t all = 0;
    for (size_t i = 0; i < r->n_capital; i++)
        all = plus(all, r->capital[i].v[shares_at]);
    put(f, shares, 0, NULL, all);
    for (size_t i = 0; i < r->n_capital; i++)
        put_part(f, minor, 0, r->capital[i].currency, r->capital[i].v[minor_at]);
}

/* ---- work ---- */

static void
put_work(struct figures *f, const struct activity_report *r, uint16_t number, enum work_count count, bool money)
{
    int64_t all = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (money)
            put_part(f, number, 0, r->rows[i].cell.currency, r->rows[i].v[count]);
        all = plus(all, r->rows[i].v[count]);
    }
    if (!money)
        put(f, number, 0, NULL, all);
}

static void
put_people(struct figures *f, const struct activity_report *r)
{
    int64_t people = 0;
    for (size_t i = 0; i < r->n; i++)
        if (r->rows[i].has_people)
            people = r->rows[i].people;
    put(f, FIGURE_ACTIVE_PEOPLE, 0, NULL, people);
}

/* ---- the year ---- */

static int
compare(const struct period_figure *a, const struct period_figure *b)
{
    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    if (a->category != b->category)
        return a->category < b->category ? -1 : 1;
    return memcmp(a->currency, b->currency, sizeof(a->currency));
}

static int
by_place(const void *x, const void *y)
{
    return compare(x, y);
}

static void
put_members_and_work(struct figures *f, const struct report *at_end, const struct report *flows,
                     const struct activity_report *work)
{
    put_count(f, at_end, FIGURE_MEMBERS, COUNT_MEMBERS);
    for (size_t i = 0; i < ARRAY_LEN(FLOWS); i++)
        put_count(f, flows, FLOWS[i].number, FLOWS[i].count);
    put_held(f, at_end);
    put_capital(f, flows, FIGURE_SHARES_SUBSCRIBED, CAPITAL_SHARES_IN, FIGURE_CAPITAL_SUBSCRIBED, CAPITAL_MINOR_IN);
    put_capital(f, flows, FIGURE_SHARES_ENDED, CAPITAL_SHARES_OUT, FIGURE_CAPITAL_ENDED, CAPITAL_MINOR_OUT);
    put_capital(f, flows, FIGURE_SHARES_REPAID, CAPITAL_SHARES_REPAID, FIGURE_CAPITAL_REPAID, CAPITAL_MINOR_REPAID);
    put_work(f, work, FIGURE_INVOICES, WORK_INVOICES, false);
    put_work(f, work, FIGURE_TURNOVER, WORK_TURNOVER, true);
    put_work(f, work, FIGURE_CONTRIBUTION, WORK_CONTRIBUTION, true);
    put_work(f, work, FIGURE_CREDIT_NOTES, WORK_CREDIT_NOTES, false);
    put_work(f, work, FIGURE_CREDITED, WORK_CREDITED, true);
    put_work(f, work, FIGURE_CONTRIBUTION_BACK, WORK_CONTRIBUTION_BACK, true);
    put_people(f, work);
}

int
report_figures(struct db_txn *txn, const struct unit_id *unit, uint16_t year, struct period_figure *ret, size_t *ret_n,
               struct err *err)
{
    struct civil_date first = date_from_ymd(year, 1, 1), last = date_from_ymd(year, 12, 31);
    struct report at_end = {.n = 0}, flows = {.n = 0};
    struct activity_report work = {.n = 0};
    struct period_figure found[FIGURES_MAX];
    struct figures f = {.v = found};
    int rc = report_members(txn, unit, last, BY_CATEGORY, &at_end, err);
    if (rc == 0)
        rc = report_flows(txn, unit, first, last, BY_CATEGORY, &flows, err);
    if (rc == 0)
        rc = report_activity(txn, unit, first, last, SPAN_WHOLE, 0, &work, err);
    if (rc == 0)
        put_members_and_work(&f, &at_end, &flows, &work);
    if (rc == 0 && f.full)
        rc = err_set(err, ERR_LIMIT, "figures of a year: more than %d", FIGURES_MAX);
    report_release(&at_end);
    report_release(&flows);
    activity_report_release(&work);
    if (rc != 0)
        return rc;
    qsort(found, f.n, sizeof(*found), by_place);
    memcpy(ret, found, f.n * sizeof(*found));
    *ret_n = f.n;
    return 0;
}

int
report_adjustments(struct db_txn *txn, const struct period_row *closed, struct adjustment *ret, size_t *ret_n,
                   struct err *err)
{
    struct period_figure now[FIGURES_MAX];
    size_t n_now = 0, n = 0, i = 0, k = 0;
    int rc = report_figures(txn, &closed->unit, closed->year, now, &n_now, err);
    if (rc != 0)
        return rc;
    while (i < closed->n || k < n_now) {
        int c = i == closed->n ? 1 : k == n_now ? -1 : compare(&closed->figures[i], &now[k]);
        struct adjustment a = {.closed = c <= 0 ? closed->figures[i] : now[k], .now = c >= 0 ? now[k].value : 0};
        if (c > 0)
            a.closed.value = 0;
        if (a.closed.value != a.now)
            ret[n++] = a;
        i += c <= 0;
        k += c >= 0;
    }
    *ret_n = n;
    return 0;
}
