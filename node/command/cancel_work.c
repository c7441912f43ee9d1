/* Cancellations of events of activities and invoices → drafts. See command.h; docs/PROTOCOL.md §8 role 9, §10. */
#include "node/command/work.h"

/* What a cancellation must know of the event that it names. */
struct target {
    struct position at, last_change;
    bool found, empty;
    uint16_t kind;
    struct civil_date effective;
    enum outcome outcome;
};

static bool
is_at(const struct position *a, const struct position *b)
{
    return a->seq == b->seq && TYPE_EQ(&a->log, &b->log);
}

static int
check_target(const struct command_ctx *ctx, const struct cancel_request *req, const struct target *t, struct err *err)
{
    bool activity = req->what == CANCEL_ACTIVITY;
    if (req->has_if_match) {
        int rc = draft_check_match(&req->if_match, &t->last_change, activity ? "activity" : "invoice", err);
        if (rc != 0)
            return rc;
    }
    if (!t->found)
        return err_field(err, ERR_NOTFOUND, "event", "event: the %s has no such event",
                         activity ? "activity" : "invoice");
    if (t->kind == KIND_ACTIVITY_CANCELLED || t->kind == KIND_INVOICE_CANCELLED)
        return err_field(err, ERR_INVALID, "event",
                         "event: a cancellation is not cancelled: what it took out is corrected, and so back");
    if (t->outcome != OUTCOME_APPLIED && t->outcome != OUTCOME_REPLACED && t->outcome != OUTCOME_CONFLICT)
        return err_field(err, ERR_CONFLICT, "event", "event: it has no effect");
    if (t->empty)
        return err_field(err, ERR_CONFLICT, "event", "event: it is cancelled already");
    return draft_check_closed(ctx, t->effective, req->adjusts_closed, "effective_on", err);
}

static int
start(const struct command_ctx *ctx, const struct cancel_request *req, const struct target *t, struct draft *d,
      struct event_header *h, struct err *err)
{
    uint16_t kind = req->what == CANCEL_ACTIVITY ? KIND_ACTIVITY_CANCELLED : KIND_INVOICE_CANCELLED;
    int rc = check_target(ctx, req, t, err);
    if (rc != 0)
        return rc;
    work_draft(d, ctx, kind, &req->subject, t->effective);
    rc = draft_refer(d, ctx, REF_CANCELS, &t->at, err);
    if (rc == 0)
        rc = draft_check_payload(d, err);
    draft_header(d, h);
    return rc;
}

static int
cancel_activity(const struct command_ctx *ctx, const struct cancel_request *req, struct draft *d, struct err *err)
{
    struct activity_row row;
    struct activity_entry entry;
    struct event_header h;
    struct target t = {.found = false};
    const struct position next = {0};
    struct member_world below, world;
    int rc = rows_activity(ctx, &req->subject, &row, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < row.n; i++) {
        const struct activity_entry *e = &row.entries[i];
        if (is_at(&e->at, &req->event)) {
            t = (struct target){e->at, e->at, true, activity_slot_empty(&row, i), e->kind, e->effective, e->outcome};
        }
    }
    t.last_change = row.n > 0 ? row.entries[row.n - 1].at : t.last_change;
    rc = start(ctx, req, &t, d, &h, err);
    if (rc == 0) {
        draft_world(ctx, &below, &world);
        activity_entry_from_event(&next, &h, &d->payload, &entry);
        rc = activity_row_try(&row, &entry, &world, err);
    }
    activity_row_release(&row);
    return rc;
}

static int
cancel_invoice(const struct command_ctx *ctx, const struct cancel_request *req, struct draft *d, struct err *err)
{
    struct invoice_row row;
    struct invoice_entry entry;
    struct event_header h;
    struct target t = {.found = false};
    const struct position next = {0};
    struct member_world below, world;
    int rc = rows_invoice(ctx, &req->subject, &row, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < row.n; i++) {
        const struct invoice_entry *e = &row.entries[i];
        if (is_at(&e->at, &req->event)) {
            t = (struct target){e->at, e->at, true, invoice_slot_empty(&row, i), e->kind, e->effective, e->outcome};
        }
    }
    t.last_change = row.n > 0 ? row.entries[row.n - 1].at : t.last_change;
    rc = start(ctx, req, &t, d, &h, err);
    if (rc == 0) {
        draft_world(ctx, &below, &world);
        invoice_entry_from_event(&next, &h, &d->payload, &entry);
        rc = invoice_row_try(&row, &entry, &world, err);
    }
    invoice_row_release(&row);
    return rc;
}

int
cancel_work(const struct command_ctx *ctx, const struct cancel_request *req, struct draft *ret, struct err *err)
{
    struct draft d;
    memset(&d, 0, sizeof(d));
    int rc = req->what == CANCEL_ACTIVITY ? cancel_activity(ctx, req, &d, err) : cancel_invoice(ctx, req, &d, err);
    if (rc == 0)
        *ret = d;
    return rc;
}
