/* See invoice.h: the fold of an invoice and its credit notes, what is in force, what it adds to the views. docs/PROTOCOL.md §9, §10. */
#include <stdlib.h>

#include "node/rules/invoice.h"
#include "node/rules/row.h"

struct invoice_fold {
    bool issued;
    struct credit_facts left; /* of what was invoiced */
};

ROW_ENTRY_BEGINS(struct invoice_entry);

/* ---- rules ---- */

static bool
known(uint16_t kind, uint16_t version)
{
    return kind >= KIND_INVOICE_ISSUED && kind <= KIND_INVOICE_CANCELLED && event_kind_known(kind, version);
}

static enum void_reason
outside(const void *ctx, const struct fold_item *item, const struct member_world *w)
{
    const struct invoice_row *row = ctx;
    const struct invoice_entry *e = item->entry;
    bool missing =
        e->kind == KIND_INVOICE_ISSUED && !w->office_known(w->arg, &row->unit, &e->facts.facets.office, &e->at);
    return missing ? VOID_NO_OFFICE : VOID_NONE;
}

static void
start(void *state)
{
    struct invoice_fold *f = state;
    memset(f, 0, sizeof(*f));
}

static enum void_reason
step(void *state, const struct fold_item *item, uint32_t other)
{
    struct invoice_fold *f = state;
    const struct invoice_entry *e = item->entry;
    (void)other;
    if (e->kind == KIND_INVOICE_ISSUED) {
        if (f->issued) {
            return VOID_EXISTS;
        }
        f->issued = true;
        f->left = (struct credit_facts){.amount_minor = e->facts.amount_minor,
                                        .contribution_minor = e->facts.contribution_minor};
        return VOID_NONE;
    }
    if (!f->issued) {
        return VOID_EXISTS_NOT;
    }
    if (e->credit.amount_minor > f->left.amount_minor || e->credit.contribution_minor > f->left.contribution_minor) {
        return VOID_CREDIT;
    }
    f->left.amount_minor -= e->credit.amount_minor;
    f->left.contribution_minor -= e->credit.contribution_minor;
    return VOID_NONE;
}

static const struct fold_rules rules = {.cancels = KIND_INVOICE_CANCELLED,
                                        .known = known,
                                        .role = row_no_role,
                                        .outside = outside,
                                        .start = start,
                                        .step = step};

static int say(const struct row *row, const struct row_entry *e, enum void_reason reason, struct err *err);

const struct row_type invoice_row_type = {
    .rules = &rules,
    .what = "invoice row",
    .refers = "to correct or to cancel",
    .entry_size = sizeof(struct invoice_entry),
    .refs_max = ARRAY_LEN(((struct invoice_entry *)NULL)->refs),
    .links_at = offsetof(struct invoice_entry, has_links),
    .say = say,
};

/* ---- rows ---- */

void
invoice_row_init(struct invoice_row *r, const struct unit_id *unit, const struct subject_id *invoice)
{
    memset(r, 0, sizeof(*r));
    r->unit = *unit;
    r->invoice = *invoice;
}

void
invoice_row_release(struct invoice_row *r)
{
    free(r->entries);
    r->entries = NULL;
    r->n = 0;
    r->cap = 0;
}

void
invoice_entry_from_event(const struct position *at, const struct event_header *h, const struct event_payload *p,
                         struct invoice_entry *ret)
{
    row_entry_from_event(&invoice_row_type, at, h, &p->common, (struct row_entry *)ret);
    if (h->kind == KIND_INVOICE_ISSUED) {
        ret->facts = p->invoice;
    } else if (h->kind == KIND_INVOICE_CREDITED) {
        ret->credit = p->credit;
    }
}

bool
invoice_entry_unknown(const struct position *at, const struct event_header *h, const struct event_common *c,
                      struct invoice_entry *ret)
{
    return row_entry_unknown(&invoice_row_type, at, h, c, (struct row_entry *)ret);
}

int
invoice_row_add(struct invoice_row *r, const struct invoice_entry *e, const struct member_world *w,
                struct missing *ret_missing, struct err *err)
{
    struct invoice_fold state;
    struct row row = ROW_OF(&invoice_row_type, r, &state);
    int rc = row_add(&row, e, w, ret_missing, err);
    ROW_BACK(r, row);
    return rc;
}

int
invoice_row_refold(struct invoice_row *r, const struct member_world *w, struct missing *ret_missing, struct err *err)
{
    struct invoice_fold state;
    struct row row = ROW_OF(&invoice_row_type, r, &state);
    return row_fold(&row, r->n, FOLD_NONE, w, ret_missing, err);
}

