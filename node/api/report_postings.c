/* GET /v1/reports/postings: who works abroad where, from month to month, in JSON or CSV. */
#include "node/api/report_sources.h"

struct asked {
    struct civil_date from, to;
    bool has_unit;
    struct unit_id unit;
    enum report_span span;
};

/* "2024-03" or "2024"; empty for the whole span. */
static void
period_text(const struct asked *q, struct civil_date first, char out[DATE_TEXT_MAX + 1])
{
    date_format(first, out);
    out[q->span == SPAN_MONTHS ? 7 : q->span == SPAN_YEARS ? 4 : 0] = '\0';
}

static void
write_json(struct request *r, const struct asked *q, const struct posting_report *rep, const struct source *s, size_t n)
{
    char code[UNIT_CODE_MAX], period[DATE_TEXT_MAX + 1];
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    json_open(&j, '{');
    json_put_date(&j, "from", q->from);
    json_put_date(&j, "to", q->to);
    json_sources(r, &j, s, n);
    json_key(&j, "rows");
    json_open(&j, '[');
    for (size_t i = 0; i < rep->n; i++) {
        const struct posting_report_row *row = &rep->rows[i];
        json_open(&j, '{');
        unit_code_of(r, &row->unit, code);
        json_put_text(&j, "unit", code);
        if (q->span != SPAN_WHOLE) {
            period_text(q, row->period, period);
            json_put_text(&j, "period", period);
        }
        json_put_text(&j, "country", row->country);
        for (size_t f = 0; f < POSTING_N; f++) {
            json_put_int(&j, posting_count_words[f], row->v[f]);
        }
        json_close(&j, '}');
    }
    json_close(&j, ']');
    json_close(&j, '}');
}

/* record, unit, period, country, figure, value. */
static void
write_csv(struct request *r, const struct asked *q, const struct posting_report *rep, const struct source *s, size_t n)
{
    char code[UNIT_CODE_MAX], period[DATE_TEXT_MAX + 1];
    struct buf *b = r->out;
    buf_clear(b);
    r->status = MHD_HTTP_OK;
    r->content_type = "text/csv; charset=utf-8; header=present";
    text_put(b, "record,unit,period,country,figure,value\r\n");
    csv_sources(r, s, n, 3);
    for (size_t i = 0; i < rep->n; i++) {
        const struct posting_report_row *row = &rep->rows[i];
        unit_code_of(r, &row->unit, code);
        period_text(q, row->period, period);
        for (size_t f = 0; f < POSTING_N; f++) {
            text_put(b, "postings,");
            text_put_csv(b, code);
            buf_put_u8(b, ',');
            text_put(b, period);
            buf_put_u8(b, ',');
            text_put(b, row->country);
            buf_put_u8(b, ',');
            text_put(b, posting_count_words[f]);
            buf_put_u8(b, ',');
            text_put_int(b, row->v[f]);
            text_put(b, "\r\n");
        }
    }
}

/* Without dates: the year up to today, whole months. */
int
get_report_postings(struct request *r, struct err *err)
{
    struct asked q = {0};
    struct posting_report rep;
    struct source *s = NULL;
    size_t n = 0;
    int rc = query_date(r, "to", r->api->deps.today(r->api->deps.arg), &q.to, err);
    rc = rc != 0 ? rc : query_date(r, "from", date_year_start(q.to), &q.from, err);
    rc = rc != 0 ? rc : span_read(r, &q.span, err);
    rc = rc != 0 ? rc : query_unit(r, &q.unit, &q.has_unit, err);
    if (rc == 0 && q.from.days > q.to.days) {
        rc = err_field(err, ERR_INVALID, "from", "is after to");
    }
    const struct unit_id *unit = q.has_unit ? &q.unit : NULL;
    rc = rc != 0 ? rc : report_postings(r->txn, unit, q.from, q.to, q.span, &rep, err);
    if (rc != 0) {
        return rc;
    }
    rc = sources_load(r, q.to, unit, &s, &n, err);
    if (rc == 0) {
        if (wants_csv(r)) {
            write_csv(r, &q, &rep, s, n);
        } else {
            write_json(r, &q, &rep, s, n);
        }
        sources_free(s, n);
    }
    posting_report_release(&rep);
    return rc;
}
