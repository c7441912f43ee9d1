/* Operations on activities and invoices, merges, cancellations and closed years as they are asked for: requests of their own, and lines of
 * a batch. One reader for both. */
#include "node/api/request.h"
#include "node/command/names.h"

/* ---- fields ---- */

static bool
text_read(struct json_in *in, const char *key, struct person_text *t)
{
    return json_in_text(in, key, false, t->s, sizeof(t->s));
}

static bool
minor_read(struct json_in *in, const char *key, int64_t *ret)
{
    uint64_t v = 0;
    bool has = json_in_uint(in, key, false, (uint64_t)DOCUMENT_MINOR_MAX, &v);
    if (has) {
        *ret = (int64_t)v;
    }
    return has;
}

static void
activity_fields(struct json_in *in, struct api_op *op)
{
    struct activity_request *q = &op->activity.request;
    (void)json_in_date(in, "effective_on", false, &q->effective);
    if (q->action != WORK_CLOSE_ACTIVITY) {
        q->has_sector = json_in_has(in, "sector");
        numbered_read(in, "sector", q->action == WORK_OPEN_ACTIVITY, sector_parse, &q->sector);
        q->has_culture = json_in_bool(in, "culture", &q->culture);
        (void)json_in_text(in, "office", false, op->activity.office_text, sizeof(op->activity.office_text));
        q->has_number = text_read(in, "activity_no", &q->number);
        q->has_text = text_read(in, "text", &q->text);
    }
    q->has_corrects = json_in_event(in, "corrects", false, &q->corrects);
    (void)json_in_bool(in, "adjusts_closed", &q->adjusts_closed);
}

/* Whose a new activity is. */
static void
activity_member(struct json_in *in, struct api_op *op)
{
    if (!json_in_hex(in, "member", false, op->activity.request.member.b, ID_BYTES) &&
        !json_in_text(in, "member_no", false, op->activity.member_no, sizeof(op->activity.member_no))) {
        json_in_fail(in, "member", "is missing: give the member's id, or member_no");
    }
    (void)json_in_text(in, "member_unit", false, op->activity.unit_code, sizeof(op->activity.unit_code));
}

static void
invoice_fields(struct json_in *in, struct api_op *op)
{
    struct invoice_request *q = &op->invoice.request;
    uint64_t rate = 0;
    (void)json_in_date(in, "date", false, &q->effective);
    q->has_amount = minor_read(in, "amount_minor", &q->amount_minor);
    q->has_contribution = minor_read(in, "contribution_minor", &q->contribution_minor);
    if (!q->credit) {
        q->has_rate = json_in_uint(in, "rate_bp", false, RATE_BP_MAX, &rate);
        q->rate_bp = (uint32_t)rate;
        (void)json_in_text(in, "currency", false, q->currency, sizeof(q->currency));
        q->has_sector = json_in_has(in, "sector");
        numbered_read(in, "sector", false, sector_parse, &q->sector);
        q->has_culture = json_in_bool(in, "culture", &q->culture);
        (void)json_in_text(in, "office", false, op->invoice.office_text, sizeof(op->invoice.office_text));
    }
    q->has_number = text_read(in, "invoice_no", &q->number);
    q->has_client = text_read(in, "client", &q->client);
    q->has_client_number = text_read(in, "client_number", &q->client_number);
    q->has_text = text_read(in, "text", &q->text);
    q->has_corrects = q->has_corrects || json_in_event(in, "corrects", false, &q->corrects);
    (void)json_in_bool(in, "adjusts_closed", &q->adjusts_closed);
}

static void
invoice_activity(struct json_in *in, struct api_op *op)
{
    op->invoice.request.has_activity = json_in_hex(in, "activity", false, op->invoice.request.activity.b, ID_BYTES);
    if (!op->invoice.request.has_activity &&
        !json_in_text(in, "activity_no", false, op->invoice.activity_no, sizeof(op->invoice.activity_no))) {
        json_in_fail(in, "activity", "is missing: give the activity's id, or activity_no");
    }
}

static void
op_activity_init(struct api_op *op, enum work_action action, uint16_t status)
{
    op_init(op, OP_ACTIVITY, status);
    op->activity.request.action = action;
    op->activity.request.effective = DATE_NONE;
}

