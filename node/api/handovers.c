/* Members who move: what the two desks do, and who has to act next. docs/PROTOCOL.md §10 "Handover". */
#include "node/api/request.h"

static const char *const action_words[] = {"offer", "withdraw", "accept", "complete", "receive"}; /* + 1 */
static const char *const choice_words[] = {"closed", "taken_along"};                              /* + 1 */
static const char *const turn_words[] = {"nobody",        "we_accept",  "they_accept", "we_complete",
                                         "they_complete", "we_receive", "they_receive"};

/* ---- writing ---- */

static enum handover_action
action_of(const struct request *r)
{
    const char *word = strrchr(r->route->pattern, '/') + 1;
    for (size_t i = 0; i < ARRAY_LEN(action_words); i++) {
        if (strcmp(word, action_words[i]) == 0) {
            return (enum handover_action)(i + 1);
        }
    }
    return 0;
}

static void
offer_read(struct request *r, struct json_in *in, struct handover_request *q)
{
    char code[UNIT_CODE_MAX] = "";
    struct err err = {0};
    (void)json_in_date(in, "proposed", false, &q->proposed);
    if (json_in_text(in, "to", true, code, sizeof(code)) && unit_from_code(r, code, &q->unit, &err) != 0) {
        json_in_fail(in, "to", "no unit of this code is known here");
    }
}

static void
accept_read(struct request *r, struct json_in *in, struct api_op *op)
{
    struct handover_request *q = &op->handover.request;
    char code[UNIT_CODE_MAX] = "";
    uint64_t price = 0;
    size_t i = 0;
    struct err err = {0};
    if (json_in_text(in, "from", false, code, sizeof(code)) && unit_from_code(r, code, &q->unit, &err) != 0) {
        json_in_fail(in, "from", "no unit of this code is known here");
    }
    (void)json_in_text(in, "office", true, op->handover.office_text, sizeof(op->handover.office_text));
    q->has_shares = json_in_uint(in, "shares", false, SHARES_MAX, &q->shares);
    q->has_price = json_in_uint(in, "share_price_minor", false, SHARE_PRICE_MINOR_MAX, &price);
    q->share_price_minor = (int64_t)price;
    (void)json_in_text(in, "currency", false, q->currency, sizeof(q->currency));
    if (json_in_choice(in, "category", false, category_words, 3, &i)) {
        q->category = (uint8_t)(i + 1);
    }
}

static void
complete_read(struct json_in *in, struct handover_request *q)
{
    bool repay = true;
    size_t i = 0;
    (void)json_in_bool(in, "voted", &q->voted);
    (void)json_in_bool(in, "repay", &repay);
    q->owed_stays = !repay;
    if (json_in_choice(in, "activities", false, choice_words, ARRAY_LEN(choice_words), &i)) {
        q->activities = (uint8_t)(i + 1);
    }
}

int
post_member_handover(struct request *r, struct err *err)
{
    struct subject_id member;
    struct json_in in;
    struct api_op *op;
    int rc = param_hex(r, 0, "member", member.b, ID_BYTES, err);
    if (rc == 0) {
        rc = body_open(r, &in, err);
    }
    if (rc != 0) {
        return rc;
    }
    rc = request_op(r, OP_HANDOVER, MHD_HTTP_OK, &op, err);
    if (rc != 0) {
        return json_in_end(&in, rc);
    }
    struct handover_request *q = &op->handover.request;
    q->action = action_of(r);
    q->member = member;
    q->effective = q->proposed = q->person.identity.birth_date = DATE_NONE;
    (void)json_in_date(&in, "effective_on", false, &q->effective);
    if (q->action == HANDOVER_ACCEPT || q->action == HANDOVER_COMPLETE) {
        (void)json_in_bool(&in, "adjusts_closed", &q->adjusts_closed);
    }
    switch (q->action) {
    case HANDOVER_OFFER: offer_read(r, &in, q); break;
    case HANDOVER_ACCEPT: accept_read(r, &in, op); break;
    case HANDOVER_COMPLETE: complete_read(&in, q); break;
    case HANDOVER_RECEIVE:
        person_read(&in, &q->person);
        if (in.rc == 0 && !q->person.has_identity) {
            json_in_fail(&in, "person", "is missing; at least the name");
        }
        break;
    case HANDOVER_WITHDRAW: break;
    }
    return json_in_end(&in, 0);
}

/* ---- reading ---- */

static void
put_handover(struct request *r, struct json_out *j, const struct handover_view *v)
{
    char code[UNIT_CODE_MAX];
    json_open(j, '{');
    json_put_hex(j, "member", v->member.b, ID_BYTES);
    unit_code_of(r, &v->from, code);
    json_put_text(j, "from", code);
    unit_code_of(r, &v->to, code);
    json_put_text(j, "to", code);
    json_put_text(j, "turn", turn_words[v->turn]);
    if (!date_is_none(v->since)) {
        json_put_date(j, "since", v->since);
    }
    if (!date_is_none(v->proposed)) {
        json_put_date(j, "proposed", v->proposed);
    }
    json_close(j, '}');
}

int
get_handovers(struct request *r, struct err *err)
{
    const struct command_ctx ctx = {.txn = r->txn, .unit = r->api->deps.unit};
    struct key_page p;

    int rc = key_page_open(r, KEY_HANDOVER, sizeof(struct handover_view), &p, err);
    struct handover_view *views = p.items;
    if (rc == 0) {
        rc = handovers_open(&ctx, p.has_after ? p.after : NULL, views, p.limit, &p.n, err);
    }
    if (rc == 0) {
        struct json_out j = reply_json(r, MHD_HTTP_OK);
        json_open(&j, '{');
        json_key(&j, "handovers");
        json_open(&j, '[');
        for (size_t i = 0; i < p.n; i++) {
            put_handover(r, &j, &views[i]);
        }
        json_close(&j, ']');
        key_page_next(&j, &p, p.n > 0 ? views[p.n - 1].key : NULL, KEY_HANDOVER);
        json_close(&j, '}');
    }
    key_page_free(&p);
    return rc;
}

int
get_member_handover(struct request *r, struct err *err)
{
    const struct command_ctx ctx = {.txn = r->txn, .unit = r->api->deps.unit};
    struct handover_view v;
    struct subject_id member;
    int rc = param_hex(r, 0, "member", member.b, ID_BYTES, err);
    if (rc == 0) {
        rc = handover_of(&ctx, &member, &v, err);
    }
    if (rc == 0 && v.turn == TURN_NOBODY) {
        rc = err_field(err, ERR_NOTFOUND, "member", "no handover of this member is going on here");
    }
    if (rc != 0) {
        return rc;
    }
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    put_handover(r, &j, &v);
    return 0;
}

/* ---- what came along ---- */

int
post_taken_activities(struct request *r, struct err *err)
{
    struct json_in in;
    int rc = body_open(r, &in, err);
    if (rc == 0) {
        rc = json_in_end(&in, 0);
    }
    if (rc != 0) {
        return rc;
    }
    struct json_out j = reply_json(r, MHD_HTTP_ACCEPTED);
    r->api->deps.open_taken(r->api->deps.arg);
    json_open(&j, '{');
    json_put_text(&j, "status", "being opened");
    json_close(&j, '}');
    return 0;
}
