/* Postings as a read transaction sees them, and the report of them. Postings are few, so that their rows are read and no view is kept. See
 * view.h. */
#include <stdlib.h>

#include "node/view/view_private.h"
#include "proto/base/map.h"

enum { MONTHS_A_YEAR = 12, COUNTRY_CHARS = 2, CELL_KEY = 2 + COUNTRY_CHARS };

int
view_posting(struct db_txn *txn, const struct unit_id *unit, const struct subject_id *posting, struct posting_row *ret,
             struct err *err)
{
    uint8_t key[KEY_POSTING];
    struct slice value;
    key_posting(key, unit, posting);
    int rc = db_get(txn, TABLE_POSTINGS, slice_of(key, sizeof(key)), &value, err);
    if (rc == ERR_NOTFOUND)
        return err_field(err, ERR_NOTFOUND, "posting", "no such posting");
    return rc != 0 ? rc : posting_row_decode(value, unit, posting, ret, err);
}

int
view_postings(struct db_txn *txn, const struct unit_id *unit, const struct subject_id *after,
              int (*one)(void *arg, const struct posting_row *row, struct err *err), void *arg, struct err *err)
{
    uint8_t from[KEY_POSTING + 1] = {0}; /* a byte longer than the key: just behind it */
    struct db_cursor *c;
    struct slice key, value;
    memcpy(from, unit->b, sizeof(unit->b));
    if (after != NULL)
        memcpy(from + sizeof(unit->b), after->b, sizeof(after->b));
    int rc = db_cursor_open(txn, TABLE_POSTINGS, &c, err);
    if (rc != 0)
        return rc;
    for (rc = db_cursor_seek(c, slice_of(from, after != NULL ? sizeof(from) : sizeof(unit->b)), &key, &value, err);
         rc == 0; rc = db_cursor_next(c, &key, &value, err)) {
        struct subject_id id;
        struct posting_row row;
        if (key.len != KEY_POSTING) {
            rc = err_set(err, ERR_CORRUPT, "%s: a key of wrong length", table_name(TABLE_POSTINGS));
            break;
        }
        if (memcmp(key.data, unit->b, sizeof(unit->b)) != 0)
            break;
        memcpy(id.b, key.data + sizeof(unit->b), sizeof(id.b));
        rc = posting_row_decode(value, unit, &id, &row, err);
        if (rc != 0)
            break;
        rc = one(arg, &row, err);
        posting_row_release(&row);
        if (rc != 0)
            break;
    }
    db_cursor_close(&c);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

/* ---- the report ---- */

struct cell {
    int64_t v[POSTING_N];
    uint64_t last; /* number of the posting that was counted as running last */
};

struct builder {
    struct db_txn *txn;
    uint16_t first, last; /* months of the span */
    enum report_span by_time;
    struct posting_report *report;
    struct map cells; /* of the unit at hand: first month of the period ‖ country → struct cell */
    uint64_t n;       /* postings of the unit so far */
};

void
posting_report_release(struct posting_report *r)
{
    free(r->rows);
    *r = (struct posting_report){.n = 0};
}

/* First month of the period that a month of the span is in. */
static uint16_t
period_of(const struct builder *b, uint16_t month)
{
    uint16_t year = (uint16_t)(month - month % MONTHS_A_YEAR);
    switch (b->by_time) {
    case SPAN_MONTHS: return month;
    case SPAN_YEARS: return year > b->first ? year : b->first;
    default: return b->first;
    }
}

static int
add_stay(struct builder *b, const struct posting_stay *stay, struct err *err)
{
    uint16_t first = month_number(stay->first_month), last = month_number(stay->last_month);
    for (uint32_t m = first > b->first ? first : b->first; m <= last && m <= b->last; m++) {
        uint8_t key[CELL_KEY];
        be16_put(key, period_of(b, (uint16_t)m));
        memcpy(key + 2, stay->country, COUNTRY_CHARS);
        struct cell *cell = map_put(&b->cells, key, NULL);
        if (cell == NULL)
            return b->cells.count >= b->cells.max
                       ? err_set(err, ERR_LIMIT, "report: more than %d rows", REPORT_ROWS_MAX)
                       : err_set(err, ERR_NOMEM, "report: out of memory");
        cell->v[POSTING_RUNNING] += cell->last != b->n;
        cell->last = b->n;
        cell->v[POSTING_BEGUN] += m == first;
        cell->v[POSTING_ENDED] += m == last;
        cell->v[POSTING_MONTHS]++;
    }
    return 0;
}

static int
add_posting(void *arg, const struct posting_row *row, struct err *err)
{
    struct builder *b = arg;
    struct posting_state s;
    int rc = 0;
    b->n++;
    posting_state_of(row, &s);
    for (size_t i = 0; rc == 0 && i < s.n; i++)
        rc = add_stay(b, &s.stays[i], err);
    return rc;
}

static int
compare(const void *x, const void *y)
{
    const struct posting_report_row *a = x, *b = y;
    int c = memcmp(a->unit.b, b->unit.b, sizeof(a->unit.b));
    if (c == 0)
        c = (a->period.days > b->period.days) - (a->period.days < b->period.days);
    return c != 0 ? c : memcmp(a->country, b->country, sizeof(a->country));
}

static int
emit(struct builder *b, const struct unit_id *unit, struct err *err)
{
    struct posting_report *r = b->report;
    size_t cursor = 0;
    const void *key;
    void *value;
    if (r->n + b->cells.count > REPORT_ROWS_MAX)
        return err_set(err, ERR_LIMIT, "report: more than %d rows", REPORT_ROWS_MAX);
    void *grown = reallocarray(r->rows, r->n + b->cells.count + 1, sizeof(*r->rows));
    if (grown == NULL)
        return err_set(err, ERR_NOMEM, "report: out of memory");
    r->rows = grown;
    while (map_next(&b->cells, &cursor, &key, &value)) {
        struct posting_report_row *row = &r->rows[r->n++];
        *row = (struct posting_report_row){.unit = *unit, .period = month_first(be16_get(key))};
        memcpy(row->country, (const uint8_t *)key + 2, COUNTRY_CHARS);
        memcpy(row->v, ((const struct cell *)value)->v, sizeof(row->v));
    }
    return 0;
}

static int
build_unit(void *arg, const struct unit_id *unit, struct err *err)
{
    struct builder *b = arg;
    map_init(&b->cells, CELL_KEY, sizeof(struct cell), REPORT_ROWS_MAX, NULL);
    b->n = 0;
    int rc = view_postings(b->txn, unit, NULL, add_posting, b, err);
    if (rc == 0)
        rc = emit(b, unit, err);
    map_free(&b->cells);
    return rc;
}

int
report_postings(struct db_txn *txn, const struct unit_id *unit, struct civil_date from, struct civil_date to,
                enum report_span span, struct posting_report *ret, struct err *err)
{
    struct posting_report report = {.n = 0};
    const struct civil_date dates[] = {from, to};
    for (size_t i = 0; i < ARRAY_LEN(dates); i++)
        if (dates[i].days < DATE_MIN.days || dates[i].days > DATE_MAX.days)
            return err_field(err, ERR_INVALID, i == 0 ? "from" : "to", "not a date of the register");
    if (from.days > to.days)
        return err_field(err, ERR_INVALID, "from", "after the end");
    struct builder b = {
        .txn = txn, .first = month_number(from), .last = month_number(to), .by_time = span, .report = &report};
    int rc = unit != NULL ? build_unit(&b, unit, err) : view_each_unit(txn, build_unit, &b, err);
    if (rc != 0) {
        posting_report_release(&report);
        return rc;
    }
    if (report.n > 1)
        qsort(report.rows, report.n, sizeof(*report.rows), compare);
    *ret = report;
    return 0;
}