static void
op_invoice_init(struct api_op *op, bool credit, uint16_t status)
{
    op_init(op, OP_INVOICE, status);
    op->invoice.request.credit = credit;
    op->invoice.request.effective = DATE_NONE;
}

/* ---- requests ---- */

int
post_activities(struct request *r, struct err *err)
{
    struct json_in in;
    struct api_op *op;
    int rc = body_open(r, &in, err);
    if (rc != 0) {
        return rc;
    }
    rc = request_op(r, OP_ACTIVITY, MHD_HTTP_CREATED, &op, err);
    if (rc == 0) {
        op_activity_init(op, WORK_OPEN_ACTIVITY, MHD_HTTP_CREATED);
        activity_member(&in, op);
        activity_fields(&in, op);
    }
    return json_in_end(&in, rc);
}

static int
activity_change(struct request *r, enum work_action action, struct err *err)
{
    struct json_in in;
    struct api_op *op;
    int rc = body_open(r, &in, err);
    if (rc != 0) {
        return rc;
    }
    rc = request_op(r, OP_ACTIVITY, MHD_HTTP_OK, &op, err);
    if (rc == 0) {
        op_activity_init(op, action, MHD_HTTP_OK);
        struct activity_request *q = &op->activity.request;
        q->has_activity = q->has_if_match = true;
        rc = param_hex(r, 0, "activity", q->activity.b, ID_BYTES, err);
        rc = rc != 0 ? rc : if_match_position(r, &q->if_match, err);
    }
    if (rc == 0) {
        activity_fields(&in, op);
    }
    return json_in_end(&in, rc);
}

int
patch_activity(struct request *r, struct err *err)
{
    return activity_change(r, WORK_CHANGE_ACTIVITY, err);
}

int
post_activity_close(struct request *r, struct err *err)
{
    return activity_change(r, WORK_CLOSE_ACTIVITY, err);
}

int
post_invoices(struct request *r, struct err *err)
{
    struct json_in in;
    struct api_op *op;
    int rc = body_open(r, &in, err);
    if (rc != 0) {
        return rc;
    }
    rc = request_op(r, OP_INVOICE, MHD_HTTP_CREATED, &op, err);
    if (rc == 0) {
        op_invoice_init(op, false, MHD_HTTP_CREATED);
        invoice_activity(&in, op);
        invoice_fields(&in, op);
    }
    return json_in_end(&in, rc);
}

/* Whether another issue took the place of this one: that one is then what can be corrected or cancelled. */
static bool
was_corrected(const struct invoice_row *row, const struct invoice_entry *e)
{
    for (size_t i = 0; i < row->n; i++) {
        const struct invoice_entry *other = &row->entries[i];
        bool counts = other->outcome == OUTCOME_APPLIED || other->outcome == OUTCOME_REPLACED;
        for (uint8_t k = 0; counts && k < other->n_refs; k++) {
            if (other->refs[k].role == REF_CORRECTS && other->refs[k].seq == e->at.seq &&
                TYPE_EQ(&other->refs[k].log, &e->at.log)) {
                return true;
            }
        }
    }
    return false;
}

/* The issue of an invoice as it stands: what a PATCH corrects and a cancellation without an event empties. One that was cancelled is
 * still found, and corrected into force again. */
static int
issue_of(struct request *r, const struct subject_id *invoice, struct position *ret, struct err *err)
{
    struct invoice_row row;
    int rc = view_invoice(r->txn, &r->api->deps.unit, invoice, &row, err);
    if (rc != 0) {
        return rc;
    }
    bool found = false, stands = false;
    for (size_t i = 0; !stands && i < row.n; i++) {
        const struct invoice_entry *e = &row.entries[i];
        bool counts = e->outcome == OUTCOME_APPLIED || e->outcome == OUTCOME_REPLACED;
        if (e->kind == KIND_INVOICE_ISSUED && counts && !was_corrected(&row, e)) {
            *ret = e->at;
            found = true;
            stands = e->outcome == OUTCOME_APPLIED;
        }
    }
    invoice_row_release(&row);
    return found ? 0 : err_field(err, ERR_NOTFOUND, "invoice", "was never issued");
}

static int
existing_invoice(struct request *r, struct invoice_request *q, struct err *err)
{
    int rc = param_hex(r, 0, "invoice", q->invoice.b, ID_BYTES, err);
    q->has_invoice = q->has_if_match = true;
    return rc != 0 ? rc : if_match_position(r, &q->if_match, err);
}

