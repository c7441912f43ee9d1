/* Reports as sums over view rows. The rows of a unit are sums by day, by month and by year, neighbours in that order of time, so
 * everything up to a day is three range reads: whole years before, whole months of the year before, days of the month. What lies
 * between two days is the difference of two such sums; sums wrap, so it is exact. docs/STORAGE.md "Views". */
#include <stdlib.h>

#include "node/view/view_private.h"
#include "proto/base/map.h"

enum { CELL_KEY = ID_BYTES + 2, CURRENCY_KEY = 3 };

struct sums {
    unsigned by;
    struct map cells;      /* office ‖ category ‖ type, as far as asked for → counts */
    struct map currencies; /* currency → capital */
};

static int
no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "report: out of memory");
}

static int
too_long(const struct map *m, struct err *err)
{
    return m->count >= m->max ? err_set(err, ERR_LIMIT, "report: more than %d rows", REPORT_ROWS_MAX) : no_memory(err);
}

void
report_release(struct report *r)
{
    free(r->rows);
    free(r->capital);
    *r = (struct report){.n = 0};
}

/* ---- sums ---- */

static void
sums_init(struct sums *s, unsigned by)
{
    s->by = by;
    map_init(&s->cells, CELL_KEY, COUNTS_N * sizeof(int64_t), REPORT_ROWS_MAX, NULL);
    map_init(&s->currencies, CURRENCY_KEY, CAPITAL_N * sizeof(int64_t), REPORT_ROWS_MAX, NULL);
}

static void
sums_release(struct sums *s)
{
    map_free(&s->cells);
    map_free(&s->currencies);
}

static int
add_row(struct sums *s, enum table t, struct slice tail, struct slice value, bool take, struct err *err)
{
    int64_t v[STATE_COUNTERS_MAX];
    uint8_t cell[CELL_KEY] = {0};
    bool counts = t == TABLE_COUNTS;
    size_t n = counts ? (size_t)COUNTS_N : (size_t)CAPITAL_N;
    struct map *m = counts ? &s->cells : &s->currencies;
    if (tail.len != (counts ? (size_t)CELL_KEY : (size_t)CURRENCY_KEY))
        return err_set(err, ERR_CORRUPT, "views: a key of wrong length");
    int rc = counters_decode(value, v, n, err);
    if (rc != 0)
        return rc;
    memcpy(cell, tail.data, tail.len);
    if (counts) {
        if (!(s->by & BY_OFFICE))
            memset(cell, 0, ID_BYTES);
        if (!(s->by & BY_CATEGORY))
            cell[ID_BYTES] = 0;
        if (!(s->by & BY_PERSON_TYPE))
            cell[ID_BYTES + 1] = 0;
    }
    int64_t *sum = map_put(m, cell, NULL);
    if (sum == NULL)
        return too_long(m, err);
    for (size_t i = 0; i < n; i++)
        sum[i] = (int64_t)(take ? (uint64_t)sum[i] - (uint64_t)v[i] : (uint64_t)sum[i] + (uint64_t)v[i]);
    return 0;
}

struct range {
    struct sums *sums;
    enum table table;
    bool take;
};

static int
add_range_row(void *arg, struct slice tail, struct slice value, struct err *err)
{
    const struct range *r = arg;
    return add_row(r->sums, r->table, tail, value, r->take, err);
}

static int
add_range(struct db_txn *txn, struct sums *s, enum table t, const struct unit_id *unit, const uint8_t from[KEY_PERIOD],
          const uint8_t to[KEY_PERIOD], bool take, struct err *err)
{
    struct range r = {s, t, take};
    return view_range(txn, t, unit, from, to, add_range_row, &r, err);
}

/* Everything of a unit up to the end of a day, added or taken. */
static int
add_until(struct db_txn *txn, struct sums *s, const struct unit_id *unit, struct civil_date day, bool take,
          struct err *err)
{
    static const enum table tables[] = {TABLE_COUNTS, TABLE_CAPITAL};
    uint8_t years[2][KEY_PERIOD], months[2][KEY_PERIOD], days[2][KEY_PERIOD];
    key_period(years[0], PERIOD_YEAR, DATE_MIN);
    key_period(years[1], PERIOD_YEAR, day);
    key_period(months[0], PERIOD_MONTH, date_year_start(day));
    key_period(months[1], PERIOD_MONTH, day);
    key_period(days[0], PERIOD_DAY, date_month_start(day));
    key_period(days[1], PERIOD_DAY, (struct civil_date){day.days + 1});
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(tables); i++) {
        rc = add_range(txn, s, tables[i], unit, years[0], years[1], take, err);
        if (rc == 0)
            rc = add_range(txn, s, tables[i], unit, months[0], months[1], take, err);
        if (rc == 0)
            rc = add_range(txn, s, tables[i], unit, days[0], days[1], take, err);
    }
    return rc;
}

/* ---- rows of the report ---- */

static int
cmp_row(const void *x, const void *y)
{
    const struct report_row *a = x, *b = y;
    int c = memcmp(a->unit.b, b->unit.b, sizeof(a->unit.b));
    if (c == 0)
        c = memcmp(a->office.b, b->office.b, sizeof(a->office.b));
    if (c == 0)
        c = (int)a->category - (int)b->category;
    return c != 0 ? c : (int)a->person_type - (int)b->person_type;
}

