/* Who else sees a member: grants to other units, passes, their end; the code of a pass, which is shown once. */
#include "node/api/qr.h"
#include "node/api/request.h"
#include "node/command/names.h"

enum {
    PASS_FIELD_ID = 201, /* of vault_token: beyond those of the blind index */
    PASS_FIELD_SECRET = 202,
    ACCESS_STEP = 64,
};

static const char *const class_words[] = {"identity", "contact", "bank", "activity"}; /* bit = index */
static const char *const end_words[] = {"asked", "lost", "moved", "left", "erased", "unit", "not_needed"}; /* + 1 */

/* ---- reading a request ---- */

static void
classes_read(struct json_in *in, uint16_t *ret)
{
    char words[ARRAY_LEN(class_words)][16];
    size_t n = 0;

    if (!json_in_texts(in, "classes", words[0], sizeof(words[0]), ARRAY_LEN(words), &n) && in->rc == 0) {
        json_in_fail(in, "classes", "is missing");
    }
    for (size_t i = 0; i < n && in->rc == 0; i++) {
        size_t k = 0;
        while (k < ARRAY_LEN(class_words) && strcmp(words[i], class_words[k]) != 0) {
            k++;
        }
        if (k == ARRAY_LEN(class_words)) {
            json_in_fail(in, "classes", "is a list of identity, contact, bank, activity");
        } else {
            *ret |= (uint16_t)(1U << k);
        }
    }
}

static void
dates_read(struct json_in *in, struct access_request *q)
{
    q->from = q->until = DATE_NONE;
    (void)json_in_date(in, "from", false, &q->from);
    (void)json_in_date(in, "until", false, &q->until);
}

static int
access_open(struct request *r, enum access_action action, struct json_in *in, struct access_request **ret,
            struct err *err)
{
    struct subject_id member;
    struct api_op *op;

    int rc = param_hex(r, 0, "member", member.b, ID_BYTES, err);
    if (rc == 0) {
        rc = body_open(r, in, err);
    }
    if (rc != 0) {
        return rc;
    }
    rc = request_op(r, OP_ACCESS, action == ACCESS_REVOKE ? MHD_HTTP_OK : MHD_HTTP_CREATED, &op, err);
    if (rc != 0) {
        return json_in_end(in, rc);
    }
    op->access.action = action;
    op->access.member = member;
    *ret = &op->access;
    return 0;
}

int
post_member_access(struct request *r, struct err *err)
{
    struct json_in in;
    struct access_request *q;
    char host[UNIT_CODE_MAX] = "";

    int rc = access_open(r, ACCESS_GRANT, &in, &q, err);
    if (rc != 0) {
        return rc;
    }
    (void)json_in_text(&in, "host", true, host, sizeof(host));
    classes_read(&in, &q->classes);
    numbered_read(&in, "purpose", true, grant_purpose_parse, &q->purpose);
    dates_read(&in, q);
    rc = json_in_end(&in, 0);
    if (rc != 0) {
        return rc;
    }
    return unit_from_code(r, host, &q->host, err) == 0
               ? 0
               : err_field(err, ERR_NOTFOUND, "host", "host: no unit of this code is known here");
}

int
post_access_revoke(struct request *r, struct err *err)
{
    struct json_in in;
    struct access_request *q;
    size_t why = 0;

    int rc = access_open(r, ACCESS_REVOKE, &in, &q, err);
    if (rc != 0) {
        return rc;
    }
    q->has_access = true;
    if (json_in_choice(&in, "reason", false, end_words, ARRAY_LEN(end_words), &why) && r->token.role == ROLE_MEMBER &&
        why + 1 != ACCESS_END_ASKED && why + 1 != ACCESS_END_LOST && why + 1 != ACCESS_END_NOT_NEEDED) {
        json_in_fail(&in, "reason", "is for the unit to give: asked, lost or not_needed");
    }
    q->reason = (uint8_t)(why + 1);
    rc = json_in_end(&in, 0);
    return rc != 0 ? rc : param_hex(r, 1, "access", q->access.b, ID_BYTES, err);
}

/* ---- passes ---- */

/* Id and secret follow from the request and its Idempotency-Key by the vault's own key: so the same request sent again, after an answer
 * that was lost, is answered with the same pass, and yet the text stands nowhere. The hash of the request is keyed by the token's text, which
 * is not stored either. */
