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
    struct subject_id member;
    bool of_member;

    int rc = query_hex(r, "member", member.b, ID_BYTES, &of_member, err);
    if (rc != 0) {
        return rc;
    }
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    json_open(&j, '{');
    json_key(&j, "tokens");
    json_open(&j, '[');
    rc = db_cursor_open(r->txn, TABLE_TOKENS, &c, err);
    if (rc == 0) {
        rc = db_cursor_first(c, &key, &value, err);
    }
    while (rc == 0) {
        rc = token_row_decode(value, &row, err);
        if (rc == 0) {
            /* Members' come and go by the hour: they are listed where they are asked for. */
            if (of_member ? row.role == ROLE_MEMBER && TYPE_EQ(&row.subject, &member) : row.role != ROLE_MEMBER) {
                put_token(&j, key.data, &row);
            }
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
    static const char *const names[] = {"desk", "reports", "operator", "integration"};
    uint64_t days = TOKEN_DAYS_DEFAULT;
    size_t which;

    (void)json_in_text(in, "name", true, row->name.s, sizeof(row->name.s));
    if (json_in_choice(in, "role", true, names, ARRAY_LEN(names), &which)) {
        row->role = role_from_name(names[which]);
    }
    if (!json_in_hex(in, "actor", false, row->actor.b, ID_BYTES)) {
        r->api->deps.random(r->api->deps.arg, row->actor.b, ID_BYTES);
    }
    (void)json_in_uint(in, "days", false, TOKEN_DAYS_MAX, &days);
    row->created = r->api->deps.now_wall(r->api->deps.arg);
    row->expires.ms = days == 0 ? 0 : row->created.ms + (int64_t)days * MS_PER_DAY;
}

/* Draws the text, which the answer shows once; op gets its hash. */
static int
token_draw(struct request *r, struct api_op *op, struct err *err)
{
    uint8_t secret[TOKEN_RANDOM_BYTES];

    r->api->deps.random(r->api->deps.arg, secret, sizeof(secret));
    token_text(secret, r->new_token);
    person_wipe(secret, sizeof(secret));
    return token_hash(r->new_token, TOKEN_TEXT_LEN, &op->token.hash, err);
}

int
post_tokens(struct request *r, struct err *err)
{
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
    return rc != 0 ? rc : token_draw(r, op, err);
}

/* The id in the path, of a record that this unit has. */
static int
own_member(struct request *r, struct subject_id *ret, bool *ret_erased, struct err *err)
{
    struct member_row row;
    struct member_state s;

    int rc = param_hex(r, 0, "member", ret->b, ID_BYTES, err);
    if (rc == 0) {
        rc = view_member(r->txn, ret, &r->api->deps.unit, &row, err);
    }
    if (rc != 0) {
        return rc;
    }
    member_state_at(&row, DATE_MAX, &s); /* also of somebody who is admitted from next month on */
    member_row_release(&row);
    *ret_erased = (s.erased & 1U << (CLASS_IDENTITY - 1)) != 0;
    return s.status == STATUS_NONE ? err_field(err, ERR_NOTFOUND, "member", "no such member") : 0;
}

int
post_member_token(struct request *r, struct err *err)
{
    uint64_t minutes = TOKEN_MEMBER_MINUTES;
    struct subject_id member;
    struct actor_id actor;
    struct json_in in;
    struct api_op *op;
    bool erased;

    int rc = own_member(r, &member, &erased, err);
    if (rc == 0 && erased) {
        rc = err_field(err, ERR_CONFLICT, "member", "who this member was is erased");
    }
    if (rc == 0) {
        rc = body_open(r, &in, err);
    }
    if (rc != 0) {
        return rc;
    }
    if (json_in_uint(&in, "minutes", false, TOKEN_MEMBER_MINUTES_MAX, &minutes) && minutes == 0) {
        json_in_fail(&in, "minutes", "must be 1 to 1440");
    }
    rc = json_in_end(&in, 0);
    if (rc == 0) {
        rc = request_op(r, OP_TOKEN_CREATE, MHD_HTTP_CREATED, &op, err);
    }
    if (rc != 0) {
        return rc;
    }
    /* A new one for each token, so that what a member does on two days is not tied together. */
    r->api->deps.random(r->api->deps.arg, actor.b, ID_BYTES);
    op->token.row = token_row_member(&member, &actor, r->api->deps.now_wall(r->api->deps.arg), minutes);
    return token_draw(r, op, err);
}

int
delete_member_token(struct request *r, struct err *err)
{
    struct subject_id member;
    struct api_op *op;
    bool erased;

    int rc = own_member(r, &member, &erased, err);
    if (rc == 0) {
        rc = request_op(r, OP_TOKEN_END, MHD_HTTP_OK, &op, err);
    }
    if (rc == 0) {
        op->token.row.subject = member;
    }
    return rc;
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
