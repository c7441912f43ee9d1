/* smartnode report postings. See cmd_report.h. */
#include "node/cli/cmd_report.h"

enum { ANSWER_BYTES_MAX = 16777216 };

static const struct {
    const char *name, *title;
} FIGURES[POSTING_N] = {[POSTING_RUNNING] = {"running", "running"},
                        [POSTING_BEGUN] = {"begun", "begun"},
                        [POSTING_ENDED] = {"ended", "ended"},
                        [POSTING_MONTHS] = {"person_months", "months"}};

struct postings {
    struct report_work *w;
    enum report_span span;
    struct posting_report report;
};

static void
put_json(void *report, struct buf *b)
{
    struct postings *r = report;
    char day[DATE_TEXT_MAX];
    struct json_out j = json_out_of(b);
    json_open(&j, '{');
    json_put_text(&j, "from", date_format(r->w->from, day));
    json_put_text(&j, "to", date_format(r->w->to, day));
    json_key(&j, "rows");
    json_open(&j, '[');
    for (size_t i = 0; i < r->report.n; i++) {
        const struct posting_report_row *row = &r->report.rows[i];
        json_open(&j, '{');
        json_put_text(&j, "unit", report_unit_name(r->w, &row->unit));
        if (r->span != SPAN_WHOLE)
            json_put_text(&j, "period", report_period(r->span, row->period, day));
        json_put_text(&j, "country", row->country);
        for (size_t f = 0; f < POSTING_N; f++)
            json_put_int(&j, FIGURES[f].name, row->v[f]);
        json_close(&j, '}');
    }
    json_close(&j, ']');
    json_close(&j, '}');
}

static void
put_csv(void *report, struct buf *b)
{
    struct postings *r = report;
    char period[DATE_TEXT_MAX];
    text_put(b, "unit,period,country");
    for (size_t f = 0; f < POSTING_N; f++) {
        buf_put_u8(b, ',');
        text_put(b, FIGURES[f].name);
    }
    for (size_t i = 0; i < r->report.n; i++) {
        const struct posting_report_row *row = &r->report.rows[i];
        buf_put_u8(b, '\n');
        text_put_csv(b, report_unit_name(r->w, &row->unit));
        buf_put_u8(b, ',');
        text_put(b, report_period(r->span, row->period, period));
        buf_put_u8(b, ',');
        text_put(b, row->country);
        for (size_t f = 0; f < POSTING_N; f++) {
            buf_put_u8(b, ',');
            text_put_int(b, row->v[f]);
        }
    }
}

static void
print_table(void *report)
{
    struct postings *r = report;
    char from[DATE_TEXT_MAX], to[DATE_TEXT_MAX], text[CLI_NUMBER_MAX];
    printf("Postings abroad in the months %.7s to %.7s\n\n", date_format(r->w->from, from), date_format(r->w->to, to));
    cli_cell("unit", 8, false);
    if (r->span != SPAN_WHOLE)
        cli_cell("period", 9, false);
    cli_cell("country", 8, false);
    for (size_t f = 0; f < POSTING_N; f++)
        cli_cell(FIGURES[f].title, 10, true);
    putchar('\n');
    for (size_t i = 0; i < r->report.n; i++) {
        const struct posting_report_row *row = &r->report.rows[i];
        cli_cell(report_unit_name(r->w, &row->unit), 8, false);
        if (r->span != SPAN_WHOLE)
            cli_cell(report_period(r->span, row->period, from), 9, false);
        cli_cell(row->country, 8, false);
        for (size_t f = 0; f < POSTING_N; f++)
            cli_cell(cli_number(row->v[f], text), 10, true);
        putchar('\n');
    }
    if (r->report.n == 0)
        printf("(nothing)\n");
}

int
report_work_postings(struct report_work *w, struct err *err)
{
    static const struct report_forms forms = {put_csv, put_json, print_table};
    struct postings r = {.w = w, .span = report_span(w->a)};
    int rc = report_postings(w->txn, w->has_unit ? &w->unit : NULL, w->from, w->to, r.span, &r.report, err);
    if (rc != 0)
        return rc;
    rc = report_answer(w->a, &forms, ANSWER_BYTES_MAX, &r, err);
    posting_report_release(&r.report);
    return rc;
}
