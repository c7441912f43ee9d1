/* Reports in JSON or CSV. Every one says from which log heads it was computed and how old the knowledge of each unit is, so that two
 * people with different figures can find out why. */
#include "node/api/report_sources.h"
#include "node/command/names.h"

struct figure {
    const char *name;
    enum count count;
};

static const struct figure members_figures[] = {{"members", COUNT_MEMBERS}};
static const struct figure flow_figures[] = {
    {"joined", COUNT_JOINED},
    {"resigned", COUNT_RESIGNED},
    {"withdrawn", COUNT_WITHDRAWN},
    {"excluded", COUNT_EXCLUDED},
    {"deceased", COUNT_DECEASED},
    {"moved_in", COUNT_MOVED_IN},
    {"moved_out", COUNT_MOVED_OUT},
    {"changed_in", COUNT_CHANGED_IN},
    {"changed_out", COUNT_CHANGED_OUT},
    {"relocated_in", COUNT_RELOCATED_IN},
    {"relocated_out", COUNT_RELOCATED_OUT},
    {"merged", COUNT_MERGED},
    {"applied", COUNT_APPLIED},
    {"refused", COUNT_REFUSED},
    {"withdrawal_requested", COUNT_REQUESTED},
    {"withdrawal_refused", COUNT_REQUEST_REFUSED},
};

struct asked {
    bool flows;
    struct civil_date from, to; /* of members: to is as_of */
    bool has_unit;
    struct unit_id unit;
    unsigned by;
    const struct figure *figures;
    size_t n_figures, n_closed;
    struct closed_year *closed; /* heap */
};

static const struct by_word by_words[] = {
    {"category", BY_CATEGORY}, {"office", BY_OFFICE}, {"person_type", BY_PERSON_TYPE}};

static void
json_rows(struct request *r, struct json_out *j, const struct asked *q, const struct report *rep)
{
    char code[UNIT_CODE_MAX];

    json_key(j, "rows");
    json_open(j, '[');
    for (size_t i = 0; i < rep->n; i++) {
        const struct report_row *row = &rep->rows[i];
        json_open(j, '{');
        unit_code_of(r, &row->unit, code);
        json_put_text(j, "unit", code);
        if (row->category != 0) {
            json_put_text(j, "category", category_word(row->category));
        }
        if (row->has_office) {
            json_put_hex(j, "office", row->office.b, ID_BYTES);
        }
        if (row->person_type != 0) {
            json_put_text(j, "person_type", person_type_word(row->person_type));
        }
        for (size_t f = 0; f < q->n_figures; f++) {
            json_put_int(j, q->figures[f].name, row->counts[q->figures[f].count]);
        }
        json_close(j, '}');
    }
    json_close(j, ']');
}

/* Names of what there is on a day, sums of what came and went. docs/openapi.yaml. */
enum { CAPITAL_STANDS = 3 };
static const char *const capital_stands[CAPITAL_STANDS] = {"shares", "minor", "owed_minor"};

static void
capital_standing(const int64_t v[CAPITAL_N], int64_t ret[CAPITAL_STANDS])
{
    ret[0] = capital_shares(v);
    ret[1] = capital_minor(v);
    ret[2] = v[CAPITAL_MINOR_OUT] - v[CAPITAL_MINOR_REPAID] - v[CAPITAL_MINOR_FORGONE];
}

