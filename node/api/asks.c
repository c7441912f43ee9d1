/* What members ask of their unit by the portal, and what the desk makes of it. */
#include "storage/asks.h"
#include "node/api/request.h"

static const char *const what_words[] = {"move", "other"}; /* + 1 */

static int
is_known(struct request *r, const struct subject_id *member, struct member_state *ret_last, struct err *err)
{
    struct member_row row;
    int rc = view_member(r->txn, member, &r->api->deps.unit, &row, err);
    if (rc == 0) {
        member_state_at(&row, DATE_MAX, ret_last);
        member_row_release(&row);
    }
    return rc;
}

/* What a desk could not do anyway. */
static int
check_move(struct request *r, const struct ask *ask, const struct member_state *last, struct err *err)
{
    if (ask->what != ASK_MOVE) {
        return 0;
    }
    if (TYPE_EQ(&ask->unit, &r->api->deps.unit)) {
        return err_field(err, ERR_INVALID, "to", "to: is the member's own unit");
    }
    if (!date_is_none(ask->day) && ask->day.days < r->api->deps.today(r->api->deps.arg).days) {
        return err_field(err, ERR_INVALID, "day", "day: is over");
    }
    if (last->status != STATUS_MEMBER) {
        return err_field(err, ERR_CONFLICT, "member", "member: %s",
                         last->left_reason == LEFT_MOVED ? "has moved to another unit, or will: ask there"
                                                         : "is no member of this unit, or will not be");
    }
    return 0;
}

int
post_member_request(struct request *r, struct err *err)
{
    struct json_in in;
    struct api_op *op;
    struct subject_id member;
    char code[UNIT_CODE_MAX] = "";
    struct err unknown = {0};
    struct member_state last;
    size_t what = 0;
    int rc = param_hex(r, 0, "member", member.b, ID_BYTES, err);
    if (rc == 0) {
        rc = body_open(r, &in, err);
    }
    if (rc != 0) {
        return rc;
    }
    rc = is_known(r, &member, &last, err);
    if (rc == 0) {
        rc = request_op(r, OP_ASK, MHD_HTTP_CREATED, &op, err);
    }
    if (rc != 0) {
        return json_in_end(&in, rc);
    }
    struct ask *ask = &op->ask.ask;
    ask->member = member;
    ask->day = DATE_NONE;
    (void)json_in_choice(&in, "what", true, what_words, ARRAY_LEN(what_words), &what);
    ask->what = (uint8_t)(what + 1);
    ask->has_unit = json_in_text(&in, "to", ask->what == ASK_MOVE, code, sizeof(code));
    if (ask->has_unit && unit_from_code(r, code, &ask->unit, &unknown) != 0) {
        json_in_fail(&in, "to", "no unit of this code is known here");
    }
    (void)json_in_date(&in, "day", false, &ask->day);
    (void)json_in_text(&in, "text", ask->what == ASK_OTHER, ask->text, sizeof(ask->text));
    return json_in_end(&in, in.rc == 0 ? check_move(r, ask, &last, err) : 0);
}

int
delete_member_request(struct request *r, struct err *err)
{
    struct api_op *op;
    int rc = request_op(r, OP_ASK, MHD_HTTP_OK, &op, err);
    if (rc == 0) {
        op->ask.dealt_with = true;
        rc = param_hex(r, 0, "member", op->ask.ask.member.b, ID_BYTES, err);
    }
    return rc == 0 ? param_hex(r, 1, "request", op->ask.ask.id.b, ID_BYTES, err) : rc;
}

static void
put_ask(struct request *r, struct json_out *j, const struct ask *a)
{
    char code[UNIT_CODE_MAX];
    json_open(j, '{');
    json_put_hex(j, "member", a->member.b, ID_BYTES);
    json_put_hex(j, "id", a->id.b, ID_BYTES);
    json_put_text(j, "what", a->what >= 1 && a->what <= ARRAY_LEN(what_words) ? what_words[a->what - 1] : "other");
    json_put_time(j, "asked_at", a->asked_at);
    if (a->has_unit) {
        unit_code_of(r, &a->unit, code);
        json_put_text(j, "to", code);
    }
    if (!date_is_none(a->day)) {
        json_put_date(j, "day", a->day);
    }
    if (a->text[0] != '\0') {
        json_put_text(j, "text", a->text);
    }
    json_close(j, '}');
}

static int
list(struct request *r, const struct subject_id *member_or_null, struct err *err)
{
    struct key_page p = {.items = NULL};
    struct ask from = {.what = 0};
    uint8_t last[2 * ID_BYTES] = {0};
    int rc = r->api->deps.vault != NULL ? 0 : err_set(err, ERR_UNAVAILABLE, "this node holds no personal data");
    if (rc == 0) {
        rc = key_page_open(r, sizeof(last), sizeof(struct ask), &p, err);
    }
    struct ask *asks = p.items;
    memcpy(from.member.b, p.after, ID_BYTES);
    memcpy(from.id.b, p.after + ID_BYTES, ID_BYTES);
    if (rc == 0) {
        rc = asks_list(r->api->deps.vault, member_or_null, p.has_after ? &from : NULL, asks, p.limit, &p.n, err);
    }
    if (rc == 0) {
        struct json_out j = reply_json(r, MHD_HTTP_OK);
        r->personal = true;
        json_open(&j, '{');
        json_key(&j, "requests");
        json_open(&j, '[');
        for (size_t i = 0; i < p.n; i++) {
            put_ask(r, &j, &asks[i]);
            memcpy(last, asks[i].member.b, ID_BYTES);
            memcpy(last + ID_BYTES, asks[i].id.b, ID_BYTES);
        }
        json_close(&j, ']');
        key_page_next(&j, &p, last, sizeof(last));
        json_close(&j, '}');
        person_wipe(asks, p.n * sizeof(*asks));
    }
    key_page_free(&p);
    return rc;
}

int
get_requests(struct request *r, struct err *err)
{
    return list(r, NULL, err);
}

int
get_member_requests(struct request *r, struct err *err)
{
    struct subject_id member;
    int rc = param_hex(r, 0, "member", member.b, ID_BYTES, err);
    return rc == 0 ? list(r, &member, err) : rc;
}