static int
pass_make(struct request *r, struct api_op *op, struct err *err)
{
    const struct api_deps *d = &r->api->deps;
    struct pass pass = {.production = d->production, .unit = d->unit};
    uint8_t seed[2 * HASH_BYTES];
    struct box_secret sk;

    if (d->vault == NULL) {
        return err_set(err, ERR_UNAVAILABLE, "this node has no keys: passes are issued by the unit's own");
    }
    op_identify(r, op, 0, buf_slice(r->in));
    memcpy(seed, op->request_hash.b, HASH_BYTES);
    memcpy(seed + HASH_BYTES, op->idem_key.b, HASH_BYTES);
    _Static_assert((int)VAULT_TOKEN_BYTES == (int)ID_BYTES && (int)VAULT_TOKEN_BYTES == (int)PASS_SECRET_BYTES, "");
    vault_token(d->vault, PASS_FIELD_ID, slice_of(seed, sizeof(seed)), pass.id.b);
    vault_token(d->vault, PASS_FIELD_SECRET, slice_of(seed, sizeof(seed)), pass.secret);
    memcpy(pass.federation, d->federation.b, sizeof(pass.federation));
    op->access.has_access = true;
    memcpy(op->access.access.b, pass.id.b, ID_BYTES);
    pass_keypair(&pass, &op->access.pass_key, &sk);
    pass_encode(&pass, r->new_pass);
    pass_wipe(&sk, sizeof(sk));
    pass_wipe(&pass, sizeof(pass));
    pass_wipe(seed, sizeof(seed));
    return 0;
}

int
post_member_pass(struct request *r, struct err *err)
{
    char id[HEX16_MAX], member[HEX16_MAX];
    struct json_in in;
    struct access_request *q;
    uint64_t hours = 0;

    int rc = access_open(r, ACCESS_ISSUE, &in, &q, err);
    if (rc != 0) {
        return rc;
    }
    classes_read(&in, &q->classes);
    dates_read(&in, q);
    if (json_in_uint(&in, "stale_hours", false, STALE_HOURS_MAX, &hours) && hours == 0) {
        json_in_fail(&in, "stale_hours", "from 1 on");
    }
    q->stale_hours_max = (uint16_t)hours;
    rc = json_in_end(&in, 0);
    if (rc == 0) {
        rc = own_pass_check(r, &q->member, err);
    }
    if (rc == 0) {
        rc = pass_make(r, r->ops, err);
    }
    if (rc == 0) {
        snprintf(r->location, sizeof(r->location), "/v1/members/%s/access/%s",
                 hex_encode(q->member.b, ID_BYTES, member), hex_encode(q->access.b, ID_BYTES, id));
    }
    return rc;
}

static void
reply_code(struct request *r, const char *type, int (*draw)(const char *text, struct buf *out, struct err *err))
{
    struct err err = {0};

    buf_clear(r->out);
    r->content_type = type;
    if (draw(r->new_pass, r->out, &err) != 0) {
        reply_problem(r, MHD_HTTP_INTERNAL_SERVER_ERROR, &err);
    }
}

static int
draw_terminal(const char *text, struct buf *out, struct err *err)
{
    int rc = qr_terminal(text, QR_ON_DARK, out, err);

    buf_put(out, text, strlen(text));
    buf_put(out, "\n", 1);
    return rc;
}

void
reply_pass(struct request *r, const struct api_op *op)
{
    const struct api_result *res = &op->result;
    struct json_out j = reply_json(r, res->status);

    r->personal = true;
    r->replayed = res->replayed;
    if (!res->replayed) {
        own_pass_made(r, &op->access.member);
    }
    if (wants_type(r, "image/png")) {
        reply_code(r, "image/png", qr_png);
    } else if (wants_type(r, "image/svg+xml")) {
        reply_code(r, "image/svg+xml", qr_svg);
    } else if (wants_type(r, "text/plain")) {
        reply_code(r, "text/plain; charset=utf-8", draw_terminal);
    } else {
        json_open(&j, '{');
        result_write(&j, op);
        json_put_text(&j, "pass", r->new_pass);
        if (r->api->deps.passes_stay) {
            json_put_text(
                &j, "warning",
                "the residency of this unit is granted: nothing travels by a pass, so it opens nothing at another unit; give a "
                "grant, or ask the operator for another residency");
        }
        json_close(&j, '}');
    }
}

/* ---- who has access ---- */

void
put_classes(struct json_out *j, const char *key, uint16_t classes)
{
    json_key(j, key);
    json_open(j, '[');
    for (size_t i = 0; i < ARRAY_LEN(class_words); i++) {
        if (classes & 1U << i) {
            json_text(j, class_words[i], strlen(class_words[i]));
        }
    }
    json_close(j, ']');
}

static void
put_access(struct request *r, struct json_out *j, const struct access_key *key, const struct access_state *s)
{
    char code[UNIT_CODE_MAX], purpose[NUMBERED_NAME_MAX];

    json_open(j, '{');
    json_put_hex(j, "id", key->access.b, ID_BYTES);
    unit_code_of(r, &key->unit, code);
    json_put_text(j, "unit", code);
    json_put_text(j, "what", s->is_pass ? "pass" : "grant");
    if (s->is_pass) {
        json_put_uint(j, "stale_hours", s->facts.stale_hours_max);
    } else {
        unit_code_of(r, &s->facts.host, code);
        json_put_text(j, "host", code);
        json_put_uint(j, "purpose", s->facts.purpose);
        json_put_text(j, "purpose_name", grant_purpose_name(s->facts.purpose, purpose));
    }
    put_classes(j, "classes", s->facts.classes);
    json_put_date(j, "from", s->from);
    if (!date_is_none(s->facts.until)) {
        json_put_date(j, "until", s->facts.until);
    }
    json_put_bool(j, "stands", access_stands(s, r->api->deps.today(r->api->deps.arg)));
    if (s->revoked) {
        json_put_date(j, "revoked_on", s->revoked_on);
        json_put_text(j, "reason",
                      s->revoked_why >= 1 && s->revoked_why <= ARRAY_LEN(end_words) ? end_words[s->revoked_why - 1]
                                                                                    : "unknown");
    }
    json_key(j, "event");
    json_open(j, '{');
    put_position(j, &s->made);
    json_close(j, '}');
    json_close(j, '}');
}