static int
cmp_capital(const void *x, const void *y)
{
    const struct report_capital *a = x, *b = y;
    int c = memcmp(a->unit.b, b->unit.b, sizeof(a->unit.b));
    return c != 0 ? c : memcmp(a->currency, b->currency, sizeof(a->currency));
}

static bool
all_zero(const int64_t *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (v[i] != 0)
            return false;
    return true;
}

static int
room(struct report *r, size_t rows, size_t capital, struct err *err)
{
    if (r->n + rows > REPORT_ROWS_MAX || r->n_capital + capital > REPORT_ROWS_MAX)
        return err_set(err, ERR_LIMIT, "report: more than %d rows", REPORT_ROWS_MAX);
    void *p = reallocarray(r->rows, r->n + rows + 1, sizeof(*r->rows));
    if (p == NULL)
        return no_memory(err);
    r->rows = p;
    p = reallocarray(r->capital, r->n_capital + capital + 1, sizeof(*r->capital));
    if (p == NULL)
        return no_memory(err);
    r->capital = p;
    return 0;
}

/* The sums of one unit as rows; a unit as a whole always has one. */
static int
add_unit_rows(struct report *r, const struct unit_id *unit, const struct sums *s, struct err *err)
{
    size_t cursor = 0, first = r->n;
    const void *key;
    void *value;
    int rc = room(r, s->cells.count + 1, s->currencies.count, err);
    if (rc != 0)
        return rc;
    while (map_next(&s->cells, &cursor, &key, &value)) {
        const uint8_t *cell = key;
        struct report_row row = {.unit = *unit, .has_office = (s->by & BY_OFFICE) != 0};
        if (all_zero(value, COUNTS_N))
            continue;
        memcpy(row.office.b, cell, sizeof(row.office.b));
        row.category = cell[ID_BYTES];
        row.person_type = cell[ID_BYTES + 1];
        memcpy(row.counts, value, sizeof(row.counts));
        r->rows[r->n++] = row;
    }
    if (s->by == BY_NOTHING && r->n == first)
        r->rows[r->n++] = (struct report_row){.unit = *unit};
    cursor = 0;
    while (map_next(&s->currencies, &cursor, &key, &value)) {
        struct report_capital row = {.unit = *unit};
        if (all_zero(value, CAPITAL_N))
            continue;
        memcpy(row.currency, key, CURRENCY_KEY);
        memcpy(row.v, value, sizeof(row.v));
        r->capital[r->n_capital++] = row;
    }
    return 0;
}

/* ---- units of the report ---- */

struct span {
    bool has_before;
    struct civil_date before, until; /* everything up to until, less everything up to before */
};

static int
report_unit(struct db_txn *txn, const struct unit_id *unit, const struct span *span, unsigned by, struct report *r,
            struct err *err)
{
    struct sums s;
    sums_init(&s, by);
    int rc = add_until(txn, &s, unit, span->until, false, err);
    if (rc == 0 && span->has_before)
        rc = add_until(txn, &s, unit, span->before, true, err);
    if (rc == 0)
        rc = add_unit_rows(r, unit, &s, err);
    sums_release(&s);
    return rc;
}

struct every {
    struct db_txn *txn;
    const struct span *span;
    unsigned by;
    struct report *r;
};

static int
report_each(void *arg, const struct unit_id *unit, struct err *err)
{
    const struct every *e = arg;
    return report_unit(e->txn, unit, e->span, e->by, e->r, err);
}

static int
report(struct db_txn *txn, const struct unit_id *unit, const struct span *span, unsigned by, struct report *ret,
       struct err *err)
{
    struct report r = {.n = 0};
    struct every every = {txn, span, by, &r};
    int rc = unit != NULL ? report_unit(txn, unit, span, by, &r, err) : view_each_unit(txn, report_each, &every, err);
    if (rc != 0) {
        report_release(&r);
        return rc;
    }
    if (r.n > 1)
        qsort(r.rows, r.n, sizeof(*r.rows), cmp_row);
    if (r.n_capital > 1)
        qsort(r.capital, r.n_capital, sizeof(*r.capital), cmp_capital);
    *ret = r;
    return 0;
}

static int
check_day(struct civil_date d, const char *field, struct err *err)
{
    if (d.days < DATE_MIN.days || d.days > DATE_MAX.days)
        return err_field(err, ERR_INVALID, field, "not a date of the register");
    return 0;
}

int
report_members(struct db_txn *txn, const struct unit_id *unit, struct civil_date as_of, unsigned by, struct report *ret,
               struct err *err)
{
    struct span span = {.until = as_of};
    int rc = check_day(as_of, "as_of", err);
    return rc == 0 ? report(txn, unit, &span, by, ret, err) : rc;
}

int
report_flows(struct db_txn *txn, const struct unit_id *unit, struct civil_date from, struct civil_date to, unsigned by,
             struct report *ret, struct err *err)
{
    struct span span = {.until = to, .has_before = from.days > DATE_MIN.days, .before = {from.days - 1}};
    int rc = check_day(from, "from", err);
    if (rc == 0)
        rc = check_day(to, "to", err);
    if (rc == 0 && from.days > to.days)
        rc = err_field(err, ERR_INVALID, "from", "after the end");
    return rc == 0 ? report(txn, unit, &span, by, ret, err) : rc;
}