/* PATCH corrects the issue; a credit note comes to it. */
static int
invoice_change(struct request *r, bool credit, struct err *err)
{
    struct json_in in;
    struct api_op *op;
    int rc = body_open(r, &in, err);
    if (rc != 0) {
        return rc;
    }
    rc = request_op(r, OP_INVOICE, MHD_HTTP_OK, &op, err);
    if (rc == 0) {
        op_invoice_init(op, credit, MHD_HTTP_OK);
        rc = existing_invoice(r, &op->invoice.request, err);
    }
    if (rc == 0 && !credit) {
        op->invoice.request.has_corrects = true;
        rc = issue_of(r, &op->invoice.request.invoice, &op->invoice.request.corrects, err);
    }
    if (rc == 0) {
        invoice_fields(&in, op);
    }
    return json_in_end(&in, rc);
}

int
patch_invoice(struct request *r, struct err *err)
{
    return invoice_change(r, false, err);
}

int
post_credit_notes(struct request *r, struct err *err)
{
    return invoice_change(r, true, err);
}

static int
cancel_read(struct request *r, int what, struct json_in *in, struct cancel_request **ret, struct err *err)
{
    struct api_op *op;
    int rc = request_op(r, OP_CANCEL, MHD_HTTP_OK, &op, err);
    if (rc != 0) {
        return rc;
    }
    struct cancel_request *q = &op->cancel;
    q->what = what;
    q->has_if_match = true;
    rc = param_hex(r, 0, "id", q->subject.b, ID_BYTES, err);
    rc = rc != 0 ? rc : if_match_position(r, &q->if_match, err);
    if (rc == 0) {
        (void)json_in_bool(in, "adjusts_closed", &q->adjusts_closed);
        *ret = q;
    }
    return rc;
}

int
post_member_cancel(struct request *r, struct err *err)
{
    struct json_in in;
    struct cancel_request *q;
    int rc = body_open(r, &in, err);
    if (rc != 0) {
        return rc;
    }
    rc = cancel_read(r, CANCEL_MEMBER, &in, &q, err);
    if (rc == 0) {
        (void)json_in_event(&in, "event", true, &q->event);
    }
    return json_in_end(&in, rc);
}

/* Activities name the event; an invoice without one is cancelled as a whole. */
int
post_work_cancel(struct request *r, struct err *err)
{
    bool invoice = strncmp(r->route->pattern, "/v1/invoices/", 13) == 0;
    struct json_in in;
    struct cancel_request *q;
    int rc = body_open(r, &in, err);
    if (rc != 0) {
        return rc;
    }
    rc = cancel_read(r, invoice ? CANCEL_INVOICE : CANCEL_ACTIVITY, &in, &q, err);
    if (rc == 0 && !json_in_event(&in, "event", !invoice, &q->event) && invoice) {
        rc = issue_of(r, &q->subject, &q->event, err);
    }
    return json_in_end(&in, rc);
}

int
post_member_merge(struct request *r, struct err *err)
{
    bool undo = strstr(r->route->pattern, "/unmerge") != NULL;
    struct json_in in;
    struct api_op *op;
    int rc = body_open(r, &in, err);
    if (rc != 0) {
        return rc;
    }
    rc = request_op(r, OP_MERGE, MHD_HTTP_OK, &op, err);
    if (rc == 0) {
        struct merge_request *q = &op->merge;
        q->undo = undo;
        q->effective = DATE_NONE;
        q->has_if_match = true;
        rc = param_hex(r, 0, "member", q->from.b, ID_BYTES, err);
        rc = rc != 0 ? rc : if_match_position(r, &q->if_match, err);
        if (rc == 0) {
            if (!undo) {
                (void)json_in_hex(&in, "into", true, q->into.b, ID_BYTES);
                (void)json_in_date(&in, "effective_on", false, &q->effective);
            }
            (void)json_in_bool(&in, "adjusts_closed", &q->adjusts_closed);
        }
    }
    return json_in_end(&in, rc);
}