int
get_access(struct request *r, struct err *err)
{
    const struct command_ctx ctx = {.txn = r->txn, .unit = r->api->deps.unit};
    struct access_key key = {.unit = r->api->deps.unit};
    struct subject_id member;
    struct access_row row;
    struct access_state s;

    int rc = param_hex(r, 0, "member", member.b, ID_BYTES, err);
    if (rc == 0) {
        rc = param_hex(r, 1, "access", key.access.b, ID_BYTES, err);
    }
    if (rc == 0) {
        rc = access_load(&ctx, &key, &row, err);
    }
    if (rc != 0) {
        return rc;
    }
    access_state_of(&row, &s);
    access_row_release(&row);
    if (!s.exists || !TYPE_EQ(&s.facts.member, &member)) {
        return err_field(err, ERR_NOTFOUND, "access", "no such grant or pass");
    }
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    put_access(r, &j, &key, &s);
    return 0;
}

/* One list of a member's accesses: those that stand or will, or the others, in the order of their keys. */
struct access_list {
    struct request *r;
    struct json_out *j;
    const struct subject_id *member;
    bool open;
    size_t left; /* of the others */
    struct access_key last;
};

static int
put_if_listed(struct access_list *l, const struct access_key *key, struct err *err)
{
    const struct api_deps *d = &l->r->api->deps;
    const struct command_ctx ctx = {.txn = l->r->txn, .unit = d->unit};
    struct access_row row;
    struct access_state s;

    int rc = access_load(&ctx, key, &row, err);
    if (rc != 0) {
        return rc;
    }
    access_state_of(&row, &s);
    access_row_release(&row);
    if (s.exists && TYPE_EQ(&s.facts.member, l->member) && access_is_open(&s, d->today(d->arg)) == l->open) {
        put_access(l->r, l->j, key, &s);
        l->left -= !l->open;
        l->last = *key;
    }
    return 0;
}

static int
put_list(struct access_list *l, const struct access_key *after, struct err *err)
{
    struct access_key keys[ACCESS_STEP], from = {0};
    size_t n = ACCESS_STEP;
    bool first = after == NULL;
    int rc = 0;

    from = first ? from : *after;
    while (rc == 0 && n == ACCESS_STEP && l->left > 0) {
        rc = access_of_member(l->r->txn, l->member, first ? NULL : &from, keys, ACCESS_STEP, &n, err);
        for (size_t i = 0; rc == 0 && i < n && l->left > 0; i++) {
            rc = put_if_listed(l, &keys[i], err);
        }
        from = n > 0 ? keys[n - 1] : from;
        first = false;
    }
    return rc;
}

/* Who has access now is on the first page, however much there was before. */
int
get_member_access(struct request *r, struct err *err)
{
    struct access_key after;
    struct subject_id member;
    uint8_t key[HASH_BYTES + ID_BYTES];
    size_t limit = 0;
    bool has_after = false;

    int rc = param_hex(r, 0, "member", member.b, ID_BYTES, err);
    if (rc == 0) {
        rc = query_limit(r, &limit, err);
    }
    if (rc == 0) {
        rc = query_hex(r, "after", key, sizeof(key), &has_after, err);
    }
    if (rc != 0) {
        return rc;
    }
    if (has_after) {
        memcpy(after.unit.b, key, HASH_BYTES);
        memcpy(after.access.b, key + HASH_BYTES, ID_BYTES);
    }
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    struct access_list l = {.r = r, .j = &j, .member = &member, .open = true, .left = limit};
    json_open(&j, '{');
    json_key(&j, "access");
    json_open(&j, '[');
    if (!has_after) {
        rc = put_list(&l, NULL, err);
    }
    l.open = false;
    if (rc == 0) {
        rc = put_list(&l, has_after ? &after : NULL, err);
    }
    json_close(&j, ']');
    json_key(&j, "next");
    if (l.left == 0) {
        memcpy(key, l.last.unit.b, HASH_BYTES);
        memcpy(key + HASH_BYTES, l.last.access.b, ID_BYTES);
        json_hex(&j, key, sizeof(key));
    } else {
        json_none(&j);
    }
    json_close(&j, '}');
    return rc;
}
