/* The unit's descriptions, its offices, and its closed years. See export.h. */
#include <stdlib.h>

#include "node/command/names.h"
#include "node/command/rows.h"
#include "node/exchange/export_private.h"
#include "node/view/view.h"

struct entry_of {
    struct office_id office;
    size_t order;
    struct place_entry e;
};

struct entries {
    size_t n, cap;
    struct entry_of *all;
    struct err *err;
};

static int
compare_entries(const void *a, const void *b)
{
    const struct entry_of *x = a, *y = b;
    if (x->e.effective.days != y->e.effective.days)
        return x->e.effective.days < y->e.effective.days ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* Entries that stand, over all offices in the order of their days: a name is free only once the office that had it is closed. */
static int
take_row(void *arg, const struct place_row *row)
{
    struct entries *s = arg;
    for (size_t i = 0; i < row->n; i++) {
        if (row->entries[i].outcome != OUTCOME_APPLIED)
            continue;
        if (s->n == s->cap) {
            size_t cap = s->cap > 0 ? 2 * s->cap : 64;
            struct entry_of *all = realloc(s->all, cap * sizeof(*all));
            if (!all)
                return err_set(s->err, ERR_NOMEM, "export: out of memory");
            s->all = all;
            s->cap = cap;
        }
        s->all[s->n] = (struct entry_of){.office = row->office, .order = s->n, .e = row->entries[i]};
        s->n++;
    }
    return 0;
}

static int
write_units(struct exporter *x, struct err *err)
{
    struct entries s = {.err = err};
    struct sheet *sheet = &x->sheet;
    struct place_row row;
    int rc = rows_unit(&x->ctx, &row, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    rc = take_row(&s, &row);
    place_row_release(&row);
    if (rc == 0 && s.n > 0)
        qsort(s.all, s.n, sizeof(*s.all), compare_entries);
    for (size_t i = 0; rc == 0 && i < s.n; i++) {
        const struct unit_described *u = &s.all[i].e.unit;
        char languages[UNIT_LANGUAGES_MAX * (sizeof(u->languages[0]) + 1)] = "";
        for (size_t k = 0, at = 0; k < u->n_languages; k++)
            at += (size_t)snprintf(languages + at, sizeof(languages) - at, "%s%s", k > 0 ? " " : "", u->languages[k]);
        sheet_date(sheet, COLUMN_EFFECTIVE_ON, s.all[i].e.effective);
        sheet_text(sheet, COLUMN_NAME, u->name.s);
        sheet_text(sheet, COLUMN_COUNTRY, u->country);
        sheet_text(sheet, COLUMN_CURRENCY, u->currency);
        sheet_text(sheet, COLUMN_LANGUAGES, languages);
        sheet_text(sheet, COLUMN_TIME_ZONE, u->time_zone.s);
        sheet_rate(sheet, COLUMN_RATE, u->contribution_bp);
        sheet_money(sheet, COLUMN_SHARE_PRICE, u->share_price_minor, u->currency);
        rc = export_row(x, err);
    }
    free(s.all);
    return rc;
}

const struct export_file export_units_file = {
    "unit",
    TABLE_OF_UNIT,
    8,
    {COLUMN_EFFECTIVE_ON, COLUMN_NAME, COLUMN_COUNTRY, COLUMN_CURRENCY, COLUMN_LANGUAGES, COLUMN_TIME_ZONE, COLUMN_RATE,
     COLUMN_SHARE_PRICE},
    write_units,
};

static int
write_offices(struct exporter *x, struct err *err)
{
    struct entries s = {.err = err};
    struct sheet *sheet = &x->sheet;
    int rc = rows_offices(&x->ctx, take_row, &s, err);
    if (rc == 0 && s.n > 0)
        qsort(s.all, s.n, sizeof(*s.all), compare_entries);
    for (size_t i = 0; rc == 0 && i < s.n; i++) {
        const struct place_entry *e = &s.all[i].e;
        sheet_id(sheet, COLUMN_OFFICE, s.all[i].office.b);
        sheet_text(sheet, COLUMN_OP,
                   e->kind == KIND_OFFICE_OPENED    ? "open"
                   : e->kind == KIND_OFFICE_CHANGED ? "change"
                                                    : "close");
        sheet_date(sheet, COLUMN_EFFECTIVE_ON, e->effective);
        sheet_text(sheet, COLUMN_NAME, e->facts.name.s);
        sheet_text(sheet, COLUMN_CITY, e->facts.city.s);
        sheet_text(sheet, COLUMN_COUNTRY, e->facts.country);
        rc = export_row(x, err);
    }
    free(s.all);
    return rc;
}

const struct export_file export_offices_file = {
    "offices",
    TABLE_OF_OFFICES,
    6,
    {COLUMN_OFFICE, COLUMN_OP, COLUMN_EFFECTIVE_ON, COLUMN_NAME, COLUMN_CITY, COLUMN_COUNTRY},
    write_offices,
};

/* ---- closed years ---- */

static int
write_period(struct exporter *x, uint16_t year, struct err *err)
{
    struct period_row row;
    int rc = view_period(x->txn, &x->ctx.unit, year, &row, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    for (size_t i = 0; rc == 0 && i < row.n; i++) {
        const struct period_figure *f = &row.figures[i];
        sheet_int(&x->sheet, COLUMN_YEAR, year);
        sheet_date(&x->sheet, COLUMN_CLOSED_ON, row.closed_on);
        sheet_int(&x->sheet, COLUMN_FIGURE, f->number);
        if (f->category != 0)
            sheet_text(&x->sheet, COLUMN_CATEGORY, category_name(f->category));
        sheet_text(&x->sheet, COLUMN_CURRENCY, f->currency);
        sheet_int(&x->sheet, COLUMN_VALUE, f->value);
        rc = export_row(x, err);
    }
    period_row_release(&row);
    return rc;
}

static int
write_periods(struct exporter *x, struct err *err)
{
    int first, last, ignored, rc = 0;
    date_to_ymd(DATE_MIN, &first, &ignored, &ignored);
    date_to_ymd(x->ctx.today, &last, &ignored, &ignored);
    for (int year = first; rc == 0 && year <= last; year++)
        rc = write_period(x, (uint16_t)year, err);
    return rc;
}

const struct export_file export_periods_file = {
    "periods",
    TABLE_OF_PERIODS,
    6,
    {COLUMN_YEAR, COLUMN_CLOSED_ON, COLUMN_FIGURE, COLUMN_CATEGORY, COLUMN_CURRENCY, COLUMN_VALUE},
    write_periods,
};
