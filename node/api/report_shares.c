/* GET /v1/reports/shares: the share register, its operations numbered in the order of their recording. Pseudonyms only: a desk finds the
 * names by the members' ids. */
#include "node/api/report_sources.h"

enum { CURSOR_BYTES = 8 + KEY_SHARE_OP };

/* What the page before ended with: the number and the key, so that a page costs no walk from the start. */
static int
cursor_read(struct request *r, uint64_t *ret_number, uint8_t key[KEY_SHARE_OP], bool *ret_has, struct err *err)
{
    uint8_t bytes[CURSOR_BYTES];
    int rc = query_hex(r, "after", bytes, sizeof(bytes), ret_has, err);
    if (rc == 0 && *ret_has) {
        *ret_number = be64_get(bytes);
        memcpy(key, bytes + 8, KEY_SHARE_OP);
    }
    return rc;
}

static void
put_line(struct json_out *j, const struct share_operation *op, const struct share_line *line)
{
    json_open(j, '{');
    json_put_uint(j, "number", op->number);
    json_put_hex(j, "member", op->subject.b, ID_BYTES);
    put_position(j, &op->at);
    json_put_text(j, "kind", event_kind_name(op->kind));
    json_put_date(j, "effective_on", line->effective);
    json_put_bool(j, "stands", line->stands);
    json_put_text(j, "currency", line->currency);
    json_put_int(j, "shares", line->shares);
    json_put_int(j, "minor", line->minor);
    json_put_int(j, "shares_repaid", line->repaid_shares);
    json_put_int(j, "minor_repaid", line->repaid_minor);
    json_close(j, '}');
}

static void
csv_line(struct buf *b, const struct share_operation *op, const struct share_line *line)
{
    const int64_t values[] = {line->shares, line->minor, line->repaid_shares, line->repaid_minor};
    char date[DATE_TEXT_MAX + 1];
    text_put_uint(b, op->number);
    buf_put_u8(b, ',');
    text_put_hex(b, op->subject.b, ID_BYTES);
    buf_put_u8(b, ',');
    text_put_hex(b, op->at.log.b, HASH_BYTES);
    buf_put_u8(b, '.');
    text_put_uint(b, op->at.seq);
    buf_put_u8(b, ',');
    text_put(b, event_kind_name(op->kind));
    date_format(line->effective, date);
    buf_put_u8(b, ',');
    text_put(b, date);
    text_put(b, line->stands ? ",yes," : ",no,");
    text_put(b, line->currency);
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        buf_put_u8(b, ',');
        text_put_int(b, values[i]);
    }
    text_put(b, "\r\n");
}

static void
write_csv(struct request *r, const struct share_operation *ops, size_t n)
{
    buf_clear(r->out);
    r->status = MHD_HTTP_OK;
    r->content_type = "text/csv; charset=utf-8; header=present";
    text_put(r->out,
             "number,member,event,kind,effective_on,stands,currency,shares,minor,shares_repaid,minor_repaid\r\n");
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < ops[i].n_lines; k++) {
            csv_line(r->out, &ops[i], &ops[i].lines[k]);
        }
    }
}

static void
write_json(struct request *r, const struct share_operation *ops, size_t n, bool more)
{
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    uint8_t cursor[CURSOR_BYTES];
    json_open(&j, '{');
    json_key(&j, "operations");
    json_open(&j, '[');
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < ops[i].n_lines; k++) {
            put_line(&j, &ops[i], &ops[i].lines[k]);
        }
    }
    json_close(&j, ']');
    json_key(&j, "next");
    if (more) {
        be64_put(cursor, ops[n - 1].number);
        memcpy(cursor + 8, ops[n - 1].key, KEY_SHARE_OP);
        json_hex(&j, cursor, sizeof(cursor));
    } else {
        json_none(&j);
    }
    json_close(&j, '}');
}

int
get_report_shares(struct request *r, struct err *err)
{
    struct unit_id unit;
    uint8_t key[KEY_SHARE_OP];
    uint64_t after = 0;
    size_t limit = 0, n = 0;
    bool has_unit = false, has_after = false;
    int rc = query_unit(r, &unit, &has_unit, err);
    rc = rc != 0 ? rc : query_limit(r, &limit, err);
    rc = rc != 0 ? rc : cursor_read(r, &after, key, &has_after, err);
    if (rc != 0) {
        return rc;
    }
    if (!has_unit) {
        unit = r->api->deps.unit;
    }
    struct share_operation *ops = calloc(limit, sizeof(*ops));
    if (ops == NULL) {
        return err_set(err, ERR_NOMEM, "share register");
    }
    rc = view_share_operations(r->txn, &unit, after, has_after ? key : NULL, limit, ops, &n, err);
    if (rc == 0 && wants_csv(r)) {
        write_csv(r, ops, n);
    } else if (rc == 0) {
        write_json(r, ops, n, n == limit && n > 0);
    }
    free(ops);
    return rc;
}
