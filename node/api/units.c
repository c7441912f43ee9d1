/* Units and their offices. */
#include "node/api/request.h"

struct hash
api_office_tag(const struct office_id *office, const struct office_state *state)
{
    const struct office_facts *f = &state->facts;
    uint8_t dates[9];

    dates[0] = state->open;
    be32_put(dates + 1, (uint32_t)state->opened_on.days);
    be32_put(dates + 5, (uint32_t)state->closed_on.days);
    const struct slice parts[] = {
        slice_of(office->b, ID_BYTES),
        slice_of(dates, sizeof(dates)),
        slice_of(f->name.s, strlen(f->name.s) + 1),
        slice_of(f->city.s, strlen(f->city.s) + 1),
        slice_of(f->country, strlen(f->country) + 1),
    };
    return crypto_hash_parts("smart.etag", parts, ARRAY_LEN(parts));
}

struct hash
api_unit_tag(const struct unit_described *u)
{
    uint8_t numbers[8 + 4 + 1];
    struct slice parts[5 + UNIT_LANGUAGES_MAX];
    size_t n = 0;

    be64_put(numbers, (uint64_t)u->share_price_minor);
    be32_put(numbers + 8, u->contribution_bp);
    numbers[12] = u->n_languages;
    parts[n++] = slice_of(numbers, sizeof(numbers));
    parts[n++] = slice_of(u->name.s, strlen(u->name.s) + 1);
    parts[n++] = slice_of(u->country, strlen(u->country) + 1);
    parts[n++] = slice_of(u->currency, strlen(u->currency) + 1);
    parts[n++] = slice_of(u->time_zone.s, strlen(u->time_zone.s) + 1);
    for (size_t i = 0; i < u->n_languages && i < UNIT_LANGUAGES_MAX; i++) {
        parts[n++] = slice_of(u->languages[i], strlen(u->languages[i]) + 1);
    }
    return crypto_hash_parts("smart.etag", parts, n);
}

static void
put_unit_info(struct request *r, struct json_out *j, const struct unit_info *u)
{
    struct wall_ms known;
    bool own = unit_is_own(r, &u->unit);

    json_open(j, '{');
    json_put_text(j, "code", u->code);
    json_put_hex(j, "id", u->unit.b, HASH_BYTES);
    json_put_bool(j, "own", own);
    if (!own && r->api->deps.unit_known_at(r->api->deps.arg, &u->unit, &known)) {
        json_put_time(j, "known_at", known);
    }
    if (u->described) {
        json_put_text(j, "name", u->facts.name.s);
        json_put_text(j, "country", u->facts.country);
        json_put_text(j, "currency", u->facts.currency);
        json_key(j, "languages");
        json_open(j, '[');
        for (size_t i = 0; i < u->facts.n_languages; i++) {
            json_text(j, u->facts.languages[i], strlen(u->facts.languages[i]));
        }
        json_close(j, ']');
        json_put_text(j, "time_zone", u->facts.time_zone.s);
        json_put_uint(j, "contribution_bp", u->facts.contribution_bp);
        json_put_int(j, "share_price_minor", u->facts.share_price_minor);
    }
    if (u->has_custodian) {
        char code[UNIT_CODE_MAX];
        unit_code_of(r, &u->custodian, code);
        json_put_text(j, "custodian", code);
    }
    if (!date_is_none(u->closed_on)) {
        json_put_date(j, "closed_on", u->closed_on);
    }
    json_close(j, '}');
}

static int
units_load(struct request *r, struct civil_date as_of, struct unit_info **ret, size_t *ret_n, struct err *err)
{
    struct unit_info *units = malloc(API_UNITS_MAX * sizeof(*units));

    if (units == NULL) {
        return err_set(err, ERR_NOMEM, "units");
    }
    int rc = view_units(r->txn, as_of, units, API_UNITS_MAX, ret_n, err);
    if (rc != 0) {
        free(units);
        return rc;
    }
    *ret = units;
    return 0;
}

int
get_units(struct request *r, struct err *err)
{
    struct unit_info *units = NULL;
    struct civil_date as_of;
    size_t n = 0;

    int rc = query_date(r, "as_of", r->api->deps.today(r->api->deps.arg), &as_of, err);
    if (rc == 0) {
        rc = units_load(r, as_of, &units, &n, err);
    }
    if (rc != 0) {
        return rc;
    }
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    json_open(&j, '{');
    json_key(&j, "units");
    json_open(&j, '[');
    for (size_t i = 0; i < n && i < API_UNITS_MAX; i++) {
        put_unit_info(r, &j, &units[i]);
    }
    json_close(&j, ']');
    json_close(&j, '}');
    free(units);
    return 0;
}

