/* The report of activity as sums over view rows: whole years are read as years, the rest as months, each a range. Distinct people have
 * rows of their own for each month and calendar year and cannot be added up over time. docs/STORAGE.md "Views". */
#include <stdlib.h>

#include "node/view/view_private.h"
#include "proto/base/map.h"

enum { CELL_KEY = ID_BYTES + 2 + 1 + 3, SECTOR_AT = ID_BYTES, CULTURE_AT = ID_BYTES + 2, CURRENCY_AT = ID_BYTES + 3 };
/* Cells that a unit ever had activity in, as far as asked for: those that are empty now are kept while the periods are walked. */
enum { CELLS_MAX = 1 << 16, MONTHS_A_YEAR = 12 };

struct cell {
    int64_t v[WORK_N];
    bool has_people;
    int64_t people;
};

/* First and last month of a period, by number. */
struct months {
    uint16_t first, last;
};

struct builder {
    struct db_txn *txn;
    struct months span;
    enum report_span by_time;
    unsigned by;
    struct activity_report *report;
    struct map cells; /* of the unit and period at hand → struct cell */
    bool stock;       /* only what lasts beyond its month is added up */
};

static int
no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "report: out of memory");
}

static int
too_long(struct err *err)
{
    return err_set(err, ERR_LIMIT, "report: more than %d rows", REPORT_ROWS_MAX);
}

void
activity_report_release(struct activity_report *r)
{
    free(r->rows);
    free(r->people_all);
    *r = (struct activity_report){.n = 0};
}

/* ---- cells ---- */

/* Work has its currency whether asked for or not. */
static void
project(uint8_t cell[CELL_KEY], unsigned by)
{
    if (!(by & PEOPLE_BY_OFFICE))
        memset(cell, 0, ID_BYTES);
    if (!(by & PEOPLE_BY_SECTOR))
        memset(cell + SECTOR_AT, 0, CULTURE_AT - SECTOR_AT);
    if (!(by & PEOPLE_BY_CULTURE))
        cell[CULTURE_AT] = 0;
}

static int
cell_at(struct map *cells, const uint8_t key[CELL_KEY], struct cell **ret, struct err *err)
{
    *ret = map_put(cells, key, NULL);
    if (*ret == NULL)
        return cells->count >= cells->max ? too_long(err) : no_memory(err);
    return 0;
}

/* Counters that are a level, not a flow: open activities, and their record keys (those of invoices belong to the period of issue). */
static bool
is_stock(size_t i, const uint8_t cell[CELL_KEY])
{
    return i == WORK_OPEN || (i == WORK_RECORD_KEYS && cell[CURRENCY_AT] == 0);
}

static int
add_work(void *arg, struct slice tail, struct slice value, struct err *err)
{
    struct builder *b = arg;
    int64_t v[WORK_N];
    uint8_t key[CELL_KEY];
    struct cell *cell = NULL;
    if (tail.len != CELL_KEY)
        return err_set(err, ERR_CORRUPT, "views: a key of wrong length");
    int rc = counters_decode(value, v, WORK_N, err);
    memcpy(key, tail.data, sizeof(key));
    project(key, b->by);
    if (rc == 0)
        rc = cell_at(&b->cells, key, &cell, err);
    for (size_t i = 0; rc == 0 && i < WORK_N; i++)
        if (!b->stock || is_stock(i, key))
            cell->v[i] = (int64_t)((uint64_t)cell->v[i] + (uint64_t)v[i]);
    return rc;
}

/* ---- ranges ---- */

static int
add_range(struct builder *b, const struct unit_id *unit, enum period_kind kind, uint16_t first, uint16_t next,
          struct err *err)
{
    uint8_t from[KEY_PERIOD], to[KEY_PERIOD];
    key_period(from, kind, month_first(first));
    key_period(to, kind, month_first(next));
    return first < next ? view_range(b->txn, TABLE_WORK, unit, from, to, add_work, b, err) : 0;
}

static uint16_t
year_start(uint16_t month)
{
    return (uint16_t)(month - month % MONTHS_A_YEAR);
}

