/* One person with a record in each of two units: declared, settled, listed. docs/PROTOCOL.md §10 "Doubles". Undone by a cancellation of the event. */
#include "node/api/request.h"
#include "node/command/names.h"

static const char *const outcome_words[] = {"two_persons", "this_given_up", "other_given_up"}; /* + 1 */

const char *
double_word(uint8_t settled)
{
    return settled >= 1 && settled <= ARRAY_LEN(outcome_words) ? outcome_words[settled - 1] : "open";
}

/* ---- writing ---- */

int
post_member_double(struct request *r, struct err *err)
{
    struct subject_id member;
    struct json_in in;
    struct api_op *op;
    struct err unknown = {0};
    char code[UNIT_CODE_MAX] = "";
    size_t outcome = 0;

    int rc = param_hex(r, 0, "member", member.b, ID_BYTES, err);
    if (rc == 0) {
        rc = body_open(r, &in, err);
    }
    if (rc != 0) {
        return rc;
    }
    rc = request_op(r, OP_DOUBLE, MHD_HTTP_OK, &op, err);
    if (rc != 0) {
        return json_in_end(&in, rc);
    }
    struct double_request *q = &op->doubled;
    q->action = strcmp(strrchr(r->route->pattern, '/') + 1, "settle") == 0 ? DOUBLE_SETTLE : DOUBLE_DECLARE;
    q->member = member;
    q->effective = DATE_NONE;
    (void)json_in_date(&in, "effective_on", false, &q->effective);
    (void)json_in_hex(&in, "other", true, q->other.b, ID_BYTES);
    q->has_note = json_in_text(&in, "note", false, q->note.s, sizeof(q->note.s));
    if (json_in_text(&in, "unit", true, code, sizeof(code)) && unit_from_code(r, code, &q->unit, &unknown) != 0) {
        json_in_fail(&in, "unit", "no unit of this code is known here");
    }
    if (q->action == DOUBLE_SETTLE) {
        (void)json_in_bool(&in, "adjusts_closed", &q->adjusts_closed);
        if (json_in_choice(&in, "outcome", true, outcome_words, ARRAY_LEN(outcome_words), &outcome)) {
            q->outcome = (uint8_t)(outcome + 1);
        }
        numbered_read(&in, "reason", true, double_reason_parse, &q->reason);
    }
    return json_in_end(&in, 0);
}

/* ---- reading ---- */

static void
put_side(struct json_out *j, const char *name, const struct double_side *s)
{
    json_key(j, name);
    json_open(j, '{');
    json_put_bool(j, "declared", s->declared);
    json_put_text(j, "settled", double_word(s->settled));
    if (!date_is_none(s->joined_on)) {
        json_put_date(j, "joined_on", s->joined_on);
    }
    json_close(j, '}');
}

static void
put_double(struct request *r, struct json_out *j, const struct double_view *v)
{
    char code[UNIT_CODE_MAX];

    json_open(j, '{');
    json_put_hex(j, "member", v->member.b, ID_BYTES);
    unit_code_of(r, &v->unit, code);
    json_put_text(j, "unit", code);
    json_put_hex(j, "other", v->other.b, ID_BYTES);
    put_side(j, "ours", &v->ours);
    put_side(j, "theirs", &v->theirs);
    json_put_text(j, "should_stay", v->ours_stays ? "ours" : "theirs");
    json_close(j, '}');
}

int
get_doubles(struct request *r, struct err *err)
{
    const struct command_ctx ctx = {.txn = r->txn, .unit = r->api->deps.unit};
    struct double_after after, last;
    struct double_view *list = NULL;
    size_t limit = 0, n = 0;
    bool has_after = false;

    int rc = query_limit(r, &limit, err);
    if (rc == 0) {
        rc = query_hex(r, "after", after.key, sizeof(after.key), &has_after, err);
    }
    if (rc == 0) {
        list = calloc(limit, sizeof(*list));
        rc = list != NULL ? 0 : err_set(err, ERR_NOMEM, "doubles");
    }
    if (rc == 0) {
        rc = doubles_list(&ctx, has_after ? &after : NULL, list, limit, &n, &last, err);
    }
    if (rc == 0) {
        struct json_out j = reply_json(r, MHD_HTTP_OK);
        json_open(&j, '{');
        json_key(&j, "doubles");
        json_open(&j, '[');
        for (size_t i = 0; i < n; i++) {
            put_double(r, &j, &list[i]);
        }
        json_close(&j, ']');
        json_key(&j, "next");
        if (n == limit) {
            json_hex(&j, last.key, sizeof(last.key));
        } else {
            json_none(&j);
        }
        json_close(&j, '}');
    }
    free(list);
    return rc;
}