/* The unit of the path as of a day; ERR_NOTFOUND. */
static int
unit_load(struct request *r, struct civil_date as_of, struct unit_info *ret, struct err *err)
{
    struct unit_info *units = NULL;
    struct unit_id id;
    size_t n = 0;

    int rc = param_unit(r, 0, &id, err);
    if (rc == 0) {
        rc = units_load(r, as_of, &units, &n, err);
    }
    if (rc != 0) {
        return rc;
    }
    rc = ERR_NOTFOUND;
    for (size_t i = 0; i < n && i < API_UNITS_MAX && rc != 0; i++) {
        if (TYPE_EQ(&units[i].unit, &id)) {
            *ret = units[i];
            rc = 0;
        }
    }
    free(units);
    return rc == 0 ? 0 : err_field(err, ERR_NOTFOUND, "unit", "no such unit");
}

int
get_unit(struct request *r, struct err *err)
{
    struct unit_info unit;
    struct civil_date as_of;

    int rc = query_date(r, "as_of", r->api->deps.today(r->api->deps.arg), &as_of, err);
    if (rc == 0) {
        rc = unit_load(r, as_of, &unit, err);
    }
    if (rc != 0) {
        return rc;
    }
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    put_unit_info(r, &j, &unit);
    if (unit.described) {
        struct hash tag = api_unit_tag(&unit.facts);
        etag_hash(&tag, r->etag);
    }
    return 0;
}

static int
own_unit_check(struct request *r, struct unit_id *ret, struct err *err)
{
    int rc = param_unit(r, 0, ret, err);

    if (rc == 0 && !unit_is_own(r, ret)) {
        rc = err_field(err, ERR_DENIED, "unit", "only the own unit's register is written here");
    }
    return rc;
}

static void
unit_fields_read(struct json_in *in, struct api_op *op)
{
    struct unit_described *u = &op->unit.facts;
    uint64_t v;
    size_t n = 0;

    op->unit.effective = DATE_NONE;
    (void)json_in_text(in, "name", true, u->name.s, sizeof(u->name.s));
    (void)json_in_text(in, "country", true, u->country, sizeof(u->country));
    (void)json_in_text(in, "currency", true, u->currency, sizeof(u->currency));
    (void)json_in_text(in, "time_zone", true, u->time_zone.s, sizeof(u->time_zone.s));
    (void)json_in_date(in, "effective_on", false, &op->unit.effective);
    if (json_in_uint(in, "contribution_bp", true, 10000, &v)) {
        u->contribution_bp = (uint32_t)v;
    }
    if (json_in_uint(in, "share_price_minor", true, SHARE_PRICE_MINOR_MAX, &v)) {
        u->share_price_minor = (int64_t)v;
    }
    if (json_in_texts(in, "languages", u->languages[0], sizeof(u->languages[0]), UNIT_LANGUAGES_MAX, &n)) {
        u->n_languages = (uint8_t)n;
    }
}

/* The first description has no ETag to match; every later one must name what it replaces. */
static int
unit_if_match(struct request *r, struct api_op *op, struct err *err)
{
    struct unit_info now;
    int rc = unit_load(r, r->api->deps.today(r->api->deps.arg), &now, err);

    if (rc == ERR_NOTFOUND) {
        return 0;
    }
    if (rc != 0 || !now.described) {
        return rc;
    }
    op->has_if_match = true;
    return if_match_hash(r, &op->if_match, err);
}

int
put_unit(struct request *r, struct err *err)
{
    struct json_in in;
    struct api_op *op;
    struct unit_id unit;

    int rc = own_unit_check(r, &unit, err);
    if (rc == 0) {
        rc = body_open(r, &in, err);
    }
    if (rc != 0) {
        return rc;
    }
    rc = request_op(r, OP_UNIT_DESCRIBE, MHD_HTTP_OK, &op, err);
    if (rc == 0) {
        rc = unit_if_match(r, op, err);
    }
    if (rc == 0) {
        unit_fields_read(&in, op);
    }
    return json_in_end(&in, rc);
}

static void
put_office(struct json_out *j, const struct office_info *o)
{
    struct hash tag = api_office_tag(&o->id, &o->state);
    char etag[ETAG_TEXT_MAX];

    etag_hash(&tag, etag);
    json_open(j, '{');
    json_put_hex(j, "id", o->id.b, ID_BYTES);
    put_office_facts(j, &o->state.facts);
    json_put_bool(j, "open", o->state.open);
    json_put_date(j, "opened_on", o->state.opened_on);
    if (!date_is_none(o->state.closed_on)) {
        json_put_date(j, "closed_on", o->state.closed_on);
    }
    json_put_text(j, "etag", etag);
    json_close(j, '}');
}

int
get_offices(struct request *r, struct err *err)
{
    struct unit_id unit;
    struct civil_date as_of;
    size_t n = 0;

    int rc = param_unit(r, 0, &unit, err);
    if (rc == 0) {
        rc = query_date(r, "as_of", r->api->deps.today(r->api->deps.arg), &as_of, err);
    }
    if (rc != 0) {
        return rc;
    }
    struct office_info *offices = malloc(API_OFFICES_MAX * sizeof(*offices));
    if (offices == NULL) {
        return err_set(err, ERR_NOMEM, "offices");
    }
    rc = view_offices(r->txn, &unit, as_of, offices, API_OFFICES_MAX, &n, err);
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    json_open(&j, '{');
    json_key(&j, "offices");
    json_open(&j, '[');
    for (size_t i = 0; rc == 0 && i < n && i < API_OFFICES_MAX; i++) {
        put_office(&j, &offices[i]);
    }
    json_close(&j, ']');
    json_close(&j, '}');
    free(offices);
    return rc;
}

