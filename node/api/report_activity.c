/* GET /v1/reports/activity: turnover, contribution, credit notes, activities and people from month to month, in JSON or CSV. */
#include "node/api/report_sources.h"
#include "node/command/names.h"

static const struct by_word by_words[] = {{"office", PEOPLE_BY_OFFICE},
                                          {"sector", PEOPLE_BY_SECTOR},
                                          {"culture", PEOPLE_BY_CULTURE},
                                          {"currency", PEOPLE_BY_CURRENCY}};

static const struct {
    const char *name;
    enum work_count count;
    bool money; /* has a currency; activities have none */
} figures[] = {
    {"activities_opened", WORK_OPENED, false},
    {"activities_closed", WORK_CLOSED, false},
    {"activities_open", WORK_OPEN, false},
    {"invoices", WORK_INVOICES, true},
    {"turnover_minor", WORK_TURNOVER, true},
    {"contribution_minor", WORK_CONTRIBUTION, true},
    {"credit_notes", WORK_CREDIT_NOTES, true},
    {"credited_minor", WORK_CREDITED, true},
    {"contribution_back_minor", WORK_CONTRIBUTION_BACK, true},
};

struct asked {
    struct civil_date from, to;
    bool has_unit;
    struct unit_id unit;
    unsigned by;
    enum report_span span;
    size_t n_closed;
    struct closed_year *closed; /* heap */
};

static bool
shown(const struct activity_report_row *row, size_t f)
{
    return figures[f].money == (row->cell.currency[0] != '\0');
}

/* "2024-03" or "2024"; empty for the whole span. */
static void
period_text(const struct asked *q, struct civil_date first, char out[DATE_TEXT_MAX + 1])
{
    date_format(first, out);
    out[q->span == SPAN_MONTHS ? 7 : q->span == SPAN_YEARS ? 4 : 0] = '\0';
}

static void
json_row(struct request *r, struct json_out *j, const struct asked *q, const struct activity_report_row *row,
         bool all_units)
{
    char code[UNIT_CODE_MAX] = "", period[DATE_TEXT_MAX + 1], name[NUMBERED_NAME_MAX];
    json_open(j, '{');
    if (!all_units) {
        unit_code_of(r, &row->unit, code);
        json_put_text(j, "unit", code);
    }
    if (q->span != SPAN_WHOLE) {
        period_text(q, row->period, period);
        json_put_text(j, "period", period);
    }
    if (q->by & PEOPLE_BY_OFFICE) {
        json_put_hex(j, "office", row->cell.facets.office.b, ID_BYTES);
    }
    if (q->by & PEOPLE_BY_SECTOR) {
        json_put_uint(j, "sector", row->cell.facets.sector);
        json_put_text(j, "sector_name", sector_name(row->cell.facets.sector, name));
    }
    if (q->by & PEOPLE_BY_CULTURE) {
        json_put_bool(j, "culture", row->cell.facets.culture);
    }
    if (row->cell.currency[0] != '\0') {
        json_put_text(j, "currency", row->cell.currency);
    }
    for (size_t f = 0; !all_units && f < ARRAY_LEN(figures); f++) {
        if (shown(row, f)) {
            json_put_int(j, figures[f].name, row->v[figures[f].count]);
        }
    }
    if (row->has_people) {
        json_put_int(j, "people", row->people);
    }
    json_close(j, '}');
}

static void
write_json(struct request *r, const struct asked *q, const struct activity_report *rep, const struct source *s,
           size_t n)
{
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    json_open(&j, '{');
    json_put_date(&j, "from", q->from);
    json_put_date(&j, "to", q->to);
    json_sources(r, &j, s, n);
    json_closed(r, &j, q->closed, q->n_closed);
    json_key(&j, "rows");
    json_open(&j, '[');
    for (size_t i = 0; i < rep->n; i++) {
        json_row(r, &j, q, &rep->rows[i], false);
    }
    json_close(&j, ']');
    if (rep->has_all_units) {
        json_key(&j, "people_over_all_units");
        json_open(&j, '[');
        for (size_t i = 0; i < rep->n_people_all; i++) {
            json_row(r, &j, q, &rep->people_all[i], true);
        }
        json_close(&j, ']');
    }
    json_close(&j, '}');
}

