/* Emptying the slot of an event (docs/PROTOCOL.md §8 role 9): members, activities, invoices, postings (posting.c). What the rules refuse they say themselves; here
 * stands what they cannot know: that the event named is the one that counts, and that half a merge is not undone. */
#include "node/command/posting.h"

static int
check_target(const struct cancel_target *t, struct err *err)
{
    if (t->kind == KIND_ENTRY_CANCELLED || t->kind == KIND_ACTIVITY_CANCELLED || t->kind == KIND_INVOICE_CANCELLED ||
        t->kind == KIND_POSTING_CANCELLED)
        return err_field(err, ERR_INVALID, "event",
                         "event: is a cancellation; to bring back what it cancelled, correct that");
    if (t->outcome == OUTCOME_VOID)
        return err_field(err, ERR_CONFLICT, "event", "event: never had an effect (%s); there is nothing to cancel",
                         void_reason_text(t->reason));
    if (t->emptied)
        return err_field(err, ERR_CONFLICT, "event", "event: is cancelled already");
    if (t->outcome == OUTCOME_REPLACED)
        return err_field(err, ERR_CONFLICT, "event",
                         "event: was corrected since; cancel the correction that took its place");
    if (t->kind == KIND_MEMBER_MERGED || t->kind == KIND_MEMBER_ABSORBED)
        return err_field(err, ERR_CONFLICT, "event",
                         "event: is half of a merge; undo the merge, so that both halves go together");
    return 0;
}

/* Who cancelled, beside what was recorded before: nothing is added where that cannot be read any more. */
static int
take_links(const struct command_ctx *ctx, const struct cancel_request *req, const struct cancel_target *t,
           struct draft *d, struct err *err)
{
    struct activity_links links;
    struct err unread = {0};
    if (!t->has_links)
        return 0;
    int rc = work_links_before(ctx, &req->subject, true, &t->links, "event", &links, &unread);
    if (rc == ERR_CONFLICT)
        return 0;
    if (rc != 0) {
        *err = unread;
        return rc;
    }
    struct work_guest guest;
    rc = work_guest(ctx, &req->subject, "event", &guest, &unread);
    if (rc == 0)
        rc = work_capsule(d, &links, &guest, err);
    else if (rc == ERR_CONFLICT)
        rc = 0;
    else
        *err = unread;
    person_wipe(&links, sizeof(links));
    person_wipe(&guest, sizeof(guest));
    return rc;
}

int
cancel_start(const struct command_ctx *ctx, const struct cancel_request *req, uint16_t kind,
             const struct cancel_target *t, struct draft *d, struct err *err)
{
    int rc = check_target(t, err);
    if (rc != 0)
        return rc;
    if (kind == KIND_ENTRY_CANCELLED)
        draft_init(d, ctx, kind, &req->subject, t->effective);
    else
        work_draft(d, ctx, kind, &req->subject, t->effective);
    d->payload.common.precision = t->precision;
    rc = draft_refer(d, ctx, REF_CANCELS, &req->event, err);
    if (rc == 0)
        rc = take_links(ctx, req, t, d, err);
    return rc != 0 ? rc : draft_check_payload(d, err);
}

static int
no_such_event(const char *what, struct err *err)
{
    return err_field(err, ERR_NOTFOUND, "event", "event: the %s has no such event", what);
}

static int
cancel_member(const struct command_ctx *ctx, const struct cancel_request *req, struct draft *d, struct err *err)
{
    struct member_row row;
    struct member_state now;
    int rc = rows_member(ctx, &req->subject, &row, err);
    if (rc != 0)
        return rc;
    member_state_at(&row, DATE_MAX, &now);
    if (req->has_if_match)
        rc = draft_check_match(&req->if_match, &now.last_change, "member", err);
    size_t i = member_entry_find(&row, &req->event);
    if (rc == 0 && i == SIZE_MAX)
        rc = no_such_event("member", err);
    if (rc == 0) {
        const struct member_entry *e = &row.entries[i];
        struct cancel_target t = {e->kind, e->effective, e->precision, e->outcome, e->reason, false, false, {{{0}}, 0}};
        t.emptied =
            e->outcome == OUTCOME_REPLACED && row.entries[member_slot_filler(&row, i)].kind == KIND_ENTRY_CANCELLED;
        rc = cancel_start(ctx, req, KIND_ENTRY_CANCELLED, &t, d, err);
        if (rc == 0)
            rc = draft_try_member(ctx, d, &row, err);
    }
    member_row_release(&row);
    return rc;
}

/* An activity that never was has no invoices. */
static int
check_invoices(const struct command_ctx *ctx, const struct subject_id *activity, struct err *err)
{
    bool invoiced;
    int rc = work_is_invoiced(ctx, activity, &invoiced, err);
    if (rc == 0 && invoiced)
        rc = err_field(err, ERR_CONFLICT, "event",
                       "event: there are invoices of the activity; cancel them first, or close it instead");
    return rc;
}