int
post_periods(struct request *r, struct err *err)
{
    struct json_in in;
    struct api_op *op;
    uint64_t year = 0;
    int rc = body_open(r, &in, err);
    if (rc != 0) {
        return rc;
    }
    rc = request_op(r, OP_CLOSE_PERIOD, MHD_HTTP_CREATED, &op, err);
    if (rc == 0 && json_in_uint(&in, "year", true, 2199, &year)) {
        op->close.year = (uint16_t)year;
        (void)json_in_bool(&in, "again", &op->close.again);
        snprintf(r->location, sizeof(r->location), "/v1/periods/%s/%u", r->api->deps.unit_code, op->close.year);
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

static void
line_activity(struct json_in *in, enum work_action action, struct api_op *op)
{
    bool opens = action == WORK_OPEN_ACTIVITY;
    op_activity_init(op, action, opens ? MHD_HTTP_CREATED : MHD_HTTP_OK);
    struct activity_request *q = &op->activity.request;
    q->has_activity = json_in_hex(in, "activity", !opens, q->activity.b, ID_BYTES);
    if (opens) {
        activity_member(in, op);
    }
    (void)json_in_bool(in, "as_recorded", &q->as_recorded);
    line_if_match(in, &q->has_if_match, &q->if_match);
    activity_fields(in, op);
}

static void
line_invoice(struct json_in *in, bool credit, struct api_op *op)
{
    op_invoice_init(op, credit, credit ? MHD_HTTP_OK : MHD_HTTP_CREATED);
    struct invoice_request *q = &op->invoice.request;
    q->has_invoice = json_in_hex(in, "invoice", false, q->invoice.b, ID_BYTES);
    if (credit && !q->has_invoice) {
        (void)json_in_text(in, "credits_no", true, op->invoice.invoice_no, sizeof(op->invoice.invoice_no));
    }
    if (!credit) {
        invoice_activity(in, op);
    }
    (void)json_in_bool(in, "as_recorded", &q->as_recorded);
    line_if_match(in, &q->has_if_match, &q->if_match);
    invoice_fields(in, op);
}

static void
line_cancel(struct json_in *in, int what, const char *key, struct api_op *op)
{
    op_init(op, OP_CANCEL, MHD_HTTP_OK);
    op->cancel.what = what;
    (void)json_in_hex(in, key, true, op->cancel.subject.b, ID_BYTES);
    (void)json_in_event(in, "event", true, &op->cancel.event);
    (void)json_in_bool(in, "adjusts_closed", &op->cancel.adjusts_closed);
    line_if_match(in, &op->cancel.has_if_match, &op->cancel.if_match);
}

static void
line_merge(struct json_in *in, bool undo, struct api_op *op)
{
    op_init(op, OP_MERGE, MHD_HTTP_OK);
    op->merge.undo = undo;
    op->merge.effective = DATE_NONE;
    (void)json_in_hex(in, "id", true, op->merge.from.b, ID_BYTES);
    if (!undo) {
        (void)json_in_hex(in, "other", true, op->merge.into.b, ID_BYTES);
        (void)json_in_date(in, "effective_on", false, &op->merge.effective);
    }
    (void)json_in_bool(in, "adjusts_closed", &op->merge.adjusts_closed);
    line_if_match(in, &op->merge.has_if_match, &op->merge.if_match);
}

bool
line_work_read(struct json_in *in, const char *name, struct api_op *op)
{
    if (strcmp(name, "activity.open") == 0) {
        line_activity(in, WORK_OPEN_ACTIVITY, op);
    } else if (strcmp(name, "activity.change") == 0) {
        line_activity(in, WORK_CHANGE_ACTIVITY, op);
    } else if (strcmp(name, "activity.close") == 0) {
        line_activity(in, WORK_CLOSE_ACTIVITY, op);
    } else if (strcmp(name, "activity.cancel") == 0) {
        line_cancel(in, CANCEL_ACTIVITY, "activity", op);
    } else if (strcmp(name, "invoice.issue") == 0) {
        line_invoice(in, false, op);
    } else if (strcmp(name, "invoice.credit") == 0) {
        line_invoice(in, true, op);
    } else if (strcmp(name, "invoice.cancel") == 0) {
        line_cancel(in, CANCEL_INVOICE, "invoice", op);
    } else if (strcmp(name, "member.cancel") == 0) {
        line_cancel(in, CANCEL_MEMBER, "id", op);
    } else if (strcmp(name, "member.merge") == 0) {
        line_merge(in, false, op);
    } else if (strcmp(name, "member.unmerge") == 0) {
        line_merge(in, true, op);
    } else {
        return false;
    }
    return true;
}
