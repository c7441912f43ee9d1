/* Closed years: which there are, what was fixed, and what has changed since. */
#include "node/api/request.h"
#include "node/command/names.h"

static void
put_figure(struct json_out *j, const struct period_figure *f)
{
    char name[NUMBERED_NAME_MAX];
    json_put_text(j, "figure", figure_name(f->number, name));
    if (f->category != 0) {
        json_put_text(j, "category", category_word(f->category));
    }
    if (f->currency[0] != '\0') {
        json_put_text(j, "currency", f->currency);
    }
}

static void
put_adjustments(struct json_out *j, const struct adjustment *a, size_t n)
{
    json_key(j, "adjustments");
    json_open(j, '[');
    for (size_t i = 0; i < n; i++) {
        json_open(j, '{');
        put_figure(j, &a[i].closed);
        json_put_int(j, "closed", a[i].closed.value);
        json_put_int(j, "now", a[i].now);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void
put_figures(struct json_out *j, const struct period_row *row)
{
    json_key(j, "figures");
    json_open(j, '[');
    for (size_t i = 0; i < row->n; i++) {
        json_open(j, '{');
        put_figure(j, &row->figures[i]);
        json_put_int(j, "value", row->figures[i].value);
        json_close(j, '}');
    }
    json_close(j, ']');
}

/* What was fixed, and beside it what would be said today where that differs. */
static int
put_period(struct request *r, struct json_out *j, const struct period_row *row, bool figures, struct err *err)
{
    struct adjustment *adjustments = calloc((size_t)2 * FIGURES_MAX, sizeof(*adjustments));
    char code[UNIT_CODE_MAX];
    size_t n = 0;
    int rc =
        adjustments == NULL ? err_set(err, ERR_NOMEM, "period") : report_adjustments(r->txn, row, adjustments, &n, err);
    if (rc == 0) {
        json_open(j, '{');
        unit_code_of(r, &row->unit, code);
        json_put_text(j, "unit", code);
        json_put_uint(j, "year", row->year);
        json_put_date(j, "closed_on", row->closed_on);
        put_position(j, &row->at);
        put_adjustments(j, adjustments, n);
        if (figures) {
            put_figures(j, row);
        }
        json_close(j, '}');
    }
    free(adjustments);
    return rc;
}

int
get_period(struct request *r, struct err *err)
{
    struct unit_id unit;
    struct period_row row;
    uint64_t year = 0;
    int rc = param_unit(r, 0, &unit, err);
    rc = rc != 0 ? rc : param_uint(r, 1, "year", &year, err);
    if (rc == 0 && year > UINT16_MAX) {
        rc = err_field(err, ERR_INVALID, "year", "is no year");
    }
    rc = rc != 0 ? rc : view_period(r->txn, &unit, (uint16_t)year, &row, err);
    if (rc != 0) {
        return rc;
    }
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    rc = put_period(r, &j, &row, true, err);
    period_row_release(&row);
    return rc;
}

static int
put_years(struct request *r, struct json_out *j, const struct unit_id *unit, struct err *err)
{
    for (uint16_t year = 1900; year <= 2199; year++) {
        struct period_row row;
        struct err none = {0};
        int rc = view_period(r->txn, unit, year, &row, &none);
        if (rc == ERR_NOTFOUND) {
            continue;
        }
        if (rc != 0) {
            *err = none;
            return rc;
        }
        rc = put_period(r, j, &row, false, err);
        period_row_release(&row);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

/* Of one unit or of all: years that are closed, each with its adjustments. */
int
get_periods(struct request *r, struct err *err)
{
    struct unit_info *units = malloc(API_UNITS_MAX * sizeof(*units));
    struct civil_date today = r->api->deps.today(r->api->deps.arg);
    struct unit_id only;
    bool has_only = false;
    size_t n = 0;
    int rc = units == NULL ? err_set(err, ERR_NOMEM, "periods") : query_unit(r, &only, &has_only, err);
    rc = rc != 0 ? rc : view_units(r->txn, today, units, API_UNITS_MAX, &n, err);
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    json_open(&j, '{');
    json_key(&j, "periods");
    json_open(&j, '[');
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (!has_only || TYPE_EQ(&only, &units[i].unit)) {
            rc = put_years(r, &j, &units[i].unit, err);
        }
    }
    json_close(&j, ']');
    json_close(&j, '}');
    free(units);
    return rc;
}