static int
cancel_activity(const struct command_ctx *ctx, const struct cancel_request *req, struct draft *d, struct err *err)
{
    struct activity_row row;
    struct activity_state now;
    size_t i = 0;
    int rc = rows_activity(ctx, &req->subject, &row, err);
    if (rc != 0)
        return rc;
    activity_state_at(&row, DATE_MAX, &now);
    if (req->has_if_match)
        rc = draft_check_match(&req->if_match, &now.last_change, "activity", err);
    while (i < row.n && (row.entries[i].at.seq != req->event.seq || !TYPE_EQ(&row.entries[i].at.log, &req->event.log)))
        i++;
    if (rc == 0 && i == row.n)
        rc = no_such_event("activity", err);
    if (rc == 0) {
        const struct activity_entry *e = &row.entries[i];
        struct cancel_target t = {e->kind,   e->effective, PRECISION_MONTH, e->outcome,
                                  e->reason, false,        false,           {{{0}}, 0}};
        t.emptied = e->outcome == OUTCOME_REPLACED && activity_slot_empty(&row, i);
        t.has_links = activity_slot_links(&row, i, &t.links);
        rc = cancel_start(ctx, req, KIND_ACTIVITY_CANCELLED, &t, d, err);
        if (rc == 0 && t.kind == KIND_ACTIVITY_OPENED && t.has_links)
            rc = check_invoices(ctx, &req->subject, err);
    }
    if (rc == 0) {
        struct member_world below, world;
        struct event_header h;
        struct activity_entry e;
        const struct position next = {0};
        draft_world(ctx, &below, &world);
        draft_header(d, &h);
        activity_entry_from_event(&next, &h, &d->payload, &e);
        rc = activity_row_try(&row, &e, &world, err);
    }
    activity_row_release(&row);
    return rc;
}

static int
cancel_invoice(const struct command_ctx *ctx, const struct cancel_request *req, struct draft *d, struct err *err)
{
    struct invoice_row row;
    struct invoice_state now;
    size_t i = 0;
    int rc = rows_invoice(ctx, &req->subject, &row, err);
    if (rc != 0)
        return rc;
    invoice_state_at(&row, DATE_MAX, &now);
    if (req->has_if_match)
        rc = draft_check_match(&req->if_match, &now.last_change, "invoice", err);
    while (i < row.n && (row.entries[i].at.seq != req->event.seq || !TYPE_EQ(&row.entries[i].at.log, &req->event.log)))
        i++;
    if (rc == 0 && i == row.n)
        rc = no_such_event("invoice", err);
    if (rc == 0) {
        const struct invoice_entry *e = &row.entries[i];
        struct cancel_target t = {e->kind,   e->effective, PRECISION_MONTH, e->outcome,
                                  e->reason, false,        false,           {{{0}}, 0}};
        t.emptied = e->outcome == OUTCOME_REPLACED && invoice_slot_empty(&row, i);
        t.has_links = invoice_links_position(&row, i, &t.links);
        rc = cancel_start(ctx, req, KIND_INVOICE_CANCELLED, &t, d, err);
    }
    if (rc == 0) {
        struct member_world below, world;
        struct event_header h;
        struct invoice_entry e;
        const struct position next = {0};
        draft_world(ctx, &below, &world);
        draft_header(d, &h);
        invoice_entry_from_event(&next, &h, &d->payload, &e);
        rc = invoice_row_try(&row, &e, &world, err);
    }
    invoice_row_release(&row);
    return rc;
}

int
command_cancel(const struct command_ctx *ctx, const struct cancel_request *req, struct draft *ret, struct err *err)
{
    struct draft d;
    int rc = 0;
    memset(&d, 0, sizeof(d));
    switch (req->what) {
    case CANCEL_MEMBER: rc = cancel_member(ctx, req, &d, err); break;
    case CANCEL_ACTIVITY: rc = cancel_activity(ctx, req, &d, err); break;
    case CANCEL_INVOICE: rc = cancel_invoice(ctx, req, &d, err); break;
    case CANCEL_POSTING: rc = cancel_posting(ctx, req, &d, err); break;
    }
    /* Postings are in no closed figure. */
    if (rc == 0 && req->what != CANCEL_POSTING)
        rc =
            draft_check_closed(ctx, d.payload.common.effective, req->what == CANCEL_MEMBER ? CLOSED_SINCE : CLOSED_YEAR,
                               req->adjusts_closed, "effective_on", err);
    if (rc == 0)
        *ret = d;
    else
        draft_release(&d);
    return rc;
}
