/* Requests about invoices and credit notes → drafts. See command.h. Money is in minor units throughout; proportions are exact. */
#include "node/command/person.h"
#include "node/command/work.h"

/* What one request gathers on its way to a draft. Holds personal data: released by request_release, which wipes. */
struct request {
    const struct command_ctx *ctx;
    const struct invoice_request *req;
    bool found; /* the invoice has a row */
    struct invoice_row row;
    const struct invoice_entry *old; /* what is corrected */
    size_t old_index;
    struct civil_date day, month;
    struct subject_id member;
    struct work_guest guest;
    bool has_activity; /* named in the request */
    struct activity_state activity;
    struct activity_links links;
    struct draft d;
};

static void
request_release(struct request *q)
{
    invoice_row_release(&q->row);
    draft_release(&q->d);
    person_wipe(q, sizeof(*q));
}

/* ---- what is there ---- */

static int
find_old(struct request *q, struct err *err)
{
    const struct position *at = &q->req->corrects;
    uint16_t kind = q->req->credit ? KIND_INVOICE_CREDITED : KIND_INVOICE_ISSUED;
    for (size_t i = 0; i < q->row.n && q->req->has_corrects; i++) {
        const struct invoice_entry *e = &q->row.entries[i];
        if (e->at.seq == at->seq && TYPE_EQ(&e->at.log, &at->log) && e->kind == kind) {
            q->old = e;
            q->old_index = i;
            return work_correctable(e->outcome, invoice_slot_empty(&q->row, i), err);
        }
    }
    if (q->req->has_corrects)
        return err_field(err, ERR_NOTFOUND, "corrects", "corrects: the invoice has no such %s",
                         q->req->credit ? "credit note" : "issue");
    return 0;
}

static int
find_invoice(struct request *q, struct err *err)
{
    const struct invoice_request *req = q->req;
    if (req->has_invoice) {
        struct invoice_row row;
        struct invoice_state s;
        int rc = rows_invoice(q->ctx, &req->invoice, &row, err);
        if (rc == ERR_NOTFOUND && !req->credit && !req->has_corrects)
            return 0;
        if (rc != 0)
            return rc;
        q->row = row;
        q->found = true;
        invoice_state_at(&row, DATE_MAX, &s);
        if (req->has_if_match)
            rc = draft_check_match(&req->if_match, &s.last_change, "invoice", err);
        if (rc == 0 && !req->credit && !req->has_corrects)
            rc = err_field(err, ERR_CONFLICT, "invoice", "invoice: it was issued already");
        return rc == 0 ? find_old(q, err) : rc;
    }
    if (req->credit || req->has_corrects)
        return err_field(err, ERR_INVALID, "invoice", "which invoice is missing");
    return 0;
}

/* A new invoice has the month in its id, so an issue keeps it. */
static int
take_month(struct request *q, struct err *err)
{
    const struct invoice_request *req = q->req;
    bool adjusts = req->adjusts_closed;
    struct subject_id id = req->invoice;
    int rc = draft_date(q->ctx, req->effective, &q->day, err);
    if (rc != 0)
        return err_field(err, ERR_INVALID, "date", "date: not between 1900 and 2199");
    rc = draft_check_ahead(q->ctx, q->day, "date", err);
    if (rc != 0)
        return rc;
    q->month = q->old != NULL && date_is_none(req->effective) ? q->old->effective : date_month_start(q->day);
    if (q->old != NULL && !req->credit && q->month.days != q->old->effective.days)
        return err_field(err, ERR_INVALID, "date",
                         "date: an invoice keeps its month: cancel it, and issue it anew in the other one");
    rc = draft_check_closed(q->ctx, q->month, CLOSED_YEAR, adjusts, "date", err);
    if (rc == 0 && q->old != NULL)
        rc = draft_check_closed(q->ctx, q->old->effective, CLOSED_YEAR, adjusts, "date", err);
    if (rc != 0)
        return rc;
    if (!q->found && req->has_invoice && invoice_id_month(&id) != month_number(q->month))
        return err_field(err, ERR_INVALID, "invoice",
                         "invoice: an id that begins with another month than that of the date");
    if (!q->found && req->has_invoice) {
        invoice_row_init(&q->row, &q->ctx->unit, &id);
    } else if (!q->found) {
        be16_put(id.b, month_number(q->month));
        q->ctx->random(q->ctx->random_arg, id.b + 2, sizeof(id.b) - 2);
        invoice_row_init(&q->row, &q->ctx->unit, &id);
    }
    work_draft(&q->d, q->ctx, req->credit ? KIND_INVOICE_CREDITED : KIND_INVOICE_ISSUED, &id, q->month);
    return 0;
}