static int
office_load(struct request *r, const struct unit_id *unit, struct civil_date as_of, struct office_info *ret,
            struct err *err)
{
    uint8_t key[KEY_OFFICE];
    struct place_row row;
    struct slice value;

    int rc = param_hex(r, 1, "office", ret->id.b, ID_BYTES, err);
    if (rc != 0) {
        return rc;
    }
    key_office(key, unit, &ret->id);
    rc = db_get(r->txn, TABLE_OFFICES, slice_of(key, sizeof(key)), &value, err);
    if (rc == 0) {
        rc = place_row_decode(value, unit, &ret->id, &row, err);
    }
    if (rc == 0) {
        rc = office_state_at(&row, as_of, &ret->state) ? 0 : ERR_NOTFOUND;
        place_row_release(&row);
    }
    return rc == ERR_NOTFOUND ? err_field(err, ERR_NOTFOUND, "office", "no such office") : rc;
}

int
get_office(struct request *r, struct err *err)
{
    struct office_info office;
    struct unit_id unit;
    struct civil_date as_of;

    int rc = param_unit(r, 0, &unit, err);
    if (rc == 0) {
        rc = query_date(r, "as_of", r->api->deps.today(r->api->deps.arg), &as_of, err);
    }
    if (rc == 0) {
        rc = office_load(r, &unit, as_of, &office, err);
    }
    if (rc != 0) {
        return rc;
    }
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    struct hash tag = api_office_tag(&office.id, &office.state);
    put_office(&j, &office);
    etag_hash(&tag, r->etag);
    return 0;
}

int
post_offices(struct request *r, struct err *err)
{
    struct json_in in;
    struct api_op *op;
    struct unit_id unit;

    int rc = own_unit_check(r, &unit, err);
    if (rc == 0) {
        rc = body_open(r, &in, err);
    }
    if (rc != 0) {
        return rc;
    }
    rc = request_op(r, OP_OFFICE_OPEN, MHD_HTTP_CREATED, &op, err);
    if (rc == 0) {
        office_fields_read(&in, true, &op->office.facts, &op->office.effective);
    }
    return json_in_end(&in, rc);
}

/* An office's event carries all its facts: what the request does not say stays as it is now, which If-Match holds still. */
static int
office_change(struct request *r, enum api_op_kind kind, struct err *err)
{
    struct json_in in;
    struct api_op *op;
    struct unit_id unit;
    struct office_info now;

    int rc = own_unit_check(r, &unit, err);
    if (rc == 0) {
        rc = office_load(r, &unit, r->api->deps.today(r->api->deps.arg), &now, err);
    }
    if (rc == 0) {
        rc = body_open(r, &in, err);
    }
    if (rc != 0) {
        return rc;
    }
    rc = request_op(r, kind, MHD_HTTP_OK, &op, err);
    if (rc == 0) {
        op->office.id = now.id;
        op->office.facts = now.state.facts;
        op->office.effective = DATE_NONE;
        op->has_if_match = true;
        rc = if_match_hash(r, &op->if_match, err);
        if (kind == OP_OFFICE_CHANGE) {
            office_fields_read(&in, false, &op->office.facts, &op->office.effective);
        } else {
            (void)json_in_date(&in, "effective_on", false, &op->office.effective);
        }
    }
    return json_in_end(&in, rc);
}

int
patch_office(struct request *r, struct err *err)
{
    return office_change(r, OP_OFFICE_CHANGE, err);
}

int
post_office_close(struct request *r, struct err *err)
{
    return office_change(r, OP_OFFICE_CLOSE, err);
}

/* Who stands in for the unit, and its closing. */
int
post_unit_custody(struct request *r, struct err *err)
{
    struct json_in in;
    struct api_op *op;
    struct unit_id unit;
    char code[UNIT_CODE_MAX] = "";
    struct err unknown = {0};

    int rc = own_unit_check(r, &unit, err);
    if (rc == 0) {
        rc = body_open(r, &in, err);
    }
    if (rc != 0) {
        return rc;
    }
    rc = request_op(r, OP_CUSTODY, MHD_HTTP_OK, &op, err);
    if (rc != 0) {
        return json_in_end(&in, rc);
    }
    op->custody.effective = DATE_NONE;
    op->custody.close = strcmp(strrchr(r->route->pattern, '/'), "/close") == 0;
    (void)json_in_date(&in, "effective_on", false, &op->custody.effective);
    op->custody.has_custodian = json_in_text(&in, "custodian", op->custody.close, code, sizeof(code));
    if (op->custody.has_custodian && unit_from_code(r, code, &op->custody.custodian, &unknown) != 0) {
        json_in_fail(&in, "custodian", "no unit of this code is known here");
    }
    return json_in_end(&in, 0);
}
