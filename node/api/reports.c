/* Reports in JSON or CSV. Every one says from which log heads it was computed and how old the knowledge of each unit is, so that two
 * people with different figures can find out why. */
#include "node/api/request.h"

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
    size_t n_figures;
};

/* Which unit, from where. */
struct source {
    struct unit_id unit;
    char code[UNIT_CODE_MAX];
    bool known;
    struct wall_ms known_at;
    struct head *heads;
    size_t n_heads;
};

static const struct {
    const char *name;
    unsigned bit;
} by_words[] = {{"category", BY_CATEGORY}, {"office", BY_OFFICE}, {"person_type", BY_PERSON_TYPE}};

static int
by_parse(struct request *r, unsigned *ret, struct err *err)
{
    const char *p = query_text(r, "by");

    *ret = BY_NOTHING;
    while (p != NULL && *p != '\0') {
        size_t n = strcspn(p, ","), i = 0;
        while (i < ARRAY_LEN(by_words) && (strlen(by_words[i].name) != n || memcmp(by_words[i].name, p, n) != 0)) {
            i++;
        }
        if (i == ARRAY_LEN(by_words)) {
            return err_field(err, ERR_INVALID, "by", "is a list of category, office, person_type");
        }
        *ret |= by_words[i].bit;
        p += n + (p[n] == ',');
    }
    return 0;
}

static void
sources_free(struct source *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(s[i].heads);
    }
    free(s);
}

/* Once for all units: the tips come unordered by unit. */
static int
source_heads(struct request *r, struct source *s, struct err *err)
{
    const struct api_deps *d = &r->api->deps;

    if (unit_is_own(r, &s->unit)) {
        s->known = true;
        s->known_at = d->now_wall(d->arg);
    } else {
        s->known = d->unit_known_at(d->arg, &s->unit, &s->known_at);
    }
    return evlog_tips(r->txn, &s->unit, &s->heads, &s->n_heads, err);
}

static int
sources_load(struct request *r, const struct asked *q, struct source **ret, size_t *ret_n, struct err *err)
{
    struct unit_info *units = malloc(API_UNITS_MAX * sizeof(*units));
    struct source *s = calloc(API_UNITS_MAX, sizeof(*s));
    size_t n_units = 0, n = 0;
    int rc = units == NULL || s == NULL ? err_set(err, ERR_NOMEM, "report") : 0;

    if (rc == 0) {
        rc = view_units(r->txn, q->to, units, API_UNITS_MAX, &n_units, err);
    }
    for (size_t i = 0; rc == 0 && i < n_units && i < API_UNITS_MAX; i++) {
        if (q->has_unit && !TYPE_EQ(&units[i].unit, &q->unit)) {
            continue;
        }
        s[n].unit = units[i].unit;
        memcpy(s[n].code, units[i].code, UNIT_CODE_MAX);
        rc = source_heads(r, &s[n], err);
        n++;
    }
    free(units);
    if (rc != 0) {
        sources_free(s, s != NULL ? n : 0);
        return rc;
    }
    *ret = s;
    *ret_n = n;
    return 0;
}

static int64_t
age_s(struct request *r, const struct source *s)
{
    int64_t ms = r->api->deps.now_wall(r->api->deps.arg).ms - s->known_at.ms;

    return ms > 0 ? ms / 1000 : 0;
}

static void
json_sources(struct request *r, struct json_out *j, const struct source *s, size_t n)
{
    json_key(j, "computed_from");
    json_open(j, '[');
    for (size_t i = 0; i < n; i++) {
        json_open(j, '{');
        json_put_text(j, "unit", s[i].code);
        json_key(j, "known_at");
        if (s[i].known) {
            json_time(j, s[i].known_at);
            json_put_int(j, "age_s", age_s(r, &s[i]));
        } else {
            json_none(j);
        }
        json_key(j, "heads");
        json_open(j, '[');
        for (size_t h = 0; h < s[i].n_heads; h++) {
            const struct position at = {s[i].heads[h].log, s[i].heads[h].seq};
            json_open(j, '{');
            put_position(j, &at);
            json_put_hex(j, "chain", s[i].heads[h].chain.b, HASH_BYTES);
            json_close(j, '}');
        }
        json_close(j, ']');
        json_close(j, '}');
    }
    json_close(j, ']');
}

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

static void
json_capital(struct request *r, struct json_out *j, const struct asked *q, const struct report *rep)
{
    char code[UNIT_CODE_MAX];

    json_key(j, "capital");
    json_open(j, '[');
    for (size_t i = 0; i < rep->n_capital; i++) {
        const struct report_capital *c = &rep->capital[i];
        json_open(j, '{');
        unit_code_of(r, &c->unit, code);
        json_put_text(j, "unit", code);
        json_put_text(j, "currency", c->currency);
        if (q->flows) {
            json_put_int(j, "shares_in", c->v[CAPITAL_SHARES_IN]);
            json_put_int(j, "shares_out", c->v[CAPITAL_SHARES_OUT]);
            json_put_int(j, "minor_in", c->v[CAPITAL_MINOR_IN]);
            json_put_int(j, "minor_out", c->v[CAPITAL_MINOR_OUT]);
        } else {
            json_put_int(j, "shares", capital_shares(c->v));
            json_put_int(j, "minor", capital_minor(c->v));
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
csv_sources(struct request *r, const struct source *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (s[i].known) {
            csv_int(r->out, &(struct csv_line){.record = "source", .unit = s[i].code, .figure = "age_s"},
                    age_s(r, &s[i]));
        }
        for (size_t h = 0; h < s[i].n_heads; h++) {
            csv_begin(r->out, &(struct csv_line){.record = "source", .unit = s[i].code, .figure = "head"});
            text_put_hex(r->out, s[i].heads[h].log.b, HASH_BYTES);
            buf_put_u8(r->out, '.');
            text_put_uint(r->out, s[i].heads[h].seq);
            text_put(r->out, "\r\n");
        }
    }
}

static void
csv_capital(struct request *r, const struct asked *q, const struct report_capital *c)
{
    char code[UNIT_CODE_MAX];
    struct csv_line l = {.record = "capital", .unit = code, .currency = c->currency};

    unit_code_of(r, &c->unit, code);
    if (q->flows) {
        static const char *const names[] = {"shares_in", "shares_out", "minor_in", "minor_out"};
        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
            l.figure = names[i];
            csv_int(r->out, &l, c->v[i]);
        }
        return;
    }
    l.figure = "shares";
    csv_int(r->out, &l, capital_shares(c->v));
    l.figure = "minor";
    csv_int(r->out, &l, capital_minor(c->v));
}

static void
write_csv(struct request *r, const struct asked *q, const struct report *rep, const struct source *s, size_t n)
{
    char code[UNIT_CODE_MAX];

    buf_clear(r->out);
    r->status = MHD_HTTP_OK;
    r->content_type = "text/csv; charset=utf-8; header=present";
    text_put(r->out, "record,unit,category,office,person_type,currency,figure,value\r\n");
    csv_sources(r, s, n);
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
        rc = by_parse(r, &q->by, err);
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
    rc = sources_load(r, q, &s, &n, err);
    if (rc == 0) {
        if (wants_csv(r)) {
            write_csv(r, q, &rep, s, n);
        } else {
            write_json(r, q, &rep, s, n);
        }
        sources_free(s, n);
    }
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