static void
json_capital(struct request *r, struct json_out *j, const struct asked *q, const struct report *rep)
{
    char code[UNIT_CODE_MAX];

    json_key(j, "capital");
    json_open(j, '[');
    for (size_t i = 0; i < rep->n_capital; i++) {
        const struct report_capital *c = &rep->capital[i];
        int64_t stands[CAPITAL_STANDS];
        json_open(j, '{');
        unit_code_of(r, &c->unit, code);
        json_put_text(j, "unit", code);
        json_put_text(j, "currency", c->currency);
        capital_standing(c->v, stands);
        for (size_t k = 0; q->flows && k < CAPITAL_N; k++) {
            json_put_int(j, capital_words[k], c->v[k]);
        }
        for (size_t k = 0; !q->flows && k < CAPITAL_STANDS; k++) {
            json_put_int(j, capital_stands[k], stands[k]);
        }
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void
write_json(struct request *r, const struct asked *q, const struct report *rep, const struct source *s, size_t n)
{
    struct json_out j = reply_json(r, MHD_HTTP_OK);

    json_open(&j, '{');
    if (q->flows) {
        json_put_date(&j, "from", q->from);
        json_put_date(&j, "to", q->to);
    } else {
        json_put_date(&j, "as_of", q->to);
    }
    json_sources(r, &j, s, n);
    json_closed(r, &j, q->closed, q->n_closed);
    json_rows(r, &j, q, rep);
    json_capital(r, &j, q, rep);
    json_close(&j, '}');
}

/* One figure for each line: record, unit, category, office, person_type, currency, figure, value. */
struct csv_line {
    const char *record, *unit, *category, *person_type, *currency, *figure;
    const struct office_id *office;
};

static void
csv_begin(struct buf *b, const struct csv_line *l)
{
    text_put(b, l->record);
    buf_put_u8(b, ',');
    text_put_csv(b, l->unit);
    buf_put_u8(b, ',');
    text_put(b, l->category != NULL ? l->category : "");
    buf_put_u8(b, ',');
    if (l->office != NULL) {
        text_put_hex(b, l->office->b, ID_BYTES);
    }
    buf_put_u8(b, ',');
    text_put(b, l->person_type != NULL ? l->person_type : "");
    buf_put_u8(b, ',');
    text_put(b, l->currency != NULL ? l->currency : "");
    buf_put_u8(b, ',');
    text_put(b, l->figure);
    buf_put_u8(b, ',');
}

static void
csv_int(struct buf *b, const struct csv_line *l, int64_t v)
{
    csv_begin(b, l);
    text_put_int(b, v);
    text_put(b, "\r\n");
}

static void
csv_capital(struct request *r, const struct asked *q, const struct report_capital *c)
{
    char code[UNIT_CODE_MAX];
    struct csv_line l = {.record = "capital", .unit = code, .currency = c->currency};

    int64_t stands[CAPITAL_STANDS];

    unit_code_of(r, &c->unit, code);
    capital_standing(c->v, stands);
    for (size_t i = 0; q->flows && i < CAPITAL_N; i++) {
        l.figure = capital_words[i];
        csv_int(r->out, &l, c->v[i]);
    }
    for (size_t i = 0; !q->flows && i < CAPITAL_STANDS; i++) {
        l.figure = capital_stands[i];
        csv_int(r->out, &l, stands[i]);
    }
}

static void
write_csv(struct request *r, const struct asked *q, const struct report *rep, const struct source *s, size_t n)
{
    char code[UNIT_CODE_MAX];

    buf_clear(r->out);
    r->status = MHD_HTTP_OK;
    r->content_type = "text/csv; charset=utf-8; header=present";
    text_put(r->out, "record,unit,category,office,person_type,currency,figure,value\r\n");
    csv_sources(r, s, n, 5);
    csv_closed(r, q->closed, q->n_closed, 5);
    for (size_t i = 0; i < rep->n; i++) {
        const struct report_row *row = &rep->rows[i];
        unit_code_of(r, &row->unit, code);
        struct csv_line l = {.record = "count",
                             .unit = code,
                             .category = row->category != 0 ? category_word(row->category) : NULL,
                             .person_type = row->person_type != 0 ? person_type_word(row->person_type) : NULL,
                             .office = row->has_office ? &row->office : NULL};
        for (size_t f = 0; f < q->n_figures; f++) {
            l.figure = q->figures[f].name;
            csv_int(r->out, &l, row->counts[q->figures[f].count]);
        }
    }
    for (size_t i = 0; i < rep->n_capital; i++) {
        csv_capital(r, q, &rep->capital[i]);
    }
}

static int
report_answer(struct request *r, struct asked *q, struct err *err)
{
    struct report rep = {0};
    struct source *s = NULL;
    size_t n = 0;

    int rc = query_unit(r, &q->unit, &q->has_unit, err);
    if (rc == 0) {
        rc = by_parse(r, by_words, ARRAY_LEN(by_words), &q->by, err);
    }
    if (rc != 0) {
        return rc;
    }
    const struct unit_id *unit = q->has_unit ? &q->unit : NULL;
    rc = q->flows ? report_flows(r->txn, unit, q->from, q->to, q->by, &rep, err)
                  : report_members(r->txn, unit, q->to, q->by, &rep, err);
    if (rc != 0) {
        return rc;
    }
    rc = view_closed_years(r->txn, unit, q->flows ? q->from : q->to, q->to, &q->closed, &q->n_closed, err);
    rc = rc != 0 ? rc : sources_load(r, q->to, unit, &s, &n, err);
    if (rc == 0) {
        if (wants_csv(r)) {
            write_csv(r, q, &rep, s, n);
        } else {
            write_json(r, q, &rep, s, n);
        }
        sources_free(s, n);
    }
    free(q->closed);
    report_release(&rep);
    return rc;
}

int
get_report_members(struct request *r, struct err *err)
{
    struct asked q = {.figures = members_figures, .n_figures = ARRAY_LEN(members_figures), .from = DATE_NONE};
    int rc = query_date(r, "as_of", r->api->deps.today(r->api->deps.arg), &q.to, err);

    return rc != 0 ? rc : report_answer(r, &q, err);
}

/* Without dates: the year up to today. */
int
get_report_flows(struct request *r, struct err *err)
{
    struct asked q = {.flows = true, .figures = flow_figures, .n_figures = ARRAY_LEN(flow_figures)};
    int rc = query_date(r, "to", r->api->deps.today(r->api->deps.arg), &q.to, err);

    if (rc == 0) {
        rc = query_date(r, "from", date_year_start(q.to), &q.from, err);
    }
    if (rc == 0 && q.from.days > q.to.days) {
        rc = err_field(err, ERR_INVALID, "from", "is after to");
    }
    return rc != 0 ? rc : report_answer(r, &q, err);
}