/* The activity that the request names: open on some day of the month, and of somebody who was a member then. */
static int
take_activity(struct request *q, struct err *err)
{
    struct activity_row row;
    struct activity_state *s = &q->activity;
    struct subject_id owner;
    struct member_state member;
    char day[DATE_TEXT_MAX];
    int rc = rows_activity(q->ctx, &q->req->activity, &row, err);
    if (rc != 0)
        return rc;
    activity_state_at(&row, q->month, s);
    if (!s->exists && q->req->as_recorded)
        activity_state_at(&row, DATE_MAX, s);
    activity_row_release(&row);
    q->has_activity = true;
    if (!s->exists)
        return err_field(err, ERR_CONFLICT, "activity", "activity: it is not open in %.7s yet, or was cancelled",
                         date_format(q->month, day));
    if (!s->open && s->closed.days < q->month.days && !q->req->as_recorded)
        return err_field(err, ERR_CONFLICT, "activity", "activity: it closed in %.7s", date_format(s->closed, day));
    rc = work_owner(q->ctx, &q->req->activity, "activity", &owner, err);
    if (rc == 0)
        rc = work_guest(q->ctx, &q->req->activity, "activity", &q->guest, err);
    q->member = owner;
    if (rc == 0 && q->guest.is)
        rc = work_visitor(q->ctx, &q->guest.unit, &owner, q->month, q->req->as_recorded, "activity", err);
    else if (rc == 0)
        rc = work_member(q->ctx, &owner, q->month, q->req->as_recorded, "activity", &q->member, &member, err);
    return rc;
}

static bool
wants_capsule(const struct request *q)
{
    const struct invoice_request *req = q->req;
    return q->old == NULL || req->has_activity || req->has_number || req->has_client || req->has_client_number ||
           req->has_text || !date_is_none(req->effective);
}

/* Whose an invoice is never changes: its capsules are under that person's keys, those of its credit notes too. The record that it is linked
 * to stays, be it merged meanwhile. */
static int
keep_owner(struct request *q, struct err *err)
{
    struct subject_id owner, kept;
    int rc = work_owner(q->ctx, &q->row.invoice, "invoice", &owner, err);
    if (rc == 0 && q->guest.is)
        kept = owner;
    else if (rc == 0)
        rc = work_kept(q->ctx, &owner, &kept, err);
    if (rc == 0 && !TYPE_EQ(&kept, &q->member))
        return err_field(err, ERR_CONFLICT, "activity",
                         "activity: is another member's; cancel the invoice, and issue it anew for that activity");
    if (rc == 0)
        q->member = owner;
    return rc;
}

static int
take_owner(struct request *q, struct err *err)
{
    if (!q->req->credit && q->req->has_activity) {
        int rc = take_activity(q, err);
        return rc == 0 && q->found ? keep_owner(q, err) : rc;
    }
    if (!q->found)
        return err_field(err, ERR_INVALID, "activity", "activity: missing");
    if (!wants_capsule(q))
        return 0;
    int rc = work_owner(q->ctx, &q->row.invoice, "invoice", &q->member, err);
    return rc == 0 ? work_guest(q->ctx, &q->row.invoice, "invoice", &q->guest, err) : rc;
}

/* ---- money ---- */

