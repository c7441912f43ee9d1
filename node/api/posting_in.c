/* Operations on postings as they are asked for: requests of their own, and lines of a batch. */
#include "node/api/request.h"

static void
posting_fields(struct json_in *in, struct posting_request *q)
{
    char country[sizeof(q->country)] = "";
    (void)json_in_text(in, "country", false, country, sizeof(country));
    memcpy(q->country, country, sizeof(country));
    (void)json_in_date(in, "from", false, &q->from);
    (void)json_in_date(in, "to", false, &q->to);
    q->has_reference = json_in_text(in, "reference", false, q->reference.s, sizeof(q->reference.s));
    q->has_text = json_in_text(in, "text", false, q->text.s, sizeof(q->text.s));
    if (q->action == POSTING_CHANGE) {
        (void)json_in_date(in, "effective_on", false, &q->effective);
    }
    q->has_corrects = json_in_event(in, "corrects", false, &q->corrects);
}

/* Whose a new one is. */
static void
posting_member(struct json_in *in, struct api_op *op)
{
    if (!json_in_hex(in, "member", false, op->posting.request.member.b, ID_BYTES) &&
        !json_in_text(in, "member_no", false, op->posting.member_no, sizeof(op->posting.member_no))) {
        json_in_fail(in, "member", "is missing: give the member's id, or member_no");
    }
}

static void
op_posting_init(struct api_op *op, bool issue, uint16_t status)
{
    op_init(op, OP_POSTING, status);
    struct posting_request *q = &op->posting.request;
    q->action = issue ? POSTING_ISSUE : POSTING_CHANGE;
    q->from = q->to = q->effective = DATE_NONE;
}

int
post_postings(struct request *r, struct err *err)
{
    struct json_in in;
    struct api_op *op;
    int rc = body_open(r, &in, err);
    if (rc != 0) {
        return rc;
    }
    rc = request_op(r, OP_POSTING, MHD_HTTP_CREATED, &op, err);
    if (rc == 0) {
        op_posting_init(op, true, MHD_HTTP_CREATED);
        posting_member(&in, op);
        posting_fields(&in, &op->posting.request);
    }
    return json_in_end(&in, rc);
}

int
post_posting_change(struct request *r, struct err *err)
{
    struct json_in in;
    struct api_op *op;
    int rc = body_open(r, &in, err);
    if (rc != 0) {
        return rc;
    }
    rc = request_op(r, OP_POSTING, MHD_HTTP_OK, &op, err);
    if (rc == 0) {
        op_posting_init(op, false, MHD_HTTP_OK);
        struct posting_request *q = &op->posting.request;
        q->has_posting = q->has_if_match = true;
        rc = param_hex(r, 0, "posting", q->posting.b, ID_BYTES, err);
        rc = rc != 0 ? rc : if_match_position(r, &q->if_match, err);
        if (rc == 0) {
            posting_fields(&in, q);
        }
    }
    return json_in_end(&in, rc);
}

/* The issue as it stands. */
static int
issue_of(struct request *r, const struct subject_id *posting, struct position *ret, struct err *err)
{
    struct posting_row row;
    int rc = view_posting(r->txn, &r->api->deps.unit, posting, &row, err);
    if (rc != 0) {
        return rc;
    }
    size_t i = posting_issue(&row);
    if (i != SIZE_MAX) {
        *ret = row.entries[i].at;
    }
    posting_row_release(&row);
    return i != SIZE_MAX ? 0 : err_field(err, ERR_NOTFOUND, "posting", "was never issued");
}

/* Without an event: the whole posting. */
int
post_posting_cancel(struct request *r, struct err *err)
{
    struct json_in in;
    struct api_op *op;
    int rc = body_open(r, &in, err);
    if (rc != 0) {
        return rc;
    }
    rc = request_op(r, OP_CANCEL, MHD_HTTP_OK, &op, err);
    if (rc == 0) {
        struct cancel_request *q = &op->cancel;
        q->what = CANCEL_POSTING;
        q->has_if_match = true;
        rc = param_hex(r, 0, "posting", q->subject.b, ID_BYTES, err);
        rc = rc != 0 ? rc : if_match_position(r, &q->if_match, err);
        if (rc == 0 && !json_in_event(&in, "event", false, &q->event)) {
            rc = issue_of(r, &q->subject, &q->event, err);
        }
    }
    return json_in_end(&in, rc);
}

/* ---- lines of a batch ---- */

static void
line_if_match(struct json_in *in, bool *ret_has, struct position *ret)
{
    char etag[ETAG_TEXT_MAX];
    if (json_in_text(in, "if_match", false, etag, sizeof(etag))) {
        *ret_has = etag_position_parse(etag, ret, NULL) == 0;
        if (!*ret_has) {
            json_in_fail(in, "if_match", "not an ETag");
        }
    }
}

bool
line_posting_read(struct json_in *in, const char *name, struct api_op *op)
{
    bool issue = strcmp(name, "posting.issue") == 0;
    if (strcmp(name, "posting.cancel") == 0) {
        op_init(op, OP_CANCEL, MHD_HTTP_OK);
        op->cancel.what = CANCEL_POSTING;
        (void)json_in_hex(in, "posting", true, op->cancel.subject.b, ID_BYTES);
        (void)json_in_event(in, "event", true, &op->cancel.event);
        line_if_match(in, &op->cancel.has_if_match, &op->cancel.if_match);
        return true;
    }
    if (!issue && strcmp(name, "posting.change") != 0) {
        return false;
    }
    op_posting_init(op, issue, issue ? MHD_HTTP_CREATED : MHD_HTTP_OK);
    struct posting_request *q = &op->posting.request;
    q->has_posting = json_in_hex(in, "posting", !issue, q->posting.b, ID_BYTES);
    if (issue) {
        posting_member(in, op);
    }
    (void)json_in_bool(in, "as_recorded", &q->as_recorded);
    line_if_match(in, &q->has_if_match, &q->if_match);
    posting_fields(in, q);
    return true;
}
