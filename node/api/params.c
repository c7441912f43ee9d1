/* What a request says in its path, query and head, checked. */
#include <stdlib.h>

#include "node/api/request.h"

const char *
query_text(struct request *r, const char *name)
{
    return MHD_lookup_connection_value(r->mhd, MHD_GET_ARGUMENT_KIND, name);
}

struct query_scan {
    const char *allowed, *others; /* others: what the resource takes of who is no member */
    unsigned seen;
    struct err *err;
    int rc;
};

static bool
name_is_plain(const char *name)
{
    return name[0] != '\0' &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] == '\0';
}

static bool
word_in(const char *words, const char *name)
{
    size_t len = strlen(name), n;

    for (const char *p = words != NULL ? words : ""; *p != '\0'; p += n + (p[n] == ' ')) {
        n = strcspn(p, " ");
        if (n == len && memcmp(p, name, n) == 0) {
            return true;
        }
    }
    return false;
}

static enum MHD_Result
query_one(void *cls, enum MHD_ValueKind kind UNUSED, const char *name, const char *value)
{
    struct query_scan *s = cls;
    const char *p = s->allowed != NULL ? s->allowed : "";
    size_t len = strlen(name);

    for (unsigned i = 0; *p != '\0' && len > 0; i++) {
        size_t n = strcspn(p, " ");
        if (n == len && memcmp(p, name, n) == 0) {
            if (value == NULL || s->seen & 1U << i) {
                s->rc = err_field(s->err, ERR_INVALID, name, value == NULL ? "has no value" : "stands twice");
                return MHD_NO;
            }
            s->seen |= 1U << i;
            return MHD_YES;
        }
        p += n + (p[n] == ' ');
    }
    s->rc = err_field(s->err, ERR_INVALID, name_is_plain(name) ? name : "?",
                      word_in(s->others, name) ? "is not for a member's token, which sees its own member alone"
                                               : "is not a parameter of this resource");
    return MHD_NO;
}

int
query_check(struct request *r, struct err *err)
{
    /* Every other filter of a list could lead past the member's own. */
    bool own = r->token.role == ROLE_MEMBER && r->route->flags & ROUTE_OWN_QUERY;
    struct query_scan s = {
        .allowed = own ? "member after limit" : r->route->query, .others = r->route->query, .err = err};

    MHD_get_connection_values(r->mhd, MHD_GET_ARGUMENT_KIND, query_one, &s);
    return s.rc;
}

static bool
digits_parse(const char *text, size_t len, uint64_t *ret)
{
    uint64_t v = 0;

    if (len == 0 || len > 18) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        v = v * 10 + (uint64_t)(text[i] - '0');
    }
    *ret = v;
    return true;
}

int
query_limit(struct request *r, size_t *ret, struct err *err)
{
    const char *text = query_text(r, "limit");
    uint64_t v = PAGE_DEFAULT;

    if (text != NULL && (!digits_parse(text, strlen(text), &v) || v == 0 || v > PAGE_MAX)) {
        return err_field(err, ERR_INVALID, "limit", "must be 1 to %d", PAGE_MAX);
    }
    *ret = (size_t)v;
    return 0;
}

int
query_uint(struct request *r, const char *name, uint64_t max, uint64_t *ret, struct err *err)
{
    const char *text = query_text(r, name);
    uint64_t v = 0;

    if (text != NULL && (!digits_parse(text, strlen(text), &v) || v > max)) {
        return err_field(err, ERR_INVALID, name, "must be 0 to %llu", (unsigned long long)max);
    }
    *ret = v;
    return 0;
}

int
query_date(struct request *r, const char *name, struct civil_date otherwise, struct civil_date *ret, struct err *err)
{
    const char *text = query_text(r, name);

    *ret = otherwise;
    return text == NULL ? 0 : date_parse(text, name, ret, err);
}

int
query_hex(struct request *r, const char *name, uint8_t *out, size_t len, bool *ret_has, struct err *err)
{
    const char *text = query_text(r, name);

    *ret_has = text != NULL;
    if (text != NULL && !hex_decode(text, out, len)) {
        return err_field(err, ERR_INVALID, name, "must be %zu hexadecimal digits", 2 * len);
    }
    return 0;
}

int
key_page_open(struct request *r, size_t key_bytes, size_t item_bytes, struct key_page *ret, struct err *err)
{
    *ret = (struct key_page){.items = NULL};
    MUST(key_bytes <= sizeof(ret->after));
    int rc = query_limit(r, &ret->limit, err);
    if (rc == 0) {
        rc = query_hex(r, "after", ret->after, key_bytes, &ret->has_after, err);
    }
    if (rc == 0) {
        ret->items = calloc(ret->limit, item_bytes);
        rc = ret->items != NULL ? 0 : err_set(err, ERR_NOMEM, "a page of a list: out of memory");
    }
    return rc;
}

void
key_page_next(struct json_out *j, const struct key_page *p, const uint8_t *last_key, size_t key_bytes)
{
    json_key(j, "next");
    if (p->n == p->limit) {
        json_hex(j, last_key, key_bytes);
    } else {
        json_none(j);
    }
}

void
key_page_free(struct key_page *p)
{
    free(p->items);
    p->items = NULL;
}

int
unit_from_code(struct request *r, const char *code, struct unit_id *ret, struct err *err)
{
    if (strcmp(code, r->api->deps.unit_code) == 0) {
        *ret = r->api->deps.unit;
        return 0;
    }
    if (!unit_code_ok(code)) {
        return err_field(err, ERR_INVALID, "unit", "not the code of a unit");
    }
    return view_unit_by_code(r->txn, code, ret, err);
}

