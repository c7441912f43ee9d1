/* See report_sources.h. */
#include "node/api/report_sources.h"

int
by_parse(struct request *r, const struct by_word *words, size_t n, unsigned *ret, struct err *err)
{
    const char *p = query_text(r, "by");
    char list[120] = "";

    *ret = 0;
    while (p != NULL && *p != '\0') {
        size_t len = strcspn(p, ","), i = 0;
        while (i < n && (strlen(words[i].name) != len || memcmp(words[i].name, p, len) != 0)) {
            i++;
        }
        if (i == n) {
            for (size_t k = 0; k < n; k++) {
                size_t at = strlen(list);
                snprintf(list + at, sizeof(list) - at, "%s%s", k == 0 ? "" : ", ", words[k].name);
            }
            return err_field(err, ERR_INVALID, "by", "is a list of %s", list);
        }
        *ret |= words[i].bit;
        p += len + (p[len] == ',');
    }
    return 0;
}

void
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

int
sources_load(struct request *r, struct civil_date day, const struct unit_id *unit, struct source **ret, size_t *ret_n,
             struct err *err)
{
    struct unit_info *units = malloc(API_UNITS_MAX * sizeof(*units));
    struct source *s = calloc(API_UNITS_MAX, sizeof(*s));
    size_t n_units = 0, n = 0;
    int rc = units == NULL || s == NULL ? err_set(err, ERR_NOMEM, "report") : 0;

    if (rc == 0) {
        rc = view_units(r->txn, day, units, API_UNITS_MAX, &n_units, err);
    }
    for (size_t i = 0; rc == 0 && i < n_units && i < API_UNITS_MAX; i++) {
        if (unit != NULL && !TYPE_EQ(&units[i].unit, unit)) {
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

void
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
csv_record(struct request *r, const char *record, const char *code, unsigned commas)
{
    text_put(r->out, record);
    buf_put_u8(r->out, ',');
    text_put_csv(r->out, code);
    for (unsigned i = 0; i < commas; i++) {
        buf_put_u8(r->out, ',');
    }
}

static void
csv_source(struct request *r, const struct source *s, unsigned commas, const char *figure)
{
    csv_record(r, "source", s->code, commas);
    text_put(r->out, figure);
    buf_put_u8(r->out, ',');
}

void
csv_sources(struct request *r, const struct source *s, size_t n, unsigned commas)
{
    for (size_t i = 0; i < n; i++) {
        if (s[i].known) {
            csv_source(r, &s[i], commas, "age_s");
            text_put_int(r->out, age_s(r, &s[i]));
            text_put(r->out, "\r\n");
        }
        for (size_t h = 0; h < s[i].n_heads; h++) {
            csv_source(r, &s[i], commas, "head");
            text_put_hex(r->out, s[i].heads[h].log.b, HASH_BYTES);
            buf_put_u8(r->out, '.');
            text_put_uint(r->out, s[i].heads[h].seq);
            text_put(r->out, "\r\n");
        }
    }
}

void
json_closed(struct request *r, struct json_out *j, const struct closed_year *years, size_t n)
{
    char code[UNIT_CODE_MAX];

    json_key(j, "closed_years");
    json_open(j, '[');
    for (size_t i = 0; i < n; i++) {
        json_open(j, '{');
        unit_code_of(r, &years[i].unit, code);
        json_put_text(j, "unit", code);
        json_put_uint(j, "year", years[i].year);
        json_put_date(j, "closed_on", years[i].closed_on);
        json_put_bool(j, "adjusted", years[i].n_adjusted > 0);
        json_close(j, '}');
    }
    json_close(j, ']');
}

void
csv_closed(struct request *r, const struct closed_year *years, size_t n, unsigned commas)
{
    char code[UNIT_CODE_MAX], day[DATE_TEXT_MAX + 1];

    for (size_t i = 0; i < n; i++) {
        unit_code_of(r, &years[i].unit, code);
        csv_record(r, "closed", code, commas);
        text_put_uint(r->out, years[i].year);
        buf_put_u8(r->out, ',');
        text_put(r->out, date_format(years[i].closed_on, day));
        text_put(r->out, "\r\n");
        if (years[i].n_adjusted > 0) {
            csv_record(r, "adjusted", code, commas);
            text_put_uint(r->out, years[i].year);
            buf_put_u8(r->out, ',');
            text_put_uint(r->out, years[i].n_adjusted);
            text_put(r->out, "\r\n");
        }
    }
}
