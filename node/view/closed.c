/* Closed years that an answer touches, so that nobody takes a figure of today for the one that was published. */
#include <stdlib.h>

#include "node/view/view_private.h"

enum { YEARS_MAX = 65536 }; /* of all units: 256 of them for 256 years */

struct found {
    struct closed_year *v;
    size_t n, cap;
};

static uint16_t
year_of(struct civil_date d)
{
    int year, month, day;
    date_to_ymd(d, &year, &month, &day);
    return (uint16_t)year;
}

static int
add(struct found *f, const struct closed_year *y, struct err *err)
{
    if (f->n == f->cap) {
        size_t cap = f->cap == 0 ? 16 : f->cap * 2;
        struct closed_year *grown = cap > YEARS_MAX ? NULL : realloc(f->v, cap * sizeof(*grown));
        if (grown == NULL)
            return err_set(err, ERR_NOMEM, "closed years");
        f->v = grown;
        f->cap = cap;
    }
    f->v[f->n++] = *y;
    return 0;
}

static int
adjusted(struct db_txn *txn, struct slice row, struct closed_year *y, struct err *err)
{
    struct adjustment *a = calloc((size_t)2 * FIGURES_MAX, sizeof(*a));
    struct period_row p;
    if (a == NULL)
        return err_set(err, ERR_NOMEM, "closed years");
    int rc = period_row_decode(row, &y->unit, y->year, &p, err);
    if (rc == 0) {
        y->closed_on = p.closed_on;
        y->at = p.at;
        rc = report_adjustments(txn, &p, a, &y->n_adjusted, err);
        period_row_release(&p);
    }
    free(a);
    return rc;
}

int
view_closed_years(struct db_txn *txn, const struct unit_id *unit, struct civil_date from, struct civil_date to,
                  struct closed_year **ret, size_t *ret_n, struct err *err)
{
    uint8_t start[KEY_PERIOD_ROW] = {0};
    struct found f = {0};
    struct db_cursor *c = NULL;
    struct slice k, v;
    const uint16_t first = year_of(from), last = year_of(to);
    if (unit != NULL)
        key_period_row(start, unit, first);
    int rc = db_cursor_open(txn, TABLE_PERIODS, &c, err);
    for (rc = rc != 0 ? rc : db_cursor_seek(c, slice_of(start, sizeof(start)), &k, &v, err);
         rc == 0 && k.len == KEY_PERIOD_ROW && (unit == NULL || memcmp(k.data, unit->b, HASH_BYTES) == 0);
         rc = rc != 0 ? rc : db_cursor_next(c, &k, &v, err)) {
        struct closed_year y = {.year = be16_get(k.data + HASH_BYTES)};
        memcpy(y.unit.b, k.data, HASH_BYTES);
        if (y.year < first || y.year > last)
            continue;
        rc = adjusted(txn, v, &y, err);
        rc = rc != 0 ? rc : add(&f, &y, err);
    }
    db_cursor_close(&c);
    if (rc != 0 && rc != ERR_NOTFOUND) {
        free(f.v);
        return rc;
    }
    err_clear(err);
    *ret = f.v;
    *ret_n = f.n;
    return 0;
}