int
query_unit(struct request *r, struct unit_id *ret, bool *ret_has, struct err *err)
{
    const char *code = query_text(r, "unit");

    *ret_has = code != NULL;
    return code == NULL ? 0 : unit_from_code(r, code, ret, err);
}

int
param_hex(struct request *r, size_t i, const char *what, uint8_t *out, size_t len, struct err *err)
{
    char text[HEX32_MAX];

    if (r->params[i].len == 2 * len) {
        memcpy(text, r->params[i].data, 2 * len);
        text[2 * len] = '\0';
        if (hex_decode(text, out, len)) {
            return 0;
        }
    }
    return err_field(err, ERR_NOTFOUND, what, "no such %s", what);
}

int
param_uint(struct request *r, size_t i, const char *what, uint64_t *ret, struct err *err)
{
    if (!digits_parse((const char *)r->params[i].data, r->params[i].len, ret)) {
        return err_field(err, ERR_NOTFOUND, what, "no such %s", what);
    }
    return 0;
}

int
param_unit(struct request *r, size_t i, struct unit_id *ret, struct err *err)
{
    char code[UNIT_CODE_MAX] = "";

    if (r->params[i].len < sizeof(code)) {
        memcpy(code, r->params[i].data, r->params[i].len);
    }
    if (!unit_code_ok(code)) {
        return err_field(err, ERR_NOTFOUND, "unit", "no such unit");
    }
    return unit_from_code(r, code, ret, err);
}

bool
unit_is_own(const struct request *r, const struct unit_id *unit)
{
    return TYPE_EQ(unit, &r->api->deps.unit);
}

static void
unit_code_load(struct request *r, const struct unit_id *unit)
{
    static const struct office_id none;
    struct place_row row;
    struct slice value;

    r->named_unit = *unit;
    memcpy(r->named_code, "?", 2);
    if (unit_is_own(r, unit)) {
        memcpy(r->named_code, r->api->deps.unit_code, UNIT_CODE_MAX);
    } else if (db_get(r->txn, TABLE_UNITS, slice_of(unit->b, HASH_BYTES), &value, NULL) == 0 &&
               place_row_decode(value, unit, &none, &row, NULL) == 0) {
        memcpy(r->named_code, row.unit_code, UNIT_CODE_MAX);
        place_row_release(&row);
    }
}

void
unit_code_of(struct request *r, const struct unit_id *unit, char out[UNIT_CODE_MAX])
{
    if (r->named_code[0] == '\0' || !TYPE_EQ(unit, &r->named_unit)) {
        unit_code_load(r, unit);
    }
    memcpy(out, r->named_code, UNIT_CODE_MAX);
}

bool
wants_type(struct request *r, const char *type)
{
    const char *accept = MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);

    return accept != NULL && strncmp(accept, type, strlen(type)) == 0;
}

bool
wants_csv(struct request *r)
{
    return wants_type(r, "text/csv");
}

void
etag_position(const struct position *p, char out[ETAG_TEXT_MAX])
{
    char log[HEX32_MAX];

    snprintf(out, ETAG_TEXT_MAX, "\"%s.%llu\"", hex_encode(p->log.b, HASH_BYTES, log), (unsigned long long)p->seq);
}

int
etag_position_parse(const char *text, struct position *ret, struct err *err)
{
    size_t len = strlen(text);
    char log[HEX32_MAX];
    struct position p;

    if (len > 4 + 2 * HASH_BYTES - 1 && len < ETAG_TEXT_MAX && text[0] == '"' && text[len - 1] == '"' &&
        text[1 + 2 * HASH_BYTES] == '.') {
        memcpy(log, text + 1, 2 * HASH_BYTES);
        log[2 * HASH_BYTES] = '\0';
        if (hex_decode(log, p.log.b, HASH_BYTES) &&
            digits_parse(text + 2 + 2 * HASH_BYTES, len - 3 - 2 * HASH_BYTES, &p.seq)) {
            *ret = p;
            return 0;
        }
    }
    return err_field(err, ERR_INVALID, "if-match", "not an ETag of this resource");
}

void
etag_hash(const struct hash *h, char out[ETAG_TEXT_MAX])
{
    char hex[HEX32_MAX];

    snprintf(out, ETAG_TEXT_MAX, "\"%s\"", hex_encode(h->b, HASH_BYTES, hex));
}

int
if_match_position(struct request *r, struct position *ret, struct err *err)
{
    const char *text = MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_MATCH);

    return etag_position_parse(text != NULL ? text : "", ret, err);
}

int
if_match_hash(struct request *r, struct hash *ret, struct err *err)
{
    const char *text = MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_MATCH);
    size_t len = text != NULL ? strlen(text) : 0;
    char hex[HEX32_MAX];

    if (len == 2 + 2 * HASH_BYTES && text[0] == '"' && text[len - 1] == '"') {
        memcpy(hex, text + 1, 2 * HASH_BYTES);
        hex[2 * HASH_BYTES] = '\0';
        if (hex_decode(hex, ret->b, HASH_BYTES)) {
            return 0;
        }
    }
    return err_field(err, ERR_INVALID, "if-match", "not an ETag of this resource");
}

int
body_open(struct request *r, struct json_in *in, struct err *err)
{
    const char *type = MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE);
    struct slice body = buf_slice(r->in);

    if (type != NULL && strncmp(type, "application/json", 16) != 0 &&
        strncmp(type, "application/merge-patch+json", 28) != 0) {
        return err_field(err, ERR_INVALID, "content-type", "must be application/json");
    }
    if (body.len == 0 && r->route->flags & ROUTE_BODY_FREE) {
        body = slice_of("{}", 2);
    }
    return json_in_open(in, body, err);
}