/* The description in force on the day, or else the first one of that month. */
static int
unit_on(const struct request *q, struct unit_described *ret, bool *ret_known, struct err *err)
{
    struct place_row row;
    *ret_known = false;
    int rc = rows_unit(q->ctx, &row, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    bool dated = !date_is_none(q->req->effective) || q->old == NULL;
    *ret_known = unit_state_at(&row, dated ? q->day : q->month, ret) || unit_state_at(&row, month_last(q->month), ret);
    place_row_release(&row);
    return 0;
}

static int
take_rate(struct request *q, struct invoice_facts *f, struct err *err)
{
    const struct invoice_request *req = q->req;
    struct unit_described unit;
    bool known = false, currency = req->currency[0] != '\0';
    if (q->old == NULL && !(req->has_rate && currency)) {
        int rc = unit_on(q, &unit, &known, err);
        if (rc != 0)
            return rc;
        if (!known)
            return err_field(err, ERR_CONFLICT, "unit", "the unit has no rate and currency in that month");
        f->rate_bp = (uint16_t)unit.contribution_bp;
        memcpy(f->currency, unit.currency, sizeof(f->currency));
    }
    if (req->has_rate && req->rate_bp > RATE_BP_MAX)
        return err_field(err, ERR_INVALID, "rate_bp", "rate_bp: basis points, 0 to %d", RATE_BP_MAX);
    if (currency && !currency_ok(req->currency))
        return err_field(err, ERR_INVALID, "currency", "currency: three capital letters");
    if (req->has_rate)
        f->rate_bp = (uint16_t)req->rate_bp;
    if (currency)
        memcpy(f->currency, req->currency, sizeof(f->currency));
    return 0;
}

static int
check_amount(bool has, int64_t amount, struct err *err)
{
    if (has && amount >= 1 && amount <= DOCUMENT_MINOR_MAX)
        return 0;
    return err_field(err, ERR_INVALID, "amount_minor", "amount_minor: a whole number of minor units, 1 to %lld",
                     (long long)DOCUMENT_MINOR_MAX);
}

/* Half away from zero; amounts are not negative. */
static int64_t
contribution_of(int64_t amount, uint32_t rate_bp)
{
    return (amount * (int64_t)rate_bp + RATE_BP_MAX / 2) / RATE_BP_MAX;
}

/* §9: units round in their own way, but not by more than this. */
static bool
contribution_fits(const struct invoice_facts *f)
{
    int64_t off = f->contribution_minor * RATE_BP_MAX - f->amount_minor * f->rate_bp;
    return f->contribution_minor >= 0 && f->contribution_minor <= f->amount_minor && off < 1000000 && off > -1000000;
}

/* Credited by all credit notes but the one that is corrected. */
static struct credit_facts
credited_by_others(const struct request *q)
{
    struct credit_facts sum = {0};
    for (size_t i = 0; i < q->row.n; i++) {
        const struct invoice_entry *e = &q->row.entries[i];
        bool other = q->old == NULL || invoice_slot(&q->row, i) != invoice_slot(&q->row, q->old_index);
        if (e->kind == KIND_INVOICE_CREDITED && e->outcome == OUTCOME_APPLIED && other) {
            sum.amount_minor += e->credit.amount_minor;
            sum.contribution_minor += e->credit.contribution_minor;
        }
    }
    return sum;
}

static int
take_facts(struct request *q, struct err *err)
{
    const struct invoice_request *req = q->req;
    struct invoice_facts *f = &q->d.payload.invoice;
    bool money = req->has_amount || req->has_rate;
    if (q->old != NULL)
        *f = q->old->facts;
    if (q->has_activity && q->old == NULL)
        f->facets = q->activity.facets;
    f->facets.sector = req->has_sector ? req->sector : f->facets.sector;
    f->facets.culture = req->has_culture ? req->culture : f->facets.culture;
    f->facets.office = req->has_office ? req->office : f->facets.office;
    if (f->facets.sector == 0)
        return err_field(err, ERR_INVALID, "sector", "sector: a number from 1 to 65535");
    int rc = req->has_office ? work_office(q->ctx, &f->facets.office, q->month, err) : 0;
    if (rc == 0)
        rc = take_rate(q, f, err);
    if (rc == 0 && (req->has_amount || q->old == NULL))
        rc = check_amount(req->has_amount, req->amount_minor, err);
    if (rc != 0)
        return rc;
    f->amount_minor = req->has_amount ? req->amount_minor : f->amount_minor;
    if (req->has_contribution && (req->contribution_minor < 0 || req->contribution_minor > f->amount_minor))
        return err_field(err, ERR_INVALID, "contribution_minor", "contribution_minor: 0 to the amount");
    if (req->has_contribution)
        f->contribution_minor = req->contribution_minor;
    else if (q->old == NULL || money)
        f->contribution_minor = contribution_of(f->amount_minor, f->rate_bp);
    struct credit_facts credited = credited_by_others(q);
    if (f->amount_minor < credited.amount_minor)
        return err_field(err, ERR_CONFLICT, "amount_minor",
                         "amount_minor: %lld are credited already; cancel a credit note first",
                         (long long)credited.amount_minor);
    if (f->contribution_minor < credited.contribution_minor)
        return err_field(err, ERR_CONFLICT, "contribution_minor",
                         "contribution_minor: %lld would be left of it, and %lld are given back already; cancel a "
                         "credit note first",
                         (long long)f->contribution_minor, (long long)credited.contribution_minor);
    if (!contribution_fits(f))
        return err_field(err, ERR_INVALID, "contribution_minor",
                         "contribution_minor: is not %u.%02u %% of the amount, by more than rounding can explain",
                         f->rate_bp / 100U, f->rate_bp % 100U);
    return 0;
}

/* The contribution of what is credited in all is in proportion, rounded half away from zero; what is not given back yet of that. */
static int64_t
given_back(const struct invoice_facts *invoice, const struct credit_facts *before, int64_t amount)
{
    int64_t left = invoice->contribution_minor - before->contribution_minor, all = before->amount_minor + amount;
    unsigned __int128 part = (unsigned __int128)invoice->contribution_minor * (uint64_t)all;
    int64_t due = (int64_t)((2 * part + (uint64_t)invoice->amount_minor) / (2 * (uint64_t)invoice->amount_minor));
    int64_t back = all >= invoice->amount_minor ? left : due - before->contribution_minor;
    back = back < 0 ? 0 : back > left ? left : back;
    return back > amount ? amount : back;
}

static int
take_credit(struct request *q, struct err *err)
{
    const struct invoice_request *req = q->req;
    struct credit_facts *c = &q->d.payload.credit, before = credited_by_others(q);
    struct invoice_state s;
    invoice_state_at(&q->row, DATE_MAX, &s);
    if (!s.exists || s.cancelled)
        return err_field(err, ERR_CONFLICT, "invoice", s.exists ? "invoice: it was cancelled" : "invoice: no such one");
    int64_t left = s.facts.amount_minor - before.amount_minor;
    if (q->old != NULL)
        *c = q->old->credit;
    else
        c->amount_minor = left;
    if (req->has_amount)
        c->amount_minor = req->amount_minor;
    if (!req->has_amount && left <= 0)
        return err_field(err, ERR_CONFLICT, "amount_minor", "amount_minor: all of the invoice is credited already");
    int rc = check_amount(true, c->amount_minor, err);
    if (rc != 0)
        return rc;
    if (c->amount_minor > left)
        return err_field(err, ERR_CONFLICT, "amount_minor", "amount_minor: only %lld of %lld are left to be credited",
                         (long long)left, (long long)s.facts.amount_minor);
    int64_t back_max = s.facts.contribution_minor - before.contribution_minor;
    back_max = back_max > c->amount_minor ? c->amount_minor : back_max;
    if (req->has_contribution && (req->contribution_minor < 0 || req->contribution_minor > back_max))
        return err_field(err, ERR_CONFLICT, "contribution_minor",
                         "contribution_minor: 0 to %lld can be given back with this credit note", (long long)back_max);
    if (req->has_contribution)
        c->contribution_minor = req->contribution_minor;
    else if (q->old == NULL || req->has_amount)
        c->contribution_minor = given_back(&s.facts, &before, c->amount_minor);
    return 0;
}

/* ---- the capsule ---- */

static int
take_links(struct request *q, struct err *err)
{
    const struct invoice_request *req = q->req;
    struct activity_links *l = &q->links;
    struct position at;
    if (!wants_capsule(q))
        return 0;
    bool has = q->old != NULL && invoice_links_position(&q->row, q->old_index, &at);
    int rc = work_links_before(q->ctx, &q->row.invoice, has, &at, "invoice", l, err);
    if (rc != 0)
        return rc;
    l->member = q->member;
    if (q->has_activity) {
        l->has_activity = true;
        l->activity = req->activity;
    }
    l->day = !date_is_none(req->effective) || q->old == NULL ? q->day : l->day;
    const struct work_text texts[] = {{req->has_number, &req->number, "number", &l->number},
                                      {req->has_client, &req->client, "client", &l->client},
                                      {req->has_client_number, &req->client_number, "client_number", &l->client_number},
                                      {req->has_text, &req->text, "text", &l->text}};
    rc = work_texts(texts, ARRAY_LEN(texts), err);
    if (rc == 0 && req->has_number && l->number.s[0] != '\0') {
        const struct numbered mine = {.field = INDEX_INVOICE_NO,
                                      .entity = q->row.invoice,
                                      .slot = q->old != NULL ? invoice_slot(&q->row, q->old_index) : SIZE_MAX};
        rc = work_number_free(q->ctx, &mine, l->number.s, err);
    }
    return rc == 0 ? work_capsule(&q->d, l, &q->guest, err) : rc;
}

static int
check(const struct request *q, struct err *err)
{
    struct event_header header;
    struct invoice_entry entry;
    const struct position next = {0};
    struct member_world below, world;
    int rc = draft_check_payload(&q->d, err);
    if (rc != 0)
        return rc;
    draft_world(q->ctx, &below, &world);
    draft_header(&q->d, &header);
    invoice_entry_from_event(&next, &header, &q->d.payload, &entry);
    return invoice_row_try(&q->row, &entry, &world, err);
}

int
command_invoice(const struct command_ctx *ctx, const struct invoice_request *req, struct draft *ret, struct err *err)
{
    struct request q = {.ctx = ctx, .req = req};
    int rc = find_invoice(&q, err);
    if (rc == 0)
        rc = take_month(&q, err);
    if (rc == 0)
        rc = take_owner(&q, err);
    if (rc == 0)
        rc = req->credit ? take_credit(&q, err) : take_facts(&q, err);
    if (rc == 0 && q.old != NULL)
        rc = draft_refer(&q.d, ctx, REF_CORRECTS, &q.old->at, err);
    if (rc == 0)
        rc = take_links(&q, err);
    if (rc == 0)
        rc = check(&q, err);
    if (rc == 0) {
        *ret = q.d;
        q.d.n_capsules = 0; /* theirs now */
    }
    request_release(&q);
    return rc;
}