/* Months first … next − 1: up to a year's start, whole years, the rest. */
static int
add_months(struct builder *b, const struct unit_id *unit, uint16_t first, uint16_t next, struct err *err)
{
    uint16_t years = first % MONTHS_A_YEAR == 0 ? first : (uint16_t)(year_start(first) + MONTHS_A_YEAR);
    uint16_t rest = year_start(next);
    if (years >= rest)
        return add_range(b, unit, PERIOD_MONTH, first, next, err);
    int rc = add_range(b, unit, PERIOD_MONTH, first, years, err);
    if (rc == 0)
        rc = add_range(b, unit, PERIOD_YEAR, years, rest, err);
    return rc == 0 ? add_range(b, unit, PERIOD_MONTH, rest, next, err) : rc;
}

/* ---- people ---- */

/* Whether people of the period have rows of their own; kind: which. */
static bool
counts_people(const struct months *p, enum period_kind *ret)
{
    bool year = p->first % MONTHS_A_YEAR == 0 && p->last == p->first + MONTHS_A_YEAR - 1;
    *ret = year ? PERIOD_YEAR : PERIOD_MONTH;
    return year || p->first == p->last;
}

struct people {
    struct map *cells;
    unsigned by;
    bool take;
};

static int
add_people(void *arg, struct slice tail, struct slice value, struct err *err)
{
    const struct people *p = arg;
    int64_t v[PEOPLE_N];
    struct cell *cell = NULL;
    if (tail.len != 1 + CELL_KEY)
        return err_set(err, ERR_CORRUPT, "views: a key of wrong length");
    if (tail.data[0] != p->by)
        return tail.data[0] < p->by ? 0 : ERR_NOTFOUND; /* sets are in order: none of ours follows */
    int rc = counters_decode(value, v, PEOPLE_N, err);
    if (rc == 0)
        rc = cell_at(p->cells, tail.data + 1, &cell, err);
    if (rc != 0)
        return rc;
    int64_t n = v[PEOPLE_COUNT];
    cell->people = (int64_t)((uint64_t)cell->people + (p->take ? 0 - (uint64_t)n : (uint64_t)n));
    cell->has_people = true;
    return 0;
}

static int
people_of(struct builder *b, const struct unit_id *unit, const struct months *p, struct map *cells, bool take,
          struct err *err)
{
    uint8_t from[KEY_PERIOD], to[KEY_PERIOD];
    struct people people = {cells, b->by, take};
    enum period_kind kind;
    if (!counts_people(p, &kind))
        return 0;
    key_period(from, kind, month_first(p->first));
    key_period(to, kind, month_first((uint16_t)(p->last + 1)));
    return view_range(b->txn, TABLE_PEOPLE, unit, from, to, add_people, &people, err);
}

/* ---- rows ---- */

static int
compare(const void *x, const void *y)
{
    const struct activity_report_row *a = x, *b = y;
    int c = memcmp(a->unit.b, b->unit.b, sizeof(a->unit.b));
    if (c == 0)
        c = (a->period.days > b->period.days) - (a->period.days < b->period.days);
    return c != 0 ? c : activity_cell_compare(&a->cell, &b->cell);
}

static void
cell_decode(const uint8_t key[CELL_KEY], struct activity_cell *ret)
{
    *ret = (struct activity_cell){.facets.sector = be16_get(key + SECTOR_AT), .facets.culture = key[CULTURE_AT] != 0};
    memcpy(ret->facets.office.b, key, ID_BYTES);
    memcpy(ret->currency, key + CURRENCY_AT, CURRENCY_MAX - 1);
}

static bool
is_empty(const struct cell *cell)
{
    for (size_t i = 0; i < WORK_N; i++)
        if (cell->v[i] != 0)
            return false;
    return cell->people == 0;
}

static int
emit_cells(const struct map *cells, const struct unit_id *unit, const struct months *p, unsigned by,
           struct activity_report_row **rows, size_t *n, struct err *err)
{
    enum period_kind kind;
    size_t cursor = 0;
    const void *key;
    void *value;
    bool counted = counts_people(p, &kind);
    void *grown = reallocarray(*rows, *n + cells->count + 1, sizeof(**rows));
    if (grown == NULL)
        return no_memory(err);
    *rows = grown;
    while (map_next(cells, &cursor, &key, &value)) {
        const struct cell *cell = value;
        struct activity_report_row *row = &(*rows)[*n];
        if (is_empty(cell))
            continue;
        if (*n == REPORT_ROWS_MAX)
            return too_long(err);
        *row = (struct activity_report_row){.unit = *unit, .period = month_first(p->first)};
        cell_decode(key, &row->cell);
        memcpy(row->v, cell->v, sizeof(row->v));
        row->has_people = counted && (row->cell.currency[0] != '\0') == ((by & PEOPLE_BY_CURRENCY) != 0);
        row->people = cell->people;
        ++*n;
    }
    return 0;
}

