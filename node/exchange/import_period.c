/* Rows of closed years: one figure each, as it was published. A year is written with all its figures or not at all. See import.h. */
#include <stdlib.h>

#include "node/command/names.h"
#include "node/exchange/import.h"
#include "node/view/view.h"

enum { YEAR_MAX = 2199 };

static int
read_value(const struct import_cells *c, int64_t *ret, struct err *err)
{
    const char *text = cell(c, COLUMN_VALUE);
    char *end = NULL;
    bool digits = text[0] != '\0' && strspn(text + (text[0] == '-'), "0123456789") == strlen(text + (text[0] == '-'));
    long long v = digits && strlen(text) < 19 ? strtoll(text, &end, 10) : 0;
    if (!end || *end != '\0' || end == text)
        return err_field(err, ERR_INVALID, "value", text[0] == '\0' ? "missing" : "not a whole number");
    *ret = v;
    return 0;
}

static int
read_period(const struct import_cells *c, struct import_row *row, struct err *err)
{
    struct import_step *s = &row->steps[0];
    uint64_t year = 0, number = 0;
    bool has_year, has_number;
    s->verb = VERB_PERIOD;
    row->n_steps = 1;
    int rc = cell_uint(c, COLUMN_YEAR, &has_year, &year, err);
    if (rc == 0 && (!has_year || year < 1900 || year > YEAR_MAX))
        rc = err_field(err, ERR_INVALID, "year", has_year ? "not between 1900 and 2199" : "missing");
    if (rc == 0)
        rc = cell_date(c, COLUMN_CLOSED_ON, &s->on, err);
    if (rc == 0 && date_is_none(s->on))
        rc = err_field(err, ERR_INVALID, "closed_on", "missing");
    if (rc == 0)
        rc = cell_uint(c, COLUMN_FIGURE, &has_number, &number, err);
    if (rc == 0 && (!has_number || number < 1 || number > UINT16_MAX))
        rc = err_field(err, ERR_INVALID, "figure", has_number ? "not between 1 and 65535" : "missing");
    if (rc == 0 && cell(c, COLUMN_CATEGORY)[0] != '\0')
        rc = category_parse(cell(c, COLUMN_CATEGORY), &row->figure.category, err);
    if (rc == 0)
        rc = cell_currency(c, DATE_NONE, row->figure.currency, err);
    if (rc == 0)
        rc = read_value(c, &row->figure.value, err);
    row->year = (uint16_t)year;
    row->figure.number = (uint16_t)number;
    return rc;
}

static bool
same_figure(const struct period_figure *a, const struct period_figure *b)
{
    return a->number == b->number && a->category == b->category && strcmp(a->currency, b->currency) == 0;
}

static int
match_period(struct import_match *m, struct import_job *job, struct err *err)
{
    const struct import_row *row = &job->row;
    struct period_row have;
    int rc = view_period(m->ctx->txn, &m->ctx->unit, row->year, &have, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    size_t i = 0;
    while (i < have.n && !same_figure(&have.figures[i], &row->figure))
        i++;
    if (i == have.n)
        rc = err_field(err, ERR_CONFLICT, "figure", "the year is closed without it");
    else if (have.figures[i].value != row->figure.value)
        rc = import_contradicts(COLUMN_VALUE, err);
    else if (have.closed_on.days != row->steps[0].on.days)
        rc = import_contradicts(COLUMN_CLOSED_ON, err);
    job->next = 1;
    period_row_release(&have);
    return rc;
}

static bool
of_one_year(const struct import_row *before, const struct import_row *row)
{
    return before->year == row->year && before->steps[0].on.days == row->steps[0].on.days;
}

static void
period_op(const struct import_job *job, struct api_op *ret)
{
    ret->kind = OP_CLOSE_PERIOD;
    ret->status_on_success = 200;
    ret->close = (struct close_request){.year = job->row.year,
                                        .published = job->row.figures,
                                        .n_published = job->row.n_figures,
                                        .closed_on = job->row.steps[0].on};
}

const struct import_type import_periods = {
    .type = TABLE_OF_PERIODS,
    .needs_unit = true,
    .n_columns = 6,
    .columns = {{COLUMN_YEAR, true},
                {COLUMN_CLOSED_ON, true},
                {COLUMN_FIGURE, true},
                {COLUMN_CATEGORY, false},
                {COLUMN_CURRENCY, false},
                {COLUMN_VALUE, true}},
    .read = read_period,
    .match = match_period,
    .together = of_one_year,
    .op = period_op,
};
