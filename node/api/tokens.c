/* Tokens of the node's users. The text of a token is shown once, in the answer that makes it. */
#include "node/api/request.h"

enum { TOKEN_DAYS_MAX = 3660, TOKEN_DAYS_DEFAULT = 366 };
#define MS_PER_DAY (24LL * 3600 * 1000)

static void
put_token(struct json_out *j, const uint8_t *hash, const struct token_row *row)
{
    json_open(j, '{');
    json_put_hex(j, "id", hash, TOKEN_ID_BYTES);
    json_put_text(j, "name", row->name.s);
    json_put_text(j, "role", role_name(row->role));
    json_put_hex(j, "actor", row->actor.b, ID_BYTES);
    if (row->role == ROLE_MEMBER) {
        json_put_hex(j, "member", row->subject.b, ID_BYTES);
    }
    json_put_time(j, "created", row->created);
    if (row->expires.ms != 0) {
        json_put_time(j, "expires", row->expires);
    }
    if (row->revoked.ms != 0) {
        json_put_time(j, "revoked", row->revoked);
    }
    json_close(j, '}');
}

int
get_tokens(struct request *r, struct err *err)
{
    struct db_cursor *c = NULL;
    struct slice key, value;
    struct token_row row;

    struct json_out j = reply_json(r, MHD_HTTP_OK);
    json_open(&j, '{');
    json_key(&j, "tokens");
    json_open(&j, '[');
    int rc = db_cursor_open(r->txn, TABLE_TOKENS, &c, err);
    if (rc == 0) {
        rc = db_cursor_first(c, &key, &value, err);
    }
    while (rc == 0) {
        rc = token_row_decode(value, &row, err);
        if (rc == 0) {
            put_token(&j, key.data, &row);
            rc = db_cursor_next(c, &key, &value, err);
        }
    }
    db_cursor_close(&c);
    json_close(&j, ']');
    json_close(&j, '}');
    return rc == ERR_NOTFOUND ? 0 : rc;
}

static void
token_fields_read(struct request *r, struct json_in *in, struct token_row *row)
{
    static const char *const names[] = {"desk", "reports", "operator", "integration", "member"};
    uint64_t days = TOKEN_DAYS_DEFAULT;
    size_t which;

    (void)json_in_text(in, "name", true, row->name.s, sizeof(row->name.s));
    if (json_in_choice(in, "role", true, names, ARRAY_LEN(names), &which)) {
        row->role = role_from_name(names[which]);
    }
    if (!json_in_hex(in, "actor", false, row->actor.b, ID_BYTES)) {
        r->api->deps.random(r->api->deps.arg, row->actor.b, ID_BYTES);
    }
    bool member = json_in_hex(in, "member", false, row->subject.b, ID_BYTES);
    if (in->rc == 0 && member != (row->role == ROLE_MEMBER)) {
        json_in_fail(in, "member", "goes with the role member, and only with it");
    }
    (void)json_in_uint(in, "days", false, TOKEN_DAYS_MAX, &days);
    row->created = r->api->deps.now_wall(r->api->deps.arg);
    row->expires.ms = days == 0 ? 0 : row->created.ms + (int64_t)days * MS_PER_DAY;
}

int
post_tokens(struct request *r, struct err *err)
{
    uint8_t secret[TOKEN_RANDOM_BYTES];
    struct json_in in;
    struct api_op *op;

    int rc = body_open(r, &in, err);
    if (rc != 0) {
        return rc;
    }
    rc = request_op(r, OP_TOKEN_CREATE, MHD_HTTP_CREATED, &op, err);
    if (rc == 0) {
        token_fields_read(r, &in, &op->token.row);
    }
    rc = json_in_end(&in, rc);
    if (rc != 0) {
        return rc;
    }
    r->api->deps.random(r->api->deps.arg, secret, sizeof(secret));
    token_text(secret, r->new_token);
    person_wipe(secret, sizeof(secret));
    return token_hash(r->new_token, TOKEN_TEXT_LEN, &op->token.hash, err);
}

int
delete_token(struct request *r, struct err *err)
{
    uint8_t id[TOKEN_ID_BYTES];
    struct db_cursor *c = NULL;
    struct slice key, value;
    struct api_op *op;

    int rc = param_hex(r, 0, "token", id, sizeof(id), err);
    if (rc == 0) {
        rc = db_cursor_open(r->txn, TABLE_TOKENS, &c, err);
    }
    if (rc == 0) {
        rc = db_cursor_seek(c, slice_of(id, sizeof(id)), &key, &value, err);
    }
    if (rc == 0 && (key.len != HASH_BYTES || memcmp(key.data, id, sizeof(id)) != 0)) {
        rc = ERR_NOTFOUND;
    }
    if (rc == ERR_NOTFOUND) {
        rc = err_field(err, ERR_NOTFOUND, "token", "no such token");
    }
    if (rc == 0) {
        rc = request_op(r, OP_TOKEN_REVOKE, MHD_HTTP_OK, &op, err);
    }
    if (rc == 0) {
        memcpy(op->token.hash.b, key.data, HASH_BYTES);
    }
    db_cursor_close(&c);
    return rc;
}