/* record, unit, period, office, sector, culture, currency, figure, value. */
static void
csv_value(struct request *r, const struct asked *q, const char *record, const char *code,
          const struct activity_report_row *row, const char *figure, int64_t value)
{
    char period[DATE_TEXT_MAX + 1], name[NUMBERED_NAME_MAX];
    struct buf *b = r->out;
    period_text(q, row->period, period);
    text_put(b, record);
    buf_put_u8(b, ',');
    text_put_csv(b, code);
    buf_put_u8(b, ',');
    text_put(b, period);
    buf_put_u8(b, ',');
    if (q->by & PEOPLE_BY_OFFICE) {
        text_put_hex(b, row->cell.facets.office.b, ID_BYTES);
    }
    buf_put_u8(b, ',');
    if (q->by & PEOPLE_BY_SECTOR) {
        text_put_csv(b, sector_name(row->cell.facets.sector, name));
    }
    buf_put_u8(b, ',');
    if (q->by & PEOPLE_BY_CULTURE) {
        text_put(b, row->cell.facets.culture ? "yes" : "no");
    }
    buf_put_u8(b, ',');
    text_put(b, row->cell.currency);
    buf_put_u8(b, ',');
    text_put(b, figure);
    buf_put_u8(b, ',');
    text_put_int(b, value);
    text_put(b, "\r\n");
}

static void
write_csv(struct request *r, const struct asked *q, const struct activity_report *rep, const struct source *s, size_t n)
{
    char code[UNIT_CODE_MAX];
    buf_clear(r->out);
    r->status = MHD_HTTP_OK;
    r->content_type = "text/csv; charset=utf-8; header=present";
    text_put(r->out, "record,unit,period,office,sector,culture,currency,figure,value\r\n");
    csv_sources(r, s, n, 6);
    csv_closed(r, q->closed, q->n_closed, 6);
    for (size_t i = 0; i < rep->n; i++) {
        const struct activity_report_row *row = &rep->rows[i];
        unit_code_of(r, &row->unit, code);
        for (size_t f = 0; f < ARRAY_LEN(figures); f++) {
            if (shown(row, f)) {
                csv_value(r, q, "work", code, row, figures[f].name, row->v[figures[f].count]);
            }
        }
        if (row->has_people) {
            csv_value(r, q, "people", code, row, "people", row->people);
        }
    }
    for (size_t i = 0; i < rep->n_people_all; i++) {
        csv_value(r, q, "people_over_all_units", "", &rep->people_all[i], "people", rep->people_all[i].people);
    }
}

int
span_read(struct request *r, enum report_span *ret, struct err *err)
{
    const char *each = query_text(r, "each");
    *ret = SPAN_WHOLE;
    if (each == NULL) {
        return 0;
    }
    if (strcmp(each, "month") != 0 && strcmp(each, "year") != 0) {
        return err_field(err, ERR_INVALID, "each", "is month or year");
    }
    *ret = strcmp(each, "month") == 0 ? SPAN_MONTHS : SPAN_YEARS;
    return 0;
}

/* Without dates: the year up to today, whole months. */
int
get_report_activity(struct request *r, struct err *err)
{
    struct asked q = {0};
    struct activity_report rep;
    struct source *s = NULL;
    size_t n = 0;
    int rc = query_date(r, "to", r->api->deps.today(r->api->deps.arg), &q.to, err);
    rc = rc != 0 ? rc : query_date(r, "from", date_year_start(q.to), &q.from, err);
    rc = rc != 0 ? rc : span_read(r, &q.span, err);
    rc = rc != 0 ? rc : query_unit(r, &q.unit, &q.has_unit, err);
    rc = rc != 0 ? rc : by_parse(r, by_words, ARRAY_LEN(by_words), &q.by, err);
    if (rc == 0 && q.from.days > q.to.days) {
        rc = err_field(err, ERR_INVALID, "from", "is after to");
    }
    const struct unit_id *unit = q.has_unit ? &q.unit : NULL;
    rc = rc != 0 ? rc : report_activity(r->txn, unit, q.from, q.to, q.span, q.by, &rep, err);
    if (rc != 0) {
        return rc;
    }
    rc = view_closed_years(r->txn, unit, q.from, q.to, &q.closed, &q.n_closed, err);
    rc = rc != 0 ? rc : sources_load(r, q.to, unit, &s, &n, err);
    if (rc == 0) {
        if (wants_csv(r)) {
            write_csv(r, &q, &rep, s, n);
        } else {
            write_json(r, &q, &rep, s, n);
        }
        sources_free(s, n);
    }
    free(q.closed);
    activity_report_release(&rep);
    return rc;
}