static int
say(const struct row *row, const struct row_entry *e, enum void_reason reason, struct err *err)
{
    struct invoice_state s;
    char day[DATE_TEXT_MAX];
    invoice_state_at(row->ctx, DATE_MAX, &s);
    switch (reason) {
    case VOID_EXISTS: return err_field(err, ERR_CONFLICT, "invoice", "invoice: it was issued already");
    case VOID_EXISTS_NOT:
        return err_field(err, ERR_CONFLICT, "date", "date: there is no such invoice in %.7s",
                         date_format(e->effective, day));
    case VOID_CREDIT:
        return err_field(err, ERR_CONFLICT, "amount_minor",
                         "amount_minor: more would be credited than was invoiced; %lld of %lld are credited already",
                         (long long)s.credited.amount_minor, (long long)s.facts.amount_minor);
    default: return 0;
    }
}

int
invoice_row_try(const struct invoice_row *r, const struct invoice_entry *e, const struct member_world *w,
                struct err *err)
{
    struct invoice_fold state;
    struct row row = ROW_OF(&invoice_row_type, r, &state);
    return row_try(&row, r->n, e, w, NULL, err);
}

/* ---- what a row says ---- */

size_t
invoice_slot(const struct invoice_row *r, size_t i)
{
    struct row row = ROW_OF(&invoice_row_type, r, NULL);
    return row_slot_of(&row, i);
}

bool
invoice_slot_empty(const struct invoice_row *r, size_t i)
{
    struct row row = ROW_OF(&invoice_row_type, r, NULL);
    return row_slot_empty(&row, i);
}

/* The last issue that a cancellation took out. */
static const struct invoice_entry *
cancelled_issue(const struct invoice_row *r, struct civil_date as_of)
{
    for (size_t i = r->n; i-- > 0;) {
        const struct invoice_entry *e = &r->entries[i];
        if (e->kind == KIND_INVOICE_ISSUED && e->outcome == OUTCOME_REPLACED && e->effective.days <= as_of.days &&
            invoice_slot_empty(r, i)) {
            return e;
        }
    }
    return NULL;
}

void
invoice_state_at(const struct invoice_row *r, struct civil_date as_of, struct invoice_state *ret)
{
    struct invoice_state s;
    const struct invoice_entry *issue = NULL;
    memset(&s, 0, sizeof(s));
    s.month = DATE_NONE;
    for (size_t i = 0; i < r->n; i++) {
        const struct invoice_entry *e = &r->entries[i];
        if (e->outcome != OUTCOME_APPLIED || e->effective.days > as_of.days) {
            continue;
        }
        if (e->kind == KIND_INVOICE_ISSUED) {
            issue = e;
        } else if (e->kind == KIND_INVOICE_CREDITED) {
            s.credit_notes++;
            s.credited.amount_minor += e->credit.amount_minor;
            s.credited.contribution_minor += e->credit.contribution_minor;
        }
    }
    if (issue == NULL) {
        issue = cancelled_issue(r, as_of);
        s.cancelled = issue != NULL;
    }
    if (issue != NULL) {
        s.exists = true;
        s.facts = issue->facts;
        s.month = issue->effective;
    }
    if (r->n > 0) {
        s.last_change = r->entries[r->n - 1].at;
    }
    *ret = s;
}

bool
invoice_links_position(const struct invoice_row *r, size_t i, struct position *ret)
{
    struct row row = ROW_OF(&invoice_row_type, r, NULL);
    return row_links_of(&row, row_slot_of(&row, i), ret);
}

int
invoice_contributions(const struct invoice_row *r, int (*emit)(void *arg, const struct work_contribution *c), void *arg)
{
    struct invoice_state s;
    invoice_state_at(r, DATE_MAX, &s);
    for (size_t i = 0; i < r->n && s.exists && !s.cancelled; i++) {
        const struct invoice_entry *e = &r->entries[i];
        struct work_contribution c;
        memset(&c, 0, sizeof(c));
        c.month = e->effective;
        c.facets = s.facts.facets;
        memcpy(c.currency, s.facts.currency, sizeof(c.currency));
        if (e->outcome != OUTCOME_APPLIED) {
            continue;
        }
        if (e->kind == KIND_INVOICE_ISSUED) {
            c.v[WORK_INVOICES] = 1;
            c.v[WORK_TURNOVER] = e->facts.amount_minor;
            c.v[WORK_CONTRIBUTION] = e->facts.contribution_minor;
            c.v[WORK_RECORD_KEYS] = member_record_key(&r->invoice);
        } else if (e->kind == KIND_INVOICE_CREDITED) {
            c.v[WORK_CREDIT_NOTES] = 1;
            c.v[WORK_CREDITED] = e->credit.amount_minor;
            c.v[WORK_CONTRIBUTION_BACK] = e->credit.contribution_minor;
        } else {
            continue;
        }
        int rc = emit(arg, &c);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}