/* What does not last is over with its period. */
static void
next_period(struct map *cells)
{
    size_t cursor = 0;
    const void *key;
    void *value;
    while (map_next(cells, &cursor, &key, &value)) {
        struct cell *cell = value;
        cell->has_people = false;
        cell->people = 0;
        for (size_t i = 0; i < WORK_N; i++)
            if (!is_stock(i, key))
                cell->v[i] = 0;
    }
}

static struct months
period_from(const struct builder *b, uint16_t first)
{
    uint32_t last = b->by_time == SPAN_MONTHS  ? first
                    : b->by_time == SPAN_YEARS ? year_start(first) + MONTHS_A_YEAR - 1u
                                               : b->span.last;
    return (struct months){first, (uint16_t)(last < b->span.last ? last : b->span.last)};
}

static int
build_unit(void *arg, const struct unit_id *unit, struct err *err)
{
    struct builder *b = arg;
    map_init(&b->cells, CELL_KEY, sizeof(struct cell), CELLS_MAX, NULL);
    b->stock = true;
    int rc = add_months(b, unit, 0, b->span.first, err);
    b->stock = false;
    for (uint16_t m = b->span.first; rc == 0 && m <= b->span.last;) {
        struct months p = period_from(b, m);
        rc = add_months(b, unit, p.first, (uint16_t)(p.last + 1), err);
        if (rc == 0)
            rc = people_of(b, unit, &p, &b->cells, false, err);
        if (rc == 0)
            rc = emit_cells(&b->cells, unit, &p, b->by, &b->report->rows, &b->report->n, err);
        next_period(&b->cells);
        m = (uint16_t)(p.last + 1);
    }
    map_free(&b->cells);
    return rc;
}

/* ---- all units ---- */

/* Sum over the units, less those that more than one of them counts. */
struct together {
    struct builder *b;
    const struct months *period;
    struct map *cells;
};

static int
together_unit(void *arg, const struct unit_id *unit, struct err *err)
{
    const struct together *t = arg;
    return people_of(t->b, unit, t->period, t->cells, false, err);
}

static int
build_together(struct builder *b, struct err *err)
{
    static const struct unit_id nobody;
    int rc = 0;
    for (uint16_t m = b->span.first; rc == 0 && m <= b->span.last;) {
        struct months p = period_from(b, m);
        struct map cells;
        struct together t = {b, &p, &cells};
        map_init(&cells, CELL_KEY, sizeof(struct cell), CELLS_MAX, NULL);
        rc = view_each_unit(b->txn, together_unit, &t, err);
        if (rc == 0)
            rc = people_of(b, &nobody, &p, &cells, true, err);
        if (rc == 0)
            rc = emit_cells(&cells, &nobody, &p, b->by, &b->report->people_all, &b->report->n_people_all, err);
        map_free(&cells);
        m = (uint16_t)(p.last + 1);
    }
    return rc;
}

static int
check(struct civil_date d, const char *field, struct err *err)
{
    return d.days < DATE_MIN.days || d.days > DATE_MAX.days
               ? err_field(err, ERR_INVALID, field, "not a date of the register")
               : 0;
}

int
report_activity(struct db_txn *txn, const struct unit_id *unit, struct civil_date from, struct civil_date to,
                enum report_span span, unsigned by, struct activity_report *ret, struct err *err)
{
    struct activity_report report = {.has_all_units = unit == NULL};
    int rc = check(from, "from", err);
    if (rc == 0)
        rc = check(to, "to", err);
    if (rc != 0)
        return rc;
    struct builder b = {
        .txn = txn, .span = {month_number(from), month_number(to)}, .by_time = span, .by = by, .report = &report};
    if (b.span.first > b.span.last)
        return err_field(err, ERR_INVALID, "from", "after the end");
    rc = unit != NULL ? build_unit(&b, unit, err) : view_each_unit(txn, build_unit, &b, err);
    if (rc == 0 && unit == NULL)
        rc = build_together(&b, err);
    if (rc != 0) {
        activity_report_release(&report);
        return rc;
    }
    if (report.n > 1)
        qsort(report.rows, report.n, sizeof(*report.rows), compare);
    if (report.n_people_all > 1)
        qsort(report.people_all, report.n_people_all, sizeof(*report.people_all), compare);
    *ret = report;
    return 0;
}
